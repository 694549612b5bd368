//! Import of neural networks from ONNX files.
//!
//! A model becomes a program of the language, one or a few lines for each node, and a list of weights. From there on it is compiled like
//! any other: the same types, passes and bytecode. The weights are an input of that program, so that the bytecode does not grow with
//! them; whoever plays the role `model` gives them.
//!
//! | file | what |
//! |---|---|
//! | `wire`, `proto` | protocol buffers, and the messages of a model |
//! | `tensor` | constants |
//! | `view` | affine views |
//! | `program` | the text that is written, and what names of the graph stand for |
//! | `call` | attributes and inputs of a node |
//! | `table` | the operators |
//! | `elementwise`, `activation`, `movement`, `linear`, `window`, `norm`, `reduce`, `recurrent`, `places`, `attention`, `einsum`, `loss`, `quantised`, `integers`, `resize` | what they become |
//! | `ml` | the operators of `ai.onnx.ml` |
//! | `graph` | inputs, nodes in order, outputs |
//! | `fuse` | two nodes that are cheaper together |
//!
//! Everything that is known while importing is carried out: shapes, positions, factors. So a network exported with dynamic axes has
//! fixed ones here, once the shapes of its inputs are known. Bytes from the file give an error, never a panic, and no allocation is much
//! larger than the file.

mod activation;
mod attention;
mod call;
mod einsum;
mod elementwise;
mod fuse;
mod graph;
mod integers;
mod linear;
mod loss;
mod ml;
mod movement;
mod norm;
mod places;
mod program;
mod proto;
mod quantised;
mod recurrent;
mod reduce;
mod resize;
mod table;
mod tensor;
mod view;
mod window;
mod wire;

use std::collections::BTreeMap;

use crate::diagnostics::Diagnostic;
use crate::passes::Level;
use crate::source::{Loader, SourceMap};
use crate::{CompileOptions, Compiled, Failure};

/// Largest model, and largest file of external data, in bytes.
pub const MAX_MODEL_BYTES: usize = 8 << 30;
/// The input that takes the weights.
pub const WEIGHTS: &str = program::WEIGHTS;

/// What the caller decides.
#[derive(Clone, Debug)]
pub struct Options {
    /// Width and fraction of floats.
    pub fix: (u32, u32),
    /// Width of integers.
    pub int: u32,
    /// Shapes of inputs whose shapes the model leaves open, or of all.
    pub shapes: BTreeMap<String, Vec<usize>>,
    /// Whether all parties learn the weights.
    pub public_weights: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            fix: crate::check::types::DEFAULT_FIX,
            int: 32,
            shapes: BTreeMap::new(),
            public_weights: false,
        }
    }
}

/// A model as a program.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The program.
    pub source: String,
    /// Values of its input [`WEIGHTS`]; empty if it has no such input.
    pub weights: Vec<f32>,
    /// What the user should hear all the same.
    pub warnings: Vec<Diagnostic>,
}

/// Turns the model in `path` into a program. Files are asked of `loader`, by paths relative to the model's folder.
///
/// # Errors
/// Every message, when the file is no model or holds something that is not supported.
pub fn import(
    path: &str,
    loader: &dyn Loader,
    options: &Options,
) -> Result<Model, Vec<Diagnostic>> {
    let bytes = loader.load(path).map_err(|why| {
        vec![Diagnostic::global(format!("cannot read the model `{path}`: {why}"))]
    })?;
    let model = proto::model(&bytes)
        .map_err(|why| vec![Diagnostic::global(format!("`{path}` is no ONNX model: {why}"))])?;
    graph::import(path, &model, loader, options)
}

/// Compiles the model in `path` to a graph.
///
/// # Errors
/// As [`import`].
pub fn compile(
    path: &str,
    loader: &dyn Loader,
    options: &Options,
) -> Result<(Compiled, Model), Failure> {
    let model = import(path, loader, options)
        .map_err(|diagnostics| Failure { diagnostics, sources: SourceMap::default() })?;
    let name = format!("{path}.mpc");
    let files = BTreeMap::from([(name.clone(), model.source.clone())]);
    let mut compiled = crate::compile(&name, &files, &CompileOptions::default())?;
    compiled.warnings.extend(model.warnings.iter().cloned());
    Ok((compiled, model))
}

/// Compiles the model in `path` to bytecode.
///
/// # Errors
/// As [`import`].
pub fn build(
    path: &str,
    loader: &dyn Loader,
    options: &Options,
    level: Level,
) -> Result<(mpc_bytecode::Program, Compiled, Model), Failure> {
    let (mut compiled, model) = compile(path, loader, options)?;
    crate::passes::optimise(&mut compiled.module, level);
    Ok((crate::emit::emit(&compiled.module), compiled, model))
}

/// A tensor in a file of its own, as the data of a test are.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// Elements in row-major order.
    pub values: Vec<f64>,
}

impl Tensor {
    /// Reads one, with its name.
    ///
    /// # Errors
    /// Why the bytes are no tensor of numbers.
    pub fn read(bytes: &[u8]) -> Result<(String, Tensor), String> {
        let head = proto::tensor(bytes)?;
        let known = tensor::read(&head, &mut |_| Err("its data are in another file".into()))?;
        let values = (0..known.size()).map(|i| known.at(i)).collect();
        Ok((proto::tensor_name(bytes)?.to_string(), Tensor { shape: known.shape, values }))
    }
}

/// The table of operators as Markdown.
pub fn operators() -> String {
    table::page()
}

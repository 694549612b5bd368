//! Import of neural networks from ONNX files.
//!
//! A model becomes a program of the language, one or a few lines for each node, and a list of weights. From there on it is compiled like
//! any other: the same types, passes and bytecode. The weights are an input of that program, so that the bytecode does not grow with
//! them; whoever plays the role `model` gives them.
//!
//! | file | what |
//! |---|---|
//! | `options` | what the caller decides |
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
//! | `watch` | what the nodes give, and what they should |
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
mod options;
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
mod watch;
mod window;
mod wire;

use std::collections::BTreeMap;
use std::rc::Rc;

pub use options::Options;
#[cfg(feature = "clap")]
pub use options::{Arguments, HEADING};
pub use watch::{Reference, Tap, Watched, reference, watched};

use crate::diagnostics::Diagnostic;
use crate::ir::{Block, Module};
use crate::passes::Level;
use crate::source::{Loader, SourceMap};
use crate::{CompileOptions, Compiled, Failure};
use program::Purpose;

/// Largest model, and largest file of external data, in bytes.
pub const MAX_MODEL_BYTES: usize = 8 << 30;
/// The input that takes the weights.
pub const WEIGHTS: &str = program::WEIGHTS;

/// A model as a program.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The program.
    pub source: String,
    /// Values of its input [`WEIGHTS`]; empty if it has no such input.
    pub weights: Vec<f32>,
    /// What the user should hear all the same.
    pub warnings: Vec<Diagnostic>,
    /// The node that each line of the program is of, with its operator; empty for the first lines, which are of none.
    nodes: Vec<Rc<str>>,
    /// What nodes give, where it comes out.
    taps: Vec<Tap>,
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
    import_for(path, loader, options, Purpose::Run)
}

fn import_for(
    path: &str,
    loader: &dyn Loader,
    options: &Options,
    purpose: Purpose,
) -> Result<Model, Vec<Diagnostic>> {
    read(path, loader, |model| graph::import(path, model, loader, options, purpose))?
}

/// What is made of the messages in a file.
fn read<T>(
    path: &str,
    loader: &dyn Loader,
    make: impl FnOnce(&proto::Model<'_>) -> T,
) -> Result<T, Vec<Diagnostic>> {
    let bytes = loader.load(path).map_err(|why| {
        vec![Diagnostic::global(format!("cannot read the model `{path}`: {why}"))]
    })?;
    let model = proto::model(&bytes)
        .map_err(|why| vec![Diagnostic::global(format!("`{path}` is no ONNX model: {why}"))])?;
    Ok(make(&model))
}

/// An input of a model, other than its weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Name of the input of the program.
    pub name: String,
    /// Whether the model leaves its shape open, wholly or in part.
    pub open: bool,
}

/// The inputs of the model in `path`.
///
/// # Errors
/// When the file is no model.
pub fn inputs(path: &str, loader: &dyn Loader) -> Result<Vec<Input>, Vec<Diagnostic>> {
    read(path, loader, graph::inputs)
}

/// Compiles the model in `path` to a graph. Its operations are placed at nodes of the network.
///
/// # Errors
/// As [`import`].
pub fn compile(
    path: &str,
    loader: &dyn Loader,
    options: &Options,
) -> Result<(Compiled, Model), Failure> {
    compile_for(path, loader, options, Purpose::Run)
}

fn compile_for(
    path: &str,
    loader: &dyn Loader,
    options: &Options,
    purpose: Purpose,
) -> Result<(Compiled, Model), Failure> {
    let model = import_for(path, loader, options, purpose)
        .map_err(|diagnostics| Failure { diagnostics, sources: SourceMap::default() })?;
    let name = format!("{path}.mpc");
    let files = BTreeMap::from([(name.clone(), model.source.clone())]);
    let places = CompileOptions { places_of_program: true, ..CompileOptions::default() };
    let mut compiled = crate::compile_as(&name, &files, &places, purpose == Purpose::Reference)?;
    place(&mut compiled.module, &model.nodes);
    compiled.warnings.extend(model.warnings.iter().cloned());
    Ok((compiled, model))
}

/// Puts the name of its node in the place of the file of each operation.
fn place(module: &mut Module, nodes: &[Rc<str>]) {
    let mut known: BTreeMap<Rc<str>, u32> = BTreeMap::new();
    let mut number = |line: u32| {
        let node = nodes.get(line.checked_sub(1)? as usize).filter(|node| !node.is_empty())?;
        let next = known.len() as u32 + 1;
        Some(*known.entry(node.clone()).or_insert(next))
    };
    for entry in &mut module.entries {
        place_block(&mut entry.body, &mut number);
    }
    module.files.truncate(1);
    let mut names: Vec<_> = known.into_iter().collect();
    names.sort_by_key(|(_, number)| *number);
    module.files.extend(names.iter().map(|(name, _)| name.to_string()));
}

fn place_block(block: &mut Block, number: &mut impl FnMut(u32) -> Option<u32>) {
    for node in &mut block.nodes {
        node.span.file = number(node.span.line).unwrap_or(0);
        node.blocks.iter_mut().for_each(|inner| place_block(inner, number));
    }
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

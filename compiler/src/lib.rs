//! Compiler from a small typed dataflow language to bytecode for secure multi-party computation.
//!
//! | stage | from | to | module |
//! |---|---|---|---|
//! | read | bytes, asked of a [`source::Loader`] | tokens, syntax tree | [`parse`] |
//! | check | syntax trees | modules, names | [`check`] |
//! | lower | modules | dataflow graph | [`lower`] |
//! | optimise | graph | graph | [`passes`] |
//! | emit | graph | bytecode | [`emit`] |
//!
//! The library is pure: it opens no file, reads no clock, and gives the same bytes for the same input, always. [`compile`] goes as far as
//! the graph as lowered, [`build`] to bytecode.
//!
//! ```
//! use std::collections::BTreeMap;
//! let program = "role alice, bob;
//! input a: secret int<32> from alice;
//! input b: secret int<32> from bob;
//! output a < b to all as \"alice_is_poorer\";";
//! let files = BTreeMap::from([("main.mpc".to_string(), program.to_string())]);
//! let compiled = mpc_compiler::compile("main.mpc", &files, &Default::default()).expect("it is right");
//! assert_eq!(compiled.module.inputs.len(), 2);
//! ```

#![forbid(unsafe_code)]

pub mod bristol;
pub mod check;
pub mod diagnostics;
pub mod doc;
pub mod emit;
pub mod folder;
pub mod format;
pub mod ir;
pub mod lang_items;
pub mod lower;
pub mod onnx;
pub mod parse;
pub mod passes;
pub mod source;

use diagnostics::Diagnostic;
pub use lower::Options as CompileOptions;
use source::{Loader, SourceMap};

/// A program as a graph.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The graph, as lowered.
    pub module: ir::Module,
    /// What the user should hear all the same.
    pub warnings: Vec<Diagnostic>,
    /// Texts, to show messages with.
    pub sources: SourceMap,
}

/// Why there is no graph.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Errors and warnings in the order of the source.
    pub diagnostics: Vec<Diagnostic>,
    /// Texts, to show messages with.
    pub sources: SourceMap,
}

impl Failure {
    /// All messages as text.
    pub fn render(&self, colour: bool) -> String {
        self.diagnostics
            .iter()
            .map(|d| diagnostics::render(d, &self.sources, colour) + "\n")
            .collect()
    }
}

/// Compiles the program in `path` to a graph. Files are asked of `loader`, by paths relative to the program's folder.
///
/// # Errors
/// [`Failure`] with every message, when at least one is an error.
pub fn compile(
    path: &str,
    loader: &dyn Loader,
    options: &CompileOptions,
) -> Result<Compiled, Failure> {
    compile_as(path, loader, options, false)
}

/// As [`compile`]; as a `reference` to be interpreted only, with real functions in the place of those of the library.
pub(crate) fn compile_as(
    path: &str,
    loader: &dyn Loader,
    options: &CompileOptions,
    reference: bool,
) -> Result<Compiled, Failure> {
    let mut messages = vec![];
    let program = check::modules::load(path, loader, &mut messages);
    check::names::check(&program, &mut messages);
    let module = lower::lower_as(&program, options, reference, &mut messages);
    let diagnostics = in_order(messages);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(Failure { diagnostics, sources: program.sources });
    }
    debug_assert_eq!(
        ir::verify::verify(&module),
        Ok(()),
        "lowering gives a graph that the verifier accepts"
    );
    Ok(Compiled { module, warnings: diagnostics, sources: program.sources })
}

/// Compiles the program in `path` to bytecode.
///
/// # Errors
/// As [`compile`].
pub fn build(
    path: &str,
    loader: &dyn Loader,
    options: &CompileOptions,
    level: passes::Level,
) -> Result<(mpc_bytecode::Program, Compiled), Failure> {
    let mut compiled = compile(path, loader, options)?;
    passes::optimise(&mut compiled.module, level);
    Ok((emit::emit(&compiled.module), compiled))
}

/// Messages by place, each once; warnings only when there is no error, since they may come of it.
fn in_order(mut messages: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if messages.iter().any(Diagnostic::is_error) {
        messages.retain(Diagnostic::is_error);
    }
    let place =
        |d: &Diagnostic| d.primary.as_ref().map(|p| (p.span.file, p.span.start, p.span.end));
    messages.sort_by_key(place);
    messages.dedup_by(|a, b| place(a) == place(b) && a.title == b.title);
    messages
}

//! Models: `mpcc build MODEL.onnx` and `mpcc check MODEL.onnx`.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use mpc_compiler::Failure;
use mpc_compiler::onnx::{self, MAX_MODEL_BYTES, Options};
use mpc_compiler::source::SourceMap;
use mpc_vm::data::npy;

use crate::{Build, Check, Emit, Error, give, print, split, tell, tell_failure, write_atomically};

/// What can be said about a model.
#[derive(Args)]
pub(crate) struct Model {
    /// Width and fraction bits of a model's numbers.
    #[arg(long, value_name = "K,F", value_parser = fix, default_value = "40,16")]
    fix: (u32, u32),
    /// Sizes of an input that a model leaves open.
    #[arg(long, value_name = "NAME=SIZES", value_parser = shape)]
    shape: Vec<(String, Vec<usize>)>,
    /// Lets all parties learn the weights of a model, which makes products with them local.
    #[arg(long)]
    public_weights: bool,
}

impl Model {
    fn options(&self) -> Result<Options, Error> {
        let mut shapes = BTreeMap::new();
        for (name, sizes) in &self.shape {
            if shapes.insert(name.clone(), sizes.clone()).is_some() {
                return Err(format!("`--shape {name}` is given twice").into());
            }
        }
        let public_weights = self.public_weights;
        Ok(Options { fix: self.fix, shapes, public_weights, ..Options::default() })
    }
}

/// Whether a file is a model, by its name.
pub(crate) fn is_model(file: &Path) -> bool {
    file.extension().is_some_and(|e| e == "onnx")
}

pub(crate) fn build(args: &Build) -> Result<(), Error> {
    if !args.defines.define.is_empty() {
        return Err("-D is for programs; a model has no constants to give".to_string().into());
    }
    let options = args.model.options()?;
    let (folder, name) = split(&args.file)?;
    let folder = folder.with_limit(MAX_MODEL_BYTES);
    if args.emit == Some(Emit::Source) {
        let model = onnx::import(&name, &folder, &options);
        return print(&model.map_err(|d| tell_failure(&of(d), args.defines.json))?.source);
    }
    let built = onnx::build(&name, &folder, &options, args.level());
    let (program, compiled, model) =
        built.map_err(|failure| tell_failure(&failure, args.defines.json))?;
    give(args, &program, &compiled)?;
    if args.emit.is_none() && !model.weights.is_empty() {
        let file = npy::encode_single(&[model.weights.len() as u64], &model.weights);
        write_atomically(&args.output().with_extension("weights.npy"), &file)?;
    }
    Ok(())
}

pub(crate) fn check(file: &Path, args: &Check) -> Result<(), Error> {
    let options = args.model.options()?;
    let (folder, name) = split(file)?;
    let folder = folder.with_limit(MAX_MODEL_BYTES);
    let checked = onnx::compile(&name, &folder, &options);
    let (compiled, _) = checked.map_err(|failure| tell_failure(&failure, args.defines.json))?;
    tell(&compiled.warnings, &compiled.sources, args.defines.json);
    Ok(())
}

fn of(diagnostics: Vec<mpc_compiler::diagnostics::Diagnostic>) -> Failure {
    Failure { diagnostics, sources: SourceMap::default() }
}

fn numbers(text: &str) -> Result<Vec<usize>, String> {
    let number = |part: &str| part.trim().parse().map_err(|_| format!("`{part}` is no size"));
    text.split(',').filter(|part| !part.trim().is_empty()).map(number).collect()
}

fn fix(text: &str) -> Result<(u32, u32), String> {
    match numbers(text)?[..] {
        [k, f] if (8..=64).contains(&k) && f + 4 <= k => Ok((k as u32, f as u32)),
        _ => Err("expected the width, 8 to 64, and the fraction bits, at least 4 less".into()),
    }
}

fn shape(text: &str) -> Result<(String, Vec<usize>), String> {
    let (name, sizes) = text.rsplit_once('=').ok_or("expected NAME=SIZE,SIZE,…")?;
    Ok((name.to_string(), numbers(sizes)?))
}

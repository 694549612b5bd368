//! A program from a file: bytecode, or source or a model that is compiled first.

use std::collections::BTreeMap;
use std::fs;
use std::io::IsTerminal;
use std::path::Path;

use mpc_bytecode::Program;
use mpc_compiler::folder::{Files, Folder};
use mpc_compiler::onnx::{self, MAX_MODEL_BYTES, WEIGHTS};
use mpc_compiler::passes::Level;
use mpc_compiler::{CompileOptions, Failure as CompileFailure, diagnostics};
use mpc_runtime::{Error, Result};
use mpc_vm::data;

use crate::local::Directory;
use crate::{BAD_USE, Failure, Outcome, wrong};

/// Largest bytecode file.
const MAX_BYTES: u64 = 1 << 30;

/// A program and its bytes.
pub(crate) struct Loaded {
    pub(crate) program: Program,
    pub(crate) bytes: Vec<u8>,
    /// The weights of a model, in a directory of their own that is removed when this is dropped.
    weights: Option<Directory>,
}

impl Loaded {
    /// What is given for inputs, the weights of a model among them unless `given` has others.
    pub(crate) fn inputs(&self, given: &[(String, String)]) -> Vec<(String, String)> {
        let mut inputs = given.to_vec();
        let has = |inputs: &[(String, String)]| inputs.iter().any(|(name, _)| name == WEIGHTS);
        if let Some(directory) = &self.weights
            && !has(&inputs)
        {
            let path = directory.0.join(WEIGHTS_FILE).display().to_string();
            inputs.push((WEIGHTS.to_string(), path));
        }
        inputs
    }
}

/// Where the weights of a model lie for a run.
const WEIGHTS_FILE: &str = "weights.npy";

/// Reads bytecode, or compiles source.
///
/// Free sizes of a source program are those of the data in `inputs`, unless `defines` has them.
pub(crate) fn load(
    path: &Path,
    defines: &[(String, String)],
    inputs: &[(String, String)],
    arguments: &onnx::Arguments,
) -> Outcome<Loaded> {
    if let Some(option) = arguments.given().filter(|_| !is_model(path)) {
        return Err(only_for_models(option, path).into());
    }
    match path.extension().and_then(|e| e.to_str()) {
        Some("mpc") => compile(path, defines, inputs),
        Some("onnx") if defines.is_empty() => model(path, inputs, arguments),
        Some("onnx") => Err(wrong("-D is for source programs; a model has no constants").into()),
        _ if defines.is_empty() => read(path),
        _ => Err(wrong("-D is for source programs; bytecode has its constants in it").into()),
    }
}

/// Whether a file is a model, by its name.
pub(crate) fn is_model(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "onnx")
}

/// The error for an option about models.
pub(crate) fn only_for_models(option: &str, path: &Path) -> Error {
    wrong(format!("{option} is for models (.onnx); {} is none", path.display()))
}

fn read(path: &Path) -> Outcome<Loaded> {
    let bytes = data::read_file(path, MAX_BYTES)?;
    let program = Program::load(&bytes).map_err(|e| wrong(format!("{}: {e}", path.display())))?;
    Ok(Loaded { program, bytes, weights: None })
}

/// Compiles a model. Sizes that it leaves open are those of the data.
fn model(path: &Path, inputs: &[(String, String)], arguments: &onnx::Arguments) -> Outcome<Loaded> {
    let folder = folder(path)?.with_limit(MAX_MODEL_BYTES);
    let mut options = arguments.options().map_err(wrong)?;
    let build = |options: &onnx::Options| onnx::build(folder.main(), &folder, options, Level::Full);
    let mut built = build(&options);
    let open = |f: &CompileFailure| f.diagnostics.iter().any(|d| d.title.contains("give --shape"));
    if built.as_ref().is_err_and(open) && !inputs.is_empty() {
        let given = std::mem::replace(&mut options.shapes, shapes(inputs)?);
        options.shapes.remove(WEIGHTS);
        options.shapes.extend(given);
        built = build(&options);
    }
    let (program, compiled, model) = built.map_err(|failure| told(&failure))?;
    tell(&compiled.warnings, &compiled.sources);
    let mut loaded = verified(path, program)?;
    one_sample(&loaded.program, inputs)?;
    if !model.weights.is_empty() {
        let directory = Directory::new()?;
        let file = directory.0.join(WEIGHTS_FILE);
        fs::write(&file, data::npy::encode_single(&[model.weights.len() as u64], &model.weights))
            .map_err(|e| wrong(format!("{}: {e}", file.display())))?;
        loaded.weights = Some(directory);
    }
    Ok(loaded)
}

/// An error for data of several samples where the model takes one.
fn one_sample(program: &Program, inputs: &[(String, String)]) -> Outcome {
    for (key, path) in inputs {
        let name = key.rsplit('.').next().unwrap_or(key);
        let Some(variable) = program.inputs.iter().find(|v| v.name == name) else { continue };
        let shape = data::shape_of(Path::new(path), name)?;
        if let ([1, wanted @ ..], [n, found @ ..]) = (&variable.shape[..], &shape[..])
            && wanted == found
            && *n > 1
        {
            let sizes: Vec<String> = shape.iter().map(u64::to_string).collect();
            let sizes = sizes.join(",");
            return Err(wrong(format!(
                "input `{name}`: {path} holds {n} samples, the model takes one; --shape {name}={sizes} runs them together"
            ))
            .into());
        }
    }
    Ok(())
}

/// The folder of a program.
fn folder(path: &Path) -> Result<Folder> {
    let files = Files {
        canonical: |path| path.canonicalize(),
        kind: |path| Ok(path.metadata()?.file_type()),
        open: |path| Ok(Box::new(fs::File::open(path)?)),
    };
    let folder = Folder::of(path, files);
    folder.ok_or_else(|| wrong(format!("{}: this names no file", path.display())))
}

fn compile(
    path: &Path,
    defines: &[(String, String)],
    inputs: &[(String, String)],
) -> Outcome<Loaded> {
    let folder = folder(path)?;
    let name = folder.main();
    let mut options = CompileOptions::default();
    for (name, value) in defines {
        if options.defines.insert(name.clone(), value.clone()).is_some() {
            return Err(wrong(format!("`-D {name}` is given twice")).into());
        }
    }
    // data are asked only where the program leaves sizes open
    let first = match mpc_compiler::build(name, &folder, &options, Level::Full) {
        Ok((program, compiled)) => {
            tell(&compiled.warnings, &compiled.sources);
            return verified(path, program);
        }
        Err(failure) => failure,
    };
    let open = |f: &CompileFailure| f.diagnostics.iter().any(|d| d.title.contains("is not known"));
    if !open(&first) || inputs.is_empty() {
        return Err(told(&first));
    }
    let shapes = shapes(inputs)?;
    let mut last = first;
    for drop_ones in [false, true] {
        options.input_shapes = shapes.clone();
        if drop_ones {
            options.input_shapes.values_mut().for_each(|shape| shape.retain(|size| *size != 1));
        }
        match mpc_compiler::build(name, &folder, &options, Level::Full) {
            Ok((program, compiled)) => {
                tell(&compiled.warnings, &compiled.sources);
                return verified(path, program);
            }
            Err(failure) => last = failure,
        }
    }
    Err(told(&last))
}

/// Shapes of the data by input. A single column of a table is a vector.
fn shapes(inputs: &[(String, String)]) -> Outcome<BTreeMap<String, Vec<usize>>> {
    let mut shapes = BTreeMap::new();
    for (key, path) in inputs {
        let name = key.rsplit('.').next().unwrap_or(key);
        let shape = data::shape_of(Path::new(path), name)?;
        shapes.insert(name.to_string(), shape.iter().map(|size| *size as usize).collect());
    }
    Ok(shapes)
}

/// What the compiler made, checked like any other bytecode.
fn verified(path: &Path, program: Program) -> Outcome<Loaded> {
    let bytes = program.encode();
    let program = Program::load(&bytes)
        .map_err(|e| wrong(format!("{}: the compiler made bad bytecode: {e}", path.display())))?;
    Ok(Loaded { program, bytes, weights: None })
}

fn told(failure: &CompileFailure) -> Failure {
    tell(&failure.diagnostics, &failure.sources);
    Failure::Told(BAD_USE)
}

fn tell(messages: &[diagnostics::Diagnostic], sources: &mpc_compiler::source::SourceMap) {
    let colour = std::io::stderr().is_terminal();
    for message in messages {
        crate::tell(format!("{}\n", diagnostics::render(message, sources, colour)));
    }
}

/// The number of an entry.
pub(crate) fn entry(program: &Program, name: &str) -> mpc_runtime::Result<usize> {
    program.entries.iter().position(|entry| entry.name == name).ok_or_else(|| {
        let names: Vec<&str> = program.entries.iter().map(|e| e.name.as_str()).collect();
        wrong(format!("no entry `{name}`; the program has {}", names.join(", ")))
    })
}

/// Hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

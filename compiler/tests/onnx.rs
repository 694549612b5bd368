//! Networks from ONNX files, in the clear: as the graph means them after all passes, against the outputs that come with them.
//!
//! A test is a folder as those of the `onnx` package: `model.onnx`, and `test_data_set_*` with `input_*.pb` and `output_*.pb`, each a
//! tensor. Those in `tests/onnx` are made by `scripts/make-onnx-models.py`. All node tests of the package are run by
//!
//! ```text
//! scripts/make-onnx-node-tests.py FOLDER
//! ONNX_NODE_TESTS=FOLDER cargo test -p mpc-compiler --test onnx --release -- node_tests --nocapture
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mpc_compiler::Failure;
use mpc_compiler::ir::interpret::{Options as Run, interpret};
use mpc_compiler::ir::{DataType, Module};
use mpc_compiler::onnx::{self, Options, Tensor};
use mpc_compiler::passes::Level;
use mpc_compiler::source::LoadError;

/// Files of a folder, or of memory.
fn loader(folder: PathBuf) -> impl Fn(&str) -> Result<Vec<u8>, LoadError> {
    move |path: &str| std::fs::read(folder.join(path)).map_err(|_| LoadError::Missing)
}

/// How far a result may be from what is expected: absolutely, and relative to it.
const ABSOLUTE: f64 = 2e-3;
const RELATIVE: f64 = 2e-3;

/// Compiles a model of a folder and compares each of its data sets.
fn run(folder: &Path, file: &str, options: &Options) -> Result<(), String> {
    let built = onnx::build(file, &loader(folder.into()), options, Level::Full);
    let (_, compiled, model) = built.map_err(|failure| text(&failure))?;
    let module = compiled.module;
    let mut sets: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    sets.retain(|p| p.is_dir());
    assert!(!sets.is_empty(), "no data for {}", folder.display());
    for set in sets {
        let outputs = results(&module, &model.weights, &tensors(&set, "input"))?;
        let expected = tensors(&set, "output");
        for (i, (found, (_, want))) in outputs.iter().zip(&expected).enumerate() {
            compare(found, want).map_err(|why| format!("output {i}: {why}"))?;
        }
        if outputs.len() != expected.len() {
            return Err(format!("{} outputs, {} expected", outputs.len(), expected.len()));
        }
    }
    Ok(())
}

fn text(failure: &Failure) -> String {
    let titles: Vec<&str> = failure.diagnostics.iter().map(|d| d.title.as_str()).collect();
    if failure.sources.files().is_empty() { titles.join("; ") } else { failure.render(false) }
}

/// The tensors of a data set in order.
fn tensors(set: &Path, kind: &str) -> Vec<(String, Tensor)> {
    let path = |i: usize| set.join(format!("{kind}_{i}.pb"));
    let read = |i| std::fs::read(path(i)).ok();
    (0..)
        .map_while(read)
        .map(|bytes| Tensor::read(&bytes).unwrap_or_else(|why| panic!("{}: {why}", set.display())))
        .collect()
}

/// Elements as integers of the program.
fn scaled(data: DataType, xs: &[f64]) -> Vec<i128> {
    let factor = if let DataType::Fix(_, f) = data { f64::from(f).exp2() } else { 1.0 };
    xs.iter().map(|x| (x * factor).round() as i128).collect()
}

fn results(
    module: &Module,
    weights: &[f32],
    inputs: &[(String, Tensor)],
) -> Result<Vec<Tensor>, String> {
    let mut data = BTreeMap::new();
    let mut unnamed = inputs.iter().filter(|(name, _)| name.is_empty());
    for (id, input) in module.inputs.iter().enumerate() {
        let values = if input.name == onnx::WEIGHTS {
            weights.iter().map(|x| f64::from(*x)).collect()
        } else {
            let named = inputs.iter().find(|(name, _)| *name == input.name);
            let given = named.or_else(|| unnamed.next());
            given.ok_or(format!("the input `{}` is missing", input.name))?.1.values.clone()
        };
        data.insert(id as u32, scaled(input.data, &values));
    }
    let options = Run { checked: true, ..Run::default() };
    let found = interpret(module, &module.entries[0], &data, &mut BTreeMap::new(), options)
        .map_err(|fault| format!("line {}: {}", fault.span.line, fault.what))?;
    let output = |(id, declared): (usize, &mpc_compiler::ir::OutputDecl)| {
        let scale = if let DataType::Fix(_, f) = declared.data { f64::from(f).exp2() } else { 1.0 };
        let values = found[&(id as u32)].iter().map(|x| *x as f64 / scale).collect();
        Tensor { shape: declared.shape.clone(), values }
    };
    Ok(module.outputs.iter().enumerate().map(output).collect())
}

fn compare(found: &Tensor, want: &Tensor) -> Result<(), String> {
    if found.shape != want.shape {
        return Err(format!("shape {:?}, expected {:?}", found.shape, want.shape));
    }
    for (i, (x, y)) in found.values.iter().zip(&want.values).enumerate() {
        if (x - y).abs() > ABSOLUTE + RELATIVE * y.abs() || x.is_nan() || y.is_nan() {
            return Err(format!("element {i} is {x}, expected {y}"));
        }
    }
    Ok(())
}

#[test]
fn node_tests() {
    let Some(folder) = std::env::var_os("ONNX_NODE_TESTS") else { return };
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    let (mut passed, mut known, mut failed) = (0, 0, vec![]);
    for folder in folders.iter().filter(|f| f.join("model.onnx").exists()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let go = |file: &str| {
            std::panic::catch_unwind(|| run(folder, file, &Options::default()))
                .unwrap_or_else(|_| Err("PANIC".into()))
        };
        let mut done = go("model.onnx");
        if done.is_err() && folder.join("known.onnx").exists() {
            done = go("known.onnx");
            known += usize::from(done.is_ok());
        }
        match done {
            Ok(()) => passed += 1,
            Err(why) => failed.push(format!("{name}: {}", why.lines().next().unwrap_or_default())),
        }
    }
    println!("{}", failed.join("\n"));
    println!(
        "{passed} node tests passed, {known} of them with integer inputs as constants; {} did not",
        failed.len()
    );
}

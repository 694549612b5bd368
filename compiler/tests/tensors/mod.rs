//! Models with data, as folders: `model.onnx`, and `test_data_set_*` with `input_*.pb` and `output_*.pb`, each a tensor.
#![allow(dead_code, reason = "every test binary uses a part")]

use std::path::{Path, PathBuf};

use mpc_compiler::Failure;
use mpc_compiler::ir::{DataType, Module};
use mpc_compiler::onnx::{self, Options, Tensor};
use mpc_compiler::passes::Level;
use mpc_compiler::source::LoadError;

/// Files of a folder, or of memory.
pub(crate) fn loader(folder: PathBuf) -> impl Fn(&str) -> Result<Vec<u8>, LoadError> {
    move |path: &str| std::fs::read(folder.join(path)).map_err(|_| LoadError::Missing)
}

/// How far a result may be from what is expected: absolutely, and relative to it.
const ABSOLUTE: f64 = 2e-3;
const RELATIVE: f64 = 2e-3;

/// Tensors with their names.
pub(crate) type Named = Vec<(String, Tensor)>;

/// A model, compiled.
pub(crate) struct Built {
    pub(crate) program: mpc_bytecode::Program,
    pub(crate) module: Module,
    pub(crate) weights: Vec<f32>,
}

/// Bytecode, the graph after all passes, and the weights. Shapes that the model leaves open are those of the inputs.
pub(crate) fn build(
    folder: &Path,
    file: &str,
    inputs: &[(String, Tensor)],
) -> Result<Built, String> {
    let mut options = Options::default();
    let go = |options: &Options| onnx::build(file, &loader(folder.into()), options, Level::Full);
    let mut built = go(&options);
    if built.as_ref().is_err_and(|f| text(f).contains("give --shape")) {
        let shapes = inputs.iter().map(|(name, tensor)| (plain(name), tensor.shape.clone()));
        options.shapes = shapes.collect();
        built = go(&options);
    }
    let (program, compiled, model) = built.map_err(|failure| text(&failure))?;
    Ok(Built { program, module: compiled.module, weights: model.weights })
}

/// A name of a graph as that of an input.
pub(crate) fn plain(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.chars().map(|c| if plain(c) { c } else { '_' }).collect()
}

fn text(failure: &Failure) -> String {
    let titles: Vec<&str> = failure.diagnostics.iter().map(|d| d.title.as_str()).collect();
    if failure.sources.files().is_empty() { titles.join("; ") } else { failure.render(false) }
}

/// The tensors of a data set in order.
fn tensors(set: &Path, kind: &str) -> Result<Named, String> {
    let path = |i: usize| set.join(format!("{kind}_{i}.pb"));
    let read = |i| std::fs::read(path(i)).ok();
    (0..).map_while(read).map(|bytes| Tensor::read(&bytes)).collect()
}

/// Elements as integers of the program.
pub(crate) fn scaled(data: DataType, xs: &[f64]) -> Vec<i128> {
    let factor = if let DataType::Fix(_, f) = data { f64::from(f).exp2() } else { 1.0 };
    xs.iter().map(|x| (x * factor).round() as i128).collect()
}

/// The values of an input: the weights, or the tensor of that name, or the next without one.
pub(crate) fn given<'t>(
    name: &str,
    weights: &[f32],
    inputs: &'t [(String, Tensor)],
    unnamed: &mut impl Iterator<Item = &'t (String, Tensor)>,
) -> Result<Vec<f64>, String> {
    if name == onnx::WEIGHTS {
        return Ok(weights.iter().map(|x| f64::from(*x)).collect());
    }
    let named = inputs.iter().find(|(n, _)| plain(n) == name);
    let given = named.or_else(|| unnamed.next());
    Ok(given.ok_or(format!("the input `{name}` is missing"))?.1.values.clone())
}

/// The data sets of a test: inputs, and outputs that are expected.
pub(crate) fn sets(folder: &Path) -> Result<Vec<[Named; 2]>, String> {
    let mut sets: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    sets.retain(|p| p.is_dir());
    sets.sort();
    assert!(!sets.is_empty(), "no data for {}", folder.display());
    sets.iter().map(|set| Ok([tensors(set, "input")?, tensors(set, "output")?])).collect()
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

/// Compares all outputs.
pub(crate) fn compare_all(found: &[Tensor], expected: &[(String, Tensor)]) -> Result<(), String> {
    for (i, (found, (_, want))) in found.iter().zip(expected).enumerate() {
        compare(found, want).map_err(|why| format!("output {i}: {why}"))?;
    }
    if found.len() != expected.len() {
        return Err(format!("{} outputs, {} expected", found.len(), expected.len()));
    }
    Ok(())
}

/// A result as a tensor.
pub(crate) fn tensor(data: DataType, shape: &[usize], values: &[i128]) -> Tensor {
    let scale = if let DataType::Fix(_, f) = data { f64::from(f).exp2() } else { 1.0 };
    let values = values.iter().map(|x| *x as f64 / scale).collect();
    Tensor { shape: shape.to_vec(), values }
}

/// Runs a test with its model, or with the one in which is constant what is constant in models; says which.
pub(crate) fn either(
    folder: &Path,
    run: impl Fn(&str) -> Result<(), String>,
) -> (Result<(), String>, bool) {
    let go = |file: &str| {
        let run = std::panic::AssertUnwindSafe(|| run(file));
        std::panic::catch_unwind(run).unwrap_or_else(|_| Err("PANIC".into()))
    };
    let done = go("model.onnx");
    if done.is_err() && folder.join("known.onnx").exists() {
        return (go("known.onnx"), true);
    }
    (done, false)
}

/// The networks in `tests/onnx`.
pub(crate) fn networks() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compiler/tests/onnx");
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    folders
}

/// The tests in the folder that a variable of the environment names; none if it names none.
pub(crate) fn folders_of(variable: &str) -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os(variable) else { return vec![] };
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    folders.retain(|f| f.join("model.onnx").exists());
    folders.sort();
    folders
}

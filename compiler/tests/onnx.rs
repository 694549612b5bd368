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
use mpc_compiler::diagnostics::Diagnostic;
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
fn run(folder: &Path, file: &str) -> Result<(), String> {
    let mut sets: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    sets.retain(|p| p.is_dir());
    sets.sort();
    assert!(!sets.is_empty(), "no data for {}", folder.display());
    for set in sets {
        let inputs = tensors(&set, "input")?;
        let (compiled, weights) = build(folder, file, &inputs)?;
        let outputs = results(&compiled, &weights, &inputs)?;
        let expected = tensors(&set, "output")?;
        for (i, (found, (_, want))) in outputs.iter().zip(&expected).enumerate() {
            compare(found, want).map_err(|why| format!("output {i}: {why}"))?;
        }
        if outputs.len() != expected.len() {
            return Err(format!("{} outputs, {} expected", outputs.len(), expected.len()));
        }
    }
    Ok(())
}

/// The graph after all passes, and the weights. Shapes that the model leaves open are those of the inputs.
fn build(
    folder: &Path,
    file: &str,
    inputs: &[(String, Tensor)],
) -> Result<(Module, Vec<f32>), String> {
    let mut options = Options::default();
    let go = |options: &Options| onnx::build(file, &loader(folder.into()), options, Level::Full);
    let mut built = go(&options);
    if built.as_ref().is_err_and(|f| text(f).contains("give --shape")) {
        let shapes = inputs.iter().map(|(name, tensor)| (plain(name), tensor.shape.clone()));
        options.shapes = shapes.collect();
        built = go(&options);
    }
    let (_, compiled, model) = built.map_err(|failure| text(&failure))?;
    Ok((compiled.module, model.weights))
}

/// A name of a graph as that of an input.
fn plain(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.chars().map(|c| if plain(c) { c } else { '_' }).collect()
}

fn text(failure: &Failure) -> String {
    let titles: Vec<&str> = failure.diagnostics.iter().map(|d| d.title.as_str()).collect();
    if failure.sources.files().is_empty() { titles.join("; ") } else { failure.render(false) }
}

/// The tensors of a data set in order.
fn tensors(set: &Path, kind: &str) -> Result<Vec<(String, Tensor)>, String> {
    let path = |i: usize| set.join(format!("{kind}_{i}.pb"));
    let read = |i| std::fs::read(path(i)).ok();
    (0..).map_while(read).map(|bytes| Tensor::read(&bytes)).collect()
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
            let named = inputs.iter().find(|(name, _)| plain(name) == input.name);
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

/// The networks in `tests/onnx`.
fn networks() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx");
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    folders
}

#[test]
fn networks_give_what_the_reference_gives() {
    for folder in networks() {
        run(&folder, "model.onnx").unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    }
}

/// The program and the weights of a network, in which the batch is as in its data.
fn program(name: &str, options: Options) -> onnx::Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx").join(name);
    let messages =
        |d: Vec<Diagnostic>| d.into_iter().map(|d| d.title).collect::<Vec<_>>().join("; ");
    onnx::import("model.onnx", &loader(folder), &options).map_err(messages).unwrap()
}

#[test]
fn a_network_is_a_short_program_and_its_weights_are_beside_it() {
    let shapes = BTreeMap::from([("image".to_string(), vec![2, 1, 12, 12])]);
    let lenet = program("lenet", Options { shapes, ..Options::default() });
    // The batch normalisation is part of the convolution, and the pool comes before what it makes cheaper.
    assert_eq!(lenet.weights.len(), 4 * 25 + 4 + 6 * 4 * 9 + 6 + 24 * 10 + 10);
    let place = |text: &str| lenet.source.find(text).unwrap_or_else(|| panic!("{}", lenet.source));
    assert!(place("(MaxPool)") < place("(Relu)"));
    assert!(lenet.source.contains("input weights: private(model) fix<40,16>[576] from model;"));
    assert!(lenet.source.contains("from user as \"image\";"));
    assert!(lenet.source.contains("to user as \"log_probabilities\";"));
    let public = Options { public_weights: true, ..Options::default() };
    assert!(program("face", public).source.contains("input weights: clear fix<40,16>["));
}

#[test]
fn shapes_that_are_open_are_asked_for_and_those_given_must_fit() {
    let folder = || networks().into_iter().find(|f| f.ends_with("lenet")).unwrap();
    let told = |shape: Option<(&str, Vec<usize>)>| {
        let shapes = shape.into_iter().map(|(n, s)| (n.to_string(), s)).collect();
        let options = Options { shapes, ..Options::default() };
        let failure = onnx::import("model.onnx", &loader(folder()), &options).unwrap_err();
        failure.into_iter().map(|d| d.title).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(
        told(None),
        "input `image`: its shape is [batch, 1, 12, 12]; give --shape image=SIZES"
    );
    assert!(
        told(Some(("image", vec![1, 3, 12, 12]))).contains("the model says [batch, 1, 12, 12]")
    );
    assert!(told(Some(("picture", vec![1]))).contains("no input `picture`; its inputs: image"));
}

/// A model of one message field after the other.
fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![];
    for (number, content) in fields {
        bytes.extend([number << 3 | 2, u8::try_from(content.len()).unwrap()]);
        bytes.extend(*content);
    }
    bytes
}

#[test]
fn all_that_is_not_supported_is_told_at_once() {
    let node = |op: &[u8], name: &[u8], domain: &[u8]| {
        message(&[(1, b"x"), (2, name), (3, name), (4, op), (7, domain)])
    };
    let nodes = [
        node(b"Relu", b"a", b""),
        node(b"NonMaxSuppression", b"b", b""),
        node(b"Relu", b"c", b"com.example"),
        node(b"Gelu", b"d", b""),
    ];
    let fields: Vec<(u8, &[u8])> = nodes.iter().map(|n| (1, &n[..])).collect();
    let graph = message(&fields);
    let mut model = message(&[(7, &graph)]);
    model.extend([0x42, 2, 0x10, 13]);
    let load = |_: &str| Ok::<_, LoadError>(model.clone());
    let failure = onnx::import("m.onnx", &load, &Options::default()).unwrap_err();
    let titles: Vec<&str> = failure.iter().map(|d| d.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "node `b` (NonMaxSuppression): this operator is not supported (operator set 13)",
            "node `c` (com.example.Relu): this operator is not supported (operator set 13)",
            "node `d` (Gelu): this operator is supported in operator sets 20 to 28, not in 13",
        ]
    );
}

#[test]
fn pictures_have_channels() {
    let row = message(&[(1, &[0x08, 5])]);
    let tensor = [&[0x08, 1], &message(&[(2, &row)])[..]].concat();
    let ty = message(&[(1, &tensor)]);
    for op in ["LRN", "GlobalMaxPool", "InstanceNormalization", "MaxPool"] {
        let node = message(&[(1, b"x"), (2, b"y"), (4, op.as_bytes())]);
        let border = |name: &[u8]| message(&[(1, name), (2, &ty)]);
        let graph = message(&[(1, &node), (11, &border(b"x")), (12, &border(b"y"))]);
        let mut model = message(&[(7, &graph)]);
        model.extend([0x42, 2, 0x10, 13]);
        let load = |_: &str| Ok::<_, LoadError>(model.clone());
        let failure = onnx::import("m.onnx", &load, &Options::default()).unwrap_err();
        assert!(failure[0].title.contains("picture"), "{op}: {}", failure[0].title);
    }
}

/// Numbers from a fixed sequence.
struct Draws(u64);

impl Draws {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % n.max(1)
    }
}

#[test]
fn broken_files_give_errors() {
    let mut draws = Draws(1);
    for folder in networks() {
        let whole = std::fs::read(folder.join("model.onnx")).unwrap();
        let import = |bytes: Vec<u8>| {
            let rest = loader(folder.clone());
            let load = |path: &str| if path == "m" { Ok(bytes.clone()) } else { rest(path) };
            let shapes = BTreeMap::from([("image".to_string(), vec![1, 1, 12, 12])]);
            let shapes = if folder.ends_with("lenet") { shapes } else { BTreeMap::new() };
            onnx::import("m", &load, &Options { shapes, ..Options::default() })
        };
        for length in (0..whole.len()).step_by(7) {
            assert!(import(whole[..length].to_vec()).is_err(), "cut at {length}");
        }
        for _ in 0..600 {
            let mut bytes = whole.clone();
            for _ in 0..=draws.below(3) {
                let at = draws.below(bytes.len());
                bytes[at] = match draws.below(4) {
                    0 => 0xff,
                    1 => 0,
                    2 => bytes[at] ^ (1 << draws.below(8)),
                    _ => draws.below(256) as u8,
                };
            }
            // Some of these are models still; none may panic.
            let _ = import(bytes);
        }
    }
}

#[test]
fn the_page_of_operators_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ONNX.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, onnx::operators()).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == onnx::operators(), "BLESS=1 renews {}", path.display());
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
            std::panic::catch_unwind(|| run(folder, file)).unwrap_or_else(|_| Err("PANIC".into()))
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

//! Networks from ONNX files, in the clear: as the graph means them after all passes, against the outputs that come with them.
//!
//! A test is a folder as those of the `onnx` package: `model.onnx`, and `test_data_set_*` with `input_*.pb` and `output_*.pb`, each a
//! tensor. Those in `tests/onnx` are made by `scripts/make-onnx-models.py`. All node tests of the package are run by
//!
//! ```text
//! scripts/make-onnx-node-tests.py FOLDER
//! ONNX_NODE_TESTS=FOLDER cargo test -p mpc-compiler --test onnx --release -- node_tests --nocapture
//! ```

mod broken;
mod tensors;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use mpc_compiler::diagnostics::Diagnostic;
use mpc_compiler::ir::Module;
use mpc_compiler::ir::interpret::{Options as Run, interpret};
use mpc_compiler::onnx::{self, Options, Tensor};
use mpc_compiler::source::LoadError;
use tensors::{
    build, compare_all, either, folders_of, given, loader, networks, plain, scaled, sets, tensor,
};

/// Compiles a model of a folder and compares each of its data sets.
fn run(folder: &Path, file: &str) -> Result<(), String> {
    for [inputs, expected] in sets(folder)? {
        let built = build(folder, file, &inputs)?;
        let read = mpc_bytecode::Program::load(&built.program.encode());
        read.map_err(|why| format!("the bytecode does not load: {why}"))?;
        let outputs = results(&built.module, &built.weights, &inputs)?;
        compare_all(&outputs, &expected)?;
    }
    Ok(())
}

/// What the graph means.
fn results(
    module: &Module,
    weights: &[f32],
    inputs: &[(String, Tensor)],
) -> Result<Vec<Tensor>, String> {
    let mut data = BTreeMap::new();
    let mut unnamed = inputs.iter().filter(|(name, _)| name.is_empty());
    for (id, input) in module.inputs.iter().enumerate() {
        let values = given(&input.name, weights, inputs, &mut unnamed)?;
        data.insert(id as u32, scaled(input.data, &values));
    }
    let options = Run { checked: true, ..Run::default() };
    let found = interpret(module, &module.entries[0], &data, &mut BTreeMap::new(), options)
        .map_err(|fault| format!("line {}: {}", fault.span.line, fault.what))?;
    let output = |(id, declared): (usize, &mpc_compiler::ir::OutputDecl)| {
        tensor(declared.data, &declared.shape, &found[&(id as u32)])
    };
    Ok(module.outputs.iter().enumerate().map(output).collect())
}

#[test]
fn networks_give_what_the_reference_gives() {
    for folder in networks() {
        run(&folder, "model.onnx").unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    }
}

/// A model of one node of `x`, of the shape [1, 3], that gives `y`, of the same; `attribute` is one of it.
fn of_one_sample(op: &[u8], attribute: &[u8]) -> Vec<u8> {
    let shape = message(&[(1, &[0x08, 1]), (1, &[0x08, 3])]);
    let tensor = [&[0x08, 1], &message(&[(2, &shape)])[..]].concat();
    let ty = message(&[(1, &tensor)]);
    let border = |name: &[u8]| message(&[(1, name), (2, &ty)]);
    let node = message(&[(1, b"x"), (2, b"y"), (4, op), (5, attribute)]);
    let graph = message(&[(1, &node), (11, &border(b"x")), (12, &border(b"y"))]);
    [&message(&[(7, &graph)])[..], &[0x42, 2, 0x10, 13]].concat()
}

#[test]
fn a_model_for_one_sample_takes_several_if_they_stay_apart() {
    let shape_of = |op: &[u8], attribute: &[u8], shape: Vec<usize>| {
        let model = of_one_sample(op, attribute);
        let load = |_: &str| Ok::<_, LoadError>(model.clone());
        let shapes = BTreeMap::from([("x".to_string(), shape)]);
        onnx::import("m.onnx", &load, &Options { shapes, ..Options::default() })
            .map_err(|failure| failure.into_iter().map(|d| d.title).collect::<Vec<_>>().join("; "))
    };
    let relu = shape_of(b"Relu", b"", vec![4, 3]).unwrap();
    assert!(relu.source.contains("fix<40,16>[4, 3]"), "{}", relu.source);
    // An axis of 0 puts all in one row.
    let axis = [&message(&[(1, b"axis")])[..], &[0x18, 0, 0xa0, 1, 2]].concat();
    assert!(shape_of(b"Flatten", &axis, vec![1, 3]).is_ok());
    let told = shape_of(b"Flatten", &axis, vec![4, 3]).unwrap_err();
    assert!(
        told.contains("[1, 12] for 4 samples") && told.contains("run them one by one"),
        "{told}"
    );
    let told = shape_of(b"Relu", b"", vec![4, 5]).unwrap_err();
    assert!(told.contains("the model says [1, 3]"), "{told}");
}

/// How far a reference may be from the reference evaluator, which has floats of 32 bits.
const FLOAT: f64 = 2e-5;

#[test]
fn references_are_floating_point_and_what_is_watched_is_what_they_give() {
    for folder in networks() {
        let [inputs, expected] = sets(&folder).unwrap().swap_remove(0);
        let name = folder.display();
        let shapes = inputs.iter().map(|(n, tensor)| (plain(n), tensor.shape.clone())).collect();
        let options = Options { shapes, fast_functions: true, ..Options::default() };
        let load = loader(folder.clone());
        let watched = onnx::watched("model.onnx", &load, &options).unwrap();
        let reference = onnx::reference("model.onnx", &load, &options).unwrap();
        let given = inputs.iter().map(|(n, tensor)| (plain(n), tensor.values.clone())).collect();
        let found = reference.run(&given).unwrap();
        for (output, want) in &expected {
            let far = |(x, y): (&f64, &f64)| (x - y).abs() > FLOAT * (1.0 + y.abs());
            let wrong = found[&plain(output)].iter().zip(&want.values).find(|(x, y)| far((x, y)));
            assert_eq!(wrong, None, "{name}: {output}");
        }
        assert!(!watched.taps.is_empty());
        let outputs = &watched.program.outputs;
        for tap in &watched.taps {
            let output = outputs.iter().find(|o| o.name == tap.output).unwrap();
            assert_eq!(output.shape.iter().product::<u64>(), found[&tap.output].len() as u64);
            assert!(watched.program.files.contains(&tap.node), "{name}: {}", tap.node);
        }
    }
}

/// How far functions with few digits may be off, after a few layers.
const FEW_DIGITS: f64 = 1e-2;

#[test]
fn functions_may_have_fewer_digits() {
    let folder = networks().into_iter().find(|f| f.ends_with("recurrent")).unwrap();
    let load = loader(folder.clone());
    for [inputs, expected] in sets(&folder).unwrap() {
        let shapes = inputs.iter().map(|(n, tensor)| (plain(n), tensor.shape.clone())).collect();
        let options = Options { shapes, fast_functions: true, ..Options::default() };
        let compiled = onnx::compile("model.onnx", &load, &options);
        let (compiled, model) =
            compiled.unwrap_or_else(|failure| panic!("{:?}", failure.diagnostics));
        let source = &model.source;
        assert!(
            source.contains("use stdlib::fast;") && source.contains("fast::sigmoid("),
            "{source}"
        );
        assert!(!source.contains("math::sigmoid(") && !source.contains("math::tanh("), "{source}");
        let found = results(&compiled.module, &model.weights, &inputs).unwrap();
        for (found, (name, expected)) in found.iter().zip(&expected) {
            let far = |(x, y): (&f64, &f64)| (x - y).abs() > FEW_DIGITS;
            let wrong = found.values.iter().zip(&expected.values).find(|(x, y)| far((x, y)));
            assert_eq!(wrong, None, "{name}");
        }
    }
}

#[test]
fn instructions_are_placed_at_nodes() {
    let folder = networks().into_iter().find(|f| f.ends_with("face")).unwrap();
    let [inputs, _] = sets(&folder).unwrap().swap_remove(0);
    let program = build(&folder, "model.onnx", &inputs).unwrap().program;
    let places: Vec<String> = (0..program.code.len()).map(|at| program.place(at)).collect();
    let known = |op: &str| places.iter().any(|place| place.contains(&format!(" ({op}):")));
    assert!(known("Conv") && known("PRelu") && known("Div"), "{places:?}");
    assert!(!places.iter().any(|place| place.contains("stdlib")), "{places:?}");
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
fn outputs_that_nobody_asks_for_are_not_written() {
    for name in ["classical", "recurrent"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx").join(name);
        let compiled = onnx::compile("model.onnx", &loader(folder), &Options::default());
        let (compiled, _) = compiled.unwrap_or_else(|failure| panic!("{:?}", failure.diagnostics));
        let titles: Vec<_> = compiled.warnings.iter().map(|d| &d.title).collect();
        assert!(titles.is_empty(), "{name}: {titles:?}");
    }
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

#[test]
fn broken_files_give_errors() {
    for folder in networks() {
        let whole = std::fs::read(folder.join("model.onnx")).unwrap();
        for length in (0..whole.len()).step_by(7) {
            assert!(!broken::import(&folder, &whole[..length]), "cut at {length}");
        }
    }
    // Some of these are models still; none may panic.
    let [refused, imported] = broken::fuzz(broken::seed(1), 4000, Duration::from_secs(60));
    assert!(refused > 0 && imported > 0, "{refused} {imported}");
}

/// As the networks here, every operator of the node tests, if they are there.
#[test]
fn broken_node_tests_give_errors() {
    let mut draws = broken::Draws(2);
    for folder in folders_of("ONNX_NODE_TESTS") {
        for file in ["model.onnx", "known.onnx"] {
            let Ok(whole) = std::fs::read(folder.join(file)) else { continue };
            for _ in 0..40 {
                let bytes = broken::mutated(&whole, &mut draws);
                let load = |_: &str| Ok::<_, LoadError>(bytes.clone());
                let start = Instant::now();
                let _ = onnx::import("m", &load, &Options::default());
                let time = start.elapsed();
                assert!(time < broken::LONGEST, "{}: {time:?}", folder.display());
            }
        }
    }
}

/// The networks of the literature, if they were made: as the reference evaluator, and no worse where they were learnt.
#[test]
fn networks_of_the_literature() {
    for folder in folders_of("ONNX_NETWORKS") {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let start = Instant::now();
        for [inputs, expected] in sets(&folder).unwrap() {
            let built =
                build(&folder, "model.onnx", &inputs).unwrap_or_else(|e| panic!("{name}: {e}"));
            let compiled = start.elapsed();
            let found = results(&built.module, &built.weights, &inputs).unwrap();
            print!(
                "{name}: {} instructions, {} weights, compiled in {compiled:.1?}, run in {:.1?}",
                built.program.code.len(),
                built.weights.len(),
                start.elapsed() - compiled
            );
            let Ok(labels) = std::fs::read(folder.join("labels.pb")) else {
                println!();
                compare_all(&found, &expected).unwrap_or_else(|why| panic!("{name}: {why}"));
                continue;
            };
            let labels = Tensor::read(&labels).unwrap().1;
            let [fixed, float] = [&found[0], &expected[0].1].map(|out| accuracy(out, &labels));
            println!(", accuracy {:.2} % in fixed point, {:.2} % in floats", fixed, float);
            assert!((fixed - float).abs() <= 0.2, "{name}: {fixed} {float}");
        }
    }
}

/// Percent of right answers: labels, or scores of which the greatest is taken.
fn accuracy(found: &Tensor, labels: &Tensor) -> f64 {
    let width = found.values.len() / labels.values.len();
    let answer = |row: &[f64]| match row {
        [label] => *label,
        _ => (0..row.len()).rev().max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap() as f64,
    };
    let rows = found.values.chunks(width).zip(&labels.values);
    let right = rows.filter(|(row, label)| answer(row) == **label).count();
    100.0 * right as f64 / labels.values.len() as f64
}

#[test]
fn the_page_of_operators_is_up_to_date() {
    renewed("ONNX.md", &onnx::operators());
}

/// Runs the node tests and says which pass. What does not is listed in `tests/onnx-node-tests.md`, each with its reason.
#[test]
fn node_tests() {
    let folders = folders_of("ONNX_NODE_TESTS");
    let (mut passed, mut known) = (0, 0);
    let mut failed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in &folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let (done, constants) = either(folder, |file| run(folder, file));
        passed += usize::from(done.is_ok());
        known += usize::from(done.is_ok() && constants);
        if let Err(why) = done {
            println!("{name}: {}", why.lines().next().unwrap_or_default());
            assert!(why != "PANIC", "{name}");
            failed.entry(reason(&why)).or_default().push(name);
        }
    }
    println!("{passed} node tests passed, {known} of them with constants that are inputs there");
    if !folders.is_empty() {
        renewed("tests/onnx-node-tests.md", &not_passed(passed, known, &failed));
    }
}

/// Asserts that a page of this crate is as generated; `BLESS=1` makes it so.
fn renewed(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == text, "BLESS=1 renews {}", path.display());
}

/// Why operators are not imported.
const WHY_NOT: &[(&str, &str)] = &[
    ("AffineGrid DeformConv GridSample RoiAlign", "reads a picture at places that are computed"),
    ("BitCast", "the bits of a float do not exist"),
    ("Bernoulli RandomUniformLike", "draws at random"),
    ("ImageDecoder", "decodes a file"),
    ("If Loop Scan", "holds a graph"),
    ("NonMaxSuppression NonZero Unique", "the shape of the result depends on the data"),
    ("OptionalGetElement OptionalHasElement", "is about values that are no tensors"),
    ("TfIdfVectorizer", "is about texts"),
];

/// A message without what is of one test only.
fn reason(why: &str) -> String {
    let first = why.lines().next().unwrap_or_default();
    if first.contains("is not supported (operator set") {
        let operators: std::collections::BTreeSet<&str> = first
            .split("; ")
            .filter_map(|part| part.split_once("` (")?.1.split_once("): this operator"))
            .map(|(name, _)| name)
            .collect();
        let known = |name: &str| {
            let told = WHY_NOT.iter().find(|(names, _)| names.split(' ').any(|n| n == name));
            told.map_or(name.to_string(), |(_, why)| format!("{name}: {why}"))
        };
        let parts: Vec<String> = operators.into_iter().map(known).collect();
        return format!("Not imported: {}", parts.join("; "));
    }
    match first {
        _ if first.contains("expected NaN") => "NaN does not exist".into(),
        _ if first.contains("exceeds the promised") => {
            "A number is too large for `fix<40,16>` or `int<32>`; many of these are infinite".into()
        }
        _ if first.contains(", expected ") => {
            "Other numbers than expected: bfloat16, which is coarser, NaN as input, ties".into()
        }
        _ if first.starts_with("node `") => {
            let (_, rest) = first.split_once("` (").unwrap_or(("", first));
            let digits = |c: char| if c.is_ascii_digit() { '#' } else { c };
            rest.replacen("): ", ": ", 1).chars().map(digits).collect()
        }
        other => other.into(),
    }
}

fn not_passed(passed: usize, known: usize, failed: &BTreeMap<String, Vec<String>>) -> String {
    let count: usize = failed.values().map(Vec::len).sum();
    let mut text = format!(
        "# Node tests of the `onnx` package that do not pass\n\n\
         Generated by `BLESS=1 ONNX_NODE_TESTS=FOLDER cargo test -p mpc-compiler --test onnx -- node_tests`; the folder is written by\n\
         `scripts/make-onnx-node-tests.py`. {passed} pass, {known} of them with constants that are inputs there; {count} do not.\n"
    );
    let mut groups: Vec<_> = failed.iter().collect();
    groups.sort_by_key(|(why, names)| (std::cmp::Reverse(names.len()), why.as_str()));
    for (why, names) in groups {
        let names: Vec<&str> = names.iter().map(|n| n.strip_prefix("test_").unwrap_or(n)).collect();
        text += &format!("\n**{why}** ({}): {}\n", names.len(), names.join(", "));
    }
    text
}

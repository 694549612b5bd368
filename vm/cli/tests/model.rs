//! Models at the command line: options, named inputs, several samples, the likeliest classes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mpc_compiler::onnx::Tensor;
use mpc_vm::data::npy;

fn networks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../compiler/tests/onnx")
}

fn model(name: &str) -> String {
    networks().join(name).join("model.onnx").to_str().unwrap().to_string()
}

/// A file of a test.
fn file(name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_string()
}

/// The input of a network.
fn tensor(name: &str) -> Tensor {
    let pb = networks().join(name).join("test_data_set_0/input_0.pb");
    Tensor::read(&std::fs::read(pb).unwrap()).unwrap().1
}

/// It as a file, with another first size.
fn data(test: &str, name: &str, samples: u64) -> String {
    let Tensor { shape, values } = tensor(name);
    let mut shape: Vec<u64> = shape.iter().map(|n| *n as u64).collect();
    let each = values.len() / shape[0] as usize;
    shape[0] = samples;
    let values: Vec<f64> = values.iter().copied().cycle().take(each * samples as usize).collect();
    file(&format!("{test}-{name}.npy"), npy::encode_real(&shape, &values))
}

fn mpcvm(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_mpcvm")).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn done(args: &[&str]) -> String {
    let (code, out, told) = mpcvm(args);
    assert_eq!(code, Some(0), "{args:?}: {told}");
    out
}

fn refused(args: &[&str], part: &str) {
    let (code, out, told) = mpcvm(args);
    assert_eq!(code, Some(2), "{args:?}: {told}");
    assert!(told.contains(part) && out.is_empty(), "{args:?}: {told}");
    assert!(!told.contains("panicked"), "{told}");
}

#[test]
fn the_owner_of_the_weights_is_whom_the_command_line_names() {
    let x = format!("x={}", data("owner", "face", 1));
    let clear = done(&["emulate", &model("face"), "--input", &x]);
    assert!(clear.starts_with("embedding = "), "{clear}");
    let owned = ["local", &model("face"), "--input", &x, "--quiet", "--model-owner", "2"];
    assert_eq!(done(&owned), clear);
    let public = ["local", &model("face"), "--input", &x, "--quiet", "--public-weights"];
    assert_eq!(done(&public), clear, "who knows the weights does not matter to the result");
    let coarse = done(&["emulate", &model("face"), "--input", &x, "--fix", "32,10"]);
    assert_ne!(coarse, clear);
    let twice = ["local", &model("face"), "--model-owner", "1", "--role", "model=1"];
    refused(&twice, "--model-owner and --role model=PARTY say the same");
    refused(&["local", &model("face"), "--model-owner", "7", "--input", &x], "no party 7");
}

#[test]
fn options_of_models_are_for_models() {
    let program =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../programs/millionaires/main.mpc");
    let program = program.to_str().unwrap();
    let options: [&[&str]; 4] =
        [&["--fix", "40,16"], &["--shape", "a=1"], &["--public-weights"], &["--model-owner", "1"]];
    for option in options {
        let why = format!("{} is for models (.onnx)", option[0]);
        refused(&[&["local", program][..], option].concat(), &why);
    }
    refused(&["emulate", program, "--public-weights"], "--public-weights is for models (.onnx)");
    refused(&["emulate", &model("face"), "--fix", "40"], "the width, 8 to 64");
}

#[test]
fn the_batch_is_that_of_the_data_and_a_model_for_one_sample_takes_several_when_told() {
    let two = format!("image={}", data("batch", "lenet", 2));
    let out = done(&["emulate", &model("lenet"), "--input", &two, "--json"]);
    let out: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(out["value"].as_array().unwrap().len(), 2);

    let one = format!("x={}", data("one", "face", 1));
    let three = format!("x={}", data("three", "face", 3));
    let json = |args: &[&str]| -> serde_json::Value {
        serde_json::from_str(&done(&[&["emulate", &model("face"), "--json"], args].concat()))
            .unwrap()
    };
    refused(
        &["emulate", &model("face"), "--input", &three],
        "holds 3 samples, the model takes one; --shape x=3,3,8,8 runs them together",
    );
    let single = json(&["--input", &one])["value"][0].clone();
    let all = json(&["--input", &three, "--shape", "x=3,3,8,8"]);
    let of = |i: usize| all["value"][i].as_array().unwrap().len();
    assert_eq!((of(0), of(2)), (6, 6));
    assert_eq!(all["value"][0], single, "the first sample is the one alone");
    refused(
        &["emulate", &model("face"), "--input", &three, "--shape", "x=3,3,9,8"],
        "the shape [3, 3, 9, 8] was given, the model says [1, 3, 8, 8]",
    );
}

#[test]
fn the_likeliest_classes_are_printed_with_their_labels() {
    let x = format!("serving_features_0={}", data("top", "mlp", 4));
    let run =
        |args: &[&str]| done(&[&["emulate", &model("mlp"), "--input", &x][..], args].concat());
    let all: Vec<serde_json::Value> =
        run(&["--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let row = all[0]["value"][0].as_array().unwrap();
    let number = |v: &serde_json::Value| v.as_f64().unwrap();
    let best = (0..row.len()).max_by(|a, b| number(&row[*a]).total_cmp(&number(&row[*b]))).unwrap();

    let names: Vec<String> = (0..row.len()).map(|i| format!("class {i}")).collect();
    let labels = file("labels.txt", names.join("\n") + "\n");
    let top = run(&["--top", "2", "--labels", &labels, "--json"]);
    let top: serde_json::Value = serde_json::from_str(top.lines().next().unwrap()).unwrap();
    assert_eq!(top["name"], all[0]["name"]);
    assert_eq!(top["top"].as_array().unwrap().len(), 4, "one list for each sample");
    let first = &top["top"][0][0];
    assert_eq!(first["place"], best);
    assert_eq!(first["label"], names[best]);
    assert_eq!(first["value"], row[best]);
    let text = run(&["--top", "1"]);
    assert!(text.contains(&format!("probabilities[0], 1 of {}:\n", row.len())), "{text}");
    assert_eq!(
        text.lines().count(),
        2 * 2 * 4,
        "a line and a heading for each sample of two outputs"
    );

    let few = file("few.txt", "cat\n");
    let wrong = ["emulate", &model("mlp"), "--input", &x, "--top", "1", "--labels", &few];
    refused(&wrong, "1 labels; numbers in a row of an output: ");
    refused(&["emulate", &model("mlp"), "--labels", &few], "--top");
}

#[test]
fn a_file_with_names_gives_every_input_that_it_has() {
    let Tensor { shape, values } = tensor("mlp");
    let rows: Vec<&[f64]> = values.chunks(shape[1]).collect();
    let json = serde_json::json!({ "serving_features_0": rows });
    let named = file("named.json", json.to_string());
    let x = format!("serving_features_0={}", data("named", "mlp", 4));
    let want = done(&["emulate", &model("mlp"), "--input", &x]);
    assert_eq!(done(&["emulate", &model("mlp"), "--input", &named]), want);
    let csv: String = rows
        .iter()
        .map(|row| row.iter().map(f64::to_string).collect::<Vec<_>>().join(",") + "\n")
        .collect();
    let csv = format!("serving_features_0={}", file("x.csv", csv));
    assert_eq!(done(&["emulate", &model("mlp"), "--input", &csv]), want);
    let other = file("other.json", "{\"y\": 1}");
    refused(&["emulate", &model("mlp"), "--input", &other], "no input `y`");
    refused(&["emulate", &model("mlp"), "--input", "x.npy"], "expected NAME=PATH, or the PATH");
}

#[test]
fn what_happens_in_a_node_is_told_with_its_name() {
    let x = format!("x={}", data("node", "face", 1));
    let args = ["emulate", &model("face"), "--input", &x, "--fix", "12,8", "--checked"];
    let (code, _, told) = mpcvm(&args);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("while executing reducesum_24 (ReduceSum):"), "{told}");
}

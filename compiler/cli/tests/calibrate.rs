//! `mpcc check MODEL --calibrate` and `mpcc build MODEL --calibrate`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mpc_compiler::onnx::Tensor;
use mpc_vm::data::npy;

fn networks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/onnx")
}

fn model(name: &str) -> String {
    networks().join(name).join("model.onnx").to_str().unwrap().to_string()
}

/// The input of a network as a file of a test, so many times along a first axis if that is not 0, and by so much larger.
fn data(test: &str, name: &str, samples: usize, factor: f64) -> String {
    let pb = networks().join(name).join("test_data_set_0/input_0.pb");
    let (_, tensor) = Tensor::read(&std::fs::read(pb).unwrap()).unwrap();
    let mut shape: Vec<u64> = tensor.shape.iter().map(|n| *n as u64).collect();
    if samples > 0 {
        shape.insert(0, samples as u64);
    }
    let values: Vec<f64> = tensor.values.iter().map(|x| x * factor).collect();
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("{test}-{name}-{}.npy", std::process::id()));
    std::fs::write(&path, npy::encode_real(&shape, &values.repeat(samples.max(1)))).unwrap();
    path.to_str().unwrap().to_string()
}

fn mpcc(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_mpcc")).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn each_node_is_printed_with_its_range_and_errors() {
    let x = data("range", "lenet", 0, 1.0);
    let (code, out, told) = mpcc(&["check", &model("lenet"), "--calibrate", &x]);
    assert_eq!(code, Some(0), "{out}{told}");
    for part in
        ["fix<40,16>, 1 sample; products take 56 bits", "(Conv)", "(MaxPool)", "(LogSoftmax)"]
    {
        assert!(out.contains(part), "{part} is missing in\n{out}");
    }
    assert!(out.contains("suggested: --fix "), "{out}");
}

#[test]
fn json_has_an_object_for_each_node_and_several_samples_are_taken() {
    let x = data("json", "face", 3, 1.0);
    let input = format!("x={x}");
    let (code, out, told) = mpcc(&["check", "--json", &model("face"), "--calibrate", &input]);
    assert_eq!(code, Some(0), "{told}");
    let lines: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (summary, nodes) = lines.split_last().unwrap();
    assert_eq!(summary["samples"], 3);
    assert_eq!(summary["overflows"], false);
    assert!(nodes.len() > 5);
    for node in nodes {
        let error = |key: &str| node[key].as_f64().unwrap();
        assert!(error("error_mean") <= error("error_max"), "{node}");
        assert!(error("error_max") < 5e-3 && error("error_probabilistic_max") < 1e-2, "{node}");
        assert!(error("bits_left") > 10.0, "{node}");
    }
}

#[test]
fn what_overflows_is_told_with_its_node_and_fails() {
    let x = data("overflow", "face", 0, 20.0);
    let fix = ["--fix", "14,8"];
    let args = ["check", &model("face"), "--calibrate", &x, fix[0], fix[1]];
    let (code, out, told) = mpcc(&args);
    assert_eq!(code, Some(2), "{out}{told}");
    assert!(told.contains("error: node ") && told.contains("overflow fix<14,8>"), "{told}");
    assert!(!told.contains("panicked"));
}

#[test]
fn a_build_takes_the_type_that_was_found() {
    let x = data("build", "face", 0, 1.0);
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("calibrated-{}.mpcb", std::process::id()));
    let file = out.to_str().unwrap();
    let (code, _, told) = mpcc(&["build", &model("face"), "--calibrate", &x, "-o", file]);
    assert_eq!(code, Some(0), "{told}");
    let fix = told.split("--fix ").nth(1).and_then(|t| t.lines().next()).unwrap();
    let program = mpc_bytecode::Program::load(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(program.inputs[1].element.to_string(), format!("fix<{fix}>"));
    let given = ["build", &model("face"), "--calibrate", &x, "--fix", "12,8", "-o", file];
    assert_eq!(mpcc(&given).0, Some(2), "what does not hold the numbers is refused");
}

#[test]
fn mistakes_are_told() {
    let x = data("mistakes", "face", 0, 1.0);
    let (named, missing) = (format!("y={x}"), "x=none.npy");
    for (data, part) in [(&named[..], "no input `y`; it has x"), (missing, "none.npy")] {
        let (code, _, told) = mpcc(&["check", &model("face"), "--calibrate", data]);
        assert_eq!(code, Some(2));
        assert!(told.contains(part), "{told}");
    }
    let other = data("mistakes", "lenet", 0, 1.0);
    let (code, _, told) = mpcc(&["check", &model("face"), "--calibrate", &other]);
    assert_eq!(code, Some(2));
    assert!(told.contains("of a sample it is [1, 3, 8, 8]"), "{told}");
    let program =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../programs/millionaires/main.mpc");
    let program = program.to_str().unwrap();
    for option in [["--calibrate", &x], ["--fix", "40,16"]] {
        let (code, _, told) = mpcc(&["check", program, option[0], option[1]]);
        assert_eq!(code, Some(2));
        assert!(told.contains(&format!("{} is for models (.onnx)", option[0])), "{told}");
    }
}

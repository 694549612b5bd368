//! Networks from ONNX files under protocols, all parties in one process: outputs are those of the emulator, bit for bit, at the cost that was
//! estimated, and close to what the reference evaluator of the `onnx` package gives.
//!
//! ```text
//! scripts/make-onnx-node-tests.py FOLDER
//! ONNX_NODE_TESTS=FOLDER cargo test -p mpc-tests --test onnx -- node_tests --nocapture
//! ```

#[path = "../../compiler/tests/tensors/mod.rs"]
mod tensors;

use std::path::Path;

use mpc_tests::session::{Case, Under};
use tensors::{build, compare_all, either, folders_of, given, networks, scaled, sets, tensor};

/// Node tests that must pass under each of the protocols.
const LEAST: usize = 600;

/// Compiles a model and runs it with each of its data sets, in the clear and under replicated sharing.
fn run(folder: &Path, file: &str) -> Result<(), String> {
    for [inputs, expected] in sets(folder)? {
        let built = build(folder, file, &inputs)?;
        let mut unnamed = inputs.iter().filter(|(name, _)| name.is_empty());
        let mut values = vec![];
        for input in &built.module.inputs {
            let given = given(&input.name, &built.weights, &inputs, &mut unnamed)?;
            values.push(scaled(input.data, &given));
        }
        let case = Case { program: built.program, inputs: values };
        let mut found = case.emulate("main").map_err(|e| e.to_string())?;
        found.sort_by_key(|(id, _)| *id); // as the model has them
        let outputs = found.iter().map(|(id, values)| {
            let declared = &built.module.outputs[*id as usize];
            tensor(declared.data, &declared.shape, values)
        });
        compare_all(&outputs.collect::<Vec<_>>(), &expected)?;
        for under in [Under::named("plain", 1), Under::named("rep3-ring", 3)] {
            if let Some(why) = case.refused(under) {
                return Err(format!("{under} refuses: {why}"));
            }
            case.check(under, "main")?;
        }
    }
    Ok(())
}

#[test]
fn networks_run_under_replicated_sharing() {
    for folder in networks() {
        let name = folder.file_name().unwrap();
        if name == "mlp" || name == "classical" || name == "recurrent" {
            run(&folder, "model.onnx").unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
        }
    }
}

#[test]
fn node_tests() {
    let folders = folders_of("ONNX_NODE_TESTS");
    let mut passed = 0;
    for folder in &folders {
        match either(folder, |file| run(folder, file)).0 {
            Ok(()) => passed += 1,
            Err(why) => println!("{}: {why}", folder.display()),
        }
    }
    println!("{passed} node tests passed under plain and rep3-ring");
    assert!(folders.is_empty() || passed >= LEAST, "{LEAST} must pass");
}

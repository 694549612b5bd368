//! Every program, compiled once, under many protocols: the outputs of the emulator, bit for bit, and the
//! costs that were estimated. `cargo full` has all protocols.

use mpc_tests::programs::{matrix, samples, scale};
use mpc_tests::session;

#[test]
fn programs_mean_the_same_under_every_protocol_as_emulated() {
    matrix(|turn, _| session::covering(turn, 2), session::Case::check);
}

/// Numbers of an expected value: `3.5`, `[1, 2]`, `[True, False]`.
fn numbers(text: &str) -> Vec<f64> {
    let number = |word: &str| match word.trim() {
        "True" | "true" => 1.0,
        "False" | "false" => 0.0,
        word => word.parse().unwrap_or_else(|_| panic!("`{word}` of `{text}` is no number")),
    };
    text.trim_matches(['[', ']']).split(',').map(number).collect()
}

/// What `scripts/` computed with other means, on the real data, to a tenth of a percent.
#[test]
fn programs_give_what_their_folders_expect() {
    let mut checked = 0;
    for sample in samples() {
        let Some((case, expected)) = sample.expected().expect("the case is readable") else {
            continue;
        };
        let outputs = case.emulate("main").expect("the program runs");
        for (name, value) in expected {
            let of = |id: u32| &case.program.outputs[id as usize];
            let found = outputs.iter().find(|(id, _)| of(*id).name == name);
            let (id, found) = found.unwrap_or_else(|| panic!("{}: no {name}", sample.name()));
            let scale = scale(of(*id).element);
            let due = numbers(&value);
            assert_eq!(found.len(), due.len(), "{}: {name}", sample.name());
            for (&found, due) in found.iter().zip(due) {
                let found = found as f64 / scale;
                let near = (found - due).abs() <= 1e-3 * due.abs().max(1.0);
                assert!(near, "{}: {name} is {found}, expected {due}", sample.name());
            }
            checked += 1;
        }
    }
    assert!(checked >= 10, "only {checked} outputs are expected somewhere");
}

#[test]
fn the_same_source_gives_the_same_bytes() {
    for sample in samples() {
        let compile = || sample.case().map(|case| case.program.encode());
        assert_eq!(compile(), compile(), "{}", sample.name());
    }
}

//! Every program, compiled once, under every protocol: the outputs of the emulator, bit for bit, and
//! the costs that were estimated.

use mpc_tests::programs::{Sample, samples, scale};
use mpc_tests::session::{self, Case, Under};

/// Runs all samples, a protocol at a time; fails with everything that differs.
fn matrix(wanted: impl Fn(Under) -> bool) {
    let (mut cases, mut wrong): (Vec<(Sample, Case)>, Vec<String>) = (vec![], vec![]);
    for sample in samples() {
        match sample.case() {
            Ok(case) => cases.push((sample, case)),
            Err(what) => wrong.push(format!("{}: {what}", sample.name())),
        }
    }
    assert!(!cases.is_empty(), "there are programs");
    for under in session::all().into_iter().filter(|&under| wanted(under)) {
        for (sample, case) in &cases {
            let start = std::time::Instant::now();
            // states live longer than an entry, and a run here is one entry
            let alone = case.program.states.is_empty();
            for entry in case.program.entries.iter().filter(|_| alone) {
                let outcome = case.check(under, &entry.name);
                wrong.extend(outcome.err().map(|what| format!("{}: {what}", sample.name())));
            }
            let (name, seconds) = (sample.name(), start.elapsed().as_secs_f64());
            println!("{name:24} {under:28} {seconds:7.2} s", under = under.to_string());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn programs_mean_the_same_under_plain_as_emulated() {
    matrix(|under| under.protocol.info.name == "plain");
}

#[test]
fn programs_mean_the_same_under_rings() {
    matrix(|under| under.protocol.info.name.ends_with("-ring"));
}

#[test]
fn programs_mean_the_same_under_every_other_protocol() {
    matrix(|under| {
        let name = under.protocol.info.name;
        name != "plain" && !name.ends_with("-ring")
    });
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

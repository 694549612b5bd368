//! The long matrix: `cargo full`, with `SECONDS` of time for each random part (600 if not said). `ONLY=name,…`
//! picks programs, `UNDER=name,…` protocols.

use std::collections::BTreeSet;

use mpc_bytecode::Instruction;
use mpc_tests::programs::{Sample, matrix, samples};
use mpc_tests::session::Under;
use mpc_tests::{faults, generate, seed, session};

/// Cells that would take over a minute: a program, a protocol, and with how many parties or more. What
/// they would run is run under the same protocol by other programs, instruction by instruction.
const LEFT_OUT: &[(&str, &str, usize)] = &[
    ("association", "tinier", 4),
    ("breast-cancer", "semi-bin", 5),
    ("breast-cancer", "tinier", 3),
    ("merge", "tinier", 4),
    ("pay-by-group", "semi-bin", 4),
    ("pay-by-group", "tinier", 3),
];

fn left_out(program: &str, under: &Under) -> bool {
    let (protocol, parties) = (under.protocol.info.name, under.parties);
    LEFT_OUT.iter().any(|&(name, of, least)| (name, of) == (program, protocol) && parties >= least)
}

/// Every protocol that is wanted with two to five parties, unless the cell is left out.
fn cells(program: &str) -> Vec<Under> {
    if !wanted("ONLY", program) {
        return vec![];
    }
    protocols().filter(|under| !left_out(program, under)).collect()
}

/// Every protocol that is wanted with two to five parties.
fn protocols() -> impl Iterator<Item = Under> {
    session::all().into_iter().filter(|under| wanted("UNDER", under.protocol.info.name))
}

/// Whether the variable names this, or nothing.
fn wanted(variable: &str, name: &str) -> bool {
    let names = std::env::var(variable).unwrap_or_default();
    names.is_empty() || names.split(',').any(|one| one == name)
}

#[test]
fn instructions_of_cells_that_are_left_out_are_run_by_other_programs() {
    let of = |sample: Sample| {
        let name = sample.name();
        let case = sample.case().unwrap_or_else(|what| panic!("{name}: {what}"));
        let code: BTreeSet<_> = case.program.code.iter().map(Instruction::mnemonic).collect();
        (name, code)
    };
    let programs: Vec<_> = samples().into_iter().map(of).collect();
    for under in session::all() {
        let (absent, run): (Vec<_>, Vec<_>) =
            programs.iter().partition(|(name, _)| left_out(name, &under));
        let run: BTreeSet<_> = run.into_iter().flat_map(|(_, code)| code).collect();
        for (name, code) in absent {
            let missing: Vec<_> = code.iter().filter(|one| !run.contains(one)).collect();
            assert!(missing.is_empty(), "{name} under {under}: nothing else has {missing:?}");
            println!("left out: {name} under {under}");
        }
    }
}

fn seconds() -> u64 {
    std::env::var("SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(600)
}

/// Every program with its small data under every protocol with two to five parties.
#[test]
fn programs_mean_the_same_under_every_protocol_as_emulated() {
    matrix(|_, program| cells(program), session::Case::check);
}

/// The same with the preprocessing of another run.
#[test]
fn programs_mean_the_same_with_preprocessing_of_another_run() {
    matrix(|_, program| cells(program), session::Case::check_prepared);
}

#[test]
fn random_programs_agree_with_the_emulator_under_every_protocol() {
    let start = std::time::Instant::now();
    let mut wrong = vec![];
    let mut runs = 0;
    for case_seed in seed::cases(u64::MAX, 1 << 40) {
        let limit = [12, 30, 62, 63, 64, 65, 90, 110][case_seed as usize % 8];
        let case = generate::case(case_seed, 10 + case_seed as usize % 60, limit);
        for under in protocols() {
            runs += 1;
            wrong.extend(case.check(under, "main").err().map(|e| format!("SEED={case_seed} {e}")));
        }
        if start.elapsed().as_secs() >= seconds() || wrong.len() >= 20 {
            break;
        }
    }
    println!("{runs} runs");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn faults_of_every_kind_end_every_protocol_in_time() {
    let start = std::time::Instant::now();
    for case_seed in seed::cases(u64::MAX, 1 << 41) {
        for under in protocols() {
            faults::schedules(under, case_seed);
            faults::kill(under, case_seed);
            faults::lost_link(under, case_seed);
            faults::tampering(under, case_seed);
        }
        if start.elapsed().as_secs() >= seconds() {
            break;
        }
    }
}

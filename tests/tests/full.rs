//! The long matrix: `cargo full`, with `SECONDS` of time for each part (600 if not said).

use mpc_tests::programs::matrix;
use mpc_tests::{faults, generate, seed, session};

fn seconds() -> u64 {
    std::env::var("SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(600)
}

/// Every program with its small data under every protocol with two to five parties.
#[test]
fn programs_mean_the_same_under_every_protocol_as_emulated() {
    matrix(|_| session::all(), session::Case::check);
}

/// The same with the preprocessing of another run.
#[test]
fn programs_mean_the_same_with_preprocessing_of_another_run() {
    matrix(|_| session::all(), session::Case::check_prepared);
}

#[test]
fn random_programs_agree_with_the_emulator_under_every_protocol() {
    let start = std::time::Instant::now();
    let mut wrong = vec![];
    let mut runs = 0;
    for case_seed in seed::cases(u64::MAX, 1 << 40) {
        let limit = [12, 30, 62, 63, 64, 65, 90, 110][case_seed as usize % 8];
        let case = generate::case(case_seed, 10 + case_seed as usize % 60, limit);
        for under in session::all() {
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
        for under in session::all() {
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

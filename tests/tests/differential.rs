//! Random programs: every protocol gives what the emulator gives, at the cost that was estimated.

use mpc_tests::{generate, seed, session};

/// Runs `count` programs under every protocol, or as many as `seconds` allow; fails with all
/// differences.
fn compare(count: u64, first: u64, length: usize, limit: u32, seconds: u64) {
    let start = std::time::Instant::now();
    let mut wrong = vec![];
    for case_seed in seed::cases(count, first) {
        let case = generate::case(case_seed, length, limit);
        for under in session::all() {
            if let Err(what) = case.check(under, "main") {
                wrong.push(format!("SEED={case_seed} {what}"));
            }
        }
        if start.elapsed().as_secs() >= seconds || wrong.len() >= 10 {
            break;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn narrow_programs_agree_with_the_emulator_under_every_protocol() {
    compare(60, 1, 30, 30, 20);
}

#[test]
fn programs_of_64_bits_agree_with_the_emulator_under_every_protocol() {
    compare(60, 1000, 30, 64, 20);
}

#[test]
fn wide_programs_agree_with_the_emulator_under_every_protocol() {
    compare(30, 2000, 30, 110, 20);
}

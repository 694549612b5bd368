//! One party cheats: a sample of `cargo cheat`, which makes all attempts there are.
//!
//! `CHEAT='…'` repeats the attempt that a failure names.

use mpc_tests::cheating::open_book::{CARELESS, OPEN_BOOK};
use mpc_tests::cheating::{self, Matrix, Verdict};
use mpc_tests::parallel;
use mpc_tests::seed;
use mpc_tests::session::Under;

/// Where all but one may cheat, whose products take milliseconds, among the fewest parties only.
fn protocols() -> impl Iterator<Item = Under> {
    let few = |under: &Under| {
        let info = under.protocol.info;
        info.corrupted != "n - 1" || under.parties == info.parties.least()
    };
    cheating::malicious().into_iter().filter(few).chain([cheating::under(&OPEN_BOOK, 3)])
}

fn observed(under: Under) -> Matrix {
    Matrix::observe(under, 1).unwrap_or_else(|what| panic!("nobody cheats: {what}"))
}

/// One random attempt for each label and position; the wrong outputs.
fn sampled(matrix: &Matrix, seed: u64) -> Vec<String> {
    let tally = matrix.sample(seed);
    println!("{}: {}", matrix.under, tally.line());
    tally.misblamed.iter().take(3).for_each(|text| println!("    blamed: {text}"));
    tally.wrong
}

fn repeat(matrix: &Matrix, text: &str) {
    let attempt = matrix.described(text).unwrap_or_else(|what| panic!("CHEAT: {what}"));
    let Some(attempt) = attempt else { return };
    let (verdict, misblamed) = matrix.attempt(&attempt);
    println!("{text}: {verdict:?}, blamed {misblamed:?}");
    assert!(!matches!(verdict, Verdict::Wrong(_)));
}

#[test]
fn whoever_cheats_once_is_found_out_or_changes_nothing() {
    parallel::map(protocols().collect(), |_, under| {
        let matrix = observed(under);
        if let Ok(text) = std::env::var("CHEAT") {
            return repeat(&matrix, &text);
        }
        for seed in seed::cases(1, 1) {
            let wrong = sampled(&matrix, seed);
            assert!(wrong.is_empty(), "SEED={seed} {under}:\n  {}", wrong.join("\n  "));
        }
    });
}

#[test]
fn to_choose_another_input_is_no_cheat() {
    for under in protocols() {
        let matrix = observed(under);
        for cheat in 0..under.parties {
            let verdict = matrix.with_other_inputs(cheat, 1);
            assert_eq!(verdict, Verdict::Substituted, "{under}, party {cheat}");
        }
    }
}

#[test]
fn a_protocol_that_does_not_check_is_caught() {
    let matrix = observed(cheating::under(&CARELESS, 3));
    assert!(!sampled(&matrix, 1).is_empty(), "no attempt succeeds against no check");
}

#[test]
fn an_attempt_is_repeated_from_its_description() {
    let matrix = observed(cheating::under(&CARELESS, 3));
    for attempt in matrix.attempts(3, usize::MAX, 1).iter().take(20) {
        let text = matrix.describe(attempt);
        let again =
            matrix.described(&text).expect("it reads back").expect("it is of this protocol");
        assert_eq!(matrix.describe(&again), text);
        assert_eq!(matrix.attempt(attempt), matrix.attempt(&again), "{text}");
    }
}

//! All attempts to cheat, under every protocol against malicious parties; by name only: `cargo cheat`.
//!
//! `PROTOCOLS=name,name:parties,…` picks protocols, `PROGRAMS=n` says in how many of the programs that send a
//! label each way to cheat is tried (all), `OCCURRENCES=n` in how many random messages of each (2), `SEED=…`
//! draws others.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use mpc_tests::cheating::open_book::OPEN_BOOK;
use mpc_tests::cheating::{self, Matrix};
use mpc_tests::seed;
use mpc_tests::session::Under;

/// Attempts after which it is told how far it is.
const TOLD: usize = 500;

fn wanted(under: &Under) -> bool {
    let chosen = std::env::var("PROTOCOLS").unwrap_or_default();
    let (name, parties) = (under.protocol.info.name, under.parties);
    let is = |one: &str| one == name || one == format!("{name}:{parties}");
    chosen.is_empty() || chosen.split(',').any(is)
}

fn number(variable: &str, unless_said: usize) -> usize {
    std::env::var(variable).map_or(unless_said, |n| n.parse().expect("a number"))
}

#[test]
fn no_attempt_to_cheat_makes_a_wrong_output_pass() {
    let programs = number("PROGRAMS", usize::MAX);
    let occurrences = number("OCCURRENCES", 2);
    let mut failures = vec![];
    for seed in seed::cases(1, 1) {
        let protocols = cheating::malicious().into_iter().chain([cheating::under(&OPEN_BOOK, 3)]);
        for under in protocols.filter(wanted) {
            let started = Instant::now();
            let matrix = Matrix::observe(under, seed).expect("nobody cheats");
            let attempts = matrix.attempts(seed, programs, occurrences);
            let begun = AtomicUsize::new(0);
            let tally = matrix.run(&attempts, |tally| {
                let done = begun.fetch_add(1, Ordering::Relaxed);
                if done > 0 && done.is_multiple_of(TOLD) {
                    let left = (attempts.len() - done) as f64 / done as f64;
                    let left = left * started.elapsed().as_secs_f64();
                    eprintln!(
                        "{under}: {done} of {}, {left:.0} s more; {}",
                        attempts.len(),
                        tally.line()
                    );
                }
                false
            });
            let positions = matrix.positions();
            println!(
                "{under}: {}; labels of positions hit {} of {}; {:.0} s",
                tally.line(),
                tally.hit.len(),
                positions.len(),
                started.elapsed().as_secs_f64()
            );
            tally.misblamed.iter().take(3).for_each(|text| println!("    blamed: {text}"));
            let missed = positions.difference(&tally.hit);
            failures.extend(
                missed.map(|(label, p)| format!("{under}: `{label}` of party {p} unaltered")),
            );
            failures.extend(
                matrix.unseen().iter().map(|label| format!("{under}: no program sends `{label}`")),
            );
            failures.extend(tally.wrong.into_iter().map(|text| format!("{under}: {text}")));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n  {}", failures.len(), failures.join("\n  "));
}

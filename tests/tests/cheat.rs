//! All attempts to cheat, under every protocol against malicious parties; by name only: `cargo cheat`.
//!
//! `PROTOCOLS=name,…` picks protocols, `OCCURRENCES=n` says in how many random messages of a label each
//! way to cheat is tried (2), `SEED=…` draws others.

use std::time::Instant;

use mpc_tests::cheating::open_book::OPEN_BOOK;
use mpc_tests::cheating::{self, Matrix};
use mpc_tests::seed;

fn wanted(name: &str) -> bool {
    let chosen = std::env::var("PROTOCOLS").unwrap_or_default();
    chosen.is_empty() || chosen.split(',').any(|one| one == name)
}

#[test]
fn no_attempt_to_cheat_makes_a_wrong_output_pass() {
    let occurrences = std::env::var("OCCURRENCES").map_or(2, |n| n.parse().expect("a number"));
    let mut failures = vec![];
    for seed in seed::cases(1, 1) {
        let protocols = cheating::malicious().into_iter().chain([cheating::under(&OPEN_BOOK, 3)]);
        for under in protocols.filter(|under| wanted(under.protocol.info.name)) {
            let started = Instant::now();
            let matrix = Matrix::observe(under, seed).expect("nobody cheats");
            let tally = matrix.run(&matrix.attempts(seed, occurrences), |_| false);
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

//! Takes out one security check after the other and sees whether cheating then succeeds; by name only:
//! `cargo weaken`. A check that nobody misses is no check, or no attempt at cheating reaches it. Protocols are
//! asked one after the other, the fastest first, until one misses the check.
//!
//! `PROTOCOLS=name,…` picks protocols, `CHECKS=prefix,…` checks.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use mpc_protocols::blocks::ot::{Bases, Call, Choices, Form, Many, Ot};
use mpc_protocols::blocks::{coin, commit};
use mpc_protocols::checks;
use mpc_protocols::testing::session::seeds;
use mpc_runtime::simulate::Network;
use mpc_runtime::tamper::{Mutator, Plan, Tamper};
use mpc_runtime::{Depth, Error, Executor, Key, Label, Party, Result, Step, Transport};
use mpc_tests::cheating::open_book::OPEN_BOOK;
use mpc_tests::cheating::{self, Matrix, Verdict};
use mpc_tests::tree::files;

/// Checks without which no output becomes wrong, but a choice is not free: each with a run in which a
/// party cheats, that says whether somebody noticed.
const DEDICATED: &[(&str, fn() -> bool)] = &[
    ("coin.commitment", || coin_notices("flip the first bit")),
    ("coin.echo", || coin_notices("flip the last bit")),
    ("commit.opening", commitment_notices),
    ("ot.extension", || transfers_notice("ot.extend.correct")),
    ("ot.pprf", || transfers_notice("ot.tree.levels")),
];

/// Checks that find what a party computes wrong and goes on with, which no altered message is: where it
/// lies, and the protocol under which it does.
const LIES: &[(&str, &str, &str)] = &[
    ("rep3.products.bits", "rep3.summand", "ps-rep3-bin"),
    ("verified.products", "rep3.field.summand", "mal-rep3-field"),
];

/// Whether no lie at that place makes an output wrong, with any liar in any program.
fn lies_are_found(matrix: &Matrix, place: &str) -> bool {
    (0..matrix.under.parties).all(|liar| {
        let _liar = checks::lie(place, liar);
        (0..matrix.programs()).all(|i| !matches!(matrix.unaltered(i, liar, 5), Verdict::Wrong(_)))
    })
}

/// Whether somebody notices that party 0 of `parties` alters a message.
fn notices<W: Future<Output = Result<()>> + 'static>(
    parties: usize,
    label: &'static str,
    mutator: &str,
    work: impl Fn(Party, Step) -> W + Sync,
) -> bool {
    let mutator = Mutator::named(mutator).expect("it is in the list");
    let plan = Plan { label: Label(label), occurrence: 0, mutator };
    let outcome = Network::new(parties, 5).run(|end| {
        let me = end.me();
        let end: Box<dyn Transport> = match me {
            0 => Box::new(Tamper::new(end, plan).0),
            _ => Box::new(end),
        };
        let mut executor = Executor::new(end);
        let step = executor.step(0, 0, Depth::ZERO);
        executor.spawn(0, 0, work(me, step));
        executor.finish().and_then(|()| executor.close().map_err(|e| (None, e)))
    });
    outcome.results.into_iter().skip(1).any(|result| {
        matches!(result, Err((_, Error::Cheating { party: 0, .. } | Error::CheckFailed { .. })))
    })
}

fn own(me: Party) -> Key {
    Key::new(&[me as u8; 32], "own")
}

/// Whether it is noticed that party 0 alters what it opens for a coin: the seed is in front, the echo of
/// the commitments behind.
fn coin_notices(mutator: &str) -> bool {
    notices(3, "coin.open", mutator, |me, step| async move {
        coin::toss(&step.op(Depth::ZERO), &own(me)).await.map(drop)
    })
}

/// Whether it is noticed that party 0 opens something else than it committed to.
fn commitment_notices() -> bool {
    notices(2, "commit.open", "flip the last bit", |me, step| async move {
        commit::exchange(&step.op(Depth::ZERO), &own(me), &[1, 2]).await.map(drop)
    })
}

/// Whether it is noticed that party 0 alters a message when it grows trees or extends transfers, before
/// anything is made of them. The end of the first is the hash of all tags.
fn transfers_notice(label: &'static str) -> bool {
    notices(2, label, "flip the last bit", |me, step| async move {
        let (seeds, form) = (seeds(1, me, 2), Form::malicious(4));
        let (bases, ot) = (Bases::new(&seeds, me, false), Ot::new(&seeds, me, form));
        bases.agree(&step.op(Depth::ZERO)).await?;
        ot.grow(&step.op(Depth::ZERO), &bases).await?;
        let many = Many::random(64);
        let call = Call { send: many, receive: many, choices: Choices::Random };
        ot.extend(&step.op(Depth::ZERO), |_| call).await.map(drop)
    })
}

fn chosen(variable: &str, matches: impl Fn(&str) -> bool) -> bool {
    let list = std::env::var(variable).unwrap_or_default();
    list.is_empty() || list.split(',').any(matches)
}

/// Names of all checks in the sources, with their files. This file spells the macro in two parts.
fn marked() -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mark = ["security_check", "!("].concat();
    for file in files(&[".rs"]) {
        if !file.path.starts_with("protocols/src/") || file.path.ends_with("src/checks.rs") {
            continue;
        }
        for rest in file.text.split(&mark).skip(1) {
            let name = rest.trim_start().strip_prefix('"').and_then(|r| r.split('"').next());
            let name = name.unwrap_or_else(|| panic!("{}: a check without a name", file.path));
            found.entry(name.into()).or_default().push(file.path.clone());
        }
    }
    found
}

#[test]
fn checks_are_marked_by_the_macro_and_have_names_of_their_own() {
    let twice: Vec<_> = marked().into_iter().filter(|(_, paths)| paths.len() > 1).collect();
    assert!(twice.is_empty(), "names that are used twice: {twice:?}");
    let comments = files(&[".rs"]).into_iter().filter(|f| f.path.starts_with("protocols/src/"));
    let comments = comments.filter(|f| f.text.contains("// check:")).map(|f| f.path);
    let comments: Vec<_> = comments.collect();
    assert!(comments.is_empty(), "checks that only a comment marks: {comments:?}");
}

#[test]
fn cheating_succeeds_when_a_check_is_gone() {
    let protocols = cheating::malicious().into_iter().chain([cheating::under(&OPEN_BOOK, 3)]);
    let wanted = |name: &str| chosen("PROTOCOLS", |one| one == name);
    let mut matrices: Vec<(Matrix, BTreeSet<&str>, Duration)> = protocols
        .filter(|under| wanted(under.protocol.info.name))
        .map(|under| {
            checks::reached();
            let started = Instant::now();
            let matrix = Matrix::observe(under, 1).expect("nobody cheats");
            (matrix, checks::reached(), started.elapsed())
        })
        .collect();
    matrices.sort_by_key(|(.., took)| *took);
    let mut failures = vec![];
    for name in marked().into_keys().filter(|name| chosen("CHECKS", |one| name.starts_with(one))) {
        if let Some((_, noticed)) = DEDICATED.iter().find(|(known, _)| *known == name) {
            let with = noticed();
            let without = {
                let _gone = checks::remove(&name);
                noticed()
            };
            println!("{name}: the cheat is noticed: {with}, without the check: {without}");
            if !with || without {
                failures.push(format!("{name}: noticed {with}, without the check {without}"));
            }
            continue;
        }
        if let Some((_, place, protocol)) = LIES.iter().find(|(known, ..)| *known == name) {
            let of = |(matrix, ..): &&(Matrix, _, _)| matrix.under.protocol.info.name == *protocol;
            if let Some((matrix, ..)) = matrices.iter().find(of) {
                let with = lies_are_found(matrix, place);
                let without = {
                    let _gone = checks::remove(&name);
                    lies_are_found(matrix, place)
                };
                println!("{name}, {}: a lie is found: {with}, without: {without}", matrix.under);
                if !with || without {
                    failures.push(format!("{name}: found {with}, without the check {without}"));
                }
            }
            continue;
        }
        let mut reaching = matrices.iter().filter(|(_, reached, _)| reached.contains(&*name));
        if !reaching.any(|(matrix, ..)| is_missed(matrix, &name)) {
            failures.push(format!("{name}: nobody misses it"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Whether the check is missed under the protocol when it is gone: an output is wrong or, where that takes
/// more than one lie, a lie that was noticed no longer is.
fn is_missed(matrix: &Matrix, name: &str) -> bool {
    let attempts = matrix.attempts(7, 1, 1);
    let unnoticed = Mutex::new(vec![]);
    let tally = {
        let _gone = checks::remove(name);
        matrix.run_each(
            &attempts,
            |tally| !tally.wrong.is_empty(),
            |attempt, verdict| {
                if *verdict == Verdict::Right {
                    unnoticed.lock().expect("nobody panics").push(*attempt);
                }
            },
        )
    };
    let (under, cases) = (matrix.under, tally.cases());
    if let Some(first) = tally.wrong.first() {
        println!("{name}, {under}: {cases} attempts; {first}");
        return true;
    }
    let unnoticed = unnoticed.into_inner().expect("nobody panics");
    let again = unnoticed.iter().find(|attempt| matrix.attempt(attempt).0 == Verdict::Abort);
    let again = again.map(|attempt| matrix.describe(attempt));
    println!("{name}, {under}: {cases} attempts, none wrong; no longer noticed: {again:?}");
    again.is_some()
}

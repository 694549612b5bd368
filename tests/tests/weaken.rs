//! Takes out one security check after the other and sees whether cheating then succeeds; by name only:
//! `cargo weaken`. A check that nobody misses is no check, or no attempt at cheating reaches it.
//!
//! `PROTOCOLS=name,…` picks protocols, `CHECKS=prefix,…` checks.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use mpc_protocols::blocks::ot::{Bases, Call, Choices, Form, Many, Ot};
use mpc_protocols::blocks::{coin, commit};
use mpc_protocols::checks;
use mpc_protocols::testing::session::seeds;
use mpc_runtime::simulate::Network;
use mpc_runtime::tamper::{Mutator, Plan, Tamper};
use mpc_runtime::{Depth, Error, Executor, Key, Label, Party, Result, Step, Transport};
use mpc_tests::cheating::open_book::OPEN_BOOK;
use mpc_tests::cheating::{self, Matrix};
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
    let matrices: Vec<(Matrix, BTreeSet<&str>)> = protocols
        .filter(|under| wanted(under.protocol.info.name))
        .map(|under| {
            checks::reached();
            (Matrix::observe(under, 1).expect("nobody cheats"), checks::reached())
        })
        .collect();
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
        let reaching = matrices.iter().filter(|(_, reached)| reached.contains(&*name));
        let missed = reaching.filter(|(matrix, _)| is_missed(matrix, &name)).count();
        if missed == 0 {
            failures.push(format!("{name}: nobody misses it"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Whether an attempt succeeds under the protocol when the check is gone.
fn is_missed(matrix: &Matrix, name: &str) -> bool {
    let _gone = checks::remove(name);
    let tally = matrix.run(&matrix.attempts(7, 2), |tally| !tally.wrong.is_empty());
    let first = tally.wrong.first();
    println!("{name}, {}: {} attempts; {first:?}", matrix.under, tally.cases());
    first.is_some()
}

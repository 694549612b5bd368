//! Takes out one security check after the other and sees whether cheating then succeeds; by name only:
//! `cargo weaken`. A check that nobody misses is no check, or no attempt at cheating reaches it. Protocols are
//! asked one after the other, the fastest first, until an output is wrong under one. Checks whose absence makes none
//! wrong are tried by themselves.
//!
//! `PROTOCOLS=name,…` picks protocols, `CHECKS=prefix,…` checks.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mpc_protocols::blocks::ot::{Bases, Call, Choices, Form, Many, Ot};
use mpc_protocols::blocks::{coin, commit};
use mpc_protocols::testing::attack::{owned, run, together};
use mpc_protocols::testing::conformance::setup;
use mpc_protocols::testing::session::seeds;
use mpc_protocols::{Fut, Protocol, Truncation, checks, registry};
use mpc_runtime::tamper::{Mutator, Plan};
use mpc_runtime::{Depth, Error, Executor, Key, Label, Party, Result, Step};
use mpc_tests::cheating::open_book::OPEN_BOOK;
use mpc_tests::cheating::{self, Matrix, Verdict};
use mpc_tests::tree::files;

/// Checks that are tried where nothing behind them would notice the cheat too: each with a run in which party 0
/// alters a message, that says whether somebody noticed. Without the check a choice is not free, keys or numbers are
/// not the same at all, or an output becomes wrong only with a second lie that fits.
const ALONE: &[(&str, fn() -> bool)] = &[
    ("coin.commitment", || coin_notices("flip the first bit")),
    ("coin.echo", || coin_notices("flip the last bit")),
    ("commit.opening", commitment_notices),
    ("edabits.macs", || protocol_notices("spdz2k", 2, ("edabits.macs", 0), SIGNS)),
    ("known.proof", || protocol_notices("mascot", 2, ("known.carries", 0), SIGNS)),
    ("ot.extension", || transfers_notice("ot.extend.correct")),
    ("ot.pprf", || transfers_notice("ot.tree.levels")),
    // The second copy: who has the first one only computes on with it.
    ("rep3.opened.twice", || protocol_notices("ps-rep3-bin", 3, ("rep3.check.last", 1), CHECKED)),
    ("rep4.keys", || protocol_notices("rep4-ring", 4, ("rep4.key.part", 0), NOTHING)),
    ("shamir.prss.keys", || protocol_notices("mal-shamir", 5, ("shamir.prss.seeds", 0), NOTHING)),
    ("verified.share_bits.same", || {
        protocol_notices("mal-shamir", 3, ("verified.share_bits", 0), BITS)
    }),
];

/// Checks that find what a party computes wrong and goes on with, which no altered message is: each with the
/// place where it lies.
const LIES: &[(&str, &str)] =
    &[("rep3.products.bits", "rep3.summand"), ("verified.products", "rep3.field.summand")];

/// What a protocol does after its setup.
type Work = for<'a> fn(&'a dyn Protocol, &'a Step) -> Fut<'a, ()>;

const NOTHING: Work = |_, _| Box::pin(async { Ok(()) });

const BITS: Work = |p, step| {
    Box::pin(async move { p.share_bits(step, 0, &owned(step, 0, &[true; 8])).await.map(drop) })
};

const SIGNS: Work = |p, step| {
    Box::pin(async move {
        let x = p.share(step, 0, &owned(step, 0, &[-5; 8]), 20).await?;
        p.ltz(step, &x, 20).await.map(drop)
    })
};

const CHECKED: Work = |p, step| {
    Box::pin(async move {
        let x = p.share_bits(step, 0, &owned(step, 0, &[true; 8])).await?;
        p.and(step, &x, &x).await?;
        p.check(step).await
    })
};

/// Whether somebody notices that party 0 of `parties` alters a message.
fn notices(
    parties: usize,
    (label, occurrence): (&'static str, u64),
    mutator: &str,
    party: impl Fn(&mut Executor) -> Result<()> + Sync,
) -> bool {
    let mutator = Mutator::named(mutator).expect("it is in the list");
    let plan = Plan { label: Label(label), occurrence, mutator };
    let ran = run((parties, 5), 0, Some(plan), party);
    assert!(ran.applied, "there is no message `{label}`");
    ran.results.into_iter().skip(1).any(|result| {
        matches!(result, Err(Error::Cheating { party: 0, .. } | Error::CheckFailed { .. }))
    })
}

/// Runs a piece of work that needs no protocol.
fn alone(executor: &mut Executor, work: impl for<'a> Fn(&'a Step) -> Fut<'a, ()>) -> Result<()> {
    together(executor, 0, &Rc::new(()), |(), step| work(step))
}

fn own(me: Party) -> Key {
    Key::new(&[me as u8; 32], "own")
}

/// Whether it is noticed that party 0 alters what it opens for a coin: the seed is in front, the echo of
/// the commitments behind.
fn coin_notices(mutator: &str) -> bool {
    notices(3, ("coin.open", 0), mutator, |executor| {
        alone(executor, |step| {
            Box::pin(async { coin::toss(&step.op(Depth::ZERO), &own(step.me())).await.map(drop) })
        })
    })
}

/// Whether it is noticed that party 0 opens something else than it committed to.
fn commitment_notices() -> bool {
    notices(2, ("commit.open", 0), "flip the last bit", |executor| {
        alone(executor, |step| {
            Box::pin(async {
                let op = step.op(Depth::ZERO);
                commit::exchange(&op, &own(step.me()), &[1, 2]).await.map(drop)
            })
        })
    })
}

/// Whether it is noticed that party 0 alters a message when it grows trees or extends transfers, before
/// anything is made of them. The end of the first is the hash of all tags.
fn transfers_notice(label: &'static str) -> bool {
    notices(2, (label, 0), "flip the last bit", |executor| {
        alone(executor, |step| {
            Box::pin(async {
                let (seeds, form) = (seeds(1, step.me(), 2), Form::malicious(4));
                let bases = Bases::new(&seeds, step.me(), false);
                let ot = Ot::new(&seeds, step.me(), form);
                bases.agree(&step.op(Depth::ZERO)).await?;
                ot.grow(&step.op(Depth::ZERO), &bases).await?;
                let many = Many::random(64);
                let call = Call { send: many, receive: many, choices: Choices::Random };
                ot.extend(&step.op(Depth::ZERO), |_| call).await.map(drop)
            })
        })
    })
}

/// Whether it is noticed that party 0 alters a message in the setup of a protocol or the work after it.
fn protocol_notices(name: &str, parties: usize, message: (&'static str, u64), work: Work) -> bool {
    let entry = registry::find(name).expect("it is in the registry");
    notices(parties, message, "flip the first bit", |executor| {
        let setup = setup(parties, 64, Truncation::Exact);
        let me = executor.step(0, 0, Depth::ZERO).me();
        let protocol = entry.build(&setup, me, &seeds(1, me, parties))?;
        together(executor, 0, &protocol, |p, step| {
            Box::pin(async move { p.setup(&step.preprocessing()).await })
        })?;
        together(executor, 1, &protocol, move |p, step| work(p, step))
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

/// A protocol and the programs, with the checks that are reached there.
struct Asked {
    matrix: Matrix,
    reached: BTreeSet<&'static str>,
    took: Duration,
}

#[test]
fn cheating_succeeds_when_a_check_is_gone() {
    let protocols = cheating::malicious().into_iter().chain([cheating::under(&OPEN_BOOK, 3)]);
    let wanted = |name: &str| chosen("PROTOCOLS", |one| one == name);
    let mut all: Vec<Asked> = protocols
        .filter(|under| wanted(under.protocol.info.name))
        .map(|under| {
            checks::reached();
            let started = Instant::now();
            let matrix = Matrix::observe(under, 1).expect("nobody cheats");
            Asked { matrix, reached: checks::reached(), took: started.elapsed() }
        })
        .collect();
    all.sort_by_key(|asked| asked.took);
    let mut failures = vec![];
    for name in marked().into_keys().filter(|name| chosen("CHECKS", |one| name.starts_with(one))) {
        let mut reaching = all.iter().filter(|a| a.reached.contains(&*name)).map(|a| &a.matrix);
        let alone = ALONE.iter().find(|(known, _)| *known == name);
        let lie = LIES.iter().find(|(known, _)| *known == name);
        let missed = match (alone, lie) {
            (Some((_, noticed)), _) => is_missed(&name, "by itself", noticed),
            (None, Some((_, place))) => reaching.any(|matrix| {
                let found = || lies_are_found(matrix, place);
                is_missed(&name, &matrix.under.to_string(), found)
            }),
            (None, None) => reaching.any(|matrix| an_output_is_wrong(matrix, &name)),
        };
        if !missed {
            failures.push(format!("{name}: nobody misses it"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Whether cheats are noticed, and are not when the check is gone.
///
/// # Panics
/// If they are not even with the check.
fn is_missed(name: &str, place: &str, noticed: impl Fn() -> bool) -> bool {
    assert!(noticed(), "{name}, {place}: a cheat that nobody notices");
    let _gone = checks::remove(name);
    let missed = !noticed();
    println!("{name}, {place}: without it the cheat is not noticed: {missed}");
    missed
}

/// Whether no lie at that place makes an output wrong, with any liar in any program.
fn lies_are_found(matrix: &Matrix, place: &str) -> bool {
    (0..matrix.under.parties).all(|liar| {
        let _liar = checks::lie(place, liar);
        (0..matrix.programs()).all(|i| !matches!(matrix.unaltered(i, liar, 5), Verdict::Wrong(_)))
    })
}

/// Whether an output is wrong when the check is gone and a message is altered.
fn an_output_is_wrong(matrix: &Matrix, name: &str) -> bool {
    let _gone = checks::remove(name);
    let tally = matrix.run(&matrix.attempts(7, 1, 1), |tally| !tally.wrong.is_empty());
    let (under, cases) = (matrix.under, tally.cases());
    let first = tally.wrong.first().map_or("none wrong", String::as_str);
    println!("{name}, {under}: {cases} attempts; {first}");
    !tally.wrong.is_empty()
}

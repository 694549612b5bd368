//! Cheaters: one message after the other is altered, at every party. Honest parties abort or are right.

use std::collections::BTreeSet;
use std::rc::Rc;

use mpc_runtime::tamper::{MUTATORS, Mutator, Plan};
use mpc_runtime::{Error, Executor, Label, Party, Result, Step};

use crate::cost::{Comparison, Truncation};
use crate::protocol::{Build, Protocol, Setup};
use crate::schemes::{mal_rep3_field, mal_shamir, sy_shamir};
use crate::testing::attack::{self, Ran, owned, together};
use crate::testing::session::seeds;
use crate::value::{Clear, Shares};

const X: [i128; 4] = [3, -5, 70, 0];
const Y: [i128; 4] = [-2, 9, 11, 13];
const THEIRS: [i128; 5] = [1, 2, -3, 4, 5];
const BITS: usize = 300;

/// Some bits.
fn bits() -> Vec<bool> {
    (0..BITS).map(|i| i % 3 == 1 || i % 7 == 2).collect()
}

/// What parties learn.
#[derive(Clone, PartialEq, Debug)]
struct Learnt {
    /// What follows from the inputs of honest parties, and from bits that are told to several.
    due: Vec<i128>,
    /// What one of them learns alone.
    private: Vec<i128>,
    /// Numbers of the cheater, which may be any.
    theirs: Vec<i128>,
}

/// What is opened in the end.
struct Computed {
    due: Shares,
    product: Shares,
    theirs: Shares,
}

/// Inputs of two honest parties and of the cheater, and every kind of verb on them.
async fn compute(p: &dyn Protocol, step: &Step, cheater: Party) -> Result<Computed> {
    let n = step.parties();
    let (first, second) = ((cheater + 1) % n, (cheater + 2) % n);
    let x = p.share(step, first, &owned(step, first, &X), 8).await?;
    let y = p.share(step, second, &owned(step, second, &Y), 8).await?;
    let theirs = p.share(step, cheater, &owned(step, cheater, &THEIRS), 8).await?;
    let b = p.share_bits(step, first, &owned(step, first, &bits())).await?;
    let c = p.share_bits(step, cheater, &owned(step, cheater, &bits())).await?;
    let product = p.mul(step, &x, &y, 16).await?;
    let matrix = p.matmul(step, &x, &y, (2, 2, 2), 16).await?;
    let negative = p.ltz(step, &product, 16).await?;
    let both = p.xor(step, &b, &c).await?;
    let both = p.from_bits(step, &both).await?;
    let negative = p.from_bits(step, &negative).await?;
    let due = Shares::concat(&[product.clone(), matrix, negative, both]);
    Ok(Computed { due, product, theirs })
}

async fn learn(p: &dyn Protocol, step: &Step, a: Computed, cheater: Party) -> Result<Learnt> {
    let due = p.open(step, &a.due, None, 16).await?;
    let private = p.open(step, &a.product, Some((cheater + 1) % step.parties()), 16).await?;
    let theirs = p.open(step, &a.theirs, None, 16).await?;
    let known = |x: &Clear| x.values().unwrap_or_default().to_vec();
    Ok(Learnt { due: known(&due), private: known(&private), theirs: known(&theirs) })
}

fn due() -> Vec<i128> {
    let product: Vec<i128> = X.iter().zip(Y).map(|(x, y)| x * y).collect();
    let entry = |i: usize| X[i / 2 * 2] * Y[i % 2] + X[i / 2 * 2 + 1] * Y[2 + i % 2];
    let matrix: Vec<i128> = (0..4).map(entry).collect();
    let negative: Vec<i128> = product.iter().map(|&x| i128::from(x < 0)).collect();
    [product, matrix, negative, vec![0; BITS]].concat()
}

/// The whole run, with the checks that the machine makes.
fn one_party(executor: &mut Executor, p: Rc<dyn Protocol>, cheater: Party) -> Result<Learnt> {
    together(executor, 0, &p, |p, step| {
        Box::pin(async move { p.setup(&step.preprocessing()).await })
    })?;
    let computed = together(executor, 1, &p, move |p, step| Box::pin(compute(p, step, cheater)))?;
    together(executor, 2, &p, |p, step| p.check(step))?;
    let learnt =
        together(executor, 3, &p, move |p, step| Box::pin(learn(p, step, computed, cheater)))?;
    together(executor, 4, &p, |p, step| p.check(step))?;
    Ok(learnt)
}

fn run(build: Build, n: usize, cheater: Party, plan: Option<(Label, u64, Mutator)>) -> Ran<Learnt> {
    let plan = plan.map(|(label, occurrence, mutator)| Plan { label, occurrence, mutator });
    let setup = Setup {
        parties: n,
        ring_bits: 64,
        field_bits: 16,
        stat_sec: 40,
        truncation: Truncation::Exact,
        comparison: Comparison::default(),
        threads: 1,
    };
    attack::run((n, 5), cheater, plan, |executor| {
        let me = executor.me();
        let protocol = build(&setup, me, &seeds(3, me, n)).expect("the setup suits");
        one_party(executor, protocol, cheater)
    })
}

fn mutators() -> impl Iterator<Item = Mutator> {
    let chosen = ["flip the first bit", "flip a bit in the middle", "add one"];
    MUTATORS.iter().copied().filter(move |m| chosen.contains(&m.name))
}

/// Every label at every position of the cheater; among more than three parties, one way to alter a message after
/// the other.
fn cheats_are_found(build: Build, n: usize) {
    let mut aborted = BTreeSet::new();
    let (mut labels, mut turn) = (BTreeSet::new(), 0);
    for cheater in 0..n {
        let honest = run(build, n, cheater, None);
        for (party, learnt) in honest.results.iter().enumerate() {
            let learnt = learnt.as_ref().expect("nobody cheats");
            assert_eq!((&learnt.due, &learnt.theirs[..]), (&due(), &THEIRS[..]));
            let alone = party == (cheater + 1) % n;
            assert_eq!(learnt.private, if alone { due()[..4].to_vec() } else { vec![] });
        }
        for (label, messages) in honest.sent {
            labels.insert(label);
            for occurrence in BTreeSet::from([0, 1, messages / 2, messages - 1]) {
                turn += 1;
                let ways = if n > 3 { turn % 3..turn % 3 + 1 } else { 0..3 };
                for mutator in mutators().skip(ways.start).take(ways.len()) {
                    let plan = (Label(label), occurrence, mutator);
                    let ran = run(build, n, cheater, Some(plan));
                    judge(
                        &ran,
                        n,
                        cheater,
                        &format!("{cheater} {label} {occurrence} {}", mutator.name),
                    );
                    if ran.applied && ran.results.iter().any(Result::is_err) {
                        aborted.insert(label);
                    }
                }
            }
        }
    }
    // What a party deals may be anything, unless more shares are honest than it takes.
    labels.retain(|label| n == 5 || !label.ends_with(".deal"));
    assert!(aborted.is_superset(&labels), "found {aborted:?} of {labels:?}");
}

fn judge(ran: &Ran<Learnt>, n: usize, cheater: Party, what: &str) {
    let mut theirs = None;
    for (party, learnt) in ran.results.iter().enumerate().filter(|(party, _)| *party != cheater) {
        match learnt {
            Ok(learnt) => {
                assert_eq!(learnt.due, due(), "{what}: party {party} accepts a wrong result");
                let alone = party == (cheater + 1) % n;
                assert!(!alone || learnt.private == due()[..4], "{what}: wrong private result");
                let theirs = theirs.get_or_insert(learnt.theirs.clone());
                assert_eq!(*theirs, learnt.theirs, "{what}: honest parties disagree");
            }
            Err(Error::Program(text)) => panic!("{what}: blamed on the program: {text}"),
            Err(_) => {}
        }
    }
}

#[test]
fn cheats_of_one_of_three_by_shamir_are_found() {
    cheats_are_found(mal_shamir::build, 3);
}

#[test]
fn cheats_of_one_of_four_by_shamir_are_found() {
    cheats_are_found(mal_shamir::build, 4);
}

#[test]
fn cheats_of_one_of_five_by_shamir_are_found() {
    cheats_are_found(mal_shamir::build, 5);
}

#[test]
fn cheats_of_one_of_three_by_replication_are_found() {
    cheats_are_found(mal_rep3_field::build, 3);
}

#[test]
fn cheats_of_one_of_three_with_macs_are_found() {
    cheats_are_found(sy_shamir::build, 3);
}

#[test]
fn cheats_of_one_of_four_with_macs_are_found() {
    cheats_are_found(sy_shamir::build, 4);
}

#[test]
fn cheats_of_one_of_five_with_macs_are_found() {
    cheats_are_found(sy_shamir::build, 5);
}

/// So many parties have no common keys.
#[test]
fn nine_parties_agree() {
    for build in [mal_shamir::build, sy_shamir::build] {
        for learnt in run(build, 9, 0, None).results {
            assert_eq!(learnt.expect("nobody cheats").due, due());
        }
    }
}

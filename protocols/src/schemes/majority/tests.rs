//! Cheaters: one message after the other is altered, at every party. Honest parties abort or are right.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use mpc_runtime::simulate::Network;
use mpc_runtime::tamper::{MUTATORS, Mutator, Plan, Tamper};
use mpc_runtime::{Depth, Error, Executor, Label, Party, Result, Step, Transport};

use crate::cost::{Comparison, Truncation};
use crate::protocol::{Build, Fut, Protocol, Setup};
use crate::schemes::{mal_rep3_field, mal_shamir, sy_shamir};
use crate::testing::session::seeds;
use crate::value::{Clear, ClearBits, Shares};

const X: [i128; 4] = [3, -5, 70, 0];
const Y: [i128; 4] = [-2, 9, 11, 13];
const THEIRS: [i128; 5] = [1, 2, -3, 4, 5];
const BITS: usize = 300;

/// Some bits.
fn bits() -> Vec<bool> {
    (0..BITS).map(|i| i % 3 == 1 || i % 7 == 2).collect()
}

fn numbers(step: &Step, owner: Party, values: &[i128]) -> Clear {
    match step.me() == owner {
        true => Clear::new(values.to_vec(), Depth::ZERO),
        false => Clear::absent(values.len(), Depth::ZERO),
    }
}

fn own_bits(step: &Step, owner: Party) -> ClearBits {
    match step.me() == owner {
        true => ClearBits::new(bits(), Depth::ZERO),
        false => ClearBits::absent(BITS, Depth::ZERO),
    }
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
    let x = p.share(step, first, &numbers(step, first, &X), 8).await?;
    let y = p.share(step, second, &numbers(step, second, &Y), 8).await?;
    let theirs = p.share(step, cheater, &numbers(step, cheater, &THEIRS), 8).await?;
    let b = p.share_bits(step, first, &own_bits(step, first)).await?;
    let c = p.share_bits(step, cheater, &own_bits(step, cheater)).await?;
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

struct Ran {
    results: Vec<Result<Learnt>>,
    /// What the cheater sent, by label.
    sent: Vec<(&'static str, u64)>,
    applied: bool,
}

/// A part of the run that all parties end before the next begins.
fn together<T: 'static>(
    executor: &mut Executor,
    id: u64,
    p: &Rc<dyn Protocol>,
    work: impl for<'a> FnOnce(&'a dyn Protocol, &'a Step) -> Fut<'a, T> + 'static,
) -> Result<T> {
    let result = Rc::new(RefCell::new(None));
    let (step, p, out) = (executor.step(id, 0, executor.deepest()), p.clone(), result.clone());
    executor.spawn(id, 0, async move {
        *out.borrow_mut() = Some(work(&*p, &step).await?);
        Ok(())
    });
    executor.finish().map_err(|(_, error)| error)?;
    Ok(result.take().expect("it is over"))
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

fn run(build: Build, n: usize, cheater: Party, plan: Option<(Label, u64, Mutator)>) -> Ran {
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
    let outcome = Network::new(n, 5).run(|end| {
        let me = end.me();
        let (end, log) = match plan.filter(|_| me == cheater) {
            Some(plan) => Tamper::new(end, plan),
            None => Tamper::observe(end),
        };
        let protocol = build(&setup, me, &seeds(3, me, n)).expect("the setup suits");
        let mut executor = Executor::new(Box::new(end));
        let ran = one_party(&mut executor, protocol, cheater);
        let ran = ran.and_then(|learnt| executor.close().map(|()| learnt));
        let counted = executor.stats().by_label;
        let sent: Vec<_> = counted.iter().map(|(label, sent)| (*label, sent.messages)).collect();
        let applied = log.lock().expect("nobody panicked").applied;
        (ran, sent, applied)
    });
    let (_, sent, applied) = outcome.results[cheater].clone();
    Ran { results: outcome.results.into_iter().map(|r| r.0).collect(), sent, applied }
}

fn mutators() -> impl Iterator<Item = Mutator> {
    let chosen = ["flip the first bit", "flip a bit in the middle", "add one"];
    MUTATORS.iter().copied().filter(move |m| chosen.contains(&m.name))
}

/// Every label at every position of the cheater.
fn cheats_are_found(build: Build, n: usize) {
    let mut aborted = BTreeSet::new();
    let mut labels = BTreeSet::new();
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
                for mutator in mutators() {
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

fn judge(ran: &Ran, n: usize, cheater: Party, what: &str) {
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

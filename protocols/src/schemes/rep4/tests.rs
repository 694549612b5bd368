//! What honest parties do about a cheater, and what messages look like.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use mpc_runtime::simulate::Network;
use mpc_runtime::tamper::{MUTATORS, Mutator, Plan, Report, Tamper};
use mpc_runtime::{Depth, Executor, Label, Party, Phase, Result, Step, Transport};

use super::PARTIES;
use crate::cost::{Comparison, Truncation};
use crate::protocol::{Protocol, Setup};
use crate::schemes::rep4_ring;
use crate::testing::session::{Session, seeds};
use crate::value::{Clear, ClearBits, Shares};

/// Every label of the scheme.
const LABELS: [&str; 18] = [
    "rep4.key.part",
    "rep4.key.digest",
    "rep4.share",
    "rep4.share.bits",
    "rep4.mul",
    "rep4.dot",
    "rep4.matmul",
    "rep4.and",
    "rep4.halves",
    "rep4.bit",
    "rep4.bit.product",
    "rep4.shift.part",
    "rep4.shift.top",
    "rep4.shift.overflow",
    "rep4.shuffle",
    "rep4.open",
    "rep4.open.bits",
    "vouch.digest",
];

/// The party that alone learns some of the results.
const READER: Party = 2;

fn setup() -> Setup {
    Setup {
        parties: PARTIES,
        ring_bits: 64,
        field_bits: 64,
        stat_sec: 40,
        truncation: Truncation::Probabilistic,
        comparison: Comparison::default(),
        threads: 1,
    }
}

/// All verbs that send something, of `n` numbers of each party: what is to be opened.
async fn compute(p: &dyn Protocol, step: &Step, n: usize) -> Result<(Shares, Shares)> {
    let (mut numbers, mut bits) = (vec![], vec![]);
    for owner in 0..PARTIES {
        let mine = |there: bool| match there {
            true => (
                Clear::new(vec![-3; n], Depth::ZERO),
                ClearBits::new(vec![owner % 2 == 1; n], Depth::ZERO),
            ),
            false => (Clear::absent(n, Depth::ZERO), ClearBits::absent(n, Depth::ZERO)),
        };
        let (x, b) = mine(owner == step.me());
        numbers.push(p.share(step, owner, &x, 8).await?);
        bits.push(p.share_bits(step, owner, &b).await?);
    }
    let product = p.mul(step, &numbers[0], &numbers[1], 16).await?;
    let sum = p.dot(step, &product, &numbers[2], n, 30).await?;
    let square = p.matmul(step, &numbers[0], &numbers[3], (1, n, 1), 20).await?;
    let both = p.and(step, &bits[1], &bits[3]).await?;
    let negative = p.ltz(step, &numbers[0], 8).await?;
    let number = p.from_bits(step, &both).await?;
    let rounded = p.trunc(step, &product, 16, 2).await?;
    let floor = p.shift_right(step, &product, 16, 3).await?;
    let order = p.add_clear(step, &product, &counting(n), 20).await?;
    let order = p.shuffle(step, &order, n, 1, 20).await?;
    let numbers = Shares::concat(&[product, sum, square, number, rounded, floor, order]);
    Ok((numbers, Shares::concat(&[both, negative])))
}

fn counting(n: usize) -> Clear {
    Clear::new((0..n as i128).collect::<Vec<_>>(), Depth::ZERO)
}

/// Runs to the end of what is spawned.
fn finish(executor: &mut Executor) -> Result<()> {
    executor.finish().map_err(|(_, error)| error)
}

fn check(executor: &mut Executor, p: &Rc<dyn Protocol>, id: u64) -> Result<()> {
    let (p, step) = (p.clone(), executor.step(id, 0, executor.deepest()));
    executor.spawn(id, 0, async move { p.check(&step).await });
    finish(executor)
}

/// One party as the machine runs it: values leave between two checks.
fn party(end: Box<dyn Transport>, n: usize) -> Result<(Vec<i128>, Vec<bool>)> {
    let mut executor = Executor::new(end);
    let me = executor.me();
    let p = rep4_ring::build(&setup(), me, &seeds(5, me, PARTIES))?;
    let (protocol, step) = (p.clone(), executor.step(0, 0, Depth::ZERO));
    executor.spawn(0, 0, async move { protocol.setup(&step.preprocessing()).await });
    finish(&mut executor)?;

    let (protocol, step) = (p.clone(), executor.step(1, 0, Depth::ZERO));
    let shared = Rc::new(RefCell::new(None));
    let out = shared.clone();
    executor.spawn(1, 0, async move {
        let found = compute(&*protocol, &step, n).await?;
        *out.borrow_mut() = Some(found);
        Ok(())
    });
    finish(&mut executor)?;
    check(&mut executor, &p, 2)?;

    let (protocol, step) = (p.clone(), executor.step(3, 0, executor.deepest()));
    let (numbers, bits) = shared.take().expect("computed");
    let opened = Rc::new(RefCell::new((vec![], vec![])));
    let out = opened.clone();
    executor.spawn(3, 0, async move {
        let to_all = protocol.open(&step, &numbers, None, 30).await?;
        let to_one = protocol.open(&step, &numbers, Some(READER), 30).await?;
        let bits = protocol.open_bits(&step, &bits, None).await?;
        let numbers = [to_all, to_one].map(|x| x.values().unwrap_or_default().to_vec()).concat();
        *out.borrow_mut() = (numbers, bits.values().unwrap_or_default().to_vec());
        Ok(())
    });
    finish(&mut executor)?;
    check(&mut executor, &p, 4)?;
    executor.close()?;
    Ok(opened.take())
}

type Results = Vec<(Result<(Vec<i128>, Vec<bool>)>, Report)>;

fn run(cheat: Option<(Party, Plan)>, n: usize) -> Results {
    let party = |end: mpc_runtime::simulate::Simulated| {
        let cheat = cheat.filter(|(party, _)| *party == end.me());
        let (end, log) = match cheat {
            Some((_, plan)) => Tamper::new(end, plan),
            None => Tamper::observe(end),
        };
        let result = party(Box::new(end), n);
        let report = log.lock().expect("nobody panicked").clone();
        (result, report)
    };
    Network::new(PARTIES, 7).run(party).results
}

fn flips() -> [Mutator; 2] {
    ["flip the first bit", "flip the last bit"]
        .map(|name| *MUTATORS.iter().find(|m| m.name == name).expect("there is one"))
}

#[test]
fn an_altered_bit_of_any_message_makes_an_honest_party_abort() {
    const N: usize = 70;
    let honest = run(None, N);
    let results: Vec<_> = honest.iter().map(|(r, _)| r.clone().expect("nobody cheats")).collect();
    let product = &results[0].0[..N];
    assert!(product.iter().all(|&x| x == 9), "{product:?}");
    let known: Vec<u16> = LABELS.iter().map(|&name| Label(name).id()).collect();
    for (_, report) in &honest {
        assert!(report.seen.keys().all(|label| known.contains(label)), "a label is not listed");
    }
    for name in LABELS {
        let label = Label(name);
        let senders = (0..PARTIES).filter(|&p| honest[p].1.seen.contains_key(&label.id()));
        let senders: Vec<Party> = senders.collect();
        assert!(!senders.is_empty(), "{name} is never sent");
        for (cheater, mutator) in senders.iter().flat_map(|&p| flips().map(|m| (p, m))) {
            let outcome = run(Some((cheater, Plan { label, occurrence: 0, mutator })), N);
            assert!(outcome[cheater].1.applied, "{name} at {cheater}: nothing was altered");
            let mut aborts = 0;
            for (party, (result, _)) in outcome.iter().enumerate().filter(|(p, _)| *p != cheater) {
                match result {
                    Err(_) => aborts += 1,
                    Ok(found) => assert!(
                        *found == results[party],
                        "{name}, altered by {cheater} ({}): wrong result at {party}",
                        mutator.name
                    ),
                }
            }
            assert!(aborts > 0, "{name}, altered by {cheater} ({}): no abort", mutator.name);
        }
    }
}

#[test]
fn messages_are_uniform_whatever_the_inputs() {
    let session = Session { build: rep4_ring::build, setup: setup(), seed: 5 };
    let outcomes = session.run(1, |_, p, step| {
        Box::pin(async move {
            let (numbers, bits) = compute(&*p, &step, 1 << 13).await?;
            p.open(&step, &numbers, None, 30).await?;
            p.open(&step, &numbers, Some(READER), 30).await?;
            p.open_bits(&step, &bits, None).await.map(drop)
        })
    });
    let mut seen = BTreeSet::new();
    for (party, outcome) in outcomes.iter().enumerate() {
        for ((to, label), payload) in &outcome.payloads {
            let name = LABELS.iter().find(|name| Label(name).id() == *label).expect("listed");
            let expected = payload.len() as f64 / 256.0;
            if expected < 5.0 {
                continue; // hashes, and sums of which there is one
            }
            let mut counts = [0_u32; 256];
            payload.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
            let square = |&c: &u32| (f64::from(c) - expected).powi(2) / expected;
            let chi: f64 = counts.iter().map(square).sum();
            // 255 degrees of freedom: above 400 with probability below 10^-7.
            assert!(chi < 400.0, "{name} from {party} to {to}: chi square {chi}");
            seen.insert(name);
        }
    }
    assert!(seen.len() >= 12, "messages are judged: {seen:?}");
}

#[test]
fn a_permutation_is_opened_behind_the_barrier() {
    let outcome = mpc_runtime::local::run(PARTIES, |end| {
        let mut executor = Executor::new(Box::new(end));
        let me = executor.me();
        let p = rep4_ring::build(&setup(), me, &seeds(5, me, PARTIES)).expect("the setup fits");
        let (protocol, step) = (p.clone(), executor.step(0, 0, Depth::ZERO));
        executor.spawn(0, 0, async move { protocol.setup(&step.preprocessing()).await });
        finish(&mut executor).expect("nobody cheats");
        let step = executor.step(1, 0, Depth::ZERO);
        let door = Rc::new(executor.slot::<Depth>());
        let there = Rc::new(Cell::new(false));
        let (closed, arrived) = (door.clone(), there.clone());
        step.set_barrier(Rc::new(move || {
            arrived.set(true);
            let door = closed.clone();
            Box::pin(async move { *door.wait().await })
        }));
        executor.spawn(1, 0, async move {
            let x = p.public(&step, &counting(9)).await?;
            p.permute(&step, &x, &x, 1, 5).await.map(drop)
        });
        executor.run_ready().expect("nobody cheats");
        while !there.get() {
            executor.wait().expect("the shuffle goes on");
            executor.run_ready().expect("nobody cheats");
        }
        let before = executor.stats().sent_in(Phase::Online).messages;
        door.fill(executor.deepest());
        finish(&mut executor).expect("nobody cheats");
        (before, executor.stats().sent_in(Phase::Online).messages)
    });
    assert!(outcome.iter().all(|&counts| counts == (3, 4)), "{outcome:?}");
}

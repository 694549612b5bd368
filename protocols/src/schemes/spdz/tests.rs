//! Cheaters: messages are altered, at every party and of every label. Honest parties abort or are right.

use std::collections::BTreeSet;
use std::rc::Rc;

use mpc_runtime::tamper::{MUTATORS, Mutator, Plan};
use mpc_runtime::{Depth, Error, Executor, Label, Party, Result, Step};

use super::element::Authentic;
use crate::algebra::field::{F61, F127, F255};
use crate::algebra::ring::Wide;
use crate::cost::{Comparison, Truncation};
use crate::protocol::{Build, Protocol, Setup};
use crate::testing::attack::{self, Ran, owned, together};
use crate::testing::session::seeds;
use crate::value::{Clear, Shares};

const X: [i128; 4] = [3, -5, 70, 0];
const Y: [i128; 4] = [-2, 9, 11, 13];
const BITS: [bool; 5] = [true, false, true, true, false];

/// Results that are opened to all, and to the first honest party.
type Computed = (Shares, Shares);

/// Inputs of an honest party and of the cheater, which is public here, and every kind of verb on them.
async fn compute(p: &dyn Protocol, step: &Step, cheater: Party) -> Result<Computed> {
    let first = (cheater + 1) % step.parties();
    let x = p.share(step, first, &owned(step, first, &X), 8).await?;
    let y = p.public(step, &Clear::new(Y.to_vec(), Depth::ZERO)).await?;
    let theirs = p.share(step, cheater, &owned(step, cheater, &[0; 4]), 8).await?;
    // Whatever the cheater has, this is 0.
    let nothing = p.sub(step, &theirs, &theirs, 8).await?;
    let y = p.add(step, &y, &nothing, 8).await?;
    let bits = p.share_bits(step, first, &owned(step, first, &BITS)).await?;
    let their_bits = p.share_bits(step, cheater, &owned(step, cheater, &BITS)).await?;
    let their_bits = p.from_bits(step, &their_bits).await?;
    let product = p.mul(step, &x, &y, 16).await?;
    let negative = p.ltz(step, &product, 16).await?;
    let both = p.and(step, &negative, &bits.slice(0..4)).await?;
    let both = p.from_bits(step, &both).await?;
    Ok((Shares::concat(&[product.clone(), both, theirs, their_bits]), product))
}

fn due() -> Vec<i128> {
    let product: Vec<i128> = X.iter().zip(Y).map(|(x, y)| x * y).collect();
    let both = product.iter().zip(BITS).map(|(&x, bit)| i128::from(x < 0 && bit));
    product.iter().copied().chain(both).collect()
}

/// The program with the checks that the machine makes.
fn party(p: &Rc<dyn Protocol>, executor: &mut Executor, cheater: Party) -> Result<Learnt> {
    let first = (cheater + 1) % executor.parties();
    together(executor, 0, p, |p, step| {
        Box::pin(async move { p.setup(&step.preprocessing()).await })
    })?;
    let (all, alone) =
        together(executor, 1, p, move |p, step| Box::pin(compute(p, step, cheater)))?;
    together(executor, 2, p, |p, step| p.check(step))?;
    let opened = together(executor, 3, p, move |p, step| {
        Box::pin(async move {
            Ok([p.open(step, &all, None, 16).await?, p.open(step, &alone, Some(first), 16).await?])
        })
    })?;
    together(executor, 4, p, |p, step| p.check(step))?;
    Ok(opened.map(|x| x.values().unwrap_or_default().to_vec()))
}

/// What is opened to all, and to one.
type Learnt = [Vec<i128>; 2];

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
        party(&protocol, executor, cheater)
    })
}

/// Every label, at every position of the cheater among two parties, and for the last of more: one way to alter
/// after the other, and more of them until one is noticed. An altered bit may be one that nobody uses.
pub(crate) fn cheats_are_found(build: Build, n: usize) {
    let chosen = ["flip the first bit", "flip a bit in the middle", "add one"];
    let mutators: Vec<Mutator> =
        MUTATORS.iter().filter(|m| chosen.contains(&m.name)).copied().collect();
    let noticed = |cheater, label: &'static str, occurrence, mutator: Mutator| {
        let ran = run(build, n, cheater, Some((Label(label), occurrence, mutator)));
        judge(&ran, cheater, &format!("{cheater} {label} {occurrence} {}", mutator.name));
        ran.applied && ran.results.iter().any(Result::is_err)
    };
    let (mut found, mut sent, mut turn) = (BTreeSet::new(), vec![], 0);
    for cheater in if n == 2 { 0..2 } else { n - 1..n } {
        let honest = run(build, n, cheater, None);
        for (party, learnt) in honest.results.iter().enumerate() {
            let alone = party == (cheater + 1) % n;
            let private = if alone { due()[..4].to_vec() } else { vec![] };
            let [all, found] = learnt.as_ref().expect("nobody cheats");
            assert_eq!((&all[..8], found), (&due()[..], &private));
        }
        for (label, messages) in honest.sent {
            sent.push((cheater, label, messages));
            // Among more than two, where a run takes long, of one message after the other.
            let both =
                if n == 2 { [0, messages - 1] } else { [(turn % 2) as u64 * (messages - 1); 2] };
            for occurrence in BTreeSet::from(both) {
                turn += 1;
                if noticed(cheater, label, occurrence, mutators[turn % mutators.len()]) {
                    found.insert(label);
                }
            }
        }
    }
    // What a party inputs may be anything, as long as all others are told the same.
    sent.retain(|(_, label, _)| n > 2 || !["spdz.input", "tinier.share"].contains(label));
    for (cheater, label, messages) in sent {
        let mut others = (0..messages).flat_map(|i| mutators.iter().map(move |m| (i, *m)));
        let again = others.by_ref().take(12);
        let caught = |(occurrence, mutator)| noticed(cheater, label, occurrence, mutator);
        if found.contains(label) || again.into_iter().any(caught) {
            found.insert(label);
        }
        assert!(found.contains(label) || cheater + 1 < n, "nobody notices an altered {label}");
    }
}

fn judge(ran: &Ran<Learnt>, cheater: Party, what: &str) {
    let (n, mut theirs) = (ran.results.len(), None);
    for (party, learnt) in ran.results.iter().enumerate().filter(|(party, _)| *party != cheater) {
        match learnt {
            Ok([all, private]) => {
                assert_eq!(all[..8], due(), "{what}: party {party} accepts a wrong result");
                let theirs = theirs.get_or_insert(all[8..].to_vec());
                assert_eq!(theirs[..], all[8..], "{what}: honest parties disagree");
                let alone = party == (cheater + 1) % n;
                assert!(!alone || *private == due()[..4], "{what}: wrong private result");
            }
            Err(Error::Program(text)) => panic!("{what}: blamed on the program: {text}"),
            Err(_) => {}
        }
    }
}

#[test]
fn there_are_enough_parts() {
    // The leftover hash lemma: bits of all parts less those of two combinations, halved.
    fn spare<N: Authentic>(stat_sec: u32) -> usize {
        (N::parts(stat_sec) * N::PART - 2 * N::BITS) / 2
    }
    for stat_sec in [1, 40, 56, 60] {
        let spare = [
            spare::<u128>(stat_sec),
            spare::<Wide>(stat_sec),
            spare::<F61>(stat_sec),
            spare::<F127>(stat_sec),
            spare::<F255>(stat_sec),
        ];
        assert!(spare.iter().all(|&bits| bits >= stat_sec as usize), "{spare:?}");
    }
}

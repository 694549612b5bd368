//! edaBits against their definition, and cheats that are found at once.

use std::rc::Rc;

use mpc_runtime::tamper::{Mutator, Plan};
use mpc_runtime::{Executor, Party};

use super::*;
use crate::algebra::field::{F61, F127, F255};
use crate::algebra::ring::Wide;
use crate::cost::Truncation;
use crate::protocol::Protocol;
use crate::schemes::spdz::protocol::OverSpdz;
use crate::schemes::tinier::known::{CARRIES, PROOF};
use crate::testing::attack::{self, Ran, together};
use crate::testing::conformance;
use crate::testing::session::seeds;

/// Runs the parties after their setup; party `cheater` alters a message if there is a plan.
fn run<N: Authentic, T: Send>(
    (n, seed): (usize, u64),
    cheater: Party,
    plan: Option<Plan>,
    program: impl Fn(&mut Executor, &Rc<OverSpdz<N>>) -> Result<T> + Sync,
) -> Ran<T> {
    let setup = conformance::setup(n, 64, Truncation::Exact);
    attack::run((n, seed), cheater, plan, |executor| {
        let me = executor.me();
        let made = OverSpdz::<N>::new("mixed", &setup, me, &seeds(seed, me, n));
        let party = Rc::new(made.expect("the setup suits"));
        together(executor, 0, &party, |p, step| p.setup(step))?;
        program(executor, &party)
    })
}

/// What a party holds of numbers and of bits: the words of all planes, and of its keys.
type Held = [Vec<u64>; 6];

fn held<N: Authentic>(mixed: &Mixed<N>, [numbers, bits]: &[Shares; 2]) -> Held {
    let words = |x: &Shares, plane: usize| x.plane(plane).words().to_vec();
    let key = mixed.numbers.key.summand::<N>();
    let key = bytemuck::cast_slice(std::slice::from_ref(&key)).to_vec();
    let bit_key = vec![mixed.bits.holder.key()];
    [words(numbers, 0), words(numbers, 1), key, words(bits, 0), words(bits, 1), bit_key]
}

fn made<N: Authentic>(parties: usize, n: usize, k: usize, exact: bool) -> Vec<Held> {
    let ran = run::<N, _>((parties, 3), 0, None, |executor, party| {
        together(executor, 1, party, move |party, step| {
            Box::pin(async move {
                let made = party.mixed.edabits(step, n, k, exact).await?;
                assert_eq!([made[0].len(), made[1].len()], [n, n * k]);
                Ok(held(&party.mixed, &made))
            })
        })
    });
    ran.results.into_iter().map(|held| held.expect("nobody cheats")).collect()
}

/// The shared elements, of which their words are summed up.
fn summed<N: Authentic>(held: &[Held], at: usize) -> Vec<N> {
    let mut sums = vec![N::zero(); held[0][at].len() / N::WORDS];
    held.iter().for_each(|held| add::<N>(&mut sums, bytemuck::cast_slice(&held[at])));
    sums
}

fn added(held: &[Held], at: usize) -> Vec<u64> {
    let mut sums = vec![0; held[0][at].len()];
    held.iter().for_each(|held| sums.iter_mut().zip(&held[at]).for_each(|(o, x)| *o ^= x));
    sums
}

fn edabits_are_right<N: Authentic>(parties: usize, n: usize, k: usize, exact: bool) {
    let what = format!("{parties} parties, {n} numbers of {k} bits, exact: {exact}");
    let held = made::<N>(parties, n, k, exact);
    let (numbers, macs, key) =
        (summed::<N>(&held, 0), summed::<N>(&held, 1), summed::<N>(&held, 2)[0]);
    for (number, mac) in numbers.iter().zip(&macs) {
        assert!(number.times(key).wide() == mac.wide(), "a MAC; {what}");
    }
    let (bits, bit_macs, bit_key) = (added(&held, 3), added(&held, 4), added(&held, 5)[0]);
    let bit = |i: usize| {
        let bit = bits[i / 64] >> (i % 64) & 1;
        assert_eq!(bit_macs[i], bit * bit_key, "the MAC of bit {i}; {what}");
        u128::from(bit)
    };
    let whole = N::RING && k == N::VALUE as usize;
    let low = if k == 128 { u128::MAX } else { (1 << k) - 1 };
    for (i, number) in numbers.iter().enumerate() {
        let due = (0..k).fold(0, |due, row| due | bit(row * n + i) << row);
        let found = number.wide();
        assert_eq!(found[0] & low, due, "number {i}; {what}");
        assert!(!exact || whole || found == [due, 0], "number {i} is too large; {what}");
    }
    let ones: u32 = bits.iter().map(|word| word.count_ones()).sum();
    let (ones, half) = (f64::from(ones), (n * k) as f64 / 2.0);
    // Beyond six standard deviations: less than once in 10^8 times.
    assert!((ones - half).abs() < 3.0 * (n as f64 * k as f64).sqrt() + 4.0, "skewed bits; {what}");
}

#[test]
fn edabits_of_rings_are_right() {
    edabits_are_right::<u128>(2, 70, 63, false);
    edabits_are_right::<u128>(2, 5, 64, true);
    edabits_are_right::<u128>(2, 65, 1, true);
    edabits_are_right::<u128>(3, 3, 17, true);
    edabits_are_right::<u128>(3, 2, 1, false);
    edabits_are_right::<Wide>(2, 2, 127, true);
}

#[test]
fn edabits_of_fields_are_right() {
    edabits_are_right::<F61>(2, 70, 9, false);
    edabits_are_right::<F61>(2, 3, 9, true);
    edabits_are_right::<F127>(3, 2, 64, true);
    edabits_are_right::<F255>(2, 2, 100, true);
}

#[test]
fn parts_make_one_vector() {
    edabits_are_right::<u128>(2, LANES + 3, 2, false);
    edabits_are_right::<u128>(2, LANES + 3, 1, true);
}

/// Results of honest parties where `cheater` alters a message.
fn altered(n: usize, seed: u64, cheater: Party, label: Label, way: &str) -> Vec<Result<()>> {
    let mutator = Mutator::named(way).expect("it is in the table");
    let plan = Plan { label, occurrence: 0, mutator };
    let ran = run::<u128, _>((n, seed), cheater, Some(plan), |executor, party| {
        together(executor, 1, party, |party, step| {
            Box::pin(async move { party.mixed.edabits(step, 2, 8, false).await.map(drop) })
        })
    });
    assert!(ran.applied, "there is such a message");
    let honest = ran.results.into_iter().enumerate().filter(|(party, _)| *party != cheater);
    honest.map(|(_, result)| result).collect()
}

#[test]
fn wrong_carries_and_proofs_are_found_by_who_was_told() {
    for label in [CARRIES, PROOF] {
        for (n, cheater) in [(2, 0), (2, 1), (3, 2)] {
            let results = altered(n, 4, cheater, label, "flip the first bit");
            let found = |result: &Result<()>| matches!(result, Err(Error::Cheating { party, .. }) if *party == cheater);
            assert!(results.iter().any(found), "{}: party {cheater} of {n}", label.0);
        }
    }
}

#[test]
fn sums_that_are_not_those_of_the_macs_are_found() {
    for way in ["flip the first bit", "add one in each word", "random words"] {
        let results = altered(2, 4, 1, TESTED, way);
        let found = matches!(&results[0], Err(Error::CheckFailed { .. }));
        assert!(found, "{way}");
    }
}

/// A MAC that is off by a bit of an honest party, in the highest place too, where a multiple of an error would be
/// nothing: that is found unless the bit is 0.
#[test]
fn who_guesses_a_bit_is_found_half_of_the_time() {
    const RUNS: u64 = 20;
    for way in ["flip the first bit", "flip a bit in the middle", "flip the last bit"] {
        let found = |seed: &u64| altered(2, *seed, 1, MACS, way)[0].is_err();
        let found = (0..RUNS).filter(found).count();
        // Outside of this less than once in a thousand times.
        assert!((3..=17).contains(&found), "{way}: {found} of {RUNS}");
    }
}

/// The probability that some sum is one of numbers that were all treated, where `treated` of them are and nobody notices.
fn leak(lanes: usize, bucket: usize, treated: usize) -> f64 {
    let chosen = |n: usize| (0..bucket).map(|i| (n.saturating_sub(i) as f64).log2()).sum::<f64>();
    (lanes as f64).log2() + chosen(treated) - chosen(lanes * bucket) - treated as f64
}

#[test]
fn buckets_are_as_large_as_the_bound_asks_for() {
    let sizes = [(LANES, 4), (LANES / 2, 5), (1024, 5), (1, 40)];
    for (lanes, due) in sizes {
        assert_eq!(bucket(lanes, 40), due, "{lanes}");
    }
    for lanes in [1, 2, 7, 100, 1024, LANES / 2, LANES - 1, LANES] {
        let bucket = bucket(lanes, 40);
        for treated in bucket..=(lanes * bucket).min(200) {
            assert!(leak(lanes, bucket, treated) <= -40.0, "{lanes} {bucket} {treated}");
        }
    }
}

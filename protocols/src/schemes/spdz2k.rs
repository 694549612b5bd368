//! Additive sharing modulo 2^k with MACs, malicious, all but one corrupted.
//!
//! Sharing:  x = Σ x_i and α·x = Σ m_i modulo 2^(k+64), k = 64 or 128, of which the program sees x modulo 2^k; a bit
//!           likewise modulo 2^64, of which the lowest counts; α = Σ α_i, α_i of 64 bits; party i holds x_i and
//!           m_i. See [`super::spdz`], which also says how numbers and bits are multiplied and openings checked.
//! Bits:     the lowest bit of a number, as a shared bit, is the number modulo 2^64 with its MAC. Bits become numbers
//!           by random bits r that were made as numbers: `c = b ⊕ r` is opened, and `b = c + (1 - 2c)·r`.
//! Paper:    Cramer, Damgård, Escudero, Scholl, Xing 2018, eprint 2018/482; random bits: Damgård, Escudero,
//!           Frederiksen, Keller, Scholl, Volgushev 2019, eprint 2019/599; transfers: Roy 2022, eprint 2022/192.
//! Differs:  openings show all k + 64 bits, those that do not count hidden by a random number. First factors of triples
//!           are combinations of 2(k + 64) + 2σ bits.
//! Security: any n - 1 parties learn nothing; if they cheat, honest parties abort before anything leaves, or have
//!           the right result, but with probability 65/2^64 for a check of numbers and 64/2^63 for one of bits.
//! Cost:     to each peer, K = k + 64: mul 1 round, 2K bits, and a triple ahead; share 1 round, K bits by the owner, and
//!           64K ahead; open 1 round, K bits, and 64K ahead; and 1 round, 128 bits, and a triple ahead; bits to numbers
//!           1 round, 64 bits, and a random bit ahead; as_bits nothing; check 4 rounds, a coin, a number and its
//!           commitment, and as much for bits.

use std::rc::Rc;

use mpc_runtime::{Depth, Error, Party, Result, Step, join_all};

use super::additive::{composed, plane};
use super::spdz::element::Authentic;
use super::spdz::keys::MacKey;
use super::spdz::{FORM, Spdz};
use crate::algebra::ring::Wide;
use crate::blocks::ot::{Bases, Ot};
use crate::cost::{Call, Cost, Truncation, Verb};
use crate::prepared::prepared;
use crate::protocol::{
    Abort, Domain, Fut, Info, Keys, Parties, Protocol, Security, Seeds, Setup, done, now,
};
use crate::value::{Clear, ClearBits, Plane, Shares};

/// What it promises.
pub const INFO: Info = Info {
    name: "spdz2k",
    parties: Parties::AtLeast(2),
    corrupted: "n - 1",
    security: Security::Malicious,
    abort: Abort::Selective,
    comp_sec: "128, by AES-128, BLAKE3 and Ristretto255",
    stat_sec: "2^-σ for the first factors of triples; 65/2^64 for each check of numbers and 64/2^63 of bits; σ above 56 is refused",
    domain: "integers modulo 2^64 or 2^128",
    assumptions: "computational Diffie-Hellman over Ristretto255 with BLAKE3 as random oracle; AES-128 \
                  is an ideal cipher",
    truncation: "exact: nothing. probabilistic and fast: the rounding depends on the mask that is \
                 opened; never a gross error",
    paper: "eprint 2018/482, 2019/599, 2022/192",
};

/// Most bits of statistical security that MACs give.
const STAT_SEC: u32 = 56;

/// Makes one party, over the smallest ring that covers the program.
///
/// # Errors
/// The program needs more than 128 bits, or more statistical security than 56 bits.
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    if setup.stat_sec > STAT_SEC {
        return Err(Error::Program(format!(
            "spdz2k has MACs with {STAT_SEC} bits of statistical security, {} are asked for",
            setup.stat_sec
        )));
    }
    match setup.ring_bits {
        0..=64 => Ok(Rc::new(Spdz2k::<u128>::new(setup, me, seeds))),
        65..=128 => Ok(Rc::new(Spdz2k::<Wide>::new(setup, me, seeds))),
        bits => Err(Error::Program(format!(
            "spdz2k computes modulo 2^64 or 2^128, the program needs {bits} bits; narrower types \
             would help, or tinier"
        ))),
    }
}

struct Spdz2k<N> {
    bases: Bases,
    ot: Rc<Ot>,
    bits: Spdz<u64>,
    numbers: Spdz<N>,
    stat_sec: u32,
    truncation: Truncation,
}

/// The lowest bits of numbers.
fn lowest<N: Authentic>(a: &Shares) -> Shares {
    let low = |x: &Plane| {
        let words = x.words();
        plane(x.len(), |out: &mut [u64]| {
            out.iter_mut().enumerate().for_each(|(i, o)| *o = words[N::WORDS * i]);
        })
    };
    Shares::new(a.planes().iter().map(low).collect(), a.depth)
}

impl<N: Authentic> Spdz2k<N> {
    fn new(setup: &Setup, me: Party, seeds: &Seeds) -> Self {
        let (ot, key) = (Rc::new(Ot::new(seeds, me, FORM)), Rc::new(MacKey::default()));
        let (parties, sigma) = ((me, setup.parties), setup.stat_sec);
        Spdz2k {
            bases: Bases::new(seeds, me, false),
            bits: Spdz::new(parties, seeds, "spdz2k bits", ot.clone(), key.clone(), sigma),
            numbers: Spdz::new(parties, seeds, "spdz2k", ot.clone(), key, sigma),
            ot,
            stat_sec: sigma,
            truncation: setup.truncation,
        }
    }

    async fn set_up(&self, step: &Step) -> Result<()> {
        let op = step.op(Depth::ZERO);
        self.bases.agree(&op).await?;
        let op = step.op(op.depth());
        self.ot.grow(&op, &self.bases).await?;
        self.numbers.agree(&step.op(op.depth())).await
    }

    /// Numbers of `k` bits each.
    async fn composed(&self, step: &Step, a: &Shares, k: usize, signed: bool) -> Result<Shares> {
        let make = async |prep: &Step| self.numbers.random_bits(prep, a.len()).await;
        let r = prepared(step, make).await?;
        let hidden = self.bits.zip(a, &lowest::<N>(&r), u64::wrapping_add);
        let c = self.bits.open(step, &hidden, None, |x| x & 1 == 1).await?;
        let bits = self.numbers.with_clear(&r, &c, |r, c, one| if c { one.minus(r) } else { r });
        Ok(self.numbers.by_row(&bits, k, |row| composed(row, signed)))
    }

    fn composed_cost(&self, len: usize) -> Cost {
        self.numbers.bits_cost(len).ahead().beside(&self.bits.open_cost(None, len))
    }

    /// Openings that a call makes in the end, of numbers and of bits.
    fn opens(call: &Call) -> [bool; 2] {
        match call.verb {
            _ if call.len == 0 => [false; 2],
            Verb::Mul | Verb::Share { .. } | Verb::Open { .. } => [true, false],
            Verb::And | Verb::ShareBits { .. } | Verb::OpenBits { .. } => [false, true],
            Verb::RandomBits => [false, true],
            Verb::FromBits | Verb::Compose { .. } => [true; 2],
            _ => [false; 2],
        }
    }
}

impl<N: Authentic> Protocol for Spdz2k<N> {
    fn domain(&self) -> Domain {
        Domain::Ring { bits: N::VALUE }
    }

    fn stat_sec(&self) -> u32 {
        self.stat_sec
    }

    fn truncation(&self) -> Truncation {
        self.truncation
    }

    fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(self.set_up(step))
    }

    fn keys(&self) -> Keys {
        self.numbers.keys()
    }

    fn restore<'a>(&'a self, _: &'a Step, keys: &'a [u8]) -> Fut<'a, ()> {
        done(self.numbers.restore(keys))
    }

    fn setup_cost(&self, parties: usize) -> Cost {
        let grown = Bases::cost(parties).then(&Ot::growing(FORM, parties));
        grown.then(&MacKey::agreeing::<N>(FORM, parties))
    }

    fn verifies(&self) -> bool {
        true
    }

    fn check<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(async move {
            let forks = step.forks(2);
            let numbers = Box::pin(self.numbers.check(&forks[0])) as Fut<'_, ()>;
            join_all(vec![numbers, Box::pin(self.bits.check(&forks[1]))]).await.map(drop)
        })
    }

    fn check_cost(&self, calls: &[Call], _: usize) -> Cost {
        let [numbers, bits] = [0, 1].map(|i| calls.iter().any(|call| Self::opens(call)[i]));
        self.numbers.checking(numbers).beside(&self.bits.checking(bits))
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let Call { verb, len, .. } = *call;
        let (numbers, bits) = (&self.numbers, &self.bits);
        Some(match verb {
            Verb::Linear | Verb::AddClear | Verb::MulClear | Verb::LinearBits | Verb::Xor => {
                Cost::local(numbers.parties())
            }
            Verb::Sum { .. } | Verb::AsBits => Cost::local(numbers.parties()),
            Verb::Mul => numbers.multiplying(len),
            Verb::And => bits.multiplying(len),
            Verb::Share { owner } => numbers.sharing(owner, len),
            Verb::ShareBits { owner } => bits.sharing(owner, len),
            Verb::Open { to } => numbers.open_cost(to, len),
            Verb::OpenBits { to } => bits.open_cost(to, len),
            Verb::RandomBits => bits.randomness(len, None),
            Verb::FromBits => self.composed_cost(len),
            Verb::Compose { k } => self.composed_cost(len * k as usize),
            _ => return None,
        })
    }

    fn public<'a>(&'a self, _: &'a Step, x: &'a Clear) -> Fut<'a> {
        now(self.numbers.public(x, N::from_i128))
    }

    fn add<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        now(self.numbers.zip(a, b, N::plus))
    }

    fn sub<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        now(self.numbers.zip(a, b, N::minus))
    }

    fn add_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        self.numbers.add_clear(a, c)
    }

    fn mul_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        self.numbers.mul_clear(a, c)
    }

    fn mul<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        Box::pin(self.numbers.multiply(step, a, b))
    }

    fn share<'a>(&'a self, step: &'a Step, owner: Party, x: &'a Clear, _: u32) -> Fut<'a> {
        Box::pin(self.numbers.share(step, owner, x, N::from_i128))
    }

    fn open<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
        _: u32,
    ) -> Fut<'a, Clear> {
        Box::pin(self.numbers.open(step, a, to, N::value))
    }

    fn sum<'a>(&'a self, _: &'a Step, a: &'a Shares, inner: usize, _: u32) -> Fut<'a> {
        now(self.numbers.sum(a, inner))
    }

    fn prefix<'a>(&'a self, _: &'a Step, a: &'a Shares, inner: usize, _: u32) -> Fut<'a> {
        now(self.numbers.prefix(a, inner))
    }

    fn public_bits<'a>(&'a self, _: &'a Step, x: &'a ClearBits) -> Fut<'a> {
        now(self.bits.public(x, u64::from))
    }

    fn xor<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        now(self.bits.zip(a, b, u64::wrapping_add))
    }

    fn xor_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        let sum = |a: u64, c, one| a.wrapping_add(if c { one } else { 0 });
        now(self.bits.with_clear(a, c, sum))
    }

    fn and_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        now(self.bits.with_clear(a, c, |a, c, _| if c { a } else { 0 }))
    }

    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        Box::pin(self.bits.multiply(step, a, b))
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a> {
        Box::pin(self.bits.share(step, owner, x, u64::from))
    }

    fn open_bits<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
    ) -> Fut<'a, ClearBits> {
        Box::pin(self.bits.open(step, a, to, |x| x & 1 == 1))
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        Box::pin(self.bits.random(step, n, None))
    }

    fn from_bits<'a>(&'a self, step: &'a Step, a: &'a Shares) -> Fut<'a> {
        Box::pin(self.composed(step, a, 1, false))
    }

    fn compose<'a>(&'a self, step: &'a Step, a: &'a Shares, k: u32, signed: bool) -> Fut<'a> {
        Box::pin(self.composed(step, a, k as usize, signed))
    }

    fn as_bits<'a>(&'a self, _: &'a Step, a: &'a Shares) -> Fut<'a> {
        now(lowest::<N>(a))
    }
}

#[cfg(test)]
mod tests {
    use super::super::spdz::tests;

    #[test]
    fn cheats_of_one_of_two_are_found() {
        tests::cheats_are_found(super::build, 2);
    }

    #[test]
    fn cheats_of_one_of_three_are_found() {
        tests::cheats_are_found(super::build, 3);
    }
}

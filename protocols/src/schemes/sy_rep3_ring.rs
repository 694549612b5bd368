//! Three-party replicated sharing of integers with MACs against one malicious party ("SPDZ-wise").
//!
//! Sharing:  x and r·x modulo 2^(k+64), each a sum of three components of which party i holds i and i+1; the
//!           program sees x modulo 2^k, k = 64 or 128. The key r is uniform, and never known to anybody.
//! Products: z = x·y and its MAC (r·x)·y are two products as in rep3-ring, right up to additive errors d and
//!           e that the cheater chooses. Sums of products and matrices likewise, with constant messages.
//! Check:    with random α_i that nobody knows, U = Σ α_i·z_i and V = Σ α_i·(r·z_i) are one inner product
//!           each, over all products and inputs since the last check, and T = V - r·U is opened by both
//!           holders of each component. It must be 0. With errors it is Σ α_i·(e_i - r·d_i) plus what the
//!           cheater adds to V, U and r·U.
//! Errors:   with d_i not 0 modulo 2^k, Σ α_i·d_i is a multiple of 2^(k+j) with probability 2^-j at most, and
//!           then r hits one value in 2^(64-j): in all 65/2^64 < 2^-57.
//! Privacy:  an error e of a MAC leaves e·y in the MAC of the next product with y. So α_i stays secret:
//!           with public factors, whether T is 0 would tell a bit of y when e is half the modulus. With
//!           secret ones T is a uniform multiple of the error whatever y is.
//! Paper:    Abspoel, Dalskov, Escudero, Nof 2019, eprint 2019/1298 (after Chida et al. 2018, eprint 2018/570).
//! Differs:  factors of the check are secret (see Privacy), which also saves the coin. Conjunctions of bits
//!           are verified as in ps-rep3-bin. Comparisons and shifts start from the components of a number,
//!           whose bits need no MACs of numbers; sums of shifted components get theirs
//!           ([`crate::Protocol::complete`]).
//! Security: any one party learns nothing; a malicious party that alters a result is found out before
//!           anything leaves, but with probability 2^-50. See also [`super::rep3::checked_ring`].
//! Cost:     mul, dot, matmul 1 round, 2(k + 64) bits for an element of the result; share 2 rounds, k + 64 bits
//!           by the owner and as many from each for the MAC; open 1 round, k bits; and 1 round, 1 bit;
//!           from_bits 3 rounds, 7(k + 64) bits; the MAC of shifted components 1 round, k + 64 bits; check 3
//!           rounds and 5(k + 64) bits.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use mpc_runtime::{Depth, Label, OpId, Party, Result, Step, join_all};

use super::rep3::checked_bits::CheckedBits;
use super::rep3::checked_ring::{self, Way};
use super::rep3::ring_check::{self, Shape};
use super::rep3::{Form, PARTIES, both, costs, elements, plane, zip};
use crate::algebra::ring::{Covered, Integer, Ring};
use crate::algebra::simd;
use crate::cost::Cost;
use crate::protocol::{Abort, Fut, Info, Parties, Protocol, Security, Seeds, Setup, now};
use crate::value::{Clear, Shares, Unit};

/// What it promises.
pub const INFO: Info = Info {
    name: "sy-rep3-ring",
    parties: Parties::Exactly(PARTIES),
    corrupted: "1",
    security: Security::Malicious,
    abort: Abort::Selective,
    comp_sec: "128, by AES-128 and BLAKE3",
    stat_sec: "at most 65/2^64 a check of numbers and 2^-50 of bits (see ps-rep3-bin); σ above 50 is refused",
    domain: "integers modulo 2^64 or 2^128",
    assumptions: "AES-128 is a pseudo-random function, BLAKE3 a random oracle",
    truncation: "exact reveals nothing; probabilistic and fast round up or down at random, in a way that depends on \
                 shares (no ideal rounding); never a gross error",
    paper: "eprint 2019/1298",
};

const PRODUCT: Label = Label("rep3.mac.value");
const MAC_OF_PRODUCT: Label = Label("rep3.product.mac");
const MAC: Label = Label("rep3.mac");
const SUMS: Label = Label("rep3.mac.sums");
const KEY: Label = Label("rep3.mac.key");
const REST: Label = Label("rep3.mac.rest");

/// Makes one of the three parties.
///
/// # Errors
/// As [`checked_ring::build`].
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    checked_ring::build::<Macs<u64>, Macs<u128>>(&INFO, setup, me, seeds)
}

/// The key, and numbers with MACs since the last check.
struct Macs<W> {
    key: OnceCell<Shares>,
    unverified: RefCell<Vec<(OpId, Shares)>>,
    ring: std::marker::PhantomData<W>,
}

/// The number, or its MAC, by itself.
fn part(a: &Shares, mac: bool) -> Shares {
    let first = if mac { 2 } else { 0 };
    Shares::new(a.planes()[first..first + 2].to_vec(), a.depth)
}

/// A number and its MAC as one.
fn with_mac(a: &Shares, mac: &Shares) -> Shares {
    let planes = a.planes().iter().chain(mac.planes()).cloned().collect();
    Shares::new(planes, a.depth.max(mac.depth))
}

impl<W: Covered> Macs<W> {
    fn key(&self) -> &Shares {
        self.key.get().expect("the setup comes before every verb")
    }

    fn record(&self, id: OpId, number: &Shares) {
        self.unverified.borrow_mut().push((id, number.clone()));
    }

    async fn authenticated(&self, bits: &CheckedBits, step: &Step, a: Shares) -> Result<Shares> {
        let op = step.op(a.depth);
        let key = self.key().broadcast(a.len());
        let mac = bits.trio.products::<W::Long>(&op, MAC, Shape::Rows(1), &key, &a).await?;
        let number = with_mac(&a, &mac);
        self.record(op.id(), &number);
        Ok(number)
    }

    async fn multiplied(
        &self,
        bits: &CheckedBits,
        step: &Step,
        shape: Shape,
        x: &Shares,
        y: &Shares,
    ) -> Result<Shares> {
        let depth = x.depth.max(y.depth);
        let ops = [step.op(depth), step.op(depth)];
        let (left, mac, right) = (part(x, false), part(x, true), part(y, false));
        let trio = &bits.trio;
        let product = trio.products::<W::Long>(&ops[0], PRODUCT, shape, &left, &right);
        let its_mac = trio.products::<W::Long>(&ops[1], MAC_OF_PRODUCT, shape, &mac, &right);
        let both = join_all(vec![Box::pin(product) as Fut<'_>, Box::pin(its_mac)]).await?;
        let number = with_mac(&both[0], &both[1]);
        self.record(ops[0].id(), &number);
        Ok(number)
    }

    async fn verify(
        &self,
        bits: &CheckedBits,
        step: &Step,
        mut numbers: Vec<(OpId, Shares)>,
    ) -> Result<()> {
        numbers.sort_unstable_by_key(|(id, _)| *id);
        let len: usize = numbers.iter().map(|(_, number)| number.len()).sum();
        if len == 0 {
            return Ok(());
        }
        let trio = &bits.trio;
        let factors = trio.random(step, Form::numbers::<W::Long>(len));
        let op = step.op(numbers.iter().fold(Depth::ZERO, |d, (_, number)| d.max(number.depth)));
        let fill = |out: &mut [W::Long]| {
            let mut at = 0;
            for (_, number) in &numbers {
                let range = at..at + number.len();
                let alpha = both::<W::Long>(&factors).map(|plane| &plane[range.clone()]);
                for (sum, first) in out.iter_mut().zip([0, 2]) {
                    let x = [first, first + 1].map(|i| elements::<W::Long>(number.plane(i)));
                    simd::cross_dots(std::slice::from_mut(sum), alpha, x, number.len());
                }
                at = range.end;
            }
        };
        let sums = trio.sum_of(&op, SUMS, Form::numbers::<W::Long>(2), fill).await?;
        drop(numbers);
        let (u, v) = (sums.slice(0..1), sums.slice(1..2));
        let op = step.op(sums.depth);
        let due = trio.products::<W::Long>(&op, KEY, Shape::Rows(1), self.key(), &u).await?;
        let rest = zip::<W::Long>(&v, &due, W::Long::minus);
        ring_check::zero::<W::Long>(trio, step, REST, &rest).await.map(drop)
    }
}

impl<W: Covered> Way for Macs<W> {
    type Short = W;
    type Number = W::Long;
    const PLANES: usize = 4;

    fn new() -> Self {
        let ring = std::marker::PhantomData;
        Macs { key: OnceCell::new(), unverified: RefCell::default(), ring }
    }

    fn lengthen(x: W) -> W::Long {
        x.lengthen()
    }

    fn shorten(x: W::Long) -> W {
        W::shorten(x)
    }

    fn public(&self, a: Shares, x: &Clear) -> Shares {
        let known = x.values().expect("all parties know clear operands");
        let mac = |i: usize| {
            let key = elements::<W::Long>(self.key().plane(i))[0];
            plane(Unit::Words(W::Long::WORDS), x.len(), |out: &mut [W::Long]| {
                let each = out.iter_mut().zip(known);
                each.for_each(|(o, &c)| *o = key.times(W::Long::from_i128(c)));
            })
        };
        with_mac(&a, &Shares::new(vec![mac(0), mac(1)], a.depth))
    }

    fn completed<'a>(&'a self, bits: &'a CheckedBits, step: &'a Step, a: Shares) -> Fut<'a> {
        Box::pin(self.authenticated(bits, step, a))
    }

    fn completed_cost(len: usize) -> Cost {
        costs::each(8 * W::Long::WORDS * len)
    }

    fn multiply<'a>(
        &'a self,
        bits: &'a CheckedBits,
        step: &'a Step,
        shape: Shape,
        x: &'a Shares,
        y: &'a Shares,
    ) -> Fut<'a> {
        Box::pin(self.multiplied(bits, step, shape, x, y))
    }

    fn multiply_cost(_: Shape, len: usize) -> Cost {
        let one = costs::each(8 * W::Long::WORDS * len);
        one.clone().beside(&one)
    }

    fn setup<'a>(&'a self, bits: &'a CheckedBits, step: &'a Step) -> Fut<'a, ()> {
        let key = bits.trio.random(step, Form::numbers::<W::Long>(1));
        assert!(self.key.set(key).is_ok(), "the setup comes once");
        now(())
    }

    fn check<'a>(&'a self, bits: &'a CheckedBits, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(self.verify(bits, step, self.unverified.take()))
    }

    fn check_cost(products: &[(Shape, usize)], completed: usize) -> Cost {
        if completed + products.iter().map(|(_, len)| len).sum::<usize>() == 0 {
            return Cost::local(PARTIES);
        }
        let element = 8 * W::Long::WORDS;
        let opening = Cost::each(PARTIES, 1, 2, 2 * element);
        costs::each(2 * element).then(&costs::each(element)).then(&opening)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rep3::cheats;

    #[test]
    fn every_altered_message_is_found() {
        cheats::every_altered_message_is_found(super::build);
    }
}

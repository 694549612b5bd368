//! Additive sharing modulo 2^k among any number of parties, semi-honest, all but one corrupted.
//!
//! Sharing:  x = Σ x_i modulo 2^64 or 2^128, b = ⊕ b_i; party i holds x_i and b_i; see [`super::additive`] and
//!           [`super::gmw`], which also say how numbers and bits are multiplied.
//! Paper:    Cramer, Damgård, Escudero, Scholl, Xing 2018, eprint 2018/482, without MACs and sacrifice; transfers:
//!           Roy 2022, eprint 2022/192.
//! Differs:  dot and matrix products have triples of their own: an operand is opened, and chosen by in transfers, once.
//! Security: any n - 1 parties learn nothing; a malicious party may alter the result and learn inputs.
//! Cost:     to each peer: mul, dot, matmul 1 round, two operands, and a triple ahead; share nothing; open 1 round, one
//!           element; bits to numbers 1 round, a bit, and ahead a transfer of fewer than k bits by one of each
//!           pair; as_bits nothing: the lowest bits of shares are shares of the lowest bit.

use std::rc::Rc;

use mpc_runtime::{Depth, Error, Party, Result, Step};

use super::additive::{Additive, Map, elements, vector};
use super::gmw::{Gmw, SHORT};
use crate::algebra::number::Number;
use crate::blocks::ot::{Bases, Ot};
use crate::cost::{Call, Cost, Truncation, Verb};
use crate::prepared::prepared;
use crate::protocol::{
    Abort, Domain, Fut, Info, Parties, Protocol, Security, Seeds, Setup, Units, now,
};
use crate::value::{Clear, ClearBits, Plane, Shares};

/// What it promises.
pub const INFO: Info = Info {
    name: "semi2k",
    parties: Parties::AtLeast(2),
    corrupted: "n - 1",
    security: Security::SemiHonest,
    abort: Abort::None,
    comp_sec: "128, by AES-128 and Ristretto255",
    stat_sec: "0 in exact mode: masks are uniform in the whole ring",
    domain: "integers modulo 2^64 or 2^128",
    assumptions: "computational Diffie-Hellman over Ristretto255 with BLAKE3 as random oracle; AES-128 \
                  is an ideal cipher",
    truncation: "exact: nothing. probabilistic and fast: the rounding depends on the mask that is \
                 opened; never a gross error",
    paper: "eprint 2018/482, 2022/192",
};

/// Makes one party, over the smallest ring that covers the program.
///
/// # Errors
/// The program needs more than 128 bits.
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    match setup.ring_bits {
        0..=64 => Ok(Rc::new(Semi2k::<u64>::new(setup, me, seeds))),
        65..=128 => Ok(Rc::new(Semi2k::<u128>::new(setup, me, seeds))),
        bits => Err(Error::Program(format!(
            "semi2k computes modulo 2^64 or 2^128, the program needs {bits} bits; narrower types \
             would help, or semi-bin"
        ))),
    }
}

struct Semi2k<N> {
    bases: Bases,
    short: Rc<Ot>,
    gmw: Gmw,
    numbers: Additive<N>,
    stat_sec: u32,
    truncation: Truncation,
}

impl<N: Number> Semi2k<N> {
    fn new(setup: &Setup, me: Party, seeds: &Seeds) -> Self {
        let short = Rc::new(Ot::new(seeds, me, SHORT));
        Semi2k {
            bases: Bases::new(seeds, me, SHORT.odd),
            gmw: Gmw::new(setup.parties, me, seeds, short.clone()),
            numbers: Additive::new(setup, me, seeds, short.clone()),
            short,
            stat_sec: setup.stat_sec,
            truncation: setup.truncation,
        }
    }

    /// Numbers of `k` bits each. The bits are hidden by random ones that were turned into numbers ahead:
    /// `c = a ⊕ r` is opened, and `a = c + (1 - 2c)·r`.
    async fn composed(&self, step: &Step, a: &Shares, k: usize, signed: bool) -> Result<Shares> {
        let len = a.len();
        let make = async |prep: &Step| {
            let r = self.gmw.random(prep, len);
            let weighed = self.numbers.converted(prep, r.plane(0).words(), len, k).await?;
            Ok((r, weighed))
        };
        let (r, weighed) = prepared(step, make).await?;
        let hidden = self.gmw.xor(a, &r).at_depth(weighed.depth);
        let c = self.gmw.open(step, &hidden, None).await?;
        let (c_known, r) = (c.values().expect("opened to all"), elements::<N>(&weighed));
        let one = self.numbers.once(N::from_i128(1));
        Ok(vector(len / k, c.depth, |out: &mut [N]| {
            let rows = c_known.chunks_exact(k).zip(r.chunks_exact(k));
            for (o, (c, r)) in out.iter_mut().zip(rows) {
                for (j, (&c, &r)) in c.iter().zip(r).enumerate() {
                    let bit = if c { one.raised(j as u32).minus(r) } else { r };
                    let negative = signed && j + 1 == k;
                    *o = if negative { o.minus(bit) } else { o.plus(bit) };
                }
            }
        }))
    }

    fn composed_cost(&self, len: usize, k: usize) -> Option<Cost> {
        let opened = Call { verb: Verb::OpenBits { to: None }, len, bits: 1, whole: 0 };
        Some(self.numbers.converted_cost(len, k).ahead().beside(&self.gmw.cost(&opened)?))
    }
}

impl<N: Number> Protocol for Semi2k<N> {
    fn security(&self) -> Security {
        Security::SemiHonest
    }

    fn domain(&self) -> Domain {
        N::DOMAIN
    }

    fn units(&self) -> Units {
        Units::of(1, N::WORDS)
    }

    fn stat_sec(&self) -> u32 {
        self.stat_sec
    }

    fn truncation(&self) -> Truncation {
        self.truncation
    }

    fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(async move {
            let op = step.op(Depth::ZERO);
            self.bases.agree(&op).await?;
            self.short.grow(&step.op(op.depth()), &self.bases).await?;
            self.gmw.grow(&step.op(op.depth()), &self.bases).await
        })
    }

    fn restore<'a>(&'a self, _: &'a Step, _: &'a [u8]) -> Fut<'a, ()> {
        now(()) // transfers are for preprocessing alone
    }

    fn setup_cost(&self, parties: usize) -> Cost {
        let grown = Ot::growing(SHORT, parties).beside(&self.gmw.growing());
        Bases::cost(parties).then(&grown)
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let Call { verb, len, .. } = *call;
        let multiply = |map| Some(self.numbers.multiply_cost(map));
        match verb {
            Verb::Linear | Verb::AddClear | Verb::MulClear | Verb::Share { .. } => {}
            Verb::Sum { .. } | Verb::MatMulClear { .. } | Verb::AsBits => {}
            Verb::Mul => return multiply(Map::Dot { inner: 1, len }),
            Verb::Dot { inner } => return multiply(Map::Dot { inner, len }),
            Verb::MatMul { rows, inner, cols } => return multiply(Map::Matrix(rows, inner, cols)),
            Verb::Open { to } => return Some(self.numbers.open_cost(to, len)),
            Verb::FromBits => return self.composed_cost(len, 1),
            Verb::Compose { k } => return self.composed_cost(len * k as usize, k as usize),
            _ => return self.gmw.cost(call),
        }
        Some(Cost::local(self.numbers.parties()))
    }

    fn public<'a>(&'a self, _: &'a Step, x: &'a Clear) -> Fut<'a> {
        self.numbers.public(x, N::from_i128)
    }

    fn add<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        self.numbers.zip(a, b, N::plus)
    }

    fn sub<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        self.numbers.zip(a, b, N::minus)
    }

    fn add_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        self.numbers.add_clear(a, c)
    }

    fn mul_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        self.numbers.mul_clear(a, c)
    }

    fn mul<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        let map = Map::Dot { inner: 1, len: a.len() };
        Box::pin(self.numbers.multiply(step, map, a, b))
    }

    fn share<'a>(&'a self, step: &'a Step, owner: Party, x: &'a Clear, _: u32) -> Fut<'a> {
        self.numbers.share(step, owner, x, N::from_i128)
    }

    fn open<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
        _: u32,
    ) -> Fut<'a, Clear> {
        Box::pin(self.numbers.open(step, a, to, N::to_i128))
    }

    fn sum<'a>(&'a self, _: &'a Step, a: &'a Shares, inner: usize, _: u32) -> Fut<'a> {
        self.numbers.sum(a, inner)
    }

    fn prefix<'a>(&'a self, _: &'a Step, a: &'a Shares, inner: usize, _: u32) -> Fut<'a> {
        self.numbers.prefix(a, inner)
    }

    fn dot<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        inner: usize,
        _: u32,
    ) -> Fut<'a> {
        let map = Map::Dot { inner, len: a.len() / inner };
        Box::pin(self.numbers.multiply(step, map, a, b))
    }

    fn matmul<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        (rows, inner, cols): (usize, usize, usize),
        _: u32,
    ) -> Fut<'a> {
        Box::pin(self.numbers.multiply(step, Map::Matrix(rows, inner, cols), a, b))
    }

    fn matmul_clear<'a>(
        &'a self,
        _: &'a Step,
        a: &'a Shares,
        b: &'a Clear,
        size: (usize, usize, usize),
        _: u32,
    ) -> Fut<'a> {
        self.numbers.matmul_clear(a, b, size)
    }

    fn public_bits<'a>(&'a self, _: &'a Step, x: &'a ClearBits) -> Fut<'a> {
        now(self.gmw.public(x))
    }

    fn xor<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        now(self.gmw.xor(a, b))
    }

    fn xor_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        now(self.gmw.xor_clear(a, c))
    }

    fn and_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        now(self.gmw.and_clear(a, c))
    }

    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        Box::pin(self.gmw.and(step, a, b))
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a> {
        now(self.gmw.share(step, owner, x))
    }

    fn open_bits<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
    ) -> Fut<'a, ClearBits> {
        Box::pin(self.gmw.open(step, a, to))
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        now(self.gmw.random(step, n))
    }

    fn from_bits<'a>(&'a self, step: &'a Step, a: &'a Shares) -> Fut<'a> {
        Box::pin(self.composed(step, a, 1, false))
    }

    fn compose<'a>(&'a self, step: &'a Step, a: &'a Shares, k: u32, signed: bool) -> Fut<'a> {
        Box::pin(self.composed(step, a, k as usize, signed))
    }

    fn as_bits<'a>(&'a self, _: &'a Step, a: &'a Shares) -> Fut<'a> {
        let words = a.plane(0).words();
        let bits = Plane::bits(a.len(), |i| words[N::WORDS * i] & 1 == 1);
        now(Shares::new(vec![bits], a.depth))
    }
}

#[cfg(test)]
mod tests {
    use mpc_runtime::Label;

    use super::*;
    use crate::blocks::ot::tests::assert_uniform;
    use crate::protocol::Build;
    use crate::schemes::semi_bin;
    use crate::testing::conformance::{seed, setup};
    use crate::testing::session::{Outcome, Session};

    /// What parties send while numbers, if there are any, and bits that are all 0, or all 1, are multiplied
    /// and converted.
    fn sent(build: Build, parties: usize, value: bool) -> Vec<Outcome<()>> {
        let setup = setup(parties, 64, Truncation::Exact);
        Session { build, setup, seed: seed() }.run(1, |_, p, step| {
            Box::pin(async move {
                let bits = ClearBits::new(vec![value; 1 << 19], Depth::ZERO);
                let b = p.public_bits(&step, &bits).await?;
                p.and(&step, &b, &b).await?;
                let short = b.slice(0..1 << 14);
                p.and(&step, &short, &short).await?;
                if let Domain::Binary { .. } = p.domain() {
                    return Ok(());
                }
                let numbers = Clear::new(vec![-i128::from(value); 3000], Depth::ZERO);
                let x = p.public(&step, &numbers).await?;
                p.mul(&step, &x, &x, 64).await?;
                p.from_bits(&step, &b.slice(0..1 << 12)).await.map(drop)
            })
        })
    }

    #[test]
    fn every_byte_that_is_sent_is_uniform_whatever_the_operands() {
        let labels = [
            "ot.extend.correct",
            "ot.silent.trees",
            "ot.silent.choose",
            "additive.products",
            "additive.operands",
            "additive.convert",
            "gmw.triple",
            "gmw.and",
        ];
        let builds: [Build; 2] = [build, semi_bin::build];
        let cases = [(2, false), (2, true), (3, true)];
        for (build, (parties, value)) in builds.iter().flat_map(|&b| cases.map(|case| (b, case))) {
            let mut seen = 0;
            for (me, outcome) in sent(build, parties, value).iter().enumerate() {
                for label in labels {
                    let next = ((me + 1) % parties, Label(label).id());
                    if let Some(bytes) = outcome.payloads.get(&next) {
                        assert_uniform(label, bytes.iter().copied());
                        seen += 1;
                    }
                }
            }
            assert!(seen >= 4 * (parties - 1), "messages were recorded");
        }
    }
}

//! Additive sharing modulo a prime among any number of parties, semi-honest, all but one corrupted.
//!
//! Sharing:  x = Σ x_i; party i holds x_i; see [`super::additive`], which also says how numbers are multiplied. Bits are
//!           the numbers 0 and 1.
//! Field:    the smallest of 2^61 - 1, 2^127 - 1, 2^255 - 19 that leaves room for masks of σ bits.
//! Paper:    Keller, Orsini, Scholl 2016, eprint 2016/505, without amplification, MACs and sacrifice; transfers: Roy 2022,
//!           eprint 2022/192.
//! Security: any n - 1 parties learn nothing; a malicious party may alter the result and learn inputs.
//! Cost:     to each peer: mul, dot, matmul 1 round, two operands, and a triple ahead; share nothing; open 1 round, one
//!           element; mask nothing; random_bits n rounds, a transfer of one element by one of each pair.

use std::rc::Rc;

use mpc_runtime::{Depth, Error, Party, Result, Step};

use super::additive::{Additive, Map, composed, elements, vector};
use super::gmw::SHORT;
use crate::algebra::field::{F61, F127, F255, Prime};
use crate::algebra::number::Number;
use crate::blocks::ot::{Bases, Ot};
use crate::cost::{Call, Cost, Truncation, Verb};
use crate::protocol::{
    Abort, Domain, Fut, Info, Parties, Protocol, Security, Seeds, Setup, Units, now,
};
use crate::value::{Clear, ClearBits, ClearVec, Shares, Unit};

/// What it promises.
pub const INFO: Info = Info {
    name: "semi",
    parties: Parties::AtLeast(2),
    corrupted: "n - 1",
    security: Security::SemiHonest,
    abort: Abort::None,
    comp_sec: "128, by AES-128 and Ristretto255",
    stat_sec: "2^-σ for each number that is opened under a mask",
    domain: "integers modulo a prime of 61, 127 or 255 bits",
    assumptions: "computational Diffie-Hellman over Ristretto255 with BLAKE3 as random oracle; AES-128 \
                  is an ideal cipher",
    truncation: "exact: nothing. probabilistic and fast: the rounding depends on the mask that is \
                 opened; never a gross error",
    paper: "eprint 2016/505, 2022/192",
};

/// Makes one party.
///
/// # Errors
/// Numbers too large for the largest field.
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    // A masked number: one bit for differences, σ of mask, sums of masks, a carry.
    let carries = setup.parties.next_power_of_two().ilog2();
    let needed = setup.field_bits + 1 + setup.stat_sec + carries + 1;
    Ok(match needed {
        ..=<F61 as Prime>::BITS => Rc::new(Semi::<F61>::new(setup, me, seeds)),
        _ if needed <= <F127 as Prime>::BITS => Rc::new(Semi::<F127>::new(setup, me, seeds)),
        _ if needed <= <F255 as Prime>::BITS => Rc::new(Semi::<F255>::new(setup, me, seeds)),
        _ => {
            let Setup { field_bits, stat_sec, .. } = setup;
            return Err(Error::Program(format!(
                "semi: numbers of {field_bits} bits and masks of {stat_sec} more need a field of \
                 {needed} bits, the largest here has {}; narrower numbers or less statistical \
                 security would help",
                <F255 as Prime>::BITS
            )));
        }
    })
}

struct Semi<N> {
    bases: Bases,
    ot: Rc<Ot>,
    numbers: Additive<N>,
    stat_sec: u32,
    truncation: Truncation,
}

impl<N: Number> Semi<N> {
    fn new(setup: &Setup, me: Party, seeds: &Seeds) -> Self {
        let ot = Rc::new(Ot::new(seeds, me, SHORT));
        Semi {
            bases: Bases::new(seeds, me, SHORT.odd),
            numbers: Additive::new(setup, me, seeds, ot.clone()),
            ot,
            stat_sec: setup.stat_sec,
            truncation: setup.truncation,
        }
    }

    fn bit(bit: bool) -> N {
        N::from_i128(i128::from(bit))
    }
}

impl<N: Number> Protocol for Semi<N> {
    fn security(&self) -> Security {
        Security::SemiHonest
    }

    fn domain(&self) -> Domain {
        N::DOMAIN
    }

    fn units(&self) -> Units {
        let planes = vec![Unit::Words(N::WORDS)];
        Units { number: planes.clone(), bit: planes, zeros: 0 }
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
            self.ot.grow(&op, &self.bases).await
        })
    }

    fn restore<'a>(&'a self, _: &'a Step, _: &'a [u8]) -> Fut<'a, ()> {
        now(()) // transfers are for preprocessing alone
    }

    fn setup_cost(&self, parties: usize) -> Cost {
        Bases::cost(parties).then(&Ot::growing(SHORT, parties))
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let Call { verb, len, .. } = *call;
        let multiply = |map| Some(self.numbers.multiply_cost(map));
        match verb {
            Verb::Linear | Verb::AddClear | Verb::MulClear | Verb::LinearBits => {}
            Verb::FromBits | Verb::AsBits | Verb::Compose { .. } | Verb::Mask => {}
            Verb::Sum { .. } | Verb::MatMulClear { .. } => {}
            Verb::Share { .. } | Verb::ShareBits { .. } => {}
            Verb::Mul | Verb::And | Verb::Xor => return multiply(Map::Dot { inner: 1, len }),
            Verb::Dot { inner } => return multiply(Map::Dot { inner, len }),
            Verb::MatMul { rows, inner, cols } => return multiply(Map::Matrix(rows, inner, cols)),
            Verb::Open { to } | Verb::OpenBits { to } => {
                return Some(self.numbers.open_cost(to, len));
            }
            Verb::OpenWide => return Some(self.numbers.open_cost(None, len)),
            Verb::RandomBits => return Some(self.numbers.converted_cost(len, 1)),
            _ => return None,
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

    fn open_wide<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        _: u32,
    ) -> Fut<'a, ClearVec<[u128; 2]>> {
        Box::pin(self.numbers.open(step, a, None, N::wide))
    }

    fn public_bits<'a>(&'a self, _: &'a Step, x: &'a ClearBits) -> Fut<'a> {
        self.numbers.public(x, Self::bit)
    }

    fn xor<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        Box::pin(async move {
            let both = self.mul(step, a, b, 1).await?;
            let (x, y, products) = (elements::<N>(a), elements::<N>(b), elements::<N>(&both));
            Ok(vector(a.len(), both.depth, |out| {
                for (i, o) in out.iter_mut().enumerate() {
                    *o = x[i].plus(y[i]).minus(products[i]).minus(products[i]);
                }
            }))
        })
    }

    fn xor_disjoint<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        self.add(step, a, b, 1)
    }

    fn xor_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        let one = self.numbers.once(N::from_i128(1));
        self.numbers.with_clear(a, c, |a, c| if c { one.minus(a) } else { a })
    }

    fn and_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        self.numbers.with_clear(a, c, |a, c| if c { a } else { N::zero() })
    }

    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        self.mul(step, a, b, 1)
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a> {
        self.numbers.share(step, owner, x, Self::bit)
    }

    fn open_bits<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
    ) -> Fut<'a, ClearBits> {
        Box::pin(self.numbers.open(step, a, to, |x: N| x.wide() != [0, 0]))
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        Box::pin(self.numbers.random_bits(step, n))
    }

    fn from_bits<'a>(&'a self, _: &'a Step, a: &'a Shares) -> Fut<'a> {
        now(a.clone())
    }

    fn compose<'a>(&'a self, _: &'a Step, a: &'a Shares, k: u32, signed: bool) -> Fut<'a> {
        self.numbers.by_row(a, k as usize, |row: &[N]| composed(row, signed))
    }

    fn as_bits<'a>(&'a self, _: &'a Step, a: &'a Shares) -> Fut<'a> {
        now(a.clone())
    }

    fn mask<'a>(&'a self, step: &'a Step, n: usize, bits: u32) -> Fut<'a> {
        self.numbers.random(step, n, bits)
    }
}

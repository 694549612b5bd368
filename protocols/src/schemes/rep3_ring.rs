//! Three-party replicated sharing over Z_2^k, semi-honest, honest majority.
//!
//! Sharing:  x = x_0 + x_1 + x_2 modulo 2^64 or 2^128; party i holds (x_i, x_{i+1}).
//! Paper:    Araki, Furukawa, Lindell, Nof, Ohara 2016, eprint 2016/768, Section 2.
//! Differs:  the paper's shares are (x_i, x_{i-1} - x); ours is the additive form of ABY3 (Mohassel and
//!           Rindal 2018, eprint 2018/403), and so is the idea of converting addends.
//! Security: any one party learns nothing; a malicious party may alter the result.
//!
//! Cost of one element, in bytes of payload for k = 64 (numbers are twice as long for k = 128; each
//! message of packed bits is rounded up to whole bytes for the whole vector). Where thirds of a vector
//! are dealt to the parties ([`super::rep3::addends`]), all send alike from some 200 elements on. log is
//! ⌈log2⌉, and c(m) the cost of a carry out of m places, in g = ⌈m/3⌉ groups or, if a tree of them
//! would be higher than that of ⌈m/4⌉ groups, in as many as that tree takes:
//!
//! | step | rounds | bits sent by each |
//! |---|---|---|
//! | c(m), s = m/g | 2 + log g | about g·((2^s - 1)/3 + 4/3 + 2) |
//! | c(16), c(63) | 4, 6 | 28.7, 124 |
//!
//! | verb | rounds | bytes sent by each |
//! |---|---|---|
//! | mul, dot, matmul, contract, open | 1 | 8 for an element of the result |
//! | share | 1 | 8 by the owner |
//! | and | 1 | 1/8 |
//! | ltz, b bits (lt: b + 1), saving rounds | those of c(b-1) | 1/24 + c(b-1): 15.5 for b = 64 |
//! | the same, saving bytes | b | (4b/3 - 1)/8: 10.5 for b = 64 |
//! | eqz, eq, b bits | 1 + log b | (4b/3 - 1)/8 |
//! | from_bits | 2 | 8 |
//! | select | 2 | 10.7 |
//! | trunc exact, shift_right, by m | 2 + those of c(m) | 10.7 + ⌈m/8⌉/3 + c(m): 14.9 for m = 16 |
//! | trunc probabilistic | 2 | 8 + ⌈m/8⌉/3 |
//! | trunc fast | 1 | 2.7 |
//! | dot_trunc, contract_trunc | those of trunc | 5.3 more than trunc: 20.3, 14, 8 for m = 16 |
//! | wrap to m bits | 2 + those of c(m) | as trunc without ⌈m/8⌉ |
//! | shuffle | 2 | 8, 16 at party 1 |
//! | permute by rows of w, v = ⌈log2 rows⌉ | 3 | 8 + v/8w, twice that at party 1 |
//! | places of 32 rows of k bits, or fewer: [`crate::blocks::pairs`] | 3 + log k | for each pair about 3k/8 + 16 |
//! | places of more rows of k bits, v as above | 3⌈k/2⌉ + 3 | on average (5v + 8/3)/8 for two bits, and 8 at the end |
//!
//! *Comparisons.* All carries in a tree take few rounds; one after the other takes a gate less for every
//! group but many rounds, and more time of the processor: [`Comparison::From`] says from what length on.
//!
//! *Truncations.* All start from the two addends that a product can be had as in the round in which it is
//! made ([`super::rep3::carried`]), and so cost no round beyond their own:
//! - `fast` shifts both addends as signed numbers, as SecureML (eprint 2017/396) and ABY3 do. Of x in a
//!   ring of k bits it is the floor or one beside it, but wrong by 2^(k-m) with probability |x|/2^k: it is
//!   taken only where that is at most 2^-9. Nothing is revealed; which way it rounds depends on the
//!   addends, hence on a uniform mask alone. Product and shift take 24 bytes in all,
//!   what a product alone costs.
//! - `probabilistic` adds the wrap-around, which is the disjunction of both top bits once x is made
//!   positive (a bit of slack suffices): never grossly wrong, off by one at most.
//! - `exact` adds the carry out of the low places too. ABY3's truncation pairs and those of eprint
//!   2024/1953 with more slack open x + r; the carry is needed whatever is opened, and from addends it
//!   costs least.

use std::ops::Range;
use std::rc::Rc;

use mpc_runtime::{Error, Label, Party, Result, Step};

use super::over_binary::BinaryScheme;
use super::rep3::carried::Carried;
use super::rep3::convert::{Saved, cost};
use super::rep3::matrices::Factors;
use super::rep3::shuffle::{Rows, permute_cost, shuffle_cost};
use super::rep3::{Form, PARTIES, Trio, both, costs, elements, linear, places, zip};
use crate::algebra::contraction::Contraction;
use crate::algebra::matrix;
use crate::algebra::ring::Word;
use crate::algebra::simd;
use crate::blocks::{self, compare, pairs};
use crate::cost::{Call, Comparison, Cost, Truncation, Verb};
use crate::protocol::{
    Abort, Domain, Fut, Info, Parties, Protocol, Security, Seeds, Setup, Units, now,
};
use crate::value::{Clear, ClearBits, Shares};

/// What it promises.
pub const INFO: Info = Info {
    name: "rep3-ring",
    parties: Parties::Exactly(PARTIES),
    corrupted: "1",
    security: Security::SemiHonest,
    abort: Abort::None,
    comp_sec: "128, by AES-128",
    stat_sec: "0 in exact mode: masks are uniform in the whole ring",
    domain: "integers modulo 2^64 or 2^128",
    assumptions: "AES-128 is a pseudo-random function",
    truncation: "exact reveals nothing; probabilistic rounds up or down at random, in a way that \
                 depends on shares of two parties (no ideal rounding); fast does too and is grossly \
                 wrong with probability |x|/2^k for the unscaled x, at most 2^-9 (wider \
                 numbers are truncated as in probabilistic)",
    paper: "eprint 2016/768, 2018/403",
};

/// Makes one of the three parties, over the smallest ring that covers the program.
///
/// # Errors
/// `Program` if the program needs more than 128 bits.
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    match setup.ring_bits {
        0..=64 => Ok(Rc::new(Rep3::<u64>::new(setup, me, seeds)?)),
        65..=128 => Ok(Rc::new(Rep3::<u128>::new(setup, me, seeds)?)),
        bits => Err(Error::Program(format!(
            "rep3-ring computes modulo 2^64 or 2^128, the program needs {bits} bits; narrower types \
             would help, or rep3-bin"
        ))),
    }
}

/// Bits of the ring above a number that is truncated in the hope that nothing overflows.
const HOPE_BITS: u32 = 8;

/// Candidates from which on bytes are saved in unit vectors, unless rounds are to be: some 50 kB.
const MANY_CANDIDATES: usize = 1 << 15;

const MUL: Label = Label("rep3.mul");
const DOT: Label = Label("rep3.dot");
const MATMUL: Label = Label("rep3.matmul");
const CONTRACT: Label = Label("rep3.contract");
const SHARE: Label = Label("rep3.share");
const OPEN: Label = Label("rep3.open");

struct Rep3<W> {
    trio: Trio,
    stat_sec: u32,
    truncation: Truncation,
    comparison: Comparison,
    ring: std::marker::PhantomData<W>,
}

/// How a rounding shift is done.
enum Shift<W> {
    /// Nothing is left to do.
    Nothing,
    /// The result is 0, however the bits fall.
    Zero,
    /// Add the first, do the second, add the third.
    Carried(W, Carried<W>, W),
    /// In two steps, for numbers as wide as the ring.
    InTwo,
}

impl<W: Word> Rep3<W> {
    fn new(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rep3<W>> {
        let trio = Trio::new(setup, me, seeds)?;
        let Setup { stat_sec, truncation, comparison, .. } = *setup;
        Ok(Rep3 { trio, stat_sec, truncation, comparison, ring: std::marker::PhantomData })
    }

    /// How `len` numbers are compared, which may be a tile of `whole`.
    fn saved(&self, len: usize, whole: usize) -> Saved {
        match self.comparison {
            Comparison::Rounds => Saved::Rounds,
            Comparison::Bytes => Saved::Bytes,
            Comparison::From(long) if len.max(whole) >= long => Saved::Bytes,
            Comparison::From(_) => Saved::Rounds,
        }
    }

    fn plus(&self, a: &Shares, c: W) -> Shares {
        self.trio.with_clear(a, &Clear::new(vec![0], a.depth), Some(0), |x: W, _| x.plus(c))
    }

    fn power(exponent: u32) -> W {
        W::from_i128(1).left(exponent)
    }

    /// `floor(a / 2^shift)` of numbers of `bits` bits; the first and last summand make room for
    /// negative numbers.
    fn floor(bits: u32, shift: u32) -> Shift<W> {
        let shift = shift.min(bits.max(1) - 1);
        match shift {
            0 => Shift::Nothing,
            _ if bits >= W::BITS => Shift::InTwo,
            _ => Shift::Carried(
                Self::power(bits - 1),
                Carried::shift(shift, true),
                W::from_i128(0).minus(Self::power(bits - 1 - shift)),
            ),
        }
    }

    /// How [`Protocol::trunc`] goes.
    fn nearest(&self, bits: u32, shift: u32) -> Shift<W> {
        if shift == 0 {
            return Shift::Nothing;
        }
        if shift >= bits {
            return Shift::Zero;
        }
        let (before, after) = (Self::power(bits - 1), Self::power(bits - 1 - shift));
        let one = W::from_i128(1);
        match self.truncation {
            // Without the carry the sum is the floor or 1 less, so 1 more is the floor or 1 more.
            Truncation::Fast if bits + HOPE_BITS <= W::BITS => {
                Shift::Carried(W::zeroed(), Carried::hopeful(shift), one)
            }
            Truncation::Fast | Truncation::Probabilistic if bits < W::BITS => {
                Shift::Carried(before, Carried::shift(shift, false), one.minus(after))
            }
            Truncation::Exact if bits + 1 < W::BITS => Shift::Carried(
                before.plus(Self::power(shift - 1)),
                Carried::shift(shift, true),
                W::zeroed().minus(after),
            ),
            _ => Shift::InTwo,
        }
    }

    async fn shift(&self, step: &Step, a: &Shares, how: Shift<W>) -> Result<Option<Shares>> {
        Ok(Some(match how {
            Shift::Nothing => a.clone(),
            Shift::Zero => self.trio.public(Form::numbers::<W>(a.len()), a.depth, |_: &mut [W]| ()),
            Shift::Carried(before, what, after) => {
                let z = self.plus(a, before);
                let shifted = self.trio.carried(step, &z, what).await?;
                self.plus(&shifted, after)
            }
            Shift::InTwo => return Ok(None),
        }))
    }

    fn shift_cost(&self, n: usize, how: &Shift<W>) -> Option<Cost> {
        match how {
            Shift::Nothing | Shift::Zero => Some(Cost::local(PARTIES)),
            Shift::Carried(_, what, _) => Some(what.cost(n)),
            Shift::InTwo => None,
        }
    }

    async fn floor_of(&self, step: &Step, a: &Shares, bits: u32, shift: u32) -> Result<Shares> {
        match self.shift(step, a, Self::floor(bits, shift)).await? {
            Some(shifted) => Ok(shifted),
            None => self.floor_by_bits(step, a, shift).await,
        }
    }

    /// For numbers as wide as the ring: all bits, of which the upper ones are put together again.
    async fn floor_by_bits(&self, step: &Step, a: &Shares, shift: u32) -> Result<Shares> {
        let kept = W::BITS - shift.min(W::BITS - 1);
        let bits = self.trio.decompose::<W>(step, a, W::BITS, W::BITS).await?;
        let (k, width) = (kept as usize, W::BITS as usize);
        let upper = bits.pick(a.len() * k, |i| i / k * width + (width - k) + i % k);
        self.compose(step, &upper, kept, true).await
    }

    fn floor_cost(&self, n: usize, bits: u32, shift: u32) -> Cost {
        self.shift_cost(n, &Self::floor(bits, shift)).unwrap_or_else(|| {
            let kept = W::BITS - shift.min(W::BITS - 1);
            let composed = cost::from_bits::<W>(n * kept as usize);
            cost::decompose::<W>(n, W::BITS, W::BITS).then(&composed)
        })
    }

    async fn nearest_of(&self, step: &Step, a: &Shares, bits: u32, shift: u32) -> Result<Shares> {
        match self.shift(step, a, self.nearest(bits, shift)).await? {
            Some(shifted) => Ok(shifted),
            // floor((t + 1) / 2) = t - floor(t / 2), with t = floor(x / 2^(shift - 1)): no sum grows.
            None => {
                let t = self.floor_of(step, a, bits, shift - 1).await?;
                let half = self.floor_of(step, &t, bits - (shift - 1), 1).await?;
                Ok(zip::<W>(&t, &half, W::minus))
            }
        }
    }

    fn nearest_cost(&self, n: usize, bits: u32, shift: u32) -> Cost {
        self.shift_cost(n, &self.nearest(bits, shift)).unwrap_or_else(|| {
            let first = self.floor_cost(n, bits, shift - 1);
            first.then(&self.floor_cost(n, bits - (shift - 1), 1))
        })
    }

    /// Inner products of rows of `inner`, shifted while they are made; `None` if they cannot be.
    async fn nearest_of_products(
        &self,
        step: &Step,
        (a, b): (&Shares, &Shares),
        inner: usize,
        bits: u32,
        shift: u32,
    ) -> Result<Option<Shares>> {
        let Shift::Carried(before, what, after) = self.nearest(bits, shift) else {
            return Ok(None);
        };
        let (x, y) = (both::<W>(a), both::<W>(b));
        let part = |role: usize, range: Range<usize>, out: &mut [W]| {
            let range = range.start * inner..range.end * inner;
            let [x, y] = [x, y].map(|v| v.map(|component| &component[range.clone()]));
            simd::product_part(out, x, y, inner, role);
        };
        let (n, depth) = (a.len() / inner, a.depth.max(b.depth));
        let shifted = self.trio.product_carried(step, depth, n, part, before, what).await?;
        Ok(Some(self.plus(&shifted, after)))
    }

    /// As [`Rep3::nearest_of_products`], of products of matrices.
    async fn nearest_of_contraction(
        &self,
        step: &Step,
        (a, b): (&Shares, &Shares),
        of: &Contraction,
        bits: u32,
        shift: u32,
    ) -> Result<Option<Shares>> {
        let Shift::Carried(before, what, after) = self.nearest(bits, shift) else {
            return Ok(None);
        };
        let factors = Factors::<W>::new(self.trio.workers().pool(), a, b, of);
        let part = |role: usize, range: Range<usize>, out: &mut [W]| factors.part(role, range, out);
        let depth = a.depth.max(b.depth);
        let shifted = self.trio.product_carried(step, depth, of.len(), part, before, what).await?;
        Ok(Some(self.plus(&shifted, after)))
    }

    /// Whether reduction modulo `2^k` is to be done at all.
    fn wraps(bits: u32, k: u32) -> bool {
        k < bits && k < W::BITS
    }

    /// `a < b` at full width, from three signs: of a and b if they differ, of a - b if not.
    async fn lt_wide(&self, step: &Step, a: &Shares, b: &Shares) -> Result<Shares> {
        let n = a.len();
        let difference = zip::<W>(a, b, W::minus);
        let all = Shares::concat(&[a.clone(), b.clone(), difference]);
        let signs = self.trio.ltz::<W>(step, &all, W::BITS, self.saved(n, step.whole())).await?;
        let [a, b, d] = [0, 1, 2].map(|i| signs.slice(i * n..(i + 1) * n));
        let (differ, other) = (self.trio.xor(&a, &b), self.trio.xor(&a, &d));
        self.trio.and_plus(step, &differ, &other, Some(&d)).await
    }

    /// Whether unit vectors of length `n` are had by comparing each index with every candidate, of which
    /// there are so many in all. That takes fewest rounds; bits of the index, multiplied, take fewer
    /// bytes from 8 candidates on.
    fn by_candidates(&self, n: usize, candidates: usize) -> bool {
        match self.comparison {
            Comparison::Rounds => true,
            Comparison::Bytes => n < 8,
            Comparison::From(_) => n < 8 || candidates < MANY_CANDIDATES,
        }
    }

    /// Index j of every element, for each of `n` indices.
    fn candidates(&self, a: &Shares, n: usize) -> Shares {
        let index: Vec<i128> = (0..a.len() * n).map(|i| (i % n) as i128).collect();
        let repeated = a.pick(a.len() * n, |i| i / n);
        self.trio.with_clear(&repeated, &Clear::new(index, a.depth), Some(0), W::minus)
    }
}

/// Bits of the comparison of indices below `n` with numbers of `bits` bits.
fn index_bits(n: usize, bits: u32) -> u32 {
    (usize::BITS - n.leading_zeros()).max(bits) + 1
}

impl<W: Word> Protocol for Rep3<W> {
    fn security(&self) -> Security {
        Security::SemiHonest
    }

    fn domain(&self) -> Domain {
        Domain::Ring { bits: W::BITS }
    }

    fn units(&self) -> Units {
        Units { zeros: 1, ..Units::of(2, W::WORDS) }
    }

    fn stat_sec(&self) -> u32 {
        self.stat_sec
    }

    fn truncation(&self) -> Truncation {
        self.truncation
    }

    fn corrupted(&self, _: usize) -> usize {
        1
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let Call { verb, len, bits, whole } = *call;
        let saved = self.saved(len, whole);
        let number = len * W::WORDS * 8;
        Some(match verb {
            Verb::Linear
            | Verb::AddClear
            | Verb::MulClear
            | Verb::AsBits
            | Verb::Sum { .. }
            | Verb::MatMulClear { .. }
            | Verb::ContractClear { .. } => Cost::local(PARTIES),
            Verb::LinearBits
            | Verb::Xor
            | Verb::And
            | Verb::ShareBits { .. }
            | Verb::OpenBits { .. }
            | Verb::RandomBits => return self.trio.cost(call),
            Verb::Mul | Verb::Dot { .. } | Verb::MatMul { .. } | Verb::Contract { .. } => {
                costs::each(number)
            }
            Verb::Share { owner } => costs::input(owner, number),
            Verb::Open { to: None } => costs::each(number),
            Verb::Open { to: Some(to) } => costs::input((to + 2) % 3, number),
            Verb::FromBits => cost::from_bits::<W>(len),
            Verb::Select => cost::select::<W>(len),
            Verb::Trunc { shift } => self.nearest_cost(len, bits, shift),
            Verb::DotTrunc { shift, .. } | Verb::ContractTrunc { shift, .. } => {
                match self.nearest(bits, shift) {
                    Shift::Carried(_, what, _) => what.product_cost(len),
                    _ => return None,
                }
            }
            Verb::ShiftRight { shift } => self.floor_cost(len, bits, shift),
            Verb::Wrap { k } if Self::wraps(bits, k) => Carried::<W>::modulo(k).cost(len),
            Verb::Wrap { .. } => Cost::local(PARTIES),
            Verb::Random if bits >= W::BITS => Cost::local(PARTIES),
            Verb::Random => Carried::<W>::modulo(bits).cost(len),
            Verb::Ltz => cost::ltz::<W>(len, bits, saved),
            Verb::Eqz | Verb::Eq => cost::eqz::<W>(len, bits),
            Verb::Lt if bits < W::BITS => cost::ltz::<W>(len, bits + 1, saved),
            Verb::Lt => {
                cost::ltz::<W>(3 * len, W::BITS, saved).then(&costs::each(costs::packed(len, 1)))
            }
            Verb::OneHot { n } if self.by_candidates(n, len.max(whole * n)) => {
                cost::eqz::<W>(len, index_bits(n, bits))
            }
            Verb::OneHot { .. } => return None,
            Verb::Decompose { k } => cost::decompose::<W>(len / k.max(1) as usize, k, bits),
            Verb::Shuffle { .. } => shuffle_cost(number),
            Verb::Permute { width } => permute_cost(len / width.max(1), number),
            Verb::Places { k } if !pairs::few(len) => places::cost::<W>(len, k),
            Verb::Places { .. } | Verb::Compose { .. } | Verb::OpenWide => return None,
            Verb::Mask | Verb::Halves { .. } | Verb::EdaBits { .. } | Verb::Complete => {
                return None;
            }
        })
    }

    fn public<'a>(&'a self, _: &'a Step, x: &'a Clear) -> Fut<'a> {
        now(self.trio.public_numbers::<W>(x))
    }

    fn add<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        now(zip::<W>(a, b, W::plus))
    }

    fn sub<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        now(zip::<W>(a, b, W::minus))
    }

    fn add_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        now(self.trio.with_clear(a, c, Some(0), W::plus))
    }

    fn mul_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        now(self.trio.with_clear(a, c, None, W::times))
    }

    fn mul<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(a.depth.max(b.depth));
            self.trio.multiply::<W>(&op, MUL, Form::numbers::<W>(a.len()), (a, b), None).await
        })
    }

    fn share<'a>(&'a self, step: &'a Step, owner: Party, x: &'a Clear, _: u32) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(x.depth);
            let fill = |out: &mut [W]| {
                let known = x.values().expect("the owner has its values");
                out.iter_mut().zip(known).for_each(|(o, &c)| *o = W::from_i128(c));
            };
            self.trio.share(&op, SHARE, Form::numbers::<W>(x.len()), owner, fill).await
        })
    }

    fn open<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
        _: u32,
    ) -> Fut<'a, Clear> {
        Box::pin(async move {
            let op = step.op(a.depth);
            let form = Form::numbers::<W>(a.len());
            let Some(third) = self.trio.missing(&op, OPEN, form, a, to).await? else {
                return Ok(Clear::absent(a.len(), op.depth()));
            };
            let ([x, y], z) = (both::<W>(a), elements::<W>(&third));
            let sum = |((&x, &y), &z): ((&W, &W), &W)| x.plus(y).plus(z).signed();
            let values: Vec<i128> = x.iter().zip(y).zip(z).map(sum).collect();
            Ok(Clear::new(values, op.depth()))
        })
    }

    fn public_bits<'a>(&'a self, _: &'a Step, x: &'a ClearBits) -> Fut<'a> {
        now(self.trio.public_bits(x))
    }

    fn xor<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        now(self.trio.xor(a, b))
    }

    fn xor_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        now(self.trio.xor_clear(a, c))
    }

    fn and_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        now(self.trio.and_clear(a, c))
    }

    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        self.trio.and(step, a, b)
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a> {
        self.trio.share_bits(step, owner, x)
    }

    fn open_bits<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
    ) -> Fut<'a, ClearBits> {
        self.trio.open_bits(step, a, to)
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        self.trio.random_bits(step, n)
    }

    fn from_bits<'a>(&'a self, step: &'a Step, a: &'a Shares) -> Fut<'a> {
        Box::pin(self.trio.from_bits::<W>(step, a))
    }

    fn sum<'a>(&'a self, _: &'a Step, a: &'a Shares, inner: usize, _: u32) -> Fut<'a> {
        now(linear::sums::<W>(a, inner))
    }

    fn prefix<'a>(&'a self, _: &'a Step, a: &'a Shares, inner: usize, _: u32) -> Fut<'a> {
        now(linear::running_sums::<W>(a, inner))
    }

    fn dot<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        inner: usize,
        _: u32,
    ) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(a.depth.max(b.depth));
            let (x, y) = (both::<W>(a), both::<W>(b));
            let fill = |out: &mut [W]| simd::cross_dots(out, x, y, inner);
            self.trio.sum_of(&op, DOT, Form::numbers::<W>(a.len() / inner), fill).await
        })
    }

    fn matmul<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        size: (usize, usize, usize),
        _: u32,
    ) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(a.depth.max(b.depth));
            let (x, y) = (both::<W>(a), both::<W>(b));
            let fill = |out: &mut [W]| matrix::cross(self.trio.workers().pool(), out, x, y, size);
            self.trio.sum_of(&op, MATMUL, Form::numbers::<W>(size.0 * size.2), fill).await
        })
    }

    fn contract<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        of: &'a Contraction,
        _: u32,
    ) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(a.depth.max(b.depth));
            let factors = Factors::<W>::new(self.trio.workers().pool(), a, b, of);
            let fill = |out: &mut [W]| factors.cross(out);
            self.trio.sum_of(&op, CONTRACT, Form::numbers::<W>(of.len()), fill).await
        })
    }

    fn matmul_clear<'a>(
        &'a self,
        _: &'a Step,
        a: &'a Shares,
        b: &'a Clear,
        size: (usize, usize, usize),
        _: u32,
    ) -> Fut<'a> {
        now(self.trio.matmul_clear::<W>(a, b, size))
    }

    fn contract_clear<'a>(
        &'a self,
        _: &'a Step,
        a: &'a Shares,
        c: &'a Clear,
        of: &'a Contraction,
        turned: bool,
        _: u32,
    ) -> Fut<'a> {
        now(self.trio.contract_clear::<W>(a, c, of, turned))
    }

    fn select<'a>(
        &'a self,
        step: &'a Step,
        cond: &'a Shares,
        a: &'a Shares,
        b: &'a Shares,
        _: u32,
    ) -> Fut<'a> {
        Box::pin(self.trio.select::<W>(step, cond, a, b))
    }

    fn trunc<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32, shift: u32) -> Fut<'a> {
        Box::pin(self.nearest_of(step, a, bits, shift))
    }

    fn dot_trunc<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        inner: usize,
        bits: u32,
        shift: u32,
    ) -> Fut<'a> {
        Box::pin(async move {
            match self.nearest_of_products(step, (a, b), inner, bits, shift).await? {
                Some(shifted) => Ok(shifted),
                None => blocks::linear::dot_trunc(self, step, a, b, inner, bits, shift).await,
            }
        })
    }

    fn contract_trunc<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        of: &'a Contraction,
        bits: u32,
        shift: u32,
    ) -> Fut<'a> {
        Box::pin(async move {
            match self.nearest_of_contraction(step, (a, b), of, bits, shift).await? {
                Some(shifted) => Ok(shifted),
                None => blocks::linear::contract_trunc(self, step, a, b, of, bits, shift).await,
            }
        })
    }

    fn shift_right<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32, shift: u32) -> Fut<'a> {
        Box::pin(self.floor_of(step, a, bits, shift))
    }

    fn wrap<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32, k: u32) -> Fut<'a> {
        Box::pin(async move {
            if !Self::wraps(bits, k) {
                return Ok(a.clone());
            }
            let half = Self::power(k - 1);
            let low = self.trio.carried(step, &self.plus(a, half), Carried::<W>::modulo(k)).await?;
            Ok(self.plus(&low, W::zeroed().minus(half)))
        })
    }

    fn random<'a>(&'a self, step: &'a Step, n: usize, bits: u32) -> Fut<'a> {
        Box::pin(async move {
            let uniform = self.trio.random(step, Form::numbers::<W>(n));
            if bits >= W::BITS {
                return Ok(uniform);
            }
            self.trio.carried(step, &uniform, Carried::<W>::modulo(bits)).await
        })
    }

    fn ltz<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32) -> Fut<'a> {
        Box::pin(self.trio.ltz::<W>(step, a, bits, self.saved(a.len(), step.whole())))
    }

    fn eqz<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32) -> Fut<'a> {
        Box::pin(self.trio.eqz::<W>(step, a, bits))
    }

    fn lt<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a> {
        Box::pin(async move {
            if bits >= W::BITS {
                return self.lt_wide(step, a, b).await;
            }
            let saved = self.saved(a.len(), step.whole());
            self.trio.ltz::<W>(step, &zip::<W>(a, b, W::minus), bits + 1, saved).await
        })
    }

    fn eq<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a> {
        // |a - b| < 2^bits: it is 0 if it is 0 modulo 2^bits.
        Box::pin(async move { self.trio.eqz::<W>(step, &zip::<W>(a, b, W::minus), bits).await })
    }

    fn one_hot<'a>(&'a self, step: &'a Step, a: &'a Shares, n: usize, bits: u32) -> Fut<'a> {
        if !self.by_candidates(n, a.len().max(step.whole()) * n) {
            return Box::pin(compare::one_hot(self, step, a, n, bits));
        }
        Box::pin(async move {
            self.trio.eqz::<W>(step, &self.candidates(a, n), index_bits(n, bits)).await
        })
    }

    fn decompose<'a>(&'a self, step: &'a Step, a: &'a Shares, k: u32, bits: u32) -> Fut<'a> {
        Box::pin(self.trio.decompose::<W>(step, a, k, bits))
    }

    fn as_bits<'a>(&'a self, _: &'a Step, a: &'a Shares) -> Fut<'a> {
        now(self.trio.lowest(a))
    }

    fn shuffle<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        rows: usize,
        width: usize,
        _: u32,
    ) -> Fut<'a> {
        debug_assert_eq!(rows * width, a.len());
        let rows = Rows { form: Form::numbers::<W>(a.len()), width };
        Box::pin(self.trio.shuffle_rows::<W>(step, a, rows))
    }

    fn permute<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        perm: &'a Shares,
        width: usize,
        _: u32,
    ) -> Fut<'a> {
        let rows = Rows { form: Form::numbers::<W>(a.len()), width };
        Box::pin(self.trio.permute_rows::<W>(step, a, perm, rows))
    }

    fn places<'a>(&'a self, step: &'a Step, a: &'a Shares, rows: usize, bits: u32) -> Fut<'a> {
        if pairs::few(rows) {
            return Box::pin(pairs::places(self, step, a, rows, bits));
        }
        Box::pin(self.trio.places::<W>(step, a, rows, |place| W::from_i128(place.into())))
    }
}

//! Four-party replicated sharing over Z_2^k against one malicious party ("Fantastic Four").
//!
//! Sharing:  x = x_0 + x_1 + x_2 + x_3 modulo 2^64 or 2^128; party i lacks x_i and holds the others. Bits
//!           likewise, 64 to a word.
//! Paper:    Dalskov, Escudero, Keller 2020, eprint 2020/1330, Sections 2 and 4.
//! Differs:  the second of the two parties that know a message does not send its hash beside it, but one
//!           hash of all that it vouches for to each peer at the next check ([`crate::blocks::vouch`]);
//!           keys are made by all three holders. Shifts are those of ABY3 with two words known to two
//!           parties each ([`super::rep4::convert`]) instead of edaBits. Shuffles are ours
//!           ([`super::rep4::shuffle`]).
//! Security: any one party learns nothing, and whatever it sends, honest parties abort or get what they
//!           would have got. There is no fairness: the cheater may have its output before others abort.
//!
//! *What is checked, and when.* Every message of every verb is known to two parties besides its receiver,
//! or, of an input, reaches two. The receiver compares its hash with what the other one vouches for, in
//! [`Protocol::check`]: one round in which each party sends 32 bytes to each. The machine checks before it
//! opens a value and again before it uses what was opened, so that an altered message is found out before
//! any value that depends on it is seen. No verb opens a value by itself but [`Protocol::permute`], which
//! waits for a check before it opens the shuffled places. Keys are compared in the setup, before they
//! are used. To pass with other bytes than the voucher's takes a collision of BLAKE3.
//!
//! Cost of one element in elements, all parties together, for numbers and for bits alike:
//!
//! | step | rounds | elements sent |
//! |---|---|---|
//! | mul, dot, matmul, and | 1 | 6 (1.5 by each) |
//! | share | 1 | 2 |
//! | open to all, to one | 1 | 4, 1 |
//! | random_bits, random at full width | 0 | 0 |
//! | from_bits | 2 | 8 |
//! | trunc fast | 1 | 2 |
//! | trunc probabilistic | 2 | 10 |
//! | shift_right by m | 4 + ⌈log m⌉ | 18, and m·20 bits |
//! | wrap, random of m bits | 4 + ⌈log m⌉ | 10, and m·20 bits |
//! | ltz of b bits | 2 + ⌈log (b - 1)⌉ | about 20·b bits |
//! | eqz of b bits | 1 + ⌈log b⌉ | 8·b bits |
//! | shuffle | 4 | 12 |

use std::rc::Rc;

use mpc_runtime::{Error, Label, Party, Result, Step};

use super::rep4::convert::{Carried, from_bits_cost, halves_cost};
use super::rep4::shuffle::shuffle_cost;
use super::rep4::{
    Form, Four, PARTIES, all, elements, matrix_terms, open_cost, product_cost, setup_cost,
    share_cost, zip,
};
use crate::algebra::bits;
use crate::algebra::matrix;
use crate::algebra::ring::{Bits, Word};
use crate::algebra::simd;
use crate::blocks::{linear, truncate, vouch};
use crate::cost::{Call, Cost, Truncation, Verb};
use crate::protocol::{
    Abort, Domain, Fut, Info, Parties, Protocol, Security, Seeds, Setup, Units, now,
};
use crate::value::{Clear, ClearBits, Plane, Shares};

/// What it promises.
pub const INFO: Info = Info {
    name: "rep4-ring",
    parties: Parties::Exactly(PARTIES),
    corrupted: "1",
    security: Security::Malicious,
    abort: Abort::Selective,
    comp_sec: "128, by AES-128 and BLAKE3",
    stat_sec: "0: messages are compared by their hashes, masks are uniform in the whole ring",
    domain: "integers modulo 2^64 or 2^128",
    assumptions: "AES-128 is a pseudo-random function, BLAKE3 is collision-resistant",
    truncation: "exact reveals nothing; probabilistic rounds up or down at random, in a way that \
                 depends on shares (no ideal rounding); fast does too and is grossly wrong with \
                 probability |x|/2^k for the unscaled x, at most 2^-9 (wider numbers are truncated as \
                 in probabilistic)",
    paper: "eprint 2020/1330",
};

/// Makes one of the four parties, over the smallest ring that covers the program.
///
/// # Errors
/// `Program` if the program needs more than 128 bits.
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    match setup.ring_bits {
        0..=64 => Ok(Rc::new(Rep4::<u64>::new(setup, me, seeds)?)),
        65..=128 => Ok(Rc::new(Rep4::<u128>::new(setup, me, seeds)?)),
        bits => Err(Error::Program(format!(
            "rep4-ring computes modulo 2^64 or 2^128, the program needs {bits} bits; narrower types \
             would help"
        ))),
    }
}

/// Bits of the ring above a number that is truncated in the hope that nothing overflows.
const HOPE_BITS: u32 = 8;

const MUL: Label = Label("rep4.mul");
const DOT: Label = Label("rep4.dot");
const MATMUL: Label = Label("rep4.matmul");
const SHARE: Label = Label("rep4.share");
const OPEN: Label = Label("rep4.open");
const SHARE_BITS: Label = Label("rep4.share.bits");
const OPEN_BITS: Label = Label("rep4.open.bits");

struct Rep4<W> {
    four: Four,
    stat_sec: u32,
    truncation: Truncation,
    ring: std::marker::PhantomData<W>,
}

impl<W: Word> Rep4<W> {
    fn new(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rep4<W>> {
        let four = Four::new(setup, me, seeds)?;
        let Setup { stat_sec, truncation, .. } = *setup;
        Ok(Rep4 { four, stat_sec, truncation, ring: std::marker::PhantomData })
    }

    /// Applies `f` to element `i` of component `only`, or of all, and of the clear vector.
    fn with_clear(
        &self,
        a: &Shares,
        c: &Clear,
        only: Option<Party>,
        f: impl Fn(W, W) -> W,
    ) -> Shares {
        let known = c.values().expect("all parties know clear operands");
        let changed = |plane: &Plane| {
            let x = elements::<W>(plane);
            Form::numbers::<W>(a.len()).plane(|out: &mut [W]| match known {
                [one] => {
                    let one = W::from_i128(*one);
                    out.iter_mut().zip(x).for_each(|(o, &x)| *o = f(x, one));
                }
                all => {
                    let each = out.iter_mut().zip(x).zip(all);
                    each.for_each(|((o, &x), &c)| *o = f(x, W::from_i128(c)));
                }
            })
        };
        let part = |p: usize| match only {
            Some(j) if self.four.component(p) != j => a.plane(p).clone(),
            _ => changed(a.plane(p)),
        };
        Shares::new([0, 1, 2].map(part).into(), a.depth.max(c.depth))
    }

    fn power(exponent: u32) -> W {
        W::from_i128(1).left(exponent)
    }

    fn plus(&self, a: &Shares, c: W) -> Shares {
        self.four.affine(a, W::from_i128(1), c)
    }

    /// `floor(a / 2^shift)` by halves, if there is a bit to spare.
    fn floor(bits: u32, shift: u32) -> Option<Carried<W>> {
        (bits < W::BITS && shift > 0 && shift < bits).then(|| Carried::shift(shift, true))
    }

    /// How [`Protocol::trunc`] goes without being exact, and whether negative numbers need room.
    fn nearest(&self, bits: u32, shift: u32) -> Option<(Carried<W>, bool)> {
        if shift == 0 || shift >= bits || bits >= W::BITS {
            return None;
        }
        match self.truncation {
            Truncation::Exact => None,
            Truncation::Fast if bits + HOPE_BITS <= W::BITS => {
                Some((Carried::hopeful(shift), false))
            }
            Truncation::Fast | Truncation::Probabilistic => {
                Some((Carried::shift(shift, false), true))
            }
        }
    }

    /// Numbers of `bits` bits, made positive, shifted and put back.
    async fn shifted(
        &self,
        step: &Step,
        a: &Shares,
        what: Carried<W>,
        (bits, shift): (u32, u32),
    ) -> Result<Shares> {
        let x = self.plus(a, Self::power(bits - 1));
        let y = self.four.carried(self, step, &x, what).await?;
        Ok(self.plus(&y, W::zeroed().minus(Self::power(bits - 1 - shift))))
    }

    fn numbers(&self, x: &Clear) -> impl Fn(&mut [W]) {
        let known = x.values().map(<[i128]>::to_vec);
        move |out: &mut [W]| {
            let known = known.as_ref().expect("who has the values gives them");
            out.iter_mut().zip(known).for_each(|(o, &c)| *o = W::from_i128(c));
        }
    }
}

/// Bits in words.
fn packed(x: &ClearBits) -> impl Fn(&mut [u64]) {
    let known = x.values().map(<[bool]>::to_vec);
    move |out: &mut [u64]| {
        let known = known.as_ref().expect("who has the values gives them");
        out.iter_mut().zip(bits::packed(known)).for_each(|(o, word)| *o = word);
    }
}

impl<W: Word> Protocol for Rep4<W> {
    fn domain(&self) -> Domain {
        Domain::Ring { bits: W::BITS }
    }

    fn units(&self) -> Units {
        Units::of(PARTIES - 1, W::WORDS)
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
        let Call { verb, len, bits, .. } = *call;
        let (numbers, packed) = (Form::numbers::<W>(len), Form::bits(len));
        Some(match verb {
            Verb::Linear | Verb::AddClear | Verb::MulClear | Verb::Sum { .. } => {
                Cost::local(PARTIES)
            }
            Verb::MatMulClear { .. } | Verb::Xor | Verb::LinearBits | Verb::RandomBits => {
                Cost::local(PARTIES)
            }
            Verb::Mul | Verb::Dot { .. } | Verb::MatMul { .. } => product_cost::<W>(numbers),
            Verb::And => product_cost::<Bits>(packed),
            Verb::Share { owner } => share_cost(owner, numbers.bytes()),
            Verb::ShareBits { owner } => share_cost(owner, packed.bytes()),
            Verb::Open { to } => open_cost(to, numbers.bytes()),
            Verb::OpenBits { to } => open_cost(to, packed.bytes()),
            Verb::FromBits => from_bits_cost::<W>(len),
            Verb::Halves { k } => halves_cost(len / (2 * k.max(1) as usize), k),
            Verb::Trunc { shift } => self.nearest(bits, shift)?.0.cost(len),
            Verb::ShiftRight { shift } => Self::floor(bits, shift)?.cost(len),
            Verb::Wrap { k } if k < bits && k < W::BITS => Carried::<W>::modulo(k).cost(len),
            Verb::Wrap { .. } => Cost::local(PARTIES),
            Verb::Random if bits >= W::BITS => Cost::local(PARTIES),
            Verb::Random => Carried::<W>::modulo(bits).cost(len),
            Verb::Shuffle { width } => shuffle_cost(numbers, width),
            _ => return None,
        })
    }

    fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(self.four.agree(step))
    }

    fn setup_cost(&self, _: usize) -> Cost {
        setup_cost()
    }

    fn verifies(&self) -> bool {
        true
    }

    fn check<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(self.four.check(step))
    }

    fn check_cost(&self, _: &[Call], _: usize) -> Cost {
        vouch::cost(PARTIES)
    }

    fn addends(&self) -> usize {
        PARTIES
    }

    fn addend_bits(&self, a: &Shares, j: usize, k: u32) -> Shares {
        self.four.component_bits::<W>(a, j, k)
    }

    fn addend_shifted(&self, a: &Shares, j: usize, shift: u32) -> Shares {
        self.four.component_shifted::<W>(a, j, shift)
    }

    fn bit_addend(&self, a: &Shares, j: usize) -> Shares {
        self.four.component_of_bits::<W>(a, j)
    }

    fn halves<'a>(&'a self, step: &'a Step, a: &'a Shares, k: u32) -> Option<Fut<'a>> {
        Some(Box::pin(self.four.halves::<W>(step, a, k)))
    }

    fn public<'a>(&'a self, _: &'a Step, x: &'a Clear) -> Fut<'a> {
        now(self.four.public(Form::numbers::<W>(x.len()), x.depth, self.numbers(x)))
    }

    fn add<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        now(zip::<W>(a, b, W::plus))
    }

    fn sub<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        now(zip::<W>(a, b, W::minus))
    }

    fn add_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        now(self.with_clear(a, c, Some(0), W::plus))
    }

    fn mul_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        now(self.with_clear(a, c, None, W::times))
    }

    fn mul<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(a.depth.max(b.depth));
            self.four.multiply::<W>(&op, MUL, Form::numbers::<W>(a.len()), a, b).await
        })
    }

    fn share<'a>(&'a self, step: &'a Step, owner: Party, x: &'a Clear, _: u32) -> Fut<'a> {
        Box::pin(async move {
            let (op, form) = (step.op(x.depth), Form::numbers::<W>(x.len()));
            self.four.share(&op, SHARE, form, owner, self.numbers(x)).await
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
            let (op, form) = (step.op(a.depth), Form::numbers::<W>(a.len()));
            let Some(missing) = self.four.missing(&op, OPEN, form, a, to).await? else {
                return Ok(Clear::absent(a.len(), op.depth()));
            };
            let ([x, y, z], w) = (all::<W>(a), elements::<W>(&missing));
            let sum = |i: usize| x[i].plus(y[i]).plus(z[i]).plus(w[i]).signed();
            Ok(Clear::new((0..a.len()).map(sum).collect::<Vec<_>>(), op.depth()))
        })
    }

    fn public_bits<'a>(&'a self, _: &'a Step, x: &'a ClearBits) -> Fut<'a> {
        now(self.four.public(Form::bits(x.len()), x.depth, packed(x)))
    }

    fn xor<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        now(zip::<u64>(a, b, |a, b| a ^ b))
    }

    fn xor_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        let public = self.four.public(Form::bits(a.len()), c.depth, packed(&c.broadcast(a.len())));
        now(zip::<u64>(a, &public, |a, b| a ^ b))
    }

    fn and_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        let known: Plane = Form::bits(a.len()).plane(packed(&c.broadcast(a.len())));
        let part = |p: usize| {
            let both = a.plane(p).words().iter().zip(known.words());
            Form::bits(a.len()).plane(|out: &mut [u64]| {
                out.iter_mut().zip(both).for_each(|(o, (a, c))| *o = a & c)
            })
        };
        now(Shares::new([0, 1, 2].map(part).into(), a.depth.max(c.depth)))
    }

    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        Box::pin(self.four.and(step, a, b))
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a> {
        Box::pin(async move {
            let (op, form) = (step.op(x.depth), Form::bits(x.len()));
            let fill = packed(x);
            let fill = |out: &mut [Bits]| fill(bytemuck::cast_slice_mut(out));
            self.four.share(&op, SHARE_BITS, form, owner, fill).await
        })
    }

    fn open_bits<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
    ) -> Fut<'a, ClearBits> {
        Box::pin(async move {
            let (op, form) = (step.op(a.depth), Form::bits(a.len()));
            let Some(missing) = self.four.missing(&op, OPEN_BITS, form, a, to).await? else {
                return Ok(ClearBits::absent(a.len(), op.depth()));
            };
            let ([x, y, z], w) = (all::<u64>(a), missing.words());
            let word = |i: usize| x[i] ^ y[i] ^ z[i] ^ w[i];
            let bits: Vec<bool> = (0..a.len()).map(|i| word(i / 64) >> (i % 64) & 1 == 1).collect();
            Ok(ClearBits::new(bits, op.depth()))
        })
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        now(self.four.random(step, Form::bits(n)))
    }

    fn from_bits<'a>(&'a self, step: &'a Step, a: &'a Shares) -> Fut<'a> {
        Box::pin(self.four.from_bits::<W>(step, a))
    }

    fn sum<'a>(&'a self, _: &'a Step, a: &'a Shares, inner: usize, _: u32) -> Fut<'a> {
        let total = |p: usize| {
            let x = elements::<W>(a.plane(p)).chunks_exact(inner);
            Form::numbers::<W>(a.len() / inner).plane(|out: &mut [W]| {
                out.iter_mut().zip(x).for_each(|(o, row)| {
                    *o = row.iter().fold(W::zeroed(), |s, &x| s.plus(x));
                });
            })
        };
        now(Shares::new([0, 1, 2].map(total).into(), a.depth))
    }

    fn prefix<'a>(&'a self, _: &'a Step, a: &'a Shares, inner: usize, _: u32) -> Fut<'a> {
        let running = |p: usize| {
            Form::numbers::<W>(a.len()).plane(|out: &mut [W]| {
                out.copy_from_slice(elements(a.plane(p)));
                for row in out.chunks_exact_mut(inner) {
                    (1..row.len()).for_each(|j| row[j] = row[j].plus(row[j - 1]));
                }
            })
        };
        now(Shares::new([0, 1, 2].map(running).into(), a.depth))
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
            let (x, y) = (all::<W>(a), all::<W>(b));
            let form = Form::numbers::<W>(a.len() / inner);
            self.four
                .product(&op, DOT, form, |first, terms: [&mut [W]; 6]| {
                    let range = first * inner..(first + terms[0].len()) * inner;
                    let [x, y] = [x, y].map(|v| v.map(|plane| &plane[range.clone()]));
                    simd::joint_dots(terms, x, y, inner);
                })
                .await
        })
    }

    fn matmul<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        size: (usize, usize, usize),
        bits: u32,
    ) -> Fut<'a> {
        if size.1 == 0 {
            return Box::pin(linear::matmul(self, step, a, b, size, bits));
        }
        Box::pin(async move {
            let op = step.op(a.depth.max(b.depth));
            let found = matrix_terms(self.four.pool(), all::<W>(a), all::<W>(b), size);
            let found = found.each_ref().map(|term| bytemuck::cast_slice::<u64, W>(term.words()));
            let form = Form::numbers::<W>(size.0 * size.2);
            self.four
                .product(&op, MATMUL, form, |first, terms: [&mut [W]; 6]| {
                    for (out, term) in terms.into_iter().zip(found) {
                        out.copy_from_slice(&term[first..first + out.len()]);
                    }
                })
                .await
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
        let b_values = b.values().expect("all parties know clear operands");
        let words: Vec<W> = b_values.iter().map(|&c| W::from_i128(c)).collect();
        let product = |p: usize| {
            Form::numbers::<W>(size.0 * size.2).plane(|out: &mut [W]| {
                matrix::multiply_add(self.four.pool(), out, elements(a.plane(p)), &words, size);
            })
        };
        now(Shares::new([0, 1, 2].map(product).into(), a.depth.max(b.depth)))
    }

    fn trunc<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32, shift: u32) -> Fut<'a> {
        Box::pin(async move {
            match self.nearest(bits, shift) {
                Some((what, true)) => self.shifted(step, a, what, (bits, shift)).await,
                Some((what, false)) => self.four.carried(self, step, a, what).await,
                None => truncate::nearest(self, step, a, bits, shift).await,
            }
        })
    }

    fn shift_right<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32, shift: u32) -> Fut<'a> {
        Box::pin(async move {
            match Self::floor(bits, shift) {
                Some(what) => self.shifted(step, a, what, (bits, shift)).await,
                None => truncate::floor(self, step, a, bits, shift).await,
            }
        })
    }

    fn wrap<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32, k: u32) -> Fut<'a> {
        Box::pin(async move {
            if k >= bits || k >= W::BITS {
                return Ok(a.clone());
            }
            let half = Self::power(k - 1);
            let x = self.plus(a, half);
            let low = self.four.carried(self, step, &x, Carried::<W>::modulo(k)).await?;
            Ok(self.plus(&low, W::zeroed().minus(half)))
        })
    }

    fn random<'a>(&'a self, step: &'a Step, n: usize, bits: u32) -> Fut<'a> {
        Box::pin(async move {
            let uniform = self.four.random(step, Form::numbers::<W>(n));
            if bits >= W::BITS {
                return Ok(uniform);
            }
            self.four.carried(self, step, &uniform, Carried::<W>::modulo(bits)).await
        })
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
        Box::pin(self.four.shuffle::<W>(step, a, Form::numbers::<W>(a.len()), width))
    }
}

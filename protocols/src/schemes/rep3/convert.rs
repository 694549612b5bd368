//! Between numbers and bits: signs, tests for zero, bits of numbers, numbers from bits.
//!
//! Conversions of numbers start from addends (see [`super::addends`]).
//!
//! *Bits to numbers.* b = u ⊕ v, where Q knows u = b_Q ⊕ b_{Q+1} and the others know v = b_{Q+2}. So
//! b = v + (1 - 2v)·u, and after Q's arithmetic input of u the parties Q+1 and Q+2 have a summand each.

use mpc_runtime::{Label, Party, Result, Step};

use super::addends::Plan;
use super::binary::interleave;
use super::{Form, PARTIES, Trio, costs, elements};
use crate::algebra::bits;
use crate::algebra::ring::Word;
use crate::cost::Cost;
use crate::schemes::over_binary::BinaryScheme;
use crate::value::{ClearBits, Plane, Shares, Unit};

/// Who inputs in conversions of bits.
const Q: Party = 1;

const BIT: Label = Label("rep3.bit");
const BIT_PRODUCT: Label = Label("rep3.bit.product");

/// What a comparison is to have little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    /// Rounds: carries in a tree.
    Rounds,
    /// Bytes: carries one after the other.
    Bytes,
}

/// How the sign of a number of `rows` places is found.
fn sign_plan(rows: usize, saved: Saved) -> Plan {
    match saved {
        Saved::Rounds => Plan::grouped(rows - 1, 1),
        Saved::Bytes => Plan::with_addend(rows),
    }
}

impl Trio {
    /// The lowest bits: those of the components are a sharing of them as they stand.
    pub(crate) fn lowest(&self, x: &Shares) -> Shares {
        let plane = |i: usize| {
            let plane = x.plane(i);
            let words = plane.unit().words(1);
            Plane::build(Unit::Bit, x.len(), |out| {
                for (word, numbers) in out.iter_mut().zip(plane.words().chunks(64 * words)) {
                    *word = bits::lowest(numbers.iter().step_by(words).copied());
                }
            })
        };
        Shares::new(vec![plane(0), plane(1)], x.depth)
    }

    /// Whether `x`, a number of `bits` bits, is negative.
    pub(crate) async fn ltz<W: Word>(
        &self,
        step: &Step,
        x: &Shares,
        bits: u32,
        saved: Saved,
    ) -> Result<Shares> {
        let (n, rows) = (x.len(), bits.clamp(1, W::BITS) as usize);
        if rows == 1 {
            return Ok(self.lowest(x));
        }
        let op = step.op(x.depth);
        let plan = sign_plan(rows, saved);
        let sum = self.addends::<W>(&op, x, &plan, |w| w).await?;
        let carry = match saved {
            Saved::Rounds => self.carry(step, n, &sum).await?,
            Saved::Bytes => self.ripple(step, n, &sum, rows - 1).await?,
        };
        let top = sum.propagate.last().expect("the sign is a place by itself");
        Ok(top.xor(&[&carry.expect("there are places below the sign")]))
    }

    /// Whether the low `bits` bits of `x` are 0: y = -w, that is, y ⊕ (w - 1) has 1s only.
    pub(crate) async fn eqz<W: Word>(&self, step: &Step, x: &Shares, bits: u32) -> Result<Shares> {
        let (n, rows) = (x.len(), bits.clamp(1, W::BITS) as usize);
        if rows == 1 {
            let one = ClearBits::new(vec![true], x.depth);
            return Ok(self.xor_clear(&self.lowest(x), &one));
        }
        let op = step.op(x.depth);
        let minus_one = |w: W| w.minus(W::from_i128(1));
        let sum = self.addends::<W>(&op, x, &Plan::plain(rows), minus_one).await?;
        let all = self.all(step, n, &sum.propagate).await?;
        Ok(all.expect("numbers have bits").bits())
    }

    /// The low `k` bits of `x`, a number of `bits` bits, element by element.
    pub(crate) async fn decompose<W: Word>(
        &self,
        step: &Step,
        x: &Shares,
        k: u32,
        bits: u32,
    ) -> Result<Shares> {
        let (n, rows) = (x.len(), k.min(bits).clamp(1, W::BITS) as usize);
        if rows == 1 {
            return Ok(interleave(n, &vec![self.lowest(x); k as usize], x.depth));
        }
        let op = step.op(x.depth);
        let sum = self.addends::<W>(&op, x, &Plan::single(rows - 1, 1), |w| w).await?;
        let carries = self.carries(step, n, &sum).await?;
        let bit = |j: usize| match j {
            0 => sum.propagate[0].bits(),
            _ => sum.propagate[j].xor(&[&carries[j - 1]]),
        };
        let mut places: Vec<Shares> = (0..rows.min(k as usize)).map(bit).collect();
        if let Some(sign) = places.last().cloned() {
            places.resize(k as usize, sign);
        }
        Ok(interleave(n, &places, x.depth))
    }

    /// u = b_p ⊕ b_{p+1}, at p.
    fn known_pair<W: Word>(&self, b: &Shares, i: usize) -> W {
        let word = b.plane(0).words()[i / 64] ^ b.plane(1).words()[i / 64];
        W::from_bit(word >> (i % 64))
    }

    /// v = b_{p+2}, at the others.
    fn known_single<'a, W: Word>(
        &self,
        b: &'a Shares,
        p: Party,
    ) -> Option<impl Fn(usize) -> W + 'a> {
        let plane = b.plane(self.plane_of((p + 2) % 3)?);
        Some(move |i: usize| W::from_bit(plane.words()[i / 64] >> (i % 64)))
    }

    /// Bits as numbers. Two rounds, one number sent by each.
    pub(crate) async fn from_bits<W: Word>(&self, step: &Step, b: &Shares) -> Result<Shares> {
        let op = step.op(b.depth);
        let form = Form::numbers::<W>(b.len());
        let input = self.input(&op, form, Q, 0, |out: &mut [W]| {
            out.iter_mut().enumerate().for_each(|(i, u)| *u = self.known_pair(b, i));
        });
        input.send(&op, BIT)?;
        let one = W::from_i128(1);
        let summand = |u: &Plane, all: bool| {
            let v = self.known_single::<W>(b, Q).expect("Q has no summand");
            let u = elements::<W>(u);
            form.plane(|out: &mut [W]| {
                for (i, o) in out.iter_mut().enumerate() {
                    let product = u[i].times(one.minus(v(i).left(1)));
                    *o = if all { product.plus(v(i)) } else { product };
                }
            })
        };
        let early = match self.role(Q) {
            0 => Some(self.offer::<W>(&op, BIT_PRODUCT, form, Q, None)?),
            1 => None,
            _ => {
                let mask = input.mask(self).expect("Q + 2 makes the mask");
                Some(self.offer::<W>(&op, BIT_PRODUCT, form, Q, Some(summand(mask, true)))?)
            }
        };
        let u = input.complete(self, &op, BIT).await?;
        op.round();
        let offer = match early {
            Some(offer) => offer,
            None => self.offer::<W>(&op, BIT_PRODUCT, form, Q, Some(summand(&u[0], false)))?,
        };
        self.accept::<W>(&op, BIT_PRODUCT, form, Q, offer).await
    }
}

/// Costs of the verbs of this module for `n` elements in a ring of `W`.
pub(crate) mod cost {
    use super::{Cost, PARTIES, Plan, Q, Saved, Word, costs, sign_plan};

    fn width(bits: u32, ring: u32) -> usize {
        bits.clamp(1, ring) as usize
    }

    pub(crate) fn ltz<W: Word>(n: usize, bits: u32, saved: Saved) -> Cost {
        let rows = width(bits, W::BITS);
        if rows == 1 {
            return Cost::local(PARTIES);
        }
        let plan = sign_plan(rows, saved);
        costs::addends(n, &plan).then(&match saved {
            Saved::Rounds => costs::carry(n, plan.groups()),
            Saved::Bytes => costs::ripple(n, rows - 1),
        })
    }

    pub(crate) fn eqz<W: Word>(n: usize, bits: u32) -> Cost {
        let rows = width(bits, W::BITS);
        if rows == 1 {
            return Cost::local(PARTIES);
        }
        costs::addends(n, &Plan::plain(rows)).then(&costs::all(n, rows))
    }

    pub(crate) fn decompose<W: Word>(n: usize, k: u32, bits: u32) -> Cost {
        let rows = width(k.min(bits), W::BITS);
        if rows == 1 {
            return Cost::local(PARTIES);
        }
        costs::addends(n, &Plan::single(rows - 1, 1)).then(&costs::carries(n, rows - 1))
    }

    pub(crate) fn from_bits<W: Word>(n: usize) -> Cost {
        let bytes = n * W::WORDS * 8;
        costs::input(Q, bytes).then(&costs::offer(Q, bytes))
    }

    pub(crate) fn select<W: Word>(n: usize) -> Cost {
        let number = |len: usize| len * W::WORDS * 8;
        let input = costs::input_thirds(n, number);
        input.clone().beside(&input).then(&costs::offer_thirds(n, number))
    }
}

//! Between numbers and bits: signs, tests for zero, bits of numbers, numbers from bits, choices, and
//! everything that needs one carry (rounding shifts, reduction modulo a power of two).
//!
//! All conversions start from addends (see [`super::binary`]). With P the party that inputs:
//!
//! *Bits to numbers.* b = u ⊕ v, where P knows u = b_P ⊕ b_{P+1} and the others know v = b_{P+2}. So
//! b = v + (1 - 2v)·u, and after P's arithmetic input of u the parties P+1 and P+2 have a summand each.
//!
//! *Shifts.* Let z = y + w modulo 2^K lie in [0, 2^(K-1)). Over the integers y + w = z + 2^K·c_K, hence
//! floor(z/2^m) = floor(y/2^m) + floor(w/2^m) + c_m - 2^(K-m)·c_K, with c_j the carry out of the low j
//! places. Since the top bit of z is 0, c_K = y_top ∨ w_top, exactly: no tree is needed for it.

use mpc_runtime::{Label, Op, Party, Result, Step};

use super::binary::{Row, interleave};
use super::{Form, Input, PARTIES, Trio, both, costs, elements, plane, zip};
use crate::algebra::ring::Word;
use crate::algebra::simd;
use crate::cost::Cost;
use crate::schemes::over_binary::BinaryScheme;
use crate::value::{ClearBits, Plane, Shares, Unit};

/// Who inputs addends.
const P: Party = 0;
/// Who inputs in choices and conversions of bits; another, so that the work is spread.
const Q: Party = 1;

const BIT: Label = Label("rep3.bit");
const BIT_PRODUCT: Label = Label("rep3.bit.product");
const SELECT_KNOWN: Label = Label("rep3.select.known");
const SELECT_BIT: Label = Label("rep3.select.bit");
const SELECT_PRODUCT: Label = Label("rep3.select.product");
const HIGH: Label = Label("rep3.shift.high");
const TOP: Label = Label("rep3.shift.top");
const SHIFT: Label = Label("rep3.shift");

/// A number from its addends: `outer(y) + outer(w) + weight·carry (+ 2^(K-m)·y_top·w_top)`.
#[derive(Clone, Copy)]
pub(crate) struct Carried<W> {
    /// What is taken of each addend; gets the addend and `low`.
    pub(crate) outer: fn(W, u32) -> W,
    /// The carry out of so many low places is added ...
    pub(crate) low: u32,
    /// ... as often as this says; not at all if `None`.
    pub(crate) weight: Option<W>,
    /// Whether the product of the top bits is.
    pub(crate) top: bool,
}

impl<W: Word> Carried<W> {
    /// `floor(z / 2^m)` for z in `[0, 2^(K-1))`; without the carry, at most 1 too small.
    pub(crate) fn shift(m: u32, carry: bool) -> Carried<W> {
        let weight = carry.then(|| W::from_i128(1));
        Carried { outer: shifted::<W>, low: m, weight, top: true }
    }

    /// `z` modulo `2^k`, in `[0, 2^k)`; `k < K`.
    pub(crate) fn modulo(k: u32) -> Carried<W> {
        let weight = W::from_i128(-1).left(k);
        Carried { outer: W::low, low: k, weight: Some(weight), top: false }
    }

    /// The sum of the addends shifted as signed numbers, for small z almost always right.
    pub(crate) fn hopeful(m: u32) -> Carried<W> {
        Carried { outer: W::right_signed, low: m, weight: None, top: false }
    }

    pub(crate) fn top_bytes(self) -> usize {
        if self.top { (self.low as usize).div_ceil(8) } else { 0 }
    }

    /// What it costs for `n` numbers.
    pub(crate) fn cost(self, n: usize) -> Cost {
        let number = n * W::WORDS * 8;
        let high = |cost| {
            let cost = costs::also(cost, P, number);
            if self.top { costs::also(cost, P, n * self.top_bytes()) } else { cost }
        };
        let low = self.low as usize;
        match (self.weight, self.top) {
            (Some(_), _) => high(costs::sum(n, P, low, low))
                .then(&costs::carry(n, low))
                .then(&costs::input(P, number))
                .then(&costs::offer(P, number)),
            (None, true) => {
                high(Cost { rounds: 1, ..Cost::local(PARTIES) }).then(&costs::offer(P, number))
            }
            (None, false) => high(Cost { rounds: 1, ..Cost::local(PARTIES) }),
        }
    }
}

fn shifted<W: Word>(x: W, m: u32) -> W {
    x.right(m).minus(x.right(W::BITS - 1).left(W::BITS - m))
}

impl Trio {
    /// The lowest bits: those of the components are a sharing of them as they stand.
    pub(crate) fn lowest<W: Word>(&self, x: &Shares) -> Shares {
        let plane = |i: usize| {
            let numbers = elements::<W>(x.plane(i));
            Plane::build(Unit::Bit, x.len(), |out| {
                for (word, numbers) in out.iter_mut().zip(numbers.chunks(64)) {
                    let bits = numbers.iter().enumerate();
                    *word = bits.fold(0, |w, (i, x)| w | (x.words()[0] & 1) << i);
                }
            })
        };
        Shares::new(vec![plane(0), plane(1)], x.depth)
    }

    /// Whether `x`, a number of `bits` bits, is negative.
    pub(crate) async fn ltz<W: Word>(&self, step: &Step, x: &Shares, bits: u32) -> Result<Shares> {
        let (n, rows) = (x.len(), bits.clamp(1, W::BITS) as usize);
        if rows == 1 {
            return Ok(self.lowest::<W>(x));
        }
        let op = step.op(x.depth);
        let addends = self.addends::<W>(&op, x, P, rows, |w| w)?;
        let sum = self.sum(&op, addends, rows - 1).await?;
        let top = &sum.propagate[rows - 1];
        Ok(match self.carry(step, n, &sum).await? {
            Some(carry) => top.xor(&[&carry]),
            None => top.bits(),
        })
    }

    /// Whether the low `bits` bits of `x` are 0: y = -w, that is, y ⊕ (w - 1) has 1s only.
    pub(crate) async fn eqz<W: Word>(&self, step: &Step, x: &Shares, bits: u32) -> Result<Shares> {
        let (n, rows) = (x.len(), bits.clamp(1, W::BITS) as usize);
        if rows == 1 {
            let one = ClearBits::new(vec![true], x.depth);
            return Ok(self.xor_clear(&self.lowest::<W>(x), &one));
        }
        let op = step.op(x.depth);
        let addends = self.addends::<W>(&op, x, P, rows, |w| w.minus(W::from_i128(1)))?;
        let sum = self.sum(&op, addends, 0).await?;
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
            return Ok(interleave(n, &vec![self.lowest::<W>(x); k as usize], x.depth));
        }
        let op = step.op(x.depth);
        let addends = self.addends::<W>(&op, x, P, rows, |w| w)?;
        let sum = self.sum(&op, addends, rows - 1).await?;
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

    /// `b + cond·(a - b)` = b + s + u·(d - 2s) with d = a - b and s = v·d, cond = u ⊕ v. Two rounds, two
    /// numbers sent by each: s is a sum of two summands, u an input beside it, and then a product.
    pub(crate) async fn select<W: Word>(
        &self,
        step: &Step,
        cond: &Shares,
        a: &Shares,
        b: &Shares,
    ) -> Result<Shares> {
        let op = step.op(cond.depth.max(a.depth).max(b.depth));
        let form = Form::numbers::<W>(a.len());
        let input = self.input(&op, form, Q, 0, |out: &mut [W]| {
            out.iter_mut().enumerate().for_each(|(i, u)| *u = self.known_pair(cond, i));
        });
        input.send(&op, SELECT_BIT)?;
        let (a, b) = (both::<W>(a), both::<W>(b));
        let role = self.role(Q);
        let mine = self.known_single::<W>(cond, Q).map(|v| {
            form.plane(|out: &mut [W]| {
                for (i, o) in out.iter_mut().enumerate() {
                    // Q+1 takes component Q+1, Q+2 the components Q+2 and Q.
                    let [d0, d1] = [0, 1].map(|j| a[j][i].minus(b[j][i]));
                    let d = if role == 1 { d0 } else { d0.plus(d1) };
                    *o = v(i).times(d);
                }
            })
        });
        let offer = self.offer::<W>(&op, SELECT_KNOWN, form, Q, mine)?;
        let u = Shares::new(input.complete(self, &op, SELECT_BIT).await?, op.depth());
        let s = self.accept::<W>(&op, SELECT_KNOWN, form, Q, offer).await?;
        let (u, s) = (both::<W>(&u), both::<W>(&s));
        let z = self.summand(&op, form, |first, z: &mut [W], mask| {
            let range = first..first + z.len();
            let [u, a, b, s] = [u, a, b, s].map(|x| x.map(|component| &component[range.clone()]));
            simd::choose(z, mask, u, a, b, s);
        });
        self.reshare(&op, SELECT_PRODUCT, form, z).await
    }

    /// See [`Carried`]. `low > 0`.
    pub(crate) async fn carried<W: Word>(
        &self,
        step: &Step,
        z: &Shares,
        what: Carried<W>,
    ) -> Result<Shares> {
        let n = z.len();
        let Carried { outer, low, weight, top } = what;
        let form = Form::numbers::<W>(n);
        let op = step.op(z.depth);
        let y = |i: usize| elements::<W>(z.plane(0))[i].plus(elements::<W>(z.plane(1))[i]);
        let w = self.plane_of((P + 2) % 3).map(|i| elements::<W>(z.plane(i)));

        // What P inputs beside the addends: outer(y), and the top bit of y modulo 2^low.
        let high = self.input(&op, form, P, 1, |out: &mut [W]| {
            out.iter_mut().enumerate().for_each(|(i, o)| *o = outer(y(i), low));
        });
        high.send(&op, HIGH)?;
        let tops = top.then(|| {
            self.input(&op, form, P, 2, |out: &mut [W]| {
                out.iter_mut().enumerate().for_each(|(i, o)| *o = y(i).right(W::BITS - 1));
            })
        });
        if let (0, Some(tops)) = (self.role(P), &tops) {
            op.send((P + 1) % 3, TOP, &pack_low::<W>(tops, what.top_bytes()))?;
        }

        // The carry, beside them.
        let sum = match weight {
            Some(_) => {
                let addends = self.addends::<W>(&op, z, P, low as usize, |w| w)?;
                Some(self.sum(&op, addends, low as usize).await?)
            }
            None => None,
        };
        let high = high.complete(self, &op, HIGH).await?;
        let tops = match tops {
            Some(tops) => Some(complete_low::<W>(self, &op, tops, what.top_bytes()).await?),
            None => None,
        };
        if weight.is_none() {
            op.round();
        }
        let known = self.component(
            form,
            (P + 2) % 3,
            w.map(|w| {
                form.plane(|out: &mut [W]| {
                    out.iter_mut().zip(w).for_each(|(o, &w)| *o = outer(w, low));
                })
            }),
            op.depth(),
        );
        let sum_of_outer = zip::<W>(&Shares::new(high, op.depth()), &known, W::plus);
        if weight.is_none() && !top {
            return Ok(sum_of_outer);
        }

        // weight·carry + 2^(K-m)·y_top·w_top: P+1 and P+2 have a summand each.
        let carry = match &sum {
            Some(sum) => self.carry(step, n, sum).await?.map(|row: Row| row.bits()),
            None => None,
        };
        let depth = carry.as_ref().map_or(op.depth(), |c| c.depth.max(op.depth()));
        let op = step.op(depth);
        let bit = carry.as_ref().map(|carry| {
            self.input(&op, form, P, 0, |out: &mut [W]| {
                out.iter_mut().enumerate().for_each(|(i, u)| *u = self.known_pair(carry, i));
            })
        });
        if let Some(bit) = &bit {
            bit.send(&op, BIT)?;
        }
        let role = self.role(P);
        let summand = |u: Option<&Plane>| {
            form.plane(|out: &mut [W]| {
                if let (Some(tops), Some(w)) = (&tops, w) {
                    let tops = elements::<W>(&tops[usize::from(role == 2)]);
                    for (i, o) in out.iter_mut().enumerate() {
                        *o = tops[i].times(w[i].right(W::BITS - 1)).left(W::BITS - low);
                    }
                }
                let v = carry.as_ref().and_then(|carry| self.known_single::<W>(carry, P));
                if let (Some(u), Some(v), Some(weight)) = (u, v, weight) {
                    for (i, (o, u)) in out.iter_mut().zip(elements::<W>(u)).enumerate() {
                        let product = u.times(W::from_i128(1).minus(v(i).left(1)));
                        let all = if role == 2 { product.plus(v(i)) } else { product };
                        *o = o.plus(all.times(weight));
                    }
                }
            })
        };
        let early = match role {
            0 => Some(self.offer::<W>(&op, SHIFT, form, P, None)?),
            2 => {
                let mine = summand(bit.as_ref().and_then(|bit| bit.mask(self)));
                Some(self.offer::<W>(&op, SHIFT, form, P, Some(mine))?)
            }
            _ => None,
        };
        let u = match bit {
            Some(bit) => {
                let u = bit.complete(self, &op, BIT).await?;
                op.round();
                Some(u)
            }
            None => None,
        };
        let offer = match early {
            Some(offer) => offer,
            None => {
                self.offer::<W>(&op, SHIFT, form, P, Some(summand(u.as_ref().map(|u| &u[0]))))?
            }
        };
        let rest = self.accept::<W>(&op, SHIFT, form, P, offer).await?;
        Ok(zip::<W>(&sum_of_outer, &rest, W::plus))
    }
}

/// Costs of the verbs of this module for `n` elements in a ring of `W`.
pub(crate) mod cost {
    use super::{Cost, P, PARTIES, Q, Word, costs};

    fn width(bits: u32, ring: u32) -> usize {
        bits.clamp(1, ring) as usize
    }

    pub(crate) fn ltz<W: Word>(n: usize, bits: u32) -> Cost {
        let rows = width(bits, W::BITS);
        if rows == 1 {
            return Cost::local(PARTIES);
        }
        costs::sum(n, P, rows, rows - 1).then(&costs::carry(n, rows - 1))
    }

    pub(crate) fn eqz<W: Word>(n: usize, bits: u32) -> Cost {
        let rows = width(bits, W::BITS);
        if rows == 1 {
            return Cost::local(PARTIES);
        }
        costs::sum(n, P, rows, 0).then(&costs::all(n, rows))
    }

    pub(crate) fn decompose<W: Word>(n: usize, k: u32, bits: u32) -> Cost {
        let rows = width(k.min(bits), W::BITS);
        if rows == 1 {
            return Cost::local(PARTIES);
        }
        costs::sum(n, P, rows, rows - 1).then(&costs::carries(n, rows - 1))
    }

    pub(crate) fn from_bits<W: Word>(n: usize) -> Cost {
        let bytes = n * W::WORDS * 8;
        costs::input(Q, bytes).then(&costs::offer(Q, bytes))
    }

    pub(crate) fn select<W: Word>(n: usize) -> Cost {
        let bytes = n * W::WORDS * 8;
        costs::input(Q, bytes).beside(&costs::offer(Q, bytes)).then(&costs::each(bytes))
    }
}

/// The low `bytes` bytes of each element of what an input's owner sends.
fn pack_low<W: Word>(input: &Input, bytes: usize) -> Vec<u8> {
    let rest = input.planes[1].as_ref().expect("the owner knows the rest");
    let all: &[u8] = bytemuck::cast_slice(rest.words());
    all.chunks_exact(W::WORDS * 8).flat_map(|number| &number[..bytes]).copied().collect()
}

/// As [`Input::complete`], with elements of `bytes` bytes.
async fn complete_low<W: Word>(
    trio: &Trio,
    op: &Op<'_>,
    input: Input,
    bytes: usize,
) -> Result<Vec<Plane>> {
    if trio.role(input.p) != 1 {
        return Ok(input.planes.into_iter().flatten().collect());
    }
    let form = input.form;
    let payload = op.recv(input.p, TOP, form.len * bytes).await?;
    let first = plane(form.unit, form.len, |out: &mut [W]| {
        for (number, low) in out.iter_mut().zip(payload.chunks_exact(bytes)) {
            bytemuck::bytes_of_mut(number)[..bytes].copy_from_slice(low);
        }
    });
    Ok([first].into_iter().chain(input.planes.into_iter().flatten()).collect())
}

//! Everything that needs one carry: rounding shifts, reduction modulo a power of two; of numbers that are
//! shared, and of products while they are made.
//!
//! Let z = y + w modulo 2^K lie in \[0, 2^(K-1)), y known to party p, w to the two others. Over the
//! integers y + w = z + 2^K·c_K, hence
//! floor(z/2^m) = floor(y/2^m) + floor(w/2^m) + c_m - 2^(K-m)·c_K, with c_j the carry out of the low j
//! places. Since the top bit of z is 0, c_K = y_top ∨ w_top, exactly: no tree is needed for it.
//!
//! The carry c_m = u ⊕ v, where p knows u and the others v, is v + (1 - 2v)·u as a number: after p's
//! input of u the two others have a summand each.
//!
//! *Products.* Of x·x' party p knows the products of components p and p+1, the others the rest: A at
//! p+1, B at p+2. With r common to p and p+1, s common to p and p+2, they tell each other A + r and
//! B + s. Then both know w = A + B + r + s, which is uniform to either, and p knows y, the rest less
//! r + s: the addends are there one round after the operands, and what p inputs has not waited for
//! them. (So the truncation of Trio, arXiv 2206.03776, for replicated operands and results.)

use std::ops::Range;

use mpc_runtime::{Depth, Label, Op, Result, Step};

use super::addends::{Inputs, Plan, Third};
use super::{Form, Trio, costs, elements, purpose};
use crate::algebra::ring::Word;
use crate::algebra::simd::{self, Outer};
use crate::cost::Cost;
use crate::value::{Plane, Shares};

const HIGH: Label = Label("rep3.shift.high");
const TOP: Label = Label("rep3.shift.top");
const CARRY: Label = Label("rep3.shift.carry");
const SHIFT: Label = Label("rep3.shift");
const PRODUCT: Label = Label("rep3.product");

/// Numbers that p inputs beside bits, by purpose.
const HIGH_INPUT: u16 = purpose::INPUT + 1;
const TOP_INPUT: u16 = purpose::INPUT + 2;

/// A number from its addends: `outer(y) + outer(w) + weight·carry (+ 2^(K-m)·y_top·w_top)`.
#[derive(Clone, Copy)]
pub(crate) struct Carried<W> {
    /// What is taken of each addend, with `low`.
    outer: Outer,
    /// The carry out of so many low places is added ...
    low: u32,
    /// ... as often as this says; not at all if `None`.
    weight: Option<W>,
    /// Whether the product of the top bits is.
    top: bool,
}

impl<W: Word> Carried<W> {
    /// `floor(z / 2^m)` for z in `[0, 2^(K-1))`; without the carry, at most 1 too small.
    pub(crate) fn shift(m: u32, carry: bool) -> Carried<W> {
        let weight = carry.then(|| W::from_i128(1));
        Carried { outer: Outer::Shifted, low: m, weight, top: true }
    }

    /// `z` modulo `2^k`, in `[0, 2^k)`; `k < K`.
    pub(crate) fn modulo(k: u32) -> Carried<W> {
        let weight = W::from_i128(-1).left(k);
        Carried { outer: Outer::Low, low: k, weight: Some(weight), top: false }
    }

    /// The sum of the addends shifted as signed numbers, for small z almost always right.
    pub(crate) fn hopeful(m: u32) -> Carried<W> {
        Carried { outer: Outer::Signed, low: m, weight: None, top: false }
    }

    fn top_bytes(self) -> usize {
        (self.low as usize).div_ceil(8)
    }

    fn plan(self) -> Option<Plan> {
        self.weight.map(|_| Plan::grouped(self.low as usize, 0))
    }

    /// What it costs for `n` numbers that are shared.
    pub(crate) fn cost(self, n: usize) -> Cost {
        let number = |len: usize| len * W::WORDS * 8;
        let mut inputs = costs::input_thirds(n, number);
        if self.top {
            inputs = inputs.beside(&costs::input_thirds(n, |len| len * self.top_bytes()));
        }
        let offered = costs::offer_thirds(n, number);
        match (self.plan(), self.top) {
            (Some(plan), _) => inputs
                .beside(&costs::addends(n, &plan))
                .then(&costs::carry(n, plan.groups()))
                .then(&costs::input_thirds(n, number))
                .then(&offered),
            (None, true) => inputs.then(&offered),
            (None, false) => inputs,
        }
    }

    /// What it costs for `n` products: no further round.
    pub(crate) fn product_cost(self, n: usize) -> Cost {
        self.cost(n).beside(&costs::offer_thirds(n, |len| len * W::WORDS * 8))
    }
}

/// Numbers that p has input, as far as this party has them before a message of p came.
pub(super) struct NumberInput {
    /// Both components of the third that this party inputs.
    pub(super) own: [Plane; 2],
    /// Component p where it is p+2.
    pub(super) second: Plane,
}

/// All that p inputs in the first round.
struct AllInputs {
    high: NumberInput,
    top: Option<NumberInput>,
    bits: Option<(Plan, Inputs)>,
}

impl Trio {
    /// See [`Carried`]; of shared numbers. `low > 0`.
    pub(crate) async fn carried<W: Word>(
        &self,
        step: &Step,
        z: &Shares,
        what: Carried<W>,
    ) -> Result<Shares> {
        let op = step.op(z.depth);
        let thirds = self.thirds(z.len());
        let [own, first, second] = &thirds;
        let y = own.numbers::<W>().plane(|out: &mut [W]| {
            out.copy_from_slice(&elements(z.plane(0))[own.range.clone()]);
            simd::add(out, &elements(z.plane(1))[own.range.clone()]);
        });
        let inputs = self.input_all(&op, &thirds, &y, what)?;
        let w = [z.plane(1).slice(first.range.clone()), z.plane(0).slice(second.range.clone())];
        self.carry_over(step, &op, &thirds, inputs, w, what, true).await
    }

    /// See [`Carried`]; of products and `before`. For thirds in which this party is p, p+1 and p+2,
    /// `summand(role, range, out)` adds its summand of the products to `out`.
    pub(crate) async fn product_carried<W: Word>(
        &self,
        step: &Step,
        depth: Depth,
        n: usize,
        summand: impl Fn(usize, Range<usize>, &mut [W]),
        before: W,
        what: Carried<W>,
    ) -> Result<Shares> {
        let op = step.op(depth);
        let thirds = self.thirds(n);
        let [own, first, second] = &thirds;
        let mask = |third: &Third, i: usize| {
            self.uniform(&op, third.numbers::<W>(), i, purpose::PRODUCT + third.p as u16)
        };
        let y = own.numbers::<W>().plane(|out: &mut [W]| {
            out.fill(before);
            summand(0, own.range.clone(), out);
            (0..2).for_each(|i| simd::subtract(out, elements(&mask(own, i))));
        });
        let offer = |third: &Third| {
            let mut offered = mask(third, third.role - 1);
            offered.change(|out| {
                summand(third.role, third.range.clone(), bytemuck::cast_slice_mut(out));
            });
            if third.there {
                let form = third.numbers::<W>();
                op.send(third.peer(), PRODUCT, &form.pack(offered.words()))?;
            }
            Ok(offered)
        };
        let mut w = [offer(first)?, offer(second)?];
        let inputs = self.input_all(&op, &thirds, &y, what)?;
        for (third, w) in [first, second].into_iter().zip(&mut w) {
            if third.there {
                let form = third.numbers::<W>();
                let theirs = form.receive(&op, third.peer(), PRODUCT).await?;
                w.change(|w| simd::add::<W>(bytemuck::cast_slice_mut(w), elements(&theirs)));
            }
        }
        self.carry_over(step, &op, &thirds, inputs, w, what, false).await
    }

    /// Inputs `x` of this party's third, of whose elements `bytes` bytes count.
    pub(super) fn input_third<W: Word>(
        &self,
        op: &Op<'_>,
        label: Label,
        thirds: &[Third; 3],
        purpose: u16,
        bytes: usize,
        x: impl FnOnce(&mut [W]),
    ) -> Result<NumberInput> {
        let [own, _, second] = thirds;
        let mask = self.uniform(op, own.numbers::<W>(), 0, purpose);
        let rest = own.numbers::<W>().plane(|out: &mut [W]| {
            x(out);
            simd::subtract(out, elements(&mask));
        });
        if own.there {
            op.send(self.next(), label, &pack_low::<W>(own.numbers::<W>(), &rest, bytes))?;
        }
        let second = self.uniform(op, second.numbers::<W>(), 1, purpose);
        Ok(NumberInput { own: [mask, rest], second })
    }

    /// What the party p+1 = me gets of an input.
    pub(super) async fn receive_third<W: Word>(
        &self,
        op: &Op<'_>,
        label: Label,
        first: &Third,
        bytes: usize,
    ) -> Result<Plane> {
        let form = first.numbers::<W>();
        if !first.there {
            return Ok(form.zero());
        }
        let payload = op.recv(first.p, label, first.range.len() * bytes).await?;
        if bytes == W::WORDS * 8 {
            return Ok(form.unpack(payload));
        }
        Ok(form.plane(|out: &mut [W]| {
            for (number, low) in out.iter_mut().zip(payload.chunks_exact(bytes)) {
                bytemuck::bytes_of_mut(number)[..bytes].copy_from_slice(low);
            }
        }))
    }

    fn input_all<W: Word>(
        &self,
        op: &Op<'_>,
        thirds: &[Third; 3],
        y: &Plane,
        what: Carried<W>,
    ) -> Result<AllInputs> {
        let Carried { outer, low, top, .. } = what;
        let y = elements::<W>(y);
        let all = W::WORDS * 8;
        let high = self.input_third(op, HIGH, thirds, HIGH_INPUT, all, |out: &mut [W]| {
            simd::outer(out, y, low, outer);
        })?;
        let top = top.then(|| {
            self.input_third(op, TOP, thirds, TOP_INPUT, what.top_bytes(), |out: &mut [W]| {
                simd::outer(out, y, W::BITS - 1, Outer::Right);
            })
        });
        let bits = what.plan().map(|plan| {
            let inputs = self.input_addend(op, thirds, &plan, |i| y[i])?;
            Ok((plan, inputs))
        });
        Ok(AllInputs { high, top: top.transpose()?, bits: bits.transpose()? })
    }

    /// The rest of [`Trio::carried`], once w is there.
    #[expect(clippy::too_many_arguments, reason = "both addends, and what is made of them")]
    async fn carry_over<W: Word>(
        &self,
        step: &Step,
        op: &Op<'_>,
        thirds: &[Third; 3],
        inputs: AllInputs,
        w: [Plane; 2],
        what: Carried<W>,
        early: bool,
    ) -> Result<Shares> {
        let Carried { outer, low, weight, top } = what;
        let [own, first, second] = thirds;
        let n = thirds.iter().map(|third| third.range.end).max().unwrap_or(0);
        let w = [elements::<W>(&w[0]), elements::<W>(&w[1])];
        let AllInputs { high, top: tops, bits } = inputs;
        let sum = match bits {
            Some((plan, bits)) => Some(self.add(op, thirds, &plan, bits, w, |w| w, early).await?),
            None => None,
        };
        let high_rest = self.receive_third::<W>(op, HIGH, first, W::WORDS * 8).await?;
        let tops = match tops {
            Some(tops) => {
                let bytes = what.top_bytes();
                Some([self.receive_third::<W>(op, TOP, first, bytes).await?, tops.second])
            }
            None => None,
        };
        if sum.is_none() {
            op.round();
        }
        let form = Form::numbers::<W>(n);
        let component = |own_input: &Plane, w_third: &Third, w: &[W], input: (&Third, &Plane)| {
            form.plane(|out: &mut [W]| {
                out[own.range.clone()].copy_from_slice(elements(own_input));
                simd::outer(&mut out[w_third.range.clone()], w, low, outer);
                out[input.0.range.clone()].copy_from_slice(elements(input.1));
            })
        };
        let mut result = [
            component(&high.own[0], second, w[1], (first, &high_rest)),
            component(&high.own[1], first, w[0], (second, &high.second)),
        ];
        if sum.is_none() && !top {
            return Ok(Shares::new(result.into(), op.depth()));
        }

        // weight·carry + 2^(K-m)·y_top·w_top: p+1 and p+2 have a summand each.
        let carry = match &sum {
            Some(sum) => self.carry(step, n, sum).await?.map(|row| row.bits()),
            None => None,
        };
        let depth = carry.as_ref().map_or(op.depth(), |c| c.depth.max(op.depth()));
        let op = step.op(depth);
        let known = |third: &Third, i: usize| {
            carry.as_ref().map(|carry| carry.plane(i).slice(third.range.clone()))
        };
        let input = match [known(own, 0), known(own, 1)] {
            [Some(c0), Some(c1)] => {
                let bytes = W::WORDS * 8;
                let fill = |out: &mut [W]| simd::exclusive_or(out, c0.words(), c1.words());
                Some(self.input_third(&op, CARRY, thirds, purpose::INPUT, bytes, fill)?)
            }
            _ => None,
        };
        let mask = |third: &Third, i: usize| {
            self.uniform(&op, third.numbers::<W>(), i, purpose::CARRY_OUT + third.p as u16)
        };
        let offer = |third: &Third, u: Option<&Plane>| {
            let (at, twice) = (third.role - 1, third.role == 2);
            let mask = mask(third, at);
            let offered = third.numbers::<W>().plane(|out: &mut [W]| {
                simd::subtract(out, elements(&mask));
                if let Some(tops) = &tops {
                    simd::add_tops(out, elements(&tops[at]), w[at], W::BITS - low);
                }
                if let (Some(u), Some(v), Some(weight)) = (u, known(third, 2 - third.role), weight)
                {
                    simd::add_flipped(out, elements(u), v.words(), twice, weight);
                }
            });
            if third.there {
                let form = third.numbers::<W>();
                op.send(third.peer(), SHIFT, &form.pack(offered.words()))?;
            }
            Ok((mask, offered))
        };
        let second_offer = offer(second, input.as_ref().map(|input| &input.second))?;
        let rest = match &input {
            Some(_) => {
                let rest = self.receive_third::<W>(&op, CARRY, first, W::WORDS * 8).await?;
                op.round();
                Some(rest)
            }
            None => None,
        };
        let first_offer = offer(first, rest.as_ref())?;
        for (i, plane) in result.iter_mut().enumerate() {
            let mask = mask(own, i);
            plane.change(|out| {
                simd::add::<W>(
                    &mut bytemuck::cast_slice_mut(out)[own.range.clone()],
                    elements(&mask),
                );
            });
        }
        for (third, (mask, mut rest)) in [(first, first_offer), (second, second_offer)] {
            if third.there {
                let form = third.numbers::<W>();
                let theirs = form.receive(&op, third.peer(), SHIFT).await?;
                rest.change(|out| simd::add::<W>(bytemuck::cast_slice_mut(out), elements(&theirs)));
            }
            let both = if third.role == 1 { [mask, rest] } else { [rest, mask] };
            for (plane, part) in result.iter_mut().zip(&both) {
                plane.change(|out| {
                    let out = &mut bytemuck::cast_slice_mut(out)[third.range.clone()];
                    simd::add::<W>(out, elements(part));
                });
            }
        }
        Ok(Shares::new(result.into(), op.round()))
    }
}

/// The low `bytes` bytes of each element.
fn pack_low<W: Word>(form: Form, plane: &Plane, bytes: usize) -> std::borrow::Cow<'_, [u8]> {
    let size = W::WORDS * 8;
    if bytes == size {
        return form.pack(plane.words());
    }
    let all: &[u8] = bytemuck::cast_slice(plane.words());
    let mut packed = vec![0; all.len() / size * bytes];
    let numbers = packed.chunks_exact_mut(bytes).zip(all.chunks_exact(size));
    match bytes {
        1 => numbers.for_each(|(out, number)| out[0] = number[0]),
        2 => numbers.for_each(|(out, number)| out.copy_from_slice(&number[..2])),
        3 => numbers.for_each(|(out, number)| out.copy_from_slice(&number[..3])),
        _ => numbers.for_each(|(out, number)| out.copy_from_slice(&number[..bytes])),
    }
    packed.into()
}

//! Choices of numbers by shared bits.
//!
//! With d = a - b and cond = u ⊕ v, of which party p knows u, d_p and d_{p+1}, the others v and d_{p+2}:
//! cond·d = h + v·(d_p + d_{p+1} - 2h) + (v + u·(1 - 2v))·d_{p+2}, where h = u·(d_p + d_{p+1}).
//! After p's input of u and h, p+1 and p+2 have one summand each of what is not theirs to know alone:
//! two rounds, and 4 numbers sent for each, by one party or another.

use mpc_runtime::{Label, Result, Step};

use super::addends::Third;
use super::{Form, Trio, both, elements, purpose};
use crate::algebra::ring::Word;
use crate::algebra::simd;
use crate::value::{Plane, Shares};

const BIT: Label = Label("rep3.select.bit");
const KNOWN: Label = Label("rep3.select.known");
const CHOICE: Label = Label("rep3.select");

impl Trio {
    /// `b + cond·(a - b)`.
    pub(crate) async fn select<W: Word>(
        &self,
        step: &Step,
        cond: &Shares,
        a: &Shares,
        b: &Shares,
    ) -> Result<Shares> {
        let op = step.op(cond.depth.max(a.depth).max(b.depth));
        let thirds = self.thirds(a.len());
        let [own, first, second] = &thirds;
        let bytes = W::WORDS * 8;
        let (a, b) = (both::<W>(a), both::<W>(b));
        let bits = |third: &Third, i: usize| cond.plane(i).slice(third.range.clone());
        // Both operands, in one component, over a third.
        let pair = |third: &Third, i: usize| [a, b].map(|v| &v[i][third.range.clone()]);

        let (c0, c1) = (bits(own, 0), bits(own, 1));
        let fill = |out: &mut [W]| simd::exclusive_or(out, c0.words(), c1.words());
        let u = self.input_third(&op, BIT, &thirds, purpose::INPUT, bytes, fill)?;
        let fill = |out: &mut [W]| {
            simd::exclusive_or(out, c0.words(), c1.words());
            simd::times_differences(out, pair(own, 0), pair(own, 1));
        };
        let known = self.input_third(&op, KNOWN, &thirds, purpose::INPUT + 1, bytes, fill)?;
        let mask = |third: &Third, i: usize| {
            self.uniform(&op, third.numbers::<W>(), i, purpose::CARRY_OUT + third.p as u16)
        };
        // Component p+2 is plane 1 at p+1 and plane 0 at p+2.
        let offer = |third: &Third, u: &Plane, known: &Plane| {
            let (at, common) = (third.role - 1, 2 - third.role);
            let mask = mask(third, at);
            let offered = third.numbers::<W>().plane(|out: &mut [W]| {
                let v = bits(third, common);
                simd::subtract(out, elements(&mask));
                let (part, rest) = (pair(third, at), pair(third, common));
                simd::add_choice(out, v.words(), part, rest, elements(u), elements(known));
            });
            if third.there {
                let form = third.numbers::<W>();
                op.send(third.peer(), CHOICE, &form.pack(offered.words()))?;
            }
            Ok((mask, offered))
        };
        let second_offer = offer(second, &u.second, &known.second)?;
        let first_u = self.receive_third::<W>(&op, BIT, first, bytes).await?;
        let first_known = self.receive_third::<W>(&op, KNOWN, first, bytes).await?;
        op.round();
        let first_offer = offer(first, &first_u, &first_known)?;

        let form = Form::numbers::<W>(a[0].len());
        let mut result = [0, 1].map(|i| form.plane(|out: &mut [W]| out.copy_from_slice(b[i])));
        let mut add = |i: usize, third: &Third, part: &Plane| {
            result[i].change(|out| {
                let out = &mut bytemuck::cast_slice_mut(out)[third.range.clone()];
                simd::add::<W>(out, elements(part));
            });
        };
        for i in 0..2 {
            add(i, own, &known.own[i]);
            add(i, own, &mask(own, i));
        }
        let offers = [(first, first_known, first_offer), (second, known.second, second_offer)];
        for (third, known, (mask, mut rest)) in offers {
            let (at, common) = (third.role - 1, 2 - third.role);
            let v = bits(third, common);
            rest.change(|out| {
                simd::add_chosen::<W>(
                    bytemuck::cast_slice_mut(out),
                    v.words(),
                    pair(third, common),
                );
            });
            if third.there {
                let form = third.numbers::<W>();
                let theirs = form.receive(&op, third.peer(), CHOICE).await?;
                add(common, third, &theirs);
            }
            add(common, third, &rest);
            add(at, third, &known);
            add(at, third, &mask);
        }
        Ok(Shares::new(result.into(), op.round()))
    }
}

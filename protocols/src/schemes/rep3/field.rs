//! Random bits and masks over prime fields, where bits are the numbers 0 and 1.

use std::ops::Range;

use mpc_runtime::{Depth, Label, Op, Party, Result, Step, join_all};

use super::{Form, PARTIES, Trio, costs, elements, purpose};
use crate::algebra::field::Prime;
use crate::cost::Cost;
use crate::schemes::over_field::short;
use crate::value::{Plane, Shares};

const KNOWN: Label = Label("rep3.field.bits.known");
const FLIPPED: Label = Label("rep3.field.bits.flipped");

/// Fewer bits are not dealt out.
const LEAST: usize = 64;

/// The parties that know one of the bits, with what part of `n`.
fn parts(n: usize) -> impl Iterator<Item = (Party, Range<usize>)> {
    let each = n.div_ceil(PARTIES).max(LEAST);
    (0..n.div_ceil(each)).map(move |p| (p, p * each..n.min((p + 1) * each)))
}

impl Trio {
    /// `n` uniform bits that nobody knows. Two rounds, one element sent by each.
    pub(crate) async fn field_bits<F: Prime>(&self, step: &Step, n: usize) -> Result<Shares> {
        let ops: Vec<(Op<'_>, Party, usize)> =
            parts(n).map(|(p, part)| (step.op(Depth::ZERO), p, part.len())).collect();
        if ops.is_empty() {
            return Ok(self.public(Form::numbers::<F>(0), Depth::ZERO, |_: &mut [F]| ()));
        }
        let bits = ops.iter().map(|(op, p, n)| {
            Box::pin(self.bits_known_to::<F>(op, *p, *n))
                as std::pin::Pin<Box<dyn Future<Output = _> + '_>>
        });
        Ok(Shares::concat(&join_all(bits.collect()).await?))
    }

    /// Exclusive or of a bit x that p alone knows and a bit y that the others have in common. Of p's
    /// input x = s + s' the others have a component each; with `x ⊕ y = y + s·(1 - 2y) + s'·(1 - 2y)`
    /// each of them has a summand.
    async fn bits_known_to<F: Prime>(&self, op: &Op<'_>, p: Party, n: usize) -> Result<Shares> {
        let (form, role) = (Form::numbers::<F>(n), self.role(p));
        let draw = |out: &mut [F]| short(1)(&op.stream(&self.own, purpose::OFFER), 0, out);
        let input = self.input(op, form, p, 0, draw);
        input.send(op, KNOWN)?;
        let components = input.complete(self, op, KNOWN).await?;
        op.round();
        // Component p+2 is plane 1 at p+1 and plane 0 at p+2; of x, it is the other one.
        let flipped = (role > 0).then(|| {
            let common = 2 - role;
            let x: &[F] = elements(&components[1 - common]);
            form.plane(|out: &mut [F]| {
                short(1)(&op.stream(&self.keys[common], purpose::COMMON), 0, out);
                for (o, &x) in out.iter_mut().zip(x) {
                    let (y, flipped) = (*o, x.minus(x.plus(x).times(*o)));
                    *o = if role == 1 { flipped } else { flipped.plus(y) };
                }
            })
        });
        let offer = self.offer::<F>(op, FLIPPED, form, p, flipped)?;
        self.accept::<F>(op, FLIPPED, form, p, offer).await
    }

    /// What [`Trio::field_bits`] costs.
    pub(crate) fn field_bits_cost<F: Prime>(&self, n: usize) -> Cost {
        let of = |(p, part): (Party, Range<usize>)| {
            let bytes = 8 * F::WORDS * part.len();
            costs::input(p, bytes).then(&costs::offer(p, bytes))
        };
        parts(n).map(of).fold(Cost::local(PARTIES), |all, cost| all.beside(&cost))
    }

    /// Sums of three numbers of `bits` bits, of which each party lacks one. Nothing is sent.
    pub(crate) fn field_masks<F: Prime>(&self, step: &Step, n: usize, bits: u32) -> Shares {
        let op = step.op(Depth::ZERO);
        let plane = |i: usize| -> Plane {
            let stream = op.stream(&self.keys[i], purpose::RANDOM);
            Form::numbers::<F>(n).plane(|out: &mut [F]| {
                self.tiles(out, |first, tile| short(bits)(&stream, first, tile));
            })
        };
        Shares::new(vec![plane(0), plane(1)], op.depth())
    }
}

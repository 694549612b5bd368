//! Rows in an order that nobody knows.

use mpc_runtime::{Label, Op, Party, Result, Step};

use super::{Form, Trio, purpose};
use crate::algebra::ring::Ring;
use crate::algebra::simd;
use crate::value::Shares;

const SHUFFLE: Label = Label("rep3.shuffle");

impl Trio {
    /// Rows of `width` elements of `form` in an order that nobody knows: three passes, in each of which
    /// two parties agree on an order from their common key, permute their two summands and share them
    /// anew (Laur, Willemson, Zhang 2011, eprint 2011/429, with shares made as in [`Trio::offer`]).
    /// Three rounds, in each of which two parties send every element.
    pub(crate) async fn shuffle_rows<R: Ring>(
        &self,
        step: &Step,
        a: &Shares,
        form: Form,
        rows: usize,
        width: usize,
    ) -> Result<Shares> {
        let mut a = a.clone();
        for p in 0..3 {
            let op = step.op(a.depth);
            a = self.shuffle_pass::<R>(&op, &a, form, (rows, width), p).await?;
        }
        Ok(a)
    }

    async fn shuffle_pass<R: Ring>(
        &self,
        op: &Op<'_>,
        a: &Shares,
        form: Form,
        (rows, width): (usize, usize),
        p: Party,
    ) -> Result<Shares> {
        let mine = self.plane_of((p + 2) % 3).map(|common| {
            let order = self.order(op, common, rows);
            let first = a.plane(0).pick_rows(&order, width);
            if self.role(p) == 1 {
                return first;
            }
            let second = a.plane(1).pick_rows(&order, width);
            form.plane(|out: &mut [R]| {
                out.copy_from_slice(super::elements(&first));
                simd::add(out, super::elements(&second));
            })
        });
        let offer = self.offer::<R>(op, SHUFFLE, form, p, mine)?;
        self.accept::<R>(op, SHUFFLE, form, p, offer).await
    }

    /// A uniformly random order of `n` things, that the holders of plane `i` have in common (Fisher and
    /// Yates; Lemire 2019 for numbers below a bound without bias).
    fn order(&self, op: &Op<'_>, i: usize, n: usize) -> Vec<usize> {
        const CHUNK: usize = 256;
        let stream = op.stream(&self.keys[i], purpose::ORDER);
        let (mut words, mut drawn) = ([0; CHUNK], 0);
        let mut draw = || {
            if drawn % CHUNK == 0 {
                stream.fill(drawn as u64, &mut words);
            }
            drawn += 1;
            words[(drawn - 1) % CHUNK]
        };
        let mut below = |bound: u64| loop {
            let product = u128::from(draw()) * u128::from(bound);
            if product as u64 >= bound.wrapping_neg() % bound {
                break (product >> 64) as usize;
            }
        };
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, below(last as u64 + 1));
        }
        order
    }
}

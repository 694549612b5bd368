//! Rows in an order that nobody knows: four orders one after the other, each known to all parties but
//! one. Party j lacks order j; the sum of the components, all but j of them fresh, is shared anew:
//! component a ≠ j is uniform, and what is left of it, known to two parties that know the order, goes to
//! component j. Source: the joint sharing of eprint 2020/1330, applied to rows; each party lacks an order
//! and sees of the others fresh shares only. Four rounds, twelve elements in all.

use mpc_runtime::{Label, Result, Step};

use super::{Form, Four, PARTIES, elements, purpose, tellers};
use crate::algebra::ring::Ring;
use crate::algebra::simd;
use crate::blocks::shuffle::{indices, random_order};
use crate::cost::Cost;
use crate::value::{Plane, Shares};

const ROWS: Label = Label("rep4.shuffle");

impl Four {
    /// Rows of `width` elements in an order that nobody knows.
    pub(crate) async fn shuffle<R: Ring>(
        &self,
        step: &Step,
        a: &Shares,
        form: Form,
        width: usize,
    ) -> Result<Shares> {
        let mut a = a.clone();
        if rows(a.len(), width) > 1 {
            for j in 0..PARTIES {
                a = self.reorder::<R>(step, &a, form, width, j).await?;
            }
        }
        Ok(a)
    }

    /// Rows in an order that all but party `j` know.
    async fn reorder<R: Ring>(
        &self,
        step: &Step,
        a: &Shares,
        form: Form,
        width: usize,
        j: usize,
    ) -> Result<Shares> {
        let op = step.op(a.depth);
        let fresh = |c| self.uniform(&op, form, c, purpose::JOINT);
        if self.me() == j {
            let depth = op.round();
            return Ok(self.shares(depth, fresh));
        }
        let stream = self.stream(&op, j, purpose::ORDER);
        let order = indices(&random_order(&stream, rows(a.len(), width)));
        let ordered = |c| {
            let plane = a.plane(self.plane_of(c).expect("held here"));
            match width {
                1 => plane.pick(order.len(), |i| order[i]),
                _ => plane.pick_rows(&order, width),
            }
        };
        let mut rest = ordered(j);
        let add = |rest: &mut Plane, x: &Plane| {
            rest.change(|out| simd::add::<R>(bytemuck::cast_slice_mut(out), elements(x)));
        };
        let mut masks = vec![];
        for c in (0..PARTIES).filter(|&c| c != j && c != self.me()) {
            let (mask, mut told) = (fresh(c), ordered(c));
            told.change(|out| simd::subtract::<R>(bytemuck::cast_slice_mut(out), elements(&mask)));
            let message = form.pack(told.words());
            if self.me() == tellers(c, j)[0] {
                op.send(c, ROWS, message)?;
            } else {
                self.vouchers.give(&op, c, ROWS, message);
            }
            add(&mut rest, &told);
            masks.push((c, mask));
        }
        let [sender, voucher] = tellers(self.me(), j);
        let message = op.recv(sender, ROWS, form.bytes()).await?;
        self.vouchers.expect(&op, voucher, ROWS, &message);
        add(&mut rest, &Plane::from_payload(form.unit, form.len, message));
        let depth = op.round();
        Ok(self.shares(depth, |c| match masks.iter().find(|(of, _)| *of == c) {
            Some((_, mask)) => mask.clone(),
            None => rest.clone(),
        }))
    }
}

fn rows(len: usize, width: usize) -> usize {
    len / width.max(1)
}

/// What a shuffle of `len` elements of `form` costs.
pub(crate) fn shuffle_cost(form: Form, width: usize) -> Cost {
    match rows(form.len, width) {
        0 | 1 => Cost::local(PARTIES),
        _ => Cost::each(PARTIES, PARTIES as u32, 3, 3 * form.bytes()),
    }
}

//! Rows in an order that nobody knows, and rows in an order that is secret.

use mpc_runtime::{Label, Op, Party, Result, Step};

use super::slots::{self, Mixed, Roles};
use super::{Form, PARTIES, Trio, costs, elements, purpose};
use crate::algebra::narrow::{Narrow, packed_bytes};
use crate::algebra::ring::{Ring, Word};
use crate::algebra::simd;
use crate::blocks::shuffle::indices;
use crate::cost::Cost;
use crate::value::{Plane, Shares};

const ROWS: Label = Label("rep3.shuffle.rows");
const SHARE: Label = Label("rep3.shuffle.share");

/// The party that knows two of the orders.
const HELPER: Party = 0;

/// Rows of `width` elements, all together of `form`.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) form: Form,
    pub(crate) width: usize,
}

impl Rows {
    fn count(self) -> usize {
        self.form.len / self.width.max(1)
    }

    /// `x` with masks added or subtracted.
    fn masked<R: Ring>(self, x: &Plane, masks: &Plane, change: fn(&mut [R], &[R])) -> Plane {
        self.form.plane(|out: &mut [R]| {
            out.copy_from_slice(elements(x));
            change(out, elements(masks));
        })
    }
}

/// Row `i` of the result is row `order[i]`.
fn rows_at(plane: &Plane, order: &[u32], width: usize) -> Plane {
    match width {
        1 => plane.pick(order.len(), |i| order[i] as usize),
        _ => plane.pick_rows(&indices(order), width),
    }
}

impl Trio {
    /// Rows in an order that nobody knows: into slots (see [`super::slots`]), then in an order of the
    /// left and the right party, which share their summands anew as in [`Trio::offer`]. Two rounds.
    pub(crate) async fn shuffle_rows<R: Ring>(
        &self,
        step: &Step,
        a: &Shares,
        rows: Rows,
    ) -> Result<Shares> {
        let (op, roles, n) = (step.op(a.depth), Roles::after(HELPER), rows.count());
        let order = |peer| self.order(&op, peer, n);
        let mine = match self.role(HELPER) {
            0 => {
                let orders = [order(roles.left), order(roles.right)];
                self.helper_rows::<R>(&op, roles, a, rows, &orders)?;
                None
            }
            1 => {
                self.left_rows::<R>(&op, roles, a, rows, &order(roles.helper))?;
                Some((self.left_slots(&op, roles, rows).await?, order(roles.right)))
            }
            _ => {
                let slots = self.right_slots::<R>(&op, roles, rows, &order(roles.helper)).await?;
                Some((slots, order(roles.left)))
            }
        };
        op.round();
        let mine = mine.map(|(slots, last)| rows_at(&slots, &last, rows.width));
        let offer = self.offer::<R>(&op, SHARE, rows.form, HELPER, mine)?;
        self.accept::<R>(&op, SHARE, rows.form, HELPER, offer).await
    }

    /// Row `i` goes to place `perm[i]`: rows and places go into the same slots, the places are opened
    /// there to the left and the right party, which move their summands of the rows and share them anew.
    /// Three rounds.
    pub(crate) async fn permute_rows<W: Word>(
        &self,
        step: &Step,
        a: &Shares,
        perm: &Shares,
        rows: Rows,
    ) -> Result<Shares> {
        let n = rows.count();
        if n < 2 {
            return Ok(a.clone().at_depth(perm.depth));
        }
        let (op, roles) = (step.op(a.depth.max(perm.depth)), Roles::after(HELPER));
        let word = Mixed::place(n, 0);
        let lanes = |peer| self.narrow(&op, peer, purpose::LANES, n);
        let there = match self.role(HELPER) {
            0 => {
                let places = low_sum::<W>(perm.planes(), n);
                let masks = lanes(roles.left);
                let orders = self.helper_in(&op, roles, word, &places, &masks, |_| 0)?;
                self.helper_rows::<W>(&op, roles, a, rows, &orders)?;
                op.round();
                op.round();
                None
            }
            1 => {
                let places = low_sum::<W>([self.component_with(perm, roles.right)], n);
                let order = self.left_in(&op, roles, word, &places, &lanes(roles.helper))?;
                self.left_rows::<W>(&op, roles, a, rows, &order)?;
                let opened = self.left_opened(&op, roles, word, n).await?;
                Some((self.left_slots(&op, roles, rows).await?, opened))
            }
            _ => {
                let (order, opened) = self.right_opened(&op, roles, word, n).await?;
                Some((self.right_slots::<W>(&op, roles, rows, &order).await?, opened))
            }
        };
        let mine = there.map(|(slots, opened)| rows_at(&slots, &opened.by_place, rows.width));
        let offer = self.offer::<W>(&op, SHARE, rows.form, HELPER, mine)?;
        self.accept::<W>(&op, SHARE, rows.form, HELPER, offer).await
    }

    /// Rows into slots, at the helper, whose summand is the sum of its components.
    fn helper_rows<R: Ring>(
        &self,
        op: &Op<'_>,
        roles: Roles,
        a: &Shares,
        rows: Rows,
        orders: &[Narrow; 2],
    ) -> Result<()> {
        let sum = rows.masked(a.plane(0), a.plane(1), simd::add::<R>);
        let passed = rows_at(&sum, &orders[0], rows.width);
        let passed = rows.masked(&passed, &self.first_masks(op, roles.left, rows), simd::add::<R>);
        let slots = rows_at(&passed, &orders[1], rows.width);
        let slots = rows.masked(&slots, &self.second_masks(op, roles.right, rows), simd::add::<R>);
        op.send(roles.left, ROWS, &rows.form.pack(slots.words()))
    }

    /// Rows into slots, at the left party, whose summand is the component that the helper lacks.
    fn left_rows<R: Ring>(
        &self,
        op: &Op<'_>,
        roles: Roles,
        a: &Shares,
        rows: Rows,
        order: &[u32],
    ) -> Result<()> {
        let passed = rows_at(self.component_with(a, roles.right), order, rows.width);
        let masks = self.first_masks(op, roles.helper, rows);
        let passed = rows.masked(&passed, &masks, simd::subtract::<R>);
        op.send(roles.right, ROWS, &rows.form.pack(passed.words()))
    }

    /// The summand of the left party, in slots.
    async fn left_slots(&self, op: &Op<'_>, roles: Roles, rows: Rows) -> Result<Plane> {
        rows.form.receive(op, roles.helper, ROWS).await
    }

    /// The summand of the right party, in slots.
    async fn right_slots<R: Ring>(
        &self,
        op: &Op<'_>,
        roles: Roles,
        rows: Rows,
        order: &[u32],
    ) -> Result<Plane> {
        let passed = rows.form.receive(op, roles.left, ROWS).await?;
        let slots = rows_at(&passed, order, rows.width);
        let masks = self.second_masks(op, roles.helper, rows);
        Ok(rows.masked(&slots, &masks, simd::subtract::<R>))
    }

    fn first_masks(&self, op: &Op<'_>, peer: Party, rows: Rows) -> Plane {
        self.uniform(op, rows.form, self.common(peer), purpose::LEFT)
    }

    fn second_masks(&self, op: &Op<'_>, peer: Party, rows: Rows) -> Plane {
        self.uniform(op, rows.form, self.common(peer), purpose::RIGHT)
    }
}

/// The sums of the low words of numbers.
fn low_sum<'a, W: Word>(planes: impl IntoIterator<Item = &'a Plane>, n: usize) -> Narrow {
    let mut sum = Narrow::zeros(n);
    for plane in planes {
        let numbers = elements::<W>(plane).iter();
        sum.iter_mut().zip(numbers).for_each(|(o, x)| *o = o.wrapping_add(x.words()[0] as u32));
    }
    sum
}

/// What a shuffle of vectors of that many bytes costs.
pub(crate) fn shuffle_cost(bytes: usize) -> Cost {
    rows_cost(bytes).then(&costs::offer(HELPER, bytes))
}

/// What it costs to permute `rows` rows of `bytes` bytes in all.
pub(crate) fn permute_cost(rows: usize, bytes: usize) -> Cost {
    if rows < 2 {
        return Cost::local(PARTIES);
    }
    let places = packed_bytes(rows, Mixed::place(rows, 0).bits());
    let opened = slots::opened_cost(Roles::after(HELPER), places);
    opened.beside(&rows_cost(bytes)).then(&costs::offer(HELPER, bytes))
}

/// Rows into slots.
fn rows_cost(bytes: usize) -> Cost {
    let Roles { helper, left, .. } = Roles::after(HELPER);
    costs::input(helper, bytes).beside(&costs::input(left, bytes))
}

//! Three-party replicated sharing over a prime field, semi-honest, honest majority.
//!
//! Sharing:  x = x_0 + x_1 + x_2 modulo p; party i holds (x_i, x_{i+1}). Numbers, bits and the field are
//!           those of [`super::over_field`].
//! Paper:    Araki, Furukawa, Lindell, Nof, Ohara 2016, eprint 2016/768, Section 2, which also holds for
//!           fields. Differs: the shares are those of [`super::rep3_ring`]; random bits: `rep3::field`.
//! Security: any one party learns nothing; a malicious party may alter the result.
//! Cost:     mul, dot, matmul and open 1 round, one element of the result sent by each; share 1 round, one
//!           element by the owner; random_bits 2 rounds, one element by each; mask nothing; shuffle 2
//!           rounds, 4 elements in all.

use std::rc::Rc;

use mpc_runtime::{Label, Party, Result, Step};

use super::over_field::{self, FieldScheme, Known, MakeFieldScheme, Opened, Products, of};
use super::rep3::shuffle::{Rows, shuffle_cost};
use super::rep3::{Form, PARTIES, Trio, both, costs, elements};
use crate::algebra::field::Prime;
use crate::algebra::{matrix, simd};
use crate::cost::{Call, Cost, Verb};
use crate::protocol::{Abort, Fut, Info, Parties, Protocol, Security, Seeds, Setup, now};
use crate::value::Shares;
use crate::workers::Workers;

/// What it promises.
pub const INFO: Info = Info {
    name: "rep3-field",
    parties: Parties::Exactly(PARTIES),
    corrupted: "1",
    security: Security::SemiHonest,
    abort: Abort::None,
    comp_sec: "128, by AES-128",
    stat_sec: "2^-σ for each number that is opened under a mask",
    domain: "integers modulo a prime of 61, 127 or 255 bits",
    assumptions: "AES-128 is a pseudo-random function",
    truncation: "exact: nothing. probabilistic and fast: the rounding depends on the mask that is opened; never a gross error",
    paper: "eprint 2016/768",
};

const MUL: Label = Label("rep3.field.mul");
const DOT: Label = Label("rep3.field.dot");
const MATMUL: Label = Label("rep3.field.matmul");
const SHARE: Label = Label("rep3.field.share");
const OPEN: Label = Label("rep3.field.open");

/// Makes one of the three parties.
///
/// # Errors
/// Numbers too large for the largest field.
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    over_field::build::<SemiHonest>(setup, me, seeds)
}

/// Makes it over any field.
pub(crate) struct SemiHonest;

impl MakeFieldScheme for SemiHonest {
    const INFO: Info = INFO;

    fn maskers(_: usize) -> usize {
        PARTIES
    }

    fn make<F: Prime>(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn FieldScheme<F>>> {
        Ok(Rc::new(Rep3Field::new(setup, me, seeds)?))
    }
}

/// One of the three parties.
pub(crate) struct Rep3Field<F> {
    trio: Trio,
    one: [F; 2],
}

impl<F: Prime> Rep3Field<F> {
    pub(crate) fn new(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rep3Field<F>> {
        let trio = Trio::new(setup, me, seeds)?;
        let one = [0, 1].map(|i| if trio.plane_of(0) == Some(i) { F::ONE } else { F::ZERO });
        Ok(Rep3Field { trio, one })
    }

    async fn multiplied(
        &self,
        step: &Step,
        a: &Shares,
        b: &Shares,
        what: Products,
    ) -> Result<Shares> {
        let (op, trio) = (step.op(a.depth.max(b.depth)), &self.trio);
        let (x, y, form) = (both::<F>(a), both::<F>(b), Form::numbers::<F>(what.len(a.len())));
        match what {
            Products::Rows(1) => trio.multiply::<F>(&op, MUL, form, (a, b), None).await,
            Products::Rows(inner) => {
                let fill = |out: &mut [F]| simd::cross_dots(out, x, y, inner);
                trio.sum_of(&op, DOT, form, fill).await
            }
            Products::Matrix(size) => {
                let pool = trio.workers().pool();
                let fill = |out: &mut [F]| matrix::cross(pool, out, x, y, size);
                trio.sum_of(&op, MATMUL, form, fill).await
            }
        }
    }
}

impl<F: Prime> FieldScheme<F> for Rep3Field<F> {
    fn parties(&self) -> usize {
        PARTIES
    }

    fn corrupted(&self) -> usize {
        1
    }

    fn workers(&self) -> &Workers {
        self.trio.workers()
    }

    fn planes(&self) -> usize {
        2
    }

    fn one(&self) -> &[F] {
        &self.one
    }

    fn zeros(&self) -> usize {
        1
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let bytes = 8 * F::WORDS * call.len;
        Some(match call.verb {
            Verb::Mul | Verb::Dot { .. } | Verb::MatMul { .. } => costs::each(bytes),
            Verb::Open { to: None } => costs::each(bytes),
            Verb::Share { owner } => costs::input(owner, bytes),
            Verb::Open { to: Some(to) } => costs::input((to + 2) % PARTIES, bytes),
            Verb::RandomBits => self.trio.field_bits_cost::<F>(call.len),
            Verb::Mask => Cost::local(PARTIES),
            Verb::Shuffle { .. } => shuffle_cost(bytes),
            _ => return None,
        })
    }

    fn products<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        what: Products,
    ) -> Fut<'a> {
        Box::pin(self.multiplied(step, a, b, what))
    }

    fn share<'a>(&'a self, step: &'a Step, owner: Party, x: Known) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(x.depth);
            let fill = |out: &mut [F]| {
                out.copy_from_slice(of(x.elements.as_ref().expect("the owner has its numbers")));
            };
            self.trio.share(&op, SHARE, Form::numbers::<F>(x.len), owner, fill).await
        })
    }

    fn open<'a>(&'a self, step: &'a Step, a: &'a Shares, to: Option<Party>) -> Fut<'a, Opened> {
        Box::pin(async move {
            let op = step.op(a.depth);
            let form = Form::numbers::<F>(a.len());
            let third = self.trio.missing(&op, OPEN, form, a, to).await?;
            let sum = third.map(|third| {
                form.plane(|out: &mut [F]| {
                    out.copy_from_slice(elements(&third));
                    both::<F>(a).iter().for_each(|component| simd::add(out, component));
                })
            });
            Ok((sum, op.depth()))
        })
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        Box::pin(self.trio.field_bits::<F>(step, n))
    }

    fn mask<'a>(&'a self, step: &'a Step, n: usize, bits: u32) -> Fut<'a> {
        now(self.trio.field_masks::<F>(step, n, bits))
    }

    fn shuffle<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        _rows: usize,
        width: usize,
    ) -> Option<Fut<'a>> {
        let rows = Rows { form: Form::numbers::<F>(a.len()), width };
        Some(Box::pin(self.trio.shuffle_rows::<F>(step, a, rows)))
    }
}

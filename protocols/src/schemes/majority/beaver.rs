//! Products by triples that are verified before they are used: nothing is ever wrong, and nothing is left
//! for a check.
//!
//! With a verified triple c = a·b, x - a and y - b are opened, which are uniform, and
//! `x·y = (x - a)·y + a·(y - b) + c`, which is linear in what is shared. Sums of products and matrix
//! products take triples of their shape.
//! Source: Beaver 1991; Lindell, Nof 2017, eprint 2017/816, Section 4.
//! Cost: one round, both operands opened; before, what [`verified`] costs.

use mpc_runtime::{Depth, Party, Result, Step};

use super::bits::weighed;
use super::{Base, Shape, elements, part, products, stacked, verified, zipped};
use crate::algebra::field::Prime;
use crate::cost::{Call, Cost, Verb};
use crate::prepared::{prepared, prepared_fields};
use crate::protocol::Fut;
use crate::schemes::over_field::{FieldScheme, Known, Opened, Products, short};
use crate::schemes::shamir::sharing::uniform;
use crate::value::{Plane, Shares};
use crate::workers::Workers;

/// A scheme whose products take triples.
pub(crate) struct Beaver<F, B> {
    pub(super) base: B,
    pub(super) one: Vec<F>,
}

/// Random elements of both operands, and products of them.
struct Triple {
    factors: Vec<Plane>,
    products: verified::Verified,
}

prepared_fields!(Triple { factors, products });

impl<F: Prime, B: Base<F>> Beaver<F, B> {
    pub(crate) fn new(base: B) -> Self {
        let one = base.one();
        Beaver { base, one }
    }

    async fn triple(&self, step: &Step, shape: Shape) -> Result<Triple> {
        let op = step.op(Depth::ZERO);
        let operands = shape.left() + shape.right();
        let factors = self.base.random(&op, operands, uniform).await?;
        let (a, b) = (part(&factors, 0..shape.left()), part(&factors, shape.left()..operands));
        let made = verified::multiply(&self.base, step, op.depth(), shape, (&a, &b), false);
        Ok(Triple { products: made.await?, factors })
    }

    async fn multiply(&self, step: &Step, shape: Shape, x: &Shares, y: &Shares) -> Result<Shares> {
        let base = &self.base;
        let triple = prepared(step, async |prep| self.triple(prep, shape).await).await?;
        let Triple { factors, products: c } = &triple;
        let a = part(factors, 0..shape.left());

        let op = step.op(x.depth.max(y.depth).max(c.depth));
        let operands = stacked(&[x.planes(), y.planes()]);
        let hidden = zipped(base.workers(), &operands, factors, F::minus);
        let known = base.open(&op, &hidden, None).await?.expect("opened to all");
        let (left, right) = elements::<F>(&known).split_at(shape.left());
        let planes = (0..factors.len()).map(|i| {
            let by_left = products(base.workers(), shape, left, elements(y.plane(i)));
            let by_right = products(base.workers(), shape, elements(&a[i]), right);
            let sum = zipped(base.workers(), &[by_left], &[by_right], F::plus);
            zipped(base.workers(), &sum, &c.shares[i..=i], F::plus).remove(0)
        });
        Ok(Shares::new(planes.collect(), op.depth()))
    }

    fn multiplying(&self, shape: Shape) -> Cost {
        let operands = shape.left() + shape.right();
        let triples = verified::cost(&self.base, shape, false);
        let ahead = self.base.randomness(operands).then(&triples).ahead();
        ahead.then(&self.base.opening(None, operands))
    }

    async fn dealt(&self, step: &Step, owner: Party, x: Known) -> Result<Shares> {
        let op = step.op(x.depth);
        let known: &[F] = x.elements.as_ref().map_or(&[], elements);
        let secret = |first: usize, out: &mut [F]| {
            out.copy_from_slice(&known[first..][..out.len()]);
        };
        let planes = self.base.deal(&op, owner, x.len, secret).await?;
        Ok(Shares::new(planes, op.depth()))
    }

    async fn opened(&self, step: &Step, a: &Shares, to: Option<Party>) -> Result<Opened> {
        let op = step.op(a.depth);
        let known = self.base.open(&op, a.planes(), to).await?;
        Ok((known, op.depth()))
    }

    /// Numbers of `bits` bits: from common keys, or of random bits where there are none for a dealer to be
    /// measured by.
    async fn masks(&self, step: &Step, n: usize, bits: u32) -> Result<Shares> {
        if self.base.summands().is_some() {
            let op = step.op(Depth::ZERO);
            return Ok(Shares::new(self.base.random(&op, n, short(bits)).await?, op.depth()));
        }
        let random = self.bits(step, n * bits as usize).await?;
        Ok(weighed::<F>(self.base.workers(), &random, n, bits as usize))
    }
}

impl<F: Prime, B: Base<F>> FieldScheme<F> for Beaver<F, B> {
    fn parties(&self) -> usize {
        self.base.parties()
    }

    fn corrupted(&self) -> usize {
        self.base.corrupted()
    }

    fn workers(&self) -> &Workers {
        self.base.workers()
    }

    fn planes(&self) -> usize {
        self.one.len()
    }

    fn one(&self) -> &[F] {
        &self.one
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let Call { verb, len, bits, .. } = *call;
        Some(match verb {
            Verb::Share { owner } => self.base.dealing(owner, len),
            Verb::ShareBits { owner } => self.dealing_bits(owner, len),
            Verb::Open { to } => self.base.opening(to, len),
            Verb::RandomBits => self.bits_cost(len),
            Verb::Mask if self.base.summands().is_some() => self.base.randomness(len),
            Verb::Mask => self.bits_cost(len * bits as usize),
            _ => return Shape::of_call(call).map(|shape| self.multiplying(shape)),
        })
    }

    fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(self.base.agree(step))
    }

    fn setup_cost(&self) -> Cost {
        self.base.agreeing()
    }

    fn products<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        what: Products,
    ) -> Fut<'a> {
        let shape = Shape::of(what, a.len());
        Box::pin(self.multiply(step, shape, a, b))
    }

    fn share<'a>(&'a self, step: &'a Step, owner: Party, x: Known) -> Fut<'a> {
        Box::pin(self.dealt(step, owner, x))
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: Known) -> Fut<'a> {
        Box::pin(self.dealt_bits(step, owner, x))
    }

    fn open<'a>(&'a self, step: &'a Step, a: &'a Shares, to: Option<Party>) -> Fut<'a, Opened> {
        Box::pin(self.opened(step, a, to))
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        Box::pin(self.bits(step, n))
    }

    fn mask<'a>(&'a self, step: &'a Step, n: usize, bits: u32) -> Fut<'a> {
        Box::pin(self.masks(step, n, bits))
    }
}

//! Products that are verified before anybody uses them.
//!
//! With z the product of x and y and c that of a random a and y, both right up to errors that the
//! cheaters know, a coin χ is tossed and ρ = χ·x + a opened. Then χ·z + c - ρ·y is χ times the error of z
//! plus that of c. A random combination of these, its weights from the same coin, is opened and must be
//! 0. It depends on no secret, and an error remains with a probability of at most 2/p: χ is among the
//! roots of a linear polynomial, or the weights are.
//! Source: Lindell, Nof 2017, eprint 2017/816, Protocol 3.1 (one coordinate of two triples shared, as in
//! Section 6.2 of Chida et al. 2018, eprint 2018/570).
//! Cost: 5 rounds; two products, one element opened, and a coin for the vector.

use mpc_runtime::{Depth, Error, Label, Result, Step};

use super::{Base, Shape, combined, elements, part, products, single, stacked, zipped};
use crate::algebra::field::Prime;
use crate::blocks::coin;
use crate::checks::security_check;
use crate::cost::Cost;
use crate::prepared::prepared_fields;
use crate::schemes::shamir::sharing::uniform;
use crate::value::Plane;

const PRODUCT: Label = Label("verified.product");

/// Purposes of the streams of a coin.
const FACTOR: u16 = 0;
const WEIGHTS: u16 = 1;

/// Products that are right.
pub(crate) struct Verified {
    /// As shares.
    pub(crate) shares: Vec<Plane>,
    /// The products themselves, if they were asked for.
    pub(crate) opened: Option<Plane>,
    /// Depth of both.
    pub(crate) depth: Depth,
}

prepared_fields!(Verified { shares, opened, depth });

/// Products of the elements of two vectors of this depth; opened if `open`.
///
/// # Errors
/// A party cheats.
pub(crate) async fn multiply<F: Prime, B: Base<F>>(
    base: &B,
    step: &Step,
    depth: Depth,
    shape: Shape,
    (x, y): (&[Plane], &[Plane]),
    open: bool,
) -> Result<Verified> {
    let op = step.op(depth);
    let a = base.random(&op, shape.left(), uniform).await?;
    let op = step.op(op.depth());
    let both = Plane::concat(&[base.summand(shape, x, y), base.summand(shape, &a, y)]);
    let both = base.reshare(&op, PRODUCT, both).await?;
    let n = shape.out();
    let (z, c) = (part(&both, 0..n), part(&both, n..2 * n));

    let op = step.op(op.depth());
    let coin = coin::toss(&op, base.own()).await?;
    let mut chi = [F::ZERO];
    uniform(&op.stream(&coin, FACTOR), 0, &mut chi);
    let chi = chi[0];

    let hidden = zipped(base.workers(), x, &a, |x: F, a| chi.times(x).plus(a));
    let hidden = if open { stacked(&[&hidden, &z]) } else { hidden };
    let weights = op.stream(&coin, WEIGHTS);
    let op = step.op(op.depth());
    let known = base.open(&op, &hidden, None).await?.expect("opened to all");
    let rho = elements::<F>(&known);

    let error = |i: usize| {
        let rest = products(base.workers(), shape, &rho[..shape.left()], elements(&y[i]));
        let (z, c, rest) = (elements::<F>(&z[i]), elements::<F>(&c[i]), elements::<F>(&rest));
        single(combined(&weights, 0, n, |k| chi.times(z[k]).plus(c[k]).minus(rest[k])))
    };
    let errors: Vec<Plane> = (0..z.len()).map(error).collect();
    let op = step.op(op.depth());
    let error = base.open(&op, &errors, None).await?.expect("opened to all");
    security_check!(
        "verified.products",
        elements::<F>(&error)[0].wide() == [0, 0],
        Error::CheckFailed { what: "products" },
    );
    let opened = open.then(|| known.slice(shape.left()..shape.left() + n));
    Ok(Verified { shares: z, opened, depth: op.depth() })
}

/// What [`multiply`] costs.
pub(crate) fn cost<F: Prime, B: Base<F>>(base: &B, shape: Shape, open: bool) -> Cost {
    let known = shape.left() + if open { shape.out() } else { 0 };
    (base.randomness(shape.left()))
        .then(&base.resharing(2 * shape.out()))
        .then(&coin::cost(base.parties()))
        .then(&base.opening(None, known))
        .then(&base.opening(None, 1))
}

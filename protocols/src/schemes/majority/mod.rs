//! What protocols over a prime field share that keep to the rules against cheaters, most parties being
//! honest.
//!
//! They stand on a linear sharing ([`Base`]) with three properties against as many cheaters as there may
//! be: what the honest parties hold is a sharing of one value, whatever a dealer sends; what is opened is
//! that value, or the opening fails; and a product is right up to an error that the cheaters know.
//! [`verified`] makes products right, which all else follows from; [`beaver`] does that ahead of time, and
//! leaves nothing to a later check. [`macs`] takes products as they come and checks them together.
//!
//! Masks of comparisons are not uniform over the field: they hide numbers that are as short as they should
//! be. An error of a product becomes one that depends on secrets with the next product, and is of any
//! length; opened under such a mask before it is found out, it tells what it was multiplied with. So where
//! a check is left for later, these openings wait for it ([`Step::before_opening`]).

pub(crate) mod beaver;
pub(crate) mod bits;
pub(crate) mod macs;
pub(crate) mod replicated;
pub(crate) mod shamir;
#[cfg(test)]
mod tests;
pub(crate) mod verified;

use mpc_runtime::{Key, Label, Op, Party, Result, Step, Stream};

use super::shamir::sharing::{Scratch, tile, uniform};
use crate::algebra::field::Prime;
use crate::algebra::matrix;
use crate::cost::{Call, Cost, Verb};
use crate::schemes::over_field::Products;
use crate::value::{Plane, Unit};
use crate::workers::Workers;

/// A linear sharing. A share is a list of components, one plane each; sums and products with public
/// numbers go component by component.
pub(crate) trait Base<F: Prime>: 'static {
    /// Number of parties, with those that have no shares.
    fn parties(&self) -> usize;

    /// Most parties that may be corrupted together.
    fn corrupted(&self) -> usize;

    /// The threads of this party.
    fn workers(&self) -> &Workers;

    /// What only this party knows.
    fn own(&self) -> &Key;

    /// This party's share of the public number 1.
    fn one(&self) -> Vec<F>;

    /// Agrees on common keys.
    async fn agree(&self, step: &Step) -> Result<()>;

    /// What [`Base::agree`] costs.
    fn agreeing(&self) -> Cost;

    /// How many numbers, each below a bound, a random number below a bound is the sum of; `None` if the
    /// parties have no keys from which all can tell that a dealer kept to the bound.
    fn summands(&self) -> Option<usize>;

    /// `n` elements that nobody knows: sums of what `draw(stream, first, tile)` takes from streams.
    async fn random(
        &self,
        op: &Op<'_>,
        n: usize,
        draw: impl Fn(&Stream, usize, &mut [F]) + Sync,
    ) -> Result<Vec<Plane>>;

    /// What [`Base::random`] costs.
    fn randomness(&self, n: usize) -> Cost;

    /// One round: the elements that `secret(first, tile)` fills in at `owner`.
    async fn deal(
        &self,
        op: &Op<'_>,
        owner: Party,
        len: usize,
        secret: impl Fn(usize, &mut [F]) + Sync,
    ) -> Result<Vec<Plane>>;

    /// What [`Base::deal`] costs.
    fn dealing(&self, owner: Party, len: usize) -> Cost;

    /// This party's summand of products.
    fn summand(&self, shape: Shape, x: &[Plane], y: &[Plane]) -> Plane;

    /// One round: a sharing of the sum of what the parties have.
    async fn reshare(&self, op: &Op<'_>, label: Label, summand: Plane) -> Result<Vec<Plane>>;

    /// What [`Base::reshare`] costs.
    fn resharing(&self, len: usize) -> Cost;

    /// One round: the elements themselves, to `to`, or to all if `None`; absent elsewhere. Each value is
    /// that of the honest parties' shares, or this fails.
    async fn open(&self, op: &Op<'_>, a: &[Plane], to: Option<Party>) -> Result<Option<Plane>>;

    /// What [`Base::open`] costs.
    fn opening(&self, to: Option<Party>, len: usize) -> Cost;
}

/// Which products of the elements of two vectors are added up.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// Each with each.
    Each(usize),
    /// Along so many rows of `inner`.
    Dot(usize, usize),
    /// Rows, inner dimension and columns of matrices, row-major.
    Matrix(usize, usize, usize),
}

impl Shape {
    /// Of products whose left operand has `left` elements.
    fn of(what: Products, left: usize) -> Shape {
        match what {
            Products::Rows(1) => Shape::Each(left),
            Products::Rows(inner) => Shape::Dot(left / inner, inner),
            Products::Matrix((rows, inner, cols)) => Shape::Matrix(rows, inner, cols),
        }
    }

    /// Of the products of a call, if it is one.
    fn of_call(call: &Call) -> Option<Shape> {
        Some(match call.verb {
            Verb::Mul => Shape::Each(call.len),
            Verb::Dot { inner } => Shape::Dot(call.len, inner),
            Verb::MatMul { rows, inner, cols } => Shape::Matrix(rows, inner, cols),
            _ => return None,
        })
    }

    /// Elements of the left operand.
    pub(crate) fn left(self) -> usize {
        match self {
            Shape::Each(n) => n,
            Shape::Dot(rows, inner) | Shape::Matrix(rows, inner, _) => rows * inner,
        }
    }

    /// Elements of the right operand.
    pub(crate) fn right(self) -> usize {
        match self {
            Shape::Each(n) => n,
            Shape::Dot(rows, inner) => rows * inner,
            Shape::Matrix(_, inner, cols) => inner * cols,
        }
    }

    /// Elements of the result.
    pub(crate) fn out(self) -> usize {
        match self {
            Shape::Each(n) | Shape::Dot(n, _) => n,
            Shape::Matrix(rows, _, cols) => rows * cols,
        }
    }
}

/// A plane of `len` elements, each 0 before `fill(first, tile)` sets the tile it is in.
pub(crate) fn plane<F: Prime>(
    workers: &Workers,
    len: usize,
    fill: impl Fn(usize, &mut [F]) + Sync,
) -> Plane {
    Plane::build(Unit::Words(F::WORDS), len, |out| {
        let out = vec![bytemuck::cast_slice_mut(out)];
        workers.tiles(out, tile::<F>(), |first, parts| fill(first, parts[0]));
    })
}

/// Products of the elements of two planes.
pub(crate) fn products<F: Prime>(workers: &Workers, shape: Shape, x: &[F], y: &[F]) -> Plane {
    match shape {
        Shape::Each(n) => plane(workers, n, |first, out: &mut [F]| {
            let operands = x[first..].iter().zip(&y[first..]);
            out.iter_mut().zip(operands).for_each(|(o, (&x, &y))| *o = x.times(y));
        }),
        Shape::Dot(rows, inner) => plane(workers, rows, |first, out: &mut [F]| {
            for (i, o) in out.iter_mut().enumerate() {
                let row = (first + i) * inner..(first + i + 1) * inner;
                let both = x[row.clone()].iter().zip(&y[row]);
                *o = both.fold(F::ZERO, |sum, (&x, &y)| sum.plus(x.times(y)));
            }
        }),
        Shape::Matrix(rows, inner, cols) => {
            Plane::build(Unit::Words(F::WORDS), rows * cols, |out| {
                let out: &mut [F] = bytemuck::cast_slice_mut(out);
                matrix::multiply_add(workers.pool(), out, x, y, (rows, inner, cols));
            })
        }
    }
}

/// `Σ_i weight_i·value(i)`, `len` weights read from a stream from element `first` on.
pub(crate) fn combined<F: Prime>(
    weights: &Stream,
    first: usize,
    len: usize,
    value: impl Fn(usize) -> F,
) -> F {
    let mut scratch = Scratch::new();
    (0..len).step_by(tile::<F>()).fold(F::ZERO, |sum, at| {
        let weights_here = scratch.elements::<F>(tile::<F>().min(len - at));
        uniform(weights, first + at, weights_here);
        let terms = weights_here.iter().enumerate().map(|(i, w)| w.times(value(at + i)));
        terms.fold(sum, F::plus)
    })
}

/// A plane of one element.
pub(crate) fn single<F: Prime>(x: F) -> Plane {
    Plane::build(Unit::Words(F::WORDS), 1, |out| x.write(out))
}

/// Element by element, on every component.
pub(crate) fn zipped<F: Prime>(
    workers: &Workers,
    a: &[Plane],
    b: &[Plane],
    f: impl Fn(F, F) -> F + Sync,
) -> Vec<Plane> {
    let one = |(a, b): (&Plane, &Plane)| {
        let (x, y) = (elements::<F>(a), elements::<F>(b));
        plane(workers, a.len(), |first, out: &mut [F]| {
            let operands = x[first..].iter().zip(&y[first..]);
            out.iter_mut().zip(operands).for_each(|(o, (&x, &y))| *o = f(x, y));
        })
    };
    a.iter().zip(b).map(one).collect()
}

/// The elements of a plane.
pub(crate) fn elements<F: Prime>(a: &Plane) -> &[F] {
    bytemuck::cast_slice(a.words())
}

/// The elements of vectors one after the other, by component.
pub(crate) fn stacked(parts: &[&[Plane]]) -> Vec<Plane> {
    let one = |i: usize| Plane::concat(&parts.iter().map(|p| p[i].clone()).collect::<Vec<_>>());
    (0..parts[0].len()).map(one).collect()
}

/// The elements of `range`, by component.
pub(crate) fn part(a: &[Plane], range: std::ops::Range<usize>) -> Vec<Plane> {
    a.iter().map(|plane| plane.slice(range.clone())).collect()
}

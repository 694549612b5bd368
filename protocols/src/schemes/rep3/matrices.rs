//! What one party of three computes of products of matrices. A component that is 0, as one of every input
//! is, costs nothing.

use std::ops::Range;

use super::both;
use crate::algebra::contraction::Contraction;
use crate::algebra::matrix::{self, Pair};
use crate::algebra::ring::Ring;
use crate::value::Shares;

/// Both components of a factor, and their sum.
struct Factor<'a, R: Ring> {
    components: [&'a [R]; 2],
    zero: [bool; 2],
    sum: Option<matrix::Sum<R>>,
}

impl<'a, R: Ring> Factor<'a, R> {
    fn of(a: &'a Shares) -> Factor<'a, R> {
        let zero = [0, 1].map(|i| a.plane(i).is_zero());
        let components = both::<R>(a);
        let sum = (zero == [false; 2]).then(|| matrix::Sum::of(components));
        Factor { components, zero, sum }
    }

    /// A component, if it is not 0.
    fn component(&self, i: usize) -> Option<&[R]> {
        (!self.zero[i]).then_some(self.components[i])
    }

    /// The sum of the components, if it is not 0.
    fn sum(&self) -> Option<&[R]> {
        let one = || self.component(0).or_else(|| self.component(1));
        self.sum.as_deref().or_else(one)
    }
}

/// Two factors of products.
pub(crate) struct Factors<'a, R: Ring> {
    x: Factor<'a, R>,
    y: Factor<'a, R>,
    of: &'a Contraction,
    pool: Option<&'a rayon::ThreadPool>,
}

impl<'a, R: Ring> Factors<'a, R> {
    pub(crate) fn new(
        pool: Option<&'a rayon::ThreadPool>,
        x: &'a Shares,
        y: &'a Shares,
        of: &'a Contraction,
    ) -> Factors<'a, R> {
        Factors { x: Factor::of(x), y: Factor::of(y), of, pool }
    }

    /// Adds x_0·y_0 + x_0·y_1 + x_1·y_0.
    pub(crate) fn cross(&self, out: &mut [R]) {
        let (x, y) = (&self.x, &self.y);
        let all = 0..self.of.len();
        self.add(out, all, [(x.component(0), y.sum()), (x.component(1), y.component(0))]);
    }

    /// Adds the elements `range` of a part of the products: with components p and p+1, all products of
    /// these two (`role` 0); with p+1 and p+2, all of the two but those of p+1 alone (1); with p+2 and p,
    /// those of both (2). All three are the whole product.
    pub(crate) fn part(&self, role: usize, range: Range<usize>, out: &mut [R]) {
        let (x, y) = (&self.x, &self.y);
        let first = (x.component(0), y.component(1));
        match role {
            0 => self.add(out, range, [(x.sum(), y.sum())]),
            1 => self.add(out, range, [first, (x.component(1), y.sum())]),
            _ => self.add(out, range, [first, (x.component(1), y.component(0))]),
        }
    }

    fn add<const N: usize>(
        &self,
        out: &mut [R],
        range: Range<usize>,
        pairs: [(Option<&[R]>, Option<&[R]>); N],
    ) {
        let pairs: Vec<Pair<'_, R>> =
            pairs.into_iter().filter_map(|(a, b)| Some((a?, b?))).collect();
        matrix::contract(self.pool, out, range, &pairs, self.of);
    }
}

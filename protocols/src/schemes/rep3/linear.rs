//! What needs no message: sums, and everything with clear numbers; on vectors of any number of planes.

use super::{Form, Trio, elements, plane};
use crate::algebra::contraction::Contraction;
use crate::algebra::matrix;
use crate::algebra::ring::{Integer, Ring};
use crate::value::{Clear, Plane, Shares, Unit};

/// Every plane replaced by one of `len` elements.
fn each_plane<R: Ring>(a: &Shares, len: usize, fill: impl Fn(&[R], &mut [R])) -> Shares {
    let unit = Unit::Words(R::WORDS);
    let replaced = |p: &Plane| plane(unit, len, |out: &mut [R]| fill(elements(p), out));
    Shares::new(a.planes().iter().map(replaced).collect(), a.depth)
}

/// Sums of rows of `inner`.
pub(crate) fn sums<R: Ring>(a: &Shares, inner: usize) -> Shares {
    each_plane(a, a.len() / inner, |x: &[R], out| {
        out.iter_mut().zip(x.chunks_exact(inner)).for_each(|(o, row)| {
            *o = row.iter().fold(R::zeroed(), |s, &x| s.plus(x));
        });
    })
}

/// Running sums within rows of `inner`.
pub(crate) fn running_sums<R: Ring>(a: &Shares, inner: usize) -> Shares {
    each_plane(a, a.len(), |x: &[R], out| {
        out.copy_from_slice(x);
        for row in out.chunks_exact_mut(inner) {
            (1..row.len()).for_each(|j| row[j] = row[j].plus(row[j - 1]));
        }
    })
}

impl Trio {
    /// Applies `f` to element `i` of the vector and of the clear one, in every plane, or in that of one
    /// component.
    pub(crate) fn with_clear<R: Integer>(
        &self,
        a: &Shares,
        c: &Clear,
        only: Option<usize>,
        f: impl Fn(R, R) -> R,
    ) -> Shares {
        let known = c.values().expect("all parties know clear operands");
        let changed = |p: &Plane| {
            let x = elements::<R>(p);
            plane(Unit::Words(R::WORDS), a.len(), |out: &mut [R]| match known {
                [one] => {
                    let one = R::from_i128(*one);
                    out.iter_mut().zip(x).for_each(|(o, &x)| *o = f(x, one));
                }
                all => {
                    let each = out.iter_mut().zip(x).zip(all);
                    each.for_each(|((o, &x), &c)| *o = f(x, R::from_i128(c)));
                }
            })
        };
        let part = |(i, p): (usize, &Plane)| match only {
            Some(j) if self.plane_of(j) != Some(i) => p.clone(),
            _ => changed(p),
        };
        let planes = a.planes().iter().enumerate().map(part).collect();
        Shares::new(planes, a.depth.max(c.depth))
    }

    /// Public numbers: component 0.
    pub(crate) fn public_numbers<R: Integer>(&self, x: &Clear) -> Shares {
        let known = x.values().expect("all parties know clear operands");
        self.public(Form::numbers::<R>(x.len()), x.depth, |out: &mut [R]| {
            out.iter_mut().zip(known).for_each(|(o, &c)| *o = R::from_i128(c));
        })
    }

    /// `a·b`, `b` clear.
    pub(crate) fn matmul_clear<R: Integer>(
        &self,
        a: &Shares,
        b: &Clear,
        size: (usize, usize, usize),
    ) -> Shares {
        self.contract_clear::<R>(a, b, &Contraction::matrix(size), false)
    }

    /// Products of matrices, one operand clear: the right one, or the left one if `turned`.
    pub(crate) fn contract_clear<R: Integer>(
        &self,
        a: &Shares,
        c: &Clear,
        of: &Contraction,
        turned: bool,
    ) -> Shares {
        let known = c.values().expect("all parties know clear operands");
        let clear: Vec<R> = known.iter().map(|&c| R::from_i128(c)).collect();
        let product = each_plane(a, of.len(), |a: &[R], out| {
            let pair = if turned { (&clear[..], a) } else { (a, &clear[..]) };
            matrix::contract(self.workers().pool(), out, 0..of.len(), &[pair], of);
        });
        product.at_depth(c.depth)
    }
}

//! Three-party replicated sharing of integers against one malicious party: products from triples that are
//! verified ahead.
//!
//! Sharing:  x = x_0 + x_1 + x_2 modulo 2^k, k = 64 or 128; party i holds (x_i, x_{i+1}).
//! Products: (Beaver 1991) with random a, b and c = a·b, x - a and y - b are opened, and
//!           x·y = c + (x - a)·y + (y - b)·a. Of sums of products and of matrices, a, b and c are the like.
//! Triples:  computed modulo 2^(k+64) and sacrificed there by [`super::rep3::ring_check`], for each call in
//!           its preprocessing; used modulo 2^k.
//! Paper:    Eerikson, Keller, Orlandi, Pullonen, Puura, Simkin 2019, eprint 2019/164, with preprocessing;
//!           sacrifice: Cramer, Damgård, Escudero, Scholl, Xing 2018, eprint 2018/482.
//! Differs:  triples of a call are sacrificed as one inner product. Conjunctions of bits are verified
//!           afterwards, as in ps-rep3-bin.
//! Security: any one party learns nothing; a malicious party that alters a result is found out before
//!           anything leaves, but with probability 2^-50. See also [`super::rep3::checked_ring`].
//! Cost:     mul, dot, matmul 1 round, k bits for an element of either operand; ahead k + 64 bits for an
//!           element of the result, 2(k + 64) bits for each product of numbers or column of a matrix, and
//!           7 rounds; share 1 round, k bits by the owner; open 1 round, k bits; and 1 round, 1 bit;
//!           from_bits 2 products.

use std::rc::Rc;

use mpc_runtime::{Label, Party, Result, Step};

use super::rep3::checked_bits::CheckedBits;
use super::rep3::checked_ring::{self, Way};
use super::rep3::ring_check::{self, Products, Shape};
use super::rep3::{Form, PARTIES, both, costs, elements, plane, zip};
use crate::algebra::matrix;
use crate::algebra::ring::{Covered, Ring};
use crate::algebra::simd;
use crate::cost::Cost;
use crate::prepared::{prepared, prepared_fields};
use crate::protocol::{Abort, Fut, Info, Parties, Protocol, Security, Seeds, Setup};
use crate::value::{Shares, Unit};

/// What it promises.
pub const INFO: Info = Info {
    name: "mal-rep3-ring",
    parties: Parties::Exactly(PARTIES),
    corrupted: "1",
    security: Security::Malicious,
    abort: Abort::Selective,
    comp_sec: "128, by AES-128 and BLAKE3",
    stat_sec: "at most 65/2^64 a product and 2^-50 a check of bits (see ps-rep3-bin); σ above 50 is refused",
    domain: "integers modulo 2^64 or 2^128",
    assumptions: "AES-128 is a pseudo-random function, BLAKE3 a random oracle",
    truncation: "exact reveals nothing; probabilistic and fast round up or down at random, in a way that depends on \
                 shares (no ideal rounding); never a gross error",
    paper: "eprint 2019/164",
};

const BEAVER: Label = Label("rep3.beaver");

/// Makes one of the three parties.
///
/// # Errors
/// As [`checked_ring::build`].
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    checked_ring::build::<Beaver<u64>, Beaver<u128>>(&INFO, setup, me, seeds)
}

struct Beaver<W>(std::marker::PhantomData<W>);

/// Random factors and their products.
struct Triple {
    /// Of both operands, one after the other.
    factors: Shares,
    products: Shares,
}

prepared_fields!(Triple { factors, products });

impl<W: Covered> Beaver<W> {
    /// A triple for operands of these lengths, verified.
    async fn triple(
        bits: &CheckedBits,
        step: &Step,
        shape: Shape,
        lengths: [usize; 2],
    ) -> Result<Triple> {
        let [left, right] = lengths;
        let long = bits.trio.random(step, Form::numbers::<W::Long>(left + right));
        let (a, b) = (long.slice(0..left), long.slice(left..left + right));
        let op = step.op(a.depth);
        let products = Products::compute::<W::Long>(&bits.trio, &op, shape, &a, &b).await?;
        let made = short::<W>(&products.z);
        let verified = ring_check::verify::<W::Long>(&bits.trio, step, vec![products]).await?;
        Ok(Triple { factors: short::<W>(&long), products: made.at_depth(verified) })
    }
}

/// A vector modulo 2^k.
fn short<W: Covered>(a: &Shares) -> Shares {
    let short = |i: usize| {
        plane(Unit::Words(W::WORDS), a.len(), |out: &mut [W]| {
            let long = elements::<W::Long>(a.plane(i));
            out.iter_mut().zip(long).for_each(|(o, &x)| *o = W::shorten(x));
        })
    };
    Shares::new(vec![short(0), short(1)], a.depth)
}

/// `sums += d·y + a·e`, by the shape.
fn add_products<R: Ring>(
    pool: Option<&rayon::ThreadPool>,
    sums: &mut [R],
    shape: Shape,
    (d, y): (&[R], &[R]),
    (a, e): (&[R], &[R]),
) {
    match shape {
        Shape::Rows(1) => {
            simd::multiply_add(sums, d, y);
            simd::multiply_add(sums, a, e);
        }
        Shape::Rows(inner) => {
            for (i, sum) in sums.iter_mut().enumerate() {
                let row = i * inner..(i + 1) * inner;
                simd::dot(sum, &d[row.clone()], &y[row.clone()]);
                simd::dot(sum, &a[row.clone()], &e[row]);
            }
        }
        Shape::Matrix(size) => matrix::multiply_add_pairs(pool, sums, &[(d, y), (a, e)], size),
    }
}

impl<W: Covered> Way for Beaver<W> {
    type Short = W;
    type Number = W;

    fn new() -> Self {
        Beaver(std::marker::PhantomData)
    }

    fn lengthen(x: W) -> W {
        x
    }

    fn shorten(x: W) -> W {
        x
    }

    fn multiply<'a>(
        &'a self,
        bits: &'a CheckedBits,
        step: &'a Step,
        shape: Shape,
        x: &'a Shares,
        y: &'a Shares,
    ) -> Fut<'a> {
        Box::pin(async move {
            let (left, n) = (x.len(), x.len() + y.len());
            let make =
                async |prep: &Step| Beaver::<W>::triple(bits, prep, shape, [left, n - left]).await;
            let Triple { factors, products } = prepared(step, make).await?;
            let masked = zip::<W>(&Shares::concat(&[x.clone(), y.clone()]), &factors, W::minus);
            let op = step.op(masked.depth.max(products.depth));
            let form = Form::numbers::<W>(n);
            let third = bits.trio.vouched(&op, BEAVER, form, &masked, None, &bits.vouchers).await?;
            let third = third.expect("opened to all");
            let ([first, second], third) = (both::<W>(&masked), elements::<W>(&third));
            let each = first.iter().zip(second).zip(third);
            let opened: Vec<W> = each.map(|((x, y), &z)| x.plus(*y).plus(z)).collect();
            let (d, e) = opened.split_at(left);
            let sums = |i: usize| {
                plane(Unit::Words(W::WORDS), products.len(), |out: &mut [W]| {
                    out.copy_from_slice(elements(products.plane(i)));
                    let a = &elements::<W>(factors.plane(i))[..left];
                    let y = elements::<W>(y.plane(i));
                    add_products(bits.trio.workers().pool(), out, shape, (d, y), (a, e));
                })
            };
            Ok(Shares::new(vec![sums(0), sums(1)], op.depth()))
        })
    }

    fn multiply_cost(shape: Shape, len: usize) -> Cost {
        let triple = costs::each(8 * W::Long::WORDS * len)
            .then(&ring_check::cost::<W::Long>(shape.terms(len)));
        costs::each(8 * W::WORDS * shape.operands(len)).beside(&triple.ahead())
    }
}

#[cfg(test)]
mod tests {
    use super::super::rep3::cheats;

    #[test]
    fn every_altered_message_is_found() {
        cheats::every_altered_message_is_found(super::build);
    }
}

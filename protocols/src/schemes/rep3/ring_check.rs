//! Products of integers, and how they are verified: computed modulo 2^(k+s) with s = 64, where a product
//! against a malicious party is right up to an additive error that the party chooses without knowing the
//! secrets.
//!
//! *One claim.* With a coin tossed after all products, each sum of products z_i = Σ_j x_ij·y_ij gets a
//! random factor τ_i of 64 bits; of a product of matrices Z = X·Y, rows get factors u_i and columns v_k
//! (Freivalds 1979), which leaves Σ_j (uX)_j·(Yv)_j = uZv, an inner product no longer than a row of X. All
//! together claim Σ_t x_t·y_t = z.
//!
//! *Sacrifice.* Random vectors a, b that nobody knows and c = ⟨a, b⟩ are made before the coin. ρ = x + a and
//! σ = y + b are opened, with vouchers compared before anything else is done with them, and
//!
//! ```text
//! T = ⟨ρ, σ⟩ - ⟨ρ, b⟩ - ⟨σ, a⟩ + c - z
//! ```
//!
//! is opened by both holders of each component and must be 0. It is what the errors leave: the one of c,
//! less τ_i times those of z_i, hence independent of the secrets.
//!
//! Errors: for an error that is not 0 modulo 2^k at most one τ_i in 2^64 gives T = 0 modulo 2^(k+64). Of an
//! error matrix with 2^e ∥ D, e < k, D·v loses j more bits with probability 2^-j, and then uDv = 0 holds for
//! one u_i in 2^(64-j): in all 65/2^64 < 2^-57.
//! Source: Eerikson, Keller, Orlandi, Pullonen, Puura, Simkin 2019, eprint 2019/164 (post-sacrifice in
//! Z_2^(k+s), after Cramer, Damgård, Escudero, Scholl, Xing 2018, eprint 2018/482). Differs: all products
//! of a check are sacrificed as one inner product, which takes one c instead of one a product.
//! Cost: 6 rounds; 2(k + 64) bits from each party for a product, of a sum of products for each summand, of
//! matrices for each column of X; and some 300 bytes a check.

use std::pin::Pin;

use mpc_runtime::{Depth, Label, Op, OpId, Result, Step, join_all};

use super::{Form, PARTIES, Trio, both, costs, elements, plane, zip};
use crate::Error;
use crate::algebra::matrix;
use crate::algebra::ring::{Integer, Ring};
use crate::algebra::simd;
use crate::blocks::coin;
use crate::blocks::vouch::{self, Vouchers};
use crate::checks::security_check;
use crate::cost::{Call, Cost, Verb};
use crate::value::{Plane, Shares, Unit};

const PRODUCT: Label = Label("rep3.optimistic");
const MASKED: Label = Label("rep3.sacrifice.masked");
const REST: Label = Label("rep3.sacrifice.rest");

/// Elements of a message of masked factors.
const PART: usize = 1 << 22;

/// Which products are added up.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// Of rows of so many elements.
    Rows(usize),
    /// Of matrices, (rows, inner, cols).
    Matrix((usize, usize, usize)),
}

impl Shape {
    /// What a call multiplies.
    pub(crate) fn of(call: &Call) -> Option<Shape> {
        match call.verb {
            Verb::Mul => Some(Shape::Rows(1)),
            Verb::Dot { inner } => Some(Shape::Rows(inner)),
            Verb::MatMul { rows, inner, cols } => Some(Shape::Matrix((rows, inner, cols))),
            _ => None,
        }
    }

    /// Products in the claim for a result of `len` elements.
    pub(crate) fn terms(self, len: usize) -> usize {
        match self {
            Shape::Rows(inner) => len * inner,
            Shape::Matrix((_, inner, _)) => inner,
        }
    }

    /// Random factors that the claim needs.
    fn factors(self, len: usize) -> usize {
        match self {
            Shape::Rows(_) => len,
            Shape::Matrix((rows, _, cols)) => rows + cols,
        }
    }

    /// Elements of both operands together, for a result of `len` elements.
    pub(crate) fn operands(self, len: usize) -> usize {
        match self {
            Shape::Rows(inner) => 2 * len * inner,
            Shape::Matrix((rows, inner, cols)) => (rows + cols) * inner,
        }
    }

    /// Elements of the result of operands of which the first has `len`.
    pub(crate) fn results(self, len: usize) -> usize {
        match self {
            Shape::Rows(inner) => len / inner.max(1),
            Shape::Matrix((rows, _, cols)) => rows * cols,
        }
    }
}

impl Trio {
    /// Products, right up to an additive error. One round, an element of the result sent by each.
    pub(crate) async fn products<R: Ring>(
        &self,
        op: &Op<'_>,
        label: Label,
        shape: Shape,
        x: &Shares,
        y: &Shares,
    ) -> Result<Shares> {
        let form = Form::numbers::<R>(shape.results(x.len()));
        let factors = (both::<R>(x), both::<R>(y));
        match shape {
            Shape::Rows(1) => self.multiply::<R>(op, label, form, (x, y), None).await,
            Shape::Rows(inner) => {
                let fill = |out: &mut [R]| simd::cross_dots(out, factors.0, factors.1, inner);
                self.sum_of(op, label, form, fill).await
            }
            Shape::Matrix(size) => {
                let fill = |out: &mut [R]| {
                    matrix::cross(self.workers().pool(), out, factors.0, factors.1, size)
                };
                self.sum_of(op, label, form, fill).await
            }
        }
    }
}

/// Products that are not verified yet.
pub(crate) struct Products {
    /// The call that made them.
    pub(crate) id: OpId,
    pub(crate) shape: Shape,
    pub(crate) x: Shares,
    pub(crate) y: Shares,
    pub(crate) z: Shares,
}

impl Products {
    /// Computes them.
    pub(crate) async fn compute<R: Ring>(
        trio: &Trio,
        op: &Op<'_>,
        shape: Shape,
        x: &Shares,
        y: &Shares,
    ) -> Result<Products> {
        let z = trio.products::<R>(op, PRODUCT, shape, x, y).await?;
        Ok(Products { id: op.id(), shape, x: x.clone(), y: y.clone(), z })
    }

    fn terms(&self) -> usize {
        self.shape.terms(self.z.len())
    }

    /// Component `i` of the factors and of the sum in the claim: fills `x` and `y`, adds to `z`.
    fn claim<R: Integer>(&self, i: usize, factors: &[R], x: &mut [R], y: &mut [R], z: &mut R) {
        let [x_in, y_in, z_in] =
            [&self.x, &self.y, &self.z].map(|shares| elements::<R>(shares.plane(i)));
        match self.shape {
            Shape::Rows(inner) => {
                y.copy_from_slice(y_in);
                let rows = x.chunks_mut(inner.max(1)).zip(x_in.chunks(inner.max(1))).zip(factors);
                rows.for_each(|((out, row), &factor)| {
                    out.iter_mut().zip(row).for_each(|(o, x)| *o = x.times(factor));
                });
                simd::dot(z, z_in, factors);
            }
            Shape::Matrix((rows, inner, cols)) => {
                let (u, v) = factors.split_at(rows);
                matrix::multiply_add(None, x, u, x_in, (1, rows, inner));
                matrix::multiply_add(None, y, y_in, v, (inner, cols, 1));
                let mut by_column = vec![R::zeroed(); cols];
                matrix::multiply_add(None, &mut by_column, u, z_in, (1, rows, cols));
                simd::dot(z, &by_column, v);
            }
        }
    }
}

/// What a check of claims of so many products in all costs; `R` is the ring that they are in.
pub(crate) fn cost<R: Ring>(terms: usize) -> Cost {
    if terms == 0 {
        return Cost::local(PARTIES);
    }
    let element = 8 * R::WORDS;
    let parts = (2 * terms).div_ceil(PART) as u64;
    costs::each(element)
        .then(&coin::cost(PARTIES))
        .then(&Cost::each(PARTIES, 1, parts, 2 * terms * element))
        .then(&vouch::cost(PARTIES))
        .then(&Cost::each(PARTIES, 1, 2, 2 * element))
}

/// What this party lacks of a vector that is opened.
async fn third<R: Ring>(
    trio: &Trio,
    op: &Op<'_>,
    a: &Shares,
    vouchers: &Vouchers,
) -> Result<(Plane, Depth)> {
    let form = Form::numbers::<R>(a.len());
    let third = trio.vouched(op, MASKED, form, a, None, vouchers).await?;
    Ok((third.expect("opened to all"), op.depth()))
}

/// Opens a long vector; vouchers are compared at once.
async fn opened<R: Ring>(trio: &Trio, step: &Step, a: &Shares) -> Result<(Vec<R>, Depth)> {
    let vouchers = Vouchers::new(PARTIES);
    let parts: Vec<Shares> =
        (0..a.len()).step_by(PART).map(|i| a.slice(i..a.len().min(i + PART))).collect();
    let ops: Vec<Op<'_>> = parts.iter().map(|_| step.op(a.depth)).collect();
    let opening = parts.iter().zip(&ops).map(|(part, op)| {
        Box::pin(third::<R>(trio, op, part, &vouchers)) as Pin<Box<dyn Future<Output = _>>>
    });
    let thirds = join_all(opening.collect()).await?;
    let depth = thirds.iter().fold(a.depth, |d, (_, depth)| d.max(*depth));
    let op = step.op(depth);
    vouchers.check(&op).await?;
    let [x, y] = both::<R>(a);
    let z = thirds.iter().flat_map(|(plane, _)| elements::<R>(plane));
    Ok((x.iter().zip(y).zip(z).map(|((x, y), &z)| x.plus(*y).plus(z)).collect(), op.depth()))
}

/// Verifies all these products, which are the same at all parties, in any order; gives the depth of
/// that knowledge. `own` of the trio tosses the coin.
///
/// # Errors
/// One of them is wrong.
pub(crate) async fn verify<R: Integer>(
    trio: &Trio,
    step: &Step,
    mut products: Vec<Products>,
) -> Result<Depth> {
    products.sort_unstable_by_key(|p| p.id);
    let terms: usize = products.iter().map(Products::terms).sum();
    if terms == 0 {
        return Ok(Depth::ZERO);
    }
    let masks = trio.random(step, Form::numbers::<R>(2 * terms));
    let (a, b) = (masks.slice(0..terms), masks.slice(terms..2 * terms));
    let made = products.iter().fold(Depth::ZERO, |d, p| d.max(p.z.depth));
    let op = step.op(made);
    let c = trio.products::<R>(&op, PRODUCT, Shape::Rows(terms), &a, &b).await?;
    let op = step.op(c.depth);
    let coin = coin::toss(&op, &trio.own).await?;
    let needed = products.iter().map(|p| p.shape.factors(p.z.len())).sum();
    let words = op.stream(&coin, 0).words(needed);
    let factors: Vec<R> = words.iter().map(|&w| R::from_i128(w.into())).collect();
    let mut z = [R::zeroed(); 2];
    let component = |i: usize, z: &mut R| {
        plane(Unit::Words(R::WORDS), 2 * terms, |out: &mut [R]| {
            let (mut x, mut y) = out.split_at_mut(terms);
            let mut factors = &factors[..];
            for p in &products {
                let (mine, rest) = factors.split_at(p.shape.factors(p.z.len()));
                let (x_now, x_rest) = std::mem::take(&mut x).split_at_mut(p.terms());
                let (y_now, y_rest) = std::mem::take(&mut y).split_at_mut(p.terms());
                p.claim(i, mine, x_now, y_now, z);
                (x, y, factors) = (x_rest, y_rest, rest);
            }
        })
    };
    let claim = [0, 1].map(|i| component(i, &mut z[i]));
    drop(products);
    let claim = Shares::new(claim.into(), op.depth());
    let (opened, depth) = opened::<R>(trio, step, &zip::<R>(&claim, &masks, R::plus)).await?;
    let (rho, sigma) = opened.split_at(terms);
    let rest = |i: usize| {
        let mut taken = z[i];
        simd::dot(&mut taken, rho, elements(b.plane(i)));
        simd::dot(&mut taken, sigma, elements(a.plane(i)));
        let mut given = elements::<R>(c.plane(i))[0];
        if trio.plane_of(0) == Some(i) {
            simd::dot(&mut given, rho, sigma);
        }
        plane(Unit::Words(R::WORDS), 1, |out: &mut [R]| out[0] = given.minus(taken))
    };
    let rest = Shares::new(vec![rest(0), rest(1)], depth);
    zero::<R>(trio, step, REST, &rest).await
}

/// Opens one element, which must be 0.
pub(crate) async fn zero<R: Ring>(
    trio: &Trio,
    step: &Step,
    label: Label,
    rest: &Shares,
) -> Result<Depth> {
    let op = step.op(rest.depth);
    let opened = trio.opened_twice::<R>(&op, label, Form::numbers::<R>(1), rest).await?;
    security_check!(
        "rep3.products.integers",
        bytemuck::cast_slice::<R, u8>(&opened).iter().all(|&byte| byte == 0),
        Error::CheckFailed { what: "products of integers" }
    );
    Ok(op.depth())
}

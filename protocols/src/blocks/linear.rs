//! Sums, running sums, sums of products and matrix products from element-wise verbs.

use mpc_runtime::{Depth, Result, Step, join_all};

use crate::Protocol;
use crate::algebra::contraction::Contraction;
use crate::protocol::Fut;
use crate::value::{Clear, Shares};

/// Columns `from..to` of rows of `width`.
fn columns(a: &Shares, width: usize, from: usize, to: usize) -> Shares {
    let part = to - from;
    a.pick(a.len() / width * part, |i| i / part * width + from + i % part)
}

/// `n` zeros.
async fn zeros(p: &dyn Protocol, step: &Step, n: usize) -> Result<Shares> {
    p.public(step, &Clear::new(vec![0; n], Depth::ZERO)).await
}

/// `Σ_j a[i·inner + j]`, by halving: log2(inner) levels of additions.
pub async fn sum(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    inner: usize,
    bits: u32,
) -> Result<Shares> {
    assert!(inner > 0, "sums over nothing are made by the machine");
    let (mut rows, mut width) = (a.clone(), inner);
    while width > 1 {
        let half = width / 2;
        let (left, right) = (columns(&rows, width, 0, half), columns(&rows, width, half, 2 * half));
        let halved = p.add(step, &left, &right, bits).await?;
        if width.is_multiple_of(2) {
            (rows, width) = (halved, half);
            continue;
        }
        let last = columns(&rows, width, width - 1, width);
        let n = last.len();
        let both = Shares::concat(&[halved, last]);
        rows = both.pick(n * (half + 1), |i| match (i / (half + 1), i % (half + 1)) {
            (row, column) if column == half => n * half + row,
            (row, column) => row * half + column,
        });
        width = half + 1;
    }
    Ok(rows)
}

/// Running sums within rows of `inner`: log2(inner) levels, each adding what lies `2^l` places before.
pub async fn prefix(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    inner: usize,
    bits: u32,
) -> Result<Shares> {
    let (mut rows, mut reach) = (a.clone(), 1);
    while reach < inner {
        let behind = columns(&rows, inner, reach, inner);
        let before = columns(&rows, inner, 0, inner - reach);
        let added = p.add(step, &behind, &before, bits).await?;
        let n = rows.len();
        let both = Shares::concat(&[rows, added]);
        rows = both.pick(n, |i| match (i / inner, i % inner) {
            (_, column) if column < reach => i,
            (row, column) => n + row * (inner - reach) + column - reach,
        });
        reach *= 2;
    }
    Ok(rows)
}

/// `Σ_j a[i·inner + j]·b[i·inner + j]`.
pub async fn dot(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    b: &Shares,
    inner: usize,
    bits: u32,
) -> Result<Shares> {
    let products = p.mul(step, a, b, bits).await?;
    p.sum(step, &products, inner, bits).await
}

/// `trunc` of inner products.
///
/// # Errors
/// Those of the protocol.
pub async fn dot_trunc(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    b: &Shares,
    inner: usize,
    bits: u32,
    shift: u32,
) -> Result<Shares> {
    let sums = p.dot(step, a, b, inner, bits).await?;
    p.trunc(step, &sums, bits, shift).await
}

/// Index of the left operand for each product of a matrix product, inner index fastest.
fn left(i: usize, (_, inner, cols): (usize, usize, usize)) -> usize {
    i / (inner * cols) * inner + i % inner
}

/// Index of the right operand for each product of a matrix product, inner index fastest.
fn right(i: usize, (_, inner, cols): (usize, usize, usize)) -> usize {
    i % inner * cols + i / inner % cols
}

/// The factors of all products of a matrix product, inner index fastest.
pub fn factors(a: &Shares, b: &Shares, size: (usize, usize, usize)) -> [Shares; 2] {
    let n = size.0 * size.1 * size.2;
    [a.pick(n, |i| left(i, size)), b.pick(n, |i| right(i, size))]
}

/// `a·b`; `size` = (rows, inner, cols).
pub async fn matmul(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    b: &Shares,
    size: (usize, usize, usize),
    bits: u32,
) -> Result<Shares> {
    let (rows, inner, cols) = size;
    if inner == 0 {
        return zeros(p, step, rows * cols).await;
    }
    let [a, b] = factors(a, b, size);
    p.dot(step, &a, &b, inner, bits).await
}

/// `a·b`, `b` clear; `size` = (rows, inner, cols).
pub async fn matmul_clear(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    b: &Clear,
    size: (usize, usize, usize),
    bits: u32,
) -> Result<Shares> {
    let (rows, inner, cols) = size;
    if inner == 0 {
        return zeros(p, step, rows * cols).await;
    }
    let n = rows * inner * cols;
    let (a, b) = (a.pick(n, |i| left(i, size)), b.pick(n, |i| right(i, size)));
    let products = p.mul_clear(step, &a, &b, bits).await?;
    p.sum(step, &products, inner, bits).await
}

/// Products of matrices that are views, each a matrix product of copies.
///
/// # Errors
/// Those of the protocol.
pub async fn contract(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    b: &Shares,
    of: &Contraction,
    bits: u32,
) -> Result<Shares> {
    let (rows, inner, cols) = of.size();
    if inner == 0 || of.is_empty() {
        return zeros(p, step, of.len()).await;
    }
    let factors = |batch: usize| {
        let left = a.pick(rows * inner, |i| of.left(batch, i));
        let right = b.pick(inner * cols, |i| of.right(batch, i));
        (left, right)
    };
    if of.batch == 1 {
        let (left, right) = factors(0);
        return p.matmul(step, &left, &right, of.size(), bits).await;
    }
    let forks = step.forks(of.batch);
    let products = forks.iter().enumerate().map(|(batch, fork)| {
        let (left, right) = factors(batch);
        Box::pin(async move { p.matmul(fork, &left, &right, of.size(), bits).await }) as Fut<'_>
    });
    Ok(Shares::concat(&join_all(products.collect()).await?))
}

/// As [`contract`], one operand clear: the right one, or the left one if `turned`. A·B = (Bᵀ·Aᵀ)ᵀ.
///
/// # Errors
/// Those of the protocol.
pub async fn contract_clear(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    c: &Clear,
    of: &Contraction,
    turned: bool,
    bits: u32,
) -> Result<Shares> {
    let (rows, inner, cols) = of.size();
    if inner == 0 || of.is_empty() {
        return zeros(p, step, of.len()).await;
    }
    let factors = |batch: usize| {
        if turned {
            let at = |i: usize| of.right(batch, transposed(i, inner, cols));
            let left = a.pick(inner * cols, at);
            let at = |i: usize| of.left(batch, transposed(i, rows, inner));
            return (left, c.pick(rows * inner, at));
        }
        let left = a.pick(rows * inner, |i| of.left(batch, i));
        (left, c.pick(inner * cols, |i| of.right(batch, i)))
    };
    let forks = step.forks(of.batch);
    let products = forks.iter().enumerate().map(|(batch, fork)| {
        let (left, right) = factors(batch);
        Box::pin(async move {
            if !turned {
                return p.matmul_clear(fork, &left, &right, of.size(), bits).await;
            }
            let product = p.matmul_clear(fork, &left, &right, (cols, inner, rows), bits).await?;
            Ok(product.pick(rows * cols, |i| transposed(i, cols, rows)))
        }) as Fut<'_>
    });
    Ok(Shares::concat(&join_all(products.collect()).await?))
}

/// Where element `i` of the transpose of a matrix stands in it, both row-major.
fn transposed(i: usize, rows: usize, cols: usize) -> usize {
    i % rows * cols + i / rows
}

/// `trunc` of [`contract`].
///
/// # Errors
/// Those of the protocol.
pub async fn contract_trunc(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    b: &Shares,
    of: &Contraction,
    bits: u32,
    shift: u32,
) -> Result<Shares> {
    let sums = p.contract(step, a, b, of, bits).await?;
    p.trunc(step, &sums, bits, shift).await
}

//! Carries in logarithmic depth: all levels of a tree are one vector conjunction each.
//!
//! Bit `j` *generates* a carry (`g`), *propagates* one (`e`), or neither; never both. Two neighbouring
//! groups combine as `g = g_hi ⊕ e_hi ∧ g_lo`, `e = e_hi ∧ e_lo`.

use mpc_runtime::{Result, Step};

use super::wires::{Wires, clear_rows};
use crate::Protocol;
use crate::value::{ClearBits, ClearVec, Shares};

/// Carry out of all rows, and whether all propagate, by a tree: `ceil(log2(width))` rounds. The second
/// is computed only if `propagate`.
///
/// # Errors
/// Those of the protocol.
pub async fn out(
    p: &dyn Protocol,
    step: &Step,
    g: &Wires,
    e: &Wires,
    propagate: bool,
) -> Result<(Shares, Option<Shares>)> {
    let (mut g, mut e) = (g.clone(), e.clone());
    while g.width() > 1 {
        let pairs = g.width() / 2;
        let (low, high): (Vec<_>, Vec<_>) = (0..pairs).map(|i| (2 * i, 2 * i + 1)).unzip();
        let first = usize::from(!propagate);
        let left = Wires::stack(&[e.pick(&high), e.pick(&high[first..])]);
        let right = Wires::stack(&[g.pick(&low), e.pick(&low[first..])]);
        let both = Wires::and(p, step, &left, &right).await?;
        let carried = both.range(0, pairs);
        let mut next_g = Wires::xor_disjoint(p, step, &g.pick(&high), &carried).await?;
        let mut next_e = both.range(pairs, both.width());
        if !propagate {
            // The lowest group's propagation is never asked for; any row keeps its place.
            next_e = Wires::stack(&[e.range(0, 1), next_e]);
        }
        if !g.width().is_multiple_of(2) {
            let last = g.width() - 1;
            next_g = Wires::stack(&[next_g, g.range(last, last + 1)]);
            next_e = Wires::stack(&[next_e, e.range(last, last + 1)]);
        }
        (g, e) = (next_g, next_e);
    }
    Ok((g.row(0), propagate.then(|| e.row(0))))
}

/// Carry out of rows `0..=i`, for every `i`: Sklansky 1960, `ceil(log2(width))` rounds.
///
/// # Errors
/// Those of the protocol.
pub async fn prefix(p: &dyn Protocol, step: &Step, g: &Wires, e: &Wires) -> Result<Wires> {
    let (mut g, mut e) = (g.clone(), e.clone());
    let width = g.width();
    let mut level = 0;
    while 1 << level < width {
        let pivot = |i: &usize| (i >> level << level) - 1;
        let rows: Vec<usize> = (0..width).filter(|i| i >> level & 1 == 1).collect();
        let inner: Vec<usize> = rows.iter().copied().filter(|i| i >> (level + 1) > 0).collect();
        let pivots: Vec<usize> = rows.iter().map(pivot).collect();
        let inner_pivots: Vec<usize> = inner.iter().map(pivot).collect();
        let left = Wires::stack(&[e.pick(&rows), e.pick(&inner)]);
        let right = Wires::stack(&[g.pick(&pivots), e.pick(&inner_pivots)]);
        let both = Wires::and(p, step, &left, &right).await?;
        let carried = both.range(0, rows.len());
        let changed = Wires::xor_disjoint(p, step, &g.pick(&rows), &carried).await?;
        g = replace(&g, &rows, &changed);
        e = replace(&e, &inner, &both.range(rows.len(), both.width()));
        level += 1;
    }
    Ok(g)
}

/// Row `rows[i]` becomes row `i` of `by`; the rest stays.
pub(super) fn replace(w: &Wires, rows: &[usize], by: &Wires) -> Wires {
    let mut from: Vec<usize> = (0..w.width()).collect();
    rows.iter().enumerate().for_each(|(i, &row)| from[row] = w.width() + i);
    Wires::stack(&[w.clone(), by.clone()]).pick(&from)
}

/// Where `c - r` borrows: generates where the bit of `c` is 0 and that of `r` is 1, propagates where
/// they are equal. Local.
///
/// # Errors
/// Those of the protocol.
pub async fn borrow_inputs(
    p: &dyn Protocol,
    step: &Step,
    c: &ClearVec<u128>,
    r: &Wires,
) -> Result<(Wires, Wires)> {
    let inverse: ClearBits = clear_rows(c, r.width(), |x: u128, j| x >> j & 1 == 0);
    let with = |bits| Wires::new(bits, r.lanes(), r.width());
    let g = with(p.and_clear(step, r.bits(), &inverse).await?);
    let e = with(p.xor_clear(step, r.bits(), &inverse).await?);
    Ok((g, e))
}

/// `c < r`, both of `r.width()` bits, without sign.
///
/// # Errors
/// Those of the protocol.
pub async fn less_than_shared(
    p: &dyn Protocol,
    step: &Step,
    c: &ClearVec<u128>,
    r: &Wires,
) -> Result<Shares> {
    if r.width() == 0 {
        return p.public_bits(step, &ClearBits::new(vec![false; r.lanes()], c.depth)).await;
    }
    let (g, e) = borrow_inputs(p, step, c, r).await?;
    Ok(out(p, step, &g, &e, false).await?.0)
}

/// Conjunction of all rows: `ceil(log2(width))` rounds.
///
/// # Errors
/// Those of the protocol.
pub async fn all(p: &dyn Protocol, step: &Step, rows: &Wires) -> Result<Shares> {
    let mut rows = rows.clone();
    while rows.width() > 1 {
        let half = rows.width() / 2;
        let (left, right) = (rows.range(0, half), rows.range(half, 2 * half));
        let both = Wires::and(p, step, &left, &right).await?;
        rows = Wires::stack(&[both, rows.range(2 * half, rows.width())]);
    }
    Ok(rows.into_bits())
}

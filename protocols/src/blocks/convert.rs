//! Between bits and numbers.

use mpc_runtime::{Depth, Result, Step};

use super::carry;
use super::circuits;
use super::mask::{
    Low, bits_are_numbers, constant, edabit, has_edabits, low_bits, public_wide, scale,
};
use super::split;
use super::wires::{Wires, clear_rows};
use crate::prepared::prepared;
use crate::protocol::{Domain, Protocol};
use crate::value::{Clear, ClearVec, Shares};

/// `b + cond·(a - b)`.
pub async fn select(
    p: &dyn Protocol,
    step: &Step,
    cond: &Shares,
    a: &Shares,
    b: &Shares,
    bits: u32,
) -> Result<Shares> {
    let number = p.from_bits(step, cond).await?;
    let difference = p.sub(step, a, b, bits + 1).await?;
    let product = p.mul(step, &number, &difference, bits + 1).await?;
    p.add(step, &product, b, bits).await
}

/// `Σ_j 2^j·a[i·k + j]`, the top bit negative if `signed`.
pub async fn compose(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    k: u32,
    signed: bool,
) -> Result<Shares> {
    if k >= MASKED_BITS && has_edabits(p) {
        return composed_by_mask(p, step, a, k, signed).await;
    }
    let numbers = p.from_bits(step, a).await?;
    weighed(p, step, &numbers, k, signed).await
}

/// From so many bits on one mask with its bits, and an adder, cost less than a mask for each bit.
const MASKED_BITS: u32 = 8;

/// `x = c - r + 2^k·carry` for `c = (x + r) mod 2^k`, opened, and r of known bits.
async fn composed_by_mask(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    k: u32,
    signed: bool,
) -> Result<Shares> {
    let (width, n) = (k as usize, a.len() / k as usize);
    let x = Wires::from_elements(a, width);
    let r = prepared(step, async |prep| edabit(p, prep, n, k).await).await?;
    let zeros = Wires::zeros(p, step, n).await?;
    let wider = |bits: &Wires| Wires::stack(&[bits.clone(), zeros.clone()]);
    let sum = circuits::add(p, step, &wider(&x), &wider(&r.bits), false).await?;
    let c = p.open_bits(step, sum.range(0, width).bits(), None).await?;
    let c = c.map(n, |bits| {
        let bit = |i: usize, row: usize| u128::from(bits[row * n + i]) << row;
        (0..n).map(|i| [(0..width).fold(0, |c, row| c | bit(i, row)), 0]).collect()
    });
    let bits = k + u32::from(!signed);
    let c = public_wide(p, step, &c, 0, k + 1).await?;
    let rest = p.sub(step, &c, &r.number, bits).await?;
    if matches!(p.domain(), Domain::Ring { bits } if bits == k) {
        return Ok(rest);
    }
    let carry = sum.row(width);
    let above = if signed { vec![carry, x.row(width - 1)] } else { vec![carry] };
    let above = p.from_bits(step, &Shares::concat(&above)).await?;
    let mut carry = above.slice(0..n);
    if signed {
        carry = p.sub(step, &carry, &above.slice(n..2 * n), 2).await?;
    }
    let carry = scale(p, step, &carry, k, k + 2).await?;
    p.add(step, &rest, &carry, bits).await
}

/// As [`compose`], of numbers 0 and 1.
pub(super) async fn weighed(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    k: u32,
    signed: bool,
) -> Result<Shares> {
    let weight = |j: u32| if signed && j + 1 == k { (1_i128 << j).wrapping_neg() } else { 1 << j };
    let weights: Vec<i128> = (0..a.len()).map(|i| weight(i as u32 % k)).collect();
    let bits = k + u32::from(!signed);
    let weighed = p.mul_clear(step, a, &Clear::new(weights, Depth::ZERO), bits).await?;
    p.sum(step, &weighed, k as usize, bits).await
}

/// `a ⊕ b`.
pub async fn xor_disjoint(p: &dyn Protocol, step: &Step, a: &Shares, b: &Shares) -> Result<Shares> {
    p.xor(step, a, b).await
}

/// Numbers that are known to be 0 or 1 as bits.
pub async fn as_bits(p: &dyn Protocol, step: &Step, a: &Shares) -> Result<Shares> {
    p.decompose(step, a, 1, 2).await
}

/// The low `k` bits of two's complement, element by element; `bits` bounds `a`. They are those of
/// `c - r` for `c = (a + r) mod 2^m`, `m` the smaller of `k` and `bits`; a longer result repeats the sign.
///
/// # Errors
/// Those of the protocol.
pub async fn decompose(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    k: u32,
    bits: u32,
) -> Result<Shares> {
    let width = k.min(bits);
    let rows = match p.addends() {
        0 => masked_bits(p, step, a, width, bits).await?,
        _ => split::decompose(p, step, a, width).await?,
    };
    let top = width as usize - 1;
    let extended: Vec<usize> = (0..k as usize).map(|j| j.min(top)).collect();
    Ok(rows.pick(&extended).to_elements())
}

/// The low `width` bits, by a masked opening.
async fn masked_bits(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    width: u32,
    bits: u32,
) -> Result<Wires> {
    let Low { c, r } = low_bits(p, step, a, bits, width).await?;
    let (g, e) = carry::borrow_inputs(p, step, &c, &r.bits).await?;
    match bits_are_numbers(p) {
        false => free_xor_bits(p, step, &g, &e).await,
        true => field_bits(p, step, &c, &r.bits, &g, &e).await,
    }
}

/// Bits of `c - r` where exclusive or is free: `c ⊕ r ⊕ borrow`.
async fn free_xor_bits(p: &dyn Protocol, step: &Step, g: &Wires, e: &Wires) -> Result<Wires> {
    let width = g.width();
    // e = ¬(c ⊕ r).
    let half = Wires::not(p, step, e).await?;
    if width == 1 {
        return Ok(half);
    }
    let below = width - 1;
    let borrows = carry::prefix(p, step, &g.range(0, below), &e.range(0, below)).await?;
    let upper = Wires::xor(p, step, &half.range(1, width), &borrows).await?;
    Ok(Wires::stack(&[half.range(0, 1), upper]))
}

/// Bits of `c - r` where bits are numbers: `c_j - r_j - borrow_j + 2·borrow_(j+1)`, which is linear.
async fn field_bits(
    p: &dyn Protocol,
    step: &Step,
    c: &ClearVec<u128>,
    r: &Wires,
    g: &Wires,
    e: &Wires,
) -> Result<Wires> {
    let (lanes, width) = (r.lanes(), r.width());
    let out = carry::prefix(p, step, g, e).await?;
    let into = Wires::stack(&[Wires::zeros(p, step, lanes).await?, out.range(0, width - 1)]);
    let forks = [r.bits(), into.bits(), out.bits()];
    let all = p.from_bits(step, &Shares::concat(&forks.map(Shares::clone))).await?;
    let n = lanes * width;
    let (r, into, out) = (all.slice(0..n), all.slice(n..2 * n), all.slice(2 * n..3 * n));
    let twice = p.mul_clear(step, &out, &constant(2), 3).await?;
    let rest = p.sub(step, &twice, &r, 3).await?;
    let rest = p.sub(step, &rest, &into, 3).await?;
    let c = clear_rows(c, width, |c: u128, j| c >> j & 1 == 1);
    let c = c.map(n, |v| v.iter().map(|&b| i128::from(b)).collect());
    let bits = p.add_clear(step, &rest, &c, 2).await?;
    Ok(Wires::new(p.as_bits(step, &bits).await?, lanes, width))
}

//! Between bits and numbers.

use mpc_runtime::{Depth, Result, Step};

use crate::Protocol;
use crate::value::{Clear, Shares};

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
    let numbers = p.from_bits(step, a).await?;
    let weight = |j: u32| if signed && j + 1 == k { (1_i128 << j).wrapping_neg() } else { 1 << j };
    let weights: Vec<i128> = (0..a.len()).map(|i| weight(i as u32 % k)).collect();
    let bits = k + u32::from(!signed);
    let weighed = p.mul_clear(step, &numbers, &Clear::new(weights, Depth::ZERO), bits).await?;
    p.sum(step, &weighed, k as usize, bits).await
}

/// `n` numbers uniform in `[0, 2^bits)`.
pub async fn random(p: &dyn Protocol, step: &Step, n: usize, bits: u32) -> Result<Shares> {
    let preprocessing = step.preprocessing();
    let random = p.random_bits(&preprocessing, n * bits as usize).await?;
    p.compose(&preprocessing, &random, bits, false).await
}

/// Numbers that are known to be 0 or 1 as bits.
pub async fn as_bits(p: &dyn Protocol, step: &Step, a: &Shares) -> Result<Shares> {
    p.decompose(step, a, 1, 2).await
}

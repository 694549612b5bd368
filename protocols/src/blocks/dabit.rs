//! daBits: random bits that are shared twice, as bits and as numbers. They turn bits into numbers:
//! with `c = a ⊕ r` opened, `a = c + (1 - 2c)·r`, which is linear in the number `r`.
//!
//! As many dealers as could be corrupted and one more each learn some random bits and share them as
//! numbers; the daBit is the exclusive or of theirs. Parties follow the protocol: nothing here makes
//! a dealer share the number that equals its bit, so a scheme against cheaters brings its own way
//! from bits to numbers.
//! Source: Rotaru, Wood 2019, eprint 2019/207, without the check.

use mpc_runtime::{Depth, Party, Result, Step, join_all};

use super::split;
use crate::cost::{Call, Verb};
use crate::prepared::{prepared, prepared_fields};
use crate::protocol::Protocol;
use crate::value::{Clear, ClearBits, Shares};

/// Random bits that nobody knows.
#[derive(Clone)]
pub struct DaBits {
    /// As bits.
    pub bits: Shares,
    /// As numbers 0 and 1.
    pub numbers: Shares,
}

prepared_fields!(DaBits { bits, numbers });

/// Whether the scheme has a way of its own from bits to numbers.
pub fn converts(p: &dyn Protocol) -> bool {
    let call = Call { verb: Verb::FromBits, len: 1, bits: 1, whole: 0 };
    p.addends() > 0 || p.cost(&call).is_some()
}

/// `n` daBits: random bits, converted if the scheme can do that by itself.
///
/// # Errors
/// Those of the protocol.
pub async fn dabits(p: &dyn Protocol, step: &Step, n: usize) -> Result<DaBits> {
    if converts(p) {
        let bits = p.random_bits(step, n).await?;
        let numbers = p.from_bits(step, &bits).await?;
        return Ok(DaBits { bits, numbers });
    }
    let dealers = p.corrupted(step.parties()) + 1;
    let forks = step.forks(dealers);
    let dealt = forks.iter().enumerate().map(|(dealer, fork)| {
        Box::pin(dealt(p, fork, dealer, n)) as std::pin::Pin<Box<dyn Future<Output = _>>>
    });
    let mut parts = join_all(dealt.collect()).await?;
    while parts.len() > 1 {
        parts = joined(p, step, &parts).await?;
    }
    Ok(parts.remove(0))
}

/// Random bits that `dealer` has learnt, as numbers too.
async fn dealt(p: &dyn Protocol, step: &Step, dealer: Party, n: usize) -> Result<DaBits> {
    let bits = p.random_bits(step, n).await?;
    let known = p.open_bits(step, &bits, Some(dealer)).await?;
    let numbers = p.share(step, dealer, &as_numbers(&known), 2).await?;
    Ok(DaBits { bits, numbers })
}

/// Exclusive or of the first half of `parts` with the second, an odd one kept.
async fn joined(p: &dyn Protocol, step: &Step, parts: &[DaBits]) -> Result<Vec<DaBits>> {
    let half = parts.len() / 2;
    let (left, right) = (stacked(&parts[..half]), stacked(&parts[half..2 * half]));
    let bits = p.xor(step, &left.bits, &right.bits).await?;
    let numbers = exclusive_or(p, step, &left.numbers, &right.numbers).await?;
    let n = parts[0].bits.len();
    let one = |i: usize| DaBits {
        bits: bits.slice(i * n..(i + 1) * n),
        numbers: numbers.slice(i * n..(i + 1) * n),
    };
    Ok((0..half).map(one).chain(parts[2 * half..].iter().cloned()).collect())
}

/// `x ⊕ y` of numbers 0 and 1: `x + y - 2xy`.
///
/// # Errors
/// Those of the protocol.
pub async fn exclusive_or(p: &dyn Protocol, step: &Step, x: &Shares, y: &Shares) -> Result<Shares> {
    let both = p.mul(step, x, y, 2).await?;
    let sum = p.add(step, x, y, 3).await?;
    let twice = p.add(step, &both, &both, 3).await?;
    p.sub(step, &sum, &twice, 2).await
}

fn stacked(parts: &[DaBits]) -> DaBits {
    let all = |of: fn(&DaBits) -> &Shares| {
        Shares::concat(&parts.iter().map(|part| of(part).clone()).collect::<Vec<_>>())
    };
    DaBits { bits: all(|part| &part.bits), numbers: all(|part| &part.numbers) }
}

fn as_numbers(bits: &ClearBits) -> Clear {
    bits.map(bits.len(), |v| v.iter().map(|&b| i128::from(b)).collect())
}

/// Bits as numbers 0 and 1.
///
/// # Errors
/// Those of the protocol.
pub async fn from_bits(p: &dyn Protocol, step: &Step, a: &Shares) -> Result<Shares> {
    if p.addends() > 0 {
        return split::from_bits(p, step, a).await;
    }
    let r = prepared(step, async |prep| dabits(p, prep, a.len()).await).await?;
    let hidden = p.xor(step, a, &r.bits).await?;
    let c = p.open_bits(step, &hidden, None).await?;
    xor_clear(p, step, &r.numbers, &c).await
}

/// `r ⊕ c` of numbers 0 and 1, `c` clear: `c + (1 - 2c)·r`.
///
/// # Errors
/// Those of the protocol.
pub async fn xor_clear(p: &dyn Protocol, step: &Step, r: &Shares, c: &ClearBits) -> Result<Shares> {
    let c = as_numbers(c);
    let sign = c.zip(&Clear::new(vec![1], Depth::ZERO), |c, one| one - 2 * c);
    let signed = p.mul_clear(step, r, &sign, 2).await?;
    p.add_clear(step, &signed, &c, 2).await
}

//! Shifts to the right, and reduction modulo powers of two.
//!
//! With `c = x + r` opened, `r` random and its low `m` bits known,
//! `floor(x / 2^m) = floor(c / 2^m) - floor(r / 2^m) - [c mod 2^m < r mod 2^m]`
//! over the integers; the last term takes a comparison of a public with a shared number. Without it the
//! result is `floor(x / 2^m)` or one more, the probability of the latter being the fraction cut off.
//! Source: Catrina, de Hoogh 2010; in rings Escudero et al. 2020, eprint 2020/338, Section 5.

use std::pin::Pin;

use mpc_runtime::{Result, Step, join_all};

use super::carry;
use super::dabit::{self, dabits};
use super::mask::{
    constant, edabit, integer_masks, low, no_masks, ones, open_integer, open_low, public_wide,
    raise, scale, shift_wide,
};
use super::split;
use super::wires::{Wires, clear_rows};
use crate::cost::Truncation;
use crate::prepared::prepared;
use crate::protocol::{Domain, Protocol};
use crate::value::{Clear, ClearVec, Shares};

/// `floor((a + 2^(shift-1)) / 2^shift)` in the mode of the session; `bits` bounds `a`.
///
/// # Errors
/// Those of the protocol.
pub async fn nearest(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    bits: u32,
    shift: u32,
) -> Result<Shares> {
    if shift == 0 {
        return Ok(a.clone());
    }
    if shift >= bits {
        // |a| <= 2^(shift-1), and only -2^(shift-1) + 2^(shift-1) = 0 meets the edge.
        return zeros(p, step, a).await;
    }
    let exact = p.truncation() == Truncation::Exact;
    match p.domain() {
        Domain::Prime { .. } if exact => field(p, step, a, bits, shift, Rounding::Nearest).await,
        Domain::Prime { .. } => field(p, step, a, bits, shift, Rounding::Random).await,
        Domain::Ring { bits: ring } if bits < ring && !exact && p.addends() > 0 => {
            split::shift(p, step, a, (bits, shift), ring, false).await
        }
        Domain::Ring { bits: ring } if bits < ring && !exact => {
            ring_random(p, step, a, bits, shift, ring).await
        }
        Domain::Ring { bits: ring } if bits < ring => {
            let half = constant(1 << (shift - 1));
            let raised = p.add_clear(step, a, &half, bits + 1).await?;
            p.shift_right(step, &raised, bits + 1, shift).await
        }
        Domain::Ring { .. } => {
            // There is no room to add a half: floor, plus the highest bit cut off.
            let forks = step.forks(2);
            let floor = p.shift_right(&forks[0], a, bits, shift);
            let cut = p.decompose(&forks[1], a, shift, bits);
            let both = join_all(vec![floor, cut]).await?;
            let k = shift as usize;
            let carry = both[1].pick(a.len(), |i| i * k + k - 1);
            let carry = p.from_bits(step, &carry).await?;
            p.add(step, &both[0], &carry, bits - shift + 1).await
        }
        Domain::Binary { .. } => no_masks(),
    }
}

/// `floor(a / 2^shift)`, exactly; `bits` bounds `a`.
///
/// # Errors
/// Those of the protocol.
pub async fn floor(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    bits: u32,
    shift: u32,
) -> Result<Shares> {
    let shift = shift.min(bits - 1);
    if shift == 0 {
        return Ok(a.clone());
    }
    match p.domain() {
        Domain::Prime { .. } => field(p, step, a, bits, shift, Rounding::Floor).await,
        Domain::Ring { bits: ring } if p.addends() > 0 => {
            split::shift(p, step, a, (bits, shift), ring, true).await
        }
        Domain::Ring { bits: ring } => ring_floor(p, step, a, bits, shift, ring).await,
        Domain::Binary { .. } => no_masks(),
    }
}

/// The value in `[-2^(k-1), 2^(k-1))` equal to `a` modulo `2^k`; `bits` bounds `a`.
///
/// # Errors
/// Those of the protocol.
pub async fn wrap(p: &dyn Protocol, step: &Step, a: &Shares, bits: u32, k: u32) -> Result<Shares> {
    // Numbers of a ring are told apart modulo 2^ring only.
    let whole = matches!(p.domain(), Domain::Ring { bits: ring } if k >= ring);
    if k >= bits || whole {
        return Ok(a.clone());
    }
    // With half the range added, the result is that of [0, 2^k), less half the range.
    let half = 1_u128 << (k - 1);
    if let (Domain::Ring { bits: ring }, 1..) = (p.domain(), p.addends()) {
        let x = raise(p, step, a, k - 1, 0, ring).await?;
        let rest = split::low(p, step, &x, k, ring).await?;
        return p.add_clear(step, &rest, &constant(half.wrapping_neg() as i128), k).await;
    }
    let hidden = low(p, step, a, bits, k).await?;
    let c = hidden.c.map(a.len(), |v| v.iter().map(|&c| c.wrapping_add(half) & ones(k)).collect());
    let borrow = carry::less_than_shared(p, step, &c, &hidden.r.bits).await?;
    let borrow = p.from_bits(step, &borrow).await?;
    let whole = scale(p, step, &borrow, k, k + 2).await?;
    let rest = p.sub(step, &whole, &hidden.r.number, k + 2).await?;
    let c = public_wide(p, step, &widened(&c), half, k).await?;
    p.add(step, &c, &rest, k).await
}

fn widened(c: &ClearVec<u128>) -> ClearVec<[u128; 2]> {
    c.map(c.len(), |v| v.iter().map(|&c| [c, 0]).collect())
}

async fn zeros(p: &dyn Protocol, step: &Step, a: &Shares) -> Result<Shares> {
    p.public(step, &Clear::new(vec![0; a.len()], a.depth)).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rounding {
    /// Down.
    Floor,
    /// To the nearest, halves up.
    Nearest,
    /// Down or up, with the probability of the fraction.
    Random,
}

/// All shifts over a prime field; `1 <= m < bits`.
async fn field(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    bits: u32,
    m: u32,
    rounding: Rounding,
) -> Result<Shares> {
    let half = if rounding == Rounding::Nearest { 1_u128 << (m - 1) } else { 0 };
    let x = raise(p, step, a, bits - 1, half, bits + 2).await?;
    let bound = bits + u32::from(half > 0);
    let make = async |prep: &Step| integer_masks(p, prep, a.len(), (bound, m), true).await;
    let mask = prepared(step, make).await?;
    let opened = open_integer(p, step, &x, &mask, bound, m).await?;
    let quotient = opened.sum.map(a.len(), |v| v.iter().map(|&s| shift_wide(s, m)).collect());
    let width = opened.bits - m;
    let quotient = public_wide(p, step, &quotient, 1 << (bits - 1 - m), width).await?;
    let y = p.sub(step, &quotient, &mask.high, width).await?;
    if rounding == Rounding::Random {
        return Ok(y);
    }
    let c = opened.sum.map(a.len(), |v| v.iter().map(|s| s[0] & ones(m)).collect());
    let borrow = carry::less_than_shared(p, step, &c, &mask.low.bits).await?;
    let borrow = p.from_bits(step, &borrow).await?;
    p.sub(step, &y, &borrow, bits - m + 1).await
}

/// `floor(a / 2^m)` in a ring: with `x = a + 2^(bits-1)` and `c = (x + r) mod 2^bits`, a borrow beyond
/// the `bits` opened counts too.
async fn ring_floor(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    bits: u32,
    m: u32,
    ring: u32,
) -> Result<Shares> {
    let make = async |prep: &Step| {
        let low = edabit(p, prep, a.len(), m).await?;
        Ok((low, edabit(p, prep, a.len(), bits - m).await?))
    };
    let (low, high) = prepared(step, make).await?;
    let shifted = scale(p, step, &high.number, m, ring).await?;
    let r = p.add(step, &shifted, &low.number, ring).await?;
    let r_bits = Wires::stack(&[low.bits, high.bits]);
    let lifted = raise(p, step, a, bits - 1, 0, bits + 1).await?;
    let c = open_low(p, step, &lifted, &r, ring, bits).await?;
    let (g, e) = carry::borrow_inputs(p, step, &c, &r_bits).await?;
    let below = |w: &Wires| w.range(0, m as usize);
    let above = |w: &Wires| w.range(m as usize, bits as usize);
    let forks = step.forks(2);
    let (g, e) = ((below(&g), above(&g)), (below(&e), above(&e)));
    let parts = join_all(vec![
        Box::pin(carry::out(p, &forks[0], &g.0, &e.0, false)) as Pending<'_>,
        Box::pin(carry::out(p, &forks[1], &g.1, &e.1, true)),
    ])
    .await?;
    let borrow = &parts[0].0;
    let through = p.and(step, parts[1].1.as_ref().expect("asked for"), borrow).await?;
    let beyond = p.xor_disjoint(step, &parts[1].0, &through).await?;
    let both = p.from_bits(step, &Shares::concat(&[borrow.clone(), beyond])).await?;
    let n = a.len();
    let beyond = scale(p, step, &both.slice(n..2 * n), bits - m, ring).await?;
    let correction = p.sub(step, &beyond, &both.slice(0..n), ring).await?;
    let rest = p.sub(step, &correction, &high.number, ring).await?;
    let shifted = c.map(n, |v| v.iter().map(|&c| [c >> m, 0]).collect());
    let shifted = public_wide(p, step, &shifted, 1 << (bits - 1 - m), bits - m).await?;
    p.add(step, &shifted, &rest, bits - m).await
}

type Pending<'a> = Pin<Box<dyn Future<Output = Result<(Shares, Option<Shares>)>> + 'a>>;

/// `floor(a / 2^m)` or one more in a ring with a bit to spare: the highest bit opened tells whether
/// `x + r` overflowed, as in Escudero et al. 2020.
async fn ring_random(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    bits: u32,
    m: u32,
    ring: u32,
) -> Result<Shares> {
    let n = a.len();
    let make = async |prep: &Step| {
        let low = edabit(p, prep, n, m).await?.number;
        let high = edabit(p, prep, n, bits - m).await?.number;
        Ok((dabits(p, prep, n).await?.numbers, (high, low)))
    };
    let (top, (high, low)) = prepared(step, make).await?;
    let r = scale(p, step, &top, bits - m, ring).await?;
    let r = p.add(step, &r, &high, ring).await?;
    let r = scale(p, step, &r, m, ring).await?;
    let r = p.add(step, &r, &low, ring).await?;
    let lifted = raise(p, step, a, bits - 1, 0, bits + 1).await?;
    let c = open_low(p, step, &lifted, &r, ring, bits + 1).await?;
    let opened_top = clear_rows(&c, 1, |c: u128, _| c >> bits & 1 == 1);
    let carry = dabit::xor_clear(p, step, &top, &opened_top).await?;
    let carry = scale(p, step, &carry, bits - m, ring).await?;
    let rest = p.sub(step, &carry, &high, ring).await?;
    let shifted = c.map(n, |v| v.iter().map(|&c| [(c & ones(bits)) >> m, 0]).collect());
    let shifted = public_wide(p, step, &shifted, 1 << (bits - 1 - m), bits - m).await?;
    p.add(step, &shifted, &rest, bits - m + 1).await
}

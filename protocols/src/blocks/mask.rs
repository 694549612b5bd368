//! Masked opening: `x + r` is opened, `r` random with known bits, and circuits on the bits of `r`
//! find what is asked about `x`.
//!
//! In a ring `r` hides `x` perfectly: only the low `m` bits of `x + r` are opened, multiplied to the
//! top of the ring. Over a prime field the sum is one of integers: above its low bits `r` is longer
//! than `x` by σ bits, so that the sum is within 2^-σ of independent of `x`.
//! Source: Damgård, Fitzi, Kiltz, Nielsen, Toft 2006 and Catrina, de Hoogh 2010 (fields); edaBits:
//! Escudero, Ghosh, Keller, Rachuri, Scholl 2020, eprint 2020/338.

use mpc_runtime::{Depth, Error, Result, Step};

use super::convert::weighed;
use super::dabit::{self, DaBits};
use super::wires::Wires;
use crate::cost::{Call, Verb};
use crate::prepared::{prepared, prepared_fields};
use crate::protocol::{Domain, Protocol};
use crate::value::{Clear, ClearBits, ClearVec, Shares};

/// The low `bits` bits set.
pub fn ones(bits: u32) -> u128 {
    if bits >= 128 { u128::MAX } else { (1 << bits) - 1 }
}

/// One public number for all elements.
pub fn constant(x: i128) -> Clear {
    Clear::new(vec![x], Depth::ZERO)
}

/// Numbers in `[0, 2^bits)`, to all, by the opening of numbers that fit 127 bits.
///
/// # Errors
/// `bits` above 127 outside rings; such a scheme brings its own.
pub async fn open_wide(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    bits: u32,
) -> Result<ClearVec<[u128; 2]>> {
    let bound = match p.domain() {
        Domain::Ring { bits } => bits,
        Domain::Prime { .. } | Domain::Binary { .. } => bits + 1,
    };
    if bound > 128 {
        return Err(Error::Program(format!("numbers of {bits} bits cannot be opened")));
    }
    let opened = p.open(step, a, None, bound).await?;
    Ok(opened.map(a.len(), |v| v.iter().map(|&x| [x as u128 & ones(bits), 0]).collect()))
}

/// Whether the scheme makes numbers with their bits by itself: then bits are cheap beside its numbers.
pub fn has_edabits(p: &dyn Protocol) -> bool {
    let verb = Verb::EdaBits { k: 1, exact: false };
    p.cost(&Call { verb, len: 1, bits: 1, whole: 0 }).is_some()
}

/// Whether shared bits are the numbers 0 and 1 of a field, so that an exclusive or takes a product.
pub fn bits_are_numbers(p: &dyn Protocol) -> bool {
    matches!(p.domain(), Domain::Prime { .. }) && !has_edabits(p)
}

/// Uniform numbers of some bits, with their bits.
pub struct EdaBit {
    /// The numbers, without sign.
    pub number: Shares,
    /// Their bits, as rows.
    pub bits: Wires,
}

prepared_fields!(EdaBit { number, bits });

/// `n` uniform numbers of `width` bits, with their bits.
///
/// # Errors
/// Those of the protocol.
pub async fn edabit(p: &dyn Protocol, step: &Step, n: usize, width: u32) -> Result<EdaBit> {
    let w = width as usize;
    if w == 0 {
        let number = p.public(step, &Clear::new(vec![0; n], Depth::ZERO)).await?;
        let none = p.public_bits(step, &ClearBits::new(vec![], Depth::ZERO)).await?;
        return Ok(EdaBit { number, bits: Wires::new(none, n, 0) });
    }
    if let Some(made) = p.edabits(step, n, width, true) {
        return with_rows(made.await?, n, w);
    }
    if dabit::converts(p) {
        let bits = Wires::new(p.random_bits(step, n * w).await?, n, w);
        let number = p.compose(step, &bits.to_elements(), width, false).await?;
        return Ok(EdaBit { number, bits });
    }
    let DaBits { bits, numbers } = dabit::dabits(p, step, n * w).await?;
    let by_number = numbers.pick(n * w, |at| at % w * n + at / w);
    let number = weighed(p, step, &by_number, width, false).await?;
    Ok(EdaBit { number, bits: Wires::new(bits, n, w) })
}

fn with_rows([number, bits]: [Shares; 2], n: usize, width: usize) -> Result<EdaBit> {
    Ok(EdaBit { number, bits: Wires::new(bits, n, width) })
}

/// As [`edabit`], but the number need only equal its bits modulo `2^width`.
async fn loose(p: &dyn Protocol, step: &Step, n: usize, width: u32) -> Result<EdaBit> {
    let made = if width == 0 { None } else { p.edabits(step, n, width, false) };
    match made {
        Some(made) => with_rows(made.await?, n, width as usize),
        None => edabit(p, step, n, width).await,
    }
}

/// `n` uniform numbers of `bits` bits.
///
/// # Errors
/// Those of the protocol.
pub async fn random(p: &dyn Protocol, step: &Step, n: usize, bits: u32) -> Result<Shares> {
    prepared(step, async |prep| Ok(edabit(p, prep, n, bits).await?.number)).await
}

/// `n` uniform bits, made ahead.
///
/// # Errors
/// Those of the protocol.
pub async fn random_bits(p: &dyn Protocol, step: &Step, n: usize) -> Result<Shares> {
    prepared(step, async |prep| p.random_bits(prep, n).await).await
}

/// `n` uniform numbers of `bits` bits, to hide others.
///
/// # Errors
/// Those of the protocol.
pub async fn mask(p: &dyn Protocol, step: &Step, n: usize, bits: u32) -> Result<Shares> {
    p.random(step, n, bits).await
}

/// Bits of a ring, or an error: binary schemes do all of this by circuits.
///
/// # Errors
/// The domain is neither ring nor field.
pub fn no_masks<T>() -> Result<T> {
    Err(Error::Program("masked opening is for rings and fields".into()))
}

/// `(x + r) mod 2^m`, opened in a ring of `ring` bits.
///
/// # Errors
/// Those of the protocol.
pub async fn open_low(
    p: &dyn Protocol,
    step: &Step,
    x: &Shares,
    r: &Shares,
    ring: u32,
    m: u32,
) -> Result<ClearVec<u128>> {
    let sum = p.add(step, x, r, ring).await?;
    let spare = ring - m;
    let top = if spare == 0 {
        sum
    } else {
        let factor = constant(1_i128.wrapping_shl(spare));
        p.mul_clear(step, &sum, &factor, ring).await?
    };
    let opened = p.open(step, &top, None, ring).await?;
    Ok(opened.map(x.len(), |v| v.iter().map(|&c| (c as u128 & ones(ring)) >> spare).collect()))
}

/// `x + r` as an integer, `x` in `[0, 2^bits)`, `r` an [`IntegerMask`]; opened in a prime field.
pub struct Opened {
    /// `x + r`.
    pub sum: ClearVec<[u128; 2]>,
    /// Bits of the sum.
    pub bits: u32,
}

/// What hides integers: `low` + 2^m·`high`.
pub struct IntegerMask {
    /// `m` uniform bits, and a number that equals them modulo 2^m.
    pub low: EdaBit,
    /// Numbers that are longer by σ bits than what is left of what they hide.
    pub high: Shares,
}

prepared_fields!(IntegerMask { low, high });

/// Bits of an integer of `bits` bits with its mask.
fn masked_bits(p: &dyn Protocol, step: &Step, bits: u32) -> u32 {
    let maskers = p.maskers(step.parties());
    bits + p.stat_sec() + 1 + maskers.next_power_of_two().ilog2()
}

/// Masks for `n` integers in `[0, 2^bits)`, with their low `m` bits. Only if `exact`, the lower number is below 2^m.
///
/// # Errors
/// The field is too small for numbers of that many bits.
pub async fn integer_masks(
    p: &dyn Protocol,
    step: &Step,
    n: usize,
    (bits, m): (u32, u32),
    exact: bool,
) -> Result<IntegerMask> {
    let total = masked_bits(p, step, bits);
    if let Domain::Prime { bits: field } = p.domain()
        && field < total
    {
        return Err(Error::Program(format!(
            "numbers of {bits} bits need a field of {total} bits, the session has {field}"
        )));
    }
    let low = match exact {
        true => edabit(p, step, n, m).await?,
        false => loose(p, step, n, m).await?,
    };
    let high = p.mask(step, n, bits - m + p.stat_sec()).await?;
    Ok(IntegerMask { low, high })
}

/// Opens `x`, which is in `[0, 2^bits)`, with its mask of `m` low bits.
///
/// # Errors
/// Those of the protocol.
pub async fn open_integer(
    p: &dyn Protocol,
    step: &Step,
    x: &Shares,
    mask: &IntegerMask,
    bits: u32,
    m: u32,
) -> Result<Opened> {
    let total = masked_bits(p, step, bits);
    let shifted = scale(p, step, &mask.high, m, total).await?;
    let r = p.add(step, &shifted, &mask.low.number, total).await?;
    let sum = p.add(step, x, &r, total).await?;
    // An error that a cheater put in before need not be as short as what the mask hides.
    let sum = sum.at_depth(step.before_opening().await);
    Ok(Opened { sum: p.open_wide(step, &sum, total).await?, bits: total })
}

/// `x·2^m`, also where `2^m` does not fit a clear number.
///
/// # Errors
/// Those of the protocol.
pub async fn scale(p: &dyn Protocol, step: &Step, x: &Shares, m: u32, bits: u32) -> Result<Shares> {
    let (mut x, mut left) = (x.clone(), m);
    while left > 0 {
        let now = left.min(120);
        x = p.mul_clear(step, &x, &constant(1 << now), bits).await?;
        left -= now;
    }
    Ok(x)
}

/// The low `m` bits of `x` hidden: `c = (x + r) mod 2^m`, `r` of `m` known random bits.
pub struct Low {
    /// The sum, opened.
    pub c: ClearVec<u128>,
    /// The mask.
    pub r: EdaBit,
}

/// Hides and opens the low `m` bits of `x`; `bits` bounds `x`. The mask is below `2^m`.
///
/// # Errors
/// Those of the protocol.
pub async fn low(p: &dyn Protocol, step: &Step, x: &Shares, bits: u32, m: u32) -> Result<Low> {
    hidden_low(p, step, x, (bits, m), true).await
}

/// As [`low`], for those who ask for the bits of the mask only.
///
/// # Errors
/// Those of the protocol.
pub async fn low_bits(p: &dyn Protocol, step: &Step, x: &Shares, bits: u32, m: u32) -> Result<Low> {
    hidden_low(p, step, x, (bits, m), false).await
}

async fn hidden_low(
    p: &dyn Protocol,
    step: &Step,
    x: &Shares,
    (bits, m): (u32, u32),
    exact: bool,
) -> Result<Low> {
    let n = x.len();
    match p.domain() {
        Domain::Ring { bits: ring } => {
            let make = async |prep: &Step| match exact {
                true => edabit(p, prep, n, m).await,
                false => loose(p, prep, n, m).await,
            };
            let r = prepared(step, make).await?;
            let c = open_low(p, step, x, &r.number, ring, m).await?;
            Ok(Low { c, r })
        }
        Domain::Prime { .. } => {
            let make = async |prep: &Step| integer_masks(p, prep, n, (bits, m), exact).await;
            let mask = prepared(step, make).await?;
            let lifted = raise(p, step, x, bits - 1, 0, bits + 1).await?;
            let opened = open_integer(p, step, &lifted, &mask, bits, m).await?;
            let down = if m == bits { 1 << (bits - 1) } else { 0_u128 };
            let reduce = |s: &[u128; 2]| s[0].wrapping_sub(down) & ones(m);
            let c = opened.sum.map(n, |v| v.iter().map(reduce).collect());
            Ok(Low { c, r: mask.low })
        }
        Domain::Binary { .. } => no_masks(),
    }
}

/// `x + 2^power + more`, also where that does not fit a clear number; `bits` bounds the result.
///
/// # Errors
/// Those of the protocol.
pub async fn raise(
    p: &dyn Protocol,
    step: &Step,
    x: &Shares,
    power: u32,
    more: u128,
    bits: u32,
) -> Result<Shares> {
    let ring = matches!(p.domain(), Domain::Ring { .. });
    if ring || power < PART_BITS {
        let lift = (1_u128 << power).wrapping_add(more);
        return p.add_clear(step, x, &constant(lift as i128), bits).await;
    }
    let one = p.public(step, &Clear::new(vec![1; x.len()], x.depth)).await?;
    let lift = scale(p, step, &one, power, bits).await?;
    let lifted = p.add(step, x, &lift, bits).await?;
    p.add_clear(step, &lifted, &constant(more as i128), bits).await
}

/// Places of the lower part of a public number that does not fit a clear one.
const PART_BITS: u32 = 120;

/// `v - minus` as shares, `v` of `bits` bits. Numbers of at most 128 bits may be meant modulo the ring.
///
/// # Errors
/// Those of the protocol.
pub async fn public_wide(
    p: &dyn Protocol,
    step: &Step,
    v: &ClearVec<[u128; 2]>,
    minus: u128,
    bits: u32,
) -> Result<Shares> {
    let ring = matches!(p.domain(), Domain::Ring { .. });
    if ring || bits <= PART_BITS + 6 {
        let fits = v.map(v.len(), |v| v.iter().map(|v| v[0].wrapping_sub(minus) as i128).collect());
        return p.public(step, &fits).await;
    }
    let low = |v: &[u128; 2]| ((v[0] & ones(PART_BITS)) as i128) - minus as i128;
    let high = |v: &[u128; 2]| shift_wide(*v, PART_BITS)[0] as i128;
    let low = p.public(step, &v.map(v.len(), |v| v.iter().map(low).collect())).await?;
    let high = p.public(step, &v.map(v.len(), |v| v.iter().map(high).collect())).await?;
    let high = scale(p, step, &high, PART_BITS, bits).await?;
    p.add(step, &high, &low, bits).await
}

/// `floor(v / 2^m)`.
pub fn shift_wide(v: [u128; 2], m: u32) -> [u128; 2] {
    match m {
        0 => v,
        1..=127 => [v[0] >> m | v[1] << (128 - m), v[1] >> m],
        128..=255 => [v[1] >> (m - 128), 0],
        _ => [0, 0],
    }
}

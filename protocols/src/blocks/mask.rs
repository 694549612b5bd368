//! Masked opening: `x + r` is opened, `r` random with known bits, and circuits on the bits of `r`
//! find what is asked about `x`.
//!
//! In a ring `r` hides `x` perfectly: only the low `m` bits of `x + r` are opened, multiplied to the
//! top of the ring. Over a prime field the sum is one of integers: above its low bits `r` is longer
//! than `x` by σ bits, so that the sum is within 2^-σ of independent of `x`.
//! Source: Damgård, Fitzi, Kiltz, Nielsen, Toft 2006 and Catrina, de Hoogh 2010 (fields); edaBits:
//! Escudero, Ghosh, Keller, Rachuri, Scholl 2020, eprint 2020/338.

use mpc_runtime::{Error, Result, Step};

use crate::protocol::{Domain, Protocol};
use crate::value::{ClearVec, Shares};

/// The low `bits` bits set.
pub fn ones(bits: u32) -> u128 {
    if bits >= 128 { u128::MAX } else { (1 << bits) - 1 }
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

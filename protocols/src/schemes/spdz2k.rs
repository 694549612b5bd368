//! Additive sharing modulo 2^k with MACs, malicious, all but one corrupted.
//!
//! Sharing:  x = Σ x_i and α·x = Σ m_i modulo 2^(k+64), k = 64 or 128, of which the program sees x modulo 2^k;
//!           α = Σ α_i, α_i of 64 bits; party i holds x_i and m_i. See [`super::spdz`], which also says how numbers
//!           are multiplied and openings checked. Bits are those of [`super::tinier`], with MACs of their own.
//! Bits:     masked openings take edaBits, and bits become numbers by daBits: [`super::spdz::mixed`], with what they
//!           cost.
//! Paper:    Cramer, Damgård, Escudero, Scholl, Xing 2018, eprint 2018/482; random bits: Damgård, Escudero,
//!           Frederiksen, Keller, Scholl, Volgushev 2019, eprint 2019/599; edaBits: Escudero, Ghosh, Keller, Rachuri,
//!           Scholl 2020, eprint 2020/338; transfers: Roy 2022, eprint 2022/192.
//! Differs:  openings show all k + 64 bits, those that do not count hidden by a random number. First factors of triples
//!           are combinations of 2(k + 64) + 2σ bits.
//! Security: any n - 1 parties learn nothing; if they cheat, honest parties abort before anything leaves, or have
//!           the right result, but with probability 65/2^64 for a check of numbers and 2^-63 for one of bits, and 2^-σ
//!           for each vector of conjunctions, of edaBits and of daBits.
//! Cost:     to each peer, K = k + 64: mul 1 round, 2K bits, and a triple ahead; share 1 round, K bits by the owner, and
//!           64K ahead; open 1 round, K bits, and 64K ahead; verbs on bits as in [`super::tinier`]; bits to numbers 1
//!           round, 1 bit, and a daBit ahead, which is a random number, a triple and 4 bytes; check 4 rounds, a
//!           coin, a number and its commitment, and as much for bits.

use std::rc::Rc;

use mpc_runtime::{Error, Party, Result};

use super::spdz::protocol::OverSpdz;
use crate::algebra::ring::Wide;
use crate::protocol::{Abort, Info, Parties, Protocol, Security, Seeds, Setup};

/// What it promises.
pub const INFO: Info = Info {
    name: "spdz2k",
    parties: Parties::AtLeast(2),
    corrupted: "n - 1",
    security: Security::Malicious,
    abort: Abort::Selective,
    comp_sec: "128, by AES-128, BLAKE3 and Ristretto255",
    stat_sec: "2^-σ for the first factors of triples and for each vector of up to 2^15 conjunctions, 2^12 edaBits, or daBits; 65/2^64 for each check of numbers and 2^-63 of bits; σ above 56 is refused",
    domain: "integers modulo 2^64 or 2^128",
    assumptions: "computational Diffie-Hellman over Ristretto255 with BLAKE3 as random oracle; AES-128 \
                  is an ideal cipher",
    truncation: "exact: nothing. probabilistic and fast: the rounding depends on the mask that is \
                 opened; never a gross error",
    paper: "eprint 2018/482, 2019/599, 2020/338, 2022/192",
};

/// Most bits of statistical security that MACs give.
const STAT_SEC: u32 = 56;

/// Makes one party, over the smallest ring that covers the program.
///
/// # Errors
/// The program needs more than 128 bits, or more statistical security than 56 bits.
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    if setup.stat_sec > STAT_SEC {
        return Err(Error::Program(format!(
            "spdz2k has MACs with {STAT_SEC} bits of statistical security, {} are asked for",
            setup.stat_sec
        )));
    }
    match setup.ring_bits {
        0..=64 => Ok(Rc::new(OverSpdz::<u128>::new(INFO.name, setup, me, seeds)?)),
        65..=128 => Ok(Rc::new(OverSpdz::<Wide>::new(INFO.name, setup, me, seeds)?)),
        bits => Err(Error::Program(format!(
            "spdz2k computes modulo 2^64 or 2^128, the program needs {bits} bits; narrower types \
             would help, or tinier"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::spdz::tests;

    #[test]
    fn cheats_of_one_of_two_are_found() {
        tests::cheats_are_found(super::build, 2);
    }

    #[test]
    fn cheats_of_one_of_three_are_found() {
        tests::cheats_are_found(super::build, 3);
    }
}

//! Additive sharing modulo a prime with MACs, malicious, all but one corrupted.
//!
//! Sharing:  x = Σ x_i, α·x = Σ m_i; party i holds x_i and m_i; see [`super::spdz`], which also says how numbers
//!           are multiplied and openings checked. Bits are those of [`super::tinier`], with MACs of their own.
//! Field:    the smallest of 2^61 - 1, 2^127 - 1, 2^255 - 19 that leaves room for masks of σ bits.
//! Bits:     masked openings take edaBits, and bits become numbers by daBits: [`super::spdz::mixed`], with what they
//!           cost.
//! Paper:    Keller, Orsini, Scholl 2016, eprint 2016/505; edaBits: Escudero, Ghosh, Keller, Rachuri, Scholl 2020,
//!           eprint 2020/338; transfers: Roy 2022, eprint 2022/192.
//! Differs:  first factors of triples have as many parts as σ takes: 4 in the smallest field and 3 in the others,
//!           for σ = 40.
//! Security: any n - 1 parties learn nothing; if they cheat, honest parties abort before anything leaves, or have
//!           the right result, but with a probability of 4/p for a check of numbers and 2^-63 for one of bits, and
//!           2^-σ for each vector of conjunctions and of edaBits. Masks hide by their length only, so what led to a
//!           number is checked before it is opened under one.
//! Cost:     to each peer: mul 1 round, two elements, and a triple ahead; share 1 round, an element by the owner,
//!           and its MAC ahead; open 1 round, an element; verbs on bits as in [`super::tinier`]; bits to numbers 1
//!           round, 1 bit, and a daBit ahead; check 4 rounds, a coin, an element and its commitment, and as much for
//!           bits.

use std::rc::Rc;

use mpc_runtime::{Party, Result};

use super::over_field::{needed_bits, too_wide};
use super::spdz::mixed::maskers;
use super::spdz::protocol::OverSpdz;
use crate::algebra::field::{F61, F127, F255, Prime};
use crate::protocol::{Abort, Info, Parties, Protocol, Security, Seeds, Setup};

/// What it promises.
pub const INFO: Info = Info {
    name: "mascot",
    parties: Parties::AtLeast(2),
    corrupted: "n - 1",
    security: Security::Malicious,
    abort: Abort::Selective,
    comp_sec: "128, by AES-128, BLAKE3 and Ristretto255",
    stat_sec: "2^-σ for each number or bit that is opened under a mask, for the first factors of triples, and for each vector of up to 2^15 conjunctions or 2^12 edaBits; 4/p and 2^-63, which are less, for each check; σ above 60 is refused",
    domain: "integers modulo a prime of 61, 127 or 255 bits",
    assumptions: "computational Diffie-Hellman over Ristretto255 with BLAKE3 as random oracle; AES-128 \
                  is an ideal cipher",
    truncation: "exact: nothing. probabilistic and fast: the rounding depends on the mask that is \
                 opened; never a gross error",
    paper: "eprint 2016/505, 2020/338, 2022/192",
};

/// Makes one party.
///
/// # Errors
/// Numbers too large for the largest field, or more statistical security than MACs of bits give.
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    let needed = needed_bits(setup, maskers(setup.parties, setup.stat_sec));
    match needed {
        ..=F61::BITS => Ok(Rc::new(OverSpdz::<F61>::new(INFO.name, setup, me, seeds)?)),
        _ if needed <= F127::BITS => {
            Ok(Rc::new(OverSpdz::<F127>::new(INFO.name, setup, me, seeds)?))
        }
        _ if needed <= F255::BITS => {
            Ok(Rc::new(OverSpdz::<F255>::new(INFO.name, setup, me, seeds)?))
        }
        _ => Err(too_wide(INFO.name, setup, needed)),
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

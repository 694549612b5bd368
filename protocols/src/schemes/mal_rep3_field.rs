//! Replicated secret sharing among three parties over a prime field, malicious, one of them corrupted.
//!
//! Sharing:  x = x_0 + x_1 + x_2 modulo p; party i holds (x_i, x_{i+1}); x < 0 is p + x. Bits are the
//!           numbers 0 and 1.
//! Field:    the smallest of 2^61 - 1, 2^127 - 1, 2^255 - 19 that leaves room for masks of σ bits and in
//!           which checks are sound enough.
//! Paper:    Lindell, Nof 2017, eprint 2017/816, over the sharing of Araki et al. 2016, eprint 2016/768.
//!           Differs: triples are verified when they are made, by sacrifice of a twin, and an opening is
//!           proven by a hash at once, so that nothing wrong is ever masked and opened; see `majority`.
//! Security: no party learns anything; if one cheats, honest parties abort or have the right result, but
//!           with a probability of at most 2/p for each vector of products.
//! Cost:     mul 1 round, 2 elements and a hash from each; before, 5 rounds, 3 elements, hashes and a
//!           coin for the vector. share 1 round, 1 element from the owner; open 1 round, 1 element and a
//!           hash from each; share_bits 2 rounds, 2 bits from the owner and hashes. random_bits 5 rounds,
//!           4 elements from each.

use std::rc::Rc;

use mpc_runtime::{Party, Result};

use super::majority::beaver::Beaver;
use super::majority::replicated::{Replicated, SUMMANDS};
use super::over_field::{self, FieldScheme, MakeFieldScheme};
use crate::algebra::field::Prime;
use crate::protocol::{Abort, Info, Parties, Protocol, Security, Seeds, Setup};

/// What it promises.
pub const INFO: Info = Info {
    name: "mal-rep3-field",
    parties: Parties::Exactly(3),
    corrupted: "1",
    security: Security::Malicious,
    abort: Abort::Selective,
    comp_sec: "128, by AES-128 and BLAKE3",
    stat_sec: "2^-σ for each number that is opened under a mask; 2/p, which is less, for each vector of products",
    domain: "integers modulo a prime of 61, 127 or 255 bits",
    assumptions: "AES-128 is a pseudo-random function, BLAKE3 a random oracle",
    truncation: "exact: nothing. probabilistic and fast: the rounding depends on the mask that is opened; never a gross error",
    paper: "eprint 2017/816",
};

/// Makes one party.
///
/// # Errors
/// Numbers too large for the largest field.
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    over_field::build::<ByTriples>(setup, me, seeds)
}

/// Makes it over any field.
pub(crate) struct ByTriples;

impl MakeFieldScheme for ByTriples {
    const INFO: Info = INFO;

    fn maskers(_: usize) -> usize {
        SUMMANDS
    }

    fn make<F: Prime>(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn FieldScheme<F>>> {
        Ok(Rc::new(Beaver::<F, _>::new(Replicated::new(setup, me, seeds)?)))
    }
}

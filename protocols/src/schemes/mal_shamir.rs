//! Shamir's secret sharing over a prime field, malicious, honest majority.
//!
//! Sharing:  party i holds f(i + 1) for a polynomial f of degree t with f(0) = x; x < 0 is p + x.
//!           Bits are the numbers 0 and 1. If n = 2t + 2, the last party has no shares.
//! Field:    the smallest of 2^61 - 1, 2^127 - 1, 2^255 - 19 that leaves room for masks of σ bits and in
//!           which checks are sound enough.
//! Paper:    Lindell, Nof 2017, eprint 2017/816. Differs: triples are verified when they are made, by
//!           sacrifice of a twin, and an opening is proven by hashes at once, so that nothing wrong
//!           is ever masked and opened; see `majority`. Random elements: `prss`, with joint keys.
//! Security: any t = ceil(n/2) - 1 parties learn nothing; if they cheat, honest parties abort or have the
//!           right result, but with a probability of at most 2/p for each vector of products.
//! Cost:     with m = 2t + 1: mul 1 round, 2t elements and t hashes from each of m; before, 5 rounds, 3t
//!           elements, hashes and a coin for the vector. share 1 round, t elements from the owner; open 1
//!           round, t elements and t hashes from each; share_bits 2 rounds, n - 1 bits from the owner and
//!           hashes; before, random bits. random_bits 5 rounds, 4t elements, hashes and a coin. If n is
//!           even, the last party deals to one more and is told by t + 1 and hashes.

use std::rc::Rc;

use mpc_runtime::{Party, Result};

use super::majority::beaver::Beaver;
use super::majority::shamir::{Holders, summands};
use super::over_field::{self, FieldScheme, MakeFieldScheme};
use crate::algebra::field::Prime;
use crate::protocol::{Abort, Info, Parties, Protocol, Security, Seeds, Setup};

/// What it promises.
pub const INFO: Info = Info {
    name: "mal-shamir",
    parties: Parties::AtLeast(3),
    corrupted: "ceil(n/2) - 1",
    security: Security::Malicious,
    abort: Abort::Selective,
    comp_sec: "128, by AES-128 and BLAKE3",
    stat_sec: "2^-σ for each number that is opened under a mask; 2/p, which is less, for each vector of products",
    domain: "integers modulo a prime of 61, 127 or 255 bits",
    assumptions: "AES-128 is a pseudo-random function, BLAKE3 a random oracle",
    truncation: "exact: nothing. probabilistic and fast: the rounding depends on the mask that is opened; never a gross error",
    paper: "eprint 2017/816",
};

/// Products from verified triples of the numbers of [`Holders`].
pub(crate) struct ByTriples;

impl MakeFieldScheme for ByTriples {
    const INFO: Info = INFO;

    fn maskers(parties: usize) -> usize {
        summands(parties)
    }

    fn make<F: Prime>(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn FieldScheme<F>>> {
        Ok(Rc::new(Beaver::<F, _>::new(Holders::<F>::new(setup, me, seeds)?)))
    }
}

/// Makes one party.
///
/// # Errors
/// Numbers too large for the largest field.
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    over_field::build::<ByTriples>(setup, me, seeds)
}

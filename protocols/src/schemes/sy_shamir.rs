//! Shamir's secret sharing over a prime field with MACs, malicious, honest majority ("SPDZ-wise").
//!
//! Sharing:  of x and of r·x, party i holds f(i + 1) for polynomials f of degree t with f(0) = x and r·x.
//!           The key r is uniform, and never known to anybody. x < 0 is p + x, bits are the numbers 0 and 1.
//!           If n = 2t + 2, the last party has no shares.
//! Field:    the smallest of 2^61 - 1, 2^127 - 1, 2^255 - 19 that leaves room for masks of σ bits.
//! Check:    with random α_i that nobody knows, over all products, inputs, masks and random bits since the
//!           last check, U = Σ α_i·z_i and V = Σ α_i·(r·z_i) are summed up as they come and reshared, and
//!           T = V - r·U is opened. It must be 0. An opening is proven by hashes at once.
//! Errors:   with the first error of a product in place, its MAC is that of the wrong number with
//!           probability 1/p, that of hitting r; T = 0 although a MAC is wrong with probability 1/p over α.
//! Privacy:  an error e of a MAC leaves e·y in the MAC of the next product with y, so T may depend on secrets;
//!           since no α is known, it is uniform. What masks hide only statistically is opened after a check.
//!           The square that makes a random bit is opened before: with an error it tells a number that no
//!           input has met, and the bit, which is then none, is found by the check.
//! Paper:    Chida, Genkin, Hamada, Ikarashi, Kikuchi, Lindell, Nof 2018, eprint 2018/570. Differs: r is never
//!           opened, so that there may be many checks, and T without a further factor, since it is uniform
//!           unless it is 0. Random elements: `prss`, with joint keys.
//! Security: any t = ceil(n/2) - 1 parties learn nothing; if they cheat, honest parties abort or have the
//!           right result, but with a probability of at most 2/p for each check.
//! Cost:     with m = 2t + 1: mul, dot, matmul 1 round, 2t elements from each of m for an element of the
//!           result. share 2 rounds, t elements from the owner and from each of m; open 1 round, t elements
//!           and t hashes from each of m; random_bits 2 rounds, 4t elements and t hashes; share_bits 2
//!           rounds, n - 1 bits from the owner and hashes; before, random bits. check 3 rounds, 4t elements
//!           and t hashes. If n is even, the last party deals to one more and is told by t + 1 and hashes.

use std::rc::Rc;

use mpc_runtime::{Party, Result};

use super::majority::macs::Macs;
use super::majority::shamir::{Holders, summands};
use super::over_field::{self, FieldScheme, MakeFieldScheme};
use crate::algebra::field::Prime;
use crate::protocol::{Abort, Info, Parties, Protocol, Security, Seeds, Setup};

/// What it promises.
pub const INFO: Info = Info {
    name: "sy-shamir",
    parties: Parties::AtLeast(3),
    corrupted: "ceil(n/2) - 1",
    security: Security::Malicious,
    abort: Abort::Selective,
    comp_sec: "128, by AES-128 and BLAKE3",
    stat_sec: "2^-σ for each number that is opened under a mask; 2/p, which is less, for each check",
    domain: "integers modulo a prime of 61, 127 or 255 bits",
    assumptions: "AES-128 is a pseudo-random function, BLAKE3 a random oracle",
    truncation: "exact: nothing. probabilistic and fast: the rounding depends on the mask that is opened; never a gross error",
    paper: "eprint 2018/570",
};

/// Products with MACs of the numbers of [`Holders`].
pub(crate) struct ByMacs;

impl MakeFieldScheme for ByMacs {
    const INFO: Info = INFO;

    fn maskers(parties: usize) -> usize {
        summands(parties)
    }

    fn make<F: Prime>(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn FieldScheme<F>>> {
        Ok(Rc::new(Macs::<F, _>::new(Holders::<F>::new(setup, me, seeds)?)))
    }
}

/// Makes one party.
///
/// # Errors
/// Numbers too large for the largest field.
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    over_field::build::<ByMacs>(setup, me, seeds)
}

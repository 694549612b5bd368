//! Three-party replicated sharing of bits against one malicious party: rep3-bin whose products are
//! verified before anything leaves.
//!
//! Sharing:  b = b_0 ⊕ b_1 ⊕ b_2; party i holds (b_i, b_{i+1}), packed 64 to a word.
//! Paper:    products: Araki, Furukawa, Lindell, Nof, Ohara 2016, eprint 2016/768; verification: Goyal,
//!           Song 2020, eprint 2020/134, Sections 4 and 5.
//! Differs:  post-processing as published (Araki et al. 2017; Furukawa et al. 2016, eprint 2016/944)
//!           sacrifices several random triples in buckets for every product: at least 7 bits more from each
//!           party. [`super::rep3::field_check`] verifies all products with O(n^(2/3)) bytes.
//! Security: any one party learns nothing; a malicious party that alters a result is found out before
//!           anything leaves, but with probability 2^-50.
//!           - Inputs and random bits: each component is sent to one party by one party, or made of a key
//!             common to both holders, so that what honest parties hold is always a sharing.
//!           - Products are right up to additive errors, which the check finds.
//!           - Openings are sent by one holder of the component and vouched for by the other.
//! Cost:     and, share, open 1 round, 1 bit; random bits nothing; a check of products 11 rounds and some 3 kB
//!           from each, 1 round and 64 bytes without any; everything else is a circuit of
//!           [`super::over_binary`].

use std::rc::Rc;

use mpc_runtime::{Error, Party, Result};

use super::over_binary::OverBinary;
use super::rep3::checked_bits::{CheckedBits, STAT_SEC};
use super::rep3::{PARTIES, Trio};
use crate::protocol::{Abort, Info, Parties, Protocol, Security, Seeds, Setup};

/// What it promises.
pub const INFO: Info = Info {
    name: "ps-rep3-bin",
    parties: Parties::Exactly(PARTIES),
    corrupted: "1",
    security: Security::Malicious,
    abort: Abort::Selective,
    comp_sec: "128, by AES-128 and BLAKE3",
    stat_sec: "at most (63 + 6f)/2^64 < 2^-50 a check, f the cube root of a 32nd of the conjunctions; σ above 50 is refused",
    domain: "bits",
    assumptions: "AES-128 is a pseudo-random function, BLAKE3 a random oracle",
    truncation: "exact in every mode",
    paper: "eprint 2016/768, 2020/134",
};

/// Makes one of the three parties.
///
/// # Errors
/// More statistical security than 50 bits, and as [`OverBinary::build`].
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    if setup.stat_sec > STAT_SEC {
        return Err(Error::Program(format!(
            "ps-rep3-bin verifies products with {STAT_SEC} bits of statistical security, {} are asked for",
            setup.stat_sec
        )));
    }
    OverBinary::build(CheckedBits::new(Trio::new(setup, me, seeds)?), setup)
}

#[cfg(test)]
mod tests {
    use super::super::rep3::cheats;

    #[test]
    fn every_altered_message_is_found() {
        cheats::every_altered_message_is_found(super::build);
    }
}

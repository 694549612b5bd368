//! Three-party replicated sharing of bits, semi-honest, honest majority: the binary companion of
//! rep3-ring standing alone.
//!
//! Sharing:  b = b_0 ⊕ b_1 ⊕ b_2; party i holds (b_i, b_{i+1}), packed 64 to a word.
//! Paper:    Araki, Furukawa, Lindell, Nof, Ohara 2016, eprint 2016/768, Section 2.
//! Differs:  the paper's shares are (b_i, b_{i-1} ⊕ b); ours is the additive form of eprint 2018/403.
//! Security: any one party learns nothing; a malicious party may alter the result.
//! Cost:     and, share, open 1 round, 1 bit; shuffle 2 rounds, 4 bits in all for each bit moved; places as
//!           in rep3-ring, see [`super::rep3`]; everything else is a circuit of [`super::over_binary`].

use std::rc::Rc;

use mpc_runtime::{Party, Result};

use super::over_binary::OverBinary;
use super::rep3::{PARTIES, Trio};
use crate::protocol::{Abort, Info, Parties, Protocol, Security, Seeds, Setup};

/// What it promises.
pub const INFO: Info = Info {
    name: "rep3-bin",
    parties: Parties::Exactly(PARTIES),
    corrupted: "1",
    security: Security::SemiHonest,
    abort: Abort::None,
    comp_sec: "128, by AES-128",
    stat_sec: "0: nothing is masked",
    domain: "bits",
    assumptions: "AES-128 is a pseudo-random function",
    truncation: "exact in every mode",
    paper: "eprint 2016/768",
};

/// Makes one of the three parties.
///
/// # Errors
/// As [`OverBinary::build`].
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    OverBinary::build(Rc::new(Trio::new(setup, me, seeds)?), setup)
}

//! Every program over bits: numbers as words of shared bits, arithmetic as circuits.
//!
//! A scheme that shares bits implements [`BinaryScheme`]; [`OverBinary`] makes a whole protocol of it.
//!
//! Sharing:  a number is `width` bits of two's complement (64 or 128), sign-extended, one after the
//!           other in the planes of the scheme; a number of a packed scheme is one or two words.
//! Circuits: run bit-sliced on the bits of the bound only: the lowest bits of all numbers, then the
//!           next ones, and so on, so that a level of a circuit is one vector conjunction.
//!           Adders are Sklansky's (log2 depth), products Dadda's trees of carry-save adders.
//! Exact:    a shift is a rewiring, so every truncation is exact in every mode.
//! Cost:     what the circuit costs when it is run on a ledger of the scheme's own declarations.

use mpc_runtime::{Party, Step};

use crate::cost::{Call, Cost};
use crate::protocol::Fut;
use crate::value::{ClearBits, Shares, Unit};

/// Verbs on shared bits: all that a binary scheme has to say.
///
/// Vectors are bits, operands of one verb have equal lengths, clear operands may have length 1. Linear
/// verbs are local. Depth of a result is the maximum over the operands, plus the rounds of the verb.
pub trait BinaryScheme {
    /// Number of parties.
    fn parties(&self) -> usize;

    /// How many of them may be corrupted together.
    fn corrupted(&self) -> usize;

    /// What one shared bit is in plane `plane`: a bit of a packed word, or a label of some words.
    fn unit(&self, _plane: usize) -> Unit {
        Unit::Bit
    }

    /// What `And`, `ShareBits`, `OpenBits` and `RandomBits` cost, and `Shuffle` if it is overridden
    /// (its `width` and `len` then count bits); `None` for all else.
    fn cost(&self, call: &Call) -> Option<Cost>;

    /// A public bit as a share.
    fn public_bits(&self, x: &ClearBits) -> Shares;

    /// `a ⊕ b`.
    fn xor(&self, a: &Shares, b: &Shares) -> Shares;

    /// `a ⊕ c`, `c` clear.
    fn xor_clear(&self, a: &Shares, c: &ClearBits) -> Shares;

    /// `a ∧ c`, `c` clear.
    fn and_clear(&self, a: &Shares, c: &ClearBits) -> Shares;

    /// `a ∧ b`.
    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a>;

    /// The bits that `owner` has in `x` (absent elsewhere), as shares.
    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a>;

    /// The bits themselves, to `to`, or to all if `None`.
    fn open_bits<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
    ) -> Fut<'a, ClearBits>;

    /// `n` uniform bits that nobody knows.
    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a>;

    /// Verifies everything that is not verified yet.
    fn check<'a>(&'a self, _step: &'a Step) -> Fut<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// `rows` rows of `width` bits in a uniformly random order that nobody knows, if the scheme knows
    /// a better way than a permutation network.
    fn shuffle<'a>(
        &'a self,
        _step: &'a Step,
        _a: &'a Shares,
        _rows: usize,
        _width: usize,
    ) -> Option<Fut<'a>> {
        None
    }
}

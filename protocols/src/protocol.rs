//! The one trait of all protocols, and what describes a protocol.
//!
//! Every verb is a batch: vectors in, vectors out, the rounds of one. Every verb is resumable: it
//! returns a future that waits for messages while other steps run. What cannot be derived is
//! required; everything else has a default built from [`crate::blocks`] that is right for every
//! protocol, and that a scheme overrides where it knows better.
//!
//! Numbers of the program are integers within the bound that the call states: a value of `bits` bits
//! lies in `[-2^(bits-1), 2^(bits-1))`.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use mpc_runtime::{Party, Result, Step};

use crate::blocks;
use crate::cost::{Call, Cost, Truncation};
use crate::value::{Clear, ClearBits, ClearVec, Shares};

/// A verb at work.
pub type Fut<'a, T = Shares> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// How many parties a protocol takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parties {
    /// Exactly that many.
    Exactly(usize),
    /// That many or more.
    AtLeast(usize),
}

impl Parties {
    /// Whether `n` parties will do.
    pub fn fit(self, n: usize) -> bool {
        match self {
            Parties::Exactly(m) => n == m,
            Parties::AtLeast(m) => n >= m,
        }
    }

    /// The smallest number of parties.
    pub fn least(self) -> usize {
        match self {
            Parties::Exactly(m) | Parties::AtLeast(m) => m,
        }
    }
}

impl std::fmt::Display for Parties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Parties::Exactly(n) => write!(f, "{n}"),
            Parties::AtLeast(n) => write!(f, "≥ {n}"),
        }
    }
}

/// Against whom a protocol protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Nobody: one party knows everything.
    None,
    /// Parties that follow the protocol and pool what they saw.
    SemiHonest,
    /// Parties that do as they like; honest parties then abort.
    Malicious,
}

impl std::fmt::Display for Security {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Security::None => "none",
            Security::SemiHonest => "semi-honest",
            Security::Malicious => "malicious, with abort",
        })
    }
}

/// What a protocol promises. One row of the table of protocols.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// Name at the command line.
    pub name: &'static str,
    /// Number of parties.
    pub parties: Parties,
    /// Corrupted parties tolerated, as a formula in `n`.
    pub corrupted: &'static str,
    /// Against whom.
    pub security: Security,
    /// Where secret numbers live, in words.
    pub domain: &'static str,
    /// What the security rests on beside secure channels.
    pub assumptions: &'static str,
    /// What each truncation reveals, and when it fails.
    pub truncation: &'static str,
    /// Where it is published.
    pub paper: &'static str,
}

/// Where the secret numbers of a run live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Integers modulo `2^bits`.
    Ring {
        /// Width.
        bits: u32,
    },
    /// Integers modulo a prime.
    Prime {
        /// Bits of the prime, less one: values below `2^bits` are told apart.
        bits: u32,
    },
    /// Bits of two's complement, `width` of them.
    Binary {
        /// Width.
        width: u32,
    },
}

impl std::fmt::Display for Domain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Domain::Ring { bits } => write!(f, "integers modulo 2^{bits}"),
            Domain::Prime { bits } => write!(f, "integers modulo a prime of {} bits", bits + 1),
            Domain::Binary { width } => write!(f, "bits, {width} a number"),
        }
    }
}

/// What a protocol object is made for. Equal at all parties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Number of parties.
    pub parties: usize,
    /// A ring of that many bits computes the program.
    pub ring_bits: u32,
    /// Integers of that many bits compute the program.
    pub field_bits: u32,
    /// Statistical security in bits.
    pub stat_sec: u32,
    /// How fixed-point products are scaled back.
    pub truncation: Truncation,
    /// Threads for local work; changes neither results nor messages.
    pub threads: usize,
}

/// Secret seeds of one party; wiped when dropped.
pub struct Seeds {
    /// Known to this party only.
    pub own: [u8; 32],
    /// Shared with each peer (the entry of this party itself is unused).
    pub pair: Vec<[u8; 32]>,
}

impl Drop for Seeds {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.own);
        self.pair.iter_mut().for_each(zeroize::Zeroize::zeroize);
    }
}

/// A protocol seen from its concrete type; implemented for all.
pub trait AsProtocol {
    /// The protocol as an object, for blocks.
    fn as_protocol(&self) -> &dyn Protocol;
}

impl<P: Protocol> AsProtocol for P {
    fn as_protocol(&self) -> &dyn Protocol {
        self
    }
}

/// A protocol at one party. See the module for the conventions.
///
/// Operands of one verb have equal lengths unless said otherwise; clear operands may also have
/// length 1. `bits` bounds the result unless said otherwise.
///
/// # Errors
/// All futures fail if a peer is lost, late, or misbehaves.
pub trait Protocol: AsProtocol {
    // ------------------------------------------------------------------ what it is

    /// Where secret numbers live in this run.
    fn domain(&self) -> Domain;

    /// Statistical security in bits.
    fn stat_sec(&self) -> u32;

    /// How fixed-point products are scaled back.
    fn truncation(&self) -> Truncation;

    /// How many of `parties` parties may be corrupted together. Where a block needs dealers, it takes
    /// one more.
    fn corrupted(&self, parties: usize) -> usize {
        parties.saturating_sub(1)
    }

    /// What a call costs, if this scheme does it itself; `None` if it is left to the default. The
    /// wire is checked against it.
    fn cost(&self, call: &Call) -> Option<Cost>;

    // ------------------------------------------------------------------ numbers, required

    /// A public number as a share.
    fn public<'a>(&'a self, step: &'a Step, x: &'a Clear) -> Fut<'a>;

    /// `a + b`.
    fn add<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a>;

    /// `a - b`.
    fn sub<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a>;

    /// `a + c`, `c` clear.
    fn add_clear<'a>(&'a self, step: &'a Step, a: &'a Shares, c: &'a Clear, bits: u32) -> Fut<'a>;

    /// `a·c`, `c` clear.
    fn mul_clear<'a>(&'a self, step: &'a Step, a: &'a Shares, c: &'a Clear, bits: u32) -> Fut<'a>;

    /// `a·b`.
    fn mul<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a>;

    /// The numbers that `owner` has in `x` (absent elsewhere), as shares.
    fn share<'a>(&'a self, step: &'a Step, owner: Party, x: &'a Clear, bits: u32) -> Fut<'a>;

    /// The numbers themselves, to `to`, or to all if `None`.
    fn open<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
        bits: u32,
    ) -> Fut<'a, Clear>;

    // ------------------------------------------------------------------ bits, required

    /// A public bit as a share.
    fn public_bits<'a>(&'a self, step: &'a Step, x: &'a ClearBits) -> Fut<'a>;

    /// `a ⊕ b`.
    fn xor<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a>;

    /// `a ⊕ c`, `c` clear.
    fn xor_clear<'a>(&'a self, step: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a>;

    /// `a ∧ c`, `c` clear.
    fn and_clear<'a>(&'a self, step: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a>;

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

    /// Bits as numbers 0 and 1.
    fn from_bits<'a>(&'a self, step: &'a Step, a: &'a Shares) -> Fut<'a>;

    // ------------------------------------------------------------------ verification

    /// Verifies everything that is not verified yet. Nothing leaves before this has succeeded. There
    /// is nothing to verify where parties follow the protocol.
    fn check<'a>(&'a self, _step: &'a Step) -> Fut<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    // ------------------------------------------------------------------ numbers, with defaults

    /// `a ⊕ b` where it is known that never both are 1.
    fn xor_disjoint<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        self.xor(step, a, b)
    }

    /// `Σ_j a[i·inner + j]`.
    fn sum<'a>(&'a self, step: &'a Step, a: &'a Shares, inner: usize, bits: u32) -> Fut<'a> {
        Box::pin(blocks::linear::sum(self.as_protocol(), step, a, inner, bits))
    }

    /// Running sums within rows of `inner`.
    fn prefix<'a>(&'a self, step: &'a Step, a: &'a Shares, inner: usize, bits: u32) -> Fut<'a> {
        Box::pin(blocks::linear::prefix(self.as_protocol(), step, a, inner, bits))
    }

    /// `Σ_j a[i·inner + j]·b[i·inner + j]`.
    fn dot<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        inner: usize,
        bits: u32,
    ) -> Fut<'a> {
        Box::pin(blocks::linear::dot(self.as_protocol(), step, a, b, inner, bits))
    }

    /// `a·b`, row-major; `a` rows×inner, `b` inner×cols; `size` = (rows, inner, cols).
    fn matmul<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        size: (usize, usize, usize),
        bits: u32,
    ) -> Fut<'a> {
        Box::pin(blocks::linear::matmul(self.as_protocol(), step, a, b, size, bits))
    }

    /// As [`Protocol::matmul`], `b` clear.
    fn matmul_clear<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Clear,
        size: (usize, usize, usize),
        bits: u32,
    ) -> Fut<'a> {
        Box::pin(blocks::linear::matmul_clear(self.as_protocol(), step, a, b, size, bits))
    }

    /// `cond ? a : b`.
    fn select<'a>(
        &'a self,
        step: &'a Step,
        cond: &'a Shares,
        a: &'a Shares,
        b: &'a Shares,
        bits: u32,
    ) -> Fut<'a> {
        Box::pin(blocks::convert::select(self.as_protocol(), step, cond, a, b, bits))
    }

    /// `floor((a + 2^(shift-1)) / 2^shift)`, as exactly as [`Protocol::truncation`] says. `bits`
    /// bounds `a`.
    fn trunc<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32, shift: u32) -> Fut<'a> {
        Box::pin(blocks::truncate::nearest(self.as_protocol(), step, a, bits, shift))
    }

    /// `floor(a / 2^shift)`, exactly. `bits` bounds `a`.
    fn shift_right<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32, shift: u32) -> Fut<'a> {
        Box::pin(blocks::truncate::floor(self.as_protocol(), step, a, bits, shift))
    }

    /// The value in `[-2^(k-1), 2^(k-1))` equal to `a` modulo `2^k`. `bits` bounds `a`.
    fn wrap<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32, k: u32) -> Fut<'a> {
        Box::pin(blocks::truncate::wrap(self.as_protocol(), step, a, bits, k))
    }

    /// Numbers uniform in `[0, 2^bits)`.
    fn random<'a>(&'a self, step: &'a Step, n: usize, bits: u32) -> Fut<'a> {
        Box::pin(blocks::convert::random(self.as_protocol(), step, n, bits))
    }

    /// `a < 0`. `bits` bounds `a`.
    fn ltz<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32) -> Fut<'a> {
        Box::pin(blocks::compare::ltz(self.as_protocol(), step, a, bits))
    }

    /// `a = 0`. `bits` bounds `a`.
    fn eqz<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32) -> Fut<'a> {
        Box::pin(blocks::compare::eqz(self.as_protocol(), step, a, bits))
    }

    /// `a < b`. `bits` bounds `a` and `b`.
    fn lt<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a> {
        Box::pin(blocks::compare::lt(self.as_protocol(), step, a, b, bits))
    }

    /// `a = b`. `bits` bounds `a` and `b`.
    fn eq<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a> {
        Box::pin(blocks::compare::eq(self.as_protocol(), step, a, b, bits))
    }

    /// Bit `j` of row `i` says whether `a[i] = j`, for `j < n`. `bits` bounds `a`.
    fn one_hot<'a>(&'a self, step: &'a Step, a: &'a Shares, n: usize, bits: u32) -> Fut<'a> {
        Box::pin(blocks::compare::one_hot(self.as_protocol(), step, a, n, bits))
    }

    /// The low `k` bits of two's complement, element by element. `bits` bounds `a`.
    fn decompose<'a>(&'a self, step: &'a Step, a: &'a Shares, k: u32, bits: u32) -> Fut<'a> {
        Box::pin(blocks::convert::decompose(self.as_protocol(), step, a, k, bits))
    }

    /// `Σ_j 2^j·a[i·k + j]`, the top bit negative if `signed`.
    fn compose<'a>(&'a self, step: &'a Step, a: &'a Shares, k: u32, signed: bool) -> Fut<'a> {
        Box::pin(blocks::convert::compose(self.as_protocol(), step, a, k, signed))
    }

    /// Numbers that are known to be 0 or 1 as bits.
    fn as_bits<'a>(&'a self, step: &'a Step, a: &'a Shares) -> Fut<'a> {
        Box::pin(blocks::convert::as_bits(self.as_protocol(), step, a))
    }

    /// Numbers in `[0, 2^bits)`, to all, lower half first; they need not fit a [`Clear`].
    fn open_wide<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        bits: u32,
    ) -> Fut<'a, ClearVec<[u128; 2]>> {
        Box::pin(blocks::mask::open_wide(self.as_protocol(), step, a, bits))
    }

    /// `n` numbers, not negative and below `2^bits·(corrupted + 1)`, each at least as hard to predict
    /// as a uniform number of `bits` bits.
    fn mask<'a>(&'a self, step: &'a Step, n: usize, bits: u32) -> Fut<'a> {
        self.random(step, n, bits)
    }

    // ------------------------------------------------------------------ permutations, with defaults

    /// `rows` rows of `width` in a uniformly random order that nobody knows.
    fn shuffle<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        rows: usize,
        width: usize,
        bits: u32,
    ) -> Fut<'a> {
        Box::pin(blocks::shuffle::numbers(self.as_protocol(), step, a, rows, width, bits))
    }

    /// Rows of `width`: row `i` of `a` goes to place `perm[i]`. `bits` bounds `a`.
    fn permute<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        perm: &'a Shares,
        width: usize,
        bits: u32,
    ) -> Fut<'a> {
        Box::pin(blocks::shuffle::permute(self.as_protocol(), step, a, perm, width, bits))
    }
}

/// Makes the protocol object of party `me`.
///
/// # Errors
/// The protocol cannot do what the setup asks; the text says what would help.
pub type Build = fn(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>>;

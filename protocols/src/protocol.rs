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

use crate::algebra::contraction::Contraction;
use crate::blocks;
use crate::cost::{Call, Comparison, Cost, Truncation};
pub use crate::prepared::Keys;
use crate::value::{Clear, ClearBits, ClearVec, Shares, Unit};
use crate::verbs::for_each_verb;

/// Bits of a tile for shares that are not much longer than what they share.
pub(crate) const TILE_BITS: usize = 64 << 15;

/// A verb at work.
pub type Fut<'a, T = Shares> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// A verb that is done at once.
pub fn now<'a, T: 'a>(value: T) -> Fut<'a, T> {
    Box::pin(std::future::ready(Ok(value)))
}

/// What is done, or an error.
pub(crate) fn done<'a, T: 'a>(result: Result<T>) -> Fut<'a, T> {
    Box::pin(std::future::ready(result))
}

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

/// What honest parties get when somebody cheats and is noticed. Nobody gets a wrong result, and nobody
/// is told for sure who it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// There is no promise: parties are taken to follow the protocol.
    None,
    /// Each either stops or has its right results; the cheat has a say in who does what, and may have
    /// results of its own.
    Selective,
    /// If one stops, all do.
    Unanimous,
}

impl std::fmt::Display for Abort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Abort::None => "none",
            Abort::Selective => "selective",
            Abort::Unanimous => "unanimous",
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
    /// What follows from cheating.
    pub abort: Abort,
    /// Bits κ of computational security, and what limits them.
    pub comp_sec: &'static str,
    /// Probability that cheating goes unnoticed or something leaks, as a formula in σ, or why there is
    /// none.
    pub stat_sec: &'static str,
    /// Where secret numbers live, in words.
    pub domain: &'static str,
    /// What the security rests on beside secure channels.
    pub assumptions: &'static str,
    /// What each truncation reveals, and when it fails.
    pub truncation: &'static str,
    /// Where it is published.
    pub paper: &'static str,
}

/// What the planes of share vectors are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Units {
    /// Planes of numbers.
    pub number: Vec<Unit>,
    /// Planes of bits.
    pub bit: Vec<Unit>,
    /// Planes, at least, of an input that are known to be 0 where another party gives it; they take no memory.
    pub zeros: usize,
}

impl Units {
    /// So many planes of numbers of `words` words, and as many of bits.
    pub fn of(planes: usize, words: usize) -> Units {
        Units { number: vec![Unit::Words(words); planes], bit: vec![Unit::Bit; planes], zeros: 0 }
    }
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
    /// What comparisons are to have little of.
    pub comparison: Comparison,
    /// Threads for local work; changes neither results nor messages.
    pub threads: usize,
}

/// Secret seeds of one party, wiped when dropped, and the name of the session.
pub struct Seeds {
    /// Equal at all parties, another for every session, not secret.
    pub session: [u8; 32],
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

macro_rules! define_protocol {
    (
        required { $( $(#[$required_doc:meta])* $required:ident($($need:ident: $need_ty:ty),*)
            -> $needed:ty: $_cost:expr, $_len:expr, $_bits:expr; )* }
        default { $( $(#[$doc:meta])* $verb:ident($($arg:ident: $ty:ty),*)
            -> $result:ty: $_verb:expr, $_of:expr, $_bound:expr => $block:path; )* }
    ) => {
        /// A protocol at one party. See the module for the conventions, [`crate::verbs`] for the
        /// table that most of it comes from.
        ///
        /// Operands of one verb have equal lengths unless said otherwise; clear operands may also
        /// have length 1. `bits` bounds the result unless said otherwise.
        ///
        /// # Errors
        /// All futures fail if a peer is lost, late, or misbehaves.
        pub trait Protocol: AsProtocol {
            /// Where secret numbers live in this run.
            fn domain(&self) -> Domain;

            /// What numbers and bits are made of.
            fn units(&self) -> Units;

            /// Statistical security in bits.
            fn stat_sec(&self) -> u32;

            /// How fixed-point products are scaled back.
            fn truncation(&self) -> Truncation;

            /// How many of `parties` parties may be corrupted together. Where a block needs dealers,
            /// it takes one more.
            fn corrupted(&self, parties: usize) -> usize {
                parties.saturating_sub(1)
            }

            /// How many numbers a mask is the sum of; see [`Protocol::mask`].
            fn maskers(&self, parties: usize) -> usize {
                self.corrupted(parties) + 1
            }

            /// What a call costs, if this scheme does it itself; `None` if it is left to the
            /// default. The wire is checked against it.
            fn cost(&self, call: &Call) -> Option<Cost>;

            /// Agrees with the peers on what all verbs need, such as keys. Comes once and before
            /// every verb, in the preprocessing; what it agrees on has depth 0.
            fn setup<'a>(&'a self, _step: &'a Step) -> Fut<'a, ()> {
                now(())
            }

            /// What [`Protocol::setup`] costs.
            fn setup_cost(&self, parties: usize) -> Cost {
                Cost::local(parties)
            }

            /// What later runs need of what [`Protocol::setup`] agreed on, to use preprocessing of this one:
            /// keys of MACs, say.
            fn keys(&self) -> Keys {
                Keys::default()
            }

            /// What comes in place of [`Protocol::setup`] where preprocessing was made in another run,
            /// with the keys of that run.
            fn restore<'a>(&'a self, step: &'a Step, _keys: &'a [u8]) -> Fut<'a, ()> {
                self.setup(step)
            }

            /// Does a call as calls of `p`, on vectors without content, if it consists of calls of other
            /// verbs; whether it does.
            fn as_calls<'a>(
                &'a self,
                _p: &'a dyn Protocol,
                _step: &'a Step,
                _call: &'a Call,
            ) -> Fut<'a, bool> {
                now(false)
            }

            /// Against whom this protocol protects.
            fn security(&self) -> Security {
                Security::Malicious
            }

            /// Whether peers that do as they like are found out by [`Protocol::check`] only. Then a
            /// value leaves in four steps, and no other verb is under way during a check: everything
            /// so far is checked, the value is opened, the opening is checked, the value is used. What a
            /// verb opens within itself waits for a check where it is not hidden by a uniform mask
            /// ([`Step::before_opening`]).
            fn verifies(&self) -> bool {
                false
            }

            /// Verifies everything that is not verified yet. There is nothing to verify where parties
            /// follow the protocol, or are found out at once.
            fn check<'a>(&'a self, _step: &'a Step) -> Fut<'a, ()> {
                now(())
            }

            /// What [`Protocol::check`] costs after these calls, which came since the last one; those
            /// that the scheme left to a default do not count, but the calls which that made do.
            fn check_cost(&self, _calls: &[Call], parties: usize) -> Cost {
                Cost::local(parties)
            }

            /// Bits of the longest operand, in the clear, that one task should work on, so that what it shares
            /// and sends stays in a cache: long vectors are cut into such tiles.
            fn tile_bits(&self) -> usize {
                TILE_BITS
            }

            /// How many addends a shared number is the sum of, each of which parties can share by itself
            /// without a message, and how many a shared bit is the exclusive or of; 0 if they cannot.
            /// [`crate::blocks::split`] says what that is good for.
            fn addends(&self) -> usize {
                0
            }

            /// The low `k` bits of addend `j` of each number, as shared bits: those of the lowest place,
            /// then those of the next, and so on.
            fn addend_bits(&self, a: &Shares, _j: usize, k: u32) -> Shares {
                Shares::phantom(a.len() * k as usize, a.depth)
            }

            /// `floor(addend / 2^shift)` for addend `j` of each number, without sign, as addend `j` of a
            /// shared number, the other addends of which are 0. Sums of such go through
            /// [`Protocol::complete`] before they are used as numbers.
            fn addend_shifted(&self, a: &Shares, _j: usize, _shift: u32) -> Shares {
                Shares::phantom(a.len(), a.depth)
            }

            /// Addend `j` of each shared bit, as a shared number 0 or 1.
            fn bit_addend(&self, a: &Shares, _j: usize) -> Shares {
                Shares::phantom(a.len(), a.depth)
            }

            /// Two numbers whose difference each number is modulo `2^k`, as shared bits: the lowest bits
            /// of all minuends, then their next ones, and so on, and then the subtrahends; `None` if
            /// adding up the addends is all there is. [`Verb::Halves`] is what the cost is declared as.
            ///
            /// [`Verb::Halves`]: crate::Verb::Halves
            fn halves<'a>(&'a self, _step: &'a Step, _a: &'a Shares, _k: u32) -> Option<Fut<'a>> {
                None
            }

            /// `n` uniform numbers of `k` bits and their bits, the lowest of all, then the next ones, and so
            /// on; `None` if blocks are to make them of bits. Unless `exact`, the number equals its bits only
            /// modulo `2^k`: it is the sum of several numbers of `k` bits. [`Verb::EdaBits`] is what the cost is
            /// declared as.
            ///
            /// [`Verb::EdaBits`]: crate::Verb::EdaBits
            fn edabits<'a>(
                &'a self,
                _step: &'a Step,
                _n: usize,
                _k: u32,
                _exact: bool,
            ) -> Option<Fut<'a, [Shares; 2]>> {
                None
            }

            /// A public number as a share.
            fn public<'a>(&'a self, step: &'a Step, x: &'a Clear) -> Fut<'a>;

            /// A public bit as a share.
            fn public_bits<'a>(&'a self, step: &'a Step, x: &'a ClearBits) -> Fut<'a>;

            /// The numbers that `owner` has in `x` (absent elsewhere), to all. Only where parties
            /// follow the protocol ([`Protocol::security`]): nobody sees what others are told.
            fn publish<'a>(
                &'a self,
                step: &'a Step,
                owner: Party,
                x: &'a Clear,
                bits: u32,
            ) -> Fut<'a, Clear> {
                assert!(self.security() != Security::Malicious, "all are to be told the same");
                Box::pin(blocks::publish::numbers(step, owner, x, bits))
            }

            /// As [`Protocol::publish`], for bits.
            fn publish_bits<'a>(
                &'a self,
                step: &'a Step,
                owner: Party,
                x: &'a ClearBits,
            ) -> Fut<'a, ClearBits> {
                assert!(self.security() != Security::Malicious, "all are to be told the same");
                Box::pin(blocks::publish::bits(step, owner, x))
            }

            $( $(#[$required_doc])*
            fn $required<'a>(&'a self, step: &'a Step, $($need: $need_ty),*) -> Fut<'a, $needed>; )*

            $( $(#[$doc])*
            fn $verb<'a>(&'a self, step: &'a Step, $($arg: $ty),*) -> Fut<'a, $result> {
                Box::pin($block(self.as_protocol(), step, $($arg),*))
            } )*
        }
    };
}
for_each_verb!(define_protocol);

/// Makes the protocol object of party `me`.
///
/// # Errors
/// The protocol cannot do what the setup asks; the text says what would help.
pub type Build = fn(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>>;

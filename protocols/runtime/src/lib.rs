//! What a protocol step runs on: messages, transports, random streams and the executor.
//!
//! A *step* is one instruction of a program, executed as a future. It computes, hands messages to
//! the [`Executor`] and waits for answers; while it waits, other steps run. All messages that are
//! ready leave together, so steps that do not depend on each other share rounds by construction.
//!
//! This crate opens no socket, reads no file, clock or operating-system randomness. A party is
//! given a [`Transport`] and a seed; the same protocol code then runs over TLS, between threads of
//! one process ([`local`]), in a deterministic simulation ([`simulate`]) or under a cheating
//! injector ([`tamper`]).
//!
//! | module | what it holds |
//! |---|---|
//! | [`message`] | the frame header, labels, depth of a message |
//! | [`buffer`] | memory of share vectors and payloads |
//! | [`transport`] | the trait between executor and wire |
//! | [`error`] | what can go wrong, and whose fault it is |
//! | [`random`] | generators keyed by step, purpose and pair of parties |
//! | [`step`] | the context a protocol verb works in |
//! | [`executor`] | polls steps in issue order, merges their messages |
//! | [`kept`] | preprocessing made in one run and used in another |
//! | `tape` | streams read from a tape, for tests that enumerate all randomness; with the feature `tapes` |
//! | [`local`], [`simulate`], [`tamper`] | transports without sockets |

pub mod buffer;
pub mod cipher;
pub mod error;
pub mod executor;
pub mod kept;
pub mod local;
pub mod message;
pub mod random;
pub mod simulate;
pub mod stats;
pub mod step;
pub mod tamper;
#[cfg(feature = "tapes")]
pub mod tape;
pub mod transport;

pub use buffer::Payload;
pub use cipher::{Block, Cipher};
pub use error::{Error, Misbehaviour, Result};
pub use executor::{Executor, Slot, join_all};
pub use kept::{Keeper, Preprocessing};
pub use message::{Depth, Header, Label, Phase};
pub use random::{Key, Stream};
pub use stats::{Counts, Stats};
pub use step::{Barrier, Op, OpId, Step};
pub use transport::Transport;

/// Number of a party, from 0.
pub type Party = usize;

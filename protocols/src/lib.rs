//! Protocols for secure multi-party computation behind one trait.
//!
//! Notation: `[x]` is a sharing of `x`; `x_i` what party `i` holds of it; indices of parties are
//! modulo `n`. *Semi-honest* parties follow the protocol and pool what they see; *malicious* ones do
//! as they like. `stat_sec` σ and `comp_sec` κ are security parameters in bits.
//!
//! | module | what it holds |
//! |---|---|
//! | [`protocol`] | the trait: few verbs required, the rest by default from blocks |
//! | `verbs` | the table of verbs, from which the trait and the ledger are made |
//! | [`registry`] | every protocol, one line each |
//! | [`value`] | share vectors as planes, clear vectors |
//! | [`checks`] | security checks by name, so that tests can do without one |
//! | [`manual`] | the table of protocols with their costs |
//! | [`cost`], [`ledger`] | declared costs, and the protocol that adds them up without data |
//! | [`Preparer`], `prepared` | preprocessing made in one run and used in another |
//! | [`schemes`] | the protocols |
//! | [`blocks`] | comparison, truncation, conversion, shuffles, sorting from the required verbs |
//! | [`algebra`] | rings and fields, carry trees, matrix kernels |
//! | [`testing`] | parties in one process, and the laws that every protocol keeps |
//!
//! Start reading at [`schemes::blank`].

pub mod algebra;
pub mod blocks;
pub mod checks;
pub mod cost;
pub mod ledger;
pub mod manual;
mod prepared;
mod preparer;
pub mod protocol;
pub mod registry;
pub mod schemes;
pub mod testing;
pub mod value;
mod verbs;
mod workers;

pub use cost::{Call, Comparison, Cost, Sent, Truncation, Verb};
pub use mpc_runtime::{Error, Party, Result};
pub use prepared::set_up;
pub use preparer::Preparer;
pub use protocol::{Abort, Domain, Fut, Info, Parties, Protocol, Security, Seeds, Setup, Units};
pub use value::{Clear, ClearBits, ClearVec, Plane, Shares, Unit};

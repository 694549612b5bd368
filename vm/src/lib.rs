//! The virtual machine: runs bytecode as one party of a protocol.
//!
//! Life of a run: [`data`] reads the inputs, [`session`] says who the parties are, [`net`] connects
//! them over TLS and makes sure that they agree, [`machine`] executes under the chosen protocol, and
//! [`data`] writes the outputs.
//!
//! | module | what it holds |
//! |---|---|
//! | [`machine`] | the machine: issue, renamed registers, one file per family of instructions |
//! | [`estimate`] | what a program costs under a protocol, without data |
//! | [`prepare`] | preprocessing made ahead of a run |
//! | [`emulate`] | the clear reference |
//! | [`net`] | framing, TLS over mio, agreement, shaped links |
//! | [`session`] | the session file |
//! | [`data`] | inputs and outputs: `.npy`, `.npz`, CSV, JSON |

#![forbid(unsafe_code)]

pub mod data;
pub mod emulate;
pub mod estimate;
pub mod machine;
pub mod net;
pub mod prepare;
pub mod session;

//! What every protocol gets for nothing: verbs made of other verbs.
//!
//! Blocks see a protocol only through its trait, so they are compiled once and right for all.

pub mod carry;
pub mod circuits;
pub mod coin;
pub mod commit;
pub mod compare;
pub mod convert;
pub mod dabit;
pub mod linear;
pub mod mask;
pub mod netlist;
pub mod network;
pub mod ot;
pub mod pairs;
pub mod publish;
pub mod shuffle;
pub mod sort;
pub mod split;
pub mod tiles;
pub mod truncate;
pub mod vouch;
pub mod wires;

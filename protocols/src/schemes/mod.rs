//! The protocols, one file each.

pub mod blank;
pub mod over_binary;
pub mod plain;
mod rep3;
pub mod rep3_bin;
pub mod rep3_ring;
mod rep4;
pub mod rep4_ring;
pub mod shamir;

//! The protocols, one file each.

pub mod blank;
mod gmw;
pub mod over_binary;
pub mod plain;
mod rep3;
pub mod rep3_bin;
pub mod rep3_ring;
pub mod semi_bin;
pub mod shamir;
pub mod yao;

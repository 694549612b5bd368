//! The protocols, one file each.

pub mod atlas;
pub mod blank;
pub mod ccd;
pub mod over_binary;
pub(crate) mod over_field;
pub mod plain;
mod rep3;
pub mod rep3_bin;
pub mod rep3_field;
pub mod rep3_ring;
pub mod shamir;

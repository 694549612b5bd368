//! The protocols, one file each.

pub mod over_binary;
pub mod plain;

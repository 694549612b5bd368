//! The protocols, one file each.

pub mod plain;

//! (see the crate description)

pub mod ir;

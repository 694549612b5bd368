//! (see the crate description)

pub mod emit;
pub mod ir;
pub mod passes;

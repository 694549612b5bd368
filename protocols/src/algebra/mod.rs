//! Rings, fields and the kernels over them.

pub mod bits;
pub mod clear;
pub mod contraction;
pub mod field;
pub mod gf256;
pub mod matrix;
pub(crate) mod narrow;
pub(crate) mod number;
pub mod ring;
pub mod simd;

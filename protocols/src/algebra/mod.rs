//! Rings, fields and the kernels over them.

pub mod clear;

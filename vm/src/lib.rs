//! (see the crate description)
#![forbid(unsafe_code)]

pub mod data;
pub mod net;
pub mod session;

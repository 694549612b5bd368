//! (see the crate description)
#![forbid(unsafe_code)]

pub mod net;

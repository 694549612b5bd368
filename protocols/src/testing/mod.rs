//! Parties in one process, and the laws that every protocol keeps.

pub mod cases;
pub mod conformance;
pub mod session;

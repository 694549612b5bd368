//! Parties in one process, and the laws that every protocol keeps.

pub mod attack;
#[cfg(test)]
pub(crate) mod bare;
pub mod cases;
pub mod conformance;
#[cfg(test)]
mod exact;
pub mod privacy;
pub mod session;
#[cfg(test)]
mod small;

//! What tests across crates share. Nothing depends on this crate.
//!
//! | module | what it holds |
//! |---|---|
//! | [`programs`] | programs in the language with their data |
//! | [`seed`] | the one source of randomness of tests, printed so that a failure can be had again |
//! | [`session`] | all parties of a run in one process, and what must hold of every run |
//! | [`faults`] | what must hold when the network or a party fails |
//! | [`cheating`] | what must hold of a protocol against malicious parties when one cheats |
//! | [`watchdog`] | ends a test that hangs |
//! | [`library`] | the standard library as documented: examples, rounds |
//! | [`elementary`] | the mathematical functions against floating point, and the table of what they cost |
//! | [`generate`] | valid bytecode programs from a seed |
//! | [`parallel`] | long tests on all cores |
//! | [`tree`] | the files of the repository |

pub mod cheating;
pub mod elementary;
pub mod faults;
pub mod generate;
pub mod library;
pub mod parallel;
pub mod programs;
pub mod seed;
pub mod session;
pub mod tree;
pub mod watchdog;

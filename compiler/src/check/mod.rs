//! What a program means before it is a graph: its modules and names, its types, its constants.
//!
//! Names are checked here for every function, called or not. Types are checked while lowering ([`crate::lower`]), since a function
//! that is generic in shapes has types only where it is called.

pub mod modules;
pub mod names;
pub mod number;
pub mod types;

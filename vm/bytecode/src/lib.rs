//! The bytecode: an instruction table, a codec, a file format. Compiler and machine meet only here.
//!
//! | module | what it holds |
//! |---|---|
//! | [`table`] | every instruction, declared once |
//! | [`operand`] | registers, immediates and dimensions: binary and text forms |
//! | [`define`] | what the table generates: enum, codec, text, manual, executor traits |
//! | [`circuit`] | boolean circuits that programs name |
//! | [`file`] | the container: magic, version, manifest, constants, code, debug lines, hash |
//! | [`verify`] | the one check on load, after which indices are trusted |

pub mod circuit;
pub mod define;
pub mod file;
pub mod operand;
pub mod table;
pub mod verify;

pub use circuit::{Circuit, Gate};
pub use define::{Group, Instruction, execute, group, manual};
pub use file::{Element, Entry, Program, Receivers, Span, Variable};
pub use operand::{
    Access, Bits, C, CB, Count, Dims, Id, Imm, Operand, Pool, Read, ReadR, Run, S, SB, Target,
    Wide, Write, WriteR,
};

/// A register bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bank {
    /// Secret numbers.
    S,
    /// Clear numbers.
    C,
    /// Secret bits.
    SB,
    /// Clear bits.
    CB,
    /// Machine integers.
    R,
}

impl Bank {
    /// All banks.
    pub const ALL: [Bank; 5] = [Bank::S, Bank::C, Bank::SB, Bank::CB, Bank::R];

    /// The letters that stand for it in text.
    pub const fn letters(self) -> &'static str {
        match self {
            Bank::S => "s",
            Bank::C => "c",
            Bank::SB => "sb",
            Bank::CB => "cb",
            Bank::R => "r",
        }
    }
}

/// Result of reading bytecode.
pub type Result<T> = std::result::Result<T, Error>;

/// Why bytes or text are no bytecode.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The input ends in the middle of something, or announces more than it holds.
    Truncated,
    /// Bytes that no encoder writes; says where.
    Malformed(&'static str),
    /// Text that is something else; says what was expected.
    Expected(&'static str),
    /// Not a bytecode file.
    Magic,
    /// A version or feature this machine does not know: found and known.
    Version(u16, u16),
    /// The hash in the file is not the hash of its content.
    Hash,
    /// An instruction breaks a rule: its number, its text, the rule.
    Rule(usize, String, &'static str),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Truncated => write!(f, "the file ends early or announces more than it holds"),
            Error::Malformed(what) => write!(f, "malformed {what}"),
            Error::Expected(what) => write!(f, "expected {what}"),
            Error::Magic => write!(f, "not a bytecode file"),
            Error::Version(found, known) => {
                write!(f, "bytecode of version {found}, this program knows version {known}")
            }
            Error::Hash => write!(f, "the file is damaged: its hash is not that of its content"),
            Error::Rule(number, text, rule) => {
                write!(f, "instruction {number} (`{text}`): {rule}")
            }
        }
    }
}

impl std::error::Error for Error {}

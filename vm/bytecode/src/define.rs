//! What the table generates: group structs, the enum, codec, text, register use, and one trait per
//! family for those who execute.

use crate::operand::{
    Access, Bits, C, CB, Count, Dims, Id, Imm, Input as Bytes, Operand, Pool, Read, ReadR, S, SB,
    Target, Text, Wide, Write, WriteR, put,
};
use crate::{Error, Result};

macro_rules! groups_of {
    (once $Name:ident) => { group::$Name };
    (many $Name:ident) => { Vec<group::$Name> };
}
macro_rules! arg_of {
    (once $Name:ident) => {
        &group::$Name
    };
    (many $Name:ident) => {
        &[group::$Name]
    };
}
macro_rules! as_slice {
    (once $groups:ident) => {
        std::slice::from_ref($groups)
    };
    (many $groups:ident) => {
        $groups.as_slice()
    };
}
macro_rules! collect_groups {
    (once $groups:ident) => {{
        let mut groups: Vec<_> = $groups;
        match (groups.pop(), groups.pop()) {
            (Some(group), None) => group,
            _ => return Err(Error::Malformed("exactly one group is due")),
        }
    }};
    (many $groups:ident) => {
        $groups
    };
}

macro_rules! define_instructions {
    ($( $(#[doc = $family_doc:literal])* $Family:ident { $(
        $(#[doc = $doc:literal])*
        $code:literal $arity:ident $mnemonic:ident = $Name:ident { $($field:ident : $ty:ty),* }
    )* } )*) => {
        /// One struct per instruction: the operands of one group.
        #[allow(missing_docs, reason = "operand names are explained by the doc of their instruction")]
        pub mod group {
            use super::*;
            $($(
                $(#[doc = $doc])*
                #[derive(Clone, Debug, PartialEq)]
                pub struct $Name { $(pub $field: $ty),* }
                impl Group for $Name {
                    const MNEMONIC: &'static str = stringify!($mnemonic);
                    #[allow(unused_variables, reason = "groups without operands")]
                    fn encode(&self, out: &mut Vec<u8>) { $( self.$field.encode(out); )* }
                    #[allow(unused_variables, reason = "groups without operands")]
                    fn decode(input: &mut Bytes<'_>) -> Result<Self> {
                        Ok(Self { $( $field: <$ty as Operand>::decode(input)? ),* })
                    }
                    fn print(&self, out: &mut String) {
                        let operands: Vec<String> = vec![$( { let mut text = String::new(); self.$field.print(&mut text); text } ),*];
                        out.push_str(&operands.join(", "));
                    }
                    #[allow(unused_variables, unused_mut, unused_assignments, reason = "groups without operands")]
                    fn parse(text: &mut Text<'_>) -> Result<Self> {
                        let mut first = true;
                        $( if !first { text.expect(",")?; } first = false; let $field = <$ty as Operand>::parse(text)?; )*
                        Ok(Self { $($field),* })
                    }
                    #[allow(unused_variables, reason = "groups without operands")]
                    fn accesses(&self, visit: &mut dyn FnMut(Access)) {
                        $( if let Some(access) = self.$field.access() { visit(access); } )*
                    }
                }
            )*)*
        }

        /// An instruction with its groups.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Instruction { $($( $(#[doc = $doc])* $Name(groups_of!($arity $Name)), )*)* }

        impl Instruction {
            /// Number of instructions in the table.
            pub const COUNT: usize = [$($( $code, )*)*].len();

            /// Opcodes in the order of the table.
            pub const OPCODES: &'static [u8] = &[$($( $code, )*)*];

            /// The instruction's number in the table, to keep counts by.
            pub fn opcode(&self) -> u8 {
                match self { $($( Self::$Name(_) => $code, )*)* }
            }

            /// Its name in text.
            pub fn mnemonic(&self) -> &'static str {
                match self { $($( Self::$Name(_) => stringify!($mnemonic), )*)* }
            }

            /// Number of groups.
            pub fn groups(&self) -> usize {
                match self { $($( Self::$Name(groups) => as_slice!($arity groups).len(), )*)* }
            }

            /// Appends the binary form: opcode, number of groups, groups.
            pub fn encode(&self, out: &mut Vec<u8>) {
                out.push(self.opcode());
                match self { $($( Self::$Name(groups) => encode_groups(as_slice!($arity groups), out), )*)* }
            }

            /// Reads the binary form.
            ///
            /// # Errors
            /// The bytes end early, or hold what no encoder writes.
            pub fn decode(input: &mut Bytes<'_>) -> Result<Self> {
                match input.byte()? {
                    $($( $code => {
                        let groups: Vec<group::$Name> = decode_groups(input)?;
                        Ok(Self::$Name(collect_groups!($arity groups)))
                    } )*)*
                    _ => Err(Error::Malformed("opcode")),
                }
            }

            /// The text form, which [`Instruction::parse`] reads back.
            pub fn print(&self) -> String {
                match self { $($( Self::$Name(groups) => print_groups(as_slice!($arity groups)), )*)* }
            }

            /// Reads the text form.
            ///
            /// # Errors
            /// The text is no instruction.
            pub fn parse(text: &mut Text<'_>) -> Result<Self> {
                match text.word()? {
                    $($( stringify!($mnemonic) => {
                        let groups: Vec<group::$Name> = parse_groups(text)?;
                        Ok(Self::$Name(collect_groups!($arity groups)))
                    } )*)*
                    _ => Err(Error::Expected("an instruction")),
                }
            }

            /// Calls `visit` with every register run that is read or written.
            pub fn accesses(&self, visit: &mut dyn FnMut(Access)) {
                match self { $($( Self::$Name(groups) => as_slice!($arity groups).iter().for_each(|g| g.accesses(visit)), )*)* }
            }
        }

        $($(
            impl From<groups_of!($arity $Name)> for Instruction {
                fn from(groups: groups_of!($arity $Name)) -> Self { Self::$Name(groups) }
            }
        )*)*

        /// The reference manual, in Markdown.
        pub fn manual() -> String {
            let mut out = String::from(MANUAL_HEAD);
            $(
                out += concat!("\n## ", stringify!($Family), "\n\n");
                out += concat!($($family_doc, "\n"),*).trim();
                out += "\n\n| code | instruction | operands of a group | meaning |\n|---|---|---|---|\n";
                $( {
                    let operands: Vec<String> = vec![$( format!("{}: {}", stringify!($field), <$ty as Operand>::kind()) ),*];
                    let meaning = concat!($($doc),*).trim().replace('|', "\\|");
                    let list = if stringify!($arity) == "many" { " …" } else { "" };
                    out += &format!("| {:#04x} | `{}`{list} | {} | {meaning} |\n", $code, stringify!($mnemonic), operands.join(", "));
                } )*
            )*
            out
        }

        /// What an executor implements: one trait per family, one method per instruction, no default
        /// bodies, so that a new line of the table is missed by nobody.
        pub mod execute {
            use super::*;
            /// Who executes, and how it fails.
            pub trait Executor {
                /// Why an instruction failed.
                type Error;
            }
            $( $(#[doc = $family_doc])*
            pub trait $Family: Executor {
                $( $(#[doc = $doc])*
                ///
                /// # Errors
                /// As the executor defines.
                fn $mnemonic(&mut self, groups: arg_of!($arity $Name)) -> std::result::Result<(), Self::Error>; )*
            } )*
            /// All families, and the one dispatch.
            pub trait Execute: $( $Family + )* Executor {
                /// Executes one instruction.
                ///
                /// # Errors
                /// As the executor defines.
                fn step(&mut self, instruction: &Instruction) -> std::result::Result<(), Self::Error> {
                    match instruction { $($( Instruction::$Name(groups) => $Family::$mnemonic(self, groups), )*)* }
                }
            }
            impl<T: $( $Family + )* Executor> Execute for T {}
        }
    };
}

/// The operands of one group of an instruction.
pub trait Group: Sized {
    /// Name of the instruction in text.
    const MNEMONIC: &'static str;
    /// Appends the binary form.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads the binary form.
    ///
    /// # Errors
    /// The bytes end early or hold what no encoder writes.
    fn decode(input: &mut Bytes<'_>) -> Result<Self>;
    /// Appends the text form.
    fn print(&self, out: &mut String);
    /// Reads the text form.
    ///
    /// # Errors
    /// The text is not of this form.
    fn parse(text: &mut Text<'_>) -> Result<Self>;
    /// Calls `visit` with every register run that is read or written.
    fn accesses(&self, visit: &mut dyn FnMut(Access));
}

const MANUAL_HEAD: &str = "# Instructions

Generated from the table in `vm/bytecode/src/table.rs`; a test fails when this page is stale.

An operand such as `s64:8` is the run of eight secret registers from 64; `s64+r2:8` starts at 64 plus
the value of machine integer `r2`. Instructions marked with … take a list of groups, and all groups
share their rounds. Element-wise operands have the length of the result or length 1. `bits` bounds a
value: `-2^(bits-1) <= x < 2^(bits-1)`.
";

fn encode_groups<G: Group>(groups: &[G], out: &mut Vec<u8>) {
    put(groups.len() as u64, out);
    groups.iter().for_each(|g| g.encode(out));
}

fn decode_groups<G: Group>(input: &mut Bytes<'_>) -> Result<Vec<G>> {
    // A group without operands takes no byte, so its count is not bounded by the input.
    let n = input.number()?;
    if n > input.remaining() as u64 + 1 {
        return Err(Error::Truncated);
    }
    (0..n).map(|_| G::decode(input)).collect()
}

fn print_groups<G: Group>(groups: &[G]) -> String {
    let mut out = String::from(G::MNEMONIC);
    for group in groups {
        out.push_str(" (");
        group.print(&mut out);
        out.push(')');
    }
    out
}

fn parse_groups<G: Group>(text: &mut Text<'_>) -> Result<Vec<G>> {
    let mut groups = vec![];
    while text.eat("(") {
        groups.push(G::parse(text)?);
        text.expect(")")?;
    }
    Ok(groups)
}

crate::for_each_instruction!(define_instructions);

//! The container of a program.
//!
//! ```text
//!  0      4         6          14       22                54
//!  | MPCB | version | features | length | BLAKE3 of body  | body … |
//! ```
//!
//! Fixed integers are little-endian; the body holds LEB128 numbers and strings with their length
//! before them, in the order of the fields of [`Program`]. The hash names the program: parties
//! compare it before they start.

use crate::operand::{Input, put, put_signed, put_string, take_signed};
use crate::{Bank, Circuit, Error, Instruction, Result};

const MAGIC: &[u8; 4] = b"MPCB";
/// Version of the format and of the instruction table.
pub const VERSION: u16 = 2;
const HEAD_BYTES: usize = 54;

/// Element type of an input, an output or a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Signed integer of that many bits.
    Int(u32),
    /// Fixed point: bits in all, bits after the point.
    Fix(u32, u32),
    /// Integer modulo two to that many bits, in its signed representative.
    Wrap(u32),
    /// One bit.
    Bool,
}

impl Element {
    /// Bound of a value in bits (1 for a bit).
    pub fn bits(self) -> u32 {
        match self {
            Element::Int(k) | Element::Fix(k, _) | Element::Wrap(k) => k,
            Element::Bool => 1,
        }
    }
}

impl std::fmt::Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Element::Int(k) => write!(f, "int<{k}>"),
            Element::Fix(k, fraction) => write!(f, "fix<{k},{fraction}>"),
            Element::Wrap(k) => write!(f, "wrap<{k}>"),
            Element::Bool => write!(f, "bool"),
        }
    }
}

/// Who gets an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receivers {
    /// Every party.
    All,
    /// The parties that play these roles.
    Roles(Vec<u32>),
}

impl Receivers {
    /// Whether `party` is among them, where `players` has the party of each role.
    pub fn include(&self, party: usize, players: &[usize]) -> bool {
        match self {
            Receivers::All => true,
            Receivers::Roles(roles) => roles.iter().any(|&role| players[role as usize] == party),
        }
    }
}

/// An input, an output or a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Name in the program. Inputs of several roles may share one name.
    pub name: String,
    /// Element type.
    pub element: Element,
    /// Sizes of the dimensions, slowest first; empty for a single value.
    pub shape: Vec<u64>,
    /// For inputs the one owner; for outputs who gets it; for states `All`.
    pub receivers: Receivers,
}

impl Variable {
    /// Number of elements; `None` if it overflows.
    pub fn len(&self) -> Option<u64> {
        self.shape.iter().try_fold(1_u64, |n, &d| n.checked_mul(d))
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }
}

/// A place where a run may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name in the program; `main` if the source names none.
    pub name: String,
    /// First instruction.
    pub start: u32,
    /// One past the last instruction.
    pub end: u32,
}

/// Source place of an instruction; `line` 0 if unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Number of the file.
    pub file: u32,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

/// A program as a file holds it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Names of the roles, arrays expanded: `bidders[0]`.
    pub roles: Vec<String>,
    /// Inputs by id.
    pub inputs: Vec<Variable>,
    /// Outputs by id.
    pub outputs: Vec<Variable>,
    /// States by id.
    pub states: Vec<Variable>,
    /// Entries, at least one, ascending and disjoint, covering `code`.
    pub entries: Vec<Entry>,
    /// Registers of each bank, in the order of [`Bank::ALL`].
    pub registers: [u64; 5],
    /// Largest bound of a secret intermediate, where operands of `wraps` count as their result: a
    /// ring of that many bits computes the program.
    pub ring_bits: u32,
    /// Largest bound of a secret intermediate: integers of that many bits compute the program.
    pub field_bits: u32,
    /// Constants.
    pub pool: Vec<i128>,
    /// Circuits by id.
    pub circuits: Vec<Circuit>,
    /// Instructions of all entries.
    pub code: Vec<Instruction>,
    /// Source files.
    pub files: Vec<String>,
    /// Source place of each instruction; as long as `code`, or empty.
    pub spans: Vec<Span>,
}

impl Program {
    /// Registers of one bank.
    pub fn registers(&self, bank: Bank) -> u64 {
        self.registers[bank as usize]
    }

    /// Source place of an instruction as text, `file:line:column`; empty if unknown.
    pub fn place(&self, instruction: usize) -> String {
        let Some(span) = self.spans.get(instruction).filter(|s| s.line > 0) else {
            return String::new();
        };
        let file = self.files.get(span.file as usize).map_or("?", String::as_str);
        format!("{file}:{}:{}", span.line, span.column)
    }

    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = vec![];
        put_list(&self.roles, &mut body, |role, out| put_string(role, out));
        for list in [&self.inputs, &self.outputs, &self.states] {
            put_list(list, &mut body, put_variable);
        }
        put_list(&self.entries, &mut body, |entry, out| {
            put_string(&entry.name, out);
            put(u64::from(entry.start), out);
            put(u64::from(entry.end), out);
        });
        self.registers.iter().for_each(|&n| put(n, &mut body));
        put(u64::from(self.ring_bits), &mut body);
        put(u64::from(self.field_bits), &mut body);
        put_list(&self.pool, &mut body, |&value, out| put_signed(value, out));
        put_list(&self.circuits, &mut body, Circuit::encode);
        put_list(&self.code, &mut body, Instruction::encode);
        put_list(&self.files, &mut body, |file, out| put_string(file, out));
        put(self.spans.len() as u64, &mut body);
        let mut last = Span::default();
        for span in &self.spans {
            for (now, before) in
                [(span.file, last.file), (span.line, last.line), (span.column, last.column)]
            {
                put_signed(i128::from(now) - i128::from(before), &mut body);
            }
            last = *span;
        }
        let mut out = Vec::with_capacity(HEAD_BYTES + body.len());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&0_u64.to_le_bytes());
        out.extend_from_slice(&(body.len() as u64).to_le_bytes());
        out.extend_from_slice(blake3::hash(&body).as_bytes());
        out.extend_from_slice(&body);
        out
    }

    /// The hash that names the program, as it stands in the file.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(&self.encode()[22..54]);
        hash
    }

    /// Reads a file and checks everything that the machine later trusts.
    ///
    /// # Errors
    /// The bytes are no program of this version, are damaged, or break a rule.
    pub fn load(bytes: &[u8]) -> Result<Program> {
        let program = Program::decode(bytes)?;
        crate::verify::verify(&program)?;
        Ok(program)
    }

    /// Reads a file without checking its instructions.
    ///
    /// # Errors
    /// The bytes are no program of this version or are damaged.
    pub fn decode(bytes: &[u8]) -> Result<Program> {
        let mut head = Input::new(bytes);
        if head.take(4).ok() != Some(MAGIC) {
            return Err(Error::Magic);
        }
        let version = head.take(2)?;
        let version = u16::from_le_bytes([version[0], version[1]]);
        if version != VERSION {
            return Err(Error::Version(version, VERSION));
        }
        let features = head.take(8)?;
        if features.iter().any(|&b| b != 0) {
            return Err(Error::Malformed("feature bits"));
        }
        let length = head.take(8)?.iter().rev().fold(0_u64, |n, &b| n << 8 | u64::from(b));
        let hash = head.take(32)?;
        let body = &bytes[HEAD_BYTES..];
        if length != body.len() as u64 {
            return Err(Error::Truncated);
        }
        if blake3::hash(body).as_bytes() != hash {
            return Err(Error::Hash);
        }
        Program::decode_body(&mut Input::new(body))
    }

    fn decode_body(input: &mut Input<'_>) -> Result<Program> {
        let roles = take_list(input, Input::string)?;
        let inputs = take_list(input, take_variable)?;
        let outputs = take_list(input, take_variable)?;
        let states = take_list(input, take_variable)?;
        let entries = take_list(input, |input| {
            Ok(Entry { name: input.string()?, start: take_u32(input)?, end: take_u32(input)? })
        })?;
        let mut registers = [0; 5];
        for n in &mut registers {
            *n = input.number()?;
        }
        let (ring_bits, field_bits) = (take_u32(input)?, take_u32(input)?);
        let pool = take_list(input, take_signed)?;
        let circuits = take_list(input, Circuit::decode)?;
        let code = take_list(input, Instruction::decode)?;
        let files = take_list(input, Input::string)?;
        let mut last = [0_i128; 3];
        let spans = take_list(input, |input| {
            let mut now = [0; 3];
            for (part, before) in now.iter_mut().zip(&mut last) {
                *before =
                    before.checked_add(take_signed(input)?).ok_or(Error::Malformed("span"))?;
                *part = u32::try_from(*before).map_err(|_| Error::Malformed("span"))?;
            }
            Ok(Span { file: now[0], line: now[1], column: now[2] })
        })?;
        if input.remaining() != 0 {
            return Err(Error::Malformed("end"));
        }
        Ok(Program {
            roles,
            inputs,
            outputs,
            states,
            entries,
            registers,
            ring_bits,
            field_bits,
            pool,
            circuits,
            code,
            files,
            spans,
        })
    }

    /// The program as text, for people; instructions read back one by one.
    pub fn disassemble(&self) -> String {
        use std::fmt::Write as _;
        let mut out = String::new();
        let _ = writeln!(out, "; ring_bits {} field_bits {}", self.ring_bits, self.field_bits);
        for (bank, n) in Bank::ALL.iter().zip(self.registers) {
            let _ = writeln!(out, "; {} registers {n}", bank.letters());
        }
        for (kind, list) in
            [("input", &self.inputs), ("output", &self.outputs), ("state", &self.states)]
        {
            for (id, v) in list.iter().enumerate() {
                let who = match &v.receivers {
                    Receivers::All => "all".to_owned(),
                    Receivers::Roles(roles) => {
                        let name =
                            |&r: &u32| self.roles.get(r as usize).map_or("?", String::as_str);
                        roles.iter().map(name).collect::<Vec<_>>().join(", ")
                    }
                };
                let _ =
                    writeln!(out, "; {kind} ${id} {:?}: {}{:?}, {who}", v.name, v.element, v.shape);
            }
        }
        if !self.pool.is_empty() {
            let _ = writeln!(out, "; constants {}", self.pool.len());
        }
        for (id, circuit) in self.circuits.iter().enumerate() {
            let Circuit { name, inputs, outputs, gates, .. } = circuit;
            let n = gates.len();
            let _ = writeln!(out, "; circuit ${id} {name:?}: {inputs:?} to {outputs:?}, {n} gates");
        }
        for entry in &self.entries {
            let _ = writeln!(out, "entry {}:", entry.name);
            for number in entry.start as usize..(entry.end as usize).min(self.code.len()) {
                let place = self.place(number);
                let comment = if place.is_empty() { String::new() } else { format!("  ; {place}") };
                let _ = writeln!(out, "{number:>6}  {}{comment}", self.code[number].print());
            }
        }
        out
    }
}

fn put_list<T>(list: &[T], out: &mut Vec<u8>, mut item: impl FnMut(&T, &mut Vec<u8>)) {
    put(list.len() as u64, out);
    list.iter().for_each(|x| item(x, out));
}

fn take_list<'a, T>(
    input: &mut Input<'a>,
    mut item: impl FnMut(&mut Input<'a>) -> Result<T>,
) -> Result<Vec<T>> {
    let n = input.length()?;
    // Grows as items are read: the announced count alone allocates nothing.
    let mut list = vec![];
    for _ in 0..n {
        list.push(item(input)?);
    }
    Ok(list)
}

fn take_u32(input: &mut Input<'_>) -> Result<u32> {
    u32::try_from(input.number()?).map_err(|_| Error::Malformed("number"))
}

fn put_variable(variable: &Variable, out: &mut Vec<u8>) {
    put_string(&variable.name, out);
    let (tag, k, f) = match variable.element {
        Element::Int(k) => (0, k, 0),
        Element::Fix(k, f) => (1, k, f),
        Element::Wrap(k) => (2, k, 0),
        Element::Bool => (3, 1, 0),
    };
    [tag, k, f].iter().for_each(|&n| put(u64::from(n), out));
    put_list(&variable.shape, out, |&d, out| put(d, out));
    match &variable.receivers {
        Receivers::All => put(0, out),
        Receivers::Roles(roles) => {
            put(1, out);
            put_list(roles, out, |&r, out| put(u64::from(r), out));
        }
    }
}

fn take_variable(input: &mut Input<'_>) -> Result<Variable> {
    let name = input.string()?;
    let (tag, k, f) = (take_u32(input)?, take_u32(input)?, take_u32(input)?);
    let element = match (tag, k, f) {
        (0, 1..=64, 0) => Element::Int(k),
        (1, 2..=128, _) if f < k => Element::Fix(k, f),
        (2, 1..=64, 0) => Element::Wrap(k),
        (3, 1, 0) => Element::Bool,
        _ => return Err(Error::Malformed("type")),
    };
    let shape = take_list(input, Input::number)?;
    let receivers = match input.number()? {
        0 => Receivers::All,
        1 => Receivers::Roles(take_list(input, take_u32)?),
        _ => return Err(Error::Malformed("receivers")),
    };
    Ok(Variable { name, element, shape, receivers })
}

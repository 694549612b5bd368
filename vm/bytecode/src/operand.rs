//! Operands: how each encodes, decodes, prints, reads back from text, and touches registers.

use std::fmt::Write as _;
use std::marker::PhantomData;

use crate::{Bank, Error, Result};

/// Marker types of the banks, so that an operand's bank is part of its type.
pub trait BankMark: Copy + Clone + std::fmt::Debug + PartialEq + Eq {
    /// The bank.
    const BANK: Bank;
}

macro_rules! bank_marks {
    ($($(#[doc = $doc:literal])* $Mark:ident),*) => { $(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $Mark;
        impl BankMark for $Mark { const BANK: Bank = Bank::$Mark; }
    )* };
}
bank_marks! {
    /// Secret numbers.
    S,
    /// Clear numbers.
    C,
    /// Secret bits.
    SB,
    /// Clear bits.
    CB
}

/// Registers `base + r[index] .. base + r[index] + len` of a bank; without `index`, from `base`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First register, before the offset.
    pub base: u64,
    /// Number of registers.
    pub len: u64,
    /// Machine integer added to `base`.
    pub index: Option<u32>,
}

impl Run {
    /// A run at a fixed place.
    pub const fn new(base: u64, len: u64) -> Run {
        Run { base, len, index: None }
    }
}

/// What an operand does to registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The bank.
    pub bank: Bank,
    /// The registers; for bank `R` one register at `base`.
    pub run: Run,
    /// Written, else read.
    pub write: bool,
}

/// An operand of the instruction table.
pub trait Operand: Sized + Clone + std::fmt::Debug + PartialEq {
    /// The operand as the manual names it.
    fn kind() -> String;
    /// Appends the binary form.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads the binary form.
    ///
    /// # Errors
    /// The bytes end early or hold what no encoder writes.
    fn decode(input: &mut Input<'_>) -> Result<Self>;
    /// Appends the text form.
    fn print(&self, out: &mut String);
    /// Reads the text form.
    ///
    /// # Errors
    /// The text is not of this operand's form.
    fn parse(text: &mut Text<'_>) -> Result<Self>;
    /// Registers read or written.
    fn access(&self) -> Option<Access> {
        None
    }
    /// Machine integer that moves the run, if any.
    fn index(&self) -> Option<u32> {
        self.access().and_then(|a| a.run.index)
    }
}

/// Bytes still to be decoded.
#[derive(Debug)]
pub struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    /// All of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Input { bytes }
    }

    /// Bytes left.
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.bytes.split_at_checked(n).ok_or(Error::Truncated)?;
        self.bytes = rest;
        Ok(head)
    }

    /// The next byte.
    ///
    /// # Errors
    /// None is left.
    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// An unsigned LEB128 number of at most 128 bits, in its shortest form.
    ///
    /// # Errors
    /// The bytes end early, overflow, or are not the shortest form.
    pub fn wide(&mut self) -> Result<u128> {
        let mut value = 0_u128;
        for shift in (0..).step_by(7) {
            let byte = self.byte()?;
            let part = u128::from(byte & 0x7f);
            if shift >= 128 || (part << shift) >> shift != part || (byte == 0 && shift > 0) {
                return Err(Error::Malformed("number"));
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        Ok(value)
    }

    /// An unsigned number of at most 64 bits.
    ///
    /// # Errors
    /// As [`Input::wide`], or too large.
    pub fn number(&mut self) -> Result<u64> {
        u64::try_from(self.wide()?).map_err(|_| Error::Malformed("number"))
    }

    /// A length of things that take at least one byte each, so that it cannot exceed the input.
    ///
    /// # Errors
    /// As [`Input::number`], or larger than the bytes left.
    pub fn length(&mut self) -> Result<usize> {
        let n = self.number()?;
        usize::try_from(n).ok().filter(|&n| n <= self.remaining()).ok_or(Error::Truncated)
    }

    /// A string of UTF-8 with its length before it.
    ///
    /// # Errors
    /// The bytes end early or are not UTF-8.
    pub fn string(&mut self) -> Result<String> {
        let n = self.length()?;
        String::from_utf8(self.take(n)?.to_vec()).map_err(|_| Error::Malformed("string"))
    }
}

/// Appends an unsigned LEB128 number.
pub fn put_wide(mut value: u128, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends an unsigned number of 64 bits.
pub fn put(value: u64, out: &mut Vec<u8>) {
    put_wide(u128::from(value), out);
}

/// Appends a string with its length before it.
pub fn put_string(text: &str, out: &mut Vec<u8>) {
    put(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

const fn zigzag(value: i128) -> u128 {
    ((value << 1) ^ (value >> 127)) as u128
}

const fn unzigzag(value: u128) -> i128 {
    (value >> 1) as i128 ^ -((value & 1) as i128)
}

/// A signed number.
///
/// # Errors
/// As [`Input::wide`].
pub fn take_signed(input: &mut Input<'_>) -> Result<i128> {
    Ok(unzigzag(input.wide()?))
}

/// Appends a signed number.
pub fn put_signed(value: i128, out: &mut Vec<u8>) {
    put_wide(zigzag(value), out);
}

/// Text still to be read, and the characters that stand for structure.
#[derive(Debug)]
pub struct Text<'a> {
    rest: &'a str,
}

impl<'a> Text<'a> {
    /// All of `text`.
    pub fn new(text: &'a str) -> Self {
        Text { rest: text }
    }

    /// Whether only white space is left.
    pub fn is_empty(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.is_empty()
    }

    /// Takes `token` if it comes next.
    pub fn eat(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.strip_prefix(token).map(|rest| self.rest = rest).is_some()
    }

    /// Takes `token`.
    ///
    /// # Errors
    /// Something else comes next.
    pub fn expect(&mut self, token: &'static str) -> Result<()> {
        if self.eat(token) { Ok(()) } else { Err(Error::Expected(token)) }
    }

    /// Takes a word of letters, digits and `_`.
    ///
    /// # Errors
    /// Something else comes next.
    pub fn word(&mut self) -> Result<&'a str> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        if word.is_empty() { Err(Error::Expected("a word")) } else { Ok(word) }
    }

    /// Takes a decimal number.
    ///
    /// # Errors
    /// Something else comes next, or it does not fit.
    pub fn number<T: std::str::FromStr>(&mut self) -> Result<T> {
        self.rest = self.rest.trim_start();
        let sign = usize::from(self.rest.starts_with('-'));
        let digits = self.rest[sign..].find(|c: char| !c.is_ascii_digit());
        let end = digits.map_or(self.rest.len(), |d| d + sign);
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        number.parse().map_err(|_| Error::Expected("a number"))
    }
}

fn encode_run(run: &Run, out: &mut Vec<u8>) {
    put(run.base, out);
    put(run.len, out);
    put(run.index.map_or(0, |r| u64::from(r) + 1), out);
}

fn decode_run(input: &mut Input<'_>) -> Result<Run> {
    let (base, len, index) = (input.number()?, input.number()?, input.number()?);
    let index = match index {
        0 => None,
        r => Some(u32::try_from(r - 1).map_err(|_| Error::Malformed("register"))?),
    };
    Ok(Run { base, len, index })
}

fn print_run(bank: Bank, run: &Run, out: &mut String) {
    let index = run.index.map_or(String::new(), |r| format!("+r{r}"));
    let _ = write!(out, "{}{}{index}:{}", bank.letters(), run.base, run.len);
}

fn parse_run(bank: Bank, text: &mut Text<'_>) -> Result<Run> {
    text.expect(bank.letters())?;
    let base = text.number()?;
    let index = if text.eat("+r") { Some(text.number()?) } else { None };
    text.expect(":")?;
    Ok(Run { base, len: text.number()?, index })
}

macro_rules! run_operand {
    ($(#[doc = $doc:literal])* $Name:ident, $mark:literal, $write:literal) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $Name<B>(pub Run, PhantomData<B>);
        impl<B> $Name<B> {
            /// The operand that stands for `run`.
            pub const fn new(run: Run) -> Self {
                Self(run, PhantomData)
            }
        }
        impl<B: BankMark> Operand for $Name<B> {
            fn kind() -> String {
                format!("{}{}", B::BANK.letters(), $mark)
            }
            fn encode(&self, out: &mut Vec<u8>) {
                encode_run(&self.0, out);
            }
            fn decode(input: &mut Input<'_>) -> Result<Self> {
                Ok(Self::new(decode_run(input)?))
            }
            fn print(&self, out: &mut String) {
                print_run(B::BANK, &self.0, out);
            }
            fn parse(text: &mut Text<'_>) -> Result<Self> {
                Ok(Self::new(parse_run(B::BANK, text)?))
            }
            fn access(&self) -> Option<Access> {
                Some(Access { bank: B::BANK, run: self.0, write: $write })
            }
        }
    };
}
run_operand! {
    /// A run that is read.
    Read, "", false
}
run_operand! {
    /// A run that is written.
    Write, " (written)", true
}

macro_rules! int_register {
    ($(#[doc = $doc:literal])* $Name:ident, $mark:literal, $write:literal) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $Name(pub u32);
        impl Operand for $Name {
            fn kind() -> String {
                format!("r{}", $mark)
            }
            fn encode(&self, out: &mut Vec<u8>) {
                put(u64::from(self.0), out);
            }
            fn decode(input: &mut Input<'_>) -> Result<Self> {
                u32::try_from(input.number()?).map(Self).map_err(|_| Error::Malformed("register"))
            }
            fn print(&self, out: &mut String) {
                let _ = write!(out, "r{}", self.0);
            }
            fn parse(text: &mut Text<'_>) -> Result<Self> {
                text.expect("r")?;
                Ok(Self(text.number()?))
            }
            fn access(&self) -> Option<Access> {
                let run = Run::new(u64::from(self.0), 1);
                Some(Access { bank: Bank::R, run, write: $write })
            }
        }
    };
}
int_register! {
    /// A machine integer that is read.
    ReadR, "", false
}
int_register! {
    /// A machine integer that is written.
    WriteR, " (written)", true
}

macro_rules! number_operand {
    ($($(#[doc = $doc:literal])* $Name:ident($ty:ty), $kind:literal, $prefix:literal;)*) => { $(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $Name(pub $ty);
        impl Operand for $Name {
            fn kind() -> String {
                $kind.into()
            }
            fn encode(&self, out: &mut Vec<u8>) {
                put_signed(self.0 as i128, out);
            }
            fn decode(input: &mut Input<'_>) -> Result<Self> {
                <$ty>::try_from(take_signed(input)?).map(Self).map_err(|_| Error::Malformed($kind))
            }
            fn print(&self, out: &mut String) {
                let _ = write!(out, "{}{}", $prefix, self.0);
            }
            fn parse(text: &mut Text<'_>) -> Result<Self> {
                text.expect($prefix)?;
                Ok(Self(text.number()?))
            }
        }
    )* };
}
number_operand! {
    /// A signed number.
    Imm(i64), "number", "";
    /// A clear number.
    Wide(i128), "wide", "";
    /// A length or a bound.
    Count(u64), "count", "";
    /// A width in bits.
    Bits(u32), "bits", "";
    /// Number of an instruction.
    Target(u32), "target", "@";
    /// Number of a role, an input, an output or a state in the manifest.
    Id(u32), "id", "$";
}

/// Constants of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// First constant.
    pub base: u64,
    /// Number of constants.
    pub len: u64,
}

impl Operand for Pool {
    fn kind() -> String {
        "constants".into()
    }
    fn encode(&self, out: &mut Vec<u8>) {
        put(self.base, out);
        put(self.len, out);
    }
    fn decode(input: &mut Input<'_>) -> Result<Self> {
        Ok(Pool { base: input.number()?, len: input.number()? })
    }
    fn print(&self, out: &mut String) {
        let _ = write!(out, "k{}:{}", self.base, self.len);
    }
    fn parse(text: &mut Text<'_>) -> Result<Self> {
        text.expect("k")?;
        let base = text.number()?;
        text.expect(":")?;
        Ok(Pool { base, len: text.number()? })
    }
}

/// Size and stride of each dimension of a view, slowest first; strides may be 0 or negative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dims(pub Vec<(u64, i64)>);

impl Dims {
    /// Number of elements; `None` if it overflows.
    pub fn len(&self) -> Option<u64> {
        self.0.iter().try_fold(1_u64, |n, &(size, _)| n.checked_mul(size))
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.0.iter().any(|&(size, _)| size == 0)
    }

    /// The dimensions in parts of these sizes, slowest first; `None` unless each part is of whole
    /// dimensions. Of no elements there are no dimensions.
    pub fn split<const N: usize>(&self, sizes: [u64; N]) -> Option<[&[(u64, i64)]; N]> {
        if sizes.contains(&0) {
            return self.is_empty().then_some([&[]; N]);
        }
        let mut rest = &self.0[..];
        let mut parts = [rest; N];
        for (size, out) in sizes.into_iter().zip(&mut parts) {
            let (mut reached, mut taken) = (1_u64, 0);
            while reached != size {
                reached = reached.checked_mul(rest.get(taken)?.0)?;
                taken += 1;
            }
            (*out, rest) = rest.split_at(taken);
        }
        rest.iter().all(|dim| dim.0 == 1).then_some(parts)
    }

    /// Smallest and largest index reached from `offset`; `None` if empty.
    pub fn range(&self, offset: i64) -> Option<(i128, i128)> {
        if self.is_empty() {
            return None;
        }
        let start = i128::from(offset);
        Some(self.0.iter().fold((start, start), |(low, high), &(size, stride)| {
            let far = (i128::from(size) - 1).saturating_mul(i128::from(stride));
            (low.saturating_add(far.min(0)), high.saturating_add(far.max(0)))
        }))
    }
}

impl Operand for Dims {
    fn kind() -> String {
        "dims".into()
    }
    fn encode(&self, out: &mut Vec<u8>) {
        put(self.0.len() as u64, out);
        for &(size, stride) in &self.0 {
            put(size, out);
            put_signed(i128::from(stride), out);
        }
    }
    fn decode(input: &mut Input<'_>) -> Result<Self> {
        let n = input.length()?;
        let dim = |input: &mut Input<'_>| {
            let size = input.number()?;
            let stride = take_signed(input)?;
            Ok((size, i64::try_from(stride).map_err(|_| Error::Malformed("stride"))?))
        };
        (0..n).map(|_| dim(input)).collect::<Result<_>>().map(Dims)
    }
    fn print(&self, out: &mut String) {
        let dims: Vec<_> = self.0.iter().map(|(size, stride)| format!("{size}x{stride}")).collect();
        let _ = write!(out, "[{}]", dims.join(" "));
    }
    fn parse(text: &mut Text<'_>) -> Result<Self> {
        text.expect("[")?;
        let mut dims = vec![];
        while !text.eat("]") {
            let size = text.number()?;
            text.expect("x")?;
            dims.push((size, text.number()?));
        }
        Ok(Dims(dims))
    }
}

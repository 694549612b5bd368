//! The clear reference: bytecode on plain integers.
//!
//! What a program means is what this interpreter computes. It knows no protocol: secret registers
//! hold 128-bit integers, operations are the formulas of the instruction table. With exact
//! truncation every protocol gives the same outputs, bit for bit.
//!
//! In checked mode, a value that exceeds its announced bound is reported with instruction and
//! source line. Without, it wraps at 128 bits, which need not be what a protocol makes of it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use mpc_bytecode::execute::{self, Execute};
use mpc_bytecode::operand::BankMark;
use mpc_bytecode::{
    Bank, Bits, C, CB, Count, Dims, Element, Id, Program, Read, Run, S, SB, Variable, Write,
};
use mpc_runtime::{Error, Result};

/// Instructions that compute one result per group.
macro_rules! emulated {
    ($($name:ident($Group:ident) = |$e:ident, $g:ident| $value:expr;)*) => { $(
        fn $name(&mut self, groups: &[group::$Group]) -> Rule {
            self.run(groups, |g| &g.dst, |$e, $g| Ok($value))
        }
    )* };
}

mod clear;
mod control;
mod formulas;
mod io;
mod secret;
#[cfg(test)]
mod tests;

/// Most registers of one bank; more need a machine of their own.
const MAX_REGISTERS: u64 = 1 << 31;

/// How to emulate.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Report values that exceed their bounds.
    pub checked: bool,
    /// Scale back as probabilistic truncation does: to one of the two nearest, by chance.
    pub probabilistic: bool,
    /// Seed of the program's secret randomness.
    pub seed: u64,
    /// Most instructions to execute.
    pub max_steps: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { checked: false, probabilistic: false, seed: 0, max_steps: u64::MAX }
    }
}

/// A value that exceeds its announced bound; the first of its instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Static number of the instruction.
    pub instruction: usize,
    /// What, and where in the source.
    pub text: String,
}

/// What an emulation gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Number of the output and its values, in the order of execution.
    pub outputs: Vec<(usize, Vec<i128>)>,
    /// Values out of bounds, by instruction; only in checked mode.
    pub findings: Vec<Finding>,
    /// Instructions executed.
    pub steps: u64,
}

/// States of a program between runs, by number; absent ones are zero.
pub type States = BTreeMap<u32, Vec<i128>>;

/// Runs one entry of a verified program. `inputs` are by number of the manifest; those that the
/// entry does not read may be absent.
///
/// # Errors
/// `Program`: a missing input, a division by zero, an index out of range, too little memory, too
/// many steps; with the place in the source.
pub fn emulate(
    program: &Program,
    entry: usize,
    inputs: &[Option<Vec<i128>>],
    states: &mut States,
    options: Options,
) -> Result<Outcome> {
    let entry = program.entries.get(entry).ok_or(Error::Program("no such entry".into()))?;
    let mut hasher = blake3::Hasher::new_derive_key("mpc-vm 2026 emulator");
    hasher.update(&options.seed.to_le_bytes());
    let mut emulator = Emulator {
        program,
        inputs,
        states,
        options,
        banks: Banks::new(program)?,
        current: entry.start as usize,
        next: entry.start as usize,
        halted: false,
        random: RefCell::new(hasher.finalize_xof()),
        findings: RefCell::default(),
        outcome: Outcome::default(),
    };
    while !emulator.halted {
        emulator.current = emulator.next;
        emulator.next += 1;
        let instruction = &program.code[emulator.current];
        let fault = |text| Error::Program(text).at(place(program, emulator.current));
        if emulator.outcome.steps == options.max_steps {
            return Err(fault(format!("stopped after {} instructions", options.max_steps)));
        }
        emulator.outcome.steps += 1;
        if let Err(text) = emulator.step(instruction) {
            return Err(Error::Program(text).at(place(program, emulator.current)));
        }
    }
    let Emulator { mut outcome, findings, .. } = emulator;
    outcome.findings = (findings.into_inner().into_iter())
        .map(|(instruction, text)| {
            let text = format!("{text}\n  while executing {}", place(program, instruction));
            Finding { instruction, text }
        })
        .collect();
    Ok(outcome)
}

/// Source place and instruction, for errors.
fn place(program: &Program, instruction: usize) -> String {
    let mut text: String = program.code[instruction].print().chars().take(100).collect();
    if text.chars().count() == 100 {
        text.push('…');
    }
    let source = program.place(instruction);
    let at = if source.is_empty() { String::new() } else { format!("{source}, ") };
    format!("{at}instruction {instruction}: {text}")
}

struct Banks {
    s: Vec<i128>,
    c: Vec<i128>,
    sb: Vec<bool>,
    cb: Vec<bool>,
    r: Vec<i64>,
}

impl Banks {
    fn new(program: &Program) -> Result<Self> {
        fn bank<T: Clone + Default>(program: &Program, bank: Bank) -> Result<Vec<T>> {
            let count = program.registers(bank);
            let too_many = || Error::Program(format!("{count} registers do not fit in memory"));
            let size = usize::try_from(count).map_err(|_| too_many())?;
            if count > MAX_REGISTERS || Vec::<T>::new().try_reserve_exact(size).is_err() {
                return Err(too_many());
            }
            Ok(vec![T::default(); size]) // zeroed pages, which cost nothing until they are used
        }
        Ok(Banks {
            s: bank(program, Bank::S)?,
            c: bank(program, Bank::C)?,
            sb: bank(program, Bank::SB)?,
            cb: bank(program, Bank::CB)?,
            r: bank(program, Bank::R)?,
        })
    }
}

/// Where the registers of a bank are.
trait Stored: BankMark {
    type Value: Copy + Default + 'static;
    fn cells(banks: &Banks) -> &[Self::Value];
    fn cells_mut(banks: &mut Banks) -> &mut [Self::Value];
}

macro_rules! stored {
    ($($Mark:ident $field:ident $Value:ty;)*) => { $(
        impl Stored for $Mark {
            type Value = $Value;
            fn cells(banks: &Banks) -> &[$Value] {
                &banks.$field
            }
            fn cells_mut(banks: &mut Banks) -> &mut [$Value] {
                &mut banks.$field
            }
        }
    )* };
}
stored! { S s i128; C c i128; SB sb bool; CB cb bool; }

struct Emulator<'a> {
    program: &'a Program,
    inputs: &'a [Option<Vec<i128>>],
    states: &'a mut States,
    options: Options,
    banks: Banks,
    current: usize,
    next: usize,
    halted: bool,
    random: RefCell<blake3::OutputReader>,
    findings: RefCell<BTreeMap<usize, String>>,
    outcome: Outcome,
}

type Rule<T = ()> = std::result::Result<T, String>;

impl Emulator<'_> {
    fn start(&self, run: &Run, size: usize) -> Rule<usize> {
        let moved = run.index.map_or(0, |r| i128::from(self.banks.r[r as usize]));
        let start = i128::from(run.base) + moved;
        if start < 0 || start + i128::from(run.len) > size as i128 {
            return Err(format!("registers {start}… are outside their bank of {size}"));
        }
        Ok(start as usize)
    }

    fn get<B: Stored>(&self, read: &Read<B>) -> Rule<&[B::Value]> {
        let cells = B::cells(&self.banks);
        let start = self.start(&read.0, cells.len())?;
        Ok(&cells[start..start + read.0.len as usize])
    }

    /// Computes the results of all groups, then writes them. Nothing is computed where the result is
    /// empty: sizes beside a size of 0 are bounded by nothing.
    fn run<D: Stored, G>(
        &mut self,
        groups: &[G],
        dst: impl Fn(&G) -> &Write<D>,
        compute: impl Fn(&Self, &G) -> Rule<Vec<D::Value>>,
    ) -> Rule {
        let full = || groups.iter().filter(|g| dst(g).0.len > 0);
        let results = full().map(|g| compute(self, g)).collect::<Rule<Vec<_>>>()?;
        full().zip(results).try_for_each(|(group, values)| self.set(dst(group), &values))
    }

    fn set<D: Stored>(&mut self, dst: &Write<D>, values: &[D::Value]) -> Rule {
        let start = self.start(&dst.0, D::cells(&self.banks).len())?;
        assert_eq!(values.len() as u64, dst.0.len, "as the instruction announces");
        D::cells_mut(&mut self.banks)[start..start + values.len()].copy_from_slice(values);
        Ok(())
    }

    /// Notes a finding; the first of an instruction stays.
    fn find(&self, text: impl FnOnce() -> String) {
        if self.options.checked {
            self.findings.borrow_mut().entry(self.current).or_insert_with(text);
        }
    }

    /// Checks values against their announced bound.
    fn bound(&self, values: &[i128], bits: Bits, what: &str) {
        if !self.options.checked || bits.0 >= 128 {
            return;
        }
        let half = 1_i128 << (bits.0.max(1) - 1);
        if let Some(at) = values.iter().position(|v| !(-half..half).contains(v)) {
            let (value, bits) = (values[at], bits.0);
            self.find(|| format!("{what} {value} (element {at}) exceeds its {bits} bits"));
        }
    }

    fn within(&self, values: Vec<i128>, bits: Bits) -> Vec<i128> {
        self.bound(&values, bits, "result");
        values
    }

    /// The operand, checked against the bound that the instruction states for it.
    fn bounded<B: Stored<Value = i128>>(&self, read: &Read<B>, bits: Bits) -> Rule<&[i128]> {
        let values = self.get(read)?;
        self.bound(values, bits, "operand");
        Ok(values)
    }

    fn fit(&self, exact: Option<i128>, wrapped: i128) -> i128 {
        exact.unwrap_or_else(|| {
            self.find(|| "result exceeds 128 bits".into());
            wrapped
        })
    }

    fn add(&self, a: i128, b: i128) -> i128 {
        self.fit(a.checked_add(b), a.wrapping_add(b))
    }

    fn sub(&self, a: i128, b: i128) -> i128 {
        self.fit(a.checked_sub(b), a.wrapping_sub(b))
    }

    fn mul(&self, a: i128, b: i128) -> i128 {
        self.fit(a.checked_mul(b), a.wrapping_mul(b))
    }

    fn nearest(&self, a: i128, shift: u32) -> i128 {
        if shift == 0 { a } else { self.add(a, 1 << (shift - 1)) >> shift }
    }

    /// a / 2^shift: the nearest, or one of the two nearest with the probability of what is cut off.
    fn scaled_back(&self, a: i128, shift: u32) -> i128 {
        if self.options.probabilistic {
            self.add(a, self.random_bits(shift)) >> shift
        } else {
            self.nearest(a, shift)
        }
    }

    fn sums(&self, a: &[i128], inner: u64, rows: usize) -> Vec<i128> {
        let row = |i: usize| &a[i * inner as usize..(i + 1) * inner as usize];
        (0..rows).map(|i| row(i).iter().fold(0, |sum, v| self.add(sum, *v))).collect()
    }

    fn prefixes(&self, a: &[i128], inner: u64) -> Vec<i128> {
        let mut out = a.to_vec();
        for row in out.chunks_mut(inner.max(1) as usize) {
            for at in 1..row.len() {
                row[at] = self.add(row[at - 1], row[at]);
            }
        }
        out
    }

    fn dot(&self, a: &[i128], b: &[i128], inner: u64, rows: usize) -> Vec<i128> {
        let products: Vec<i128> = a.iter().zip(b).map(|(x, y)| self.mul(*x, *y)).collect();
        self.sums(&products, inner, rows)
    }

    fn matmul(&self, a: &[i128], b: &[i128], rows: u64, inner: u64, cols: u64) -> Vec<i128> {
        let (rows, inner, cols) = (rows as usize, inner as usize, cols as usize);
        let mut out = vec![0; rows * cols];
        for i in 0..rows {
            let row = &mut out[i * cols..(i + 1) * cols];
            for (l, x) in a[i * inner..(i + 1) * inner].iter().enumerate() {
                for (sum, y) in row.iter_mut().zip(&b[l * cols..(l + 1) * cols]) {
                    *sum = self.add(*sum, self.mul(*x, *y));
                }
            }
        }
        out
    }

    fn contract(
        &self,
        a: &[i128],
        b: &[i128],
        [batch, rows, inner, cols]: [Count; 4],
        left: &Dims,
        right: &Dims,
    ) -> Vec<i128> {
        let (rows, inner, cols) = (rows.0, inner.0, cols.0);
        let (a, b) = (formulas::view(a, 0, left), formulas::view(b, 0, right));
        let product = |i: u64| {
            let a = &a[(i * rows * inner) as usize..][..(rows * inner) as usize];
            let b = &b[(i * inner * cols) as usize..][..(inner * cols) as usize];
            self.matmul(a, b, rows, inner, cols)
        };
        (0..batch.0).flat_map(product).collect()
    }

    /// Uniform in `[0, 2^bits)`.
    fn random_bits(&self, bits: u32) -> i128 {
        let mut bytes = [0; 16];
        self.random.borrow_mut().fill(&mut bytes);
        let word = u128::from_le_bytes(bytes);
        if bits == 0 { 0 } else { (word >> (128 - bits.min(127))) as i128 }
    }

    fn random_below(&self, bound: u64) -> u64 {
        let bits = 64 - bound.saturating_sub(1).leading_zeros();
        loop {
            let draw = self.random_bits(bits) as u64;
            if draw < bound {
                return draw;
            }
        }
    }

    fn variable<'b>(&self, list: &'b [Variable], id: Id) -> &'b Variable {
        &list[id.0 as usize]
    }

    fn read_input(&self, id: Id, count: u64) -> Rule<&[i128]> {
        let name = &self.variable(&self.program.inputs, id).name;
        let values = self.inputs.get(id.0 as usize).and_then(Option::as_ref);
        let values = values.ok_or_else(|| format!("input `{name}` is missing"))?;
        if values.len() as u64 != count {
            return Err(format!("input `{name}` has {} values, not {count}", values.len()));
        }
        Ok(values)
    }

    fn state(&self, id: Id, count: u64) -> Vec<i128> {
        self.states.get(&id.0).cloned().unwrap_or_else(|| vec![0; count as usize])
    }

    fn put_output(&mut self, id: Id, values: Vec<i128>) {
        let variable = self.variable(&self.program.outputs, id);
        if variable.element != Element::Bool {
            self.bound(&values, Bits(variable.element.bits()), "output");
        }
        self.outcome.outputs.push((id.0 as usize, values));
    }
}

impl execute::Executor for Emulator<'_> {
    type Error = String;
}

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
    Bank, Bits, C, CB, Dims, Element, Id, Program, Read, Run, S, SB, Variable, Write, group,
};
use mpc_runtime::{Error, Result};

/// Most registers of one bank; more need a machine of their own.
const MAX_REGISTERS: u64 = 1 << 31;

/// How to emulate.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Report values that exceed their bounds.
    pub checked: bool,
    /// Seed of the program's secret randomness.
    pub seed: u64,
    /// Most instructions to execute.
    pub max_steps: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { checked: false, seed: 0, max_steps: u64::MAX }
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
        random: hasher.finalize_xof(),
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
    random: blake3::OutputReader,
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

    /// Computes the results of all groups, then writes them.
    fn run<D: Stored, G>(
        &mut self,
        groups: &[G],
        dst: impl Fn(&G) -> &Write<D>,
        compute: impl Fn(&Self, &G) -> Rule<Vec<D::Value>>,
    ) -> Rule {
        let results = groups.iter().map(|g| compute(self, g)).collect::<Rule<Vec<_>>>()?;
        for (group, values) in groups.iter().zip(results) {
            self.set(dst(group), &values)?;
        }
        Ok(())
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

    /// Uniform in `[0, 2^bits)`.
    fn random_bits(&mut self, bits: u32) -> i128 {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes);
        let word = u128::from_le_bytes(bytes);
        if bits == 0 { 0 } else { (word >> (128 - bits.min(127))) as i128 }
    }

    fn random_below(&mut self, bound: u64) -> u64 {
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

fn pick<T: Copy>(values: &[T], at: usize) -> T {
    if values.len() == 1 { values[0] } else { values[at] }
}

fn map<A: Copy, T>(dst: &Run, a: &[A], f: impl Fn(A) -> T) -> Vec<T> {
    (0..dst.len as usize).map(|i| f(pick(a, i))).collect()
}

fn zip<A: Copy, B: Copy, T>(dst: &Run, a: &[A], b: &[B], f: impl Fn(A, B) -> T) -> Vec<T> {
    (0..dst.len as usize).map(|i| f(pick(a, i), pick(b, i))).collect()
}

fn choose<T: Copy>(dst: &Run, cond: &[bool], a: &[T], b: &[T]) -> Vec<T> {
    let select = |i| if pick(cond, i) { pick(a, i) } else { pick(b, i) };
    (0..dst.len as usize).map(select).collect()
}

fn view<T: Copy>(a: &[T], offset: i64, dims: &Dims) -> Vec<T> {
    let mut places = vec![offset];
    for &(size, stride) in &dims.0 {
        places = (places.iter())
            .flat_map(|place| (0..size as i64).map(move |i| place + i * stride))
            .collect();
    }
    places.into_iter().map(|place| a[place as usize]).collect()
}

fn wrap(value: i128, k: u32) -> i128 {
    let unused = 128 - k.clamp(1, 128);
    value << unused >> unused
}

fn low_bits(a: &[i128], k: u32) -> Vec<bool> {
    a.iter().flat_map(|v| (0..k).map(move |j| v >> j.min(127) & 1 == 1)).collect()
}

fn compose(a: &[bool], k: u32, signed: bool) -> Vec<i128> {
    let value = |bits: &[bool]| {
        let sum = bits.iter().rev().fold(0_u128, |sum, bit| sum << 1 | u128::from(*bit)) as i128;
        if signed { wrap(sum, k) } else { sum }
    };
    a.chunks(k.max(1) as usize).map(value).collect()
}

fn one_hot(a: &[i128], n: u64) -> Vec<bool> {
    a.iter().flat_map(|v| (0..n).map(move |j| *v == i128::from(j))).collect()
}

fn gather<T: Copy>(a: &[T], index: &[i128], width: u64) -> Rule<Vec<T>> {
    let width = width as usize;
    let rows = a.len() / width.max(1);
    let mut out = Vec::with_capacity(index.len() * width);
    for &i in index {
        let row = usize::try_from(i).ok().filter(|row| *row < rows);
        let row = row.ok_or_else(|| format!("index {i} is outside 0..{rows}"))?;
        out.extend_from_slice(&a[row * width..(row + 1) * width]);
    }
    Ok(out)
}

fn scatter<T: Copy + Default>(a: &[T], index: &[i128], width: u64) -> Rule<Vec<T>> {
    let width = width as usize;
    let mut out = vec![T::default(); a.len()];
    let mut seen = vec![false; index.len()];
    for (from, &i) in index.iter().enumerate() {
        let to = usize::try_from(i).ok().filter(|to| *to < seen.len());
        let fresh = to.filter(|to| !std::mem::replace(&mut seen[*to], true));
        let to = fresh.ok_or_else(|| format!("index {i} makes this no permutation"))?;
        out[to * width..(to + 1) * width].copy_from_slice(&a[from * width..(from + 1) * width]);
    }
    Ok(out)
}

fn as_numbers(bits: &[bool]) -> Vec<i128> {
    bits.iter().map(|b| i128::from(*b)).collect()
}

fn as_bits(numbers: &[i128]) -> Vec<bool> {
    numbers.iter().map(|v| *v != 0).collect()
}

impl execute::Executor for Emulator<'_> {
    type Error = String;
}

impl execute::Control for Emulator<'_> {
    fn jump(&mut self, g: &group::Jump) -> Rule {
        self.next = g.target.0 as usize;
        Ok(())
    }

    fn jlt(&mut self, g: &group::JumpLess) -> Rule {
        if self.banks.r[g.a.0 as usize] < self.banks.r[g.b.0 as usize] {
            self.next = g.target.0 as usize;
        }
        Ok(())
    }

    fn jumpz(&mut self, g: &group::JumpZero) -> Rule {
        if !self.get(&g.cond)?[0] {
            self.next = g.target.0 as usize;
        }
        Ok(())
    }

    fn halt(&mut self, _: &group::Halt) -> Rule {
        self.halted = true;
        Ok(())
    }
}

impl execute::Integer for Emulator<'_> {
    fn ldr(&mut self, g: &group::LoadInt) -> Rule {
        self.banks.r[g.dst.0 as usize] = g.value.0;
        Ok(())
    }

    fn addr(&mut self, g: &group::AddInt) -> Rule {
        let (a, b) = (self.banks.r[g.a.0 as usize], self.banks.r[g.b.0 as usize]);
        self.banks.r[g.dst.0 as usize] = a.wrapping_add(b);
        Ok(())
    }

    fn addri(&mut self, g: &group::AddIntImm) -> Rule {
        self.banks.r[g.dst.0 as usize] = self.banks.r[g.a.0 as usize].wrapping_add(g.value.0);
        Ok(())
    }

    fn mulri(&mut self, g: &group::MulIntImm) -> Rule {
        self.banks.r[g.dst.0 as usize] = self.banks.r[g.a.0 as usize].wrapping_mul(g.value.0);
        Ok(())
    }

    fn rfromc(&mut self, g: &group::IntFromClear) -> Rule {
        let value = self.get(&g.a)?[0];
        if value < 0 || value >= i128::from(g.bound.0) {
            return Err(format!("index {value} is outside 0..{}", g.bound.0));
        }
        self.banks.r[g.dst.0 as usize] = value as i64;
        Ok(())
    }

    fn cfromr(&mut self, groups: &[group::ClearFromInt]) -> Rule {
        self.run(groups, |g| &g.dst, |e, g| Ok(vec![i128::from(e.banks.r[g.a.0 as usize])]))
    }
}

/// Instructions that compute one result per group.
macro_rules! emulated {
    ($($name:ident($Group:ident) = |$e:ident, $g:ident| $value:expr;)*) => { $(
        fn $name(&mut self, groups: &[group::$Group]) -> Rule {
            self.run(groups, |g| &g.dst, |$e, $g| Ok($value))
        }
    )* };
}

impl execute::Clear for Emulator<'_> {
    emulated! {
        ldc(LoadClear) = |_e, g| vec![g.value.0; g.dst.0.len as usize];
        ldpool(LoadPool) = |e, g| {
            e.program.pool[g.pool.base as usize..(g.pool.base + g.pool.len) as usize].to_vec()
        };
        movc(MoveClear) = |e, g| e.get(&g.a)?.to_vec();
        viewc(ViewClear) = |e, g| view(e.get(&g.a)?, g.offset.0, &g.dims);
        addc(AddClear) = |e, g| zip(&g.dst.0, e.get(&g.a)?, e.get(&g.b)?, |a, b| e.add(a, b));
        subc(SubClear) = |e, g| zip(&g.dst.0, e.get(&g.a)?, e.get(&g.b)?, |a, b| e.sub(a, b));
        mulc(MulClear) = |e, g| zip(&g.dst.0, e.get(&g.a)?, e.get(&g.b)?, |a, b| e.mul(a, b));
        divc(DivClear) = |e, g| {
            let b = divisors(e.get(&g.b)?)?;
            zip(&g.dst.0, e.get(&g.a)?, b, |a, b| e.fit(floor_div(a, b), a.wrapping_neg()))
        };
        modc(ModClear) = |e, g| {
            let b = divisors(e.get(&g.b)?)?;
            zip(&g.dst.0, e.get(&g.a)?, b, floor_mod)
        };
        negc(NegClear) = |e, g| map(&g.dst.0, e.get(&g.a)?, |a| e.sub(0, a));
        truncc(TruncClear) = |e, g| map(&g.dst.0, e.get(&g.a)?, |a| e.nearest(a, g.shift.0));
        shrc(ShiftClear) = |e, g| map(&g.dst.0, e.get(&g.a)?, |a| a >> g.shift.0);
        wrapc(WrapClear) = |e, g| map(&g.dst.0, e.get(&g.a)?, |a| wrap(a, g.k.0));
        selectc(SelectClear) = |e, g| {
            choose(&g.dst.0, e.get(&g.cond)?, e.get(&g.a)?, e.get(&g.b)?)
        };
        sumc(SumClear) = |e, g| e.sums(e.get(&g.a)?, g.inner.0, g.dst.0.len as usize);
        prefixc(PrefixClear) = |e, g| e.prefixes(e.get(&g.a)?, g.inner.0);
        dotc(DotClear) = |e, g| {
            e.dot(e.get(&g.a)?, e.get(&g.b)?, g.inner.0, g.dst.0.len as usize)
        };
        matmulc(MatMulClear) = |e, g| {
            e.matmul(e.get(&g.a)?, e.get(&g.b)?, g.rows.0, g.inner.0, g.cols.0)
        };
        gatherc(GatherClear) = |e, g| gather(e.get(&g.a)?, e.get(&g.index)?, g.width.0)?;
        scatterc(ScatterClear) = |e, g| scatter(e.get(&g.a)?, e.get(&g.index)?, g.width.0)?;
        fromcb(ClearFromBits) = |e, g| as_numbers(e.get(&g.a)?);
        composec(ComposeClear) = |e, g| compose(e.get(&g.a)?, g.k.0, g.signed.0 == 1);
    }
}

fn divisors(b: &[i128]) -> Rule<&[i128]> {
    if b.contains(&0) { Err("division by zero".into()) } else { Ok(b) }
}

/// `None` if the quotient does not fit.
fn floor_div(a: i128, b: i128) -> Option<i128> {
    let quotient = a.checked_div(b)?;
    Some(if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient })
}

fn floor_mod(a: i128, b: i128) -> i128 {
    let rest = a.checked_rem(b).unwrap_or(0);
    if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
}

impl execute::ClearBits for Emulator<'_> {
    emulated! {
        ldcb(LoadBits) = |_e, g| vec![g.value.0 != 0; g.dst.0.len as usize];
        movcb(MoveBits) = |e, g| e.get(&g.a)?.to_vec();
        viewcb(ViewBits) = |e, g| view(e.get(&g.a)?, g.offset.0, &g.dims);
        andcb(AndBits) = |e, g| zip(&g.dst.0, e.get(&g.a)?, e.get(&g.b)?, |a, b| a & b);
        xorcb(XorBits) = |e, g| zip(&g.dst.0, e.get(&g.a)?, e.get(&g.b)?, |a, b| a ^ b);
        notcb(NotBits) = |e, g| map(&g.dst.0, e.get(&g.a)?, |a: bool| !a);
        selectcb(SelectBits) = |e, g| {
            choose(&g.dst.0, e.get(&g.cond)?, e.get(&g.a)?, e.get(&g.b)?)
        };
        ltc(LessClear) = |e, g| zip(&g.dst.0, e.get(&g.a)?, e.get(&g.b)?, |a, b| a < b);
        eqc(EqualClear) = |e, g| zip(&g.dst.0, e.get(&g.a)?, e.get(&g.b)?, |a, b| a == b);
        bitsc(DecomposeClear) = |e, g| low_bits(e.get(&g.a)?, g.k.0);
        onehotc(OneHotClear) = |e, g| one_hot(e.get(&g.a)?, g.n.0);
    }
}

impl execute::Linear for Emulator<'_> {
    emulated! {
        lds(LoadSecret) = |e, g| e.within(map(&g.dst.0, e.get(&g.a)?, |a| a), g.bits);
        movs(MoveSecret) = |e, g| e.get(&g.a)?.to_vec();
        views(ViewSecret) = |e, g| view(e.get(&g.a)?, g.offset.0, &g.dims);
        adds(AddSecret) = |e, g| {
            e.within(zip(&g.dst.0, e.get(&g.a)?, e.get(&g.b)?, |a, b| e.add(a, b)), g.bits)
        };
        subs(SubSecret) = |e, g| {
            e.within(zip(&g.dst.0, e.get(&g.a)?, e.get(&g.b)?, |a, b| e.sub(a, b)), g.bits)
        };
        negs(NegSecret) = |e, g| e.within(map(&g.dst.0, e.get(&g.a)?, |a| e.sub(0, a)), g.bits);
        addm(AddMixed) = |e, g| {
            e.within(zip(&g.dst.0, e.get(&g.a)?, e.get(&g.b)?, |a, b| e.add(a, b)), g.bits)
        };
        submr(SubMixedReverse) = |e, g| {
            e.within(zip(&g.dst.0, e.get(&g.a)?, e.get(&g.b)?, |a, b| e.sub(b, a)), g.bits)
        };
        mulm(MulMixed) = |e, g| {
            e.within(zip(&g.dst.0, e.get(&g.a)?, e.get(&g.b)?, |a, b| e.mul(a, b)), g.bits)
        };
        sums(SumSecret) = |e, g| {
            e.within(e.sums(e.get(&g.a)?, g.inner.0, g.dst.0.len as usize), g.bits)
        };
        prefixs(PrefixSecret) = |e, g| e.within(e.prefixes(e.get(&g.a)?, g.inner.0), g.bits);
        dotm(DotMixed) = |e, g| {
            e.within(e.dot(e.get(&g.a)?, e.get(&g.b)?, g.inner.0, g.dst.0.len as usize), g.bits)
        };
        matmulsc(MatMulSecretClear) = |e, g| {
            e.within(e.matmul(e.get(&g.a)?, e.get(&g.b)?, g.rows.0, g.inner.0, g.cols.0), g.bits)
        };
        matmulcs(MatMulClearSecret) = |e, g| {
            e.within(e.matmul(e.get(&g.a)?, e.get(&g.b)?, g.rows.0, g.inner.0, g.cols.0), g.bits)
        };
        gathers(GatherSecret) = |e, g| gather(e.get(&g.a)?, e.get(&g.index)?, g.width.0)?;
        scatters(ScatterSecret) = |e, g| scatter(e.get(&g.a)?, e.get(&g.index)?, g.width.0)?;
    }
}

impl execute::Multiply for Emulator<'_> {
    emulated! {
        muls(MulSecret) = |e, g| {
            e.within(zip(&g.dst.0, e.get(&g.a)?, e.get(&g.b)?, |a, b| e.mul(a, b)), g.bits)
        };
        dots(DotSecret) = |e, g| {
            e.within(e.dot(e.get(&g.a)?, e.get(&g.b)?, g.inner.0, g.dst.0.len as usize), g.bits)
        };
        matmul(MatMulSecret) = |e, g| {
            e.within(e.matmul(e.get(&g.a)?, e.get(&g.b)?, g.rows.0, g.inner.0, g.cols.0), g.bits)
        };
        selects(SelectSecret) = |e, g| {
            e.within(choose(&g.dst.0, e.get(&g.cond)?, e.get(&g.a)?, e.get(&g.b)?), g.bits)
        };
        trunc(TruncSecret) = |e, g| {
            map(&g.dst.0, e.bounded(&g.a, g.bits)?, |a| e.nearest(a, g.shift.0))
        };
        shrs(ShiftSecret) = |e, g| map(&g.dst.0, e.bounded(&g.a, g.bits)?, |a| a >> g.shift.0);
        wraps(WrapSecret) = |e, g| map(&g.dst.0, e.bounded(&g.a, g.bits)?, |a| wrap(a, g.k.0));
    }
}

impl execute::Convert for Emulator<'_> {
    emulated! {
        ltz(LessZero) = |e, g| map(&g.dst.0, e.bounded(&g.a, g.bits)?, |a| a < 0);
        eqz(EqualZero) = |e, g| map(&g.dst.0, e.bounded(&g.a, g.bits)?, |a| a == 0);
        lts(LessSecret) = |e, g| {
            zip(&g.dst.0, e.bounded(&g.a, g.bits)?, e.bounded(&g.b, g.bits)?, |a, b| a < b)
        };
        eqs(EqualSecret) = |e, g| {
            zip(&g.dst.0, e.bounded(&g.a, g.bits)?, e.bounded(&g.b, g.bits)?, |a, b| a == b)
        };
        onehots(OneHotSecret) = |e, g| one_hot(e.bounded(&g.a, g.bits)?, g.n.0);
        bits(DecomposeSecret) = |e, g| low_bits(e.bounded(&g.a, g.bits)?, g.k.0);
        compose(ComposeSecret) = |e, g| compose(e.get(&g.a)?, g.k.0, g.signed.0 == 1);
        fromsb(SecretFromBits) = |e, g| as_numbers(e.get(&g.a)?);
    }
}

impl execute::SecretBits for Emulator<'_> {
    emulated! {
        ldsb(LoadSecretBits) = |e, g| map(&g.dst.0, e.get(&g.a)?, |a| a);
        movsb(MoveSecretBits) = |e, g| e.get(&g.a)?.to_vec();
        viewsb(ViewSecretBits) = |e, g| view(e.get(&g.a)?, g.offset.0, &g.dims);
        ands(AndSecret) = |e, g| zip(&g.dst.0, e.get(&g.a)?, e.get(&g.b)?, |a, b| a & b);
        xors(XorSecret) = |e, g| zip(&g.dst.0, e.get(&g.a)?, e.get(&g.b)?, |a, b| a ^ b);
        nots(NotSecret) = |e, g| map(&g.dst.0, e.get(&g.a)?, |a: bool| !a);
        andm(AndMixed) = |e, g| zip(&g.dst.0, e.get(&g.a)?, e.get(&g.b)?, |a, b| a & b);
        xorm(XorMixed) = |e, g| zip(&g.dst.0, e.get(&g.a)?, e.get(&g.b)?, |a, b| a ^ b);
        selectsb(SelectSecretBits) = |e, g| {
            choose(&g.dst.0, e.get(&g.cond)?, e.get(&g.a)?, e.get(&g.b)?)
        };
    }
}

impl execute::Random for Emulator<'_> {
    fn rands(&mut self, groups: &[group::RandomSecret]) -> Rule {
        for g in groups {
            let values: Vec<i128> = (0..g.dst.0.len).map(|_| self.random_bits(g.bits.0)).collect();
            self.set(&g.dst, &values)?;
        }
        Ok(())
    }

    fn randsb(&mut self, groups: &[group::RandomBits]) -> Rule {
        for g in groups {
            let values: Vec<bool> = (0..g.dst.0.len).map(|_| self.random_bits(1) == 1).collect();
            self.set(&g.dst, &values)?;
        }
        Ok(())
    }

    fn shuffle(&mut self, groups: &[group::Shuffle]) -> Rule {
        let mut results = Vec::new();
        for g in groups {
            let mut order: Vec<i128> = (0..i128::from(g.rows.0)).collect();
            for last in (1..g.rows.0).rev() {
                let other = self.random_below(last + 1);
                order.swap(last as usize, other as usize);
            }
            results.push(scatter(self.get(&g.a)?, &order, g.width.0)?);
        }
        groups.iter().zip(results).try_for_each(|(g, values)| self.set(&g.dst, &values))
    }

    emulated! {
        permute(Permute) = |e, g| scatter(e.get(&g.a)?, e.get(&g.perm)?, g.width.0)?;
    }
}

impl execute::Opening for Emulator<'_> {
    emulated! {
        open(Open) = |e, g| e.bounded(&g.a, g.bits)?.to_vec();
        opensb(OpenBits) = |e, g| e.get(&g.a)?.to_vec();
        opento(OpenTo) = |e, g| e.bounded(&g.a, g.bits)?.to_vec();
        opentosb(OpenBitsTo) = |e, g| e.get(&g.a)?.to_vec();
    }
}

impl execute::Io for Emulator<'_> {
    emulated! {
        input(Input) = |e, g| e.read_input(g.id, g.dst.0.len)?.to_vec();
        inputcb(InputBits) = |e, g| as_bits(e.read_input(g.id, g.dst.0.len)?);
        share(Share) = |e, g| e.bounded(&g.a, g.bits)?.to_vec();
        sharesb(ShareBits) = |e, g| e.get(&g.a)?.to_vec();
        publish(Publish) = |e, g| e.bounded(&g.a, g.bits)?.to_vec();
        publishcb(PublishBits) = |e, g| e.get(&g.a)?.to_vec();
        ldstate(LoadState) = |e, g| e.state(g.id, g.dst.0.len);
        ldstatesb(LoadStateBits) = |e, g| as_bits(&e.state(g.id, g.dst.0.len));
    }

    fn output(&mut self, groups: &[group::Output]) -> Rule {
        for g in groups {
            let values = self.get(&g.a)?.to_vec();
            self.put_output(g.id, values);
        }
        Ok(())
    }

    fn outputcb(&mut self, groups: &[group::OutputBits]) -> Rule {
        for g in groups {
            let values = as_numbers(self.get(&g.a)?);
            self.put_output(g.id, values);
        }
        Ok(())
    }

    fn ststate(&mut self, groups: &[group::StoreState]) -> Rule {
        for g in groups {
            let values = self.get(&g.a)?.to_vec();
            self.states.insert(g.id.0, values);
        }
        Ok(())
    }

    fn ststatesb(&mut self, groups: &[group::StoreStateBits]) -> Rule {
        for g in groups {
            let values = as_numbers(self.get(&g.a)?);
            self.states.insert(g.id.0, values);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mpc_bytecode::operand::Text;
    use mpc_bytecode::{Entry, Instruction, Receivers, Span};

    /// A verified program of one entry from the text of its instructions.
    fn program(code: &[&str], outputs: &[(Element, u64)]) -> Program {
        let parse = |text: &&str| Instruction::parse(&mut Text::new(text)).unwrap();
        let code: Vec<Instruction> = code.iter().map(parse).collect();
        let variable = |name: &str, element, size, receivers| {
            let shape = vec![size];
            Variable { name: name.into(), element, shape, receivers }
        };
        let end = code.len() as u32;
        let program = Program {
            roles: vec!["alice".into()],
            inputs: vec![variable("x", Element::Int(16), 4, Receivers::Roles(vec![0]))],
            outputs: (outputs.iter())
                .map(|(element, size)| variable("y", *element, *size, Receivers::All))
                .collect(),
            states: vec![variable("z", Element::Int(16), 4, Receivers::All)],
            entries: vec![Entry { name: "main".into(), start: 0, end }],
            registers: [64; 5],
            ring_bits: 64,
            field_bits: 64,
            pool: vec![7, -7],
            spans: vec![Span { file: 0, line: 3, column: 5 }; code.len()],
            files: vec!["test.mpc".into()],
            code,
        };
        Program::load(&program.encode()).unwrap()
    }

    fn run(code: &[&str], size: u64) -> Vec<i128> {
        let mut code: Vec<&str> = code.to_vec();
        let output = format!("output ($0, c60:{size})");
        // results are expected in c0…; copied, so that tests read the same
        let copy = format!("movc (c{}:{size}, c0:{size})", 60);
        code.extend([copy.as_str(), output.as_str(), "halt ()"]);
        let program = program(&code, &[(Element::Int(64), size)]);
        let inputs = [Some(vec![1, -2, 3, -4])];
        let outcome =
            emulate(&program, 0, &inputs, &mut States::new(), Options::default()).unwrap();
        outcome.outputs[0].1.clone()
    }

    #[test]
    fn formulas_of_the_table_hold() {
        let load = "input (c0:4, $0)";
        assert_eq!(run(&[load, "truncc (c0:4, c0:4, 1)"], 4), [1, -1, 2, -2]);
        assert_eq!(run(&[load, "shrc (c0:4, c0:4, 1)"], 4), [0, -1, 1, -2]);
        assert_eq!(run(&[load, "prefixc (c0:4, c0:4, 2)"], 4), [1, -1, 3, -1]);
        assert_eq!(run(&[load, "sumc (c0:2, c0:4, 2)"], 2), [-1, -1]);
        assert_eq!(run(&[load, "viewc (c0:4, c0:4, 3, [2x-2 2x-1])"], 4), [-4, 3, -2, 1]);
        assert_eq!(run(&[load, "matmulc (c0:4, c0:4, c0:4, 2, 2, 2)"], 4), [-5, 6, -9, 10]);
        let division = ["ldpool (c8:2, k0:2)", "ldc (c10:1, -2)"];
        assert_eq!(run(&[division[0], division[1], "divc (c0:2, c8:2, c10:1)"], 2), [-4, 3]);
        assert_eq!(run(&[division[0], division[1], "modc (c0:2, c8:2, c10:1)"], 2), [-1, -1]);
        let secret = [load, "share (s0:4, c0:4, $0, 16)"];
        let open =
            |last: &'static str| run(&[secret[0], secret[1], last, "open (c0:4, s0:4, 64)"], 4);
        assert_eq!(open("wraps (s0:4, s0:4, 16, 2)"), [1, -2, -1, 0]);
        assert_eq!(open("muls (s0:4, s0:4, s1:1, 16)"), [-2, 4, -6, 8]);
        let bits = ["bits (sb0:8, s0:4, 2, 16)", "compose (s0:4, sb0:8, 2, 0)"];
        let code = [secret[0], secret[1], bits[0], bits[1], "open (c0:4, s0:4, 64)"];
        assert_eq!(run(&code, 4), [1, 2, 3, 0]);
    }

    #[test]
    fn loops_and_moved_runs_work() {
        let code = [
            "ldr (r0, 0)",
            "ldr (r1, 4)",
            "cfromr (c0+r0:1, r0)",
            "addri (r0, r0, 1)",
            "jlt (r0, r1, @2)",
        ];
        assert_eq!(run(&code, 4), [0, 1, 2, 3]);
    }

    #[test]
    fn a_value_beyond_its_bound_is_found_with_its_line() {
        let code = [
            "input (c0:4, $0)",
            "share (s0:4, c0:4, $0, 3)",
            "muls (s4:4, s0:4, s0:4, 5)",
            "open (c0:4, s4:4, 5)",
            "output ($0, c0:4)",
            "halt ()",
        ];
        let program = program(&code, &[(Element::Int(64), 4)]);
        let inputs = [Some(vec![1, 2, 3, 4])];
        let options = Options { checked: true, ..Options::default() };
        let outcome = emulate(&program, 0, &inputs, &mut States::new(), options).unwrap();
        let found: Vec<usize> = outcome.findings.iter().map(|f| f.instruction).collect();
        assert_eq!(found, [1, 2, 3]);
        let text = &outcome.findings[1].text;
        assert!(text.contains("16 (element 3) exceeds its 5 bits"), "{text}");
        assert!(text.contains("test.mpc:3:5"), "{text}");
    }

    #[test]
    fn faults_are_errors_with_their_place() {
        let cases = [
            (vec!["ldc (c0:1, 1)", "divc (c0:1, c0:1, c1:1)"], "division by zero"),
            (vec!["ldr (r0, 64)", "cfromr (c0+r0:1, r0)"], "outside their bank"),
            (vec!["ldc (c0:1, 9)", "rfromc (r0, c0:1, 9)"], "index 9 is outside"),
            (vec!["scatterc (c0:2, c0:2, c2:2, 1)"], "no permutation"),
            (vec!["jump (@0)"], "stopped after 1000"),
            (vec!["input (c0:4, $0)"], "input `x` is missing"),
        ];
        for (mut code, expected) in cases {
            code.push("halt ()");
            let program = program(&code, &[]);
            let options = Options { max_steps: 1000, ..Options::default() };
            let error = emulate(&program, 0, &[], &mut States::new(), options).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(expected) && text.contains("test.mpc:3:5"), "{text}");
        }
    }

    #[test]
    fn randomness_follows_its_seed_and_states_stay() {
        let code = [
            "rands (s0:4, 10)",
            "shuffle (s4:4, s0:4, 4, 1, 10)",
            "ststate ($0, s4:4)",
            "ldstate (s8:4, $0)",
            "open (c0:4, s8:4, 16)",
            "output ($0, c0:4)",
            "halt ()",
        ];
        let program = program(&code, &[(Element::Int(64), 4)]);
        let mut states = States::new();
        let run = |states: &mut States, seed| {
            let options = Options { seed, ..Options::default() };
            emulate(&program, 0, &[], states, options).unwrap().outputs[0].1.clone()
        };
        let first = run(&mut states, 1);
        assert_eq!(states[&0], first);
        assert_eq!(run(&mut states, 1), first);
        assert_ne!(run(&mut states, 2), first);
        assert!(first.iter().all(|v| (0..1024).contains(v)));
    }
}

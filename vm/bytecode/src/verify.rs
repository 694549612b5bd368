//! The one check on load. Afterwards the machine trusts instructions.
//!
//! Checked: runs lie inside their banks (a run moved by a machine integer starts inside; where it
//! ends up is checked when it is known); lengths of operands fit each other; jumps stay inside their
//! entry; ids, roles, widths and constants exist; views stay inside what they view; no two groups of
//! one instruction write the same register; every entry ends in `halt` or a jump.

use crate::circuit::MAX_WIRES;
use crate::define::execute::{self, Execute};
use crate::define::group;
use crate::operand::{Access, Bits, Count, Dims, Id, Imm, Run, Target};
use crate::{Bank, Circuit, Error, Group, Instruction, Program, Receivers, Result};

/// Most registers of one bank (2^40: a terabyte of bits, more than any machine has).
const MAX_REGISTERS: u64 = 1 << 40;
/// Most machine integers: the machine allocates them before it starts.
const MAX_INTEGERS: u64 = 1 << 20;

/// Checks a program as the module says.
///
/// # Errors
/// The first rule that is broken, with the instruction.
pub fn verify(program: &Program) -> Result<()> {
    let outside = |rule| Err(Error::Malformed(rule));
    let integers = program.registers(Bank::R);
    if program.registers.iter().any(|&n| n > MAX_REGISTERS) || integers > MAX_INTEGERS {
        return outside("bank size");
    }
    if program.ring_bits > 128 || program.field_bits > 256 {
        return outside("bit bound");
    }
    if !program.spans.is_empty() && program.spans.len() != program.code.len() {
        return outside("debug section");
    }
    let known = |roles: &Receivers| match roles {
        Receivers::All => true,
        Receivers::Roles(roles) => roles.iter().all(|&r| (r as usize) < program.roles.len()),
    };
    for variable in program.inputs.iter().chain(&program.outputs).chain(&program.states) {
        if !known(&variable.receivers) || variable.len().is_none_or(|n| n > MAX_REGISTERS) {
            return outside("manifest");
        }
    }
    if let Some(fault) = program.circuits.iter().find_map(|c| c.check().err()) {
        return outside(fault);
    }
    if program.circuits.iter().map(Circuit::wires).sum::<u64>() > MAX_WIRES as u64 {
        return outside("number of wires of all circuits");
    }
    if program.inputs.iter().any(|v| !matches!(&v.receivers, Receivers::Roles(r) if r.len() == 1)) {
        return outside("owner of an input");
    }
    let mut end = 0;
    for entry in &program.entries {
        if entry.start != end || entry.end <= entry.start || entry.end as usize > program.code.len()
        {
            return outside("entry");
        }
        end = entry.end;
        if !matches!(program.code[end as usize - 1], Instruction::Halt(_) | Instruction::Jump(_)) {
            return outside("end of an entry");
        }
        let mut verifier = Verifier { program, from: entry.start, to: entry.end };
        for number in entry.start as usize..end as usize {
            let instruction = &program.code[number];
            verifier
                .step(instruction)
                .and_then(|()| verifier.runs(instruction))
                .map_err(|rule| Error::Rule(number, instruction.print(), rule))?;
        }
    }
    if program.entries.is_empty() || end as usize != program.code.len() {
        return outside("entries");
    }
    Ok(())
}

type Rule = std::result::Result<(), &'static str>;

struct Verifier<'a> {
    program: &'a Program,
    from: u32,
    to: u32,
}

fn ensure(holds: bool, rule: &'static str) -> Rule {
    if holds { Ok(()) } else { Err(rule) }
}

fn elementwise(dst: &Run, operands: &[&Run]) -> Rule {
    ensure(
        operands.iter().all(|o| o.len == dst.len || o.len == 1),
        "operands have other lengths than the result",
    )
}

fn same(dst: &Run, a: &Run) -> Rule {
    ensure(dst.len == a.len, "operands have other lengths than the result")
}

fn times(a: u64, b: u64, product: u64) -> bool {
    a.checked_mul(b) == Some(product)
}

fn rows(dst: &Run, a: &[&Run], inner: Count) -> Rule {
    ensure(a.iter().all(|a| times(dst.len, inner.0, a.len)), "rows do not fit the operands")
}

fn prefix(dst: &Run, a: &Run, inner: Count) -> Rule {
    same(dst, a)?;
    ensure(inner.0 > 0 && a.len.is_multiple_of(inner.0), "rows do not fit the operand")
}

fn matrix(dst: &Run, a: &Run, b: &Run, rows: Count, inner: Count, cols: Count) -> Rule {
    let fits = times(rows.0, inner.0, a.len)
        && times(inner.0, cols.0, b.len)
        && times(rows.0, cols.0, dst.len);
    ensure(fits, "matrix sizes do not fit the operands")
}

fn view(dst: &Run, a: &Run, offset: Imm, dims: &Dims) -> Rule {
    ensure(dims.len() == Some(dst.len), "dimensions do not fit the result")?;
    let inside =
        dims.range(offset.0).is_none_or(|(low, high)| low >= 0 && high < i128::from(a.len));
    ensure(inside, "the view leaves its operand")
}

fn spread(dst: &Run, a: &Run, offset: Imm, dims: &Dims) -> Rule {
    ensure(dims.len() == Some(a.len), "dimensions do not fit the operand")?;
    let inside =
        dims.range(offset.0).is_none_or(|(low, high)| low >= 0 && high < i128::from(dst.len));
    ensure(inside, "the view leaves the result")
}

/// Views of whole dimensions, inside the operands; sums no longer than an operand.
fn contraction(
    [dst, a, b]: [&Run; 3],
    [batch, rows, inner, cols]: [Count; 4],
    left: &Dims,
    right: &Dims,
) -> Rule {
    let [batch, rows, inner, cols] = [batch.0, rows.0, inner.0, cols.0];
    let result = batch.checked_mul(rows).and_then(|n| n.checked_mul(cols));
    ensure(result == Some(dst.len), "matrix sizes do not fit the result")?;
    ensure(inner <= a.len.max(b.len), "sums are longer than the operands")?;
    let whole =
        left.split([batch, rows, inner]).is_some() && right.split([batch, inner, cols]).is_some();
    ensure(whole, "dimensions do not fit the matrices")?;
    let ascends = |dims: &Dims, a: &Run| {
        dims.0.iter().all(|&(size, stride)| size <= 1 || stride >= 0)
            && dims.range(0).is_none_or(|(_, high)| high < i128::from(a.len))
    };
    ensure(ascends(left, a) && ascends(right, b), "a view leaves its operand")
}

fn gather(dst: &Run, a: &Run, index: &Run, width: Count) -> Rule {
    let fits = times(index.len, width.0, dst.len) && width.0 > 0 && a.len.is_multiple_of(width.0);
    ensure(fits, "rows do not fit the operands")
}

fn scatter(dst: &Run, a: &Run, index: &Run, width: Count) -> Rule {
    same(dst, a)?;
    ensure(times(index.len, width.0, a.len), "rows do not fit the operands")
}

fn split(long: &Run, short: &Run, k: u64) -> Rule {
    ensure(times(short.len, k, long.len), "lengths do not fit the width")
}

fn width(bits: Bits) -> Rule {
    ensure((1..=128).contains(&bits.0), "a width is out of range")
}

fn shift(bits: Bits) -> Rule {
    ensure(bits.0 < 127, "a shift is out of range")
}

fn bit(value: Imm) -> Rule {
    ensure(value.0 == 0 || value.0 == 1, "a flag is neither 0 nor 1")
}

impl Verifier<'_> {
    fn target(&self, target: Target) -> Rule {
        ensure((self.from..self.to).contains(&target.0), "a jump leaves its entry")
    }

    fn role(&self, role: Id) -> Rule {
        ensure((role.0 as usize) < self.program.roles.len(), "no such role")
    }

    fn variable(&self, list: &[crate::Variable], id: Id, run: &Run, bits: bool) -> Rule {
        let variable = list.get(id.0 as usize).ok_or("no such variable in the manifest")?;
        ensure(variable.len() == Some(run.len), "another length than the manifest says")?;
        ensure(
            (variable.element == crate::Element::Bool) == bits,
            "another type than the manifest says",
        )
    }

    /// Bounds of all runs, and writes that do not overlap.
    fn runs(&self, instruction: &Instruction) -> Rule {
        let mut fault = Ok(());
        let mut written: Vec<(Bank, Option<u32>, u64, u64)> = vec![];
        instruction.accesses(&mut |Access { bank, run, write }| {
            let size = self.program.registers(bank);
            let end = run.base.checked_add(run.len);
            let inside =
                end.is_some_and(|end| end <= size) || (run.index.is_some() && run.len <= size);
            if !inside {
                fault = Err("registers outside their bank");
            }
            if run.index.is_some_and(|r| u64::from(r) >= self.program.registers(Bank::R)) {
                fault = Err("registers outside their bank");
            }
            if write && run.len > 0 {
                written.push((bank, run.index, run.base, end.unwrap_or(u64::MAX)));
            }
        });
        fault?;
        written.sort_unstable();
        let apart = |pair: &[(Bank, Option<u32>, u64, u64)]| {
            (pair[0].0, pair[0].1) != (pair[1].0, pair[1].1) || pair[0].3 <= pair[1].2
        };
        ensure(written.windows(2).all(apart), "two groups write the same register")
    }
}

fn each<G: Group>(groups: &[G], mut check: impl FnMut(&G) -> Rule) -> Rule {
    groups.iter().try_for_each(&mut check)
}

impl execute::Executor for Verifier<'_> {
    type Error = &'static str;
}

impl execute::Control for Verifier<'_> {
    fn jump(&mut self, g: &group::Jump) -> Rule {
        self.target(g.target)
    }
    fn jlt(&mut self, g: &group::JumpLess) -> Rule {
        self.target(g.target)
    }
    fn jumpz(&mut self, g: &group::JumpZero) -> Rule {
        ensure(g.cond.0.len == 1, "a condition is one bit")?;
        self.target(g.target)
    }
    fn halt(&mut self, _: &group::Halt) -> Rule {
        Ok(())
    }
}

/// Instructions whose only rules are those of [`Verifier::runs`].
macro_rules! free {
    ($($name:ident($ty:ty);)*) => { $( fn $name(&mut self, _: $ty) -> Rule { Ok(()) } )* };
}

/// Instructions whose groups are checked one by one.
macro_rules! checked {
    ($($name:ident($Group:ident): $check:expr;)*) => { $(
        fn $name(&mut self, groups: &[group::$Group]) -> Rule {
            let check: &dyn Fn(&Self, &group::$Group) -> Rule = &$check;
            each(groups, |g| check(self, g))
        }
    )* };
}

impl execute::Integer for Verifier<'_> {
    free! {
        ldr(&group::LoadInt);
        addr(&group::AddInt);
        addri(&group::AddIntImm);
        mulri(&group::MulIntImm);
    }
    fn rfromc(&mut self, g: &group::IntFromClear) -> Rule {
        ensure(g.a.0.len == 1, "one number is due")?;
        ensure(g.bound.0 <= i64::MAX as u64, "a bound is out of range")
    }
    checked! {
        cfromr(ClearFromInt): |_, g| ensure(g.dst.0.len == 1, "one number is due");
    }
}

impl execute::Clear for Verifier<'_> {
    checked! {
        ldc(LoadClear): |_, _| Ok(());
        ldpool(LoadPool): |v, g| {
            let end = g.pool.base.checked_add(g.pool.len);
            ensure(g.pool.len == g.dst.0.len, "constants do not fit the result")?;
            ensure(end.is_some_and(|end| end <= v.program.pool.len() as u64), "no such constants")
        };
        movc(MoveClear): |_, g| same(&g.dst.0, &g.a.0);
        viewc(ViewClear): |_, g| view(&g.dst.0, &g.a.0, g.offset, &g.dims);
        addc(AddClear): |_, g| elementwise(&g.dst.0, &[&g.a.0, &g.b.0]);
        subc(SubClear): |_, g| elementwise(&g.dst.0, &[&g.a.0, &g.b.0]);
        mulc(MulClear): |_, g| elementwise(&g.dst.0, &[&g.a.0, &g.b.0]);
        divc(DivClear): |_, g| elementwise(&g.dst.0, &[&g.a.0, &g.b.0]);
        modc(ModClear): |_, g| elementwise(&g.dst.0, &[&g.a.0, &g.b.0]);
        negc(NegClear): |_, g| same(&g.dst.0, &g.a.0);
        truncc(TruncClear): |_, g| { shift(g.shift)?; same(&g.dst.0, &g.a.0) };
        shrc(ShiftClear): |_, g| { shift(g.shift)?; same(&g.dst.0, &g.a.0) };
        wrapc(WrapClear): |_, g| { width(g.k)?; same(&g.dst.0, &g.a.0) };
        selectc(SelectClear): |_, g| elementwise(&g.dst.0, &[&g.cond.0, &g.a.0, &g.b.0]);
        sumc(SumClear): |_, g| rows(&g.dst.0, &[&g.a.0], g.inner);
        prefixc(PrefixClear): |_, g| prefix(&g.dst.0, &g.a.0, g.inner);
        dotc(DotClear): |_, g| rows(&g.dst.0, &[&g.a.0, &g.b.0], g.inner);
        matmulc(MatMulClear): |_, g| matrix(&g.dst.0, &g.a.0, &g.b.0, g.rows, g.inner, g.cols);
        contractc(ContractClear): |_, g| contraction([&g.dst.0, &g.a.0, &g.b.0], [g.batch, g.rows, g.inner, g.cols], &g.left, &g.right);
        spreadc(SpreadClear): |_, g| spread(&g.dst.0, &g.a.0, g.offset, &g.dims);
        gatherc(GatherClear): |_, g| gather(&g.dst.0, &g.a.0, &g.index.0, g.width);
        scatterc(ScatterClear): |_, g| scatter(&g.dst.0, &g.a.0, &g.index.0, g.width);
        fromcb(ClearFromBits): |_, g| same(&g.dst.0, &g.a.0);
        composec(ComposeClear): |_, g| { width(g.k)?; bit(g.signed)?; split(&g.a.0, &g.dst.0, g.k.0.into()) };
    }
}

impl execute::ClearBits for Verifier<'_> {
    checked! {
        ldcb(LoadBits): |_, g| bit(g.value);
        movcb(MoveBits): |_, g| same(&g.dst.0, &g.a.0);
        viewcb(ViewBits): |_, g| view(&g.dst.0, &g.a.0, g.offset, &g.dims);
        andcb(AndBits): |_, g| elementwise(&g.dst.0, &[&g.a.0, &g.b.0]);
        xorcb(XorBits): |_, g| elementwise(&g.dst.0, &[&g.a.0, &g.b.0]);
        notcb(NotBits): |_, g| same(&g.dst.0, &g.a.0);
        selectcb(SelectBits): |_, g| elementwise(&g.dst.0, &[&g.cond.0, &g.a.0, &g.b.0]);
        ltc(LessClear): |_, g| elementwise(&g.dst.0, &[&g.a.0, &g.b.0]);
        eqc(EqualClear): |_, g| elementwise(&g.dst.0, &[&g.a.0, &g.b.0]);
        bitsc(DecomposeClear): |_, g| { width(g.k)?; split(&g.dst.0, &g.a.0, g.k.0.into()) };
        onehotc(OneHotClear): |_, g| split(&g.dst.0, &g.a.0, g.n.0);
    }
}

impl execute::Linear for Verifier<'_> {
    checked! {
        lds(LoadSecret): |_, g| { width(g.bits)?; elementwise(&g.dst.0, &[&g.a.0]) };
        movs(MoveSecret): |_, g| same(&g.dst.0, &g.a.0);
        views(ViewSecret): |_, g| view(&g.dst.0, &g.a.0, g.offset, &g.dims);
        adds(AddSecret): |_, g| { width(g.bits)?; elementwise(&g.dst.0, &[&g.a.0, &g.b.0]) };
        subs(SubSecret): |_, g| { width(g.bits)?; elementwise(&g.dst.0, &[&g.a.0, &g.b.0]) };
        negs(NegSecret): |_, g| { width(g.bits)?; same(&g.dst.0, &g.a.0) };
        addm(AddMixed): |_, g| { width(g.bits)?; elementwise(&g.dst.0, &[&g.a.0, &g.b.0]) };
        submr(SubMixedReverse): |_, g| { width(g.bits)?; elementwise(&g.dst.0, &[&g.a.0, &g.b.0]) };
        mulm(MulMixed): |_, g| { width(g.bits)?; elementwise(&g.dst.0, &[&g.a.0, &g.b.0]) };
        sums(SumSecret): |_, g| { width(g.bits)?; rows(&g.dst.0, &[&g.a.0], g.inner) };
        prefixs(PrefixSecret): |_, g| { width(g.bits)?; prefix(&g.dst.0, &g.a.0, g.inner) };
        dotm(DotMixed): |_, g| { width(g.bits)?; rows(&g.dst.0, &[&g.a.0, &g.b.0], g.inner) };
        matmulsc(MatMulSecretClear): |_, g| { width(g.bits)?; matrix(&g.dst.0, &g.a.0, &g.b.0, g.rows, g.inner, g.cols) };
        matmulcs(MatMulClearSecret): |_, g| { width(g.bits)?; matrix(&g.dst.0, &g.a.0, &g.b.0, g.rows, g.inner, g.cols) };
        gathers(GatherSecret): |_, g| gather(&g.dst.0, &g.a.0, &g.index.0, g.width);
        scatters(ScatterSecret): |_, g| scatter(&g.dst.0, &g.a.0, &g.index.0, g.width);
    }
}

impl execute::Multiply for Verifier<'_> {
    checked! {
        muls(MulSecret): |_, g| { width(g.bits)?; elementwise(&g.dst.0, &[&g.a.0, &g.b.0]) };
        dots(DotSecret): |_, g| { width(g.bits)?; rows(&g.dst.0, &[&g.a.0, &g.b.0], g.inner) };
        matmul(MatMulSecret): |_, g| { width(g.bits)?; matrix(&g.dst.0, &g.a.0, &g.b.0, g.rows, g.inner, g.cols) };
        selects(SelectSecret): |_, g| { width(g.bits)?; elementwise(&g.dst.0, &[&g.cond.0, &g.a.0, &g.b.0]) };
        trunc(TruncSecret): |_, g| { width(g.bits)?; shift(g.shift)?; same(&g.dst.0, &g.a.0) };
        shrs(ShiftSecret): |_, g| { width(g.bits)?; shift(g.shift)?; same(&g.dst.0, &g.a.0) };
        wraps(WrapSecret): |_, g| { width(g.bits)?; width(g.k)?; same(&g.dst.0, &g.a.0) };
    }
}

impl execute::Views for Verifier<'_> {
    checked! {
        contract(Contract): |_, g| { width(g.bits)?; contraction([&g.dst.0, &g.a.0, &g.b.0], [g.batch, g.rows, g.inner, g.cols], &g.left, &g.right) };
        contractsc(ContractSecretClear): |_, g| { width(g.bits)?; contraction([&g.dst.0, &g.a.0, &g.b.0], [g.batch, g.rows, g.inner, g.cols], &g.left, &g.right) };
        contractcs(ContractClearSecret): |_, g| { width(g.bits)?; contraction([&g.dst.0, &g.a.0, &g.b.0], [g.batch, g.rows, g.inner, g.cols], &g.left, &g.right) };
        spreads(SpreadSecret): |_, g| spread(&g.dst.0, &g.a.0, g.offset, &g.dims);
    }
}

impl execute::Convert for Verifier<'_> {
    checked! {
        ltz(LessZero): |_, g| { width(g.bits)?; same(&g.dst.0, &g.a.0) };
        eqz(EqualZero): |_, g| { width(g.bits)?; same(&g.dst.0, &g.a.0) };
        lts(LessSecret): |_, g| { width(g.bits)?; elementwise(&g.dst.0, &[&g.a.0, &g.b.0]) };
        eqs(EqualSecret): |_, g| { width(g.bits)?; elementwise(&g.dst.0, &[&g.a.0, &g.b.0]) };
        onehots(OneHotSecret): |_, g| { width(g.bits)?; ensure(g.n.0 > 0, "an empty range")?; split(&g.dst.0, &g.a.0, g.n.0) };
        bits(DecomposeSecret): |_, g| { width(g.bits)?; width(g.k)?; split(&g.dst.0, &g.a.0, g.k.0.into()) };
        compose(ComposeSecret): |_, g| { width(g.k)?; bit(g.signed)?; split(&g.a.0, &g.dst.0, g.k.0.into()) };
        fromsb(SecretFromBits): |_, g| same(&g.dst.0, &g.a.0);
    }
}

impl execute::SecretBits for Verifier<'_> {
    checked! {
        ldsb(LoadSecretBits): |_, g| elementwise(&g.dst.0, &[&g.a.0]);
        movsb(MoveSecretBits): |_, g| same(&g.dst.0, &g.a.0);
        viewsb(ViewSecretBits): |_, g| view(&g.dst.0, &g.a.0, g.offset, &g.dims);
        ands(AndSecret): |_, g| elementwise(&g.dst.0, &[&g.a.0, &g.b.0]);
        xors(XorSecret): |_, g| elementwise(&g.dst.0, &[&g.a.0, &g.b.0]);
        nots(NotSecret): |_, g| same(&g.dst.0, &g.a.0);
        andm(AndMixed): |_, g| elementwise(&g.dst.0, &[&g.a.0, &g.b.0]);
        xorm(XorMixed): |_, g| elementwise(&g.dst.0, &[&g.a.0, &g.b.0]);
        selectsb(SelectSecretBits): |_, g| elementwise(&g.dst.0, &[&g.cond.0, &g.a.0, &g.b.0]);
        circuit(EvaluateCircuit): |v, g| {
            let circuit = v.program.circuits.get(g.id.0 as usize).ok_or("no such circuit")?;
            let fits = times(g.rows.0, circuit.input_bits() as u64, g.a.0.len)
                && times(g.rows.0, circuit.output_bits() as u64, g.dst.0.len);
            ensure(fits, "rows do not fit the operands")
        };
    }
}

impl execute::Random for Verifier<'_> {
    checked! {
        rands(RandomSecret): |_, g| ensure((1..127).contains(&g.bits.0), "a width is out of range");
        randsb(RandomBits): |_, _| Ok(());
        shuffle(Shuffle): |_, g| {
            width(g.bits)?;
            same(&g.dst.0, &g.a.0)?;
            ensure(times(g.rows.0, g.width.0, g.a.0.len), "rows do not fit the operand")
        };
        permute(Permute): |_, g| {
            width(g.bits)?;
            same(&g.dst.0, &g.a.0)?;
            ensure(times(g.rows.0, g.width.0, g.a.0.len) && g.perm.0.len == g.rows.0, "rows do not fit the operand")
        };
        places(Places): |_, g| { width(g.bits)?; split(&g.a.0, &g.dst.0, g.width.0) };
    }
}

impl execute::Opening for Verifier<'_> {
    checked! {
        open(Open): |_, g| { width(g.bits)?; same(&g.dst.0, &g.a.0) };
        opensb(OpenBits): |_, g| same(&g.dst.0, &g.a.0);
        opento(OpenTo): |v, g| { width(g.bits)?; v.role(g.role)?; same(&g.dst.0, &g.a.0) };
        opentosb(OpenBitsTo): |v, g| { v.role(g.role)?; same(&g.dst.0, &g.a.0) };
    }
}

impl execute::Io for Verifier<'_> {
    checked! {
        input(Input): |v, g| v.variable(&v.program.inputs, g.id, &g.dst.0, false);
        inputcb(InputBits): |v, g| v.variable(&v.program.inputs, g.id, &g.dst.0, true);
        share(Share): |v, g| { width(g.bits)?; v.role(g.role)?; same(&g.dst.0, &g.a.0) };
        sharesb(ShareBits): |v, g| { v.role(g.role)?; same(&g.dst.0, &g.a.0) };
        publish(Publish): |v, g| { width(g.bits)?; v.role(g.role)?; same(&g.dst.0, &g.a.0) };
        publishcb(PublishBits): |v, g| { v.role(g.role)?; same(&g.dst.0, &g.a.0) };
        output(Output): |v, g| v.variable(&v.program.outputs, g.id, &g.a.0, false);
        outputcb(OutputBits): |v, g| v.variable(&v.program.outputs, g.id, &g.a.0, true);
        ldstate(LoadState): |v, g| v.variable(&v.program.states, g.id, &g.dst.0, false);
        ststate(StoreState): |v, g| v.variable(&v.program.states, g.id, &g.a.0, false);
        ldstatesb(LoadStateBits): |v, g| v.variable(&v.program.states, g.id, &g.dst.0, true);
        ststatesb(StoreStateBits): |v, g| v.variable(&v.program.states, g.id, &g.a.0, true);
    }
}

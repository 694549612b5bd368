//! Clear numbers and bits.

use mpc_bytecode::{execute, group};

use super::formulas::*;
use super::{Emulator, Rule};

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
        contractc(ContractClear) = |e, g| {
            e.contract(e.get(&g.a)?, e.get(&g.b)?, [g.batch, g.rows, g.inner, g.cols], &g.left, &g.right)
        };
        spreadc(SpreadClear) = |e, g| spread(e.get(&g.a)?, g.dst.0.len, g.offset.0, &g.dims);
        gatherc(GatherClear) = |e, g| gather(e.get(&g.a)?, e.get(&g.index)?, g.width.0)?;
        scatterc(ScatterClear) = |e, g| scatter(e.get(&g.a)?, e.get(&g.index)?, g.width.0)?;
        fromcb(ClearFromBits) = |e, g| as_numbers(e.get(&g.a)?);
        composec(ComposeClear) = |e, g| compose(e.get(&g.a)?, g.k.0, g.signed.0 == 1);
    }
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

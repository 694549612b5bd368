//! Secret numbers and bits, in the clear.

use mpc_bytecode::{execute, group};

use super::formulas::*;
use super::{Emulator, Rule};

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
            map(&g.dst.0, e.bounded(&g.a, g.bits)?, |a| e.scaled_back(a, g.shift.0))
        };
        shrs(ShiftSecret) = |e, g| map(&g.dst.0, e.bounded(&g.a, g.bits)?, |a| a >> g.shift.0);
        wraps(WrapSecret) = |e, g| map(&g.dst.0, e.bounded(&g.a, g.bits)?, |a| wrap(a, g.k.0));
    }
}

impl execute::Views for Emulator<'_> {
    emulated! {
        contract(Contract) = |e, g| {
            e.within(e.contract(e.get(&g.a)?, e.get(&g.b)?, [g.batch, g.rows, g.inner, g.cols], &g.left, &g.right), g.bits)
        };
        contractsc(ContractSecretClear) = |e, g| {
            e.within(e.contract(e.get(&g.a)?, e.get(&g.b)?, [g.batch, g.rows, g.inner, g.cols], &g.left, &g.right), g.bits)
        };
        contractcs(ContractClearSecret) = |e, g| {
            e.within(e.contract(e.get(&g.a)?, e.get(&g.b)?, [g.batch, g.rows, g.inner, g.cols], &g.left, &g.right), g.bits)
        };
        spreads(SpreadSecret) = |e, g| spread(e.get(&g.a)?, g.dst.0.len, g.offset.0, &g.dims);
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
        circuit(EvaluateCircuit) = |e, g| {
            let circuit = &e.program.circuits[g.id.0 as usize];
            let (a, k) = (e.get(&g.a)?, circuit.input_bits());
            (0..g.rows.0 as usize).flat_map(|row| circuit.evaluate(&a[row * k..][..k])).collect()
        };
    }
}

impl execute::Random for Emulator<'_> {
    fn rands(&mut self, groups: &[group::RandomSecret]) -> Rule {
        self.run(
            groups,
            |g| &g.dst,
            |e, g| Ok((0..g.dst.0.len).map(|_| e.random_bits(g.bits.0)).collect()),
        )
    }

    fn randsb(&mut self, groups: &[group::RandomBits]) -> Rule {
        self.run(
            groups,
            |g| &g.dst,
            |e, g| Ok((0..g.dst.0.len).map(|_| e.random_bits(1) == 1).collect()),
        )
    }

    fn shuffle(&mut self, groups: &[group::Shuffle]) -> Rule {
        self.run(
            groups,
            |g| &g.dst,
            |e, g| {
                let mut order: Vec<i128> = (0..i128::from(g.rows.0)).collect();
                for last in (1..g.rows.0).rev() {
                    let other = e.random_below(last + 1);
                    order.swap(last as usize, other as usize);
                }
                scatter(e.get(&g.a)?, &order, g.width.0)
            },
        )
    }

    emulated! {
        permute(Permute) = |e, g| scatter(e.get(&g.a)?, e.get(&g.perm)?, g.width.0)?;
        places(Places) = |e, g| places(e.get(&g.a)?, g.dst.0.len as usize, g.width.0 as usize);
    }
}

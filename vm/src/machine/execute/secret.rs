//! Secret numbers and bits: verbs of the protocol.

use mpc_bytecode::{Bank, Count, Dims, Run, execute, group};
use mpc_protocols::algebra::contraction::Contraction;
use mpc_protocols::blocks::mask;
use mpc_protocols::value::Repeat;
use mpc_protocols::{Clear, Protocol, Shares};
use mpc_runtime::{Depth, Result, Step};

use super::clear::{permutation, row_numbers};
use super::{Operand, Target, Wanted};
use crate::machine::Machine;
use crate::machine::bank::Piece;

pub(super) fn len(run: Run) -> usize {
    run.len as usize
}

/// What an operand is and how long: `s` and `sb` secret, `c` and `cb` clear; `x:n` stretches to the
/// length of the result, `x` has its own length.
impl Wanted {
    fn s(machine: &Machine, run: Run, n: usize) -> Result<Wanted> {
        Ok(Wanted::Secret(machine.read_s(run)?, n))
    }

    fn sb(machine: &Machine, run: Run, n: usize) -> Result<Wanted> {
        Ok(Wanted::Secret(machine.read_sb(run)?, n))
    }

    fn c(machine: &Machine, run: Run, n: usize) -> Result<Wanted> {
        Ok(Wanted::Clear(machine.read_c(run)?, n))
    }

    fn cb(machine: &Machine, run: Run, n: usize) -> Result<Wanted> {
        Ok(Wanted::ClearBits(machine.read_cb(run)?, n))
    }
}

pub(super) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

pub(super) fn to_s(machine: &mut Machine, run: Run, level: u32) -> Result<Target<Shares>> {
    Ok((machine.write_s(run, level)?, len(run)))
}

pub(super) fn to_sb(machine: &mut Machine, run: Run, level: u32) -> Result<Target<Shares>> {
    Ok((machine.write_sb(run, level)?, len(run)))
}

/// Instructions that call one verb.
///
/// `name(Group) [bank operand, …] key(parameters) -> bank: |protocol, step, operands, key| value`
///
/// Operands marked `=` stretch to the length of the result. Operands and result consist of equally
/// many rows that do not depend on each other: as many as divide all lengths, unless `rows` says
/// otherwise.
macro_rules! verbs {
    ($($name:ident($Group:ident) [$($bank:ident $field:ident $(= $stretch:tt)?),*] $key:expr $(, rows $rows:expr)? => $write:ident: $verb:expr;)*) => { $(
        fn $name(&mut self, groups: &[group::$Group]) -> Result<()> {
            let key: fn(&group::$Group) -> _ = $key;
            self.spawn(
                groups,
                key,
                verbs!(@rows [$($rows)?] $Group, g, [$( verbs!(@len g, $field $(, $stretch)?) ),*]),
                |m, g| Ok(vec![$( Wanted::$bank(m, g.$field.0, verbs!(@len g, $field $(, $stretch)?))? ),*]),
                |m, g, tile, level| $write(m, tile.of(g.dst.0), level),
                $verb,
            )
        }
    )* };
    (@rows [] $Group:ident, $g:ident, [$($len:expr),*]) => {
        |$g: &group::$Group| [$( $len ),*].into_iter().fold(len($g.dst.0), gcd)
    };
    (@rows [$rows:expr] $($rest:tt)*) => { $rows };
    (@len $g:ident, $field:ident) => { len($g.$field.0) };
    (@len $g:ident, $field:ident, $stretch:tt) => { len($g.dst.0) };
}

/// As [`verbs`], where the groups cannot be joined: one task each.
macro_rules! single_verbs {
    ($($name:ident($Group:ident) [$($bank:ident $field:ident),*] => $write:ident: $verb:expr;)*) => { $(
        fn $name(&mut self, groups: &[group::$Group]) -> Result<()> {
            self.spawn_each(
                groups,
                |_m, _g| Ok(vec![$( Wanted::$bank(_m, _g.$field.0, len(_g.$field.0))? ),*]),
                |m, g, level| $write(m, g.dst.0, level),
                $verb,
            )
        }
    )* };
}

/// Rows, inner length and columns of a matrix instruction.
macro_rules! matrix_size {
    ($g:ident) => {
        ($g.rows.0 as usize, $g.inner.0 as usize, $g.cols.0 as usize)
    };
}

/// What a group of products of matrices multiplies.
macro_rules! products {
    ($g:ident) => {
        contraction([$g.batch, $g.rows, $g.inner, $g.cols], &$g.left, &$g.right)
    };
}
pub(super) use products;

/// `n` zeros.
async fn zeros(p: &dyn Protocol, step: &Step, n: usize) -> Result<Shares> {
    p.public(step, &Clear::new(vec![0; n], Depth::ZERO)).await
}

/// Transpose of a rows×cols matrix.
fn transposed(rows: usize, cols: usize) -> impl Fn(usize) -> usize {
    move |i| i % rows * cols + i / rows
}

/// Elements of a view for each that it repeats, from which on it is not made before it is used.
const OFTEN: usize = 4;

impl Machine {
    /// Views of secret numbers. What only repeats few of them is repeated by those who use it, tile by tile.
    fn view_secret(&mut self, groups: &[group::ViewSecret]) -> Result<()> {
        let (mut repeated, mut others) = (vec![], vec![]);
        for group in groups {
            match self.repeated_view(group)? {
                Some(piece) => repeated.push((self.resolve(Bank::S, group.dst.0)?, piece)),
                None => others.push(group.clone()),
            }
        }
        self.spawn_each(
            &others,
            |m, g| Ok(vec![Wanted::s(m, g.a.0, len(g.a.0))?]),
            |m, g, level| to_s(m, g.dst.0, level),
            async |_: &dyn Protocol, _: &Step, o: &[Operand], g: &group::ViewSecret| {
                Ok(o[0].secret().view(g.offset.0, &g.dims.0))
            },
        )?;
        repeated.into_iter().for_each(|(run, piece)| self.numbers.put(run, piece));
        Ok(())
    }

    fn repeated_view(&self, group: &group::ViewSecret) -> Result<Option<Piece<Shares>>> {
        let Some(repeat) = Repeat::of_view(group.offset.0, &group.dims.0) else { return Ok(None) };
        let run = self.resolve(Bank::S, group.a.0)?;
        let often = len(group.dst.0) >= OFTEN * repeat.period;
        Ok(if often { self.numbers.repeated(run, repeat, len(group.dst.0)) } else { None })
    }
}

impl execute::Linear for Machine {
    verbs! {
        lds(LoadSecret) [c a = n] |_| () => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], ()| p.public(step, o[0].clear()).await;
        adds(AddSecret) [s a = n, s b = n] |g| g.bits.0 => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], bits| p.add(step, o[0].secret(), o[1].secret(), bits).await;
        subs(SubSecret) [s a = n, s b = n] |g| g.bits.0 => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], bits| p.sub(step, o[0].secret(), o[1].secret(), bits).await;
        negs(NegSecret) [s a] |g| g.bits.0 => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], bits| {
            let zero = zeros(p, step, o[0].secret().len()).await?;
            p.sub(step, &zero, o[0].secret(), bits).await
        };
        addm(AddMixed) [s a = n, c b = n] |g| g.bits.0 => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], bits| p.add_clear(step, o[0].secret(), o[1].clear(), bits).await;
        submr(SubMixedReverse) [s a = n, c b = n] |g| g.bits.0 => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], bits| {
            let b = p.public(step, &o[1].clear().broadcast(o[0].secret().len())).await?;
            p.sub(step, &b, o[0].secret(), bits).await
        };
        mulm(MulMixed) [s a = n, c b = n] |g| g.bits.0 => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], bits| p.mul_clear(step, o[0].secret(), o[1].clear(), bits).await;
        sums(SumSecret) [s a] |g| (g.inner.0 as usize, g.bits.0, if g.inner.0 == 0 { len(g.dst.0) } else { 0 }) => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], (inner, bits, n)| {
            if inner == 0 { zeros(p, step, n).await } else { p.sum(step, o[0].secret(), inner, bits).await }
        };
        prefixs(PrefixSecret) [s a] |g| (g.inner.0 as usize, g.bits.0), rows |g| len(g.dst.0) / (g.inner.0 as usize).max(1) => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], (inner, bits)| p.prefix(step, o[0].secret(), inner, bits).await;
        dotm(DotMixed) [s a, c b] |g| (g.inner.0 as usize, g.bits.0, if g.inner.0 == 0 { len(g.dst.0) } else { 0 }) => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], (inner, bits, n)| {
            if inner == 0 {
                return zeros(p, step, n).await;
            }
            let products = p.mul_clear(step, o[0].secret(), o[1].clear(), bits).await?;
            p.sum(step, &products, inner, bits).await
        };
    }
    fn views(&mut self, groups: &[group::ViewSecret]) -> Result<()> {
        self.view_secret(groups)
    }
    single_verbs! {
        movs(MoveSecret) [s a] => to_s: async |_: &dyn Protocol, _: &Step, o: &[Operand], _: &group::MoveSecret| Ok(o[0].secret().clone());
        matmulsc(MatMulSecretClear) [s a, c b] => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], g: &group::MatMulSecretClear| {
            p.matmul_clear(step, o[0].secret(), o[1].clear(), matrix_size!(g), g.bits.0).await
        };
        // A·B = (Bᵀ·Aᵀ)ᵀ
        matmulcs(MatMulClearSecret) [c a, s b] => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], g: &group::MatMulClearSecret| {
            let (rows, inner, cols) = matrix_size!(g);
            let a = o[0].clear().pick(rows * inner, transposed(rows, inner));
            let b = o[1].secret().pick(inner * cols, transposed(inner, cols));
            let product = p.matmul_clear(step, &b, &a, (cols, inner, rows), g.bits.0).await?;
            Ok(product.pick(rows * cols, transposed(cols, rows)))
        };
        gathers(GatherSecret) [s a, c index] => to_s: async |_: &dyn Protocol, _: &Step, o: &[Operand], g: &group::GatherSecret| {
            let (a, index, width) = (o[0].secret(), o[1].clear(), g.width.0 as usize);
            Ok(moved(a, index, row_numbers(index, a.len() / width)?, width))
        };
        scatters(ScatterSecret) [s a, c index] => to_s: async |_: &dyn Protocol, _: &Step, o: &[Operand], g: &group::ScatterSecret| {
            let (a, index) = (o[0].secret(), o[1].clear());
            Ok(moved(a, index, permutation(index, index.len())?, g.width.0 as usize))
        };
    }
}

/// Row `i` of the result is row `rows[i]`; where the index is absent only the length is known.
fn moved(a: &Shares, index: &Clear, rows: Option<Vec<usize>>, width: usize) -> Shares {
    let picked = match rows {
        Some(rows) => a.gather_rows(&rows, width),
        None => Shares::phantom(index.len() * width, a.depth),
    };
    picked.at_depth(index.depth)
}

impl execute::Multiply for Machine {
    verbs! {
        muls(MulSecret) [s a = n, s b = n] |g| g.bits.0 => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], bits| p.mul(step, o[0].secret(), o[1].secret(), bits).await;
        dots(DotSecret) [s a, s b] |g| (g.inner.0 as usize, g.bits.0, if g.inner.0 == 0 { len(g.dst.0) } else { 0 }) => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], (inner, bits, n)| {
            if inner == 0 { zeros(p, step, n).await } else { p.dot(step, o[0].secret(), o[1].secret(), inner, bits).await }
        };
        selects(SelectSecret) [sb cond = n, s a = n, s b = n] |g| g.bits.0 => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], bits| p.select(step, o[0].secret(), o[1].secret(), o[2].secret(), bits).await;
        trunc(TruncSecret) [s a] |g| (g.bits.0, g.shift.0) => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], (bits, shift)| {
            if shift == 0 { Ok(o[0].secret().clone()) } else { p.trunc(step, o[0].secret(), bits, shift).await }
        };
        shrs(ShiftSecret) [s a] |g| (g.bits.0, g.shift.0) => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], (bits, shift)| {
            if shift == 0 { Ok(o[0].secret().clone()) } else { p.shift_right(step, o[0].secret(), bits, shift).await }
        };
        wraps(WrapSecret) [s a] |g| (g.bits.0, g.k.0) => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], (bits, k)| {
            if bits <= k { Ok(o[0].secret().clone()) } else { p.wrap(step, o[0].secret(), bits, k).await }
        };
    }
    single_verbs! {
        matmul(MatMulSecret) [s a, s b] => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], g: &group::MatMulSecret| {
            p.matmul(step, o[0].secret(), o[1].secret(), matrix_size!(g), g.bits.0).await
        };
    }
}

impl execute::Views for Machine {
    single_verbs! {
        contract(Contract) [s a, s b] => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], g: &group::Contract| {
            p.contract(step, o[0].secret(), o[1].secret(), &products!(g), g.bits.0).await
        };
        contractsc(ContractSecretClear) [s a, c b] => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], g: &group::ContractSecretClear| {
            p.contract_clear(step, o[0].secret(), o[1].clear(), &products!(g), false, g.bits.0).await
        };
        contractcs(ContractClearSecret) [c a, s b] => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], g: &group::ContractClearSecret| {
            p.contract_clear(step, o[1].secret(), o[0].clear(), &products!(g), true, g.bits.0).await
        };
        spreads(SpreadSecret) [s a] => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], g: &group::SpreadSecret| {
            let zero = zeros(p, step, 1).await?;
            Ok(o[0].secret().spread(&zero, len(g.dst.0), g.offset.0, &g.dims.0))
        };
    }
}

/// The products of a group that has been verified.
pub(super) fn contraction(sizes: [Count; 4], left: &Dims, right: &Dims) -> Contraction {
    let [batch, rows, inner, cols] = sizes.map(|size| size.0);
    let left = left.split([batch, rows, inner]).expect("verified on load");
    let right = right.split([batch, inner, cols]).expect("verified on load");
    Contraction::new(sizes.map(|size| size.0 as usize), left, right)
}

impl execute::Convert for Machine {
    verbs! {
        ltz(LessZero) [s a] |g| g.bits.0 => to_sb: async |p: &dyn Protocol, step: &Step, o: &[Operand], bits| p.ltz(step, o[0].secret(), bits).await;
        eqz(EqualZero) [s a] |g| g.bits.0 => to_sb: async |p: &dyn Protocol, step: &Step, o: &[Operand], bits| p.eqz(step, o[0].secret(), bits).await;
        lts(LessSecret) [s a = n, s b = n] |g| g.bits.0 => to_sb: async |p: &dyn Protocol, step: &Step, o: &[Operand], bits| p.lt(step, o[0].secret(), o[1].secret(), bits).await;
        eqs(EqualSecret) [s a = n, s b = n] |g| g.bits.0 => to_sb: async |p: &dyn Protocol, step: &Step, o: &[Operand], bits| p.eq(step, o[0].secret(), o[1].secret(), bits).await;
        onehots(OneHotSecret) [s a] |g| (g.n.0 as usize, g.bits.0) => to_sb: async |p: &dyn Protocol, step: &Step, o: &[Operand], (n, bits)| p.one_hot(step, o[0].secret(), n, bits).await;
        bits(DecomposeSecret) [s a] |g| (g.k.0, g.bits.0) => to_sb: async |p: &dyn Protocol, step: &Step, o: &[Operand], (k, bits)| p.decompose(step, o[0].secret(), k, bits).await;
        compose(ComposeSecret) [sb a] |g| (g.k.0, g.signed.0 == 1) => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], (k, signed)| p.compose(step, o[0].secret(), k, signed).await;
        fromsb(SecretFromBits) [sb a] |_| () => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], ()| p.from_bits(step, o[0].secret()).await;
    }
}

impl execute::SecretBits for Machine {
    verbs! {
        ldsb(LoadSecretBits) [cb a = n] |_| () => to_sb: async |p: &dyn Protocol, step: &Step, o: &[Operand], ()| p.public_bits(step, o[0].clear_bits()).await;
        ands(AndSecret) [sb a = n, sb b = n] |_| () => to_sb: async |p: &dyn Protocol, step: &Step, o: &[Operand], ()| p.and(step, o[0].secret(), o[1].secret()).await;
        xors(XorSecret) [sb a = n, sb b = n] |_| () => to_sb: async |p: &dyn Protocol, step: &Step, o: &[Operand], ()| p.xor(step, o[0].secret(), o[1].secret()).await;
        nots(NotSecret) [sb a] |_| () => to_sb: async |p: &dyn Protocol, step: &Step, o: &[Operand], ()| {
            let one = mpc_protocols::ClearBits::new(vec![true], Depth::ZERO);
            p.xor_clear(step, o[0].secret(), &one).await
        };
        andm(AndMixed) [sb a = n, cb b = n] |_| () => to_sb: async |p: &dyn Protocol, step: &Step, o: &[Operand], ()| p.and_clear(step, o[0].secret(), o[1].clear_bits()).await;
        xorm(XorMixed) [sb a = n, cb b = n] |_| () => to_sb: async |p: &dyn Protocol, step: &Step, o: &[Operand], ()| p.xor_clear(step, o[0].secret(), o[1].clear_bits()).await;
        // b ⊕ cond ∧ (a ⊕ b)
        selectsb(SelectSecretBits) [sb cond = n, sb a = n, sb b = n] |_| () => to_sb: async |p: &dyn Protocol, step: &Step, o: &[Operand], ()| {
            let either = p.xor(step, o[1].secret(), o[2].secret()).await?;
            let chosen = p.and(step, o[0].secret(), &either).await?;
            p.xor(step, &chosen, o[2].secret()).await
        };
    }
    fn circuit(&mut self, groups: &[group::EvaluateCircuit]) -> Result<()> {
        let netlists = self.netlists.clone();
        self.spawn(
            groups,
            |g| g.id.0 as usize,
            |g| g.rows.0 as usize,
            |m, g| Ok(vec![Wanted::sb(m, g.a.0, len(g.a.0))?]),
            |m, g, tile, level| to_sb(m, tile.of(g.dst.0), level),
            async move |p: &dyn Protocol, step: &Step, o: &[Operand], id| {
                netlists[id].evaluate(p, step, o[0].secret()).await
            },
        )
    }
    single_verbs! {
        movsb(MoveSecretBits) [sb a] => to_sb: async |_: &dyn Protocol, _: &Step, o: &[Operand], _: &group::MoveSecretBits| Ok(o[0].secret().clone());
        viewsb(ViewSecretBits) [sb a] => to_sb: async |_: &dyn Protocol, _: &Step, o: &[Operand], g: &group::ViewSecretBits| Ok(o[0].secret().view(g.offset.0, &g.dims.0));
    }
}

impl execute::Random for Machine {
    single_verbs! {
        rands(RandomSecret) [] => to_s: async |p: &dyn Protocol, step: &Step, _: &[Operand], g: &group::RandomSecret| p.random(step, len(g.dst.0), g.bits.0).await;
        randsb(RandomBits) [] => to_sb: async |p: &dyn Protocol, step: &Step, _: &[Operand], g: &group::RandomBits| mask::random_bits(p, step, len(g.dst.0)).await;
        shuffle(Shuffle) [s a] => to_s: async |p: &dyn Protocol, step: &Step, o: &[Operand], g: &group::Shuffle| {
            p.shuffle(step, o[0].secret(), g.rows.0 as usize, g.width.0 as usize, g.bits.0).await
        };
    }

    fn permute(&mut self, groups: &[group::Permute]) -> Result<()> {
        self.spawn_each(
            groups,
            |m, g| {
                Ok(vec![Wanted::s(m, g.a.0, len(g.a.0))?, Wanted::s(m, g.perm.0, len(g.perm.0))?])
            },
            |m, g, level| to_s(m, g.dst.0, level),
            async move |p: &dyn Protocol, step: &Step, o: &[Operand], g: &group::Permute| {
                p.permute(step, o[0].secret(), o[1].secret(), g.width.0 as usize, g.bits.0).await
            },
        )
    }

    fn places(&mut self, groups: &[group::Places]) -> Result<()> {
        self.spawn_each(
            groups,
            |m, g| Ok(vec![Wanted::sb(m, g.a.0, len(g.a.0))?]),
            |m, g, level| to_s(m, g.dst.0, level),
            async move |p: &dyn Protocol, step: &Step, o: &[Operand], g: &group::Places| {
                p.places(step, o[0].secret(), len(g.dst.0), g.bits.0).await
            },
        )
    }
}

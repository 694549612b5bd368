//! Clear numbers and bits: computed at once by every party that has them.

use mpc_bytecode::{execute, group};
use mpc_protocols::algebra::clear::{nearest, wrap};
use mpc_protocols::algebra::contraction::Contraction;
use mpc_protocols::algebra::matrix;
use mpc_protocols::value::view_indices;
use mpc_protocols::{Clear, ClearBits, Protocol};
use mpc_runtime::{Depth, Error, Result, Step};

use super::secret::{contraction, products};
use super::{Operand, Target, Wanted};
use crate::machine::Machine;

/// A clear instruction whose result is a function of its operands, group by group.
///
/// `name(Group) [reads] -> write: |group, operands| value`
macro_rules! clear_instructions {
    ($($name:ident($Group:ident) [$($read:ident $field:ident),*] -> $write:ident: $value:expr;)*) => { $(
        fn $name(&mut self, groups: &[group::$Group]) -> Result<()> {
            let value: fn(&group::$Group, &[Operand]) -> Result<_> = $value;
            self.spawn_each(
                groups,
                |m, g| Ok(vec![$( Wanted::$read(m, g.$field.0)? ),*]),
                |m, g, level| Ok((m.$write(g.dst.0, level)?, len(g.dst.0))),
                async move |_: &dyn Protocol, _: &Step, o: &[Operand], g: &group::$Group| value(g, o),
            )
        }
    )* };
}

fn len(run: mpc_bytecode::Run) -> usize {
    run.len as usize
}

/// Element by element.
fn zip<V: Copy>(
    operands: &[Operand],
    n: usize,
    f: impl Fn(i128, i128) -> V,
) -> Result<mpc_protocols::value::ClearVec<V>> {
    Ok(operands[0].clear().broadcast(n).zip(&operands[1].clear().broadcast(n), f))
}

fn zip_bits(operands: &[Operand], n: usize, f: impl Fn(bool, bool) -> bool) -> Result<ClearBits> {
    Ok(operands[0].clear_bits().broadcast(n).zip(&operands[1].clear_bits().broadcast(n), f))
}

fn map(operands: &[Operand], f: impl Fn(i128) -> i128) -> Result<Clear> {
    let a = operands[0].clear();
    Ok(a.map(a.len(), |v| v.iter().map(|&x| f(x)).collect()))
}

fn divisors(operands: &[Operand]) -> Result<()> {
    match operands[1].clear().values() {
        Some(v) if v.contains(&0) => Err(Error::Program("division by zero".into())),
        _ => Ok(()),
    }
}

fn floor_div(a: i128, b: i128) -> i128 {
    let quotient = a.wrapping_div(b);
    if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }
}

fn select<T: Copy>(
    cond: &ClearBits,
    a: &mpc_protocols::value::ClearVec<T>,
    b: &mpc_protocols::value::ClearVec<T>,
    n: usize,
) -> Result<mpc_protocols::value::ClearVec<T>> {
    let pairs = a.broadcast(n).zip(&b.broadcast(n), |a, b| (a, b));
    Ok(cond.broadcast(n).zip(&pairs, |c, (a, b)| if c { a } else { b }))
}

/// Sums of `inner` values each.
fn sums(values: &Clear, n: usize, inner: usize) -> Clear {
    let sum = |row: &[i128]| row.iter().fold(0_i128, |s, &x| s.wrapping_add(x));
    values.map(n, |v| (0..n).map(|i| sum(&v[i * inner..][..inner])).collect())
}

/// Products of matrices, modulo 2^128.
fn contracted(a: &Clear, b: &Clear, of: &Contraction) -> Clear {
    let depth = a.depth.max(b.depth);
    let (Some(x), Some(y)) = (a.values(), b.values()) else {
        return Clear::absent(of.len(), depth);
    };
    let words = |values: &[i128]| values.iter().map(|&v| v as u128).collect::<Vec<_>>();
    let mut out = vec![0_u128; of.len()];
    matrix::contract(None, &mut out, 0..of.len(), &[(&words(x), &words(y))], of);
    Clear::new(out.into_iter().map(|v| v as i128).collect::<Vec<_>>(), depth)
}

/// Row numbers that an index vector names.
///
/// # Errors
/// One is outside `0..rows`.
pub(super) fn row_numbers(index: &Clear, rows: usize) -> Result<Option<Vec<usize>>> {
    let Some(values) = index.values() else { return Ok(None) };
    let row = |&i: &i128| {
        let there = usize::try_from(i).ok().filter(|&i| i < rows);
        there.ok_or_else(|| Error::Program(format!("index {i} is outside 0..{rows}")))
    };
    values.iter().map(row).collect::<Result<Vec<_>>>().map(Some)
}

/// Row numbers of a permutation.
///
/// # Errors
/// One is outside, or comes twice.
pub(super) fn permutation(index: &Clear, rows: usize) -> Result<Option<Vec<usize>>> {
    let Some(numbers) = row_numbers(index, rows)? else { return Ok(None) };
    let mut from = vec![usize::MAX; rows];
    for (i, &to) in numbers.iter().enumerate() {
        if std::mem::replace(&mut from[to], i) != usize::MAX {
            return Err(Error::Program(format!("index {to} comes twice in a permutation")));
        }
    }
    Ok(Some(from))
}

fn gathered(a: &Clear, index: &Clear, rows: Option<Vec<usize>>, n: usize, width: usize) -> Clear {
    let picked = match rows {
        Some(rows) => a.pick(n, |i| rows[i / width] * width + i % width),
        None => Clear::absent(n, a.depth),
    };
    picked.at_depth(index.depth)
}

impl Wanted {
    fn clear(machine: &Machine, run: mpc_bytecode::Run) -> Result<Wanted> {
        Ok(Wanted::Clear(machine.read_c(run)?, len(run)))
    }

    fn clear_bits(machine: &Machine, run: mpc_bytecode::Run) -> Result<Wanted> {
        Ok(Wanted::ClearBits(machine.read_cb(run)?, len(run)))
    }
}

impl execute::Clear for Machine {
    fn ldc(&mut self, groups: &[group::LoadClear]) -> Result<()> {
        for g in groups {
            let value = Clear::new(vec![g.value.0; len(g.dst.0)], Depth::ZERO);
            self.write_c(g.dst.0, 0)?.fill(value);
        }
        Ok(())
    }

    fn ldpool(&mut self, groups: &[group::LoadPool]) -> Result<()> {
        for g in groups {
            let values = &self.program.pool[g.pool.base as usize..][..g.pool.len as usize];
            let value = Clear::new(values.to_vec(), Depth::ZERO);
            self.write_c(g.dst.0, 0)?.fill(value);
        }
        Ok(())
    }

    clear_instructions! {
        movc(MoveClear) [clear a] -> write_c: |_, o| Ok(o[0].clear().clone());
        viewc(ViewClear) [clear a] -> write_c: |g, o| {
            let index = view_indices(g.offset.0, &g.dims.0);
            Ok(o[0].clear().pick(index.len(), |i| index[i]))
        };
        addc(AddClear) [clear a, clear b] -> write_c: |g, o| zip(o, len(g.dst.0), i128::wrapping_add);
        subc(SubClear) [clear a, clear b] -> write_c: |g, o| zip(o, len(g.dst.0), i128::wrapping_sub);
        mulc(MulClear) [clear a, clear b] -> write_c: |g, o| zip(o, len(g.dst.0), i128::wrapping_mul);
        divc(DivClear) [clear a, clear b] -> write_c: |g, o| {
            divisors(o)?;
            zip(o, len(g.dst.0), floor_div)
        };
        modc(ModClear) [clear a, clear b] -> write_c: |g, o| {
            divisors(o)?;
            zip(o, len(g.dst.0), |a, b| a.wrapping_sub(b.wrapping_mul(floor_div(a, b))))
        };
        negc(NegClear) [clear a] -> write_c: |_, o| map(o, i128::wrapping_neg);
        truncc(TruncClear) [clear a] -> write_c: |g, o| map(o, |x| nearest(x, g.shift.0));
        shrc(ShiftClear) [clear a] -> write_c: |g, o| map(o, |x| x >> g.shift.0);
        wrapc(WrapClear) [clear a] -> write_c: |g, o| map(o, |x| wrap(x, g.k.0));
        selectc(SelectClear) [clear_bits cond, clear a, clear b] -> write_c: |g, o| {
            select(o[0].clear_bits(), o[1].clear(), o[2].clear(), len(g.dst.0))
        };
        sumc(SumClear) [clear a] -> write_c: |g, o| Ok(sums(o[0].clear(), len(g.dst.0), g.inner.0 as usize));
        prefixc(PrefixClear) [clear a] -> write_c: |g, o| {
            let (a, inner) = (o[0].clear(), g.inner.0 as usize);
            Ok(a.map(a.len(), |v| {
                let mut out = v.to_vec();
                for row in out.chunks_mut(inner) {
                    (1..row.len()).for_each(|j| row[j] = row[j].wrapping_add(row[j - 1]));
                }
                out
            }))
        };
        dotc(DotClear) [clear a, clear b] -> write_c: |g, o| {
            let products = o[0].clear().zip(o[1].clear(), i128::wrapping_mul);
            Ok(sums(&products, len(g.dst.0), g.inner.0 as usize))
        };
        matmulc(MatMulClear) [clear a, clear b] -> write_c: |g, o| {
            let size = (g.rows.0 as usize, g.inner.0 as usize, g.cols.0 as usize);
            Ok(contracted(o[0].clear(), o[1].clear(), &Contraction::matrix(size)))
        };
        contractc(ContractClear) [clear a, clear b] -> write_c: |g, o| {
            Ok(contracted(o[0].clear(), o[1].clear(), &products!(g)))
        };
        spreadc(SpreadClear) [clear a] -> write_c: |g, o| {
            let (n, places) = (len(g.dst.0), view_indices(g.offset.0, &g.dims.0));
            Ok(o[0].clear().map(n, |v| {
                let mut out = vec![0; n];
                places.iter().zip(v).for_each(|(&place, &x)| out[place] = x);
                out
            }))
        };
        gatherc(GatherClear) [clear a, clear index] -> write_c: |g, o| {
            let (a, index, width) = (o[0].clear(), o[1].clear(), g.width.0 as usize);
            let rows = row_numbers(index, a.len() / width)?;
            Ok(gathered(a, index, rows, len(g.dst.0), width))
        };
        scatterc(ScatterClear) [clear a, clear index] -> write_c: |g, o| {
            let (a, index) = (o[0].clear(), o[1].clear());
            let rows = permutation(index, index.len())?;
            Ok(gathered(a, index, rows, len(g.dst.0), g.width.0 as usize))
        };
        fromcb(ClearFromBits) [clear_bits a] -> write_c: |_, o| {
            let a = o[0].clear_bits();
            Ok(a.map(a.len(), |v| v.iter().map(|&b| i128::from(b)).collect()))
        };
        composec(ComposeClear) [clear_bits a] -> write_c: |g, o| {
            let (k, n) = (g.k.0 as usize, len(g.dst.0));
            let number = |bits: &[bool]| {
                let low = bits.iter().enumerate().fold(0_i128, |x, (j, &b)| x | i128::from(b) << j);
                if g.signed.0 == 1 { wrap(low, g.k.0) } else { low }
            };
            Ok(o[0].clear_bits().map(n, |v| v.chunks(k).map(number).collect()))
        };
    }
}

impl execute::ClearBits for Machine {
    fn ldcb(&mut self, groups: &[group::LoadBits]) -> Result<()> {
        for g in groups {
            let value = ClearBits::new(vec![g.value.0 == 1; len(g.dst.0)], Depth::ZERO);
            self.write_cb(g.dst.0, 0)?.fill(value);
        }
        Ok(())
    }

    clear_instructions! {
        movcb(MoveBits) [clear_bits a] -> write_cb: |_, o| Ok(o[0].clear_bits().clone());
        viewcb(ViewBits) [clear_bits a] -> write_cb: |g, o| {
            let index = view_indices(g.offset.0, &g.dims.0);
            Ok(o[0].clear_bits().pick(index.len(), |i| index[i]))
        };
        andcb(AndBits) [clear_bits a, clear_bits b] -> write_cb: |g, o| zip_bits(o, len(g.dst.0), |a, b| a && b);
        xorcb(XorBits) [clear_bits a, clear_bits b] -> write_cb: |g, o| zip_bits(o, len(g.dst.0), |a, b| a ^ b);
        notcb(NotBits) [clear_bits a] -> write_cb: |_, o| {
            let a = o[0].clear_bits();
            Ok(a.map(a.len(), |v| v.iter().map(|&b| !b).collect()))
        };
        selectcb(SelectBits) [clear_bits cond, clear_bits a, clear_bits b] -> write_cb: |g, o| {
            select(o[0].clear_bits(), o[1].clear_bits(), o[2].clear_bits(), len(g.dst.0))
        };
        ltc(LessClear) [clear a, clear b] -> write_cb: |g, o| zip(o, len(g.dst.0), |a, b| a < b);
        eqc(EqualClear) [clear a, clear b] -> write_cb: |g, o| zip(o, len(g.dst.0), |a, b| a == b);
        bitsc(DecomposeClear) [clear a] -> write_cb: |g, o| {
            let k = g.k.0 as usize;
            Ok(o[0].clear().map(len(g.dst.0), |v| {
                v.iter().flat_map(|&x| (0..k).map(move |j| x >> j & 1 == 1)).collect()
            }))
        };
        onehotc(OneHotClear) [clear a] -> write_cb: |g, o| {
            let n = g.n.0 as usize;
            Ok(o[0].clear().map(len(g.dst.0), |v| {
                v.iter().flat_map(|&x| (0..n).map(move |j| x == j as i128)).collect()
            }))
        };
    }
}

/// The result of a group in bank `c`, with its length.
pub(super) fn to_clear(
    machine: &mut Machine,
    run: mpc_bytecode::Run,
    level: u32,
) -> Result<Target<Clear>> {
    Ok((machine.write_c(run, level)?, len(run)))
}

/// The result of a group in bank `cb`, with its length.
pub(super) fn to_clear_bits(
    machine: &mut Machine,
    run: mpc_bytecode::Run,
    level: u32,
) -> Result<Target<ClearBits>> {
    Ok((machine.write_cb(run, level)?, len(run)))
}

//! A product and the truncation behind it, as one; see [`crate::machine::fuse`].

use mpc_bytecode::{Instruction, Run, group};
use mpc_protocols::Protocol;
use mpc_runtime::{Result, Step};

use super::secret::{contraction, gcd, len, products, to_s};
use super::{Operand, Wanted};
use crate::machine::Machine;

/// What a group of both has: result, operands, products in a sum, bound, shift.
#[derive(Clone, Copy)]
struct Shifted {
    dst: Run,
    operands: [Run; 2],
    inner: usize,
    bits: u32,
    shift: u32,
}

impl Shifted {
    /// Length of operands, to which one element is stretched where each is a factor by itself.
    fn operand_len(&self, operand: Run) -> usize {
        if self.inner == 1 { len(self.dst) } else { len(operand) }
    }
}

impl Machine {
    /// Runs an instruction and the one behind it, which have been found to be one.
    pub(in crate::machine) fn run_fused(&mut self, both: [&Instruction; 2]) -> Result<()> {
        let Instruction::TruncSecret(shifts) = both[1] else { unreachable!("found to be one") };
        if let Instruction::Contract(products) = both[0] {
            return self.run_matrices(products, shifts);
        }
        let shifted = |(dst, operands, inner, shift): (Run, _, u64, &group::TruncSecret)| Shifted {
            dst,
            operands,
            inner: inner as usize,
            bits: shift.bits.0,
            shift: shift.shift.0,
        };
        let groups: Vec<Shifted> = match both[0] {
            Instruction::MulSecret(products) => (products.iter().zip(shifts))
                .map(|(g, shift)| shifted((shift.dst.0, [g.a.0, g.b.0], 1, shift)))
                .collect(),
            Instruction::DotSecret(products) => (products.iter().zip(shifts))
                .map(|(g, shift)| shifted((shift.dst.0, [g.a.0, g.b.0], g.inner.0, shift)))
                .collect(),
            _ => unreachable!("found to be one"),
        };
        self.spawn(
            &groups,
            |g| (g.inner, g.bits, g.shift),
            |g| g.operands.iter().fold(len(g.dst), |rows, &run| gcd(rows, g.operand_len(run))),
            |machine, g| {
                let wanted = |run| Ok(Wanted::Secret(machine.read_s(run)?, g.operand_len(run)));
                g.operands.into_iter().map(wanted).collect()
            },
            |machine, g, tile, level| to_s(machine, tile.of(g.dst), level),
            async |p: &dyn Protocol, step: &Step, o: &[Operand], (inner, bits, shift)| {
                let (a, b) = (o[0].secret(), o[1].secret());
                p.dot_trunc(step, a, b, inner, bits, shift).await
            },
        )
    }

    /// Products of matrices, one task each; those without elements are left out.
    fn run_matrices(
        &mut self,
        products: &[group::Contract],
        shifts: &[group::TruncSecret],
    ) -> Result<()> {
        let pairs = products.iter().zip(shifts).filter(|(_, shift)| len(shift.dst.0) > 0);
        // All reads of an instruction come before its writes.
        let jobs = pairs.map(|(product, shift)| {
            let wanted = |run| Ok(Wanted::Secret(self.read_s(run)?, len(run)));
            let operands = [product.a.0, product.b.0].into_iter().map(wanted);
            Ok((product, shift, operands.collect::<Result<Vec<_>>>()?))
        });
        let jobs: Vec<_> = jobs.collect::<Result<_>>()?;
        for (product, shift, operands) in jobs {
            let (dst, bits, shift) = (shift.dst.0, shift.bits.0, shift.shift.0);
            let of = products!(product);
            let key = (of.batch, of.size(), bits, shift);
            let call = async move |p: &dyn Protocol, step: &Step, o: &[Operand]| {
                p.contract_trunc(step, o[0].secret(), o[1].secret(), &of, bits, shift).await
            };
            self.spawn_one(&key, operands, |machine, level| to_s(machine, dst, level), call)?;
        }
        Ok(())
    }
}

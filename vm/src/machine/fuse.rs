//! Products that are scaled back at once: which instructions run together with the one behind them.
//!
//! Protocols multiply and truncate together in fewer rounds than one after the other. A product and
//! the `trunc` behind it are one if group by group the one reads what the other wrote, and nobody else
//! ever reads it: then it need not be there at all.

use std::collections::BTreeSet;

use mpc_bytecode::{Access, Bank, Instruction, Program, Run};

/// Instructions that are looked through for a reader; with more, there may be one.
const REACH: usize = 256;

/// For each instruction, whether it runs together with the next.
pub(super) fn fused(program: &Program) -> Vec<bool> {
    (0..program.code.len()).map(|at| is_fused(program, at)).collect()
}

fn is_fused(program: &Program, at: usize) -> bool {
    let Some(Instruction::TruncSecret(shifts)) = program.code.get(at + 1) else { return false };
    let products: Vec<(Run, u32)> = match &program.code[at] {
        Instruction::MulSecret(groups) => groups.iter().map(|g| (g.dst.0, g.bits.0)).collect(),
        Instruction::DotSecret(groups) if groups.iter().all(|g| g.inner.0 > 0) => {
            groups.iter().map(|g| (g.dst.0, g.bits.0)).collect()
        }
        Instruction::Contract(groups) if groups.iter().all(|g| g.inner.0 > 0) => {
            groups.iter().map(|g| (g.dst.0, g.bits.0)).collect()
        }
        _ => return false,
    };
    let reads = shifts.iter().map(|g| (g.a.0, g.bits.0));
    products.len() == shifts.len()
        && reads.eq(products.iter().copied())
        && shifts.iter().all(|g| g.shift.0 > 0)
        && products.iter().all(|(run, _)| {
            shifts.iter().any(|g| g.dst.0 == *run) || is_dead(program, at + 2, *run)
        })
}

/// Whether nobody reads a run of secret numbers from instruction `from` on before it is written.
fn is_dead(program: &Program, from: usize, run: Run) -> bool {
    if run.index.is_some() {
        return false;
    }
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(at) = open.pop() {
        if !seen.insert(at) {
            continue;
        }
        let Some(instruction) = program.code.get(at).filter(|_| seen.len() <= REACH) else {
            return false;
        };
        let (mut read, mut written) = (false, false);
        instruction.accesses(&mut |Access { bank, run: other, write }| {
            if bank == Bank::S && write {
                let end = other.base + other.len;
                let covers = other.base <= run.base && run.base + run.len <= end;
                written |= other.index.is_none() && covers;
            } else if bank == Bank::S {
                let apart = other.base + other.len <= run.base || run.base + run.len <= other.base;
                read |= other.index.is_some() || !apart;
            }
        });
        if read {
            return false;
        }
        if written {
            continue;
        }
        match instruction {
            Instruction::Halt(_) => {}
            Instruction::Jump(jump) => open.push(jump.target.0 as usize),
            Instruction::JumpLess(jump) => open.extend([jump.target.0 as usize, at + 1]),
            Instruction::JumpZero(jump) => open.extend([jump.target.0 as usize, at + 1]),
            _ => open.push(at + 1),
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use mpc_bytecode::operand::Text;

    fn found(text: &str) -> Vec<usize> {
        let parse = |line| Instruction::parse(&mut Text::new(line)).expect("an instruction");
        let code = text.lines().map(str::trim).filter(|l| !l.is_empty()).map(parse).collect();
        let fused = fused(&Program { code, ..Default::default() });
        (0..fused.len()).filter(|&at| fused[at]).collect()
    }

    #[test]
    fn products_run_together_with_their_truncation_if_nobody_else_reads_them() {
        // Written over at once.
        assert_eq!(
            found("muls (s8:4, s0:4, s4:4, 56)\n trunc (s8:4, s8:4, 56, 16)\n halt ()"),
            [0]
        );
        // In a loop that writes them anew each time.
        let looped = |reader: &str| {
            found(&format!(
                "dots (s8:4, s0:8, s0:8, 2, 56)
                 trunc (s0:4, s8:4, 56, 16)
                 {reader}
                 jlt (r0, r1, @0)
                 movs (s8:4, s0:4)
                 halt ()"
            ))
        };
        assert_eq!(looped("movs (s20:1, s7:1)"), [0]);
        assert_eq!(looped("movs (s20:1, s11:1)"), [] as [usize; 0]);
        assert_eq!(looped("movs (s20:1, s0+r0:1)"), [] as [usize; 0]);
        assert_eq!(looped("movs (s9:3, s0:3)"), [0]);
        // Products of matrices.
        let windows = "contract (s8:2, s0:2, s4:3, 1, 1, 2, 2, [2x1], [2x1 2x1], 56)";
        assert_eq!(found(&format!("{windows}\n trunc (s8:2, s8:2, 56, 16)\n halt ()")), [0]);
        // Other bounds, other registers, other numbers of groups.
        for trunc in [
            "trunc (s8:4, s8:4, 55, 16)",
            "trunc (s8:4, s7:4, 56, 16)",
            "trunc (s8:4, s8:4, 56, 0)",
            "trunc (s8:4, s8:4, 56, 16) (s20:1, s21:1, 56, 16)",
            "shrs (s8:4, s8:4, 56, 16)",
        ] {
            let code = format!("muls (s8:4, s0:4, s4:4, 56)\n {trunc}\n halt ()");
            assert_eq!(found(&code), [] as [usize; 0], "{trunc}");
        }
        // Where the code ends without a halt there may be a reader.
        let open = "muls (s8:4, s0:4, s4:4, 56)\n trunc (s0:4, s8:4, 56, 16)";
        assert_eq!(found(open), [] as [usize; 0]);
    }
}

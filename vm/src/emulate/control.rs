//! Order of execution and machine integers.

use mpc_bytecode::{execute, group};

use super::{Emulator, Rule};

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

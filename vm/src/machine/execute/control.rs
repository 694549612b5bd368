//! Order of execution and machine integers: settled at issue.

use std::rc::Rc;

use mpc_bytecode::{execute, group};
use mpc_protocols::Clear;
use mpc_runtime::{Error, Result};

use crate::machine::{Absent, Machine};

impl execute::Control for Machine {
    fn jump(&mut self, g: &group::Jump) -> Result<()> {
        self.pc = g.target.0 as usize;
        Ok(())
    }

    fn jlt(&mut self, g: &group::JumpLess) -> Result<()> {
        if self.integer(g.a.0) < self.integer(g.b.0) {
            self.pc = g.target.0 as usize;
        }
        Ok(())
    }

    fn jumpz(&mut self, g: &group::JumpZero) -> Result<()> {
        let source = self.read_cb(g.cond.0)?;
        let cond = self.settle(source)?;
        self.control = self.control.max(cond.depth);
        let taken = match cond.values() {
            Some(bit) => !bit[0],
            None => match &mut self.absent {
                Absent::Wrong => return Err(unknown()),
                Absent::Replayed(decisions) => decisions.next().unwrap_or(true),
                Absent::Unforeseen => return Err(unforeseen()),
            },
        };
        self.decisions.push(taken);
        if taken {
            self.pc = g.target.0 as usize;
        }
        Ok(())
    }

    fn halt(&mut self, _: &group::Halt) -> Result<()> {
        self.halted = true;
        Ok(())
    }
}

impl execute::Integer for Machine {
    fn ldr(&mut self, g: &group::LoadInt) -> Result<()> {
        self.set_integer(g.dst.0, g.value.0)
    }

    fn addr(&mut self, g: &group::AddInt) -> Result<()> {
        self.set_integer(g.dst.0, self.integer(g.a.0).wrapping_add(self.integer(g.b.0)))
    }

    fn addri(&mut self, g: &group::AddIntImm) -> Result<()> {
        self.set_integer(g.dst.0, self.integer(g.a.0).wrapping_add(g.value.0))
    }

    fn mulri(&mut self, g: &group::MulIntImm) -> Result<()> {
        self.set_integer(g.dst.0, self.integer(g.a.0).wrapping_mul(g.value.0))
    }

    fn rfromc(&mut self, g: &group::IntFromClear) -> Result<()> {
        let source = self.read_c(g.a.0)?;
        let value = self.settle(source)?;
        self.control = self.control.max(value.depth);
        let bound = i128::from(g.bound.0);
        let index = match value.values() {
            Some(v) => v[0],
            None if matches!(self.absent, Absent::Wrong) => return Err(unknown()),
            None => 0, // any index costs the same
        };
        if !(0..bound).contains(&index) {
            return Err(Error::Program(format!("index {index} is outside 0..{bound}")));
        }
        self.set_integer(g.dst.0, index as i64)
    }

    fn cfromr(&mut self, groups: &[group::ClearFromInt]) -> Result<()> {
        for g in groups {
            let value = Clear::new(vec![i128::from(self.integer(g.a.0))], self.control);
            self.write_c(g.dst.0, 0)?.fill(value);
        }
        Ok(())
    }
}

/// All parties must go the same way, so none may go by what it alone knows.
fn unknown() -> Error {
    Error::Program("the order of execution depends on a value that this party does not know".into())
}

fn unforeseen() -> Error {
    Error::Program(
        "where the program goes depends on a value that it reveals: its preprocessing cannot be made \
         ahead"
            .into(),
    )
}

impl Machine {
    fn integer(&self, register: u32) -> i64 {
        self.integers[register as usize]
    }

    fn set_integer(&mut self, register: u32, value: i64) -> Result<()> {
        self.integers[register as usize] = value;
        Ok(())
    }

    /// The value of a source, now: lets everything else go on until it is there.
    fn settle<T: super::Vector + 'static>(&mut self, source: super::Source<T>) -> Result<T> {
        let slot = Rc::new(self.executor.slot());
        let (id, place, _) = self.task();
        let filled = slot.clone();
        self.executor.spawn(id, place, async move {
            filled.fill(source.wait().await);
            Ok(())
        });
        let there = slot.clone();
        self.drive(move |_| there.get().is_some())?;
        Ok(slot.get().expect("driven until it is there").clone())
    }
}

//! What each instruction does: which verb of the protocol, on which registers.
//!
//! Groups of one instruction that agree in their parameters are joined into one call of the verb, so
//! that they share its messages.

mod clear;
mod control;
mod io;
mod secret;

use std::rc::Rc;

use mpc_bytecode::execute;
use mpc_protocols::{Clear, ClearBits, Protocol, Shares};
use mpc_runtime::{Error, Result, Slot, Step};

use super::Machine;
pub(super) use super::bank::{Source, Vector};

impl execute::Executor for Machine {
    type Error = Error;
}

/// An operand that is waited for: where it is, and how long it must be.
pub(super) enum Wanted {
    /// Secret numbers or bits; of length 1 it stands for that many.
    Secret(Source<Shares>, usize),
    /// Clear numbers.
    Clear(Source<Clear>, usize),
    /// Clear bits.
    ClearBits(Source<ClearBits>, usize),
}

/// An operand that is there.
pub(super) enum Operand {
    Secret(Shares),
    Clear(Clear),
    ClearBits(ClearBits),
}

impl Operand {
    pub(super) fn secret(&self) -> &Shares {
        match self {
            Operand::Secret(x) => x,
            _ => unreachable!("operands have the banks of the table"),
        }
    }

    pub(super) fn clear(&self) -> &Clear {
        match self {
            Operand::Clear(x) => x,
            _ => unreachable!("operands have the banks of the table"),
        }
    }

    pub(super) fn clear_bits(&self) -> &ClearBits {
        match self {
            Operand::ClearBits(x) => x,
            _ => unreachable!("operands have the banks of the table"),
        }
    }
}

impl Wanted {
    async fn wait(self) -> Operand {
        match self {
            Wanted::Secret(source, len) => Operand::Secret(fit(source.wait().await, len)),
            Wanted::Clear(source, len) => Operand::Clear(fit(source.wait().await, len)),
            Wanted::ClearBits(source, len) => Operand::ClearBits(fit(source.wait().await, len)),
        }
    }
}

/// Stretches a vector of length 1.
trait Stretch: Vector {
    fn stretch(&self, len: usize) -> Self;
}

macro_rules! stretch {
    ($($ty:ty),*) => { $( impl Stretch for $ty {
        fn stretch(&self, len: usize) -> Self {
            self.broadcast(len)
        }
    } )* };
}
stretch!(Shares, Clear, ClearBits);

fn fit<T: Stretch>(value: T, len: usize) -> T {
    if value.len() == len { value } else { value.stretch(len) }
}

/// Joins the same operand of several groups.
fn join(parts: Vec<Operand>) -> Operand {
    match <[Operand; 1]>::try_from(parts) {
        Ok([one]) => one,
        Err(parts) => match parts.first() {
            None | Some(Operand::Secret(_)) => Operand::Secret(Shares::concat(
                &parts.iter().map(|p| p.secret().clone()).collect::<Vec<_>>(),
            )),
            Some(Operand::Clear(_)) => Operand::Clear(Clear::concat(
                &parts.iter().map(|p| p.clear().clone()).collect::<Vec<_>>(),
            )),
            Some(Operand::ClearBits(_)) => Operand::ClearBits(ClearBits::concat(
                &parts.iter().map(|p| p.clear_bits().clone()).collect::<Vec<_>>(),
            )),
        },
    }
}

/// Where the result of one group goes, and its length.
pub(super) type Target<T> = (Rc<Slot<T>>, usize);

impl Machine {
    /// The context for a task that executes the present instruction, and its number.
    pub(super) fn task(&mut self) -> (u64, u32, Step) {
        let (id, place) = (self.tasks, self.pc as u32 - 1);
        self.tasks += 1;
        (id, place, self.executor.step(id, place, self.control))
    }

    /// Spawns one task for several groups: joins their operands, calls the verb once, and deals the
    /// result out.
    fn spawn_joined<T: Vector + 'static>(
        &mut self,
        jobs: Vec<(Vec<Wanted>, Target<T>)>,
        verb: impl AsyncFn(&dyn Protocol, &Step, &[Operand]) -> Result<T> + 'static,
    ) {
        if jobs.is_empty() {
            return;
        }
        let (id, place, step) = self.task();
        let protocol = self.protocol.clone();
        self.executor.spawn(id, place, async move {
            let mut columns: Vec<Vec<Operand>> = jobs[0].0.iter().map(|_| vec![]).collect();
            let mut targets = vec![];
            for (operands, target) in jobs {
                for (column, wanted) in columns.iter_mut().zip(operands) {
                    column.push(wanted.wait().await);
                }
                targets.push(target);
            }
            let operands: Vec<Operand> = columns.into_iter().map(join).collect();
            let value = verb(&*protocol, &step, &operands).await?;
            let mut at = 0;
            for (slot, len) in &targets {
                slot.fill(if targets.len() == 1 {
                    value.clone()
                } else {
                    value.slice(at..at + len)
                });
                at += len;
            }
            debug_assert_eq!(at, value.len(), "a result has the length of its registers");
            Ok(())
        });
    }

    /// Splits groups into classes of equal parameters, in order of first appearance, and spawns one
    /// task for each class. Groups whose result is empty do nothing.
    pub(super) fn spawn<G, K: PartialEq + Copy + 'static, T: Vector + 'static>(
        &mut self,
        groups: &[G],
        key: impl Fn(&G) -> K,
        read: impl Fn(&Machine, &G) -> Result<Vec<Wanted>>,
        write: impl Fn(&mut Machine, &G) -> Result<Target<T>>,
        verb: impl AsyncFn(&dyn Protocol, &Step, &[Operand], K) -> Result<T> + Clone + 'static,
    ) -> Result<()> {
        // All reads of an instruction come before its writes.
        let operands: Vec<Vec<Wanted>> =
            groups.iter().map(|g| read(self, g)).collect::<Result<_>>()?;
        let mut classes: Vec<(K, Vec<(Vec<Wanted>, Target<T>)>)> = vec![];
        for (group, operands) in groups.iter().zip(operands) {
            let target = write(self, group)?;
            if target.1 == 0 {
                continue;
            }
            let key = key(group);
            match classes.iter_mut().find(|(k, _)| *k == key) {
                Some((_, jobs)) => jobs.push((operands, target)),
                None => classes.push((key, vec![(operands, target)])),
            }
        }
        for (key, jobs) in classes {
            let verb = verb.clone();
            let call = async move |p: &dyn Protocol, step: &Step, operands: &[Operand]| {
                verb(p, step, operands, key).await
            };
            self.spawn_joined(jobs, call);
        }
        Ok(())
    }

    /// Spawns one task for each group, for verbs whose groups cannot be joined.
    pub(super) fn spawn_each<G: Clone + 'static, T: Vector + 'static>(
        &mut self,
        groups: &[G],
        read: impl Fn(&Machine, &G) -> Result<Vec<Wanted>>,
        write: impl Fn(&mut Machine, &G) -> Result<Target<T>>,
        verb: impl AsyncFn(&dyn Protocol, &Step, &[Operand], &G) -> Result<T> + Clone + 'static,
    ) -> Result<()> {
        // All reads of an instruction come before its writes.
        let operands: Vec<Vec<Wanted>> =
            groups.iter().map(|g| read(self, g)).collect::<Result<_>>()?;
        for (group, operands) in groups.iter().zip(operands) {
            let target = write(self, group)?;
            if target.1 == 0 {
                continue;
            }
            let (verb, group) = (verb.clone(), group.clone());
            let call = async move |p: &dyn Protocol, step: &Step, operands: &[Operand]| {
                verb(p, step, operands, &group).await
            };
            self.spawn_joined(vec![(operands, target)], call);
        }
        Ok(())
    }
}

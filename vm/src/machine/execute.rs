//! What each instruction does: which verb of the protocol, on which registers.
//!
//! Groups of one instruction that agree in their parameters are joined into one call of the verb, so
//! that they share its messages.

mod clear;
mod control;
mod io;
mod secret;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use mpc_bytecode::{Group, execute};
use mpc_protocols::{Clear, ClearBits, Protocol, Shares};
use mpc_runtime::{Depth, Error, Result, Slot, Step};

use super::Machine;
pub(super) use super::bank::{Source, Vector};
use super::levels::HasDepth;

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

    /// Splits groups into classes of equal parameters whose operands are there after equally many
    /// rounds, in order of first appearance, and spawns one task for each class. Groups whose result
    /// is empty do nothing.
    pub(super) fn spawn<G, K: Hash + PartialEq + Copy + 'static, T: Vector + HasDepth + 'static>(
        &mut self,
        groups: &[G],
        key: impl Fn(&G) -> K,
        read: impl Fn(&Machine, &G) -> Result<Vec<Wanted>>,
        write: impl Fn(&mut Machine, &G, u32) -> Result<Target<T>>,
        verb: impl AsyncFn(&dyn Protocol, &Step, &[Operand], K) -> Result<T> + Clone + 'static,
    ) -> Result<()> {
        // All reads of an instruction come before its writes.
        let operands: Vec<Vec<Wanted>> =
            groups.iter().map(|g| read(self, g)).collect::<Result<_>>()?;
        let mut classes: Vec<((K, u32), Vec<(&G, Vec<Wanted>)>)> = vec![];
        for (group, operands) in groups.iter().zip(operands) {
            let key = (key(group), latest(&operands));
            match classes.iter_mut().find(|(k, _)| *k == key) {
                Some((_, jobs)) => jobs.push((group, operands)),
                None => classes.push((key, vec![(group, operands)])),
            }
        }
        for ((key, level), jobs) in classes {
            let verb = verb.clone();
            let call = async move |p: &dyn Protocol, step: &Step, operands: &[Operand]| {
                verb(p, step, operands, key).await
            };
            let rounds = self.rounds(hash(&key), jobs.iter().map(|(_, operands)| operands), &call);
            let mut tasks = vec![];
            for (group, operands) in jobs {
                let target = write(self, group, level + rounds)?;
                if target.1 > 0 {
                    tasks.push((operands, target));
                }
            }
            self.spawn_joined(tasks, call);
        }
        Ok(())
    }

    /// Spawns one task for each group, for verbs whose groups cannot be joined.
    pub(super) fn spawn_each<G: Group + Clone + 'static, T: Vector + HasDepth + 'static>(
        &mut self,
        groups: &[G],
        read: impl Fn(&Machine, &G) -> Result<Vec<Wanted>>,
        write: impl Fn(&mut Machine, &G, u32) -> Result<Target<T>>,
        verb: impl AsyncFn(&dyn Protocol, &Step, &[Operand], &G) -> Result<T> + Clone + 'static,
    ) -> Result<()> {
        // All reads of an instruction come before its writes.
        let operands: Vec<Vec<Wanted>> =
            groups.iter().map(|g| read(self, g)).collect::<Result<_>>()?;
        for (group, operands) in groups.iter().zip(operands) {
            let (verb, own) = (verb.clone(), group.clone());
            let call = async move |p: &dyn Protocol, step: &Step, operands: &[Operand]| {
                verb(p, step, operands, &own).await
            };
            let mut encoded = vec![];
            group.encode(&mut encoded);
            let rounds = self.rounds(hash(&encoded), std::iter::once(&operands), &call);
            let target = write(self, group, latest(&operands) + rounds)?;
            if target.1 > 0 {
                self.spawn_joined(vec![(operands, target)], call);
            }
        }
        Ok(())
    }

    /// Rounds of the present instruction on the joined operands of these groups.
    fn rounds<'a, T: HasDepth>(
        &mut self,
        parameters: u64,
        groups: impl Iterator<Item = &'a Vec<Wanted>> + Clone,
        call: &impl AsyncFn(&dyn Protocol, &Step, &[Operand]) -> Result<T>,
    ) -> u32 {
        let Some(first) = groups.clone().next() else { return 0 };
        let len = |i: usize| groups.clone().map(|operands| operands[i].len()).sum::<usize>();
        let operands: Vec<Operand> =
            first.iter().enumerate().map(|(i, w)| w.phantom(len(i))).collect();
        let opcode = self.program.code[self.pc - 1].opcode();
        let step = self.executor.step(u64::MAX, 0, Depth::ZERO);
        let longest = (0..first.len()).map(len).max().unwrap_or(0);
        self.levels.rounds((opcode, parameters, longest), step, operands, call)
    }
}

/// Rounds after which all operands are there.
fn latest(operands: &[Wanted]) -> u32 {
    operands.iter().map(Wanted::level).max().unwrap_or(0)
}

/// A name for parameters; equal at all parties that run the same program, and never sent.
fn hash(parameters: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parameters.hash(&mut hasher);
    hasher.finish()
}

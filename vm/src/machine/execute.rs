//! What each instruction does: which verb of the protocol, on which registers.
//!
//! Groups of one instruction that agree in their parameters are joined into one call of the verb, so
//! that they share its messages.

mod clear;
mod control;
mod fused;
mod io;
mod secret;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::rc::Rc;

use mpc_bytecode::{Group, Instruction, execute};
use mpc_protocols::{Clear, ClearBits, Protocol, Shares};
use mpc_runtime::{Depth, Error, Result, Slot, Step};

pub(super) use super::bank::{Source, Vector};
use super::levels::{Course, HasDepth};
use super::tiles::{Part, Tile, deal};
use super::{Absent, Machine};

/// Elements of a vector that is shared no earlier than some instructions ahead.
const LONG: usize = 1 << 14;

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
    /// Rows `rows` of the `of` rows that the operand has. One of length 1 that stands for more stays
    /// as it is.
    fn part(&self, rows: &Range<usize>, of: usize) -> Wanted {
        fn cut<T: Vector>(
            source: &Source<T>,
            len: usize,
            rows: &Range<usize>,
            of: usize,
        ) -> (Source<T>, usize) {
            let width = len / of;
            let range = rows.start * width..rows.end * width;
            let part = if source.len() == len { range.clone() } else { 0..source.len() };
            (source.part(part), range.len())
        }
        match self {
            Wanted::Secret(source, len) => {
                let (source, len) = cut(source, *len, rows, of);
                Wanted::Secret(source, len)
            }
            Wanted::Clear(source, len) => {
                let (source, len) = cut(source, *len, rows, of);
                Wanted::Clear(source, len)
            }
            Wanted::ClearBits(source, len) => {
                let (source, len) = cut(source, *len, rows, of);
                Wanted::ClearBits(source, len)
            }
        }
    }

    /// Bits of the operand, in the clear.
    fn bits(&self) -> usize {
        match self {
            Wanted::Secret(source, len) => source.element_bits() * len,
            Wanted::Clear(source, len) => source.element_bits() * len,
            Wanted::ClearBits(source, len) => source.element_bits() * len,
        }
    }

    /// Waits until the operand is there.
    async fn ready(&self) {
        match self {
            Wanted::Secret(source, _) => source.ready().await,
            Wanted::Clear(source, _) => source.ready().await,
            Wanted::ClearBits(source, _) => source.ready().await,
        }
    }

    /// The operand. If `alone`, one clear value goes on standing for all, as verbs take it.
    async fn wait(self, alone: bool) -> Operand {
        match self {
            Wanted::Secret(source, len) => Operand::Secret(fit(source.wait().await, len)),
            Wanted::Clear(source, _) if alone => Operand::Clear(source.wait().await),
            Wanted::Clear(source, len) => Operand::Clear(fit(source.wait().await, len)),
            Wanted::ClearBits(source, _) if alone => Operand::ClearBits(source.wait().await),
            Wanted::ClearBits(source, len) => Operand::ClearBits(fit(source.wait().await, len)),
        }
    }
}

/// Stretches a vector of length 1.
pub(super) trait Stretch: Vector {
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
    /// result out. If it is one of several tasks, `whole` elements are in all of them.
    fn spawn_joined<T: Vector + Stretch + 'static>(
        &mut self,
        jobs: Vec<(Vec<Wanted>, Target<T>)>,
        whole: usize,
        verb: impl AsyncFn(&dyn Protocol, &Step, &[Operand]) -> Result<T> + 'static,
    ) {
        if jobs.is_empty() {
            return;
        }
        let (id, place, step) = self.task();
        let step = step.tile_of(whole);
        self.barrier().into_iter().for_each(|barrier| step.set_barrier(barrier));
        let protocol = self.protocol.clone();
        let first = self.first_before(place, jobs.iter().map(|(_, (_, len))| len).sum());
        // Where nothing is waited for, it is done as early as it may be, as it is where much is.
        let at_once = first > 0 && matches!(self.absent, Absent::Replayed(_));
        self.executor.spawn_behind(id, place, first, async move {
            let alone = jobs.len() == 1;
            for wanted in jobs.iter().flat_map(|(operands, _)| operands) {
                wanted.ready().await;
            }
            if !at_once {
                step.turn().await;
            }
            let mut columns: Vec<Vec<Operand>> = jobs[0].0.iter().map(|_| vec![]).collect();
            let mut targets = vec![];
            for (operands, target) in jobs {
                for (column, wanted) in columns.iter_mut().zip(operands) {
                    column.push(wanted.wait(alone).await);
                }
                targets.push(target);
            }
            let operands: Vec<Operand> = columns.into_iter().map(join).collect();
            let value = verb(&*protocol, &step, &operands).await?;
            // One result, of one clear operand, stands for all too.
            let value = if alone { fit(value, targets[0].1) } else { value };
            let mut at = 0;
            for (slot, len) in &targets {
                slot.fill(value.slice(at..at + len).compact());
                at += len;
            }
            debug_assert_eq!(at, value.len(), "a result has the length of its registers");
            Ok(())
        });
    }

    /// The task before which all are to be over before a task begins that makes `len` elements: long vectors
    /// are not shared long before they are used, so that memory serves one after the other.
    fn first_before(&self, place: u32, len: usize) -> u64 {
        let shares = matches!(self.program.code[place as usize], Instruction::Share(_));
        if !shares || len < LONG || !self.in_step {
            return 0;
        }
        self.begun.front().copied().unwrap_or(0)
    }

    /// Splits groups into classes of equal parameters whose operands are there after equally many
    /// rounds, in order of first appearance, and spawns a task for each class, or for each tile of
    /// its rows. Groups whose result is empty do nothing.
    ///
    /// `rows` says of how many rows a group consists that do not depend on each other, all operands
    /// and the result alike; 1 if it must not be cut. `write` gets the part of the result to write.
    pub(super) fn spawn<
        G,
        K: Hash + PartialEq + Copy + 'static,
        T: Vector + Stretch + HasDepth + 'static,
    >(
        &mut self,
        groups: &[G],
        key: impl Fn(&G) -> K,
        rows: impl Fn(&G) -> usize,
        read: impl Fn(&Machine, &G) -> Result<Vec<Wanted>>,
        write: impl Fn(&mut Machine, &G, &Tile, u32) -> Result<Target<T>>,
        verb: impl AsyncFn(&dyn Protocol, &Step, &[Operand], K) -> Result<T> + Clone + 'static,
    ) -> Result<()> {
        self.spawn_in(self.tile_bits, groups, key, rows, read, write, verb)
    }

    /// As [`Machine::spawn`], with tiles of `tile_bits`.
    pub(super) fn spawn_in<
        G,
        K: Hash + PartialEq + Copy + 'static,
        T: Vector + Stretch + HasDepth + 'static,
    >(
        &mut self,
        tile_bits: usize,
        groups: &[G],
        key: impl Fn(&G) -> K,
        rows: impl Fn(&G) -> usize,
        read: impl Fn(&Machine, &G) -> Result<Vec<Wanted>>,
        write: impl Fn(&mut Machine, &G, &Tile, u32) -> Result<Target<T>>,
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
            let Course { rounds, waits } =
                self.course(hash(&key), jobs.iter().map(|(_, operands)| operands), &call);
            let bits = |operands: &[Wanted]| operands.iter().map(Wanted::bits).max().unwrap_or(0);
            let sizes = jobs.iter().map(|(group, operands)| (rows(group), bits(operands)));
            let dealt = deal(sizes, self.tile_bits, tile_bits);
            let whole = if dealt.len() > 1 { longest(jobs.iter().map(|(_, o)| o)) } else { 0 };
            for parts in dealt {
                if waits {
                    self.may_be_held();
                }
                let mut tasks = vec![];
                for Part { group, rows: part } in parts {
                    let (group, operands) = &jobs[group];
                    let tile = Tile { rows: part, of: rows(group) };
                    let target = write(self, group, &tile, level + rounds)?;
                    if target.1 > 0 {
                        self.count_unverified(target.1);
                        let cut = |w: &Wanted| w.part(&tile.rows, tile.of);
                        tasks.push((operands.iter().map(cut).collect(), target));
                    }
                }
                self.spawn_joined(tasks, whole, call.clone());
                self.drain_if_due()?;
            }
        }
        Ok(())
    }

    /// Spawns one task for each group, for verbs whose groups cannot be joined. Groups whose result is
    /// empty do nothing, not even count rounds: sizes beside a size of 0 are bounded by nothing.
    pub(super) fn spawn_each<
        G: Group + Clone + 'static,
        T: Vector + Stretch + HasDepth + 'static,
    >(
        &mut self,
        groups: &[G],
        read: impl Fn(&Machine, &G) -> Result<Vec<Wanted>>,
        write: impl Fn(&mut Machine, &G, u32) -> Result<Target<T>>,
        verb: impl AsyncFn(&dyn Protocol, &Step, &[Operand], &G) -> Result<T> + Clone + 'static,
    ) -> Result<()> {
        // All reads of an instruction come before its writes.
        let operands: Vec<Vec<Wanted>> =
            groups.iter().map(|g| read(self, g)).collect::<Result<_>>()?;
        for (group, operands) in groups.iter().zip(operands).filter(|(g, _)| has_result(*g)) {
            let (verb, own) = (verb.clone(), group.clone());
            let call = async move |p: &dyn Protocol, step: &Step, operands: &[Operand]| {
                verb(p, step, operands, &own).await
            };
            let mut encoded = vec![];
            group.encode(&mut encoded);
            self.spawn_one(
                &encoded,
                operands,
                |machine, level| write(machine, group, level),
                call,
            )?;
        }
        Ok(())
    }

    /// Spawns one task. Equal parameters, and equal lengths of operands, take equally many rounds.
    pub(super) fn spawn_one<T: Vector + Stretch + HasDepth + 'static>(
        &mut self,
        parameters: &impl Hash,
        operands: Vec<Wanted>,
        write: impl Fn(&mut Machine, u32) -> Result<Target<T>>,
        call: impl AsyncFn(&dyn Protocol, &Step, &[Operand]) -> Result<T> + 'static,
    ) -> Result<()> {
        let Course { rounds, waits } =
            self.course(hash(parameters), std::iter::once(&operands), &call);
        if waits {
            self.may_be_held();
        }
        let target = write(self, latest(&operands) + rounds)?;
        if target.1 > 0 {
            self.count_unverified(target.1);
            self.spawn_joined(vec![(operands, target)], 0, call);
            self.drain_if_due()?;
        }
        Ok(())
    }

    /// How the present instruction goes on the joined operands of these groups.
    fn course<'a, T: HasDepth>(
        &mut self,
        parameters: u64,
        groups: impl Iterator<Item = &'a Vec<Wanted>> + Clone,
        call: &impl AsyncFn(&dyn Protocol, &Step, &[Operand]) -> Result<T>,
    ) -> Course {
        let Some(first) = groups.clone().next() else { return Course::default() };
        let len = |i: usize| groups.clone().map(|operands| operands[i].len()).sum::<usize>();
        let operands: Vec<Operand> =
            first.iter().enumerate().map(|(i, w)| w.phantom(len(i))).collect();
        let opcode = self.program.code[self.pc - 1].opcode();
        let step = self.executor.step(u64::MAX, 0, Depth::ZERO).hypothetical();
        self.levels.course((opcode, parameters, longest(groups)), step, operands, call)
    }
}

/// Length of the longest operand of the joined groups.
fn longest<'a>(groups: impl Iterator<Item = &'a Vec<Wanted>> + Clone) -> usize {
    let operands = groups.clone().next().map_or(0, Vec::len);
    let len = |i: usize| groups.clone().map(|operands| operands[i].len()).sum();
    (0..operands).map(len).max().unwrap_or(0)
}

/// Whether a group writes at least one register.
fn has_result(group: &impl Group) -> bool {
    let mut any = false;
    group.accesses(&mut |access| any |= access.write && access.run.len > 0);
    any
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

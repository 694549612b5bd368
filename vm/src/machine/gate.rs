//! The way out of secrecy, for protocols that find cheats by checks.
//!
//! Releases that follow each other pass a gate together: what led to them is checked, then they are
//! opened, then the openings are checked, then the values are used. During a check nothing else is
//! under way, so that no party learns from an opening what helps it to pass the check. A verb that opens
//! a value within itself waits at the first door too; what it opened is checked with its result.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mpc_runtime::{Barrier, Depth, Result, Slot};

use super::Machine;

/// Results after which a check is due although nothing is released, so that what is unverified stays
/// bounded.
const MOST_UNVERIFIED: usize = 1 << 20;

/// Tasks that release something together.
const MOST_RELEASES: u64 = 1 << 8;

/// A gate of two doors.
pub(super) struct Gate {
    doors: [Slot<Depth>; 2],
    waiting: [Cell<usize>; 2],
    /// Number of the first task behind it.
    first: u64,
}

impl Gate {
    /// Waits until all that led here is verified; gives the depth of that knowledge.
    pub(super) async fn before_opening(&self) -> Depth {
        self.pass(0).await
    }

    /// Waits until what was opened is verified; gives the depth of that knowledge.
    pub(super) async fn after_opening(&self) -> Depth {
        self.pass(1).await
    }

    async fn pass(&self, door: usize) -> Depth {
        let _waiting = Waiting::new(&self.waiting[door]);
        *self.doors[door].wait().await
    }
}

/// One more waits, until this is dropped.
struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// What a machine has to do with checks.
#[derive(Default)]
pub(super) struct Checks {
    /// The gate of the releases just issued.
    gate: RefCell<Option<Rc<Gate>>>,
    /// Elements of results issued since the last check.
    unverified: Cell<usize>,
}

impl Machine {
    /// The gate of a release, if the protocol has checks.
    pub(super) fn gate(&self) -> Option<Rc<Gate>> {
        if !self.protocol.verifies() {
            return None;
        }
        let new = || {
            let doors = [self.executor.slot(), self.executor.slot()];
            Rc::new(Gate { doors, waiting: Default::default(), first: self.tasks })
        };
        Some(self.checks.gate.borrow_mut().get_or_insert_with(new).clone())
    }

    /// The gate before what a verb opens within itself, if the protocol has checks.
    pub(super) fn barrier(&self) -> Option<Barrier> {
        let gate = self.gate()?;
        Some(Rc::new(move || {
            let gate = gate.clone();
            Box::pin(async move { gate.before_opening().await })
        }))
    }

    /// Counts results that a check will be about.
    pub(super) fn count_unverified(&self, elements: usize) {
        self.checks.unverified.set(self.checks.unverified.get().saturating_add(elements));
    }

    /// Whether releases wait at a gate.
    pub(super) fn at_gate(&self) -> bool {
        self.checks.gate.borrow().is_some()
    }

    /// Whether as many releases wait at the gate as shall pass together. All parties count alike: when
    /// tasks end, which differs from party to party, must not decide when there is a check.
    pub(super) fn crowded(&self) -> bool {
        let gate = self.checks.gate.borrow();
        gate.as_ref().is_some_and(|gate| self.tasks - gate.first >= MOST_RELEASES)
    }

    /// Lets the releases that wait through the gate.
    pub(super) fn pass_gate(&mut self) -> Result<()> {
        let Some(gate) = self.checks.gate.take() else { return Ok(()) };
        for door in 0..2 {
            let all_wait = |gate: &Gate, pending: usize| pending == gate.waiting[door].get();
            self.drive(|executor| all_wait(&gate, executor.pending()))?;
            self.check(gate.waiting[door].get())?;
            gate.doors[door].fill(self.executor.deepest());
        }
        Ok(())
    }

    /// Checks if much is unverified.
    pub(super) fn check_if_due(&mut self) -> Result<()> {
        let due = self.checks.unverified.get() > MOST_UNVERIFIED && self.protocol.verifies();
        if !due || self.at_gate() {
            return Ok(());
        }
        self.drive(|executor| executor.pending() == 0)?;
        self.check(0)
    }

    /// Runs the check of the protocol while `others` tasks wait.
    fn check(&mut self, others: usize) -> Result<()> {
        self.checks.unverified.set(0);
        let (id, place) = (self.tasks, self.pc.saturating_sub(1) as u32);
        self.tasks += 1;
        let step = self.executor.step(id, place, self.executor.deepest());
        let protocol = self.protocol.clone();
        self.executor.spawn(id, place, async move { protocol.check(&step).await });
        self.drive(|executor| executor.pending() == others).map(drop)
    }
}

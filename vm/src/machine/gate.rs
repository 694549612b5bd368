//! The way out of secrecy, for protocols that find cheats by checks.
//!
//! Releases that follow each other pass a gate together: what led to them is checked, then they are
//! opened, then the openings are checked, then the values are used. During a check nothing else is
//! under way, so that no party learns from an opening what helps it to pass the check.
//!
//! A verb that opens within itself what no uniform mask hides waits at a barrier. When all that is under
//! way waits, for the barrier or for the results of those that wait there, there is a check, and they go
//! on; they may come back. What can go on without a check and what cannot is the same at all parties,
//! whatever arrives when; so are the places in the program where the machine lets it come to that.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mpc_bytecode::Instruction;
use mpc_runtime::{Barrier, Depth, Executor, Result, Slot};

use super::Machine;

/// Results after which a check is due although nothing is released, so that what is unverified stays
/// bounded.
const MOST_UNVERIFIED: usize = 1 << 20;

/// Tasks that release something together.
const MOST_RELEASES: u64 = 1 << 8;

/// Tasks, and elements of their results, that may be held up at the barrier together: what they have
/// stays in memory.
const MOST_HELD_TASKS: u64 = 1 << 12;
const MOST_HELD: usize = 1 << 16;

/// A gate of two doors.
pub(super) struct Gate {
    doors: [Slot<Depth>; 2],
    waiting: [Cell<usize>; 2],
    /// Number of the first task behind it.
    first: u64,
    /// Whether a party tells all what it knows; otherwise secrets are opened.
    tells: bool,
}

/// Whether an instruction lets values out of secrecy: `Some` of whether they are what one party knows.
fn tells(instruction: &Instruction) -> Option<bool> {
    match instruction {
        Instruction::Open(_) | Instruction::OpenBits(_) => Some(false),
        Instruction::OpenTo(_) | Instruction::OpenBitsTo(_) => Some(false),
        Instruction::Publish(_) | Instruction::PublishBits(_) => Some(true),
        _ => None,
    }
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

/// Where verbs wait for the next check.
struct Turnstile {
    /// Filled, and another put in its place, with each check.
    door: RefCell<Rc<Slot<Depth>>>,
    waiting: Cell<usize>,
}

/// What a machine has to do with checks.
pub(super) struct Checks {
    /// The gate of the releases just issued.
    gate: RefCell<Option<Rc<Gate>>>,
    /// Where verbs wait, if the protocol has checks.
    turnstile: Option<Rc<Turnstile>>,
    /// Elements of results issued since the last check.
    unverified: Cell<usize>,
    /// The first task issued that may wait at the barrier, since all were over.
    first_held: Cell<Option<u64>>,
    /// Elements of results issued since then.
    held: Cell<usize>,
}

impl Checks {
    /// Nothing is issued yet.
    pub(super) fn new(executor: &Executor, verifies: bool) -> Checks {
        let turnstile = || {
            let door = RefCell::new(Rc::new(executor.slot()));
            Rc::new(Turnstile { door, waiting: Cell::new(0) })
        };
        Checks {
            gate: RefCell::default(),
            turnstile: verifies.then(turnstile),
            unverified: Cell::new(0),
            first_held: Cell::new(None),
            held: Cell::new(0),
        }
    }

    /// Whether a verb waits at the barrier.
    fn holds(&self) -> bool {
        self.turnstile.as_ref().is_some_and(|turnstile| turnstile.waiting.get() > 0)
    }
}

impl Machine {
    /// The gate of a release, if the protocol has checks.
    pub(super) fn gate(&self) -> Option<Rc<Gate>> {
        if !self.protocol.verifies() {
            return None;
        }
        let new = || {
            let doors = [self.executor.slot(), self.executor.slot()];
            let tells = tells(&self.program.code[self.pc - 1]) == Some(true);
            Rc::new(Gate { doors, waiting: Default::default(), first: self.tasks, tells })
        };
        Some(self.checks.gate.borrow_mut().get_or_insert_with(new).clone())
    }

    /// What comes before what a verb opens within itself, if the protocol has checks.
    pub(super) fn barrier(&self) -> Option<Barrier> {
        let turnstile = self.checks.turnstile.clone()?;
        Some(Rc::new(move || {
            let (turnstile, door) = (turnstile.clone(), turnstile.door.borrow().clone());
            Box::pin(async move {
                let _waiting = Waiting::new(&turnstile.waiting);
                *door.wait().await
            })
        }))
    }

    /// Counts results that a check will be about.
    pub(super) fn count_unverified(&self, elements: usize) {
        let count = |cell: &Cell<usize>| cell.set(cell.get().saturating_add(elements));
        count(&self.checks.unverified);
        if self.checks.first_held.get().is_some() {
            count(&self.checks.held);
        }
    }

    /// The next task may wait at the barrier.
    pub(super) fn may_be_held(&self) {
        let first = self.checks.first_held.get().unwrap_or(self.tasks);
        self.checks.first_held.set(Some(first));
    }

    /// Whether nothing goes on before a check: tasks wait at the barrier, the others for them.
    pub(super) fn held_up(&self) -> bool {
        self.checks.holds() && !self.executor.awaits_messages()
    }

    /// Lets everything go on to its end, through as many checks as that takes.
    pub(super) fn drain(&mut self) -> Result<()> {
        self.drain_until(|executor| executor.pending() == 0)
    }

    /// As [`Machine::drain`], if so many tasks may be held up that those should end first. All parties
    /// count alike.
    pub(super) fn drain_if_due(&mut self) -> Result<()> {
        let Some(first) = self.checks.first_held.get() else { return Ok(()) };
        let many = self.tasks - first >= MOST_HELD_TASKS || self.checks.held.get() >= MOST_HELD;
        if many && !self.at_gate() { self.drain() } else { Ok(()) }
    }

    fn drain_until(&mut self, over: impl Fn(&Executor) -> bool) -> Result<()> {
        self.drive(&over)?;
        while !over(&self.executor) {
            self.pass_barrier()?;
            self.drive(&over)?;
        }
        self.checks.first_held.set(None);
        self.checks.held.set(0);
        Ok(())
    }

    /// Checks what led the tasks to the barrier, when all wait, and lets them on.
    fn pass_barrier(&mut self) -> Result<()> {
        let turnstile = self.checks.turnstile.clone().expect("somebody waits there");
        let next = Rc::new(self.executor.slot());
        let door = turnstile.door.replace(next);
        self.check()?;
        door.fill(self.executor.deepest());
        Ok(())
    }

    /// Whether an instruction goes through the gate with the releases that wait there. What a party tells
    /// all may have been opened to it just before, so these are not mixed.
    pub(super) fn joins_gate(&self, instruction: &Instruction) -> bool {
        self.checks.gate.borrow().as_ref().map(|gate| gate.tells) == tells(instruction)
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
            self.drain_until(|executor| executor.pending() == gate.waiting[door].get())?;
            self.check()?;
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
        self.drain()?;
        self.check()
    }

    /// Runs the check of the protocol while all tasks wait.
    pub(super) fn check(&mut self) -> Result<()> {
        self.checks.unverified.set(0);
        let others = self.executor.pending();
        let (id, place) = (self.tasks, self.pc.saturating_sub(1) as u32);
        self.tasks += 1;
        let step = self.executor.step(id, place, self.executor.deepest());
        let protocol = self.protocol.clone();
        self.executor.spawn(id, place, async move { protocol.check(&step).await });
        self.drive(|executor| executor.pending() == others).map(drop)
    }
}

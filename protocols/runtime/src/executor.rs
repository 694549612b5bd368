//! Runs steps: polls them in issue order, hands their messages on together, wakes them by arrival.
//!
//! One thread, no runtime. A task is a step of the program as a future. It is polled when it is
//! spawned, when a message that it waits for arrives, and when a [`Slot`] that it waits for is
//! filled. Between two waits, all tasks that can go on do so in the order of their numbers, and all
//! they send leaves in one flush.
//!
//! Long vectors are dealt out to many tasks. A task that something woke goes first, one that could
//! have started long ago ([`Step::turn`]) after it: so a tile is worked on through several
//! instructions while it is in the cache, and tiles on the wire are few if the peers keep pace.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::message::HEADER_BYTES;
use crate::transport::Frame;
use crate::{
    Depth, Error, Header, Label, Misbehaviour, Party, Payload, Phase, Preprocessing, Result, Stats,
    Step, Transport,
};

/// Number of a task, in issue order.
pub type TaskId = u64;

/// Bytes that a task queues before they are set moving while other tasks still run.
const FLUSH_BYTES: usize = 256 << 10;

/// Bytes of messages that one peer may send ahead of the steps they belong to, unless told otherwise.
pub const EARLY_BYTES: usize = 64 << 20;

/// Names a message at its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MessageKey {
    pub(crate) from: Party,
    pub(crate) step: u64,
    pub(crate) path: u64,
    pub(crate) op: u32,
    pub(crate) label: u16,
}

/// What tasks share: the transport, the messages that came, the list of tasks to wake.
pub(crate) struct Core {
    pub(crate) me: Party,
    pub(crate) parties: usize,
    transport: RefCell<Box<dyn Transport>>,
    arrived: RefCell<HashMap<MessageKey, Payload>>,
    /// By peer, what is in `arrived` without having been waited for.
    early_bytes: RefCell<Vec<usize>>,
    early_limit: Cell<usize>,
    waiting: RefCell<BTreeMap<MessageKey, TaskId>>,
    ready: RefCell<BTreeSet<TaskId>>,
    /// Tasks that are at their [`Step::turn`].
    queued: RefCell<BTreeSet<TaskId>>,
    current: Cell<TaskId>,
    /// Whether the current task runs for the first time.
    first: Cell<bool>,
    /// Bytes queued since the last flush.
    unsent: Cell<usize>,
    /// Nanoseconds since some start, if there is a clock.
    clock: Cell<Option<fn() -> u64>>,
    /// Phase of the work under way, and since when it has been.
    working: Cell<(Phase, u64)>,
    /// Deepest round that a verb has ended.
    deepest: Cell<Depth>,
    pub(crate) preprocessing: RefCell<Preprocessing>,
    stats: RefCell<Stats>,
}

impl Core {
    pub(crate) fn send(
        &self,
        to: Party,
        label: Label,
        place: u32,
        depth: Depth,
        header: &Header,
        payload: &[u8],
    ) -> Result<()> {
        self.stats.borrow_mut().sent(to, header.phase, label, place, depth, payload.len());
        self.unsent.set(self.unsent.get() + HEADER_BYTES + payload.len());
        self.transport.borrow_mut().send(to, header, payload)
    }

    /// Whether messages of that phase are neither sent nor awaited.
    pub(crate) fn refuses(&self, phase: Phase) -> bool {
        phase == Phase::Online && matches!(*self.preprocessing.borrow(), Preprocessing::Made(_))
    }

    /// A verb has ended a round.
    pub(crate) fn reached(&self, depth: Depth) {
        self.deepest.set(self.deepest.get().max(depth));
    }

    /// What is worked on from now on belongs to `phase`. Tasks call this where they begin a verb or
    /// go on with a message.
    pub(crate) fn enter(&self, phase: Phase) {
        let (before, since) = self.working.get();
        let Some(clock) = self.clock.get().filter(|_| before != phase) else { return };
        let now = clock();
        if before == Phase::Preprocessing {
            self.stats.borrow_mut().preprocessing_ns += now.saturating_sub(since);
        }
        self.working.set((phase, now));
    }

    /// Lets the current task go on when no task is ready, unless it has waited before.
    pub(crate) async fn turn(&self) {
        let mut yields = self.first.get();
        std::future::poll_fn(|_| {
            if !std::mem::take(&mut yields) {
                return Poll::Ready(());
            }
            self.queued.borrow_mut().insert(self.current.get());
            Poll::Pending
        })
        .await;
    }

    /// The next task to poll: one that something woke, or else the oldest that awaits its turn.
    fn next(&self) -> Option<TaskId> {
        let woken = self.ready.borrow_mut().pop_first();
        woken.or_else(|| self.queued.borrow_mut().pop_first())
    }

    /// Sets moving what is queued, if it is more than `bytes`; whether it was.
    fn flush_above(&self, bytes: usize) -> Result<bool> {
        let due = self.unsent.get() > bytes;
        if due {
            self.unsent.set(0);
            self.stats.borrow_mut().flushes += 1;
            self.transport.borrow_mut().flush()?;
        }
        Ok(due)
    }

    fn deliver(&self, frame: Frame) -> Result<()> {
        let Frame { from, header, payload } = frame;
        let stats = &mut *self.stats.borrow_mut();
        stats.received.entry((header.phase, from)).or_default().add(payload.len());
        let Header { step, path, op, label, .. } = header;
        let key = MessageKey { from, step, path, op, label };
        match self.waiting.borrow_mut().remove(&key) {
            Some(task) => _ = self.ready.borrow_mut().insert(task),
            None => {
                let early = &mut self.early_bytes.borrow_mut()[from];
                *early += HEADER_BYTES + payload.len();
                stats.early_bytes = stats.early_bytes.max(*early as u64);
                let allowed = self.early_limit.get();
                if *early > allowed {
                    let what = Misbehaviour::Flood { bytes: *early, allowed };
                    return Err(Error::Cheating { party: from, what });
                }
            }
        }
        match self.arrived.borrow_mut().insert(key, payload) {
            None => Ok(()),
            Some(_) => Err(duplicate(from)),
        }
    }
}

fn duplicate(from: Party) -> Error {
    Error::Cheating { party: from, what: Misbehaviour::Duplicate }
}

/// Waits for one message.
pub struct Receive {
    core: Rc<Core>,
    key: MessageKey,
    label: Label,
    phase: Phase,
    bytes: usize,
    waited: bool,
}

impl Receive {
    pub(crate) fn new(
        core: Rc<Core>,
        key: MessageKey,
        label: Label,
        phase: Phase,
        bytes: usize,
    ) -> Receive {
        Receive { core, key, label, phase, bytes, waited: false }
    }
}

impl Future for Receive {
    type Output = Result<Payload>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if self.core.refuses(self.phase) {
            return Poll::Ready(Err(Error::OnlinePhase));
        }
        let Some(payload) = self.core.arrived.borrow_mut().remove(&self.key) else {
            self.core.waiting.borrow_mut().insert(self.key, self.core.current.get());
            self.waited = true;
            return Poll::Pending;
        };
        self.core.enter(self.phase);
        let from = self.key.from;
        if !self.waited {
            self.core.early_bytes.borrow_mut()[from] -= HEADER_BYTES + payload.len();
        }
        if payload.len() != self.bytes {
            let (label, found, expected) = (self.label.0, payload.len(), self.bytes);
            let what = Misbehaviour::WrongLength { label, expected, found };
            return Poll::Ready(Err(Error::Cheating { party: from, what }));
        }
        Poll::Ready(Ok(payload))
    }
}

/// A value that one task gives and others wait for.
pub struct Slot<T> {
    value: OnceCell<T>,
    waiting: RefCell<Vec<TaskId>>,
    core: Rc<Core>,
}

impl<T> Slot<T> {
    /// Gives the value and wakes who waits for it.
    ///
    /// # Panics
    /// If it has been given before.
    pub fn fill(&self, value: T) {
        assert!(self.value.set(value).is_ok(), "a slot is filled once");
        self.core.ready.borrow_mut().extend(self.waiting.take());
    }

    /// The value, if it is there.
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// Waits for the value.
    pub async fn wait(&self) -> &T {
        std::future::poll_fn(|_| {
            if self.value.get().is_some() {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(self.core.current.get());
            Poll::Pending
        })
        .await;
        self.value.get().expect("woken when filled")
    }
}

struct Task {
    future: Pin<Box<dyn Future<Output = Result<()>>>>,
    /// Static number of the instruction.
    place: u32,
    begun: bool,
}

/// Runs the steps of one party.
pub struct Executor {
    core: Rc<Core>,
    tasks: BTreeMap<TaskId, Task>,
    /// Tasks that have not begun, and the task before which all are to be over first.
    behind: VecDeque<(TaskId, TaskId)>,
    /// One more than the number of the latest task.
    issued: TaskId,
    frames: Vec<Frame>,
}

impl Executor {
    /// An executor without tasks.
    pub fn new(transport: Box<dyn Transport>) -> Executor {
        let (me, parties) = (transport.me(), transport.parties());
        let core = Core {
            me,
            parties,
            transport: RefCell::new(transport),
            arrived: RefCell::default(),
            early_bytes: RefCell::new(vec![0; parties]),
            early_limit: Cell::new(EARLY_BYTES),
            waiting: RefCell::default(),
            ready: RefCell::default(),
            queued: RefCell::default(),
            current: Cell::new(0),
            first: Cell::new(false),
            unsent: Cell::new(0),
            clock: Cell::new(None),
            working: Cell::new((Phase::Online, 0)),
            deepest: Cell::new(Depth::ZERO),
            preprocessing: RefCell::default(),
            stats: RefCell::default(),
        };
        let (core, tasks) = (Rc::new(core), BTreeMap::new());
        Executor { core, tasks, behind: VecDeque::new(), issued: 0, frames: vec![] }
    }

    /// Sets how many bytes one peer may send ahead of the steps they belong to.
    pub fn set_early_limit(&mut self, bytes: usize) {
        self.core.early_limit.set(bytes);
    }

    /// Measures local work and waiting with a clock in nanoseconds.
    pub fn set_clock(&mut self, clock: fn() -> u64) {
        self.core.clock.set(Some(clock));
    }

    /// Says what this run does with preprocessing; before any step.
    pub fn set_preprocessing(&mut self, preprocessing: Preprocessing) {
        *self.core.preprocessing.borrow_mut() = preprocessing;
    }

    /// This party.
    pub fn me(&self) -> Party {
        self.core.me
    }

    /// Number of parties.
    pub fn parties(&self) -> usize {
        self.core.parties
    }

    /// The context of step `id` of the run, which executes instruction `place`; `base` is the depth
    /// of the clear values that decided that it runs at all.
    pub fn step(&self, id: u64, place: u32, base: Depth) -> Step {
        Step::new(self.core.clone(), id, place, base)
    }

    /// Depth of the deepest result so far. Where no task is under way it is equal at all parties.
    pub fn deepest(&self) -> Depth {
        self.core.deepest.get()
    }

    /// An empty slot.
    pub fn slot<T>(&self) -> Slot<T> {
        Slot { value: OnceCell::new(), waiting: RefCell::default(), core: self.core.clone() }
    }

    /// Adds a task; it first runs at the next [`Executor::run_ready`]. Numbers are used once and
    /// ascend in the same order at all parties.
    pub fn spawn(
        &mut self,
        id: TaskId,
        place: u32,
        task: impl Future<Output = Result<()>> + 'static,
    ) {
        self.spawn_behind(id, place, 0, task);
    }

    /// As [`Executor::spawn`], for a task that does not begin before all tasks below `first` are over. `first`
    /// is at most `id`, and never descends. No party waits for ever: of the tasks that are not over everywhere,
    /// the one with the lowest number is held up by none.
    pub fn spawn_behind(
        &mut self,
        id: TaskId,
        place: u32,
        first: TaskId,
        task: impl Future<Output = Result<()>> + 'static,
    ) {
        assert!(id >= self.issued, "task numbers ascend");
        assert!(first <= id, "a task is not behind itself");
        self.issued = id + 1;
        self.tasks.insert(id, Task { future: Box::pin(task), place, begun: false });
        if first == 0 {
            self.core.ready.borrow_mut().insert(id);
        } else {
            self.behind.push_back((id, first));
        }
    }

    /// A task that those before it held up and that may begin now.
    fn let_on(&mut self) -> Option<TaskId> {
        let &(id, first) = self.behind.front()?;
        let oldest = self.tasks.first_key_value().map_or(id, |(&oldest, _)| oldest);
        (oldest >= first).then(|| {
            self.behind.pop_front();
            id
        })
    }

    /// Tasks that are not over.
    pub fn pending(&self) -> usize {
        self.tasks.len()
    }

    /// Whether any task waits for a message.
    pub fn awaits_messages(&self) -> bool {
        !self.core.waiting.borrow().is_empty()
    }

    /// Polls every task that can go on, until none can; then sets all they sent moving.
    ///
    /// # Errors
    /// The error of a task, with the number of the instruction it executes.
    pub fn run_ready(&mut self) -> std::result::Result<(), (Option<u32>, Error)> {
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let Some(id) = self.let_on().or_else(|| self.core.next()) else {
                // A last message may have no answer to wait for: it must leave all the same.
                let left = self.core.flush_above(0).map(drop);
                return left.map_err(|error| (self.oldest_waiting(), error));
            };
            let Some(Task { future, place, begun }) = self.tasks.get_mut(&id) else { continue };
            let place = *place;
            self.core.current.set(id);
            self.core.first.set(!std::mem::replace(begun, true));
            let clock = self.core.clock.get();
            let start = clock.map(|clock| clock());
            self.core.working.set((Phase::Online, 0)); // what ran outside of tasks does not count
            let polled = future.as_mut().poll(&mut context);
            self.core.enter(Phase::Online);
            if let (Some(clock), Some(start)) = (clock, start) {
                let work = &mut self.core.stats.borrow_mut().work_ns;
                *work.entry(place).or_default() += clock().saturating_sub(start);
            }
            match polled {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => _ = self.tasks.remove(&id),
                Poll::Ready(Err(error)) => return Err((Some(place), error)),
            }
            if self.core.flush_above(FLUSH_BYTES).map_err(|error| (Some(place), error))? {
                self.progress()?;
            }
        }
    }

    /// Waits until at least one message has come.
    ///
    /// # Errors
    /// A peer is lost, late or misbehaves; with the number of the instruction that waits longest.
    ///
    /// # Panics
    /// If tasks are pending but none waits for a message: a task waits for itself.
    pub fn wait(&mut self) -> std::result::Result<(), (Option<u32>, Error)> {
        self.exchange(true).map_err(|error| (self.oldest_waiting(), error))
    }

    /// Takes in what has come, without waiting.
    ///
    /// # Errors
    /// As [`Executor::wait`].
    pub fn progress(&mut self) -> std::result::Result<(), (Option<u32>, Error)> {
        self.exchange(false).map_err(|error| (self.oldest_waiting(), error))
    }

    fn exchange(&mut self, wait: bool) -> Result<()> {
        let clock = self.core.clock.get();
        let start = clock.map(|clock| clock());
        let mut transport = self.core.transport.borrow_mut();
        let mut awaited = vec![];
        if wait {
            let from: BTreeSet<Party> =
                self.core.waiting.borrow().keys().map(|key| key.from).collect();
            assert!(!from.is_empty(), "all tasks wait, but none for a message");
            awaited.extend(from);
        }
        transport.receive(&mut self.frames, wait, &awaited)?;
        drop(transport);
        if let (Some(clock), Some(start)) = (clock, start) {
            self.core.stats.borrow_mut().waiting_ns += clock().saturating_sub(start);
        }
        let is_over = |step| step < self.issued && !self.tasks.contains_key(&step);
        self.frames.drain(..).try_for_each(|frame| {
            let over = is_over(frame.header.step);
            if over { Err(duplicate(frame.from)) } else { self.core.deliver(frame) }
        })
    }

    /// Makes sure that no message is left of tasks that are over.
    ///
    /// # Errors
    /// A peer has sent a message that nobody waited for.
    pub fn check_leftovers(&self) -> Result<()> {
        let arrived = self.core.arrived.borrow();
        let is_over =
            |key: &&MessageKey| key.step < self.issued && !self.tasks.contains_key(&key.step);
        match arrived.keys().filter(is_over).min() {
            None => Ok(()),
            Some(key) => Err(duplicate(key.from)),
        }
    }

    /// The instruction of the oldest task that waits for a message.
    pub fn oldest_waiting(&self) -> Option<u32> {
        let oldest = self.core.waiting.borrow().values().min().copied()?;
        self.tasks.get(&oldest).map(|task| task.place)
    }

    /// Runs all tasks to their end.
    ///
    /// # Errors
    /// As [`Executor::run_ready`] and [`Executor::wait`].
    pub fn finish(&mut self) -> std::result::Result<(), (Option<u32>, Error)> {
        self.run_ready()?;
        while self.pending() > 0 {
            self.wait()?;
            self.run_ready()?;
        }
        self.check_leftovers().map_err(|error| (None, error))
    }

    /// Moves out all that is queued and says goodbye to the peers.
    ///
    /// # Errors
    /// A peer is lost.
    pub fn close(&mut self) -> Result<()> {
        self.core.transport.borrow_mut().close()
    }

    /// What was sent so far.
    pub fn stats(&self) -> Stats {
        self.core.stats.borrow().clone()
    }
}

/// Runs futures of one task side by side and returns their results in order.
///
/// # Errors
/// The first error.
pub async fn join_all<'a, T>(
    futures: Vec<Pin<Box<dyn Future<Output = Result<T>> + 'a>>>,
) -> Result<Vec<T>> {
    let mut running: Vec<_> = futures.into_iter().map(Some).collect();
    let mut done: Vec<Option<T>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, result) in running.iter_mut().zip(&mut done) {
            let Some(active) = future else { continue };
            match active.as_mut().poll(context) {
                Poll::Pending => continue,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(value)) => *result = Some(value),
            }
            *future = None;
        }
        if running.iter().any(Option::is_some) {
            return Poll::Pending;
        }
        Poll::Ready(Ok(done.iter_mut().map(|r| r.take().expect("all are done")).collect()))
    })
    .await
}

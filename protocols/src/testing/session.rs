//! All parties of a protocol as threads, from one seed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use mpc_runtime::transport::Frame;
use mpc_runtime::{Depth, Executor, Header, Party, Result, Stats, Step, Transport, local};

use crate::ledger::{Account, Ledger};
use crate::protocol::{Build, Protocol, Seeds, Setup};

/// A piece of a program at one party.
pub type Task<T> = Pin<Box<dyn Future<Output = Result<T>>>>;

/// What one party got out of a run.
pub struct Outcome<T> {
    /// Results, by task.
    pub results: Vec<T>,
    /// What it sent.
    pub stats: Stats,
    /// Hashes of all frames it sent with their headers, sorted: frames of different tasks leave in any
    /// order.
    pub transcript: Vec<[u8; 32]>,
    /// Payloads it sent, by receiver and label, up to [`KEPT_BYTES`] of each.
    pub payloads: Payloads,
}

/// Bytes that are kept of what goes to one party under one label.
pub const KEPT_BYTES: usize = 1 << 16;

/// Payloads of a receiver and a label, one after the other.
pub type Payloads = BTreeMap<(Party, u16), Vec<u8>>;

/// Makes protocol objects for a setup.
#[derive(Clone)]
pub struct Session {
    /// The protocol.
    pub build: Build,
    /// What it is made for.
    pub setup: Setup,
    /// All randomness comes from here.
    pub seed: u64,
}

/// Seeds of party `me` of `n`.
pub fn seeds(seed: u64, me: Party, n: usize) -> Seeds {
    let derive = |a: usize, b: usize| {
        let mut hasher = blake3::Hasher::new_derive_key("mpc-protocols test seeds");
        for number in [seed, a as u64, b as u64] {
            hasher.update(&number.to_le_bytes());
        }
        *hasher.finalize().as_bytes()
    };
    let (session, own) = (derive(n, n), derive(me, me));
    Seeds { session, own, pair: (0..n).map(|peer| derive(me.min(peer), me.max(peer))).collect() }
}

impl Session {
    /// Runs `tasks` tasks at every party; outcomes by party.
    ///
    /// # Panics
    /// If the protocol cannot be made or a task fails.
    pub fn run<T: Send + 'static>(
        &self,
        tasks: usize,
        task: impl Fn(usize, Rc<dyn Protocol>, Step) -> Task<T> + Sync,
    ) -> Vec<Outcome<T>> {
        let n = self.setup.parties;
        local::run(n, |end| {
            let me = end.me();
            let protocol = (self.build)(&self.setup, me, &seeds(self.seed, me, n))
                .expect("the setup suits the protocol");
            let (frames, payloads) = (Rc::new(RefCell::new(vec![])), Rc::default());
            let recording = Recording { end, frames: frames.clone(), payloads };
            let payloads = recording.payloads.clone();
            let mut executor = Executor::new(Box::new(recording));
            // All tasks of a test begin at once.
            executor.set_early_limit(1 << 30);
            set_up(&mut executor, &protocol);
            executor.finish().expect("the setup succeeds");
            let results = spawn(&mut executor, tasks, &protocol, &task);
            executor.finish().unwrap_or_else(|(task, error)| panic!("task {task:?}: {error}"));
            verify(&mut executor, tasks, &protocol);
            executor.finish().expect("nobody cheats");
            let mut transcript = frames.take();
            transcript.sort_unstable();
            let results = results.take().into_iter().map(|r| r.expect("all are over")).collect();
            Outcome { results, stats: executor.stats(), transcript, payloads: payloads.take() }
        })
    }

    /// What the same tasks cost by the ledger.
    ///
    /// # Panics
    /// If the protocol cannot be made.
    pub fn account<T: 'static>(
        &self,
        tasks: usize,
        task: impl Fn(usize, Rc<dyn Protocol>, Step) -> Task<T>,
    ) -> Account {
        let n = self.setup.parties;
        let scheme = (self.build)(&self.setup, 0, &seeds(self.seed, 0, n))
            .expect("the setup suits the protocol");
        let ledger = Rc::new(Ledger::new(scheme, n));
        let protocol: Rc<dyn Protocol> = ledger.clone();
        let mut executor = Executor::new(Box::new(local::network(n, 1).remove(0)));
        set_up(&mut executor, &protocol);
        let results = spawn(&mut executor, tasks, &protocol, &task);
        executor.run_ready().expect("nothing can go wrong on phantoms");
        verify(&mut executor, tasks, &protocol);
        executor.run_ready().expect("nothing can go wrong on phantoms");
        assert!(results.borrow().iter().all(Option::is_some), "phantoms wait for nothing");
        ledger.account()
    }
}

fn set_up(executor: &mut Executor, protocol: &Rc<dyn Protocol>) {
    let (protocol, step) = (protocol.clone(), executor.step(0, 0, Depth::ZERO));
    executor.spawn(0, 0, async move { protocol.setup(&step.preprocessing()).await });
}

/// Checks everything after `tasks` tasks.
fn verify(executor: &mut Executor, tasks: usize, protocol: &Rc<dyn Protocol>) {
    if !protocol.verifies() {
        return;
    }
    let id = 1 + tasks as u64;
    let (protocol, step) = (protocol.clone(), executor.step(id, 0, executor.deepest()));
    executor.spawn(id, 0, async move { protocol.check(&step).await });
}

fn spawn<T: 'static>(
    executor: &mut Executor,
    tasks: usize,
    protocol: &Rc<dyn Protocol>,
    task: impl Fn(usize, Rc<dyn Protocol>, Step) -> Task<T>,
) -> Rc<RefCell<Vec<Option<T>>>> {
    let results = Rc::new(RefCell::new((0..tasks).map(|_| None).collect::<Vec<_>>()));
    for i in 0..tasks {
        let id = 1 + i as u64; // after the setup
        let step = executor.step(id, i as u32, Depth::ZERO);
        let (future, out) = (task(i, protocol.clone(), step), results.clone());
        executor.spawn(id, i as u32, async move {
            let result = future.await?;
            out.borrow_mut()[i] = Some(result);
            Ok(())
        });
    }
    results
}

/// A transport that keeps what is sent.
struct Recording {
    end: local::Local,
    frames: Rc<RefCell<Vec<[u8; 32]>>>,
    payloads: Rc<RefCell<Payloads>>,
}

impl Transport for Recording {
    fn me(&self) -> Party {
        self.end.me()
    }

    fn parties(&self) -> usize {
        self.end.parties()
    }

    fn send(&mut self, to: Party, header: &Header, payload: &[u8]) -> Result<()> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(to as u64).to_le_bytes()).update(&header.encode()).update(payload);
        self.frames.borrow_mut().push(*hasher.finalize().as_bytes());
        let mut payloads = self.payloads.borrow_mut();
        let kept = payloads.entry((to, header.label)).or_default();
        let room = KEPT_BYTES - kept.len();
        kept.extend_from_slice(&payload[..payload.len().min(room)]);
        self.end.send(to, header, payload)
    }

    fn flush(&mut self) -> Result<()> {
        self.end.flush()
    }

    fn receive(&mut self, into: &mut Vec<Frame>, wait: bool, awaited: &[Party]) -> Result<()> {
        self.end.receive(into, wait, awaited)
    }

    fn close(&mut self) -> Result<()> {
        self.end.close()
    }
}

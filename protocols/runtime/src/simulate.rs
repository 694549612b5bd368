//! Parties on a simulated network: seeded delays, reordering, lost links and killed parties, in
//! virtual time.
//!
//! Each party is a thread, but frames move only when no party can go on: then the scheduler steps to
//! the next event in virtual time. What a party sees thus depends on the seed and on nothing else,
//! and a seed that fails fails again. Links keep their frames in order; across links anything may
//! overtake anything. Nothing waits for a clock: if all parties wait and nothing is under way, the
//! deadline that comes first has passed at once.
//!
//! ```
//! use mpc_runtime::{Transport, simulate::Network};
//! let network = Network::new(3, 42).kill(2, 10); // seed 42; party 2 dies at its 11th frame
//! let outcome = network.run(|end| end.me());
//! assert_eq!(outcome.results, [0, 1, 2]);
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::transport::Frame;
use crate::{Error, Header, Party, Result, Transport};

/// Virtual microseconds since the start.
pub type Micros = u64;

/// Longest delay of a frame is a power of two up to this one, by the seed.
const MAX_DELAY_LOG: u64 = 12;
/// Party that hears nothing for so long gives up.
const TIMEOUT_S: u64 = 60;

/// A network yet to run.
#[derive(Clone, Debug)]
pub struct Network {
    parties: usize,
    seed: u64,
    /// Frames on a link from this one on are lost.
    drops: BTreeMap<(Party, Party), u64>,
    /// A party dies when it sends this frame.
    kills: BTreeMap<Party, u64>,
}

/// A frame that reached its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When.
    pub time: Micros,
    /// Sender.
    pub from: Party,
    /// Receiver.
    pub to: Party,
    /// Header of the frame.
    pub header: Header,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome<T> {
    /// Results by party.
    pub results: Vec<T>,
    /// All deliveries in order. Equal for equal seeds and programs.
    pub trace: Vec<Delivery>,
    /// Virtual time at the end.
    pub time: Micros,
}

impl Network {
    /// `parties` parties whose frames are delayed as `seed` says.
    pub fn new(parties: usize, seed: u64) -> Network {
        Network { parties, seed, drops: BTreeMap::new(), kills: BTreeMap::new() }
    }

    /// Loses all frames from `from` to `to` after the first `frames`. Neither end notices.
    #[must_use]
    pub fn drop_link(mut self, from: Party, to: Party, frames: u64) -> Network {
        self.drops.insert((from, to), frames);
        self
    }

    /// Kills `party` when it has sent `frames` frames and tries to send another.
    #[must_use]
    pub fn kill(mut self, party: Party, frames: u64) -> Network {
        self.kills.insert(party, frames);
        self
    }

    /// Runs `party(end)` for each party on a thread of its own.
    ///
    /// # Panics
    /// If a party panics.
    pub fn run<T: Send>(&self, party: impl Fn(Simulated) -> T + Sync) -> Outcome<T> {
        let shared = Arc::new(Shared::new(self.clone()));
        let results = std::thread::scope(|scope| {
            let (party, shared) = (&party, &shared);
            let spawn = |me| {
                let thread = std::thread::Builder::new().stack_size(16 << 20);
                let work = move || {
                    let _leave = Leave { me, shared }; // even if the end is leaked
                    party(Simulated { me, shared: shared.clone() })
                };
                thread.spawn_scoped(scope, work).expect("threads can be made")
            };
            let threads: Vec<_> = (0..self.parties).map(spawn).collect();
            let join = |t: std::thread::ScopedJoinHandle<'_, T>| {
                t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect()
        });
        let mut world = shared.lock();
        Outcome { results, trace: std::mem::take(&mut world.trace), time: world.now }
    }

    /// Delay of a frame: up to a bound that is part of the seed, so that some networks are in step and
    /// some in disorder.
    fn delay(&self, from: Party, to: Party, number: u64) -> Micros {
        let bound = 1 << (mix(self.seed) % (MAX_DELAY_LOG + 1));
        let name = ((from as u64) << 48 | (to as u64) << 32).wrapping_add(number);
        1 + mix(self.seed ^ mix(name)) % bound
    }

    fn longest_delay(&self) -> Micros {
        1 << MAX_DELAY_LOG
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
const fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What travels on a link.
enum Parcel {
    Frame(Header, Vec<u8>),
    Goodbye,
    Broken,
}

/// What a party knows of a peer's end.
#[derive(Clone, Copy, PartialEq)]
enum Peer {
    Here,
    SaidGoodbye,
    Lost,
}

/// One party as the scheduler sees it.
struct Node {
    /// On its way out: `Some` when it has left or died.
    gone: bool,
    killed: bool,
    sent: u64,
    inbox: Vec<(Party, Header, Vec<u8>)>,
    peers: Vec<Peer>,
    /// When it began to wait, and for whom; `None` while it runs.
    waits: Option<(Micros, Vec<Party>)>,
    timed_out: bool,
}

struct World {
    now: Micros,
    nodes: Vec<Node>,
    /// By arrival, link, and number on the link: an order that no thread has a part in.
    under_way: BTreeMap<(Micros, Party, Party, u64), Parcel>,
    /// By link: frames sent, and arrival of the last.
    links: BTreeMap<(Party, Party), (u64, Micros)>,
    trace: Vec<Delivery>,
}

struct Shared {
    network: Network,
    world: Mutex<World>,
    woken: Condvar,
}

impl Shared {
    fn new(network: Network) -> Shared {
        let n = network.parties;
        let node = |_| Node {
            gone: false,
            killed: false,
            sent: 0,
            inbox: vec![],
            peers: vec![Peer::Here; n],
            waits: None,
            timed_out: false,
        };
        let world = World {
            now: 0,
            nodes: (0..n).map(node).collect(),
            under_way: BTreeMap::new(),
            links: BTreeMap::new(),
            trace: vec![],
        };
        Shared { network, world: Mutex::new(world), woken: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        // a party that panicked has left nothing half done: no call into the world unwinds
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a parcel on a link. Nothing arrives at the instant at which it leaves.
    fn post(&self, world: &mut World, from: Party, to: Party, parcel: Parcel) {
        let (number, last) = world.links.get(&(from, to)).copied().unwrap_or_default();
        let delay = match parcel {
            Parcel::Frame(..) => self.network.delay(from, to, number),
            // After every frame, and equally late everywhere: who hears of a death hears of it before
            // anybody else can have died of it.
            Parcel::Goodbye | Parcel::Broken => self.network.longest_delay(),
        };
        let arrival = last.max(world.now + delay);
        world.links.insert((from, to), (number + 1, arrival));
        let lost = self.network.drops.get(&(from, to)).is_some_and(|&frames| number >= frames);
        if !lost || matches!(parcel, Parcel::Goodbye | Parcel::Broken) {
            world.under_way.insert((arrival, from, to, number), parcel);
        }
    }

    /// Takes a party out of the run, in order or not. Once.
    fn leave(&self, world: &mut World, me: Party, parcel: fn() -> Parcel) {
        if std::mem::replace(&mut world.nodes[me].gone, true) {
            return;
        }
        for to in (0..self.network.parties).filter(|&p| p != me) {
            self.post(world, me, to, parcel());
        }
        self.advance(world);
    }

    /// Steps through events as long as nobody can go on.
    fn advance(&self, world: &mut World) {
        while world.nodes.iter().any(|n| !n.gone) && world.all_wait() {
            let next = world.under_way.first_key_value().map(|(key, _)| key.0);
            let deadline = world.first_deadline();
            match (next, deadline) {
                (Some(next), deadline) if deadline.is_none_or(|(time, _)| next <= time) => {
                    world.now = next;
                    world.deliver();
                }
                (_, Some((time, party))) => {
                    world.now = time;
                    world.nodes[party].timed_out = true;
                }
                (_, None) => unreachable!("who waits has a deadline"),
            }
        }
        self.woken.notify_all();
    }
}

impl World {
    fn all_wait(&self) -> bool {
        self.nodes.iter().all(|node| node.gone || !node.can_go_on())
    }

    fn first_deadline(&self) -> Option<(Micros, Party)> {
        let deadline = |(party, node): (Party, &Node)| {
            let since = node.waits.as_ref().filter(|_| !node.gone)?.0;
            Some((since + TIMEOUT_S * 1_000_000, party))
        };
        self.nodes.iter().enumerate().filter_map(deadline).min()
    }

    /// Delivers everything that arrives now.
    fn deliver(&mut self) {
        while let Some(entry) = self.under_way.first_entry().filter(|e| e.key().0 == self.now) {
            let ((time, from, to, _), parcel) = entry.remove_entry();
            let node = &mut self.nodes[to];
            match parcel {
                Parcel::Frame(..) if node.gone => {}
                Parcel::Frame(header, payload) => {
                    self.trace.push(Delivery { time, from, to, header });
                    node.inbox.push((from, header, payload));
                }
                Parcel::Goodbye => node.peers[from] = Peer::SaidGoodbye,
                Parcel::Broken => node.peers[from] = Peer::Lost,
            }
        }
    }
}

impl Node {
    /// Whether it runs, or has something to wake up for.
    fn can_go_on(&self) -> bool {
        let Some((_, awaited)) = &self.waits else { return true };
        self.timed_out || !self.inbox.is_empty() || self.missing(awaited).is_some()
    }

    /// A peer without which there is no going on: one whose end broke, or one that is awaited and has
    /// said goodbye.
    fn missing(&self, awaited: &[Party]) -> Option<Party> {
        let broken = self.peers.iter().position(|&peer| peer == Peer::Lost);
        broken.or_else(|| awaited.iter().copied().find(|&p| self.peers[p] == Peer::SaidGoodbye))
    }

    fn lost(&self, party: Party) -> Error {
        let reason = match self.peers[party] {
            Peer::SaidGoodbye => "it has ended its run",
            Peer::Here | Peer::Lost => "its connection ended without a goodbye",
        };
        Error::PeerLost { party, reason: reason.into() }
    }
}

/// Takes a party out of the run when its thread ends in whatever way.
struct Leave<'a> {
    me: Party,
    shared: &'a Shared,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.shared.leave(&mut self.shared.lock(), self.me, || Parcel::Broken);
    }
}

/// One party's end of the simulated network. Dropped without [`Transport::close`], its peers see a
/// broken connection.
pub struct Simulated {
    me: Party,
    shared: Arc<Shared>,
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.shared.leave(&mut self.shared.lock(), self.me, || Parcel::Broken);
    }
}

fn killed() -> Error {
    Error::Transport("killed by the simulation".into())
}

impl Transport for Simulated {
    fn me(&self) -> Party {
        self.me
    }

    fn parties(&self) -> usize {
        self.shared.network.parties
    }

    fn send(&mut self, to: Party, header: &Header, payload: &[u8]) -> Result<()> {
        let world = &mut *self.shared.lock();
        let node = &mut world.nodes[self.me];
        if self.shared.network.kills.get(&self.me) == Some(&node.sent) {
            node.killed = true;
            self.shared.leave(world, self.me, || Parcel::Broken);
            return Err(killed());
        }
        node.sent += 1;
        if node.peers[to] != Peer::Here {
            return Err(node.lost(to));
        }
        self.shared.post(world, self.me, to, Parcel::Frame(*header, payload.to_vec()));
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn receive(&mut self, into: &mut Vec<Frame>, wait: bool, awaited: &[Party]) -> Result<()> {
        let mut guard = self.shared.lock();
        loop {
            let world = &mut *guard;
            let node = &mut world.nodes[self.me];
            if node.killed {
                return Err(killed());
            }
            if !node.inbox.is_empty() {
                node.waits = None;
                let letters = node.inbox.drain(..);
                into.extend(
                    letters.map(|(from, header, bytes)| Frame::copied(from, header, &bytes)),
                );
                return Ok(());
            }
            if let Some(party) = node.missing(if wait { awaited } else { &[] }) {
                node.waits = None;
                return Err(node.lost(party));
            }
            if !wait {
                return Ok(());
            }
            if node.timed_out {
                (node.waits, node.timed_out) = (None, false);
                let party = awaited.first().copied().unwrap_or(self.me);
                return Err(Error::Timeout { party, seconds: TIMEOUT_S });
            }
            if node.waits.is_none() {
                node.waits = Some((world.now, awaited.to_vec()));
                self.shared.advance(world);
                continue;
            }
            guard = self.shared.woken.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn close(&mut self) -> Result<()> {
        let world = &mut *self.shared.lock();
        if world.nodes[self.me].killed {
            return Err(killed());
        }
        self.shared.leave(world, self.me, || Parcel::Goodbye);
        Ok(())
    }
}

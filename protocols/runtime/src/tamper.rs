//! A party that cheats: a transport that alters outgoing frames.
//!
//! The frame to alter is chosen by the label of its message and by its number among the messages of
//! that label that the party sends; how it is altered is one line of [`MUTATORS`]. Headers stay
//! consistent with their payloads, so that what is tested is the protocol and not the parser of
//! frames. A test runs a program once with [`Tamper::observe`] to learn which messages there are, and
//! then once for each message and mutator.
//!
//! A transport knows no elements. What is altered "in each word" is every 8 bytes as a little-endian
//! number, and what is left over at the end as one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::transport::Frame;
use crate::{Header, Label, Party, Result, Transport};

/// A way to alter a message.
#[derive(Clone, Copy)]
pub struct Mutator {
    /// Its name, for reports.
    pub name: &'static str,
    /// Alters the frames that leave in place of one, given what was sent before.
    act: Act,
}

/// Alters a payload; draws come from the number.
type Alter = fn(&mut Vec<u8>, u64);

#[derive(Clone, Copy)]
enum Act {
    /// Alters the payload of one frame, to one receiver.
    Payload(Alter),
    /// Alters the payloads of all frames of a call in the same way: nobody is told anything else.
    Call(Alter),
    /// Alters the payloads of this frame and of all later ones of the label.
    Onward(Alter),
    /// The frame leaves that many times.
    Copies(usize),
    /// The payload is exchanged with that of the next message of the label.
    Swap,
    /// The payload is that of the message of the label before.
    Replay,
    /// The payload is that of the last message of the label that came from the receiver.
    Reflect,
    /// Waits for what a peer sends in the same call, and sends that.
    Copy,
    /// From here on nothing leaves.
    Silence,
    /// The frame leaves under the name of the call that comes next.
    Misname,
}

/// All mutators.
pub const MUTATORS: &[Mutator] = &[
    mutator("flip the first bit", Act::Payload(|p, _| flip(p, |_| 0, 1))),
    mutator("flip a bit in the middle", Act::Payload(|p, _| flip(p, |n| n / 2, 1))),
    mutator("flip the last bit", Act::Payload(|p, _| flip(p, |n| n.saturating_sub(1), 0x80))),
    mutator("flip some bit", Act::Payload(|p, seed| flip_some(p, seed))),
    mutator("add one", Act::Payload(|p, _| add_one(p))),
    mutator("add one in each word", Act::Payload(|p, _| words(p, |_, w| w.wrapping_add(1)))),
    mutator("subtract one in each word", Act::Payload(|p, _| words(p, |_, w| w.wrapping_sub(1)))),
    mutator("double each word", Act::Payload(|p, _| words(p, |_, w| w.wrapping_mul(2)))),
    mutator("negate each word", Act::Payload(|p, _| words(p, |_, w| w.wrapping_neg()))),
    mutator("flip the top bit of each word", Act::Payload(|p, _| words(p, |_, w| w ^ 1 << 63))),
    mutator("a random first word", Act::Payload(|p, seed| random_first(p, seed))),
    mutator("random words", Act::Payload(|p, seed| random(p, seed))),
    mutator("the prime 2^61 - 1 in each word", Act::Payload(|p, _| words(p, |_, _| (1 << 61) - 1))),
    mutator("the prime 2^127 - 1 in two words", Act::Payload(|p, _| words(p, wide_prime))),
    mutator("swap the halves", Act::Payload(|p, _| swap_halves(p))),
    mutator("swap the first two words", Act::Payload(|p, _| swap_words(p))),
    mutator("zero", Act::Payload(|p, _| p.fill(0))),
    mutator("one in each word", Act::Payload(|p, _| words(p, |_, _| 1))),
    mutator("all ones", Act::Payload(|p, _| p.fill(0xff))),
    mutator("truncate by a byte", Act::Payload(|p, _| _ = p.pop())),
    mutator("truncate by a word", Act::Payload(|p, _| p.truncate(p.len().saturating_sub(8)))),
    mutator("extend by a byte", Act::Payload(|p, _| p.push(0))),
    mutator("extend by a word", Act::Payload(|p, _| p.extend([0; 8]))),
    mutator("empty", Act::Payload(|p, _| p.clear())),
    mutator("duplicate", Act::Copies(2)),
    mutator("drop, then continue", Act::Copies(0)),
    mutator("swap with the next", Act::Swap),
    mutator("replay the previous", Act::Replay),
    mutator("reflect what the receiver sent", Act::Reflect),
    mutator("copy what a peer sent", Act::Copy),
    mutator("under the name of the next call", Act::Misname),
    mutator("fall silent", Act::Silence),
    mutator("to all: flip the first bit", Act::Call(|p, _| flip(p, |_| 0, 1))),
    mutator("to all: flip the last bit", Act::Call(|p, _| flip(p, |n| n.saturating_sub(1), 0x80))),
    mutator("to all: add one in each word", Act::Call(|p, _| words(p, |_, w| w.wrapping_add(1)))),
    mutator("to all: double each word", Act::Call(|p, _| words(p, |_, w| w.wrapping_mul(2)))),
    mutator("to all: zero", Act::Call(|p, _| p.fill(0))),
    mutator("to all: random words", Act::Call(|p, seed| random(p, seed))),
    mutator("onward: flip the first bit", Act::Onward(|p, _| flip(p, |_| 0, 1))),
    mutator("onward: add one in each word", Act::Onward(|p, _| words(p, |_, w| w.wrapping_add(1)))),
    mutator("onward: random words", Act::Onward(|p, seed| random(p, seed))),
    mutator("onward: zero", Act::Onward(|p, _| p.fill(0))),
];

const fn mutator(name: &'static str, act: Act) -> Mutator {
    Mutator { name, act }
}

impl Mutator {
    /// The mutator of that name.
    pub fn named(name: &str) -> Option<Mutator> {
        MUTATORS.iter().find(|mutator| mutator.name == name).copied()
    }
}

fn flip(payload: &mut [u8], place: fn(usize) -> usize, bit: u8) {
    let at = place(payload.len());
    if let Some(byte) = payload.get_mut(at) {
        *byte ^= bit;
    }
}

fn flip_some(payload: &mut [u8], seed: u64) {
    let at = mix(seed) % (8 * payload.len() as u64).max(1);
    if let Some(byte) = payload.get_mut(at as usize / 8) {
        *byte ^= 1 << (at % 8);
    }
}

/// Adds one to the payload as one little-endian number.
fn add_one(payload: &mut [u8]) {
    for byte in payload {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return;
        }
    }
}

/// Replaces each word by what `f` makes of its number and itself.
fn words(payload: &mut [u8], f: impl Fn(u64, u64) -> u64) {
    for (number, bytes) in payload.chunks_mut(8).enumerate() {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        let new = f(number as u64, u64::from_le_bytes(word)).to_le_bytes();
        bytes.copy_from_slice(&new[..bytes.len()]);
    }
}

fn wide_prime(number: u64, _: u64) -> u64 {
    u64::MAX >> (number % 2)
}

fn random(payload: &mut [u8], seed: u64) {
    words(payload, |number, _| mix(seed ^ mix(number)));
}

fn random_first(payload: &mut [u8], seed: u64) {
    let first = payload.len().min(8);
    words(&mut payload[..first], |_, _| mix(seed));
}

fn swap_halves(payload: &mut [u8]) {
    let half = payload.len() / 2;
    payload.rotate_left(half);
}

fn swap_words(payload: &mut [u8]) {
    if let Some((first, second)) = payload.get_mut(..16).and_then(|p| p.split_at_mut_checked(8)) {
        first.swap_with_slice(second);
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Which message is altered, and how.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Label of the message.
    pub label: Label,
    /// Its number among the messages of the label from this party, from 0. Where all messages of a
    /// call are altered: of the call that has it.
    pub occurrence: u64,
    /// How it is altered.
    pub mutator: Mutator,
}

impl Plan {
    /// What random alterations are drawn from.
    fn seed(&self) -> u64 {
        u64::from(self.label.id()) << 32 ^ self.occurrence
    }
}

/// What the injector saw and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages by [`Label::id`].
    pub seen: BTreeMap<u16, u64>,
    /// Whether what left differs from what an honest party sends. Not every mutator changes every
    /// message: a zero stays zero.
    pub applied: bool,
}

/// Where an injector reports, also when its party is no more.
pub type Log = Arc<Mutex<Report>>;

/// A frame that is held back.
struct Held {
    to: Party,
    header: Header,
    payload: Vec<u8>,
}

/// A transport that alters what it sends.
pub struct Tamper<T> {
    inner: T,
    plan: Option<Plan>,
    log: Log,
    /// Last payload of the label.
    previous: Option<Vec<u8>>,
    /// Last message of the label from each peer.
    came: BTreeMap<Party, (Call, Vec<u8>)>,
    /// A frame that waits for the next of its label, to exchange payloads.
    held: Option<Held>,
    /// Frames that wait for one of a peer in the same call.
    rushing: Vec<Held>,
    /// Call of the last message of the label.
    last: Option<Call>,
    /// Call that is altered.
    target: Option<Call>,
    silent: bool,
}

/// Step, fork and verb.
type Call = (u64, u64, u32);

fn call(header: &Header) -> Call {
    (header.step, header.path, header.op)
}

impl<T: Transport> Tamper<T> {
    /// Cheats once, as planned.
    pub fn new(inner: T, plan: Plan) -> (Tamper<T>, Log) {
        Tamper::build(inner, Some(plan))
    }

    /// Sends everything as it is and counts messages.
    pub fn observe(inner: T) -> (Tamper<T>, Log) {
        Tamper::build(inner, None)
    }

    fn build(inner: T, plan: Option<Plan>) -> (Tamper<T>, Log) {
        let log = Log::default();
        let tamper = Tamper {
            inner,
            plan,
            log: log.clone(),
            previous: None,
            came: BTreeMap::new(),
            held: None,
            rushing: vec![],
            last: None,
            target: None,
            silent: false,
        };
        (tamper, log)
    }

    /// Number of this message within its label.
    fn count(&self, label: u16) -> u64 {
        let mut report = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = report.seen.entry(label).or_default();
        *seen += 1;
        *seen - 1
    }

    fn note(&self, changed: bool) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).applied |= changed;
    }

    fn put(&mut self, to: Party, header: &Header, payload: &[u8]) -> Result<()> {
        if self.silent {
            return Ok(());
        }
        let length = u32::try_from(payload.len()).expect("a few bytes more than a frame holds");
        self.inner.send(to, &Header { length, ..*header }, payload)
    }

    /// Sends `altered` in place of `payload`.
    fn replace(
        &mut self,
        to: Party,
        header: &Header,
        payload: &[u8],
        altered: &[u8],
    ) -> Result<()> {
        self.note(altered != payload);
        self.put(to, header, altered)
    }

    /// Whether message `number` of the label is to be altered.
    fn is_target(&mut self, plan: &Plan, number: u64, header: &Header) -> bool {
        let call = call(header);
        let begins = self.last.replace(call) != Some(call);
        let within = self.target == Some(call);
        // a call has at most one message for each peer
        let near = number + self.inner.parties() as u64 > plan.occurrence + 1;
        let hit = match plan.mutator.act {
            Act::Call(_) | Act::Copy => within || self.target.is_none() && begins && near,
            Act::Onward(_) => self.target.is_some() || number == plan.occurrence,
            _ => number == plan.occurrence,
        };
        if hit && self.target.is_none() {
            self.target = Some(call);
        }
        hit
    }

    /// Sends a frame that is the target of the plan.
    fn cheat(&mut self, plan: &Plan, to: Party, header: &Header, payload: &[u8]) -> Result<()> {
        match plan.mutator.act {
            Act::Payload(alter) | Act::Call(alter) | Act::Onward(alter) => {
                let mut altered = payload.to_vec();
                alter(&mut altered, plan.seed());
                self.replace(to, header, payload, &altered)
            }
            Act::Copies(copies) => {
                self.note(true);
                (0..copies).try_for_each(|_| self.put(to, header, payload))
            }
            Act::Swap => {
                self.held = Some(Held { to, header: *header, payload: payload.to_vec() });
                Ok(())
            }
            Act::Replay => {
                let altered = self.previous.clone().unwrap_or_else(|| payload.to_vec());
                self.replace(to, header, payload, &altered)
            }
            Act::Reflect => {
                let theirs = self.came.get(&to).map(|(_, theirs)| theirs.clone());
                self.replace(to, header, payload, &theirs.unwrap_or_else(|| payload.to_vec()))
            }
            Act::Copy => {
                self.rushing.push(Held { to, header: *header, payload: payload.to_vec() });
                let here = self.came.values().find(|(theirs, _)| *theirs == call(header)).cloned();
                here.map_or(Ok(()), |(_, theirs)| self.rush(Some(&theirs)))
            }
            Act::Misname => {
                self.note(true);
                let op = header.op.wrapping_add(1);
                self.put(to, &Header { op, ..*header }, payload)
            }
            Act::Silence => {
                self.note(true);
                self.silent = true;
                Ok(())
            }
        }
    }

    /// Sends the frame that was held back with `payload`, and gives back its own payload.
    fn release(&mut self, payload: Option<&[u8]>) -> Result<Option<Vec<u8>>> {
        let Some(Held { to, header, payload: own }) = self.held.take() else { return Ok(None) };
        self.replace(to, &header, &own, payload.unwrap_or(&own))?;
        Ok(Some(own))
    }

    /// Takes note of what came: of the label, and what frames that are held back wait for.
    fn hear(&mut self, frames: &[Frame]) -> Result<()> {
        let Some(plan) = self.plan else { return Ok(()) };
        for frame in frames.iter().filter(|frame| frame.header.label == plan.label.id()) {
            self.came.insert(frame.from, (call(&frame.header), frame.payload.to_vec()));
            if self.target == Some(call(&frame.header)) {
                self.rush(Some(&frame.payload))?;
            }
        }
        Ok(())
    }

    /// Sends what waited for a peer, with the payload of that, or with its own.
    fn rush(&mut self, payload: Option<&[u8]>) -> Result<()> {
        for Held { to, header, payload: own } in std::mem::take(&mut self.rushing) {
            self.replace(to, &header, &own, payload.unwrap_or(&own))?;
        }
        Ok(())
    }
}

impl<T: Transport> Transport for Tamper<T> {
    fn me(&self) -> Party {
        self.inner.me()
    }

    fn parties(&self) -> usize {
        self.inner.parties()
    }

    fn send(&mut self, to: Party, header: &Header, payload: &[u8]) -> Result<()> {
        let number = self.count(header.label);
        let Some(plan) = self.plan.filter(|plan| plan.label.id() == header.label) else {
            return self.put(to, header, payload);
        };
        if let Some(own) = self.release(Some(payload))? {
            return self.put(to, header, &own);
        }
        if self.is_target(&plan, number, header) {
            return self.cheat(&plan, to, header, payload);
        }
        self.previous = Some(payload.to_vec());
        self.put(to, header, payload)
    }

    fn flush(&mut self) -> Result<()> {
        self.release(None)?; // nothing to swap with came: it leaves as it is
        self.inner.flush()
    }

    fn receive(&mut self, into: &mut Vec<Frame>, wait: bool, awaited: &[Party]) -> Result<()> {
        self.release(None)?;
        let before = into.len();
        self.inner.receive(into, wait, awaited)?;
        self.hear(&into[before..])
    }

    fn close(&mut self) -> Result<()> {
        self.release(None)?;
        self.rush(None)?;
        self.inner.close()
    }
}

//! A party that cheats: a transport that alters outgoing frames.
//!
//! The frame to alter is chosen by the label of its message and by its number among the messages of
//! that label that the party sends; how it is altered is one line of [`MUTATORS`]. Headers stay
//! consistent with their payloads, so that what is tested is the protocol and not the parser of
//! frames. A test runs a program once with [`Tamper::observe`] to learn which messages there are, and
//! then once for each message and mutator.

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

#[derive(Clone, Copy)]
enum Act {
    /// Alters the payload.
    Payload(fn(&mut Vec<u8>)),
    /// The frame leaves that many times.
    Copies(usize),
    /// The payload is exchanged with that of the next message of the label.
    Swap,
    /// The payload is that of the message of the label before.
    Replay,
}

/// All mutators.
pub const MUTATORS: &[Mutator] = &[
    mutator("flip the first bit", Act::Payload(|p| flip(p, |_| 0, 1))),
    mutator("flip a bit in the middle", Act::Payload(|p| flip(p, |n| n / 2, 1))),
    mutator("flip the last bit", Act::Payload(|p| flip(p, |n| n.saturating_sub(1), 0x80))),
    mutator("add one", Act::Payload(|p| add_one(p))),
    mutator("zero", Act::Payload(|p| p.fill(0))),
    mutator("all ones", Act::Payload(|p| p.fill(0xff))),
    mutator("truncate by a byte", Act::Payload(|p| _ = p.pop())),
    mutator("extend by a byte", Act::Payload(|p| p.push(0))),
    mutator("empty", Act::Payload(Vec::clear)),
    mutator("duplicate", Act::Copies(2)),
    mutator("drop, then continue", Act::Copies(0)),
    mutator("swap with the next", Act::Swap),
    mutator("replay the previous", Act::Replay),
];

const fn mutator(name: &'static str, act: Act) -> Mutator {
    Mutator { name, act }
}

fn flip(payload: &mut [u8], place: fn(usize) -> usize, bit: u8) {
    let at = place(payload.len());
    if let Some(byte) = payload.get_mut(at) {
        *byte ^= bit;
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

/// Which message is altered, and how.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Label of the message.
    pub label: Label,
    /// Its number among the messages of the label from this party, from 0.
    pub occurrence: u64,
    /// How it is altered.
    pub mutator: Mutator,
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

/// A transport that alters what it sends.
pub struct Tamper<T> {
    inner: T,
    plan: Option<Plan>,
    log: Log,
    /// Last payload of the label.
    previous: Option<Vec<u8>>,
    /// A frame that waits for the next of its label, to exchange payloads.
    held: Option<(Party, Header, Vec<u8>)>,
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
        (Tamper { inner, plan, log: log.clone(), previous: None, held: None }, log)
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
        let length = u32::try_from(payload.len()).expect("one byte more than a frame holds");
        self.inner.send(to, &Header { length, ..*header }, payload)
    }

    /// Sends the frame that is the target of the plan.
    fn cheat(&mut self, act: Act, to: Party, header: &Header, payload: &[u8]) -> Result<()> {
        match act {
            Act::Payload(alter) => {
                let mut altered = payload.to_vec();
                alter(&mut altered);
                self.note(altered != payload);
                self.put(to, header, &altered)
            }
            Act::Copies(copies) => {
                self.note(true);
                (0..copies).try_for_each(|_| self.put(to, header, payload))
            }
            Act::Swap => {
                self.held = Some((to, *header, payload.to_vec()));
                Ok(())
            }
            Act::Replay => {
                let altered = self.previous.clone().unwrap_or_else(|| payload.to_vec());
                self.note(altered != payload);
                self.put(to, header, &altered)
            }
        }
    }

    /// Sends the frame that was held back with `payload`, and gives back its own payload.
    fn release(&mut self, payload: Option<&[u8]>) -> Result<Option<Vec<u8>>> {
        let Some((to, header, own)) = self.held.take() else { return Ok(None) };
        self.note(payload.is_some_and(|payload| payload != own));
        self.put(to, &header, payload.unwrap_or(&own))?;
        Ok(Some(own))
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
        if number == plan.occurrence {
            return self.cheat(plan.mutator.act, to, header, payload);
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
        self.inner.receive(into, wait, awaited)
    }

    fn close(&mut self) -> Result<()> {
        self.release(None)?;
        self.inner.close()
    }
}

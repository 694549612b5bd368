//! Streams that are read from a tape, for tests that go through all the randomness there is. Only with
//! the feature `tapes`, which nothing that is shipped has.
//!
//! A tape gives each word of each stream one digit below a base. On the thread that holds a [`Reader`]
//! every stream is read from its tape: digits read as words that are spread evenly over all there are,
//! from 0 to the largest. Modulo 2 or 4, if that is the base, a word is its digit; and what looks at the
//! top of a word looks at the digit too.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::random::Stream;

/// Where a word stands: what tells its stream from others, and the position in it.
pub type Place = ([u8; 16], u64);

/// Numbers of places in the order in which they were met; one for all tapes of an enumeration.
#[derive(Clone, Default)]
pub struct Places(Arc<Mutex<BTreeMap<Place, usize>>>);

impl Places {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn number(&self, place: Place) -> usize {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = places.len();
        *places.entry(place).or_insert(next)
    }
}

/// One assignment of digits.
#[derive(Clone)]
pub struct Tape {
    /// The places, common to all tapes.
    pub places: Places,
    /// Number of digits there are: 2, 4, or a small prime.
    pub base: u8,
    /// By place; 0 at the places behind the last.
    pub digits: Vec<u8>,
}

impl Tape {
    fn digit(&self, place: usize) -> u8 {
        self.digits.get(place).copied().unwrap_or(0)
    }
}

/// The word that a digit below `base` reads as.
pub fn word(digit: u8, base: u8) -> u64 {
    u64::MAX / (u64::from(base) - 1) * u64::from(digit)
}

/// The digit that reads as `word`.
pub fn digit(word: u64, base: u8) -> u8 {
    (word / (u64::MAX / (u64::from(base) - 1))) as u8
}

thread_local! {
    static READ: RefCell<Option<(Tape, BTreeSet<usize>)>> = const { RefCell::new(None) };
}

/// While it lives, streams of this thread are read from a tape.
pub struct Reader(());

impl Reader {
    /// Reads from `tape`.
    pub fn new(tape: Tape) -> Reader {
        READ.set(Some((tape, BTreeSet::new())));
        Reader(())
    }

    /// What this thread has read: digits with the numbers of their places.
    pub fn digits(&self) -> Vec<(usize, u8)> {
        READ.with_borrow(|read| {
            let (tape, places) = read.as_ref().expect("there is a reader");
            places.iter().map(|&place| (place, tape.digit(place))).collect()
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        READ.set(None);
    }
}

/// Fills `out` from the tape of this thread, if it has one.
pub(crate) fn fill(stream: &Stream, first: u64, out: &mut [u64]) -> bool {
    READ.with_borrow_mut(|read| {
        let Some((tape, met)) = read else { return false };
        let name = stream.name();
        for (position, out) in (first..).zip(out) {
            let place = tape.places.number((name, position));
            met.insert(place);
            *out = word(tape.digit(place), tape.base);
        }
        true
    })
}

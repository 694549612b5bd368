//! Streams that are read from a tape, for tests that go through all the randomness there is. Only with
//! the feature `tapes`, which nothing that is shipped has.
//!
//! A tape gives each word of each stream one digit below a base. On the thread that holds a [`Reader`]
//! every stream is read from its tape: digits read as words that are spread evenly over all there are,
//! from 0 to the largest. Modulo 2 or 4, if that is the base, a word is its digit; and what looks at the
//! top of a word looks at the digit too. Where bits of a word go different ways, a word takes a digit for
//! each of a few *lanes*: of so many bits that follow each other, over and over.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
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

    /// The same, numbered in the order of their names, which threads have no part in.
    pub fn by_name(&self) -> Places {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let numbered = places.keys().zip(0..).map(|(&place, number)| (place, number));
        Places(Arc::new(Mutex::new(numbered.collect())))
    }
}

/// One assignment of digits.
#[derive(Clone)]
pub struct Tape {
    /// The places, common to all tapes.
    pub places: Places,
    /// Number of digits there are: 2, 4, or a small prime.
    pub base: u8,
    /// Digits of a word: 1, or more (a power of 2) if the base is 2.
    pub lanes: usize,
    /// By place and lane; 0 behind the last.
    pub digits: Vec<u8>,
}

impl Tape {
    fn digit(&self, at: usize) -> u8 {
        self.digits.get(at).copied().unwrap_or(0)
    }

    /// Where the digits of a place are.
    fn at(&self, place: usize) -> Range<usize> {
        place * self.lanes..(place + 1) * self.lanes
    }

    fn word(&self, place: usize) -> u64 {
        if self.lanes == 1 {
            return word(self.digit(place), self.base);
        }
        let lane = u64::MAX / ((1 << self.lanes) - 1);
        self.at(place).rev().fold(0, |word, at| (word << 1) | (lane * u64::from(self.digit(at))))
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

    /// What this thread has read: digits, and where on the tape they are.
    pub fn digits(&self) -> Vec<(usize, u8)> {
        READ.with_borrow(|read| {
            let (tape, places) = read.as_ref().expect("there is a reader");
            places.iter().flat_map(|&place| tape.at(place)).map(|at| (at, tape.digit(at))).collect()
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
            *out = tape.word(place);
        }
        true
    })
}

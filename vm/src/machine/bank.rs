//! Registers, renamed: a run of registers names pieces of values, some of which are still computed.
//!
//! Every write makes a new value. An instruction takes hold of the values it reads when it issues, so
//! a later write to the same registers neither waits for it nor disturbs it: only true dependencies
//! order execution, and iterations of a loop overlap although they use the same registers.

use std::collections::BTreeMap;
use std::convert::identity;
use std::ops::Range;
use std::rc::Rc;

use mpc_bytecode::Run;
use mpc_protocols::value::Repeat;
use mpc_protocols::{Clear, ClearBits, Shares};
use mpc_runtime::Slot;

/// A vector that registers hold.
pub(crate) trait Vector: Clone {
    fn len(&self) -> usize;
    fn slice(&self, range: Range<usize>) -> Self;
    fn concat(parts: &[Self]) -> Self;
    fn repeated(&self, range: Range<usize>, repeat: Repeat) -> Self;
    /// Without keeping alive much more memory than it needs.
    fn compact(self) -> Self;
}

macro_rules! vector {
    ($($ty:ty => $compact:path),*) => { $(
        impl Vector for $ty {
            fn len(&self) -> usize {
                self.len()
            }
            fn slice(&self, range: Range<usize>) -> Self {
                self.slice(range)
            }
            fn concat(parts: &[Self]) -> Self {
                Self::concat(parts)
            }
            fn repeated(&self, range: Range<usize>, repeat: Repeat) -> Self {
                self.repeated(range, repeat)
            }
            fn compact(self) -> Self {
                $compact(self)
            }
        }
    )* };
}

vector!(Shares => Shares::compact, Clear => identity, ClearBits => identity);

/// Elements `range` of a value that may still be computed, or of a view of it that repeats.
pub(crate) struct Piece<T> {
    slot: Rc<Slot<T>>,
    range: Range<usize>,
    /// What is repeated where it is used, and takes no memory till then.
    repeat: Option<Repeat>,
    /// Rounds after which it is there.
    level: u32,
}

impl<T> Clone for Piece<T> {
    fn clone(&self) -> Self {
        Piece { slot: self.slot.clone(), range: self.range.clone(), ..*self }
    }
}

impl<T> Piece<T> {
    fn part(&self, range: Range<usize>) -> Piece<T> {
        let start = self.range.start;
        Piece { range: start + range.start..start + range.end, ..self.clone() }
    }
}

/// What an instruction reads: pieces in order.
pub(crate) struct Source<T> {
    pieces: Vec<Piece<T>>,
    /// Bits of an element, as far as it matters for how much is worked on at once.
    element_bits: usize,
}

impl<T: Vector> Source<T> {
    /// Rounds after which all of it is there.
    pub(crate) fn level(&self) -> u32 {
        self.pieces.iter().map(|p| p.level).max().unwrap_or(0)
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(|p| p.range.len()).sum()
    }

    /// Bits of an element.
    pub(crate) fn element_bits(&self) -> usize {
        self.element_bits
    }

    /// The elements of `range`.
    pub(crate) fn part(&self, range: Range<usize>) -> Source<T> {
        let mut pieces = vec![];
        let mut at = 0;
        for piece in &self.pieces {
            let end = at + piece.range.len();
            let (from, to) = (range.start.max(at), range.end.min(end));
            if from < to {
                pieces.push(piece.part(from - at..to - at));
            }
            at = end;
        }
        Source { pieces, ..*self }
    }

    /// Waits until all of it is there.
    pub(crate) async fn ready(&self) {
        for piece in &self.pieces {
            piece.slot.wait().await;
        }
    }

    /// The value, when all of it is there.
    pub(crate) async fn wait(self) -> T {
        let mut parts = Vec::with_capacity(self.pieces.len());
        for Piece { slot, range, repeat, .. } in &self.pieces {
            let value = slot.wait().await;
            parts.push(match repeat {
                Some(repeat) => value.repeated(range.clone(), *repeat),
                None if *range == (0..value.len()) => value.clone(),
                None => value.slice(range.clone()),
            });
        }
        match <[T; 1]>::try_from(parts) {
            Ok([one]) => one,
            Err(parts) => T::concat(&parts),
        }
    }
}

/// One bank.
pub(crate) struct Bank<T> {
    pieces: BTreeMap<u64, Piece<T>>,
    element_bits: usize,
}

impl<T: Vector> Bank<T> {
    pub(crate) fn new(element_bits: usize) -> Self {
        Bank { pieces: BTreeMap::new(), element_bits }
    }

    /// What `run` names now; `None` if a register was never written. The run is in bounds.
    pub(crate) fn read(&self, run: Run) -> Option<Source<T>> {
        let (mut at, end) = (run.base, run.base + run.len);
        let mut pieces = vec![];
        if at < end {
            let first = self.pieces.range(..=at).next_back()?;
            for (&base, piece) in self.pieces.range(*first.0..end) {
                let stop = base + piece.range.len() as u64;
                if base > at || stop <= at {
                    return None;
                }
                let from = piece.range.start + (at - base) as usize;
                let take = (stop.min(end) - at) as usize;
                pieces.push(Piece { range: from..from + take, ..piece.clone() });
                at += take as u64;
            }
        }
        (at == end).then_some(Source { pieces, element_bits: self.element_bits })
    }

    /// What `run` names now, repeated to `len` elements; `None` if it is not part of one value that stands
    /// there as it is.
    pub(crate) fn repeated(&self, run: Run, mut repeat: Repeat, len: usize) -> Option<Piece<T>> {
        let [piece] = <[Piece<T>; 1]>::try_from(self.read(run)?.pieces).ok()?;
        repeat.first += piece.range.start;
        let whole = piece.repeat.is_none();
        whole.then_some(Piece { range: 0..len, repeat: Some(repeat), ..piece })
    }

    /// Lets `run` name the value of `slot`, which is there after `level` rounds.
    pub(crate) fn write(&mut self, run: Run, slot: Rc<Slot<T>>, level: u32) {
        self.put(run, Piece { slot, range: 0..run.len as usize, repeat: None, level });
    }

    /// Lets `run` name a piece.
    pub(crate) fn put(&mut self, run: Run, piece: Piece<T>) {
        if run.len == 0 {
            return;
        }
        let end = run.base + run.len;
        self.split(run.base);
        self.split(end);
        let covered: Vec<u64> = self.pieces.range(run.base..end).map(|(&base, _)| base).collect();
        for base in covered {
            self.pieces.remove(&base);
        }
        self.pieces.insert(run.base, piece);
    }

    /// Makes `at` a boundary between pieces.
    fn split(&mut self, at: u64) {
        let Some((&base, piece)) = self.pieces.range_mut(..at).next_back() else { return };
        let cut = piece.range.start + (at - base) as usize;
        if cut < piece.range.end {
            let right = Piece { range: cut..piece.range.end, ..piece.clone() };
            piece.range.end = cut;
            self.pieces.insert(at, right);
        }
    }
}

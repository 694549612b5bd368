//! Registers, renamed: a run of registers names pieces of values, some of which are still computed.
//!
//! Every write makes a new value. An instruction takes hold of the values it reads when it issues, so
//! a later write to the same registers neither waits for it nor disturbs it: only true dependencies
//! order execution, and iterations of a loop overlap although they use the same registers.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use mpc_bytecode::Run;
use mpc_protocols::{Clear, ClearBits, Shares};
use mpc_runtime::Slot;

/// A vector that registers hold.
pub(crate) trait Vector: Clone {
    fn len(&self) -> usize;
    fn slice(&self, range: Range<usize>) -> Self;
    fn concat(parts: &[Self]) -> Self;
}

macro_rules! vector {
    ($($ty:ty),*) => { $(
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
        }
    )* };
}
vector!(Shares, Clear, ClearBits);

/// Elements `range` of a value that may still be computed.
struct Piece<T> {
    slot: Rc<Slot<T>>,
    range: Range<usize>,
    /// Rounds after which it is there.
    level: u32,
}

impl<T> Clone for Piece<T> {
    fn clone(&self) -> Self {
        Piece { slot: self.slot.clone(), range: self.range.clone(), level: self.level }
    }
}

/// What an instruction reads: pieces in order.
pub(crate) struct Source<T> {
    pieces: Vec<Piece<T>>,
}

impl<T: Vector> Source<T> {
    /// Rounds after which all of it is there.
    pub(crate) fn level(&self) -> u32 {
        self.pieces.iter().map(|p| p.level).max().unwrap_or(0)
    }

    /// The value, when all of it is there.
    pub(crate) async fn wait(self) -> T {
        let mut parts = Vec::with_capacity(self.pieces.len());
        for Piece { slot, range, .. } in &self.pieces {
            let value = slot.wait().await;
            parts.push(if *range == (0..value.len()) {
                value.clone()
            } else {
                value.slice(range.clone())
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
}

impl<T: Vector> Bank<T> {
    pub(crate) fn new() -> Self {
        Bank { pieces: BTreeMap::new() }
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
                let range = from..from + take;
                pieces.push(Piece { slot: piece.slot.clone(), range, level: piece.level });
                at += take as u64;
            }
        }
        (at == end).then_some(Source { pieces })
    }

    /// Lets `run` name the value of `slot`, which is there after `level` rounds.
    pub(crate) fn write(&mut self, run: Run, slot: Rc<Slot<T>>, level: u32) {
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
        self.pieces.insert(run.base, Piece { slot, range: 0..run.len as usize, level });
    }

    /// Makes `at` a boundary between pieces.
    fn split(&mut self, at: u64) {
        let Some((&base, piece)) = self.pieces.range_mut(..at).next_back() else { return };
        let cut = piece.range.start + (at - base) as usize;
        if cut < piece.range.end {
            let right =
                Piece { slot: piece.slot.clone(), range: cut..piece.range.end, level: piece.level };
            piece.range.end = cut;
            self.pieces.insert(at, right);
        }
    }
}

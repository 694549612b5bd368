//! Memory of share vectors and of messages: aligned, wiped when given back, and used again without
//! asking the system.
//!
//! A fresh page costs more than the product computed into it, so a thread keeps what it no longer
//! uses. Spare memory is all 0: it is wiped when it is given back, and need not be when it is taken.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use zeroize::Zeroize;

/// As many words as a cache line. Fresh ones, all 0, come from the system as they are; of a type that is
/// aligned they would be written first.
type Line = [u64; 8];

const LINE_BYTES: usize = size_of::<Line>();
/// Lines below which the allocator is quick by itself.
const LEAST: usize = 256;
/// Bytes that a thread keeps spare above the most that its buffers ever took together.
const SLACK_BYTES: usize = 64 << 20;

/// Buffers that are all 0, by their length in lines, and what bounds them.
///
/// Used and spare ones together take at most [`SLACK_BYTES`] more than the used ones took when they were
/// most: what a program needed once it needs again, and the peak of its memory does not rise.
#[derive(Default)]
struct Spare {
    by_lines: BTreeMap<usize, Vec<Vec<Line>>>,
    /// Of all that are spare.
    lines: usize,
    /// Of those in use that this thread took; those given back by another thread stay counted.
    used: usize,
    /// The greatest value of `used`.
    peak: usize,
}

thread_local! {
    static LIVE_BYTES: Cell<usize> = const { Cell::new(0) };
    static PEAK_BYTES: Cell<usize> = const { Cell::new(0) };
    static SPARE: RefCell<Spare> = RefCell::default();
}

/// Bytes up to which memory that is given back stays with the allocator.
const HEAP_BYTES: usize = 31 << 20;

/// Bytes that a process keeps at most beyond what it uses: its spare buffers, and what the allocator does not
/// give back after [`keep_heap`].
pub const KEPT_BYTES: usize = SLACK_BYTES + 2 * HEAP_BYTES;

/// Lets the allocator keep what is given back, for a process that asks for as much again and again.
///
/// That of glibc asks the system for every block above 128 KiB, and gives it back, until a longer one has
/// been given back: then it keeps blocks up to that length, and twice as much in all. A fresh page costs
/// more than most of what is computed into it. Elsewhere this does nothing.
pub fn keep_heap() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(HEAP_BYTES)));
}

/// Has pages for so many bytes ready in a heap that is kept ([`keep_heap`]), as far as it keeps them.
///
/// A process that waits for others anyway spares its run the faults.
pub fn warm_heap(bytes: usize) {
    drop(std::hint::black_box(vec![1_u8; bytes.min(HEAP_BYTES)]));
}

/// Bytes that the share vectors and messages of this thread take.
pub fn live_bytes() -> usize {
    LIVE_BYTES.get()
}

/// The most that [`live_bytes`] was since the last call.
pub fn take_peak_bytes() -> usize {
    PEAK_BYTES.replace(live_bytes()).max(live_bytes())
}

/// Counts what a buffer takes.
fn count(lines: usize) {
    LIVE_BYTES.set(LIVE_BYTES.get().wrapping_add(lines * LINE_BYTES));
    PEAK_BYTES.set(PEAK_BYTES.get().max(LIVE_BYTES.get()));
}

/// Counts that a buffer is gone. The counter itself is gone if the thread is ending.
fn discount(lines: usize) {
    let less = |live: &Cell<usize>| live.set(live.get().wrapping_sub(lines * LINE_BYTES));
    _ = LIVE_BYTES.try_with(less);
}

/// A buffer that is not there: it is counted among the live bytes, for runs that estimate memory.
pub struct Phantom {
    lines: usize,
}

impl Phantom {
    /// One of so many words.
    pub fn new(words: usize) -> Phantom {
        let lines = class(words.div_ceil(8));
        count(lines);
        Phantom { lines }
    }

    /// Words that a buffer would have.
    pub fn words(&self) -> usize {
        8 * self.lines
    }
}

impl Drop for Phantom {
    fn drop(&mut self) {
        discount(self.lines);
    }
}

impl Spare {
    /// So many lines or up to twice as many, all 0: the fewest there are, or new ones.
    fn take(&mut self, lines: usize) -> Vec<Line> {
        let fitting =
            self.by_lines.range_mut(lines..=2 * lines).find(|(_, spare)| !spare.is_empty());
        let spare = fitting.and_then(|(_, spare)| spare.pop());
        self.lines -= spare.as_ref().map_or(0, |spare| spare.len() - 1);
        let memory = spare.unwrap_or_else(|| fresh(lines));
        self.used += memory.len() - 1;
        self.peak = self.peak.max(self.used);
        self.shrink();
        memory
    }

    /// Keeps a buffer that is all 0.
    fn keep(&mut self, memory: Vec<Line>) {
        let lines = memory.len() - 1;
        self.used = self.used.saturating_sub(lines);
        self.lines += lines;
        self.by_lines.entry(lines).or_default().push(memory);
        self.shrink();
    }

    /// Lets buffers go, the largest first, until the rest is within its bound.
    fn shrink(&mut self) {
        while self.used + self.lines > self.peak + SLACK_BYTES / LINE_BYTES {
            let Some(mut largest) = self.by_lines.last_entry() else { return };
            let lines = *largest.key();
            match largest.get_mut().pop() {
                Some(_) => self.lines -= lines,
                None => _ = largest.remove(),
            }
        }
    }
}

/// So many lines and one more, which makes room for starting at a boundary.
fn fresh(lines: usize) -> Vec<Line> {
    vec![[0; 8]; lines + 1]
}

/// Lines to reserve for so many: one of eight sizes between powers of two.
fn class(lines: usize) -> usize {
    match lines {
        0..LEAST => lines,
        _ => lines.next_multiple_of((lines.next_power_of_two() / 16).max(1)),
    }
}

/// Words on cache-line boundaries; wiped when dropped.
pub struct Buffer {
    memory: Vec<Line>,
    /// Words before the first boundary.
    start: usize,
    lines: usize,
}

impl Buffer {
    /// At least so many words, all 0.
    pub fn zeroed(words: usize) -> Buffer {
        let lines = class(words.div_ceil(8));
        count(lines);
        let memory = match lines {
            0..LEAST => fresh(lines),
            _ => SPARE.with_borrow_mut(|spare| spare.take(lines)),
        };
        let behind = memory.as_ptr() as usize % LINE_BYTES;
        let start = (LINE_BYTES - behind) % LINE_BYTES / 8;
        Buffer { memory, start, lines }
    }

    /// All words.
    pub fn words(&self) -> &[u64] {
        &self.memory.as_flattened()[self.start..self.start + 8 * self.lines]
    }

    /// All words, to be changed.
    pub fn words_mut(&mut self) -> &mut [u64] {
        &mut self.memory.as_flattened_mut()[self.start..self.start + 8 * self.lines]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let lines = self.lines;
        // The spare buffers are gone if the thread is ending. A buffer may end on another thread than it
        // began on; then the counts of both are right in sum only.
        discount(lines);
        if lines < LEAST {
            return self.words_mut().zeroize();
        }
        // Another buffer reads these words, so they are written, and by wider stores than one by one.
        self.words_mut().fill(0);
        let memory = std::hint::black_box(std::mem::take(&mut self.memory));
        _ = SPARE.try_with(|spare| spare.borrow_mut().keep(memory));
    }
}

/// The payload of a message that arrived, in memory that a share vector can take over.
///
/// Bytes between the end of the payload and the end of the memory are 0.
pub struct Payload {
    buffer: Buffer,
    bytes: usize,
    capacity: usize,
}

impl Payload {
    /// No bytes, and room for so many.
    pub fn with_capacity(bytes: usize) -> Payload {
        Payload { buffer: Buffer::zeroed(bytes.div_ceil(8)), bytes: 0, capacity: bytes }
    }

    /// Bytes that fit without other memory.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Makes room for `bytes` in all.
    pub fn reserve(&mut self, bytes: usize) {
        if bytes > self.capacity() {
            let mut larger = Payload::with_capacity(bytes);
            larger.extend_from_slice(self);
            *self = larger;
        }
    }

    /// Appends `more`.
    pub fn extend_from_slice(&mut self, more: &[u8]) {
        let end = self.bytes + more.len();
        if end > self.capacity() {
            self.reserve(end.max(2 * self.capacity()));
        }
        bytemuck::cast_slice_mut(self.buffer.words_mut())[self.bytes..end].copy_from_slice(more);
        self.bytes = end;
    }

    /// The memory; the payload is at its start.
    pub fn into_buffer(self) -> Buffer {
        self.buffer
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Payload {
        let mut payload = Payload::with_capacity(bytes.len());
        payload.extend_from_slice(bytes);
        payload
    }
}

impl std::ops::Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &bytemuck::cast_slice(self.buffer.words())[..self.bytes]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn memory_that_is_used_again_is_0_and_bounded() {
        for words in [0, 1, 8, 9, 4000, 5000, 1 << 20] {
            for _ in 0..3 {
                let mut buffer = Buffer::zeroed(words);
                let place = buffer.words().as_ptr() as usize;
                assert!(words == 0 || place.is_multiple_of(LINE_BYTES));
                assert!(buffer.words().len() >= words && buffer.words().iter().all(|&w| w == 0));
                assert!(buffer.words().len() <= words.div_ceil(8) * 9 + 8, "{words}");
                buffer.words_mut().fill(!0);
            }
        }
        let many: Vec<Buffer> = (0..20).map(|_| Buffer::zeroed(1 << 20)).collect();
        let taken: BTreeSet<_> = many.iter().map(|buffer| buffer.words().as_ptr()).collect();
        drop(many);
        // What was in use at once is used again, also for lengths somewhat smaller; a larger one costs others.
        let many: Vec<Buffer> = (0..20).map(|i| Buffer::zeroed((1 << 20) - 4000 * i)).collect();
        assert!(many.iter().all(|buffer| taken.contains(&buffer.words().as_ptr())));
        drop(many);
        let large = Buffer::zeroed(20 << 20);
        let bound =
            |spare: &Spare| (spare.used + spare.lines) * LINE_BYTES <= (161 << 20) + SLACK_BYTES;
        assert!(SPARE.with_borrow(bound));
        drop(large);
        assert!(SPARE.with_borrow(bound));
        assert_eq!(live_bytes(), 0);
    }

    #[test]
    fn a_payload_grows_and_keeps_its_bytes() {
        let bytes: Vec<u8> = (0..100_000).map(|i| (i * 7) as u8).collect();
        let mut payload = Payload::with_capacity(10);
        for part in bytes.chunks(999) {
            payload.extend_from_slice(part);
        }
        assert_eq!(*payload, bytes[..]);
        let buffer = payload.into_buffer();
        let all: &[u8] = bytemuck::cast_slice(buffer.words());
        assert_eq!(all[..bytes.len()], bytes[..]);
        assert!(all[bytes.len()..].iter().all(|&b| b == 0));
    }
}

//! Memory of share vectors and of messages: aligned, wiped when given back, and used again without
//! asking the system.
//!
//! A fresh page costs more than the product computed into it, so a thread keeps what it no longer
//! uses. Spare memory is all 0: it is wiped when it is given back, and need not be when it is taken.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use zeroize::Zeroize;

/// As many words as a cache line. Fresh ones, all 0, come from the system as they are; of a type that is
/// aligned they would be written first, and one line more makes room for starting at a boundary.
type Line = [u64; 8];

const LINE_BYTES: usize = size_of::<Line>();
/// Lines below which the allocator is quick by itself.
const LEAST: usize = 256;
/// Spare bytes that a thread keeps.
const SPARE_BYTES: usize = 64 << 20;

/// Buffers that are all 0, by their length in lines.
#[derive(Default)]
struct Spare {
    by_lines: BTreeMap<usize, Vec<Vec<Line>>>,
    bytes: usize,
}

thread_local! {
    static LIVE_BYTES: Cell<usize> = const { Cell::new(0) };
    static SPARE: RefCell<Spare> = RefCell::default();
}

/// Bytes that the share vectors and messages of this thread take.
pub fn live_bytes() -> usize {
    LIVE_BYTES.get()
}

impl Spare {
    fn take(&mut self, lines: usize) -> Option<Vec<Line>> {
        let buffer = self.by_lines.get_mut(&lines)?.pop()?;
        self.bytes -= lines * LINE_BYTES;
        Some(buffer)
    }

    /// Keeps a buffer that is all 0, and lets larger ones go if it must.
    fn keep(&mut self, buffer: Vec<Line>, lines: usize) {
        self.bytes += lines * LINE_BYTES;
        self.by_lines.entry(lines).or_default().push(buffer);
        while self.bytes > SPARE_BYTES {
            let Some(mut largest) = self.by_lines.last_entry() else { return };
            let lines = *largest.key();
            match largest.get_mut().pop() {
                Some(_) => self.bytes -= lines * LINE_BYTES,
                None => _ = largest.remove(),
            }
        }
    }
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
        LIVE_BYTES.set(LIVE_BYTES.get().wrapping_add(lines * LINE_BYTES));
        let spare =
            if lines < LEAST { None } else { SPARE.with_borrow_mut(|spare| spare.take(lines)) };
        let memory = spare.unwrap_or_else(|| vec![[0; 8]; lines + 1]);
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
        // The counter and the spare buffers are gone if the thread is ending. A buffer may end on another
        // thread than it began on; then the counts of both are right in sum only.
        _ = LIVE_BYTES.try_with(|live| live.set(live.get().wrapping_sub(lines * LINE_BYTES)));
        if (LEAST..=SPARE_BYTES / LINE_BYTES).contains(&lines) {
            self.words_mut().fill(0);
            let memory = std::mem::take(&mut self.memory);
            _ = SPARE.try_with(|spare| spare.borrow_mut().keep(memory, lines));
        } else {
            self.words_mut().zeroize();
        }
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
        drop(many);
        assert!(SPARE.with_borrow(|spare| spare.bytes) <= SPARE_BYTES);
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

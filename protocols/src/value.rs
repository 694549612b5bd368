//! Share vectors as planes, and clear vectors.
//!
//! A share vector is a list of planes that the scheme defines: two planes of `u64` for replicated
//! sharing, one of packed bits per component for binary sharing, and so on. Moving elements around
//! is the same for all schemes and lives here; only a scheme's kernels look inside a plane, as
//! contiguous slices of one type.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

pub use mpc_runtime::buffer::live_bytes;
use mpc_runtime::buffer::{self, Buffer};
use mpc_runtime::{Depth, Payload};

use crate::algebra::bits::copy_bits;

/// What an element of a plane is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// That many words of 64 bits.
    Words(usize),
    /// One bit; 64 to a word, the first in the lowest place.
    Bit,
}

impl Unit {
    /// Words that `len` elements take.
    pub fn words(self, len: usize) -> usize {
        match self {
            Unit::Words(w) => w * len,
            Unit::Bit => len.div_ceil(64),
        }
    }
}

/// One component of a share vector. Cheap to clone; never changes.
///
/// Bits start at a word boundary, and bits behind the last element are 0.
#[derive(Clone)]
pub struct Plane {
    buffer: Rc<Buffer>,
    unit: Unit,
    /// First word.
    start: usize,
    len: usize,
    /// Whether all elements are 0, as everybody knows. Not set for all such planes.
    zero: bool,
}

thread_local! {
    /// Words that are 0, for all planes that are known to be.
    static ZEROS: RefCell<Rc<Buffer>> = RefCell::new(Rc::new(Buffer::zeroed(0)));
}

impl Plane {
    /// A plane of `len` zeros, in memory that all such planes have in common. It is not to be changed.
    pub fn zero(unit: Unit, len: usize) -> Plane {
        let words = unit.words(len);
        let buffer = ZEROS.with_borrow_mut(|zeros| {
            if zeros.words().len() < words {
                *zeros = Rc::new(Buffer::zeroed(words));
            }
            zeros.clone()
        });
        Plane { buffer, unit, start: 0, len, zero: true }
    }

    /// Whether it is known that all elements are 0.
    pub fn is_zero(&self) -> bool {
        self.zero
    }

    /// A plane of `len` elements whose words `fill` sets; they are 0 before. Bits behind the last
    /// element are cleared afterwards.
    pub fn build(unit: Unit, len: usize, fill: impl FnOnce(&mut [u64])) -> Plane {
        let [plane] = Plane::build_all(unit, len, |[out]| fill(out));
        plane
    }

    /// Planes as [`Plane::build`] makes one, set together.
    pub fn build_all<const N: usize>(
        unit: Unit,
        len: usize,
        fill: impl FnOnce([&mut [u64]; N]),
    ) -> [Plane; N] {
        let words = unit.words(len);
        let mut buffers: [Buffer; N] = std::array::from_fn(|_| Buffer::zeroed(words));
        fill(buffers.each_mut().map(|buffer| &mut buffer.words_mut()[..words]));
        buffers.map(|mut buffer| {
            if unit == Unit::Bit && !len.is_multiple_of(64) {
                buffer.words_mut()[words - 1] &= (1 << (len % 64)) - 1;
            }
            Plane { buffer: Rc::new(buffer), unit, start: 0, len, zero: false }
        })
    }

    /// A plane of `len` bits, `bit(i)` at place `i`.
    pub fn bits(len: usize, bit: impl Fn(usize) -> bool) -> Plane {
        Plane::build(Unit::Bit, len, |out| {
            (0..len).for_each(|i| out[i / 64] |= u64::from(bit(i)) << (i % 64));
        })
    }

    /// As [`Plane::build`], for a `fill` that may fail.
    ///
    /// # Errors
    /// The error of `fill`.
    pub fn try_build<E>(
        unit: Unit,
        len: usize,
        fill: impl FnOnce(&mut [u64]) -> Result<(), E>,
    ) -> Result<Plane, E> {
        let mut result = Ok(());
        let plane = Plane::build(unit, len, |out| result = fill(out));
        result.map(|()| plane)
    }

    /// Changes the words of a plane that nobody else holds. Bits behind the last element are cleared
    /// afterwards.
    ///
    /// # Panics
    /// If the plane has been cloned.
    pub fn change(&mut self, f: impl FnOnce(&mut [u64])) {
        let range = self.start..self.start + self.unit.words(self.len);
        let buffer = Rc::get_mut(&mut self.buffer).expect("a plane is changed before it is shared");
        let words = &mut buffer.words_mut()[range];
        f(words);
        if let (Unit::Bit, 1.., Some(last)) = (self.unit, self.len % 64, words.last_mut()) {
            *last &= (1 << (self.len % 64)) - 1;
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What an element is.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// All words.
    pub fn words(&self) -> &[u64] {
        &self.buffer.words()[self.start..][..self.unit.words(self.len)]
    }

    /// All words as 128-bit numbers, two words each, the lower first.
    ///
    /// # Panics
    /// Unless elements are of 128 bits (or a multiple).
    pub fn wides(&self) -> impl ExactSizeIterator<Item = u128> + '_ {
        assert!(matches!(self.unit, Unit::Words(w) if w % 2 == 0), "elements are not of 128 bits");
        self.words().chunks_exact(2).map(|w| u128::from(w[0]) | u128::from(w[1]) << 64)
    }

    /// Bit `i` of a plane of bits.
    pub fn bit(&self, i: usize) -> bool {
        debug_assert!(self.unit == Unit::Bit && i < self.len);
        self.words()[i / 64] >> (i % 64) & 1 == 1
    }

    /// The elements of `range`; shares the memory where it starts and ends at whole words.
    pub fn slice(&self, range: Range<usize>) -> Plane {
        assert!(range.start <= range.end && range.end <= self.len, "slice outside the plane");
        let len = range.len();
        let whole_words = match self.unit {
            Unit::Words(_) => true,
            Unit::Bit => {
                range.start.is_multiple_of(64)
                    && (range.end == self.len || range.end.is_multiple_of(64))
            }
        };
        if whole_words {
            let start = self.start + self.unit.words(range.start);
            return Plane { start, len, ..self.clone() };
        }
        let from = range.start;
        Plane::build(self.unit, len, |out| self.copy_to(from, len, out, 0))
    }

    /// The same plane, in memory of its own if it keeps alive more than twice what it needs.
    fn compact(self) -> Plane {
        let held = self.buffer.words().len();
        if self.zero || held <= LITTLE_WORDS || held < 2 * self.unit.words(self.len) {
            return self;
        }
        Plane::build(self.unit, self.len, |out| self.copy_to(0, self.len, out, 0))
    }

    /// The words of a message that arrived, as they stand. Bits behind the last element are cleared.
    ///
    /// # Panics
    /// If the message is shorter.
    pub fn from_payload(unit: Unit, len: usize, payload: Payload) -> Plane {
        let words = unit.words(len);
        let mut buffer = payload.into_buffer();
        let out = &mut buffer.words_mut()[..words];
        if unit == Unit::Bit && !len.is_multiple_of(64) {
            out[words - 1] &= (1 << (len % 64)) - 1;
        }
        Plane { buffer: Rc::new(buffer), unit, start: 0, len, zero: false }
    }

    /// Copies `len` elements from `from` on to position `at` of `out`, whose bits there are 0.
    fn copy_to(&self, from: usize, len: usize, out: &mut [u64], at: usize) {
        let words = self.words();
        match self.unit {
            Unit::Words(w) => {
                out[at * w..][..len * w].copy_from_slice(&words[from * w..][..len * w])
            }
            Unit::Bit => copy_bits(words, from, len, out, at),
        }
    }

    /// All elements of `parts`, which are of one unit, one after the other.
    pub fn concat(parts: &[Plane]) -> Plane {
        if let [one] = parts {
            return one.clone();
        }
        if let [first, ..] = parts
            && parts.iter().all(|part| part.zero)
        {
            return Plane::zero(first.unit, parts.iter().map(Plane::len).sum());
        }
        let unit = parts.first().map_or(Unit::Bit, |p| p.unit);
        let len = parts.iter().map(Plane::len).sum();
        Plane::build(unit, len, |out| {
            let mut at = 0;
            for part in parts {
                assert_eq!(part.unit, unit, "planes of different kinds");
                part.copy_to(0, part.len, out, at);
                at += part.len;
            }
        })
    }

    /// Element `i` of the result is element `index(i)` of this plane.
    pub fn pick(&self, len: usize, mut index: impl FnMut(usize) -> usize) -> Plane {
        let words = self.words();
        Plane::build(self.unit, len, |out| match self.unit {
            Unit::Words(1) => out.iter_mut().enumerate().for_each(|(i, o)| *o = words[index(i)]),
            Unit::Words(w) => {
                for (i, o) in out.chunks_exact_mut(w).enumerate() {
                    o.copy_from_slice(&words[index(i) * w..][..w]);
                }
            }
            Unit::Bit => {
                for i in 0..len {
                    let from = index(i);
                    assert!(from < self.len, "index outside the plane");
                    out[i / 64] |= (words[from / 64] >> (from % 64) & 1) << (i % 64);
                }
            }
        })
    }

    /// Rows of `width` elements: row `i` of the result is row `rows[i]` of this plane.
    pub fn pick_rows(&self, rows: &[usize], width: usize) -> Plane {
        let starts: Vec<usize> = rows.iter().map(|row| row * width).collect();
        self.pick_runs(&starts, width)
    }

    /// Runs of `width` elements from each of these places, one after the other.
    ///
    /// # Panics
    /// If one does not exist.
    pub fn pick_runs(&self, starts: &[usize], width: usize) -> Plane {
        Plane::build(self.unit, starts.len() * width, |out| {
            for (i, start) in starts.iter().enumerate() {
                assert!(start + width <= self.len, "run outside the plane");
                self.copy_to(*start, width, out, i * width);
            }
        })
    }

    /// From each of these places on, `width` elements `stride` apart.
    fn pick_steps(&self, starts: &[usize], width: usize, stride: i64) -> Plane {
        let words = self.words();
        if self.unit != Unit::Words(1) {
            let at = |i: usize| starts[i / width] as i64 + (i % width) as i64 * stride;
            return self.pick(starts.len() * width, |i| at(i) as usize);
        }
        Plane::build(self.unit, starts.len() * width, |out| {
            for (&start, out) in starts.iter().zip(out.chunks_exact_mut(width)) {
                match stride {
                    0 => out.fill(words[start]),
                    _ => out.iter_mut().enumerate().for_each(|(i, out)| {
                        *out = words[(start as i64 + i as i64 * stride) as usize];
                    }),
                }
            }
        })
    }

    /// Places `range` of a view that repeats.
    fn repeated(&self, range: Range<usize>, repeat: Repeat) -> Plane {
        let (words, Unit::Words(w)) = (self.words(), self.unit) else {
            return self.pick(range.len(), |i| repeat.index(range.start + i));
        };
        Plane::build(self.unit, range.len(), |out| {
            let mut at = range.start;
            while at < range.end {
                let (from, to) = (repeat.index(at), &mut out[(at - range.start) * w..]);
                // To the end of the run, or of the period if each stands once.
                let left = match repeat.run {
                    1 => repeat.first + repeat.period - from,
                    run => run - at % run,
                };
                let len = left.min(range.end - at);
                match (repeat.run, w) {
                    (1, _) => to[..len * w].copy_from_slice(&words[from * w..][..len * w]),
                    (_, 1) => to[..len].fill(words[from]),
                    _ => {
                        let element = &words[from * w..][..w];
                        to[..len * w]
                            .chunks_exact_mut(w)
                            .for_each(|to| to.copy_from_slice(element));
                    }
                }
                at += len;
            }
        })
    }

    /// `len` elements: the one element of `fill` everywhere but at runs of `width` from these places,
    /// which are those of this plane, one after the other.
    ///
    /// # Panics
    /// If a run does not fit, or elements are bits.
    fn spread(&self, fill: &Plane, len: usize, starts: &[usize], width: usize) -> Plane {
        let Unit::Words(w) = self.unit else { panic!("bits are not spread") };
        Plane::build(self.unit, len, |out| {
            if fill.words().iter().any(|&word| word != 0) {
                out.chunks_exact_mut(w).for_each(|out| out.copy_from_slice(fill.words()));
            }
            for (i, start) in starts.iter().enumerate() {
                self.copy_to(i * width, width, out, *start);
            }
        })
    }

    /// The same words with elements of another unit, `len` of them: bits as words of 64 and back.
    ///
    /// # Panics
    /// If the words do not fit.
    pub fn reinterpret(&self, unit: Unit, len: usize) -> Plane {
        assert_eq!(unit.words(len), self.unit.words(self.len), "another number of words");
        Plane { unit, len, ..self.clone() }
    }
}

/// Memory that may be kept alive by a part of it.
const LITTLE_WORDS: usize = 512;

/// A view that repeats elements: `first`, `first + 1` and so on, `period` of them, each `run` times in a row, and
/// then from the first again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// First element.
    pub first: usize,
    /// How many.
    pub period: usize,
    /// How often in a row.
    pub run: usize,
}

impl Repeat {
    /// What an affine view repeats, if that is all it does: it leaves out and reorders nothing.
    pub fn of_view(offset: i64, dims: &[(u64, i64)]) -> Option<Repeat> {
        let zero = |&&(size, stride): &&(u64, i64)| size == 1 || stride == 0;
        let inner = dims.iter().rev().take_while(zero).count();
        let (dims, inner) = dims.split_at(dims.len() - inner);
        let (_, dims) = dims.split_at(dims.iter().take_while(zero).count());
        let mut period = 1;
        for &(size, stride) in dims.iter().rev() {
            if size != 1 && stride != period {
                return None;
            }
            period *= size as i64;
        }
        let run: u64 = inner.iter().map(|(size, _)| size).product();
        let first = usize::try_from(offset).ok()?;
        (period > 0 && run > 0).then_some(Repeat {
            first,
            period: period as usize,
            run: run as usize,
        })
    }

    /// Which element stands at place `i`.
    fn index(self, i: usize) -> usize {
        self.first + i / self.run % self.period
    }
}

/// Length from which on consecutive elements of a view are copied as a whole.
const LONG_RUN: u64 = 16;

/// A share vector: what one party holds of `len` secret numbers or bits.
///
/// Without planes it is a *phantom*, as the cost ledger uses it: it has length and depth only, and may count the
/// memory that its planes would take.
#[derive(Clone)]
pub struct Shares {
    planes: Vec<Plane>,
    len: usize,
    counted: Option<Counted>,
    /// Longest chain of messages that it was computed from.
    pub depth: Depth,
}

/// Memory of a phantom, held by all that are parts of it.
#[derive(Clone)]
struct Counted {
    units: Rc<[Unit]>,
    memory: Rc<[buffer::Phantom]>,
}

impl Counted {
    /// Planes of these units, of `len` elements.
    fn new(units: Rc<[Unit]>, len: usize) -> Counted {
        let memory = units.iter().map(|unit| buffer::Phantom::new(unit.words(len))).collect();
        Counted { units, memory }
    }

    /// As [`Plane::compact`].
    fn compact(self, len: usize) -> Counted {
        let much = self.units.iter().zip(self.memory.iter()).any(|(unit, memory)| {
            let held = memory.words();
            held > LITTLE_WORDS && held >= 2 * unit.words(len)
        });
        if much { Counted::new(self.units, len) } else { self }
    }
}

impl Shares {
    /// A share vector of planes of equal length.
    pub fn new(planes: Vec<Plane>, depth: Depth) -> Shares {
        let len = planes.first().map_or(0, Plane::len);
        assert!(planes.iter().all(|p| p.len() == len), "planes of different lengths");
        Shares { planes, len, counted: None, depth }
    }

    /// A share vector without content.
    pub fn phantom(len: usize, depth: Depth) -> Shares {
        Shares { planes: vec![], len, counted: None, depth }
    }

    /// A share vector without content that counts the memory of planes of these units.
    pub fn counted(len: usize, depth: Depth, units: &Rc<[Unit]>) -> Shares {
        let counted = Some(Counted::new(units.clone(), len));
        Shares { planes: vec![], len, counted, depth }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its planes.
    pub fn planes(&self) -> &[Plane] {
        &self.planes
    }

    /// One plane.
    pub fn plane(&self, i: usize) -> &Plane {
        &self.planes[i]
    }

    /// A vector of other memory.
    fn map(&self, len: usize, plane: impl FnMut(&Plane) -> Plane) -> Shares {
        let planes = self.planes.iter().map(plane).collect();
        Shares { planes, len, counted: self.counts(len), depth: self.depth }
    }

    /// What counts the memory of a vector of such elements, if this one's is counted.
    fn counts(&self, len: usize) -> Option<Counted> {
        self.counted.as_ref().map(|counted| Counted::new(counted.units.clone(), len))
    }

    /// The elements of `range`.
    pub fn slice(&self, range: Range<usize>) -> Shares {
        assert!(range.start <= range.end && range.end <= self.len, "slice outside the vector");
        if range == (0..self.len) {
            return self.clone();
        }
        let planes = self.planes.iter().map(|p| p.slice(range.clone())).collect();
        Shares { planes, len: range.len(), counted: self.counted.clone(), depth: self.depth }
    }

    /// The same vector, without keeping alive much more memory than it needs.
    #[must_use]
    pub fn compact(self) -> Shares {
        let planes = self.planes.into_iter().map(Plane::compact).collect();
        let counted = self.counted.map(|counted| counted.compact(self.len));
        Shares { planes, counted, ..self }
    }

    /// All elements of `parts` one after the other; a phantom if one of them is.
    pub fn concat(parts: &[Shares]) -> Shares {
        if let [one] = parts {
            return one.clone();
        }
        let depth = parts.iter().fold(Depth::ZERO, |d, p| d.max(p.depth));
        let len = parts.iter().map(Shares::len).sum();
        let counted = parts.iter().find_map(|part| part.counts(len));
        let planes = parts.iter().map(|p| p.planes.len()).min().unwrap_or(0);
        let plane = |i: usize| {
            Plane::concat(&parts.iter().map(|p| p.planes[i].clone()).collect::<Vec<_>>())
        };
        Shares { planes: (0..planes).map(plane).collect(), len, counted, depth }
    }

    /// Cuts into parts of the given lengths, which add up to the whole.
    pub fn split(&self, lengths: &[usize]) -> Vec<Shares> {
        assert_eq!(lengths.iter().sum::<usize>(), self.len, "parts of another length");
        let mut at = 0;
        let mut part = |&n: &usize| {
            at += n;
            self.slice(at - n..at)
        };
        lengths.iter().map(&mut part).collect()
    }

    /// Element `i` of the result is element `index(i)` of this vector.
    pub fn pick(&self, len: usize, index: impl Fn(usize) -> usize) -> Shares {
        self.map(len, |p| p.pick(len, &index))
    }

    /// One element as often as `len` says, or the vector itself if it has that length.
    pub fn broadcast(&self, len: usize) -> Shares {
        match self.len {
            n if n == len => self.clone(),
            1 => self.pick(len, |_| 0),
            n => panic!("{n} elements cannot stand for {len}"),
        }
    }

    /// An affine view: element (i_0, i_1, …) is `offset + Σ i_d·stride_d`, last index fastest.
    pub fn view(&self, offset: i64, dims: &[(u64, i64)]) -> Shares {
        if let Some((&(width, 1), outer)) = dims.split_last()
            && width >= LONG_RUN
        {
            let starts = view_indices(offset, outer);
            let width = width as usize;
            return self.map(starts.len() * width, |p| p.pick_runs(&starts, width));
        }
        match dims.split_last() {
            Some((&(width @ 1.., stride), outer)) => {
                let (starts, width) = (view_indices(offset, outer), width as usize);
                self.map(starts.len() * width, |p| p.pick_steps(&starts, width, stride))
            }
            _ => {
                let index = view_indices(offset, dims);
                self.pick(index.len(), |i| index[i])
            }
        }
    }

    /// Places `range` of a view that repeats.
    pub fn repeated(&self, range: Range<usize>, repeat: Repeat) -> Shares {
        self.map(range.len(), |p| p.repeated(range.clone(), repeat))
    }

    /// The inverse of [`Shares::view`]: `len` numbers that are `fill`, of one element, everywhere but in
    /// the view, where they are those of this vector.
    pub fn spread(&self, fill: &Shares, len: usize, offset: i64, dims: &[(u64, i64)]) -> Shares {
        let (outer, width) = match dims.split_last() {
            Some((&(width, 1), outer)) => (outer, width as usize),
            _ => (dims, 1),
        };
        let starts = view_indices(offset, outer);
        let planes = self.planes.iter().zip(&fill.planes);
        let planes = planes.map(|(p, fill)| p.spread(fill, len, &starts, width)).collect();
        Shares { planes, len, counted: self.counts(len), depth: self.depth.max(fill.depth) }
    }

    /// Rows of `width` elements: row `i` of the result is row `rows[i]` of this vector.
    pub fn gather_rows(&self, rows: &[usize], width: usize) -> Shares {
        self.map(rows.len() * width, |p| p.pick_rows(rows, width))
    }

    /// Rows of `width` elements: row `rows[i]` of the result is row `i` of this vector; `rows` is a
    /// permutation.
    pub fn scatter_rows(&self, rows: &[usize], width: usize) -> Shares {
        let mut from = vec![0; rows.len()];
        rows.iter().enumerate().for_each(|(i, &to)| from[to] = i);
        self.gather_rows(&from, width)
    }

    /// The same vector, said to depend on longer chains.
    #[must_use]
    pub fn at_depth(mut self, depth: Depth) -> Shares {
        self.depth = self.depth.max(depth);
        self
    }
}

/// Indices that an affine view reads, in order.
pub fn view_indices(offset: i64, dims: &[(u64, i64)]) -> Vec<usize> {
    let mut index = vec![offset];
    for &(size, stride) in dims {
        index = index.iter().flat_map(|&i| (0..size as i64).map(move |j| i + j * stride)).collect();
    }
    index.into_iter().map(|i| usize::try_from(i).expect("views are verified on load")).collect()
}

/// A vector that all parties know, or, if private, only its owner; elsewhere it is *absent*, as is
/// everything computed from it.
#[derive(Clone)]
pub struct ClearVec<T> {
    values: Option<Rc<Vec<T>>>,
    /// First of the values.
    start: usize,
    len: usize,
    /// Longest chain of messages that it was computed from.
    pub depth: Depth,
}

/// Clear numbers.
pub type Clear = ClearVec<i128>;
/// Clear bits.
pub type ClearBits = ClearVec<bool>;

impl<T: Copy> ClearVec<T> {
    /// A vector with these values.
    pub fn new(values: impl Into<Vec<T>>, depth: Depth) -> Self {
        let values = values.into();
        ClearVec { start: 0, len: values.len(), values: Some(Rc::new(values)), depth }
    }

    /// A vector whose values this party does not have.
    pub fn absent(len: usize, depth: Depth) -> Self {
        ClearVec { values: None, start: 0, len, depth }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The values; `None` if absent.
    pub fn values(&self) -> Option<&[T]> {
        self.values.as_ref().map(|values| &values[self.start..self.start + self.len])
    }

    /// A vector of `len` elements computed from the values, if they are there.
    pub fn map<U: Copy>(&self, len: usize, f: impl FnOnce(&[T]) -> Vec<U>) -> ClearVec<U> {
        let Some(values) = self.values().map(f) else { return ClearVec::absent(len, self.depth) };
        debug_assert_eq!(values.len(), len);
        ClearVec::new(values, self.depth)
    }

    /// Element by element; one of length 1 stands for any length.
    pub fn zip<U: Copy, V: Copy>(&self, other: &ClearVec<U>, f: impl Fn(T, U) -> V) -> ClearVec<V> {
        let len = if self.len == 1 { other.len } else { self.len };
        let depth = self.depth.max(other.depth);
        let (Some(a), Some(b)) = (self.values(), other.values()) else {
            return ClearVec::absent(len, depth);
        };
        let at = |i: usize, n: usize| if n == 1 { 0 } else { i };
        let values: Vec<V> = (0..len).map(|i| f(a[at(i, a.len())], b[at(i, b.len())])).collect();
        ClearVec::new(values, depth)
    }

    /// The elements of `range`, in the same memory.
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len, "slice outside the vector");
        ClearVec { start: self.start + range.start, len: range.len(), ..self.clone() }
    }

    /// All elements of `parts` one after the other; absent if one of them is.
    pub fn concat(parts: &[Self]) -> Self {
        let depth = parts.iter().fold(Depth::ZERO, |d, p| d.max(p.depth));
        let len = parts.iter().map(|p| p.len).sum();
        let values: Option<Vec<&[T]>> = parts.iter().map(|p| p.values()).collect();
        match values {
            Some(values) => ClearVec::new(values.concat(), depth),
            None => ClearVec::absent(len, depth),
        }
    }

    /// One element as often as `len` says, or the vector itself if it has that length.
    pub fn broadcast(&self, len: usize) -> Self {
        match self.len {
            n if n == len => self.clone(),
            1 => self.map(len, |v| vec![v[0]; len]),
            n => panic!("{n} elements cannot stand for {len}"),
        }
    }

    /// Element `i` of the result is element `index(i)` of this vector.
    pub fn pick(&self, len: usize, index: impl Fn(usize) -> usize) -> Self {
        self.map(len, |v| (0..len).map(|i| v[index(i)]).collect())
    }

    /// Places `range` of a view that repeats.
    pub fn repeated(&self, range: Range<usize>, repeat: Repeat) -> Self {
        self.pick(range.len(), |i| repeat.index(range.start + i))
    }

    /// The same vector, said to depend on longer chains.
    #[must_use]
    pub fn at_depth(mut self, depth: Depth) -> Self {
        self.depth = self.depth.max(depth);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(n: usize) -> Plane {
        Plane::bits(n, |i| i % 3 == 0 || i % 7 == 1)
    }

    #[test]
    fn slices_and_concatenations_of_bits_are_exact_at_every_offset() {
        let n = 300;
        let all = bits(n);
        for start in [0, 1, 63, 64, 65, 127, 128, 200] {
            for len in [0, 1, 2, 63, 64, 65, 99] {
                let part = all.slice(start..start + len);
                assert!((0..len).all(|i| part.bit(i) == all.bit(start + i)));
                let words = part.words();
                assert_eq!(words.len(), len.div_ceil(64));
                if len % 64 != 0 {
                    assert_eq!(words[len / 64] >> (len % 64), 0, "bits behind the end");
                }
                let joined = Plane::concat(&[part.clone(), all.slice(0..70), part]);
                assert!((0..70).all(|i| joined.bit(len + i) == all.bit(i)));
                assert!((0..len).all(|i| joined.bit(len + 70 + i) == all.bit(start + i)));
            }
        }
    }

    #[test]
    fn zeros_have_their_memory_in_common_and_stay_zeros() {
        let zeros = Plane::zero(Unit::Words(1), 5000);
        let part = zeros.slice(10..2000).compact();
        let joined = Plane::concat(&[part.clone(), zeros.clone()]);
        assert!(part.is_zero() && joined.is_zero() && joined.len() == 6990);
        assert!(joined.words().iter().all(|&word| word == 0));
        assert!(Rc::ptr_eq(&zeros.buffer, &part.buffer));
        let other = Plane::build(Unit::Words(1), 1, |_| ());
        assert!(!Plane::concat(&[part, other]).is_zero(), "not known to be");
    }

    #[test]
    fn views_read_what_they_say() {
        assert_eq!(view_indices(5, &[(2, -3), (3, 1)]), [5, 6, 7, 2, 3, 4]);
        assert_eq!(view_indices(0, &[(3, 1), (2, 3)]), [0, 3, 1, 4, 2, 5]);
        assert_eq!(view_indices(7, &[]), [7]);
        let dims: [&[(u64, i64)]; 10] = [
            &[(2, 3), (4, -2)],
            &[(3, 1), (5, 0)],
            &[(2, 1), (20, 1)],
            &[],
            &[(0, 1)],
            &[(2, 0), (3, 7)],
            &[(2, 0), (5, 1), (3, 0)],
            &[(9, 1), (4, 0), (1, 5), (2, 0)],
            &[(3, 0), (20, 1)],
            &[(2, 0), (3, 4), (4, 1), (2, 0)],
        ];
        let repeats = |dims: &[(u64, i64)]| Repeat::of_view(7, dims).is_some();
        assert_eq!(
            dims.map(repeats),
            [false, true, false, true, false, false, true, true, true, true]
        );
        let plane = |unit: Unit| {
            Plane::build(unit, 64, |out| {
                out.iter_mut()
                    .enumerate()
                    .for_each(|(i, out)| *out = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            })
        };
        for (unit, dims) in [Unit::Words(1), Unit::Words(2), Unit::Bit]
            .into_iter()
            .flat_map(|u| dims.map(|d| (u, d)))
        {
            let all = Shares::new(vec![plane(unit)], Depth::ZERO);
            let (seen, index) = (all.view(7, dims), view_indices(7, dims));
            if let Some(repeat) = Repeat::of_view(7, dims) {
                for range in [0..index.len(), index.len() / 3..index.len(), 1..index.len().max(1)] {
                    let part = all.repeated(range.clone(), repeat);
                    assert_eq!(
                        part.plane(0).words(),
                        seen.slice(range).plane(0).words(),
                        "{dims:?}"
                    );
                }
            }
            let expected = all.pick(index.len(), |i| index[i]);
            assert_eq!(
                (seen.len(), seen.plane(0).words()),
                (index.len(), expected.plane(0).words())
            );
        }
    }
}

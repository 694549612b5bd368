//! Share vectors as planes, and clear vectors.
//!
//! A share vector is a list of planes that the scheme defines: two planes of `u64` for replicated
//! sharing, one of packed bits per component for binary sharing, and so on. Moving elements around
//! is the same for all schemes and lives here; only a scheme's kernels look inside a plane, as
//! contiguous slices of one type.

use std::ops::Range;
use std::rc::Rc;

use mpc_runtime::buffer::Buffer;
pub use mpc_runtime::buffer::live_bytes;
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
}

impl Plane {
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
            Plane { buffer: Rc::new(buffer), unit, start: 0, len }
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
            return Plane { buffer: self.buffer.clone(), unit: self.unit, start, len };
        }
        let from = range.start;
        Plane::build(self.unit, len, |out| self.copy_to(from, len, out, 0))
    }

    /// The same plane, in memory of its own if it keeps alive more than twice what it needs.
    fn compact(self) -> Plane {
        let held = self.buffer.words().len();
        if held <= 512 || held < 2 * self.unit.words(self.len) {
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
        Plane { buffer: Rc::new(buffer), unit, start: 0, len }
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

    /// The same words with elements of another unit, `len` of them: bits as words of 64 and back.
    ///
    /// # Panics
    /// If the words do not fit.
    pub fn reinterpret(&self, unit: Unit, len: usize) -> Plane {
        assert_eq!(unit.words(len), self.unit.words(self.len), "another number of words");
        Plane { buffer: self.buffer.clone(), unit, start: self.start, len }
    }
}

/// Length from which on consecutive elements of a view are copied as a whole.
const LONG_RUN: u64 = 16;

/// A share vector: what one party holds of `len` secret numbers or bits.
///
/// Without planes it is a *phantom*, as the cost ledger uses it: it has length and depth only.
#[derive(Clone)]
pub struct Shares {
    planes: Vec<Plane>,
    len: usize,
    /// Longest chain of messages that it was computed from.
    pub depth: Depth,
}

impl Shares {
    /// A share vector of planes of equal length.
    pub fn new(planes: Vec<Plane>, depth: Depth) -> Shares {
        let len = planes.first().map_or(0, Plane::len);
        assert!(planes.iter().all(|p| p.len() == len), "planes of different lengths");
        Shares { planes, len, depth }
    }

    /// A share vector without content.
    pub fn phantom(len: usize, depth: Depth) -> Shares {
        Shares { planes: vec![], len, depth }
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

    fn map(&self, len: usize, plane: impl FnMut(&Plane) -> Plane) -> Shares {
        Shares { planes: self.planes.iter().map(plane).collect(), len, depth: self.depth }
    }

    /// The elements of `range`.
    pub fn slice(&self, range: Range<usize>) -> Shares {
        assert!(range.start <= range.end && range.end <= self.len, "slice outside the vector");
        if range == (0..self.len) {
            return self.clone();
        }
        self.map(range.len(), |p| p.slice(range.clone()))
    }

    /// The same vector, without keeping alive much more memory than it needs.
    #[must_use]
    pub fn compact(self) -> Shares {
        Shares { planes: self.planes.into_iter().map(Plane::compact).collect(), ..self }
    }

    /// All elements of `parts` one after the other; a phantom if one of them is.
    pub fn concat(parts: &[Shares]) -> Shares {
        let depth = parts.iter().fold(Depth::ZERO, |d, p| d.max(p.depth));
        let len = parts.iter().map(Shares::len).sum();
        let planes = parts.iter().map(|p| p.planes.len()).min().unwrap_or(0);
        let plane = |i: usize| {
            Plane::concat(&parts.iter().map(|p| p.planes[i].clone()).collect::<Vec<_>>())
        };
        Shares { planes: (0..planes).map(plane).collect(), len, depth }
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
        let index = view_indices(offset, dims);
        self.pick(index.len(), |i| index[i])
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
    values: Option<Rc<[T]>>,
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
    pub fn new(values: impl Into<Rc<[T]>>, depth: Depth) -> Self {
        let values = values.into();
        ClearVec { len: values.len(), values: Some(values), depth }
    }

    /// A vector whose values this party does not have.
    pub fn absent(len: usize, depth: Depth) -> Self {
        ClearVec { values: None, len, depth }
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
        self.values.as_deref()
    }

    /// A vector of `len` elements computed from the values, if they are there.
    pub fn map<U: Copy>(&self, len: usize, f: impl FnOnce(&[T]) -> Vec<U>) -> ClearVec<U> {
        let values = self.values().map(|v| Rc::from(f(v)));
        debug_assert!(values.as_ref().is_none_or(|v: &Rc<[U]>| v.len() == len));
        ClearVec { values, len, depth: self.depth }
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

    /// The elements of `range`.
    pub fn slice(&self, range: Range<usize>) -> Self {
        if range == (0..self.len) {
            return self.clone();
        }
        self.map(range.len(), |v| v[range].to_vec())
    }

    /// All elements of `parts` one after the other; absent if one of them is.
    pub fn concat(parts: &[Self]) -> Self {
        let depth = parts.iter().fold(Depth::ZERO, |d, p| d.max(p.depth));
        let len = parts.iter().map(|p| p.len).sum();
        let values: Option<Vec<&[T]>> = parts.iter().map(|p| p.values()).collect();
        ClearVec { values: values.map(|v| v.concat().into()), len, depth }
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
    fn views_read_what_they_say() {
        assert_eq!(view_indices(5, &[(2, -3), (3, 1)]), [5, 6, 7, 2, 3, 4]);
        assert_eq!(view_indices(0, &[(3, 1), (2, 3)]), [0, 3, 1, 4, 2, 5]);
        assert_eq!(view_indices(7, &[]), [7]);
    }
}

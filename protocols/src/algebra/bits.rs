//! Bit matrices: between words and rows of bits, and rows as they travel.
//!
//! A *row* holds bit `j` of `n` numbers, 64 to a word; a vector of numbers of `k` bits is `k` rows, so
//! that a row of AND gates is one contiguous pass. A row starts at a word boundary, except in *dense*
//! rows, which follow one another without gaps.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::ring::Word;
use super::simd::{self, SQUARES, Strip};

/// Bits as words of 64, the first bit lowest; bits behind the last are 0.
pub fn packed(bits: &[bool]) -> impl ExactSizeIterator<Item = u64> + '_ {
    bits.chunks(64).map(|bits| bits.iter().rev().fold(0, |word, &bit| word << 1 | u64::from(bit)))
}

/// The lowest bits of at most 64 numbers as a word, that of the first the lowest.
#[inline(always)]
pub fn lowest(x: impl IntoIterator<Item = u64>) -> u64 {
    (0..).zip(x).fold(0, |word, (i, x)| word | (x & 1) << i)
}

/// The lowest bits of blocks, packed.
pub fn lowest_of_each(blocks: &[u128]) -> Zeroizing<Vec<u64>> {
    Zeroizing::new(
        blocks.chunks(64).map(|blocks| lowest(blocks.iter().map(|&b| b as u64))).collect(),
    )
}

/// Words of a row of `n` bits.
pub fn stride(n: usize) -> usize {
    n.div_ceil(64)
}

/// Row `j` of `out` gets bit `j` of `number(i)` at place `i`, for `j < rows`. Bits behind the last
/// number are 0.
pub fn to_rows<W: Word>(n: usize, rows: usize, out: &mut [u64], number: impl Fn(usize) -> W) {
    assert_eq!(out.len(), rows * stride(n), "rows fit");
    spread(n, rows, number, |j, first, row, _| {
        let at = j * stride(n) + first / 64;
        simd::prefetch(out, at + 2 * SQUARES);
        copy_words(row, &mut out[at..]);
    });
}

/// [`to_rows`] with dense rows. `out` is 0 before.
pub fn to_dense_rows<W: Word>(n: usize, rows: usize, out: &mut [u64], number: impl Fn(usize) -> W) {
    assert_eq!(out.len(), stride(n * rows), "rows fit");
    spread(n, rows, number, |j, first, row, len| copy_bits(row, 0, len, out, j * n + first));
}

/// Calls `put(j, first, words, len)` for the `len` bits from `first` on of each row `j`; `first` is a
/// multiple of 64.
fn spread<W: Word>(
    n: usize,
    rows: usize,
    number: impl Fn(usize) -> W,
    mut put: impl FnMut(usize, usize, &[u64], usize),
) {
    assert!(rows <= W::BITS as usize, "numbers have so many bits");
    let mut strips: [Strip; 2] = [[[0; SQUARES]; 64]; 2];
    for first in (0..n).step_by(64 * SQUARES) {
        let here = (n - first).min(64 * SQUARES);
        for (square, from) in (first..first + here).step_by(64).enumerate() {
            let mut fill = |i: usize, words: [u64; 2]| {
                strips[0][i][square] = words[0];
                if W::BITS > 64 {
                    strips[1][i][square] = words[1];
                }
            };
            let there = (first + here - from).min(64);
            (0..there).for_each(|i| fill(i, number(from + i).words()));
            (there..64).for_each(|i| fill(i, [0; 2]));
        }
        for (half, strip) in strips.iter_mut().enumerate().take(rows.div_ceil(64)) {
            let wanted = (rows - 64 * half).min(64);
            simd::transpose_strip(strip, wanted);
            for (j, row) in strip.iter().enumerate().take(wanted) {
                put(64 * half + j, first, &row[..stride(here)], here);
            }
        }
    }
}

/// Numbers of `k` bits one after the other, `n` of them: bit `i·k + j` of `out`, which is 0 before,
/// is place `i` of `row(j)`.
pub fn from_rows<'a>(n: usize, k: usize, out: &mut [u64], row: impl Fn(usize) -> &'a [u64]) {
    gather(n, k, out, |j| (row(j), 0));
}

/// [`from_rows`] with dense rows: bit `j` of a number is row `row(j)` of `rows`.
pub fn from_dense_rows(
    n: usize,
    k: usize,
    out: &mut [u64],
    rows: &[u64],
    row: impl Fn(usize) -> usize,
) {
    gather(n, k, out, |j| (rows, row(j) * n));
}

/// Row `j` is the words and the place in them that `row(j)` tells.
fn gather<'a>(n: usize, k: usize, out: &mut [u64], row: impl Fn(usize) -> (&'a [u64], usize)) {
    for first in (0..n).step_by(64 * SQUARES) {
        let here = (n - first).min(64 * SQUARES);
        for low in (0..k).step_by(64) {
            let width = (k - low).min(64);
            let mut strip: Strip = [[0; SQUARES]; 64];
            for (j, line) in strip.iter_mut().enumerate().take(width) {
                let (words, start) = row(low + j);
                simd::prefetch(words, (start + first) / 64 + 2 * SQUARES);
                if here == 64 * SQUARES && start.is_multiple_of(64) {
                    copy_words(&words[(start + first) / 64..][..SQUARES], line);
                } else {
                    copy_bits(words, start + first, here, line, 0);
                }
            }
            simd::transpose_strip(&mut strip, 64);
            if width == k {
                simd::close_up(&mut strip, k);
                let out = &mut out[first / 64 * k..];
                for (square, out) in out.chunks_mut(k).enumerate().take(stride(here)) {
                    out.iter_mut().zip(&strip).for_each(|(out, row)| *out = row[square]);
                }
            } else if k.is_multiple_of(64) {
                let out = &mut out[first / 64 * k..];
                for (square, numbers) in out.chunks_mut(k).enumerate().take(stride(here)) {
                    let numbers = numbers.chunks_exact_mut(k / 64);
                    numbers.zip(&strip).for_each(|(number, row)| number[low / 64] = row[square]);
                }
            } else {
                for (i, at) in (0..here).map(|i| (i, (first + i) * k + low)) {
                    put(strip[i % 64][i / 64], width, out, at);
                }
            }
        }
    }
}

/// Puts `len` bits at place `at` of `out`, which is 0 there.
fn put(bits: u64, len: usize, out: &mut [u64], at: usize) {
    out[at / 64] |= bits << (at % 64);
    if at % 64 + len > 64 {
        out[at / 64 + 1] |= bits >> (64 - at % 64);
    }
}

/// Copies words to the beginning of `to`, as one line if they are one.
fn copy_words(from: &[u64], to: &mut [u64]) {
    match (<&[u64; SQUARES]>::try_from(from), to.first_chunk_mut::<SQUARES>()) {
        (Ok(from), Some(to)) => *to = *from,
        _ => to[..from.len()].copy_from_slice(from),
    }
}

/// Copies `len` bits from place `first` on to place `at` of `out`, whose bits there are 0.
pub(crate) fn copy_bits(from: &[u64], first: usize, len: usize, out: &mut [u64], at: usize) {
    if len == 0 {
        return;
    }
    let head = (64 - at % 64).min(len);
    put(take_bits(from, first, head), head, out, at);
    let (first, rest) = (first + head, len - head);
    let (body, tail) = (rest / 64, rest % 64);
    let whole = &mut out[(at + head) / 64..];
    if first.is_multiple_of(64) {
        whole[..body].copy_from_slice(&from[first / 64..][..body]);
    } else if body > 0 {
        simd::shift_words(&mut whole[..body], &from[first / 64..], (first % 64) as u32);
    }
    if tail > 0 {
        whole[body] |= take_bits(from, first + 64 * body, tail);
    }
}

/// `len` bits from place `first` on; `0 < len <= 64`.
fn take_bits(from: &[u64], first: usize, len: usize) -> u64 {
    let (word, shift) = (first / 64, first % 64);
    let mut bits = from[word] >> shift;
    if shift + len > 64 {
        bits |= from[word + 1] << (64 - shift);
    }
    bits & (!0 >> (64 - len))
}

/// Words of a payload that are put together at a time.
const PART: usize = 512;

/// Rows on the wire: `rows` of them with `bits` bits each, one after the other without gaps.
#[derive(Clone, Copy)]
pub struct Wire {
    /// Number of rows.
    pub rows: usize,
    /// Bits of a row.
    pub bits: usize,
}

impl Wire {
    /// Whole words.
    pub fn words(words: usize) -> Wire {
        Wire { rows: 1, bits: 64 * words }
    }

    /// Bytes of payload.
    pub fn bytes(self) -> usize {
        (self.rows * self.bits).div_ceil(8)
    }

    /// Whether rows travel as they stand in memory.
    pub fn dense(self) -> bool {
        self.bits.is_multiple_of(64)
    }

    /// The payload; bits behind the end of a row are left out.
    pub fn pack(self, words: &[u64]) -> Cow<'_, [u8]> {
        if self.dense() {
            assert_eq!(words.len(), self.rows * stride(self.bits), "rows of another size");
            return Cow::Borrowed(bytemuck::cast_slice(words));
        }
        let mut payload = vec![0; self.bytes()];
        self.pack_into(words, &mut payload);
        Cow::Owned(payload)
    }

    /// [`Wire::pack`] into the place where the payload is wanted.
    pub fn pack_into(self, words: &[u64], payload: &mut [u8]) {
        let stride = stride(self.bits);
        assert_eq!(words.len(), self.rows * stride, "rows of another size");
        assert_eq!(payload.len(), self.bytes(), "a payload of another size");
        if self.dense() {
            return payload.copy_from_slice(bytemuck::cast_slice(words));
        }
        let mut packed = [0; PART];
        for (i, part) in payload.chunks_mut(8 * PART).enumerate() {
            packed.fill(0);
            self.pieces(i, |row, from, len, at| {
                copy_bits(&words[row * stride..][..stride], from, len, &mut packed, at);
            });
            part.copy_from_slice(&bytemuck::cast_slice(&packed)[..part.len()]);
        }
    }

    /// Reads a payload into rows that are 0 before.
    pub fn unpack(self, payload: &[u8], out: &mut [u64]) {
        assert_eq!(payload.len(), self.bytes(), "the length was checked on arrival");
        if self.dense() {
            bytemuck::cast_slice_mut(out).copy_from_slice(payload);
            return;
        }
        let stride = stride(self.bits);
        let mut packed = [0; PART];
        for (i, part) in payload.chunks(8 * PART).enumerate() {
            bytemuck::cast_slice_mut(&mut packed)[..part.len()].copy_from_slice(part);
            self.pieces(i, |row, from, len, at| {
                copy_bits(&packed, at, len, &mut out[row * stride..][..stride], from);
            });
        }
    }

    /// Calls `piece(row, from, len, at)` for the bits of rows that lie in part `i` of a payload: `len`
    /// of them from `from` on are at place `at` of the part.
    fn pieces(self, i: usize, mut piece: impl FnMut(usize, usize, usize, usize)) {
        let (start, end) = (64 * PART * i, (64 * PART * (i + 1)).min(self.rows * self.bits));
        let mut at = start;
        while at < end {
            let (row, from) = (at / self.bits, at % self.bits);
            let len = (self.bits - from).min(end - at);
            piece(row, from, len, at - start);
            at += len;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(i: usize) -> u128 {
        (i as u128 + 3).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
    }

    #[test]
    fn rows_hold_the_bits_and_read_back() {
        for n in [0, 1, 63, 64, 65, 200, 512, 600] {
            for rows in [1, 5, 63, 64, 65, 100, 128] {
                let mut out = vec![0; rows * stride(n)];
                to_rows(n, rows, &mut out, number);
                let bit = |i: usize, j: usize| number(i) >> j & 1;
                for (i, j) in (0..n).flat_map(|i| (0..rows).map(move |j| (i, j))) {
                    let word = out[j * stride(n) + i / 64];
                    assert_eq!(u128::from(word >> (i % 64) & 1), bit(i, j));
                }
                let mut dense = vec![0; stride(n * rows)];
                to_dense_rows(n, rows, &mut dense, number);
                for (i, j) in (0..n).flat_map(|i| (0..rows).map(move |j| (i, j))) {
                    let at = j * n + i;
                    assert_eq!(u128::from(dense[at / 64] >> (at % 64) & 1), bit(i, j));
                }
                // The last row stands for all above.
                let mut signed = vec![0; 2 * n];
                from_dense_rows(n, 128, &mut signed, &dense, |j| j.min(rows - 1));
                for (i, j) in (0..n).flat_map(|i| (0..128).map(move |j| (i, j))) {
                    let word = signed[2 * i + j / 64];
                    assert_eq!(u128::from(word >> (j % 64) & 1), bit(i, j.min(rows - 1)));
                }
                let mut back = vec![0; (n * rows).div_ceil(64)];
                from_rows(n, rows, &mut back, |j| &out[j * stride(n)..][..stride(n)]);
                for at in 0..n * rows {
                    assert_eq!(
                        u128::from(back[at / 64] >> (at % 64) & 1),
                        bit(at / rows, at % rows)
                    );
                }
            }
        }
    }

    #[test]
    fn rows_travel_without_gaps_and_without_what_lies_behind_their_end() {
        for (rows, bits) in
            [(1, 1), (3, 63), (5, 64), (2, 65), (7, 3), (0, 5), (4, 0), (2, 40_000), (11, 32_769)]
        {
            let wire = Wire { rows, bits };
            let mut words = vec![!0; rows * stride(bits)];
            let payload = wire.pack(&words).into_owned();
            assert_eq!(payload.len(), (rows * bits).div_ceil(8));
            assert_eq!(payload.iter().map(|b| b.count_ones()).sum::<u32>() as usize, rows * bits);
            let mut back = vec![0; words.len()];
            wire.unpack(&payload, &mut back);
            for row in words.chunks_mut(stride(bits).max(1)) {
                if bits % 64 != 0 {
                    *row.last_mut().expect("rows have words") >>= 64 - bits % 64;
                }
            }
            assert_eq!(words, back);
        }
    }

    #[test]
    fn bits_are_copied_from_every_place_to_every_place() {
        let from: Vec<u64> = (0..6).map(|i| number(i) as u64).collect();
        let bit = |words: &[u64], i: usize| words[i / 64] >> (i % 64) & 1;
        for (first, at) in (0..66).flat_map(|first| (0..66).map(move |at| (first, at))) {
            for len in [0, 1, 5, 62, 63, 64, 65, 127, 128, 200, 300] {
                let mut out = vec![0; 6];
                copy_bits(&from, first, len, &mut out, at);
                for i in 0..6 * 64 {
                    let copied = (at..at + len).contains(&i);
                    assert_eq!(bit(&out, i), if copied { bit(&from, first + i - at) } else { 0 });
                }
            }
        }
    }
}

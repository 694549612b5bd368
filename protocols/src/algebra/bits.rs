//! Bit matrices: between words and rows of bits, and rows as they travel.
//!
//! A *row* holds bit `j` of `n` numbers, 64 to a word, and starts at a word boundary; a vector of
//! numbers of `k` bits is `k` rows. A row of AND gates is then one contiguous pass.

use std::borrow::Cow;

use super::ring::Word;
use super::simd;
use crate::value::copy_bits;

/// Words of a row of `n` bits.
pub fn stride(n: usize) -> usize {
    n.div_ceil(64)
}

/// Row `j` of `out` gets bit `j` of `number(i)` at place `i`, for `j < rows`. Bits behind the last
/// number are 0.
pub fn to_rows<W: Word>(n: usize, rows: usize, out: &mut [u64], number: impl Fn(usize) -> W) {
    let stride = stride(n);
    assert!(out.len() == rows * stride && rows <= W::BITS as usize, "rows and numbers fit");
    let mut blocks = [[0; 64]; 2];
    for column in 0..stride {
        let numbers = (n - column * 64).min(64);
        let [low, high] = &mut blocks;
        for (i, (low, high)) in low.iter_mut().zip(high).enumerate() {
            [*low, *high] = if i < numbers { number(column * 64 + i).words() } else { [0; 2] };
        }
        for (half, block) in blocks.iter_mut().enumerate().take(rows.div_ceil(64)) {
            simd::transpose(block);
            for j in half * 64..rows.min(half * 64 + 64) {
                out[j * stride + column] = block[j % 64];
            }
        }
    }
}

/// Numbers of `k` bits one after the other, `n` of them: bit `i·k + j` of `out`, which is 0 before,
/// is place `i` of `row(j)`.
pub fn from_rows<'a>(n: usize, k: usize, out: &mut [u64], row: impl Fn(usize) -> &'a [u64]) {
    let mut block = [0; 64];
    for column in 0..stride(n) {
        for first in (0..k).step_by(64) {
            let width = (k - first).min(64);
            for (j, word) in block.iter_mut().enumerate() {
                *word = if j < width { row(first + j)[column] } else { 0 };
            }
            simd::transpose(&mut block);
            for (i, &bits) in block.iter().enumerate().take(n - column * 64) {
                let at = (column * 64 + i) * k + first;
                out[at / 64] |= bits << (at % 64);
                if at % 64 + width > 64 {
                    out[at / 64 + 1] |= bits >> (64 - at % 64);
                }
            }
        }
    }
}

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
        let stride = stride(self.bits);
        assert_eq!(words.len(), self.rows * stride, "rows of another size");
        if self.dense() {
            return Cow::Borrowed(bytemuck::cast_slice(words));
        }
        let mut packed = vec![0; (self.rows * self.bits).div_ceil(64)];
        for j in 0..self.rows {
            copy_bits(&words[j * stride..][..stride], 0, self.bits, &mut packed, j * self.bits);
        }
        Cow::Owned(bytemuck::cast_slice(&packed)[..self.bytes()].to_vec())
    }

    /// Reads a payload into rows that are 0 before.
    pub fn unpack(self, payload: &[u8], out: &mut [u64]) {
        assert_eq!(payload.len(), self.bytes(), "the length was checked on arrival");
        if self.dense() {
            bytemuck::cast_slice_mut(out).copy_from_slice(payload);
            return;
        }
        let mut packed = vec![0_u64; payload.len().div_ceil(8)];
        bytemuck::cast_slice_mut(&mut packed)[..payload.len()].copy_from_slice(payload);
        let stride = stride(self.bits);
        for j in 0..self.rows {
            copy_bits(&packed, j * self.bits, self.bits, &mut out[j * stride..][..stride], 0);
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
        for n in [0, 1, 63, 64, 65, 200] {
            for rows in [1, 5, 63, 64, 65, 100, 128] {
                let mut out = vec![0; rows * stride(n)];
                to_rows(n, rows, &mut out, number);
                let bit = |i: usize, j: usize| number(i) >> j & 1;
                for (i, j) in (0..n).flat_map(|i| (0..rows).map(move |j| (i, j))) {
                    let word = out[j * stride(n) + i / 64];
                    assert_eq!(u128::from(word >> (i % 64) & 1), bit(i, j));
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
        for (rows, bits) in [(1, 1), (3, 63), (5, 64), (2, 65), (7, 3), (0, 5), (4, 0)] {
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
}

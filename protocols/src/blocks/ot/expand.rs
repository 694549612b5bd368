//! The code that makes noise look uniform: expand-convolute, Raghuraman, Rindal, Tanguy 2023, eprint 2023/882.
//!
//! Its generator matrix is `G = (I | B·A)`, of n rows and 2n columns. A is the convolution: a vector of n elements
//! goes through two passes, the second beginning in the state in which the first one ends; in a pass, to each element
//! the one before it is added, and each of the 24 before that with a probability of 1/2. A row of B has a one at
//! a uniform place in each of seven parts of nearly equal length. So the words of the code that few rows make
//! have ones at all places, whichever rows these are.
//!
//! Assumed is dual LPN with regular noise for this code: for e of 2n bits in t parts of equal length with a one
//! at a uniform place in each, G·e is pseudo-random. A linear test by a word of the code of weight `d·2n` has an
//! advantage of `(1 - 2d)^t`. For rows and a state as these, what the authors of the code have published with it (libOTe)
//! reckons with d = 0.15, below which nobody finds words; with t = [`NOISE`] that is 2^-131. Words that elimination finds have d = 1/4 or so. Random
//! codes of this rate do have words down to d = 0.11, but to find one is to decode a code of dimension n. Decoding by
//! information sets takes more than `2^t` steps at rate 1/2. Parameters as of November 2026.

use super::hash::Block;
use crate::algebra::simd::{Aes, UNIT, Window, convolve};

/// Ones in the noise, at least.
pub(super) const NOISE: usize = 256;

/// Ones in a row of the expander.
const WEIGHT: usize = 7;

/// Elements that are worked on together.
const PART: usize = 256;

/// A code of any length.
pub(crate) struct Code {
    taps: Aes,
    places: Aes,
}

/// Public random numbers, four of each block; `first` is the number of the first one.
fn draw<'a>(aes: &Aes, first: usize, blocks: &'a mut [Block]) -> &'a [u32] {
    aes.count(first as Block, blocks);
    bytemuck::cast_slice(blocks)
}

impl Code {
    /// From public keys.
    pub(crate) fn new([taps, places]: [Block; 2]) -> Code {
        Code { taps: Aes::new(taps), places: Aes::new(places) }
    }

    /// The first half of a vector e, `out`, becomes G·e; the other half is of no more use.
    ///
    /// # Panics
    /// If the halves are not equally long, or their length is no multiple of [`UNIT`].
    pub(crate) fn compress(&self, out: &mut [Block], noise: &mut [Block]) {
        assert!(out.len() == noise.len() && out.len().is_multiple_of(UNIT), "halves of a vector");
        self.convolve(noise);
        self.expand(noise, out);
    }

    /// `x` becomes A·x.
    fn convolve(&self, x: &mut [Block]) {
        let mut window = Window::default();
        let mut drawn = [0; PART / 4];
        for start in [0, x.len()] {
            for (first, x) in (start..).step_by(PART).zip(x.chunks_mut(PART)) {
                let taps = draw(&self.taps, first / 4, &mut drawn[..x.len() / 4]);
                convolve(bytemuck::cast_slice_mut(x), &mut window, taps);
            }
        }
    }

    /// Adds B·x to `out`. Few parts of x are read at a time: more would not fit the caches.
    fn expand(&self, x: &[Block], out: &mut [Block]) {
        self.expand_part::<2>(0, x, out);
        self.expand_part::<2>(2, x, out);
        self.expand_part::<2>(4, x, out);
        self.expand_part::<1>(6, x, out);
    }

    /// Adds what comes from the parts `part .. part + K` of x.
    fn expand_part<const K: usize>(&self, part: usize, x: &[Block], out: &mut [Block]) {
        let parts: [&[Block]; K] = std::array::from_fn(|i| {
            let bound = |part: usize| part * x.len() / WEIGHT;
            &x[bound(part + i)..bound(part + i + 1)]
        });
        let mut drawn = [[0; PART / 4]; K];
        let drawn = drawn.as_flattened_mut();
        for (i, out) in out.chunks_mut(PART).enumerate() {
            let first = (part << 48) + i * drawn.len();
            let places = draw(&self.places, first, &mut drawn[..K * out.len() / 4]);
            for (out, places) in out.iter_mut().zip(places.as_chunks::<K>().0) {
                let mut sum = *out;
                for (part, &place) in parts.iter().zip(places) {
                    sum ^= part[((u64::from(place) * part.len() as u64) >> 32) as usize];
                }
                *out = sum;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Length of a half.
    const LEN: usize = 64 * 9;

    fn code(key: Block) -> Code {
        Code::new([key, key + 1])
    }

    /// Blocks that look random.
    fn blocks(key: Block) -> Vec<Block> {
        let mut x: Vec<Block> = (0..2 * LEN as Block).collect();
        Aes::new(key).encrypt(&mut x);
        x
    }

    fn compressed(key: Block, mut x: Vec<Block>) -> Vec<Block> {
        let (out, noise) = x.split_at_mut(LEN);
        code(key).compress(out, noise);
        x.truncate(LEN);
        x
    }

    #[test]
    fn the_code_is_linear_and_follows_from_its_keys() {
        let (x, y) = (blocks(1), blocks(2));
        let sum: Vec<Block> = x.iter().zip(&y).map(|(x, y)| x ^ y).collect();
        let (x, y) = (compressed(5, x), compressed(5, y));
        assert!(compressed(5, sum).iter().zip(x.iter().zip(&y)).all(|(s, (x, y))| *s == x ^ y));
        assert!(compressed(5, blocks(1)) == x && compressed(7, blocks(1)) != x);
    }

    #[test]
    fn every_word_of_few_rows_has_ones_everywhere() {
        // Column j of the matrix, 128 rows to a block: what a one at place j makes of the first rows.
        let rows = 128;
        let column = |j: usize| {
            let mut x = vec![0; 2 * LEN];
            x[j] = 1;
            let made = compressed(5, x);
            (0..rows).fold(0, |all, row| all | (made[row] & 1) << row)
        };
        let columns: Vec<Block> = (0..2 * LEN).map(column).collect();
        for (j, &column) in columns[..LEN].iter().enumerate() {
            assert_eq!(column, if j < rows { 1 << j } else { 0 }, "the first half is itself");
        }
        for part in columns[LEN..].chunks(64) {
            for row in 0..rows {
                let ones = part.iter().filter(|&column| column >> row & 1 == 1).count();
                assert!((8..=56).contains(&ones), "{ones} ones of 64 in row {row}");
            }
        }
    }
}

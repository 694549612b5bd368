//! The matrix tile modulo 2^128 from products of shorter numbers.
//!
//! With halves x = x_l + 2^64·x_h: x·y = x_l·y_l + 2^64·(x_l·y_h + x_h·y_l) modulo 2^128.
//!
//! - The second term is a product modulo 2^64 of twice the inner length: a paired panel of
//!   (x_l, x_h) on the left and (y_h, y_l) on the right.
//! - The first is needed whole. x_l = d_0 + 2^22·d_1 + 2^44·d_2 with signed digits |d_i| <= 2^21;
//!   products of digits and of sums of two digits are at most 2^44, so that 512 of them add up
//!   exactly in the 53 bits of a float. Six sums suffice (Karatsuba): P_i = Σ d_i·e_i and
//!   P_ij = Σ (d_i + d_j)·(e_i + e_j) give
//!
//! ```text
//! P_0 + 2^22·(P_01 - P_0 - P_1) + 2^44·(P_02 - P_0 - P_2 + P_1) + 2^66·(P_12 - P_1 - P_2) + 2^88·P_2.
//! ```

use super::tile::{Side, Tile, paired};

/// Rows of the tile.
const M: usize = 6;
/// Columns of the tile.
const N: usize = 8;
/// Rows that the tile modulo 2^64 takes at a time.
const PART: usize = 2;

/// Digits of the low half, then sums of two.
const REALS: usize = 6;

/// The tile for processors with fused multiplication and addition in vectors of four.
pub(crate) struct Limbs(super::tile::Avx2);

impl Limbs {
    /// The tile, if the processor has the instructions.
    pub(crate) fn new() -> Option<Limbs> {
        super::tile::Avx2::new().map(Limbs)
    }
}

/// The digits of `x`, and the sums of two.
#[inline(always)]
fn digits(x: u64) -> [f64; REALS] {
    let low = |x: u64| (x << 42) as i64 >> 42;
    // What is left when a digit is taken: it is one more if the digit is negative.
    let rest = |x: u64, digit: i64| (x >> 22) + u64::from(digit < 0);
    let d0 = low(x);
    let x = rest(x, d0);
    let d1 = low(x);
    let d2 = rest(x, d1) as i64;
    [d0, d1, d2, d0 + d1, d0 + d2, d1 + d2].map(|d| d as i32 as f64)
}

/// The sum of products of low halves, from its six parts.
#[inline(always)]
fn whole(parts: [f64; REALS]) -> u128 {
    let [p0, p1, p2, p01, p02, p12] = parts.map(|p| p as i64);
    let at = |sum: i64, place: u32| (i128::from(sum) as u128) << place;
    let low = at(p0, 0).wrapping_add(at(p01 - p0 - p1, 22));
    let high =
        at(p02 - p0 - p2 + p1, 0).wrapping_add(at(p12 - p1 - p2, 22)).wrapping_add(at(p2, 44));
    low.wrapping_add(high << 44)
}

kernel! {
    /// The sums of products of two panels of floats.
    fn reals = reals_body(a: &[f64], b: &[f64], tile: &mut [[f64; N]; M])
}

#[inline(always)]
fn reals_body(a: &[f64], b: &[f64], tile: &mut [[f64; N]; M]) {
    let mut sums = [[0.0; N]; M];
    for (a, b) in a.as_chunks::<M>().0.iter().zip(b.as_chunks::<N>().0) {
        for i in 0..M {
            for j in 0..N {
                sums[i][j] = a[i].mul_add(b[j], sums[i][j]);
            }
        }
    }
    *tile = sums;
}

kernel! {
    /// Panels of the digits and sums of the low halves, one after the other.
    fn split = split_body(lows: &[u128], out: &mut [f64])
}

#[inline(always)]
fn split_body(lows: &[u128], out: &mut [f64]) {
    let n = lows.len();
    for (i, &x) in lows.iter().enumerate() {
        let digits = digits(x as u64);
        (0..REALS).for_each(|k| out[k * n + i] = digits[k]);
    }
}

impl Tile<u128, M, N> for Limbs {
    /// Floats and words as their bits.
    type Packed = u64;
    const INNER: usize = 256;
    const ROWS: usize = 48;
    const COLUMNS: usize = 256;

    fn packed(width: usize, depth: usize) -> usize {
        let words =
            if width == N { paired(N, 2 * depth) } else { width / PART * paired(PART, 2 * depth) };
        REALS * depth * width + words
    }

    fn pack<const W: usize>(&self, side: Side, panel: &[[u128; W]], out: &mut [u64]) {
        assert!(panel.len() <= 512, "sums are exact");
        let (reals, words) = out.split_at_mut(REALS * panel.len() * W);
        split(panel.as_flattened(), bytemuck::cast_slice_mut(reals));
        match side {
            Side::Left => {
                for (part, out) in words.chunks_exact_mut(paired(PART, 2 * panel.len())).enumerate()
                {
                    let rows = panel.iter().map(|x| [x[PART * part], x[PART * part + 1]]);
                    pair_halves(rows, false, out);
                }
            }
            Side::Right => pair_halves(panel.iter().copied(), true, words),
        }
    }

    fn product(&self, a: &[u64], b: &[u64], tile: &mut [[u128; N]; M]) {
        let depth = (a.len() - M / PART * PART) / (M * (REALS + 2));
        let ((a, a_words), (b, b_words)) =
            (a.split_at(REALS * depth * M), b.split_at(REALS * depth * N));
        let mut parts = [[[0.0; N]; M]; REALS];
        let panels = a.chunks_exact(depth * M).zip(b.chunks_exact(depth * N));
        for ((a, b), part) in panels.zip(&mut parts) {
            reals(bytemuck::cast_slice(a), bytemuck::cast_slice(b), part);
        }
        let mut high = [[0; N]; M];
        let (high_parts, _) = high.as_chunks_mut::<PART>();
        for (a, high) in a_words.chunks_exact(paired(PART, 2 * depth)).zip(high_parts) {
            self.0.product(a, b_words, high);
        }
        for i in 0..M {
            for j in 0..N {
                let low = whole(std::array::from_fn(|k| parts[k][i][j]));
                tile[i][j] = low.wrapping_add(u128::from(high[i][j]) << 64);
            }
        }
    }
}

/// A paired panel of the halves of each number, the high one first if `swapped`.
#[inline(always)]
fn pair_halves<const W: usize>(
    panel: impl Iterator<Item = [u128; W]>,
    swapped: bool,
    out: &mut [u64],
) {
    let (out, _) = out.as_chunks_mut::<W>();
    let (sums, pairs) = out.split_last_mut().expect("a paired panel ends with its products");
    *sums = [0; W];
    for (x, pair) in panel.zip(pairs.as_chunks_mut::<2>().0) {
        let (low, high) = (x.map(|x| x as u64), x.map(|x| (x >> 64) as u64));
        for i in 0..W {
            sums[i] = sums[i].wrapping_add(low[i].wrapping_mul(high[i]));
        }
        *pair = if swapped { [high, low] } else { [low, high] };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_small_and_make_up_the_number() {
        let halves = [0, 1, (1 << 21) - 1, 1 << 21, (1 << 22) - 1, 1 << 43, 1 << 63];
        for x in halves.into_iter().flat_map(|x: u64| [x, !x, x ^ !0 << 22, x.wrapping_neg()]) {
            let digits = digits(x);
            assert!(digits[..3].iter().all(|d| d.abs() <= f64::from(1 << 21)), "{x:x}");
            let [d0, d1, d2] = [0, 1, 2].map(|i| digits[i] as i128);
            assert_eq!(d0 + (d1 << 22) + (d2 << 44), i128::from(x));
        }
    }
}

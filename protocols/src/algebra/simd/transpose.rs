//! Transposition of squares of 64×64 bits, several side by side.

/// Squares of a strip: a line of the cache for each row.
pub const SQUARES: usize = 8;

/// Squares side by side: `strip[i][s]` is row `i` of square `s`.
pub type Strip = [[u64; SQUARES]; 64];

kernel! {
    /// Transposes each square: bit `j` of row `i` changes places with bit `i` of row `j`. Of the result,
    /// at least the first `wanted` rows are made.
    pub fn transpose_strip = transpose_strip_body(strip: &mut Strip, wanted: usize)
}

/// Swaps the off-diagonal quarters of squares of side 64, 32, …, 2 (Hacker's Delight, 7-3), three
/// sizes at a time on rows that have nothing to do with others.
#[inline(always)]
fn transpose_strip_body(strip: &mut Strip, wanted: usize) {
    for square in (0..SQUARES).step_by(LANES) {
        for i in 0..8 {
            swap_quarters(strip, square, (i, 8));
        }
        for i in (0..wanted).step_by(8) {
            swap_quarters(strip, square, (i, 1));
        }
    }
}

/// Squares that are worked on together.
const LANES: usize = 4;

/// Swaps quarters of side `4·step`, `2·step` and `step` in eight rows that are `step` apart.
#[inline(always)]
fn swap_quarters(strip: &mut Strip, square: usize, (first, step): (usize, usize)) {
    let mut rows: [[u64; LANES]; 8] =
        std::array::from_fn(|k| std::array::from_fn(|l| strip[first + k * step][square + l]));
    for distance in [4, 2, 1] {
        let side = distance * step;
        // The lower half of the bits of every pair of sides: 2^side - 1, repeated.
        let mask = !0 / ((1 << side) + 1);
        for i in (0..8).filter(|i| i & distance == 0) {
            let swap: [u64; LANES] =
                std::array::from_fn(|l| (rows[i][l] >> side ^ rows[i + distance][l]) & mask);
            for l in 0..LANES {
                rows[i][l] ^= swap[l] << side;
                rows[i + distance][l] ^= swap[l];
            }
        }
    }
    for (k, row) in rows.iter().enumerate() {
        strip[first + k * step][square..square + LANES].copy_from_slice(row);
    }
}

kernel! {
    /// Rows of each square, `k` bits in each, one after the other without gaps: then they are the
    /// first `k` rows.
    pub(crate) fn close_up = close_up_body(strip: &mut Strip, k: usize)
}

/// Row `w` of the result is made of rows from `64·w / k >= w` on.
#[inline(always)]
fn close_up_body(strip: &mut Strip, k: usize) {
    for w in 0..k {
        let (row, inside) = (64 * w / k, 64 * w % k);
        let mut word = strip[row].map(|bits| bits >> inside);
        let mut filled = k - inside;
        for bits in &strip[row + 1..] {
            if filled >= 64 {
                break;
            }
            (0..SQUARES).for_each(|s| word[s] |= bits[s] << filled);
            filled += k;
        }
        strip[w] = word;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposition_moves_every_bit() {
        let strip: Strip = std::array::from_fn(|i| {
            std::array::from_fn(|s| {
                (i as u64 + 7).wrapping_mul(0x5851_F42D_4C95_7F2D).rotate_left((i * s) as u32)
            })
        });
        for wanted in [64, 63, 5] {
            let (mut wide, mut portable) = (strip, strip);
            transpose_strip(&mut wide, wanted);
            transpose_strip_body(&mut portable, wanted);
            assert_eq!(wide, portable);
            for (i, j) in (0..64).flat_map(|i| (0..wanted).map(move |j| (i, j))) {
                (0..SQUARES).for_each(|s| assert_eq!(wide[j][s] >> i & 1, strip[i][s] >> j & 1));
            }
        }
    }
}

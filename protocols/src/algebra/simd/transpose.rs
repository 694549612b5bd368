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

/// Swaps the off-diagonal quarters of squares of side 64, 32, …, 2 (Hacker's Delight, 7-3).
#[inline(always)]
fn transpose_strip_body(strip: &mut Strip, wanted: usize) {
    swap_quarters::<32>(strip);
    swap_quarters::<16>(strip);
    swap_quarters::<8>(strip);
    // From here on no row has to do with another but within eight.
    let wanted = &mut strip[..wanted.next_multiple_of(8)];
    swap_quarters::<4>(wanted);
    swap_quarters::<2>(wanted);
    swap_quarters::<1>(wanted);
}

/// Swaps quarters of this side.
#[inline(always)]
fn swap_quarters<const SIDE: usize>(rows: &mut [[u64; SQUARES]]) {
    // The lower half of the bits of every pair of sides: 2^SIDE - 1, repeated.
    let mask = const { !0 / ((1 << SIDE) + 1) };
    for pairs in rows.chunks_exact_mut(2 * SIDE) {
        let (upper, lower) = pairs.split_at_mut(SIDE);
        for (upper, lower) in upper.iter_mut().zip(lower) {
            for s in 0..SQUARES {
                let swap = (upper[s] >> SIDE ^ lower[s]) & mask;
                upper[s] ^= swap << SIDE;
                lower[s] ^= swap;
            }
        }
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

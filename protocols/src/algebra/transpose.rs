//! Bits of numbers in words, to rows of bits, and back.

/// Transposes a 64×64 matrix of bits: bit `j` of word `i` changes places with bit `i` of word `j`.
pub fn transpose_64(m: &mut [u64; 64]) {
    let mut half = 32;
    let mut mask = 0x0000_0000_ffff_ffff_u64;
    while half > 0 {
        for i in (0..64).filter(|i| i & half == 0) {
            let swapped = (m[i] >> half ^ m[i + half]) & mask;
            m[i + half] ^= swapped;
            m[i] ^= swapped << half;
        }
        half /= 2;
        mask ^= mask << half;
    }
}

/// Writes `width` rows of `n` bits to `out`, whose bits are 0: bit `i` of row `j` is bit `j` of number
/// `i`; a number is `per` words.
pub fn to_rows(numbers: &[u64], per: usize, n: usize, width: usize, out: &mut [u64]) {
    let mut block = [0_u64; 64];
    for first in (0..n).step_by(64) {
        let lanes = (n - first).min(64);
        for word in 0..width.div_ceil(64) {
            block.fill(0);
            for (i, b) in block[..lanes].iter_mut().enumerate() {
                *b = numbers[(first + i) * per + word];
            }
            transpose_64(&mut block);
            for (j, &row) in block[..(width - 64 * word).min(64)].iter().enumerate() {
                put(out, (64 * word + j) * n + first, row, lanes);
            }
        }
    }
}

/// Writes `n` numbers of `per` words to `out`, whose bits are 0: bit `j` of number `i` is bit `i` of
/// row `from(j)`; a row is `n` bits.
pub fn from_rows(
    rows: &[u64],
    per: usize,
    n: usize,
    from: impl Fn(usize) -> usize,
    out: &mut [u64],
) {
    let mut block = [0_u64; 64];
    for first in (0..n).step_by(64) {
        let lanes = (n - first).min(64);
        for word in 0..per {
            for (j, b) in block.iter_mut().enumerate() {
                *b = take(rows, from(64 * word + j) * n + first, lanes);
            }
            transpose_64(&mut block);
            for (i, b) in block[..lanes].iter().enumerate() {
                out[(first + i) * per + word] = *b;
            }
        }
    }
}

/// Adds `lanes` bits at bit `at`; `value` has no others.
fn put(out: &mut [u64], at: usize, value: u64, lanes: usize) {
    let (word, shift) = (at / 64, at % 64);
    out[word] |= value << shift;
    if shift + lanes > 64 {
        out[word + 1] |= value >> (64 - shift);
    }
}

/// `lanes` bits from bit `at` on.
fn take(from: &[u64], at: usize, lanes: usize) -> u64 {
    let (word, shift) = (at / 64, at % 64);
    let low = from[word] >> shift;
    let reaches_over = shift + lanes > 64;
    let all = if reaches_over { low | from[word + 1] << (64 - shift) } else { low };
    if lanes == 64 { all } else { all & ((1 << lanes) - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_rows_and_numbers_again() {
        for (n, per, width) in [(1, 1, 64), (63, 1, 17), (64, 2, 128), (65, 2, 70), (200, 1, 33)] {
            let numbers: Vec<u64> = (0..(n * per) as u64)
                .map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ i << 7)
                .collect();
            let bit = |i: usize, j: usize| numbers[i * per + j / 64] >> (j % 64) & 1;
            let mut rows = vec![0; (n * width).div_ceil(64)];
            to_rows(&numbers, per, n, width, &mut rows);
            for i in 0..n {
                for j in 0..width {
                    let at = j * n + i;
                    assert_eq!(rows[at / 64] >> (at % 64) & 1, bit(i, j), "bit {j} of number {i}");
                }
            }
            let mut back = vec![0; n * per];
            from_rows(&rows, per, n, |j| j.min(width - 1), &mut back);
            for i in 0..n {
                for j in 0..64 * per {
                    assert_eq!(back[i * per + j / 64] >> (j % 64) & 1, bit(i, j.min(width - 1)));
                }
            }
        }
    }
}

//! The convolution of a code over blocks of 128 bits.

/// Blocks before a block that are added to it or not.
const TAPS: usize = 24;

/// Blocks that a block depends on: those, and the one right before it.
pub const STATE: usize = TAPS + 1;

/// Words that are added up side by side.
const LANES: usize = 8;

/// For each word of the blocks that may be added, the bit that says whether it is.
const BITS: [u64; 2 * TAPS] = {
    let mut bits = [0; 2 * TAPS];
    let mut word = 0;
    while word < bits.len() {
        bits[word] = 1 << (word / 2);
        word += 1;
    }
    bits
};

kernel! {
    /// To each block of `x` but the first [`STATE`] the block before it is added, and of the [`TAPS`] before that those
    /// whose bit is set in its element of `taps`, the lowest bit standing for the first. A block is two words.
    pub fn convolve = convolve_body(x: &mut [u64], taps: &[u32])
}

#[inline(always)]
fn convolve_body(x: &mut [u64], taps: &[u32]) {
    assert_eq!(x.len(), 2 * (STATE + taps.len()), "taps for every block");
    for (i, &taps) in taps.iter().enumerate() {
        let (before, here) = x[2 * i..].split_at_mut(2 * STATE);
        let before: &[u64; 2 * STATE] = (&*before).try_into().expect("as many blocks");
        let taps = u64::from(taps);
        let mut sums = [0; LANES];
        for first in (0..2 * TAPS).step_by(LANES) {
            for (lane, sum) in sums.iter_mut().enumerate() {
                let word = first + lane;
                let mask = if taps & BITS[word] == 0 { 0 } else { !0 };
                *sum ^= before[word] & mask;
            }
        }
        for (word, here) in here[..2].iter_mut().enumerate() {
            let sum = sums.iter().skip(word).step_by(2).fold(0, |all, sum| all ^ sum);
            *here ^= before[2 * TAPS + word] ^ sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_the_sum_that_it_is_to_be() {
        let word = |i: usize| (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut x: Vec<u64> = (0..2 * (STATE + 300)).map(word).collect();
        let taps: Vec<u32> = (0..300).map(|i| (word(i) >> 32) as u32).collect();
        let block = |x: &[u64], i: usize| [x[2 * i], x[2 * i + 1]];
        let mut due: Vec<[u64; 2]> = (0..STATE + 300).map(|i| block(&x, i)).collect();
        for (i, &taps) in taps.iter().enumerate() {
            let at = i + STATE;
            let mut sum = due[at - 1];
            let added = (0..TAPS).filter(|j| taps >> j & 1 == 1).map(|j| due[i + j]);
            added.for_each(|block| sum = [sum[0] ^ block[0], sum[1] ^ block[1]]);
            due[at] = [due[at][0] ^ sum[0], due[at][1] ^ sum[1]];
        }
        convolve(&mut x, &taps);
        assert!((0..STATE + 300).all(|i| block(&x, i) == due[i]));
    }
}

//! The convolution of a code over blocks of 128 bits.
//!
//! Which blocks are added is public. So the sums of all subsets of every four blocks are kept in a table, and one of each
//! table is looked up instead of adding blocks one by one (Arlazarov, Dinic, Kronrod, Faradzev 1970).

use std::array;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Blocks before a block that are added to it or not, besides the one right before it.
const TAPS: usize = 24;

/// Blocks that have a table together.
const GROUP: usize = 4;

/// Groups that a block may depend on, besides its own.
const BEFORE: usize = (GROUP - 1 + TAPS + 1).div_ceil(GROUP);

/// Tables that are kept: a power of two, so that numbers of groups wrap around.
const TABLES: usize = (BEFORE + 1).next_power_of_two();

/// The blocks given to [`convolve`] are so many or a multiple.
pub const UNIT: usize = GROUP * TABLES;

/// A block: two words.
type Block = [u64; 2];

/// For every set of the blocks of a group, bit i of its number standing for the i-th, their sum.
type Sums = [Block; 1 << GROUP];

/// What has been convolved last, on which what comes next depends; at first as if it were all 0.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub struct Window([Sums; TABLES]);

#[inline(always)]
fn plus(x: Block, y: Block) -> Block {
    [x[0] ^ y[0], x[1] ^ y[1]]
}

/// `x` if the lowest bit of `bits` is set, otherwise 0.
#[inline(always)]
fn if_set(bits: u64, x: Block) -> Block {
    let mask = (bits & 1).wrapping_neg();
    [x[0] & mask, x[1] & mask]
}

#[inline(always)]
fn sums([a, b, c, d]: [Block; GROUP]) -> Sums {
    let low = [[0; 2], a, b, plus(a, b)];
    let high = [[0; 2], c, d, plus(c, d)];
    array::from_fn(|set| plus(low[set % 4], high[set / 4]))
}

kernel! {
    /// To each block of `x` the block before it is added, and of the 24 before that those whose bit is set in its
    /// element of `taps`, the lowest bit standing for the first. A block is two words.
    pub fn convolve = convolve_body(x: &mut [u64], window: &mut Window, taps: &[u32])
}

#[inline(always)]
fn convolve_body(x: &mut [u64], window: &mut Window, taps: &[u32]) {
    assert!(x.len() == 2 * taps.len() && taps.len().is_multiple_of(UNIT), "taps for every block");
    let (x, _) = bytemuck::cast_slice_mut::<u64, Block>(x).as_chunks_mut::<GROUP>();
    let (taps, _) = taps.as_chunks::<GROUP>();
    let tables = &mut window.0;
    for (group, (x, taps)) in x.iter_mut().zip(taps).enumerate() {
        // For each block, a bit for each of the groups before and its own; that of the block right before it is set.
        let sets: [u64; GROUP] = array::from_fn(|i| {
            let taps = u64::from(taps[i]) & ((1 << TAPS) - 1) | 1 << TAPS;
            taps << (GROUP * BEFORE - TAPS - 1 + i)
        });
        let mut y = *x;
        for (i, (y, set)) in y.iter_mut().zip(sets).enumerate() {
            // Only the first block reaches back to the first group.
            for before in usize::from(i > 0)..BEFORE {
                let table = &tables[(group + TABLES - BEFORE + before) % TABLES];
                *y = plus(*y, table[(set >> (GROUP * before)) as usize % (1 << GROUP)]);
            }
        }
        let own = |i: usize, j: usize| sets[i] >> (GROUP * BEFORE + j);
        y[1] = plus(y[1], y[0]);
        y[2] = plus(plus(y[2], if_set(own(2, 0), y[0])), y[1]);
        let early = plus(if_set(own(3, 0), y[0]), if_set(own(3, 1), y[1]));
        y[3] = plus(plus(y[3], early), y[2]);
        tables[group % TABLES] = sums(y);
        *x = y;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_the_sum_that_it_is_to_be() {
        const LEN: usize = 9 * UNIT;
        let word = |i: usize| (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut x: Vec<u64> = (0..2 * LEN).map(word).collect();
        let taps: Vec<u32> = (0..LEN).map(|i| (word(i) >> 32) as u32).collect();
        let mut portable = x.clone();
        // As if all blocks before the first were 0.
        let mut due = vec![[0; 2]; TAPS + 1];
        due.extend_from_slice(bytemuck::cast_slice(&x));
        for (i, &taps) in taps.iter().enumerate() {
            let set = taps | 1 << TAPS;
            for j in (0..=TAPS).filter(|j| set >> j & 1 == 1) {
                due[i + TAPS + 1] = plus(due[i + TAPS + 1], due[i + j]);
            }
        }
        let due = due[TAPS + 1..].as_flattened();
        // In two parts, the second beginning where the first one ends.
        let (mut window, (first, second)) = (Window::default(), taps.split_at(2 * UNIT));
        convolve(&mut x[..4 * UNIT], &mut window, first);
        convolve(&mut x[4 * UNIT..], &mut window, second);
        assert!(x == due);
        convolve_body(&mut portable, &mut Window::default(), &taps);
        assert!(portable == due);
    }
}

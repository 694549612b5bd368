//! Streams of AES-128 in counter mode under secret keys, and their sums over trees of them.
//!
//! Where the processor encrypts two blocks with an instruction, four leaves are worked on at once, and only sums
//! over the whole tree are written. Elsewhere, and for trees of two leaves, [`Cipher`] makes rows that are joined.

use mpc_runtime::{Block, Cipher};
use zeroize::Zeroizing;

/// Levels of a tree at most.
const LEVELS: usize = 8;

/// Leaves that are joined in one pass: two levels.
const LEAVES: usize = 4;

/// Blocks of a stream that are worked on together.
const BATCH: usize = 4;

/// The streams of the leaves of trees of `2^k`, one key a leaf.
pub struct Streams {
    k: usize,
    keys: Keys,
}

/// The keys of the rounds of all leaves, in order.
enum Keys {
    #[cfg(target_arch = "x86_64")]
    Wide(wide::Keys),
    Portable(Vec<Cipher>),
}

impl Keys {
    fn new(k: usize, trees: &[Zeroizing<Vec<Block>>]) -> Keys {
        #[cfg(target_arch = "x86_64")]
        if 1 << k >= LEAVES
            && let Some(keys) = wide::Keys::new(trees)
        {
            return Keys::Wide(keys);
        }
        Keys::portable(k, trees)
    }

    fn portable(k: usize, trees: &[Zeroizing<Vec<Block>>]) -> Keys {
        // In their place from the start: nothing would wipe what a vector that grows leaves behind.
        let mut ciphers = Vec::with_capacity(trees.len() << k);
        ciphers.extend(trees.iter().flat_map(|tree| tree.iter()).map(|&key| Cipher::new(key)));
        Keys::Portable(ciphers)
    }
}

impl Streams {
    /// Of trees with these keys.
    ///
    /// # Panics
    /// If a tree has not `2^k` of them.
    pub fn new(k: usize, trees: &[Zeroizing<Vec<Block>>]) -> Streams {
        assert!((1..=LEVELS).contains(&k), "trees of 1 to {LEVELS} levels");
        assert!(trees.iter().all(|tree| tree.len() == 1 << k), "a key for each leaf");
        Streams { k, keys: Keys::new(k, trees) }
    }

    /// Calls `f(tree, sums, width)` for every tree in order. Of the blocks from `first` on, at least `len` of them,
    /// it gets the sum over the leaves whose number has bit 0 set, bit 1, …, and that over all leaves: a row of
    /// `width` words each.
    ///
    /// # Panics
    /// If `len` is 0.
    pub fn sums(&self, first: Block, len: usize, mut f: impl FnMut(usize, &[u64], usize)) {
        assert_ne!(len, 0, "blocks to sum");
        let (k, width) = (self.k, len.next_multiple_of(BATCH));
        let counters: Vec<Block> = (0..width as Block).map(|i| first.wrapping_add(i)).collect();
        let mut sums = Zeroizing::new(vec![0; (k + 1) * width]);
        let mut give = |tree, sums: &[Block]| f(tree, bytemuck::cast_slice(sums), 2 * width);
        match &self.keys {
            #[cfg(target_arch = "x86_64")]
            Keys::Wide(keys) => keys.sums(k, &counters, &mut sums, give),
            Keys::Portable(ciphers) => {
                let mut stack = Zeroizing::new(vec![0; (k + LEAVES) * width]);
                for (tree, ciphers) in ciphers.chunks_exact(1 << k).enumerate() {
                    fold(ciphers, k, &counters, &mut stack, &mut sums);
                    give(tree, &sums);
                }
            }
        }
    }
}

/// Sums over subtrees: when leaf x is there, all subtrees that end with it are joined.
fn fold(ciphers: &[Cipher], k: usize, counters: &[Block], stack: &mut [Block], sums: &mut [Block]) {
    let width = counters.len();
    // So many levels at the bottom are joined in one pass; rows of their leaves come on top of those of subtrees.
    let low = k.min(2);
    sums.fill(0);
    let mut top = 0;
    for (group, ciphers) in ciphers.chunks_exact(1 << low).enumerate() {
        let rows = &mut stack[top * width..][..width << low];
        for (cipher, row) in ciphers.iter().zip(rows.chunks_exact_mut(width)) {
            cipher.encrypt_to(counters, row);
        }
        let (lower, upper) = rows.split_at_mut(width);
        match low {
            1 => join(&mut sums[..width], lower, upper),
            _ => join_four(&mut sums[..2 * width], lower, upper),
        }
        for bit in low..low + group.trailing_ones() as usize {
            let (below, upper) = stack.split_at_mut(top * width);
            top -= 1;
            join(&mut sums[bit * width..][..width], &mut below[top * width..], &upper[..width]);
        }
        top += 1;
    }
    sums[k * width..].copy_from_slice(&stack[..width]);
}

/// Joins two subtrees.
fn join(sum: &mut [Block], lower: &mut [Block], upper: &[Block]) {
    for ((sum, lower), upper) in sum.iter_mut().zip(lower).zip(upper) {
        *sum ^= upper;
        *lower ^= upper;
    }
}

/// Joins four leaves, the first apart from the others; the sums of two levels.
fn join_four(sums: &mut [Block], first: &mut [Block], others: &[Block]) {
    let width = first.len();
    let (sum0, sum1) = sums.split_at_mut(width);
    let (sum0, sum1) = (&mut sum0[..width], &mut sum1[..width]);
    let [one, two, three] = [0, 1, 2].map(|i| &others[i * width..][..width]);
    for i in 0..width {
        let odd = one[i] ^ three[i];
        let high = two[i] ^ three[i];
        sum0[i] ^= odd;
        sum1[i] ^= high;
        first[i] ^= odd ^ two[i];
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(clippy::needless_range_loop, reason = "iterators keep vectors in memory")]
mod wide {
    use std::arch::x86_64::*;

    use mpc_runtime::Block;
    use zeroize::Zeroizing;

    use super::super::aes::wide::{ROUNDS, has_vaes, rounds};
    use super::{BATCH, LEAVES, LEVELS};

    const PAIRS: usize = BATCH / 2;
    type Pairs = [__m256i; PAIRS];

    /// Keys of four leaves, in the order in which they are used.
    type Group = [[Block; LEAVES]; ROUNDS];

    /// Of all trees. Only there if the processor has the instructions.
    pub(super) struct Keys(Zeroizing<Vec<Group>>);

    impl Keys {
        /// If the processor has the instructions.
        pub(super) fn new(trees: &[Zeroizing<Vec<Block>>]) -> Option<Keys> {
            if !has_vaes() {
                return None;
            }
            let leaves = || trees.iter().flat_map(|tree| tree.as_chunks().0);
            let mut groups = Zeroizing::new(vec![[[0; LEAVES]; ROUNDS]; leaves().count()]);
            for (group, leaves) in groups.iter_mut().zip(leaves()) {
                // SAFETY: the instructions are there.
                unsafe { schedule(leaves, group) };
            }
            Some(Keys(groups))
        }

        /// Calls `f(tree, sums)` for every tree; `counters` are whole batches, and `sums` rows of their length.
        pub(super) fn sums(
            &self,
            k: usize,
            counters: &[Block],
            sums: &mut [Block],
            mut f: impl FnMut(usize, &[Block]),
        ) {
            for (tree, keys) in self.0.chunks_exact((1 << k) / LEAVES).enumerate() {
                // SAFETY: the instructions are there if the keys are.
                unsafe { fold(keys, k, counters.as_chunks().0, sums.as_chunks_mut().0) };
                f(tree, sums);
            }
        }
    }

    #[target_feature(enable = "avx2,aes,vaes")]
    fn schedule(leaves: &[Block; LEAVES], group: &mut Group) {
        for leaf in 0..LEAVES {
            let keys = Zeroizing::new(rounds(leaves[leaf]));
            for round in 0..ROUNDS {
                group[round][leaf] = bytemuck::cast(keys[round]);
            }
        }
    }

    #[target_feature(enable = "avx2,aes,vaes")]
    fn fold(keys: &[Group], k: usize, counters: &[[Block; BATCH]], sums: &mut [[Block; BATCH]]) {
        let width = counters.len();
        let none = [_mm256_setzero_si256(); PAIRS];
        for at in 0..width {
            let counters = load(&counters[at]);
            let (mut sum0, mut sum1, mut upper) = (none, none, [none; LEVELS - 2]);
            // Subtrees that wait for their neighbours.
            let (mut stack, mut top) = ([none; LEVELS - 1], 0);
            for (group, keys) in keys.iter().enumerate() {
                let [zero, one, two, three] = encrypt(keys, counters);
                let odd = xor(one, three);
                sum0 = xor(sum0, odd);
                sum1 = xor(sum1, xor(two, three));
                let mut total = xor(xor(zero, odd), two);
                for bit in 0..group.trailing_ones() as usize {
                    top -= 1;
                    upper[bit] = xor(upper[bit], total);
                    total = xor(total, stack[top]);
                }
                stack[top] = total;
                top += 1;
            }
            store(&mut sums[at], sum0);
            store(&mut sums[width + at], sum1);
            for bit in 2..k {
                store(&mut sums[bit * width + at], upper[bit - 2]);
            }
            store(&mut sums[k * width + at], stack[0]);
        }
    }

    /// The blocks of four leaves. As many vectors as keep the units busy.
    #[inline]
    #[target_feature(enable = "avx2,aes,vaes")]
    fn encrypt(keys: &Group, counters: Pairs) -> [Pairs; LEAVES] {
        let mut x = [counters; LEAVES];
        for leaf in 0..LEAVES {
            for i in 0..PAIRS {
                x[leaf][i] = _mm256_xor_si256(x[leaf][i], twice(&keys[0][leaf]));
            }
        }
        for round in 1..ROUNDS - 1 {
            for leaf in 0..LEAVES {
                for i in 0..PAIRS {
                    x[leaf][i] = _mm256_aesenc_epi128(x[leaf][i], twice(&keys[round][leaf]));
                }
            }
        }
        for leaf in 0..LEAVES {
            for i in 0..PAIRS {
                x[leaf][i] = _mm256_aesenclast_epi128(x[leaf][i], twice(&keys[ROUNDS - 1][leaf]));
            }
        }
        x
    }

    /// A key for both blocks of a pair.
    #[inline]
    #[target_feature(enable = "avx2,aes,vaes")]
    fn twice(key: &Block) -> __m256i {
        // SAFETY: a block is read.
        _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(std::ptr::from_ref(key).cast()) })
    }

    #[inline]
    #[target_feature(enable = "avx2,aes,vaes")]
    fn xor(x: Pairs, y: Pairs) -> Pairs {
        let mut sum = x;
        for i in 0..PAIRS {
            sum[i] = _mm256_xor_si256(x[i], y[i]);
        }
        sum
    }

    #[inline]
    #[target_feature(enable = "avx2,aes,vaes")]
    fn load(x: &[Block; BATCH]) -> Pairs {
        let mut pairs = [_mm256_setzero_si256(); PAIRS];
        for i in 0..PAIRS {
            // SAFETY: two blocks are read.
            pairs[i] = unsafe { _mm256_loadu_si256(x[2 * i..2 * i + 2].as_ptr().cast()) };
        }
        pairs
    }

    #[inline]
    #[target_feature(enable = "avx2,aes,vaes")]
    fn store(x: &mut [Block; BATCH], pairs: Pairs) {
        for i in 0..PAIRS {
            // SAFETY: two blocks are written.
            unsafe { _mm256_storeu_si256(x[2 * i..2 * i + 2].as_mut_ptr().cast(), pairs[i]) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::aes::Aes;
    use super::*;

    /// The sum of the streams of chosen leaves.
    fn sum(leaves: &[Block], first: Block, len: usize, chosen: impl Fn(usize) -> bool) -> Vec<u64> {
        let mut sum = vec![0; len];
        for (_, &key) in leaves.iter().enumerate().filter(|(leaf, _)| chosen(*leaf)) {
            let mut blocks: Vec<Block> = (0..len as Block).map(|i| first.wrapping_add(i)).collect();
            Cipher::new(key).encrypt(&mut blocks);
            sum.iter_mut().zip(blocks).for_each(|(sum, block)| *sum ^= block);
        }
        bytemuck::cast_slice(&sum).to_vec()
    }

    #[test]
    fn wide_and_portable_sums_are_those_of_the_streams() {
        for (k, first) in [(1, 5), (2, !0 - 4), (3, 1 << 64), (4, (1 << 64) - 3), (8, !0)] {
            let mut keys = vec![0; 3 << k];
            Aes::new(k as Block).count(0, &mut keys);
            let trees: Vec<_> =
                keys.chunks(1 << k).map(|tree| Zeroizing::new(tree.to_vec())).collect();
            let (chosen, portable) = (Streams::new(k, &trees), Keys::portable(k, &trees));
            for streams in [chosen, Streams { k, keys: portable }] {
                for len in [1, 3, 4, 7, 64] {
                    let mut seen = 0;
                    streams.sums(first, len, |tree, sums, width| {
                        assert_eq!(tree, seen);
                        seen += 1;
                        let row = |bit: usize| &sums[bit * width..][..2 * len];
                        for bit in 0..k {
                            let want = sum(&trees[tree], first, len, |leaf| leaf >> bit & 1 == 1);
                            assert_eq!(row(bit), want, "bit {bit} of {k}, {len} blocks");
                        }
                        assert_eq!(row(k), sum(&trees[tree], first, len, |_| true));
                    });
                    assert_eq!(seen, trees.len());
                }
            }
        }
    }
}

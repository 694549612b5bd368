//! AES-128 under public keys, and what is made of many blocks of it at once.
//!
//! Two blocks go to an instruction where the processor has such instructions. Elsewhere, and for few blocks,
//! [`Cipher`] does the work.

use mpc_runtime::{Block, Cipher};
use zeroize::Zeroizing;

use crate::algebra::bits;

/// Blocks that are worked on together.
const BATCH: usize = 64;

/// Tweaks of blocks that are hashed together.
#[derive(Clone, Copy)]
pub struct Tweaks {
    /// That of the first block.
    pub first: Block,
    /// From one to the next; the lower half of none overflows.
    pub step: u64,
}

impl Tweaks {
    /// From this on, one after the other.
    pub fn from(first: Block) -> Tweaks {
        Tweaks { first, step: 1 }
    }

    /// That of block `i`.
    #[inline(always)]
    fn at(self, i: usize) -> Block {
        self.first + Block::from(self.step) * i as Block
    }
}

/// AES-128 under one public key: the permutation π.
pub struct Aes {
    cipher: Cipher,
    /// If the processor has the instructions.
    #[cfg(target_arch = "x86_64")]
    wide: Option<wide::Keys>,
}

impl Aes {
    /// Under this key.
    pub fn new(key: Block) -> Aes {
        Aes {
            cipher: Cipher::new(key),
            #[cfg(target_arch = "x86_64")]
            wide: wide::Keys::new(key),
        }
    }

    /// `x[i] = π(x[i])`.
    pub fn encrypt(&self, x: &mut [Block]) {
        #[cfg(target_arch = "x86_64")]
        let x = match &self.wide {
            Some(keys) => keys.encrypt(x),
            None => x,
        };
        self.cipher.encrypt(x);
    }

    /// `out[i] = π(first + i)`.
    pub fn count(&self, first: Block, out: &mut [Block]) {
        out.iter_mut().zip(first..).for_each(|(out, i)| *out = i);
        self.encrypt(out);
    }

    /// Both children of the nodes in the first half, `H(x)` there and `x ⊕ H(x)` in the second half; gives the sum of those in
    /// the first half. `H(x) = π(σ(x)) ⊕ σ(x)`, with `σ(a, b) = (a ⊕ b, a)`.
    pub fn split(&self, nodes: &mut [Block]) -> Block {
        #[cfg(target_arch = "x86_64")]
        if let Some(keys) = &self.wide
            && nodes.len().is_multiple_of(2 * wide::BATCH)
        {
            return keys.split(nodes);
        }
        split_body(&self.cipher, nodes)
    }

    /// `out[i] = π(y) ⊕ y` for `y = x[i] ⊕ offset ⊕ tweak(i)`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn mmo(&self, x: &[Block], offset: Block, tweaks: Tweaks, out: &mut [Block]) {
        self.hash::<false>(x, offset, tweaks, out);
    }

    /// `out[i] = π(π(y) ⊕ tweak(i)) ⊕ π(y)` for `y = x[i] ⊕ offset`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn tmmo(&self, x: &[Block], offset: Block, tweaks: Tweaks, out: &mut [Block]) {
        self.hash::<true>(x, offset, tweaks, out);
    }

    fn hash<const TWICE: bool>(
        &self,
        x: &[Block],
        offset: Block,
        tweaks: Tweaks,
        out: &mut [Block],
    ) {
        assert_eq!(x.len(), out.len(), "as many blocks as hashes");
        #[cfg(target_arch = "x86_64")]
        let (x, tweaks, out) = match &self.wide {
            Some(keys) => keys.hash::<TWICE>(x, offset, tweaks, out),
            None => (x, tweaks, out),
        };
        hash_body::<TWICE>(&self.cipher, x, offset, tweaks, out);
    }

    /// The keys of the rounds, if the processor has the instructions.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn wide(&self) -> Option<&wide::Keys> {
        self.wide.as_ref()
    }

    /// The lowest bits of `π(y) ⊕ y` for `y = x[i] ⊕ offset ⊕ (first + i)`, from the lowest on.
    ///
    /// # Panics
    /// If there are more than 64.
    pub fn bits(&self, x: &[Block], offset: Block, first: u64) -> u64 {
        assert!(x.len() <= BATCH, "the bits of a word");
        #[cfg(target_arch = "x86_64")]
        if let Some(keys) = &self.wide
            && x.len().is_multiple_of(wide::BATCH)
        {
            return keys.bits(x, offset, first);
        }
        bits_body(&self.cipher, x, offset, first)
    }
}

fn split_body(cipher: &Cipher, nodes: &mut [Block]) -> Block {
    let (parents, right) = nodes.split_at_mut(nodes.len() / 2);
    let mut batch = Zeroizing::new([0; BATCH]);
    let mut sum = 0;
    for (parents, right) in parents.chunks_mut(BATCH).zip(right.chunks_mut(BATCH)) {
        let left = &mut batch[..parents.len()];
        left.iter_mut().zip(&*parents).for_each(|(left, &parent)| *left = sigma(parent));
        cipher.encrypt(left);
        for ((parent, right), left) in parents.iter_mut().zip(right).zip(left) {
            *left ^= sigma(*parent);
            *right = *parent ^ *left;
            *parent = *left;
            sum ^= *left;
        }
    }
    sum
}

/// `(a ⊕ b, a)` of the halves `(a, b)`, the upper one first.
#[inline(always)]
fn sigma(x: Block) -> Block {
    x.rotate_left(64) ^ x >> 64 << 64
}

/// [`Aes::tmmo`] or [`Aes::mmo`].
fn hash_body<const TWICE: bool>(
    cipher: &Cipher,
    x: &[Block],
    offset: Block,
    tweaks: Tweaks,
    out: &mut [Block],
) {
    let mut batch = Zeroizing::new([0; BATCH]);
    let batches = x.chunks(BATCH).zip(out.chunks_mut(BATCH));
    for (first, (x, out)) in (0..).step_by(BATCH).zip(batches) {
        let y = &mut batch[..x.len()];
        y.iter_mut().zip(x).for_each(|(y, x)| *y = x ^ offset);
        if TWICE {
            cipher.encrypt(y);
        }
        for (i, (out, y)) in (first..).zip(out.iter_mut().zip(&mut *y)) {
            *out = *y ^ tweaks.at(i);
            if !TWICE {
                *y = *out;
            }
        }
        cipher.encrypt(out);
        out.iter_mut().zip(y).for_each(|(out, y)| *out ^= *y);
    }
}

fn bits_body(cipher: &Cipher, x: &[Block], offset: Block, first: u64) -> u64 {
    let mut batch = Zeroizing::new([0; BATCH]);
    let hashes = &mut batch[..x.len()];
    hash_body::<false>(cipher, x, offset, Tweaks::from(first.into()), hashes);
    bits::lowest(hashes.iter().map(|&hash| hash as u64))
}

#[cfg(target_arch = "x86_64")]
#[expect(clippy::needless_range_loop, reason = "iterators keep vectors in memory: thrice as slow")]
pub(super) mod wide {
    use std::arch::x86_64::*;
    use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

    use mpc_runtime::Block;

    use super::super::ASK;
    use super::Tweaks;

    detection! { [has_vaes "avx2" "aes" "vaes"] {} }

    /// Pairs of blocks that are worked on together: as many as keep the units busy.
    const PAIRS: usize = 8;
    /// Blocks that are worked on together.
    pub(in super::super) const BATCH: usize = 2 * PAIRS;

    pub(in super::super) type Pairs = [__m256i; PAIRS];

    /// Keys of a block.
    pub(in super::super) const ROUNDS: usize = 11;

    /// Keys of the rounds, each twice. Only there if the processor has the instructions.
    pub(in super::super) struct Keys([__m256i; ROUNDS]);

    impl Keys {
        /// Of this key, if the processor has the instructions.
        pub(super) fn new(key: Block) -> Option<Keys> {
            // SAFETY: the instructions are there.
            has_vaes().then(|| unsafe { schedule(key) })
        }

        /// Encrypts whole batches; gives the rest.
        pub(super) fn encrypt<'a>(&self, x: &'a mut [Block]) -> &'a mut [Block] {
            let (batches, rest) = x.as_chunks_mut();
            // SAFETY: the instructions are there if the keys are.
            unsafe { encrypt(self, batches) };
            rest
        }

        /// Of whole batches of parents.
        pub(super) fn split(&self, nodes: &mut [Block]) -> Block {
            let (parents, right) = nodes.split_at_mut(nodes.len() / 2);
            // SAFETY: the instructions are there if the keys are.
            unsafe { split(self, parents.as_chunks_mut().0, right.as_chunks_mut().0) }
        }

        /// Hashes whole batches; gives the rest.
        pub(super) fn hash<'a, 'b, const TWICE: bool>(
            &self,
            x: &'a [Block],
            offset: Block,
            tweaks: Tweaks,
            out: &'b mut [Block],
        ) -> (&'a [Block], Tweaks, &'b mut [Block]) {
            let (batches, rest) = x.as_chunks();
            let (out, rest_of_out) = out.as_chunks_mut();
            let rest_of_tweaks = Tweaks { first: tweaks.at(BATCH * out.len()), ..tweaks };
            // SAFETY: the instructions are there if the keys are.
            unsafe { hash_all::<TWICE>(self, batches, offset, tweaks, out) };
            (rest, rest_of_tweaks, rest_of_out)
        }

        /// Of whole batches.
        pub(super) fn bits(&self, x: &[Block], offset: Block, first: u64) -> u64 {
            // SAFETY: the instructions are there if the keys are.
            unsafe { bits(self, x.as_chunks().0, offset, first) }
        }
    }

    /// The key of the round after that of `key`.
    #[inline]
    #[target_feature(enable = "avx2,aes,vaes")]
    fn next<const ROUND: i32>(key: __m128i) -> __m128i {
        let last = _mm_shuffle_epi32::<0xFF>(_mm_aeskeygenassist_si128::<ROUND>(key));
        let key = _mm_xor_si128(key, _mm_slli_si128::<4>(key));
        let key = _mm_xor_si128(key, _mm_slli_si128::<8>(key));
        _mm_xor_si128(key, last)
    }

    /// The keys of the rounds.
    #[inline]
    #[target_feature(enable = "avx2,aes,vaes")]
    pub(in super::super) fn rounds(key: Block) -> [__m128i; ROUNDS] {
        let first = _mm_set_epi64x((key >> 64) as i64, key as i64);
        let mut keys = [first; ROUNDS];
        keys[1] = next::<0x01>(keys[0]);
        keys[2] = next::<0x02>(keys[1]);
        keys[3] = next::<0x04>(keys[2]);
        keys[4] = next::<0x08>(keys[3]);
        keys[5] = next::<0x10>(keys[4]);
        keys[6] = next::<0x20>(keys[5]);
        keys[7] = next::<0x40>(keys[6]);
        keys[8] = next::<0x80>(keys[7]);
        keys[9] = next::<0x1B>(keys[8]);
        keys[10] = next::<0x36>(keys[9]);
        keys
    }

    #[target_feature(enable = "avx2,aes,vaes")]
    fn schedule(key: Block) -> Keys {
        Keys(rounds(key).map(|key| _mm256_broadcastsi128_si256(key)))
    }

    #[inline]
    #[target_feature(enable = "avx2,aes,vaes")]
    pub(in super::super) fn load(x: &[Block; BATCH]) -> Pairs {
        let mut pairs = [_mm256_setzero_si256(); PAIRS];
        for i in 0..PAIRS {
            // SAFETY: two blocks are read.
            pairs[i] = unsafe { _mm256_loadu_si256(x[2 * i..2 * i + 2].as_ptr().cast()) };
        }
        pairs
    }

    #[inline]
    #[target_feature(enable = "avx2,aes,vaes")]
    pub(in super::super) fn store(x: &mut [Block; BATCH], pairs: &Pairs) {
        for i in 0..PAIRS {
            // SAFETY: two blocks are written.
            unsafe { _mm256_storeu_si256(x[2 * i..2 * i + 2].as_mut_ptr().cast(), pairs[i]) };
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,aes,vaes")]
    fn permute(keys: &Keys, x: &mut Pairs) {
        for i in 0..PAIRS {
            x[i] = _mm256_xor_si256(x[i], keys.0[0]);
        }
        for round in 1..10 {
            for i in 0..PAIRS {
                x[i] = _mm256_aesenc_epi128(x[i], keys.0[round]);
            }
        }
        for i in 0..PAIRS {
            x[i] = _mm256_aesenclast_epi128(x[i], keys.0[10]);
        }
    }

    /// `π(x) ⊕ x`.
    #[inline]
    #[target_feature(enable = "avx2,aes,vaes")]
    fn hash(keys: &Keys, x: &Pairs) -> Pairs {
        let mut hashed = *x;
        permute(keys, &mut hashed);
        for i in 0..PAIRS {
            hashed[i] = _mm256_xor_si256(hashed[i], x[i]);
        }
        hashed
    }

    /// The block twice.
    #[inline]
    #[target_feature(enable = "avx2,aes,vaes")]
    pub(in super::super) fn twice(x: Block) -> __m256i {
        let (upper, lower) = ((x >> 64) as i64, x as i64);
        _mm256_set_epi64x(upper, lower, upper, lower)
    }

    /// Tweaks of consecutive pairs, counted in their lower halves.
    pub(in super::super) struct Counter {
        next: __m256i,
        step: __m256i,
    }

    impl Counter {
        #[inline]
        #[target_feature(enable = "avx2,aes,vaes")]
        pub(in super::super) fn new(tweaks: Tweaks) -> Counter {
            let step = tweaks.step as i64;
            let next = _mm256_add_epi64(twice(tweaks.first), _mm256_set_epi64x(0, step, 0, 0));
            Counter { next, step: _mm256_set_epi64x(0, 2 * step, 0, 2 * step) }
        }

        #[inline]
        #[target_feature(enable = "avx2,aes,vaes")]
        fn add_to(&mut self, pairs: &mut Pairs) {
            for i in 0..PAIRS {
                pairs[i] = _mm256_xor_si256(pairs[i], self.next);
                self.next = _mm256_add_epi64(self.next, self.step);
            }
        }
    }

    /// [`super::Aes::tmmo`] or [`super::Aes::mmo`].
    #[inline]
    #[target_feature(enable = "avx2,aes,vaes")]
    pub(in super::super) fn tweaked<const TWICE: bool>(
        keys: &Keys,
        x: &Pairs,
        offset: __m256i,
        tweaks: &mut Counter,
    ) -> Pairs {
        let mut y = *x;
        for i in 0..PAIRS {
            y[i] = _mm256_xor_si256(y[i], offset);
        }
        if !TWICE {
            tweaks.add_to(&mut y);
            return hash(keys, &y);
        }
        permute(keys, &mut y);
        let mut hashed = y;
        tweaks.add_to(&mut hashed);
        permute(keys, &mut hashed);
        for i in 0..PAIRS {
            hashed[i] = _mm256_xor_si256(hashed[i], y[i]);
        }
        hashed
    }

    #[target_feature(enable = "avx2,aes,vaes")]
    fn hash_all<const TWICE: bool>(
        keys: &Keys,
        x: &[[Block; BATCH]],
        offset: Block,
        tweaks: Tweaks,
        out: &mut [[Block; BATCH]],
    ) {
        let (offset, mut tweaks) = (twice(offset), Counter::new(tweaks));
        for (x, out) in x.iter().zip(out) {
            store(out, &tweaked::<TWICE>(keys, &load(x), offset, &mut tweaks));
        }
    }

    #[target_feature(enable = "avx2,aes,vaes")]
    fn encrypt(keys: &Keys, x: &mut [[Block; BATCH]]) {
        for x in x {
            let mut pairs = load(x);
            permute(keys, &mut pairs);
            store(x, &pairs);
        }
    }

    #[target_feature(enable = "avx2,aes,vaes")]
    fn split(keys: &Keys, parents: &mut [[Block; BATCH]], right: &mut [[Block; BATCH]]) -> Block {
        let upper = _mm256_set_epi64x(-1, 0, -1, 0);
        let mut sum = _mm256_setzero_si256();
        for (parents, right) in parents.iter_mut().zip(right) {
            let mut pairs = load(parents);
            let mut turned = pairs;
            for i in 0..PAIRS {
                let exchanged = _mm256_shuffle_epi32::<0x4E>(pairs[i]);
                turned[i] = _mm256_xor_si256(exchanged, _mm256_and_si256(pairs[i], upper));
            }
            let left = hash(keys, &turned);
            for i in 0..PAIRS {
                pairs[i] = _mm256_xor_si256(pairs[i], left[i]);
                sum = _mm256_xor_si256(sum, left[i]);
            }
            store(parents, &left);
            store(right, &pairs);
        }
        let sum = _mm_xor_si128(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
        bytemuck::cast::<[i64; 2], Block>([_mm_cvtsi128_si64(sum), _mm_extract_epi64::<1>(sum)])
    }

    #[target_feature(enable = "avx2,aes,vaes")]
    fn bits(keys: &Keys, x: &[[Block; BATCH]], offset: Block, first: u64) -> u64 {
        let (offset, mut tweaks) = (twice(offset), Counter::new(Tweaks::from(first.into())));
        let mut word = 0;
        for (batch, x) in x.iter().enumerate() {
            let hashes = tweaked::<false>(keys, &load(x), offset, &mut tweaks);
            for (four, pairs) in hashes.as_chunks::<2>().0.iter().enumerate() {
                // The lower halves, in order.
                let halves = _mm256_unpacklo_epi64(pairs[0], pairs[1]);
                let halves = _mm256_permute4x64_epi64::<0b11_01_10_00>(halves);
                let signs = _mm256_castsi256_pd(_mm256_slli_epi64::<63>(halves));
                word |= (_mm256_movemask_pd(signs) as u64) << (BATCH * batch + 4 * four);
            }
        }
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_equals_portable() {
        let (key, offset) = (0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100, 1 << 100 | 5);
        let (aes, cipher) = (Aes::new(key), Cipher::new(key));
        for n in [0, 1, 2, 4, 15, 16, 17, 32, 48, 64, 70, 256] {
            let mut x: Vec<Block> = (7..7 + n as Block).collect();
            let mut y = vec![0; n];
            cipher.encrypt(&mut x);
            aes.count(7, &mut y);
            assert_eq!(x, y);
            let tweaks = Tweaks { first: 9 << 64 | 3, step: 2 };
            let hashed = |fill: &dyn Fn(&mut [Block])| {
                let mut out = vec![0; n];
                fill(&mut out);
                out
            };
            assert_eq!(
                hashed(&|out| aes.mmo(&x, offset, tweaks, out)),
                hashed(&|out| hash_body::<false>(&cipher, &x, offset, tweaks, out)),
            );
            assert_eq!(
                hashed(&|out| aes.tmmo(&x, offset, tweaks, out)),
                hashed(&|out| hash_body::<true>(&cipher, &x, offset, tweaks, out)),
            );
            let few = &x[..n.min(64)];
            assert_eq!(aes.bits(few, offset, 70), bits_body(&cipher, few, offset, 70));
            if n.is_multiple_of(2) {
                assert_eq!(aes.split(&mut x), split_body(&cipher, &mut y));
                assert_eq!(x, y);
            }
        }
    }
}

//! Blocks of 128 bits, AES-128 on many of them, and the hash that breaks correlations.
//!
//! Between parties who follow the protocol `H(x, i) = π(x ⊕ i) ⊕ x ⊕ i`, which is correlation robust if π is an
//! ideal cipher, and that is what their extensions need: no `x ⊕ i` comes twice, as the x are uniform and the i
//! differ for one x (Guo, Katz, Wang, Yu 2019, eprint 2019/074, Section 7.2 and Table 1). Otherwise
//! `H(x, i) = π(π(x) ⊕ i) ⊕ π(x)`, which is tweakable circular correlation robust
//! (TMMO of the same, Section 7.4). The loss of both grows with the calls
//! under one key, so every call of an extension has a key of its own, from a stream that nobody else
//! reads; the tweak is the number of the transfer within the call.
//! `H(x) = π(σ(x)) ⊕ σ(x)` for the linear `σ(a, b) = (a ⊕ b, a)` is circular correlation robust without a tweak
//! (Section 7.3); it takes a key for every few calls, and [`Aes::split`] makes it.

pub use mpc_runtime::Block;
use mpc_runtime::{Cipher, Stream};
use zeroize::Zeroizing;

use crate::algebra::bits;
use crate::algebra::simd::{Aes, Tweaks};

/// Blocks that are hashed together.
const BATCH: usize = 64;

/// `π(x) ⊕ x`.
pub(crate) fn one_way(cipher: &Cipher, blocks: &[Block]) -> Vec<Block> {
    let mut out = blocks.to_vec();
    cipher.encrypt(&mut out);
    out.iter_mut().zip(blocks).for_each(|(o, b)| *o ^= b);
    out
}

/// What is particular to one call of an extension: where it reads the streams of all leaves, the
/// key of its hash, and that of what else is random in it and known to both ends of a pair.
pub(crate) struct Name {
    /// Position in the streams. It is uniform among 2^128, so that calls that read 2^40 blocks in 2^32
    /// parts meet with a probability below 2^-55.
    pub(crate) position: Block,
    /// What the two ends have in common in the call.
    pub(crate) common: Common,
}

/// What both ends of a call know.
pub(crate) struct Common {
    pub(crate) hash: Hash,
    /// Makes the keys of [`Common::key`].
    keys: Cipher,
}

impl Common {
    /// Public key number `i` of the call.
    pub(crate) fn key(&self, i: usize) -> Block {
        let mut key = [i as Block];
        self.keys.encrypt(&mut key);
        key[0]
    }
}

impl Name {
    /// From a stream that belongs to the call; `checked` if parties may cheat.
    pub(crate) fn new(stream: &Stream, checked: bool) -> Name {
        let words = stream.words(6);
        let block = |i: usize| Block::from(words[i]) | Block::from(words[i + 1]) << 64;
        let hash = Hash { twice: checked, ..Hash::new(block(2)) };
        let common = Common { hash, keys: Cipher::new(block(4)) };
        Name { position: block(0), common }
    }
}

/// The hash of one call.
pub struct Hash {
    aes: Aes,
    /// Whether it is tweakable circular correlation robust, which takes the cipher twice; otherwise it is
    /// correlation robust.
    twice: bool,
}

impl Hash {
    /// The tweakable circular correlation robust one, under a public key that was random when what is hashed was
    /// chosen.
    pub fn new(key: Block) -> Hash {
        Hash { aes: Aes::new(key), twice: true }
    }

    /// `out[i] = H(x[i] ⊕ offset, first + i)`; the lower half of `first + i` does not overflow.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn blocks(&self, x: &[Block], offset: Block, first: Block, out: &mut [Block]) {
        if self.twice {
            self.aes.tmmo(x, offset, Tweaks::from(first), out);
        } else {
            self.aes.mmo(x, offset, Tweaks::from(first), out);
        }
    }

    /// The lowest bits of `H(x[i] ⊕ offset, first + i)`, that of the first the lowest.
    ///
    /// # Panics
    /// If there are more than 64.
    pub fn bits(&self, x: &[Block], offset: Block, first: u64) -> u64 {
        if !self.twice {
            return self.aes.bits(x, offset, first);
        }
        let mut hashes = Zeroizing::new([0; BATCH]);
        let hashes = &mut hashes[..x.len()];
        self.blocks(x, offset, first.into(), hashes);
        bits::lowest(hashes.iter().map(|&hash| hash as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_formula() {
        const KEY: Block = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100;
        let hash = Hash::new(KEY);
        let one = |x: Block| {
            let mut x = [x];
            hash.aes.encrypt(&mut x);
            x[0]
        };
        // AES-128 of FIPS 197, Appendix C.1.
        let plain = u128::from_le_bytes([
            0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
            0xee, 0xff,
        ]);
        let secret = u128::from_le_bytes([
            0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4,
            0xc5, 0x5a,
        ]);
        assert_eq!(one(plain), secret);
        let x: Vec<Block> = (0..200_u128).map(|i| i * i * 0x1234_5678_9abc_def1).collect();
        let mut out = vec![0; x.len()];
        hash.blocks(&x, 77, 1000, &mut out);
        for (i, (&x, &out)) in x.iter().zip(&out).enumerate() {
            let inner = one(x ^ 77);
            assert_eq!(out, one(inner ^ (1000 + i as u128)) ^ inner);
        }
        let hash = Hash { twice: false, ..Hash::new(KEY) };
        hash.blocks(&x, 77, 1000, &mut out);
        for (i, (&x, &out)) in x.iter().zip(&out).enumerate() {
            let tweaked = x ^ 77 ^ (1000 + i as u128);
            assert_eq!(out, one(tweaked) ^ tweaked);
        }
    }
}

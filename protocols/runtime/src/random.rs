//! Random streams: one generator for each (key, step, purpose), addressed by position.
//!
//! A pair (or set) of parties shares a [`Key`]. The stream of a verb is AES-128 in counter mode
//! under a key derived from the shared one by a two-block CBC-MAC of where the stream is used:
//! step, fork, verb and purpose. Inputs of that MAC all have two blocks, so it is a pseudo-random
//! function. No stream is opened twice; a debug build panics if one is.

use zeroize::Zeroize;

use crate::cipher::{Block, Cipher};

#[cfg(target_endian = "big")]
compile_error!("shares travel in the byte order of little-endian machines");

/// A key that a set of parties has in common, or one party alone.
pub struct Key {
    cipher: Cipher,
    #[cfg(debug_assertions)]
    used: std::cell::RefCell<std::collections::HashSet<(u64, u64, u32, u16)>>,
}

impl Key {
    /// The key derived from `seed` for use in `context`. Equal seeds and contexts give equal keys.
    pub fn new(seed: &[u8; 32], context: &str) -> Key {
        let mut hasher = blake3::Hasher::new_derive_key("mpc-runtime 2026-11 random stream key");
        hasher.update(seed).update(context.as_bytes());
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        let cipher = Cipher::new(Block::from_le_bytes(bytes));
        bytes.zeroize();
        Key {
            cipher,
            #[cfg(debug_assertions)]
            used: Default::default(),
        }
    }

    /// The stream for one use. `purpose` tells apart the streams of one verb.
    pub(crate) fn stream(&self, step: u64, path: u64, op: u32, purpose: u16) -> Stream {
        #[cfg(debug_assertions)]
        assert!(
            self.used.borrow_mut().insert((step, path, op, purpose)),
            "stream (step {step}, path {path}, op {op}, purpose {purpose}) used twice"
        );
        let mut mac = [Block::from(step) | Block::from(path) << 64];
        self.cipher.encrypt(&mut mac);
        mac[0] ^= Block::from(op) | Block::from(purpose) << 32;
        self.cipher.encrypt(&mut mac);
        let cipher = Cipher::new(mac[0]);
        mac.zeroize();
        Stream { cipher }
    }
}

/// A random stream of 2^64 blocks, read at any position. Holders of the same key read the same.
pub struct Stream {
    cipher: Cipher,
}

impl Stream {
    /// Fills `out` with the words from position `first` on; `first` is even.
    pub fn fill(&self, first: u64, out: &mut [u64]) {
        assert!(first.is_multiple_of(2), "streams are read in whole blocks");
        #[cfg(feature = "tapes")]
        if crate::tape::fill(self, first, out) {
            return;
        }
        let mut counter = first / 2;
        let mut blocks = out.chunks_exact_mut(2);
        for block in &mut blocks {
            block[0] = counter;
            block[1] = 0;
            counter += 1;
        }
        let tail = blocks.into_remainder();
        if let [last] = tail {
            let mut block = [counter, 0];
            self.cipher.encrypt_words(&mut block);
            *last = block[0];
        }
        let whole = out.len() / 2 * 2;
        self.cipher.encrypt_words(&mut out[..whole]);
    }

    /// The first `n` words.
    pub fn words(&self, n: usize) -> Vec<u64> {
        let mut out = vec![0; n];
        self.fill(0, &mut out);
        out
    }

    /// What tells it from other streams: a block that no position reaches.
    #[cfg(feature = "tapes")]
    pub(crate) fn name(&self) -> [u8; 16] {
        let mut block = [u64::MAX; 2];
        self.cipher.encrypt_words(&mut block);
        bytemuck::cast(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_a_stream_agree_however_it_is_read() {
        let key = Key::new(&[7; 32], "test");
        let stream = key.stream(1, 2, 3, 4);
        let all = stream.words(1001);
        for first in [0, 2, 500, 1000] {
            let mut part = vec![0; 1001 - first];
            stream.fill(first as u64, &mut part);
            assert_eq!(part, all[first..]);
        }
    }

    #[test]
    fn other_uses_give_other_streams() {
        let key = Key::new(&[7; 32], "test");
        let uses = [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)];
        let words: Vec<_> =
            uses.iter().map(|&(s, p, o, u)| key.stream(s, p, o, u).words(2)).collect();
        for i in 0..words.len() {
            for j in 0..i {
                assert_ne!(words[i], words[j]);
            }
        }
        assert_ne!(Key::new(&[8; 32], "test").stream(0, 0, 0, 0).words(2), words[0]);
        assert_ne!(Key::new(&[7; 32], "other").stream(0, 0, 0, 0).words(2), words[0]);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "used twice")]
    fn a_stream_used_twice_is_noticed() {
        let key = Key::new(&[7; 32], "test");
        let _ = key.stream(1, 2, 3, 4);
        let _ = key.stream(1, 2, 3, 4);
    }
}

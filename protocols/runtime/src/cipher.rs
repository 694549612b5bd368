//! AES-128 on many blocks at a time.
//!
//! Everything here is one function of bytes each, and all of it in this crate: code that is generic over the
//! cipher would be compiled, unoptimised in builds for tests, wherever it is used.

use aes::Aes128Enc;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroize;

/// 128 bits, bit `i` of them the bit `i` of the number.
pub type Block = u128;

/// AES-128 under one key.
pub struct Cipher(Aes128Enc);

impl Cipher {
    /// Under this key.
    pub fn new(mut key: Block) -> Cipher {
        let mut bytes = key.to_le_bytes();
        let cipher = Cipher(Aes128Enc::new(&bytes.into()));
        key.zeroize();
        bytes.zeroize();
        cipher
    }

    /// `x[i] = π(x[i])`.
    pub fn encrypt(&self, x: &mut [Block]) {
        let bytes: &mut [[u8; 16]] = bytemuck::cast_slice_mut(x);
        self.0.encrypt_blocks(Array::cast_slice_from_core_mut(bytes));
    }

    /// The same of pairs of words; they need no alignment of blocks.
    ///
    /// # Panics
    /// If the last word has no partner.
    pub fn encrypt_words(&self, words: &mut [u64]) {
        let bytes: &mut [[u8; 16]] = bytemuck::cast_slice_mut(words);
        self.0.encrypt_blocks(Array::cast_slice_from_core_mut(bytes));
    }

    /// `out[i] = π(x[i])`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn encrypt_to(&self, x: &[Block], out: &mut [Block]) {
        let from: &[[u8; 16]] = bytemuck::cast_slice(x);
        let to: &mut [[u8; 16]] = bytemuck::cast_slice_mut(out);
        let (from, to) = (Array::cast_slice_from_core(from), Array::cast_slice_from_core_mut(to));
        self.0.encrypt_blocks_b2b(from, to).expect("as many blocks in as out");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cipher_is_aes_128() {
        // FIPS 197, Appendix C.1.
        let cipher = Cipher::new(0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100);
        let plain = 0xffee_ddcc_bbaa_9988_7766_5544_3322_1100;
        let secret = 0x5ac5_b470_80b7_cdd8_3004_7b6a_d8e0_c469;
        for n in [1, 2, 7, 8, 9, 64, 100] {
            let (mut here, mut there) = (vec![plain; n], vec![0; n]);
            cipher.encrypt_to(&here, &mut there);
            cipher.encrypt(&mut here);
            assert_eq!(here, vec![secret; n]);
            assert_eq!(there, here);
        }
        let mut words = [0x7766_5544_3322_1100, 0xffee_ddcc_bbaa_9988];
        cipher.encrypt_words(&mut words);
        assert_eq!(words, [secret as u64, (secret >> 64) as u64]);
    }
}

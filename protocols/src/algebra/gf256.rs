//! GF(2^8), polynomials over GF(2) modulo x^8 + x^4 + x^3 + x + 1, 64 elements side by side.
//!
//! Word `j` holds coefficient `j` of all of them, so that a sum is eight exclusive ors and a product the
//! product of polynomials, word by word. The elements 0 and 1 are the bits, in word 0.
#![allow(clippy::needless_range_loop, reason = "coefficients of several numbers run side by side")]

use bytemuck::{Pod, Zeroable};

use super::field::Field;
use super::ring::Ring;

/// Coefficients of an element.
pub const COEFFICIENTS: usize = 8;

/// 64 elements of GF(2^8).
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub struct Gf256(pub [u64; COEFFICIENTS]);

impl Gf256 {
    /// Elements 0 and 1.
    #[inline(always)]
    pub fn from_bits(bits: u64) -> Gf256 {
        let mut words = [0; COEFFICIENTS];
        words[0] = bits;
        Gf256(words)
    }
}

impl Ring for Gf256 {
    #[inline(always)]
    fn plus(self, other: Gf256) -> Gf256 {
        Gf256(std::array::from_fn(|j| self.0[j] ^ other.0[j]))
    }

    #[inline(always)]
    fn minus(self, other: Gf256) -> Gf256 {
        self.plus(other)
    }

    #[inline(always)]
    fn times(self, other: Gf256) -> Gf256 {
        let mut product = [0; 2 * COEFFICIENTS - 1];
        for i in 0..COEFFICIENTS {
            for j in 0..COEFFICIENTS {
                product[i + j] ^= self.0[i] & other.0[j];
            }
        }
        // x^8 = x^4 + x^3 + x + 1.
        for i in (COEFFICIENTS..product.len()).rev() {
            for power in [4, 3, 1, 0] {
                product[i - COEFFICIENTS + power] ^= product[i];
            }
        }
        Gf256(std::array::from_fn(|j| product[j]))
    }
}

impl Field for Gf256 {
    const PACKED: usize = 64;
    const ONE: Gf256 = Gf256([!0, 0, 0, 0, 0, 0, 0, 0]);

    fn point(x: usize) -> Gf256 {
        assert!(x < 1 << COEFFICIENTS, "there are 256 elements");
        Gf256(std::array::from_fn(|j| if x >> j & 1 == 1 { !0 } else { 0 }))
    }

    // x^254 = x^2·x^4·…·x^128.
    fn inverse(self) -> Gf256 {
        let mut square = self;
        (1..COEFFICIENTS).fold(Gf256::ONE, |product, _| {
            square = square.times(square);
            product.times(square)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Products by shifts and reductions, one element at a time.
    fn product(a: u8, b: u8) -> u8 {
        let (mut a, mut sum) = (a, 0);
        for j in 0..8 {
            sum ^= if b >> j & 1 == 1 { a } else { 0 };
            a = a << 1 ^ if a >> 7 == 1 { 0x1b } else { 0 };
        }
        sum
    }

    fn packed(elements: &[u8]) -> Gf256 {
        Gf256(std::array::from_fn(|j| {
            let bit = |(i, x): (usize, &u8)| u64::from(x >> j & 1) << i;
            elements.iter().enumerate().map(bit).sum()
        }))
    }

    fn element(x: Gf256, i: usize) -> u8 {
        (0..8).map(|j| ((x.0[j] >> i & 1) as u8) << j).sum()
    }

    #[test]
    fn all_products_and_inverses_are_those_of_single_elements() {
        assert_eq!(product(0x57, 0x83), 0xc1, "the example of FIPS 197");
        for a in 0..=255_u8 {
            let x = Gf256::point(a.into());
            let inverse = element(x.inverse(), 17);
            assert_eq!(product(a, inverse), u8::from(a != 0));
            for first in [0, 64, 128, 192_u8] {
                let others: Vec<u8> = (0..64).map(|i| first + i).collect();
                let (sums, products) = (x.plus(packed(&others)), x.times(packed(&others)));
                for (i, &b) in others.iter().enumerate() {
                    assert_eq!(element(sums, i), a ^ b);
                    assert_eq!(element(products, i), product(a, b));
                }
            }
        }
        assert_eq!(element(Gf256::from_bits(1 << 5), 5), 1);
    }
}

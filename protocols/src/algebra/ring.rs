//! Rings that shares live in: integers modulo 2^64 and 2^128, and 64 bits at once. Fields are in
//! [`super::field`].

use bytemuck::{Pod, Zeroable};

/// A commutative ring whose elements are plain words.
pub trait Ring: Pod + Send + Sync {
    /// Words of 64 bits in an element.
    const WORDS: usize = size_of::<Self>() / 8;

    /// `self + other`.
    #[must_use]
    fn plus(self, other: Self) -> Self;

    /// `self - other`.
    #[must_use]
    fn minus(self, other: Self) -> Self;

    /// `self·other`.
    #[must_use]
    fn times(self, other: Self) -> Self;

    /// Whether words that came from elsewhere are elements; in most rings all words are.
    fn valid(_: &[Self]) -> bool {
        true
    }

    /// Makes uniform elements of uniform words.
    fn settle(_: &mut [Self]) {}
}

/// 64 elements of GF(2).
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub struct Bits(pub u64);

impl Ring for Bits {
    #[inline(always)]
    fn plus(self, other: Bits) -> Bits {
        Bits(self.0 ^ other.0)
    }

    #[inline(always)]
    fn minus(self, other: Bits) -> Bits {
        Bits(self.0 ^ other.0)
    }

    #[inline(always)]
    fn times(self, other: Bits) -> Bits {
        Bits(self.0 & other.0)
    }
}

/// Integers modulo `2^BITS`.
pub trait Word: Ring {
    /// Width of the ring.
    const BITS: u32;

    /// The element that equals `x`.
    fn from_i128(x: i128) -> Self;

    /// The number in `[-2^(BITS-1), 2^(BITS-1))` that equals the element.
    fn signed(self) -> i128;

    /// `floor(x / 2^shift)` of the number in `[0, 2^BITS)`; `shift < BITS`.
    #[must_use]
    fn right(self, shift: u32) -> Self;

    /// `x·2^shift`; 0 from `shift = BITS` on.
    #[must_use]
    fn left(self, shift: u32) -> Self;

    /// `floor(x / 2^shift)` of the number in `[-2^(BITS-1), 2^(BITS-1))`; `shift < BITS`.
    #[must_use]
    fn right_signed(self, shift: u32) -> Self;

    /// The element 0 or 1 that the lowest bit of `bit` says.
    fn from_bit(bit: u64) -> Self;

    /// The number modulo `2^k`.
    #[must_use]
    #[inline(always)]
    fn low(self, k: u32) -> Self {
        if k >= Self::BITS { self } else { self.minus(self.right(k).left(k)) }
    }

    /// The words, lowest first; those above the width are 0.
    fn words(self) -> [u64; 2];
}

macro_rules! impl_word {
    ($unsigned:ty, $signed:ty) => {
        impl Ring for $unsigned {
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }

            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
        }

        impl Word for $unsigned {
            const BITS: u32 = <$unsigned>::BITS;

            #[inline(always)]
            fn from_i128(x: i128) -> Self {
                x as Self
            }

            #[inline(always)]
            fn signed(self) -> i128 {
                i128::from(self as $signed)
            }

            #[inline(always)]
            fn right(self, shift: u32) -> Self {
                self >> shift
            }

            #[inline(always)]
            fn left(self, shift: u32) -> Self {
                self.checked_shl(shift).unwrap_or(0)
            }

            #[inline(always)]
            fn right_signed(self, shift: u32) -> Self {
                (self as $signed >> shift) as Self
            }

            #[inline(always)]
            fn from_bit(bit: u64) -> Self {
                Self::from(bit & 1)
            }

            #[inline(always)]
            fn words(self) -> [u64; 2] {
                [self as u64, (u128::from(self) >> 64) as u64]
            }
        }
    };
}
impl_word!(u64, i64);
impl_word!(u128, i128);

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers_keep_their_value<W: Word>() {
        let top = W::BITS - 1;
        for x in [0_i128, 1, -1, 12345, -1 << top, i128::MAX >> (127 - top)] {
            assert_eq!(W::from_i128(x).signed(), x);
            assert_eq!(W::from_i128(x).right_signed(3).signed(), x >> 3);
            assert_eq!(W::from_i128(x).low(7).signed(), x & 127);
            let [low, high] = W::from_i128(x).words();
            assert_eq!(
                W::from_i128((u128::from(low) | u128::from(high) << 64) as i128).signed(),
                x
            );
        }
        assert_eq!(W::from_i128(-1).right(top).signed(), 1);
        assert_eq!(W::from_i128(-1).left(W::BITS).signed(), 0);
        assert_eq!(W::from_i128(-1).low(W::BITS).signed(), -1);
    }

    #[test]
    fn numbers_keep_their_value_in_either_width() {
        numbers_keep_their_value::<u64>();
        numbers_keep_their_value::<u128>();
    }
}

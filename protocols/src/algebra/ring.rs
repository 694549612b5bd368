//! Rings that shares live in: integers modulo powers of two, and 64 bits at once. Fields are in
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

/// Integers modulo a power of two.
pub trait Integer: Ring {
    /// The element that equals `x`.
    fn from_i128(x: i128) -> Self;

    /// `floor(x / 2^shift)` of the number that is not negative; `shift` is below the width.
    #[must_use]
    fn right(self, shift: u32) -> Self;

    /// `x·2^shift`; 0 from the width on.
    #[must_use]
    fn left(self, shift: u32) -> Self;
}

/// Integers modulo `2^BITS` that a number of the program may be.
pub trait Word: Integer {
    /// Width of the ring.
    const BITS: u32;

    /// The number in `[-2^(BITS-1), 2^(BITS-1))` that equals the element.
    fn signed(self) -> i128;

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

        impl Integer for $unsigned {
            #[inline(always)]
            fn from_i128(x: i128) -> Self {
                x as Self
            }

            #[inline(always)]
            fn right(self, shift: u32) -> Self {
                self >> shift
            }

            #[inline(always)]
            fn left(self, shift: u32) -> Self {
                self.checked_shl(shift).unwrap_or(0)
            }
        }

        impl Word for $unsigned {
            const BITS: u32 = <$unsigned>::BITS;

            #[inline(always)]
            fn signed(self) -> i128 {
                i128::from(self as $signed)
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

/// Integers modulo 2^192, lowest word first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct Wide([u64; 3]);

impl Wide {
    #[inline(always)]
    fn low(self) -> u128 {
        u128::from(self.0[0]) | u128::from(self.0[1]) << 64
    }

    #[inline(always)]
    fn new(low: u128, high: u64) -> Wide {
        Wide([low as u64, (low >> 64) as u64, high])
    }
}

impl Ring for Wide {
    #[inline(always)]
    fn plus(self, other: Wide) -> Wide {
        let (low, carry) = self.low().overflowing_add(other.low());
        Wide::new(low, self.0[2].wrapping_add(other.0[2]).wrapping_add(carry.into()))
    }

    #[inline(always)]
    fn minus(self, other: Wide) -> Wide {
        let (low, borrow) = self.low().overflowing_sub(other.low());
        Wide::new(low, self.0[2].wrapping_sub(other.0[2]).wrapping_sub(borrow.into()))
    }

    #[inline(always)]
    fn times(self, other: Wide) -> Wide {
        let ([a0, a1, a2], [b0, b1, b2]) = (self.0, other.0);
        let product = |a: u64, b: u64| u128::from(a) * u128::from(b);
        // What overflows counts from 2^192 on.
        let upper = product(a0, b1).wrapping_add(product(a1, b0));
        let (low, more) = product(a0, b0).overflowing_add(upper << 64);
        let high =
            a0.wrapping_mul(b2).wrapping_add(a1.wrapping_mul(b1)).wrapping_add(a2.wrapping_mul(b0));
        let high = high.wrapping_add((upper >> 64) as u64).wrapping_add(u64::from(more));
        Wide::new(low, high)
    }
}

impl Integer for Wide {
    #[inline(always)]
    fn from_i128(x: i128) -> Wide {
        Wide::new(x as u128, (x >> 127) as u64)
    }

    fn right(self, shift: u32) -> Wide {
        let (words, within) = ((shift / 64) as usize, shift % 64);
        let word = |i: usize| self.0.get(i + words).copied().unwrap_or(0);
        Wide(std::array::from_fn(|i| word(i) >> within | word(i + 1) << 1 << (63 - within)))
    }

    fn left(self, shift: u32) -> Wide {
        let (words, within) = ((shift / 64) as usize, shift % 64);
        let word = |i: usize, down: usize| i.checked_sub(words + down).map_or(0, |at| self.0[at]);
        Wide(std::array::from_fn(|i| word(i, 0) << within | word(i, 1) >> 1 >> (63 - within)))
    }
}

/// A ring modulo 2^k inside one modulo 2^(k+64), in which errors are found.
pub trait Covered: Word {
    /// Integers modulo 2^(k+64).
    type Long: Integer;

    /// The element below 2^k that equals `self` modulo 2^k.
    fn lengthen(self) -> Self::Long;

    /// `x` modulo 2^k.
    fn shorten(x: Self::Long) -> Self;
}

impl Covered for u64 {
    type Long = u128;

    #[inline(always)]
    fn lengthen(self) -> u128 {
        self.into()
    }

    #[inline(always)]
    fn shorten(x: u128) -> u64 {
        x as u64
    }
}

impl Covered for u128 {
    type Long = Wide;

    #[inline(always)]
    fn lengthen(self) -> Wide {
        Wide::new(self, 0)
    }

    #[inline(always)]
    fn shorten(x: Wide) -> u128 {
        x.low()
    }
}

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

    /// Schoolbook, digit by digit of 32 bits.
    fn schoolbook(a: Wide, b: Wide) -> Wide {
        let digits =
            |x: Wide| -> Vec<u64> { x.0.iter().flat_map(|w| [w & 0xffff_ffff, w >> 32]).collect() };
        let (a, b) = (digits(a), digits(b));
        let mut sums = [0_u128; 6];
        for (i, j) in (0..6).flat_map(|i| (0..6 - i).map(move |j| (i, j))) {
            sums[i + j] += u128::from(a[i]) * u128::from(b[j]);
        }
        let mut carry = 0;
        let digits = sums.map(|sum| {
            let all = sum + carry;
            carry = all >> 32;
            all as u64 & 0xffff_ffff
        });
        Wide(std::array::from_fn(|w| digits[2 * w] | digits[2 * w + 1] << 32))
    }

    #[test]
    fn integers_of_three_words_are_a_ring() {
        let word = |i: u64| (i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
        let random = (0..20).map(|i| Wide([word(3 * i), word(3 * i + 1), word(3 * i + 2)]));
        let edges =
            [Wide([!0; 3]), Wide([0; 3]), Wide([!0, !0, 0]), Wide([0, !0, !0]), Wide([1, 0, 0])];
        let all: Vec<Wide> = random.chain(edges).collect();
        for (&a, &b) in all.iter().flat_map(|a| all.iter().map(move |b| (a, b))) {
            assert_eq!(a.times(b), schoolbook(a, b));
            assert_eq!(a.plus(b).minus(b), a);
            assert_eq!(a.plus(b).times(a), a.times(a).plus(b.times(a)));
        }
        assert_eq!(Wide::from_i128(-3).plus(Wide::from_i128(5)), Wide::from_i128(2));
        let (x, mut power) = (all[0], Wide::from_i128(1));
        for shift in 0..192 {
            assert_eq!(x.left(shift), x.times(power));
            let low = x.minus(x.right(shift).left(shift));
            assert_eq!(low.right(shift), Wide([0; 3]));
            power = power.plus(power);
        }
        assert_eq!(u128::shorten(u128::lengthen(!7)), !7);
        assert_eq!(u64::shorten(u64::lengthen(9).times(u128::from_i128(-2))).signed(), -18);
    }

    #[test]
    fn numbers_keep_their_value_in_either_width() {
        numbers_keep_their_value::<u64>();
        numbers_keep_their_value::<u128>();
    }
}

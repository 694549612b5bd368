//! What numbers with MACs are made of, in a ring and in a field.

use crate::algebra::clear;
use crate::algebra::field::{F61, F127, F255};
use crate::algebra::number::Number;
use crate::algebra::ring::Wide;

/// Elements that carry MACs. In a ring modulo 2^(k+s) a value counts modulo 2^k, and the s bits above are
/// what makes its MAC hard to forge.
pub(crate) trait Authentic: Number {
    /// Bits of a value that count; in a field all of them.
    const VALUE: u32;
    /// Bits of a party's summand of the MAC key.
    const KEY: usize;
    /// Bits of a part of the first factor of a triple.
    const PART: usize;

    /// Parts that a first factor is combined of, so that what cheaters may learn of the parts says nothing
    /// about two combinations of them, but with a probability of 2^-σ.
    ///
    /// Cheaters learn b bits of the parts with probability 2^-b, else they are found out. By the leftover
    /// hash lemma two random combinations of H bits in all are then within `2^(-(h - H)/2)` of uniform,
    /// h = parts·PART - b; over all b the advantage is at most `2^(-(parts·PART - H)/2)`.
    fn parts(stat_sec: u32) -> usize {
        (2 * Self::BITS + 2 * stat_sec as usize).div_ceil(Self::PART)
    }

    /// The number of the program that a value stands for.
    fn value(self) -> i128;
}

macro_rules! impl_ring {
    ($($ty:ty: $value:expr),*) => { $(
        impl Authentic for $ty {
            const VALUE: u32 = $value;
            const KEY: usize = 64;
            const PART: usize = 1;

            fn value(self) -> i128 {
                clear::wrap(self.wide()[0] as i128, $value)
            }
        }
    )* };
}
// Numbers of 64 and of 128 bits.
impl_ring!(u128: 64, Wide: 128);

macro_rules! impl_field {
    ($($ty:ty),*) => { $(
        impl Authentic for $ty {
            const VALUE: u32 = <$ty as Number>::BITS as u32;
            const KEY: usize = <$ty as Number>::BITS;
            const PART: usize = <$ty as Number>::BITS;

            fn value(self) -> i128 {
                Number::to_i128(self)
            }
        }
    )* };
}
impl_field!(F61, F127, F255);

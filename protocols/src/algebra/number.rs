//! What additive sharing needs of a ring or a field.

use bytemuck::Pod;

use super::clear;
use super::field::{F61, F127, F255, Prime};
use super::ring::{Integer, Ring, Wide};
use crate::protocol::Domain;

/// Integers modulo 2^64, 2^128 or 2^192, or modulo a prime, as plain words. Arithmetic has no branches that depend on
/// values.
pub trait Number: Pod + Send + Sync {
    /// Words of an element.
    const WORDS: usize = size_of::<Self>() / 8;
    /// Bits of an element: an element is the sum of 2^i over the bits i that are set in its words.
    const BITS: usize;
    /// Whether uniform bits make a uniform element, and low bits of a sum do not depend on high ones.
    const RING: bool;
    /// Where such elements live.
    const DOMAIN: Domain;

    /// `self + b`.
    #[must_use]
    fn plus(self, b: Self) -> Self;
    /// `self - b`.
    #[must_use]
    fn minus(self, b: Self) -> Self;
    /// `self·b`.
    #[must_use]
    fn times(self, b: Self) -> Self;
    /// `self·2^places`.
    #[must_use]
    fn raised(self, places: u32) -> Self;
    /// Undoes [`Number::raised`], as far as that can be undone; in a field no places can.
    #[must_use]
    fn lowered(self, places: u32) -> Self;
    /// The element in these words; `None` if they hold none.
    fn checked(words: &[u64]) -> Option<Self>;
    /// A uniform element from uniform words.
    fn uniform(words: &[u64]) -> Self;
    /// The element that equals `x`.
    fn from_i128(x: i128) -> Self;
    /// The number of least magnitude that the element stands for.
    fn to_i128(self) -> i128;
    /// The element as a number that is not negative, lower half first.
    fn wide(self) -> [u128; 2];

    /// Zero.
    fn zero() -> Self {
        bytemuck::Zeroable::zeroed()
    }

    /// The element if `bit` is 1, zero if it is 0.
    #[must_use]
    #[inline(always)]
    fn masked(mut self, bit: u64) -> Self {
        let mask = bit.wrapping_neg();
        let words: &mut [u64] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut self));
        words.iter_mut().for_each(|word| *word &= mask);
        self
    }

    /// Bits that say what `self·2^places` is.
    fn bits_of_raised(places: u32) -> usize {
        if Self::RING { Self::BITS.saturating_sub(places as usize) } else { 64 * Self::WORDS }
    }
}

macro_rules! impl_ring {
    ($($ty:ty),*) => { $(
        impl Number for $ty {
            const BITS: usize = 8 * size_of::<Self>();
            const RING: bool = true;
            const DOMAIN: Domain = Domain::Ring { bits: Self::BITS as u32 };

            #[inline(always)]
            fn plus(self, b: Self) -> Self {
                Ring::plus(self, b)
            }

            #[inline(always)]
            fn minus(self, b: Self) -> Self {
                Ring::minus(self, b)
            }

            #[inline(always)]
            fn times(self, b: Self) -> Self {
                Ring::times(self, b)
            }

            #[inline(always)]
            fn raised(self, places: u32) -> Self {
                self.left(places)
            }

            #[inline(always)]
            fn lowered(self, places: u32) -> Self {
                self.right(places)
            }

            #[inline(always)]
            fn checked(words: &[u64]) -> Option<Self> {
                Some(Self::uniform(words))
            }

            #[inline(always)]
            fn uniform(words: &[u64]) -> Self {
                bytemuck::pod_read_unaligned(bytemuck::cast_slice(words))
            }

            #[inline(always)]
            fn from_i128(x: i128) -> Self {
                Integer::from_i128(x)
            }

            #[inline(always)]
            fn to_i128(self) -> i128 {
                clear::wrap(self.wide()[0] as i128, (Self::BITS as u32).min(128))
            }

            #[inline(always)]
            fn wide(self) -> [u128; 2] {
                let mut words = [0_u64; 4];
                words[..<Self as Ring>::WORDS].copy_from_slice(bytemuck::cast_slice(&[self]));
                [0, 2].map(|i| u128::from(words[i]) | u128::from(words[i + 1]) << 64)
            }
        }
    )* };
}
impl_ring!(u64, u128, Wide);

macro_rules! impl_field {
    ($($ty:ty),*) => { $(
        impl Number for $ty {
            const BITS: usize = <Self as Prime>::BITS as usize + 1;
            const RING: bool = false;
            const DOMAIN: Domain = Domain::Prime { bits: <Self as Prime>::BITS };

            #[inline(always)]
            fn plus(self, b: Self) -> Self {
                Ring::plus(self, b)
            }

            #[inline(always)]
            fn minus(self, b: Self) -> Self {
                Ring::minus(self, b)
            }

            #[inline(always)]
            fn times(self, b: Self) -> Self {
                Ring::times(self, b)
            }

            #[inline(always)]
            fn raised(self, places: u32) -> Self {
                (0..places).fold(self, |x, _| Ring::plus(x, x))
            }

            #[inline(always)]
            fn lowered(self, places: u32) -> Self {
                assert_eq!(places, 0, "numbers modulo a prime are not shifted");
                self
            }

            fn checked(words: &[u64]) -> Option<Self> {
                Prime::checked(words)
            }

            #[inline(always)]
            fn uniform(words: &[u64]) -> Self {
                Prime::uniform(words)
            }

            fn from_i128(x: i128) -> Self {
                Prime::from_i128(x)
            }

            fn to_i128(self) -> i128 {
                Prime::to_i128(self)
            }

            fn wide(self) -> [u128; 2] {
                Prime::wide(self)
            }
        }
    )* };
}
impl_field!(F61, F127, F255);

//! What numbers with MACs are made of, in a ring and in a field.

use crate::algebra::clear;
use crate::algebra::field::{F61, F127, F255, Field};
use crate::algebra::number::Number;
use crate::algebra::ring::Wide;
use crate::schemes::majority::bits::halved_roots;

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

    /// A number that has roots of its square from a random one; `one` is 1.
    fn rooted(u: Self, one: Self) -> Self;

    /// For each of some public squares of [`Authentic::rooted`] numbers, f and g such that `u·f + g` is a bit.
    /// Anything goes for what is no such square.
    fn bits_by_squares(squares: &[Self]) -> Vec<[Self; 2]>;
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

            fn rooted(u: Self, one: Self) -> Self {
                u.raised(1).plus(one)
            }

            fn bits_by_squares(squares: &[Self]) -> Vec<[Self; 2]> {
                let one = Self::from_i128(1);
                let line = |&square: &Self| {
                    let inverse = inverse_root(square);
                    [inverse, inverse.plus(one).lowered(1)]
                };
                squares.iter().map(line).collect()
            }
        }
    )* };
}
// A bit, and numbers of 64 and of 128 bits.
impl_ring!(u64: 1, u128: 64, Wide: 128);

macro_rules! impl_field {
    ($($ty:ty),*) => { $(
        impl Authentic for $ty {
            const VALUE: u32 = <$ty as Number>::BITS as u32;
            const KEY: usize = <$ty as Number>::BITS;
            const PART: usize = <$ty as Number>::BITS;

            fn value(self) -> i128 {
                Number::to_i128(self)
            }

            fn rooted(u: Self, _: Self) -> Self {
                u
            }

            fn bits_by_squares(squares: &[Self]) -> Vec<[Self; 2]> {
                let half = <Self as Number>::from_i128(2).inverse();
                let mut roots = squares.to_vec();
                halved_roots(squares)(0, &mut roots);
                // The root of 0, which has a probability of 1/p, makes the bit 0.
                let more = |root: Self| if Number::wide(root) == [0, 0] { root } else { half };
                roots.into_iter().map(|root| [root, more(root)]).collect()
            }
        }
    )* };
}
impl_field!(F61, F127, F255);

/// The inverse of a root of a public odd square, by Newton's iteration: if `1 - x·y²` is a multiple of 2^j it
/// is one of 2^(2j-2) next. It begins with 2^3, so 8 steps are enough for 2^258.
fn inverse_root<N: Number>(x: N) -> N {
    let one = N::from_i128(1);
    let step = |y: N| y.plus(y.times(one.minus(x.times(y).times(y)).lowered(1)));
    (0..8).fold(one, |y, _| step(y))
}

//! Prime fields with few elements, which tests go through.

use bytemuck::{Pod, Zeroable};
use mpc_runtime::tape;

use crate::algebra::field::{Field, LANES, Prime};
use crate::algebra::ring::Ring;

/// Integers modulo a prime below 16.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub(crate) struct Small<const P: u64>(u64);

impl<const P: u64> Ring for Small<P> {
    fn plus(self, b: Self) -> Self {
        Small((self.0 + b.0) % P)
    }

    fn minus(self, b: Self) -> Self {
        Small((self.0 + P - b.0) % P)
    }

    fn times(self, b: Self) -> Self {
        Small(self.0 * b.0 % P)
    }

    fn valid(elements: &[Self]) -> bool {
        elements.iter().all(|x| x.0 < P)
    }

    fn settle(elements: &mut [Self]) {
        elements.iter_mut().for_each(|x| *x = Self::uniform(&[x.0]));
    }
}

impl<const P: u64> Field for Small<P> {
    const ONE: Self = Small(1);

    fn point(x: usize) -> Self {
        assert!((x as u64) < P, "there are points for {} parties", P - 1);
        Small(x as u64)
    }

    fn inverse(self) -> Self {
        (0..P).map(Small).find(|x| x.times(self).0 == 1).unwrap_or(Small(0))
    }
}

impl<const P: u64> Prime for Small<P> {
    const BITS: u32 = P.ilog2();
    const ZERO: Self = Small(0);
    const PRIME: [u128; 2] = [P as u128, 0];

    fn checked(words: &[u64]) -> Option<Self> {
        (words[0] < P).then_some(Small(words[0]))
    }

    fn read(words: &[u64]) -> Self {
        Small(words[0])
    }

    fn write(self, words: &mut [u64]) {
        words[0] = self.0;
    }

    /// Uniform if the word was read from a tape of base `P`; nearly, if not.
    fn uniform(words: &[u64]) -> Self {
        Small(u64::from(tape::digit(words[0], P as u8)).min(P - 1))
    }

    fn wide(self) -> [u128; 2] {
        [self.0.into(), 0]
    }

    fn from_wide(wide: [u128; 2]) -> Self {
        Small((wide[0] % u128::from(P)) as u64)
    }

    fn from_i128(x: i128) -> Self {
        Small(x.rem_euclid(P.into()) as u64)
    }

    fn inverse_roots(squares: [Self; LANES]) -> [Self; LANES] {
        let root = |square: Self| (0..P).map(Small).find(|x| x.times(*x).times(square).0 == 1);
        squares.map(|square| root(square).unwrap_or(Small(0)))
    }
}

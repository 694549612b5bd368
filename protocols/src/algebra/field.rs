//! Prime fields: 2^61 - 1, 2^127 - 1 and 2^255 - 19.
//!
//! Elements travel and are stored as little-endian words, always below the prime. Arithmetic has no
//! branches and no tables that depend on values.
#![allow(clippy::needless_range_loop, reason = "digits of several numbers run side by side")]

use bytemuck::{Pod, Zeroable};

use super::ring::Ring;

/// Powers that are computed side by side, which takes little longer than one alone.
pub const LANES: usize = 8;

/// A field, or some elements of one side by side that are added and multiplied alike.
pub trait Field: Ring {
    /// Elements side by side.
    const PACKED: usize = 1;
    /// One.
    const ONE: Self;

    /// Element `x` of a list of different ones, of which the first is zero.
    fn point(x: usize) -> Self;

    /// The inverse of a public element; zero for zero.
    #[must_use]
    fn inverse(self) -> Self;
}

/// A prime field. Elements are below the prime.
pub trait Prime: Field {
    /// Bits of the prime, less one.
    const BITS: u32;
    /// Zero.
    const ZERO: Self;

    /// The element in these words; `None` if they hold no number below the prime.
    fn checked(words: &[u64]) -> Option<Self>;
    /// The element in words that hold one.
    fn read(words: &[u64]) -> Self;
    /// Writes the element.
    fn write(self, words: &mut [u64]);
    /// An element from uniform words; its distance from uniform is below 2^-60 for 2^61 - 1 (the one
    /// word that would be the prime itself stands for zero), 2^-126 for the others.
    fn uniform(words: &[u64]) -> Self;
    /// The element below the prime, as a number of 256 bits, lower half first.
    fn wide(self) -> [u128; 2];
    /// The element for a number of 256 bits below the prime, lower half first.
    fn from_wide(wide: [u128; 2]) -> Self;
    /// The prime, lower half first.
    const PRIME: [u128; 2];

    /// An integer modulo the prime.
    fn from_i128(x: i128) -> Self {
        let magnitude = reduce::<Self>(x.unsigned_abs());
        let (positive, negative) = (magnitude.wide(), Self::ZERO.minus(magnitude).wide());
        let sign = (x >> 127) as u128;
        Self::from_wide([0, 1].map(|i| positive[i] & !sign | negative[i] & sign))
    }

    /// The integer of least magnitude that the element stands for; its low 128 bits.
    fn to_i128(self) -> i128 {
        let wide = self.wide();
        let doubled = [wide[0] << 1, wide[1] << 1 | wide[0] >> 127];
        let above = (doubled[1], doubled[0]) > (Self::PRIME[1], Self::PRIME[0]);
        let lifted = if above { wide[0].wrapping_sub(Self::PRIME[0]) } else { wide[0] };
        lifted as i128
    }

    /// The inverse of one of the roots of each of some public elements, always of the same; zero for
    /// zero. The elements are squares.
    fn inverse_roots(squares: [Self; LANES]) -> [Self; LANES];
}

/// The words of an element.
fn words<F: Prime>(x: &F) -> &[u64] {
    bytemuck::cast_slice(std::slice::from_ref(x))
}

/// Whether all are below the prime.
fn all_below<F: Prime>(elements: &[F]) -> bool {
    elements.iter().all(|x| F::checked(words(x)).is_some())
}

/// Uniform elements of uniform words.
fn settle<F: Prime>(elements: &mut [F]) {
    elements.iter_mut().for_each(|x| *x = F::uniform(words(x)));
}

macro_rules! impl_field {
    ($field:ident, $one:expr) => {
        impl Field for $field {
            const ONE: Self = $one;

            fn point(x: usize) -> Self {
                Self::from_i128(x as i128)
            }

            // By Fermat.
            fn inverse(self) -> Self {
                let exponent = [Self::PRIME[0] - 2, Self::PRIME[1]];
                let bit = |i: u32| exponent[(i / 128) as usize] >> (i % 128) & 1 == 1;
                (0..=Self::BITS).rev().fold(Self::ONE, |power, i| {
                    let square = power.times(power);
                    if bit(i) { square.times(self) } else { square }
                })
            }
        }
    };
}

/// A number of 128 bits modulo the prime.
fn reduce<F: Prime>(x: u128) -> F {
    if F::BITS >= 128 {
        return F::from_wide([x, 0]);
    }
    // Limbs of 60 bits are below every prime here.
    let limb = |i: u32| F::from_wide([x >> (60 * i) & ((1 << 60) - 1), 0]);
    let base = F::from_wide([1 << 60, 0]);
    limb(2).times(base).plus(limb(1)).times(base).plus(limb(0))
}

/// Products lane by lane.
#[inline(always)]
fn products<F: Prime>(a: [F; LANES], b: [F; LANES]) -> [F; LANES] {
    std::array::from_fn(|i| a[i].times(b[i]))
}

/// The powers of `2^m - 1`.
fn powers_of_ones<F: Prime>(x: [F; LANES], m: u32) -> [F; LANES] {
    if m == 1 {
        return x;
    }
    let half = powers_of_ones(x, m / 2);
    let powers = products(squared(half, m / 2), half);
    if m.is_multiple_of(2) { powers } else { products(products(powers, powers), x) }
}

/// The powers of `2^times`.
fn squared<F: Prime>(x: [F; LANES], times: u32) -> [F; LANES] {
    (0..times).fold(x, |x, _| products(x, x))
}

/// Integers modulo 2^61 - 1.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub struct F61(u64);

const P61: u64 = (1 << 61) - 1;

impl F61 {
    /// From a number below twice the prime.
    fn folded(x: u64) -> F61 {
        let less = x.wrapping_sub(P61);
        let keep = (less >> 63).wrapping_neg();
        F61(x & keep | less & !keep)
    }
}

impl Ring for F61 {
    #[inline]
    fn plus(self, b: F61) -> F61 {
        F61::folded(self.0 + b.0)
    }

    #[inline]
    fn minus(self, b: F61) -> F61 {
        F61::folded(self.0 + P61 - b.0)
    }

    #[inline]
    fn times(self, b: F61) -> F61 {
        let product = u128::from(self.0) * u128::from(b.0);
        F61::folded((product as u64 & P61) + (product >> 61) as u64)
    }

    fn valid(elements: &[F61]) -> bool {
        all_below(elements)
    }

    fn settle(elements: &mut [F61]) {
        settle(elements);
    }
}

impl_field!(F61, F61(1));

impl Prime for F61 {
    const BITS: u32 = 60;
    const ZERO: F61 = F61(0);
    const PRIME: [u128; 2] = [P61 as u128, 0];

    fn checked(words: &[u64]) -> Option<F61> {
        (words[0] < P61).then_some(F61(words[0]))
    }

    #[inline]
    fn read(words: &[u64]) -> F61 {
        F61(words[0])
    }

    #[inline]
    fn write(self, words: &mut [u64]) {
        words[0] = self.0;
    }

    #[inline]
    fn uniform(words: &[u64]) -> F61 {
        F61::folded(words[0] & P61)
    }

    // p = 3 modulo 4: an inverse root of a square x is x^((p - 3)/4).
    fn inverse_roots(squares: [Self; LANES]) -> [Self; LANES] {
        powers_of_ones(squares, Self::BITS - 1)
    }

    fn wide(self) -> [u128; 2] {
        [u128::from(self.0), 0]
    }

    fn from_wide(wide: [u128; 2]) -> F61 {
        F61(wide[0] as u64)
    }
}

/// Integers modulo 2^127 - 1.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub struct F127(u128);

const P127: u128 = (1 << 127) - 1;

impl F127 {
    /// From a number below twice the prime.
    fn folded(x: u128) -> F127 {
        let less = x.wrapping_sub(P127);
        let keep = (less >> 127).wrapping_neg();
        F127(x & keep | less & !keep)
    }
}

/// The product of two numbers of 128 bits, lower half first.
#[inline]
fn product(a: u128, b: u128) -> [u128; 2] {
    let half = |x: u128| (x & u128::from(u64::MAX), x >> 64);
    let ((a0, a1), (b0, b1)) = (half(a), half(b));
    let low = a0 * b0;
    let (mid, carry) = (a0 * b1).overflowing_add(a1 * b0);
    let (low, more) = low.overflowing_add(mid << 64);
    [low, a1 * b1 + (mid >> 64) + (u128::from(carry) << 64) + u128::from(more)]
}

impl Ring for F127 {
    #[inline]
    fn plus(self, b: F127) -> F127 {
        F127::folded(self.0 + b.0)
    }

    #[inline]
    fn minus(self, b: F127) -> F127 {
        F127::folded(self.0 + P127 - b.0)
    }

    #[inline]
    fn times(self, b: F127) -> F127 {
        let [low, high] = product(self.0, b.0);
        F127::folded((low & P127) + (high << 1 | low >> 127))
    }

    fn valid(elements: &[F127]) -> bool {
        all_below(elements)
    }

    fn settle(elements: &mut [F127]) {
        settle(elements);
    }
}

impl_field!(F127, F127(1));

impl Prime for F127 {
    const BITS: u32 = 126;
    const ZERO: F127 = F127(0);
    const PRIME: [u128; 2] = [P127, 0];

    fn checked(words: &[u64]) -> Option<F127> {
        let x = F127::read(words);
        (x.0 < P127).then_some(x)
    }

    #[inline]
    fn read(words: &[u64]) -> F127 {
        F127(u128::from(words[0]) | u128::from(words[1]) << 64)
    }

    #[inline]
    fn write(self, words: &mut [u64]) {
        words[0] = self.0 as u64;
        words[1] = (self.0 >> 64) as u64;
    }

    #[inline]
    fn uniform(words: &[u64]) -> F127 {
        F127::folded(F127::read(words).0 & P127)
    }

    // p = 3 modulo 4: an inverse root of a square x is x^((p - 3)/4).
    fn inverse_roots(squares: [Self; LANES]) -> [Self; LANES] {
        powers_of_ones(squares, Self::BITS - 1)
    }

    fn wide(self) -> [u128; 2] {
        [self.0, 0]
    }

    fn from_wide(wide: [u128; 2]) -> F127 {
        F127(wide[0])
    }
}

/// Integers modulo 2^255 - 19, in four words, lowest first.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub struct F255([u64; 4]);

const P255: [u64; 4] = [u64::MAX - 18, u64::MAX, u64::MAX, u64::MAX >> 1];

/// `a + b + carry`, and the carry out.
#[inline]
fn carrying(a: u64, b: u64, carry: u64) -> (u64, u64) {
    let sum = u128::from(a) + u128::from(b) + u128::from(carry);
    (sum as u64, (sum >> 64) as u64)
}

/// `a + b·c + carry`, and the carry out.
#[inline]
fn multiplied(a: u64, b: u64, c: u64, carry: u64) -> (u64, u64) {
    let sum = u128::from(a) + u128::from(b) * u128::from(c) + u128::from(carry);
    (sum as u64, (sum >> 64) as u64)
}

impl F255 {
    /// From a number below twice the prime.
    #[inline]
    fn folded(x: [u64; 4]) -> F255 {
        // x - p = x + 19 - 2^255: it is not negative if x + 19 reaches bit 255.
        let mut less = [0; 4];
        let mut carry = 19;
        for i in 0..4 {
            (less[i], carry) = carrying(x[i], 0, carry);
        }
        let reached = (less[3] >> 63).wrapping_neg();
        less[3] &= u64::MAX >> 1;
        let mut out = [0; 4];
        for i in 0..4 {
            out[i] = less[i] & reached | x[i] & !reached;
        }
        F255(out)
    }
}

impl Ring for F255 {
    #[inline]
    fn plus(self, b: F255) -> F255 {
        let mut sum = [0; 4];
        let mut carry = 0;
        for i in 0..4 {
            (sum[i], carry) = carrying(self.0[i], b.0[i], carry);
        }
        F255::folded(sum)
    }

    #[inline]
    fn minus(self, b: F255) -> F255 {
        // a + (p - b), digit by digit; p - b does not borrow beyond its last word.
        let mut minus = [0; 4];
        let mut borrow = 0;
        for i in 0..4 {
            let (x, first) = P255[i].overflowing_sub(b.0[i]);
            let (x, second) = x.overflowing_sub(borrow);
            minus[i] = x;
            borrow = u64::from(first | second);
        }
        self.plus(F255(minus))
    }

    #[inline]
    fn times(self, b: F255) -> F255 {
        let mut wide = [0_u64; 8];
        for i in 0..4 {
            let mut carry = 0;
            for j in 0..4 {
                (wide[i + j], carry) = multiplied(wide[i + j], self.0[i], b.0[j], carry);
            }
            wide[i + 4] = carry;
        }
        // 2^256 = 38 modulo p.
        let mut sum = [0; 4];
        let mut carry = 0;
        for i in 0..4 {
            (sum[i], carry) = multiplied(wide[i], wide[i + 4], 38, carry);
        }
        // What is above 255 bits, at most 7 bits, comes back times 19.
        let mut carry = (carry << 1 | sum[3] >> 63) * 19;
        sum[3] &= u64::MAX >> 1;
        for word in &mut sum {
            (*word, carry) = carrying(*word, 0, carry);
        }
        F255::folded(sum)
    }

    fn valid(elements: &[F255]) -> bool {
        all_below(elements)
    }

    fn settle(elements: &mut [F255]) {
        settle(elements);
    }
}

impl_field!(F255, F255([1, 0, 0, 0]));

impl Prime for F255 {
    const BITS: u32 = 254;
    const ZERO: F255 = F255([0; 4]);
    const PRIME: [u128; 2] = [u128::MAX - 18, u128::MAX >> 1];

    fn checked(words: &[u64]) -> Option<F255> {
        let below = words.iter().rev().lt(P255.iter().rev());
        below.then(|| F255::read(words))
    }

    #[inline]
    fn read(words: &[u64]) -> F255 {
        F255([words[0], words[1], words[2], words[3]])
    }

    #[inline]
    fn write(self, words: &mut [u64]) {
        words[..4].copy_from_slice(&self.0);
    }

    #[inline]
    fn uniform(words: &[u64]) -> F255 {
        F255::folded([words[0], words[1], words[2], words[3] & (u64::MAX >> 1)])
    }

    // p = 5 modulo 8: for a square x and t = x^((p - 5)/8), x·t² is 1 or -1. In the first case t is an
    // inverse root, in the second t times a root of -1, which 2^((p - 1)/4) is.
    fn inverse_roots(squares: [Self; LANES]) -> [Self; LANES] {
        let power = |x| products(squared(powers_of_ones(x, 250), 2), x);
        let two = F255::ONE.plus(F255::ONE);
        // (p - 1)/4 = 2·(p - 5)/8 + 1.
        let half = power([two; LANES])[0];
        let root = half.times(half).times(two);
        let t = power(squares);
        std::array::from_fn(|i| {
            let one = squares[i].times(t[i]).times(t[i]).wide() == F255::ONE.wide();
            if one { t[i] } else { t[i].times(root) }
        })
    }

    fn wide(self) -> [u128; 2] {
        let pair = |i: usize| u128::from(self.0[i]) | u128::from(self.0[i + 1]) << 64;
        [pair(0), pair(2)]
    }

    fn from_wide(wide: [u128; 2]) -> F255 {
        let words = wide.map(|x| [x as u64, (x >> 64) as u64]);
        F255([words[0][0], words[0][1], words[1][0], words[1][1]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same<F: Prime>(a: F, b: F) -> bool {
        a.wide() == b.wide()
    }

    /// Some elements, those at the edges among them.
    fn elements<F: Prime>() -> Vec<F> {
        let key = mpc_runtime::Key::new(&[5; 32], "field tests");
        let stream = test_stream(&key);
        let words = stream.words(40 * F::WORDS);
        let mut all: Vec<F> = words.chunks_exact(F::WORDS).map(F::uniform).collect();
        let minus_one = F::ZERO.minus(F::ONE);
        all.extend([F::ZERO, F::ONE, minus_one, minus_one.minus(F::ONE), F::ONE.plus(F::ONE)]);
        all
    }

    fn test_stream(key: &mpc_runtime::Key) -> mpc_runtime::Stream {
        let end = mpc_runtime::local::network(1, 1).remove(0);
        let executor = mpc_runtime::Executor::new(Box::new(end));
        executor.step(0, 0, mpc_runtime::Depth::ZERO).op(mpc_runtime::Depth::ZERO).stream(key, 0)
    }

    fn laws<F: Prime>() {
        let all = elements::<F>();
        for &a in &all {
            assert!(
                same(a.plus(F::ZERO), a) && same(a.times(F::ONE), a) && same(a.minus(a), F::ZERO)
            );
            if a.wide() != [0, 0] {
                assert!(same(a.times(a.inverse()), F::ONE));
            }
            let square = a.times(a);
            let roots = F::inverse_roots(std::array::from_fn(|i| {
                if i == 1 { square } else { F::from_i128(i as i128 * i as i128) }
            }));
            assert!(a.wide() == [0, 0] || same(roots[1].times(roots[1]).times(square), F::ONE));
            assert!(same(roots[0], F::ZERO));
            assert!(same(roots[3].times(roots[3]).times(F::from_i128(9)), F::ONE));
            let mut words = vec![0; F::WORDS];
            a.write(&mut words);
            assert!(F::checked(&words).is_some_and(|b| same(a, b)));
            for &b in &all {
                assert!(same(a.plus(b), b.plus(a)) && same(a.times(b), b.times(a)));
                assert!(same(a.minus(b).plus(b), a));
                for &c in &all[..12] {
                    assert!(same(a.times(b.plus(c)), a.times(b).plus(a.times(c))));
                    assert!(same(a.times(b).times(c), a.times(b.times(c))));
                }
            }
        }
        for x in [0, 1, -1, 1 << 59, -(1 << 59), i128::from(i64::MAX) >> 4, -77] {
            assert_eq!(F::from_i128(x).to_i128(), x);
        }
        let mut words = vec![0; F::WORDS];
        F::from_wide([F::PRIME[0] - 1, F::PRIME[1]]).write(&mut words);
        words[0] += 1;
        assert!(F::checked(&words).is_none(), "the prime itself is no element");
    }

    #[test]
    fn the_field_of_61_bits_keeps_the_laws() {
        laws::<F61>();
    }

    #[test]
    fn the_field_of_127_bits_keeps_the_laws() {
        laws::<F127>();
    }

    #[test]
    fn the_field_of_255_bits_keeps_the_laws() {
        laws::<F255>();
        for x in [i128::MAX, i128::MIN] {
            assert_eq!(F255::from_i128(x).to_i128(), x);
        }
    }
}

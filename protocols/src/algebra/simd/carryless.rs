//! Products of polynomials over GF(2), and the field GF(2^64) = GF(2)\[α\] modulo α^64 + α^4 + α^3 + α + 1
//! made of them. An element is a word, the coefficient of α^i its bit i.
//!
//! Sums of products are reduced once, at the end. Where the processor multiplies polynomials, it does so;
//! elsewhere integers with three zeros between any two bits are multiplied, whose carries stay in the
//! gaps (Pornin, BearSSL). Both take the same time for all operands.

/// A way to multiply polynomials of 64 coefficients, and to add up such products.
trait Multiplier {
    /// A sum of products.
    type Sum: Copy;

    fn zero() -> Self::Sum;

    /// `sum + x·y`.
    fn add(sum: Self::Sum, x: u64, y: u64) -> Self::Sum;

    /// The sum modulo the polynomial of the field.
    fn reduced(sum: Self::Sum) -> u64;
}

/// With the integer unit.
struct Portable;

impl Multiplier for Portable {
    type Sum = [u64; 2];

    #[inline(always)]
    fn zero() -> [u64; 2] {
        [0; 2]
    }

    #[inline(always)]
    fn add([low, high]: [u64; 2], x: u64, y: u64) -> [u64; 2] {
        let upper = low_product(x.reverse_bits(), y.reverse_bits()).reverse_bits() >> 1;
        [low ^ low_product(x, y), high ^ upper]
    }

    #[inline(always)]
    fn reduced([low, high]: [u64; 2]) -> u64 {
        reduce(low, high)
    }
}

/// The low 64 coefficients of a product.
#[inline(always)]
fn low_product(x: u64, y: u64) -> u64 {
    const EACH_FOURTH: u64 = 0x1111_1111_1111_1111;
    let part = |x: u64| -> [u64; 4] { std::array::from_fn(|i| x & EACH_FOURTH << i) };
    let (x, y) = (part(x), part(y));
    (0..4).fold(0, |sum, place| {
        let at_place = |i: usize| x[i].wrapping_mul(y[(4 + place - i) % 4]);
        sum | (at_place(0) ^ at_place(1) ^ at_place(2) ^ at_place(3)) & EACH_FOURTH << place
    })
}

/// `low + α^64·high`.
#[inline(always)]
fn reduce(low: u64, high: u64) -> u64 {
    let over = high >> 63 ^ high >> 61 ^ high >> 60;
    let high = high ^ over;
    low ^ high ^ high << 1 ^ high << 3 ^ high << 4
}

#[cfg(target_arch = "x86_64")]
mod hardware {
    use std::arch::x86_64::{
        __m128i, _mm_clmulepi64_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_setzero_si128,
        _mm_unpackhi_epi64, _mm_xor_si128,
    };
    use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

    use super::super::ASK;

    detection! { [has_carryless "pclmulqdq" "sse2"] {} }

    /// With the instruction; only to be used where [`has_carryless`].
    pub(super) struct Hardware;

    impl super::Multiplier for Hardware {
        type Sum = __m128i;

        #[inline(always)]
        fn zero() -> __m128i {
            // SAFETY: every processor of the architecture has it.
            unsafe { _mm_setzero_si128() }
        }

        #[inline(always)]
        fn add(sum: __m128i, x: u64, y: u64) -> __m128i {
            // SAFETY: the caller has asked whether the instruction is there.
            unsafe {
                let (x, y) = (_mm_cvtsi64_si128(x as i64), _mm_cvtsi64_si128(y as i64));
                _mm_xor_si128(sum, _mm_clmulepi64_si128::<0>(x, y))
            }
        }

        #[inline(always)]
        fn reduced(sum: __m128i) -> u64 {
            // SAFETY: every processor of the architecture has it.
            let [low, high] = unsafe {
                [_mm_cvtsi128_si64(sum), _mm_cvtsi128_si64(_mm_unpackhi_epi64(sum, sum))]
            };
            super::reduce(low as u64, high as u64)
        }
    }
}
#[cfg(target_arch = "x86_64")]
use hardware::{Hardware, has_carryless};

/// Defines a kernel from its body over a [`Multiplier`].
macro_rules! carryless_kernel {
    ($(#[$doc:meta])* fn $name:ident = $body:ident ($($arg:ident: $type:ty),* $(,)?)) => {
        $(#[$doc])*
        pub fn $name($($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "pclmulqdq,sse2")]
                fn copy($($arg: $type),*) {
                    $body::<Hardware>($($arg),*);
                }
                if has_carryless() {
                    // SAFETY: the instruction is there.
                    return unsafe { copy($($arg),*) };
                }
            }
            $body::<Portable>($($arg),*);
        }
    };
}

carryless_kernel! {
    /// `sum += Σ_i x_i·y_i`, as far as both go.
    fn field_dot = field_dot_body(sum: &mut u64, x: &[u64], y: &[u64])
}

#[inline(always)]
fn field_dot_body<M: Multiplier>(sum: &mut u64, x: &[u64], y: &[u64]) {
    let total = x.iter().zip(y).fold(M::zero(), |total, (&x, &y)| M::add(total, x, y));
    *sum ^= M::reduced(total);
}

carryless_kernel! {
    /// `sum += Σ_i x_0·(y_0 + y_1) + x_1·y_0`, as far as both go: what one party of three computes of an
    /// inner product.
    fn field_cross_dot = field_cross_dot_body(sum: &mut u64, x: [&[u64]; 2], y: [&[u64]; 2])
}

#[inline(always)]
fn field_cross_dot_body<M: Multiplier>(sum: &mut u64, x: [&[u64]; 2], y: [&[u64]; 2]) {
    let n = x[0].len().min(y[0].len());
    let (x0, x1, y0, y1) = (&x[0][..n], &x[1][..n], &y[0][..n], &y[1][..n]);
    let mut totals = [M::zero(); 2];
    for i in 0..n {
        totals[0] = M::add(totals[0], x0[i], y0[i] ^ y1[i]);
        totals[1] = M::add(totals[1], x1[i], y0[i]);
    }
    *sum ^= M::reduced(totals[0]) ^ M::reduced(totals[1]);
}

carryless_kernel! {
    /// `sum += Σ_i weight_i·(x_0∧(y_0 + y_1) + x_1∧y_0)`, as far as all go, the conjunctions bit by bit:
    /// what one party of three computes of a weighed sum of products of 64 bits each.
    fn field_cross_bits =
        field_cross_bits_body(sum: &mut u64, weights: &[u64], x: [&[u64]; 2], y: [&[u64]; 2])
}

#[inline(always)]
fn field_cross_bits_body<M: Multiplier>(
    sum: &mut u64,
    weights: &[u64],
    x: [&[u64]; 2],
    y: [&[u64]; 2],
) {
    let n = x[0].len().min(y[0].len());
    let (x0, x1, y0, y1) = (&x[0][..n], &x[1][..n], &y[0][..n], &y[1][..n]);
    let weights = &weights[..n];
    let mut total = M::zero();
    for i in 0..n {
        total = M::add(total, weights[i], x0[i] & (y0[i] ^ y1[i]) ^ x1[i] & y0[i]);
    }
    *sum ^= M::reduced(total);
}

carryless_kernel! {
    /// `out_p = Σ_i weight_i·x_(i·n + p)` for `n` elements of `out`; `x` may end early.
    fn field_fold = field_fold_body(out: &mut [u64], x: &[u64], weights: &[u64])
}

#[inline(always)]
fn field_fold_body<M: Multiplier>(out: &mut [u64], x: &[u64], weights: &[u64]) {
    let n = out.len();
    for (p, out) in out.iter_mut().enumerate() {
        let column = x.iter().skip(p).step_by(n).zip(weights);
        let total = column.fold(M::zero(), |total, (&x, &weight)| M::add(total, x, weight));
        *out = M::reduced(total);
    }
}

carryless_kernel! {
    /// `out_i = out_i·by_i`.
    fn field_scale = field_scale_body(out: &mut [u64], by: &[u64])
}

#[inline(always)]
fn field_scale_body<M: Multiplier>(out: &mut [u64], by: &[u64]) {
    out.iter_mut().zip(by).for_each(|(o, &by)| *o = M::reduced(M::add(M::zero(), *o, by)));
}

kernel! {
    /// `out_(64p + b) = Σ_i weight_(i·n + p)·(bit b of word x_(i·n + p))` for `64·n` elements of `out`; `x`
    /// may end early.
    pub fn fold_bits = fold_bits_body(out: &mut [u64], x: &[u64], weights: &[u64])
}

#[inline(always)]
fn fold_bits_body(out: &mut [u64], x: &[u64], weights: &[u64]) {
    let (out, _) = out.as_chunks_mut::<64>();
    let n = out.len();
    for (p, out) in out.iter_mut().enumerate() {
        let mut sums = [0; 64];
        for (&word, &weight) in x.iter().zip(weights).skip(p).step_by(n) {
            for (b, sum) in sums.iter_mut().enumerate() {
                *sum ^= (word >> b & 1).wrapping_neg() & weight;
            }
        }
        *out = sums;
    }
}

/// `x·y`.
pub fn field_times(x: u64, y: u64) -> u64 {
    let mut product = [x];
    field_scale(&mut product, &[y]);
    product[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(seed: u64, n: usize) -> Vec<u64> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            (state ^ state >> 29).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        };
        (0..n).map(|_| next()).collect()
    }

    /// Coefficient by coefficient.
    fn times(x: u64, y: u64) -> u64 {
        (0..64).rev().fold(0, |sum: u64, i| {
            let doubled = sum << 1 ^ if sum >> 63 == 1 { 0x1b } else { 0 };
            doubled ^ if y >> i & 1 == 1 { x } else { 0 }
        })
    }

    #[test]
    fn products_are_those_of_the_field() {
        let edges = [0, 1, 2, 0x1b, 1 << 63, !0, 0x8000_0000_0000_0001];
        let all: Vec<u64> = edges.into_iter().chain(words(7, 50)).collect();
        for (&x, &y) in all.iter().flat_map(|x| all.iter().map(move |y| (x, y))) {
            assert_eq!(field_times(x, y), times(x, y), "{x:x} {y:x}");
            let portable = Portable::reduced(Portable::add(Portable::zero(), x, y));
            assert_eq!(portable, times(x, y), "{x:x} {y:x}");
        }
        // Fermat: the polynomial is irreducible, or this would be a coincidence.
        let x = 0x1234_5678_9abc_def1;
        assert_eq!((0..64).fold(x, |power, _| times(power, power)), x);
    }

    #[test]
    fn kernels_equal_the_portable_ones() {
        for n in [0, 1, 3, 8, 31, 100] {
            let data: Vec<Vec<u64>> = (0..6).map(|i| words(i + 1, n)).collect();
            let [x, y] = [0, 2].map(|i| [&data[i][..], &data[i + 1][..]]);
            let weights = &data[4];
            let both = |kernel: &dyn Fn(&mut u64), body: &dyn Fn(&mut u64)| {
                let mut sums = [5, 5];
                kernel(&mut sums[0]);
                body(&mut sums[1]);
                assert_eq!(sums[0], sums[1]);
                sums[0] ^ 5
            };
            let sum = both(&|s| field_dot(s, x[0], y[0]), &|s| {
                field_dot_body::<Portable>(s, x[0], y[0]);
            });
            assert_eq!(sum, x[0].iter().zip(y[0]).fold(0, |s, (&x, &y)| s ^ times(x, y)));
            both(&|s| field_cross_dot(s, x, y), &|s| field_cross_dot_body::<Portable>(s, x, y));
            both(&|s| field_cross_bits(s, weights, x, y), &|s| {
                field_cross_bits_body::<Portable>(s, weights, x, y);
            });
            for width in [1, 3, 8] {
                let mut out = [words(9, width), words(9, width)];
                field_fold(&mut out[0], x[0], weights);
                field_fold_body::<Portable>(&mut out[1], x[0], weights);
                assert_eq!(out[0], out[1]);
                let mut out = [words(9, 64 * width), words(9, 64 * width)];
                fold_bits(&mut out[0], x[0], weights);
                fold_bits_body(&mut out[1], x[0], weights);
                assert_eq!(out[0], out[1]);
                for (at, &found) in out[0].iter().enumerate() {
                    let column =
                        (at / 64..n).step_by(width).filter(|&i| x[0][i] >> (at % 64) & 1 == 1);
                    assert_eq!(found, column.fold(0, |s, i| s ^ weights[i]));
                }
            }
            let mut out = [x[0].to_vec(), x[0].to_vec()];
            field_scale(&mut out[0], y[0]);
            field_scale_body::<Portable>(&mut out[1], y[0]);
            assert_eq!(out[0], out[1]);
        }
    }
}

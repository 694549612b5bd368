//! Kernels that are compiled more than once, and the choice between them when the program runs.
//!
//! Each kernel is one safe body. Where the processor has wider vectors, the same body compiled for
//! them is called instead; only that call and what is written by hand are unsafe.
#![allow(unsafe_code, reason = "the one module for vector instructions")]

#[cfg(target_arch = "x86_64")]
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use super::ring::Ring;

/// The levels that kernels are compiled for besides the least of the architecture, best first: the
/// function that tells whether the processor is of that level, and its features.
#[cfg(target_arch = "x86_64")]
macro_rules! for_each_level {
    ($then:ident $what:tt) => {
        $then! {
            [has_avx512 "avx512f" "avx512dq" "avx512vl" "avx512bw" "avx2" "fma" "bmi1" "bmi2"] $what
        }
        $then! { [has_avx2 "avx2" "fma" "bmi1" "bmi2"] $what }
    };
}

#[cfg(target_arch = "x86_64")]
macro_rules! detection {
    ([$has:ident $($feature:tt)*] {}) => {
        /// Whether the processor is of the level: asked once, remembered in one byte.
        #[inline(always)]
        pub(crate) fn $has() -> bool {
            static ANSWER: AtomicU8 = AtomicU8::new(ASK);
            #[cold]
            fn ask() -> bool {
                let has = $(std::arch::is_x86_feature_detected!($feature))&&*;
                ANSWER.store(u8::from(has), Relaxed);
                has
            }
            match ANSWER.load(Relaxed) {
                ASK => ask(),
                answer => answer == 1,
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
const ASK: u8 = 2;
#[cfg(target_arch = "x86_64")]
for_each_level! { detection {} }

/// One copy of a kernel, called if the processor is of its level and an element is one word: products
/// of more words are those of the integer unit, and the least copy is the fastest.
#[cfg(target_arch = "x86_64")]
macro_rules! at_level {
    ([$has:ident $($feature:tt)*]
     {$body:ident $(<$ring:ident $(: $bound:ident)? $(, const $width:ident)?>)?
      ($($arg:ident: $type:ty),*)}) => {{
        $(#[target_feature(enable = $feature)])*
        fn copy $(<$ring: Ring $(+ $bound)? $(, const $width: usize)?>)? ($($arg: $type),*) {
            $body($($arg),*);
        }
        if $crate::algebra::simd::$has() $(&& $ring::WORDS == 1)? {
            // SAFETY: the instructions are there, and the body is safe code.
            return unsafe { copy($($arg),*) };
        }
    }};
}

/// Defines a kernel from its body, with a further copy of it for each level.
macro_rules! kernel {
    ($(#[$doc:meta])* $vis:vis fn $name:ident = $body:ident
     $(<$ring:ident $(: $bound:ident)? $(, const $width:ident)?>)? ($($arg:ident: $type:ty),* $(,)?)) => {
        $(#[$doc])*
        $vis fn $name $(<$ring: Ring $(+ $bound)? $(, const $width: usize)?>)? ($($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            for_each_level! {
                at_level {$body $(<$ring $(: $bound)? $(, const $width)?>)? ($($arg: $type),*)}
            }
            $body($($arg),*);
        }
    };
}

mod addend;
mod aes;
mod carry;
mod carryless;
mod convolve;
mod gf256;
mod half_gates;
mod joint;
#[cfg(target_arch = "x86_64")]
pub(crate) mod limbs;
mod streams;
pub(crate) mod tile;
mod transpose;

pub use addend::{
    Outer, add_choice, add_chosen, add_flipped, add_tops, exclusive_or, outer, product_part,
    times_differences,
};
pub use aes::{Aes, Tweaks};
pub use carry::{MOST_PLACES, carry_out, majority, monomials};
pub use carryless::{
    field_cross_bits, field_cross_dot, field_dot, field_fold, field_scale, field_times, fold_bits,
};
pub use convolve::{UNIT, Window, convolve};
pub use gf256::form_of_products;
pub use half_gates::{TABLES, evaluate, garble, times};
pub use joint::{joint_dots, joint_masks, joint_terms};
pub use streams::Streams;
pub(crate) use transpose::close_up;
pub use transpose::{SQUARES, Strip, transpose_strip};

kernel! {
    /// `z += x_0·y_0 + x_0·y_1 + x_1·y_0 - m`: what one party of three computes of a product.
    pub fn cross = cross_body <R>(z: &mut [R], m: &[R], x: [&[R]; 2], y: [&[R]; 2])
}

#[inline(always)]
fn cross_body<R: Ring>(z: &mut [R], m: &[R], x: [&[R]; 2], y: [&[R]; 2]) {
    let n = z.len();
    let m = &m[..n];
    let (x0, x1, y0, y1) = (&x[0][..n], &x[1][..n], &y[0][..n], &y[1][..n]);
    for i in 0..n {
        z[i] = z[i].minus(m[i]).plus(x0[i].times(y0[i].plus(y1[i]))).plus(x1[i].times(y0[i]));
    }
}

kernel! {
    /// `z += x`.
    pub fn add = add_body <R>(z: &mut [R], x: &[R])
}

#[inline(always)]
fn add_body<R: Ring>(z: &mut [R], x: &[R]) {
    z.iter_mut().zip(x).for_each(|(z, &x)| *z = z.plus(x));
}

kernel! {
    /// `z -= x`.
    pub fn subtract = subtract_body <R>(z: &mut [R], x: &[R])
}

#[inline(always)]
fn subtract_body<R: Ring>(z: &mut [R], x: &[R]) {
    z.iter_mut().zip(x).for_each(|(z, &x)| *z = z.minus(x));
}

kernel! {
    /// `z += x·y`, element by element.
    pub fn multiply_add = multiply_add_body <R>(z: &mut [R], x: &[R], y: &[R])
}

#[inline(always)]
fn multiply_add_body<R: Ring>(z: &mut [R], x: &[R], y: &[R]) {
    let n = z.len();
    let (x, y) = (&x[..n], &y[..n]);
    for i in 0..n {
        z[i] = z[i].plus(x[i].times(y[i]));
    }
}

kernel! {
    /// `z += x·c` for one `c`.
    pub fn scale_add = scale_add_body <R>(z: &mut [R], x: &[R], c: R)
}

#[inline(always)]
fn scale_add_body<R: Ring>(z: &mut [R], x: &[R], c: R) {
    let x = &x[..z.len()];
    for i in 0..x.len() {
        z[i] = z[i].plus(x[i].times(c));
    }
}

kernel! {
    /// `sum += Σ_i x_i·y_i`.
    pub fn dot = dot_body <R>(sum: &mut R, x: &[R], y: &[R])
}

#[inline(always)]
fn dot_body<R: Ring>(sum: &mut R, x: &[R], y: &[R]) {
    let y = &y[..x.len()];
    let mut total = R::zeroed();
    for i in 0..x.len() {
        total = total.plus(x[i].times(y[i]));
    }
    *sum = sum.plus(total);
}

kernel! {
    /// `sums_i += Σ_j x_0·y_0 + x_0·y_1 + x_1·y_0` over row `i` of vectors in rows of `inner`: what one
    /// party of three computes of inner products.
    pub fn cross_dots = cross_dots_body <R>(sums: &mut [R], x: [&[R]; 2], y: [&[R]; 2], inner: usize)
}

#[inline(always)]
fn cross_dots_body<R: Ring>(sums: &mut [R], x: [&[R]; 2], y: [&[R]; 2], inner: usize) {
    for (row, sum) in sums.iter_mut().enumerate() {
        let range = row * inner..row * inner + inner;
        let (x0, x1) = (&x[0][range.clone()], &x[1][range.clone()]);
        let (y0, y1) = (&y[0][range.clone()], &y[1][range]);
        let mut total = R::zeroed();
        for j in 0..inner {
            total = total.plus(x0[j].times(y0[j].plus(y1[j]))).plus(x1[j].times(y0[j]));
        }
        *sum = sum.plus(total);
    }
}

kernel! {
    /// `c += a·b` for few columns: `a` row by row, `columns` those of `b`, both of length `inner`.
    pub fn dots = dots_body <R>(c: &mut [R], a: &[R], columns: &[R], inner: usize)
}

#[inline(always)]
fn dots_body<R: Ring>(c: &mut [R], a: &[R], columns: &[R], inner: usize) {
    let cols = columns.len() / inner;
    for (c, row) in c.chunks_exact_mut(cols).zip(a.chunks_exact(inner)) {
        for (c, column) in c.iter_mut().zip(columns.chunks_exact(inner)) {
            dot_body(c, row, column);
        }
    }
}

kernel! {
    /// `c += a·b` for few rows, `inner` of them in `b`; all row by row.
    pub fn combine = combine_body <R>(c: &mut [R], a: &[R], b: &[R], inner: usize)
}

#[inline(always)]
fn combine_body<R: Ring>(c: &mut [R], a: &[R], b: &[R], inner: usize) {
    const AT_ONCE: usize = 4;
    let cols = b.len() / inner;
    for first in (0..inner).step_by(AT_ONCE) {
        let rest = &b[first * cols..];
        for (c, a) in c.chunks_exact_mut(cols).zip(a.chunks_exact(inner)) {
            let a = &a[first..];
            if let Some(a) = a.first_chunk::<AT_ONCE>() {
                let b: [&[R]; AT_ONCE] = std::array::from_fn(|p| &rest[p * cols..][..cols]);
                for j in 0..cols {
                    for p in 0..AT_ONCE {
                        c[j] = c[j].plus(a[p].times(b[p][j]));
                    }
                }
            } else {
                for (&a, b) in a.iter().zip(rest.chunks_exact(cols)) {
                    scale_add_body(c, b, a);
                }
            }
        }
    }
}

kernel! {
    /// `c_j += Σ_p a_p·b_{offsets_p + j}`: one filter over consecutive windows.
    pub fn slide = slide_body <R>(c: &mut [R], a: &[R], b: &[R], offsets: &[usize])
}

#[inline(always)]
fn slide_body<R: Ring>(c: &mut [R], a: &[R], b: &[R], offsets: &[usize]) {
    const AT_ONCE: usize = 3;
    let n = c.len();
    for (a, offsets) in a.chunks(AT_ONCE).zip(offsets.chunks(AT_ONCE)) {
        if let ([a0, a1, a2], [b0, b1, b2]) = (a, offsets) {
            let [b0, b1, b2] = [b0, b1, b2].map(|&at| &b[at..][..n]);
            for j in 0..n {
                let sum = a0.times(b0[j]).plus(a1.times(b1[j])).plus(a2.times(b2[j]));
                c[j] = c[j].plus(sum);
            }
        } else {
            a.iter().zip(offsets).for_each(|(&a, &at)| scale_add_body(c, &b[at..][..n], a));
        }
    }
}

kernel! {
    /// `out[i]` gets the 64 bits of `from` from bit `64·i + shift` on; `0 < shift < 64`.
    pub(crate) fn shift_words = shift_words_body(out: &mut [u64], from: &[u64], shift: u32)
}

#[inline(always)]
fn shift_words_body(out: &mut [u64], from: &[u64], shift: u32) {
    let n = out.len();
    let (low, high) = (&from[..n], &from[1..n + 1]);
    for i in 0..n {
        out[i] = low[i] >> shift | high[i] << (64 - shift);
    }
}

/// Asks for the line of the cache that holds `words[at]`, if there is one.
#[inline(always)]
pub(crate) fn prefetch(words: &[u64], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if at < words.len() {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint about memory of the slice, of a processor that has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(words.as_ptr().add(at).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (words, at);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algebra::ring::Bits;

    fn words(seed: u64, n: usize) -> Vec<u64> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            state ^ state >> 29
        };
        (0..n).map(|_| next()).collect()
    }

    fn wide_equals_portable<R: Ring>() {
        for n in [0, 1, 7, 8, 9, 30, 63, 100] {
            let vector = |s: u64| {
                let mut vector = vec![R::zeroed(); n];
                let words = words(s + 1, n * R::WORDS);
                bytemuck::cast_slice_mut::<R, u64>(&mut vector).copy_from_slice(&words);
                vector
            };
            let data: Vec<Vec<R>> = (0..5).map(vector).collect();
            let ring: Vec<&[R]> = data.iter().map(Vec::as_slice).collect();
            let both = |dispatched: &dyn Fn(&mut [R]), portable: &dyn Fn(&mut [R])| {
                let (mut a, mut b) = (ring[4].to_vec(), ring[4].to_vec());
                dispatched(&mut a);
                portable(&mut b);
                assert_eq!(bytemuck::cast_slice::<R, u64>(&a), bytemuck::cast_slice::<R, u64>(&b));
            };
            let (x, y) = ([ring[0], ring[1]], [ring[2], ring[3]]);
            both(&|z| cross(z, x[1], x, y), &|z| cross_body(z, x[1], x, y));
            both(&|z| add(z, x[0]), &|z| add_body(z, x[0]));
            both(&|z| subtract(z, x[0]), &|z| subtract_body(z, x[0]));
            both(&|z| multiply_add(z, x[0], y[0]), &|z| multiply_add_body(z, x[0], y[0]));
            if n % 3 == 0 {
                let inner = n / 3;
                both(&|z| cross_dots(&mut z[..3.min(n)], x, y, inner), &|z| {
                    cross_dots_body(&mut z[..3.min(n)], x, y, inner);
                });
            }
            for inner in [1, 3, 4, 10].into_iter().filter(|inner| n >= 3 * inner) {
                // Two rows and three columns, and the other way round.
                let (few, more) = (&x[0][..2 * inner], &y[0][..3 * inner]);
                both(&|z| dots(&mut z[..6], few, more, inner), &|z| {
                    dots_body(&mut z[..6], few, more, inner);
                });
                both(&|z| combine(&mut z[..6], few, more, inner), &|z| {
                    combine_body(&mut z[..6], few, more, inner);
                });
            }
            for windows in [1, 2, 11].into_iter().filter(|windows| n >= windows + 6) {
                let offsets = [0, 6, 1, 2, 5];
                both(&|z| slide(&mut z[..windows], &x[0][..5], y[0], &offsets), &|z| {
                    slide_body(&mut z[..windows], &x[0][..5], y[0], &offsets);
                });
            }
            if n > 0 {
                both(&|z| scale_add(z, x[0], y[0][0]), &|z| scale_add_body(z, x[0], y[0][0]));
                both(&|z| dot(&mut z[0], x[0], y[0]), &|z| dot_body(&mut z[0], x[0], y[0]));
            }
        }
    }

    #[test]
    fn kernels_for_wide_vectors_equal_the_portable_ones() {
        wide_equals_portable::<u64>();
        wide_equals_portable::<u128>();
        wide_equals_portable::<Bits>();
    }
}

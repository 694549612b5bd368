//! Kernels that are compiled more than once, and the choice between them when the program runs.
//!
//! Each kernel is one safe body. Where the processor has wider vectors, the same body compiled for
//! them is called instead; only that call, and the hand-written matrix tile, are unsafe.
#![allow(unsafe_code, reason = "the one module for vector instructions")]

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;

use super::ring::Ring;

/// Whether the processor has the AVX-512 instructions that the kernels use.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
}

/// Defines a kernel from its body, with one further copy of it for AVX-512.
macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident $body:ident $wide:ident $(<$ring:ident>)? ($($arg:ident: $type:ty),* $(,)?)) => {
        $(#[$doc])*
        pub fn $name $(<$ring: Ring>)? ($($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
                fn $wide $(<$ring: Ring>)? ($($arg: $type),*) {
                    $body($($arg),*);
                }
                if has_avx512() {
                    // SAFETY: the instructions are there, and the body is safe code.
                    return unsafe { $wide($($arg),*) };
                }
            }
            $body($($arg),*);
        }
    };
}

kernel! {
    /// `z += x_0·y_0 + x_0·y_1 + x_1·y_0`: what one party of three computes of a product.
    cross cross_body cross_wide <R>(z: &mut [R], x: [&[R]; 2], y: [&[R]; 2])
}

#[inline(always)]
fn cross_body<R: Ring>(z: &mut [R], x: [&[R]; 2], y: [&[R]; 2]) {
    let n = z.len();
    let (x0, x1, y0, y1) = (&x[0][..n], &x[1][..n], &y[0][..n], &y[1][..n]);
    for i in 0..n {
        z[i] = z[i].plus(x0[i].times(y0[i].plus(y1[i]))).plus(x1[i].times(y0[i]));
    }
}

kernel! {
    /// `z += b_0 + s_0 + u_0·f_0 + u_0·f_1 + u_1·f_0` with `f = a - b - 2s`: the last product of a choice.
    choose choose_body choose_wide <R>(z: &mut [R], u: [&[R]; 2], a: [&[R]; 2], b: [&[R]; 2], s: [&[R]; 2])
}

#[inline(always)]
fn choose_body<R: Ring>(z: &mut [R], u: [&[R]; 2], a: [&[R]; 2], b: [&[R]; 2], s: [&[R]; 2]) {
    let n = z.len();
    let [u, a, b, s] = [u, a, b, s].map(|x| x.map(|component| &component[..n]));
    for i in 0..n {
        let [f0, f1] = [0, 1].map(|j| a[j][i].minus(b[j][i]).minus(s[j][i]).minus(s[j][i]));
        let product = u[0][i].times(f0.plus(f1)).plus(u[1][i].times(f0));
        z[i] = z[i].plus(b[0][i]).plus(s[0][i]).plus(product);
    }
}

kernel! {
    /// `z += x·y`, element by element.
    multiply_add multiply_add_body multiply_add_wide <R>(z: &mut [R], x: &[R], y: &[R])
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
    scale_add scale_add_body scale_add_wide <R>(z: &mut [R], x: &[R], c: R)
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
    dot dot_body dot_wide <R>(sum: &mut R, x: &[R], y: &[R])
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
    /// Transposes a square of 64 rows of 64 bits.
    transpose transpose_body transpose_wide(block: &mut [u64; 64])
}

/// Swaps the off-diagonal quarters of squares of side 64, 32, …, 2 (Hacker's Delight, 7-3).
#[inline(always)]
fn transpose_body(block: &mut [u64; 64]) {
    let mut mask = 0x0000_0000_ffff_ffff_u64;
    let mut side = 32;
    while side > 0 {
        for base in (0..64).step_by(2 * side) {
            for i in base..base + side {
                let swap = (block[i] >> side ^ block[i + side]) & mask;
                block[i] ^= swap << side;
                block[i + side] ^= swap;
            }
        }
        side /= 2;
        mask ^= mask << side;
    }
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
        for n in [0, 1, 7, 8, 9, 63, 100] {
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
            both(&|z| cross(z, x, y), &|z| cross_body(z, x, y));
            both(&|z| choose(z, x, y, x, y), &|z| choose_body(z, x, y, x, y));
            both(&|z| multiply_add(z, x[0], y[0]), &|z| multiply_add_body(z, x[0], y[0]));
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

    #[test]
    fn transposition_moves_every_bit() {
        let block: [u64; 64] = words(9, 64).try_into().expect("64 words");
        let (mut wide, mut portable) = (block, block);
        transpose(&mut wide);
        transpose_body(&mut portable);
        assert_eq!(wide, portable);
        for (i, j) in (0..64).flat_map(|i| (0..64).map(move |j| (i, j))) {
            assert_eq!(wide[i] >> j & 1, block[j] >> i & 1);
        }
    }
}

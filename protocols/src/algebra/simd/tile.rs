//! Tiles of a matrix product: how their panels are packed, and the products in registers.
//!
//! A *panel* holds `W` lines (rows of the left matrix, columns of the right one) along a range of
//! inner indices, index by index: `panel[p][line]`.
//!
//! Where a product costs more than two sums, panels are *paired* (Winograd, "A new algorithm for
//! inner product", 1968): for x, y of even length
//!
//! ```text
//! Σ_p x_p·y_p = Σ_q (x_{2q} + y_{2q+1})·(x_{2q+1} + y_{2q})  -  ξ  -  η,
//! ξ = Σ_q x_{2q}·x_{2q+1},   η = Σ_q y_{2q}·y_{2q+1},
//! ```
//!
//! half the products. A paired panel ends with ξ or η of its lines.

use bytemuck::Pod;

use crate::algebra::ring::Ring;

/// Which matrix a panel is of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The left one; lines are its rows.
    Left,
    /// The right one; lines are its columns.
    Right,
}

/// A way to compute `M` rows and `N` columns of a product.
pub(crate) trait Tile<R: Ring, const M: usize, const N: usize> {
    /// What packed panels are made of.
    type Packed: Pod;
    /// Inner indices of a block, such that a right panel stays in the first-level cache.
    const INNER: usize;
    /// Rows of a block, whole tiles, such that its panels stay in the second-level cache.
    const ROWS: usize;
    /// Columns of a block, whole tiles.
    const COLUMNS: usize;

    /// Length of a packed panel of `width` lines and `depth` inner indices.
    fn packed(width: usize, depth: usize) -> usize;

    /// Packs a panel into the length that [`Tile::packed`] tells.
    fn pack<const W: usize>(&self, side: Side, panel: &[[R; W]], out: &mut [Self::Packed]);

    /// `tile = Σ_p a_p·b_p`.
    fn product(&self, a: &[Self::Packed], b: &[Self::Packed], tile: &mut [[R; N]; M]);
}

/// Length of a paired panel.
pub(super) fn paired(width: usize, depth: usize) -> usize {
    (depth.next_multiple_of(2) + 1) * width
}

kernel! {
    /// A panel with what makes it a paired one.
    fn pair = pair_body <R, const W>(panel: &[[R; W]], out: &mut [R])
}

#[inline(always)]
fn pair_body<R: Ring, const W: usize>(panel: &[[R; W]], out: &mut [R]) {
    let (out, _) = out.as_chunks_mut::<W>();
    let (pairs, last) = panel.as_chunks::<2>();
    let mut sums = [R::zeroed(); W];
    for ([x0, x1], out) in pairs.iter().zip(out.chunks_exact_mut(2)) {
        out[0] = *x0;
        out[1] = *x1;
        for i in 0..W {
            sums[i] = sums[i].plus(x0[i].times(x1[i]));
        }
    }
    if let [x] = last {
        out[2 * pairs.len()] = *x;
        out[2 * pairs.len() + 1] = [R::zeroed(); W];
    }
    out[panel.len().next_multiple_of(2)] = sums;
}

/// Pairs of a paired panel, and the products to subtract.
#[inline(always)]
fn pairs<R, const W: usize>(panel: &[R]) -> (&[[[R; W]; 2]], &[R; W]) {
    let (rows, _) = panel.as_chunks::<W>();
    let (last, rows) = rows.split_last().expect("a paired panel ends with its products");
    (rows.as_chunks().0, last)
}

/// Paired panels in any ring, by code for any processor.
pub(crate) struct Portable;

impl<R: Ring, const M: usize, const N: usize> Tile<R, M, N> for Portable {
    type Packed = R;
    const INNER: usize = 1536 / N / R::WORDS;
    const ROWS: usize = 192 / R::WORDS;
    const COLUMNS: usize = 512;

    fn packed(width: usize, depth: usize) -> usize {
        paired(width, depth)
    }

    fn pack<const W: usize>(&self, _: Side, panel: &[[R; W]], out: &mut [R]) {
        pair(panel, out);
    }

    fn product(&self, a: &[R], b: &[R], tile: &mut [[R; N]; M]) {
        product_body(a, b, tile);
    }
}

#[inline(always)]
fn product_body<R: Ring, const M: usize, const N: usize>(a: &[R], b: &[R], tile: &mut [[R; N]; M]) {
    let ((a, xi), (b, eta)) = (pairs::<R, M>(a), pairs::<R, N>(b));
    let mut sums = [[R::zeroed(); N]; M];
    for ([a0, a1], [b0, b1]) in a.iter().zip(b) {
        for i in 0..M {
            for j in 0..N {
                let product = a0[i].plus(b1[j]).times(a1[i].plus(b0[j]));
                sums[i][j] = sums[i][j].plus(product);
            }
        }
    }
    for i in 0..M {
        for j in 0..N {
            tile[i][j] = sums[i][j].minus(xi[i]).minus(eta[j]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use wide::{Avx2, Avx512};

/// Tiles modulo 2^64 in vector registers. A value of these types is proof of the instructions.
#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::*;

    use super::{Side, Tile, pair, paired, pairs};
    use crate::algebra::simd::{has_avx2, has_avx512};

    /// Two rows and two registers of four numbers, paired.
    pub(crate) struct Avx2(());

    impl Avx2 {
        /// The tile, if the processor has the instructions.
        pub(crate) fn new() -> Option<Avx2> {
            has_avx2().then_some(Avx2(()))
        }
    }

    impl Tile<u64, 2, 8> for Avx2 {
        type Packed = u64;
        const INNER: usize = 256;
        const ROWS: usize = 96;
        const COLUMNS: usize = 512;

        fn packed(width: usize, depth: usize) -> usize {
            paired(width, depth)
        }

        fn pack<const W: usize>(&self, _: Side, panel: &[[u64; W]], out: &mut [u64]) {
            pair(panel, out);
        }

        fn product(&self, a: &[u64], b: &[u64], tile: &mut [[u64; 8]; 2]) {
            // SAFETY: the processor was asked when `self` was made.
            unsafe { avx2(a, b, tile) }
        }
    }

    /// With s = (s_0, s_1) and t = (t_0, t_1) in halves of 32 bits,
    /// s·t = s_0·t_0 + 2^32·(s_0·t_1 + s_1·t_0) modulo 2^64: one instruction for the first product,
    /// whole, and one for the low halves of the other two, which are added up apart.
    #[target_feature(enable = "avx2")]
    pub(crate) fn avx2(a: &[u64], b: &[u64], tile: &mut [[u64; 8]; 2]) {
        let ((a, xi), (b, eta)) = (pairs::<u64, 2>(a), pairs::<u64, 8>(b));
        let mut low = [[_mm256_setzero_si256(); 2]; 2];
        let mut high = [[_mm256_setzero_si256(); 2]; 2];
        for ([a0, a1], [b0, b1]) in a.iter().zip(b) {
            let (b0, b1) = (load8(b0), load8(b1));
            for i in 0..2 {
                let (a0, a1) = (_mm256_set1_epi64x(a0[i] as i64), _mm256_set1_epi64x(a1[i] as i64));
                for j in 0..2 {
                    let s = _mm256_add_epi64(a0, b1[j]);
                    let t = _mm256_add_epi64(a1, b0[j]);
                    let swapped = _mm256_shuffle_epi32::<0b10_11_00_01>(t);
                    low[i][j] = _mm256_add_epi64(low[i][j], _mm256_mul_epu32(s, t));
                    high[i][j] = _mm256_add_epi32(high[i][j], _mm256_mullo_epi32(s, swapped));
                }
            }
        }
        let eta = load8(eta);
        for i in 0..2 {
            let xi = _mm256_set1_epi64x(xi[i] as i64);
            let row: [__m256i; 2] = std::array::from_fn(|j| {
                let both = _mm256_add_epi32(high[i][j], _mm256_srli_epi64::<32>(high[i][j]));
                let sum = _mm256_add_epi64(low[i][j], _mm256_slli_epi64::<32>(both));
                _mm256_sub_epi64(sum, _mm256_add_epi64(xi, eta[j]))
            });
            // SAFETY: as many bits, and any bits are a number.
            tile[i] = unsafe { std::mem::transmute::<[__m256i; 2], [u64; 8]>(row) };
        }
    }

    #[target_feature(enable = "avx2")]
    fn load8(x: &[u64; 8]) -> [__m256i; 2] {
        // SAFETY: as many bits, and any bits are a vector.
        unsafe { std::mem::transmute_copy(x) }
    }

    /// Eight rows and three registers of eight numbers.
    pub(crate) struct Avx512(());

    impl Avx512 {
        /// The tile, if the processor has the instructions.
        pub(crate) fn new() -> Option<Avx512> {
            has_avx512().then_some(Avx512(()))
        }
    }

    impl Tile<u64, 8, 24> for Avx512 {
        type Packed = u64;
        const INNER: usize = 128;
        const ROWS: usize = 384;
        const COLUMNS: usize = 768;

        fn packed(width: usize, depth: usize) -> usize {
            width * depth
        }

        fn pack<const W: usize>(&self, _: Side, panel: &[[u64; W]], out: &mut [u64]) {
            out.copy_from_slice(panel.as_flattened());
        }

        fn product(&self, a: &[u64], b: &[u64], tile: &mut [[u64; 24]; 8]) {
            // SAFETY: the processor was asked when `self` was made.
            unsafe { avx512(a, b, tile) }
        }
    }

    #[target_feature(enable = "avx512f,avx512dq")]
    fn avx512(a: &[u64], b: &[u64], tile: &mut [[u64; 24]; 8]) {
        let (a, _) = a.as_chunks::<8>();
        let (b, _) = b.as_chunks::<24>();
        let mut sums = [[_mm512_setzero_si512(); 3]; 8];
        for (a, b) in a.iter().zip(b) {
            // SAFETY: as many bits, and any bits are a vector.
            let row: [__m512i; 3] = unsafe { std::mem::transmute_copy(b) };
            for i in 0..8 {
                let factor = _mm512_set1_epi64(a[i] as i64);
                for j in 0..3 {
                    let product = _mm512_mullo_epi64(factor, row[j]);
                    sums[i][j] = _mm512_add_epi64(sums[i][j], product);
                }
            }
        }
        // SAFETY: as many bits, and any bits are a number.
        *tile = unsafe { std::mem::transmute::<[[__m512i; 3]; 8], [[u64; 24]; 8]>(sums) };
    }
}

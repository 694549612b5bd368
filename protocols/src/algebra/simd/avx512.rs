//! The matrix tile modulo 2^64 in AVX-512 registers.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_loadu_si512, _mm512_mullo_epi64, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_storeu_si512,
};

/// Rows of a tile.
pub(crate) const ROWS: usize = 8;
/// Columns of a tile: three registers.
pub(crate) const COLUMNS: usize = 24;

/// `tile = Σ_p a_p·b_p` over packed columns of `a` (8 numbers each) and rows of `b` (24 each).
#[target_feature(enable = "avx512f,avx512dq")]
pub(crate) fn tile(a: &[u64], b: &[u64], tile: &mut [[u64; COLUMNS]; ROWS]) {
    let (a, _) = a.as_chunks::<ROWS>();
    let (b, _) = b.as_chunks::<COLUMNS>();
    let mut sums: [[__m512i; 3]; ROWS] = [[_mm512_setzero_si512(); 3]; ROWS];
    for (a, b) in a.iter().zip(b) {
        let row: [__m512i; 3] = std::array::from_fn(|j| {
            let part = &b[8 * j..8 * j + 8];
            // SAFETY: `part` has eight words.
            unsafe { _mm512_loadu_si512(part.as_ptr().cast()) }
        });
        for i in 0..ROWS {
            let factor = _mm512_set1_epi64(a[i] as i64);
            for j in 0..3 {
                let product = _mm512_mullo_epi64(factor, row[j]);
                sums[i][j] = _mm512_add_epi64(sums[i][j], product);
            }
        }
    }
    for (sums, out) in sums.iter().zip(tile) {
        for (sum, part) in sums.iter().zip(out.chunks_exact_mut(8)) {
            // SAFETY: `part` has eight words.
            unsafe { _mm512_storeu_si512(part.as_mut_ptr().cast(), *sum) };
        }
    }
}

//! Matrix products over rings of words: packed panels, one tile of the result in registers.
//!
//! Loops as in Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008):
//! a block of `b` stays in the second-level cache, a panel of it in the first.

use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;
use zeroize::Zeroize;

use super::ring::Ring;
use super::simd;

/// Inner indices of a block.
const INNER: usize = 128;
/// Columns of a block.
const BLOCK_COLUMNS: usize = 768;
/// Rows of the portable tile.
const ROWS: usize = 4;
/// Columns of the portable tile.
const COLUMNS: usize = 4;
/// Products below which threads are not worth their waking.
const PARALLEL: usize = 1 << 16;

/// `c += a·b`, row-major; `size` = (rows of `a`, columns of `a`, columns of `b`). Rows of the result
/// are spread over the threads of the pool.
pub fn multiply_add<R: Ring>(
    pool: Option<&rayon::ThreadPool>,
    c: &mut [R],
    a: &[R],
    b: &[R],
    size: (usize, usize, usize),
) {
    let (rows, inner, cols) = size;
    assert_eq!((c.len(), a.len(), b.len()), (rows * cols, rows * inner, inner * cols), "{size:?}");
    if c.is_empty() || inner == 0 {
        return;
    }
    let part = |c: &mut [R], first: usize| {
        let rows = c.len() / cols;
        strip(c, &a[first * inner..][..rows * inner], b, (rows, inner, cols));
    };
    match pool {
        Some(pool) if rows > 1 && rows * inner * cols >= PARALLEL => {
            let each = rows.div_ceil(pool.current_num_threads()).next_multiple_of(8);
            pool.install(|| {
                c.par_chunks_mut(each * cols).enumerate().for_each(|(i, c)| part(c, i * each));
            });
        }
        _ => part(c, 0),
    }
}

/// [`multiply_add`] on one thread.
fn strip<R: Ring>(c: &mut [R], a: &[R], b: &[R], size: (usize, usize, usize)) {
    let (rows, inner, cols) = size;
    if cols < 4 {
        let mut columns: Vec<R> =
            (0..cols).flat_map(|j| (0..inner).map(move |p| b[p * cols + j])).collect();
        for i in 0..rows {
            for j in 0..cols {
                let column = &columns[j * inner..][..inner];
                simd::dot(&mut c[i * cols + j], &a[i * inner..][..inner], column);
            }
        }
        bytemuck::cast_slice_mut::<R, u64>(&mut columns).zeroize();
    } else if rows < 4 {
        for i in 0..rows {
            for p in 0..inner {
                simd::scale_add(
                    &mut c[i * cols..][..cols],
                    &b[p * cols..][..cols],
                    a[i * inner + p],
                );
            }
        }
    } else {
        blocks(c, a, b, size);
    }
}

fn blocks<R: Ring>(c: &mut [R], a: &[R], b: &[R], size: (usize, usize, usize)) {
    #[cfg(target_arch = "x86_64")]
    if let Some(words) = words_mut(c)
        && simd::has_avx512()
    {
        use simd::avx512;
        let (a, b) = (bytemuck::cast_slice(a), bytemuck::cast_slice(b));
        #[allow(unsafe_code, reason = "the processor was asked")]
        let tile = |a: &[u64], b: &[u64], tile: &mut _| {
            // SAFETY: the instructions are there.
            unsafe { avx512::tile(a, b, tile) }
        };
        return tiled::<u64, { avx512::ROWS }, { avx512::COLUMNS }>(words, a, b, size, tile);
    }
    tiled::<R, ROWS, COLUMNS>(c, a, b, size, portable);
}

/// The elements as words, if the ring is that of integers modulo 2^64.
#[cfg(target_arch = "x86_64")]
fn words_mut<R: Ring>(c: &mut [R]) -> Option<&mut [u64]> {
    (std::any::TypeId::of::<R>() == std::any::TypeId::of::<u64>())
        .then(|| bytemuck::cast_slice_mut(c))
}

/// The tile without vector instructions.
fn portable<R: Ring, const M: usize, const N: usize>(a: &[R], b: &[R], tile: &mut [[R; N]; M]) {
    let mut sums = [[R::zeroed(); N]; M];
    let ((a, _), (b, _)) = (a.as_chunks::<M>(), b.as_chunks::<N>());
    for (a, b) in a.iter().zip(b) {
        for i in 0..M {
            for j in 0..N {
                sums[i][j] = sums[i][j].plus(a[i].times(b[j]));
            }
        }
    }
    *tile = sums;
}

/// Panels of `width` columns (or rows) of a block, one after the other, the last filled up with 0.
fn pack<R: Ring>(
    out: &mut Vec<R>,
    width: usize,
    lines: usize,
    inner: usize,
    at: impl Fn(usize, usize) -> R,
) {
    out.clear();
    for first in (0..lines).step_by(width) {
        for p in 0..inner {
            let there = width.min(lines - first);
            out.extend((first..first + there).map(|line| at(line, p)));
            out.extend(std::iter::repeat_n(R::zeroed(), width - there));
        }
    }
}

fn tiled<R: Ring, const M: usize, const N: usize>(
    c: &mut [R],
    a: &[R],
    b: &[R],
    (rows, inner, cols): (usize, usize, usize),
    kernel: impl Fn(&[R], &[R], &mut [[R; N]; M]),
) {
    let (mut left, mut right) = (vec![], vec![]);
    let mut tile = [[R::zeroed(); N]; M];
    for first_inner in (0..inner).step_by(INNER) {
        let depth = INNER.min(inner - first_inner);
        for first_col in (0..cols).step_by(BLOCK_COLUMNS) {
            let width = BLOCK_COLUMNS.min(cols - first_col);
            let from_b = |j, p| b[(first_inner + p) * cols + first_col + j];
            pack(&mut right, N, width, depth, from_b);
            for row in (0..rows).step_by(M) {
                let height = M.min(rows - row);
                pack(&mut left, M, height, depth, |i, p| a[(row + i) * inner + first_inner + p]);
                for (panel, right) in right.chunks_exact(N * depth).enumerate() {
                    kernel(&left, right, &mut tile);
                    let col = first_col + panel * N;
                    let there = N.min(cols - col);
                    for (i, sums) in tile.iter().take(height).enumerate() {
                        let out = &mut c[(row + i) * cols + col..][..there];
                        out.iter_mut().zip(sums).for_each(|(c, &s)| *c = c.plus(s));
                    }
                }
            }
        }
    }
    for panels in [&mut left, &mut right] {
        bytemuck::cast_slice_mut::<R, u64>(panels).zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: usize, cols: usize, seed: u64) -> Vec<u64> {
        let entry =
            |i: usize| (i as u64 + seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17);
        (0..rows * cols).map(entry).collect()
    }

    fn plainly<R: Ring>(a: &[R], b: &[R], (m, k, n): (usize, usize, usize)) -> Vec<R> {
        let entry = |i: usize, j: usize| {
            (0..k).fold(R::zeroed(), |s, p| s.plus(a[i * k + p].times(b[p * n + j])))
        };
        (0..m * n).map(|at| entry(at / n, at % n)).collect()
    }

    #[test]
    fn products_of_every_shape_are_right_with_and_without_threads() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
        let sizes = [
            (0, 3, 2),
            (2, 0, 2),
            (1, 1, 1),
            (1, 50, 60),
            (70, 40, 1),
            (70, 40, 3),
            (3, 9, 30),
            (8, 16, 24),
            (9, 130, 25),
            (64, 300, 50),
            (33, 129, 800),
        ];
        for (m, k, n) in sizes {
            let (a, b) = (matrix(m, k, 1), matrix(k, n, 2));
            let wide = |x: &[u64]| -> Vec<u128> {
                x.iter().map(|&w| u128::from(w) << 64 | u128::from(w.rotate_left(9))).collect()
            };
            let (a2, b2) = (wide(&a), wide(&b));
            for pool in [None, Some(&pool)] {
                let mut c = vec![5_u64; m * n];
                multiply_add(pool, &mut c, &a, &b, (m, k, n));
                let plain = plainly(&a, &b, (m, k, n));
                assert!(c.iter().zip(&plain).all(|(c, p)| c.wrapping_sub(5) == *p), "{m} {k} {n}");
                let mut c = vec![0_u128; m * n];
                multiply_add(pool, &mut c, &a2, &b2, (m, k, n));
                assert_eq!(c, plainly(&a2, &b2, (m, k, n)));
            }
            let mut c = vec![0_u64; m * n];
            tiled::<u64, ROWS, COLUMNS>(&mut c, &a, &b, (m, k, n), portable);
            assert_eq!(c, plainly(&a, &b, (m, k, n)), "the portable tile");
        }
    }
}

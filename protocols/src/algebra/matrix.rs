//! Matrix products over rings of words: packed panels, one tile of the result in registers.
//!
//! Loops as in Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008): a
//! block of `a` stays in the second-level cache, a panel of `b` in the first. Panels and tiles are
//! those of [`simd::tile`].

#[cfg(target_arch = "x86_64")]
use std::any::TypeId;

use bytemuck::Zeroable;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;
use zeroize::Zeroize;

use super::ring::Ring;
use super::simd;
use super::simd::tile::{Portable, Side, Tile};

/// Rows, columns and inner indices below which a panel is not worth its packing.
const FEW: [usize; 3] = [8, 8, 8];
/// Products of 128 bits below which floats are not worth their packing.
#[cfg(target_arch = "x86_64")]
const LIMBS: usize = 1 << 19;
/// Inner indices below which the result is written row by row.
const SHALLOW: usize = 32;
/// Products below which threads are not worth their waking.
const PARALLEL: usize = 1 << 18;

/// Two matrices that are multiplied.
pub type Pair<'a, R> = (&'a [R], &'a [R]);

/// `c += a·b`, row-major; `size` = (rows of `a`, columns of `a`, columns of `b`). Rows of the result
/// are spread over the threads of the pool.
pub fn multiply_add<R: Ring>(
    pool: Option<&rayon::ThreadPool>,
    c: &mut [R],
    a: &[R],
    b: &[R],
    size: (usize, usize, usize),
) {
    multiply_add_pairs(pool, c, &[(a, b)], size);
}

/// `c += x_0·y_0 + x_0·y_1 + x_1·y_0`: what one party of three computes of a product of matrices.
pub fn cross<R: Ring>(
    pool: Option<&rayon::ThreadPool>,
    c: &mut [R],
    x: [&[R]; 2],
    y: [&[R]; 2],
    size: (usize, usize, usize),
) {
    let added =
        |x: [&[R]; 2]| -> Vec<R> { x[0].iter().zip(x[1]).map(|(x, y)| x.plus(*y)).collect() };
    let mut sum;
    if size.0 < size.2 {
        sum = added(x);
        multiply_add_pairs(pool, c, &[(&sum, y[0]), (x[0], y[1])], size);
    } else {
        sum = added(y);
        multiply_add_pairs(pool, c, &[(x[0], &sum), (x[1], y[0])], size);
    }
    wipe(&mut sum);
}

/// `c += Σ a·b` over the pairs, all of one size, in one pass over `c`.
pub fn multiply_add_pairs<R: Ring>(
    pool: Option<&rayon::ThreadPool>,
    c: &mut [R],
    pairs: &[Pair<'_, R>],
    size: (usize, usize, usize),
) {
    let (rows, inner, cols) = size;
    assert_eq!(c.len(), rows * cols, "{size:?}");
    for (a, b) in pairs {
        assert_eq!((a.len(), b.len()), (rows * inner, inner * cols), "{size:?}");
    }
    if c.is_empty() || inner == 0 || pairs.is_empty() {
        return;
    }
    let part = |c: &mut [R], first: usize| {
        let rows = c.len() / cols;
        let cut = pairs.iter().map(|&(a, b)| (&a[first * inner..][..rows * inner], b));
        strip(c, &cut.collect::<Vec<_>>(), (rows, inner, cols));
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

/// [`multiply_add_pairs`] on one thread.
fn strip<R: Ring>(c: &mut [R], pairs: &[Pair<'_, R>], size: (usize, usize, usize)) {
    let (rows, inner, cols) = size;
    if cols < FEW[1] {
        let mut columns = vec![R::zeroed(); inner * cols];
        for (a, b) in pairs {
            for (p, row) in b.chunks_exact(cols).enumerate() {
                row.iter().enumerate().for_each(|(j, &b)| columns[j * inner + p] = b);
            }
            simd::dots(c, a, &columns, inner);
        }
        wipe(&mut columns);
    } else if rows < FEW[0] || inner < FEW[2] {
        pairs.iter().for_each(|(a, b)| simd::combine(c, a, b, inner));
    } else {
        tiled(c, pairs, size);
    }
}

/// Products of blocks, with the best tile for the ring and the processor.
fn tiled<R: Ring>(c: &mut [R], pairs: &[Pair<'_, R>], size: (usize, usize, usize)) {
    #[cfg(target_arch = "x86_64")]
    if TypeId::of::<R>() == TypeId::of::<u64>() {
        use simd::tile::{Avx2, Avx512};
        let words = pairs.iter().map(|&(a, b)| (bytemuck::cast_slice(a), bytemuck::cast_slice(b)));
        let pairs: Vec<Pair<'_, u64>> = words.collect();
        if let Some(tile) = Avx512::new() {
            return blocks(&tile, bytemuck::cast_slice_mut(c), &pairs, size);
        }
        if let Some(tile) = Avx2::new() {
            return blocks(&tile, bytemuck::cast_slice_mut(c), &pairs, size);
        }
    }
    #[cfg(target_arch = "x86_64")]
    if TypeId::of::<R>() == TypeId::of::<u128>()
        && size.0 * size.1 * size.2 >= LIMBS
        && let Some(tile) = simd::limbs::Limbs::new()
    {
        let wide = pairs.iter().map(|&(a, b)| (bytemuck::cast_slice(a), bytemuck::cast_slice(b)));
        let pairs: Vec<Pair<'_, u128>> = wide.collect();
        return blocks(&tile, bytemuck::cast_slice_mut(c), &pairs, size);
    }
    blocks::<R, Portable, 4, 4>(&Portable, c, pairs, size);
}

/// Products of blocks: `c` is touched once for each [`Tile::INNER`] inner indices.
fn blocks<R: Ring, T: Tile<R, M, N>, const M: usize, const N: usize>(
    kernel: &T,
    c: &mut [R],
    pairs: &[Pair<'_, R>],
    (rows, inner, cols): (usize, usize, usize),
) {
    let each = (T::INNER / pairs.len()).clamp(1, inner);
    let high = rows.min(T::ROWS);
    // With one block of rows, a right panel is used once and need not be kept.
    let wide = if rows == high { N } else { cols.min(T::COLUMNS) };
    let mut panels = Panels::<R, T, M, N>::new(kernel, each * pairs.len(), (high, wide));
    for first in (0..inner).step_by(each) {
        let each = each.min(inner - first);
        panels.depth = each * pairs.len();
        for col in (0..cols).step_by(wide) {
            let width = wide.min(cols - col);
            panels.pack_right(width, |lines, at, width| {
                for (lines, (_, b)) in lines.chunks_exact_mut(each).zip(pairs) {
                    lay_columns(lines, &b[first * cols + col + at..], width, cols);
                }
            });
            for row in (0..rows).step_by(high) {
                let height = high.min(rows - row);
                if col == 0 || rows > high {
                    panels.pack_left(height, |lines, at, height| {
                        for (lines, (a, _)) in lines.chunks_exact_mut(each).zip(pairs) {
                            let line = |i| &a[(row + at + i) * inner + first..][..each];
                            lay_rows(lines, height, line);
                        }
                    });
                }
                panels.multiply(&mut c[row * cols + col..], (height, width), cols);
            }
        }
    }
}

/// Packed panels of a block. They hold shares, so they are wiped at the end.
struct Panels<'a, R: Ring, T: Tile<R, M, N>, const M: usize, const N: usize> {
    kernel: &'a T,
    /// Inner indices.
    depth: usize,
    left: Vec<T::Packed>,
    right: Vec<T::Packed>,
    /// One panel before it is packed.
    rows: Vec<[R; M]>,
    columns: Vec<[R; N]>,
}

impl<'a, R: Ring, T: Tile<R, M, N>, const M: usize, const N: usize> Panels<'a, R, T, M, N> {
    fn new(kernel: &'a T, depth: usize, (rows, cols): (usize, usize)) -> Self {
        let packed = |lines: usize, width: usize| {
            vec![T::Packed::zeroed(); lines.div_ceil(width) * T::packed(width, depth)]
        };
        let (left, right) = (packed(rows, M), packed(cols, N));
        let (rows, columns) = (vec![[R::zeroed(); M]; depth], vec![[R::zeroed(); N]; depth]);
        Panels { kernel, depth, left, right, rows, columns }
    }

    /// Packs `rows` rows; `lay(panel, first, height)` lays `height` of them side by side. What stands in
    /// the lines behind them does not matter.
    fn pack_left(&mut self, rows: usize, lay: impl Fn(&mut [[R; M]], usize, usize)) {
        let panels = self.left.chunks_exact_mut(T::packed(M, self.depth));
        for (row, out) in (0..rows).step_by(M).zip(panels) {
            lay(&mut self.rows[..self.depth], row, M.min(rows - row));
            self.kernel.pack(Side::Left, &self.rows[..self.depth], out);
        }
    }

    /// [`Panels::pack_left`] for columns.
    fn pack_right(&mut self, cols: usize, lay: impl Fn(&mut [[R; N]], usize, usize)) {
        let panels = self.right.chunks_exact_mut(T::packed(N, self.depth));
        for (col, out) in (0..cols).step_by(N).zip(panels) {
            lay(&mut self.columns[..self.depth], col, N.min(cols - col));
            self.kernel.pack(Side::Right, &self.columns[..self.depth], out);
        }
    }

    /// `c += a·b` of the panels; rows of `c` are `stride` apart.
    fn multiply(&self, c: &mut [R], (rows, cols): (usize, usize), stride: usize) {
        let mut tile = [[R::zeroed(); N]; M];
        let [strip, panel] = [M, N].map(|width| T::packed(width, self.depth));
        let mut add = |row: usize, col: usize| {
            let (left, right) = (&self.left[row / M * strip..], &self.right[col / N * panel..]);
            self.kernel.product(&left[..strip], &right[..panel], &mut tile);
            let width = N.min(cols - col);
            for (i, sums) in tile.iter().enumerate().take(rows - row) {
                let c = &mut c[(row + i) * stride + col..][..width];
                c.iter_mut().zip(sums).for_each(|(c, &s)| *c = c.plus(s));
            }
        };
        if self.depth < SHALLOW {
            // Most of the time goes into `c`: line by line.
            (0..rows).step_by(M).for_each(|row| (0..cols).step_by(N).for_each(|col| add(row, col)));
        } else {
            (0..cols).step_by(N).for_each(|col| (0..rows).step_by(M).for_each(|row| add(row, col)));
        }
    }
}

impl<R: Ring, T: Tile<R, M, N>, const M: usize, const N: usize> Drop for Panels<'_, R, T, M, N> {
    fn drop(&mut self) {
        wipe(&mut self.left);
        wipe(&mut self.right);
        wipe(self.rows.as_flattened_mut());
        wipe(self.columns.as_flattened_mut());
    }
}

/// Lays rows side by side: `lines[p][i]` is number `p` of row `i`.
#[inline(always)]
fn lay_rows<'a, R: Ring, const M: usize>(
    lines: &mut [[R; M]],
    height: usize,
    row: impl Fn(usize) -> &'a [R],
) {
    if height == M {
        let rows: [&[R]; M] = std::array::from_fn(|i| &row(i)[..lines.len()]);
        for (p, line) in lines.iter_mut().enumerate() {
            *line = std::array::from_fn(|i| rows[i][p]);
        }
    } else {
        for i in 0..height {
            lines.iter_mut().zip(row(i)).for_each(|(line, &x)| line[i] = x);
        }
    }
}

/// Takes the first `width` of the columns of `b`, whose rows are `stride` apart.
#[inline(always)]
fn lay_columns<R: Ring, const N: usize>(
    columns: &mut [[R; N]],
    b: &[R],
    width: usize,
    stride: usize,
) {
    for (p, columns) in columns.iter_mut().enumerate() {
        let row = &b[p * stride..];
        match row.first_chunk::<N>() {
            Some(row) if width == N => *columns = *row,
            _ => columns[..width].copy_from_slice(&row[..width]),
        }
    }
}

/// Panels hold shares.
fn wipe<P: bytemuck::Pod>(panel: &mut [P]) {
    bytemuck::cast_slice_mut::<P, u64>(panel).zeroize();
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
            if m * k * n > 0 {
                let mut c = vec![0_u64; m * n];
                blocks::<u64, Portable, 4, 4>(&Portable, &mut c, &[(&a, &b)], (m, k, n));
                assert_eq!(c, plainly(&a, &b, (m, k, n)), "the portable tile");
            }
        }
    }

    #[test]
    fn sums_of_products_are_those_of_the_products() {
        for size in [(3, 40, 20), (20, 40, 3), (20, 70, 20), (16, 300, 40)] {
            let (m, k, n) = size;
            let [x0, x1] = [1, 2].map(|seed| matrix(m, k, seed));
            let [y0, y1] = [3, 4].map(|seed| matrix(k, n, seed));
            let mut c = vec![7_u64; m * n];
            cross(None, &mut c, [&x0, &x1], [&y0, &y1], size);
            let parts = [(&x0, &y0), (&x0, &y1), (&x1, &y0)].map(|(x, y)| plainly(x, y, size));
            for (i, c) in c.into_iter().enumerate() {
                let sum = parts.iter().fold(7_u64, |sum, part| sum.wrapping_add(part[i]));
                assert_eq!(c, sum, "{size:?}");
            }
        }
    }

    #[test]
    fn products_of_128_bits_are_exact_for_the_largest_digits() {
        let size = (12, 6000, 10);
        let (m, k, n) = size;
        let digits = 1_u128 << 21 | 1 << 43 | 1 << 63;
        for (x, y) in [(!0, !0), (digits, digits), (digits, !digits), (digits - 1, !0 << 64)] {
            let mut c = vec![0_u128; m * n];
            multiply_add(None, &mut c, &vec![x; m * k], &vec![y; k * n], size);
            let sum = x.wrapping_mul(y).wrapping_mul(k as u128);
            assert!(c.iter().all(|&c| c == sum), "{x:x} {y:x}");
        }
    }
}

//! Matrix products over rings of words: packed panels, one tile of the result in registers.
//!
//! Loops as in Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008): a
//! block of `a` stays in the second-level cache, a panel of `b` in the first. Panels and tiles are
//! those of [`simd::tile`].

#[cfg(target_arch = "x86_64")]
use std::any::TypeId;
use std::borrow::Cow;
use std::marker::PhantomData;
use std::ops::{Deref, Range};

use bytemuck::Zeroable;
use mpc_runtime::buffer::Buffer;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use zeroize::Zeroize;

use super::contraction::{Contraction, Matrix, Places};
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

/// Products below which what is copied of the right matrix need not stay in the cache.
const COPIED: usize = 1 << 12;

/// Two vectors whose matrices are multiplied.
pub type Pair<'a, R> = (&'a [R], &'a [R]);

/// Two matrices that are multiplied.
type Matrices<'a, R> = (Matrix<'a, R>, Matrix<'a, R>);

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
    contract(pool, c, 0..rows * cols, pairs, &Contraction::matrix(size));
}

/// `c += x_0·y_0 + x_0·y_1 + x_1·y_0`: what one party of three computes of a product of matrices.
pub fn cross<R: Ring>(
    pool: Option<&rayon::ThreadPool>,
    c: &mut [R],
    x: [&[R]; 2],
    y: [&[R]; 2],
    size: (usize, usize, usize),
) {
    if size.0 < size.2 {
        multiply_add_pairs(pool, c, &[(&Sum::of(x), y[0]), (x[0], y[1])], size);
    } else {
        multiply_add_pairs(pool, c, &[(x[0], &Sum::of(y)), (x[1], y[0])], size);
    }
}

/// The sum of two vectors of shares.
pub struct Sum<R: Ring> {
    buffer: Buffer,
    len: usize,
    ring: PhantomData<R>,
}

impl<R: Ring> Sum<R> {
    /// Element by element.
    pub fn of(x: [&[R]; 2]) -> Sum<R> {
        let len = x[0].len();
        let mut buffer = Buffer::zeroed(len * R::WORDS);
        let sum: &mut [R] = bytemuck::cast_slice_mut(&mut buffer.words_mut()[..len * R::WORDS]);
        sum.copy_from_slice(x[0]);
        simd::add(sum, x[1]);
        Sum { buffer, len, ring: PhantomData }
    }
}

impl<R: Ring> Deref for Sum<R> {
    type Target = [R];

    fn deref(&self) -> &[R] {
        bytemuck::cast_slice(&self.buffer.words()[..self.len * R::WORDS])
    }
}

/// Adds to `c` the elements `range` of the sum of the contractions of the pairs, in one pass over `c`.
/// Rows of the result are spread over the threads of the pool.
///
/// # Panics
/// If an operand is shorter than the contraction says.
pub fn contract<R: Ring>(
    pool: Option<&rayon::ThreadPool>,
    c: &mut [R],
    range: Range<usize>,
    pairs: &[Pair<'_, R>],
    of: &Contraction,
) {
    assert_eq!(c.len(), range.len(), "elements of another range");
    if c.is_empty() || of.inner == 0 || pairs.is_empty() {
        return;
    }
    let pool = pool.filter(|_| c.len() * of.inner >= PARALLEL);
    let most = pool.map_or(usize::MAX, |pool| {
        of.rows.div_ceil(pool.current_num_threads()).next_multiple_of(8)
    });
    let mut rest = c;
    let cut = of.pieces(range, most).into_iter().map(|piece| {
        let (c, others) = std::mem::take(&mut rest).split_at_mut(piece.len());
        rest = others;
        (c, piece)
    });
    let each = |(c, piece): (&mut [R], _)| {
        let pairs: Vec<Matrices<'_, R>> = pairs.iter().map(|(a, b)| of.cut(&piece, a, b)).collect();
        strip(c, &pairs, (piece.rows.len(), of.inner, piece.cols.len()));
    };
    match pool {
        Some(pool) => {
            let pieces: Vec<_> = cut.collect();
            pool.install(|| pieces.into_par_iter().for_each(each));
        }
        None => cut.for_each(each),
    }
}

/// The lines of a matrix one behind the other; a copy is wiped when it is dropped.
struct InOrder<'a, R: Ring>(Cow<'a, [R]>);

impl<'a, R: Ring> InOrder<'a, R> {
    fn of(matrix: Matrix<'a, R>, lines: usize, inner: usize) -> InOrder<'a, R> {
        if matrix.in_order(inner) {
            return InOrder(Cow::Borrowed(&matrix.words[..lines * inner]));
        }
        let mut copy = Vec::with_capacity(lines * inner);
        for line in 0..lines {
            let words = &matrix.words[matrix.lines.at(line)..];
            match matrix.inner {
                Places::Steps(1) => copy.extend_from_slice(&words[..inner]),
                Places::Steps(n) => copy.extend((0..inner).map(|p| words[p * n])),
                Places::Table(table) => copy.extend(table[..inner].iter().map(|&at| words[at])),
            }
        }
        InOrder(Cow::Owned(copy))
    }
}

impl<R: Ring> Drop for InOrder<'_, R> {
    fn drop(&mut self) {
        if let Cow::Owned(copy) = &mut self.0 {
            wipe(copy);
        }
    }
}

/// `c += Σ a·b` on one thread.
fn strip<R: Ring>(c: &mut [R], pairs: &[Matrices<'_, R>], size: (usize, usize, usize)) {
    let (rows, inner, cols) = size;
    let by_column = |(_, b): &Matrices<'_, R>| matches!(b.inner, Places::Steps(1));
    if cols < FEW[1] || rows < FEW[0] && pairs.iter().all(by_column) {
        for &(a, b) in pairs {
            let (a, b) = (InOrder::of(a, rows, inner), InOrder::of(b, cols, inner));
            simd::dots(c, &a.0, &b.0, inner);
        }
    } else if rows < FEW[0] || inner < FEW[2] {
        pairs.iter().for_each(|&pair| by_rows(c, pair, size));
    } else {
        tiled(c, pairs, size);
    }
}

/// `c += a·b` by rows of `b`. Unless they stand in order, as many columns at a time as the cache holds.
fn by_rows<R: Ring>(
    c: &mut [R],
    (a, b): Matrices<'_, R>,
    (rows, inner, cols): (usize, usize, usize),
) {
    let a = InOrder::of(a, rows, inner);
    if b.turned().in_order(cols) {
        return simd::combine(c, &a.0, &b.words[..inner * cols], inner);
    }
    let offsets: Vec<usize> = (0..inner).map(|p| b.inner.at(p)).collect();
    if let Some(runs) = runs(b.lines, cols) {
        for (c, a) in c.chunks_exact_mut(cols).zip(a.0.chunks_exact(inner)) {
            for run in &runs {
                let words = &b.words[b.lines.at(run.start)..];
                simd::slide(&mut c[run.clone()], a, words, &offsets);
            }
        }
        return;
    }
    let width = (COPIED / inner).max(64).min(cols);
    for first in (0..cols).step_by(width) {
        let width = width.min(cols - first);
        let b = InOrder::of(b.from(first).turned(), inner, width);
        for (c, a) in c.chunks_exact_mut(cols).zip(a.0.chunks_exact(inner)) {
            simd::combine(&mut c[first..first + width], a, &b.0, inner);
        }
    }
}

/// Consecutive places in runs that are not short on average; `None` if they would be.
fn runs(places: Places<'_>, len: usize) -> Option<Vec<Range<usize>>> {
    let Places::Table(table) = places else {
        return matches!(places, Places::Steps(1)).then(|| std::iter::once(0..len).collect());
    };
    let mut runs: Vec<Range<usize>> = vec![];
    for i in 0..len {
        match runs.last_mut() {
            Some(run) if table[i] == table[i - 1] + 1 => run.end = i + 1,
            _ => runs.push(i..i + 1),
        }
    }
    (runs.len() * FEW[1] <= len).then_some(runs)
}

/// Products of blocks, with the best tile for the ring and the processor.
fn tiled<R: Ring>(c: &mut [R], pairs: &[Matrices<'_, R>], size: (usize, usize, usize)) {
    #[cfg(target_arch = "x86_64")]
    if TypeId::of::<R>() == TypeId::of::<u64>() {
        use simd::tile::{Avx2, Avx512};
        let pairs: Vec<Matrices<'_, u64>> =
            pairs.iter().map(|&(a, b)| (a.cast(), b.cast())).collect();
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
        let pairs: Vec<Matrices<'_, u128>> =
            pairs.iter().map(|&(a, b)| (a.cast(), b.cast())).collect();
        return blocks(&tile, bytemuck::cast_slice_mut(c), &pairs, size);
    }
    blocks::<R, Portable, 4, 4>(&Portable, c, pairs, size);
}

/// Products of blocks: `c` is touched once for each [`Tile::INNER`] inner indices.
fn blocks<R: Ring, T: Tile<R, M, N>, const M: usize, const N: usize>(
    kernel: &T,
    c: &mut [R],
    pairs: &[Matrices<'_, R>],
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
                    lay(lines, b.from(col + at), first, width);
                }
            });
            for row in (0..rows).step_by(high) {
                let height = high.min(rows - row);
                if col == 0 || rows > high {
                    panels.pack_left(height, |lines, at, height| {
                        for (lines, (a, _)) in lines.chunks_exact_mut(each).zip(pairs) {
                            lay(lines, a.from(row + at), first, height);
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

/// Lays `width` lines of a matrix side by side, from inner index `first` on: `panel[p][i]` is number
/// `first + p` of line `i`. What stands behind them does not matter.
#[inline(always)]
fn lay<R: Ring, const W: usize>(
    panel: &mut [[R; W]],
    matrix: Matrix<'_, R>,
    first: usize,
    width: usize,
) {
    let offsets: [usize; W] =
        std::array::from_fn(|i| matrix.lines.at(if i < width { i } else { 0 }));
    let consecutive = (1..W).all(|i| offsets[i] == offsets[0] + i);
    if consecutive && width == W {
        for (p, line) in panel.iter_mut().enumerate() {
            let from = &matrix.words[offsets[0] + matrix.inner.at(first + p)..];
            *line = *from.first_chunk().expect("lines are in the vector");
        }
    } else if let Places::Steps(1) = matrix.inner {
        let lines = offsets.map(|at| &matrix.words[at + first..][..panel.len()]);
        for (p, line) in panel.iter_mut().enumerate() {
            *line = std::array::from_fn(|i| lines[i][p]);
        }
    } else {
        for (p, line) in panel.iter_mut().enumerate() {
            let from = &matrix.words[matrix.inner.at(first + p)..];
            *line = std::array::from_fn(|i| from[offsets[i]]);
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
                let of = Contraction::matrix((m, k, n));
                let piece = &of.pieces(0..m * n, m)[0];
                let pairs = [of.cut(piece, &a, &b)];
                blocks::<u64, Portable, 4, 4>(&Portable, &mut c, &pairs, (m, k, n));
                assert_eq!(c, plainly(&a, &b, (m, k, n)), "the portable tile");
            }
        }
    }

    #[test]
    fn contractions_are_the_products_of_their_views() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("threads");
        // Filters, pictures of 12 by 13 with windows of 3 by 3, grouped and with every channel alone; a
        // batch of products with transposes; one matrix on the left for all.
        type Dims<'a> = [&'a [(u64, i64)]; 3];
        let windows: [&[(u64, i64)]; 2] = [&[(3, 13), (3, 1)], &[(10, 13), (11, 1)]];
        let steps: [&[(u64, i64)]; 2] = [&[(3, 13), (3, 1)], &[(5, 26), (6, 2)]];
        let cases: [([usize; 4], Dims<'_>, Dims<'_>); 7] = [
            (
                [1, 20, 45, 110],
                [&[], &[(20, 45)], &[(45, 1)]],
                [&[], &[(5, 156), (3, 13), (3, 1)], windows[1]],
            ),
            (
                [2, 9, 18, 30],
                [&[(2, 162)], &[(9, 18)], &[(18, 1)]],
                [&[(2, 312)], &[(2, 156), (3, 13), (3, 1)], steps[1]],
            ),
            ([6, 1, 9, 110], [&[(6, 9)], &[], &[(9, 1)]], [&[(6, 156)], windows[0], windows[1]]),
            ([6, 2, 9, 30], [&[(6, 18)], &[(2, 9)], &[(9, 1)]], [&[(6, 156)], steps[0], steps[1]]),
            (
                [3, 10, 12, 14],
                [&[(3, 120)], &[(10, 1)], &[(12, 10)]],
                [&[(3, 168)], &[(12, 1)], &[(14, 12)]],
            ),
            (
                [4, 2, 30, 40],
                [&[(4, 0)], &[(2, 30)], &[(30, 1)]],
                [&[(4, 1200)], &[(30, 1)], &[(40, 30)]],
            ),
            (
                [2, 9, 300, 5],
                [&[(2, 2700)], &[(9, 300)], &[(300, 1)]],
                [&[(2, 0)], &[(300, 5)], &[(5, 1)]],
            ),
        ];
        for (size, left, right) in cases {
            let of = Contraction::new(size, left, right);
            let reach = |d: &(u64, i64)| (d.0 as usize - 1) * d.1 as usize;
            let last = |dims: Dims<'_>| dims.iter().copied().flatten().map(reach).sum::<usize>();
            let [a, b] =
                [(left, 1), (right, 2)].map(|(dims, seed)| matrix(1, last(dims) + 1, seed));
            let [m, k, n] = [size[1], size[2], size[3]];
            let expected: Vec<u64> = (0..size[0])
                .flat_map(|g| {
                    let x: Vec<u64> = (0..m * k).map(|i| a[of.left(g, i)]).collect();
                    let y: Vec<u64> = (0..k * n).map(|i| b[of.right(g, i)]).collect();
                    plainly(&x, &y, (m, k, n))
                })
                .collect();
            let all = of.len();
            for pool in [None, Some(&pool)] {
                for range in [0..all, 0..all / 3, all / 3..all - 1, n / 2..n / 2, n / 2..n + 3] {
                    let mut c = vec![3_u64; range.len()];
                    contract(pool, &mut c, range.clone(), &[(&a, &b), (&a, &b)], &of);
                    let twice = |x: &u64| x.wrapping_mul(2).wrapping_add(3);
                    assert!(c.iter().copied().eq(expected[range].iter().map(twice)), "{size:?}");
                }
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

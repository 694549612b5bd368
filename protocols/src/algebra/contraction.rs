//! Batches of matrix products whose operands are affine views: convolutions, products with transposes,
//! and batches that have one operand in common, without a copy of either.
//!
//! For a convolution the left matrices are the filters of each group, and column j of the right ones is
//! the j-th window of the picture: an element of the picture lies in as many columns as windows see it.

use std::ops::Range;

/// Offsets along one side of the matrices.
#[derive(Clone, Debug)]
enum Axis {
    /// Each so far from the one before.
    Steps(usize),
    /// Listed.
    Table(Vec<usize>),
}

impl Axis {
    /// The axis with these dimensions, slowest first; their strides are not negative.
    fn new(dims: &[(u64, i64)]) -> Axis {
        let mut joined: Vec<(usize, usize)> = vec![];
        for &(size, stride) in dims.iter().rev().filter(|dim| dim.0 != 1) {
            let size = size as usize;
            let stride = usize::try_from(stride).expect("no view goes backwards");
            match joined.last_mut() {
                Some(inner) if inner.0.checked_mul(inner.1) == Some(stride) => inner.0 *= size,
                _ => joined.push((size, stride)),
            }
        }
        match joined[..] {
            [] => Axis::Steps(0),
            [(_, stride)] => Axis::Steps(stride),
            _ => {
                let mut table = vec![0];
                for &(size, stride) in joined.iter().rev() {
                    table = (table.iter())
                        .flat_map(|&at| (0..size).map(move |i| at + i * stride))
                        .collect();
                }
                Axis::Table(table)
            }
        }
    }

    fn at(&self, i: usize) -> usize {
        self.places().at(i)
    }

    fn places(&self) -> Places<'_> {
        match self {
            Axis::Steps(stride) => Places::Steps(*stride),
            Axis::Table(table) => Places::Table(table),
        }
    }
}

/// Offsets along one side of a matrix.
#[derive(Clone, Copy)]
pub(super) enum Places<'a> {
    /// Each so far from the one before.
    Steps(usize),
    /// Listed.
    Table(&'a [usize]),
}

impl Places<'_> {
    /// Number `i`.
    #[inline(always)]
    pub(super) fn at(self, i: usize) -> usize {
        match self {
            Places::Steps(stride) => i * stride,
            Places::Table(table) => table[i],
        }
    }
}

/// A matrix in a vector. Its *lines* are the rows of a left one and the columns of a right one.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a, R> {
    pub(super) words: &'a [R],
    pub(super) lines: Places<'a>,
    pub(super) inner: Places<'a>,
}

impl<'a, R: Copy> Matrix<'a, R> {
    /// The lines from `first` on.
    pub(super) fn from(self, first: usize) -> Matrix<'a, R> {
        match self.lines {
            Places::Steps(stride) => Matrix { words: &self.words[first * stride..], ..self },
            Places::Table(table) => Matrix { lines: Places::Table(&table[first..]), ..self },
        }
    }

    /// Lines as inner indices and the other way round.
    pub(super) fn turned(self) -> Matrix<'a, R> {
        Matrix { lines: self.inner, inner: self.lines, ..self }
    }

    /// The same words of another type.
    pub(super) fn cast<S: bytemuck::Pod>(self) -> Matrix<'a, S>
    where
        R: bytemuck::Pod,
    {
        let Matrix { words, lines, inner } = self;
        Matrix { words: bytemuck::cast_slice(words), lines, inner }
    }

    /// Whether lines of `inner` elements stand in order, one behind the other.
    pub(super) fn in_order(&self, inner: usize) -> bool {
        matches!((self.lines, self.inner), (Places::Steps(n), Places::Steps(1)) if n == inner)
    }
}

/// Part of the result: some rows and columns of one of the products.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) batch: usize,
    pub(super) rows: Range<usize>,
    pub(super) cols: Range<usize>,
}

impl Piece {
    pub(super) fn len(&self) -> usize {
        self.rows.len() * self.cols.len()
    }
}

/// `batch` products of matrices of `rows`×`inner` and `inner`×`cols` elements, views of two vectors. The
/// results stand one after the other, row-major.
#[derive(Clone, Debug)]
pub struct Contraction {
    /// Number of products.
    pub batch: usize,
    /// Rows of each left matrix.
    pub rows: usize,
    /// Their columns.
    pub inner: usize,
    /// Columns of each right matrix.
    pub cols: usize,
    /// Over products, rows, and inner indices.
    left: [Axis; 3],
    /// Over products, inner indices, and columns.
    right: [Axis; 3],
}

impl Contraction {
    /// The products whose left matrices are a view of one vector, over products, rows and inner indices,
    /// and whose right ones are a view of another, over products, inner indices and columns. `sizes` are
    /// the fields; dimensions are sizes and strides, slowest first.
    ///
    /// # Panics
    /// If dimensions are not of these sizes, or a stride is negative.
    pub fn new(
        sizes: [usize; 4],
        left: [&[(u64, i64)]; 3],
        right: [&[(u64, i64)]; 3],
    ) -> Contraction {
        let [batch, rows, inner, cols] = sizes;
        let empty = sizes.contains(&0);
        let axis = |(dims, size): (&[(u64, i64)], usize)| {
            let product = dims.iter().map(|dim| dim.0).product::<u64>();
            assert!(product == size as u64 || empty, "dimensions of another size");
            Axis::new(dims)
        };
        let axes = |dims: [&'_ [(u64, i64)]; 3], [first, second, third]: [usize; 3]| {
            [(dims[0], first), (dims[1], second), (dims[2], third)].map(axis)
        };
        let (left, right) = (axes(left, [batch, rows, inner]), axes(right, [batch, inner, cols]));
        Contraction { batch, rows, inner, cols, left, right }
    }

    /// One product of whole matrices, row-major.
    pub fn matrix((rows, inner, cols): (usize, usize, usize)) -> Contraction {
        let left = [Axis::Steps(0), Axis::Steps(inner), Axis::Steps(1)];
        let right = [Axis::Steps(0), Axis::Steps(cols), Axis::Steps(1)];
        Contraction { batch: 1, rows, inner, cols, left, right }
    }

    /// Elements of all results.
    pub fn len(&self) -> usize {
        self.batch * self.rows * self.cols
    }

    /// Whether there is no result.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Size of each product: rows, inner indices, columns.
    pub fn size(&self) -> (usize, usize, usize) {
        (self.rows, self.inner, self.cols)
    }

    /// Where element `i` of the left matrix of a product lies, row-major.
    pub fn left(&self, batch: usize, i: usize) -> usize {
        let [of, rows, inner] = &self.left;
        of.at(batch) + rows.at(i / self.inner) + inner.at(i % self.inner)
    }

    /// Where element `i` of the right matrix of a product lies, row-major.
    pub fn right(&self, batch: usize, i: usize) -> usize {
        let [of, inner, cols] = &self.right;
        of.at(batch) + inner.at(i / self.cols) + cols.at(i % self.cols)
    }

    /// Both matrices of a piece.
    pub(super) fn cut<'a, R: Copy>(
        &'a self,
        piece: &Piece,
        a: &'a [R],
        b: &'a [R],
    ) -> (Matrix<'a, R>, Matrix<'a, R>) {
        let [batch, rows, inner] = &self.left;
        let words = &a[batch.at(piece.batch)..];
        let left = Matrix { words, lines: rows.places(), inner: inner.places() };
        let [batch, inner, cols] = &self.right;
        let words = &b[batch.at(piece.batch)..];
        let right = Matrix { words, lines: cols.places(), inner: inner.places() };
        (left.from(piece.rows.start), right.from(piece.cols.start))
    }

    /// The pieces that the elements of `range` of all results consist of, in order, each of at most
    /// `most` rows.
    pub(super) fn pieces(&self, range: Range<usize>, most: usize) -> Vec<Piece> {
        let (mut pieces, mut at, each) = (vec![], range.start, self.rows * self.cols);
        while at < range.end {
            let (batch, from) = (at / each, at % each);
            let (row, col, left) = (from / self.cols, from % self.cols, range.end - at);
            let whole = (left / self.cols).min(self.rows - row).min(most);
            let piece = if col > 0 || whole == 0 {
                Piece { batch, rows: row..row + 1, cols: col..self.cols.min(col + left) }
            } else {
                Piece { batch, rows: row..row + whole, cols: 0..self.cols }
            };
            at += piece.len();
            pieces.push(piece);
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_all_elements_in_order() {
        let (left, right) = ([&[(3, 4)][..], &[(4, 1)], &[]], [&[(3, 5)][..], &[], &[(5, 1)]]);
        let of = Contraction::new([3, 4, 1, 5], left, right);
        for from in 0..=of.len() {
            for to in from..=of.len() {
                for most in [1, 3, usize::MAX] {
                    let mut at = from;
                    for piece in of.pieces(from..to, most) {
                        let whole = piece.cols == (0..5) || piece.rows.len() == 1;
                        assert!(whole && piece.rows.len() <= most);
                        let first = piece.batch * 20 + piece.rows.start * 5 + piece.cols.start;
                        assert_eq!(first, at);
                        at += piece.len();
                    }
                    assert_eq!(at, to);
                }
            }
        }
    }

    #[test]
    fn neighbouring_dimensions_are_one() {
        assert!(matches!(Axis::new(&[(3, 8), (1, 5), (2, 4), (4, 1)]), Axis::Steps(1)));
        assert!(
            matches!(Axis::new(&[(3, 9), (2, 4)]), Axis::Table(table) if table == [0, 4, 9, 13, 18, 22])
        );
        assert!(matches!(Axis::new(&[(3, 2)]), Axis::Steps(2)));
        assert!(matches!(Axis::new(&[(1, 2)]), Axis::Steps(0)));
    }
}

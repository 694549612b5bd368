//! Which elements of two operands are multiplied and added up.

use crate::value::Shares;

/// The element of an operand that belongs to sum `i`, product `j`.
pub(super) type Index = Box<dyn Fn(usize, usize) -> usize>;

/// Which products are added up.
pub(super) struct Products {
    pub(super) len: usize,
    pub(super) inner: usize,
    pub(super) left: Index,
    pub(super) right: Index,
}

impl Products {
    /// Rows of `inner` elements.
    pub(super) fn rows(len: usize, inner: usize) -> Products {
        let index = || Box::new(move |i, j| i * inner + j);
        Products { len, inner, left: index(), right: index() }
    }

    /// Rows of the left with columns of the right; `size` = (rows, inner, cols).
    pub(super) fn matrix((rows, inner, cols): (usize, usize, usize)) -> Products {
        Products {
            len: rows * cols,
            inner,
            left: Box::new(move |i, j| i / cols * inner + j),
            right: Box::new(move |i, j| j * cols + i % cols),
        }
    }
}

/// Elements `i·inner + j` at place `j·rows + i`: parts of different sums side by side.
pub(super) fn by_part(a: &Shares, inner: usize) -> Shares {
    if inner == 1 {
        return a.clone();
    }
    let rows = a.len() / inner;
    a.pick(a.len(), |at| at % rows * inner + at / rows)
}

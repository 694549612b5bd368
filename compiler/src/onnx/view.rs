//! Affine views: slices, transpositions, repetitions and the windows of a convolution are all one.

use crate::ir::strides_of_shape;

/// Element (i_0, …) is element offset + Σ i_j · stride_j of the source, in row-major order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) offset: i64,
    /// Size and stride of each axis.
    pub(super) dims: Vec<(usize, i64)>,
}

impl View {
    /// Everything, as it is.
    pub(super) fn whole(shape: &[usize]) -> View {
        View { offset: 0, dims: shape.iter().copied().zip(strides_of_shape(shape)).collect() }
    }

    /// Axes in another order: axis i of the result is axis `order[i]`.
    pub(super) fn transposed(shape: &[usize], order: &[usize]) -> View {
        let whole = View::whole(shape);
        View { offset: 0, dims: order.iter().map(|&i| whole.dims[i]).collect() }
    }

    /// Repeated to a shape by numpy's rule; the caller knows that it fits.
    pub(super) fn broadcast(from: &[usize], to: &[usize]) -> View {
        let strides = strides_of_shape(from);
        let missing = to.len() - from.len();
        let dim = |(axis, &size): (usize, &usize)| match axis.checked_sub(missing) {
            Some(i) if from[i] == size => (size, strides[i]),
            _ => (size, 0),
        };
        View { offset: 0, dims: to.iter().enumerate().map(dim).collect() }
    }

    /// One axis restricted to `count` places from `start` in steps.
    pub(super) fn sliced(mut self, axis: usize, start: usize, step: i64, count: usize) -> View {
        let (_, stride) = self.dims[axis];
        self.offset += start as i64 * stride;
        self.dims[axis] = (count, if count > 1 { stride * step } else { stride });
        self
    }

    /// An axis moved to the front.
    pub(super) fn to_front(shape: &[usize], axis: usize) -> View {
        let order: Vec<usize> =
            std::iter::once(axis).chain((0..shape.len()).filter(|i| *i != axis)).collect();
        View::transposed(shape, &order)
    }

    /// The sizes of the result.
    pub(super) fn shape(&self) -> Vec<usize> {
        self.dims.iter().map(|d| d.0).collect()
    }

    /// Whether it changes nothing but the shape of a tensor with `size` elements.
    pub(super) fn is_reshape(&self, size: usize) -> bool {
        let mut expected = 1;
        let in_order = self.dims.iter().rev().filter(|d| d.0 != 1).all(|&(n, stride)| {
            let fits = stride == expected;
            expected = expected.saturating_mul(n as i64);
            fits
        });
        self.offset == 0 && in_order && expected as usize == size
    }

    /// The elements of the source that are seen, one after the other.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> + '_ {
        let count = super::tensor::size(&self.shape());
        let mut at = vec![0usize; self.dims.len()];
        let mut place = self.offset;
        (0..count).map(move |_| {
            let here = place as usize;
            for (i, &(size, stride)) in at.iter_mut().zip(&self.dims).rev() {
                *i += 1;
                place += stride;
                if *i < size {
                    break;
                }
                place -= stride * size as i64;
                *i = 0;
            }
            here
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_strides() {
        let view = View::transposed(&[2, 3], &[1, 0]);
        assert_eq!(view.places().collect::<Vec<_>>(), [0, 3, 1, 4, 2, 5]);
        let view = View::broadcast(&[2, 1], &[2, 2, 2]);
        assert_eq!(view.places().collect::<Vec<_>>(), [0, 0, 1, 1, 0, 0, 1, 1]);
        let view = View::whole(&[4]).sliced(0, 3, -2, 2);
        assert_eq!(view.places().collect::<Vec<_>>(), [3, 1]);
        assert_eq!(View::whole(&[]).places().collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn a_view_that_only_reshapes_is_known() {
        assert!(View::whole(&[2, 3]).is_reshape(6));
        assert!(View::transposed(&[1, 3], &[1, 0]).is_reshape(3));
        assert!(!View::transposed(&[2, 3], &[1, 0]).is_reshape(6));
        assert!(!View::whole(&[2, 3]).sliced(0, 0, 1, 1).is_reshape(6));
    }
}

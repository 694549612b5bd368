//! Products of matrices, convolutions, and sums of products.

use super::super::arith::OpAt;
use super::super::call::Given;
use super::super::value::{Tensor, Val};
use super::super::{Diagnostic, Lower};
use super::Args;
use super::reduce::numbers;
use crate::check::types::{Elem, Ty, Vis, broadcast_shapes, join_vis};
use crate::ir::{self, Dim, size_of_shape, strides_of_shape};
use crate::parse::ast::BinaryOp;

/// Two factors, and where they stand.
fn factors<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<(OpAt, Tensor, Tensor)> {
    let (a, a_span) = args.next(l)?;
    let (b, b_span) = args.next(l)?;
    let op = OpAt { op: BinaryOp::Mul, all: args.span, left: a_span, right: b_span };
    let (a, b) = l.pair(op, a, b)?;
    Some((op, a, b))
}

/// The axes of a tensor of this shape, repeated over `lead` where it has less.
fn axes_over(shape: &[usize], lead: &[usize]) -> Vec<Dim> {
    let strides = strides_of_shape(shape);
    let missing = lead.len() + 2 - shape.len();
    let dim = |(axis, &size): (usize, &usize)| match axis.checked_sub(missing) {
        Some(i) if shape[i] == size => Dim { size, stride: strides[i] },
        _ => Dim { size, stride: 0 },
    };
    let matrix = shape.iter().zip(&strides).skip(shape.len() - 2);
    let matrix = matrix.map(|(&size, &stride)| Dim { size, stride });
    lead.iter().enumerate().map(dim).chain(matrix).collect()
}

/// Axes before the last two are positions, each with a product of its own, and broadcast. A vector is a row on the left and a column on
/// the right, and that axis goes away again.
pub(super) fn matmul<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (op, a, b) = factors(l, args)?;
    args.done(l)?;
    let (sa, sb) = (a.ty.shape.clone(), b.ty.shape.clone());
    let rows = if let [k] = sa[..] { vec![1, k] } else { sa.clone() };
    let columns = if let [k] = sb[..] { vec![k, 1] } else { sb.clone() };
    let label = format!("{} times {}", Lower::shape_text(&sa), Lower::shape_text(&sb));
    let (&[ref la @ .., m, k], &[ref lb @ .., k2, n]) = (&rows[..], &columns[..]) else {
        return l.error("`matmul` multiplies matrices and vectors", args.span, label);
    };
    if k != k2 {
        let message = Diagnostic::error("these shapes do not fit together", args.span, label)
            .expected(format!("{k} rows on the right"), k2.to_string());
        let swapped = sb.len() == 2 && sb[1] == k;
        return l.fail(if swapped {
            message.help("`transpose(…)` exchanges rows and columns")
        } else {
            message
        });
    }
    let Some(lead) = broadcast_shapes(la, lb) else {
        return l.error("these shapes do not fit together", args.span, label);
    };
    let shape: Vec<usize> = lead
        .iter()
        .copied()
        .chain((sa.len() > 1).then_some(m))
        .chain((sb.len() > 1).then_some(n))
        .collect();
    l.limited_shape(shape.clone(), args.span)?;
    let positions = size_of_shape(&lead);
    let out = if size_of_shape(lb) == 1 && size_of_shape(la) == positions {
        // One matrix on the right: all rows on the left are one matrix.
        let (a, b) = (l.reshaped(&a, &[positions * m, k]), l.reshaped(&b, &[k, n]));
        multiply_sum(l, op, a, b, &shape, |l, a, b| l.b.mat_mul(a, b))?
    } else {
        let (a, b) = (l.reshaped(&a, &rows), l.reshaped(&b, &columns));
        let (left, right) = (axes_over(&rows, &lead), axes_over(&columns, &lead));
        let sizes = [positions, m, k, n];
        multiply_sum(l, op, a, b, &shape, |l, a, b| l.b.contract(a, b, sizes, &left, &right))?
    };
    Some(Val::Tensor(out))
}

/// One positive number for each axis of a picture; `default` where none is given.
fn per_axis<'a>(
    l: &mut Lower<'a>,
    args: &mut Args<'a>,
    key: &str,
    axes: usize,
) -> Option<Vec<usize>> {
    let Some(Given { val, span, .. }) = args.named(key) else { return Some(vec![1; axes]) };
    let given = l.sizes_argument(val, None, span)?;
    if given.len() != axes || given.contains(&0) {
        return args.wrong(l, span, "one positive number for each axis of a picture is needed");
    }
    Some(given)
}

/// Pictures [n, channels, …] and filters [filters, channels of a group, …]: sums of products of each filter with each window that lies
/// in a picture, [n, filters, …].
pub(super) fn conv<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (mut op, x, w) = factors(l, args)?;
    let (sx, sw) = (x.ty.shape.clone(), w.ty.shape.clone());
    let label = format!("filters {} on {}", Lower::shape_text(&sw), Lower::shape_text(&sx));
    let (&[n, channels, ref picture @ ..], &[filters, depth, ref kernel @ ..]) = (&sx[..], &sw[..])
    else {
        return l.error("pictures and filters need more axes", args.span, label);
    };
    let axes = picture.len();
    let strides = per_axis(l, args, "strides", axes)?;
    let dilations = per_axis(l, args, "dilations", axes)?;
    let groups = match args.named("groups") {
        None => 1,
        Some(Given { val, span, .. }) => match l.sizes_argument(val, None, span)?[..] {
            [groups] => groups,
            _ => return args.wrong(l, span, "one number is needed here"),
        },
    };
    args.done(l)?;
    let fits = kernel.len() == axes
        && groups > 0
        && filters % groups == 0
        && depth.checked_mul(groups) == Some(channels);
    let count = |axis: usize| {
        let reach = kernel[axis].checked_sub(1)?.checked_mul(dilations[axis])?.checked_add(1)?;
        Some(picture[axis].checked_sub(reach)? / strides[axis] + 1)
    };
    let places: Option<Vec<usize>> = if fits { (0..axes).map(count).collect() } else { None };
    let Some(places) = places else {
        return l.error("these shapes do not fit together", args.span, label);
    };
    let shape = [&[n, filters], &places[..]].concat();
    l.limited_shape(shape.clone(), args.span)?;
    let (area, size) = (size_of_shape(kernel), size_of_shape(picture));
    let (own, inner) = (filters / groups, depth * area);
    let dim = |size: usize, stride: usize| Dim { size, stride: stride as i64 };
    let left = [dim(n, 0), dim(groups, own * inner), dim(own, inner), dim(inner, 1)];
    let along = strides_of_shape(picture);
    let steps = |sizes: &[usize], by: &[usize]| -> Vec<Dim> {
        let each = sizes.iter().zip(by).zip(&along);
        each.map(|((&size, &by), &stride)| Dim { size, stride: stride * by as i64 }).collect()
    };
    let mut right = vec![dim(n, channels * size), dim(groups, depth * size), dim(depth, size)];
    right.extend(steps(kernel, &dilations));
    right.extend(steps(&places, &strides));
    let sizes = [n * groups, own, inner, size_of_shape(&places)];
    std::mem::swap(&mut op.left, &mut op.right);
    let out =
        multiply_sum(l, op, w, x, &shape, |l, w, x| l.b.contract(w, x, sizes, &left, &right))?;
    Some(Val::Tensor(out))
}

pub(super) fn dot<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (op, a, b) = factors(l, args)?;
    args.done(l)?;
    let Some(shape) = broadcast_shapes(&a.ty.shape, &b.ty.shape).filter(|s| !s.is_empty()) else {
        let label =
            format!("{} with {}", Lower::shape_text(&a.ty.shape), Lower::shape_text(&b.ty.shape));
        return l.error("these shapes do not fit together", args.span, label);
    };
    let spread = |l: &mut Lower<'a>, t: Tensor| {
        let v = l.b.broadcast(t.v, &shape);
        Tensor { ty: Ty { shape: shape.clone(), ..t.ty }, v }
    };
    let (a, b) = (spread(l, a), spread(l, b));
    let rows = shape[..shape.len() - 1].to_vec();
    multiply_sum(l, op, a, b, &rows, |l, a, b| l.b.dot(a, b)).map(Val::Tensor)
}

/// Sums of products with one scaling back at their end, in this shape.
fn multiply_sum<'a>(
    l: &mut Lower<'a>,
    op: OpAt,
    a: Tensor,
    b: Tensor,
    shape: &[usize],
    f: impl FnOnce(&mut Lower<'a>, ir::Value, ir::Value) -> ir::Value,
) -> Option<Tensor> {
    let (a, b) = (numbers(l, a, op.left)?, numbers(l, b, op.right)?);
    let elem = l.product_elem(op, &a, &b)?;
    let scaled = matches!((a.ty.elem, b.ty.elem), (Elem::Fix(..), Elem::Fix(..)));
    let vis = join_vis(a.ty.vis, b.ty.vis);
    let meet = |l: &mut Lower<'a>, t: Tensor| match t.ty.vis {
        Vis::Private(_) if vis == Vis::Secret => l.to_vis(&t, Vis::Secret),
        _ => Some(t),
    };
    let (a, b) = (meet(l, a)?, meet(l, b)?);
    l.at(op.all);
    let v = f(l, a.v, b.v);
    let v = if scaled { l.scale_back(v, elem, op.all) } else { l.keep_promise(v, elem) };
    let v = l.b.reshape(v, shape);
    Some(Tensor { ty: Ty::new(elem, vis, shape), v })
}

//! Choice, shapes and constants.

use super::super::arith::OpAt;
use super::super::value::{Tensor, Val};
use super::super::{Diagnostic, Lower, Span};
use super::Args;
use crate::check::number::Number;
use crate::check::types::{Elem, Ty, Vis, broadcast_shapes};
use crate::ir::{Dim, size_of_shape, strides_of_shape};
use crate::parse::ast::BinaryOp;

pub(super) fn select<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (cond, cond_span) = args.next(l)?;
    let (a, a_span) = args.next(l)?;
    let (b, b_span) = args.next(l)?;
    args.done(l)?;
    // What is known stays known; a tensor has the type of both sides, whichever is taken.
    if let (Val::Bool(known), false) = (&cond, [&a, &b].iter().any(|v| matches!(v, Val::Tensor(_))))
    {
        return Some(if *known { a } else { b });
    }
    let cond = l.tensor(cond, cond_span)?;
    if cond.ty.elem != Elem::Bool {
        let found = l.show(&cond.ty);
        let message = Diagnostic::error(
            "the condition of `select` must be `bool`",
            cond_span,
            format!("this is {found}"),
        );
        return l.fail(message.expected("`bool`", found).help("compare it: `… != 0`"));
    }
    let at = OpAt { op: BinaryOp::Add, all: args.span, left: a_span, right: b_span };
    let (a, b) = match (&a, &b) {
        (Val::Bool(_), _) | (_, Val::Bool(_)) => (l.tensor(a, a_span)?, l.tensor(b, b_span)?),
        _ => l.pair(at, a, b)?,
    };
    l.choose(cond, a, b, [cond_span, a_span, b_span], args.span)
}

impl Lower<'_> {
    /// a where `cond`, else b.
    pub(super) fn choose(
        &mut self,
        cond: Tensor,
        a: Tensor,
        b: Tensor,
        spans: [Span; 3],
        all: Span,
    ) -> Option<Val> {
        let Some(elem) = a.ty.elem.join(b.ty.elem) else {
            let message = self.mismatch(&a.ty.clone(), &Val::Tensor(b), spans[2]);
            return self.fail(message.also(spans[1], "the other choice"));
        };
        let (v, vis, shape) = self.aligned(vec![cond, a, b], &spans, all)?;
        let v = self.b.select(v[0], v[1], v[2]);
        Some(Val::tensor(Ty { elem, vis, shape }, v))
    }

    pub(super) fn reshaped(&mut self, t: &Tensor, shape: &[usize]) -> Tensor {
        let v = self.b.reshape(t.v, shape);
        Tensor { ty: Ty { shape: shape.to_vec(), ..t.ty.clone() }, v }
    }

    pub(super) fn transposed(&mut self, t: &Tensor, order: &[usize]) -> Tensor {
        if order.iter().enumerate().all(|(i, &o)| i == o) {
            return t.clone();
        }
        let shape: Vec<usize> = order.iter().map(|&i| t.ty.shape[i]).collect();
        let v = self.b.transpose(t.v, order);
        Tensor { ty: Ty { shape, ..t.ty.clone() }, v }
    }
}

pub(super) fn reshape<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (t, _) = args.next_tensor(l)?;
    let (sizes, span) = args.next(l)?;
    args.done(l)?;
    let total = size_of_shape(&t.ty.shape);
    let shape = l.sizes_argument(sizes, Some(total), span)?;
    if size_of_shape(&shape) != total {
        let message = Diagnostic::error(
            "this shape holds another number of elements",
            span,
            format!("{} elements", size_of_shape(&shape)),
        )
        .expected(
            format!("{total} elements, as in {}", Lower::shape_text(&t.ty.shape)),
            size_of_shape(&shape).to_string(),
        );
        return l.fail(message);
    }
    Some(Val::Tensor(l.reshaped(&t, &shape)))
}

pub(super) fn transpose<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (t, span) = args.next_tensor(l)?;
    let rank = t.ty.shape.len();
    let order: Vec<usize> = match args.option("axes") {
        None => (0..rank).rev().collect(),
        Some(g) => l.sizes_argument(g.val, None, g.span)?,
    };
    args.done(l)?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted != (0..rank).collect::<Vec<_>>() {
        return l.error(
            "these are not the axes of the tensor",
            span,
            format!("each of the axes 0 to {} once", rank.max(1) - 1),
        );
    }
    Some(Val::Tensor(l.transposed(&t, &order)))
}

pub(super) fn concat<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let axis = args.named("axis");
    let parts = tensors(l, args)?;
    let Some(first) = parts.first() else {
        return args.wrong(l, args.span, "nothing to put together");
    };
    let rank = first.ty.shape.len();
    if rank == 0 {
        let message =
            Diagnostic::error("single values have no axis to be put along", args.span, "");
        return l.fail(message.help("`[a, b]` makes a vector of them"));
    }
    let axis = match axis {
        None => 0,
        Some(g) => {
            let mut only = Args { positional: [g].into(), named: vec![], ..*args };
            only.axis(l, rank)?.unwrap_or(0)
        }
    };
    args.done(l)?;
    l.concat_tensors(parts, axis, args.span).map(Val::Tensor)
}

pub(super) fn stack<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let parts = tensors(l, args)?;
    args.done(l)?;
    if parts.is_empty() {
        return args.wrong(l, args.span, "nothing to put together");
    }
    l.stack(parts, args.span).map(Val::Tensor)
}

/// All arguments; numbers take the type of the first tensor.
fn tensors<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Vec<Tensor>> {
    let given = args.rest();
    let elem =
        given.iter().find_map(|g| if let Val::Tensor(t) = &g.val { Some(t.ty.elem) } else { None });
    given
        .into_iter()
        .map(|g| match (&g.val, elem) {
            (Val::Number(_) | Val::List(_), Some(elem)) if elem != Elem::Bool => {
                match l.convert(g.val, elem, g.span)? {
                    Val::Tensor(t) => Some(t),
                    _ => None,
                }
            }
            _ => l.tensor(g.val, g.span),
        })
        .collect()
}

pub(super) fn broadcast<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (t, span) = args.next_tensor(l)?;
    let (sizes, sizes_span) = args.next(l)?;
    args.done(l)?;
    let shape = l.sizes_argument(sizes, None, sizes_span)?;
    if broadcast_shapes(&t.ty.shape, &shape).as_ref() != Some(&shape) {
        let (have, want) = (Lower::shape_of(&t.ty.shape), Lower::shape_of(&shape));
        return l.error(
            "this shape cannot be repeated to the other",
            span,
            format!("{have} to {want}"),
        );
    }
    let v = l.b.broadcast(t.v, &shape);
    Some(Val::tensor(Ty { shape, ..t.ty }, v))
}

pub(super) fn reverse<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (t, span) = args.next_tensor(l)?;
    if t.ty.shape.is_empty() {
        return l.error("a single value has no order", span, "");
    }
    let axis = args.axis(l, t.ty.shape.len())?.unwrap_or(0);
    args.done(l)?;
    let strides = strides_of_shape(&t.ty.shape);
    let dim = |(i, (&size, &stride)): (usize, (&usize, &i64))| Dim {
        size,
        stride: if i == axis { -stride } else { stride },
    };
    let dims: Vec<Dim> = t.ty.shape.iter().zip(&strides).enumerate().map(dim).collect();
    let offset = strides[axis] * (t.ty.shape[axis].max(1) as i64 - 1);
    let v = l.b.view(t.v, offset, &dims);
    Some(Val::tensor(t.ty, v))
}

/// Element (i, j, …) is element offset + i · stride_0 + j · stride_1 + … of x in row-major order.
pub(super) fn view<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (t, span) = args.next_tensor(l)?;
    let (offset, offset_span) = args.next(l)?;
    let (sizes, sizes_span) = args.next(l)?;
    let (strides, strides_span) = args.next(l)?;
    args.done(l)?;
    let shape = l.sizes_argument(sizes, None, sizes_span)?;
    let strides = l.integers_argument(strides, strides_span)?;
    let [offset] = l.integers_argument(offset, offset_span)?[..] else {
        return args.wrong(l, offset_span, "one number is needed here");
    };
    if strides.len() != shape.len() {
        return args.wrong(l, strides_span, "as many strides as sizes are needed");
    }
    let dims: Vec<Dim> =
        shape.iter().zip(&strides).map(|(&size, &stride)| Dim { size, stride }).collect();
    let (first, last) = reach(offset, &dims);
    let elements = size_of_shape(&t.ty.shape);
    if size_of_shape(&shape) > 0 && (first < 0 || last >= elements as i128) {
        let label = format!("it reaches from {first} to {last}, and there are {elements} elements");
        return l.error("this view leaves the tensor", span, label);
    }
    let v = l.b.view(t.v, offset, &dims);
    Some(Val::tensor(Ty { shape, ..t.ty }, v))
}

/// Zeros, and the elements of a tensor where a view of its shape would read them.
pub(super) fn spread<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (t, span) = args.next_tensor(l)?;
    let (sizes, sizes_span) = args.next(l)?;
    let (offset, offset_span) = args.next(l)?;
    let (strides, strides_span) = args.next(l)?;
    args.done(l)?;
    if t.ty.elem == Elem::Bool {
        let found = l.show(&t.ty);
        return l.error("`spread` takes numbers", span, format!("this is {found}"));
    }
    let shape = l.sizes_argument(sizes, None, sizes_span)?;
    let strides = l.integers_argument(strides, strides_span)?;
    let [offset] = l.integers_argument(offset, offset_span)?[..] else {
        return args.wrong(l, offset_span, "one number is needed here");
    };
    if strides.len() != t.ty.shape.len() {
        return args.wrong(l, strides_span, "as many strides as the tensor has axes are needed");
    }
    let dims: Vec<Dim> =
        t.ty.shape.iter().zip(&strides).map(|(&size, &stride)| Dim { size, stride }).collect();
    let (first, last) = reach(offset, &dims);
    let elements = size_of_shape(&shape);
    if size_of_shape(&t.ty.shape) > 0 && (first < 0 || last >= elements as i128) {
        let label = format!("it reaches from {first} to {last}, and there are {elements} elements");
        return l.error("this tensor leaves its new place", span, label);
    }
    let v = l.b.spread(t.v, &shape, offset, &dims);
    Some(Val::tensor(Ty { shape, ..t.ty }, v))
}

/// The first and the last element that a view of at least one element reads.
fn reach(offset: i64, dims: &[Dim]) -> (i128, i128) {
    let offset = i128::from(offset);
    dims.iter().fold((offset, offset), |(first, last), d| {
        let far = (d.size.max(1) as i128 - 1) * i128::from(d.stride);
        (first + far.min(0), last + far.max(0))
    })
}

fn filled<'a>(l: &mut Lower<'a>, args: &mut Args<'a>, x: i128) -> Option<Val> {
    let (val, span) = args.next(l)?;
    args.done(l)?;
    let (elem, shape) = match val {
        Val::Type(elem, shape) => (elem, shape),
        Val::Elem(elem) => (elem, vec![]),
        _ => return args.wrong(l, span, "a type is needed here"),
    };
    equal(l, x, elem, &shape, span).map(Val::Tensor)
}

/// A clear tensor of equal elements; 1 is `true`.
pub(super) fn equal(
    l: &mut Lower<'_>,
    x: i128,
    elem: Elem,
    shape: &[usize],
    span: Span,
) -> Option<Tensor> {
    let ty = Ty::new(elem, Vis::Clear, shape);
    if elem == Elem::Bool {
        let v = l.b.splat_bit(x == 1, shape);
        return Some(Tensor { ty, v });
    }
    l.number_as(Number::int(x), elem, shape, span, &ty)
}

pub(super) fn zeros<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    filled(l, args, 0)
}

pub(super) fn ones<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    filled(l, args, 1)
}

pub(super) fn iota<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (val, span) = args.next(l)?;
    args.done(l)?;
    let [n] = l.sizes_argument(val, None, span)?[..] else {
        return args.wrong(l, span, "one number is needed here");
    };
    let v = l.b.range(0, 1, n);
    Some(Val::tensor(Ty::new(Elem::Int(crate::check::types::DEFAULT_INT), Vis::Clear, &[n]), v))
}

/// The shape of an argument, known even where its elements are not.
fn shape_of_argument<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<(Vec<usize>, Span)> {
    let (val, span) = args.next(l)?;
    args.done(l)?;
    let shape = match val {
        Val::List(items) => vec![items.len()],
        Val::Shape(sizes) => vec![sizes.len()],
        Val::Tensor(t) => t.ty.shape,
        Val::Number(_) | Val::Bool(_) | Val::Index(_) => vec![],
        other => {
            let found = l.describe(&other);
            return l.error("this has no shape", span, format!("this is {found}"));
        }
    };
    Some((shape, span))
}

pub(super) fn len<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (shape, span) = shape_of_argument(l, args)?;
    match shape.first() {
        Some(&n) => Some(Val::int(n)),
        None => l.error("a single value has no length", span, ""),
    }
}

pub(super) fn size<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (shape, _) = shape_of_argument(l, args)?;
    Some(Val::int(size_of_shape(&shape)))
}

pub(super) fn shape<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    shape_of_argument(l, args).map(|(shape, _)| Val::Shape(shape))
}

pub(super) fn ceil_log2<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (val, span) = args.next(l)?;
    args.done(l)?;
    match &val {
        Val::Number(n) if n.as_int().is_some_and(|n| n > 0) => {
            let n = n.as_int().unwrap_or(1) as u128;
            Some(Val::int((128 - (n - 1).leading_zeros()) as usize))
        }
        other => {
            let found = l.describe(other);
            l.unknown_number("the argument of `ceil_log2`", &found, span)
        }
    }
}

pub(super) fn require<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (cond, span) = args.next(l)?;
    let text = match args.option("message").map(|g| g.val) {
        Some(Val::Text(text)) => text,
        None => "a requirement does not hold".into(),
        Some(_) => return args.wrong(l, args.span, "the message is text"),
    };
    args.done(l)?;
    match cond {
        Val::Bool(true) => Some(Val::Tuple(vec![])),
        Val::Bool(false) => l.error(text, span, "this does not hold"),
        other => {
            let found = l.describe(&other);
            l.error("a requirement must be known when compiling", span, format!("this is {found}"))
        }
    }
}

//! Sums, products, extremes over an axis or over all elements.
//!
//! What has no instruction is halved: neighbours are combined, log2 n times, so that the graph grows with the logarithm and the rounds
//! do too. Neighbours keep their order; hence the first of equal extremes wins.

use super::super::arith::OpAt;
use super::super::call::Given;
use super::super::value::{Tensor, Val};
use super::super::{Lower, Span};
use super::Args;
use crate::check::types::{DEFAULT_INT, Elem, Ty, Vis, join_vis};
use crate::ir::{self, Dim, strides_of_shape};
use crate::parse::ast::BinaryOp;

/// The tensor with the axis to reduce at the end; without an axis, all elements in one.
fn operand<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<(Tensor, Span)> {
    let (t, span) = args.next_tensor(l)?;
    let rank = t.ty.shape.len();
    let axis = args.axis(l, rank)?;
    args.done(l)?;
    let t = match axis {
        None => {
            let n = ir::size_of_shape(&t.ty.shape);
            l.reshaped(&t, &[n])
        }
        Some(axis) => l.transposed(&t, &moved(rank, axis)),
    };
    Some((t, span))
}

/// The order of axes with `axis` last.
fn moved(rank: usize, axis: usize) -> Vec<usize> {
    (0..rank).filter(|i| *i != axis).chain([axis]).collect()
}

pub(super) fn numbers(l: &mut Lower<'_>, t: Tensor, span: Span) -> Option<Tensor> {
    if t.ty.elem != Elem::Bool {
        return Some(t);
    }
    match l.convert(Val::Tensor(t), Elem::Int(DEFAULT_INT), span)? {
        Val::Tensor(t) => Some(t),
        _ => None,
    }
}

pub(super) fn sum<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (t, span) = operand(l, args)?;
    let t = numbers(l, t, span)?;
    let v = l.b.sum(t.v);
    let v = l.keep_promise(v, t.ty.elem);
    let shape = t.ty.shape[..t.ty.shape.len() - 1].to_vec();
    Some(Val::tensor(Ty { shape, ..t.ty }, v))
}

pub(super) fn cumsum<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (t, span) = args.next_tensor(l)?;
    let rank = t.ty.shape.len();
    if rank == 0 {
        return l.error("a single value has no running sum", span, "");
    }
    let axis = args.axis(l, rank)?.unwrap_or(0);
    args.done(l)?;
    let t = numbers(l, t, span)?;
    let order = moved(rank, axis);
    let mut back = vec![0; rank];
    order.iter().enumerate().for_each(|(i, &o)| back[o] = i);
    let t = l.transposed(&t, &order);
    let v = l.b.cum_sum(t.v);
    let v = l.keep_promise(v, t.ty.elem);
    Some(Val::Tensor(l.transposed(&Tensor { v, ..t }, &back)))
}

impl Lower<'_> {
    /// Every second element of the last axis, from `start`, `n` of them.
    fn strided(&mut self, t: &Tensor, start: usize, n: usize, step: usize) -> Tensor {
        let strides = strides_of_shape(&t.ty.shape);
        let mut shape = t.ty.shape.clone();
        let mut dims: Vec<Dim> =
            shape.iter().zip(&strides).map(|(&size, &stride)| Dim { size, stride }).collect();
        let last = dims.len() - 1;
        dims[last] = Dim { size: n, stride: step as i64 };
        shape[last] = n;
        let v = self.b.view(t.v, start as i64, &dims);
        Tensor { ty: Ty { shape, ..t.ty.clone() }, v }
    }

    /// Combines neighbours along the last axis until one is left, which goes away.
    fn halve(
        &mut self,
        mut parts: Vec<Tensor>,
        f: &mut dyn FnMut(&mut Self, &[Tensor], &[Tensor]) -> Option<Vec<Tensor>>,
    ) -> Option<Vec<Tensor>> {
        let mut n = *parts.first()?.ty.shape.last()?;
        while n > 1 {
            let half = n / 2;
            let even: Vec<Tensor> = parts.iter().map(|p| self.strided(p, 0, half, 2)).collect();
            let odd: Vec<Tensor> = parts.iter().map(|p| self.strided(p, 1, half, 2)).collect();
            let mut next = f(self, &even, &odd)?;
            if n % 2 == 1 {
                for (new, old) in next.iter_mut().zip(&parts) {
                    let rest = self.strided(old, n - 1, 1, 1);
                    let axis = new.ty.shape.len() - 1;
                    *new = self.concat_tensors(vec![new.clone(), rest], axis, Span::default())?;
                }
            }
            parts = next;
            n = half + n % 2;
        }
        Some(
            parts
                .into_iter()
                .map(|p| {
                    let shape = p.ty.shape[..p.ty.shape.len() - 1].to_vec();
                    self.reshaped(&p, &shape)
                })
                .collect(),
        )
    }
}

/// Combines all along an axis; of no elements it is `empty`, if there is such a value.
fn halved<'a>(
    l: &mut Lower<'a>,
    args: &mut Args<'a>,
    empty: Option<i128>,
    f: &mut dyn FnMut(&mut Lower<'a>, Tensor, Tensor) -> Option<Val>,
) -> Option<Val> {
    let (t, span) = operand(l, args)?;
    if let Some((0, rows)) = t.ty.shape.split_last() {
        return match empty {
            Some(x) => super::shape::equal(l, x, t.ty.elem, rows, span).map(Val::Tensor),
            None => l.error("no elements", span, "this axis has size 0"),
        };
    }
    let mut out = vec![t];
    out = halve_with(l, out, f)?;
    out.pop().map(Val::Tensor)
}

fn halve_with<'a>(
    l: &mut Lower<'a>,
    parts: Vec<Tensor>,
    f: &mut dyn FnMut(&mut Lower<'a>, Tensor, Tensor) -> Option<Val>,
) -> Option<Vec<Tensor>> {
    l.halve(parts, &mut |l, a, b| match f(l, a[0].clone(), b[0].clone())? {
        Val::Tensor(t) => Some(vec![t]),
        _ => None,
    })
}

fn at(op: BinaryOp, span: Span) -> OpAt {
    OpAt { op, all: span, left: span, right: span }
}

pub(super) fn prod<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let span = args.span;
    halved(l, args, Some(1), &mut |l, a, b| {
        l.binary(at(BinaryOp::Mul, span), Val::Tensor(a), Val::Tensor(b))
    })
}

pub(super) fn any<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let span = args.span;
    halved(l, args, Some(0), &mut |l, a, b| {
        l.binary(at(BinaryOp::Or, span), Val::Tensor(a), Val::Tensor(b))
    })
}

pub(super) fn all<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let span = args.span;
    halved(l, args, Some(1), &mut |l, a, b| {
        l.binary(at(BinaryOp::And, span), Val::Tensor(a), Val::Tensor(b))
    })
}

/// Whether an odd number of elements is true.
pub(super) fn xor<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let span = args.span;
    halved(l, args, Some(0), &mut |l, a, b| {
        l.binary(at(BinaryOp::Xor, span), Val::Tensor(a), Val::Tensor(b))
    })
}

/// The lesser or the greater of two, the first if they are equal.
fn extreme(l: &mut Lower<'_>, greater: bool, a: Tensor, b: Tensor, span: Span) -> Option<Val> {
    let replaced = replaces(l, greater, &a, &b, span)?;
    l.choose(replaced, b, a, [span; 3], span)
}

/// Whether b takes the place of a: b < a, or a < b for the greater.
fn replaces(
    l: &mut Lower<'_>,
    greater: bool,
    a: &Tensor,
    b: &Tensor,
    span: Span,
) -> Option<Tensor> {
    let op = if greater { BinaryOp::Gt } else { BinaryOp::Lt };
    match l.binary(at(op, span), Val::Tensor(b.clone()), Val::Tensor(a.clone()))? {
        Val::Tensor(t) => Some(t),
        _ => None,
    }
}

fn extremes<'a>(l: &mut Lower<'a>, args: &mut Args<'a>, greater: bool) -> Option<Val> {
    let span = args.span;
    if args.positional.len() < 2
        || args.named.iter().any(|g| g.name.is_some_and(|n| n.name == "axis"))
    {
        return halved(l, args, None, &mut |l, a, b| extreme(l, greater, a, b, span));
    }
    let given: Vec<Given> = args.rest();
    args.done(l)?;
    let mut items = given.into_iter();
    let first = items.next()?;
    let mut best = (first.val, first.span);
    for g in items {
        let val = match (&best.0, &g.val) {
            (Val::Number(x), Val::Number(y)) => {
                let keep = if greater { x.compare(*y).is_ge() } else { x.compare(*y).is_le() };
                Val::Number(if keep { *x } else { *y })
            }
            _ => {
                let op = OpAt { op: BinaryOp::Lt, all: span, left: best.1, right: g.span };
                let (a, b) = l.pair(op, best.0, g.val)?;
                extreme(l, greater, a, b, span)?
            }
        };
        best = (val, g.span);
    }
    Some(best.0)
}

pub(super) fn min<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    extremes(l, args, false)
}

pub(super) fn max<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    extremes(l, args, true)
}

fn arg_extreme<'a>(l: &mut Lower<'a>, args: &mut Args<'a>, greater: bool) -> Option<Val> {
    let span = args.span;
    let (t, at) = operand(l, args)?;
    let Some(&n) = t.ty.shape.last().filter(|n| **n > 0) else {
        return l.error("no elements", at, "this axis has size 0");
    };
    let positions = l.b.range(0, 1, n);
    let v = l.b.broadcast(positions, &t.ty.shape);
    let positions = Tensor { ty: Ty::new(Elem::Int(DEFAULT_INT), Vis::Clear, &t.ty.shape), v };
    let vis = t.ty.vis;
    let mut out = l.halve(vec![t, positions], &mut |l, a, b| {
        let replaced = replaces(l, greater, &a[0], &b[0], span)?;
        let value = l.choose(replaced.clone(), b[0].clone(), a[0].clone(), [span; 3], span)?;
        let place = l.choose(replaced, b[1].clone(), a[1].clone(), [span; 3], span)?;
        match (value, place) {
            (Val::Tensor(value), Val::Tensor(place)) => Some(vec![value, place]),
            _ => None,
        }
    })?;
    let place = out.pop()?;
    l.to_vis(&place, join_vis(place.ty.vis, vis)).map(Val::Tensor)
}

pub(super) fn argmin<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    arg_extreme(l, args, false)
}

pub(super) fn argmax<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    arg_extreme(l, args, true)
}

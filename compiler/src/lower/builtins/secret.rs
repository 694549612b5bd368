//! What is known to whom, chance, and the representation of numbers.

use super::super::value::{Tensor, Val};
use super::super::{Diagnostic, Lower, Span};
use super::Args;
use crate::check::types::{DEFAULT_INT, Elem, MAX_WIDTH, Ty, Vis};
use crate::ir::size_of_shape;
use crate::parse::ast::UnaryOp;

pub(super) fn reveal<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let to = args.named("to");
    let (t, _) = args.next_tensor(l)?;
    args.done(l)?;
    if let Some(g) = to {
        let role = l.role_of(g.expr)?;
        let v = match t.ty.vis {
            Vis::Private(owner) if owner == role => t.v,
            Vis::Clear => l.b.lift(t.v, Vis::Private(role)),
            _ => {
                let secret = l.to_vis(&t, Vis::Secret)?;
                l.b.reveal_to(secret.v, role)
            }
        };
        return Some(Val::tensor(Ty { vis: Vis::Private(role), ..t.ty }, v));
    }
    let v = match t.ty.vis {
        Vis::Clear => t.v,
        Vis::Secret => l.b.reveal(t.v),
        Vis::Private(_) => l.b.publish(t.v),
    };
    Some(Val::tensor(Ty { vis: Vis::Clear, ..t.ty }, v))
}

pub(super) fn share<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (t, _) = args.next_tensor(l)?;
    args.done(l)?;
    l.to_vis(&t, Vis::Secret).map(Val::Tensor)
}

/// An argument that must be an integer tensor.
fn integers<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<(Tensor, Span)> {
    let (t, span) = args.next_tensor(l)?;
    if let Elem::Int(_) | Elem::Wrap(_) = t.ty.elem {
        return Some((t, span));
    }
    let found = l.show(&t.ty);
    let message = Diagnostic::error("an integer is needed here", span, format!("this is {found}"));
    l.fail(message.expected("`int`", found))
}

fn one_hot_of(l: &mut Lower<'_>, t: &Tensor, n: usize) -> Tensor {
    let v = l.b.one_hot(t.v, n);
    let shape = t.ty.shape.iter().copied().chain([n]).collect();
    Tensor { ty: Ty { elem: Elem::Bool, vis: t.ty.vis, shape }, v }
}

pub(super) fn one_hot<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (t, _) = integers(l, args)?;
    let n = count(l, args, "the number of positions")?;
    args.done(l)?;
    Some(Val::Tensor(one_hot_of(l, &t, n)))
}

fn count<'a>(l: &mut Lower<'a>, args: &mut Args<'a>, what: &str) -> Option<usize> {
    let (val, span) = args.next(l)?;
    match &val {
        Val::Number(n) if n.as_int().is_some() => l.size(n.as_int(), &n.show(), span),
        other => {
            let found = l.describe(other);
            l.unknown_number(what, &found, span)
        }
    }
}

/// A row of a table: by a product with a one-hot vector, which no party can tell from another.
pub(super) fn lookup<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (table, table_span) = args.next_tensor(l)?;
    let (index, _) = integers(l, args)?;
    args.done(l)?;
    let Some((&n, row)) = table.ty.shape.split_first() else {
        return l.error("a table has rows", table_span, "this is a single value");
    };
    let (m, width) = (size_of_shape(&index.ty.shape), size_of_shape(row));
    let shape: Vec<usize> = index.ty.shape.iter().chain(row).copied().collect();
    let flat = l.reshaped(&index, &[m]);
    if index.ty.vis == Vis::Clear {
        let v = l.b.gather(table.v, flat.v);
        let v = l.b.reshape(v, &shape);
        return Some(Val::tensor(Ty { shape, ..table.ty }, v));
    }
    let flat = l.to_vis(&flat, Vis::Secret)?;
    let table = if table.ty.vis == Vis::Clear { table } else { l.to_vis(&table, Vis::Secret)? };
    let hot = one_hot_of(l, &flat, n);
    let hot = l.b.from_bit(hot.v);
    let bits = table.ty.elem == Elem::Bool;
    let numbers = if bits { l.b.from_bit(table.v) } else { table.v };
    let numbers = l.b.reshape(numbers, &[n, width]);
    let v = l.b.mat_mul(hot, numbers);
    let v = l.b.promise(v, table.ty.elem.bits().max(2));
    let v = l.b.reshape(v, &shape);
    let v = if bits {
        let zero = l.b.eqz(v);
        l.b.not(zero)
    } else {
        v
    };
    Some(Val::tensor(Ty { elem: table.ty.elem, vis: Vis::Secret, shape }, v))
}

pub(super) fn random_int<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let bits = count(l, args, "the number of bits")?;
    let shape = match args.option("shape") {
        Some(g) => l.sizes_argument(g.val, None, g.span)?,
        None => vec![],
    };
    args.done(l)?;
    if bits == 0 || bits >= MAX_WIDTH as usize {
        return l.error(
            "this number of random bits is not possible",
            args.span,
            format!("{bits}, expected 1 to {}", MAX_WIDTH - 1),
        );
    }
    let v = l.b.random(bits as u32, &shape);
    Some(Val::tensor(Ty { elem: Elem::Int(bits as u32 + 1), vis: Vis::Secret, shape }, v))
}

pub(super) fn random_bits<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let shape = match args.option("shape") {
        Some(g) => l.sizes_argument(g.val, None, g.span)?,
        None => vec![],
    };
    args.done(l)?;
    let v = l.b.random_bit(&shape);
    Some(Val::tensor(Ty { elem: Elem::Bool, vis: Vis::Secret, shape }, v))
}

fn rows<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Tensor> {
    let (t, span) = args.next_tensor(l)?;
    if t.ty.shape.is_empty() {
        return l.error("a single value has no rows", span, "");
    }
    Some(t)
}

pub(super) fn shuffle<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let t = rows(l, args)?;
    args.done(l)?;
    let t = l.to_vis(&t, Vis::Secret)?;
    let v = l.b.shuffle(t.v);
    Some(Val::tensor(t.ty, v))
}

pub(super) fn permute<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let t = rows(l, args)?;
    let (p, span) = integers(l, args)?;
    args.done(l)?;
    if p.ty.shape != t.ty.shape[..1] {
        let label = format!("{} for {} rows", Lower::shape_text(&p.ty.shape), t.ty.shape[0]);
        return l.error("a permutation has one number for each row", span, label);
    }
    let (t, p) = (l.to_vis(&t, Vis::Secret)?, l.to_vis(&p, Vis::Secret)?);
    let v = l.b.permute(t.v, p.v);
    Some(Val::tensor(t.ty, v))
}

/// Where rows of bits go when they are sorted.
pub(super) fn places<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (t, span) = args.next_tensor(l)?;
    args.done(l)?;
    let (Elem::Bool, [n, _]) = (t.ty.elem, &t.ty.shape[..]) else {
        let found = l.show(&t.ty);
        let message =
            Diagnostic::error("rows of bits are needed here", span, format!("this is {found}"));
        return l.fail(
            message.expected("`bool[n, k]`", found).help("`key_bits(x)` are those of numbers"),
        );
    };
    let ty = Ty::new(Elem::Int(DEFAULT_INT), Vis::Secret, &[*n]);
    let t = l.to_vis(&t, Vis::Secret)?;
    let v = l.b.places(t.v);
    Some(Val::tensor(ty, v))
}

/// Bits that are ordered as the numbers are: those of the distance from the least number.
pub(super) fn key_bits<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (t, _) = args.next_tensor(l)?;
    args.done(l)?;
    let width = t.ty.elem.bits();
    let (k, v) = match t.ty.elem {
        Elem::Bool => (1, None),
        _ => {
            let least = l.b.constant(-1 << (width - 1));
            let distance = l.b.sub(t.v, least);
            (width as usize, Some(l.b.bits(distance, width)))
        }
    };
    let shape: Vec<usize> = t.ty.shape.iter().copied().chain([k]).collect();
    let v = v.unwrap_or_else(|| l.b.reshape(t.v, &shape));
    Some(Val::tensor(Ty { elem: Elem::Bool, vis: t.ty.vis, shape }, v))
}

fn positions<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Tensor> {
    let (p, span) = integers(l, args)?;
    if p.ty.vis != Vis::Clear {
        let found = l.show(&p.ty);
        let message = Diagnostic::error(
            "a secret value cannot be an index",
            span,
            format!("this is {found}"),
        );
        return l.fail(message.help(
            "`lookup(table, index)` reads at secret positions, `permute` moves rows to them",
        ));
    }
    if p.ty.shape.len() != 1 {
        return l.error("positions are a vector", span, Lower::shape_text(&p.ty.shape));
    }
    Some(p)
}

pub(super) fn gather<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let t = rows(l, args)?;
    let p = positions(l, args)?;
    args.done(l)?;
    let v = l.b.gather(t.v, p.v);
    let shape = p.ty.shape.iter().chain(&t.ty.shape[1..]).copied().collect();
    Some(Val::tensor(Ty { shape, ..t.ty }, v))
}

/// The inverse of `gather` for a permutation that all know.
pub(super) fn scatter<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let t = rows(l, args)?;
    let p = positions(l, args)?;
    args.done(l)?;
    if p.ty.shape != t.ty.shape[..1] {
        let label = format!("{} for {} rows", Lower::shape_text(&p.ty.shape), t.ty.shape[0]);
        return l.error("a permutation has one number for each row", args.span, label);
    }
    let v = l.b.scatter(t.v, p.v);
    Some(Val::tensor(t.ty, v))
}

pub(super) fn bits<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (t, span) = args.next_tensor(l)?;
    let k = count(l, args, "the number of bits")?;
    args.done(l)?;
    if t.ty.elem == Elem::Bool {
        return l.error("`bool` is one bit already", span, "");
    }
    if k == 0 || k > MAX_WIDTH as usize {
        return l.error(
            "this number of bits is not possible",
            args.span,
            format!("{k}, expected 1 to {MAX_WIDTH}"),
        );
    }
    let v = l.b.bits(t.v, k as u32);
    let shape = t.ty.shape.iter().copied().chain([k]).collect();
    Some(Val::tensor(Ty { elem: Elem::Bool, vis: t.ty.vis, shape }, v))
}

pub(super) fn compose<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let signed = match args.named("signed").map(|g| (g.val, g.span)) {
        None => true,
        Some((Val::Bool(b), _)) => b,
        Some((_, span)) => return l.error("`signed` is `true` or `false`", span, ""),
    };
    let (t, span) = args.next_tensor(l)?;
    args.done(l)?;
    let top = if signed { MAX_WIDTH } else { MAX_WIDTH - 1 } as usize;
    match (t.ty.elem, t.ty.shape.split_last()) {
        (Elem::Bool, Some((&k, rows))) if (1..=top).contains(&k) => {
            let v = l.b.compose(t.v, signed);
            let width = k as u32 + u32::from(!signed);
            Some(Val::tensor(Ty { elem: Elem::Int(width), vis: t.ty.vis, shape: rows.to_vec() }, v))
        }
        _ => {
            let found = l.show(&t.ty);
            l.error(
                "`compose` takes 1 to 64 bits on the last axis",
                span,
                format!("this is {found}"),
            )
        }
    }
}

pub(super) fn raw<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (t, span) = args.next_tensor(l)?;
    args.done(l)?;
    match t.ty.elem {
        Elem::Bool => l.error("`raw` takes a number", span, "this is `bool`"),
        elem => Some(Val::Tensor(l.relabel(t, Elem::Int(elem.bits())))),
    }
}

/// An argument that must be fixed point.
fn fixed<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<(Tensor, u32, u32)> {
    let (t, span) = args.next_tensor(l)?;
    args.done(l)?;
    match t.ty.elem {
        Elem::Fix(k, f) => Some((t, k, f)),
        _ => {
            let found = l.show(&t.ty);
            let message = Diagnostic::error(
                "only fixed-point numbers are rounded",
                span,
                format!("this is {found}"),
            );
            l.fail(message.expected("`fix`", found))
        }
    }
}

fn whole(k: u32, f: u32) -> Elem {
    Elem::Int((k - f + 1).min(MAX_WIDTH))
}

pub(super) fn floor<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (t, k, f) = fixed(l, args)?;
    let v = l.b.shr(t.v, f);
    Some(Val::tensor(Ty { elem: whole(k, f), ..t.ty }, v))
}

pub(super) fn ceil<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let span = args.span;
    let (t, k, f) = fixed(l, args)?;
    let Some(Val::Tensor(negative)) = l.unary(UnaryOp::Neg, Val::Tensor(t), span) else {
        return None;
    };
    let v = l.b.shr(negative.v, f);
    let v = l.b.neg(v);
    Some(Val::tensor(Ty { elem: whole(k, f), ..negative.ty }, v))
}

pub(super) fn round<'a>(l: &mut Lower<'a>, args: &mut Args<'a>) -> Option<Val> {
    let (t, k, f) = fixed(l, args)?;
    let v = l.b.trunc(t.v, f);
    Some(Val::tensor(Ty { elem: whole(k, f), ..t.ty }, v))
}

//! From one type to another: what happens by itself, and what a conversion says.
//!
//! By itself: a known number takes the type it meets, a narrow integer a wider one, a clear value becomes secret, a private one is
//! shared. Nothing loses digits or secrecy by itself.

use super::value::{Affine, Tensor, Val};
use super::{Diagnostic, Lower, Span, ir};
use crate::check::number::Number;
use crate::check::types::{
    DEFAULT_FIX, DEFAULT_INT, Elem, MAX_WIDTH, Ty, Vis, broadcast_shapes, show_shape,
};
use crate::ir::bits_of;

/// Longest list that may be written out.
const MAX_LIST: usize = 1 << 20;

impl Lower<'_> {
    /// The message for a value of another type than needed, with the conversion that helps.
    pub(super) fn mismatch(&self, expected: &Ty, found: &Val, span: Span) -> Diagnostic {
        let have = self.describe(found);
        // What is known has no visibility of its own.
        let want = match found {
            Val::Tensor(_) | Val::Tuple(_) => self.show(expected),
            _ => format!("`{}{}`", expected.elem, show_shape(&expected.shape)),
        };
        let message = Diagnostic::error("mismatched types", span, format!("this is {have}"))
            .expected(want, have);
        let Val::Tensor(t) = found else {
            return match found {
                Val::Number(n)
                    if !n.integer && matches!(expected.elem, Elem::Int(_) | Elem::Wrap(_)) =>
                {
                    message.help("write it without a fraction")
                }
                _ => message,
            };
        };
        if t.ty.vis == Vis::Secret && expected.vis != Vis::Secret {
            return match expected.vis {
                Vis::Private(_) => message.help("`reveal(…, to = ROLE)` tells it to one role"),
                _ => message.help("if everybody may know it, say `reveal(…)`"),
            };
        }
        match (t.ty.elem, expected.elem) {
            (Elem::Int(_), Elem::Fix(..)) => message.help("`fix(…)` converts an integer"),
            (Elem::Fix(..), Elem::Int(_)) => {
                message.help("`int(…)` rounds down, `round(…)` to the nearest integer")
            }
            (Elem::Bool, Elem::Int(_)) => message.help("`int(…)` makes 0 or 1 of a truth value"),
            (Elem::Bool, Elem::Fix(..)) => message.help("`fix(…)` makes 0 or 1 of a truth value"),
            (Elem::Int(a), Elem::Int(b)) if a > b => {
                message.help(format!("`int<{b}>(…)` promises that it fits {b} bits"))
            }
            (Elem::Int(_), Elem::Wrap(k)) => {
                message.help(format!("`wrap<{k}>(…)` reduces it modulo 2^{k}"))
            }
            (Elem::Int(_), Elem::Bool) => message.help("compare it: `… != 0`"),
            (Elem::Fix(_, g), Elem::Fix(k, f)) if f != g => {
                message.help(format!("`fix<{k},{f}>(…)` converts the scale"))
            }
            _ => message,
        }
    }

    /// `val` as a value of exactly type `want`, as far as that happens by itself.
    pub(super) fn coerce(&mut self, val: Val, want: &Ty, span: Span) -> Option<Tensor> {
        let known = !matches!(val, Val::Tensor(_));
        let given = val.clone();
        let t = self.adapt(val, want.elem, span, want)?;
        if t.ty.elem.join(want.elem) != Some(want.elem) || (!known && t.ty.shape != want.shape) {
            let message = self.mismatch(want, &given, span);
            return self.fail(message);
        }
        if t.ty.shape != want.shape
            && broadcast_shapes(&t.ty.shape, &want.shape).as_ref() != Some(&want.shape)
        {
            let message = self.mismatch(want, &given, span);
            return self.fail(message);
        }
        self.at(span);
        let v = self.b.broadcast(t.v, &want.shape);
        let t = Tensor { ty: Ty::new(want.elem, t.ty.vis, &want.shape), v };
        match self.to_vis(&t, want.vis) {
            Some(t) => Some(t),
            None => {
                let message = self.mismatch(want, &given, span);
                self.fail(message)
            }
        }
    }

    /// A tensor of `val`, where numbers take the element type `elem`.
    fn adapt(&mut self, val: Val, elem: Elem, span: Span, want: &Ty) -> Option<Tensor> {
        match val {
            Val::Number(n) => self.number_as(n, elem, &[], span, want),
            Val::Bool(_) if elem != Elem::Bool => {
                let message = self.mismatch(want, &val, span);
                self.fail(message)
            }
            Val::Index(a) => match elem {
                Elem::Int(k) if self.index_bits(&a) <= k => {
                    let t = self.index_number(&a);
                    Some(Tensor { ty: Ty { elem, ..t.ty }, v: t.v })
                }
                Elem::Wrap(k) => {
                    let t = self.index_number(&a);
                    let v = self.b.wrap(t.v, k);
                    Some(Tensor { ty: Ty::new(elem, Vis::Clear, &[]), v })
                }
                _ => {
                    let message = self.mismatch(want, &Val::Index(a), span);
                    self.fail(match elem {
                        Elem::Fix(..) => message.help("`fix(…)` converts an integer"),
                        Elem::Int(k) => message.note(format!("its values do not fit {k} bits")),
                        _ => message,
                    })
                }
            },
            Val::List(items) => self.list(items, Some(elem), span),
            other => self.tensor(other, span),
        }
    }

    /// A known number as a clear constant.
    pub(super) fn number_as(
        &mut self,
        n: Number,
        elem: Elem,
        shape: &[usize],
        span: Span,
        want: &Ty,
    ) -> Option<Tensor> {
        let x = self.number_bits(n, elem, span, want)?;
        self.at(span);
        let v = self.b.splat(x, shape);
        Some(Tensor { ty: Ty::new(elem, Vis::Clear, shape), v })
    }

    fn number_bits(&mut self, n: Number, elem: Elem, span: Span, want: &Ty) -> Option<i128> {
        let x = match elem {
            Elem::Int(_) | Elem::Wrap(_) => n.whole(),
            Elem::Fix(_, f) => n.scaled(f),
            Elem::Bool => None,
        };
        let Some(x) = x else {
            let message = self.mismatch(want, &Val::Number(n), span);
            return self.fail(message);
        };
        let bits = bits_of(x);
        if let Elem::Wrap(k) = elem {
            let reduced = if k >= 127 { x } else { (x << (128 - k)) >> (128 - k) };
            return Some(reduced);
        }
        if bits > elem.bits() {
            let k = elem.bits();
            let (lowest, highest) = (-(1i128 << (k - 1)), (1i128 << (k - 1)) - 1);
            let range = match elem {
                Elem::Fix(_, f) => format!(
                    "{} to {}",
                    lowest as f64 / (f as f64).exp2(),
                    highest as f64 / (f as f64).exp2()
                ),
                _ => format!("{lowest} to {highest}"),
            };
            let message = Diagnostic::error(
                format!("the number {} does not fit `{elem}`", n.show()),
                span,
                format!("`{elem}` holds {range}"),
            );
            return self.fail(message);
        }
        Some(x)
    }

    /// A tensor of `val` where numbers take their default types.
    pub(super) fn tensor(&mut self, val: Val, span: Span) -> Option<Tensor> {
        match val {
            Val::Tensor(t) => Some(t),
            Val::Number(n) => {
                let elem = default_elem(n);
                self.number_as(n, elem, &[], span, &Ty::new(elem, Vis::Clear, &[]))
            }
            Val::Bool(x) => {
                self.at(span);
                let v = self.b.splat_bit(x, &[]);
                Some(Tensor { ty: Ty::new(Elem::Bool, Vis::Clear, &[]), v })
            }
            Val::Index(a) => {
                self.at(span);
                Some(self.index_number(&a))
            }
            Val::List(items) => self.list(items, None, span),
            Val::Shape(sizes) => {
                let items = sizes.iter().map(|&s| Val::int(s)).collect();
                self.list(items, None, span)
            }
            other => {
                let found = self.describe(&other);
                self.fail(Diagnostic::error(
                    "a number or a tensor is needed here",
                    span,
                    format!("this is {found}"),
                ))
            }
        }
    }

    fn index_bits(&self, a: &Affine) -> u32 {
        let (lo, hi) = a.range(&self.symbols);
        bits_of(lo.into()).max(bits_of(hi.into())).min(MAX_WIDTH)
    }

    /// An index as a clear integer, as wide as its range.
    pub(super) fn index_number(&mut self, a: &Affine) -> Tensor {
        let bits = self.index_bits(a);
        let ty = Ty::new(Elem::Int(DEFAULT_INT), Vis::Clear, &[]);
        if let Some(c) = a.as_constant() {
            return Tensor { ty, v: self.b.constant(c.into()) };
        }
        let index = self.index_value(a);
        let v = self.b.num_from_index(index);
        Tensor { ty, v: self.b.promise(v, bits) }
    }

    /// A tensor of a list: a constant when all is known, else the parts one after the other.
    fn list(&mut self, items: Vec<Val>, elem: Option<Elem>, span: Span) -> Option<Tensor> {
        let mut numbers = vec![];
        let mut bools = vec![];
        let mut shape = vec![];
        let flat = flatten(&items, 0, &mut shape, &mut numbers, &mut bools);
        if flat.is_some() && ir::size_of_shape(&shape) == numbers.len().max(bools.len()) {
            self.at(span);
            if !bools.is_empty() {
                let v = self.b.dense_bits(bools, &shape);
                return Some(Tensor { ty: Ty::new(Elem::Bool, Vis::Clear, &shape), v });
            }
            let default = if numbers.iter().all(|n| n.integer) {
                Elem::Int(DEFAULT_INT)
            } else {
                default_fix()
            };
            let elem = elem.unwrap_or(default);
            let ty = Ty::new(elem, Vis::Clear, &shape);
            let xs: Option<Vec<i128>> =
                numbers.into_iter().map(|n| self.number_bits(n, elem, span, &ty)).collect();
            let v = self.b.dense(xs?, &shape);
            return Some(Tensor { ty, v });
        }
        if items.is_empty() || items.len() > MAX_LIST {
            return self.error("this list has no type", span, format!("{} elements", items.len()));
        }
        let wanted = elem.or_else(|| items.iter().find_map(elem_of));
        let mut parts = vec![];
        for item in items {
            let want = Ty::new(wanted.unwrap_or(Elem::Int(DEFAULT_INT)), Vis::Clear, &[]);
            parts.push(match (&item, wanted) {
                (Val::Tensor(_), _) | (_, None) => self.tensor(item, span)?,
                (_, Some(elem)) => self.adapt(item, elem, span, &want)?,
            });
        }
        self.stack(parts, span)
    }

    /// Tensors of one shape along a new first axis.
    pub(super) fn stack(&mut self, parts: Vec<Tensor>, span: Span) -> Option<Tensor> {
        let rows: Option<Vec<Tensor>> = parts
            .into_iter()
            .map(|t| {
                let shape: Vec<usize> =
                    std::iter::once(1).chain(t.ty.shape.iter().copied()).collect();
                let v = self.b.reshape(t.v, &shape);
                Some(Tensor { ty: Ty { shape, ..t.ty }, v })
            })
            .collect();
        self.concat_tensors(rows?, 0, span)
    }

    /// Tensors one after the other along an axis that all have.
    pub(super) fn concat_tensors(
        &mut self,
        parts: Vec<Tensor>,
        axis: usize,
        span: Span,
    ) -> Option<Tensor> {
        let parts = self.unify(parts, span)?;
        let first = parts[0].ty.clone();
        let mut shape = first.shape.clone();
        shape[axis] = 0;
        for p in &parts {
            let fits = p.ty.shape.len() == shape.len()
                && (0..shape.len()).all(|i| i == axis || p.ty.shape[i] == first.shape[i]);
            if !fits {
                let label = format!(
                    "{} next to {}",
                    Self::shape_text(&p.ty.shape),
                    Self::shape_text(&first.shape)
                );
                return self.fail(
                    Diagnostic::error("these shapes do not fit together", span, label)
                        .note(format!("all sizes but that of axis {axis} must be equal")),
                );
            }
            shape[axis] += p.ty.shape[axis];
        }
        self.at(span);
        let values: Vec<ir::Value> = parts.iter().map(|p| p.v).collect();
        let v = self.b.concat(&values, axis);
        Some(Tensor { ty: Ty { shape, ..first }, v })
    }

    /// The same values with one element type and one visibility.
    pub(super) fn unify(&mut self, parts: Vec<Tensor>, span: Span) -> Option<Vec<Tensor>> {
        let mut elem = parts.first()?.ty.elem;
        let mut vis = parts.first()?.ty.vis;
        for p in &parts {
            let Some(joined) = elem.join(p.ty.elem) else {
                let message =
                    self.mismatch(&Ty::new(elem, vis, &p.ty.shape), &Val::Tensor(p.clone()), span);
                return self.fail(message);
            };
            elem = joined;
            vis = crate::check::types::join_vis(vis, p.ty.vis);
        }
        parts
            .into_iter()
            .map(|p| {
                let p = self.to_vis(&p, vis)?;
                Some(Tensor { ty: Ty { elem, ..p.ty }, v: p.v })
            })
            .collect()
    }

    /// The value with more secrecy; none if that would tell it to somebody.
    pub(super) fn to_vis(&mut self, t: &Tensor, vis: Vis) -> Option<Tensor> {
        let v = match (t.ty.vis, vis) {
            (a, b) if a == b => t.v,
            (Vis::Clear, b) => self.b.lift(t.v, b),
            (Vis::Private(_), Vis::Secret) => self.b.share(t.v),
            _ => return None,
        };
        Some(Tensor { ty: Ty { vis, ..t.ty.clone() }, v })
    }

    /// A value with a narrower promise, without touching the value it is made of.
    pub(super) fn narrowed(&mut self, t: &Tensor, elem: Elem) -> Tensor {
        let v = if self.b.ty(t.v).bits > elem.bits() {
            let strides = ir::strides_of_shape(&t.ty.shape);
            let dims: Vec<ir::Dim> =
                t.ty.shape
                    .iter()
                    .zip(strides)
                    .map(|(&size, stride)| ir::Dim { size, stride })
                    .collect();
            let copy = self.b.view(t.v, 0, &dims);
            self.b.promise(copy, elem.bits())
        } else {
            t.v
        };
        Tensor { ty: Ty { elem, ..t.ty.clone() }, v }
    }

    /// `elem(val)`, as written by the user.
    pub(super) fn convert(&mut self, val: Val, elem: Elem, span: Span) -> Option<Val> {
        match (val, elem) {
            (Val::Number(n), Elem::Int(_)) => {
                let n = n.floor();
                let ty = Ty::new(elem, Vis::Clear, &[]);
                self.number_as(n, elem, &[], span, &ty).map(Val::Tensor)
            }
            (Val::Number(n), Elem::Fix(..) | Elem::Wrap(_)) => {
                let ty = Ty::new(elem, Vis::Clear, &[]);
                self.number_as(n, elem, &[], span, &ty).map(Val::Tensor)
            }
            (Val::List(items), _) if elem != Elem::Bool => {
                self.list_as(items, elem, span).map(Val::Tensor)
            }
            (val, _) => {
                let t = self.tensor(val, span)?;
                self.at(span);
                self.convert_tensor(t, elem, span).map(Val::Tensor)
            }
        }
    }

    fn list_as(&mut self, items: Vec<Val>, elem: Elem, span: Span) -> Option<Tensor> {
        let known = items.iter().all(|i| matches!(i, Val::Number(_) | Val::List(_)));
        if known {
            return self.list(items, Some(elem), span);
        }
        let t = self.list(items, None, span)?;
        self.convert_tensor(t, elem, span)
    }

    fn convert_tensor(&mut self, t: Tensor, elem: Elem, span: Span) -> Option<Tensor> {
        let done = |ty: &Ty, v| Some(Tensor { ty: Ty { elem, ..ty.clone() }, v });
        let ty = t.ty.clone();
        match (ty.elem, elem) {
            (Elem::Int(_), Elem::Int(_)) => Some(self.narrowed(&t, elem)),
            (Elem::Int(_), Elem::Fix(k, f)) => {
                let v = self.b.shl(t.v, f);
                done(&ty, self.b.promise(v, k))
            }
            (Elem::Fix(_, f), Elem::Int(k)) => {
                let v = self.b.shr(t.v, f);
                let v = if f == 0 { v } else { self.b.promise(v, k) };
                done(&ty, v)
            }
            (Elem::Fix(_, f), Elem::Fix(k, g)) if g > f => {
                let v = self.b.shl(t.v, g - f);
                done(&ty, self.b.promise(v, k))
            }
            (Elem::Fix(_, f), Elem::Fix(k, g)) if g < f => {
                let v = self.b.trunc(t.v, f - g);
                done(&ty, self.b.promise(v, k))
            }
            (Elem::Fix(..), Elem::Fix(..)) => Some(self.narrowed(&t, elem)),
            (Elem::Bool, Elem::Int(k)) => {
                let v = self.b.from_bit(t.v);
                done(&ty, self.b.promise(v, k.max(2)))
            }
            (Elem::Bool, Elem::Fix(k, f)) => {
                let v = self.b.from_bit(t.v);
                let v = self.b.shl(v, f);
                done(&ty, self.b.promise(v, k.max(2)))
            }
            (Elem::Bool, Elem::Wrap(_)) => done(&ty, self.b.from_bit(t.v)),
            (Elem::Int(_) | Elem::Wrap(_), Elem::Wrap(k)) => done(&ty, self.b.wrap(t.v, k)),
            (Elem::Wrap(_), Elem::Int(_)) => Some(self.narrowed(&t, elem)),
            (Elem::Bool, Elem::Bool) => Some(t),
            (have, Elem::Bool) => {
                let message =
                    Diagnostic::error(format!("`{have}` does not convert to `bool`"), span, "");
                self.fail(message.help("compare it: `… != 0`"))
            }
            (have, want) => {
                let message =
                    Diagnostic::error(format!("`{have}` does not convert to `{want}`"), span, "");
                self.fail(message.help("convert to `int` first"))
            }
        }
    }

    /// The same integers under another type, without a change of value.
    pub(super) fn relabel(&mut self, t: Tensor, elem: Elem) -> Tensor {
        self.narrowed(&t, elem)
    }

    /// A shape for a message.
    pub(super) fn shape_of(shape: &[usize]) -> String {
        format!("`{}`", show_shape(shape))
    }
}

/// `fix` without widths.
pub(super) fn default_fix() -> Elem {
    Elem::Fix(DEFAULT_FIX.0, DEFAULT_FIX.1)
}

/// The element type of a tensor, or of the first in a list.
fn elem_of(val: &Val) -> Option<Elem> {
    match val {
        Val::Tensor(t) => Some(t.ty.elem),
        Val::List(items) => items.iter().find_map(elem_of),
        _ => None,
    }
}

/// The type of a number that meets no other type.
pub(super) fn default_elem(n: Number) -> Elem {
    if n.integer { Elem::Int(DEFAULT_INT) } else { default_fix() }
}

/// Numbers or truth values of a list whose rows have one shape; none when something in it is a value of the graph.
fn flatten(
    items: &[Val],
    depth: usize,
    shape: &mut Vec<usize>,
    numbers: &mut Vec<Number>,
    bools: &mut Vec<bool>,
) -> Option<()> {
    if items.is_empty() {
        return None;
    }
    match shape.get(depth) {
        None => shape.push(items.len()),
        Some(n) if *n == items.len() => {}
        Some(_) => return None,
    }
    let leaf = depth + 1;
    for item in items {
        match item {
            Val::List(inner) => flatten(inner, leaf, shape, numbers, bools)?,
            Val::Number(n) if shape.len() == leaf && bools.is_empty() => numbers.push(*n),
            Val::Bool(b) if shape.len() == leaf && numbers.is_empty() => bools.push(*b),
            _ => return None,
        }
    }
    Some(())
}

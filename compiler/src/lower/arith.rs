//! Operators.

use super::value::{Affine, Tensor, Val};
use super::{Diagnostic, Lower, Span, ir};
use crate::check::number::Number;
use crate::check::types::{Elem, MAX_WIDTH, Ty, Vis, broadcast_shapes, join_vis, show_shape};
use crate::lang_items::LangItem;
use crate::parse::ast::{BinaryOp, UnaryOp};

/// Leading bits that a factor known when compiling keeps although its type has fewer below the point.
const MAX_DIGITS: u32 = 16;

/// Most bits by which a number known when compiling is shifted.
const MAX_SHIFT: u32 = 100;

/// An operator with its operands' places.
#[derive(Clone, Copy)]
pub(super) struct OpAt {
    pub(super) op: BinaryOp,
    pub(super) all: Span,
    pub(super) left: Span,
    pub(super) right: Span,
}

impl Lower<'_> {
    pub(super) fn unary(&mut self, op: UnaryOp, val: Val, span: Span) -> Option<Val> {
        match (op, val) {
            (UnaryOp::Neg, Val::Number(n)) => Some(Val::Number(n.negated())),
            (UnaryOp::Neg, Val::Index(a)) => match a.scale(-1) {
                Some(negative) => Some(Val::Index(negative)),
                None => self.error("this position is out of range", span, "too large"),
            },
            (UnaryOp::Not, Val::Bool(b)) => Some(Val::Bool(!b)),
            (op, val) => {
                let t = self.tensor(val, span)?;
                self.at(span);
                match (op, t.ty.elem) {
                    (UnaryOp::Not, Elem::Bool) => Some(Val::tensor(t.ty, self.b.not(t.v))),
                    (UnaryOp::Neg, Elem::Int(_) | Elem::Fix(..) | Elem::Wrap(_)) => {
                        let v = self.b.neg(t.v);
                        Some(Val::tensor(t.ty.clone(), self.keep_promise(v, t.ty.elem)))
                    }
                    (UnaryOp::Not, Elem::Wrap(k)) => {
                        // The complement of two's complement: -x - 1.
                        let one = self.b.splat(-1, &[]);
                        let v = self.b.sub(one, t.v);
                        let v = self.b.wrap(v, k);
                        Some(Val::tensor(t.ty, v))
                    }
                    (UnaryOp::Not, elem) => {
                        let message =
                            Diagnostic::error(format!("`!` needs `bool`, not `{elem}`"), span, "");
                        self.fail(message.help("compare it: `… == 0`"))
                    }
                    (UnaryOp::Neg, _) => {
                        let message = Diagnostic::error("`-` needs a number, not `bool`", span, "");
                        self.fail(message.help("`!` negates a truth value"))
                    }
                }
            }
        }
    }

    pub(super) fn binary(&mut self, at: OpAt, a: Val, b: Val) -> Option<Val> {
        use BinaryOp::*;
        match (&a, &b) {
            (_, Val::Number(n)) if matches!(at.op, Div | Rem) && n.whole() == Some(0) => {
                return self.error("division by zero", at.right, "this is 0");
            }
            (Val::Number(x), Val::Number(y)) => return self.fold(at, *x, *y),
            (Val::Bool(x), Val::Bool(y)) => {
                if let Some(z) = fold_bool(at.op, *x, *y) {
                    return Some(Val::Bool(z));
                }
            }
            (Val::Index(_), Val::Index(_) | Val::Number(_)) | (Val::Number(_), Val::Index(_)) => {
                if let Some(val) = fold_index(at.op, &a, &b) {
                    return Some(val);
                }
            }
            _ => {}
        }
        match at.op {
            Add | Sub => self.sum(at, a, b),
            Mul => self.product(at, a, b),
            Div => self.quotient(at, a, b),
            Rem => self.remainder(at, a, b),
            Shl | Shr => self.shift(at, a, b),
            Eq | Ne | Lt | Le | Gt | Ge => self.comparison(at, a, b),
            And | Or | Xor | AndAlso | OrElse => self.logic(at, a, b),
        }
    }

    fn fold(&mut self, at: OpAt, x: Number, y: Number) -> Option<Val> {
        use BinaryOp::*;
        use std::cmp::Ordering::*;
        let order = x.compare(y);
        let result = match at.op {
            Add => x.plus(y),
            Sub => x.minus(y),
            Mul => x.times(y),
            Div => x.over(y),
            Rem if x.as_int().is_none() || y.as_int().is_none() => {
                let (decimal, span) =
                    if x.as_int().is_none() { (x, at.left) } else { (y, at.right) };
                return self.wrong_operand(at, "int", &Val::Number(decimal), span);
            }
            Rem => x.remainder(y),
            Shl => x.shift(self.shift_amount(y, MAX_SHIFT, at.right)? as i32),
            Shr => x.shift(-(self.shift_amount(y, MAX_SHIFT, at.right)? as i32)),
            Eq => return Some(Val::Bool(order == Equal)),
            Ne => return Some(Val::Bool(order != Equal)),
            Lt => return Some(Val::Bool(order == Less)),
            Le => return Some(Val::Bool(order != Greater)),
            Gt => return Some(Val::Bool(order == Greater)),
            Ge => return Some(Val::Bool(order != Less)),
            And | Or | Xor | AndAlso | OrElse => {
                return self.wrong_operand(at, "bool", &Val::Number(x), at.left);
            }
        };
        match result {
            Some(n) => Some(Val::Number(n)),
            None => self.error(
                format!("`{}` of these numbers is out of range", at.op.symbol()),
                at.all,
                "",
            ),
        }
    }

    fn wrong_operand<T>(&mut self, at: OpAt, wanted: &str, found: &Val, span: Span) -> Option<T> {
        let found = self.describe(found);
        let message = Diagnostic::error(
            format!("`{}` does not work on this", at.op.symbol()),
            span,
            format!("this is {found}"),
        );
        self.fail(message.expected(format!("`{wanted}`"), found))
    }

    /// Both operands as tensors; known numbers and loop variables take the type of the other operand.
    pub(super) fn pair(&mut self, at: OpAt, a: Val, b: Val) -> Option<(Tensor, Tensor)> {
        let wanted = |v: &Val| if let Val::Tensor(t) = v { Some(t.ty.elem) } else { None };
        let (ea, eb) = (wanted(&a), wanted(&b));
        let decimal = |v: &Val| matches!(v, Val::Number(n) if !n.integer);
        let known = if ea.is_none() && eb.is_none() && (decimal(&a) || decimal(&b)) {
            Some(super::convert::default_fix())
        } else {
            None
        };
        let ta = self.operand(a, eb.or(known), at.left)?;
        let tb = self.operand(b, ea.or(known), at.right)?;
        Some((ta, tb))
    }

    pub(super) fn operand(&mut self, val: Val, elem: Option<Elem>, span: Span) -> Option<Tensor> {
        match (&val, elem) {
            (Val::Number(_) | Val::List(_) | Val::Index(_), Some(elem)) if elem != Elem::Bool => {
                let shape = if let Val::List(_) = &val { None } else { Some(vec![]) };
                match shape {
                    Some(shape) => self.coerce(val, &Ty::new(elem, Vis::Clear, &shape), span),
                    None => {
                        let Some(Val::Tensor(t)) = self.convert(val, elem, span) else {
                            return None;
                        };
                        Some(t)
                    }
                }
            }
            _ => self.tensor(val, span),
        }
    }

    /// Makes shapes and visibilities fit for an element-wise operation. Clear operands stay clear.
    pub(super) fn aligned(
        &mut self,
        parts: Vec<Tensor>,
        spans: &[Span],
        all: Span,
    ) -> Option<(Vec<ir::Value>, Vis, Vec<usize>)> {
        let mut shape: Vec<usize> = vec![];
        let mut vis = Vis::Clear;
        for (part, span) in parts.iter().zip(spans) {
            let Some(joined) = broadcast_shapes(&shape, &part.ty.shape) else {
                let label = format!("this has {}", Self::shape_text(&part.ty.shape));
                let message = Diagnostic::error("these shapes do not fit together", *span, label)
                    .expected(
                        format!(
                            "sizes that are equal to those of `{}`, or 1, from the last axis on",
                            show_shape(&shape)
                        ),
                        Self::shape_of(&part.ty.shape),
                    );
                return self.fail(message);
            };
            shape = joined;
            vis = join_vis(vis, part.ty.vis);
        }
        self.at(all);
        let whole = parts.iter().any(|p| p.ty.shape == shape);
        let mut values = vec![];
        for part in parts {
            let part = match part.ty.vis {
                Vis::Private(_) if vis == Vis::Secret => self.to_vis(&part, Vis::Secret)?,
                _ => part,
            };
            let single = ir::size_of_shape(&part.ty.shape) == 1;
            values.push(if single && whole { part.v } else { self.b.broadcast(part.v, &shape) });
        }
        Some((values, vis, shape))
    }

    /// Says that a result keeps the width of its type, reducing it where that is what the type means.
    pub(super) fn keep_promise(&mut self, v: ir::Value, elem: Elem) -> ir::Value {
        match elem {
            Elem::Wrap(k) if self.b.ty(v).bits > k => self.b.wrap(v, k),
            Elem::Bool | Elem::Wrap(_) => v,
            Elem::Int(k) | Elem::Fix(k, _) => self.b.promise(v, k),
        }
    }

    fn sum(&mut self, at: OpAt, a: Val, b: Val) -> Option<Val> {
        let (a, b) = self.pair(at, a, b)?;
        let elem = self.joined_elem(at, &a, &b)?;
        let (v, vis, shape) = self.aligned(vec![a, b], &[at.left, at.right], at.all)?;
        let v =
            if at.op == BinaryOp::Add { self.b.add(v[0], v[1]) } else { self.b.sub(v[0], v[1]) };
        let v = self.keep_promise(v, elem);
        Some(Val::tensor(Ty { elem, vis, shape }, v))
    }

    fn joined_elem(&mut self, at: OpAt, a: &Tensor, b: &Tensor) -> Option<Elem> {
        if a.ty.elem == Elem::Bool && b.ty.elem == Elem::Bool && !at.op.is_comparison() {
            return self.wrong_operand(at, "int or fix", &Val::Tensor(a.clone()), at.left);
        }
        if let Some(elem) = a.ty.elem.join(b.ty.elem) {
            return Some(elem);
        }
        let (x, y) = (a.ty.elem, b.ty.elem);
        let label = format!("`{x}` {} `{y}`", at.op.symbol());
        let message = Diagnostic::error(
            format!("`{}` needs operands of one type", at.op.symbol()),
            at.all,
            label,
        )
        .expected(format!("`{x}` on the right"), format!("`{y}`"));
        let message = match (x, y) {
            (Elem::Int(_), Elem::Fix(..)) | (Elem::Fix(..), Elem::Int(_)) => {
                message.help("`fix(…)` converts an integer")
            }
            (Elem::Bool, _) | (_, Elem::Bool) if at.op.is_comparison() => {
                message.help("comparisons do not chain: `a < b && b < c`")
            }
            (Elem::Bool, _) | (_, Elem::Bool) => message.help(
                "`int(…)` or `fix(…)` makes 0 or 1 of a truth value; `select(c, a, b)` chooses",
            ),
            (Elem::Fix(k, f), Elem::Fix(..)) => {
                message.help(format!("`fix<{k},{f}>(…)` converts the scale"))
            }
            (Elem::Wrap(k), _) | (_, Elem::Wrap(k)) => message.help(format!(
                "`wrap<{k}>(…)` reduces modulo 2^{k}, `int(…)` takes the signed representative"
            )),
            _ => message,
        };
        self.fail(message)
    }

    fn product(&mut self, at: OpAt, a: Val, b: Val) -> Option<Val> {
        match (&a, &b) {
            (Val::Tensor(t), Val::Number(n)) | (Val::Number(n), Val::Tensor(t))
                if matches!(t.ty.elem, Elem::Fix(..)) =>
            {
                let t = t.clone();
                return self.times_number(&t, *n, at.all).map(Val::Tensor);
            }
            (Val::Tensor(t), Val::Index(i)) | (Val::Index(i), Val::Tensor(t))
                if matches!(t.ty.elem, Elem::Fix(..)) =>
            {
                self.at(at.all);
                let (t, i) = (t.clone(), i.clone());
                let i = self.index_number(&i);
                return self.product(at, Val::Tensor(t), Val::Tensor(i));
            }
            _ => {}
        }
        let (a, b) = self.pair(at, a, b)?;
        let elem = self.product_elem(at, &a, &b)?;
        let scaled = matches!((a.ty.elem, b.ty.elem), (Elem::Fix(..), Elem::Fix(..)));
        let (v, vis, shape) = self.aligned(vec![a, b], &[at.left, at.right], at.all)?;
        let v = self.b.mul(v[0], v[1]);
        let v = if scaled { self.scale_back(v, elem, at.all) } else { self.keep_promise(v, elem) };
        Some(Val::tensor(Ty { elem, vis, shape }, v))
    }

    /// The element type of a product: that of both, or fixed point where an integer meets it.
    pub(super) fn product_elem(&mut self, at: OpAt, a: &Tensor, b: &Tensor) -> Option<Elem> {
        match (a.ty.elem, b.ty.elem) {
            (Elem::Int(_), elem @ Elem::Fix(..)) | (elem @ Elem::Fix(..), Elem::Int(_)) => {
                Some(elem)
            }
            _ => self.joined_elem(at, a, b),
        }
    }

    /// From the raw product of two fixed-point numbers, or a sum of such, to one of type `elem`.
    pub(super) fn scale_back(&mut self, raw: ir::Value, elem: Elem, span: Span) -> ir::Value {
        let Elem::Fix(k, f) = elem else { return self.keep_promise(raw, elem) };
        self.warn_wide(k + f, elem, span);
        let raw = self.b.promise(raw, k + f);
        let v = self.b.trunc(raw, f);
        self.b.promise(v, k)
    }

    fn warn_wide(&mut self, bits: u32, elem: Elem, span: Span) {
        let in_library =
            self.program.sources.get(span.file).is_some_and(|s| s.name.starts_with("stdlib/"));
        if bits <= 64 || in_library {
            return;
        }
        let message = Diagnostic::warning(
            format!("this product may need {bits} bits, more than a 64-bit ring holds"),
            span,
            format!("a product of two `{elem}` before it is scaled back"),
        );
        self.report(message.note("rings of 128 bits will be used, at about twice the cost").help("state a narrower type if you know more, or run `mpcvm emulate --checked` on sample data"));
    }

    /// t · n for fixed point: a fraction keeps f of its leading bits, or 16 where f is less and they fit, and factors of two cost no product.
    pub(super) fn times_number(&mut self, t: &Tensor, n: Number, span: Span) -> Option<Tensor> {
        let Elem::Fix(k, f) = t.ty.elem else { unreachable!("the caller looked") };
        self.at(span);
        let Some(mut c) = n.scaled(f).filter(|c| ir::bits_of(*c) <= k.max(f + 2)) else {
            let ty = Ty::new(t.ty.elem, Vis::Clear, &[]);
            return self.number_as(n, t.ty.elem, &[], span, &ty);
        };
        let digits = f.max(MAX_DIGITS.min(62u32.saturating_sub(k)));
        let mut shift = f;
        while n.whole().is_none() && ir::bits_of(c) <= digits + 1 && shift < f + k.saturating_sub(2)
        {
            let Some(finer) = n.scaled(shift + 1) else { break };
            (c, shift) = (finer, shift + 1);
        }
        let zeros = c.trailing_zeros().min(shift);
        if c == 0 {
            shift = 0;
        } else {
            c >>= zeros;
            shift -= zeros;
        }
        let v = match c {
            1 => t.v,
            -1 => self.b.neg(t.v),
            c => {
                let c = self.b.constant(c);
                self.b.mul(c, t.v)
            }
        };
        let v = if shift > 0 {
            if v != t.v {
                self.b.promise(v, k + shift);
            }
            self.b.trunc(v, shift)
        } else {
            v
        };
        let v = if v == t.v { v } else { self.b.promise(v, k) };
        Some(Tensor { ty: t.ty.clone(), v })
    }

    fn quotient(&mut self, at: OpAt, a: Val, b: Val) -> Option<Val> {
        if let (Val::Tensor(t), Val::Number(n)) = (&a, &b) {
            match t.ty.elem {
                Elem::Fix(..) => {
                    let t = t.clone();
                    if let Some(inverse) = Number::int(1).decimal().over(*n) {
                        return self.times_number(&t, inverse, at.all).map(Val::Tensor);
                    }
                }
                Elem::Int(_) => {
                    if let Some(s) = power_of_two(*n) {
                        self.at(at.all);
                        return Some(Val::tensor(t.ty.clone(), self.b.shr(t.v, s)));
                    }
                }
                Elem::Wrap(_) | Elem::Bool => {}
            }
        }
        let (a, b) = self.pair(at, a, b)?;
        let elem = match (a.ty.elem, b.ty.elem) {
            (elem @ Elem::Fix(..), Elem::Int(_)) | (Elem::Int(_), elem @ Elem::Fix(..)) => elem,
            (Elem::Wrap(_), _) => {
                return self.wrong_operand(at, "int or fix", &Val::Tensor(a), at.left);
            }
            _ => self.joined_elem(at, &a, &b)?,
        };
        let divisor = b.ty.vis;
        if join_vis(a.ty.vis, divisor) != Vis::Secret {
            return self.clear_quotient(at, a, b, elem);
        }
        if let (Elem::Fix(..), Vis::Clear) = (elem, divisor) {
            // One clear reciprocal, then a product.
            let ty = Ty::new(elem, Vis::Clear, &[]);
            let one = self.number_as(Number::int(1), elem, &[], at.all, &ty)?;
            let inverse = self.clear_quotient(OpAt { left: at.right, ..at }, one, b, elem)?;
            return self.product(at, Val::Tensor(a), inverse);
        }
        let same = |l: &mut Self, t: Tensor| {
            if t.ty.elem.kind() == elem.kind() {
                Some(Val::Tensor(t))
            } else {
                l.convert(Val::Tensor(t), elem, at.all)
            }
        };
        let (a, b) = (same(self, a)?, same(self, b)?);
        let item =
            if matches!(elem, Elem::Fix(..)) { LangItem::DivideFix } else { LangItem::DivideInt };
        self.call_lang_item(item, vec![(a, at.left), (b, at.right)], at.all)
    }

    /// a / b of values that a party knows: the floor for integers, the nearest for fixed point.
    fn clear_quotient(&mut self, at: OpAt, a: Tensor, b: Tensor, elem: Elem) -> Option<Val> {
        let (fa, fb) = (fraction(a.ty.elem), fraction(b.ty.elem));
        let (v, vis, shape) = self.aligned(vec![a, b], &[at.left, at.right], at.all)?;
        let v = match elem {
            Elem::Fix(_, f) => {
                // round(a · 2^f / b) = floor((2·a·2^f + b) / (2·b)), with a and b brought to their own scales first.
                let top = self.b.shl(v[0], f + 1 + fb - fa);
                let top = self.b.add(top, v[1]);
                let bottom = self.b.shl(v[1], 1);
                self.b.div(top, bottom)
            }
            _ => self.b.div(v[0], v[1]),
        };
        let v = self.keep_promise(v, elem);
        Some(Val::tensor(Ty { elem, vis, shape }, v))
    }

    fn remainder(&mut self, at: OpAt, a: Val, b: Val) -> Option<Val> {
        if let (Val::Tensor(t), Val::Number(n)) = (&a, &b)
            && let (Elem::Int(_), Some(s)) = (t.ty.elem, power_of_two(*n))
        {
            self.at(at.all);
            let high = self.b.shr(t.v, s);
            let high = self.b.shl(high, s);
            let low = self.b.sub(t.v, high);
            return Some(Val::tensor(t.ty.clone(), self.b.promise(low, s + 1)));
        }
        let (a, b) = self.pair(at, a, b)?;
        let elem = self.joined_elem(at, &a, &b)?;
        if !matches!(elem, Elem::Int(_)) {
            return self.wrong_operand(at, "int", &Val::Tensor(a), at.left);
        }
        if join_vis(a.ty.vis, b.ty.vis) == Vis::Secret {
            return self.call_lang_item(
                LangItem::RemainderInt,
                vec![(Val::Tensor(a), at.left), (Val::Tensor(b), at.right)],
                at.all,
            );
        }
        let (v, vis, shape) = self.aligned(vec![a, b], &[at.left, at.right], at.all)?;
        let v = self.b.modulo(v[0], v[1]);
        Some(Val::tensor(Ty { elem, vis, shape }, self.keep_promise(v, elem)))
    }

    fn shift(&mut self, at: OpAt, a: Val, b: Val) -> Option<Val> {
        let Val::Number(n) = &b else {
            let found = self.describe(&b);
            let message = Diagnostic::error(
                "the amount of a shift must be known when compiling",
                at.right,
                format!("this is {found}"),
            );
            return self.fail(
                message.help("multiply by a power of two that is looked up: `lookup(powers, n)`"),
            );
        };
        let amount = self.shift_amount(*n, MAX_WIDTH - 1, at.right)?;
        let t = self.tensor(a, at.left)?;
        if t.ty.elem == Elem::Bool {
            return self.wrong_operand(at, "int or fix", &Val::Tensor(t), at.left);
        }
        self.at(at.all);
        let v =
            if at.op == BinaryOp::Shl { self.b.shl(t.v, amount) } else { self.b.shr(t.v, amount) };
        let v = if v == t.v { v } else { self.keep_promise(v, t.ty.elem) };
        Some(Val::tensor(t.ty, v))
    }

    /// By how many bits a shift goes.
    fn shift_amount(&mut self, n: Number, most: u32, span: Span) -> Option<u32> {
        match n.as_int().and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= most) {
            Some(amount) => Some(amount),
            None => self.error(
                format!("a shift by {} makes no sense", n.show()),
                span,
                format!("from 0 to {most}"),
            ),
        }
    }

    fn comparison(&mut self, at: OpAt, a: Val, b: Val) -> Option<Val> {
        use BinaryOp::*;
        let zero = |v: &Val| matches!(v, Val::Number(n) if n.whole() == Some(0));
        let number = |v: &Val| matches!(v, Val::Tensor(t) if t.ty.elem != Elem::Bool);
        if zero(&b) && number(&a) && matches!(at.op, Lt | Ge | Eq | Ne) {
            let t = self.tensor(a, at.left)?;
            self.at(at.all);
            let v = if matches!(at.op, Lt | Ge) { self.b.ltz(t.v) } else { self.b.eqz(t.v) };
            let v = if matches!(at.op, Ge | Ne) { self.b.not(v) } else { v };
            return Some(Val::tensor(Ty { elem: Elem::Bool, ..t.ty }, v));
        }
        let (a, b) = self.pair(at, a, b)?;
        let elem = self.joined_elem(at, &a, &b)?;
        if elem == Elem::Bool && !matches!(at.op, Eq | Ne) {
            return self.wrong_operand(at, "int or fix", &Val::Tensor(a), at.left);
        }
        let (v, vis, shape) = self.aligned(vec![a, b], &[at.left, at.right], at.all)?;
        let (x, y) = (v[0], v[1]);
        let v = match at.op {
            Eq | Ne if elem == Elem::Bool => self.b.xor(x, y),
            Eq | Ne => self.b.eq(x, y),
            Lt | Ge => self.b.lt(x, y),
            _ => self.b.lt(y, x),
        };
        let negate = match at.op {
            Eq => elem == Elem::Bool,
            Ne => elem != Elem::Bool,
            Le | Ge => true,
            _ => false,
        };
        let v = if negate { self.b.not(v) } else { v };
        Some(Val::tensor(Ty { elem: Elem::Bool, vis, shape }, v))
    }

    fn logic(&mut self, at: OpAt, a: Val, b: Val) -> Option<Val> {
        let is_wrap = |v: &Val| matches!(v, Val::Tensor(t) if matches!(t.ty.elem, Elem::Wrap(_)));
        if is_wrap(&a) || is_wrap(&b) {
            return self.logic_of_numbers(at, a, b);
        }
        let (a, b) = (self.tensor(a, at.left)?, self.tensor(b, at.right)?);
        for (t, span) in [(&a, at.left), (&b, at.right)] {
            if t.ty.elem != Elem::Bool {
                let found = self.show(&t.ty);
                let message = Diagnostic::error(
                    format!("`{}` needs `bool`", at.op.symbol()),
                    span,
                    format!("this is {found}"),
                )
                .expected("`bool`", found);
                return self.fail(message.help("compare it (`… != 0`), or work on `bits(x, k)`"));
            }
        }
        let (v, vis, shape) = self.aligned(vec![a, b], &[at.left, at.right], at.all)?;
        let v = self.bitwise(at.op, v[0], v[1]);
        Some(Val::tensor(Ty { elem: Elem::Bool, vis, shape }, v))
    }

    /// Bit by bit on numbers modulo a power of two.
    fn logic_of_numbers(&mut self, at: OpAt, a: Val, b: Val) -> Option<Val> {
        let (a, b) = self.pair(at, a, b)?;
        let elem = self.joined_elem(at, &a, &b)?;
        let Elem::Wrap(k) = elem else {
            return self.wrong_operand(at, "wrap", &Val::Tensor(a), at.left);
        };
        let (v, vis, shape) = self.aligned(vec![a, b], &[at.left, at.right], at.all)?;
        let rows = [&shape[..], &[k as usize]].concat();
        let [x, y] = [v[0], v[1]].map(|v| {
            let bits = self.b.bits(v, k);
            self.b.broadcast(bits, &rows)
        });
        let bits = self.bitwise(at.op, x, y);
        let v = self.b.compose(bits, true);
        Some(Val::tensor(Ty { elem, vis, shape }, v))
    }

    fn bitwise(&mut self, op: BinaryOp, a: ir::Value, b: ir::Value) -> ir::Value {
        match op {
            BinaryOp::And | BinaryOp::AndAlso => self.b.and(a, b),
            BinaryOp::Or | BinaryOp::OrElse => self.b.or(a, b),
            _ => self.b.xor(a, b),
        }
    }
}

fn fraction(elem: Elem) -> u32 {
    if let Elem::Fix(_, f) = elem { f } else { 0 }
}

fn power_of_two(n: Number) -> Option<u32> {
    let n = n.as_int().filter(|n| *n > 0)?;
    (n & (n - 1) == 0).then(|| n.trailing_zeros())
}

fn fold_bool(op: BinaryOp, x: bool, y: bool) -> Option<bool> {
    use BinaryOp::*;
    match op {
        And | AndAlso => Some(x & y),
        Or | OrElse => Some(x | y),
        Xor | Ne => Some(x ^ y),
        Eq => Some(x == y),
        _ => None,
    }
}

/// Sums and multiples of loop variables stay addresses.
fn fold_index(op: BinaryOp, a: &Val, b: &Val) -> Option<Val> {
    let affine = |v: &Val| match v {
        Val::Index(a) => Some(a.clone()),
        Val::Number(n) => n.as_int().and_then(|n| i64::try_from(n).ok()).map(Affine::constant),
        _ => None,
    };
    let (x, y) = (affine(a)?, affine(b)?);
    let sum = match op {
        BinaryOp::Add => x.add(&y)?,
        BinaryOp::Sub => x.add(&y.scale(-1)?)?,
        BinaryOp::Mul => match (x.as_constant(), y.as_constant()) {
            (Some(c), _) => y.scale(c)?,
            (_, Some(c)) => x.scale(c)?,
            _ => return None,
        },
        _ => return None,
    };
    Some(match sum.as_constant() {
        Some(c) => Val::Number(Number::int(c.into())),
        None => Val::Index(sum),
    })
}

//! Expressions.

use super::arith::OpAt;
use super::call::Given;
use super::value::Val;
use super::{Diagnostic, Lower, Span};
use crate::check::number::Number;
use crate::parse::ast::{self, Expr, ExprKind};

impl<'a> Lower<'a> {
    pub(super) fn expr(&mut self, e: &'a Expr) -> Option<Val> {
        self.deeper(e.span, |l| l.expr_here(e))
    }

    fn expr_here(&mut self, e: &'a Expr) -> Option<Val> {
        match &e.kind {
            ExprKind::Int(text) => match Number::parse_int(text) {
                Some(n) => Some(Val::Number(n)),
                None => self.fail(
                    Diagnostic::error("this number is too large", e.span, "no type holds it")
                        .note("no type holds more than 64 bits"),
                ),
            },
            ExprKind::Decimal(text) => match Number::parse_decimal(text) {
                Some(n) => Some(Val::Number(n)),
                None => self.error("this number is too large", e.span, "no type holds it"),
            },
            ExprKind::Bool(b) => Some(Val::Bool(*b)),
            ExprKind::Text(text) => Some(Val::Text(text.clone())),
            ExprKind::Name(name) => self.lookup(name, e.span),
            ExprKind::Paren(inner) => self.expr(inner),
            ExprKind::Unary(op, inner) => {
                let val = self.expr(inner)?;
                self.unary(*op, val, e.span)
            }
            ExprKind::Binary(..) => self.chain(e),
            ExprKind::Call { callee, args } => self.call(callee, args, e.span),
            ExprKind::Convert { elem, args } => self.conversion(elem, args, e.span),
            ExprKind::Type(ty) => self.type_argument(ty),
            ExprKind::Index(base, items) => self.index(base, items, e.span),
            ExprKind::Field(base, field) => self.field(base, field),
            ExprKind::Tuple(items) => self.exprs(items).map(Val::Tuple),
            ExprKind::List(items) => self.exprs(items).map(Val::List),
            ExprKind::If(branch) => self.if_value(branch),
            ExprKind::Error => None,
        }
    }

    fn exprs(&mut self, items: &'a [Expr]) -> Option<Vec<Val>> {
        // All are looked at, so that several errors are reported.
        let vals: Vec<Option<Val>> = items.iter().map(|e| self.expr(e)).collect();
        vals.into_iter().collect()
    }

    /// A chain of operators, which leans to the left, without going down for each.
    fn chain(&mut self, e: &'a Expr) -> Option<Val> {
        let mut chain = vec![];
        let mut first = e;
        while let ExprKind::Binary(op, left, right, _) = &first.kind {
            let at = OpAt { op: *op, all: first.span, left: left.span, right: right.span };
            chain.push((at, right));
            first = left;
        }
        let mut val = self.expr(first);
        for (at, right) in chain.into_iter().rev() {
            let b = self.expr(right);
            val = match (val, b) {
                (Some(a), Some(b)) => self.binary(at, a, b),
                _ => None,
            };
        }
        val
    }

    fn conversion(&mut self, elem: &'a ast::Elem, args: &'a [ast::Arg], span: Span) -> Option<Val> {
        let target = self.elem(elem);
        let [arg] = args else {
            return self.error(
                "a conversion takes one value",
                span,
                format!("{} given", args.len()),
            );
        };
        let val = self.expr(&arg.value)?;
        let target = target?;
        match &arg.name {
            None => self.convert(val, target, span),
            Some(name) if name.name == "raw" => {
                let t = self.tensor(val, arg.value.span)?;
                self.at(span);
                match t.ty.elem {
                    crate::check::types::Elem::Int(_) => Some(Val::Tensor(self.relabel(t, target))),
                    other => {
                        self.error(format!("`raw` takes `int`, not `{other}`"), arg.value.span, "")
                    }
                }
            }
            Some(name) => self.error(
                format!("a conversion has no argument `{}`", name.name),
                name.span,
                "expected `raw` or none",
            ),
        }
    }

    fn type_argument(&mut self, ty: &'a ast::Type) -> Option<Val> {
        let elem = self.elem(&ty.elem);
        let shape = self.shape(ty.shape.as_deref().unwrap_or_default(), ty.span)?;
        Some(Val::Type(elem?, shape))
    }

    fn field(&mut self, base: &'a Expr, field: &ast::Ident) -> Option<Val> {
        let val = self.expr(base)?;
        match (val, field.name.parse::<usize>()) {
            (Val::Tuple(items), Ok(i)) if i < items.len() => Some(items[i].clone()),
            (Val::Tuple(items), _) => {
                let label = format!("the tuple has {} values", items.len());
                self.error(format!("no value `{}` in this tuple", field.name), field.span, label)
            }
            (other, _) => {
                let found = self.describe(&other);
                let message = Diagnostic::error(
                    format!("no field `{}`", field.name),
                    field.span,
                    format!("the value before the point is {found}"),
                );
                self.fail(message.help("only tuples have parts: `t.0`, `t.1`"))
            }
        }
    }

    fn call(&mut self, callee: &'a [ast::Ident], args: &'a [ast::Arg], span: Span) -> Option<Val> {
        let path = callee.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join("::");
        let given: Vec<Option<Given>> = args
            .iter()
            .map(|a| {
                let val = if super::border::is_receiver(&path, a) {
                    Some(Val::Tuple(vec![]))
                } else {
                    self.expr(&a.value)
                };
                Some(Given {
                    name: a.name.as_ref(),
                    val: val?,
                    expr: Some(&a.value),
                    span: a.value.span,
                })
            })
            .collect();
        let given: Vec<Given> = given.into_iter().collect::<Option<_>>()?;
        if let [name] = callee
            && let Some(i) = self.local(&name.name)
        {
            return match self.locals[i].val.clone() {
                Some(Val::Elem(elem)) if given.len() == 1 => {
                    self.convert(given[0].val.clone(), elem, span)
                }
                _ => self.error(
                    format!("`{path}` is no function"),
                    name.span,
                    "a value cannot be called",
                ),
            };
        }
        match self.def(&path) {
            Some(super::Def::Fn(module, item)) => self.call_function(module, item, given, span),
            Some(super::Def::Circuit(module, item)) => self.call_circuit(module, item, given, span),
            Some(super::Def::Const(..) | super::Def::Module(_)) => {
                self.error(format!("`{path}` is no function"), span, "only functions can be called")
            }
            Some(super::Def::Broken) => None,
            None => self.builtin(&path, given, span),
        }
    }
}

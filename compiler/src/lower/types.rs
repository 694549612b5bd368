//! Types as written, in the scope where they stand.

use super::value::Val;
use super::{Diagnostic, Lower, Span};
use crate::check::types::{DEFAULT_FIX, DEFAULT_INT, Elem, MAX_ELEMENTS, MAX_WIDTH, Ty, Vis};
use crate::ir::size_of_shape;
use crate::parse::ast::{self, ElemKind};

impl<'a> Lower<'a> {
    pub(super) fn ty(&mut self, ty: &'a ast::Type) -> Option<Ty> {
        let vis = self.vis(ty.vis.as_ref());
        let elem = self.elem(&ty.elem);
        let shape = self.shape(ty.shape.as_deref().unwrap_or_default(), ty.span)?;
        Some(Ty { elem: elem?, vis: vis?, shape })
    }

    pub(super) fn vis(&mut self, vis: Option<&'a ast::Vis>) -> Option<Vis> {
        match vis {
            None | Some(ast::Vis::Clear) => Some(Vis::Clear),
            Some(ast::Vis::Secret) => Some(Vis::Secret),
            Some(ast::Vis::Private(role)) => self.one_role(role).map(Vis::Private),
            Some(ast::Vis::Named(name)) => {
                match self.generic(name)? {
                    Val::Vis(vis) => Some(vis),
                    other => {
                        let found = self.describe(&other);
                        let message = Diagnostic::error(
                            format!("`{}` is no visibility", name.name),
                            name.span,
                            format!("this is {found}"),
                        );
                        self.fail(message.expected(
                            "`secret`, `clear`, `private(ROLE)` or a generic name",
                            found,
                        ))
                    }
                }
            }
        }
    }

    fn generic(&mut self, name: &ast::Ident) -> Option<Val> {
        match self.local(&name.name).map(|i| self.locals[i].val.clone()) {
            Some(val) => val,
            None => {
                let message =
                    Diagnostic::error(format!("unknown type `{}`", name.name), name.span, "");
                self.fail(
                    message
                        .expected("`int`, `fix`, `wrap<k>` or `bool`", format!("`{}`", name.name)),
                )
            }
        }
    }

    pub(super) fn elem(&mut self, elem: &'a ast::Elem) -> Option<Elem> {
        match &elem.kind {
            ElemKind::Int(None) => Some(Elem::Int(DEFAULT_INT)),
            ElemKind::Int(Some(k)) => {
                self.width(k, 1, MAX_WIDTH, "the width of an integer").map(Elem::Int)
            }
            ElemKind::Fix(None) => Some(Elem::Fix(DEFAULT_FIX.0, DEFAULT_FIX.1)),
            ElemKind::Fix(Some(kf)) => {
                let k = self.width(&kf.0, 2, MAX_WIDTH, "the width of a fixed-point number")?;
                let f = self.width(&kf.1, 0, k - 1, "the number of fraction bits")?;
                Some(Elem::Fix(k, f))
            }
            ElemKind::Wrap(k) => {
                self.width(k, 1, MAX_WIDTH, "the width of a modular integer").map(Elem::Wrap)
            }
            ElemKind::Bool => Some(Elem::Bool),
            ElemKind::Named(name) => match self.generic(name)? {
                Val::Elem(elem) => Some(elem),
                other => {
                    let found = self.describe(&other);
                    self.error(
                        format!("`{}` is no type", name.name),
                        name.span,
                        format!("this is {found}"),
                    )
                }
            },
        }
    }

    fn width(&mut self, e: &'a ast::Expr, lo: u32, hi: u32, what: &str) -> Option<u32> {
        let n = self.known_int(e, what)?;
        match u32::try_from(n) {
            Ok(n) if (lo..=hi).contains(&n) => Some(n),
            _ => {
                let message = Diagnostic::error(format!("{what} cannot be {n}"), e.span, "");
                self.fail(message.expected(format!("{lo} to {hi}"), n.to_string()))
            }
        }
    }

    /// Sizes as written; a generic shape stands for several.
    pub(super) fn shape(&mut self, sizes: &'a [ast::Expr], span: Span) -> Option<Vec<usize>> {
        let mut shape = vec![];
        for e in sizes {
            match self.expr(e)? {
                Val::Shape(inner) => shape.extend(inner),
                Val::Number(n) => shape.push(self.size(n.as_int(), &n.show(), e.span)?),
                other => {
                    let found = self.describe(&other);
                    return self.unknown_number("a size", &found, e.span);
                }
            }
        }
        self.limited_shape(shape, span)
    }

    pub(super) fn size(&mut self, n: Option<i128>, text: &str, span: Span) -> Option<usize> {
        match n.and_then(|n| usize::try_from(n).ok()) {
            Some(n) if n <= MAX_ELEMENTS => Some(n),
            _ => self.error(
                format!("a size cannot be {text}"),
                span,
                format!("expected an integer from 0 to {MAX_ELEMENTS}"),
            ),
        }
    }

    pub(super) fn limited_shape(&mut self, shape: Vec<usize>, span: Span) -> Option<Vec<usize>> {
        if size_of_shape(&shape) > MAX_ELEMENTS {
            let label = format!("more than {MAX_ELEMENTS} elements");
            return self.error("this tensor is too large", span, label);
        }
        Some(shape)
    }

    /// An integer that must be known when compiling.
    pub(super) fn known_int(&mut self, e: &'a ast::Expr, what: &str) -> Option<i128> {
        match self.expr(e)? {
            Val::Number(n) if n.as_int().is_some() => n.as_int(),
            other => {
                let found = self.describe(&other);
                self.unknown_number(what, &found, e.span)
            }
        }
    }

    pub(super) fn unknown_number<T>(&mut self, what: &str, found: &str, span: Span) -> Option<T> {
        let message = Diagnostic::error(
            format!("{what} must be an integer known when compiling"),
            span,
            format!("this is {found}"),
        );
        self.fail(
            message.help("numbers, `const`, sizes such as `n` in `fix[n]`, and `len(x)` are known"),
        )
    }
}

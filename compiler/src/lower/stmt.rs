//! Statements.

use super::arith::OpAt;
use super::value::{Tensor, Val};
use super::{Binding, Diagnostic, Lower, Span};
use crate::check::types::{Ty, Vis, join_vis};
use crate::parse::ast::{self, Block, Expr, Stmt, StmtKind};

impl<'a> Lower<'a> {
    /// The statements of a block in a scope of their own, and its value.
    pub(super) fn block(&mut self, block: &'a Block) -> Option<Val> {
        let depth = self.locals.len();
        let val = self.block_here(block);
        self.locals.truncate(depth);
        val
    }

    fn block_here(&mut self, block: &'a Block) -> Option<Val> {
        let mut ok = true;
        let last = value_of(block);
        let stmts = block.stmts.len() - usize::from(matches!(last, Some(Last::If(_))));
        for stmt in &block.stmts[..stmts] {
            ok &= self.stmt(stmt).is_some();
        }
        let val = match last {
            Some(Last::If(branch)) => self.if_value(branch),
            Some(Last::Expr(tail)) => self.expr(tail),
            None => Some(Val::Tuple(vec![])),
        };
        val.filter(|_| ok)
    }

    pub(super) fn stmt(&mut self, stmt: &'a Stmt) -> Option<()> {
        self.deeper(stmt.span, |l| {
            l.at(stmt.span);
            match &stmt.kind {
                StmtKind::Let { mutable, names, tuple, ty, value } => {
                    l.define(*mutable, names, *tuple, ty.as_ref(), value)
                }
                StmtKind::Assign { place, op, value } => l.assign(place, *op, value, stmt.span),
                StmtKind::For { var, unroll: true, lo, hi, body } => l.unrolled(var, lo, hi, body),
                StmtKind::For { var, lo, hi, body, .. } => l.for_loop(var, lo, hi, body, stmt.span),
                StmtKind::While { cond, body } => l.while_loop(cond, body, stmt.span),
                StmtKind::If(branch) => l.if_statement(branch),
                StmtKind::Input(input) => l.input(input, stmt.span),
                StmtKind::Output(output) => l.output(output, stmt.span),
                StmtKind::Expr(e) => l.effect(e),
                StmtKind::Error => None,
            }
        })
    }

    fn effect(&mut self, e: &'a Expr) -> Option<()> {
        match self.expr(e)? {
            Val::Tuple(items) if items.is_empty() => Some(()),
            val => {
                let revealed = matches!(&e.kind, ast::ExprKind::Call { callee, .. } if callee.last().is_some_and(|c| c.name == "reveal"));
                let found = self.describe(&val);
                if revealed {
                    let message = Diagnostic::error(
                        "a revealed value is not used",
                        e.span,
                        "this tells a secret for nothing",
                    );
                    return self.fail(
                        message.help("leave it out, or give it a name: `let x = reveal(…);`"),
                    );
                }
                let message =
                    Diagnostic::error("this value is not used", e.span, format!("this is {found}"));
                self.fail(message.help("give it a name: `let x = …;`"))
            }
        }
    }

    fn define(
        &mut self,
        mutable: bool,
        names: &'a [ast::Ident],
        tuple: bool,
        ty: Option<&'a ast::Type>,
        value: &'a Expr,
    ) -> Option<()> {
        let declared = match ty {
            Some(ty) => match self.ty(ty) {
                Some(ty) => Some(ty),
                None => {
                    self.expr(value);
                    self.bind_all(names, mutable);
                    return None;
                }
            },
            None => None,
        };
        let val = self.expr(value);
        let Some(val) = val else {
            self.bind_all(names, mutable);
            return None;
        };
        if !tuple {
            let val = self.definition(mutable, ty, declared.clone(), val, value.span);
            let ok = val.is_some().then_some(());
            let declared = declared.filter(|_| ty.is_some_and(|t| t.vis.is_some()));
            let (name, span) = (names[0].name.clone(), names[0].span);
            self.locals.push(Binding { name, val, mutable, declared, state: false, span });
            return ok;
        }
        match val {
            Val::Tuple(items) if items.len() == names.len() => {
                for (name, item) in names.iter().zip(items) {
                    let val = self.definition(mutable, None, None, item, value.span);
                    self.locals.push(Binding {
                        name: name.name.clone(),
                        val,
                        mutable,
                        declared: None,
                        state: false,
                        span: name.span,
                    });
                }
                Some(())
            }
            other => {
                let found = self.describe(&other);
                self.bind_all(names, mutable);
                let message =
                    Diagnostic::error("mismatched types", value.span, format!("this is {found}"))
                        .expected(format!("a tuple of {} values", names.len()), found);
                self.fail(message)
            }
        }
    }

    fn bind_all(&mut self, names: &[ast::Ident], mutable: bool) {
        for name in names {
            self.locals.push(Binding {
                name: name.name.clone(),
                val: None,
                mutable,
                declared: None,
                state: false,
                span: name.span,
            });
        }
    }

    fn definition(
        &mut self,
        mutable: bool,
        written: Option<&ast::Type>,
        ty: Option<Ty>,
        val: Val,
        span: Span,
    ) -> Option<Val> {
        if let Val::Tuple(items) = &val
            && items.is_empty()
        {
            return self.error("this has no value", span, "nothing to give a name to");
        }
        match (ty, val) {
            (None, Val::Tuple(_)) if mutable => {
                let message =
                    Diagnostic::error("a variable holds one value", span, "this is a tuple");
                self.fail(message.help("take it apart: `var (a, b) = …;`"))
            }
            (None, val) if mutable => self.tensor(val, span).map(Val::Tensor),
            (None, val) => Some(val),
            (Some(ty), val) => {
                // A type without visibility takes that of the value.
                let vis = match &val {
                    Val::Tensor(t) if written.is_some_and(|t| t.vis.is_none()) => t.ty.vis,
                    _ => ty.vis,
                };
                let ty = Ty { vis, ..ty };
                self.coerce(val, &ty, span).map(Val::Tensor)
            }
        }
    }

    fn assign(
        &mut self,
        place: &'a Expr,
        op: Option<ast::BinaryOp>,
        value: &'a Expr,
        span: Span,
    ) -> Option<()> {
        let val = self.expr(value);
        let Some((name, items, name_span)) = Self::place(place) else {
            let message = Diagnostic::error("this cannot be assigned to", place.span, "");
            return self.fail(
                message.expected("a variable `x` or a part of one `x[i]`", "another expression"),
            );
        };
        let Some(i) = self.local(name) else {
            if self.lookup(name, name_span).is_some() || self.def(name).is_some() {
                return self.error(
                    format!("`{name}` cannot be assigned to"),
                    name_span,
                    "it is no variable",
                );
            }
            return None;
        };
        if !self.locals[i].assignable() {
            let defined = self.locals[i].span;
            let message = Diagnostic::error(
                format!("`{name}` cannot be assigned to"),
                name_span,
                "it was not declared as a variable",
            );
            return self.fail(
                message
                    .also(defined, "declared here")
                    .help(format!("declare it with `var {name} = …;`")),
            );
        }
        let Some(Val::Tensor(old)) = self.locals[i].val.clone() else { return None };
        let val = val?;
        let new = match items {
            None => {
                let val = match op {
                    Some(op) => self.binary(
                        OpAt { op, all: span, left: place.span, right: value.span },
                        Val::Tensor(old.clone()),
                        val,
                    )?,
                    None => val,
                };
                self.assigned(i, &old.ty, val, value.span)?
            }
            Some(items) => {
                let region = self.region(&old, items, place.span)?;
                let val = match op {
                    Some(op) => {
                        let part = Val::Tensor(self.part(&old, &region, place.span));
                        self.binary(
                            OpAt { op, all: span, left: place.span, right: value.span },
                            part,
                            val,
                        )?
                    }
                    None => val,
                };
                let part_ty = Ty { shape: region.shape(), ..old.ty.clone() };
                let part = self.assigned(i, &part_ty, val, value.span)?;
                let vis = join_vis(old.ty.vis, part.ty.vis);
                let (whole, part) = (self.to_vis(&old, vis)?, self.to_vis(&part, vis)?);
                self.write(&whole, &region, &part, span)
            }
        };
        self.locals[i].val = Some(Val::Tensor(new));
        Some(())
    }

    /// A new value for a variable: of its type, with the visibility of the value unless one was declared.
    fn assigned(&mut self, i: usize, ty: &Ty, val: Val, span: Span) -> Option<Tensor> {
        let vis = match (&self.locals[i].declared, &val) {
            (Some(declared), _) => declared.vis,
            (None, Val::Tensor(t)) => match (t.ty.vis, ty.vis) {
                (a @ Vis::Private(_), b @ Vis::Private(_)) if a != b => Vis::Secret,
                (a, _) => a,
            },
            (None, _) => Vis::Clear,
        };
        self.coerce(val, &Ty { vis, ..ty.clone() }, span)
    }
}

/// Whether an `if` gives a value in every branch.
fn has_value(branch: &ast::If) -> bool {
    let mut branch = branch;
    loop {
        if value_of(&branch.then).is_none() {
            return false;
        }
        match branch.otherwise.as_deref() {
            None => return false,
            Some(ast::Else::Block(b)) => return value_of(b).is_some(),
            Some(ast::Else::If(next)) => branch = next,
        }
    }
}

/// What gives a block its value.
enum Last<'a> {
    Expr(&'a Expr),
    If(&'a ast::If),
}

/// The expression at the end of a block, or an `if` with values, which is read as a statement.
fn value_of(block: &Block) -> Option<Last<'_>> {
    match (&block.tail, block.stmts.last()) {
        (Some(tail), _) => Some(Last::Expr(tail)),
        (None, Some(Stmt { kind: StmtKind::If(branch), .. })) if has_value(branch) => {
            Some(Last::If(branch))
        }
        _ => None,
    }
}

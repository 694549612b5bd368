//! Branches. Both sides give the variables that are assigned in one of them, and a value, with one type for both; should it be another than
//! one side has, both are attempted again.

use super::value::{Tensor, Val};
use super::{Diagnostic, Lower, Span, ir};
use crate::check::types::{Elem, Ty, Vis, broadcast_shapes, join_vis};
use crate::parse::ast::{self, Block, Expr, Stmt, StmtKind};

impl<'a> Lower<'a> {
    /// A single clear truth value that decides a branch.
    pub(super) fn condition(
        &mut self,
        val: Val,
        cond: &Expr,
        branch: Option<&ast::If>,
    ) -> Option<ir::Value> {
        let t = self.tensor(val, cond.span)?;
        let found = self.show(&t.ty);
        if t.ty.elem != Elem::Bool {
            let message = Diagnostic::error(
                "a condition must be `bool`",
                cond.span,
                format!("this is {found}"),
            );
            return self.fail(message.expected("`clear bool`", found).help("compare it: `… != 0`"));
        }
        if t.ty.vis != Vis::Clear {
            let kind = if t.ty.vis == Vis::Secret { "secret" } else { "private" };
            let message = Diagnostic::error(
                format!("a {kind} value cannot decide a branch"),
                cond.span,
                format!("this is {found}"),
            );
            let Some(branch) = branch else {
                return self.fail(message.help("loop to a public bound, and `select` what counts"));
            };
            let hint = self.select_hint(branch).unwrap_or_else(|| "select(condition, a, b)".into());
            return self.fail(message.help(format!("compute both sides and choose:  {hint}")));
        }
        if !t.ty.shape.is_empty() {
            let message = Diagnostic::error(
                "a condition must be a single truth value",
                cond.span,
                format!("this is {found}"),
            );
            return self.fail(message.help("`any(…)` or `all(…)` makes one of many"));
        }
        Some(t.v)
    }

    /// The branch written with `select`, if it is simple enough.
    fn select_hint(&self, branch: &ast::If) -> Option<String> {
        let text = |span: Span| {
            self.program
                .sources
                .get(span.file)?
                .text
                .get(span.start as usize..span.end as usize)
                .filter(|t| t.len() < 60 && !t.contains('\n'))
        };
        let cond = text(branch.cond.span)?;
        let otherwise = match branch.otherwise.as_deref() {
            Some(ast::Else::Block(b)) => Some(b),
            Some(ast::Else::If(_)) => return None,
            None => None,
        };
        match (&branch.then.stmts[..], &branch.then.tail, otherwise) {
            ([Stmt { kind: StmtKind::Assign { place, op, value }, .. }], None, None) => {
                let (place, value) = (text(place.span)?, text(value.span)?);
                let value =
                    op.map_or(value.to_string(), |op| format!("{place} {} {value}", op.symbol()));
                Some(format!("{place} = select({cond}, {value}, {place});"))
            }
            ([], Some(a), Some(Block { tail: Some(b), stmts, .. })) if stmts.is_empty() => {
                Some(format!("select({cond}, {}, {})", text(a.span)?, text(b.span)?))
            }
            _ => None,
        }
    }

    pub(super) fn if_statement(&mut self, branch: &'a ast::If) -> Option<()> {
        self.if_any(branch, false).map(|_| ())
    }

    pub(super) fn if_value(&mut self, branch: &'a ast::If) -> Option<Val> {
        if branch.otherwise.is_none() {
            let message = Diagnostic::error(
                "this `if` has no value when its condition is false",
                branch.span,
                "",
            );
            return self.fail(message.help("add `else { … }`"));
        }
        self.if_any(branch, true)
    }

    fn if_any(&mut self, branch: &'a ast::If, value: bool) -> Option<Val> {
        let cond = self.expr(&branch.cond)?;
        if let Val::Bool(known) = cond {
            return if known {
                self.branch_block(&branch.then, value)
            } else {
                self.else_block(branch.otherwise.as_deref(), value)
            };
        }
        let cond = self.condition(cond, &branch.cond, Some(branch))?;
        let mut bodies = vec![&branch.then];
        let mut rest = branch.otherwise.as_deref();
        while let Some(e) = rest {
            match e {
                ast::Else::Block(b) => {
                    bodies.push(b);
                    rest = None;
                }
                ast::Else::If(i) => {
                    bodies.push(&i.then);
                    rest = i.otherwise.as_deref();
                }
            }
        }
        let carried = self.carried(&bodies);
        let before = self.tensors_of(&carried)?;
        let mut want: Option<Vec<Ty>> = None;
        loop {
            let attempt = self.attempt();
            match self.both(branch, value, cond, &carried, &before, want.as_deref()) {
                Some(Ok(val)) => return Some(val),
                Some(Err(types)) if want.is_none() => {
                    self.take_back(attempt);
                    want = Some(types);
                    self.set_all(&carried, before.clone());
                }
                Some(Err(_)) | None => {
                    self.b.rollback(attempt.graph);
                    self.break_all(&carried);
                    return None;
                }
            }
        }
    }

    fn branch_block(&mut self, block: &'a Block, value: bool) -> Option<Val> {
        let val = self.block(block)?;
        if !value {
            self.no_value(block, val)?;
            return Some(Val::Tuple(vec![]));
        }
        Some(val)
    }

    fn else_block(&mut self, otherwise: Option<&'a ast::Else>, value: bool) -> Option<Val> {
        match otherwise {
            None => Some(Val::Tuple(vec![])),
            Some(ast::Else::Block(b)) => self.branch_block(b, value),
            Some(ast::Else::If(i)) if value => self.deeper(i.span, |l| l.if_value(i)),
            Some(ast::Else::If(i)) => self.deeper(i.span, |l| l.if_any(i, false)),
        }
    }

    /// Both branches; an error holds the types that both must have, when they have others.
    fn both(
        &mut self,
        branch: &'a ast::If,
        value: bool,
        cond: ir::Value,
        carried: &[usize],
        before: &[Tensor],
        want: Option<&[Ty]>,
    ) -> Option<Result<Val, Vec<Ty>>> {
        let span = branch.span;
        self.nested += 1;
        self.b.begin_if(cond);
        let then = self
            .branch_block(&branch.then, value)
            .and_then(|v| self.branch_results(carried, v, want, branch.then.span));
        let (then, first) = match then {
            Some((tensors, vals)) => (tensors, vals),
            None => {
                self.nested -= 1;
                // The other branch is looked at for its messages.
                self.set_all(carried, before.to_vec());
                self.else_block(branch.otherwise.as_deref(), value);
                return None;
            }
        };
        self.set_all(carried, before.to_vec());
        let values: Vec<ir::Value> = then.iter().map(|t| t.v).collect();
        self.b.begin_else(&values);
        let otherwise = self
            .else_block(branch.otherwise.as_deref(), value)
            .and_then(|v| self.branch_results(carried, v, want, span));
        self.nested -= 1;
        let (otherwise, second) = otherwise?;
        let types = self.join_branches(&first, &second, span)?;
        let direct = |t: &Tensor, ty: &Ty| {
            t.ty == *ty || (t.ty.vis == Vis::Clear && Ty { vis: ty.vis, ..t.ty.clone() } == *ty)
        };
        if !then.iter().zip(&types).chain(otherwise.iter().zip(&types)).all(|(t, ty)| direct(t, ty))
        {
            return Some(Err(types));
        }
        self.at(span);
        let values: Vec<ir::Value> = otherwise.iter().map(|t| t.v).collect();
        let results = self.b.end_if(&values);
        let mut tensors: Vec<Tensor> =
            types.into_iter().zip(results).map(|(ty, v)| Tensor { ty, v }).collect();
        let tail = tensors.split_off(carried.len());
        self.set_all(carried, tensors);
        let mut tail: Vec<Val> = tail.into_iter().map(Val::Tensor).collect();
        let single = !matches!(first.last(), Some(Val::Tuple(_)));
        Some(Ok(if value && single { tail.remove(0) } else { Val::Tuple(tail) }))
    }

    /// Results of a branch as tensors, and as what they were before.
    fn branch_results(
        &mut self,
        carried: &[usize],
        val: Val,
        want: Option<&[Ty]>,
        span: Span,
    ) -> Option<(Vec<Tensor>, Vec<Val>)> {
        let mut vals: Vec<Val> = self.tensors_of(carried)?.into_iter().map(Val::Tensor).collect();
        let parts = match &val {
            Val::Tuple(items) => items.clone(),
            other => vec![other.clone()],
        };
        let all: Vec<Val> = vals.iter().cloned().chain(parts).collect();
        let mut tensors = vec![];
        for (i, v) in all.into_iter().enumerate() {
            tensors.push(match want.and_then(|w| w.get(i)) {
                Some(ty) => self.coerce(v, ty, span)?,
                None => self.tensor(v, span)?,
            });
        }
        vals.push(val);
        Some((tensors, vals))
    }

    fn join_branches(&mut self, first: &[Val], second: &[Val], span: Span) -> Option<Vec<Ty>> {
        let flat = |vals: &[Val]| -> Vec<Val> {
            let items = vals.iter().flat_map(|v| {
                if let Val::Tuple(items) = v { items.clone() } else { vec![v.clone()] }
            });
            items.collect()
        };
        let (a, b) = (flat(first), flat(second));
        if a.len() != b.len() {
            return self.error(
                "the branches of this `if` give different numbers of values",
                span,
                format!("{} and {}", a.len(), b.len()),
            );
        }
        let mut types = vec![];
        for (x, y) in a.iter().zip(&b) {
            match self.join_vals(x, y) {
                Some(ty) => types.push(ty),
                None => {
                    let (x, y) = (self.describe(x), self.describe(y));
                    let message = Diagnostic::error(
                        "the branches of this `if` have different types",
                        span,
                        format!("one gives {x}, the other {y}"),
                    );
                    return self.fail(message);
                }
            }
        }
        Some(types)
    }

    /// The type that can hold both.
    pub(super) fn join_vals(&self, x: &Val, y: &Val) -> Option<Ty> {
        let clear = |elem| Some(Ty::new(elem, Vis::Clear, &[]));
        match (x, y) {
            (Val::Tensor(a), Val::Tensor(b)) => {
                let shape = broadcast_shapes(&a.ty.shape, &b.ty.shape)?;
                Some(Ty {
                    elem: a.ty.elem.join(b.ty.elem)?,
                    vis: join_vis(a.ty.vis, b.ty.vis),
                    shape,
                })
            }
            (Val::Tensor(t), Val::Number(_) | Val::Index(_))
            | (Val::Number(_) | Val::Index(_), Val::Tensor(t))
                if t.ty.elem != Elem::Bool =>
            {
                Some(t.ty.clone())
            }
            (Val::Tensor(t), Val::Bool(_)) | (Val::Bool(_), Val::Tensor(t))
                if t.ty.elem == Elem::Bool =>
            {
                Some(t.ty.clone())
            }
            (Val::Number(a), Val::Number(b)) => {
                clear(super::convert::default_elem(if a.integer { *b } else { *a }))
            }
            (Val::Bool(_), Val::Bool(_)) => clear(Elem::Bool),
            (Val::Number(n), Val::Index(_)) | (Val::Index(_), Val::Number(n)) if n.integer => {
                clear(super::convert::default_elem(*n))
            }
            (Val::Index(_), Val::Index(_)) => clear(Elem::Int(crate::check::types::DEFAULT_INT)),
            _ => None,
        }
    }
}

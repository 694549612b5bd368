//! Statements. Loops and branches carry the variables that are assigned in them; a variable whose visibility rises on the way is
//! carried at the higher one, which takes a second attempt at the body.

use super::arith::OpAt;
use super::value::{Affine, Tensor, Val};
use super::{Binding, Diagnostic, Lower, Span, ir};
use crate::check::types::{Elem, Ty, Vis, broadcast_shapes, join_vis};
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
                        let part = self.index_of(place)?;
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

    fn index_of(&mut self, place: &'a Expr) -> Option<Val> {
        self.expr(place)
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

    fn unrolled(
        &mut self,
        var: &'a ast::Ident,
        lo: &'a Expr,
        hi: &'a Expr,
        body: &'a Block,
    ) -> Option<()> {
        let lo = self.known_int(lo, "the start of an unrolled loop");
        let hi = self.known_int(hi, "the end of an unrolled loop");
        let (mut i, hi) = (lo?, hi?);
        while i < hi {
            if !self.step(var.span) {
                return None;
            }
            let depth = self.locals.len();
            self.bind(&var.name, Some(Val::Number(crate::check::number::Number::int(i))), var.span);
            let val = self.block(body);
            self.locals.truncate(depth);
            self.no_value(body, val?)?;
            i += 1;
        }
        Some(())
    }

    fn no_value(&mut self, body: &Block, val: Val) -> Option<()> {
        match val {
            Val::Tuple(items) if items.is_empty() => Some(()),
            other => {
                let found = self.describe(&other);
                let span = body.tail.as_ref().map_or(body.span, |t| t.span);
                let message =
                    Diagnostic::error("this value is not used", span, format!("this is {found}"));
                self.fail(message.help("end the statement with `;`, or give the value a name"))
            }
        }
    }

    /// Variables in scope that a body assigns to.
    fn carried(&self, bodies: &[&Block]) -> Vec<usize> {
        let mut names = vec![];
        bodies.iter().for_each(|b| crate::check::names::assigned_names(b, &mut names));
        let mut carried: Vec<usize> = names
            .iter()
            .filter_map(|n| self.local(n))
            .filter(|i| {
                self.locals[*i].assignable() && matches!(self.locals[*i].val, Some(Val::Tensor(_)))
            })
            .collect();
        carried.sort_unstable();
        carried.dedup();
        carried
    }

    fn tensors_of(&self, carried: &[usize]) -> Option<Vec<Tensor>> {
        carried
            .iter()
            .map(|&i| {
                if let Some(Val::Tensor(t)) = &self.locals[i].val { Some(t.clone()) } else { None }
            })
            .collect()
    }

    fn set_all(&mut self, carried: &[usize], tensors: Vec<Tensor>) {
        for (&i, t) in carried.iter().zip(tensors) {
            self.locals[i].val = Some(Val::Tensor(t));
        }
    }

    fn break_all(&mut self, carried: &[usize]) {
        for &i in carried {
            self.locals[i].val = None;
        }
    }

    fn with_values(tensors: &[Tensor], values: Vec<ir::Value>) -> Vec<Tensor> {
        tensors.iter().zip(values).map(|(t, v)| Tensor { ty: t.ty.clone(), v }).collect()
    }

    /// Raises visibilities of `init` to those of `next`; true if any rose.
    fn rise(init: &mut [Ty], next: &[Tensor]) -> bool {
        let mut rose = false;
        for (ty, t) in init.iter_mut().zip(next) {
            let vis = join_vis(ty.vis, t.ty.vis);
            rose |= vis != ty.vis;
            ty.vis = vis;
        }
        rose
    }

    fn all_to(&mut self, tensors: &[Tensor], types: &[Ty]) -> Option<Vec<Tensor>> {
        tensors.iter().zip(types).map(|(t, ty)| self.to_vis(t, ty.vis)).collect()
    }

    fn bound(&mut self, e: &'a Expr) -> Option<Affine> {
        match self.expr(e)? {
            Val::Number(n) => match n.as_int().and_then(|n| i64::try_from(n).ok()) {
                Some(n) => Some(Affine::constant(n)),
                None => self.error(
                    "the bound of a loop must be an integer",
                    e.span,
                    format!("this is {}", n.show()),
                ),
            },
            Val::Index(a) => Some(a),
            Val::Tensor(t)
                if t.ty.shape.is_empty()
                    && t.ty.vis == Vis::Clear
                    && matches!(t.ty.elem, Elem::Int(_)) =>
            {
                self.at(e.span);
                let top = i64::from(i32::MAX);
                let value = self.b.index_from_clear(t.v, top);
                Some(self.symbol(value, 0, top - 1))
            }
            other => {
                let found = self.describe(&other);
                let message = Diagnostic::error(
                    "the bound of a loop must be a public integer",
                    e.span,
                    format!("this is {found}"),
                );
                self.fail(message.help("loop to a public bound, and `select` what counts"))
            }
        }
    }

    fn for_loop(
        &mut self,
        var: &'a ast::Ident,
        lo: &'a Expr,
        hi: &'a Expr,
        body: &'a Block,
        span: Span,
    ) -> Option<()> {
        let (lo, hi) = (self.bound(lo), self.bound(hi));
        let (lo, hi) = (lo?, hi?);
        if let (Some(a), Some(b)) = (lo.as_constant(), hi.as_constant())
            && a >= b
        {
            return Some(());
        }
        let carried = self.carried(&[body]);
        let mut init = self.tensors_of(&carried)?;
        let mut types: Vec<Ty> = init.iter().map(|t| t.ty.clone()).collect();
        self.at(span);
        let range = (lo.range(&self.symbols).0, hi.range(&self.symbols).1.saturating_sub(1));
        let (lo, hi) = (self.index_value(&lo), self.index_value(&hi));
        loop {
            let mark = (self.b.mark(), self.messages.len(), self.reported.clone());
            init = self.all_to(&init, &types)?;
            let (values, ir_types) = parts(&init);
            let (index, params) = self.b.begin_for(lo, hi, 1, &values, &ir_types);
            self.set_all(&carried, Self::with_values(&init, params));
            let depth = self.locals.len();
            let index = self.symbol(index, range.0, range.1.max(range.0));
            self.bind(&var.name, Some(Val::Index(index)), var.span);
            self.nested += 1;
            let val = self.block(body);
            self.nested -= 1;
            self.locals.truncate(depth);
            let next =
                val.and_then(|v| self.no_value(body, v)).and_then(|()| self.tensors_of(&carried));
            let Some(next) = next else {
                self.b.rollback(mark.0);
                self.break_all(&carried);
                return None;
            };
            if Self::rise(&mut types, &next) {
                self.b.rollback(mark.0);
                self.messages.truncate(mark.1);
                self.reported = mark.2;
                continue;
            }
            let next = self.all_to(&next, &types)?;
            self.at(span);
            let values: Vec<ir::Value> = next.iter().map(|t| t.v).collect();
            let results = self.b.end_for(&values);
            self.set_all(&carried, Self::with_values(&init, results));
            return Some(());
        }
    }

    fn while_loop(&mut self, cond: &'a Expr, body: &'a Block, span: Span) -> Option<()> {
        let carried = self.carried(&[body]);
        let mut init = self.tensors_of(&carried)?;
        let mut types: Vec<Ty> = init.iter().map(|t| t.ty.clone()).collect();
        loop {
            let mark = (self.b.mark(), self.messages.len(), self.reported.clone());
            init = self.all_to(&init, &types)?;
            let (values, ir_types) = parts(&init);
            let params = self.b.begin_while(&values, &ir_types);
            self.set_all(&carried, Self::with_values(&init, params));
            self.nested += 1;
            let next = self.while_body(cond, body, &carried, &init);
            self.nested -= 1;
            let Some(next) = next else {
                self.b.rollback(mark.0);
                self.break_all(&carried);
                return None;
            };
            if Self::rise(&mut types, &next) {
                self.b.rollback(mark.0);
                self.messages.truncate(mark.1);
                self.reported = mark.2;
                continue;
            }
            let next = self.all_to(&next, &types)?;
            self.at(span);
            let values: Vec<ir::Value> = next.iter().map(|t| t.v).collect();
            let results = self.b.end_while(&values);
            self.set_all(&carried, Self::with_values(&init, results));
            return Some(());
        }
    }

    fn while_body(
        &mut self,
        cond: &'a Expr,
        body: &'a Block,
        carried: &[usize],
        init: &[Tensor],
    ) -> Option<Vec<Tensor>> {
        let val = self.expr(cond)?;
        if let Val::Bool(known) = val {
            let text = if known { "always true: the loop never ends" } else { "always false" };
            return self.error("the condition of `while` never changes", cond.span, text);
        }
        let test = self.condition(val, cond, None)?;
        let params = self.b.begin_while_body(test);
        self.set_all(carried, Self::with_values(init, params));
        let val = self.block(body)?;
        self.no_value(body, val)?;
        self.tensors_of(carried)
    }

    /// A single clear truth value that decides a branch.
    fn condition(&mut self, val: Val, cond: &Expr, branch: Option<&ast::If>) -> Option<ir::Value> {
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

    fn if_statement(&mut self, branch: &'a ast::If) -> Option<()> {
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
            let mark = (self.b.mark(), self.messages.len(), self.reported.clone());
            match self.attempt(branch, value, cond, &carried, &before, want.as_deref()) {
                Some(Ok(val)) => return Some(val),
                Some(Err(types)) if want.is_none() => {
                    self.b.rollback(mark.0);
                    self.messages.truncate(mark.1);
                    self.reported = mark.2;
                    want = Some(types);
                    self.set_all(&carried, before.clone());
                }
                Some(Err(_)) | None => {
                    self.b.rollback(mark.0);
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
    fn attempt(
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

fn parts(tensors: &[Tensor]) -> (Vec<ir::Value>, Vec<ir::Type>) {
    (tensors.iter().map(|t| t.v).collect(), tensors.iter().map(|t| t.ty.to_ir()).collect())
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

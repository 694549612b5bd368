//! Loops. They carry the variables that are assigned in them; a variable whose visibility rises on the way is carried at the higher one,
//! which takes a second attempt at the body.

use super::value::{Affine, Tensor, Val};
use super::{Attempt, Diagnostic, Lower, Span, ir};
use crate::check::types::{Elem, Ty, Vis, join_vis};
use crate::parse::ast::{self, Block, Expr};

impl<'a> Lower<'a> {
    pub(super) fn unrolled(
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

    pub(super) fn no_value(&mut self, body: &Block, val: Val) -> Option<()> {
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
    pub(super) fn carried(&self, bodies: &[&Block]) -> Vec<usize> {
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

    pub(super) fn tensors_of(&self, carried: &[usize]) -> Option<Vec<Tensor>> {
        carried
            .iter()
            .map(|&i| {
                if let Some(Val::Tensor(t)) = &self.locals[i].val { Some(t.clone()) } else { None }
            })
            .collect()
    }

    pub(super) fn set_all(&mut self, carried: &[usize], tensors: Vec<Tensor>) {
        for (&i, t) in carried.iter().zip(tensors) {
            self.locals[i].val = Some(Val::Tensor(t));
        }
    }

    pub(super) fn break_all(&mut self, carried: &[usize]) {
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

    /// What an iteration hands to the next; nothing where a visibility rose, so that the body needs another attempt.
    fn handed_on(
        &mut self,
        next: Option<Vec<Tensor>>,
        types: &mut [Ty],
        carried: &[usize],
        attempt: Attempt,
        span: Span,
    ) -> Option<Option<Vec<ir::Value>>> {
        let Some(next) = next else {
            self.b.rollback(attempt.graph);
            self.break_all(carried);
            return None;
        };
        if Self::rise(types, &next) {
            self.take_back(attempt);
            return Some(None);
        }
        let next = self.all_to(&next, types)?;
        self.at(span);
        Some(Some(next.iter().map(|t| t.v).collect()))
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

    pub(super) fn for_loop(
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
        let before = self.tensors_of(&carried)?;
        let mut types: Vec<Ty> = before.iter().map(|t| t.ty.clone()).collect();
        self.at(span);
        let range = (lo.range(&self.symbols).0, hi.range(&self.symbols).1.saturating_sub(1));
        let (lo, hi) = (self.index_value(&lo), self.index_value(&hi));
        loop {
            let attempt = self.attempt();
            let init = self.all_to(&before, &types)?;
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
            let Some(values) = self.handed_on(next, &mut types, &carried, attempt, span)? else {
                continue;
            };
            let results = self.b.end_for(&values);
            self.set_all(&carried, Self::with_values(&init, results));
            return Some(());
        }
    }

    pub(super) fn while_loop(&mut self, cond: &'a Expr, body: &'a Block, span: Span) -> Option<()> {
        let carried = self.carried(&[body]);
        let before = self.tensors_of(&carried)?;
        let mut types: Vec<Ty> = before.iter().map(|t| t.ty.clone()).collect();
        loop {
            let attempt = self.attempt();
            let init = self.all_to(&before, &types)?;
            let (values, ir_types) = parts(&init);
            let params = self.b.begin_while(&values, &ir_types);
            self.set_all(&carried, Self::with_values(&init, params));
            self.nested += 1;
            let next = self.while_body(cond, body, &carried, &init);
            self.nested -= 1;
            let Some(values) = self.handed_on(next, &mut types, &carried, attempt, span)? else {
                continue;
            };
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
}

fn parts(tensors: &[Tensor]) -> (Vec<ir::Value>, Vec<ir::Type>) {
    (tensors.iter().map(|t| t.v).collect(), tensors.iter().map(|t| t.ty.to_ir()).collect())
}

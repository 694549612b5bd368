//! Calls: generic parameters are worked out from the arguments, then the body is inlined.

use super::value::{Tensor, Val};
use super::{Binding, Diagnostic, Lower, ModuleId, Span};
use crate::check::modules::Def;
use crate::check::types::{DEFAULT_FIX, DEFAULT_INT, Elem, Ty, Vis, broadcast_shapes, join_vis};
use crate::diagnostics::did_you_mean;
use crate::ir::Real;
use crate::lang_items::LangItem;
use crate::parse::ast::{self, ElemKind, Expr, ExprKind};

/// Deepest chain of calls.
const MAX_CALLS: usize = 64;

/// An argument with its value.
#[derive(Clone)]
pub(super) struct Given<'e> {
    pub(super) name: Option<&'e ast::Ident>,
    pub(super) val: Val,
    pub(super) expr: Option<&'e Expr>,
    pub(super) span: Span,
}

impl<'a> Lower<'a> {
    pub(super) fn call_lang_item(
        &mut self,
        item: LangItem,
        args: Vec<(Val, Span)>,
        span: Span,
    ) -> Option<Val> {
        let (module, name) = item.path();
        let def = self.program.library_module(module).and_then(|m| m.names.get(name));
        let Some(Def::Fn(module, item)) = def.copied() else {
            let message = Diagnostic::error(
                "this division needs a function that the standard library does not have",
                span,
                "",
            );
            return self.fail(message.note(format!("it would be `stdlib::{module}::{name}`")));
        };
        let given = args
            .into_iter()
            .map(|(val, span)| Given { name: None, val, expr: None, span })
            .collect();
        self.call_function(module, item, given, span)
    }

    pub(super) fn call_function(
        &mut self,
        module: ModuleId,
        item: usize,
        given: Vec<Given<'a>>,
        span: Span,
    ) -> Option<Val> {
        let program = self.program;
        let f = program.modules[module].function(item);
        // Recursion was reported before.
        if self.calls.iter().any(|c| (c.0, c.1) == (module, item)) {
            return None;
        }
        if self.calls.len() >= MAX_CALLS {
            let label = format!("more than {MAX_CALLS} calls inside each other");
            return self.error("calls are nested too deeply", span, label);
        }
        let args = self.match_arguments(f, given, span)?;
        let saved = (self.module, self.frame, self.locals.len());
        self.module = module;
        self.frame = self.locals.len();
        let out = self.inline(f, (module, item), args, span);
        self.locals.truncate(saved.2);
        (self.module, self.frame) = (saved.0, saved.1);
        out
    }

    fn match_arguments(
        &mut self,
        f: &'a ast::Function,
        given: Vec<Given<'a>>,
        span: Span,
    ) -> Option<Vec<Option<Given<'a>>>> {
        let name = &f.name.name;
        let mut slots: Vec<Option<Given<'a>>> = f.params.iter().map(|_| None).collect();
        let mut next = 0;
        let count = given.len();
        for arg in given {
            let slot = match arg.name {
                None => {
                    next += 1;
                    next - 1
                }
                Some(key) => match f.params.iter().position(|p| p.name.name == key.name) {
                    Some(i) => i,
                    None => {
                        let mut message = Diagnostic::error(
                            format!("`{name}` has no parameter `{}`", key.name),
                            key.span,
                            "",
                        );
                        if let Some(near) =
                            did_you_mean(&key.name, f.params.iter().map(|p| p.name.name.as_str()))
                        {
                            message = message.help(format!("did you mean `{near}`?"));
                        }
                        return self.fail(message.also(f.name.span, "defined here"));
                    }
                },
            };
            if slot >= slots.len() {
                let message = Diagnostic::error(
                    format!(
                        "`{name}` takes {} argument{}",
                        f.params.len(),
                        if f.params.len() == 1 { "" } else { "s" }
                    ),
                    arg.span,
                    "one too many",
                )
                .expected(f.params.len().to_string(), count.to_string());
                return self.fail(message.also(f.name.span, "defined here"));
            }
            if slots[slot].is_some() {
                return self.error(
                    format!("`{}` is given twice", f.params[slot].name.name),
                    arg.span,
                    "the second",
                );
            }
            slots[slot] = Some(arg);
        }
        let missing: Vec<&str> = f
            .params
            .iter()
            .zip(&slots)
            .filter(|(p, s)| s.is_none() && p.default.is_none())
            .map(|(p, _)| p.name.name.as_str())
            .collect();
        if !missing.is_empty() {
            let message = Diagnostic::error(
                format!("`{name}` lacks an argument"),
                span,
                format!("missing: {}", missing.join(", ")),
            );
            return self.fail(message.also(f.name.span, "defined here"));
        }
        Some(slots)
    }

    fn inline(
        &mut self,
        f: &'a ast::Function,
        id: (ModuleId, usize),
        args: Vec<Option<Given<'a>>>,
        span: Span,
    ) -> Option<Val> {
        let mut generics = Generics { names: &f.generics, bound: vec![None; f.generics.len()] };
        let mut vals = vec![];
        // Defaults belong to the function, everything else to the caller.
        for (param, arg) in f.params.iter().zip(args) {
            vals.push(match arg {
                Some(arg) => (arg.val, arg.span),
                None => {
                    let default = param.default.as_ref()?;
                    (self.expr(default)?, default.span)
                }
            });
        }
        self.bind_generics(f, &mut generics, &mut vals)?;
        for (name, val) in f.generics.iter().zip(&generics.bound) {
            self.bind(&name.name, val.clone(), name.span);
        }
        for (param, (val, arg_span)) in f.params.iter().zip(vals) {
            self.at(arg_span);
            let Some(ty) = self.ty(&param.ty) else {
                self.unbound(f, &generics, span);
                return None;
            };
            let val = if param.constant {
                self.constant_argument(param, val, &ty, arg_span)?
            } else {
                self.pass(val, &ty, arg_span)?
            };
            self.bind(&param.name.name, Some(val), param.name.span);
        }
        self.calls.push((id.0, id.1, span));
        let told = self.messages.len();
        let val = match self.real_function(f, id.0) {
            Some(function) => self.real(function, f, span),
            None => self.deeper(span, |l| l.block(&f.body)),
        };
        let out = val.and_then(|val| self.result(f, &mut generics, val));
        self.calls.pop();
        self.at(span);
        if out.is_none() && self.messages.len() == told {
            self.unbound(f, &generics, span);
        }
        out
    }

    /// The function of the real numbers that one of the library stands for, in a reference.
    fn real_function(&self, f: &ast::Function, module: ModuleId) -> Option<Real> {
        let file = self.program.sources.get(self.program.modules[module].file)?;
        let module = file.name.strip_prefix("stdlib/")?.strip_suffix(".mpc")?;
        Real::of(&format!("{module}::{}", f.name.name)).filter(|_| self.real)
    }

    /// Its value at the arguments, in the place of the body.
    fn real(&mut self, function: Real, f: &'a ast::Function, span: Span) -> Option<Val> {
        let args = f.params.iter().map(|p| self.lookup(&p.name.name, p.name.span));
        let args = args.collect::<Option<Vec<Val>>>()?;
        let elem = args.iter().find_map(|a| match a {
            Val::Tensor(t) if matches!(t.ty.elem, Elem::Fix(..)) => Some(t.ty.elem),
            _ => None,
        });
        let Some(elem @ Elem::Fix(k, fraction)) = elem else { return None };
        let parts = args.into_iter().map(|a| self.operand(a, Some(elem), span));
        let parts = parts.collect::<Option<Vec<Tensor>>>()?;
        let spans = vec![span; parts.len()];
        let (values, vis, shape) = self.aligned(parts, &spans, span)?;
        let v = self.b.real(function, &values, fraction, k);
        Some(Val::tensor(Ty { elem, vis, shape }, v))
    }

    fn unbound(&mut self, f: &ast::Function, generics: &Generics, span: Span) {
        for (name, bound) in f.generics.iter().zip(&generics.bound) {
            if bound.is_none() {
                let message = Diagnostic::error(
                    format!(
                        "`{}` does not follow from the arguments of `{}`",
                        name.name, f.name.name
                    ),
                    span,
                    "in this call",
                );
                self.report(
                    message
                        .also(name.span, "declared here")
                        .help("name the size alone in the type of some parameter, as in `fix[n]`"),
                );
            }
        }
    }

    fn constant_argument(
        &mut self,
        param: &ast::Param,
        val: Val,
        ty: &Ty,
        span: Span,
    ) -> Option<Val> {
        match &val {
            Val::Number(_) | Val::Bool(_) | Val::List(_) | Val::Shape(_) => {
                self.pass(val.clone(), ty, span)?;
                Some(val)
            }
            other => {
                let found = self.describe(other);
                let message = Diagnostic::error(
                    format!("`{}` must be known when compiling", param.name.name),
                    span,
                    format!("this is {found}"),
                );
                self.fail(message.also(param.name.span, "declared `const` here"))
            }
        }
    }

    /// A value for a parameter or result of type `ty`; clear scalars that are known stay known.
    fn pass(&mut self, val: Val, ty: &Ty, span: Span) -> Option<Val> {
        let scalar = ty.vis == Vis::Clear && ty.shape.is_empty();
        match &val {
            Val::Number(_) if scalar => {
                self.coerce(val.clone(), ty, span)?;
                Some(val)
            }
            Val::Index(_) if scalar && matches!(ty.elem, Elem::Int(_)) => Some(val),
            Val::Bool(_) if scalar && ty.elem == Elem::Bool => Some(val),
            _ => self.coerce(val, ty, span).map(Val::Tensor),
        }
    }

    fn result(&mut self, f: &'a ast::Function, generics: &mut Generics, val: Val) -> Option<Val> {
        let span = f.body.tail.as_ref().map_or(f.name.span, |t| t.span);
        let (types, vals): (Vec<&ast::Type>, Vec<Val>) = match (&f.result, val) {
            (None, _) => return Some(Val::Tuple(vec![])),
            (Some(ast::ResultType::One(ty)), Val::Tuple(items)) if items.len() != 1 => {
                let message = if items.is_empty() {
                    Diagnostic::error(
                        format!("`{}` gives no value", f.name.name),
                        span,
                        "its last statement has no value",
                    )
                    .also(ty.span, "but this was declared")
                    .help("end the body with an expression without `;`")
                } else {
                    Diagnostic::error(
                        format!("`{}` gives several values", f.name.name),
                        span,
                        format!("{} values", items.len()),
                    )
                    .also(ty.span, "one was declared")
                };
                return self.fail(message);
            }
            (Some(ast::ResultType::One(ty)), val) => (vec![ty], vec![val]),
            (Some(ast::ResultType::Tuple(types, _)), Val::Tuple(items))
                if items.len() == types.len() =>
            {
                (types.iter().collect(), items)
            }
            (Some(ast::ResultType::Tuple(types, at)), other) => {
                let found = self.describe(&other);
                let message =
                    Diagnostic::error("mismatched types", span, format!("this is {found}"))
                        .expected(format!("a tuple of {} values", types.len()), found);
                return self.fail(message.also(*at, "declared here"));
            }
        };
        let mut out = vec![];
        for (ty, val) in types.into_iter().zip(vals) {
            if let Val::Tensor(t) = &val {
                self.learn(generics, ty, &t.clone());
            }
            for (i, name) in generics.names.iter().enumerate() {
                if let Some(local) = self.local(&name.name)
                    && self.locals[local].val.is_none()
                {
                    self.locals[local].val = generics.bound[i].clone();
                }
            }
            let ty = self.ty(ty)?;
            out.push(self.pass(val, &ty, span)?);
        }
        Some(if let Some(ast::ResultType::One(_)) = f.result {
            out.remove(0)
        } else {
            Val::Tuple(out)
        })
    }

    fn bind_generics(
        &mut self,
        f: &'a ast::Function,
        generics: &mut Generics,
        vals: &mut [(Val, Span)],
    ) -> Option<()> {
        for (param, (val, span)) in f.params.iter().zip(vals.iter_mut()) {
            if !param.constant && matches!(val, Val::List(_) | Val::Shape(_)) {
                let t = match concrete(&param.ty.elem, generics) {
                    true => {
                        let elem = self.elem(&param.ty.elem)?;
                        let items = if let Val::Shape(s) = val {
                            Val::List(s.iter().map(|&n| Val::int(n)).collect())
                        } else {
                            val.clone()
                        };
                        self.convert(items, elem, *span)?
                    }
                    false => Val::Tensor(self.tensor(val.clone(), *span)?),
                };
                *val = t;
            }
            if let Val::Tensor(t) = val {
                let t = t.clone();
                self.learn(generics, &param.ty, &t);
            }
        }
        for (param, (val, _)) in f.params.iter().zip(vals.iter()) {
            if matches!(val, Val::Tensor(_)) {
                continue;
            }
            let elem = match val {
                Val::Number(n) => super::convert::default_elem(*n),
                Val::Bool(_) => Elem::Bool,
                _ => Elem::Int(DEFAULT_INT),
            };
            generics.default_for(&param.ty, elem);
        }
        Some(())
    }

    /// Binds what a parameter's type names from the argument.
    fn learn(&mut self, generics: &mut Generics, ty: &'a ast::Type, t: &Tensor) {
        if let Some(ast::Vis::Named(name)) = &ty.vis {
            generics.update(&name.name, |old| match old {
                Some(Val::Vis(v)) => Val::Vis(join_vis(*v, t.ty.vis)),
                _ => Val::Vis(t.ty.vis),
            });
        }
        generics.learn_elem(&ty.elem, t.ty.elem);
        let pattern = ty.shape.as_deref().unwrap_or_default();
        let pack = pattern.iter().position(|e| generics.is_pack(e));
        let (before, after) = match pack {
            Some(i) => (&pattern[..i], &pattern[i + 1..]),
            None => (pattern, &[][..]),
        };
        let shape = &t.ty.shape;
        if shape.len() < before.len() + after.len()
            || (pack.is_none() && shape.len() != before.len())
        {
            return;
        }
        let tail = shape.len() - after.len();
        for (e, &size) in before.iter().zip(shape).chain(after.iter().zip(&shape[tail..])) {
            if let ExprKind::Name(name) = &e.kind {
                generics.update(name, |old| match old {
                    // A size of 1 repeats.
                    Some(Val::Number(n)) if n.as_int() != Some(1) => Val::Number(*n),
                    _ => Val::int(size),
                });
            }
        }
        if let Some(i) = pack
            && let ExprKind::Name(name) = &pattern[i].kind
        {
            let middle = shape[before.len()..tail].to_vec();
            generics.update(name, |old| match old {
                Some(Val::Shape(s)) => {
                    Val::Shape(broadcast_shapes(s, &middle).unwrap_or_else(|| s.clone()))
                }
                _ => Val::Shape(middle.clone()),
            });
        }
    }
}

/// True when the element type names no generic parameter.
fn concrete(elem: &ast::Elem, generics: &Generics) -> bool {
    let plain = |e: &Expr| !matches!(&e.kind, ExprKind::Name(n) if generics.has(n));
    match &elem.kind {
        ElemKind::Int(None) | ElemKind::Fix(None) | ElemKind::Bool => true,
        ElemKind::Int(Some(k)) | ElemKind::Wrap(k) => plain(k),
        ElemKind::Fix(Some(kf)) => plain(&kf.0) && plain(&kf.1),
        ElemKind::Named(_) => false,
    }
}

/// Generic parameters of a call and what is known of them.
pub(super) struct Generics<'e> {
    names: &'e [ast::Ident],
    bound: Vec<Option<Val>>,
}

impl Generics<'_> {
    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|n| n.name == name)
    }

    /// Upper-case generic names in a shape stand for several sizes.
    fn is_pack(&self, e: &Expr) -> bool {
        matches!(&e.kind, ExprKind::Name(n) if self.has(n) && n.starts_with(char::is_uppercase))
    }

    fn update(&mut self, name: &str, f: impl Fn(Option<&Val>) -> Val) {
        if let Some(i) = self.names.iter().position(|n| n.name == name) {
            self.bound[i] = Some(f(self.bound[i].as_ref()));
        }
    }

    fn learn_width(&mut self, e: &Expr, bits: u32) {
        if let ExprKind::Name(name) = &e.kind {
            let bits = i128::from(bits);
            self.update(name, |old| match old {
                Some(Val::Number(n)) if n.as_int() >= Some(bits) => Val::Number(*n),
                _ => Val::Number(crate::check::number::Number::int(bits)),
            });
        }
    }

    fn learn_elem(&mut self, pattern: &ast::Elem, elem: Elem) {
        match (&pattern.kind, elem) {
            (ElemKind::Named(name), elem) => self.update(&name.name, |old| match old {
                Some(Val::Elem(e)) => Val::Elem(e.join(elem).unwrap_or(*e)),
                _ => Val::Elem(elem),
            }),
            (ElemKind::Int(Some(k)), Elem::Int(bits)) | (ElemKind::Wrap(k), Elem::Wrap(bits)) => {
                self.learn_width(k, bits)
            }
            (ElemKind::Fix(Some(kf)), Elem::Fix(k, f)) => {
                self.learn_width(&kf.0, k);
                self.learn_width(&kf.1, f);
            }
            _ => {}
        }
    }

    /// Binds what is still free and named by the type of an argument that has no type of its own.
    fn default_for(&mut self, ty: &ast::Type, elem: Elem) {
        let keep = |old: Option<&Val>, new: Val| old.cloned().unwrap_or(new);
        if let Some(ast::Vis::Named(name)) = &ty.vis {
            self.update(&name.name, |old| keep(old, Val::Vis(Vis::Clear)));
        }
        match &ty.elem.kind {
            ElemKind::Named(name) => self.update(&name.name, |old| keep(old, Val::Elem(elem))),
            ElemKind::Int(Some(k)) => self.default_width(k, DEFAULT_INT),
            ElemKind::Fix(Some(kf)) => {
                self.default_width(&kf.0, DEFAULT_FIX.0);
                self.default_width(&kf.1, DEFAULT_FIX.1);
            }
            _ => {}
        }
        for e in ty.shape.iter().flatten().filter(|e| self.is_pack(e)).cloned().collect::<Vec<_>>()
        {
            if let ExprKind::Name(name) = &e.kind {
                self.update(name, |old| keep(old, Val::Shape(vec![])));
            }
        }
    }

    fn default_width(&mut self, e: &Expr, bits: u32) {
        if let ExprKind::Name(name) = &e.kind {
            let bits = Val::int(bits as usize);
            self.update(name, |old| old.cloned().unwrap_or(bits.clone()));
        }
    }
}

impl Binding {
    /// Whether statements may give it another value.
    pub(super) fn assignable(&self) -> bool {
        self.mutable || self.state
    }
}

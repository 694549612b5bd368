//! What crosses the border of a program: roles, inputs, outputs, states, and numbers from the command line.

use std::collections::BTreeMap;

use super::value::{Tensor, Val};
use super::{Binding, Diagnostic, Lower, ModuleId, Span, ir};
use crate::check::modules::Def;
use crate::check::names;
use crate::check::number::Number;
use crate::check::types::{Elem, Ty, Vis, show_shape};
use crate::diagnostics::did_you_mean;
use crate::ir::{Builder, InputDecl, OutputDecl, Receivers, StateDecl};
use crate::parse::ast::{self, Expr, ExprKind, Item, Stmt, StmtKind};

/// Most roles of a program.
const MAX_ROLES: usize = 4096;

/// A declared role or array of roles.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoleSet {
    first: u32,
    /// None for a single role.
    count: Option<usize>,
}

/// A declared state.
pub(super) struct StateInfo {
    name: String,
    ty: Ty,
    id: u32,
    span: Span,
}

/// A state as a variable of an entry point.
pub(super) struct StateVariable<'s> {
    state: &'s StateInfo,
    /// Number of the local.
    local: usize,
    /// What it is at the beginning.
    before: ir::Value,
}

/// True for an argument that names a role instead of a value.
pub(super) fn is_receiver(path: &str, arg: &ast::Arg) -> bool {
    path == "reveal" && arg.name.as_ref().is_some_and(|n| n.name == "to")
}

impl<'a> Lower<'a> {
    /// Runs `f` with a graph that is thrown away, for what must be known when compiling.
    fn in_scratch<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> T {
        let mut scratch = Builder::new();
        for name in &self.role_names {
            scratch.role(name);
        }
        scratch.begin_entry("scratch");
        std::mem::swap(&mut self.b, &mut scratch);
        let out = f(self);
        std::mem::swap(&mut self.b, &mut scratch);
        out
    }

    pub(super) fn declare_roles(&mut self, file: &'a ast::File) {
        for item in &file.items {
            let Item::Role(roles, _) = item else { continue };
            for role in roles {
                self.declare_role(role);
            }
        }
    }

    fn declare_role(&mut self, role: &'a ast::RoleDecl) {
        let name = &role.name.name;
        if self.roles.contains_key(name) || name == "all" {
            let why = if name == "all" { "`all` means every party" } else { "the second" };
            self.report(Diagnostic::error(
                format!("the role `{name}` is declared twice"),
                role.name.span,
                why,
            ));
            return;
        }
        let count = match &role.count {
            None => None,
            Some(e) => {
                let count = self.in_scratch(|l| l.known_int(e, "the number of roles"));
                match count.map(usize::try_from) {
                    Some(Ok(n)) if (1..=MAX_ROLES).contains(&n) => Some(n),
                    Some(_) => {
                        self.report(Diagnostic::error(
                            "this number of roles is not possible",
                            e.span,
                            format!("expected 1 to {MAX_ROLES}"),
                        ));
                        Some(1)
                    }
                    None => Some(1),
                }
            }
        };
        let first = self.role_names.len() as u32;
        match count {
            None => self.role_names.push(name.clone()),
            Some(n) => self.role_names.extend((0..n).map(|i| format!("{name}[{i}]"))),
        }
        for name in &self.role_names[first as usize..] {
            self.b.role(name);
        }
        self.roles.insert(name.clone(), RoleSet { first, count });
    }

    /// The roles that a reference names.
    fn roles_of(&mut self, role: &'a ast::RoleRef) -> Option<Vec<u32>> {
        let index = role.index.as_deref();
        self.roles_named(&role.name.name, index, role.span)
    }

    fn roles_named(&mut self, name: &str, index: Option<&'a Expr>, span: Span) -> Option<Vec<u32>> {
        let Some(&set) = self.roles.get(name) else {
            let mut message = Diagnostic::error(format!("unknown role `{name}`"), span, "");
            let names: Vec<String> = self.roles.keys().cloned().collect();
            message = match did_you_mean(name, names.iter().map(String::as_str)) {
                Some(near) => message.help(format!("did you mean `{near}`?")),
                None => message.help(format!("declare it: `role {name};`")),
            };
            return self.fail(message);
        };
        match (set.count, index) {
            (None, None) => Some(vec![set.first]),
            (None, Some(e)) => {
                self.error(format!("`{name}` is a single role"), e.span, "it has no elements")
            }
            (Some(n), None) => Some((0..n as u32).map(|i| set.first + i).collect()),
            (Some(n), Some(e)) => match self.known_int(e, "the number of a role")? {
                i if i >= 0 && i < n as i128 => Some(vec![set.first + i as u32]),
                i => self.error(
                    "there is no such role",
                    e.span,
                    format!("`{name}` has the numbers 0 to {}, not {i}", n - 1),
                ),
            },
        }
    }

    pub(super) fn one_role(&mut self, role: &ast::RoleRef) -> Option<u32> {
        let set = self.roles.get(&role.name.name).copied();
        let index = match role.index.as_deref().map(|e| &e.kind) {
            Some(ExprKind::Int(text)) => Number::parse_int(text).and_then(Number::as_int),
            _ => None,
        };
        match (set, index) {
            (Some(RoleSet { first, count: None }), None) if role.index.is_none() => Some(first),
            (Some(RoleSet { first, count: Some(n) }), Some(i)) if i < n as i128 => {
                Some(first + i as u32)
            }
            (None, _) => {
                let message =
                    Diagnostic::error(format!("unknown role `{}`", role.name.name), role.span, "");
                self.fail(message.help(format!("declare it: `role {};`", role.name.name)))
            }
            _ => self.error(
                "one role is needed here",
                role.span,
                "a single role, or a numbered one of an array",
            ),
        }
    }

    /// The role that an argument names, as in `reveal(x, to = role)`.
    pub(super) fn role_argument(&mut self, e: &'a Expr) -> Option<u32> {
        let (name, index) = match &e.kind {
            ExprKind::Name(name) => (name, None),
            ExprKind::Index(base, items) => match (&base.kind, &items[..]) {
                (ExprKind::Name(name), [ast::IndexItem::At(i)]) => (name, Some(i)),
                _ => return self.error("a role is needed here", e.span, ""),
            },
            _ => return self.error("a role is needed here", e.span, ""),
        };
        match self.roles_named(name, index, e.span)?[..] {
            [one] => Some(one),
            _ => self.error("one role is needed here", e.span, "this is an array of roles"),
        }
    }

    /// Gives values to sizes that only the data or the command line know.
    pub(super) fn bind_sizes(&mut self, file: &'a ast::File) {
        let free = names::free_sizes(file, &self.program.modules[0].names);
        for name in &free {
            if let Some(text) = self.options.defines.get(&name.name) {
                self.used_defines.insert(name.name.clone());
                match parse_define(text) {
                    Some(val @ Val::Number(n)) if n.as_int().is_some_and(|n| n >= 0) => {
                        self.sizes.insert(name.name.clone(), val);
                    }
                    _ => self.report(Diagnostic::error(
                        format!("`-D {}={text}` gives no size", name.name),
                        name.span,
                        "an integer is needed here",
                    )),
                }
            }
        }
        for (input, span) in names::inputs(file) {
            let label = input.label.as_ref().unwrap_or(&input.name);
            if let Some(shape) = self.options.input_shapes.get(&label.name) {
                self.used_shapes.insert(label.name.clone());
                let pattern = input.ty.shape.as_deref().unwrap_or_default();
                self.bind_shape(&input.name.name, pattern, shape, &free, span);
            }
        }
        for name in &free {
            if !self.sizes.contains_key(&name.name)
                && !self.options.defines.contains_key(&name.name)
            {
                let message = Diagnostic::error(
                    format!("the size `{}` is not known", name.name),
                    name.span,
                    "taken from the data, or given on the command line",
                );
                self.report(message.help(format!("-D {}=1000", name.name)));
            }
        }
    }

    fn bind_shape(
        &mut self,
        input: &str,
        pattern: &[Expr],
        shape: &[usize],
        free: &[ast::Ident],
        span: Span,
    ) {
        if pattern.len() != shape.len() {
            let message = Diagnostic::error(
                format!("the data of `{input}` have another number of axes"),
                span,
                "",
            )
            .expected(format!("{} axes", pattern.len()), format!("shape {}", show_shape(shape)));
            self.report(message);
            return;
        }
        for (e, &size) in pattern.iter().zip(shape) {
            let ExprKind::Name(name) = &e.kind else { continue };
            if !free.iter().any(|f| f.name == *name) {
                continue;
            }
            match self.sizes.get(name) {
                Some(Val::Number(n)) if n.as_int() != Some(size as i128) => {
                    let message = Diagnostic::error(
                        format!("the data of `{input}` do not fit the size `{name}`"),
                        e.span,
                        "",
                    );
                    let n = n.show();
                    self.report(message.expected(n, size.to_string()));
                }
                Some(_) => {}
                None => {
                    self.sizes.insert(name.clone(), Val::int(size));
                }
            }
        }
    }

    /// Works out every constant, used or not.
    pub(super) fn all_constants(&mut self) {
        for (m, module) in self.program.modules.iter().enumerate() {
            for (i, item) in module.ast.items.iter().enumerate() {
                if let Item::Const(_) = item {
                    self.constant(m, i);
                }
            }
        }
    }

    pub(super) fn constant(&mut self, module: ModuleId, item: usize) -> Option<Val> {
        if let Some(known) = self.constants.get(&(module, item)) {
            return known.clone();
        }
        let c = self.program.modules[module].constant(item);
        if self.evaluating.contains(&(module, item)) {
            return self.error(
                format!("the constant `{}` depends on itself", c.name.name),
                c.name.span,
                "",
            );
        }
        self.evaluating.push((module, item));
        let saved = (self.module, self.frame, self.nested);
        self.module = module;
        self.frame = self.locals.len();
        let val = self.in_scratch(|l| l.evaluate(module, c));
        (self.module, self.frame, self.nested) = saved;
        self.evaluating.pop();
        self.constants.insert((module, item), val.clone());
        val
    }

    fn evaluate(&mut self, module: ModuleId, c: &'a ast::Const) -> Option<Val> {
        let ty = self.ty(&c.ty)?;
        if ty.vis != Vis::Clear {
            return self.error("a constant is known to all", c.ty.span, "leave the visibility out");
        }
        let name = &c.name.name;
        let define = if module == 0 { self.options.defines.get(name) } else { None };
        let (val, span) = match (define, &c.value) {
            (Some(text), _) => {
                self.used_defines.insert(name.clone());
                match parse_define(text) {
                    Some(val) => (val, c.name.span),
                    None => {
                        return self.error(
                            format!("`-D {name}={text}` is no number"),
                            c.name.span,
                            format!("`{}` is needed", ty.elem),
                        );
                    }
                }
            }
            (None, Some(e)) => (self.expr(e)?, e.span),
            (None, None) => {
                let message = Diagnostic::error(
                    format!("the constant `{name}` has no value"),
                    c.name.span,
                    "given on the command line",
                );
                return self.fail(message.help(format!("-D {name}=…")));
            }
        };
        if !is_known(&val) {
            let found = self.describe(&val);
            return self.unknown_constant(name, &found, span);
        }
        self.coerce(val.clone(), &ty, span)?;
        Some(if let Elem::Fix(..) = ty.elem { as_decimal(val) } else { val })
    }

    fn unknown_constant<T>(&mut self, name: &str, found: &str, span: Span) -> Option<T> {
        let message = Diagnostic::error(
            format!("the value of the constant `{name}` is not known when compiling"),
            span,
            format!("this is {found}"),
        );
        self.fail(message.help("use `let` in the program for what is computed"))
    }

    pub(super) fn declare_states(&mut self, file: &'a ast::File) -> Vec<StateInfo> {
        let mut out: Vec<StateInfo> = vec![];
        for item in &file.items {
            let Item::State(s) = item else { continue };
            let Some(ty) = self.in_scratch(|l| l.ty(&s.ty)) else { continue };
            if let Vis::Private(_) = ty.vis {
                self.report(Diagnostic::error(
                    "a state is `secret` or `clear`",
                    s.ty.span,
                    "private to one party",
                ));
                continue;
            }
            if out.iter().any(|o| o.name == s.name.name) {
                self.report(Diagnostic::error(
                    format!("the state `{}` is declared twice", s.name.name),
                    s.name.span,
                    "the second",
                ));
                continue;
            }
            let decl = StateDecl {
                name: s.name.name.clone(),
                data: ty.elem.data(),
                shape: ty.shape.clone(),
                vis: ty.vis,
            };
            let id = self.b.state_decl(decl);
            out.push(StateInfo { name: s.name.name.clone(), ty, id, span: s.name.span });
        }
        out
    }

    /// Makes the states that an entry point mentions its variables; those that it only overwrites are not loaded.
    pub(super) fn begin_states<'s>(
        &mut self,
        stmts: &[&'a Stmt],
        states: &'s [StateInfo],
    ) -> Vec<StateVariable<'s>> {
        let mut variables = vec![];
        for state in
            states.iter().filter(|s| stmts.iter().any(|stmt| names::mentions(stmt, &s.name)))
        {
            let first = stmts.iter().find(|stmt| names::mentions(stmt, &state.name));
            let overwritten = first.is_some_and(|stmt| match &stmt.kind {
                StmtKind::Assign { place, op: None, value } => {
                    matches!(&place.kind, ExprKind::Name(n) if *n == state.name)
                        && !names::expr_mentions(value, &state.name)
                }
                _ => false,
            });
            let (v, ty) = match (overwritten, state.ty.elem) {
                (false, _) => (self.b.state_load(state.id), state.ty.clone()),
                (true, Elem::Bool) => (
                    self.b.splat_bit(false, &state.ty.shape),
                    Ty { vis: Vis::Clear, ..state.ty.clone() },
                ),
                (true, _) => {
                    (self.b.splat(0, &state.ty.shape), Ty { vis: Vis::Clear, ..state.ty.clone() })
                }
            };
            let val = Some(Val::Tensor(Tensor { ty, v }));
            let declared = Some(state.ty.clone());
            variables.push(StateVariable { state, local: self.locals.len(), before: v });
            self.locals.push(Binding {
                name: state.name.clone(),
                val,
                mutable: true,
                declared,
                state: true,
                span: state.span,
            });
        }
        variables
    }

    /// Stores the states whose variables were given another value.
    pub(super) fn end_states(&mut self, variables: &[StateVariable<'_>]) {
        for StateVariable { state, local, before } in variables {
            if let Some(Val::Tensor(t)) = self.locals[*local].val.clone()
                && t.v != *before
                && let Some(t) = self.to_vis(&t, state.ty.vis)
            {
                self.b.state_store(state.id, t.v);
            }
        }
    }

    /// Inputs and outputs stand in the entry point itself, where each is done once.
    fn at_top(&mut self, what: &str, span: Span) -> Option<()> {
        if self.nested == 0 && self.calls.is_empty() {
            return Some(());
        }
        let message = Diagnostic::error(
            format!("an {what} cannot stand in a loop, a branch or a function"),
            span,
            "",
        );
        self.fail(message.help("declare it at the top, and pass the value on"))
    }

    pub(super) fn input(&mut self, input: &'a ast::Input, span: Span) -> Option<()> {
        let val = self.at_top("input", span).and_then(|()| self.input_value(input));
        let ok = val.is_some().then_some(());
        self.bind(&input.name.name, val.map(Val::Tensor), input.name.span);
        ok
    }

    fn input_value(&mut self, input: &'a ast::Input) -> Option<Tensor> {
        let name = &input.name.name;
        if let Some(before) = self.local(name).map(|i| self.locals[i].span) {
            let message = Diagnostic::error(
                format!("`{name}` is declared twice"),
                input.name.span,
                "the second",
            );
            return self.fail(message.also(before, "the first"));
        }
        let (ty, roles) = (self.ty(&input.ty), self.roles_of(&input.role));
        let (ty, roles) = (ty?, roles?);
        let name = &self.input_label(input)?;
        if let Some(given) = self.options.input_shapes.get(name)
            && *given != ty.shape
        {
            let message = Diagnostic::error(
                format!("the data of `{name}` have another shape"),
                input.ty.span,
                "",
            );
            return self
                .fail(message.expected(Self::shape_text(&ty.shape), Self::shape_text(given)));
        }
        if !input.each {
            let [role] = roles[..] else {
                let message = Diagnostic::error(
                    "an input comes from one role",
                    input.role.span,
                    format!("`{}` is an array of roles", input.role.name.name),
                );
                return self.fail(message.help(format!(
                    "`from each {0}` takes one from each, `from {0}[0]` from the first",
                    input.role.name.name
                )));
            };
            return self.one_input(name, &ty, role, input.ty.span);
        }
        if self.roles.get(&input.role.name.name).is_some_and(|r| r.count.is_none()) {
            return self.error(
                "`each` needs an array of roles",
                input.role.span,
                "this is a single role",
            );
        }
        if let Vis::Private(_) = ty.vis {
            return self.error(
                "inputs from each of several roles are `secret` or `clear`",
                input.ty.span,
                "private to one role",
            );
        }
        let parts: Option<Vec<Tensor>> =
            roles.iter().map(|role| self.one_input(name, &ty, *role, input.ty.span)).collect();
        self.stack(parts?, input.ty.span)
    }

    /// The name by which data are given.
    fn input_label(&mut self, input: &ast::Input) -> Option<String> {
        let label = input.label.as_ref().unwrap_or(&input.name);
        if !plain_name(&label.name) || label.name.contains('[') {
            return self.error(
                "an input is given by its name",
                label.span,
                "use letters, digits, `_`, `-` and `.`",
            );
        }
        if !self.input_labels.insert(label.name.clone()) {
            return self.error(
                format!("two inputs are named \"{}\"", label.name),
                label.span,
                "the second",
            );
        }
        Some(label.name.clone())
    }

    fn one_input(&mut self, name: &str, ty: &Ty, role: u32, span: Span) -> Option<Tensor> {
        let decl = InputDecl {
            name: name.to_string(),
            role,
            data: ty.elem.data(),
            shape: ty.shape.clone(),
            vis: ty.vis,
        };
        let id = self.b.input_decl(decl);
        let v = self.b.input(id);
        let v = match ty.vis {
            Vis::Secret => self.b.share(v),
            Vis::Clear => self.b.publish(v),
            Vis::Private(owner) if owner == role => v,
            Vis::Private(_) => {
                let message = Diagnostic::error(
                    "this input is private to another role than the one that gives it",
                    span,
                    "",
                );
                return self.fail(message.help("take it as `secret`, and `reveal(…, to = ROLE)`"));
            }
        };
        Some(Tensor { ty: ty.clone(), v })
    }

    pub(super) fn output(&mut self, output: &'a ast::Output, span: Span) -> Option<()> {
        self.at_top("output", span)?;
        let val = self.expr(&output.value);
        let receivers = self.receivers(&output.receivers);
        let name = self.output_name(output);
        let t = self.tensor(val?, output.value.span)?;
        let (receivers, name) = (receivers?, name?);
        let decl = OutputDecl {
            name,
            data: t.ty.elem.data(),
            shape: t.ty.shape.clone(),
            receivers: receivers.clone(),
        };
        let id = self.b.output_decl(decl);
        self.at(span);
        match (&receivers, t.ty.vis) {
            (_, Vis::Clear) => self.b.output(id, t.v),
            (Receivers::All, Vis::Secret) => {
                let v = self.b.reveal(t.v);
                self.b.output(id, v);
            }
            (Receivers::All, Vis::Private(_)) => {
                let v = self.b.publish(t.v);
                self.b.output(id, v);
            }
            (Receivers::Roles(roles), Vis::Private(owner)) if *roles == [owner] => {
                self.b.output(id, t.v)
            }
            (Receivers::Roles(roles), _) => {
                let t = self.to_vis(&t, Vis::Secret)?;
                for role in roles {
                    let v = self.b.reveal_to(t.v, *role);
                    self.b.output(id, v);
                }
            }
        }
        Some(())
    }

    fn receivers(&mut self, list: &'a [ast::RoleRef]) -> Option<Receivers> {
        if let [one] = list
            && one.name.name == "all"
            && one.index.is_none()
        {
            return Some(Receivers::All);
        }
        let mut roles = vec![];
        for role in list {
            if role.name.name == "all" {
                return self.error(
                    "`all` stands alone",
                    role.span,
                    "everybody includes the other receivers",
                );
            }
            roles.extend(self.roles_of(role)?);
        }
        roles.sort_unstable();
        roles.dedup();
        Some(Receivers::Roles(roles))
    }

    fn output_name(&mut self, output: &ast::Output) -> Option<String> {
        let (name, span) = match (&output.name, &output.value.kind) {
            (Some(name), _) => (name.name.clone(), name.span),
            (None, ExprKind::Name(name)) => (name.clone(), output.value.span),
            (None, _) => {
                let message = Diagnostic::error(
                    "this output has no name",
                    output.value.span,
                    "not a plain name",
                );
                return self.fail(message.help("output … to all as \"name\";"));
            }
        };
        if !plain_name(&name) {
            return self.error(
                "an output is written under its name",
                span,
                "use letters, digits, `_`, `-` and `.`",
            );
        }
        if self.output_names.contains(&name) {
            return self.error(format!("two outputs are named \"{name}\""), span, "the second");
        }
        self.output_names.push(name.clone());
        Some(name)
    }

    /// Names given on the command line that the program does not have.
    pub(super) fn unused_options(&mut self) {
        let root = &self.program.modules[0];
        let constants = root
            .names
            .iter()
            .filter(|(_, d)| matches!(d, Def::Const(0, _)))
            .map(|(n, _)| n.as_str());
        let mut known: Vec<&str> = constants.chain(self.sizes.keys().map(String::as_str)).collect();
        known.sort_unstable();
        let unused: Vec<String> = self
            .options
            .defines
            .keys()
            .filter(|n| !self.used_defines.contains(*n))
            .cloned()
            .collect();
        let known: Vec<String> = known.into_iter().map(String::from).collect();
        for name in unused {
            let mut message = Diagnostic::global(format!(
                "`-D {name}`: the program has no constant or size of that name"
            ));
            if let Some(near) = did_you_mean(&name, known.iter().map(String::as_str)) {
                message = message.help(format!("did you mean `{near}`?"));
            }
            self.report(message);
        }
    }
}

/// Whether a name can stand on a command line and be that of a file.
fn plain_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(plain)
}

/// The value of a define.
fn parse_define(text: &str) -> Option<Val> {
    let text = text.trim();
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |d| (true, d));
    if !negative && let Some(b) = BTreeMap::from([("true", true), ("false", false)]).get(text) {
        return Some(Val::Bool(*b));
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let n = Number::parse_int(digits).or_else(|| Number::parse_decimal(digits))?;
    Some(Val::Number(if negative { n.negated() } else { n }))
}

fn is_known(val: &Val) -> bool {
    match val {
        Val::Number(_) | Val::Bool(_) => true,
        Val::List(items) => items.iter().all(is_known),
        _ => false,
    }
}

/// Numbers of a `fix` constant: decimal, even when written as integers.
fn as_decimal(val: Val) -> Val {
    match val {
        Val::Number(n) => Val::Number(n.decimal()),
        Val::List(items) => Val::List(items.into_iter().map(as_decimal).collect()),
        other => other,
    }
}

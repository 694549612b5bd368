//! Names: every name has a meaning, no function calls itself, nothing is computed or revealed for nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Def, Module, ModuleId, Program, library};
use crate::diagnostics::{Diagnostic, did_you_mean};
use crate::parse::ast::*;
use crate::source::Span;

/// Checks all modules.
pub fn check(program: &Program, messages: &mut Vec<Diagnostic>) {
    let free: Vec<String> = match program.modules.first() {
        Some(root) => free_sizes(&root.ast, &root.names).into_iter().map(|i| i.name).collect(),
        None => vec![],
    };
    let mut graph: CallGraph = BTreeMap::new();
    for (id, module) in program.modules.iter().enumerate() {
        let mut checker = Checker {
            program,
            module,
            id,
            sizes: if id == 0 { &free } else { &[] },
            messages,
            scope: vec![],
            roles: roles(&module.ast),
            calls: vec![],
        };
        checker.module(&mut graph);
    }
    recursion(program, &graph, messages);
}

type CallGraph = BTreeMap<(ModuleId, usize), Vec<((ModuleId, usize), Span)>>;

struct Local {
    name: String,
    span: Span,
    used: bool,
    /// Whether it is reported when unused.
    watched: bool,
    revealed: bool,
}

struct Checker<'a> {
    program: &'a Program,
    module: &'a Module,
    id: ModuleId,
    sizes: &'a [String],
    messages: &'a mut Vec<Diagnostic>,
    scope: Vec<Local>,
    roles: BTreeSet<String>,
    calls: Vec<((ModuleId, usize), Span)>,
}

fn roles(file: &File) -> BTreeSet<String> {
    let decls = file
        .items
        .iter()
        .filter_map(|i| if let Item::Role(roles, _) = i { Some(roles) } else { None });
    decls.flatten().map(|r| r.name.name.clone()).collect()
}

impl Checker<'_> {
    fn module(&mut self, graph: &mut CallGraph) {
        let module = self.module;
        let states = module
            .ast
            .items
            .iter()
            .filter_map(|i| if let Item::State(s) = i { Some(&s.name) } else { None });
        for state in states {
            self.declare(state, false, false);
        }
        for (i, item) in module.ast.items.iter().enumerate() {
            if self.id != 0 {
                self.only_definitions(item);
            }
            match item {
                Item::Fn(f) => {
                    let outer = std::mem::take(&mut self.scope);
                    // What statements above call is no call of this function.
                    self.calls.clear();
                    self.function(f);
                    self.scope = outer;
                    graph.insert((self.id, i), std::mem::take(&mut self.calls));
                }
                Item::Const(c) => {
                    self.ty(&c.ty);
                    c.value.iter().for_each(|e| self.expr(e));
                }
                Item::State(s) => self.ty(&s.ty),
                Item::Entry(e) => self.block(&e.body),
                Item::Stmt(s) => self.stmt(s),
                Item::Role(roles, _) => {
                    roles.iter().filter_map(|r| r.count.as_ref()).for_each(|e| self.expr(e))
                }
                Item::Use(_) | Item::Circuit(_) => {}
            }
        }
        self.leave(0);
    }

    fn only_definitions(&mut self, item: &Item) {
        let (what, span) = match item {
            Item::Role(_, span) => ("a role", *span),
            Item::State(s) => ("a state", s.span),
            Item::Entry(e) => ("an entry point", e.name.span),
            Item::Stmt(s) if s.kind != StmtKind::Error => ("a statement", s.span),
            _ => return,
        };
        let message = Diagnostic::error(
            format!("{what} in a module that is imported"),
            span,
            "only the main file may have this",
        );
        self.messages.push(message.help("an imported module holds `fn`, `const` and `use`"));
    }

    fn declare(&mut self, name: &Ident, watched: bool, revealed: bool) {
        let watched = watched && !name.name.starts_with('_');
        self.scope.push(Local {
            name: name.name.clone(),
            span: name.span,
            used: false,
            watched,
            revealed,
        });
    }

    fn leave(&mut self, depth: usize) {
        for local in self.scope.split_off(depth) {
            if local.used || !local.watched {
                continue;
            }
            let message = if local.revealed {
                Diagnostic::error(
                    format!("the revealed value `{}` is not used", local.name),
                    local.span,
                    "this tells a secret for nothing",
                )
                .help("leave it out")
            } else {
                Diagnostic::warning(format!("`{}` is not used", local.name), local.span, "")
                    .help(format!("if that is meant, name it `_{}`", local.name))
            };
            self.messages.push(message);
        }
    }

    fn function(&mut self, f: &Function) {
        let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
        for name in f.generics.iter().chain(f.params.iter().map(|p| &p.name)) {
            if let Some(before) = seen.insert(&name.name, name.span) {
                let message = Diagnostic::error(
                    format!("`{}` is declared twice", name.name),
                    name.span,
                    "the second",
                )
                .also(before, "the first");
                self.messages.push(message);
            }
            self.declare(name, false, false);
        }
        for p in &f.params {
            self.ty(&p.ty);
            p.default.iter().for_each(|e| self.expr(e));
        }
        match &f.result {
            Some(ResultType::One(ty)) => self.ty(ty),
            Some(ResultType::Tuple(types, _)) => types.iter().for_each(|t| self.ty(t)),
            None => {}
        }
        self.block(&f.body);
        self.leave(0);
    }

    fn block(&mut self, block: &Block) {
        let depth = self.scope.len();
        block.stmts.iter().for_each(|s| self.stmt(s));
        block.tail.iter().for_each(|e| self.expr(e));
        self.leave(depth);
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Let { names, ty, value, .. } => {
                ty.iter().for_each(|t| self.ty(t));
                self.expr(value);
                let revealed = matches!(&value.kind, ExprKind::Call { callee, args } if callee.len() == 1 && callee[0].name == "reveal" && args.len() == 1);
                names.iter().for_each(|n| self.declare(n, true, revealed));
            }
            StmtKind::Assign { place, value, op } => {
                self.expr(value);
                match (&place.kind, op) {
                    // To overwrite is not to use.
                    (ExprKind::Name(name), None) if self.scope.iter().any(|l| l.name == *name) => {}
                    _ => self.expr(place),
                }
            }
            StmtKind::For { var, lo, hi, body, .. } => {
                self.expr(lo);
                self.expr(hi);
                let depth = self.scope.len();
                self.declare(var, false, false);
                self.block(body);
                self.leave(depth);
            }
            StmtKind::While { cond, body } => {
                self.expr(cond);
                self.block(body);
            }
            StmtKind::If(branch) => self.branch(branch),
            StmtKind::Input(input) => {
                self.ty(&input.ty);
                self.role(&input.role);
                self.declare(&input.name, true, false);
            }
            StmtKind::Output(output) => {
                self.expr(&output.value);
                output.receivers.iter().for_each(|r| self.role(r));
            }
            StmtKind::Expr(e) => self.expr(e),
            StmtKind::Error => {}
        }
    }

    fn branch(&mut self, branch: &If) {
        self.expr(&branch.cond);
        self.block(&branch.then);
        match branch.otherwise.as_deref() {
            Some(Else::Block(b)) => self.block(b),
            Some(Else::If(i)) => self.branch(i),
            None => {}
        }
    }

    fn role(&mut self, role: &RoleRef) {
        role.index.iter().for_each(|e| self.expr(e));
    }

    fn ty(&mut self, ty: &Type) {
        match &ty.vis {
            Some(Vis::Named(name)) => self.type_name(name),
            Some(Vis::Private(role)) => self.role(role),
            _ => {}
        }
        self.elem(&ty.elem);
        ty.shape.iter().flatten().for_each(|e| self.expr(e));
    }

    fn elem(&mut self, elem: &Elem) {
        match &elem.kind {
            ElemKind::Int(Some(k)) | ElemKind::Wrap(k) => self.expr(k),
            ElemKind::Fix(Some(kf)) => {
                self.expr(&kf.0);
                self.expr(&kf.1);
            }
            ElemKind::Named(name) => self.type_name(name),
            ElemKind::Int(None) | ElemKind::Fix(None) | ElemKind::Bool => {}
        }
    }

    fn type_name(&mut self, name: &Ident) {
        if !self.mark(&name.name) {
            let mut message =
                Diagnostic::error(format!("unknown type `{}`", name.name), name.span, "")
                    .expected("`int`, `fix`, `wrap<k>` or `bool`", format!("`{}`", name.name));
            message = match name.name.as_str() {
                "float" | "double" | "f32" | "f64" | "sfix" | "fixed" => {
                    message.help("fixed-point numbers are `fix`")
                }
                "i32" | "i64" | "u32" | "u64" | "uint" | "integer" | "sint" => {
                    message.help("integers are `int` or `int<k>`")
                }
                "public" => message.help("what all may know is `clear`"),
                _ => message.help(
                    "a generic parameter is declared after the function's name: `fn f<T>(…)`",
                ),
            };
            self.messages.push(message);
        }
    }

    /// Marks the innermost local of that name as used.
    fn mark(&mut self, name: &str) -> bool {
        match self.scope.iter_mut().rev().find(|l| l.name == name) {
            Some(local) => {
                local.used = true;
                true
            }
            None => false,
        }
    }

    fn resolve(&self, path: &str) -> Option<Def> {
        let mut module = self.module;
        let mut parts = path.split("::").peekable();
        while let Some(part) = parts.next() {
            match *module.names.get(part)? {
                Def::Module(m) if parts.peek().is_some() => module = &self.program.modules[m],
                Def::Broken => return Some(Def::Broken),
                def => return parts.peek().is_none().then_some(def),
            }
        }
        None
    }

    fn name(&mut self, name: &str, span: Span) {
        let known = self.mark(name)
            || self.sizes.iter().any(|s| s == name)
            || self.resolve(name).is_some()
            || self.roles.contains(name);
        if !known {
            self.unknown("name", name, span, false);
        }
    }

    fn unknown(&mut self, kind: &str, name: &str, span: Span, function: bool) {
        let mut message =
            Diagnostic::error(format!("unknown {kind} `{name}`"), span, "not found in this scope");
        let mut candidates: Vec<String> = self.module.names.keys().cloned().collect();
        if function {
            candidates.extend(crate::lower::builtin_names().map(String::from));
        } else {
            candidates.extend(self.scope.iter().map(|l| l.name.clone()));
            candidates.extend(self.sizes.iter().cloned());
        }
        let in_library = library().find(|(_, text): &(&str, &str)| {
            [format!("fn {name}("), format!("fn {name}<")].iter().any(|d| text.contains(d))
        });
        if let Some((module, _)) = in_library.filter(|_| function) {
            message = message.help(format!("use stdlib::{module}::{{{name}}};"));
        } else if let Some(near) = did_you_mean(name, candidates.iter().map(String::as_str)) {
            message = message.help(format!("did you mean `{near}`?"));
        } else if !function && crate::lower::builtin_names().any(|b| b == name) {
            message = message.help(format!("`{name}` is a function: `{name}(…)`"));
        }
        self.messages.push(message);
    }

    fn call(&mut self, callee: &[Ident]) {
        let Some(last) = callee.last() else { return };
        let path = callee.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join("::");
        if callee.len() == 1 && self.mark(&path) {
            return;
        }
        match self.resolve(&path) {
            Some(Def::Fn(module, item)) => self.calls.push(((module, item), last.span)),
            Some(_) => {}
            None if crate::lower::builtin_names().any(|b| b == path) => {}
            None => self.unknown("function", &path, callee[0].span.to(last.span), true),
        }
    }

    fn expr(&mut self, e: &Expr) {
        match &e.kind {
            ExprKind::Int(_)
            | ExprKind::Decimal(_)
            | ExprKind::Bool(_)
            | ExprKind::Text(_)
            | ExprKind::Error => {}
            ExprKind::Name(name) => self.name(name, e.span),
            ExprKind::Unary(_, a) | ExprKind::Field(a, _) | ExprKind::Paren(a) => self.expr(a),
            ExprKind::Binary(_, a, b, _) => {
                self.expr(a);
                self.expr(b);
            }
            ExprKind::Call { callee, args } => {
                self.call(callee);
                args.iter().for_each(|a| self.expr(&a.value));
            }
            ExprKind::Convert { elem, args } => {
                self.elem(elem);
                args.iter().for_each(|a| self.expr(&a.value));
            }
            ExprKind::Type(ty) => self.ty(ty),
            ExprKind::Index(base, items) => {
                self.expr(base);
                for item in items {
                    match item {
                        IndexItem::At(e) => self.expr(e),
                        IndexItem::Range(a, b, _) => a.iter().chain(b).for_each(|e| self.expr(e)),
                        IndexItem::All(_) => {}
                    }
                }
            }
            ExprKind::Tuple(items) | ExprKind::List(items) => {
                items.iter().for_each(|e| self.expr(e))
            }
            ExprKind::If(branch) => self.branch(branch),
        }
    }
}

/// Reports each circle of calls once.
fn recursion(program: &Program, graph: &CallGraph, messages: &mut Vec<Diagnostic>) {
    let mut done: BTreeSet<(ModuleId, usize)> = BTreeSet::new();
    for &start in graph.keys() {
        // Depth first without recursion: a path of functions and the next call of each.
        let mut path: Vec<((ModuleId, usize), usize)> = vec![(start, 0)];
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            let Some(&(callee, span)) = graph.get(&node).and_then(|calls| calls.get(*next)) else {
                done.insert(node);
                path.pop();
                continue;
            };
            *next += 1;
            if let Some(at) = path.iter().position(|(n, _)| *n == callee) {
                let name =
                    |(m, i): (ModuleId, usize)| program.modules[m].function(i).name.name.clone();
                let mut circle: Vec<String> = path[at..].iter().map(|(n, _)| name(*n)).collect();
                circle.push(name(callee));
                let message = Diagnostic::error(
                    format!("`{}` calls itself", name(callee)),
                    span,
                    "recursion is refused",
                )
                .note(circle.join(" calls "))
                .help("use a loop; the number of steps must be public");
                messages.push(message);
            } else if !done.contains(&callee) {
                path.push((callee, 0));
            }
        }
    }
}

/// All inputs of a file with the place of their type.
pub fn inputs(file: &File) -> Vec<(&Input, Span)> {
    statements(file)
        .filter_map(|s| if let StmtKind::Input(i) = &s.kind { Some((i, i.ty.span)) } else { None })
        .collect()
}

fn statements(file: &File) -> impl Iterator<Item = &Stmt> {
    file.items.iter().flat_map(|item| match item {
        Item::Stmt(s) => std::slice::from_ref(s).iter(),
        Item::Entry(e) => e.body.stmts.iter(),
        _ => [].iter(),
    })
}

/// Names that stand alone as a size in the type of an input or a state and are defined nowhere: the data give them.
pub fn free_sizes(file: &File, names: &BTreeMap<String, Def>) -> Vec<Ident> {
    let mut out: Vec<Ident> = vec![];
    let states =
        file.items.iter().filter_map(|i| if let Item::State(s) = i { Some(&s.ty) } else { None });
    for ty in inputs(file).into_iter().map(|(i, _)| &i.ty).chain(states) {
        for e in ty.shape.iter().flatten() {
            if let ExprKind::Name(name) = &e.kind
                && !names.contains_key(name)
                && !out.iter().any(|o| o.name == *name)
            {
                out.push(Ident { name: name.clone(), span: e.span });
            }
        }
    }
    out
}

/// Calls `f` with every expression of a statement, outermost first.
fn walk_stmt(stmt: &Stmt, f: &mut dyn FnMut(&Expr)) {
    match &stmt.kind {
        StmtKind::Let { value, .. } => walk(value, f),
        StmtKind::Assign { place, value, .. } => {
            walk(place, f);
            walk(value, f);
        }
        StmtKind::For { lo, hi, body, .. } => {
            walk(lo, f);
            walk(hi, f);
            walk_block(body, f);
        }
        StmtKind::While { cond, body } => {
            walk(cond, f);
            walk_block(body, f);
        }
        StmtKind::If(branch) => walk_if(branch, f),
        StmtKind::Output(o) => walk(&o.value, f),
        StmtKind::Expr(e) => walk(e, f),
        StmtKind::Input(_) | StmtKind::Error => {}
    }
}

fn walk_block(block: &Block, f: &mut dyn FnMut(&Expr)) {
    block.stmts.iter().for_each(|s| walk_stmt(s, f));
    block.tail.iter().for_each(|e| walk(e, f));
}

fn walk_if(branch: &If, f: &mut dyn FnMut(&Expr)) {
    walk(&branch.cond, f);
    walk_block(&branch.then, f);
    match branch.otherwise.as_deref() {
        Some(Else::Block(b)) => walk_block(b, f),
        Some(Else::If(i)) => walk_if(i, f),
        None => {}
    }
}

fn walk(e: &Expr, f: &mut dyn FnMut(&Expr)) {
    f(e);
    match &e.kind {
        ExprKind::Unary(_, a) | ExprKind::Field(a, _) | ExprKind::Paren(a) => walk(a, f),
        ExprKind::Binary(_, a, b, _) => {
            walk(a, f);
            walk(b, f);
        }
        ExprKind::Call { args, .. } | ExprKind::Convert { args, .. } => {
            args.iter().for_each(|a| walk(&a.value, f))
        }
        ExprKind::Index(base, items) => {
            walk(base, f);
            for item in items {
                match item {
                    IndexItem::At(e) => walk(e, f),
                    IndexItem::Range(a, b, _) => a.iter().chain(b).for_each(|e| walk(e, f)),
                    IndexItem::All(_) => {}
                }
            }
        }
        ExprKind::Tuple(items) | ExprKind::List(items) => items.iter().for_each(|e| walk(e, f)),
        ExprKind::If(branch) => walk_if(branch, f),
        _ => {}
    }
}

/// Whether an expression contains a name.
pub fn expr_mentions(e: &Expr, name: &str) -> bool {
    let mut found = false;
    walk(e, &mut |e| found |= matches!(&e.kind, ExprKind::Name(n) if n == name));
    found
}

/// Whether a statement contains a name.
pub fn mentions(stmt: &Stmt, name: &str) -> bool {
    let mut found = false;
    walk_stmt(stmt, &mut |e| found |= matches!(&e.kind, ExprKind::Name(n) if n == name));
    found
}

/// Names that a block assigns to, blocks in it included.
pub fn assigned_names(block: &Block, out: &mut Vec<String>) {
    block.stmts.iter().for_each(|s| assigned_in(s, out));
    if let Some(tail) = &block.tail {
        walk(tail, &mut |e| {
            if let ExprKind::If(branch) = &e.kind {
                assigned_in_if(branch, out);
            }
        });
    }
}

/// Names that a statement assigns to, blocks in it included.
fn assigned_in(stmt: &Stmt, out: &mut Vec<String>) {
    match &stmt.kind {
        StmtKind::Assign { place, .. } => {
            let mut base = place;
            while let ExprKind::Index(inner, _) = &base.kind {
                base = inner;
            }
            if let ExprKind::Name(name) = &base.kind {
                out.push(name.clone());
            }
        }
        StmtKind::For { body, .. } | StmtKind::While { body, .. } => assigned_names(body, out),
        StmtKind::If(branch) => assigned_in_if(branch, out),
        _ => {}
    }
    // `if` may stand in an expression, with statements in it.
    if let StmtKind::Let { value, .. } | StmtKind::Assign { value, .. } | StmtKind::Expr(value) =
        &stmt.kind
    {
        let mut inner = vec![];
        walk(value, &mut |e| {
            if let ExprKind::If(branch) = &e.kind {
                assigned_in_if(branch, &mut inner);
            }
        });
        out.append(&mut inner);
    }
}

fn assigned_in_if(branch: &If, out: &mut Vec<String>) {
    assigned_names(&branch.then, out);
    match branch.otherwise.as_deref() {
        Some(Else::Block(b)) => assigned_names(b, out),
        Some(Else::If(i)) => assigned_in_if(i, out),
        None => {}
    }
}

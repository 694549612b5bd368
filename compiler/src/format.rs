//! The printer behind `mpcc fmt`: one way to write a program, comments kept, and a second run that changes nothing.
//!
//! Statements stand one to a line, in blocks indented by four; lines are broken at [`WIDTH`] where there is a place to. One empty line
//! between statements is kept. Comments at the ends of neighbouring lines are aligned. A comment inside a statement moves before it.

use crate::Failure;
use crate::diagnostics::Diagnostic;
use crate::parse::{self, ast::*};
use crate::source::{SourceMap, Span};

/// Longest line, in characters, where there is a place to break it.
const WIDTH: usize = 100;
/// Stands between code and the comment at its end until they are aligned.
const MARK: char = '\u{1}';

/// The text of a file as it should be written.
///
/// # Errors
/// The syntax errors of a file that cannot be read.
pub fn format(name: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    let mut sources = SourceMap::default();
    let Ok(text) = String::from_utf8(bytes) else {
        return Err(Failure {
            diagnostics: vec![Diagnostic::global(format!("{name} is not valid UTF-8"))],
            sources,
        });
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n");
    let file = sources.add(name, text.clone());
    let (ast, diagnostics) = parse::parse(file, &text);
    if !diagnostics.is_empty() {
        return Err(Failure { diagnostics, sources });
    }
    let mut printer =
        Printer { text: &text, comments: &ast.comments, next: 0, out: String::new(), last: 0 };
    printer.items(&ast.items);
    Ok(align(&printer.out))
}

struct Printer<'a> {
    text: &'a str,
    comments: &'a [Comment],
    /// First comment that is not printed yet.
    next: usize,
    out: String,
    /// Where in the source the last thing printed ended.
    last: usize,
}

impl Printer<'_> {
    fn items(&mut self, items: &[Item]) {
        for item in items {
            let span = item_span(item);
            self.lead(span, 0);
            self.item(item);
            self.trail(span);
        }
        self.rest(self.text.len(), 0);
    }

    /// Comments and at most one empty line before what starts at `span`.
    fn lead(&mut self, span: Span, indent: usize) {
        self.rest(span.start as usize, indent);
        self.gap(span.start as usize);
        self.pad(indent);
    }

    /// Comments that start before `end`, each on a line of its own.
    fn rest(&mut self, end: usize, indent: usize) {
        while let Some(c) = self.comments.get(self.next).filter(|c| (c.span.start as usize) < end) {
            self.next += 1;
            self.gap(c.span.start as usize);
            self.pad(indent);
            self.out.push_str(&c.text);
            self.out.push('\n');
            self.last = c.span.end as usize;
        }
    }

    fn gap(&mut self, start: usize) {
        let between = self.text.get(self.last..start).unwrap_or("");
        let lines = between.matches('\n').count();
        let at_start = self.out.is_empty() || self.out.ends_with("{\n");
        if lines > 1 && !at_start && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    fn pad(&mut self, indent: usize) {
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    /// Ends the line, with a comment that stood at its end.
    fn trail(&mut self, span: Span) {
        self.last = span.end as usize;
        if let Some(c) = self.comments.get(self.next) {
            let between = self.text.get(self.last..c.span.start as usize).unwrap_or("\n");
            if !between.contains('\n') && between.trim().is_empty() {
                self.next += 1;
                self.out.push(MARK);
                self.out.push_str(&c.text);
                self.last = c.span.end as usize;
            }
        }
        self.out.push('\n');
    }

    /// Comments inside `span` go before it: what is printed of it has no place for them.
    fn hoist(&mut self, span: Span, indent: usize) {
        let inside = |c: &&Comment| c.span.start < span.end;
        let mut moved = String::new();
        while let Some(c) = self.comments.get(self.next).filter(inside) {
            self.next += 1;
            moved.push_str(&c.text);
            moved.push('\n');
            moved.extend(std::iter::repeat_n(' ', indent));
        }
        self.out.push_str(&moved);
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Fn(f) => {
                self.hoist(Span { end: f.body.span.start, ..f.span }, 0);
                let head = signature(f);
                self.out.push_str(&head);
                self.block(&f.body, 0);
            }
            Item::Entry(e) => {
                self.hoist(Span { end: e.body.span.start, ..e.span }, 0);
                self.out.push_str(&format!("entry {} ", e.name.name));
                self.block(&e.body, 0);
            }
            Item::Stmt(s) => self.stmt(s, 0),
            other => {
                self.hoist(item_span(other), 0);
                let line = plain_item(other);
                self.out.push_str(&line);
            }
        }
    }

    /// A block from its brace on, without the end of the line.
    fn block(&mut self, block: &Block, indent: usize) {
        if !self.one_line(block) {
            self.long_block(block, indent);
        }
    }

    fn long_block(&mut self, block: &Block, indent: usize) {
        self.out.push('{');
        self.last = block.span.start as usize + 1;
        let empty = block.stmts.is_empty() && block.tail.is_none();
        let comments = self.comments.get(self.next).is_some_and(|c| c.span.start < block.span.end);
        if empty && !comments {
            self.out.push('}');
            self.last = block.span.end as usize;
            return;
        }
        self.trail(Span { end: block.span.start + 1, ..block.span });
        for stmt in &block.stmts {
            self.lead(stmt.span, indent + 4);
            self.stmt(stmt, indent + 4);
            self.trail(stmt.span);
        }
        if let Some(tail) = &block.tail {
            self.lead(tail.span, indent + 4);
            self.expr_line("", tail, "", tail.span, indent + 4);
            self.trail(tail.span);
        }
        self.rest(block.span.end as usize, indent + 4);
        self.pad(indent);
        self.out.push('}');
        self.last = block.span.end as usize;
    }

    /// Prints a block that was one line and still can be.
    fn one_line(&mut self, block: &Block) -> bool {
        let source =
            self.text.get(block.span.start as usize..block.span.end as usize).unwrap_or("\n");
        let comments = self.comments.get(self.next).is_some_and(|c| c.span.start < block.span.end);
        if source.contains('\n')
            || comments
            || block.stmts.len() + usize::from(block.tail.is_some()) != 1
        {
            return false;
        }
        let inner = match (&block.tail, block.stmts.first()) {
            (Some(tail), _) => flat(tail),
            (None, Some(stmt)) => match flat_stmt(stmt) {
                Some(text) => text,
                None => return false,
            },
            (None, None) => return false,
        };
        let column = self.column();
        if inner.contains('\n') || column + inner.chars().count() + 4 > WIDTH {
            return false;
        }
        self.out.push_str(&format!("{{ {inner} }}"));
        self.last = block.span.end as usize;
        true
    }

    fn column(&self) -> usize {
        self.out.rsplit('\n').next().map_or(0, |l| l.chars().count())
    }

    fn stmt(&mut self, stmt: &Stmt, indent: usize) {
        match &stmt.kind {
            StmtKind::For { var, unroll, lo, hi, body } => {
                self.hoist(Span { end: body.span.start, ..stmt.span }, indent);
                let word = if *unroll { "unroll for" } else { "for" };
                self.out.push_str(&format!("{word} {} in {}..{} ", var.name, flat(lo), flat(hi)));
                self.block(body, indent);
            }
            StmtKind::While { cond, body } => {
                self.hoist(Span { end: body.span.start, ..stmt.span }, indent);
                self.out.push_str(&format!("while {} ", flat(cond)));
                self.block(body, indent);
            }
            StmtKind::If(branch) => self.branch(branch, indent),
            StmtKind::Let { mutable, names, tuple, ty, value } => {
                let names = names.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(", ");
                let names = if *tuple { format!("({names})") } else { names };
                let ty = ty.as_ref().map_or(String::new(), |t| format!(": {}", type_text(t)));
                let word = if *mutable { "var" } else { "let" };
                self.expr_line(&format!("{word} {names}{ty} = "), value, ";", stmt.span, indent);
            }
            StmtKind::Assign { place, op, value } => {
                let op = op.map_or("", BinaryOp::symbol);
                self.expr_line(&format!("{} {op}= ", flat(place)), value, ";", stmt.span, indent);
            }
            StmtKind::Output(o) => {
                self.expr_line("output ", &o.value, &output_tail(o), stmt.span, indent)
            }
            StmtKind::Expr(e) => self.expr_line("", e, ";", stmt.span, indent),
            StmtKind::Input(i) => {
                self.hoist(stmt.span, indent);
                self.out.push_str(&input_text(i));
            }
            StmtKind::Error => {}
        }
    }

    fn branch(&mut self, branch: &If, indent: usize) {
        let short = self.one_line_branch(branch);
        self.branches(branch, indent, short);
    }

    /// Whether all blocks of an `if` can stay in one line; if one cannot, none does.
    fn one_line_branch(&self, branch: &If) -> bool {
        let text = self.text.get(branch.span.start as usize..branch.span.end as usize);
        let room = WIDTH.saturating_sub(self.column());
        !text.unwrap_or("\n").contains('\n')
            && one_line_if(branch).is_some_and(|t| !t.contains('\n') && t.chars().count() <= room)
    }

    fn branches(&mut self, branch: &If, indent: usize, short: bool) {
        self.hoist(Span { end: branch.then.span.start, ..branch.span }, indent);
        self.out.push_str(&format!("if {} ", flat(&branch.cond)));
        self.arm(&branch.then, indent, short);
        match branch.otherwise.as_deref() {
            None => {}
            Some(Else::Block(b)) => {
                self.out.push_str(" else ");
                self.arm(b, indent, short);
            }
            Some(Else::If(i)) => {
                self.out.push_str(" else ");
                self.branches(i, indent, short);
            }
        }
    }

    fn arm(&mut self, block: &Block, indent: usize, short: bool) {
        if short { self.block(block, indent) } else { self.long_block(block, indent) }
    }

    /// `before e after` in one line or, if that is too long, broken inside the expression.
    fn expr_line(&mut self, before: &str, e: &Expr, after: &str, span: Span, indent: usize) {
        if let ExprKind::If(branch) = &e.kind
            && self.long_branch(branch, indent + before.len() + after.len())
        {
            self.out.push_str(before);
            self.branch(branch, indent);
            self.out.push_str(after);
            return;
        }
        self.hoist(span, indent);
        self.out.push_str(before);
        let text = fit(e, indent, self.column(), after.chars().count());
        self.out.push_str(&text);
        self.out.push_str(after);
    }

    fn long_branch(&self, branch: &If, used: usize) -> bool {
        let comments = self.comments.get(self.next).is_some_and(|c| c.span.start < branch.span.end);
        comments
            || flat_if(branch).is_none_or(|t| t.contains('\n') || used + t.chars().count() > WIDTH)
    }
}

/// Aligns the comments at the ends of neighbouring lines.
fn align(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let width = |line: &str| line.split(MARK).next().map_or(0, |code| code.chars().count());
    let mut out = String::new();
    let mut i = 0;
    while i < lines.len() {
        let run = lines[i..].iter().take_while(|l| l.contains(MARK)).count();
        let column = lines[i..i + run].iter().map(|l| width(l)).max().unwrap_or(0) + 2;
        for line in &lines[i..i + run.max(1)] {
            match line.split_once(MARK) {
                Some((code, comment)) => {
                    out.push_str(code);
                    out.extend(std::iter::repeat_n(' ', column - width(line)));
                    out.push_str(comment);
                }
                None => out.push_str(line),
            }
            out.push('\n');
        }
        i += run.max(1);
    }
    out
}

fn item_span(item: &Item) -> Span {
    match item {
        Item::Use(u) => u.span,
        Item::Role(_, span) => *span,
        Item::Const(c) => c.span,
        Item::Fn(f) => f.span,
        Item::State(s) => s.span,
        Item::Circuit(c) => c.span,
        Item::Entry(e) => e.span,
        Item::Stmt(s) => s.span,
    }
}

fn names_text(names: &[Ident], separator: &str) -> String {
    names.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(separator)
}

/// Items that are one line.
fn plain_item(item: &Item) -> String {
    match item {
        Item::Use(u) => {
            let path = names_text(&u.path, "::");
            match (u.braces, u.names.is_empty()) {
                (true, _) => format!("use {path}::{{{}}};", names_text(&u.names, ", ")),
                (false, true) => format!("use {path};"),
                (false, false) => format!("use {path}::{};", names_text(&u.names, ", ")),
            }
        }
        Item::Role(roles, _) => {
            let one = |r: &RoleDecl| match &r.count {
                Some(n) => format!("{}[{}]", r.name.name, flat(n)),
                None => r.name.name.clone(),
            };
            format!("role {};", roles.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        Item::Const(c) => {
            let head = format!("const {}: {}", c.name.name, type_text(&c.ty));
            match &c.value {
                Some(e) => format!("{head} = {};", fit(e, 0, head.chars().count() + 3, 1)),
                None => format!("{head};"),
            }
        }
        Item::Circuit(c) => format!("circuit {} = \"{}\";", c.name.name, c.file.name),
        Item::State(s) => format!("state {}: {};", s.name.name, type_text(&s.ty)),
        Item::Fn(_) | Item::Entry(_) | Item::Stmt(_) => String::new(),
    }
}

/// A function up to its body, broken after each parameter when it is long.
pub(crate) fn signature(f: &Function) -> String {
    let generics = if f.generics.is_empty() {
        String::new()
    } else {
        format!("<{}>", names_text(&f.generics, ", "))
    };
    let param = |p: &Param| {
        let word = if p.constant { "const " } else { "" };
        let default = p.default.as_ref().map_or(String::new(), |e| format!(" = {}", flat(e)));
        format!("{word}{}: {}{default}", p.name.name, type_text(&p.ty))
    };
    let params: Vec<String> = f.params.iter().map(param).collect();
    let result = match &f.result {
        None => String::new(),
        Some(ResultType::One(t)) => format!(" -> {}", type_text(t)),
        Some(ResultType::Tuple(types, _)) => {
            format!(" -> ({})", types.iter().map(type_text).collect::<Vec<_>>().join(", "))
        }
    };
    let line = format!("fn {}{generics}({}){result} ", f.name.name, params.join(", "));
    if line.chars().count() < WIDTH || params.is_empty() {
        return line;
    }
    let broken: String = params.iter().map(|p| format!("    {p},\n")).collect();
    format!("fn {}{generics}(\n{broken}){result} ", f.name.name)
}

fn input_text(i: &Input) -> String {
    let each = if i.each { "each " } else { "" };
    let label = label_text(i.label.as_ref());
    format!("input {}: {} from {each}{}{label};", i.name.name, type_text(&i.ty), role_text(&i.role))
}

fn output_tail(o: &Output) -> String {
    let receivers = o.receivers.iter().map(role_text).collect::<Vec<_>>().join(", ");
    format!(" to {receivers}{};", label_text(o.name.as_ref()))
}

fn label_text(name: Option<&Ident>) -> String {
    name.map_or(String::new(), |n| format!(" as \"{}\"", n.name))
}

fn role_text(role: &RoleRef) -> String {
    match &role.index {
        Some(e) => format!("{}[{}]", role.name.name, flat(e)),
        None => role.name.name.clone(),
    }
}

fn type_text(ty: &Type) -> String {
    let vis = match &ty.vis {
        None => String::new(),
        Some(Vis::Clear) => "clear ".into(),
        Some(Vis::Secret) => "secret ".into(),
        Some(Vis::Private(role)) => format!("private({}) ", role_text(role)),
        Some(Vis::Named(name)) => format!("{} ", name.name),
    };
    let shape = ty.shape.as_ref().map_or(String::new(), |s| format!("[{}]", list(s)));
    format!("{vis}{}{shape}", elem_text(&ty.elem))
}

fn elem_text(elem: &Elem) -> String {
    match &elem.kind {
        ElemKind::Int(None) => "int".into(),
        ElemKind::Int(Some(k)) => format!("int<{}>", flat(k)),
        ElemKind::Fix(None) => "fix".into(),
        ElemKind::Fix(Some(kf)) => format!("fix<{},{}>", flat(&kf.0), flat(&kf.1)),
        ElemKind::Wrap(k) => format!("wrap<{}>", flat(k)),
        ElemKind::Bool => "bool".into(),
        ElemKind::Named(name) => name.name.clone(),
    }
}

fn list(items: &[Expr]) -> String {
    items.iter().map(flat).collect::<Vec<_>>().join(", ")
}

fn arg_text(arg: &Arg) -> String {
    match &arg.name {
        Some(name) => format!("{} = {}", name.name, flat(&arg.value)),
        None => flat(&arg.value),
    }
}

/// A statement in one line, if it is one.
fn flat_stmt(stmt: &Stmt) -> Option<String> {
    match &stmt.kind {
        StmtKind::Assign { place, op, value } => {
            Some(format!("{} {}= {};", flat(place), op.map_or("", BinaryOp::symbol), flat(value)))
        }
        StmtKind::Expr(e) => Some(format!("{};", flat(e))),
        StmtKind::Output(o) => Some(format!("output {}{}", flat(&o.value), output_tail(o))),
        StmtKind::Input(i) => Some(input_text(i)),
        _ => None,
    }
}

/// An `if` without statements in one line.
fn flat_if(branch: &If) -> Option<String> {
    if_line(branch, &|b| if b.stmts.is_empty() { b.tail.as_ref().map(|t| flat(t)) } else { None })
}

/// An `if` with at most one statement in each block in one line.
fn one_line_if(branch: &If) -> Option<String> {
    if_line(branch, &|b| match (&b.tail, &b.stmts[..]) {
        (Some(tail), []) => Some(flat(tail)),
        (None, [one]) => flat_stmt(one),
        _ => None,
    })
}

fn if_line(branch: &If, block: &dyn Fn(&Block) -> Option<String>) -> Option<String> {
    let head = format!("if {} {{ {} }}", flat(&branch.cond), block(&branch.then)?);
    match branch.otherwise.as_deref() {
        None => Some(head),
        Some(Else::Block(b)) => Some(format!("{head} else {{ {} }}", block(b)?)),
        Some(Else::If(i)) => Some(format!("{head} else {}", if_line(i, block)?)),
    }
}

/// An `if` with statements as an operand: broken over lines, whatever is around it.
fn long_if(branch: &If) -> String {
    let block = |b: &Block| {
        let mut lines: Vec<String> = b.stmts.iter().map(|s| long_stmt(s, 4)).collect();
        lines.extend(b.tail.iter().map(|t| flat(t)));
        let body: String = lines.iter().map(|l| format!("    {l}\n")).collect();
        format!("{{\n{body}}}")
    };
    let head = format!("if {} {}", flat(&branch.cond), block(&branch.then));
    match branch.otherwise.as_deref() {
        None => head,
        Some(Else::Block(b)) => format!("{head} else {}", block(b)),
        Some(Else::If(i)) => format!("{head} else {}", long_if(i)),
    }
}

fn long_stmt(stmt: &Stmt, indent: usize) -> String {
    let mut printer = Printer { text: "", comments: &[], next: 0, out: String::new(), last: 0 };
    printer.stmt(stmt, indent);
    printer.out
}

/// An expression in one line.
fn flat(e: &Expr) -> String {
    match &e.kind {
        ExprKind::Int(t) | ExprKind::Decimal(t) | ExprKind::Name(t) => t.clone(),
        ExprKind::Bool(b) => b.to_string(),
        ExprKind::Text(t) => format!("\"{t}\""),
        ExprKind::Unary(op, a) => format!("{}{}", op.symbol(), flat(a)),
        ExprKind::Binary(..) => {
            let (first, rest) = chain(e);
            rest.iter().fold(flat(first), |text, (op, right)| {
                format!("{text} {} {}", op.symbol(), flat(right))
            })
        }
        ExprKind::Call { callee, args } => {
            format!(
                "{}({})",
                names_text(callee, "::"),
                args.iter().map(arg_text).collect::<Vec<_>>().join(", ")
            )
        }
        ExprKind::Convert { elem, args } => {
            format!(
                "{}({})",
                elem_text(elem),
                args.iter().map(arg_text).collect::<Vec<_>>().join(", ")
            )
        }
        ExprKind::Type(t) => type_text(t),
        ExprKind::Index(base, items) => {
            let one = |i: &IndexItem| match i {
                IndexItem::At(e) => flat(e),
                IndexItem::Range(a, b, _) => {
                    let end = |e: &Option<Box<Expr>>| e.as_ref().map_or(String::new(), |e| flat(e));
                    format!("{}..{}", end(a), end(b))
                }
                IndexItem::All(_) => ":".into(),
            };
            format!("{}[{}]", flat(base), items.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        ExprKind::Field(base, field) => format!("{}.{}", flat(base), field.name),
        ExprKind::Tuple(items) if items.len() == 1 => format!("({},)", list(items)),
        ExprKind::Tuple(items) => format!("({})", list(items)),
        ExprKind::Paren(inner) => format!("({})", flat(inner)),
        ExprKind::List(items) => format!("[{}]", list(items)),
        ExprKind::If(branch) => flat_if(branch).unwrap_or_else(|| long_if(branch)),
        ExprKind::Error => String::new(),
    }
}

/// A chain of operators from the left: its first operand, and what follows.
fn chain(e: &Expr) -> (&Expr, Vec<(BinaryOp, &Expr)>) {
    let mut rest = vec![];
    let mut first = e;
    while let ExprKind::Binary(op, left, right, _) = &first.kind {
        rest.push((*op, &**right));
        first = left;
    }
    rest.reverse();
    (first, rest)
}

/// An expression that starts in column `used`, is followed by `after` characters, and is broken if it would not fit.
fn fit(e: &Expr, indent: usize, used: usize, after: usize) -> String {
    let line = flat(e);
    if !line.contains('\n') && used + line.chars().count() + after <= WIDTH {
        return line;
    }
    let inner = indent + 4;
    let pad = " ".repeat(inner);
    let close = " ".repeat(indent);
    let rows =
        |parts: Vec<String>| parts.iter().map(|p| format!("{pad}{p},\n")).collect::<String>();
    let args_rows = |args: &[Arg]| {
        let one = |a: &Arg| {
            let name = a.name.as_ref().map_or(String::new(), |n| format!("{} = ", n.name));
            let text = fit(&a.value, inner, inner + name.chars().count(), 1);
            format!("{name}{text}")
        };
        rows(args.iter().map(one).collect())
    };
    match &e.kind {
        ExprKind::Call { callee, args } if !args.is_empty() => {
            format!("{}(\n{}{close})", names_text(callee, "::"), args_rows(args))
        }
        ExprKind::Convert { elem, args } if !args.is_empty() => {
            format!("{}(\n{}{close})", elem_text(elem), args_rows(args))
        }
        ExprKind::List(items)
            if items.iter().all(|i| {
                matches!(i.kind, ExprKind::Int(_) | ExprKind::Decimal(_) | ExprKind::Unary(..))
            }) =>
        {
            format!("[\n{}{close}]", filled(items, inner))
        }
        ExprKind::List(items) => {
            let parts = items.iter().map(|i| fit(i, inner, inner, 1)).collect();
            format!("[\n{}{close}]", rows(parts))
        }
        ExprKind::Tuple(items) if items.len() > 1 => {
            let parts = items.iter().map(|i| fit(i, inner, inner, 1)).collect();
            format!("(\n{}{close})", rows(parts))
        }
        ExprKind::Paren(content) => format!("({})", fit(content, indent, used + 1, after + 1)),
        ExprKind::Binary(..) => broken_chain(e, inner, used),
        _ => line,
    }
}

/// Operators of the weakest kind start the lines that follow.
fn broken_chain(e: &Expr, indent: usize, used: usize) -> String {
    let (first, rest) = chain(e);
    let weakest = rest.iter().map(|(op, _)| strength(*op)).min().unwrap_or(0);
    let pad = " ".repeat(indent);
    let mut text = fit(first, indent, used, 1);
    for (op, right) in rest {
        if strength(op) == weakest {
            text.push_str(&format!("\n{pad}{} ", op.symbol()));
        } else {
            text.push_str(&format!(" {} ", op.symbol()));
        }
        let column = text.rsplit('\n').next().map_or(0, |l| l.chars().count());
        text.push_str(&fit(right, indent, column, 1));
    }
    text
}

fn strength(op: BinaryOp) -> u8 {
    use BinaryOp::*;
    match op {
        OrElse => 0,
        AndAlso => 1,
        Eq | Ne | Lt | Le | Gt | Ge => 2,
        Or => 3,
        Xor => 4,
        And => 5,
        Shl | Shr => 6,
        Add | Sub => 7,
        Mul | Div | Rem => 8,
    }
}

/// Numbers, as many to a line as fit.
fn filled(items: &[Expr], indent: usize) -> String {
    let pad = " ".repeat(indent);
    let mut lines = vec![];
    let mut line = pad.clone();
    for item in items {
        let text = format!("{},", flat(item));
        if line.trim().is_empty() {
            line.push_str(&text);
        } else if line.chars().count() + 1 + text.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, format!("{pad}{text}")));
        } else {
            line.push_str(&format!(" {text}"));
        }
    }
    lines.push(line);
    lines.iter().map(|l| format!("{l}\n")).collect()
}

//! What the grammar's actions call: nodes with spans and heights, and the words for syntax errors.

use std::cell::RefCell;

use lalrpop_util::{ErrorRecovery, ParseError};

use super::ast::*;
use super::lexer::{Spanned, Token};
use crate::diagnostics::Diagnostic;
use crate::source::{FileId, Span};

/// Greatest height of an expression, in operators above each other.
const MAX_DEPTH: u16 = 1000;

/// Builds nodes of one file and collects its syntax errors.
pub(super) struct Builder {
    file: FileId,
    /// Where tokens end, in order.
    ends: Vec<usize>,
    messages: RefCell<Vec<Diagnostic>>,
}

impl Builder {
    pub(super) fn new(file: FileId, tokens: &[Spanned<'_>]) -> Self {
        let ends = tokens.iter().map(|t| t.2).collect();
        Self { file, ends, messages: RefCell::default() }
    }

    pub(super) fn into_messages(self) -> Vec<Diagnostic> {
        self.messages.into_inner()
    }

    pub(super) fn span(&self, l: usize, r: usize) -> Span {
        Span::new(self.file, l, r.max(l))
    }

    fn report(&self, message: Diagnostic) {
        self.messages.borrow_mut().push(message);
    }

    fn limited(&self, depth: u16, span: Span) -> bool {
        if depth <= MAX_DEPTH {
            return true;
        }
        let text = format!("more than {MAX_DEPTH} operations inside each other");
        self.report(
            Diagnostic::error("this is nested too deeply", span, text)
                .help("name parts of it with `let`"),
        );
        false
    }

    pub(super) fn expr(&self, kind: ExprKind, l: usize, r: usize) -> Expr {
        let (span, depth) = (self.span(l, r), 1 + kind_depth(&kind));
        let kind = if self.limited(depth, span) { kind } else { ExprKind::Error };
        let depth = if kind == ExprKind::Error { 1 } else { depth };
        Expr { kind, span, depth }
    }

    pub(super) fn binary(
        &self,
        op: BinaryOp,
        a: Expr,
        b: Expr,
        op_at: (usize, usize),
        l: usize,
        r: usize,
    ) -> Expr {
        let op_span = self.span(op_at.0, op_at.1);
        self.expr(ExprKind::Binary(op, Box::new(a), Box::new(b), op_span), l, r)
    }

    /// A name, or a path of names, which is only a value as the callee of a call.
    pub(super) fn name(&self, path: Vec<Ident>, l: usize, r: usize) -> Expr {
        let name = path.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join("::");
        self.expr(ExprKind::Name(name), l, r)
    }

    pub(super) fn tuple(&self, first: Expr, rest: Vec<Expr>, l: usize, r: usize) -> Expr {
        let items = std::iter::once(first).chain(rest).collect();
        self.expr(ExprKind::Tuple(items), l, r)
    }

    pub(super) fn block(&self, stmts: Vec<Stmt>, tail: Option<Expr>, l: usize, r: usize) -> Block {
        let span = self.span(l, r);
        let depth =
            1 + stmts.iter().map(stmt_depth).chain(tail.iter().map(|e| e.depth)).max().unwrap_or(0);
        if !self.limited(depth, span) {
            return Block { stmts: vec![], tail: None, span, depth: 1 };
        }
        Block { stmts, tail: tail.map(Box::new), span, depth }
    }

    pub(super) fn if_expr(
        &self,
        cond: Expr,
        then: Block,
        otherwise: Option<Else>,
        l: usize,
        r: usize,
    ) -> If {
        let span = self.span(l, r);
        let depth = 1 + cond.depth.max(then.depth).max(otherwise.as_ref().map_or(0, else_depth));
        let otherwise = otherwise.filter(|_| self.limited(depth, span));
        let depth = depth.min(MAX_DEPTH);
        If { cond: Box::new(cond), then, otherwise: otherwise.map(Box::new), span, depth }
    }

    pub(super) fn use_item(
        &self,
        mut path: Vec<Ident>,
        names: Option<Vec<Ident>>,
        l: usize,
        r: usize,
    ) -> Use {
        let span = self.span(l, r);
        match names {
            Some(names) => Use { path, names, braces: true, span },
            None if path.len() > 1 => {
                let last = path.pop().into_iter().collect();
                Use { path, names: last, braces: false, span }
            }
            None => Use { path, names: vec![], braces: false, span },
        }
    }

    pub(super) fn expect_each(&self, word: &Ident) {
        if word.name != "each" {
            let text = "expected a role, or `each` and an array of roles";
            self.report(Diagnostic::error(
                format!("unexpected `{}` before the role", word.name),
                word.span,
                text,
            ));
        }
    }

    pub(super) fn recover(&self, e: ErrorRecovery<usize, Token<'_>, ()>) {
        self.syntax_error(e.error);
    }

    pub(super) fn syntax_error(&self, error: ParseError<usize, Token<'_>, ()>) {
        let message = match error {
            ParseError::InvalidToken { location } => {
                Diagnostic::error("this cannot be read", self.span(location, location + 1), "")
            }
            ParseError::UnrecognizedEof { location, expected } => {
                let span = self.span(location, location);
                Diagnostic::error("the file ends too early", span, "something is missing here")
                    .expected(alternatives(&expected), "end of file")
            }
            ParseError::UnrecognizedToken { token: (l, token, r), expected } => self
                .missing_semicolon(&token, l, &expected)
                .unwrap_or_else(|| unexpected(&token, self.span(l, r), &expected)),
            ParseError::ExtraToken { token: (l, token, r) } => {
                unexpected(&token, self.span(l, r), &[])
            }
            ParseError::User { error: () } => return,
        };
        self.report(message);
    }
}

impl Builder {
    /// A statement that may end here and is followed by one that starts.
    fn missing_semicolon(
        &self,
        token: &Token<'_>,
        at: usize,
        expected: &[String],
    ) -> Option<Diagnostic> {
        let starts = matches!(
            token,
            Token::Let
                | Token::Var
                | Token::For
                | Token::While
                | Token::If
                | Token::Output
                | Token::Input
                | Token::Name(_)
                | Token::RightBrace
                | Token::Fn
                | Token::Const
                | Token::Role
                | Token::Use
                | Token::Entry
                | Token::State
                | Token::Unroll
        );
        let end = self.ends[..self.ends.partition_point(|e| *e <= at)].last()?;
        let may_end = expected.iter().any(|e| e.trim_matches('"') == ";");
        (starts && may_end).then(|| {
            let text = format!("expected `;` here, before {}", describe(token));
            Diagnostic::error("a `;` is missing", self.span(*end, *end), text)
        })
    }
}

fn unexpected(token: &Token<'_>, span: Span, expected: &[String]) -> Diagnostic {
    let found = describe(token);
    let message = Diagnostic::error(format!("unexpected {found}"), span, "not here")
        .expected(alternatives(expected), found.clone());
    let has = |t: &str| expected.iter().any(|e| e.trim_matches('"') == t);
    match token {
        Token::Assign if has("==") => message.help("to compare, write `==`"),
        Token::Let
        | Token::Var
        | Token::For
        | Token::While
        | Token::If
        | Token::Output
        | Token::Input
        | Token::RightBrace
            if has(";") =>
        {
            message.help("the statement before may lack its `;`")
        }
        Token::If => message.help("as an operand, `if` needs parentheses around it"),
        Token::Decimal(_) if has("INTEGER") && !has("DECIMAL") => {
            message.help("a part of a part needs parentheses: `(t.0).1`")
        }
        _ => message,
    }
}

fn describe(token: &Token<'_>) -> String {
    match token {
        Token::Name(n) => format!("name `{n}`"),
        Token::Integer(n) | Token::Decimal(n) => format!("number `{n}`"),
        Token::Text(t) => format!("text {t}"),
        other => format!("`{}`", symbol(other)),
    }
}

/// The text of a token that is always written the same, found by asking the lexer table in reverse.
fn symbol(token: &Token<'_>) -> &'static str {
    use logos::Logos;
    const FIXED: &str = "use role const fn state entry let var for unroll while if else in input output from to as secret clear private int fix wrap bool \
        true false ( ) [ ] { } , ; :: : .. . -> = += -= *= /= %= &= |= ^= || && == != <= >= << >> < > | ^ & + - * / % !";
    FIXED.split_whitespace().find(|s| Token::lexer(s).next() == Some(Ok(*token))).unwrap_or("?")
}

/// The expected tokens in words: operators, which are nearly always possible, are left out when there is anything else.
fn alternatives(expected: &[String]) -> String {
    const OPERATORS: &[&str] = &[
        "||", "&&", "==", "!=", "<", "<=", ">", ">=", "|", "^", "&", "<<", ">>", "+", "-", "*",
        "/", "%", "[", ".", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "::", "(",
    ];
    let plain: Vec<&str> = expected.iter().map(|e| e.trim_matches('"')).collect();
    let operand = plain.contains(&"DECIMAL");
    let operator = (plain.contains(&"+") || plain.contains(&"||")) && !operand;
    let mut words: Vec<String> = vec![];
    if operand {
        words.push("a value".into());
    } else if plain.contains(&"NAME") {
        words.push("a name".into());
    }
    if plain.contains(&"fix") && !operand {
        words.push("a type".into());
    }
    if operator {
        words.push("an operator".into());
    }
    if plain.contains(&"let") {
        words.push("a statement".into());
    }
    let named = ["NAME", "INTEGER", "DECIMAL", "TEXT", "to", "from"];
    let is_rest = |p: &&&str| !named.contains(*p) && p.chars().all(|c| !c.is_alphabetic());
    let rest =
        plain.iter().filter(is_rest).filter(|p| !((operator || operand) && OPERATORS.contains(p)));
    words.extend(rest.filter(|p| !(operand && **p == "!")).map(|p| format!("`{p}`")));
    if plain.contains(&"TEXT") && !operand {
        words.push("text in quotes".into());
    }
    for word in ["to", "from", "in", "as"] {
        if plain.contains(&word) && !plain.contains(&"NAME") {
            words.push(format!("`{word}`"));
        }
    }
    if words.is_empty() {
        words.push("nothing more".into());
    }
    words.dedup();
    match words.len() {
        1 => words.remove(0),
        n => format!("{} or {}", words[..n - 1].join(", "), words[n - 1]),
    }
}

fn stmt_depth(stmt: &Stmt) -> u16 {
    match &stmt.kind {
        StmtKind::Let { value, ty, .. } => value.depth.max(ty.as_ref().map_or(0, type_depth)),
        StmtKind::Assign { place, value, .. } => place.depth.max(value.depth),
        StmtKind::For { lo, hi, body, .. } => lo.depth.max(hi.depth).max(body.depth),
        StmtKind::While { cond, body } => cond.depth.max(body.depth),
        StmtKind::If(e) => e.depth,
        StmtKind::Input(i) => type_depth(&i.ty),
        StmtKind::Output(o) => o.value.depth,
        StmtKind::Expr(e) => e.depth,
        StmtKind::Error => 0,
    }
}

fn else_depth(e: &Else) -> u16 {
    match e {
        Else::Block(b) => b.depth,
        Else::If(i) => i.depth,
    }
}

fn type_depth(ty: &Type) -> u16 {
    let shape = ty.shape.iter().flatten().map(|e| e.depth).max().unwrap_or(0);
    shape.max(elem_depth(&ty.elem))
}

fn elem_depth(elem: &Elem) -> u16 {
    match &elem.kind {
        ElemKind::Int(Some(k)) | ElemKind::Wrap(k) => k.depth,
        ElemKind::Fix(Some(kf)) => kf.0.depth.max(kf.1.depth),
        ElemKind::Int(None) | ElemKind::Fix(None) | ElemKind::Bool | ElemKind::Named(_) => 0,
    }
}

fn kind_depth(kind: &ExprKind) -> u16 {
    let args_depth = |args: &[Arg]| args.iter().map(|a| a.value.depth).max().unwrap_or(0);
    match kind {
        ExprKind::Int(_)
        | ExprKind::Decimal(_)
        | ExprKind::Bool(_)
        | ExprKind::Text(_)
        | ExprKind::Name(_)
        | ExprKind::Error => 0,
        ExprKind::Unary(_, e) | ExprKind::Field(e, _) | ExprKind::Paren(e) => e.depth,
        ExprKind::Binary(_, a, b, _) => a.depth.max(b.depth),
        ExprKind::Call { args, .. } => args_depth(args),
        ExprKind::Convert { args, elem } => args_depth(args).max(elem_depth(elem)),
        ExprKind::Type(t) => type_depth(t),
        ExprKind::Index(base, items) => items.iter().map(item_depth).fold(base.depth, u16::max),
        ExprKind::Tuple(items) | ExprKind::List(items) => {
            items.iter().map(|e| e.depth).max().unwrap_or(0)
        }
        ExprKind::If(e) => e.depth,
    }
}

fn item_depth(item: &IndexItem) -> u16 {
    match item {
        IndexItem::At(e) => e.depth,
        IndexItem::Range(a, b, _) => a.iter().chain(b).map(|e| e.depth).max().unwrap_or(0),
        IndexItem::All(_) => 0,
    }
}

//! Tokens. Comments are set aside for the printer; brackets are counted here, so that no later stage meets a tree of unbounded height.

use logos::Logos;

use super::ast::Comment;
use crate::diagnostics::Diagnostic;
use crate::source::{FileId, Span};

/// Deepest nesting of brackets.
pub const MAX_NESTING: usize = 200;
/// Most digits of a number. No type holds more than 20.
const MAX_DIGITS: usize = 60;

/// The token table.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r\n\x0C]+")]
#[allow(missing_docs, reason = "each token is its text")]
pub enum Token<'a> {
    #[token("use")]
    Use,
    #[token("role")]
    Role,
    #[token("const")]
    Const,
    #[token("fn")]
    Fn,
    #[token("state")]
    State,
    #[token("entry")]
    Entry,
    #[token("circuit")]
    Circuit,
    #[token("let")]
    Let,
    #[token("var")]
    Var,
    #[token("for")]
    For,
    #[token("unroll")]
    Unroll,
    #[token("while")]
    While,
    #[token("if")]
    If,
    #[token("else")]
    Else,
    #[token("in")]
    In,
    #[token("input")]
    Input,
    #[token("output")]
    Output,
    #[token("from")]
    From,
    #[token("to")]
    To,
    #[token("as")]
    As,
    #[token("secret")]
    Secret,
    #[token("clear")]
    Clear,
    #[token("private")]
    Private,
    #[token("int")]
    Int,
    #[token("fix")]
    Fix,
    #[token("wrap")]
    Wrap,
    #[token("bool")]
    Bool,
    #[token("true")]
    True,
    #[token("false")]
    False,
    #[regex(r"[A-Za-z_][A-Za-z0-9_]*")]
    Name(&'a str),
    #[regex(r"[0-9][0-9_]*")]
    #[regex(r"0x[0-9A-Fa-f_]+")]
    #[regex(r"0b[01_]+")]
    Integer(&'a str),
    #[regex(r"[0-9][0-9_]*\.[0-9][0-9_]*([eE][+-]?[0-9]+)?")]
    #[regex(r"[0-9][0-9_]*[eE][+-]?[0-9]+")]
    Decimal(&'a str),
    #[regex(r#""[^"\r\n]*""#)]
    Text(&'a str),
    #[regex(r"//[^\n]*", allow_greedy = true)]
    Comment(&'a str),
    #[token("(")]
    LeftParen,
    #[token(")")]
    RightParen,
    #[token("[")]
    LeftBracket,
    #[token("]")]
    RightBracket,
    #[token("{")]
    LeftBrace,
    #[token("}")]
    RightBrace,
    #[token(",")]
    Comma,
    #[token(";")]
    Semicolon,
    #[token("::")]
    PathSep,
    #[token(":")]
    Colon,
    #[token("..")]
    DotDot,
    #[token(".")]
    Dot,
    #[token("->")]
    Arrow,
    #[token("=")]
    Assign,
    #[token("+=")]
    AddAssign,
    #[token("-=")]
    SubAssign,
    #[token("*=")]
    MulAssign,
    #[token("/=")]
    DivAssign,
    #[token("%=")]
    RemAssign,
    #[token("&=")]
    AndAssign,
    #[token("|=")]
    OrAssign,
    #[token("^=")]
    XorAssign,
    #[token("||")]
    OrElse,
    #[token("&&")]
    AndAlso,
    #[token("==")]
    Eq,
    #[token("!=")]
    Ne,
    #[token("<=")]
    Le,
    #[token(">=")]
    Ge,
    #[token("<<")]
    Shl,
    #[token(">>")]
    Shr,
    #[token("<")]
    Lt,
    #[token(">")]
    Gt,
    #[token("|")]
    Or,
    #[token("^")]
    Xor,
    #[token("&")]
    And,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("%")]
    Percent,
    #[token("!")]
    Not,
}

/// True for the operators of division.
pub(super) fn divides(token: Token<'_>) -> bool {
    matches!(token, Token::Slash | Token::Percent | Token::DivAssign | Token::RemAssign)
}

/// A token with its first and last offset, as the parser wants it.
pub type Spanned<'a> = (usize, Token<'a>, usize);

/// What the lexer found.
pub struct Lexed<'a> {
    /// Tokens without comments.
    pub tokens: Vec<Spanned<'a>>,
    /// Comments.
    pub comments: Vec<Comment>,
    /// False when the text must not be parsed: it nests too deeply.
    pub parseable: bool,
}

/// Cuts a text into tokens; what is none is reported and left out.
pub fn lex<'a>(file: FileId, text: &'a str, messages: &mut Vec<Diagnostic>) -> Lexed<'a> {
    let mut out = Lexed { tokens: vec![], comments: vec![], parseable: true };
    let mut depth = 0usize;
    let mut unknown: Option<Span> = None;
    for (token, range) in Token::lexer(text).spanned() {
        let span = Span::new(file, range.start, range.end);
        let Ok(token) = token else {
            unknown = match unknown {
                Some(before) if before.end == span.start => Some(before.to(span)),
                before => {
                    before.into_iter().for_each(|s| messages.push(unknown_text(text, s)));
                    Some(span)
                }
            };
            continue;
        };
        match token {
            Token::Comment(c) => {
                out.comments.push(Comment { text: c.trim_end().to_string(), span });
                continue;
            }
            Token::LeftParen | Token::LeftBracket | Token::LeftBrace => {
                depth += 1;
                if depth == MAX_NESTING + 1 {
                    messages.push(too_deep(span));
                    out.parseable = false;
                }
            }
            Token::RightParen | Token::RightBracket | Token::RightBrace => {
                depth = depth.saturating_sub(1)
            }
            Token::Integer(digits) | Token::Decimal(digits) if digits.len() > MAX_DIGITS => {
                messages.push(
                    Diagnostic::error(
                        "this number has too many digits",
                        span,
                        format!("{} characters", digits.len()),
                    )
                    .note("no type holds more than 64 bits"),
                );
                out.tokens.push((range.start, Token::Integer("0"), range.end));
                continue;
            }
            _ => {}
        }
        out.tokens.push((range.start, token, range.end));
    }
    unknown.into_iter().for_each(|s| messages.push(unknown_text(text, s)));
    out
}

/// The message for code that nests too deeply.
pub fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::error("this is nested too deeply", span, format!("more than {MAX_NESTING} levels"))
        .help("name parts of it with `let`")
}

fn unknown_text(text: &str, span: Span) -> Diagnostic {
    let piece = text.get(span.start as usize..span.end as usize).unwrap_or("");
    let first = piece.chars().next().unwrap_or('?');
    match first {
        '\0' => Diagnostic::error("a NUL byte is not program text", span, ""),
        '"' => Diagnostic::error(
            "this text has no closing quote",
            span,
            "expected `\"` before the end of the line",
        ),
        c if c.is_control() => Diagnostic::error(
            format!("the control character U+{:04X} is not program text", c as u32),
            span,
            "",
        ),
        '#' => {
            Diagnostic::error("unknown character `#`", span, "").help("comments start with `//`")
        }
        '\'' => Diagnostic::error("unknown character `'`", span, "")
            .help("text stands in double quotes"),
        c if c.is_alphabetic() => Diagnostic::error(
            format!("the letter `{c}` cannot stand in a name"),
            span,
            "names use a-z, A-Z, 0-9 and `_`",
        ),
        c => Diagnostic::error(format!("unknown character `{c}`"), span, ""),
    }
}

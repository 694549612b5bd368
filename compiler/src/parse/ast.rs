//! The syntax tree: what was written, with spans and without types.

use crate::source::Span;

/// A name and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Ident {
    /// The name.
    pub name: String,
    /// Where.
    pub span: Span,
}

/// A comment, kept for the printer; doc comments start with `///`.
#[derive(Clone, Debug, PartialEq)]
pub struct Comment {
    /// Text with its slashes, without trailing blanks.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct File {
    /// Items and statements in the order written.
    pub items: Vec<Item>,
    /// All comments in order.
    pub comments: Vec<Comment>,
    /// Whether it contains a division, which may be a function of the library.
    pub divides: bool,
}

/// Something that may stand at the top of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// `use a::b::{c, d};`
    Use(Use),
    /// `role a, b[3];`
    Role(Vec<RoleDecl>, Span),
    /// `const N: int = 3;`
    Const(Const),
    /// `fn f(…) -> … { … }`
    Fn(Function),
    /// `state w: secret fix[30];`
    State(State),
    /// `circuit aes = "aes_128.txt";`
    Circuit(CircuitFile),
    /// `entry name { … }`
    Entry(Entry),
    /// A statement of the program that has only one entry point.
    Stmt(Stmt),
}

/// `use path::{names};`
#[derive(Clone, Debug, PartialEq)]
pub struct Use {
    /// The path up to the names.
    pub path: Vec<Ident>,
    /// What is taken; empty when the module itself is.
    pub names: Vec<Ident>,
    /// Whether braces were written.
    pub braces: bool,
    /// The whole item.
    pub span: Span,
}

/// One role or an array of them.
#[derive(Clone, Debug, PartialEq)]
pub struct RoleDecl {
    /// Its name.
    pub name: Ident,
    /// How many, for an array.
    pub count: Option<Expr>,
}

/// A named constant or a parameter of the program.
#[derive(Clone, Debug, PartialEq)]
pub struct Const {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: Type,
    /// Its value; none if the command line must give it.
    pub value: Option<Expr>,
    /// The whole item.
    pub span: Span,
}

/// A function.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: Ident,
    /// Generic parameters; what each stands for follows from its use.
    pub generics: Vec<Ident>,
    /// Parameters.
    pub params: Vec<Param>,
    /// Result types; none for a function without result, several for a tuple.
    pub result: Option<ResultType>,
    /// Its statements.
    pub body: Block,
    /// The whole item.
    pub span: Span,
}

/// One type or a tuple of them.
#[derive(Clone, Debug, PartialEq)]
pub enum ResultType {
    /// One value.
    One(Type),
    /// Several.
    Tuple(Vec<Type>, Span),
}

/// A parameter of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: Ident,
    /// Whether it must be known when compiling.
    pub constant: bool,
    /// Its type.
    pub ty: Type,
    /// What it is when left out; only of a constant.
    pub default: Option<Expr>,
}

/// Values that last between runs of entry points.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: Type,
    /// The whole item.
    pub span: Span,
}

/// A circuit in a file of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct CircuitFile {
    /// Its name.
    pub name: Ident,
    /// The file, relative to the folder of the source file.
    pub file: Ident,
    /// The whole item.
    pub span: Span,
}

/// A named entry point.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: Ident,
    /// Its statements.
    pub body: Block,
    /// The whole item.
    pub span: Span,
}

/// Statements, the last of which may be the value.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Statements.
    pub stmts: Vec<Stmt>,
    /// The value: an expression without semicolon at the end.
    pub tail: Option<Box<Expr>>,
    /// With the braces.
    pub span: Span,
    /// Height of the tree below.
    pub depth: u16,
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Stmt {
    /// Which.
    pub kind: StmtKind,
    /// The whole statement.
    pub span: Span,
}

/// Kinds of statement.
#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    /// `let p: T = e;`, `var x: T = e;`
    Let {
        /// Whether it may be assigned to.
        mutable: bool,
        /// One name, or several for a tuple.
        names: Vec<Ident>,
        /// Whether the names stood in parentheses.
        tuple: bool,
        /// Declared type.
        ty: Option<Type>,
        /// Value.
        value: Expr,
    },
    /// `x = e;`, `x[i] += e;`
    Assign {
        /// What is assigned to.
        place: Expr,
        /// The operation of `+=` and the like.
        op: Option<BinaryOp>,
        /// Value.
        value: Expr,
    },
    /// `for i in a..b { … }`
    For {
        /// Loop variable.
        var: Ident,
        /// Whether the body is repeated at compile time.
        unroll: bool,
        /// First value.
        lo: Expr,
        /// One past the last.
        hi: Expr,
        /// Body.
        body: Block,
    },
    /// `while c { … }`
    While {
        /// Condition.
        cond: Expr,
        /// Body.
        body: Block,
    },
    /// `if c { … } else { … }` as a statement.
    If(If),
    /// `input x: T from r;`
    Input(Input),
    /// `output e to r as "n";`
    Output(Output),
    /// An expression for its effect.
    Expr(Expr),
    /// What could not be read; a message was given.
    Error,
}

/// `if` with its branches.
#[derive(Clone, Debug, PartialEq)]
pub struct If {
    /// Condition.
    pub cond: Box<Expr>,
    /// Taken when it holds.
    pub then: Block,
    /// Taken when not.
    pub otherwise: Option<Box<Else>>,
    /// All of it.
    pub span: Span,
    /// Height of the tree below.
    pub depth: u16,
}

/// What follows `else`.
#[derive(Clone, Debug, PartialEq)]
pub enum Else {
    /// `else { … }`
    Block(Block),
    /// `else if …`
    If(If),
}

/// `input name: type from role as "label";`
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: Type,
    /// Whether each role of an array gives one element.
    pub each: bool,
    /// Who gives it.
    pub role: RoleRef,
    /// The name by which data are given; that of the variable without one.
    pub label: Option<Ident>,
}

/// `output value to receivers as "name";`
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The value.
    pub value: Expr,
    /// Who receives; the name `all` stands for everybody.
    pub receivers: Vec<RoleRef>,
    /// Its name, with quotes removed.
    pub name: Option<Ident>,
}

/// A role, or one of an array of roles.
#[derive(Clone, Debug, PartialEq)]
pub struct RoleRef {
    /// The name.
    pub name: Ident,
    /// Which of an array.
    pub index: Option<Box<Expr>>,
    /// All of it.
    pub span: Span,
}

/// Visibility, element and shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    /// Visibility as written.
    pub vis: Option<Vis>,
    /// Element type.
    pub elem: Elem,
    /// Sizes in brackets.
    pub shape: Option<Vec<Expr>>,
    /// All of it.
    pub span: Span,
}

/// Visibility as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Vis {
    /// Known to all.
    Clear,
    /// Shared.
    Secret,
    /// Known to one.
    Private(RoleRef),
    /// Whatever a generic parameter stands for.
    Named(Ident),
}

/// Element type as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Elem {
    /// Which.
    pub kind: ElemKind,
    /// Where.
    pub span: Span,
}

/// Kinds of element type.
#[derive(Clone, Debug, PartialEq)]
pub enum ElemKind {
    /// `int`, `int<k>`
    Int(Option<Box<Expr>>),
    /// `fix`, `fix<k, f>`
    Fix(Option<Box<(Expr, Expr)>>),
    /// `wrap<k>`
    Wrap(Box<Expr>),
    /// `bool`
    Bool,
    /// Whatever a generic parameter stands for.
    Named(Ident),
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// Which.
    pub kind: ExprKind,
    /// Where.
    pub span: Span,
    /// Height of the tree, so that no walk over it can exhaust the stack.
    pub depth: u16,
}

/// Kinds of expression.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// An integer as written.
    Int(String),
    /// A number with a point as written.
    Decimal(String),
    /// `true` or `false`.
    Bool(bool),
    /// Text, as the argument of some built-in functions.
    Text(String),
    /// A name.
    Name(String),
    /// An operator before its operand.
    Unary(UnaryOp, Box<Expr>),
    /// An operator between its operands, and where the operator stands.
    Binary(BinaryOp, Box<Expr>, Box<Expr>, Span),
    /// `f(a, k = b)`
    Call {
        /// Path to the function.
        callee: Vec<Ident>,
        /// Arguments.
        args: Vec<Arg>,
    },
    /// `fix<20, 8>(x)`
    Convert {
        /// Target.
        elem: Elem,
        /// Arguments.
        args: Vec<Arg>,
    },
    /// A type as an argument, as in `zeros(fix[3])`.
    Type(Box<Type>),
    /// `x[i, 1..3, :]`
    Index(Box<Expr>, Vec<IndexItem>),
    /// `t.0`
    Field(Box<Expr>, Ident),
    /// `(a, b)`
    Tuple(Vec<Expr>),
    /// `(a)`, kept for the printer.
    Paren(Box<Expr>),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `if` as a value.
    If(If),
    /// What could not be read; a message was given.
    Error,
}

/// An argument, perhaps with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// Name in `name = value`.
    pub name: Option<Ident>,
    /// Value.
    pub value: Expr,
}

/// One place between the brackets of an index.
#[derive(Clone, Debug, PartialEq)]
pub enum IndexItem {
    /// One position: the axis goes away.
    At(Expr),
    /// `a..b`, either of which may be left out.
    Range(Option<Box<Expr>>, Option<Box<Expr>>, Span),
    /// `:`, all of the axis.
    All(Span),
}

/// Operators before their operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `-`
    Neg,
    /// `!`
    Not,
}

impl UnaryOp {
    /// As written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Neg => "-",
            Self::Not => "!",
        }
    }
}

/// Operators between their operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BinaryOp {
    /// `||`
    OrElse,
    /// `&&`
    AndAlso,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `|`
    Or,
    /// `^`
    Xor,
    /// `&`
    And,
    /// `<<`
    Shl,
    /// `>>`
    Shr,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Rem,
}

impl BinaryOp {
    /// As written.
    pub fn symbol(self) -> &'static str {
        use BinaryOp::*;
        match self {
            OrElse => "||",
            AndAlso => "&&",
            Eq => "==",
            Ne => "!=",
            Lt => "<",
            Le => "<=",
            Gt => ">",
            Ge => ">=",
            Or => "|",
            Xor => "^",
            And => "&",
            Shl => "<<",
            Shr => ">>",
            Add => "+",
            Sub => "-",
            Mul => "*",
            Div => "/",
            Rem => "%",
        }
    }

    /// True for operators that give `bool` from numbers.
    pub fn is_comparison(self) -> bool {
        matches!(self, Self::Eq | Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge)
    }
}

//! Reads the printed form of a module ([`super::print`]); anything else is an error with its line, never a panic.
//!
//! Comments run from `;` to the end of the line. What is read is well-formed text; [`super::verify`] says whether it is a good graph.

use std::sync::Arc;

use super::{
    Block, Circuit, ConstData, DataType, Dim, Elem, Entry, Gate, InputDecl, Module, Node, Op,
    OutputDecl, Real, Receivers, Span, StateDecl, Type, Value, Vis,
};
use crate::for_each_op;

/// Reads a module.
///
/// # Errors
/// The line, and what was expected there.
pub fn read(text: &str) -> Result<Module, String> {
    let mut r = Reader { rest: text, types: Vec::new(), depth: 0 };
    let mut module = Module::default();
    match r.module(&mut module) {
        Ok(()) => Ok(module),
        Err(what) => {
            let at = text.len() - r.rest.len();
            Err(format!("line {}: {what}", text[..at].matches('\n').count() + 1))
        }
    }
}

/// Blocks within blocks that are read; text that nests deeper is refused, not recursed into.
const MAX_DEPTH: usize = 100;
/// Most values of an entry: type tables grow with the largest number named.
const MAX_VALUES: usize = 1 << 20;

type Parsed<T> = Result<T, String>;

struct Reader<'a> {
    rest: &'a str,
    /// Types of the values of the entry being read.
    types: Vec<Option<Type>>,
    depth: usize,
}

/// Words and marks.
impl<'a> Reader<'a> {
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            match self.rest.strip_prefix(';') {
                Some(comment) => self.rest = comment.find('\n').map_or("", |end| &comment[end..]),
                None => return,
            }
        }
    }

    fn eat(&mut self, mark: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, mark: &str) -> Parsed<()> {
        if self.eat(mark) { Ok(()) } else { Err(format!("expected `{mark}`")) }
    }

    fn word(&mut self) -> &'a str {
        self.skip();
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let before = self.rest;
        if self.word() == word {
            return true;
        }
        self.rest = before;
        false
    }

    fn number<T: std::str::FromStr>(&mut self) -> Parsed<T> {
        self.skip();
        let sign = usize::from(self.rest.starts_with('-'));
        let end = self.rest[sign..]
            .find(|c: char| !c.is_ascii_digit())
            .map_or(self.rest.len(), |e| e + sign);
        let (number, rest) = self.rest.split_at(end);
        let parsed = number.parse().map_err(|_| "expected a number in range".to_string())?;
        self.rest = rest;
        Ok(parsed)
    }

    fn string(&mut self) -> Parsed<String> {
        self.expect("\"")?;
        let mut out = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[i + 1..];
                    return Ok(out);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, c)) => out.push(c),
                    None => break,
                },
                c => out.push(c),
            }
        }
        Err("a string without end".into())
    }

    /// Items with commas between, up to `end`.
    fn list<T>(
        &mut self,
        end: &str,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let mut out = Vec::new();
        if self.eat(end) {
            return Ok(out);
        }
        loop {
            out.push(item(self)?);
            if self.eat(end) {
                return Ok(out);
            }
            self.expect(",")?;
        }
    }
}

/// Declarations and graphs.
impl Reader<'_> {
    fn module(&mut self, m: &mut Module) -> Parsed<()> {
        loop {
            self.skip();
            if self.rest.is_empty() {
                return Ok(());
            }
            match self.word() {
                "file" => m.files.push(self.string()?),
                "role" => m.roles.push(self.string()?),
                "input" => m.inputs.push(self.input()?),
                "output" => m.outputs.push(self.output()?),
                "state" => {
                    let (name, data, shape) = (self.string()?, self.data()?, Vec::parse(self)?);
                    m.states.push(StateDecl { name, data, shape, vis: Vis::parse(self)? });
                }
                "circuit" => m.circuits.push(self.circuit()?),
                "entry" => m.entries.push(self.entry()?),
                _ => {
                    return Err(
                        "expected `file`, `role`, `input`, `output`, `state`, `circuit` or `entry`"
                            .into(),
                    );
                }
            }
        }
    }

    fn input(&mut self) -> Parsed<InputDecl> {
        let name = self.string()?;
        self.expect("role")?;
        let (role, data, shape) = (self.number()?, self.data()?, Vec::parse(self)?);
        Ok(InputDecl { name, role, data, shape, vis: Vis::parse(self)? })
    }

    fn output(&mut self) -> Parsed<OutputDecl> {
        let (name, data, shape) = (self.string()?, self.data()?, Vec::parse(self)?);
        self.expect("to")?;
        let receivers = if self.eat_word("all") {
            Receivers::All
        } else {
            let mut roles = vec![self.number()?];
            while self.eat(",") {
                roles.push(self.number()?);
            }
            Receivers::Roles(roles)
        };
        Ok(OutputDecl { name, data, shape, receivers })
    }

    fn data(&mut self) -> Parsed<DataType> {
        let kind = self.word();
        if kind == "bool" {
            return Ok(DataType::Bool);
        }
        self.expect("<")?;
        let k = self.number()?;
        let out = match kind {
            "int" => DataType::Int(k),
            "wrap" => DataType::Wrap(k),
            "fix" => {
                self.expect(",")?;
                DataType::Fix(k, self.number()?)
            }
            _ => return Err("expected `int`, `fix`, `wrap` or `bool`".into()),
        };
        self.expect(">")?;
        Ok(out)
    }

    fn circuit(&mut self) -> Parsed<Circuit> {
        let name = self.string()?;
        self.expect("[")?;
        let inputs = self.list("]", Self::number)?;
        self.expect("to")?;
        self.expect("[")?;
        let outputs = self.list("]", Self::number)?;
        self.expect("{")?;
        let gates = self.list("}", Self::gate)?;
        self.expect("[")?;
        let results = self.list("]", Self::number)?;
        let circuit = Circuit { name, inputs, outputs, gates, results };
        circuit.check()?;
        Ok(circuit)
    }

    fn gate(&mut self) -> Parsed<Gate> {
        Ok(match self.word() {
            "and" => Gate::And(self.number()?, self.number()?),
            "xor" => Gate::Xor(self.number()?, self.number()?),
            "not" => Gate::Not(self.number()?),
            "const" => Gate::Constant(self.number::<u8>()? == 1),
            _ => return Err("expected `and`, `xor`, `not` or `const`".into()),
        })
    }

    fn entry(&mut self) -> Parsed<Entry> {
        self.types = Vec::new();
        let name = self.string()?;
        self.expect("{")?;
        let nodes = self.nodes("}")?;
        // A number that nothing defines stands for a value that a pass dropped.
        let types =
            std::mem::take(&mut self.types).into_iter().map(|t| t.unwrap_or_else(unused)).collect();
        Ok(Entry { name, types, body: Block { params: Vec::new(), nodes, results: Vec::new() } })
    }

    fn nodes(&mut self, end: &str) -> Parsed<Vec<Node>> {
        let mut out = Vec::new();
        while !self.eat(end) {
            out.push(self.node()?);
        }
        Ok(out)
    }

    fn node(&mut self) -> Parsed<Node> {
        self.skip();
        let results =
            if self.rest.starts_with('%') { self.list("=", Self::definition)? } else { Vec::new() };
        let name = self.word();
        let op = op(name, self)?;
        // Operands stand on the line of their operation; the next line may begin with a value too.
        let mut args = Vec::new();
        if self.rest.trim_start_matches(' ').starts_with('%') {
            args.push(self.value()?);
            while self.eat(",") {
                args.push(self.value()?);
            }
        }
        let mut blocks = Vec::new();
        while self.eat("{") {
            blocks.push(self.block()?);
        }
        Ok(Node { op, args, results, blocks, span: self.span()? })
    }

    fn span(&mut self) -> Parsed<Span> {
        if !self.eat("@") {
            return Ok(Span::default());
        }
        let file = self.number()?;
        self.expect(":")?;
        let line = self.number()?;
        self.expect(":")?;
        Ok(Span { file, line, col: self.number()? })
    }

    fn block(&mut self) -> Parsed<Block> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("blocks nested too deep".into());
        }
        let params = if self.eat("(") { self.list(")", Self::definition)? } else { Vec::new() };
        let nodes = self.nodes("yield")?;
        let results = self.list("}", Self::value)?;
        self.depth -= 1;
        Ok(Block { params, nodes, results })
    }

    fn value(&mut self) -> Parsed<Value> {
        self.expect("%")?;
        let n: usize = self.number()?;
        if n >= MAX_VALUES {
            return Err("too large a number of a value".into());
        }
        if n >= self.types.len() {
            self.types.resize(n + 1, None);
        }
        Ok(Value(n as u32))
    }

    fn definition(&mut self) -> Parsed<Value> {
        let v = self.value()?;
        self.expect(":")?;
        self.types[v.0 as usize] = Some(self.ty()?);
        Ok(v)
    }

    fn ty(&mut self) -> Parsed<Type> {
        if self.eat_word("index") {
            return Ok(Type::index());
        }
        let vis = Vis::parse(self)?;
        match Elem::parse(self)? {
            Elem::Bit => Ok(Type { elem: Elem::Bit, vis, shape: Vec::parse(self)?, bits: 1 }),
            Elem::Num => {
                self.expect("<")?;
                let bits = self.number()?;
                self.expect(">")?;
                Ok(Type { elem: Elem::Num, vis, shape: Vec::parse(self)?, bits })
            }
            Elem::Index => Err("an index has no visibility".into()),
        }
    }
}

/// The type of a value that is named nowhere.
fn unused() -> Type {
    Type::bit(Vis::Clear, &[])
}

/// An attribute from text.
trait Parse: Sized {
    fn parse(r: &mut Reader<'_>) -> Parsed<Self>;
}

macro_rules! parse_number {
    ($($ty:ty),*) => { $( impl Parse for $ty { fn parse(r: &mut Reader<'_>) -> Parsed<Self> { r.number() } } )* };
}
parse_number!(u32, i64, usize);

impl Parse for bool {
    fn parse(r: &mut Reader<'_>) -> Parsed<Self> {
        match r.word() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("expected `true` or `false`".into()),
        }
    }
}

impl Parse for Vis {
    fn parse(r: &mut Reader<'_>) -> Parsed<Self> {
        match r.word() {
            "clear" => Ok(Vis::Clear),
            "secret" => Ok(Vis::Secret),
            "private" => {
                r.expect("(")?;
                let role = r.number()?;
                r.expect(")")?;
                Ok(Vis::Private(role))
            }
            _ => Err("expected `clear`, `secret` or `private`".into()),
        }
    }
}

impl Parse for Elem {
    fn parse(r: &mut Reader<'_>) -> Parsed<Self> {
        match r.word() {
            "num" => Ok(Elem::Num),
            "bit" => Ok(Elem::Bit),
            "index" => Ok(Elem::Index),
            _ => Err("expected `num` or `bit`".into()),
        }
    }
}

impl Parse for Real {
    fn parse(r: &mut Reader<'_>) -> Parsed<Self> {
        let module = r.word();
        r.expect("::")?;
        let path = format!("{module}::{}", r.word());
        Real::of(&path).ok_or_else(|| format!("no real function is called `{path}`"))
    }
}

impl Parse for Vec<usize> {
    fn parse(r: &mut Reader<'_>) -> Parsed<Self> {
        r.expect("[")?;
        r.list("]", Reader::number)
    }
}

impl Parse for Vec<Dim> {
    fn parse(r: &mut Reader<'_>) -> Parsed<Self> {
        r.expect("[")?;
        r.list("]", |r| {
            let size = r.number()?;
            r.expect("x")?;
            Ok(Dim { size, stride: r.number()? })
        })
    }
}

impl Parse for ConstData {
    fn parse(r: &mut Reader<'_>) -> Parsed<Self> {
        if r.eat("[") {
            return Ok(ConstData::Dense(Arc::from(r.list("]", Reader::number)?)));
        }
        if !r.eat("range(") {
            return Ok(ConstData::Splat(r.number()?));
        }
        let start = r.number()?;
        r.expect(",")?;
        let step = r.number()?;
        r.expect(")")?;
        Ok(ConstData::Range { start, step })
    }
}

macro_rules! define_op_reader {
    ($( $(#[doc = $doc:literal])* $Name:ident = $text:literal { $($attr:ident : $ty:ty),* } $arity:ident($n:literal) $blocks:literal $effect:ident; )*) => {
        fn op(name: &str, r: &mut Reader<'_>) -> Parsed<Op> {
            match name {
                $( $text => Ok(Op::$Name { $( $attr: { r.expect(concat!(stringify!($attr), "="))?; <$ty as Parse>::parse(r)? } ),* }), )*
                _ => Err(format!("no operation is called `{name}`")),
            }
        }
    };
}
use super::ops::{Dims, Shape};
for_each_op!(define_op_reader);

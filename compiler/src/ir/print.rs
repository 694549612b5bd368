//! The printed form of a module, which [`super::read`] reads back exactly.
//!
//! ```text
//! file "auction.mpc"
//! role "alice"
//! input "x" role 0 fix<40,16> [3] secret
//! output "y" fix<40,16> [] to all
//! state "w" fix<40,16> [3] secret
//! circuit "both" [1, 1] to [1] {and 0 1} [2]
//! entry "main" {
//!   %0: private(0) num<40> [3] = input id=0 @0:2:1
//!   %1: secret num<40> [3] = share %0
//!   %2: secret num<80> [3] = mul %1, %1
//!   %3: secret num<65> [3] = trunc shift=16 %2
//!   %4: secret num<67> [] = sum %3
//!   %5: clear num<67> [] = reveal %4
//!   output id=0 %5
//! }
//! ```
//!
//! Blocks follow their node in braces, parameters first, results after `yield`:
//! `… = for step=1 %lo, %hi, %x { (%i: index, %c: secret num<40> []) … yield %n }`.

use std::fmt::Write as _;

use super::{
    Block, ConstData, DataType, Dim, Elem, Entry, Gate, Module, Node, Op, Real, Receivers, Type,
    Value, Vis,
};
use crate::for_each_op;

/// The text of a module.
pub fn print(module: &Module) -> String {
    let mut out = String::new();
    for f in &module.files {
        let _ = writeln!(out, "file {}", quoted(f));
    }
    for r in &module.roles {
        let _ = writeln!(out, "role {}", quoted(r));
    }
    for i in &module.inputs {
        let _ = writeln!(
            out,
            "input {} role {} {} {} {}",
            quoted(&i.name),
            i.role,
            data(i.data),
            i.shape.text(),
            i.vis.text()
        );
    }
    for o in &module.outputs {
        let to = match &o.receivers {
            Receivers::All => "all".to_string(),
            Receivers::Roles(roles) => list(roles.iter().map(u32::to_string)),
        };
        let _ =
            writeln!(out, "output {} {} {} to {to}", quoted(&o.name), data(o.data), o.shape.text());
    }
    for s in &module.states {
        let _ = writeln!(
            out,
            "state {} {} {} {}",
            quoted(&s.name),
            data(s.data),
            s.shape.text(),
            s.vis.text()
        );
    }
    for c in &module.circuits {
        let gate = |gate: &Gate| match gate {
            Gate::And(a, b) => format!("and {a} {b}"),
            Gate::Xor(a, b) => format!("xor {a} {b}"),
            Gate::Not(a) => format!("not {a}"),
            Gate::Constant(bit) => format!("const {}", u8::from(*bit)),
        };
        let numbers = |list: &[u32]| self::list(list.iter().map(u32::to_string));
        let _ = writeln!(
            out,
            "circuit {} [{}] to [{}] {{{}}} [{}]",
            quoted(&c.name),
            numbers(&c.inputs),
            numbers(&c.outputs),
            list(c.gates.iter().map(gate)),
            numbers(&c.results)
        );
    }
    for e in &module.entries {
        let _ = writeln!(out, "entry {} {{", quoted(&e.name));
        nodes(&e.body, e, 1, &mut out);
        out.push_str("}\n");
    }
    out
}

fn nodes(block: &Block, entry: &Entry, depth: usize, out: &mut String) {
    for n in &block.nodes {
        indent(depth, out);
        node(n, entry, depth, out);
        out.push('\n');
    }
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn node(n: &Node, entry: &Entry, depth: usize, out: &mut String) {
    if !n.results.is_empty() {
        let _ = write!(out, "{} = ", typed(&n.results, entry));
    }
    out.push_str(n.op.name());
    attributes(&n.op, out);
    if !n.args.is_empty() {
        let _ = write!(out, " {}", values(&n.args));
    }
    for b in &n.blocks {
        out.push_str(" {");
        if !b.params.is_empty() {
            let _ = write!(out, " ({})", typed(&b.params, entry));
        }
        out.push('\n');
        nodes(b, entry, depth + 1, out);
        indent(depth + 1, out);
        let _ = writeln!(out, "yield {}", values(&b.results));
        indent(depth, out);
        out.push('}');
    }
    if n.span.line > 0 {
        let _ = write!(out, " @{}:{}:{}", n.span.file, n.span.line, n.span.col);
    }
}

fn values(vs: &[Value]) -> String {
    list(vs.iter().map(|v| format!("%{}", v.0)))
}

fn typed(vs: &[Value], entry: &Entry) -> String {
    list(vs.iter().map(|&v| format!("%{}: {}", v.0, type_text(entry.ty(v)))))
}

/// A type as text: `secret num<40> [3]`, `clear bit []`, `index`.
pub fn type_text(t: &Type) -> String {
    match t.elem {
        Elem::Index => "index".into(),
        Elem::Bit => format!("{} bit {}", t.vis.text(), t.shape.text()),
        Elem::Num => format!("{} num<{}> {}", t.vis.text(), t.bits, t.shape.text()),
    }
}

fn data(d: DataType) -> String {
    match d {
        DataType::Int(k) => format!("int<{k}>"),
        DataType::Fix(k, f) => format!("fix<{k},{f}>"),
        DataType::Wrap(k) => format!("wrap<{k}>"),
        DataType::Bool => "bool".into(),
    }
}

fn quoted(s: &str) -> String {
    format!("\"{}\"", s.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// An attribute as text.
trait Text {
    fn text(&self) -> String;
}

macro_rules! plain_text {
    ($($ty:ty),*) => { $( impl Text for $ty { fn text(&self) -> String { self.to_string() } } )* };
}
plain_text!(u32, i64, usize, bool);

impl Text for Vis {
    fn text(&self) -> String {
        match self {
            Vis::Clear => "clear".into(),
            Vis::Secret => "secret".into(),
            Vis::Private(r) => format!("private({r})"),
        }
    }
}

impl Text for Elem {
    fn text(&self) -> String {
        match self {
            Elem::Num => "num".into(),
            Elem::Bit => "bit".into(),
            Elem::Index => "index".into(),
        }
    }
}

impl Text for Vec<usize> {
    fn text(&self) -> String {
        format!("[{}]", list(self.iter().map(usize::to_string)))
    }
}

impl Text for Vec<Dim> {
    fn text(&self) -> String {
        format!("[{}]", list(self.iter().map(|d| format!("{}x{}", d.size, d.stride))))
    }
}

impl Text for Real {
    fn text(&self) -> String {
        self.path().into()
    }
}

impl Text for ConstData {
    fn text(&self) -> String {
        match self {
            ConstData::Splat(x) => x.to_string(),
            ConstData::Range { start, step } => format!("range({start}, {step})"),
            ConstData::Dense(xs) => format!("[{}]", list(xs.iter().map(i128::to_string))),
        }
    }
}

macro_rules! define_attributes {
    ($( $(#[doc = $doc:literal])* $Name:ident = $text:literal { $($attr:ident : $ty:ty),* } $arity:ident($n:literal) $blocks:literal $effect:ident; )*) => {
        fn attributes(op: &Op, out: &mut String) {
            match op { $( Op::$Name { $($attr),* } => { $( let _ = write!(out, concat!(" ", stringify!($attr), "={}"), $attr.text()); )* } )* }
        }
    };
}
for_each_op!(define_attributes);

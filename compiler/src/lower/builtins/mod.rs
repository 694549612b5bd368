//! The functions that every program has, in one table.

mod products;
mod reduce;
mod secret;
mod shape;

use super::call::Given;
use super::value::{Tensor, Val};
use super::{Diagnostic, Lower, Span};
use crate::parse::ast::{self, Expr};

type Run = for<'a> fn(&mut Lower<'a>, &mut Args<'a>) -> Option<Val>;

/// One function: its name, how it is called, what it does.
struct Builtin {
    name: &'static str,
    signature: &'static str,
    run: Run,
}

macro_rules! builtins {
    ($($name:literal $signature:literal => $run:path;)*) => {
        const BUILTINS: &[Builtin] = &[$(Builtin { name: $name, signature: $signature, run: $run }),*];
    };
}

builtins! {
    // choice and shapes
    "select" "select(condition, a, b)" => shape::select;
    "reshape" "reshape(x, [sizes])" => shape::reshape;
    "transpose" "transpose(x) or transpose(x, [axes])" => shape::transpose;
    "concat" "concat(a, b, …, axis = 0)" => shape::concat;
    "stack" "stack(a, b, …)" => shape::stack;
    "broadcast" "broadcast(x, [sizes])" => shape::broadcast;
    "reverse" "reverse(x, axis = 0)" => shape::reverse;
    "view" "view(x, offset, [sizes], [strides])" => shape::view;
    "spread" "spread(x, [sizes], offset, [strides])" => shape::spread;
    "zeros" "zeros(fix[n])" => shape::zeros;
    "ones" "ones(fix[n])" => shape::ones;
    "iota" "iota(n)" => shape::iota;
    "len" "len(x)" => shape::len;
    "size" "size(x)" => shape::size;
    "shape" "shape(x)" => shape::shape;
    "ceil_log2" "ceil_log2(n)" => shape::ceil_log2;
    "require" "require(condition, \"message\")" => shape::require;
    // reductions
    "sum" "sum(x) or sum(x, axis = 0)" => reduce::sum;
    "prod" "prod(x) or prod(x, axis = 0)" => reduce::prod;
    "min" "min(x), min(x, axis = 0) or min(a, b)" => reduce::min;
    "max" "max(x), max(x, axis = 0) or max(a, b)" => reduce::max;
    "argmin" "argmin(x) or argmin(x, axis = 0)" => reduce::argmin;
    "argmax" "argmax(x) or argmax(x, axis = 0)" => reduce::argmax;
    "any" "any(x) or any(x, axis = 0)" => reduce::any;
    "all" "all(x) or all(x, axis = 0)" => reduce::all;
    "xor" "xor(x) or xor(x, axis = 0)" => reduce::xor;
    "cumsum" "cumsum(x) or cumsum(x, axis = 0)" => reduce::cumsum;
    "matmul" "matmul(a, b)" => products::matmul;
    "conv" "conv(x, filters, strides = [1, …], dilations = [1, …], groups = 1)" => products::conv;
    "dot" "dot(a, b)" => products::dot;
    // secrets and representations
    "reveal" "reveal(x) or reveal(x, to = role)" => secret::reveal;
    "share" "share(x)" => secret::share;
    "lookup" "lookup(table, index)" => secret::lookup;
    "one_hot" "one_hot(x, n)" => secret::one_hot;
    "random_int" "random_int(bits) or random_int(bits, [sizes])" => secret::random_int;
    "random_bits" "random_bits([sizes])" => secret::random_bits;
    "shuffle" "shuffle(x)" => secret::shuffle;
    "permute" "permute(x, permutation)" => secret::permute;
    "places" "places(bits)" => secret::places;
    "gather" "gather(x, positions)" => secret::gather;
    "scatter" "scatter(x, permutation)" => secret::scatter;
    "bits" "bits(x, k)" => secret::bits;
    "key_bits" "key_bits(x)" => secret::key_bits;
    "compose" "compose(bits) or compose(bits, signed = false)" => secret::compose;
    "raw" "raw(x)" => secret::raw;
    "floor" "floor(x)" => secret::floor;
    "ceil" "ceil(x)" => secret::ceil;
    "round" "round(x)" => secret::round;
}

/// Names of all built-in functions.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILTINS.iter().map(|b| b.name)
}

/// Arguments of a call, taken one by one.
pub(super) struct Args<'a> {
    name: &'static str,
    signature: &'static str,
    pub(super) span: Span,
    positional: std::collections::VecDeque<Given<'a>>,
    named: Vec<Given<'a>>,
}

impl<'a> Args<'a> {
    fn wrong<T>(&self, l: &mut Lower<'a>, span: Span, label: &str) -> Option<T> {
        let message =
            Diagnostic::error(format!("`{}` is called in another way", self.name), span, label);
        l.fail(message.help(self.signature))
    }

    /// The next argument without a name.
    fn next(&mut self, l: &mut Lower<'a>) -> Option<(Val, Span)> {
        match self.positional.pop_front() {
            Some(g) => Some((g.val, g.span)),
            None => self.wrong(l, self.span, "an argument is missing"),
        }
    }

    fn next_tensor(&mut self, l: &mut Lower<'a>) -> Option<(Tensor, Span)> {
        let (val, span) = self.next(l)?;
        let t = l.tensor(val, span)?;
        l.at(self.span);
        Some((t, span))
    }

    /// The argument of that name, or the next without one.
    fn option(&mut self, key: &str) -> Option<Given<'a>> {
        let at = self.named.iter().position(|g| g.name.is_some_and(|n| n.name == key));
        at.map(|i| self.named.remove(i)).or_else(|| self.positional.pop_front())
    }

    /// The argument of that name.
    fn named(&mut self, key: &str) -> Option<Given<'a>> {
        let at = self.named.iter().position(|g| g.name.is_some_and(|n| n.name == key))?;
        Some(self.named.remove(at))
    }

    fn rest(&mut self) -> Vec<Given<'a>> {
        self.positional.drain(..).collect()
    }

    fn done(&mut self, l: &mut Lower<'a>) -> Option<()> {
        match self.positional.front().or(self.named.first()) {
            None => Some(()),
            Some(g) => {
                let span = g.name.map_or(g.span, |n: &ast::Ident| n.span);
                self.wrong(l, span, "this argument is not taken")
            }
        }
    }

    /// An axis of a tensor of the given rank; negative ones count from the last. The outer option is an error.
    fn axis(&mut self, l: &mut Lower<'a>, rank: usize) -> Option<Option<usize>> {
        let Some(g) = self.option("axis") else { return Some(None) };
        let axis = match &g.val {
            Val::Number(n) => n.as_int(),
            _ => None,
        };
        let found = l.describe(&g.val);
        match axis {
            Some(a) if a >= 0 && a < rank as i128 => Some(Some(a as usize)),
            Some(a) if a < 0 && -a <= rank as i128 => Some(Some((rank as i128 + a) as usize)),
            Some(_) => l.error(
                "there is no such axis",
                g.span,
                format!("the tensor has {rank} axes, counted from 0"),
            ),
            None => l.unknown_number("an axis", &found, g.span),
        }
    }
}

impl<'a> Lower<'a> {
    pub(super) fn builtin(&mut self, path: &str, given: Vec<Given<'a>>, span: Span) -> Option<Val> {
        // Unknown names were reported before.
        let builtin = BUILTINS.iter().find(|b| b.name == path)?;
        let (named, positional): (Vec<Given>, Vec<Given>) =
            given.into_iter().partition(|g| g.name.is_some());
        let mut args = Args {
            name: builtin.name,
            signature: builtin.signature,
            span,
            positional: positional.into(),
            named,
        };
        self.at(span);
        (builtin.run)(self, &mut args)
    }

    /// Sizes given as an argument: a list, a shape or one number. One of them may be −1: what is left of `total`.
    fn sizes_argument(&mut self, val: Val, total: Option<usize>, span: Span) -> Option<Vec<usize>> {
        let items = match val {
            Val::List(items) => items,
            other => vec![other],
        };
        let mut shape = vec![];
        let mut open = None;
        for item in items {
            match item {
                Val::Shape(sizes) => shape.extend(sizes),
                Val::Number(n) if n.as_int() == Some(-1) && total.is_some() && open.is_none() => {
                    open = Some(shape.len());
                    shape.push(1);
                }
                Val::Number(n) => shape.push(self.size(n.as_int(), &n.show(), span)?),
                other => {
                    let found = self.describe(&other);
                    return self.unknown_number("a size", &found, span);
                }
            }
        }
        if let (Some(at), Some(total)) = (open, total) {
            let known = crate::ir::size_of_shape(&shape).max(1);
            shape[at] = total / known;
        }
        self.limited_shape(shape, span)
    }

    /// Integers given as an argument: a list or one number.
    fn integers_argument(&mut self, val: Val, span: Span) -> Option<Vec<i64>> {
        let items = match val {
            Val::List(items) => items,
            other => vec![other],
        };
        let mut numbers = vec![];
        for item in items {
            match &item {
                Val::Number(n) if n.as_int().is_some_and(|n| i64::try_from(n).is_ok()) => {
                    numbers.push(n.as_int()? as i64)
                }
                other => {
                    let found = self.describe(other);
                    return self.unknown_number("a distance", &found, span);
                }
            }
        }
        Some(numbers)
    }

    fn role_of(&mut self, e: Option<&'a Expr>) -> Option<u32> {
        e.and_then(|e| self.role_argument(e))
    }
}

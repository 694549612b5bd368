//! Values while lowering: tensors in the graph, and what is still known as a number.

use crate::check::number::Number;
use crate::check::types::{Elem, Ty, show_shape};
use crate::ir;

/// What an expression gives.
#[derive(Clone, Debug)]
pub(super) enum Val {
    /// A number known when compiling; it adapts to the type where it is used.
    Number(Number),
    /// A truth value known when compiling.
    Bool(bool),
    /// A loop variable or a sum of them.
    Index(Affine),
    /// A value of the graph.
    Tensor(Tensor),
    /// Several values.
    Tuple(Vec<Val>),
    /// `[a, b]` before it has a type.
    List(Vec<Val>),
    /// Sizes that a generic name stands for.
    Shape(Vec<usize>),
    /// An element type that a generic name stands for.
    Elem(Elem),
    /// A visibility that a generic name stands for.
    Vis(ir::Vis),
    /// A type as an argument.
    Type(Elem, Vec<usize>),
    /// Text as an argument.
    Text(String),
}

/// A value of the graph with its type in the language.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub(super) ty: Ty,
    pub(super) v: ir::Value,
}

/// A loop variable of the graph with its range, both ends included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbol {
    pub(super) value: ir::Value,
    pub(super) lo: i64,
    pub(super) hi: i64,
}

/// c + Σ coefficient · symbol; no coefficient is 0 and symbols ascend.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Affine {
    pub(super) terms: Vec<(usize, i64)>,
    pub(super) constant: i64,
}

impl Affine {
    pub(super) fn constant(constant: i64) -> Affine {
        Affine { terms: vec![], constant }
    }

    pub(super) fn symbol(symbol: usize) -> Affine {
        Affine { terms: vec![(symbol, 1)], constant: 0 }
    }

    /// None on overflow, as for the others.
    pub(super) fn add(&self, other: &Affine) -> Option<Affine> {
        let mut terms = self.terms.clone();
        for &(symbol, factor) in &other.terms {
            match terms.iter_mut().find(|t| t.0 == symbol) {
                Some(t) => t.1 = t.1.checked_add(factor)?,
                None => terms.push((symbol, factor)),
            }
        }
        terms.retain(|t| t.1 != 0);
        terms.sort_unstable();
        Some(Affine { terms, constant: self.constant.checked_add(other.constant)? })
    }

    pub(super) fn scale(&self, factor: i64) -> Option<Affine> {
        if factor == 0 {
            return Some(Affine::default());
        }
        let terms = self.terms.iter().map(|&(s, f)| Some((s, f.checked_mul(factor)?)));
        Some(Affine {
            terms: terms.collect::<Option<_>>()?,
            constant: self.constant.checked_mul(factor)?,
        })
    }

    /// Least and greatest value; saturating.
    pub(super) fn range(&self, symbols: &[Symbol]) -> (i64, i64) {
        let mut range = (self.constant, self.constant);
        for &(s, f) in &self.terms {
            let (a, b) = (symbols[s].lo.saturating_mul(f), symbols[s].hi.saturating_mul(f));
            range = (range.0.saturating_add(a.min(b)), range.1.saturating_add(a.max(b)));
        }
        range
    }

    pub(super) fn as_constant(&self) -> Option<i64> {
        self.terms.is_empty().then_some(self.constant)
    }
}

impl Val {
    pub(super) fn int(x: usize) -> Val {
        Val::Number(Number::int(x as i128))
    }

    pub(super) fn tensor(ty: Ty, v: ir::Value) -> Val {
        Val::Tensor(Tensor { ty, v })
    }

    /// For messages: the type, or what else it is.
    pub(super) fn describe(&self, roles: &[String]) -> String {
        match self {
            Val::Number(n) if n.integer => format!("the number {}", n.show()),
            Val::Number(n) => format!("the decimal number {}", n.show()),
            Val::Bool(b) => format!("`{b}`"),
            Val::Index(_) => "a loop variable".into(),
            Val::Tensor(t) => format!("`{}`", t.ty.show(roles)),
            Val::Tuple(items) if items.is_empty() => "no value".into(),
            Val::Tuple(items) => {
                let parts: Vec<String> = items.iter().map(|i| i.describe(roles)).collect();
                format!("a tuple of {}", parts.join(", "))
            }
            Val::List(items) => format!("a list of {} values", items.len()),
            Val::Shape(s) => format!("the shape {}", show_shape(s)),
            Val::Elem(e) => format!("the type `{e}`"),
            Val::Vis(_) => "a visibility".into(),
            Val::Type(e, s) => format!("the type `{e}{}`", show_shape(s)),
            Val::Text(t) => format!("the text \"{t}\""),
        }
    }
}

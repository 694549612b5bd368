//! Identities of one operation.
//!
//! Before: any graph. After: no neutral or absorbing constants, no double negations, no comparisons with zero in general form, no views
//! that change nothing, no wraps of what fits. Never: adds communication, or widens a value by more than a bit.

use super::rewrite::{Rewriter, rewrite};
use crate::emit::legalise::contiguous;
use crate::ir::{ConstData, Dim, Entry, MAX_BITS, Module, Node, Op, Value, Vis, strides_of_shape};

pub(super) fn run(module: &Module, entry: &mut Entry) {
    rewrite(module, entry, &visit);
}

fn visit(r: &mut Rewriter<'_>, node: Node) {
    let simpler = !node.blocks.is_empty() || !node.results.is_empty() && apply(r, &node);
    if !node.blocks.is_empty() || !simpler {
        r.keep(node);
    }
}

/// Whether a simpler form took the node's place.
fn apply(r: &mut Rewriter<'_>, node: &Node) -> bool {
    let result = node.results[0];
    let a = node.args.first().copied().unwrap_or(result);
    let b = node.args.get(1).copied().unwrap_or(a);
    let (ca, cb) = (r.splat(a), r.splat(b));
    match &node.op {
        Op::Add {} if ca == Some(0) => r.replace(result, b),
        Op::Add {} | Op::Sub {} if cb == Some(0) => r.replace(result, a),
        Op::Sub {} if ca == Some(0) && r.ty(b).shape == r.ty(result).shape => {
            becomes(r, result, Op::Neg {}, &[b])
        }
        Op::Mul {} if ca == Some(1) => r.replace(result, b),
        Op::Mul {} if cb == Some(1) => r.replace(result, a),
        Op::Mul {} if ca == Some(0) || cb == Some(0) => constant(r, result, 0),
        Op::Neg {} => match r.def(a) {
            Some((Op::Neg {}, inner)) => {
                let inner = inner[0];
                r.replace(result, inner)
            }
            _ => false,
        },
        Op::Shl { shift: 0 } | Op::Trunc { shift: 0 } | Op::Shr { shift: 0 } => {
            r.replace(result, a)
        }
        Op::Wrap { k } if r.ty(a).bits <= *k => r.replace(result, a),
        Op::Wrap { k } => match r.def(a) {
            // The inner one keeps more bits than are kept here.
            Some((Op::Wrap { k: inner }, args)) if inner >= k => {
                let args = args.to_vec();
                becomes(r, result, Op::Wrap { k: *k }, &args)
            }
            _ => false,
        },
        Op::Bits { k } => match unwrapped(r, a, *k) {
            Some(whole) => becomes(r, result, Op::Bits { k: *k }, &[whole]),
            None => false,
        },
        Op::Not {} => match r.def(a) {
            Some((Op::Not {}, inner)) => {
                let inner = inner[0];
                r.replace(result, inner)
            }
            _ => false,
        },
        Op::And {} => bits(r, result, a, b, 1, |r, result| constant(r, result, 0)),
        Op::Or {} => bits(r, result, a, b, 0, |r, result| constant(r, result, 1)),
        Op::Xor {} if a == b => constant(r, result, 0),
        Op::Xor {} => match (ca, cb) {
            (Some(0), _) => r.replace(result, b),
            (_, Some(0)) => r.replace(result, a),
            (Some(1), _) if r.ty(b).shape == r.ty(result).shape => {
                becomes(r, result, Op::Not {}, &[b])
            }
            (_, Some(1)) if r.ty(a).shape == r.ty(result).shape => {
                becomes(r, result, Op::Not {}, &[a])
            }
            _ => false,
        },
        Op::Lt {} if a == b => constant(r, result, 0),
        Op::Eq {} if a == b => constant(r, result, 1),
        Op::Lt {} if cb == Some(0) && full(r, a, result) => becomes(r, result, Op::Ltz {}, &[a]),
        Op::Lt {} if ca == Some(0) && full(r, b, result) && r.ty(b).bits < 64 => {
            let negated = r.emit(Op::Neg {}, &[b]);
            becomes(r, result, Op::Ltz {}, &[negated])
        }
        Op::Eq {} if cb == Some(0) && full(r, a, result) => becomes(r, result, Op::Eqz {}, &[a]),
        Op::Eq {} if ca == Some(0) && full(r, b, result) => becomes(r, result, Op::Eqz {}, &[b]),
        Op::Select {} => select(r, node, a, b, node.args[2]),
        Op::Sum {} if r.ty(a).shape.last() == Some(&1) => {
            let shape = r.ty(result).shape.clone();
            becomes(r, result, Op::Reshape { shape }, &[a])
        }
        Op::CumSum {} if r.ty(a).shape.last() == Some(&1) => r.replace(result, a),
        Op::Concat { .. } if node.args.len() == 1 => r.replace(result, a),
        Op::Reshape { shape } => reshape(r, result, a, shape),
        Op::View { offset, dims } => view(r, result, a, *offset, dims),
        Op::SliceAt { dims } => slice(r, result, a, b, dims),
        Op::Compose { signed: true } => match r.def(a) {
            Some((Op::Bits { k }, inner)) => {
                let (k, inner) = (*k, inner[0]);
                becomes(r, result, Op::Wrap { k }, &[inner])
            }
            _ => false,
        },
        Op::Reveal {} => match r.def(a) {
            Some((Op::Lift { .. }, inner)) => {
                let inner = inner[0];
                r.replace(result, inner)
            }
            _ => false,
        },
        Op::Share {} => match r.def(a) {
            Some((Op::Lift { .. }, inner)) => {
                let inner = inner[0];
                becomes(r, result, Op::Lift { vis: Vis::Secret }, &[inner])
            }
            _ => false,
        },
        _ => false,
    }
}

/// A number with the same low k bits that has not been reduced: a residue's origin, also through one sum.
fn unwrapped(r: &mut Rewriter<'_>, v: Value, k: u32) -> Option<Value> {
    let residue = |r: &Rewriter<'_>, v: Value| match r.def(v) {
        Some((Op::Wrap { k: kept }, args)) if *kept >= k => Some(args[0]),
        _ => None,
    };
    let whole = residue(r, v)?;
    let Some((op @ (Op::Add {} | Op::Sub {}), args)) = r.def(whole) else { return Some(whole) };
    let (op, args) = (op.clone(), args.to_vec());
    let origins: Vec<Value> = args.iter().map(|&v| residue(r, v).unwrap_or(v)).collect();
    let widest = origins.iter().map(|&v| r.ty(v).bits).max().unwrap_or(0);
    if origins == args || widest >= MAX_BITS {
        return Some(whole);
    }
    Some(r.emit(op, &origins))
}

fn becomes(r: &mut Rewriter<'_>, result: Value, op: Op, args: &[Value]) -> bool {
    r.define(result, op, args);
    true
}

fn constant(r: &mut Rewriter<'_>, result: Value, x: i128) -> bool {
    r.define_constant(result, ConstData::Splat(x));
    true
}

/// Whether `v` has the shape of the result, so that it need not be repeated.
fn full(r: &Rewriter<'_>, v: Value, result: Value) -> bool {
    r.ty(v).shape == r.ty(result).shape
}

/// A bit operation with a neutral constant; the other constant absorbs. Equal operands are the result.
fn bits(
    r: &mut Rewriter<'_>,
    result: Value,
    a: Value,
    b: Value,
    neutral: i128,
    absorb: impl Fn(&mut Rewriter<'_>, Value) -> bool,
) -> bool {
    match (r.splat(a), r.splat(b)) {
        (Some(x), _) if x == neutral => r.replace(result, b),
        (_, Some(x)) if x == neutral => r.replace(result, a),
        (Some(_), _) | (_, Some(_)) => absorb(r, result),
        _ if a == b => r.replace(result, a),
        _ => false,
    }
}

fn select(r: &mut Rewriter<'_>, node: &Node, c: Value, a: Value, b: Value) -> bool {
    let result = node.results[0];
    match r.splat(c) {
        Some(1) => return r.replace(result, a),
        Some(_) => return r.replace(result, b),
        None => {}
    }
    if a == b && r.replace(result, a) {
        return true;
    }
    // A chosen bit is chosen from its negation's other side, at no cost.
    if let Some((Op::Not {}, inner)) = r.def(c) {
        let inner = inner[0];
        return becomes(r, result, Op::Select {}, &[inner, b, a]);
    }
    let one_or_zero = r.splat(a) == Some(1) && r.splat(b) == Some(0);
    if one_or_zero && full(r, c, result) {
        return match r.ty(result).elem {
            crate::ir::Elem::Num => becomes(r, result, Op::FromBit {}, &[c]),
            _ => r.replace(result, c),
        };
    }
    false
}

fn reshape(r: &mut Rewriter<'_>, result: Value, a: Value, shape: &[usize]) -> bool {
    if r.ty(a).shape == shape {
        return r.replace(result, a);
    }
    match r.def(a) {
        Some((Op::Reshape { .. }, inner)) => {
            let inner = inner[0];
            becomes(r, result, Op::Reshape { shape: shape.to_vec() }, &[inner])
        }
        _ => false,
    }
}

/// A view of all elements in order is a reshape; a view of a reshape looks through it, since both count elements row by row.
fn view(r: &mut Rewriter<'_>, result: Value, a: Value, offset: i64, dims: &[Dim]) -> bool {
    let sizes: Vec<usize> = dims.iter().map(|d| d.size).collect();
    let natural = strides_of_shape(&sizes);
    let in_order = dims.iter().zip(&natural).all(|(d, &s)| d.size == 1 || d.stride == s);
    if in_order && offset == 0 && r.ty(a).size() == r.ty(result).size() {
        if r.replace(result, a) {
            return true;
        }
        return becomes(r, result, Op::Reshape { shape: sizes }, &[a]);
    }
    match r.def(a) {
        Some((Op::Reshape { .. }, inner)) => {
            let inner = inner[0];
            becomes(r, result, Op::View { offset, dims: dims.to_vec() }, &[inner])
        }
        Some((Op::SliceAt { dims: outer }, inner)) if contiguous(outer) => {
            let inner = inner.to_vec();
            let more = r.emit(Op::IndexConst { value: offset }, &[]);
            let at = r.emit(Op::IndexAdd {}, &[inner[1], more]);
            becomes(r, result, Op::SliceAt { dims: dims.to_vec() }, &[inner[0], at])
        }
        _ => false,
    }
}

/// A slice of a slice of neighbours is one slice.
fn slice(r: &mut Rewriter<'_>, result: Value, a: Value, at: Value, dims: &[Dim]) -> bool {
    match r.def(a) {
        Some((Op::Reshape { .. }, inner)) => {
            let inner = inner[0];
            becomes(r, result, Op::SliceAt { dims: dims.to_vec() }, &[inner, at])
        }
        Some((Op::SliceAt { dims: outer }, inner)) if contiguous(outer) => {
            let inner = inner.to_vec();
            let at = r.emit(Op::IndexAdd {}, &[inner[1], at]);
            becomes(r, result, Op::SliceAt { dims: dims.to_vec() }, &[inner[0], at])
        }
        _ => false,
    }
}

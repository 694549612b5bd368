//! Clear factors meet first: (s·c₁)·c₂ → s·(c₁·c₂), and c₂ + (s + c₁) → s + (c₁ + c₂).
//!
//! Before: a product, or sum, of a secret and a clear value, used once and multiplied, or added, by a clear value again. After: the clear
//! ones are combined in the clear. Exact on integers; the bound of the result is kept. Never: where the clear product might exceed 127 bits, or
//! where combining would make the clear value larger than both.

use super::rewrite::{Rewriter, rewrite};
use crate::ir::{Entry, Module, Node, Op, Value, Vis};

pub(super) fn run(module: &Module, entry: &mut Entry) {
    rewrite(module, entry, &visit);
}

fn visit(r: &mut Rewriter<'_>, node: Node) {
    let candidate = matches!(node.op, Op::Mul {} | Op::Add {});
    if !candidate || !apply(r, &node) {
        r.keep(node);
    }
}

fn apply(r: &mut Rewriter<'_>, node: &Node) -> bool {
    let Some((outer_secret, outer_clear)) = split(r, &node.args) else { return false };
    if !r.used_once(outer_secret) {
        return false;
    }
    let Some((op, args)) = r.def(outer_secret) else { return false };
    if *op != node.op {
        return false;
    }
    let args = args.to_vec();
    let Some((secret, inner_clear)) = split(r, &args) else { return false };
    let (size, bits) = (|v: Value| r.ty(v).size(), |v: Value| r.ty(v).bits);
    let combined = size(inner_clear).max(size(outer_clear));
    let small = combined == size(inner_clear) || combined == 1 || size(secret) == combined;
    // All of one shape or single: then any order of repetition gives the same.
    let shapes = [secret, inner_clear, outer_clear];
    let regular =
        shapes.iter().all(|&v| size(v) == 1 || r.ty(v).shape == r.ty(node.results[0]).shape);
    if bits(inner_clear) + bits(outer_clear) > 127
        || !small
        || !regular
        || size(secret).max(combined) != size(node.results[0])
    {
        return false;
    }
    if r.ty(node.results[0]).shape != r.ty(outer_secret).shape && size(outer_secret) > 1 {
        return false;
    }
    let clear = r.emit(node.op.clone(), &[inner_clear, outer_clear]);
    if crate::ir::infer::common_shape(&[r.ty(secret), r.ty(clear)])
        .is_ok_and(|s| s == r.ty(node.results[0]).shape)
    {
        r.define(node.results[0], node.op.clone(), &[secret, clear]);
        return true;
    }
    false
}

/// The secret and the clear operand, if there is one of each.
fn split(r: &Rewriter<'_>, args: &[Value]) -> Option<(Value, Value)> {
    match (r.ty(args[0]).vis, r.ty(args[1]).vis) {
        (Vis::Secret, Vis::Clear) => Some((args[0], args[1])),
        (Vis::Clear, Vis::Secret) => Some((args[1], args[0])),
        _ => None,
    }
}

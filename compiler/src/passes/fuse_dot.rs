//! A sum of products as one operation: schemes communicate once per sum, not once per product.
//!
//! Before: `sum (mul a b)` over the last axis, the product used nowhere else. After: `dot a b`. Never: when an operand is repeated, since a
//! `dot` reads both in full.

use super::rewrite::{Rewriter, rewrite};
use crate::ir::{Entry, Module, Node, Op};

pub(super) fn run(module: &Module, entry: &mut Entry) {
    rewrite(module, entry, &visit);
}

fn visit(r: &mut Rewriter<'_>, node: Node) {
    if !matches!(node.op, Op::Sum {}) || !apply(r, &node) {
        r.keep(node);
    }
}

fn apply(r: &mut Rewriter<'_>, node: &Node) -> bool {
    let product = node.args[0];
    let Some((Op::Mul {}, args)) = r.def(product) else { return false };
    let args = args.to_vec();
    let full = |i: usize| r.ty(args[i]).shape == r.ty(product).shape;
    if !r.used_once(product) || !full(0) || !full(1) {
        return false;
    }
    r.define(node.results[0], Op::Dot {}, &args);
    true
}

//! One truncation per sum instead of one per term.
//!
//! Before: a sum (of two values, or over an axis) of numbers each truncated by f bits and used nowhere else. After: the sum is taken
//! first, at full scale, and truncated once. Error: a truncation is off by at most half a unit in the last place, so a sum of n
//! differs by at most (n + 1)/2 units. Never: when the sum at full scale needs more than 62 bits: it would ask for a wider
//! ring, or leave a ring of 64 bits no slack for probabilistic truncation.

use super::rewrite::{MAX_BITS, Rewriter, rewrite};
use crate::ir::{Entry, Module, Node, Op, Value};

pub(super) fn run(module: &Module, entry: &mut Entry) {
    rewrite(module, entry, &visit);
}

fn visit(r: &mut Rewriter<'_>, node: Node) {
    let candidate = matches!(node.op, Op::Add {} | Op::Sub {} | Op::Sum {});
    if !candidate || !apply(r, &node) {
        r.keep(node);
    }
}

fn apply(r: &mut Rewriter<'_>, node: &Node) -> bool {
    let terms: Option<Vec<(Value, u32)>> =
        node.args.iter().map(|&v| r.truncated(v).filter(|_| r.used_once(v))).collect();
    let Some(terms) = terms else { return false };
    let shift = terms[0].1;
    let full: Vec<Value> = terms.iter().map(|t| t.0).collect();
    let result = node.results[0];
    // The same term twice saves nothing, and a repeated scalar is cheaper alone.
    let repeated =
        full.len() == 2 && (full[0] == full[1] || r.ty(full[0]).size() != r.ty(full[1]).size());
    if terms.iter().any(|t| t.1 != shift) || repeated || !r.ty(result).is_secret() {
        return false;
    }
    let types: Vec<&crate::ir::Type> = full.iter().map(|&v| r.ty(v)).collect();
    let natural = crate::ir::infer::infer(r.module, &node.op, &types)
        .ok()
        .flatten()
        .map_or(u32::MAX, |t| t.bits);
    // The promise of the result bounds the sum too, up to the rounding.
    let bits = natural.min(r.ty(result).bits.saturating_add(shift + 1));
    if bits > MAX_BITS {
        return false;
    }
    let sum = r.emit(node.op.clone(), &full);
    r.promise(sum, bits);
    r.define(result, Op::Trunc { shift }, &[sum]);
    true
}

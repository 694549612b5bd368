//! One `wrap` at the end of a chain of linear operations instead of one after each.
//!
//! Before: `wrap k` of a sum, difference or negation of values that were wrapped to k bits themselves. After: the inner wraps, if nobody
//! else uses them, are gone: reducing modulo 2^k once gives the same. Never: lets an intermediate grow by more than a few bits, since a
//! scheme over a field computes it in full.

use super::rewrite::{Rewriter, rewrite};
use crate::ir::{Entry, Module, Node, Op, Value};

/// Most bits by which the operand of the last wrap may exceed k.
const SLACK: u32 = 8;

pub(super) fn run(module: &Module, entry: &mut Entry) {
    rewrite(module, entry, &visit);
}

fn visit(r: &mut Rewriter<'_>, node: Node) {
    if !matches!(node.op, Op::Wrap { .. }) || !apply(r, &node) {
        r.keep(node);
    }
}

fn apply(r: &mut Rewriter<'_>, node: &Node) -> bool {
    let Op::Wrap { k } = node.op else { return false };
    let Some((op, args)) = r.def(node.args[0]) else { return false };
    if !matches!(op, Op::Add {} | Op::Sub {} | Op::Neg {}) || !r.used_once(node.args[0]) {
        return false;
    }
    let (op, args) = (op.clone(), args.to_vec());
    let open: Vec<Value> = args.iter().map(|&v| unwrapped(r, v, k)).collect();
    let widest = open.iter().map(|&v| r.ty(v).bits).max().unwrap_or(0);
    if open == args || widest + 1 > k + SLACK {
        return false;
    }
    let whole = r.emit(op, &open);
    r.define(node.results[0], Op::Wrap { k }, &[whole]);
    true
}

fn unwrapped(r: &Rewriter<'_>, v: Value, k: u32) -> Value {
    match r.def(v) {
        Some((Op::Wrap { k: inner }, args))
            if *inner >= k && r.used_once(v) && r.ty(args[0]).bits < k + SLACK =>
        {
            args[0]
        }
        _ => v,
    }
}

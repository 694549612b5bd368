//! Products that need no scaling back: an integer times a fixed-point number.
//!
//! Before: `trunc f (mul (shl f x) y)`, as the conversion of `int` to `fix` makes it. After: `mul x y`. The same for a constant factor that
//! 2^t divides: the truncation is by t bits less. Exact: ⌊(x·2^f·y + 2^(f−1)) / 2^f⌋ = x·y. Holds for `mul`, `dot`, `mat_mul` and `contract`.
//! Never: widens a value, or touches a truncation whose operand has other users that need the scaled product (they keep it).

use std::sync::Arc;

use super::rewrite::{Rewriter, rewrite};
use crate::ir::{ConstData, Elem, Entry, Module, Node, Op, Value};

pub(super) fn run(module: &Module, entry: &mut Entry) {
    rewrite(module, entry, &visit);
}

fn visit(r: &mut Rewriter<'_>, node: Node) {
    if !matches!(node.op, Op::Trunc { .. }) || !apply(r, &node) {
        r.keep(node);
    }
}

fn apply(r: &mut Rewriter<'_>, node: &Node) -> bool {
    let Op::Trunc { shift } = node.op else { return false };
    let product = node.args[0];
    let Some((op, args)) = r.def(product) else { return false };
    if !matches!(op, Op::Mul {} | Op::Dot {} | Op::MatMul {} | Op::Contract { .. }) {
        return false;
    }
    let (op, args) = (op.clone(), args.to_vec());
    for i in 0..2 {
        if let Some((smaller, taken)) = descaled(r, args[i], shift) {
            let mut args = args;
            args[i] = smaller;
            finish(r, node, op, &args, shift - taken);
            return true;
        }
    }
    false
}

/// `v` divided by 2^taken, 0 < taken ≤ shift, if that is exact and free.
fn descaled(r: &mut Rewriter<'_>, v: Value, shift: u32) -> Option<(Value, u32)> {
    match r.def(v)? {
        (Op::Shl { shift: s }, inner) if *s > 0 => {
            let (s, inner) = (*s, inner[0]);
            let taken = s.min(shift);
            let rest =
                if s == taken { inner } else { r.emit(Op::Shl { shift: s - taken }, &[inner]) };
            Some((rest, taken))
        }
        (Op::Const { elem: Elem::Num, shape, data }, _) => {
            let (shape, data) = (shape.clone(), data.clone());
            let zeros = match &data {
                ConstData::Splat(x) => x.trailing_zeros(),
                ConstData::Range { start, step } => (start | step).trailing_zeros(),
                ConstData::Dense(xs) => xs.iter().fold(0, |all, x| all | x).trailing_zeros(),
            };
            let taken = zeros.min(shift);
            if taken == 0 {
                return None;
            }
            let data = match data {
                ConstData::Splat(x) => ConstData::Splat(x >> taken),
                ConstData::Range { start, step } => {
                    ConstData::Range { start: start >> taken, step: step >> taken }
                }
                ConstData::Dense(xs) => {
                    ConstData::Dense(Arc::from_iter(xs.iter().map(|x| x >> taken)))
                }
            };
            Some((r.emit(Op::Const { elem: Elem::Num, shape, data }, &[]), taken))
        }
        _ => None,
    }
}

fn finish(r: &mut Rewriter<'_>, node: &Node, op: Op, args: &[Value], shift: u32) {
    let result = node.results[0];
    if shift == 0 {
        return r.define(result, op, args);
    }
    // What fits after the truncation bounds the product before it.
    let bits = r.ty(node.args[0]).bits;
    let product = r.emit(op, args);
    r.promise(product, bits);
    r.define(result, Op::Trunc { shift }, &[product]);
}

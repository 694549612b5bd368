//! Signs from numbers at full scale: they need not wait for the truncation.
//!
//! Before: `ltz` of a number truncated by f bits, or of its sum or difference with another one b. After: `ltz` of the number at full
//! scale, with b·2^f and half a unit added: t + b is negative when the number before that is below -b·2^f. Truncation and
//! comparison then share their rounds, as ReLU after a product wants it. Never: when that needs more than 62 bits, or nothing is secret.

use super::rewrite::{MAX_BITS, Rewriter, rewrite};
use crate::ir::{ConstData, Elem, Entry, Module, Node, Op};

pub(super) fn run(module: &Module, entry: &mut Entry) {
    rewrite(module, entry, &visit);
}

fn visit(r: &mut Rewriter<'_>, node: Node) {
    if !matches!(node.op, Op::Ltz {}) || !apply(r, &node) {
        r.keep(node);
    }
}

fn apply(r: &mut Rewriter<'_>, node: &Node) -> bool {
    let (a, result) = (node.args[0], node.results[0]);
    let Some((op, args)) = r.def(a) else { return false };
    let (op, args) = (op.clone(), args.to_vec());
    let cut = |i: usize| args.get(i).and_then(|&v| r.truncated(v));
    // Whether the truncated number counts negative, and what it is added to or subtracted from.
    let (cut, negative, other) = match op {
        Op::Trunc { .. } => (r.truncated(a), false, None),
        Op::Neg {} => (cut(0), true, None),
        Op::Add {} | Op::Sub {} => match (cut(0), cut(1)) {
            (Some(cut), None) => (Some(cut), false, Some(args[1])),
            (None, Some(cut)) => (Some(cut), matches!(op, Op::Sub {}), Some(args[0])),
            _ => return false,
        },
        _ => return false,
    };
    let Some((whole, shift)) = cut else { return false };
    let widest = other.map_or(0, |v| r.ty(v).bits + shift).max(r.ty(whole).bits);
    if shift == 0 || widest + 2 > MAX_BITS {
        return false;
    }
    // x is truncated to t: t + b < 0 when x + half + b·2^f < 0, and b - t < 0 when b·2^f + half - 1 - x < 0.
    let data = ConstData::Splat((1 << (shift - 1)) - i128::from(negative));
    let mut rest = r.emit(Op::Const { elem: Elem::Num, shape: vec![], data }, &[]);
    if let Some(other) = other {
        let other = r.emit(Op::Shl { shift }, &[other]);
        let subtracted = matches!(op, Op::Sub {}) && !negative;
        let op = if subtracted { Op::Sub {} } else { Op::Add {} };
        rest = r.emit(op, &[rest, other]);
    }
    let whole = match negative {
        true => r.emit(Op::Sub {}, &[rest, whole]),
        false => r.emit(Op::Add {}, &[whole, rest]),
    };
    r.define(result, Op::Ltz {}, &[whole]);
    true
}

//! Constant folding.
//!
//! Before: any graph. After: operations on constants are constants, if the result is small or all its elements are equal; slices at
//! constant indices are views; branches on constants and loops that never run are gone. Never: folds what would break a promise or fail
//! at run time (the machine reports those), or makes a large constant out of small ones.

use std::sync::Arc;

use super::rewrite::{Rewriter, rewrite};
use crate::ir::interpret::evaluate;
use crate::ir::{ConstData, Elem, Entry, Module, Node, Op, Type, Value};

/// Most elements of a dense constant that folding makes.
const MAX_DENSE: usize = 256;

pub(super) fn run(module: &Module, entry: &mut Entry) {
    rewrite(module, entry, &visit);
}

fn visit(r: &mut Rewriter<'_>, node: Node) {
    match &node.op {
        Op::If {} => branch(r, node),
        Op::For { step } => {
            let never = match (r.index(node.args[0]), r.index(node.args[1])) {
                (Some(lo), Some(hi)) => {
                    if *step > 0 {
                        lo >= hi
                    } else {
                        lo <= hi
                    }
                }
                _ => false,
            };
            if never {
                for (i, &v) in node.results.iter().enumerate() {
                    r.stand_in(v, node.args[i + 2]);
                }
            } else {
                r.keep(node);
            }
        }
        Op::SliceAt { dims } => match r.index(node.args[1]) {
            Some(offset) if inside(r, &node, offset) => {
                r.define(node.results[0], Op::View { offset, dims: dims.clone() }, &node.args[..1]);
            }
            _ => r.keep(node),
        },
        _ => fold(r, node),
    }
}

/// Whether a slice stays in its tensor, so that it may become a view.
fn inside(r: &Rewriter<'_>, node: &Node, offset: i64) -> bool {
    let Op::SliceAt { dims } = &node.op else { return false };
    let view = Op::View { offset, dims: dims.clone() };
    crate::ir::infer::infer(r.module, &view, &[r.ty(node.args[0])]).is_ok()
}

fn branch(r: &mut Rewriter<'_>, mut node: Node) {
    let Some(taken) = r.splat(node.args[0]) else { return r.keep(node) };
    let block = node.blocks.swap_remove(usize::from(taken == 0));
    let results = block.results.clone();
    r.inline(block);
    for (&v, &by) in node.results.iter().zip(&results) {
        r.stand_in(v, by);
    }
}

fn fold(r: &mut Rewriter<'_>, node: Node) {
    match folded(r, &node) {
        Some(Folded::Data(data)) => r.define_constant(node.results[0], data),
        Some(Folded::Index(value)) => r.define(node.results[0], Op::IndexConst { value }, &[]),
        None => r.keep(node),
    }
}

enum Folded {
    Data(ConstData),
    Index(i64),
}

fn folded(r: &Rewriter<'_>, node: &Node) -> Option<Folded> {
    let &result = node.results.first()?;
    let foldable = !node.args.is_empty()
        && node.op.effect() == crate::ir::ops::Effect::Pure
        && !crosses(&node.op);
    if !foldable {
        return None;
    }
    let ty = r.ty(result).clone();
    let splats: Option<Vec<i128>> = node.args.iter().map(|&v| known_splat(r, v)).collect();
    let data = if let (Some(xs), true) = (&splats, elementwise(&node.op)) {
        let scalar = |t: &Type| t.with_shape(&[]);
        let args: Vec<(Type, Vec<i128>)> =
            node.args.iter().zip(xs).map(|(&v, &x)| (scalar(r.ty(v)), vec![x])).collect();
        ConstData::Splat(evaluate(&node.op, &args, &scalar(&ty))?[0])
    } else if let (Some(xs), Op::Reshape { .. } | Op::View { .. }) = (&splats, &node.op)
        && ty.size() > 0
    {
        ConstData::Splat(xs[0])
    } else {
        dense(r, node, &ty)?
    };
    let size = ty.size();
    if ty.elem == Elem::Index {
        return data.splat().and_then(|x| i64::try_from(x).ok()).map(Folded::Index);
    }
    (ty.elem == Elem::Bit || data.bits(size) <= ty.bits).then_some(Folded::Data(data))
}

fn dense(r: &Rewriter<'_>, node: &Node, ty: &Type) -> Option<ConstData> {
    let small = |t: &Type| t.size() <= MAX_DENSE;
    if !small(ty) || ty.size() == 0 || !node.args.iter().all(|&v| small(r.ty(v))) {
        return None;
    }
    let args: Option<Vec<(Type, Vec<i128>)>> =
        node.args.iter().map(|&v| Some((r.ty(v).clone(), known(r, v)?))).collect();
    let xs = evaluate(&node.op, &args?, ty)?;
    let first = xs[0];
    Some(if xs.iter().all(|&x| x == first) {
        ConstData::Splat(first)
    } else {
        ConstData::Dense(Arc::from(xs))
    })
}

fn known(r: &Rewriter<'_>, v: Value) -> Option<Vec<i128>> {
    match r.index(v) {
        Some(i) => Some(vec![i.into()]),
        None => r.constant(v).map(|data| (0..r.ty(v).size()).map(|i| data.at(i)).collect()),
    }
}

fn known_splat(r: &Rewriter<'_>, v: Value) -> Option<i128> {
    r.index(v).map(i128::from).or_else(|| r.splat(v))
}

/// What changes who knows a value is not folded here.
fn crosses(op: &Op) -> bool {
    matches!(
        op,
        Op::Lift { .. } | Op::Share {} | Op::Publish {} | Op::Reveal {} | Op::RevealTo { .. }
    )
}

fn elementwise(op: &Op) -> bool {
    matches!(
        op,
        Op::Add {}
            | Op::Sub {}
            | Op::Mul {}
            | Op::Neg {}
            | Op::Shl { .. }
            | Op::Div {}
            | Op::Mod {}
            | Op::Trunc { .. }
            | Op::Shr { .. }
    ) || matches!(
        op,
        Op::Wrap { .. }
            | Op::And {}
            | Op::Or {}
            | Op::Xor {}
            | Op::Not {}
            | Op::Lt {}
            | Op::Eq {}
            | Op::Ltz {}
    ) || matches!(op, Op::Eqz {} | Op::Select {} | Op::FromBit {})
}

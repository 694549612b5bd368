//! Comparisons at full scale: they need not wait for the truncation.
//!
//! Before: `ltz` of a number truncated by f bits, seen through views, or of its sum or difference with another one b; the greater or
//! less of two such numbers. After: `ltz` of the number at full scale, with b·2^f and half a unit added: t + b is negative when the
//! number before that is below -b·2^f. The greater of the numbers at full scale, truncated: rounding keeps the order. Truncation and
//! sign then share their rounds, as ReLU after a product wants it, and one number of a pool is truncated instead of all. Never: when
//! that needs more than 62 bits, when nothing is secret, or for more elements than [`MAX_LEN`].

use super::rewrite::{MAX_BITS, Rewriter, rewrite};
use crate::ir::{ConstData, Elem, Entry, Module, Node, Op, Value};

/// Most elements that are compared at full scale: with more of them the wider comparison takes longer on a fast network
/// than the rounds that it saves.
const MAX_LEN: usize = 1 << 14;
/// Steps between a truncation and a comparison that are looked through.
const MAX_STEPS: usize = 4;

pub(super) fn run(module: &Module, entry: &mut Entry) {
    rewrite(module, entry, &visit);
}

fn visit(r: &mut Rewriter<'_>, node: Node) {
    let apply = match node.op {
        Op::Ltz {} => sign,
        Op::Select {} => greater_or_less,
        _ => return r.keep(node),
    };
    if r.ty(node.results[0]).size() > MAX_LEN || !apply(r, &node) {
        r.keep(node);
    }
}

/// A number that was truncated, and what was done with it since.
struct Cut {
    whole: Value,
    shift: u32,
    /// Bits that it needs at full scale.
    bits: u32,
    /// Steps since, in order: moves, or sums and differences with a value.
    since: Vec<(Op, Option<Value>)>,
    /// Whether two uses at most see it and what became of it.
    spent: bool,
}

impl Cut {
    /// How `v` was made from a truncated number, if it was and at full scale fits.
    fn of(r: &Rewriter<'_>, v: Value, steps: usize) -> Option<Cut> {
        let (op, args) = r.def(v)?;
        let before = |i: usize| Cut::of(r, args[i], steps.checked_sub(1)?);
        let (mut cut, other) = match op {
            Op::Trunc { .. } => {
                let (whole, shift) = r.truncated(v)?;
                let bits = r.ty(whole).bits;
                let spent = r.uses(v) <= 2;
                let cut = Cut { whole, shift, bits, since: vec![], spent };
                return (bits.max(shift) <= MAX_BITS).then_some(cut);
            }
            Op::View { .. } | Op::Reshape { .. } => (before(0)?, None),
            Op::Sub {} if before(1).is_none() => (before(0)?, Some(args[1])),
            Op::Add {} => match (before(0), before(1)) {
                (Some(cut), None) => (cut, Some(args[1])),
                (None, Some(cut)) => (cut, Some(args[0])),
                _ => return None,
            },
            _ => return None,
        };
        cut.since.push((op.clone(), other));
        cut.spent &= r.uses(v) <= 2;
        if let Some(other) = other {
            let natural = cut.bits.max(r.ty(other).bits + cut.shift) + 1;
            // What the sum is promised to be bounds it at full scale too, up to the rounding.
            cut.bits = natural.min(r.ty(v).bits + cut.shift + 1);
        }
        (cut.bits <= MAX_BITS).then_some(cut)
    }

    /// The same made at full scale.
    fn at_full_scale(&self, r: &mut Rewriter<'_>) -> Value {
        let made = self.since.iter().fold(self.whole, |x, (op, other)| match *other {
            Some(other) => {
                let other = r.emit(Op::Shl { shift: self.shift }, &[other]);
                r.emit(op.clone(), &[x, other])
            }
            None => r.emit(op.clone(), &[x]),
        });
        r.promise(made, self.bits);
        made
    }
}

fn sign(r: &mut Rewriter<'_>, node: &Node) -> bool {
    let a = node.args[0];
    let cut =
        |v: Value| Cut::of(r, v, MAX_STEPS).filter(|cut| cut.shift > 0 && cut.bits + 2 <= MAX_BITS);
    // The truncated number, whether it counts negative, and what it is then added to.
    let (cut, negative, other) = match (cut(a), r.def(a)) {
        (Some(cut), _) => (cut, false, None),
        (None, Some((Op::Neg {}, &[t]))) => match cut(t) {
            Some(cut) => (cut, true, None),
            None => return false,
        },
        (None, Some((Op::Sub {}, &[b, t]))) => match (cut(b), cut(t)) {
            (None, Some(cut)) if r.ty(b).bits + cut.shift + 2 <= MAX_BITS => (cut, true, Some(b)),
            _ => return false,
        },
        _ => return false,
    };
    // x is truncated to t: t < 0 when x + half < 0, and b - t < 0 when b·2^f + half - 1 - x < 0.
    let whole = cut.at_full_scale(r);
    let data = ConstData::Splat((1 << (cut.shift - 1)) - i128::from(negative));
    let mut rest = r.emit(Op::Const { elem: Elem::Num, shape: vec![], data }, &[]);
    if let Some(other) = other {
        let other = r.emit(Op::Shl { shift: cut.shift }, &[other]);
        rest = r.emit(Op::Add {}, &[rest, other]);
    }
    let whole = match negative {
        true => r.emit(Op::Sub {}, &[rest, whole]),
        false => r.emit(Op::Add {}, &[whole, rest]),
    };
    r.define(node.results[0], Op::Ltz {}, &[whole]);
    true
}

/// The greater or less of two truncated numbers is the truncated greater or less, if they serve nothing else.
fn greater_or_less(r: &mut Rewriter<'_>, node: &Node) -> bool {
    let &[condition, yes, no] = &node.args[..] else { return false };
    let compared = match r.def(condition) {
        Some((Op::Lt {}, &[a, b])) if r.uses(condition) == 1 => [a, b],
        _ => return false,
    };
    let same = compared == [yes, no] || compared == [no, yes];
    let alike = compared.iter().all(|&v| r.ty(v).shape == r.ty(node.results[0]).shape);
    if !same || !alike {
        return false;
    }
    let cut = |v: Value| Cut::of(r, v, MAX_STEPS).filter(|cut| cut.spent && cut.bits < MAX_BITS);
    let (Some(a), Some(b)) = (cut(compared[0]), cut(compared[1])) else { return false };
    if a.shift != b.shift {
        return false;
    }
    let [a_whole, b_whole] = [a.at_full_scale(r), b.at_full_scale(r)];
    let less = r.emit(Op::Lt {}, &[a_whole, b_whole]);
    let (yes, no) = if compared[0] == yes { (a_whole, b_whole) } else { (b_whole, a_whole) };
    let whole = r.emit(Op::Select {}, &[less, yes, no]);
    r.define(node.results[0], Op::Trunc { shift: a.shift }, &[whole]);
    true
}

//! How wide the machine's numbers must be.
//!
//! A ring of `ring` bits computes the program although sums and products on the way to a `wrap<k>` exceed it: modulo 2^k they need k bits
//! only, and ring operations respect that. A field knows no such help, so there every intermediate counts in full.

use std::collections::BTreeMap;

use crate::ir::{Block, Elem, Entry, Op, Value};

/// Widths in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Largest secret intermediate, where what is only reduced modulo 2^k counts as k.
    pub ring: u32,
    /// Largest secret intermediate.
    pub field: u32,
}

/// The bounds of an entry.
pub fn bounds(entry: &Entry) -> Bounds {
    let mut demand: BTreeMap<Value, u32> = BTreeMap::new();
    demands(&entry.body, entry, &mut demand);
    let mut out = Bounds { ring: 0, field: 0 };
    for (i, ty) in entry.types.iter().enumerate() {
        if ty.is_secret() && ty.elem == Elem::Num {
            // A value without uses in the graph is dead, or an alias's leftover.
            let needed = demand.get(&Value(i as u32)).copied().unwrap_or(0);
            out.ring = out.ring.max(ty.bits.min(needed));
            out.field = out.field.max(if needed > 0 { ty.bits } else { 0 });
        }
    }
    out
}

/// For each value, the bits its users need, backwards.
fn demands(block: &Block, entry: &Entry, demand: &mut BTreeMap<Value, u32>) {
    for &v in &block.results {
        need(demand, v, entry.ty(v).bits);
    }
    for node in block.nodes.iter().rev() {
        node.blocks.iter().rev().for_each(|b| demands(b, entry, demand));
        let of_result = node.results.first().map_or(0, |r| demand.get(r).copied().unwrap_or(0));
        for &v in &node.args {
            let own = entry.ty(v).bits;
            let bits = match node.op {
                Op::Wrap { k } | Op::Bits { k } => own.min(k),
                _ if keeps_residues(&node.op) => own.min(of_result),
                _ => own,
            };
            need(demand, v, bits);
        }
    }
}

/// Operations whose result modulo 2^k follows from their operands modulo 2^k.
fn keeps_residues(op: &Op) -> bool {
    matches!(
        op,
        Op::Add {}
            | Op::Sub {}
            | Op::Mul {}
            | Op::Neg {}
            | Op::Sum {}
            | Op::CumSum {}
            | Op::Dot {}
            | Op::MatMul {}
            | Op::Contract { .. }
    ) || matches!(
        op,
        Op::Reshape { .. }
            | Op::View { .. }
            | Op::Spread { .. }
            | Op::Concat { .. }
            | Op::SliceAt { .. }
            | Op::Shuffle { .. }
    )
}

fn need(demand: &mut BTreeMap<Value, u32>, v: Value, bits: u32) {
    let known = demand.entry(v).or_insert(0);
    *known = (*known).max(bits);
}

//! Loop-invariant code goes in front of the loop.
//!
//! Before: a `for` that certainly runs. After: pure operations of its body whose operands come from outside stand before it. Exact: they
//! would have been executed anyway, in the first iteration. Never: moves anything out of a branch, a `while`, or a loop that may not run, nor random
//! draws, inputs or states; nor large constants, which would occupy registers all along.

use crate::ir::ops::Effect;
use crate::ir::{Block, Entry, Module, Node, Op, Type, Value};

/// Most elements of a constant that is hoisted.
const MAX_CONSTANT: usize = 64;

pub(super) fn run(_: &Module, entry: &mut Entry) {
    let mut work = Hoist {
        types: &entry.types,
        depth: vec![0; entry.types.len()],
        indices: vec![None; entry.types.len()],
    };
    let body = std::mem::take(&mut entry.body);
    entry.body = work.block(body, 0);
}

struct Hoist<'a> {
    types: &'a [Type],
    /// Number of blocks around the definition of a value.
    depth: Vec<usize>,
    /// Known indices.
    indices: Vec<Option<i64>>,
}

impl Hoist<'_> {
    fn block(&mut self, block: Block, depth: usize) -> Block {
        block.params.iter().for_each(|p| self.depth[p.0 as usize] = depth);
        let mut nodes = Vec::with_capacity(block.nodes.len());
        for mut node in block.nodes {
            if let (Op::IndexConst { value }, &[r]) = (&node.op, &node.results[..]) {
                self.indices[r.0 as usize] = Some(*value);
            }
            node.blocks = std::mem::take(&mut node.blocks)
                .into_iter()
                .map(|b| self.block(b, depth + 1))
                .collect();
            if self.certain(&node) {
                let inner = std::mem::take(&mut node.blocks[0].nodes);
                let (out, stay) = self.split(inner, depth);
                nodes.extend(out);
                node.blocks[0].nodes = stay;
            }
            node.results.iter().for_each(|r| self.depth[r.0 as usize] = depth);
            nodes.push(node);
        }
        Block { nodes, ..block }
    }

    /// Whether a node is a loop that runs at least once.
    fn certain(&self, node: &Node) -> bool {
        let Op::For { step } = node.op else { return false };
        match (self.indices[node.args[0].0 as usize], self.indices[node.args[1].0 as usize]) {
            (Some(lo), Some(hi)) => {
                if step > 0 {
                    lo < hi
                } else {
                    lo > hi
                }
            }
            _ => false,
        }
    }

    /// Nodes that do not depend on the loop, and the others; the former are defined at `depth` from now on.
    fn split(&mut self, nodes: Vec<Node>, depth: usize) -> (Vec<Node>, Vec<Node>) {
        let (mut out, mut stay) = (Vec::new(), Vec::new());
        for node in nodes {
            if self.invariant(&node, depth) {
                node.results.iter().for_each(|r| self.depth[r.0 as usize] = depth);
                out.push(node);
            } else {
                stay.push(node);
            }
        }
        (out, stay)
    }

    fn invariant(&self, node: &Node, depth: usize) -> bool {
        let size = |v: &Value| self.types[v.0 as usize].size();
        node.op.effect() == Effect::Pure
            && node.args.iter().all(|v| self.depth[v.0 as usize] <= depth)
            && !(matches!(node.op, Op::Const { .. })
                && node.results.iter().any(|r| size(r) > MAX_CONSTANT))
    }
}

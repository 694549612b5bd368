//! Order within a block, and which nodes become one variadic instruction.
//!
//! Nodes are placed as early as their operands allow, measured in communication depth; constants as late as their first use allows.
//! Nodes of one kind are merged when their operands become ready at the same moment *whatever the costs of operations are*: the machine
//! lets independent instructions share rounds, so merging may never make one node wait for the operands of another. Equality of
//! symbolic depths is tested by evaluating them under several weightings of the operations, drawn once from a hash.
//!
//! After: steps in an order that respects operands, states and outputs inside loops. Never: moves a node in or out of a loop or branch.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use crate::ir::ops::Effect;
use crate::ir::{Block, Node, Op, Type, Value, Vis};

/// A block in execution order.
#[derive(Debug)]
pub struct Body {
    /// Values given on entry.
    pub params: Vec<Value>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// Values handed back.
    pub results: Vec<Value>,
    /// Place in the linear order, set by the layout: of the end of this body.
    pub end: u64,
}

/// Nodes that become one instruction (or the few that each of them takes, side by side).
#[derive(Debug)]
pub struct Step {
    /// Nodes of one kind, without their blocks.
    pub nodes: Vec<Node>,
    /// Blocks, when it is one node that owns some.
    pub bodies: Vec<Body>,
    /// Place in the linear order, set by the layout.
    pub start: u64,
    /// Place of its end; equal to `start` without bodies.
    pub end: u64,
}

/// Elements from which on a vector is shared just before it is used, in messages of its own: what is computed from the first of
/// many large vectors, such as the weights of layers, does not wait for the last, and its memory serves them one after the other.
const MUCH: usize = 1 << 14;

/// Depth under each weighting: the first counts communication, the others tell different costs apart.
type Depth = [u64; 3];

/// Orders a block and all inside it.
pub fn schedule(block: Block, types: &[Type]) -> Body {
    let order = placed(&block, types);
    let mut nodes: Vec<Option<Node>> = block.nodes.into_iter().map(Some).collect();
    let mut steps: Vec<Step> = Vec::new();
    let mut last: Option<&Key> = None;
    for (key, i) in &order {
        let mut node = nodes[*i].take().expect("each node is placed once");
        let bodies =
            std::mem::take(&mut node.blocks).into_iter().map(|b| schedule(b, types)).collect();
        match steps.last_mut() {
            Some(step) if last == Some(key) && key.kind.is_some() => step.nodes.push(node),
            _ => steps.push(Step { nodes: vec![node], bodies, start: 0, end: 0 }),
        }
        last = Some(key);
    }
    Body { params: block.params, steps, results: block.results, end: 0 }
}

/// Where a node stands; nodes of equal keys merge. `kind` is `None` for what never merges.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// Communication depth of its operands.
    depth: u64,
    /// Local steps after that depth is reached.
    level: u64,
    /// The other weightings of the same depth.
    others: [u64; 2],
    kind: Option<u64>,
}

fn placed(block: &Block, types: &[Type]) -> Vec<(Key, usize)> {
    let before = predecessors(block);
    let mut start: Vec<Depth> = Vec::with_capacity(block.nodes.len());
    let mut finish: Vec<Depth> = Vec::with_capacity(block.nodes.len());
    let mut level: Vec<u64> = Vec::with_capacity(block.nodes.len());
    for (i, node) in block.nodes.iter().enumerate() {
        let ready = before[i].iter().fold([0; 3], |d, &p| max(d, finish[p]));
        let same =
            before[i].iter().filter(|&&p| start[p][0] == ready[0]).map(|&p| level[p] + 1).max();
        start.push(ready);
        level.push(same.unwrap_or(0).max(1 << 20));
        finish.push(add(ready, cost(node, types, i)));
    }
    sink(block, types, &before, &mut start, &mut level);
    let key = |i: usize| Key {
        depth: start[i][0],
        level: level[i],
        others: [start[i][1], start[i][2]],
        kind: kind(&block.nodes[i], types),
    };
    let mut order: Vec<(Key, usize)> = (0..block.nodes.len()).map(|i| (key(i), i)).collect();
    order.sort();
    order
}

/// Constants, inputs and cheap copies of one operand stand just before their first user, so that they occupy registers for a short time.
fn sink(
    block: &Block,
    types: &[Type],
    before: &[Vec<usize>],
    start: &mut [Depth],
    level: &mut [u64],
) {
    let mut first: BTreeMap<usize, (Depth, u64)> = BTreeMap::new();
    for i in (0..block.nodes.len()).rev() {
        if sinks(block, types, &before[i], i)
            && let Some(&(depth, user)) = first.get(&i)
        {
            start[i] = depth;
            level[i] = user - 1;
        }
        for &p in &before[i] {
            let mine = (start[i], level[i]);
            let earliest = first.entry(p).or_insert(mine);
            if (mine.0[0], mine.1) < (earliest.0[0], earliest.1) {
                *earliest = mine;
            }
        }
    }
}

/// Whether doing a node late keeps no more registers busy than doing it early: it is local, and all its operands but one are constants,
/// that one no larger than its result. Views are counted in: what they read mostly lives on.
fn sinks(block: &Block, types: &[Type], before: &[usize], i: usize) -> bool {
    let node = &block.nodes[i];
    let local = match node.op.effect() {
        Effect::Pure => cost(node, types, i)[0] == 0,
        _ => matches!(node.op, Op::Input { .. }),
    };
    let [result] = node.results[..] else { return false };
    let size = |v: &Value| types[v.0 as usize].size();
    let much = matches!(node.op, Op::Share {}) && size(&result) >= MUCH;
    let constant = |v: &Value| {
        before.iter().any(|&p| {
            matches!(block.nodes[p].op, Op::Const { .. }) && block.nodes[p].results[0] == *v
        })
    };
    let mut others = node.args.iter().filter(|v| !constant(v));
    let fits = match (others.next(), others.next()) {
        (None, _) => true,
        (Some(v), None) => size(v) <= size(&result) || matches!(node.op, Op::View { .. }),
        _ => false,
    };
    (local || much) && fits
}

/// For each node, the nodes of this block that must come before it.
fn predecessors(block: &Block) -> Vec<Vec<usize>> {
    let mut maker: BTreeMap<Value, usize> = BTreeMap::new();
    let mut last_write: BTreeMap<u32, usize> = BTreeMap::new();
    let mut reads: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    let mut last_loud: Option<usize> = None;
    let mut all = Vec::with_capacity(block.nodes.len());
    for (i, node) in block.nodes.iter().enumerate() {
        let mut before: Vec<usize> = Vec::new();
        visit_uses(node, &mut |v| before.extend(maker.get(&v)));
        let mut touched = Touched::default();
        touched.node(node);
        for &id in touched.loads.iter().chain(&touched.stores) {
            before.extend(last_write.get(&id));
        }
        for &id in &touched.stores {
            before.extend(reads.remove(&id).unwrap_or_default());
            last_write.insert(id, i);
        }
        for &id in &touched.loads {
            reads.entry(id).or_default().push(i);
        }
        if touched.outputs && !node.blocks.is_empty() {
            before.extend(last_loud);
            last_loud = Some(i);
        }
        before.sort_unstable();
        before.dedup();
        before.retain(|&p| p != i);
        all.push(before);
        for &r in &node.results {
            maker.insert(r, i);
        }
    }
    all
}

/// States and outputs that a node touches, inside its blocks too.
#[derive(Default)]
struct Touched {
    loads: Vec<u32>,
    stores: Vec<u32>,
    outputs: bool,
}

impl Touched {
    fn node(&mut self, node: &Node) {
        match node.op {
            Op::StateLoad { id } => self.loads.push(id),
            Op::StateStore { id } => self.stores.push(id),
            Op::Output { .. } => self.outputs = true,
            _ => {}
        }
        for inner in node.blocks.iter().flat_map(|b| &b.nodes) {
            self.node(inner);
        }
    }
}

/// Calls `visit` with every value a node reads, inside its blocks too.
pub fn visit_uses(node: &Node, visit: &mut dyn FnMut(Value)) {
    node.args.iter().for_each(|&v| visit(v));
    for block in &node.blocks {
        block.nodes.iter().for_each(|n| visit_uses(n, visit));
        block.results.iter().for_each(|&v| visit(v));
    }
}

fn max(a: Depth, b: Depth) -> Depth {
    std::array::from_fn(|i| a[i].max(b[i]))
}

fn add(a: Depth, b: Depth) -> Depth {
    std::array::from_fn(|i| a[i].saturating_add(b[i]))
}

/// What a node adds to the depth. Loops and branches take a time of their own, like nothing else.
fn cost(node: &Node, types: &[Type], number: usize) -> Depth {
    if node.op.effect() == Effect::Nested {
        let hash = hashed(&("nested", number));
        return [64, 1 << 20 | hash & 0xfffff, 1 << 20 | hash >> 20 & 0xfffff];
    }
    let secret = node.args.iter().chain(&node.results).any(|&v| types[v.0 as usize].is_secret());
    let crossing = matches!(node.op, Op::Publish {});
    if !secret && !crossing {
        return [0; 3];
    }
    let hash = hashed(&symbol(node, types));
    [rounds(node, types), 1 + hash % 1009, 1 + hash / 1009 % 1013]
}

/// A guess of the rounds, for the order only: any numbers give a right program.
fn rounds(node: &Node, types: &[Type]) -> u64 {
    let secret = |i: usize| types[node.args[i].0 as usize].is_secret();
    match node.op {
        Op::Mul {} | Op::And {} | Op::Dot {} | Op::MatMul {} | Op::Contract { .. } => {
            u64::from(secret(0) && secret(1))
        }
        Op::Trunc { .. }
        | Op::Shr { .. }
        | Op::Wrap { .. }
        | Op::Ltz {}
        | Op::Eqz {}
        | Op::Lt {}
        | Op::Eq {} => 8,
        Op::OneHot { .. } | Op::Bits { .. } | Op::Permute {} => 8,
        Op::Places {} => 32,
        Op::Select {} | Op::FromBit {} | Op::Compose { .. } => 2,
        Op::Circuit { .. } => 32,
        Op::Shuffle { .. } => 3,
        Op::Share {} | Op::Publish {} | Op::Reveal {} | Op::RevealTo { .. } => 1,
        _ => 0,
    }
}

/// What decides the cost of a node: operation, attributes, visibilities, widths, and lengths of sums.
fn symbol(node: &Node, types: &[Type]) -> u64 {
    let mut parts = Fnv::default();
    node.op.name().hash(&mut parts);
    match &node.op {
        op @ Op::Contract { .. } => op.hash(&mut parts),
        Op::Trunc { shift } | Op::Shr { shift } => shift.hash(&mut parts),
        Op::Wrap { k } | Op::Bits { k } => k.hash(&mut parts),
        Op::OneHot { n } => n.hash(&mut parts),
        Op::Circuit { id } => id.hash(&mut parts),
        Op::RevealTo { role } => role.hash(&mut parts),
        _ => {}
    }
    for &v in &node.args {
        let ty = &types[v.0 as usize];
        (ty.elem, class(ty.vis), ty.bits).hash(&mut parts);
        if matches!(
            node.op,
            Op::Sum {}
                | Op::CumSum {}
                | Op::Dot {}
                | Op::MatMul {}
                | Op::Shuffle { .. }
                | Op::Permute {}
                | Op::Places {}
        ) {
            ty.shape.hash(&mut parts);
        }
    }
    parts.finish()
}

/// What a merged instruction has in common; `None` for what stays alone.
fn kind(node: &Node, types: &[Type]) -> Option<u64> {
    let alone = node.op.effect() == Effect::Nested
        || matches!(
            node.op,
            Op::IndexConst { .. }
                | Op::IndexAdd {}
                | Op::IndexSub {}
                | Op::IndexMul {}
                | Op::IndexFromClear { .. }
        );
    let secret = node.args.iter().chain(&node.results).any(|&v| types[v.0 as usize].is_secret());
    let ty =
        node.results.first().map(|&r| (types[r.0 as usize].elem, class(types[r.0 as usize].vis)));
    let inputs: Vec<_> = node
        .args
        .iter()
        .map(|&v| (types[v.0 as usize].elem, class(types[v.0 as usize].vis)))
        .collect();
    let detail = if secret { symbol(node, types) } else { 0 };
    (!alone).then(|| hashed(&(node.op.name(), ty, inputs, detail)))
}

/// The bank a visibility lives in: private values are clear ones that some parties lack.
fn class(vis: Vis) -> bool {
    vis == Vis::Secret
}

fn hashed<T: Hash>(x: &T) -> u64 {
    let mut h = Fnv::default();
    x.hash(&mut h);
    h.finish()
}

/// FNV-1a with a final mix: fixed for all time, so that the same source gives the same bytes.
#[derive(Default)]
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.0 = (self.0 ^ u64::from(b) ^ 0xcbf2_9ce4_8422_2325).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        let x = (self.0 ^ self.0 >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x ^ x >> 29
    }
}

//! Dead code.
//!
//! Before: any graph. After: every node and every carried value has an influence on an output, a state or an input's being read. Never:
//! drops inputs, outputs or stores of states, or what decides whether they happen.

use std::collections::BTreeMap;

use crate::ir::ops::Effect;
use crate::ir::{Block, Entry, Module, Node, Op, Value};

pub(super) fn run(_: &Module, entry: &mut Entry) {
    let mut needed = Needed {
        values: vec![false; entry.types.len()],
        sources: BTreeMap::new(),
        owners: vec![Vec::new(); entry.types.len()],
        work: Vec::new(),
    };
    needed.collect(&entry.body, &[]);
    needed.mark();
    sweep(&mut entry.body, &needed);
}

/// Which values matter.
struct Needed {
    values: Vec<bool>,
    /// Values that matter when a value does.
    sources: BTreeMap<Value, Vec<Value>>,
    /// Operands that decide whether the value's node runs.
    owners: Vec<Vec<Value>>,
    work: Vec<Value>,
}

impl Needed {
    fn want(&mut self, v: Value) {
        if !self.values[v.0 as usize] {
            self.values[v.0 as usize] = true;
            self.work.push(v);
        }
    }

    fn mark(&mut self) {
        while let Some(v) = self.work.pop() {
            let owners = std::mem::take(&mut self.owners[v.0 as usize]);
            let sources = self.sources.remove(&v).unwrap_or_default();
            owners.into_iter().chain(sources).for_each(|s| self.want(s));
        }
    }

    /// `deciding`: the values that decide whether this block runs.
    fn collect(&mut self, block: &Block, deciding: &[Value]) {
        for &p in &block.params {
            self.owners[p.0 as usize].extend_from_slice(deciding);
        }
        for node in &block.nodes {
            if node.op.effect() == Effect::Io {
                node.args.iter().chain(deciding).for_each(|&v| self.want(v));
            }
            for &r in &node.results {
                self.owners[r.0 as usize].extend_from_slice(deciding);
            }
            self.node(node, deciding);
        }
    }

    fn node(&mut self, node: &Node, deciding: &[Value]) {
        match node.op {
            Op::For { .. } => {
                let body = &node.blocks[0];
                let bounds = [node.args[0], node.args[1]];
                for (i, &r) in node.results.iter().enumerate() {
                    let p = body.params[i + 1];
                    self.depend(r, &[p, node.args[0], node.args[1]]);
                    self.depend(p, &[node.args[i + 2], body.results[i]]);
                }
                self.collect(body, &[deciding, &bounds].concat());
            }
            Op::While {} => {
                let (condition, body) = (&node.blocks[0], &node.blocks[1]);
                for (i, &r) in node.results.iter().enumerate() {
                    let (p, q) = (condition.params[i], body.params[i]);
                    self.depend(r, &[p, condition.results[0]]);
                    self.depend(p, &[node.args[i], body.results[i]]);
                    self.depend(q, &[p]);
                }
                let deciding = [deciding, &condition.results].concat();
                self.collect(condition, &deciding);
                self.collect(body, &deciding);
            }
            Op::If {} => {
                for (i, &r) in node.results.iter().enumerate() {
                    self.depend(
                        r,
                        &[node.args[0], node.blocks[0].results[i], node.blocks[1].results[i]],
                    );
                }
                let deciding = [deciding, &node.args].concat();
                node.blocks.iter().for_each(|b| self.collect(b, &deciding));
            }
            _ => node.results.iter().for_each(|&r| self.depend(r, &node.args)),
        }
    }

    fn depend(&mut self, v: Value, on: &[Value]) {
        self.sources.entry(v).or_default().extend_from_slice(on);
    }
}

fn sweep(block: &mut Block, needed: &Needed) {
    let wanted = |v: &Value| needed.values[v.0 as usize];
    block.nodes.retain_mut(|node| match node.op.effect() {
        Effect::Io => true,
        Effect::Pure | Effect::Draw => node.results.iter().any(wanted),
        Effect::Nested => {
            let live: Vec<bool> = node.results.iter().map(wanted).collect();
            let live = carried(node, live, needed);
            trim(node, &live);
            node.blocks.iter_mut().for_each(|b| sweep(b, needed));
            live.contains(&true) || node.blocks.iter().any(|b| b.nodes.iter().any(loud))
        }
    });
}

/// Which positions stay: of a loop, those whose parameter matters to others too.
fn carried(node: &Node, live: Vec<bool>, needed: &Needed) -> Vec<bool> {
    let wanted = |v: Value| needed.values[v.0 as usize];
    let inner = |i: usize| match node.op {
        Op::For { .. } => wanted(node.blocks[0].params[i + 1]),
        Op::While {} => wanted(node.blocks[0].params[i]) || wanted(node.blocks[1].params[i]),
        _ => false,
    };
    live.iter().enumerate().map(|(i, &l)| l || inner(i)).collect()
}

/// Drops the positions that do not stay.
fn trim(node: &mut Node, live: &[bool]) {
    let keep = |values: &mut Vec<Value>, skip: usize| {
        let mut i = 0;
        values.retain(|_| {
            i += 1;
            i <= skip || live[i - 1 - skip]
        });
    };
    keep(&mut node.results, 0);
    match node.op {
        Op::For { .. } => {
            keep(&mut node.args, 2);
            keep(&mut node.blocks[0].params, 1);
            keep(&mut node.blocks[0].results, 0);
        }
        Op::While {} => {
            keep(&mut node.args, 0);
            keep(&mut node.blocks[0].params, 0);
            keep(&mut node.blocks[1].params, 0);
            keep(&mut node.blocks[1].results, 0);
        }
        _ => node.blocks.iter_mut().for_each(|b| keep(&mut b.results, 0)),
    }
}

/// Whether a node, or one inside it, must stay.
fn loud(node: &Node) -> bool {
    node.op.effect() == Effect::Io || node.blocks.iter().any(|b| b.nodes.iter().any(loud))
}

//! Visibility narrowing: what is computed from clear values only is computed in the clear.
//!
//! Before: any graph. After: a secret or private value depends on an input, a state or a random draw, or is the lifting of a clear value
//! where something asks for a secret. Never: makes clear what depends on anything that is not (the rule is on dependence, not on values).

use crate::ir::{Block, Elem, Entry, Module, Node, Op, Type, Value, Vis};

pub(super) fn run(_: &Module, entry: &mut Entry) {
    let mut clear =
        Clear { types: &entry.types, known: vec![true; entry.types.len()], changed: true };
    while clear.changed {
        clear.changed = false;
        clear.block(&entry.body);
    }
    let known = clear.known;
    let hidden = |t: &Type| t.vis != Vis::Clear && t.elem != Elem::Index;
    let was: Vec<Vis> = entry.types.iter().map(|t| t.vis).collect();
    let mut any = false;
    for (t, known) in entry.types.iter_mut().zip(&known) {
        if *known && hidden(t) {
            t.vis = Vis::Clear;
            any = true;
        }
    }
    if any {
        let body = std::mem::take(&mut entry.body);
        let n = entry.types.len() as u32;
        let mut repair = Repair {
            types: &mut entry.types,
            was,
            stands: (0..n).map(Value).collect(),
            nodes: Vec::new(),
        };
        entry.body = repair.block(body, None);
    }
}

/// The greatest set of values that depend on clear ones only.
struct Clear<'a> {
    types: &'a [Type],
    known: Vec<bool>,
    changed: bool,
}

impl Clear<'_> {
    fn get(&self, v: Value) -> bool {
        self.known[v.0 as usize]
    }

    fn set(&mut self, v: Value, known: bool) {
        // What everybody knows already is clear whatever it came from: revealed values, clear states.
        let public = self.types[v.0 as usize].vis == Vis::Clear;
        let old = &mut self.known[v.0 as usize];
        if *old && !known && !public {
            *old = false;
            self.changed = true;
        }
    }

    fn flow(&mut self, from: &[Value], to: &[Value]) {
        for (&f, &t) in from.iter().zip(to) {
            self.set(t, self.get(f));
        }
    }

    fn block(&mut self, block: &Block) {
        block.nodes.iter().for_each(|n| self.node(n));
    }

    fn node(&mut self, node: &Node) {
        match &node.op {
            Op::For { .. } => {
                let body = &node.blocks[0];
                self.flow(&node.args[2..], &body.params[1..]);
                self.block(body);
                self.flow(&body.results, &body.params[1..]);
                self.flow(&body.params[1..], &node.results);
            }
            Op::While {} => {
                let (condition, body) = (&node.blocks[0], &node.blocks[1]);
                self.flow(&node.args, &condition.params);
                self.block(condition);
                self.flow(&condition.params, &body.params);
                self.block(body);
                self.flow(&body.results, &condition.params);
                self.flow(&condition.params, &body.params);
                self.flow(&condition.params, &node.results);
            }
            Op::If {} => {
                for b in &node.blocks {
                    self.block(b);
                    self.flow(&b.results, &node.results);
                }
            }
            Op::Input { .. }
            | Op::StateLoad { .. }
            | Op::Random { .. }
            | Op::RandomBit { .. }
            | Op::Shuffle { .. }
            | Op::Places {} => {
                node.results.iter().for_each(|&r| self.set(r, false));
            }
            _ => {
                let known = node.args.iter().all(|&v| self.get(v));
                node.results.iter().for_each(|&r| self.set(r, known));
            }
        }
    }
}

/// Lifts clear values where the graph still asks for hidden ones.
struct Repair<'a> {
    types: &'a mut Vec<Type>,
    /// Visibilities before.
    was: Vec<Vis>,
    /// What stands for a value.
    stands: Vec<Value>,
    nodes: Vec<Node>,
}

impl Repair<'_> {
    fn vis(&self, v: Value) -> Vis {
        self.types[v.0 as usize].vis
    }

    fn lifted(&mut self, v: Value, vis: Vis, like: &Node) -> Value {
        if self.vis(v) == vis || self.vis(v) != Vis::Clear {
            return v;
        }
        self.types.push(self.types[v.0 as usize].with_vis(vis));
        let result = Value(self.types.len() as u32 - 1);
        self.stands.push(result);
        self.was.push(vis);
        self.nodes.push(Node {
            op: Op::Lift { vis },
            args: vec![v],
            results: vec![result],
            blocks: Vec::new(),
            span: like.span,
        });
        result
    }

    /// Rebuilds a block; `targets`: what its results are handed to, and the node that owns it.
    fn block(&mut self, block: Block, targets: Option<(&[Value], &Node)>) -> Block {
        let around = std::mem::take(&mut self.nodes);
        for node in block.nodes {
            self.node(node);
        }
        let mut results: Vec<Value> =
            block.results.iter().map(|v| self.stands[v.0 as usize]).collect();
        if let Some((to, owner)) = targets {
            for (r, &t) in results.iter_mut().zip(to) {
                let vis = self.vis(t);
                *r = self.lifted(*r, vis, owner);
            }
        }
        Block { params: block.params, nodes: std::mem::replace(&mut self.nodes, around), results }
    }

    fn node(&mut self, mut node: Node) {
        let first = node.args.first().copied();
        node.args.iter_mut().for_each(|v| *v = self.stands[v.0 as usize]);
        let blocks = std::mem::take(&mut node.blocks);
        match &node.op {
            Op::For { .. } => {
                let to = blocks[0].params[1..].to_vec();
                self.lift_args(&mut node, 2, &to);
                node.blocks =
                    blocks.into_iter().map(|b| self.block(b, Some((&to, &node)))).collect();
            }
            Op::While {} => {
                let to = blocks[0].params.clone();
                self.lift_args(&mut node, 0, &to);
                node.blocks = blocks
                    .into_iter()
                    .enumerate()
                    .map(|(i, b)| self.block(b, (i == 1).then_some((&to[..], &node))))
                    .collect();
            }
            Op::If {} => {
                let to = node.results.clone();
                node.blocks =
                    blocks.into_iter().map(|b| self.block(b, Some((&to, &node)))).collect();
            }
            Op::Lift { vis }
                if node.results.first().is_some_and(|&r| self.vis(r) == Vis::Clear) =>
            {
                self.stands[node.results[0].0 as usize] = node.args[0];
                return;
            }
            Op::Share {} | Op::Publish {} | Op::Reveal {}
                if self.vis(node.args[0]) == Vis::Clear =>
            {
                self.stands[node.results[0].0 as usize] = node.args[0];
                return;
            }
            Op::RevealTo { .. } if self.vis(node.args[0]) == Vis::Clear => {
                self.stands[node.results[0].0 as usize] = node.args[0];
                return;
            }
            Op::StateStore { .. } | Op::Shuffle { .. } | Op::Places {} => {
                let vis = first.map_or(Vis::Secret, |v| self.was[v.0 as usize]);
                node.args[0] = self.lifted(node.args[0], vis, &node.clone());
            }
            _ => {}
        }
        self.nodes.push(node);
    }

    fn lift_args(&mut self, node: &mut Node, skip: usize, to: &[Value]) {
        for (i, &t) in to.iter().enumerate() {
            let vis = self.vis(t);
            let like = Node { blocks: Vec::new(), ..node.clone() };
            node.args[i + skip] = self.lifted(node.args[i + skip], vis, &like);
        }
    }
}

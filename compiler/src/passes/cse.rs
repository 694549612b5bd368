//! Common subexpressions.
//!
//! Before: any graph. After: of pure operations with equal operands only the first is left, among those that see each other. Never:
//! merges random draws, inputs or states; or hoists anything.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::ir::ops::Effect;
use crate::ir::{Block, Entry, Module, Node, Op, Type, Value};

pub(super) fn run(_: &Module, entry: &mut Entry) {
    let n = entry.types.len() as u32;
    let mut work =
        Cse { types: &mut entry.types, stands: (0..n).map(Value).collect(), known: HashMap::new() };
    let body = std::mem::take(&mut entry.body);
    entry.body = work.block(body);
}

type Key = (Op, Vec<Value>);

struct Cse<'a> {
    types: &'a mut Vec<Type>,
    stands: Vec<Value>,
    known: HashMap<Key, Value>,
}

impl Cse<'_> {
    fn block(&mut self, block: Block) -> Block {
        let added = RefCell::new(Vec::new());
        let mut nodes = Vec::with_capacity(block.nodes.len());
        for mut node in block.nodes {
            node.args.iter_mut().for_each(|v| *v = self.stands[v.0 as usize]);
            node.blocks =
                std::mem::take(&mut node.blocks).into_iter().map(|b| self.block(b)).collect();
            if !self.merge(&node, &added) {
                nodes.push(node);
            }
        }
        for key in added.into_inner() {
            self.known.remove(&key);
        }
        let results = block.results.iter().map(|v| self.stands[v.0 as usize]).collect();
        Block { params: block.params, nodes, results }
    }

    /// Whether an earlier node stands for this one; else it is remembered while its block lasts.
    fn merge(&mut self, node: &Node, added: &RefCell<Vec<Key>>) -> bool {
        let (&[result], Effect::Pure) = (&node.results[..], node.op.effect()) else { return false };
        let key = (node.op.clone(), node.args.clone());
        let mine = self.types[result.0 as usize].bits;
        match self.known.get(&key) {
            // A narrower promise may hold only where it was made: it moves to the first of the two within a block, not out of it.
            Some(&first)
                if self.types[first.0 as usize].bits <= mine || added.borrow().contains(&key) =>
            {
                let bits = &mut self.types[first.0 as usize].bits;
                *bits = mine.min(*bits);
                self.stands[result.0 as usize] = first;
                true
            }
            Some(_) => false,
            None => {
                added.borrow_mut().push(key.clone());
                self.known.insert(key, result);
                false
            }
        }
    }
}

//! What passes that go through the nodes in order have in common.

use crate::ir::infer::infer;
use crate::ir::{Block, ConstData, Elem, Entry, Module, Node, Op, Span, Type, Value, Vis};

/// Widest number at full scale that a pass puts in place of truncated ones.
pub(super) const MAX_BITS: u32 = 62;

/// A walk over an entry that rebuilds its blocks.
///
/// The pass sees each node after its operands were replaced, and keeps it, puts others in its place, or says which value stands for its
/// result. Blocks of a node are rebuilt before the node is seen.
pub(super) struct Rewriter<'a> {
    pub(super) module: &'a Module,
    types: Vec<Type>,
    /// Where known: operation and operands that define a value.
    defs: Vec<Option<(Op, Vec<Value>)>>,
    /// What stands for a value.
    stands: Vec<Value>,
    /// Number of uses before the walk.
    uses: Vec<u32>,
    nodes: Vec<Node>,
    span: Span,
}

/// Rewrites an entry, node by node.
pub(super) fn rewrite(module: &Module, entry: &mut Entry, visit: &dyn Fn(&mut Rewriter<'_>, Node)) {
    let n = entry.types.len();
    let mut uses = vec![0; n];
    count_uses(&entry.body, &mut uses);
    let mut r = Rewriter {
        module,
        types: std::mem::take(&mut entry.types),
        defs: vec![None; n],
        stands: (0..n as u32).map(Value).collect(),
        uses,
        nodes: Vec::new(),
        span: Span::default(),
    };
    let body = std::mem::take(&mut entry.body);
    entry.body = r.block(body, visit);
    entry.types = r.types;
}

fn count_uses(block: &Block, uses: &mut [u32]) {
    for node in &block.nodes {
        node.args.iter().for_each(|v| uses[v.0 as usize] += 1);
        node.blocks.iter().for_each(|b| count_uses(b, uses));
    }
    block.results.iter().for_each(|v| uses[v.0 as usize] += 1);
}

impl Rewriter<'_> {
    fn block(&mut self, block: Block, visit: &dyn Fn(&mut Rewriter<'_>, Node)) -> Block {
        let around = std::mem::take(&mut self.nodes);
        for mut node in block.nodes {
            node.args.iter_mut().for_each(|v| *v = self.stands[v.0 as usize]);
            node.blocks = std::mem::take(&mut node.blocks)
                .into_iter()
                .map(|b| self.block(b, visit))
                .collect();
            self.span = node.span;
            visit(self, node);
        }
        let results = block.results.iter().map(|v| self.stands[v.0 as usize]).collect();
        Block { params: block.params, nodes: std::mem::replace(&mut self.nodes, around), results }
    }

    /// The type of a value.
    pub(super) fn ty(&self, v: Value) -> &Type {
        &self.types[v.0 as usize]
    }

    /// How a value is computed, if it is by a plain node.
    pub(super) fn def(&self, v: Value) -> Option<(&Op, &[Value])> {
        self.defs[v.0 as usize].as_ref().map(|(op, args)| (op, &args[..]))
    }

    /// Whether a value had one use when the walk began.
    pub(super) fn used_once(&self, v: Value) -> bool {
        self.uses(v) <= 1
    }

    /// Uses of a value when the walk began; 1 if it is new.
    pub(super) fn uses(&self, v: Value) -> u32 {
        self.uses.get(v.0 as usize).copied().unwrap_or(1)
    }

    /// The secret number that a value is, truncated, and by how many bits.
    pub(super) fn truncated(&self, v: Value) -> Option<(Value, u32)> {
        match self.def(v) {
            Some((Op::Trunc { shift }, args)) if self.ty(v).is_secret() => Some((args[0], *shift)),
            _ => None,
        }
    }

    /// The constant that a value is.
    pub(super) fn constant(&self, v: Value) -> Option<&ConstData> {
        match self.def(v) {
            Some((Op::Const { data, .. }, _)) => Some(data),
            _ => None,
        }
    }

    /// The one number that all elements of a value are.
    pub(super) fn splat(&self, v: Value) -> Option<i128> {
        self.constant(v).and_then(ConstData::splat)
    }

    /// The index constant that a value is.
    pub(super) fn index(&self, v: Value) -> Option<i64> {
        match self.def(v) {
            Some((Op::IndexConst { value }, _)) => Some(*value),
            _ => None,
        }
    }

    /// Keeps a node as it is.
    pub(super) fn keep(&mut self, node: Node) {
        if let ([r], true) = (&node.results[..], node.blocks.is_empty()) {
            self.defs[r.0 as usize] = Some((node.op.clone(), node.args.clone()));
        }
        self.nodes.push(node);
    }

    /// A new node for a new value.
    pub(super) fn emit(&mut self, op: Op, args: &[Value]) -> Value {
        let types: Vec<&Type> = args.iter().map(|&v| self.ty(v)).collect();
        let ty =
            infer(self.module, &op, &types).expect("a pass keeps types").expect("has a result");
        self.types.push(ty);
        self.defs.push(None);
        let result = Value(self.types.len() as u32 - 1);
        self.stands.push(result);
        self.define(result, op, args);
        result
    }

    /// A new node for a value that exists.
    pub(super) fn define(&mut self, result: Value, op: Op, args: &[Value]) {
        let span = self.span;
        self.keep(Node {
            op,
            args: args.to_vec(),
            results: vec![result],
            blocks: Vec::new(),
            span,
        });
    }

    /// Lets `by` stand for `v` from here on. False, and nothing done, if their types differ in more than the bound.
    pub(super) fn replace(&mut self, v: Value, by: Value) -> bool {
        let (a, b) = (self.ty(v), self.ty(by));
        let same = (a.elem, a.vis, &a.shape) == (b.elem, b.vis, &b.shape);
        if same {
            self.stands[v.0 as usize] = by;
        }
        same
    }

    /// As [`Rewriter::replace`], where the pass knows that the types agree.
    pub(super) fn stand_in(&mut self, v: Value, by: Value) {
        assert!(self.replace(v, by), "a value is replaced by one of its type");
    }

    /// Narrows the bound of a value just made.
    pub(super) fn promise(&mut self, v: Value, bits: u32) {
        let ty = &mut self.types[v.0 as usize];
        if ty.elem == Elem::Num {
            ty.bits = ty.bits.min(bits.max(1));
        }
    }

    /// Makes `result` a constant of its shape, lifted as its visibility says.
    pub(super) fn define_constant(&mut self, result: Value, data: ConstData) {
        let ty = self.ty(result).clone();
        let op = Op::Const { elem: ty.elem, shape: ty.shape, data };
        if ty.vis == Vis::Clear {
            self.define(result, op, &[]);
        } else {
            let clear = self.emit(op, &[]);
            self.define(result, Op::Lift { vis: ty.vis }, &[clear]);
        }
    }

    /// Puts the nodes of a block, already rebuilt, in place of its owner.
    pub(super) fn inline(&mut self, block: Block) {
        for node in block.nodes {
            self.nodes.push(node);
        }
    }
}

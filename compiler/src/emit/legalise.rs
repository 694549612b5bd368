//! Rewrites operations that have no instruction of their own into operations that have one.
//!
//! After: every node is an instruction, an alias of its operand, or control flow. Secret operands come before clear ones in mixed sums
//! and products; both operands of a comparison, all branches of a `select` and all parts of a `concat` live in one bank; `concat` is
//! along the slowest axis; `update_at` writes contiguous elements; `slice_at` reads from its offset on; indices are only added, or
//! multiplied by constants.
//! Never: changes the result of the program, or makes code whose size depends on that of a tensor.

use std::collections::BTreeMap;

use crate::ir::infer::{infer, view_span};
use crate::ir::{Block, ConstData, Dim, Elem, Module, Node, Op, Span, Type, Value, Vis};

/// The module with every entry rewritten.
pub fn legalise(module: &Module) -> Module {
    let mut out = module.clone();
    for entry in &mut out.entries {
        let mut work = Legaliser {
            module,
            types: std::mem::take(&mut entry.types),
            nodes: Vec::new(),
            consts: BTreeMap::new(),
            span: Span::default(),
        };
        let body = std::mem::take(&mut entry.body);
        entry.body = work.block(body);
        entry.types = work.types;
    }
    out
}

struct Legaliser<'a> {
    module: &'a Module,
    types: Vec<Type>,
    /// Nodes of the block under construction.
    nodes: Vec<Node>,
    /// Known indices.
    consts: BTreeMap<Value, i64>,
    span: Span,
}

impl Legaliser<'_> {
    fn block(&mut self, block: Block) -> Block {
        let around = std::mem::take(&mut self.nodes);
        for node in block.nodes {
            self.span = node.span;
            self.node(node);
        }
        let nodes = std::mem::replace(&mut self.nodes, around);
        Block { params: block.params, nodes, results: block.results }
    }

    fn ty(&self, v: Value) -> &Type {
        &self.types[v.0 as usize]
    }

    fn secret(&self, v: Value) -> bool {
        self.ty(v).is_secret()
    }

    fn fresh(&mut self, ty: Type) -> Value {
        self.types.push(ty);
        Value(self.types.len() as u32 - 1)
    }

    /// A new node for a new value, rewritten in turn.
    fn emit(&mut self, op: Op, args: &[Value]) -> Value {
        let types: Vec<&Type> = args.iter().map(|&v| self.ty(v)).collect();
        let ty =
            infer(self.module, &op, &types).expect("rewriting keeps types").expect("has a result");
        let result = self.fresh(ty);
        self.define(result, op, args);
        result
    }

    /// A new node for a value that exists, rewritten in turn.
    fn define(&mut self, result: Value, op: Op, args: &[Value]) {
        let span = self.span;
        self.node(Node {
            op,
            args: args.to_vec(),
            results: vec![result],
            blocks: Vec::new(),
            span,
        });
    }

    fn constant(&mut self, x: i128) -> Value {
        self.emit(Op::Const { elem: Elem::Num, shape: Vec::new(), data: ConstData::Splat(x) }, &[])
    }

    fn index(&mut self, value: i64) -> Value {
        self.emit(Op::IndexConst { value }, &[])
    }

    fn narrow(&mut self, v: Value, bits: u32) -> Value {
        let ty = &mut self.types[v.0 as usize];
        ty.bits = ty.bits.min(bits);
        v
    }

    fn lifted(&mut self, v: Value) -> Value {
        if self.secret(v) { v } else { self.emit(Op::Lift { vis: Vis::Secret }, &[v]) }
    }

    fn keep(&mut self, node: Node) {
        if let Op::IndexConst { value } = node.op {
            self.consts.insert(node.results[0], value);
        }
        self.nodes.push(node);
    }

    fn node(&mut self, mut node: Node) {
        let args = node.args.clone();
        let Some(&result) = node.results.first().filter(|_| node.blocks.is_empty()) else {
            return self.control(node);
        };
        let any_secret = args.iter().any(|&v| self.secret(v));
        let mixed = any_secret && !args.iter().all(|&v| self.secret(v));
        let bits = self.ty(result).elem == Elem::Bit;
        match &node.op {
            Op::Const { elem, shape, data } => match (elem, data) {
                (Elem::Num, ConstData::Range { start, step }) => {
                    self.range(result, shape, *start, *step)
                }
                (Elem::Bit, ConstData::Dense(xs)) => {
                    let n = xs.len();
                    let data = ConstData::Dense(xs.clone());
                    let numbers =
                        self.emit(Op::Const { elem: Elem::Num, shape: vec![n], data }, &[]);
                    let flat = self.emit(Op::Bits { k: 1 }, &[numbers]);
                    self.define(result, Op::Reshape { shape: shape.clone() }, &[flat]);
                }
                _ => self.keep(node),
            },
            Op::Sub {} if mixed && self.secret(args[0]) => {
                let negated = self.emit(Op::Neg {}, &args[1..]);
                self.define(result, Op::Add {}, &[args[0], negated]);
            }
            Op::Add {} | Op::Mul {} | Op::And {} | Op::Xor {} | Op::Dot {}
                if mixed && self.secret(args[1]) =>
            {
                node.args.swap(0, 1);
                self.node(node);
            }
            Op::Sum {} | Op::Dot {} if self.ty(args[0]).shape.last() == Some(&0) => {
                self.zeros(result)
            }
            Op::MatMul {} if self.ty(args[0]).shape[1] == 0 => self.zeros(result),
            Op::Contract { inner: 0, .. } => self.zeros(result),
            Op::Shl { shift } => {
                let factor = self.constant(1i128 << shift);
                self.define(result, Op::Mul {}, &[args[0], factor]);
            }
            Op::Or {} => {
                let a = self.emit(Op::Not {}, &args[..1]);
                let b = self.emit(Op::Not {}, &args[1..]);
                let neither = self.emit(Op::And {}, &[a, b]);
                self.define(result, Op::Not {}, &[neither]);
            }
            Op::Lt {} | Op::Eq {} if mixed => {
                node.args = args.iter().map(|&v| self.lifted(v)).collect();
                self.keep(node);
            }
            Op::Ltz {} | Op::Eqz {} if !any_secret => {
                let zero = self.constant(0);
                let op = if matches!(node.op, Op::Ltz {}) { Op::Lt {} } else { Op::Eq {} };
                self.define(result, op, &[args[0], zero]);
            }
            Op::Select {} if mixed => self.select(result, &args, bits),
            Op::Concat { axis } => self.concat(node.clone(), *axis, mixed),
            Op::SliceAt { dims } if self.consts.contains_key(&args[1]) => {
                let offset = self.consts[&args[1]];
                self.define(result, Op::View { offset, dims: dims.clone() }, &args[..1]);
            }
            Op::SliceAt { dims } if view_span(dims).is_some_and(|(lo, _)| lo < 0) => {
                self.backwards(result, &args, dims)
            }
            Op::UpdateAt { dims } => self.update_at(node.clone(), dims, mixed),
            Op::Gather {} | Op::Scatter {} | Op::Shuffle { .. } | Op::Permute {} if bits => {
                let numbers = self.emit(Op::FromBit {}, &args[..1]);
                let moved = self.emit(node.op.clone(), &[&[numbers], &args[1..]].concat());
                let flat = self.emit(Op::Bits { k: 1 }, &[moved]);
                let shape = self.ty(result).shape.clone();
                self.define(result, Op::Reshape { shape }, &[flat]);
            }
            Op::Permute {} if !self.secret(args[1]) => self.define(result, Op::Scatter {}, &args),
            Op::Permute {} if mixed => {
                node.args[0] = self.lifted(args[0]);
                self.keep(node);
            }
            Op::IndexSub {} => {
                let minus = self.index(-1);
                let negated = self.emit(Op::IndexMul {}, &[args[1], minus]);
                self.define(result, Op::IndexAdd {}, &[args[0], negated]);
            }
            Op::IndexAdd {} | Op::IndexMul {}
                if self.consts.contains_key(&args[0]) && !self.consts.contains_key(&args[1]) =>
            {
                node.args.swap(0, 1);
                self.keep(node);
            }
            Op::IndexMul {} if !self.consts.contains_key(&args[1]) => {
                let a = self.emit(Op::NumFromIndex {}, &args[..1]);
                let b = self.emit(Op::NumFromIndex {}, &args[1..]);
                let product = self.emit(Op::Mul {}, &[a, b]);
                self.define(result, Op::IndexFromClear { bound: i64::MAX }, &[product]);
            }
            Op::StateLoad { .. } if !self.secret(result) => {
                let shared = self.fresh(self.ty(result).with_vis(Vis::Secret));
                self.keep(Node { results: vec![shared], ..node });
                self.define(result, Op::Reveal {}, &[shared]);
            }
            _ => self.keep(node),
        }
    }

    /// Nodes with blocks or without results.
    fn control(&mut self, mut node: Node) {
        if matches!(node.op, Op::StateStore { .. }) {
            node.args[0] = self.lifted(node.args[0]);
        }
        let blocks = std::mem::take(&mut node.blocks);
        let span = node.span;
        node.blocks = blocks.into_iter().map(|b| self.block(b)).collect();
        self.span = span;
        self.keep(node);
    }

    fn zeros(&mut self, result: Value) {
        let ty = self.ty(result).clone();
        let zero = Op::Const { elem: ty.elem, shape: ty.shape, data: ConstData::Splat(0) };
        if ty.vis == Vis::Clear {
            self.define(result, zero, &[]);
        } else {
            let zero = self.emit(zero, &[]);
            self.define(result, Op::Lift { vis: ty.vis }, &[zero]);
        }
    }

    /// start + i·step as running sums of the step.
    fn range(&mut self, result: Value, shape: &[usize], start: i128, step: i128) {
        let n = shape.iter().product();
        let steps = self
            .emit(Op::Const { elem: Elem::Num, shape: vec![n], data: ConstData::Splat(step) }, &[]);
        let sums = self.emit(Op::CumSum {}, &[steps]);
        let before = self.constant(start.wrapping_sub(step));
        let flat = self.emit(Op::Add {}, &[sums, before]);
        self.define(result, Op::Reshape { shape: shape.to_vec() }, &[flat]);
    }

    /// A `select` of clear and secret operands.
    fn select(&mut self, result: Value, args: &[Value], bits: bool) {
        let &[c, a, b] = args else { unreachable!("select has three operands") };
        match (self.secret(c), bits) {
            (true, false) if !self.secret(a) && !self.secret(b) => self.blend(result, c, a, b),
            (true, _) => {
                let (a, b) = (self.lifted(a), self.lifted(b));
                self.define(result, Op::Select {}, &[c, a, b]);
            }
            (false, false) => self.blend(result, c, a, b),
            (false, true) => {
                let differ = self.emit(Op::Xor {}, &[a, b]);
                let taken = self.emit(Op::And {}, &[differ, c]);
                self.define(result, Op::Xor {}, &[taken, b]);
            }
        }
    }

    /// b + c·(a − b).
    fn blend(&mut self, result: Value, c: Value, a: Value, b: Value) {
        let c = self.emit(Op::FromBit {}, &[c]);
        let difference = self.emit(Op::Sub {}, &[a, b]);
        let taken = self.emit(Op::Mul {}, &[c, difference]);
        let bits = self.ty(difference).bits;
        let taken = self.narrow(taken, bits);
        self.define(result, Op::Add {}, &[taken, b]);
    }

    /// Parts in one bank, along the slowest axis: otherwise that axis goes first and comes back by a view.
    fn concat(&mut self, mut node: Node, axis: usize, mixed: bool) {
        if mixed {
            node.args = node.args.iter().map(|&v| self.lifted(v)).collect();
        }
        let shape = self.ty(node.results[0]).shape.clone();
        let before: usize = shape[..axis].iter().product();
        let after: usize = shape[axis + 1..].iter().product();
        if before == 1 || shape.contains(&0) {
            return self.keep(node);
        }
        let dim = |size: usize, stride: usize| Dim { size, stride: stride as i64 };
        let turn = |k: usize| vec![dim(k, after), dim(before, k * after), dim(after, 1)];
        let parts: Vec<Value> = node.args.clone();
        let turned: Vec<Value> = parts
            .iter()
            .map(|&v| {
                let dims = turn(self.ty(v).shape[axis]);
                self.emit(Op::View { offset: 0, dims }, &[v])
            })
            .collect();
        let joined = self.emit(Op::Concat { axis: 0 }, &turned);
        let back = vec![dim(before, after), dim(shape[axis], before * after), dim(after, 1)];
        let flat = self.emit(Op::View { offset: 0, dims: back }, &[joined]);
        self.define(node.results[0], Op::Reshape { shape }, &[flat]);
    }

    /// A slice that goes back from its offset: the part it lies in, and a view of that. A run of registers cannot begin before the first.
    fn backwards(&mut self, result: Value, args: &[Value], dims: &[Dim]) {
        let (lo, hi) = view_span(dims).map_or((0, 0), |(lo, hi)| (lo as i64, hi as i64));
        let first = self.index(lo);
        let at = self.emit(Op::IndexAdd {}, &[args[1], first]);
        let whole = vec![Dim { size: (hi - lo) as usize + 1, stride: 1 }];
        let part = self.emit(Op::SliceAt { dims: whole }, &[args[0], at]);
        self.define(result, Op::View { offset: -lo, dims: dims.to_vec() }, &[part]);
    }

    /// Contiguous writes stay; others become a loop over the slowest axis.
    fn update_at(&mut self, mut node: Node, dims: &[Dim], mixed: bool) {
        if mixed && (self.secret(node.args[0]) != self.secret(node.args[1])) {
            node.args[0] = self.lifted(node.args[0]);
            node.args[1] = self.lifted(node.args[1]);
        }
        if dims.iter().any(|d| d.size == 0) {
            let shape = self.ty(node.results[0]).shape.clone();
            return self.define(node.results[0], Op::Reshape { shape }, &node.args[..1]);
        }
        let dims: Vec<Dim> = dims.iter().copied().filter(|d| d.size > 1).collect();
        if contiguous(&dims) {
            return self.keep(node);
        }
        let [a, v, offset] = node.args[..] else { unreachable!("update_at has three operands") };
        let (outer, inner) = (dims[0], &dims[1..]);
        let row = inner.iter().map(|d| d.size).product::<usize>();
        let (lo, hi) = (self.index(0), self.index(outer.size as i64));
        let i = self.fresh(Type::index());
        let carried = self.fresh(self.ty(node.results[0]).clone());
        let around = std::mem::take(&mut self.nodes);
        let (width, stride) = (self.index(row as i64), self.index(outer.stride));
        let from = self.emit(Op::IndexMul {}, &[i, width]);
        let read: Vec<Dim> = inner
            .iter()
            .enumerate()
            .map(|(n, d)| Dim {
                size: d.size,
                stride: inner[n + 1..].iter().map(|d| d.size as i64).product(),
            })
            .collect();
        let part = self.emit(Op::SliceAt { dims: read }, &[v, from]);
        let moved = self.emit(Op::IndexMul {}, &[i, stride]);
        let to = self.emit(Op::IndexAdd {}, &[moved, offset]);
        let next = self.emit(Op::UpdateAt { dims: inner.to_vec() }, &[carried, part, to]);
        let body = Block {
            params: vec![i, carried],
            nodes: std::mem::replace(&mut self.nodes, around),
            results: vec![next],
        };
        let span = self.span;
        self.nodes.push(Node {
            op: Op::For { step: 1 },
            args: vec![lo, hi, a],
            results: node.results,
            blocks: vec![body],
            span,
        });
    }
}

/// Whether a view with these axes reads neighbours in order.
pub fn contiguous(dims: &[Dim]) -> bool {
    let mut expected = 1i64;
    for d in dims.iter().rev().filter(|d| d.size != 1) {
        if d.stride != expected {
            return false;
        }
        expected = expected.saturating_mul(d.size as i64);
    }
    true
}

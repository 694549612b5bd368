//! Where values live: one run of registers per value, by liveness.
//!
//! A value is either a *root* with registers of its own or an alias: a contiguous view, a reshape or a contiguous slice at an index is
//! its source's registers, moved. A clear constant of equal elements, or a repetition of one element, that meets element-wise operations
//! only takes a single register.
//!
//! Roots are joined into *classes* that share registers when their lives do not overlap: what a loop carries in, through and out, what
//! the branches of an `if` hand back, and an `update_at` with the tensor it updates, so that it happens in place. Where lives do
//! overlap, the encoder copies. Classes then get the lowest free run, in the order of their births (linear scan, Poletto and Sarkar
//! 1999). The machine renames registers as it runs, so reuse adds no rounds.
//!
//! Time: step p reads at 4p+2 and writes at 4p+3 (an instruction reads all before it writes any). `update_at` reads its tensor at 4p and
//! writes at 4p+1, before its other operands are read, since it may be a copy followed by a write.

use std::collections::{BTreeMap, BTreeSet};

use mpc_bytecode::Bank;

use super::legalise::contiguous;
use super::schedule::{Body, Step};
use crate::ir::{Elem, Node, Op, Type, Value, Vis};

/// Registers of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The bank.
    pub bank: Bank,
    /// First register, before the index.
    pub base: u64,
    /// Number of registers.
    pub len: u64,
    /// Index value that moves the run.
    pub index: Option<Value>,
}

/// A value as registers of a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alias {
    /// Whose registers.
    pub root: Value,
    /// First of them.
    pub offset: u64,
    /// How many.
    pub len: u64,
    /// Index that moves them.
    pub index: Option<Value>,
}

/// The layout of one entry.
#[derive(Debug)]
pub struct Layout {
    /// By value: which registers of which root.
    pub alias: Vec<Alias>,
    /// By root: its first register.
    pub base: Vec<u64>,
    /// By root: whether anything reads its registers.
    pub used: Vec<bool>,
    /// Known indices.
    pub consts: BTreeMap<Value, i64>,
    /// Registers of each bank, in the order of [`Bank::ALL`].
    pub sizes: [u64; 5],
}

impl Layout {
    /// Registers of a value.
    pub fn place(&self, v: Value, types: &[Type]) -> Place {
        let a = self.alias[v.0 as usize];
        Place {
            bank: bank(&types[v.0 as usize]),
            base: self.base[a.root.0 as usize] + a.offset,
            len: a.len,
            index: a.index,
        }
    }
}

/// The bank of a type. Private values live among the clear ones.
pub fn bank(ty: &Type) -> Bank {
    match (ty.elem, ty.vis) {
        (Elem::Index, _) => Bank::R,
        (Elem::Num, Vis::Secret) => Bank::S,
        (Elem::Num, _) => Bank::C,
        (Elem::Bit, Vis::Secret) => Bank::SB,
        (Elem::Bit, _) => Bank::CB,
    }
}

/// Lays out the values of a scheduled entry.
pub fn layout(body: &mut Body, types: &[Type]) -> Layout {
    let mut at = 0;
    number(body, &mut at);
    let (alias, consts) = aliases(body, types);
    let mut life = Life::new(&alias, &consts, types.len());
    life.body(body);
    let mut classes = Classes::new(&life, &alias, types);
    classes.join_body(body, &alias);
    let (base, sizes) = classes.assign();
    Layout { base, sizes, used: life.used, alias, consts }
}

/// Whether a node takes one register for all of an operand's elements, as element-wise instructions do.
fn repeats_operands(op: &Op) -> bool {
    matches!(
        op,
        Op::Add {}
            | Op::Sub {}
            | Op::Mul {}
            | Op::Div {}
            | Op::Mod {}
            | Op::And {}
            | Op::Xor {}
            | Op::Select {}
            | Op::Lt {}
            | Op::Eq {}
    ) || matches!(op, Op::Lift { vis: Vis::Secret })
}

fn each_node<'a>(body: &'a Body, visit: &mut dyn FnMut(&'a Node)) {
    for step in &body.steps {
        step.nodes.iter().for_each(&mut *visit);
        step.bodies.iter().for_each(|b| each_node(b, visit));
    }
}

fn each_result(body: &Body, visit: &mut dyn FnMut(Value)) {
    body.results.iter().for_each(|&v| visit(v));
    body.steps.iter().flat_map(|s| &s.bodies).for_each(|b| each_result(b, visit));
}

/// Gives every step and every end of a body its place in the linear order.
fn number(body: &mut Body, at: &mut u64) {
    for step in &mut body.steps {
        *at += 1;
        step.start = *at;
        for b in &mut step.bodies {
            number(b, at);
        }
        step.end = *at;
    }
    *at += 1;
    body.end = *at;
}

/// Which values are registers of others, and the indices that are known.
fn aliases(body: &Body, types: &[Type]) -> (Vec<Alias>, BTreeMap<Value, i64>) {
    // A run is moved by one index only: slices that are sliced again at an index get registers of their own.
    let mut solid = BTreeSet::new();
    loop {
        let before = solid.len();
        let found = aliases_but(body, types, &mut solid);
        if solid.len() == before {
            return found;
        }
    }
}

fn aliases_but(
    body: &Body,
    types: &[Type],
    solid: &mut BTreeSet<Value>,
) -> (Vec<Alias>, BTreeMap<Value, i64>) {
    // By value: the slice that gave it its index.
    let mut moved: BTreeMap<Value, Value> = BTreeMap::new();
    let mut consts = BTreeMap::new();
    let mut sums: BTreeMap<Value, (Value, u64)> = BTreeMap::new();
    let repeated = repeated(body, types);
    let whole = |v: usize| Alias {
        root: Value(v as u32),
        offset: 0,
        len: types[v].size() as u64,
        index: None,
    };
    let mut alias: Vec<Alias> = (0..types.len()).map(whole).collect();
    each_node(body, &mut |node| {
        let Some(&r) = node.results.first() else { return };
        let source = node.args.first().map(|a| alias[a.0 as usize]);
        let size = types[r.0 as usize].size() as u64;
        match (&node.op, source) {
            (Op::IndexConst { value }, _) => {
                consts.insert(r, *value);
            }
            (Op::IndexAdd {}, _) => {
                if let Some(c) = consts.get(&node.args[1]).and_then(|&c| u64::try_from(c).ok()) {
                    let (base, before) =
                        sums.get(&node.args[0]).copied().unwrap_or((node.args[0], 0));
                    sums.insert(r, (base, before + c));
                }
            }
            (Op::Const { .. }, _) if repeated[r.0 as usize] => alias[r.0 as usize].len = 1,
            (Op::Lift { vis: Vis::Secret }, _) if repeated[r.0 as usize] => {
                alias[r.0 as usize].len = 1
            }
            (Op::SliceAt { .. }, Some(a)) if a.index.is_some() => {
                solid.insert(moved[&node.args[0]]);
            }
            (Op::SliceAt { .. }, _) if solid.contains(&r) => {}
            (Op::Reshape { .. }, Some(a)) => alias[r.0 as usize] = a,
            (Op::Lift { vis: Vis::Private(_) }, Some(a)) if a.len == size => {
                alias[r.0 as usize] = a
            }
            (Op::View { offset, .. }, Some(a)) if repeated[r.0 as usize] => {
                alias[r.0 as usize] = Alias { offset: a.offset + *offset as u64, len: 1, ..a };
            }
            (Op::View { offset, dims }, Some(a)) if contiguous(dims) && size > 0 => {
                alias[r.0 as usize] = Alias { offset: a.offset + *offset as u64, len: size, ..a };
            }
            (Op::SliceAt { dims }, Some(a))
                if contiguous(dims) && a.index.is_none() && size > 0 =>
            {
                let (index, more) = sums.get(&node.args[1]).copied().unwrap_or((node.args[1], 0));
                alias[r.0 as usize] =
                    Alias { offset: a.offset + more, len: size, index: Some(index), ..a };
                moved.insert(r, r);
            }
            _ => {}
        }
        if let Some(&by) = node.args.first().and_then(|a| moved.get(a))
            && alias[r.0 as usize].index.is_some()
        {
            moved.insert(r, by);
        }
    });
    (alias, consts)
}

/// Values of equal elements whose every use takes one register for all.
fn repeated(body: &Body, types: &[Type]) -> Vec<bool> {
    let mut equal = vec![false; types.len()];
    each_node(body, &mut |node| {
        let Some(&r) = node.results.first() else { return };
        equal[r.0 as usize] = types[r.0 as usize].size() > 1
            && match &node.op {
                Op::Const { data, .. } => data.splat().is_some(),
                Op::View { dims, .. } => dims.iter().all(|d| d.size == 1 || d.stride == 0),
                Op::Lift { vis: Vis::Secret } => equal[node.args[0].0 as usize],
                _ => false,
            };
    });
    each_node(body, &mut |node| {
        if !repeats_operands(&node.op) {
            node.args.iter().for_each(|v| equal[v.0 as usize] = false);
        }
    });
    each_result(body, &mut |v| equal[v.0 as usize] = false);
    // A lifted constant keeps its own length when it is used whole.
    equal
}

/// First and last moments of every root.
struct Life<'a> {
    alias: &'a [Alias],
    consts: &'a BTreeMap<Value, i64>,
    start: Vec<u64>,
    end: Vec<u64>,
    /// Further moments of life before `start`: the first write of a result of branches.
    early: BTreeMap<Value, u64>,
    used: Vec<bool>,
    /// Number of loops around the definition.
    depth: Vec<usize>,
    /// For each loop that is open, the roots from outside that it reads.
    captured: Vec<Vec<Value>>,
}

impl<'a> Life<'a> {
    fn new(alias: &'a [Alias], consts: &'a BTreeMap<Value, i64>, n: usize) -> Self {
        Life {
            alias,
            consts,
            start: vec![0; n],
            end: vec![0; n],
            early: BTreeMap::new(),
            used: vec![false; n],
            depth: vec![0; n],
            captured: Vec::new(),
        }
    }

    fn define(&mut self, v: Value, time: u64) {
        let i = v.0 as usize;
        self.start[i] = time;
        self.end[i] = self.end[i].max(time);
        self.depth[i] = self.captured.len();
    }

    fn read(&mut self, v: Value, time: u64) {
        let Alias { root, index, .. } = self.alias[v.0 as usize];
        self.touch(root, time);
        if let Some(index) = index {
            self.touch(index, time);
        }
    }

    fn touch(&mut self, root: Value, time: u64) {
        let i = root.0 as usize;
        self.used[i] = true;
        self.end[i] = self.end[i].max(time);
        if let Some(outer) = self.captured.get_mut(self.depth[i]) {
            outer.push(root);
        }
    }

    fn close_loop(&mut self, time: u64) {
        let values = self.captured.pop().expect("a loop is open");
        for v in values {
            self.end[v.0 as usize] = self.end[v.0 as usize].max(time);
        }
    }

    fn body(&mut self, body: &Body) {
        body.steps.iter().for_each(|s| self.step(s));
    }

    fn step(&mut self, step: &Step) {
        let (read, write) = (4 * step.start + 2, 4 * step.start + 3);
        let node = &step.nodes[0];
        match node.op {
            Op::For { .. } => self.for_loop(step, node),
            Op::While {} => self.while_loop(step, node),
            Op::If {} => self.branches(step, node),
            _ => {
                for node in &step.nodes {
                    self.plain(node, read, write);
                }
            }
        }
    }

    fn plain(&mut self, node: &Node, read: u64, write: u64) {
        let is_alias = |v: Value| self.alias[v.0 as usize].root != v;
        if node.results.first().is_some_and(|&r| is_alias(r)) {
            return;
        }
        match node.op {
            Op::UpdateAt { .. } => {
                self.read(node.args[0], read - 2);
                self.read(node.args[1], read);
                self.read_offset(node.args[2], read);
                self.define(node.results[0], write - 2);
            }
            Op::SliceAt { .. } => {
                self.read(node.args[0], read);
                self.read(node.args[1], read);
                self.define(node.results[0], write);
            }
            Op::IndexAdd {} | Op::IndexMul {} => {
                self.read(node.args[0], read);
                if !self.consts.contains_key(&node.args[1]) {
                    self.read(node.args[1], read);
                }
                self.define(node.results[0], write);
            }
            _ => {
                node.args.iter().for_each(|&v| self.read(v, read));
                node.results.iter().for_each(|&v| self.define(v, write));
            }
        }
    }

    /// A constant offset becomes part of the address.
    fn read_offset(&mut self, v: Value, time: u64) {
        if !self.consts.contains_key(&v) {
            self.read(v, time);
        }
    }

    fn for_loop(&mut self, step: &Step, node: &Node) {
        let (read, write) = (4 * step.start + 2, 4 * step.start + 3);
        let (last_read, last_write) = (4 * step.end + 2, 4 * step.end + 3);
        let body = &step.bodies[0];
        self.read_offset(node.args[0], read);
        node.args[2..].iter().for_each(|&v| self.read(v, read));
        self.captured.push(Vec::new());
        self.read(node.args[1], read);
        body.params.iter().for_each(|&p| self.define(p, write));
        self.touch(body.params[0], last_write);
        self.body(body);
        body.results.iter().for_each(|&v| self.read(v, last_read));
        self.close_loop(last_write);
        node.results.iter().for_each(|&v| self.define(v, last_write));
    }

    fn while_loop(&mut self, step: &Step, node: &Node) {
        let write = 4 * step.start + 3;
        let [condition, body] = &step.bodies[..] else { unreachable!("a while has two blocks") };
        let decided = 4 * condition.end + 2;
        node.args.iter().for_each(|&v| self.read(v, write - 1));
        self.captured.push(Vec::new());
        for &p in &condition.params {
            self.define(p, write);
            self.touch(p, decided);
        }
        self.body(condition);
        condition.results.iter().for_each(|&v| self.read(v, decided));
        body.params.iter().for_each(|&p| self.define(p, decided + 1));
        self.body(body);
        body.results.iter().for_each(|&v| self.read(v, 4 * body.end + 2));
        self.close_loop(4 * step.end + 3);
        node.results.iter().for_each(|&v| self.define(v, 4 * step.end + 3));
    }

    fn branches(&mut self, step: &Step, node: &Node) {
        self.read(node.args[0], 4 * step.start + 2);
        for b in &step.bodies {
            self.body(b);
            b.results.iter().for_each(|&v| self.read(v, 4 * b.end + 2));
        }
        for &r in &node.results {
            self.define(r, 4 * step.end + 3);
            self.early.insert(r, 4 * step.bodies[0].end + 3);
        }
    }
}

/// Roots that share registers.
struct Classes {
    /// Union-find.
    parent: Vec<u32>,
    /// Of each class: lives of its members, sorted, disjoint.
    lives: Vec<Vec<(u64, u64)>>,
    /// Of each root.
    banks: Vec<Bank>,
    lens: Vec<u64>,
    defined: Vec<bool>,
}

impl Classes {
    fn new(life: &Life<'_>, alias: &[Alias], types: &[Type]) -> Classes {
        let n = types.len();
        let lives = (0..n).map(|i| {
            let early = life.early.get(&Value(i as u32)).map(|&t| (t, t));
            early.into_iter().chain([(life.start[i], life.end[i])]).collect()
        });
        Classes {
            parent: (0..n as u32).collect(),
            lives: lives.collect(),
            banks: types.iter().map(bank).collect(),
            lens: alias.iter().map(|a| a.len).collect(),
            defined: (0..n).map(|i| life.start[i] > 0 && alias[i].root.0 as usize == i).collect(),
        }
    }

    fn find(&mut self, v: Value) -> usize {
        let mut i = v.0 as usize;
        while self.parent[i] as usize != i {
            self.parent[i] = self.parent[self.parent[i] as usize];
            i = self.parent[i] as usize;
        }
        i
    }

    /// Joins two classes if their lives do not overlap.
    fn join(&mut self, a: Value, b: Value) {
        let (a, b) = (self.find(a), self.find(b));
        if a == b || self.banks[a] != self.banks[b] || self.lens[a] != self.lens[b] {
            return;
        }
        if let Some(merged) = merged(&self.lives[a], &self.lives[b]) {
            self.parent[b] = a as u32;
            self.lives[a] = merged;
            self.lives[b] = Vec::new();
        }
    }

    /// Joins a root with whatever `v` stands for, if that is the whole of a root.
    fn join_whole(&mut self, root: Value, v: Value, alias: &[Alias]) {
        let a = alias[v.0 as usize];
        if a.offset == 0 && a.index.is_none() {
            self.join(root, a.root);
        }
    }

    fn join_body(&mut self, body: &Body, alias: &[Alias]) {
        for step in &body.steps {
            step.bodies.iter().for_each(|b| self.join_body(b, alias));
            let node = &step.nodes[0];
            match node.op {
                Op::For { .. } => {
                    let inner = &step.bodies[0];
                    self.join_carried(
                        &inner.params[1..],
                        &inner.results,
                        &node.args[2..],
                        &node.results,
                        alias,
                    );
                }
                Op::While {} => {
                    let [condition, inner] = &step.bodies[..] else {
                        unreachable!("a while has two blocks")
                    };
                    for (&p, &q) in condition.params.iter().zip(&inner.params) {
                        self.join(p, q);
                    }
                    self.join_carried(
                        &condition.params,
                        &inner.results,
                        &node.args,
                        &node.results,
                        alias,
                    );
                }
                Op::If {} => {
                    for b in &step.bodies {
                        for (&r, &v) in node.results.iter().zip(&b.results) {
                            self.join_whole(r, v, alias);
                        }
                    }
                }
                Op::UpdateAt { .. } => {
                    for n in &step.nodes {
                        self.join_whole(n.results[0], n.args[0], alias);
                    }
                }
                _ => {}
            }
        }
    }

    /// Parameters and results of a loop always share registers; the next and the initial values do where they can.
    fn join_carried(
        &mut self,
        params: &[Value],
        next: &[Value],
        init: &[Value],
        results: &[Value],
        alias: &[Alias],
    ) {
        for (i, &p) in params.iter().enumerate() {
            self.join(p, results[i]);
            debug_assert!(
                self.find(p) == self.find(results[i]),
                "a loop's result follows its parameter"
            );
        }
        for (i, &p) in params.iter().enumerate() {
            self.join_whole(p, next[i], alias);
            self.join_whole(p, init[i], alias);
        }
    }

    /// First register of every root, and the size of each bank.
    fn assign(mut self) -> (Vec<u64>, [u64; 5]) {
        let n = self.parent.len();
        let mut order: Vec<(u64, u64, usize)> = Vec::new();
        for i in 0..n {
            if self.parent[i] as usize == i && self.lens[i] > 0 {
                let (first, last) =
                    (self.lives[i][0].0, self.lives[i].last().expect("a class lives").1);
                if first > 0 {
                    order.push((first, last, i));
                }
            }
        }
        order.sort_unstable();
        let mut base = vec![0; n];
        let mut sizes = [0; 5];
        let mut active: [Active; 5] = Default::default();
        for (first, last, i) in order {
            let bank = self.banks[i] as usize;
            base[i] = active[bank].place(first, last, self.lens[i]);
            sizes[bank] = sizes[bank].max(base[i] + self.lens[i]);
        }
        for i in 0..n {
            if self.defined[i] {
                base[i] = base[self.find(Value(i as u32))];
            }
        }
        (base, sizes)
    }
}

/// Runs of one bank that are taken, by base.
#[derive(Default)]
struct Active {
    runs: BTreeMap<u64, (u64, u64)>,
}

impl Active {
    /// The lowest free run of `len` registers at time `first`, taken until `last`.
    fn place(&mut self, first: u64, last: u64, len: u64) -> u64 {
        self.runs.retain(|_, &mut (_, end)| end >= first);
        let mut base = 0;
        for (&start, &(size, _)) in &self.runs {
            if start >= base + len {
                break;
            }
            base = base.max(start + size);
        }
        self.runs.insert(base, (len, last));
        base
    }
}

/// Two sorted lists of disjoint intervals as one, unless they overlap.
fn merged(a: &[(u64, u64)], b: &[(u64, u64)]) -> Option<Vec<(u64, u64)>> {
    let mut all: Vec<(u64, u64)> = a.iter().chain(b).copied().collect();
    all.sort_unstable();
    all.windows(2).all(|w| w[0].1 < w[1].0).then_some(all)
}

//! From laid-out steps to instructions.

mod instruction;

use std::collections::BTreeMap;
use std::sync::Arc;

use mpc_bytecode::group as g;
use mpc_bytecode::{
    Bank, Bits, Dims, Id, Imm, Instruction, Pool, Read, ReadR, Run, Target, Wide, Write, WriteR,
};

use super::layout::{Layout, Place};
use super::schedule::{Body, Step};
use crate::ir::infer::view_span;
use crate::ir::{ConstData, Dim, Elem, Node, Op, Span, Type, Value, Vis};

/// Code of one entry, and the constants of all.
pub struct Encoder<'a> {
    types: &'a [Type],
    layout: &'a Layout,
    pool: &'a mut ConstPool,
    /// Number of instructions before this entry.
    start: usize,
    code: Vec<Instruction>,
    spans: Vec<Span>,
    span: Span,
    /// Machine integers beyond those of the layout.
    scratch: u64,
}

/// Constants of the file; equal ones are kept once.
#[derive(Default)]
pub struct ConstPool {
    /// The constants.
    pub values: Vec<i128>,
    known: BTreeMap<Arc<[i128]>, u64>,
}

impl ConstPool {
    fn place(&mut self, xs: &Arc<[i128]>) -> Pool {
        let base = *self.known.entry(xs.clone()).or_insert_with(|| {
            self.values.extend_from_slice(xs);
            (self.values.len() - xs.len()) as u64
        });
        Pool { base, len: xs.len() as u64 }
    }
}

/// What an entry became.
pub struct Encoded {
    /// Instructions, ending in `halt`.
    pub code: Vec<Instruction>,
    /// Source place of each.
    pub spans: Vec<Span>,
    /// Registers of each bank.
    pub sizes: [u64; 5],
}

/// Encodes a laid-out entry that starts at instruction `start`.
pub fn encode(
    body: &Body,
    types: &[Type],
    layout: &Layout,
    pool: &mut ConstPool,
    start: usize,
) -> Encoded {
    let mut e = Encoder {
        types,
        layout,
        pool,
        start,
        code: Vec::new(),
        spans: Vec::new(),
        span: Span::default(),
        scratch: 0,
    };
    e.body(body);
    e.once(g::Halt {});
    let mut sizes = layout.sizes;
    sizes[Bank::R as usize] += e.scratch;
    Encoded { code: e.code, spans: e.spans, sizes }
}

/// Reads or writes of a value's registers.
impl Encoder<'_> {
    fn ty(&self, v: Value) -> &Type {
        &self.types[v.0 as usize]
    }

    fn bits(&self, v: Value) -> Bits {
        Bits(self.ty(v).bits)
    }

    fn place(&self, v: Value) -> Place {
        self.layout.place(v, self.types)
    }

    fn bank(&self, v: Value) -> Bank {
        self.place(v).bank
    }

    fn run(&self, v: Value) -> Run {
        let p = self.place(v);
        Run { base: p.base, len: p.len, index: p.index.map(|i| self.register(i)) }
    }

    fn register(&self, v: Value) -> u32 {
        self.layout.base[v.0 as usize] as u32
    }

    fn r<B>(&self, v: Value) -> Read<B> {
        Read::new(self.run(v))
    }

    fn w<B>(&self, v: Value) -> Write<B> {
        Write::new(self.run(v))
    }

    fn role(&self, v: Value) -> Id {
        match self.ty(v).vis {
            Vis::Private(role) => Id(role),
            _ => unreachable!("the type rule asks for a private value"),
        }
    }
}

/// Instructions appended, and those of a step side by side.
impl Encoder<'_> {
    fn once(&mut self, i: impl Into<Instruction>) {
        self.code.push(i.into());
        self.spans.push(self.span);
    }

    fn here(&self) -> Target {
        Target((self.start + self.code.len()) as u32)
    }

    /// Appends columns of instructions: the first of each node, then the second, each column merged by kind.
    fn merged(&mut self, rows: Vec<(Vec<Instruction>, Span)>) {
        let longest = rows.iter().map(|(row, _)| row.len()).max().unwrap_or(0);
        let mut rows: Vec<_> =
            rows.into_iter().map(|(row, span)| (row.into_iter(), span)).collect();
        for _ in 0..longest {
            let first = self.code.len();
            for (row, span) in &mut rows {
                let Some(mut next) = row.next() else { continue };
                let grown = self.code[first..].iter_mut().any(|i| append(i, &mut next));
                if !grown {
                    self.code.push(next);
                    self.spans.push(*span);
                }
            }
        }
    }
}

macro_rules! define_append {
    ($( $(#[doc = $fd:literal])* $Family:ident { $( $(#[doc = $doc:literal])* $code:literal $arity:ident $mnemonic:ident = $Name:ident { $($field:ident : $ty:ty),* } )* } )*) => {
        /// Moves the groups of `b` to the end of those of `a`, if they are the same instruction and it takes a list.
        fn append(a: &mut Instruction, b: &mut Instruction) -> bool {
            match (a, b) {
                $($( (Instruction::$Name(a), Instruction::$Name(b)) => define_append!(@ $arity a b), )*)*
                _ => false,
            }
        }
    };
    (@ many $a:ident $b:ident) => {{ $a.append($b); true }};
    (@ once $a:ident $b:ident) => {{ let _ = ($a, $b); false }};
}
mpc_bytecode::for_each_instruction!(define_append);

/// Control flow.
impl Encoder<'_> {
    fn body(&mut self, body: &Body) {
        for step in &body.steps {
            let node = &step.nodes[0];
            self.span = node.span;
            match node.op {
                Op::For { step: by } => self.for_loop(step, node, by),
                Op::While {} => self.while_loop(step, node),
                Op::If {} => self.branches(step, node),
                _ => {
                    let rows: Vec<_> = step.nodes.iter().map(|n| (self.node(n), n.span)).collect();
                    self.merged(rows);
                }
            }
        }
    }

    /// Values into the registers of others, all at once.
    fn copy(&mut self, to: &[Value], from: &[Value]) {
        let moved: Vec<(Value, Value)> = to
            .iter()
            .copied()
            .zip(from.iter().copied())
            .filter(|&(t, f)| self.place(t) != self.place(f))
            .collect();
        let span = self.span;
        let data = moved.iter().filter(|&&(t, _)| self.bank(t) != Bank::R);
        let rows =
            data.filter_map(|&(t, f)| Some((vec![self.mov(self.run(t), f)?], span))).collect();
        self.merged(rows);
        let indices: Vec<_> =
            moved.iter().filter(|&&(t, _)| self.bank(t) == Bank::R).copied().collect();
        self.copy_indices(&indices);
    }

    /// Machine integers move one by one: through scratch registers when there are several.
    fn copy_indices(&mut self, moved: &[(Value, Value)]) {
        let first = self.layout.sizes[Bank::R as usize] as u32;
        let through = moved.len() > 1;
        if through {
            self.scratch = self.scratch.max(moved.len() as u64);
            for (n, &(_, f)) in moved.iter().enumerate() {
                self.once(g::AddIntImm {
                    dst: WriteR(first + n as u32),
                    a: ReadR(self.register(f)),
                    value: Imm(0),
                });
            }
        }
        for (n, &(t, f)) in moved.iter().enumerate() {
            let source = if through { first + n as u32 } else { self.register(f) };
            self.once(g::AddIntImm {
                dst: WriteR(self.register(t)),
                a: ReadR(source),
                value: Imm(0),
            });
        }
    }

    fn for_loop(&mut self, step: &Step, node: &Node, by: i64) {
        let body = &step.bodies[0];
        let (lo, hi, index) = (node.args[0], node.args[1], self.register(body.params[0]));
        let (known_lo, known_hi) =
            (self.layout.consts.get(&lo).copied(), self.layout.consts.get(&hi).copied());
        self.copy(&body.params[1..], &node.args[2..]);
        let runs = |lo: i64, hi: i64| if by > 0 { lo < hi } else { lo > hi };
        let certain = match (known_lo, known_hi) {
            (Some(lo), Some(hi)) if !runs(lo, hi) => return,
            (Some(_), Some(_)) => true,
            _ => false,
        };
        match known_lo {
            Some(value) => self.once(g::LoadInt { dst: WriteR(index), value: Imm(value) }),
            None => self.once(g::AddIntImm {
                dst: WriteR(index),
                a: ReadR(self.register(lo)),
                value: Imm(0),
            }),
        }
        let (before, after) =
            if by > 0 { (index, self.register(hi)) } else { (self.register(hi), index) };
        let mut leave = None;
        if !certain {
            let target = Target(self.here().0 + 2);
            self.once(g::JumpLess { a: ReadR(before), b: ReadR(after), target });
            leave = Some(self.code.len());
            self.once(g::Jump { target });
        }
        let top = self.here();
        self.body(body);
        self.span = node.span;
        self.copy(&body.params[1..], &body.results);
        self.once(g::AddIntImm { dst: WriteR(index), a: ReadR(index), value: Imm(by) });
        self.once(g::JumpLess { a: ReadR(before), b: ReadR(after), target: top });
        self.land(leave);
    }

    fn while_loop(&mut self, step: &Step, node: &Node) {
        let [condition, body] = &step.bodies[..] else { unreachable!("a while has two blocks") };
        self.copy(&condition.params, &node.args);
        let top = self.here();
        self.body(condition);
        self.span = node.span;
        let leave = self.jump_unless(condition.results[0]);
        self.copy(&body.params, &condition.params);
        self.body(body);
        self.span = node.span;
        self.copy(&condition.params, &body.results);
        self.once(g::Jump { target: top });
        self.land(Some(leave));
    }

    fn branches(&mut self, step: &Step, node: &Node) {
        let [then, other] = &step.bodies[..] else { unreachable!("an if has two blocks") };
        let skip = self.jump_unless(node.args[0]);
        self.body(then);
        self.span = node.span;
        self.copy(&node.results, &then.results);
        let leave = self.code.len();
        let target = self.here();
        self.once(g::Jump { target });
        self.land(Some(skip));
        self.body(other);
        self.span = node.span;
        self.copy(&node.results, &other.results);
        self.land(Some(leave));
    }

    /// A jump to be landed, taken when the bit is 0.
    fn jump_unless(&mut self, bit: Value) -> usize {
        let cond = Read::new(Run { len: 1, ..self.run(bit) });
        let target = self.here();
        self.once(g::JumpZero { cond, target });
        self.code.len() - 1
    }

    /// Lets a jump go on here.
    fn land(&mut self, jump: Option<usize>) {
        let here = self.here();
        match jump.map(|at| &mut self.code[at]) {
            Some(Instruction::Jump(j)) => j.target = here,
            Some(Instruction::JumpZero(j)) => j.target = here,
            _ => {}
        }
    }
}

/// Plain nodes.
impl Encoder<'_> {
    /// A copy of `v` into a run of the same length; none if empty.
    fn mov(&self, to: Run, v: Value) -> Option<Instruction> {
        if to.len == 0 {
            return None;
        }
        Some(match self.bank(v) {
            Bank::S => vec![g::MoveSecret { dst: Write::new(to), a: self.r(v) }].into(),
            Bank::C => vec![g::MoveClear { dst: Write::new(to), a: self.r(v) }].into(),
            Bank::SB => vec![g::MoveSecretBits { dst: Write::new(to), a: self.r(v) }].into(),
            Bank::CB => vec![g::MoveBits { dst: Write::new(to), a: self.r(v) }].into(),
            Bank::R => unreachable!("indices are copied apart"),
        })
    }

    /// Instructions of a node without blocks: none for aliases and for what nobody reads.
    fn node(&mut self, node: &Node) -> Vec<Instruction> {
        if let Some(&r) = node.results.first() {
            let alias = self.layout.alias[r.0 as usize].root != r;
            let idle = !self.layout.used[r.0 as usize] && !matches!(node.op, Op::Input { .. });
            if alias || idle || (self.ty(r).size() == 0 && !matches!(node.op, Op::Input { .. })) {
                return Vec::new();
            }
        }
        match &node.op {
            Op::Const { elem, data, .. } => vec![self.constant(node.results[0], *elem, data)],
            Op::Concat { .. } => self.concat(node),
            Op::UpdateAt { .. } => self.update_at(node),
            Op::View { offset, dims } => vec![self.view(node, *offset, dims, None)],
            Op::SliceAt { dims } => {
                vec![self.view(node, 0, dims, Some(self.register(node.args[1])))]
            }
            _ => vec![self.single(node)],
        }
    }

    fn constant(&mut self, r: Value, elem: Elem, data: &ConstData) -> Instruction {
        match (elem, data.splat(), data) {
            (Elem::Bit, Some(x), _) => {
                vec![g::LoadBits { dst: self.w(r), value: Imm(x as i64) }].into()
            }
            (_, Some(x), _) => vec![g::LoadClear { dst: self.w(r), value: Wide(x) }].into(),
            (_, None, ConstData::Dense(xs)) => {
                vec![g::LoadPool { dst: self.w(r), pool: self.pool.place(xs) }].into()
            }
            _ => unreachable!("legalised"),
        }
    }

    fn concat(&self, node: &Node) -> Vec<Instruction> {
        let whole = self.run(node.results[0]);
        let mut base = whole.base;
        let mut out: Vec<Instruction> = Vec::new();
        for &v in &node.args {
            let len = self.ty(v).size() as u64;
            let part = Run { base, len, index: None };
            // What ended its life where it is wanted stays.
            if self.run(v) != part
                && let Some(mut mov) = self.mov(part, v)
                && !out.first_mut().is_some_and(|first| append(first, &mut mov))
            {
                out.push(mov);
            }
            base += len;
        }
        out
    }

    fn update_at(&self, node: &Node) -> Vec<Instruction> {
        let [a, v, offset] = node.args[..] else { unreachable!("update_at has three operands") };
        let whole = self.run(node.results[0]);
        let copy =
            (self.place(a) != self.place(node.results[0])).then(|| self.mov(whole, a)).flatten();
        let part = Run { base: whole.base, len: self.ty(v).size() as u64, index: None };
        let part = match self.layout.consts.get(&offset) {
            Some(&c) => Run { base: whole.base.wrapping_add_signed(c), ..part },
            None => Run { index: Some(self.register(offset)), ..part },
        };
        copy.into_iter().chain(self.mov(part, v)).collect()
    }

    /// A read of scattered elements; `moved` is a machine integer added to the offset.
    fn view(&self, node: &Node, offset: i64, dims: &[Dim], moved: Option<u32>) -> Instruction {
        let (a, r) = (node.args[0], node.results[0]);
        let source = self.run(a);
        let run = match moved {
            None => source,
            // Only what the view reaches, so that the machine's bound check is as tight as it can be.
            Some(_) => {
                let last = view_span(dims).map_or(0, |(_, last)| last as u64);
                Run { len: last + 1, index: moved, ..source }
            }
        };
        let dims = axes(dims);
        let offset = Imm(offset);
        match self.bank(r) {
            Bank::S => {
                vec![g::ViewSecret { dst: self.w(r), a: Read::new(run), offset, dims }].into()
            }
            Bank::C => {
                vec![g::ViewClear { dst: self.w(r), a: Read::new(run), offset, dims }].into()
            }
            Bank::SB => {
                vec![g::ViewSecretBits { dst: self.w(r), a: Read::new(run), offset, dims }].into()
            }
            Bank::CB => {
                vec![g::ViewBits { dst: self.w(r), a: Read::new(run), offset, dims }].into()
            }
            Bank::R => unreachable!("an index has no view"),
        }
    }
}

/// The axes of a view that are more than one step.
fn axes(dims: &[Dim]) -> Dims {
    Dims(dims.iter().filter(|d| d.size != 1).map(|d| (d.size as u64, d.stride)).collect())
}

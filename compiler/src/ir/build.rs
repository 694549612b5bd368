//! The builder: how the front end makes graphs.
//!
//! A method per operation gives the value of its result, typed by [`super::infer`]. Operands must fit: the front end has checked the
//! program, so a misfit is our mistake and panics with the operation's name. Widths: every result gets its natural bound; where the
//! language promises less, say so at once with [`Builder::promise`].
//!
//! ```
//! use mpc_compiler::ir::{Builder, DataType, InputDecl, OutputDecl, Receivers, Vis};
//! let mut b = Builder::new();
//! let alice = b.role("alice");
//! let x = b.input_decl(InputDecl { name: "x".into(), role: alice, data: DataType::Fix(40, 16), shape: vec![3], vis: Vis::Secret });
//! let y = b.output_decl(OutputDecl { name: "y".into(), data: DataType::Fix(40, 16), shape: vec![], receivers: Receivers::All });
//! b.begin_entry("main");
//! let private = b.input(x);
//! let shared = b.share(private);
//! let square = b.mul(shared, shared);
//! b.promise(square, 56);
//! let scaled = b.trunc(square, 16);
//! let total = b.sum(scaled);
//! b.promise(total, 40);
//! let opened = b.reveal(total);
//! b.output(y, opened);
//! b.end_entry();
//! assert_eq!(b.finish().entries.len(), 1);
//! ```

use std::sync::Arc;

use super::infer::{common_shape, infer, join};
use super::{
    Block, Circuit, ConstData, Dim, Elem, Entry, InputDecl, Module, Node, Op, OutputDecl, Real,
    Span, StateDecl, Type, Value, Vis, strides_of_shape,
};

/// Makes a [`Module`], entry by entry.
#[derive(Debug, Default)]
pub struct Builder {
    module: Module,
    entry: Option<Entry>,
    /// Blocks under construction, innermost last.
    open: Vec<Frame>,
    span: Span,
    sites: u32,
}

#[derive(Debug, Default)]
struct Frame {
    block: Block,
    kind: FrameKind,
}

#[derive(Debug, Default)]
enum FrameKind {
    #[default]
    Body,
    For {
        step: i64,
        args: Vec<Value>,
    },
    WhileCondition {
        args: Vec<Value>,
    },
    WhileBody {
        args: Vec<Value>,
        condition: Block,
    },
    Then {
        condition: Value,
    },
    Else {
        condition: Value,
        then: Block,
    },
}

macro_rules! unary {
    ($($(#[doc = $doc:literal])* $name:ident => $Op:ident;)*) => {
        $( $(#[doc = $doc])* pub fn $name(&mut self, a: Value) -> Value { self.emit(Op::$Op {}, &[a]) } )*
    };
}
macro_rules! binary {
    ($($(#[doc = $doc:literal])* $name:ident => $Op:ident;)*) => {
        $( $(#[doc = $doc])* pub fn $name(&mut self, a: Value, b: Value) -> Value { self.emit(Op::$Op {}, &[a, b]) } )*
    };
}

/// Declarations, entries, types.
impl Builder {
    /// An empty module.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Declares a source file; its number is for [`Span::file`].
    pub fn file(&mut self, name: &str) -> u32 {
        number_of(&mut self.module.files, name.to_string())
    }

    /// Declares a role.
    pub fn role(&mut self, name: &str) -> u32 {
        number_of(&mut self.module.roles, name.to_string())
    }

    /// Declares an input.
    pub fn input_decl(&mut self, decl: InputDecl) -> u32 {
        self.module.inputs.push(decl);
        self.module.inputs.len() as u32 - 1
    }

    /// Declares an output.
    pub fn output_decl(&mut self, decl: OutputDecl) -> u32 {
        self.module.outputs.push(decl);
        self.module.outputs.len() as u32 - 1
    }

    /// Declares a circuit.
    pub fn circuit_decl(&mut self, circuit: Circuit) -> u32 {
        self.module.circuits.push(circuit);
        self.module.circuits.len() as u32 - 1
    }

    /// Declares a state.
    pub fn state_decl(&mut self, decl: StateDecl) -> u32 {
        self.module.states.push(decl);
        self.module.states.len() as u32 - 1
    }

    /// Starts an entry point; all operations go there until [`Builder::end_entry`].
    pub fn begin_entry(&mut self, name: &str) {
        assert!(self.entry.is_none(), "entries do not nest");
        self.entry = Some(Entry { name: name.into(), types: Vec::new(), body: Block::default() });
        self.open.push(Frame::default());
    }

    /// Ends the entry point.
    pub fn end_entry(&mut self) {
        let frame = self.pop();
        assert!(
            matches!(frame.kind, FrameKind::Body) && self.open.is_empty(),
            "a block is still open"
        );
        let mut entry = self.entry.take().expect("begin_entry was called");
        entry.body = frame.block;
        self.module.entries.push(entry);
    }

    /// The module.
    pub fn finish(self) -> Module {
        assert!(self.entry.is_none(), "an entry is still open");
        self.module
    }

    /// What was declared so far.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// The place in the source of what is built next.
    pub fn set_span(&mut self, span: Span) {
        self.span = span;
    }

    /// The place set last.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The type of a value.
    pub fn ty(&self, v: Value) -> &Type {
        self.entry().ty(v)
    }

    /// The shape of a value.
    pub fn shape(&self, v: Value) -> &[usize] {
        &self.ty(v).shape
    }

    /// Promises that `v` fits `bits`. For the value just made; gives it back.
    pub fn promise(&mut self, v: Value, bits: u32) -> Value {
        let ty = &mut self.entry_mut().types[v.0 as usize];
        if ty.elem == Elem::Num {
            ty.bits = ty.bits.min(bits.max(1));
        }
        v
    }
}

/// Constants and arithmetic.
impl Builder {
    /// A clear scalar.
    pub fn constant(&mut self, x: i128) -> Value {
        self.splat(x, &[])
    }

    /// A clear tensor of equal numbers.
    pub fn splat(&mut self, x: i128, shape: &[usize]) -> Value {
        self.emit(
            Op::Const { elem: Elem::Num, shape: shape.to_vec(), data: ConstData::Splat(x) },
            &[],
        )
    }

    /// A clear tensor of given numbers, row-major.
    pub fn dense(&mut self, xs: Vec<i128>, shape: &[usize]) -> Value {
        self.emit(
            Op::Const {
                elem: Elem::Num,
                shape: shape.to_vec(),
                data: ConstData::Dense(Arc::from(xs)),
            },
            &[],
        )
    }

    /// The clear vector start, start + step, … of n numbers.
    pub fn range(&mut self, start: i128, step: i128, n: usize) -> Value {
        self.emit(
            Op::Const { elem: Elem::Num, shape: vec![n], data: ConstData::Range { start, step } },
            &[],
        )
    }

    /// A clear tensor of equal bits.
    pub fn splat_bit(&mut self, x: bool, shape: &[usize]) -> Value {
        self.emit(
            Op::Const { elem: Elem::Bit, shape: shape.to_vec(), data: ConstData::Splat(x.into()) },
            &[],
        )
    }

    /// A clear tensor of given bits, row-major.
    pub fn dense_bits(&mut self, xs: Vec<bool>, shape: &[usize]) -> Value {
        let data = ConstData::Dense(xs.into_iter().map(i128::from).collect());
        self.emit(Op::Const { elem: Elem::Bit, shape: shape.to_vec(), data }, &[])
    }

    binary! {
        /// Element-wise a + b.
        add => Add;
        /// Element-wise a − b.
        sub => Sub;
        /// Element-wise a · b (raw: fixed-point products want a `trunc`).
        mul => Mul;
        /// Floor of a / b; clear or private.
        div => Div;
        /// Remainder with the sign of b; clear or private.
        modulo => Mod;
        /// Element-wise conjunction.
        and => And;
        /// Element-wise disjunction.
        or => Or;
        /// Element-wise exclusive or.
        xor => Xor;
        /// a < b.
        lt => Lt;
        /// a = b.
        eq => Eq;
        /// Rows of a at the clear numbers b.
        gather => Gather;
        /// Row b[i] of the result is row i of a; b is a clear permutation.
        scatter => Scatter;
        /// Σ a · b over the last axis.
        dot => Dot;
        /// Product of two matrices.
        mat_mul => MatMul;
        /// Row b[i] of the result is row i of a; b is a permutation.
        permute => Permute;
        /// Sum of indices.
        index_add => IndexAdd;
        /// Difference of indices.
        index_sub => IndexSub;
        /// Product of indices.
        index_mul => IndexMul;
    }

    unary! {
        /// −a.
        neg => Neg;
        /// Negation of bits.
        not => Not;
        /// a < 0.
        ltz => Ltz;
        /// a = 0.
        eqz => Eqz;
        /// Bit to number 0 or 1.
        from_bit => FromBit;
        /// Sum over the last axis.
        sum => Sum;
        /// Running sums along the last axis.
        cum_sum => CumSum;
        /// Places of rows of bits when they are sorted.
        places => Places;
        /// Private to secret.
        share => Share;
        /// Private to clear.
        publish => Publish;
        /// Secret to clear.
        reveal => Reveal;
        /// An index as a clear number.
        num_from_index => NumFromIndex;
    }

    /// A function of the real numbers that fixed-point numbers stand for, in `bits` bits.
    pub fn real(&mut self, function: Real, args: &[Value], fraction: u32, bits: u32) -> Value {
        let v = self.emit(Op::Real { function, fraction }, args);
        self.promise(v, bits)
    }

    /// a · 2^shift.
    pub fn shl(&mut self, a: Value, shift: u32) -> Value {
        self.emit(Op::Shl { shift }, &[a])
    }

    /// a / 2^shift to the nearest; shift 0 is a itself.
    pub fn trunc(&mut self, a: Value, shift: u32) -> Value {
        if shift == 0 { a } else { self.emit(Op::Trunc { shift }, &[a]) }
    }

    /// floor(a / 2^shift).
    pub fn shr(&mut self, a: Value, shift: u32) -> Value {
        if shift == 0 { a } else { self.emit(Op::Shr { shift }, &[a]) }
    }

    /// Representative modulo 2^k.
    pub fn wrap(&mut self, a: Value, k: u32) -> Value {
        self.emit(Op::Wrap { k }, &[a])
    }

    /// a where c, else b.
    pub fn select(&mut self, c: Value, a: Value, b: Value) -> Value {
        self.emit(Op::Select {}, &[c, a, b])
    }

    /// Low k bits, least first, on a new last axis.
    pub fn bits(&mut self, a: Value, k: u32) -> Value {
        self.emit(Op::Bits { k }, &[a])
    }

    /// Number of the bits on the last axis.
    pub fn compose(&mut self, a: Value, signed: bool) -> Value {
        self.emit(Op::Compose { signed }, &[a])
    }

    /// Outputs of a declared circuit for inputs along the last axis.
    pub fn circuit(&mut self, a: Value, id: u32) -> Value {
        self.emit(Op::Circuit { id }, &[a])
    }

    /// Bits on a new last axis, set where a equals the position.
    pub fn one_hot(&mut self, a: Value, n: usize) -> Value {
        self.emit(Op::OneHot { n }, &[a])
    }
}

/// Shapes.
impl Builder {
    /// The same elements in another shape.
    pub fn reshape(&mut self, a: Value, shape: &[usize]) -> Value {
        if self.shape(a) == shape {
            a
        } else {
            self.emit(Op::Reshape { shape: shape.to_vec() }, &[a])
        }
    }

    /// A general affine read.
    pub fn view(&mut self, a: Value, offset: i64, dims: &[Dim]) -> Value {
        self.emit(Op::View { offset, dims: dims.to_vec() }, &[a])
    }

    /// The inverse of a view; 0 where it does not reach.
    pub fn spread(&mut self, a: Value, shape: &[usize], offset: i64, dims: &[Dim]) -> Value {
        self.emit(Op::Spread { shape: shape.to_vec(), offset, dims: dims.to_vec() }, &[a])
    }

    /// Products of matrices: `sizes` are batch, rows, inner, cols; the views are of `a` and of `b`.
    pub fn contract(
        &mut self,
        a: Value,
        b: Value,
        [batch, rows, inner, cols]: [usize; 4],
        left: &[Dim],
        right: &[Dim],
    ) -> Value {
        let (left, right) = (left.to_vec(), right.to_vec());
        self.emit(Op::Contract { batch, rows, inner, cols, left, right }, &[a, b])
    }

    /// Numpy's rule: trailing axes aligned, axes of size 1 and missing ones repeated.
    pub fn broadcast(&mut self, a: Value, shape: &[usize]) -> Value {
        let from = self.shape(a).to_vec();
        if from == shape {
            return a;
        }
        assert!(from.len() <= shape.len(), "broadcast {from:?} to {shape:?}");
        let (missing, strides) = (shape.len() - from.len(), strides_of_shape(&from));
        let dim = |(axis, &size): (usize, &usize)| {
            let stride = match axis.checked_sub(missing) {
                Some(i) if from[i] == size => strides[i],
                Some(i) => {
                    assert!(from[i] == 1, "broadcast {from:?} to {shape:?}");
                    0
                }
                None => 0,
            };
            Dim { size, stride }
        };
        let dims: Vec<Dim> = shape.iter().enumerate().map(dim).collect();
        self.view(a, 0, &dims)
    }

    /// The axes in another order: axis i of the result is axis `order[i]` of a.
    pub fn transpose(&mut self, a: Value, order: &[usize]) -> Value {
        let (shape, strides) = (self.shape(a).to_vec(), strides_of_shape(self.shape(a)));
        let dims: Vec<Dim> =
            order.iter().map(|&i| Dim { size: shape[i], stride: strides[i] }).collect();
        self.view(a, 0, &dims)
    }

    /// Per axis (start, size, step): elements start, start + step, …; one triple for each axis.
    pub fn slice(&mut self, a: Value, axes: &[(usize, usize, i64)]) -> Value {
        let strides = strides_of_shape(self.shape(a));
        assert!(
            axes.len() == strides.len(),
            "slice: {} axes for shape {:?}",
            axes.len(),
            self.shape(a)
        );
        let offset = axes.iter().zip(&strides).map(|(ax, s)| ax.0 as i64 * s).sum();
        let dims: Vec<Dim> =
            axes.iter().zip(&strides).map(|(ax, s)| Dim { size: ax.1, stride: ax.2 * s }).collect();
        self.view(a, offset, &dims)
    }

    /// One after the other along an axis. A single one is itself.
    pub fn concat(&mut self, parts: &[Value], axis: usize) -> Value {
        if let [one] = parts { *one } else { self.emit(Op::Concat { axis }, parts) }
    }

    /// A view whose offset is an index.
    pub fn slice_at(&mut self, a: Value, offset: Value, dims: &[Dim]) -> Value {
        self.emit(Op::SliceAt { dims: dims.to_vec() }, &[a, offset])
    }

    /// `a` with `v` written where `slice_at` would read.
    pub fn update_at(&mut self, a: Value, v: Value, offset: Value, dims: &[Dim]) -> Value {
        let vis = self.join(&[a, v]);
        let (a, v) = (self.lift(a, vis), self.lift(v, vis));
        self.emit(Op::UpdateAt { dims: dims.to_vec() }, &[a, v, offset])
    }

    /// Offset in elements of the given position in a tensor of the shape of `a`; leading axes may be all that is given.
    pub fn offset_of(&mut self, a: Value, position: &[Value]) -> Value {
        let strides = strides_of_shape(self.shape(a));
        let mut sum = None;
        for (&i, &stride) in position.iter().zip(&strides) {
            let term = if stride == 1 {
                i
            } else {
                let stride = self.index_const(stride);
                self.index_mul(i, stride)
            };
            sum = Some(match sum {
                None => term,
                Some(s) => self.index_add(s, term),
            });
        }
        sum.unwrap_or_else(|| self.index_const(0))
    }
}

/// The border and chance.
impl Builder {
    /// Data of an owner, private to it.
    pub fn input(&mut self, id: u32) -> Value {
        self.emit(Op::Input { id }, &[])
    }

    /// A clear value, or one private to a receiver, leaves.
    pub fn output(&mut self, id: u32, a: Value) {
        self.effect(Op::Output { id }, &[a]);
    }

    /// The state.
    pub fn state_load(&mut self, id: u32) -> Value {
        self.emit(Op::StateLoad { id }, &[])
    }

    /// Sets the state; a clear value is lifted if the state is secret.
    pub fn state_store(&mut self, id: u32, a: Value) {
        let vis = self.module.states[id as usize].vis;
        let a = self.lift(a, vis);
        self.effect(Op::StateStore { id }, &[a]);
    }

    /// Secret to private.
    pub fn reveal_to(&mut self, a: Value, role: u32) -> Value {
        self.emit(Op::RevealTo { role }, &[a])
    }

    /// A clear value taken as `vis`; itself if it already is.
    pub fn lift(&mut self, a: Value, vis: Vis) -> Value {
        if self.ty(a).vis == vis { a } else { self.emit(Op::Lift { vis }, &[a]) }
    }

    /// Uniform secret numbers in [0, 2^bits).
    pub fn random(&mut self, bits: u32, shape: &[usize]) -> Value {
        let site = self.site();
        self.emit(Op::Random { site, bits, shape: shape.to_vec() }, &[])
    }

    /// Uniform secret bits.
    pub fn random_bit(&mut self, shape: &[usize]) -> Value {
        let site = self.site();
        self.emit(Op::RandomBit { site, shape: shape.to_vec() }, &[])
    }

    /// Rows in a random secret order.
    pub fn shuffle(&mut self, a: Value) -> Value {
        let site = self.site();
        self.emit(Op::Shuffle { site }, &[a])
    }

    /// An index constant.
    pub fn index_const(&mut self, value: i64) -> Value {
        self.emit(Op::IndexConst { value }, &[])
    }

    /// A clear number as an index in 0..bound.
    pub fn index_from_clear(&mut self, a: Value, bound: i64) -> Value {
        self.emit(Op::IndexFromClear { bound }, &[a])
    }
}

/// Loops and branches.
///
/// `types` are those of the carried values: initial values and results of the body are made to fit (lifted, and promised to keep the
/// bound), so say the declared width there, not that of a narrow initial value.
impl Builder {
    /// Starts `for index in lo..hi step step`. Gives the index and the carried values inside the loop.
    pub fn begin_for(
        &mut self,
        lo: Value,
        hi: Value,
        step: i64,
        init: &[Value],
        types: &[Type],
    ) -> (Value, Vec<Value>) {
        assert!(
            step != 0 && init.len() == types.len(),
            "for: a step, and a type per carried value"
        );
        let mut args = vec![lo, hi];
        args.extend(self.fit_all(init, types));
        let index = self.entry_mut().fresh(Type::index());
        let carried: Vec<Value> = types.iter().map(|t| self.entry_mut().fresh(t.clone())).collect();
        let params = [index].into_iter().chain(carried.iter().copied()).collect();
        self.push(params, FrameKind::For { step, args });
        (index, carried)
    }

    /// Ends the loop with the next carried values; gives those after it.
    pub fn end_for(&mut self, next: &[Value]) -> Vec<Value> {
        let types = self.carried_types(1);
        let next = self.fit_all(next, &types);
        let mut frame = self.pop();
        frame.block.results = next;
        let FrameKind::For { step, args } = frame.kind else { panic!("end_for without begin_for") };
        self.nested(Op::For { step }, args, vec![frame.block], &types)
    }

    /// Starts a `while`: what follows computes the condition from the carried values given back.
    pub fn begin_while(&mut self, init: &[Value], types: &[Type]) -> Vec<Value> {
        let args = self.fit_all(init, types);
        let params: Vec<Value> = types.iter().map(|t| self.entry_mut().fresh(t.clone())).collect();
        self.push(params.clone(), FrameKind::WhileCondition { args });
        params
    }

    /// Ends the condition, a clear bit, and starts the body. Gives the carried values inside the body.
    pub fn begin_while_body(&mut self, condition: Value) -> Vec<Value> {
        let types = self.carried_types(0);
        let mut frame = self.pop();
        frame.block.results = vec![condition];
        let FrameKind::WhileCondition { args } = frame.kind else {
            panic!("begin_while_body without begin_while")
        };
        let params: Vec<Value> = types.iter().map(|t| self.entry_mut().fresh(t.clone())).collect();
        self.push(params.clone(), FrameKind::WhileBody { args, condition: frame.block });
        params
    }

    /// Ends the loop with the next carried values; gives those after it.
    pub fn end_while(&mut self, next: &[Value]) -> Vec<Value> {
        let types = self.carried_types(0);
        let next = self.fit_all(next, &types);
        let mut frame = self.pop();
        frame.block.results = next;
        let FrameKind::WhileBody { args, condition } = frame.kind else {
            panic!("end_while without a body")
        };
        self.nested(Op::While {}, args, vec![condition, frame.block], &types)
    }

    /// Starts the branch taken when the clear bit is set.
    pub fn begin_if(&mut self, condition: Value) {
        self.push(Vec::new(), FrameKind::Then { condition });
    }

    /// Ends the first branch and starts the other.
    pub fn begin_else(&mut self, results: &[Value]) {
        let mut frame = self.pop();
        frame.block.results = results.to_vec();
        let FrameKind::Then { condition } = frame.kind else {
            panic!("begin_else without begin_if")
        };
        self.push(Vec::new(), FrameKind::Else { condition, then: frame.block });
    }

    /// Ends the branches; gives the results, typed by what both can be.
    pub fn end_if(&mut self, results: &[Value]) -> Vec<Value> {
        let FrameKind::Else { then, .. } = &self.top().kind else {
            panic!("end_if without begin_else")
        };
        let pairs: Vec<(Value, Value)> =
            then.results.iter().copied().zip(results.iter().copied()).collect();
        assert!(
            pairs.len() == results.len() && then.results.len() == results.len(),
            "if: branches of different results"
        );
        let types: Vec<Type> = pairs.iter().map(|&(a, b)| self.either(a, b)).collect();
        let fitted = self.fit_all(results, &types);
        let mut other = self.pop();
        other.block.results = fitted;
        let FrameKind::Else { condition, then } = other.kind else {
            unreachable!("looked at above")
        };
        let then_results = then.results.clone();
        self.open.push(Frame { block: then, kind: FrameKind::Body });
        let fitted = self.fit_all(&then_results, &types);
        let mut first = self.pop();
        first.block.results = fitted;
        self.nested(Op::If {}, vec![condition], vec![first.block, other.block], &types)
    }
}

/// A place in the building of an entry, to come back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    open: usize,
    nodes: usize,
    types: usize,
    sites: u32,
}

/// Second attempts.
impl Builder {
    /// Where building stands. The innermost open block must still be open when it is rolled back.
    pub fn mark(&self) -> Mark {
        let nodes = self.open.last().map_or(0, |f| f.block.nodes.len());
        Mark { open: self.open.len(), nodes, types: self.entry().types.len(), sites: self.sites }
    }

    /// Forgets all operations, values and blocks since the mark. Bounds promised meanwhile for older values stay.
    pub fn rollback(&mut self, mark: Mark) {
        self.open.truncate(mark.open);
        self.top().block.nodes.truncate(mark.nodes);
        self.entry_mut().types.truncate(mark.types);
        self.sites = mark.sites;
    }
}

/// Inner workings.
impl Builder {
    fn entry(&self) -> &Entry {
        self.entry.as_ref().expect("operations go into an entry")
    }

    fn entry_mut(&mut self) -> &mut Entry {
        self.entry.as_mut().expect("operations go into an entry")
    }

    fn top(&mut self) -> &mut Frame {
        self.open.last_mut().expect("operations go into a block")
    }

    fn push(&mut self, params: Vec<Value>, kind: FrameKind) {
        self.open.push(Frame { block: Block { params, ..Block::default() }, kind });
    }

    fn pop(&mut self) -> Frame {
        self.open.pop().expect("ends match begins")
    }

    fn site(&mut self) -> u32 {
        self.sites += 1;
        self.sites - 1
    }

    fn infer(&self, op: &Op, args: &[Value]) -> Option<Type> {
        let types: Vec<&Type> = args.iter().map(|&v| self.ty(v)).collect();
        infer(&self.module, op, &types).unwrap_or_else(|why| panic!("ill-typed operation: {why}"))
    }

    fn emit(&mut self, op: Op, args: &[Value]) -> Value {
        let ty = self.infer(&op, args).expect("this operation has a result");
        let result = self.entry_mut().fresh(ty);
        let span = self.span;
        self.top().block.nodes.push(Node {
            op,
            args: args.to_vec(),
            results: vec![result],
            blocks: Vec::new(),
            span,
        });
        result
    }

    fn effect(&mut self, op: Op, args: &[Value]) {
        self.infer(&op, args);
        let span = self.span;
        self.top().block.nodes.push(Node {
            op,
            args: args.to_vec(),
            results: Vec::new(),
            blocks: Vec::new(),
            span,
        });
    }

    fn nested(
        &mut self,
        op: Op,
        args: Vec<Value>,
        blocks: Vec<Block>,
        types: &[Type],
    ) -> Vec<Value> {
        let results: Vec<Value> = types.iter().map(|t| self.entry_mut().fresh(t.clone())).collect();
        let span = self.span;
        self.top().block.nodes.push(Node { op, args, results: results.clone(), blocks, span });
        results
    }

    fn carried_types(&mut self, skip: usize) -> Vec<Type> {
        let params: Vec<Value> = self.top().block.params[skip..].to_vec();
        params.iter().map(|&p| self.ty(p).clone()).collect()
    }

    fn join(&self, values: &[Value]) -> Vis {
        let mut vis = Vis::Clear;
        for &v in values {
            vis = join(vis, self.ty(v).vis)
                .unwrap_or_else(|why| panic!("ill-typed operation: {why}"));
        }
        vis
    }

    fn either(&self, a: Value, b: Value) -> Type {
        let (ta, tb) = (self.ty(a), self.ty(b));
        assert!(ta.elem == tb.elem && ta.shape == tb.shape, "if: branches of different types");
        Type { vis: self.join(&[a, b]), bits: ta.bits.max(tb.bits), ..ta.clone() }
    }

    fn fit_all(&mut self, values: &[Value], types: &[Type]) -> Vec<Value> {
        assert!(values.len() == types.len(), "as many values as carried types");
        values.iter().zip(types).map(|(&v, t)| self.fit(v, t)).collect()
    }

    /// `v` as a value of type `t`: lifted, repeated if it is a scalar, promised to keep the bound.
    fn fit(&mut self, v: Value, t: &Type) -> Value {
        let have = self.ty(v);
        assert!(have.elem == t.elem, "{have:?} does not fit {t:?}");
        let v = if have.shape == t.shape {
            v
        } else {
            assert!(
                common_shape(&[have, t]).is_ok_and(|s| s == t.shape),
                "{have:?} does not fit {t:?}"
            );
            self.broadcast(v, &t.shape)
        };
        let v = self.lift(v, t.vis);
        self.promise(v, t.bits)
    }
}

fn number_of(list: &mut Vec<String>, name: String) -> u32 {
    let found = list.iter().position(|x| *x == name);
    found.unwrap_or_else(|| {
        list.push(name);
        list.len() - 1
    }) as u32
}

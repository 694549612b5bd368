//! The dataflow graph: tensor operations in SSA form with structured loops.
//!
//! A [`Module`] declares what crosses its border (roles, inputs, outputs, states) and holds one graph per entry point. A graph is a
//! [`Block`] of [`Node`]s; loops and conditionals are nodes that own blocks, and an inner block may use the values of the blocks around it.
//!
//! Numbers are integers. Fixed point is gone: a `fix<k,f>` value `v` is the integer round(v · 2^f), and scaling back is an explicit
//! `trunc`. Every value carries its type, visibility, shape and bit bound:
//!
//! - `bits = b` promises a value in [−2^(b−1), 2^(b−1)); a bit has `b = 1`. A program that breaks its promise has no meaning.
//! - Clear numbers are 128-bit integers; arithmetic on them wraps, which is right for whatever `wrap` reduces afterwards.
//! - A private value is a clear value that exists at its owner only.
//!
//! | module | what |
//! |---|---|
//! | [`ops`] | the one table of operations |
//! | [`infer`] | type rules |
//! | [`build`] | [`build::Builder`], the only way the front end makes graphs |
//! | [`print`](mod@print), [`read`] | the textual form, both ways |
//! | [`verify`] | the invariants |
//! | [`real`] | functions that the library approximates |
//! | [`interpret`] | reference semantics on clear values |
//!
//! No cost here depends on the size of a tensor, dense constants excepted.

pub mod build;
pub mod infer;
pub mod interpret;
pub mod ops;
pub mod print;
pub mod read;
pub mod real;
pub mod verify;

pub use build::Builder;
pub use ops::Op;
pub use real::Real;

pub use mpc_bytecode::{Circuit, Gate};

use std::sync::Arc;

/// What one element of a tensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Elem {
    /// An integer of `bits` bits.
    Num,
    /// A truth value.
    Bit,
    /// A machine integer (64 bits, clear, rank 0): loop variables and addresses.
    Index,
}

/// Who knows a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Vis {
    /// All parties.
    Clear,
    /// Nobody: it is shared.
    Secret,
    /// The owner of a role, by number in [`Module::roles`].
    Private(u32),
}

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Type {
    /// Kind of element.
    pub elem: Elem,
    /// Who knows it.
    pub vis: Vis,
    /// Sizes of the axes, row-major; empty for a scalar.
    pub shape: Vec<usize>,
    /// Signed bound: elements lie in [−2^(bits−1), 2^(bits−1)). 1 for bits, 64 for indices, at most 128.
    pub bits: u32,
}

/// The widest bound a number can have: that of the clear machine integer.
pub const MAX_BITS: u32 = 128;

impl Type {
    /// A tensor of numbers.
    pub fn num(vis: Vis, shape: &[usize], bits: u32) -> Type {
        Type { elem: Elem::Num, vis, shape: shape.to_vec(), bits: bits.clamp(1, MAX_BITS) }
    }

    /// A tensor of truth values.
    pub fn bit(vis: Vis, shape: &[usize]) -> Type {
        Type { elem: Elem::Bit, vis, shape: shape.to_vec(), bits: 1 }
    }

    /// A machine integer.
    pub fn index() -> Type {
        Type { elem: Elem::Index, vis: Vis::Clear, shape: Vec::new(), bits: 64 }
    }

    /// Number of elements.
    pub fn size(&self) -> usize {
        size_of_shape(&self.shape)
    }

    /// The same type in another shape.
    pub fn with_shape(&self, shape: &[usize]) -> Type {
        Type { shape: shape.to_vec(), ..self.clone() }
    }

    /// The same type with another visibility.
    pub fn with_vis(&self, vis: Vis) -> Type {
        Type { vis, ..self.clone() }
    }

    /// True for shared values.
    pub fn is_secret(&self) -> bool {
        self.vis == Vis::Secret
    }
}

/// Number of elements of a shape; saturates, so that a shape nobody can store is still a number.
pub fn size_of_shape(shape: &[usize]) -> usize {
    shape.iter().fold(1usize, |n, &d| n.saturating_mul(d))
}

/// Row-major strides of a shape, in elements.
pub fn strides_of_shape(shape: &[usize]) -> Vec<i64> {
    let mut strides = vec![1i64; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis] as i64);
    }
    strides
}

/// Smallest signed width that holds `x`.
pub fn bits_of(x: i128) -> u32 {
    let magnitude = if x < 0 { !x } else { x };
    129 - magnitude.leading_zeros()
}

/// A value of the graph: one tensor, defined once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub u32);

/// A place in the source, for messages and the debug section. Line 0 means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Number in [`Module::files`].
    pub file: u32,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub col: u32,
}

/// One axis of an affine view: `size` steps of `stride` elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dim {
    /// Number of steps.
    pub size: usize,
    /// Elements of the source between two steps; 0 repeats, negative goes backwards.
    pub stride: i64,
}

/// The elements of a constant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ConstData {
    /// All the same.
    Splat(i128),
    /// `start + i · step` for the i-th element in row-major order.
    Range {
        /// First element.
        start: i128,
        /// Difference of neighbours.
        step: i128,
    },
    /// Each named.
    Dense(Arc<[i128]>),
}

impl ConstData {
    /// The i-th element in row-major order.
    pub fn at(&self, i: usize) -> i128 {
        match self {
            ConstData::Splat(x) => *x,
            ConstData::Range { start, step } => start.wrapping_add(step.wrapping_mul(i as i128)),
            ConstData::Dense(xs) => xs[i],
        }
    }

    /// The one value of all elements, if it is known to be one.
    pub fn splat(&self) -> Option<i128> {
        match self {
            ConstData::Splat(x) => Some(*x),
            ConstData::Range { .. } => None,
            ConstData::Dense(xs) => xs.first().copied().filter(|x| xs.iter().all(|y| y == x)),
        }
    }

    /// Smallest bound that holds all of `size` elements.
    pub fn bits(&self, size: usize) -> u32 {
        match self {
            ConstData::Splat(x) => bits_of(*x),
            ConstData::Range { start, .. } => {
                bits_of(*start).max(bits_of(self.at(size.saturating_sub(1))))
            }
            ConstData::Dense(xs) => xs.iter().map(|x| bits_of(*x)).max().unwrap_or(1),
        }
    }
}

/// One operation with its operands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What is done.
    pub op: Op,
    /// Operands, defined earlier in this block or in a block around it.
    pub args: Vec<Value>,
    /// What it defines.
    pub results: Vec<Value>,
    /// Bodies of loops and branches; empty for all other operations.
    pub blocks: Vec<Block>,
    /// Where the source says so.
    pub span: Span,
}

/// Nodes in an order in which definitions come before uses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// Values given on entry: the loop variable first, then what is carried.
    pub params: Vec<Value>,
    /// The operations.
    pub nodes: Vec<Node>,
    /// Values handed back.
    pub results: Vec<Value>,
}

/// One entry point.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name; `main` unless the source says otherwise.
    pub name: String,
    /// Types of all values, by number.
    pub types: Vec<Type>,
    /// The graph; no parameters, no results.
    pub body: Block,
}

impl Entry {
    /// The type of a value.
    pub fn ty(&self, v: Value) -> &Type {
        &self.types[v.0 as usize]
    }

    /// A new value of the given type.
    pub fn fresh(&mut self, ty: Type) -> Value {
        self.types.push(ty);
        Value(self.types.len() as u32 - 1)
    }
}

/// What an element means to the user: how data are read, written and scaled at the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// Signed integer of k bits.
    Int(u32),
    /// Fixed point: k bits, f of them fractional.
    Fix(u32, u32),
    /// Signed representative modulo 2^k.
    Wrap(u32),
    /// Truth value.
    Bool,
}

impl DataType {
    /// The type of its elements inside the graph.
    pub fn to_type(self, vis: Vis, shape: &[usize]) -> Type {
        match self {
            DataType::Int(k) | DataType::Fix(k, _) | DataType::Wrap(k) => Type::num(vis, shape, k),
            DataType::Bool => Type::bit(vis, shape),
        }
    }
}

/// Data given by the owner of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputDecl {
    /// The name by which data are given.
    pub name: String,
    /// Who gives it, by number in [`Module::roles`].
    pub role: u32,
    /// Kind of elements.
    pub data: DataType,
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// What the source makes of it: secret, clear (published) or private to its role.
    pub vis: Vis,
}

/// Who receives an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receivers {
    /// Every party.
    All,
    /// The owners of some roles, by number.
    Roles(Vec<u32>),
}

/// A result that leaves the computation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputDecl {
    /// The name under which it is written.
    pub name: String,
    /// Kind of elements.
    pub data: DataType,
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// Who receives it.
    pub receivers: Receivers,
}

/// A value that stays between runs of entry points; zero until stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDecl {
    /// Its name.
    pub name: String,
    /// Kind of elements.
    pub data: DataType,
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// Secret or clear.
    pub vis: Vis,
}

/// A compiled program before emission.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Module {
    /// Source files, for spans.
    pub files: Vec<String>,
    /// Roles with arrays expanded: `bidders[0]`, `bidders[1]`, …
    pub roles: Vec<String>,
    /// Inputs.
    pub inputs: Vec<InputDecl>,
    /// Outputs.
    pub outputs: Vec<OutputDecl>,
    /// States.
    pub states: Vec<StateDecl>,
    /// Boolean circuits.
    pub circuits: Vec<Circuit>,
    /// Entry points.
    pub entries: Vec<Entry>,
}

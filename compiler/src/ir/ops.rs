//! Every operation of the graph, in one table.
//!
//! One line gives the variant of [`Op`], its printed name, its attributes with their printed form, the number of operands and of
//! blocks, and its effect. The type rule is in [`super::infer`], the meaning in the doc of the line and in the interpreter.
//!
//! "Element-wise" means: operands of equal shape, or some of them with a single element, which is repeated. Any other broadcasting is
//! an explicit [`Op::View`].

use super::{ConstData, Dim, Elem, Real, Vis};

/// What a pass must respect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Depends on its operands only: may be merged, moved, dropped.
    Pure,
    /// A random draw, told apart by its site: may be moved and dropped, not duplicated, not moved over a loop's edge.
    Draw,
    /// Reads or writes the world or a state: stays, in order with its like.
    Io,
    /// Owns blocks: has the effects of what is inside.
    Nested,
}

/// How many operands an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// Exactly so many.
    Exactly(usize),
    /// At least so many.
    AtLeast(usize),
}

/// Calls `$callback` with the table of operations.
#[macro_export]
macro_rules! for_each_op {
    ($callback:ident) => {
        $callback! {
            /// A clear constant.
            Const = "const" { elem: Elem, shape: Shape, data: ConstData } Exactly(0) 0 Pure;

            /// Element-wise a + b.
            Add = "add" {} Exactly(2) 0 Pure;
            /// Element-wise a − b.
            Sub = "sub" {} Exactly(2) 0 Pure;
            /// Element-wise a · b. Communicates when both are secret.
            Mul = "mul" {} Exactly(2) 0 Pure;
            /// −a.
            Neg = "neg" {} Exactly(1) 0 Pure;
            /// a · 2^shift.
            Shl = "shl" { shift: u32 } Exactly(1) 0 Pure;
            /// Floor of a / b, clear or private only. A zero divisor is an error of the run.
            Div = "div" {} Exactly(2) 0 Pure;
            /// a − b · floor(a / b), clear or private only. A zero divisor is an error of the run.
            Mod = "mod" {} Exactly(2) 0 Pure;
            /// a / 2^shift to the nearest integer: floor((a + 2^(shift−1)) / 2^shift).
            Trunc = "trunc" { shift: u32 } Exactly(1) 0 Pure;
            /// floor(a / 2^shift).
            Shr = "shr" { shift: u32 } Exactly(1) 0 Pure;
            /// The representative of a modulo 2^k in [−2^(k−1), 2^(k−1)).
            Wrap = "wrap" { k: u32 } Exactly(1) 0 Pure;

            /// Element-wise conjunction of bits.
            And = "and" {} Exactly(2) 0 Pure;
            /// Element-wise disjunction of bits.
            Or = "or" {} Exactly(2) 0 Pure;
            /// Element-wise exclusive or of bits.
            Xor = "xor" {} Exactly(2) 0 Pure;
            /// Negation of bits.
            Not = "not" {} Exactly(1) 0 Pure;

            /// a < b, a bit; right on the whole range of the operands.
            Lt = "lt" {} Exactly(2) 0 Pure;
            /// a = b, a bit.
            Eq = "eq" {} Exactly(2) 0 Pure;
            /// a < 0, a bit.
            Ltz = "ltz" {} Exactly(1) 0 Pure;
            /// a = 0, a bit.
            Eqz = "eqz" {} Exactly(1) 0 Pure;
            /// Operands (c, a, b): a where the bit c is set, b elsewhere. Numbers or bits, element-wise.
            Select = "select" {} Exactly(3) 0 Pure;

            /// Low k bits of the two's complement, least first, on a new last axis.
            Bits = "bits" { k: u32 } Exactly(1) 0 Pure;
            /// The number whose bits, least first, are the last axis; the top one counts negative when signed.
            Compose = "compose" { signed: bool } Exactly(1) 0 Pure;
            /// The number 0 or 1 of a bit.
            FromBit = "from_bit" {} Exactly(1) 0 Pure;
            /// The output bits of the module's circuit of that number, for input bits along the last axis; secret.
            Circuit = "circuit" { id: u32 } Exactly(1) 0 Pure;
            /// Bits on a new last axis of size n: element j is set where a = j; all clear outside 0..n.
            OneHot = "one_hot" { n: usize } Exactly(1) 0 Pure;

            /// The same elements, in row-major order, in another shape.
            Reshape = "reshape" { shape: Shape } Exactly(1) 0 Pure;
            /// Element (i_0, …) is element offset + Σ i_j · stride_j of a: slices, transposition, reversal, repetition.
            View = "view" { offset: i64, dims: Dims } Exactly(1) 0 Pure;
            /// The inverse of a view: element offset + Σ i_j · stride_j is element (i_0, …) of a; 0 elsewhere. Numbers.
            Spread = "spread" { shape: Shape, offset: i64, dims: Dims } Exactly(1) 0 Pure;
            /// Operands one after the other along an axis.
            Concat = "concat" { axis: usize } AtLeast(1) 0 Pure;
            /// Operands (a, index): as `view`, with the offset given by an index.
            SliceAt = "slice_at" { dims: Dims } Exactly(2) 0 Pure;
            /// Operands (a, v, index): a, but with v at the elements that `slice_at` would read. The elements are distinct.
            UpdateAt = "update_at" { dims: Dims } Exactly(3) 0 Pure;
            /// Operands (a, i): rows of a (along the first axis) at the clear numbers i. Outside is an error of the run.
            Gather = "gather" {} Exactly(2) 0 Pure;
            /// Operands (a, p), p a clear permutation of 0..rows: row p[i] of the result is row i of a. Anything else is an error of the run.
            Scatter = "scatter" {} Exactly(2) 0 Pure;

            /// Element-wise, of one operand or two that are fixed point of so many fraction bits: the value of a function of the real numbers
            /// that they stand for, to the nearest that the result holds. For references, which are interpreted: it has no instruction.
            Real = "real" { function: Real, fraction: u32 } AtLeast(1) 0 Pure;

            /// Sum over the last axis.
            Sum = "sum" {} Exactly(1) 0 Pure;
            /// Running sums along the last axis.
            CumSum = "cum_sum" {} Exactly(1) 0 Pure;
            /// Operands of equal shape: Σ a · b over the last axis.
            Dot = "dot" {} Exactly(2) 0 Pure;
            /// Product of an m×k and a k×n matrix.
            MatMul = "mat_mul" {} Exactly(2) 0 Pure;
            /// Products of `batch` matrices rows×inner, the view `left` of a, and inner×cols, the view `right` of b: [batch, rows, cols].
            Contract = "contract" { batch: usize, rows: usize, inner: usize, cols: usize, left: Dims, right: Dims } Exactly(2) 0 Pure;

            /// Uniform secret numbers in [0, 2^bits).
            Random = "random" { site: u32, bits: u32, shape: Shape } Exactly(0) 0 Draw;
            /// Uniform secret bits.
            RandomBit = "random_bit" { site: u32, shape: Shape } Exactly(0) 0 Draw;
            /// The rows of a secret tensor in a random order that nobody knows.
            Shuffle = "shuffle" { site: u32 } Exactly(1) 0 Draw;
            /// Operands (a, p), p a secret permutation of 0..rows: row p[i] of the result is row i of a.
            Permute = "permute" {} Exactly(2) 0 Pure;
            /// Secret bits [n, k], the lowest of each row first: the place of each row when the rows are sorted, equal ones staying in order.
            Places = "places" {} Exactly(1) 0 Pure;

            /// Data of the owner: a private value.
            Input = "input" { id: u32 } Exactly(0) 0 Io;
            /// A private value becomes secret.
            Share = "share" {} Exactly(1) 0 Pure;
            /// A private value becomes clear: its owner tells all.
            Publish = "publish" {} Exactly(1) 0 Pure;
            /// A secret value becomes clear.
            Reveal = "reveal" {} Exactly(1) 0 Pure;
            /// A secret value becomes private to a role.
            RevealTo = "reveal_to" { role: u32 } Exactly(1) 0 Pure;
            /// A clear value taken as a secret or private one. Local.
            Lift = "lift" { vis: Vis } Exactly(1) 0 Pure;
            /// A clear value, or one private to a receiver, leaves the computation.
            Output = "output" { id: u32 } Exactly(1) 0 Io;
            /// The state as the last store left it.
            StateLoad = "state_load" { id: u32 } Exactly(0) 0 Io;
            /// A new value of the state.
            StateStore = "state_store" { id: u32 } Exactly(1) 0 Io;

            /// An index constant.
            IndexConst = "index_const" { value: i64 } Exactly(0) 0 Pure;
            /// Sum of two indices.
            IndexAdd = "index_add" {} Exactly(2) 0 Pure;
            /// Difference of two indices.
            IndexSub = "index_sub" {} Exactly(2) 0 Pure;
            /// Product of two indices.
            IndexMul = "index_mul" {} Exactly(2) 0 Pure;
            /// A clear number (one element) as an index. Outside 0..bound is an error of the run.
            IndexFromClear = "index_from_clear" { bound: i64 } Exactly(1) 0 Pure;
            /// An index as a clear number.
            NumFromIndex = "num_from_index" {} Exactly(1) 0 Pure;

            /// Operands (lo, hi, carried…): the block runs for lo, lo+step, … before hi (after hi for a negative step). Its parameters
            /// are the index and the carried values, its results the next carried values.
            For = "for" { step: i64 } AtLeast(2) 1 Nested;
            /// Operands: carried values. The first block computes a clear bit from them; while it is set the second computes the next.
            While = "while" {} AtLeast(0) 2 Nested;
            /// Operand: a clear bit. Runs the first block when it is set, else the second; both give results of the same types.
            If = "if" {} Exactly(1) 2 Nested;
        }
    };
}

/// Sizes of the axes, as an attribute.
pub type Shape = Vec<usize>;
/// Axes of an affine view, as an attribute.
pub type Dims = Vec<Dim>;

macro_rules! define_ops {
    ($( $(#[doc = $doc:literal])* $Name:ident = $text:literal { $($attr:ident : $ty:ty),* } $arity:ident($n:literal) $blocks:literal $effect:ident; )*) => {
        /// An operation with its attributes; see the table in [`crate::ir::ops`].
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "attributes are explained in the doc of their operation")]
        pub enum Op {
            $( $(#[doc = $doc])* $Name { $($attr: $ty),* }, )*
        }

        impl Op {
            /// The printed name.
            pub fn name(&self) -> &'static str {
                match self { $( Op::$Name { .. } => $text, )* }
            }

            /// How many operands it takes.
            pub fn arity(&self) -> Arity {
                match self { $( Op::$Name { .. } => Arity::$arity($n), )* }
            }

            /// How many blocks it owns.
            pub fn blocks(&self) -> usize {
                match self { $( Op::$Name { .. } => $blocks, )* }
            }

            /// What a pass must respect.
            pub fn effect(&self) -> Effect {
                match self { $( Op::$Name { .. } => Effect::$effect, )* }
            }
        }
    };
}
for_each_op!(define_ops);

//! Which instruction an operation is: the banks of its operands choose.

use mpc_bytecode::group as g;
use mpc_bytecode::{
    Bank, Bits, C, CB, Count, Id, Imm, Instruction, Read, ReadR, Run, S, SB, Write, WriteR,
};

use super::{Encoder, axes};
use crate::ir::{Dim, Node, Op, Value, Vis, size_of_shape};

impl Encoder<'_> {
    /// Operations that are one instruction; the banks of the operands choose it.
    pub(super) fn single(&self, node: &Node) -> Instruction {
        use Bank::{C as Cl, CB as Cb, S as Se, SB as Sb};
        let arg = |i: usize| node.args[i];
        let banks: Vec<Bank> = node.args.iter().map(|&v| self.bank(v)).collect();
        let first = node.args.first().copied();
        let last = node.results.first().copied();
        let d = last.unwrap_or(Value(0));
        let a = first.unwrap_or(d);
        let b = node.args.get(1).copied().unwrap_or(a);
        let bits = self.bits(d);
        let inner = || Count(self.ty(a).shape.last().copied().unwrap_or(1) as u64);
        macro_rules! group {
            ($Name:ident { $($field:ident : $value:expr),* }) => { vec![g::$Name { $($field: $value),* }].into() };
        }
        match (&node.op, &banks[..]) {
            (Op::Add {}, [Se, Se]) => {
                group!(AddSecret { dst: self.w(d), a: self.r(a), b: self.r(b), bits: bits })
            }
            (Op::Add {}, [Se, _]) => {
                group!(AddMixed { dst: self.w(d), a: self.r(a), b: self.r(b), bits: bits })
            }
            (Op::Add {}, _) => group!(AddClear { dst: self.w(d), a: self.r(a), b: self.r(b) }),
            (Op::Sub {}, [Se, _]) => {
                group!(SubSecret { dst: self.w(d), a: self.r(a), b: self.r(b), bits: bits })
            }
            (Op::Sub {}, [_, Se]) => {
                group!(SubMixedReverse { dst: self.w(d), a: self.r(b), b: self.r(a), bits: bits })
            }
            (Op::Sub {}, _) => group!(SubClear { dst: self.w(d), a: self.r(a), b: self.r(b) }),
            (Op::Mul {}, [Se, Se]) => {
                group!(MulSecret { dst: self.w(d), a: self.r(a), b: self.r(b), bits: bits })
            }
            (Op::Mul {}, [Se, _]) => {
                group!(MulMixed { dst: self.w(d), a: self.r(a), b: self.r(b), bits: bits })
            }
            (Op::Mul {}, _) => group!(MulClear { dst: self.w(d), a: self.r(a), b: self.r(b) }),
            (Op::Neg {}, [Se]) => group!(NegSecret { dst: self.w(d), a: self.r(a), bits: bits }),
            (Op::Neg {}, _) => group!(NegClear { dst: self.w(d), a: self.r(a) }),
            (Op::Div {}, _) => group!(DivClear { dst: self.w(d), a: self.r(a), b: self.r(b) }),
            (Op::Mod {}, _) => group!(ModClear { dst: self.w(d), a: self.r(a), b: self.r(b) }),
            (Op::Trunc { shift }, [Se]) => {
                group!(TruncSecret {
                    dst: self.w(d),
                    a: self.r(a),
                    bits: self.bits(a),
                    shift: Bits(*shift)
                })
            }
            (Op::Trunc { shift }, _) => {
                group!(TruncClear { dst: self.w(d), a: self.r(a), shift: Bits(*shift) })
            }
            (Op::Shr { shift }, [Se]) => {
                group!(ShiftSecret {
                    dst: self.w(d),
                    a: self.r(a),
                    bits: self.bits(a),
                    shift: Bits(*shift)
                })
            }
            (Op::Shr { shift }, _) => {
                group!(ShiftClear { dst: self.w(d), a: self.r(a), shift: Bits(*shift) })
            }
            (Op::Wrap { k }, [Se]) => {
                group!(WrapSecret { dst: self.w(d), a: self.r(a), bits: self.bits(a), k: Bits(*k) })
            }
            (Op::Wrap { k }, _) => group!(WrapClear { dst: self.w(d), a: self.r(a), k: Bits(*k) }),

            (Op::And {}, [Sb, Sb]) => {
                group!(AndSecret { dst: self.w(d), a: self.r(a), b: self.r(b) })
            }
            (Op::And {}, [Sb, _]) => {
                group!(AndMixed { dst: self.w(d), a: self.r(a), b: self.r(b) })
            }
            (Op::And {}, _) => group!(AndBits { dst: self.w(d), a: self.r(a), b: self.r(b) }),
            (Op::Xor {}, [Sb, Sb]) => {
                group!(XorSecret { dst: self.w(d), a: self.r(a), b: self.r(b) })
            }
            (Op::Xor {}, [Sb, _]) => {
                group!(XorMixed { dst: self.w(d), a: self.r(a), b: self.r(b) })
            }
            (Op::Xor {}, _) => group!(XorBits { dst: self.w(d), a: self.r(a), b: self.r(b) }),
            (Op::Not {}, [Sb]) => group!(NotSecret { dst: self.w(d), a: self.r(a) }),
            (Op::Not {}, _) => group!(NotBits { dst: self.w(d), a: self.r(a) }),

            (Op::Lt {}, [Se, _]) => group!(LessSecret {
                dst: self.w(d),
                a: self.r(a),
                b: self.r(b),
                bits: self.wider(a, b)
            }),
            (Op::Lt {}, _) => group!(LessClear { dst: self.w(d), a: self.r(a), b: self.r(b) }),
            (Op::Eq {}, [Se, _]) => group!(EqualSecret {
                dst: self.w(d),
                a: self.r(a),
                b: self.r(b),
                bits: self.wider(a, b)
            }),
            (Op::Eq {}, _) => group!(EqualClear { dst: self.w(d), a: self.r(a), b: self.r(b) }),
            (Op::Ltz {}, _) => {
                group!(LessZero { dst: self.w(d), a: self.r(a), bits: self.bits(a) })
            }
            (Op::Eqz {}, _) => {
                group!(EqualZero { dst: self.w(d), a: self.r(a), bits: self.bits(a) })
            }
            (Op::Select {}, [_, Se, _]) => {
                group!(SelectSecret {
                    dst: self.w(d),
                    cond: self.r(a),
                    a: self.r(b),
                    b: self.r(arg(2)),
                    bits: bits
                })
            }
            (Op::Select {}, [_, Sb, _]) => {
                group!(SelectSecretBits {
                    dst: self.w(d),
                    cond: self.r(a),
                    a: self.r(b),
                    b: self.r(arg(2))
                })
            }
            (Op::Select {}, [_, Cl, _]) => {
                group!(SelectClear {
                    dst: self.w(d),
                    cond: self.r(a),
                    a: self.r(b),
                    b: self.r(arg(2))
                })
            }
            (Op::Select {}, _) => group!(SelectBits {
                dst: self.w(d),
                cond: self.r(a),
                a: self.r(b),
                b: self.r(arg(2))
            }),

            (Op::Bits { k }, [Se]) => {
                group!(DecomposeSecret {
                    dst: self.w(d),
                    a: self.r(a),
                    k: Bits(*k),
                    bits: self.bits(a)
                })
            }
            (Op::Bits { k }, _) => {
                group!(DecomposeClear { dst: self.w(d), a: self.r(a), k: Bits(*k) })
            }
            (Op::Compose { signed }, [Sb]) => {
                group!(ComposeSecret {
                    dst: self.w(d),
                    a: self.r(a),
                    k: Bits(inner().0 as u32),
                    signed: Imm((*signed).into())
                })
            }
            (Op::Compose { signed }, _) => {
                group!(ComposeClear {
                    dst: self.w(d),
                    a: self.r(a),
                    k: Bits(inner().0 as u32),
                    signed: Imm((*signed).into())
                })
            }
            (Op::FromBit {}, [Sb]) => group!(SecretFromBits { dst: self.w(d), a: self.r(a) }),
            (Op::FromBit {}, _) => group!(ClearFromBits { dst: self.w(d), a: self.r(a) }),
            (Op::Circuit { id }, _) => {
                let axes = &self.ty(a).shape;
                let rows = Count(size_of_shape(&axes[..axes.len() - 1]) as u64);
                group!(EvaluateCircuit { dst: self.w(d), a: self.r(a), rows: rows, id: Id(*id) })
            }
            (Op::OneHot { n }, [Se]) => {
                group!(OneHotSecret {
                    dst: self.w(d),
                    a: self.r(a),
                    n: Count(*n as u64),
                    bits: self.bits(a)
                })
            }
            (Op::OneHot { n }, _) => {
                group!(OneHotClear { dst: self.w(d), a: self.r(a), n: Count(*n as u64) })
            }

            (Op::Gather {}, [Se, _]) => {
                group!(GatherSecret {
                    dst: self.w(d),
                    a: self.r(a),
                    index: self.r(b),
                    width: self.width(a)
                })
            }
            (Op::Gather {}, _) => group!(GatherClear {
                dst: self.w(d),
                a: self.r(a),
                index: self.r(b),
                width: self.width(a)
            }),
            (Op::Scatter {}, [Se, _]) => {
                group!(ScatterSecret {
                    dst: self.w(d),
                    a: self.r(a),
                    index: self.r(b),
                    width: self.width(a)
                })
            }
            (Op::Scatter {}, _) => {
                group!(ScatterClear {
                    dst: self.w(d),
                    a: self.r(a),
                    index: self.r(b),
                    width: self.width(a)
                })
            }
            (Op::Sum {}, [Se]) => {
                group!(SumSecret { dst: self.w(d), a: self.r(a), inner: inner(), bits: bits })
            }
            (Op::Sum {}, _) => group!(SumClear { dst: self.w(d), a: self.r(a), inner: inner() }),
            (Op::CumSum {}, [Se]) => {
                group!(PrefixSecret { dst: self.w(d), a: self.r(a), inner: inner(), bits: bits })
            }
            (Op::CumSum {}, _) => {
                group!(PrefixClear { dst: self.w(d), a: self.r(a), inner: inner() })
            }
            (Op::Dot {}, [Se, Se]) => {
                group!(DotSecret {
                    dst: self.w(d),
                    a: self.r(a),
                    b: self.r(b),
                    inner: inner(),
                    bits: bits
                })
            }
            (Op::Dot {}, [Se, _]) => {
                group!(DotMixed {
                    dst: self.w(d),
                    a: self.r(a),
                    b: self.r(b),
                    inner: inner(),
                    bits: bits
                })
            }
            (Op::Dot {}, _) => {
                group!(DotClear { dst: self.w(d), a: self.r(a), b: self.r(b), inner: inner() })
            }
            (Op::MatMul {}, _) => self.mat_mul(d, a, b),
            (Op::Contract { batch, rows, inner, cols, left, right }, _) => {
                self.contract(node, [*batch, *rows, *inner, *cols], left, right)
            }
            (Op::Spread { offset, dims, .. }, [Se]) => {
                let (offset, dims) = (Imm(*offset), axes(dims));
                group!(SpreadSecret { dst: self.w(d), a: self.r(a), offset: offset, dims: dims })
            }
            (Op::Spread { offset, dims, .. }, _) => {
                let (offset, dims) = (Imm(*offset), axes(dims));
                group!(SpreadClear { dst: self.w(d), a: self.r(a), offset: offset, dims: dims })
            }

            (Op::Random { bits, .. }, _) => {
                group!(RandomSecret { dst: self.w(d), bits: Bits(*bits) })
            }
            (Op::RandomBit { .. }, _) => group!(RandomBits { dst: self.w(d) }),
            (Op::Shuffle { .. }, _) => {
                group!(Shuffle {
                    dst: self.w(d),
                    a: self.r(a),
                    rows: self.rows(a),
                    width: self.width(a),
                    bits: bits
                })
            }
            (Op::Permute {}, _) => {
                group!(Permute {
                    dst: self.w(d),
                    a: self.r(a),
                    perm: self.r(b),
                    rows: self.rows(a),
                    width: self.width(a),
                    bits: bits
                })
            }

            (Op::Places {}, _) => {
                group!(Places { dst: self.w(d), a: self.r(a), width: self.width(a), bits: bits })
            }

            (Op::Input { id }, _) if self.bank(d) == Cl => {
                group!(Input { dst: self.w(d), id: Id(*id) })
            }
            (Op::Input { id }, _) => group!(InputBits { dst: self.w(d), id: Id(*id) }),
            (Op::Share {}, [Cl]) => {
                group!(Share { dst: self.w(d), a: self.r(a), role: self.role(a), bits: bits })
            }
            (Op::Share {}, _) => {
                group!(ShareBits { dst: self.w(d), a: self.r(a), role: self.role(a) })
            }
            (Op::Publish {}, [Cl]) => {
                group!(Publish { dst: self.w(d), a: self.r(a), role: self.role(a), bits: bits })
            }
            (Op::Publish {}, _) => {
                group!(PublishBits { dst: self.w(d), a: self.r(a), role: self.role(a) })
            }
            (Op::Reveal {}, [Se]) => {
                group!(Open { dst: self.w(d), a: self.r(a), bits: self.bits(a) })
            }
            (Op::Reveal {}, _) => group!(OpenBits { dst: self.w(d), a: self.r(a) }),
            (Op::RevealTo { role }, [Se]) => {
                group!(OpenTo { dst: self.w(d), a: self.r(a), role: Id(*role), bits: self.bits(a) })
            }
            (Op::RevealTo { role }, _) => {
                group!(OpenBitsTo { dst: self.w(d), a: self.r(a), role: Id(*role) })
            }
            (Op::Lift { vis: Vis::Secret }, [bank]) => self.lift(d, a, *bank),
            (Op::Output { id }, [Cl]) => group!(Output { id: Id(*id), a: self.r(a) }),
            (Op::Output { id }, [Cb]) => group!(OutputBits { id: Id(*id), a: self.r(a) }),
            (Op::StateLoad { id }, _) if self.bank(d) == Se => {
                group!(LoadState { dst: self.w(d), id: Id(*id) })
            }
            (Op::StateLoad { id }, _) => group!(LoadStateBits { dst: self.w(d), id: Id(*id) }),
            (Op::StateStore { id }, [Se]) => group!(StoreState { id: Id(*id), a: self.r(a) }),
            (Op::StateStore { id }, _) => group!(StoreStateBits { id: Id(*id), a: self.r(a) }),

            (Op::NumFromIndex {}, _) => {
                group!(ClearFromInt { dst: self.w(d), a: ReadR(self.register(a)) })
            }
            (Op::IndexConst { value }, _) => {
                g::LoadInt { dst: WriteR(self.register(d)), value: Imm(*value) }.into()
            }
            (Op::IndexFromClear { bound }, _) => {
                let a = Read::new(Run { len: 1, ..self.run(a) });
                g::IntFromClear {
                    dst: WriteR(self.register(d)),
                    a,
                    bound: Count((*bound).max(0) as u64),
                }
                .into()
            }
            (Op::IndexAdd {} | Op::IndexMul {}, _) => self.index_arithmetic(&node.op, d, a, b),
            (op, banks) => unreachable!("`{}` of {banks:?} is rewritten before", op.name()),
        }
    }

    fn index_arithmetic(&self, op: &Op, d: Value, a: Value, b: Value) -> Instruction {
        let (dst, a) = (WriteR(self.register(d)), ReadR(self.register(a)));
        match (op, self.layout.consts.get(&b)) {
            (Op::IndexAdd {}, Some(&c)) => g::AddIntImm { dst, a, value: Imm(c) }.into(),
            (Op::IndexAdd {}, None) => g::AddInt { dst, a, b: ReadR(self.register(b)) }.into(),
            (_, Some(&c)) => g::MulIntImm { dst, a, value: Imm(c) }.into(),
            (_, None) => unreachable!("products of two indices are rewritten before"),
        }
    }

    fn mat_mul(&self, d: Value, a: Value, b: Value) -> Instruction {
        let count = |v: Value, axis: usize| Count(self.ty(v).shape[axis] as u64);
        let (rows, inner, cols, bits) = (count(a, 0), count(a, 1), count(b, 1), self.bits(d));
        match (self.bank(a), self.bank(b)) {
            (Bank::S, Bank::S) => vec![g::MatMulSecret {
                dst: self.w(d),
                a: self.r(a),
                b: self.r(b),
                rows,
                inner,
                cols,
                bits,
            }]
            .into(),
            (Bank::S, _) => vec![g::MatMulSecretClear {
                dst: self.w(d),
                a: self.r(a),
                b: self.r(b),
                rows,
                inner,
                cols,
                bits,
            }]
            .into(),
            (_, Bank::S) => vec![g::MatMulClearSecret {
                dst: self.w(d),
                a: self.r(a),
                b: self.r(b),
                rows,
                inner,
                cols,
                bits,
            }]
            .into(),
            _ => vec![g::MatMulClear {
                dst: self.w(d),
                a: self.r(a),
                b: self.r(b),
                rows,
                inner,
                cols,
            }]
            .into(),
        }
    }

    fn contract(&self, node: &Node, sizes: [usize; 4], left: &[Dim], right: &[Dim]) -> Instruction {
        let (a, b, d) = (node.args[0], node.args[1], node.results[0]);
        let [batch, rows, inner, cols] = sizes.map(|n| Count(n as u64));
        let (left, right) = (axes(left), axes(right));
        macro_rules! products {
            ($Name:ident $(, $bits:ident)?) => {
                vec![g::$Name {
                    dst: self.w(d),
                    a: self.r(a),
                    b: self.r(b),
                    batch,
                    rows,
                    inner,
                    cols,
                    left,
                    right,
                    $($bits: self.bits(d),)?
                }]
                .into()
            };
        }
        match (self.bank(a), self.bank(b)) {
            (Bank::S, Bank::S) => products!(Contract, bits),
            (Bank::S, _) => products!(ContractSecretClear, bits),
            (_, Bank::S) => products!(ContractClearSecret, bits),
            _ => products!(ContractClear),
        }
    }

    /// A lifted repetition reads one register, whatever its source keeps.
    fn lift(&self, d: Value, a: Value, bank: Bank) -> Instruction {
        let dst = self.run(d);
        let source = self.run(a);
        let source = Run { len: source.len.min(dst.len), ..source };
        match bank {
            Bank::C => vec![g::LoadSecret {
                dst: Write::<S>::new(dst),
                a: Read::<C>::new(source),
                bits: self.bits(d),
            }]
            .into(),
            _ => vec![g::LoadSecretBits { dst: Write::<SB>::new(dst), a: Read::<CB>::new(source) }]
                .into(),
        }
    }

    fn wider(&self, a: Value, b: Value) -> Bits {
        Bits(self.ty(a).bits.max(self.ty(b).bits))
    }

    fn rows(&self, v: Value) -> Count {
        Count(self.ty(v).shape[0] as u64)
    }

    fn width(&self, v: Value) -> Count {
        Count(self.ty(v).shape[1..].iter().map(|&d| d as u64).product())
    }
}

//! Every verb of the trait with what it means on clear integers.

use mpc_runtime::{Depth, Result, Step};

use crate::algebra::clear;
use crate::algebra::contraction::Contraction;
use crate::protocol::{Fut, Protocol};
use crate::value::{Clear, ClearBits, Shares};

/// What an operand is, and how long for `n` elements.
pub struct Arg {
    /// Bound in bits for a case of `bits` bits, 0 for bits.
    pub bits: fn(u32) -> u32,
    /// Elements.
    pub len: fn(usize, u32) -> usize,
    /// What kind of values.
    pub kind: Kind,
}

/// Values of an operand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Edges of the range and random values.
    Any,
    /// Numbers around zero.
    Small,
    /// Not negative.
    Positive,
    /// Bits.
    Bit,
    /// A permutation.
    Permutation,
}

/// What a verb gives.
pub enum Given {
    /// Shared numbers.
    Numbers(Shares),
    /// Shared bits.
    Bits(Shares),
    /// Numbers known to all.
    Opened(Clear),
}

/// How the result is judged.
pub enum Expect {
    /// Equal to this.
    Equal(fn(&[Vec<i128>], u32) -> Vec<i128>),
    /// Equal to this, or one beside it unless truncation is exact.
    Near(fn(&[Vec<i128>], u32) -> Vec<i128>),
    /// This holds of operands and result.
    Holds(fn(&[Vec<i128>], &[i128], u32) -> bool),
}

/// A verb under test.
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// Its operands.
    pub args: &'static [Arg],
    /// Smallest bound that it makes sense for.
    pub least_bits: u32,
    /// The verb.
    pub run: for<'a> fn(&'a dyn Protocol, &'a Step, &'a [Shares], u32) -> Fut<'a, Given>,
    /// Its meaning.
    pub expect: Expect,
}

const fn any(bits: fn(u32) -> u32) -> Arg {
    Arg { bits, len: |n, _| n, kind: Kind::Any }
}

const FULL: Arg = any(|b| b);
const LESS: Arg = any(|b| b - 1);
const HALF: Arg = any(|b| b / 2);
const FILTERED: [Arg; 2] = [
    Arg { bits: |b| (b - 2) / 2, len: |_, _| 12, kind: Kind::Any },
    Arg { bits: |b| (b - 2) / 2, len: |n, _| 2 * (n + 2), kind: Kind::Any },
];
const BIT: Arg = Arg { bits: |_| 0, len: |n, _| n, kind: Kind::Bit };

fn small(n: usize) -> Clear {
    Clear::new((0..n).map(|i| i as i128 % 5 - 2).collect::<Vec<_>>(), Depth::ZERO)
}

fn alternating(n: usize) -> ClearBits {
    ClearBits::new((0..n).map(|i| i % 3 == 0).collect::<Vec<_>>(), Depth::ZERO)
}

fn third(bits: u32) -> u32 {
    bits.div_ceil(3)
}

macro_rules! numbers {
    (|$p:ident, $s:ident, $a:ident, $b:ident| $call:expr) => {
        |$p, $s, $a, $b| Box::pin(async move { Ok(Given::Numbers($call.await?)) })
    };
}

macro_rules! bits {
    (|$p:ident, $s:ident, $a:ident, $b:ident| $call:expr) => {
        |$p, $s, $a, $b| Box::pin(async move { Ok(Given::Bits($call.await?)) })
    };
}

fn each(v: &[Vec<i128>], f: impl Fn(i128) -> i128) -> Vec<i128> {
    v[0].iter().map(|&x| f(x)).collect()
}

fn pairs(v: &[Vec<i128>], f: impl Fn(i128, i128) -> i128) -> Vec<i128> {
    v[0].iter().zip(&v[1]).map(|(&x, &y)| f(x, y)).collect()
}

fn rows(v: &[i128], width: usize, f: impl Fn(&[i128]) -> i128) -> Vec<i128> {
    v.chunks_exact(width).map(f).collect()
}

fn product(a: &[i128], b: &[i128], (rows, inner, cols): (usize, usize, usize)) -> Vec<i128> {
    let at = |i: usize, j: usize| (0..inner).map(|k| a[i * inner + k] * b[k * cols + j]).sum();
    (0..rows * cols).map(|x| at(x / cols, x % cols)).collect()
}

fn bit_values(v: &[i128], k: u32, top: i128) -> Vec<i128> {
    let weight = |j: usize| if j + 1 == k as usize { top << j } else { 1 << j };
    rows(v, k as usize, |r| r.iter().enumerate().map(|(j, &b)| b * weight(j)).sum())
}

/// Two filters of three elements for each of two pictures, over all `n` windows.
fn windows(n: usize) -> Contraction {
    let filters = [&[(2, 6)][..], &[(2, 3)], &[(3, 1)]];
    let pictures = [&[(2, n as i64 + 2)][..], &[(3, 1)], &[(n as u64, 1)]];
    Contraction::new([2, 2, 3, n], filters, pictures)
}

/// Windows that a picture of this length has.
fn count(pictures: usize) -> usize {
    pictures / 2 - 2
}

fn filtered(v: &[Vec<i128>]) -> Vec<i128> {
    let n = count(v[1].len());
    let at = |i: usize| -> i128 {
        let (picture, filter, window) = (i / (2 * n), i / n % 2, i % n);
        let term = |k| v[0][picture * 6 + filter * 3 + k] * v[1][picture * (n + 2) + window + k];
        (0..3).map(term).sum()
    };
    (0..4 * n).map(at).collect()
}

async fn public(p: &dyn Protocol, s: &Step, n: usize) -> Result<Shares> {
    p.public(s, &small(n)).await
}

/// Every verb.
pub const CASES: &[Case] = &[
    Case {
        name: "public",
        args: &[FULL],
        least_bits: 4,
        run: numbers!(|p, s, a, _b| public(p, s, a[0].len())),
        expect: Expect::Equal(|v, _| (0..v[0].len()).map(|i| i as i128 % 5 - 2).collect()),
    },
    Case {
        name: "share and open",
        args: &[FULL],
        least_bits: 1,
        run: numbers!(|_p, _s, a, _b| std::future::ready(Ok(a[0].clone()))),
        expect: Expect::Equal(|v, _| v[0].clone()),
    },
    Case {
        name: "share and open bits",
        args: &[BIT],
        least_bits: 1,
        run: bits!(|_p, _s, a, _b| std::future::ready(Ok(a[0].clone()))),
        expect: Expect::Equal(|v, _| v[0].clone()),
    },
    Case {
        name: "open wide",
        args: &[Arg { bits: |b| b, len: |n, _| n, kind: Kind::Positive }],
        least_bits: 2,
        run: |p, s, a, b| {
            Box::pin(async move {
                let wide = p.open_wide(s, &a[0], b - 1).await?;
                let low = |v: &[[u128; 2]]| v.iter().map(|x| x[0] as i128).collect();
                Ok(Given::Opened(wide.map(a[0].len(), low)))
            })
        },
        expect: Expect::Equal(|v, _| v[0].clone()),
    },
    Case {
        name: "add",
        args: &[LESS, LESS],
        least_bits: 2,
        run: numbers!(|p, s, a, b| p.add(s, &a[0], &a[1], b)),
        expect: Expect::Equal(|v, _| pairs(v, |x, y| x + y)),
    },
    Case {
        name: "sub",
        args: &[LESS, LESS],
        least_bits: 2,
        run: numbers!(|p, s, a, b| p.sub(s, &a[0], &a[1], b)),
        expect: Expect::Equal(|v, _| pairs(v, |x, y| x - y)),
    },
    Case {
        name: "add_clear",
        args: &[LESS],
        least_bits: 4,
        run: numbers!(
            |p, s, a, b| async move { p.add_clear(s, &a[0], &small(a[0].len()), b).await }
        ),
        expect: Expect::Equal(|v, _| {
            v[0].iter().enumerate().map(|(i, x)| x + i as i128 % 5 - 2).collect()
        }),
    },
    Case {
        name: "mul_clear",
        args: &[any(|b| b - 2)],
        least_bits: 4,
        run: numbers!(
            |p, s, a, b| async move { p.mul_clear(s, &a[0], &small(a[0].len()), b).await }
        ),
        expect: Expect::Equal(|v, _| {
            v[0].iter().enumerate().map(|(i, x)| x * (i as i128 % 5 - 2)).collect()
        }),
    },
    Case {
        name: "mul_clear by one number",
        args: &[any(|b| b - 3)],
        least_bits: 4,
        run: numbers!(|p, s, a, b| async move {
            p.mul_clear(s, &a[0], &Clear::new(vec![-3], Depth::ZERO), b).await
        }),
        expect: Expect::Equal(|v, _| each(v, |x| -3 * x)),
    },
    Case {
        name: "mul",
        args: &[HALF, HALF],
        least_bits: 2,
        run: numbers!(|p, s, a, b| p.mul(s, &a[0], &a[1], b)),
        expect: Expect::Equal(|v, _| pairs(v, |x, y| x * y)),
    },
    Case {
        name: "sum",
        args: &[Arg { bits: |b| b - 2, len: |n, _| 3 * n, kind: Kind::Any }],
        least_bits: 3,
        run: numbers!(|p, s, a, b| p.sum(s, &a[0], 3, b)),
        expect: Expect::Equal(|v, _| rows(&v[0], 3, |r| r.iter().sum())),
    },
    Case {
        name: "prefix",
        args: &[Arg { bits: |b| b - 3, len: |n, _| 5 * n, kind: Kind::Any }],
        least_bits: 4,
        run: numbers!(|p, s, a, b| p.prefix(s, &a[0], 5, b)),
        expect: Expect::Equal(|v, _| {
            let sums = |r: &[i128]| (1..=5).map(|i| r[..i].iter().sum()).collect::<Vec<_>>();
            v[0].chunks_exact(5).flat_map(sums).collect()
        }),
    },
    Case {
        name: "dot",
        args: &[
            Arg { bits: |b| (b - 2) / 2, len: |n, _| 3 * n, kind: Kind::Any },
            Arg { bits: |b| (b - 2) / 2, len: |n, _| 3 * n, kind: Kind::Any },
        ],
        least_bits: 4,
        run: numbers!(|p, s, a, b| p.dot(s, &a[0], &a[1], 3, b)),
        expect: Expect::Equal(|v, _| rows(&pairs(v, |x, y| x * y), 3, |r| r.iter().sum())),
    },
    Case {
        name: "matmul",
        args: &[
            Arg { bits: |b| (b - 2) / 2, len: |_, _| 6, kind: Kind::Any },
            Arg { bits: |b| (b - 2) / 2, len: |n, _| 3 * n, kind: Kind::Any },
        ],
        least_bits: 4,
        run: numbers!(|p, s, a, b| p.matmul(s, &a[0], &a[1], (2, 3, a[1].len() / 3), b)),
        expect: Expect::Equal(|v, _| product(&v[0], &v[1], (2, 3, v[1].len() / 3))),
    },
    Case {
        name: "matmul_clear",
        args: &[Arg { bits: |b| b - 4, len: |n, _| 3 * n, kind: Kind::Any }],
        least_bits: 5,
        run: numbers!(|p, s, a, b| async move {
            p.matmul_clear(s, &a[0], &small(6), (a[0].len() / 3, 3, 2), b).await
        }),
        expect: Expect::Equal(|v, _| {
            let right: Vec<i128> = (0..6).map(|i| i % 5 - 2).collect();
            product(&v[0], &right, (v[0].len() / 3, 3, 2))
        }),
    },
    Case {
        name: "contract",
        args: &FILTERED,
        least_bits: 4,
        run: numbers!(|p, s, a, b| async move {
            p.contract(s, &a[0], &a[1], &windows(count(a[1].len())), b).await
        }),
        expect: Expect::Equal(|v, _| filtered(v)),
    },
    Case {
        name: "contract_clear with clear filters",
        args: &[Arg { bits: |b| b - 4, len: |n, _| 2 * (n + 2), kind: Kind::Any }],
        least_bits: 5,
        run: numbers!(|p, s, a, b| async move {
            p.contract_clear(s, &a[0], &small(12), &windows(count(a[0].len())), true, b).await
        }),
        expect: Expect::Equal(|v, _| {
            filtered(&[(0..12).map(|i| i % 5 - 2).collect(), v[0].clone()])
        }),
    },
    Case {
        name: "contract_clear with a clear picture",
        args: &[Arg { bits: |b| b - 4, len: |_, _| 12, kind: Kind::Any }],
        least_bits: 5,
        run: numbers!(|p, s, a, b| async move {
            p.contract_clear(s, &a[0], &small(30), &windows(13), false, b).await
        }),
        expect: Expect::Equal(|v, _| {
            filtered(&[v[0].clone(), (0..30).map(|i| i % 5 - 2).collect()])
        }),
    },
    Case {
        name: "contract_trunc",
        args: &FILTERED,
        least_bits: 4,
        run: numbers!(|p, s, a, b| async move {
            p.contract_trunc(s, &a[0], &a[1], &windows(count(a[1].len())), b, third(b)).await
        }),
        expect: Expect::Near(|v, b| filtered(v).iter().map(|&x| rounded(x, third(b))).collect()),
    },
    Case {
        name: "select",
        args: &[BIT, FULL, FULL],
        least_bits: 2,
        run: numbers!(|p, s, a, b| p.select(s, &a[0], &a[1], &a[2], b)),
        expect: Expect::Equal(|v, _| {
            (0..v[0].len()).map(|i| if v[0][i] == 1 { v[1][i] } else { v[2][i] }).collect()
        }),
    },
    Case {
        name: "trunc by a third",
        args: &[FULL],
        least_bits: 2,
        run: numbers!(|p, s, a, b| p.trunc(s, &a[0], b, third(b))),
        expect: Expect::Near(|v, b| each(v, |x| rounded(x, third(b)))),
    },
    Case {
        name: "dot_trunc of single products",
        args: &[HALF, HALF],
        least_bits: 2,
        run: numbers!(|p, s, a, b| p.dot_trunc(s, &a[0], &a[1], 1, b, third(b))),
        expect: Expect::Near(|v, b| {
            pairs(v, |x, y| x * y).iter().map(|&x| rounded(x, third(b))).collect()
        }),
    },
    Case {
        name: "dot_trunc",
        args: &[
            Arg { bits: |b| (b - 2) / 2, len: |n, _| 3 * n, kind: Kind::Any },
            Arg { bits: |b| (b - 2) / 2, len: |n, _| 3 * n, kind: Kind::Any },
        ],
        least_bits: 4,
        run: numbers!(|p, s, a, b| p.dot_trunc(s, &a[0], &a[1], 3, b, third(b))),
        expect: Expect::Near(|v, b| {
            let sums = rows(&pairs(v, |x, y| x * y), 3, |r| r.iter().sum());
            sums.iter().map(|&x| rounded(x, third(b))).collect()
        }),
    },
    Case {
        name: "trunc by one",
        args: &[FULL],
        least_bits: 2,
        run: numbers!(|p, s, a, b| p.trunc(s, &a[0], b, 1)),
        expect: Expect::Near(|v, _| each(v, |x| rounded(x, 1))),
    },
    Case {
        name: "trunc by all but one",
        args: &[FULL],
        least_bits: 2,
        run: numbers!(|p, s, a, b| p.trunc(s, &a[0], b, b - 1)),
        expect: Expect::Near(|v, b| each(v, |x| rounded(x, b - 1))),
    },
    Case {
        name: "trunc by all",
        args: &[FULL],
        least_bits: 2,
        run: numbers!(|p, s, a, b| p.trunc(s, &a[0], b, b)),
        expect: Expect::Near(|v, b| each(v, |x| if b < 128 { rounded(x, b) } else { 0 })),
    },
    Case {
        name: "shift_right",
        args: &[FULL],
        least_bits: 2,
        run: numbers!(|p, s, a, b| p.shift_right(s, &a[0], b, third(b))),
        expect: Expect::Equal(|v, b| each(v, |x| x >> third(b))),
    },
    Case {
        name: "shift_right by more than all",
        args: &[FULL],
        least_bits: 2,
        run: numbers!(|p, s, a, b| p.shift_right(s, &a[0], b, b + 2)),
        expect: Expect::Equal(|v, _| each(v, |x| x >> 127)),
    },
    Case {
        name: "wrap",
        args: &[FULL],
        least_bits: 2,
        run: numbers!(|p, s, a, b| p.wrap(s, &a[0], b, third(b))),
        expect: Expect::Equal(|v, b| each(v, |x| clear::wrap(x, third(b)))),
    },
    Case {
        name: "wrap by one",
        args: &[FULL],
        least_bits: 2,
        run: numbers!(|p, s, a, b| p.wrap(s, &a[0], b, b - 1)),
        expect: Expect::Equal(|v, b| each(v, |x| clear::wrap(x, b - 1))),
    },
    Case {
        name: "random",
        args: &[FULL],
        least_bits: 3,
        run: numbers!(|p, s, a, b| p.random(s, a[0].len(), b - 1)),
        expect: Expect::Holds(|v, r, b| {
            r.len() == v[0].len() && r.iter().all(|&x| x >= 0 && x >> (b - 1) == 0)
        }),
    },
    Case {
        name: "mask",
        args: &[FULL],
        least_bits: 9,
        run: numbers!(|p, s, a, b| p.mask(s, a[0].len(), b - 8)),
        expect: Expect::Holds(|v, r, b| {
            r.len() == v[0].len() && r.iter().all(|&x| x >= 0 && x >> (b - 1) == 0)
        }),
    },
    Case {
        name: "ltz",
        args: &[FULL],
        least_bits: 1,
        run: bits!(|p, s, a, b| p.ltz(s, &a[0], b)),
        expect: Expect::Equal(|v, _| each(v, |x| i128::from(x < 0))),
    },
    Case {
        name: "eqz",
        args: &[FULL],
        least_bits: 1,
        run: bits!(|p, s, a, b| p.eqz(s, &a[0], b)),
        expect: Expect::Equal(|v, _| each(v, |x| i128::from(x == 0))),
    },
    Case {
        name: "lt",
        args: &[FULL, FULL],
        least_bits: 1,
        run: bits!(|p, s, a, b| p.lt(s, &a[0], &a[1], b)),
        expect: Expect::Equal(|v, _| pairs(v, |x, y| i128::from(x < y))),
    },
    Case {
        name: "eq",
        args: &[FULL, FULL],
        least_bits: 1,
        run: bits!(|p, s, a, b| p.eq(s, &a[0], &a[1], b)),
        expect: Expect::Equal(|v, _| pairs(v, |x, y| i128::from(x == y))),
    },
    Case {
        name: "one_hot",
        args: &[Arg { bits: |b| b, len: |n, _| n, kind: Kind::Small }],
        least_bits: 4,
        run: bits!(|p, s, a, b| p.one_hot(s, &a[0], 5, b)),
        expect: Expect::Equal(|v, _| unit_vectors(&v[0], 5)),
    },
    Case {
        name: "one_hot of any number",
        args: &[FULL],
        least_bits: 2,
        run: bits!(|p, s, a, b| p.one_hot(s, &a[0], 3, b)),
        expect: Expect::Equal(|v, _| unit_vectors(&v[0], 3)),
    },
    Case {
        name: "decompose into the low bits",
        args: &[FULL],
        least_bits: 2,
        run: bits!(|p, s, a, b| p.decompose(s, &a[0], third(b), b)),
        expect: Expect::Equal(|v, b| low_bits(&v[0], third(b))),
    },
    Case {
        name: "decompose into more than all bits",
        args: &[FULL],
        least_bits: 1,
        run: bits!(|p, s, a, b| p.decompose(s, &a[0], b + 3, b)),
        expect: Expect::Equal(|v, b| low_bits(&v[0], b + 3)),
    },
    Case {
        name: "compose signed",
        args: &[Arg { bits: |_| 0, len: |n, b| n * b as usize, kind: Kind::Bit }],
        least_bits: 1,
        run: numbers!(|p, s, a, b| p.compose(s, &a[0], b, true)),
        expect: Expect::Equal(|v, b| {
            rows(&v[0], b as usize, |r| {
                let unsigned = r.iter().rev().fold(0_u128, |x, &bit| x << 1 | bit as u128);
                clear::wrap(unsigned as i128, b)
            })
        }),
    },
    Case {
        name: "compose unsigned",
        args: &[Arg { bits: |_| 0, len: |n, b| n * (b as usize - 1), kind: Kind::Bit }],
        least_bits: 2,
        run: numbers!(|p, s, a, b| p.compose(s, &a[0], b - 1, false)),
        expect: Expect::Equal(|v, b| bit_values(&v[0], b - 1, 1)),
    },
    Case {
        name: "public_bits",
        args: &[BIT],
        least_bits: 1,
        run: bits!(|p, s, a, _b| async move { p.public_bits(s, &alternating(a[0].len())).await }),
        expect: Expect::Equal(|v, _| (0..v[0].len()).map(|i| i128::from(i % 3 == 0)).collect()),
    },
    Case {
        name: "xor",
        args: &[BIT, BIT],
        least_bits: 1,
        run: bits!(|p, s, a, _b| p.xor(s, &a[0], &a[1])),
        expect: Expect::Equal(|v, _| pairs(v, |x, y| x ^ y)),
    },
    Case {
        name: "and",
        args: &[BIT, BIT],
        least_bits: 1,
        run: bits!(|p, s, a, _b| p.and(s, &a[0], &a[1])),
        expect: Expect::Equal(|v, _| pairs(v, |x, y| x & y)),
    },
    Case {
        name: "xor_clear",
        args: &[BIT],
        least_bits: 1,
        run: bits!(
            |p, s, a, _b| async move { p.xor_clear(s, &a[0], &alternating(a[0].len())).await }
        ),
        expect: Expect::Equal(|v, _| {
            v[0].iter().enumerate().map(|(i, x)| x ^ i128::from(i % 3 == 0)).collect()
        }),
    },
    Case {
        name: "and_clear",
        args: &[BIT],
        least_bits: 1,
        run: bits!(
            |p, s, a, _b| async move { p.and_clear(s, &a[0], &alternating(a[0].len())).await }
        ),
        expect: Expect::Equal(|v, _| {
            v[0].iter().enumerate().map(|(i, x)| x & i128::from(i % 3 == 0)).collect()
        }),
    },
    Case {
        name: "xor_disjoint",
        args: &[BIT],
        least_bits: 1,
        run: bits!(|p, s, a, _b| async move {
            let some = alternating(a[0].len());
            let part = p.and_clear(s, &a[0], &some).await?;
            let other = some.map(some.len(), |v| v.iter().map(|b| !b).collect());
            let rest = p.and_clear(s, &a[0], &other).await?;
            p.xor_disjoint(s, &part, &rest).await
        }),
        expect: Expect::Equal(|v, _| v[0].clone()),
    },
    Case {
        name: "from_bits",
        args: &[BIT],
        least_bits: 2,
        run: numbers!(|p, s, a, _b| p.from_bits(s, &a[0])),
        expect: Expect::Equal(|v, _| v[0].clone()),
    },
    Case {
        name: "as_bits",
        args: &[BIT],
        least_bits: 2,
        run: bits!(|p, s, a, _b| async move { p.as_bits(s, &p.from_bits(s, &a[0]).await?).await }),
        expect: Expect::Equal(|v, _| v[0].clone()),
    },
    Case {
        name: "random_bits",
        args: &[FULL],
        least_bits: 1,
        run: bits!(|p, s, a, _b| p.random_bits(s, a[0].len())),
        expect: Expect::Holds(|v, r, _| {
            let ones = r.iter().sum::<i128>();
            r.len() == v[0].len() && (r.len() < 60 || (ones > 5 && ones < r.len() as i128 - 5))
        }),
    },
    Case {
        name: "shuffle",
        args: &[Arg { bits: |b| b, len: |n, _| 2 * n, kind: Kind::Any }],
        least_bits: 4,
        run: numbers!(|p, s, a, b| p.shuffle(s, &a[0], a[0].len() / 2, 2, b)),
        expect: Expect::Holds(|v, r, _| {
            let sorted = |v: &[i128]| {
                let mut rows: Vec<[i128; 2]> = v.chunks_exact(2).map(|r| [r[0], r[1]]).collect();
                rows.sort_unstable();
                rows
            };
            sorted(&v[0]) == sorted(r) && (r.len() < 100 || v[0] != r)
        }),
    },
    Case {
        name: "permute",
        args: &[
            Arg { bits: |b| b, len: |n, _| 2 * n, kind: Kind::Any },
            Arg { bits: |_| 16, len: |n, _| n, kind: Kind::Permutation },
        ],
        least_bits: 4,
        run: numbers!(|p, s, a, b| p.permute(s, &a[0], &a[1], 2, b)),
        expect: Expect::Equal(|v, _| {
            let mut out = vec![0; v[0].len()];
            for (row, &to) in v[0].chunks_exact(2).zip(&v[1]) {
                out[2 * to as usize..][..2].copy_from_slice(row);
            }
            out
        }),
    },
    Case {
        name: "places",
        args: &[Arg { bits: |_| 0, len: |n, _| n / 4 * 8, kind: Kind::Bit }],
        least_bits: 9,
        run: numbers!(|p, s, a, b| p.places(s, &a[0], a[0].len() / 8, b)),
        expect: Expect::Equal(|v, _| stable_places(&v[0], 8)),
    },
    Case {
        name: "places of rows with many ties",
        args: &[Arg { bits: |_| 0, len: |n, _| n.div_ceil(2) * 3, kind: Kind::Bit }],
        least_bits: 9,
        run: numbers!(|p, s, a, b| p.places(s, &a[0], a[0].len() / 3, b)),
        expect: Expect::Equal(|v, _| stable_places(&v[0], 3)),
    },
];

/// Where rows of `k` bits go when they are sorted; equal ones stay in order.
fn stable_places(bits: &[i128], k: usize) -> Vec<i128> {
    let rows: Vec<&[i128]> = bits.chunks_exact(k).collect();
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&i| rows[i].iter().rev().copied().collect::<Vec<_>>());
    let mut places = vec![0; rows.len()];
    order.iter().zip(0..).for_each(|(&row, place)| places[row] = place);
    places
}

/// `floor((x + 2^(shift-1)) / 2^shift)` without overflow.
fn rounded(x: i128, shift: u32) -> i128 {
    (x >> shift) + (x >> (shift - 1) & 1)
}

fn unit_vectors(index: &[i128], n: i128) -> Vec<i128> {
    index.iter().flat_map(|&x| (0..n).map(move |j| i128::from(x == j))).collect()
}

fn low_bits(numbers: &[i128], k: u32) -> Vec<i128> {
    numbers.iter().flat_map(|&x| (0..k).map(move |j| x >> j.min(127) & 1)).collect()
}

//! The binary companion: replicated sharing of packed bits in rows, and carries of sums.

use std::ops::Range;
use std::rc::Rc;

use mpc_runtime::{Depth, Label, Result, Step};

use super::addends::Sum;
use super::{Form, PARTIES, Trio};
use crate::algebra::bits::{self, stride};
use crate::algebra::ring::Bits;
use crate::algebra::simd;
use crate::value::{Plane, Shares, Unit};

const GATES: Label = Label("rep3.and.rows");
const RIPPLE: Label = Label("rep3.ripple");

/// Rows of shared bits.
pub(crate) struct Rows {
    n: usize,
    count: usize,
    shares: Shares,
}

impl Rows {
    fn new(n: usize, count: usize, shares: Shares) -> Rc<Rows> {
        Rc::new(Rows { n, count, shares })
    }

    /// `count` rows of `n` bits from parts of them, `parts` saying which bits: row `k` of component `i`
    /// of a part is `row(part, i, k)`, and 0 where that is `None`.
    pub(crate) fn joined<'a>(
        n: usize,
        count: usize,
        depth: Depth,
        parts: &[Range<usize>; PARTIES],
        row: impl Fn(usize, usize, usize) -> Option<&'a [u64]>,
    ) -> Rc<Rows> {
        let component = |i: usize| {
            Form::rows(count, n).plane(|out: &mut [u64]| {
                for (k, out) in out.chunks_exact_mut(stride(n).max(1)).enumerate() {
                    for (part, range) in parts.iter().enumerate() {
                        if let Some(row) = row(part, i, k) {
                            out[range.start / 64..][..row.len()].copy_from_slice(row);
                        }
                    }
                }
            })
        };
        Rows::new(n, count, Shares::new(vec![component(0), component(1)], depth))
    }

    fn slices(&self, j: usize) -> [&[u64]; 2] {
        let stride = stride(self.n);
        [0, 1].map(|i| &self.shares.plane(i).words()[j * stride..][..stride])
    }
}

/// One row of several; cheap to clone.
#[derive(Clone)]
pub(crate) struct Row {
    of: Rc<Rows>,
    j: usize,
}

impl Row {
    pub(crate) fn all(rows: &Rc<Rows>) -> Vec<Row> {
        (0..rows.count).map(|j| Row { of: rows.clone(), j }).collect()
    }

    fn slices(&self) -> [&[u64]; 2] {
        self.of.slices(self.j)
    }

    /// The row as a vector of bits.
    pub(crate) fn bits(&self) -> Shares {
        self.xor(&[])
    }

    /// The exclusive or with other rows, as a vector of bits.
    pub(crate) fn xor(&self, others: &[&Row]) -> Shares {
        let depth = others.iter().fold(self.of.shares.depth, |d, row| d.max(row.of.shares.depth));
        let plane = |i: usize| {
            Plane::build(Unit::Bit, self.of.n, |out| {
                out.copy_from_slice(self.slices()[i]);
                for other in others {
                    out.iter_mut().zip(other.slices()[i]).for_each(|(o, &w)| *o ^= w);
                }
            })
        };
        Shares::new(vec![plane(0), plane(1)], depth)
    }
}

/// An AND gate for every element of a row: `x∧y ⊕ plus`.
struct Gate {
    x: Row,
    y: Row,
    plus: Option<Row>,
}

impl Trio {
    /// One round, one bit sent by each for every gate.
    async fn gates(&self, step: &Step, n: usize, gates: &[Gate]) -> Result<Vec<Row>> {
        let depth = gates.iter().fold(Depth::ZERO, |d, gate| {
            let plus = gate.plus.as_ref().map_or(Depth::ZERO, |row| row.of.shares.depth);
            d.max(gate.x.of.shares.depth).max(gate.y.of.shares.depth).max(plus)
        });
        let op = step.op(depth);
        let form = Form::rows(gates.len(), n);
        let operands: Vec<_> = gates
            .iter()
            .map(|gate| (gate.x.slices(), gate.y.slices(), gate.plus.as_ref().map(Row::slices)))
            .collect();
        let stride = stride(n);
        let z = self.summand(&op, form, |first, mut z: &mut [Bits], mut mask: &[Bits]| {
            let mut at = first;
            while !z.is_empty() {
                let (x, y, plus) = &operands[at / stride];
                let from = at % stride;
                let (part, rest) = z.split_at_mut((stride - from).min(z.len()));
                let (part_mask, rest_mask) = mask.split_at(part.len());
                let range = from..from + part.len();
                simd::cross(part, part_mask, cut_rows(*x, &range), cut_rows(*y, &range));
                if let Some(plus) = plus {
                    simd::add(part, cut_rows(*plus, &range)[0]);
                }
                at += part.len();
                (z, mask) = (rest, rest_mask);
            }
        });
        let shares = self.reshare(&op, GATES, form, z).await?;
        Ok(Row::all(&Rows::new(n, gates.len(), shares)))
    }

    /// The carry out of all groups, by a tree of halving: a pair of groups costs two gates, the lowest
    /// pair one, since nothing is carried into it.
    pub(crate) async fn carry(&self, step: &Step, n: usize, sum: &Sum) -> Result<Option<Row>> {
        let (mut generate, mut propagate) = (sum.generate.clone(), sum.pass.clone());
        while generate.len() > 1 {
            let pairs = generate.len() / 2;
            let carries = (0..pairs).map(|k| Gate {
                x: propagate[2 * k + 1].clone(),
                y: generate[2 * k].clone(),
                plus: Some(generate[2 * k + 1].clone()),
            });
            let passes = (1..pairs).map(|k| Gate {
                x: propagate[2 * k + 1].clone(),
                y: propagate[2 * k].clone(),
                plus: None,
            });
            let gates: Vec<Gate> = carries.chain(passes).collect();
            let mut out = self.gates(step, n, &gates).await?;
            // The lowest group has no propagate bit that anyone reads; its place is filled anyhow.
            let mut passes = vec![out[0].clone()];
            passes.extend(out.drain(pairs..));
            let odd = generate.len() % 2 == 1;
            out.extend(odd.then(|| generate[2 * pairs].clone()));
            passes.extend(odd.then(|| propagate[2 * pairs].clone()));
            (generate, propagate) = (out, passes);
        }
        Ok(generate.pop())
    }

    /// The carry out of the low `places` places, one after the other: one gate and one round for each.
    /// With w known to be an addend, the carry out of a place is that of c, w and w ⊕ p that two of
    /// them have: `w ⊕ p∧(w ⊕ c)`.
    pub(crate) async fn ripple(
        &self,
        step: &Step,
        n: usize,
        sum: &Sum,
        places: usize,
    ) -> Result<Option<Row>> {
        let form = Form::rows(1, n);
        let zero = vec![0; stride(n)];
        let mut carry: Option<Row> = None;
        for (p, w) in sum.propagate.iter().zip(&sum.addend).take(places) {
            let last = carry.as_ref().map_or(p.of.shares.depth, |c| c.of.shares.depth);
            let op = step.op(last);
            let (p, w) = (p.slices(), w.slices());
            let c = carry.as_ref().map_or([&zero[..]; 2], Row::slices);
            let z = self.summand(&op, form, |first, z: &mut [u64], mask| {
                let range = first..first + z.len();
                let [p, w, c] = [p, w, c].map(|row| row.map(|half| &half[range.clone()]));
                simd::majority(z, mask, p, w, c);
            });
            let shares = self.reshare(&op, RIPPLE, form, z).await?;
            carry = Row::all(&Rows::new(n, 1, shares)).pop();
        }
        Ok(carry)
    }

    /// The carries out of each group (Sklansky 1960): level d joins every
    /// place whose bit d is set to the last place of the block below.
    pub(crate) async fn carries(&self, step: &Step, n: usize, sum: &Sum) -> Result<Vec<Row>> {
        let (mut generate, mut propagate) = (sum.generate.clone(), sum.pass.clone());
        let mut block = 1;
        while block < generate.len() {
            let joined: Vec<usize> = (0..generate.len()).filter(|i| i & block != 0).collect();
            let below = |i: usize| i / block * block - 1;
            let inner: Vec<usize> = joined.iter().copied().filter(|i| *i >= 2 * block).collect();
            let carries = joined.iter().map(|&i| Gate {
                x: propagate[i].clone(),
                y: generate[below(i)].clone(),
                plus: Some(generate[i].clone()),
            });
            let passes = inner.iter().map(|&i| Gate {
                x: propagate[i].clone(),
                y: propagate[below(i)].clone(),
                plus: None,
            });
            let gates: Vec<Gate> = carries.chain(passes).collect();
            let out = self.gates(step, n, &gates).await?;
            joined.iter().zip(&out).for_each(|(&i, row)| generate[i] = row.clone());
            let passed = inner.iter().zip(&out[joined.len()..]);
            passed.for_each(|(&i, row)| propagate[i] = row.clone());
            block *= 2;
        }
        Ok(generate)
    }

    /// Whether all rows have a 1, by halving.
    pub(crate) async fn all(&self, step: &Step, n: usize, rows: &[Row]) -> Result<Option<Row>> {
        let mut rows = rows.to_vec();
        while rows.len() > 1 {
            let half = rows.len() / 2;
            let gate =
                |j: usize| Gate { x: rows[j].clone(), y: rows[half + j].clone(), plus: None };
            let gates: Vec<Gate> = (0..half).map(gate).collect();
            let mut out = self.gates(step, n, &gates).await?;
            out.extend(rows.drain(2 * half..));
            rows = out;
        }
        Ok(rows.pop())
    }
}

/// A part of both components of a row.
fn cut_rows<'a>(row: [&'a [u64]; 2], range: &Range<usize>) -> [&'a [Bits]; 2] {
    row.map(|component| bytemuck::cast_slice(&component[range.clone()]))
}

/// Rows as vectors of `rows.len()` bits each, one after the other.
pub(crate) fn interleave(n: usize, rows: &[Shares], depth: Depth) -> Shares {
    let k = rows.len();
    let depth = rows.iter().fold(depth, |d, row| d.max(row.depth));
    let plane = |i: usize| {
        Plane::build(Unit::Bit, n * k, |out| {
            bits::from_rows(n, k, out, |j| rows[j].plane(i).words());
        })
    };
    Shares::new(vec![plane(0), plane(1)], depth)
}

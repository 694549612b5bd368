//! The binary companion: replicated sharing of packed bits, carries and sums of bit rows.
//!
//! A number x = y + w modulo 2^K, where y = x_p + x_{p+1} is known to party p and w = x_{p+2} to the
//! other two, is turned into bits without a full adder: w's bits are a sharing as they stand
//! (component p+2), y's take one input by p (components p and p+1), and so their exclusive or, the
//! *propagate* bits, is a sharing that costs nothing more. The *generate* bits y∧w have one summand
//! at p+1 and one at p+2, which makes them one [`Trio::offer`]. Carries follow in a tree.

use std::ops::Range;
use std::rc::Rc;

use mpc_runtime::{Depth, Label, Op, Party, Result, Step};

use super::{Form, Input, Trio, elements};
use crate::algebra::bits::{self, stride};
use crate::algebra::ring::{Bits, Word};
use crate::algebra::simd;
use crate::value::{Plane, Shares, Unit};

const ADDEND: Label = Label("rep3.addend");
const GENERATE: Label = Label("rep3.generate");
const GATES: Label = Label("rep3.and.rows");

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
    fn all(rows: &Rc<Rows>) -> Vec<Row> {
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

/// What the parties know of the two addends of numbers modulo `2^rows`.
pub(crate) struct Addends {
    n: usize,
    p: Party,
    /// Propagate bits, but for what p+1 awaits from p.
    input: Input,
    /// Bits of w, at the parties p+1 and p+2.
    w: Option<Plane>,
    rows: usize,
}

/// Propagate and generate bits of a sum, from the lowest place up.
pub(crate) struct Sum {
    /// Place `j`: exactly one addend has a 1.
    pub(crate) propagate: Vec<Row>,
    /// Place `j`: both addends have a 1; for as many places as were asked for.
    generate: Vec<Row>,
}

/// How party p+1 and p+2 change w before its bits are taken.
pub(crate) type Change<W> = fn(W) -> W;

impl Trio {
    /// Splits the low `rows` bits of `x` into addends, `change` applied to w, and sends what p inputs.
    pub(crate) fn addends<W: Word>(
        &self,
        op: &Op<'_>,
        x: &Shares,
        p: Party,
        rows: usize,
        change: Change<W>,
    ) -> Result<Addends> {
        let n = x.len();
        let form = Form::rows(rows, n);
        let input = self.input(op, form, p, 0, |out: &mut [Bits]| {
            let [x0, x1] = [0, 1].map(|i| elements::<W>(x.plane(i)));
            bits::to_rows(n, rows, bytemuck::cast_slice_mut(out), |i| x0[i].plus(x1[i]));
        });
        input.send(op, ADDEND)?;
        let w = self.plane_of((p + 2) % 3).map(|i| {
            let w = elements::<W>(x.plane(i));
            Plane::build(Unit::Words(1), rows * stride(n), |out| {
                bits::to_rows(n, rows, out, |i| change(w[i]));
            })
        });
        Ok(Addends { n, p, input, w, rows })
    }

    /// The propagate bits, and the generate bits of the lowest `places` places. One round if there
    /// are none of the latter, two otherwise; p sends nothing in the second.
    pub(crate) async fn sum(&self, op: &Op<'_>, addends: Addends, places: usize) -> Result<Sum> {
        let Addends { n, p, input, w, rows } = addends;
        let form = Form::rows(places, n);
        // y∧w = y_p∧w ⊕ y_{p+1}∧w: the first is known to p+2 from the start.
        let and = |y: &Plane, w: &Plane| {
            form.plane(|out: &mut [Bits]| {
                simd::multiply_add(out, &elements(y)[..form.len], &elements(w)[..form.len]);
            })
        };
        let early = match (self.role(p), input.mask(self), &w) {
            (0, ..) => Some(None),
            (2, Some(y), Some(w)) => Some(Some(and(y, w))),
            _ => None,
        };
        let mut offer = match early {
            Some(mine) if places > 0 => Some(self.offer::<Bits>(op, GENERATE, form, p, mine)?),
            _ => None,
        };
        let mut planes = input.complete(self, op, ADDEND).await?;
        let depth = op.round();
        if let (1, Some(w)) = (self.role(p), &w)
            && places > 0
        {
            let mine = Some(and(&planes[0], w));
            offer = Some(self.offer::<Bits>(op, GENERATE, form, p, mine)?);
        }
        if let (Some(i), Some(w)) = (self.plane_of((p + 2) % 3), w) {
            planes[i] = w;
        }
        let propagate = Row::all(&Rows::new(n, rows, Shares::new(planes, depth)));
        let Some(offer) = offer else { return Ok(Sum { propagate, generate: vec![] }) };
        let generate = self.accept::<Bits>(op, GENERATE, form, p, offer).await?;
        Ok(Sum { propagate, generate: Row::all(&Rows::new(n, places, generate)) })
    }

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

    /// The carry out of all places that have generate bits, by a tree of halving: a pair of groups
    /// costs two gates, the lowest pair one, since nothing is carried into it.
    pub(crate) async fn carry(&self, step: &Step, n: usize, sum: &Sum) -> Result<Option<Row>> {
        let mut generate = sum.generate.clone();
        let mut propagate = sum.propagate[..generate.len()].to_vec();
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

    /// The carries out of each place that has a generate bit (Sklansky 1960): level d joins every
    /// place whose bit d is set to the last place of the block below.
    pub(crate) async fn carries(&self, step: &Step, n: usize, sum: &Sum) -> Result<Vec<Row>> {
        let mut generate = sum.generate.clone();
        let mut propagate = sum.propagate[..generate.len()].to_vec();
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

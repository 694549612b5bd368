//! Between numbers and bits: u = x_0 + x_1 is known to the parties 2 and 3, v = -(x_2 + x_3) to 0 and 1,
//! and x = u - v. So both words take one input of each bit, where adding up the four addends would take
//! two rounds of gates; of a bit as a number, both halves take one input of an element.
//!
//! Shifts take both halves as they are, as in ABY3 (eprint 2018/403, Section 5.1.1) and
//! [`crate::schemes::rep3_ring`]: of x in `[0, 2^(K-1))` with b the borrow out of the low m places,
//! `floor(x / 2^m) = floor(u / 2^m) - floor(v / 2^m) - b + 2^(K-m)·[u < v]`, and `u < v` exactly if the
//! top bit of v is 1 and that of u is 0.

use mpc_runtime::{Label, Result, Step};

use super::{Form, Four, elements, joint_cost, product_cost, zip};
use crate::algebra::bits;
use crate::algebra::ring::{Bits, Word};
use crate::blocks::split;
use crate::cost::Cost;
use crate::protocol::Protocol;
use crate::value::{Plane, Shares};

const WORD: Label = Label("rep4.halves");
const BIT: Label = Label("rep4.bit");
const PRODUCT: Label = Label("rep4.bit.product");
const PART: Label = Label("rep4.shift.part");
const TOP: Label = Label("rep4.shift.top");
const OVERFLOW: Label = Label("rep4.shift.overflow");

/// The components that make up u and v. Those who know the one lack components of the other.
const HALVES: [[usize; 2]; 2] = [[0, 1], [2, 3]];

/// What is made of a number.
#[derive(Clone, Copy)]
pub(crate) struct Carried<W> {
    /// Of both halves, of which the difference is taken.
    pub(crate) part: Part,
    /// With it comes the borrow out of so many low places, with this weight.
    pub(crate) borrow: Option<(u32, W)>,
    /// With it comes whether u < v, with this weight.
    pub(crate) overflow: Option<W>,
}

/// What is taken of each half.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    /// `floor(x / 2^m)` without sign.
    Shifted(u32),
    /// The same with sign.
    Signed(u32),
    /// `x mod 2^k`.
    Low(u32),
}

impl<W: Word> Carried<W> {
    /// `floor(x / 2^m)` of x in `[0, 2^(K-1))`; that or one more unless `exact`.
    pub(crate) fn shift(m: u32, exact: bool) -> Carried<W> {
        let minus = W::zeroed().minus(W::from_i128(1));
        Carried {
            part: Part::Shifted(m),
            borrow: exact.then_some((m, minus)),
            overflow: Some(W::from_i128(1).left(W::BITS - m)),
        }
    }

    /// `floor(x / 2^m)` or one more of a number much smaller than the ring, unless the difference of both
    /// halves overflows.
    pub(crate) fn hopeful(m: u32) -> Carried<W> {
        Carried { part: Part::Signed(m), borrow: None, overflow: None }
    }

    /// `x mod 2^k`.
    pub(crate) fn modulo(k: u32) -> Carried<W> {
        let borrow = Some((k, W::from_i128(1).left(k)));
        Carried { part: Part::Low(k), borrow, overflow: None }
    }

    /// What that costs for `n` numbers.
    pub(crate) fn cost(&self, n: usize) -> Cost {
        let numbers = Form::numbers::<W>(n);
        let joint = joint_cost(numbers.bytes(), &HALVES);
        let mut cost = joint.clone();
        if self.overflow.is_some() {
            cost = cost.beside(&joint.then(&product_cost::<W>(numbers)));
        }
        if let Some((places, _)) = self.borrow {
            cost = cost.beside(&borrow_cost::<W>(n, places as usize));
        }
        cost
    }
}

/// A borrow, as a number: see [`split::carry_out`].
fn borrow_cost<W: Word>(n: usize, places: usize) -> Cost {
    let and = |gates: usize| product_cost::<Bits>(Form::bits(n * gates));
    let mut cost = halves_cost(n, places as u32).then(&and(places));
    let mut groups = places;
    while groups > 1 {
        let pairs = groups / 2;
        cost = cost.then(&and(2 * pairs - 1));
        groups -= pairs;
    }
    cost.then(&from_bits_cost::<W>(n))
}

/// What [`Four::halves`] costs.
pub(crate) fn halves_cost(n: usize, k: u32) -> Cost {
    joint_cost(Form::bits(n * k as usize).bytes(), &HALVES)
}

/// What [`Four::from_bits`] costs.
pub(crate) fn from_bits_cost<W: Word>(n: usize) -> Cost {
    let numbers = Form::numbers::<W>(n);
    joint_cost(numbers.bytes(), &HALVES).then(&product_cost::<W>(numbers))
}

/// Both components of a half of `x`.
fn pair<'a, W: Word>(four: &Four, x: &'a Shares, [i, j]: [usize; 2]) -> [&'a [W]; 2] {
    [i, j].map(|c| elements(x.plane(four.plane_of(c).expect("asked of who knows both"))))
}

impl Four {
    /// The low `k` bits of u, place by place, and then those of v. One round.
    pub(crate) async fn halves<W: Word>(&self, step: &Step, x: &Shares, k: u32) -> Result<Shares> {
        let (op, n, k) = (step.op(x.depth), x.len(), k as usize);
        let form = Form::bits(n * k);
        let [u, v] = HALVES.map(|at| {
            self.joint::<Bits>(&op, WORD, form, at, |out| {
                let [a, b] = pair::<W>(self, x, at);
                let sum = |i: usize| a[i].plus(b[i]);
                let out = bytemuck::cast_slice_mut(out);
                match at {
                    [0, _] => bits::to_dense_rows(n, k, out, sum),
                    _ => bits::to_dense_rows(n, k, out, |i| W::zeroed().minus(sum(i))),
                }
            })
        });
        let (u, v) = (u?, v?);
        let (u, v) = (u.shares(self, &op).await?, v.shares(self, &op).await?);
        let depth = op.round();
        Ok(Shares::concat(&[u, v]).at_depth(depth))
    }

    /// Bits as numbers: the exclusive or of b_0 ⊕ b_1 and b_2 ⊕ b_3. Two rounds, eight elements.
    pub(crate) async fn from_bits<W: Word>(&self, step: &Step, a: &Shares) -> Result<Shares> {
        let op = step.op(a.depth);
        let form = Form::numbers::<W>(a.len());
        let bit = |at: [usize; 2]| {
            self.joint::<W>(&op, BIT, form, at, |out| {
                let [x, y] = at.map(|c| a.plane(self.plane_of(c).expect("known")).words());
                for (out, (x, y)) in out.chunks_mut(64).zip(x.iter().zip(y)) {
                    let both = x ^ y;
                    out.iter_mut().zip(0..).for_each(|(o, i)| *o = W::from_bit(both >> i));
                }
            })
        };
        let [x, y] = [bit(HALVES[0])?, bit(HALVES[1])?];
        let (x, y) = (x.shares(self, &op).await?, y.shares(self, &op).await?);
        op.round();
        let both = self.multiply::<W>(&op, PRODUCT, form, &x, &y).await?;
        let sum = zip::<W>(&x, &y, W::plus);
        Ok(zip::<W>(&sum, &both, |s, b| s.minus(b).minus(b)))
    }

    /// Numbers made of both halves of `x`.
    pub(crate) async fn carried<W: Word>(
        &self,
        p: &dyn Protocol,
        step: &Step,
        x: &Shares,
        what: Carried<W>,
    ) -> Result<Shares> {
        let forks = step.forks(2);
        let overflow = what
            .overflow
            .map(|weight| Box::pin(self.overflow(&forks[0], x, weight)) as crate::Fut<'_>);
        let borrow = what.borrow.map(|(places, weight)| {
            let step = &forks[1];
            Box::pin(async move {
                let carry = split::carry_out(p, step, x, places).await?;
                let carry = p.from_bits(step, &carry).await?;
                // The borrow is 1 less the carry.
                Ok(self.affine(&carry, W::zeroed().minus(weight), weight))
            }) as crate::Fut<'_>
        });
        let difference = Box::pin(self.difference::<W>(step, x, what.part)) as crate::Fut<'_>;
        let parts = [difference].into_iter().chain(overflow).chain(borrow).collect();
        let parts = mpc_runtime::join_all(parts).await?;
        let sum =
            parts[1..].iter().fold(parts[0].clone(), |sum, part| zip::<W>(&sum, part, W::plus));
        Ok(sum)
    }

    /// A part of u less that of v. One round, two elements.
    async fn difference<W: Word>(&self, step: &Step, x: &Shares, part: Part) -> Result<Shares> {
        let op = step.op(x.depth);
        let form = Form::numbers::<W>(x.len());
        let [u, v] = HALVES.map(|at| {
            self.joint::<W>(&op, PART, form, at, |out| {
                let minus = at != HALVES[0];
                self.half(x, at, out, |w| {
                    let part = match part {
                        Part::Shifted(m) => w.right(m),
                        Part::Signed(m) => w.right_signed(m),
                        Part::Low(k) => w.low(k),
                    };
                    if minus { W::zeroed().minus(part) } else { part }
                });
            })
        });
        let (u, v) = (u?, v?);
        let (u, v) = (u.shares(self, &op).await?, v.shares(self, &op).await?);
        Ok(zip::<W>(&u, &v, W::plus).at_depth(op.round()))
    }

    /// Whether the top bit of v is 1 and that of u is 0, as a number times `weight`. Two rounds, eight
    /// elements.
    async fn overflow<W: Word>(&self, step: &Step, x: &Shares, weight: W) -> Result<Shares> {
        let op = step.op(x.depth);
        let form = Form::numbers::<W>(x.len());
        let [u, v] = HALVES.map(|at| {
            self.joint::<W>(&op, TOP, form, at, |out| {
                let minuend = at == HALVES[0];
                self.half(x, at, out, |w| {
                    let top = w.right(W::BITS - 1);
                    if minuend { W::from_i128(1).minus(top) } else { top.times(weight) }
                });
            })
        });
        let (u, v) = (u?, v?);
        let (u, v) = (u.shares(self, &op).await?, v.shares(self, &op).await?);
        op.round();
        self.multiply::<W>(&op, OVERFLOW, form, &u, &v).await
    }

    /// `f` of u, or of v, to a party that knows it.
    fn half<W: Word>(&self, x: &Shares, at: [usize; 2], out: &mut [W], f: impl Fn(W) -> W) {
        let [a, b] = pair::<W>(self, x, at);
        let sums = a.iter().zip(b).map(|(a, b)| a.plus(*b));
        let minuend = at == HALVES[0];
        let halves = sums.map(|sum| if minuend { sum } else { W::zeroed().minus(sum) });
        out.iter_mut().zip(halves).for_each(|(o, half)| *o = f(half));
    }

    /// `factor·x + summand`.
    pub(crate) fn affine<W: Word>(&self, x: &Shares, factor: W, summand: W) -> Shares {
        self.shares(x.depth, |j| {
            let form = Form::numbers::<W>(x.len());
            let summand = if j == 0 { summand } else { W::zeroed() };
            let held: &[W] = elements(x.plane(self.plane_of(j).expect("held here")));
            form.plane(|out: &mut [W]| {
                out.iter_mut().zip(held).for_each(|(o, x)| *o = x.times(factor).plus(summand));
            })
        })
    }

    /// The low `k` bits of component `j` of each number, as shared bits, place by place.
    pub(crate) fn component_bits<W: Word>(&self, x: &Shares, j: usize, k: u32) -> Shares {
        let (n, k) = (x.len(), k as usize);
        let form = Form::bits(n * k);
        self.alone(form, x, j, |plane| {
            let held: &[W] = elements(plane);
            form.plane(|out: &mut [u64]| bits::to_dense_rows(n, k, out, |i| held[i]))
        })
    }

    /// Component `j`, changed, as the same component of a shared vector.
    pub(crate) fn alone(
        &self,
        form: Form,
        x: &Shares,
        j: usize,
        change: impl Fn(&Plane) -> Plane,
    ) -> Shares {
        self.shares(x.depth, |component| match self.plane_of(j) {
            Some(p) if component == j => change(x.plane(p)),
            _ => form.zero(),
        })
    }

    /// `floor(component / 2^shift)`.
    pub(crate) fn component_shifted<W: Word>(&self, x: &Shares, j: usize, shift: u32) -> Shares {
        let form = Form::numbers::<W>(x.len());
        self.alone(form, x, j, |plane| {
            let held: &[W] = elements(plane);
            form.plane(|out: &mut [W]| {
                out.iter_mut().zip(held).for_each(|(o, x)| *o = x.right(shift));
            })
        })
    }

    /// Component `j` of bits, as a number.
    pub(crate) fn component_of_bits<W: Word>(&self, x: &Shares, j: usize) -> Shares {
        let form = Form::numbers::<W>(x.len());
        self.alone(form, x, j, |plane| {
            form.plane(|out: &mut [W]| {
                for (out, word) in out.chunks_mut(64).zip(plane.words()) {
                    out.iter_mut().zip(0..).for_each(|(o, i)| *o = W::from_bit(word >> i));
                }
            })
        })
    }
}

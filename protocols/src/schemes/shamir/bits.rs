//! Random bits that nobody knows.
//!
//! For t = 1, `b = x ⊕ y`, x known to party 0 only and y to all others, from their common key. All but
//! party 0 have shares of x·y as they have shares of x; they add a random polynomial that is 0 at 0, and
//! two of them tell party 0 its share of the sum, each its summand, hidden from party 0.
//!
//! For more, from squares: for a random r, r² is opened, and r divided by a root of it is 1 or -1
//! (Damgård, Fitzi, Kiltz, Nielsen, Toft 2006). Squares are opened by a king for each part of the vector
//! ([`super::kings`]), which tells the others the inverse roots. Should r be 0, which has a probability
//! of 1/p, the bit is 0. That costs fewer elements than the exclusive or of t + 1 bits, but a power each.

use mpc_runtime::{Depth, Label, Op, Party, Result, Step};

use super::kings::{ZERO, kings};
use super::sharing::{Sharing, elements, lagrange, of, point, uniform};
use crate::algebra::field::{LANES, Prime};
use crate::cost::Cost;
use crate::schemes::over_field::short;
use crate::value::{Plane, Shares};

const ONE: Label = Label("shamir.random_bits.one");
const PRODUCT: Label = Label("shamir.random_bits.product");
const SQUARE: Label = Label("shamir.random_bits.square");
const ROOT: Label = Label("shamir.random_bits.root");

/// Purpose of the bits that all but party 0 know.
const OTHERS: u16 = u16::MAX - 2;
/// Purpose of the polynomials that hide products.
const HIDE: u16 = u16::MAX - 3;
/// The parties that tell party 0 its share of the product.
const TELLERS: [Party; 2] = [1, 2];

impl<F: Prime> Sharing<F> {
    /// `n` uniform bits that nobody knows. Two rounds after that of the random elements, if any.
    pub(crate) async fn random_bits(&self, step: &Step, n: usize) -> Result<Shares> {
        let op = step.op(Depth::ZERO);
        if self.t == 1 { self.bits_of_two(&op, n).await } else { self.bits_by_roots(&op, n).await }
    }

    async fn bits_of_two(&self, op: &Op<'_>, n: usize) -> Result<Shares> {
        let (own, bit) = (self.own_stream(op), short(1));
        let secret = |first: usize, out: &mut [F]| bit(&own, first, out);
        let x = self.dealt(op, ONE, 0..1, n, secret).await?;
        let x = of::<F>(&x);
        let Some(others) = self.all_but_first() else {
            let told = [
                self.receive(op, TELLERS[0], PRODUCT, n).await?,
                self.receive(op, TELLERS[1], PRODUCT, n).await?,
            ];
            let [one, two] = [of::<F>(&told[0]), of::<F>(&told[1])];
            return Ok(self.vector(n, op.round(), |first, out| {
                for (i, o) in out.iter_mut().enumerate() {
                    let product = one[first + i].plus(two[first + i]);
                    *o = x[first + i].minus(product).minus(product);
                }
            }));
        };
        let (y, hide) = (op.stream(&others.key, OTHERS), op.stream(&others.key, HIDE));
        let known = self.plane(n, |first, out| bit(&y, first, out));
        let (known, at) = (of::<F>(&known), F::point(point(self.me)));
        // x·y and the polynomial that is 0 at 0.
        let product = self.plane(n, |first, out| {
            uniform(&hide, first, out);
            for (i, o) in out.iter_mut().enumerate() {
                *o = o.times(at).plus(x[first + i].times(known[first + i]));
            }
        });
        let product = of::<F>(&product);
        if let Some(k) = TELLERS.iter().position(|&teller| teller == self.me) {
            let weight = lagrange::<F>(&TELLERS.map(point), point(0))[k];
            let mask = op.stream(&self.pair[TELLERS[1 - k]], ZERO);
            let told = self.plane(n, |first, out| {
                uniform(&mask, first, out);
                for (o, &g) in out.iter_mut().zip(&product[first..]) {
                    let summand = g.times(weight);
                    *o = if k == 0 { summand.plus(*o) } else { summand.minus(*o) };
                }
            });
            self.send(op, 0, PRODUCT, &told, n)?;
        }
        let weight = others.weight;
        Ok(self.vector(n, op.round(), |first, out| {
            for (i, o) in out.iter_mut().enumerate() {
                let sum = x[first + i].plus(known[first + i].times(weight));
                *o = sum.minus(product[first + i]).minus(product[first + i]);
            }
        }))
    }

    async fn bits_by_roots(&self, op: &Op<'_>, n: usize) -> Result<Shares> {
        let r = Shares::new(vec![self.random(op, n, uniform).await?], op.depth());
        let roots = self.inverse_roots(op, &r).await?;
        let (r, roots) = (elements::<F>(&r), of::<F>(&roots));
        let half = F::ONE.plus(F::ONE).inverse();
        Ok(self.vector(n, op.depth(), |first, out| {
            let values = r[first..].iter().zip(&roots[first..]);
            for (bit, (&r, &root)) in out.iter_mut().zip(values) {
                // A root of 0 is public, as every root is.
                let zero = root.wide() == [0, 0];
                *bit = if zero { F::ZERO } else { r.times(root).plus(F::ONE).times(half) };
            }
        }))
    }

    /// Inverse roots of the squares of `r`, to all.
    async fn inverse_roots(&self, op: &Op<'_>, r: &Shares) -> Result<Plane> {
        let (values, len) = (elements::<F>(r), r.len());
        let squares = |first: usize, out: &mut [F]| {
            out.iter_mut().zip(&values[first..]).for_each(|(o, &r)| *o = r.times(r));
        };
        let kings = kings(self.n, len);
        let squares = self.to_kings(op, SQUARE, &kings, len, squares).await?;
        let mut mine = squares.map(|squares| {
            let squares = of::<F>(&squares);
            self.plane(squares.len(), |first, out| {
                for (roots, squares) in out.chunks_mut(LANES).zip(squares[first..].chunks(LANES)) {
                    let mut lanes = [F::ZERO; LANES];
                    lanes[..squares.len()].copy_from_slice(squares);
                    roots.copy_from_slice(&F::inverse_roots(lanes)[..squares.len()]);
                }
            })
        });
        for peer in (0..self.n).filter(|&peer| peer != self.me) {
            if let Some(roots) = &mine {
                self.send(op, peer, ROOT, roots, roots.len())?;
            }
        }
        let mut all = vec![];
        for (king, part) in kings {
            all.push(match mine.take_if(|_| king == self.me) {
                Some(roots) => roots,
                None => self.receive(op, king, ROOT, part.len()).await?,
            });
        }
        op.round();
        Ok(if all.is_empty() { self.plane(0, |_, _| ()) } else { Plane::concat(&all) })
    }

    /// What [`Sharing::random_bits`] costs.
    pub(crate) fn random_bits_cost(&self, n: usize) -> Cost {
        let mut cost = Cost::local(self.n);
        if self.t == 1 {
            let tell = |party| Cost::by(party, self.n, 1, 8 * F::WORDS * n);
            let told = TELLERS.map(tell);
            return self.dealing(0..1, n).then(&told[0].clone().beside(&told[1]));
        }
        cost.rounds = 1;
        for (king, part) in kings(self.n, n) {
            let bytes = 8 * F::WORDS * part.len();
            (1..self.n).for_each(|_| cost.add(king, bytes));
        }
        let cost = self.to_kings_cost(n).then(&cost);
        self.random_cost(n).then(&cost)
    }
}

//! Random bits that nobody knows.
//!
//! For t = 1, `b = x ⊕ y`, x known to party 0 only and y to all others, from their common key. All but
//! party 0 have shares of x·y as they have shares of x; they add a random polynomial that is 0 at 0, and
//! two of them tell party 0 its share of the sum, each its summand, hidden from party 0.
//!
//! For more, from squares: for a random r, r² is opened, and r divided by a root of it is 1 or -1
//! (Damgård, Fitzi, Kiltz, Nielsen, Toft 2006). Products of degree 2t are opened as they are, hidden by
//! summands of zero that pairs of parties derive from their keys. One party, another for each part of the
//! vector, opens them and tells the others the inverse root. Should r be 0, which has a probability of
//! 1/p, the bit is 0. That costs fewer elements than the exclusive or of t + 1 bits, but a power each.

use mpc_runtime::{Depth, Label, Op, Party, Result, Step, Stream};

use super::sharing::{Scratch, Sharing, add, elements, lagrange, of, point, short, uniform};
use crate::algebra::field::{Field, LANES};
use crate::cost::{Cost, Sent};
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

/// Purpose of the summands of zero.
const ZERO: u16 = u16::MAX - 1;
/// Fewer elements are not worth another king.
const LEAST: usize = 64;

/// The parties that open, with what part of `len` elements.
fn kings(parties: usize, len: usize) -> Vec<(Party, std::ops::Range<usize>)> {
    let each = len.div_ceil(parties).max(LEAST);
    let part = |king: usize| king * each..len.min((king + 1) * each);
    (0..len.div_ceil(each)).map(|king| (king, part(king))).collect()
}

impl<F: Field> Sharing<F> {
    /// `n` uniform bits that nobody knows. Two rounds after that of the random elements, if any.
    pub(super) async fn random_bits(&self, step: &Step, n: usize) -> Result<Shares> {
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
                    let product = one[first + i].add(two[first + i]);
                    *o = x[first + i].sub(product).sub(product);
                }
            }));
        };
        let (y, hide) = (op.stream(&others.key, OTHERS), op.stream(&others.key, HIDE));
        let known = self.plane(n, |first, out| bit(&y, first, out));
        let (known, at) = (of::<F>(&known), F::from_i128(point(self.me) as i128));
        // x·y and the polynomial that is 0 at 0.
        let product = self.plane(n, |first, out| {
            uniform(&hide, first, out);
            for (i, o) in out.iter_mut().enumerate() {
                *o = o.mul(at).add(x[first + i].mul(known[first + i]));
            }
        });
        let product = of::<F>(&product);
        if let Some(k) = TELLERS.iter().position(|&teller| teller == self.me) {
            let weight = lagrange::<F>(&TELLERS.map(point), point(0))[k];
            let mask = op.stream(&self.pair[TELLERS[1 - k]], ZERO);
            let told = self.plane(n, |first, out| {
                uniform(&mask, first, out);
                for (o, &g) in out.iter_mut().zip(&product[first..]) {
                    let summand = g.mul(weight);
                    *o = if k == 0 { summand.add(*o) } else { summand.sub(*o) };
                }
            });
            self.send(op, 0, PRODUCT, &told, 0..n)?;
        }
        let weight = others.weight;
        Ok(self.vector(n, op.round(), |first, out| {
            for (i, o) in out.iter_mut().enumerate() {
                let sum = x[first + i].add(known[first + i].mul(weight));
                *o = sum.sub(product[first + i]).sub(product[first + i]);
            }
        }))
    }

    async fn bits_by_roots(&self, op: &Op<'_>, n: usize) -> Result<Shares> {
        let r = Shares::new(vec![self.random(op, n, uniform).await?], op.depth());
        let roots = self.inverse_roots(op, &r).await?;
        let (r, roots) = (elements::<F>(&r), of::<F>(&roots));
        let half = F::ONE.add(F::ONE).inverse();
        Ok(self.vector(n, op.depth(), |first, out| {
            let values = r[first..].iter().zip(&roots[first..]);
            for (bit, (&r, &root)) in out.iter_mut().zip(values) {
                // A root of 0 is public, as every root is.
                let zero = root.wide() == [0, 0];
                *bit = if zero { F::ZERO } else { r.mul(root).add(F::ONE).mul(half) };
            }
        }))
    }

    /// Inverse roots of the squares of `r`, to all.
    async fn inverse_roots(&self, op: &Op<'_>, r: &Shares) -> Result<Plane> {
        let squares = self.hidden_squares(op, r);
        let kings = kings(self.n, r.len());
        for (king, part) in kings.iter().filter(|(king, _)| *king != self.me) {
            if let Some(squares) = &squares {
                self.send(op, *king, SQUARE, squares, part.clone())?;
            }
        }
        let mut mine = None;
        if let Some((_, part)) = kings.iter().find(|(king, _)| *king == self.me) {
            let mut summands: Vec<Plane> = squares.iter().map(|s| s.slice(part.clone())).collect();
            for peer in self.multipliers().filter(|&peer| peer != self.me) {
                summands.push(self.receive(op, peer, SQUARE, part.len()).await?);
            }
            let summands: Vec<&[F]> = summands.iter().map(of).collect();
            mine = Some(self.plane(part.len(), |first, out| {
                summands.iter().for_each(|part| add(out, &part[first..]));
                for squares in out.chunks_mut(LANES) {
                    let mut lanes = [F::ZERO; LANES];
                    lanes[..squares.len()].copy_from_slice(squares);
                    squares.copy_from_slice(&F::inverse_roots(lanes)[..squares.len()]);
                }
            }));
        }
        op.round();
        for peer in (0..self.n).filter(|&peer| peer != self.me) {
            if let Some(roots) = &mine {
                self.send(op, peer, ROOT, roots, 0..roots.len())?;
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

    /// This party's summand of the squares, if it has one: its weighed square and a summand of zero.
    fn hidden_squares(&self, op: &Op<'_>, r: &Shares) -> Option<Plane> {
        let multipliers = self.multipliers();
        if !multipliers.contains(&self.me) {
            return None;
        }
        let peers = multipliers.filter(|&peer| peer != self.me);
        let streams: Vec<(Stream, bool)> =
            peers.map(|peer| (op.stream(&self.pair[peer], ZERO), peer > self.me)).collect();
        let (r, weight) = (elements::<F>(r), self.product);
        Some(self.plane(r.len(), |first, out| {
            let mut scratch = Scratch::new();
            let mask = scratch.elements::<F>(out.len());
            let square = |(o, &r): (&mut F, &F)| *o = r.mul(r).mul(weight);
            out.iter_mut().zip(&r[first..]).for_each(square);
            for (stream, plus) in &streams {
                uniform(stream, first, mask);
                let one = |o: F, x: F| if *plus { o.add(x) } else { o.sub(x) };
                out.iter_mut().zip(mask.iter()).for_each(|(o, &x)| *o = one(*o, x));
            }
        }))
    }

    /// What [`Sharing::random_bits`] costs.
    pub(super) fn random_bits_cost(&self, n: usize) -> Cost {
        let mut cost = Cost::local(self.n);
        if self.t == 1 {
            let tell = |party| Cost::by(party, self.n, 1, 8 * F::WORDS * n);
            let told = TELLERS.map(tell);
            return self.dealing(0..1, n).then(&told[0].clone().beside(&told[1]));
        }
        cost.rounds = 2;
        for (king, part) in kings(self.n, n) {
            let bytes = (8 * F::WORDS * part.len()) as u64;
            let sent = |messages| Sent { messages, payload_bytes: messages * bytes };
            for peer in self.multipliers().filter(|&peer| peer != king) {
                cost.sent[peer] = cost.sent[peer] + sent(1);
            }
            cost.sent[king] = cost.sent[king] + sent(self.n as u64 - 1);
        }
        self.random_cost(n).then(&cost)
    }
}

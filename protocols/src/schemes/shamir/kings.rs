//! Products of degree 2t opened by kings, another for each part of a vector; and products reduced to
//! degree t by way of kings, with about 3/2 elements sent by each party for one (ATLAS).
//!
//! To a king, each of 2t + 1 parties sends its weighed product and a summand of zero, from keys of pairs;
//! their sum is the product, and nothing else can be told from them.
//!
//! *Reduction.* A random r is shared with degree t; being also of degree 2t, it is added to the product
//! before that goes to the king. The king deals x·y + r, and all subtract their shares of r. The paper's
//! double sharings are this r and the summands of zero.
//!
//! *Random elements.* Up to seven parties have them from keys of subsets. Otherwise all parties deal
//! uniform elements, of which n - t sums are uniform to whoever knows t of the summands (Damgård and
//! Nielsen 2007). From t of these follow the masks of a product under each king, any t of them
//! independent: what the t corrupted parties see as kings is uniform, and under other kings they see
//! shares of degree t only, no product (the observation of ATLAS).

use std::ops::Range;

use mpc_runtime::{Depth, Label, Op, Party, Result, Step, Stream};

use super::sharing::{Scratch, Sharing, add, add_weighed, of, uniform};
use crate::algebra::field::Field;
use crate::cost::Cost;
use crate::prepared::prepared;
use crate::value::{Plane, Shares};

const PRODUCT: Label = Label("shamir.kings.product");
const REDUCED: Label = Label("shamir.kings.reduced");
const MASKS: Label = Label("shamir.kings.masks");

/// Purpose of the summands of zero.
pub(super) const ZERO: u16 = u16::MAX - 1;
/// Fewer elements are not worth another king.
const LEAST: usize = 64;

/// Elements of a part.
fn part(parties: usize, len: usize) -> usize {
    len.div_ceil(parties).max(LEAST)
}

/// The kings, with what part of `len` elements.
pub(crate) fn kings(parties: usize, len: usize) -> Vec<(Party, Range<usize>)> {
    let each = part(parties, len);
    let range = |king: usize| king * each..len.min((king + 1) * each);
    (0..len.div_ceil(each)).map(|king| (king, range(king))).collect()
}

/// `x` to the power of `exponent`.
fn power<F: Field>(x: F, exponent: usize) -> F {
    (0..exponent).fold(F::ONE, |power, _| power.times(x))
}

/// Sums of `vectors` with weights, of `len` elements.
fn weighed<F: Field>(sharing: &Sharing<F>, len: usize, vectors: &[(&[F], F)]) -> Plane {
    sharing.plane(len, |first, out| {
        for (vector, weight) in vectors {
            add_weighed(out, &vector[first..], *weight);
        }
    })
}

impl<F: Field> Sharing<F> {
    /// One round: what `product(first, tile)` makes of degree 2t, of `len` elements, to the king of each
    /// part.
    pub(crate) async fn to_kings(
        &self,
        op: &Op<'_>,
        label: Label,
        kings: &[(Party, Range<usize>)],
        len: usize,
        product: impl Fn(usize, &mut [F]) + Sync,
    ) -> Result<Option<Plane>> {
        let multipliers = self.multipliers();
        let summand = multipliers.contains(&self.me).then(|| self.hidden(op, len, product));
        for (king, part) in kings.iter().filter(|(king, _)| *king != self.me) {
            if let Some(summand) = &summand {
                self.send(op, *king, label, &summand.slice(part.clone()), part.len())?;
            }
        }
        let mut sums = None;
        if let Some((_, part)) = kings.iter().find(|(king, _)| *king == self.me) {
            let mut summands: Vec<Plane> = summand.iter().map(|s| s.slice(part.clone())).collect();
            for peer in multipliers.filter(|&peer| peer != self.me) {
                summands.push(self.receive(op, peer, label, part.len()).await?);
            }
            let summands: Vec<&[F]> = summands.iter().map(of).collect();
            sums = Some(self.plane(part.len(), |first, out| {
                summands.iter().for_each(|part| add(out, &part[first..]));
            }));
        }
        op.round();
        Ok(sums)
    }

    /// This party's weighed product and a summand of zero.
    fn hidden(&self, op: &Op<'_>, len: usize, product: impl Fn(usize, &mut [F]) + Sync) -> Plane {
        let peers = self.multipliers().filter(|&peer| peer != self.me);
        let streams: Vec<(Stream, bool)> =
            peers.map(|peer| (op.stream(&self.pair[peer], ZERO), peer > self.me)).collect();
        let weight = self.product;
        self.plane(len, |first, out| {
            product(first, out);
            out.iter_mut().for_each(|x| *x = x.times(weight));
            let mut scratch = Scratch::new();
            let mask = scratch.elements::<F>(out.len());
            for (stream, plus) in &streams {
                uniform(stream, first, mask);
                let one = |o: F, x: F| if *plus { o.plus(x) } else { o.minus(x) };
                out.iter_mut().zip(mask.iter()).for_each(|(o, &x)| *o = one(*o, x));
            }
        })
    }

    /// What [`Sharing::to_kings`] costs.
    pub(crate) fn to_kings_cost(&self, len: usize) -> Cost {
        let mut cost = Cost { rounds: 1, ..Cost::local(self.n) };
        for (king, part) in kings(self.n, len) {
            let peers = self.multipliers().filter(|&peer| peer != king);
            peers.for_each(|peer| cost.add(peer, 8 * F::WORDS * part.len()));
        }
        cost
    }

    /// Shares of degree t of `len` products, which `product(first, tile)` makes of degree 2t. Two rounds.
    pub(crate) async fn reduce(
        &self,
        step: &Step,
        depth: Depth,
        len: usize,
        product: impl Fn(usize, &mut [F]) + Sync,
    ) -> Result<Shares> {
        let kings = kings(self.n, len);
        let (r, ready) = self.masks(step, &kings, len).await?;
        let r = of::<F>(&r);
        let op = step.op(depth.max(ready));
        let masked = |first: usize, out: &mut [F]| {
            product(first, out);
            add(out, &r[first..]);
        };
        let opened = self.to_kings(&op, PRODUCT, &kings, len, masked).await?;
        let dealers: Vec<(Party, usize)> = kings.iter().map(|(k, part)| (*k, part.len())).collect();
        let dealt = self.dealt_apart(&op, REDUCED, &dealers, opened.as_ref()).await?;
        let mut parts = vec![];
        for ((_, part), dealt) in kings.iter().zip(&dealt) {
            let (dealt, r) = (of::<F>(dealt), &r[part.clone()]);
            parts.push(self.plane(part.len(), |first, out| {
                let both = dealt[first..].iter().zip(&r[first..]);
                out.iter_mut().zip(both).for_each(|(o, (&d, &r))| *o = d.minus(r));
            }));
        }
        let plane = if parts.is_empty() { self.plane(0, |_, _| ()) } else { Plane::concat(&parts) };
        Ok(Shares::new(vec![plane], op.depth()))
    }

    /// What [`Sharing::reduce`] costs.
    pub(crate) fn reduce_cost(&self, len: usize) -> Cost {
        let mut back = Cost { rounds: 1, ..Cost::local(self.n) };
        for (king, part) in kings(self.n, len) {
            back = back.beside(&self.dealing(king..king + 1, part.len()));
        }
        self.masks_cost(len).beside(&self.to_kings_cost(len).then(&back))
    }

    /// Uniform elements of degree t, one for each product, and when they are there.
    async fn masks(
        &self,
        step: &Step,
        kings: &[(Party, Range<usize>)],
        len: usize,
    ) -> Result<(Plane, Depth)> {
        if self.by_subsets() {
            let op = step.op(Depth::ZERO);
            return Ok((self.random(&op, len, uniform).await?, op.depth()));
        }
        let (count, each) = (kings.len().min(self.t), part(self.n, len).min(len));
        let make = async |prep: &Step| {
            let op = prep.op(Depth::ZERO);
            Ok((self.extracted(&op, count * each).await?, op.depth()))
        };
        let (random, depth) = prepared(step, make).await?;
        let random: Vec<&[F]> = of(&random).chunks(each.max(1)).take(count).collect();
        let of_king = |(king, part): &(Party, Range<usize>)| {
            let vectors = random.iter().enumerate();
            let weight = |k: usize| power(F::point(king + 1), k);
            let vectors: Vec<_> = vectors.map(|(k, &vector)| (vector, weight(k))).collect();
            weighed(self, part.len(), &vectors)
        };
        let parts: Vec<Plane> = kings.iter().map(of_king).collect();
        let plane = if parts.is_empty() { self.plane(0, |_, _| ()) } else { Plane::concat(&parts) };
        Ok((plane, depth))
    }

    fn masks_cost(&self, len: usize) -> Cost {
        if self.by_subsets() {
            return Cost::local(self.n);
        }
        let count = kings(self.n, len).len().min(self.t) * part(self.n, len).min(len);
        self.dealing(0..self.n, count.div_ceil(self.n - self.t)).ahead()
    }

    /// At least `count` uniform elements that nobody knows. One round in which everybody deals.
    async fn extracted(&self, op: &Op<'_>, count: usize) -> Result<Plane> {
        let len = count.div_ceil(self.n - self.t);
        let own = self.own_stream(op);
        let mine = self.plane(len, |first, out| uniform(&own, first, out));
        let dealers: Vec<(Party, usize)> = (0..self.n).map(|dealer| (dealer, len)).collect();
        let dealt = self.dealt_apart(op, MASKS, &dealers, Some(&mine)).await?;
        let sums: Vec<Plane> = (0..self.n - self.t)
            .map(|k| {
                let dealt = dealt.iter().enumerate();
                let weight = |dealer: usize| power(F::point(dealer + 1), k);
                let vectors: Vec<_> = dealt.map(|(d, share)| (of(share), weight(d))).collect();
                weighed(self, len, &vectors)
            })
            .collect();
        Ok(Plane::concat(&sums))
    }
}

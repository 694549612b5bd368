//! Triples: random a and b, and c = a·b, with MACs.
//!
//! A first factor is a random combination of parts, of which cheaters may learn some:
//! 1. Each party draws b and the parts of a. Parts of one are multiplied with the b of the other by transfers
//!    ([`crate::blocks::ot::products`]) in which the bits of the parts are chosen by.
//! 2. A coin gives two vectors of factors r and r'. a and c are combinations of the parts and of their
//!    products by r, a' and c' those by r'.
//! 3. a, b, c, a', c' get MACs. A second coin gives t; `ρ = t·a - a'` is opened, and `t·c - c' - ρ·b` must be
//!    0. That is t times the error of c minus that of c'; openings are compared with MACs at the check.
//!
//! Source: Keller, Orsini, Scholl 2016, eprint 2016/505, Figure 7; in rings Cramer, Damgård, Escudero, Scholl,
//! Xing 2018, eprint 2018/482, Figure 8. How many parts: [`Authentic::parts`].
//! Cost: 10 rounds. To each peer, of K bits with P parts of k bits and MAC keys of A bits: `P·k·128/4` bits of
//! choices, `P·k·K` of products, and `5·A·K` of MACs.

use mpc_runtime::{Depth, Label, Op, Result, Step};
use zeroize::Zeroizing;

use super::element::Authentic;
use super::keys::MacKey;
use super::{COMBINED, FORM, Spdz, purpose};
use crate::algebra::bits::copy_bits;
use crate::blocks::coin;
use crate::blocks::ot::products::{Products, accept, offer, prepare};
use crate::blocks::ot::{Call, Choices, Many, Ot, Received, Transfers};
use crate::cost::Cost;
use crate::prepared::prepared_fields;
use crate::schemes::additive::{dense, of, out_of_range, plane, uniform};
use crate::value::{Plane, Shares};

const PRODUCTS: Label = Label("spdz.products");

/// Random factors with their products.
pub(super) struct Triples {
    pub(super) a: Shares,
    pub(super) b: Shares,
    pub(super) c: Shares,
}

prepared_fields!(Triples { a, b, c });

/// What follows from a triple is in this order: a, b, c, a', c'.
const FIVE: usize = 5;

impl<N: Authentic> Spdz<N> {
    fn parts_each(&self) -> usize {
        N::parts(self.stat_sec)
    }

    /// How many triples are made together: as many as have messages of the length of a part.
    fn batches(&self, len: usize) -> impl Iterator<Item = usize> + use<N> {
        let bytes = 8 * N::WORDS * (self.parts_each() * N::PART).max(FIVE * N::KEY);
        super::parts(len, bytes).map(|range| range.len())
    }

    pub(super) async fn triples(&self, step: &Step, len: usize) -> Result<Triples> {
        let mut all: [Vec<Shares>; 3] = Default::default();
        for len in self.batches(len) {
            let Triples { a, b, c } = self.batch(step, len).await?;
            all.iter_mut().zip([a, b, c]).for_each(|(all, part)| all.push(part));
        }
        let [a, b, c] = all.map(|parts| Shares::concat(&parts));
        Ok(Triples { a, b, c })
    }

    /// What [`Spdz::triples`] costs.
    pub(super) fn triples_cost(&self, len: usize) -> Cost {
        let batch = |len: usize| {
            let products = self.part_products(len);
            let each =
                |bytes: usize| Cost::each(self.n, 1, self.n as u64 - 1, (self.n - 1) * bytes);
            Ot::cost(FORM, self.n, |_, _| Many::chosen(products.transfers()))
                .then(&each(products.bytes::<N>()))
                .then(&coin::cost(self.n))
                .then(&MacKey::multiplying::<N>(self.n, FIVE * len + 1, None))
                .then(&coin::cost(self.n))
                .then(&each(8 * N::WORDS * (len + 1)))
        };
        self.batches(len).map(batch).fold(Cost::local(self.n), |all, part| all.beside(&part))
    }

    async fn batch(&self, step: &Step, len: usize) -> Result<Triples> {
        let op = step.op(Depth::ZERO);
        let [b, a, c] = self.multiplied_parts(&op, len).await?;
        let op = step.op(op.depth());
        let coin = coin::toss(&op, &self.own).await?;
        let factors = plane::<N>(2 * self.parts_each(), |out| {
            uniform(&op.stream(&coin, purpose::WEIGHTS), out);
        });
        let (r, other) = of::<N>(&factors).split_at(self.parts_each());
        let combined = |x: &Plane, factors: &[N]| combination(of(x), len, factors);
        let all = [combined(&a, r), b, combined(&c, r), combined(&a, other), combined(&c, other)];
        let fresh = self.fresh(step, op.depth(), Plane::concat(&all), None).await?;

        let op = step.op(fresh.shares.depth);
        let coin = coin::toss(&op, &self.own).await?;
        let combined = Self::combined(&fresh, &op.stream(&coin, purpose::WEIGHTS));
        let mut t = [N::zero()];
        uniform(&op.stream(&coin, purpose::SACRIFICE), &mut t);
        let t = t[0];
        let part = |i: usize| fresh.shares.slice(i * len..(i + 1) * len);
        let [a, b, c, twin, product] = [0, 1, 2, 3, 4].map(part);
        let hidden = self.zip(&a, &twin, |a, twin| t.times(a).minus(twin));
        let op = step.op(op.depth());
        let shown = Shares::concat(&[combined, hidden]);
        let known = self.opened(&op, COMBINED, &shown, None).await?;
        let depth = op.depth();
        let rho = &known[1..];
        let rest = plane(len, |out: &mut [N]| {
            let [b, c, product] = [&b, &c, &product].map(|x| of::<N>(x.plane(1)));
            for (i, o) in out.iter_mut().enumerate() {
                *o = t.times(c[i]).minus(product[i]).minus(rho[i].times(b[i]));
            }
        });
        // A number that must be 0 is not sent: its MAC says whether it is.
        self.record(step.op(depth).id(), vec![N::zero(); len], rest);
        let at = |x: Shares| x.at_depth(depth);
        Ok(Triples { a: at(a), b: at(b), c: at(c) })
    }

    /// Parts are numbered so that those of one triple are `len` apart.
    fn part_products(&self, len: usize) -> Products {
        let numbers = self.parts_each() * len;
        Products { numbers, bits: N::PART, first: 0, width: 1, inner: 1 }
    }

    /// This party's b, its parts of a, and its shares of the products of all parts with b. Four rounds.
    async fn multiplied_parts(&self, op: &Op<'_>, len: usize) -> Result<[Plane; 3]> {
        let products = self.part_products(len);
        let b = self.drawn(op, len, purpose::FACTORS);
        let choices = self.drawn_parts(op, products.numbers);
        let parts = plane(products.numbers, |out: &mut [N]| {
            out.iter_mut().enumerate().for_each(|(i, o)| *o = part(&choices, i));
        });
        let factor = |number: usize, _, _| of::<N>(&b)[number % len];
        let mut shares = plane(products.numbers, |out: &mut [N]| {
            let each = out.iter_mut().zip(of::<N>(&parts)).enumerate();
            each.for_each(|(i, (o, part))| *o = part.times(factor(i, 0, 0)));
        });
        let many = Many::chosen(products.transfers());
        let call = Call { send: many, receive: many, choices: Choices::Given(&choices) };
        let (received, sent) = (|_, received: Received| received, |_, sent: Transfers| sent);
        let with = self.ot.extend_with(op, |_| call, received, sent).await?;
        let change = |shares: &mut Plane, f: &mut dyn FnMut(&mut [N])| {
            shares.change(|out| f(bytemuck::cast_slice_mut(out)));
        };
        for peer in self.peers() {
            let (received, sent) = with[peer].as_ref().expect("a peer");
            let mut message = vec![];
            change(&mut shares, &mut |out| {
                prepare(&products, 0, &received.transfers, out);
                message = offer(&products, 0, sent, self.ot.delta(peer), factor, out);
            });
            op.send(peer, PRODUCTS, &message)?;
        }
        for peer in self.peers() {
            let message = op.recv(peer, PRODUCTS, products.bytes::<N>()).await?;
            let mut good = None;
            change(&mut shares, &mut |out| good = accept(&products, 0, &choices, &message, out));
            good.ok_or_else(|| out_of_range(peer, PRODUCTS))?;
        }
        op.round();
        Ok([b, parts, shares])
    }

    /// The bits of parts that this party draws, those of one after those of another.
    fn drawn_parts(&self, op: &Op<'_>, numbers: usize) -> Zeroizing<Vec<u64>> {
        match N::RING {
            false => dense::<N>(of(&self.drawn(op, numbers, purpose::PARTS))),
            true => {
                let stream = op.stream(&self.own, purpose::PARTS);
                Zeroizing::new(stream.words((numbers * N::PART).div_ceil(64)))
            }
        }
    }
}

/// Part `i` as a number.
fn part<N: Authentic>(choices: &[u64], i: usize) -> N {
    let mut words = [0; 4];
    copy_bits(choices, i * N::PART, N::PART, &mut words, 0);
    N::checked(&words[..N::WORDS]).expect("they were drawn so")
}

/// Sums of the parts of each of `len` numbers times public factors.
fn combination<N: Authentic>(parts: &[N], len: usize, factors: &[N]) -> Plane {
    plane(len, |out: &mut [N]| {
        for (parts, &factor) in parts.chunks_exact(len).zip(factors) {
            let terms = out.iter_mut().zip(parts);
            terms.for_each(|(o, &part)| *o = o.plus(factor.times(part)));
        }
    })
}

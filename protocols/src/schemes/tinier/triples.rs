//! Random bits with their products, [c] = [a]∧[b], right before anybody uses them.
//!
//! *A triple of which a cheat may know a.* [x], [y] and [r] are random bits. With D·y = Σ_i m_i(y), party j has
//! 65 bits Φ_j = (y_j, m_j(y)); the transfer of j in which i chose x_i gives shares of `x_i·Φ_j`: j sends
//! `H(q) ⊕ H(q ⊕ Δ_j) ⊕ Φ_j` and has H(q), i has `H(t) ⊕ x_i·(what came)`. In sum these are shares of x·y and of
//! x·y·D. With x·y ⊕ r opened, [z] = [r] ⊕ that is x·y, which is proven by x·y·D ⊕ m(z) = 0
//! ([`super::macs`]).
//!
//! An honest party i that was sent something else has x_i times an error e_i in x·y and x_i·E_i in x·y·D, and
//! the proof is of `Σ_i x_i·(E_i ⊕ e_i·D)` and what the cheats add to z and to the proof themselves. Since they do
//! not know D, it holds only if z is right in the end and they guessed a sum of such x_i, at best x itself: each
//! triple treated so halves their chance, but for 2^-63 in all.
//!
//! *Buckets.* A coin puts the N·B triples, B of them a triple to be made, into random order. Of each
//! bucket the differences d_k = y_1 ⊕ y_k are opened, and the triple is a = Σ x_k, b = y_1,
//! c = Σ z_k ⊕ d_k·x_k. To know an a, the cheats must have guessed a whole bucket. If they guess m bits they
//! are all right with probability 2^-m, independently of the order, and a bucket is among them with
//! probability C(m, B)/C(N·B, B) at most, so that with a union over the buckets
//!
//! ```text
//! max_m N·C(m, B)/C(N·B, B)·2^-m ≤ 2^-σ
//! ```
//!
//! is what B is chosen by. C(m, B)·2^-m grows from m to m + 1 by the factor (m + 1)/(2·(m + 1 - B)), which is at
//! least 1 as long as m + 1 ≤ 2B: the maximum is at m = 2B - 1, or at m = N·B if that is less. B is 40 for one
//! triple, 9 for 16, 5 for 1,000, 4 for 2^15 and σ = 40.
//!
//! Bits y that are not the same towards all peers pass the proof if x = 0 was guessed, and the opening of d_k only
//! if the whole bucket has them: the same bound.
//!
//! Rounds: 3 for the bits (beside them 1 in which parties commit to two coins), products, z, a coin, d, a coin, and
//! 2 for the proof of all of it. The order may be told before the proof: what cheats guess is in the products.

use std::ops::Range;

use mpc_runtime::{Depth, Key, Label, Op, Result, Step};

use super::bits::{Holder, Pads, add, add_product, add_where, bit_plane, mac_plane, masked, sum};
use super::macs::Claim;
use crate::algebra::bits::stride;
use crate::blocks::coin::{self, Coins};
use crate::cost::Cost;
use crate::prepared::prepared_fields;
use crate::value::{Plane, Shares, Unit};

pub(super) const PRODUCTS: Label = Label("tinier.triple.products");
const MASKED: Label = Label("tinier.triple.masked");
const DIFFERENCES: Label = Label("tinier.triple.differences");

/// Triples that are made together.
const PART: usize = 1 << 15;

/// Random bits with their products.
pub(in crate::schemes) struct Triples {
    pub(super) a: Shares,
    pub(super) b: Shares,
    pub(super) c: Shares,
}

prepared_fields!(Triples { a, b, c });

impl Triples {
    /// Those of `range`.
    pub(in crate::schemes) fn slice(&self, range: Range<usize>) -> Triples {
        let part = |v: &Shares| v.slice(range.clone());
        Triples { a: part(&self.a), b: part(&self.b), c: part(&self.c) }
    }

    fn concat(parts: &[Triples]) -> Triples {
        let all = |of: fn(&Triples) -> &Shares| {
            Shares::concat(&parts.iter().map(|part| of(part).clone()).collect::<Vec<_>>())
        };
        Triples { a: all(|t| &t.a), b: all(|t| &t.b), c: all(|t| &t.c) }
    }
}

/// Lengths of parts of a vector.
fn parts_of(len: usize) -> impl Iterator<Item = usize> {
    (0..len).step_by(PART).map(move |first| PART.min(len - first))
}

/// The logarithm of a binomial coefficient.
fn log2_binomial(n: usize, k: usize) -> f64 {
    (0..k).map(|i| ((n - i) as f64 / (k - i) as f64).log2()).sum()
}

/// The logarithm of the probability that cheats know the a of one of `triples` triples from buckets of `size`
/// when they guess `guessed` bits.
fn leak(triples: usize, size: usize, guessed: usize) -> f64 {
    let hit = log2_binomial(guessed, size) - log2_binomial(triples * size, size);
    (triples as f64).log2() + hit - guessed as f64
}

/// The size of buckets.
pub(super) fn bucket(triples: usize, stat_sec: u32) -> usize {
    let most = |size: usize| leak(triples, size, (2 * size - 1).min(triples * size));
    (2..).find(|&size| most(size) <= -f64::from(stat_sec)).expect("larger ones leak less")
}

/// Sizes of what is computed for one part.
#[derive(Clone, Copy)]
struct Shape {
    /// Triples to be made.
    len: usize,
    bucket: usize,
}

impl Shape {
    fn new(len: usize, stat_sec: u32) -> Shape {
        Shape { len, bucket: bucket(len, stat_sec) }
    }

    /// Triples in the buckets.
    fn inner(self) -> usize {
        self.len * self.bucket
    }

    /// Triples that are made for the buckets, in whole words; those behind the last go unused.
    fn width(self) -> usize {
        self.inner().next_multiple_of(64)
    }

    /// Words of 65 bits of each of those.
    fn product_words(self) -> usize {
        self.width() + stride(self.width())
    }

    fn differences(self) -> usize {
        self.len * (self.bucket - 1)
    }
}

/// Numbers 0 to n - 1 in an order that a coin says (Fisher and Yates). Each order has its probability up to
/// a factor 1 ± n^2/2^64.
pub(in crate::schemes) fn order(op: &Op<'_>, coin: &Key, n: usize) -> Vec<usize> {
    let draws = op.stream(coin, 0).words(n);
    let mut order: Vec<usize> = (0..n).collect();
    for (i, draw) in (1..n).zip(draws) {
        let below = (u128::from(draw) * (i as u128 + 1)) >> 64;
        order.swap(i, below as usize);
    }
    order
}

/// Shares of x·y and of x·y·D.
struct Products {
    bits: Vec<u64>,
    macs: Plane,
}

impl Holder {
    /// `len` triples. In parts, one after the other: who is ahead of its peers fills their memory with one
    /// part only.
    ///
    /// # Errors
    /// A peer is lost or misbehaves.
    pub(in crate::schemes) async fn triples(
        &self,
        step: &Step,
        len: usize,
        sec: u32,
    ) -> Result<Triples> {
        let mut parts = vec![];
        for len in parts_of(len) {
            parts.push(self.triples_of_part(step, Shape::new(len, sec)).await?);
        }
        Ok(Triples::concat(&parts))
    }

    async fn triples_of_part(&self, step: &Step, shape: Shape) -> Result<Triples> {
        let mut coins = Coins::commit(&step.op(Depth::ZERO), &self.own, 2).await?;
        let op = step.op(Depth::ZERO);
        let width = shape.width();
        let (random, pads) = self.random_and_pads(&op, 3 * width, None, width).await?;
        let [x, y, r] = [0, 1, 2].map(|i| random.slice(i * width..(i + 1) * width));
        drop(random);
        let products = self.multiplied(&op, shape, (&x, &y), pads).await?;
        let z = sum(&r, &self.unmasked(&op, &r, &products.bits).await?);
        let macs = mac_plane(width, |out| {
            out.copy_from_slice(products.macs.words());
            add(out, z.plane(1).words());
        });
        let proof = Claim { id: op.id(), opened: None, macs };

        let op = step.op(op.depth());
        let coin = coins.toss(&op).await?;
        let order = order(&op, &coin, shape.inner());
        let nth = |v: &Shares, k: usize| v.pick(shape.len, |i| order[k * shape.len + i]);
        let b = nth(&y, 0);
        let differences = (1..shape.bucket).map(|k| sum(&b, &nth(&y, k))).collect::<Vec<_>>();
        let op = step.op(op.depth());
        let claim = self.open(&op, DIFFERENCES, &Shares::concat(&differences)).await?;
        drop(differences);
        let known = claim.opened.clone().expect("they have been opened");
        let (mut a, mut c) = (nth(&x, 0), nth(&z, 0));
        for k in 1..shape.bucket {
            let x = nth(&x, k);
            a = sum(&a, &x);
            let difference = known.slice((k - 1) * shape.len..k * shape.len);
            c = sum(&sum(&c, &nth(&z, k)), &masked(&x, &difference));
        }

        let op = step.op(op.depth());
        let coin = coins.toss(&op).await?;
        let op = step.op(op.depth());
        self.verify(&op, &coin, &[proof, claim]).await?;
        let ready = |v: Shares| v.at_depth(op.depth());
        Ok(Triples { a: ready(a), b: ready(b), c: ready(c) })
    }

    /// Shares of x·y and of x·y·D. One round.
    async fn multiplied(
        &self,
        op: &Op<'_>,
        shape: Shape,
        (x, y): (&Shares, &Shares),
        pads: Vec<Option<Pads>>,
    ) -> Result<Products> {
        let (width, words) = (shape.width(), 8 * shape.product_words());
        let (chosen, y_bits, y_macs) = (x.plane(0).words(), y.plane(0).words(), y.plane(1).words());
        let mut bits = vec![0; stride(width)];
        add_product(&mut bits, chosen, y_bits);
        let mut macs = mac_plane(width, |out| add_where(out, chosen, |h| y_macs[h]));
        for (peer, pads) in pads.iter().enumerate() {
            let Some(Pads { chosen, both: [zero, one] }) = pads else { continue };
            let mut message = [y_macs, y_bits].concat();
            for hashes in [zero, one] {
                let (of_macs, of_bits) = message.split_at_mut(width);
                add(of_macs, &hashes.words);
                add(of_bits, &hashes.bits);
            }
            op.send(peer, PRODUCTS, bytemuck::cast_slice(&message))?;
            for hashes in [zero, chosen] {
                add(&mut bits, &hashes.bits);
                macs.change(|out| add(out, &hashes.words));
            }
        }
        for peer in self.peers() {
            let payload = op.recv(peer, PRODUCTS, words).await?;
            let theirs = Plane::from_payload(Unit::Words(1), shape.product_words(), payload);
            let (of_macs, of_bits) = theirs.words().split_at(width);
            add_product(&mut bits, chosen, of_bits);
            macs.change(|out| add_where(out, chosen, |h| of_macs[h]));
        }
        op.round();
        Ok(Products { bits, macs })
    }

    /// Opens what `bits` are shares of, hidden by r; as a public vector. One round.
    async fn unmasked(&self, op: &Op<'_>, r: &Shares, bits: &[u64]) -> Result<Shares> {
        let hidden = bit_plane(r.len(), |out| {
            out.copy_from_slice(bits);
            add(out, r.plane(0).words());
        });
        // the MAC is that of r, which is not what is opened: this is no claim
        let told = Shares::new(vec![hidden, r.plane(1).clone()], op.depth());
        let opened = self.open(op, MASKED, &told).await?.opened;
        Ok(self.public(opened.expect("they have been opened"), op.depth()))
    }

    /// What [`Holder::triples`] costs.
    pub(in crate::schemes) fn triples_cost(&self, len: usize, sec: u32) -> Cost {
        let parts = parts_of(len).map(|len| self.part_cost(Shape::new(len, sec)));
        parts.fold(Cost::local(self.n), |all, part| all.beside(&part))
    }

    fn part_cost(&self, shape: Shape) -> Cost {
        let width = shape.width();
        let toss = coin::toss_cost(self.n);
        (self.random_cost(3 * width, None))
            .beside(&coin::commit_cost(self.n, 2))
            .then(&self.open_cost(64 * shape.product_words()))
            .then(&self.open_cost(width))
            .then(&toss)
            .then(&self.open_cost(shape.differences()))
            .then(&toss)
            .then(&self.verify_cost())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_for_every_number_of_guesses() {
        for stat_sec in [40, 60] {
            for triples in (1..40).chain([63, 64, 65, 100, 660, 1000, 5000]) {
                let size = bucket(triples, stat_sec);
                let all = size..=(triples * size).min(300);
                for guessed in all {
                    let found = leak(triples, size, guessed);
                    assert!(found <= -f64::from(stat_sec), "{triples} {size} {guessed}: {found}");
                }
            }
        }
    }

    #[test]
    fn buckets_are_no_larger_than_needed() {
        let sizes = [(1, 40), (16, 9), (1000, 5), (PART, 4)];
        for (triples, due) in sizes {
            assert_eq!(bucket(triples, 40), due, "{triples}");
            let worst = (due - 1..300.min(triples * (due - 1)))
                .map(|guessed| leak(triples, due - 1, guessed))
                .fold(f64::NEG_INFINITY, f64::max);
            assert!(due == 40 || worst > -40.0, "{triples}: {worst}");
        }
    }

    #[test]
    fn probabilities_are_those_of_small_cases() {
        // Two triples from buckets of two, two bits guessed: of the 6 pairs 2 are buckets.
        let due = (2.0_f64 / 6.0 / 4.0).log2();
        assert!((leak(2, 2, 2) - due).abs() < 1e-12);
        assert!((leak(1, 3, 3) + 3.0).abs() < 1e-12);
    }
}

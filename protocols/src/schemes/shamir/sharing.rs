//! Dealing, resharing and opening, tile by tile, and what they cost.
//!
//! A dealer's shares for the t parties after it are pseudo-random, from keys common to the two; they and
//! the secret determine the rest, so that n - 1 - t are sent. What is opened is the sum of weighed
//! shares of its reader and of the t parties after it.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use mpc_runtime::{Depth, Key, Label, Misbehaviour, Op, Party, Result, Step, Stream};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::corrupted;
use super::prss::Subsets;
use crate::Error;
use crate::algebra::bits::Wire;
use crate::algebra::field::Field;
use crate::checks::security_check;
use crate::cost::Cost;
use crate::protocol::{Seeds, Setup};
use crate::schemes::over_field::TILE_WORDS;
pub(crate) use crate::schemes::over_field::of;
use crate::value::{Plane, Shares, Unit};
use crate::workers::Workers;

/// Purpose of a party's own randomness; those below number the dealer.
const OWN: u16 = u16::MAX;

const OPEN: Label = Label("shamir.open");
const OPEN_TO: Label = Label("shamir.open.to");
const PROVEN: Label = Label("shamir.open.proven");
const PROOF: Label = Label("shamir.open.proof");

/// Bytes of the hash that stands for a longer vector of shares.
pub(crate) const HASH: usize = 32;

/// Elements of a tile.
pub(crate) const fn tile<F: Field>() -> usize {
    TILE_WORDS / F::WORDS
}

/// A tile on the stack; what was used of it is wiped.
#[repr(align(64))]
pub(crate) struct Scratch {
    words: [u64; TILE_WORDS],
    used: usize,
}

impl Scratch {
    pub(crate) fn new() -> Scratch {
        Scratch { words: [0; TILE_WORDS], used: 0 }
    }

    /// The first elements.
    pub(crate) fn elements<F: Field>(&mut self, len: usize) -> &mut [F] {
        self.used = self.used.max(len * F::WORDS);
        bytemuck::cast_slice_mut(&mut self.words[..len * F::WORDS])
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.words[..self.used]);
    }
}

/// The elements of a vector.
pub(crate) fn elements<F: Field>(a: &Shares) -> &[F] {
    of(a.plane(0))
}

/// Elements that hold `len` numbers.
pub(crate) fn held<F: Field>(len: usize) -> usize {
    len.div_ceil(F::PACKED)
}

/// The last element of `len` numbers as it travels, if it is not full.
fn last<F: Field>(len: usize) -> Wire {
    Wire { rows: F::WORDS, bits: len % F::PACKED }
}

/// Bytes of a message of `len` numbers.
fn payload_bytes<F: Field>(len: usize) -> usize {
    8 * F::WORDS * (len / F::PACKED) + last::<F>(len).bytes()
}

/// What proves knowledge of a vector: its hash, or itself if it is shorter.
pub(crate) fn proof(a: &Plane) -> Zeroizing<Vec<u8>> {
    let bytes: &[u8] = bytemuck::cast_slice(a.words());
    Zeroizing::new(match bytes.len() {
        ..=HASH => bytes.to_vec(),
        _ => blake3::hash(bytes).as_bytes().to_vec(),
    })
}

/// Uniform elements of a stream, from element `first` on.
pub(crate) fn uniform<F: Field>(stream: &Stream, first: usize, out: &mut [F]) {
    stream.fill((first * F::WORDS) as u64, bytemuck::cast_slice_mut(out));
    F::settle(out);
}

/// `out += x`.
pub(crate) fn add<F: Field>(out: &mut [F], x: &[F]) {
    out.iter_mut().zip(x).for_each(|(o, &x)| *o = o.plus(x));
}

/// `out += weight·x`.
pub(crate) fn add_weighed<F: Field>(out: &mut [F], x: &[F], weight: F) {
    out.iter_mut().zip(x).for_each(|(o, &x)| *o = o.plus(x.times(weight)));
}

/// The point that a party's shares belong to.
pub(crate) fn point(party: Party) -> usize {
    party + 1
}

/// Weights by which values at `points` give the value at `at` of the polynomial through them.
pub(crate) fn lagrange<F: Field>(points: &[usize], at: usize) -> Vec<F> {
    let weight = |&i: &usize| {
        let others = points.iter().filter(|&&j| j != i);
        let (top, bottom) = others.fold((F::ONE, F::ONE), |(top, bottom), &j| {
            (
                top.times(F::point(at).minus(F::point(j))),
                bottom.times(F::point(i).minus(F::point(j))),
            )
        });
        top.times(bottom.inverse())
    };
    points.iter().map(weight).collect()
}

/// One party: its keys, and the weights of its shares.
pub(crate) struct Sharing<F> {
    pub(crate) me: Party,
    pub(crate) n: usize,
    pub(crate) t: usize,
    pub(crate) workers: Workers,
    pub(crate) own: Key,
    pub(crate) pair: Vec<Key>,
    pub(crate) subsets: Subsets<F>,
    /// For each party that gets its share of this dealer otherwise than from a common key: weights of
    /// the secret and of the pseudo-random shares.
    dealt: Vec<(Party, Vec<F>)>,
    /// Weights of the shares of this party and the t after it, at 0.
    opened: Vec<F>,
    /// For each other party, the weights of the same shares at its point.
    others: Vec<(Party, Vec<F>)>,
    /// Weight of this party's product among those of the 2t + 1 resharing parties.
    pub(crate) product: F,
}

impl<F: Field> Sharing<F> {
    pub(crate) fn new(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Self> {
        Sharing::among(setup.parties, setup, me, seeds)
    }

    /// A sharing among the first `n` parties. Another party has no shares, but may deal and learn.
    pub(crate) fn among(n: usize, setup: &Setup, me: Party, seeds: &Seeds) -> Result<Self> {
        let t = corrupted(n);
        let derived: Vec<usize> = (1..=t).map(|k| point((me + k) % n)).collect();
        let known: Vec<usize> = std::iter::once(0).chain(derived.iter().copied()).collect();
        let sent = (0..n).filter(|&party| !derived.contains(&point(party)));
        let openers: Vec<usize> = (0..=t).map(|k| point((me + k) % n)).collect();
        let others = (0..n).filter(|&party| !openers.contains(&point(party)));
        let products: Vec<usize> = (0..2 * t + 1).map(point).collect();
        Ok(Sharing {
            me,
            n,
            t,
            workers: Workers::new(setup.threads)?,
            own: Key::new(&seeds.own, "shamir"),
            pair: seeds.pair.iter().map(|seed| Key::new(seed, "shamir")).collect(),
            subsets: Subsets::new(n, t, me, seeds),
            dealt: sent.map(|party| (party, lagrange(&known, point(party)))).collect(),
            opened: lagrange(&openers, 0),
            others: others.map(|party| (party, lagrange(&openers, point(party)))).collect(),
            product: lagrange::<F>(&products, 0).get(me).copied().unwrap_or(F::zeroed()),
        })
    }

    /// The parties whose products give those of degree 2t.
    pub(crate) fn multipliers(&self) -> Range<Party> {
        0..2 * self.t + 1
    }

    /// A plane of `len` numbers; elements are 0 before `fill(first, tile)` sets the tile they are in.
    pub(crate) fn plane(&self, len: usize, fill: impl Fn(usize, &mut [F]) + Sync) -> Plane {
        Plane::build(Unit::Words(F::WORDS), held::<F>(len), |out| {
            let out = vec![bytemuck::cast_slice_mut(out)];
            self.workers.tiles(out, tile::<F>(), |first, parts| fill(first, parts[0]));
        })
    }

    /// A vector made as [`Sharing::plane`] is.
    pub(crate) fn vector(
        &self,
        len: usize,
        depth: Depth,
        fill: impl Fn(usize, &mut [F]) + Sync,
    ) -> Shares {
        Shares::new(vec![self.plane(len, fill)], depth)
    }

    /// Whether `party` gets its share from `dealer` from their common key.
    fn derives(&self, party: Party, dealer: Party) -> bool {
        (1..=self.t).contains(&((party + self.n - dealer) % self.n))
    }

    /// The `len` numbers that `from` sends.
    pub(crate) async fn receive(
        &self,
        op: &Op<'_>,
        from: Party,
        label: Label,
        len: usize,
    ) -> Result<Plane> {
        let bytes = op.recv(from, label, payload_bytes::<F>(len)).await?;
        let good = AtomicBool::new(true);
        let plane = self.plane(len, |first, out| {
            let bytes = &bytes[8 * F::WORDS * first..];
            let full = (len / F::PACKED - first).min(out.len());
            let (body, tail) = out.split_at_mut(full);
            bytemuck::cast_slice_mut(body).copy_from_slice(&bytes[..8 * F::WORDS * full]);
            if !tail.is_empty() {
                let bytes = &bytes[8 * F::WORDS * full..];
                last::<F>(len).unpack(bytes, bytemuck::cast_slice_mut(tail));
            }
            if !F::valid(out) {
                good.store(false, Ordering::Relaxed);
            }
        });
        let what = Misbehaviour::OutOfRange { label: label.0 };
        good.into_inner().then_some(plane).ok_or(Error::Cheating { party: from, what })
    }

    /// Sends `len` numbers.
    pub(crate) fn send(
        &self,
        op: &Op<'_>,
        to: Party,
        label: Label,
        plane: &Plane,
        len: usize,
    ) -> Result<()> {
        let (body, tail) = plane.words().split_at(len / F::PACKED * F::WORDS);
        if tail.is_empty() {
            return op.send(to, label, bytemuck::cast_slice(body));
        }
        let mut payload = Zeroizing::new(vec![0; payload_bytes::<F>(len)]);
        let (to_body, to_tail) = payload.split_at_mut(8 * body.len());
        to_body.copy_from_slice(bytemuck::cast_slice(body));
        last::<F>(len).pack_into(tail, to_tail);
        op.send(to, label, &payload)
    }

    /// Deals what `secret(first, tile)` fills in to all; gives this party's own share, if it
    /// has shares.
    pub(crate) fn deal(
        &self,
        op: &Op<'_>,
        label: Label,
        len: usize,
        secret: &(impl Fn(usize, &mut [F]) + Sync),
    ) -> Result<Plane> {
        let stream = |k| op.stream(&self.pair[(self.me + k) % self.n], self.me as u16);
        let streams: Vec<Stream> = (1..=self.t).map(stream).collect();
        let dealt = &self.dealt;
        let fill = |first: usize, parts: &mut [&mut [F]]| {
            let mut scratch = Scratch::new();
            let values = scratch.elements(parts[0].len());
            secret(first, values);
            for (part, (_, weights)) in parts.iter_mut().zip(dealt) {
                add_weighed(part, values, weights[0]);
            }
            for (k, stream) in streams.iter().enumerate() {
                uniform(stream, first, values);
                for (part, (_, weights)) in parts.iter_mut().zip(dealt) {
                    add_weighed(part, values, weights[k + 1]);
                }
            }
        };
        let size = held::<F>(len);
        let shares = Plane::build(Unit::Words(F::WORDS), size * dealt.len(), |out| {
            let out: &mut [F] = bytemuck::cast_slice_mut(out);
            self.workers.tiles(out.chunks_mut(size.max(1)).collect(), tile::<F>(), fill);
        });
        let mut mine = shares.slice(0..0);
        for (i, &(party, _)) in dealt.iter().enumerate() {
            let share = shares.slice(i * size..(i + 1) * size);
            if party == self.me {
                mine = share;
            } else {
                self.send(op, party, label, &share, len)?;
            }
        }
        Ok(mine)
    }

    /// One round: each of `dealers` deals what `secret(first, tile)` fills in at it. Gives shares of the
    /// sum.
    pub(crate) async fn dealt(
        &self,
        op: &Op<'_>,
        label: Label,
        dealers: Range<Party>,
        len: usize,
        secret: impl Fn(usize, &mut [F]) + Sync,
    ) -> Result<Plane> {
        let (mut parts, mut streams) = (vec![], vec![]);
        if dealers.contains(&self.me) {
            parts.push(self.deal(op, label, len, &secret)?);
        }
        for dealer in dealers.filter(|&dealer| dealer != self.me) {
            if self.derives(self.me, dealer) {
                streams.push(op.stream(&self.pair[dealer], dealer as u16));
            } else {
                parts.push(self.receive(op, dealer, label, len).await?);
            }
        }
        op.round();
        let parts: Vec<&[F]> = parts.iter().map(of).collect();
        Ok(self.plane(len, |first, out| {
            parts.iter().for_each(|part| add(out, &part[first..]));
            let mut scratch = Scratch::new();
            let values = scratch.elements(out.len());
            for stream in &streams {
                uniform(stream, first, values);
                add(out, values);
            }
        }))
    }

    /// One round: each of `dealers` deals so many numbers, this party those of `secret`. Gives the shares
    /// from each by itself.
    pub(crate) async fn dealt_apart(
        &self,
        op: &Op<'_>,
        label: Label,
        dealers: &[(Party, usize)],
        secret: Option<&Plane>,
    ) -> Result<Vec<Plane>> {
        let mut own = None;
        if let (Some(secret), Some(&(_, len))) =
            (secret, dealers.iter().find(|(dealer, _)| *dealer == self.me))
        {
            let known = of::<F>(secret);
            let copy = |first: usize, out: &mut [F]| {
                out.copy_from_slice(&known[first..][..out.len()]);
            };
            own = Some(self.deal(op, label, len, &copy)?);
        }
        let mut all = vec![];
        for &(dealer, len) in dealers {
            all.push(if let Some(share) = own.take_if(|_| dealer == self.me) {
                share
            } else if self.derives(self.me, dealer) {
                let stream = op.stream(&self.pair[dealer], dealer as u16);
                self.plane(len, |first, out| uniform(&stream, first, out))
            } else {
                self.receive(op, dealer, label, len).await?
            });
        }
        op.round();
        Ok(all)
    }

    /// Shares of degree t of products, which `product(first, tile)` makes of degree 2t.
    pub(crate) async fn reshare(
        &self,
        op: &Op<'_>,
        label: Label,
        len: usize,
        product: impl Fn(usize, &mut [F]) + Sync,
    ) -> Result<Plane> {
        let weight = self.product;
        let weighed = |first: usize, out: &mut [F]| {
            product(first, out);
            out.iter_mut().for_each(|x| *x = x.times(weight));
        };
        self.dealt(op, label, self.multipliers(), len, weighed).await
    }

    /// Uniform elements that only this party knows.
    pub(crate) fn own_stream(&self, op: &Op<'_>) -> Stream {
        op.stream(&self.own, OWN)
    }

    /// The elements themselves, to `to`, or to all if `None`; absent elsewhere.
    pub(crate) async fn opened(
        &self,
        step: &Step,
        a: &Shares,
        to: Option<Party>,
    ) -> Result<(Option<Plane>, Depth)> {
        let (op, len) = (step.op(a.depth), a.len());
        let label = if to.is_some() { OPEN_TO } else { OPEN };
        for k in 1..=self.t {
            let receiver = (self.me + self.n - k) % self.n;
            if to.is_none_or(|to| to == receiver) {
                self.send(&op, receiver, label, a.plane(0), len)?;
            }
        }
        if to.is_some_and(|to| to != self.me) {
            return Ok((None, op.round()));
        }
        let mut shares = vec![a.plane(0).clone()];
        for k in 1..=self.t {
            shares.push(self.receive(&op, (self.me + k) % self.n, label, len).await?);
        }
        let (shares, weights): (Vec<&[F]>, _) = (shares.iter().map(of).collect(), &self.opened);
        let values = self.plane(len, |first, out| {
            for (share, &weight) in shares.iter().zip(weights) {
                add_weighed(out, &share[first..], weight);
            }
        });
        Ok((Some(values), op.round()))
    }

    /// Whether `from` sends its shares themselves to `to`, who computes all others from them.
    fn tells(&self, from: Party, to: Party) -> bool {
        from != to && (from + self.n - to % self.n) % self.n <= self.t
    }

    /// As [`Sharing::opened`], with a proof: who does not send its shares sends their hash, so that the
    /// receiver knows that all shares are on one polynomial of degree t. `parties` says how many parties
    /// there are, with those that have no shares.
    pub(crate) async fn opened_proven(
        &self,
        op: &Op<'_>,
        a: &Plane,
        to: Option<Party>,
        parties: usize,
    ) -> Result<Option<Plane>> {
        let len = a.len();
        if self.me < self.n {
            let proof = proof(a);
            let receivers = (0..parties).filter(|&p| p != self.me && to.is_none_or(|to| to == p));
            for receiver in receivers {
                match self.tells(self.me, receiver) {
                    true => self.send(op, receiver, PROVEN, a, len)?,
                    false => op.send(receiver, PROOF, &proof)?,
                }
            }
        }
        if to.is_some_and(|to| to != self.me) {
            op.round();
            return Ok(None);
        }
        let mut shares = vec![];
        for k in 0..=self.t {
            let party = (self.me + k) % self.n;
            shares.push(match party == self.me {
                true => a.clone(),
                false => self.receive(op, party, PROVEN, len).await?,
            });
        }
        let shares: Vec<&[F]> = shares.iter().map(of).collect();
        let at = |weights: &[F]| {
            self.plane(len, |first, out| {
                for (share, &weight) in shares.iter().zip(weights) {
                    add_weighed(out, &share[first..], weight);
                }
            })
        };
        for (party, weights) in &self.others {
            let due = proof(&at(weights));
            let found = op.recv(*party, PROOF, due.len()).await?;
            security_check!(
                "shamir.open.degree",
                bool::from(found.ct_eq(&due)),
                Error::CheckFailed { what: "shares of an opened value" },
            );
        }
        op.round();
        Ok(Some(at(&self.opened)))
    }

    /// Cost of [`Sharing::opened_proven`].
    pub(crate) fn opening_proven(&self, to: Option<Party>, len: usize, parties: usize) -> Cost {
        let mut cost = Cost { rounds: 1, ..Cost::local(parties) };
        let bytes = payload_bytes::<F>(len);
        for from in 0..self.n {
            for to in (0..parties).filter(|&p| p != from && to.is_none_or(|to| to == p)) {
                cost.add(from, if self.tells(from, to) { bytes } else { bytes.min(HASH) });
            }
        }
        cost
    }

    /// Cost of a round in which `dealers` deal `len` secrets.
    pub(crate) fn dealing(&self, dealers: Range<Party>, len: usize) -> Cost {
        let (messages, bytes) = (self.n - 1 - self.t, payload_bytes::<F>(len));
        let each = |party| Cost::by(party, self.n, messages as u64, messages * bytes);
        dealers.fold(Cost::local(self.n), |cost, party| cost.beside(&each(party)))
    }

    /// Cost of [`Sharing::opened`].
    pub(crate) fn opening(&self, to: Option<Party>, len: usize) -> Cost {
        let bytes = payload_bytes::<F>(len);
        let Some(to) = to else {
            return Cost::each(self.n, 1, self.t as u64, self.t * bytes);
        };
        (1..=self.t).fold(Cost::local(self.n), |cost, k| {
            cost.beside(&Cost::by((to + k) % self.n, self.n, 1, bytes))
        })
    }
}

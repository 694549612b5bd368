//! Pseudo-random secret sharing: keys common to subsets of parties give shares of random elements that
//! nobody knows, without a message.
//!
//! For each set A of n - t parties its members have a key, and F_A is the polynomial of degree t that is
//! 1 at 0 and 0 at the points of all others. Party i holds the sum of r_A·F_A(i + 1) over the sets it
//! belongs to, which is its share of the sum of all r_A. The t corrupted parties lack the key of the set
//! of all others. There are as many sets as ways to choose t of n parties, so this is for few parties.
//! Source: Cramer, Damgård, Ishai 2005.

use std::cell::OnceCell;

use mpc_runtime::{Depth, Key, Label, Op, Party, Result, Step, Stream};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::corrupted;
use super::sharing::{Scratch, Sharing, add_weighed, lagrange, point};
use crate::Error;
use crate::algebra::field::Field;
use crate::checks::security_check;
use crate::cost::{Cost, Sent};
use crate::protocol::Seeds;
use crate::value::Plane;

/// Most parties that keys of subsets are made for: 35 sets, 20 of them with a given party.
const MOST_PARTIES: usize = 7;

const SEED_BYTES: usize = 32;
const SEEDS: Label = Label("shamir.prss.seeds");
const SEEN: Label = Label("shamir.prss.seen");
const DEALT: Label = Label("shamir.random");

/// A set that this party belongs to.
pub(crate) struct Subset<F> {
    set: u32,
    pub(crate) key: Key,
    /// F_A at the point of this party.
    pub(crate) weight: F,
}

/// The sets that this party belongs to; empty until their keys are agreed on.
pub(crate) struct Subsets<F>(OnceCell<Vec<Subset<F>>>);

/// The sets of n - t parties, as bits.
fn sets(n: usize, t: usize) -> impl Iterator<Item = u32> {
    (0..1_u32 << n).filter(move |set| set.count_ones() as usize == n - t)
}

/// Whether so many parties make keys for sets.
fn by_subsets(parties: usize) -> bool {
    parties <= MOST_PARTIES
}

/// How many numbers a random one is the sum of.
pub(crate) fn summands(parties: usize) -> usize {
    let t = corrupted(parties);
    if by_subsets(parties) { sets(parties, t).count() } else { t + 1 }
}

fn has(set: u32, party: Party) -> bool {
    set >> party & 1 == 1
}

/// The party that chooses the key of a set.
fn lowest(set: u32) -> Party {
    set.trailing_zeros() as Party
}

fn weight<F: Field>(set: u32, n: usize, me: Party) -> F {
    let others = (0..n).filter(|&party| !has(set, party)).map(point);
    let points: Vec<usize> = std::iter::once(0).chain(others).collect();
    lagrange(&points, point(me))[0]
}

fn key(seed: &[u8], set: u32) -> Key {
    Key::new(seed.try_into().expect("seeds have 32 bytes"), &format!("shamir prss {set}"))
}

impl<F: Field> Subsets<F> {
    /// Sets of two parties have the key of the pair; others agree on one in [`Sharing::agree`].
    pub(crate) fn new(n: usize, t: usize, me: Party, seeds: &Seeds) -> Self {
        if n - t != 2 {
            return Subsets(OnceCell::new());
        }
        let mine = sets(n, t).filter(|&set| has(set, me)).map(|set| {
            let peer = (set & !(1 << me)).trailing_zeros() as usize;
            Subset { set, key: key(&seeds.pair[peer], set), weight: weight(set, n, me) }
        });
        Subsets(OnceCell::from(mine.collect::<Vec<_>>()))
    }
}

impl<F: Field> Sharing<F> {
    pub(crate) fn by_subsets(&self) -> bool {
        by_subsets(self.n)
    }

    /// As [`Sharing::agree`], among parties that may cheat: all members of a set contribute to its key,
    /// so that none chooses it, and compare what they got. A member that waits for what the others say
    /// before it contributes gains nothing: it knows the key anyhow. Two rounds.
    pub(crate) async fn agree_compared(&self, step: &Step) -> Result<()> {
        if !self.by_subsets() || self.subsets.0.get().is_some() {
            return Ok(());
        }
        let op = step.op(Depth::ZERO);
        let (me, peers) = (self.me, || (0..self.n).filter(|&peer| peer != self.me));
        let mine: Vec<u32> = sets(self.n, self.t).filter(|&set| has(set, me)).collect();
        let words = Zeroizing::new(self.own_stream(&op).words(mine.len() * SEED_BYTES / 8));
        let own: &[u8] = bytemuck::cast_slice(&words);
        let common = |peer| mine.iter().enumerate().filter(move |(_, set)| has(**set, peer));
        let mut parts = Zeroizing::new(vec![[0; SEED_BYTES]; mine.len() * self.n]);
        for (i, part) in own.chunks_exact(SEED_BYTES).enumerate() {
            parts[i * self.n + me].copy_from_slice(part);
        }
        let chosen = |peer| -> Zeroizing<Vec<u8>> {
            let part = |(i, _)| own[i * SEED_BYTES..][..SEED_BYTES].to_vec();
            Zeroizing::new(common(peer).flat_map(part).collect())
        };
        for peer in peers().filter(|&peer| me < self.n && common(peer).next().is_some()) {
            op.send(peer, SEEDS, &chosen(peer))?;
        }
        for peer in peers().filter(|&peer| common(peer).next().is_some()) {
            let payload = op.recv(peer, SEEDS, common(peer).count() * SEED_BYTES).await?;
            for ((i, _), part) in common(peer).zip(payload.chunks_exact(SEED_BYTES)) {
                parts[i * self.n + peer].copy_from_slice(part);
            }
        }
        op.round();
        let joint = |i: usize| {
            let mut hasher = blake3::Hasher::new_derive_key("mpc-protocols 2026-11 prss key");
            hasher.update(&mine[i].to_le_bytes());
            let members = (0..self.n).filter(|&party| has(mine[i], party));
            members.for_each(|party| _ = hasher.update(&parts[i * self.n + party]));
            Zeroizing::new(*hasher.finalize().as_bytes())
        };
        let seeds: Vec<Zeroizing<[u8; SEED_BYTES]>> = (0..mine.len()).map(joint).collect();
        let digest = |peer| {
            let mut hasher = blake3::Hasher::new_derive_key("mpc-protocols 2026-11 prss keys seen");
            common(peer).for_each(|(i, _)| _ = hasher.update(&seeds[i][..]));
            *hasher.finalize().as_bytes()
        };
        for peer in peers().filter(|&peer| common(peer).next().is_some()) {
            op.send(peer, SEEN, &digest(peer))?;
        }
        for peer in peers().filter(|&peer| common(peer).next().is_some()) {
            let theirs = op.recv(peer, SEEN, SEED_BYTES).await?;
            security_check!(
                "shamir.prss.keys",
                bool::from(theirs.ct_eq(&digest(peer))),
                Error::CheckFailed { what: "common keys" },
            );
        }
        op.round();
        let subset = |(i, &set): (usize, &u32)| Subset {
            set,
            key: key(&seeds[i][..], set),
            weight: weight(set, self.n, me),
        };
        let subsets = mine.iter().enumerate().map(subset).collect();
        assert!(self.subsets.0.set(subsets).is_ok(), "set up once");
        Ok(())
    }

    /// What [`Sharing::agree_compared`] costs.
    pub(crate) fn agreeing_compared(&self) -> Cost {
        let mut cost = Cost::local(self.n);
        if !self.by_subsets() || self.n - self.t == 2 {
            return cost;
        }
        cost.rounds = 2;
        for (from, to) in (0..self.n).flat_map(|from| (0..self.n).map(move |to| (from, to))) {
            let common = sets(self.n, self.t).filter(|&set| has(set, from) && has(set, to)).count();
            if from != to && common > 0 {
                cost.add(from, common * SEED_BYTES);
                cost.add(from, SEED_BYTES);
            }
        }
        cost
    }

    /// Agrees on the keys: the lowest member of each set sends a seed to the others. One round.
    pub(crate) async fn agree(&self, step: &Step) -> Result<()> {
        if !self.by_subsets() || self.subsets.0.get().is_some() {
            return Ok(());
        }
        let op = step.op(Depth::ZERO);
        let all: Vec<u32> = sets(self.n, self.t).collect();
        let led: Vec<u32> = all.iter().copied().filter(|&set| lowest(set) == self.me).collect();
        let words = Zeroizing::new(self.own_stream(&op).words(led.len() * SEED_BYTES / 8));
        let seeds: &[u8] = bytemuck::cast_slice(&words);
        let own = || led.iter().zip(seeds.chunks_exact(SEED_BYTES));
        for peer in self.me + 1..self.n {
            let theirs = own().filter(|(set, _)| has(**set, peer)).flat_map(|(_, seed)| seed);
            let payload: Zeroizing<Vec<u8>> = Zeroizing::new(theirs.copied().collect());
            if !payload.is_empty() {
                op.send(peer, SEEDS, &payload)?;
            }
        }
        let mut keys: Vec<(u32, Key)> = own().map(|(&set, seed)| (set, key(seed, set))).collect();
        for peer in 0..self.me {
            let common: Vec<u32> = shared(&all, peer, self.me).collect();
            if common.is_empty() {
                continue;
            }
            let payload = op.recv(peer, SEEDS, common.len() * SEED_BYTES).await?;
            // A payload is wiped when dropped.
            let seeds = payload.chunks_exact(SEED_BYTES);
            keys.extend(common.iter().zip(seeds).map(|(&set, seed)| (set, key(seed, set))));
        }
        op.round();
        let subset = |(set, key)| Subset { set, key, weight: weight(set, self.n, self.me) };
        assert!(self.subsets.0.set(keys.into_iter().map(subset).collect()).is_ok(), "set up once");
        Ok(())
    }

    pub(crate) fn agreed(&self) -> &[Subset<F>] {
        self.subsets.0.get().expect("the setup comes before every verb")
    }

    /// The set that lacks party 0, if this party belongs to it; t = 1.
    pub(crate) fn all_but_first(&self) -> Option<&Subset<F>> {
        self.agreed().iter().find(|subset| !has(subset.set, 0))
    }

    /// What [`Sharing::agree`] costs.
    pub(crate) fn agreeing(&self) -> Cost {
        let mut cost = Cost::local(self.n);
        if !self.by_subsets() || self.n - self.t == 2 {
            return cost;
        }
        cost.rounds = 1;
        let all: Vec<u32> = sets(self.n, self.t).collect();
        for from in 0..self.n {
            for to in from + 1..self.n {
                let payload_bytes = (shared(&all, from, to).count() * SEED_BYTES) as u64;
                let messages = u64::from(payload_bytes > 0);
                cost.sent[from] = cost.sent[from] + Sent { messages, payload_bytes };
            }
        }
        cost
    }

    /// `n` elements that nobody knows: a sum of what `draw(stream, first, tile)` takes from the streams
    /// of all sets, or of t + 1 dealers where there are too many sets.
    pub(crate) async fn random(
        &self,
        op: &Op<'_>,
        n: usize,
        draw: impl Fn(&Stream, usize, &mut [F]) + Sync,
    ) -> Result<Plane> {
        if !self.by_subsets() {
            let own = self.own_stream(op);
            let secret = |first: usize, out: &mut [F]| draw(&own, first, out);
            return self.dealt(op, DEALT, 0..self.t + 1, n, secret).await;
        }
        let streams: Vec<(Stream, F)> = (self.agreed())
            .iter()
            .map(|subset| (op.stream(&subset.key, 0), subset.weight))
            .collect();
        Ok(self.plane(n, |first, out| {
            let mut scratch = Scratch::new();
            let values = scratch.elements(out.len());
            for (stream, weight) in &streams {
                draw(stream, first, values);
                add_weighed(out, values, *weight);
            }
        }))
    }

    /// What [`Sharing::random`] costs.
    pub(crate) fn random_cost(&self, n: usize) -> Cost {
        if self.by_subsets() { Cost::local(self.n) } else { self.dealing(0..self.t + 1, n) }
    }
}

/// The sets whose key `leader` chooses and `member` learns.
fn shared(all: &[u32], leader: Party, member: Party) -> impl Iterator<Item = u32> {
    all.iter().copied().filter(move |&set| lowest(set) == leader && has(set, member))
}

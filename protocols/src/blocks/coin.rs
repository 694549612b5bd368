//! Coin tossing: a public seed that no party can influence or foresee, if one is honest.
//!
//! Each party commits to a seed of its own, then opens; the coin is the hash of all seeds. With the
//! opening goes a hash of all commitments seen, so that a party that told different parties different
//! ones is found out before anybody uses the coin. A commitment names its party and the call, so that
//! it cannot be copied, from a peer or from an earlier coin.
//! Source: Blum 1981 with hash commitments; echo as in Goldwasser, Lindell 2005.
//! Cost: 2 rounds, 32 and 96 bytes from each party to each.

use mpc_runtime::{Error, Key, Label, Misbehaviour, Op, OpId, Party, Result};
use subtle::ConstantTimeEq;

use crate::checks::security_check;
use crate::cost::Cost;

const COMMIT: Label = Label("coin.commit");
const OPEN: Label = Label("coin.open");

/// Bytes of a hash and of a seed.
const HASH: usize = 32;

/// Seed and blinding of a commitment.
const OPENING: usize = 2 * HASH;

/// Purpose of the stream that seeds are drawn from.
const SEED: u16 = u16::MAX;

fn commitment(party: Party, id: OpId, coin: u32, opening: &[u8]) -> [u8; HASH] {
    let mut hasher = blake3::Hasher::new_derive_key("mpc-protocols 2026-11 coin commitment");
    let name = [&(party as u64).to_le_bytes()[..], &id.bytes(), &coin.to_le_bytes()].concat();
    hasher.update(&name).update(opening);
    *hasher.finalize().as_bytes()
}

/// Hash over all commitments, in the order of the parties.
fn digest(commitments: &[Vec<u8>]) -> [u8; HASH] {
    let mut hasher = blake3::Hasher::new_derive_key("mpc-protocols 2026-11 coin echo");
    commitments.iter().for_each(|c| _ = hasher.update(c));
    *hasher.finalize().as_bytes()
}

/// Coins that are tossed one after the other, to which all parties are committed from the start.
pub struct Coins {
    id: OpId,
    /// What this party opens, one after the other.
    openings: std::vec::IntoIter<[u8; OPENING]>,
    /// By party, for all coins.
    commitments: Vec<Vec<u8>>,
    tossed: u32,
}

impl Coins {
    /// Commits to `count` coins; `own` is a key of this party alone. One round of `op`.
    ///
    /// # Errors
    /// Those of the channels.
    pub async fn commit(op: &Op<'_>, own: &Key, count: usize) -> Result<Coins> {
        let (me, n) = (op.me(), op.parties());
        let words = op.stream(own, SEED).words(count * OPENING / 8);
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let openings: Vec<[u8; OPENING]> = bytes.as_chunks::<OPENING>().0.to_vec();
        let each = openings.iter().zip(0..);
        let mine =
            each.flat_map(|(opening, coin)| commitment(me, op.id(), coin, opening)).collect();
        let mut commitments = vec![vec![]; n];
        commitments[me] = mine;
        for peer in peers(op) {
            op.send(peer, COMMIT, &commitments[me])?;
        }
        for peer in peers(op) {
            commitments[peer] = op.recv(peer, COMMIT, count * HASH).await?.to_vec();
        }
        op.round();
        Ok(Coins { id: op.id(), openings: openings.into_iter(), commitments, tossed: 0 })
    }

    /// The next coin. One round of `op`, in which this is done once.
    ///
    /// # Errors
    /// A party opened something else than it committed to, or committed to several things.
    ///
    /// # Panics
    /// If there are no more.
    pub async fn toss(&mut self, op: &Op<'_>) -> Result<Key> {
        let opening = self.openings.next().expect("as many coins as were committed to");
        let coin = self.tossed;
        self.tossed += 1;
        let seen = digest(&self.commitments);
        for peer in peers(op) {
            op.send(peer, OPEN, &[&opening[..], &seen].concat())?;
        }
        let mut hasher = blake3::Hasher::new_derive_key("mpc-protocols 2026-11 coin");
        for party in 0..op.parties() {
            if party == op.me() {
                hasher.update(&opening);
                continue;
            }
            let bytes = op.recv(party, OPEN, OPENING + HASH).await?;
            let (theirs, echo) = bytes.split_at(OPENING);
            let due = &self.commitments[party][coin as usize * HASH..][..HASH];
            security_check!(
                "coin.commitment",
                equal(&commitment(party, self.id, coin, theirs), due),
                Error::Cheating { party, what: Misbehaviour::Inconsistent { label: OPEN.0 } }
            );
            // who told different parties different things is not known to them
            security_check!(
                "coin.echo",
                equal(echo, &seen),
                Error::CheckFailed { what: "commitments of a coin" }
            );
            hasher.update(theirs);
        }
        op.round();
        Ok(Key::new(hasher.finalize().as_bytes(), "coin"))
    }
}

fn peers(op: &Op<'_>) -> impl Iterator<Item = Party> + use<> {
    let me = op.me();
    (0..op.parties()).filter(move |&peer| peer != me)
}

/// A fresh public key, as a coin of all parties; `own` is a key of this party alone. Two rounds of `op`,
/// which does nothing else.
///
/// # Errors
/// As [`Coins::toss`].
pub async fn toss(op: &Op<'_>, own: &Key) -> Result<Key> {
    Coins::commit(op, own, 1).await?.toss(op).await
}

fn equal(found: &[u8], due: &[u8]) -> bool {
    found.ct_eq(due).into()
}

/// What [`Coins::commit`] costs.
pub fn commit_cost(parties: usize, count: usize) -> Cost {
    let others = parties - 1;
    Cost::each(parties, 1, others as u64, count * HASH * others)
}

/// What [`Coins::toss`] costs.
pub fn toss_cost(parties: usize) -> Cost {
    let others = parties - 1;
    Cost::each(parties, 1, others as u64, (OPENING + HASH) * others)
}

/// What [`toss`] costs.
pub fn cost(parties: usize) -> Cost {
    commit_cost(parties, 1).then(&toss_cost(parties))
}

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

fn commitment(party: Party, id: OpId, opening: &[u8]) -> [u8; HASH] {
    let mut hasher = blake3::Hasher::new_derive_key("mpc-protocols 2026-11 coin commitment");
    hasher.update(&(party as u64).to_le_bytes()).update(&id.bytes()).update(opening);
    *hasher.finalize().as_bytes()
}

/// Hash over all commitments, in the order of the parties.
fn digest(commitments: &[[u8; HASH]]) -> [u8; HASH] {
    let mut hasher = blake3::Hasher::new_derive_key("mpc-protocols 2026-11 coin echo");
    commitments.iter().for_each(|c| _ = hasher.update(c));
    *hasher.finalize().as_bytes()
}

/// A fresh public key, as a coin of all parties; `own` is a key of this party alone. Two rounds of `op`,
/// which does nothing else.
///
/// # Errors
/// A party opened something else than it committed to, or committed to several things.
pub async fn toss(op: &Op<'_>, own: &Key) -> Result<Key> {
    let (me, n) = (op.me(), op.parties());
    let peers = || (0..n).filter(|&peer| peer != me);
    let opening: Vec<u8> =
        op.stream(own, SEED).words(OPENING / 8).iter().flat_map(|w| w.to_le_bytes()).collect();
    let mut commitments = vec![[0; HASH]; n];
    commitments[me] = commitment(me, op.id(), &opening);
    for peer in peers() {
        op.send(peer, COMMIT, &commitments[me])?;
    }
    for peer in peers() {
        let bytes = op.recv(peer, COMMIT, HASH).await?;
        commitments[peer].copy_from_slice(&bytes);
    }
    op.round();
    let seen = digest(&commitments);
    for peer in peers() {
        op.send(peer, OPEN, &[&opening[..], &seen].concat())?;
    }
    let mut hasher = blake3::Hasher::new_derive_key("mpc-protocols 2026-11 coin");
    for party in 0..n {
        if party == me {
            hasher.update(&opening);
            continue;
        }
        let bytes = op.recv(party, OPEN, OPENING + HASH).await?;
        let (theirs, echo) = bytes.split_at(OPENING);
        security_check!(
            "coin.commitment",
            equal(&commitment(party, op.id(), theirs), &commitments[party]),
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

fn equal(found: &[u8], due: &[u8]) -> bool {
    found.ct_eq(due).into()
}

/// What [`toss`] costs.
pub fn cost(parties: usize) -> Cost {
    let others = parties - 1;
    Cost::each(parties, 2, 2 * others as u64, (HASH + OPENING + HASH) * others)
}

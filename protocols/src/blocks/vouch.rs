//! What one party sends and another knows too: the other vouches for it, by a hash, at the next check.
//!
//! In replicated sharing every message could be sent by two parties. One sends it; the other adds it
//! to what it vouches for, and so does the receiver with what came. Before anything leaves, vouchers
//! send the hash of all that to the receiver, who compares.
//! Source: Dalskov, Escudero, Keller 2020, eprint 2020/1330, Section 2.2 ("joint message passing"), and
//! Furukawa, Lindell, Nof, Weinstein 2016, eprint 2016/944 (comparison of views).
//! Cost: a check takes one round and 32 bytes from each party to each.

use std::cell::RefCell;

use mpc_runtime::{Error, Label, Op, OpId, Party, Result};
use subtle::ConstantTimeEq;

use crate::cost::Cost;

const DIGEST: Label = Label("vouch.digest");
const HASH: usize = 32;

/// Hashes of messages, by peer.
type Hashes = Vec<Vec<(OpId, u16, [u8; HASH])>>;

/// What this party vouches for, and what others vouch for to it, since the last check.
pub struct Vouchers {
    given: RefCell<Hashes>,
    due: RefCell<Hashes>,
}

impl Vouchers {
    /// Nothing yet.
    pub fn new(parties: usize) -> Vouchers {
        let none = || RefCell::new(vec![vec![]; parties]);
        Vouchers { given: none(), due: none() }
    }

    /// This party vouches to `to` for what another party sends it under `label` in this call.
    pub fn give(&self, op: &Op<'_>, to: Party, label: Label, payload: &[u8]) {
        self.given.borrow_mut()[to].push(entry(op, label, payload));
    }

    /// This party received `payload`, for which `by` vouches.
    pub fn expect(&self, op: &Op<'_>, by: Party, label: Label, payload: &[u8]) {
        self.due.borrow_mut()[by].push(entry(op, label, payload));
    }

    /// Compares everything since the last check. One round of `op`.
    ///
    /// # Errors
    /// A sender and its voucher told different things.
    pub async fn check(&self, op: &Op<'_>) -> Result<()> {
        let (given, due) = (self.given.borrow_mut(), self.due.borrow_mut());
        let [given, due] = [given, due].map(|mut hashes| {
            let fresh = vec![vec![]; hashes.len()];
            std::mem::replace(&mut *hashes, fresh)
        });
        let peers = || (0..op.parties()).filter(|&peer| peer != op.me());
        for peer in peers() {
            op.send(peer, DIGEST, &digest(given[peer].clone()))?;
        }
        for peer in peers() {
            let theirs = op.recv(peer, DIGEST, HASH).await?;
            // check: vouchers
            if !bool::from(theirs.ct_eq(&digest(due[peer].clone()))) {
                return Err(Error::CheckFailed { what: "messages against their vouchers" });
            }
        }
        op.round();
        Ok(())
    }
}

fn entry(op: &Op<'_>, label: Label, payload: &[u8]) -> (OpId, u16, [u8; HASH]) {
    (op.id(), label.id(), *blake3::hash(payload).as_bytes())
}

/// Hash over all entries; they were made in the order in which steps went on, which differs from party
/// to party.
fn digest(mut entries: Vec<(OpId, u16, [u8; HASH])>) -> [u8; HASH] {
    entries.sort_unstable();
    let mut hasher = blake3::Hasher::new_derive_key("mpc-protocols 2026-11 vouchers");
    for (id, label, hash) in entries {
        hasher.update(&id.bytes()).update(&label.to_le_bytes()).update(&hash);
    }
    *hasher.finalize().as_bytes()
}

/// What a check costs.
pub fn cost(parties: usize) -> Cost {
    let others = parties - 1;
    Cost::each(parties, 1, others as u64, HASH * others)
}

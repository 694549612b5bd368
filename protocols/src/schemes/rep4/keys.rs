//! Keys of three parties.
//!
//! Each holder of a key sends 32 random bytes to the other two; the key is the hash of all three
//! contributions. Then every two parties compare a hash of both keys that they have in common: who told
//! two parties different things is found out before a key is used. No single party makes a key; a party
//! that speaks last can choose among keys that it has the hashes of, but a key of which it is a holder
//! hides nothing from it anyway, and the key that it lacks is made by the three others.

use mpc_runtime::{Depth, Error, Key, Label, Party, Result, Step};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Four, PARTIES};
use crate::checks::security_check;
use crate::cost::Cost;

const PART: Label = Label("rep4.key.part");
const DIGEST: Label = Label("rep4.key.digest");

/// Bytes of a contribution and of a hash.
const SEED: usize = 32;

type Seed = Zeroizing<[u8; SEED]>;

/// The keys that two parties have in common, by the component that they stand for.
fn common(a: Party, b: Party) -> [Party; 2] {
    let mut others = (0..PARTIES).filter(|&j| j != a && j != b);
    [0; 2].map(|_| others.next().expect("four parties"))
}

/// The key of component `j` from the contributions of its holders, in their order.
fn joined<'a>(j: Party, parts: impl Iterator<Item = &'a Seed>) -> Seed {
    let mut hasher = blake3::Hasher::new_derive_key("mpc-protocols 2026-11 rep4 key");
    hasher.update(&(j as u64).to_le_bytes());
    parts.for_each(|part| _ = hasher.update(&part[..]));
    Zeroizing::new(*hasher.finalize().as_bytes())
}

fn digest(keys: [&Seed; 2]) -> [u8; SEED] {
    let mut hasher = blake3::Hasher::new_derive_key("mpc-protocols 2026-11 rep4 key digest");
    keys.iter().for_each(|key| _ = hasher.update(&key[..]));
    *hasher.finalize().as_bytes()
}

impl Four {
    /// Agrees on the keys. Two rounds.
    pub(crate) async fn agree(&self, step: &Step) -> Result<()> {
        let (op, me) = (step.op(Depth::ZERO), self.me);
        let peers = || (0..PARTIES).filter(|&peer| peer != me);
        let mut parts: Vec<[Seed; PARTIES]> = vec![Default::default(); PARTIES];
        for j in peers() {
            let words = Zeroizing::new(op.stream(&self.own, j as u16).words(SEED / 8));
            parts[me][j].copy_from_slice(bytemuck::cast_slice(&words));
        }
        for peer in peers() {
            let both = common(me, peer).map(|j| &parts[me][j][..]);
            op.send(peer, PART, &Zeroizing::new(both.concat()))?;
        }
        for peer in peers() {
            let message = op.recv(peer, PART, 2 * SEED).await?;
            for (j, part) in common(me, peer).into_iter().zip(message.chunks_exact(SEED)) {
                parts[peer][j].copy_from_slice(part);
            }
        }
        op.round();
        let holders = |j: Party| (0..PARTIES).filter(move |&party| party != j);
        let key = |j: Party| joined(j, holders(j).map(|party| &parts[party][j]));
        let keys: Vec<Seed> = (0..PARTIES).map(key).collect();
        let ours = |peer| digest(common(me, peer).map(|j| &keys[j]));
        for peer in peers() {
            op.send(peer, DIGEST, &ours(peer))?;
        }
        for peer in peers() {
            let theirs = op.recv(peer, DIGEST, SEED).await?;
            security_check!(
                "rep4.keys",
                bool::from(theirs.ct_eq(&ours(peer))),
                Error::CheckFailed { what: "keys of three parties" }
            );
        }
        op.round();
        let held = [1, 2, 3].map(|by| Key::new(&keys[self.party(by)], "rep4"));
        let fresh = self.keys.set(held).is_ok();
        assert!(fresh, "the setup comes once");
        Ok(())
    }
}

/// What that costs.
pub(crate) fn setup_cost() -> Cost {
    let peers = PARTIES - 1;
    Cost::each(PARTIES, 2, 2 * peers as u64, 3 * SEED * peers)
}

//! Simultaneous messages: each party commits to what it has before it learns what the others have.
//!
//! Each party sends a hash of its message with a blinding, then both. The hash names the party and the
//! call, so that no commitment can be copied, from a peer or from an earlier call.
//! Source: hash commitments, as in Damgård, Keller, Larraia, Pastro, Scholl, Smart 2013, eprint 2012/642,
//! Section 3.
//! Cost: 2 rounds, 32 bytes and the message with 32 bytes from each party to each.

use mpc_runtime::{Error, Key, Label, Misbehaviour, Op, OpId, Party, Result};
use subtle::ConstantTimeEq;

use crate::checks::security_check;
use crate::cost::Cost;

const COMMIT: Label = Label("commit.hash");
const OPEN: Label = Label("commit.open");

/// Bytes of a hash and of a blinding.
const HASH: usize = 32;

/// Purpose of the stream that blindings are drawn from.
const BLINDING: u16 = u16::MAX;

fn commitment(party: Party, id: OpId, opening: &[u8]) -> [u8; HASH] {
    let mut hasher = blake3::Hasher::new_derive_key("mpc-protocols 2026-11 commitment");
    let name = [&(party as u64).to_le_bytes()[..], &id.bytes()].concat();
    hasher.update(&name).update(opening);
    *hasher.finalize().as_bytes()
}

/// What every party has, in the order of the parties; `mine` is what this party has, `own` a key of this
/// party alone. All messages are of the same length. Two rounds of `op`, which does nothing else.
///
/// # Errors
/// A party opened something else than it committed to.
pub async fn exchange(op: &Op<'_>, own: &Key, mine: &[u8]) -> Result<Vec<Vec<u8>>> {
    let (me, n) = (op.me(), op.parties());
    let peers = || (0..n).filter(|&peer| peer != me);
    let blinding = op.stream(own, BLINDING).words(HASH / 8);
    let opening = [bytemuck::cast_slice(&blinding), mine].concat();
    let due = commitment(me, op.id(), &opening);
    peers().try_for_each(|peer| op.send(peer, COMMIT, &due))?;
    let mut commitments = vec![vec![]; n];
    for peer in peers() {
        commitments[peer] = op.recv(peer, COMMIT, HASH).await?.to_vec();
    }
    op.round();
    peers().try_for_each(|peer| op.send(peer, OPEN, &opening))?;
    let mut all = vec![mine.to_vec(); n];
    for peer in peers() {
        let opened = op.recv(peer, OPEN, opening.len()).await?;
        security_check!(
            "commit.opening",
            bool::from(commitment(peer, op.id(), &opened).ct_eq(&commitments[peer])),
            Error::Cheating { party: peer, what: Misbehaviour::Inconsistent { label: OPEN.0 } }
        );
        all[peer] = opened[HASH..].to_vec();
    }
    op.round();
    Ok(all)
}

/// What [`exchange`] costs, of messages of `bytes` bytes.
pub fn cost(parties: usize, bytes: usize) -> Cost {
    let others = parties - 1;
    let each = |bytes: usize| Cost::each(parties, 1, others as u64, bytes * others);
    each(HASH).then(&each(HASH + bytes))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use mpc_runtime::simulate::Network;
    use mpc_runtime::tamper::{Mutator, Plan, Tamper};
    use mpc_runtime::{Depth, Executor, Transport};

    use super::*;

    /// What the parties are told, if party 0 alters a message.
    fn told(altered: Option<(Label, &str)>) -> Vec<Result<Vec<Vec<u8>>>> {
        let outcome = Network::new(3, 5).run(|end| {
            let me = end.me();
            let end: Box<dyn Transport> = match altered.filter(|_| me == 0) {
                Some((label, name)) => {
                    let mutator = Mutator::named(name).expect("it is in the table");
                    Box::new(Tamper::new(end, Plan { label, occurrence: 0, mutator }).0)
                }
                None => Box::new(end),
            };
            let mut executor = Executor::new(end);
            let (step, out) = (executor.step(0, 0, Depth::ZERO), Rc::new(RefCell::new(vec![])));
            let values = out.clone();
            executor.spawn(0, 0, async move {
                let (op, own) = (step.op(Depth::ZERO), Key::new(&[me as u8; 32], "own"));
                *values.borrow_mut() = exchange(&op, &own, &[me as u8, 9]).await?;
                Ok(())
            });
            executor.finish().map_err(|(_, error)| error)?;
            executor.close().map(|()| out.take())
        });
        outcome.results
    }

    #[test]
    fn everybody_is_told_what_the_others_have() {
        for values in told(None) {
            assert_eq!(values.expect("nobody cheats"), [[0, 9], [1, 9], [2, 9]]);
        }
    }

    #[test]
    fn who_opens_something_else_is_found() {
        let what = Misbehaviour::Inconsistent { label: OPEN.0 };
        let cheating = Error::Cheating { party: 0, what };
        for (label, name) in [
            (OPEN, "flip the first bit"),
            (OPEN, "flip the last bit"),
            (COMMIT, "flip the first bit"),
            (COMMIT, "copy what a peer sent"),
        ] {
            let all = told(Some((label, name)));
            let found = all[1..].iter().any(|r| r.as_ref().err() == Some(&cheating));
            assert!(found, "{name}");
        }
    }
}

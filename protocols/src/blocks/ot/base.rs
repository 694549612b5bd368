//! Base transfers: 128 of them with each peer in either direction, from Diffie-Hellman over Ristretto.
//!
//! Endemic transfer of Masny and Rindal 2019, eprint 2019/706, Section 5: the chooser of bit c sends
//! two points `r_0, r_1`, `r_(1-c)` uniform and `r_c = a·G - H_c(r_(1-c))`; the offerer, with a fresh `b` for
//! each transfer, sends `b·G` and knows both keys, those of `b·(r_s + H_s(r_(1-s)))`; the chooser knows
//! that of `a·b·G`. Both messages leave at once. Secure against cheaters, who may only fix the key
//! that they get themselves.
//! Every hash is over session, parties, number of the transfer and slot, the keys over the points too.
//! Points that do not decode, and the neutral one, are refused.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use mpc_runtime::{Error, Key, Label, Misbehaviour, Op, Party, Result, Stream};
use subtle::{Choice, ConditionallySelectable};
use zeroize::Zeroizing;

use super::hash::Block;
use crate::cost::Cost;

/// Base transfers in one direction with one peer.
pub const BASES: usize = 128;

const OFFER: Label = Label("ot.base.offer");
const CHOOSE: Label = Label("ot.base.choose");

/// Messages that consist of points: uniform in the group, but not as bytes.
pub(crate) const POINTS: [Label; 2] = [OFFER, CHOOSE];

const POINT_BYTES: usize = 32;

/// A key of a base transfer.
pub(crate) type BaseKey = Zeroizing<[u8; 32]>;

/// What a party has with one peer.
pub(crate) struct Base {
    /// Choices of this party in transfers 0, 1, …, as bits.
    pub(crate) choices: Zeroizing<Block>,
    /// The keys that it chose.
    pub(crate) chosen: Vec<BaseKey>,
    /// Both keys of each transfer in which the peer chose.
    pub(crate) both: Vec<[BaseKey; 2]>,
}

/// Who takes part in a transfer: what all hashes of it are bound to.
#[derive(Clone, Copy)]
struct Bound<'a> {
    session: &'a [u8; 32],
    offerer: Party,
    chooser: Party,
}

impl Bound<'_> {
    fn hasher(&self, context: &str, index: usize, slot: u8) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        hasher.update(self.session);
        for number in [self.offerer, self.chooser, index] {
            hasher.update(&(number as u64).to_le_bytes());
        }
        hasher.update(&[slot]);
        hasher
    }

    /// `H_slot(r)` of transfer `index`.
    fn point(&self, index: usize, slot: u8, r: &CompressedRistretto) -> RistrettoPoint {
        let mut bytes = [0; 64];
        let mut hasher = self.hasher("mpc-protocols 2026-11 base transfer point", index, slot);
        hasher.update(r.as_bytes()).finalize_xof().fill(&mut bytes);
        RistrettoPoint::from_uniform_bytes(&bytes)
    }

    fn key(&self, index: usize, slot: u8, sent: [&[u8]; 3], common: &RistrettoPoint) -> BaseKey {
        let mut hasher = self.hasher("mpc-protocols 2026-11 base transfer key", index, slot);
        sent.iter().for_each(|part| _ = hasher.update(part));
        let secret = Zeroizing::new(common.compress().to_bytes());
        Zeroizing::new(*hasher.update(&secret[..]).finalize().as_bytes())
    }
}

/// Uniform bytes of this party, 64 at a time.
struct Drawn(Zeroizing<Vec<u64>>);

impl Drawn {
    fn new(stream: &Stream, count: usize) -> Drawn {
        Drawn(Zeroizing::new(stream.words(8 * count)))
    }

    fn all(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }

    fn bytes(&self, i: usize) -> Zeroizing<[u8; 64]> {
        let mut bytes = Zeroizing::new([0; 64]);
        bytes.copy_from_slice(&self.all()[64 * i..][..64]);
        bytes
    }

    fn scalar(&self, i: usize) -> Zeroizing<Scalar> {
        Zeroizing::new(Scalar::from_bytes_mod_order_wide(&self.bytes(i)))
    }
}

/// Purposes of the streams that a party draws from, for each peer.
#[derive(Clone, Copy)]
enum Purpose {
    Choices,
    Chooser,
    Offerer,
}

fn drawn(op: &Op<'_>, own: &Key, peer: Party, purpose: Purpose, count: usize) -> Drawn {
    Drawn::new(&op.stream(own, 4 * peer as u16 + purpose as u16), count)
}

fn refused<T>(party: Party, label: Label) -> Result<T> {
    Err(Error::Cheating { party, what: Misbehaviour::OutOfRange { label: label.0 } })
}

/// The point in these bytes; never the neutral one.
fn decoded(bytes: &[u8], from: Party, label: Label) -> Result<RistrettoPoint> {
    let point = CompressedRistretto::from_slice(bytes).ok().and_then(|point| point.decompress());
    match point {
        Some(point) if !point.is_identity() => Ok(point),
        _ => refused(from, label),
    }
}

/// What `compute` makes of these inputs in a transfer.
#[cfg(not(test))]
fn once<T>(_bound: Bound<'_>, _inputs: &[&[u8]], compute: impl FnOnce() -> T) -> T {
    compute()
}

/// The same, or what it made of them in another session of the same process: sessions of tests share their seeds, and
/// points would be a third of their work.
#[cfg(test)]
fn once<T: Clone + Send + 'static>(
    bound: Bound<'_>,
    inputs: &[&[u8]],
    compute: impl FnOnce() -> T,
) -> T {
    use std::any::Any;
    use std::collections::BTreeMap;
    use std::sync::{Mutex, PoisonError};

    static MADE: Mutex<BTreeMap<[u8; 32], Box<dyn Any + Send>>> = Mutex::new(BTreeMap::new());
    /// Some kilobytes each.
    const MOST: usize = 4096;
    let mut hasher = bound.hasher(std::any::type_name::<T>(), 0, 0);
    for input in inputs {
        hasher.update(&(input.len() as u64).to_le_bytes()).update(input);
    }
    let name = *hasher.finalize().as_bytes();
    let table = || MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let made = table().get(&name).and_then(|made| made.downcast_ref::<T>()).cloned();
    made.unwrap_or_else(|| {
        let made = compute();
        let mut table = table();
        if table.len() == MOST {
            table.clear();
        }
        table.insert(name, Box::new(made.clone()));
        made
    })
}

/// The side that chooses.
struct Chooser<'a> {
    bound: Bound<'a>,
    /// What scalars come from, and then what the other points come from.
    scalars: Drawn,
    choices: Zeroizing<Block>,
}

impl Chooser<'_> {
    fn bit(&self, i: usize) -> u8 {
        (*self.choices >> i & 1) as u8
    }

    /// Both points of every transfer.
    fn message(&self) -> Vec<u8> {
        once(self.bound, &self.inputs(), || self.points())
    }

    /// What this side draws.
    fn inputs(&self) -> [&[u8]; 2] {
        [self.scalars.all(), bytemuck::bytes_of(&*self.choices)]
    }

    fn points(&self) -> Vec<u8> {
        let mut message = vec![];
        for i in 0..BASES {
            let bit = self.bit(i);
            let other =
                RistrettoPoint::from_uniform_bytes(&self.scalars.bytes(BASES + i)).compress();
            let mine = RistrettoPoint::mul_base(&self.scalars.scalar(i));
            let mine = (mine - self.bound.point(i, bit, &other)).compress();
            let chosen = Choice::from(bit);
            let pick = |if_0: &CompressedRistretto, if_1: &CompressedRistretto| {
                let bytes = if_0.as_bytes().iter().zip(if_1.as_bytes());
                bytes.map(|(a, b)| u8::conditional_select(a, b, chosen)).collect::<Vec<u8>>()
            };
            message.extend(pick(&mine, &other));
            message.extend(pick(&other, &mine));
        }
        message
    }

    fn keys(&self, sent: &[u8], offered: &[u8]) -> Result<Vec<BaseKey>> {
        let key = |i: usize| {
            let offer = &offered[POINT_BYTES * i..][..POINT_BYTES];
            let point = decoded(offer, self.bound.offerer, OFFER)?;
            let common = Zeroizing::new(*self.scalars.scalar(i) * point);
            let [zero, one] = slots(sent, i);
            Ok(self.bound.key(i, self.bit(i), [zero, one, offer], &common))
        };
        let [scalars, choices] = self.inputs();
        once(self.bound, &[scalars, choices, sent, offered], || (0..BASES).map(key).collect())
    }
}

/// Both points of transfer `i` in the message of a chooser.
fn slots(message: &[u8], i: usize) -> [&[u8]; 2] {
    [0, 1].map(|slot| &message[POINT_BYTES * (2 * i + slot)..][..POINT_BYTES])
}

/// The side that offers.
struct Offerer<'a> {
    bound: Bound<'a>,
    scalars: Drawn,
}

impl Offerer<'_> {
    fn message(&self) -> Vec<u8> {
        let point = |i| RistrettoPoint::mul_base(&self.scalars.scalar(i)).compress().to_bytes();
        once(self.bound, &[self.scalars.all()], || (0..BASES).flat_map(point).collect())
    }

    fn keys(&self, sent: &[u8], chosen: &[u8]) -> Result<Vec<[BaseKey; 2]>> {
        let both = |i: usize| {
            let slots = slots(chosen, i);
            let offer = &sent[POINT_BYTES * i..][..POINT_BYTES];
            let key = |slot: u8| {
                let [this, other] = [slots[slot as usize], slots[1 - slot as usize]];
                let other = CompressedRistretto::from_slice(other).expect("32 bytes");
                let point = decoded(this, self.bound.chooser, CHOOSE)?;
                let point = point + self.bound.point(i, slot, &other);
                if point.is_identity() {
                    return refused(self.bound.chooser, CHOOSE);
                }
                let common = Zeroizing::new(*self.scalars.scalar(i) * point);
                Ok(self.bound.key(i, slot, [slots[0], slots[1], offer], &common))
            };
            Ok([key(0)?, key(1)?])
        };
        let inputs = [self.scalars.all(), sent, chosen];
        once(self.bound, &inputs, || (0..BASES).map(both).collect())
    }
}

/// What the choices of a party are like.
#[derive(Clone, Copy)]
pub(crate) struct Choosing {
    /// They are 0 where this has a 1.
    pub(crate) zero: Block,
    /// They are the same with every peer.
    pub(crate) common: bool,
}

impl Choosing {
    /// Choices with `peer`. Those with all peers are drawn under the number of the party itself.
    fn draw(self, op: &Op<'_>, own: &Key, peer: Party) -> Zeroizing<Block> {
        let words = drawn(op, own, peer, Purpose::Choices, 1).0;
        Zeroizing::new((Block::from(words[0]) | Block::from(words[1]) << 64) & !self.zero)
    }
}

/// Base transfers with every peer, in both directions, in one round.
pub(crate) async fn agree(
    op: &Op<'_>,
    session: &[u8; 32],
    own: &Key,
    choosing: Choosing,
) -> Result<Vec<Option<Base>>> {
    let me = op.me();
    let peers = || (0..op.parties()).filter(move |&peer| peer != me);
    let common = choosing.common.then(|| choosing.draw(op, own, me));
    let mut sides = vec![];
    for peer in peers() {
        let bound = |offerer, chooser| Bound { session, offerer, chooser };
        let chooser = Chooser {
            bound: bound(peer, me),
            scalars: drawn(op, own, peer, Purpose::Chooser, 2 * BASES),
            choices: common.clone().unwrap_or_else(|| choosing.draw(op, own, peer)),
        };
        let offerer = Offerer {
            bound: bound(me, peer),
            scalars: drawn(op, own, peer, Purpose::Offerer, BASES),
        };
        let (points, offer) = (chooser.message(), offerer.message());
        op.send(peer, CHOOSE, &points)?;
        op.send(peer, OFFER, &offer)?;
        sides.push((peer, chooser, points, offerer, offer));
    }
    let mut bases: Vec<Option<Base>> = (0..op.parties()).map(|_| None).collect();
    for (peer, chooser, points, offerer, offer) in sides {
        let theirs = op.recv(peer, CHOOSE, 2 * BASES * POINT_BYTES).await?;
        let offered = op.recv(peer, OFFER, BASES * POINT_BYTES).await?;
        bases[peer] = Some(Base {
            chosen: chooser.keys(&points, &offered)?,
            choices: chooser.choices,
            both: offerer.keys(&offer, &theirs)?,
        });
    }
    op.round();
    Ok(bases)
}

/// What [`agree`] costs.
pub(crate) fn cost(parties: usize) -> Cost {
    let peers = parties - 1;
    Cost::each(parties, 1, 2 * peers as u64, 3 * BASES * POINT_BYTES * peers)
}

//! Rows in an order that no party can tell who sees where they go.
//!
//! Two parties hold a secret in two summands, the *helper* and the *left* one. Rows go into *slots* in
//! two passages: the helper and the left party apply an order from their common key, then the helper and
//! the *right* party one from theirs, the summand of the left party having gone to the right one and that
//! of the helper to the left one, each hidden by a mask that its receiver does not know. Now the left and
//! the right party have the summands. One round, every element sent twice.
//!
//! What these two open then, to each other alone, lies in an order that is uniform for either: the left
//! party lacks the second order, the right one the first. The helper knows both and sees nothing. So
//! two orders do, where a shuffle that all three may look at takes three (Araki, Furukawa, Ohara,
//! Pinkas, Rosemarin, Tsuchida 2021, "Secure graph analysis at scale", whose passages these are).

use mpc_runtime::{Depth, Label, Op, Party, Result};

use super::{PARTIES, Trio, purpose};
use crate::algebra::narrow::{Narrow, field, pack, packed_bytes, unpack};
use crate::blocks::shuffle::{no_permutation, random_order};
use crate::cost::Cost;
use crate::value::{Plane, Shares};

const FORWARD: Label = Label("rep3.slots.forward");
const OPEN: Label = Label("rep3.slots.open");

/// Who does what.
#[derive(Clone, Copy)]
pub(super) struct Roles {
    /// Knows both orders, and sees nothing that is opened.
    pub(super) helper: Party,
    /// Knows the first order.
    pub(super) left: Party,
    /// Knows the second order.
    pub(super) right: Party,
}

impl Roles {
    /// The parties after the helper in turn.
    pub(super) fn after(helper: Party) -> Roles {
        Roles { helper, left: (helper + 1) % PARTIES, right: (helper + 2) % PARTIES }
    }
}

/// A word on its way: the low bits are a summand modulo `2^low`, the `high` bits above them are added
/// without carries.
#[derive(Clone, Copy)]
pub(super) struct Mixed {
    pub(super) low: u32,
    pub(super) high: u32,
}

impl Mixed {
    /// The place of one of so many rows, and `high` bits.
    pub(super) fn place(rows: usize, high: u32) -> Mixed {
        Mixed { low: rows.next_power_of_two().ilog2(), high }
    }

    /// Bits on the wire.
    pub(super) fn bits(self) -> u32 {
        self.low + self.high
    }

    /// The low bits, all set.
    pub(super) fn mask(self) -> u32 {
        ((1_u64 << self.low) - 1) as u32
    }

    /// The sum.
    #[inline(always)]
    pub(super) fn add(self, a: u32, b: u32) -> u32 {
        (a.wrapping_add(b) & self.mask()) | ((a ^ b) & !self.mask())
    }

    /// The difference.
    #[inline(always)]
    pub(super) fn sub(self, a: u32, b: u32) -> u32 {
        (a.wrapping_sub(b) & self.mask()) | ((a ^ b) & !self.mask())
    }
}

impl Trio {
    /// What is common with a peer: which key, and which plane of a vector.
    pub(super) fn common(&self, peer: Party) -> usize {
        debug_assert_ne!(peer, self.me);
        usize::from(peer == self.next())
    }

    /// The component of a vector that this party has in common with a peer.
    pub(super) fn component_with<'a>(&self, x: &'a Shares, peer: Party) -> &'a Plane {
        x.plane(self.common(peer))
    }

    /// Uniform words that this party has in common with a peer.
    pub(super) fn narrow(&self, op: &Op<'_>, peer: Party, purpose: u16, len: usize) -> Narrow {
        let stream = op.stream(&self.keys[self.common(peer)], purpose);
        Narrow::build(len, |out| {
            self.tiles(out, |first, tile: &mut [u64]| stream.fill(first as u64, tile));
        })
    }

    /// A uniformly random order of `n` things that this party has in common with a peer.
    pub(super) fn order(&self, op: &Op<'_>, peer: Party, n: usize) -> Narrow {
        random_order(&op.stream(&self.keys[self.common(peer)], purpose::ORDER), n)
    }

    /// Bits that this party alone knows, in words.
    pub(super) fn own(&self, op: &Op<'_>, bits: usize) -> Narrow {
        let stream = op.stream(&self.own, 0);
        Narrow::build(bits.div_ceil(32), |out| stream.fill(0, out))
    }

    /// Shares from the components that this party has in common with its peers.
    pub(super) fn shares_with(&self, components: [(Party, Plane); 2], depth: Depth) -> Shares {
        let [(peer, a), (_, b)] = components;
        Shares::new(if self.common(peer) == 0 { vec![a, b] } else { vec![b, a] }, depth)
    }

    /// Words into slots, at the helper: `lanes` and `hide` tell the masks, one lane of several for each
    /// word, and what is added without carries to the high bits of a slot. Returns both orders.
    pub(super) fn helper_in(
        &self,
        op: &Op<'_>,
        roles: Roles,
        word: Mixed,
        mine: &Narrow,
        lanes: &Narrow,
        hide: impl Fn(usize) -> u32,
    ) -> Result<[Narrow; 2]> {
        let (n, stride) = (mine.len(), lanes.len() / mine.len());
        let orders = [roles.left, roles.right].map(|peer| self.order(op, peer, n));
        let masks = self.narrow(op, roles.right, purpose::MASK, n);
        let passed = Narrow::gathered(&orders[0], mine, |i, x| word.add(x, lanes[i * stride]));
        let slots = Narrow::gathered(&orders[1], &passed, |j, x| {
            word.add(x, masks[j]) ^ hide(j) << word.low
        });
        op.send(roles.left, FORWARD, &pack(&slots, word.bits()))?;
        Ok(orders)
    }

    /// Words into slots, at the left party. Returns the first order.
    pub(super) fn left_in(
        &self,
        op: &Op<'_>,
        roles: Roles,
        word: Mixed,
        mine: &Narrow,
        lanes: &Narrow,
    ) -> Result<Narrow> {
        let (n, stride) = (mine.len(), lanes.len() / mine.len());
        let order = self.order(op, roles.helper, n);
        let passed = Narrow::gathered(&order, mine, |i, x| word.sub(x, lanes[i * stride]));
        op.send(roles.right, FORWARD, &pack(&passed, word.bits()))?;
        Ok(order)
    }

    /// Opens the slots, at the left party, which has its summand from the helper.
    pub(super) async fn left_opened(
        &self,
        op: &Op<'_>,
        roles: Roles,
        word: Mixed,
        n: usize,
    ) -> Result<Opened> {
        let slots = op.recv(roles.helper, FORWARD, packed_bytes(n, word.bits())).await?;
        op.round();
        op.send(roles.right, OPEN, &slots)?;
        let other = op.recv(roles.right, OPEN, slots.len()).await?;
        op.round();
        Opened::new(&slots, &other, n, word)
    }

    /// Words into slots and their opening, at the right party. Returns the second order and the slots.
    pub(super) async fn right_opened(
        &self,
        op: &Op<'_>,
        roles: Roles,
        word: Mixed,
        n: usize,
    ) -> Result<(Narrow, Opened)> {
        let order = self.order(op, roles.helper, n);
        let masks = self.narrow(op, roles.helper, purpose::MASK, n);
        let bytes = packed_bytes(n, word.bits());
        let passed = unpack(&op.recv(roles.left, FORWARD, bytes).await?, n, word.bits());
        op.round();
        let slots = Narrow::gathered(&order, &passed, |j, x| word.sub(x, masks[j]));
        let slots = pack(&slots, word.bits());
        op.send(roles.left, OPEN, &slots)?;
        let other = op.recv(roles.left, OPEN, bytes).await?;
        op.round();
        Ok((order, Opened::new(&slots, &other, n, word)?))
    }

    /// Shows the right party words under an order that helper and left party agree on, which is returned;
    /// at one of these.
    pub(super) fn shown(
        &self,
        op: &Op<'_>,
        roles: Roles,
        word: Mixed,
        mine: &Narrow,
    ) -> Result<Narrow> {
        let adds = self.me == roles.helper;
        let peer = if adds { roles.left } else { roles.helper };
        let order = self.order(op, peer, mine.len());
        let masks = self.narrow(op, peer, purpose::LANES, mine.len());
        let change = if adds { Mixed::add } else { Mixed::sub };
        let hidden = Narrow::gathered(&order, mine, |i, x| change(word, x, masks[i]));
        op.send(roles.right, FORWARD, &pack(&hidden, word.bits()))?;
        op.round();
        Ok(order)
    }

    /// What [`Trio::shown`] shows, at the right party.
    pub(super) async fn seen(
        &self,
        op: &Op<'_>,
        roles: Roles,
        word: Mixed,
        n: usize,
    ) -> Result<Narrow> {
        let bytes = packed_bytes(n, word.bits());
        let summand = op.recv(roles.helper, FORWARD, bytes).await?;
        let other = op.recv(roles.left, FORWARD, bytes).await?;
        op.round();
        Ok(sum(&summand, &other, n, word))
    }
}

/// The sums of two messages.
fn sum(a: &[u8], b: &[u8], n: usize, word: Mixed) -> Narrow {
    let mut sum = Narrow::zeros(n);
    for (i, o) in sum.iter_mut().enumerate() {
        *o = word.add(field(a, i, word.bits()), field(b, i, word.bits()));
    }
    sum
}

/// What is in the slots: a place, and hidden bits.
pub(super) struct Opened {
    word: Mixed,
    slots: Narrow,
    /// By place: the slot, and above it the bits.
    pub(super) by_place: Narrow,
}

impl Opened {
    fn new(a: &[u8], b: &[u8], n: usize, word: Mixed) -> Result<Opened> {
        let slots = sum(a, b, n, word);
        let (mut by_place, mut met) = (Narrow::zeros(n), vec![false; n]);
        for (slot, &x) in slots.iter().enumerate() {
            let place = (x & word.mask()) as usize;
            if place >= n || std::mem::replace(&mut met[place], true) {
                return Err(no_permutation());
            }
            by_place[place] = slot as u32 | x & !word.mask();
        }
        Ok(Opened { word, slots, by_place })
    }

    /// The high bits of a slot.
    #[inline(always)]
    pub(super) fn high(&self, slot: usize) -> usize {
        (self.slots[slot] >> self.word.low) as usize
    }

    /// Slots and their high bits, in the order of the places.
    pub(super) fn by_place(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let (mask, low) = (self.word.mask(), self.word.low);
        self.by_place.iter().map(move |&x| ((x & mask) as usize, (x >> low) as usize))
    }
}

/// What slots of `bytes` bytes in all cost until they are opened.
pub(super) fn opened_cost(roles: Roles, bytes: usize) -> Cost {
    let mut cost = Cost { rounds: 2, ..Cost::local(PARTIES) };
    cost.add(roles.helper, bytes);
    cost.add(roles.left, bytes);
    cost.add(roles.left, bytes);
    cost.add(roles.right, bytes);
    cost
}

#[cfg(test)]
mod tests;

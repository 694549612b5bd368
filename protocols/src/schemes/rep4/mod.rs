//! What four-party replicated sharing has in common over every ring: keys, fresh sharings, products.
//!
//! Sharing:  x = x_0 + x_1 + x_2 + x_3; party i lacks x_i and holds x_{i+1}, x_{i+2}, x_{i+3} as planes
//!           0, 1 and 2.
//! Keys:     K_j is common to all parties but j, which are those that hold component j: the hash of a
//!           contribution of each of the three, which compare what they got before they use it.
//! Paper:    Dalskov, Escudero, Keller 2020, eprint 2020/1330.
//!
//! Everything is built from two moves, over numbers and over packed bits alike:
//! - [`Four::joint`]: two parties know v. Component i is uniform, component j is the rest, which one of
//!   the two sends to i while the other vouches: one element for each v.
//! - [`Four::missing`]: the component that a party lacks; the next party sends it, the one after vouches.
//!
//! Both follow one rule ([`tellers`]): what party i shall learn, of all but i and j, is sent by the first
//! and vouched by the second after i. A message that nobody sent as it should be is thus one that the
//! voucher did not vouch for, which the receiver finds out at the next check.

pub(crate) mod convert;
mod keys;
mod product;
pub(crate) mod shuffle;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;

use mpc_runtime::{Depth, Key, Label, Op, Party, Result, Step, Stream};

use crate::algebra::ring::{Bits, Ring};
use crate::algebra::simd;
use crate::blocks::vouch::Vouchers;
use crate::cost::Cost;
use crate::protocol::{Seeds, Setup};
use crate::value::{Plane, Shares, Unit};
use crate::workers::Workers;

pub(crate) use keys::setup_cost;
pub(crate) use product::{matrix_terms, product_cost};

/// Number of parties.
pub(crate) const PARTIES: usize = 4;

/// Words of a tile: six terms, their masks and their factors stay in the first-level cache.
const TILE: usize = 256;

/// Words of a tile.
#[repr(align(64))]
struct Tile([u64; TILE]);

impl Default for Tile {
    fn default() -> Tile {
        Tile([0; TILE])
    }
}

/// Purposes of random streams within one verb.
mod purpose {
    /// Masks of terms of neighbours.
    pub(super) const FULL: u16 = 0;
    /// Masks of terms of parties across.
    pub(super) const HALF: u16 = 1;
    /// Shares of uniform values.
    pub(super) const RANDOM: u16 = 2;
    /// Orders of rows.
    pub(super) const ORDER: u16 = 3;
    /// Masks of inputs.
    pub(super) const INPUT: u16 = 4;
    /// Masks of what two parties know.
    pub(super) const JOINT: u16 = 5;
}

/// Who tells party i what all but i and j know: one sends, one vouches.
pub(crate) fn tellers(i: Party, j: Party) -> [Party; 2] {
    match (j + PARTIES - i) % PARTIES {
        1 => [(i + 2) % PARTIES, (i + 3) % PARTIES],
        2 => [(i + 1) % PARTIES, (i + 3) % PARTIES],
        _ => [(i + 1) % PARTIES, (i + 2) % PARTIES],
    }
}

/// A vector as it is in memory and on the wire.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    unit: Unit,
    len: usize,
}

impl Form {
    /// `n` elements of a ring.
    pub(crate) fn numbers<R: Ring>(n: usize) -> Form {
        Form { unit: Unit::Words(R::WORDS), len: n }
    }

    /// `n` bits.
    pub(crate) fn bits(n: usize) -> Form {
        Form { unit: Unit::Bit, len: n }
    }

    fn words(self) -> usize {
        self.unit.words(self.len)
    }

    /// Bytes of a message.
    pub(crate) fn bytes(self) -> usize {
        match self.unit {
            Unit::Bit => self.len.div_ceil(8),
            Unit::Words(words) => 8 * words * self.len,
        }
    }

    /// Words as a message.
    fn pack(self, words: &[u64]) -> &[u8] {
        &bytemuck::cast_slice(words)[..self.bytes()]
    }

    /// A vector with elements set by `fill`.
    pub(crate) fn plane<R: Ring>(self, fill: impl FnOnce(&mut [R])) -> Plane {
        Plane::build(self.unit, self.len, |out| fill(bytemuck::cast_slice_mut(out)))
    }

    fn zero(self) -> Plane {
        Plane::build(self.unit, self.len, |_| ())
    }
}

/// The elements of a plane.
pub(crate) fn elements<R: Ring>(plane: &Plane) -> &[R] {
    bytemuck::cast_slice(plane.words())
}

/// All planes of a vector.
pub(crate) fn all<R: Ring>(a: &Shares) -> [&[R]; 3] {
    [0, 1, 2].map(|p| elements(a.plane(p)))
}

/// Element by element, on all planes.
pub(crate) fn zip<R: Ring>(a: &Shares, b: &Shares, f: impl Fn(R, R) -> R) -> Shares {
    let combine = |p: usize| {
        let (x, y) = (elements::<R>(a.plane(p)), elements::<R>(b.plane(p)));
        let form = Form { unit: a.plane(p).unit(), len: a.len() };
        form.plane(|out: &mut [R]| {
            out.iter_mut().zip(x.iter().zip(y)).for_each(|(o, (&x, &y))| *o = f(x, y));
        })
    };
    Shares::new([0, 1, 2].map(combine).into(), a.depth.max(b.depth))
}

/// Adds a message to elements, tile by tile.
fn add_message<R: Ring>(out: &mut [u64], message: &[u8]) {
    let mut tile = Tile::default();
    for (out, bytes) in out.chunks_mut(TILE).zip(message.chunks(8 * TILE)) {
        let words = &mut tile.0[..out.len()];
        words.fill(0);
        bytemuck::cast_slice_mut::<u64, u8>(words)[..bytes.len()].copy_from_slice(bytes);
        simd::add::<R>(bytemuck::cast_slice_mut(out), bytemuck::cast_slice(words));
    }
}

/// One of the four parties.
pub(crate) struct Four {
    me: Party,
    /// Of this party alone.
    own: Key,
    /// K_{me+1}, K_{me+2}, K_{me+3}, once they are agreed on.
    keys: OnceCell<[Key; 3]>,
    vouchers: Vouchers,
    workers: Workers,
}

impl Four {
    pub(crate) fn new(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Four> {
        let own = Key::new(&seeds.own, "rep4");
        let (vouchers, workers) = (Vouchers::new(PARTIES), Workers::new(setup.threads)?);
        Ok(Four { me, own, keys: OnceCell::new(), vouchers, workers })
    }

    pub(crate) fn me(&self) -> Party {
        self.me
    }

    pub(crate) fn pool(&self) -> Option<&rayon::ThreadPool> {
        self.workers.pool()
    }

    /// The party `by` places further.
    fn party(&self, by: usize) -> Party {
        (self.me + by) % PARTIES
    }

    /// Which plane holds component `j`, if this party has it.
    pub(crate) fn plane_of(&self, j: Party) -> Option<usize> {
        Some((j + 2 * PARTIES - self.me - 1) % PARTIES).filter(|&p| p < 3)
    }

    /// The component in plane `p`.
    pub(crate) fn component(&self, p: usize) -> Party {
        self.party(p + 1)
    }

    /// The stream that the holders of component `j`, of which this party is one, have in common.
    fn stream(&self, op: &Op<'_>, j: Party, purpose: u16) -> Stream {
        let keys = self.keys.get().expect("the setup comes before every verb");
        op.stream(&keys[self.plane_of(j).expect("held here")], purpose)
    }

    /// Uniform elements that the holders of component `j` have in common.
    fn uniform(&self, op: &Op<'_>, form: Form, j: Party, purpose: u16) -> Plane {
        let stream = self.stream(op, j, purpose);
        Plane::build(form.unit, form.len, |out| {
            self.workers.tiles(vec![out], TILE, |first, parts| {
                parts.iter_mut().for_each(|part| stream.fill(first as u64, part));
            });
        })
    }

    /// A vector from components, of which this party has three.
    fn shares(&self, depth: Depth, component: impl FnMut(Party) -> Plane) -> Shares {
        let planes = [0, 1, 2].map(|p| self.component(p)).map(component);
        Shares::new(planes.into(), depth)
    }

    /// A public vector: component 0.
    pub(crate) fn public<R: Ring>(&self, form: Form, depth: Depth, x: impl Fn(&mut [R])) -> Shares {
        self.shares(depth, |j| if j == 0 { form.plane(&x) } else { form.zero() })
    }

    /// Uniform elements that nobody knows. Nothing is sent.
    pub(crate) fn random(&self, step: &Step, form: Form) -> Shares {
        let op = step.op(Depth::ZERO);
        self.shares(op.depth(), |j| self.uniform(&op, form, j, purpose::RANDOM))
    }

    /// What `owner` knows: component `owner` is 0, the next two are uniform, the last is the rest, which
    /// the owner sends to the two that lack it. The second vouches to the first for it, so that both
    /// have the same. One round, two elements sent by the owner.
    pub(crate) async fn share<R: Ring>(
        &self,
        op: &Op<'_>,
        label: Label,
        form: Form,
        owner: Party,
        x: impl FnOnce(&mut [R]),
    ) -> Result<Shares> {
        let [first, second, last] = [1, 2, 3].map(|by| (owner + by) % PARTIES);
        let mask = |j| self.uniform(op, form, j, purpose::INPUT);
        if self.me == owner {
            let masks = [mask(first), mask(second)];
            let rest = form.plane(|out: &mut [R]| {
                x(out);
                masks.iter().for_each(|mask| simd::subtract(out, elements(mask)));
            });
            for receiver in [first, second] {
                op.send(receiver, label, form.pack(rest.words()))?;
            }
            let planes: Vec<Plane> = masks.into_iter().chain([rest]).collect();
            return Ok(Shares::new(planes, op.round()));
        }
        let rest = if self.me == last {
            None
        } else {
            let message = op.recv(owner, label, form.bytes()).await?;
            match self.me == first {
                true => self.vouchers.expect(op, second, label, &message),
                false => self.vouchers.give(op, first, label, &message),
            }
            Some(Plane::from_payload(form.unit, form.len, message))
        };
        let depth = op.round();
        Ok(self.shares(depth, |j| match &rest {
            _ if j == owner => form.zero(),
            Some(rest) if j == last => rest.clone(),
            _ => mask(j),
        }))
    }

    /// The component that this party lacks, if it is among those that learn it. One round, one element
    /// sent by each party (by the one after `to` if only `to` learns).
    pub(crate) async fn missing(
        &self,
        op: &Op<'_>,
        label: Label,
        form: Form,
        a: &Shares,
        to: Option<Party>,
    ) -> Result<Option<Plane>> {
        let learns = |i: Party| to.is_none_or(|to| to == i);
        let [before, across] = [self.party(3), self.party(2)];
        if learns(before) {
            op.send(before, label, form.pack(a.plane(2).words()))?;
        }
        if learns(across) {
            self.vouchers.give(op, across, label, form.pack(a.plane(1).words()));
        }
        if !learns(self.me) {
            op.round();
            return Ok(None);
        }
        let message = op.recv(self.party(1), label, form.bytes()).await?;
        self.vouchers.expect(op, across, label, &message);
        op.round();
        Ok(Some(Plane::from_payload(form.unit, form.len, message)))
    }

    /// Begins a sharing of what all parties but i and j know (`v` is called there only): component i is
    /// uniform, component j is the rest. Each label is for one pair of a round.
    pub(crate) fn joint<R: Ring>(
        &self,
        op: &Op<'_>,
        label: Label,
        form: Form,
        [i, j]: [Party; 2],
        v: impl FnOnce(&mut [R]),
    ) -> Result<Joint> {
        let [sender, voucher] = tellers(i, j);
        let mask = (self.me != i).then(|| self.uniform(op, form, i, purpose::JOINT));
        let rest = match &mask {
            Some(mask) if self.me != j => Some(form.plane(|out: &mut [R]| {
                v(out);
                simd::subtract(out, elements(mask));
            })),
            _ => None,
        };
        if let Some(rest) = &rest {
            let message = form.pack(rest.words());
            if self.me == sender {
                op.send(i, label, message)?;
            } else {
                debug_assert_eq!(self.me, voucher);
                self.vouchers.give(op, i, label, message);
            }
        }
        Ok(Joint { label, form, at: [i, j], mask, rest })
    }

    /// Verifies that all messages were as their vouchers say.
    pub(crate) async fn check(&self, step: &Step) -> Result<()> {
        self.vouchers.check(&step.op(Depth::ZERO)).await
    }

    /// Rows in packed bits: `a ∧ b`.
    pub(crate) async fn and(&self, step: &Step, a: &Shares, b: &Shares) -> Result<Shares> {
        const AND: Label = Label("rep4.and");
        let op = step.op(a.depth.max(b.depth));
        self.multiply::<Bits>(&op, AND, Form::bits(a.len()), a, b).await
    }
}

/// A sharing of what two parties know, as it is before the message of one of them came.
pub(crate) struct Joint {
    label: Label,
    form: Form,
    at: [Party; 2],
    mask: Option<Plane>,
    rest: Option<Plane>,
}

impl Joint {
    /// Components i and j, as far as this party has them, once the message is there.
    async fn accept(self, four: &Four, op: &Op<'_>) -> Result<[Option<Plane>; 2]> {
        let Joint { label, form, at: [i, j], mask, mut rest } = self;
        if four.me == i {
            let [sender, voucher] = tellers(i, j);
            let message = op.recv(sender, label, form.bytes()).await?;
            four.vouchers.expect(op, voucher, label, &message);
            rest = Some(Plane::from_payload(form.unit, form.len, message));
        }
        Ok([mask, rest])
    }

    /// As shares.
    pub(crate) async fn shares(self, four: &Four, op: &Op<'_>) -> Result<Shares> {
        let (form, [i, j]) = (self.form, self.at);
        let [mask, rest] = self.accept(four, op).await?;
        Ok(four.shares(op.depth(), |component| {
            let held = match component {
                c if c == i => mask.clone(),
                c if c == j => rest.clone(),
                _ => None,
            };
            held.unwrap_or_else(|| form.zero())
        }))
    }
}

/// What sharings of what two parties know cost, for all pairs in one round.
pub(crate) fn joint_cost(bytes: usize, pairs: &[[Party; 2]]) -> Cost {
    let round = Cost { rounds: 1, ..Cost::local(PARTIES) };
    pairs.iter().fold(round, |mut cost, &[i, j]| {
        cost.add(tellers(i, j)[0], bytes);
        cost
    })
}

/// What an input costs.
pub(crate) fn share_cost(owner: Party, bytes: usize) -> Cost {
    Cost::by(owner, PARTIES, 2, 2 * bytes)
}

/// What an opening costs.
pub(crate) fn open_cost(to: Option<Party>, bytes: usize) -> Cost {
    match to {
        None => Cost::each(PARTIES, 1, 1, bytes),
        Some(to) => Cost::by((to + 1) % PARTIES, PARTIES, 1, bytes),
    }
}

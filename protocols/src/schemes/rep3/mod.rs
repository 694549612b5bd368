//! What three-party replicated sharing has in common over every ring and field: keys, fresh sharings,
//! products.
//!
//! Sharing:  x = x_0 + x_1 + x_2; party i holds (x_i, x_{i+1}) as planes 0 and 1.
//! Keys:     K_j is common to the parties j-1 and j, which are those that hold component j.
//! Paper:    Araki, Furukawa, Lindell, Nof, Ohara 2016, eprint 2016/768, in the additive form of
//!           Mohassel and Rindal 2018, eprint 2018/403, Section 4.1.
//!
//! Everything is built from three moves, over numbers, elements of fields and packed bits alike:
//! - [`Trio::reshare`]: each party has one summand of z; one element sent by each;
//! - [`Trio::offer`] and [`Trio::accept`]: the parties p+1 and p+2 have one summand each; one element
//!   sent by each of the two, nothing by p;
//! - [`Trio::input`]: party p knows z; one element sent by p.

pub(crate) mod addends;
pub(crate) mod binary;
pub(crate) mod carried;
#[cfg(test)]
pub(crate) mod cheats;
pub(crate) mod checked_bits;
pub(crate) mod checked_ring;
pub(crate) mod convert;
pub(crate) mod costs;
pub(crate) mod field;
pub(crate) mod field_check;
pub(crate) mod linear;
pub(crate) mod matrices;
mod packed;
pub(crate) mod places;
pub(crate) mod ring_check;
mod select;
pub(crate) mod shuffle;
mod slots;
#[cfg(test)]
mod tests;
pub(crate) mod vouched;

use std::borrow::Cow;

use mpc_runtime::{Depth, Key, Label, Misbehaviour, Op, Party, Payload, Result, Step};

use crate::Error;
use crate::algebra::bits::Wire;
use crate::algebra::ring::{Bits, Ring};
use crate::algebra::simd;
use crate::checks;
use crate::protocol::{Seeds, Setup};
use crate::value::{Plane, Shares, Unit};
use crate::workers::Workers;

/// Number of parties.
pub(crate) const PARTIES: usize = 3;

/// Words of a tile: masks are made where they are used, in the first-level cache. Elements of two, three
/// and four words are whole in it.
const TILE: usize = 2016;
/// Masks of a tile.
#[repr(align(64))]
struct Tile([u64; TILE]);

impl Default for Tile {
    fn default() -> Tile {
        Tile([0; TILE])
    }
}

/// Purposes of random streams within one verb.
mod purpose {
    /// Summands of zero.
    pub(super) const ZERO: u16 = 0;
    /// Masks of [`super::Trio::offer`].
    pub(super) const OFFER: u16 = 1;
    /// Shares of uniform values.
    pub(super) const RANDOM: u16 = 2;
    /// Orders of rows.
    pub(super) const ORDER: u16 = 3;
    /// Masks of the first passage into slots, and lanes beside them.
    pub(super) const LANES: u16 = 4;
    /// Masks of the second passage.
    pub(super) const MASK: u16 = 5;
    /// Masks of what the left party sends out of slots.
    pub(super) const LEFT: u16 = 6;
    /// Masks of what the right party sends out of slots.
    pub(super) const RIGHT: u16 = 7;
    /// Masks of carries, one for each third of the numbers; see [`super::addends`].
    pub(super) const CARRY_OUT: u16 = 8;
    /// Masks of products, one for each third.
    pub(super) const PRODUCT: u16 = 12;
    /// Bits that two parties have in common; see [`super::field`].
    pub(super) const COMMON: u16 = 15;
    /// Masks of [`super::Trio::input`]; one for each input of a verb.
    pub(super) const INPUT: u16 = 16;
}

/// A plane whose elements `fill` sets as elements of a ring.
pub(crate) fn plane<R: Ring>(unit: Unit, len: usize, fill: impl FnOnce(&mut [R])) -> Plane {
    Plane::build(unit, len, |out| fill(bytemuck::cast_slice_mut(out)))
}

/// The elements of a plane.
pub(crate) fn elements<R: Ring>(plane: &Plane) -> &[R] {
    bytemuck::cast_slice(plane.words())
}

/// Both planes of a vector.
pub(crate) fn both<R: Ring>(a: &Shares) -> [&[R]; 2] {
    [elements(a.plane(0)), elements(a.plane(1))]
}

/// Element by element, on all planes.
pub(crate) fn zip<R: Ring>(a: &Shares, b: &Shares, f: impl Fn(R, R) -> R) -> Shares {
    let combine = |(a, b): (&Plane, &Plane)| {
        let (x, y) = (elements::<R>(a), elements::<R>(b));
        plane(a.unit(), a.len(), |out: &mut [R]| {
            out.iter_mut().zip(x.iter().zip(y)).for_each(|(o, (&x, &y))| *o = f(x, y));
        })
    };
    let planes = a.planes().iter().zip(b.planes()).map(combine).collect();
    Shares::new(planes, a.depth.max(b.depth))
}

/// A vector as it is in memory and on the wire.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    unit: Unit,
    len: usize,
    wire: Wire,
    /// [`Ring::valid`] of its elements.
    valid: fn(&[u64]) -> bool,
    /// [`Ring::settle`] of its elements.
    settle: fn(&mut [u64]),
}

impl Form {
    fn of<R: Ring>(unit: Unit, len: usize, wire: Wire) -> Form {
        Form {
            unit,
            len,
            wire,
            valid: |words| R::valid(bytemuck::cast_slice(words)),
            settle: |words| R::settle(bytemuck::cast_slice_mut(words)),
        }
    }

    /// `n` elements of a ring.
    pub(crate) fn numbers<R: Ring>(n: usize) -> Form {
        Form::of::<R>(Unit::Words(R::WORDS), n, Wire::words(n * R::WORDS))
    }

    /// `n` bits.
    pub(crate) fn bits(n: usize) -> Form {
        Form::of::<Bits>(Unit::Bit, n, Wire { rows: 1, bits: n })
    }

    /// `rows` rows of `n` bits, each from a word boundary on.
    pub(crate) fn rows(rows: usize, n: usize) -> Form {
        let words = rows * n.div_ceil(64);
        Form::of::<Bits>(Unit::Words(1), words, Wire { rows, bits: n })
    }

    fn zero(self) -> Plane {
        Plane::build(self.unit, self.len, |_| ())
    }

    pub(crate) fn plane<R: Ring>(self, fill: impl FnOnce(&mut [R])) -> Plane {
        plane(self.unit, self.len, fill)
    }

    /// A vector as a message; bits behind its end are left out.
    fn pack(self, words: &[u64]) -> Cow<'_, [u8]> {
        match self.unit {
            Unit::Bit => Cow::Borrowed(&bytemuck::cast_slice(words)[..self.wire.bytes()]),
            Unit::Words(_) => self.wire.pack(words),
        }
    }

    /// A vector from a message, without copying if it travels as it stands in memory.
    fn unpack(self, payload: Payload) -> Plane {
        match self.unit {
            Unit::Words(_) if !self.wire.dense() => {
                self.plane(|out: &mut [u64]| self.wire.unpack(&payload, out))
            }
            unit => Plane::from_payload(unit, self.len, payload),
        }
    }

    /// The vector that a party sends.
    async fn receive(self, op: &Op<'_>, from: Party, label: Label) -> Result<Plane> {
        let plane = self.unpack(op.recv(from, label, self.wire.bytes()).await?);
        let what = Misbehaviour::OutOfRange { label: label.0 };
        (self.valid)(plane.words()).then_some(plane).ok_or(Error::Cheating { party: from, what })
    }
}

/// A summand on its way to the other of two parties; see [`Trio::offer`].
pub(crate) struct Offer {
    masks: Vec<Plane>,
    offered: Option<Plane>,
}

/// One of the three parties.
pub(crate) struct Trio {
    me: Party,
    /// K_me and K_{me+1}.
    keys: [Key; 2],
    /// Of this party alone.
    own: Key,
    workers: Workers,
}

impl Trio {
    pub(crate) fn new(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Trio> {
        let key = |peer: Party| Key::new(&seeds.pair[peer], "rep3");
        let keys = [key((me + 2) % 3), key((me + 1) % 3)];
        let workers = Workers::new(setup.threads)?;
        Ok(Trio { me, keys, own: Key::new(&seeds.own, "rep3"), workers })
    }

    pub(crate) fn me(&self) -> Party {
        self.me
    }

    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    fn next(&self) -> Party {
        (self.me + 1) % 3
    }

    fn previous(&self) -> Party {
        (self.me + 2) % 3
    }

    /// This party as seen from party `p`: 0 is `p` itself.
    pub(crate) fn role(&self, p: Party) -> usize {
        (self.me + PARTIES - p) % 3
    }

    /// Which plane holds component `j`, if this party has it.
    pub(crate) fn plane_of(&self, j: usize) -> Option<usize> {
        Some((j + PARTIES - self.me) % 3).filter(|&i| i < 2)
    }

    /// Uniform elements that the holders of plane `i` have in common.
    fn uniform(&self, op: &Op<'_>, form: Form, i: usize, purpose: u16) -> Plane {
        let stream = op.stream(&self.keys[i], purpose);
        let words = form.unit.words(form.len);
        Plane::build(form.unit, form.len, |out| {
            debug_assert_eq!(out.len(), words);
            self.tiles(out, |first, tile: &mut [u64]| {
                stream.fill(first as u64, tile);
                (form.settle)(tile);
            });
        })
    }

    /// Calls `f(first, tile)` for all tiles of `out`, on all threads.
    fn tiles<R: Ring>(&self, out: &mut [R], f: impl Fn(usize, &mut [R]) + Sync) {
        let f = |first, parts: &mut [&mut [R]]| f(first, parts[0]);
        self.workers.tiles(vec![out], TILE / R::WORDS, f);
    }

    /// This party's summand of zero and something: F(K_i) - F(K_{i+1}), where over the three parties
    /// every key comes once with either sign. `add(first, tile, mask)` gets each tile of F(K_i), adds
    /// something to it and subtracts the mask, F(K_{i+1}).
    fn summand<R: Ring>(
        &self,
        op: &Op<'_>,
        form: Form,
        add: impl Fn(usize, &mut [R], &[R]) + Sync,
    ) -> Plane {
        let [plus, minus] = [0, 1].map(|i| op.stream(&self.keys[i], purpose::ZERO));
        form.plane(|out: &mut [R]| {
            self.tiles(out, |first, z| {
                let at = (first * R::WORDS) as u64;
                let mut mask = Tile::default();
                let mask = &mut mask.0[..z.len() * R::WORDS];
                plus.fill(at, bytemuck::cast_slice_mut(z));
                R::settle(z);
                minus.fill(at, mask);
                (form.settle)(mask);
                add(first, z, bytemuck::cast_slice(mask));
            });
        })
    }

    /// A sharing of the sum of what the three parties have. One round, one element sent by each.
    async fn reshare(&self, op: &Op<'_>, label: Label, form: Form, z: Plane) -> Result<Shares> {
        let z = checks::computed("rep3.summand", self.me, z);
        op.send(self.previous(), label, &form.pack(z.words()))?;
        let next = form.receive(op, self.next(), label).await?;
        Ok(Shares::new(vec![z, next], op.round()))
    }

    /// The products of `x` and `y`, and `plus` added to them.
    pub(crate) async fn multiply<R: Ring>(
        &self,
        op: &Op<'_>,
        label: Label,
        form: Form,
        (x, y): (&Shares, &Shares),
        plus: Option<&Shares>,
    ) -> Result<Shares> {
        let (x, y) = (both::<R>(x), both::<R>(y));
        let plus = plus.map(|p| elements::<R>(p.plane(0)));
        let z = self.summand(op, form, |first, z: &mut [R], mask| {
            let range = first..first + z.len();
            simd::cross(
                z,
                mask,
                [&x[0][range.clone()], &x[1][range.clone()]],
                [&y[0][range.clone()], &y[1][range.clone()]],
            );
            if let Some(plus) = plus {
                simd::add(z, &plus[range]);
            }
        });
        self.reshare(op, label, form, z).await
    }

    /// A sharing of the sum of what `fill` makes at each party, which is not reshared tile by tile.
    pub(crate) async fn sum_of<R: Ring>(
        &self,
        op: &Op<'_>,
        label: Label,
        form: Form,
        fill: impl FnOnce(&mut [R]),
    ) -> Result<Shares> {
        let [plus, minus] = [0, 1].map(|i| op.stream(&self.keys[i], purpose::ZERO));
        let z = form.plane(|out: &mut [R]| {
            fill(out);
            self.tiles(out, |first, z| {
                let at = (first * R::WORDS) as u64;
                let mut mask = Tile::default();
                let mask = &mut mask.0[..z.len() * R::WORDS];
                plus.fill(at, mask);
                (form.settle)(mask);
                simd::add(z, bytemuck::cast_slice(mask));
                minus.fill(at, mask);
                (form.settle)(mask);
                simd::subtract(z, bytemuck::cast_slice(mask));
            });
        });
        self.reshare(op, label, form, z).await
    }

    /// Begins a sharing of a sum of which the parties p+1 and p+2 have one summand each (`mine`).
    /// Components p and p+1 are uniform, p+2 is the rest: each of the two sends its summand less
    /// the component that the other lacks, and nothing comes to or from p.
    ///
    /// The two may offer in different rounds; the sharing is there one round after the later one.
    pub(crate) fn offer<R: Ring>(
        &self,
        op: &Op<'_>,
        label: Label,
        form: Form,
        p: Party,
        mine: Option<Plane>,
    ) -> Result<Offer> {
        let role = self.role(p);
        let planes = [0, 1].into_iter().filter(|i| (role + i) % 3 != 2);
        let masks: Vec<Plane> = planes.map(|i| self.uniform(op, form, i, purpose::OFFER)).collect();
        let Some(mine) = mine else {
            assert_eq!(role, 0, "who has a summand offers it");
            return Ok(Offer { masks, offered: None });
        };
        let offered = form.plane(|out: &mut [R]| {
            out.copy_from_slice(elements(&mine));
            simd::subtract(out, elements(&masks[0]));
        });
        let peer = (p + 3 - role) % 3;
        op.send(peer, label, &form.pack(offered.words()))?;
        Ok(Offer { masks, offered: Some(offered) })
    }

    /// Ends what [`Trio::offer`] began.
    pub(crate) async fn accept<R: Ring>(
        &self,
        op: &Op<'_>,
        label: Label,
        form: Form,
        p: Party,
        offer: Offer,
    ) -> Result<Shares> {
        let Offer { mut masks, offered } = offer;
        if let Some(offered) = offered {
            let role = self.role(p);
            let mut rest = form.receive(op, (p + 3 - role) % 3, label).await?;
            rest.change(|out| simd::add::<R>(bytemuck::cast_slice_mut(out), elements(&offered)));
            masks.insert(if role == 1 { 1 } else { 0 }, rest);
        }
        Ok(Shares::new(masks, op.round()))
    }

    /// A sharing of what party `p` knows, as it is before the message of `p` came: component p is
    /// uniform, p+2 is 0, and p+1 is the rest, which p sends to p+1. `number` tells the inputs of one
    /// verb apart.
    pub(crate) fn input<R: Ring>(
        &self,
        op: &Op<'_>,
        form: Form,
        p: Party,
        number: u16,
        x: impl FnOnce(&mut [R]),
    ) -> Input {
        let mask = |i| self.uniform(op, form, i, purpose::INPUT + number);
        match self.role(p) {
            0 => {
                let mask = mask(0);
                let rest = form.plane(|out: &mut [R]| {
                    x(out);
                    simd::subtract(out, elements(&mask));
                });
                Input { form, p, planes: [Some(mask), Some(rest)] }
            }
            1 => Input { form, p, planes: [None, Some(Plane::zero(form.unit, form.len))] },
            _ => Input { form, p, planes: [Some(Plane::zero(form.unit, form.len)), Some(mask(1))] },
        }
    }

    /// A sharing of what `owner` knows. One round, one element sent by the owner.
    pub(crate) async fn share<R: Ring>(
        &self,
        op: &Op<'_>,
        label: Label,
        form: Form,
        owner: Party,
        x: impl FnOnce(&mut [R]),
    ) -> Result<Shares> {
        let input = self.input(op, form, owner, 0, x);
        input.send(op, label)?;
        let planes = input.complete(self, op, label).await?;
        Ok(Shares::new(planes, op.round()))
    }

    /// The component that this party lacks of each vector, if it is among those that learn it. One
    /// round, one element sent by each party to the next (by `to - 1` alone if only `to` learns).
    pub(crate) async fn missing(
        &self,
        op: &Op<'_>,
        label: Label,
        form: Form,
        a: &Shares,
        to: Option<Party>,
    ) -> Result<Option<Plane>> {
        if to.is_none_or(|to| to == self.next()) {
            op.send(self.next(), label, &form.pack(a.plane(0).words()))?;
        }
        if to.is_some_and(|to| to != self.me) {
            op.round();
            return Ok(None);
        }
        let third = form.receive(op, self.previous(), label).await?;
        op.round();
        Ok(Some(third))
    }

    /// Uniform elements that nobody knows. Nothing is sent.
    pub(crate) fn random(&self, step: &Step, form: Form) -> Shares {
        let op = step.op(Depth::ZERO);
        let planes = [0, 1].map(|i| self.uniform(&op, form, i, purpose::RANDOM));
        Shares::new(planes.into(), op.depth())
    }

    /// A public vector: component 0.
    pub(crate) fn public<R: Ring>(&self, form: Form, depth: Depth, x: impl Fn(&mut [R])) -> Shares {
        let plane = |i| if self.plane_of(0) == Some(i) { form.plane(&x) } else { form.zero() };
        Shares::new(vec![plane(0), plane(1)], depth)
    }
}

/// An input that is not complete at the party that its rest is sent to.
pub(crate) struct Input {
    form: Form,
    p: Party,
    planes: [Option<Plane>; 2],
}

impl Input {
    /// Sends the rest, if this is the party that inputs.
    pub(crate) fn send(&self, op: &Op<'_>, label: Label) -> Result<()> {
        match &self.planes {
            [Some(_), Some(rest)] if op.me() == self.p => {
                op.send((self.p + 1) % 3, label, &self.form.pack(rest.words()))
            }
            _ => Ok(()),
        }
    }

    /// Receives the rest, where it is due.
    pub(crate) async fn complete(
        self,
        trio: &Trio,
        op: &Op<'_>,
        label: Label,
    ) -> Result<Vec<Plane>> {
        let Input { form, p, planes: [first, second] } = self;
        debug_assert_eq!(trio.me(), op.me());
        let first = match first {
            Some(first) => first,
            None => form.receive(op, p, label).await?,
        };
        Ok([first].into_iter().chain(second).collect())
    }

    /// The uniform component, at the parties p and p+2.
    pub(crate) fn mask(&self, trio: &Trio) -> Option<&Plane> {
        self.planes[trio.plane_of(self.p)?].as_ref()
    }
}

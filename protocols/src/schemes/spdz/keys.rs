//! The MAC key, and products with it.
//!
//! The key α is the sum of what the parties have, α_i. For every bit of α_i, party i has one of two seeds of
//! each peer, the one that the bit says; transfers in the setup gave it to it. To share x·α_j, a party with
//! x tells, for every bit h of α_j, the difference of the streams of both seeds plus x; then
//! `Σ 2^h·(stream of the seed that j has + α_j[h]·what it was told)` is x·α_j plus Σ 2^h·(stream of the first
//! seed), which the party with x subtracts. A party that takes different x for different h is found out when
//! a random combination of all x is opened ([`super::Spdz::authenticated`]).
//! Source: COPEe of Keller, Orsini, Scholl 2016, eprint 2016/505, Figure 3; in rings Cramer, Damgård,
//! Escudero, Scholl, Xing 2018, eprint 2018/482, Section 3.
//! Cost: one round, an element for every bit of α_j and every x.

use std::cell::OnceCell;

use mpc_runtime::{Key, Label, Op, Party, Result, Stream};
use zeroize::Zeroizing;

use super::element::Authentic;
use crate::blocks::ot::{Block, Call, Choices, Extended, Form, Many, Ot, Transfers};
use crate::cost::{Cost, Sent};
use crate::prepared::{Keys, foreign, lacking};
use crate::schemes::additive::{add, of, plane, received, uniform};
use crate::value::Plane;

const MACS: Label = Label("spdz.macs");

/// Purposes of the streams of the setup and of seeds.
mod purpose {
    pub(super) const SUMMAND: u16 = 0;
    pub(super) const SEED: u16 = 0;
}

/// Most words of an element.
const MOST_WORDS: usize = 4;

/// Seeds that two parties have in common.
struct Pair {
    /// Both seeds for each bit of the peer's summand.
    both: Vec<[Key; 2]>,
    /// The seeds that the bits of this party's summand say.
    chosen: Vec<Key>,
}

/// What one party has of the key.
struct Agreed {
    summand: Zeroizing<[u64; MOST_WORDS]>,
    pairs: Vec<Option<Pair>>,
}

/// The key at one party.
#[derive(Default)]
pub(crate) struct MacKey(OnceCell<Agreed>);

impl MacKey {
    fn agreed(&self) -> &Agreed {
        self.0.get().expect("the setup comes before every verb")
    }

    /// This party's summand.
    pub(crate) fn summand<N: Authentic>(&self) -> N {
        N::checked(&self.agreed().summand[..N::WORDS]).expect("it was drawn so")
    }

    fn bit(&self, h: usize) -> u64 {
        self.agreed().summand[h / 64] >> (h % 64) & 1
    }

    /// Draws the key for elements of the kind `N`, or any of which as many bits are keys, and exchanges
    /// seeds. The rounds of [`Ot::extend`].
    pub(crate) async fn agree<N: Authentic>(&self, op: &Op<'_>, own: &Key, ot: &Ot) -> Result<()> {
        let mut summand = Zeroizing::new([0; MOST_WORDS]);
        let drawn = plane::<N>(1, |out| uniform(&op.stream(own, purpose::SUMMAND), out));
        let words = N::KEY.div_ceil(64);
        summand[..words].copy_from_slice(&drawn.words()[..words]);
        let many = Many::chosen(N::KEY);
        let choices = Choices::Given(&summand[..]);
        let with = ot.extend(op, |_| Call { send: many, receive: many, choices }).await?;
        let pair = |(peer, with): (Party, Option<Extended>)| {
            let with = with?;
            let [zero, one] = [0, ot.delta(peer)].map(|offset| seeds(&with.sent, offset));
            let both = zero.into_iter().zip(one).map(|(zero, one)| [zero, one]).collect();
            Some(Pair { both, chosen: seeds(&with.received, 0) })
        };
        let pairs = with.into_iter().enumerate().map(pair).collect();
        assert!(self.0.set(Agreed { summand, pairs }).is_ok(), "the setup comes once");
        Ok(())
    }

    /// Bytes of a summand.
    pub(crate) const BYTES: usize = 8 * MOST_WORDS;

    /// This party's summand, for [`MacKey::restore`].
    pub(crate) fn bytes(&self) -> Keys {
        Zeroizing::new(bytemuck::cast_slice(&self.agreed().summand[..]).to_vec())
    }

    /// The key of another run: it serves to check, and to make nothing new.
    ///
    /// # Errors
    /// The bytes are no key.
    pub(crate) fn restore(&self, bytes: &[u8]) -> Result<()> {
        let mut summand = Zeroizing::new([0; MOST_WORDS]);
        let words: &mut [u8] = bytemuck::cast_slice_mut(&mut summand[..]);
        if words.len() != bytes.len() {
            return Err(foreign());
        }
        words.copy_from_slice(bytes);
        assert!(self.0.set(Agreed { summand, pairs: vec![] }).is_ok(), "the setup comes once");
        Ok(())
    }

    /// What [`MacKey::agree`] costs.
    pub(crate) fn agreeing<N: Authentic>(form: Form, parties: usize) -> Cost {
        Ot::cost(form, parties, |_, _| Many::chosen(N::KEY))
    }

    /// This party's share of the products of the key with the sums of the `x` of all parties, or with the
    /// `x` of `who`. One round of `op`, which does nothing else.
    pub(crate) async fn multiply<N: Authentic>(
        &self,
        op: &Op<'_>,
        x: &Plane,
        who: Option<Party>,
    ) -> Result<Plane> {
        let (me, summand, len) = (op.me(), self.summand::<N>(), x.len());
        let gives = |party: Party| who.is_none_or(|who| who == party);
        let peers = || (0..op.parties()).filter(|&peer| peer != me);
        let pairs = &self.agreed().pairs;
        if pairs.is_empty() {
            return Err(lacking());
        }
        let pair = |peer: Party| pairs[peer].as_ref().expect("a peer");
        let x = of::<N>(x);
        let mut share = plane::<N>(len, |out| {
            out.iter_mut().zip(x).for_each(|(o, &x)| *o = summand.times(x));
        });
        for peer in peers().filter(|_| gives(me)) {
            let (message, mine) = offer::<N>(op, &pair(peer).both, x);
            op.send(peer, MACS, bytemuck::cast_slice(&message))?;
            join::<N>(&mut share, &mine);
        }
        for peer in peers().filter(|&peer| gives(peer)) {
            let told = received::<N>(op, peer, MACS, N::KEY * len).await?;
            join::<N>(&mut share, &self.accept::<N>(op, &pair(peer).chosen, of(&told)));
        }
        op.round();
        Ok(share)
    }

    /// What the party has that was told.
    fn accept<N: Authentic>(&self, op: &Op<'_>, seeds: &[Key], told: &[N]) -> Plane {
        let len = told.len() / seeds.len();
        let mut known = plane::<N>(len, |_| ());
        plane(len, |out: &mut [N]| {
            for (h, seed) in seeds.iter().enumerate().rev() {
                draw::<N>(&op.stream(seed, purpose::SEED), &mut known);
                let (bit, terms) = (self.bit(h), of::<N>(&known).iter().zip(&told[h * len..]));
                for (o, (&known, &told)) in out.iter_mut().zip(terms) {
                    *o = o.raised(1).plus(known).plus(told.masked(bit));
                }
            }
        })
    }

    /// What [`MacKey::multiply`] costs.
    pub(crate) fn multiplying<N: Authentic>(
        parties: usize,
        len: usize,
        who: Option<Party>,
    ) -> Cost {
        let bytes = N::KEY * len * 8 * N::WORDS;
        let others = parties - 1;
        let mut cost = Cost { rounds: 1, ..Cost::local(parties) };
        for party in (0..parties).filter(|&party| who.is_none_or(|who| who == party)) {
            let payload_bytes = (others * bytes) as u64;
            cost.sent[party] = Sent { messages: others as u64, payload_bytes };
        }
        cost
    }
}

/// What the party with x tells, for one bit after the other, and its own share.
fn offer<N: Authentic>(op: &Op<'_>, seeds: &[[Key; 2]], x: &[N]) -> (Vec<N>, Plane) {
    let len = x.len();
    let mut message = vec![N::zero(); seeds.len() * len];
    let [mut zero, mut one] = [plane::<N>(len, |_| ()), plane::<N>(len, |_| ())];
    let share = plane(len, |out: &mut [N]| {
        for (h, [first, second]) in seeds.iter().enumerate().rev() {
            draw::<N>(&op.stream(first, purpose::SEED), &mut zero);
            draw::<N>(&op.stream(second, purpose::SEED), &mut one);
            let both = of::<N>(&zero).iter().zip(of::<N>(&one));
            let told = message[h * len..][..len].iter_mut().zip(x);
            for ((o, (told, &x)), (&zero, &one)) in out.iter_mut().zip(told).zip(both) {
                *told = zero.minus(one).plus(x);
                *o = o.raised(1).minus(zero);
            }
        }
    });
    (message, share)
}

fn draw<N: Authentic>(stream: &Stream, out: &mut Plane) {
    out.change(|out| uniform::<N>(stream, bytemuck::cast_slice_mut(out)));
}

fn join<N: Authentic>(share: &mut Plane, more: &Plane) {
    share.change(|out| add::<N>(bytemuck::cast_slice_mut(out), of(more)));
}

/// Seeds from the hashes of transfers.
fn seeds(transfers: &Transfers, offset: Block) -> Vec<Key> {
    let mut seeds = Vec::with_capacity(transfers.len());
    transfers.each(|first, blocks| {
        let mut hashes = Zeroizing::new(vec![0; blocks.len()]);
        transfers.hash().blocks(blocks, offset, first as Block, &mut hashes);
        for hash in hashes.iter() {
            let mut seed = Zeroizing::new([0; 32]);
            seed[..16].copy_from_slice(&hash.to_le_bytes());
            seeds.push(Key::new(&seed, "spdz mac"));
        }
    });
    seeds
}

//! Authenticated bits: what a party holds of them, what is done to them without a message, and random
//! ones from correlated transfers.
//!
//! Party i draws b_i and is the receiver of a transfer with every peer j in which it chooses b_i:
//! `t_ij = q_ji ⊕ b_i·Δ_j`. With the low words of blocks for the blocks, `b_i·D_i ⊕ Σ_j t_ij ⊕ Σ_j q_ij` is its
//! share of b·D: the q of all pairs meet twice.

use std::cell::RefCell;

use mpc_runtime::{Depth, Key, Op, Party, Result};
use zeroize::Zeroizing;

use crate::algebra::bits::stride;
use crate::blocks::ot::{Block, Call, Choices, Form, Many, Ot, Received, Transfers};
use crate::cost::Cost;
use crate::protocol::Seeds;
use crate::value::{Plane, Shares, Unit};

/// What the transfers are like.
pub(in crate::schemes) const FORM: Form = Form::malicious(4);

/// Transfers whose hashes are worked on together.
const HASHED: usize = 64;

/// Purpose of the stream that choices are drawn from.
const CHOICES: u16 = 0;

/// One party: its keys and its transfers.
pub(in crate::schemes) struct Holder {
    pub(super) me: Party,
    pub(super) n: usize,
    pub(in crate::schemes) own: Key,
    pub(super) pair: Vec<Key>,
    pub(in crate::schemes) ot: Ot,
}

/// `out ^= x`.
pub(in crate::schemes) fn add(out: &mut [u64], x: &[u64]) {
    out.iter_mut().zip(x).for_each(|(o, x)| *o ^= x);
}

/// `out ^= x & y`.
pub(super) fn add_product(out: &mut [u64], x: &[u64], y: &[u64]) {
    out.iter_mut().zip(x.iter().zip(y)).for_each(|(o, (x, y))| *o ^= x & y);
}

/// `out_h ^= bit_h·word(h)`.
pub(in crate::schemes) fn add_where(out: &mut [u64], bits: &[u64], word: impl Fn(usize) -> u64) {
    for (first, (out, bits)) in (0..).step_by(64).zip(out.chunks_mut(64).zip(bits)) {
        for (h, out) in out.iter_mut().enumerate() {
            *out ^= (bits >> h & 1).wrapping_neg() & word(first + h);
        }
    }
}

/// A plane of bits.
pub(in crate::schemes) fn bit_plane(len: usize, fill: impl FnOnce(&mut [u64])) -> Plane {
    Plane::build(Unit::Bit, len, fill)
}

/// A plane of MAC shares.
pub(in crate::schemes) fn mac_plane(len: usize, fill: impl FnOnce(&mut [u64])) -> Plane {
    Plane::build(Unit::Words(1), len, fill)
}

/// `a ⊕ b`.
pub(in crate::schemes) fn sum(a: &Shares, b: &Shares) -> Shares {
    let plane = |i: usize| {
        let (a, b) = (a.plane(i), b.plane(i));
        Plane::build(a.unit(), a.len(), |out| {
            out.copy_from_slice(a.words());
            add(out, b.words());
        })
    };
    Shares::new(vec![plane(0), plane(1)], a.depth.max(b.depth))
}

/// `a ∧ c` for public bits c.
pub(super) fn masked(a: &Shares, c: &Plane) -> Shares {
    let bits = bit_plane(a.len(), |out| add_product(out, a.plane(0).words(), c.words()));
    let words = a.plane(1).words();
    let macs = mac_plane(a.len(), |out| add_where(out, c.words(), |h| words[h]));
    Shares::new(vec![bits, macs], a.depth)
}

/// 65 bits of the hashes of some transfers: a word, and one bit more.
pub(super) struct Hashes {
    pub(super) words: Zeroizing<Vec<u64>>,
    pub(super) bits: Zeroizing<Vec<u64>>,
}

impl Hashes {
    fn new(len: usize) -> Hashes {
        let (words, bits) = (vec![0; len], vec![0; stride(len)]);
        Hashes { words: Zeroizing::new(words), bits: Zeroizing::new(bits) }
    }

    fn put(&mut self, at: usize, hashes: &[Block]) {
        for (i, hash) in hashes.iter().enumerate() {
            self.words[at + i] = *hash as u64;
            self.bits[at / 64] |= ((hash >> 127) as u64) << i;
        }
    }
}

/// Hashes of transfers with one peer.
pub(super) struct Pads {
    /// Where this party chose: `H(t)`.
    pub(super) chosen: Hashes,
    /// Where the peer did: `H(q)` and `H(q ⊕ Δ)`.
    pub(super) both: [Hashes; 2],
}

/// Adds the low words of the blocks to `macs`, and hashes the first `hashed` of them with each offset.
fn absorbed<const N: usize>(
    transfers: &Transfers,
    offsets: [Block; N],
    hashed: usize,
    macs: &mut [u64],
) -> [Hashes; N] {
    let mut all = offsets.map(|_| Hashes::new(hashed));
    let mut scratch = Zeroizing::new([0; HASHED]);
    transfers.each(|first, blocks| {
        macs[first..].iter_mut().zip(blocks).for_each(|(mac, block)| *mac ^= *block as u64);
        let wanted = hashed.saturating_sub(first).min(blocks.len());
        for (at, blocks) in (first..).step_by(HASHED).zip(blocks[..wanted].chunks(HASHED)) {
            let hashes = &mut scratch[..blocks.len()];
            for (&offset, out) in offsets.iter().zip(&mut all) {
                transfers.hash().blocks(blocks, offset, at as Block, hashes);
                out.put(at, hashes);
            }
        }
    });
    all
}

impl Holder {
    pub(super) fn new(n: usize, me: Party, seeds: &Seeds) -> Holder {
        let pair = seeds.pair.iter().map(|seed| Key::new(seed, "tinier")).collect();
        let own = Key::new(&seeds.own, "tinier");
        Holder { me, n, own, pair, ot: Ot::new(seeds, me, FORM) }
    }

    pub(in crate::schemes) fn peers(&self) -> impl Iterator<Item = Party> + use<> {
        let me = self.me;
        (0..self.n).filter(move |&peer| peer != me)
    }

    /// D_i.
    pub(in crate::schemes) fn key(&self) -> u64 {
        let peer = self.peers().next().expect("there are two parties at least");
        self.ot.delta(peer) as u64
    }

    /// Public bits: party 0 holds them.
    pub(in crate::schemes) fn public(&self, bits: Plane, depth: Depth) -> Shares {
        let key = self.key();
        let macs = mac_plane(bits.len(), |out| add_where(out, bits.words(), |_| key));
        let held = if self.me == 0 { bits } else { bit_plane(bits.len(), |_| ()) };
        Shares::new(vec![held, macs], depth)
    }

    /// Transfers between each pair of parties, either way: choices have to be the same with all peers.
    pub(super) fn many(&self, len: usize) -> Many {
        if self.n == 2 { Many::random(len) } else { Many::chosen(len) }
    }

    /// Random bits that nobody knows, or that only `owner` knows. Three rounds.
    ///
    /// # Errors
    /// A peer is lost or misbehaves.
    pub(in crate::schemes) async fn random(
        &self,
        op: &Op<'_>,
        len: usize,
        owner: Option<Party>,
    ) -> Result<Shares> {
        Ok(self.random_and_pads(op, len, owner, 0).await?.0)
    }

    /// As [`Holder::random`], with the hashes of the first `hashed` transfers with each peer, if all
    /// parties choose.
    ///
    /// # Errors
    /// A peer is lost or misbehaves.
    pub(super) async fn random_and_pads(
        &self,
        op: &Op<'_>,
        len: usize,
        owner: Option<Party>,
        hashed: usize,
    ) -> Result<(Shares, Vec<Option<Pads>>)> {
        let mine = owner.is_none_or(|owner| owner == self.me);
        let drawn = match mine && self.n > 2 {
            true => Zeroizing::new(op.stream(&self.own, CHOICES).words(stride(len))),
            false => Zeroizing::default(),
        };
        let many = self.many(len);
        let choices = if many.random { Choices::Random } else { Choices::Given(&drawn) };
        let call = |peer| {
            let send = if owner.is_none_or(|owner| owner == peer) { many } else { NONE };
            match mine {
                true => Call { send, receive: many, choices },
                false => Call { send, ..Call::NOTHING },
            }
        };
        let macs = RefCell::new(Zeroizing::new(vec![0; len]));
        let received = |_, Received { transfers, choices }: Received| {
            let [chosen] = absorbed(&transfers, [0], hashed, &mut macs.borrow_mut());
            (chosen, choices)
        };
        let sent = |peer, transfers: Transfers| {
            let offsets = [0, self.ot.delta(peer)];
            absorbed(&transfers, offsets, hashed, &mut macs.borrow_mut())
        };
        let with = self.ot.extend_with(op, call, received, sent).await?;
        let mut bits = drawn;
        let mut pads = vec![];
        for with in with {
            pads.push(with.map(|((chosen, choices), both)| {
                if many.random && mine {
                    bits = choices;
                }
                Pads { chosen, both }
            }));
        }
        let bits = bit_plane(len, |out| out.iter_mut().zip(bits.iter()).for_each(|(o, b)| *o = *b));
        let macs = mac_plane(len, |out| {
            out.copy_from_slice(&macs.borrow());
            let key = self.key();
            add_where(out, bits.words(), |_| key);
        });
        Ok((Shares::new(vec![bits, macs], op.depth()), pads))
    }

    /// What [`Holder::random`] costs.
    pub(in crate::schemes) fn random_cost(&self, len: usize, owner: Option<Party>) -> Cost {
        let chooses = |party| owner.is_none_or(|owner| owner == party);
        Ot::cost(FORM, self.n, |_, to| if chooses(to) { self.many(len) } else { NONE })
    }
}

/// No transfers.
const NONE: Many = Call::NOTHING.send;

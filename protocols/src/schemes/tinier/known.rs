//! Bits that one party knows, and sums of numbers made of them.
//!
//! Each party draws bits b and is the receiver of a transfer with every peer j in which it chooses b: it has a tag
//! `t = q ⊕ b·Δ_j` of each, and j the key q; low words of both are what MACs of a shared bit are made of.
//!
//! *Sums.* The party that knows the bits of some numbers knows all carries of their sum too. For
//! a carry w = u∧v it tells `w ⊕ r`, r one more bit of its own, which makes a tag and a key of w; everything else
//! is linear. That each w is right is proven for all of them at once: of keys `q = t ⊕ b·D`,
//!
//! ```text
//! q_u·q_v ⊕ D·q_w = t_u·t_v ⊕ D·(u·t_v ⊕ v·t_u ⊕ t_w) ⊕ D²·(u∧v ⊕ w)
//! ```
//!
//! in GF(2^64). A coin gives weights, and the party tells the weighed sums of the first two terms, hidden by 64 bits
//! more. If a w is wrong the peer finds the sum of the left sides with probability 3/2^64 at most: the weights cancel, or D
//! is a root of a polynomial of degree 2 that the cheat knew.
//! Source: Yang, Sarkar, Weng, Wang 2021, eprint 2021/076, Section 4.2.
//!
//! A cheat who chooses other bits, or tells other carries, towards different peers has sums with a MAC that is
//! wrong, as [`super::macs`] says.
//! Cost: 4 bytes for a bit and 1 bit more for a carry, to each peer; a round for the carries and one for the proof.

use mpc_runtime::{Error, Key, Label, Misbehaviour, Op, Party, Result, Stream};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::bits::{Holder, add, add_product, add_where, bit_plane, mac_plane};
use super::triples;
use crate::algebra::bits::{Wire, copy_bits, stride};
use crate::algebra::simd::{field_dot, field_scale, field_times};
use crate::blocks::ot::{Call, Choices, Received, Transfers};
use crate::checks::security_check;
use crate::cost::Cost;
use crate::value::Shares;

pub(crate) const CARRIES: Label = Label("known.carries");
pub(crate) const PROOF: Label = Label("known.proof");

/// Purpose of the stream that choices are drawn from.
const CHOICES: u16 = 1;

/// Bits that hide a proof.
const HIDING: usize = 64;

/// Transfers with one peer.
pub(in crate::schemes) struct With {
    /// Those in which this party chose by its bits.
    pub(in crate::schemes) received: Transfers,
    /// Those in which the peer chose by its own.
    pub(in crate::schemes) sent: Transfers,
}

/// Bits of this party, and of all peers, which these alone know.
pub(in crate::schemes) struct Known {
    pub(in crate::schemes) bits: Zeroizing<Vec<u64>>,
    pub(in crate::schemes) with: Vec<Option<With>>,
}

/// Numbers that are summed up: `bucket` of `bits` bits each make one of `rows` bits.
#[derive(Clone, Copy)]
pub(in crate::schemes) struct Shape {
    /// Sums.
    pub(in crate::schemes) lanes: usize,
    /// Numbers in a sum.
    pub(in crate::schemes) bucket: usize,
    /// Bits of a number.
    pub(in crate::schemes) bits: usize,
    /// Bits of a sum; those above are left out.
    pub(in crate::schemes) rows: usize,
}

impl Shape {
    /// All numbers.
    pub(in crate::schemes) fn numbers(self) -> usize {
        self.lanes * self.bucket
    }

    /// Carries of one sum.
    fn carries(self) -> usize {
        (self.bucket - 1) * self.rows.saturating_sub(1)
    }

    /// Bits that the carries of all sums and their proof take.
    fn spare(self) -> usize {
        match self.carries() {
            0 => 0,
            carries => carries * self.lanes + HIDING,
        }
    }

    fn wire(self) -> Wire {
        Wire { rows: self.carries(), bits: self.lanes }
    }
}

/// The size of buckets of which nobody knows all numbers but with probability 2^-σ, as for triples.
pub(in crate::schemes) fn bucket(lanes: usize, stat_sec: u32) -> usize {
    triples::bucket(lanes, stat_sec)
}

/// What the owner of bits knows of its sums, row by row.
struct Own {
    /// Factors of all carries.
    factors: [Zeroizing<Vec<u64>>; 2],
    sums: Zeroizing<Vec<u64>>,
}

/// Sums of numbers of all parties, before their carries are proven.
pub(in crate::schemes) struct Sums<'a> {
    shape: Shape,
    /// Number `k·lanes + i` of this order is the k-th of sum i.
    order: &'a [usize],
    numbers: &'a Known,
    spare: &'a Known,
    own: Own,
    /// What each party told of its carries.
    told: Vec<Vec<u64>>,
}

fn low_words(transfers: &Transfers) -> Zeroizing<Vec<u64>> {
    let mut words = Zeroizing::new(Vec::with_capacity(transfers.len()));
    transfers.each(|_, blocks| words.extend(blocks.iter().map(|block| *block as u64)));
    words
}

/// Adds up rows of `width` words. `own(k, row, out)` gives a row of the k-th numbers, 0 at first, `and` the carry
/// of two rows, by its number.
fn added(
    shape: Shape,
    width: usize,
    own: impl Fn(usize, usize, &mut [u64]),
    mut and: impl FnMut(usize, &[u64], &[u64], &mut [u64]),
) -> Zeroizing<Vec<u64>> {
    let Shape { bucket, bits, rows, .. } = shape;
    let mut sums = Zeroizing::new(vec![0; rows * width]);
    for (row, sum) in sums.chunks_exact_mut(width).enumerate().take(bits) {
        own(0, row, sum);
    }
    let row = || Zeroizing::new(vec![0; width]);
    let (mut carry, mut x, mut u, mut product) = (row(), row(), row(), row());
    for k in 1..bucket {
        carry.fill(0);
        for (row, sum) in sums.chunks_exact_mut(width).enumerate() {
            x.fill(0);
            if row < bits {
                own(k, row, &mut x);
            }
            // The carry is (sum ⊕ carry) ∧ (x ⊕ carry) ⊕ carry.
            u.copy_from_slice(sum);
            add(&mut u, &carry);
            add(sum, &x);
            add(sum, &carry);
            add(&mut x, &carry);
            if row + 1 < rows {
                product.fill(0);
                and((k - 1) * (rows - 1) + row, &u, &x, &mut product);
                add(&mut carry, &product);
            }
        }
    }
    sums
}

/// Rows of tags or of keys, of number `order[k·lanes + i]` in lane i.
fn tags<'a>(
    shape: Shape,
    order: &'a [usize],
    words: &'a [u64],
) -> impl Fn(usize, usize, &mut [u64]) + 'a {
    move |k, row, out| {
        let numbers = &order[k * shape.lanes..][..shape.lanes];
        let word = |number: &usize| words[number * shape.bits + row];
        out.iter_mut().zip(numbers).for_each(|(o, number)| *o = word(number));
    }
}

/// The sums of this party, and what it tells of their carries.
fn known_sums(shape: Shape, order: &[usize], bits: &[u64], spare: &[u64]) -> (Own, Vec<u64>) {
    let (lanes, width) = (shape.lanes, stride(shape.lanes));
    let all = || Zeroizing::new(vec![0; shape.carries() * width]);
    let (mut factors, mut told) = ([all(), all()], vec![0; shape.carries() * width]);
    let own = |k: usize, row: usize, out: &mut [u64]| {
        for (i, number) in order[k * lanes..][..lanes].iter().enumerate() {
            let at = number * shape.bits + row;
            out[i / 64] |= (bits[at / 64] >> (at % 64) & 1) << (i % 64);
        }
    };
    let sums = added(shape, width, own, |at, u, v, product| {
        add_product(product, u, v);
        let here = at * width..(at + 1) * width;
        let told = &mut told[here.clone()];
        copy_bits(spare, at * lanes, lanes, told, 0);
        add(told, product);
        factors[0][here.clone()].copy_from_slice(u);
        factors[1][here].copy_from_slice(v);
    });
    (Own { factors, sums }, told)
}

/// Adds the weighed products of two rows to a sum.
fn add_weighed(sum: &mut u64, weights: &[u64], u: &[u64], v: &[u64]) {
    let mut products = Zeroizing::new(u.to_vec());
    field_scale(&mut products, v);
    field_dot(sum, &products, weights);
}

/// Σ_h X^h·word_h of the last words, which hide a proof.
fn hiding(words: &[u64]) -> u64 {
    let last = &words[words.len() - HIDING..];
    last.iter().enumerate().fold(0, |sum, (h, &word)| sum ^ field_times(1 << h, word))
}

impl Holder {
    /// Bits that each party draws, `len` of them. Three rounds.
    ///
    /// # Errors
    /// A peer is lost or misbehaves.
    pub(in crate::schemes) async fn known(&self, op: &Op<'_>, len: usize) -> Result<Known> {
        let many = self.many(len);
        let drawn = match many.random {
            true => Zeroizing::default(),
            false => Zeroizing::new(op.stream(&self.own, CHOICES).words(stride(len))),
        };
        let choices = if many.random { Choices::Random } else { Choices::Given(&drawn) };
        let call = |_| Call { send: many, receive: many, choices };
        let received = |_, received: Received| received;
        let with = self.ot.extend_with(op, call, received, |_, sent| sent).await?;
        let mut bits = Zeroizing::new(vec![0; stride(len)]);
        let mut pair = |(received, sent): (Received, Transfers)| {
            bits.copy_from_slice(&received.choices);
            With { received: received.transfers, sent }
        };
        let with = with.into_iter().map(|with| with.map(&mut pair)).collect::<Vec<_>>();
        if let Some(last) = bits.last_mut().filter(|_| !len.is_multiple_of(64)) {
            *last &= (1 << (len % 64)) - 1;
        }
        Ok(Known { bits, with })
    }

    /// What [`Holder::known`] costs.
    pub(in crate::schemes) fn known_cost(&self, len: usize) -> Cost {
        self.random_cost(len, None)
    }

    /// Bits for the carries of sums.
    ///
    /// # Errors
    /// A peer is lost or misbehaves.
    pub(in crate::schemes) async fn spare(&self, op: &Op<'_>, shape: Shape) -> Result<Known> {
        match shape.spare() {
            0 => Ok(Known { bits: Zeroizing::default(), with: vec![] }),
            len => self.known(op, len).await,
        }
    }

    /// What [`Holder::spare`] costs.
    pub(in crate::schemes) fn spare_cost(&self, shape: Shape) -> Cost {
        match shape.spare() {
            0 => Cost::local(self.n),
            len => self.known_cost(len),
        }
    }

    /// All tell their carries. One round, if there are any.
    ///
    /// # Errors
    /// A peer is lost or misbehaves.
    pub(in crate::schemes) async fn tell_carries<'a>(
        &self,
        op: &Op<'_>,
        shape: Shape,
        order: &'a [usize],
        numbers: &'a Known,
        spare: &'a Known,
    ) -> Result<Sums<'a>> {
        let (own, mine) = known_sums(shape, order, &numbers.bits, &spare.bits);
        let mut told = vec![vec![]; self.n];
        if shape.carries() > 0 {
            let wire = shape.wire();
            let payload = wire.pack(&mine).into_owned();
            self.peers().try_for_each(|peer| op.send(peer, CARRIES, &payload))?;
            for peer in self.peers() {
                let payload = op.recv(peer, CARRIES, wire.bytes()).await?;
                told[peer] = vec![0; mine.len()];
                wire.unpack(&payload, &mut told[peer]);
            }
            op.round();
        }
        told[self.me] = mine;
        Ok(Sums { shape, order, numbers, spare, own, told })
    }

    /// What [`Holder::tell_carries`] costs.
    pub(in crate::schemes) fn carries_cost(&self, shape: Shape) -> Cost {
        match shape.carries() {
            0 => Cost::local(self.n),
            _ => self.each_cost(shape.wire().bytes()),
        }
    }

    /// The sums of each party as shared bits, row by row, their carries proven with weights from a coin that was
    /// tossed after all were told. One round, if there are any.
    ///
    /// # Errors
    /// A carry is wrong.
    pub(in crate::schemes) async fn proven(
        &self,
        op: &Op<'_>,
        coin: &Key,
        sums: Sums<'_>,
    ) -> Result<Vec<Shares>> {
        let Shape { lanes, rows, .. } = sums.shape;
        let mut own_tags = Zeroizing::new(vec![0; rows * lanes]);
        let (weights, mut proofs, mut keys) = (op.stream(coin, 0), vec![], vec![]);
        for peer in self.peers() {
            let (tags, proof) = self.prove(&weights, &sums, peer);
            add(&mut own_tags, &tags);
            proofs.push(proof);
            keys.push(self.keys(&weights, &sums, peer));
        }
        if sums.shape.carries() > 0 {
            for (peer, proof) in self.peers().zip(&proofs) {
                op.send(peer, PROOF, bytemuck::cast_slice(proof))?;
            }
            for (peer, (_, due)) in self.peers().zip(&keys) {
                let payload = op.recv(peer, PROOF, 16).await?;
                let word = |i: usize| {
                    u64::from_le_bytes(payload[8 * i..][..8].try_into().expect("8 bytes"))
                };
                let found = word(0) ^ field_times(self.key(), word(1));
                security_check!(
                    "known.proof",
                    found.ct_eq(due).into(),
                    Error::Cheating {
                        party: peer,
                        what: Misbehaviour::Inconsistent { label: PROOF.0 }
                    }
                );
            }
            op.round();
        }
        let depth = op.depth();
        let shares = |bits: &[u64], macs: &[u64]| {
            let wire = Wire { rows, bits: lanes };
            let held = bit_plane(rows * lanes, |out| {
                let dense = wire.pack(bits);
                bytemuck::cast_slice_mut(out)[..dense.len()].copy_from_slice(&dense);
            });
            let macs = mac_plane(rows * lanes, |out| {
                out.copy_from_slice(macs);
                add_where(out, held.words(), |_| self.key());
            });
            Shares::new(vec![held, macs], depth)
        };
        let none = vec![0; rows * stride(lanes)];
        let mut keys = keys.iter();
        let mut of = |party: Party| match party == self.me {
            true => shares(&sums.own.sums, &own_tags),
            false => shares(&none, &keys.next().expect("one for each peer").0),
        };
        Ok((0..self.n).map(&mut of).collect())
    }

    /// Tags of the sums of this party, and its proof to `peer`.
    fn prove(
        &self,
        stream: &Stream,
        sums: &Sums<'_>,
        peer: Party,
    ) -> (Zeroizing<Vec<u64>>, [u64; 2]) {
        let (shape, lanes) = (sums.shape, sums.shape.lanes);
        let numbers = low_words(&sums.numbers.with[peer].as_ref().expect("a peer").received);
        let spare = match shape.carries() {
            0 => Zeroizing::default(),
            _ => low_words(&sums.spare.with[peer].as_ref().expect("a peer").received),
        };
        let (mut proof, width) = ([0; 2], stride(lanes));
        let mut weights = vec![0; lanes];
        let tags = added(shape, lanes, tags(shape, sums.order, &numbers), |at, u, v, product| {
            product.copy_from_slice(&spare[at * lanes..][..lanes]);
            stream.fill((at * lanes.next_multiple_of(2)) as u64, &mut weights);
            add_weighed(&mut proof[0], &weights, u, v);
            let [of_u, of_v] = [0, 1].map(|i| &sums.own.factors[i][at * width..][..width]);
            let mut middle = Zeroizing::new(product.to_vec());
            add_where(&mut middle, of_u, |h| v[h]);
            add_where(&mut middle, of_v, |h| u[h]);
            field_dot(&mut proof[1], &middle, &weights);
        });
        if shape.carries() > 0 {
            let mut bits = [0];
            copy_bits(&sums.spare.bits, shape.spare() - HIDING, HIDING, &mut bits, 0);
            add(&mut proof, &[hiding(&spare), bits[0]]);
        }
        (tags, proof)
    }

    /// Keys of the sums of `peer`, and what its proof must be.
    fn keys(&self, stream: &Stream, sums: &Sums<'_>, peer: Party) -> (Zeroizing<Vec<u64>>, u64) {
        let (shape, lanes, key) = (sums.shape, sums.shape.lanes, self.key());
        let numbers = low_words(&sums.numbers.with[peer].as_ref().expect("a peer").sent);
        let spare = match shape.carries() {
            0 => Zeroizing::default(),
            _ => low_words(&sums.spare.with[peer].as_ref().expect("a peer").sent),
        };
        let (mut factors, mut products, width) = (0, 0, stride(lanes));
        let mut weights = vec![0; lanes];
        let keys = added(shape, lanes, tags(shape, sums.order, &numbers), |at, u, v, product| {
            product.copy_from_slice(&spare[at * lanes..][..lanes]);
            add_where(product, &sums.told[peer][at * width..][..width], |_| key);
            stream.fill((at * lanes.next_multiple_of(2)) as u64, &mut weights);
            add_weighed(&mut factors, &weights, u, v);
            field_dot(&mut products, product, &weights);
        });
        let hiding = if shape.carries() > 0 { hiding(&spare) } else { 0 };
        (keys, factors ^ field_times(key, products) ^ hiding)
    }

    /// What [`Holder::proven`] costs.
    pub(in crate::schemes) fn proof_cost(&self, shape: Shape) -> Cost {
        match shape.carries() {
            0 => Cost::local(self.n),
            _ => self.each_cost(16),
        }
    }

    /// A round in which each party sends so many bytes to each.
    fn each_cost(&self, bytes: usize) -> Cost {
        let peers = self.n - 1;
        Cost::each(self.n, 1, peers as u64, peers * bytes)
    }
}

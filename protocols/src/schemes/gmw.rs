//! Additive sharing of bits among any number of parties, with triples from oblivious transfer: what is
//! common to the protocols that compute on such bits.
//!
//! Sharing:  b = ⊕ b_i; party i holds b_i, packed 64 to a word.
//! Products: Beaver's: with `d = x ⊕ a` and `e = y ⊕ b` opened, `x∧y = c ⊕ d∧b ⊕ e∧a ⊕ d∧e`.
//! Triples:  `a_i∧b_j` of two parties from a transfer with choice a_i of a message that differs by b_j. Between
//!           two parties all of it is random: the choices are those of the extension, and b is the difference of
//!           the two messages (Asharov, Lindell, Schneider, Zohner 2013, Section 5.1), so that
//!           nothing but the correction of the extension is sent. More parties need one bit for each peer.
//! Cost:     a triple of two parties: 31 bits sent by each, one round; of more parties: 33 bits for each peer,
//!           two rounds. Long vectors may have silent transfers ([`crate::blocks::ot`]), 2^19 or more of them
//!           at a time: for n of them `16·t·(d - 1) + 15·t·d/8` bytes, t·2^d = 2n and 256 <= t < 512, and one
//!           round more; of more parties 2 bits for each peer besides, and two rounds more. With n = 2^19
//!           that is 0.78 bits a triple.
//!           A conjunction opens 2 bits besides.

use std::rc::Rc;

use mpc_runtime::{Depth, Key, Label, Op, Party, Result, Step};

use crate::algebra::bits::{Wire, packed, stride};
use crate::blocks::ot::{Bases, Call, Choices, Form, Many, Ot, Received, Transfers, together};
use crate::cost::{Call as Charged, Cost, Verb};
use crate::prepared::{prepared, prepared_fields};
use crate::protocol::Seeds;
use crate::value::{ClearBits, Plane, Shares, Unit};

const TRIPLE: Label = Label("gmw.triple");
const AND: Label = Label("gmw.and");
const OPEN: Label = Label("gmw.open");

/// Trees of transfers for short vectors, and for long ones.
pub(crate) const SHORT: Form = Form { odd: true, ..Form::semi_honest(4) };
const LONG: Form = Form::silent(8);

/// Conjunctions from which on bytes count more than time.
const LONG_FROM: usize = 1 << 12;

/// Lengths of parts of a vector, nearly equal: conjunctions whose triples are made together.
fn parts_of(len: usize) -> impl Iterator<Item = usize> {
    let part = together(len).next_multiple_of(64);
    (0..len).step_by(part).map(move |first| part.min(len - first))
}

/// Purposes of streams within one verb; those of inputs are the numbers of owners.
mod purpose {
    pub(super) const A: u16 = 0;
    pub(super) const B: u16 = 1;
    pub(super) const RANDOM: u16 = 2;
}

/// One party: its keys and its transfers.
pub(crate) struct Gmw {
    me: Party,
    n: usize,
    own: Key,
    pair: Vec<Key>,
    short: Rc<Ot>,
    /// For long vectors, if not the same.
    long: Option<Ot>,
}

/// Random bits with their products.
struct Triples {
    a: Plane,
    b: Plane,
    c: Plane,
    depth: Depth,
}

prepared_fields!(Triples { a, b, c, depth });

fn plane(len: usize, fill: impl FnOnce(&mut [u64])) -> Plane {
    Plane::build(Unit::Bit, len, fill)
}

/// `out ^= x`.
fn add(out: &mut [u64], x: &[u64]) {
    out.iter_mut().zip(x).for_each(|(o, x)| *o ^= x);
}

/// `out ^= x & y`.
fn add_product(out: &mut [u64], x: &[u64], y: &[u64]) {
    out.iter_mut().zip(x.iter().zip(y)).for_each(|(o, (x, y))| *o ^= x & y);
}

fn vector(len: usize, depth: Depth, fill: impl FnOnce(&mut [u64])) -> Shares {
    Shares::new(vec![plane(len, fill)], depth)
}

impl Gmw {
    /// With these transfers, of the form [`SHORT`]: the least time.
    pub(crate) fn new(n: usize, me: Party, seeds: &Seeds, transfers: Rc<Ot>) -> Gmw {
        let pair = seeds.pair.iter().map(|seed| Key::new(seed, "gmw")).collect();
        Gmw { me, n, own: Key::new(&seeds.own, "gmw"), pair, short: transfers, long: None }
    }

    /// With silent transfers for long vectors: the fewest bytes.
    pub(crate) fn silent(n: usize, me: Party, seeds: &Seeds, short: Rc<Ot>) -> Gmw {
        Gmw { long: Some(Ot::new(seeds, me, LONG)), ..Gmw::new(n, me, seeds, short) }
    }

    /// Grows the transfers that belong to it alone.
    pub(crate) async fn grow(&self, op: &Op<'_>, bases: &Bases) -> Result<()> {
        match &self.long {
            Some(long) => long.grow(op, bases).await,
            None => Ok(()),
        }
    }

    /// What [`Gmw::grow`] costs.
    pub(crate) fn growing(&self) -> Cost {
        match self.long {
            Some(_) => Ot::growing(LONG, self.n),
            None => Cost::local(self.n),
        }
    }

    fn peers(&self) -> impl Iterator<Item = Party> + use<> {
        let me = self.me;
        (0..self.n).filter(move |&peer| peer != me)
    }

    /// The transfers for conjunctions of so many bits, and their form.
    fn ot(&self, len: usize) -> (&Ot, Form) {
        match &self.long {
            Some(long) if len >= LONG_FROM => (long, LONG),
            _ => (&self.short, SHORT),
        }
    }

    /// Transfers that a triple takes of each pair of parties, either way.
    fn transfers(&self, len: usize) -> Many {
        if self.n == 2 { Many::random(len) } else { Many::chosen(len) }
    }

    /// In parts, one after the other: who is ahead of its peers fills their memory with one part of each
    /// vector only.
    async fn triples(&self, step: &Step, len: usize) -> Result<Triples> {
        let mut parts = vec![];
        for len in parts_of(len) {
            parts.push(self.triples_of_part(step, len).await?);
        }
        let all = |of: fn(&Triples) -> &Plane| {
            Plane::concat(&parts.iter().map(|part| of(part).clone()).collect::<Vec<_>>())
        };
        let depth = parts.iter().fold(Depth::ZERO, |depth, part| depth.max(part.depth));
        Ok(Triples { a: all(|t| &t.a), b: all(|t| &t.b), c: all(|t| &t.c), depth })
    }

    async fn triples_of_part(&self, step: &Step, len: usize) -> Result<Triples> {
        let op = step.op(Depth::ZERO);
        let (ot, _) = self.ot(len);
        if self.n == 2 {
            return self.random_triples(&op, ot, len).await;
        }
        let draw = |purpose| plane(len, |out| op.stream(&self.own, purpose).fill(0, out));
        self.chosen_triples(&op, ot, draw(purpose::A), draw(purpose::B)).await
    }

    /// Between two parties, a and b as they come.
    async fn random_triples(&self, op: &Op<'_>, ot: &Ot, len: usize) -> Result<Triples> {
        let peer = 1 - self.me;
        let many = self.transfers(len);
        let call = Call { send: many, receive: many, choices: Choices::Random };
        let received = |_, Received { transfers, choices }: Received| {
            let [mine] = transfers.bits([0]);
            (mine, choices)
        };
        let sent = |_, sent: Transfers| sent.bits([0, ot.delta(peer)]);
        let mut with = ot.extend_with(op, |_| call, received, sent).await?;
        let ((mine, choices), [zero, one]) = with.swap_remove(peer).expect("there is a peer");
        let a = plane(len, |out| out.copy_from_slice(&choices));
        let b = plane(len, |out| {
            add(out, &zero);
            add(out, &one);
        });
        let c = plane(len, |out| {
            add(out, &mine);
            add(out, &zero);
            add_product(out, a.words(), b.words());
        });
        Ok(Triples { a, b, c, depth: op.depth() })
    }

    /// Among more than two, a and b the same with each peer.
    async fn chosen_triples(&self, op: &Op<'_>, ot: &Ot, a: Plane, b: Plane) -> Result<Triples> {
        let len = a.len();
        let many = self.transfers(len);
        let call = Call { send: many, receive: many, choices: Choices::Given(a.words()) };
        let received = |_, received: Received| {
            let [mine] = received.transfers.bits([0]);
            mine
        };
        let sent = |peer, sent: Transfers| {
            let [zero, mut difference] = sent.bits([0, ot.delta(peer)]);
            add(&mut difference, &zero);
            add(&mut difference, b.words());
            (zero, difference)
        };
        let with = ot.extend_with(op, |_| call, received, sent).await?;
        let wire = Wire { rows: 1, bits: len };
        let mut c = plane(len, |out| add_product(out, a.words(), b.words()));
        for peer in self.peers() {
            let (mine, (zero, difference)) = with[peer].as_ref().expect("a peer");
            op.send(peer, TRIPLE, &wire.pack(difference))?;
            c.change(|out| {
                add(out, mine);
                add(out, zero);
            });
        }
        for peer in self.peers() {
            let payload = op.recv(peer, TRIPLE, wire.bytes()).await?;
            let difference = Plane::from_payload(Unit::Bit, len, payload);
            c.change(|out| add_product(out, difference.words(), a.words()));
        }
        Ok(Triples { a, b, c, depth: op.round() })
    }

    /// `x ∧ y`, by a triple made ahead.
    pub(crate) async fn and(&self, step: &Step, x: &Shares, y: &Shares) -> Result<Shares> {
        let len = x.len();
        if len == 0 {
            return Ok(x.clone());
        }
        let make = async |prep: &Step| self.triples(prep, len).await;
        let Triples { a, b, c, depth } = prepared(step, make).await?;
        let op = step.op(x.depth.max(y.depth).max(depth));
        let wire = Wire { rows: 2, bits: len };
        let words = stride(len);
        let mut hidden = vec![0; 2 * words];
        let (d, e) = hidden.split_at_mut(words);
        for (out, operand, mask) in [(d, x, &a), (e, y, &b)] {
            out.copy_from_slice(operand.plane(0).words());
            add(out, mask.words());
        }
        let payload = wire.pack(&hidden).into_owned();
        self.peers().try_for_each(|peer| op.send(peer, AND, &payload))?;
        let mut theirs = vec![0; 2 * words];
        for peer in self.peers() {
            theirs.fill(0);
            wire.unpack(&op.recv(peer, AND, wire.bytes()).await?, &mut theirs);
            add(&mut hidden, &theirs);
        }
        let (d, e) = hidden.split_at(words);
        Ok(vector(len, op.round(), |out| {
            add(out, c.words());
            add_product(out, d, b.words());
            add_product(out, e, a.words());
            if self.me == 0 {
                add_product(out, d, e);
            }
        }))
    }

    /// A public vector: party 0 holds it.
    pub(crate) fn public(&self, x: &ClearBits) -> Shares {
        let known = x.values().expect("public bits are known to all");
        vector(x.len(), x.depth, |out| {
            if self.me == 0 {
                out.iter_mut().zip(packed(known)).for_each(|(o, word)| *o = word);
            }
        })
    }

    pub(crate) fn xor(&self, a: &Shares, b: &Shares) -> Shares {
        vector(a.len(), a.depth.max(b.depth), |out| {
            add(out, a.plane(0).words());
            add(out, b.plane(0).words());
        })
    }

    pub(crate) fn xor_clear(&self, a: &Shares, c: &ClearBits) -> Shares {
        self.xor(a, &self.public(&c.broadcast(a.len())))
    }

    pub(crate) fn and_clear(&self, a: &Shares, c: &ClearBits) -> Shares {
        let c = c.broadcast(a.len());
        let known = c.values().expect("clear operands are known to all");
        vector(a.len(), a.depth.max(c.depth), |out| {
            let words = a.plane(0).words().iter().zip(packed(known));
            out.iter_mut().zip(words).for_each(|(o, (a, c))| *o = a & c);
        })
    }

    /// What `owner` has in `x`: all shares but its own are from keys that it has in common with their
    /// holders. Nothing is sent.
    pub(crate) fn share(&self, step: &Step, owner: Party, x: &ClearBits) -> Shares {
        let op = step.op(x.depth);
        let mask = |peer: Party, out: &mut [u64]| {
            op.stream(&self.pair[peer], owner as u16).fill(0, out);
        };
        vector(x.len(), x.depth, |out| {
            if owner != self.me {
                return mask(owner, out);
            }
            let known = x.values().expect("the owner has its values");
            out.iter_mut().zip(packed(known)).for_each(|(o, word)| *o = word);
            let mut masks = zeroize::Zeroizing::new(vec![0; out.len()]);
            for peer in self.peers() {
                mask(peer, &mut masks);
                add(out, &masks);
            }
        })
    }

    /// Uniform bits that nobody knows: everybody draws its share.
    pub(crate) fn random(&self, step: &Step, len: usize) -> Shares {
        let op = step.op(Depth::ZERO);
        vector(len, op.depth(), |out| op.stream(&self.own, purpose::RANDOM).fill(0, out))
    }

    pub(crate) async fn open(
        &self,
        step: &Step,
        a: &Shares,
        to: Option<Party>,
    ) -> Result<ClearBits> {
        let (op, len) = (step.op(a.depth), a.len());
        let wire = Wire { rows: 1, bits: len };
        let payload = wire.pack(a.plane(0).words());
        for peer in self.peers().filter(|&peer| to.is_none_or(|to| to == peer)) {
            op.send(peer, OPEN, &payload)?;
        }
        if to.is_some_and(|to| to != self.me) {
            return Ok(ClearBits::absent(len, op.round()));
        }
        let mut sum = a.plane(0).words().to_vec();
        for peer in self.peers() {
            let theirs = op.recv(peer, OPEN, wire.bytes()).await?;
            add(&mut sum, Plane::from_payload(Unit::Bit, len, theirs).words());
        }
        let bits: Vec<bool> = (0..len).map(|i| sum[i / 64] >> (i % 64) & 1 == 1).collect();
        Ok(ClearBits::new(bits, op.round()))
    }

    /// What the verbs on bits cost; `None` for others.
    pub(crate) fn cost(&self, call: &Charged) -> Option<Cost> {
        let (n, len) = (self.n, call.len);
        let peers = n - 1;
        let each = |bytes: usize| Cost::each(n, 1, peers as u64, peers * bytes);
        let bytes = len.div_ceil(8);
        Some(match call.verb {
            Verb::Xor | Verb::LinearBits | Verb::ShareBits { .. } | Verb::RandomBits => {
                Cost::local(n)
            }
            Verb::And if len == 0 => Cost::local(n),
            Verb::And => {
                let part = |len: usize| {
                    let extended = Ot::cost(self.ot(len).1, n, |_, _| self.transfers(len));
                    if n > 2 { extended.then(&each(len.div_ceil(8))) } else { extended }
                };
                let parts = parts_of(len).map(part);
                let triples = parts.fold(Cost::local(n), |all, part| all.beside(&part));
                triples.ahead().beside(&each(Wire { rows: 2, bits: len }.bytes()))
            }
            Verb::OpenBits { to } => opening(n, to, bytes),
            _ => return None,
        })
    }
}

/// One round in which all send `bytes` to `to`, or to all.
pub(crate) fn opening(n: usize, to: Option<Party>, bytes: usize) -> Cost {
    let Some(to) = to else { return Cost::each(n, 1, n as u64 - 1, (n - 1) * bytes) };
    let senders = (0..n).filter(|&party| party != to);
    senders.fold(Cost::local(n), |cost, party| cost.beside(&Cost::by(party, n, 1, bytes)))
}

#[cfg(test)]
mod tests {
    use mpc_runtime::Phase;

    use super::*;
    use crate::cost::Truncation;
    use crate::schemes::semi_bin;
    use crate::testing::conformance::{seed, setup};
    use crate::testing::session::Session;

    #[test]
    fn long_conjunctions_are_right_and_cost_what_is_declared() {
        for (parties, len) in [(2, 1 << 17), (3, (1 << 17) + 5)] {
            let setup = setup(parties, 64, Truncation::Exact);
            let session = Session { build: semi_bin::build, setup, seed: seed() };
            let task = |_, p: Rc<dyn crate::protocol::Protocol>, step: Step| {
                let work = async move {
                    let x = p.random_bits(&step, len).await?;
                    let y = p.random_bits(&step, len).await?;
                    let z = p.and(&step, &x, &y).await?;
                    let mut all = vec![];
                    for opened in [&x, &y, &z] {
                        let opened = p.open_bits(&step, opened, None).await?;
                        all.push(opened.values().map(<[bool]>::to_vec));
                    }
                    Ok(all)
                };
                Box::pin(work) as crate::testing::session::Task<Vec<Option<Vec<bool>>>>
            };
            let account = session.account(1, task);
            for (party, outcome) in session.run(1, task).into_iter().enumerate() {
                for phase in [Phase::Preprocessing, Phase::Online] {
                    assert_eq!(outcome.stats.sent_in(phase).bytes, account.bytes(phase, party));
                }
                assert_eq!(outcome.stats.preprocessing_rounds, account.preprocessing_rounds);
                let known: Vec<_> = outcome.results[0].iter().flatten().collect();
                let [x, y, z] = known[..] else { panic!("all are opened") };
                assert!((0..len).all(|i| z[i] == (x[i] && y[i])));
            }
        }
    }

    #[test]
    fn a_long_conjunction_takes_less_than_three_bits() {
        let seeds = crate::testing::session::seeds(0, 0, 2);
        let gmw = Gmw::silent(2, 0, &seeds, Rc::new(Ot::new(&seeds, 0, SHORT)));
        for len in [1 << 19, 1 << 20, 3 << 18, 1_900_000, 1 << 23] {
            let cost = gmw.cost(&Charged { verb: Verb::And, len, bits: 1, whole: 0 });
            let cost = cost.expect("a verb on bits");
            let bytes = cost.sent[0].payload_bytes + cost.preprocessing[0].payload_bytes;
            assert!(8 * bytes < 3 * len as u64, "{bytes} bytes for {len}");
        }
    }
}

//! Garbled circuits between two parties, semi-honest: party 0 garbles, party 1 evaluates.
//!
//! Sharing:  of a bit b the garbler holds a label W, the evaluator W ⊕ b·Δ; Δ is the garbler's secret, with
//!           lowest bit 1, so that the lowest bits of both labels are shares of b (free exclusive or with
//!           point and permute: Kolesnikov, Schneider 2008; Beaver, Micali, Rogaway 1990).
//! Paper:    half gates: Zahur, Rosulek, Evans 2015, eprint 2014/756, Figure 2; hash: Guo, Katz, Wang,
//!           Weng, Yu 2020, eprint 2019/1168.
//! Differs:  the paper on hashes has a key for each gate, from which its bound follows for many instances
//!           at once. Here [`CHUNK`] gates have a key of their own, and the hash is [`Aes::tmmo`]
//!           (Guo, Katz, Wang, Yu 2019, eprint 2019/074, Section 7.4), tweaked by the number of the half
//!           gate. It is secure with a known key and a loss that grows with the gates under one key: it
//!           takes two calls of AES, but no key schedule.
//!           Labels of the garbler's inputs follow from a common key: the evaluator's label is its stream.
//!           Labels of the evaluator's inputs are correlated transfers with the same Δ, made ahead with random
//!           choices, which the evaluator corrects by a bit each.
//! Security: the other party learns nothing; a malicious garbler may compute something else and learn
//!           inputs, a malicious evaluator may alter what the garbler is told.
//! Cost:     and 32 bytes from the garbler, no round of its own: tables leave as soon as labels are known, and
//!           nothing is told to the garbler but at openings, so that garbling, sending and evaluating
//!           overlap. Share: nothing for the garbler, 1 bit for the evaluator and
//!           31 bits of a transfer ahead. Open: 1 round to the evaluator, 2 to the garbler, 1 bit each.
//!
//! *Depth.* A share has the depth of the garbler's label. What the evaluator tells may depend on tables,
//! which are one deeper, whence the second round of an opening.

use std::ops::Range;
use std::rc::Rc;

use mpc_runtime::buffer::Buffer;
use mpc_runtime::{Depth, Key, Label, Op, Party, Result, Step, join_all};
use zeroize::Zeroizing;

use super::over_binary::{BinaryScheme, OverBinary};
use crate::algebra::bits::{lowest_of_each, packed, stride};
use crate::algebra::simd::{self, Aes, TABLES, times};
use crate::blocks::ot::{self, Bases, Block, Choices, Form, Many, Ot};
use crate::cost::{Call, Cost, Verb};
use crate::prepared::prepared;
use crate::protocol::{
    Abort, Fut, Info, Keys, Parties, Protocol, Security, Seeds, Setup, done, now,
};
use crate::value::{ClearBits, Plane, Shares, Unit};

/// What it promises.
pub const INFO: Info = Info {
    name: "yao",
    parties: Parties::Exactly(PARTIES),
    corrupted: "1",
    security: Security::SemiHonest,
    abort: Abort::None,
    comp_sec: "128, by AES-128 and Ristretto255",
    stat_sec: "0: nothing is masked",
    domain: "bits",
    assumptions: "computational Diffie-Hellman over Ristretto255 with BLAKE3 as random oracle; AES-128 \
                  is an ideal cipher",
    truncation: "exact in every mode",
    paper: "eprint 2014/756, 2019/1168",
};

const PARTIES: usize = 2;
/// Of one gate.
const TABLE_BYTES: usize = TABLES * size_of::<Block>();
const GARBLER: Party = 0;
const EVALUATOR: Party = 1;

/// The garbler sends, and its Δ is that of the labels.
const FORM: Form = Form { odd: true, ..Form::semi_honest(4) };

/// Gates whose hashes have a key in common.
const CHUNK: usize = 256;
/// Most gates whose tables are one message: 32 MiB.
const MOST_GATES: usize = 1 << 20;
/// Gates of a tile of a long vector: labels and tables of so many are 320 KiB, which fit the second-level cache.
const TILE: usize = 1 << 12;

const AND: Label = Label("yao.and.tables");
const CHOICE: Label = Label("yao.share.choice");
const DECODE: Label = Label("yao.open.decode");
const COLOUR: Label = Label("yao.open.colour");

/// Purposes of streams within one verb.
mod purpose {
    /// Keys of hashes, known to both.
    pub(super) const KEYS: u16 = 0;
    /// Labels of the garbler's inputs, known to both.
    pub(super) const LABELS: u16 = 1;
    /// What the garbler adds to random bits.
    pub(super) const OWN: u16 = 2;
}

/// Makes one party.
///
/// # Errors
/// As [`OverBinary::build`].
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    let yao = Yao {
        me,
        own: Key::new(&seeds.own, "yao"),
        pair: Key::new(&seeds.pair[PARTIES - 1 - me], "yao"),
        bases: Bases::new(seeds, me, FORM.odd),
        ot: Ot::new(seeds, me, FORM),
    };
    OverBinary::build(Rc::new(yao), setup)
}

struct Yao {
    me: Party,
    own: Key,
    pair: Key,
    bases: Bases,
    ot: Ot,
}

fn vector(len: usize, depth: Depth, fill: impl FnOnce(&mut [Block])) -> Shares {
    let plane = Plane::build(Unit::Words(2), len, |out| fill(bytemuck::cast_slice_mut(out)));
    Shares::new(vec![plane], depth)
}

fn labels(plane: &Plane) -> &[Block] {
    bytemuck::cast_slice(plane.words())
}

/// Bit `i` of packed bits, as lowest bit.
fn bit(words: &[u64], i: usize) -> Block {
    Block::from(words[i / 64] >> (i % 64))
}

/// The bytes of packed bits that travel.
fn payload(words: &[u64], len: usize) -> &[u8] {
    &bytemuck::cast_slice(words)[..len.div_ceil(8)]
}

/// Transfers from the garbler to the evaluator.
fn transfers(from: Party, len: usize) -> Many {
    Many::random(if from == GARBLER { len } else { 0 })
}

impl Yao {
    fn garbles(&self) -> bool {
        self.me == GARBLER
    }

    /// Δ at the garbler, 0 at the evaluator: what a label changes by where the garbler changes a bit.
    fn delta(&self) -> Block {
        if self.garbles() { self.ot.delta(EVALUATOR) } else { 0 }
    }

    /// Chunks of gates: which they are, and the cipher of each.
    fn chunks(&self, op: &Op<'_>, len: usize) -> impl Iterator<Item = (Range<usize>, Aes)> {
        let keys = op.stream(&self.pair, purpose::KEYS).words(2 * len.div_ceil(CHUNK));
        (0..len).step_by(CHUNK).zip(0..).map(move |(first, i): (usize, usize)| {
            let key = Block::from(keys[2 * i]) | Block::from(keys[2 * i + 1]) << 64;
            (first..len.min(first + CHUNK), Aes::new(key))
        })
    }

    /// Labels of 0 of all gates, and their tables.
    fn garble(
        &self,
        op: &Op<'_>,
        x: &[Block],
        y: &[Block],
        out: &mut [Block],
        tables: &mut [Block],
    ) {
        let delta = self.delta();
        for (part, aes) in self.chunks(op, x.len()) {
            let tables = &mut tables[TABLES * part.start..TABLES * part.end];
            simd::garble(&aes, delta, [&x[part.clone()], &y[part.clone()]], &mut out[part], tables);
        }
    }

    /// The evaluator's labels of all gates, from their tables.
    fn evaluate(&self, op: &Op<'_>, x: &[Block], y: &[Block], tables: &[Block], out: &mut [Block]) {
        for (part, aes) in self.chunks(op, x.len()) {
            let tables = &tables[TABLES * part.start..TABLES * part.end];
            simd::evaluate(&aes, [&x[part.clone()], &y[part.clone()]], tables, &mut out[part]);
        }
    }

    async fn gates(&self, step: &Step, x: &Shares, y: &Shares) -> Result<Shares> {
        if x.len() <= MOST_GATES {
            return self.gates_of_message(step, x, y).await;
        }
        let parts = (0..x.len()).step_by(MOST_GATES).map(|first| -> Fut<'_> {
            let range = first..x.len().min(first + MOST_GATES);
            let (x, y) = (x.slice(range.clone()), y.slice(range));
            Box::pin(async move { self.gates_of_message(step, &x, &y).await })
        });
        Ok(Shares::concat(&join_all(parts.collect()).await?))
    }

    async fn gates_of_message(&self, step: &Step, x: &Shares, y: &Shares) -> Result<Shares> {
        let (op, len) = (step.op(x.depth.max(y.depth)), x.len());
        if len == 0 {
            return Ok(x.clone());
        }
        let (x, y) = (labels(x.plane(0)), labels(y.plane(0)));
        if self.garbles() {
            let words = 2 * TABLES * len;
            let mut tables = Buffer::zeroed(words);
            let out = vector(len, op.depth(), |out| {
                let tables = bytemuck::cast_slice_mut(&mut tables.words_mut()[..words]);
                self.garble(&op, x, y, out, tables);
            });
            op.send(EVALUATOR, AND, bytemuck::cast_slice(&tables.words()[..words]))?;
            return Ok(out);
        }
        let tables = op.recv(GARBLER, AND, TABLE_BYTES * len).await?;
        let tables = Plane::from_payload(Unit::Words(2), TABLES * len, tables);
        Ok(vector(len, op.depth(), |out| self.evaluate(&op, x, y, labels(&tables), out)))
    }

    /// Random bits that the evaluator knows: labels, and at the evaluator the bits.
    async fn transferred(&self, op: &Op<'_>, len: usize) -> Result<ot::Extended> {
        let peer = PARTIES - 1 - self.me;
        let call = ot::Call {
            send: transfers(self.me, len),
            receive: transfers(peer, len),
            choices: Choices::Random,
        };
        Ok(self.ot.extend(op, |_| call).await?.swap_remove(peer).expect("there is a peer"))
    }

    /// Labels of transfers at this party.
    fn received(&self, transfers: &ot::Extended, out: &mut [Block]) {
        let mine = if self.garbles() { &transfers.sent } else { &transfers.received };
        mine.each(|first, blocks| out[first..first + blocks.len()].copy_from_slice(blocks));
    }

    /// What the garbler has in `x`.
    fn by_garbler(&self, step: &Step, x: &ClearBits) -> Shares {
        let (op, delta) = (step.op(x.depth), self.delta());
        vector(x.len(), op.depth(), |out| {
            op.stream(&self.pair, purpose::LABELS).fill(0, bytemuck::cast_slice_mut(out));
            if self.garbles() {
                let known = x.values().expect("the owner has its values");
                out.iter_mut().zip(known).for_each(|(o, &b)| *o ^= times(b.into(), delta));
            }
        })
    }

    /// What the evaluator has in `x`.
    async fn by_evaluator(&self, step: &Step, x: &ClearBits) -> Result<Shares> {
        let len = x.len();
        if len == 0 {
            return Ok(vector(0, x.depth, |_| ()));
        }
        let make = async |prep: &Step| {
            let op = prep.op(Depth::ZERO);
            let random = self.transferred(&op, len).await?;
            let labels = vector(len, op.depth(), |out| self.received(&random, out));
            let choices = Plane::build(Unit::Bit, len, |out| {
                out.iter_mut().zip(random.choices.iter()).for_each(|(o, word)| *o = *word);
            });
            Ok((labels, choices))
        };
        let (random, choices) = prepared(step, make).await?;
        let op = step.op(x.depth.max(random.depth));
        let mut change = Zeroizing::new(vec![0; stride(len)]);
        if self.garbles() {
            let bytes = op.recv(EVALUATOR, CHOICE, len.div_ceil(8)).await?;
            change.copy_from_slice(Plane::from_payload(Unit::Bit, len, bytes).words());
        } else {
            let known = packed(x.values().expect("the owner has its values"));
            let words = known.zip(choices.words());
            change.iter_mut().zip(words).for_each(|(c, (x, r))| *c = x ^ r);
            op.send(GARBLER, CHOICE, payload(&change, len))?;
        }
        let delta = self.delta();
        Ok(vector(len, op.round(), |out| {
            out.copy_from_slice(labels(random.plane(0)));
            out.iter_mut().enumerate().for_each(|(i, o)| *o ^= times(bit(&change, i), delta));
        }))
    }

    async fn random(&self, step: &Step, len: usize) -> Result<Shares> {
        let op = step.op(Depth::ZERO);
        if len == 0 {
            return Ok(vector(0, op.depth(), |_| ()));
        }
        let transfers = self.transferred(&op, len).await?;
        let (own, delta) = (op.stream(&self.own, purpose::OWN), self.delta());
        let own = Zeroizing::new(own.words(stride(len)));
        Ok(vector(len, op.depth(), |out| {
            self.received(&transfers, out);
            out.iter_mut().enumerate().for_each(|(i, o)| *o ^= times(bit(&own, i), delta));
        }))
    }

    async fn opened(&self, step: &Step, a: &Shares, to: Option<Party>) -> Result<ClearBits> {
        let (op, len) = (step.op(a.depth), a.len());
        let mine = lowest_of_each(labels(a.plane(0)));
        let mut theirs = None;
        if to != Some(GARBLER) {
            if self.garbles() {
                op.send(EVALUATOR, DECODE, payload(&mine, len))?;
            } else {
                theirs = Some(op.recv(GARBLER, DECODE, len.div_ceil(8)).await?);
            }
        }
        op.round();
        if to != Some(EVALUATOR) {
            if self.garbles() {
                theirs = Some(op.recv(EVALUATOR, COLOUR, len.div_ceil(8)).await?);
            } else {
                op.send(GARBLER, COLOUR, payload(&mine, len))?;
            }
            op.round();
        }
        let Some(theirs) = theirs else { return Ok(ClearBits::absent(len, op.depth())) };
        let theirs = Plane::from_payload(Unit::Bit, len, theirs);
        let open = |i| (bit(&mine, i) ^ bit(theirs.words(), i)) & 1 == 1;
        Ok(ClearBits::new((0..len).map(open).collect::<Vec<_>>(), op.depth()))
    }
}

impl BinaryScheme for Yao {
    fn security(&self) -> Security {
        Security::SemiHonest
    }

    fn parties(&self) -> usize {
        PARTIES
    }

    fn corrupted(&self) -> usize {
        1
    }

    fn units(&self) -> Vec<Unit> {
        vec![Unit::Words(2)]
    }

    fn tile_bits(&self) -> usize {
        TILE
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let len = call.len;
        let transfers = || Ot::cost(FORM, PARTIES, |from, _| transfers(from, len));
        let bits = |party| Cost::by(party, PARTIES, 1, len.div_ceil(8));
        let later = || Cost { rounds: 1, ..Cost::local(PARTIES) };
        let nothing = || Some(Cost::local(PARTIES));
        match call.verb {
            Verb::Xor | Verb::LinearBits | Verb::ShareBits { owner: GARBLER } => nothing(),
            Verb::And | Verb::ShareBits { .. } | Verb::RandomBits if len == 0 => nothing(),
            Verb::And => {
                let messages = len.div_ceil(MOST_GATES) as u64;
                Some(Cost { rounds: 0, ..Cost::by(GARBLER, PARTIES, messages, TABLE_BYTES * len) })
            }
            Verb::ShareBits { .. } => Some(transfers().ahead().beside(&bits(EVALUATOR))),
            Verb::RandomBits => Some(transfers()),
            Verb::OpenBits { to: Some(EVALUATOR) } => Some(bits(GARBLER)),
            Verb::OpenBits { to: Some(_) } => Some(later().then(&bits(EVALUATOR))),
            Verb::OpenBits { to: None } => Some(bits(GARBLER).then(&bits(EVALUATOR))),
            _ => None,
        }
    }

    fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(async move {
            let op = step.op(Depth::ZERO);
            self.bases.agree(&op).await?;
            self.ot.grow(&step.op(op.depth()), &self.bases).await
        })
    }

    fn keys(&self) -> Keys {
        self.ot.keys()
    }

    fn restore<'a>(&'a self, _: &'a Step, keys: &'a [u8]) -> Fut<'a, ()> {
        done(self.ot.restore(keys))
    }

    fn setup_cost(&self) -> Cost {
        Bases::cost(PARTIES).then(&Ot::growing(FORM, PARTIES))
    }

    fn public_bits(&self, x: &ClearBits) -> Shares {
        let known = x.values().expect("public bits are known to all");
        let delta = self.delta();
        vector(x.len(), x.depth, |out| {
            out.iter_mut().zip(known).for_each(|(o, &b)| *o = times(b.into(), delta));
        })
    }

    fn xor(&self, a: &Shares, b: &Shares) -> Shares {
        let operands = labels(a.plane(0)).iter().zip(labels(b.plane(0)));
        vector(a.len(), a.depth.max(b.depth), |out| {
            out.iter_mut().zip(operands).for_each(|(o, (a, b))| *o = a ^ b);
        })
    }

    fn xor_clear(&self, a: &Shares, c: &ClearBits) -> Shares {
        self.xor(a, &self.public_bits(&c.broadcast(a.len())))
    }

    fn and_clear(&self, a: &Shares, c: &ClearBits) -> Shares {
        let c = c.broadcast(a.len());
        let known = c.values().expect("clear operands are known to all");
        let operands = labels(a.plane(0)).iter().zip(known);
        vector(a.len(), a.depth.max(c.depth), |out| {
            out.iter_mut().zip(operands).for_each(|(o, (&a, &c))| *o = times(c.into(), a));
        })
    }

    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        Box::pin(self.gates(step, a, b))
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a> {
        match owner {
            GARBLER => now(self.by_garbler(step, x)),
            _ => Box::pin(self.by_evaluator(step, x)),
        }
    }

    fn open_bits<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
    ) -> Fut<'a, ClearBits> {
        Box::pin(self.opened(step, a, to))
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        Box::pin(self.random(step, n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Truncation;
    use crate::testing::conformance::{costs_as_predicted, seed, setup};
    use crate::testing::session::{Session, Task};

    #[test]
    fn more_gates_than_one_message_holds_are_several_messages() {
        const N: usize = MOST_GATES + 300;
        let session = Session { build, setup: setup(PARTIES, 64, Truncation::Exact), seed: seed() };
        let gates = |_, p: Rc<dyn Protocol>, step: Step| -> Task<bool> {
            Box::pin(async move {
                let bits = |by: usize| match step.me() {
                    GARBLER => ClearBits::new(
                        (0..N).map(|i| i / by % 2 == 1).collect::<Vec<_>>(),
                        Depth::ZERO,
                    ),
                    _ => ClearBits::absent(N, Depth::ZERO),
                };
                let x = p.share_bits(&step, GARBLER, &bits(1)).await?;
                let y = p.share_bits(&step, GARBLER, &bits(2)).await?;
                let product = p.and(&step, &x, &y).await?;
                let opened = p.open_bits(&step, &product, None).await?;
                let due = |(i, &bit): (usize, &bool)| bit == (i % 4 == 3);
                Ok(opened.values().is_some_and(|opened| opened.iter().enumerate().all(due)))
            })
        };
        costs_as_predicted(&session, "many gates", gates);
        for outcome in session.run(1, gates) {
            assert_eq!(outcome.results, [true]);
            let sent = outcome.stats.by_label.get(AND.0).map_or(0, |counts| counts.messages);
            assert!(sent == 0 || sent == 2, "{sent}");
        }
    }

    /// A garbled gate gives the label of the product, whatever the lowest bits of the labels are.
    #[test]
    fn a_gate_is_a_product_of_bits() {
        let session = Session { build, setup: setup(PARTIES, 64, Truncation::Exact), seed: seed() };
        let outcomes = session.run(1, |_, p, step| {
            Box::pin(async move {
                const N: usize = 3 * CHUNK + 5;
                let at = |by: usize| (0..N).map(|i| i / by % 2 == 1).collect::<Vec<_>>();
                let of = |owner, bits: Vec<bool>| match step.me() == owner {
                    true => ClearBits::new(bits, Depth::ZERO),
                    false => ClearBits::absent(N, Depth::ZERO),
                };
                let x = p.share_bits(&step, GARBLER, &of(GARBLER, at(1))).await?;
                let y = p.share_bits(&step, EVALUATOR, &of(EVALUATOR, at(2))).await?;
                let z = p.and(&step, &x, &y).await?;
                let zz = p.and(&step, &z, &x).await?;
                let mut opened = vec![];
                for to in [None, Some(GARBLER), Some(EVALUATOR)] {
                    opened.push(p.open_bits(&step, &zz, to).await?.values().map(<[bool]>::to_vec));
                }
                let due: Vec<bool> = (0..N).map(|i| i % 4 == 3).collect();
                Ok((opened, due))
            })
        });
        for (me, outcome) in outcomes.iter().enumerate() {
            let (opened, due) = &outcome.results[0];
            for (to, opened) in [None, Some(GARBLER), Some(EVALUATOR)].into_iter().zip(opened) {
                let learns = to.is_none_or(|to| to == me);
                assert_eq!(opened.as_ref(), learns.then_some(due), "party {me}, opened to {to:?}");
            }
        }
    }

    /// The garbler hears of the evaluator only what inputs and openings tell it.
    #[test]
    fn tables_go_one_way() {
        let session = Session { build, setup: setup(PARTIES, 64, Truncation::Exact), seed: seed() };
        let outcomes = session.run(1, |_, p, step| {
            Box::pin(async move {
                let x = p.random_bits(&step, 1000).await?;
                let mut y = x.clone();
                for _ in 0..20 {
                    y = p.and(&step, &x, &y).await?;
                }
                Ok(y.depth)
            })
        });
        let tables = outcomes[0].stats.by_label[AND.0];
        assert_eq!((tables.messages, tables.bytes), (20, 20 * (28 + 32 * 1000)));
        assert!(!outcomes[1].stats.by_label.contains_key(AND.0));
        // One after the other, and yet no round more.
        assert_eq!(outcomes[0].results[0].online, 1);
    }
}

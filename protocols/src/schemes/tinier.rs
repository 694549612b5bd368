//! Authenticated bits among any number of parties, malicious, all but one corrupted.
//!
//! Sharing:  b = ⊕ b_i; party i holds b_i, packed 64 to a word, and a word m_i with ⊕ m_i = b·D; D = ⊕ D_i,
//!           D_i the low word of the secret Δ that party i has in all transfers that it sends.
//! Paper:    Frederiksen, Keller, Orsini, Scholl 2015, eprint 2015/901; transfers: Roy 2022, eprint
//!           2022/192; triples: Wang, Ranellucci, Katz 2017, eprint 2017/189, Figures 7 to 9.
//! Differs:  2015/901 makes triples that may be wrong and leak, and sacrifices B - 1 of B of them before it
//!           combines buckets of B: B^2 transfers of bits for a triple. Here a triple is proven right by
//!           its MAC when it is made (2017/189; MACs of a word, proofs added up with random weights), so
//!           that only the combining is left: [`triples`]. That bits are the same towards all peers is
//!           not tested when they are made: MACs of what is opened tell, see [`macs`].
//! Security: any n - 1 parties learn nothing; if they cheat, honest parties abort or have the right result,
//!           but with probability 2^-63 for each check. They know the mask of an operand with probability
//!           2^-σ for each vector of conjunctions.
//! Cost:     and 1 round, 2 bits to each peer; before, 10 rounds and a triple: in vectors of 2^14, with two
//!           parties, 80 bytes sent by each. share 1 round, 1 bit from the owner; open 1 round, 1 bit to each
//!           peer; before an input, or an output to one party, and for a random bit: 31 bits from who
//!           knows it (32 to each peer of several). A check 4 rounds and 200 bytes to each peer;
//!           everything else is a circuit of [`super::over_binary`].

pub(super) mod bits;
pub(super) mod known;
pub(super) mod macs;
#[cfg(test)]
mod tests;
pub(super) mod triples;

use std::rc::Rc;

use mpc_runtime::{Depth, Error, Label, Party, Result, Step};

use self::bits::{FORM, Holder, bit_plane, masked, sum};
use self::macs::{Openings, STAT_SEC};
use self::triples::Triples;
use super::over_binary::{BinaryScheme, OverBinary};
use crate::algebra::bits::{Wire, packed};
use crate::blocks::coin;
use crate::blocks::ot::{Bases, Ot};
use crate::cost::{Call, Cost, Verb};
use crate::prepared::prepared;
use crate::protocol::{Abort, Fut, Info, Keys, Parties, Protocol, Security, Seeds, Setup, done};
use crate::value::{ClearBits, Plane, Shares, Unit};

/// What it promises.
pub const INFO: Info = Info {
    name: "tinier",
    parties: Parties::AtLeast(2),
    corrupted: "n - 1",
    security: Security::Malicious,
    abort: Abort::Selective,
    comp_sec: "128, by AES-128 and Ristretto255",
    stat_sec: "2^-σ for each vector of up to 2^15 conjunctions; 2^-63 for each check of MACs; σ above 60 is refused",
    domain: "bits",
    assumptions: "computational Diffie-Hellman over Ristretto255 with BLAKE3 as random oracle; AES-128 \
                  is an ideal cipher",
    truncation: "exact in every mode",
    paper: "eprint 2015/901, 2017/189, 2022/192",
};

const AND: Label = Label("tinier.and");
const OPEN: Label = Label("tinier.open");
const SHARE: Label = Label("tinier.share");

/// Makes one party.
///
/// # Errors
/// More statistical security than 60 bits, and as [`OverBinary::build`].
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    OverBinary::build(Rc::new(Tinier::new(setup, me, seeds)?), setup)
}

pub(super) struct Tinier {
    stat_sec: u32,
    bases: Bases,
    pub(super) holder: Holder,
    pub(super) openings: Openings,
}

/// A clear vector as bits.
fn as_plane(x: &ClearBits) -> Plane {
    let values = x.values().expect("clear operands are known to all");
    bit_plane(x.len(), |out| out.iter_mut().zip(packed(values)).for_each(|(o, word)| *o = word))
}

/// A vector of no elements.
pub(super) fn nothing(depth: Depth) -> Shares {
    Shares::new(vec![bit_plane(0, |_| ()), Plane::build(Unit::Words(1), 0, |_| ())], depth)
}

impl Tinier {
    pub(super) fn new(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Tinier> {
        if setup.stat_sec > STAT_SEC {
            return Err(Error::Program(format!(
                "tinier has {STAT_SEC} bits of statistical security, {} are asked for",
                setup.stat_sec
            )));
        }
        Ok(Tinier {
            stat_sec: setup.stat_sec,
            bases: Bases::new(seeds, me, false).of_one_secret(),
            holder: Holder::new(setup.parties, me, seeds),
            openings: Openings::default(),
        })
    }

    /// Random bits that nobody knows, or that only `owner` knows.
    async fn random(&self, step: &Step, len: usize, owner: Option<Party>) -> Result<Shares> {
        let make = async |prep: &Step| self.holder.random(&prep.op(Depth::ZERO), len, owner).await;
        prepared(step, make).await
    }

    /// By a triple made ahead.
    async fn multiplied(&self, step: &Step, x: &Shares, y: &Shares) -> Result<Shares> {
        let len = x.len();
        if len == 0 {
            return Ok(x.clone());
        }
        let make = async |prep: &Step| self.holder.triples(prep, len, self.stat_sec).await;
        let triples = prepared(step, make).await?;
        self.multiplied_by(step, triples, x, y).await
    }

    /// By a triple for each.
    pub(super) async fn multiplied_by(
        &self,
        step: &Step,
        Triples { a, b, c }: Triples,
        x: &Shares,
        y: &Shares,
    ) -> Result<Shares> {
        let len = x.len();
        let op = step.op(x.depth.max(y.depth).max(c.depth));
        let hidden = Shares::concat(&[sum(x, &a), sum(y, &b)]);
        let opened = self.openings.open(&self.holder, &op, AND, &hidden).await?;
        let (d, e) = (opened.slice(0..len), opened.slice(len..2 * len));
        let both = bit_plane(len, |out| bits::add_product(out, d.words(), e.words()));
        let both = self.holder.public(both, op.depth());
        Ok(sum(&sum(&c, &masked(&b, &d)), &sum(&masked(&a, &e), &both)))
    }

    /// What a check costs, if there is something to check.
    pub(super) fn checking(&self, anything: bool) -> Cost {
        match anything {
            true => coin::cost(self.holder.n).then(&self.holder.verify_cost()),
            false => Cost::local(self.holder.n),
        }
    }

    /// A random bit that the owner knows, and what it differs by.
    async fn shared(&self, step: &Step, owner: Party, x: &ClearBits) -> Result<Shares> {
        let len = x.len();
        if len == 0 {
            return Ok(nothing(x.depth));
        }
        let random = self.random(step, len, Some(owner)).await?;
        let op = step.op(x.depth.max(random.depth));
        let wire = Wire { rows: 1, bits: len };
        let difference = if owner == self.holder.me {
            let mut difference = as_plane(x);
            difference.change(|out| bits::add(out, random.plane(0).words()));
            let payload = wire.pack(difference.words()).into_owned();
            self.holder.peers().try_for_each(|peer| op.send(peer, SHARE, &payload))?;
            difference
        } else {
            Plane::from_payload(Unit::Bit, len, op.recv(owner, SHARE, wire.bytes()).await?)
        };
        Ok(sum(&random, &self.holder.public(difference, op.round())))
    }

    /// What one party is to learn is hidden from the others by bits that it knows.
    async fn opened(&self, step: &Step, a: &Shares, to: Option<Party>) -> Result<ClearBits> {
        let len = a.len();
        let learns = to.is_none_or(|to| to == self.holder.me);
        if len == 0 {
            return Ok(ClearBits::new(vec![], a.depth));
        }
        let (mut told, mut mask) = (a.clone(), None);
        if to.is_some() {
            let random = self.random(step, len, to).await?;
            told = sum(&told, &random);
            mask = Some(random);
        }
        let op = step.op(told.depth);
        let opened = self.openings.open(&self.holder, &op, OPEN, &told).await?;
        if !learns {
            return Ok(ClearBits::absent(len, op.depth()));
        }
        let hides = |i: usize| mask.as_ref().is_some_and(|mask| mask.plane(0).bit(i));
        let bits: Vec<bool> = (0..len).map(|i| opened.bit(i) ^ hides(i)).collect();
        Ok(ClearBits::new(bits, op.depth()))
    }
}

impl BinaryScheme for Tinier {
    fn parties(&self) -> usize {
        self.holder.n
    }

    fn corrupted(&self) -> usize {
        self.holder.n - 1
    }

    fn units(&self) -> Vec<Unit> {
        vec![Unit::Bit, Unit::Words(1)]
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let (holder, n, len) = (&self.holder, self.holder.n, call.len);
        Some(match call.verb {
            Verb::Xor | Verb::LinearBits => Cost::local(n),
            Verb::And | Verb::ShareBits { .. } | Verb::OpenBits { .. } | Verb::RandomBits
                if len == 0 =>
            {
                Cost::local(n)
            }
            Verb::And => {
                let triples = holder.triples_cost(len, self.stat_sec);
                triples.ahead().beside(&holder.open_cost(2 * len))
            }
            Verb::ShareBits { owner } => {
                let peers = n - 1;
                let tells = Cost::by(owner, n, peers as u64, peers * len.div_ceil(8));
                holder.random_cost(len, Some(owner)).ahead().beside(&tells)
            }
            Verb::OpenBits { to: None } => holder.open_cost(len),
            Verb::OpenBits { to } => {
                holder.random_cost(len, to).ahead().beside(&holder.open_cost(len))
            }
            Verb::RandomBits => holder.random_cost(len, None).ahead(),
            _ => return None,
        })
    }

    fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(async move {
            let op = step.op(Depth::ZERO);
            self.bases.agree(&op).await?;
            self.holder.ot.grow(&step.op(op.depth()), &self.bases).await
        })
    }

    fn keys(&self) -> Keys {
        self.holder.ot.keys()
    }

    fn restore<'a>(&'a self, _: &'a Step, keys: &'a [u8]) -> Fut<'a, ()> {
        done(self.holder.ot.restore(keys))
    }

    fn setup_cost(&self) -> Cost {
        let n = self.holder.n;
        Bases::cost(n).then(&Ot::growing(FORM, n))
    }

    fn public_bits(&self, x: &ClearBits) -> Shares {
        self.holder.public(as_plane(x), x.depth)
    }

    fn xor(&self, a: &Shares, b: &Shares) -> Shares {
        sum(a, b)
    }

    fn xor_clear(&self, a: &Shares, c: &ClearBits) -> Shares {
        sum(a, &self.public_bits(&c.broadcast(a.len())))
    }

    fn and_clear(&self, a: &Shares, c: &ClearBits) -> Shares {
        masked(a, &as_plane(&c.broadcast(a.len()))).at_depth(c.depth)
    }

    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        Box::pin(self.multiplied(step, a, b))
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a> {
        Box::pin(self.shared(step, owner, x))
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
        Box::pin(async move {
            if n == 0 {
                return Ok(nothing(Depth::ZERO));
            }
            self.random(step, n, None).await
        })
    }

    fn verifies(&self) -> bool {
        true
    }

    fn check<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(async move {
            let claims = self.openings.take();
            if claims.is_empty() {
                return Ok(());
            }
            let op = step.op(Depth::ZERO);
            let coin = coin::toss(&op, &self.holder.own).await?;
            self.holder.verify(&step.op(op.depth()), &coin, &claims).await
        })
    }

    fn check_cost(&self, calls: &[Call]) -> Cost {
        let opens =
            |call: &Call| call.len > 0 && matches!(call.verb, Verb::And | Verb::OpenBits { .. });
        self.checking(calls.iter().any(opens))
    }
}

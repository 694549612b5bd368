//! A protocol on which the cheating tests are tested: nothing is private, everything is vouched for.
//!
//! Sharing:  each of three parties knows every number and every bit.
//! Products: a party tells the next one the result, and the one after that vouches for it. So do owners
//!           with inputs and parties with openings.
//! Security: none against who looks; a cheat is found by the check.

use std::rc::Rc;

use mpc_protocols::blocks::coin;
use mpc_protocols::blocks::vouch::{self, Vouchers};
use mpc_protocols::protocol::now;
use mpc_protocols::registry::{self, Entry};
use mpc_protocols::{
    Abort, Call, Clear, ClearBits, Cost, Domain, Fut, Info, Parties, Plane, Protocol, Security,
    Seeds, Setup, Shares, Truncation, Unit, Units, Verb,
};
use mpc_runtime::{Depth, Key, Label, Op, Party, Result, Step};

const PARTIES: usize = 3;
const RESULT: Label = Label("open-book.result");
const SHARE: Label = Label("open-book.share");
const OPEN: Label = Label("open-book.open");

const INFO: Info = Info {
    name: "open-book",
    parties: Parties::Exactly(PARTIES),
    corrupted: "1",
    security: Security::Malicious,
    abort: Abort::Selective,
    comp_sec: "128, by BLAKE3",
    stat_sec: "0",
    domain: "integers of 128 bits",
    assumptions: "BLAKE3 is collision resistant",
    truncation: "exact in every mode",
    paper: "-",
};

/// The protocol.
pub static OPEN_BOOK: Entry = Entry { info: &INFO, make: |s, me, seeds| build(s, me, seeds, true) };

/// The protocol without its check.
pub static CARELESS: Entry = Entry {
    info: &Info { name: "careless", ..INFO },
    make: |s, me, seeds| build(s, me, seeds, false),
};

fn build(setup: &Setup, _: Party, seeds: &Seeds, checks: bool) -> Result<Rc<dyn Protocol>> {
    let plain = (registry::find("plain")?.make)(setup, 0, seeds)?;
    let key = Key::new(&seeds.own, "open-book");
    Ok(Rc::new(OpenBook { plain, key, vouchers: Vouchers::new(PARTIES), checks }))
}

struct OpenBook {
    plain: Rc<dyn Protocol>,
    key: Key,
    vouchers: Vouchers,
    checks: bool,
}

fn bytes(plane: &Plane) -> Vec<u8> {
    plane.words().iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The one plane of a vector of numbers or of bits.
fn unit(a: &Shares) -> Unit {
    a.plane(0).unit()
}

impl OpenBook {
    /// What the party before says `mine` is, for which the party after vouches.
    async fn told(&self, op: &Op<'_>, label: Label, mine: &Plane) -> Result<Plane> {
        let me = op.me();
        let (next, previous) = ((me + 1) % PARTIES, (me + 2) % PARTIES);
        let payload = bytes(mine);
        op.send(next, label, &payload)?;
        self.vouchers.give(op, previous, label, &payload);
        let came = op.recv(previous, label, payload.len()).await?;
        self.vouchers.expect(op, next, label, &came);
        Ok(Plane::from_payload(mine.unit(), mine.len(), came))
    }

    /// A result that each party has computed.
    fn result<'a>(&'a self, step: &'a Step, mine: Fut<'a>) -> Fut<'a> {
        Box::pin(async move {
            let mine = mine.await?;
            let op = step.op(mine.depth);
            let plane = self.told(&op, RESULT, mine.plane(0)).await?;
            Ok(Shares::new(vec![plane], op.round()))
        })
    }

    /// What `owner` alone has, as `mine` there.
    async fn given(
        &self,
        step: &Step,
        owner: Party,
        mine: Option<Shares>,
        unit: Unit,
        (len, depth): (usize, Depth),
    ) -> Result<Shares> {
        let op = step.op(depth);
        let others = (0..PARTIES).filter(|&p| p != op.me());
        if let Some(mine) = mine {
            let payload = bytes(mine.plane(0));
            others.into_iter().try_for_each(|p| op.send(p, SHARE, &payload))?;
            return Ok(mine.at_depth(op.round()));
        }
        let came = op.recv(owner, SHARE, 8 * unit.words(len)).await?;
        for other in others.filter(|&p| p != owner) {
            self.vouchers.give(&op, other, SHARE, &came);
            self.vouchers.expect(&op, other, SHARE, &came);
        }
        Ok(Shares::new(vec![Plane::from_payload(unit, len, came)], op.round()))
    }

    /// The plane at those who learn it; each learns it from the party before.
    async fn opened(&self, op: &Op<'_>, a: &Shares, to: Option<Party>) -> Result<Option<Shares>> {
        let (mine, me) = (a.plane(0), op.me());
        let learns = |p: Party| to.is_none_or(|to| to == p);
        let (next, previous) = ((me + 1) % PARTIES, (me + 2) % PARTIES);
        let payload = bytes(mine);
        if learns(next) {
            op.send(next, OPEN, &payload)?;
        }
        if learns(previous) {
            self.vouchers.give(op, previous, OPEN, &payload);
        }
        let mut found = None;
        if learns(me) {
            let came = op.recv(previous, OPEN, payload.len()).await?;
            self.vouchers.expect(op, next, OPEN, &came);
            found = Some(Plane::from_payload(unit(a), a.len(), came));
        }
        let depth = op.round();
        Ok(found.map(|plane| Shares::new(vec![plane], depth)))
    }
}

impl Protocol for OpenBook {
    fn domain(&self) -> Domain {
        self.plain.domain()
    }

    fn units(&self) -> Units {
        self.plain.units()
    }

    fn stat_sec(&self) -> u32 {
        self.plain.stat_sec()
    }

    fn truncation(&self) -> Truncation {
        self.plain.truncation()
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let (numbers, bits) = (16 * call.len, 8 * call.len.div_ceil(64));
        let to_next = |bytes| Cost::each(PARTIES, 1, 1, bytes);
        let from = |owner, bytes: usize| Cost::by(owner, PARTIES, 2, 2 * bytes);
        let opened = |to: Option<Party>, bytes| match to {
            None => to_next(bytes),
            Some(to) => Cost::by((to + 2) % PARTIES, PARTIES, 1, bytes),
        };
        Some(match call.verb {
            Verb::Linear | Verb::AddClear | Verb::MulClear => Cost::local(PARTIES),
            Verb::Xor | Verb::LinearBits | Verb::FromBits => Cost::local(PARTIES),
            Verb::Mul => to_next(numbers),
            Verb::And => to_next(bits),
            Verb::Share { owner } => from(owner, numbers),
            Verb::ShareBits { owner } => from(owner, bits),
            Verb::Open { to } => opened(to, numbers),
            Verb::OpenBits { to } => opened(to, bits),
            Verb::RandomBits => coin::cost(PARTIES),
            _ => return None,
        })
    }

    fn check_cost(&self, _: &[Call], parties: usize) -> Cost {
        if self.checks { vouch::cost(parties) } else { Cost::local(parties) }
    }

    fn verifies(&self) -> bool {
        true
    }

    fn check<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        if !self.checks {
            return now(());
        }
        Box::pin(async move { self.vouchers.check(&step.op(Depth::ZERO)).await })
    }

    fn public<'a>(&'a self, step: &'a Step, x: &'a Clear) -> Fut<'a> {
        self.plain.public(step, x)
    }

    fn public_bits<'a>(&'a self, step: &'a Step, x: &'a ClearBits) -> Fut<'a> {
        self.plain.public_bits(step, x)
    }

    fn add<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a> {
        self.plain.add(step, a, b, bits)
    }

    fn sub<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a> {
        self.plain.sub(step, a, b, bits)
    }

    fn add_clear<'a>(&'a self, step: &'a Step, a: &'a Shares, c: &'a Clear, bits: u32) -> Fut<'a> {
        self.plain.add_clear(step, a, c, bits)
    }

    fn mul_clear<'a>(&'a self, step: &'a Step, a: &'a Shares, c: &'a Clear, bits: u32) -> Fut<'a> {
        self.plain.mul_clear(step, a, c, bits)
    }

    fn mul<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a> {
        self.result(step, self.plain.mul(step, a, b, bits))
    }

    fn share<'a>(&'a self, step: &'a Step, owner: Party, x: &'a Clear, bits: u32) -> Fut<'a> {
        Box::pin(async move {
            let mine = match owner == step.me() {
                true => Some(self.plain.share(step, 0, x, bits).await?),
                false => None,
            };
            self.given(step, owner, mine, Unit::Words(2), (x.len(), x.depth)).await
        })
    }

    fn open<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
        bits: u32,
    ) -> Fut<'a, Clear> {
        Box::pin(async move {
            let op = step.op(a.depth);
            match self.opened(&op, a, to).await? {
                Some(known) => self.plain.open(step, &known, None, bits).await,
                None => Ok(Clear::absent(a.len(), op.depth())),
            }
        })
    }

    fn xor<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        self.plain.xor(step, a, b)
    }

    fn xor_clear<'a>(&'a self, step: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        self.plain.xor_clear(step, a, c)
    }

    fn and_clear<'a>(&'a self, step: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        self.plain.and_clear(step, a, c)
    }

    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        self.result(step, self.plain.and(step, a, b))
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a> {
        Box::pin(async move {
            let mine = match owner == step.me() {
                true => Some(self.plain.share_bits(step, 0, x).await?),
                false => None,
            };
            self.given(step, owner, mine, Unit::Bit, (x.len(), x.depth)).await
        })
    }

    fn open_bits<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
    ) -> Fut<'a, ClearBits> {
        Box::pin(async move {
            let op = step.op(a.depth);
            match self.opened(&op, a, to).await? {
                Some(known) => self.plain.open_bits(step, &known, None).await,
                None => Ok(ClearBits::absent(a.len(), op.depth())),
            }
        })
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(Depth::ZERO);
            let coin = coin::toss(&op, &self.key).await?;
            let words = op.stream(&coin, 0).words(n.div_ceil(64));
            let plane = Plane::bits(n, |i| words[i / 64] >> (i % 64) & 1 == 1);
            Ok(Shares::new(vec![plane], op.depth()))
        })
    }

    fn from_bits<'a>(&'a self, step: &'a Step, a: &'a Shares) -> Fut<'a> {
        self.plain.from_bits(step, a)
    }
}

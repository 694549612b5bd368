//! A protocol without data: the same program, the same blocks, and declared costs instead of work.
//!
//! The ledger asks the scheme what a call costs ([`Protocol::cost`]). Where the scheme leaves a verb
//! to the default, the ledger runs the default block on vectors that have length and depth only, so
//! that the block's own calls are counted. What it adds up must equal what the wire counts.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use mpc_runtime::message::HEADER_BYTES;
use mpc_runtime::{Depth, Party, Phase, Step};

use crate::blocks;
use crate::cost::{Call, Cost, Sent, Truncation, Verb};
use crate::protocol::{Domain, Fut, Protocol};
use crate::value::{Clear, ClearBits, ClearVec, Shares};

/// What a program costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What each party sends, by phase.
    pub sent: BTreeMap<(Phase, Party), Sent>,
    /// What all parties together send, by static number of the instruction.
    pub by_place: BTreeMap<u32, Sent>,
    /// Longest chain of messages, and its online part.
    pub rounds: Depth,
    /// Longest chain of messages of the preprocessing phase.
    pub preprocessing_rounds: u32,
}

impl Account {
    /// Bytes that `party` sends in `phase`, with frame headers.
    pub fn bytes(&self, phase: Phase, party: Party) -> u64 {
        let sent = self.sent.get(&(phase, party)).copied().unwrap_or_default();
        sent.payload_bytes + sent.messages * HEADER_BYTES as u64
    }
}

/// The protocol that adds up costs.
pub struct Ledger {
    scheme: Rc<dyn Protocol>,
    parties: usize,
    account: RefCell<Account>,
}

impl Ledger {
    /// A ledger for a scheme among so many parties.
    pub fn new(scheme: Rc<dyn Protocol>, parties: usize) -> Ledger {
        Ledger { scheme, parties, account: RefCell::default() }
    }

    /// What was added up so far.
    pub fn account(&self) -> Account {
        self.account.borrow().clone()
    }

    /// The declared cost of a call, charged; `None` if the scheme declares none.
    fn charge(
        &self,
        step: &Step,
        depth: Depth,
        verb: Verb,
        len: usize,
        bits: u32,
    ) -> Option<Depth> {
        let cost = self.scheme.cost(&Call { verb, len, bits })?;
        Some(self.enter(step, depth, &cost))
    }

    fn enter(&self, step: &Step, depth: Depth, cost: &Cost) -> Depth {
        assert_eq!(cost.sent.len(), self.parties, "a cost names every party");
        let op = step.op(depth);
        (0..cost.rounds).for_each(|_| _ = op.round());
        let mut account = self.account.borrow_mut();
        for (party, &sent) in cost.sent.iter().enumerate() {
            if sent.messages == 0 {
                continue;
            }
            let total = account.sent.entry((step.phase(), party)).or_default();
            *total = *total + sent;
            let at_place = account.by_place.entry(step.place()).or_default();
            *at_place = *at_place + sent;
            account.rounds = account.rounds.max(op.depth());
            if step.phase() == Phase::Preprocessing {
                account.preprocessing_rounds = account.preprocessing_rounds.max(op.depth().total);
            }
        }
        op.depth()
    }

    fn required(&self, step: &Step, depth: Depth, verb: Verb, len: usize, bits: u32) -> Depth {
        self.charge(step, depth, verb, len, bits)
            .unwrap_or_else(|| panic!("no cost is declared for {verb:?}"))
    }

    fn shares<'a>(&self, step: &Step, depth: Depth, verb: Verb, len: usize, bits: u32) -> Fut<'a> {
        now(Shares::phantom(len, self.required(step, depth, verb, len, bits)))
    }
}

fn now<'a, T: 'a>(value: T) -> Fut<'a, T> {
    Box::pin(std::future::ready(Ok(value)))
}

/// A verb with a default: charged as declared, or else run as its block.
macro_rules! or_default {
    ($self:ident, $step:ident, $depth:expr, $verb:expr, $len:expr, $bits:expr, $default:expr) => {{
        let (depth, len) = ($depth, $len);
        match $self.charge($step, depth, $verb, len, $bits) {
            Some(depth) => now(Shares::phantom(len, depth)),
            None => Box::pin($default),
        }
    }};
}

impl Protocol for Ledger {
    fn domain(&self) -> Domain {
        self.scheme.domain()
    }

    fn stat_sec(&self) -> u32 {
        self.scheme.stat_sec()
    }

    fn truncation(&self) -> Truncation {
        self.scheme.truncation()
    }

    fn corrupted(&self, parties: usize) -> usize {
        self.scheme.corrupted(parties)
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        self.scheme.cost(call)
    }

    fn public<'a>(&'a self, _: &'a Step, x: &'a Clear) -> Fut<'a> {
        now(Shares::phantom(x.len(), x.depth))
    }

    fn add<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a> {
        self.shares(step, a.depth.max(b.depth), Verb::Linear, a.len(), bits)
    }

    fn sub<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a> {
        self.shares(step, a.depth.max(b.depth), Verb::Linear, a.len(), bits)
    }

    fn add_clear<'a>(&'a self, step: &'a Step, a: &'a Shares, c: &'a Clear, bits: u32) -> Fut<'a> {
        self.shares(step, a.depth.max(c.depth), Verb::AddClear, a.len(), bits)
    }

    fn mul_clear<'a>(&'a self, step: &'a Step, a: &'a Shares, c: &'a Clear, bits: u32) -> Fut<'a> {
        self.shares(step, a.depth.max(c.depth), Verb::MulClear, a.len(), bits)
    }

    fn mul<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a> {
        self.shares(step, a.depth.max(b.depth), Verb::Mul, a.len(), bits)
    }

    fn share<'a>(&'a self, step: &'a Step, owner: Party, x: &'a Clear, bits: u32) -> Fut<'a> {
        self.shares(step, x.depth, Verb::Share { owner }, x.len(), bits)
    }

    fn open<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
        bits: u32,
    ) -> Fut<'a, Clear> {
        now(Clear::absent(a.len(), self.required(step, a.depth, Verb::Open { to }, a.len(), bits)))
    }

    fn public_bits<'a>(&'a self, _: &'a Step, x: &'a ClearBits) -> Fut<'a> {
        now(Shares::phantom(x.len(), x.depth))
    }

    fn xor<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        self.shares(step, a.depth.max(b.depth), Verb::Xor, a.len(), 1)
    }

    fn xor_clear<'a>(&'a self, step: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        self.shares(step, a.depth.max(c.depth), Verb::LinearBits, a.len(), 1)
    }

    fn and_clear<'a>(&'a self, step: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        self.shares(step, a.depth.max(c.depth), Verb::LinearBits, a.len(), 1)
    }

    fn xor_disjoint<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        self.shares(step, a.depth.max(b.depth), Verb::LinearBits, a.len(), 1)
    }

    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        self.shares(step, a.depth.max(b.depth), Verb::And, a.len(), 1)
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a> {
        self.shares(step, x.depth, Verb::ShareBits { owner }, x.len(), 1)
    }

    fn open_bits<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
    ) -> Fut<'a, ClearBits> {
        now(ClearBits::absent(
            a.len(),
            self.required(step, a.depth, Verb::OpenBits { to }, a.len(), 1),
        ))
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        self.shares(step, Depth::ZERO, Verb::RandomBits, n, 1)
    }

    fn from_bits<'a>(&'a self, step: &'a Step, a: &'a Shares) -> Fut<'a> {
        self.shares(step, a.depth, Verb::FromBits, a.len(), 1)
    }

    fn sum<'a>(&'a self, step: &'a Step, a: &'a Shares, inner: usize, bits: u32) -> Fut<'a> {
        let verb = Verb::Sum { inner, prefix: false };
        or_default!(
            self,
            step,
            a.depth,
            verb,
            a.len() / inner,
            bits,
            blocks::linear::sum(self, step, a, inner, bits)
        )
    }

    fn prefix<'a>(&'a self, step: &'a Step, a: &'a Shares, inner: usize, bits: u32) -> Fut<'a> {
        let verb = Verb::Sum { inner, prefix: true };
        or_default!(
            self,
            step,
            a.depth,
            verb,
            a.len(),
            bits,
            blocks::linear::prefix(self, step, a, inner, bits)
        )
    }

    fn dot<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        inner: usize,
        bits: u32,
    ) -> Fut<'a> {
        let depth = a.depth.max(b.depth);
        or_default!(
            self,
            step,
            depth,
            Verb::Dot { inner },
            a.len() / inner,
            bits,
            blocks::linear::dot(self, step, a, b, inner, bits)
        )
    }

    fn matmul<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        size: (usize, usize, usize),
        bits: u32,
    ) -> Fut<'a> {
        let verb = Verb::MatMul { rows: size.0, inner: size.1, cols: size.2 };
        let depth = a.depth.max(b.depth);
        or_default!(
            self,
            step,
            depth,
            verb,
            size.0 * size.2,
            bits,
            blocks::linear::matmul(self, step, a, b, size, bits)
        )
    }

    fn matmul_clear<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Clear,
        size: (usize, usize, usize),
        bits: u32,
    ) -> Fut<'a> {
        let verb = Verb::MatMulClear { rows: size.0, inner: size.1, cols: size.2 };
        let depth = a.depth.max(b.depth);
        or_default!(
            self,
            step,
            depth,
            verb,
            size.0 * size.2,
            bits,
            blocks::linear::matmul_clear(self, step, a, b, size, bits)
        )
    }

    fn select<'a>(
        &'a self,
        step: &'a Step,
        cond: &'a Shares,
        a: &'a Shares,
        b: &'a Shares,
        bits: u32,
    ) -> Fut<'a> {
        let depth = cond.depth.max(a.depth).max(b.depth);
        or_default!(
            self,
            step,
            depth,
            Verb::Select,
            a.len(),
            bits,
            blocks::convert::select(self, step, cond, a, b, bits)
        )
    }

    fn random<'a>(&'a self, step: &'a Step, n: usize, bits: u32) -> Fut<'a> {
        or_default!(
            self,
            step,
            Depth::ZERO,
            Verb::Random,
            n,
            bits,
            blocks::convert::random(self, step, n, bits)
        )
    }

    fn as_bits<'a>(&'a self, step: &'a Step, a: &'a Shares) -> Fut<'a> {
        or_default!(
            self,
            step,
            a.depth,
            Verb::AsBits,
            a.len(),
            1,
            blocks::convert::as_bits(self, step, a)
        )
    }

    fn open_wide<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        bits: u32,
    ) -> Fut<'a, ClearVec<[u128; 2]>> {
        match self.charge(step, a.depth, Verb::OpenWide, a.len(), bits) {
            Some(depth) => now(ClearVec::absent(a.len(), depth)),
            None => Box::pin(blocks::mask::open_wide(self, step, a, bits)),
        }
    }

    fn mask<'a>(&'a self, step: &'a Step, n: usize, bits: u32) -> Fut<'a> {
        match self.charge(step, Depth::ZERO, Verb::Mask, n, bits) {
            Some(depth) => now(Shares::phantom(n, depth)),
            None => self.random(step, n, bits),
        }
    }

    fn compose<'a>(&'a self, step: &'a Step, a: &'a Shares, k: u32, signed: bool) -> Fut<'a> {
        let len = a.len() / k as usize;
        or_default!(
            self,
            step,
            a.depth,
            Verb::Compose { k },
            len,
            k,
            blocks::convert::compose(self, step, a, k, signed)
        )
    }

    fn trunc<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32, shift: u32) -> Fut<'a> {
        or_default!(
            self,
            step,
            a.depth,
            Verb::Trunc { shift },
            a.len(),
            bits,
            blocks::truncate::nearest(self, step, a, bits, shift)
        )
    }

    fn shift_right<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32, shift: u32) -> Fut<'a> {
        or_default!(
            self,
            step,
            a.depth,
            Verb::ShiftRight { shift },
            a.len(),
            bits,
            blocks::truncate::floor(self, step, a, bits, shift)
        )
    }

    fn wrap<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32, k: u32) -> Fut<'a> {
        or_default!(
            self,
            step,
            a.depth,
            Verb::Wrap { k },
            a.len(),
            bits,
            blocks::truncate::wrap(self, step, a, bits, k)
        )
    }

    fn ltz<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32) -> Fut<'a> {
        or_default!(
            self,
            step,
            a.depth,
            Verb::Ltz,
            a.len(),
            bits,
            blocks::compare::ltz(self, step, a, bits)
        )
    }

    fn eqz<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32) -> Fut<'a> {
        or_default!(
            self,
            step,
            a.depth,
            Verb::Eqz,
            a.len(),
            bits,
            blocks::compare::eqz(self, step, a, bits)
        )
    }

    fn lt<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a> {
        or_default!(
            self,
            step,
            a.depth.max(b.depth),
            Verb::Lt,
            a.len(),
            bits,
            blocks::compare::lt(self, step, a, b, bits)
        )
    }

    fn eq<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a> {
        or_default!(
            self,
            step,
            a.depth.max(b.depth),
            Verb::Eq,
            a.len(),
            bits,
            blocks::compare::eq(self, step, a, b, bits)
        )
    }

    fn one_hot<'a>(&'a self, step: &'a Step, a: &'a Shares, n: usize, bits: u32) -> Fut<'a> {
        or_default!(
            self,
            step,
            a.depth,
            Verb::OneHot { n },
            a.len() * n,
            bits,
            blocks::compare::one_hot(self, step, a, n, bits)
        )
    }

    fn decompose<'a>(&'a self, step: &'a Step, a: &'a Shares, k: u32, bits: u32) -> Fut<'a> {
        or_default!(
            self,
            step,
            a.depth,
            Verb::Decompose { k },
            a.len() * k as usize,
            bits,
            blocks::convert::decompose(self, step, a, k, bits)
        )
    }

    fn shuffle<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        rows: usize,
        width: usize,
        bits: u32,
    ) -> Fut<'a> {
        or_default!(
            self,
            step,
            a.depth,
            Verb::Shuffle { width },
            rows * width,
            bits,
            blocks::shuffle::numbers(self, step, a, rows, width, bits)
        )
    }

    fn permute<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        perm: &'a Shares,
        width: usize,
        bits: u32,
    ) -> Fut<'a> {
        or_default!(
            self,
            step,
            a.depth.max(perm.depth),
            Verb::Permute { width },
            a.len(),
            bits,
            blocks::shuffle::permute(self, step, a, perm, width, bits)
        )
    }
}

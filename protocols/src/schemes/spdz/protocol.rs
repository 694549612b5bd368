//! The protocol of numbers and bits with MACs: every verb, in rings and in fields.

use std::rc::Rc;

use mpc_runtime::{Depth, Party, Result, Step, join_all};

use super::element::Authentic;
use super::keys::MacKey;
use super::mixed::Mixed;
use super::{FORM, Spdz};
use crate::blocks::mask;
use crate::blocks::ot::{Bases, Ot};
use crate::cost::{Call, Cost, Truncation, Verb};
use crate::prepared::{foreign, prepared};
use crate::protocol::{Domain, Fut, Keys, Protocol, Seeds, Setup, Units, done, now};
use crate::schemes::over_binary::BinaryScheme;
use crate::schemes::tinier::Tinier;
use crate::value::{Clear, ClearBits, ClearVec, Shares, Unit};

/// A protocol of numbers with MACs and bits with MACs.
pub(crate) struct OverSpdz<N> {
    bases: Bases,
    ot: Rc<Ot>,
    pub(super) mixed: Mixed<N>,
    stat_sec: u32,
    truncation: Truncation,
}

impl<N: Authentic> OverSpdz<N> {
    /// Makes one party; `kind` names the protocol.
    ///
    /// # Errors
    /// More statistical security than there is.
    pub(crate) fn new(kind: &str, setup: &Setup, me: Party, seeds: &Seeds) -> Result<Self> {
        let (ot, key) = (Rc::new(Ot::new(seeds, me, FORM)), Rc::new(MacKey::default()));
        let (parties, sigma) = ((me, setup.parties), setup.stat_sec);
        let numbers = Spdz::new(parties, seeds, kind, ot.clone(), key, sigma);
        Ok(OverSpdz {
            bases: Bases::new(seeds, me, false),
            ot,
            mixed: Mixed::new(numbers, Tinier::new(setup, me, seeds)?, sigma),
            stat_sec: sigma,
            truncation: setup.truncation,
        })
    }

    fn numbers(&self) -> &Spdz<N> {
        &self.mixed.numbers
    }

    fn bits(&self) -> &Tinier {
        &self.mixed.bits
    }

    async fn set_up(&self, step: &Step) -> Result<()> {
        let op = step.op(Depth::ZERO);
        self.bases.agree(&op).await?;
        let op = step.op(op.depth());
        self.ot.grow(&op, &self.bases).await?;
        self.numbers().agree(&step.op(op.depth())).await?;
        self.bits().setup(step).await
    }

    /// Openings that a call makes in the end, of numbers and of bits.
    fn opens(call: &Call) -> [bool; 2] {
        match call.verb {
            _ if call.len == 0 => [false; 2],
            Verb::Mul | Verb::Share { .. } | Verb::Open { .. } => [true, false],
            Verb::OpenWide => [true, false],
            Verb::Mask => [call.bits > 0, false],
            Verb::And | Verb::OpenBits { .. } => [false, true],
            Verb::EdaBits { k, exact } => {
                [k > 0, Mixed::<N>::edabits_open_bits(call.len, k as usize, exact)]
            }
            Verb::FromBits => [true; 2],
            _ => [false; 2],
        }
    }
}

impl<N: Authentic> Protocol for OverSpdz<N> {
    fn domain(&self) -> Domain {
        match N::DOMAIN {
            Domain::Ring { .. } => Domain::Ring { bits: N::VALUE },
            other => other,
        }
    }

    fn maskers(&self, _: usize) -> usize {
        if N::RING { 1 } else { self.mixed.maskers() }
    }

    fn units(&self) -> Units {
        let planes = vec![Unit::Words(N::WORDS); 2];
        Units { number: planes.clone(), bit: self.bits().units(), zeros: 0 }
    }

    fn stat_sec(&self) -> u32 {
        self.stat_sec
    }

    fn truncation(&self) -> Truncation {
        self.truncation
    }

    fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(self.set_up(step))
    }

    fn keys(&self) -> Keys {
        let [numbers, bits] = [self.numbers().keys(), self.bits().keys()];
        Keys::new([&numbers[..], &bits[..]].concat())
    }

    fn restore<'a>(&'a self, step: &'a Step, keys: &'a [u8]) -> Fut<'a, ()> {
        match keys.split_at_checked(MacKey::BYTES) {
            None => done(Err(foreign())),
            Some((numbers, bits)) => match self.numbers().restore(numbers) {
                Ok(()) => self.bits().restore(step, bits),
                error => done(error),
            },
        }
    }

    fn setup_cost(&self, parties: usize) -> Cost {
        let grown = Bases::cost(parties).then(&Ot::growing(FORM, parties));
        grown.then(&MacKey::agreeing::<N>(FORM, parties)).beside(&self.bits().setup_cost())
    }

    fn verifies(&self) -> bool {
        true
    }

    fn check<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(async move {
            let forks = step.forks(2);
            let numbers = Box::pin(self.numbers().check(&forks[0])) as Fut<'_, ()>;
            join_all(vec![numbers, self.bits().check(&forks[1])]).await.map(drop)
        })
    }

    fn check_cost(&self, calls: &[Call], _: usize) -> Cost {
        let [numbers, bits] = [0, 1].map(|i| calls.iter().any(|call| Self::opens(call)[i]));
        self.numbers().checking(numbers).beside(&self.bits().checking(bits))
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let Call { verb, len, bits, .. } = *call;
        let numbers = self.numbers();
        Some(match verb {
            Verb::Linear | Verb::AddClear | Verb::MulClear | Verb::LinearBits | Verb::Xor => {
                Cost::local(numbers.parties())
            }
            Verb::Sum { .. } => Cost::local(numbers.parties()),
            Verb::Mul => numbers.multiplying(len),
            Verb::Share { owner } => numbers.sharing(owner, len),
            Verb::Open { to } => numbers.open_cost(to, len),
            Verb::OpenWide if !N::RING => numbers.open_cost(None, len),
            Verb::Mask if !N::RING => self.mixed.sums_cost(len, bits as usize).ahead(),
            Verb::MatMulClear { .. } => Cost::local(numbers.parties()),
            Verb::FromBits => self.mixed.to_numbers_cost(len),
            Verb::EdaBits { k, exact } => self.mixed.edabits_cost(len, k as usize, exact).ahead(),
            _ => return self.bits().cost(call),
        })
    }

    fn public<'a>(&'a self, _: &'a Step, x: &'a Clear) -> Fut<'a> {
        now(self.numbers().public(x, N::from_i128))
    }

    fn add<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        now(self.numbers().zip(a, b, N::plus))
    }

    fn sub<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        now(self.numbers().zip(a, b, N::minus))
    }

    fn add_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        self.numbers().add_clear(a, c)
    }

    fn mul_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        self.numbers().mul_clear(a, c)
    }

    fn mul<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        Box::pin(self.numbers().multiply(step, a, b))
    }

    fn share<'a>(&'a self, step: &'a Step, owner: Party, x: &'a Clear, _: u32) -> Fut<'a> {
        Box::pin(self.numbers().share(step, owner, x, N::from_i128))
    }

    fn open<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
        _: u32,
    ) -> Fut<'a, Clear> {
        Box::pin(self.numbers().open(step, a, to, N::value))
    }

    fn open_wide<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        bits: u32,
    ) -> Fut<'a, ClearVec<[u128; 2]>> {
        match N::RING {
            true => Box::pin(mask::open_wide(self, step, a, bits)),
            false => Box::pin(self.numbers().open(step, a, None, N::wide)),
        }
    }

    fn mask<'a>(&'a self, step: &'a Step, n: usize, bits: u32) -> Fut<'a> {
        match N::RING {
            true => Box::pin(mask::mask(self, step, n, bits)),
            false => Box::pin(async move {
                let make = async |prep: &Step| self.mixed.sums(prep, n, bits as usize).await;
                prepared(step, make).await
            }),
        }
    }

    fn matmul_clear<'a>(
        &'a self,
        _: &'a Step,
        a: &'a Shares,
        b: &'a Clear,
        size: (usize, usize, usize),
        _: u32,
    ) -> Fut<'a> {
        now(self.numbers().matmul_clear(a, b, size))
    }

    fn sum<'a>(&'a self, _: &'a Step, a: &'a Shares, inner: usize, _: u32) -> Fut<'a> {
        now(self.numbers().sum(a, inner))
    }

    fn prefix<'a>(&'a self, _: &'a Step, a: &'a Shares, inner: usize, _: u32) -> Fut<'a> {
        now(self.numbers().prefix(a, inner))
    }

    fn public_bits<'a>(&'a self, _: &'a Step, x: &'a ClearBits) -> Fut<'a> {
        now(self.bits().public_bits(x))
    }

    fn xor<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        now(self.bits().xor(a, b))
    }

    fn xor_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        now(self.bits().xor_clear(a, c))
    }

    fn and_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        now(self.bits().and_clear(a, c))
    }

    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        self.bits().and(step, a, b)
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a> {
        self.bits().share_bits(step, owner, x)
    }

    fn open_bits<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
    ) -> Fut<'a, ClearBits> {
        self.bits().open_bits(step, a, to)
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        self.bits().random_bits(step, n)
    }

    fn from_bits<'a>(&'a self, step: &'a Step, a: &'a Shares) -> Fut<'a> {
        Box::pin(self.mixed.to_numbers(step, a))
    }

    fn edabits<'a>(
        &'a self,
        step: &'a Step,
        n: usize,
        k: u32,
        exact: bool,
    ) -> Option<Fut<'a, [Shares; 2]>> {
        Some(Box::pin(async move {
            let make = async |prep: &Step| {
                let [numbers, bits] = self.mixed.edabits(prep, n, k as usize, exact).await?;
                Ok((numbers, bits))
            };
            let (numbers, bits) = prepared(step, make).await?;
            Ok([numbers, bits])
        }))
    }
}

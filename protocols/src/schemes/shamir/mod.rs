//! Shamir's secret sharing over a prime field, semi-honest, honest majority.
//!
//! Sharing:  party i holds f(i + 1) for a polynomial f of degree t with f(0) = x; x < 0 is p + x.
//!           Bits are the numbers 0 and 1.
//! Field:    the smallest of 2^61 - 1, 2^127 - 1, 2^255 - 19 that leaves room for masks of σ bits.
//! Paper:    Cramer, Damgård, Maurer 2000, eprint 2000/037; products by resharing: Gennaro, Rabin, Rabin
//!           1998. Differs: t of the shares of a dealer are pseudo-random, from keys common to it and
//!           their holders (the idea of Cramer, Damgård, Ishai 2005), so that n - 1 - t are sent.
//! Security: any t = ceil(n/2) - 1 parties learn nothing; a malicious party may alter the result.
//! Cost:     mul, dot and matmul 1 round, n - 1 - t elements of the result from each of 2t + 1 parties;
//!           share 1 round, n - 1 - t elements from the owner; open 1 round, t elements from each.

use std::marker::PhantomData;
use std::rc::Rc;

use mpc_runtime::{Depth, Error, Key, Label, Misbehaviour, Op, Party, Result, Step};

use crate::algebra::field::{F61, F127, F255, Field};
use crate::cost::{Call, Cost, Truncation, Verb};
use crate::protocol::{Domain, Fut, Info, Parties, Protocol, Security, Seeds, Setup};
use crate::value::{Clear, ClearBits, ClearVec, Plane, Shares, Unit};

/// What it promises.
pub const INFO: Info = Info {
    name: "shamir",
    parties: Parties::AtLeast(3),
    corrupted: "ceil(n/2) - 1",
    security: Security::SemiHonest,
    domain: "integers modulo a prime of 61, 127 or 255 bits",
    assumptions: "AES-128 is a pseudo-random function",
    truncation: "exact: nothing. probabilistic and fast: the rounding depends on the mask that is opened; never a gross error",
    paper: "eprint 2000/037",
};

const RESHARE: Label = Label("shamir.mul.reshare");
const SHARE: Label = Label("shamir.share");
const OPEN: Label = Label("shamir.open");
const OPEN_TO: Label = Label("shamir.open.to");
const RANDOM_BIT: Label = Label("shamir.random_bits.share");
const RANDOM_XOR: Label = Label("shamir.random_bits.xor");
const MASK: Label = Label("shamir.mask.share");

/// Purpose of a party's own randomness; those below number the dealer.
const OWN: u16 = u16::MAX;

/// Makes one party.
///
/// # Errors
/// Numbers too large for the largest field.
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    let corrupted = corrupted(setup.parties);
    // A masked number: one bit for differences, σ of mask, sums of masks by t + 1 dealers, a carry.
    let dealers = (corrupted as u32 + 1).next_power_of_two().ilog2();
    let needed = setup.field_bits + 1 + setup.stat_sec + dealers + 1;
    Ok(match needed {
        ..=F61::BITS => Rc::new(Shamir::<F61>::new(setup, me, seeds)),
        _ if needed <= F127::BITS => Rc::new(Shamir::<F127>::new(setup, me, seeds)),
        _ if needed <= F255::BITS => Rc::new(Shamir::<F255>::new(setup, me, seeds)),
        _ => {
            let Setup { field_bits, stat_sec, .. } = setup;
            return Err(Error::Program(format!(
                "shamir: numbers of {field_bits} bits and masks of {stat_sec} more need a field of \
                 {needed} bits, the largest here has {}; narrower numbers or less statistical \
                 security would help",
                F255::BITS
            )));
        }
    })
}

/// Parties that may be corrupted together: fewer than half.
fn corrupted(parties: usize) -> usize {
    parties.div_ceil(2) - 1
}

struct Shamir<F> {
    me: Party,
    n: usize,
    t: usize,
    stat_sec: u32,
    truncation: Truncation,
    own: Key,
    pair: Vec<Key>,
    /// For each party that gets its share of this dealer otherwise than from a common key: weights of
    /// the secret and of the pseudo-random shares.
    dealt: Vec<(Party, Vec<F>)>,
    /// Weights of the shares of this party and the t after it, at 0.
    opened: Vec<F>,
    /// Weight of this party's product among those of the 2t + 1 resharing parties.
    product: F,
    field: PhantomData<F>,
}

/// Weights by which values at `points` give the value at `at` of the polynomial through them.
fn lagrange<F: Field>(points: &[usize], at: usize) -> Vec<F> {
    let number = |x: usize| F::from_i128(x as i128);
    let weight = |&i: &usize| {
        let others = points.iter().filter(|&&j| j != i);
        let (top, bottom) = others.fold((F::ONE, F::ONE), |(top, bottom), &j| {
            (top.mul(number(at).sub(number(j))), bottom.mul(number(i).sub(number(j))))
        });
        top.mul(bottom.inverse())
    };
    points.iter().map(weight).collect()
}

fn words<F: Field>(values: impl ExactSizeIterator<Item = F>) -> Vec<u64> {
    let mut out = vec![0; values.len() * F::WORDS];
    out.chunks_exact_mut(F::WORDS).zip(values).for_each(|(word, value)| value.write(word));
    out
}

fn vector<F: Field>(values: impl ExactSizeIterator<Item = F>, depth: Depth) -> Shares {
    let plane = Plane::build(Unit::Words(F::WORDS), values.len(), |out| {
        out.chunks_exact_mut(F::WORDS).zip(values).for_each(|(word, value)| value.write(word));
    });
    Shares::new(vec![plane], depth)
}

fn elements<F: Field>(a: &Shares) -> impl ExactSizeIterator<Item = F> + '_ {
    a.plane(0).words().chunks_exact(F::WORDS).map(F::read)
}

/// Elements that a peer sent.
fn received<F: Field>(bytes: &[u8], from: Party, label: Label) -> Result<Vec<F>> {
    let word = |b: &[u8]| u64::from_le_bytes(b.try_into().expect("eight bytes"));
    let words: Vec<u64> = bytes.chunks_exact(8).map(word).collect();
    let all: Option<Vec<F>> = words.chunks_exact(F::WORDS).map(F::checked).collect();
    let what = Misbehaviour::OutOfRange { label: label.0 };
    all.ok_or(Error::Cheating { party: from, what })
}

fn now<'a, T: 'a>(value: T) -> Fut<'a, T> {
    Box::pin(std::future::ready(Ok(value)))
}

fn binary<'a, F: Field>(a: &Shares, b: &Shares, f: impl Fn(F, F) -> F) -> Fut<'a> {
    let both = elements::<F>(a).zip(elements::<F>(b)).map(|(a, b)| f(a, b));
    now(vector(both, a.depth.max(b.depth)))
}

fn with_clear<'a, F: Field>(a: &Shares, c: &Clear, f: impl Fn(F, F) -> F) -> Fut<'a> {
    let depth = a.depth.max(c.depth);
    let known = c.values().expect("clear operands are known to all");
    if let [c] = known {
        let c = F::from_i128(*c);
        return now(vector(elements::<F>(a).map(|a| f(a, c)), depth));
    }
    now(vector(elements::<F>(a).zip(known).map(|(a, &c)| f(a, F::from_i128(c))), depth))
}

impl<F: Field> Shamir<F> {
    fn new(setup: &Setup, me: Party, seeds: &Seeds) -> Self {
        let (n, t) = (setup.parties, corrupted(setup.parties));
        let point = |party: Party| party + 1;
        let derived: Vec<usize> = (1..=t).map(|k| point((me + k) % n)).collect();
        let known: Vec<usize> = std::iter::once(0).chain(derived.iter().copied()).collect();
        let sent = (0..n).filter(|&party| !derived.contains(&point(party)));
        let openers: Vec<usize> = (0..=t).map(|k| point((me + k) % n)).collect();
        let products: Vec<usize> = (0..2 * t + 1).map(point).collect();
        Shamir {
            me,
            n,
            t,
            stat_sec: setup.stat_sec,
            truncation: setup.truncation,
            own: Key::new(&seeds.own, "shamir"),
            pair: seeds.pair.iter().map(|seed| Key::new(seed, "shamir")).collect(),
            dealt: sent.map(|party| (party, lagrange(&known, point(party)))).collect(),
            opened: lagrange(&openers, 0),
            product: lagrange::<F>(&products, 0).get(me).copied().unwrap_or(F::ZERO),
            field: PhantomData,
        }
    }

    /// Whether `party` gets its share from `dealer` from their common key.
    fn derives(&self, party: Party, dealer: Party) -> bool {
        (1..=self.t).contains(&((party + self.n - dealer) % self.n))
    }

    /// The pseudo-random share that `dealer` and `holder` know.
    fn derived(&self, op: &Op<'_>, dealer: Party, holder: Party, len: usize) -> Vec<F> {
        let peer = if dealer == self.me { holder } else { dealer };
        let words = op.stream(&self.pair[peer], dealer as u16).words(len * F::WORDS);
        words.chunks_exact(F::WORDS).map(F::uniform).collect()
    }

    /// Deals `secrets` to all; gives this party's own share.
    fn deal(&self, op: &Op<'_>, label: Label, secrets: &[F]) -> Result<Vec<F>> {
        let len = secrets.len();
        let derived: Vec<Vec<F>> =
            (1..=self.t).map(|k| self.derived(op, self.me, (self.me + k) % self.n, len)).collect();
        let mut mine = vec![];
        for (party, weights) in &self.dealt {
            let mut share: Vec<F> = secrets.iter().map(|&s| s.mul(weights[0])).collect();
            for (values, &weight) in derived.iter().zip(&weights[1..]) {
                share.iter_mut().zip(values).for_each(|(s, &v)| *s = s.add(v.mul(weight)));
            }
            if *party == self.me {
                mine = share;
            } else {
                op.send(*party, label, bytemuck::cast_slice(&words(share.into_iter())))?;
            }
        }
        Ok(mine)
    }

    /// One round: each of `dealers` deals `len` secrets, this party `mine` if it is one of them. Gives
    /// this party's shares by dealer.
    async fn dealt(
        &self,
        op: &Op<'_>,
        label: Label,
        dealers: std::ops::Range<Party>,
        mine: impl FnOnce() -> Vec<F>,
        len: usize,
    ) -> Result<Vec<Vec<F>>> {
        let mut own = vec![];
        if dealers.contains(&self.me) {
            own = self.deal(op, label, &mine())?;
        }
        let mut shares = vec![];
        for dealer in dealers {
            shares.push(if dealer == self.me {
                std::mem::take(&mut own)
            } else if self.derives(self.me, dealer) {
                self.derived(op, dealer, self.me, len)
            } else {
                let bytes = op.recv(dealer, label, 8 * F::WORDS * len).await?;
                received(&bytes, dealer, label)?
            });
        }
        op.round();
        Ok(shares)
    }

    /// Shares of degree t of products that are shared with degree 2t.
    async fn reshare(&self, op: &Op<'_>, label: Label, products: Vec<F>) -> Result<Vec<F>> {
        let len = products.len();
        let weighed = || products.iter().map(|&x| x.mul(self.product)).collect();
        let parts = self.dealt(op, label, 0..2 * self.t + 1, weighed, len).await?;
        Ok(sum_of(parts, len))
    }

    fn reshared<'a>(&'a self, step: &'a Step, depth: Depth, products: Vec<F>) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(depth);
            let shares = self.reshare(&op, RESHARE, products).await?;
            Ok(vector(shares.into_iter(), op.depth()))
        })
    }

    /// Numbers of `bits` random bits that only this party knows.
    fn own_random(&self, op: &Op<'_>, n: usize, bits: u32) -> Vec<F> {
        let words = op.stream(&self.own, OWN).words(n * F::WORDS);
        let keep = |i: usize, word: u64| match bits as usize {
            bits if bits >= 64 * (i + 1) => word,
            bits if bits <= 64 * i => 0,
            bits => word & ((1 << (bits - 64 * i)) - 1),
        };
        let element = |chunk: &[u64]| {
            let mut kept = [0; 4];
            chunk.iter().enumerate().for_each(|(i, &word)| kept[i] = keep(i, word));
            F::read(&kept[..F::WORDS])
        };
        words.chunks_exact(F::WORDS).map(element).collect()
    }

    /// The elements themselves, to `to`, or to all if `None`; absent elsewhere.
    async fn opened(
        &self,
        step: &Step,
        a: &Shares,
        to: Option<Party>,
    ) -> Result<(Option<Vec<F>>, Depth)> {
        let op = step.op(a.depth);
        let label = if to.is_some() { OPEN_TO } else { OPEN };
        for k in 1..=self.t {
            let receiver = (self.me + self.n - k) % self.n;
            if to.is_none_or(|to| to == receiver) {
                op.send(receiver, label, bytemuck::cast_slice(a.plane(0).words()))?;
            }
        }
        if to.is_some_and(|to| to != self.me) {
            return Ok((None, op.round()));
        }
        let mut values: Vec<F> = elements::<F>(a).map(|x| x.mul(self.opened[0])).collect();
        for k in 1..=self.t {
            let from = (self.me + k) % self.n;
            let bytes = op.recv(from, label, 8 * F::WORDS * a.len()).await?;
            let shares = received::<F>(&bytes, from, label)?;
            let weight = self.opened[k];
            values.iter_mut().zip(shares).for_each(|(x, s)| *x = x.add(s.mul(weight)));
        }
        Ok((Some(values), op.round()))
    }

    /// Cost of a round in which `dealers` deal `len` secrets.
    fn dealing(&self, dealers: std::ops::Range<Party>, len: usize) -> Cost {
        let (messages, bytes) = (self.n - 1 - self.t, 8 * F::WORDS * len);
        let each = |party| Cost::by(party, self.n, messages as u64, messages * bytes);
        dealers.fold(Cost::local(self.n), |cost, party| cost.beside(&each(party)))
    }

    fn opening(&self, to: Option<Party>, len: usize) -> Cost {
        let bytes = 8 * F::WORDS * len;
        let Some(to) = to else {
            return Cost::each(self.n, 1, self.t as u64, self.t * bytes);
        };
        (1..=self.t).fold(Cost::local(self.n), |cost, k| {
            cost.beside(&Cost::by((to + k) % self.n, self.n, 1, bytes))
        })
    }

    fn random_bits_cost(&self, n: usize) -> Cost {
        let mut cost = self.dealing(0..self.t + 1, n);
        let mut left = self.t + 1;
        while left > 1 {
            cost = cost.then(&self.dealing(0..2 * self.t + 1, left / 2 * n));
            left = left.div_ceil(2);
        }
        cost
    }
}

fn sum_of<F: Field>(parts: Vec<Vec<F>>, len: usize) -> Vec<F> {
    let mut sum = vec![F::ZERO; len];
    for part in parts {
        sum.iter_mut().zip(part).for_each(|(s, x)| *s = s.add(x));
    }
    sum
}

impl<F: Field> Protocol for Shamir<F> {
    fn domain(&self) -> Domain {
        Domain::Prime { bits: F::BITS }
    }

    fn stat_sec(&self) -> u32 {
        self.stat_sec
    }

    fn truncation(&self) -> Truncation {
        self.truncation
    }

    fn corrupted(&self, _: usize) -> usize {
        self.t
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let Call { verb, len, .. } = *call;
        match verb {
            Verb::Linear | Verb::AddClear | Verb::MulClear | Verb::LinearBits => {}
            Verb::FromBits | Verb::AsBits | Verb::Compose { .. } => {}
            Verb::Sum { .. } | Verb::MatMulClear { .. } => {}
            Verb::Mul | Verb::Dot { .. } | Verb::MatMul { .. } | Verb::And | Verb::Xor => {
                return Some(self.dealing(0..2 * self.t + 1, len));
            }
            Verb::Share { owner } | Verb::ShareBits { owner } => {
                return Some(self.dealing(owner..owner + 1, len));
            }
            Verb::Open { to } | Verb::OpenBits { to } => return Some(self.opening(to, len)),
            Verb::OpenWide => return Some(self.opening(None, len)),
            Verb::Mask => return Some(self.dealing(0..self.t + 1, len)),
            Verb::RandomBits => return Some(self.random_bits_cost(len)),
            _ => return None,
        }
        Some(Cost::local(self.n))
    }

    fn public<'a>(&'a self, _: &'a Step, x: &'a Clear) -> Fut<'a> {
        let known = x.values().expect("public numbers are known to all");
        now(vector(known.iter().map(|&x| F::from_i128(x)), x.depth))
    }

    fn add<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        binary(a, b, F::add)
    }

    fn sub<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        binary(a, b, F::sub)
    }

    fn add_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        with_clear(a, c, F::add)
    }

    fn mul_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        with_clear(a, c, F::mul)
    }

    fn mul<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        let products = elements::<F>(a).zip(elements::<F>(b)).map(|(a, b)| a.mul(b)).collect();
        self.reshared(step, a.depth.max(b.depth), products)
    }

    fn share<'a>(&'a self, step: &'a Step, owner: Party, x: &'a Clear, _: u32) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(x.depth);
            let mine = || {
                let known = x.values().expect("the owner has its values");
                known.iter().map(|&x| F::from_i128(x)).collect()
            };
            let mut shares = self.dealt(&op, SHARE, owner..owner + 1, mine, x.len()).await?;
            Ok(vector(shares.remove(0).into_iter(), op.depth()))
        })
    }

    fn open<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
        _: u32,
    ) -> Fut<'a, Clear> {
        Box::pin(async move {
            let (values, depth) = self.opened(step, a, to).await?;
            let Some(values) = values else { return Ok(Clear::absent(a.len(), depth)) };
            Ok(Clear::new(values.into_iter().map(F::to_i128).collect::<Vec<_>>(), depth))
        })
    }

    fn open_wide<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        _: u32,
    ) -> Fut<'a, ClearVec<[u128; 2]>> {
        Box::pin(async move {
            let (values, depth) = self.opened(step, a, None).await?;
            let values = values.expect("opened to all");
            Ok(ClearVec::new(values.into_iter().map(F::wide).collect::<Vec<_>>(), depth))
        })
    }

    fn public_bits<'a>(&'a self, _: &'a Step, x: &'a ClearBits) -> Fut<'a> {
        let known = x.values().expect("public bits are known to all");
        now(vector(known.iter().map(|&x| F::from_i128(x.into())), x.depth))
    }

    fn xor<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        Box::pin(async move {
            let both = self.mul(step, a, b, 1).await?;
            let sum = elements::<F>(a).zip(elements::<F>(b)).map(|(a, b)| a.add(b));
            let xor = sum.zip(elements::<F>(&both)).map(|(s, m)| s.sub(m).sub(m));
            Ok(vector(xor, both.depth))
        })
    }

    fn xor_disjoint<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        self.add(step, a, b, 1)
    }

    fn xor_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        let c = c.broadcast(a.len());
        let known = c.values().expect("clear operands are known to all");
        let xor = |(a, &c): (F, &bool)| if c { F::ONE.sub(a) } else { a };
        now(vector(elements::<F>(a).zip(known).map(xor), a.depth.max(c.depth)))
    }

    fn and_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        let c = c.broadcast(a.len());
        let known = c.values().expect("clear operands are known to all");
        let and = |(a, &c): (F, &bool)| if c { a } else { F::ZERO };
        now(vector(elements::<F>(a).zip(known).map(and), a.depth.max(c.depth)))
    }

    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        self.mul(step, a, b, 1)
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a> {
        Box::pin(async move {
            let numbers = x.map(x.len(), |v| v.iter().map(|&b| i128::from(b)).collect());
            self.share(step, owner, &numbers, 1).await
        })
    }

    fn open_bits<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
    ) -> Fut<'a, ClearBits> {
        Box::pin(async move {
            let opened = self.open(step, a, to, 2).await?;
            Ok(opened.map(a.len(), |v| v.iter().map(|&x| x != 0).collect()))
        })
    }

    /// The exclusive or of one bit from each of t + 1 parties.
    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(Depth::ZERO);
            let mine = || self.own_random(&op, n, 1);
            let mut bits = self.dealt(&op, RANDOM_BIT, 0..self.t + 1, mine, n).await?;
            let mut depth = op.depth();
            while bits.len() > 1 {
                let last = if bits.len().is_multiple_of(2) { None } else { bits.pop() };
                let op = step.op(depth);
                let (left, right) = bits.split_at(bits.len() / 2);
                let pairs: Vec<(F, F)> = left.concat().into_iter().zip(right.concat()).collect();
                let products = pairs.iter().map(|&(a, b)| a.mul(b)).collect();
                let products = self.reshare(&op, RANDOM_XOR, products).await?;
                let xor = |(&(a, b), m): (&(F, F), F)| a.add(b).sub(m).sub(m);
                let joined: Vec<F> = pairs.iter().zip(products).map(xor).collect();
                let rows = left.len();
                bits = (0..rows).map(|i| joined[i * n..][..n].to_vec()).collect();
                bits.extend(last);
                depth = op.depth();
            }
            Ok(vector(bits.remove(0).into_iter(), depth))
        })
    }

    fn from_bits<'a>(&'a self, _: &'a Step, a: &'a Shares) -> Fut<'a> {
        now(a.clone())
    }

    fn compose<'a>(&'a self, _: &'a Step, a: &'a Shares, k: u32, signed: bool) -> Fut<'a> {
        let bits: Vec<F> = elements(a).collect();
        let double = |x: F| x.add(x);
        let number = |row: &[F]| {
            let (top, rest) = row.split_last().expect("numbers have bits");
            let top = if signed { F::ZERO.sub(*top) } else { *top };
            rest.iter().rev().fold(top, |x, &bit| double(x).add(bit))
        };
        now(vector(bits.chunks_exact(k as usize).map(number), a.depth))
    }

    fn as_bits<'a>(&'a self, _: &'a Step, a: &'a Shares) -> Fut<'a> {
        now(a.clone())
    }

    /// The sum of one number from each of t + 1 parties.
    fn mask<'a>(&'a self, step: &'a Step, n: usize, bits: u32) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(Depth::ZERO);
            let mine = || self.own_random(&op, n, bits);
            let parts = self.dealt(&op, MASK, 0..self.t + 1, mine, n).await?;
            Ok(vector(sum_of(parts, n).into_iter(), op.depth()))
        })
    }

    fn sum<'a>(&'a self, _: &'a Step, a: &'a Shares, inner: usize, _: u32) -> Fut<'a> {
        let all: Vec<F> = elements(a).collect();
        now(vector(
            all.chunks_exact(inner).map(|row| row.iter().fold(F::ZERO, |s, &x| s.add(x))),
            a.depth,
        ))
    }

    fn prefix<'a>(&'a self, _: &'a Step, a: &'a Shares, inner: usize, _: u32) -> Fut<'a> {
        let mut all: Vec<F> = elements(a).collect();
        for row in all.chunks_exact_mut(inner) {
            (1..inner).for_each(|i| row[i] = row[i].add(row[i - 1]));
        }
        now(vector(all.into_iter(), a.depth))
    }

    fn dot<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        inner: usize,
        _: u32,
    ) -> Fut<'a> {
        let products: Vec<F> = elements::<F>(a).zip(elements(b)).map(|(a, b)| a.mul(b)).collect();
        let sum = |row: &[F]| row.iter().fold(F::ZERO, |s, &x| s.add(x));
        let sums = products.chunks_exact(inner).map(sum).collect();
        self.reshared(step, a.depth.max(b.depth), sums)
    }

    fn matmul<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        size: (usize, usize, usize),
        _: u32,
    ) -> Fut<'a> {
        let (x, y): (Vec<F>, Vec<F>) = (elements(a).collect(), elements(b).collect());
        self.reshared(step, a.depth.max(b.depth), product(&x, &y, size))
    }

    fn matmul_clear<'a>(
        &'a self,
        _: &'a Step,
        a: &'a Shares,
        b: &'a Clear,
        size: (usize, usize, usize),
        _: u32,
    ) -> Fut<'a> {
        let known = b.values().expect("clear operands are known to all");
        let y: Vec<F> = known.iter().map(|&x| F::from_i128(x)).collect();
        let x: Vec<F> = elements(a).collect();
        now(vector(product(&x, &y, size).into_iter(), a.depth.max(b.depth)))
    }
}

/// Matrix product, row-major.
fn product<F: Field>(a: &[F], b: &[F], (rows, inner, cols): (usize, usize, usize)) -> Vec<F> {
    let mut out = vec![F::ZERO; rows * cols];
    for i in 0..rows {
        let row = &mut out[i * cols..][..cols];
        for k in 0..inner {
            let factor = a[i * inner + k];
            let from = &b[k * cols..][..cols];
            row.iter_mut().zip(from).for_each(|(o, &x)| *o = o.add(factor.mul(x)));
        }
    }
    out
}

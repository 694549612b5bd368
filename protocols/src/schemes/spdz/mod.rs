//! Additive sharing with MACs against any number of cheaters but one honest party: what is common to the
//! protocols modulo a prime and modulo 2^k.
//!
//! Sharing:  x = Σ x_i and α·x = Σ m_i, with a key α = Σ α_i that nobody knows; party i holds x_i and m_i.
//! Rings:    sums are modulo 2^(k+s), and x counts modulo 2^k ([`element`]). An opening shows all bits, so
//!           those above are hidden first, by 2^k times a random number, unless they are uniform.
//! Products: Beaver's, by triples made ahead ([`triples`]).
//! Check:    Openings are taken as they come. At a check a random combination of all of them is compared
//!           with that of their MACs: each party commits to `Σ χ_h·(m_h - α_i·x_h)`, then all open that, and
//!           the sum must be 0. An opening that is off by δ passes if α·δ is guessed: with probability 1/p in
//!           a field; in a ring, where δ is not 0 modulo 2^k and combinations may have higher powers of 2 in
//!           them, with (s+1)/2^s.
//! MACs:     made by products with α ([`keys`]). That parties used one x for all bits of the key is seen when a
//!           random combination of all x, hidden by one more, is opened, and checked like all openings.
//! Paper:    Keller, Orsini, Scholl 2016, eprint 2016/505; in rings Cramer, Damgård, Escudero, Scholl, Xing
//!           2018, eprint 2018/482. Differs: openings in rings show all bits.
//! Costs:    check 4 rounds, a coin, an element and its commitment.

pub(crate) mod element;
pub(crate) mod keys;
pub(crate) mod mixed;
pub(crate) mod protocol;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod triples;

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use mpc_runtime::{Depth, Error, Key, Label, Op, OpId, Party, Result, Step, Stream};

use self::element::Authentic;
use self::keys::MacKey;
use self::triples::Triples;
use super::additive::{Map, add, of, plane, received, uniform, uniform_from};
use super::gmw::opening;
use crate::blocks::ot::{Form, Ot};
use crate::blocks::{coin, commit};
use crate::checks::security_check;
use crate::cost::Cost;
use crate::prepared::{Keys, prepared};
use crate::protocol::{Fut, Seeds, now};
use crate::value::{Clear, ClearVec, Plane, Shares};

const INPUT: Label = Label("spdz.input");
const OPEN: Label = Label("spdz.open");
const OPERANDS: Label = Label("spdz.operands");
const COMBINED: Label = Label("spdz.combined");

/// Trees of the transfers.
pub(crate) const FORM: Form = Form::malicious(4);

/// Purposes of streams of this party alone, and of coins.
mod purpose {
    pub(super) const RANDOM: u16 = 0;
    pub(super) const HIDING: u16 = 1;
    pub(super) const PARTS: u16 = 2;
    pub(super) const FACTORS: u16 = 3;
    pub(super) const WEIGHTS: u16 = 0;
    pub(super) const SACRIFICE: u16 = 1;
}

/// Bytes or so of a message that nobody waits for yet; longer vectors go in parts, one after the other.
const PART_BYTES: usize = 1 << 20;

/// Parts of `len` elements each of which takes `bytes` bytes of a message.
fn parts(len: usize, bytes: usize) -> impl Iterator<Item = Range<usize>> {
    let most = (PART_BYTES / bytes).max(1);
    (0..len).step_by(most).map(move |first| first..len.min(first + most))
}

/// Openings that wait for the check.
struct Record<N> {
    id: OpId,
    values: Vec<N>,
    macs: Plane,
}

/// One party.
pub(crate) struct Spdz<N> {
    me: Party,
    n: usize,
    own: Key,
    ot: Rc<Ot>,
    key: Rc<MacKey>,
    stat_sec: u32,
    records: RefCell<Vec<Record<N>>>,
}

/// Numbers with MACs whose consistency is not proven: one more than asked for.
struct Fresh {
    shares: Shares,
    who: Option<Party>,
}

impl<N: Authentic> Spdz<N> {
    /// `kind` tells apart the sharings of one protocol.
    pub(crate) fn new(
        (me, n): (Party, usize),
        seeds: &Seeds,
        kind: &str,
        ot: Rc<Ot>,
        key: Rc<MacKey>,
        stat_sec: u32,
    ) -> Spdz<N> {
        let own = Key::new(&seeds.own, kind);
        Spdz { me, n, own, ot, key, stat_sec, records: RefCell::default() }
    }

    pub(crate) fn parties(&self) -> usize {
        self.n
    }

    /// Draws the MAC key. The rounds of [`Ot::extend`].
    pub(crate) async fn agree(&self, op: &Op<'_>) -> Result<()> {
        self.key.agree::<N>(op, &self.own, &self.ot).await
    }

    /// This party's share of the number 1, by plane.
    pub(crate) fn one(&self) -> [N; 2] {
        [if self.me == 0 { N::from_i128(1) } else { N::zero() }, self.key.summand()]
    }

    fn peers(&self) -> impl Iterator<Item = Party> + use<N> {
        let me = self.me;
        (0..self.n).filter(move |&peer| peer != me)
    }

    /// A vector of which `fill(plane, out)` sets all elements.
    pub(crate) fn vector(
        &self,
        len: usize,
        depth: Depth,
        fill: impl Fn(usize, &mut [N]),
    ) -> Shares {
        Shares::new((0..2).map(|i| plane(len, |out| fill(i, out))).collect(), depth)
    }

    /// `f(x, y)` of the elements of two vectors.
    pub(crate) fn zip(&self, a: &Shares, b: &Shares, f: impl Fn(N, N) -> N) -> Shares {
        self.vector(a.len(), a.depth.max(b.depth), |i, out| {
            let operands = of::<N>(a.plane(i)).iter().zip(of::<N>(b.plane(i)));
            out.iter_mut().zip(operands).for_each(|(o, (&x, &y))| *o = f(x, y));
        })
    }

    /// `f(x, c, one)` of the elements of a vector, of public ones, and of the share of 1.
    pub(crate) fn with_clear<T: Copy>(
        &self,
        a: &Shares,
        c: &ClearVec<T>,
        f: impl Fn(N, T, N) -> N,
    ) -> Shares {
        let known = c.values().expect("clear operands are known to all");
        let (one, at) = (self.one(), |i: usize| known[if known.len() == 1 { 0 } else { i }]);
        self.vector(a.len(), a.depth.max(c.depth), |i, out| {
            let elements = out.iter_mut().zip(of::<N>(a.plane(i))).enumerate();
            elements.for_each(|(j, (o, &x))| *o = f(x, at(j), one[i]));
        })
    }

    /// Public numbers.
    pub(crate) fn public<T: Copy>(&self, x: &ClearVec<T>, f: impl Fn(T) -> N) -> Shares {
        let known = x.values().expect("public numbers are known to all");
        let one = self.one();
        self.vector(x.len(), x.depth, |i, out| {
            out.iter_mut().zip(known).for_each(|(o, &x)| *o = f(x).times(one[i]));
        })
    }

    pub(crate) fn add_clear<'a>(&self, a: &Shares, c: &Clear) -> Fut<'a> {
        now(self.with_clear(a, c, |x, c, one| x.plus(one.times(N::from_i128(c)))))
    }

    pub(crate) fn mul_clear<'a>(&self, a: &Shares, c: &Clear) -> Fut<'a> {
        now(self.with_clear(a, c, |x, c, _| x.times(N::from_i128(c))))
    }

    /// `f` of each row of `inner` elements.
    pub(crate) fn by_row(&self, a: &Shares, inner: usize, f: impl Fn(&[N]) -> N) -> Shares {
        self.vector(a.len() / inner, a.depth, |i, out| {
            let rows = of::<N>(a.plane(i)).chunks_exact(inner);
            out.iter_mut().zip(rows).for_each(|(o, row)| *o = f(row));
        })
    }

    /// A product of matrices of `(rows, inner, columns)`, the second clear.
    pub(crate) fn matmul_clear(
        &self,
        a: &Shares,
        b: &Clear,
        (rows, inner, columns): (usize, usize, usize),
    ) -> Shares {
        let known = b.values().expect("clear operands are known to all");
        let right: Vec<N> = known.iter().map(|&x| N::from_i128(x)).collect();
        self.vector(rows * columns, a.depth.max(b.depth), |i, out| {
            if inner * columns > 0 {
                Map::Matrix(rows, inner, columns).add(out, of(a.plane(i)), &right);
            }
        })
    }

    pub(crate) fn sum(&self, a: &Shares, inner: usize) -> Shares {
        self.by_row(a, inner, |row| row.iter().fold(N::zero(), |s, &x| s.plus(x)))
    }

    pub(crate) fn prefix(&self, a: &Shares, inner: usize) -> Shares {
        self.vector(a.len(), a.depth, |i, out| {
            out.copy_from_slice(of(a.plane(i)));
            for row in out.chunks_exact_mut(inner) {
                (1..inner).for_each(|j| row[j] = row[j].plus(row[j - 1]));
            }
        })
    }

    /// What this party draws.
    fn drawn(&self, op: &Op<'_>, len: usize, purpose: u16) -> Plane {
        plane(len, |out| uniform::<N>(&op.stream(&self.own, purpose), out))
    }

    /// Sums of what the parties have in `x`, or what `who` has (the others' `x` is then 0), with MACs, and one
    /// random number more. One round.
    async fn fresh(
        &self,
        step: &Step,
        depth: Depth,
        x: Plane,
        who: Option<Party>,
    ) -> Result<Fresh> {
        let op = step.op(depth);
        let hiding = match who.is_none_or(|who| who == self.me) {
            true => self.drawn(&op, 1, purpose::HIDING),
            false => plane::<N>(1, |_| ()),
        };
        let x = Plane::concat(&[x, hiding]);
        let macs = self.key.multiply::<N>(&op, &x, who).await?;
        Ok(Fresh { shares: Shares::new(vec![x, macs], op.depth()), who })
    }

    /// A random combination of all of them, with its MAC.
    fn combined(fresh: &Fresh, weights: &Stream) -> Shares {
        let len = fresh.shares.len() - 1;
        let weights = plane::<N>(len, |out| uniform(weights, out));
        let sum = |x: &Plane| {
            let x = of::<N>(x);
            let terms = x.iter().zip(of::<N>(&weights)).map(|(&x, &w)| x.times(w));
            plane(1, |out: &mut [N]| out[0] = terms.fold(x[len], N::plus))
        };
        Shares::new(fresh.shares.planes().iter().map(sum).collect(), fresh.shares.depth)
    }

    /// Numbers with MACs, as [`Spdz::fresh`] says. Four rounds.
    async fn authenticated(&self, step: &Step, x: &Plane, who: Option<Party>) -> Result<Shares> {
        let mut all = vec![];
        for range in parts(x.len(), N::KEY * 8 * N::WORDS) {
            let len = range.len();
            let fresh = self.fresh(step, Depth::ZERO, x.slice(range), who).await?;
            let op = step.op(fresh.shares.depth);
            let coin = coin::toss(&op, &self.own).await?;
            let combined = Self::combined(&fresh, &op.stream(&coin, purpose::WEIGHTS));
            let op = step.op(op.depth());
            self.opened(&op, COMBINED, &combined, fresh.who).await?;
            all.push(fresh.shares.slice(0..len).at_depth(op.depth()));
        }
        if all.is_empty() {
            all.push(self.vector(0, Depth::ZERO, |_, _| ()));
        }
        Ok(Shares::concat(&all))
    }

    fn authenticating(&self, len: usize, who: Option<Party>) -> Cost {
        let part = |range: Range<usize>| {
            let shown = match who {
                None => opening(self.n, None, 8 * N::WORDS),
                Some(who) => Cost::by(who, self.n, self.n as u64 - 1, (self.n - 1) * 8 * N::WORDS),
            };
            MacKey::multiplying::<N>(self.n, range.len() + 1, who)
                .then(&coin::cost(self.n))
                .then(&shown)
        };
        let parts = parts(len, N::KEY * 8 * N::WORDS).map(part);
        parts.fold(Cost::local(self.n), |all, part| all.beside(&part))
    }

    /// Uniform numbers that nobody knows, or that only `who` knows.
    pub(crate) async fn random(
        &self,
        step: &Step,
        len: usize,
        who: Option<Party>,
    ) -> Result<Shares> {
        let op = step.op(Depth::ZERO);
        let drawn = match who.is_none_or(|who| who == self.me) {
            true => self.drawn(&op, len, purpose::RANDOM),
            false => plane::<N>(len, |_| ()),
        };
        self.authenticated(step, &drawn, who).await
    }

    /// What [`Spdz::random`] costs.
    pub(crate) fn randomness(&self, len: usize, who: Option<Party>) -> Cost {
        self.authenticating(len, who)
    }

    /// The sums of what all parties have, or what `who` has, all of it. They are recorded for the check. One
    /// round.
    async fn opened(
        &self,
        op: &Op<'_>,
        label: Label,
        a: &Shares,
        who: Option<Party>,
    ) -> Result<Vec<N>> {
        let gives = |party: Party| who.is_none_or(|who| who == party);
        let mine = of::<N>(a.plane(0));
        let mut sums = mine.to_vec();
        for peer in self.peers().filter(|_| gives(self.me)) {
            op.send(peer, label, bytemuck::cast_slice(mine))?;
        }
        for peer in self.peers().filter(|&peer| gives(peer)) {
            add(&mut sums, of(&received::<N>(op, peer, label, mine.len()).await?));
        }
        op.round();
        self.record(op.id(), sums.clone(), a.plane(1).clone());
        Ok(sums)
    }

    fn record(&self, id: OpId, values: Vec<N>, macs: Plane) {
        if !values.is_empty() {
            self.records.borrow_mut().push(Record { id, values, macs });
        }
    }

    /// Numbers of `owner` as `f` makes elements of them; what hides them is made ahead. One round, an element
    /// by the owner to each.
    pub(crate) async fn share<T: Copy>(
        &self,
        step: &Step,
        owner: Party,
        x: &ClearVec<T>,
        f: impl Fn(T) -> N,
    ) -> Result<Shares> {
        let len = x.len();
        let make = async |prep: &Step| self.random(prep, len, Some(owner)).await;
        let hiding = prepared(step, make).await?;
        let op = step.op(x.depth.max(hiding.depth));
        if len == 0 {
            return Ok(hiding.at_depth(op.depth()));
        }
        let hidden: Vec<N> = if owner == self.me {
            let known = x.values().expect("the owner has its values");
            let hidden = known.iter().zip(of::<N>(hiding.plane(0)));
            let hidden: Vec<N> = hidden.map(|(&x, &r)| f(x).minus(r)).collect();
            self.peers().try_for_each(|to| op.send(to, INPUT, bytemuck::cast_slice(&hidden)))?;
            hidden
        } else {
            of(&received::<N>(&op, owner, INPUT, len).await?).to_vec()
        };
        let depth = op.round();
        let hidden = ClearVec::new(hidden, depth);
        Ok(self.with_clear(&hiding, &hidden, |r, c, one| r.plus(one.times(c))))
    }

    /// What [`Spdz::share`] costs.
    pub(crate) fn sharing(&self, owner: Party, len: usize) -> Cost {
        if len == 0 {
            return Cost::local(self.n);
        }
        let others = self.n - 1;
        let told = Cost::by(owner, self.n, others as u64, others * 8 * N::WORDS * len);
        self.randomness(len, Some(owner)).ahead().beside(&told)
    }

    /// The numbers of the program, to `to`, or to all. To one party they go hidden by what only that one
    /// knows. In a ring, bits that do not count are hidden for all. One round.
    pub(crate) async fn open<T: Copy>(
        &self,
        step: &Step,
        a: &Shares,
        to: Option<Party>,
        f: impl Fn(N) -> T,
    ) -> Result<ClearVec<T>> {
        let len = a.len();
        let mask = match to {
            _ if len == 0 => None,
            None if !N::RING => None,
            to => {
                let make = async |prep: &Step| self.random(prep, len, to).await;
                Some(prepared(step, make).await?)
            }
        };
        let hidden = match (&mask, to) {
            (None, _) => a.clone(),
            (Some(mask), Some(_)) => self.zip(a, mask, N::plus),
            (Some(mask), None) => self.zip(a, mask, |x, r| x.plus(r.raised(N::VALUE))),
        };
        let op = step.op(hidden.depth);
        if len == 0 {
            return Ok(ClearVec::new(vec![], op.depth()));
        }
        let known = self.opened(&op, OPEN, &hidden, None).await?;
        if to.is_some_and(|to| to != self.me) {
            return Ok(ClearVec::absent(len, op.depth()));
        }
        let values: Vec<T> = match mask.filter(|_| to.is_some()) {
            None => known.into_iter().map(f).collect(),
            Some(mask) => {
                let both = known.into_iter().zip(of::<N>(mask.plane(0)));
                both.map(|(x, &r)| f(x.minus(r))).collect()
            }
        };
        Ok(ClearVec::new(values, op.depth()))
    }

    /// As [`crate::Protocol::keys`].
    pub(crate) fn keys(&self) -> Keys {
        self.key.bytes()
    }

    /// As [`crate::Protocol::restore`].
    pub(crate) fn restore(&self, keys: &[u8]) -> Result<()> {
        self.key.restore(keys)
    }

    /// What [`Spdz::open`] costs.
    pub(crate) fn open_cost(&self, to: Option<Party>, len: usize) -> Cost {
        let shown = self.showing(len);
        if to.is_none() && !N::RING {
            return shown;
        }
        self.randomness(len, to).ahead().beside(&shown)
    }

    /// What an opening of elements to all costs.
    pub(crate) fn showing(&self, len: usize) -> Cost {
        if len == 0 { Cost::local(self.n) } else { opening(self.n, None, 8 * N::WORDS * len) }
    }

    /// Products of the elements of two vectors, by triples made ahead. One round, both operands opened.
    pub(crate) async fn multiply(&self, step: &Step, x: &Shares, y: &Shares) -> Result<Shares> {
        if x.is_empty() {
            return Ok(self.vector(0, x.depth.max(y.depth), |_, _| ()));
        }
        let make = async |prep: &Step| self.triples(prep, x.len()).await;
        let triples = prepared(step, make).await?;
        self.multiply_by(step, triples, x, y).await
    }

    async fn multiply_by(
        &self,
        step: &Step,
        Triples { a, b, c }: Triples,
        x: &Shares,
        y: &Shares,
    ) -> Result<Shares> {
        let (len, op) = (x.len(), step.op(x.depth.max(y.depth).max(c.depth)));
        let hidden = Shares::concat(&[self.zip(x, &a, N::minus), self.zip(y, &b, N::minus)]);
        let known = self.opened(&op, OPERANDS, &hidden, None).await?;
        let ((d, e), one) = (known.split_at(len), self.one());
        Ok(self.vector(len, op.depth(), |i, out| {
            let [a, b, c] = [&a, &b, &c].map(|x| of::<N>(x.plane(i)));
            for (j, o) in out.iter_mut().enumerate() {
                let both = d[j].times(e[j]).times(one[i]);
                *o = c[j].plus(d[j].times(b[j])).plus(a[j].times(e[j])).plus(both);
            }
        }))
    }

    /// What [`Spdz::multiply`] costs.
    pub(crate) fn multiplying(&self, len: usize) -> Cost {
        if len == 0 {
            return Cost::local(self.n);
        }
        self.triples_cost(len).ahead().beside(&self.showing(2 * len))
    }

    /// Compares all openings since the last check with their MACs.
    ///
    /// # Errors
    /// An opening was not what it should be.
    pub(crate) async fn check(&self, step: &Step) -> Result<()> {
        let mut records = self.records.take();
        if records.is_empty() {
            return Ok(());
        }
        records.sort_unstable_by_key(|record| record.id);
        let op = step.op(Depth::ZERO);
        let coin = coin::toss(&op, &self.own).await?;
        let (weights, key) = (op.stream(&coin, purpose::WEIGHTS), self.key.summand::<N>());
        let (mut sum, mut at) = (N::zero(), 0);
        for Record { values, macs, .. } in &records {
            let weights = plane::<N>(values.len(), |out| uniform_from(&weights, at, out));
            // Streams are read in whole blocks.
            at += values.len().next_multiple_of(2);
            let terms = values.iter().zip(of::<N>(macs)).zip(of::<N>(&weights));
            sum = terms.fold(sum, |sum, ((&x, &m), &w)| sum.plus(w.times(m.minus(key.times(x)))));
        }
        drop(records);
        let op = step.op(op.depth());
        let words = bytemuck::cast_slice(std::slice::from_ref(&sum));
        let all = commit::exchange(&op, &self.own, words).await?;
        let element = |bytes: &Vec<u8>| {
            let mut words = [0; 4];
            bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
            N::checked(&words[..N::WORDS])
        };
        let total = all.iter().map(element).try_fold(N::zero(), |sum, x| Some(sum.plus(x?)));
        security_check!(
            "spdz.macs",
            total.is_some_and(|total| total.wide() == [0, 0]),
            Error::CheckFailed { what: "openings against their MACs" },
        );
        Ok(())
    }

    /// What [`Spdz::check`] costs, if there is something to check.
    pub(crate) fn checking(&self, anything: bool) -> Cost {
        match anything {
            false => Cost::local(self.n),
            true => coin::cost(self.n).then(&commit::cost(self.n, 8 * N::WORDS)),
        }
    }
}

//! Numbers with MACs beside bits with MACs, and what is shared both ways.
//!
//! Numbers are those of [`super`], bits those of [`super::super::tinier`]: a conjunction costs 80 bytes, where a
//! product of numbers costs thousands. What ties both together is made ahead of all inputs: random
//! numbers with their bits, *edaBits*, those of one bit *daBits*.
//!
//! 1. Each party draws bits and chooses by them in transfers with every peer. The low words of these are MACs of the
//!    bits. By the hashes of the same transfers the peer j tells what makes shares of `Σ_h 2^h·b_h·α_j`
//!    ([`products`](crate::blocks::ot::products)): MACs of the numbers that the bits are. So bits and numbers are the
//!    same by construction, whoever cheats: the choice of a transfer is one bit.
//! 2. A peer may tell something else, and so put a number that depends on bits of an honest party into a MAC. So
//!    sums of numbers, as a coin says, hidden by numbers more, are opened and compared with their MACs at once: in a
//!    ring σ sums of some of the numbers, in a field a random combination. Each number treated so halves the cheats'
//!    chance to get through, but for 2^-σ: at most one sum of its bits gives the MAC that they guessed, and half of
//!    all numbers at least have another one.
//! 3. A coin that is tossed before puts the numbers into random order, and B of them each are added up. A sum
//!    modulo 2^k is uniform if one of its numbers is, whatever is known of the others; with B as for the triples of
//!    [`triples`](crate::schemes::tinier::triples), all B of some sum were treated with a probability of 2^-σ.
//!    Each party proves the carries of its own sums ([`known`](crate::schemes::tinier::known)).
//! 4. The sums of all parties are added up, bits by adders of shared bits, a round a place.
//!
//! The number is the sum of all B·n numbers, the bits are those modulo 2^k: that is all that a masked opening of k bits
//! asks for. Where the number must be below 2^k, the B·n numbers have k + σ bits, and what the sum has
//! above k bits is opened and subtracted: it is the carry of the lower bits, hidden by σ bits of an honest party.
//!
//! Paper: Escudero, Ghosh, Keller, Rachuri, Scholl 2020, eprint 2020/338; bits and numbers by the same transfers:
//!   Frederiksen, Keller, Orsini, Scholl 2015, eprint 2015/901, Section 3, where they are elements of one field.
//! Differs: in 2020/338 each party shares bits and number by themselves, opens some of them and compares the others in
//!   buckets of B, by adders that may be wrong. Here bits and numbers cannot differ, and buckets hide what a peer learnt.
//!
//! Bytes that a party sends to each peer for an edaBit of 63 bits modulo 2^(64+64), by batch (n = 2, σ = 40):
//!
//! ```text
//! batch                                     16,384    1,024         1
//! here: B numbers of 63 bits, B =                4        5        40
//!   bits and their MACs, 1,016 a number      4,064    5,080    40,640
//!   carries, 256 a sum of two                  768    1,024     9,984
//!   test, 40 numbers with MACs                  10       41    42,000
//!   adder, 62 conjunctions                   5,000    6,000     6,500
//!   all                                      9,842   12,145    99,124
//! 2020/338: B numbers, 1,276 each, B = C         4        5         -
//!   carries by triples that may be wrong    20,000   25,000         -
//!   all                                     30,000   36,000         -
//! each bit a random number, by squares     880,000  880,000   880,000
//! ```
//!
//! A comparison takes one edaBit, 116 conjunctions and an opening of 1,040 bytes: 20 kB. A daBit is an edaBit of
//! 41 bits: 7 kB, where a random bit by squares costs 14 kB.

#[cfg(test)]
mod tests;

use mpc_runtime::{Depth, Error, Key, Label, Op, Result, Step};

use super::Spdz;
use super::element::Authentic;
use crate::algebra::bits::{copy_bits, stride};
use crate::blocks::coin::{self, Coins};
use crate::blocks::commit;
use crate::blocks::ot::products::{Products, accept, offer, prepare};
use crate::checks::security_check;
use crate::cost::Cost;
use crate::prepared::prepared;
use crate::schemes::additive::{add, of, out_of_range, plane, received, uniform};
use crate::schemes::tinier::bits::sum;
use crate::schemes::tinier::known::{Known, Shape, bucket};
use crate::schemes::tinier::triples::{Triples, order};
use crate::schemes::tinier::{Tinier, nothing};
use crate::value::{ClearVec, Plane, Shares};

const MACS: Label = Label("edabits.macs");
const TESTED: Label = Label("edabits.tested");
const ABOVE: Label = Label("edabits.above");
const CONVERT: Label = Label("dabits.convert");

/// edaBits that are made together: the smallest power of 2 with buckets of 4 for σ = 40.
const LANES: usize = 1 << 12;

/// Numbers and bits of one party.
pub(crate) struct Mixed<N> {
    pub(crate) numbers: Spdz<N>,
    pub(crate) bits: Tinier,
    stat_sec: u32,
}

/// What public sums are taken with.
enum Weights {
    /// Bits, 64 to a word, a row for each sum.
    Bits(Vec<u64>),
    /// Elements for the one sum.
    Elements(Plane),
}

/// edaBits of one part: the numbers, and the bits row by row.
struct Made {
    numbers: Shares,
    bits: Shares,
}

impl<N: Authentic> Mixed<N> {
    pub(crate) fn new(numbers: Spdz<N>, bits: Tinier, stat_sec: u32) -> Mixed<N> {
        Mixed { numbers, bits, stat_sec }
    }

    fn parties(&self) -> usize {
        self.numbers.n
    }

    fn each(&self, bytes: usize) -> Cost {
        let peers = self.parties() - 1;
        Cost::each(self.parties(), 1, peers as u64, peers * bytes)
    }

    /// The parts of `n` edaBits of `k` bits.
    fn shapes(&self, n: usize, k: usize, exact: bool) -> impl Iterator<Item = Shape> {
        let (sec, parties) = (self.stat_sec, self.parties());
        (0..n).step_by(LANES).map(move |first| {
            let lanes = LANES.min(n - first);
            let bucket = bucket(lanes, sec);
            let (bits, carries) = match exact {
                false => (k, 0),
                true => (k + sec as usize, (parties * bucket).next_power_of_two().ilog2()),
            };
            Shape { lanes, bucket, bits, rows: bits + carries as usize }
        })
    }

    /// `n` numbers with their low `k` bits, row by row. The numbers are uniform modulo 2^k, and below 2^k if `exact`.
    ///
    /// # Errors
    /// A peer is lost or misbehaves.
    pub(crate) async fn edabits(
        &self,
        step: &Step,
        n: usize,
        k: usize,
        exact: bool,
    ) -> Result<[Shares; 2]> {
        let zeros = || self.numbers.vector(n, Depth::ZERO, |_, _| ());
        if n * k == 0 {
            return Ok([zeros(), nothing(Depth::ZERO)]);
        }
        let exact = reduces::<N>(k, exact);
        let (mut numbers, mut rows) = (vec![], vec![vec![]; k]);
        for shape in self.shapes(n, k, exact) {
            let mut made = self.part(step, shape).await?;
            if exact {
                made = self.reduced(step, shape, k, made).await?;
            }
            for (i, rows) in rows.iter_mut().enumerate() {
                rows.push(made.bits.slice(i * shape.lanes..(i + 1) * shape.lanes));
            }
            numbers.push(made.numbers);
        }
        let rows = rows.into_iter().flatten().collect::<Vec<_>>();
        let (numbers, bits) = (Shares::concat(&numbers), Shares::concat(&rows));
        let depth = numbers.depth.max(bits.depth);
        Ok([numbers.at_depth(depth), bits.at_depth(depth)])
    }

    /// What [`Mixed::edabits`] costs.
    pub(crate) fn edabits_cost(&self, n: usize, k: usize, exact: bool) -> Cost {
        if n * k == 0 {
            return Cost::local(self.parties());
        }
        let exact = reduces::<N>(k, exact);
        let part = |shape: Shape| match exact {
            false => self.part_cost(shape),
            true => {
                let above = (shape.rows - k) * shape.lanes;
                self.part_cost(shape).then(&self.bits.holder.open_cost(above))
            }
        };
        let parts = self.shapes(n, k, exact).map(part);
        parts.fold(Cost::local(self.parties()), |all, part| all.beside(&part))
    }

    /// Whether [`Mixed::edabits`] opens bits.
    pub(crate) fn edabits_open_bits(n: usize, k: usize, exact: bool) -> bool {
        n > 0 && (k > 1 || k > 0 && reduces::<N>(k, exact))
    }

    /// `n` numbers below `2^k·maskers` that nobody knows more of than of a uniform number of `k` bits.
    ///
    /// # Errors
    /// A peer is lost or misbehaves.
    pub(crate) async fn sums(&self, step: &Step, n: usize, k: usize) -> Result<Shares> {
        let mut all = vec![self.numbers.vector(0, Depth::ZERO, |_, _| ())];
        if k == 0 {
            all.push(self.numbers.vector(n, Depth::ZERO, |_, _| ()));
        }
        for shape in self.shapes(n, k, false).filter(|_| k > 0) {
            all.push(self.part(step, Shape { rows: 0, ..shape }).await?.numbers);
        }
        Ok(Shares::concat(&all))
    }

    /// What [`Mixed::sums`] costs.
    pub(crate) fn sums_cost(&self, n: usize, k: usize) -> Cost {
        let shapes = self.shapes(n, k, false).filter(|_| k > 0);
        let parts = shapes.map(|shape| self.part_cost(Shape { rows: 0, ..shape }));
        parts.fold(Cost::local(self.parties()), |all, part| all.beside(&part))
    }

    pub(crate) fn maskers(&self) -> usize {
        maskers(self.parties(), self.stat_sec)
    }

    /// Opens what numbers have above their `k` lowest bits, and subtracts it. One round.
    async fn reduced(&self, step: &Step, shape: Shape, k: usize, made: Made) -> Result<Made> {
        let Shape { lanes, rows, .. } = shape;
        let op = step.op(made.bits.depth.max(made.numbers.depth));
        let above = made.bits.slice(k * lanes..rows * lanes);
        let above = self.bits.openings.open(&self.bits.holder, &op, ABOVE, &above).await?;
        let one = self.numbers.one();
        let numbers = self.numbers.vector(lanes, op.depth(), |plane, out| {
            let numbers = out.iter_mut().zip(of::<N>(made.numbers.plane(plane)));
            for (i, (o, &x)) in numbers.enumerate() {
                let set = (0..rows - k).filter(|row| above.bit(row * lanes + i));
                let summand = |row| one[plane].raised((k + row) as u32);
                *o = set.map(summand).fold(x, N::minus);
            }
        });
        Ok(Made { numbers, bits: made.bits.slice(0..k * lanes).at_depth(op.depth()) })
    }

    async fn part(&self, step: &Step, shape: Shape) -> Result<Made> {
        let (holder, numbers) = (&self.bits.holder, &self.numbers);
        let mut coins = Coins::commit(&step.op(Depth::ZERO), &holder.own, 2).await?;
        let op = step.op(Depth::ZERO);
        let known = holder.known(&op, shape.numbers() * shape.bits).await?;
        let made = self.numbers_of(&step.op(op.depth()), &known, shape).await?;
        let spares = step.op(Depth::ZERO);
        let spare = holder.spare(&spares, shape).await?;
        let hiding = numbers.random(step, self.tests(), None).await?;
        let triples = match self.conjunctions(shape) {
            0 => None,
            len => Some(holder.triples(step, len, self.stat_sec).await?),
        };

        let op = step.op(made.depth.max(hiding.depth));
        let order = order(&op, &coins.toss(&op).await?, shape.numbers());
        let op = step.op(op.depth().max(spares.depth()));
        let sums = holder.tell_carries(&op, shape, &order, &known, &spare).await?;
        let op = step.op(op.depth());
        let coin = coins.toss(&op).await?;
        let tested = self.test(step, op.depth(), &coin, &made, &hiding).await?;
        let op = step.op(op.depth());
        let sums = holder.proven(&op, &coin, sums).await?;
        let depth = tested.max(op.depth());
        let numbers = numbers.vector(shape.lanes, depth, |plane, out| {
            let made = of::<N>(made.plane(plane));
            for order in order.chunks_exact(shape.lanes) {
                out.iter_mut().zip(order).for_each(|(o, &at)| *o = o.plus(made[at]));
            }
        });
        let sums = sums.into_iter().map(|sums| sums.at_depth(depth)).collect();
        Ok(Made { numbers, bits: self.added(step, shape, sums, triples).await? })
    }

    fn part_cost(&self, shape: Shape) -> Cost {
        let (holder, n, tests) = (&self.bits.holder, self.parties(), 8 * N::WORDS * self.tests());
        let toss = coin::toss_cost(n);
        let made = holder.known_cost(shape.numbers() * shape.bits);
        let ahead = (made.then(&self.each(products(shape).bytes::<N>())))
            .beside(&coin::commit_cost(n, 2))
            .beside(&holder.spare_cost(shape))
            .beside(&self.numbers.randomness(self.tests(), None));
        let told = ahead.then(&toss).then(&holder.carries_cost(shape)).then(&toss);
        let test = self.each(tests).then(&commit::cost(n, tests));
        let known = told.then(&test.beside(&holder.proof_cost(shape)));
        let conjunctions = self.conjunctions(shape);
        if conjunctions == 0 {
            return known;
        }
        let triples = holder.triples_cost(conjunctions, self.stat_sec);
        let rounds = (0..conjunctions / shape.lanes).map(|_| holder.open_cost(2 * shape.lanes));
        rounds.fold(known.beside(&triples), |all, round| all.then(&round))
    }

    /// Those of the adders of the sums of all parties.
    fn conjunctions(&self, shape: Shape) -> usize {
        (self.parties() - 1) * shape.rows.saturating_sub(1) * shape.lanes
    }

    /// Sums of the numbers that all parties have in bits, with MACs. One round.
    async fn numbers_of(&self, op: &Op<'_>, known: &Known, shape: Shape) -> Result<Shares> {
        let (holder, products) = (&self.bits.holder, products(shape));
        let (len, key) = (shape.numbers(), self.numbers.key.summand::<N>());
        let x = plane(len, |out: &mut [N]| {
            for (i, o) in out.iter_mut().enumerate() {
                let mut words = [0; 4];
                copy_bits(&known.bits, i * shape.bits, shape.bits, &mut words, 0);
                *o = N::checked(&words[..N::WORDS]).expect("shorter than an element");
            }
        });
        let mut macs = plane(len, |out: &mut [N]| {
            out.iter_mut().zip(of::<N>(&x)).for_each(|(o, x)| *o = x.times(key));
        });
        let mut change = |f: &mut dyn FnMut(&mut [N])| {
            macs.change(|out| f(bytemuck::cast_slice_mut(out)));
        };
        for peer in holder.peers() {
            let with = known.with[peer].as_ref().expect("a peer");
            let mut message = vec![];
            change(&mut |out| {
                prepare(&products, 0, &with.received, out);
                let delta = holder.ot.delta(peer);
                message = offer(&products, 0, &with.sent, delta, |_, _, _| key, out);
            });
            op.send(peer, MACS, &message)?;
        }
        for peer in holder.peers() {
            let message = op.recv(peer, MACS, products.bytes::<N>()).await?;
            let mut good = None;
            change(&mut |out| good = accept(&products, 0, &known.bits, &message, out));
            good.ok_or_else(|| out_of_range(peer, MACS))?;
        }
        Ok(Shares::new(vec![x, macs], op.round()))
    }

    /// Sums that a test takes.
    fn tests(&self) -> usize {
        if N::RING { self.stat_sec as usize } else { 1 }
    }

    fn weights(&self, op: &Op<'_>, coin: &Key, len: usize) -> Weights {
        let stream = op.stream(coin, 0);
        match N::RING {
            true => Weights::Bits(stream.words(self.tests() * stride(len))),
            false => Weights::Elements(plane::<N>(len, |out| uniform(&stream, out))),
        }
    }

    /// Sums of the elements of a plane, and of one more each that hides it.
    fn weighed(&self, x: &Plane, hiding: &Plane, weights: &Weights) -> Plane {
        let x = of::<N>(x);
        plane(self.tests(), |out: &mut [N]| {
            out.copy_from_slice(of(hiding));
            match weights {
                Weights::Bits(words) => {
                    for (o, row) in out.iter_mut().zip(words.chunks_exact(stride(x.len()))) {
                        let bit = |i: usize| row[i / 64] >> (i % 64) & 1;
                        let terms = x.iter().enumerate().map(|(i, x)| x.masked(bit(i)));
                        *o = terms.fold(*o, N::plus);
                    }
                }
                Weights::Elements(weights) => {
                    let terms = x.iter().zip(of::<N>(weights)).map(|(x, &w)| x.times(w));
                    out[0] = terms.fold(out[0], N::plus);
                }
            }
        })
    }

    /// Compares public sums of numbers with their MACs, at once: nobody uses the numbers before. Three rounds; the
    /// depth after them.
    async fn test(
        &self,
        step: &Step,
        depth: Depth,
        coin: &Key,
        made: &Shares,
        hiding: &Shares,
    ) -> Result<Depth> {
        let op = step.op(depth);
        let weights = self.weights(&op, coin, made.len());
        let [mine, macs] = [0, 1].map(|i| self.weighed(made.plane(i), hiding.plane(i), &weights));
        let peers = || self.bits.holder.peers();
        peers().try_for_each(|peer| op.send(peer, TESTED, bytemuck::cast_slice(mine.words())))?;
        let mut sums = of::<N>(&mine).to_vec();
        for peer in peers() {
            add(&mut sums, of(&received::<N>(&op, peer, TESTED, mine.len()).await?));
        }
        let key = self.numbers.key.summand::<N>();
        let errors = plane(sums.len(), |out: &mut [N]| {
            let each = out.iter_mut().zip(of::<N>(&macs)).zip(&sums);
            each.for_each(|((o, m), &x)| *o = m.minus(key.times(x)));
        });
        let op = step.op(op.round());
        let own = &self.numbers.own;
        let told = commit::exchange(&op, own, bytemuck::cast_slice(errors.words())).await?;
        let mut total = vec![N::zero(); sums.len()];
        let mut good = true;
        for errors in &told {
            let theirs: Option<Vec<N>> = elements(errors).collect();
            good &= theirs.is_some();
            add(&mut total, &theirs.unwrap_or_default());
        }
        security_check!(
            "edabits.macs",
            good && total.iter().all(|x| x.wide() == [0, 0]),
            Error::CheckFailed { what: "numbers made of bits against their MACs" },
        );
        Ok(op.depth())
    }

    /// Sums modulo 2^rows of the numbers of all parties, row by row, a round a place.
    async fn added(
        &self,
        step: &Step,
        shape: Shape,
        parts: Vec<Shares>,
        triples: Option<Triples>,
    ) -> Result<Shares> {
        let lanes = shape.lanes;
        if shape.rows == 0 {
            return Ok(nothing(Depth::ZERO));
        }
        let row = |x: &Shares, row: usize| x.slice(row * lanes..(row + 1) * lanes);
        let mut parts = parts.into_iter();
        let mut total = parts.next().expect("there are parties");
        let mut used = 0;
        for part in parts {
            let (mut carry, mut sums): (Option<Shares>, Vec<Shares>) = (None, vec![]);
            for at in 0..shape.rows {
                // The carry is (x ⊕ carry) ∧ (y ⊕ carry) ⊕ carry.
                let with = |x: Shares| carry.as_ref().map_or(x.clone(), |carry| sum(&x, carry));
                let (u, y) = (with(row(&total, at)), row(&part, at));
                sums.push(sum(&u, &y));
                if at + 1 == shape.rows {
                    break;
                }
                let v = with(y);
                let triple = triples.as_ref().expect("made ahead").slice(used..used + lanes);
                used += lanes;
                let both = self.bits.multiplied_by(step, triple, &u, &v).await?;
                carry = Some(with(both));
            }
            total = Shares::concat(&sums);
        }
        Ok(total)
    }

    /// Bits as the numbers 0 and 1, by daBits made ahead. One round.
    ///
    /// # Errors
    /// A peer is lost or misbehaves.
    pub(crate) async fn to_numbers(&self, step: &Step, a: &Shares) -> Result<Shares> {
        let make = async |prep: &Step| {
            let [numbers, bits] = self.edabits(prep, a.len(), 1, true).await?;
            Ok((numbers, bits))
        };
        let (numbers, bits) = prepared(step, make).await?;
        let op = step.op(a.depth.max(numbers.depth).max(bits.depth));
        if a.is_empty() {
            return Ok(numbers.at_depth(op.depth()));
        }
        let hidden = sum(a, &bits);
        let c = self.bits.openings.open(&self.bits.holder, &op, CONVERT, &hidden).await?;
        let c = ClearVec::new((0..a.len()).map(|i| c.bit(i)).collect::<Vec<_>>(), op.depth());
        let flipped = |r: N, c, one: N| if c { one.minus(r) } else { r };
        Ok(self.numbers.with_clear(&numbers, &c, flipped))
    }

    /// What [`Mixed::to_numbers`] costs.
    pub(crate) fn to_numbers_cost(&self, n: usize) -> Cost {
        match n {
            0 => Cost::local(self.parties()),
            n => self.edabits_cost(n, 1, true).ahead().beside(&self.bits.holder.open_cost(n)),
        }
    }
}

/// Most numbers that a mask is the sum of.
pub(crate) fn maskers(parties: usize, stat_sec: u32) -> usize {
    parties * bucket(1, stat_sec)
}

/// Whether a number of `k` bits has to be made smaller: in a ring of `k` bits it need not.
fn reduces<N: Authentic>(k: usize, exact: bool) -> bool {
    exact && !(N::RING && k == N::VALUE as usize)
}

fn products(shape: Shape) -> Products {
    Products { numbers: shape.numbers(), bits: shape.bits, first: 0, width: 1, inner: 1 }
}

/// The elements that a party sent.
fn elements<N: Authentic>(bytes: &[u8]) -> impl Iterator<Item = Option<N>> + '_ {
    bytes.chunks_exact(8 * N::WORDS).map(|bytes| {
        let mut words = [0; 4];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
        N::checked(&words[..N::WORDS])
    })
}

//! Local conversion: what a scheme can do in which a number is a sum of addends that parties can share
//! each by itself, without a message ([`Protocol::addends`]), as in replicated sharing.
//!
//! - Bits become numbers by products in a tree, x ⊕ y = x + y - 2xy.
//! - Numbers become bits by an adder: carry-save adders, one conjunction a place and addend beyond two,
//!   leave two words, which a carry tree adds. A scheme that has two words more cheaply says so
//!   ([`Protocol::halves`]).
//! - Shifts take addends as they are: with x = Σ x_j - 2^K·o in `[0, 2^K)` and c the carries out of the
//!   low m places, `floor(x / 2^m) = Σ floor(x_j / 2^m) + c - 2^(K-m)·o`. Carry-save adders give all of
//!   c and o but one bit each. If the top bit of x is known to be 0, the last overflow is the
//!   disjunction of the top bits of both words, so that o takes a few top places only. Without the
//!   last carry the result is the floor or 1 less.
//!
//! Source: Araki et al. 2016, eprint 2016/768 and Mohassel, Rindal 2018, eprint 2018/403, Section 5.3
//! (local conversion); Dalskov, Escudero, Keller 2020, eprint 2020/1330, Section 4 (truncation).

use std::ops::Range;

use mpc_runtime::{Depth, Result, Step, join_all};

use super::mask::{constant, raise, scale};
use super::wires::Wires;
use super::{carry, circuits, dabit};
use crate::protocol::Protocol;
use crate::value::{ClearBits, Shares};

/// Bits as numbers 0 and 1.
///
/// # Errors
/// Those of the protocol.
pub async fn from_bits(p: &dyn Protocol, step: &Step, a: &Shares) -> Result<Shares> {
    let mut parts: Vec<Shares> = (0..p.addends()).map(|j| p.bit_addend(a, j)).collect();
    while parts.len() > 1 {
        let half = parts.len() / 2;
        let rest = parts.split_off(2 * half);
        let (left, right) = (Shares::concat(&parts[..half]), Shares::concat(&parts[half..]));
        let joined = dabit::exclusive_or(p, step, &left, &right).await?;
        parts = joined.split(&vec![a.len(); half]);
        parts.extend(rest);
    }
    Ok(parts.remove(0))
}

/// Two words of shared bits whose sum, and 1 more if there is a carry into the lowest place, is a number
/// modulo `2^k`.
struct Words {
    s: Wires,
    t: Wires,
    /// Places from the lowest up in which `t` is 0; with a carry there are none.
    empty: usize,
    carry: bool,
    /// Bits of weight `2^k` that the words have lost.
    over: Vec<Shares>,
}

/// Places `range` of addend `j`.
fn places(p: &dyn Protocol, a: &Shares, j: usize, range: &Range<u32>) -> Wires {
    let k = range.end - range.start;
    let bits = match range.start {
        0 => p.addend_bits(a, j, k),
        low => p.addend_bits(&p.addend_shifted(a, j, low), j, k),
    };
    Wires::new(bits, a.len(), k as usize)
}

impl Words {
    /// Of the low `k` places, without what they lose.
    async fn low(p: &dyn Protocol, step: &Step, a: &Shares, k: u32) -> Result<Words> {
        let Some(halves) = p.halves(step, a, k) else {
            return Words::saved(p, step, a, 0..k, false).await;
        };
        let (n, k) = (a.len(), k as usize);
        let both = Wires::new(halves.await?, n, 2 * k);
        // u - v = u + ¬v + 1.
        let t = Wires::not(p, step, &both.range(k, 2 * k)).await?;
        Ok(Words { s: both.range(0, k), t, empty: 0, carry: true, over: vec![] })
    }

    /// Of places `range` of the addends, by carry-save adders; what is lost is kept if `over`.
    async fn saved(
        p: &dyn Protocol,
        step: &Step,
        a: &Shares,
        range: Range<u32>,
        over: bool,
    ) -> Result<Words> {
        let mut words: Vec<Wires> = (0..p.addends()).map(|j| places(p, a, j, &range)).collect();
        let width = words[0].width();
        let zero = Wires::zeros(p, step, a.len()).await?;
        let mut lost = vec![];
        while words.len() > 2 {
            let rest = words.split_off(3);
            let kept = if over { width } else { width - 1 };
            let half = Wires::xor(p, step, &words[0], &words[1]).await?;
            let s = Wires::xor(p, step, &half, &words[2]).await?;
            let first = words[0].range(0, kept);
            let other = Wires::xor(p, step, &first, &words[2].range(0, kept)).await?;
            let both = match kept {
                0 => first.clone(),
                _ => Wires::and(p, step, &half.range(0, kept), &other).await?,
            };
            let carries = Wires::xor(p, step, &both, &first).await?;
            lost.extend(over.then(|| carries.row(width - 1)));
            let t = Wires::stack(&[zero.clone(), carries.range(0, width - 1)]);
            words = rest;
            words.extend([s, t]);
        }
        // A scheme of two addends has no empty place.
        let empty = usize::from(p.addends() > 2);
        let t = words.pop().expect("two words are left");
        let s = words.pop().expect("two words are left");
        Ok(Words { s, t, empty, carry: false, over: lost })
    }

    /// The carry into place `m`.
    async fn carry_into(&self, p: &dyn Protocol, step: &Step, m: usize) -> Result<Shares> {
        if m <= self.empty {
            let none = ClearBits::new(vec![self.carry; self.s.lanes()], Depth::ZERO);
            return p.public_bits(step, &none).await;
        }
        let (s, t) = (self.s.range(self.empty, m), self.t.range(self.empty, m));
        let mut g = Wires::and(p, step, &s, &t).await?;
        let e = Wires::xor(p, step, &s, &t).await?;
        if self.carry {
            let lowest = Wires::xor_disjoint(p, step, &g.range(0, 1), &e.range(0, 1)).await?;
            g = Wires::stack(&[lowest, g.range(1, g.width())]);
        }
        Ok(carry::out(p, step, &g, &e, false).await?.0)
    }
}

/// The carry out of the low `m` places of the words, of which with [`Protocol::halves`] there is one
/// unless the minuend is below the subtrahend.
///
/// # Errors
/// Those of the protocol.
pub async fn carry_out(p: &dyn Protocol, step: &Step, a: &Shares, m: u32) -> Result<Shares> {
    Words::low(p, step, a, m).await?.carry_into(p, step, m as usize).await
}

/// `x ∨ y`, row by row.
async fn either(p: &dyn Protocol, step: &Step, x: &Wires, y: &Wires) -> Result<Wires> {
    let both = Wires::and(p, step, x, y).await?;
    let one = Wires::xor(p, step, x, y).await?;
    Wires::xor_disjoint(p, step, &both, &one).await
}

/// `a < 0`; `bits` bounds `a`.
///
/// # Errors
/// Those of the protocol.
pub async fn ltz(p: &dyn Protocol, step: &Step, a: &Shares, bits: u32) -> Result<Shares> {
    let words = Words::low(p, step, a, bits).await?;
    let top = bits as usize - 1;
    let carry = words.carry_into(p, step, top).await?;
    let half = p.xor(step, &words.s.row(top), &words.t.row(top)).await?;
    p.xor(step, &half, &carry).await
}

/// `a = 0` modulo `2^bits`. A sum is 0 if every place gets the carry that it needs, which it does from a
/// 1 in the place below; `s + t + 1` is if the words differ everywhere.
///
/// # Errors
/// Those of the protocol.
pub async fn eqz(p: &dyn Protocol, step: &Step, a: &Shares, bits: u32) -> Result<Shares> {
    let Words { s, t, empty, carry, .. } = Words::low(p, step, a, bits).await?;
    let differ = Wires::xor(p, step, &s, &t).await?;
    if carry {
        return carry::all(p, step, &differ).await;
    }
    let below = s.width() - 1;
    let mut carries = s.range(0, empty.min(below));
    if below > empty {
        let (s, t) = (s.range(empty, below), t.range(empty, below));
        carries = Wires::stack(&[carries, either(p, step, &s, &t).await?]);
    }
    let upper = Wires::xor(p, step, &differ.range(1, below + 1), &carries).await?;
    let wrong = Wires::stack(&[differ.range(0, 1), upper]);
    circuits::is_zero(p, step, &wrong).await
}

/// The low `width` bits, as rows.
///
/// # Errors
/// Those of the protocol.
pub async fn decompose(p: &dyn Protocol, step: &Step, a: &Shares, width: u32) -> Result<Wires> {
    let Words { s, t, empty, carry, .. } = Words::low(p, step, a, width).await?;
    let width = s.width();
    if width == empty {
        return Ok(s);
    }
    let (upper, other) = (s.range(empty, width), t.range(empty, width));
    let upper = circuits::add(p, step, &upper, &other, carry).await?;
    Ok(Wires::stack(&[s.range(0, empty), upper]))
}

/// What carry-save adders and the last carry bring out of the low `k` places: bits of weight `2^k`.
async fn carried(p: &dyn Protocol, step: &Step, a: &Shares, k: u32) -> Result<Vec<Shares>> {
    let words = Words::saved(p, step, a, 0..k, true).await?;
    let last = words.carry_into(p, step, k as usize).await?;
    Ok([words.over, vec![last]].concat())
}

/// The same without the last carry, from the few places that matter.
async fn carried_but_last(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    k: u32,
) -> Result<Vec<Shares>> {
    let few = (p.addends() as u32 - 2).min(k);
    match few {
        0 => Ok(vec![]),
        few => Ok(Words::saved(p, step, a, k - few..k, true).await?.over),
    }
}

/// What the sum of the addends brings out of the ring, where the top bit of the number is 0.
async fn overflows(p: &dyn Protocol, step: &Step, a: &Shares, ring: u32) -> Result<Vec<Shares>> {
    let few = p.addends() as u32 - 1;
    let words = Words::saved(p, step, a, ring - few..ring, true).await?;
    let top = |w: &Wires| w.range(w.width() - 1, w.width());
    let last = either(p, step, &top(&words.s), &top(&words.t)).await?;
    Ok([words.over, vec![last.into_bits()]].concat())
}

/// Bits whose sums over the vectors are those of the bits given, with their weights: three of a weight
/// become two, as converting one costs more than an adder.
async fn counted(
    p: &dyn Protocol,
    step: &Step,
    mut bits: Vec<Shares>,
) -> Result<Vec<(u32, Shares)>> {
    let mut found = vec![];
    if let [x, y, z] = &bits[..] {
        let half = p.xor(step, x, y).await?;
        let sum = p.xor(step, &half, z).await?;
        let other = p.xor(step, x, z).await?;
        let both = p.and(step, &half, &other).await?;
        found.push((1, p.xor(step, &both, x).await?));
        bits = vec![sum];
    }
    found.extend(bits.into_iter().map(|bit| (0, bit)));
    Ok(found)
}

type Pending<'a> = std::pin::Pin<Box<dyn Future<Output = Result<Vec<(u32, Shares)>>> + 'a>>;

/// Sums of bits with weights `2^w`.
async fn weighed(
    p: &dyn Protocol,
    step: &Step,
    n: usize,
    bits: &[(u32, Shares)],
    ring: u32,
) -> Result<Vec<Shares>> {
    let all: Vec<Shares> = bits.iter().map(|(_, bit)| bit.clone()).collect();
    if all.is_empty() {
        return Ok(vec![]);
    }
    let numbers = p.from_bits(step, &Shares::concat(&all)).await?;
    let mut weighed = vec![];
    for ((w, _), number) in bits.iter().zip(numbers.split(&vec![n; all.len()])) {
        weighed.push(scale(p, step, &number, *w, ring).await?);
    }
    Ok(weighed)
}

/// The sum of the addends, each shifted by `m`.
async fn shifted(p: &dyn Protocol, step: &Step, a: &Shares, m: u32, ring: u32) -> Result<Shares> {
    let mut sum = p.addend_shifted(a, 0, m);
    for j in 1..p.addends() {
        sum = p.add(step, &sum, &p.addend_shifted(a, j, m), ring).await?;
    }
    p.complete(step, &sum).await
}

/// Sums of addends where a number is nothing else.
///
/// # Errors
/// None.
pub async fn complete(_: &dyn Protocol, _: &Step, a: &Shares) -> Result<Shares> {
    Ok(a.clone())
}

/// `floor(a / 2^m)`, `0 < m < bits`; if not `exact`, that or one more. `bits` bounds `a`.
///
/// # Errors
/// Those of the protocol.
pub async fn shift(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    (bits, m): (u32, u32),
    ring: u32,
    exact: bool,
) -> Result<Shares> {
    let x = &raise(p, step, a, bits - 1, 0, ring).await?;
    let forks = step.forks(2);
    let (low, high) = (&forks[0], &forks[1]);
    let carries: Pending<'_> = Box::pin(async move {
        let bits = match exact {
            true => carried(p, low, x, m).await?,
            false => carried_but_last(p, low, x, m).await?,
        };
        counted(p, low, bits).await
    });
    let lost: Pending<'_> = Box::pin(async move {
        let bits = match bits < ring {
            true => overflows(p, high, x, ring).await?,
            false => carried(p, high, x, ring).await?,
        };
        let counted = counted(p, high, bits).await?;
        Ok(counted.into_iter().map(|(w, bit)| (w + ring - m, bit)).collect())
    });
    let both = join_all(vec![carries, lost]).await?;
    let carries = both[0].len();
    // What exceeds the ring does not count.
    let all: Vec<_> = both.concat().into_iter().filter(|(w, _)| *w < ring).collect();
    let mut y = shifted(p, step, x, m, ring).await?;
    for (i, number) in weighed(p, step, a.len(), &all, ring).await?.iter().enumerate() {
        y = match i < carries {
            true => p.add(step, &y, number, ring).await?,
            false => p.sub(step, &y, number, ring).await?,
        };
    }
    let minus = (1_u128 << (bits - 1 - m)).wrapping_neg().wrapping_add(u128::from(!exact));
    p.add_clear(step, &y, &constant(minus as i128), bits - m + u32::from(!exact)).await
}

/// `a` modulo `2^k`, in `[0, 2^k)`; `k` is below the width of the ring.
///
/// # Errors
/// Those of the protocol.
pub async fn low(p: &dyn Protocol, step: &Step, a: &Shares, k: u32, ring: u32) -> Result<Shares> {
    let bits = carried(p, step, a, k).await?;
    let bits = counted(p, step, bits).await?;
    let mut above = shifted(p, step, a, k, ring).await?;
    for number in weighed(p, step, a.len(), &bits, ring).await? {
        above = p.add(step, &above, &number, ring).await?;
    }
    let above = scale(p, step, &above, k, ring).await?;
    p.sub(step, a, &above, ring).await
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::algebra::clear;
    use crate::cost::{Comparison, Truncation};
    use crate::protocol::Setup;
    use crate::testing::bare::of_addends;
    use crate::testing::session::{Session, Task};
    use crate::value::Clear;

    /// Edges of the range and some between.
    fn values(bits: u32) -> Vec<i128> {
        let least = -1_i128 << (bits - 1);
        let odd = 0x5A17_93C4_E86B_D02F_1CE4_7B59_A3D8_6F01_i128;
        let seen = [least, !least, 0, -1, 1, odd, !odd, odd << 1, odd >> 3, least + 1, least / 2];
        seen.iter().map(|&x| clear::wrap(x, bits)).collect()
    }

    /// Three places within `1..bits`, as far as there are any.
    fn shifts(bits: u32) -> Vec<u32> {
        let mut shifts = vec![1, bits / 2, bits - 1];
        shifts.retain(|&m| m > 0 && m < bits);
        shifts.dedup();
        shifts
    }

    async fn opened(p: &dyn Protocol, step: &Step, x: Shares) -> Result<Vec<i128>> {
        Ok(p.open(step, &x, None, 128).await?.values().unwrap_or_default().to_vec())
    }

    async fn opened_bits(p: &dyn Protocol, step: &Step, x: Shares) -> Result<Vec<i128>> {
        let bits = p.open_bits(step, &x, None).await?;
        Ok(bits.values().unwrap_or_default().iter().map(|&b| i128::from(b)).collect())
    }

    /// What the blocks find about the values of a width.
    fn found(bits: u32, p: Rc<dyn Protocol>, step: Step) -> Task<Vec<Vec<i128>>> {
        Box::pin(async move {
            let (p, step) = (&*p, &step);
            let known = Clear::new(values(bits), Depth::ZERO);
            let unknown = Clear::absent(known.len(), Depth::ZERO);
            let x = &p.share(step, 1, if step.me() == 1 { &known } else { &unknown }, bits).await?;
            let mut all = vec![
                opened_bits(p, step, p.ltz(step, x, bits).await?).await?,
                opened_bits(p, step, p.eqz(step, x, bits).await?).await?,
                opened_bits(p, step, p.decompose(step, x, bits, bits).await?).await?,
            ];
            for m in shifts(bits) {
                all.push(opened(p, step, p.shift_right(step, x, bits, m).await?).await?);
                all.push(opened(p, step, p.wrap(step, x, bits, m).await?).await?);
                all.push(opened(p, step, p.trunc(step, x, bits, m).await?).await?);
            }
            Ok(all)
        })
    }

    fn each(bits: u32, f: impl Fn(i128) -> i128) -> Vec<i128> {
        values(bits).into_iter().map(f).collect()
    }

    #[test]
    fn numbers_of_every_width_are_split_right() {
        for (ring, widths) in [(64, 1..=64), (128, 60..=128)] {
            let setup = Setup {
                parties: 4,
                ring_bits: ring,
                field_bits: ring,
                stat_sec: 40,
                truncation: Truncation::Probabilistic,
                comparison: Comparison::default(),
                threads: 1,
            };
            let session = Session { build: of_addends::build, setup, seed: 3 };
            let first = *widths.start();
            let outcome =
                session.run(widths.clone().count(), |i, p, step| found(first + i as u32, p, step));
            for (bits, found) in widths.zip(&outcome[0].results) {
                assert_eq!(found[0], each(bits, |x| i128::from(x < 0)), "sign, {bits} bits");
                assert_eq!(found[1], each(bits, |x| i128::from(x == 0)), "zero, {bits} bits");
                let places = |x: i128| (0..bits).map(move |j| x >> j & 1);
                let all: Vec<i128> = values(bits).into_iter().flat_map(places).collect();
                assert_eq!(found[2], all, "bits, {bits} of them");
                for (m, found) in shifts(bits).into_iter().zip(found[3..].chunks(3)) {
                    assert_eq!(found[0], each(bits, |x| x >> m), "{bits} bits shifted by {m}");
                    assert_eq!(found[1], each(bits, |x| clear::wrap(x, m)), "{bits} modulo {m}");
                    for (near, floor) in found[2].iter().zip(each(bits, |x| x >> m)) {
                        let up = clear::wrap(floor.wrapping_add(1), ring);
                        assert!([floor, up].contains(near), "{bits} bits rounded by {m}");
                    }
                }
            }
        }
    }
}

//! Shamir's secret sharing of bits over GF(2^8), semi-honest, honest majority.
//!
//! Sharing:  party i holds f(i + 1) for a polynomial f of degree t over GF(2^8) with f(0) = b, 0 or 1; the
//!           eight coefficients of the elements in a plane of bits each.
//! Paper:    Chaum, Crépeau, Damgård 1988. Differs: up to seven parties open a product under a random bit,
//!           of which they have shares from keys of subsets (Damgård, Nielsen 2007; Cramer, Damgård, Ishai
//!           2005). A bit is one coefficient of a sum of weighed shares, so one bit of each summand is
//!           sent, a product hidden by bits whose sum is zero, and what is opened is a bit whatever
//!           anyone sends. More parties share their products anew, as in [`super::shamir`].
//! Security: any t = ceil(n/2) - 1 parties learn nothing; a malicious party may alter the result.
//! Cost:     and 1 round, n - 1 bits from each of 2t + 1 parties, from eight parties on n - 1 - t bytes;
//!           share 1 round, n - 1 - t bytes by the owner; open 1 round, t bits from each; random_bits
//!           nothing, from eight parties on n - 1 - t bytes from each of t + 1;
//!           keys one message to each at the start; all else is a circuit of [`super::over_binary`].

use std::rc::Rc;

use mpc_runtime::{Depth, Error, Label, Op, Party, Result, Step, Stream};

use super::over_binary::{BinaryScheme, OverBinary};
use super::shamir;
use super::shamir::sharing::{Sharing, lagrange, of, point};
use crate::algebra::field::Field;
use crate::algebra::gf256::{COEFFICIENTS, Gf256};
use crate::algebra::ring::Ring;
use crate::algebra::simd;
use crate::cost::{Call, Cost, Verb};
use crate::protocol::{Fut, Info, Protocol, Security, Seeds, Setup};
use crate::value::{ClearBits, Plane, Shares, Unit};

/// What it promises.
pub const INFO: Info = Info {
    name: "ccd",
    security: Security::SemiHonest,
    stat_sec: "0: nothing is masked",
    domain: "bits",
    truncation: "exact in every mode",
    paper: "CCD 1988",
    ..shamir::INFO
};

const PRODUCT: Label = Label("ccd.and.product");
const RESHARE: Label = Label("ccd.and.reshare");
const SHARE: Label = Label("ccd.share");
const OPEN: Label = Label("ccd.open");

/// Words of a tile of each plane.
const TILE: usize = 256;

/// Purpose of the summands of zero.
const ZERO: u16 = u16::MAX - 1;

/// Makes one party.
///
/// # Errors
/// More parties than the field has points for, and as [`OverBinary::build`].
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    let most = (1 << COEFFICIENTS) - 1;
    if setup.parties > most {
        let text = format!("ccd takes at most {most} parties, the session has {}", setup.parties);
        return Err(Error::Program(text));
    }
    OverBinary::build(Rc::new(Ccd::new(setup, me, seeds)?), setup)
}

/// Which coefficients of an element add up to the lowest one of its product with a weight: all bits
/// of the word of each.
type Form = [u64; COEFFICIENTS];

fn form(weight: Gf256) -> Form {
    std::array::from_fn(|j| weight.times(Gf256::point(1 << j)).0[0])
}

/// One party.
struct Ccd {
    sharing: Sharing<Gf256>,
    /// For the k-th party before this one: what it needs of a share of this one.
    opening: Vec<Form>,
    /// What is needed of this party's products.
    product: Form,
}

/// The words of all planes.
fn columns(a: &Shares) -> [&[u64]; COEFFICIENTS] {
    std::array::from_fn(|j| a.plane(j).words())
}

/// `out ^= x`.
fn add(out: &mut [u64], x: &[u64]) {
    out.iter_mut().zip(x).for_each(|(o, &x)| *o ^= x);
}

/// 64 bits of a clear vector from bit `first` on; a single one stands for all.
fn word(bits: &[bool], first: usize) -> u64 {
    match bits {
        [bit] => u64::from(*bit).wrapping_neg(),
        _ => {
            let here = bits[first..].iter().take(64);
            here.enumerate().fold(0, |word, (i, &bit)| word | u64::from(bit) << i)
        }
    }
}

fn known(c: &ClearBits) -> &[bool] {
    c.values().expect("clear operands are known to all")
}

impl Ccd {
    fn new(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Ccd> {
        let sharing = Sharing::new(setup, me, seeds)?;
        let (n, t) = (sharing.n, sharing.t);
        let weight = |k: usize| {
            let reader = me + n - k;
            let openers: Vec<usize> = (0..=t).map(|i| point((reader + i) % n)).collect();
            lagrange::<Gf256>(&openers, 0)[k]
        };
        let opening = (0..=t).map(|k| form(weight(k))).collect();
        let product = form(sharing.product);
        Ok(Ccd { sharing, opening, product })
    }

    /// A vector of which `fill(first, tiles)` sets the words of all planes, tile by tile.
    fn vector(
        &self,
        len: usize,
        depth: Depth,
        fill: impl Fn(usize, &mut [&mut [u64]]) + Sync,
    ) -> Shares {
        let planes = Plane::build_all::<COEFFICIENTS>(Unit::Bit, len, |out| {
            self.sharing.workers.tiles(out.into(), TILE, fill);
        });
        Shares::new(planes.into(), depth)
    }

    /// One plane, likewise.
    fn bits(&self, len: usize, fill: impl Fn(usize, &mut [u64]) + Sync) -> Plane {
        Plane::build(Unit::Bit, len, |out| {
            let fill = |first, parts: &mut [&mut [u64]]| fill(first, parts[0]);
            self.sharing.workers.tiles(vec![out], TILE, fill);
        })
    }

    /// A vector of elements with its coefficients apart.
    fn apart(&self, elements: &Plane, len: usize, depth: Depth) -> Shares {
        let elements = of::<Gf256>(elements);
        self.vector(len, depth, |first, parts| {
            for (j, part) in parts.iter_mut().enumerate() {
                part.iter_mut().zip(&elements[first..]).for_each(|(o, x)| *o = x.0[j]);
            }
        })
    }

    /// The same planes but for the lowest coefficient.
    fn with_lowest(&self, a: &Shares, lowest: Plane, depth: Depth) -> Shares {
        let rest = a.planes()[1..].iter().cloned();
        Shares::new(std::iter::once(lowest).chain(rest).collect(), a.depth.max(depth))
    }

    /// Random bits from the keys of subsets.
    fn from_subsets(&self, op: &Op<'_>, len: usize) -> Shares {
        let subsets = self.sharing.agreed().iter();
        let streams: Vec<(Stream, Gf256)> =
            subsets.map(|subset| (op.stream(&subset.key, 0), subset.weight)).collect();
        self.vector(len, op.depth(), |first, parts| {
            let mut words = zeroize::Zeroizing::new([0; TILE]);
            let words = &mut words[..parts[0].len()];
            for (stream, weight) in &streams {
                stream.fill(first as u64, words);
                for (part, coefficient) in parts.iter_mut().zip(weight.0) {
                    part.iter_mut().zip(words.iter()).for_each(|(o, &w)| *o ^= w & coefficient);
                }
            }
        })
    }

    /// The bit that this party has in a product plus `r`, hidden by a summand of zero.
    fn summand(&self, op: &Op<'_>, (a, b): (&Shares, &Shares), r: &Shares) -> Plane {
        let sharing = &self.sharing;
        let peers = sharing.multipliers().filter(|&peer| peer != sharing.me);
        let streams: Vec<Stream> = peers.map(|peer| op.stream(&sharing.pair[peer], ZERO)).collect();
        let (x, y, z, form) = (columns(a), columns(b), columns(r), self.product);
        self.bits(a.len(), |first, out| {
            let mut words = zeroize::Zeroizing::new([0; TILE]);
            let words = &mut words[..out.len()];
            for stream in &streams {
                stream.fill(first as u64, words);
                add(out, words);
            }
            let [x, y, z] = [x, y, z].map(|columns| columns.map(|column| &column[first..]));
            simd::form_of_products(out, x, y, z, form);
        })
    }

    /// Products, by opening them under random bits: one round.
    async fn and_by_opening(&self, step: &Step, a: &Shares, b: &Shares) -> Result<Shares> {
        let (sharing, len) = (&self.sharing, a.len());
        let op = step.op(a.depth.max(b.depth));
        let r = self.from_subsets(&op, len);
        let mut summands = vec![];
        if sharing.multipliers().contains(&sharing.me) {
            let summand = self.summand(&op, (a, b), &r);
            for peer in (0..sharing.n).filter(|&peer| peer != sharing.me) {
                send(&op, peer, PRODUCT, &summand)?;
            }
            summands.push(summand);
        }
        for peer in sharing.multipliers().filter(|&peer| peer != sharing.me) {
            summands.push(receive(&op, peer, PRODUCT, len).await?);
        }
        summands.push(r.plane(0).clone());
        Ok(self.with_lowest(&r, self.sum(len, &summands), op.round()))
    }

    /// Products, by sharing them anew: one round.
    async fn and_by_resharing(&self, step: &Step, a: &Shares, b: &Shares) -> Result<Shares> {
        let op = step.op(a.depth.max(b.depth));
        let (x, y) = (columns(a), columns(b));
        let product = |first: usize, out: &mut [Gf256]| {
            for (i, o) in out.iter_mut().enumerate() {
                let at = |columns: [&[u64]; COEFFICIENTS]| Gf256(columns.map(|c| c[first + i]));
                *o = at(x).times(at(y));
            }
        };
        let plane = self.sharing.reshare(&op, RESHARE, a.len(), product).await?;
        Ok(self.apart(&plane, a.len(), op.depth()))
    }

    /// The exclusive or of planes.
    fn sum(&self, len: usize, planes: &[Plane]) -> Plane {
        let words: Vec<&[u64]> = planes.iter().map(Plane::words).collect();
        self.bits(len, |first, out| words.iter().for_each(|plane| add(out, &plane[first..])))
    }

    /// What the `k`-th party before this one needs of its shares.
    fn opening(&self, a: &Shares, k: usize) -> Plane {
        let planes = a.planes().iter().zip(self.opening[k]);
        let needed: Vec<Plane> =
            planes.filter(|(_, needed)| *needed != 0).map(|(p, _)| p.clone()).collect();
        self.sum(a.len(), &needed)
    }

    async fn opened(&self, step: &Step, a: &Shares, to: Option<Party>) -> Result<ClearBits> {
        let (op, len) = (step.op(a.depth), a.len());
        let (me, n, t) = (self.sharing.me, self.sharing.n, self.sharing.t);
        for k in 1..=t {
            let reader = (me + n - k) % n;
            if to.is_none_or(|to| to == reader) {
                send(&op, reader, OPEN, &self.opening(a, k))?;
            }
        }
        if to.is_some_and(|to| to != me) {
            return Ok(ClearBits::absent(len, op.round()));
        }
        let mut parts = vec![self.opening(a, 0)];
        for k in 1..=t {
            parts.push(receive(&op, (me + k) % n, OPEN, len).await?);
        }
        let bits = self.sum(len, &parts);
        Ok(ClearBits::new((0..len).map(|i| bits.bit(i)).collect::<Vec<_>>(), op.round()))
    }
}

/// Sends bits, packed.
fn send(op: &Op<'_>, to: Party, label: Label, bits: &Plane) -> Result<()> {
    op.send(to, label, &bytemuck::cast_slice(bits.words())[..bits.len().div_ceil(8)])
}

/// The bits that a party sends.
async fn receive(op: &Op<'_>, from: Party, label: Label, len: usize) -> Result<Plane> {
    Ok(Plane::from_payload(Unit::Bit, len, op.recv(from, label, len.div_ceil(8)).await?))
}

impl BinaryScheme for Ccd {
    fn security(&self) -> Security {
        Security::SemiHonest
    }

    fn parties(&self) -> usize {
        self.sharing.n
    }

    fn corrupted(&self) -> usize {
        self.sharing.t
    }

    fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(self.sharing.agree(step))
    }

    fn setup_cost(&self) -> Cost {
        self.sharing.agreeing()
    }

    fn units(&self) -> Vec<Unit> {
        vec![Unit::Bit; COEFFICIENTS]
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let (sharing, len) = (&self.sharing, call.len);
        let (n, packed) = (sharing.n, len.div_ceil(8));
        let bits =
            |from: Party, messages: usize| Cost::by(from, n, messages as u64, messages * packed);
        let together = |costs: &mut dyn Iterator<Item = Cost>| {
            costs.fold(Cost::local(n), |all, cost| all.beside(&cost))
        };
        Some(match call.verb {
            Verb::And if sharing.by_subsets() => {
                together(&mut sharing.multipliers().map(|from| bits(from, n - 1)))
            }
            Verb::And => sharing.dealing(sharing.multipliers(), len),
            Verb::ShareBits { owner } => sharing.dealing(owner..owner + 1, len),
            Verb::OpenBits { to: None } => together(&mut (0..n).map(|from| bits(from, sharing.t))),
            Verb::OpenBits { to: Some(to) } => {
                together(&mut (1..=sharing.t).map(|k| bits((to + k) % n, 1)))
            }
            Verb::RandomBits => sharing.random_cost(len),
            _ => return None,
        })
    }

    fn public_bits(&self, x: &ClearBits) -> Shares {
        let bits = known(x);
        let lowest = self.bits(x.len(), |first, out| {
            out.iter_mut().enumerate().for_each(|(i, o)| *o = word(bits, 64 * (first + i)));
        });
        let zero = self.bits(x.len(), |_, _| ());
        let planes = (0..COEFFICIENTS).map(|j| if j == 0 { lowest.clone() } else { zero.clone() });
        Shares::new(planes.collect(), x.depth)
    }

    fn xor(&self, a: &Shares, b: &Shares) -> Shares {
        let planes = a.planes().iter().zip(b.planes());
        let sum = |(x, y): (&Plane, &Plane)| self.sum(a.len(), &[x.clone(), y.clone()]);
        Shares::new(planes.map(sum).collect(), a.depth.max(b.depth))
    }

    fn xor_clear(&self, a: &Shares, c: &ClearBits) -> Shares {
        let (x, bits) = (a.plane(0).words(), known(c));
        let lowest = self.bits(a.len(), |first, out| {
            for (i, o) in out.iter_mut().enumerate() {
                *o = x[first + i] ^ word(bits, 64 * (first + i));
            }
        });
        self.with_lowest(a, lowest, c.depth)
    }

    fn and_clear(&self, a: &Shares, c: &ClearBits) -> Shares {
        let (x, bits) = (columns(a), known(c));
        self.vector(a.len(), a.depth.max(c.depth), |first, parts| {
            for i in 0..parts[0].len() {
                let mask = word(bits, 64 * (first + i));
                for (part, x) in parts.iter_mut().zip(x) {
                    part[i] = x[first + i] & mask;
                }
            }
        })
    }

    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        if self.sharing.by_subsets() {
            Box::pin(self.and_by_opening(step, a, b))
        } else {
            Box::pin(self.and_by_resharing(step, a, b))
        }
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(x.depth);
            let bits = if owner == step.me() { x.values() } else { Some(&[][..]) };
            let bits = bits.expect("the owner has its values");
            let secret = |first: usize, out: &mut [Gf256]| {
                for (i, o) in out.iter_mut().enumerate() {
                    *o = Gf256::from_bits(word(bits, 64 * (first + i)));
                }
            };
            let shares = self.sharing.dealt(&op, SHARE, owner..owner + 1, x.len(), secret).await?;
            Ok(self.apart(&shares, x.len(), op.depth()))
        })
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
            let op = step.op(Depth::ZERO);
            if self.sharing.by_subsets() {
                return Ok(self.from_subsets(&op, n));
            }
            let random = self.sharing.random(&op, n, uniform_bits).await?;
            Ok(self.apart(&random, n, op.depth()))
        })
    }
}

/// Uniform bits of a stream, from element `first` on.
fn uniform_bits(stream: &Stream, first: usize, out: &mut [Gf256]) {
    let n = out.len();
    let words: &mut [u64] = bytemuck::cast_slice_mut(out);
    stream.fill(first as u64, &mut words[..n]);
    for i in (0..n).rev() {
        let bits = words[i];
        words[COEFFICIENTS * i..][..COEFFICIENTS].copy_from_slice(&Gf256::from_bits(bits).0);
    }
}

#[cfg(test)]
mod tests {
    use super::build;
    use crate::testing::conformance::{self, Effort};
    use crate::testing::privacy;

    // The other laws take long among many, and do not depend on their number.
    #[test]
    fn five_parties_keep_the_laws_by_opening() {
        conformance::verbs_agree_with_clear_integers(build, 5, Effort::of(super::INFO.name));
        conformance::costs_are_what_the_wire_counts(build, 5, Effort::of(super::INFO.name));
        privacy::messages_are_uniform(build, 5, Effort::of(super::INFO.name));
    }

    #[test]
    fn eight_parties_keep_the_laws_by_resharing() {
        conformance::verbs_agree_with_clear_integers(build, 8, Effort::of(super::INFO.name));
        conformance::costs_are_what_the_wire_counts(build, 8, Effort::of(super::INFO.name));
        privacy::messages_are_uniform(build, 8, Effort::of(super::INFO.name));
    }
}

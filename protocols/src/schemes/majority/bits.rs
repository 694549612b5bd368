//! Bits that are bits, whoever cheats: the numbers 0 and 1.

use mpc_runtime::{Depth, Error, Label, Op, Party, Result, Step};
use subtle::ConstantTimeEq;

use super::beaver::Beaver;
use super::{Base, Shape, elements, plane, verified};
use crate::algebra::field::{LANES, Prime};
use crate::checks::security_check;
use crate::cost::Cost;
use crate::prepared::{prepared, prepared_fields};
use crate::schemes::over_field::Known;
use crate::schemes::shamir::sharing::{HASH, uniform};
use crate::value::{Plane, Shares};
use crate::workers::Workers;

const BITS: Label = Label("verified.share_bits");
const SEEN: Label = Label("verified.share_bits.seen");

impl<F: Prime, B: Base<F>> Beaver<F, B> {
    /// Random bits: the square of a random number r is verified and opened, and r divided by a root of it
    /// is 1 or -1. Should r be 0, which has a probability of 1/p, the bit is 0.
    pub(super) async fn bits(&self, step: &Step, n: usize) -> Result<Shares> {
        let (base, workers) = (&self.base, self.base.workers());
        let op = step.op(Depth::ZERO);
        let r = base.random(&op, n, uniform).await?;
        let square = verified::multiply(base, step, op.depth(), Shape::Each(n), (&r, &r), true);
        let verified::Verified { opened, depth, .. } = square.await?;
        let squares = opened.expect("asked for");
        Ok(Shares::new(signs(workers, &r, &squares, &self.one), depth))
    }

    /// What [`Beaver::bits`] costs.
    pub(super) fn bits_cost(&self, n: usize) -> Cost {
        self.base.randomness(n).then(&verified::cost(&self.base, Shape::Each(n), true))
    }

    /// Bits of `owner`.
    pub(super) async fn dealt_bits(&self, step: &Step, owner: Party, x: Known) -> Result<Shares> {
        let hiding = async |prep: &Step| self.bits(prep, x.len).await;
        let hidden = hidden(&self.base, step, owner, hiding).await?;
        told(&self.base, step, owner, x, hidden, &self.one).await
    }

    /// What [`Beaver::dealt_bits`] costs.
    pub(super) fn dealing_bits(&self, owner: Party, n: usize) -> Cost {
        telling(&self.base, self.bits_cost(n), owner, n)
    }
}

/// Random bits, of random numbers whose squares are known: r divided by a root of its square is 1 or -1.
/// What the planes of `r` have shares of `one` has too; it may be a multiple.
pub(super) fn signs<F: Prime>(
    workers: &Workers,
    r: &[Plane],
    squares: &Plane,
    one: &[F],
) -> Vec<Plane> {
    let n = squares.len();
    let halved = plane(workers, n, halved_roots(elements::<F>(squares)));
    let (halved, half) = (elements::<F>(&halved), F::ONE.plus(F::ONE).inverse());
    let bit = |(r, one): (&Plane, &F)| {
        let (r, one) = (elements::<F>(r), one.times(half));
        plane(workers, n, |first, out: &mut [F]| {
            let values = r[first..].iter().zip(&halved[first..]);
            for (bit, (&r, &root)) in out.iter_mut().zip(values) {
                // Roots are public.
                let zero = root.wide() == [0, 0];
                *bit = if zero { F::ZERO } else { r.times(root).plus(one) };
            }
        })
    };
    r.iter().zip(one).map(bit).collect()
}

/// `n` numbers of `width` random bits each.
pub(super) fn weighed<F: Prime>(
    workers: &Workers,
    random: &Shares,
    n: usize,
    width: usize,
) -> Shares {
    let number = |row: &[F]| row.iter().rev().fold(F::ZERO, |x, &b| x.plus(x).plus(b));
    let planes = random.planes().iter().map(|a| {
        let a = elements::<F>(a);
        plane(workers, n, |first, out: &mut [F]| {
            for (i, o) in out.iter_mut().enumerate() {
                *o = number(&a[(first + i) * width..][..width]);
            }
        })
    });
    Shares::new(planes.collect(), random.depth)
}

/// Random bits that one party knows.
pub(super) struct Hidden {
    /// Planes after those of a share are multiples.
    shares: Shares,
    known: Option<Plane>,
    depth: Depth,
}

prepared_fields!(Hidden { shares, known, depth });

/// What `make` yields, opened to `owner`.
pub(super) async fn hidden<F: Prime, B: Base<F>>(
    base: &B,
    step: &Step,
    owner: Party,
    make: impl AsyncFnOnce(&Step) -> Result<Shares>,
) -> Result<Hidden> {
    prepared(step, async |prep| {
        let shares = make(prep).await?;
        let op = prep.op(shares.depth);
        let known = base.open(&op, &shares.planes()[..base.one().len()], Some(owner)).await?;
        Ok(Hidden { shares, known, depth: op.depth() })
    })
    .await
}

/// Bits of `owner`, who tells all where they differ from random ones. All but the owner compare what they
/// heard. `one` is what the planes of these have of the number 1.
pub(super) async fn told<F: Prime, B: Base<F>>(
    base: &B,
    step: &Step,
    owner: Party,
    x: Known,
    hidden: Hidden,
    one: &[F],
) -> Result<Shares> {
    let n = x.len;
    let op = step.op(x.depth.max(hidden.depth));
    let bytes = n.div_ceil(8);
    let differ = match hidden.known.zip(x.elements) {
        None => op.recv(owner, BITS, bytes).await?.to_vec(),
        Some((known, own)) => {
            let (known, own) = (elements::<F>(&known), elements::<F>(&own));
            let bit = |i: usize| known[i].wide() != own[i].wide();
            let mut differ = vec![0; bytes];
            (0..n).for_each(|i| differ[i / 8] |= u8::from(bit(i)) << (i % 8));
            for peer in (0..op.parties()).filter(|&peer| peer != owner) {
                op.send(peer, BITS, &differ)?;
            }
            differ
        }
    };
    op.round();
    if op.me() != owner {
        compare(&op, owner, &differ).await?;
    }
    let depth = op.round();
    let bit = |(c, &one): (&Plane, &F)| {
        let c = elements::<F>(c);
        plane(base.workers(), n, |first, out: &mut [F]| {
            for (i, o) in (first..).zip(out) {
                let differs = differ[i / 8] >> (i % 8) & 1 == 1;
                *o = if differs { one.minus(c[i]) } else { c[i] };
            }
        })
    };
    Ok(Shares::new(hidden.shares.planes().iter().zip(one).map(bit).collect(), depth))
}

/// What [`told`] costs, with the random bits.
pub(super) fn telling<F: Prime, B: Base<F>>(
    base: &B,
    hiding: Cost,
    owner: Party,
    n: usize,
) -> Cost {
    let parties = base.parties();
    let ahead = hiding.then(&base.opening(Some(owner), n)).ahead();
    let (bytes, others) = (n.div_ceil(8), parties - 1);
    let told = Cost::by(owner, parties, others as u64, others * bytes);
    let mut compared = Cost { rounds: 1, ..Cost::local(parties) };
    for party in (0..parties).filter(|&party| party != owner) {
        (1..others).for_each(|_| compared.add(party, bytes.min(HASH)));
    }
    ahead.then(&told).then(&compared)
}

/// Fills in half the inverse roots of public squares.
fn halved_roots<F: Prime>(squares: &[F]) -> impl Fn(usize, &mut [F]) + Sync {
    let half = F::ONE.plus(F::ONE).inverse();
    move |first, out| {
        for (i, out) in out.chunks_mut(LANES).enumerate() {
            let mut lanes = [F::ZERO; LANES];
            let here = first + i * LANES;
            lanes[..out.len()].copy_from_slice(&squares[here..][..out.len()]);
            out.copy_from_slice(&F::inverse_roots(lanes)[..out.len()]);
            out.iter_mut().for_each(|root| *root = root.times(half));
        }
    }
}

/// All but `owner` compare what it told them.
async fn compare(op: &Op<'_>, owner: Party, told: &[u8]) -> Result<()> {
    let due = match told.len() {
        ..=HASH => told.to_vec(),
        _ => blake3::hash(told).as_bytes().to_vec(),
    };
    let peers = || (0..op.parties()).filter(|&peer| peer != owner && peer != op.me());
    for peer in peers() {
        op.send(peer, SEEN, &due)?;
    }
    for peer in peers() {
        let found = op.recv(peer, SEEN, due.len()).await?;
        security_check!(
            "verified.share_bits.same",
            bool::from(found.ct_eq(&due)),
            Error::CheckFailed { what: "bits told to several parties" },
        );
    }
    Ok(())
}

//! Shamir's secret sharing over a prime field, semi-honest, honest majority.
//!
//! Sharing:  party i holds f(i + 1) for a polynomial f of degree t with f(0) = x; x < 0 is p + x.
//!           Bits are the numbers 0 and 1.
//! Field:    the smallest of 2^61 - 1, 2^127 - 1, 2^255 - 19 that leaves room for masks of σ bits.
//! Paper:    Cramer, Damgård, Maurer 2000, eprint 2000/037; products by resharing: Gennaro, Rabin, Rabin
//!           1998. Differs: t of the shares of a dealer are pseudo-random, from keys common to it and
//!           their holders (the idea of Cramer, Damgård, Ishai 2005), so that n - 1 - t are sent.
//!           Random elements: `prss`; random bits: `bits`.
//! Security: any t = ceil(n/2) - 1 parties learn nothing; a malicious party may alter the result.
//! Cost:     mul, dot and matmul 1 round, n - 1 - t elements of the result from each of 2t + 1 parties;
//!           share 1 round, n - 1 - t elements from the owner; open 1 round, t elements from each;
//!           mask: nothing up to seven parties, whose keys take one message to each at the start;
//!           random_bits 2 rounds, n elements in all if t = 1, else 2t + n - 1.

mod bits;
mod prss;
mod sharing;

use std::rc::Rc;

use mpc_runtime::{Depth, Error, Label, Party, Result, Step};

use self::sharing::{Sharing, add, add_weighed, elements, of, short};
use crate::algebra::field::{F61, F127, F255, Field};
use crate::cost::{Call, Cost, Truncation, Verb};
use crate::protocol::{Abort, Domain, Fut, Info, Parties, Protocol, Security, Seeds, Setup, now};
use crate::value::{Clear, ClearBits, ClearVec, Plane, Shares, Unit};

/// What it promises.
pub const INFO: Info = Info {
    name: "shamir",
    parties: Parties::AtLeast(3),
    corrupted: "ceil(n/2) - 1",
    security: Security::SemiHonest,
    abort: Abort::None,
    comp_sec: "128, by AES-128",
    stat_sec: "2^-σ for each number that is opened under a mask",
    domain: "integers modulo a prime of 61, 127 or 255 bits",
    assumptions: "AES-128 is a pseudo-random function",
    truncation: "exact: nothing. probabilistic and fast: the rounding depends on the mask that is opened; never a gross error",
    paper: "eprint 2000/037",
};

const RESHARE: Label = Label("shamir.mul.reshare");
const SHARE: Label = Label("shamir.share");

/// Makes one party.
///
/// # Errors
/// Numbers too large for the largest field.
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    // A masked number: one bit for differences, σ of mask, sums of masks, a carry.
    let carries = prss::summands(setup.parties).next_power_of_two().ilog2();
    let needed = setup.field_bits + 1 + setup.stat_sec + carries + 1;
    Ok(match needed {
        ..=F61::BITS => Rc::new(Shamir::<F61>::new(setup, me, seeds)?),
        _ if needed <= F127::BITS => Rc::new(Shamir::<F127>::new(setup, me, seeds)?),
        _ if needed <= F255::BITS => Rc::new(Shamir::<F255>::new(setup, me, seeds)?),
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
    sharing: Sharing<F>,
    stat_sec: u32,
    truncation: Truncation,
}

impl<F: Field> Shamir<F> {
    fn new(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Self> {
        let Setup { stat_sec, truncation, .. } = *setup;
        Ok(Shamir { sharing: Sharing::new(setup, me, seeds)?, stat_sec, truncation })
    }

    /// `f` of the elements of two vectors.
    fn binary<'a>(&self, a: &Shares, b: &Shares, f: impl Fn(F, F) -> F + Sync) -> Fut<'a> {
        let (x, y) = (elements::<F>(a), elements::<F>(b));
        now(self.sharing.vector(a.len(), a.depth.max(b.depth), |first, out| {
            let operands = x[first..].iter().zip(&y[first..]);
            out.iter_mut().zip(operands).for_each(|(o, (&x, &y))| *o = f(x, y));
        }))
    }

    /// `f` of the elements of a vector and of clear ones.
    fn with_clear<'a, T: Copy + Sync>(
        &self,
        a: &Shares,
        c: &ClearVec<T>,
        f: impl Fn(F, T) -> F + Sync,
    ) -> Fut<'a> {
        let known = c.values().expect("clear operands are known to all");
        let x = elements::<F>(a);
        now(self.sharing.vector(a.len(), a.depth.max(c.depth), |first, out| match known {
            [one] => out.iter_mut().zip(&x[first..]).for_each(|(o, &x)| *o = f(x, *one)),
            all => {
                let operands = x[first..].iter().zip(&all[first..]);
                out.iter_mut().zip(operands).for_each(|(o, (&x, &c))| *o = f(x, c));
            }
        }))
    }

    /// Clear numbers as elements.
    fn known(&self, c: &Clear) -> ClearVec<F> {
        c.map(c.len(), |v| v.iter().map(|&c| F::from_i128(c)).collect())
    }

    fn public<'a, T: Copy + Sync>(&self, x: &ClearVec<T>, f: impl Fn(T) -> F + Sync) -> Fut<'a> {
        let known = x.values().expect("public numbers are known to all");
        now(self.sharing.vector(x.len(), x.depth, |first, out| {
            out.iter_mut().zip(&known[first..]).for_each(|(o, &x)| *o = f(x));
        }))
    }

    /// `f` of each row of `inner` elements.
    fn by_row<'a>(&self, a: &Shares, inner: usize, f: impl Fn(&[F]) -> F + Sync) -> Fut<'a> {
        let x = elements::<F>(a);
        now(self.sharing.vector(a.len() / inner, a.depth, |first, out| {
            let rows = x[first * inner..].chunks_exact(inner);
            out.iter_mut().zip(rows).for_each(|(o, row)| *o = f(row));
        }))
    }

    /// Shares of degree t of products of degree 2t that `product(first, tile)` makes.
    fn multiplied<'a>(
        &'a self,
        step: &'a Step,
        depth: Depth,
        len: usize,
        product: impl Fn(usize, &mut [F]) + Sync + 'a,
    ) -> Fut<'a> {
        Box::pin(async move { self.sharing.reshare(&step.op(depth), RESHARE, len, product).await })
    }

    /// Matrix product, row-major.
    fn product(&self, a: &[F], b: &[F], (rows, inner, cols): (usize, usize, usize)) -> Plane {
        Plane::build(Unit::Words(F::WORDS), rows * cols, |out| {
            let tile = cols.max(1) * (sharing::tile::<F>() / cols.max(1)).max(1);
            let out = vec![bytemuck::cast_slice_mut(out)];
            self.sharing.workers.tiles(out, tile, |first, parts| {
                for (i, row) in parts[0].chunks_exact_mut(cols).enumerate() {
                    let left = &a[(first / cols + i) * inner..][..inner];
                    for (k, &factor) in left.iter().enumerate() {
                        add_weighed(row, &b[k * cols..][..cols], factor);
                    }
                }
            });
        })
    }
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
        self.sharing.t
    }

    fn maskers(&self, parties: usize) -> usize {
        prss::summands(parties)
    }

    fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(self.sharing.agree(step))
    }

    fn setup_cost(&self, _: usize) -> Cost {
        self.sharing.agreeing()
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let Call { verb, len, .. } = *call;
        let sharing = &self.sharing;
        match verb {
            Verb::Linear | Verb::AddClear | Verb::MulClear | Verb::LinearBits => {}
            Verb::FromBits | Verb::AsBits | Verb::Compose { .. } => {}
            Verb::Sum { .. } | Verb::MatMulClear { .. } => {}
            Verb::Mul | Verb::Dot { .. } | Verb::MatMul { .. } | Verb::And | Verb::Xor => {
                return Some(sharing.dealing(sharing.multipliers(), len));
            }
            Verb::Share { owner } | Verb::ShareBits { owner } => {
                return Some(sharing.dealing(owner..owner + 1, len));
            }
            Verb::Open { to } | Verb::OpenBits { to } => return Some(sharing.opening(to, len)),
            Verb::OpenWide => return Some(sharing.opening(None, len)),
            Verb::Mask => return Some(sharing.random_cost(len)),
            Verb::RandomBits => return Some(sharing.random_bits_cost(len)),
            _ => return None,
        }
        Some(Cost::local(sharing.n))
    }

    fn public<'a>(&'a self, _: &'a Step, x: &'a Clear) -> Fut<'a> {
        self.public(x, F::from_i128)
    }

    fn add<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        self.binary(a, b, F::add)
    }

    fn sub<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        self.binary(a, b, F::sub)
    }

    fn add_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        self.with_clear(a, &self.known(c), F::add)
    }

    fn mul_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        self.with_clear(a, &self.known(c), F::mul)
    }

    fn mul<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        let (x, y) = (elements::<F>(a), elements::<F>(b));
        self.multiplied(step, a.depth.max(b.depth), a.len(), |first, out| {
            let operands = x[first..].iter().zip(&y[first..]);
            out.iter_mut().zip(operands).for_each(|(o, (&x, &y))| *o = x.mul(y));
        })
    }

    fn share<'a>(&'a self, step: &'a Step, owner: Party, x: &'a Clear, _: u32) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(x.depth);
            let known = if owner == step.me() { x.values() } else { Some(&[][..]) };
            let known = known.expect("the owner has its values");
            let secret = |first: usize, out: &mut [F]| {
                out.iter_mut().zip(&known[first..]).for_each(|(o, &x)| *o = F::from_i128(x));
            };
            let dealer = owner..owner + 1;
            let shares = self.sharing.dealt(&op, SHARE, dealer, x.len(), secret).await?;
            Ok(Shares::new(vec![shares], op.depth()))
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
            let (values, depth) = self.sharing.opened(step, a, to).await?;
            let Some(values) = values else { return Ok(Clear::absent(a.len(), depth)) };
            let values: Vec<i128> = of::<F>(&values).iter().map(|x| x.to_i128()).collect();
            Ok(Clear::new(values, depth))
        })
    }

    fn open_wide<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        _: u32,
    ) -> Fut<'a, ClearVec<[u128; 2]>> {
        Box::pin(async move {
            let (values, depth) = self.sharing.opened(step, a, None).await?;
            let values = values.expect("opened to all");
            let values: Vec<_> = of::<F>(&values).iter().map(|x| x.wide()).collect();
            Ok(ClearVec::new(values, depth))
        })
    }

    fn public_bits<'a>(&'a self, _: &'a Step, x: &'a ClearBits) -> Fut<'a> {
        self.public(x, |bit| if bit { F::ONE } else { F::ZERO })
    }

    fn xor<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        Box::pin(async move {
            let both = self.mul(step, a, b, 1).await?;
            let (x, y, product) = (elements::<F>(a), elements::<F>(b), elements::<F>(&both));
            Ok(self.sharing.vector(a.len(), both.depth, |first, out| {
                add(out, &x[first..]);
                add(out, &y[first..]);
                let products = out.iter_mut().zip(&product[first..]);
                products.for_each(|(o, &m)| *o = o.sub(m).sub(m));
            }))
        })
    }

    fn xor_disjoint<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        self.add(step, a, b, 1)
    }

    fn xor_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        self.with_clear(a, c, |a, c| if c { F::ONE.sub(a) } else { a })
    }

    fn and_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        self.with_clear(a, c, |a, c| if c { a } else { F::ZERO })
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

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        Box::pin(self.sharing.random_bits(step, n))
    }

    fn from_bits<'a>(&'a self, _: &'a Step, a: &'a Shares) -> Fut<'a> {
        now(a.clone())
    }

    fn compose<'a>(&'a self, _: &'a Step, a: &'a Shares, k: u32, signed: bool) -> Fut<'a> {
        self.by_row(a, k as usize, |row: &[F]| {
            let (top, rest) = row.split_last().expect("numbers have bits");
            let top = if signed { F::ZERO.sub(*top) } else { *top };
            rest.iter().rev().fold(top, |x, &bit| x.add(x).add(bit))
        })
    }

    fn as_bits<'a>(&'a self, _: &'a Step, a: &'a Shares) -> Fut<'a> {
        now(a.clone())
    }

    fn mask<'a>(&'a self, step: &'a Step, n: usize, bits: u32) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(Depth::ZERO);
            let sum = self.sharing.random(&op, n, short(bits)).await?;
            Ok(Shares::new(vec![sum], op.depth()))
        })
    }

    fn sum<'a>(&'a self, _: &'a Step, a: &'a Shares, inner: usize, _: u32) -> Fut<'a> {
        self.by_row(a, inner, |row| row.iter().fold(F::ZERO, |s, &x| s.add(x)))
    }

    fn prefix<'a>(&'a self, _: &'a Step, a: &'a Shares, inner: usize, _: u32) -> Fut<'a> {
        let plane = Plane::build(Unit::Words(F::WORDS), a.len(), |out| {
            let out: &mut [F] = bytemuck::cast_slice_mut(out);
            out.copy_from_slice(elements(a));
            for row in out.chunks_exact_mut(inner) {
                (1..inner).for_each(|i| row[i] = row[i].add(row[i - 1]));
            }
        });
        now(Shares::new(vec![plane], a.depth))
    }

    fn dot<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        inner: usize,
        _: u32,
    ) -> Fut<'a> {
        let (x, y) = (elements::<F>(a), elements::<F>(b));
        let len = a.len() / inner;
        self.multiplied(step, a.depth.max(b.depth), len, move |first, out| {
            let rows = x[first * inner..].chunks_exact(inner).zip(y[first * inner..].chunks(inner));
            let products = |(s, (&x, &y)): (F, (&F, &F))| s.add(x.mul(y));
            for (o, (x, y)) in out.iter_mut().zip(rows) {
                *o = x.iter().zip(y).fold(F::ZERO, |s, xy| products((s, xy)));
            }
        })
    }

    fn matmul<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        size: (usize, usize, usize),
        _: u32,
    ) -> Fut<'a> {
        let products = self.product(elements(a), elements(b), size);
        let depth = a.depth.max(b.depth);
        Box::pin(async move {
            let products = of::<F>(&products);
            let fill = |first: usize, out: &mut [F]| {
                out.copy_from_slice(&products[first..][..out.len()]);
            };
            self.sharing.reshare(&step.op(depth), RESHARE, size.0 * size.2, fill).await
        })
    }

    fn matmul_clear<'a>(
        &'a self,
        _: &'a Step,
        a: &'a Shares,
        b: &'a Clear,
        size: (usize, usize, usize),
        _: u32,
    ) -> Fut<'a> {
        let known = self.known(b);
        let right = known.values().expect("clear operands are known to all");
        let product = self.product(elements(a), right, size);
        now(Shares::new(vec![product], a.depth.max(b.depth)))
    }
}

//! Shamir's secret sharing over a prime field, semi-honest, honest majority.
//!
//! Sharing:  party i holds f(i + 1) for a polynomial f of degree t with f(0) = x. Numbers, bits and the
//!           field are those of [`super::over_field`].
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
mod kings;
pub(crate) mod prss;
pub(crate) mod sharing;

use std::rc::Rc;

use mpc_runtime::{Depth, Label, Party, Result, Step};

use self::sharing::{Sharing, elements, of};
use super::over_field::{self, FieldScheme, Known, MakeFieldScheme, Opened, Products, short};
use crate::algebra::field::Prime;
use crate::algebra::matrix;
use crate::cost::{Call, Cost, Verb};
use crate::protocol::{Abort, Fut, Info, Parties, Protocol, Security, Seeds, Setup};
use crate::value::{Plane, Shares, Unit};
use crate::workers::Workers;

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
    over_field::build::<ByResharing>(setup, me, seeds)
}

/// Makes it over any field.
pub(crate) struct ByResharing;

impl MakeFieldScheme for ByResharing {
    const INFO: Info = INFO;

    fn maskers(parties: usize) -> usize {
        maskers(parties)
    }

    fn make<F: Prime>(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn FieldScheme<F>>> {
        Shamir::make(setup, me, seeds, Reduction::Resharing)
    }
}

/// Parties that may be corrupted together: fewer than half.
pub(crate) fn corrupted(parties: usize) -> usize {
    parties.div_ceil(2) - 1
}

/// How many numbers a mask is the sum of.
pub(crate) fn maskers(parties: usize) -> usize {
    prss::summands(parties)
}

/// How products, of degree 2t, become shares of degree t again.
pub(crate) enum Reduction {
    /// Every party shares what it has of them.
    Resharing,
    /// Kings open them, hidden, and share them anew.
    Kings,
}

/// One party.
pub(crate) struct Shamir<F> {
    sharing: Sharing<F>,
    reduction: Reduction,
    one: [F; 1],
}

impl<F: Prime> Shamir<F> {
    pub(crate) fn make(
        setup: &Setup,
        me: Party,
        seeds: &Seeds,
        reduction: Reduction,
    ) -> Result<Rc<dyn FieldScheme<F>>> {
        let sharing = Sharing::new(setup, me, seeds)?;
        Ok(Rc::new(Shamir { sharing, reduction, one: [F::ONE] }))
    }

    /// Products of degree 2t become shares of degree t.
    async fn reduced(
        &self,
        step: &Step,
        depth: Depth,
        len: usize,
        product: impl Fn(usize, &mut [F]) + Sync,
    ) -> Result<Shares> {
        match self.reduction {
            Reduction::Resharing => {
                let op = step.op(depth);
                let plane = self.sharing.reshare(&op, RESHARE, len, product).await?;
                Ok(Shares::new(vec![plane], op.depth()))
            }
            Reduction::Kings => self.sharing.reduce(step, depth, len, product).await,
        }
    }

    async fn multiplied(
        &self,
        step: &Step,
        a: &Shares,
        b: &Shares,
        what: Products,
    ) -> Result<Shares> {
        let (x, y) = (elements::<F>(a), elements::<F>(b));
        let (len, depth) = (what.len(a.len()), a.depth.max(b.depth));
        match what {
            Products::Rows(1) => {
                let fill = |first: usize, out: &mut [F]| {
                    let operands = x[first..].iter().zip(&y[first..]);
                    out.iter_mut().zip(operands).for_each(|(o, (&x, &y))| *o = x.times(y));
                };
                self.reduced(step, depth, len, fill).await
            }
            Products::Rows(inner) => {
                let fill = |first: usize, out: &mut [F]| {
                    let rows = x[first * inner..].chunks_exact(inner);
                    for (o, (x, y)) in
                        out.iter_mut().zip(rows.zip(y[first * inner..].chunks(inner)))
                    {
                        let products = x.iter().zip(y).map(|(&x, &y)| x.times(y));
                        *o = products.fold(F::ZERO, F::plus);
                    }
                };
                self.reduced(step, depth, len, fill).await
            }
            Products::Matrix(size) => {
                let products = Plane::build(Unit::Words(F::WORDS), len, |out| {
                    let out: &mut [F] = bytemuck::cast_slice_mut(out);
                    matrix::multiply_add(self.sharing.workers.pool(), out, x, y, size);
                });
                let products = of::<F>(&products);
                let fill = |first: usize, out: &mut [F]| {
                    out.copy_from_slice(&products[first..][..out.len()]);
                };
                self.reduced(step, depth, len, fill).await
            }
        }
    }
}

impl<F: Prime> FieldScheme<F> for Shamir<F> {
    fn parties(&self) -> usize {
        self.sharing.n
    }

    fn corrupted(&self) -> usize {
        self.sharing.t
    }

    fn workers(&self) -> &Workers {
        &self.sharing.workers
    }

    fn planes(&self) -> usize {
        1
    }

    fn one(&self) -> &[F] {
        &self.one
    }

    fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(self.sharing.agree(step))
    }

    fn setup_cost(&self) -> Cost {
        self.sharing.agreeing()
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let (sharing, len) = (&self.sharing, call.len);
        Some(match call.verb {
            Verb::Mul | Verb::Dot { .. } | Verb::MatMul { .. } => match self.reduction {
                Reduction::Resharing => sharing.dealing(sharing.multipliers(), len),
                Reduction::Kings => sharing.reduce_cost(len),
            },
            Verb::Share { owner } => sharing.dealing(owner..owner + 1, len),
            Verb::Open { to } => sharing.opening(to, len),
            Verb::Mask => sharing.random_cost(len),
            Verb::RandomBits => sharing.random_bits_cost(len),
            _ => return None,
        })
    }

    fn products<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        what: Products,
    ) -> Fut<'a> {
        Box::pin(self.multiplied(step, a, b, what))
    }

    fn share<'a>(&'a self, step: &'a Step, owner: Party, x: Known) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(x.depth);
            let known: &[F] = x.elements.as_ref().map_or(&[], of);
            let secret = |first: usize, out: &mut [F]| {
                out.copy_from_slice(&known[first..][..out.len()]);
            };
            let dealer = owner..owner + 1;
            let shares = self.sharing.dealt(&op, SHARE, dealer, x.len, secret).await?;
            Ok(Shares::new(vec![shares], op.depth()))
        })
    }

    fn open<'a>(&'a self, step: &'a Step, a: &'a Shares, to: Option<Party>) -> Fut<'a, Opened> {
        Box::pin(self.sharing.opened(step, a, to))
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        Box::pin(self.sharing.random_bits(step, n))
    }

    fn mask<'a>(&'a self, step: &'a Step, n: usize, bits: u32) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(Depth::ZERO);
            let sum = self.sharing.random(&op, n, short(bits)).await?;
            Ok(Shares::new(vec![sum], op.depth()))
        })
    }
}

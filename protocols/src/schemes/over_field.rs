//! Every program over a prime field, on a scheme that shares its elements linearly.
//!
//! A scheme implements [`FieldScheme`]; [`OverField`] makes a whole protocol of it.
//!
//! Sharing:  a number x < 0 is p + x; bits are the numbers 0 and 1. What a share is made of is the
//!           scheme's, one element in each of its planes; sums and clear factors act on each plane alike.
//! Field:    the smallest of 2^61 - 1, 2^127 - 1, 2^255 - 19 that leaves room for masks of σ bits.
//! Cost:     an exclusive or, a conjunction, a sum of products cost a product; what is linear costs nothing.

use std::rc::Rc;

use mpc_runtime::{Depth, Error, Party, Result, Step, Stream};

use crate::algebra::field::{F61, F127, F255, Prime};
use crate::algebra::matrix;
use crate::blocks::shuffle;
use crate::cost::{Call, Cost, Truncation, Verb};
use crate::protocol::{Domain, Fut, Info, Keys, Protocol, Security, Seeds, Setup, Units, now};
use crate::value::{Clear, ClearBits, ClearVec, Plane, Shares, Unit};
use crate::workers::Workers;

/// Words of a tile.
pub(crate) const TILE_WORDS: usize = 2048;

/// Numbers that their owner has as elements; the others have nothing.
pub(crate) struct Known {
    pub(crate) elements: Option<Plane>,
    pub(crate) len: usize,
    pub(crate) depth: Depth,
}

/// Elements that were opened, where they are known, and when they are.
pub(crate) type Opened = (Option<Plane>, Depth);

/// What is summed up of products of two vectors.
#[derive(Clone, Copy)]
pub(crate) enum Products {
    /// Sums along rows of so many.
    Rows(usize),
    /// A product of matrices; rows, inner, columns.
    Matrix((usize, usize, usize)),
}

impl Products {
    /// Length of the result, for a left operand of length `left`.
    pub(crate) fn len(self, left: usize) -> usize {
        match self {
            Products::Rows(inner) => left / inner,
            Products::Matrix((rows, _, cols)) => rows * cols,
        }
    }
}

/// What a scheme over a prime field has to say. Depth of a result is the maximum over the operands, plus
/// the rounds of the verb.
pub(crate) trait FieldScheme<F: Prime> {
    /// Number of parties.
    fn parties(&self) -> usize;

    /// How many of them may be corrupted together.
    fn corrupted(&self) -> usize;

    /// Threads for local work.
    fn workers(&self) -> &Workers;

    /// Planes of a vector.
    fn planes(&self) -> usize;

    /// This party's share of the number 1, an element for each plane; after the setup.
    fn one(&self) -> &[F];

    /// As in [`Units`].
    fn zeros(&self) -> usize {
        0
    }

    /// What `Mul`, `Dot`, `MatMul`, `Share`, `Open`, `RandomBits` and `Mask` cost, and `Shuffle` if it is
    /// overridden; `None` for all else.
    fn cost(&self, call: &Call) -> Option<Cost>;

    /// As [`Protocol::verifies`].
    fn verifies(&self) -> bool {
        false
    }

    /// As [`Protocol::check`].
    fn check<'a>(&'a self, _step: &'a Step) -> Fut<'a, ()> {
        now(())
    }

    /// As [`Protocol::check_cost`], of calls as [`FieldScheme::cost`] gets them.
    fn check_cost(&self, _calls: &[Call]) -> Cost {
        Cost::local(self.parties())
    }

    /// As [`Protocol::setup`].
    fn setup<'a>(&'a self, _step: &'a Step) -> Fut<'a, ()> {
        now(())
    }

    /// As [`Protocol::setup_cost`].
    fn setup_cost(&self) -> Cost {
        Cost::local(self.parties())
    }

    /// As [`Protocol::keys`].
    fn keys(&self) -> Keys {
        Keys::default()
    }

    /// As [`Protocol::restore`].
    fn restore<'a>(&'a self, step: &'a Step, _keys: &'a [u8]) -> Fut<'a, ()> {
        self.setup(step)
    }

    /// Sums of products.
    fn products<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        what: Products,
    ) -> Fut<'a>;

    /// Numbers of `owner` as shares.
    fn share<'a>(&'a self, step: &'a Step, owner: Party, x: Known) -> Fut<'a>;

    /// Bits of `owner` as shares, if the scheme has to see to it that they are bits. Then it says what
    /// `ShareBits` costs.
    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: Known) -> Fut<'a> {
        self.share(step, owner, x)
    }

    /// The elements themselves, to `to`, or to all if `None`.
    fn open<'a>(&'a self, step: &'a Step, a: &'a Shares, to: Option<Party>) -> Fut<'a, Opened>;

    /// As [`Protocol::random_bits`].
    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a>;

    /// As [`Protocol::mask`].
    fn mask<'a>(&'a self, step: &'a Step, n: usize, bits: u32) -> Fut<'a>;

    /// As [`Protocol::shuffle`], if the scheme knows a better way than a permutation network.
    fn shuffle<'a>(
        &'a self,
        _step: &'a Step,
        _a: &'a Shares,
        _rows: usize,
        _width: usize,
    ) -> Option<Fut<'a>> {
        None
    }
}

/// How a scheme is made once the field is known.
pub(crate) trait MakeFieldScheme {
    /// What it promises.
    const INFO: Info;

    /// How many numbers a mask is the sum of.
    fn maskers(parties: usize) -> usize;

    /// Makes one party.
    fn make<F: Prime>(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn FieldScheme<F>>>;
}

/// Makes one party over the smallest field that will do.
///
/// # Errors
/// Numbers too large for the largest field.
pub(crate) fn build<M: MakeFieldScheme>(
    setup: &Setup,
    me: Party,
    seeds: &Seeds,
) -> Result<Rc<dyn Protocol>> {
    let needed = needed_bits(setup, M::maskers(setup.parties));
    match needed {
        ..=F61::BITS => OverField::<F61>::build::<M>(setup, me, seeds),
        _ if needed <= F127::BITS => OverField::<F127>::build::<M>(setup, me, seeds),
        _ if needed <= F255::BITS => OverField::<F255>::build::<M>(setup, me, seeds),
        _ => Err(too_wide(M::INFO.name, setup, needed)),
    }
}

/// Makes one party over this field, however small, for tests that enumerate its elements.
///
/// # Errors
/// No threads.
#[cfg(test)]
pub(crate) fn build_over<M: MakeFieldScheme, F: Prime>(
    setup: &Setup,
    me: Party,
    seeds: &Seeds,
) -> Result<Rc<dyn Protocol>> {
    OverField::<F>::build::<M>(setup, me, seeds)
}

/// Bits of a masked number: one for differences, σ of mask, sums of masks, a carry.
pub(crate) fn needed_bits(setup: &Setup, maskers: usize) -> u32 {
    let carries = maskers.next_power_of_two().ilog2();
    setup.field_bits + 1 + setup.stat_sec + carries + 1
}

/// No field has so many bits.
pub(crate) fn too_wide(name: &str, setup: &Setup, needed: u32) -> Error {
    let Setup { field_bits, stat_sec, .. } = setup;
    Error::Program(format!(
        "{name}: numbers of {field_bits} bits and masks of {stat_sec} more need a field of {needed} \
         bits, the largest here has {}; narrower numbers or less statistical security would help",
        F255::BITS
    ))
}

/// The elements of a plane.
pub(crate) fn of<F: bytemuck::Pod>(plane: &Plane) -> &[F] {
    bytemuck::cast_slice(plane.words())
}

/// Elements of `bits` random bits.
pub(crate) fn short<F: Prime>(bits: u32) -> impl Fn(&Stream, usize, &mut [F]) + Sync {
    let bits = bits as usize;
    let mask = move |i: usize| match bits {
        bits if bits >= 64 * (i + 1) => u64::MAX,
        bits if bits <= 64 * i => 0,
        bits => (1 << (bits - 64 * i)) - 1,
    };
    move |stream, first, out| {
        let words: &mut [u64] = bytemuck::cast_slice_mut(out);
        stream.fill((first * F::WORDS) as u64, words);
        for element in words.chunks_exact_mut(F::WORDS) {
            element.iter_mut().enumerate().for_each(|(i, word)| *word &= mask(i));
        }
    }
}

fn bit<F: Prime>(bit: bool) -> F {
    if bit { F::ONE } else { F::ZERO }
}

/// A protocol made of a scheme over a field.
struct OverField<F> {
    scheme: Rc<dyn FieldScheme<F>>,
    security: Security,
    maskers: usize,
    stat_sec: u32,
    truncation: Truncation,
}

impl<F: Prime> OverField<F> {
    fn build<M: MakeFieldScheme>(
        setup: &Setup,
        me: Party,
        seeds: &Seeds,
    ) -> Result<Rc<dyn Protocol>> {
        let Setup { stat_sec, truncation, .. } = *setup;
        let (scheme, maskers) = (M::make::<F>(setup, me, seeds)?, M::maskers(setup.parties));
        let security = M::INFO.security;
        Ok(Rc::new(OverField { scheme, security, maskers, stat_sec, truncation }))
    }

    /// A vector of which `fill(plane, first, tile)` sets the tiles of all planes.
    fn vector(
        &self,
        len: usize,
        depth: Depth,
        fill: impl Fn(usize, usize, &mut [F]) + Sync,
    ) -> Shares {
        let plane = |i: usize| {
            Plane::build(Unit::Words(F::WORDS), len, |out| {
                let out = vec![bytemuck::cast_slice_mut(out)];
                let tile = TILE_WORDS / F::WORDS;
                self.scheme.workers().tiles(out, tile, |first, parts| fill(i, first, parts[0]));
            })
        };
        Shares::new((0..self.scheme.one().len()).map(plane).collect(), depth)
    }

    /// `f` of the elements of two vectors.
    fn binary(&self, a: &Shares, b: &Shares, f: impl Fn(F, F) -> F + Sync) -> Shares {
        let (x, y) = (slices(a), slices(b));
        self.vector(a.len(), a.depth.max(b.depth), |i, first, out| {
            let operands = x[i][first..].iter().zip(&y[i][first..]);
            out.iter_mut().zip(operands).for_each(|(o, (&x, &y))| *o = f(x, y));
        })
    }

    /// `f(x, c, one)` of the elements of a vector, of clear ones, and of the share of 1.
    fn with_clear<'a, T: Copy + Sync>(
        &self,
        a: &Shares,
        c: &ClearVec<T>,
        f: impl Fn(F, T, F) -> F + Sync,
    ) -> Fut<'a> {
        let known = c.values().expect("clear operands are known to all");
        let (x, one) = (slices::<F>(a), self.scheme.one());
        now(self.vector(a.len(), a.depth.max(c.depth), |i, first, out| match known {
            [c] => out.iter_mut().zip(&x[i][first..]).for_each(|(o, &x)| *o = f(x, *c, one[i])),
            all => {
                let operands = x[i][first..].iter().zip(&all[first..]);
                out.iter_mut().zip(operands).for_each(|(o, (&x, &c))| *o = f(x, c, one[i]));
            }
        }))
    }

    /// Clear numbers as elements.
    fn known(&self, c: &Clear) -> ClearVec<F> {
        c.map(c.len(), |v| v.iter().map(|&c| F::from_i128(c)).collect())
    }

    fn public<'a, T: Copy + Sync>(&self, x: &ClearVec<T>, f: impl Fn(T) -> F + Sync) -> Fut<'a> {
        let known = x.values().expect("public numbers are known to all");
        let one = self.scheme.one();
        now(self.vector(x.len(), x.depth, |i, first, out| {
            out.iter_mut().zip(&known[first..]).for_each(|(o, &x)| *o = f(x).times(one[i]));
        }))
    }

    /// What this party has of the numbers of `owner`.
    fn owned<T: Copy + Sync>(
        &self,
        step: &Step,
        owner: Party,
        x: &ClearVec<T>,
        f: impl Fn(T) -> F + Sync,
    ) -> Known {
        let elements = (owner == step.me()).then(|| {
            let values = x.values().expect("the owner has its values");
            Plane::build(Unit::Words(F::WORDS), x.len(), |out| {
                let out: &mut [F] = bytemuck::cast_slice_mut(out);
                out.iter_mut().zip(values).for_each(|(o, &x)| *o = f(x));
            })
        });
        Known { elements, len: x.len(), depth: x.depth }
    }

    /// `f` of each row of `inner` elements.
    fn by_row<'a>(&self, a: &Shares, inner: usize, f: impl Fn(&[F]) -> F + Sync) -> Fut<'a> {
        let x = slices::<F>(a);
        now(self.vector(a.len() / inner, a.depth, |i, first, out| {
            let rows = x[i][first * inner..].chunks_exact(inner);
            out.iter_mut().zip(rows).for_each(|(o, row)| *o = f(row));
        }))
    }

    /// `x + y - 2·x·y`.
    async fn exclusive_or(&self, step: &Step, a: &Shares, b: &Shares) -> Result<Shares> {
        let both = self.scheme.products(step, a, b, Products::Rows(1)).await?;
        let (x, y, product) = (slices::<F>(a), slices::<F>(b), slices::<F>(&both));
        Ok(self.vector(a.len(), both.depth, |i, first, out| {
            let sums = x[i][first..].iter().zip(&y[i][first..]).zip(&product[i][first..]);
            let sum = |x: F, y: F, both: F| x.plus(y).minus(both).minus(both);
            out.iter_mut().zip(sums).for_each(|(o, ((&x, &y), &both))| *o = sum(x, y, both));
        }))
    }

    /// What was opened, each element as `f` gives it.
    async fn opened<T: Copy>(
        &self,
        step: &Step,
        a: &Shares,
        to: Option<Party>,
        f: impl Fn(F) -> T,
    ) -> Result<ClearVec<T>> {
        let (opened, depth) = self.scheme.open(step, a, to).await?;
        let Some(opened) = opened else { return Ok(ClearVec::absent(a.len(), depth)) };
        let values: Vec<T> = of::<F>(&opened).iter().map(|&x| f(x)).collect();
        Ok(ClearVec::new(values, depth))
    }
}

/// The call of the scheme that a call comes to.
fn of_scheme(call: &Call) -> Call {
    let verb = match call.verb {
        Verb::And | Verb::Xor => Verb::Mul,
        Verb::ShareBits { owner } => Verb::Share { owner },
        Verb::OpenBits { to } => Verb::Open { to },
        Verb::OpenWide => Verb::Open { to: None },
        verb => verb,
    };
    Call { verb, ..*call }
}

/// The planes of a vector.
fn slices<F: Prime>(a: &Shares) -> Vec<&[F]> {
    a.planes().iter().map(of).collect()
}

impl<F: Prime> Protocol for OverField<F> {
    fn domain(&self) -> Domain {
        Domain::Prime { bits: F::BITS }
    }

    fn units(&self) -> Units {
        // Bits are elements too.
        let planes = vec![Unit::Words(F::WORDS); self.scheme.planes()];
        Units { number: planes.clone(), bit: planes, zeros: self.scheme.zeros() }
    }

    fn stat_sec(&self) -> u32 {
        self.stat_sec
    }

    fn truncation(&self) -> Truncation {
        self.truncation
    }

    fn corrupted(&self, _: usize) -> usize {
        self.scheme.corrupted()
    }

    fn maskers(&self, _: usize) -> usize {
        self.maskers
    }

    fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        self.scheme.setup(step)
    }

    fn setup_cost(&self, _: usize) -> Cost {
        self.scheme.setup_cost()
    }

    fn keys(&self) -> Keys {
        self.scheme.keys()
    }

    fn restore<'a>(&'a self, step: &'a Step, keys: &'a [u8]) -> Fut<'a, ()> {
        self.scheme.restore(step, keys)
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        match call.verb {
            Verb::Linear | Verb::AddClear | Verb::MulClear | Verb::LinearBits => {}
            Verb::FromBits | Verb::AsBits | Verb::Compose { .. } => {}
            Verb::Sum { .. } | Verb::MatMulClear { .. } => {}
            _ => {
                let own = self.scheme.cost(call);
                return own.or_else(|| self.scheme.cost(&of_scheme(call)));
            }
        }
        Some(Cost::local(self.scheme.parties()))
    }

    fn security(&self) -> Security {
        self.security
    }

    fn verifies(&self) -> bool {
        self.scheme.verifies()
    }

    fn check<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        self.scheme.check(step)
    }

    fn check_cost(&self, calls: &[Call], _: usize) -> Cost {
        let own = |call: &Call| match self.scheme.cost(call) {
            Some(_) => *call,
            None => of_scheme(call),
        };
        self.scheme.check_cost(&calls.iter().map(own).collect::<Vec<_>>())
    }

    fn public<'a>(&'a self, _: &'a Step, x: &'a Clear) -> Fut<'a> {
        self.public(x, F::from_i128)
    }

    fn add<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        now(self.binary(a, b, F::plus))
    }

    fn sub<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        now(self.binary(a, b, F::minus))
    }

    fn add_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        self.with_clear(a, &self.known(c), |x: F, c, one| x.plus(one.times(c)))
    }

    fn mul_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        self.with_clear(a, &self.known(c), |x: F, c, _| x.times(c))
    }

    fn mul<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        self.scheme.products(step, a, b, Products::Rows(1))
    }

    fn share<'a>(&'a self, step: &'a Step, owner: Party, x: &'a Clear, _: u32) -> Fut<'a> {
        self.scheme.share(step, owner, self.owned(step, owner, x, F::from_i128))
    }

    fn open<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
        _: u32,
    ) -> Fut<'a, Clear> {
        Box::pin(self.opened(step, a, to, F::to_i128))
    }

    fn open_wide<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        _: u32,
    ) -> Fut<'a, ClearVec<[u128; 2]>> {
        Box::pin(self.opened(step, a, None, F::wide))
    }

    fn public_bits<'a>(&'a self, _: &'a Step, x: &'a ClearBits) -> Fut<'a> {
        self.public(x, bit)
    }

    fn xor<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        Box::pin(self.exclusive_or(step, a, b))
    }

    fn xor_disjoint<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        self.add(step, a, b, 1)
    }

    fn xor_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        self.with_clear(a, c, |x: F, c, one| if c { one.minus(x) } else { x })
    }

    fn and_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        self.with_clear(a, c, |x: F, c, _| if c { x } else { F::ZERO })
    }

    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        self.mul(step, a, b, 1)
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a> {
        self.scheme.share_bits(step, owner, self.owned(step, owner, x, bit))
    }

    fn open_bits<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
    ) -> Fut<'a, ClearBits> {
        Box::pin(self.opened(step, a, to, |x: F| x.wide() != [0; 2]))
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        self.scheme.random_bits(step, n)
    }

    fn from_bits<'a>(&'a self, _: &'a Step, a: &'a Shares) -> Fut<'a> {
        now(a.clone())
    }

    fn compose<'a>(&'a self, _: &'a Step, a: &'a Shares, k: u32, signed: bool) -> Fut<'a> {
        self.by_row(a, k as usize, |row: &[F]| {
            let (top, rest) = row.split_last().expect("numbers have bits");
            let top = if signed { F::ZERO.minus(*top) } else { *top };
            rest.iter().rev().fold(top, |x, &bit| x.plus(x).plus(bit))
        })
    }

    fn as_bits<'a>(&'a self, _: &'a Step, a: &'a Shares) -> Fut<'a> {
        now(a.clone())
    }

    fn mask<'a>(&'a self, step: &'a Step, n: usize, bits: u32) -> Fut<'a> {
        self.scheme.mask(step, n, bits)
    }

    fn sum<'a>(&'a self, _: &'a Step, a: &'a Shares, inner: usize, _: u32) -> Fut<'a> {
        self.by_row(a, inner, |row: &[F]| row.iter().fold(F::ZERO, |s, &x| s.plus(x)))
    }

    fn prefix<'a>(&'a self, _: &'a Step, a: &'a Shares, inner: usize, _: u32) -> Fut<'a> {
        let running = |plane: &Plane| {
            Plane::build(Unit::Words(F::WORDS), a.len(), |out| {
                let out: &mut [F] = bytemuck::cast_slice_mut(out);
                out.copy_from_slice(of(plane));
                for row in out.chunks_exact_mut(inner) {
                    (1..inner).for_each(|i| row[i] = row[i].plus(row[i - 1]));
                }
            })
        };
        now(Shares::new(a.planes().iter().map(running).collect(), a.depth))
    }

    fn dot<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        inner: usize,
        _: u32,
    ) -> Fut<'a> {
        self.scheme.products(step, a, b, Products::Rows(inner))
    }

    fn matmul<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        size: (usize, usize, usize),
        _: u32,
    ) -> Fut<'a> {
        self.scheme.products(step, a, b, Products::Matrix(size))
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
        let pool = self.scheme.workers().pool();
        let product = |plane: &Plane| {
            Plane::build(Unit::Words(F::WORDS), size.0 * size.2, |out| {
                let out: &mut [F] = bytemuck::cast_slice_mut(out);
                matrix::multiply_add(pool, out, of(plane), right, size);
            })
        };
        let planes = a.planes().iter().map(product).collect();
        now(Shares::new(planes, a.depth.max(b.depth)))
    }

    fn shuffle<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        rows: usize,
        width: usize,
        bits: u32,
    ) -> Fut<'a> {
        let shuffled = self.scheme.shuffle(step, a, rows, width);
        shuffled.unwrap_or_else(|| Box::pin(shuffle::numbers(self, step, a, rows, width, bits)))
    }
}

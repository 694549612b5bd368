//! Integers against malicious parties: what the ring protocols have in common, whichever way their
//! products are verified.
//!
//! Sharing:  x = x_0 + x_1 + x_2; party i holds (x_i, x_{i+1}) as planes 0 and 1, and in further planes
//!           what the [`Way`] adds. Bits are those of [`super::checked_bits`].
//! Openings: only modulo 2^k, sent by one holder of a component and vouched for by the other.
//! Bits to numbers: each component of a bit is known to both its holders, so it is a shared number as it
//!           stands; two products make the exclusive or of the three.

use std::rc::Rc;

use mpc_runtime::{Error, Label, Party, Result, Step, join_all};

use super::checked_bits::{CheckedBits, STAT_SEC};
use super::ring_check::Shape;
use super::{Form, PARTIES, Trio, both, costs, elements, linear, plane, zip};
use crate::algebra::bits;
use crate::algebra::ring::{Covered, Integer, Ring, Word};
use crate::cost::{Call, Cost, Truncation, Verb};
use crate::protocol::{Domain, Fut, Info, Protocol, Seeds, Setup, Units, now};
use crate::schemes::over_binary::BinaryScheme;
use crate::value::{Clear, ClearBits, Plane, Shares, Unit};

const SHARE: Label = Label("rep3.checked.share");
const OPEN: Label = Label("rep3.checked.open");

/// How products are made and verified.
pub(crate) trait Way: Sized + 'static {
    /// Numbers of the program.
    type Short: Covered;
    /// What shares are of.
    type Number: Integer;
    /// Planes of a number.
    const PLANES: usize = 2;

    fn new() -> Self;

    fn lengthen(x: Self::Short) -> Self::Number;

    fn shorten(x: Self::Number) -> Self::Short;

    /// Adds what belongs to a number beside its components; public ones.
    fn public(&self, a: Shares, _x: &Clear) -> Shares {
        a
    }

    /// Adds what belongs to a number beside its components.
    fn completed<'a>(&'a self, _bits: &'a CheckedBits, _step: &'a Step, a: Shares) -> Fut<'a> {
        now(a)
    }

    /// What that costs.
    fn completed_cost(_len: usize) -> Cost {
        Cost::local(PARTIES)
    }

    /// Sums of products.
    fn multiply<'a>(
        &'a self,
        bits: &'a CheckedBits,
        step: &'a Step,
        shape: Shape,
        x: &'a Shares,
        y: &'a Shares,
    ) -> Fut<'a>;

    /// What they cost.
    fn multiply_cost(shape: Shape, len: usize) -> Cost;

    /// As [`Protocol::setup`].
    fn setup<'a>(&'a self, _bits: &'a CheckedBits, _step: &'a Step) -> Fut<'a, ()> {
        now(())
    }

    /// Verifies all products.
    fn check<'a>(&'a self, _bits: &'a CheckedBits, _step: &'a Step) -> Fut<'a, ()> {
        now(())
    }

    /// What that costs when these sums of products came since the last check, and so many numbers were
    /// completed.
    fn check_cost(_products: &[(Shape, usize)], _completed: usize) -> Cost {
        Cost::local(PARTIES)
    }
}

/// One of the three parties.
pub(crate) struct CheckedRing<T> {
    bits: Rc<CheckedBits>,
    way: T,
    stat_sec: u32,
    truncation: Truncation,
}

/// Makes one of the three parties, over the smaller ring that covers the program.
///
/// # Errors
/// More statistical security than there is, or numbers above 128 bits.
pub(crate) fn build<S: Way<Short = u64>, L: Way<Short = u128>>(
    info: &Info,
    setup: &Setup,
    me: Party,
    seeds: &Seeds,
) -> Result<Rc<dyn Protocol>> {
    let Setup { ring_bits, stat_sec, .. } = *setup;
    if stat_sec > STAT_SEC {
        return Err(Error::Program(format!(
            "{} verifies products with {STAT_SEC} bits of statistical security, {stat_sec} are asked for",
            info.name
        )));
    }
    match ring_bits {
        0..=64 => Ok(Rc::new(CheckedRing::<S>::new(setup, me, seeds)?)),
        65..=128 => Ok(Rc::new(CheckedRing::<L>::new(setup, me, seeds)?)),
        bits => Err(Error::Program(format!(
            "{} computes modulo 2^64 or 2^128, the program needs {bits} bits; narrower types would help, or \
             ps-rep3-bin",
            info.name
        ))),
    }
}

impl<T: Way> CheckedRing<T> {
    fn new(setup: &Setup, me: Party, seeds: &Seeds) -> Result<CheckedRing<T>> {
        let bits = CheckedBits::new(Trio::new(setup, me, seeds)?);
        let Setup { stat_sec, truncation, .. } = *setup;
        Ok(CheckedRing { bits, way: T::new(), stat_sec, truncation })
    }

    fn trio(&self) -> &Trio {
        &self.bits.trio
    }

    /// A vector modulo 2^k, of the components alone.
    fn short(a: &Shares) -> Shares {
        let short = |i: usize| {
            let numbers = elements::<T::Number>(a.plane(i));
            plane(Unit::Words(T::Short::WORDS), a.len(), |out: &mut [T::Short]| {
                out.iter_mut().zip(numbers).for_each(|(o, &x)| *o = T::shorten(x));
            })
        };
        Shares::new(vec![short(0), short(1)], a.depth)
    }

    /// Numbers of which only component `j` is not 0: `number(plane, i)` of the plane that holds it.
    fn component(
        &self,
        a: &Shares,
        j: usize,
        number: impl Fn(&Plane, usize) -> T::Short,
    ) -> Shares {
        let held = self.trio().plane_of(j);
        let part = |i: usize| {
            plane(Unit::Words(T::Number::WORDS), a.len(), |out: &mut [T::Number]| {
                if held == Some(i) {
                    let numbers = out.iter_mut().enumerate();
                    numbers.for_each(|(at, o)| *o = T::lengthen(number(a.plane(i), at)));
                }
            })
        };
        Shares::new(vec![part(0), part(1)], a.depth)
    }

    fn bit_component(&self, a: &Shares, j: usize) -> Shares {
        self.component(a, j, |plane, i| T::Short::from_bit(u64::from(plane.bit(i))))
    }

    /// `x ⊕ y` of numbers 0 and 1.
    async fn exclusive_or(&self, step: &Step, x: &Shares, y: &Shares) -> Result<Shares> {
        let both = self.way.multiply(&self.bits, step, Shape::Rows(1), x, y).await?;
        let sum = zip::<T::Number>(x, y, T::Number::plus);
        Ok(zip::<T::Number>(&sum, &both, |sum, both| sum.minus(both).minus(both)))
    }

    async fn numbers_from_bits(&self, step: &Step, a: &Shares) -> Result<Shares> {
        let n = a.len();
        let components = [0, 1, 2].map(|j| self.bit_component(a, j));
        let all = self.way.completed(&self.bits, step, Shares::concat(&components)).await?;
        let [x, y, z] = [0, 1, 2].map(|j| all.slice(j * n..(j + 1) * n));
        let both = self.exclusive_or(step, &x, &y).await?;
        self.exclusive_or(step, &both, &z).await
    }

    /// The sums of products that calls consist of, and how many numbers they complete.
    fn to_verify(calls: &[Call]) -> (Vec<(Shape, usize)>, usize) {
        let (mut products, mut completed) = (vec![], 0);
        for call in calls {
            match call.verb {
                Verb::FromBits => {
                    products.extend([(Shape::Rows(1), call.len); 2]);
                    completed += 3 * call.len;
                }
                Verb::Share { .. } | Verb::Complete => completed += call.len,
                _ => products.extend(Shape::of(call).map(|shape| (shape, call.len))),
            }
        }
        (products, completed)
    }
}

impl<T: Way> Protocol for CheckedRing<T> {
    fn domain(&self) -> Domain {
        Domain::Ring { bits: T::Short::BITS }
    }

    fn units(&self) -> Units {
        let number = vec![Unit::Words(T::Number::WORDS); T::PLANES];
        Units { number, ..Units::of(2, 0) }
    }

    fn stat_sec(&self) -> u32 {
        self.stat_sec
    }

    fn truncation(&self) -> Truncation {
        self.truncation
    }

    fn corrupted(&self, _: usize) -> usize {
        1
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let len = call.len;
        let (short, number) = (8 * len * T::Short::WORDS, 8 * len * T::Number::WORDS);
        let product = |shape| T::multiply_cost(shape, len);
        Some(match call.verb {
            Verb::Linear | Verb::AddClear | Verb::MulClear | Verb::Sum { .. } => {
                Cost::local(PARTIES)
            }
            Verb::MatMulClear { .. } | Verb::AsBits => Cost::local(PARTIES),
            Verb::Xor | Verb::LinearBits | Verb::And | Verb::RandomBits => {
                return self.bits.cost(call);
            }
            Verb::ShareBits { .. } | Verb::OpenBits { .. } => return self.bits.cost(call),
            Verb::Share { owner } => costs::input(owner, number).then(&T::completed_cost(len)),
            Verb::Complete => T::completed_cost(len),
            Verb::Open { to: None } => costs::each(short),
            Verb::Open { to: Some(to) } => costs::input((to + 2) % PARTIES, short),
            Verb::FromBits => {
                let twice = product(Shape::Rows(1)).then(&product(Shape::Rows(1)));
                T::completed_cost(3 * len).then(&twice)
            }
            _ => return Shape::of(call).map(product),
        })
    }

    fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        self.way.setup(&self.bits, step)
    }

    fn verifies(&self) -> bool {
        true
    }

    fn check<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(async move {
            let forks = step.forks(2);
            let both = [self.bits.check(&forks[0]), self.way.check(&self.bits, &forks[1])];
            join_all(both.into()).await.map(drop)
        })
    }

    fn check_cost(&self, calls: &[Call], _: usize) -> Cost {
        let (products, completed) = Self::to_verify(calls);
        self.bits.check_cost(calls).beside(&T::check_cost(&products, completed))
    }

    fn addends(&self) -> usize {
        PARTIES
    }

    fn addend_bits(&self, a: &Shares, j: usize, k: u32) -> Shares {
        let (n, short) = (a.len(), CheckedRing::<T>::short(a));
        let held = self.trio().plane_of(j);
        let part = |i: usize| {
            Plane::build(Unit::Bit, n * k as usize, |out| {
                if held == Some(i) {
                    let numbers = elements::<T::Short>(short.plane(i));
                    bits::to_dense_rows(n, k as usize, out, |i| numbers[i]);
                }
            })
        };
        Shares::new(vec![part(0), part(1)], a.depth)
    }

    fn addend_shifted(&self, a: &Shares, j: usize, shift: u32) -> Shares {
        self.component(a, j, |plane, i| T::shorten(elements::<T::Number>(plane)[i]).right(shift))
    }

    fn bit_addend(&self, a: &Shares, j: usize) -> Shares {
        self.bit_component(a, j)
    }

    fn public<'a>(&'a self, _: &'a Step, x: &'a Clear) -> Fut<'a> {
        now(self.way.public(self.trio().public_numbers::<T::Number>(x), x))
    }

    fn add<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        now(zip::<T::Number>(a, b, T::Number::plus))
    }

    fn sub<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        now(zip::<T::Number>(a, b, T::Number::minus))
    }

    fn add_clear<'a>(&'a self, step: &'a Step, a: &'a Shares, c: &'a Clear, bits: u32) -> Fut<'a> {
        Box::pin(async move {
            let c = self.public(step, &c.broadcast(a.len())).await?;
            self.add(step, a, &c, bits).await
        })
    }

    fn mul_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        now(self.trio().with_clear(a, c, None, T::Number::times))
    }

    fn mul<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        self.way.multiply(&self.bits, step, Shape::Rows(1), a, b)
    }

    fn dot<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        inner: usize,
        _: u32,
    ) -> Fut<'a> {
        self.way.multiply(&self.bits, step, Shape::Rows(inner), a, b)
    }

    fn matmul<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        size: (usize, usize, usize),
        _: u32,
    ) -> Fut<'a> {
        self.way.multiply(&self.bits, step, Shape::Matrix(size), a, b)
    }

    fn matmul_clear<'a>(
        &'a self,
        _: &'a Step,
        a: &'a Shares,
        b: &'a Clear,
        size: (usize, usize, usize),
        _: u32,
    ) -> Fut<'a> {
        now(self.trio().matmul_clear::<T::Number>(a, b, size))
    }

    fn sum<'a>(&'a self, _: &'a Step, a: &'a Shares, inner: usize, _: u32) -> Fut<'a> {
        now(linear::sums::<T::Number>(a, inner))
    }

    fn prefix<'a>(&'a self, _: &'a Step, a: &'a Shares, inner: usize, _: u32) -> Fut<'a> {
        now(linear::running_sums::<T::Number>(a, inner))
    }

    fn share<'a>(&'a self, step: &'a Step, owner: Party, x: &'a Clear, _: u32) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(x.depth);
            let fill = |out: &mut [T::Number]| {
                let known = x.values().expect("the owner has its values");
                out.iter_mut().zip(known).for_each(|(o, &c)| *o = T::Number::from_i128(c));
            };
            let form = Form::numbers::<T::Number>(x.len());
            let shared = self.trio().share(&op, SHARE, form, owner, fill).await?;
            self.way.completed(&self.bits, step, shared).await
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
            let op = step.op(a.depth);
            let (short, form) = (Self::short(a), Form::numbers::<T::Short>(a.len()));
            let vouchers = &self.bits.vouchers;
            let third = self.trio().vouched(&op, OPEN, form, &short, to, vouchers).await?;
            let Some(third) = third else { return Ok(Clear::absent(a.len(), op.depth())) };
            let ([x, y], z) = (both::<T::Short>(&short), elements::<T::Short>(&third));
            let sum =
                |((x, y), z): ((&T::Short, &T::Short), &T::Short)| x.plus(*y).plus(*z).signed();
            let values: Vec<i128> = x.iter().zip(y).zip(z).map(sum).collect();
            Ok(Clear::new(values, op.depth()))
        })
    }

    fn public_bits<'a>(&'a self, _: &'a Step, x: &'a ClearBits) -> Fut<'a> {
        now(self.bits.public_bits(x))
    }

    fn xor<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        now(self.bits.xor(a, b))
    }

    fn xor_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        now(self.bits.xor_clear(a, c))
    }

    fn and_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        now(self.bits.and_clear(a, c))
    }

    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        self.bits.and(step, a, b)
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a> {
        self.bits.share_bits(step, owner, x)
    }

    fn open_bits<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
    ) -> Fut<'a, ClearBits> {
        self.bits.open_bits(step, a, to)
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        self.bits.random_bits(step, n)
    }

    fn from_bits<'a>(&'a self, step: &'a Step, a: &'a Shares) -> Fut<'a> {
        Box::pin(self.numbers_from_bits(step, a))
    }

    fn complete<'a>(&'a self, step: &'a Step, a: &'a Shares) -> Fut<'a> {
        self.way.completed(&self.bits, step, a.clone())
    }

    fn as_bits<'a>(&'a self, _: &'a Step, a: &'a Shares) -> Fut<'a> {
        now(self.trio().lowest(a))
    }
}

//! One party that knows everything: the ideal functionality, and the oracle of every test.
//!
//! Sharing:  a number is its own share, in 128 bits of two's complement.
//! Security: none.
//! Cost:     nothing is sent.

use std::rc::Rc;

use mpc_runtime::{Depth, Key, Party, Result, Step};

use crate::algebra::contraction::Contraction;
use crate::algebra::{clear, matrix};
use crate::blocks::shuffle;
use crate::cost::{Call, Cost, Truncation, Verb};
use crate::protocol::{
    Abort, Domain, Fut, Info, Parties, Protocol, Security, Seeds, Setup, Units, now,
};
use crate::value::{Clear, ClearBits, Plane, Shares, Unit};

/// What it promises.
pub const INFO: Info = Info {
    name: "plain",
    parties: Parties::Exactly(1),
    corrupted: "0",
    security: Security::None,
    abort: Abort::None,
    comp_sec: "none",
    stat_sec: "none",
    domain: "integers of 128 bits",
    assumptions: "none",
    truncation: "exact in every mode",
    paper: "-",
};

/// Makes the one party.
///
/// # Errors
/// None.
pub fn build(setup: &Setup, _: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    let key = Key::new(&seeds.own, "plain");
    Ok(Rc::new(Plain { key, stat_sec: setup.stat_sec, truncation: setup.truncation }))
}

struct Plain {
    key: Key,
    stat_sec: u32,
    truncation: Truncation,
}

fn numbers(values: impl IntoIterator<Item = i128>, depth: Depth) -> Shares {
    let values: Vec<i128> = values.into_iter().collect();
    let plane = Plane::build(Unit::Words(2), values.len(), |out| {
        for (word, value) in out.chunks_exact_mut(2).zip(&values) {
            word.copy_from_slice(&[*value as u64, (*value >> 64) as u64]);
        }
    });
    Shares::new(vec![plane], depth)
}

fn known(x: &Clear) -> Shares {
    let values = x.values().expect("the one party has every value");
    numbers(values.iter().copied(), x.depth)
}

fn values(a: &Shares) -> impl ExactSizeIterator<Item = i128> + '_ {
    a.plane(0).wides().map(|x| x as i128)
}

/// Products of matrices, modulo 2^128.
fn product(a: &Shares, b: &Shares, of: &Contraction) -> Shares {
    let plane = Plane::build(Unit::Words(2), of.len(), |out| {
        let [a, b] = [a, b].map(|v| bytemuck::cast_slice::<u64, u128>(v.plane(0).words()));
        matrix::contract(None, bytemuck::cast_slice_mut(out), 0..of.len(), &[(a, b)], of);
    });
    Shares::new(vec![plane], a.depth.max(b.depth))
}

fn bits(len: usize, depth: Depth, bit: impl Fn(usize) -> bool) -> Shares {
    Shares::new(vec![Plane::bits(len, bit)], depth)
}

fn unary<'a>(a: &Shares, f: impl Fn(i128) -> i128) -> Fut<'a> {
    now(numbers(values(a).map(f), a.depth))
}

fn binary<'a>(a: &Shares, b: &Shares, f: impl Fn(i128, i128) -> i128) -> Fut<'a> {
    now(numbers(values(a).zip(values(b)).map(|(a, b)| f(a, b)), a.depth.max(b.depth)))
}

fn with_clear<'a>(a: &Shares, c: &Clear, f: impl Fn(i128, i128) -> i128) -> Fut<'a> {
    let c = c.broadcast(a.len());
    let known = c.values().expect("the one party has every value");
    now(numbers(values(a).zip(known).map(|(a, &c)| f(a, c)), a.depth.max(c.depth)))
}

fn test<'a>(a: &Shares, f: impl Fn(i128) -> bool) -> Fut<'a> {
    let truths: Vec<bool> = values(a).map(f).collect();
    now(bits(a.len(), a.depth, |i| truths[i]))
}

fn test_two<'a>(a: &Shares, b: &Shares, f: impl Fn(&i128, &i128) -> bool) -> Fut<'a> {
    let truths: Vec<bool> = values(a).zip(values(b)).map(|(a, b)| f(&a, &b)).collect();
    now(bits(a.len(), a.depth.max(b.depth), |i| truths[i]))
}

impl Protocol for Plain {
    fn security(&self) -> Security {
        Security::None
    }

    fn domain(&self) -> Domain {
        Domain::Ring { bits: 128 }
    }

    fn units(&self) -> Units {
        Units::of(1, 2)
    }

    fn stat_sec(&self) -> u32 {
        self.stat_sec
    }

    fn truncation(&self) -> Truncation {
        self.truncation
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let edabits = matches!(call.verb, Verb::EdaBits { .. });
        (!edabits).then(|| Cost::local(1))
    }

    fn public<'a>(&'a self, _: &'a Step, x: &'a Clear) -> Fut<'a> {
        now(known(x))
    }

    fn add<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        binary(a, b, i128::wrapping_add)
    }

    fn sub<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        binary(a, b, i128::wrapping_sub)
    }

    fn add_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        with_clear(a, c, i128::wrapping_add)
    }

    fn mul_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        with_clear(a, c, i128::wrapping_mul)
    }

    fn mul<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        binary(a, b, i128::wrapping_mul)
    }

    fn share<'a>(&'a self, step: &'a Step, _: Party, x: &'a Clear, _: u32) -> Fut<'a> {
        self.public(step, x)
    }

    fn matmul<'a>(
        &'a self,
        _: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        size: (usize, usize, usize),
        _: u32,
    ) -> Fut<'a> {
        now(product(a, b, &Contraction::matrix(size)))
    }

    fn contract<'a>(
        &'a self,
        _: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        of: &'a Contraction,
        _: u32,
    ) -> Fut<'a> {
        now(product(a, b, of))
    }

    fn matmul_clear<'a>(
        &'a self,
        _: &'a Step,
        a: &'a Shares,
        b: &'a Clear,
        size: (usize, usize, usize),
        _: u32,
    ) -> Fut<'a> {
        now(product(a, &known(b), &Contraction::matrix(size)))
    }

    fn contract_clear<'a>(
        &'a self,
        _: &'a Step,
        a: &'a Shares,
        c: &'a Clear,
        of: &'a Contraction,
        turned: bool,
        _: u32,
    ) -> Fut<'a> {
        let c = known(c);
        now(if turned { product(&c, a, of) } else { product(a, &c, of) })
    }

    fn open<'a>(&'a self, _: &'a Step, a: &'a Shares, _: Option<Party>, _: u32) -> Fut<'a, Clear> {
        now(Clear::new(values(a).collect::<Vec<_>>(), a.depth))
    }

    fn public_bits<'a>(&'a self, _: &'a Step, x: &'a ClearBits) -> Fut<'a> {
        let known = x.values().expect("the one party has every value");
        now(bits(x.len(), x.depth, |i| known[i]))
    }

    fn xor<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        let (x, y) = (a.plane(0), b.plane(0));
        now(bits(a.len(), a.depth.max(b.depth), |i| x.bit(i) ^ y.bit(i)))
    }

    fn xor_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        let c = c.broadcast(a.len());
        let known = c.values().expect("the one party has every value");
        now(bits(a.len(), a.depth.max(c.depth), |i| a.plane(0).bit(i) ^ known[i]))
    }

    fn and_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        let c = c.broadcast(a.len());
        let known = c.values().expect("the one party has every value");
        now(bits(a.len(), a.depth.max(c.depth), |i| a.plane(0).bit(i) && known[i]))
    }

    fn and<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        let (x, y) = (a.plane(0), b.plane(0));
        now(bits(a.len(), a.depth.max(b.depth), |i| x.bit(i) && y.bit(i)))
    }

    fn share_bits<'a>(&'a self, step: &'a Step, _: Party, x: &'a ClearBits) -> Fut<'a> {
        self.public_bits(step, x)
    }

    fn open_bits<'a>(&'a self, _: &'a Step, a: &'a Shares, _: Option<Party>) -> Fut<'a, ClearBits> {
        let opened: Vec<bool> = (0..a.len()).map(|i| a.plane(0).bit(i)).collect();
        now(ClearBits::new(opened, a.depth))
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        let op = step.op(Depth::ZERO);
        let words = op.stream(&self.key, 0).words(n.div_ceil(64));
        now(bits(n, op.depth(), |i| words[i / 64] >> (i % 64) & 1 == 1))
    }

    fn from_bits<'a>(&'a self, _: &'a Step, a: &'a Shares) -> Fut<'a> {
        now(numbers((0..a.len()).map(|i| i128::from(a.plane(0).bit(i))), a.depth))
    }

    fn trunc<'a>(&'a self, _: &'a Step, a: &'a Shares, _: u32, shift: u32) -> Fut<'a> {
        unary(a, |x| clear::nearest(x, shift))
    }

    fn shift_right<'a>(&'a self, _: &'a Step, a: &'a Shares, _: u32, shift: u32) -> Fut<'a> {
        unary(a, |x| x >> shift.min(127))
    }

    fn wrap<'a>(&'a self, _: &'a Step, a: &'a Shares, _: u32, k: u32) -> Fut<'a> {
        unary(a, |x| clear::wrap(x, k))
    }

    fn ltz<'a>(&'a self, _: &'a Step, a: &'a Shares, _: u32) -> Fut<'a> {
        test(a, |x| x < 0)
    }

    fn eqz<'a>(&'a self, _: &'a Step, a: &'a Shares, _: u32) -> Fut<'a> {
        test(a, |x| x == 0)
    }

    fn lt<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        test_two(a, b, i128::lt)
    }

    fn eq<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        test_two(a, b, i128::eq)
    }

    fn one_hot<'a>(&'a self, _: &'a Step, a: &'a Shares, n: usize, _: u32) -> Fut<'a> {
        let index: Vec<i128> = values(a).collect();
        now(bits(a.len() * n, a.depth, |i| index[i / n] == (i % n) as i128))
    }

    fn decompose<'a>(&'a self, _: &'a Step, a: &'a Shares, k: u32, _: u32) -> Fut<'a> {
        let (numbers, k): (Vec<i128>, usize) = (values(a).collect(), k as usize);
        now(bits(a.len() * k, a.depth, |i| numbers[i / k] >> (i % k).min(127) & 1 == 1))
    }

    fn shuffle<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        rows: usize,
        width: usize,
        _: u32,
    ) -> Fut<'a> {
        let stream = step.op(a.depth).stream(&self.key, 0);
        let order = shuffle::indices(&shuffle::random_order(&stream, rows));
        now(a.gather_rows(&order, width))
    }

    fn permute<'a>(
        &'a self,
        _: &'a Step,
        a: &'a Shares,
        perm: &'a Shares,
        width: usize,
        _: u32,
    ) -> Fut<'a> {
        let rows = match shuffle::permutation(&values(perm).collect::<Vec<_>>()) {
            Ok(rows) => rows,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        now(a.scatter_rows(&rows, width).at_depth(perm.depth))
    }

    fn places<'a>(&'a self, _: &'a Step, a: &'a Shares, rows: usize, _: u32) -> Fut<'a> {
        let k = a.len() / rows.max(1);
        let key = |i: &usize| (0..k).rev().map(|j| a.plane(0).bit(i * k + j)).collect::<Vec<_>>();
        let mut order: Vec<usize> = (0..rows).collect();
        order.sort_by_cached_key(key);
        let mut places = vec![0; rows];
        order.iter().zip(0..).for_each(|(&row, place)| places[row] = place);
        now(numbers(places, a.depth))
    }
}

//! Three-party replicated sharing of integers against one malicious party: products are made as in
//! rep3-ring and sacrificed afterwards.
//!
//! Sharing:  x = x_0 + x_1 + x_2 modulo 2^(k+64), of which the program sees x modulo 2^k, k = 64 or 128;
//!           party i holds (x_i, x_{i+1}).
//! Paper:    Eerikson, Keller, Orlandi, Pullonen, Puura, Simkin 2019, eprint 2019/164, post-processing.
//! Differs:  all products of a check are sacrificed as one inner product: [`super::rep3::ring_check`].
//!           Conjunctions of bits are verified as in ps-rep3-bin.
//! Security: any one party learns nothing; a malicious party that alters a result is found out before
//!           anything leaves, but with probability 2^-50. See also [`super::rep3::checked_ring`].
//! Cost:     mul, dot, matmul 1 round, k + 64 bits for an element of the result; later, at the check,
//!           2(k + 64) bits for each product of numbers or column of a matrix; share 1 round, k + 64 bits by
//!           the owner; open 1 round, k bits; and 1 round, 1 bit; from_bits 2 products.

use std::cell::RefCell;
use std::rc::Rc;

use mpc_runtime::{Party, Result, Step};

use super::rep3::checked_bits::CheckedBits;
use super::rep3::checked_ring::{self, Way};
use super::rep3::ring_check::{self, Products, Shape};
use super::rep3::{PARTIES, costs};
use crate::algebra::ring::{Covered, Ring};
use crate::cost::Cost;
use crate::protocol::{Abort, Fut, Info, Parties, Protocol, Security, Seeds, Setup};
use crate::value::Shares;

/// What it promises.
pub const INFO: Info = Info {
    name: "ps-rep3-ring",
    parties: Parties::Exactly(PARTIES),
    corrupted: "1",
    security: Security::Malicious,
    abort: Abort::Selective,
    comp_sec: "128, by AES-128 and BLAKE3",
    stat_sec: "at most 65/2^64 a check of numbers and 2^-50 of bits (see ps-rep3-bin); σ above 50 is refused",
    domain: "integers modulo 2^64 or 2^128",
    assumptions: "AES-128 is a pseudo-random function, BLAKE3 a random oracle",
    truncation: "exact reveals nothing; probabilistic and fast round up or down at random, in a way that depends on \
                 shares (no ideal rounding); never a gross error",
    paper: "eprint 2019/164",
};

/// Makes one of the three parties.
///
/// # Errors
/// As [`checked_ring::build`].
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    checked_ring::build::<PostSacrifice<u64>, PostSacrifice<u128>>(&INFO, setup, me, seeds)
}

/// Products since the last check.
struct PostSacrifice<W> {
    products: RefCell<Vec<Products>>,
    ring: std::marker::PhantomData<W>,
}

impl<W: Covered> Way for PostSacrifice<W> {
    type Short = W;
    type Number = W::Long;

    fn new() -> Self {
        PostSacrifice { products: RefCell::default(), ring: std::marker::PhantomData }
    }

    fn lengthen(x: W) -> W::Long {
        x.lengthen()
    }

    fn shorten(x: W::Long) -> W {
        W::shorten(x)
    }

    fn multiply<'a>(
        &'a self,
        bits: &'a CheckedBits,
        step: &'a Step,
        shape: Shape,
        x: &'a Shares,
        y: &'a Shares,
    ) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(x.depth.max(y.depth));
            let products = Products::compute::<W::Long>(&bits.trio, &op, shape, x, y).await?;
            let z = products.z.clone();
            self.products.borrow_mut().push(products);
            Ok(z)
        })
    }

    fn multiply_cost(_: Shape, len: usize) -> Cost {
        costs::each(8 * W::Long::WORDS * len)
    }

    fn check<'a>(&'a self, bits: &'a CheckedBits, step: &'a Step) -> Fut<'a, ()> {
        let products = self.products.take();
        Box::pin(async move {
            ring_check::verify::<W::Long>(&bits.trio, step, products).await.map(drop)
        })
    }

    fn check_cost(products: &[(Shape, usize)], _: usize) -> Cost {
        let terms = products.iter().map(|&(shape, len)| shape.terms(len));
        ring_check::cost::<W::Long>(terms.sum())
    }
}

#[cfg(test)]
mod tests {
    use super::super::rep3::cheats;

    #[test]
    fn every_altered_message_is_found() {
        cheats::every_altered_message_is_found(super::build);
    }
}

//! A protocol to copy: complete, working, and with all the security of one party.
//!
//! Replace, in this order; after each step more of the conformance tests turn green:
//!
//! 1. `INFO`: what you promise. Then this header: sharing, paper, differences, security, cost.
//! 2. `public`, `open`: what a share is, and how parties learn what it hides.
//! 3. `add`, `sub`, `add_clear`, `mul_clear`: local in every linear scheme.
//! 4. `share`: how an owner's numbers get in.
//! 5. `mul`: the first real round.
//! 6. `public_bits`, `xor`, `xor_clear`, `and_clear`, `and`, `share_bits`, `open_bits`: the same for bits.
//! 7. `random_bits`: what masks are made of.
//! 8. `cost`: for each of the verbs above, what you send. A test compares it with the wire.
//! 9. `setup`, if keys must be agreed on first; `check`, if parties may cheat: verify all that is
//!    unverified. Then also `from_bits`, since the default lets dealers say what they like. Each check
//!    is a [`security_check`](crate::checks), so that tests can do without it.
//!
//! Then add `name,` to the list in `registry.rs`. All other verbs come from `blocks`; override one where
//! the literature knows better, with its cost.
//!
//! Sharing:  one party holds x modulo 2^k; bits are packed, 64 to a word.
//! Security: none.
//! Cost:     nothing is sent.

use std::rc::Rc;

use mpc_runtime::{Depth, Error, Key, Party, Result, Step};

use crate::algebra::clear;
use crate::cost::{Call, Cost, Truncation, Verb};
use crate::protocol::{
    Abort, Domain, Fut, Info, Parties, Protocol, Security, Seeds, Setup, Units, now,
};
use crate::value::{Clear, ClearBits, Plane, Shares, Unit};

/// What it promises. `truncation` says what each mode reveals and when it fails.
pub const INFO: Info = Info {
    name: "blank",
    parties: Parties::Exactly(1),
    corrupted: "0",
    security: Security::None,
    abort: Abort::None,
    comp_sec: "none",
    stat_sec: "none",
    domain: "integers modulo 2^64 or 2^128",
    assumptions: "none",
    truncation: "exact: nothing. probabilistic and fast: the rounding depends on the mask that is opened; never a gross error",
    paper: "-",
};

/// Makes one party. Refuse here what the protocol cannot do, and say what would help.
///
/// # Errors
/// Numbers above 128 bits.
pub fn build(setup: &Setup, _me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    let ring = setup.ring_bits;
    if ring != 64 && ring != 128 {
        return Err(Error::Program(format!("blank: no ring of {ring} bits, but of 64 and of 128")));
    }
    // A key from `seeds.pair[i]` is common to this party and party i: what both read from a stream of it
    // need not be sent.
    let key = Key::new(&seeds.own, "blank");
    Ok(Rc::new(Blank { ring, key, stat_sec: setup.stat_sec, truncation: setup.truncation }))
}

struct Blank {
    ring: u32,
    key: Key,
    stat_sec: u32,
    truncation: Truncation,
}

// A verb that is done at once gives `now(result)`. Verbs with rounds are `async` blocks: `let op =
// step.op(depth)` names the messages, `op.send` and `op.recv` move them, `op.round()` ends a round,
// `op.depth()` is the depth of the result.

fn packed(len: usize, depth: Depth, bit: impl Fn(usize) -> bool) -> Shares {
    Shares::new(vec![Plane::bits(len, bit)], depth)
}

impl Blank {
    fn words(&self) -> usize {
        self.ring as usize / 64
    }

    fn vector(&self, values: impl ExactSizeIterator<Item = i128>, depth: Depth) -> Shares {
        let words = self.words();
        let plane = Plane::build(Unit::Words(words), values.len(), |out| {
            for (word, value) in out.chunks_exact_mut(words).zip(values) {
                word.copy_from_slice(&[value as u64, (value >> 64) as u64][..words]);
            }
        });
        Shares::new(vec![plane], depth)
    }

    fn values<'a>(&self, a: &'a Shares) -> impl ExactSizeIterator<Item = i128> + 'a {
        let ring = self.ring;
        a.plane(0).words().chunks_exact(self.words()).map(move |word| {
            let high = word.get(1).copied().unwrap_or(0);
            clear::wrap((u128::from(word[0]) | u128::from(high) << 64) as i128, ring)
        })
    }

    fn with<'a>(&self, a: &Shares, b: &Shares, f: impl Fn(i128, i128) -> i128) -> Fut<'a> {
        let both = self.values(a).zip(self.values(b)).map(|(a, b)| f(a, b));
        now(self.vector(both, a.depth.max(b.depth)))
    }

    fn with_clear<'a>(&self, a: &Shares, c: &Clear, f: impl Fn(i128, i128) -> i128) -> Fut<'a> {
        let c = c.broadcast(a.len());
        let known = c.values().expect("clear operands are known to all");
        let both = self.values(a).zip(known).map(|(a, &c)| f(a, c));
        now(self.vector(both, a.depth.max(c.depth)))
    }
}

impl Protocol for Blank {
    fn security(&self) -> Security {
        Security::None
    }

    fn domain(&self) -> Domain {
        Domain::Ring { bits: self.ring }
    }

    fn units(&self) -> Units {
        Units::of(1, self.words())
    }

    fn stat_sec(&self) -> u32 {
        self.stat_sec
    }

    fn truncation(&self) -> Truncation {
        self.truncation
    }

    /// `Some` for what this file does itself, `None` for what the blocks do.
    fn cost(&self, call: &Call) -> Option<Cost> {
        match call.verb {
            Verb::Linear | Verb::AddClear | Verb::MulClear => Some(Cost::local(1)),
            Verb::Mul | Verb::Share { .. } | Verb::Open { .. } => Some(Cost::local(1)),
            Verb::Xor | Verb::LinearBits | Verb::And => Some(Cost::local(1)),
            Verb::ShareBits { .. } | Verb::OpenBits { .. } => Some(Cost::local(1)),
            Verb::RandomBits => Some(Cost::local(1)),
            _ => None,
        }
    }

    fn public<'a>(&'a self, _: &'a Step, x: &'a Clear) -> Fut<'a> {
        let known = x.values().expect("public numbers are known to all");
        now(self.vector(known.iter().copied(), x.depth))
    }

    fn add<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        self.with(a, b, i128::wrapping_add)
    }

    fn sub<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        self.with(a, b, i128::wrapping_sub)
    }

    fn add_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        self.with_clear(a, c, i128::wrapping_add)
    }

    fn mul_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a Clear, _: u32) -> Fut<'a> {
        self.with_clear(a, c, i128::wrapping_mul)
    }

    fn mul<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares, _: u32) -> Fut<'a> {
        self.with(a, b, i128::wrapping_mul)
    }

    fn share<'a>(&'a self, step: &'a Step, _owner: Party, x: &'a Clear, _: u32) -> Fut<'a> {
        self.public(step, x)
    }

    fn open<'a>(
        &'a self,
        _: &'a Step,
        a: &'a Shares,
        _to: Option<Party>,
        _: u32,
    ) -> Fut<'a, Clear> {
        now(Clear::new(self.values(a).collect::<Vec<_>>(), a.depth))
    }

    fn public_bits<'a>(&'a self, _: &'a Step, x: &'a ClearBits) -> Fut<'a> {
        let known = x.values().expect("public bits are known to all");
        now(packed(x.len(), x.depth, |i| known[i]))
    }

    fn xor<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        let (x, y) = (a.plane(0), b.plane(0));
        now(packed(a.len(), a.depth.max(b.depth), |i| x.bit(i) ^ y.bit(i)))
    }

    fn xor_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        let c = c.broadcast(a.len());
        let known = c.values().expect("clear operands are known to all");
        now(packed(a.len(), a.depth.max(c.depth), |i| a.plane(0).bit(i) ^ known[i]))
    }

    fn and_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        let c = c.broadcast(a.len());
        let known = c.values().expect("clear operands are known to all");
        now(packed(a.len(), a.depth.max(c.depth), |i| a.plane(0).bit(i) & known[i]))
    }

    fn and<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        let (x, y) = (a.plane(0), b.plane(0));
        now(packed(a.len(), a.depth.max(b.depth), |i| x.bit(i) & y.bit(i)))
    }

    fn share_bits<'a>(&'a self, step: &'a Step, _owner: Party, x: &'a ClearBits) -> Fut<'a> {
        self.public_bits(step, x)
    }

    fn open_bits<'a>(
        &'a self,
        _: &'a Step,
        a: &'a Shares,
        _to: Option<Party>,
    ) -> Fut<'a, ClearBits> {
        let opened: Vec<bool> = (0..a.len()).map(|i| a.plane(0).bit(i)).collect();
        now(ClearBits::new(opened, a.depth))
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        let op = step.op(Depth::ZERO);
        let words = op.stream(&self.key, 0).words(n.div_ceil(64));
        now(packed(n, op.depth(), |i| words[i / 64] >> (i % 64) & 1 == 1))
    }
}

//! One party that holds every bit: what the circuits are tested on.

use super::*;
use crate::protocol::{Security, Seeds};
use mpc_runtime::Key;

struct OneParty(Key);

fn packed(len: usize, depth: Depth, bit: impl Fn(usize) -> bool) -> Shares {
    Shares::new(vec![Plane::bits(len, bit)], depth)
}

fn both(a: &Shares, b: &Shares, f: impl Fn(u64, u64) -> u64) -> Shares {
    let words = a.plane(0).words().iter().zip(b.plane(0).words());
    let plane = Plane::build(Unit::Bit, a.len(), |out| {
        out.iter_mut().zip(words).for_each(|(o, (&a, &b))| *o = f(a, b));
    });
    Shares::new(vec![plane], a.depth.max(b.depth))
}

impl OneParty {
    fn clear(&self, a: &Shares, c: &ClearBits) -> Shares {
        self.public_bits(&c.broadcast(a.len()))
    }
}

impl BinaryScheme for OneParty {
    fn security(&self) -> Security {
        Security::None
    }

    fn parties(&self) -> usize {
        1
    }

    fn corrupted(&self) -> usize {
        0
    }

    fn units(&self) -> Vec<Unit> {
        vec![Unit::Bit]
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        match call.verb {
            Verb::And | Verb::ShareBits { .. } | Verb::OpenBits { .. } | Verb::RandomBits => {
                Some(Cost::local(1))
            }
            _ => None,
        }
    }

    fn public_bits(&self, x: &ClearBits) -> Shares {
        let known = x.values().expect("public bits are known to all");
        packed(x.len(), x.depth, |i| known[i])
    }

    fn xor(&self, a: &Shares, b: &Shares) -> Shares {
        both(a, b, |a, b| a ^ b)
    }

    fn xor_clear(&self, a: &Shares, c: &ClearBits) -> Shares {
        both(a, &self.clear(a, c), |a, b| a ^ b)
    }

    fn and_clear(&self, a: &Shares, c: &ClearBits) -> Shares {
        both(a, &self.clear(a, c), |a, b| a & b)
    }

    fn and<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        now(both(a, b, |a, b| a & b))
    }

    fn share_bits<'a>(&'a self, _: &'a Step, _: Party, x: &'a ClearBits) -> Fut<'a> {
        now(self.public_bits(x))
    }

    fn open_bits<'a>(&'a self, _: &'a Step, a: &'a Shares, _: Option<Party>) -> Fut<'a, ClearBits> {
        let opened: Vec<bool> = (0..a.len()).map(|i| a.plane(0).bit(i)).collect();
        now(ClearBits::new(opened, a.depth))
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        let words = step.op(Depth::ZERO).stream(&self.0, 0).words(n.div_ceil(64));
        now(packed(n, Depth::ZERO, |i| words[i / 64] >> (i % 64) & 1 == 1))
    }
}

pub(crate) fn build(setup: &Setup, _: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    OverBinary::build(Rc::new(OneParty(Key::new(&seeds.own, "one party"))), setup)
}

//! Goldreich, Micali, Wigderson among any number of parties over packed bits, semi-honest, all but one
//! corrupted.
//!
//! Sharing:  b = ⊕ b_i; see [`super::gmw`], which also says how bits are multiplied.
//! Paper:    Goldreich, Micali, Wigderson 1987; triples from oblivious transfer: Asharov, Lindell, Schneider,
//!           Zohner 2013; transfers: Roy 2022, eprint 2022/192; for long vectors Boyle et al. 2019, eprint 2019/1159,
//!           with trees of Guo et al. 2022, eprint 2022/1431, and codes of Raghuraman, Rindal, Tanguy 2023, eprint 2023/882.
//! Security: any n - 1 parties learn nothing; a malicious party may alter the result and learn inputs.
//! Cost:     and 1 round, 2 bits to each peer, and a triple ahead: between two parties 15 bits, 1.5 if
//!           there are 2^18 of them, 0.8 if 2^19 or more; share nothing; open 1 round, 1 bit to each peer; everything else is a circuit of
//!           [`super::over_binary`].

use std::rc::Rc;

use mpc_runtime::{Depth, Party, Result, Step};

use super::gmw::{Gmw, SHORT};
use super::over_binary::{BinaryScheme, OverBinary};
use crate::blocks::ot::{Bases, Ot};
use crate::cost::{Call, Cost};
use crate::protocol::{Abort, Fut, Info, Parties, Protocol, Security, Seeds, Setup, now};
use crate::value::{ClearBits, Shares, Unit};

/// What it promises.
pub const INFO: Info = Info {
    name: "semi-bin",
    parties: Parties::AtLeast(2),
    corrupted: "n - 1",
    security: Security::SemiHonest,
    abort: Abort::None,
    comp_sec: "128, by AES-128 and Ristretto255",
    stat_sec: "0: nothing is masked",
    domain: "bits",
    assumptions: "computational Diffie-Hellman over Ristretto255 with BLAKE3 as random oracle; AES-128 \
                  is an ideal cipher; long vectors: dual LPN with regular noise for expand-convolute \
                  codes of rate 1/2, 256 places of noise or more",
    truncation: "exact in every mode",
    paper: "eprint 2022/192, 2019/1159, 2022/1431, 2023/882",
};

/// Makes one party.
///
/// # Errors
/// As [`OverBinary::build`].
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    let short = Rc::new(Ot::new(seeds, me, SHORT));
    let gmw = Gmw::silent(setup.parties, me, seeds, short.clone());
    let bases = Bases::new(seeds, me, SHORT.odd);
    OverBinary::build(Rc::new(SemiBin { n: setup.parties, bases, short, gmw }), setup)
}

struct SemiBin {
    n: usize,
    bases: Bases,
    short: Rc<Ot>,
    gmw: Gmw,
}

impl BinaryScheme for SemiBin {
    fn security(&self) -> Security {
        Security::SemiHonest
    }

    fn parties(&self) -> usize {
        self.n
    }

    fn corrupted(&self) -> usize {
        self.n - 1
    }

    fn units(&self) -> Vec<Unit> {
        vec![Unit::Bit]
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        self.gmw.cost(call)
    }

    fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(async move {
            let op = step.op(Depth::ZERO);
            self.bases.agree(&op).await?;
            self.short.grow(&step.op(op.depth()), &self.bases).await?;
            self.gmw.grow(&step.op(op.depth()), &self.bases).await
        })
    }

    fn restore<'a>(&'a self, _: &'a Step, _: &'a [u8]) -> Fut<'a, ()> {
        now(()) // transfers are for preprocessing alone
    }

    fn setup_cost(&self) -> Cost {
        let grown = Ot::growing(SHORT, self.n).beside(&self.gmw.growing());
        Bases::cost(self.n).then(&grown)
    }

    fn public_bits(&self, x: &ClearBits) -> Shares {
        self.gmw.public(x)
    }

    fn xor(&self, a: &Shares, b: &Shares) -> Shares {
        self.gmw.xor(a, b)
    }

    fn xor_clear(&self, a: &Shares, c: &ClearBits) -> Shares {
        self.gmw.xor_clear(a, c)
    }

    fn and_clear(&self, a: &Shares, c: &ClearBits) -> Shares {
        self.gmw.and_clear(a, c)
    }

    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        Box::pin(self.gmw.and(step, a, b))
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a> {
        now(self.gmw.share(step, owner, x))
    }

    fn open_bits<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
    ) -> Fut<'a, ClearBits> {
        Box::pin(self.gmw.open(step, a, to))
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        now(self.gmw.random(step, n))
    }
}

//! Additive sharing modulo a prime with MACs, malicious, all but one corrupted.
//!
//! Sharing:  x = Σ x_i, α·x = Σ m_i; party i holds x_i and m_i; see [`super::spdz`], which also says how numbers
//!           are multiplied and openings checked. Bits are the numbers 0 and 1.
//! Field:    the smallest of 2^61 - 1, 2^127 - 1, 2^255 - 19 that leaves room for masks of σ bits.
//! Paper:    Keller, Orsini, Scholl 2016, eprint 2016/505; transfers: Roy 2022, eprint 2022/192.
//! Differs:  first factors of triples have as many parts as σ takes: 4 in the smallest field and 3 in the others,
//!           for σ = 40. Random bits by squares (Damgård, Fitzi, Kiltz, Nielsen, Toft 2006).
//! Security: any n - 1 parties learn nothing; if they cheat, honest parties abort before anything leaves, or have
//!           the right result, but with a probability of 4/p for a check. Masks hide by their length only, so
//!           what led to a number is checked before it is opened under one.
//! Cost:     to each peer: mul 1 round, two elements, and a triple ahead; share 1 round, an element by the owner,
//!           and its MAC ahead; open 1 round, an element; check 4 rounds, a coin, an element and its commitment;
//!           random_bits 12 rounds, a triple and a random number; share_bits 1 round, bits of the owner, and
//!           random bits ahead.

use std::rc::Rc;

use mpc_runtime::{Depth, Label, Party, Result, Step};

use super::additive::{composed, of, plane};
use super::over_field::{self, FieldScheme, Known, MakeFieldScheme, Opened, Products};
use super::spdz::element::Authentic;
use super::spdz::keys::MacKey;
use super::spdz::{FORM, Spdz};
use crate::algebra::field::Prime;
use crate::algebra::number::Number;
use crate::blocks::linear;
use crate::blocks::ot::{Bases, Ot};
use crate::cost::{Call, Cost, Verb};
use crate::prepared::{prepared, prepared_fields};
use crate::protocol::{Abort, Fut, Info, Keys, Parties, Protocol, Security, Seeds, Setup, done};
use crate::value::{ClearVec, Plane, Shares};
use crate::workers::Workers;

/// What it promises.
pub const INFO: Info = Info {
    name: "mascot",
    parties: Parties::AtLeast(2),
    corrupted: "n - 1",
    security: Security::Malicious,
    abort: Abort::Selective,
    comp_sec: "128, by AES-128, BLAKE3 and Ristretto255",
    stat_sec: "2^-σ for each number that is opened under a mask and for the first factors of triples; 4/p, which is less, for each check",
    domain: "integers modulo a prime of 61, 127 or 255 bits",
    assumptions: "computational Diffie-Hellman over Ristretto255 with BLAKE3 as random oracle; AES-128 \
                  is an ideal cipher",
    truncation: "exact: nothing. probabilistic and fast: the rounding depends on the mask that is \
                 opened; never a gross error",
    paper: "eprint 2016/505, 2022/192",
};

const BITS: Label = Label("mascot.share_bits");

/// Makes one party.
///
/// # Errors
/// Numbers too large for the largest field.
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    struct Macs;
    impl MakeFieldScheme for Macs {
        const NAME: &str = INFO.name;

        fn maskers(_: usize) -> usize {
            1
        }

        fn make<F: Prime + Authentic>(
            setup: &Setup,
            me: Party,
            seeds: &Seeds,
        ) -> Result<Rc<dyn FieldScheme<F>>> {
            Ok(Rc::new(Mascot::<F>::new(setup, me, seeds)?))
        }
    }
    over_field::build::<Macs>(setup, me, seeds)
}

/// Random bits that one party knows.
struct Hidden {
    hiding: Shares,
    known: Option<Plane>,
    depth: Depth,
}

prepared_fields!(Hidden { hiding, known, depth });

/// One party.
struct Mascot<F> {
    bases: Bases,
    ot: Rc<Ot>,
    numbers: Spdz<F>,
    one: std::cell::OnceCell<[F; 2]>,
    workers: Workers,
}

impl<F: Prime + Authentic> Mascot<F> {
    fn new(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Self> {
        let (ot, key) = (Rc::new(Ot::new(seeds, me, FORM)), Rc::new(MacKey::default()));
        let parties = (me, setup.parties);
        Ok(Mascot {
            bases: Bases::new(seeds, me, false),
            numbers: Spdz::new(parties, seeds, "mascot", ot.clone(), key, setup.stat_sec),
            ot,
            one: std::cell::OnceCell::new(),
            workers: Workers::new(setup.threads)?,
        })
    }

    async fn set_up(&self, step: &Step) -> Result<()> {
        let op = step.op(Depth::ZERO);
        self.bases.agree(&op).await?;
        let op = step.op(op.depth());
        self.ot.grow(&op, &self.bases).await?;
        self.numbers.agree(&step.op(op.depth())).await?;
        self.knows_one();
        Ok(())
    }

    fn knows_one(&self) {
        assert!(self.one.set(self.numbers.one()).is_ok(), "the setup comes once");
    }

    async fn multiplied(
        &self,
        step: &Step,
        a: &Shares,
        b: &Shares,
        what: Products,
    ) -> Result<Shares> {
        let (inner, factors) = match what {
            Products::Rows(inner) => (inner, [a.clone(), b.clone()]),
            Products::Matrix(size) => (size.1, linear::factors(a, b, size)),
        };
        let products = self.numbers.multiply(step, &factors[0], &factors[1]).await?;
        Ok(match inner {
            0 => self.numbers.vector(what.len(a.len()), products.depth, |_, _| ()),
            1 => products,
            _ => self.numbers.sum(&products, inner),
        })
    }

    /// Random bits are opened to the owner, who tells all where its own differ.
    async fn dealt_bits(&self, step: &Step, owner: Party, x: Known) -> Result<Shares> {
        let n = x.len;
        let make = async |prep: &Step| {
            let hiding = self.numbers.random_bits(prep, n).await?;
            let known = self.numbers.open(prep, &hiding, Some(owner), |x| x).await?;
            let depth = known.depth;
            let known =
                known.values().map(|known| plane(n, |out: &mut [F]| out.copy_from_slice(known)));
            Ok(Hidden { hiding, known, depth })
        };
        let Hidden { hiding, known, depth } = prepared(step, make).await?;
        let op = step.op(x.depth.max(depth));
        let bytes = n.div_ceil(8);
        let differ = match known.zip(x.elements) {
            None if n == 0 => vec![],
            None => op.recv(owner, BITS, bytes).await?.to_vec(),
            Some((known, own)) => {
                let (known, own) = (of::<F>(&known), of::<F>(&own));
                let bit = |i: usize| Prime::wide(known[i]) != Prime::wide(own[i]);
                let mut differ = vec![0; bytes];
                (0..n).for_each(|i| differ[i / 8] |= u8::from(bit(i)) << (i % 8));
                for peer in (0..op.parties()).filter(|&peer| peer != owner && n > 0) {
                    op.send(peer, BITS, &differ)?;
                }
                differ
            }
        };
        let depth = if n == 0 { op.depth() } else { op.round() };
        let differ: Vec<bool> = (0..n).map(|i| differ[i / 8] >> (i % 8) & 1 == 1).collect();
        let told = ClearVec::new(differ, depth);
        let bit = |r: F, differs, one: F| {
            if differs { Number::minus(one, r) } else { r }
        };
        Ok(self.numbers.with_clear(&hiding, &told, bit))
    }

    fn dealing_bits(&self, owner: Party, n: usize) -> Cost {
        if n == 0 {
            return Cost::local(self.numbers.parties());
        }
        let parties = self.numbers.parties();
        let made = self.numbers.bits_cost(n).beside(&self.numbers.randomness(n, Some(owner)));
        let bits = made.then(&self.numbers.showing(n));
        let told = Cost::by(owner, parties, parties as u64 - 1, (parties - 1) * n.div_ceil(8));
        bits.ahead().beside(&told)
    }
}

/// Products that a call takes.
fn products(call: &Call) -> Option<usize> {
    Some(match call.verb {
        Verb::Mul => call.len,
        Verb::Dot { inner } => call.len * inner,
        Verb::MatMul { rows, inner, cols } => rows * inner * cols,
        _ => return None,
    })
}

impl<F: Prime + Authentic> FieldScheme<F> for Mascot<F> {
    fn parties(&self) -> usize {
        self.numbers.parties()
    }

    fn corrupted(&self) -> usize {
        self.numbers.parties() - 1
    }

    fn workers(&self) -> &Workers {
        &self.workers
    }

    fn one(&self) -> &[F] {
        self.one.get().expect("the setup comes before every verb")
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let (Call { verb, len, bits, .. }, numbers) = (*call, &self.numbers);
        Some(match verb {
            Verb::Share { owner } => numbers.sharing(owner, len),
            Verb::ShareBits { owner } => self.dealing_bits(owner, len),
            Verb::Open { to } => numbers.open_cost(to, len),
            Verb::RandomBits => numbers.bits_cost(len),
            Verb::Mask => numbers.bits_cost(len * bits as usize),
            _ => numbers.multiplying(products(call)?),
        })
    }

    fn verifies(&self) -> bool {
        true
    }

    fn check<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(self.numbers.check(step))
    }

    fn check_cost(&self, calls: &[Call]) -> Cost {
        let opens = |call: &Call| match call.verb {
            Verb::Share { .. } | Verb::ShareBits { .. } | Verb::Open { .. } => call.len > 0,
            Verb::RandomBits | Verb::Mask => call.len > 0,
            _ => products(call).is_some_and(|products| products > 0),
        };
        self.numbers.checking(calls.iter().any(opens))
    }

    fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(self.set_up(step))
    }

    fn keys(&self) -> Keys {
        self.numbers.keys()
    }

    fn restore<'a>(&'a self, _: &'a Step, keys: &'a [u8]) -> Fut<'a, ()> {
        done(self.numbers.restore(keys).map(|()| self.knows_one()))
    }

    fn setup_cost(&self) -> Cost {
        let n = self.numbers.parties();
        Bases::cost(n).then(&Ot::growing(FORM, n)).then(&MacKey::agreeing::<F>(FORM, n))
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
            let known = match &x.elements {
                Some(elements) => ClearVec::new(of::<F>(elements).to_vec(), x.depth),
                None => ClearVec::absent(x.len, x.depth),
            };
            self.numbers.share(step, owner, &known, |x| x).await
        })
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: Known) -> Fut<'a> {
        Box::pin(self.dealt_bits(step, owner, x))
    }

    fn open<'a>(&'a self, step: &'a Step, a: &'a Shares, to: Option<Party>) -> Fut<'a, Opened> {
        Box::pin(async move {
            let known = self.numbers.open(step, a, to, |x| x).await?;
            let elements = known
                .values()
                .map(|values| plane(values.len(), |out: &mut [F]| out.copy_from_slice(values)));
            Ok((elements, known.depth))
        })
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        Box::pin(self.numbers.random_bits(step, n))
    }

    fn mask<'a>(&'a self, step: &'a Step, n: usize, bits: u32) -> Fut<'a> {
        Box::pin(async move {
            let random = self.numbers.random_bits(step, n * bits as usize).await?;
            Ok(self.numbers.by_row(&random, bits as usize, |row| composed(row, false)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::spdz::tests;

    #[test]
    fn cheats_of_one_of_two_are_found() {
        tests::cheats_are_found(super::build, 2);
    }

    #[test]
    fn cheats_of_one_of_three_are_found() {
        tests::cheats_are_found(super::build, 3);
    }
}

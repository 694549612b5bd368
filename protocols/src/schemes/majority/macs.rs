//! Products right up to errors, and MACs by which a check finds those of all together.
//!
//! A number x has a MAC r·x, for a uniform key r that nobody knows. Planes of a share are those of x, then
//! those of r·x. A product is made twice, x·y and (r·x)·y, and a number that has no MAC yet gets it as a
//! product with r. With D = MAC - r·number for each number that came of messages, and random α that nobody
//! knows, Σ α·D is opened and must be 0.
//!
//! Should all D be 0, nothing is wrong unless an error of a product and that of its MAC meet in r. Should
//! one not be 0, then Σ α·D is uniform whatever D depends on, and tells nothing. Sums of α·MAC and α·number
//! are added up as numbers come, where the parties have common keys that the α come from; otherwise numbers
//! are kept until the check deals the α.
//! Source: Chida, Genkin, Hamada, Ikarashi, Kikuchi, Lindell, Nof 2018, eprint 2018/570, Protocol 5.3.

use std::cell::{OnceCell, RefCell};

use mpc_runtime::{Depth, Error, Label, OpId, Party, Result, Step, join_all};

use super::bits::{hidden, signs, telling, told, weighed};
use super::{Base, Shape, elements, part, single, zipped};
use crate::algebra::field::Prime;
use crate::checks::security_check;
use crate::cost::{Call, Cost, Verb};
use crate::prepared::{bytes, foreign, from_bytes};
use crate::protocol::{Fut, Keys};
use crate::schemes::over_field::{FieldScheme, Known, Opened, Products, short};
use crate::schemes::shamir::sharing::uniform;
use crate::value::{Plane, Shares};
use crate::workers::Workers;

const PRODUCT: Label = Label("macs.product");
const MAC: Label = Label("macs.mac");
const SQUARE: Label = Label("macs.square");
const MAC_OF_SQUARE: Label = Label("macs.square.mac");
const SUMS: Label = Label("macs.check.sums");
const KEY: Label = Label("macs.check.key");

/// A scheme whose numbers have MACs.
pub(crate) struct Macs<F, B> {
    base: B,
    /// Shares of the number 1 and of its MAC, which is the key.
    one: OnceCell<Vec<F>>,
    unverified: RefCell<Unverified>,
}

/// What the next check is about.
#[derive(Default)]
struct Unverified {
    /// How many numbers.
    numbers: usize,
    /// This party's summands of Σ α·x and of Σ α·r·x, as far as they are added up.
    sums: Option<Plane>,
    /// Numbers that are not in these sums.
    kept: Vec<(OpId, Shares)>,
}

impl<F: Prime, B: Base<F>> Macs<F, B> {
    pub(crate) fn new(base: B) -> Self {
        Macs { base, one: OnceCell::new(), unverified: RefCell::default() }
    }

    /// The key, `n` times.
    fn key(&self, n: usize) -> Vec<Plane> {
        let key = &self.one()[self.one().len() / 2..];
        key.iter().map(|&component| single(component).pick(n, |_| 0)).collect()
    }

    /// The number, and its MAC.
    fn parts<'a>(&self, a: &'a Shares) -> [&'a [Plane]; 2] {
        let (number, mac) = a.planes().split_at(a.planes().len() / 2);
        [number, mac]
    }

    /// Leaves a number to the next check.
    async fn record(&self, step: &Step, number: &Shares) -> Result<()> {
        self.unverified.borrow_mut().numbers += number.len();
        let op = step.op(number.depth);
        if self.base.summands().is_none() {
            self.unverified.borrow_mut().kept.push((op.id(), number.clone()));
            return Ok(());
        }
        let factors = self.base.random(&op, number.len(), uniform).await?;
        self.add_up(&factors, number);
        Ok(())
    }

    fn add_up(&self, factors: &[Plane], number: &Shares) {
        let shape = Shape::Matrix(1, number.len(), 1);
        let both = self.parts(number).map(|part| self.base.summand(shape, factors, part));
        let both = Plane::concat(&both);
        let sums = &mut self.unverified.borrow_mut().sums;
        *sums = Some(match sums.take() {
            None => both,
            Some(sums) => zipped(self.base.workers(), &[sums], &[both], F::plus).remove(0),
        });
    }

    /// A number with its MAC.
    async fn authenticated(&self, step: &Step, x: Vec<Plane>, depth: Depth) -> Result<Shares> {
        let (op, n) = (step.op(depth), x[0].len());
        let mac = self.base.summand(Shape::Each(n), &self.key(n), &x);
        let mac = self.base.reshare(&op, MAC, mac).await?;
        let number = Shares::new([x, mac].concat(), op.depth());
        self.record(step, &number).await?;
        Ok(number)
    }

    async fn multiply(&self, step: &Step, shape: Shape, x: &Shares, y: &Shares) -> Result<Shares> {
        let op = step.op(x.depth.max(y.depth));
        let [right, _] = self.parts(y);
        let both = self.parts(x).map(|left| self.base.summand(shape, left, right));
        let both = self.base.reshare(&op, PRODUCT, Plane::concat(&both)).await?;
        let n = shape.out();
        let planes = [part(&both, 0..n), part(&both, n..2 * n)].concat();
        let product = Shares::new(planes, op.depth());
        self.record(step, &product).await?;
        Ok(product)
    }

    async fn dealt(&self, step: &Step, owner: Party, x: Known) -> Result<Shares> {
        let op = step.op(x.depth);
        let known: &[F] = x.elements.as_ref().map_or(&[], elements);
        let secret = |first: usize, out: &mut [F]| {
            out.copy_from_slice(&known[first..][..out.len()]);
        };
        let planes = self.base.deal(&op, owner, x.len, secret).await?;
        self.authenticated(step, planes, op.depth()).await
    }

    /// Random bits: the square of a random number r is opened, and r divided by a root of it is 1 or -1.
    /// An error of the square tells nothing about what is kept, and is found with its MAC. Should r be 0,
    /// which has a probability of 1/p, the bit is 0.
    async fn bits(&self, step: &Step, n: usize) -> Result<Shares> {
        let (base, each) = (&self.base, Shape::Each(n));
        let op = step.op(Depth::ZERO);
        let r = base.random(&op, n, uniform).await?;
        let op = step.op(op.depth());
        let both = [base.summand(each, &r, &r), base.summand(each, &self.key(n), &r)];
        let both = base.reshare(&op, SQUARE, Plane::concat(&both)).await?;
        let (square, mac) = (part(&both, 0..n), part(&both, n..2 * n));

        let ops = [step.op(op.depth()), step.op(op.depth())];
        let its_mac = base.reshare(&ops[0], MAC_OF_SQUARE, base.summand(each, &mac, &r));
        let open = async {
            let opened = base.open(&ops[1], &square, None).await?;
            Ok(vec![opened.expect("opened to all")])
        };
        let mut both = join_all(vec![Box::pin(its_mac) as Fut<'_, _>, Box::pin(open)]).await?;
        let (opened, its_mac) = (both.remove(1).remove(0), both.remove(0));
        let depth = ops[0].depth().max(ops[1].depth());
        let planes = [r, mac].concat();
        let bits = signs(base.workers(), &planes, &opened, self.one());
        self.record(step, &Shares::new(planes, op.depth())).await?;
        self.record(step, &Shares::new([square, its_mac].concat(), depth)).await?;
        Ok(Shares::new(bits, depth))
    }

    fn bits_cost(&self, n: usize) -> Cost {
        let last = self.base.resharing(n).beside(&self.base.opening(None, n));
        self.base.randomness(n).then(&self.base.resharing(2 * n)).then(&last)
    }

    async fn dealt_bits(&self, step: &Step, owner: Party, x: Known) -> Result<Shares> {
        let hiding = async |prep: &Step| self.bits(prep, x.len).await;
        let hidden = hidden(&self.base, step, owner, hiding).await?;
        told(&self.base, step, owner, x, hidden, self.one()).await
    }

    /// Numbers of `bits` bits, as those of [`super::beaver`].
    async fn masks(&self, step: &Step, n: usize, bits: u32) -> Result<Shares> {
        if self.base.summands().is_some() {
            let op = step.op(Depth::ZERO);
            let masks = self.base.random(&op, n, short(bits)).await?;
            return self.authenticated(step, masks, op.depth()).await;
        }
        let random = self.bits(step, n * bits as usize).await?;
        Ok(weighed::<F>(self.base.workers(), &random, n, bits as usize))
    }

    async fn opened(&self, step: &Step, a: &Shares, to: Option<Party>) -> Result<Opened> {
        let op = step.op(a.depth);
        let known = self.base.open(&op, self.parts(a)[0], to).await?;
        Ok((known, op.depth()))
    }

    async fn set_up(&self, step: &Step) -> Result<()> {
        self.base.agree(step).await?;
        self.take_key(&self.base.random(&step.op(Depth::ZERO), 1, uniform).await?)
    }

    fn take_key(&self, key: &[Plane]) -> Result<()> {
        let mut one = self.base.one();
        if key.len() != one.len() || key.iter().any(|key| key.words().len() != F::WORDS) {
            return Err(foreign());
        }
        one.extend(key.iter().map(|component| elements::<F>(component)[0]));
        assert!(self.one.set(one).is_ok(), "the setup comes once");
        Ok(())
    }

    async fn verify(&self, step: &Step) -> Result<()> {
        let base = &self.base;
        let numbers = std::mem::take(&mut self.unverified.borrow_mut().numbers);
        if numbers == 0 {
            return Ok(());
        }
        let mut op = step.op(Depth::ZERO);
        if base.summands().is_none() {
            let mut kept = std::mem::take(&mut self.unverified.borrow_mut().kept);
            kept.sort_unstable_by_key(|(id, _)| *id);
            let kept = Shares::concat(&kept.into_iter().map(|(_, a)| a).collect::<Vec<_>>());
            let factors = base.random(&op, numbers, uniform).await?;
            self.add_up(&factors, &kept);
            op = step.op(op.depth());
        }
        let sums = self.unverified.borrow_mut().sums.take().expect("there are numbers");
        let sums = base.reshare(&op, SUMS, sums).await?;
        let op = step.op(op.depth());
        let due = base.summand(Shape::Each(1), &self.key(1), &part(&sums, 0..1));
        let due = base.reshare(&op, KEY, due).await?;
        let rest = zipped(base.workers(), &part(&sums, 1..2), &due, F::minus);
        let op = step.op(op.depth());
        let rest = base.open(&op, &rest, None).await?.expect("opened to all");
        security_check!(
            "macs.products",
            elements::<F>(&rest)[0].wide() == [0, 0],
            Error::CheckFailed { what: "MACs of numbers" },
        );
        Ok(())
    }

    /// Numbers that a call leaves to the next check.
    fn recorded(&self, call: &Call) -> usize {
        let Call { verb, len, bits, .. } = *call;
        match verb {
            Verb::Mul | Verb::Dot { .. } | Verb::MatMul { .. } | Verb::Share { .. } => len,
            Verb::RandomBits | Verb::ShareBits { .. } => 2 * len,
            Verb::Mask if self.base.summands().is_some() => len,
            Verb::Mask => 2 * len * bits as usize,
            _ => 0,
        }
    }
}

impl<F: Prime, B: Base<F>> FieldScheme<F> for Macs<F, B> {
    fn parties(&self) -> usize {
        self.base.parties()
    }

    fn corrupted(&self) -> usize {
        self.base.corrupted()
    }

    fn workers(&self) -> &Workers {
        self.base.workers()
    }

    fn planes(&self) -> usize {
        2 * self.base.one().len()
    }

    fn one(&self) -> &[F] {
        self.one.get().expect("the setup comes before every verb")
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let (base, Call { verb, len, bits, .. }) = (&self.base, *call);
        Some(match verb {
            Verb::Share { owner } => base.dealing(owner, len).then(&base.resharing(len)),
            Verb::ShareBits { owner } => telling(base, self.bits_cost(len), owner, len),
            Verb::Open { to } => base.opening(to, len),
            Verb::RandomBits => self.bits_cost(len),
            Verb::Mask if base.summands().is_some() => {
                base.randomness(len).then(&base.resharing(len))
            }
            Verb::Mask => self.bits_cost(len * bits as usize),
            _ => base.resharing(2 * Shape::of_call(call)?.out()),
        })
    }

    fn verifies(&self) -> bool {
        true
    }

    fn check<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(self.verify(step))
    }

    fn check_cost(&self, calls: &[Call]) -> Cost {
        let base = &self.base;
        let numbers: usize = calls.iter().map(|call| self.recorded(call)).sum();
        if numbers == 0 {
            return Cost::local(base.parties());
        }
        let factors = match base.summands() {
            Some(_) => Cost::local(base.parties()),
            None => base.randomness(numbers),
        };
        factors.then(&base.resharing(2)).then(&base.resharing(1)).then(&base.opening(None, 1))
    }

    fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(self.set_up(step))
    }

    fn keys(&self) -> Keys {
        bytes(&self.key(1))
    }

    fn restore<'a>(&'a self, step: &'a Step, keys: &'a [u8]) -> Fut<'a, ()> {
        Box::pin(async move {
            self.base.agree(step).await?;
            self.take_key(&from_bytes::<Vec<Plane>>(keys)?)
        })
    }

    fn setup_cost(&self) -> Cost {
        self.base.agreeing().then(&self.base.randomness(1))
    }

    fn products<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        what: Products,
    ) -> Fut<'a> {
        Box::pin(self.multiply(step, Shape::of(what, a.len()), a, b))
    }

    fn share<'a>(&'a self, step: &'a Step, owner: Party, x: Known) -> Fut<'a> {
        Box::pin(self.dealt(step, owner, x))
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: Known) -> Fut<'a> {
        Box::pin(self.dealt_bits(step, owner, x))
    }

    fn open<'a>(&'a self, step: &'a Step, a: &'a Shares, to: Option<Party>) -> Fut<'a, Opened> {
        Box::pin(self.opened(step, a, to))
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        Box::pin(self.bits(step, n))
    }

    fn mask<'a>(&'a self, step: &'a Step, n: usize, bits: u32) -> Fut<'a> {
        Box::pin(self.masks(step, n, bits))
    }
}

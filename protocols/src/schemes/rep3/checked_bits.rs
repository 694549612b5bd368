//! Vectors of packed bits against malicious parties: the products of [`super::packed`], recorded and
//! verified at the next check ([`super::field_check`]), and openings with a voucher.

use std::cell::RefCell;
use std::rc::Rc;

use mpc_runtime::{Depth, Label, Party, Result, Step, join_all};

use super::field_check::{self, Products};
use super::{Form, PARTIES, Trio};
use crate::blocks::vouch::{self, Vouchers};
use crate::cost::{Call, Cost, Verb};
use crate::protocol::Fut;
use crate::schemes::over_binary::BinaryScheme;
use crate::value::{ClearBits, Shares, Unit};

const OPEN: Label = Label("rep3.checked.open.bits");

/// Most bits of statistical security that [`field_check`] gives.
pub(crate) const STAT_SEC: u32 = 50;

/// One of the three parties.
pub(crate) struct CheckedBits {
    pub(crate) trio: Trio,
    pub(crate) vouchers: Vouchers,
    products: RefCell<Vec<Products>>,
}

impl CheckedBits {
    pub(crate) fn new(trio: Trio) -> Rc<CheckedBits> {
        let vouchers = Vouchers::new(PARTIES);
        Rc::new(CheckedBits { trio, vouchers, products: RefCell::default() })
    }

    async fn multiplied(&self, step: &Step, x: &Shares, y: &Shares) -> Result<Shares> {
        let op = step.op(x.depth.max(y.depth));
        let id = op.id();
        let z = self.trio.and_op(&op, x, y, None).await?;
        let product = Products { id, x: x.clone(), y: y.clone(), z: z.clone() };
        self.products.borrow_mut().push(product);
        Ok(z)
    }

    /// Words of products that a check after these calls is about.
    fn words(calls: &[Call]) -> usize {
        let ands = calls.iter().filter(|call| call.verb == Verb::And);
        ands.map(|call| call.len.div_ceil(64)).sum()
    }
}

impl BinaryScheme for CheckedBits {
    fn parties(&self) -> usize {
        PARTIES
    }

    fn corrupted(&self) -> usize {
        1
    }

    fn units(&self) -> Vec<Unit> {
        vec![Unit::Bit; 2]
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        match call.verb {
            Verb::Shuffle { .. } | Verb::Places { .. } => None,
            _ => self.trio.cost(call),
        }
    }

    fn public_bits(&self, x: &ClearBits) -> Shares {
        self.trio.public_bits(x)
    }

    fn xor(&self, a: &Shares, b: &Shares) -> Shares {
        self.trio.xor(a, b)
    }

    fn xor_clear(&self, a: &Shares, c: &ClearBits) -> Shares {
        self.trio.xor_clear(a, c)
    }

    fn and_clear(&self, a: &Shares, c: &ClearBits) -> Shares {
        self.trio.and_clear(a, c)
    }

    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        Box::pin(self.multiplied(step, a, b))
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a> {
        self.trio.share_bits(step, owner, x)
    }

    fn open_bits<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
    ) -> Fut<'a, ClearBits> {
        Box::pin(async move {
            let (op, form) = (step.op(a.depth), Form::bits(a.len()));
            let Some(third) = self.trio.vouched(&op, OPEN, form, a, to, &self.vouchers).await?
            else {
                return Ok(ClearBits::absent(a.len(), op.depth()));
            };
            let bit = |i: usize| a.plane(0).bit(i) ^ a.plane(1).bit(i) ^ third.bit(i);
            Ok(ClearBits::new((0..a.len()).map(bit).collect::<Vec<_>>(), op.depth()))
        })
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        self.trio.random_bits(step, n)
    }

    fn verifies(&self) -> bool {
        true
    }

    fn check<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(async move {
            let forks = step.forks(2);
            let products = self.products.take();
            let vouched = async { self.vouchers.check(&forks[0].op(Depth::ZERO)).await };
            let verified = field_check::verify(&self.trio, &forks[1], products);
            join_all(vec![Box::pin(vouched) as Fut<'_, ()>, Box::pin(verified)]).await.map(drop)
        })
    }

    fn check_cost(&self, calls: &[Call]) -> Cost {
        vouch::cost(PARTIES).beside(&field_check::cost(CheckedBits::words(calls)))
    }
}

//! Vectors of packed bits: what the ring scheme and the binary scheme have in common.

use mpc_runtime::{Label, Op, Party, Result, Step};

use super::shuffle::{Rows, shuffle_cost};
use super::{Form, PARTIES, Trio, costs, places, zip};
use crate::algebra::bits;
use crate::algebra::ring::{Bits, Ring};
use crate::blocks::pairs;
use crate::cost::{Call, Cost, Verb};
use crate::protocol::{Fut, Security, now};
use crate::schemes::over_binary::BinaryScheme;
use crate::value::{ClearBits, Shares, Unit};

const AND: Label = Label("rep3.and");
const SHARE: Label = Label("rep3.share.bits");
const OPEN: Label = Label("rep3.open.bits");

/// Bits as packed words, from values; a single one stands for all.
fn pack(out: &mut [Bits], values: &[bool]) {
    match values {
        [bit] => out.fill(Bits(if *bit { !0 } else { 0 })),
        _ => out.iter_mut().zip(bits::packed(values)).for_each(|(o, word)| *o = Bits(word)),
    }
}

impl Trio {
    /// `x∧y ⊕ plus`.
    pub(crate) async fn and_plus(
        &self,
        step: &Step,
        x: &Shares,
        y: &Shares,
        plus: Option<&Shares>,
    ) -> Result<Shares> {
        let depth = plus.map_or(x.depth, |p| p.depth).max(x.depth).max(y.depth);
        self.and_op(&step.op(depth), x, y, plus).await
    }

    /// [`Trio::and_plus`] as this call.
    pub(crate) async fn and_op(
        &self,
        op: &Op<'_>,
        x: &Shares,
        y: &Shares,
        plus: Option<&Shares>,
    ) -> Result<Shares> {
        self.multiply::<Bits>(op, AND, Form::bits(x.len()), (x, y), plus).await
    }
}

impl Trio {
    /// Public bits, a single one as often as `len` says.
    fn public_bits_for(&self, x: &ClearBits, len: usize) -> Shares {
        let known = x.values().expect("all parties know clear operands");
        self.public(Form::bits(len), x.depth, |out| pack(out, known))
    }
}

impl BinaryScheme for Trio {
    fn security(&self) -> Security {
        Security::SemiHonest
    }

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
        let packed = costs::packed(call.len, 1);
        match call.verb {
            Verb::And => Some(costs::each(packed)),
            Verb::ShareBits { owner } => Some(costs::input(owner, packed)),
            Verb::OpenBits { to: None } => Some(costs::each(packed)),
            Verb::OpenBits { to: Some(to) } => Some(costs::input((to + 2) % 3, packed)),
            Verb::Xor | Verb::LinearBits | Verb::RandomBits => Some(Cost::local(PARTIES)),
            Verb::Shuffle { .. } => Some(shuffle_cost(packed)),
            Verb::Places { k } if !pairs::few(call.len) => Some(places::cost::<Bits>(call.len, k)),
            _ => None,
        }
    }

    fn public_bits(&self, x: &ClearBits) -> Shares {
        self.public_bits_for(x, x.len())
    }

    fn xor(&self, a: &Shares, b: &Shares) -> Shares {
        zip::<Bits>(a, b, Bits::plus)
    }

    fn xor_clear(&self, a: &Shares, c: &ClearBits) -> Shares {
        self.xor(a, &self.public_bits_for(c, a.len()))
    }

    fn and_clear(&self, a: &Shares, c: &ClearBits) -> Shares {
        let known = c.values().expect("all parties know clear operands");
        let mask = Form::bits(a.len()).plane(|out| pack(out, known));
        zip::<Bits>(a, &Shares::new(vec![mask.clone(), mask], c.depth), Bits::times)
    }

    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        Box::pin(self.and_plus(step, a, b, None))
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a> {
        Box::pin(async move {
            let op = step.op(x.depth);
            let fill = |out: &mut [Bits]| pack(out, x.values().expect("the owner has its values"));
            self.share(&op, SHARE, Form::bits(x.len()), owner, fill).await
        })
    }

    fn open_bits<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
    ) -> Fut<'a, ClearBits> {
        Box::pin(async move {
            let op = step.op(a.depth);
            let Some(third) = self.missing(&op, OPEN, Form::bits(a.len()), a, to).await? else {
                return Ok(ClearBits::absent(a.len(), op.depth()));
            };
            let bit = |i: usize| a.plane(0).bit(i) ^ a.plane(1).bit(i) ^ third.bit(i);
            Ok(ClearBits::new((0..a.len()).map(bit).collect::<Vec<_>>(), op.depth()))
        })
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        now(self.random(step, Form::bits(n)))
    }

    fn shuffle<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        rows: usize,
        width: usize,
    ) -> Option<Fut<'a>> {
        debug_assert_eq!(rows * width, a.len());
        Some(Box::pin(self.shuffle_rows::<Bits>(
            step,
            a,
            Rows { form: Form::bits(a.len()), width },
        )))
    }

    fn places<'a>(&'a self, step: &'a Step, bits: &'a Shares, rows: usize) -> Option<Fut<'a>> {
        if pairs::few(rows) {
            return None;
        }
        Some(Box::pin(self.places::<Bits>(step, bits, rows, |place| Bits(place.into()))))
    }
}

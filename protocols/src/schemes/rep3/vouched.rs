//! Openings against malicious parties. Every component is held by two parties, one of which is honest if
//! the party that lacks it is not.

use mpc_runtime::{Label, Op, Party, Result};

use super::{Form, Trio, both, elements};
use crate::Error;
use crate::algebra::ring::Ring;
use crate::blocks::vouch::Vouchers;
use crate::checks::security_check;
use crate::value::{Plane, Shares};

impl Trio {
    /// As [`Trio::missing`], and the other holder vouches for what is sent.
    pub(crate) async fn vouched(
        &self,
        op: &Op<'_>,
        label: Label,
        form: Form,
        a: &Shares,
        to: Option<Party>,
        vouchers: &Vouchers,
    ) -> Result<Option<Plane>> {
        let learns = |party| to.is_none_or(|to| to == party);
        if learns(self.next()) {
            op.send(self.next(), label, &form.pack(a.plane(0).words()))?;
        }
        if learns(self.previous()) {
            vouchers.give(op, self.previous(), label, &form.pack(a.plane(1).words()));
        }
        if !learns(self.me) {
            op.round();
            return Ok(None);
        }
        let sent = op.recv(self.previous(), label, form.wire.bytes()).await?;
        vouchers.expect(op, self.next(), label, &sent);
        op.round();
        Ok(Some(form.unpack(sent)))
    }

    /// Opens few elements to all, each component sent by both of its holders. One round, two messages
    /// from each.
    pub(crate) async fn opened_twice<R: Ring>(
        &self,
        op: &Op<'_>,
        label: Label,
        form: Form,
        a: &Shares,
    ) -> Result<Vec<R>> {
        op.send(self.next(), label, &form.pack(a.plane(0).words()))?;
        op.send(self.previous(), label, &form.pack(a.plane(1).words()))?;
        let copies = [self.previous(), self.next()];
        let [one, other] = copies.map(|holder| op.recv(holder, label, form.wire.bytes()));
        let (one, other) = (one.await?, other.await?);
        op.round();
        security_check!(
            "rep3.opened.twice",
            one[..] == other[..],
            Error::CheckFailed { what: "openings by both holders" }
        );
        let third = form.unpack(one);
        let ([x, y], z) = (both::<R>(a), elements::<R>(&third));
        Ok(x.iter().zip(y).zip(z).map(|((x, y), &z)| x.plus(*y).plus(z)).collect())
    }
}

//! Shamir's sharing among the first 2t + 1 parties, most of them honest.
//!
//! Should the number of parties be even, the last one has no shares: it deals, and it learns what is
//! opened. So there are never more than t + 1 shares that all belong to honest parties where t others
//! cheat, and any t + 1 shares are those of one polynomial: a dealer cannot deal anything but a sharing.
//! Were there one share more, a dealer could make the honest ones contradict each other, and the error of
//! a product would depend on a share that the dealer does not have. Where fewer cheat, an opening fails
//! that shows a contradiction.

use mpc_runtime::{Key, Label, Op, Party, Result, Step, Stream};

use super::{Base, Shape, elements, plane, products};
use crate::algebra::field::Prime;
use crate::cost::{Cost, Sent};
use crate::protocol::{Seeds, Setup};
use crate::schemes::shamir::{corrupted, prss, sharing};
use crate::value::Plane;
use crate::workers::Workers;

const SHARE: Label = Label("shamir.deal");

/// How many parties have shares.
pub(crate) fn holders(parties: usize) -> usize {
    2 * corrupted(parties) + 1
}

/// How many numbers below a bound a mask is the sum of, at most.
pub(crate) fn summands(parties: usize) -> usize {
    prss::summands(holders(parties))
}

/// The sharing at one party.
pub(crate) struct Holders<F> {
    parties: usize,
    sharing: sharing::Sharing<F>,
}

impl<F: Prime> Holders<F> {
    /// At party `me`.
    ///
    /// # Errors
    /// No threads.
    pub(crate) fn new(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Self> {
        let sharing = sharing::Sharing::among(holders(setup.parties), setup, me, seeds)?;
        Ok(Holders { parties: setup.parties, sharing })
    }

    /// Whether this party has shares.
    fn holds(&self) -> bool {
        self.sharing.me < self.sharing.n
    }

    /// What a party without shares has of every vector.
    fn nothing(&self, len: usize) -> Vec<Plane> {
        vec![plane(&self.sharing.workers, len, |_, _: &mut [F]| ())]
    }

    /// A cost among those that have shares as one among all.
    fn among_all(&self, mut cost: Cost) -> Cost {
        cost.sent.resize(self.parties, Sent::default());
        cost.preprocessing.resize(self.parties, Sent::default());
        cost
    }
}

impl<F: Prime> Base<F> for Holders<F> {
    fn parties(&self) -> usize {
        self.parties
    }

    fn corrupted(&self) -> usize {
        self.sharing.t
    }

    fn workers(&self) -> &Workers {
        &self.sharing.workers
    }

    fn own(&self) -> &Key {
        &self.sharing.own
    }

    fn one(&self) -> Vec<F> {
        vec![if self.holds() { F::ONE } else { F::ZERO }]
    }

    async fn agree(&self, step: &Step) -> Result<()> {
        self.sharing.agree_compared(step).await
    }

    fn agreeing(&self) -> Cost {
        self.among_all(self.sharing.agreeing_compared())
    }

    fn summands(&self) -> Option<usize> {
        self.sharing.by_subsets().then(|| prss::summands(self.sharing.n))
    }

    async fn random(
        &self,
        op: &Op<'_>,
        n: usize,
        draw: impl Fn(&Stream, usize, &mut [F]) + Sync,
    ) -> Result<Vec<Plane>> {
        if !self.holds() {
            if !self.sharing.by_subsets() {
                op.round();
            }
            return Ok(self.nothing(n));
        }
        Ok(vec![self.sharing.random(op, n, draw).await?])
    }

    fn randomness(&self, n: usize) -> Cost {
        self.among_all(self.sharing.random_cost(n))
    }

    async fn deal(
        &self,
        op: &Op<'_>,
        owner: Party,
        len: usize,
        secret: impl Fn(usize, &mut [F]) + Sync,
    ) -> Result<Vec<Plane>> {
        if self.holds() {
            return Ok(vec![self.sharing.dealt(op, SHARE, owner..owner + 1, len, secret).await?]);
        }
        if owner == self.sharing.me {
            self.sharing.deal(op, SHARE, len, &secret)?;
        }
        op.round();
        Ok(self.nothing(len))
    }

    fn dealing(&self, owner: Party, len: usize) -> Cost {
        let messages = (0..self.sharing.n).filter(|&p| p != owner).count() - self.sharing.t;
        Cost::by(owner, self.parties, messages as u64, messages * 8 * F::WORDS * len)
    }

    fn summand(&self, shape: Shape, x: &[Plane], y: &[Plane]) -> Plane {
        products::<F>(self.workers(), shape, elements(&x[0]), elements(&y[0]))
    }

    async fn reshare(&self, op: &Op<'_>, label: Label, summand: Plane) -> Result<Vec<Plane>> {
        if !self.holds() {
            op.round();
            return Ok(self.nothing(summand.len()));
        }
        let products = elements::<F>(&summand);
        let fill = |first: usize, out: &mut [F]| {
            out.copy_from_slice(&products[first..][..out.len()]);
        };
        Ok(vec![self.sharing.reshare(op, label, products.len(), fill).await?])
    }

    fn resharing(&self, len: usize) -> Cost {
        self.among_all(self.sharing.dealing(self.sharing.multipliers(), len))
    }

    async fn open(&self, op: &Op<'_>, a: &[Plane], to: Option<Party>) -> Result<Option<Plane>> {
        self.sharing.opened_proven(op, &a[0], to, self.parties).await
    }

    fn opening(&self, to: Option<Party>, len: usize) -> Cost {
        self.sharing.opening_proven(to, len, self.parties)
    }
}

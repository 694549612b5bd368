//! Replicated sharing among three parties, one of them corrupted.
//!
//! Sharing:  x = x_0 + x_1 + x_2; party i holds (x_i, x_{i+1}) as components 0 and 1.
//! Keys:     K_j is common to the parties j-1 and j, which are those that hold component j.
//!
//! A component has two holders. One sends it where it is opened, the other its hash.
//! Source: Araki et al. 2016, eprint 2016/768; against cheaters Lindell, Nof 2017, eprint 2017/816.

use mpc_runtime::{Key, Label, Misbehaviour, Op, Party, Result, Step, Stream};
use subtle::ConstantTimeEq;

use super::{Base, Shape, elements, plane, products, zipped};
use crate::Error;
use crate::algebra::field::Prime;
use crate::checks::{self, security_check};
use crate::cost::Cost;
use crate::protocol::{Seeds, Setup};
use crate::schemes::shamir::sharing::{HASH, proof, uniform};
use crate::value::Plane;
use crate::workers::Workers;

const SHARE: Label = Label("mal-rep3.field.deal");
const OPEN: Label = Label("mal-rep3.field.open");
const PROOF: Label = Label("mal-rep3.field.open.proof");

/// Number of parties.
const PARTIES: usize = 3;

/// Purposes of the streams of a key within one verb.
mod purpose {
    /// Summands of zero.
    pub(super) const ZERO: u16 = 0;
    /// Random elements.
    pub(super) const RANDOM: u16 = 1;
    /// Masks of what a party deals.
    pub(super) const SHARE: u16 = 2;
}

/// How many numbers below a bound a mask is the sum of.
pub(crate) const SUMMANDS: usize = PARTIES;

/// The sharing at one party.
pub(crate) struct Replicated {
    me: Party,
    /// K_me and K_{me+1}.
    keys: [Key; 2],
    own: Key,
    workers: Workers,
}

impl Replicated {
    /// At party `me`.
    ///
    /// # Errors
    /// No threads.
    pub(crate) fn new(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Self> {
        let key = |peer: Party| Key::new(&seeds.pair[peer], "rep3 field");
        let workers = Workers::new(setup.threads)?;
        let keys = [key((me + 2) % PARTIES), key((me + 1) % PARTIES)];
        Ok(Replicated { me, keys, own: Key::new(&seeds.own, "rep3 field"), workers })
    }

    fn next(&self) -> Party {
        (self.me + 1) % PARTIES
    }

    fn previous(&self) -> Party {
        (self.me + 2) % PARTIES
    }

    /// Uniform elements that the holders of component `i` of this party have in common.
    fn common<F: Prime>(&self, op: &Op<'_>, len: usize, i: usize, purpose: u16) -> Plane {
        let stream = op.stream(&self.keys[i], purpose);
        plane(&self.workers, len, |first, out: &mut [F]| uniform(&stream, first, out))
    }

    fn zeros<F: Prime>(&self, len: usize) -> Plane {
        plane(&self.workers, len, |_, _: &mut [F]| ())
    }

    fn send(&self, op: &Op<'_>, to: Party, label: Label, a: &Plane) -> Result<()> {
        op.send(to, label, bytemuck::cast_slice(a.words()))
    }
}

/// The elements that `from` sends.
async fn received<F: Prime>(
    workers: &Workers,
    op: &Op<'_>,
    from: Party,
    label: Label,
    len: usize,
) -> Result<Plane> {
    let bytes = op.recv(from, label, 8 * F::WORDS * len).await?;
    let plane = plane(workers, len, |first, out: &mut [F]| {
        let out: &mut [u8] = bytemuck::cast_slice_mut(out);
        out.copy_from_slice(&bytes[8 * F::WORDS * first..][..out.len()]);
    });
    let what = Misbehaviour::OutOfRange { label: label.0 };
    F::valid(elements(&plane)).then_some(plane).ok_or(Error::Cheating { party: from, what })
}

impl<F: Prime> Base<F> for Replicated {
    fn parties(&self) -> usize {
        PARTIES
    }

    fn corrupted(&self) -> usize {
        1
    }

    fn workers(&self) -> &Workers {
        &self.workers
    }

    fn own(&self) -> &Key {
        &self.own
    }

    fn one(&self) -> Vec<F> {
        let component =
            |i: usize| if (self.me + i).is_multiple_of(PARTIES) { F::ONE } else { F::ZERO };
        vec![component(0), component(1)]
    }

    async fn agree(&self, _: &Step) -> Result<()> {
        Ok(())
    }

    fn agreeing(&self) -> Cost {
        Cost::local(PARTIES)
    }

    fn summands(&self) -> Option<usize> {
        Some(SUMMANDS)
    }

    async fn random(
        &self,
        op: &Op<'_>,
        n: usize,
        draw: impl Fn(&Stream, usize, &mut [F]) + Sync,
    ) -> Result<Vec<Plane>> {
        let component = |key| {
            let stream = op.stream(key, purpose::RANDOM);
            plane(&self.workers, n, |first, out: &mut [F]| draw(&stream, first, out))
        };
        Ok(self.keys.iter().map(component).collect())
    }

    fn randomness(&self, _: usize) -> Cost {
        Cost::local(PARTIES)
    }

    /// Component p of what party p deals is uniform, p+2 is 0, and p+1 is the rest, which it sends.
    async fn deal(
        &self,
        op: &Op<'_>,
        owner: Party,
        len: usize,
        secret: impl Fn(usize, &mut [F]) + Sync,
    ) -> Result<Vec<Plane>> {
        let shares = match (self.me + PARTIES - owner) % PARTIES {
            0 => {
                let mask = self.common::<F>(op, len, 0, purpose::SHARE);
                let secret = plane(&self.workers, len, secret);
                let rest = zipped(&self.workers, &[secret], std::slice::from_ref(&mask), F::minus)
                    .remove(0);
                self.send(op, self.next(), SHARE, &rest)?;
                vec![mask, rest]
            }
            1 => {
                let rest = received::<F>(&self.workers, op, owner, SHARE, len).await?;
                vec![rest, self.zeros::<F>(len)]
            }
            _ => vec![self.zeros::<F>(len), self.common::<F>(op, len, 1, purpose::SHARE)],
        };
        op.round();
        Ok(shares)
    }

    fn dealing(&self, owner: Party, len: usize) -> Cost {
        Cost::by(owner, PARTIES, 1, 8 * F::WORDS * len)
    }

    fn summand(&self, shape: Shape, x: &[Plane], y: &[Plane]) -> Plane {
        let sum = zipped(&self.workers, &y[..1], &y[1..], F::plus).remove(0);
        let first = products::<F>(&self.workers, shape, elements(&x[0]), elements(&sum));
        let second = products::<F>(&self.workers, shape, elements(&x[1]), elements(&y[0]));
        zipped(&self.workers, &[first], &[second], F::plus).remove(0)
    }

    async fn reshare(&self, op: &Op<'_>, label: Label, summand: Plane) -> Result<Vec<Plane>> {
        let n = summand.len();
        let [plus, minus] = [0, 1].map(|i| self.common::<F>(op, n, i, purpose::ZERO));
        let zero = zipped(&self.workers, &[plus], &[minus], F::minus);
        let mine = zipped(&self.workers, &[summand], &zero, F::plus).remove(0);
        let mine = checks::computed("rep3.field.summand", self.me, mine);
        self.send(op, self.previous(), label, &mine)?;
        let next = received::<F>(&self.workers, op, self.next(), label, n).await?;
        op.round();
        Ok(vec![mine, next])
    }

    fn resharing(&self, len: usize) -> Cost {
        Cost::each(PARTIES, 1, 1, 8 * F::WORDS * len)
    }

    async fn open(&self, op: &Op<'_>, a: &[Plane], to: Option<Party>) -> Result<Option<Plane>> {
        if to.is_none_or(|to| to == self.next()) {
            self.send(op, self.next(), OPEN, &a[0])?;
        }
        if to.is_none_or(|to| to == self.previous()) {
            op.send(self.previous(), PROOF, &proof(&a[1]))?;
        }
        if to.is_some_and(|to| to != self.me) {
            op.round();
            return Ok(None);
        }
        let third = received::<F>(&self.workers, op, self.previous(), OPEN, a[0].len()).await?;
        let due = proof(&third);
        let found = op.recv(self.next(), PROOF, due.len()).await?;
        security_check!(
            "rep3.field.open.same",
            bool::from(found.ct_eq(&due)),
            Error::CheckFailed { what: "shares of an opened value" },
        );
        op.round();
        let sum = zipped(&self.workers, &a[..1], &a[1..], F::plus);
        Ok(Some(zipped(&self.workers, &sum, &[third], F::plus).remove(0)))
    }

    fn opening(&self, to: Option<Party>, len: usize) -> Cost {
        let mut cost = Cost { rounds: 1, ..Cost::local(PARTIES) };
        let bytes = 8 * F::WORDS * len;
        for receiver in (0..PARTIES).filter(|&p| to.is_none_or(|to| to == p)) {
            cost.add((receiver + 2) % PARTIES, bytes);
            cost.add((receiver + 1) % PARTIES, bytes.min(HASH));
        }
        cost
    }
}

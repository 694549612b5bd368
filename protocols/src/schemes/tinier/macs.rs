//! Openings, and the proof that they were right.
//!
//! After bits o_h have been opened, a coin gives weights χ_h in GF(2^64). Party i has
//! `σ_i = Σ_h χ_h·(m_ih ⊕ o_h·D_i)`, with m_ih its share of the MAC; all of them are committed to, then opened, and
//! their sum must be 0. That something is 0 is proven without an opening: o_h = 0 and m_h are weighed alike.
//!
//! With an error e_h in o_h or in a MAC the sum is Σ χ_h·e_h for e_h ≠ 0 that the cheats knew before the
//! coin, or `s·D ⊕ known` with s = Σ χ_h·e_h over wrong bits; that is what the cheats said it would be with a
//! probability of at most 2^-63: the weights cancel, or D was guessed.
//!
//! *Errors that depend on an honest party.* A cheat who chooses other bits towards different peers, or tells
//! them different things, has a MAC that is off by D_j of some honest parties and not of others: no
//! opening of any sum with that bit goes through. So it need not be looked for before.
//!
//! *A check that fails* may tell the cheats D. Then they could alter whatever is checked until everybody
//! has stopped. But nothing leaves in that time: all that is opened is hidden by bits of honest parties that
//! nobody has seen ([`super::triples`] says what is known of these whatever the check says), and what
//! leaves does so when no other verb is under way, hence no other check
//! ([`crate::protocol::Protocol::verifies`]).
//!
//! The σ_i of honest parties are hidden from the others by streams that pairs have in common, so that only
//! their sum is told.

use std::cell::RefCell;

use mpc_runtime::{Error, Key, Label, Op, OpId, Result};
use subtle::ConstantTimeEq;

use super::bits::{Holder, add};
use crate::algebra::bits::Wire;
use crate::algebra::simd::{field_dot, field_times};
use crate::blocks::commit;
use crate::checks::security_check;
use crate::cost::Cost;
use crate::value::{Plane, Shares, Unit};

/// Most bits of statistical security that a check gives.
pub(super) const STAT_SEC: u32 = 60;

/// Weights that are drawn together.
const WEIGHTS: usize = 1 << 10;

/// Bits that were opened, or that are 0, and the shares of their MACs.
pub(super) struct Claim {
    /// The call that opened them.
    pub(super) id: OpId,
    /// `None` if all of them are 0.
    pub(super) opened: Option<Plane>,
    pub(super) macs: Plane,
}

/// Openings that are not verified yet.
#[derive(Default)]
pub(in crate::schemes) struct Openings(RefCell<Vec<Claim>>);

impl Openings {
    /// Opens bits and takes note of it. One round.
    ///
    /// # Errors
    /// Those of the channels.
    pub(in crate::schemes) async fn open(
        &self,
        holder: &Holder,
        op: &Op<'_>,
        label: Label,
        bits: &Shares,
    ) -> Result<Plane> {
        let claim = holder.open(op, label, bits).await?;
        let opened = claim.opened.clone().expect("they have been opened");
        self.0.borrow_mut().push(claim);
        Ok(opened)
    }

    /// All of them, in an order that is the same at all parties.
    pub(super) fn take(&self) -> Vec<Claim> {
        let mut claims = self.0.take();
        claims.sort_unstable_by_key(|claim| claim.id);
        claims
    }
}

impl Holder {
    /// Everybody tells its shares. One round.
    ///
    /// # Errors
    /// Those of the channels.
    pub(super) async fn open(&self, op: &Op<'_>, label: Label, bits: &Shares) -> Result<Claim> {
        let len = bits.len();
        let wire = Wire { rows: 1, bits: len };
        let mut opened = bits.plane(0).words().to_vec();
        let payload = wire.pack(&opened).into_owned();
        self.peers().try_for_each(|peer| op.send(peer, label, &payload))?;
        for peer in self.peers() {
            let theirs = op.recv(peer, label, wire.bytes()).await?;
            add(&mut opened, Plane::from_payload(Unit::Bit, len, theirs).words());
        }
        op.round();
        let opened = Plane::build(Unit::Bit, len, |out| out.copy_from_slice(&opened));
        Ok(Claim { id: op.id(), opened: Some(opened), macs: bits.plane(1).clone() })
    }

    /// Verifies claims with weights from a coin that was tossed after all of them. Two rounds.
    ///
    /// # Errors
    /// One of them is wrong.
    pub(super) async fn verify(&self, op: &Op<'_>, coin: &Key, claims: &[Claim]) -> Result<()> {
        let mut sigma = self.weighed(op, coin, claims);
        for peer in self.peers() {
            sigma ^= op.stream(&self.pair[peer], 0).words(1)[0];
        }
        let told = commit::exchange(op, &self.own, &sigma.to_le_bytes()).await?;
        let word = |bytes: &Vec<u8>| u64::from_le_bytes(bytes[..].try_into().expect("8 bytes"));
        let sum = told.iter().fold(0, |sum, bytes| sum ^ word(bytes));
        security_check!(
            "tinier.macs",
            sum.ct_eq(&0).into(),
            Error::CheckFailed { what: "MACs of opened bits" }
        );
        Ok(())
    }

    /// σ of this party.
    fn weighed(&self, op: &Op<'_>, coin: &Key, claims: &[Claim]) -> u64 {
        let (stream, mut at) = (op.stream(coin, 0), 0);
        let mut weights = [0; WEIGHTS];
        let (mut sigma, mut of_opened) = (0, 0);
        for Claim { opened, macs, .. } in claims {
            for (part, macs) in macs.words().chunks(WEIGHTS).enumerate() {
                let weights = &mut weights[..macs.len()];
                stream.fill(at, weights);
                at += WEIGHTS as u64;
                field_dot(&mut sigma, weights, macs);
                let Some(opened) = opened else { continue };
                let words = &opened.words()[part * WEIGHTS / 64..];
                for (weights, word) in weights.chunks(64).zip(words) {
                    for (h, weight) in weights.iter().enumerate() {
                        of_opened ^= (word >> h & 1).wrapping_neg() & weight;
                    }
                }
            }
        }
        sigma ^ field_times(of_opened, self.key())
    }

    /// What [`Holder::open`] costs.
    pub(in crate::schemes) fn open_cost(&self, bits: usize) -> Cost {
        let peers = self.n - 1;
        Cost::each(self.n, 1, peers as u64, peers * bits.div_ceil(8))
    }

    /// What [`Holder::verify`] costs.
    pub(super) fn verify_cost(&self) -> Cost {
        commit::cost(self.n, 8)
    }
}

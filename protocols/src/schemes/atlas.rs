//! Shamir's secret sharing over a prime field with products by way of kings, semi-honest, honest
//! majority: less is sent than by resharing from four parties on, in two rounds.
//!
//! Sharing:  that of [`super::shamir`], with which everything but products is common.
//! Paper:    Goyal, Li, Ostrovsky, Polychroniadou, Song 2021, eprint 2021/833, Section 4.2; products from
//!           double sharings: Damgård, Nielsen 2007. Differs: a double sharing is a sharing of degree t
//!           and summands of zero from keys of pairs; t of the shares that a party deals are
//!           pseudo-random too, and up to seven parties have the sharings from keys of subsets, so that
//!           of the 4 elements of the paper 3/2 at most are left, or 2 with more parties (`shamir::kings`).
//! Security: any t = ceil(n/2) - 1 parties learn nothing; a malicious party may alter the result.
//! Cost:     mul, dot and matmul 2 rounds, 2t elements of the result to a king, n - 1 - t from it, in all;
//!           from eight parties on also t·(n - 1 - t)/(n - t) in all and 1 round in the preprocessing;
//!           all else as in [`super::shamir`].

use std::rc::Rc;

use mpc_runtime::{Party, Result};

use super::over_field::{self, FieldScheme, MakeFieldScheme};
use super::shamir::{self, Reduction, Shamir};
use crate::algebra::field::Prime;
use crate::protocol::{Info, Protocol, Seeds, Setup};

/// What it promises.
pub const INFO: Info = Info { name: "atlas", paper: "eprint 2021/833", ..shamir::INFO };

/// Makes one party.
///
/// # Errors
/// Numbers too large for the largest field.
pub fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    over_field::build::<ByKings>(setup, me, seeds)
}

/// Makes it over any field.
pub(crate) struct ByKings;

impl MakeFieldScheme for ByKings {
    const INFO: Info = INFO;

    fn maskers(parties: usize) -> usize {
        shamir::maskers(parties)
    }

    fn make<F: Prime>(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn FieldScheme<F>>> {
        Shamir::make(setup, me, seeds, Reduction::Kings)
    }
}

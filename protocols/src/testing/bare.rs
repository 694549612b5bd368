//! Protocols that leave everything to the blocks but what is required: their laws are those of the
//! blocks among several parties, with masked openings and with addends.

use std::rc::Rc;

use mpc_runtime::{Party, Result, Step};

use crate::cost::{Call, Cost, Truncation, Verb};
use crate::protocol::{Domain, Fut, Protocol, Seeds, Setup, Units};
use crate::schemes::{rep3_ring, rep4_ring};
use crate::value::{Clear, ClearBits, Shares};
use crate::verbs::for_each_verb;

/// Replicated sharing, of which all that is not required is hidden.
struct Bare(Rc<dyn Protocol>);

/// Makes one of the three parties.
///
/// # Errors
/// Those of the scheme.
pub(super) fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    Ok(Rc::new(Bare(rep3_ring::build(setup, me, seeds)?)))
}

/// Of four parties, with addends.
pub(crate) mod of_addends {
    use super::*;

    /// Makes one of the four parties.
    ///
    /// # Errors
    /// Those of the scheme.
    pub(crate) fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
        Ok(Rc::new(Bare(rep4_ring::build(setup, me, seeds)?)))
    }
}

macro_rules! define_bare {
    (
        required { $( $(#[$_doc:meta])* $verb:ident($($arg:ident: $ty:ty),*)
            -> $result:ty: $_verb:expr, $_len:expr, $_bits:expr; )* }
        default $_rest:tt
    ) => {
        impl Protocol for Bare {
            fn domain(&self) -> Domain {
                self.0.domain()
            }

            fn units(&self) -> Units {
                self.0.units()
            }

            fn stat_sec(&self) -> u32 {
                self.0.stat_sec()
            }

            fn truncation(&self) -> Truncation {
                self.0.truncation()
            }

            fn corrupted(&self, parties: usize) -> usize {
                self.0.corrupted(parties)
            }

            fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
                self.0.setup(step)
            }

            fn setup_cost(&self, parties: usize) -> Cost {
                self.0.setup_cost(parties)
            }

            fn verifies(&self) -> bool {
                self.0.verifies()
            }

            fn check<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
                self.0.check(step)
            }

            fn check_cost(&self, calls: &[Call], parties: usize) -> Cost {
                self.0.check_cost(calls, parties)
            }

            fn addends(&self) -> usize {
                self.0.addends()
            }

            fn addend_bits(&self, a: &Shares, j: usize, k: u32) -> Shares {
                self.0.addend_bits(a, j, k)
            }

            fn addend_shifted(&self, a: &Shares, j: usize, shift: u32) -> Shares {
                self.0.addend_shifted(a, j, shift)
            }

            fn bit_addend(&self, a: &Shares, j: usize) -> Shares {
                self.0.bit_addend(a, j)
            }

            fn cost(&self, call: &Call) -> Option<Cost> {
                required(call.verb).then(|| self.0.cost(call)).flatten()
            }

            fn public<'a>(&'a self, step: &'a Step, x: &'a Clear) -> Fut<'a> {
                self.0.public(step, x)
            }

            fn public_bits<'a>(&'a self, step: &'a Step, x: &'a ClearBits) -> Fut<'a> {
                self.0.public_bits(step, x)
            }

            $( fn $verb<'a>(&'a self, step: &'a Step, $($arg: $ty),*) -> Fut<'a, $result> {
                self.0.$verb(step, $($arg),*)
            } )*
        }
    };
}
for_each_verb!(define_bare);

fn required(verb: Verb) -> bool {
    matches!(
        verb,
        Verb::Linear
            | Verb::AddClear
            | Verb::MulClear
            | Verb::Mul
            | Verb::Share { .. }
            | Verb::Open { .. }
            | Verb::Xor
            | Verb::LinearBits
            | Verb::And
            | Verb::ShareBits { .. }
            | Verb::OpenBits { .. }
            | Verb::RandomBits
    )
}

//! A protocol that leaves everything to the blocks but what is required: its laws are those of the
//! blocks among several parties.

use std::rc::Rc;

use mpc_runtime::{Party, Result, Step};

use crate::cost::{Call, Cost, Truncation, Verb};
use crate::protocol::{Domain, Fut, Protocol, Seeds, Setup};
use crate::schemes::rep3_ring;
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

            fn stat_sec(&self) -> u32 {
                self.0.stat_sec()
            }

            fn truncation(&self) -> Truncation {
                self.0.truncation()
            }

            fn corrupted(&self, parties: usize) -> usize {
                self.0.corrupted(parties)
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

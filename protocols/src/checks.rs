//! Security checks, each with a name.
//!
//! A check that finds cheats is written with [`security_check`]. It is exactly a condition and an error.
//! With the feature `mutants`, which nothing that is shipped has, a test can take out one check by its
//! name and see whether any test then fails: a check that nobody misses is no check, or has no test.

use mpc_runtime::Party;

use crate::value::Plane;

/// Whether checks can be taken out.
pub const REMOVABLE: bool = cfg!(feature = "mutants");

/// `security_check!("scheme.what", condition, error)`: returns the error unless the condition holds.
/// The name is used once.
macro_rules! security_check {
    ($name:literal, $holds:expr, $error:expr $(,)?) => {
        if !$crate::checks::passes($name, $holds) {
            return Err($error);
        }
    };
}
pub(crate) use security_check;

/// The outcome of a check.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub(crate) fn passes(_name: &'static str, holds: bool) -> bool {
    holds
}

/// What a party has computed and goes on with, here and in what it sends: a test can make it wrong. No altered
/// message does that, as the party itself goes on with what is right.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub(crate) fn computed(_place: &'static str, _me: Party, own: Plane) -> Plane {
    own
}

#[cfg(feature = "mutants")]
pub use removal::{Liar, Removed, lie, reached, remove};
#[cfg(feature = "mutants")]
pub(crate) use removal::{computed, passes};

#[cfg(feature = "mutants")]
mod removal {
    use std::collections::BTreeSet;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::{Party, Plane};

    static STATE: Mutex<State> =
        Mutex::new(State { removed: None, lie: None, reached: BTreeSet::new() });
    /// One check is out at a time.
    static ONE: Mutex<()> = Mutex::new(());

    struct State {
        removed: Option<String>,
        /// A place, and who lies there.
        lie: Option<(String, Party)>,
        reached: BTreeSet<&'static str>,
    }

    fn state() -> MutexGuard<'static, State> {
        STATE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outcome of a check, if it has not been taken out.
    pub(crate) fn passes(name: &'static str, holds: bool) -> bool {
        let mut state = state();
        state.reached.insert(name);
        holds || state.removed.as_deref() == Some(name)
    }

    /// A check that is out until this is dropped.
    pub struct Removed(#[allow(dead_code, reason = "held for its drop")] MutexGuard<'static, ()>);

    impl Drop for Removed {
        fn drop(&mut self) {
            state().removed = None;
        }
    }

    /// Takes out the check of that name.
    pub fn remove(name: &str) -> Removed {
        let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        state().removed = Some(name.to_owned());
        Removed(alone)
    }

    /// What the party has computed, wrong in one bit if it is to lie there.
    pub(crate) fn computed(place: &'static str, me: Party, mut own: Plane) -> Plane {
        let lies = state().lie.as_ref().is_some_and(|(at, liar)| at == place && *liar == me);
        if lies && !own.is_empty() {
            own.change(|words| words[0] ^= 1);
        }
        own
    }

    /// A party that lies until this is dropped.
    pub struct Liar(());

    impl Drop for Liar {
        fn drop(&mut self) {
            state().lie = None;
        }
    }

    /// Makes a party lie about what it computes at that place.
    pub fn lie(place: &str, liar: Party) -> Liar {
        state().lie = Some((place.to_owned(), liar));
        Liar(())
    }

    /// Names of the checks that were evaluated since the last call.
    pub fn reached() -> BTreeSet<&'static str> {
        std::mem::take(&mut state().reached)
    }
}

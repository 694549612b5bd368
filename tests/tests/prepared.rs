//! Preprocessing that was made in another run. `cargo full` has all programs and protocols.

use mpc_tests::programs::matrix;
use mpc_tests::session::{self, Case, Under};

/// Every protocol with the fewest parties, in turn.
#[test]
fn programs_mean_the_same_with_preprocessing_of_another_run() {
    let few = |under: &Under| under.parties == under.protocol.info.parties.least();
    let all: Vec<Under> = session::all().into_iter().filter(few).collect();
    let turn =
        |turn: u64, _: &str| (0..2).map(|i| all[(2 * turn as usize + i) % all.len()]).collect();
    matrix(turn, Case::check_prepared);
}

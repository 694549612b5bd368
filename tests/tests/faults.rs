//! Every protocol on simulated networks: schedules, killed parties, lost links, altered messages.

use mpc_tests::session::{self, Under};
use mpc_tests::{faults, seed};

/// Runs a check for `count` seeds under every protocol, or as many as ten seconds allow.
fn sweep(count: u64, first: u64, check: fn(Under, u64)) {
    let start = std::time::Instant::now();
    for case_seed in seed::cases(count, first) {
        let protocols = session::covering(case_seed, 1);
        protocols.into_iter().for_each(|under| check(under, case_seed));
        if start.elapsed().as_secs() >= 10 {
            break;
        }
    }
}

#[test]
fn results_and_messages_do_not_depend_on_the_schedule() {
    sweep(40, 1, faults::schedules);
}

#[test]
fn when_a_party_is_killed_every_other_one_names_it_and_the_instruction() {
    sweep(80, 1000, faults::kill);
}

#[test]
fn a_silent_link_ends_the_run_and_nobody_waits_for_ever() {
    sweep(60, 2000, faults::lost_link);
}

#[test]
fn an_altered_message_makes_nobody_panic_or_hang() {
    sweep(120, 3000, faults::tampering);
}

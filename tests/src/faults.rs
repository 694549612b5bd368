//! What must hold of every protocol when the network or a party fails. Each check takes a seed that
//! decides program, network and fault, and replays exactly.

use mpc_protocols::Truncation;
use mpc_runtime::simulate::{Network, Outcome as Simulated};
use mpc_runtime::tamper::{MUTATORS, Plan, Tamper};
use mpc_runtime::{Error, Label, Party, Result, Stats};
use mpc_vm::machine::Outcome;

use crate::generate;
use crate::seed::Rng;
use crate::session::{Case, Under};

/// Operations of a program.
const LENGTH: usize = 10;
/// Bits of its values.
const LIMIT: u32 = 40;

fn run(case: &Case, under: Under, network: &Network) -> Simulated<Result<Outcome>> {
    network.run(|end| case.party(under, Truncation::Exact, "main", Box::new(end)))
}

/// A program, what it does when nothing fails, and draws for the rest of the check.
fn healthy(under: Under, seed: u64) -> (Case, Vec<Outcome>, Rng) {
    let case = generate::case(seed, LENGTH, LIMIT);
    let ran = run(&case, under, &Network::new(under.parties, seed));
    let outcomes: Result<_> = ran.results.into_iter().collect();
    let outcomes = outcomes.unwrap_or_else(|e| panic!("SEED={seed} {under}: {e}"));
    (case, outcomes, Rng::new(seed ^ 0x5eed))
}

fn frames(stats: &Stats) -> u64 {
    stats.sent.values().map(|counts| counts.messages).sum()
}

/// Results and messages are the same on every network.
pub fn schedules(under: Under, seed: u64) {
    let (case, expected, _) = healthy(under, seed);
    let network = Network::new(under.parties, seed.wrapping_mul(31) + 1);
    let other = run(&case, under, &network);
    for (me, (result, expected)) in other.results.into_iter().zip(&expected).enumerate() {
        let found = result.unwrap_or_else(|e| panic!("SEED={seed} {under}, party {me}: {e}"));
        assert_eq!(found.outputs, expected.outputs, "SEED={seed} {under}, party {me}");
        assert_eq!(found.stats.sent, expected.stats.sent, "SEED={seed} {under}, party {me}");
        assert_eq!(found.stats.rounds, expected.stats.rounds, "SEED={seed} {under}, party {me}");
    }
    let again = run(&case, under, &network);
    assert!(again.trace == other.trace, "SEED={seed} {under}: the schedule does not replay");
}

/// When a party is killed, each other one has all it needs or names it; nobody waits.
pub fn kill(under: Under, seed: u64) {
    let (case, expected, mut rng) = healthy(under, seed);
    let victim = rng.below(under.parties as u64) as Party;
    let all = frames(&expected[victim].stats);
    if all == 0 {
        return;
    }
    let at = rng.below(all);
    let outcome = run(&case, under, &Network::new(under.parties, seed).kill(victim, at));
    for (me, result) in outcome.results.iter().enumerate() {
        let blamed = match result {
            Err(error) => match error.root() {
                Error::PeerLost { party, .. } => Some(*party),
                Error::Transport(_) if me == victim => continue,
                other => panic!("SEED={seed} {under}, party {me}: {other}"),
            },
            Ok(found) => {
                assert_eq!(found.outputs, expected[me].outputs, "SEED={seed} {under}, party {me}");
                continue;
            }
        };
        assert_eq!(blamed, Some(victim), "SEED={seed} {under}, party {me}, at frame {at}");
        let text = result.as_ref().expect_err("it is an error").to_string();
        assert!(text.contains("while executing"), "SEED={seed} {under}: no place in `{text}`");
    }
}

/// When a link goes silent, parties give up, or have all they need; nobody blames itself.
pub fn lost_link(under: Under, seed: u64) {
    if under.parties == 1 {
        return;
    }
    let (case, expected, mut rng) = healthy(under, seed);
    let from = rng.below(under.parties as u64) as Party;
    let to = (from + 1 + rng.below(under.parties as u64 - 1) as Party) % under.parties;
    let on_link: u64 = (expected[from].stats.sent.iter())
        .filter(|((_, peer), _)| *peer == to)
        .map(|(_, counts)| counts.messages)
        .sum();
    let network = Network::new(under.parties, seed);
    let outcome = run(&case, under, &network.drop_link(from, to, rng.below(on_link + 1)));
    for (me, result) in outcome.results.iter().enumerate() {
        match result.as_ref().map_err(Error::root) {
            Ok(found) => assert_eq!(found.outputs, expected[me].outputs, "SEED={seed} {under}"),
            Err(Error::Timeout { party, .. } | Error::PeerLost { party, .. }) => {
                assert_ne!(*party, me, "SEED={seed} {under}");
            }
            Err(other) => panic!("SEED={seed} {under}, party {me}: {other}"),
        }
    }
}

/// A message that is altered never makes an honest party panic or hang. (That it is noticed is the
/// promise of malicious security only.)
pub fn tampering(under: Under, seed: u64) {
    let (case, expected, mut rng) = healthy(under, seed);
    let cheat = rng.below(under.parties as u64) as Party;
    let labels: Vec<_> = expected[cheat].stats.by_label.iter().collect();
    if labels.is_empty() {
        return;
    }
    let (label, counts) = *rng.pick(&labels);
    let (label, occurrence) = (Label(label), rng.below(counts.messages));
    let mutator = *rng.pick(MUTATORS);
    let plan = Plan { label, occurrence, mutator };
    let outcome = Network::new(under.parties, seed).run(|end| {
        let honest = mpc_runtime::Transport::me(&end) != cheat;
        if honest {
            return case.party(under, Truncation::Exact, "main", Box::new(end));
        }
        let (end, _log) = Tamper::new(end, plan);
        case.party(under, Truncation::Exact, "main", Box::new(end))
    });
    for (me, result) in outcome.results.iter().enumerate() {
        if let Err(error) = result
            && me != cheat
        {
            let blames_itself = matches!(error.root(),
                Error::PeerLost { party, .. } | Error::Timeout { party, .. } | Error::Cheating { party, .. }
                if *party == me);
            assert!(!blames_itself, "SEED={seed} {under}, party {me}, {}: {error}", mutator.name);
        }
    }
}

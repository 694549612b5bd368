//! The simulated network: a seed replays, outcomes do not depend on the schedule, and nobody hangs.

use mpc_runtime::executor::Executor;
use mpc_runtime::simulate::{Network, Outcome, Simulated};
use mpc_runtime::{Depth, Error, Label, Party, Step};

const CHAT: Label = Label("test.simulate.chat");
/// Steps that each party runs side by side, and the most rounds of one.
const STEPS: u64 = 12;
const MAX_ROUNDS: u64 = 5;
/// Frames that one party sends in all.
const FRAMES: u64 = 2 * (3 + 4 + 5 + 1 + 2 + 3 + 4 + 5 + 1 + 2 + 3 + 4);

/// As long as a party has sent fewer frames, every other still needs something from it.
const IN_THE_MIDDLE: u64 = FRAMES * 3 / 4;

fn seeds(count: u64, default: u64) -> impl Iterator<Item = u64> {
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
    let first = seed.unwrap_or(default);
    (0..if seed.is_some() { 1 } else { count }).map(move |i| first + i)
}

/// Each round, everybody tells everybody what it knows, and knows their sum afterwards.
async fn gossip(step: Step, rounds: u64, mut value: u64) -> Result<u64, Error> {
    let mut depth = Depth::ZERO;
    let peers: Vec<Party> = (0..step.parties()).filter(|&p| p != step.me()).collect();
    for _ in 0..rounds {
        let op = step.op(depth);
        for &peer in &peers {
            op.send(peer, CHAT, &value.to_le_bytes())?;
        }
        for &peer in &peers {
            let heard = op.recv(peer, CHAT, 8).await?;
            let heard = heard[..].try_into().expect("recv checks the length");
            value = value.wrapping_mul(3).wrapping_add(u64::from_le_bytes(heard));
        }
        depth = op.round();
    }
    Ok(value)
}

type Ending = Result<Vec<u64>, (Option<u32>, Error)>;

/// Steps of different depths side by side; their results in order.
fn party(end: Simulated) -> Ending {
    let mut executor = Executor::new(Box::new(end));
    let results = std::rc::Rc::new(std::cell::RefCell::new(vec![0; STEPS as usize]));
    for id in 0..STEPS {
        let (step, results) = (executor.step(id, id as u32, Depth::ZERO), results.clone());
        let own = 1000 * id + executor.me() as u64;
        executor.spawn(id, id as u32, async move {
            let value = gossip(step, 1 + (id + 2) % MAX_ROUNDS, own).await?;
            results.borrow_mut()[id as usize] = value;
            Ok(())
        });
    }
    executor.finish()?;
    executor.close().map_err(|error| (None, error))?;
    Ok(results.take())
}

fn lost(outcome: &Ending) -> Option<Party> {
    match outcome {
        Err((_, Error::PeerLost { party, .. })) => Some(*party),
        _ => None,
    }
}

#[test]
fn a_seed_replays_and_results_do_not_depend_on_it() {
    let honest = Network::new(3, 0).run(party);
    let expected: Vec<_> = honest.results.into_iter().map(|r| r.expect("no faults")).collect();
    let mut traces = vec![];
    for seed in seeds(60, 1) {
        let Outcome { results, trace, time } = Network::new(3, seed).run(party);
        let again = Network::new(3, seed).run(party);
        assert_eq!(trace, again.trace, "seed {seed}");
        assert_eq!(time, again.time, "seed {seed}");
        assert_eq!(trace.len() as u64, 3 * FRAMES);
        for (result, expected) in results.into_iter().zip(&expected) {
            assert_eq!(result.as_ref(), Ok(expected), "seed {seed}");
        }
        traces.push(trace);
    }
    traces.dedup();
    assert!(traces.len() >= 50 || std::env::var("SEED").is_ok(), "seeds give other schedules");
}

#[test]
fn frames_of_a_link_keep_their_order_and_links_overtake_each_other() {
    let mut overtaken = 0;
    for seed in seeds(40, 100) {
        let trace = Network::new(4, seed).run(party).trace;
        assert!(trace.is_sorted_by_key(|d| d.time));
        for (from, to) in [(0, 1), (1, 0), (3, 2)] {
            let link: Vec<_> = trace.iter().filter(|d| (d.from, d.to) == (from, to)).collect();
            for step in 0..STEPS {
                let of_step = link.iter().filter(|d| d.header.step == step);
                assert!(of_step.is_sorted_by_key(|d| d.header.op), "seed {seed}");
            }
        }
        let to_0: Vec<_> = trace.iter().filter(|d| d.to == 0).map(|d| d.header.op).collect();
        overtaken += usize::from(!to_0.is_sorted());
    }
    assert!(overtaken > 10 || std::env::var("SEED").is_ok(), "some networks are in disorder");
}

#[test]
fn when_a_party_is_killed_every_other_party_names_it() {
    for seed in seeds(120, 1000) {
        let (victim, frames) = (seed as usize % 3, seed.wrapping_mul(7919) % IN_THE_MIDDLE);
        let network = Network::new(3, seed).kill(victim, frames);
        let outcome = network.run(party);
        for (me, result) in outcome.results.iter().enumerate() {
            if me == victim {
                let died = matches!(result, Err((_, Error::Transport(_))));
                assert!(died, "seed {seed}: the victim says {result:?}");
            } else {
                assert_eq!(lost(result), Some(victim), "seed {seed}: party {me} says {result:?}");
                let (place, _) = result.as_ref().expect_err("it is an error");
                assert!(place.is_some(), "seed {seed}: the instruction is named");
            }
        }
        assert_eq!(network.run(party).trace, outcome.trace, "seed {seed}");
    }
}

#[test]
fn a_lost_link_ends_in_a_deadline_that_names_the_silent_party() {
    for seed in seeds(60, 2000) {
        let (from, to) = (seed as usize % 3, (seed as usize + 1) % 3);
        let frames = seed.wrapping_mul(7919) % (IN_THE_MIDDLE / 2);
        let outcome = Network::new(3, seed).drop_link(from, to, frames).run(party);
        let timed_out = |r: &Ending| matches!(r, Err((_, Error::Timeout { .. })));
        assert!(outcome.results.iter().any(timed_out), "seed {seed}: {:?}", outcome.results);
        for (me, result) in outcome.results.iter().enumerate() {
            let (_, error) = result.as_ref().expect_err("all depend on all");
            match error {
                Error::Timeout { party, .. } if me == to => assert_eq!(*party, from, "seed {seed}"),
                Error::Timeout { party, .. } | Error::PeerLost { party, .. } => {
                    assert_ne!(*party, me, "seed {seed}");
                }
                other => panic!("seed {seed}: party {me}: {other}"),
            }
        }
    }
}

#[test]
fn parties_that_wait_for_each_other_give_up_at_once() {
    let start = std::time::Instant::now();
    let outcome = Network::new(2, 7).run(|end| {
        let mut executor = Executor::new(Box::new(end));
        let step = executor.step(0, 9, Depth::ZERO);
        let peer = 1 - executor.me();
        let wait = async move { step.op(Depth::ZERO).recv(peer, CHAT, 1).await.map(drop) };
        executor.spawn(0, 9, wait);
        executor.finish()
    });
    for (me, result) in outcome.results.into_iter().enumerate() {
        assert_eq!(result, Err((Some(9), Error::Timeout { party: 1 - me, seconds: 60 })));
    }
    assert!(outcome.time >= 60_000_000, "a minute has passed for them");
    assert!(start.elapsed().as_secs() < 10, "but not for us");
}

#[test]
fn a_party_that_ends_in_order_is_missed_only_by_who_waits_for_it() {
    let outcome = Network::new(3, 3).run(|end| {
        let mut executor = Executor::new(Box::new(end));
        let (me, step) = (executor.me(), executor.step(0, 0, Depth::ZERO));
        executor.spawn(0, 0, async move {
            let op = step.op(Depth::ZERO);
            match me {
                0 => op.recv(1, CHAT, 1).await.map(drop),
                1 => op.send(0, CHAT, &[1]),
                _ => op.recv(1, CHAT, 1).await.map(drop),
            }
        });
        executor.finish()?;
        executor.close().map_err(|error| (None, error))
    });
    assert_eq!(outcome.results[..2], [Ok(()), Ok(())]);
    assert!(matches!(outcome.results[2], Err((Some(0), Error::PeerLost { party: 1, .. }))));
}

#[test]
#[should_panic(expected = "party 1 has a bug")]
fn a_party_that_panics_hangs_nobody() {
    Network::new(3, 5).run(|end| {
        assert!(mpc_runtime::Transport::me(&end) != 1, "party 1 has a bug");
        party(end)
    });
}

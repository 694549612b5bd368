//! Every way to alter a message reaches the receiver, who notices or gets exactly what was altered.

use std::cell::RefCell;
use std::rc::Rc;

use mpc_runtime::executor::Executor;
use mpc_runtime::simulate::Network;
use mpc_runtime::tamper::{MUTATORS, Mutator, Plan, Report, Tamper};
use mpc_runtime::{Depth, Error, Label, Misbehaviour};

const VALUE: Label = Label("test.tamper.value");
const OTHER: Label = Label("test.tamper.other");
/// What party 0 sends, one message a verb.
const SENT: [[u8; 3]; 4] = [[1, 2, 3], [4, 5, 6], [0, 0, 0], [255, 255, 7]];

/// Party 0 tells party 1 the four values at once, and a word of another label; what party 1 got.
fn run(plan: Option<(u64, Mutator)>) -> (Result<Vec<Vec<u8>>, Error>, Report) {
    let plan = plan.map(|(occurrence, mutator)| Plan { label: VALUE, occurrence, mutator });
    let outcome = Network::new(2, 11).run(|end| {
        let cheats = mpc_runtime::Transport::me(&end) == 0;
        let (end, log) = match plan.filter(|_| cheats) {
            Some(plan) => Tamper::new(end, plan),
            None => Tamper::observe(end),
        };
        let mut executor = Executor::new(Box::new(end));
        let step = executor.step(0, 0, Depth::ZERO);
        let got = Rc::new(RefCell::new(vec![]));
        let heard = got.clone();
        executor.spawn(0, 0, async move {
            for payload in SENT {
                let op = step.op(Depth::ZERO);
                if step.me() == 0 {
                    op.send(1, VALUE, &payload)?;
                    op.send(1, OTHER, b"as it is")?;
                } else {
                    let value = op.recv(0, VALUE, 3).await?;
                    heard.borrow_mut().push(value.to_vec());
                    assert_eq!(op.recv(0, OTHER, 8).await?[..], *b"as it is");
                }
            }
            Ok(())
        });
        let result = executor.finish().and_then(|()| executor.close().map_err(|e| (None, e)));
        let report = log.lock().expect("nobody panicked").clone();
        (result.map(|()| got.take()).map_err(|(_, error)| error), report)
    });
    let [(_, report), (got, _)] = <[_; 2]>::try_from(outcome.results).expect("two parties");
    (got, report)
}

fn by_name(name: &str) -> Mutator {
    *MUTATORS.iter().find(|m| m.name == name).unwrap_or_else(|| panic!("no mutator {name}"))
}

/// What party 1 gets when message `occurrence` is altered.
fn got(name: &str, occurrence: u64) -> Vec<Vec<u8>> {
    let (got, report) = run(Some((occurrence, by_name(name))));
    assert!(report.applied, "{name}");
    got.unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn wrong_length(found: usize) -> Error {
    let what = Misbehaviour::WrongLength { label: VALUE.0, expected: 3, found };
    Error::Cheating { party: 0, what }
}

#[test]
fn an_observer_changes_nothing_and_counts() {
    let (got, report) = run(None);
    assert_eq!(got.expect("no fault"), SENT.map(Vec::from));
    assert_eq!(report.seen.into_iter().collect::<Vec<_>>().len(), 2);
    assert!(!report.applied);
}

#[test]
fn altered_bits_arrive_as_altered() {
    assert_eq!(got("flip the first bit", 0)[0], [0, 2, 3]);
    assert_eq!(got("flip a bit in the middle", 0)[0], [1, 3, 3]);
    assert_eq!(got("flip the last bit", 0)[0], [1, 2, 0x83]);
    assert_eq!(got("add one", 0)[0], [2, 2, 3]);
    assert_eq!(got("add one", 3)[3], [0, 0, 8]);
    assert_eq!(got("zero", 1)[1], [0, 0, 0]);
    assert_eq!(got("all ones", 1)[1], [255, 255, 255]);
    assert_eq!(got("replay the previous", 1)[1], SENT[0]);
    let swapped = got("swap with the next", 1);
    assert_eq!(swapped[1..3], [SENT[2], SENT[1]]);
    assert_eq!((&swapped[0][..], &swapped[3][..]), (&SENT[0][..], &SENT[3][..]));
}

#[test]
fn altered_lengths_are_noticed_and_blamed_on_the_sender() {
    for (name, found) in [("truncate by a byte", 2), ("extend by a byte", 4), ("empty", 0)] {
        let (got, report) = run(Some((2, by_name(name))));
        assert_eq!(got, Err(wrong_length(found)), "{name}");
        assert!(report.applied, "{name}");
    }
}

#[test]
fn a_message_that_comes_twice_or_never_ends_the_run() {
    let (got, _) = run(Some((1, by_name("drop, then continue"))));
    assert!(matches!(got, Err(Error::PeerLost { party: 0, .. } | Error::Timeout { party: 0, .. })));
    let (got, _) = run(Some((1, by_name("duplicate"))));
    assert_eq!(got, Err(Error::Cheating { party: 0, what: Misbehaviour::Duplicate }));
}

#[test]
fn what_leaves_a_message_as_it_is_says_so() {
    for (name, occurrence) in
        [("zero", 2), ("replay the previous", 0), ("swap with the next", 3), ("empty", 99)]
    {
        let (got, report) = run(Some((occurrence, by_name(name))));
        assert_eq!(got.expect("no fault"), SENT.map(Vec::from), "{name}");
        assert!(!report.applied, "{name}");
    }
}

#[test]
fn no_mutator_leaves_anybody_hanging() {
    for mutator in MUTATORS {
        for occurrence in 0..5 {
            let (_, report) = run(Some((occurrence, *mutator)));
            assert!(report.seen[&VALUE.id()] <= 4, "{}", mutator.name);
        }
    }
}

#[test]
fn words_are_altered_as_numbers_of_up_to_eight_bytes() {
    assert_eq!(got("add one in each word", 3)[3], [0, 0, 8]);
    assert_eq!(got("subtract one in each word", 2)[2], [255, 255, 255]);
    assert_eq!(got("double each word", 1)[1], [8, 10, 12]);
    assert_eq!(got("negate each word", 0)[0], [255, 253, 252]);
    assert_eq!(got("one in each word", 0)[0], [1, 0, 0]);
    assert_ne!(got("random words", 0)[0], got("random words", 1)[1]);
    assert_eq!(got("random words", 1)[1], got("random words", 1)[1]);
}

#[test]
fn onward_alters_every_later_message_and_silence_ends_them() {
    let altered = got("onward: flip the first bit", 1);
    assert_eq!(altered, [[1, 2, 3], [5, 5, 6], [1, 0, 0], [254, 255, 7]].map(Vec::from));
    let (got, report) = run(Some((2, by_name("fall silent"))));
    assert!(matches!(got, Err(Error::PeerLost { party: 0, .. } | Error::Timeout { party: 0, .. })));
    assert!(report.applied);
}

/// Each of three parties tells both others its number, in two calls; what parties 1 and 2 got from 0.
fn broadcast(name: &str) -> [Vec<Vec<u8>>; 2] {
    let plan = Plan { label: VALUE, occurrence: 2, mutator: by_name(name) };
    let outcome = Network::new(3, 4).run(|end| {
        let me = mpc_runtime::Transport::me(&end);
        let (end, log) = if me == 0 { Tamper::new(end, plan) } else { Tamper::observe(end) };
        let mut executor = Executor::new(Box::new(end));
        let step = executor.step(0, 0, Depth::ZERO);
        let got = Rc::new(RefCell::new(vec![]));
        let heard = got.clone();
        executor.spawn(0, 0, async move {
            for _ in 0..2 {
                let op = step.op(Depth::ZERO);
                let peers: Vec<_> = (0..3).filter(|&peer| peer != me).collect();
                peers.iter().try_for_each(|&peer| op.send(peer, VALUE, &[me as u8 + 1]))?;
                for &peer in &peers {
                    let value = op.recv(peer, VALUE, 1).await?;
                    if peer == 0 {
                        heard.borrow_mut().push(value.to_vec());
                    }
                }
            }
            Ok(())
        });
        executor.finish().and_then(|()| executor.close().map_err(|e| (None, e))).expect("all end");
        assert_eq!(log.lock().expect("nobody panicked").applied, me == 0, "{name}");
        got.take()
    });
    let [_, one, two] = <[_; 3]>::try_from(outcome.results).expect("three parties");
    [one, two]
}

#[test]
fn a_lie_is_told_to_one_or_to_all() {
    let values = |values: [u8; 2]| values.map(|value| vec![value]).to_vec();
    assert_eq!(broadcast("flip the first bit"), [values([1, 0]), values([1, 1])]);
    assert_eq!(broadcast("to all: flip the first bit"), [values([1, 0]), values([1, 0])]);
}

#[test]
fn what_a_peer_sent_is_copied_and_reflected() {
    let [one, two] = broadcast("copy what a peer sent");
    assert!(one == two && one[0] == [1] && (one[1] == [2] || one[1] == [3]), "{one:?} {two:?}");
    let [one, two] = broadcast("reflect what the receiver sent");
    assert_eq!([one, two], [vec![vec![1], vec![2]], vec![vec![1], vec![1]]]);
}

#[test]
fn a_message_under_a_wrong_name_is_not_taken_for_another() {
    for occurrence in [0, 3] {
        let (got, report) = run(Some((occurrence, by_name("under the name of the next call"))));
        assert!(report.applied && got.is_err(), "{got:?}");
    }
}

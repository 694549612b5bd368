//! Messages that come too early, too late, or for nobody.

use mpc_runtime::executor::Executor;
use mpc_runtime::message::HEADER_BYTES;
use mpc_runtime::simulate::Network;
use mpc_runtime::{Depth, Error, Label, Misbehaviour, Transport};

const WORD: Label = Label("test.ahead.word");

/// Party 1 runs steps 0 and 1, each of which waits for a word of party 0, and allows it `limit`
/// bytes ahead. Party 0 sends words of `bytes` bytes to the steps `sent`, in that order.
fn run(seed: u64, limit: usize, bytes: usize, sent: &[u64]) -> (Result<(), Error>, u64) {
    let outcome = Network::new(2, seed).run(|end| {
        if end.me() == 0 {
            let mut executor = Executor::new(Box::new(end));
            for &id in sent {
                let step = executor.step(id, 0, Depth::ZERO);
                let told = step.op(Depth::ZERO).send(1, WORD, &vec![7; bytes]);
                if told.is_err() {
                    break; // the other party has left by now
                }
            }
            return (executor.close(), 0);
        }
        let mut executor = Executor::new(Box::new(end));
        executor.set_early_limit(limit);
        let run = |executor: &mut Executor, id| {
            let step = executor.step(id, 0, Depth::ZERO);
            executor.spawn(id, 0, async move {
                step.op(Depth::ZERO).recv(0, WORD, bytes).await.map(drop)
            });
            executor.finish()
        };
        let ended = run(&mut executor, 0).and_then(|()| run(&mut executor, 1));
        (ended.map_err(|(_, error)| error), executor.stats().early_bytes)
    });
    let [_, heard] = <[_; 2]>::try_from(outcome.results).expect("two parties");
    heard
}

fn twice() -> Result<(), Error> {
    Err(Error::Cheating { party: 0, what: Misbehaviour::Duplicate })
}

#[test]
fn what_comes_ahead_is_kept_up_to_the_limit_and_a_flood_names_its_sender() {
    let frame = HEADER_BYTES + 100;
    for seed in 0..20 {
        // step 1 waits for 0 to be over
        let (ended, early) = run(seed, frame, 100, &[1, 0]);
        assert_eq!((ended, early), (Ok(()), frame as u64), "seed {seed}");
        let sent: Vec<u64> = (1..100).collect();
        let (ended, early) = run(seed, 10 * frame, 100, &sent);
        let what = Misbehaviour::Flood { bytes: 11 * frame, allowed: 10 * frame };
        assert_eq!(ended, Err(Error::Cheating { party: 0, what }), "seed {seed}");
        assert_eq!(early, 11 * frame as u64);
    }
}

#[test]
fn a_message_for_a_step_that_is_over_or_a_second_one_is_refused() {
    for seed in 0..20 {
        for sent in [[0, 0, 1], [0, 1, 0], [1, 1, 0], [0, 1, 1]] {
            let (ended, _) = run(seed, 1 << 20, 10, &sent);
            // the last of all may come when the run is over, and is never looked at
            let unseen = sent[1..] == [1, 1] || sent == [0, 1, 0];
            assert!(ended == twice() || unseen && ended.is_ok(), "seed {seed} {sent:?}: {ended:?}");
        }
        assert_eq!(run(seed, 1 << 20, 10, &[0, 1]).0, Ok(()));
    }
}

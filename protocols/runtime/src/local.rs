//! Parties as threads of one process, connected by channels: for tests and benchmarks.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::transport::Frame;
use crate::{Error, Header, Party, Result, Transport};

/// What travels in a channel; `None` says that the sender left in order.
type Parcel = (Party, Option<(Header, Vec<u8>)>);

/// Payload taken in at once.
const AT_ONCE_BYTES: usize = 1 << 20;

/// One party's end of the channels.
pub struct Local {
    me: Party,
    peers: Vec<Sender<Parcel>>,
    inbox: Receiver<Parcel>,
    left: Vec<bool>,
    timeout_s: u64,
}

/// The ends for `n` parties; a party that hears nothing for `timeout_s` seconds gives up.
pub fn network(n: usize, timeout_s: u64) -> Vec<Local> {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..n).map(|_| channel()).unzip();
    let end =
        |(me, inbox)| Local { me, peers: senders.clone(), inbox, left: vec![false; n], timeout_s };
    receivers.into_iter().enumerate().map(end).collect()
}

/// Runs `party(transport)` for each of `n` parties on a thread of its own; results by party.
///
/// # Panics
/// If a party panics.
pub fn run<T: Send>(n: usize, party: impl Fn(Local) -> T + Sync) -> Vec<T> {
    let results = run_each(n, 1, |_, end| party(end));
    results.into_iter().map(|mut of_party| of_party.remove(0)).collect()
}

/// As [`run`], for `runs` runs one after the other, each with new channels: `party(run, transport)`; results
/// by party and run. Many short ones spend their time on making threads otherwise.
///
/// # Panics
/// If a party panics.
pub fn run_each<T: Send>(
    n: usize,
    runs: usize,
    party: impl Fn(usize, Local) -> T + Sync,
) -> Vec<Vec<T>> {
    let mut ends: Vec<Vec<Local>> = (0..n).map(|_| Vec::with_capacity(runs)).collect();
    for _ in 0..runs {
        network(n, 60).into_iter().zip(&mut ends).for_each(|(end, of_party)| of_party.push(end));
    }
    std::thread::scope(|scope| {
        let party = &party;
        let spawn = |ends: Vec<Local>| {
            let thread = std::thread::Builder::new().stack_size(16 << 20);
            let work = move || ends.into_iter().enumerate().map(|(run, end)| party(run, end));
            thread.spawn_scoped(scope, move || work().collect()).expect("threads can be made")
        };
        let threads: Vec<_> = ends.into_iter().map(spawn).collect();
        threads
            .into_iter()
            .map(|t| t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

impl Local {
    fn take(&mut self, (from, message): Parcel, into: &mut Vec<Frame>) {
        match message {
            Some((header, payload)) => into.push(Frame::copied(from, header, &payload)),
            None => self.left[from] = true,
        }
    }
}

impl Transport for Local {
    fn me(&self) -> Party {
        self.me
    }

    fn parties(&self) -> usize {
        self.peers.len()
    }

    fn send(&mut self, to: Party, header: &Header, payload: &[u8]) -> Result<()> {
        let gone = |_| Error::PeerLost { party: to, reason: "its thread ended".into() };
        self.peers[to].send((self.me, Some((*header, payload.to_vec())))).map_err(gone)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn receive(&mut self, into: &mut Vec<Frame>, wait: bool, awaited: &[Party]) -> Result<()> {
        while wait && into.is_empty() {
            if let Some(&party) = awaited.iter().find(|&&p| self.left[p]) {
                return Err(Error::PeerLost { party, reason: "its thread ended".into() });
            }
            match self.inbox.recv_timeout(Duration::from_secs(self.timeout_s)) {
                Ok(parcel) => self.take(parcel, into),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let party = awaited.first().copied().unwrap_or(self.me);
                    return Err(Error::Timeout { party, seconds: self.timeout_s });
                }
            }
        }
        // What is left comes when what came has been worked on: a peer that only sends may be far ahead.
        let size = |into: &Vec<Frame>| into.iter().map(|f| f.payload.len()).sum::<usize>();
        while size(into) < AT_ONCE_BYTES {
            let Ok(parcel) = self.inbox.try_recv() else { break };
            self.take(parcel, into);
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        for peer in &self.peers {
            _ = peer.send((self.me, None)); // a peer that has ended needs no goodbye
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Depth, Executor, Label};

    const PING: Label = Label("test.ping");

    #[test]
    fn independent_steps_share_rounds_and_dependent_ones_add_up() {
        let rounds = super::run(2, |end| {
            let mut executor = Executor::new(Box::new(end));
            let peer = 1 - executor.me();
            for id in 0..100 {
                let step = executor.step(id, 0, Depth::ZERO);
                executor.spawn(id, 0, async move {
                    let mut depth = Depth::ZERO;
                    for _ in 0..1 + id % 3 {
                        let op = step.op(depth);
                        op.send(peer, PING, &[7; 5])?;
                        assert_eq!(op.recv(peer, PING, 5).await?[..], [7; 5]);
                        depth = op.round();
                    }
                    Ok(())
                });
            }
            executor.finish().expect("no faults here");
            let stats = executor.stats();
            assert_eq!(stats.by_label["test.ping"].messages, 34 + 33 * 2 + 33 * 3);
            stats.rounds.total
        });
        assert_eq!(rounds, [3, 3]);
    }

    #[test]
    fn a_vector_too_long_for_a_frame_is_an_error_of_the_program() {
        super::run(2, |end| {
            let executor = Executor::new(Box::new(end));
            let step = executor.step(0, 0, Depth::ZERO);
            let long = vec![0; crate::message::MAX_PAYLOAD_BYTES + 1];
            let refused = step.op(Depth::ZERO).send(1 - executor.me(), PING, &long);
            let error = refused.expect_err("it does not fit");
            assert!(
                matches!(&error, crate::Error::Program(text) if text.contains("test.ping")),
                "{error}"
            );
        });
    }

    #[test]
    fn a_party_that_leaves_is_named() {
        super::run(2, |end| {
            let mut executor = Executor::new(Box::new(end));
            if executor.me() == 1 {
                return;
            }
            let step = executor.step(0, 9, Depth::ZERO);
            executor.spawn(
                0,
                9,
                async move { step.op(Depth::ZERO).recv(1, PING, 1).await.map(drop) },
            );
            let (place, error) = executor.finish().expect_err("party 1 left");
            assert_eq!(place, Some(9));
            assert!(matches!(error, crate::Error::PeerLost { party: 1, .. }), "{error}");
        });
    }
}

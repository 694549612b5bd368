//! Tasks that do not begin before others are over.

use std::cell::RefCell;
use std::rc::Rc;

use mpc_runtime::executor::Executor;
use mpc_runtime::simulate::Network;
use mpc_runtime::{Depth, Label, Transport};

const WORD: Label = Label("test.behind.word");
const TASKS: u64 = 20;

/// Two parties run tasks that each send a word to the other and wait for its; every third task does not
/// begin before those below `first` of its number are over. Which tasks were over when each began, by party.
fn run(seed: u64, first: fn(u64) -> u64) -> Vec<Vec<(u64, Vec<u64>)>> {
    let outcome = Network::new(2, seed).run(|end| {
        let other = 1 - end.me();
        let mut executor = Executor::new(Box::new(end));
        let (over, begun) = (Rc::new(RefCell::new(vec![])), Rc::new(RefCell::new(vec![])));
        for id in 0..TASKS {
            let step = executor.step(id, 0, Depth::ZERO);
            let (over, begun) = (over.clone(), begun.clone());
            let task = async move {
                begun.borrow_mut().push((id, over.borrow().clone()));
                let op = step.op(Depth::ZERO);
                op.send(other, WORD, &[1])?;
                op.recv(other, WORD, 1).await?;
                over.borrow_mut().push(id);
                Ok(())
            };
            let first = if id % 3 == 0 { first(id) } else { 0 };
            executor.spawn_behind(id, 0, first, task);
        }
        executor.finish().unwrap();
        begun.take()
    });
    outcome.results
}

#[test]
fn a_task_begins_when_those_before_it_are_over_and_all_come_to_their_end() {
    for seed in 0..20 {
        for first in [|id| id, |id| id / 2, |id: u64| id.saturating_sub(4), |_| 0] {
            for begun in run(seed, first) {
                assert_eq!(begun.len() as u64, TASKS);
                for (id, over) in begun.into_iter().filter(|(id, _)| id % 3 == 0) {
                    let missing = (0..first(id)).find(|before| !over.contains(before));
                    assert_eq!(missing, None, "seed {seed}: task {id} has begun");
                }
            }
        }
    }
}

//! Parties of whom one alters a message.

use std::cell::RefCell;
use std::rc::Rc;

use mpc_runtime::simulate::Network;
use mpc_runtime::tamper::{Plan, Tamper};
use mpc_runtime::{Depth, Executor, Party, Result, Step, Transport};

use crate::protocol::Fut;
use crate::value::ClearVec;

/// What came of a run.
pub struct Ran<T> {
    /// What each party has.
    pub results: Vec<Result<T>>,
    /// Labels that the cheater sent, and how often.
    pub sent: Vec<(&'static str, u64)>,
    /// Whether the message was altered.
    pub applied: bool,
}

/// Runs `party` at each of `n` parties on a simulated network; `cheater` alters a message if there is a plan.
pub fn run<T: Send>(
    (n, seed): (usize, u64),
    cheater: Party,
    plan: Option<Plan>,
    party: impl Fn(&mut Executor) -> Result<T> + Sync,
) -> Ran<T> {
    let outcome = Network::new(n, seed).run(|end| {
        let (end, log) = match plan.filter(|_| end.me() == cheater) {
            Some(plan) => Tamper::new(end, plan),
            None => Tamper::observe(end),
        };
        let mut executor = Executor::new(Box::new(end));
        let ran = party(&mut executor);
        let ran = ran.and_then(|result| executor.close().map(|()| result));
        let counted = executor.stats().by_label;
        let sent: Vec<_> = counted.iter().map(|(label, sent)| (*label, sent.messages)).collect();
        (ran, sent, log.lock().expect("nobody panicked").applied)
    });
    let mut ran = Ran { results: vec![], sent: vec![], applied: false };
    for (me, (result, sent, applied)) in outcome.results.into_iter().enumerate() {
        ran.results.push(result);
        if me == cheater {
            (ran.sent, ran.applied) = (sent, applied);
        }
    }
    ran
}

/// A part of a run that all parties end before the next begins.
///
/// # Errors
/// That of the part.
///
/// # Panics
/// Never: a part that ends without an error has a result.
pub fn together<P: ?Sized + 'static, T: 'static>(
    executor: &mut Executor,
    id: u64,
    p: &Rc<P>,
    work: impl for<'a> FnOnce(&'a P, &'a Step) -> Fut<'a, T> + 'static,
) -> Result<T> {
    let result = Rc::new(RefCell::new(None));
    let (step, p, out) = (executor.step(id, 0, executor.deepest()), p.clone(), result.clone());
    executor.spawn(id, 0, async move {
        let value = work(&p, &step).await?;
        *out.borrow_mut() = Some(value);
        Ok(())
    });
    executor.finish().map_err(|(_, error)| error)?;
    Ok(result.take().expect("it is over"))
}

/// What only `owner` has.
pub fn owned<T: Copy>(step: &Step, owner: Party, values: &[T]) -> ClearVec<T> {
    match step.me() == owner {
        true => ClearVec::new(values.to_vec(), Depth::ZERO),
        false => ClearVec::absent(values.len(), Depth::ZERO),
    }
}

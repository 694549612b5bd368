//! Long vectors in parts, so that what lives between two rounds stays bounded.
//!
//! Each part goes through all rounds by itself, some of them at once: while one waits, others compute.
//! Parts do not depend on each other, so the rounds are those of one.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use mpc_runtime::{Result, Step};

use crate::value::Shares;

/// Most parts of one vector.
const MOST: usize = 1024;

/// How a vector is cut.
#[derive(Clone, Copy)]
pub struct Tiling {
    /// Elements of a part.
    tile: usize,
    /// Parts that are worked on at once.
    window: usize,
}

impl Tiling {
    /// Parts for `len` elements that take `each` bits each at the widest: a multiple of 64 elements, 2^21
    /// bits or so a part, 2^26 bits or so in all parts that are worked on.
    pub fn new(len: usize, each: usize) -> Tiling {
        const PART_BITS: usize = 1 << 21;
        const WORKED_BITS: usize = 1 << 26;
        let each = each.max(1);
        let tile = (PART_BITS / each).max(len.div_ceil(MOST)).next_multiple_of(64).max(64);
        Tiling { tile, window: (WORKED_BITS / (tile * each)).clamp(2, 32) }
    }
}

/// `f` of all parts of `len` elements, one after the other.
///
/// # Errors
/// Those of `f`.
pub async fn in_tiles(
    step: &Step,
    len: usize,
    tiling: Tiling,
    f: impl AsyncFn(&Step, Range<usize>) -> Result<Shares>,
) -> Result<Shares> {
    let Tiling { tile, window } = tiling;
    if len <= tile {
        return f(step, 0..len).await;
    }
    let forks = step.forks(len.div_ceil(tile));
    let part = |(i, fork)| f(fork, i * tile..len.min((i + 1) * tile));
    let parts = some_at_once(forks.iter().enumerate().map(part), window).await?;
    Ok(Shares::concat(&parts))
}

/// Runs futures of one task, `window` at a time, and returns their results in order.
async fn some_at_once<T>(
    futures: impl Iterator<Item = impl Future<Output = Result<T>>>,
    window: usize,
) -> Result<Vec<T>> {
    let mut waiting = futures.enumerate();
    let mut running: Vec<(usize, Pin<Box<_>>)> = vec![];
    let mut done: Vec<Option<T>> = vec![];
    std::future::poll_fn(|context: &mut Context<'_>| {
        loop {
            let started = waiting.by_ref().take(window - running.len());
            running.extend(started.map(|(i, future)| (i, Box::pin(future))));
            if running.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let before = running.len();
            let mut at = 0;
            while at < running.len() {
                let (i, future) = &mut running[at];
                match future.as_mut().poll(context) {
                    Poll::Pending => at += 1,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Ready(Ok(value)) => {
                        done.resize_with(done.len().max(*i + 1), || None);
                        done[*i] = Some(value);
                        running.remove(at);
                    }
                }
            }
            if running.len() == before {
                return Poll::Pending;
            }
        }
    })
    .await?;
    Ok(done.into_iter().map(|result| result.expect("all are done")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    #[test]
    fn results_come_in_order_and_no_more_than_the_window_run() {
        for (count, window) in [(0, 2), (1, 2), (5, 2), (9, 4), (3, 8)] {
            let running = Rc::new(Cell::new(0));
            let future = |i: usize| {
                let running = running.clone();
                async move {
                    running.set(running.get() + 1);
                    assert!(running.get() <= window, "{count} {window}");
                    let mut polls = 0;
                    std::future::poll_fn(|_| {
                        polls += 1;
                        if polls > i % 3 { Poll::Ready(()) } else { Poll::Pending }
                    })
                    .await;
                    running.set(running.get() - 1);
                    Ok(i)
                }
            };
            let mut all = Box::pin(some_at_once((0..count).map(future), window));
            let mut context = Context::from_waker(std::task::Waker::noop());
            let mut tries = 0..100;
            let result = loop {
                assert!(tries.next().is_some(), "it ends");
                if let Poll::Ready(result) = all.as_mut().poll(&mut context) {
                    break result.expect("nothing fails");
                }
            };
            assert_eq!(result, (0..count).collect::<Vec<_>>());
        }
    }
}

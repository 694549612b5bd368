//! Long tests on all cores. What their threads print belongs to the test, which a pool's would not.

use std::sync::Mutex;

/// What `work` gives for each item, in the order of the items; as many are worked on at once as there are
/// cores.
///
/// # Panics
/// If `work` does.
pub fn map<T: Send, R: Send>(items: Vec<T>, work: impl Fn(usize, T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let (queue, done) = (Mutex::new(items.into_iter().enumerate()), Mutex::new(vec![]));
    let next = || queue.lock().expect("nobody panics with the queue").next();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((i, item)) = next() {
                    let result = work(i, item);
                    done.lock().expect("nobody panics with the results").push((i, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("nobody panicked");
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, result)| result).collect()
}

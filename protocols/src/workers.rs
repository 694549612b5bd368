//! Threads for local work. Any number of them gives the same results.

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::{Error, Result};

/// Bytes below which threads are not worth their waking.
const PARALLEL_BYTES: usize = 1 << 18;

/// The threads that a session may use.
pub(crate) struct Workers(Option<rayon::ThreadPool>);

impl Workers {
    /// So many threads; one is the caller's own.
    pub(crate) fn new(threads: usize) -> Result<Workers> {
        let pool = || rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let failed = |e| Error::Program(format!("no threads for local work: {e}"));
        Ok(Workers((threads > 1).then(pool).transpose().map_err(failed)?))
    }

    /// The threads, if there are more than one.
    pub(crate) fn pool(&self) -> Option<&rayon::ThreadPool> {
        self.0.as_ref()
    }

    /// Calls `f(first, parts)` for all tiles of `tile` elements of vectors of equal length, `parts`
    /// being the tile of each that begins at element `first`.
    pub(crate) fn tiles<T: Send>(
        &self,
        vectors: Vec<&mut [T]>,
        tile: usize,
        f: impl Fn(usize, &mut [&mut [T]]) + Sync,
    ) {
        let len = vectors.first().map_or(0, |v| v.len());
        let bytes = len * vectors.len() * size_of::<T>();
        let mut rest: Vec<_> = vectors.into_iter().map(|v| v.chunks_mut(tile)).collect();
        let next = |i: usize| -> (usize, Vec<&mut [T]>) {
            (i * tile, rest.iter_mut().filter_map(Iterator::next).collect())
        };
        let tiles = (0..len.div_ceil(tile)).map(next);
        match &self.0 {
            Some(pool) if bytes >= PARALLEL_BYTES => {
                let tiles: Vec<_> = tiles.collect();
                let run = |(first, mut parts): (usize, Vec<&mut [T]>)| f(first, &mut parts);
                pool.install(|| tiles.into_par_iter().for_each(run));
            }
            _ => tiles.for_each(|(first, mut parts)| f(first, &mut parts)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_visited_once_by_any_number_of_threads() {
        for threads in [1, 3] {
            let workers = Workers::new(threads).expect("threads");
            for len in [0, 1, 7, 8, 9, 100_003] {
                let mut vectors = vec![vec![0_u64; len]; 2];
                let all = vectors.iter_mut().map(Vec::as_mut_slice).collect();
                workers.tiles(all, 8, |first, parts| {
                    let [a, b] = parts else { panic!("two vectors") };
                    for i in 0..a.len() {
                        (a[i], b[i]) = (a[i] + (first + i) as u64, b[i] + 1);
                    }
                });
                assert!(vectors[0].iter().enumerate().all(|(i, &x)| x == i as u64));
                assert!(vectors[1].iter().all(|&x| x == 1));
            }
        }
    }
}

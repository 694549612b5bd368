//! Long vectors in tiles: which rows of which groups one task works on.
//!
//! The rows of an instruction do not depend on each other, so a long one becomes many tasks, each with
//! registers of its own: the planes of a tile stay in the cache, and one tile is on the wire while
//! the next is computed. All parties cut alike, from public lengths only.

use std::ops::Range;

use mpc_bytecode::Run;

/// Some rows of a group.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) group: usize,
    pub(super) rows: Range<usize>,
}

/// Which rows of a result are written, and how many there are.
pub(super) struct Tile {
    pub(super) rows: Range<usize>,
    pub(super) of: usize,
}

impl Tile {
    /// The registers of the rows, if all of them go to `run`.
    pub(super) fn of(&self, run: Run) -> Run {
        let width = if self.of == 0 { 0 } else { run.len / self.of as u64 };
        let (from, rows) = (self.rows.start as u64, self.rows.len() as u64);
        Run { base: run.base + from * width, len: rows * width, ..run }
    }
}

/// Deals groups, given as (rows, bits), out to tasks: short groups together, `joined_bits` or so of them,
/// long ones in tiles of about `tile_bits`. A row is never cut; tiles of many rows have a multiple of 64, so that bits stay in
/// whole words.
pub(super) fn deal(
    groups: impl Iterator<Item = (usize, usize)>,
    joined_bits: usize,
    tile_bits: usize,
) -> Vec<Vec<Part>> {
    let (mut tasks, mut open, mut open_bits) = (vec![], vec![], 0);
    for (group, (rows, bits)) in groups.enumerate() {
        if open_bits + bits > joined_bits && !open.is_empty() {
            tasks.push(std::mem::take(&mut open));
            open_bits = 0;
        }
        if bits <= tile_bits || rows <= 1 {
            open.push(Part { group, rows: 0..rows });
            open_bits += bits;
            continue;
        }
        let most = (tile_bits / bits.div_ceil(rows)).max(1);
        let tile = if most > 64 { most / 64 * 64 } else { most };
        let starts = (0..rows).step_by(tile);
        tasks.extend(starts.map(|from| vec![Part { group, rows: from..(from + tile).min(rows) }]));
    }
    if !open.is_empty() {
        tasks.push(open);
    }
    tasks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dealt(groups: &[(usize, usize)]) -> Vec<Vec<(usize, Range<usize>)>> {
        let tasks = deal(groups.iter().copied(), 6400, 6400);
        let plain = |task: Vec<Part>| task.into_iter().map(|p| (p.group, p.rows)).collect();
        tasks.into_iter().map(plain).collect()
    }

    #[test]
    fn short_groups_go_together_and_long_ones_in_tiles() {
        assert_eq!(dealt(&[]), Vec::<Vec<_>>::new());
        assert_eq!(dealt(&[(10, 640), (0, 0), (1, 64)]), [[(0, 0..10), (1, 0..0), (2, 0..1)]]);
        assert_eq!(dealt(&[(60, 3840), (60, 3840)]), [[(0, 0..60)], [(1, 0..60)]]);
        // 100 numbers would fit, 64 are a word of bits
        assert_eq!(dealt(&[(150, 9600)]), [[(0, 0..64)], [(0, 64..128)], [(0, 128..150)]]);
        // rows of 50 numbers
        assert_eq!(dealt(&[(5, 16_000)]), [[(0, 0..2)], [(0, 2..4)], [(0, 4..5)]]);
        // one row is never cut, whatever its length
        assert_eq!(dealt(&[(1, 1 << 30)]), [[(0, 0..1)]]);
    }

    #[test]
    fn every_row_is_dealt_once() {
        for rows in 0..200 {
            for (width, joined) in [(1, 6400), (7, 64), (64, 6400), (1000, 640), (10_000, 6400)] {
                let tasks = deal([(rows, rows * width), (3, 3)].into_iter(), joined, 6400);
                let mut seen = [vec![0; rows], vec![0; 3]];
                for part in tasks.iter().flatten() {
                    part.rows.clone().for_each(|row| seen[part.group][row] += 1);
                }
                assert!(seen.iter().flatten().all(|&times| times == 1), "{rows} rows of {width}");
            }
        }
    }
}

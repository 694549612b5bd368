//! Models with bytes changed: each is a model still, or an error; none takes long or much memory.
#![allow(dead_code, reason = "every test binary uses a part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mpc_compiler::onnx::{self, Options};

use crate::tensors::{loader, networks};

/// Longest that the import of a small file may take.
pub(crate) const LONGEST: Duration = Duration::from_secs(1);

/// Numbers from a fixed sequence.
pub(crate) struct Draws(pub(crate) u64);

impl Draws {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % n.max(1)
    }
}

/// A file with one to three changes: a byte, a run of bytes from elsewhere, a piece that is missing.
pub(crate) fn mutated(whole: &[u8], draws: &mut Draws) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..=draws.below(3) {
        let at = draws.below(bytes.len());
        match draws.below(6) {
            0 => bytes[at] = 0xff,
            1 => bytes[at] = 0,
            2 => bytes[at] ^= 1 << draws.below(8),
            3 => {
                let length = draws.below(16).min(bytes.len() - at);
                let from = draws.below(whole.len().saturating_sub(length));
                bytes[at..at + length].copy_from_slice(&whole[from..from + length]);
            }
            4 if bytes.len() > 64 => drop(bytes.drain(at..(at + draws.below(8)).min(bytes.len()))),
            _ => bytes[at] = draws.below(256) as u8,
        }
    }
    bytes
}

/// Imports the bytes as one of the networks here, whose other files it may read.
pub(crate) fn import(folder: &Path, bytes: &[u8]) -> bool {
    let rest = loader(folder.to_path_buf());
    let load = |path: &str| if path == "m" { Ok(bytes.to_vec()) } else { rest(path) };
    let shapes = BTreeMap::from([("image".to_string(), vec![1, 1, 12, 12])]);
    let shapes = if folder.ends_with("lenet") { shapes } else { BTreeMap::new() };
    let start = Instant::now();
    let done = onnx::import("m", &load, &Options { shapes, ..Options::default() }).is_ok();
    let time = start.elapsed();
    assert!(time < LONGEST, "{}: {time:?}", folder.display());
    done
}

/// Imports so many files, each one of the networks here with changes; gives how many are models still. Stops when the time is up.
pub(crate) fn fuzz(seed: u64, count: u64, most: Duration) -> [u64; 2] {
    let start = Instant::now();
    let networks: Vec<(PathBuf, Vec<u8>)> = networks()
        .into_iter()
        .map(|folder| (folder.clone(), std::fs::read(folder.join("model.onnx")).unwrap()))
        .collect();
    let mut found = [0; 2];
    for i in 0..count {
        if start.elapsed() > most {
            break;
        }
        // Each file has a seed of its own, so that one can be had again.
        let (folder, whole) = &networks[i as usize % networks.len()];
        let mut draws = Draws(seed.wrapping_add(i).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let bytes = mutated(whole, &mut draws);
        let done = std::panic::catch_unwind(|| import(folder, &bytes));
        let Ok(done) = done else { panic!("file {i} of seed {seed}, from {}", folder.display()) };
        found[usize::from(done)] += 1;
    }
    found
}

/// The seed of this run: `SEED` in the environment, else `default`. Printed, so that a failure can be had again.
pub(crate) fn seed(default: u64) -> u64 {
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    println!("SEED={seed}");
    seed
}

/// Most memory that this process has had; 0 where the system does not tell.
pub(crate) fn peak_memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

//! Ends a test that hangs: nothing else can stop a thread that spins.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Seconds longer than anything takes that is watched, unless the variable `HANG_SECONDS` says more for a
/// machine that has other things to do.
const LIMIT: u64 = 60;

/// Ends the process with a text unless it is dropped in time.
pub struct Watchdog(#[allow(dead_code, reason = "held for its drop")] Sender<()>);

impl Watchdog {
    /// Watches what is under way.
    pub fn new(what: &str) -> Watchdog {
        let (alive, gone) = channel();
        let what = what.to_owned();
        let limit = std::env::var("HANG_SECONDS").map_or(LIMIT, |n| n.parse().expect("a number"));
        std::thread::spawn(move || {
            if gone.recv_timeout(Duration::from_secs(limit)) == Err(RecvTimeoutError::Timeout) {
                eprintln!("\nHANGS for {limit} s: {what}");
                std::process::exit(101);
            }
        });
        Watchdog(alive)
    }
}

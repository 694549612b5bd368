//! Ends a test that hangs: nothing else can stop a thread that spins.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Longer than anything takes that is watched.
const LIMIT: Duration = Duration::from_secs(60);

/// Ends the process with a text unless it is dropped in time.
pub struct Watchdog(#[allow(dead_code, reason = "held for its drop")] Sender<()>);

impl Watchdog {
    /// Watches what is under way.
    pub fn new(what: &str) -> Watchdog {
        let (alive, gone) = channel();
        let what = what.to_owned();
        std::thread::spawn(move || {
            if gone.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                eprintln!("\nHANGS for {} s: {what}", LIMIT.as_secs());
                std::process::exit(101);
            }
        });
        Watchdog(alive)
    }
}

//! `mpcvm`: runs bytecode as one party of a protocol, or as all of them on this machine.
//!
//! Standard output carries results, standard error everything else. Exit codes: 0 done, 2 bad use
//! or input, 3 a peer failed or timed out, 4 cheating detected.

#![forbid(unsafe_code)]

mod arguments;
mod case;
mod emulate;
mod inputs;
mod keygen;
mod load;
mod local;
mod net_check;
mod progress;
mod protocols;
mod results;
mod run;
mod stats;
mod top;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use mpc_runtime::Error;

use arguments::{Arguments, Command, Task};

/// Security checks stay in what is shipped.
const _: () = assert!(
    !mpc_protocols::checks::REMOVABLE,
    "the feature `mutants` of mpc-protocols is for tests of its security checks alone"
);

fn main() -> ExitCode {
    let started = std::time::Instant::now();
    mpc_runtime::buffer::keep_heap();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print(); // a closed terminal is no reason to fail otherwise
            return ExitCode::from(if error.use_stderr() { BAD_USE } else { 0 });
        }
    };
    let (who, outcome) = match arguments.command {
        Command::Run(run) => {
            let (place, task) = (run.place(), Task::Run(run.prep.as_deref()));
            (place.prefix(), run::run(&place, &run.choice, task, started))
        }
        Command::Local(local) => {
            let task = Task::Run(local.prep.as_deref());
            (String::new(), local::run(&local.choice, local.parties, task))
        }
        Command::Prep(prep) => match (prep.place(), Task::Prep(&prep.out)) {
            (Some(place), task) => (place.prefix(), run::run(&place, &prep.choice, task, started)),
            (None, task) => (String::new(), local::run(&prep.choice, prep.parties, task)),
        },
        Command::Emulate(emulate) => (String::new(), emulate::run(&emulate)),
        Command::Protocols(protocols) => (String::new(), protocols::run(&protocols)),
        Command::Keygen(keygen) => (String::new(), keygen::run(&keygen)),
        Command::NetCheck(check) => (String::new(), net_check::run(&check)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Told(code)) => ExitCode::from(code),
        Err(Failure::Error(error)) => {
            tell(format!("mpcvm: {who}{error}"));
            ExitCode::from(code_of(&error))
        }
    }
}

/// Exit code for bad use and bad input.
const BAD_USE: u8 = 2;
/// Exit code for a peer that failed or timed out.
const PEER_FAILED: u8 = 3;
/// Exit code for a peer that broke the protocol.
const CHEATING: u8 = 4;

fn code_of(error: &Error) -> u8 {
    match error.root() {
        Error::PeerLost { .. } | Error::Timeout { .. } | Error::Transport(_) => PEER_FAILED,
        Error::Cheating { .. } | Error::CheckFailed { .. } => CHEATING,
        _ => BAD_USE,
    }
}

/// Why a command did not succeed.
enum Failure {
    /// Still to be told.
    Error(Error),
    /// Told already; the exit code.
    Told(u8),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

type Outcome<T = ()> = Result<T, Failure>;

/// A line on standard error. Nobody is left to hear that it cannot be written.
fn tell(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Writes to standard output.
fn print(text: impl AsRef<[u8]>) -> mpc_runtime::Result<()> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_ref()).and_then(|()| out.flush());
    written.map_err(|e| wrong(format!("standard output: {e}")))
}

/// An error of bad use or bad input.
fn wrong(text: impl Into<String>) -> Error {
    Error::Program(text.into())
}

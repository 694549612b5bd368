//! `mpcvm net-check`

use std::time::Duration;

use mpc_runtime::Transport;
use mpc_vm::net::{Terms, connect};
use mpc_vm::session::Session;

use crate::arguments::NetCheck;
use crate::{Outcome, print, tell};

/// Messages there and back, of which the fastest counts.
const PINGS: usize = 20;

pub(crate) fn run(arguments: &NetCheck) -> Outcome {
    let session = Session::load(&arguments.config)?;
    let me = arguments.party;
    let (options, warning) = session.options(me, None)?;
    if let Some(warning) = warning {
        tell(format!("mpcvm: warning: {warning}"));
    }
    let mut terms = Terms::new();
    terms.add("purpose", "net-check");
    for (role, party) in &session.roles {
        terms.add(&format!("role {role}"), party);
    }
    let (seconds, others) = (session.deadlines.connect.as_secs_f64(), session.parties.len() - 1);
    tell(format!("party {me}: waiting up to {seconds} s for {others} others"));
    let mut connected = connect(options, terms)?;
    let matrix = connected.transport.round_trips(PINGS)?;
    connected.transport.close()?;
    let names: Vec<&str> = session.parties.iter().map(|e| e.peer.name.as_str()).collect();
    let width = names.iter().map(|n| n.chars().count()).max().unwrap_or(0).max(10);
    let cell = |text: &str| format!("{text:>width$}");
    let heads: Vec<String> = names.iter().map(|n| cell(n)).collect();
    let mut lines = vec!["fastest round trip of 8 bytes".to_string()];
    lines.push(format!("{} {}", cell(""), heads.join(" ")));
    for (name, row) in names.iter().zip(&matrix) {
        let cells: Vec<String> = row.iter().map(|time| cell(&shown(*time))).collect();
        lines.push(format!("{} {}", cell(name), cells.join(" ")));
    }
    Ok(print(lines.join("\n") + "\n")?)
}

fn shown(time: Option<Duration>) -> String {
    time.map_or("-".into(), |time| format!("{:.3} ms", time.as_secs_f64() * 1e3))
}

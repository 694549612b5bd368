//! `mpcvm net-check`

use std::time::Duration;

use mpc_runtime::Transport;
use mpc_vm::net::{Terms, connect};
use mpc_vm::session::Session;

use crate::Outcome;
use crate::arguments::NetCheck;

/// Messages there and back, of which the fastest counts.
const PINGS: usize = 20;

pub(crate) fn run(arguments: &NetCheck) -> Outcome {
    let session = Session::load(&arguments.config)?;
    let me = arguments.party;
    let (options, warning) = session.options(me, None)?;
    if let Some(warning) = warning {
        eprintln!("mpcvm: warning: {warning}");
    }
    let mut terms = Terms::new();
    terms.add("purpose", "net-check");
    for (role, party) in &session.roles {
        terms.add(&format!("role {role}"), party);
    }
    eprintln!(
        "party {me}: waiting up to {} s for {} others",
        session.deadlines.connect.as_secs_f64(),
        session.parties.len() - 1
    );
    let mut connected = connect(options, terms)?;
    let matrix = connected.transport.round_trips(PINGS)?;
    connected.transport.close()?;
    let names: Vec<&str> = session.parties.iter().map(|e| e.peer.name.as_str()).collect();
    let width = names.iter().map(|n| n.chars().count()).max().unwrap_or(0).max(10);
    let cell = |text: &str| format!("{text:>width$}");
    println!("fastest round trip of 8 bytes");
    println!("{} {}", cell(""), names.iter().map(|n| cell(n)).collect::<Vec<_>>().join(" "));
    for (name, row) in names.iter().zip(&matrix) {
        let cells: Vec<String> = row.iter().map(|time| cell(&shown(*time))).collect();
        println!("{} {}", cell(name), cells.join(" "));
    }
    Ok(())
}

fn shown(time: Option<Duration>) -> String {
    time.map_or("-".into(), |time| format!("{:.3} ms", time.as_secs_f64() * 1e3))
}

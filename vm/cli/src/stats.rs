//! What a run cost, as JSON and as a table.
//!
//! Bytes are payloads and our frame headers; rounds are the depth of the message graph.
//!
//! Times are seconds of the wall clock. `total` is from the start of the process to the goodbye,
//! `setup` until all parties are connected and agree. The run itself is `preprocessing` and `online`
//! together. Preprocessing is made on demand, between steps of the online phase, so `preprocessing`
//! counts what this party worked on it, and `online` is all the rest, waiting of either phase
//! included. `waiting` is the part of it in which nothing could go on before a message came.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use mpc_bytecode::Program;
use mpc_runtime::{Phase, Stats};
use serde_json::{Value, json};

/// Version of the form.
pub(crate) const SCHEMA: &str = "mpcvm-stats/1";

/// Time of one party, in seconds.
#[derive(Default)]
pub(crate) struct Seconds {
    /// From the start of the process to the goodbye.
    pub(crate) total: Duration,
    /// Until all parties are connected and agree.
    pub(crate) setup: Duration,
    /// The run itself, preprocessing included.
    pub(crate) run: Duration,
}

/// What one party did.
pub(crate) fn of_party(
    program: &Program,
    party: usize,
    stats: &Stats,
    instructions: u64,
    seconds: &Seconds,
) -> Value {
    let (before, online) = (Phase::Preprocessing, Phase::Online);
    let (sent_before, sent_online) = (stats.sent_in(before), stats.sent_in(online));
    let (got_before, got_online) = (stats.received_in(before), stats.received_in(online));
    let places: BTreeSet<u32> =
        stats.by_place.keys().chain(stats.work_ns.keys()).copied().collect();
    let lines: Vec<Value> = (places.into_iter())
        .map(|at| {
            // Before the first instruction the protocol agrees on its keys.
            let instruction = program.code.get(at as usize);
            let counts = stats.by_place.get(&at).copied().unwrap_or_default();
            let work = stats.work_ns.get(&at).copied().unwrap_or(0);
            let mut line = json!({
                "mnemonic": instruction.map_or("setup", |i| i.mnemonic()),
                "source": program.place(at as usize),
                "messages": counts.messages,
                "bytes": counts.bytes,
                "work_seconds": work as f64 / 1e9,
            });
            if instruction.is_some() {
                line["instruction"] = json!(at);
            }
            line
        })
        .collect();
    let preprocessing = stats.preprocessing_ns as f64 / 1e9;
    let labels: serde_json::Map<String, Value> = (stats.by_label.iter())
        .map(|(label, c)| (label.to_string(), json!({ "messages": c.messages, "bytes": c.bytes })))
        .collect();
    let peers: Vec<Value> = (stats.sent.iter())
        .map(|((phase, peer), c)| {
            let phase = if *phase == before { "preprocessing" } else { "online" };
            json!({ "peer": peer, "phase": phase, "messages": c.messages, "bytes": c.bytes })
        })
        .collect();
    json!({
        "party": party,
        "bytes_sent": sent_before.bytes + sent_online.bytes,
        "bytes_sent_preprocessing": sent_before.bytes,
        "bytes_sent_online": sent_online.bytes,
        "bytes_received": got_before.bytes + got_online.bytes,
        "bytes_received_preprocessing": got_before.bytes,
        "bytes_received_online": got_online.bytes,
        "messages_sent": sent_before.messages + sent_online.messages,
        "rounds": stats.rounds.total,
        "rounds_preprocessing": stats.preprocessing_rounds,
        "rounds_online": stats.rounds.online,
        "flushes": stats.flushes,
        "instructions": instructions,
        "seconds": {
            "total": seconds.total.as_secs_f64(),
            "setup": seconds.setup.as_secs_f64(),
            "preprocessing": preprocessing,
            "online": (seconds.run.as_secs_f64() - preprocessing).max(0.0),
            "waiting": stats.waiting_ns as f64 / 1e9,
        },
        "early_bytes_peak": stats.early_bytes,
        "peak_rss_bytes": peak_rss_bytes(),
        "sent_to": peers,
        "by_label": labels,
        "by_instruction": lines,
    })
}

/// The file of a run: `about` and the values of the parties.
pub(crate) fn of_run(about: &Value, parties: Vec<Value>) -> Value {
    let greatest = |key: &str| parties.iter().filter_map(|p| p[key].as_u64()).max().unwrap_or(0);
    let mut out = json!({ "schema": SCHEMA });
    if let (Some(out), Some(about)) = (out.as_object_mut(), about.as_object()) {
        out.extend(about.clone());
        for key in ["rounds", "rounds_preprocessing", "rounds_online", "flushes"] {
            out.insert(key.into(), greatest(key).into());
        }
        out.insert("per_party".into(), parties.into());
    }
    out
}

/// A few lines for people.
pub(crate) fn table(run: &Value) -> String {
    let text = |key: &str| run[key].as_str().unwrap_or("?").to_string();
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let mut out = format!(
        "{}, {} parties, {}, {} truncation, network {}\n",
        text("protocol"),
        number(&run["parties"]),
        text("domain"),
        text("truncation"),
        text("network"),
    );
    let _ = writeln!(
        out,
        "rounds {} (preprocessing {}, online {}), {} flushes",
        number(&run["rounds"]),
        number(&run["rounds_preprocessing"]),
        number(&run["rounds_online"]),
        number(&run["flushes"]),
    );
    let _ = writeln!(
        out,
        "party        sent  preprocessing      online      total s  setup s   peak memory"
    );
    for party in run["per_party"].as_array().into_iter().flatten() {
        let bytes = |key: &str| human(number(&party[key]));
        let seconds = |key: &str| party["seconds"][key].as_f64().unwrap_or(0.0);
        let _ = writeln!(
            out,
            "{:>5}  {:>10}     {:>10}  {:>10}   {:>10.3} {:>8.3}    {:>10}",
            number(&party["party"]),
            bytes("bytes_sent"),
            bytes("bytes_sent_preprocessing"),
            bytes("bytes_sent_online"),
            seconds("total"),
            seconds("setup"),
            bytes("peak_rss_bytes"),
        );
    }
    out
}

fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if value < 1000.0 || unit == "TB" {
            let digits = if unit == "B" { 0 } else { 2 };
            return format!("{value:.digits$} {unit}");
        }
        value /= 1000.0;
    }
    String::new()
}

/// Most memory that this process has had; 0 where the system does not tell.
fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

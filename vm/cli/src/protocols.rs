//! `mpcvm protocols`

use std::fmt::Write as _;

use mpc_protocols::manual::{self, Amount, Row};
use mpc_protocols::registry::{Entry, PROTOCOLS};
use mpc_runtime::Result;
use serde_json::{Value, json};

use crate::arguments::Protocols;
use crate::{Outcome, print};

pub(crate) fn run(arguments: &Protocols) -> Outcome {
    let text = if arguments.json {
        let rows: Vec<_> = PROTOCOLS.iter().map(row).collect::<Result<_>>()?;
        format!("{}\n", json!(rows))
    } else if arguments.markdown {
        manual::markdown()?
    } else {
        list()?
    };
    Ok(print(text)?)
}

fn row(entry: &Entry) -> Result<Value> {
    let info = entry.info;
    let amount = |a: Amount| json!({ "rounds": a.rounds, "bytes_per_party": a.bytes });
    let mut costs = vec![];
    for parties in manual::sizes(info) {
        costs.extend(manual::costs(entry, parties)?.into_iter().map(|row| {
            json!({
                "parties": parties,
                "operation": row.operation,
                "preprocessing": amount(row.preprocessing),
                "online": amount(row.online),
            })
        }));
    }
    Ok(json!({
        "name": info.name,
        "parties": info.parties.to_string(),
        "least_parties": info.parties.least(),
        "corrupted": info.corrupted,
        "security": info.security.to_string(),
        "abort": info.abort.to_string(),
        "computational_security": info.comp_sec,
        "statistical_security": info.stat_sec,
        "domain": info.domain,
        "assumptions": info.assumptions,
        "truncation": info.truncation,
        "paper": info.paper,
        "costs": costs,
    }))
}

/// For people.
fn list() -> Result<String> {
    let head = ["name", "parties", "corrupted", "security", "abort", "domain"].map(String::from);
    let mut rows = vec![head];
    rows.extend(PROTOCOLS.iter().map(|Entry { info, .. }| {
        let (parties, security) = (info.parties.to_string(), info.security.to_string());
        let abort = info.abort.to_string();
        [info.name.into(), parties, info.corrupted.into(), security, abort, info.domain.into()]
    }));
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    for entry in PROTOCOLS {
        let _ = writeln!(text, "\n{}", entry.info.name);
        for (word, promise) in manual::promises(entry.info) {
            let _ = writeln!(text, "  {word}: {promise}");
        }
        for parties in manual::sizes(entry.info) {
            let _ = writeln!(
                text,
                "  among {parties}, per element and party: {:19}  preprocessing            online",
                ""
            );
            for Row { operation, preprocessing, online } in manual::costs(entry, parties)? {
                let [before, online] = [preprocessing, online]
                    .map(|a| format!("{:>3} rounds {:>9} B", a.rounds, manual::bytes(a.bytes)));
                let _ = writeln!(text, "    {operation:38}  {before}  {online}");
            }
        }
    }
    Ok(text)
}

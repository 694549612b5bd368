//! `mpcvm protocols`

use std::fmt::Write as _;

use mpc_protocols::registry::PROTOCOLS;
use serde_json::json;

use crate::arguments::Protocols;
use crate::{Outcome, print};

pub(crate) fn run(arguments: &Protocols) -> Outcome {
    let infos = PROTOCOLS.iter().map(|entry| entry.info);
    if arguments.json {
        let rows: Vec<_> = infos
            .map(|info| {
                json!({
                    "name": info.name,
                    "parties": info.parties.to_string(),
                    "least_parties": info.parties.least(),
                    "corrupted": info.corrupted,
                    "security": info.security.to_string(),
                    "domain": info.domain,
                    "assumptions": info.assumptions,
                    "truncation": info.truncation,
                    "paper": info.paper,
                })
            })
            .collect();
        return Ok(print(format!("{}\n", json!(rows)))?);
    }
    let head = ["name", "parties", "corrupted", "security", "domain"].map(String::from);
    let mut rows = vec![head];
    rows.extend(infos.map(|info| {
        let (parties, security) = (info.parties.to_string(), info.security.to_string());
        [info.name.into(), parties, info.corrupted.into(), security, info.domain.into()]
    }));
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    for entry in PROTOCOLS {
        let info = entry.info;
        let _ = writeln!(text, "\n{}: {}", info.name, info.paper);
        let _ = writeln!(text, "  assumes {}", info.assumptions);
        let _ = writeln!(text, "  truncation: {}", info.truncation);
    }
    Ok(print(text)?)
}

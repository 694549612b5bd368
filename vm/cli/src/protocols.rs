//! `mpcvm protocols`

use mpc_protocols::registry::PROTOCOLS;
use serde_json::json;

use crate::Outcome;
use crate::arguments::Protocols;

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
        println!("{}", json!(rows));
        return Ok(());
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
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("{}", cells.join("  ").trim_end());
    }
    for entry in PROTOCOLS {
        let info = entry.info;
        println!("\n{}: {}", info.name, info.paper);
        println!("  assumes {}", info.assumptions);
        println!("  truncation: {}", info.truncation);
    }
    Ok(())
}

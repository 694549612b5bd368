//! `mpcc estimate`: what a program costs under a protocol, before anybody runs it.

use std::path::PathBuf;
use std::rc::Rc;

use clap::Args;
use mpc_bytecode::{Instruction, Program};
use mpc_compiler::onnx;
use mpc_compiler::passes::Level;
use mpc_protocols::registry::{Entry, PROTOCOLS, find};
use mpc_protocols::{Comparison, Setup, Truncation};
use mpc_runtime::Phase;
use mpc_vm::estimate::{Memory, estimate, memory};
use mpc_vm::machine::Binding;
use mpc_vm::net::Network;
use serde_json::{Value, json};

use crate::{Defines, Error, compiled, load, model, no_model, print, say};

/// Arguments of the command.
#[derive(Args)]
pub(crate) struct Estimate {
    /// Bytecode, a program, or a model (.onnx).
    file: PathBuf,
    #[command(flatten)]
    defines: Defines,
    #[command(flatten)]
    model: onnx::Arguments,
    /// A protocol, or all that can run the program.
    #[arg(long, default_value = "all")]
    protocol: String,
    /// Number of parties; the protocol's smallest if not given.
    #[arg(long)]
    parties: Option<usize>,
    /// Adds the time that this network takes: lan, wan, or RTT,BANDWIDTH such as 10ms,100Mbit.
    #[arg(long, default_value = "lan")]
    network: Network,
    /// exact, probabilistic or fast.
    #[arg(long, default_value_t)]
    truncation: Truncation,
    /// What comparisons save: auto, rounds or bytes.
    #[arg(long, default_value_t)]
    comparison: Comparison,
    /// Statistical security in bits.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(40..=100))]
    stat_sec: u32,
    /// Entry of the program.
    #[arg(long, default_value = "main")]
    entry: String,
}

/// Runs the command.
pub(crate) fn run(arguments: &Estimate) -> Result<(), Error> {
    let program = Rc::new(program(arguments)?);
    if program.code.iter().any(|i| matches!(i, Instruction::JumpZero(_))) {
        say("note: branches and loops on clear conditions are counted as not taken\n");
    }
    let rows: Vec<Value> = match arguments.protocol.as_str() {
        "all" => PROTOCOLS
            .iter()
            .map(|entry| {
                let name = entry.info.name;
                one(arguments, &program, entry)
                    .unwrap_or_else(|why| json!({ "protocol": name, "reason": why }))
            })
            .collect(),
        name => {
            let entry = find(name).map_err(|e| e.to_string())?;
            vec![one(arguments, &program, entry)?]
        }
    };
    if arguments.defines.json {
        let whole = json!({ "schema": "mpcc-estimate/1", "network": arguments.network.to_string(),
            "truncation": arguments.truncation.to_string(),
            "comparison": arguments.comparison.to_string(), "estimates": rows });
        return print(&format!("{whole:#}\n"));
    }
    print(&table(&rows))
}

/// The program, compiled if it has to be.
fn program(arguments: &Estimate) -> Result<Program, Error> {
    let Estimate { file, defines, model, .. } = arguments;
    if model::is_model(file) {
        model::no_constants(defines)?;
        let (program, ..) = model::compiled(file, defines, &model.options()?, Level::Full)?;
        return Ok(program);
    }
    no_model(model, &[])?;
    if file.extension().is_some_and(|e| e == "mpc") {
        return Ok(compiled(file, defines, Level::Full)?.0);
    }
    match defines.define.first() {
        Some(_) => Err("-D is for programs; bytecode has its constants in it".to_string().into()),
        None => load(file),
    }
}

fn one(arguments: &Estimate, program: &Rc<Program>, protocol: &Entry) -> Result<Value, String> {
    let parties = arguments.parties.unwrap_or(protocol.info.parties.least());
    let setup = Setup {
        parties,
        ring_bits: program.ring_bits,
        field_bits: program.field_bits,
        stat_sec: arguments.stat_sec,
        truncation: arguments.truncation,
        comparison: arguments.network.choose(arguments.comparison),
        threads: 1,
    };
    // As `mpcvm` does unless told otherwise: roles go round the parties.
    let roles = (0..program.roles.len()).map(|role| role % parties).collect();
    let binding = Binding { roles, ..Default::default() };
    let text = |e: mpc_runtime::Error| e.to_string();
    let memory = memory(program, protocol, &setup, &binding, &arguments.entry).map_err(text)?;
    let account =
        estimate(program, protocol, &setup, binding, &arguments.entry, vec![]).map_err(text)?;
    let sent: Vec<Value> = (0..parties)
        .map(|party| {
            json!({ "preprocessing": account.bytes(Phase::Preprocessing, party),
                "online": account.bytes(Phase::Online, party) })
        })
        .collect();
    let total = |p| account.bytes(Phase::Preprocessing, p) + account.bytes(Phase::Online, p);
    let most = (0..parties).map(total).max().unwrap_or(0);
    // A round takes half a round trip; a party's bytes go out over as many links as it has peers.
    let latency =
        f64::from(account.rounds.total) * arguments.network.round_trip.as_secs_f64() / 2.0;
    let links = parties.saturating_sub(1).max(1) as f64;
    let transfer =
        arguments.network.bandwidth.map_or(0.0, |rate| most as f64 * 8.0 / rate as f64 / links);
    Ok(json!({
        "protocol": protocol.info.name,
        "parties": parties,
        "security": protocol.info.security.to_string(),
        "rounds": account.rounds.total,
        "rounds_online": account.rounds.online,
        "rounds_preprocessing": account.preprocessing_rounds,
        "bytes_sent": sent,
        "network_seconds": latency + transfer,
        "peak_rss_bytes": memory.into_iter().map(Memory::resident).collect::<Vec<_>>(),
    }))
}

fn table(rows: &[Value]) -> String {
    let mut out = format!(
        "{:14} {:>7} {:>8} {:>8} {:>16} {:>16} {:>10} {:>10}\n",
        "protocol",
        "parties",
        "rounds",
        "online",
        "preprocessing B",
        "online B",
        "network s",
        "memory MB"
    );
    for row in rows {
        let name = row["protocol"].as_str().unwrap_or("?");
        if let Some(why) = row["reason"].as_str() {
            out += &format!("{name:14} cannot run it: {why}\n");
            continue;
        }
        let most = |phase: &str| {
            let sent = row["bytes_sent"].as_array().into_iter().flatten();
            sent.filter_map(|party| party[phase].as_u64()).max().unwrap_or(0)
        };
        let memory = row["peak_rss_bytes"].as_array().into_iter().flatten();
        let memory = memory.filter_map(Value::as_u64).max().unwrap_or(0) as f64 / 1e6;
        out += &format!(
            "{name:14} {:>7} {:>8} {:>8} {:>16} {:>16} {:>10.3} {memory:>10.0}\n",
            row["parties"].to_string(),
            row["rounds"].to_string(),
            row["rounds_online"].to_string(),
            most("preprocessing"),
            most("online"),
            row["network_seconds"].as_f64().unwrap_or(0.0)
        );
    }
    out + "bytes, memory: the most that one party sends, and takes; network: latency and transfer, without computation\n"
}

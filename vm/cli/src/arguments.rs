//! The command line.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use mpc_compiler::onnx;
use mpc_protocols::{Comparison, Truncation};
use mpc_runtime::{Party, Result};
use mpc_vm::net::Network;
use mpc_vm::session::check_threads;

use crate::{case, inputs, load, wrong};

/// Secure multi-party computation on bytecode made by mpcc.
#[derive(Parser)]
#[command(name = "mpcvm", version, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run all parties on this machine, as processes that talk over TLS
    Local(Local),
    /// Run one party
    Run(Run),
    /// Make the preprocessing of a run ahead of it, without inputs
    Prep(Prep),
    /// Run in the clear: what every protocol must compute
    Emulate(Emulate),
    /// List the protocols
    Protocols(Protocols),
    /// Make a key and a certificate
    Keygen(Keygen),
    /// Connect to the other parties of a session and measure
    NetCheck(NetCheck),
}

/// What becomes of outputs.
#[derive(Args, Clone)]
pub(crate) struct Shown {
    /// Write outputs as DIR/NAME.npy instead of printing them
    #[arg(long, value_name = "DIR")]
    pub(crate) output_dir: Option<PathBuf>,
    /// Print outputs as one line of JSON each
    #[arg(long)]
    pub(crate) json: bool,
    /// Print only the K largest numbers of each row of an output, with their places from 0: the likeliest classes
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) top: Option<u64>,
    /// What the places of --top are called, one label a line
    #[arg(long, value_name = "FILE", requires = "top")]
    pub(crate) labels: Option<PathBuf>,
}

/// What `local` and `run` share.
#[derive(Args, Clone)]
pub(crate) struct Choice {
    /// Bytecode (.mpcb), source (.mpc), a model (.onnx), or a folder with a case.toml
    pub(crate) file: PathBuf,
    /// The small inputs of a folder
    #[arg(long)]
    pub(crate) small: bool,
    /// Protocol, see `mpcvm protocols`
    #[arg(long, value_name = "NAME")]
    pub(crate) protocol: Option<String>,
    /// Party that plays a role; `bidders=2` stands for the whole array
    #[arg(long, value_name = "ROLE=PARTY", value_parser = pair)]
    pub(crate) role: Vec<(String, String)>,
    /// File of an input (.npy, .npz, .csv, .json); `ROLE.NAME` where several roles have one of that name. An .npz or .json file
    /// without a name gives every input that it has an array for
    #[arg(long, value_name = "[NAME=]PATH", value_parser = input)]
    pub(crate) input: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) shown: Shown,
    /// Write statistics as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) stats: Option<PathBuf>,
    /// The network to behave like: lan (as it is), wan (40 ms, 300 Mbit/s), or RTT,BANDWIDTH such
    /// as 10ms,100Mbit
    #[arg(long)]
    pub(crate) network: Option<Network>,
    /// Threads of each party
    #[arg(long, value_name = "T", value_parser = threads)]
    pub(crate) threads: Option<usize>,
    /// exact, probabilistic or fast
    #[arg(long, value_name = "MODE")]
    pub(crate) truncation: Option<Truncation>,
    /// What comparisons save, where a protocol has the choice: rounds, bytes, or auto, which is
    /// bytes for vectors so long that the bandwidth of --network counts for more than its round trip
    #[arg(long, value_name = "SAVED", default_value_t)]
    pub(crate) comparison: Comparison,
    /// Statistical security in bits
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u32).range(40..=100))]
    pub(crate) stat_sec: Option<u32>,
    /// Entry of the program
    #[arg(long, default_value = "main")]
    pub(crate) entry: String,
    /// Constant of a source program
    #[arg(short = 'D', value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) define: Vec<(String, String)>,
    /// Do not print the summary
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) model: onnx::Arguments,
    /// Party that owns the weights of a model, as --role model=PARTY says: party 0 if nothing is said. Role user gives
    /// the other inputs and gets the results
    #[arg(long, value_name = "PARTY", help_heading = onnx::HEADING)]
    pub(crate) model_owner: Option<String>,
}

#[derive(Args)]
pub(crate) struct Local {
    #[command(flatten)]
    pub(crate) choice: Choice,
    /// Number of parties; the protocol's smallest if not given
    #[arg(long, value_name = "N", value_parser = parties())]
    pub(crate) parties: Option<u64>,
    /// Use the preprocessing that `mpcvm prep` has made in this folder, once
    #[arg(long, value_name = "DIR")]
    pub(crate) prep: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Prep {
    #[command(flatten)]
    pub(crate) choice: Choice,
    /// File that keeps what this party makes; without --party a folder for the files of all, which then
    /// run on this machine
    #[arg(long, value_name = "PATH")]
    pub(crate) out: PathBuf,
    /// Number of this party, from 0
    #[arg(long, value_name = "I", requires = "config")]
    pub(crate) party: Option<Party>,
    /// Session file
    #[arg(long, value_name = "SESSION.toml", requires = "party")]
    pub(crate) config: Option<PathBuf>,
    /// Number of parties on this machine; the protocol's smallest if not given
    #[arg(long, value_name = "N", value_parser = parties(), conflicts_with = "party")]
    pub(crate) parties: Option<u64>,
    /// One of the processes of `mpcvm prep` on this machine: standard input is a listening socket
    #[arg(long, hide = true)]
    pub(crate) child: bool,
}

#[derive(Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) choice: Choice,
    /// Number of this party, from 0
    #[arg(long, value_name = "I")]
    pub(crate) party: Party,
    /// Session file
    #[arg(long, value_name = "SESSION.toml")]
    pub(crate) config: PathBuf,
    /// Use the preprocessing that `mpcvm prep` has kept in this file, once
    #[arg(long, value_name = "FILE")]
    pub(crate) prep: Option<PathBuf>,
    /// One of the processes of `mpcvm local`: standard input is a listening socket
    #[arg(long, hide = true)]
    pub(crate) child: bool,
}

impl Choice {
    /// With what the folder says, if the file is one.
    pub(crate) fn resolved(&self) -> Result<Choice> {
        let mut choice = self.clone();
        let Choice { file, small, define, input, role, model_owner, .. } = &mut choice;
        inputs::expand(input)?;
        case::resolve(file, *small, define, input)?;
        if let Some(party) = model_owner.take() {
            if !load::is_model(file) {
                return Err(load::only_for_models("--model-owner", file));
            }
            if role.iter().any(|(name, _)| name == "model") {
                return Err(wrong("--model-owner and --role model=PARTY say the same; give one"));
            }
            role.push(("model".into(), party));
        }
        Ok(choice)
    }
}

/// One of the parties.
pub(crate) struct Place<'a> {
    pub(crate) party: Party,
    pub(crate) config: &'a Path,
    /// Whether the other parties run on this machine, and it is a child of one process as they are.
    pub(crate) child: bool,
}

impl Place<'_> {
    /// What messages start with.
    pub(crate) fn prefix(&self) -> String {
        if self.child { format!("party {}: ", self.party) } else { String::new() }
    }
}

impl Run {
    pub(crate) fn place(&self) -> Place<'_> {
        Place { party: self.party, config: &self.config, child: self.child }
    }
}

impl Prep {
    /// `None` if all parties run on this machine.
    pub(crate) fn place(&self) -> Option<Place<'_>> {
        let config = self.config.as_deref()?;
        Some(Place { party: self.party?, config, child: self.child })
    }
}

/// What a party, or all of them, are to do.
#[derive(Clone, Copy)]
pub(crate) enum Task<'a> {
    /// Run a program, with preprocessing that is kept there, if any is.
    Run(Option<&'a Path>),
    /// Make preprocessing and keep it there.
    Prep(&'a Path),
}

fn parties() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=64)
}

#[derive(Args)]
pub(crate) struct Emulate {
    /// Bytecode (.mpcb), source (.mpc), a model (.onnx), or a folder with a case.toml
    pub(crate) file: PathBuf,
    /// The small inputs of a folder
    #[arg(long)]
    pub(crate) small: bool,
    /// Report values that exceed their announced bits
    #[arg(long)]
    pub(crate) checked: bool,
    /// File of an input (.npy, .npz, .csv, .json); `ROLE.NAME` where several roles have one of that name. An .npz or .json file
    /// without a name gives every input that it has an array for
    #[arg(long, value_name = "[NAME=]PATH", value_parser = input)]
    pub(crate) input: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) shown: Shown,
    /// Entry of the program
    #[arg(long, default_value = "main")]
    pub(crate) entry: String,
    /// Seed of the program's randomness
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Constant of a source program
    #[arg(short = 'D', value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) define: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) model: onnx::Arguments,
}

#[derive(Args)]
pub(crate) struct Protocols {
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// As the page protocols/PROTOCOLS.md
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
}

#[derive(Args)]
pub(crate) struct Keygen {
    /// Directory to write NAME.key and NAME.crt to
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
    /// Name of the party
    #[arg(long, default_value = "party")]
    pub(crate) name: String,
}

#[derive(Args)]
pub(crate) struct NetCheck {
    /// Number of this party, from 0
    #[arg(long, value_name = "I")]
    pub(crate) party: Party,
    /// Session file
    #[arg(long, value_name = "SESSION.toml")]
    pub(crate) config: PathBuf,
}

fn threads(text: &str) -> std::result::Result<usize, String> {
    let threads = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    check_threads(threads).map(|()| threads)
}

/// `NAME=PATH`; without a name a file that has names in it.
fn input(text: &str) -> std::result::Result<(String, String), String> {
    if !text.contains('=') && [".npz", ".json"].iter().any(|end| text.ends_with(end)) {
        return Ok((String::new(), text.into()));
    }
    let why = "expected NAME=PATH, or the PATH of an .npz or .json file with arrays of these names";
    pair(text).map_err(|_| why.into())
}

fn pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.into(), value.into()))
        }
        _ => Err("expected NAME=VALUE".into()),
    }
}

//! `mpcvm run` and `mpcvm prep`: one party.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mpc_bytecode::{Program, Receivers};
use mpc_protocols::{Comparison, Seeds, Setup, registry};
use mpc_runtime::buffer::warm_heap;
use mpc_runtime::{Party, Result};
use mpc_vm::data::kept::{self, Reader, Reading, Writing};
use mpc_vm::data::output;
use mpc_vm::machine::{Binding, Machine, register_bytes};
use mpc_vm::net::{Peer, Terms, connect};
use mpc_vm::prepare::prepare;
use mpc_vm::session::Session;
use serde_json::{Value, json};

use crate::arguments::{Choice, Place, Task};
use crate::progress::Progress;
use crate::stats::Seconds;
use crate::{Outcome, PEER_FAILED, inputs, load, print, results, stats, tell, wrong};

/// Protocol if neither the command line nor the session names one.
pub(crate) const DEFAULT_PROTOCOL: &str = "rep3-ring";
/// Statistical security in bits if the command line names none.
const DEFAULT_STAT_SEC: u32 = 40;
/// Starts the lines of a child's standard output that are for its parent.
pub(crate) const MARK: char = '\u{1}';
/// How often a child looks whether its parent is still there.
const PARENT_CHECK: Duration = Duration::from_millis(200);

pub(crate) fn run(place: &Place, choice: &Choice, task: Task, started: Instant) -> Outcome {
    let (me, choice) = (place.party, &choice.resolved()?);
    if place.child {
        watch_parent(place.config.parent().map(Path::to_path_buf));
    }
    let session = Session::load(place.config)?;
    let parties = session.parties.len();
    let loaded = load::load(&choice.file, &choice.define, &choice.input, &choice.model)?;
    let given = loaded.inputs(&choice.input);
    let program = Rc::new(loaded.program);
    let entry = load::entry(&program, &choice.entry)?;
    let mut setup = setup_of(&program, choice, parties)?;
    if choice.truncation.is_none()
        && let Some(name) = &session.truncation
    {
        setup.truncation = name.parse()?;
    }
    let network = choice.network.unwrap_or(session.network);
    setup.comparison = network.choose(choice.comparison);
    results::check(&program, choice)?;
    setup.threads = choice.threads.or(session.threads).unwrap_or(1);
    let protocol = choice.protocol.as_deref().or(session.protocol.as_deref());
    let protocol = registry::find(protocol.unwrap_or(DEFAULT_PROTOCOL))?;
    let roles = bind_roles(&program, choice, &session)?;
    let runs = matches!(task, Task::Run(_));
    let values = inputs::read(&program, &given, |role| runs && roles[role] == me)?;

    // what the protocol says of itself does not depend on seeds, so it can be agreed on first
    let none = Seeds { session: [0; 32], own: [0; 32], pair: vec![[0; 32]; parties] };
    let scheme = protocol.build(&setup, me, &none)?;
    let domain = scheme.domain().to_string();
    if runs {
        // measured: with more than so much the run is no faster, and the whole takes longer
        warm_heap(register_bytes(&program, &*scheme) / 4 * 3);
    }
    drop(scheme);
    let listener = if place.child { Some(inherited_listener()?) } else { None };
    let (mut options, warning) = session.options(me, listener)?;
    if let Some(warning) = warning {
        tell(format!("mpcvm: warning: {warning}"));
    }
    options.network = network;
    let about = about(&program, choice, protocol.info.name, &setup, &domain, options.network);
    let mut terms = terms(&about, &program, &roles, &setup);
    let bound = bound(&terms, place, &options.roster);
    let used = match task {
        Task::Run(Some(file)) => Some(kept(file, &bound)?),
        _ => None,
    };
    terms.add(
        "preprocessing",
        match (&task, &used) {
            (Task::Prep(_), _) => "is made, and nothing else".into(),
            (_, Some(reader)) => format!("of session {}", load::hex(&reader.about().id)),
            (_, None) => "is made when it is needed".to_string(),
        },
    );
    let connected = connect(options, terms)?;
    if place.child {
        print(format!("{MARK}ready\n"))?;
    }
    let setup_time = started.elapsed();

    let seeds = Seeds {
        session: connected.session_id,
        own: *connected.seeds[me],
        pair: connected.seeds.iter().map(|seed| **seed).collect(),
    };
    let scheme = protocol.build(&setup, me, &seeds)?;
    drop(seeds);
    let binding = Binding { roles: roles.clone(), inputs: values, ..Default::default() };
    let transport = Box::new(connected.transport);
    let mut progress = Progress::new(&program, entry, !place.child || me == 0);
    let mut told = |issued, at| progress.at(issued, at);
    let run = || match task {
        Task::Run(_) => {
            let used = used.map(Reading::begin).transpose()?;
            let mut machine = Machine::new(program.clone(), scheme, transport, binding)?;
            used.iter().for_each(|kept| machine.use_preprocessing(Box::new(kept.clone())));
            let outcome = machine.run(&choice.entry, &mut told);
            let wiped = used.map_or(Ok(()), Reading::wipe);
            let outcome = outcome?;
            machine.close()?;
            wiped?;
            Ok(outcome)
        }
        Task::Prep(out) => {
            let about = kept::About { terms: bound.encode(), id: connected.session_id };
            let writing = Writing::create(out, &about)?;
            let (program, keeper) = (program.clone(), Box::new(writing.clone()));
            let entry = &choice.entry;
            let made = prepare(program, scheme, transport, binding, entry, keeper, &mut told);
            if made.is_err() {
                let _ = std::fs::remove_file(out); // what is left of it cannot be used
            }
            let outcome = made?;
            writing.finish()?;
            Ok(outcome)
        }
    };
    let outcome: Result<_> = run();
    progress.end();
    let outcome = outcome?;
    let run_time = started.elapsed() - setup_time;

    let prints = |id: u32| runs && !place.child || first_receiver(&program, &roles, id) == me;
    let outputs = (outcome.outputs.iter())
        .filter(|(id, _)| prints(*id))
        .map(|(id, values)| (*id as usize, values.as_slice()));
    results::give(&program, outputs, &choice.shown)?;
    let seconds = Seconds { total: started.elapsed(), setup: setup_time, run: run_time };
    let party = stats::of_party(&program, me, &outcome.stats, outcome.instructions, &seconds);
    if place.child {
        let told = json!({ "about": about, "party": party });
        return Ok(print(format!("{MARK}stats {told}\n"))?);
    }
    let whole = stats::of_run(&about, vec![party]);
    finish(choice, &whole)
}

/// What preprocessing is bound to: all that the parties agree on, and who they are. Parties that run on one
/// machine get new keys for each run.
fn bound(terms: &Terms, place: &Place, roster: &[Peer]) -> Terms {
    let mut bound = terms.clone();
    bound.add("party", place.party);
    bound.add("parties", roster.len());
    for (party, peer) in roster.iter().enumerate().filter(|_| !place.child) {
        bound.add(&format!("fingerprint of party {party}"), peer.fingerprint);
    }
    bound
}

/// Preprocessing from a file, if it belongs to this run.
fn kept(file: &Path, bound: &Terms) -> Result<Reader> {
    let reader = Reader::open(file)?;
    let other = |what| wrong(format!("{}: this preprocessing is {what}", file.display()));
    let terms = Terms::decode(&reader.about().terms).ok_or_else(|| other("damaged".into()))?;
    match bound.first_difference(&terms) {
        None => Ok(reader),
        Some((name, here, there)) => {
            Err(other(format!("for another run: `{name}` was {there}, it is {here}")))
        }
    }
}

/// Writes and prints the statistics of a run.
pub(crate) fn finish(choice: &Choice, whole: &Value) -> Outcome {
    if let Some(path) = &choice.stats {
        output::replace(path, format!("{whole:#}\n").as_bytes())?;
    }
    if !choice.quiet {
        tell(stats::table(whole).trim_end());
    }
    Ok(())
}

/// What a protocol object is made for.
fn setup_of(program: &Program, choice: &Choice, parties: usize) -> Result<Setup> {
    Ok(Setup {
        parties,
        ring_bits: program.ring_bits,
        field_bits: program.field_bits,
        stat_sec: choice.stat_sec.unwrap_or(DEFAULT_STAT_SEC),
        truncation: choice.truncation.unwrap_or_default(),
        comparison: choice.comparison,
        threads: 1,
    })
}

/// Roles of the session, overridden by those of the command line.
fn bind_roles(program: &Program, choice: &Choice, session: &Session) -> Result<Vec<Party>> {
    let names: Vec<&str> = session.parties.iter().map(|e| e.peer.name.as_str()).collect();
    let mut given = inputs::parse_roles(&choice.role, &names)?;
    given.extend(session.roles.iter().map(|(role, party)| (role.clone(), *party)));
    inputs::roles(program, &given, session.parties.len())
}

/// What the statistics say of the run as a whole.
fn about(
    program: &Program,
    choice: &Choice,
    protocol: &str,
    setup: &Setup,
    domain: &str,
    network: mpc_vm::net::Network,
) -> Value {
    json!({
        "program": choice.file.display().to_string(),
        "entry": choice.entry,
        "protocol": protocol,
        "parties": setup.parties,
        "domain": domain,
        "truncation": setup.truncation.to_string(),
        "comparison": setup.comparison.to_string(),
        "stat_sec": setup.stat_sec,
        "network": network.to_string(),
        "threads": setup.threads,
        "bytecode_hash": load::hex(&program.hash()),
    })
}

/// What all parties must have alike.
fn terms(about: &Value, program: &Program, roles: &[Party], setup: &Setup) -> Terms {
    let mut terms = Terms::new();
    let shown = |key: &str| match &about[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    for (name, key) in [
        ("bytecode hash", "bytecode_hash"),
        ("entry", "entry"),
        ("protocol", "protocol"),
        ("domain", "domain"),
        ("truncation", "truncation"),
        ("comparison", "comparison"),
        ("statistical security", "stat_sec"),
    ] {
        terms.add(name, shown(key));
    }
    if let Comparison::From(numbers) = setup.comparison {
        terms.add("numbers that bytes are saved from", numbers);
    }
    terms.add("ring bits", setup.ring_bits);
    terms.add("field bits", setup.field_bits);
    for (role, party) in program.roles.iter().zip(roles) {
        terms.add(&format!("role {role}"), party);
    }
    terms
}

/// The lowest party that receives an output.
fn first_receiver(program: &Program, roles: &[Party], id: u32) -> Party {
    match &program.outputs[id as usize].receivers {
        Receivers::All => 0,
        Receivers::Roles(receivers) => {
            receivers.iter().map(|role| roles[*role as usize]).min().unwrap_or(0)
        }
    }
}

/// The listening socket that the parent has put in the place of standard input.
#[cfg(unix)]
fn inherited_listener() -> Result<TcpListener> {
    use std::os::fd::AsFd;
    let stdin = std::io::stdin();
    let owned = stdin.as_fd().try_clone_to_owned();
    let listener = owned.map(TcpListener::from).and_then(|l| l.local_addr().map(|_| l));
    listener.map_err(|e| wrong(format!("standard input is no listening socket: {e}")))
}

#[cfg(not(unix))]
fn inherited_listener() -> Result<TcpListener> {
    Err(wrong("`mpcvm local` needs a Unix system"))
}

/// Ends this process when its parent has ended, and removes what the parent could not.
#[cfg_attr(not(unix), expect(unused_variables, reason = "no parent is known there"))]
fn watch_parent(directory: Option<PathBuf>) {
    #[cfg(unix)]
    std::thread::spawn(move || {
        let parent = std::os::unix::process::parent_id();
        loop {
            std::thread::sleep(PARENT_CHECK);
            if std::os::unix::process::parent_id() != parent {
                let _ = directory.map(std::fs::remove_dir_all); // gone already if all were connected
                std::process::exit(i32::from(PEER_FAILED));
            }
        }
    });
}

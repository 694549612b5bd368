//! `mpcvm local`, and `mpcvm prep` without a session: all parties as processes of this machine, over TLS on the loopback interface.
//!
//! Keys and certificates are made for the one run and removed as soon as all parties are connected.
//! Each child inherits its listening socket, so no port is ever free for others to take.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use mpc_protocols::registry;
use mpc_runtime::{Party, Result};
use serde_json::Value;

use crate::arguments::{Choice, Task};
use crate::load::{self, Loaded};
use crate::run::{DEFAULT_PROTOCOL, MARK, finish};
use crate::{
    BAD_USE, CHEATING, Failure, Outcome, PEER_FAILED, inputs, keygen, print, results, stats, wrong,
};

/// How long the other parties may take to tell what they saw, after one has failed.
const GRACE: Duration = Duration::from_millis(2500);

pub(crate) fn run(choice: &Choice, parties: Option<u64>, task: Task) -> Outcome {
    let mut choice = choice.resolved()?;
    let loaded = load::load(&choice.file, &choice.define, &choice.input, &choice.model)?;
    choice.input = loaded.inputs(&choice.input);
    let choice = &choice;
    load::entry(&loaded.program, &choice.entry)?;
    let name = choice.protocol.as_deref().unwrap_or(DEFAULT_PROTOCOL);
    let least = registry::find(name)?.info.parties.least();
    let parties = parties.map_or(least, |n| n as usize);
    if !registry::find(name)?.info.parties.fit(parties) {
        let takes = registry::find(name)?.info.parties;
        return Err(wrong(format!("{name} takes {takes} parties, not {parties}")).into());
    }
    let given = inputs::parse_roles(&choice.role, &[])?;
    let roles = inputs::roles(&loaded.program, &given, parties)?;
    // unknown and repeated names are told before anything starts
    inputs::read(&loaded.program, &choice.input, |_| false)?;
    results::check(&loaded.program, choice)?;

    if let Task::Prep(folder) = task {
        fs::create_dir_all(folder).map_err(|e| wrong(format!("{}: {e}", folder.display())))?;
    }
    let directory = Directory::new()?;
    let listeners = prepare(&directory.0, &loaded, parties)?;
    let file = directory.0.join("program.mpcb");
    fs::write(&file, &loaded.bytes).map_err(|e| wrong(format!("{}: {e}", file.display())))?;
    let mut children = Children::default();
    let (tell, told) = channel();
    for (me, listener) in listeners.into_iter().enumerate() {
        let mine = inputs::of_party(&loaded.program, &choice.input, |role| roles[role] == me);
        let command = command(choice, task, &directory.0, &loaded, &roles, me, &mine)?;
        children.start(command, listener, tell.clone())?;
    }
    drop(tell);
    let parties = follow(&mut children, &told, directory)?;
    let about = parties.first().map_or(Value::Null, |told| told["about"].clone());
    let mut about = about;
    about["program"] = choice.file.display().to_string().into();
    let each = parties.into_iter().map(|mut told| told["party"].take()).collect();
    finish(choice, &stats::of_run(&about, each))
}

/// A directory that nobody else can read and that is removed in the end.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new() -> Result<Self> {
        let base = std::env::temp_dir();
        for attempt in 0..100 {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            let unique = now.map_or(0, |d| d.subsec_nanos()).wrapping_add(attempt);
            let path = base.join(format!("mpcvm-{}-{unique:08x}", std::process::id()));
            let mut builder = fs::DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            match builder.create(&path) {
                Ok(()) => return Ok(Directory(path)),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(wrong(format!("{}: {e}", path.display()))),
            }
        }
        Err(wrong(format!("{}: no name is free for a directory", base.display())))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // what cannot be removed holds no more than old keys
    }
}

/// Keys, the session file, and a listening socket for every party.
fn prepare(directory: &Path, loaded: &Loaded, parties: usize) -> Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    let mut session = String::new();
    for party in 0..parties {
        let failed = |e: std::io::Error| wrong(format!("loopback: {e}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let name = format!("party{party}");
        let made = keygen::write(directory, &name)?;
        session += &format!(
            "[[party]]\nname = \"{name}\"\naddress = \"{address}\"\nfingerprint = \"{}\"\n",
            made.fingerprint
        );
        listeners.push(listener);
    }
    debug_assert!(!loaded.program.entries.is_empty());
    let path = directory.join("session.toml");
    fs::write(&path, session).map_err(|e| wrong(format!("{}: {e}", path.display())))?;
    Ok(listeners)
}

fn command(
    choice: &Choice,
    task: Task,
    directory: &Path,
    loaded: &Loaded,
    roles: &[Party],
    me: Party,
    mine: &[(String, String)],
) -> Result<Command> {
    let program = std::env::current_exe().map_err(|e| wrong(format!("own program: {e}")))?;
    let mut command = Command::new(program);
    let file = |folder: &Path| folder.join(format!("party{me}.prep"));
    match task {
        Task::Run(None) => command.arg("run"),
        Task::Run(Some(folder)) => command.arg("run").arg("--prep").arg(file(folder)),
        Task::Prep(folder) => command.arg("prep").arg("--out").arg(file(folder)),
    };
    command.arg(directory.join("program.mpcb")).arg("--child");
    command.args(["--party", &me.to_string()]);
    command.arg("--config").arg(directory.join("session.toml"));
    let mut option = |name: &str, value: String| {
        command.arg(format!("--{name}={value}"));
    };
    option("protocol", choice.protocol.clone().unwrap_or_else(|| DEFAULT_PROTOCOL.into()));
    option("entry", choice.entry.clone());
    for (role, party) in loaded.program.roles.iter().zip(roles) {
        option("role", format!("{role}={party}"));
    }
    for (name, path) in mine {
        option("input", format!("{name}={path}"));
    }
    if let Some(network) = choice.network {
        option("network", network.to_string());
    }
    if let Some(threads) = choice.threads {
        option("threads", threads.to_string());
    }
    if let Some(truncation) = choice.truncation {
        option("truncation", truncation.to_string());
    }
    option("comparison", choice.comparison.to_string());
    if let Some(bits) = choice.stat_sec {
        option("stat-sec", bits.to_string());
    }
    if choice.shown.json {
        command.arg("--json");
    }
    if let Some(directory) = &choice.shown.output_dir {
        command.arg("--output-dir").arg(directory);
    }
    if let Some(count) = choice.shown.top {
        command.args(["--top", &count.to_string()]);
    }
    if let Some(labels) = &choice.shown.labels {
        command.arg("--labels").arg(labels);
    }
    Ok(command)
}

/// What the reader of a child's standard output tells.
enum Told {
    /// The child is connected.
    Ready,
    /// Its standard output has ended.
    End { party: Party, text: Vec<u8>, stats: Option<Value>, printed: Result<()> },
}

/// The processes; killed when this is dropped.
#[derive(Default)]
struct Children(Vec<Child>);

impl Children {
    fn start(
        &mut self,
        mut command: Command,
        listener: TcpListener,
        tell: Sender<Told>,
    ) -> Result<()> {
        #[cfg(unix)]
        command.stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)));
        #[cfg(not(unix))]
        drop(listener);
        command.stdout(Stdio::piped());
        let party = self.0.len();
        let mut child =
            command.spawn().map_err(|e| wrong(format!("party {party} does not start: {e}")))?;
        if let Some(output) = child.stdout.take() {
            std::thread::spawn(move || read(party, output, &tell));
        }
        self.0.push(child);
        Ok(())
    }

    /// Exit code of a child that has closed its standard output; `None` after a signal.
    fn code(&mut self, party: Party) -> Option<u8> {
        let status = self.0[party].wait().ok()?;
        status.code().map(|code| u8::try_from(code).unwrap_or(PEER_FAILED))
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill(); // most have ended already
            let _ = child.wait();
        }
    }
}

/// Passes on what party 0 prints at once, keeps what the others print.
fn read(party: Party, output: ChildStdout, tell: &Sender<Told>) {
    let mut reader = BufReader::new(output);
    let (mut text, mut stats, mut printed) = (Vec::new(), None, Ok(()));
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        let marked = std::str::from_utf8(&line).ok().and_then(|l| l.strip_prefix(MARK));
        match marked {
            Some(told) if told.starts_with("ready") => drop(tell.send(Told::Ready)),
            Some(told) => {
                stats = told.strip_prefix("stats ").and_then(|t| serde_json::from_str(t).ok());
            }
            None if party == 0 => printed = printed.and_then(|()| print(&line)),
            None => text.extend_from_slice(&line),
        }
        line.clear();
    }
    let _ = tell.send(Told::End { party, text, stats, printed });
}

/// Waits for all children; their statistics by party.
fn follow(
    children: &mut Children,
    told: &Receiver<Told>,
    directory: Directory,
) -> std::result::Result<Vec<Value>, Failure> {
    let parties = children.0.len();
    let mut directory = Some(directory);
    let (mut ready, mut ended) = (0, 0);
    let mut texts = vec![Vec::new(); parties];
    let mut results: Vec<Option<Value>> = vec![None; parties];
    let (mut worst, mut printed) = (0, Ok(()));
    let mut until: Option<Instant> = None;
    while ended < parties {
        let next = match until {
            None => told.recv().ok(),
            Some(end) => told.recv_timeout(end.saturating_duration_since(Instant::now())).ok(),
        };
        let Some(next) = next else { break };
        match next {
            Told::Ready => {
                ready += 1;
                if ready == parties {
                    directory = None; // keys and session have been read by everyone
                }
            }
            Told::End { party, text, stats, printed: told } => {
                printed = printed.and(told);
                ended += 1;
                texts[party] = text;
                results[party] = stats;
                let code = children.code(party);
                if code.is_none() {
                    crate::tell(format!("mpcvm: party {party} was killed"));
                }
                let code = code.unwrap_or(PEER_FAILED);
                if code != 0 {
                    worst = severer(worst, code);
                    // a party that has not started well keeps the others waiting for nothing
                    let grace = if code == BAD_USE { Duration::from_millis(200) } else { GRACE };
                    until = Some(until.unwrap_or(Instant::now() + grace));
                }
            }
        }
    }
    drop(directory);
    if worst != 0 {
        return Err(Failure::Told(worst));
    }
    printed?;
    print(texts.concat())?;
    let results: Option<Vec<Value>> = results.into_iter().collect();
    results.ok_or_else(|| wrong("a party ended without its statistics").into())
}

/// Of two exit codes the one to end with: cheating, then bad use, then a lost peer.
fn severer(a: u8, b: u8) -> u8 {
    [CHEATING, BAD_USE].into_iter().find(|code| a == *code || b == *code).unwrap_or(PEER_FAILED)
}

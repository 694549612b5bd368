//! A party that cheats in every way that can be told in general, in every message that it sends.
//!
//! A protocol against malicious parties may end a run in three ways: every honest party stops; the
//! outputs are right; or they are right for some other input of the cheat. Which it was is decided by
//! construction: in all programs here but one the cheat owns no input, and that one also outputs what
//! the cheat put in, so that everything else can be computed from it.
//!
//! Runs are simulated: who waits in vain gives up at once, and an attempt replays from its description.

pub mod open_book;
pub mod trials;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use mpc_bytecode::{Element, Receivers};
use mpc_protocols::registry::{Entry, PROTOCOLS};
use mpc_protocols::testing::{conformance, session::seeds};
use mpc_protocols::{Abort, Parties, Security, Truncation};
use mpc_runtime::simulate::Network;
use mpc_runtime::tamper::{MUTATORS, Mutator, Plan, Tamper};
use mpc_runtime::{Error, Label, Party, Result, Transport};
use mpc_vm::machine::Outcome;

use crate::parallel;
use crate::seed::Rng;
use crate::session::{Case, Outputs, Under};
use crate::watchdog::Watchdog;
use trials::Trial;

/// Draws after which a message is taken for one that cannot be altered.
const DRAWS: usize = 8;

/// Every protocol of the registry against malicious parties, with the least number of parties and, where
/// it takes more, up to twice as many but one: parity, spare parties and two corrupted are corners of their own.
pub fn malicious() -> Vec<Under> {
    let sizes = |entry: &Entry| match entry.info.parties {
        Parties::Exactly(n) => vec![n],
        Parties::AtLeast(n) => (n..2 * n).collect(),
    };
    let entries = PROTOCOLS.iter().filter(|e| e.info.security == Security::Malicious);
    entries.flat_map(|entry| sizes(entry).into_iter().map(|n| under(entry, n))).collect()
}

/// A protocol among so many parties.
pub fn under(protocol: &'static Entry, parties: usize) -> Under {
    Under { protocol, parties, tile_bits: None }
}

/// One way to cheat.
#[derive(Clone, Copy)]
pub struct Attempt {
    /// Program.
    pub trial: usize,
    /// Who cheats.
    pub cheat: Party,
    /// In which message.
    pub label: &'static str,
    /// In which of that label.
    pub occurrence: u64,
    /// How.
    pub mutator: Mutator,
    /// Of all randomness.
    pub seed: u64,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was altered.
    Idle,
    /// Every honest party stopped.
    Abort,
    /// Some stopped, the others have right outputs.
    Selective,
    /// All have right outputs.
    Right,
    /// Outputs are right for another input of the cheat.
    Substituted,
    /// The cheat put in a number outside of the type of its input, on which honest parties agree.
    OutOfRange,
    /// What must not be, in words.
    Wrong(String),
}

/// A protocol, the programs, and what each party sends in them.
pub struct Matrix {
    /// The protocol.
    pub under: Under,
    trials: Vec<Trial>,
    sightings: Vec<Sighting>,
}

/// A party sends so many messages of a label in a program.
#[derive(Clone, Copy)]
struct Sighting {
    trial: usize,
    cheat: Party,
    label: &'static str,
    messages: u64,
}

/// What is counted over many attempts.
#[derive(Default)]
pub struct Tally {
    /// By kind of verdict.
    pub verdicts: BTreeMap<&'static str, usize>,
    /// Labels and positions that were altered.
    pub hit: BTreeSet<(&'static str, Party)>,
    /// What must not be.
    pub wrong: Vec<String>,
    /// Honest parties that blamed an honest one, or the program; bad manners, no breach.
    pub misblamed: Vec<String>,
}

impl Tally {
    /// Attempts that altered something.
    pub fn cases(&self) -> usize {
        self.verdicts.iter().filter(|(name, _)| **name != "nothing altered").map(|(_, n)| n).sum()
    }

    /// Everything in one line.
    pub fn line(&self) -> String {
        let counts = self.verdicts.iter().map(|(name, count)| format!("{name} {count}"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        format!(
            "{} cases: {counts}; blamed on an honest party {}",
            self.cases(),
            self.misblamed.len()
        )
    }

    fn add(&mut self, attempt: &Attempt, (verdict, misblamed): (Verdict, Option<String>)) {
        let name = match verdict {
            Verdict::Idle => "nothing altered",
            Verdict::Abort => "aborts",
            Verdict::Selective => "selective aborts",
            Verdict::Right => "right",
            Verdict::Substituted => "substituted",
            Verdict::OutOfRange => "substituted out of range",
            Verdict::Wrong(_) => "WRONG",
        };
        *self.verdicts.entry(name).or_default() += 1;
        if verdict != Verdict::Idle {
            self.hit.insert((attempt.label, attempt.cheat));
        }
        if let Verdict::Wrong(text) = verdict {
            self.wrong.push(text);
        }
        self.misblamed.extend(misblamed);
    }
}

impl Matrix {
    /// Runs every program once for each position of a cheat that does not cheat.
    ///
    /// # Errors
    /// A program does not do what it means.
    pub fn observe(under: Under, seed: u64) -> std::result::Result<Matrix, String> {
        let mut matrix = Matrix { under, trials: trials::all(), sightings: vec![] };
        for trial in 0..matrix.trials.len() {
            for cheat in 0..under.parties {
                matrix.sightings.extend(matrix.sighted(trial, cheat, seed)?);
            }
        }
        Ok(matrix)
    }

    fn sighted(
        &self,
        trial: usize,
        cheat: Party,
        seed: u64,
    ) -> std::result::Result<Vec<Sighting>, String> {
        let Matrix { under, trials, .. } = self;
        let (trial_name, case) = (trials[trial].name, &trials[trial].case);
        let (results, _) = self.play(trial, cheat, seed, case, None);
        let due = case.emulate("main").map_err(|e| format!("{trial_name}: {e}"))?;
        let mut sighted = vec![];
        for (me, result) in results.into_iter().enumerate() {
            let told = |what: String| format!("{under}, {trial_name}, party {me}: {what}");
            let outcome = result.map_err(told)?.map_err(|e| told(e.to_string()))?;
            let due = due_at(case, &self.roles(cheat), me, &due);
            if outcome.outputs != due {
                return Err(told(format!("outputs {:?}, due are {due:?}", outcome.outputs)));
            }
            if me == cheat {
                let of = |(&label, counts): (&&'static str, &mpc_runtime::Counts)| Sighting {
                    trial,
                    cheat,
                    label,
                    messages: counts.messages,
                };
                sighted.extend(outcome.stats.by_label.iter().map(of));
            }
        }
        Ok(sighted)
    }

    /// Labels that a position sends in the programs.
    pub fn positions(&self) -> BTreeSet<(&'static str, Party)> {
        self.sightings.iter().map(|s| (s.label, s.cheat)).collect()
    }

    /// Labels that the protocol has and no program makes it send.
    pub fn unseen(&self) -> Vec<&'static str> {
        let seen: BTreeSet<_> = self.sightings.iter().map(|s| s.label).collect();
        let all = conformance::labels(self.under.protocol.make, self.under.parties);
        all.difference(&seen).copied().collect()
    }

    /// For each label and position one way to cheat, at random.
    pub fn sample(&self, seed: u64) -> Tally {
        let mut rng = Rng::new(seed);
        let mut tally = Tally::default();
        for (label, cheat) in self.positions() {
            let here: Vec<_> =
                self.sightings.iter().filter(|s| (s.label, s.cheat) == (label, cheat)).collect();
            for _ in 0..DRAWS {
                let Sighting { trial, messages, .. } = **rng.pick(&here);
                let (occurrence, mutator) = (rng.below(messages), *rng.pick(MUTATORS));
                let seed = rng.below(1000);
                let attempt = Attempt { trial, cheat, label, occurrence, mutator, seed };
                let outcome = self.attempt(&attempt);
                let idle = outcome.0 == Verdict::Idle;
                tally.add(&attempt, outcome);
                if !idle {
                    break;
                }
            }
        }
        tally
    }

    /// Every label, position and mutator, in up to `programs` random programs that send the label and in
    /// `occurrences` random messages of each; in an order that the seed says.
    pub fn attempts(&self, seed: u64, programs: usize, occurrences: usize) -> Vec<Attempt> {
        let mut rng = Rng::new(seed);
        let mut attempts = vec![];
        for (label, cheat) in self.positions() {
            let here = self.sightings.iter().filter(|s| (s.label, s.cheat) == (label, cheat));
            let here: Vec<_> = here.collect();
            for &mutator in MUTATORS {
                for at in rng.permutation(here.len()).into_iter().take(programs) {
                    let Sighting { trial, messages, .. } = *here[at as usize];
                    let mut chosen = BTreeSet::new();
                    (0..occurrences).for_each(|_| _ = chosen.insert(rng.below(messages)));
                    attempts.extend(chosen.into_iter().map(|occurrence| {
                        let seed = rng.below(1000);
                        Attempt { trial, cheat, label, occurrence, mutator, seed }
                    }));
                }
            }
        }
        let order = rng.permutation(attempts.len());
        order.into_iter().map(|i| attempts[i as usize]).collect()
    }

    /// Makes all attempts on all cores; stops early when `enough` says so.
    pub fn run(&self, attempts: &[Attempt], enough: impl Fn(&Tally) -> bool + Sync) -> Tally {
        let tally = Mutex::new(Tally::default());
        let so_far = || tally.lock().expect("attempts do not panic");
        parallel::map(attempts.iter().collect(), |_, attempt| {
            if !enough(&so_far()) {
                let outcome = self.attempt(attempt);
                so_far().add(attempt, outcome);
            }
        });
        tally.into_inner().expect("attempts do not panic")
    }

    /// Cheats once. Also tells of an honest party that blamed somebody else than the cheat.
    pub fn attempt(&self, attempt: &Attempt) -> (Verdict, Option<String>) {
        let what = self.describe(attempt);
        let _watchdog = Watchdog::new(&what);
        let Attempt { trial, cheat, label, occurrence, mutator, seed } = *attempt;
        let plan = Plan { label: Label(label), occurrence, mutator };
        let case = &self.trials[trial].case;
        let (results, applied) = self.play(trial, cheat, seed, case, Some(plan));
        let misblamed = results.iter().enumerate().filter(|(me, _)| *me != cheat);
        let misblamed = misblamed.filter_map(|(_, r)| misblames(r.as_ref().ok()?, cheat)).next();
        let verdict = match self.judge(trial, cheat, &results) {
            Ok(_) if !applied => Verdict::Idle,
            Ok(verdict) => verdict,
            Err(text) => Verdict::Wrong(format!("{text}\n    again: CHEAT='{what}'")),
        };
        (verdict, misblamed.map(|text| format!("{text}: {what}")))
    }

    /// Everything needed to repeat an attempt.
    pub fn describe(&self, attempt: &Attempt) -> String {
        let Attempt { trial, cheat, label, occurrence, mutator, seed } = attempt;
        let Under { protocol, parties, .. } = self.under;
        let (name, trial) = (protocol.info.name, self.trials[*trial].name);
        format!("{name}|{parties}|{trial}|{cheat}|{label}|{occurrence}|{}|{seed}", mutator.name)
    }

    /// Number of programs.
    pub fn programs(&self) -> usize {
        self.trials.len()
    }

    /// What comes of a program whose messages nobody alters. Right, unless a party lies in other ways.
    pub fn unaltered(&self, trial: usize, cheat: Party, seed: u64) -> Verdict {
        let (results, _) = self.play(trial, cheat, seed, &self.trials[trial].case, None);
        self.judge(trial, cheat, &results).unwrap_or_else(Verdict::Wrong)
    }

    /// The attempt that a description is of, if it is of one under this protocol.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn described(&self, text: &str) -> std::result::Result<Option<Attempt>, String> {
        let parts: Vec<&str> = text.split('|').collect();
        let [name, parties, trial, cheat, label, occurrence, mutator, seed] = parts[..] else {
            return Err("an attempt has eight parts".into());
        };
        let number = |text: &str| text.parse::<u64>().map_err(|e| format!("{text}: {e}"));
        let (found, among) = (self.under.protocol.info.name, self.under.parties);
        if found != name || number(parties)? != among as u64 {
            return Ok(None);
        }
        let trial = self.trials.iter().position(|t| t.name == trial).ok_or("no such program")?;
        let label = self.sightings.iter().find(|s| s.label == label).ok_or("no such label")?.label;
        let mutator = Mutator::named(mutator).ok_or("no such mutator")?;
        let (cheat, occurrence) = (number(cheat)? as Party, number(occurrence)?);
        Ok(Some(Attempt { trial, cheat, label, occurrence, mutator, seed: number(seed)? }))
    }

    /// Who plays the roles `a`, `b` and `c` when that party cheats: `c` is the cheat.
    fn roles(&self, cheat: Party) -> Vec<Party> {
        let n = self.under.parties;
        let honest = |i: usize| (cheat + 1 + i % (n - 1)) % n;
        vec![honest(0), honest(1), cheat]
    }

    /// What comes of it when a party follows the protocol with other inputs than its own, in the one
    /// program where the cheat has any.
    pub fn with_other_inputs(&self, cheat: Party, seed: u64) -> Verdict {
        let owns = |t: &Trial| !owned(&t.case, &self.roles(cheat), cheat).is_empty();
        let trial = self.trials.iter().position(owns).expect("there is such a program");
        let mut other = self.trials[trial].case.clone();
        for input in owned(&other, &self.roles(cheat), cheat) {
            other.inputs[input].iter_mut().for_each(|x| *x ^= 1);
        }
        let (results, _) = self.play(trial, cheat, seed, &other, None);
        self.judge(trial, cheat, &results).unwrap_or_else(Verdict::Wrong)
    }

    /// Results by party, a panic as text; and whether anything was altered. `lie` is what the cheat takes
    /// for the program and its inputs.
    #[allow(clippy::type_complexity, reason = "a result within what may panic")]
    fn play(
        &self,
        trial: usize,
        cheat: Party,
        seed: u64,
        lie: &Case,
        plan: Option<Plan>,
    ) -> (Vec<std::result::Result<Result<Outcome>, String>>, bool) {
        let (case, roles) = (&self.trials[trial].case, self.roles(cheat));
        let log = Mutex::new(None);
        let one = |end: Box<dyn Transport>| {
            let seeds = seeds(seed, end.me(), end.parties());
            let case = if end.me() == cheat { lie } else { case };
            case.party_as(self.under, Truncation::Exact, "main", end, roles.clone(), &seeds)
        };
        let outcome = Network::new(self.under.parties, seed).run(|end| {
            let end: Box<dyn Transport> = match plan.filter(|_| end.me() == cheat) {
                None => Box::new(end),
                Some(plan) => {
                    let (end, report) = Tamper::new(end, plan);
                    *log.lock().expect("one party cheats") = Some(report);
                    Box::new(end)
                }
            };
            catch_unwind(AssertUnwindSafe(|| one(end))).map_err(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                text.or(panic.downcast_ref::<&str>().map(|&t| t.into())).unwrap_or_default()
            })
        });
        let log = log.into_inner().expect("nobody panicked there");
        let applied = log.is_some_and(|log| log.lock().is_ok_and(|report| report.applied));
        (outcome.results, applied)
    }

    fn judge(
        &self,
        trial: usize,
        cheat: Party,
        results: &[std::result::Result<Result<Outcome>, String>],
    ) -> std::result::Result<Verdict, String> {
        let (case, roles) = (&self.trials[trial].case, self.roles(cheat));
        let mut accepted = vec![];
        for (me, result) in results.iter().enumerate().filter(|(me, _)| *me != cheat) {
            match result {
                Err(panic) => return Err(format!("party {me} panicked: {panic}")),
                Ok(Err(_)) => {}
                Ok(Ok(outcome)) => accepted.push((me, &outcome.outputs)),
            }
        }
        let stopped = results.len() - 1 - accepted.len();
        let Some((_, first)) = accepted.first() else { return Ok(Verdict::Abort) };
        for (me, outputs) in &accepted {
            if common(case, outputs) != common(case, first) {
                return Err(format!(
                    "party {me} accepts other outputs than party {}",
                    accepted[0].0
                ));
            }
        }
        let substituted = substituted(case, &roles, cheat, first);
        let due = match substituted.iter().all(|(id, x)| in_range(case, *id, x)) {
            true => with_inputs(case, &substituted).emulate("main").ok(),
            false => None,
        };
        if let Some(due) = &due {
            for (me, outputs) in &accepted {
                let due = due_at(case, &roles, *me, due);
                if **outputs != due {
                    return Err(format!("party {me} accepts {outputs:?}; due are {due:?}"));
                }
            }
        }
        if stopped > 0 && self.under.protocol.info.abort == Abort::Unanimous {
            return Err(format!("{stopped} parties stop, the others do not; abort is unanimous"));
        }
        let changed = substituted.iter().any(|(id, x)| case.inputs[*id] != *x);
        Ok(match (stopped, due, changed) {
            (1.., ..) => Verdict::Selective,
            (_, None, _) => Verdict::OutOfRange,
            (_, Some(_), true) => Verdict::Substituted,
            (_, Some(_), false) => Verdict::Right,
        })
    }
}

/// The complaint of an honest party that blames neither the cheat nor nobody in particular.
fn misblames(result: &Result<Outcome>, cheat: Party) -> Option<String> {
    let error = result.as_ref().err()?;
    let fair = match error.root() {
        Error::Cheating { party, .. } => *party == cheat,
        Error::CheckFailed { .. } | Error::PeerLost { .. } | Error::Timeout { .. } => true,
        Error::Program(text) => text.ends_with("or a party misbehaved"),
        _ => false,
    };
    (!fair).then(|| error.root().to_string())
}

/// Outputs that a party gets.
fn due_at(case: &Case, roles: &[Party], me: Party, all: &Outputs) -> Outputs {
    let outputs = &case.program.outputs;
    all.iter()
        .filter(|(id, _)| outputs[*id as usize].receivers.include(me, roles))
        .cloned()
        .collect()
}

/// Outputs that all get.
fn common(case: &Case, outputs: &Outputs) -> Outputs {
    let all = |id: u32| matches!(case.program.outputs[id as usize].receivers, Receivers::All);
    outputs.iter().filter(|(id, _)| all(*id)).cloned().collect()
}

/// What the cheat put in, by number of the input: the output that has its name.
fn substituted(
    case: &Case,
    roles: &[Party],
    cheat: Party,
    outputs: &Outputs,
) -> Vec<(usize, Vec<i128>)> {
    let told = |number: usize| {
        let name = &case.program.inputs[number].name;
        let echo = outputs.iter().find(|(id, _)| case.program.outputs[*id as usize].name == *name);
        (number, echo.unwrap_or_else(|| panic!("no output tells input {name}")).1.clone())
    };
    owned(case, roles, cheat).into_iter().map(told).collect()
}

/// Numbers of the inputs of a party.
fn owned(case: &Case, roles: &[Party], party: Party) -> Vec<usize> {
    let of_party = |number: &usize| match &case.program.inputs[*number].receivers {
        Receivers::Roles(owner) => roles[owner[0] as usize] == party,
        Receivers::All => false,
    };
    (0..case.program.inputs.len()).filter(of_party).collect()
}

fn in_range(case: &Case, input: usize, values: &[i128]) -> bool {
    values.iter().all(|&x| match case.program.inputs[input].element {
        Element::Bool => x == 0 || x == 1,
        Element::Int(k) | Element::Fix(k, _) | Element::Wrap(k) => x >> (k - 1) == x >> 127,
    })
}

fn with_inputs(case: &Case, replaced: &[(usize, Vec<i128>)]) -> Case {
    let mut case = case.clone();
    replaced.iter().for_each(|(number, values)| case.inputs[*number].clone_from(values));
    case
}

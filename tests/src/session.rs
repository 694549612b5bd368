//! All parties of a run in one process, and what must hold of every run.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Mutex;

use mpc_bytecode::{Program, Receivers};
use mpc_protocols::ledger::Account;
use mpc_protocols::registry::{self, Entry, PROTOCOLS};
use mpc_protocols::{Comparison, Parties, Seeds, Setup, Truncation};
use mpc_runtime::buffer::take_peak_bytes;
use mpc_runtime::{Error, Keeper, OpId, Party, Phase, Result, Stats, Transport, local};
use mpc_vm::emulate::{self, emulate};
use mpc_vm::estimate::{self, estimate};
use mpc_vm::machine::{Binding, Machine, Outcome};
use mpc_vm::prepare::prepare;

/// Statistical security of tests, in bits.
const STAT_SEC: u32 = 40;

/// A protocol among so many parties.
#[derive(Clone, Copy)]
pub struct Under {
    /// The protocol.
    pub protocol: &'static Entry,
    /// Number of parties.
    pub parties: usize,
    /// Bits of a tile, where not those of a run in earnest.
    pub tile_bits: Option<usize>,
}

impl Under {
    /// The protocol of that name among so many parties.
    ///
    /// # Panics
    /// If there is none.
    pub fn named(name: &str, parties: usize) -> Under {
        let protocol = registry::find(name).expect("it is registered");
        Under { protocol, parties, tile_bits: None }
    }
}

impl std::fmt::Display for Under {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} with {} parties", self.protocol.info.name, self.parties)
    }
}

/// The protocols that every test runs under; the others take turns.
const CORE: [&str; 4] = ["plain", "rep3-ring", "rep3-bin", "shamir"];

/// Most parties under test.
const MOST_PARTIES: usize = 5;

/// Every protocol with every number of parties up to five that it takes.
pub fn all() -> Vec<Under> {
    let of = |protocol: &'static Entry| {
        let sizes = match protocol.info.parties {
            Parties::Exactly(n) => n..=n,
            Parties::AtLeast(n) => n..=MOST_PARTIES,
        };
        sizes.map(move |parties| Under { protocol, parties, tile_bits: None })
    };
    PROTOCOLS.iter().flat_map(of).collect()
}

/// The core protocols, with the least and the largest number of parties, and `others` of the rest with few
/// parties: in turn, so that all are met in turns that follow each other.
pub fn covering(turn: u64, others: usize) -> Vec<Under> {
    let least = |under: &Under| under.protocol.info.parties.least();
    let edge = |under: &Under| under.parties == least(under) || under.parties == MOST_PARTIES;
    let in_core = |under: &Under| CORE.contains(&under.protocol.info.name) && edge(under);
    let (mut chosen, mut rest): (Vec<Under>, Vec<Under>) = all().into_iter().partition(in_core);
    rest.retain(|under| under.parties <= least(under) + 1);
    let first = (turn as usize).wrapping_mul(others);
    chosen.extend((0..others.min(rest.len())).map(|i| rest[first.wrapping_add(i) % rest.len()]));
    chosen
}

/// A program and its inputs, by number.
#[derive(Clone, Debug)]
pub struct Case {
    /// The program.
    pub program: Program,
    /// Values of all inputs.
    pub inputs: Vec<Vec<i128>>,
}

/// Outputs in program order: number and values.
pub type Outputs = Vec<(u32, Vec<i128>)>;

impl Case {
    /// What the program means.
    ///
    /// # Errors
    /// It divides by zero or the like.
    pub fn emulate(&self, entry: &str) -> Result<Outputs> {
        let number = self.program.entries.iter().position(|e| e.name == entry);
        let number = number.ok_or_else(|| Error::Program(format!("no entry {entry}")))?;
        let inputs: Vec<_> = self.inputs.iter().cloned().map(Some).collect();
        let options = emulate::Options { checked: true, ..Default::default() };
        let outcome = emulate(&self.program, number, &inputs, &mut Default::default(), options)?;
        if let Some(finding) = outcome.findings.first() {
            return Err(Error::Program(format!("a broken promise: {}", finding.text)));
        }
        Ok(outcome.outputs.into_iter().map(|(id, values)| (id as u32, values)).collect())
    }

    /// Party that plays each role.
    pub fn roles(&self, parties: usize) -> Vec<Party> {
        (0..self.program.roles.len()).map(|role| role % parties).collect()
    }

    /// What a session is set up for.
    pub fn setup(&self, parties: usize, truncation: Truncation) -> Setup {
        Setup {
            parties,
            ring_bits: self.program.ring_bits,
            field_bits: self.program.field_bits,
            stat_sec: STAT_SEC,
            truncation,
            comparison: Comparison::default(),
            threads: 1,
        }
    }

    /// Runs one party.
    ///
    /// # Errors
    /// Whatever stops it.
    pub fn party(
        &self,
        under: Under,
        truncation: Truncation,
        entry: &str,
        end: Box<dyn Transport>,
    ) -> Result<Outcome> {
        let (me, parties) = (end.me(), end.parties());
        let roles = self.roles(parties);
        self.party_as(under, truncation, entry, end, roles, &seeds(me, parties))
    }

    /// Runs one party, parties playing these roles.
    ///
    /// # Errors
    /// Whatever stops it.
    pub fn party_as(
        &self,
        under: Under,
        truncation: Truncation,
        entry: &str,
        end: Box<dyn Transport>,
        roles: Vec<Party>,
        seeds: &Seeds,
    ) -> Result<Outcome> {
        let mut machine = self.machine(under, truncation, end, roles, seeds)?;
        let outcome = machine.run(entry, &mut |_, _| {})?;
        machine.close()?;
        Ok(outcome)
    }

    fn machine(
        &self,
        under: Under,
        truncation: Truncation,
        end: Box<dyn Transport>,
        roles: Vec<Party>,
        seeds: &Seeds,
    ) -> Result<Machine> {
        let (me, parties) = (end.me(), end.parties());
        let setup = self.setup(parties, truncation);
        let protocol = under.protocol.build(&setup, me, seeds)?;
        let own = |(variable, values): (&mpc_bytecode::Variable, &Vec<i128>)| {
            let Receivers::Roles(owner) = &variable.receivers else { return None };
            (roles[owner[0] as usize] == me).then(|| values.clone())
        };
        let inputs = self.program.inputs.iter().zip(&self.inputs).map(own).collect();
        let binding = Binding { roles, inputs, tile_bits: under.tile_bits };
        Machine::new(Rc::new(self.program.clone()), protocol, end, binding)
    }

    /// Runs all parties between threads.
    ///
    /// # Errors
    /// The first error of a party.
    pub fn run(&self, under: Under, truncation: Truncation, entry: &str) -> Result<Vec<Outcome>> {
        let party = |end| self.party(under, truncation, entry, Box::new(end));
        local::run(under.parties, party).into_iter().collect()
    }

    /// Why a protocol cannot run the program, if it says so before anything is sent: its numbers may be
    /// too wide.
    pub fn refused(&self, under: Under) -> Option<String> {
        let setup = self.setup(under.parties, Truncation::Exact);
        let made = under.protocol.build(&setup, 0, &seeds(0, under.parties));
        made.err().map(|error| error.to_string())
    }

    /// Runs under a protocol, unless that refuses it, and asserts what holds of every run with exact truncation: outputs equal
    /// the emulator's, bit for bit, at exactly the parties that get them; and what the wire counted is
    /// what was estimated, to the byte.
    ///
    /// # Errors
    /// What differs, in words.
    pub fn check(&self, under: Under, entry: &str) -> std::result::Result<(), String> {
        if let Some(reason) = self.refused(under) {
            println!("{under} refuses: {reason}");
            return Ok(());
        }
        let outcomes =
            self.run(under, Truncation::Exact, entry).map_err(|e| format!("{under}: {e}"))?;
        self.check_outputs(under, entry, &outcomes)?;
        self.check_cost(under, entry, &outcomes).map_err(|what| format!("{under}: {what}"))
    }

    /// Asserts that each party has the outputs of the emulator that it gets.
    fn check_outputs(
        &self,
        under: Under,
        entry: &str,
        outcomes: &[Outcome],
    ) -> std::result::Result<(), String> {
        let expected = self.emulate(entry).map_err(|e| format!("emulator: {e}"))?;
        for (me, outcome) in outcomes.iter().enumerate() {
            let due = expected.iter().filter(|o| self.receives(me, under, o.0)).cloned().collect();
            let (found, due) = (self.once(outcome.outputs.clone()), self.once(due));
            if found != due {
                let what = first_difference(&found, &due);
                return Err(format!("{under}, party {me}: {what}"));
            }
        }
        Ok(())
    }

    /// Makes the preprocessing of a run first and then runs with it, and asserts what holds of every run: the
    /// emulator's outputs, the bytes and rounds of the online phase as estimated, and nothing but keys
    /// agreed on anew. Programs that go where revealed values say are refused.
    ///
    /// # Errors
    /// What differs, in words.
    pub fn check_prepared(&self, under: Under, entry: &str) -> std::result::Result<(), String> {
        if self.refused(under).is_some() {
            return Ok(());
        }
        let wrong = |e: Error| format!("{under}: {e}");
        let kept = match self.prepare(under, entry) {
            Err(error) if error.to_string().contains("depends on a value that it reveals") => {
                println!("{under}: {error}");
                return Ok(());
            }
            made => made.map_err(wrong)?,
        };
        let kept: Vec<Mutex<Option<Kept>>> =
            kept.into_iter().map(|kept| Mutex::new(Some(kept))).collect();
        let used = |end: local::Local| {
            let kept = kept[end.me()].lock().expect("nobody panics").take().expect("used once");
            let memory = Memory(Rc::new(RefCell::new(kept)));
            let (me, parties) = (end.me(), end.parties());
            let mut seeds = seeds(me, parties);
            seeds.own[1] ^= 1; // it is another session
            seeds.session[1] ^= 1;
            let (roles, end) = (self.roles(parties), Box::new(end));
            let mut machine = self.machine(under, Truncation::Exact, end, roles, &seeds)?;
            machine.use_preprocessing(Box::new(memory.clone()));
            let outcome = machine.run(entry, &mut |_, _| {})?;
            machine.close()?;
            Ok((outcome, memory.0.borrow().len()))
        };
        let all: Result<Vec<_>> = local::run(under.parties, used).into_iter().collect();
        let (outcomes, left): (Vec<_>, Vec<_>) = all.map_err(wrong)?.into_iter().unzip();
        self.check_outputs(under, entry, &outcomes)?;
        let account = self.estimate(under, Truncation::Exact, entry, vec![]).map_err(wrong)?;
        let setup = self.setup(under.parties, Truncation::Exact);
        let protocol = under.protocol.build(&setup, 0, &seeds(0, under.parties)).map_err(wrong)?;
        let (agreed, name) = (protocol.setup_cost(under.parties).sent, under.protocol.info.name);
        for (party, (outcome, left)) in outcomes.iter().zip(left).enumerate() {
            let sent = |phase| outcome.stats.sent_in(phase).bytes;
            let (online, due) = (sent(Phase::Online), account.bytes(Phase::Online, party));
            let again = sent(Phase::Preprocessing);
            let keys = agreed[party].payload_bytes
                + agreed[party].messages * mpc_runtime::message::HEADER_BYTES as u64;
            // What was opened ahead has been checked ahead.
            let online_as_due = online == due || online < due && protocol.verifies();
            let made_again = again > keys && name != IN_PART_PREPARED;
            if !online_as_due || made_again || left > 0 {
                return Err(format!(
                    "{under}, party {party}: {online} bytes online, {due} are due; {again} ahead, keys \
                     take {keys}; {left} entries were not used"
                ));
            }
        }
        let rounds = outcomes.iter().map(|outcome| outcome.stats.rounds.online).max();
        match rounds.is_some_and(|rounds| {
            rounds == account.rounds.online || rounds < account.rounds.online && protocol.verifies()
        }) {
            true => Ok(()),
            false => Err(format!("{under}: {rounds:?} rounds, {} are due", account.rounds.online)),
        }
    }

    /// What all parties keep of the preprocessing of a run.
    fn prepare(&self, under: Under, entry: &str) -> Result<Vec<Kept>> {
        let party = |end: local::Local| {
            let (me, parties) = (end.me(), end.parties());
            let setup = self.setup(parties, Truncation::Exact);
            let protocol = under.protocol.build(&setup, me, &seeds(me, parties))?;
            let (roles, tile_bits) = (self.roles(parties), under.tile_bits);
            let binding = Binding { roles, tile_bits, ..Default::default() };
            let (program, memory) = (Rc::new(self.program.clone()), Memory::default());
            let (end, keeper) = (Box::new(end), Box::new(memory.clone()));
            prepare(program, protocol, end, binding, entry, keeper, &mut |_, _| {})?;
            Ok(memory.0.take())
        };
        // What the program has wrong comes before the loss of a peer who found that first.
        let mut all = local::run(under.parties, party);
        let own =
            |made: &Result<Kept>| matches!(made, Err(e) if matches!(e.root(), Error::Program(_)));
        if let Some(first) = all.iter().position(own) {
            all.swap(0, first);
        }
        all.into_iter().collect()
    }

    /// An output to several roles is handed out once for each of them; a party may play some or all.
    fn once(&self, mut outputs: Outputs) -> Outputs {
        let shared = |id: u32| {
            let receivers = &self.program.outputs[id as usize].receivers;
            matches!(receivers, Receivers::Roles(roles) if roles.len() > 1)
        };
        outputs.dedup_by(|b, a| a == b && shared(a.0));
        outputs
    }

    fn receives(&self, me: Party, under: Under, output: u32) -> bool {
        let receivers = &self.program.outputs[output as usize].receivers;
        receivers.include(me, &self.roles(under.parties))
    }

    /// What a run costs whose jumps on clear conditions go as `decisions` say.
    ///
    /// # Errors
    /// The protocol cannot run the program.
    pub fn estimate(
        &self,
        under: Under,
        truncation: Truncation,
        entry: &str,
        decisions: Vec<bool>,
    ) -> Result<Account> {
        let setup = self.setup(under.parties, truncation);
        let (roles, tile_bits) = (self.roles(under.parties), under.tile_bits);
        let binding = Binding { roles, tile_bits, ..Default::default() };
        let program = Rc::new(self.program.clone());
        estimate(&program, under.protocol, &setup, binding, entry, decisions)
    }

    /// Bytes of shares at each party when they take most: as estimated, and in a run.
    ///
    /// # Errors
    /// The protocol cannot run the program.
    pub fn share_memory(&self, under: Under, entry: &str) -> Result<Vec<[u64; 2]>> {
        let setup = self.setup(under.parties, Truncation::Exact);
        let binding = Binding { roles: self.roles(under.parties), ..Default::default() };
        let program = Rc::new(self.program.clone());
        let estimated = estimate::memory(&program, under.protocol, &setup, &binding, entry)?;
        let taken = local::run(under.parties, |end| {
            take_peak_bytes();
            self.party(under, Truncation::Exact, entry, Box::new(end))?;
            Ok(take_peak_bytes() as u64)
        });
        let both = estimated.iter().map(|memory| memory.shares).zip(taken);
        both.map(|(estimated, taken)| Ok([estimated, taken?])).collect()
    }

    fn check_cost(
        &self,
        under: Under,
        entry: &str,
        outcomes: &[Outcome],
    ) -> std::result::Result<(), String> {
        let decisions = outcomes[0].decisions.clone();
        let account = self
            .estimate(under, Truncation::Exact, entry, decisions)
            .map_err(|e| format!("estimate: {e}"))?;
        for (party, outcome) in outcomes.iter().enumerate() {
            for phase in [Phase::Preprocessing, Phase::Online] {
                let (estimated, counted) =
                    (account.bytes(phase, party), outcome.stats.sent_in(phase).bytes);
                if estimated != counted {
                    let place = self.costly_difference(&account.by_place, outcomes);
                    return Err(format!(
                        "party {party} sent {counted} bytes {phase:?}, estimated {estimated}; {place}"
                    ));
                }
            }
        }
        let deepest = |of: fn(&Stats) -> u32| outcomes.iter().map(|o| of(&o.stats)).max();
        let counted = (deepest(|s| s.rounds.total), deepest(|s| s.rounds.online));
        let estimated = (Some(account.rounds.total), Some(account.rounds.online));
        if counted != estimated {
            return Err(format!("rounds (total, online) {counted:?}, estimated {estimated:?}"));
        }
        Ok(())
    }

    /// The first instruction whose count is not what was estimated.
    fn costly_difference(
        &self,
        estimated: &std::collections::BTreeMap<u32, mpc_protocols::Sent>,
        outcomes: &[Outcome],
    ) -> String {
        for (number, instruction) in self.program.code.iter().enumerate() {
            let due = estimated.get(&(number as u32)).copied().unwrap_or_default();
            let due = due.payload_bytes + due.messages * mpc_runtime::message::HEADER_BYTES as u64;
            let count = |o: &Outcome| o.stats.by_place.get(&(number as u32)).map_or(0, |c| c.bytes);
            let counted: u64 = outcomes.iter().map(count).sum();
            if due != counted {
                let text: String = instruction.print().chars().take(100).collect();
                return format!("first at `{text}`: counted {counted}, estimated {due} in all");
            }
        }
        "equal at each instruction".into()
    }
}

/// Turns bits into numbers by two products, one after the other; the triple of the second, for which it needs
/// nothing but common keys, is made when it is needed.
const IN_PART_PREPARED: &str = "mal-rep3-ring";

/// What is kept of preprocessing, by the names of steps.
type Kept = HashMap<OpId, Vec<u8>>;

/// Keeps preprocessing in memory.
#[derive(Clone, Default)]
struct Memory(Rc<RefCell<Kept>>);

impl Keeper for Memory {
    fn keep(&mut self, id: OpId, bytes: &[u8]) -> Result<()> {
        let before = self.0.borrow_mut().insert(id, bytes.to_vec());
        assert!(before.is_none(), "names are used once");
        Ok(())
    }

    fn take(&mut self, id: OpId) -> Result<Option<mpc_protocols::protocol::Keys>> {
        Ok(self.0.borrow_mut().remove(&id).map(Into::into))
    }
}

/// Seeds of one party; those of a pair are equal at both.
fn seeds(me: Party, parties: usize) -> Seeds {
    let pair = |other: usize| {
        let mut seed = [7; 32];
        (seed[0], seed[1]) = (me.min(other) as u8, me.max(other) as u8);
        seed
    };
    Seeds { session: [9; 32], own: [me as u8 + 100; 32], pair: (0..parties).map(pair).collect() }
}

fn first_difference(found: &Outputs, due: &Outputs) -> String {
    for (found, due) in found.iter().zip(due) {
        if found != due {
            return format!("output {} is {:?}, the emulator says {:?}", due.0, found.1, due.1);
        }
    }
    format!("{} outputs, {} are due", found.len(), due.len())
}

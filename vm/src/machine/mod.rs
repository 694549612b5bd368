//! The machine: one party's run of a program under any protocol.
//!
//! Instructions issue in order. Control flow and addresses depend on machine integers and clear
//! values only and are settled at issue; everything else becomes a task of the executor that waits
//! for its operands, calls a verb of the protocol, and gives its result. So what does not depend on
//! each other overlaps and shares rounds. The number of tasks in flight and the memory they hold are
//! bounded; when a bound is reached, issue pauses.

mod bank;
mod execute;
mod fuse;
mod gate;
mod levels;
mod tiles;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Instant;

use mpc_bytecode::execute::Execute;
use mpc_bytecode::{Bank as BankName, Circuit, Element, Gate, Program, Receivers, Run};
use mpc_protocols::blocks::netlist::{self, Netlist};
use mpc_protocols::value::live_bytes;
use mpc_protocols::{Call, Clear, ClearBits, Protocol, Sent, Shares, Unit, Units, Verb};
use mpc_runtime::executor::EARLY_BYTES;
use mpc_runtime::{
    Depth, Error, Executor, Keeper, Party, Preprocessing, Result, Slot, Stats, Transport,
};

use bank::{Bank, Source};
use gate::Checks;
use levels::Levels;

/// Tasks in flight: at first, and at most. A window of few tasks stays in the cache, which is all that
/// matters while each waits for the one before; it grows where tasks do not depend on each other.
const FIRST_WINDOW: usize = 1 << 8;
const LAST_WINDOW: usize = 1 << 14;

/// Tasks in flight where one party waits for nothing, as one that garbles: of what it sends, no more comes out
/// of the order in which its peer awaits it, and must be kept there.
const ONE_WAY_WINDOW: usize = 1 << 5;

/// Half a window that is over in fewer waits for messages waited for the rest of the program.
const FEW_WAITS: usize = 8;

/// Memory in flight beyond what the registers of the program take, in bytes.
const SPARE_BYTES: usize = 64 << 20;

/// A peer that is ahead has sent at most so many bytes for each byte of shares that its tasks in
/// flight hold, and these are bounded as they are here.
const EARLY_FACTOR: usize = 8;

/// What a run is given beside the program.
#[derive(Clone, Debug, Default)]
pub struct Binding {
    /// Party that plays each role.
    pub roles: Vec<Party>,
    /// Values of the inputs, by id, where this party plays the owner: integers, fixed point scaled,
    /// bits as 0 and 1.
    pub inputs: Vec<Option<Vec<i128>>>,
    /// Bits of the longest operand that one task works on, equal at all parties; a size that suits
    /// caches if `None`.
    pub tile_bits: Option<usize>,
}

/// What a party has at the end of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Outputs that this party receives, in program order: id and values.
    pub outputs: Vec<(u32, Vec<i128>)>,
    /// What was sent.
    pub stats: Stats,
    /// Instructions executed, loops counted as often as they ran.
    pub instructions: u64,
    /// Which way each jump on a clear condition went: `true` where it was taken.
    pub decisions: Vec<bool>,
}

/// Told from time to time how far a run is: instructions issued, and the static number of the latest.
pub type Progress<'a> = &'a mut dyn FnMut(u64, usize);

/// One party's run of a program.
pub struct Machine {
    program: Rc<Program>,
    protocol: Rc<dyn Protocol>,
    executor: Executor,
    levels: Levels,
    binding: Binding,
    /// Inputs by id, where this party has them.
    inputs: Vec<Option<Clear>>,
    numbers: Bank<Shares>,
    bits: Bank<Shares>,
    clear: Bank<Clear>,
    clear_bits: Bank<ClearBits>,
    integers: Vec<i64>,
    states: BTreeMap<u32, Rc<Slot<Shares>>>,
    outputs: Vec<(u32, Rc<Slot<Handed>>)>,
    /// For each instruction, whether it runs together with the next.
    fused: Vec<bool>,
    /// Next instruction.
    pc: usize,
    halted: bool,
    /// Depth of the clear values that led here.
    control: Depth,
    tasks: u64,
    /// Tasks in flight at which issue pauses.
    window: usize,
    issued: u64,
    /// First tasks of the latest instructions.
    begun: VecDeque<u64>,
    /// Whether parties go in step, and tasks as they like: none is far ahead, and no check decides who goes on.
    in_step: bool,
    decisions: Vec<bool>,
    absent: Absent,
    memory_limit: usize,
    tile_bits: usize,
    /// Whether the protocol has agreed on its keys.
    set_up: bool,
    /// Circuits by id.
    netlists: Rc<[Netlist]>,
    checks: Checks,
    /// Whether a peer failed or misbehaved: nothing is to be learnt from keys and shares any more.
    broken: bool,
}

/// What is done where a clear value is absent that decides what comes next.
enum Absent {
    /// That is an error.
    Wrong,
    /// Costs are estimated: decisions, in order; then jumps are taken. Any index will do.
    Replayed(std::vec::IntoIter<bool>),
    /// Preprocessing is made: any index will do.
    Unforeseen,
}

/// Instructions ahead of their use from which long vectors are shared: some layers of a network.
const AHEAD: usize = 24;

/// Place of what happens before the first instruction.
const SETUP: u32 = u32::MAX;

/// An output value, or nothing where this party is no receiver.
type Handed = Option<Vec<i128>>;

/// Whether gates take messages of some parties only.
fn one_way(protocol: &dyn Protocol) -> bool {
    let cost = protocol.cost(&Call { verb: Verb::And, len: 1 << 16, bits: 1, whole: 0 });
    let silent = |sent: &Sent| *sent == Sent::default();
    cost.is_some_and(|cost| cost.sent.iter().any(silent) && !cost.sent.iter().all(silent))
}

impl Machine {
    /// A machine for one party of a session.
    ///
    /// # Errors
    /// The binding does not fit the program: a role without party, a missing or mis-sized input.
    pub fn new(
        program: Rc<Program>,
        protocol: Rc<dyn Protocol>,
        transport: Box<dyn Transport>,
        binding: Binding,
    ) -> Result<Machine> {
        check_binding(&program, &binding, transport.me(), transport.parties())?;
        let mut executor = Executor::new(transport);
        executor.set_clock(nanoseconds);
        let mut machine = Machine::unchecked(program, protocol, executor, binding);
        machine.executor.set_early_limit(machine.early_limit());
        Ok(machine)
    }

    /// A machine that runs the preprocessing of a program only, and keeps it; `protocol` is a
    /// [`mpc_protocols::Preparer`].
    pub(crate) fn preparing(
        program: Rc<Program>,
        protocol: Rc<dyn Protocol>,
        transport: Box<dyn Transport>,
        binding: Binding,
        keeper: Box<dyn Keeper>,
    ) -> Machine {
        let mut executor = Executor::new(transport);
        executor.set_clock(nanoseconds);
        executor.set_preprocessing(Preprocessing::Made(keeper));
        let mut machine = Machine::unchecked(program, protocol, executor, binding);
        machine.absent = Absent::Unforeseen;
        machine.executor.set_early_limit(machine.early_limit());
        machine
    }

    /// Takes the preprocessing of the run from what an earlier one has kept.
    pub fn use_preprocessing(&mut self, keeper: Box<dyn Keeper>) {
        self.executor.set_preprocessing(Preprocessing::Used(keeper));
    }

    /// Bytes that a peer may send ahead.
    fn early_limit(&self) -> usize {
        EARLY_BYTES.saturating_add(self.memory_limit.saturating_mul(EARLY_FACTOR))
    }

    pub(crate) fn unchecked(
        program: Rc<Program>,
        protocol: Rc<dyn Protocol>,
        executor: Executor,
        mut binding: Binding,
    ) -> Machine {
        let memory_limit = register_bytes(&program, &*protocol).saturating_mul(6) / 5 + SPARE_BYTES;
        let one_way = one_way(&*protocol);
        let window = if one_way { ONE_WAY_WINDOW } else { FIRST_WINDOW };
        let in_step = !one_way && !protocol.verifies();
        let tile_bits = binding.tile_bits.unwrap_or_else(|| protocol.tile_bits());
        let inputs = std::mem::take(&mut binding.inputs).into_iter();
        let inputs = inputs.map(|x| x.map(|values| Clear::new(values, Depth::ZERO))).collect();
        let netlists = program.circuits.iter().map(netlist).collect();
        Machine {
            integers: vec![0; program.registers(BankName::R) as usize],
            fused: fuse::fused(&program),
            levels: Levels::new(&program, protocol.clone(), executor.parties()),
            checks: Checks::new(&executor, protocol.verifies()),
            program,
            protocol,
            executor,
            binding,
            inputs,
            numbers: Bank::new(64),
            bits: Bank::new(1),
            clear: Bank::new(64),
            clear_bits: Bank::new(1),
            states: BTreeMap::new(),
            outputs: vec![],
            pc: 0,
            halted: false,
            control: Depth::ZERO,
            tasks: 0,
            window,
            issued: 0,
            begun: VecDeque::new(),
            in_step,
            decisions: vec![],
            absent: Absent::Wrong,
            memory_limit,
            tile_bits,
            set_up: false,
            netlists,
            broken: false,
        }
    }

    /// Lets jumps on absent conditions go as recorded, and takes absent indices for 0.
    pub(crate) fn replay(&mut self, decisions: Vec<bool>) {
        self.absent = Absent::Replayed(decisions.into_iter());
    }

    /// Runs an entry to its end.
    ///
    /// # Errors
    /// Whatever stops the run, with instruction and source line.
    pub fn run(&mut self, entry: &str, progress: Progress<'_>) -> Result<Outcome> {
        if self.broken {
            return Err(Error::Program("the session ended with an error; begin another".into()));
        }
        let outcome = self.execute(entry, progress);
        let of_the_program = |error: &Error| matches!(error.root(), Error::Program(_));
        self.broken = outcome.as_ref().is_err_and(|error| !of_the_program(error));
        outcome
    }

    fn execute(&mut self, entry: &str, progress: Progress<'_>) -> Result<Outcome> {
        let found = self.program.entries.iter().find(|e| e.name == entry);
        let Some(entry) = found else {
            let names: Vec<_> = self.program.entries.iter().map(|e| e.name.as_str()).collect();
            let text = format!("no entry `{entry}`; the program has {}", names.join(", "));
            return Err(Error::Program(text));
        };
        let start = entry.start as usize;
        self.set_up()?;
        self.pc = start;
        self.halted = false;
        let program = self.program.clone();
        while !self.halted {
            let at = self.pc;
            if self.at_gate() && !self.joins_gate(&program.code[at]) {
                self.pass_gate()?;
            }
            self.begun.push_back(self.tasks);
            if self.begun.len() > AHEAD {
                self.begun.pop_front();
            }
            self.pc += 1;
            self.issued += 1;
            let done = if self.fused[at] {
                let done = self.run_fused([&program.code[at], &program.code[at + 1]]);
                self.pc += 1;
                self.issued += 1;
                done
            } else {
                self.step(&program.code[at])
            };
            done.map_err(|error| self.located(Some(at as u32), error))?;
            if self.issued.is_multiple_of(256) {
                progress(self.issued, at);
            }
            self.throttle()?;
        }
        self.pass_gate()?;
        self.drain()?;
        if matches!(self.absent, Absent::Unforeseen) {
            self.check()?; // what is kept is right
        }
        self.executor.check_leftovers()?;
        let outputs = self.outputs.drain(..).filter_map(|(id, slot)| {
            let handed = slot.get().expect("all tasks are over");
            handed.clone().map(|values| (id, values))
        });
        Ok(Outcome {
            outputs: outputs.collect(),
            stats: self.executor.stats(),
            instructions: self.issued,
            decisions: std::mem::take(&mut self.decisions),
        })
    }

    /// Lets the protocol agree on its keys, once.
    fn set_up(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.set_up, true) {
            return Ok(());
        }
        let step = self.executor.step(self.tasks, SETUP, Depth::ZERO);
        let protocol = self.protocol.clone();
        let setup = async move { mpc_protocols::set_up(&*protocol, &step).await };
        self.executor.spawn(self.tasks, SETUP, setup);
        self.tasks += 1;
        self.drive(|executor| executor.pending() == 0).map(drop)
    }

    /// Sends what is queued and says goodbye to the peers.
    ///
    /// # Errors
    /// A peer is lost.
    pub fn close(&mut self) -> Result<()> {
        self.executor.close()
    }

    /// What was sent so far.
    pub fn stats(&self) -> Stats {
        self.executor.stats()
    }

    /// Keeps tasks and memory in flight within bounds.
    fn throttle(&mut self) -> Result<()> {
        self.check_if_due()?;
        if self.at_gate() {
            // Releases end when they have passed the gate, not before.
            return if self.crowded() { self.pass_gate() } else { Ok(()) };
        }
        if self.executor.pending() >= self.window {
            let half = self.window / 2;
            let waits = self.drive(|executor| executor.pending() < half)?;
            if waits < FEW_WAITS && self.window > ONE_WAY_WINDOW {
                self.window = LAST_WINDOW.min(2 * self.window);
            }
        }
        if live_bytes() > self.memory_limit {
            let limit = self.memory_limit;
            self.drive(|executor| executor.pending() == 0 || live_bytes() <= limit)?;
        }
        Ok(())
    }

    /// Lets tasks run and messages come until `done`, or until nothing goes on before a check; how often it
    /// waited for messages.
    fn drive(&mut self, done: impl Fn(&Executor) -> bool) -> Result<usize> {
        let mut waits = 0;
        loop {
            let ran = self.executor.run_ready();
            ran.map_err(|(place, error)| self.located(place, error))?;
            if done(&self.executor) || self.held_up() {
                return Ok(waits);
            }
            waits += 1;
            let came = self.executor.wait();
            came.map_err(|(place, error)| self.located(place, error))?;
        }
    }

    /// The error with the instruction and source line where it came up.
    fn located(&self, place: Option<u32>, error: Error) -> Error {
        let Some(number) = place.map(|p| p as usize) else { return error };
        if number == SETUP as usize {
            return error.at("the setup of the protocol");
        }
        let name = self.program.code.get(number).map_or("?", |i| i.mnemonic());
        match self.program.place(number) {
            source if source.is_empty() => error.at(format!("`{name}`, instruction {number}")),
            source => error.at(format!("`{name}` of {source}")),
        }
    }

    /// The registers a run names, now that machine integers are known.
    fn resolve(&self, bank: BankName, run: Run) -> Result<Run> {
        let Some(r) = run.index else { return Ok(run) };
        let base = i128::from(run.base) + i128::from(self.integers[r as usize]);
        let end = base + i128::from(run.len);
        if base < 0 || end > i128::from(self.program.registers(bank)) {
            let text = format!("registers {base}..{end} are outside bank {}", bank.letters());
            return Err(Error::Program(text));
        }
        Ok(Run::new(base as u64, run.len))
    }
}

/// A circuit of a program in the form in which it is evaluated.
fn netlist(circuit: &Circuit) -> Netlist {
    let gates = circuit.gates.iter().map(|&gate| match gate {
        Gate::And(a, b) => netlist::Gate::And(a, b),
        Gate::Xor(a, b) => netlist::Gate::Xor(a, b),
        Gate::Not(a) => netlist::Gate::Not(a),
        Gate::Constant(bit) => netlist::Gate::Constant(bit),
    });
    Netlist::new(circuit.input_bits(), gates, circuit.results.clone())
}

/// Nanoseconds since the first call.
fn nanoseconds() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

fn unwritten() -> Error {
    Error::Program("a register is read before it is written".into())
}

/// Reading and writing registers, by bank.
macro_rules! access {
    ($($read:ident, $write:ident, $bank:ident, $field:ident, $ty:ty;)*) => {
        impl Machine { $(
            fn $read(&self, run: Run) -> Result<Source<$ty>> {
                self.$field.read(self.resolve(BankName::$bank, run)?).ok_or_else(unwritten)
            }
            fn $write(&mut self, run: Run, level: u32) -> Result<Rc<Slot<$ty>>> {
                let (run, slot) = (self.resolve(BankName::$bank, run)?, Rc::new(self.executor.slot()));
                self.$field.write(run, slot.clone(), level);
                Ok(slot)
            }
        )* }
    };
}
access! {
    read_s, write_s, S, numbers, Shares;
    read_sb, write_sb, SB, bits, Shares;
    read_c, write_c, C, clear, Clear;
    read_cb, write_cb, CB, clear_bits, ClearBits;
}

/// Bytes that the registers take when all are in use.
pub fn register_bytes(program: &Program, protocol: &dyn Protocol) -> usize {
    let Units { number, bit, .. } = protocol.units();
    let of_64 = |units: &[Unit]| units.iter().map(|unit| 8 * unit.words(64) as u64).sum::<u64>();
    let numbers = program.registers(BankName::S).saturating_mul(of_64(&number) / 64);
    let bits = program.registers(BankName::SB).div_ceil(64).saturating_mul(of_64(&bit));
    let clear = program.registers(BankName::C).saturating_mul(16);
    let all = numbers.saturating_add(bits).saturating_add(clear);
    usize::try_from(all).unwrap_or(usize::MAX)
}

fn check_binding(program: &Program, binding: &Binding, me: Party, parties: usize) -> Result<()> {
    let fail = |text: String| Err(Error::Program(text));
    if binding.roles.len() != program.roles.len() {
        return fail(format!(
            "{} roles are bound, the program has {}",
            binding.roles.len(),
            program.roles.len()
        ));
    }
    for (role, &party) in program.roles.iter().zip(&binding.roles) {
        if party >= parties {
            return fail(format!(
                "role {role} is played by party {party}, there are {parties} parties"
            ));
        }
    }
    for (id, variable) in program.inputs.iter().enumerate() {
        let Receivers::Roles(owner) = &variable.receivers else { continue };
        if binding.roles[owner[0] as usize] != me {
            continue;
        }
        let Some(values) = binding.inputs.get(id).and_then(Option::as_ref) else {
            let role = &program.roles[owner[0] as usize];
            return fail(format!("input {} of role {role} is missing", variable.name));
        };
        let due = variable.len().expect("verified on load");
        if values.len() as u64 != due {
            return fail(format!(
                "input {} has {} values, {due} are due",
                variable.name,
                values.len()
            ));
        }
        check_range(&variable.name, variable.element, values)?;
    }
    Ok(())
}

fn check_range(name: &str, element: Element, values: &[i128]) -> Result<()> {
    let fits = |&x: &i128| match element {
        Element::Bool => x == 0 || x == 1,
        Element::Int(k) | Element::Fix(k, _) | Element::Wrap(k) => x >> (k - 1) == x >> 127,
    };
    match values.iter().position(|x| !fits(x)) {
        None => Ok(()),
        Some(at) => Err(Error::Program(format!(
            "input {name}: value {at} is out of the range of {element}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use mpc_protocols::registry::PROTOCOLS;
    use mpc_protocols::testing::conformance::setup;
    use mpc_protocols::{Info, Seeds, Truncation};

    use super::*;

    fn all_built() -> impl Iterator<Item = (&'static Info, Rc<dyn Protocol>)> {
        PROTOCOLS.iter().map(|entry| {
            let parties = entry.info.parties.least();
            let setup = setup(parties, 64, Truncation::Exact);
            let seeds = Seeds { session: [0; 32], own: [1; 32], pair: vec![[0; 32]; parties] };
            (entry.info, entry.build(&setup, 0, &seeds).unwrap())
        })
    }

    #[test]
    fn gates_go_one_way_where_one_party_garbles() {
        let one_way = all_built().filter(|(_, p)| one_way(&**p));
        assert_eq!(one_way.map(|(info, _)| info.name).collect::<Vec<_>>(), ["yao"]);
    }

    /// Where parties follow the protocol numbers are told as they are, and a peer that lies would be
    /// believed.
    #[test]
    fn protocols_protect_against_whom_they_say() {
        for (info, p) in all_built() {
            assert_eq!(p.security(), info.security, "{}", info.name);
        }
    }
}

//! What a program costs under a protocol, without data and without peers.
//!
//! The machine runs the program on a [`Ledger`]: the same instructions and blocks, with declared
//! costs instead of work. The prediction equals what the wire counts, to the byte.

use std::rc::Rc;

use mpc_bytecode::{Program, Receivers, Variable};
use mpc_protocols::ledger::{Account, Ledger};
use mpc_protocols::registry::Entry;
use mpc_protocols::{Protocol, Seeds, Setup};
use mpc_runtime::buffer::{KEPT_BYTES, take_peak_bytes};
use mpc_runtime::transport::Silent;
use mpc_runtime::{Executor, Party, Result};

use crate::machine::{Binding, Machine};
use crate::net::socket::MOST_QUEUED;

/// The cost of running `entry` of a program under a protocol, roles played as `binding` says; it needs
/// no inputs.
///
/// Jumps on clear conditions go as `decisions` say ([`crate::machine::Outcome::decisions`] of a run);
/// where these end, a loop ends.
///
/// # Errors
/// The protocol cannot run the program, or an address depends on data.
pub fn estimate(
    program: &Rc<Program>,
    protocol: &Entry,
    setup: &Setup,
    binding: Binding,
    entry: &str,
    decisions: Vec<bool>,
) -> Result<Account> {
    let scheme = built(protocol, setup, 0)?;
    let ledger = Rc::new(Ledger::new(scheme, setup.parties));
    run(program, &ledger, 0, setup.parties, binding, entry, decisions)?;
    Ok(ledger.account())
}

/// What a process takes before it has read a program.
const PROCESS_BYTES: u64 = 13 << 20;

/// What a clear number takes.
const CLEAR_BYTES: u64 = size_of::<i128>() as u64;

/// Memory of one party, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Of shares and messages that came, when they take most.
    pub shares: u64,
    /// Of its inputs in the clear.
    pub inputs: u64,
}

impl Memory {
    /// What its process takes at most: itself; its inputs, and their message as far as it waits for a peer to
    /// take it; its shares, and up to twice as much in buffers and in the heap, which are kept for use again.
    pub fn resident(self) -> u64 {
        let (queued, kept) = (MOST_QUEUED as u64, KEPT_BYTES as u64);
        let message = self.inputs / CLEAR_BYTES * size_of::<u64>() as u64;
        let inputs = self.inputs + message.min(queued);
        PROCESS_BYTES + inputs + self.shares + kept.min(2 * self.shares)
    }
}

/// Memory of each party, as [`estimate`] has a program run.
///
/// The machine runs on a [`Ledger`] that counts what its vectors would take, and issues as it would among
/// peers. What a kernel takes beside its operands and its result does not count.
///
/// # Errors
/// As [`estimate`].
pub fn memory(
    program: &Rc<Program>,
    protocol: &Entry,
    setup: &Setup,
    binding: &Binding,
    entry: &str,
) -> Result<Vec<Memory>> {
    let of_party = |me: Party| {
        let scheme = built(protocol, setup, me)?;
        let ledger = Rc::new(Ledger::with_memory(scheme, setup.parties));
        take_peak_bytes();
        run(program, &ledger, me, setup.parties, binding.clone(), entry, vec![])?;
        let shares = take_peak_bytes() as u64;
        let owned = program.inputs.iter().filter(|input| match &input.receivers {
            Receivers::Roles(roles) => roles.iter().any(|&r| binding.roles[r as usize] == me),
            Receivers::All => false,
        });
        let inputs = owned.filter_map(Variable::len).map(|len| CLEAR_BYTES * len).sum();
        Ok(Memory { shares, inputs })
    };
    (0..setup.parties).map(of_party).collect()
}

fn built(protocol: &Entry, setup: &Setup, me: Party) -> Result<Rc<dyn Protocol>> {
    let seeds = Seeds { session: [0; 32], own: [0; 32], pair: vec![[0; 32]; setup.parties] };
    protocol.build(setup, me, &seeds)
}

fn run(
    program: &Rc<Program>,
    ledger: &Rc<Ledger>,
    me: Party,
    parties: usize,
    binding: Binding,
    entry: &str,
    decisions: Vec<bool>,
) -> Result<()> {
    let executor = Executor::new(Box::new(Silent { me, parties }));
    let mut machine = Machine::unchecked(program.clone(), ledger.clone(), executor, binding);
    machine.replay(decisions);
    machine.run(entry, &mut |_, _| {}).map(drop)
}

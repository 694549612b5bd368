//! What a program costs under a protocol, without data and without peers.
//!
//! The machine runs the program on a [`Ledger`]: the same instructions and blocks, with declared
//! costs instead of work. The prediction equals what the wire counts, to the byte.

use std::rc::Rc;

use mpc_bytecode::Program;
use mpc_protocols::ledger::{Account, Ledger};
use mpc_protocols::registry::Entry;
use mpc_protocols::{Seeds, Setup};
use mpc_runtime::transport::Frame;
use mpc_runtime::{Error, Executor, Header, Party, Result, Transport};

use crate::machine::{Binding, Machine};

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
    let seeds = Seeds { session: [0; 32], own: [0; 32], pair: vec![[0; 32]; setup.parties] };
    let scheme = protocol.build(setup, 0, &seeds)?;
    let ledger = Rc::new(Ledger::new(scheme, setup.parties));
    let executor = Executor::new(Box::new(Silent { parties: setup.parties }));
    let mut machine = Machine::unchecked(program.clone(), ledger.clone(), executor, binding);
    machine.replay(decisions);
    machine.run(entry, &mut |_, _| {})?;
    Ok(ledger.account())
}

/// A transport of a party that says and hears nothing.
struct Silent {
    parties: usize,
}

impl Transport for Silent {
    fn me(&self) -> Party {
        0
    }

    fn parties(&self) -> usize {
        self.parties
    }

    fn send(&mut self, _: Party, _: &Header, _: &[u8]) -> Result<()> {
        Err(Error::Transport("a ledger sends nothing".into()))
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn receive(&mut self, _: &mut Vec<Frame>, _: bool, _: &[Party]) -> Result<()> {
        Err(Error::Transport("a ledger receives nothing".into()))
    }

    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

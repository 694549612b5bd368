//! Preprocessing made ahead of a run, for runs of one program under one protocol.
//!
//! The machine runs the program on a [`Preparer`]: the same instructions and blocks, of which only the
//! preprocessing talks to the peers. What comes of it is kept by the names of steps, which the run that
//! uses it has too.

use std::rc::Rc;

use mpc_bytecode::Program;
use mpc_protocols::{Preparer, Protocol};
use mpc_runtime::{Keeper, Result, Transport};

use crate::machine::{Binding, Machine, Outcome, Progress};

/// Makes the preprocessing that a run of `entry` takes, roles played as `binding` says, and hands it to
/// `keeper`. Inputs are not needed. What is there when this has ended is verified.
///
/// # Errors
/// Whatever stops a run; where the program goes depends on values that it reveals; what `keeper` says.
pub fn prepare(
    program: Rc<Program>,
    protocol: Rc<dyn Protocol>,
    transport: Box<dyn Transport>,
    binding: Binding,
    entry: &str,
    keeper: Box<dyn Keeper>,
    progress: Progress<'_>,
) -> Result<Outcome> {
    let preparer = Rc::new(Preparer::new(protocol));
    let mut machine = Machine::preparing(program, preparer, transport, binding, keeper);
    let outcome = machine.run(entry, progress)?;
    machine.close()?;
    Ok(outcome)
}

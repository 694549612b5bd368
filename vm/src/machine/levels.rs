//! When a value will be there, in rounds, known at issue.
//!
//! Groups of one instruction share messages. A group whose operands are there early must not wait for
//! one whose operands come late: that could lengthen the longest chain. So only groups whose operands
//! are there after the same number of rounds are joined. How many rounds a verb takes is what its
//! scheme declares; verbs made of blocks are asked of a [`Ledger`], once for each shape. All parties
//! come to the same levels, whatever arrives when.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use mpc_bytecode::Program;
use mpc_protocols::ledger::Ledger;
use mpc_protocols::{Clear, ClearBits, Protocol, Shares};
use mpc_runtime::{Depth, Step};

use super::execute::{Operand, Wanted};

/// A verb call as far as its rounds depend on it: opcode, hash of the parameters, length.
type Shape = (u8, u64, usize);

/// How a verb goes.
#[derive(Clone, Copy, Default)]
pub(super) struct Course {
    /// Rounds.
    pub(super) rounds: u32,
    /// Whether it waits for a check, if there is any.
    pub(super) waits: bool,
}

/// Rounds of verbs by shape.
pub(super) struct Levels {
    ledger: Ledger,
    courses: HashMap<Shape, Course>,
    /// Whether any instruction has several groups: else levels decide nothing and are all 0.
    needed: bool,
    /// Whether verbs may wait for checks.
    checks: bool,
}

impl Levels {
    pub(super) fn new(program: &Program, protocol: Rc<dyn Protocol>, parties: usize) -> Levels {
        let needed = program.code.iter().any(|instruction| instruction.groups() > 1);
        let checks = protocol.verifies();
        Levels { ledger: Ledger::new(protocol, parties), courses: HashMap::new(), needed, checks }
    }

    /// How a verb goes on operands of these lengths, which are there at once.
    pub(super) fn course<T: HasDepth>(
        &mut self,
        shape: Shape,
        step: Step,
        operands: Vec<Operand>,
        verb: impl AsyncFn(&dyn Protocol, &Step, &[Operand]) -> mpc_runtime::Result<T>,
    ) -> Course {
        if !self.needed && !self.checks {
            return Course::default();
        }
        if let Some(&course) = self.courses.get(&shape) {
            return course;
        }
        let waits = Rc::new(Cell::new(false));
        let reached = waits.clone();
        step.set_barrier(Rc::new(move || {
            reached.set(true);
            Box::pin(std::future::ready(Depth::ZERO))
        }));
        let call = std::pin::pin!(verb(&self.ledger, &step, &operands));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let rounds = match call.poll(&mut context) {
            std::task::Poll::Ready(Ok(value)) if self.needed => value.depth().online,
            // What a ledger cannot run, a protocol cannot either: the error comes up there.
            _ => 0,
        };
        let course = Course { rounds, waits: waits.get() };
        self.courses.insert(shape, course);
        course
    }
}

/// A value that knows the chain it came from.
pub(super) trait HasDepth {
    fn depth(&self) -> Depth;
}

macro_rules! has_depth {
    ($($ty:ty),*) => { $( impl HasDepth for $ty {
        fn depth(&self) -> Depth {
            self.depth
        }
    } )* };
}
has_depth!(Shares, Clear, ClearBits);

impl Wanted {
    /// Rounds after which the operand is there.
    pub(super) fn level(&self) -> u32 {
        match self {
            Wanted::Secret(source, _) => source.level(),
            Wanted::Clear(source, _) => source.level(),
            Wanted::ClearBits(source, _) => source.level(),
        }
    }

    /// Elements of the operand, stretched.
    pub(super) fn len(&self) -> usize {
        match self {
            Wanted::Secret(_, len) | Wanted::Clear(_, len) | Wanted::ClearBits(_, len) => *len,
        }
    }

    /// An operand of that kind without content.
    pub(super) fn phantom(&self, len: usize) -> Operand {
        match self {
            Wanted::Secret(..) => Operand::Secret(Shares::phantom(len, Depth::ZERO)),
            Wanted::Clear(..) => Operand::Clear(Clear::absent(len, Depth::ZERO)),
            Wanted::ClearBits(..) => Operand::ClearBits(ClearBits::absent(len, Depth::ZERO)),
        }
    }
}

//! The context that a protocol verb works in: where in the program it is, whom it talks to.

use std::cell::{Cell, OnceCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use zeroize::Zeroizing;

use crate::executor::{Core, MessageKey, Receive};
use crate::message::MAX_PAYLOAD_BYTES;
use crate::{Depth, Error, Header, Key, Label, Party, Phase, Preprocessing, Result, Stream};

/// Forks of one step at one level.
const MAX_FORKS: u64 = (1 << 16) - 1;

/// What comes before an opening within a verb, each time anew: gives the depth of what is known then.
pub type Barrier = Rc<dyn Fn() -> Pin<Box<dyn Future<Output = Depth>>>>;

/// One instruction of a run, or a part of it that goes on by itself.
///
/// Verbs of one step are called one after the other. What shall run side by side gets a fork of its
/// own ([`Step::fork`]): forks are numbered when they are made, so all parties agree on the names of
/// messages and streams however the answers arrive.
pub struct Step {
    core: Rc<Core>,
    id: u64,
    place: u32,
    path: u64,
    phase: Phase,
    base: Depth,
    whole: usize,
    /// Whether it only tells what verbs cost.
    hypothetical: bool,
    barrier: OnceCell<Barrier>,
    ops: Cell<u32>,
    forks: Cell<u64>,
}

impl Step {
    pub(crate) fn new(core: Rc<Core>, id: u64, place: u32, base: Depth) -> Step {
        Step {
            core,
            id,
            place,
            path: 0,
            phase: Phase::Online,
            base,
            whole: 0,
            hypothetical: false,
            barrier: OnceCell::new(),
            ops: Cell::new(0),
            forks: Cell::new(0),
        }
    }

    /// The same step, said to work on a tile of a vector of `elements`.
    #[must_use]
    pub fn tile_of(self, elements: usize) -> Step {
        Step { whole: elements, ..self }
    }

    /// The same step, said to work on vectors without content, to find out what verbs cost.
    #[must_use]
    pub fn hypothetical(self) -> Step {
        Step { hypothetical: true, ..self }
    }

    /// What the step of the preprocessing phase that this is yields, if an earlier run has kept it.
    ///
    /// # Errors
    /// It cannot be read, or is not what was written.
    pub fn kept(&self) -> Result<Option<Zeroizing<Vec<u8>>>> {
        match &mut *self.core.preprocessing.borrow_mut() {
            Preprocessing::Used(keeper) if !self.hypothetical => keeper.take(self.name()),
            _ => Ok(None),
        }
    }

    /// Keeps what the step of the preprocessing phase that this is yields, if this run makes
    /// preprocessing.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep(&self, bytes: impl FnOnce() -> Zeroizing<Vec<u8>>) -> Result<()> {
        match &mut *self.core.preprocessing.borrow_mut() {
            Preprocessing::Made(keeper) if !self.hypothetical => keeper.keep(self.name(), &bytes()),
            _ => Ok(()),
        }
    }

    /// The name of this step as that of a call.
    fn name(&self) -> OpId {
        OpId { step: self.id, path: self.path, op: 0 }
    }

    /// Says what comes before openings within verbs of this step and of its forks to come; once.
    pub fn set_barrier(&self, barrier: Barrier) {
        let first = self.barrier.set(barrier).is_ok();
        assert!(first, "a step has one barrier");
    }

    /// To be awaited before a verb opens what is not hidden by a uniform mask: verifies what led there,
    /// where that must be. The depth of that knowledge.
    pub async fn before_opening(&self) -> Depth {
        match self.barrier.get() {
            Some(barrier) => barrier().await,
            None => Depth::ZERO,
        }
    }

    /// A part of this step that runs beside what follows.
    pub fn fork(&self) -> Step {
        self.fork_in(self.phase)
    }

    /// A part of this step that belongs to the preprocessing phase. What it yields depends on no
    /// input.
    pub fn preprocessing(&self) -> Step {
        self.fork_in(Phase::Preprocessing)
    }

    /// This step, if it belongs to the preprocessing phase, otherwise a part of it that does.
    pub fn ahead(&self) -> Ahead<'_> {
        match self.phase {
            Phase::Preprocessing => Ahead::Itself(self),
            Phase::Online => Ahead::Part(self.preprocessing()),
        }
    }

    fn fork_in(&self, phase: Phase) -> Step {
        let fork = self.forks.get() + 1;
        self.forks.set(fork);
        assert!(fork <= MAX_FORKS && self.path >> 48 == 0, "too many forks of one step");
        let path = self.path << 16 | fork;
        let base = if phase == Phase::Preprocessing { Depth::ZERO } else { self.base };
        Step {
            core: self.core.clone(),
            phase,
            base,
            path,
            barrier: self.barrier.clone(),
            ops: Cell::new(0),
            forks: Cell::new(0),
            ..*self
        }
    }

    /// `n` forks.
    pub fn forks(&self, n: usize) -> Vec<Step> {
        (0..n).map(|_| self.fork()).collect()
    }

    /// To be awaited once the operands are there: work that can begin at any time steps back behind
    /// work that has just become possible.
    pub async fn turn(&self) {
        self.core.turn().await;
    }

    /// This party.
    pub fn me(&self) -> Party {
        self.core.me
    }

    /// Number of parties.
    pub fn parties(&self) -> usize {
        self.core.parties
    }

    /// Static number of the instruction.
    pub fn place(&self) -> u32 {
        self.place
    }

    /// Elements of the vector of which this step works on a tile, or 0: what is chosen by length is to
    /// be the same for all tiles.
    pub fn whole(&self) -> usize {
        self.whole
    }

    /// Phase that messages of this step are counted in.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Starts a verb whose messages are computed from values of depth `inputs`.
    pub fn op(&self, inputs: Depth) -> Op<'_> {
        self.core.enter(self.phase);
        let op = self.ops.get();
        self.ops.set(op + 1);
        Op { step: self, op, depth: Cell::new(inputs.max(self.base)) }
    }
}

/// The name of a call of a verb. What was recorded in the order of arrival is put in the order of these
/// before parties compare it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId {
    step: u64,
    path: u64,
    op: u32,
}

impl OpId {
    /// The name as bytes, for hashes.
    pub fn bytes(self) -> [u8; 20] {
        let mut out = [0; 20];
        out[..8].copy_from_slice(&self.step.to_le_bytes());
        out[8..16].copy_from_slice(&self.path.to_le_bytes());
        out[16..].copy_from_slice(&self.op.to_le_bytes());
        out
    }
}

/// A step of the preprocessing phase; see [`Step::ahead`].
pub enum Ahead<'a> {
    /// The step that it was asked of.
    Itself(&'a Step),
    /// A part of it.
    Part(Step),
}

impl std::ops::Deref for Ahead<'_> {
    type Target = Step;

    fn deref(&self) -> &Step {
        match self {
            Ahead::Itself(step) => step,
            Ahead::Part(step) => step,
        }
    }
}

/// One call of a verb: names its messages and random streams, and counts its rounds.
pub struct Op<'a> {
    step: &'a Step,
    op: u32,
    depth: Cell<Depth>,
}

impl Op<'_> {
    /// Sends a message of the present round. Each label goes to a peer at most once per verb.
    ///
    /// # Errors
    /// The transport is broken, or the payload is longer than a frame may be.
    pub fn send(&self, to: Party, label: Label, payload: &[u8]) -> Result<()> {
        if payload.len() > MAX_PAYLOAD_BYTES {
            let text = format!(
                "a vector is too long: message `{}` has {} bytes, one may have {MAX_PAYLOAD_BYTES}; \
                 work on parts of it in a loop",
                label.0,
                payload.len()
            );
            return Err(Error::Program(text));
        }
        let Step { core, id, place, path, phase, .. } = self.step;
        if core.refuses(*phase) {
            return Err(Error::OnlinePhase);
        }
        let header = Header {
            step: *id,
            path: *path,
            op: self.op,
            label: label.id(),
            phase: *phase,
            length: u32::try_from(payload.len()).expect("checked above"),
        };
        core.send(to, label, *place, self.depth.get().next(*phase), &header, payload)
    }

    /// Waits for the message of a peer with `bytes` of payload.
    ///
    /// # Errors
    /// The peer is lost, late, or sent another length than public data says.
    pub fn recv(&self, from: Party, label: Label, bytes: usize) -> Receive {
        let key = MessageKey {
            from,
            step: self.step.id,
            path: self.step.path,
            op: self.op,
            label: label.id(),
        };
        Receive::new(self.step.core.clone(), key, label, self.step.phase, bytes)
    }

    /// Ends the present round: later messages, and the result, are one deeper. Returns the depth.
    pub fn round(&self) -> Depth {
        self.depth.set(self.depth.get().next(self.step.phase));
        self.step.core.reached(self.depth.get());
        self.depth.get()
    }

    /// Names this call of a verb; equal at all parties.
    pub fn id(&self) -> OpId {
        OpId { step: self.step.id, path: self.step.path, op: self.op }
    }

    /// Depth of what is known now.
    pub fn depth(&self) -> Depth {
        self.depth.get()
    }

    /// The random stream of this verb under `key`; `purpose` tells apart the streams of one verb.
    pub fn stream(&self, key: &Key, purpose: u16) -> Stream {
        key.stream(self.step.id, self.step.path, self.op, purpose)
    }

    /// This party.
    pub fn me(&self) -> Party {
        self.step.me()
    }

    /// Number of parties.
    pub fn parties(&self) -> usize {
        self.step.parties()
    }
}

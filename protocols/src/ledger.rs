//! A protocol without data: the same program, the same blocks, and declared costs instead of work.
//!
//! The ledger asks the scheme what a call costs ([`Protocol::cost`]). Where the scheme leaves a verb
//! to the default, the ledger runs the default block on vectors that have length and depth only, so
//! that the block's own calls are counted. What it adds up must equal what the wire counts.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use mpc_runtime::message::HEADER_BYTES;
use mpc_runtime::{Depth, Party, Phase, Step};

use crate::algebra::contraction::Contraction;
use crate::blocks;
use crate::cost::{Call, Cost, Sent, Truncation, Verb};
use crate::protocol::{Domain, Fut, Protocol, Security, Units, now};
use crate::value::{Clear, ClearBits, ClearVec, Shares, Unit};
use crate::verbs::for_each_verb;

/// What a program costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What each party sends, by phase.
    pub sent: BTreeMap<(Phase, Party), Sent>,
    /// What all parties together send, by static number of the instruction.
    pub by_place: BTreeMap<u32, Sent>,
    /// Longest chain of messages, and its online part.
    pub rounds: Depth,
    /// Longest chain of messages of the preprocessing phase.
    pub preprocessing_rounds: u32,
}

impl Account {
    /// Bytes that `party` sends in `phase`, with frame headers.
    pub fn bytes(&self, phase: Phase, party: Party) -> u64 {
        let sent = self.sent.get(&(phase, party)).copied().unwrap_or_default();
        sent.payload_bytes + sent.messages * HEADER_BYTES as u64
    }
}

/// The protocol that adds up costs.
pub struct Ledger {
    scheme: Rc<dyn Protocol>,
    parties: usize,
    account: RefCell<Account>,
    /// Calls since the last check, of a scheme that has any.
    unverified: RefCell<Vec<Call>>,
    /// What its vectors would be made of, if their memory counts.
    memory: Option<Memory>,
}

/// What vectors are made of.
struct Memory {
    number: Rc<[Unit]>,
    bit: Rc<[Unit]>,
    /// Of an input of another party, without what is known to be 0.
    others: [Rc<[Unit]>; 2],
}

impl Ledger {
    /// A ledger for a scheme among so many parties.
    pub fn new(scheme: Rc<dyn Protocol>, parties: usize) -> Ledger {
        let (account, unverified) = (RefCell::default(), RefCell::default());
        Ledger { scheme, parties, account, unverified, memory: None }
    }

    /// The same, which also counts the memory of its vectors as if they were there.
    pub fn with_memory(scheme: Rc<dyn Protocol>, parties: usize) -> Ledger {
        let Units { number, bit, zeros } = scheme.units();
        let but_zeros = |units: &[Unit]| units[..units.len() - zeros].into();
        let others = [but_zeros(&number), but_zeros(&bit)];
        let memory = Some(Memory { number: number.into(), bit: bit.into(), others });
        Ledger { memory, ..Ledger::new(scheme, parties) }
    }

    /// The result of a call of a verb.
    fn result<T: Phantom>(&self, step: &Step, verb: Verb, len: usize, depth: Depth) -> T {
        let Some(Memory { number, bit, others }) = &self.memory else {
            return T::phantom(len, depth);
        };
        let units = match verb {
            Verb::Share { owner } if owner != step.me() => &others[0],
            Verb::ShareBits { owner } if owner != step.me() => &others[1],
            verb if verb.gives_bits() => bit,
            _ => number,
        };
        T::counted(len, depth, units)
    }

    /// Numbers, or bits, that come from others without a message.
    fn local(&self, len: usize, depth: Depth, bits: bool) -> Shares {
        match &self.memory {
            Some(memory) => {
                Shares::counted(len, depth, if bits { &memory.bit } else { &memory.number })
            }
            None => Shares::phantom(len, depth),
        }
    }

    /// What was added up so far.
    pub fn account(&self) -> Account {
        self.account.borrow().clone()
    }

    /// The calls since the last check that the scheme did itself, if it has checks.
    pub fn unverified(&self) -> Vec<Call> {
        self.unverified.borrow().clone()
    }

    /// The declared cost of a call, charged; `None` if the scheme declares none.
    fn charge(
        &self,
        step: &Step,
        depth: Depth,
        verb: Verb,
        len: usize,
        bits: u32,
    ) -> Option<Depth> {
        let call = Call { verb, len, bits, whole: step.whole() };
        let cost = self.scheme.cost(&call)?;
        if self.scheme.verifies() {
            self.unverified.borrow_mut().push(call);
        }
        Some(self.enter(step, depth, &cost))
    }

    fn enter(&self, step: &Step, depth: Depth, cost: &Cost) -> Depth {
        if cost.preprocessing_rounds == 0 {
            return self.send(step, depth, cost.rounds, &cost.sent);
        }
        let prep = &*step.ahead();
        let ready = self.send(prep, Depth::ZERO, cost.preprocessing_rounds, &cost.preprocessing);
        self.send(step, depth.max(ready), cost.rounds, &cost.sent)
    }

    fn send(&self, step: &Step, depth: Depth, rounds: u32, sent: &[Sent]) -> Depth {
        assert_eq!(sent.len(), self.parties, "a cost names every party");
        let op = step.op(depth);
        (0..rounds).for_each(|_| _ = op.round());
        // What is sent without a round of its own is one deeper than what it was computed from.
        let reached = if rounds == 0 { op.depth().next(step.phase()) } else { op.depth() };
        let mut account = self.account.borrow_mut();
        for (party, &sent) in sent.iter().enumerate() {
            if sent.messages == 0 {
                continue;
            }
            let total = account.sent.entry((step.phase(), party)).or_default();
            *total = *total + sent;
            let at_place = account.by_place.entry(step.place()).or_default();
            *at_place = *at_place + sent;
            account.rounds = account.rounds.max(reached);
            if step.phase() == Phase::Preprocessing {
                account.preprocessing_rounds = account.preprocessing_rounds.max(reached.total);
            }
        }
        op.depth()
    }
}

/// Operands, as far as they tell how long a chain they came from.
trait HasDepth {
    fn depth(&self) -> Depth {
        Depth::ZERO
    }
}

impl HasDepth for Shares {
    fn depth(&self) -> Depth {
        self.depth
    }
}

impl<T> HasDepth for ClearVec<T> {
    fn depth(&self) -> Depth {
        self.depth
    }
}

impl HasDepth for bool {}
impl HasDepth for u32 {}
impl HasDepth for usize {}
impl HasDepth for Option<Party> {}
impl HasDepth for (usize, usize, usize) {}
impl HasDepth for Contraction {}

/// Results of which length and depth only are known.
pub(crate) trait Phantom {
    fn phantom(len: usize, depth: Depth) -> Self;

    /// The same, its memory counted if it is of shares.
    fn counted(len: usize, depth: Depth, _units: &Rc<[Unit]>) -> Self
    where
        Self: Sized,
    {
        Self::phantom(len, depth)
    }
}

impl Phantom for Shares {
    fn phantom(len: usize, depth: Depth) -> Shares {
        Shares::phantom(len, depth)
    }

    fn counted(len: usize, depth: Depth, units: &Rc<[Unit]>) -> Shares {
        Shares::counted(len, depth, units)
    }
}

impl<T: Copy> Phantom for ClearVec<T> {
    fn phantom(len: usize, depth: Depth) -> ClearVec<T> {
        ClearVec::absent(len, depth)
    }
}

/// What a protocol that stands for `self.scheme` says of itself.
macro_rules! said_by_scheme {
    () => {
        fn domain(&self) -> Domain {
            self.scheme.domain()
        }

        fn units(&self) -> Units {
            self.scheme.units()
        }

        fn stat_sec(&self) -> u32 {
            self.scheme.stat_sec()
        }

        fn truncation(&self) -> Truncation {
            self.scheme.truncation()
        }

        fn corrupted(&self, parties: usize) -> usize {
            self.scheme.corrupted(parties)
        }

        fn maskers(&self, parties: usize) -> usize {
            self.scheme.maskers(parties)
        }

        fn cost(&self, call: &Call) -> Option<Cost> {
            self.scheme.cost(call)
        }

        fn setup_cost(&self, parties: usize) -> Cost {
            self.scheme.setup_cost(parties)
        }

        fn tile_bits(&self) -> usize {
            self.scheme.tile_bits()
        }

        fn addends(&self) -> usize {
            self.scheme.addends()
        }

        fn security(&self) -> Security {
            self.scheme.security()
        }

        fn verifies(&self) -> bool {
            self.scheme.verifies()
        }

        fn check_cost(&self, calls: &[Call], parties: usize) -> Cost {
            self.scheme.check_cost(calls, parties)
        }
    };
}
pub(crate) use said_by_scheme;

macro_rules! define_ledger {
    (
        required { $( $(#[$_required_doc:meta])* $required:ident($($need:ident: $need_ty:ty),*)
            -> $needed:ty: $cost:expr, $len:expr, $bits:expr; )* }
        default { $( $(#[$_doc:meta])* $verb:ident($($arg:ident: $ty:ty),*)
            -> $result:ty: $charged:expr, $of:expr, $bound:expr => $block:path; )* }
    ) => {
        impl Protocol for Ledger {
            said_by_scheme!();

            fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
                self.enter(step, Depth::ZERO, &self.setup_cost(self.parties));
                now(())
            }

            fn halves<'a>(&'a self, step: &'a Step, a: &'a Shares, k: u32) -> Option<Fut<'a>> {
                let len = 2 * a.len() * k as usize;
                let depth = self.charge(step, a.depth, Verb::Halves { k }, len, k)?;
                Some(now(self.local(len, depth, true)))
            }

            fn edabits<'a>(
                &'a self,
                step: &'a Step,
                n: usize,
                k: u32,
                exact: bool,
            ) -> Option<Fut<'a, [Shares; 2]>> {
                let depth = self.charge(step, Depth::ZERO, Verb::EdaBits { k, exact }, n, k)?;
                let bits = self.local(n * k as usize, depth, true);
                Some(now([self.local(n, depth, false), bits]))
            }

            fn addend_bits(&self, a: &Shares, _j: usize, k: u32) -> Shares {
                self.local(a.len() * k as usize, a.depth, true)
            }

            fn addend_shifted(&self, a: &Shares, _j: usize, _shift: u32) -> Shares {
                self.local(a.len(), a.depth, false)
            }

            fn bit_addend(&self, a: &Shares, _j: usize) -> Shares {
                self.local(a.len(), a.depth, false)
            }

            fn check<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
                let cost = self.scheme.check_cost(&self.unverified.take(), self.parties);
                self.enter(step, Depth::ZERO, &cost);
                now(())
            }

            fn public<'a>(&'a self, _: &'a Step, x: &'a Clear) -> Fut<'a> {
                now(self.local(x.len(), x.depth, false))
            }

            fn public_bits<'a>(&'a self, _: &'a Step, x: &'a ClearBits) -> Fut<'a> {
                now(self.local(x.len(), x.depth, true))
            }

            fn publish<'a>(
                &'a self,
                step: &'a Step,
                owner: Party,
                x: &'a Clear,
                bits: u32,
            ) -> Fut<'a, Clear> {
                let bytes = blocks::publish::bytes(x.len(), bits);
                let cost = blocks::publish::cost(owner, self.parties, bytes);
                now(Clear::absent(x.len(), self.enter(step, x.depth, &cost)))
            }

            fn publish_bits<'a>(
                &'a self,
                step: &'a Step,
                owner: Party,
                x: &'a ClearBits,
            ) -> Fut<'a, ClearBits> {
                let bytes = blocks::publish::bytes_of_bits(x.len());
                let cost = blocks::publish::cost(owner, self.parties, bytes);
                now(ClearBits::absent(x.len(), self.enter(step, x.depth, &cost)))
            }

            $( fn $required<'a>(&'a self, step: &'a Step, $($need: $need_ty),*) -> Fut<'a, $needed> {
                let depth = Depth::ZERO$(.max($need.depth()))*;
                let charged = self.charge(step, depth, $cost, $len, $bits);
                let depth = charged.unwrap_or_else(|| panic!("no cost is declared for {:?}", $cost));
                now(self.result(step, $cost, $len, depth))
            } )*

            $( fn $verb<'a>(&'a self, step: &'a Step, $($arg: $ty),*) -> Fut<'a, $result> {
                let depth = Depth::ZERO$(.max($arg.depth()))*;
                match self.charge(step, depth, $charged, $of, $bound) {
                    Some(depth) => now(self.result(step, $charged, $of, depth)),
                    None => Box::pin($block(self, step, $($arg),*)),
                }
            } )*
        }
    };
}
for_each_verb!(define_ledger);

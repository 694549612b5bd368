//! A protocol of which only the preprocessing runs.
//!
//! The same program, the same blocks. What a step does in the preprocessing phase the scheme does with
//! its peers, and it is kept ([`mpc_runtime::kept`]). What it does online is done on vectors that
//! have a length only, as by a [`Ledger`](crate::ledger::Ledger): a verb of the scheme runs up to its first
//! message of the online phase, which the executor refuses; its preprocessing comes before that.

use std::rc::Rc;

use mpc_runtime::{Depth, Error, Party, Phase, Result, Step};

use crate::algebra::contraction::Contraction;
use crate::blocks;
use crate::cost::{Call, Cost, Truncation, Verb};
use crate::ledger::{Phantom, said_by_scheme};
use crate::protocol::{Domain, Fut, Keys, Protocol, Security, Units, now};
use crate::value::{Clear, ClearBits, ClearVec, Shares};
use crate::verbs::for_each_verb;

/// The protocol that prepares runs of a scheme, for an executor that makes preprocessing
/// ([`mpc_runtime::Preprocessing::Made`]).
pub struct Preparer {
    scheme: Rc<dyn Protocol>,
}

impl Preparer {
    /// Prepares runs of `scheme`.
    pub fn new(scheme: Rc<dyn Protocol>) -> Preparer {
        Preparer { scheme }
    }
}

/// Which operands of a verb are bits.
fn takes_bits(verb: &str, operand: &str) -> bool {
    match verb {
        "xor" | "xor_clear" | "xor_disjoint" | "and" | "and_clear" | "open_bits" => true,
        "from_bits" | "compose" | "places" => true,
        "select" => operand == "cond",
        _ => false,
    }
}

/// An operand, with zeros for content that it does not have.
trait Operand {
    type Owned: Lend;

    async fn whole(self, scheme: &dyn Protocol, step: &Step, bits: bool) -> Result<Self::Owned>;
}

impl Operand for &Shares {
    type Owned = Shares;

    async fn whole(self, scheme: &dyn Protocol, step: &Step, bits: bool) -> Result<Shares> {
        match (self.planes(), bits) {
            ([_, ..], _) => Ok(self.clone()),
            (_, true) => scheme.public_bits(step, &zeros(self.len())).await,
            (_, false) => scheme.public(step, &zeros(self.len())).await,
        }
    }
}

impl<T: Copy + Default> Operand for &ClearVec<T> {
    type Owned = ClearVec<T>;

    async fn whole(self, _: &dyn Protocol, _: &Step, _: bool) -> Result<ClearVec<T>> {
        Ok(if self.values().is_some() { self.clone() } else { zeros(self.len()) })
    }
}

/// An operand as verbs take it.
trait Lend {
    type Lent<'l>
    where
        Self: 'l;

    fn lend(&self) -> Self::Lent<'_>;
}

impl Lend for Shares {
    type Lent<'l> = &'l Shares;

    fn lend(&self) -> &Shares {
        self
    }
}

impl<T> Lend for ClearVec<T> {
    type Lent<'l>
        = &'l ClearVec<T>
    where
        T: 'l;

    fn lend(&self) -> &ClearVec<T> {
        self
    }
}

impl<'c> Operand for &'c Contraction {
    type Owned = &'c Contraction;

    async fn whole(self, _: &dyn Protocol, _: &Step, _: bool) -> Result<&'c Contraction> {
        Ok(self)
    }
}

impl<'c> Lend for &'c Contraction {
    type Lent<'l>
        = &'c Contraction
    where
        Self: 'l;

    fn lend(&self) -> &'c Contraction {
        self
    }
}

macro_rules! plain_operands {
    ($($ty:ty),*) => { $(
        impl Operand for $ty {
            type Owned = $ty;

            async fn whole(self, _: &dyn Protocol, _: &Step, _: bool) -> Result<$ty> {
                Ok(self)
            }
        }

        impl Lend for $ty {
            type Lent<'l> = $ty;

            fn lend(&self) -> $ty {
                *self
            }
        }
    )* };
}
plain_operands!(bool, u32, usize, Option<Party>, (usize, usize, usize));

fn zeros<T: Copy + Default>(len: usize) -> ClearVec<T> {
    ClearVec::new(vec![T::default(); len], Depth::ZERO)
}

/// Of a verb that ran as far as its preprocessing goes.
fn prepared<T: Phantom>(ran: Result<T>, len: usize) -> Result<T> {
    match ran {
        Ok(_) | Err(Error::OnlinePhase) => Ok(T::phantom(len, Depth::ZERO)),
        Err(error) => Err(error),
    }
}

/// Who does a call.
enum Does {
    /// The scheme; there is something to prepare.
    Scheme,
    /// The scheme; there is nothing to prepare, or it has been.
    Nobody,
    /// The default.
    Default,
}

impl Preparer {
    async fn does(&self, step: &Step, verb: Verb, len: usize, bits: u32) -> Result<Does> {
        let call = Call { verb, len, bits, whole: step.whole() };
        let Some(cost) = self.scheme.cost(&call) else { return Ok(Does::Default) };
        let sent = cost.preprocessing.iter().any(|sent| sent.messages > 0);
        if !sent || self.scheme.as_calls(self, step, &call).await? {
            return Ok(Does::Nobody);
        }
        Ok(Does::Scheme)
    }

    async fn halved(&self, step: &Step, a: &Shares, k: u32) -> Result<Shares> {
        let len = 2 * a.len() * k as usize;
        if let Does::Scheme = self.does(step, Verb::Halves { k }, len, k).await? {
            let a = a.whole(&*self.scheme, step, false).await?;
            if let Some(halves) = self.scheme.halves(step, &a, k) {
                return prepared(halves.await, len);
            }
        }
        Ok(Shares::phantom(len, Depth::ZERO))
    }
}

/// As the scheme has it, of vectors with content.
fn addend(a: &Shares, len: usize, of_scheme: impl FnOnce() -> Shares) -> Shares {
    if a.planes().is_empty() { Shares::phantom(len, a.depth) } else { of_scheme() }
}

fn ahead(step: &Step) -> bool {
    step.phase() == Phase::Preprocessing
}

macro_rules! define_preparer {
    (
        required { $( $(#[$_required_doc:meta])* $required:ident($($need:ident: $need_ty:ty),*)
            -> $needed:ty: $cost:expr, $len:expr, $bits:expr; )* }
        default { $( $(#[$_doc:meta])* $verb:ident($($arg:ident: $ty:ty),*)
            -> $result:ty: $charged:expr, $of:expr, $bound:expr => $block:path; )* }
    ) => {
        impl Protocol for Preparer {
            said_by_scheme!();

            fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
                self.scheme.setup(step)
            }

            fn keys(&self) -> Keys {
                self.scheme.keys()
            }

            fn addend_bits(&self, a: &Shares, j: usize, k: u32) -> Shares {
                addend(a, a.len() * k as usize, || self.scheme.addend_bits(a, j, k))
            }

            fn addend_shifted(&self, a: &Shares, j: usize, shift: u32) -> Shares {
                addend(a, a.len(), || self.scheme.addend_shifted(a, j, shift))
            }

            fn bit_addend(&self, a: &Shares, j: usize) -> Shares {
                addend(a, a.len(), || self.scheme.bit_addend(a, j))
            }

            fn halves<'a>(&'a self, step: &'a Step, a: &'a Shares, k: u32) -> Option<Fut<'a>> {
                if ahead(step) {
                    return self.scheme.halves(step, a, k);
                }
                let len = 2 * a.len() * k as usize;
                self.scheme.cost(&Call { verb: Verb::Halves { k }, len, bits: k, whole: 0 })?;
                Some(Box::pin(self.halved(step, a, k)))
            }

            fn edabits<'a>(
                &'a self,
                step: &'a Step,
                n: usize,
                k: u32,
                exact: bool,
            ) -> Option<Fut<'a, [Shares; 2]>> {
                self.scheme.edabits(step, n, k, exact)
            }

            fn check<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
                Box::pin(async move { self.scheme.check(&step.ahead()).await })
            }

            fn public<'a>(&'a self, step: &'a Step, x: &'a Clear) -> Fut<'a> {
                if ahead(step) { self.scheme.public(step, x) } else { now(Shares::phantom(x.len(), x.depth)) }
            }

            fn public_bits<'a>(&'a self, step: &'a Step, x: &'a ClearBits) -> Fut<'a> {
                if ahead(step) { self.scheme.public_bits(step, x) } else { now(Shares::phantom(x.len(), x.depth)) }
            }

            fn publish<'a>(
                &'a self,
                _: &'a Step,
                _: Party,
                x: &'a Clear,
                _: u32,
            ) -> Fut<'a, Clear> {
                now(Clear::absent(x.len(), Depth::ZERO))
            }

            fn publish_bits<'a>(
                &'a self,
                _: &'a Step,
                _: Party,
                x: &'a ClearBits,
            ) -> Fut<'a, ClearBits> {
                now(ClearBits::absent(x.len(), Depth::ZERO))
            }

            $( fn $required<'a>(&'a self, step: &'a Step, $($need: $need_ty),*) -> Fut<'a, $needed> {
                if ahead(step) {
                    return self.scheme.$required(step, $($need),*);
                }
                Box::pin(async move {
                    let len = $len;
                    let Does::Scheme = self.does(step, $cost, len, $bits).await? else {
                        return Ok(Phantom::phantom(len, Depth::ZERO));
                    };
                    $( let bits = takes_bits(stringify!($required), stringify!($need));
                    let $need = $need.whole(&*self.scheme, step, bits).await?; )*
                    prepared(self.scheme.$required(step, $($need.lend()),*).await, len)
                })
            } )*

            $( fn $verb<'a>(&'a self, step: &'a Step, $($arg: $ty),*) -> Fut<'a, $result> {
                if ahead(step) {
                    return self.scheme.$verb(step, $($arg),*);
                }
                Box::pin(async move {
                    let len = $of;
                    match self.does(step, $charged, len, $bound).await? {
                        Does::Default => return $block(self, step, $($arg),*).await,
                        Does::Nobody => return Ok(Phantom::phantom(len, Depth::ZERO)),
                        Does::Scheme => {}
                    }
                    $( let bits = takes_bits(stringify!($verb), stringify!($arg));
                    let $arg = $arg.whole(&*self.scheme, step, bits).await?; )*
                    prepared(self.scheme.$verb(step, $($arg.lend()),*).await, len)
                })
            } )*
        }
    };
}
for_each_verb!(define_preparer);

//! Every program over bits: numbers as words of shared bits, arithmetic as circuits.
//!
//! A scheme that shares bits implements [`BinaryScheme`]; [`OverBinary`] makes a whole protocol of it.
//!
//! Sharing:  a number is `width` bits of two's complement (64 or 128), sign-extended, one after the
//!           other in the planes of the scheme; a number of a packed scheme is one or two words.
//! Circuits: run bit-sliced on the bits of the bound only: the lowest bits of all numbers, then the
//!           next ones, and so on, so that a level of a circuit is one vector conjunction.
//!           Adders are Sklansky's (log2 depth), products Dadda's trees of carry-save adders.
//! Exact:    a shift is a rewiring, so every truncation is exact in every mode.
//! Cost:     what the circuit costs when it is run on a ledger of the scheme's own declarations.

mod products;

use std::cell::Cell;
use std::rc::{Rc, Weak};

use mpc_runtime::transport::Silent;
use mpc_runtime::{Depth, Error, Executor, Party, Phase, Result, Step};

use self::products::{Index, Products, by_part};
use crate::algebra::{bits, clear};
use crate::blocks::tiles::{Tiling, in_tiles};
use crate::blocks::wires::{Wires, clear_rows};
use crate::blocks::{circuits, linear, shuffle, sort};
use crate::cost::{Call, Cost, Truncation, Verb};
use crate::ledger::Ledger;
use crate::protocol::{Domain, Fut, Keys, Protocol, Security, Setup, TILE_BITS, Units, now};
use crate::value::{Clear, ClearBits, Plane, Shares, Unit};

/// Verbs on shared bits: all that a binary scheme has to say.
///
/// Vectors are bits, operands of one verb have equal lengths, clear operands may have length 1. Linear
/// verbs are local. Depth of a result is the maximum over the operands, plus the rounds of the verb.
pub trait BinaryScheme {
    /// Number of parties.
    fn parties(&self) -> usize;

    /// How many of them may be corrupted together.
    fn corrupted(&self) -> usize;

    /// What one shared bit is in each plane: a bit of a packed word, or a label of some words.
    fn units(&self) -> Vec<Unit>;

    /// As [`Protocol::tile_bits`].
    fn tile_bits(&self) -> usize {
        TILE_BITS
    }

    /// What `And`, `ShareBits`, `OpenBits` and `RandomBits` cost, and `Shuffle` and `Places` if they are
    /// overridden (`width` and `len` of a shuffle then count bits); `None` for all else.
    fn cost(&self, call: &Call) -> Option<Cost>;

    /// A public bit as a share.
    fn public_bits(&self, x: &ClearBits) -> Shares;

    /// `a ⊕ b`.
    fn xor(&self, a: &Shares, b: &Shares) -> Shares;

    /// `a ⊕ c`, `c` clear.
    fn xor_clear(&self, a: &Shares, c: &ClearBits) -> Shares;

    /// `a ∧ c`, `c` clear.
    fn and_clear(&self, a: &Shares, c: &ClearBits) -> Shares;

    /// `a ∧ b`.
    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a>;

    /// The bits that `owner` has in `x` (absent elsewhere), as shares.
    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a>;

    /// The bits themselves, to `to`, or to all if `None`.
    fn open_bits<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
    ) -> Fut<'a, ClearBits>;

    /// `n` uniform bits that nobody knows.
    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a>;

    /// As [`Protocol::security`].
    fn security(&self) -> Security {
        Security::Malicious
    }

    /// As [`Protocol::verifies`].
    fn verifies(&self) -> bool {
        false
    }

    /// As [`Protocol::check`].
    fn check<'a>(&'a self, _step: &'a Step) -> Fut<'a, ()> {
        now(())
    }

    /// As [`Protocol::check_cost`], of calls on bits.
    fn check_cost(&self, _calls: &[Call]) -> Cost {
        Cost::local(self.parties())
    }

    /// As [`Protocol::setup`].
    fn setup<'a>(&'a self, _step: &'a Step) -> Fut<'a, ()> {
        now(())
    }

    /// As [`Protocol::setup_cost`].
    fn setup_cost(&self) -> Cost {
        Cost::local(self.parties())
    }

    /// As [`Protocol::keys`].
    fn keys(&self) -> Keys {
        Keys::default()
    }

    /// As [`Protocol::restore`].
    fn restore<'a>(&'a self, step: &'a Step, _keys: &'a [u8]) -> Fut<'a, ()> {
        self.setup(step)
    }

    /// `rows` rows of `width` bits in a uniformly random order that nobody knows, if the scheme knows
    /// a better way than a permutation network.
    fn shuffle<'a>(
        &'a self,
        _step: &'a Step,
        _a: &'a Shares,
        _rows: usize,
        _width: usize,
    ) -> Option<Fut<'a>> {
        None
    }

    /// As [`Protocol::places`], in words of 64 bits of a packed scheme, if the scheme knows a better way
    /// than a sorting network.
    fn places<'a>(&'a self, _step: &'a Step, _bits: &'a Shares, _rows: usize) -> Option<Fut<'a>> {
        None
    }
}

/// How numbers lie in the planes of a scheme, and how they become rows and numbers again.
#[derive(Clone, Copy)]
struct Layout {
    /// Bits of a number.
    width: usize,
}

impl Layout {
    /// What a number is in a plane whose bits are `unit`.
    fn number(self, unit: Unit) -> Unit {
        match unit {
            Unit::Bit => Unit::Words(self.width / 64),
            Unit::Words(w) => Unit::Words(w * self.width),
        }
    }

    /// The low `width` bits of numbers as rows.
    fn rows(self, scheme: &dyn BinaryScheme, a: &Shares, width: usize) -> Wires {
        let lanes = a.len();
        let units = scheme.units();
        let plane = |(i, plane): (usize, &Plane)| match units[i] {
            Unit::Bit => Plane::build(Unit::Bit, lanes * width, |out| {
                let words = plane.words();
                match self.width {
                    64 => bits::to_dense_rows(lanes, width, out, |i| words[i]),
                    _ => bits::to_dense_rows(lanes, width, out, |i| wide(words, i)),
                }
            }),
            unit => plane
                .reinterpret(unit, lanes * self.width)
                .pick(lanes * width, |at| at % lanes * self.width + at / lanes),
        };
        Wires::new(remade(a, lanes * width, plane), lanes, width)
    }

    /// Numbers from rows; the last row is the sign of all bits above.
    fn numbers(self, scheme: &dyn BinaryScheme, rows: &Wires) -> Shares {
        let (lanes, top) = (rows.lanes(), rows.width() - 1);
        let units = scheme.units();
        let plane = |(i, plane): (usize, &Plane)| {
            let unit = self.number(units[i]);
            match units[i] {
                Unit::Bit => Plane::build(unit, lanes, |out| {
                    let from = |j: usize| j.min(top);
                    bits::from_dense_rows(lanes, self.width, out, plane.words(), from);
                }),
                Unit::Words(_) => plane
                    .pick(lanes * self.width, |at| {
                        (at % self.width).min(top) * lanes + at / self.width
                    })
                    .reinterpret(unit, lanes),
            }
        };
        remade(rows.bits(), lanes, plane)
    }
}

/// Number `i` of two words.
fn wide(words: &[u64], i: usize) -> u128 {
    u128::from(words[2 * i]) | u128::from(words[2 * i + 1]) << 64
}

/// A vector of `len` elements with every plane replaced.
fn remade<'a>(a: &'a Shares, len: usize, plane: impl FnMut((usize, &'a Plane)) -> Plane) -> Shares {
    if a.planes().is_empty() {
        return Shares::phantom(len, a.depth);
    }
    Shares::new(a.planes().iter().enumerate().map(plane).collect(), a.depth)
}

/// A protocol for numbers made of a binary scheme.
pub struct OverBinary {
    scheme: Rc<dyn BinaryScheme>,
    layout: Layout,
    stat_sec: u32,
    truncation: Truncation,
    me: Weak<OverBinary>,
}

impl OverBinary {
    /// Numbers as wide as the setup asks.
    ///
    /// # Errors
    /// Numbers above 128 bits.
    pub fn build(scheme: Rc<dyn BinaryScheme>, setup: &Setup) -> Result<Rc<dyn Protocol>> {
        let width = match setup.field_bits {
            0..=64 => 64,
            65..=128 => 128,
            bits => {
                let text = format!("numbers of {bits} bits; circuits go up to 128");
                return Err(Error::Program(text));
            }
        };
        Ok(Rc::new_cyclic(|me| OverBinary {
            scheme,
            layout: Layout { width },
            stat_sec: setup.stat_sec,
            truncation: setup.truncation,
            me: me.clone(),
        }))
    }

    /// Bits of a number that circuits work on.
    fn width(&self, bits: u32) -> usize {
        (bits as usize).min(self.layout.width)
    }

    /// Parts for circuits of some rows for each bit.
    fn tiling(&self, len: usize, bits: u32) -> Tiling {
        Tiling::new(len, self.width(bits))
    }

    /// Parts for sums of `inner` products.
    fn products(&self, len: usize, inner: usize, bits: u32) -> Tiling {
        Tiling::new(len, circuits::partial_products(self.width(bits), inner))
    }

    /// Rows of the operand, `bits` of them.
    fn rows(&self, a: &Shares, bits: u32) -> Wires {
        self.layout.rows(&*self.scheme, a, self.width(bits))
    }

    /// Rows of two operands; what follows waits for both.
    fn two(&self, a: &Shares, b: &Shares, bits: u32) -> (Wires, Wires) {
        let depth = a.depth.max(b.depth);
        let ready = |x: &Shares| self.rows(&x.clone().at_depth(depth), bits);
        (ready(a), ready(b))
    }

    fn numbers(&self, rows: &Wires) -> Shares {
        self.layout.numbers(&*self.scheme, rows)
    }

    /// Clear numbers as rows.
    fn clear_rows(&self, c: &Clear, width: usize) -> ClearBits {
        clear_rows(c, width, |x: i128, j| x >> j & 1 == 1)
    }

    /// A row of zeros on top, so that the number is not negative.
    async fn unsigned(&self, p: &dyn Protocol, step: &Step, rows: Wires) -> Result<Wires> {
        if rows.width() >= self.layout.width {
            return Ok(rows);
        }
        let zeros = Wires::zeros(p, step, rows.lanes()).await?;
        Ok(Wires::stack(&[rows, zeros]))
    }

    /// The calls on bits that a call consists of.
    fn on_bits(&self, call: &Call) -> Vec<Call> {
        let bits_each = |verb| {
            let len = call.len * self.width(call.bits);
            vec![Call { verb, len, bits: 1, whole: 0 }]
        };
        match call.verb {
            Verb::And | Verb::ShareBits { .. } | Verb::OpenBits { .. } | Verb::RandomBits => {
                vec![*call]
            }
            Verb::Share { owner } => bits_each(Verb::ShareBits { owner }),
            Verb::Open { to } => bits_each(Verb::OpenBits { to }),
            Verb::Shuffle { width } if self.shuffle_cost(call, width).is_some() => vec![*call],
            _ => self.circuit(call).map_or(vec![], |(_, calls)| calls),
        }
    }

    /// What a shuffle costs that the scheme does itself.
    fn shuffle_cost(&self, call: &Call, width: usize) -> Option<Cost> {
        let bits = self.width(call.bits);
        let verb = Verb::Shuffle { width: width * bits };
        self.scheme.cost(&Call { verb, len: call.len * bits, bits: 1, whole: 0 })
    }

    fn circuit_cost(&self, call: &Call) -> Option<Cost> {
        self.circuit(call).map(|(cost, _)| cost)
    }

    /// The circuit of a verb on phantoms, with a ledger in place of the scheme: its cost, and its calls
    /// if they are to be verified.
    fn circuit(&self, call: &Call) -> Option<(Cost, Vec<Call>)> {
        let parties = self.scheme.parties();
        let ledger = Ledger::new(self.me.upgrade()?, parties);
        let mut executor = Executor::new(Box::new(Silent { me: 0, parties }));
        let step = executor.step(0, 0, Depth::ZERO);
        let result = Rc::new(Cell::new(None));
        let (me, call, out) = (self.me.upgrade()?, *call, result.clone());
        let ledger = Rc::new(ledger);
        let counted = ledger.clone();
        executor.spawn(0, 0, async move {
            out.set(me.run(&*ledger, &step, &call).await?);
            Ok(())
        });
        executor.run_ready().expect("nobody fails on phantoms");
        let depth = result.take()?;
        let account = counted.account();
        let sent = |phase| {
            let by = |party| account.sent.get(&(phase, party)).copied().unwrap_or_default();
            (0..parties).map(by).collect()
        };
        let cost = Cost {
            rounds: depth.online,
            sent: sent(Phase::Online),
            preprocessing_rounds: account.preprocessing_rounds,
            preprocessing: sent(Phase::Preprocessing),
        };
        Some((cost, counted.unverified()))
    }

    /// Runs the circuit of a call on phantoms; `None` for verbs left to the default.
    async fn run(&self, p: &dyn Protocol, step: &Step, call: &Call) -> Result<Option<Depth>> {
        let Call { verb, len, bits, .. } = *call;
        let of = |n: usize| Shares::phantom(n, Depth::ZERO);
        let clear = |n: usize| Clear::absent(n, Depth::ZERO);
        let x = of(len);
        let result = match verb {
            Verb::Linear => self.added(p, step, &x, &x, bits, false).await?,
            Verb::AddClear => self.added_clear(p, step, &x, &clear(len), bits).await?,
            Verb::MulClear => {
                let products = Products::rows(len, 1);
                self.dotted_clear(p, step, &x, &clear(len), products, bits).await?
            }
            Verb::Mul => self.dotted(p, step, &x, &x, Products::rows(len, 1), bits).await?,
            Verb::Dot { inner } => {
                let factors = of(len * inner);
                let products = Products::rows(len, inner);
                self.dotted(p, step, &factors, &factors, products, bits).await?
            }
            Verb::MatMul { rows, inner, cols } if inner > 0 => {
                let (a, b) = (of(rows * inner), of(inner * cols));
                let products = Products::matrix((rows, inner, cols));
                self.dotted(p, step, &a, &b, products, bits).await?
            }
            Verb::MatMulClear { rows, inner, cols } if inner > 0 => {
                let (a, b) = (of(rows * inner), clear(inner * cols));
                let products = Products::matrix((rows, inner, cols));
                self.dotted_clear(p, step, &a, &b, products, bits).await?
            }
            Verb::Sum { inner, prefix: false } => {
                self.summed(p, step, &of(len * inner), inner, bits).await?
            }
            Verb::Select => self.selected(p, step, &x, &x, &x, bits).await?,
            Verb::Trunc { shift } => self.rounded(p, step, &x, bits, shift).await?,
            Verb::Eqz => self.zero(p, step, &x, bits).await?,
            Verb::Lt => self.less(p, step, &x, &x, bits).await?,
            Verb::Eq => self.equal(p, step, &x, &x, bits).await?,
            Verb::Shuffle { width } => {
                let (rows, k) = (len / width.max(1), self.width(bits));
                shuffle::bits(p, step, &of(len * k), rows, width * k).await?
            }
            _ => return Ok(None),
        };
        Ok(Some(result.depth))
    }

    async fn added(
        &self,
        p: &dyn Protocol,
        step: &Step,
        a: &Shares,
        b: &Shares,
        bits: u32,
        minus: bool,
    ) -> Result<Shares> {
        in_tiles(step, a.len(), self.tiling(a.len(), bits), async |step: &Step, part| {
            let (x, y) = self.two(&a.slice(part.clone()), &b.slice(part), bits);
            let sum = if minus {
                circuits::sub(p, step, &x, &y).await?
            } else {
                circuits::add(p, step, &x, &y, false).await?
            };
            Ok(self.numbers(&sum))
        })
        .await
    }

    async fn added_clear(
        &self,
        p: &dyn Protocol,
        step: &Step,
        a: &Shares,
        c: &Clear,
        bits: u32,
    ) -> Result<Shares> {
        let c = c.broadcast(a.len());
        in_tiles(step, a.len(), self.tiling(a.len(), bits), async |step: &Step, part| {
            let x = self.rows(&a.slice(part.clone()).at_depth(c.depth), bits);
            let c = self.clear_rows(&c.slice(part), x.width());
            Ok(self.numbers(&circuits::add_clear(p, step, &x, &c).await?))
        })
        .await
    }

    /// Sums of `inner` products: number `i` of `len` is the sum over `j` of the products of the elements
    /// `index(i, j)` of both operands.
    async fn dotted(
        &self,
        p: &dyn Protocol,
        step: &Step,
        a: &Shares,
        b: &Shares,
        what: Products,
        bits: u32,
    ) -> Result<Shares> {
        let Products { len, inner, left, right } = &what;
        in_tiles(step, *len, self.products(*len, *inner, bits), async |step: &Step, part| {
            let n = part.len();
            // Parts of different sums side by side.
            let cut = |x: &Shares, index: &Index| {
                x.pick(n * inner, |at| index(part.start + at % n, at / n))
            };
            let (x, y) = self.two(&cut(a, left), &cut(b, right), bits);
            Ok(self.numbers(&circuits::dot(p, step, &x, &y, *inner).await?))
        })
        .await
    }

    /// As [`OverBinary::dotted`], the second operand clear.
    async fn dotted_clear(
        &self,
        p: &dyn Protocol,
        step: &Step,
        a: &Shares,
        c: &Clear,
        what: Products,
        bits: u32,
    ) -> Result<Shares> {
        let Products { len, inner, left, right } = &what;
        in_tiles(step, *len, self.products(*len, *inner, bits), async |step: &Step, part| {
            let n = part.len();
            let a = a.pick(n * inner, |at| left(part.start + at % n, at / n));
            let c = c.pick(n * inner, |at| right(part.start + at % n, at / n));
            let x = self.rows(&a.at_depth(c.depth), bits);
            let c = self.clear_rows(&c, x.width());
            Ok(self.numbers(&circuits::dot_clear(p, step, &x, &c, *inner).await?))
        })
        .await
    }

    async fn summed(
        &self,
        p: &dyn Protocol,
        step: &Step,
        a: &Shares,
        inner: usize,
        bits: u32,
    ) -> Result<Shares> {
        let len = a.len() / inner;
        let tiling = Tiling::new(len, self.width(bits) * inner);
        in_tiles(step, len, tiling, async |step: &Step, part| {
            let a = a.slice(part.start * inner..part.end * inner);
            let x = self.rows(&by_part(&a, inner), bits);
            Ok(self.numbers(&circuits::sum(p, step, &x, inner).await?))
        })
        .await
    }

    async fn selected(
        &self,
        p: &dyn Protocol,
        step: &Step,
        cond: &Shares,
        a: &Shares,
        b: &Shares,
        bits: u32,
    ) -> Result<Shares> {
        let depth = cond.depth.max(a.depth).max(b.depth);
        in_tiles(step, a.len(), self.tiling(a.len(), bits), async |step: &Step, part| {
            let cond = cond.slice(part.clone()).at_depth(depth);
            let a = a.slice(part.clone()).at_depth(depth);
            let (x, y) = self.two(&a, &b.slice(part), bits);
            let difference = Wires::xor(p, step, &x, &y).await?;
            let cond = Wires::row_of(cond).pick(&vec![0; x.width()]);
            let chosen = Wires::and(p, step, &cond, &difference).await?;
            Ok(self.numbers(&Wires::xor(p, step, &chosen, &y).await?))
        })
        .await
    }

    /// `floor((a + 2^(shift-1)) / 2^shift)` is the shifted number plus the highest bit shifted out.
    async fn rounded(
        &self,
        p: &dyn Protocol,
        step: &Step,
        a: &Shares,
        bits: u32,
        shift: u32,
    ) -> Result<Shares> {
        if shift == 0 {
            return Ok(a.clone());
        }
        let (shift, top) = (shift as usize, self.width(bits) - 1);
        // Sign rows on top: one so that rounding up cannot overflow, the rest where all is shifted out.
        let rows: Vec<usize> = (shift - 1..(top + 2).max(shift + 1)).map(|j| j.min(top)).collect();
        in_tiles(step, a.len(), self.tiling(a.len(), bits), async |step: &Step, part| {
            let kept = self.rows(&a.slice(part), bits).pick(&rows);
            let shifted = kept.range(1, kept.width());
            let rounded = circuits::add_bit(p, step, &shifted, &kept.row(0)).await?;
            Ok(self.numbers(&rounded))
        })
        .await
    }

    async fn equal(
        &self,
        p: &dyn Protocol,
        step: &Step,
        a: &Shares,
        b: &Shares,
        bits: u32,
    ) -> Result<Shares> {
        in_tiles(step, a.len(), self.tiling(a.len(), bits), async |step: &Step, part| {
            let (x, y) = self.two(&a.slice(part.clone()), &b.slice(part), bits);
            let difference = Wires::xor(p, step, &x, &y).await?;
            circuits::is_zero(p, step, &difference).await
        })
        .await
    }

    async fn zero(&self, p: &dyn Protocol, step: &Step, a: &Shares, bits: u32) -> Result<Shares> {
        in_tiles(step, a.len(), self.tiling(a.len(), bits), async |step: &Step, part| {
            circuits::is_zero(p, step, &self.rows(&a.slice(part), bits)).await
        })
        .await
    }

    async fn less(
        &self,
        p: &dyn Protocol,
        step: &Step,
        a: &Shares,
        b: &Shares,
        bits: u32,
    ) -> Result<Shares> {
        in_tiles(step, a.len(), self.tiling(a.len(), bits), async |step: &Step, part| {
            let (x, y) = self.two(&a.slice(part.clone()), &b.slice(part), bits);
            circuits::less_than(p, step, &x, &y).await
        })
        .await
    }
}

impl Protocol for OverBinary {
    fn domain(&self) -> Domain {
        Domain::Binary { width: self.layout.width as u32 }
    }

    fn units(&self) -> Units {
        let bit = self.scheme.units();
        let number = bit.iter().map(|&unit| self.layout.number(unit)).collect();
        Units { number, bit, zeros: 0 }
    }

    fn stat_sec(&self) -> u32 {
        self.stat_sec
    }

    fn truncation(&self) -> Truncation {
        self.truncation
    }

    fn corrupted(&self, _: usize) -> usize {
        self.scheme.corrupted()
    }

    fn tile_bits(&self) -> usize {
        self.scheme.tile_bits()
    }

    fn cost(&self, call: &Call) -> Option<Cost> {
        let local = || Some(Cost::local(self.scheme.parties()));
        let bits_each = |verb| {
            let width = self.width(call.bits);
            self.scheme.cost(&Call { verb, len: call.len * width, bits: 1, whole: 0 })
        };
        match call.verb {
            Verb::Xor | Verb::LinearBits | Verb::FromBits | Verb::AsBits => local(),
            Verb::ShiftRight { .. } | Verb::Wrap { .. } | Verb::Ltz => local(),
            Verb::Decompose { .. } | Verb::Compose { .. } => local(),
            Verb::And | Verb::ShareBits { .. } | Verb::OpenBits { .. } | Verb::RandomBits => {
                self.scheme.cost(call)
            }
            Verb::Share { owner } => bits_each(Verb::ShareBits { owner }),
            Verb::Open { to } => bits_each(Verb::OpenBits { to }),
            Verb::Shuffle { width } => {
                self.shuffle_cost(call, width).or_else(|| self.circuit_cost(call))
            }
            Verb::Places { .. } => self.scheme.cost(call),
            _ => self.circuit_cost(call),
        }
    }

    fn public<'a>(&'a self, _: &'a Step, x: &'a Clear) -> Fut<'a> {
        let width = self.layout.width;
        let rows = self.scheme.public_bits(&self.clear_rows(x, width));
        now(self.numbers(&Wires::new(rows, x.len(), width)))
    }

    fn add<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a> {
        Box::pin(self.added(self, step, a, b, bits, false))
    }

    fn sub<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a> {
        Box::pin(self.added(self, step, a, b, bits, true))
    }

    fn add_clear<'a>(&'a self, step: &'a Step, a: &'a Shares, c: &'a Clear, bits: u32) -> Fut<'a> {
        Box::pin(self.added_clear(self, step, a, c, bits))
    }

    fn mul_clear<'a>(&'a self, step: &'a Step, a: &'a Shares, c: &'a Clear, bits: u32) -> Fut<'a> {
        Box::pin(async move {
            let c = c.broadcast(a.len());
            self.dotted_clear(self, step, a, &c, Products::rows(a.len(), 1), bits).await
        })
    }

    fn mul<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a> {
        Box::pin(self.dotted(self, step, a, b, Products::rows(a.len(), 1), bits))
    }

    fn share<'a>(&'a self, step: &'a Step, owner: Party, x: &'a Clear, bits: u32) -> Fut<'a> {
        Box::pin(async move {
            let width = self.width(bits);
            let shared = self.scheme.share_bits(step, owner, &self.clear_rows(x, width)).await?;
            Ok(self.numbers(&Wires::new(shared, x.len(), width)))
        })
    }

    fn open<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
        bits: u32,
    ) -> Fut<'a, Clear> {
        Box::pin(async move {
            let rows = self.rows(a, bits);
            let (lanes, width) = (rows.lanes(), rows.width());
            let opened = self.scheme.open_bits(step, rows.bits(), to).await?;
            Ok(opened.map(lanes, |v| {
                let bit = |i: usize, j: usize| i128::from(v[j * lanes + i]) << j;
                let number = |i| (0..width).map(|j| bit(i, j)).fold(0, |x, b| x | b);
                (0..lanes).map(|i| clear::wrap(number(i), width as u32)).collect()
            }))
        })
    }

    fn public_bits<'a>(&'a self, _: &'a Step, x: &'a ClearBits) -> Fut<'a> {
        now(self.scheme.public_bits(x))
    }

    fn xor<'a>(&'a self, _: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        now(self.scheme.xor(a, b))
    }

    fn xor_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        now(self.scheme.xor_clear(a, c))
    }

    fn and_clear<'a>(&'a self, _: &'a Step, a: &'a Shares, c: &'a ClearBits) -> Fut<'a> {
        now(self.scheme.and_clear(a, c))
    }

    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        self.scheme.and(step, a, b)
    }

    fn share_bits<'a>(&'a self, step: &'a Step, owner: Party, x: &'a ClearBits) -> Fut<'a> {
        self.scheme.share_bits(step, owner, x)
    }

    fn open_bits<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        to: Option<Party>,
    ) -> Fut<'a, ClearBits> {
        self.scheme.open_bits(step, a, to)
    }

    fn random_bits<'a>(&'a self, step: &'a Step, n: usize) -> Fut<'a> {
        self.scheme.random_bits(step, n)
    }

    fn from_bits<'a>(&'a self, step: &'a Step, a: &'a Shares) -> Fut<'a> {
        self.compose(step, a, 1, false)
    }

    fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        self.scheme.setup(step)
    }

    fn setup_cost(&self, _: usize) -> Cost {
        self.scheme.setup_cost()
    }

    fn keys(&self) -> Keys {
        self.scheme.keys()
    }

    fn restore<'a>(&'a self, step: &'a Step, keys: &'a [u8]) -> Fut<'a, ()> {
        self.scheme.restore(step, keys)
    }

    fn as_calls<'a>(
        &'a self,
        p: &'a dyn Protocol,
        step: &'a Step,
        call: &'a Call,
    ) -> Fut<'a, bool> {
        Box::pin(async move {
            let own = matches!(call.verb, Verb::Shuffle { width } if self.shuffle_cost(call, width).is_some());
            Ok(!own && self.run(p, step, call).await?.is_some())
        })
    }

    fn security(&self) -> Security {
        self.scheme.security()
    }

    fn verifies(&self) -> bool {
        self.scheme.verifies()
    }

    fn check<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        self.scheme.check(step)
    }

    fn check_cost(&self, calls: &[Call], _: usize) -> Cost {
        let on_bits = calls.iter().flat_map(|call| self.on_bits(call)).collect::<Vec<_>>();
        self.scheme.check_cost(&on_bits)
    }

    fn sum<'a>(&'a self, step: &'a Step, a: &'a Shares, inner: usize, bits: u32) -> Fut<'a> {
        Box::pin(self.summed(self, step, a, inner, bits))
    }

    fn dot<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        inner: usize,
        bits: u32,
    ) -> Fut<'a> {
        let products = Products::rows(a.len() / inner, inner);
        Box::pin(self.dotted(self, step, a, b, products, bits))
    }

    fn matmul<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Shares,
        size: (usize, usize, usize),
        bits: u32,
    ) -> Fut<'a> {
        if size.1 == 0 {
            return Box::pin(linear::matmul(self, step, a, b, size, bits));
        }
        Box::pin(self.dotted(self, step, a, b, Products::matrix(size), bits))
    }

    fn matmul_clear<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        b: &'a Clear,
        size: (usize, usize, usize),
        bits: u32,
    ) -> Fut<'a> {
        if size.1 == 0 {
            return Box::pin(linear::matmul_clear(self, step, a, b, size, bits));
        }
        Box::pin(self.dotted_clear(self, step, a, b, Products::matrix(size), bits))
    }

    fn select<'a>(
        &'a self,
        step: &'a Step,
        cond: &'a Shares,
        a: &'a Shares,
        b: &'a Shares,
        bits: u32,
    ) -> Fut<'a> {
        Box::pin(self.selected(self, step, cond, a, b, bits))
    }

    fn trunc<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32, shift: u32) -> Fut<'a> {
        Box::pin(self.rounded(self, step, a, bits, shift))
    }

    fn shift_right<'a>(&'a self, _: &'a Step, a: &'a Shares, bits: u32, shift: u32) -> Fut<'a> {
        let x = self.rows(a, bits);
        let first = (shift as usize).min(x.width() - 1);
        now(self.numbers(&x.range(first, x.width())))
    }

    fn wrap<'a>(&'a self, _: &'a Step, a: &'a Shares, bits: u32, k: u32) -> Fut<'a> {
        now(self.numbers(&self.rows(a, k.min(bits))))
    }

    fn ltz<'a>(&'a self, _: &'a Step, a: &'a Shares, bits: u32) -> Fut<'a> {
        let x = self.rows(a, bits);
        now(x.row(x.width() - 1))
    }

    fn eqz<'a>(&'a self, step: &'a Step, a: &'a Shares, bits: u32) -> Fut<'a> {
        Box::pin(self.zero(self, step, a, bits))
    }

    fn lt<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a> {
        Box::pin(self.less(self, step, a, b, bits))
    }

    fn eq<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a> {
        Box::pin(self.equal(self, step, a, b, bits))
    }

    fn decompose<'a>(&'a self, _: &'a Step, a: &'a Shares, k: u32, bits: u32) -> Fut<'a> {
        let (n, k) = (a.len(), k as usize);
        let x = self.rows(a, bits.min(k as u32));
        let top = x.width() - 1;
        now(x.bits().pick(n * k, |at| (at % k).min(top) * n + at / k))
    }

    fn compose<'a>(&'a self, step: &'a Step, a: &'a Shares, k: u32, signed: bool) -> Fut<'a> {
        Box::pin(async move {
            let k = k as usize;
            let rows = Wires::from_elements(a, k);
            let rows = if signed { rows } else { self.unsigned(self, step, rows).await? };
            Ok(self.numbers(&rows))
        })
    }

    fn as_bits<'a>(&'a self, _: &'a Step, a: &'a Shares) -> Fut<'a> {
        now(self.rows(a, 1).into_bits())
    }

    fn shuffle<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        rows: usize,
        width: usize,
        bits: u32,
    ) -> Fut<'a> {
        Box::pin(async move {
            let x = self.rows(a, bits);
            let (by_number, k) = (x.to_elements(), x.width());
            let shuffled = match self.scheme.shuffle(step, &by_number, rows, width * k) {
                Some(shuffled) => shuffled.await?,
                None => shuffle::bits(self, step, &by_number, rows, width * k).await?,
            };
            Ok(self.numbers(&Wires::from_elements(&shuffled, k)))
        })
    }

    fn places<'a>(&'a self, step: &'a Step, a: &'a Shares, rows: usize, bits: u32) -> Fut<'a> {
        Box::pin(async move {
            let Some(places) = self.scheme.places(step, a, rows) else {
                return sort::places(self, step, a, rows, bits).await;
            };
            let places = places.await?;
            let wider = |(_, plane): (usize, &Plane)| {
                let unit = self.layout.number(Unit::Bit);
                Plane::build(unit, rows, |out| {
                    let numbers = out.chunks_exact_mut(self.layout.width / 64);
                    numbers.zip(plane.words()).for_each(|(number, &word)| number[0] = word);
                })
            };
            Ok(remade(&places, rows, wider))
        })
    }
}

#[cfg(test)]
pub(crate) mod one_party;

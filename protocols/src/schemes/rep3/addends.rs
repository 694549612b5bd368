//! From numbers to bits: the two addends of a number, and carries of few places at once.
//!
//! A number x = y + w modulo 2^K, where y = x_p + x_{p+1} is known to party p and w = x_{p+2} to the
//! other two, is turned into bits without a full adder: w's bits are a sharing as they stand
//! (component p+2), y's take one input by p (components p and p+1), and so their exclusive or, the
//! *propagate* bits, is a sharing that costs nothing more.
//!
//! Places are taken in *groups* of `s` (see [`Plan`]): p inputs all monomials of y's bits in the group,
//! 2^s - 1 of them. The carry out of a group, and whether it passes a carry on, are sums of monomials
//! of y, each times a monomial of w; of such a sum the parties p+1 and p+2 have one summand each, and
//! so both are one [`Trio::offer`]. With s = 1 this is y∧w. Fewer monomials do not do for every s:
//! the matrix \[y + w >= 2^s\] has rank 2^s - 1 over every field.
//!
//! Each party is p for a third of the numbers, so that all send equally much.

use std::ops::Range;

use mpc_runtime::{Label, Op, Party, Result};

use super::binary::{Row, Rows};
use super::{Form, PARTIES, Trio, elements, purpose};
use crate::algebra::bits::{self, stride};
use crate::algebra::ring::{Bits, Word};
use crate::algebra::simd::{self, MOST_PLACES};
use crate::value::{Plane, Shares};

const ADDEND: Label = Label("rep3.addend");
const CARRY_OUT: Label = Label("rep3.carry.out");

/// Places in a group where nothing speaks for more: bits sent by each are least with these.
const CHEAP_PLACES: usize = 3;

/// What is computed of addends: the carries out of groups of places from the lowest up, and the
/// propagate bits of single places.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Places in each group.
    groups: Vec<usize>,
    /// Places above all groups, of which only the propagate bit is wanted.
    plain: usize,
    /// Whether the addend w is wanted by itself.
    keeps_addend: bool,
}

impl Plan {
    /// Propagate bits alone.
    pub(crate) fn plain(places: usize) -> Plan {
        Plan { groups: vec![], plain: places, keeps_addend: false }
    }

    /// Propagate bits, and the addend w.
    pub(crate) fn with_addend(places: usize) -> Plan {
        Plan { keeps_addend: true, ..Plan::plain(places) }
    }

    /// Every place by itself with its carry, and `plain` places above.
    pub(crate) fn single(places: usize, plain: usize) -> Plan {
        Plan { groups: vec![1; places], plain, keeps_addend: false }
    }

    /// `places` places in groups for one carry out of all, and `plain` places above: groups of
    /// three, or of four where a tree of them is lower.
    pub(crate) fn grouped(places: usize, plain: usize) -> Plan {
        let lowest_tree = places.div_ceil(MOST_PLACES).next_power_of_two();
        let count = places.div_ceil(CHEAP_PLACES).min(lowest_tree);
        let size = |i: usize| (i + 1) * places / count - i * places / count;
        Plan { groups: (0..count).map(size).collect(), plain, keeps_addend: false }
    }

    /// Number of groups.
    pub(crate) fn groups(&self) -> usize {
        self.groups.len()
    }

    fn places(&self) -> usize {
        self.groups.iter().sum::<usize>() + self.plain
    }

    /// Bits of a number that p inputs.
    pub(crate) fn inputs(&self) -> usize {
        self.groups.iter().map(|size| (1 << size) - 1).sum::<usize>() + self.plain
    }

    /// Bits of a number that the others offer.
    pub(crate) fn outputs(&self) -> usize {
        (0..self.groups.len()).map(|group| self.outputs_of(group)).sum()
    }

    /// The carry; above the lowest group also whether one is passed on, which is for a single place
    /// its propagate bit.
    fn outputs_of(&self, group: usize) -> usize {
        if group == 0 || self.groups[group] == 1 { 1 } else { 2 }
    }

    /// Calls `f(group, inputs, places, outputs)` with the rows of each group.
    fn each(&self, mut f: impl FnMut(usize, Range<usize>, Range<usize>, Range<usize>)) {
        let (mut input, mut place, mut output) = (0, 0, 0);
        for (group, &size) in self.groups.iter().enumerate() {
            let ends = (input + (1 << size) - 1, place + size, output + self.outputs_of(group));
            f(group, input..ends.0, place..ends.1, output..ends.2);
            (input, place, output) = ends;
        }
    }

    /// Row of the inputs and place, for each place whose propagate bit is there.
    fn propagate(&self) -> Vec<(usize, usize)> {
        let mut rows = vec![];
        self.each(|_, inputs, places, _| {
            if places.len() == 1 {
                rows.push((inputs.start, places.start));
            }
        });
        let (inputs, places) = (self.inputs(), self.places());
        rows.extend((1..=self.plain).rev().map(|k| (inputs - k, places - k)));
        rows
    }
}

/// The numbers that `p` inputs; whole words, but for the last.
fn third(n: usize, p: Party) -> Range<usize> {
    let cut = |i: usize| (stride(n) * i / PARTIES * 64).min(n);
    cut(p)..cut(p + 1)
}

/// How many numbers `p` inputs, if any; of no numbers the last party inputs all.
pub(crate) fn input_by(n: usize, p: Party) -> Option<usize> {
    let len = third(n, p).len();
    (len > 0 || p == PARTIES - 1).then_some(len)
}

/// Propagate and carry bits of a sum, from the lowest place up.
pub(crate) struct Sum {
    /// Of single places: exactly one addend has a 1.
    pub(crate) propagate: Vec<Row>,
    /// The addend w, if it was asked for.
    pub(crate) addend: Vec<Row>,
    /// By group: there is a carry out of it.
    pub(crate) generate: Vec<Row>,
    /// By group: a carry into it goes through. Nobody reads that of the lowest group, which holds
    /// something else.
    pub(crate) pass: Vec<Row>,
}

/// How parties p+1 and p+2 change w before its bits are taken.
pub(crate) type Change<W> = fn(W) -> W;

/// The third of which party `p` inputs; this party is p + `role`.
pub(super) struct Third {
    pub(super) p: Party,
    pub(super) role: usize,
    pub(super) range: Range<usize>,
    /// Whether there is something to be sent for it.
    pub(super) there: bool,
}

impl Third {
    fn form(&self, rows: usize) -> Form {
        Form::rows(rows, self.range.len())
    }

    /// Its numbers.
    pub(super) fn numbers<W: Word>(&self) -> Form {
        Form::numbers::<W>(self.range.len())
    }

    /// The other of the two that know w.
    pub(super) fn peer(&self) -> Party {
        (self.p + PARTIES - self.role) % PARTIES
    }

    /// The rows of `plane`, which holds this third only.
    fn rows<'a>(&self, plane: &'a Plane, rows: Range<usize>) -> &'a [u64] {
        let stride = stride(self.range.len());
        &plane.words()[rows.start * stride..rows.end * stride]
    }

    /// The low bits of `number(i)` for its numbers, from i = 0.
    fn bits<W: Word>(&self, places: usize, number: impl Fn(usize) -> W) -> Plane {
        let len = self.range.len();
        self.form(places).plane(|out: &mut [u64]| bits::to_rows(len, places, out, number))
    }
}

/// What this party has of a third: both components.
pub(super) type Components = [Plane; 2];

/// What p has input of a third, as far as this party has it before a message of p came.
pub(super) struct Inputs {
    /// Of the third that this party inputs: both components.
    own: Components,
    /// Of the third in which it is p+2: component p.
    second: Plane,
}

impl Trio {
    /// The thirds of `n` numbers in which this party is p, p+1 and p+2.
    pub(super) fn thirds(&self, n: usize) -> [Third; 3] {
        [0, 1, 2].map(|role| {
            let p = (self.me + PARTIES - role) % PARTIES;
            Third { p, role, range: third(n, p), there: input_by(n, p).is_some() }
        })
    }

    /// Splits the low places of `x` into addends, `change` applied to w. One round if the plan has no
    /// groups, two otherwise.
    pub(crate) async fn addends<W: Word>(
        &self,
        op: &Op<'_>,
        x: &Shares,
        plan: &Plan,
        change: Change<W>,
    ) -> Result<Sum> {
        let thirds = self.thirds(x.len());
        let [x0, x1] = [0, 1].map(|i| elements::<W>(x.plane(i)));
        let start = thirds[0].range.start;
        let inputs = self.input_addend(op, &thirds, plan, |i| x0[start + i].plus(x1[start + i]))?;
        let w = [&x1[thirds[1].range.clone()], &x0[thirds[2].range.clone()]];
        self.add(op, &thirds, plan, inputs, w, change, true).await
    }

    /// Inputs the bits of `y(i)` for all numbers i of this party's third.
    pub(super) fn input_addend<W: Word>(
        &self,
        op: &Op<'_>,
        [own, _, second]: &[Third; 3],
        plan: &Plan,
        y: impl Fn(usize) -> W,
    ) -> Result<Inputs> {
        let mask = self.uniform(op, own.form(plan.inputs()), 0, purpose::INPUT);
        let y = own.bits(plan.places(), y);
        let rest = monomials(plan, own, &mask, &y);
        if own.there {
            op.send(self.next(), ADDEND, &own.form(plan.inputs()).pack(rest.words()))?;
        }
        let second = self.uniform(op, second.form(plan.inputs()), 1, purpose::INPUT);
        Ok(Inputs { own: [mask, rest], second })
    }

    /// Bits of y and w, and of their sum what the plan wants. `w` holds those of the thirds in which
    /// this party is p+1 and p+2; with `early` it has been there before y was input.
    #[expect(clippy::too_many_arguments, reason = "both addends, and how they are added")]
    pub(super) async fn add<W: Word>(
        &self,
        op: &Op<'_>,
        thirds: &[Third; 3],
        plan: &Plan,
        inputs: Inputs,
        w: [&[W]; 2],
        change: Change<W>,
        early: bool,
    ) -> Result<Sum> {
        let [own, first, second] = thirds;
        let places = plan.places();
        let Inputs { own: own_input, second: second_mask } = inputs;
        let second_w = second.bits(places, |i| change(w[1][i]));
        let offer = || self.offer_carries(op, plan, second, (&second_mask, &second_w));
        let offered = if early { Some(offer()?) } else { None };
        let first_w = first.bits(places, |i| change(w[0][i]));
        let form = first.form(plan.inputs());
        let first_rest = match first.there {
            true => form.receive(op, first.p, ADDEND).await?,
            false => form.zero(),
        };
        let depth = op.round();
        let second_offer = offered.map_or_else(offer, Ok)?;
        let first_offer = self.offer_carries(op, plan, first, (&first_rest, &first_w))?;

        let n = thirds.iter().map(|third| third.range.end).max().unwrap_or(0);
        let ranges = [own, first, second].map(|third| third.range.clone());
        let inputs = [own_input, [first_rest, first_w], [second_w, second_mask]];
        let propagate = plan.propagate();
        let propagate = Rows::joined(n, propagate.len(), depth, &ranges, |role, i, k| {
            let (input, place) = propagate[k];
            let row = if is_addend(role, i) { place } else { input };
            Some(thirds[role].rows(&inputs[role][i], row..row + 1))
        });
        let wanted = if plan.keeps_addend { places } else { 0 };
        let addend = Rows::joined(n, wanted, depth, &ranges, |role, i, k| {
            is_addend(role, i).then(|| thirds[role].rows(&inputs[role][i], k..k + 1))
        });
        let (propagate, addend) = (Row::all(&propagate), Row::all(&addend));
        if plan.groups() == 0 {
            return Ok(Sum { propagate, addend, generate: vec![], pass: vec![] });
        }

        let masks = [0, 1].map(|i| self.carry_mask(op, plan, own, i));
        let first_carries = self.accept_carries(op, plan, first, first_offer).await?;
        let second_carries = self.accept_carries(op, plan, second, second_offer).await?;
        let carries = [masks, first_carries, second_carries];
        let depth = op.round();
        let rows = Rows::joined(n, plan.outputs(), depth, &ranges, |role, i, k| {
            Some(thirds[role].rows(&carries[role][i], k..k + 1))
        });
        let rows = Row::all(&rows);
        let (mut generate, mut pass) = (vec![], vec![]);
        plan.each(|group, _, _, outputs| {
            generate.push(rows[outputs.start].clone());
            pass.push(match outputs.len() {
                1 if group > 0 => propagate[group].clone(),
                _ => rows[outputs.end - 1].clone(),
            });
        });
        Ok(Sum { propagate, addend, generate, pass })
    }

    /// Uniform shares of the carries of a third, common to the holders of plane `i`.
    fn carry_mask(&self, op: &Op<'_>, plan: &Plan, third: &Third, i: usize) -> Plane {
        self.uniform(op, third.form(plan.outputs()), i, purpose::CARRY_OUT + third.p as u16)
    }

    /// Sends this party's summand of the carries of a third, less the component that the peer lacks.
    /// `f` is the component of the monomials that this party has, `w` the other addend.
    fn offer_carries(
        &self,
        op: &Op<'_>,
        plan: &Plan,
        third: &Third,
        (f, w): (&Plane, &Plane),
    ) -> Result<Components> {
        let form = third.form(plan.outputs());
        if plan.groups() == 0 || !third.there {
            return Ok([form.zero(), form.zero()]);
        }
        // Component p+1 at p+1, component p at p+2; one of the two adds what holds no y.
        let mask = self.carry_mask(op, plan, third, third.role - 1);
        let ones = if third.role == 1 { !0 } else { 0 };
        let stride = stride(third.range.len());
        let offered = form.plane(|out: &mut [u64]| {
            if stride == 0 {
                return;
            }
            plan.each(|_, inputs, places, outputs| {
                let mask = third.rows(&mask, outputs.clone());
                let out = &mut out[outputs.start * stride..outputs.end * stride];
                let (f, w) = (third.rows(f, inputs), third.rows(w, places));
                simd::carry_out(out, mask, f, w, ones, stride);
            });
        });
        op.send(third.peer(), CARRY_OUT, &form.pack(offered.words()))?;
        Ok([mask, offered])
    }

    /// Both components of the carries of a third, of which this party has offered.
    async fn accept_carries(
        &self,
        op: &Op<'_>,
        plan: &Plan,
        third: &Third,
        [mask, mut rest]: Components,
    ) -> Result<Components> {
        let form = third.form(plan.outputs());
        if third.there {
            let theirs = form.receive(op, third.peer(), CARRY_OUT).await?;
            rest.change(|out| {
                simd::add::<Bits>(bytemuck::cast_slice_mut(out), elements(&theirs));
            });
        }
        Ok(if third.role == 1 { [mask, rest] } else { [rest, mask] })
    }
}

/// Whether component `i` of the third in which this party is p + `role` is the addend w.
fn is_addend(role: usize, i: usize) -> bool {
    (role, i) == (1, 1) || (role, i) == (2, 0)
}

/// What p sends: monomials of the rows of `y`, less `mask`.
fn monomials(plan: &Plan, third: &Third, mask: &Plane, y: &Plane) -> Plane {
    let stride = stride(third.range.len());
    third.form(plan.inputs()).plane(|out: &mut [u64]| {
        if stride == 0 {
            return;
        }
        let mut put = |inputs: Range<usize>, places| {
            let out = &mut out[inputs.start * stride..inputs.end * stride];
            simd::monomials(out, third.rows(mask, inputs), third.rows(y, places), stride);
        };
        let (mut input, mut place) = (0, 0);
        plan.each(|_, inputs, places, _| {
            (input, place) = (inputs.end, places.end);
            put(inputs, places);
        });
        (0..plan.plain).for_each(|k| put(input + k..input + k + 1, place + k..place + k + 1));
    })
}

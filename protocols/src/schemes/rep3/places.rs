//! Places of rows in stable ascending order: radix sorting by two bits at a time.
//!
//! Idea:    keep the secret place of every row; for each digit bring the digits into the order of the
//!          places, count, and so get new places (Hamada, Ikarashi, Chida, Takahashi 2014, eprint
//!          2014/121; Chida, Hamada, Ikarashi, Kikuchi, Kiribuchi, Pinkas 2019, eprint 2019/695).
//! Differs: places live modulo 2^w, w = ⌈log2 rows⌉, and travel in w bits; everything between two
//!          openings is done by two parties on two summands, and the third helps.
//!
//! A pass over one digit of d bits, M = 2^d, with the roles and slots of [`super::slots`]:
//!
//! 1. Places and digits go into slots. The helper hides the digit of slot j by a mask r_j of its own, and
//!    shares unit vectors: summands e_j of (r_j = k) for 0 < k < M, those of the left party from a
//!    common key, those of the right one sent. For k = 0 it is 1 less all others.
//! 2. Left and right open to each other the place q_j and the hidden digit c_j = digit ⊕ r_j of every slot.
//!    Now e_j\[v ⊕ c_j\] is a sharing of (digit = v). They add up, over all slots in the order of the
//!    places: P_v is the number of smaller digits, and of digits v before. So A_k = P_(k ⊕ c_j) is the
//!    new place of slot j if r_j = k.
//! 3. The new place is A_0 + Σ_k (r_j = k)·(A_k - A_0). Left and right each send their summands of A_k - A_0
//!    under masks a_k and b_k that both know; the helper takes the sum of those at r_j, and from A_0 left
//!    and right subtract e_j\[k\]·(a_k + b_k). On the way all leaves the slots: the right party undoes the
//!    second order before it sends its summand of the rest, the left one sends its own as it is, and the
//!    helper undoes the second order, adds, and undoes the first.
//!
//! Then the helper and the left party have two summands of the new places, and exchange their roles in the
//! next pass. At the end the right party sees the places under an order of the other two, and shares them in
//! the ring that is asked for.
//!
//! Opened:  places in slots, to two parties each of which lacks an order that was drawn for this pass: to
//!          either a uniformly random permutation, whatever the keys are. And digits under uniform
//!          masks of the helper, which sees neither. All else that is sent is hidden by a mask that
//!          its receiver lacks.
//! Cost:    of a row, by all parties together: for a digit of two bits 3 rounds and 15w + 8 bits, for a
//!          digit of one bit 3 rounds and 9w + 4 bits; the end 3 rounds, 2w bits, 3 elements of the ring.

use mpc_runtime::{Depth, Error, Label, Op, Party, Result, Step};

use super::slots::{self, Mixed, Opened, Roles};
use super::{Form, PARTIES, Trio, elements, purpose};
use crate::algebra::narrow::{self, Narrow, field, pack, packed_bytes};
use crate::algebra::ring::Ring;
use crate::algebra::simd;
use crate::cost::Cost;
use crate::value::{Plane, Shares};

const UNITS: Label = Label("rep3.places.units");
const SELECT: Label = Label("rep3.places.select");
const LEAVE: Label = Label("rep3.places.leave");
const REST: Label = Label("rep3.places.rest");

/// Most rows: a slot and a digit fit a word.
const MOST_ROWS: usize = 1 << 28;

/// Two summands of the places of all rows: one at this party, if it is one of the two.
struct Pair {
    mine: Option<Narrow>,
    depth: Depth,
}

/// Which bits of rows of `k` bits are a digit.
#[derive(Clone, Copy)]
struct Digit {
    k: usize,
    at: usize,
    bits: u32,
}

impl Digit {
    /// All digits of rows of `k` bits, from the lowest up.
    fn all(k: usize) -> impl Iterator<Item = Digit> {
        (0..k).step_by(2).map(move |at| Digit { k, at, bits: (k - at).min(2) as u32 })
    }

    /// The digit of row `i`.
    #[inline(always)]
    fn of(self, words: &[u64], i: usize) -> u32 {
        let at = i * self.k + self.at;
        let low = words[at / 64] >> (at % 64);
        let high = if at % 64 + self.bits as usize > 64 { words[at / 64 + 1] << 1 } else { 0 };
        (low | high) as u32 & ((1 << self.bits) - 1)
    }
}

/// Roles in pass `number`: two parties in turn.
fn roles(number: usize) -> Roles {
    Roles { helper: number % 2, left: 1 - number % 2, right: 2 }
}

impl Trio {
    /// The place of each of `rows` rows in stable ascending order of their bits, lowest first; `place`
    /// makes an element of the ring of a number.
    ///
    /// # Errors
    /// Too many rows.
    pub(crate) async fn places<R: Ring>(
        &self,
        step: &Step,
        bits: &Shares,
        rows: usize,
        place: fn(u32) -> R,
    ) -> Result<Shares> {
        let (k, form) = (bits.len() / rows.max(1), Form::numbers::<R>(rows));
        if rows < 2 || k == 0 {
            return Ok(self.public(form, bits.depth, |out: &mut [R]| {
                out.iter_mut().zip(0..).for_each(|(o, i)| *o = place(i));
            }));
        }
        if rows > MOST_ROWS {
            return Err(Error::Program(format!("{rows} rows are too many to be sorted")));
        }
        let start = match self.role(0) {
            0 => Some(Narrow::counted(rows)),
            1 => Some(Narrow::zeros(rows)),
            _ => None,
        };
        let mut pair = Pair { mine: start, depth: bits.depth };
        let mut number = 0;
        for digit in Digit::all(k) {
            pair = match digit.bits {
                1 => self.pass::<2>(step, roles(number), pair, bits, digit).await?,
                _ => self.pass::<4>(step, roles(number), pair, bits, digit).await?,
            };
            number += 1;
        }
        self.shared_anew::<R>(step, roles(number), pair, form, place).await
    }

    /// The places in the order of one more digit.
    async fn pass<const M: usize>(
        &self,
        step: &Step,
        roles: Roles,
        Pair { mine, depth }: Pair,
        bits: &Shares,
        digit: Digit,
    ) -> Result<Pair> {
        let op = step.op(depth);
        let rows = bits.len() / digit.k;
        let word = Mixed::place(rows, digit.bits);
        let mine = match mine {
            Some(places) => {
                let mine = self.with_digit(roles, &places, bits, word, digit);
                Some(if self.me == roles.helper {
                    self.help::<M>(&op, roles, word, mine).await?
                } else {
                    self.left::<M>(&op, roles, word, mine).await?
                })
            }
            None => {
                self.right::<M>(&op, roles, word, rows).await?;
                None
            }
        };
        Ok(Pair { mine, depth: op.depth() })
    }

    /// This party's summand of the digit above its summand of the place: the helper has two components
    /// of the digit, the left party the third.
    fn with_digit(
        &self,
        roles: Roles,
        places: &Narrow,
        bits: &Shares,
        word: Mixed,
        digit: Digit,
    ) -> Narrow {
        let third = self.component_with(bits, roles.right).words();
        let other =
            (self.me == roles.helper).then(|| self.component_with(bits, roles.left).words());
        let mut out = Narrow::zeros(places.len());
        for (i, (o, place)) in out.iter_mut().zip(places.iter()).enumerate() {
            let summand = digit.of(third, i) ^ other.map_or(0, |words| digit.of(words, i));
            *o = place & word.mask() | summand << word.low;
        }
        out
    }

    async fn help<const M: usize>(
        &self,
        op: &Op<'_>,
        roles: Roles,
        word: Mixed,
        mine: Narrow,
    ) -> Result<Narrow> {
        let (n, w) = (mine.len(), word.low);
        let hidden = Hidden { words: self.own(op, n * word.high as usize), bits: word.high };
        let lanes = self.narrow(op, roles.left, purpose::LANES, n * M);
        let hide = |j| hidden.of(j);
        let [first, second] = self.helper_in(op, roles, word, &mine, &lanes, hide)?;
        let mut units = Narrow::zeros(n * (M - 1));
        for (j, out) in units.chunks_exact_mut(M - 1).enumerate() {
            let lanes = &lanes[j * M + 1..];
            for (k, o) in out.iter_mut().enumerate() {
                *o = u32::from(hidden.of(j) as usize == k + 1).wrapping_sub(lanes[k]);
            }
        }
        op.send(roles.right, UNITS, &pack(&units, w))?;
        op.round();
        op.round();
        let bytes = packed_bytes(n * M, w);
        let left = op.recv(roles.left, SELECT, bytes).await?;
        let right = op.recv(roles.right, SELECT, bytes).await?;
        let passed = Narrow::scattered(&second, |j| {
            let lane = |k| field(&left, j * M + k, w).wrapping_add(field(&right, j * M + k, w));
            // All are read, whichever is taken.
            let taken = |k| lane(k) & u32::from(hidden.of(j) as usize == k).wrapping_neg();
            (1..M).map(taken).fold(field(&left, j * M, w), u32::wrapping_add)
        });
        op.round();
        Ok(Narrow::scattered(&first, |i| passed[i].wrapping_add(field(&right, i * M, w))))
    }

    async fn left<const M: usize>(
        &self,
        op: &Op<'_>,
        roles: Roles,
        word: Mixed,
        mine: Narrow,
    ) -> Result<Narrow> {
        let n = mine.len();
        let mut lanes = self.narrow(op, roles.helper, purpose::LANES, n * M);
        let first = self.left_in(op, roles, word, &mine, &lanes)?;
        let masks = self.masks(op, roles.right, n * M);
        let opened = self.left_opened(op, roles, word, n).await?;
        select::<M>(&mut lanes, &opened, 0, &masks);
        op.send(roles.helper, SELECT, &hidden_by(&mut lanes, &masks[0], word.low))?;
        op.round();
        Ok(Narrow::scattered(&first, |i| masks[1][i * M].wrapping_neg()))
    }

    async fn right<const M: usize>(
        &self,
        op: &Op<'_>,
        roles: Roles,
        word: Mixed,
        n: usize,
    ) -> Result<()> {
        let masks = self.masks(op, roles.left, n * M);
        let (second, opened) = self.right_opened(op, roles, word, n).await?;
        let units = op.recv(roles.helper, UNITS, packed_bytes(n * (M - 1), word.low)).await?;
        let mut lanes = Narrow::zeros(n * M);
        for (j, lanes) in lanes.chunks_exact_mut(M).enumerate() {
            for (k, o) in lanes[1..].iter_mut().enumerate() {
                *o = field(&units, j * (M - 1) + k, word.low);
            }
        }
        select::<M>(&mut lanes, &opened, 1, &masks);
        let rest = Narrow::scattered(&second, |j| lanes[j * M].wrapping_sub(masks[0][j * M]));
        lanes.chunks_exact_mut(M).zip(rest.iter()).for_each(|(lanes, &x)| lanes[0] = x);
        op.send(roles.helper, SELECT, &hidden_by(&mut lanes, &masks[1], word.low))?;
        op.round();
        Ok(())
    }

    /// What the left and the right party hide their messages to the helper with.
    fn masks(&self, op: &Op<'_>, peer: Party, len: usize) -> [Narrow; 2] {
        [purpose::LEFT, purpose::RIGHT].map(|purpose| self.narrow(op, peer, purpose, len))
    }

    /// The places, shared in another ring: under an order that helper and left party agree on, they are
    /// opened to the right party. With z from the key of left and right, the right party sends them to the
    /// helper hidden by z; helper and left party undo the order of this and of -z, and share the sum.
    async fn shared_anew<R: Ring>(
        &self,
        step: &Step,
        roles: Roles,
        Pair { mine, depth }: Pair,
        form: Form,
        place: fn(u32) -> R,
    ) -> Result<Shares> {
        let op = step.op(depth);
        let Roles { helper, left, right } = roles;
        let word = Mixed::place(form.len, 0);
        let common = |peer, purpose| self.uniform(&op, form, self.common(peer), purpose);
        let planes = match mine {
            None => {
                let opened = self.seen(&op, roles, word, form.len).await?;
                let hidden = form.plane(|out: &mut [R]| {
                    let z = common(left, purpose::RIGHT);
                    out.iter_mut().zip(opened.iter()).for_each(|(o, &x)| *o = place(x));
                    simd::add(out, elements(&z));
                });
                op.send(helper, LEAVE, &form.pack(hidden.words()))?;
                op.round();
                [(helper, common(helper, purpose::MASK)), (left, common(left, purpose::LEFT))]
            }
            Some(mine) => {
                let order = self.shown(&op, roles, word, &mine)?;
                let undone = |x: &Plane, own: &Plane, sign: fn(R) -> R| {
                    form.plane(|out: &mut [R]| {
                        let to = order.iter().zip(elements::<R>(x));
                        to.for_each(|(&to, &x)| out[to as usize] = sign(x));
                        simd::subtract(out, elements(own));
                    })
                };
                let (peer, own, rest) = if self.me == helper {
                    let hidden = form.receive(&op, right, LEAVE).await?;
                    op.round();
                    let own = common(right, purpose::MASK);
                    let rest = undone(&hidden, &own, |x| x);
                    op.send(left, REST, &form.pack(rest.words()))?;
                    (left, own, rest)
                } else {
                    let own = common(right, purpose::LEFT);
                    let rest =
                        undone(&common(right, purpose::RIGHT), &own, |z| R::zeroed().minus(z));
                    op.send(helper, REST, &form.pack(rest.words()))?;
                    op.round();
                    (helper, own, rest)
                };
                let mut sum = form.receive(&op, peer, REST).await?;
                sum.change(|out| simd::add::<R>(bytemuck::cast_slice_mut(out), elements(&rest)));
                [(peer, sum), (right, own)]
            }
        };
        Ok(self.shares_with(planes, op.round()))
    }
}

/// Bits that the helper alone knows, `bits` for every slot.
struct Hidden {
    words: Narrow,
    bits: u32,
}

impl Hidden {
    #[inline(always)]
    fn of(&self, slot: usize) -> u32 {
        let at = slot * self.bits as usize;
        self.words[at / 32] >> (at % 32) & ((1 << self.bits) - 1)
    }
}

/// Lanes with masks added to them, packed.
fn hidden_by(lanes: &mut [u32], masks: &[u32], bits: u32) -> narrow::Packed {
    lanes.iter_mut().zip(masks).for_each(|(x, &m)| *x = x.wrapping_add(m));
    pack(lanes, bits)
}

/// Step 2 and the local part of step 3, for one of two summands. `lanes` are the summands of the unit
/// vector of each slot, but for lane 0: `one` less the others. They become those of A_0 less
/// Σ_k e_j\[k\]·(a_k + b_k), and of A_k - A_0.
fn select<const M: usize>(lanes: &mut [u32], opened: &Opened, one: u32, masks: &[Narrow; 2]) {
    let (lanes, _) = lanes.as_chunks_mut::<M>();
    let (a, b) = (masks[0].as_chunks::<M>().0, masks[1].as_chunks::<M>().0);
    let unit = |lanes: &[u32; M]| {
        let mut unit = *lanes;
        unit[0] = lanes[1..].iter().fold(one, |rest, &x| rest.wrapping_sub(x));
        unit
    };
    let mut before = [0_u32; M];
    for (j, lanes) in lanes.iter_mut().enumerate() {
        let (unit, c) = (unit(lanes), opened.high(j));
        for v in 0..M - 1 {
            before[v + 1] = before[v + 1].wrapping_add(unit[v ^ c]);
        }
        let taken = (1..M).map(|k| unit[k].wrapping_mul(a[j][k].wrapping_add(b[j][k])));
        lanes[0] = taken.fold(0, u32::wrapping_sub);
    }
    (1..M).for_each(|v| before[v] = before[v].wrapping_add(before[v - 1]));
    for (slot, c) in opened.by_place() {
        let lanes = &mut lanes[slot];
        let unit = unit(lanes);
        let first = before[c];
        lanes[0] = lanes[0].wrapping_add(first);
        for k in 1..M {
            lanes[k] = before[k ^ c].wrapping_sub(first);
        }
        for v in 0..M {
            before[v] = before[v].wrapping_add(unit[v ^ c]);
        }
    }
}

/// What [`Trio::places`] costs.
pub(crate) fn cost<R: Ring>(rows: usize, k: usize) -> Cost {
    let mut total = Cost::local(PARTIES);
    if rows < 2 || k == 0 {
        return total;
    }
    let mut number = 0;
    for digit in Digit::all(k) {
        total = total.then(&pass_cost(roles(number), rows, digit.bits));
        number += 1;
    }
    let Roles { helper, left, right } = roles(number);
    let (place, element) = (packed_bytes(rows, Mixed::place(rows, 0).low), rows * R::WORDS * 8);
    let mut end = Cost { rounds: 3, ..Cost::local(PARTIES) };
    end.add(helper, place);
    end.add(left, place);
    end.add(right, element);
    end.add(left, element);
    end.add(helper, element);
    total.then(&end)
}

fn pass_cost(roles: Roles, rows: usize, bits: u32) -> Cost {
    let Roles { helper, left, right } = roles;
    let word = Mixed::place(rows, bits);
    let (lanes, slots) = (1 << bits, packed_bytes(rows, word.bits()));
    let mut cost = slots::opened_cost(roles, slots);
    cost.rounds += 1;
    cost.add(helper, packed_bytes(rows * (lanes - 1), word.low));
    for party in [left, right] {
        cost.add(party, packed_bytes(rows * lanes, word.low));
    }
    cost
}

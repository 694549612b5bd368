//! Arithmetic on shared bits: adders, carry-save trees, products, comparisons.
//!
//! Everything is modulo `2^width`, `width` the number of rows. Exclusive or is taken to be free.

use mpc_runtime::{Result, Step};

use super::carry;
use super::wires::Wires;
use crate::Protocol;
use crate::value::{ClearBits, Shares};

/// `x + y + carry`: `1 + ceil(log2(width - 1))` rounds.
///
/// # Errors
/// Those of the protocol.
pub async fn add(
    p: &dyn Protocol,
    step: &Step,
    x: &Wires,
    y: &Wires,
    carry: bool,
) -> Result<Wires> {
    let width = x.width();
    let half = Wires::xor(p, step, x, y).await?;
    if width == 1 {
        return if carry { Wires::not(p, step, &half).await } else { Ok(half) };
    }
    let below = width - 1;
    let g = Wires::and(p, step, &x.range(0, below), &y.range(0, below)).await?;
    finish(p, step, half, g, carry).await
}

/// `x + c + carry`, `c` clear, as rows: `ceil(log2(width - 1))` rounds.
///
/// # Errors
/// Those of the protocol.
pub async fn add_clear(p: &dyn Protocol, step: &Step, x: &Wires, c: &ClearBits) -> Result<Wires> {
    let (lanes, width) = (x.lanes(), x.width());
    let half = Wires::new(p.xor_clear(step, x.bits(), c).await?, lanes, width);
    if width == 1 {
        return Ok(half);
    }
    let below = x.range(0, width - 1);
    let c = c.slice(0..lanes * (width - 1));
    let g = Wires::new(p.and_clear(step, below.bits(), &c).await?, lanes, width - 1);
    finish(p, step, half, g, false).await
}

/// The sum from half sums and generated carries.
async fn finish(
    p: &dyn Protocol,
    step: &Step,
    half: Wires,
    mut g: Wires,
    carry: bool,
) -> Result<Wires> {
    let width = half.width();
    let mut lowest = half.range(0, 1);
    if carry {
        let first = Wires::xor(p, step, &g.range(0, 1), &lowest).await?;
        g = Wires::stack(&[first, g.range(1, width - 1)]);
        lowest = Wires::not(p, step, &lowest).await?;
    }
    let carries = carry::prefix(p, step, &g, &half.range(0, width - 1)).await?;
    let upper = Wires::xor(p, step, &half.range(1, width), &carries).await?;
    Ok(Wires::stack(&[lowest, upper]))
}

/// `x + b`, `b` one row: `ceil(log2(width))` rounds.
///
/// # Errors
/// Those of the protocol.
pub async fn add_bit(p: &dyn Protocol, step: &Step, x: &Wires, b: &Shares) -> Result<Wires> {
    let width = x.width();
    let mut carries = Wires::stack(&[Wires::row_of(b.clone()), x.range(0, width - 1)]);
    let mut level = 0;
    while 1 << level < width {
        let rows: Vec<usize> = (0..width).filter(|i| i >> level & 1 == 1).collect();
        let pivots: Vec<usize> = rows.iter().map(|i| (i >> level << level) - 1).collect();
        let both = Wires::and(p, step, &carries.pick(&rows), &carries.pick(&pivots)).await?;
        carries = carry::replace(&carries, &rows, &both);
        level += 1;
    }
    Wires::xor(p, step, x, &carries).await
}

/// `x - y`: as many rounds as [`add`].
///
/// # Errors
/// Those of the protocol.
pub async fn sub(p: &dyn Protocol, step: &Step, x: &Wires, y: &Wires) -> Result<Wires> {
    let inverse = Wires::not(p, step, y).await?;
    add(p, step, x, &inverse, true).await
}

/// `x < y` of signed numbers: `1 + ceil(log2(width))` rounds.
///
/// # Errors
/// Those of the protocol.
pub async fn less_than(p: &dyn Protocol, step: &Step, x: &Wires, y: &Wires) -> Result<Shares> {
    let top = x.width() - 1;
    // A sign bit counts the other way round: there x = 1, y = 0 makes x smaller.
    let crossed = |a: &Wires, b: &Wires| Wires::stack(&[a.range(0, top), b.range(top, top + 1)]);
    below(p, step, &crossed(x, y), &crossed(y, x)).await
}

/// `x < y` of numbers that are not negative: `1 + ceil(log2(width))` rounds.
///
/// # Errors
/// Those of the protocol.
pub async fn below(p: &dyn Protocol, step: &Step, x: &Wires, y: &Wires) -> Result<Shares> {
    let not_x = Wires::not(p, step, x).await?;
    let g = Wires::and(p, step, &not_x, y).await?;
    let e = Wires::xor(p, step, &not_x, y).await?;
    Ok(carry::out(p, step, &g, &e, false).await?.0)
}

/// `x = 0`: `ceil(log2(width))` rounds.
///
/// # Errors
/// Those of the protocol.
pub async fn is_zero(p: &dyn Protocol, step: &Step, x: &Wires) -> Result<Shares> {
    let inverse = Wires::not(p, step, x).await?;
    carry::all(p, step, &inverse).await
}

/// Rows that shall be added up, by weight: `columns[w]` lists rows of weight `2^w`.
pub struct Columns {
    rows: Wires,
    columns: Vec<Vec<usize>>,
}

impl Columns {
    /// Columns of rows; all weights are below `2^columns.len()`.
    pub fn new(rows: Wires, columns: Vec<Vec<usize>>) -> Columns {
        Columns { rows, columns }
    }

    /// The sum modulo `2^columns.len()`: a round for each level of Dadda's tree, then an adder.
    ///
    /// # Errors
    /// Those of the protocol.
    pub async fn sum(mut self, p: &dyn Protocol, step: &Step) -> Result<Wires> {
        while let Some(target) = self.next_height() {
            self.reduce(p, step, target).await?;
        }
        let lanes = self.rows.lanes();
        let none = self.rows.width();
        let rows = Wires::stack(&[self.rows, Wires::zeros(p, step, lanes).await?]);
        let operand = |i: usize| -> Vec<usize> {
            self.columns.iter().map(|c| c.get(i).copied().unwrap_or(none)).collect()
        };
        let (x, y) = (rows.pick(&operand(0)), rows.pick(&operand(1)));
        if self.columns.iter().all(|c| c.len() <= 1) {
            return Ok(x);
        }
        // Columns below the first with two rows are done.
        let done = self.columns.iter().take_while(|c| c.len() <= 1).count();
        let width = self.columns.len();
        let upper = add(p, step, &x.range(done, width), &y.range(done, width), false).await?;
        Ok(Wires::stack(&[x.range(0, done), upper]))
    }

    /// The next of Dadda's heights 2, 3, 4, 6, 9, …; `None` if no column is higher than 2.
    fn next_height(&self) -> Option<usize> {
        let height = self.columns.iter().map(Vec::len).max().unwrap_or(0);
        let mut target = 2;
        while target * 3 / 2 < height {
            target = target * 3 / 2;
        }
        (height > 2).then_some(target)
    }

    /// One level: no column stays higher than `target`.
    async fn reduce(&mut self, p: &dyn Protocol, step: &Step, target: usize) -> Result<()> {
        let width = self.columns.len();
        let zero_row = self.rows.width();
        let mut adders: Vec<([usize; 3], usize)> = vec![];
        let mut kept: Vec<Vec<usize>> = vec![];
        let mut carries = 0;
        for (w, column) in self.columns.iter().enumerate() {
            let mut rest = column.clone();
            let mut out = 0;
            while rest.len() + out + carries > target {
                let full = rest.len() + out + carries > target + 1;
                let mut take = || rest.pop().expect("Dadda's heights leave enough rows");
                let third = if full { take() } else { zero_row };
                adders.push(([third, take(), take()], w));
                out += 1;
            }
            kept.push(rest);
            carries = out;
        }
        let zeros = Wires::zeros(p, step, self.rows.lanes()).await?;
        let old: Vec<usize> = kept.iter().flatten().copied().collect();
        let all = adders.len();
        let carrying = adders.iter().take_while(|a| a.1 + 1 < width).count();
        let rows = Wires::stack(&[std::mem::replace(&mut self.rows, zeros.clone()), zeros]);
        let input = |i: usize| rows.pick(&adders.iter().map(|a| a.0[i]).collect::<Vec<_>>());
        let (a, b, c) = (input(0), input(1), input(2));
        let stay = rows.pick(&old);
        drop(rows);
        // Full adder with one conjunction: sum = a ⊕ b ⊕ c, carry = (a ⊕ c) ∧ (b ⊕ c) ⊕ c.
        let ac = Wires::xor(p, step, &a, &c).await?;
        let bc = Wires::xor(p, step, &b, &c).await?;
        drop(a);
        let sums = Wires::xor(p, step, &ac, &b).await?;
        drop(b);
        let (ac, bc, c) = (ac.range(0, carrying), bc.range(0, carrying), c.range(0, carrying));
        let both = Wires::and(p, step, &ac, &bc).await?;
        let carry = Wires::xor(p, step, &both, &c).await?;
        let mut columns: Vec<Vec<usize>> = vec![];
        let mut next = 0;
        for column in &kept {
            columns.push((next..next + column.len()).collect());
            next += column.len();
        }
        for (i, &(_, w)) in adders.iter().enumerate() {
            columns[w].push(next + i);
            if w + 1 < width {
                columns[w + 1].push(next + all + i);
            }
        }
        self.rows = Wires::stack(&[stay, sums, carry]);
        self.columns = columns;
        Ok(())
    }
}

/// `Σ_j x_j·y_j`, where lane `j·lanes + i` of the operands belongs to sum `i`; modulo `2^width`. One
/// round for all partial products, then a carry-save tree.
///
/// # Errors
/// Those of the protocol.
pub async fn dot(
    p: &dyn Protocol,
    step: &Step,
    x: &Wires,
    y: &Wires,
    inner: usize,
) -> Result<Wires> {
    let places = triangle(x.width());
    let (i, j): (Vec<usize>, Vec<usize>) = places.iter().copied().unzip();
    let products = Wires::and(p, step, &x.pick(&i), &y.pick(&j)).await?;
    products_summed(products, &places, x.width(), inner).sum(p, step).await
}

/// As [`dot`], the second operand clear, as rows.
///
/// # Errors
/// Those of the protocol.
pub async fn dot_clear(
    p: &dyn Protocol,
    step: &Step,
    x: &Wires,
    c: &ClearBits,
    inner: usize,
) -> Result<Wires> {
    let (places, lanes) = (triangle(x.width()), x.lanes());
    let (i, j): (Vec<usize>, Vec<usize>) = places.iter().copied().unzip();
    let factors = c.pick(j.len() * lanes, |at| j[at / lanes] * lanes + at % lanes);
    let products = p.and_clear(step, x.pick(&i).bits(), &factors).await?;
    let products = Wires::new(products, lanes, places.len());
    products_summed(products, &places, x.width(), inner).sum(p, step).await
}

/// Sums of `inner` numbers; lane `j·lanes + i` belongs to sum `i`.
///
/// # Errors
/// Those of the protocol.
pub async fn sum(p: &dyn Protocol, step: &Step, x: &Wires, inner: usize) -> Result<Wires> {
    let places: Vec<(usize, usize)> = (0..x.width()).map(|i| (i, 0)).collect();
    products_summed(x.clone(), &places, x.width(), inner).sum(p, step).await
}

/// Rows of the widest level of a sum of `inner` products of numbers of `width` bits.
pub fn partial_products(width: usize, inner: usize) -> usize {
    width * (width + 1) / 2 * inner
}

/// Pairs of places whose weights multiply to less than `2^width`.
fn triangle(width: usize) -> Vec<(usize, usize)> {
    (0..width).flat_map(|w| (0..=w).map(move |i| (i, w - i))).collect()
}

/// Partial products of `inner` factors each, as columns of one sum.
fn products_summed(rows: Wires, places: &[(usize, usize)], width: usize, inner: usize) -> Columns {
    let lanes = rows.lanes() / inner;
    let mut columns = vec![vec![]; width];
    for (row, (i, j)) in places.iter().enumerate() {
        columns[i + j].extend((0..inner).map(|part| row * inner + part));
    }
    Columns::new(Wires::new(rows.into_bits(), lanes, places.len() * inner), columns)
}

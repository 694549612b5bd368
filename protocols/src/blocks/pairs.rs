//! Places of few rows in stable order, by comparing all pairs at once.
//!
//! The place of a row is the number of rows that stand before it: later ones that are smaller, earlier ones
//! that are not greater. No row is moved and nothing opened: one comparison deep, n(n-1)/2 wide.

use mpc_runtime::{Depth, Result, Step};

use super::circuits;
use super::wires::Wires;
use crate::Protocol;
use crate::value::{Clear, ClearBits, Shares};

/// Up to so many rows, comparing all pairs is what every protocol does. In three-party replicated sharing, 32
/// rows of 40 bits take a third of the rounds of a radix sort, and three times the bytes, which are some
/// thousands.
const FEW: usize = 32;

/// Whether rows are so few.
pub fn few(rows: usize) -> bool {
    rows <= FEW
}

/// The place of each of `rows` rows of bits, lowest bit first. `bits` bounds a place.
///
/// # Errors
/// Those of the protocol.
pub async fn places(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    rows: usize,
    bits: u32,
) -> Result<Shares> {
    if rows < 2 || a.is_empty() {
        let index = Clear::new((0..rows as i128).collect::<Vec<_>>(), Depth::ZERO);
        return p.public(step, &index).await;
    }
    let less = later_is_less(p, step, a, rows).await?;
    let one = ClearBits::new(vec![true], Depth::ZERO);
    let not_less = p.xor_clear(step, &less, &one).await?;
    let (pairs, others) = (less.len(), rows - 1);
    let both = Shares::concat(&[less, not_less]);
    // A row stands behind those later ones that are smaller, and those earlier ones that it is not smaller than.
    let before = both.pick(rows * others, |at| match (at / others, at % others) {
        (row, other) if other < row => pairs + pair(rows, other, row),
        (row, other) => pair(rows, row, other + 1),
    });
    p.sum(step, &p.from_bits(step, &before).await?, others, bits).await
}

/// Number of a pair of rows, `first < second`, in the order of [`later_is_less`].
fn pair(rows: usize, first: usize, second: usize) -> usize {
    first * (2 * rows - first - 1) / 2 + second - first - 1
}

/// Whether the later row of each pair is smaller: all pairs with the first row, then with the second, ….
async fn later_is_less(p: &dyn Protocol, step: &Step, a: &Shares, rows: usize) -> Result<Shares> {
    let k = a.len() / rows;
    let all = Wires::from_elements(a, k);
    let lanes = rows * (rows - 1) / 2;
    let (first, second): (Vec<usize>, Vec<usize>) =
        (0..rows).flat_map(|i| (i + 1..rows).map(move |j| (i, j))).unzip();
    let end = |of: &[usize]| {
        let bits = all.bits().pick(k * lanes, |at| at / lanes * rows + of[at % lanes]);
        Wires::new(bits, lanes, k)
    };
    circuits::below(p, step, &end(&second), &end(&first)).await
}

//! Comparisons.

use std::pin::Pin;

use mpc_runtime::{Result, Step, join_all};

use super::carry;
use super::mask::{Low, bits_are_numbers, low_bits, no_masks, ones};
use super::split;
use super::wires::{Wires, clear_rows};
use crate::protocol::{Domain, Protocol};
use crate::value::{Clear, Shares};

/// `a < 0`; `bits` bounds `a`. Where bits are numbers, or too many for a public number, it is a shift by all
/// bits but the sign; otherwise the highest bit of `c - r`, for `c = (a + r) mod 2^bits`.
///
/// # Errors
/// Those of the protocol.
pub async fn ltz(p: &dyn Protocol, step: &Step, a: &Shares, bits: u32) -> Result<Shares> {
    match p.domain() {
        Domain::Prime { .. } if bits > 128 || bits > 1 && bits_are_numbers(p) => {
            let sign = p.shift_right(step, a, bits, bits - 1).await?;
            negative_to_bit(p, step, &sign).await
        }
        Domain::Prime { .. } if bits_are_numbers(p) => negative_to_bit(p, step, a).await,
        Domain::Ring { .. } if p.addends() > 0 => split::ltz(p, step, a, bits).await,
        Domain::Ring { .. } | Domain::Prime { .. } => {
            let Low { c, r } = low_bits(p, step, a, bits, bits).await?;
            let top = bits as usize - 1;
            let below = c.map(a.len(), |v| v.iter().map(|&c| c & ones(bits - 1)).collect());
            let borrow = carry::less_than_shared(p, step, &below, &r.bits.range(0, top)).await?;
            let sign = clear_rows(&c, 1, |c: u128, _| c >> top & 1 == 1);
            let sign = p.xor_clear(step, &r.bits.row(top), &sign).await?;
            p.xor(step, &sign, &borrow).await
        }
        Domain::Binary { .. } => no_masks(),
    }
}

/// -1 to true, 0 to false.
async fn negative_to_bit(p: &dyn Protocol, step: &Step, a: &Shares) -> Result<Shares> {
    let minus = Clear::new(vec![-1], Default::default());
    let number = p.mul_clear(step, a, &minus, 2).await?;
    p.as_bits(step, &number).await
}

/// `a = 0`; `bits` bounds `a`.
///
/// # Errors
/// Those of the protocol.
pub async fn eqz(p: &dyn Protocol, step: &Step, a: &Shares, bits: u32) -> Result<Shares> {
    low_are_zero(p, step, a, bits, bits).await
}

/// Whether the low `m` bits of `a` are 0: those of `c` and `r` agree, for `c = (a + r) mod 2^m`.
async fn low_are_zero(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    bits: u32,
    m: u32,
) -> Result<Shares> {
    if p.addends() > 0 {
        return split::eqz(p, step, a, m).await;
    }
    let Low { c, r } = low_bits(p, step, a, bits, m).await?;
    let (_, equal) = carry::borrow_inputs(p, step, &c, &r.bits).await?;
    carry::all(p, step, &equal).await
}

/// `a < b`; `bits` bounds both.
///
/// # Errors
/// Those of the protocol.
pub async fn lt(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    b: &Shares,
    bits: u32,
) -> Result<Shares> {
    let difference = p.sub(step, a, b, bits + 1).await?;
    let full = matches!(p.domain(), Domain::Ring { bits: ring } if ring <= bits);
    if !full {
        return p.ltz(step, &difference, bits + 1).await;
    }
    // The difference may overflow, but only if the signs of a and b differ; then that of a decides.
    let forks = step.forks(3);
    let signs = join_all(vec![
        p.ltz(&forks[0], a, bits),
        p.ltz(&forks[1], b, bits),
        p.ltz(&forks[2], &difference, bits),
    ])
    .await?;
    let differ = p.xor(step, &signs[0], &signs[1]).await?;
    let change = p.xor(step, &signs[0], &signs[2]).await?;
    let change = p.and(step, &differ, &change).await?;
    p.xor(step, &signs[2], &change).await
}

/// `a = b`; `bits` bounds both.
///
/// # Errors
/// Those of the protocol.
pub async fn eq(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    b: &Shares,
    bits: u32,
) -> Result<Shares> {
    // The difference is between -2^bits and 2^bits, so it is 0 if its low bits are.
    match p.domain() {
        Domain::Ring { bits: ring } => {
            let wider = ring.min(bits + 1);
            let difference = p.sub(step, a, b, wider).await?;
            p.eqz(step, &difference, wider).await
        }
        Domain::Prime { .. } => {
            let difference = p.sub(step, a, b, bits + 1).await?;
            low_are_zero(p, step, &difference, bits + 1, bits).await
        }
        Domain::Binary { .. } => no_masks(),
    }
}

/// Bit `j` of row `i` says whether `a[i] = j`, for `j < n`; `bits` bounds `a`. Unit vectors of the two
/// halves of the index multiply to that of the whole: `ceil(log2(log2(n)))` rounds after the bits; beside
/// them it is found out whether the other bits are 0, and one round more joins the two.
///
/// # Errors
/// Those of the protocol.
pub async fn one_hot(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    n: usize,
    bits: u32,
) -> Result<Shares> {
    let needed = n.next_power_of_two().ilog2() as usize;
    let elements = p.decompose(step, a, bits, bits).await?;
    let rows = Wires::from_elements(&elements, bits as usize);
    let index = rows.range(0, needed.min(rows.width() - 1));
    let excess = rows.range(index.width(), rows.width());
    let forks = step.forks(2);
    let both = join_all(vec![
        Box::pin(unit_vectors(p, &forks[0], &index)) as Pending<'_>,
        Box::pin(none(p, &forks[1], &excess)),
    ])
    .await?;
    let [vector, none] = [&both[0], &both[1]];
    let kept = n.min(1 << index.width());
    let vector = match index.width() {
        0 => none.range(0, kept),
        _ => Wires::and(p, step, &vector.range(0, kept), &none.pick(&vec![0; kept])).await?,
    };
    let mut parts = vec![vector];
    for _ in kept..n {
        parts.push(Wires::zeros(p, step, a.len()).await?);
    }
    Ok(Wires::stack(&parts).to_elements())
}

type Pending<'a> = Pin<Box<dyn Future<Output = Result<Wires>> + 'a>>;

/// One row: whether all rows are 0.
async fn none(p: &dyn Protocol, step: &Step, rows: &Wires) -> Result<Wires> {
    let inverse = Wires::not(p, step, rows).await?;
    Ok(Wires::row_of(carry::all(p, step, &inverse).await?))
}

/// Row `j` says whether the index is `j`: the pairs (¬b, b) of its bits multiplied together.
async fn unit_vectors(p: &dyn Protocol, step: &Step, index: &Wires) -> Result<Wires> {
    let inverse = Wires::not(p, step, index).await?;
    let mut vectors: Vec<Wires> = (0..index.width())
        .map(|j| Wires::stack(&[inverse.range(j, j + 1), index.range(j, j + 1)]))
        .collect();
    while vectors.len() > 1 {
        vectors = pairwise(p, step, &vectors).await?;
    }
    Ok(vectors.pop().unwrap_or(inverse))
}

/// Products of neighbouring unit vectors, the second one's index the higher part.
async fn pairwise(p: &dyn Protocol, step: &Step, vectors: &[Wires]) -> Result<Vec<Wires>> {
    let (mut left, mut right, mut widths) = (vec![], vec![], vec![]);
    for pair in vectors.chunks_exact(2) {
        let (low, high) = (pair[0].width(), pair[1].width());
        left.push(pair[0].pick(&(0..low * high).map(|i| i % low).collect::<Vec<_>>()));
        right.push(pair[1].pick(&(0..low * high).map(|i| i / low).collect::<Vec<_>>()));
        widths.push(low * high);
    }
    let products = Wires::and(p, step, &Wires::stack(&left), &Wires::stack(&right)).await?;
    let mut at = 0;
    let mut next: Vec<Wires> = vec![];
    for width in widths {
        next.push(products.range(at, at + width));
        at += width;
    }
    next.extend(vectors.chunks_exact(2).remainder().iter().cloned());
    Ok(next)
}

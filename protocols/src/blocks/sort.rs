//! Places of rows in stable order, by a network of comparisons where they are more than a few.
//!
//! The index of a row stands below its bits, so that no two rows are equal and their order is stable.
//! Rows become as few numbers as the domain allows, and the network moves these and the index; where the
//! indices end is the inverse of what is asked for.
//! This is for protocols whose shuffles are networks as well. One with cheap shuffles does better by
//! counting digits, as the scheme of replicated sharing does.
//! Source: Batcher 1968, in the form of Knuth, TAOCP 3, Algorithm 5.2.2M.

use mpc_runtime::{Depth, Result, Step};

use super::network::{self, Layer};
use super::pairs;
use super::shuffle::{ends, put_back};
use super::tiles::{Tiling, in_tiles};
use crate::Protocol;
use crate::protocol::Domain;
use crate::value::{Clear, ClearBits, Shares};

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
    if pairs::few(rows) || a.is_empty() {
        return pairs::places(p, step, a, rows, bits).await;
    }
    let index: Vec<i128> = (0..rows as i128).collect();
    let index = p.public(step, &Clear::new(index, Depth::ZERO)).await?;
    let Numbers { mut columns, bits: bound } = numbers(p, step, a, rows).await?;
    let bound = bound.max(bits);
    columns.push(index.clone());
    for layer in network::sorting(rows) {
        let (first, second): (Vec<Shares>, Vec<Shares>) =
            columns.iter().map(|column| ends(column, &layer, 1)).unzip();
        let keys = columns.len() - 1;
        let swap = less(p, step, &second[..keys], &first[..keys], bound).await?;
        columns = exchanged(p, step, &columns, &layer, (&swap, &first, &second), bound).await?;
    }
    let order = &columns[columns.len() - 1];
    p.permute(step, &index, order, 1, bits).await
}

/// Rows as numbers of `bits` bits, not negative; the lowest number of each row first.
struct Numbers {
    columns: Vec<Shares>,
    bits: u32,
}

/// The most bits that compared numbers may have.
fn room(p: &dyn Protocol, parties: usize) -> u32 {
    match p.domain() {
        Domain::Ring { bits } | Domain::Binary { width: bits } => bits,
        // See `mask::open`, for differences.
        Domain::Prime { bits } => {
            let maskers = p.maskers(parties).next_power_of_two().ilog2();
            bits.saturating_sub(p.stat_sec() + 2 + maskers)
        }
    }
}

async fn numbers(p: &dyn Protocol, step: &Step, a: &Shares, rows: usize) -> Result<Numbers> {
    let (k, below) = (a.len() / rows, rows.next_power_of_two().ilog2() as usize);
    let index: Vec<bool> =
        (0..rows * below).map(|at| (at / below) >> (at % below) & 1 == 1).collect();
    let index = p.public_bits(step, &ClearBits::new(index, Depth::ZERO)).await?;
    let all = Shares::concat(&[index, a.clone()]);
    let width = room(p, step.parties()).clamp(2, 127) as usize - 1;
    let mut columns = vec![];
    for from in (0..below + k).step_by(width) {
        let here = width.min(below + k - from);
        let part = all.pick(rows * here, |at| match (at / here, from + at % here) {
            (row, bit) if bit < below => row * below + bit,
            (row, bit) => rows * below + row * k + bit - below,
        });
        columns.push(p.compose(step, &part, here as u32, false).await?);
    }
    Ok(Numbers { columns, bits: width.min(below + k) as u32 + 1 })
}

/// Whether the numbers of a row of `a` come before those of `b`, the last number being the greatest part.
async fn less(
    p: &dyn Protocol,
    step: &Step,
    a: &[Shares],
    b: &[Shares],
    bits: u32,
) -> Result<Shares> {
    let pairs = a[0].len();
    let (all, other) = (Shares::concat(a), Shares::concat(b));
    let tiling = |len| Tiling::new(len, 8 * bits as usize);
    let lt = in_tiles(step, all.len(), tiling(all.len()), async |step: &Step, part| {
        p.lt(step, &all.slice(part.clone()), &other.slice(part), bits).await
    })
    .await?;
    let (upper, upper_other) = (all.slice(pairs..all.len()), other.slice(pairs..all.len()));
    let eq = in_tiles(step, upper.len(), tiling(upper.len()), async |step: &Step, part| {
        p.eq(step, &upper.slice(part.clone()), &upper_other.slice(part), bits).await
    })
    .await?;
    let mut less = lt.slice(0..pairs);
    for column in 1..a.len() {
        let equal = eq.slice((column - 1) * pairs..column * pairs);
        let below = p.and(step, &equal, &less).await?;
        less =
            p.xor_disjoint(step, &lt.slice(column * pairs..(column + 1) * pairs), &below).await?;
    }
    Ok(less)
}

/// The columns with the pairs of a layer exchanged where `swap` says so.
async fn exchanged(
    p: &dyn Protocol,
    step: &Step,
    columns: &[Shares],
    layer: &Layer,
    (swap, first, second): (&Shares, &[Shares], &[Shares]),
    bits: u32,
) -> Result<Vec<Shares>> {
    let (pairs, count) = (layer.len(), columns.len());
    let (first, second) = (Shares::concat(first), Shares::concat(second));
    let swap = swap.pick(2 * count * pairs, |at| at % pairs);
    let there = Shares::concat(&[second.clone(), first.clone()]);
    let here = Shares::concat(&[first, second]);
    let chosen = p.select(step, &swap, &there, &here, bits).await?;
    let part = |i: usize| chosen.slice(i * pairs..(i + 1) * pairs);
    let column = |(i, a): (usize, &Shares)| put_back(a, layer, 1, part(i), part(count + i));
    Ok(columns.iter().enumerate().map(column).collect())
}

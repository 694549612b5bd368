//! Secret permutations: as many dealers as could be corrupted and one more each put a random
//! permutation of their own on top, by sharing the settings of a permutation network.
//!
//! A dealer's permutation comes from a seed of 256 random bits that are opened to it alone. Settings are
//! shared in the preprocessing; each layer of a network then is one product.
//! Parties follow the protocol: nothing here makes a dealer share 0 and 1 only, where numbers are more.
//! Source: Keller, Scholl 2014, eprint 2014/137 (networks with shared settings).

use mpc_runtime::{Error, Key, Op, Party, Result, Step, Stream};
use zeroize::Zeroizing;

use super::network::{self, Layer};
use crate::Protocol;
use crate::algebra::narrow::Narrow;
use crate::prepared::prepared;
use crate::value::{ClearBits, Shares};

const SEED_BITS: usize = 256;

/// `rows` rows of `width` numbers in a uniformly random order that nobody knows.
///
/// # Errors
/// Those of the protocol.
pub async fn numbers(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    rows: usize,
    width: usize,
    bits: u32,
) -> Result<Shares> {
    let layers = network::layers(rows);
    if layers.is_empty() {
        return Ok(a.clone());
    }
    let make = async |prep: &Step| {
        let settings = dealt(p, prep, rows, &layers).await?;
        let lengths: Vec<usize> = settings.iter().map(Shares::len).collect();
        let settings = p.from_bits(prep, &Shares::concat(&settings)).await?;
        Ok(settings.split(&lengths))
    };
    let mut a = a.clone();
    for settings in prepared(step, make).await? {
        for (layer, crossed) in layers.iter().zip(by_layer(&settings, &layers)) {
            let (first, second) = ends(&a, layer, width);
            let crossed = crossed.pick(first.len(), |i| i / width);
            let difference = p.sub(step, &second, &first, bits + 1).await?;
            let change = p.mul(step, &crossed, &difference, bits + 1).await?;
            let kept = p.add(step, &first, &change, bits).await?;
            let other = p.sub(step, &second, &change, bits).await?;
            a = put_back(&a, layer, width, kept, other);
        }
    }
    Ok(a)
}

/// As [`numbers`], for rows of bits with free exclusive or: one conjunction a switch.
///
/// # Errors
/// Those of the protocol.
pub async fn bits(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    rows: usize,
    width: usize,
) -> Result<Shares> {
    let layers = network::layers(rows);
    let mut a = a.clone();
    let make = async |prep: &Step| dealt(p, prep, rows, &layers).await;
    for settings in prepared(step, make).await? {
        for (layer, crossed) in layers.iter().zip(by_layer(&settings, &layers)) {
            let (first, second) = ends(&a, layer, width);
            let crossed = crossed.pick(first.len(), |i| i / width);
            let difference = p.xor(step, &first, &second).await?;
            let change = p.and(step, &crossed, &difference).await?;
            let kept = p.xor(step, &first, &change).await?;
            let other = p.xor(step, &second, &change).await?;
            a = put_back(&a, layer, width, kept, other);
        }
    }
    Ok(a)
}

/// Row `i` of `a` goes to place `perm[i]`: both are shuffled together, then the permutation is opened,
/// which says nothing any more. `bits` bounds `a`.
///
/// # Errors
/// Those of the protocol; `perm` is no permutation.
pub async fn permute(
    p: &dyn Protocol,
    step: &Step,
    a: &Shares,
    perm: &Shares,
    width: usize,
    bits: u32,
) -> Result<Shares> {
    let rows = perm.len();
    let wider = width + 1;
    let joined = Shares::concat(&[a.clone(), perm.clone()]);
    let joined = joined.pick(rows * wider, |at| match (at / wider, at % wider) {
        (row, column) if column == width => rows * width + row,
        (row, column) => row * width + column,
    });
    let index_bits = rows.next_power_of_two().ilog2() + 1;
    let bound = bits.max(index_bits);
    let shuffled = p.shuffle(step, &joined, rows, wider, bound).await?;
    let places = shuffled.pick(rows, |row| row * wider + width);
    // An error that a cheater put in before would be seen where it went.
    let places = places.at_depth(step.before_opening().await);
    let places = p.open(step, &places, None, index_bits).await?;
    let values = shuffled.pick(rows * width, |at| at / width * wider + at % width);
    let values = values.at_depth(places.depth);
    let Some(places) = places.values() else { return Ok(values) };
    // Where a check comes later, what was opened may have been altered.
    let doubtful = |error| if p.verifies() { altered_or_no_permutation() } else { error };
    Ok(values.scatter_rows(&permutation(places).map_err(doubtful)?, width))
}

/// The values as indices, each of which occurs once.
///
/// # Errors
/// They are no permutation.
pub fn permutation(values: &[i128]) -> Result<Vec<usize>> {
    let mut seen = vec![false; values.len()];
    let index = |&x: &i128| {
        let place = usize::try_from(x).ok().filter(|&i| i < seen.len());
        let fresh = place.filter(|&i| !std::mem::replace(&mut seen[i], true));
        fresh.ok_or_else(no_permutation)
    };
    values.iter().map(index).collect()
}

/// A secret vector that shall be a permutation is none.
pub(crate) fn no_permutation() -> Error {
    Error::Program("permute: the secret vector is no permutation".into())
}

/// The same, where nobody can say yet that all kept to the protocol.
fn altered_or_no_permutation() -> Error {
    let text = "permute: the secret vector is no permutation, or a party misbehaved";
    Error::Program(text.into())
}

/// Shared settings of the networks of all dealers.
async fn dealt(
    p: &dyn Protocol,
    prep: &Step,
    rows: usize,
    layers: &[Layer],
) -> Result<Vec<Shares>> {
    if layers.is_empty() {
        return Ok(vec![]);
    }
    let dealers = p.corrupted(prep.parties()) + 1;
    let forks = prep.forks(dealers);
    let settings = forks.iter().enumerate().map(|(dealer, fork)| {
        Box::pin(async move {
            let bits = settings_of(p, fork, dealer, rows).await?;
            p.share_bits(fork, dealer, &bits).await
        }) as crate::Fut<'_>
    });
    mpc_runtime::join_all(settings.collect()).await
}

fn by_layer(settings: &Shares, layers: &[Layer]) -> Vec<Shares> {
    settings.split(&layers.iter().map(Vec::len).collect::<Vec<_>>())
}

/// Settings for a uniform permutation that only `dealer` knows; absent elsewhere.
async fn settings_of(
    p: &dyn Protocol,
    step: &Step,
    dealer: Party,
    rows: usize,
) -> Result<ClearBits> {
    let seed = p.random_bits(step, SEED_BITS).await?;
    let seed = p.open_bits(step, &seed, Some(dealer)).await?;
    let switches = network::layers(rows).iter().map(Vec::len).sum();
    let op = step.op(seed.depth); // counted at all parties, used at one
    Ok(seed.map(switches, |bits| network::route(&random_permutation(bits, &op, rows)).concat()))
}

fn random_permutation(seed: &[bool], op: &Op<'_>, rows: usize) -> Vec<usize> {
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |b, &bit| b << 1 | u8::from(bit));
    let bytes: Zeroizing<Vec<u8>> = Zeroizing::new(seed.chunks_exact(8).map(byte).collect());
    let key = Key::new(bytes[..].try_into().expect("seeds have 256 bits"), "dealer of a shuffle");
    indices(&random_order(&op.stream(&key, 0), rows))
}

/// A uniformly random order of `n` things (Fisher and Yates; Lemire 2019 for numbers below a bound without
/// bias).
pub(crate) fn random_order(stream: &Stream, n: usize) -> Narrow {
    const CHUNK: usize = 256;
    let mut words = Zeroizing::new([0_u64; CHUNK]);
    // Streams are read by pairs of words; two things take half a word.
    let chunk = if n > 2 { CHUNK.min(n.div_ceil(4) * 2) } else { 1 };
    let mut drawn = 0;
    let mut draw = || {
        if drawn % (2 * chunk) == 0 {
            stream.fill(drawn as u64 / 2, &mut words[..chunk]);
        }
        let halves: &[u32] = bytemuck::cast_slice(&words[..chunk]);
        drawn += 1;
        halves[(drawn - 1) % (2 * chunk)]
    };
    let mut below = |bound: u32| loop {
        let product = u64::from(draw()) * u64::from(bound);
        let low = product as u32;
        if low >= bound || low >= bound.wrapping_neg() % bound {
            break (product >> 32) as usize;
        }
    };
    let mut order = Narrow::counted(n);
    for last in (1..n).rev() {
        order.swap(last, below(last as u32 + 1));
    }
    order
}

/// The same as indices.
pub(crate) fn indices(order: &[u32]) -> Vec<usize> {
    order.iter().map(|&i| i as usize).collect()
}

/// Rows at both ends of the switches.
pub(super) fn ends(a: &Shares, layer: &Layer, width: usize) -> (Shares, Shares) {
    let (first, second): (Vec<usize>, Vec<usize>) = layer.iter().copied().unzip();
    (a.gather_rows(&first, width), a.gather_rows(&second, width))
}

/// `a` with the rows at the switches replaced.
pub(super) fn put_back(
    a: &Shares,
    layer: &Layer,
    width: usize,
    first: Shares,
    second: Shares,
) -> Shares {
    let rows = a.len() / width;
    let mut from: Vec<usize> = (0..rows).collect();
    for (i, &(x, y)) in layer.iter().enumerate() {
        from[x] = rows + i;
        from[y] = rows + layer.len() + i;
    }
    Shares::concat(&[a.clone(), first, second]).gather_rows(&from, width)
}

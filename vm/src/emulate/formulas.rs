//! What the instruction table says, on slices.

use mpc_bytecode::{Dims, Run};

use super::Rule;

pub(super) fn pick<T: Copy>(values: &[T], at: usize) -> T {
    if values.len() == 1 { values[0] } else { values[at] }
}

pub(super) fn map<A: Copy, T>(dst: &Run, a: &[A], f: impl Fn(A) -> T) -> Vec<T> {
    (0..dst.len as usize).map(|i| f(pick(a, i))).collect()
}

pub(super) fn zip<A: Copy, B: Copy, T>(
    dst: &Run,
    a: &[A],
    b: &[B],
    f: impl Fn(A, B) -> T,
) -> Vec<T> {
    (0..dst.len as usize).map(|i| f(pick(a, i), pick(b, i))).collect()
}

pub(super) fn choose<T: Copy>(dst: &Run, cond: &[bool], a: &[T], b: &[T]) -> Vec<T> {
    let select = |i| if pick(cond, i) { pick(a, i) } else { pick(b, i) };
    (0..dst.len as usize).map(select).collect()
}

pub(super) fn view<T: Copy>(a: &[T], offset: i64, dims: &Dims) -> Vec<T> {
    let mut places = vec![offset];
    for &(size, stride) in &dims.0 {
        places = (places.iter())
            .flat_map(|place| (0..size as i64).map(move |i| place + i * stride))
            .collect();
    }
    places.into_iter().map(|place| a[place as usize]).collect()
}

pub(super) fn spread(a: &[i128], len: u64, offset: i64, dims: &Dims) -> Vec<i128> {
    let mut out = vec![0; len as usize];
    let places: Vec<i128> = (0..i128::from(len)).collect();
    let places = view(&places, offset, dims);
    places.iter().zip(a).for_each(|(place, a)| out[*place as usize] = *a);
    out
}

pub(super) fn wrap(value: i128, k: u32) -> i128 {
    let unused = 128 - k.clamp(1, 128);
    value << unused >> unused
}

pub(super) fn low_bits(a: &[i128], k: u32) -> Vec<bool> {
    a.iter().flat_map(|v| (0..k).map(move |j| v >> j.min(127) & 1 == 1)).collect()
}

pub(super) fn compose(a: &[bool], k: u32, signed: bool) -> Vec<i128> {
    let value = |bits: &[bool]| {
        let sum = bits.iter().rev().fold(0_u128, |sum, bit| sum << 1 | u128::from(*bit)) as i128;
        if signed { wrap(sum, k) } else { sum }
    };
    a.chunks(k.max(1) as usize).map(value).collect()
}

pub(super) fn one_hot(a: &[i128], n: u64) -> Vec<bool> {
    a.iter().flat_map(|v| (0..n).map(move |j| *v == i128::from(j))).collect()
}

pub(super) fn gather<T: Copy>(a: &[T], index: &[i128], width: u64) -> Rule<Vec<T>> {
    let width = width as usize;
    let rows = a.len() / width.max(1);
    let mut out = Vec::with_capacity(index.len() * width);
    for &i in index {
        let row = usize::try_from(i).ok().filter(|row| *row < rows);
        let row = row.ok_or_else(|| format!("index {i} is outside 0..{rows}"))?;
        out.extend_from_slice(&a[row * width..(row + 1) * width]);
    }
    Ok(out)
}

pub(super) fn scatter<T: Copy + Default>(a: &[T], index: &[i128], width: u64) -> Rule<Vec<T>> {
    let width = width as usize;
    let mut out = vec![T::default(); a.len()];
    let mut seen = vec![false; index.len()];
    for (from, &i) in index.iter().enumerate() {
        let to = usize::try_from(i).ok().filter(|to| *to < seen.len());
        let fresh = to.filter(|to| !std::mem::replace(&mut seen[*to], true));
        let to = fresh.ok_or_else(|| format!("index {i} makes this no permutation"))?;
        out[to * width..(to + 1) * width].copy_from_slice(&a[from * width..(from + 1) * width]);
    }
    Ok(out)
}

/// Where `rows` rows of `width` bits, the lowest first, go when they are sorted; equal ones stay in order.
pub(super) fn places(bits: &[bool], rows: usize, width: usize) -> Vec<i128> {
    let row = |i: usize| bits[i * width..(i + 1) * width].iter().rev();
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by(|&a, &b| row(a).cmp(row(b)));
    let mut places = vec![0; rows];
    order.iter().zip(0..).for_each(|(&i, place)| places[i] = place);
    places
}

pub(super) fn as_numbers(bits: &[bool]) -> Vec<i128> {
    bits.iter().map(|b| i128::from(*b)).collect()
}

pub(super) fn as_bits(numbers: &[i128]) -> Vec<bool> {
    numbers.iter().map(|v| *v != 0).collect()
}

pub(super) fn divisors(b: &[i128]) -> Rule<&[i128]> {
    if b.contains(&0) { Err("division by zero".into()) } else { Ok(b) }
}

/// `None` if the quotient does not fit.
pub(super) fn floor_div(a: i128, b: i128) -> Option<i128> {
    let quotient = a.checked_div(b)?;
    Some(if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient })
}

pub(super) fn floor_mod(a: i128, b: i128) -> i128 {
    let rest = a.checked_rem(b).unwrap_or(0);
    if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
}

//! Numbers from addends: what is taken of each, and sums with bits.

use crate::algebra::ring::{Ring, Word};

/// What is taken of an addend of K bits, with a number of places m.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outer {
    /// `floor(x / 2^m)` as a number in `[0, 2^K)`.
    Right,
    /// The same, less `2^(K-m)` if the top bit is set.
    Shifted,
    /// The low m places.
    Low,
    /// `floor(x / 2^m)` as a number in `[-2^(K-1), 2^(K-1))`.
    Signed,
}

kernel! {
    /// `out` gets what is taken of the elements of `x`.
    pub fn outer = outer_body <W: Word>(out: &mut [W], x: &[W], m: u32, what: Outer)
}

#[inline(always)]
fn outer_body<W: Word>(out: &mut [W], x: &[W], m: u32, what: Outer) {
    let top = W::BITS - 1;
    match what {
        Outer::Right => each(out, x, |x| x.right(m)),
        Outer::Shifted => each(out, x, |x| x.right(m).minus(x.right(top).left(W::BITS - m))),
        Outer::Low => each(out, x, |x| x.low(m)),
        Outer::Signed => each(out, x, |x| x.right_signed(m)),
    }
}

#[inline(always)]
fn each<W: Word>(out: &mut [W], x: &[W], f: impl Fn(W) -> W) {
    out.iter_mut().zip(x).for_each(|(out, &x)| *out = f(x));
}

/// Calls `f(i, bit)` for the lowest bits of all words.
#[inline(always)]
fn bits<W: Word>(n: usize, words: impl Fn(usize) -> u64, mut f: impl FnMut(usize, W)) {
    for first in (0..n).step_by(64) {
        let word = words(first / 64);
        for i in 0..(n - first).min(64) {
            f(first + i, W::from_bit(word >> i));
        }
    }
}

kernel! {
    /// Element `i` gets the exclusive or of bit `i` of `a` and of `b`.
    pub fn exclusive_or = exclusive_or_body <W: Word>(out: &mut [W], a: &[u64], b: &[u64])
}

#[inline(always)]
fn exclusive_or_body<W: Word>(out: &mut [W], a: &[u64], b: &[u64]) {
    bits(out.len(), |word| a[word] ^ b[word], |i, bit| out[i] = bit);
}

kernel! {
    /// `out += weight·(u·(1 - 2v) + v)` for bits `v`, without the last `v` unless `whole`.
    pub fn add_flipped = add_flipped_body <W: Word>(out: &mut [W], u: &[W], v: &[u64], whole: bool, weight: W)
}

#[inline(always)]
fn add_flipped_body<W: Word>(out: &mut [W], u: &[W], v: &[u64], whole: bool, weight: W) {
    let once = W::from_bit(u64::from(whole));
    let u = &u[..out.len()];
    bits(
        out.len(),
        |word| v[word],
        |i, v: W| {
            let flipped = u[i].minus(u[i].times(v.left(1)));
            out[i] = out[i].plus(weight.times(flipped.plus(v.times(once))));
        },
    );
}

kernel! {
    /// `out += 2^shift·t` where the top bit of `w` is set.
    pub fn add_tops = add_tops_body <W: Word>(out: &mut [W], t: &[W], w: &[W], shift: u32)
}

#[inline(always)]
fn add_tops_body<W: Word>(out: &mut [W], t: &[W], w: &[W], shift: u32) {
    let (t, w) = (&t[..out.len()], &w[..out.len()]);
    for i in 0..out.len() {
        out[i] = out[i].plus(t[i].left(shift).times(w[i].right(W::BITS - 1)));
    }
}

kernel! {
    /// `out *= (a_0 - b_0) + (a_1 - b_1)`, pairs being (a, b); `out` holds bits.
    pub fn times_differences = times_differences_body <W: Word>(out: &mut [W], first: [&[W]; 2], second: [&[W]; 2])
}

#[inline(always)]
fn times_differences_body<W: Word>(out: &mut [W], first: [&[W]; 2], second: [&[W]; 2]) {
    let n = out.len();
    let ([a0, b0], [a1, b1]) = (first.map(|v| &v[..n]), second.map(|v| &v[..n]));
    for i in 0..n {
        out[i] = out[i].times(a0[i].minus(b0[i]).plus(a1[i].minus(b1[i])));
    }
}

kernel! {
    /// `out += v·(d - 2·known) + (1 - 2v)·u·e` for bits `v`, with d and e the differences of pairs.
    pub fn add_choice = add_choice_body <W: Word>(out: &mut [W], v: &[u64], d: [&[W]; 2], e: [&[W]; 2], u: &[W], known: &[W])
}

#[inline(always)]
fn add_choice_body<W: Word>(
    out: &mut [W],
    v: &[u64],
    d: [&[W]; 2],
    e: [&[W]; 2],
    u: &[W],
    known: &[W],
) {
    let n = out.len();
    let ([a, b], [c, d]) = (d.map(|x| &x[..n]), e.map(|x| &x[..n]));
    let (u, known) = (&u[..n], &known[..n]);
    bits(
        n,
        |word| v[word],
        |i, v: W| {
            let kept = v.times(a[i].minus(b[i]).minus(known[i].left(1)));
            let turned = u[i].times(c[i].minus(d[i]));
            let flipped = turned.minus(turned.left(1).times(v));
            out[i] = out[i].plus(kept).plus(flipped);
        },
    );
}

kernel! {
    /// `out += v·(a - b)` for bits `v` and the pair (a, b).
    pub fn add_chosen = add_chosen_body <W: Word>(out: &mut [W], v: &[u64], pair: [&[W]; 2])
}

#[inline(always)]
fn add_chosen_body<W: Word>(out: &mut [W], v: &[u64], pair: [&[W]; 2]) {
    let n = out.len();
    let [a, b] = pair.map(|x| &x[..n]);
    bits(n, |word| v[word], |i, v: W| out[i] = out[i].plus(v.times(a[i].minus(b[i]))));
}

kernel! {
    /// `sums_i +=` a party's part of `Σ_j x·y` over row `i` of vectors in rows of `inner`, where x and y are
    /// replicated among three: with components p and p+1, all products of these two (`role` 0); with
    /// p+1 and p+2, all of the two but those of p+1 alone (1); with p+2 and p, those of both (2). All
    /// three are the whole product.
    pub fn product_part = product_part_body <R>(sums: &mut [R], x: [&[R]; 2], y: [&[R]; 2], inner: usize, role: usize)
}

#[inline(always)]
fn product_part_body<R: Ring>(
    sums: &mut [R],
    x: [&[R]; 2],
    y: [&[R]; 2],
    inner: usize,
    role: usize,
) {
    match role {
        0 => sum_rows(sums, x, y, inner, |x0, x1, y0, y1| x0.plus(x1).times(y0.plus(y1))),
        1 => sum_rows(sums, x, y, inner, |x0, x1, y0, y1| x0.times(y1).plus(x1.times(y0.plus(y1)))),
        _ => sum_rows(sums, x, y, inner, |x0, x1, y0, y1| x0.times(y1).plus(x1.times(y0))),
    }
}

#[inline(always)]
fn sum_rows<R: Ring>(
    sums: &mut [R],
    x: [&[R]; 2],
    y: [&[R]; 2],
    inner: usize,
    f: impl Fn(R, R, R, R) -> R,
) {
    let n = sums.len() * inner;
    let (x0, x1, y0, y1) = (&x[0][..n], &x[1][..n], &y[0][..n], &y[1][..n]);
    if inner == 1 {
        for i in 0..n {
            sums[i] = sums[i].plus(f(x0[i], x1[i], y0[i], y1[i]));
        }
        return;
    }
    for (row, sum) in sums.iter_mut().enumerate() {
        let mut total = R::zeroed();
        for i in row * inner..(row + 1) * inner {
            total = total.plus(f(x0[i], x1[i], y0[i], y1[i]));
        }
        *sum = sum.plus(total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers<W: Word>(seed: u64, n: usize) -> Vec<W> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            u128::from(state ^ state >> 29)
        };
        (0..n).map(|_| W::from_i128((next() << 64 ^ next()) as i128)).collect()
    }

    fn wide_equals_portable<W: Word>() {
        for n in [0, 1, 7, 63, 64, 65, 200] {
            let (x, y) = (numbers::<W>(1, n), numbers::<W>(2, n));
            let (a, b) = (numbers::<u64>(3, n.div_ceil(64)), numbers::<u64>(4, n.div_ceil(64)));
            let both = |dispatched: &dyn Fn(&mut [W]), portable: &dyn Fn(&mut [W])| {
                let (mut wide, mut narrow) = (y.clone(), y.clone());
                dispatched(&mut wide);
                portable(&mut narrow);
                assert!(wide.iter().zip(&narrow).all(|(a, b)| a.words() == b.words()));
            };
            for what in [Outer::Right, Outer::Shifted, Outer::Low, Outer::Signed] {
                both(&|out| outer(out, &x, 17, what), &|out| outer_body(out, &x, 17, what));
            }
            let (v, w) = ([&x[..], &y[..]], [&y[..], &x[..]]);
            for (inner, role) in [1, 3].into_iter().flat_map(|i| [0, 1, 2].map(|r| (i, r))) {
                both(&|out| product_part(&mut out[..n / inner], v, w, inner, role), &|out| {
                    product_part_body(&mut out[..n / inner], v, w, inner, role);
                });
            }
            both(&|out| times_differences(out, v, w), &|out| times_differences_body(out, v, w));
            both(&|out| add_chosen(out, &a, v), &|out| add_chosen_body(out, &a, v));
            both(&|out| add_choice(out, &a, v, w, &y, &x), &|out| {
                add_choice_body(out, &a, v, w, &y, &x);
            });
            both(&|out| exclusive_or(out, &a, &b), &|out| exclusive_or_body(out, &a, &b));
            both(&|out| add_tops(out, &x, &y, 48), &|out| add_tops_body(out, &x, &y, 48));
            for (whole, weight) in [(true, 1), (false, 1), (true, -1 << 20), (false, -5)] {
                let weight = W::from_i128(weight);
                both(&|out| add_flipped(out, &x, &a, whole, weight), &|out| {
                    add_flipped_body(out, &x, &a, whole, weight);
                });
            }
        }
    }

    #[test]
    fn kernels_for_wide_vectors_equal_the_portable_ones() {
        wide_equals_portable::<u64>();
        wide_equals_portable::<u128>();
    }
}

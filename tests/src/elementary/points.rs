//! Which numbers functions are tested on: grids in even and in geometric steps, and the edges.

use super::Type;

/// About `count` points from `low` to `high`, half in geometric and half in even steps, and all powers of two and their neighbours.
pub(super) fn grid(low: i128, high: i128, count: usize) -> Vec<i128> {
    let n = (count / 2) as i128;
    let mut out = vec![low, high];
    let (a, b) = ((low.max(1) as f64).ln(), (high as f64).ln());
    out.extend((0..n).map(|i| (a + (b - a) * i as f64 / n as f64).exp() as i128));
    out.extend((0..n).map(|i| low + (high - low) * i / n));
    out.extend((0..64).flat_map(|i| [(1 << i) - 1, 1 << i, (1 << i) + 1]));
    out.retain(|x| (low..=high).contains(x));
    out
}

pub(super) fn both_signs(xs: Vec<i128>) -> Vec<i128> {
    xs.iter().flat_map(|x| [*x, -x]).collect()
}

pub(super) fn single(xs: Vec<i128>) -> Vec<[i128; 2]> {
    xs.into_iter().map(|x| [x, 0]).collect()
}

/// All numbers, more densely up to 20.
pub(super) fn near_zero(t: Type, count: usize) -> Vec<[i128; 2]> {
    let n = count / 4;
    single(both_signs([grid(0, t.top(), n), grid(0, t.top().min(20 << t.f), n)].concat()))
}

/// Exponents, and those where the power leaves the type or becomes 0; `unit` is the exponent of 2.
pub(super) fn exponents(t: Type, unit: f64, count: usize) -> Vec<i128> {
    let ends = [f64::from(t.k - t.f - 1), -f64::from(t.f + 1), -f64::from(t.f + 2)];
    let near = |end: f64| {
        let end = (end * unit / t.ulp()) as i128;
        (-9..10).map(move |i| end + i)
    };
    let all = both_signs(
        [grid(0, t.top(), count / 4), grid(0, t.top().min(30 << t.f), count / 4)].concat(),
    );
    all.into_iter().chain(ends.into_iter().flat_map(near)).collect()
}

pub(super) fn quotients(t: Type, count: usize) -> Vec<[i128; 2]> {
    let divisors = [1, 3, 5000, (1 << t.f) - 1, 1 << t.f, 12_345_678, t.top() / 2 + 1, t.top()];
    let mut out = vec![];
    for (i, a) in both_signs(grid(0, t.top(), count / 16)).into_iter().enumerate() {
        let fits = divisors.iter().filter(|d| **d <= t.top());
        out.extend(fits.map(|d| [a, if i % 3 == 0 { -d } else { *d }]));
    }
    out
}

/// Bases with exponents for which the logarithm of the power is less than 2^(32-f).
pub(super) fn powers(t: Type, count: usize) -> Vec<[i128; 2]> {
    let limit = (32.0 - f64::from(t.f)).exp2();
    let exponents = [0, 1, 1 << t.f, 3 << t.f, (1 << t.f) / 2, (5 << t.f) / 3, 200 << t.f];
    let exponents = both_signs(exponents.to_vec());
    let mut out: Vec<[i128; 2]> = grid(1, t.top(), count / 14)
        .iter()
        .flat_map(|x| exponents.iter().map(|y| [*x, *y]))
        .collect();
    out.retain(|[x, y]| (t.real(*y) * t.real(*x).log2()).abs() < limit);
    out
}

/// Numbers from -1 to 1, more densely at both ends.
pub(super) fn sines(t: Type, count: usize) -> Vec<[i128; 2]> {
    let one = 1 << t.f;
    let from_end = grid(0, one, count / 4).into_iter().map(|x| one - x).collect();
    single(both_signs([grid(0, one, count / 4), from_end].concat()))
}

/// Angles whose tangent fits the type with some room.
pub(super) fn tangents(t: Type, count: usize) -> Vec<[i128; 2]> {
    let limit = t.top().min((1 << (62.min(80 + t.f - t.k) - 22)) - 1);
    let mut out = near_zero(t, count);
    out.retain(|[x, _]| {
        x.abs() <= limit && t.real(*x).tan().abs() < f64::from(t.k - t.f - 10).exp2()
    });
    out
}

/// Points in all directions and at all distances, and those on the axes.
pub(super) fn planes(t: Type, count: usize) -> Vec<[i128; 2]> {
    let lengths = grid(0, t.top(), count / 28);
    let n = lengths.len();
    let pair = |i: usize, j: usize| [lengths[i], lengths[(i * (2 * j + 1) + 37 * j) % n]];
    let quarter: Vec<[i128; 2]> =
        (0..n).flat_map(|i| (0..4).map(move |j| (i, j))).map(|(i, j)| pair(i, j)).collect();
    let axes = lengths.iter().flat_map(|x| [[*x, 0], [0, *x], [*x, *x]]);
    let all: Vec<[i128; 2]> = quarter.into_iter().chain(axes).collect();
    all.iter().flat_map(|[y, x]| [[*y, *x], [-y, *x], [*y, -x], [-y, -x]]).collect()
}

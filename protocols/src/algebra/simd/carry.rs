//! What becomes of addends in places that are taken together: their carry, and whether they pass one on.
//!
//! A number is a column of rows of bits, 64 numbers to a word. Of `s` places of an addend `y` all
//! *monomials* are taken: row `S - 1` of `2^s - 1` rows is the conjunction of the places in the set
//! `S > 0`.

/// Words that are worked on together.
const LANES: usize = 4;

/// Most places that are taken together.
pub const MOST_PLACES: usize = 4;

type Lanes = [u64; LANES];

/// The words of a row from `at` on; 0 behind its end.
#[inline(always)]
fn load(row: &[u64], at: usize) -> Lanes {
    match row[at..].first_chunk::<LANES>() {
        Some(lanes) => *lanes,
        None => std::array::from_fn(|l| row.get(at + l).copied().unwrap_or(0)),
    }
}

#[inline(always)]
fn store(row: &mut [u64], at: usize, lanes: Lanes) {
    match row[at..].first_chunk_mut::<LANES>() {
        Some(to) => *to = lanes,
        None => {
            let rest = row.len() - at;
            row[at..].copy_from_slice(&lanes[..rest]);
        }
    }
}

#[inline(always)]
fn map2(a: Lanes, b: Lanes, f: impl Fn(u64, u64) -> u64) -> Lanes {
    std::array::from_fn(|l| f(a[l], b[l]))
}

kernel! {
    /// `out` gets the monomials of the rows of `y`, less `mask`. Rows have `stride` words.
    pub fn monomials = monomials_body(out: &mut [u64], mask: &[u64], y: &[u64], stride: usize)
}

#[inline(always)]
fn monomials_body(out: &mut [u64], mask: &[u64], y: &[u64], stride: usize) {
    match y.len() / stride {
        1 => monomials_of::<2>(out, mask, y, stride),
        2 => monomials_of::<4>(out, mask, y, stride),
        3 => monomials_of::<8>(out, mask, y, stride),
        4 => monomials_of::<16>(out, mask, y, stride),
        places => panic!("{places} places are not taken together"),
    }
}

#[inline(always)]
fn monomials_of<const SETS: usize>(out: &mut [u64], mask: &[u64], y: &[u64], stride: usize) {
    for at in (0..stride).step_by(LANES) {
        let mut all = [[!0; LANES]; SETS];
        let mut row = 0;
        for place in 0..SETS.ilog2() as usize {
            let y = load(&y[place * stride..][..stride], at);
            for lower in 0..1 << place {
                let product = map2(all[lower], y, |a, b| a & b);
                all[lower + (1 << place)] = product;
                let masked = map2(product, load(&mask[row..][..stride], at), |a, b| a ^ b);
                store(&mut out[row..][..stride], at, masked);
                row += stride;
            }
        }
    }
}

kernel! {
    /// With a share `f` of the monomials of `y`, and `w` known: a share of the carry out of the places of
    /// `y + w` in the first row of `out`, and if there is a second row, a share of whether exactly one
    /// addend has a 1 in every place. `ones` is that share of 1. Both less `mask`.
    pub fn carry_out = carry_out_body(out: &mut [u64], mask: &[u64], f: &[u64], w: &[u64], ones: u64, stride: usize)
}

#[inline(always)]
fn carry_out_body(out: &mut [u64], mask: &[u64], f: &[u64], w: &[u64], ones: u64, stride: usize) {
    match w.len() / stride {
        1 => carry_out_of::<2>(out, mask, f, w, ones, stride),
        2 => carry_out_of::<4>(out, mask, f, w, ones, stride),
        3 => carry_out_of::<8>(out, mask, f, w, ones, stride),
        4 => carry_out_of::<16>(out, mask, f, w, ones, stride),
        places => panic!("{places} places are not taken together"),
    }
}

/// Entry `S` of `all` is what the monomial `S` of the places below is multiplied with. From the top
/// place t down: `y_t = 1` and `w_t = 1` carries; `y_t ⊕ w_t` lets a carry from below pass.
#[inline(always)]
fn carry_out_of<const SETS: usize>(
    out: &mut [u64],
    mask: &[u64],
    f: &[u64],
    w: &[u64],
    ones: u64,
    stride: usize,
) {
    for at in (0..stride).step_by(LANES) {
        let mut all = [[ones; LANES]; SETS];
        for set in 1..SETS {
            all[set] = load(&f[(set - 1) * stride..][..stride], at);
        }
        let mut carry = [0; LANES];
        for place in (0..SETS.ilog2() as usize).rev() {
            let w = load(&w[place * stride..][..stride], at);
            let half = 1 << place;
            for l in 0..LANES {
                carry[l] ^= all[half][l] & w[l];
            }
            for set in 0..half {
                for l in 0..LANES {
                    all[set][l] = all[set + half][l] ^ all[set][l] & w[l];
                }
            }
        }
        for (row, share) in [carry, all[0]].into_iter().take(out.len() / stride).enumerate() {
            let masked = map2(share, load(&mask[row * stride..][..stride], at), |a, b| a ^ b);
            store(&mut out[row * stride..][..stride], at, masked);
        }
    }
}

kernel! {
    /// `z += w_0 + p_0·(e_0 + e_1) + p_1·e_0 - m` with `e = w + c`: what one party of three computes of
    /// the carry `w ⊕ p∧(w ⊕ c)` out of a place whose addends are `w` and `w ⊕ p`, and into which `c` is
    /// carried.
    pub fn majority = majority_body(z: &mut [u64], m: &[u64], p: [&[u64]; 2], w: [&[u64]; 2], c: [&[u64]; 2])
}

#[inline(always)]
fn majority_body(z: &mut [u64], m: &[u64], p: [&[u64]; 2], w: [&[u64]; 2], c: [&[u64]; 2]) {
    let n = z.len();
    let m = &m[..n];
    let (p0, p1, w0, w1) = (&p[0][..n], &p[1][..n], &w[0][..n], &w[1][..n]);
    let (c0, c1) = (&c[0][..n], &c[1][..n]);
    for i in 0..n {
        let (e0, e1) = (w0[i] ^ c0[i], w1[i] ^ c1[i]);
        z[i] ^= m[i] ^ w0[i] ^ p0[i] & (e0 ^ e1) ^ p1[i] & e0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(seed: u64, words: usize) -> Vec<u64> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            state ^ state >> 29
        };
        (0..words).map(|_| next()).collect()
    }

    #[test]
    fn carries_of_shared_monomials_are_those_of_the_sum() {
        for (places, stride) in (1..=MOST_PLACES).flat_map(|s| [1, 3, 4, 9].map(|n| (s, n))) {
            let sets = (1 << places) - 1;
            let (y, w) = (rows(1, places * stride), rows(2, places * stride));
            let masks = [rows(3, sets * stride), rows(4, 2 * stride), rows(5, 2 * stride)];
            let (mut rest, mut portable) = (vec![0; sets * stride], vec![0; sets * stride]);
            monomials(&mut rest, &masks[0], &y, stride);
            monomials_body(&mut portable, &masks[0], &y, stride);
            assert_eq!(rest, portable);
            let mut sum = [vec![0; 2 * stride], vec![0; 2 * stride]];
            for (out, (f, mask, ones)) in
                sum.iter_mut().zip([(&rest, &masks[1], !0), (&masks[0], &masks[2], 0)])
            {
                carry_out(out, mask, f, &w, ones, stride);
                let mut portable = vec![0; 2 * stride];
                carry_out_body(&mut portable, mask, f, &w, ones, stride);
                assert_eq!(*out, portable);
            }
            let number = |rows: &[u64], i: usize| {
                let bit = |place: usize| rows[place * stride + i / 64] >> (i % 64) & 1;
                (0..places).map(|place| bit(place) << place).sum::<u64>()
            };
            for i in 0..64 * stride {
                let opened = |row: usize| {
                    let at = row * stride + i / 64;
                    (sum[0][at] ^ sum[1][at] ^ masks[1][at] ^ masks[2][at]) >> (i % 64) & 1 == 1
                };
                let total = number(&y, i) + number(&w, i);
                assert_eq!(opened(0), total >> places == 1);
                assert_eq!(opened(1), total == sets as u64);
            }
        }
    }

    #[test]
    fn majorities_equal_the_portable_ones() {
        for n in [0, 1, 7, 30, 64] {
            let data: Vec<Vec<u64>> = (0..8).map(|i| rows(i, n)).collect();
            let [p, w, c] = [0, 2, 4].map(|i| [&data[i][..], &data[i + 1][..]]);
            let (mut wide, mut portable) = (data[6].clone(), data[6].clone());
            majority(&mut wide, &data[7], p, w, c);
            majority_body(&mut portable, &data[7], p, w, c);
            assert_eq!(wide, portable);
        }
    }
}

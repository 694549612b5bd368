//! Products in GF(2^8), of which one bit is kept.

use crate::algebra::gf256::{COEFFICIENTS, Gf256};
use crate::algebra::ring::Ring;

/// Coefficients of many elements, a word for each 64.
pub(crate) type Columns<'a> = [&'a [u64]; COEFFICIENTS];

kernel! {
    /// `out ^= Σ_j form_j ∧ (x·y + z)_j`, with all bits of each `form_j` alike.
    pub fn form_of_products = form_of_products_body(
        out: &mut [u64], x: Columns<'_>, y: Columns<'_>, z: Columns<'_>, form: [u64; COEFFICIENTS]
    )
}

#[inline(always)]
fn form_of_products_body(
    out: &mut [u64],
    x: Columns<'_>,
    y: Columns<'_>,
    z: Columns<'_>,
    form: [u64; COEFFICIENTS],
) {
    let n = out.len();
    let [x, y, z] = [x, y, z].map(|columns| columns.map(|column| &column[..n]));
    for i in 0..n {
        let at = |columns: &Columns<'_>| Gf256(columns.map(|column| column[i]));
        let sum = at(&x).times(at(&y)).plus(at(&z));
        for (coefficient, form) in sum.0.iter().zip(form) {
            out[i] ^= coefficient & form;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_equals_portable() {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            state ^ state >> 29
        };
        for n in [0, 1, 7, 8, 9, 30, 100] {
            let data: Vec<Vec<u64>> = (0..25).map(|_| (0..n).map(|_| next()).collect()).collect();
            let columns = |k: usize| std::array::from_fn(|j| &data[8 * k + j][..]);
            let (x, y, z) = (columns(0), columns(1), columns(2));
            let form = std::array::from_fn(|j| if next() >> j & 1 == 1 { !0 } else { 0 });
            let (mut a, mut b) = (data[24].clone(), data[24].clone());
            form_of_products(&mut a, x, y, z, form);
            form_of_products_body(&mut b, x, y, z, form);
            assert_eq!(a, b);
        }
    }
}

//! What one party of four computes of products: it has three addends of each factor.

use crate::algebra::ring::Ring;

kernel! {
    /// The three squares `x_p·y_p`, then `x_p·y_q + x_q·y_p` for the pairs (0, 1), (1, 2) and (0, 2).
    pub fn joint_terms = joint_terms_body <R>(out: [&mut [R]; 6], x: [&[R]; 3], y: [&[R]; 3])
}

#[inline(always)]
fn joint_terms_body<R: Ring>(out: [&mut [R]; 6], x: [&[R]; 3], y: [&[R]; 3]) {
    let n = out[0].len();
    let out = out.map(|out| &mut out[..n]);
    let ([x0, x1, x2], [y0, y1, y2]) = (x.map(|x| &x[..n]), y.map(|y| &y[..n]));
    for i in 0..n {
        out[0][i] = x0[i].times(y0[i]);
        out[1][i] = x1[i].times(y1[i]);
        out[2][i] = x2[i].times(y2[i]);
        out[3][i] = x0[i].times(y1[i]).plus(x1[i].times(y0[i]));
        out[4][i] = x1[i].times(y2[i]).plus(x2[i].times(y1[i]));
        out[5][i] = x0[i].times(y2[i]).plus(x2[i].times(y0[i]));
    }
}

kernel! {
    /// The same of inner products of rows of `inner`.
    pub fn joint_dots =
        joint_dots_body <R>(out: [&mut [R]; 6], x: [&[R]; 3], y: [&[R]; 3], inner: usize)
}

#[inline(always)]
fn joint_dots_body<R: Ring>(out: [&mut [R]; 6], x: [&[R]; 3], y: [&[R]; 3], inner: usize) {
    for row in 0..out[0].len() {
        let range = row * inner..row * inner + inner;
        let ([x0, x1, x2], [y0, y1, y2]) =
            (x.map(|x| &x[range.clone()]), y.map(|y| &y[range.clone()]));
        let mut sums = [R::zeroed(); 6];
        for i in 0..inner {
            sums[0] = sums[0].plus(x0[i].times(y0[i]));
            sums[1] = sums[1].plus(x1[i].times(y1[i]));
            sums[2] = sums[2].plus(x2[i].times(y2[i]));
            sums[3] = sums[3].plus(x0[i].times(y1[i])).plus(x1[i].times(y0[i]));
            sums[4] = sums[4].plus(x1[i].times(y2[i])).plus(x2[i].times(y1[i]));
            sums[5] = sums[5].plus(x0[i].times(y2[i])).plus(x2[i].times(y0[i]));
        }
        for (sum, part) in sums.into_iter().zip(0..6) {
            out[part][row] = sum;
        }
    }
}

kernel! {
    /// Masks the three terms `d` of pairs with `r_1`, `r_2` and `half`, and adds to `z` what this party
    /// has of the products: every mask and every masked term, each once. `own` says to which of the outer
    /// two the third term goes; its mask goes to the other.
    pub fn joint_masks = joint_masks_body
        <R>(z: [&mut [R]; 3], d: [&mut [R]; 3], r: [&[R]; 3], half: &[R], own: bool)
}

#[inline(always)]
fn joint_masks_body<R: Ring>(
    z: [&mut [R]; 3],
    d: [&mut [R]; 3],
    r: [&[R]; 3],
    half: &[R],
    own: bool,
) {
    let n = z[0].len();
    let ([z0, z1, z2], [d0, d1, d2]) = (z.map(|z| &mut z[..n]), d.map(|d| &mut d[..n]));
    let ([r0, r1, r2], half) = (r.map(|r| &r[..n]), &half[..n]);
    for i in 0..n {
        d0[i] = d0[i].minus(r1[i]);
        d1[i] = d1[i].minus(r2[i]);
        d2[i] = d2[i].minus(half[i]);
        let (first, last) = if own { (d2[i], half[i]) } else { (half[i], d2[i]) };
        z0[i] = z0[i].plus(r0[i]).plus(d0[i]).plus(first);
        z1[i] = z1[i].plus(r1[i]).plus(d1[i]);
        z2[i] = z2[i].plus(r2[i]).plus(last);
    }
}

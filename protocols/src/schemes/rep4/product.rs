//! Products: `x·y = Σ_i x_i·y_i + Σ_{i<j} (x_i·y_j + x_j·y_i)`, where the three parties that hold
//! component i have the first term, and the two parties other than i and j the second, which is shared
//! as in [`Four::joint`]. One round, six elements in all.
//!
//! Party k tells party k - 1 the terms of the pair {k, k+1}, and those of {k, k+2} for one half of the
//! vector; for the other half k + 2 tells them to k + 1. So all send alike, one message each:
//!
//! | term of | told by | vouched by | to | its mask is in | the rest in |
//! |---|---|---|---|---|---|
//! | {k, k+1} | k | k+1 | k-1 | k-1 | k+2 |
//! | {k, k+2}, half of k | k | k+2 | k-1 | k-1 | k+1 |

use mpc_runtime::buffer::Buffer;
use mpc_runtime::{Label, Op, Party, Result};
use zeroize::Zeroize;

use super::{Form, Four, PARTIES, TILE, Tile, add_message, all, purpose};
use crate::algebra::ring::Ring;
use crate::algebra::{matrix, simd};
use crate::cost::{Cost, Sent};
use crate::value::{Plane, Shares, Unit};

/// What a party has of products: `x_p·y_p` for its three planes, then `x_p·y_q + x_q·y_p` for the pairs
/// (0, 1), (1, 2) and (0, 2) of planes.
pub(crate) type Terms<'a, R> = [&'a mut [R]; 6];

impl Form {
    /// Elements of a ring, or words of bits, of the first half: whole cache lines.
    fn cut<R: Ring>(self) -> usize {
        let count = self.words() / R::WORDS;
        count.div_ceil(2).next_multiple_of(8).min(count)
    }

    /// Both halves.
    fn halves<R: Ring>(self) -> [Form; 2] {
        let first = match self.unit {
            Unit::Bit => (64 * self.cut::<R>()).min(self.len),
            Unit::Words(_) => self.cut::<R>(),
        };
        [first, self.len - first].map(|len| Form { len, ..self })
    }
}

/// Which half of the terms of {k, k+2} party `k` tells.
fn half_of(k: Party) -> usize {
    k % PARTIES / 2
}

impl Four {
    /// `a·b`, element by element.
    pub(crate) async fn multiply<R: Ring>(
        &self,
        op: &Op<'_>,
        label: Label,
        form: Form,
        a: &Shares,
        b: &Shares,
    ) -> Result<Shares> {
        let (x, y) = (all::<R>(a), all::<R>(b));
        self.product(op, label, form, |first, terms: Terms<'_, R>| {
            let range = first..first + terms[0].len();
            let [x, y] = [x, y].map(|v| v.map(|plane| &plane[range.clone()]));
            simd::joint_terms(terms, x, y);
        })
        .await
    }

    /// Sums of products, of which `fill(first, terms)` gives the terms from element `first` on.
    pub(crate) async fn product<R: Ring>(
        &self,
        op: &Op<'_>,
        label: Label,
        form: Form,
        fill: impl Fn(usize, Terms<'_, R>) + Sync,
    ) -> Result<Shares> {
        let [next, across, before] = [1, 2, 3].map(|by| self.party(by));
        let halves = form.halves::<R>();
        let half = |k| halves[half_of(k)];
        let mut told = Buffer::zeroed(form.words() + half(self.me).words());
        let mut vouched = [form, half(across)].map(|form| Buffer::zeroed(form.words()));
        let [z0, mut z1, mut z2] = Plane::build_all(form.unit, form.len, |z| {
            let (full, rest) = told.words_mut().split_at_mut(form.words());
            let [joint, other] = vouched.each_mut().map(Buffer::words_mut);
            let d = [&mut joint[..form.words()], full];
            let last = [&mut rest[..half(self.me).words()], &mut other[..half(across).words()]];
            self.fill_terms(op, form, z, d, last, &fill);
        });
        let told = told.words();
        let (full, rest) = told.split_at(form.words());
        match form.bytes().is_multiple_of(8) {
            true => {
                let bytes = form.bytes() + half(self.me).bytes();
                op.send(before, label, &bytemuck::cast_slice(told)[..bytes])?;
            }
            false => {
                let parts = [form.pack(full), half(self.me).pack(rest)];
                op.send(before, label, &parts.concat())?;
            }
        }
        let vouched = vouched.each_ref().map(Buffer::words);
        self.vouchers.give(op, across, label, form.pack(vouched[0]));
        self.vouchers.give(op, next, label, half(across).pack(vouched[1]));

        let bytes = form.bytes() + half(next).bytes();
        let message = op.recv(next, label, bytes).await?;
        let (full, rest) = message.split_at(form.bytes());
        self.vouchers.expect(op, across, label, full);
        self.vouchers.expect(op, before, label, rest);
        z2.change(|out| add_message::<R>(out, full));
        let from = half_of(next) * halves[0].words();
        z1.change(|out| add_message::<R>(&mut out[from..], rest));
        Ok(Shares::new(vec![z0, z1, z2], op.round()))
    }

    /// Terms and their masks, tile by tile: `z` gets what this party has of the result, `d` the terms of
    /// planes (0, 1) and (1, 2), `last` those of (0, 2), of the half that this party tells and of the
    /// other, all of them masked.
    fn fill_terms<R: Ring>(
        &self,
        op: &Op<'_>,
        form: Form,
        z: [&mut [u64]; 3],
        d: [&mut [u64]; 2],
        last: [&mut [u64]; 2],
        fill: &(impl Fn(usize, Terms<'_, R>) + Sync),
    ) {
        let stream = |by: usize, purpose| self.stream(op, self.party(by), purpose);
        let full = [1, 2, 3].map(|by| stream(by, purpose::FULL));
        let [first, second, third] = [1, 2, 3].map(|by| stream(by, purpose::HALF));
        let cut = form.cut::<R>() * R::WORDS;
        let parts = z.into_iter().chain(d).map(|words| words.split_at_mut(cut));
        let (low, high): (Vec<_>, Vec<_>) = parts.unzip();
        let [mine, inner_half] = [self.me, self.me + 3].map(half_of);
        let [own, other] = last;
        let lasts = if mine == 0 { [own, other] } else { [other, own] };
        for (half, (vectors, last)) in [low, high].into_iter().zip(lasts).enumerate() {
            let vectors: Vec<&mut [R]> = vectors
                .into_iter()
                .chain([last])
                .map(|words| bytemuck::cast_slice_mut(words))
                .collect();
            let start = half * cut / R::WORDS;
            let tile = TILE / R::WORDS;
            self.workers.tiles(vectors, tile, |from, parts| {
                let [z0, z1, z2, d0, d1, d2] = parts else { unreachable!("six vectors") };
                let [z0, z1, z2] = [z0, z1, z2].map(|z| &mut **z);
                let [d0, d1, d2] = [d0, d1, d2].map(|d| &mut **d);
                fill(start + from, [z0, z1, z2, d0, d1, d2]);
                let words = z0.len() * R::WORDS;
                let mut masks: [Tile; 5] = Default::default();
                let [r0, r1, r2, outer, inner] = masks.each_mut().map(|mask| &mut mask.0[..words]);
                let at = (start + from) * R::WORDS;
                for (stream, r) in full.iter().zip([&mut *r0, &mut *r1, &mut *r2]) {
                    stream.fill(at as u64, r);
                }
                let at = (from * R::WORDS) as u64;
                let told = if half == mine { &third } else { &first };
                told.fill(at, outer);
                let r = [&*r0, &*r1, &*r2].map(|r| bytemuck::cast_slice(r));
                let outer = bytemuck::cast_slice(outer);
                simd::joint_masks([z0, &mut *z1, z2], [d0, d1, d2], r, outer, half == mine);
                if half == inner_half {
                    second.fill(at, inner);
                    simd::add::<R>(z1, bytemuck::cast_slice(inner));
                }
            });
        }
    }
}

/// What a product costs.
pub(crate) fn product_cost<R: Ring>(form: Form) -> Cost {
    let halves = form.halves::<R>();
    let bytes = |k| (form.bytes() + halves[half_of(k)].bytes()) as u64;
    let sent = (0..PARTIES).map(|k| Sent { messages: 1, payload_bytes: bytes(k) }).collect();
    Cost { rounds: 1, sent, ..Cost::local(PARTIES) }
}

/// The terms of products of matrices, six products of one size: those of pairs are
/// `(x_p + x_q)·(y_p + y_q)` less both squares. `size` = (rows, inner, cols).
pub(crate) fn matrix_terms<R: Ring>(
    pool: Option<&rayon::ThreadPool>,
    x: [&[R]; 3],
    y: [&[R]; 3],
    size: (usize, usize, usize),
) -> [Buffer; 6] {
    let words = size.0 * size.2 * R::WORDS;
    let mut terms = [(); 6].map(|()| Buffer::zeroed(words));
    let numbers = |buffer: &mut Buffer, f: &mut dyn FnMut(&mut [R])| {
        f(bytemuck::cast_slice_mut(&mut buffer.words_mut()[..words]));
    };
    let sum = |a: &[R], b: &[R]| -> Vec<R> { a.iter().zip(b).map(|(a, b)| a.plus(*b)).collect() };
    for p in 0..3 {
        numbers(&mut terms[p], &mut |out| matrix::multiply_add(pool, out, x[p], y[p], size));
    }
    let (squares, pairs) = terms.split_at_mut(3);
    for (pair, (p, q)) in pairs.iter_mut().zip([(0, 1), (1, 2), (0, 2)]) {
        let (mut left, mut right) = (sum(x[p], x[q]), sum(y[p], y[q]));
        numbers(pair, &mut |out| {
            matrix::multiply_add(pool, out, &left, &right, size);
            for square in [p, q] {
                let square = &squares[square].words()[..words];
                simd::subtract(out, bytemuck::cast_slice(square));
            }
        });
        bytemuck::cast_slice_mut::<R, u64>(&mut left).zeroize();
        bytemuck::cast_slice_mut::<R, u64>(&mut right).zeroize();
    }
    terms
}

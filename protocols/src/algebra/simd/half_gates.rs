//! Garbling and evaluating AND gates: half gates of Zahur, Rosulek, Evans 2015, eprint 2014/756, Figure 2.
//!
//! The hash is [`Aes::tmmo`]; the tweaks of the halves of gate i are 2i and 2i + 1. A label's lowest bit is its
//! colour.

use mpc_runtime::Block;
use zeroize::Zeroizing;

use super::aes::{Aes, Tweaks};

/// Gates that are worked on together.
const BATCH: usize = 64;

/// Blocks of the tables of one gate.
pub const TABLES: usize = 2;

/// Tweaks of one half of the gates from `first` on.
fn tweaks(first: usize, half: Block) -> Tweaks {
    Tweaks { first: 2 * first as Block + half, step: 2 }
}

/// Gates `x·y`, from the labels of 0: the labels of 0 of what they give, and the tables of each, that of the
/// garbler's half first.
///
/// # Panics
/// If the lengths do not fit together.
pub fn garble(
    aes: &Aes,
    delta: Block,
    [x, y]: [&[Block]; 2],
    out: &mut [Block],
    tables: &mut [Block],
) {
    assert!(x.len() == out.len() && y.len() == out.len(), "a label for each operand");
    assert_eq!(tables.len(), TABLES * out.len(), "tables for each gate");
    #[cfg(target_arch = "x86_64")]
    let done = aes.wide().map_or(0, |keys| wide::garble_all(keys, delta, [x, y], out, tables));
    #[cfg(not(target_arch = "x86_64"))]
    let done = 0;
    garble_body(aes, done, delta, [x, y], out, tables);
}

/// Gates `x·y`, from the labels of the operands and their tables: the labels of what they give.
///
/// # Panics
/// If the lengths do not fit together.
pub fn evaluate(aes: &Aes, [x, y]: [&[Block]; 2], tables: &[Block], out: &mut [Block]) {
    assert!(x.len() == out.len() && y.len() == out.len(), "a label for each operand");
    assert_eq!(tables.len(), TABLES * out.len(), "tables for each gate");
    #[cfg(target_arch = "x86_64")]
    let done = aes.wide().map_or(0, |keys| wide::evaluate_all(keys, [x, y], tables, out));
    #[cfg(not(target_arch = "x86_64"))]
    let done = 0;
    evaluate_body(aes, done, [x, y], tables, out);
}

/// `x` if the lowest bit is 1, otherwise 0, without a branch.
pub fn times(bit: Block, x: Block) -> Block {
    (bit & 1).wrapping_neg() & x
}

/// The gates from `first` on.
fn garble_body(
    aes: &Aes,
    first: usize,
    delta: Block,
    [x, y]: [&[Block]; 2],
    out: &mut [Block],
    tables: &mut [Block],
) {
    let mut hashes = Zeroizing::new([[0; BATCH]; 4]);
    for first in (first..out.len()).step_by(BATCH) {
        let part = first..out.len().min(first + BATCH);
        let (x, y) = (&x[part.clone()], &y[part.clone()]);
        let [x0, x1, y0, y1] = &mut *hashes;
        for (labels, offset, half, out) in
            [(x, 0, 0, x0), (x, delta, 0, x1), (y, 0, 1, y0), (y, delta, 1, y1)]
        {
            aes.tmmo(labels, offset, tweaks(first, half), &mut out[..labels.len()]);
        }
        let tables = tables[TABLES * first..].chunks_exact_mut(TABLES);
        for (i, (out, table)) in out[part].iter_mut().zip(tables).enumerate() {
            let [x0, x1, y0, y1] = hashes.each_ref().map(|h| h[i]);
            table[0] = x0 ^ x1 ^ times(y[i], delta);
            table[1] = y0 ^ y1 ^ x[i];
            *out = x0 ^ times(x[i], table[0]) ^ y0 ^ times(y[i], table[1] ^ x[i]);
        }
    }
}

/// The gates from `first` on.
fn evaluate_body(
    aes: &Aes,
    first: usize,
    [x, y]: [&[Block]; 2],
    tables: &[Block],
    out: &mut [Block],
) {
    let mut hashes = Zeroizing::new([[0; BATCH]; 2]);
    for first in (first..out.len()).step_by(BATCH) {
        let part = first..out.len().min(first + BATCH);
        let (x, y) = (&x[part.clone()], &y[part.clone()]);
        let [hx, hy] = &mut *hashes;
        aes.tmmo(x, 0, tweaks(first, 0), &mut hx[..x.len()]);
        aes.tmmo(y, 0, tweaks(first, 1), &mut hy[..y.len()]);
        let tables = tables[TABLES * first..].chunks_exact(TABLES);
        for (i, (out, table)) in out[part].iter_mut().zip(tables).enumerate() {
            *out = hx[i] ^ times(x[i], table[0]) ^ hy[i] ^ times(y[i], table[1] ^ x[i]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::*;

    use mpc_runtime::Block;

    use super::super::aes::wide::{BATCH, Counter, Keys, load, store, tweaked, twice};
    use super::{TABLES, tweaks};

    type Batch = [Block; BATCH];

    /// Garbles whole batches; gives how many gates they are.
    pub(super) fn garble_all(
        keys: &Keys,
        delta: Block,
        [x, y]: [&[Block]; 2],
        out: &mut [Block],
        tables: &mut [Block],
    ) -> usize {
        let [x, y] = [x, y].map(|labels| labels.as_chunks().0);
        let (out, tables) = (out.as_chunks_mut().0, tables.as_chunks_mut::<{ TABLES * BATCH }>().0);
        // SAFETY: the instructions are there if the keys are.
        unsafe { garble(keys, delta, [x, y], out, tables) };
        BATCH * out.len()
    }

    /// Evaluates whole batches; gives how many gates they are.
    pub(super) fn evaluate_all(
        keys: &Keys,
        [x, y]: [&[Block]; 2],
        tables: &[Block],
        out: &mut [Block],
    ) -> usize {
        let [x, y] = [x, y].map(|labels| labels.as_chunks().0);
        let (out, tables) = (out.as_chunks_mut().0, tables.as_chunks::<{ TABLES * BATCH }>().0);
        // SAFETY: the instructions are there if the keys are.
        unsafe { evaluate(keys, [x, y], tables, out) };
        BATCH * out.len()
    }

    /// `x` where the lowest bit of a block of `bits` is 1, otherwise 0.
    #[inline]
    #[target_feature(enable = "avx2,aes,vaes")]
    fn times(bits: __m256i, x: __m256i) -> __m256i {
        let colours = _mm256_shuffle_epi32::<0>(bits);
        _mm256_and_si256(_mm256_srai_epi32::<31>(_mm256_slli_epi32::<31>(colours)), x)
    }

    #[target_feature(enable = "avx2,aes,vaes")]
    fn garble(
        keys: &Keys,
        delta: Block,
        [x, y]: [&[Batch]; 2],
        out: &mut [Batch],
        tables: &mut [[Block; TABLES * BATCH]],
    ) {
        let (delta, none) = (twice(delta), _mm256_setzero_si256());
        // Labels of 0 and of 1 have the same tweaks.
        let [mut of_x0, mut of_x1] = [0, 0].map(|half| Counter::new(tweaks(0, half)));
        let [mut of_y0, mut of_y1] = [1, 1].map(|half| Counter::new(tweaks(0, half)));
        for (((x, y), out), tables) in x.iter().zip(y).zip(out).zip(tables) {
            let (x, y) = (load(x), load(y));
            let x0 = tweaked::<true>(keys, &x, none, &mut of_x0);
            let x1 = tweaked::<true>(keys, &x, delta, &mut of_x1);
            let y0 = tweaked::<true>(keys, &y, none, &mut of_y0);
            let y1 = tweaked::<true>(keys, &y, delta, &mut of_y1);
            let mut given = x0;
            for i in 0..given.len() {
                let garblers = xor3(x0[i], x1[i], times(y[i], delta));
                // What the evaluator adds if the colour of y is 1.
                let added = _mm256_xor_si256(y0[i], y1[i]);
                let evaluators = _mm256_xor_si256(added, x[i]);
                given[i] = xor3(x0[i], y0[i], times(x[i], garblers));
                given[i] = _mm256_xor_si256(given[i], times(y[i], added));
                // Those of the first gate, and those of the second.
                let first = _mm256_permute2x128_si256::<0x20>(garblers, evaluators);
                let second = _mm256_permute2x128_si256::<0x31>(garblers, evaluators);
                let at = tables[2 * TABLES * i..2 * TABLES * (i + 1)].as_mut_ptr();
                // SAFETY: the tables of two gates are written.
                unsafe {
                    _mm256_storeu_si256(at.cast(), first);
                    _mm256_storeu_si256(at.add(TABLES).cast(), second);
                }
            }
            store(out, &given);
        }
    }

    #[target_feature(enable = "avx2,aes,vaes")]
    fn evaluate(
        keys: &Keys,
        [x, y]: [&[Batch]; 2],
        tables: &[[Block; TABLES * BATCH]],
        out: &mut [Batch],
    ) {
        let none = _mm256_setzero_si256();
        let [mut of_x, mut of_y] = [0, 1].map(|half| Counter::new(tweaks(0, half)));
        for (((x, y), out), tables) in x.iter().zip(y).zip(out).zip(tables) {
            let (x, y) = (load(x), load(y));
            let mut given = tweaked::<true>(keys, &x, none, &mut of_x);
            let hy = tweaked::<true>(keys, &y, none, &mut of_y);
            for i in 0..given.len() {
                let at = tables[2 * TABLES * i..2 * TABLES * (i + 1)].as_ptr();
                // SAFETY: the tables of two gates are read.
                let (first, second) = unsafe {
                    (_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.add(TABLES).cast()))
                };
                let garblers = _mm256_permute2x128_si256::<0x20>(first, second);
                let evaluators = _mm256_permute2x128_si256::<0x31>(first, second);
                let added = times(y[i], _mm256_xor_si256(evaluators, x[i]));
                given[i] = xor3(given[i], hy[i], times(x[i], garblers));
                given[i] = _mm256_xor_si256(given[i], added);
            }
            store(out, &given);
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,aes,vaes")]
    fn xor3(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
        _mm256_xor_si256(_mm256_xor_si256(x, y), z)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(n: usize, key: Block) -> Vec<Block> {
        let mut blocks = vec![0; n];
        Aes::new(key).count(0, &mut blocks);
        blocks
    }

    #[test]
    fn wide_equals_portable_and_labels_are_those_of_the_products() {
        let aes = Aes::new(77);
        let delta = blocks(1, 1)[0] | 1;
        for n in [0, 1, 15, 16, 17, 64, 70, 256] {
            let (x, y) = (blocks(n, 2), blocks(n, 3));
            let mut made = [(vec![0; n], vec![0; TABLES * n]), (vec![0; n], vec![0; TABLES * n])];
            let [(out, tables), (body, body_tables)] = &mut made;
            garble(&aes, delta, [&x, &y], out, tables);
            garble_body(&aes, 0, delta, [&x, &y], body, body_tables);
            assert!(out == body && tables == body_tables, "{n} gates");
            for values in 0..4 {
                let bits = |i: usize| [(i + values) & 1, (i + values) >> 1 & 1];
                let label = |zero: Block, bit: usize| zero ^ times(bit as Block, delta);
                let [mut a, mut b] = [x.clone(), y.clone()];
                a.iter_mut().enumerate().for_each(|(i, a)| *a = label(*a, bits(i)[0]));
                b.iter_mut().enumerate().for_each(|(i, b)| *b = label(*b, bits(i)[1]));
                let mut given = [vec![0; n], vec![0; n]];
                evaluate(&aes, [&a, &b], tables, &mut given[0]);
                evaluate_body(&aes, 0, [&a, &b], tables, &mut given[1]);
                for (i, &zero) in out.iter().enumerate() {
                    let want = label(zero, bits(i)[0] & bits(i)[1]);
                    assert_eq!(
                        given.each_ref().map(|given| given[i]),
                        [want; 2],
                        "gate {i} of {n}"
                    );
                }
            }
        }
    }
}

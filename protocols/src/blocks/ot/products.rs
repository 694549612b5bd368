//! Products of a number of one party with numbers of another, as additive shares (Gilboa 1999).
//!
//! The receiver's number is a sum of `2^i·a_i` over its bits; bit i is its choice in a transfer. The sender
//! hides `b` as the difference of both messages, `d = H(q) - H(q ⊕ Δ) + b`; the receiver has `H(q) + a_i·b` from
//! `H(t) + a_i·d`, and the sender -H(q). In a ring only as many bits of d travel as 2^i leaves:
//! `k(k+1)/2` for a number of k bits, without gaps. With several numbers b for one a, each transfer has several
//! messages under one choice.

use zeroize::Zeroizing;

use super::hash::{Block, Hash};
use super::softspoken::{Transfers, parts};
use crate::algebra::number::Number;

/// Which products, and where they are added up.
#[derive(Clone, Copy)]
pub struct Products {
    /// Numbers of the receiver in this part.
    pub numbers: usize,
    /// Bits of each.
    pub bits: usize,
    /// Weight of the first bit, as a power of 2.
    pub first: u32,
    /// Numbers of the sender that each is multiplied with.
    pub width: usize,
    /// So many numbers in a row are added up, column by column; 0 if not even the bits of one number
    /// are.
    pub inner: usize,
}

impl Products {
    /// Transfers that they take.
    pub fn transfers(&self) -> usize {
        self.numbers * self.bits
    }

    /// Elements of the result.
    pub fn results(&self) -> usize {
        match self.inner {
            0 => self.transfers() * self.width,
            inner => self.numbers / inner * self.width,
        }
    }

    /// Bytes of the sender's message.
    pub fn bytes<N: Number>(&self) -> usize {
        let weights = self.first..self.first + self.bits as u32;
        let bits: usize = weights.map(N::bits_of_raised).sum();
        (self.numbers * self.width * bits).div_ceil(8)
    }

    /// Numbers whose transfers are hashed together.
    fn at_once(&self) -> usize {
        (AT_ONCE / self.bits).max(1)
    }

    /// Where bit `bit` of number `number` is added in column `column`.
    fn target(&self, number: usize, bit: usize, column: usize) -> usize {
        match self.inner {
            0 => (number * self.bits + bit) * self.width + column,
            inner => number / inner * self.width + column,
        }
    }

    /// Adds up what the bits of one number give, from the highest on.
    fn add<N: Number>(
        &self,
        share: &mut [N],
        number: usize,
        column: usize,
        part: impl Fn(usize) -> N,
        combine: impl Fn(N, N) -> N,
    ) {
        if self.inner == 0 {
            for bit in 0..self.bits {
                let out = &mut share[self.target(number, bit, column)];
                *out = combine(*out, part(bit).raised(self.first + bit as u32));
            }
            return;
        }
        let sum = (0..self.bits).rev().fold(N::zero(), |sum, bit| sum.raised(1).plus(part(bit)));
        let out = &mut share[self.target(number, 0, column)];
        *out = combine(*out, sum.raised(self.first));
    }
}

/// Transfers that are hashed together, or more if one number takes more: what they need fits the first-level cache.
const AT_ONCE: usize = 64;

/// The hashes of the transfers of some numbers, as elements.
struct Masks<'a, N: Number> {
    hash: &'a Hash,
    hashes: Zeroizing<Vec<Block>>,
    masks: Wiped<N>,
}

impl<'a, N: Number> Masks<'a, N> {
    fn new(transfers: &'a Transfers, most: usize) -> Masks<'a, N> {
        let hashes = Zeroizing::new(vec![0; most]);
        Masks { hash: transfers.hash(), hashes, masks: Wiped(vec![N::zero(); most]) }
    }

    /// Those of `blocks`, the transfers from `first` on; `column` tells apart messages of one transfer.
    fn of(&mut self, blocks: &[Block], offset: Block, first: usize, column: usize) -> &[N] {
        let halves = N::WORDS.div_ceil(2);
        let (hashes, masks) = (&mut self.hashes[..blocks.len()], &mut self.masks.0[..blocks.len()]);
        for half in 0..halves {
            let tweak = ((column * halves + half) as Block) << 64 | first as Block;
            self.hash.blocks(blocks, offset, tweak, hashes);
            for (mask, hash) in masks.iter_mut().zip(&*hashes) {
                let words: &mut [u64] = bytemuck::cast_slice_mut(std::slice::from_mut(mask));
                words[2 * half] = *hash as u64;
                if let Some(word) = words.get_mut(2 * half + 1) {
                    *word = (hash >> 64) as u64;
                }
            }
        }
        masks.iter_mut().for_each(|mask| *mask = N::uniform(words(mask)));
        masks
    }
}

/// Puts numbers of bits one after the other.
struct Writer {
    words: Vec<u64>,
    last: u64,
    filled: u32,
}

impl Writer {
    fn new(bytes: usize) -> Writer {
        Writer { words: Vec::with_capacity(bytes / 8 + 2), last: 0, filled: 0 }
    }

    /// `bits` low bits of the words.
    #[inline(always)]
    fn put(&mut self, words: &[u64], bits: usize) {
        let mut left = bits as u32;
        for &word in words {
            let here = left.min(64);
            if here == 0 {
                return;
            }
            let word = word & (!0 >> (64 - here));
            self.last |= word << self.filled;
            if self.filled + here >= 64 {
                self.words.push(self.last);
                // What did not fit; nothing if the last was empty before.
                self.last = word >> 1 >> (63 - self.filled);
            }
            self.filled = (self.filled + here) % 64;
            left -= here;
        }
    }

    fn finish(mut self, bytes: usize) -> Vec<u8> {
        self.words.push(self.last);
        bytemuck::cast_slice(&self.words)[..bytes].to_vec()
    }
}

/// Takes numbers of bits one after the other.
struct Reader {
    words: Vec<u64>,
    at: usize,
}

impl Reader {
    fn new(bytes: &[u8]) -> Reader {
        let mut words = vec![0; bytes.len() / 8 + 2];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
        Reader { words, at: 0 }
    }

    #[inline(always)]
    fn take(&mut self, out: &mut [u64], bits: usize) {
        let mut left = bits;
        for out in out {
            let here = left.min(64);
            if here == 0 {
                *out = 0;
                continue;
            }
            let (word, shift) = (self.at / 64, (self.at % 64) as u32);
            let both = self.words[word] >> shift | self.words[word + 1] << 1 << (63 - shift);
            *out = both & (!0 >> (64 - here));
            self.at += here;
            left -= here;
        }
    }
}

fn words<N: Number>(x: &N) -> &[u64] {
    bytemuck::cast_slice(std::slice::from_ref(x))
}

/// The sender's message on numbers from `start` on; its shares of the products are subtracted from `share`. `factor(number, bit, column)` is
/// what bit `bit` of the receiver's number is multiplied with.
pub fn offer<N: Number>(
    products: &Products,
    start: usize,
    sent: &Transfers,
    delta: Block,
    factor: impl Fn(usize, usize, usize) -> N,
    share: &mut [N],
) -> Vec<u8> {
    let (bits, bytes) = (products.bits, products.bytes::<N>());
    let mut writer = Writer::new(bytes);
    let most = products.at_once() * bits;
    let (mut zeros, mut ones) = (Masks::new(sent, most), Masks::new(sent, most));
    sent.groups(bits, |first, blocks| {
        for column in 0..products.width {
            for (at, blocks) in (first * bits..).step_by(most).zip(blocks.chunks(most)) {
                let zeros: &[N] = zeros.of(blocks, 0, at, column);
                let ones: &[N] = ones.of(blocks, delta, at, column);
                let numbers = zeros.chunks_exact(bits).zip(ones.chunks_exact(bits));
                for (number, (zero, one)) in (start + at / bits..).zip(numbers) {
                    for (bit, (&zero, &one)) in zero.iter().zip(one).enumerate() {
                        let hidden = zero.minus(one).plus(factor(number, bit, column));
                        writer.put(words(&hidden), N::bits_of_raised(products.first + bit as u32));
                    }
                    products.add(share, number, column, |bit| zero[bit], N::minus);
                }
            }
        }
    });
    writer.finish(bytes)
}

/// Adds what the receiver has of numbers from `start` on before the message of the sender comes to `share`.
pub fn prepare<N: Number>(
    products: &Products,
    start: usize,
    received: &Transfers,
    share: &mut [N],
) {
    let bits = products.bits;
    let most = products.at_once() * bits;
    let mut masks = Masks::new(received, most);
    received.groups(bits, |first, blocks| {
        for column in 0..products.width {
            for (at, blocks) in (first * bits..).step_by(most).zip(blocks.chunks(most)) {
                let masks: &[N] = masks.of(blocks, 0, at, column);
                for (number, mask) in (start + at / bits..).zip(masks.chunks_exact(bits)) {
                    products.add(share, number, column, |bit| mask[bit], N::plus);
                }
            }
        }
    });
}

/// Adds the rest of the receiver's shares, of numbers from `start` on, to `share`, given its choices and the message of the sender. `None` if
/// that holds no numbers.
#[must_use]
pub fn accept<N: Number>(
    products: &Products,
    start: usize,
    choices: &[u64],
    message: &[u8],
    share: &mut [N],
) -> Option<()> {
    let bits = products.bits;
    let mut reader = Reader::new(message);
    let mut good = true;
    let mut hidden = Wiped(vec![N::zero(); bits]);
    for numbers in parts(products.numbers, bits) {
        for column in 0..products.width {
            for number in numbers.clone() {
                for (bit, hidden) in hidden.0.iter_mut().enumerate() {
                    let mut read = [0; 4];
                    let read = &mut read[..N::WORDS];
                    reader.take(read, N::bits_of_raised(products.first + bit as u32));
                    let number_read = N::checked(read);
                    good &= number_read.is_some();
                    let at = number * bits + bit;
                    let choice = choices[at / 64] >> (at % 64) & 1;
                    *hidden = number_read.unwrap_or(N::zero()).masked(choice);
                }
                products.add(share, start + number, column, |bit| hidden.0[bit], N::plus);
            }
        }
    }
    good.then_some(())
}

/// Elements that are wiped when dropped.
struct Wiped<N: Number>(Vec<N>);

impl<N: Number> Drop for Wiped<N> {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(bytemuck::cast_slice_mut::<N, u64>(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_width_travel_without_gaps() {
        let width = |i: usize| (i * 37) % 129;
        let number = |i: usize| {
            let x = (i as u128 + 3).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
            let kept = if width(i) == 0 { 0 } else { x >> (128 - width(i)) };
            [kept as u64, (kept >> 64) as u64]
        };
        let bytes = (0..300).map(width).sum::<usize>().div_ceil(8);
        let mut writer = Writer::new(bytes);
        (0..300).for_each(|i| writer.put(&number(i), width(i)));
        let message = writer.finish(bytes);
        let mut reader = Reader::new(&message);
        for i in 0..300 {
            let mut out = [0; 2];
            reader.take(&mut out, width(i));
            assert_eq!(out, number(i), "number {i}");
        }
    }
}

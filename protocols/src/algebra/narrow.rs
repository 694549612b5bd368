//! Narrow numbers: 32-bit words in memory, wiped when given back; on the wire as many bits as they have.
//!
//! A *field* is a number of `bits` bits in a message; fields follow one another without gaps.

use std::ops::{Deref, DerefMut};

use mpc_runtime::buffer::Buffer;

/// Words of 32 bits.
pub(crate) struct Narrow {
    buffer: Buffer,
    len: usize,
}

impl Narrow {
    /// So many words, all 0.
    pub(crate) fn zeros(len: usize) -> Narrow {
        Narrow { buffer: Buffer::zeroed(len.div_ceil(2)), len }
    }

    /// 0, 1, 2 and so on.
    pub(crate) fn counted(len: usize) -> Narrow {
        let mut out = Narrow::zeros(len);
        out.iter_mut().zip(0..).for_each(|(o, i)| *o = i);
        out
    }

    /// Words that `fill` sets, 64 bits at a time; the last may be half outside.
    pub(crate) fn build(len: usize, fill: impl FnOnce(&mut [u64])) -> Narrow {
        let mut out = Narrow::zeros(len);
        fill(&mut out.buffer.words_mut()[..len.div_ceil(2)]);
        out
    }

    /// Word `i` is `f(i, x[order[i]])`.
    pub(crate) fn gathered(order: &[u32], x: &[u32], f: impl Fn(usize, u32) -> u32) -> Narrow {
        let mut out = Narrow::zeros(order.len());
        for (i, (o, &from)) in out.iter_mut().zip(order).enumerate() {
            *o = f(i, x[from as usize]);
        }
        out
    }

    /// Word `order[i]` is `f(i)`; `order` is a permutation.
    pub(crate) fn scattered(order: &[u32], f: impl Fn(usize) -> u32) -> Narrow {
        let mut out = Narrow::zeros(order.len());
        order.iter().enumerate().for_each(|(i, &to)| out[to as usize] = f(i));
        out
    }
}

impl Deref for Narrow {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        &bytemuck::cast_slice(self.buffer.words())[..self.len]
    }
}

impl DerefMut for Narrow {
    fn deref_mut(&mut self) -> &mut [u32] {
        &mut bytemuck::cast_slice_mut(self.buffer.words_mut())[..self.len]
    }
}

/// Bytes of `len` fields.
pub(crate) fn packed_bytes(len: usize, bits: u32) -> usize {
    (len * bits as usize).div_ceil(8)
}

/// Fields from the low `bits` bits of words, at the start of the result.
pub(crate) fn pack(words: &[u32], bits: u32) -> Packed {
    debug_assert!((1..=32).contains(&bits));
    let bytes = packed_bytes(words.len(), bits);
    let mut buffer = Buffer::zeroed(bytes.div_ceil(8));
    let (mask, mut word, mut filled) = (!0_u32 >> (32 - bits), 0_u64, 0);
    let mut out = buffer.words_mut().iter_mut();
    let mut put = |word: u64| *out.next().expect("there is room for all fields") = word;
    for &x in words {
        let x = u64::from(x & mask);
        word |= x << filled;
        filled += bits;
        if filled >= 64 {
            put(word);
            filled -= 64;
            word = x >> (bits - filled);
        }
    }
    if filled > 0 {
        put(word);
    }
    Packed { buffer, bytes }
}

/// Fields ready to be sent.
pub(crate) struct Packed {
    buffer: Buffer,
    bytes: usize,
}

impl Deref for Packed {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &bytemuck::cast_slice(self.buffer.words())[..self.bytes]
    }
}

/// Field `i` of a message.
#[inline(always)]
pub(crate) fn field(message: &[u8], i: usize, bits: u32) -> u32 {
    let (byte, shift) = (i * bits as usize / 8, i * bits as usize % 8);
    let eight = match message[byte..].first_chunk::<8>() {
        Some(eight) => *eight,
        None => {
            let mut last = [0; 8];
            last[..message.len() - byte].copy_from_slice(&message[byte..]);
            last
        }
    };
    (u64::from_le_bytes(eight) >> shift) as u32 & (!0 >> (32 - bits))
}

/// The first `len` fields of a message.
pub(crate) fn unpack(message: &[u8], len: usize, bits: u32) -> Narrow {
    let mut out = Narrow::zeros(len);
    out.iter_mut().enumerate().for_each(|(i, o)| *o = field(message, i, bits));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_every_width_come_back() {
        for bits in 1..=32 {
            for len in [0, 1, 2, 7, 8, 63, 64, 65, 1000] {
                let words: Vec<u32> =
                    (0..len).map(|i| (i as u32).wrapping_mul(0x9e37_79b9)).collect();
                let message = pack(&words, bits);
                assert_eq!(message.len(), packed_bytes(len, bits));
                let low: Vec<u32> = words.iter().map(|x| x & (!0 >> (32 - bits))).collect();
                assert_eq!(unpack(&message, len, bits)[..], low, "{bits}");
            }
        }
    }

    #[test]
    fn a_permutation_and_its_inverse_cancel() {
        let (order, x) = ([2, 0, 3, 1], [10, 11, 12, 13]);
        let there = Narrow::gathered(&order, &x, |i, x| x + i as u32);
        assert_eq!(there[..], [12, 11, 15, 14]);
        assert_eq!(Narrow::scattered(&order, |i| there[i] - i as u32)[..], x);
    }
}

//! The extension: any number of correlated transfers from 128 base transfers.
//!
//! SoftSpoken transfers of Roy 2022, eprint 2022/192: of each of `128/k` trees of `2^k` streams, the
//! receiver (who planted the tree) knows all and the sender all but the one numbered Δ_i, k bits of its
//! secret Δ. With r_x the stream of leaf x, u the sum of all streams, v_l the sum of those with bit l of x
//! set, and w_l the sum of those with bit l of x ⊕ Δ_i set, which the sender can compute,
//! `w_l = v_l ⊕ Δ_i[l]·u`. The receiver tells `u ⊕ choices` for every tree, and the sender adds Δ_i[l] times
//! that: row by row `q = t ⊕ Δ·choice`. With k = 1 this is the extension of Ishai, Kilian, Nissim, Petrank
//! 2003. A transfer costs the receiver `128/k` bits and both of them `2^k/k` blocks of AES. Where any choices
//! will do, those of tree 0 are taken and not sent.
//!
//! Streams are AES-128 in counter mode, one key a leaf; where a call reads them is in its [`Name`].
//!
//! Against a receiver who cheats: Section 4 and Figure 7, over 64-bit words of rows. After the correction has
//! come, the sender draws a fresh seed of weights χ in GF(2^64), one for each word; the receiver answers with
//! `Σ χ_j·word_j` of its choices and of all its rows, hidden by a last word of each that is used for
//! nothing else; the sender compares with its own rows. Random weights make a hash that is
//! 2^-64-universal, and linear over GF(2), as Theorem 4.1 asks for.

use std::ops::Range;

use mpc_runtime::buffer::Buffer;
use mpc_runtime::{Cipher, Error, Key, Label, Misbehaviour, Op, Party, Result};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::base::Base;
use super::hash::{Block, Common, Hash, Name};
use super::pprf::{self, Expansion, Shape};
use crate::algebra::bits::{self, Wire, stride};
use crate::algebra::simd::{Streams, field_dot};
use crate::checks::security_check;

pub(super) const CORRECT: Label = Label("ot.extend.correct");
const CHALLENGE: Label = Label("ot.extend.challenge");
const ANSWER: Label = Label("ot.extend.answer");

/// Rows: one for each bit of Δ.
const ROWS: usize = 128;
/// Columns that are worked on together: rows of them fit the first-level cache.
const COLUMNS: usize = 64 * ROWS;

/// Transfers of which one bit each makes a word.
const BITS: usize = 64;

/// How many transfers, and whether any choices will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Many {
    /// Transfers.
    pub len: usize,
    /// The receiver takes random choices.
    pub random: bool,
}

impl Many {
    /// `len` transfers with choices of the receiver's.
    pub fn chosen(len: usize) -> Many {
        Many { len, random: false }
    }

    /// `len` transfers with random choices.
    pub fn random(len: usize) -> Many {
        Many { len, random: true }
    }
}

/// What the receiver chooses.
#[derive(Clone, Copy)]
pub enum Choices<'a> {
    /// These bits, 64 to a word; there are at least as many.
    Given(&'a [u64]),
    /// Whatever comes.
    Random,
}

impl Shape {
    /// Columns of a call, with those that hide the answer of a check.
    fn columns(self, many: Many) -> usize {
        if self.checked { many.len.next_multiple_of(64) + 64 } else { many.len }
    }

    /// The correction on the wire.
    fn wire(self, many: Many) -> Wire {
        Wire { rows: self.trees() - usize::from(many.random), bits: self.columns(many) }
    }

    /// Bytes and messages that receiver and sender send for a call.
    pub(crate) fn sent(self, many: Many) -> [(usize, u64); 2] {
        if many.len == 0 {
            return [(0, 0); 2];
        }
        let correction = self.wire(many).bytes();
        if self.checked {
            [(correction + ANSWER_BYTES, 2), (16, 1)]
        } else {
            [(correction, 1), (0, 0)]
        }
    }
}

/// Answer of a check: the words of the choices and of every row.
const ANSWER_BYTES: usize = 8 * (1 + ROWS);

/// All rows of a call, in parts of up to [`COLUMNS`] columns.
struct Table {
    columns: usize,
    buffer: Buffer,
}

impl Table {
    fn new(columns: usize) -> Table {
        Table { columns, buffer: Buffer::zeroed(ROWS * stride(columns)) }
    }

    /// The columns of each part.
    fn parts(columns: usize) -> impl Iterator<Item = Range<usize>> {
        (0..columns).step_by(COLUMNS).map(move |first| first..columns.min(first + COLUMNS))
    }

    /// All rows of a part, one after the other.
    fn part(&self, part: &Range<usize>) -> &[u64] {
        &self.buffer.words()[ROWS * (part.start / 64)..][..ROWS * stride(part.len())]
    }

    fn part_mut(&mut self, part: &Range<usize>) -> &mut [u64] {
        &mut self.buffer.words_mut()[ROWS * (part.start / 64)..][..ROWS * stride(part.len())]
    }
}

/// The results of a call, in the form in which they were made.
enum Results {
    Rows(Table),
    /// One after the other; there may be more of them than transfers.
    Blocks(Buffer),
}

/// The results of a call, column by column, and the hash that goes with them.
pub struct Transfers {
    len: usize,
    results: Results,
    common: Common,
}

/// Numbers of groups of `size` transfers that are worked on together.
pub(crate) fn parts(groups: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    let ends = Table::parts(groups * size).map(move |part| part.end / size);
    let mut start = 0;
    ends.filter_map(move |end| {
        let part = start..end;
        start = end;
        (!part.is_empty()).then_some(part)
    })
}

impl Transfers {
    fn new(len: usize, table: Table, name: Name) -> Transfers {
        Transfers { len, results: Results::Rows(table), common: name.common }
    }

    /// Of a call that has made the first `len` of these blocks from the transfers.
    pub(super) fn replaced(self, len: usize, blocks: Buffer) -> Transfers {
        Transfers { len, results: Results::Blocks(blocks), common: self.common }
    }

    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    /// Number of transfers.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The hash of this call; the number of a transfer is its tweak.
    pub fn hash(&self) -> &Hash {
        &self.common.hash
    }

    /// Calls `f(first, blocks)` for all transfers, some at a time, in order; `first` is a multiple of 128.
    pub fn each(&self, mut f: impl FnMut(usize, &[Block])) {
        let table = match &self.results {
            Results::Rows(table) => table,
            Results::Blocks(blocks) => {
                let blocks = &bytemuck::cast_slice(blocks.words())[..self.len];
                let parts = (0..).step_by(COLUMNS).zip(blocks.chunks(COLUMNS));
                return parts.for_each(|(first, blocks)| f(first, blocks));
            }
        };
        let mut columns = Zeroizing::new(vec![0; self.len.min(COLUMNS)]);
        for part in Table::parts(self.len) {
            // The table may be wider by what checks need.
            let wide = part.start..table.columns.min(part.start + COLUMNS);
            let (rows, stride) = (table.part(&wide), stride(wide.len()));
            let out: &mut [Block] = &mut columns[..part.len()];
            out.fill(0);
            let words = bytemuck::cast_slice_mut(out);
            bits::from_rows(part.len(), ROWS, words, |j| &rows[j * stride..][..stride]);
            f(part.start, out);
        }
    }

    /// Calls `f(first, blocks)` for groups of `size` transfers, those of [`parts`] at a time; `first` is the number of
    /// the first group.
    pub fn groups(&self, size: usize, mut f: impl FnMut(usize, &[Block])) {
        let mut waiting = Zeroizing::new(Vec::with_capacity(self.len.min(COLUMNS + size)));
        let mut parts = parts(self.len / size, size);
        self.each(|_, blocks| {
            if waiting.is_empty() && blocks.len().is_multiple_of(size) {
                let part = parts.next().expect("one for each part that ends a group");
                return f(part.start, blocks);
            }
            waiting.extend_from_slice(blocks);
            if waiting.len() >= size {
                let part = parts.next().expect("one for each part that ends a group");
                f(part.start, &waiting[..part.len() * size]);
                waiting.drain(..part.len() * size);
            }
        });
    }

    /// For each offset the lowest bit of `H(x_j ⊕ offset, j)` for every transfer, 64 to a word; bits behind the last are 0.
    pub fn bits<const N: usize>(&self, offsets: [Block; N]) -> [Zeroizing<Vec<u64>>; N] {
        let mut words = offsets.map(|_| Zeroizing::new(vec![0; stride(self.len)]));
        self.each(|first, blocks| {
            for (at, blocks) in (first / BITS..).zip(blocks.chunks(BITS)) {
                for (words, offset) in words.iter_mut().zip(offsets) {
                    words[at] = self.hash().bits(blocks, offset, (BITS * at) as u64);
                }
            }
        });
        words
    }

    /// All of them.
    pub fn to_vec(&self) -> Zeroizing<Vec<Block>> {
        let mut all = Zeroizing::new(Vec::with_capacity(self.len));
        self.each(|_, blocks| all.extend_from_slice(blocks));
        all
    }
}

/// What the receiver of a call has.
pub struct Received {
    /// `t_j`.
    pub transfers: Transfers,
    /// Its choices, 64 to a word; bits behind the last are 0.
    pub choices: Zeroizing<Vec<u64>>,
}

/// The streams of the leaves of all trees. The sender lacks those numbered 0 and has that of the seed 0 in their
/// place: no bit of 0 is set, so only the sum of all leaves has it, which the sender does not read.
struct Leaves {
    shape: Shape,
    streams: Streams,
}

impl Leaves {
    fn new(shape: Shape, trees: &[Zeroizing<Vec<Block>>]) -> Leaves {
        Leaves { shape, streams: Streams::new(shape.k, trees) }
    }

    /// For each tree, `f(tree, sums, width)` gets the sums of streams over `part` of a call, in rows of `width` words:
    /// those of leaves with bit 0, 1, … set, and that of all leaves.
    fn sums(&self, name: &Name, part: &Range<usize>, f: impl FnMut(usize, &[u64], usize)) {
        let first = name.position.wrapping_add((part.start / 128) as Block);
        self.streams.sums(first, part.len().div_ceil(128), f);
    }
}

/// The side that learns one message of each transfer.
pub(crate) struct Receiver {
    peer: Party,
    leaves: Leaves,
    names: Key,
}

/// A call whose correction has been sent.
pub(crate) struct Asked {
    name: Name,
    len: usize,
    table: Table,
    choices: Zeroizing<Vec<u64>>,
}

impl Receiver {
    /// From base transfers; gives the message that the sender needs.
    pub(crate) fn new(
        peer: Party,
        expansion: &Expansion,
        shape: Shape,
        base: &Base,
        names: Key,
    ) -> (Receiver, Vec<u8>) {
        let (trees, message) = pprf::plant(expansion, shape, base);
        (Receiver { peer, leaves: Leaves::new(shape, &trees), names }, message)
    }

    /// Sends the correction of `many` transfers.
    pub(crate) fn ask(
        &self,
        op: &Op<'_>,
        own: &Key,
        many: Many,
        choices: Choices<'_>,
    ) -> Result<Asked> {
        let shape = self.leaves.shape;
        let name = Name::new(&op.stream(&self.names, 0), shape.checked);
        let columns = shape.columns(many);
        let words = stride(columns);
        let mut table = Table::new(columns);
        let mut chosen = Zeroizing::new(vec![0; words]);
        if let Choices::Given(given) = choices {
            assert!(!many.random, "choices are given");
            bits::copy_bits(given, 0, many.len, &mut chosen, 0);
            if shape.checked {
                let stream = op.stream(own, purpose(self.peer, HIDING));
                chosen[words - 1] = stream.words(1)[0];
            }
        }
        let wire = shape.wire(many);
        let mut rows = Zeroizing::new(vec![0; wire.rows * words]);
        for part in Table::parts(columns) {
            let (at, here) = (part.start / 64, stride(part.len()));
            let out = table.part_mut(&part);
            self.leaves.sums(&name, &part, |tree, sums, width| {
                let row = |i: usize| &sums[i * width..][..here];
                for bit in 0..shape.k {
                    out[(shape.k * tree + bit) * here..][..here].copy_from_slice(row(bit));
                }
                if many.random && tree == 0 {
                    chosen[at..][..here].copy_from_slice(row(shape.k));
                    return;
                }
                let place = tree - usize::from(many.random);
                let correction = &mut rows[place * words + at..][..here];
                let sums = row(shape.k).iter().zip(&chosen[at..]);
                correction.iter_mut().zip(sums).for_each(|(c, (u, choices))| *c = u ^ choices);
            });
        }
        if many.len > 0 {
            op.send(self.peer, CORRECT, &wire.pack(&rows))?;
        }
        Ok(Asked { name, len: many.len, table, choices: chosen })
    }

    /// Answers the challenge of the sender.
    pub(crate) async fn answer(&self, op: &Op<'_>, asked: &Asked) -> Result<()> {
        if asked.len == 0 {
            return Ok(());
        }
        let seed = op.recv(self.peer, CHALLENGE, 16).await?;
        let seed = Block::from_le_bytes(seed[..].try_into().expect("the length was checked"));
        let weights = weights(seed, stride(asked.table.columns));
        let rows = hashed(&asked.table, &weights);
        let choices = hashed_row(&asked.choices, &weights);
        let words: Zeroizing<Vec<u64>> =
            Zeroizing::new(std::iter::once(choices).chain(rows).collect());
        op.send(self.peer, ANSWER, bytemuck::cast_slice(&words))
    }

    /// The results, and the choices.
    pub(crate) fn received(&self, asked: Asked) -> Received {
        let Asked { name, len, table, mut choices } = asked;
        choices.truncate(stride(len));
        if let Some(last) = choices.last_mut()
            && !len.is_multiple_of(64)
        {
            *last &= (1 << (len % 64)) - 1;
        }
        Received { transfers: Transfers::new(len, table, name), choices }
    }
}

/// What a party draws from streams of its own, for each peer.
const HIDING: u16 = 0;
const CHALLENGES: u16 = 1;

fn purpose(peer: Party, what: u16) -> u16 {
    2 * peer as u16 + what
}

/// The side that knows both messages of each transfer.
pub(crate) struct Sender {
    peer: Party,
    leaves: Leaves,
    names: Key,
    delta: Zeroizing<Block>,
}

impl Sender {
    /// From base transfers and the message of the receiver.
    ///
    /// # Errors
    /// The receiver has cheated.
    pub(crate) fn new(
        peer: Party,
        expansion: &Expansion,
        shape: Shape,
        base: &Base,
        names: Key,
        message: &[u8],
    ) -> Result<Sender> {
        let trees = pprf::pick(expansion, shape, base, peer, message)?;
        let leaves = Leaves::new(shape, &trees);
        Ok(Sender { peer, leaves, names, delta: Zeroizing::new(!*base.choices) })
    }

    /// The secret that all transfers have in common.
    pub(crate) fn delta(&self) -> Block {
        *self.delta
    }

    /// Takes the correction of `many` transfers.
    pub(crate) async fn take(&self, op: &Op<'_>, many: Many) -> Result<Taken> {
        let shape = self.leaves.shape;
        let name = Name::new(&op.stream(&self.names, 0), shape.checked);
        let (columns, wire) = (shape.columns(many), shape.wire(many));
        let words = stride(columns);
        let mut table = Table::new(columns);
        if many.len == 0 {
            return Ok(Taken { name, len: 0, table });
        }
        let payload = op.recv(self.peer, CORRECT, wire.bytes()).await?;
        let mut rows = vec![0; wire.rows * words];
        wire.unpack(&payload, &mut rows);
        for part in Table::parts(columns) {
            let (at, here) = (part.start / 64, stride(part.len()));
            let out = table.part_mut(&part);
            self.leaves.sums(&name, &part, |tree, sums, width| {
                let place = tree.checked_sub(usize::from(many.random));
                for bit in 0..shape.k {
                    let j = shape.k * tree + bit;
                    let row = &mut out[j * here..][..here];
                    row.copy_from_slice(&sums[bit * width..][..here]);
                    if let Some(place) = place {
                        let mask = ((*self.delta >> j & 1) as u64).wrapping_neg();
                        let correction = &rows[place * words + at..][..here];
                        row.iter_mut().zip(correction).for_each(|(q, c)| *q ^= c & mask);
                    }
                }
            });
        }
        Ok(Taken { name, len: many.len, table })
    }

    /// Sends a challenge; it is new for every call, and drawn when the correction has come.
    pub(crate) fn challenge(&self, op: &Op<'_>, own: &Key, taken: &Taken) -> Result<Block> {
        if taken.len == 0 {
            return Ok(0);
        }
        let words = op.stream(own, purpose(self.peer, CHALLENGES)).words(2);
        op.send(self.peer, CHALLENGE, bytemuck::cast_slice(&words))?;
        Ok(Block::from(words[0]) | Block::from(words[1]) << 64)
    }

    /// Compares the answer to the challenge.
    ///
    /// # Errors
    /// The receiver has cheated.
    pub(crate) async fn verify(&self, op: &Op<'_>, seed: Block, taken: &Taken) -> Result<()> {
        if taken.len == 0 {
            return Ok(());
        }
        let answer = op.recv(self.peer, ANSWER, ANSWER_BYTES).await?;
        let word = |i: usize| -> u64 {
            u64::from_le_bytes(answer[8 * i..][..8].try_into().expect("the length was checked"))
        };
        let weights = weights(seed, stride(taken.table.columns));
        let rows = hashed(&taken.table, &weights);
        let wrong = rows.iter().enumerate().fold(0, |wrong, (j, row)| {
            let mask = ((*self.delta >> j & 1) as u64).wrapping_neg();
            wrong | (row ^ word(1 + j) ^ word(0) & mask)
        });
        let what = Misbehaviour::Inconsistent { label: CORRECT.0 };
        security_check!(
            "ot.extension",
            wrong.ct_eq(&0).into(),
            Error::Cheating { party: self.peer, what }
        );
        Ok(())
    }

    /// The results.
    pub(crate) fn sent(&self, taken: Taken) -> Transfers {
        Transfers::new(taken.len, taken.table, taken.name)
    }
}

/// A call whose correction has come.
pub(crate) struct Taken {
    name: Name,
    len: usize,
    table: Table,
}

/// Public elements of GF(2^64) for `n` words of a row, uniform if the seed is; that of the last word is 1.
fn weights(seed: Block, n: usize) -> Vec<u64> {
    let mut blocks: Vec<Block> = (0..n.div_ceil(2) as Block).collect();
    Cipher::new(seed).encrypt(&mut blocks);
    let drawn = blocks.iter().flat_map(|&b| [b as u64, (b >> 64) as u64]);
    drawn.take(n - 1).chain([1]).collect()
}

/// The weighed sum of the words of every row.
fn hashed(table: &Table, weights: &[u64]) -> [u64; ROWS] {
    let mut hashes = [0; ROWS];
    for part in Table::parts(table.columns) {
        let (width, weights) = (stride(part.len()), &weights[part.start / 64..]);
        for (hash, row) in hashes.iter_mut().zip(table.part(&part).chunks_exact(width)) {
            field_dot(hash, row, weights);
        }
    }
    hashes
}

/// The same of one row.
fn hashed_row(row: &[u64], weights: &[u64]) -> u64 {
    let mut hash = 0;
    field_dot(&mut hash, row, weights);
    hash
}

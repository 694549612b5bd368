//! Silent extension: many correlated transfers from few, by noise that a code makes look uniform.
//!
//! A pseudo-random correlation generator of Boyle et al. 2019, eprint 2019/1159: the sender has a vector v, the receiver
//! `w = v ⊕ e·Δ` for noise e of its own, t places of a vector of 2n, one in each of t parts of equal length. Both
//! compress by the code G of [`super::expand`]: `q = G·v`, `t = G·w`, and the choices are `r = G·e`, uniform
//! to whoever does not know e. Of v and w each part is the leaves of a tree.
//!
//! The trees are those of Guo et al. 2022, eprint 2022/1431: the nodes below the root are k and k ⊕ Δ, the children of
//! a node x are H(x) and x ⊕ H(x), so that the nodes of every level add up to Δ. Level i takes a transfer of
//! the extension below, with the same Δ and a random choice b: the sender has K and the receiver `K ⊕ b·Δ`. Of level 0 the
//! sender takes `k = K`, and the receiver knows the node at side b. Of another level the sender tells K added to the
//! sum of all nodes at the left; so the receiver gets the sum of all nodes at side b, and of these the one whose parent it
//! lacks. It lacks the node at the other side. In the end, the sum of the leaves that it knows is
//! the leaf that it lacks plus Δ, as w wants it. The lowest bits of all leaves are then taken to be 0, and
//! that of Δ is 1: the lowest bit of what the receiver has is its choice. Each tree has a key of its own.
//!
//! The place that the receiver lacks is secret. It computes on with what it has there, whatever it is, and puts right
//! what is wrong by additions that touch all nodes.
//!
//! Cost for n transfers with trees of depth d, of which there are t: the receiver sends what t·d random transfers of the
//! extension take, the sender `16·t·(d - 1)` bytes; for choices of the receiver's own it sends one bit each. Two
//! rounds, or three. A call is silent if that takes less than half the bytes.
//!
//! Only between parties who follow the protocol: nothing checks the sums.

use mpc_runtime::buffer::Buffer;
use mpc_runtime::{Label, Op, Party, Result};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::Form;
use super::expand::Code;
use super::hash::Block;
use super::pprf::Shape;
use super::softspoken::{Many, Received, Transfers};
use crate::algebra::bits::{self, Wire, copy_bits};
use crate::algebra::simd::Aes;

const TREES: Label = Label("ot.silent.trees");
const CHOOSE: Label = Label("ot.silent.choose");

const BLOCK_BYTES: usize = 16;

/// Least depth of a tree: halves of the noise are then whole words of bits.
const LEAST: usize = 6;

/// The trees of a call.
#[derive(Clone, Copy)]
pub(super) struct Grove {
    trees: usize,
    depth: usize,
}

impl Grove {
    /// At least `noise` trees, less than twice as many, with two leaves for each transfer.
    fn new(noise: usize, len: usize) -> Option<Grove> {
        let depth = (2 * len).checked_div(noise)?.checked_ilog2()? as usize;
        let trees = (2 * len).div_ceil(1 << depth).next_multiple_of(2);
        (depth >= LEAST).then_some(Grove { trees, depth })
    }

    /// Leaves of half of the trees.
    fn half(self) -> usize {
        (self.trees / 2) << self.depth
    }

    /// Transfers of the extension below.
    pub(super) fn bases(self) -> Many {
        Many::random(self.trees * self.depth)
    }

    /// Bytes of the message of the sender.
    fn bytes(self) -> usize {
        self.trees * (self.depth - 1) * BLOCK_BYTES
    }

    /// Bytes and messages that receiver and sender send.
    fn sent(self, shape: Shape, many: Many) -> [(usize, u64); 2] {
        let [(bytes, messages), _] = shape.sent(self.bases());
        let chosen = if many.random { (0, 0) } else { (wire(many.len).bytes(), 1) };
        [(bytes + chosen.0, messages + chosen.1), (self.bytes(), 1)]
    }
}

impl Form {
    /// The trees by which so many transfers are made silently, if they are.
    pub(super) fn grove(self, many: Many) -> Option<Grove> {
        let grove = Grove::new(self.noise, many.len)?;
        let bytes = |sent: [(usize, u64); 2]| sent[0].0 + sent[1].0;
        let shape = self.shape();
        (2 * bytes(grove.sent(shape, many)) <= bytes(shape.sent(many))).then_some(grove)
    }

    /// Bytes and messages that receiver and sender send for so many transfers.
    pub(super) fn sent(self, many: Many) -> [(usize, u64); 2] {
        let shape = self.shape();
        self.grove(many).map_or_else(|| shape.sent(many), |grove| grove.sent(shape, many))
    }

    /// Rounds that so many transfers take.
    pub(super) fn rounds(self, many: Many) -> u32 {
        match self.grove(many) {
            None if self.shape().checked => 3,
            None => 1,
            Some(_) if many.random => 2,
            Some(_) => 3,
        }
    }
}

/// Choices on the wire.
fn wire(len: usize) -> Wire {
    Wire { rows: 1, bits: len }
}

fn mask(bit: Choice) -> Block {
    Block::from(bit.unwrap_u8()).wrapping_neg()
}

/// Adds `value` to node number `at`, which is secret: all nodes are touched.
fn add_at(nodes: &mut [Block], at: u64, value: Block) {
    const ROW: usize = 64;
    let (line, column) = (at / ROW as u64, at % ROW as u64);
    let here = |i| value & mask(column.ct_eq(&i));
    let row = Zeroizing::new(std::array::from_fn::<Block, ROW, _>(|i| here(i as u64)));
    // Words are worked on side by side, blocks are not.
    let row: &[u64] = bytemuck::cast_slice(&row[..]);
    for (i, nodes) in (0..).zip(nodes.chunks_mut(ROW)) {
        let here = mask(line.ct_eq(&i)) as u64;
        let words: &mut [u64] = bytemuck::cast_slice_mut(nodes);
        words.iter_mut().zip(row).for_each(|(word, value)| *word ^= value & here);
    }
}

/// A tree of the sender; what it tells of it goes to `message`.
fn plant(aes: &Aes, nodes: &mut [Block], keys: &[Block], delta: Block, message: &mut Vec<u8>) {
    (nodes[0], nodes[1]) = (keys[0], keys[0] ^ delta);
    for (level, key) in keys.iter().enumerate().skip(1) {
        let left = aes.split(&mut nodes[..2 << level]);
        message.extend((key ^ left).to_le_bytes());
    }
    nodes.iter_mut().for_each(|node| *node &= !1);
}

/// The same tree of the receiver, which chose `bit(level)` in the transfers of the levels.
fn pick(
    aes: &Aes,
    nodes: &mut [Block],
    keys: &[Block],
    bit: impl Fn(usize) -> u64,
    message: &[u8],
) {
    let side = mask(Choice::from(bit(0) as u8));
    (nodes[0], nodes[1]) = (keys[0] & !side, keys[0] & side);
    // The number of the node that it lacks, and the sum of all.
    let (mut lacking, mut total) = (1 ^ bit(0), keys[0]);
    let sums = message.chunks_exact(BLOCK_BYTES);
    for (level, (key, sum)) in (1..).zip(keys[1..].iter().zip(sums)) {
        let bit = bit(level);
        let nodes = &mut nodes[..2 << level];
        let left = aes.split(nodes);
        let due = key ^ Block::from_le_bytes(sum.try_into().expect("a block"));
        let wrong = due ^ left ^ total & mask(Choice::from(bit as u8));
        add_at(nodes, lacking | bit << level, wrong);
        total ^= wrong;
        lacking |= (1 ^ bit) << level;
    }
    nodes.iter_mut().for_each(|node| *node &= !1);
    add_at(nodes, lacking, total | 1);
}

/// Blocks in memory that is wiped.
struct Blocks {
    buffer: Buffer,
    len: usize,
}

impl Blocks {
    fn new(len: usize) -> Blocks {
        Blocks { buffer: Buffer::zeroed(2 * len), len }
    }

    fn all(&mut self) -> &mut [Block] {
        &mut bytemuck::cast_slice_mut(self.buffer.words_mut())[..self.len]
    }
}

/// The leaves of both halves of the trees; `tree(number, aes, nodes, keys)` makes each.
fn leaves(
    grove: Grove,
    base: &Transfers,
    mut tree: impl FnMut(usize, &Aes, &mut [Block], &[Block]),
) -> [Blocks; 2] {
    let keys = base.to_vec();
    let mut halves = [0; 2].map(|_| Blocks::new(grove.half()));
    let nodes = halves.iter_mut().flat_map(|half| half.all().chunks_exact_mut(1 << grove.depth));
    for (number, (nodes, keys)) in nodes.zip(keys.chunks_exact(grove.depth)).enumerate() {
        tree(number, &Aes::new(base.common().key(number)), nodes, keys);
    }
    halves
}

/// Transfers in the making.
pub(super) struct Making {
    len: usize,
    /// Those that they are made from.
    base: Transfers,
    blocks: Blocks,
}

impl Making {
    fn new(grove: Grove, len: usize, base: Transfers, halves: [Blocks; 2]) -> Making {
        let [mut blocks, mut noise] = halves;
        let key = |i| base.common().key(grove.trees + i);
        Code::new([key(0), key(1)]).compress(blocks.all(), noise.all());
        Making { len, base, blocks }
    }

    /// At the sender; the message is on its way before the rest of the work is done.
    pub(super) fn send(
        op: &Op<'_>,
        peer: Party,
        delta: Block,
        (grove, len): (Grove, usize),
        base: Transfers,
    ) -> Result<Making> {
        let mut message = Vec::with_capacity(grove.bytes());
        let halves = leaves(grove, &base, |_, aes, nodes, keys| {
            plant(aes, nodes, keys, delta, &mut message);
        });
        op.send(peer, TREES, &message)?;
        Ok(Making::new(grove, len, base, halves))
    }

    /// At the receiver; the choices are those that come.
    pub(super) async fn receive(
        op: &Op<'_>,
        peer: Party,
        (grove, len): (Grove, usize),
        base: Received,
    ) -> Result<Received> {
        let Received { transfers, choices } = base;
        let message = op.recv(peer, TREES, grove.bytes()).await?;
        let bytes = grove.bytes() / grove.trees;
        let halves = leaves(grove, &transfers, |tree, aes, nodes, keys| {
            let bit = |level: usize| {
                let at = tree * grove.depth + level;
                choices[at / 64] >> (at % 64) & 1
            };
            pick(aes, nodes, keys, bit, &message[bytes * tree..][..bytes]);
        });
        let mut making = Making::new(grove, len, transfers, halves);
        let choices = bits::lowest_of_each(making.transfers());
        Ok(Received { transfers: making.done(), choices })
    }

    fn transfers(&mut self) -> &mut [Block] {
        &mut self.blocks.all()[..self.len]
    }

    /// Takes the difference between the choices of the receiver and those that came.
    pub(super) async fn correct(&mut self, op: &Op<'_>, peer: Party, delta: Block) -> Result<()> {
        let wire = wire(self.len);
        let mut words = vec![0; self.len.div_ceil(64)];
        wire.unpack(&op.recv(peer, CHOOSE, wire.bytes()).await?, &mut words);
        for (blocks, word) in self.transfers().chunks_mut(64).zip(words) {
            for (i, block) in blocks.iter_mut().enumerate() {
                *block ^= delta & Block::from(word >> i & 1).wrapping_neg();
            }
        }
        Ok(())
    }

    pub(super) fn done(self) -> Transfers {
        self.base.replaced(self.len, self.blocks.buffer)
    }
}

/// Tells the difference between the choices that came and those that are `given`, which take their place.
pub(super) fn choose(
    op: &Op<'_>,
    peer: Party,
    received: &mut Received,
    given: &[u64],
) -> Result<()> {
    let wire = wire(received.transfers.len());
    let mut chosen = Zeroizing::new(vec![0; received.choices.len()]);
    copy_bits(given, 0, wire.bits, &mut chosen, 0);
    let came = &mut received.choices;
    came.iter_mut().zip(chosen.iter()).for_each(|(r, c)| *r ^= c);
    op.send(peer, CHOOSE, &wire.pack(came))?;
    received.choices = chosen;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPTH: usize = 8;

    fn blocks(key: Block, n: usize) -> Vec<Block> {
        let mut all: Vec<Block> = (0..n as Block).collect();
        Aes::new(key).encrypt(&mut all);
        all
    }

    #[test]
    fn trees_differ_by_delta_at_one_place_whatever_that_is() {
        let (aes, delta) = (Aes::new(3), blocks(4, 1)[0] | 1);
        let mut all = vec![];
        for choices in 0..1_usize << DEPTH {
            let keys = blocks(100 + choices as Block, DEPTH);
            let bit = |level: usize| (choices >> level & 1) as u64;
            let chosen =
                |(level, key): (usize, &Block)| key ^ delta & (bit(level) as Block).wrapping_neg();
            let known: Vec<Block> = keys.iter().enumerate().map(chosen).collect();
            let mut nodes = [0; 2].map(|_| vec![0; 1 << DEPTH]);
            let mut message = vec![];
            plant(&aes, &mut nodes[0], &keys, delta, &mut message);
            pick(&aes, &mut nodes[1], &known, bit, &message);
            let lacking = !choices & ((1 << DEPTH) - 1);
            for (x, (v, w)) in nodes[0].iter().zip(&nodes[1]).enumerate() {
                assert_eq!(v ^ w, if x == lacking { delta } else { 0 }, "leaf {x} of {choices}");
                assert!(v & 1 == 0);
            }
            all.extend(message);
        }
        crate::blocks::ot::tests::assert_uniform("sums", all.into_iter());
    }

    #[test]
    fn groves_have_noise_enough_and_leaves_enough() {
        for noise in [8, 256] {
            for len in (1..3000).chain([70_000, 1 << 20, (1 << 20) + 1, 1_474_560, 1 << 24]) {
                let Some(grove) = Grove::new(noise, len) else {
                    assert!(2 * len < noise << LEAST);
                    continue;
                };
                assert!((noise..=2 * noise).contains(&grove.trees), "{} trees", grove.trees);
                assert!(grove.half() >= len && grove.half() < len + (2 << grove.depth));
                assert!(grove.half().is_multiple_of(64));
            }
        }
        assert!(Grove::new(0, 1 << 20).is_none());
    }

    #[test]
    fn transfers_of_long_calls_take_less_than_a_bit_each() {
        let bits = |k, len| {
            let sent = Form::silent(k).sent(Many::random(len));
            8.0 * (sent[0].0 + sent[1].0) as f64 / len as f64
        };
        assert!(bits(8, 1 << 19) < 0.78 && bits(4, 1 << 19) < 0.88 && bits(8, 1 << 18) < 1.5);
        let short = Form { noise: 0, ..Form::silent(8) };
        for len in [1, 1 << 12, 1 << 15, 1 << 16, 1 << 17] {
            let random = Many::random(len);
            assert!(Form::silent(8).sent(random)[0].0 <= short.sent(random)[0].0);
        }
    }
}

//! Puncturable functions: trees of seeds of which the peer knows all leaves but one.
//!
//! The *planter* of a tree of `2^k` leaves has both keys of `k` base transfers, the *picker* one of each. The
//! keys of transfer 0 are the two nodes below the root; a node is expanded to two by AES; of each further
//! level the planter sends the sum of all nodes at either side, encrypted under the two keys of that
//! level's transfer (Goldreich, Goldwasser, Micali 1986; Boyle et al. 2019, eprint 2019/1159; Roy 2022,
//! eprint 2022/192, Figure 13). Bit `l` of the number of a leaf says which way level `l` went.
//!
//! The leaf that the picker lacks is Δ, its secret. It numbers its nodes by `y = x ⊕ Δ`, so that what it
//! lacks is always number 0 and no address depends on Δ.
//!
//! Against a planter who cheats, each leaf is expanded to a seed and a tag; the planter sends the sum
//! of the tags of each tree and a hash of all tags, which the picker recomputes (Figure 14). Who sends
//! sums that fit some Δ only learns by the abort whether Δ is among them, which the extension allows for.

use mpc_runtime::{Cipher, Error, Label, Misbehaviour, Party, Result};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::base::{BASES, Base, BaseKey};
use super::hash::{Block, one_way};
use crate::checks::security_check;

const LEVELS: Label = Label("ot.tree.levels");

const BLOCK_BYTES: usize = 16;
/// Tags are twice as long as blocks: equal tags are equal leaves.
const TAG_BYTES: usize = 32;

type Blocks = Zeroizing<Vec<Block>>;
type Tag = [u8; TAG_BYTES];

/// What trees look like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Levels of a tree; it divides 128.
    pub(crate) k: usize,
    /// Whether the planter may cheat.
    pub(crate) checked: bool,
}

impl Shape {
    /// Number of trees.
    pub(crate) fn trees(self) -> usize {
        BASES / self.k
    }

    /// Bytes of the message that a planter sends.
    pub(crate) fn bytes(self) -> usize {
        let check = if self.checked { self.trees() * TAG_BYTES + TAG_BYTES } else { 0 };
        self.trees() * (self.k - 1) * 2 * BLOCK_BYTES + check
    }

    pub(crate) const LABEL: Label = LEVELS;
}

/// Expands nodes. The two permutations belong to one planter, picker and session.
pub(crate) struct Expansion {
    context: blake3::Hasher,
    left: Cipher,
    right: Cipher,
}

impl Expansion {
    pub(crate) fn new(
        session: &[u8; 32],
        planter: Party,
        picker: Party,
        shape: Shape,
    ) -> Expansion {
        let mut context = blake3::Hasher::new_derive_key("mpc-protocols 2026-11 tree of seeds");
        context.update(session);
        for number in [planter, picker, shape.k, usize::from(shape.checked)] {
            context.update(&(number as u64).to_le_bytes());
        }
        let side = |name: &str| Cipher::new(block(context.clone().update(name.as_bytes())));
        Expansion { left: side("left"), right: side("right"), context }
    }

    /// Both children of every node.
    fn children(&self, nodes: &[Block]) -> [Blocks; 2] {
        [&self.left, &self.right].map(|side| Zeroizing::new(one_way(side, nodes)))
    }

    /// The key of a base transfer as a block.
    fn key(&self, key: &BaseKey) -> Block {
        block(self.context.clone().update(b"key").update(&key[..]))
    }

    /// A leaf as a seed and a tag.
    fn tagged(&self, leaf: Block) -> (Block, Tag) {
        let mut hasher = self.context.clone();
        hasher.update(b"tag").update(&leaf.to_le_bytes());
        let mut bytes = Zeroizing::new([0; BLOCK_BYTES + TAG_BYTES]);
        hasher.finalize_xof().fill(&mut bytes[..]);
        let (seed, tag) = bytes.split_at(BLOCK_BYTES);
        (read(seed), tag.try_into().expect("the rest"))
    }

    fn digest(&self, tags: &[Tag]) -> Tag {
        let mut hasher = self.context.clone();
        hasher.update(b"all tags");
        tags.iter().for_each(|tag| _ = hasher.update(tag));
        *hasher.finalize().as_bytes()
    }
}

fn block(hasher: &blake3::Hasher) -> Block {
    read(&hasher.finalize().as_bytes()[..BLOCK_BYTES])
}

fn read(bytes: &[u8]) -> Block {
    Block::from_le_bytes(bytes.try_into().expect("a block"))
}

fn sum(nodes: &[Block]) -> Block {
    nodes.iter().fold(0, |sum, node| sum ^ node)
}

fn select(if_0: Block, if_1: Block, bit: Choice) -> Block {
    let half = |shift: u32| {
        u64::conditional_select(&((if_0 >> shift) as u64), &((if_1 >> shift) as u64), bit)
    };
    Block::from(half(0)) | Block::from(half(64)) << 64
}

fn xor_tag(sum: &mut Tag, tag: &Tag) {
    sum.iter_mut().zip(tag).for_each(|(s, t)| *s ^= t);
}

/// All leaves of all trees, and what the picker needs to know all but one of each.
pub(crate) fn plant(expansion: &Expansion, shape: Shape, base: &Base) -> (Vec<Blocks>, Vec<u8>) {
    let (mut trees, mut message) = (vec![], vec![]);
    for keys in base.both.chunks_exact(shape.k) {
        let mut nodes = Zeroizing::new(keys[0].each_ref().map(|key| expansion.key(key)).to_vec());
        for level in &keys[1..] {
            let children = expansion.children(&nodes);
            for (side, key) in children.iter().zip(level) {
                message.extend((expansion.key(key) ^ sum(side)).to_le_bytes());
            }
            nodes = Zeroizing::new(children.iter().flat_map(|side| side.iter().copied()).collect());
        }
        trees.push(nodes);
    }
    if shape.checked {
        let mut all = vec![];
        for nodes in &mut trees {
            let mut total = [0; TAG_BYTES];
            for node in nodes.iter_mut() {
                let (seed, tag) = expansion.tagged(*node);
                *node = seed;
                xor_tag(&mut total, &tag);
                all.push(tag);
            }
            message.extend(total);
        }
        message.extend(expansion.digest(&all));
    }
    (trees, message)
}

/// All leaves of all trees but number 0, which stands for Δ; Δ is the inverse of the choices in the
/// base transfers.
///
/// # Errors
/// The planter has cheated.
pub(crate) fn pick(
    expansion: &Expansion,
    shape: Shape,
    base: &Base,
    planter: Party,
    message: &[u8],
) -> Result<Vec<Blocks>> {
    let delta = |i: usize| Choice::from((!*base.choices >> i & 1) as u8);
    let level_bytes = 2 * BLOCK_BYTES;
    let (levels, check) = message.split_at(shape.trees() * (shape.k - 1) * level_bytes);
    let mut levels = levels.chunks_exact(level_bytes);
    let mut trees = vec![];
    for (tree, keys) in base.chosen.chunks_exact(shape.k).enumerate() {
        let mut nodes = Zeroizing::new(vec![0, expansion.key(&keys[0])]);
        for (level, key) in keys.iter().enumerate().skip(1) {
            let sums = levels.next().expect("the length was checked on arrival");
            let way = delta(shape.k * tree + level);
            let [left, right] = expansion.children(&nodes);
            let turned = |if_0: &Blocks, if_1: &Blocks| -> Blocks {
                let pairs = if_0.iter().zip(if_1.iter());
                Zeroizing::new(pairs.map(|(&a, &b)| select(a, b, way)).collect())
            };
            let (same, mut other) = (turned(&left, &right), turned(&right, &left));
            // The sum of the other side, where Δ did not go.
            let (first, second) = sums.split_at(BLOCK_BYTES);
            let sent = select(read(second), read(first), way);
            other[0] = sent ^ expansion.key(key) ^ sum(&other[1..]);
            nodes = Zeroizing::new(same.iter().chain(other.iter()).copied().collect());
            nodes[0] = 0;
        }
        trees.push(nodes);
    }
    if shape.checked {
        verify(expansion, shape, &delta, &mut trees, check, planter)?;
    }
    Ok(trees)
}

/// Turns leaves into seeds and checks their tags.
fn verify(
    expansion: &Expansion,
    shape: Shape,
    delta: &impl Fn(usize) -> Choice,
    trees: &mut [Blocks],
    check: &[u8],
    planter: Party,
) -> Result<()> {
    let (totals, digest) = check.split_at(trees.len() * TAG_BYTES);
    let mut all = vec![];
    for (tree, (nodes, total)) in trees.iter_mut().zip(totals.chunks_exact(TAG_BYTES)).enumerate() {
        let mut missing: Tag = total.try_into().expect("a tag");
        let mut tags = vec![[0; TAG_BYTES]];
        for node in nodes.iter_mut().skip(1) {
            let (seed, tag) = expansion.tagged(*node);
            *node = seed;
            xor_tag(&mut missing, &tag);
            tags.push(tag);
        }
        tags[0] = missing;
        for level in 0..shape.k {
            exchange(&mut tags, 1 << level, delta(shape.k * tree + level));
        }
        all.extend(tags);
    }
    let same: bool = expansion.digest(&all)[..].ct_eq(digest).into();
    let what = Misbehaviour::Inconsistent { label: LEVELS.0 };
    security_check!("ot.pprf", same, Error::Cheating { party: planter, what });
    Ok(())
}

/// Exchanges elements whose numbers differ in `bit` only, if `swap`.
fn exchange(tags: &mut [Tag], bit: usize, swap: Choice) {
    for i in (0..tags.len()).filter(|i| i & bit == 0) {
        let (low, high) = tags.split_at_mut(i + bit);
        for (a, b) in low[i].iter_mut().zip(&mut high[0]) {
            u8::conditional_swap(a, b, swap);
        }
    }
}

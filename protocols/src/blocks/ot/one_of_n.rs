//! Transfers of one of `N = 2^m` messages, from `m` transfers of one of two.
//!
//! Message j of a group of m transfers is hidden by the exclusive or, over the bits j_i of its number, of hashes
//! of `q_i ⊕ j_i·Δ` whose tweaks name j; the receiver, whose choices are the bits of c, knows those for c, and of any
//! other number at least one is missing. That j is in the tweak keeps the masks independent of each other.
//! Source: Naor, Pinkas 1999, Section 3, with the hash of Guo, Katz, Wang, Yu 2019 as the function.

use zeroize::Zeroizing;

use super::hash::Block;
use super::softspoken::Transfers;

/// The tweak of transfer `transfer` in the mask of message `message`; that of transfers by themselves is
/// below 2^64.
fn tweak(message: usize, transfer: usize) -> Block {
    (1 + message as Block) << 64 | transfer as Block
}

/// What hides the messages of the sender: those of group g are `g·2^m .. (g + 1)·2^m`.
pub fn masks(sent: &Transfers, delta: Block, m: usize) -> Zeroizing<Vec<Block>> {
    let messages = 1 << m;
    let mut all = Zeroizing::new(vec![0; sent.len() / m * messages]);
    let mut hashes = Zeroizing::new(vec![]);
    sent.groups(m, |first, blocks| {
        hashes.resize(blocks.len(), 0);
        for message in 0..messages {
            let bit = |i: usize| (message >> (i % m) & 1) as Block;
            let shifted = blocks.iter().enumerate();
            let shifted: Zeroizing<Vec<Block>> =
                Zeroizing::new(shifted.map(|(i, q)| q ^ delta & bit(i).wrapping_neg()).collect());
            sent.hash().blocks(&shifted, 0, tweak(message, first * m), &mut hashes);
            for (group, hashes) in (first..).zip(hashes.chunks_exact(m)) {
                all[group * messages + message] = hashes.iter().fold(0, |sum, hash| sum ^ hash);
            }
        }
    });
    all
}

/// What hides the message of each group that the receiver chose; bit i of its number is its choice in transfer i of
/// the group.
pub fn chosen(received: &Transfers, choices: &[u64], m: usize) -> Zeroizing<Vec<Block>> {
    let mut all = Zeroizing::new(vec![]);
    let mut hashes = Zeroizing::new(vec![]);
    let bit = |at: usize| (choices[at / 64] >> (at % 64) & 1) as usize;
    received.groups(m, |first, blocks| {
        hashes.resize(blocks.len(), 0);
        let number = |group: usize| (0..m).map(|i| bit(group * m + i) << i).sum::<usize>();
        let groups = blocks.chunks_exact(m).zip(hashes.chunks_exact_mut(m));
        all.extend((first..).zip(groups).map(|(group, (blocks, hashes))| {
            received.hash().blocks(blocks, 0, tweak(number(group), group * m), hashes);
            hashes.iter().fold(0, |sum, hash| sum ^ hash)
        }));
    });
    all
}

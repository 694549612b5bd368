//! What was sent: exact counts by peer, phase, label and instruction.

use std::collections::BTreeMap;

use crate::message::HEADER_BYTES;
use crate::{Depth, Label, Party, Phase};

/// Messages and bytes; bytes are payloads and our frame headers, without TLS and TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames.
    pub messages: u64,
    /// Payloads and frame headers.
    pub bytes: u64,
}

impl Counts {
    /// Counts one frame.
    pub fn add(&mut self, payload_bytes: usize) {
        self.messages += 1;
        self.bytes += (payload_bytes + HEADER_BYTES) as u64;
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: Counts) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

/// Everything one party sent, and how deep the message graph got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sent, by phase and peer.
    pub sent: BTreeMap<(Phase, Party), Counts>,
    /// Received, by phase and peer.
    pub received: BTreeMap<(Phase, Party), Counts>,
    /// Sent, by label.
    pub by_label: BTreeMap<&'static str, Counts>,
    /// Sent, by static number of the instruction.
    pub by_place: BTreeMap<u32, Counts>,
    /// Longest chain of messages, and its online part.
    pub rounds: Depth,
    /// Longest chain of messages of the preprocessing phase.
    pub preprocessing_rounds: u32,
    /// Times that queued messages were handed to the transport.
    pub flushes: u64,
    /// Most bytes of one peer that lay here before the steps they belong to asked for them.
    pub early_bytes: u64,
    /// Nanoseconds of local work, by static number of the instruction; empty without a clock.
    pub work_ns: BTreeMap<u32, u64>,
    /// Nanoseconds of local work, of all instructions, in verbs of the preprocessing phase: from where
    /// one begins or takes a message to where one of the online phase does, or the task waits.
    pub preprocessing_ns: u64,
    /// Nanoseconds in which nothing could go on before a message came; 0 without a clock.
    pub waiting_ns: u64,
}

impl Stats {
    /// Counts one frame that is sent.
    pub fn sent(
        &mut self,
        to: Party,
        phase: Phase,
        label: Label,
        place: u32,
        depth: Depth,
        payload_bytes: usize,
    ) {
        self.sent.entry((phase, to)).or_default().add(payload_bytes);
        self.by_label.entry(label.0).or_default().add(payload_bytes);
        self.by_place.entry(place).or_default().add(payload_bytes);
        self.rounds = self.rounds.max(depth);
        if phase == Phase::Preprocessing {
            self.preprocessing_rounds = self.preprocessing_rounds.max(depth.total);
        }
    }

    /// All that was sent in one phase.
    pub fn sent_in(&self, phase: Phase) -> Counts {
        total(&self.sent, phase)
    }

    /// All that was received in one phase.
    pub fn received_in(&self, phase: Phase) -> Counts {
        total(&self.received, phase)
    }
}

fn total(counts: &BTreeMap<(Phase, Party), Counts>, phase: Phase) -> Counts {
    let mut sum = Counts::default();
    counts.iter().filter(|((p, _), _)| *p == phase).for_each(|(_, &c)| sum.merge(c));
    sum
}

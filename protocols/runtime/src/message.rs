//! Frames between parties: who sent what for which step, and how deep in the message graph.

/// What a message is, in words; its hash travels in the frame.
///
/// A label names step and field of a protocol (`"rep3.mul.reshare"`). Receivers refuse a message
/// whose label differs from the one they wait for; the cheating injector selects by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(pub &'static str);

impl Label {
    /// The 16 bits that stand for the label in a frame (FNV-1a, folded).
    pub const fn id(self) -> u16 {
        let bytes = self.0.as_bytes();
        let mut hash = 0x811c_9dc5_u32;
        let mut i = 0;
        while i < bytes.len() {
            hash = (hash ^ bytes[i] as u32).wrapping_mul(0x0100_0193);
            i += 1;
        }
        ((hash >> 16) ^ hash) as u16
    }
}

/// Phase that a message is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Independent of the inputs.
    Preprocessing,
    /// Everything else.
    Online,
}

/// Length of the longest chain of messages that a value depends on.
///
/// `depth(message) = 1 + max(depth of what it was computed from)`. `total` counts all messages of
/// the chain, `online` those of the online phase only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Depth {
    /// Messages of both phases.
    pub total: u32,
    /// Messages of the online phase.
    pub online: u32,
}

impl Depth {
    /// A value that depends on no message.
    pub const ZERO: Depth = Depth { total: 0, online: 0 };

    /// Depth of what was computed from both.
    #[must_use]
    pub fn max(self, other: Depth) -> Depth {
        Depth { total: self.total.max(other.total), online: self.online.max(other.online) }
    }

    /// Depth of a message computed from values of this depth.
    #[must_use]
    pub fn next(self, phase: Phase) -> Depth {
        Depth { total: self.total + 1, online: self.online + u32::from(phase == Phase::Online) }
    }
}

/// Bytes of a frame header on the wire.
pub const HEADER_BYTES: usize = 28;

/// Longest payload of one frame, in bytes; longer vectors go in several frames.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 30;

/// Everything before the payload of a frame. All integers little-endian.
///
/// ```text
///  0        8        16     20      22      23     24       28
///  | step   | path   | op   | label | phase | zero | length |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Dynamic number of the instruction, equal at all parties.
    pub step: u64,
    /// Fork within the step (0 at its root).
    pub path: u64,
    /// Verb within the fork, in order of its calls.
    pub op: u32,
    /// [`Label::id`].
    pub label: u16,
    /// Phase the message is counted in.
    pub phase: Phase,
    /// Bytes of payload that follow.
    pub length: u32,
}

impl Header {
    /// The header as it goes on the wire.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0..8].copy_from_slice(&self.step.to_le_bytes());
        out[8..16].copy_from_slice(&self.path.to_le_bytes());
        out[16..20].copy_from_slice(&self.op.to_le_bytes());
        out[20..22].copy_from_slice(&self.label.to_le_bytes());
        out[22] = u8::from(self.phase == Phase::Online);
        out[24..28].copy_from_slice(&self.length.to_le_bytes());
        out
    }

    /// Reads a header; `None` if a field holds what no sender writes.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Header> {
        let number = |at: usize, bytes_of: usize| {
            bytes[at..at + bytes_of].iter().rev().fold(0_u64, |n, &b| n << 8 | u64::from(b))
        };
        let phase = match (bytes[22], bytes[23]) {
            (0, 0) => Phase::Preprocessing,
            (1, 0) => Phase::Online,
            _ => return None,
        };
        let header = Header {
            step: number(0, 8),
            path: number(8, 8),
            op: number(16, 4) as u32,
            label: number(20, 2) as u16,
            phase,
            length: number(24, 4) as u32,
        };
        (header.length as usize <= MAX_PAYLOAD_BYTES).then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back() {
        let header = Header {
            step: 0x0102_0304_0506_0708,
            path: 9,
            op: 10,
            label: Label("rep3.mul").id(),
            phase: Phase::Online,
            length: 4096,
        };
        assert_eq!(Header::decode(&header.encode()), Some(header));
    }

    #[test]
    fn implausible_headers_are_refused() {
        let good = [0; HEADER_BYTES];
        assert!(Header::decode(&good).is_some());
        for (at, value) in [(22, 2), (23, 1), (27, 0xff)] {
            let mut bad = good;
            bad[at] = value;
            assert_eq!(Header::decode(&bad), None, "byte {at}");
        }
    }
}

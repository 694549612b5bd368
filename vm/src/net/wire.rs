//! Framing as a pure state machine: bytes in, frames out.
//!
//! A frame is a [`Header`] and `header.length` bytes of payload. The decoder takes the
//! byte stream of one sender in pieces of any size. What it allocates is bounded by what has
//! arrived (see [`room_for`]), never by what a header announces.

use mpc_runtime::message::HEADER_BYTES;
use mpc_runtime::transport::Frame;
use mpc_runtime::{Header, Misbehaviour, Party, Payload};

/// Payload room given before any byte of the payload has come.
const SLACK_BYTES: usize = 1 << 24;

/// Turns the byte stream of one sender into frames.
///
/// After an error the stream has no meaning any more, and the decoder repeats the error.
pub struct Decoder {
    from: Party,
    header: [u8; HEADER_BYTES],
    header_filled: usize,
    body: Option<(Header, Payload)>,
    broken: bool,
}

impl Decoder {
    /// A decoder of the frames that `from` sends.
    pub fn new(from: Party) -> Self {
        Decoder { from, header: [0; HEADER_BYTES], header_filled: 0, body: None, broken: false }
    }

    /// Takes the next bytes of the stream and appends the frames that they complete.
    ///
    /// # Errors
    /// `Malformed` if a header holds what no sender writes.
    pub fn feed(&mut self, mut bytes: &[u8], into: &mut Vec<Frame>) -> Result<(), Misbehaviour> {
        if self.broken {
            return Err(MALFORMED);
        }
        while !bytes.is_empty() {
            bytes = match self.body.take() {
                None => self.take_header(bytes)?,
                Some((header, payload)) => self.take_payload(header, payload, bytes),
            };
            self.finish(into);
        }
        Ok(())
    }

    /// True between two frames; the end of the stream is orderly only there.
    pub fn is_idle(&self) -> bool {
        self.header_filled == 0 && self.body.is_none() && !self.broken
    }

    /// Bytes of the frame under way that have come so far.
    pub fn partial_bytes(&self) -> usize {
        self.header_filled + self.body.as_ref().map_or(0, |(_, payload)| payload.len())
    }

    fn take_header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Misbehaviour> {
        let take = bytes.len().min(HEADER_BYTES - self.header_filled);
        let (head, rest) = bytes.split_at(take);
        self.header[self.header_filled..self.header_filled + take].copy_from_slice(head);
        self.header_filled += take;
        if self.header_filled == HEADER_BYTES {
            let Some(header) = Header::decode(&self.header) else {
                self.broken = true;
                return Err(MALFORMED);
            };
            self.header_filled = 0;
            self.body = Some((header, Payload::with_capacity(0)));
        }
        Ok(rest)
    }

    fn take_payload<'a>(
        &mut self,
        header: Header,
        mut payload: Payload,
        bytes: &'a [u8],
    ) -> &'a [u8] {
        let due = header.length as usize - payload.len();
        let (body, rest) = bytes.split_at(due.min(bytes.len()));
        let filled = payload.len() + body.len();
        if filled > payload.capacity() {
            payload.reserve(room_for(header.length as usize, filled));
        }
        payload.extend_from_slice(body);
        self.body = Some((header, payload));
        rest
    }

    fn finish(&mut self, into: &mut Vec<Frame>) {
        if self.body.as_ref().is_some_and(|(h, payload)| payload.len() == h.length as usize)
            && let Some((header, payload)) = self.body.take()
        {
            into.push(Frame { from: self.from, header, payload });
        }
    }
}

/// Capacity for a payload of `announced` bytes of which `arrived` are there: at most twice what
/// has arrived and 16 MiB, and never more than was announced.
fn room_for(announced: usize, arrived: usize) -> usize {
    announced.min(2 * arrived.max(SLACK_BYTES / 2)).max(arrived)
}

const MALFORMED: Misbehaviour = Misbehaviour::Malformed("implausible header");

#[cfg(test)]
mod tests {
    use super::*;
    use mpc_runtime::message::MAX_PAYLOAD_BYTES;
    use mpc_runtime::{Label, Phase};

    fn header(step: u64, length: usize) -> Header {
        Header {
            step,
            path: 1,
            op: 2,
            label: Label("test").id(),
            phase: Phase::Online,
            length: u32::try_from(length).expect("test frames are short"),
        }
    }

    fn stream(lengths: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (step, &length) in lengths.iter().enumerate() {
            bytes.extend_from_slice(&header(step as u64, length).encode());
            bytes.extend((0..length).map(|i| (i * 7 + step) as u8));
        }
        bytes
    }

    /// SplitMix64, so that failures repeat.
    struct Random(u64);

    impl Random {
        fn below(&mut self, n: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) % n as u64) as usize
        }
    }

    fn decode_in_pieces(bytes: &[u8], random: &mut Random) -> Result<Vec<Frame>, Misbehaviour> {
        let mut decoder = Decoder::new(4);
        let mut frames = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let limit = [2, 40, 5000][random.below(3)];
            let (piece, tail) = rest.split_at(1 + random.below(rest.len().min(limit)));
            decoder.feed(piece, &mut frames)?;
            let announced = decoder.body.as_ref().map_or(0, |(_, p)| p.capacity());
            assert!(announced <= 2 * decoder.partial_bytes() + SLACK_BYTES);
            rest = tail;
        }
        Ok(frames)
    }

    #[test]
    fn any_split_of_the_stream_gives_the_same_frames() {
        let lengths = [0, 1, 31, 32, 33, 0, 0, 5000, 100_000];
        let bytes = stream(&lengths);
        let mut random = Random(1);
        for _ in 0..300 {
            let frames = decode_in_pieces(&bytes, &mut random).unwrap();
            let found: Vec<usize> = frames.iter().map(|f| f.payload.len()).collect();
            assert_eq!(found, lengths);
            assert!(frames.iter().enumerate().all(|(i, f)| f.header.step == i as u64));
            assert!(frames.iter().all(|f| f.from == 4));
        }
    }

    #[test]
    fn an_announced_length_reserves_no_memory() {
        let mut bytes = header(0, 0).encode();
        bytes[24..28].copy_from_slice(&(MAX_PAYLOAD_BYTES as u32).to_le_bytes());
        let mut decoder = Decoder::new(0);
        let mut frames = Vec::new();
        decoder.feed(&bytes, &mut frames).unwrap();
        decoder.feed(&[0; 100], &mut frames).unwrap();
        let (_, payload) = decoder.body.as_ref().unwrap();
        assert!(payload.capacity() <= 2 * 100 + SLACK_BYTES);
        assert!(!decoder.is_idle());
    }

    #[test]
    fn too_long_a_payload_is_refused_for_good() {
        let mut bytes = header(0, 0).encode();
        bytes[24..28].copy_from_slice(&(MAX_PAYLOAD_BYTES as u32 + 1).to_le_bytes());
        let mut decoder = Decoder::new(0);
        assert!(decoder.feed(&bytes, &mut Vec::new()).is_err());
        assert!(decoder.feed(&stream(&[0]), &mut Vec::new()).is_err());
    }

    #[test]
    fn mutated_streams_never_panic_and_never_grow_beyond_what_came() {
        // A million as a target of its own: CASES=1000000 cargo test -p mpc-vm --release mutated
        let cases = std::env::var("CASES").map_or(100_000, |text| text.parse().expect("a number"));
        let mut random = Random(2);
        let good = stream(&[0, 10, 70, 0, 300, 5]);
        for _ in 0..cases {
            let mut bytes = good.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                match random.below(4) {
                    0 => bytes[at] ^= 1 << random.below(8),
                    1 => bytes[at] = [0, 1, 0x7f, 0xff][random.below(4)],
                    2 => drop(bytes.drain(at..(at + 1 + random.below(40)).min(bytes.len()))),
                    _ => bytes.insert(at, random.below(256) as u8),
                }
                if bytes.is_empty() {
                    break;
                }
            }
            if let Ok(frames) = decode_in_pieces(&bytes, &mut random) {
                let total: usize = frames.iter().map(|f| HEADER_BYTES + f.payload.len()).sum();
                assert!(total <= bytes.len());
            }
        }
    }
}

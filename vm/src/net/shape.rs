//! Networks that are slower than the one at hand: a delay line and a rate limit per link.
//!
//! Frames are held back where they arrive, so shaping needs no rights and no tools of the
//! operating system. Each direction of a link is a line of its own: a frame takes its bytes over
//! the bandwidth, after the frames before it, and then half a round trip.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use mpc_protocols::Comparison;
use mpc_runtime::message::HEADER_BYTES;
use mpc_runtime::transport::Frame;

/// The network that a run is to behave like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Time from one party to another and back.
    pub round_trip: Duration,
    /// Bits per second of one direction of one link; `None` for no limit.
    pub bandwidth: Option<u64>,
}

impl Network {
    /// As fast as the real network is.
    pub const LAN: Network = Network { round_trip: Duration::ZERO, bandwidth: None };
    /// Between continents: 40 ms and 300 Mbit/s.
    pub const WAN: Network =
        Network { round_trip: Duration::from_millis(40), bandwidth: Some(300_000_000) };
}

/// What a comparison in fewest bytes saves, and what more it takes, of 64-bit numbers among three parties.
const SAVED_BITS: f64 = 40.0;
const MORE_ROUNDS: f64 = 58.0;
const MORE_SECONDS: f64 = 40e-9;

impl Network {
    /// Numbers from which on comparing in fewest bytes is faster than in fewest rounds: the bytes saved
    /// make up for the rounds, half a round trip each, and for more work. At no length where bandwidth is
    /// plenty or not known.
    pub fn long_vector(self) -> usize {
        let saved = self.bandwidth.map_or(0.0, |rate| SAVED_BITS / rate as f64) - MORE_SECONDS;
        let rounds = MORE_ROUNDS * self.round_trip.as_secs_f64() / 2.0;
        if saved > 0.0 { (rounds / saved) as usize } else { usize::MAX }
    }

    /// `comparison` with the choice by length made for this network.
    pub fn choose(self, comparison: Comparison) -> Comparison {
        match comparison {
            Comparison::From(_) => Comparison::From(self.long_vector()),
            given => given,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, self.bandwidth) {
            (Network::LAN, _) => f.write_str("lan"),
            (Network::WAN, _) => f.write_str("wan"),
            (_, None) => write!(f, "{:?}", self.round_trip),
            (_, Some(bits)) => write!(f, "{:?},{bits}bit", self.round_trip),
        }
    }
}

impl FromStr for Network {
    type Err = String;

    /// Reads `lan`, `wan` or `RTT,BANDWIDTH` such as `10ms,100Mbit`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "lan" => return Ok(Network::LAN),
            "wan" => return Ok(Network::WAN),
            _ => {}
        }
        let (delay, bandwidth) = text.split_once(',').ok_or_else(|| {
            format!("`{text}` is no network: lan, wan, or RTT,BANDWIDTH such as 10ms,100Mbit")
        })?;
        let seconds = quantity(delay, &[("ms", 1e-3), ("us", 1e-6), ("µs", 1e-6), ("s", 1.0)])?;
        let units = [("kbit", 1e3), ("mbit", 1e6), ("gbit", 1e9), ("bit", 1.0)];
        let bits = quantity(bandwidth.to_lowercase().trim_end_matches("/s"), &units)?;
        if !(0.0..=60.0).contains(&seconds) || !(1e3..=1e13).contains(&bits) {
            return Err(format!("`{text}`: between 0 and 60 s, and 1 kbit/s and 10 Tbit/s"));
        }
        Ok(Network { round_trip: Duration::from_secs_f64(seconds), bandwidth: Some(bits as u64) })
    }
}

fn quantity(text: &str, units: &[(&str, f64)]) -> Result<f64, String> {
    let text = text.trim();
    let found = units.iter().find_map(|(unit, scale)| {
        text.strip_suffix(unit).and_then(|n| n.trim().parse::<f64>().ok()).map(|n| n * scale)
    });
    let names: Vec<&str> = units.iter().map(|(unit, _)| *unit).collect();
    found.ok_or_else(|| format!("`{text}` is no number with one of the units {}", names.join(", ")))
}

/// One direction of one link.
pub(crate) struct Line {
    network: Network,
    free_at: Instant,
    held: VecDeque<(Instant, Frame)>,
}

impl Line {
    pub(crate) fn new(network: Network, now: Instant) -> Self {
        Line { network, free_at: now, held: VecDeque::new() }
    }

    /// A frame has arrived.
    pub(crate) fn push(&mut self, frame: Frame, now: Instant) {
        let bits = 8.0 * (HEADER_BYTES + frame.payload.len()) as f64;
        let transmission = self.network.bandwidth.map_or(0.0, |rate| bits / rate as f64);
        self.free_at = self.free_at.max(now) + Duration::from_secs_f64(transmission);
        self.held.push_back((self.free_at + self.network.round_trip / 2, frame));
    }

    /// When the next frame comes out.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.held.front().map(|(due, _)| *due)
    }

    /// Appends the frames that are out by now.
    pub(crate) fn pop(&mut self, now: Instant, into: &mut Vec<Frame>) {
        while self.held.front().is_some_and(|(due, _)| *due <= now) {
            into.extend(self.held.pop_front().map(|(_, frame)| frame));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mpc_runtime::{Header, Phase};

    #[test]
    fn networks_read_back() {
        for text in ["lan", "wan", "10ms,100Mbit", "0.5s,1Gbit/s", "100us,64kbit"] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string().parse::<Network>().unwrap(), network, "{text}");
        }
        for text in ["", "slow", "10ms", "10,20", "ms,bit", "-1ms,1Mbit", "1e9s,1Mbit", "1ms,0bit"]
        {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_count_for_more_than_rounds_where_bandwidth_is_scarce() {
        let long = |text: &str| text.parse::<Network>().unwrap().long_vector();
        assert_eq!(long("lan"), usize::MAX);
        assert_eq!(long("100us,10Gbit"), usize::MAX);
        assert!((10_000_000..20_000_000).contains(&long("wan")), "{}", long("wan"));
        assert!((5_000..10_000).contains(&long("100us,100Mbit")), "{}", long("100us,100Mbit"));
        let wan = Network::WAN;
        assert_eq!(wan.choose(Comparison::default()), Comparison::From(wan.long_vector()));
        assert_eq!(wan.choose(Comparison::Bytes), Comparison::Bytes);
    }

    #[test]
    fn frames_take_turns_on_the_line() {
        let network: Network = "20ms,8Mbit".parse().unwrap(); // 1 byte per µs
        let start = Instant::now();
        let mut line = Line::new(network, start);
        for length in [972, 1972] {
            let phase = Phase::Online;
            let header = Header { step: 0, path: 0, op: 0, label: 0, phase, length };
            let payload = vec![0; length as usize][..].into();
            line.push(Frame { from: 0, header, payload }, start);
        }
        let mut out = Vec::new();
        line.pop(start + Duration::from_micros(10_999), &mut out);
        assert!(out.is_empty());
        line.pop(start + Duration::from_micros(11_001), &mut out);
        assert_eq!(out.len(), 1);
        line.pop(start + Duration::from_micros(13_001), &mut out);
        assert_eq!(out.len(), 2);
        assert_eq!(line.due(), None);
    }
}

//! What can go wrong while parties talk, and whose fault it is.

use crate::Party;

/// Result of everything that may involve a peer.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a run ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A peer closed its connection or its process ended.
    #[error("party {party} is gone: {reason}")]
    PeerLost {
        /// The peer.
        party: Party,
        /// What the transport saw.
        reason: String,
    },
    /// A peer did not send what was awaited before the deadline.
    #[error("party {party} sent nothing for {seconds} s")]
    Timeout {
        /// The peer.
        party: Party,
        /// The deadline in seconds.
        seconds: u64,
    },
    /// A peer broke the protocol; nothing it sent since the last check can be trusted.
    #[error("party {party} misbehaved: {what}")]
    Cheating {
        /// The peer, as far as it is known.
        party: Party,
        /// The misdeed.
        what: Misbehaviour,
    },
    /// A check over what several parties sent failed: at least one of them broke the protocol, and
    /// nothing since the last check can be trusted.
    #[error("the check of {what} failed: a party misbehaved")]
    CheckFailed {
        /// What was checked.
        what: &'static str,
    },
    /// The transport of this party failed.
    #[error("transport: {0}")]
    Transport(String),
    /// A verb came to a message of the online phase in a run that makes preprocessing only. Nobody but the
    /// one who runs the verb for its preprocessing gets to see this.
    #[error("the online phase begins, in a run that makes preprocessing")]
    OnlinePhase,
    /// The program asks for something that the protocol or the inputs cannot give.
    #[error("{0}")]
    Program(String),
    /// An error at a known place of the program.
    #[error("{error}\n  while executing {place}")]
    At {
        /// The error.
        error: Box<Error>,
        /// Instruction and source line.
        place: String,
    },
}

impl Error {
    /// The same error with the place in the program where it came up.
    #[must_use]
    pub fn at(self, place: impl Into<String>) -> Self {
        match self {
            Error::At { .. } => self,
            error => Error::At { error: Box::new(error), place: place.into() },
        }
    }

    /// The error without its place.
    pub fn root(&self) -> &Error {
        match self {
            Error::At { error, .. } => error.root(),
            error => error,
        }
    }
}

/// Named misdeeds of a peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// A message has another length than public data says.
    #[error("message `{label}` has {found} bytes where {expected} are due")]
    WrongLength {
        /// Label of the message.
        label: &'static str,
        /// Bytes due.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// A message came twice, or for a step that is over.
    #[error("a message came twice or for a step that is over")]
    Duplicate,
    /// More bytes came ahead of time than were announced and allowed.
    #[error("it sent {bytes} bytes ahead of time, {allowed} are allowed")]
    Flood {
        /// Bytes queued from that peer.
        bytes: usize,
        /// The limit.
        allowed: usize,
    },
    /// A field element, point or index is out of range.
    #[error("message `{label}` holds a value out of range")]
    OutOfRange {
        /// Label of the message.
        label: &'static str,
    },
    /// Copies that must agree differ.
    #[error("copies of `{label}` differ")]
    Inconsistent {
        /// Label of the message.
        label: &'static str,
    },
    /// A frame does not parse.
    #[error("malformed frame: {0}")]
    Malformed(&'static str),
}

//! The trait between the executor and the wire.

use crate::{Error, Header, Party, Payload, Result};

/// A frame that arrived.
pub struct Frame {
    /// Sender.
    pub from: Party,
    /// Its header.
    pub header: Header,
    /// Its payload, `header.length` bytes.
    pub payload: Payload,
}

impl Frame {
    /// A frame with a copy of `payload`, made by the thread that receives it: spare memory of share
    /// vectors belongs to a thread.
    pub fn copied(from: Party, header: Header, payload: &[u8]) -> Frame {
        Frame { from, header, payload: payload.into() }
    }
}

/// What carries the frames of one party. One object per party; all calls come from one thread.
///
/// A transport delivers the frames of one sender in order, whole, and once. It never blocks in
/// [`Transport::send`] and never lets a large message of one direction hold up the other.
pub trait Transport {
    /// Number of this party.
    fn me(&self) -> Party;

    /// Number of parties.
    fn parties(&self) -> usize;

    /// Queues one frame; the payload is taken over or copied before this returns.
    ///
    /// # Errors
    /// The transport is broken.
    fn send(&mut self, to: Party, header: &Header, payload: &[u8]) -> Result<()>;

    /// Starts to move what was queued, without waiting for it to arrive.
    ///
    /// # Errors
    /// A peer is lost or the transport is broken.
    fn flush(&mut self) -> Result<()>;

    /// Appends all frames that are there. With `wait`, first waits until there is at least one.
    /// Queued frames keep moving out meanwhile.
    ///
    /// `awaited` tells which peers the caller waits for; a deadline error names one of them.
    ///
    /// # Errors
    /// `PeerLost` if an awaited peer is gone, `Timeout` if none of the awaited peers has sent
    /// anything before the deadline, `Cheating` for frames that do not parse.
    fn receive(&mut self, into: &mut Vec<Frame>, wait: bool, awaited: &[Party]) -> Result<()>;

    /// Moves out all that is queued and says goodbye, so that peers can tell an orderly end.
    ///
    /// # Errors
    /// A peer is lost before it has taken everything.
    fn close(&mut self) -> Result<()>;
}

/// The transport of a run on phantoms, in which a party says and hears nothing.
pub struct Silent {
    /// The party.
    pub me: Party,
    /// Number of parties.
    pub parties: usize,
}

impl Transport for Silent {
    fn me(&self) -> Party {
        self.me
    }

    fn parties(&self) -> usize {
        self.parties
    }

    fn send(&mut self, _: Party, _: &Header, _: &[u8]) -> Result<()> {
        Err(Error::Transport("phantoms send nothing".into()))
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn receive(&mut self, _: &mut Vec<Frame>, _: bool, _: &[Party]) -> Result<()> {
        Err(Error::Transport("phantoms receive nothing".into()))
    }

    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

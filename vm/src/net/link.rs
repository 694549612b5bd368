//! One connection to one party: socket, TLS and frames, never blocking.

use std::io::{self, Read};
use std::net::Shutdown;
use std::time::Instant;

use mio::net::TcpStream;
use mpc_runtime::transport::Frame;
use mpc_runtime::{Error, Header, Misbehaviour, Party, Result};

use super::channel::{Channel, Fault, Stage};
use super::wire::Decoder;

/// Bytes taken from one link before the others have their turn.
const TURN_BYTES: usize = 1 << 20;

/// An established connection.
pub(crate) struct Link {
    pub(crate) party: Party,
    pub(crate) stream: TcpStream,
    channel: Channel,
    decoder: Decoder,
    /// The socket may hold bytes.
    pub(crate) readable: bool,
    /// When the peer was last heard.
    pub(crate) heard: Instant,
    ended: bool,
}

impl Link {
    /// `early`: plaintext that came together with the end of the handshake.
    pub(crate) fn new(
        party: Party,
        stream: TcpStream,
        mut channel: Channel,
        early: &[u8],
        frames: &mut Vec<Frame>,
    ) -> Result<Self> {
        channel.trust();
        let mut decoder = Decoder::new(party);
        decoder.feed(early, frames).map_err(|what| Error::Cheating { party, what })?;
        let heard = Instant::now();
        Ok(Link { party, stream, channel, decoder, readable: true, heard, ended: false })
    }

    /// True after the peer's goodbye.
    pub(crate) fn peer_closed(&self) -> bool {
        self.channel.stage() == Stage::PeerClosed
    }

    /// True when nothing can come any more.
    pub(crate) fn is_over(&self) -> bool {
        self.ended
    }

    pub(crate) fn has_output(&mut self) -> bool {
        !self.channel.outgoing().is_empty()
    }

    /// Bytes of ciphertext that wait for the socket.
    pub(crate) fn queued(&mut self) -> usize {
        self.channel.outgoing().bytes()
    }

    /// Takes what the socket has, up to a turn's worth.
    pub(crate) fn read(&mut self, frames: &mut Vec<Frame>) -> Result<()> {
        let mut taken = 0;
        while taken < TURN_BYTES && !self.ended {
            let space = self.channel.space();
            let room = space.len();
            match self.stream.read(space) {
                Ok(0) => return self.end(),
                Ok(count) => {
                    self.heard = Instant::now();
                    self.accept(count, frames)?;
                    taken += count;
                    if count < room {
                        self.readable = false; // the next byte raises a new event
                        return Ok(());
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Ok(());
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) if self.peer_closed() => return self.end(),
                Err(e) => return Err(self.broken(&e)),
            }
        }
        Ok(())
    }

    fn accept(&mut self, count: usize, frames: &mut Vec<Frame>) -> Result<()> {
        let party = self.party;
        let decoder = &mut self.decoder;
        let mut sink = |bytes: &[u8]| decoder.feed(bytes, frames);
        match self.channel.process(count, &mut sink) {
            Ok(()) if self.peer_closed() && !self.decoder.is_idle() => {
                let what = Misbehaviour::Malformed("it ends within a frame");
                Err(Error::Cheating { party, what })
            }
            Ok(()) => Ok(()),
            Err(Fault::Sink(what)) => Err(Error::Cheating { party, what }),
            Err(Fault::Tls(error)) => {
                let _ = self.channel.outgoing().write_to(&mut self.stream); // the alert, if it goes
                Err(Error::PeerLost { party, reason: format!("TLS: {error}") })
            }
        }
    }

    fn end(&mut self) -> Result<()> {
        self.ended = true;
        self.readable = false;
        if self.peer_closed() {
            return Ok(());
        }
        let reason = "its connection ended without a goodbye".into();
        Err(Error::PeerLost { party: self.party, reason })
    }

    fn broken(&self, error: &io::Error) -> Error {
        let reason = match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                "its connection was reset".into()
            }
            _ => format!("its connection broke: {error}"),
        };
        Error::PeerLost { party: self.party, reason }
    }

    /// Queues a frame. Long payloads start to leave at once.
    pub(crate) fn send(&mut self, header: &Header, payload: &[u8]) -> Result<()> {
        if self.peer_closed() || self.ended {
            let reason = "it has ended its run".into();
            return Err(Error::PeerLost { party: self.party, reason });
        }
        let mut fault = None;
        let stream = &mut self.stream;
        let mut full = false;
        let mut on_batch = |outgoing: &mut super::channel::Outgoing| {
            if !full && fault.is_none() {
                match outgoing.write_to(stream) {
                    Ok(all) => full = !all,
                    Err(error) => fault = Some(error),
                }
            }
        };
        let outcome = self
            .channel
            .write(&header.encode(), &mut on_batch)
            .and_then(|()| self.channel.write(payload, &mut on_batch));
        self.outcome(outcome, fault)
    }

    /// Encrypts what waits and writes what the socket takes.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let outcome = self.channel.seal();
        let fault = self.channel.outgoing().write_to(&mut self.stream).err();
        self.outcome(outcome, fault)
    }

    /// Writes what the socket takes.
    pub(crate) fn write(&mut self) -> Result<()> {
        let fault = self.channel.outgoing().write_to(&mut self.stream).err();
        self.outcome(Ok(()), fault)
    }

    /// Queues the goodbye after everything else.
    pub(crate) fn say_goodbye(&mut self) -> Result<()> {
        let outcome = self.channel.say_goodbye();
        let fault = self.channel.outgoing().write_to(&mut self.stream).err();
        self.outcome(outcome, fault)
    }

    /// Tells the socket that nothing more will be written.
    pub(crate) fn shut(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write); // fails only if the peer is gone already
    }

    fn outcome(
        &self,
        tls: std::result::Result<(), rustls::Error>,
        fault: Option<io::Error>,
    ) -> Result<()> {
        match fault {
            // a peer that has said goodbye no longer reads; what it misses, it did not wait for
            Some(_) if self.peer_closed() => Ok(()),
            Some(error) => Err(self.broken(&error)),
            None => {
                tls.map_err(|error| Error::Transport(format!("TLS to {}: {error}", self.party)))
            }
        }
    }
}

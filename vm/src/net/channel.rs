//! One TLS connection without a socket: ciphertext in, plaintext out, and the other way round.
//!
//! Uses rustls's unbuffered interface, because the buffered one takes 4 KiB per read and one of
//! its wrappers deadlocks when both sides send in bulk. Here ciphertext is read straight into a
//! buffer of many records, and plaintext is encrypted straight from the caller's slice.

use std::collections::VecDeque;
use std::io::{self, Write};

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};

use super::identity::Fingerprint;

/// Most plaintext of one TLS record.
pub(crate) const RECORD_BYTES: usize = 16_384;
/// Plaintext that is encrypted in one go.
const BATCH_BYTES: usize = 16 * RECORD_BYTES;
/// Ciphertext of one batch, with room for a key update.
const CHUNK_BYTES: usize = BATCH_BYTES + 16 * 22 + 512;
/// Room for incoming ciphertext before the peer has proved who it is.
const STRANGER_BYTES: usize = 16 << 10;
/// Afterwards.
const INCOMING_BYTES: usize = CHUNK_BYTES;

/// Empty chunks of outgoing ciphertext kept for later.
const SPARE_CHUNKS: usize = 32;

/// What is wrong with a connection.
#[derive(Debug)]
pub(crate) enum Fault<E> {
    /// TLS says so.
    Tls(rustls::Error),
    /// The consumer of the plaintext says so.
    Sink(E),
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The handshake is under way.
    Handshake,
    /// Both directions are open.
    Open,
    /// The peer has said goodbye.
    PeerClosed,
}

enum Side {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// TLS state and both ciphertext buffers of one connection.
pub(crate) struct Channel {
    side: Side,
    stage: Stage,
    incoming: Vec<u8>,
    filled: usize,
    /// Plaintext that waits for a record to fill, or for a flush.
    pending: Vec<u8>,
    outgoing: Outgoing,
    /// After an error rustls must not be called again: it may hold on to bytes that are gone.
    broken: bool,
}

impl Channel {
    pub(crate) fn client(connection: UnbufferedClientConnection) -> Self {
        Channel::new(Side::Client(connection))
    }

    pub(crate) fn server(connection: UnbufferedServerConnection) -> Self {
        Channel::new(Side::Server(connection))
    }

    fn new(side: Side) -> Self {
        Channel {
            side,
            stage: Stage::Handshake,
            incoming: vec![0; STRANGER_BYTES],
            filled: 0,
            pending: Vec::new(),
            outgoing: Outgoing::new(),
            broken: false,
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// Fingerprint of the certificate that the peer has proved to own.
    pub(crate) fn peer(&self) -> Option<Fingerprint> {
        let certificates = match &self.side {
            Side::Client(c) => c.peer_certificates(),
            Side::Server(c) => c.peer_certificates(),
        };
        certificates.and_then(|chain| chain.first()).map(Fingerprint::of)
    }

    /// Gives buffers of full size, once the peer is known.
    pub(crate) fn trust(&mut self) {
        self.incoming.resize(INCOMING_BYTES, 0);
        self.outgoing.chunk_bytes = CHUNK_BYTES;
        self.pending.reserve_exact(RECORD_BYTES);
    }

    /// Where ciphertext from the socket goes; never empty after [`Channel::process`].
    pub(crate) fn space(&mut self) -> &mut [u8] {
        &mut self.incoming[self.filled..]
    }

    /// Works through what is there and `count` new bytes in [`Channel::space`].
    ///
    /// Plaintext goes to `sink` in pieces of at most a record.
    pub(crate) fn process<E>(
        &mut self,
        count: usize,
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), Fault<E>> {
        if self.broken {
            return Err(Fault::Tls(rustls::Error::General("the connection failed before".into())));
        }
        self.filled += count;
        let mut start = 0;
        let outcome = loop {
            let bytes = &mut self.incoming[start..self.filled];
            let (used, next) = match &mut self.side {
                Side::Client(c) => step(c.process_tls_records(bytes), &mut self.outgoing, sink),
                Side::Server(c) => step(c.process_tls_records(bytes), &mut self.outgoing, sink),
            };
            start += used;
            match next {
                Ok(Next::Again) => {}
                Ok(Next::Closed) => self.stage = Stage::PeerClosed,
                Ok(Next::Wait) => break Ok(()),
                Ok(Next::Open) => {
                    if self.stage == Stage::Handshake {
                        self.stage = Stage::Open;
                    }
                    break Ok(());
                }
                Err(fault) => {
                    self.collect_alert(start);
                    self.broken = true;
                    break Err(fault);
                }
            }
        };
        self.incoming.copy_within(start..self.filled, 0);
        self.filled -= start;
        if outcome.is_ok() && self.filled == self.incoming.len() {
            // a record always fits, so only an endless handshake message comes here
            return Err(Fault::Tls(rustls::Error::General("handshake message too long".into())));
        }
        outcome
    }

    /// Moves the alert that explains an error to the outgoing buffer, as far as there is one.
    fn collect_alert(&mut self, start: usize) {
        let sink = &mut |_: &[u8]| Ok::<(), ()>(());
        let bytes = &mut self.incoming[start..self.filled];
        let _ = match &mut self.side {
            Side::Client(c) if c.wants_write() => {
                step(c.process_tls_records(bytes), &mut self.outgoing, sink).1
            }
            Side::Server(c) if c.wants_write() => {
                step(c.process_tls_records(bytes), &mut self.outgoing, sink).1
            }
            _ => Ok(Next::Wait),
        };
    }

    /// Takes plaintext; full batches are encrypted at once, the rest waits for company.
    ///
    /// `on_batch` is called with the outgoing buffer after each batch, so that long messages leave
    /// while the rest of them is being encrypted.
    pub(crate) fn write(
        &mut self,
        mut bytes: &[u8],
        mut on_batch: impl FnMut(&mut Outgoing),
    ) -> Result<(), rustls::Error> {
        if !self.pending.is_empty() {
            let take = bytes.len().min(RECORD_BYTES - self.pending.len());
            self.pending.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if self.pending.len() == RECORD_BYTES {
                self.seal()?;
                on_batch(&mut self.outgoing);
            }
        }
        let whole = bytes.len() - bytes.len() % RECORD_BYTES;
        let (records, rest) = bytes.split_at(whole);
        for batch in records.chunks(BATCH_BYTES) {
            self.encrypt(batch)?;
            on_batch(&mut self.outgoing);
        }
        self.pending.extend_from_slice(rest);
        Ok(())
    }

    /// Encrypts what waits.
    pub(crate) fn seal(&mut self) -> Result<(), rustls::Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        let outcome = self.encrypt(&pending);
        self.pending = pending;
        self.pending.clear();
        outcome
    }

    /// Encrypts what waits, then a goodbye.
    pub(crate) fn say_goodbye(&mut self) -> Result<(), rustls::Error> {
        self.seal()?;
        self.with_writer(Job::Goodbye)
    }

    pub(crate) fn outgoing(&mut self) -> &mut Outgoing {
        &mut self.outgoing
    }

    fn encrypt(&mut self, bytes: &[u8]) -> Result<(), rustls::Error> {
        self.with_writer(Job::Data(bytes))
    }

    fn with_writer(&mut self, job: Job<'_>) -> Result<(), rustls::Error> {
        if self.broken {
            return Err(rustls::Error::General("the connection failed before".into()));
        }
        // Incoming bytes were worked through when they came; what is left is part of a record.
        let bytes = &mut self.incoming[..self.filled];
        let outgoing = &mut self.outgoing;
        loop {
            let done = match &mut self.side {
                Side::Client(c) => write_step(c.process_tls_records(bytes), outgoing, &job)?,
                Side::Server(c) => write_step(c.process_tls_records(bytes), outgoing, &job)?,
            };
            if done {
                return Ok(());
            }
        }
    }
}

enum Next {
    Again,
    Wait,
    Open,
    Closed,
}

enum Job<'a> {
    Data(&'a [u8]),
    Goodbye,
}

fn step<D, E>(
    status: UnbufferedStatus<'_, '_, D>,
    outgoing: &mut Outgoing,
    sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
) -> (usize, Result<Next, Fault<E>>) {
    let UnbufferedStatus { mut discard, state } = status;
    let next = match state {
        Err(error) => Err(Fault::Tls(error)),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                None => break Ok(Next::Again),
                Some(Err(error)) => break Err(Fault::Tls(error)),
                Some(Ok(record)) => {
                    discard += record.discard;
                    if let Err(error) = sink(record.payload) {
                        break Err(Fault::Sink(error));
                    }
                }
            }
        },
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            encode(&mut |out| data.encode(out), outgoing).map(|()| Next::Again).map_err(Fault::Tls)
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done(); // it is in the outgoing buffer, which is written in order
            Ok(Next::Again)
        }
        Ok(ConnectionState::BlockedHandshake) => Ok(Next::Wait),
        Ok(ConnectionState::WriteTraffic(_)) => Ok(Next::Open),
        Ok(ConnectionState::PeerClosed) => Ok(Next::Closed),
        Ok(ConnectionState::Closed) => Ok(Next::Wait),
        Ok(_) => Err(Fault::Tls(rustls::Error::General("unexpected TLS state".into()))),
    };
    (discard, next)
}

fn write_step<D>(
    status: UnbufferedStatus<'_, '_, D>,
    outgoing: &mut Outgoing,
    job: &Job<'_>,
) -> Result<bool, rustls::Error> {
    match status.state? {
        ConnectionState::WriteTraffic(mut traffic) => {
            let mut need = match job {
                Job::Data(bytes) => bytes.len() + 22 * bytes.len().div_ceil(RECORD_BYTES) + 256,
                Job::Goodbye => 256,
            };
            loop {
                let out = outgoing.space(need);
                let outcome = match job {
                    Job::Data(bytes) => traffic.encrypt(bytes, out),
                    Job::Goodbye => traffic.queue_close_notify(out),
                };
                match outcome {
                    Ok(written) => {
                        outgoing.commit(written);
                        return Ok(true);
                    }
                    Err(EncryptError::InsufficientSize(size)) if size.required_size > need => {
                        need = size.required_size;
                    }
                    Err(error) => return Err(rustls::Error::General(error.to_string())),
                }
            }
        }
        ConnectionState::EncodeTlsData(mut data) => {
            encode(&mut |out| data.encode(out), outgoing)?;
            Ok(false)
        }
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            Ok(false)
        }
        ConnectionState::PeerClosed => Ok(false),
        _ => Err(rustls::Error::HandshakeNotComplete),
    }
}

fn encode(
    write: &mut dyn FnMut(&mut [u8]) -> Result<usize, EncodeError>,
    outgoing: &mut Outgoing,
) -> Result<(), rustls::Error> {
    let mut need = 2048;
    loop {
        match write(outgoing.space(need)) {
            Ok(written) => {
                outgoing.commit(written);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(size)) if size.required_size > need => {
                need = size.required_size;
            }
            Err(error) => return Err(rustls::Error::General(error.to_string())),
        }
    }
}

/// Ciphertext on its way to the socket, in chunks that are used again.
pub(crate) struct Outgoing {
    queue: VecDeque<Chunk>,
    spare: Vec<Chunk>,
    chunk_bytes: usize,
}

struct Chunk {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Outgoing {
    fn new() -> Self {
        Outgoing { queue: VecDeque::new(), spare: Vec::new(), chunk_bytes: STRANGER_BYTES }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.iter().all(|chunk| chunk.start == chunk.end)
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.queue.iter().map(|chunk| chunk.end - chunk.start).sum()
    }

    /// Free room of at least `need` bytes after what is queued.
    fn space(&mut self, need: usize) -> &mut [u8] {
        let fits = self.queue.back().is_some_and(|c| c.bytes.len() - c.end >= need);
        if !fits {
            let chunk = match self.spare.pop() {
                Some(chunk) if chunk.bytes.len() >= need => chunk,
                _ => Chunk { bytes: vec![0; need.max(self.chunk_bytes)], start: 0, end: 0 },
            };
            self.queue.push_back(chunk);
        }
        let chunk = self.queue.back_mut().expect("pushed if it was not there");
        &mut chunk.bytes[chunk.end..]
    }

    fn commit(&mut self, count: usize) {
        if let Some(chunk) = self.queue.back_mut() {
            chunk.end += count;
        }
    }

    /// Writes until all is out (`true`) or the socket takes no more (`false`).
    pub(crate) fn write_to(&mut self, socket: &mut impl Write) -> io::Result<bool> {
        while let Some(chunk) = self.queue.front_mut() {
            if chunk.start == chunk.end {
                let mut done = self.queue.pop_front().expect("it is there");
                (done.start, done.end) = (0, 0);
                if self.spare.len() < SPARE_CHUNKS {
                    self.spare.push(done);
                }
                continue;
            }
            match socket.write(&chunk.bytes[chunk.start..chunk.end]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => chunk.start += count,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }
}

//! From a roster to one proven connection per party.
//!
//! Of each pair the party with the lower number listens and the other dials, so a party has one
//! listening port. Everything runs in one loop without blocking: dials are tried again until the
//! deadline, strangers are few, short-lived and given little memory.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use mpc_runtime::transport::Frame;
use mpc_runtime::{Error, Party, Result};
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;

use super::channel::{Channel, Fault, Stage};
use super::identity::{self, Credentials, Exporter, Fingerprint, Identity};
use super::link::Link;
use super::shape::Network;

/// Connections that have not yet proved who they are; beyond this the oldest is dropped.
const MAX_STRANGERS: usize = 64;
/// Longest pause between two attempts to reach a party.
const MAX_PAUSE: Duration = Duration::from_millis(250);

/// A party as the session describes it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Name for messages.
    pub name: String,
    /// `host:port` where the party is reached.
    pub address: String,
    /// Of its certificate.
    pub fingerprint: Fingerprint,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// For all parties to be reached, from the start.
    pub connect: Duration,
    /// For one TLS handshake, and for the terms to be compared.
    pub handshake: Duration,
    /// For a party that is awaited to send anything.
    pub receive: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines {
            connect: Duration::from_secs(60),
            handshake: Duration::from_secs(10),
            receive: Duration::from_secs(60),
        }
    }
}

/// All that is needed to reach the other parties.
pub struct Options {
    /// Number of this party.
    pub me: Party,
    /// All parties in order, this one included.
    pub roster: Vec<Peer>,
    /// Key and certificate of this party.
    pub identity: Identity,
    /// Where to listen; otherwise the roster's address of this party.
    pub listen: Option<String>,
    /// A socket that listens already; takes precedence.
    pub listener: Option<std::net::TcpListener>,
    /// How long to wait.
    pub deadlines: Deadlines,
    /// The network to behave like.
    pub network: Network,
}

/// Connections to all other parties, by number.
pub(crate) struct Established {
    pub(crate) poll: Poll,
    pub(crate) links: Vec<Option<Link>>,
    pub(crate) exporters: Vec<Option<Arc<Exporter>>>,
    pub(crate) early: Vec<Frame>,
}

/// Connects to every party.
pub(crate) fn establish(options: &mut Options) -> Result<Established> {
    let mut setup = Setup::new(options)?;
    let deadline = Instant::now() + setup.options.deadlines.connect;
    while setup.links.iter().enumerate().any(|(p, l)| p != setup.options.me && l.is_none()) {
        if Instant::now() >= deadline {
            return Err(setup.unreached());
        }
        setup.dial_due()?;
        setup.wait(deadline)?;
    }
    let Setup { mut poll, listener, links, exporters, early, .. } = setup;
    if let Some(mut listener) = listener {
        let _ = poll.registry().deregister(&mut listener); // it is closed next
    }
    // events of the set-up are forgotten; links start as readable
    let _ = poll.poll(&mut Events::with_capacity(64), Some(Duration::ZERO));
    Ok(Established { poll, links, exporters, early })
}

struct Setup<'a> {
    options: &'a Options,
    credentials: Credentials,
    poll: Poll,
    events: Events,
    listener: Option<TcpListener>,
    dials: Vec<Dial>,
    attempts: BTreeMap<usize, Attempt>,
    next_token: usize,
    links: Vec<Option<Link>>,
    exporters: Vec<Option<Arc<Exporter>>>,
    early: Vec<Frame>,
    refused: Option<String>,
}

/// A party that this one dials.
struct Dial {
    party: Party,
    addresses: Vec<SocketAddr>,
    next: usize,
    at: Instant,
    pause: Duration,
    attempt: Option<usize>,
    last: String,
}

/// A connection on its way through the handshake.
struct Attempt {
    stream: TcpStream,
    channel: Channel,
    exporter: Arc<Exporter>,
    target: Option<Party>,
    from: Option<SocketAddr>,
    since: Instant,
    connected: bool,
    early: Vec<u8>,
}

enum Trouble {
    /// Worth another attempt.
    Io(String),
    /// The other side is not who it should be.
    Tls(rustls::Error),
}

impl<'a> Setup<'a> {
    fn new(options: &'a mut Options) -> Result<Self> {
        let (me, parties) = (options.me, options.roster.len());
        let given = options.listener.take();
        let options = &*options;
        let accepted: Vec<Fingerprint> =
            options.roster[me + 1..].iter().map(|peer| peer.fingerprint).collect();
        let credentials = Credentials::new(&options.identity, &accepted).map_err(Error::Program)?;
        let poll = Poll::new().map_err(broken)?;
        let mut listener = None;
        if me + 1 < parties {
            let mut bound = listen(options, given)?;
            poll.registry()
                .register(&mut bound, Token(parties), Interest::READABLE)
                .map_err(broken)?;
            listener = Some(bound);
        }
        let dials =
            (0..me).map(|party| Dial::new(party, &options.roster[party])).collect::<Result<_>>()?;
        Ok(Setup {
            options,
            credentials,
            poll,
            events: Events::with_capacity(256),
            listener,
            dials,
            attempts: BTreeMap::new(),
            next_token: parties + 1,
            links: (0..parties).map(|_| None).collect(),
            exporters: (0..parties).map(|_| None).collect(),
            early: Vec::new(),
            refused: None,
        })
    }

    fn dial_due(&mut self) -> Result<()> {
        let now = Instant::now();
        for at in 0..self.dials.len() {
            let dial = &mut self.dials[at];
            if dial.attempt.is_some() || dial.at > now || self.links[dial.party].is_some() {
                continue;
            }
            let party = dial.party;
            let address = dial.addresses[dial.next % dial.addresses.len()];
            dial.next += 1;
            match TcpStream::connect(address) {
                Err(error) => dial.again(error.to_string()),
                Ok(stream) => {
                    let fingerprint = self.options.roster[party].fingerprint;
                    let (config, exporter) = self.credentials.client(fingerprint);
                    let tls = UnbufferedClientConnection::new(config, identity::server_name())
                        .map_err(|e| Error::Transport(format!("TLS: {e}")))?;
                    let token =
                        self.add(stream, Channel::client(tls), exporter, Some(party), None)?;
                    self.dials[at].attempt = Some(token);
                }
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        mut stream: TcpStream,
        channel: Channel,
        exporter: Arc<Exporter>,
        target: Option<Party>,
        from: Option<SocketAddr>,
    ) -> Result<usize> {
        let token = self.next_token;
        self.next_token += 1;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(token), interest).map_err(broken)?;
        let (since, connected, early) = (Instant::now(), target.is_none(), Vec::new());
        let attempt = Attempt { stream, channel, exporter, target, from, since, connected, early };
        self.attempts.insert(token, attempt);
        Ok(token)
    }

    /// Waits for something to happen and handles it.
    fn wait(&mut self, deadline: Instant) -> Result<()> {
        let now = Instant::now();
        let retries = self.dials.iter().filter(|d| d.attempt.is_none()).map(|d| d.at);
        let limit = self.options.deadlines.handshake;
        let expiries = self.attempts.values().map(|a| a.since + limit);
        let until = retries.chain(expiries).fold(deadline, Instant::min);
        let timeout = until.saturating_duration_since(now);
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(broken(e)),
            _ => {}
        }
        let tokens: Vec<usize> = self.events.iter().map(|event| event.token().0).collect();
        for token in tokens {
            if token == self.options.roster.len() {
                self.accept()?;
            } else {
                self.advance(token)?;
            }
        }
        let late: Vec<usize> = self
            .attempts
            .iter()
            .filter(|(_, a)| a.since + limit <= Instant::now())
            .map(|(token, _)| *token)
            .collect();
        for token in late {
            let text = format!("no handshake within {} s", limit.as_secs());
            self.drop_attempt(token, Trouble::Io(text))?;
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<()> {
        while let Some(listener) = &self.listener {
            let (stream, from) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break, // none left, or one that is gone already
            };
            let strangers: Vec<usize> = (self.attempts.iter())
                .filter(|(_, a)| a.target.is_none())
                .map(|(token, _)| *token)
                .collect();
            if strangers.len() >= MAX_STRANGERS {
                self.drop_attempt(strangers[0], Trouble::Io("too many connections".into()))?;
            }
            let (config, exporter) = self.credentials.server();
            let tls = UnbufferedServerConnection::new(config)
                .map_err(|e| Error::Transport(format!("TLS: {e}")))?;
            let token = self.add(stream, Channel::server(tls), exporter, None, Some(from))?;
            self.advance(token)?;
        }
        Ok(())
    }

    fn advance(&mut self, token: usize) -> Result<()> {
        let Some(attempt) = self.attempts.get_mut(&token) else {
            return Ok(()); // an event of a connection that is gone
        };
        match attempt.advance() {
            Ok(false) => Ok(()),
            Ok(true) => self.promote(token),
            Err(trouble) => self.drop_attempt(token, trouble),
        }
    }

    /// A handshake is through: the pinned fingerprint says which party this is.
    fn promote(&mut self, token: usize) -> Result<()> {
        let Some(attempt) = self.attempts.remove(&token) else { return Ok(()) };
        let Attempt { mut stream, channel, exporter, target, from, early, .. } = attempt;
        let found = channel.peer();
        let party = self.options.roster.iter().position(|peer| Some(peer.fingerprint) == found);
        let expected = |p: &Party| target.map_or(*p > self.options.me, |t| t == *p);
        let Some(party) = party.filter(expected) else {
            return Ok(()); // the verifier has let through what is not in the roster: impossible
        };
        if self.links[party].is_some() {
            self.refused = Some(format!("a second connection of party {party} from {from:?}"));
            return Ok(());
        }
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().reregister(&mut stream, Token(party), interest).map_err(broken)?;
        self.links[party] = Some(Link::new(party, stream, channel, &early, &mut self.early)?);
        self.exporters[party] = Some(exporter);
        Ok(())
    }

    fn drop_attempt(&mut self, token: usize, trouble: Trouble) -> Result<()> {
        let Some(attempt) = self.attempts.remove(&token) else { return Ok(()) };
        let Some(party) = attempt.target else {
            let from = attempt.from.map_or("somewhere".into(), |a| a.to_string());
            if let Trouble::Tls(error) = trouble {
                let text = self.tls_text(&error);
                self.refused = Some(format!("a connection from {from} was refused: {text}"));
            }
            return Ok(());
        };
        let address = &self.options.roster[party].address;
        match trouble {
            Trouble::Tls(error) => {
                let reason = format!("at {address}: {}", self.tls_text(&error));
                Err(Error::PeerLost { party, reason })
            }
            Trouble::Io(text) => {
                if let Some(dial) = self.dials.iter_mut().find(|d| d.party == party) {
                    dial.again(text);
                }
                Ok(())
            }
        }
    }

    /// TLS errors in the words of a session file.
    fn tls_text(&self, error: &rustls::Error) -> String {
        use rustls::{AlertDescription, CertificateError, Error as Tls};
        let mut text = match error {
            Tls::InvalidCertificate(CertificateError::Other(other)) => other.to_string(),
            Tls::InvalidCertificate(problem) => format!("its certificate is refused: {problem}"),
            Tls::NoCertificatesPresented => "it shows no certificate".into(),
            Tls::AlertReceived(AlertDescription::CertificateRequired)
            | Tls::AlertReceived(AlertDescription::CertificateUnknown)
            | Tls::AlertReceived(AlertDescription::BadCertificate) => {
                format!("it refuses this party's certificate ({error})")
            }
            Tls::InvalidMessage(_) | Tls::PeerIncompatible(_) => {
                format!("it does not speak TLS 1.3 ({error})")
            }
            other => format!("TLS: {other}"),
        };
        // an address or a certificate in the place of another's
        let own = |peer: &Peer| text.ends_with(&peer.fingerprint.to_string());
        if let Some(party) = self.options.roster.iter().position(own) {
            text += &format!(", the certificate of party {party}");
        }
        text
    }

    fn unreached(&self) -> Error {
        let seconds = self.options.deadlines.connect.as_secs_f64();
        let missing: Vec<Party> = (0..self.links.len())
            .filter(|p| *p != self.options.me && self.links[*p].is_none())
            .collect();
        let party = missing.first().copied().unwrap_or(self.options.me);
        let mut texts: Vec<String> = missing
            .iter()
            .map(|p| match self.dials.iter().find(|d| d.party == *p) {
                Some(d) => {
                    format!(
                        "party {p} not reached at {}: {}",
                        self.options.roster[*p].address, d.last
                    )
                }
                None => format!("party {p} did not connect to this party"),
            })
            .collect();
        texts.extend(self.refused.clone());
        Error::PeerLost { party, reason: format!("within {seconds} s {}", texts.join("; ")) }
    }
}

impl Dial {
    fn new(party: Party, peer: &Peer) -> Result<Self> {
        let cannot = |e: String| {
            Error::Program(format!("party {party}: cannot resolve `{}`: {e}", peer.address))
        };
        let addresses: Vec<SocketAddr> =
            peer.address.to_socket_addrs().map_err(|e| cannot(e.to_string()))?.collect();
        if addresses.is_empty() {
            return Err(cannot("no address".into()));
        }
        let (at, pause) = (Instant::now(), Duration::from_millis(1));
        Ok(Dial { party, addresses, next: 0, at, pause, attempt: None, last: "no answer".into() })
    }

    fn again(&mut self, reason: String) {
        self.last = reason;
        self.attempt = None;
        self.at = Instant::now() + self.pause;
        self.pause = MAX_PAUSE.min(self.pause * 2);
    }
}

impl Attempt {
    /// Goes on as far as the socket lets it; true when the handshake is through.
    fn advance(&mut self) -> std::result::Result<bool, Trouble> {
        let failed = |e: io::Error| Trouble::Io(e.to_string());
        if !self.connected {
            if let Some(error) = self.stream.take_error().map_err(failed)? {
                return Err(failed(error));
            }
            if self.stream.peer_addr().is_err() {
                return Ok(false);
            }
            self.connected = true;
        }
        self.stream.set_nodelay(true).map_err(failed)?;
        self.process(0)?;
        loop {
            self.channel.outgoing().write_to(&mut self.stream).map_err(failed)?;
            if self.channel.stage() != Stage::Handshake {
                return Ok(true);
            }
            match self.stream.read(self.channel.space()) {
                Ok(0) => return Err(Trouble::Io("closed during the handshake".into())),
                Ok(count) => self.process(count)?,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(failed(e)),
            }
        }
    }

    fn process(&mut self, count: usize) -> std::result::Result<(), Trouble> {
        let early = &mut self.early;
        let mut sink = |bytes: &[u8]| {
            early.extend_from_slice(bytes);
            Ok::<(), ()>(())
        };
        match self.channel.process(count, &mut sink) {
            Ok(()) | Err(Fault::Sink(())) => Ok(()),
            Err(Fault::Tls(error)) => {
                let _ = self.channel.outgoing().write_to(&mut self.stream); // the alert, if it goes
                Err(Trouble::Tls(error))
            }
        }
    }
}

fn listen(options: &Options, given: Option<std::net::TcpListener>) -> Result<TcpListener> {
    let own = &options.roster[options.me].address;
    let address = options.listen.as_ref().unwrap_or(own);
    let listener = match given {
        Some(listener) => listener,
        None => std::net::TcpListener::bind(address)
            .map_err(|e| Error::Program(format!("cannot listen on `{address}`: {e}")))?,
    };
    listener.set_nonblocking(true).map_err(broken)?;
    Ok(TcpListener::from_std(listener))
}

fn broken(error: io::Error) -> Error {
    Error::Transport(error.to_string())
}

//! The transport of a run: TLS connections to all other parties, driven by the thread that waits.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mio::{Events, Poll};
use mpc_runtime::transport::Frame;
use mpc_runtime::{Error, Header, Label, Misbehaviour, Party, Payload, Phase, Result, Transport};
use zeroize::Zeroizing;

use super::agree::{MAX_TERMS_BYTES, Terms};
use super::connect::{Deadlines, Established, Options, establish};
use super::identity::Exporter;
use super::link::Link;
use super::shape::{Line, Network};

/// How long a waiting thread tries the sockets itself before it lets the system wake it. It does not
/// yield meanwhile: on a busy machine that gives away whole time slices.
const SPIN: Duration = Duration::from_micros(4);
/// The longest sleep while the next frame of a shaped line is almost due.
const NAP: Duration = Duration::from_micros(100);
/// How long a party that is done waits for the goodbyes of the others.
const LINGER: Duration = Duration::from_secs(1);
/// How long to look for the loss of a party that another one reports.
const CONFIRM: Duration = Duration::from_millis(100);
/// Step number of messages between transports.
const CONTROL: u64 = u64::MAX;
/// Bytes that wait to go to one peer, beyond which sending waits too.
pub(crate) const MOST_QUEUED: usize = 64 << 20;
/// In the place of the party that is to blame: the terms differ.
const DISAGREED: u32 = u32::MAX - 1;
/// Control messages of one party that may wait to be taken.
const MAX_CONTROL: usize = 8;

const TERMS: Label = Label("net.terms");
const CONFIRMATION: Label = Label("net.confirm");
const PING: Label = Label("net.ping");
const ROW: Label = Label("net.row");
const ABORT: Label = Label("net.abort");

/// A key that this party shares with one other party; wiped on drop.
pub type Seed = Zeroizing<[u8; 32]>;

/// What a party has after it met the others.
pub struct Connected {
    /// Carries the frames of the run.
    pub transport: TlsTransport,
    /// By party: 32 bytes that only this party and that party know. At the own place, 32 bytes
    /// that nobody else knows.
    pub seeds: Vec<Seed>,
    /// Equal at all parties, new for every run, not secret.
    pub session_id: [u8; 32],
}

/// Reaches all parties, proves who they are, and agrees on the terms.
///
/// Fields about the parties (their number, names and fingerprints, the network) are added to the
/// terms here.
///
/// # Errors
/// `PeerLost` or `Timeout` for a party that is not reached, `Program` for terms that differ or a
/// session that cannot work, `Cheating` for a party that does not follow the handshake.
pub fn connect(mut options: Options, mut terms: Terms) -> Result<Connected> {
    terms.add("parties", options.roster.len());
    for (number, peer) in options.roster.iter().enumerate() {
        terms.add(&format!("fingerprint of party {number}"), peer.fingerprint);
    }
    terms.add("network", options.network);
    let me = options.me;
    let established = establish(&mut options)?;
    let (mut transport, exporters) = TlsTransport::new(&options, established)?;
    match agree(&mut transport, &terms, &exporters) {
        Ok((seeds, session_id)) => {
            debug_assert_eq!(transport.me, me);
            transport.agreed = true;
            Ok(Connected { transport, seeds, session_id })
        }
        Err(error) => {
            transport.abort(&error);
            Err(error)
        }
    }
}

/// Frames over mutually authenticated TLS 1.3.
///
/// Whoever waits in [`Transport::receive`] moves bytes in both directions of all links meanwhile.
/// A party that is lost without a goodbye is reported at once, whomever the caller waits for.
/// Dropped without [`Transport::close`], it tells the other parties why.
pub struct TlsTransport {
    me: Party,
    poll: Poll,
    events: Events,
    links: Vec<Option<Link>>,
    lines: Option<Vec<Line>>,
    deadlines: Deadlines,
    /// Frames of the program that have not been asked for.
    ready: Vec<Frame>,
    control: Vec<VecDeque<(u16, Payload)>>,
    failure: Option<Error>,
    /// All parties have the same terms.
    agreed: bool,
    over: bool,
}

type Exporters = Vec<Option<std::sync::Arc<Exporter>>>;

impl TlsTransport {
    fn new(options: &Options, established: Established) -> Result<(Self, Exporters)> {
        let Established { poll, links, exporters, early } = established;
        let parties = links.len();
        let now = Instant::now();
        let lines = (options.network != Network::LAN)
            .then(|| (0..parties).map(|_| Line::new(options.network, now)).collect());
        let mut transport = TlsTransport {
            me: options.me,
            poll,
            events: Events::with_capacity(2 * parties + 2),
            links,
            lines,
            deadlines: options.deadlines,
            ready: Vec::new(),
            control: (0..parties).map(|_| VecDeque::new()).collect(),
            failure: None,
            agreed: false,
            over: false,
        };
        transport.sort(early)?;
        Ok((transport, exporters))
    }

    fn peers(&self) -> impl Iterator<Item = Party> + use<> {
        let (me, parties) = (self.me, self.links.len());
        (0..parties).filter(move |p| *p != me)
    }

    /// Tells the other parties that this one gives up, and why. They name the cause in their own
    /// error. Nothing can be sent or received afterwards.
    pub fn abort(&mut self, error: &Error) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let culprit = match error.root() {
            Error::PeerLost { party, .. } | Error::Timeout { party, .. } => *party as u32,
            Error::Program(_) if !self.agreed => DISAGREED,
            _ => u32::MAX,
        };
        let mut payload = culprit.to_le_bytes().to_vec();
        payload.extend(error.root().to_string().bytes().take(2000));
        let header = control_header(ABORT, payload.len());
        let end = Instant::now() + CONFIRM;
        for link in self.links.iter_mut().flatten() {
            // the link that failed cannot take it; the others matter
            let _ = link.send(&header, &payload).and_then(|()| link.say_goodbye());
        }
        while self.links.iter_mut().flatten().any(Link::has_output) && Instant::now() < end {
            if self.wait(end).is_err() {
                break;
            }
            for link in self.links.iter_mut().flatten() {
                let _ = link.write();
            }
        }
        self.links.iter_mut().flatten().for_each(Link::shut);
        self.read_to_the_end(end);
    }

    /// Reads until the others have closed, or `until`. With bytes unread the system would reset the
    /// connections, and what was sent last would be lost at the others.
    fn read_to_the_end(&mut self, until: Instant) {
        let mut ignored = Vec::new();
        while Instant::now() < until {
            for link in self.links.iter_mut() {
                let over =
                    link.as_mut().is_some_and(|l| l.is_over() || l.read(&mut ignored).is_err());
                if over {
                    *link = None;
                }
            }
            ignored.clear();
            if self.links.iter().all(Option::is_none) || self.wait(until).is_err() {
                return;
            }
        }
    }

    /// Drops all connections without a word, as a process that is killed does.
    pub fn abandon(&mut self) {
        self.over = true;
        self.links.iter_mut().for_each(|link| *link = None);
    }

    /// Reads and writes what the sockets allow. Reads `eager` links without having been told that
    /// there is something.
    fn pump(&mut self, eager: &[Party]) -> Result<()> {
        let mut frames = Vec::new();
        for link in self.links.iter_mut().flatten() {
            if !link.is_over() && (link.readable || eager.contains(&link.party)) {
                link.read(&mut frames)?;
            }
            if link.has_output() {
                link.write()?;
            }
        }
        if frames.is_empty() { Ok(()) } else { self.sort(frames) }
    }

    /// Bytes of ciphertext on their way to a peer that this party still holds.
    pub fn queued(&mut self, to: Party) -> usize {
        self.links[to].as_mut().map_or(0, Link::queued)
    }

    /// Waits until a peer that takes less than it is sent has caught up: a party that hears nothing in
    /// return, as one that garbles, would fill its memory. What comes meanwhile is taken in.
    fn ease(&mut self, to: Party) -> Result<()> {
        let (mut since, mut least) = (Instant::now(), usize::MAX);
        loop {
            let queued = self.queued(to);
            if queued <= MOST_QUEUED {
                return Ok(());
            }
            if queued < least {
                (since, least) = (Instant::now(), queued);
            }
            let until = since + self.deadlines.receive;
            if Instant::now() >= until {
                let seconds = self.deadlines.receive.as_secs();
                return Err(Error::Timeout { party: to, seconds });
            }
            self.pump(&[])?;
            if self.queued(to) == queued {
                self.wait(until)?;
            }
        }
    }

    /// Tells control messages from those of the program, and puts the latter on their lines.
    fn sort(&mut self, frames: Vec<Frame>) -> Result<()> {
        let now = Instant::now();
        for frame in frames {
            if frame.header.step == CONTROL {
                self.take_control(frame)?;
            } else if let Some(lines) = &mut self.lines {
                lines[frame.from].push(frame, now);
            } else {
                self.ready.push(frame);
            }
        }
        Ok(())
    }

    fn take_control(&mut self, frame: Frame) -> Result<()> {
        let Frame { from: party, header, payload } = frame;
        if header.label == ABORT.id() {
            return Err(self.explain_abort(party, &payload));
        }
        if payload.len() > MAX_TERMS_BYTES + 64 || self.control[party].len() >= MAX_CONTROL {
            let what = Misbehaviour::Malformed("unexpected control message");
            return Err(Error::Cheating { party, what });
        }
        self.control[party].push_back((header.label, payload));
        Ok(())
    }

    /// A peer has given up. If it blames a third party, that one's loss is looked for directly.
    fn explain_abort(&mut self, party: Party, payload: &[u8]) -> Error {
        let (culprit, text) = payload.split_at_checked(4).unwrap_or_default();
        let culprit = culprit.try_into().map_or(u32::MAX, u32::from_le_bytes) as usize;
        let end = Instant::now() + CONFIRM;
        let mut ignored = Vec::new();
        while culprit != party
            && let Some(link) = self.links.get_mut(culprit).and_then(Option::as_mut)
        {
            if let Err(error) = link.read(&mut ignored) {
                return error;
            }
            if link.is_over() || Instant::now() >= end || self.wait(end).is_err() {
                break;
            }
        }
        let text: String =
            String::from_utf8_lossy(text).chars().flat_map(char::escape_debug).collect();
        if culprit == DISAGREED as usize && !self.agreed {
            return Error::Program(text);
        }
        Error::PeerLost { party, reason: format!("it gave up: {text}") }
    }

    /// Frames that are out of the lines by now.
    fn deliver(&mut self, into: &mut Vec<Frame>) {
        into.append(&mut self.ready);
        if let Some(lines) = &mut self.lines {
            let now = Instant::now();
            lines.iter_mut().for_each(|line| line.pop(now, into));
        }
    }

    /// Sleeps until a socket or a line has something, or `until`.
    fn wait(&mut self, until: Instant) -> Result<()> {
        // A link whose turn ended before its socket was empty raises no further event.
        if self.links.iter().flatten().any(|link| link.readable && !link.is_over()) {
            return Ok(());
        }
        let due = self.lines.iter().flatten().filter_map(Line::due).min();
        let until = due.map_or(until, |due| due.min(until));
        let mut timeout = until.saturating_duration_since(Instant::now());
        if due.is_some() {
            // the system counts in milliseconds, so the last one is slept away in naps
            let rest = timeout;
            timeout = timeout.saturating_sub(Duration::from_millis(1));
            if timeout.is_zero() {
                std::thread::sleep(rest.min(NAP));
            }
        }
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(e) if e.kind() != std::io::ErrorKind::Interrupted => {
                return Err(Error::Transport(e.to_string()));
            }
            _ => {}
        }
        for event in &self.events {
            if let Some(link) = self.links.get_mut(event.token().0).and_then(Option::as_mut) {
                link.readable = true;
            }
        }
        Ok(())
    }

    /// A peer that has said goodbye will not send what is awaited. With `any`, one peer that
    /// can still send is enough.
    fn check_awaited(&self, awaited: &[Party], any: bool) -> Result<()> {
        let is_done = |party: Party| {
            let closed = self.links[party].as_ref().is_none_or(Link::peer_closed);
            let held = self.lines.as_ref().is_some_and(|lines| lines[party].due().is_some());
            closed && !held
        };
        let done = awaited.iter().copied().find(|p| is_done(*p));
        match done {
            Some(party) if !any || awaited.iter().all(|p| is_done(*p)) => {
                let reason = "it ended its run before it sent what is awaited".into();
                Err(Error::PeerLost { party, reason })
            }
            _ => Ok(()),
        }
    }

    fn receive_inner(
        &mut self,
        into: &mut Vec<Frame>,
        wait: bool,
        awaited: &[Party],
    ) -> Result<()> {
        let began = Instant::now();
        let had = into.len();
        let everyone: Vec<Party> = self.peers().collect();
        let any = awaited.is_empty();
        let awaited = if any { &everyone } else { awaited };
        loop {
            self.pump(awaited)?;
            self.deliver(into);
            if into.len() > had || !wait {
                return Ok(());
            }
            self.check_awaited(awaited, any)?;
            if began.elapsed() < SPIN {
                std::hint::spin_loop();
                continue;
            }
            let until = self.deadline(began, awaited)?;
            self.wait(until)?;
        }
    }

    /// When the wait is over, if no awaited peer is heard any more.
    fn deadline(&self, began: Instant, awaited: &[Party]) -> Result<Instant> {
        let heard = |party: Party| self.links[party].as_ref().map_or(began, |l| l.heard);
        let last = awaited.iter().map(|p| heard(*p)).fold(began, Instant::max);
        let until = last + self.deadlines.receive;
        if Instant::now() < until || self.lines.iter().flatten().any(|l| l.due().is_some()) {
            return Ok(until);
        }
        let silent = awaited.iter().copied().min_by_key(|p| heard(*p));
        let party = silent.or_else(|| self.peers().next()).unwrap_or(self.me);
        Err(Error::Timeout { party, seconds: self.deadlines.receive.as_secs() })
    }

    /// The fastest of `pings` round trips of 8 bytes between each two parties: row and column are
    /// the parties that measure and answer. All parties call this at the same time.
    ///
    /// # Errors
    /// A peer is lost or does not answer.
    pub fn round_trips(&mut self, pings: usize) -> Result<Vec<Vec<Option<Duration>>>> {
        let (parties, limit) = (self.links.len(), self.deadlines.receive);
        let mut matrix = vec![vec![None; parties]; parties];
        for (measuring, entries) in matrix.iter_mut().enumerate() {
            let others: Vec<Party> = (0..parties).filter(|p| *p != measuring).collect();
            if measuring != self.me {
                for _ in 0..pings {
                    let ping = self.await_control(measuring, PING, limit)?;
                    self.send_control(measuring, PING, &ping)?;
                }
                let row = self.await_control(measuring, ROW, limit)?;
                for (&other, nanos) in others.iter().zip(row.chunks_exact(8)) {
                    let nanos = nanos.try_into().map_or(0, u64::from_le_bytes);
                    entries[other] = Some(Duration::from_nanos(nanos));
                }
                continue;
            }
            let mut row = Vec::new();
            for &other in &others {
                let mut best = Duration::MAX;
                for _ in 0..pings {
                    let began = Instant::now();
                    self.send_control(other, PING, &[0; 8])?;
                    self.await_control(other, PING, limit)?;
                    best = best.min(began.elapsed());
                }
                entries[other] = Some(best);
                row.extend(u64::try_from(best.as_nanos()).unwrap_or(u64::MAX).to_le_bytes());
            }
            for &other in &others {
                self.send_control(other, ROW, &row)?;
            }
        }
        Ok(matrix)
    }

    pub(crate) fn send_control(&mut self, to: Party, label: Label, payload: &[u8]) -> Result<()> {
        let Some(link) = self.links[to].as_mut() else { return Ok(()) };
        link.send(&control_header(label, payload.len()), payload)?;
        link.flush()
    }

    /// The next control message of a party, which must have this label.
    pub(crate) fn await_control(
        &mut self,
        party: Party,
        label: Label,
        limit: Duration,
    ) -> Result<Payload> {
        let began = Instant::now();
        let until = began + limit;
        loop {
            if let Some((found, payload)) = self.control[party].pop_front() {
                if found == label.id() {
                    return Ok(payload);
                }
                let what = Misbehaviour::Malformed("another control message is due");
                return Err(Error::Cheating { party, what });
            }
            self.pump(&[party])?;
            if !self.control[party].is_empty() {
                continue;
            }
            self.check_awaited(&[party], false)?;
            if began.elapsed() < SPIN {
                std::hint::spin_loop();
            } else if Instant::now() >= until {
                return Err(Error::Timeout { party, seconds: limit.as_secs() });
            } else {
                self.wait(until)?;
            }
        }
    }

    fn close_inner(&mut self) -> Result<()> {
        let until = Instant::now() + self.deadlines.receive;
        for link in self.links.iter_mut().flatten() {
            link.say_goodbye()?;
        }
        while let Some(party) =
            self.links.iter_mut().flatten().find_map(|l| l.has_output().then_some(l.party))
        {
            if Instant::now() >= until {
                return Err(Error::Timeout { party, seconds: self.deadlines.receive.as_secs() });
            }
            self.wait(until)?;
            self.pump(&[])?;
        }
        self.links.iter_mut().flatten().for_each(Link::shut);
        self.linger();
        Ok(())
    }

    /// Waits a little for the goodbyes of the others, so that no reset overtakes the last bytes.
    fn linger(&mut self) {
        let until = Instant::now() + LINGER;
        while self.links.iter().flatten().any(|link| !link.peer_closed() && !link.is_over())
            && Instant::now() < until
        {
            if self.wait(until).is_err() || self.pump(&[]).is_err() {
                return; // whatever happens to the others now, this party is done
            }
        }
    }
}

impl Transport for TlsTransport {
    fn me(&self) -> Party {
        self.me
    }

    fn parties(&self) -> usize {
        self.links.len()
    }

    fn send(&mut self, to: Party, header: &Header, payload: &[u8]) -> Result<()> {
        assert_ne!(header.step, CONTROL, "step number of control messages");
        let link = self.links[to].as_mut().expect("a party sends to others");
        let outcome = link.send(header, payload).and_then(|()| self.ease(to));
        self.remember(outcome)
    }

    fn flush(&mut self) -> Result<()> {
        let outcome = self.links.iter_mut().flatten().try_for_each(Link::flush);
        self.remember(outcome)
    }

    fn receive(&mut self, into: &mut Vec<Frame>, wait: bool, awaited: &[Party]) -> Result<()> {
        let outcome = self.receive_inner(into, wait, awaited);
        self.remember(outcome)
    }

    fn close(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.over, true) {
            return Ok(());
        }
        let outcome = self.close_inner();
        self.remember(outcome)
    }
}

impl TlsTransport {
    /// Keeps the first failure, for the other parties to hear of.
    fn remember(&mut self, outcome: Result<()>) -> Result<()> {
        if let Err(error) = &outcome
            && self.failure.is_none()
        {
            self.failure = Some(error.clone());
        }
        outcome
    }
}

impl Drop for TlsTransport {
    fn drop(&mut self) {
        let unknown = || Error::Transport("it ended without finishing its run".into());
        let failure = self.failure.take().unwrap_or_else(unknown);
        self.abort(&failure);
    }
}

fn control_header(label: Label, length: usize) -> Header {
    Header {
        step: CONTROL,
        path: 0,
        op: 0,
        label: label.id(),
        phase: Phase::Preprocessing,
        length: u32::try_from(length).expect("control messages are short"),
    }
}

/// Two rounds with everyone: terms and nonces, then the confirmation that all had the same.
fn agree(
    transport: &mut TlsTransport,
    terms: &Terms,
    exporters: &Exporters,
) -> Result<(Vec<Seed>, [u8; 32])> {
    let me = transport.me;
    let peers: Vec<Party> = transport.peers().collect();
    // others may still be waiting for a party that this one has met already
    let limit = transport.deadlines.connect + transport.deadlines.handshake;
    let mut nonces = vec![[0; 32]; transport.links.len()];
    nonces[me] = *fresh()?;
    let pair_nonces: Vec<Seed> = (0..nonces.len()).map(|_| fresh()).collect::<Result<_>>()?;
    for &peer in &peers {
        let message = [&nonces[me][..], &pair_nonces[peer][..], &terms.encode()].concat();
        transport.send_control(peer, TERMS, &Zeroizing::new(message))?;
    }
    let mut theirs = vec![Seed::default(); nonces.len()];
    for &peer in &peers {
        let message = transport.await_control(peer, TERMS, limit)?;
        let malformed = || Error::Cheating {
            party: peer,
            what: Misbehaviour::Malformed("terms that do not parse"),
        };
        let (nonce, rest) = message.split_first_chunk::<32>().ok_or_else(malformed)?;
        let (pair, rest) = rest.split_first_chunk::<32>().ok_or_else(malformed)?;
        let found = Terms::decode(rest).ok_or_else(malformed)?;
        if let Some(text) = terms.difference(me, peer, &found) {
            return Err(Error::Program(text));
        }
        nonces[peer] = *nonce;
        *theirs[peer] = *pair;
    }
    let session_id = session_id(&nonces, terms);
    for &peer in &peers {
        transport.send_control(peer, CONFIRMATION, &session_id)?;
    }
    for &peer in &peers {
        if transport.await_control(peer, CONFIRMATION, limit)?[..] != session_id {
            let what = Misbehaviour::Inconsistent { label: TERMS.0 };
            return Err(Error::Cheating { party: peer, what });
        }
    }
    let mut seeds = Vec::new();
    for party in 0..nonces.len() {
        let Some(exporter) = &exporters[party] else {
            seeds.push(fresh()?);
            continue;
        };
        let secret = exporter.take().ok_or(Error::Transport("TLS gave no exporter".into()))?;
        let (low, high) = if me < party {
            (&pair_nonces[party], &theirs[party])
        } else {
            (&theirs[party], &pair_nonces[party])
        };
        let mut hasher = blake3::Hasher::new_derive_key("mpc-vm 2026 pairwise seed");
        for part in [&secret[..], &low[..], &high[..], &session_id] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        seeds.push(Zeroizing::new(*hasher.finalize().as_bytes()));
    }
    Ok((seeds, session_id))
}

fn session_id(nonces: &[[u8; 32]], terms: &Terms) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("mpc-vm 2026 session");
    hasher.update(&(nonces.len() as u64).to_le_bytes());
    for nonce in nonces {
        hasher.update(nonce);
    }
    *hasher.update(&terms.hash()).finalize().as_bytes()
}

fn fresh() -> Result<Seed> {
    let mut seed = Seed::default();
    let failed = |e| Error::Transport(format!("randomness of the operating system: {e}"));
    getrandom::fill(&mut seed[..]).map_err(failed)?;
    Ok(seed)
}

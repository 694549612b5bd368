//! The session file: who the parties are, where they are, and who plays which role.
//!
//! All parties can use the same file. Of the entries `key` and `certificate` only a party's own
//! are read; relative paths start at the file's directory.
//!
//! ```toml
//! protocol = "rep3-ring"           # may be given at the command line instead
//!
//! [[party]]
//! name = "alice"
//! address = "alice.example:9000"
//! fingerprint = "sha256:2f6c…"     # printed by `mpcvm keygen`
//!
//! [[party]]                        # and so on, in the order of their numbers
//! name = "bob"
//! address = "192.0.2.7:9000"
//! fingerprint = "sha256:90ab…"
//! key = "keys/bob.key"             # else NAME.key
//! certificate = "keys/bob.crt"     # else NAME.crt
//! listen = "0.0.0.0:9000"          # else the address
//!
//! [roles]                          # name or number of the party
//! hospital = "alice"
//! "bidders[0]" = 1
//!
//! [timeouts]                       # seconds
//! connect = 60
//! handshake = 10
//! receive = 60
//! ```

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mpc_runtime::{Error, Party, Result};
use serde::Deserialize;

use crate::data;
use crate::net::{Deadlines, Fingerprint, Identity, Network, Options, Peer};

/// Fewer days of validity than this are worth a warning.
const EXPIRY_WARNING_DAYS: u64 = 30;

/// Most threads of a party.
const MAX_THREADS: usize = 256;

/// Most bytes of a key or a certificate.
const MAX_PEM_BYTES: u64 = 1 << 16;

/// A session file that has been read and checked.
#[derive(Clone, Debug)]
pub struct Session {
    /// The parties in the order of their numbers.
    pub parties: Vec<Entry>,
    /// Which party plays a role.
    pub roles: BTreeMap<String, Party>,
    /// Name of the protocol.
    pub protocol: Option<String>,
    /// `exact`, `probabilistic` or `fast`.
    pub truncation: Option<String>,
    /// The network that the run is to behave like.
    pub network: Network,
    /// Threads of this party.
    pub threads: Option<usize>,
    /// How long to wait.
    pub deadlines: Deadlines,
    directory: PathBuf,
}

/// One party of a session.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What others know.
    pub peer: Peer,
    listen: Option<String>,
    key: Option<PathBuf>,
    certificate: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    party: Vec<FileParty>,
    #[serde(default)]
    roles: BTreeMap<String, Player>,
    protocol: Option<String>,
    truncation: Option<String>,
    network: Option<String>,
    threads: Option<usize>,
    #[serde(default)]
    timeouts: FileTimeouts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileParty {
    name: String,
    address: String,
    fingerprint: String,
    listen: Option<String>,
    key: Option<PathBuf>,
    certificate: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct FileTimeouts {
    connect: Option<f64>,
    handshake: Option<f64>,
    receive: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Player {
    Number(Party),
    Name(String),
}

impl Session {
    /// Reads and checks a session file.
    ///
    /// # Errors
    /// `Program`, with the file and where possible the line.
    pub fn load(path: &Path) -> Result<Self> {
        Session::parse(&data::read_text_file(path)?, path)
    }

    /// Checks the text of a session file that lies, or might lie, at `path`.
    ///
    /// # Errors
    /// As [`Session::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let file: File = toml::from_str(text).map_err(|e| syntax(text, path, &e))?;
        let wrong = |what: String| Error::Program(format!("{}: {what}", path.display()));
        let mut parties = Vec::new();
        for (number, party) in file.party.into_iter().enumerate() {
            parties.push(party.check().map_err(|e| wrong(format!("party {number}: {e}")))?);
        }
        if parties.is_empty() {
            return Err(wrong("there is no [[party]]".into()));
        }
        check_distinct(&parties).map_err(wrong)?;
        let mut roles = BTreeMap::new();
        for (role, player) in file.roles {
            let party = match player {
                Player::Number(party) => (party < parties.len()).then_some(party),
                Player::Name(name) => parties.iter().position(|e| e.peer.name == name),
            };
            let party = party.ok_or_else(|| wrong(format!("role `{role}`: no such party")))?;
            roles.insert(role, party);
        }
        let network = file.network.map_or(Ok(Network::LAN), |n| n.parse()).map_err(wrong)?;
        let seconds = |given: Option<f64>, default: Duration| match given {
            None => Ok(default),
            Some(s) if (0.01..=1e6).contains(&s) => Ok(Duration::from_secs_f64(s)),
            Some(s) => Err(wrong(format!("timeout of {s} s: between 0.01 and 1000000"))),
        };
        let default = Deadlines::default();
        let deadlines = Deadlines {
            connect: seconds(file.timeouts.connect, default.connect)?,
            handshake: seconds(file.timeouts.handshake, default.handshake)?,
            receive: seconds(file.timeouts.receive, default.receive)?,
        };
        file.threads.map_or(Ok(()), check_threads).map_err(wrong)?;
        let directory = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let (protocol, truncation, threads) = (file.protocol, file.truncation, file.threads);
        Ok(Session { parties, roles, protocol, truncation, network, threads, deadlines, directory })
    }

    /// What is needed to connect as party `me`, and a warning if its certificate soon runs out.
    ///
    /// # Errors
    /// `Program` if there is no such party, or its key or certificate cannot be used.
    pub fn options(
        &self,
        me: Party,
        listener: Option<TcpListener>,
    ) -> Result<(Options, Option<String>)> {
        let entry = self.parties.get(me).ok_or_else(|| {
            let count = self.parties.len();
            Error::Program(format!("there is no party {me}: the session has {count}, from 0"))
        })?;
        let own = |given: &Option<PathBuf>, ending: &str| {
            let name = format!("{}.{ending}", entry.peer.name);
            self.directory.join(given.clone().unwrap_or_else(|| name.into()))
        };
        let key_path = own(&entry.key, "key");
        let certificate_path = own(&entry.certificate, "crt");
        let key = zeroize::Zeroizing::new(read_private(&key_path)?);
        let certificate = data::read_file(&certificate_path, MAX_PEM_BYTES)?;
        let identity = Identity::from_pem(&key, &certificate)
            .map_err(|e| wrong_in(&format!("{} and .crt", key_path.display()), e))?;
        let shown = certificate_path.display().to_string();
        if identity.fingerprint() != entry.peer.fingerprint {
            let found = identity.fingerprint();
            let pinned = entry.peer.fingerprint;
            let text = format!("its fingerprint is {found}, the session pins {pinned}");
            return Err(wrong_in(&shown, text));
        }
        let days =
            identity.expires_within_days(EXPIRY_WARNING_DAYS).map_err(|e| wrong_in(&shown, e))?;
        let warning = days.map(|days| format!("{shown}: the certificate expires in {days} days"));
        let options = Options {
            me,
            roster: self.parties.iter().map(|entry| entry.peer.clone()).collect(),
            identity,
            listen: entry.listen.clone(),
            listener,
            deadlines: self.deadlines,
            network: self.network,
        };
        Ok((options, warning))
    }
}

impl FileParty {
    fn check(self) -> std::result::Result<Entry, String> {
        let fingerprint: Fingerprint = self.fingerprint.parse()?;
        for address in [Some(&self.address), self.listen.as_ref()].into_iter().flatten() {
            let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            if port.and_then(|(_, port)| port.parse::<u16>().ok()).is_none() {
                return Err(format!("`{address}` is no address of the form host:port"));
            }
        }
        if self.name.is_empty() || self.name.chars().any(|c| c.is_control() || "/\\".contains(c)) {
            return Err(format!("`{}` is no name", self.name.escape_debug()));
        }
        let peer = Peer { name: self.name, address: self.address, fingerprint };
        Ok(Entry { peer, listen: self.listen, key: self.key, certificate: self.certificate })
    }
}

/// Whether a party can have that many threads.
///
/// # Errors
/// Says how many it can have.
pub fn check_threads(threads: usize) -> std::result::Result<(), String> {
    let fit = (1..=MAX_THREADS).contains(&threads);
    if fit { Ok(()) } else { Err(format!("{threads} threads: between 1 and {MAX_THREADS}")) }
}

fn check_distinct(parties: &[Entry]) -> std::result::Result<(), String> {
    for (second, b) in parties.iter().enumerate() {
        for (first, a) in parties[..second].iter().enumerate() {
            let same = if a.peer.name == b.peer.name {
                "name"
            } else if a.peer.address == b.peer.address {
                "address"
            } else if a.peer.fingerprint == b.peer.fingerprint {
                "fingerprint"
            } else {
                continue;
            };
            return Err(format!("parties {first} and {second} have the same {same}"));
        }
    }
    Ok(())
}

/// Reads a file that nobody else may read.
fn read_private(path: &Path) -> Result<Vec<u8>> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let shown = path.display().to_string();
        let mode = std::fs::metadata(path).map_err(|e| wrong_in(&shown, e))?.permissions().mode();
        if mode & 0o077 != 0 {
            let mode = mode & 0o777;
            let text = format!("others may read this private key (mode {mode:03o}); chmod 600 it");
            return Err(wrong_in(&shown, text));
        }
    }
    data::read_file(path, MAX_PEM_BYTES)
}

fn wrong_in(place: &str, what: impl std::fmt::Display) -> Error {
    Error::Program(format!("{place}: {what}"))
}

/// An error of the TOML reader with its line, and with a guess at what was meant.
fn syntax(text: &str, path: &Path, error: &toml::de::Error) -> Error {
    let line =
        error.span().map_or(1, |s| 1 + text[..s.start.min(text.len())].matches('\n').count());
    let message = error.message().lines().next().unwrap_or("cannot be read").to_string();
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let hint = match names.split_first() {
        Some((unknown, known)) if message.contains("unknown field") => nearest(unknown, known)
            .map_or(String::new(), |best| format!("; did you mean `{best}`?")),
        _ => String::new(),
    };
    Error::Program(format!("{}:{line}: {message}{hint}", path.display()))
}

/// The known name that is close enough to be meant.
pub fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    let close = |name: &&str| distance(unknown, name);
    known.iter().copied().min_by_key(close).filter(|best| distance(unknown, best) <= 2)
}

/// Insertions, deletions and replacements between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replace = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn fingerprint(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    fn party(name: &str, port: u16, digit: char) -> String {
        let fingerprint = fingerprint(digit);
        format!(
            "[[party]]\nname = \"{name}\"\naddress = \"localhost:{port}\"\n\
             fingerprint = \"{fingerprint}\"\n"
        )
    }

    fn parse(text: &str) -> std::result::Result<Session, String> {
        Session::parse(text, Path::new("s.toml")).map_err(|e| e.to_string())
    }

    #[test]
    fn a_session_is_read() {
        let text = format!(
            "protocol = \"shamir\"\nnetwork = \"wan\"\n{}{}[roles]\nx = \"b\"\ny = 0\n\
             [timeouts]\nreceive = 2.5\n",
            party("a", 1, '1'),
            party("b", 2, '2')
        );
        let session = parse(&text).unwrap();
        assert_eq!(
            session.roles.into_iter().collect::<Vec<_>>(),
            [("x".into(), 1), ("y".into(), 0)]
        );
        assert_eq!(session.deadlines.receive, Duration::from_millis(2500));
        assert_eq!((session.parties.len(), session.network), (2, Network::WAN));
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let good = party("a", 1, '1');
        let cases = [
            (String::new(), "no [[party]]"),
            (good.replace("address", "adress"), "s.toml:3: unknown field `adress`"),
            (good.replace("address", "adress"), "did you mean `address`?"),
            (good.replace("localhost:1", "localhost"), "host:port"),
            (good.replace("localhost:1", ":1"), "host:port"),
            (good.replace("localhost:1", "localhost:99999"), "host:port"),
            (good.replace("sha256", "md5"), "sha256:"),
            (good.replace("11", "1"), "64 hexadecimal digits"),
            (good.replace("name = \"a\"", "name = \"a\"\nname = \"b\""), "s.toml:3: duplicate key"),
            (format!("{good}{}", party("a", 2, '2')), "parties 0 and 1 have the same name"),
            (format!("{good}{}", party("b", 1, '2')), "the same address"),
            (format!("{good}{}", party("b", 2, '1')), "the same fingerprint"),
            (format!("{good}[roles]\nx = \"z\""), "role `x`: no such party"),
            (format!("{good}[roles]\nx = 1"), "role `x`: no such party"),
            (format!("network = \"fast\"\n{good}"), "no network"),
            (format!("threads = 0\n{good}"), "0 threads: between 1 and 256"),
            (format!("{good}[timeouts]\nconnect = 0"), "timeout"),
            (format!("{good}[timeouts]\nconect = 1"), "did you mean `connect`?"),
            ("\0".into(), "s.toml:1"),
            (good.replace('"', ""), "s.toml:2"),
        ];
        for (text, expected) in cases {
            let error = parse(&text).expect_err(expected);
            assert!(error.contains(expected), "{error:?} lacks {expected:?}");
            assert!(!error.contains('\n'));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = std::env::temp_dir().join(format!("mpc-session-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let made = crate::net::identity::generate("a").unwrap();
        let key = directory.join("a.key");
        fs::write(&key, made.key_pem.as_bytes()).unwrap();
        fs::write(directory.join("a.crt"), &made.certificate_pem).unwrap();
        let path = directory.join("s.toml");
        let text = party("a", 1, '1').replace(&fingerprint('1'), &made.fingerprint.to_string());
        let session = Session::parse(&text, &path).unwrap();
        for (mode, good) in [(0o644, false), (0o640, false), (0o600, true), (0o400, true)] {
            fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(session.options(0, None).is_ok(), good, "{mode:o}");
        }
        let other = Session::parse(&party("a", 1, '1'), &path).unwrap();
        let error = other.options(0, None).err().unwrap().to_string();
        assert!(error.contains("the session pins"), "{error}");
        assert!(session.options(1, None).is_err());
        fs::remove_dir_all(&directory).unwrap();
    }
}

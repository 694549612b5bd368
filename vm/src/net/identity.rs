//! Who a party is: a key, a self-signed certificate, and its fingerprint in everyone's session.
//!
//! There is no certificate authority. The session pins the fingerprint of every party, and the
//! fingerprint alone decides which party a connection belongs to. Dates are still checked, so that
//! a certificate can be let run out.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error as TlsError,
    KeyLog, RootCertStore, ServerConfig, SignatureScheme, SupportedCipherSuite,
};
use zeroize::Zeroizing;

/// SHA-256 of the DER encoding of a certificate; equals `openssl x509 -fingerprint -sha256`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let SupportedCipherSuite::Tls13(suite) = FIRST_SUITE; // the only kind without TLS 1.2
        let hash = suite.common.hash_provider.hash(certificate);
        let mut out = [0; 32];
        out.copy_from_slice(hash.as_ref());
        Fingerprint(out)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits: String = text
            .strip_prefix("sha256:")
            .ok_or("a fingerprint starts with `sha256:`")?
            .chars()
            .filter(|c| *c != ':')
            .collect();
        if digits.len() != 64 || !digits.is_ascii() {
            return Err(format!(
                "a fingerprint has 64 hexadecimal digits, this one {}",
                digits.len()
            ));
        }
        let mut out = [0; 32];
        for (byte, at) in out.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16)
                .map_err(|_| format!("`{}` is not hexadecimal", &digits[at..at + 2]))?;
        }
        Ok(Fingerprint(out))
    }
}

/// Key and certificate of this party.
pub struct Identity {
    key: PrivateKeyDer<'static>,
    certificate: CertificateDer<'static>,
}

impl Identity {
    /// Reads both from PEM text.
    ///
    /// # Errors
    /// Says which of the two does not parse.
    pub fn from_pem(key: &[u8], certificate: &[u8]) -> Result<Self, String> {
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| format!("private key: {e}"))?;
        let certificate =
            CertificateDer::from_pem_slice(certificate).map_err(|e| format!("certificate: {e}"))?;
        Ok(Identity { key, certificate })
    }

    /// What the other parties pin.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    /// Days until the certificate runs out, looked up to `horizon` days ahead; `None` if it is
    /// valid for longer.
    ///
    /// # Errors
    /// The certificate does not parse or is not valid now.
    pub fn expires_within_days(&self, horizon: u64) -> Result<Option<u64>, String> {
        let now = UnixTime::now().as_secs();
        let valid = |day: u64| {
            let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now + day * 86_400));
            check_dates(&self.certificate, at, &provider())
        };
        valid(0).map_err(|e| e.to_string())?;
        Ok((1..=horizon).find(|day| valid(*day).is_err()))
    }
}

/// A new key and self-signed certificate as PEM text, valid for twenty years.
pub struct Generated {
    /// PKCS#8, PEM.
    pub key_pem: Zeroizing<String>,
    /// X.509, PEM.
    pub certificate_pem: String,
    /// Of the certificate.
    pub fingerprint: Fingerprint,
}

/// Makes an ECDSA P-256 key from the randomness of the operating system, and its certificate.
///
/// # Errors
/// The generator failed, or `name` is no printable name.
pub fn generate(name: &str) -> Result<Generated, String> {
    let text = |e: rcgen::Error| e.to_string();
    let key = rcgen::KeyPair::generate().map_err(text)?;
    let mut params = rcgen::CertificateParams::new(Vec::new()).map_err(text)?;
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let year = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(1970, |d| 1970 + i32::try_from(d.as_secs() / 31_556_952).unwrap_or(0));
    params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + 20, 12, 31);
    let certificate = params.self_signed(&key).map_err(text)?;
    Ok(Generated {
        key_pem: Zeroizing::new(key.serialize_pem()),
        certificate_pem: certificate.pem(),
        fingerprint: Fingerprint::of(certificate.der()),
    })
}

#[cfg(feature = "ring")]
use rustls::crypto::ring as backend;

#[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
use rustls::crypto::aws_lc_rs as backend;

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
compile_error!("mpc-vm needs the feature `ring` or `aws-lc-rs`");

const FIRST_SUITE: SupportedCipherSuite = backend::cipher_suite::TLS13_AES_128_GCM_SHA256;

/// Name of the cryptography behind TLS.
pub const PROVIDER: &str = if cfg!(feature = "ring") { "ring" } else { "aws-lc-rs" };

/// TLS 1.3 suites only, the fastest with the hardware of today's servers first.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            FIRST_SUITE,
            backend::cipher_suite::TLS13_AES_256_GCM_SHA384,
            backend::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        ..backend::default_provider()
    })
}

/// Keeps the exporter secret of one connection, from which pairwise keys are derived.
#[derive(Default)]
pub(crate) struct Exporter(Mutex<Zeroizing<Vec<u8>>>);

impl Exporter {
    /// The secret, once the handshake is through; it is forgotten here.
    pub(crate) fn take(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let secret = std::mem::take(&mut *kept);
        (!secret.is_empty()).then_some(secret)
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exporter")
    }
}

impl KeyLog for Exporter {
    fn log(&self, label: &str, _client_random: &[u8], secret: &[u8]) {
        if self.will_log(label) {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *kept = Zeroizing::new(secret.to_vec());
        }
    }

    fn will_log(&self, label: &str) -> bool {
        label == "EXPORTER_SECRET"
    }
}

/// Configurations from which the connections of one session are made.
pub(crate) struct Credentials {
    client: ClientConfig,
    server: ServerConfig,
}

impl Credentials {
    /// `accepted`: fingerprints of the parties that connect to this one.
    pub(crate) fn new(identity: &Identity, accepted: &[Fingerprint]) -> Result<Self, String> {
        Credentials::with_provider(provider(), identity, accepted)
    }

    fn with_provider(
        provider: Arc<CryptoProvider>,
        identity: &Identity,
        accepted: &[Fingerprint],
    ) -> Result<Self, String> {
        let chain = || vec![identity.certificate.clone()];
        let text = |e: TlsError| format!("own key and certificate: {e}");
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(text)?
            .dangerous()
            .with_custom_certificate_verifier(pinned(&[], &provider))
            .with_client_auth_cert(chain(), identity.key.clone_key())
            .map_err(text)?;
        client.resumption = rustls::client::Resumption::disabled();
        client.enable_early_data = false;
        client.enable_sni = false;
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(text)?
            .with_client_cert_verifier(pinned(accepted, &provider))
            .with_single_cert(chain(), identity.key.clone_key())
            .map_err(text)?;
        server.send_tls13_tickets = 0;
        server.max_early_data_size = 0;
        Ok(Credentials { client, server })
    }

    /// Configuration of one connection to the party with this fingerprint.
    pub(crate) fn client(&self, peer: Fingerprint) -> (Arc<ClientConfig>, Arc<Exporter>) {
        let exporter = Arc::new(Exporter::default());
        let mut config = self.client.clone();
        config.key_log = exporter.clone();
        let provider = config.crypto_provider().clone();
        config.dangerous().set_certificate_verifier(pinned(&[peer], &provider));
        (Arc::new(config), exporter)
    }

    /// Configuration of one accepted connection.
    pub(crate) fn server(&self) -> (Arc<ServerConfig>, Arc<Exporter>) {
        let exporter = Arc::new(Exporter::default());
        let mut config = self.server.clone();
        config.key_log = exporter.clone();
        (Arc::new(config), exporter)
    }
}

/// The name put in the place of a host name; fingerprints are what is checked.
pub(crate) fn server_name() -> ServerName<'static> {
    ServerName::try_from("party.invalid").expect("a valid DNS name")
}

fn pinned(accepted: &[Fingerprint], provider: &Arc<CryptoProvider>) -> Arc<Pinned> {
    Arc::new(Pinned { accepted: accepted.to_vec(), provider: provider.clone() })
}

/// Accepts the certificates with the given fingerprints, while they are valid.
#[derive(Debug)]
struct Pinned {
    accepted: Vec<Fingerprint>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn check(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), TlsError> {
        let found = Fingerprint::of(certificate);
        if !self.accepted.contains(&found) {
            let unknown = UnknownCertificate(found);
            let other = rustls::OtherError(Arc::new(unknown));
            return Err(TlsError::InvalidCertificate(CertificateError::Other(other)));
        }
        check_dates(certificate, now, &self.provider)
    }
}

/// A certificate that the session does not pin.
#[derive(Debug)]
pub(crate) struct UnknownCertificate(pub(crate) Fingerprint);

impl fmt::Display for UnknownCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the session does not pin the certificate {}", self.0)
    }
}

impl std::error::Error for UnknownCertificate {}

/// Checks form, self-signature and dates, with the certificate as its own trust anchor.
fn check_dates(
    certificate: &CertificateDer<'_>,
    now: UnixTime,
    provider: &CryptoProvider,
) -> Result<(), TlsError> {
    let mut anchors = RootCertStore::empty();
    anchors.add(certificate.clone().into_owned())?;
    let parsed = rustls::server::ParsedCertificate::try_from(certificate)?;
    let algorithms = provider.signature_verification_algorithms.all;
    rustls::client::verify_server_cert_signed_by_trust_anchor(
        &parsed,
        &anchors,
        &[],
        now,
        algorithms,
    )
}

/// The half of both verifiers that does not depend on who connects to whom.
macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _cert: &CertificateDer<'_>,
            _dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, TlsError> {
            Err(TlsError::General("TLS 1.2 is not offered".into()))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, TlsError> {
            let algorithms = &self.provider.signature_verification_algorithms;
            verify_tls13_signature(message, cert, dss, algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.provider.signature_verification_algorithms.supported_schemes()
        }
    };
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        self.check(end_entity, now).map(|()| ServerCertVerified::assertion())
    }

    signatures!();
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        self.check(end_entity, now).map(|()| ClientCertVerified::assertion())
    }

    signatures!();
}

#[cfg(test)]
mod tests {
    use super::super::channel::{Channel, Stage};
    use super::*;
    use rustls::client::UnbufferedClientConnection;
    use rustls::server::UnbufferedServerConnection;

    #[test]
    fn a_fingerprint_reads_back_with_and_without_colons() {
        let made = generate("alice").unwrap();
        let text = made.fingerprint.to_string();
        assert_eq!(text.parse::<Fingerprint>().unwrap(), made.fingerprint);
        let spaced: Vec<String> =
            text.as_bytes()[7..].chunks(2).map(|c| String::from_utf8_lossy(c).into()).collect();
        let spaced = format!("sha256:{}", spaced.join(":").to_uppercase());
        assert_eq!(spaced.parse::<Fingerprint>().unwrap(), made.fingerprint);
        for bad in ["", "sha256:", "sha256:zz", &text[7..], &text[..70], "sha256:éé"] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }

    fn identity(name: &str) -> Identity {
        let made = generate(name).unwrap();
        Identity::from_pem(made.key_pem.as_bytes(), made.certificate_pem.as_bytes()).unwrap()
    }

    #[test]
    fn a_generated_identity_is_valid_for_years() {
        let made = generate("alice").unwrap();
        let identity =
            Identity::from_pem(made.key_pem.as_bytes(), made.certificate_pem.as_bytes()).unwrap();
        assert_eq!(identity.fingerprint(), made.fingerprint);
        assert_eq!(identity.expires_within_days(60).unwrap(), None);
    }

    #[test]
    fn a_key_that_is_not_the_certificates_is_refused() {
        let (alice, bob) = (identity("alice"), identity("bob"));
        let mixed = Identity { key: alice.key, certificate: bob.certificate };
        let error = Credentials::new(&mixed, &[]).err().unwrap();
        assert!(error.contains("own key and certificate"), "{error}");
    }

    #[test]
    fn nothing_of_a_session_is_resumed_in_another() {
        let alice = identity("alice");
        let server = Credentials::new(&alice, &[]).unwrap().server;
        assert_eq!((server.send_tls13_tickets, server.max_early_data_size), (0, 0));
        assert!(!Credentials::new(&alice, &[]).unwrap().client.enable_early_data);
        // a client that would resume gets no ticket to do it with
        let bob = identity("bob");
        let ends = Credentials::new(&alice, &[bob.fingerprint()]).unwrap();
        let mut config = ClientConfig::clone(
            &Credentials::new(&bob, &[]).unwrap().client(alice.fingerprint()).0,
        );
        config.resumption = rustls::client::Resumption::in_memory_sessions(8);
        config.enable_early_data = true;
        let config = Arc::new(config);
        for _ in 0..3 {
            let mut client = rustls::ClientConnection::new(config.clone(), server_name()).unwrap();
            let mut server = rustls::ServerConnection::new(ends.server().0).unwrap();
            assert!(client.early_data().is_none());
            shake_hands(&mut client, &mut server);
            assert_eq!(client.handshake_kind(), Some(rustls::HandshakeKind::Full));
        }
    }

    fn shake_hands(client: &mut rustls::ClientConnection, server: &mut rustls::ServerConnection) {
        while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
            let mut bytes = vec![];
            while client.wants_write() {
                client.write_tls(&mut bytes).unwrap();
            }
            server.read_tls(&mut &bytes[..]).unwrap();
            server.process_new_packets().unwrap();
            let mut bytes = vec![];
            while server.wants_write() {
                server.write_tls(&mut bytes).unwrap();
            }
            client.read_tls(&mut &bytes[..]).unwrap();
            client.process_new_packets().unwrap();
        }
    }

    /// The provider of this crate, with a suite that encrypts so many records under one key.
    fn limited_to(records: u64) -> Arc<CryptoProvider> {
        let SupportedCipherSuite::Tls13(suite) = FIRST_SUITE;
        let common = rustls::CipherSuiteCommon { confidentiality_limit: records, ..suite.common };
        let suite = rustls::Tls13CipherSuite { common, ..*suite };
        let suites = vec![SupportedCipherSuite::Tls13(Box::leak(Box::new(suite)))];
        Arc::new(CryptoProvider { cipher_suites: suites, ..(*provider()).clone() })
    }

    /// Moves what `from` has to say to `to`; bytes of ciphertext and of plaintext.
    fn carry(from: &mut Channel, to: &mut Channel) -> (usize, usize) {
        let (mut bytes, mut plain) = (vec![], 0);
        from.outgoing().write_to(&mut bytes).unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let space = to.space();
            let count = space.len().min(rest.len());
            space[..count].copy_from_slice(&rest[..count]);
            rest = &rest[count..];
            let mut sink = |piece: &[u8]| {
                plain += piece.len();
                Ok::<(), ()>(())
            };
            to.process(count, &mut sink).unwrap();
        }
        (bytes.len(), plain)
    }

    #[test]
    fn keys_are_renewed_before_they_have_encrypted_too_much() {
        const LIMIT: usize = 1024;
        const RECORDS: usize = 1_000_000;
        // bytes of a record with so much content: head, content, its type, tag
        let record = |content: usize| 5 + content + 1 + 16;
        let (alice, bob) = (identity("alice"), identity("bob"));
        let ends = |own, peer: &Identity| {
            let provider = limited_to(LIMIT as u64);
            Credentials::with_provider(provider, own, &[peer.fingerprint()]).unwrap()
        };
        let (config, _) = ends(&bob, &alice).client(alice.fingerprint());
        let client = UnbufferedClientConnection::new(config, server_name()).unwrap();
        let server = UnbufferedServerConnection::new(ends(&alice, &bob).server().0).unwrap();
        let (mut client, mut server) = (Channel::client(client), Channel::server(server));
        client.process(0, &mut |_: &[u8]| Ok::<(), ()>(())).unwrap();
        while client.stage() == Stage::Handshake || server.stage() == Stage::Handshake {
            carry(&mut client, &mut server);
            carry(&mut server, &mut client);
        }
        client.trust();
        server.trust();
        let (mut sent, mut received) = (0, 0);
        for number in 0..RECORDS {
            client.write(&[7], |_| {}).unwrap();
            client.seal().unwrap();
            if number % 100 == 99 {
                let (ciphertext, plain) = carry(&mut client, &mut server);
                (sent, received) = (sent + ciphertext, received + plain);
                carry(&mut server, &mut client); // it has nothing to say but new keys of its own
            }
        }
        assert_eq!(received, RECORDS);
        let renewals = (sent - RECORDS * record(1)) / record(5);
        assert!(renewals >= RECORDS / LIMIT, "keys were renewed {renewals} times");
    }
}

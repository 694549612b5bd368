//! Who is not let in: wrong keys, wrong dates, wrong versions of TLS; and what is cut or altered on
//! the way. No byte of a program passes before.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mpc_runtime::{Error, Header, Label, Phase, Transport};
use mpc_vm::net::{Identity, Network, Options, connect, identity};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use support::{both_errors, generated, identity_of, options, options_of, terms};

#[cfg(feature = "ring")]
use rustls::crypto::ring::default_provider;

#[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
use rustls::crypto::aws_lc_rs::default_provider;

/// Lets the parties give up soon.
fn impatient(mut all: Vec<Options>) -> Vec<Options> {
    for options in &mut all {
        options.deadlines.connect = Duration::from_millis(700);
    }
    all
}

/// What went wrong at each of these parties, none of which connects.
fn refusals(all: Vec<Options>) -> Vec<String> {
    let terms = all.iter().map(|_| terms()).collect();
    let errors = both_errors(impatient(all), terms).into_iter();
    errors.map(|error| error.expect("this party has not connected").to_string()).collect()
}

/// An identity that is valid in these years.
fn dated(first: i32, last: i32) -> Identity {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.not_before = rcgen::date_time_ymd(first, 1, 1);
    params.not_after = rcgen::date_time_ymd(last, 12, 31);
    let certificate = params.self_signed(&key).unwrap();
    Identity::from_pem(key.serialize_pem().as_bytes(), certificate.pem().as_bytes()).unwrap()
}

#[test]
fn a_certificate_out_of_its_dates_is_refused_from_both_sides() {
    for (first, last, expected) in [(2001, 2002, "expired"), (2091, 2092, "not valid yet")] {
        for late in [0, 1] {
            let mut identities = vec![dated(2001, 2092), dated(2001, 2092)];
            identities[late] = dated(first, last);
            let text = refusals(options_of(identities, Network::LAN)).remove(1 - late);
            assert!(text.contains(&format!("party {late}")) && text.contains(expected), "{text}");
        }
    }
}

#[test]
fn a_party_with_another_key_than_pinned_is_refused_from_both_sides() {
    for impostor in [0, 1] {
        let mut all = options(2, Network::LAN);
        all[impostor].identity = identity_of(&identity::generate("mallory").unwrap());
        let text = refusals(all).remove(1 - impostor);
        assert!(text.contains(&format!("party {impostor}")) && text.contains("pin"), "{text}");
    }
}

#[test]
fn two_parties_with_one_key_do_not_meet() {
    let made = generated(2);
    let identities = [0, 1, 1].map(|at: usize| identity_of(&made[at])).into();
    let texts = refusals(options_of(identities, Network::LAN));
    assert!(texts[0].contains("party 2 did not connect"), "{}", texts[0]);
}

#[test]
fn swapped_addresses_are_told_with_the_party_that_is_there() {
    let mut all = options(3, Network::LAN);
    let (first, second) = (all[2].roster[0].address.clone(), all[2].roster[1].address.clone());
    all[2].roster[0].address = second;
    all[2].roster[1].address = first;
    let text = refusals(all).remove(2);
    assert!(text.contains("the certificate of party"), "{text}");
}

/// Believes every server.
#[derive(Debug)]
struct Gullible;

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Connects as a client with this certificate, or none; how the server ends it.
fn visit(address: &str, own: Option<&identity::Generated>) -> String {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible));
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let key = PrivateKeyDer::from_pem_slice(own.key_pem.as_bytes()).unwrap();
            let chain = CertificateDer::from_pem_slice(own.certificate_pem.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![chain], key).unwrap()
        }
    };
    let name = ServerName::try_from("party.invalid").unwrap();
    let mut tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let mut heard = vec![];
    let ended = rustls::Stream::new(&mut tls, &mut stream).read_to_end(&mut heard);
    assert!(heard.is_empty(), "a stranger is told nothing");
    ended.expect_err("a stranger is sent away").to_string()
}

/// Sends bytes as they are; the answer.
fn say(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer); // ends in a reset where bytes were left unread
    answer
}

/// A handshake message in its record.
fn hello(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = |n: usize| u16::try_from(n).unwrap().to_be_bytes();
    let (record, message) = (length(body.len() + 4), length(body.len()));
    [&[0x16, 3, 3][..], &record, &[kind, 0], &message, &body].concat()
}

/// The hello of a client that knows nothing newer than TLS 1.2: version, random, no session, one
/// suite, no compression, extensions for groups and signatures.
fn client_hello_12() -> Vec<u8> {
    let (groups, signatures) = ([0, 10, 0, 4, 0, 2, 0, 23], [0, 13, 0, 4, 0, 2, 4, 3]);
    let head: [&[u8]; 5] = [&[3, 3], &[7; 32], &[0], &[0, 2, 0xc0, 0x2b], &[1, 0]];
    hello(1, &[&head.concat(), &[0, 16], &groups, &signatures])
}

/// The hello of a server that chose TLS 1.2.
fn server_hello_12() -> Vec<u8> {
    hello(2, &[&[3, 3], &[7; 32], &[0], &[0xc0, 0x2b], &[0], &[0, 0]])
}

#[test]
fn strangers_are_sent_away_and_told_of() {
    type Stranger<'a> = &'a dyn Fn(&str, &[identity::Generated]);
    let client = |address: &str, own: Option<&identity::Generated>| {
        let text = visit(address, own);
        assert!(text.contains("alert"), "{text}");
    };
    let cases: [(&str, Stranger<'_>); 5] = [
        ("it shows no certificate", &|address, _| client(address, None)),
        ("does not pin the certificate", &|address, made| client(address, Some(&made[2]))),
        // the certificate of the party itself, reflected
        ("does not pin the certificate", &|address, made| client(address, Some(&made[0]))),
        ("does not speak TLS 1.3", &|address, _| {
            let answer = say(address, &client_hello_12());
            assert_eq!(answer, [0x15, 3, 3, 0, 2, 2, 70], "a fatal alert about the version");
        }),
        ("does not speak TLS 1.3", &|address, _| {
            assert!(say(address, b"GET / HTTP/1.1\r\n\r\n").len() < 100);
        }),
    ];
    for (expected, stranger) in cases {
        let made = generated(3); // the last is of nobody in the session
        let identities = made[..2].iter().map(identity_of).collect();
        let all = impatient(options_of(identities, Network::LAN));
        let address = all[0].roster[0].address.clone();
        let listens = all.into_iter().next().unwrap();
        let party = thread::spawn(|| connect(listens, terms()).err().unwrap().to_string());
        stranger(&address, &made);
        let text = party.join().unwrap();
        assert!(text.contains("party 1 did not connect") && text.contains(expected), "{text}");
    }
}

#[test]
fn a_peer_that_does_not_speak_tls_13_is_named() {
    for answer in [b"220 mail.example ready\r\n".to_vec(), server_hello_12()] {
        let mut all = options(2, Network::LAN).into_iter();
        let listener = all.next().unwrap().listener.unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(&answer);
            thread::sleep(Duration::from_millis(200));
        });
        let text = refusals(all.collect()).remove(0);
        assert!(text.contains("party 0") && text.contains("does not speak TLS 1.3"), "{text}");
        server.join().unwrap();
    }
}

#[test]
fn strangers_do_not_keep_the_parties_apart() {
    let all = options(2, Network::LAN);
    let address = all[0].roster[0].address.clone();
    let mut strangers: Vec<TcpStream> =
        (0..100).map(|_| TcpStream::connect(&address).unwrap()).collect();
    for (i, stranger) in strangers.iter_mut().enumerate() {
        let garbage = [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x16, 3, 1, 0xff, 0xff], &[0x16]][i % 3];
        let _ = stranger.write_all(garbage);
    }
    let began = Instant::now();
    let errors = both_errors(all, vec![terms(), terms()]);
    assert!(errors.iter().all(Option::is_none), "{errors:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    let mut rest = Vec::new();
    for mut stranger in strangers {
        stranger.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let _ = stranger.read_to_end(&mut rest);
    }
    assert!(rest.len() < 100 * 100, "alerts only");
}

/// Passes bytes of one direction on; what comes after the first `whole` bytes goes through `spoil`,
/// which ends the stream by giving nothing.
fn pass(mut from: TcpStream, mut to: TcpStream, whole: usize, spoil: fn(&mut [u8]) -> &[u8]) {
    let (mut passed, mut bytes) = (0, vec![0; 4096]);
    while let Ok(count) = from.read(&mut bytes) {
        passed += count;
        let piece = &mut bytes[..count];
        let piece = if passed > whole { spoil(piece) } else { piece };
        if piece.is_empty() || to.write_all(piece).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

#[test]
fn what_is_cut_or_altered_on_the_way_is_a_loss_of_the_peer() {
    let cut: fn(&mut [u8]) -> &[u8] = |_| &[];
    let alter: fn(&mut [u8]) -> &[u8] = |piece| {
        piece[0] ^= 1;
        piece
    };
    for (spoil, expected) in [(cut, "without a goodbye"), (alter, "TLS")] {
        let mut all = options(2, Network::LAN);
        let target = all[0].roster[0].address.clone();
        let between = TcpListener::bind("127.0.0.1:0").unwrap();
        all[1].roster[0].address = between.local_addr().unwrap().to_string();
        thread::spawn(move || {
            let (client, _) = between.accept().unwrap();
            let server = TcpStream::connect(target).unwrap();
            let (back, forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || pass(back, forth, usize::MAX, |piece| piece));
            pass(client, server, 50_000, spoil); // well behind the handshake
        });
        let sender = all.pop().unwrap();
        let sender = thread::spawn(move || {
            let mut net = connect(sender, terms()).unwrap().transport;
            let (phase, label) = (Phase::Online, Label("test").id());
            let header = Header { step: 1, path: 0, op: 0, label, phase, length: 100_000 };
            let _ = net.send(0, &header, &[1; 100_000]).and_then(|()| net.flush());
            thread::sleep(Duration::from_millis(300));
            net.abandon();
        });
        // What is spoilt may come before this party has seen the end of the handshake.
        let mut frames = vec![];
        let received = connect(all.remove(0), terms())
            .and_then(|connected| { connected }.transport.receive(&mut frames, true, &[1]));
        let error = received.expect_err("the frame is spoilt");
        assert!(frames.is_empty());
        assert!(matches!(error, Error::PeerLost { party: 1, .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        sender.join().unwrap();
    }
}

//! Parties of one process that meet over TLS.
#![allow(dead_code, unreachable_pub, reason = "no test uses all of it")]

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use mpc_runtime::{Error, Transport};
use mpc_vm::net::identity::{self, Generated};
use mpc_vm::net::{Connected, Deadlines, Identity, Network, Options, Peer, Terms, connect};

pub fn deadlines() -> Deadlines {
    let seconds = Duration::from_secs;
    Deadlines { connect: seconds(5), handshake: seconds(3), receive: seconds(3) }
}

pub fn identity_of(made: &Generated) -> Identity {
    Identity::from_pem(made.key_pem.as_bytes(), made.certificate_pem.as_bytes()).unwrap()
}

/// Keys and certificates of `parties` parties.
pub fn generated(parties: usize) -> Vec<Generated> {
    (0..parties).map(|p| identity::generate(&format!("party {p}")).unwrap()).collect()
}

/// Options of `parties` parties whose sockets listen already.
pub fn options(parties: usize, network: Network) -> Vec<Options> {
    options_of(generated(parties).iter().map(identity_of).collect(), network)
}

/// As [`options`], of parties with these identities.
pub fn options_of(identities: Vec<Identity>, network: Network) -> Vec<Options> {
    let listeners: Vec<TcpListener> =
        identities.iter().map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let roster: Vec<Peer> = (listeners.iter().zip(&identities).enumerate())
        .map(|(p, (listener, identity))| Peer {
            name: format!("party {p}"),
            address: listener.local_addr().unwrap().to_string(),
            fingerprint: identity.fingerprint(),
        })
        .collect();
    let each = listeners.into_iter().zip(identities).enumerate();
    each.map(|(me, (listener, identity))| Options {
        me,
        roster: roster.clone(),
        identity,
        listen: None,
        listener: Some(listener),
        deadlines: deadlines(),
        network,
    })
    .collect()
}

pub fn terms() -> Terms {
    let mut terms = Terms::new();
    terms.add("protocol", "test");
    terms
}

/// Runs `body` as every party, each in its own thread.
pub fn with_parties<R: Send + 'static>(
    options: Vec<Options>,
    body: impl Fn(Connected) -> R + Send + Clone + 'static,
) -> Vec<R> {
    let threads: Vec<_> = (options.into_iter())
        .map(|options| {
            let body = body.clone();
            thread::spawn(move || body(connect(options, terms()).unwrap()))
        })
        .collect();
    threads.into_iter().map(|t| t.join().unwrap()).collect()
}

/// Lets the parties meet; what went wrong at each.
pub fn both_errors(all: Vec<Options>, terms: Vec<Terms>) -> Vec<Option<Error>> {
    let threads: Vec<_> = (all.into_iter().zip(terms))
        .map(|(options, terms)| {
            thread::spawn(move || match connect(options, terms) {
                Ok(mut connected) => {
                    let _ = connected.transport.close();
                    None
                }
                Err(error) => Some(error),
            })
        })
        .collect();
    threads.into_iter().map(|t| t.join().unwrap()).collect()
}

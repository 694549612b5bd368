//! Measures the transport on this machine: dependent rounds of 8 bytes, and bulk both ways.
//!
//! `cargo run --release -p mpc-vm --example net [PARTIES] [MEGABYTES]`

use std::net::TcpListener;
use std::thread;
use std::time::Instant;

use mpc_runtime::{Header, Label, Phase, Transport};
use mpc_vm::net::{Deadlines, Identity, Network, Options, Peer, Terms, TlsTransport};
use mpc_vm::net::{connect, identity};

const ROUNDS: u64 = 20_000;
const CHUNK_BYTES: usize = 1 << 20;

fn header(step: u64, length: usize) -> Header {
    let length = u32::try_from(length).expect("chunks are short");
    Header { step, path: 0, op: 0, label: Label("bench").id(), phase: Phase::Online, length }
}

fn main() {
    let argument = |at: usize, default: usize| {
        std::env::args().nth(at).and_then(|a| a.parse().ok()).unwrap_or(default)
    };
    let (parties, megabytes) = (argument(1, 3), argument(2, 512));
    let listeners: Vec<TcpListener> = (0..parties)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("loopback has a free port"))
        .collect();
    let made: Vec<_> =
        (0..parties).map(|_| identity::generate("bench").expect("keys can be made")).collect();
    let roster: Vec<Peer> = (listeners.iter().zip(&made))
        .map(|(listener, made)| Peer {
            name: String::new(),
            address: listener.local_addr().expect("it is bound").to_string(),
            fingerprint: made.fingerprint,
        })
        .collect();
    println!("{} parties, {}", parties, identity::PROVIDER);
    thread::scope(|scope| {
        for (me, (listener, made)) in listeners.into_iter().zip(&made).enumerate() {
            let roster = roster.clone();
            scope.spawn(move || {
                let identity =
                    Identity::from_pem(made.key_pem.as_bytes(), made.certificate_pem.as_bytes())
                        .expect("just made");
                let (deadlines, network) = (Deadlines::default(), Network::LAN);
                let listener = Some(listener);
                let options =
                    Options { me, roster, identity, listen: None, listener, deadlines, network };
                let began = Instant::now();
                let mut net = connect(options, Terms::new()).expect("all are here").transport;
                if me == 0 {
                    println!("connected in {:?}", began.elapsed());
                }
                let ahead = ring(&mut net);
                bulk(&mut net, megabytes, ahead);
                net.close().expect("nobody is lost");
            });
        }
    });
}

/// Every party sends 8 bytes to the next one and waits for those of the previous one. Returns the
/// number of frames that came ahead of what follows.
fn ring(net: &mut TlsTransport) -> usize {
    let (me, parties) = (net.me(), net.parties());
    let (next, previous) = ((me + 1) % parties, (me + parties - 1) % parties);
    let mut frames = Vec::new();
    let mut had = 0;
    let began = Instant::now();
    for step in 0..ROUNDS {
        net.send(next, &header(step, 8), &[0; 8]).expect("nobody is lost");
        net.flush().expect("nobody is lost");
        while had <= step {
            net.receive(&mut frames, true, &[previous]).expect("nobody is lost");
            had += frames.drain(..).count() as u64;
        }
    }
    if me == 0 {
        println!("a round of 8 bytes: {:?}", began.elapsed() / ROUNDS as u32);
    }
    (had - ROUNDS) as usize
}

/// Every party sends to the next one as fast as it can.
fn bulk(net: &mut TlsTransport, megabytes: usize, ahead: usize) {
    let (me, parties) = (net.me(), net.parties());
    let (next, previous) = ((me + 1) % parties, (me + parties - 1) % parties);
    let chunk: Vec<u8> = (0..CHUNK_BYTES).map(|i| i as u8).collect();
    let mut frames = Vec::new();
    let (mut sent, mut received) = (0, ahead);
    let began = Instant::now();
    while received < megabytes || sent < megabytes {
        if sent < megabytes && sent < received + 8 {
            net.send(next, &header(sent as u64, chunk.len()), &chunk).expect("nobody is lost");
            net.flush().expect("nobody is lost");
            sent += 1;
        }
        let wait = received < megabytes && (sent == megabytes || sent >= received + 8);
        net.receive(&mut frames, wait, &[previous]).expect("nobody is lost");
        received += frames.drain(..).count();
    }
    let rate = (megabytes * CHUNK_BYTES) as f64 / began.elapsed().as_secs_f64() / 1e9;
    if me == 0 {
        println!("bulk, sending and receiving: {rate:.2} GB/s per party and direction");
    }
}

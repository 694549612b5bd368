//! Parties over TLS on this machine: exchange, bulk, faults.

mod support;

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use mpc_runtime::transport::Frame;
use mpc_runtime::{Error, Header, Label, Party, Phase, Transport};
use mpc_vm::net::{Network, Terms, TlsTransport};
use support::{both_errors, options, terms, with_parties};

fn header(step: u64, length: usize) -> Header {
    Header {
        step,
        path: 0,
        op: 0,
        label: Label("test").id(),
        phase: Phase::Online,
        length: u32::try_from(length).unwrap(),
    }
}

fn send(net: &mut TlsTransport, to: Party, step: u64, payload: &[u8]) {
    net.send(to, &header(step, payload.len()), payload).unwrap();
}

/// The next frame of `from`; of the others none may come.
fn next_from(net: &mut TlsTransport, from: Party) -> Result<Frame, Error> {
    let mut frames = Vec::new();
    net.receive(&mut frames, true, &[from])?;
    assert_eq!(frames.len(), 1);
    Ok(frames.remove(0))
}

#[test]
fn pairwise_seeds_and_session_are_shared_by_those_who_should() {
    let all = with_parties(options(4, Network::LAN), |c| {
        let mut transport = c.transport;
        transport.close().unwrap();
        (c.seeds, c.session_id)
    });
    for (me, (seeds, id)) in all.iter().enumerate() {
        assert_eq!(*id, all[0].1);
        for peer in 0..4 {
            if peer != me {
                assert_eq!(seeds[peer], all[peer].0[me]);
            }
            for other in 0..4 {
                assert!(other == peer || seeds[other] != seeds[peer]);
            }
        }
    }
}

#[test]
fn bulk_in_both_directions_of_all_links_arrives_whole() {
    const BYTES: usize = 24 << 20;
    let sums = with_parties(options(3, Network::LAN), |c| {
        let mut net = c.transport;
        let me = net.me();
        let payload: Vec<u8> = (0..BYTES).map(|i| (i * 31 + me) as u8).collect();
        for peer in (0..3).filter(|p| *p != me) {
            send(&mut net, peer, 1, &payload);
            send(&mut net, peer, 2, &[]);
            send(&mut net, peer, 3, &[me as u8]);
        }
        net.flush().unwrap();
        let mut frames = Vec::new();
        while frames.len() < 6 {
            net.receive(&mut frames, true, &[]).unwrap();
        }
        net.close().unwrap();
        for from in (0..3).filter(|p| *p != me) {
            let of: Vec<&Frame> = frames.iter().filter(|f| f.from == from).collect();
            assert_eq!(of.iter().map(|f| f.header.step).collect::<Vec<_>>(), [1, 2, 3]);
            assert!(of[0].payload.iter().enumerate().all(|(i, b)| *b == (i * 31 + from) as u8));
            assert_eq!(of[2].payload[..], [from as u8]);
        }
        frames.len()
    });
    assert_eq!(sums, [6, 6, 6]);
}

#[test]
fn thousands_of_rounds_of_many_sizes_keep_their_order() {
    with_parties(options(3, Network::LAN), |c| {
        let mut net = c.transport;
        let mut frames = VecDeque::new();
        let (next, previous) = ((net.me() + 1) % 3, (net.me() + 2) % 3);
        for step in 0..2000_u64 {
            let length = if step % 50 == 0 { 40_000 + step as usize } else { (step % 70) as usize };
            send(&mut net, next, step, &vec![step as u8; length]);
            net.flush().unwrap();
            while frames.is_empty() {
                let mut more = Vec::new(); // the neighbour may be ahead by a round
                net.receive(&mut more, true, &[previous]).unwrap();
                frames.extend(more);
            }
            let frame = frames.pop_front().unwrap();
            assert_eq!((frame.header.step, frame.payload.len()), (step, length));
        }
        net.close().unwrap();
    });
}

#[test]
fn an_orderly_end_is_no_loss_and_an_early_one_is() {
    let errors = with_parties(options(3, Network::LAN), |c| {
        let mut net = c.transport;
        if net.me() == 2 {
            send(&mut net, 0, 1, b"last words");
            net.close().unwrap();
            return None;
        }
        if net.me() == 1 {
            thread::sleep(Duration::from_millis(50));
            send(&mut net, 0, 1, b"later");
            net.close().unwrap();
            return None;
        }
        assert_eq!(next_from(&mut net, 2).unwrap().payload[..], *b"last words");
        assert_eq!(next_from(&mut net, 1).unwrap().payload[..], *b"later");
        next_from(&mut net, 2).err()
    });
    let text = errors[0].as_ref().unwrap().to_string();
    assert!(text.contains("party 2") && text.contains("ended its run"), "{text}");
}

#[test]
fn a_lost_party_is_named_at_once_even_while_another_is_awaited() {
    let began = Instant::now();
    let errors = with_parties(options(3, Network::LAN), |c| {
        let mut net = c.transport;
        match net.me() {
            // forgets its sockets, as a killed process does
            2 => {
                thread::sleep(Duration::from_millis(100));
                net.abandon();
                None
            }
            me => next_from(&mut net, 1 - me).err(),
        }
    });
    assert!(began.elapsed() < Duration::from_secs(2));
    for error in errors.iter().take(2) {
        let error = error.as_ref().unwrap();
        assert!(matches!(error, Error::PeerLost { party: 2, .. }), "{error}");
    }
}

#[test]
fn a_party_that_gives_up_says_why() {
    let errors = with_parties(options(2, Network::LAN), |c| {
        let mut net = c.transport;
        if net.me() == 1 {
            next_from(&mut net, 0).unwrap();
            net.abort(&Error::Program("no such table".into()));
            return None;
        }
        send(&mut net, 1, 1, b"ready");
        net.flush().unwrap();
        next_from(&mut net, 1).err()
    });
    let text = errors[0].as_ref().unwrap().to_string();
    assert!(text.contains("party 1") && text.contains("no such table"), "{text}");
}

#[test]
fn a_silent_party_is_named_after_the_deadline() {
    let mut all = options(3, Network::LAN);
    for options in &mut all {
        options.deadlines.receive = Duration::from_millis(300);
    }
    let began = Instant::now();
    let errors = with_parties(all, |c| {
        let mut net = c.transport;
        if net.me() == 0 {
            return next_from(&mut net, 1).err();
        }
        thread::sleep(Duration::from_millis(900));
        net.close().err().and(None)
    });
    assert!(began.elapsed() < Duration::from_secs(3));
    assert!(matches!(errors[0], Some(Error::Timeout { party: 1, .. })), "{:?}", errors[0]);
}

/// A party that only sends holds little, however long the other takes before it reads.
#[test]
fn who_sends_more_than_is_taken_waits() {
    const FRAME: usize = 4 << 20;
    const FRAMES: u64 = 40;
    with_parties(options(2, Network::LAN), |c| {
        let mut net = c.transport;
        if net.me() == 0 {
            for step in 0..FRAMES {
                send(&mut net, 1, step, &vec![step as u8; FRAME]);
                net.flush().unwrap();
                assert!(net.queued(1) <= (64 << 20) + 2 * FRAME, "{} bytes wait", net.queued(1));
            }
        } else {
            thread::sleep(Duration::from_millis(300));
            let mut frames = vec![];
            while frames.len() < FRAMES as usize {
                net.receive(&mut frames, true, &[0]).unwrap();
            }
            for (step, frame) in frames.iter().enumerate() {
                assert_eq!(frame.payload[..], vec![step as u8; FRAME]);
            }
        }
        net.close().unwrap();
    });
}

#[test]
fn a_shaped_network_delays_and_limits() {
    let network: Network = "40ms,80Mbit".parse().unwrap();
    with_parties(options(2, network), |c| {
        let mut net = c.transport;
        let peer = 1 - net.me();
        let began = Instant::now();
        for step in 0..5 {
            send(&mut net, peer, step, b"12345678");
            net.flush().unwrap();
            next_from(&mut net, peer).unwrap();
        }
        let round = began.elapsed() / 5;
        assert!((19..=28).contains(&round.as_millis()), "{round:?}");
        let began = Instant::now();
        send(&mut net, peer, 9, &vec![0; 1 << 20]);
        net.flush().unwrap();
        next_from(&mut net, peer).unwrap();
        let seconds = began.elapsed().as_secs_f64();
        assert!((0.12..0.25).contains(&seconds), "1 MiB at 10 MB/s took {seconds} s");
        net.close().unwrap();
    });
}

#[test]
fn terms_that_differ_are_named_by_everyone() {
    let mut other = Terms::new();
    other.add("protocol", "shamir");
    let errors = both_errors(options(3, Network::LAN), vec![terms(), other, terms()]);
    for error in errors {
        let text = error.unwrap().to_string();
        assert!(text.contains("`protocol`") && text.contains("shamir"), "{text}");
    }
}

#[test]
fn an_absent_party_is_named_with_its_address() {
    let mut all = options(3, Network::LAN);
    for options in &mut all {
        options.deadlines.connect = Duration::from_millis(400);
    }
    let absent = all.remove(0);
    let address = absent.roster[0].address.clone();
    drop(absent);
    for error in both_errors(all, vec![terms(), terms()]) {
        let text = error.unwrap().to_string();
        assert!(text.contains("party 0") && text.contains(&address), "{text}");
    }
}

#[test]
fn a_name_that_does_not_resolve_is_named() {
    let mut all = options(2, Network::LAN);
    all[1].roster[0].address = "no-such-host.invalid:1".into();
    let error = both_errors(vec![all.remove(1)], vec![terms()]).remove(0).unwrap();
    assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
}

//! Every verb against its meaning on clear integers, and its declared cost against the wire.

use std::rc::Rc;
use std::sync::Arc;

use mpc_runtime::message::HEADER_BYTES;
use mpc_runtime::{Depth, Executor, Phase, Stats, Step, local};

use crate::algebra::clear;
use crate::cost::{Call, Comparison, Sent, Truncation, Verb};
use crate::protocol::{Fut, Protocol, Seeds, Setup};
use crate::schemes::rep3_ring;
use crate::value::{Clear, ClearBits, Shares};

const LENGTHS: [usize; 6] = [0, 1, 63, 64, 65, 1000];
const SEED: u64 = 0x5EED;

#[derive(Clone)]
enum Values {
    Numbers(Vec<i128>),
    Bits(Vec<bool>),
}
use Values::{Bits, Numbers};

impl Values {
    fn numbers(&self) -> &[i128] {
        match self {
            Numbers(x) => x,
            Bits(_) => panic!("these are bits"),
        }
    }

    fn bits(&self) -> &[bool] {
        match self {
            Bits(x) => x,
            Numbers(_) => panic!("these are numbers"),
        }
    }
}

type Work = Arc<dyn for<'a> Fn(&'a dyn Protocol, &'a Step, &'a [Shares]) -> Fut<'a> + Send + Sync>;

fn work<F>(f: F) -> Work
where
    F: for<'a> Fn(&'a dyn Protocol, &'a Step, &'a [Shares]) -> Fut<'a> + Send + Sync + 'static,
{
    Arc::new(f)
}

fn setup(ring_bits: u32, truncation: Truncation, threads: usize) -> Setup {
    Setup {
        parties: 3,
        ring_bits,
        field_bits: 64,
        stat_sec: 40,
        truncation,
        comparison: Comparison::Rounds,
        threads,
    }
}

fn seeds(me: usize) -> Seeds {
    let pair = |peer: usize| {
        let mut seed = [(me + peer) as u8 + 1; 32];
        seed[..8].copy_from_slice(&SEED.to_le_bytes());
        seed
    };
    Seeds { session: [0; 32], own: [me as u8 + 100; 32], pair: (0..3).map(pair).collect() }
}

/// Numbers that look random.
fn random(n: usize, bits: u32, salt: u64) -> Vec<i128> {
    let mut state = SEED ^ salt.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut next = || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        u128::from((state ^ state >> 31).wrapping_mul(0xD134_2543_DE82_EF95))
    };
    (0..n).map(|_| clear::wrap(((next() << 64) ^ next() ^ next() >> 32) as i128, bits)).collect()
}

/// The extremes of `bits` bits and numbers that look random.
fn edges(n: usize, bits: u32, salt: u64) -> Vec<i128> {
    let max = i128::MAX >> (128 - bits);
    let edges = [0, -1, max, -max - 1, 1.min(max), -max, max / 2, max - 1];
    let mut numbers = random(n, bits, salt);
    let turned = edges.iter().cycle().skip(salt as usize % edges.len());
    numbers.iter_mut().zip(turned.take(n / 2)).for_each(|(x, &edge)| *x = edge);
    numbers
}

fn coins(n: usize, salt: u64) -> Vec<bool> {
    random(n, 2, salt).iter().map(|x| x & 1 == 1).collect()
}

/// Shares with components that all look random: each party contributes a summand.
async fn share(p: &dyn Protocol, step: &Step, values: &Values) -> mpc_runtime::Result<Shares> {
    let mut sum: Option<Shares> = None;
    for owner in 0..3 {
        let part = match values {
            Numbers(x) => {
                let masks: Vec<Vec<i128>> = (1..3).map(|o| random(x.len(), 128, 77 + o)).collect();
                let rest = |i: usize| x[i].wrapping_sub(masks[0][i]).wrapping_sub(masks[1][i]);
                let mine: Vec<i128> = match owner {
                    0 => (0..x.len()).map(rest).collect(),
                    o => masks[o - 1].clone(),
                };
                let there = step.me() == owner;
                let absent = Clear::absent(x.len(), Depth::ZERO);
                let clear = if there { Clear::new(mine, Depth::ZERO) } else { absent };
                p.share(step, owner, &clear, 128).await?
            }
            Bits(x) => {
                let masks: Vec<Vec<bool>> = (1..3).map(|o| coins(x.len(), 77 + o)).collect();
                let rest = |i: usize| x[i] ^ masks[0][i] ^ masks[1][i];
                let mine: Vec<bool> = match owner {
                    0 => (0..x.len()).map(rest).collect(),
                    o => masks[o - 1].clone(),
                };
                let there = step.me() == owner;
                let absent = ClearBits::absent(x.len(), Depth::ZERO);
                let clear = if there { ClearBits::new(mine, Depth::ZERO) } else { absent };
                p.share_bits(step, owner, &clear).await?
            }
        };
        sum = Some(match (sum, values) {
            (None, _) => part,
            (Some(sum), Numbers(_)) => p.add(step, &sum, &part, 128).await?,
            (Some(sum), Bits(_)) => p.xor(step, &sum, &part).await?,
        });
    }
    Ok(sum.expect("three parties"))
}

/// What one party saw of a run.
struct Seen {
    result: Values,
    planes: Vec<Vec<u64>>,
    before: Stats,
    after: Stats,
    declared: Option<crate::Cost>,
}

fn run(
    setup: &Setup,
    operands: &[Values],
    bits_out: bool,
    call: Option<Call>,
    work: &Work,
) -> Vec<Seen> {
    local::run(3, |end| {
        let mut executor = Executor::new(Box::new(end));
        let me = executor.me();
        let p = rep3_ring::build(setup, me, &seeds(me)).expect("the setup fits");
        let declared = call.and_then(|call| p.cost(&call));
        let shared = Rc::new(executor.slot::<Vec<Shares>>());
        let (step, slot, protocol) = (executor.step(0, 0, Depth::ZERO), shared.clone(), p.clone());
        let operands = operands.to_vec();
        executor.spawn(0, 0, async move {
            let mut all = vec![];
            for values in &operands {
                all.push(share(&*protocol, &step, values).await?);
            }
            let depth = all.iter().fold(Depth::ZERO, |d, s| d.max(s.depth));
            slot.fill(all.into_iter().map(|s| s.at_depth(depth)).collect());
            Ok(())
        });
        executor.finish().expect("nobody fails");
        let before = executor.stats();
        let result = Rc::new(executor.slot::<Shares>());
        let (step, slot, protocol) = (executor.step(1, 0, Depth::ZERO), result.clone(), p.clone());
        let (work, inputs) = (work.clone(), shared);
        executor.spawn(1, 0, async move {
            let shares = work(&*protocol, &step, inputs.wait().await).await?;
            slot.fill(shares);
            Ok(())
        });
        executor.finish().expect("nobody fails");
        let after = executor.stats();
        let opened = Rc::new(executor.slot::<Values>());
        let (step, slot, protocol) = (executor.step(2, 0, Depth::ZERO), opened.clone(), p);
        let shares = result.get().expect("the work is done").clone();
        let planes = shares.planes().iter().map(|p| p.words().to_vec()).collect();
        if let Some(cost) = &declared {
            assert_eq!(shares.depth.total, before.rounds.total + cost.rounds, "depth of {call:?}");
        }
        executor.spawn(2, 0, async move {
            slot.fill(if bits_out {
                let opened = protocol.open_bits(&step, &shares, None).await?;
                Bits(opened.values().expect("opened to all").to_vec())
            } else {
                let opened = protocol.open(&step, &shares, None, 128).await?;
                Numbers(opened.values().expect("opened to all").to_vec())
            });
            Ok(())
        });
        executor.finish().expect("nobody fails");
        let result = opened.get().expect("opened").clone();
        Seen { result, planes, before, after, declared }
    })
}

/// Runs a verb; the result, after the parties agree on it and the wire on the cost.
fn verb(setup: &Setup, operands: &[Values], bits_out: bool, call: Call, work: &Work) -> Values {
    let seen = run(setup, operands, bits_out, Some(call), work);
    if let Some(cost) = &seen[0].declared {
        let deepest = |f: fn(&Seen) -> u32| seen.iter().map(f).max().expect("three parties");
        let before = deepest(|s| s.before.rounds.total);
        let after = deepest(|s| s.after.rounds.total).max(before);
        assert_eq!(after - before, cost.rounds, "rounds of {call:?}");
    }
    for (party, s) in seen.iter().enumerate() {
        let sent = |stats: &Stats| stats.sent_in(Phase::Online);
        let (before, after) = (sent(&s.before), sent(&s.after));
        let messages = after.messages - before.messages;
        let payload_bytes = after.bytes - before.bytes - messages * HEADER_BYTES as u64;
        if let Some(cost) = &s.declared {
            assert_eq!(Sent { messages, payload_bytes }, cost.sent[party], "{call:?} at {party}");
        }
        match (&s.result, &seen[0].result) {
            (Numbers(a), Numbers(b)) => assert_eq!(a, b),
            (Bits(a), Bits(b)) => assert_eq!(a, b),
            _ => panic!("numbers and bits"),
        }
    }
    seen.into_iter().next().expect("three parties").result
}

fn exact(ring: u32) -> Setup {
    setup(ring, Truncation::Exact, 1)
}

/// Exact, with carries in a tree and one after the other.
fn both_forms(ring: u32) -> [Setup; 2] {
    [Comparison::Rounds, Comparison::Bytes].map(|comparison| Setup { comparison, ..exact(ring) })
}

#[test]
fn sums_and_products_are_right_at_their_cost() {
    for ring in [64, 128] {
        for n in LENGTHS {
            let (a, b) = (edges(n, ring / 2, 1), edges(n, ring / 2, 2));
            let operands = [Numbers(a.clone()), Numbers(b.clone())];
            let call = |verb| Call { verb, len: n, bits: ring, whole: 0 };
            let product = work(move |p, s, x| p.mul(s, &x[0], &x[1], ring));
            let got = verb(&exact(ring), &operands, false, call(Verb::Mul), &product);
            let expected: Vec<i128> = a.iter().zip(&b).map(|(a, b)| a * b).collect();
            assert_eq!(got.numbers(), expected);
            let sum = work(move |p, s, x| {
                Box::pin(async move {
                    let sum = p.add(s, &x[0], &x[1], ring).await?;
                    let difference = p.sub(s, &x[0], &x[1], ring).await?;
                    let five = Clear::new(vec![5], Depth::ZERO);
                    let scaled = p.mul_clear(s, &difference, &five, ring).await?;
                    let both = p.add(s, &sum, &scaled, ring).await?;
                    p.add_clear(s, &both, &five, ring).await
                })
            });
            let got = verb(&exact(ring), &operands, false, call(Verb::Linear), &sum);
            let linear = |(a, b): (&i128, &i128)| (a + b) + 5 * (a - b) + 5;
            assert_eq!(got.numbers(), a.iter().zip(&b).map(linear).collect::<Vec<_>>());
        }
    }
}

#[test]
fn sums_dots_and_matrices_are_right_at_their_cost() {
    for ring in [64, 128] {
        let (m, k, n) = (5, 7, 9);
        let (a, b) = (random(m * k, 20, 3), random(k * n, 20, 4));
        let operands = [Numbers(a.clone()), Numbers(b.clone())];
        let entry = |i: usize| (0..k).map(|p| a[i / n * k + p] * b[p * n + i % n]).sum::<i128>();
        let expected: Vec<i128> = (0..m * n).map(entry).collect();
        let call = Call {
            verb: Verb::MatMul { rows: m, inner: k, cols: n },
            len: m * n,
            bits: 50,
            whole: 0,
        };
        let product = work(move |p, s, x| p.matmul(s, &x[0], &x[1], (m, k, n), 50));
        for threads in [1, 2] {
            let setup = setup(ring, Truncation::Exact, threads);
            assert_eq!(verb(&setup, &operands, false, call, &product).numbers(), expected);
        }
        let clear = b.clone();
        let product = work(move |p, s, x| {
            let clear = Clear::new(clear.clone(), Depth::ZERO);
            Box::pin(async move { p.matmul_clear(s, &x[0], &clear, (m, k, n), 50).await })
        });
        let clear_call = Call { verb: Verb::MatMulClear { rows: m, inner: k, cols: n }, ..call };
        assert_eq!(verb(&exact(ring), &operands, false, clear_call, &product).numbers(), expected);

        let pairs = [Numbers(a.clone()), Numbers(a.clone())];
        let call = Call { verb: Verb::Dot { inner: k }, len: m, bits: 50, whole: 0 };
        let dot = work(move |p, s, x| p.dot(s, &x[0], &x[1], k, 50));
        let squares: Vec<i128> = a.chunks(k).map(|r| r.iter().map(|x| x * x).sum()).collect();
        assert_eq!(verb(&exact(ring), &pairs, false, call, &dot).numbers(), squares);
        let call =
            Call { verb: Verb::Sum { inner: k, prefix: true }, len: m * k, bits: 50, whole: 0 };
        let prefix = work(move |p, s, x| {
            Box::pin(async move {
                let total = p.sum(s, &x[0], k, 50).await?;
                let running = p.prefix(s, &x[0], k, 50).await?;
                let last = running.pick(total.len(), |i| i * k + k - 1);
                let zero = p.sub(s, &last, &total, 50).await?;
                let spread = zero.pick(running.len(), |i| i / k);
                p.add(s, &running, &spread, 50).await
            })
        });
        let running = |row: &[i128]| -> Vec<i128> {
            row.iter()
                .scan(0, |s, x| {
                    *s += x;
                    Some(*s)
                })
                .collect()
        };
        let expected: Vec<i128> = a.chunks(k).flat_map(running).collect();
        assert_eq!(verb(&exact(ring), &pairs, false, call, &prefix).numbers(), expected);
    }
}

#[test]
fn bits_are_right_at_their_cost() {
    for n in LENGTHS {
        let (a, b) = (coins(n, 1), coins(n, 2));
        let operands = [Bits(a.clone()), Bits(b.clone())];
        let call = Call { verb: Verb::And, len: n, bits: 1, whole: 0 };
        let and = work(|p, s, x| p.and(s, &x[0], &x[1]));
        let got = verb(&exact(64), &operands, true, call, &and);
        assert_eq!(got.bits(), a.iter().zip(&b).map(|(a, b)| a & b).collect::<Vec<_>>());
        let clear = ClearBits::new(b.clone(), Depth::ZERO);
        let known: Vec<bool> = clear.values().expect("known").to_vec();
        let linear = work(move |p, s, x| {
            let clear = ClearBits::new(known.clone(), Depth::ZERO);
            Box::pin(async move {
                let kept = p.and_clear(s, &x[0], &clear).await?;
                let flipped = p.xor_clear(s, &x[0], &clear).await?;
                let one = ClearBits::new(vec![true], Depth::ZERO);
                let flipped = p.xor_clear(s, &flipped, &one).await?;
                p.xor(s, &kept, &flipped).await
            })
        });
        let call = Call { verb: Verb::LinearBits, len: n, bits: 1, whole: 0 };
        let got = verb(&exact(64), &operands, true, call, &linear);
        let expected: Vec<bool> = a.iter().zip(&b).map(|(a, b)| (a & b) ^ !(a ^ b)).collect();
        assert_eq!(got.bits(), expected);
        for ring in [64, 128] {
            let call = Call { verb: Verb::FromBits, len: n, bits: 1, whole: 0 };
            let convert = work(|p, s, x| p.from_bits(s, &x[0]));
            let got = verb(&exact(ring), &operands[..1], false, call, &convert);
            assert_eq!(got.numbers(), a.iter().map(|&b| i128::from(b)).collect::<Vec<_>>());
        }
    }
}

#[test]
fn signs_and_tests_for_zero_are_right_at_their_cost() {
    for (ring, widths) in [(64, vec![1, 2, 3, 8, 33, 63, 64]), (128, vec![1, 2, 65, 100, 128])] {
        for (bits, n) in widths.iter().flat_map(|&b| LENGTHS.map(|n| (b, n))) {
            let a = edges(n, bits, 5);
            let operands = [Numbers(a.clone())];
            let call = |verb| Call { verb, len: n, bits, whole: 0 };
            let ltz = work(move |p, s, x| p.ltz(s, &x[0], bits));
            for setup in both_forms(ring) {
                let got = verb(&setup, &operands, true, call(Verb::Ltz), &ltz);
                assert_eq!(got.bits(), a.iter().map(|&a| a < 0).collect::<Vec<_>>(), "{bits} bits");
            }
            let eqz = work(move |p, s, x| p.eqz(s, &x[0], bits));
            let got = verb(&exact(ring), &operands, true, call(Verb::Eqz), &eqz);
            assert_eq!(got.bits(), a.iter().map(|&a| a == 0).collect::<Vec<_>>(), "{bits} bits");
        }
    }
}

#[test]
fn comparisons_are_right_at_the_extremes_too() {
    for (ring, bits) in [(64, 1), (64, 20), (64, 63), (64, 64), (128, 64), (128, 128)] {
        for n in [1, 64, 200] {
            let (a, mut b) = (edges(n, bits, 6), edges(n, bits, 9));
            b.iter_mut().zip(&a).step_by(3).for_each(|(b, a)| *b = *a);
            let operands = [Numbers(a.clone()), Numbers(b.clone())];
            let call = |verb| Call { verb, len: n, bits, whole: 0 };
            let lt = work(move |p, s, x| p.lt(s, &x[0], &x[1], bits));
            for setup in both_forms(ring) {
                let got = verb(&setup, &operands, true, call(Verb::Lt), &lt);
                assert_eq!(got.bits(), a.iter().zip(&b).map(|(a, b)| a < b).collect::<Vec<_>>());
            }
            let eq = work(move |p, s, x| p.eq(s, &x[0], &x[1], bits));
            let got = verb(&exact(ring), &operands, true, call(Verb::Eq), &eq);
            assert_eq!(got.bits(), a.iter().zip(&b).map(|(a, b)| a == b).collect::<Vec<_>>());
        }
    }
}

#[test]
fn bits_of_numbers_and_back_are_right_at_their_cost() {
    for (ring, bits, k) in [(64, 64, 64), (64, 20, 7), (64, 5, 9), (64, 1, 1), (128, 100, 128)] {
        for n in [0, 1, 65, 130] {
            let a = edges(n, bits, 7);
            let operands = [Numbers(a.clone())];
            let len = n * k as usize;
            let call = Call { verb: Verb::Decompose { k }, len, bits, whole: 0 };
            let decompose = work(move |p, s, x| p.decompose(s, &x[0], k, bits));
            let got = verb(&exact(ring), &operands, true, call, &decompose);
            let bit = |i: usize| a[i / k as usize] >> (i % k as usize) & 1 == 1;
            assert_eq!(got.bits(), (0..len).map(bit).collect::<Vec<_>>());
            if k < bits {
                continue;
            }
            let there = work(move |p, s, x| {
                Box::pin(async move {
                    let parts = p.decompose(s, &x[0], k, bits).await?;
                    p.compose(s, &parts, k, true).await
                })
            });
            let seen = run(&exact(ring), &operands, false, None, &there);
            assert_eq!(seen[0].result.numbers(), a);
        }
    }
}

#[test]
fn choices_are_right_at_their_cost() {
    for ring in [64, 128] {
        for n in LENGTHS {
            let (c, a, b) = (coins(n, 3), edges(n, ring, 1), edges(n, ring, 4));
            let operands = [Bits(c.clone()), Numbers(a.clone()), Numbers(b.clone())];
            let call = Call { verb: Verb::Select, len: n, bits: ring, whole: 0 };
            let select = work(move |p, s, x| p.select(s, &x[0], &x[1], &x[2], ring));
            let got = verb(&exact(ring), &operands, false, call, &select);
            let chosen = |i: usize| if c[i] { a[i] } else { b[i] };
            assert_eq!(got.numbers(), (0..n).map(chosen).collect::<Vec<_>>());
        }
    }
}

#[test]
fn exact_shifts_are_right_at_their_cost() {
    let cases = [
        (64, 56, 16),
        (64, 62, 1),
        (64, 62, 61),
        (64, 20, 19),
        (64, 20, 20),
        (64, 20, 40),
        (64, 5, 0),
        (64, 63, 16),
        (64, 64, 16),
        (64, 64, 1),
        (64, 64, 63),
        (64, 1, 1),
        (64, 2, 1),
        (128, 100, 32),
        (128, 126, 70),
        (128, 127, 3),
        (128, 128, 64),
    ];
    for (ring, bits, shift) in cases {
        for n in [0, 1, 65, 200] {
            let a = edges(n, bits, 8);
            let operands = [Numbers(a.clone())];
            let call = |verb| Call { verb, len: n, bits, whole: 0 };
            let right = work(move |p, s, x| p.shift_right(s, &x[0], bits, shift));
            let got =
                verb(&exact(ring), &operands, false, call(Verb::ShiftRight { shift }), &right);
            let floor: Vec<i128> = a.iter().map(|x| x >> shift).collect();
            assert_eq!(got.numbers(), floor, "{ring} {bits} {shift}");
            let trunc = work(move |p, s, x| p.trunc(s, &x[0], bits, shift));
            let got = verb(&exact(ring), &operands, false, call(Verb::Trunc { shift }), &trunc);
            let rounded = |x: &i128| match shift {
                0 => *x,
                m => (x >> m) + (x >> (m - 1) & 1),
            };
            let nearest: Vec<i128> = a.iter().map(rounded).collect();
            assert_eq!(got.numbers(), nearest, "{ring} {bits} {shift}");
        }
    }
}

#[test]
fn products_are_shifted_at_the_cost_of_the_shift() {
    for (ring, bits, shift) in
        [(64, 40, 16), (64, 56, 16), (64, 62, 1), (64, 63, 20), (64, 20, 25), (128, 90, 32)]
    {
        for (n, inner) in [(0, 1), (1, 1), (65, 1), (200, 1), (1, 7), (200, 3)] {
            let half = (bits - 2) / 2;
            let (a, b) = (edges(n * inner, half, 1), edges(n * inner, half, 4));
            let operands = [Numbers(a.clone()), Numbers(b.clone())];
            let sum = |i: usize| (0..inner).map(|j| a[i * inner + j] * b[i * inner + j]).sum();
            let sums: Vec<i128> = (0..n).map(sum).collect();
            let nearest: Vec<i128> =
                sums.iter().map(|x| (x >> shift) + (x >> (shift - 1) & 1)).collect();
            for mode in [Truncation::Exact, Truncation::Probabilistic, Truncation::Fast] {
                if mode == Truncation::Fast && (41..57).contains(&bits) {
                    continue; // some would be grossly wrong
                }
                let call = |verb| Call { verb, len: n, bits, whole: 0 };
                let (work, call) = match inner {
                    1 => (
                        work(move |p, s, x| p.dot_trunc(s, &x[0], &x[1], 1, bits, shift)),
                        call(Verb::DotTrunc { inner: 1, shift }),
                    ),
                    _ => (
                        work(move |p, s, x| p.dot_trunc(s, &x[0], &x[1], inner, bits, shift)),
                        call(Verb::DotTrunc { inner, shift }),
                    ),
                };
                let got = verb(&setup(ring, mode, 1), &operands, false, call, &work);
                let off = got.numbers().iter().zip(&nearest).map(|(a, b)| (a - b).abs()).max();
                let allowed = i128::from(mode != Truncation::Exact);
                assert!(off.unwrap_or(0) <= allowed, "{ring} {bits} {shift} {inner} {mode}");
            }
        }
    }
}

#[test]
fn other_truncations_are_off_by_one_at_most() {
    for (mode, bits) in
        [(Truncation::Probabilistic, 56), (Truncation::Probabilistic, 63), (Truncation::Fast, 40)]
    {
        let n = 3000;
        let a = edges(n, bits, 10);
        let setup = setup(64, mode, 1);
        let call = Call { verb: Verb::Trunc { shift: 16 }, len: n, bits, whole: 0 };
        let trunc = work(move |p, s, x| p.trunc(s, &x[0], bits, 16));
        let got = verb(&setup, &[Numbers(a.clone())], false, call, &trunc);
        let errors: Vec<f64> =
            got.numbers().iter().zip(&a).map(|(&g, &a)| ((g << 16) - a) as f64 / 65536.0).collect();
        assert!(errors.iter().all(|e| e.abs() <= 1.0), "{mode}");
        let mean = errors[n / 2..].iter().sum::<f64>() / (n - n / 2) as f64;
        assert!(mean.abs() < 0.06, "{mode} is off by {mean} on average");
    }
}

#[test]
fn wrapping_and_bounded_randomness_are_right_at_their_cost() {
    for (ring, bits, k) in [(64, 64, 32), (64, 64, 1), (64, 40, 40), (64, 64, 64), (128, 120, 64)] {
        let n = 300;
        let a = edges(n, bits, 11);
        let call = Call { verb: Verb::Wrap { k }, len: n, bits, whole: 0 };
        let wrap = work(move |p, s, x| p.wrap(s, &x[0], bits, k));
        let got = verb(&exact(ring), &[Numbers(a.clone())], false, call, &wrap);
        assert_eq!(got.numbers(), a.iter().map(|&x| clear::wrap(x, k)).collect::<Vec<_>>());
        if k < ring {
            let call = Call { verb: Verb::Random, len: n, bits: k, whole: 0 };
            let random = work(move |p, s, _| p.random(s, n, k));
            let got = verb(&exact(ring), &[], false, call, &random);
            assert!(got.numbers().iter().all(|x| (0..1 << k).contains(x)));
            let upper = got.numbers().iter().filter(|&&x| x >= 1 << (k - 1)).count();
            assert!((100..200).contains(&upper), "{upper} of 300 in the upper half");
        }
    }
}

#[test]
fn shuffles_keep_rows_and_permutations_place_them() {
    for (rows, width) in [(0, 2), (1, 1), (2, 3), (100, 1), (300, 2)] {
        let a: Vec<i128> = (0..rows * width).map(|i| i as i128).collect();
        let call = |verb| Call { verb, len: rows * width, bits: 20, whole: 0 };
        let shuffle = work(move |p, s, x| p.shuffle(s, &x[0], rows, width, 20));
        let operands = [Numbers(a.clone())];
        let got = verb(&exact(64), &operands, false, call(Verb::Shuffle { width }), &shuffle);
        let mut sorted: Vec<&[i128]> = got.numbers().chunks(width).collect();
        if rows > 50 {
            assert_ne!(got.numbers(), a, "an order that stays has probability 1/rows!");
        }
        sorted.sort();
        assert_eq!(sorted.concat(), a);
        let perm: Vec<i128> = (0..rows).map(|i| ((i * 7 + 3) % rows) as i128).collect();
        if rows % 7 == 0 && rows > 0 {
            continue;
        }
        let operands = [Numbers(a.clone()), Numbers(perm.clone())];
        let permute = work(move |p, s, x| p.permute(s, &x[0], &x[1], width, 20));
        let got = verb(&exact(64), &operands, false, call(Verb::Permute { width }), &permute);
        for (row, &to) in perm.iter().enumerate() {
            let to = to as usize * width;
            assert_eq!(got.numbers()[to..to + width], a[row * width..(row + 1) * width]);
        }
    }
}

#[test]
fn places_are_stable_at_their_cost() {
    let few = [(0, 5), (1, 5), (2, 1), (2, 2), (3, 0), (3, 3), (4, 65), (32, 5)];
    let more = [(33, 1), (33, 0), (63, 2), (64, 5), (65, 40), (1000, 64), (1000, 65)];
    for (rows, k) in [few.as_slice(), &more].concat() {
        let keys = coins(rows * k, 12 + rows as u64);
        let mut order: Vec<usize> = (0..rows).collect();
        order.sort_by_key(|&i| keys[i * k..(i + 1) * k].iter().rev().collect::<Vec<_>>());
        let mut expected = vec![0; rows];
        order.iter().zip(0..).for_each(|(&row, place)| expected[row] = place);
        for ring in [64, 128] {
            let call = Call { verb: Verb::Places { k }, len: rows, bits: 20, whole: 0 };
            let places = work(move |p, s, x| p.places(s, &x[0], rows, 20));
            let got = verb(&exact(ring), &[Bits(keys.clone())], false, call, &places);
            assert_eq!(got.numbers(), expected, "{rows} rows of {k} bits");
        }
    }
}

#[test]
fn unit_vectors_are_right_at_their_cost() {
    let a: Vec<i128> = vec![0, 1, 4, 5, -1, 7, 100];
    let (n, len) = (5, 35);
    let call = Call { verb: Verb::OneHot { n }, len, bits: 8, whole: 0 };
    let one_hot = work(move |p, s, x| p.one_hot(s, &x[0], n, 8));
    let expected: Vec<bool> = (0..len).map(|i| a[i / n] == (i % n) as i128).collect();
    for setup in both_forms(64) {
        let got = verb(&setup, &[Numbers(a.clone())], true, call, &one_hot);
        assert_eq!(got.bits(), expected);
    }
}

#[test]
fn one_party_can_give_and_one_can_learn() {
    for owner in 0..3 {
        let seen = local::run(3, |end| {
            let mut executor = Executor::new(Box::new(end));
            let me = executor.me();
            let p = rep3_ring::build(&exact(64), me, &seeds(me)).expect("the setup fits");
            let declared = [
                p.cost(&Call { verb: Verb::Share { owner }, len: 9, bits: 64, whole: 0 }),
                p.cost(&Call { verb: Verb::ShareBits { owner }, len: 9, bits: 64, whole: 0 }),
                p.cost(&Call { verb: Verb::Open { to: Some(owner) }, len: 9, bits: 64, whole: 0 }),
                p.cost(&Call {
                    verb: Verb::OpenBits { to: Some(owner) },
                    len: 9,
                    bits: 64,
                    whole: 0,
                }),
            ];
            let total =
                declared.into_iter().flatten().fold(crate::Cost::local(3), |a, b| a.then(&b));
            let learnt = Rc::new(executor.slot());
            let (step, slot) = (executor.step(0, 0, Depth::ZERO), learnt.clone());
            executor.spawn(0, 0, async move {
                let x: Vec<i128> = (-4..5).collect();
                let b: Vec<bool> = x.iter().map(|x| x % 3 == 0).collect();
                let there = me == owner;
                let (x, b) = match there {
                    true => (Clear::new(x, Depth::ZERO), ClearBits::new(b, Depth::ZERO)),
                    false => (Clear::absent(9, Depth::ZERO), ClearBits::absent(9, Depth::ZERO)),
                };
                let x = p.share(&step, owner, &x, 8).await?;
                let b = p.share_bits(&step, owner, &b).await?;
                let x = p.open(&step, &x, Some(owner), 8).await?;
                let b = p.open_bits(&step, &b, Some(owner)).await?;
                let found = (x.values().map(<[_]>::to_vec), b.values().map(<[_]>::to_vec));
                slot.fill(found);
                Ok(())
            });
            executor.finish().expect("nobody fails");
            let counts = executor.stats().sent_in(Phase::Online);
            let payload_bytes = counts.bytes - counts.messages * HEADER_BYTES as u64;
            assert_eq!(Sent { messages: counts.messages, payload_bytes }, total.sent[me]);
            learnt.get().expect("done").clone()
        });
        for (party, (x, b)) in seen.into_iter().enumerate() {
            let x_there = (party == owner).then(|| (-4..5).collect::<Vec<i128>>());
            assert_eq!(b, x_there.as_ref().map(|x| x.iter().map(|x| x % 3 == 0).collect()));
            assert_eq!(x, x_there);
        }
    }
}

#[test]
fn shares_of_zero_look_uniform_at_every_party() {
    let n = 1000;
    let zero = [Numbers(vec![0; n]), Numbers(vec![0; n]), Bits(vec![false; n])];
    let verbs: [Work; 6] = [
        work(|p, s, x| p.dot_trunc(s, &x[0], &x[1], 1, 56, 16)),
        work(|p, s, x| p.mul(s, &x[0], &x[1], 64)),
        work(|p, s, x| p.select(s, &x[2], &x[0], &x[1], 64)),
        work(|p, s, x| p.from_bits(s, &x[2])),
        work(|p, s, x| p.trunc(s, &x[0], 56, 16)),
        work(move |p, s, x| p.shuffle(s, &x[0], n, 1, 64)),
    ];
    for (number, verb) in verbs.iter().enumerate() {
        for seen in run(&exact(64), &zero, false, None, verb) {
            assert!(seen.result.numbers().iter().all(|&x| x == 0));
            for plane in seen.planes {
                for bit in 0..64 {
                    let ones = plane.iter().filter(|w| *w >> bit & 1 == 1).count();
                    // 5.5 standard deviations
                    assert!((413..=587).contains(&ones), "verb {number}, bit {bit}: {ones} ones");
                }
            }
        }
    }
}

#[test]
fn results_and_messages_do_not_depend_on_the_number_of_threads() {
    let n = 40_000;
    let operands = [Numbers(random(n, 30, 1)), Numbers(random(n, 30, 2))];
    let both = work(|p, s, x| {
        Box::pin(async move {
            let product = p.mul(s, &x[0], &x[1], 60).await?;
            p.trunc(s, &product, 60, 16).await
        })
    });
    let runs: Vec<Vec<Seen>> = [1, 2, 3]
        .map(|threads| run(&setup(64, Truncation::Exact, threads), &operands, false, None, &both))
        .into();
    for other in &runs[1..] {
        for (a, b) in runs[0].iter().zip(other) {
            assert!(a.planes == b.planes && a.after.sent == b.after.sent);
        }
    }
}

#[test]
fn rings_wider_than_128_bits_are_refused() {
    let refused = rep3_ring::build(&exact(129), 0, &seeds(0)).err().expect("too wide");
    assert!(refused.to_string().contains("129 bits"), "{refused}");
}

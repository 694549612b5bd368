//! Against the ideal: of each transfer the sender has two messages, the receiver its choice and the one
//! message that it says.

use std::cell::RefCell;
use std::rc::Rc;

use mpc_runtime::simulate::Network;
use mpc_runtime::tamper::{MUTATORS, Plan, Tamper};
use mpc_runtime::{Depth, Error, Executor, Label, Misbehaviour, Party, Phase, Transport};

use super::products::{Products, accept, offer, prepare};
use super::*;
use crate::algebra::field::{F61, F127, F255};
use crate::algebra::number::Number;
use crate::cost::Sent;
use crate::testing::conformance::seed;
use crate::testing::session::seeds;

const LENGTHS: [usize; 11] = [0, 1, 7, 8, 63, 64, 65, 127, 128, 129, 1000];

const FORMS: [fn(usize) -> Form; 2] = [Form::semi_honest, Form::malicious];

/// What one party has after a call with its only peer.
struct View {
    delta: Block,
    extended: Extended,
    /// Bytes and messages of the call, and its rounds.
    cost: (Sent, u32),
}

/// Bits that look random.
fn bits_of(salt: u64, n: usize) -> Vec<u64> {
    let mut words = vec![0; n.div_ceil(64)];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed().to_le_bytes()).update(&salt.to_le_bytes());
    hasher.finalize_xof().fill(bytemuck::cast_slice_mut(&mut words));
    words
}

fn bit(words: &[u64], i: usize) -> bool {
    words[i / 64] >> (i % 64) & 1 == 1
}

/// One call at both of two parties: `many[i]` is what party i sends.
fn extended(
    form: Form,
    many: [Many; 2],
    plan: Option<(Party, Plan)>,
) -> (Vec<mpc_runtime::Result<View>>, bool) {
    let applied = std::sync::atomic::AtomicBool::new(false);
    let outcome = Network::new(2, seed()).run(|end| {
        let me = end.me();
        let plan = plan.filter(|(cheater, _)| *cheater == me).map(|(_, plan)| plan);
        let (transport, log): (Box<dyn Transport>, _) = match plan {
            Some(plan) => {
                let (tampered, log) = Tamper::new(end, plan);
                (Box::new(tampered), Some(log))
            }
            None => (Box::new(end), None),
        };
        let view = at_one(transport, form, many);
        if log.is_some_and(|log| log.lock().expect("nobody panicked").applied) {
            applied.store(true, std::sync::atomic::Ordering::SeqCst);
        }
        view
    });
    (outcome.results, applied.into_inner())
}

fn at_one(transport: Box<dyn Transport>, form: Form, many: [Many; 2]) -> mpc_runtime::Result<View> {
    let (me, peer) = (transport.me(), 1 - transport.me());
    let seeds = seeds(seed(), me, 2);
    let (bases, ot) = (Bases::new(&seeds, me, form.odd), Ot::new(&seeds, me, form));
    let mut executor = Executor::new(transport);
    let step = executor.step(0, 0, Depth::ZERO);
    let shared = Rc::new((bases, ot));
    let (made, out) = (shared.clone(), Rc::new(RefCell::new(None)));
    executor.spawn(0, 0, async move {
        made.0.agree(&step.op(Depth::ZERO)).await?;
        made.1.grow(&step.op(Depth::ZERO), &made.0).await
    });
    executor.finish().map_err(|(_, error)| error)?;
    let before = executor.stats();
    let (step, made, result) = (executor.step(1, 0, Depth::ZERO), shared.clone(), out.clone());
    executor.spawn(1, 0, async move {
        let op = step.op(Depth::ZERO);
        let given = bits_of(me as u64, many[peer].len);
        let choices = if many[peer].random { Choices::Random } else { Choices::Given(&given) };
        let call = |_| Call { send: many[me], receive: many[peer], choices };
        let mut all = made.1.extend(&op, call).await?;
        *result.borrow_mut() = all[peer].take().map(|e| (e, op.depth().total));
        Ok(())
    });
    executor.finish().map_err(|(_, error)| error)?;
    executor.close()?;
    let (extended, rounds) = out.take().expect("the call is over");
    let count = |stats: &mpc_runtime::Stats| stats.sent_in(Phase::Online);
    let (before, after) = (count(&before), count(&executor.stats()));
    let messages = after.messages - before.messages;
    let headers = messages * mpc_runtime::message::HEADER_BYTES as u64;
    let payload_bytes = after.bytes - before.bytes - headers;
    Ok(View {
        delta: shared.1.delta(peer),
        extended,
        cost: (Sent { messages, payload_bytes }, rounds),
    })
}

fn honest(form: Form, many: [Many; 2]) -> Vec<View> {
    extended(form, many, None).0.into_iter().map(|v| v.expect("nobody cheats")).collect()
}

fn both(views: &[View]) -> [&View; 2] {
    [&views[0], &views[1]]
}

/// The definition.
fn check(many: [Many; 2], views: [&View; 2]) {
    for sender in 0..2 {
        let (delta, s, r) =
            (views[sender].delta, &views[sender].extended, &views[1 - sender].extended);
        let (sent, received) = (s.sent.to_vec(), r.received.to_vec());
        assert_eq!((sent.len(), received.len()), (many[sender].len, many[sender].len));
        for j in 0..many[sender].len {
            let chosen = if bit(&r.choices, j) { delta } else { 0 };
            assert_eq!(received[j], sent[j] ^ chosen, "transfer {j} from {sender}");
        }
        if !many[sender].random {
            let given = bits_of(1 - sender as u64, many[sender].len);
            assert!((0..many[sender].len).all(|j| bit(&r.choices, j) == bit(&given, j)));
        }
    }
}

#[test]
fn every_transfer_is_what_it_is_to_be_at_every_length_and_costs_what_is_declared() {
    for form in FORMS {
        for k in [1, 2, 4, 8] {
            for (i, &len) in LENGTHS.iter().enumerate() {
                let other = LENGTHS[(i + 3) % LENGTHS.len()];
                let many = [Many::chosen(len), Many::random(other)];
                let views = honest(form(k), many);
                check(many, both(&views));
                let cost = Ot::cost(form(k), 2, |sender, _| many[sender]);
                for (party, view) in views.iter().enumerate() {
                    let rounds = if many.iter().all(|m| m.len == 0) { 0 } else { cost.rounds };
                    assert_eq!(view.cost, (cost.sent[party], rounds.max(view.cost.1)), "k = {k}");
                }
            }
        }
    }
    let many = [Many::chosen(20_000), Many::random(9_000)];
    for form in FORMS {
        check(many, both(&honest(form(4), many)));
        check(many, both(&honest(form(8), many)));
    }
}

/// Silent with little noise, so that short calls are.
const SILENT: Form = Form { noise: 8, ..Form::silent(4) };

fn is_silent(many: Many) -> bool {
    SILENT.grove(many).is_some()
}

#[test]
fn long_calls_are_silent_and_what_they_are_to_be_at_every_length() {
    let all = [Many::chosen, Many::random];
    let least = all.map(|many| (1..).find(|&len| is_silent(many(len))).expect("some are long"));
    let lengths = [least[0] - 1, least[0], least[1] - 1, least[1], least[1] + 1, 4095, 4096, 5001];
    for (i, &len) in lengths.iter().enumerate() {
        for (one, other) in [(0, 1), (1, 1), (0, 0)] {
            let many = [all[one](len), all[other](lengths[(i + 3) % lengths.len()])];
            let views = honest(SILENT, many);
            check(many, both(&views));
            let cost = Ot::cost(SILENT, 2, |sender, _| many[sender]);
            for (party, view) in views.iter().enumerate() {
                assert_eq!(view.cost, (cost.sent[party], cost.rounds), "{many:?}");
            }
        }
    }
}

#[test]
fn silent_calls_with_the_noise_that_is_used_are_right_and_look_uniform() {
    let many = [Many::random(210_000), Many::chosen(60_003)];
    let form = Form::silent(4);
    assert!(many.iter().all(|&many| form.grove(many).is_some()));
    let views = honest(form, many);
    check(many, both(&views));
    for view in &views {
        // The lowest bit is what choices are read from.
        let upper = |block: &Block| block.to_le_bytes().into_iter().skip(1);
        assert_uniform("blocks", view.extended.sent.to_vec().iter().flat_map(upper));
        assert_uniform("blocks", view.extended.received.to_vec().iter().flat_map(upper));
    }
    let choices = &views[1].extended.choices;
    assert_uniform("choices", choices[..210_000 / 64].iter().flat_map(|w| w.to_le_bytes()));
}

#[test]
fn altered_messages_of_silent_calls_are_no_reason_to_panic() {
    let many = [Many::chosen(3000), Many::random(2000)];
    assert!(many.iter().all(|&many| is_silent(many)));
    let labels = ["ot.extend.correct", "ot.silent.trees", "ot.silent.choose"];
    let cases = labels.iter().flat_map(|&label| MUTATORS.iter().map(move |&m| (label, m)));
    for (label, mutator) in cases {
        let cheater = usize::from(label == "ot.silent.choose");
        let plan = Plan { label: Label(label), occurrence: 0, mutator };
        let (views, _) = extended(SILENT, many, Some((cheater, plan)));
        if let Err(error) = &views[1 - cheater] {
            let fair = matches!(
                error,
                Error::Cheating { .. } | Error::PeerLost { .. } | Error::Timeout { .. }
            );
            assert!(fair, "{label}, {}: {error}", mutator.name);
        }
    }
}

#[test]
fn the_lowest_bit_of_delta_is_one_if_it_is_to_be() {
    let form = Form { odd: true, ..Form::semi_honest(4) };
    let many = [Many::chosen(100); 2];
    let views = honest(form, many);
    check(many, both(&views));
    assert!(views.iter().all(|v| v.delta & 1 == 1) && views[0].delta != views[1].delta);
}

/// Chi-square of bytes against uniform ones, 255 degrees of freedom: above 400 with a probability below
/// 2·10^-8.
pub(crate) fn assert_uniform(what: &str, bytes: impl Iterator<Item = u8>) {
    let mut counts = [0_u32; 256];
    bytes.for_each(|b| counts[b as usize] += 1);
    let expected = counts.iter().sum::<u32>() as f64 / 256.0;
    let chi: f64 = counts.iter().map(|&c| (f64::from(c) - expected).powi(2) / expected).sum();
    assert!(expected > 100.0, "{what}: few bytes");
    assert!(chi < 400.0, "{what}: chi square {chi}, SEED={}", seed());
}

#[test]
fn messages_and_choices_are_uniform() {
    let many = [Many::random(1 << 15); 2];
    let views = honest(Form::semi_honest(4), many);
    for view in &views {
        let blocks = [view.extended.sent.to_vec(), view.extended.received.to_vec()];
        for blocks in &blocks {
            assert_uniform("blocks", blocks.iter().flat_map(|b| b.to_le_bytes()));
            for place in [0, 63, 127] {
                let ones = blocks.iter().filter(|&&b| b >> place & 1 == 1).count() as f64;
                let distance = (ones - blocks.len() as f64 / 2.0).abs();
                assert!(distance < 3.0 * (blocks.len() as f64).sqrt(), "bit {place}");
            }
        }
    }
    let choices =
        views.iter().flat_map(|v| v.extended.choices.iter().flat_map(|w| w.to_le_bytes()));
    let all: Vec<u8> = choices.collect();
    let ones: u32 = all.iter().map(|b| b.count_ones()).sum();
    let n = 8.0 * all.len() as f64;
    assert!((f64::from(ones) - n / 2.0).abs() < 3.0 * n.sqrt(), "{ones} ones of {n}");
}

/// All labels of a run against cheaters.
const LABELS: [&str; 6] = [
    "ot.base.offer",
    "ot.base.choose",
    "ot.tree.levels",
    "ot.extend.correct",
    "ot.extend.challenge",
    "ot.extend.answer",
];

#[test]
fn any_altered_message_is_noticed_or_does_no_harm() {
    let many = [Many::chosen(65), Many::random(130)];
    let cases = LABELS.iter().flat_map(|&label| MUTATORS.iter().map(move |&m| (label, m)));
    for (i, (label, mutator)) in cases.enumerate() {
        let cheater = i % 2;
        let plan = Plan { label: Label(label), occurrence: 0, mutator };
        let (views, applied) = extended(Form::malicious(4), many, Some((cheater, plan)));
        let name = format!("{label}, {}, SEED={}", mutator.name, seed());
        if let Err(error) = &views[1 - cheater] {
            let fair = matches!(
                error,
                Error::Cheating { .. } | Error::PeerLost { .. } | Error::Timeout { .. }
            );
            assert!(fair, "{name}: {error}");
        }
        if let [Ok(one), Ok(two)] = &views[..] {
            // A sum of a tree is not even read if Δ went the other way, and a copy of the last message
            // may come when all is over; nothing else goes unnoticed.
            let harmless = label == "ot.tree.levels" || mutator.name == "duplicate";
            assert!(!applied || harmless, "{name}: nobody noticed");
            check(many, [one, two]);
        }
    }
}

#[test]
fn choices_that_differ_from_tree_to_tree_are_noticed() {
    // A bit of the correction of one tree is flipped: the choice of one transfer differs there.
    let flip = |name: &str| *MUTATORS.iter().find(|m| m.name == name).expect("it is in the table");
    for name in ["flip the first bit", "flip a bit in the middle", "add one"] {
        let plan = Plan { label: super::softspoken::CORRECT, occurrence: 0, mutator: flip(name) };
        let many = [Many::chosen(500), Many::chosen(500)];
        let (views, applied) = extended(Form::malicious(2), many, Some((0, plan)));
        assert!(applied);
        let error = views[1].as_ref().err().expect("it is noticed");
        let what = Misbehaviour::Inconsistent { label: "ot.extend.correct" };
        assert_eq!(*error, Error::Cheating { party: 0, what }, "{name}");
    }
}

#[test]
fn trees_whose_tags_do_not_fit_are_noticed() {
    // The end of the message is the hash of all tags.
    let mutator = *MUTATORS.iter().find(|m| m.name == "flip the last bit").expect("it is there");
    let plan = Plan { label: Shape::LABEL, occurrence: 0, mutator };
    let (views, _) = extended(Form::malicious(4), [Many::chosen(1); 2], Some((0, plan)));
    let what = Misbehaviour::Inconsistent { label: Shape::LABEL.0 };
    assert_eq!(*views[1].as_ref().err().expect("noticed"), Error::Cheating { party: 0, what });
}

#[test]
fn points_that_are_none_are_refused() {
    let many = [Many::chosen(1); 2];
    for label in ["ot.base.offer", "ot.base.choose"] {
        // All zeros is the neutral point, all ones no point.
        for name in ["zero", "all ones"] {
            let mutator = *MUTATORS.iter().find(|m| m.name == name).expect("it is in the table");
            let plan = Plan { label: Label(label), occurrence: 0, mutator };
            for form in FORMS {
                let (views, _) = extended(form(4), many, Some((1, plan)));
                let what = Misbehaviour::OutOfRange { label };
                let refused = Error::Cheating { party: 1, what };
                assert_eq!(views[0].as_ref().err().expect("refused"), &refused, "{name}");
            }
        }
    }
}

/// Numbers that look random.
fn numbers<N: Number>(salt: u64, n: usize) -> Vec<N> {
    bits_of(salt, 64 * N::WORDS * n).chunks_exact(N::WORDS).map(N::uniform).collect()
}

/// Shares of products add up to the products, and the message of the sender is uniform.
fn products_are_right<N: Number>(products: Products) {
    products_with::<N>(Form::semi_honest(4), products);
}

fn products_with<N: Number>(form: Form, products: Products) {
    let many = [Many::chosen(products.transfers()); 2];
    let views = honest(form, many);
    let [sender, receiver] = both(&views);
    let (sent, received) = (&sender.extended.sent, &receiver.extended.received);
    let factors: Vec<N> = numbers(7, products.transfers() * products.width);
    let factor = |number: usize, bit: usize, column: usize| {
        factors[(number * products.bits + bit) * products.width + column]
    };
    let mut shares = [0, 1].map(|_| vec![N::zero(); products.results()]);
    let message = offer(&products, 0, sent, sender.delta, factor, &mut shares[0]);
    assert_eq!(message.len(), products.bytes::<N>());
    if N::RING && message.len() > 1 << 16 {
        assert_uniform("products", message.iter().copied());
    }
    prepare(&products, 0, received, &mut shares[1]);
    let choices = &receiver.extended.choices;
    accept(&products, 0, choices, &message, &mut shares[1]).expect("numbers");
    let mut due = vec![N::zero(); products.results()];
    for at in 0..products.transfers() * products.width {
        let (transfer, column) = (at / products.width, at % products.width);
        let (number, bit) = (transfer / products.bits, transfer % products.bits);
        let weighed = factor(number, bit, column).raised(products.first + bit as u32);
        let target = match products.inner {
            0 => at,
            inner => number / inner * products.width + column,
        };
        let chosen = weighed.masked(u64::from(self::bit(choices, transfer)));
        due[target] = due[target].plus(chosen);
    }
    for (i, due) in due.iter().enumerate() {
        assert_eq!(shares[0][i].plus(shares[1][i]).wide(), due.wide(), "result {i}");
    }
}

fn products_of<N: Number>() {
    let plain = Products { numbers: 5, bits: N::BITS, first: 0, width: 1, inner: 1 };
    products_are_right::<N>(plain);
    products_are_right::<N>(Products { numbers: 300, inner: 3, ..plain });
    products_are_right::<N>(Products { numbers: 12, width: 5, inner: 4, ..plain });
    products_are_right::<N>(Products { numbers: 200, bits: 1, first: 1, inner: 0, ..plain });
}

#[test]
fn products_are_right_with_silent_transfers() {
    let form = SILENT;
    products_with::<u64>(form, Products { numbers: 70, bits: 64, first: 0, width: 2, inner: 7 });
    products_with::<F61>(form, Products { numbers: 70, bits: 61, first: 0, width: 1, inner: 1 });
}

#[test]
fn products_are_what_they_are_to_be_over_every_ring_and_field() {
    products_of::<u64>();
    products_of::<u128>();
    products_of::<F61>();
    products_of::<F127>();
    products_of::<F255>();
    let weighed = Products { numbers: 30, bits: 20, first: 1, width: 1, inner: 0 };
    products_are_right::<u64>(weighed);
    products_are_right::<u128>(weighed);
    products_are_right::<u64>(Products { numbers: 2000, bits: 64, first: 0, width: 1, inner: 1 });
}

#[test]
fn of_many_messages_the_receiver_knows_the_one_that_it_chose() {
    for m in [1, 2, 3, 5] {
        let groups = 700;
        let many = [Many::chosen(groups * m); 2];
        let views = honest(Form::semi_honest(4), many);
        let [sender, receiver] = both(&views);
        let all = one_of_n::masks(&sender.extended.sent, sender.delta, m);
        let choices = &receiver.extended.choices;
        let known = one_of_n::chosen(&receiver.extended.received, choices, m);
        for (group, known) in known.iter().enumerate() {
            let number =
                (0..m).map(|i| usize::from(bit(choices, group * m + i)) << i).sum::<usize>();
            let masks = &all[group << m..][..1 << m];
            assert_eq!(masks[number], *known);
            assert_eq!(masks.iter().filter(|mask| *mask == known).count(), 1);
        }
        if m > 1 {
            let sums = all.chunks_exact(1 << m).map(|masks| masks.iter().fold(0, |s, x| s ^ x));
            assert!(sums.into_iter().all(|sum: Block| sum != 0), "masks are independent");
        }
    }
}

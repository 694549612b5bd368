//! One party alters one message of a program that uses all required verbs: the others abort, or have the
//! right results.

use std::collections::BTreeSet;

use mpc_runtime::tamper::{MUTATORS, Mutator, Plan, Tamper};
use mpc_runtime::{Depth, Executor, Label, Party, Result, Step, Transport, local};

use super::PARTIES;
use crate::cost::Truncation;
use crate::protocol::{Build, Protocol, Setup};
use crate::testing::attack::{owned, together};
use crate::testing::conformance;
use crate::testing::session::seeds;
use crate::value::{Clear, ClearBits, Shares};

/// The labels of all schemes that are tested here.
const LABELS: &[&str] = &[
    "coin.commit",
    "coin.open",
    "rep3.and",
    "rep3.beaver",
    "rep3.check.coefficients",
    "rep3.check.last",
    "rep3.mac",
    "rep3.mac.key",
    "rep3.mac.rest",
    "rep3.mac.sums",
    "rep3.checked.open",
    "rep3.checked.open.bits",
    "rep3.mac.value",
    "rep3.optimistic",
    "rep3.product.mac",
    "rep3.sacrifice.masked",
    "rep3.sacrifice.rest",
    "rep3.checked.share",
    "rep3.share.bits",
    "vouch.digest",
];

const N: usize = 14;
const SHIFT: u32 = 3;

fn setup() -> Setup {
    conformance::setup(PARTIES, 64, Truncation::Exact)
}

fn number(i: usize, factor: i128) -> i128 {
    (i as i128 * factor) % 1001 - 500
}

/// Numbers of party `owner`.
async fn input(p: &dyn Protocol, step: &Step, owner: Party, factor: i128) -> Result<Shares> {
    let values: Vec<i128> = (0..N).map(|i| number(i, factor)).collect();
    p.share(step, owner, &owned(step, owner, &values), 64).await
}

/// What is computed before the first check: numbers and bits.
async fn compute(p: &dyn Protocol, step: &Step) -> Result<(Shares, Shares)> {
    let (x, y) = (input(p, step, 0, 37).await?, input(p, step, 1, 59).await?);
    let bits: Vec<bool> = (0..N).map(|i| i % 3 == 0).collect();
    let bits = p.share_bits(step, 2, &owned(step, 2, &bits)).await?;
    let products = p.mul(step, &x, &y, 64).await?;
    let dots = p.dot(step, &products, &y, 7, 64).await?;
    let matrix = p.matmul(step, &x, &products, (7, 2, 7), 64).await?;
    let numbers = p.from_bits(step, &bits).await?;
    // A sum of shifted components, whose MAC is made when it is complete.
    let shifted = p.shift_right(step, &y, 64, SHIFT).await?;
    let scaled = p.mul(step, &shifted, &y, 64).await?;
    let negative = p.ltz(step, &x, 64).await?;
    let both = p.and(step, &negative, &bits).await?;
    Ok((Shares::concat(&[products, dots, matrix, numbers, shifted, scaled]), both))
}

fn expected() -> (Vec<i128>, Vec<bool>) {
    let (x, y) = (|i| number(i, 37), |i| number(i, 59));
    let products: Vec<i128> = (0..N).map(|i| x(i) * y(i)).collect();
    let dots = (0..N / 7).map(|row| (7 * row..7 * row + 7).map(|i| products[i] * y(i)).sum());
    let entry = |i: usize, j: usize| (0..2).map(|k| x(2 * i + k) * products[7 * k + j]).sum();
    let matrix = (0..49).map(|at| entry(at / 7, at % 7));
    let numbers = (0..N).map(|i| i128::from(i % 3 == 0));
    let shifted = (0..N).map(|i| y(i) >> SHIFT);
    let scaled = (0..N).map(|i| (y(i) >> SHIFT) * y(i));
    let bits = (0..N).map(|i| x(i) < 0 && i % 3 == 0).collect();
    let all = products.iter().copied().chain(dots).chain(matrix).chain(numbers);
    (all.chain(shifted).chain(scaled).collect(), bits)
}

type Opened = (Clear, ClearBits, Clear);

/// The whole program, with the checks that the machine makes.
fn party(build: Build, transport: Box<dyn Transport>) -> Result<Opened> {
    let mut executor = Executor::new(transport);
    let me = executor.me();
    let p = build(&setup(), me, &seeds(5, me, PARTIES))?;
    let run = &mut executor;
    together(run, 0, &p, |p, step| p.setup(step))?;
    let (numbers, bits) = together(run, 1, &p, |p, step| Box::pin(compute(p, step)))?;
    together(run, 2, &p, |p, step| p.check(step))?;
    let opened = together(run, 3, &p, move |p, step| {
        Box::pin(async move {
            let all = p.open(step, &numbers, None, 64).await?;
            let bits = p.open_bits(step, &bits, None).await?;
            Ok((all, bits, p.open(step, &numbers, Some(1), 64).await?))
        })
    })?;
    together(run, 4, &p, |p, step| p.check(step))?;
    Ok(opened)
}

/// Results of all parties, and the labels that party `cheater` uses.
fn run(build: Build, cheater: Party, plan: Option<Plan>) -> (Vec<Result<Opened>>, Vec<(u16, u64)>) {
    let mut all = vec![];
    let mut seen = vec![];
    let outcomes = local::run(PARTIES, |end| {
        if end.me() != cheater {
            return (party(build, Box::new(end)).map(plain), vec![]);
        }
        let (transport, log) = match plan {
            Some(plan) => Tamper::new(end, plan),
            None => Tamper::observe(end),
        };
        let result = party(build, Box::new(transport)).map(plain);
        let seen = log.lock().expect("nobody panics").seen.clone();
        (result, seen.into_iter().collect::<Vec<_>>())
    });
    for (result, labels) in outcomes {
        all.push(result.map(clear));
        seen.extend(labels);
    }
    (all, seen)
}

/// Opened values in a form that leaves a thread.
type Values = (Option<Vec<i128>>, Option<Vec<bool>>, Option<Vec<i128>>);

fn plain((all, bits, one): Opened) -> Values {
    let copied = |v: &Clear| v.values().map(<[i128]>::to_vec);
    (copied(&all), bits.values().map(<[bool]>::to_vec), copied(&one))
}

fn clear((all, bits, one): Values) -> Opened {
    let of = |v: Option<Vec<i128>>| {
        v.map_or(Clear::absent(0, Depth::ZERO), |v| Clear::new(v, Depth::ZERO))
    };
    let bits = ClearBits::new(bits.unwrap_or_default(), Depth::ZERO);
    (of(all), bits, of(one))
}

fn right(me: Party, opened: &Opened) -> bool {
    let (numbers, bits) = expected();
    let one = if me == 1 { Some(&numbers[..]) } else { None };
    opened.0.values() == Some(&numbers[..])
        && opened.1.values() == Some(&bits[..])
        && opened.2.values() == one
}

fn flips() -> impl Iterator<Item = &'static Mutator> {
    MUTATORS.iter().filter(|mutator| mutator.name.starts_with("flip"))
}

/// Every label, first and last message, each position of the cheater, bits at both ends and in the middle.
///
/// # Panics
/// If a wrong result is accepted.
pub(crate) fn every_altered_message_is_found(build: Build) {
    let mut found = BTreeSet::new();
    for cheater in 0..PARTIES {
        let (honest, seen) = run(build, cheater, None);
        for (me, result) in honest.iter().enumerate() {
            assert!(right(me, result.as_ref().expect("nobody cheats")), "party {me}");
        }
        for (id, count) in seen {
            let name = LABELS.iter().find(|name| Label(name).id() == id);
            let label = Label(name.unwrap_or_else(|| panic!("a label {id:x} that is not listed")));
            for occurrence in BTreeSet::from([0, count / 2, count - 1]) {
                for &mutator in flips() {
                    let plan = Plan { label, occurrence, mutator };
                    let (results, _) = run(build, cheater, Some(plan));
                    for (me, result) in results.iter().enumerate().filter(|(me, _)| *me != cheater)
                    {
                        let what = (cheater, label.0, occurrence, mutator.name);
                        match result {
                            Ok(opened) => assert!(right(me, opened), "accepted: {what:?}"),
                            Err(_) => _ = found.insert(label.0),
                        }
                    }
                }
            }
        }
    }
    assert!(found.len() >= 4, "cheats are found: {found:?}");
}

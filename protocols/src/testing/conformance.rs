//! The laws that every protocol keeps; instantiated for every line of the registry.
//!
//! All randomness comes from one seed, printed on failure and taken from the variable `SEED`.

use std::collections::BTreeSet;
use std::rc::Rc;

use mpc_runtime::{Depth, Phase, Step};

use super::cases::{Arg, CASES, Case, Expect, Given, Kind};
use super::session::{Outcome, Session, Task};
use crate::cost::{Comparison, Sent, Truncation};
use crate::protocol::{Build, Protocol, Setup, Units};
use crate::value::{Clear, ClearBits, Plane, Shares};

/// The seed of all tests: the variable `SEED`, or 1.
///
/// # Panics
/// If the variable holds no number.
pub fn seed() -> u64 {
    option_env!("SEED").map_or(1, |text| text.parse().expect("SEED is a number"))
}

/// Sizes that meet the edges of words.
const LENGTHS: [usize; 9] = [0, 1, 2, 3, 63, 64, 65, 127, 130];

/// Bounds under test, by the width that the session is made for.
const BOUNDS: [(u32, &[u32]); 2] =
    [(64, &[1, 2, 5, 16, 33, 63, 64]), (128, &[64, 65, 100, 127, 128])];

/// Protocols that are tested on all combinations of sizes, bounds and modes; the others on a sample that
/// the seed chooses, unless the variable `CONFORMANCE` says `full`.
const THOROUGH: [&str; 2] = ["plain", "rep3-ring"];

/// Protocols whose products take oblivious transfers, or whose bits take labels.
const SLOW: [&str; 2] = ["semi2k", "yao"];

/// Protocols that take many times as long as those: every product proven, every bit a number of its own, or every
/// product a circuit of triples.
const HEAVY: [&str; 9] = [
    "spdz2k",
    "mascot",
    "tinier",
    "semi",
    "semi-bin",
    "mal-shamir",
    "sy-shamir",
    "mal-rep3-field",
    "ccd",
];

/// Which combinations are tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// All of them.
    All,
    /// One of so many.
    OneOf(usize),
    /// A few, of few elements.
    Little,
}

impl Effort {
    /// For the protocol of that name.
    pub fn of(name: &str) -> Effort {
        if THOROUGH.contains(&name) {
            Effort::All
        } else if SLOW.contains(&name) {
            Effort::OneOf(64).unless_full()
        } else if HEAVY.contains(&name) {
            Effort::Little.unless_full()
        } else {
            Effort::OneOf(16).unless_full()
        }
    }

    /// This, or everything if the variable `CONFORMANCE` says `full`.
    pub(crate) fn unless_full(self) -> Effort {
        if option_env!("CONFORMANCE") == Some("full") { Effort::All } else { self }
    }

    /// The size for all combinations, for a sample and for a few.
    pub(crate) fn size(self, [all, sample, few]: [usize; 3]) -> usize {
        match self {
            Effort::All => all,
            Effort::OneOf(_) => sample,
            Effort::Little => few,
        }
    }

    /// Those of `all` that are tested: at least one.
    fn sample<T>(self, mut all: Vec<T>, inputs: &mut Inputs) -> Vec<T> {
        let one_of = match self {
            Effort::All => return all,
            Effort::OneOf(n) => n,
            Effort::Little => 96,
        };
        all.sort_by_cached_key(|_| inputs.word());
        all.truncate(all.len().div_ceil(one_of));
        all
    }
}

/// A session of tests.
pub fn setup(parties: usize, width: u32, truncation: Truncation) -> Setup {
    Setup {
        parties,
        ring_bits: width,
        field_bits: width,
        stat_sec: 40,
        truncation,
        comparison: Comparison::default(),
        threads: 1,
    }
}

/// A small generator for inputs; not for secrets.
struct Inputs(u64);

impl Inputs {
    fn word(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of `bits` bits: an edge of the range in every second draw.
    fn number(&mut self, bits: u32) -> i128 {
        if bits == 0 {
            return 0;
        }
        let choice = self.word();
        let wide = (u128::from(self.word()) << 64 | u128::from(self.word())) as i128;
        let least = -1 << (bits - 1);
        match choice % 10 {
            0 => least,
            1 => !least,
            2 => 0,
            3 => (bits > 1).into(),
            4 => -1,
            _ => wide >> (128 - bits),
        }
    }

    fn values(&mut self, arg: &Arg, n: usize, bits: u32) -> Vec<i128> {
        let (bits, len) = ((arg.bits)(bits), (arg.len)(n, bits));
        match arg.kind {
            Kind::Any => (0..len).map(|_| self.number(bits)).collect(),
            Kind::Small => (0..len).map(|_| i128::from(self.word() % 7) - 1).collect(),
            Kind::Positive => (0..len).map(|_| self.number(bits) & !(-1 << (bits - 1))).collect(),
            Kind::Bit => (0..len).map(|_| i128::from(self.word() & 1)).collect(),
            Kind::Permutation => {
                let mut order: Vec<i128> = (0..len as i128).collect();
                order.sort_by_cached_key(|_| self.word());
                order
            }
        }
    }
}

/// Shares the operands, each from another party, runs the verb and opens the result.
fn task(
    case: &'static Case,
    operands: Rc<Vec<Vec<i128>>>,
    bits: u32,
    p: Rc<dyn Protocol>,
    step: Step,
) -> Task<Vec<i128>> {
    Box::pin(async move {
        let mut shares = vec![];
        for (i, (arg, values)) in case.args.iter().zip(operands.iter()).enumerate() {
            let owner = (i + 1) % step.parties();
            let mine = owner == step.me();
            shares.push(if arg.kind == Kind::Bit {
                let bits: Vec<bool> = values.iter().map(|&b| b == 1).collect();
                let (known, unknown) = (
                    ClearBits::new(bits, Depth::ZERO),
                    ClearBits::absent(values.len(), Depth::ZERO),
                );
                p.share_bits(&step, owner, if mine { &known } else { &unknown }).await?
            } else {
                let (known, unknown) = (
                    Clear::new(values.clone(), Depth::ZERO),
                    Clear::absent(values.len(), Depth::ZERO),
                );
                let bound = (arg.bits)(bits);
                p.share(&step, owner, if mine { &known } else { &unknown }, bound).await?
            });
        }
        let opened = match (case.run)(&*p, &step, &shares, bits).await? {
            Given::Numbers(x) => p.open(&step, &x, None, bits).await?,
            Given::Bits(x) => {
                let opened = p.open_bits(&step, &x, None).await?;
                opened.map(x.len(), |v| v.iter().map(|&b| i128::from(b)).collect())
            }
            Given::Opened(x) => x,
        };
        Ok(opened.values().unwrap_or_default().to_vec())
    })
}

fn judge(
    case: &Case,
    operands: &[Vec<i128>],
    result: &[i128],
    bits: u32,
    mode: Truncation,
) -> bool {
    match case.expect {
        Expect::Equal(f) => f(operands, bits) == result,
        Expect::Near(f) => {
            let expected = f(operands, bits);
            let slack = i128::from(mode != Truncation::Exact);
            let near = |(x, y): (&i128, &i128)| (x - y).abs() <= slack;
            expected.len() == result.len() && expected.iter().zip(result).all(near)
        }
        Expect::Holds(f) => f(operands, result, bits),
    }
}

/// Operands of all cases that make sense for a bound.
fn chosen(n: usize, bits: u32, inputs: &mut Inputs) -> Vec<(&'static Case, Vec<Vec<i128>>)> {
    let fitting = CASES.iter().filter(|case| case.least_bits <= bits);
    let operands = |case: &'static Case| {
        (case, case.args.iter().map(|arg| inputs.values(arg, n, bits)).collect())
    };
    fitting.map(operands).collect()
}

fn run(
    session: &Session,
    cases: &[(&'static Case, Vec<Vec<i128>>)],
    bits: u32,
) -> Vec<Outcome<Vec<i128>>> {
    session
        .run(cases.len(), |i, p, step| task(cases[i].0, Rc::new(cases[i].1.clone()), bits, p, step))
}

/// Every verb gives what it gives on clear integers, at all parties, for all sizes, bounds and modes
/// of truncation.
///
/// # Panics
/// If not.
pub fn verbs_agree_with_clear_integers(build: Build, parties: usize, effort: Effort) {
    let (mut inputs, mut all) = (Inputs(seed()), vec![]);
    for (width, bounds) in BOUNDS {
        for mode in [Truncation::Exact, Truncation::Probabilistic, Truncation::Fast] {
            for (turn, &bits) in bounds.iter().enumerate() {
                for (at, &n) in LENGTHS.iter().enumerate() {
                    // Modes differ in truncation only, larger sessions in weights only.
                    let every = if parties > 5 { 9 } else { 3 };
                    if (mode != Truncation::Exact || parties > 3) && (at + turn) % every != 0 {
                        continue;
                    }
                    if mode == Truncation::Probabilistic && parties > 5 {
                        continue;
                    }
                    if mode == Truncation::Fast && bits + 40 > width {
                        continue; // fast may fail with a probability of 2^(bits - width)
                    }
                    all.push((width, mode, bits, n));
                }
            }
        }
    }
    for (width, mode, bits, n) in effort.sample(all, &mut inputs) {
        let session = Session { build, setup: setup(parties, width, mode), seed: seed() };
        agree(&session, n.min(effort.size([n, n, 2])), bits, mode, &mut inputs);
    }
}

fn agree(session: &Session, n: usize, bits: u32, mode: Truncation, inputs: &mut Inputs) {
    let cases = chosen(n, bits, inputs);
    let outcomes = run(session, &cases, bits);
    for (i, (case, operands)) in cases.iter().enumerate() {
        let results: Vec<&Vec<i128>> = outcomes.iter().map(|o| &o.results[i]).collect();
        assert!(
            results.iter().all(|r| r == &results[0]),
            "{}: parties disagree; {n} elements, {bits} bits, SEED={}",
            case.name,
            seed()
        );
        assert!(
            judge(case, operands, results[0], bits, mode),
            "{}: wrong result {:?} for {:?}; {n} elements, {bits} bits, {mode} truncation, SEED={}",
            case.name,
            results[0],
            operands,
            seed()
        );
    }
}

/// What the ledger predicts is what goes on the wire: messages, bytes and rounds of both phases, for
/// every verb alone.
///
/// # Panics
/// If not.
pub fn costs_are_what_the_wire_counts(build: Build, parties: usize, effort: Effort) {
    let (mut inputs, mut all) = (Inputs(seed()), vec![]);
    for (width, bits) in [(64, 16), (64, 64), (128, 90)] {
        for mode in [Truncation::Exact, Truncation::Probabilistic, Truncation::Fast] {
            for n in [1, effort.size([7, 7, 2]), effort.size([65, 65, 3])] {
                for (case, operands) in chosen(n, bits, &mut inputs) {
                    let truncates = matches!(case.expect, Expect::Near(_));
                    if mode == Truncation::Exact || truncates {
                        all.push((width, mode, bits, case, operands));
                    }
                }
            }
        }
    }
    for (width, mode, bits, case, operands) in effort.sample(all, &mut inputs) {
        let session = Session { build, setup: setup(parties, width, mode), seed: seed() };
        predicted(&session, case, &operands, bits);
    }
}

fn predicted(session: &Session, case: &'static Case, operands: &[Vec<i128>], bits: u32) {
    let one = |_, p, step| task(case, Rc::new(operands.to_vec()), bits, p, step);
    let what = format!("{}; {} elements, {bits} bits", case.name, operands[0].len());
    costs_as_predicted(session, &what, one);
}

/// What a task costs by the ledger is what it costs.
///
/// # Panics
/// If not.
pub(crate) fn costs_as_predicted<T: Send + 'static>(
    session: &Session,
    what: &str,
    task: impl Fn(usize, Rc<dyn Protocol>, Step) -> Task<T> + Sync,
) {
    let account = session.account(1, &task);
    let stats: Vec<_> = session.run(1, &task).into_iter().map(|o| o.stats).collect();
    for (party, stats) in stats.iter().enumerate() {
        for phase in [Phase::Preprocessing, Phase::Online] {
            let counted = stats.sent_in(phase);
            let Sent { messages, .. } =
                account.sent.get(&(phase, party)).copied().unwrap_or_default();
            let found = (counted.messages, counted.bytes);
            let declared = (messages, account.bytes(phase, party));
            assert_eq!(
                found, declared,
                "{what}: party {party} sends other messages and bytes in {phase:?} than declared"
            );
        }
    }
    let total = stats.iter().map(|s| s.rounds.total).max();
    let online = stats.iter().map(|s| s.rounds.online).max();
    let preprocessing = stats.iter().map(|s| s.preprocessing_rounds).max();
    let found = (total, online, preprocessing);
    let rounds = (account.rounds.total, account.rounds.online, account.preprocessing_rounds);
    let declared = (Some(rounds.0), Some(rounds.1), Some(rounds.2));
    assert_eq!(found, declared, "{what}: rounds");
}

/// The same seed gives the same bytes on the wire; another seed gives others.
///
/// # Panics
/// If not.
pub fn transcripts_follow_the_seed(build: Build, parties: usize, effort: Effort) {
    let mut inputs = Inputs(seed());
    let mut cases = chosen(effort.size([20, 20, 3]), 33, &mut inputs);
    cases.truncate(effort.size([usize::MAX, usize::MAX, 12]));
    let transcripts = |seed| {
        let session = Session { build, setup: setup(parties, 64, Truncation::Exact), seed };
        run(&session, &cases, 33).into_iter().map(|o| o.transcript).collect::<Vec<_>>()
    };
    let first = transcripts(1);
    assert_eq!(first, transcripts(1), "the same seed, other bytes");
    if parties > 1 {
        let second = transcripts(2);
        assert!(first.iter().zip(second).all(|(a, b)| *a != b), "another seed, the same bytes");
    }
}

/// Any number of threads gives the same bytes on the wire and the same results.
///
/// # Panics
/// If not.
pub fn threads_change_nothing(build: Build, parties: usize, effort: Effort) {
    let (n, size) = match effort {
        Effort::All => (20_000, (60, 80, 70)),
        Effort::OneOf(_) => (2_000, (6, 8, 7)),
        Effort::Little => (20, (2, 3, 2)),
    };
    let run = |threads| {
        let setup = Setup { threads, ..setup(parties, 64, Truncation::Exact) };
        let session = Session { build, setup, seed: seed() };
        let outcomes = session.run(1, |_, p, step| {
            Box::pin(async move {
                let numbers = |n: usize| (0..n).map(|i| i as i128 % 1000 - 500).collect::<Vec<_>>();
                let x = p.public(&step, &Clear::new(numbers(n), Depth::ZERO)).await?;
                let square = p.mul(&step, &x, &x, 22).await?;
                let random = p.random_bits(&step, n).await?;
                let chosen = p.select(&step, &random, &square, &x, 22).await?;
                let (rows, inner, cols) = size;
                let (left, right) = (chosen.slice(0..rows * inner), x.slice(0..inner * cols));
                let sums = p.matmul(&step, &left, &right, size, 50).await?;
                let opened = p.open(&step, &Shares::concat(&[chosen, sums]), None, 50).await?;
                Ok(opened.values().unwrap_or_default().to_vec())
            })
        });
        outcomes.into_iter().map(|o| (o.results, o.transcript)).collect::<Vec<_>>()
    };
    assert!(run(1) == run(3), "results or messages depend on the number of threads");
}

/// Labels of all messages that any verb sends.
///
/// # Panics
/// If a verb fails.
pub fn labels(build: Build, parties: usize) -> BTreeSet<&'static str> {
    let mut inputs = Inputs(1);
    let mut found = BTreeSet::new();
    for mode in [Truncation::Exact, Truncation::Probabilistic, Truncation::Fast] {
        let session = Session { build, setup: setup(parties, 64, mode), seed: 1 };
        let cases = chosen(3, 16, &mut inputs);
        for outcome in run(&session, &cases, 16) {
            found.extend(outcome.stats.by_label.into_keys());
        }
    }
    found
}

/// Numbers and bits are made of the planes that the protocol says, and of inputs of others as many are known
/// to be 0.
///
/// # Panics
/// If not.
pub fn vectors_are_of_the_units_declared(build: Build, parties: usize) {
    let session = Session { build, setup: setup(parties, 64, Truncation::Exact), seed: seed() };
    session.run(1, |_, p, step| {
        Box::pin(async move {
            let Units { number, bit, zeros } = p.units();
            let units = |a: &Shares| a.planes().iter().map(Plane::unit).collect::<Vec<_>>();
            let zero = |a: &Shares| a.planes().iter().filter(|plane| plane.is_zero()).count();
            let (numbers, bits) =
                (Clear::new([5; 3], Depth::ZERO), ClearBits::new([true; 3], Depth::ZERO));
            assert_eq!(units(&p.public(&step, &numbers).await?), number);
            assert_eq!(units(&p.public_bits(&step, &bits).await?), bit);
            for owner in 0..step.parties() {
                let known = owner == step.me();
                let absent = (Clear::absent(3, Depth::ZERO), ClearBits::absent(3, Depth::ZERO));
                let (x, b) = if known { (&numbers, &bits) } else { (&absent.0, &absent.1) };
                let (x, b) =
                    (p.share(&step, owner, x, 5).await?, p.share_bits(&step, owner, b).await?);
                assert_eq!((units(&x), units(&b)), (number.clone(), bit.clone()));
                let least = if known { 0 } else { zeros };
                assert!(zero(&x) >= least && zero(&b) >= least, "owner {owner}");
            }
            Ok(())
        })
    });
}

/// All orders of four rows come about equally often, or of three or two where that takes too long.
///
/// # Panics
/// If not.
pub fn shuffles_are_uniform(build: Build, parties: usize, effort: Effort) {
    let rows = effort.size([4, 3, 2]);
    let (orders, runs) = (effort.size([24, 6, 2]), effort.size([960, 180, 40]));
    let session = Session { build, setup: setup(parties, 64, Truncation::Exact), seed: seed() };
    let outcomes = session.run(runs, move |_, p, step| {
        Box::pin(async move {
            let known = Clear::new((0..rows as i128).collect::<Vec<_>>(), Depth::ZERO);
            let shared = p.public(&step, &known).await?;
            let shuffled = p.shuffle(&step, &shared, rows, 1, 4).await?;
            let opened = p.open(&step, &shuffled, None, 4).await?;
            Ok(opened.values().unwrap_or_default().to_vec())
        })
    });
    let mut counts = std::collections::BTreeMap::new();
    for order in &outcomes[0].results {
        *counts.entry(order.clone()).or_insert(0) += 1;
    }
    let expected = runs as f64 / orders as f64;
    let square = |c: i32| (f64::from(c) - expected).powi(2) / expected;
    let chi: f64 = counts.values().map(|&c| square(c)).sum();
    // With 23 degrees of freedom above 72, with five above 36, with one above 24, with probability below 10^-6.
    let limit = effort.size([72, 36, 24]) as f64;
    assert!(counts.len() == orders && chi < limit, "{} orders, chi square {chi}", counts.len());
}

#[cfg(test)]
mod tests {
    macro_rules! conformance {
        ($name:ident, $module:path, $parties:expr, $effort:expr) => {
            mod $name {
                use crate::testing::conformance::{self, Effort};
                use $module as scheme;

                #[test]
                fn verbs_agree_with_clear_integers() {
                    conformance::verbs_agree_with_clear_integers(scheme::build, $parties, $effort);
                }

                #[test]
                fn costs_are_what_the_wire_counts() {
                    conformance::costs_are_what_the_wire_counts(scheme::build, $parties, $effort);
                }

                #[test]
                fn vectors_are_of_the_units_declared() {
                    conformance::vectors_are_of_the_units_declared(scheme::build, $parties);
                }

                #[test]
                fn transcripts_follow_the_seed() {
                    conformance::transcripts_follow_the_seed(scheme::build, $parties, $effort);
                }

                #[test]
                fn threads_change_nothing() {
                    conformance::threads_change_nothing(scheme::build, $parties, $effort);
                }

                #[test]
                fn messages_are_uniform() {
                    crate::testing::privacy::messages_are_uniform(scheme::build, $parties, $effort);
                }

                #[test]
                fn shuffles_are_uniform() {
                    conformance::shuffles_are_uniform(scheme::build, $parties, $effort);
                }
            }
        };
    }

    macro_rules! of_the_registry {
        ($($module:ident),* $(,)?) => {
            $( conformance!(
                $module, crate::schemes::$module, scheme::INFO.parties.least(), Effort::of(scheme::INFO.name)
            ); )*
        };
    }
    crate::for_each_protocol!(of_the_registry);
    conformance!(bare, crate::testing::bare, 3, Effort::OneOf(8).unless_full());
    conformance!(
        bare_of_addends,
        crate::testing::bare::of_addends,
        4,
        Effort::OneOf(8).unless_full()
    );
    conformance!(blank, crate::schemes::blank, 1, Effort::OneOf(8).unless_full());
    conformance!(
        circuits,
        crate::schemes::over_binary::one_party,
        1,
        Effort::OneOf(8).unless_full()
    );
    conformance!(semi_bin_of_three, crate::schemes::semi_bin, 3, Effort::of("semi-bin"));
    conformance!(semi_of_three, crate::schemes::semi, 3, Effort::of("semi"));
    conformance!(semi2k_of_three, crate::schemes::semi2k, 3, Effort::of("semi2k"));
    conformance!(spdz2k_of_three, crate::schemes::spdz2k, 3, Effort::of("spdz2k"));
    conformance!(shamir_of_four, crate::schemes::shamir, 4, Effort::of("shamir"));
    conformance!(shamir_of_five, crate::schemes::shamir, 5, Effort::of("shamir"));
    conformance!(shamir_of_eight, crate::schemes::shamir, 8, Effort::of("shamir"));
    conformance!(mal_shamir_of_four, crate::schemes::mal_shamir, 4, Effort::of("mal-shamir"));
    conformance!(mal_shamir_of_five, crate::schemes::mal_shamir, 5, Effort::of("mal-shamir"));
    conformance!(sy_shamir_of_four, crate::schemes::sy_shamir, 4, Effort::of("sy-shamir"));
    conformance!(sy_shamir_of_five, crate::schemes::sy_shamir, 5, Effort::of("sy-shamir"));
    conformance!(atlas_of_five, crate::schemes::atlas, 5, Effort::of("atlas"));
    conformance!(atlas_of_eight, crate::schemes::atlas, 8, Effort::of("atlas"));
}

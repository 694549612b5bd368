//! What a party sees tells it nothing, exactly: all randomness there is, is gone through, and the views of
//! every party are counted (P0; the simulation proofs of the schemes, done by enumeration). Where that is too
//! much, all randomness is gone through that the party does not know, with some of what it does know: given
//! that, its views are to be independent of secrets, or they would not be at all.
//!
//! Seeds of a coin become known to all, and name streams that nobody could name before: they are 0.
//!
//! Shares, masks and products of a ring Z_{2^k} are polynomials with integer coefficients, so reduction
//! modulo 2 or 4 commutes with them: run with streams of words below 2 or 4, and observed modulo 2 or 4, a
//! scheme over Z_{2^64} is the scheme over Z_2 or Z_4. For bits it is the scheme itself. Schemes over a
//! prime field take any, here one of three or five elements.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use mpc_runtime::tape::{Places, Reader, Tape};
use mpc_runtime::transport::Frame;
use mpc_runtime::{Executor, Header, Party, Result, Step, Transport, local};

use super::attack::{owned, together};
use super::conformance::{Effort, seed, setup};
use super::session::seeds;
use super::small::Small;
use crate::cost::Truncation;
use crate::protocol::{Build, Fut, Protocol};
use crate::schemes;
use crate::schemes::over_field::build_over;
use crate::value::Shares;

/// Bytes of an element on the wire.
const ELEMENT: usize = 8;
/// Steps of a run.
const SETUP: u64 = 0;
const WORK: u64 = 1;
const OPENING: u64 = 2;
/// Most tapes of an enumeration, and most where there are fewer modulo 2.
const TAPES: u128 = 1 << 13;
const TAPES_BY_CHOICE: u128 = 1 << 10;
/// Tapes for one party where not all are gone through, and the least number of draws of what it knows. If the variable
/// `CONFORMANCE` says `full`, as many as where they are.
const TAPES_OF_PARTY: u128 = 1 << 8;
const LEAST_DRAWS: u128 = 2;

/// Something that a scheme does with x of party 0 and y of party 1, each 0 or 1.
struct Primitive {
    name: &'static str,
    work: for<'a> fn(&'a dyn Protocol, &'a Step, [i128; 2]) -> Fut<'a, Shares>,
    /// Whether the result is bits.
    bits: bool,
    /// Whether the result is made known to all.
    opened: bool,
    /// Whether the result is random, and nobody is to know it.
    random: bool,
}

/// A result that the inputs determine.
const COMPUTED: Primitive = Primitive {
    name: "",
    work: |_, _, _| unreachable!("every primitive says what it does"),
    bits: false,
    opened: false,
    random: false,
};

async fn inputs(p: &dyn Protocol, step: &Step, [x, y]: [i128; 2]) -> Result<[Shares; 2]> {
    let x = p.share(step, 0, &owned(step, 0, &[x]), 2).await?;
    Ok([x, p.share(step, 1, &owned(step, 1, &[y]), 2).await?])
}

async fn input_bits(p: &dyn Protocol, step: &Step, [x, y]: [i128; 2]) -> Result<[Shares; 2]> {
    let x = p.share_bits(step, 0, &owned(step, 0, &[x == 1])).await?;
    Ok([x, p.share_bits(step, 1, &owned(step, 1, &[y == 1])).await?])
}

/// A primitive's work: `|protocol, step, shared inputs| result`.
macro_rules! work {
    ($inputs:ident, |$p:ident, $step:ident, $x:ident, $y:ident| $result:expr) => {
        |$p, $step, values| {
            Box::pin(async move {
                let [$x, $y] = $inputs($p, $step, values).await?;
                $result.await
            })
        }
    };
}

const OF_BITS: [Primitive; 4] = [
    Primitive {
        name: "input of bits",
        work: work!(input_bits, |p, step, x, y| p.xor(step, &x, &y)),
        bits: true,
        ..COMPUTED
    },
    Primitive {
        name: "conjunction",
        work: work!(input_bits, |p, step, x, y| p.and(step, &x, &y)),
        bits: true,
        ..COMPUTED
    },
    Primitive {
        name: "conjunction, opened",
        work: work!(input_bits, |p, step, x, y| p.and(step, &x, &y)),
        bits: true,
        opened: true,
        ..COMPUTED
    },
    Primitive {
        name: "random bit",
        work: |p, step, _| Box::pin(p.random_bits(step, 1)),
        bits: true,
        random: true,
        ..COMPUTED
    },
];

const OF_NUMBERS: [Primitive; 6] = [
    Primitive {
        name: "input",
        work: work!(inputs, |p, step, x, y| p.sub(step, &x, &y, 4)),
        ..COMPUTED
    },
    Primitive {
        name: "product",
        work: work!(inputs, |p, step, x, y| p.mul(step, &x, &y, 4)),
        ..COMPUTED
    },
    Primitive {
        name: "product, opened",
        work: work!(inputs, |p, step, x, y| p.mul(step, &x, &y, 4)),
        opened: true,
        ..COMPUTED
    },
    Primitive {
        name: "bit as a number",
        work: work!(input_bits, |p, step, x, _y| p.from_bits(step, &x)),
        ..COMPUTED
    },
    Primitive {
        name: "random bit as a number",
        work: |p, step, _| {
            Box::pin(async move {
                let bit = p.random_bits(step, 1).await?;
                p.from_bits(step, &bit).await
            })
        },
        random: true,
        ..COMPUTED
    },
    Primitive {
        name: "selection",
        work: |p, step, [x, y]| {
            Box::pin(async move {
                let [bit, _] = input_bits(p, step, [x, 0]).await?;
                let [number, _] = inputs(p, step, [0, 0]).await?;
                let other = p.share(step, 1, &owned(step, 1, &[y]), 2).await?;
                p.select(step, &bit, &other, &number, 2).await
            })
        },
        ..COMPUTED
    },
];

const SHUFFLES: [Primitive; 2] = [
    Primitive { name: "shuffle", work: shuffle, ..COMPUTED },
    Primitive { name: "shuffle, opened", work: shuffle, opened: true, ..COMPUTED },
];

fn shuffle<'a>(p: &'a dyn Protocol, step: &'a Step, values: [i128; 2]) -> Fut<'a, Shares> {
    Box::pin(async move {
        let rows = Shares::concat(&inputs(p, step, values).await?);
        p.shuffle(step, &rows, 2, 1, 2).await
    })
}

/// Messages that came in, with the steps that they belong to.
type Messages = Rc<RefCell<Vec<(u64, Vec<u8>)>>>;

/// A transport that keeps what comes in, reduced modulo `base`.
struct Watched {
    end: local::Local,
    base: u128,
    seen: Messages,
}

impl Watched {
    fn see(&self, frame: &Frame) {
        let payload: &[u8] = &frame.payload;
        let mut seen = vec![frame.from as u8];
        seen.extend_from_slice(&frame.header.encode());
        if payload.len().is_multiple_of(ELEMENT) {
            // Elements of a field are below the base; rows of numbers, low bytes first.
            let low = |element: &[u8]| element[0] % self.base as u8;
            seen.extend(payload.chunks_exact(ELEMENT).map(low));
        } else {
            // One bit to a byte: vectors have one element.
            seen.extend(payload.iter().map(|byte| byte & 1));
        }
        self.seen.borrow_mut().push((frame.header.step, seen));
    }
}

impl Transport for Watched {
    fn me(&self) -> Party {
        self.end.me()
    }

    fn parties(&self) -> usize {
        self.end.parties()
    }

    fn send(&mut self, to: Party, header: &Header, payload: &[u8]) -> Result<()> {
        self.end.send(to, header, payload)
    }

    fn flush(&mut self) -> Result<()> {
        self.end.flush()
    }

    fn receive(&mut self, into: &mut Vec<Frame>, wait: bool, awaited: &[Party]) -> Result<()> {
        let before = into.len();
        self.end.receive(into, wait, awaited)?;
        into[before..].iter().for_each(|frame| self.see(frame));
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        self.end.close()
    }
}

/// What came of one tape: a party's view, and the result.
struct Seen {
    tape: u128,
    inputs: [i128; 2],
    view: [u8; 32],
    value: i128,
}

/// What came of a run at a party.
struct Ran {
    /// What it has seen before the result is opened, or after that if it is made known.
    view: [u8; 32],
    value: i128,
    /// Places that it has read.
    read: Vec<usize>,
}

/// A run with each of these tapes, by party and tape.
fn run(
    scheme: Scheme,
    primitive: &'static Primitive,
    values: [i128; 2],
    places: &Places,
    (base, tapes): (u128, &[u128]),
) -> Vec<Vec<Ran>> {
    local::run_each(scheme.parties, tapes.len(), |i, end| {
        let tape = Tape { places: places.clone(), base, number: tapes[i] };
        one_run(scheme, primitive, values, tape, end)
    })
}

fn one_run(
    Scheme { build, parties, .. }: Scheme,
    primitive: &'static Primitive,
    values: [i128; 2],
    tape: Tape,
    end: local::Local,
) -> Ran {
    let (me, seen) = (end.me(), Rc::default());
    let setup = setup(parties, 64, Truncation::Exact);
    let protocol = build(&setup, me, &seeds(1, me, parties)).expect("the setup suits");
    let watched = Watched { end, base: tape.base, seen: Rc::clone(&seen) };
    let mut executor = Executor::new(Box::new(watched));
    let setup = together(&mut executor, SETUP, &protocol, |p, step| {
        Box::pin(async move { p.setup(&step.preprocessing()).await })
    });
    setup.expect("nobody cheats");
    let base = tape.base as i128;
    let reader = Reader::new(tape);
    let result =
        together(&mut executor, WORK, &protocol, move |p, step| (primitive.work)(p, step, values))
            .expect("nobody cheats");
    let early = view(&seen, &[WORK], &reader);
    let value = together(&mut executor, OPENING, &protocol, move |p, step| {
        Box::pin(async move {
            if primitive.bits {
                let bit = p.open_bits(step, &result, None).await?;
                return Ok(i128::from(bit.values().expect("opened")[0]));
            }
            let number = p.open(step, &result, None, 4).await?;
            let digits = number.values().expect("opened").iter().rev();
            Ok(digits.fold(0, |value, x| value * base + x.rem_euclid(base)))
        })
    })
    .expect("nobody cheats");
    let all = view(&seen, &[WORK, OPENING], &reader);
    let read = reader.digits().into_iter().map(|(place, _)| place).collect();
    Ran { view: if primitive.opened { all } else { early }, value, read }
}

/// The messages of these steps in any order, and the digits of the streams that the party knows. What peers
/// are ahead with belongs to later steps.
fn view(seen: &Messages, steps: &[u64], reader: &Reader) -> [u8; 32] {
    let seen = seen.borrow();
    let of_steps = seen.iter().filter(|(step, _)| steps.contains(step));
    let mut frames: Vec<&[u8]> = of_steps.map(|(_, frame)| &frame[..]).collect();
    frames.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    frames.iter().for_each(|frame| _ = hasher.update(frame));
    for (place, digit) in reader.digits() {
        hasher.update(&(place as u64).to_le_bytes()).update(&digit.to_le_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// What is enumerated.
#[derive(Clone, Copy)]
struct Scheme {
    name: &'static str,
    build: Build,
    parties: usize,
    /// The prime of the field, if it is over one.
    prime: Option<u128>,
    /// Where numbers are computed, more than one of so many words is needed.
    of: usize,
}

/// All runs of a primitive.
struct Enumeration {
    /// By party.
    seen: Vec<Vec<Seen>>,
    /// Words of randomness, but those of coins.
    words: Vec<u32>,
    /// How many are of coins.
    coins: usize,
    /// Digits that they are made of: the prime; else 4, or 2 for bits and where there would be too many
    /// tapes.
    base: u128,
}

/// All tapes with all inputs, or for each party those of a sample.
fn enumerate(scheme: Scheme, primitive: &'static Primitive) -> Enumeration {
    let Scheme { parties, prime, .. } = scheme;
    let places = Places::default();
    let zero = run(scheme, primitive, [0, 0], &places, (prime.unwrap_or(2), &[0]));
    let words = places.count() as u32;
    let read = |me: Party, place: u32| zero[me][0].read.contains(&(place as usize));
    let names = |&place: &u32| {
        let (before, base) = (places.count(), prime.unwrap_or(2));
        run(scheme, primitive, [0, 0], &places, (base, &[base.pow(place)]));
        places.count() > before
    };
    let (coins, drawn): (Vec<u32>, Vec<u32>) = (0..words).partition(names);
    let tapes = |base: u128, places: usize| base.checked_pow(places as u32).unwrap_or(u128::MAX);
    let few = tapes(4, drawn.len()) <= TAPES_BY_CHOICE && !primitive.bits;
    let base = prime.unwrap_or(if few { 4 } else { 2 });
    let met = places.count();
    let mut seen: Vec<Vec<Seen>> = (0..parties).map(|_| vec![]).collect();
    let mut observe = |tapes: &[u128], of: &[Party]| {
        for inputs in [[0, 0], [0, 1], [1, 0], [1, 1]] {
            let of_parties = run(scheme, primitive, inputs, &places, (base, tapes));
            for (me, ran) in of_parties.into_iter().enumerate().filter(|(me, _)| of.contains(me)) {
                let each = ran.into_iter().zip(tapes);
                seen[me].extend(each.map(|(Ran { view, value, .. }, &tape)| Seen {
                    tape,
                    inputs,
                    view,
                    value,
                }));
            }
        }
    };
    if tapes(base, drawn.len()) <= TAPES {
        observe(&all_digits(base, &drawn), &(0..parties).collect::<Vec<_>>());
    } else {
        for me in 0..parties {
            let (known, hidden): (Vec<_>, Vec<_>) = drawn.iter().partition(|&&p| read(me, p));
            let hidden = all_digits(base, &hidden);
            let all =
                if Effort::Little.unless_full() == Effort::All { TAPES } else { TAPES_OF_PARTY };
            let draws = LEAST_DRAWS.max(all / hidden.len() as u128);
            let known = (0..draws).map(|draw| draw_digits(base, &known, draw));
            let tapes: Vec<u128> =
                known.flat_map(|known| hidden.iter().map(move |hidden| known + hidden)).collect();
            observe(&tapes, &[me]);
        }
    }
    assert_eq!(places.count(), met, "{}: what is read depends on it", primitive.name);
    Enumeration { seen, words: drawn, coins: coins.len(), base }
}

/// All tapes that are 0 but at these places.
fn all_digits(base: u128, places: &[u32]) -> Vec<u128> {
    let mut tapes = vec![0];
    for &place in places {
        let with = |&tape: &u128| (0..base).map(move |digit| tape + digit * base.pow(place));
        tapes = tapes.iter().flat_map(with).collect();
        assert!(tapes.len() as u128 <= TAPES, "too many tapes");
    }
    tapes
}

/// A tape that is 0 but at these places: there it is anything, or 0 in the first draw.
fn draw_digits(base: u128, places: &[u32], draw: u128) -> u128 {
    let digit = |&place: &u32| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed().to_le_bytes()).update(&draw.to_le_bytes());
        let hash = *hasher.update(&place.to_le_bytes()).finalize().as_bytes();
        u128::from(u64::from_le_bytes(hash[..8].try_into().expect("eight bytes"))) % base
    };
    places.iter().map(|place| digit(place) * u128::from(draw > 0) * base.pow(*place)).sum()
}

/// How often each view is seen, and with which results.
type Counts = BTreeMap<[u8; 32], BTreeMap<i128, usize>>;

/// Whether party `me` learns something from the runs that `counted` picks.
fn leaks(
    primitive: &Primitive,
    me: Party,
    seen: &[Seen],
    counted: impl Fn(&Seen) -> bool,
) -> Option<String> {
    // What the party knows anyhow: its own input, and the result if it is opened.
    let mut known: BTreeMap<_, BTreeMap<[i128; 2], Counts>> = BTreeMap::new();
    for run in seen.iter().filter(|run| counted(run)) {
        let given = (run.inputs.get(me).copied(), primitive.opened.then_some(run.value));
        let counts = known.entry(given).or_default().entry(run.inputs).or_default();
        *counts.entry(run.view).or_default().entry(run.value).or_default() += 1;
    }
    for (given, by_inputs) in &known {
        let views = |counts: &Counts| -> Vec<([u8; 32], usize)> {
            counts.iter().map(|(view, values)| (*view, values.values().sum())).collect()
        };
        let all: Vec<_> = by_inputs.values().map(views).collect();
        if all.iter().any(|views| *views != all[0]) {
            return Some(format!("given {given:?}, views depend on inputs of others"));
        }
        if !primitive.random {
            continue;
        }
        for (inputs, counts) in by_inputs {
            let even = |values: &BTreeMap<i128, usize>| {
                values.len() == 2 && values.values().all(|n| Some(n) == values.values().next())
            };
            if !counts.values().all(even) {
                return Some(format!("inputs {inputs:?}: a view tells of the result"));
            }
        }
    }
    None
}

/// No party learns anything, and would if a word of the randomness were 0 instead: any word where bits are
/// computed, most words where numbers are. Of these, what is sent twofold is not seen modulo 2, and a sum of
/// masks may hide as well without one of them.
fn hidden(scheme: Scheme, primitives: &'static [Primitive]) {
    let name = scheme.name;
    for primitive in primitives {
        let Enumeration { seen, words, coins, base } = enumerate(scheme, primitive);
        for (me, seen) in seen.iter().enumerate() {
            let leak = leaks(primitive, me, seen, |_| true);
            assert!(leak.is_none(), "{name}, {}: party {me}: {}", primitive.name, leak.unwrap());
        }
        let noticed = |&&place: &&u32| {
            let stuck = |run: &Seen| (run.tape / base.pow(place)).is_multiple_of(base);
            seen.iter().enumerate().any(|(me, seen)| leaks(primitive, me, seen, stuck).is_some())
        };
        let (needed, words) = (words.iter().filter(noticed).count(), words.len());
        println!(
            "{name}, {}: {needed} of {words} words, modulo {base}; {coins} of coins",
            primitive.name
        );
        let enough = needed == words
            || !primitive.bits && (needed > 0 && base == 2 || scheme.of * needed > words);
        assert!(enough, "{name}, {}: {needed} of {words} words matter", primitive.name);
    }
}

const REP3: Scheme =
    Scheme { name: "rep3-ring", build: schemes::rep3_ring::build, parties: 3, prime: None, of: 2 };
const REP4: Scheme =
    Scheme { name: "rep4-ring", build: schemes::rep4_ring::build, parties: 4, prime: None, of: 2 };

#[test]
fn three_parties_with_replicated_numbers_see_nothing() {
    hidden(REP3, &OF_NUMBERS);
}

#[test]
fn three_parties_with_replicated_bits_see_nothing() {
    hidden(REP3, &OF_BITS);
    hidden(Scheme { name: "rep3-bin", build: schemes::rep3_bin::build, ..REP3 }, &OF_BITS);
}

#[test]
fn three_parties_see_nothing_of_an_order() {
    hidden(REP3, &SHUFFLES);
}

const fn over_field(name: &'static str, build: Build, prime: u128) -> Scheme {
    Scheme { name, build, parties: 3, prime: Some(prime), of: 2 }
}

#[test]
fn three_parties_over_a_field_see_nothing() {
    let replicated = build_over::<schemes::rep3_field::SemiHonest, Small<3>>;
    hidden(over_field("rep3-field", replicated, 3), &OF_NUMBERS[..3]);
    // As many points as parties, and zero.
    let resharing = build_over::<schemes::shamir::ByResharing, Small<5>>;
    hidden(over_field("shamir", resharing, 5), &OF_NUMBERS[..3]);
}

#[test]
fn three_parties_of_whom_one_is_king_see_nothing() {
    let kings = build_over::<schemes::atlas::ByKings, Small<5>>;
    // Words that only others lack hide nothing: they see no products.
    hidden(Scheme { of: 4, ..over_field("atlas", kings, 5) }, &OF_NUMBERS[..3]);
}

#[test]
fn three_parties_with_proven_triples_see_nothing() {
    let triples = build_over::<schemes::mal_rep3_field::ByTriples, Small<3>>;
    hidden(over_field("mal-rep3-field", triples, 3), &OF_NUMBERS[..2]);
}

// Of the others, products and conversions under `sy-rep3-ring` and `mal-rep3-ring` take too many words.
#[test]
fn three_parties_of_whom_one_may_cheat_see_nothing() {
    let scheme = |name, build| Scheme { name, build, ..REP3 };
    let sacrifice = scheme("ps-rep3-ring", schemes::ps_rep3_ring::build);
    hidden(sacrifice, &OF_BITS);
    hidden(sacrifice, &OF_NUMBERS[..5]);
    let macs = scheme("sy-rep3-ring", schemes::sy_rep3_ring::build);
    hidden(macs, &OF_BITS);
    hidden(macs, &OF_NUMBERS[..1]);
    let triples = scheme("mal-rep3-ring", schemes::mal_rep3_ring::build);
    hidden(triples, &OF_BITS);
    hidden(triples, &OF_NUMBERS[..1]);
    hidden(scheme("ps-rep3-bin", schemes::ps_rep3_bin::build), &OF_BITS);
}

#[test]
fn four_parties_see_nothing() {
    hidden(REP4, &OF_BITS);
    hidden(REP4, &OF_NUMBERS);
}

#[test]
fn four_parties_see_nothing_of_an_order() {
    hidden(REP4, &SHUFFLES);
}

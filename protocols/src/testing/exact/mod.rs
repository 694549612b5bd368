//! What a party sees tells it nothing, exactly: all randomness there is, is gone through, and the views of
//! every party are counted (P0; the simulation proofs of the schemes, done by enumeration). Where that is too
//! much, views are described as [`cosets`].
//!
//! Seeds of a coin become known to all, and name streams that nobody could name before: they are 0.
//!
//! Shares, masks and products of a ring Z_{2^k} are polynomials with integer coefficients, so reduction
//! modulo 2 or 4 commutes with them: run with streams of words below 2 or 4, and observed modulo 2 or 4, a
//! scheme over Z_{2^64} is the scheme over Z_2 or Z_4. For bits it is the scheme itself. Schemes over a
//! prime field take any, here one of three or five elements.

mod cosets;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use mpc_runtime::tape::{Places, Reader, Tape};
use mpc_runtime::transport::Frame;
use mpc_runtime::{Executor, Header, Label, Party, Result, Step, Transport, local};

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
    /// Bits that are shared for it.
    shared_bits: u8,
}

/// A result that the inputs determine.
const COMPUTED: Primitive = Primitive {
    name: "",
    work: |_, _, _| unreachable!("every primitive says what it does"),
    bits: false,
    opened: false,
    random: false,
    shared_bits: 0,
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
        shared_bits: 2,
        bits: true,
        ..COMPUTED
    },
    Primitive {
        name: "conjunction",
        work: work!(input_bits, |p, step, x, y| p.and(step, &x, &y)),
        shared_bits: 2,
        bits: true,
        ..COMPUTED
    },
    Primitive {
        name: "conjunction, opened",
        work: work!(input_bits, |p, step, x, y| p.and(step, &x, &y)),
        shared_bits: 2,
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
        shared_bits: 2,
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
        shared_bits: 2,
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

/// A message that came in.
struct Message {
    /// The sender, and what else tells it from others; never the same twice.
    name: Vec<u8>,
    step: u64,
    label: u16,
    /// The payload modulo the base.
    digits: Vec<u8>,
}

type Messages = Rc<RefCell<Vec<Message>>>;

/// A transport that keeps what comes in, reduced modulo `base`.
struct Watched {
    end: local::Local,
    base: u8,
    scheme: Scheme,
    seen: Messages,
}

impl Watched {
    fn see(&self, frame: &Frame) {
        let payload: &[u8] = &frame.payload;
        let mut name = vec![frame.from as u8];
        name.extend_from_slice(&frame.header.encode());
        let wide = self.scheme.wide.iter().any(|label| Label(label).id() == frame.header.label);
        let element = if wide { 2 * ELEMENT } else { ELEMENT };
        let numbers = self.scheme.lanes == 1 && payload.len().is_multiple_of(element);
        let digits = if numbers {
            // Elements of a field are below the base; rows of numbers, low bytes first.
            payload.chunks_exact(element).map(|element| element[0] % self.base).collect()
        } else {
            let bits = self.scheme.bits;
            payload.iter().flat_map(|byte| (0..bits).map(move |i| byte >> i & 1)).collect()
        };
        let Header { step, label, .. } = frame.header;
        self.seen.borrow_mut().push(Message { name, step, label, digits });
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

/// Digits by place, and 0 at the places behind the last.
type Digits = Vec<u8>;

fn digit(digits: &[u8], place: usize) -> u8 {
    digits.get(place).copied().unwrap_or(0)
}

fn set(digits: &mut Digits, place: usize, digit: u8) {
    digits.resize(digits.len().max(place + 1), 0);
    digits[place] = digit;
}

/// The same but for one digit.
fn with(digits: &[u8], place: usize, digit: u8) -> Digits {
    let mut digits = digits.to_vec();
    set(&mut digits, place, digit);
    digits
}

/// How many tapes there are that differ at so many places.
fn tapes(base: u8, places: usize) -> u128 {
    u128::from(base).checked_pow(places as u32).unwrap_or(u128::MAX)
}

/// What came of one tape: a party's view, and the result.
struct Seen {
    tape: Digits,
    inputs: [i128; 2],
    view: [u8; 32],
    value: i128,
}

/// What came of a run at a party: what it has seen before the result is opened, or after that if it is made
/// known.
struct Ran {
    /// Stands for all that it has seen and read.
    view: [u8; 32],
    /// Digits of the messages.
    told: Vec<u8>,
    value: i128,
    /// Places that it has read.
    read: Vec<usize>,
}

/// Messages that are not looked at: hashes, which the rest of a view determines, or a run does not come to its
/// end.
const DETERMINED: [&str; 2] = ["vouch.digest", "commit.hash"];

/// A run with each of these tapes, by party and tape.
fn run(
    scheme: Scheme,
    primitive: &'static Primitive,
    values: [i128; 2],
    places: &Places,
    (base, tapes): (u8, &[Digits]),
) -> Vec<Vec<Ran>> {
    local::run_each(scheme.parties, tapes.len(), |i, end| {
        let digits = tapes[i].clone();
        let tape = Tape { places: places.clone(), base, lanes: scheme.lanes, digits };
        one_run(scheme, primitive, values, tape, end)
    })
}

fn one_run(
    scheme: Scheme,
    primitive: &'static Primitive,
    values: [i128; 2],
    tape: Tape,
    end: local::Local,
) -> Ran {
    let (me, seen, parties) = (end.me(), Rc::default(), scheme.parties);
    let setup = setup(parties, 64, Truncation::Exact);
    let protocol = (scheme.build)(&setup, me, &seeds(1, me, parties)).expect("the setup suits");
    let watched = Watched { end, base: tape.base, scheme, seen: Rc::clone(&seen) };
    let mut executor = Executor::new(Box::new(watched));
    let setup = together(&mut executor, SETUP, &protocol, |p, step| {
        Box::pin(async move { p.setup(&step.preprocessing()).await })
    });
    setup.expect("nobody cheats");
    let base = i128::from(tape.base);
    let reader = Reader::new(tape);
    let result =
        together(&mut executor, WORK, &protocol, move |p, step| (primitive.work)(p, step, values))
            .expect("nobody cheats");
    let early = view(&seen, &[WORK], &reader);
    let value = together(&mut executor, OPENING, &protocol, move |p, step| {
        Box::pin(async move {
            // That of bits works on words of many of them.
            if p.verifies() && !primitive.bits && scheme.lanes == 1 {
                p.check(step).await?;
            }
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
    let (view, told) = if primitive.opened { all } else { early };
    Ran { view, told, value, read }
}

/// What stands for the messages of these steps in any order and the digits of the streams that the party
/// knows; and [`Ran::told`]. What peers are ahead with belongs to later steps.
fn view(seen: &Messages, steps: &[u64], reader: &Reader) -> ([u8; 32], Vec<u8>) {
    let (seen, determined) = (seen.borrow(), DETERMINED.map(|name| Label(name).id()));
    let counts = |m: &&Message| steps.contains(&m.step) && !determined.contains(&m.label);
    let mut messages: Vec<&Message> = seen.iter().filter(counts).collect();
    messages.sort_unstable_by_key(|message| &message.name);
    let mut hasher = blake3::Hasher::new();
    for message in &messages {
        hasher.update(&message.name).update(&message.digits);
    }
    for (place, digit) in reader.digits() {
        hasher.update(&(place as u64).to_le_bytes()).update(&[digit]);
    }
    let told = messages.iter().flat_map(|message| message.digits.clone()).collect();
    (*hasher.finalize().as_bytes(), told)
}

/// What is enumerated.
#[derive(Clone, Copy)]
struct Scheme {
    name: &'static str,
    build: Build,
    parties: usize,
    /// The prime of the field, if it is over one.
    prime: Option<u8>,
    /// Where numbers are computed, more than one of so many words is needed, or all of them.
    of: usize,
    /// The same for bits.
    of_bits: usize,
    /// Whether bits are shared under random ones. Over a field, such a bit is known if the number is 0 that
    /// its square is made of.
    masked_bits: bool,
    /// Messages of elements of twice the length.
    wide: &'static [&'static str],
    /// Bits that stand in the byte of shared bits. A word gives others a copy of a mask, which is no mask for them.
    bits: u8,
    /// Digits of a word ([`Tape::lanes`]). With more than one, all that is sent is bits.
    lanes: usize,
}

/// Both inputs, each 0 or 1.
const INPUTS: [[i128; 2]; 4] = [[0, 0], [0, 1], [1, 0], [1, 1]];

/// What parties see when a primitive runs.
enum Views {
    /// In every run that there is, by party.
    All(Vec<Vec<Seen>>),
    /// By party, as cosets.
    Cosets(Vec<cosets::Views>),
}

/// All runs of a primitive.
struct Enumeration {
    primitive: &'static Primitive,
    parties: usize,
    views: Views,
    /// Words of randomness, but those of coins and those that change nothing.
    words: Vec<usize>,
    /// How many are of coins.
    coins: usize,
    /// Digits that they are made of: the prime; else 4, or 2 for bits and where there would be too many
    /// tapes.
    base: u8,
    /// How far views may be from independent of secrets.
    tolerance: f64,
}

impl Enumeration {
    fn new(scheme: Scheme, primitive: &'static Primitive) -> Enumeration {
        let Scheme { parties, prime, masked_bits, lanes, .. } = scheme;
        let met = Places::default();
        run(scheme, primitive, [0, 0], &met, (prime.unwrap_or(2), &[vec![]]));
        let places = met.by_name();
        let zero = run(scheme, primitive, [0, 0], &places, (prime.unwrap_or(2), &[vec![]]));
        let words = places.count() * lanes;
        let names = |&place: &usize| {
            let tape = with(&[], place, 1);
            let ran = run(scheme, primitive, [0, 0], &places, (prime.unwrap_or(2), &[tape]));
            ran.iter().zip(&zero).any(|(ran, zero)| ran[0].read != zero[0].read)
        };
        let (coins, mut words): (Vec<usize>, Vec<usize>) = (0..words).partition(names);
        let met = places.count();
        let few = tapes(4, words.len()) <= TAPES_BY_CHOICE && !primitive.bits && lanes == 1;
        let base = prime.unwrap_or(if few { 4 } else { 2 });
        let masks =
            u8::from(primitive.random) + if masked_bits { primitive.shared_bits } else { 0 };
        let tolerance = prime.map_or(0.0, |p| f64::from(masks) / f64::from(p));
        let views = if tapes(base, words.len()) <= TAPES {
            Views::All(every_run(scheme, primitive, &places, (base, &all_digits(base, &words))))
        } else {
            let of_party = |me: Party| {
                let (known, hidden): (Vec<usize>, Vec<usize>) =
                    words.iter().partition(|place| zero[me][0].read.contains(place));
                cosets::Views::new(
                    scheme,
                    primitive,
                    tolerance,
                    (&places, base),
                    me,
                    (&known, &hidden),
                )
            };
            Views::Cosets((0..parties).map(of_party).collect())
        };
        if let Views::Cosets(views) = &views {
            let matter: BTreeSet<usize> = views.iter().flat_map(|views| views.words()).collect();
            words.retain(|word| matter.contains(word));
        }
        assert_eq!(places.count(), met, "{}: what is read depends on it", primitive.name);
        Enumeration { primitive, parties, views, words, coins: coins.len(), base, tolerance }
    }

    /// What somebody learns, if that is anything; or would, if this word were always 0.
    fn leak(&self, stuck: Option<usize>) -> Option<String> {
        let counted = |run: &Seen| stuck.is_none_or(|place| digit(&run.tape, place) == 0);
        let of_party = |me: Party| match &self.views {
            Views::All(seen) => leaks(self, me, &seen[me], counted),
            Views::Cosets(views) => views[me].leak(self.tolerance, stuck),
        };
        (0..self.parties).find_map(|me| of_party(me).map(|what| format!("party {me}: {what}")))
    }
}

/// What came of these tapes with all inputs, by party.
fn every_run(
    scheme: Scheme,
    primitive: &'static Primitive,
    places: &Places,
    (base, tapes): (u8, &[Digits]),
) -> Vec<Vec<Seen>> {
    let mut seen: Vec<Vec<Seen>> = (0..scheme.parties).map(|_| vec![]).collect();
    for inputs in INPUTS {
        let of_parties = run(scheme, primitive, inputs, places, (base, tapes));
        for (seen, ran) in seen.iter_mut().zip(of_parties) {
            let each = ran.into_iter().zip(tapes);
            seen.extend(each.map(|(Ran { view, value, .. }, tape)| Seen {
                tape: tape.clone(),
                inputs,
                view,
                value,
            }));
        }
    }
    seen
}

/// All tapes that are 0 but at these places.
fn all_digits(base: u8, places: &[usize]) -> Vec<Digits> {
    let mut tapes = vec![vec![]];
    for &place in places {
        let each = tapes.iter().flat_map(|tape| (0..base).map(move |digit| (tape, digit)));
        tapes = each.map(|(tape, digit)| with(tape, place, digit)).collect();
        assert!(tapes.len() as u128 <= TAPES, "too many tapes");
    }
    tapes
}

/// How often each view is seen.
type Distribution<View> = BTreeMap<View, u64>;

/// Whether one of these differs from the first by more than `tolerance` of all.
fn telling<View: Ord>(all: &[Distribution<View>], tolerance: f64) -> bool {
    let total = |of: &Distribution<View>| of.values().sum::<u64>() as f64;
    let of_first = total(&all[0]);
    all[1..].iter().any(|other| {
        let of_other = total(other);
        let times = |of: &Distribution<View>, view| of.get(view).map_or(0.0, |&n| n as f64);
        let apart = |view| times(&all[0], view) / of_first - times(other, view) / of_other;
        let views: BTreeSet<&View> = all[0].keys().chain(other.keys()).collect();
        views.into_iter().map(|view| apart(view).abs()).sum::<f64>() / 2.0 > tolerance + 1e-9
    })
}

/// Whether party `me` learns something from the runs that `counted` picks.
fn leaks(
    Enumeration { primitive, base, tolerance, .. }: &Enumeration,
    me: Party,
    seen: &[Seen],
    counted: impl Fn(&Seen) -> bool,
) -> Option<String> {
    // What the party knows anyhow: its own input, and the result if it is opened.
    let mut known: BTreeMap<_, BTreeMap<_, Distribution<_>>> = BTreeMap::new();
    let base = i128::from(*base);
    for run in seen.iter().filter(|run| counted(run)) {
        let given = (run.inputs.get(me).copied(), primitive.opened.then_some(run.value));
        let results: &[Option<i128>] = match primitive.random {
            true => &[Some(run.value), Some((1 - run.value).rem_euclid(base))],
            false => &[None],
        };
        for (side, result) in results.iter().enumerate() {
            let views = known.entry(given).or_default().entry((run.inputs, side)).or_default();
            *views.entry((run.view, *result)).or_default() += 1;
        }
    }
    known.into_iter().find_map(|(given, views)| {
        let views: Vec<_> = views.into_values().collect();
        telling(&views, *tolerance).then(|| format!("given {given:?}, views differ"))
    })
}

/// Anything, of the seed of the laws of [`super::conformance`].
fn any(draw: u64, place: usize) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed().to_le_bytes()).update(&draw.to_le_bytes());
    let hash = *hasher.update(&(place as u64).to_le_bytes()).finalize().as_bytes();
    u64::from_le_bytes(hash[..8].try_into().expect("eight bytes"))
}

/// A tape that is 0 but at these places: there it is anything, or 0 in the first draw.
fn draw_digits(base: u8, places: &[usize], draw: u64) -> Digits {
    let mut digits = vec![];
    for &place in places.iter().filter(|_| draw > 0) {
        set(&mut digits, place, (any(draw, place) % u64::from(base)) as u8);
    }
    digits
}

/// No party learns anything, and would if a word of the randomness were 0 instead: any word where bits are
/// computed, most words where numbers are. Of these, what is sent twofold is not seen modulo 2, and a sum of
/// masks may hide as well without one of them.
fn hidden(scheme: Scheme, primitives: &'static [Primitive]) {
    for primitive in primitives {
        let what = format!("{}, {}", scheme.name, primitive.name);
        let all = Enumeration::new(scheme, primitive);
        if let Some(leak) = all.leak(None) {
            panic!("{what}: {leak}");
        }
        let needed = all.words.iter().filter(|&&place| all.leak(Some(place)).is_some()).count();
        let Enumeration { words, coins, base, .. } = all;
        let words = words.len();
        println!("{what}: {needed} of {words} words, modulo {base}; {coins} of coins");
        let of = if primitive.bits { scheme.of_bits } else { scheme.of };
        let modulo_two = !primitive.bits && base == 2;
        let enough = needed == words || of * needed > words || modulo_two && needed > 0;
        assert!(enough, "{what}: {needed} of {words} words matter");
    }
}

const REP3: Scheme = Scheme {
    name: "rep3-ring",
    build: schemes::rep3_ring::build,
    parties: 3,
    prime: None,
    of: 2,
    of_bits: 1,
    masked_bits: false,
    wide: &[],
    bits: 1,
    lanes: 1,
};
const REP4: Scheme =
    Scheme { name: "rep4-ring", build: schemes::rep4_ring::build, parties: 4, ..REP3 };

const fn ring(name: &'static str, build: Build) -> Scheme {
    Scheme { name, build, ..REP3 }
}

#[test]
fn three_parties_with_replicated_numbers_see_nothing() {
    hidden(REP3, &OF_NUMBERS);
}

#[test]
fn three_parties_with_replicated_bits_see_nothing() {
    hidden(REP3, &OF_BITS);
    hidden(ring("rep3-bin", schemes::rep3_bin::build), &OF_BITS);
}

#[test]
fn three_parties_see_nothing_of_an_order() {
    hidden(REP3, &SHUFFLES);
    let of_bits = [
        ring("rep3-bin", schemes::rep3_bin::build),
        ring("ps-rep3-bin", schemes::ps_rep3_bin::build),
    ];
    for scheme in of_bits {
        // Two rows of two bits.
        hidden(Scheme { lanes: 4, bits: 4, ..scheme }, &SHUFFLES);
    }
}

const fn over_field(name: &'static str, build: Build, prime: u8) -> Scheme {
    Scheme { name, build, prime: Some(prime), of_bits: 2, ..REP3 }
}

#[test]
fn three_parties_over_a_field_see_nothing() {
    let replicated = build_over::<schemes::rep3_field::SemiHonest, Small<3>>;
    let replicated = over_field("rep3-field", replicated, 3);
    hidden(replicated, &OF_NUMBERS);
    hidden(replicated, &OF_BITS);
    // Two orders are not as likely when one digit of three tells them apart, so they stay hidden.
    hidden(replicated, &SHUFFLES[..1]);
    // As many points as parties, and zero.
    let resharing = over_field("shamir", build_over::<schemes::shamir::ByResharing, Small<5>>, 5);
    hidden(resharing, &OF_NUMBERS[..3]);
    hidden(resharing, &OF_BITS[3..]);
    hidden_at_length(resharing, &OF_NUMBERS[3..]);
    hidden_at_length(resharing, &OF_BITS[..3]);
}

#[test]
fn three_parties_of_whom_one_is_king_see_nothing() {
    let kings = build_over::<schemes::atlas::ByKings, Small<5>>;
    // Words that only others lack hide nothing: they see no products.
    hidden(Scheme { of: 4, ..over_field("atlas", kings, 5) }, &OF_NUMBERS[..3]);
}

/// A scheme with a check.
const fn checked(scheme: Scheme) -> Scheme {
    // Much is there twice: without a half of it, the other hides.
    Scheme { of: 4, of_bits: 4, masked_bits: true, ..scheme }
}

#[test]
fn three_parties_with_proven_triples_see_nothing() {
    let replicated = build_over::<schemes::mal_rep3_field::ByTriples, Small<3>>;
    let polynomials = build_over::<schemes::mal_shamir::ByTriples, Small<5>>;
    let schemes =
        [over_field("mal-rep3-field", replicated, 3), over_field("mal-shamir", polynomials, 5)];
    for scheme in schemes.map(checked) {
        hidden(scheme, &OF_NUMBERS[..3]);
        hidden(scheme, &OF_BITS[3..]);
        hidden_at_length(scheme, &OF_NUMBERS[3..]);
        hidden_at_length(scheme, &OF_BITS[..3]);
    }
}

#[test]
fn three_parties_with_macs_over_a_field_see_nothing() {
    let macs = build_over::<schemes::sy_shamir::ByMacs, Small<5>>;
    let macs = checked(over_field("sy-shamir", macs, 5));
    hidden(macs, &OF_NUMBERS[..3]);
    hidden(macs, &OF_BITS[3..]);
    hidden_at_length(macs, &OF_NUMBERS[3..]);
    hidden_at_length(macs, &OF_BITS[..3]);
}

#[test]
fn three_parties_with_polynomials_of_bits_see_nothing() {
    // Coefficients of an element hide together, most of the time without one of them.
    hidden(Scheme { bits: 8, of_bits: 4, ..ring("ccd", schemes::ccd::build) }, &OF_BITS);
}

#[test]
fn three_parties_of_whom_one_may_cheat_see_nothing() {
    const WIDE: &[&str] =
        &["rep3.checked.share", "rep3.optimistic", "rep3.sacrifice.masked", "rep3.sacrifice.rest"];
    // The upper halves of its numbers hide nothing that is looked at.
    let sacrifice =
        Scheme { wide: WIDE, of: 4, ..ring("ps-rep3-ring", schemes::ps_rep3_ring::build) };
    hidden(sacrifice, &OF_BITS);
    hidden(sacrifice, &OF_NUMBERS[..5]);
    hidden_at_length(sacrifice, &OF_NUMBERS[5..]);
    hidden_at_length(sacrifice, &SHUFFLES);
    hidden(ring("ps-rep3-bin", schemes::ps_rep3_bin::build), &OF_BITS);
}

#[test]
fn three_parties_with_macs_see_nothing() {
    const WIDE: &[&str] = &[
        "rep3.bit",
        "rep3.bit.product",
        "rep3.checked.share",
        "rep3.mac",
        "rep3.mac.key",
        "rep3.mac.rest",
        "rep3.mac.sums",
        "rep3.mac.value",
        "rep3.product.mac",
    ];
    let macs = Scheme { wide: WIDE, ..ring("sy-rep3-ring", schemes::sy_rep3_ring::build) };
    hidden(macs, &OF_BITS);
    hidden(macs, &OF_NUMBERS[..5]);
    hidden_at_length(macs, &OF_NUMBERS[5..]);
    hidden_at_length(macs, &SHUFFLES);
}

#[test]
fn three_parties_with_triples_see_nothing() {
    const WIDE: &[&str] = &["rep3.optimistic", "rep3.sacrifice.masked", "rep3.sacrifice.rest"];
    let triples = Scheme { wide: WIDE, ..ring("mal-rep3-ring", schemes::mal_rep3_ring::build) };
    hidden(triples, &OF_BITS);
    hidden(triples, &OF_NUMBERS[..2]);
    hidden_at_length(triples, &OF_NUMBERS[2..]);
    hidden_at_length(triples, &SHUFFLES);
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

/// What is left out unless the variable `CONFORMANCE` says `full`.
fn hidden_at_length(scheme: Scheme, primitives: &'static [Primitive]) {
    if Effort::Little.unless_full() == Effort::All {
        hidden(scheme, primitives);
    }
}

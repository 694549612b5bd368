//! What a party sees tells it nothing, exactly: all randomness there is, is gone through, and the views of
//! every party are counted (P0; the simulation proofs of the schemes, done by enumeration).
//!
//! Shares, masks and products of a ring Z_{2^k} are polynomials with integer coefficients, so reduction
//! modulo 2 or 4 commutes with them: run with streams of words below 2 or 4, and observed modulo 2 or 4, a
//! scheme over Z_{2^64} is the scheme over Z_2 or Z_4. For bits it is the scheme itself.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use mpc_runtime::tape::{Places, Reader, Tape};
use mpc_runtime::transport::Frame;
use mpc_runtime::{Executor, Header, Party, Result, Step, Transport, local};

use super::attack::{owned, together};
use super::conformance::setup;
use super::session::seeds;
use crate::cost::Truncation;
use crate::protocol::{Build, Fut, Protocol};
use crate::value::Shares;

/// Bytes of an element on the wire.
const ELEMENT: usize = 8;
/// Steps of a run.
const SETUP: u64 = 0;
const WORK: u64 = 1;
const OPENING: u64 = 2;
/// Most tapes of an enumeration.
const TAPES: u128 = 1 << 10;

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
            let low = |element: &[u8]| element[0] & (self.base as u8 - 1);
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

/// One run; by party, what it has seen before the result is opened, and the result.
fn run(
    build: Build,
    parties: usize,
    primitive: &'static Primitive,
    values: [i128; 2],
    tape: &Tape,
) -> Vec<([u8; 32], i128)> {
    let base = tape.base as i128;
    local::run(parties, |end| {
        let (me, seen) = (end.me(), Rc::default());
        let setup = setup(parties, 64, Truncation::Exact);
        let protocol = build(&setup, me, &seeds(1, me, parties)).expect("the setup suits");
        let watched = Watched { end, base: tape.base, seen: Rc::clone(&seen) };
        let mut executor = Executor::new(Box::new(watched));
        let setup = together(&mut executor, SETUP, &protocol, |p, step| {
            Box::pin(async move { p.setup(&step.preprocessing()).await })
        });
        setup.expect("nobody cheats");
        let reader = Reader::new(tape.clone());
        let result = together(&mut executor, WORK, &protocol, move |p, step| {
            (primitive.work)(p, step, values)
        })
        .expect("nobody cheats");
        let open = |executor: &mut Executor| {
            together(executor, OPENING, &protocol, move |p, step| {
                Box::pin(async move {
                    if primitive.bits {
                        let bit = p.open_bits(step, &result, None).await?;
                        return Ok(i128::from(bit.values().expect("opened")[0]));
                    }
                    let number = p.open(step, &result, None, 4).await?;
                    Ok(number.values().expect("opened")[0] & (base - 1))
                })
            })
            .expect("nobody cheats")
        };
        let early = view(&seen, &[WORK], &reader);
        let value = open(&mut executor);
        let all = view(&seen, &[WORK, OPENING], &reader);
        (if primitive.opened { all } else { early }, value)
    })
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

/// All runs of a primitive.
struct Enumeration {
    /// By party.
    seen: Vec<Vec<Seen>>,
    /// Words of randomness.
    words: u32,
    /// Digits that they are made of: 4, or 2 for bits and where there would be too many tapes.
    base: u128,
}

/// All tapes with all inputs.
fn enumerate(build: Build, parties: usize, primitive: &'static Primitive) -> Enumeration {
    let places = Places::default();
    run(build, parties, primitive, [0, 0], &Tape { places: places.clone(), base: 2, number: 0 });
    let words = places.count() as u32;
    let few = |base: u128| base.checked_pow(words).is_some_and(|tapes| tapes <= TAPES);
    let base = if primitive.bits || !few(4) { 2_u128 } else { 4 };
    assert!(few(base), "{}: {words} words of randomness are too many", primitive.name);
    let tapes = base.pow(words);
    let mut seen: Vec<Vec<Seen>> = (0..parties).map(|_| vec![]).collect();
    for inputs in [[0, 0], [0, 1], [1, 0], [1, 1]] {
        for tape in 0..tapes {
            let read = Tape { places: places.clone(), base, number: tape };
            let views = run(build, parties, primitive, inputs, &read);
            for (party, (view, value)) in views.into_iter().enumerate() {
                seen[party].push(Seen { tape, inputs, view, value });
            }
        }
    }
    assert_eq!(places.count() as u32, words, "{}: what is read depends on it", primitive.name);
    Enumeration { seen, words, base }
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
fn hidden(name: &str, build: Build, parties: usize, primitives: &'static [Primitive]) {
    for primitive in primitives {
        let Enumeration { seen, words, base } = enumerate(build, parties, primitive);
        for (me, seen) in seen.iter().enumerate() {
            let leak = leaks(primitive, me, seen, |_| true);
            assert!(leak.is_none(), "{name}, {}: party {me}: {}", primitive.name, leak.unwrap());
        }
        let noticed = |&place: &u32| {
            let stuck = |run: &Seen| (run.tape / base.pow(place)).is_multiple_of(base);
            seen.iter().enumerate().any(|(me, seen)| leaks(primitive, me, seen, stuck).is_some())
        };
        let needed = (0..words).filter(noticed).count() as u32;
        println!("{name}, {}: {needed} of {words} words, modulo {base}", primitive.name);
        let enough =
            needed == words || !primitive.bits && (needed > 0 && base == 2 || 2 * needed > words);
        assert!(enough, "{name}, {}: {needed} of {words} words matter", primitive.name);
    }
}

#[test]
fn three_parties_with_replicated_numbers_see_nothing() {
    hidden("rep3-ring", crate::schemes::rep3_ring::build, 3, &OF_NUMBERS);
}

#[test]
fn three_parties_with_replicated_bits_see_nothing() {
    hidden("rep3-ring", crate::schemes::rep3_ring::build, 3, &OF_BITS);
    hidden("rep3-bin", crate::schemes::rep3_bin::build, 3, &OF_BITS);
}

#[test]
fn four_parties_see_nothing() {
    // The others take too many words.
    hidden("rep4-ring", crate::schemes::rep4_ring::build, 4, &OF_BITS[..2]);
    hidden("rep4-ring", crate::schemes::rep4_ring::build, 4, &OF_NUMBERS[..2]);
}

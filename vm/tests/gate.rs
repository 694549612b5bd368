//! Verbs of a protocol over a prime field that finds cheats by checks only: what is opened under masks that
//! hide no more than short numbers waits for a check.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mpc_bytecode::operand::Text;
use mpc_bytecode::{Element, Entry, Instruction, Program, Receivers, Variable};
use mpc_protocols::testing::conformance;
use mpc_protocols::{
    Call, Clear, ClearBits, ClearVec, Cost, Domain, Fut, Party, Protocol, Result, Seeds, Setup,
    Shares, Truncation, Units, Verb, registry,
};
use mpc_runtime::{Error, Label, Phase, Step, Transport, local};
use mpc_vm::estimate::estimate;
use mpc_vm::machine::{Binding, Machine, Outcome};

const CHECK: Label = Label("test.check");
const PARTIES: usize = 3;

/// What a party does, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Event {
    Product,
    Check,
    MaskedOpening,
}

thread_local! {
    /// What this party did.
    static EVENTS: RefCell<Vec<Event>> = const { RefCell::new(vec![]) };
    /// Which product has an error.
    static WRONG: Cell<Option<usize>> = const { Cell::new(None) };
}

fn did(event: Event) {
    EVENTS.with_borrow_mut(|events| events.push(event));
}

/// `shamir`, of which products count as unverified until a check that sends a byte for each.
struct Checked {
    inner: Rc<dyn Protocol>,
    products: Cell<usize>,
    unverified: Cell<usize>,
    wrong: Cell<bool>,
}

impl Checked {
    async fn multiply(&self, step: &Step, a: &Shares, b: &Shares, bits: u32) -> Result<Shares> {
        let product = self.inner.mul(step, a, b, bits).await?;
        did(Event::Product);
        self.unverified.set(self.unverified.get() + product.len());
        self.wrong.set(self.wrong.get() || WRONG.get() == Some(self.products.get()));
        self.products.set(self.products.get() + 1);
        Ok(product)
    }

    async fn verify(&self, step: &Step) -> Result<()> {
        did(Event::Check);
        let bytes = self.unverified.take();
        if bytes == 0 {
            return Ok(());
        }
        let op = step.op(mpc_runtime::Depth::ZERO);
        let peers = || (0..op.parties()).filter(|&peer| peer != op.me());
        peers().try_for_each(|peer| op.send(peer, CHECK, &vec![0; bytes]))?;
        for peer in peers() {
            op.recv(peer, CHECK, bytes).await?;
        }
        op.round();
        if self.wrong.get() { Err(Error::CheckFailed { what: "products" }) } else { Ok(()) }
    }
}

macro_rules! inner {
    ($($verb:ident($($arg:ident: $ty:ty),*) -> $result:ty;)*) => { $(
        fn $verb<'a>(&'a self, step: &'a Step, $($arg: $ty),*) -> Fut<'a, $result> {
            self.inner.$verb(step, $($arg),*)
        }
    )* };
}

impl Protocol for Checked {
    fn domain(&self) -> Domain {
        self.inner.domain()
    }
    fn units(&self) -> Units {
        self.inner.units()
    }
    fn stat_sec(&self) -> u32 {
        self.inner.stat_sec()
    }
    fn truncation(&self) -> Truncation {
        self.inner.truncation()
    }
    fn corrupted(&self, parties: usize) -> usize {
        self.inner.corrupted(parties)
    }
    fn maskers(&self, parties: usize) -> usize {
        self.inner.maskers(parties)
    }
    fn setup_cost(&self, parties: usize) -> Cost {
        self.inner.setup_cost(parties)
    }
    fn setup<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        self.inner.setup(step)
    }
    fn cost(&self, call: &Call) -> Option<Cost> {
        match call.verb {
            Verb::Dot { .. } | Verb::MatMul { .. } | Verb::Shuffle { .. } => None,
            _ => self.inner.cost(call),
        }
    }
    fn verifies(&self) -> bool {
        true
    }
    fn check<'a>(&'a self, step: &'a Step) -> Fut<'a, ()> {
        Box::pin(self.verify(step))
    }
    fn check_cost(&self, calls: &[Call], parties: usize) -> Cost {
        let is_product = |call: &&Call| matches!(call.verb, Verb::Mul | Verb::And);
        let bytes: usize = calls.iter().filter(is_product).map(|call| call.len).sum();
        let others = parties - 1;
        match bytes {
            0 => Cost::local(parties),
            _ => Cost::each(parties, 1, others as u64, others * bytes),
        }
    }
    fn mul<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares, bits: u32) -> Fut<'a> {
        Box::pin(self.multiply(step, a, b, bits))
    }
    fn and<'a>(&'a self, step: &'a Step, a: &'a Shares, b: &'a Shares) -> Fut<'a> {
        Box::pin(self.multiply(step, a, b, 1))
    }
    fn open_wide<'a>(
        &'a self,
        step: &'a Step,
        a: &'a Shares,
        bits: u32,
    ) -> Fut<'a, ClearVec<[u128; 2]>> {
        did(Event::MaskedOpening);
        self.inner.open_wide(step, a, bits)
    }
    inner! {
        public(x: &'a Clear) -> Shares;
        public_bits(x: &'a ClearBits) -> Shares;
        add(a: &'a Shares, b: &'a Shares, bits: u32) -> Shares;
        sub(a: &'a Shares, b: &'a Shares, bits: u32) -> Shares;
        add_clear(a: &'a Shares, c: &'a Clear, bits: u32) -> Shares;
        mul_clear(a: &'a Shares, c: &'a Clear, bits: u32) -> Shares;
        share(owner: Party, x: &'a Clear, bits: u32) -> Shares;
        open(a: &'a Shares, to: Option<Party>, bits: u32) -> Clear;
        xor(a: &'a Shares, b: &'a Shares) -> Shares;
        xor_clear(a: &'a Shares, c: &'a ClearBits) -> Shares;
        and_clear(a: &'a Shares, c: &'a ClearBits) -> Shares;
        share_bits(owner: Party, x: &'a ClearBits) -> Shares;
        open_bits(a: &'a Shares, to: Option<Party>) -> ClearBits;
        random_bits(n: usize) -> Shares;
        xor_disjoint(a: &'a Shares, b: &'a Shares) -> Shares;
        from_bits(a: &'a Shares) -> Shares;
        as_bits(a: &'a Shares) -> Shares;
        compose(a: &'a Shares, k: u32, signed: bool) -> Shares;
        sum(a: &'a Shares, inner: usize, bits: u32) -> Shares;
        prefix(a: &'a Shares, inner: usize, bits: u32) -> Shares;
        mask(n: usize, bits: u32) -> Shares;
    }
}

fn build(setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
    let inner = registry::find("shamir")?.build(setup, me, seeds)?;
    let (products, unverified, wrong) = Default::default();
    Ok(Rc::new(Checked { inner, products, unverified, wrong }))
}

fn entry() -> registry::Entry {
    registry::Entry { make: build, ..*registry::find("shamir").expect("it is registered") }
}

fn assemble(text: &str, inputs: u64, outputs: u64) -> Rc<Program> {
    let parse = |line: &str| Instruction::parse(&mut Text::new(line)).expect(line);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let code: Vec<Instruction> = lines.map(parse).collect();
    let variable = |name: &str, len, receivers| Variable {
        name: name.into(),
        element: Element::Int(40),
        shape: vec![len],
        receivers,
    };
    let program = Program {
        roles: vec!["owner".into()],
        inputs: vec![variable("x", inputs, Receivers::Roles(vec![0]))],
        outputs: vec![variable("y", outputs, Receivers::All)],
        entries: vec![Entry { name: "main".into(), start: 0, end: code.len() as u32 }],
        registers: [1 << 18, 1 << 18, 1 << 18, 1 << 18, 8],
        ring_bits: 64,
        field_bits: 64,
        code,
        ..Program::default()
    };
    Rc::new(Program::load(&program.encode()).expect("the test's program is valid"))
}

fn setup() -> Setup {
    conformance::setup(PARTIES, 64, Truncation::Exact)
}

/// What each party got and did; product number `wrong` has an error.
fn run(
    program: &Rc<Program>,
    input: &[i128],
    wrong: Option<usize>,
) -> Vec<(Result<Outcome>, Vec<Event>)> {
    let (program, tile_bits) = (program.as_ref().clone(), Some(64 << 7));
    local::run(PARTIES, |end| {
        WRONG.set(wrong);
        let me = end.me();
        let seeds = Seeds { session: [0; 32], own: [me as u8; 32], pair: vec![[9; 32]; PARTIES] };
        let ran = entry().build(&setup(), me, &seeds).and_then(|protocol| {
            let inputs = vec![(me == 0).then(|| input.to_vec())];
            let binding = Binding { roles: vec![0], inputs, tile_bits };
            let program = Rc::new(program.clone());
            let mut machine = Machine::new(program, protocol, Box::new(end), binding)?;
            let outcome = machine.run("main", &mut |_, _| {})?;
            machine.close()?;
            Ok(outcome)
        });
        (ran, EVENTS.take())
    })
}

/// Runs without errors; asserts that nothing is opened under a mask while products are unverified, and
/// that what was sent is what was estimated. Gives the outputs, and how many checks there were.
fn agreed(program: &Rc<Program>, input: &[i128]) -> (Vec<i128>, usize) {
    let ran = run(program, input, None);
    let binding = Binding { roles: vec![0], tile_bits: Some(64 << 7), ..Default::default() };
    let account = estimate(program, &entry(), &setup(), binding, "main", vec![]).expect("it runs");
    let first = ran[0].0.as_ref().expect("nobody cheats");
    let (mut outputs, mut checks) = (vec![], 0);
    for (party, (outcome, events)) in ran.iter().enumerate() {
        let outcome = outcome.as_ref().expect("nobody cheats");
        assert_eq!(outcome.outputs, first.outputs, "party {party}");
        assert_eq!(outcome.stats.rounds, first.stats.rounds, "party {party}");
        assert_eq!(outcome.stats.rounds, account.rounds, "party {party}");
        for phase in [Phase::Preprocessing, Phase::Online] {
            let counted = outcome.stats.sent_in(phase).bytes;
            assert_eq!(counted, account.bytes(phase, party), "party {party}, {phase:?}");
        }
        outputs = outcome.outputs[0].1.clone();
        checks = events.iter().filter(|&&event| event == Event::Check).count();
    }
    (outputs, checks)
}

const COMPARE: &str = "input (c0:2, $0)
     share (s0:2, c0:2, $0, 40)
     muls (s2:1, s0:1, s1:1, 40)
     ltz (sb0:1, s2:1, 40)
     fromsb (s3:1, sb0:1)
     open (c2:1, s3:1, 2)
     output ($0, c2:1)
     halt ()";

#[test]
fn a_masked_opening_comes_after_a_check() {
    let program = assemble(COMPARE, 2, 1);
    assert_eq!(agreed(&program, &[3, -5]), (vec![1], 3));
    for (_, events) in run(&program, &[3, -5], None) {
        let at = |event| events.iter().position(|&e| e == event).expect("it comes");
        let (product, check) = (at(Event::Product), at(Event::Check));
        assert!(product < check && check < at(Event::MaskedOpening), "{events:?}");
    }
    for (outcome, events) in run(&program, &[3, -5], Some(0)) {
        assert!(matches!(outcome.expect_err("an error").root(), Error::CheckFailed { .. }));
        assert_eq!(events, [Event::Product, Event::Check], "nothing is opened");
    }
}

#[test]
fn the_barrier_holds_each_time() {
    // x[i + 1] = (x[i] < 0) + 1 - x[i]: each comparison waits for the one before.
    let program = assemble(
        "input (c0:1, $0)
         share (s0:1, c0:1, $0, 40)
         ldc (c1:1, 1)
         ldr (r0, 0)
         ldr (r1, 60)
         ltz (sb0:1, s0:1, 40)
         fromsb (s1:1, sb0:1)
         muls (s1:1, s1:1, s1:1, 2)
         subs (s0:1, s1:1, s0:1, 40)
         addm (s0:1, s0:1, c1:1, 40)
         addri (r0, r0, 1)
         jlt (r0, r1, @5)
         open (c2:1, s0:1, 40)
         output ($0, c2:1)
         halt ()",
        1,
        1,
    );
    let due = (0..60).fold(5, |x, _| i128::from(x < 0) + 1 - x);
    assert_eq!(agreed(&program, &[5]), (vec![due], 62));
    // An error of a product within a later comparison is found before the next one.
    for wrong in [0, 1, 40] {
        let honest = run(&program, &[5], None);
        for ((outcome, events), (_, all)) in run(&program, &[5], Some(wrong)).iter().zip(honest) {
            assert!(outcome.is_err());
            let products = |(_, event): &(usize, &Event)| **event == Event::Product;
            let (at, _) = all.iter().enumerate().filter(products).nth(wrong).expect("so many");
            let next = all[at..].iter().position(|&event| event == Event::Check).expect("checked");
            assert_eq!(events, &all[..=at + next]);
        }
    }
}

#[test]
fn independent_verbs_wait_for_one_check() {
    let separate: String = (0..40).map(|i| format!("ltz (sb{i}:1, s{i}:1, 40)\n")).collect();
    let program = assemble(
        &format!(
            "input (c0:40, $0)
             share (s0:40, c0:40, $0, 40)
             {separate}
             shrs (s100:40, s0:40, 40, 3)
             fromsb (s40:40, sb0:40)
             adds (s40:40, s40:40, s100:40, 40)
             open (c40:40, s40:40, 40)
             output ($0, c40:40)
             halt ()"
        ),
        40,
        40,
    );
    let input: Vec<i128> = (0..40).map(|i| i * 77 - 1000).collect();
    let due = input.iter().map(|x| i128::from(*x < 0) + (x >> 3)).collect();
    assert_eq!(agreed(&program, &input), (due, 3));
}

#[test]
fn long_vectors_many_tasks_and_sorting_end() {
    const N: usize = 1 << 17;
    let long = format!(
        "input (c0:{N}, $0)
         share (s0:{N}, c0:{N}, $0, 3)
         ltz (sb0:{N}, s0:{N}, 3)
         fromsb (s0:{N}, sb0:{N})
         sums (s0:1, s0:{N}, {N}, 40)
         open (c0:1, s0:1, 40)
         output ($0, c0:1)
         halt ()"
    );
    let input: Vec<i128> = (0..N as i128).map(|i| i % 7 - 3).collect();
    let due = input.iter().filter(|&&x| x < 0).count() as i128;
    assert_eq!(agreed(&assemble(&long, N as u64, 1), &input), (vec![due], 2 + 2));
    let many = "input (c0:1, $0)
         share (s0:1, c0:1, $0, 40)
         ldc (c1:1, 0)
         lds (s1:1, c1:1, 40)
         ldr (r0, 0)
         ldr (r1, 5000)
         ltz (sb0:1, s0:1, 3)
         fromsb (s2:1, sb0:1)
         adds (s1:1, s1:1, s2:1, 40)
         addri (r0, r0, 1)
         jlt (r0, r1, @6)
         open (c2:1, s1:1, 40)
         output ($0, c2:1)
         halt ()";
    let (sum, checks) = agreed(&assemble(many, 1, 1), &[-2]);
    assert!(sum == [5000] && (4..8).contains(&checks), "{sum:?} {checks}");
    let rows = 100;
    let sorted = format!(
        "input (c0:{rows}, $0)
         share (s0:{rows}, c0:{rows}, $0, 40)
         bits (sb0:{}, s0:{rows}, 20, 40)
         places (s1000:{rows}, sb0:{}, 20, 20)
         permute (s0:{rows}, s0:{rows}, s1000:{rows}, {rows}, 1, 40)
         open (c0:{rows}, s0:{rows}, 40)
         output ($0, c0:{rows})
         halt ()",
        20 * rows,
        20 * rows,
    );
    let mut input: Vec<i128> = (0..rows).map(|i| i * 1237 % 10007).collect();
    let (found, _) = agreed(&assemble(&sorted, rows as u64, rows as u64), &input);
    input.sort_unstable();
    assert_eq!(found, input);
}

#[test]
fn what_was_opened_to_a_party_is_told_to_all() {
    let program = assemble(
        "input (c0:1, $0)
         share (s0:1, c0:1, $0, 40)
         muls (s0:1, s0:1, s0:1, 40)
         opento (c1:1, s0:1, $0, 40)
         publish (c2:1, c1:1, $0, 40)
         output ($0, c2:1)
         halt ()",
        1,
        1,
    );
    assert_eq!(agreed(&program, &[9]), (vec![81], 4));
}

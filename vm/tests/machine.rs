//! The machine on hand-written bytecode.

use std::rc::Rc;

use mpc_bytecode::operand::Text;
use mpc_bytecode::{Element, Entry, Instruction, Program, Receivers, Variable};
use mpc_protocols::testing::conformance;
use mpc_protocols::{Seeds, Setup, Truncation, registry};
use mpc_runtime::local;
use mpc_vm::estimate::estimate;
use mpc_vm::machine::{Binding, Machine, Outcome};

fn assemble(text: &str, input_len: u64, output_len: u64) -> Program {
    let parse = |line: &str| Instruction::parse(&mut Text::new(line)).expect(line);
    let code: Vec<Instruction> =
        text.lines().map(str::trim).filter(|l| !l.is_empty()).map(parse).collect();
    let variable = |name: &str, len, receivers| Variable {
        name: name.into(),
        element: Element::Int(40),
        shape: vec![len],
        receivers,
    };
    let program = Program {
        roles: vec!["owner".into()],
        inputs: vec![variable("x", input_len, Receivers::Roles(vec![0]))],
        outputs: vec![variable("y", output_len, Receivers::All)],
        entries: vec![Entry { name: "main".into(), start: 0, end: code.len() as u32 }],
        registers: [64, 64, 64, 64, 8],
        ring_bits: 64,
        field_bits: 64,
        code,
        states: vec![variable("w", output_len, Receivers::All)],
        ..Program::default()
    };
    Program::load(&program.encode()).expect("the test's program is valid")
}

/// One party of `plain` with its input.
fn plain(program: &Rc<Program>, input: &[i128]) -> Result<Machine, mpc_runtime::Error> {
    let end = local::network(1, 1).pop().expect("one party");
    let seeds = Seeds { session: [0; 32], own: [1; 32], pair: vec![[0; 32]] };
    let protocol = registry::find("plain")?.build(&setup(), 0, &seeds)?;
    let binding =
        Binding { roles: vec![0], inputs: vec![Some(input.to_vec())], ..Default::default() };
    Machine::new(program.clone(), protocol, Box::new(end), binding)
}

fn setup() -> Setup {
    conformance::setup(1, 64, Truncation::Exact)
}

fn run_plain(program: &Rc<Program>, input: &[i128]) -> Result<Outcome, mpc_runtime::Error> {
    let outcome = plain(program, input)?.run("main", &mut |_, _| {})?;
    let entry = registry::find("plain")?;
    let binding = Binding { roles: vec![0], ..Default::default() };
    let account = estimate(program, entry, &setup(), binding, "main", outcome.decisions.clone())?;
    assert_eq!(account.rounds, outcome.stats.rounds);
    Ok(outcome)
}

#[test]
fn a_loop_over_overlapping_registers_gives_what_its_order_says() {
    // x[0..4] shared; four times: y[i] = x[i]·x[i] + 1, all through one temporary; then the sum.
    let program = Rc::new(assemble(
        "input (c0:4, $0)
         share (s0:4, c0:4, $0, 40)
         ldc (c8:1, 1)
         ldr (r0, 0)
         ldr (r1, 4)
         muls (s8:1, s0+r0:1, s0+r0:1, 40)
         addm (s16+r0:1, s8:1, c8:1, 40)
         addri (r0, r0, 1)
         jlt (r0, r1, @5)
         sums (s20:1, s16:4, 4, 40)
         open (c9:1, s20:1, 40)
         output ($0, c9:1)
         halt ()",
        4,
        1,
    ));
    let outcome = run_plain(&program, &[1, 2, 3, -4]).expect("runs");
    assert_eq!(outcome.outputs, [(0, vec![1 + 4 + 9 + 16 + 4])]);
}

/// How often a party of `rep3-ring` hands messages to the transport in `n` products, of which none
/// needs another.
fn flushes(n: u32) -> u64 {
    let program = assemble(
        &format!(
            "input (c0:1, $0)
             share (s0:1, c0:1, $0, 40)
             ldr (r0, 0)
             ldr (r1, {n})
             muls (s1:1, s0:1, s0:1, 40)
             addri (r0, r0, 1)
             jlt (r0, r1, @4)
             open (c2:1, s1:1, 40)
             output ($0, c2:1)
             halt ()"
        ),
        1,
        1,
    );
    let party = |end: local::Local| {
        let me = mpc_runtime::Transport::me(&end);
        let seeds = Seeds { session: [0; 32], own: [me as u8; 32], pair: vec![[9; 32]; 3] };
        let setup = Setup { parties: 3, ..setup() };
        let protocol = registry::find("rep3-ring")?.build(&setup, me, &seeds)?;
        let inputs = vec![(me == 0).then(|| vec![1])];
        let binding = Binding { roles: vec![0], inputs, ..Default::default() };
        let mut machine = Machine::new(Rc::new(program.clone()), protocol, Box::new(end), binding)?;
        let outcome = machine.run("main", &mut |_, _| {})?;
        assert_eq!(outcome.outputs, [(0, vec![1])]);
        machine.close()?;
        Ok::<_, mpc_runtime::Error>(outcome.stats.flushes)
    };
    let all = local::run(3, party).into_iter().map(|flushes| flushes.expect("runs"));
    all.max().expect("three parties")
}

#[test]
fn many_tasks_wait_at_once_where_none_needs_another() {
    let independent = flushes(20_000);
    assert!(independent < 60, "{independent} flushes");
}

#[test]
fn groups_of_one_instruction_read_before_any_of_them_writes() {
    let program = Rc::new(assemble(
        "input (c0:2, $0)
         share (s0:2, c0:2, $0, 40)
         movs (s0:1, s1:1) (s1:1, s0:1)
         open (c2:2, s0:2, 40)
         output ($0, c2:2)
         halt ()",
        2,
        2,
    ));
    // Both groups of `movs` are one instruction: the registers are exchanged.
    let outcome = run_plain(&program, &[5, 7]).expect("runs");
    assert_eq!(outcome.outputs, [(0, vec![7, 5])]);
}

#[test]
fn clear_conditions_and_addresses_come_from_opened_values() {
    // Halves x until it is 0, counting; the count is also an address.
    let program = Rc::new(assemble(
        "input (c0:1, $0)
         share (s0:1, c0:1, $0, 40)
         ldc (c4:1, 0) (c5:1, 1)
         open (c1:1, s0:1, 40)
         ltc (cb0:1, c4:1, c1:1)
         jumpz (cb0:1, @9)
         shrs (s0:1, s0:1, 40, 1)
         addc (c6:1, c6:1, c5:1)
         jump (@3)
         rfromc (r0, c6:1, 40)
         cfromr (c7:1, r0)
         output ($0, c7:1)
         halt ()",
        1,
        1,
    ));
    let uninitialised = run_plain(&program, &[13]).expect_err("c6 is read before it is written");
    assert!(uninitialised.to_string().contains("before it is written"), "{uninitialised}");
    let text = "ldc (c4:1, 0) (c5:1, 1) (c6:1, 0)";
    let program = Rc::new(Program {
        code: {
            let mut code = program.code.clone();
            code[2] = Instruction::parse(&mut Text::new(text)).expect("valid");
            code
        },
        ..(*program).clone()
    });
    let outcome = run_plain(&program, &[13]).expect("runs");
    assert_eq!(outcome.outputs, [(0, vec![4])]);
    assert_eq!(outcome.decisions, [false, false, false, false, true]);
}

#[test]
fn a_group_does_not_wait_for_one_whose_operands_come_later() {
    // Two products in one instruction; the second one's operand is opened and shared again first. Under
    // a protocol with rounds the first must not be held back; here the result and the count agree.
    let program = Rc::new(assemble(
        "input (c0:2, $0)
         share (s0:2, c0:2, $0, 40)
         open (c2:1, s1:1, 40)
         lds (s2:1, c2:1, 40)
         muls (s3:1, s0:1, s0:1, 40) (s4:1, s2:1, s2:1, 40)
         open (c3:2, s3:2, 40)
         output ($0, c3:2)
         halt ()",
        2,
        2,
    ));
    let outcome = run_plain(&program, &[3, -5]).expect("runs");
    assert_eq!(outcome.outputs, [(0, vec![9, 25])]);
}

#[test]
fn state_lives_from_one_entry_to_the_next() {
    let mut program = assemble(
        "input (c0:2, $0)
         share (s0:2, c0:2, $0, 40)
         ststate ($0, s0:2)
         halt ()
         ldstate (s0:2, $0)
         muls (s0:2, s0:2, s0:2, 40)
         ststate ($0, s0:2)
         open (c0:2, s0:2, 40)
         output ($0, c0:2)
         halt ()",
        2,
        2,
    );
    let entry = |name: &str, start, end| Entry { name: name.into(), start, end };
    program.entries = vec![entry("load", 0, 4), entry("square", 4, 10)];
    let program = Rc::new(Program::load(&program.encode()).expect("valid"));
    let mut machine = plain(&program, &[3, -2]).expect("it fits");
    let early = machine.run("square", &mut |_, _| {}).expect_err("nothing is loaded yet");
    assert!(early.to_string().contains("state w is read before"), "{early}");
    machine.run("load", &mut |_, _| {}).expect("loads");
    for due in [[9, 4], [81, 16]] {
        let outcome = machine.run("square", &mut |_, _| {}).expect("squares");
        assert_eq!(outcome.outputs, [(0, due.to_vec())]);
    }
}

#[test]
fn sizes_beside_a_size_of_zero_cost_nothing() {
    let huge = 1_u64 << 60;
    let text = format!(
        "input (c0:1, $0)
         share (s0:1, c0:1, $0, 40)
         shuffle (s1:0, s1:0, {huge}, 0, 40) (s2:0, s2:0, {huge}, 0, 40)
         viewc (c1:0, c0:1, 0, [{huge}x0 0x1]) (c2:0, c0:1, 0, [{huge}x0 0x1])
         views (s1:0, s0:1, 0, [{huge}x0 0x1])
         matmulc (c0:0, c0:0, c0:0, {huge}, 0, 0)
         matmul (s0:0, s0:0, s0:0, {huge}, 0, 0, 40)
         permute (s0:0, s0:0, s0:0, 0, {huge}, 40)
         open (c1:1, s0:1, 40)
         output ($0, c1:1)
         halt ()"
    );
    let program = Rc::new(assemble(&text, 1, 1));
    let outcome = run_plain(&program, &[5]).expect("runs");
    assert_eq!(outcome.outputs, [(0, vec![5])]);
}

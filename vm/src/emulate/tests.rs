//! The emulator on programs whose answers are known.

use super::*;
use mpc_bytecode::operand::Text;
use mpc_bytecode::{Entry, Instruction, Receivers, Span};

/// A verified program of one entry from the text of its instructions.
fn program(code: &[&str], outputs: &[(Element, u64)]) -> Program {
    let parse = |text: &&str| Instruction::parse(&mut Text::new(text)).unwrap();
    let code: Vec<Instruction> = code.iter().map(parse).collect();
    let variable = |name: &str, element, size, receivers| {
        let shape = vec![size];
        Variable { name: name.into(), element, shape, receivers }
    };
    let end = code.len() as u32;
    let program = Program {
        roles: vec!["alice".into()],
        inputs: vec![variable("x", Element::Int(16), 4, Receivers::Roles(vec![0]))],
        outputs: (outputs.iter())
            .map(|(element, size)| variable("y", *element, *size, Receivers::All))
            .collect(),
        states: vec![variable("z", Element::Int(16), 4, Receivers::All)],
        entries: vec![Entry { name: "main".into(), start: 0, end }],
        registers: [64; 5],
        ring_bits: 64,
        field_bits: 64,
        pool: vec![7, -7],
        circuits: vec![],
        spans: vec![Span { file: 0, line: 3, column: 5 }; code.len()],
        files: vec!["test.mpc".into()],
        code,
    };
    Program::load(&program.encode()).unwrap()
}

fn run(code: &[&str], size: u64) -> Vec<i128> {
    let mut code: Vec<&str> = code.to_vec();
    let output = format!("output ($0, c60:{size})");
    // results are expected in c0…; copied, so that tests read the same
    let copy = format!("movc (c{}:{size}, c0:{size})", 60);
    code.extend([copy.as_str(), output.as_str(), "halt ()"]);
    let program = program(&code, &[(Element::Int(64), size)]);
    let inputs = [Some(vec![1, -2, 3, -4])];
    let outcome = emulate(&program, 0, &inputs, &mut States::new(), Options::default()).unwrap();
    outcome.outputs[0].1.clone()
}

#[test]
fn formulas_of_the_table_hold() {
    let load = "input (c0:4, $0)";
    assert_eq!(run(&[load, "truncc (c0:4, c0:4, 1)"], 4), [1, -1, 2, -2]);
    assert_eq!(run(&[load, "shrc (c0:4, c0:4, 1)"], 4), [0, -1, 1, -2]);
    assert_eq!(run(&[load, "prefixc (c0:4, c0:4, 2)"], 4), [1, -1, 3, -1]);
    assert_eq!(run(&[load, "sumc (c0:2, c0:4, 2)"], 2), [-1, -1]);
    assert_eq!(run(&[load, "viewc (c0:4, c0:4, 3, [2x-2 2x-1])"], 4), [-4, 3, -2, 1]);
    assert_eq!(run(&[load, "matmulc (c0:4, c0:4, c0:4, 2, 2, 2)"], 4), [-5, 6, -9, 10]);
    let division = ["ldpool (c8:2, k0:2)", "ldc (c10:1, -2)"];
    assert_eq!(run(&[division[0], division[1], "divc (c0:2, c8:2, c10:1)"], 2), [-4, 3]);
    assert_eq!(run(&[division[0], division[1], "modc (c0:2, c8:2, c10:1)"], 2), [-1, -1]);
    let secret = [load, "share (s0:4, c0:4, $0, 16)"];
    let open = |last: &'static str| run(&[secret[0], secret[1], last, "open (c0:4, s0:4, 64)"], 4);
    assert_eq!(open("wraps (s0:4, s0:4, 16, 2)"), [1, -2, -1, 0]);
    assert_eq!(open("muls (s0:4, s0:4, s1:1, 16)"), [-2, 4, -6, 8]);
    let bits = ["bits (sb0:8, s0:4, 2, 16)", "compose (s0:4, sb0:8, 2, 0)"];
    let code = [secret[0], secret[1], bits[0], bits[1], "open (c0:4, s0:4, 64)"];
    assert_eq!(run(&code, 4), [1, 2, 3, 0]);
}

#[test]
fn loops_and_moved_runs_work() {
    let code = [
        "ldr (r0, 0)",
        "ldr (r1, 4)",
        "cfromr (c0+r0:1, r0)",
        "addri (r0, r0, 1)",
        "jlt (r0, r1, @2)",
    ];
    assert_eq!(run(&code, 4), [0, 1, 2, 3]);
}

#[test]
fn a_value_beyond_its_bound_is_found_with_its_line() {
    let code = [
        "input (c0:4, $0)",
        "share (s0:4, c0:4, $0, 3)",
        "muls (s4:4, s0:4, s0:4, 5)",
        "open (c0:4, s4:4, 5)",
        "output ($0, c0:4)",
        "halt ()",
    ];
    let program = program(&code, &[(Element::Int(64), 4)]);
    let inputs = [Some(vec![1, 2, 3, 4])];
    let options = Options { checked: true, ..Options::default() };
    let outcome = emulate(&program, 0, &inputs, &mut States::new(), options).unwrap();
    let found: Vec<usize> = outcome.findings.iter().map(|f| f.instruction).collect();
    assert_eq!(found, [1, 2, 3]);
    let text = &outcome.findings[1].text;
    assert!(text.contains("16 (element 3) exceeds its 5 bits"), "{text}");
    assert!(text.contains("test.mpc:3:5"), "{text}");
}

#[test]
fn probabilistic_truncation_gives_one_of_the_two_nearest() {
    let code = [
        "ldc (c0:32, 11)",
        "lds (s0:32, c0:32, 5)",
        "trunc (s32:32, s0:32, 5, 3)",
        "open (c0:32, s32:32, 5)",
        "output ($0, c0:32)",
        "halt ()",
    ];
    let program = program(&code, &[(Element::Int(64), 32)]);
    let run = |probabilistic| {
        let options = Options { probabilistic, ..Options::default() };
        emulate(&program, 0, &[], &mut States::new(), options).unwrap().outputs[0].1.clone()
    };
    assert!(run(false).iter().all(|v| *v == 1));
    let up = run(true).iter().filter(|v| **v == 2).count();
    assert!(run(true).iter().all(|v| [1, 2].contains(v)));
    assert!((4..24).contains(&up), "3 of 8 are rounded up: {up} of 32");
}

#[test]
fn faults_are_errors_with_their_place() {
    let cases = [
        (vec!["ldc (c0:1, 1)", "divc (c0:1, c0:1, c1:1)"], "division by zero"),
        (vec!["ldr (r0, 64)", "cfromr (c0+r0:1, r0)"], "outside their bank"),
        (vec!["ldc (c0:1, 9)", "rfromc (r0, c0:1, 9)"], "index 9 is outside"),
        (vec!["scatterc (c0:2, c0:2, c2:2, 1)"], "no permutation"),
        (vec!["jump (@0)"], "stopped after 1000"),
        (vec!["input (c0:4, $0)"], "input `x` is missing"),
    ];
    for (mut code, expected) in cases {
        code.push("halt ()");
        let program = program(&code, &[]);
        let options = Options { max_steps: 1000, ..Options::default() };
        let error = emulate(&program, 0, &[], &mut States::new(), options).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(expected) && text.contains("test.mpc:3:5"), "{text}");
    }
}

#[test]
fn randomness_follows_its_seed_and_states_stay() {
    let code = [
        "rands (s0:4, 10)",
        "shuffle (s4:4, s0:4, 4, 1, 10)",
        "ststate ($0, s4:4)",
        "ldstate (s8:4, $0)",
        "open (c0:4, s8:4, 16)",
        "output ($0, c0:4)",
        "halt ()",
    ];
    let program = program(&code, &[(Element::Int(64), 4)]);
    let mut states = States::new();
    let run = |states: &mut States, seed| {
        let options = Options { seed, ..Options::default() };
        emulate(&program, 0, &[], states, options).unwrap().outputs[0].1.clone()
    };
    let first = run(&mut states, 1);
    assert_eq!(states[&0], first);
    assert_eq!(run(&mut states, 1), first);
    assert_ne!(run(&mut states, 2), first);
    assert!(first.iter().all(|v| (0..1024).contains(v)));
}

#[test]
fn sizes_beside_a_size_of_zero_cost_nothing() {
    let huge = 1_u64 << 60;
    let code = [
        format!("shuffle (s0:0, s0:0, {huge}, 0, 10)"),
        format!("viewc (c0:0, c0:4, 0, [{huge}x0 0x1])"),
        format!("matmulc (c0:0, c0:0, c0:0, {huge}, 0, 0)"),
        format!("permute (s0:0, s0:0, s0:0, 0, {huge}, 10)"),
        "halt ()".into(),
    ];
    let code: Vec<&str> = code.iter().map(String::as_str).collect();
    let program = program(&code, &[]);
    let outcome = emulate(&program, 0, &[], &mut States::new(), Options::default()).unwrap();
    assert_eq!(outcome.steps, 5);
}

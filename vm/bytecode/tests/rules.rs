//! The verifier refuses each broken rule, by name, and takes what keeps the rules.

mod support;

use mpc_bytecode::operand::Text;
use mpc_bytecode::{
    Circuit, Element, Entry, Error, Gate, Instruction, Program, Receivers, Span, Variable,
    verify::verify,
};

fn parse(text: &str) -> Instruction {
    Instruction::parse(&mut Text::new(text)).unwrap_or_else(|e| panic!("`{text}`: {e}"))
}

fn variable(element: Element, shape: &[u64], receivers: Receivers) -> Variable {
    Variable { name: "v".into(), element, shape: shape.into(), receivers }
}

/// A program of `lines` and a `halt`: 64 registers a bank, 2 roles, variable 0 of 4 numbers and
/// variable 1 of 4 bits, 8 constants.
fn with(lines: &[&str]) -> Program {
    let mut code: Vec<_> = lines.iter().map(|line| parse(line)).collect();
    code.push(parse("halt ()"));
    let list = |receivers: Receivers| {
        vec![
            variable(Element::Int(32), &[4], receivers.clone()),
            variable(Element::Bool, &[2, 2], receivers),
        ]
    };
    Program {
        roles: vec!["a".into(), "b".into()],
        inputs: list(Receivers::Roles(vec![1])),
        outputs: list(Receivers::All),
        states: list(Receivers::All),
        entries: vec![Entry { name: "main".into(), start: 0, end: code.len() as u32 }],
        registers: [64; 5],
        ring_bits: 64,
        field_bits: 64,
        pool: vec![7; 8],
        circuits: vec![Circuit {
            name: "both".into(),
            inputs: vec![1, 1],
            outputs: vec![1],
            gates: vec![Gate::And(0, 1)],
            results: vec![2],
        }],
        code,
        ..Program::default()
    }
}

#[test]
fn generated_programs_keep_every_rule() {
    let seed = support::seed(1);
    for case in (0..200).map(|i| seed.wrapping_add(i)) {
        let program = support::program(case);
        verify(&program).unwrap_or_else(|e| panic!("case {case}: {e}"));
    }
}

const LENGTHS: &str = "operands have other lengths than the result";
const OUTSIDE: &str = "registers outside their bank";
const OVERLAP: &str = "two groups write the same register";
const ROWS: &str = "rows do not fit the operands";
const ROWS_1: &str = "rows do not fit the operand";
const MATRIX: &str = "matrix sizes do not fit the operands";
const WIDTH: &str = "a width is out of range";
const SPLIT: &str = "lengths do not fit the width";
const TYPE: &str = "another type than the manifest says";
const MANIFEST_LENGTH: &str = "another length than the manifest says";

/// An instruction and the rule that it breaks.
const BROKEN: &[(&str, &str)] = &[
    // runs
    ("movs (s61:4, s0:4)", OUTSIDE),
    ("movs (s0:4, s61:4)", OUTSIDE),
    ("movs (s18446744073709551615:4, s0:4)", OUTSIDE),
    ("movs (s0:4, s18446744073709551615:4)", OUTSIDE),
    ("movs (s0+r64:4, s0:4)", OUTSIDE),
    ("movs (s0:65, s0+r1:65)", OUTSIDE),
    ("movs (s0+r1:65, s0+r1:65)", OUTSIDE),
    ("ldr (r64, 1)", OUTSIDE),
    ("jlt (r0, r64, @0)", OUTSIDE),
    ("movs (s0:4, s8:4) (s3:4, s8:4)", OVERLAP),
    ("movs (s8:1, s9:1) (s0:4, s8:4) (s3:1, s9:1)", OVERLAP),
    ("movs (s0+r1:4, s8:4) (s3+r1:4, s8:4)", OVERLAP),
    // jumps
    ("jump (@3)", "a jump leaves its entry"),
    ("jlt (r0, r1, @3)", "a jump leaves its entry"),
    ("jumpz (cb0:1, @4294967295)", "a jump leaves its entry"),
    ("jumpz (cb0:2, @0)", "a condition is one bit"),
    // machine integers
    ("rfromc (r0, c0:2, 4)", "one number is due"),
    ("rfromc (r0, c0:1, 9223372036854775808)", "a bound is out of range"),
    ("cfromr (c0:2, r0)", "one number is due"),
    // constants
    ("ldpool (c0:4, k0:3)", "constants do not fit the result"),
    ("ldpool (c0:4, k5:4)", "no such constants"),
    ("ldpool (c0:4, k18446744073709551615:4)", "no such constants"),
    ("ldcb (cb0:4, 2)", "a flag is neither 0 nor 1"),
    ("ldcb (cb0:4, -1)", "a flag is neither 0 nor 1"),
    // lengths, clear
    ("movc (c0:4, c8:1)", LENGTHS),
    ("addc (c0:4, c8:4, c16:3)", LENGTHS),
    ("subc (c0:4, c8:5, c16:4)", LENGTHS),
    ("mulc (c0:4, c8:0, c16:4)", LENGTHS),
    ("divc (c0:1, c8:2, c16:1)", LENGTHS),
    ("modc (c0:4, c8:4, c16:2)", LENGTHS),
    ("negc (c0:4, c8:1)", LENGTHS),
    ("truncc (c0:4, c8:3, 2)", LENGTHS),
    ("truncc (c0:4, c8:4, 127)", "a shift is out of range"),
    ("shrc (c0:4, c8:3, 2)", LENGTHS),
    ("shrc (c0:4, c8:4, 127)", "a shift is out of range"),
    ("wrapc (c0:4, c8:3, 2)", LENGTHS),
    ("wrapc (c0:4, c8:4, 0)", WIDTH),
    ("wrapc (c0:4, c8:4, 129)", WIDTH),
    ("selectc (c0:4, cb0:2, c8:4, c16:4)", LENGTHS),
    ("sumc (c0:4, c8:9, 2)", ROWS),
    ("sumc (c0:4, c8:4, 18446744073709551615)", ROWS),
    ("prefixc (c0:4, c8:3, 2)", LENGTHS),
    ("prefixc (c0:4, c8:4, 3)", ROWS_1),
    ("prefixc (c0:4, c8:4, 0)", ROWS_1),
    ("dotc (c0:2, c8:4, c16:5, 2)", ROWS),
    ("matmulc (c0:4, c8:6, c16:6, 2, 3, 3)", MATRIX),
    ("matmulc (c0:4, c8:6, c16:6, 3, 2, 2)", MATRIX),
    ("gatherc (c0:4, c8:8, c16:3, 2)", ROWS),
    ("gatherc (c0:4, c8:7, c16:2, 2)", ROWS),
    ("gatherc (c0:0, c8:8, c16:2, 0)", ROWS),
    ("scatterc (c0:4, c8:5, c16:2, 2)", LENGTHS),
    ("scatterc (c0:4, c8:4, c16:3, 2)", ROWS),
    ("fromcb (c0:4, cb0:1)", LENGTHS),
    ("composec (c0:2, cb0:7, 4, 0)", SPLIT),
    ("composec (c0:2, cb0:8, 4, 2)", "a flag is neither 0 nor 1"),
    ("composec (c0:0, cb0:0, 0, 0)", WIDTH),
    // views
    ("viewc (c0:4, c8:4, 0, [3x1])", "dimensions do not fit the result"),
    ("viewc (c0:4, c8:4, 1, [4x1])", "the view leaves its operand"),
    ("viewc (c0:4, c8:4, 0, [4x-1])", "the view leaves its operand"),
    ("viewc (c0:4, c8:4, -1, [4x1])", "the view leaves its operand"),
    ("viewcb (cb0:4, cb8:4, 0, [2x2 2x2])", "the view leaves its operand"),
    ("views (s0:4, s8:4, 0, [4x9223372036854775807])", "the view leaves its operand"),
    ("viewsb (sb0:4, sb8:4, 0, [4294967296x0 4294967296x0])", "dimensions do not fit the result"),
    // clear bits
    ("movcb (cb0:4, cb8:1)", LENGTHS),
    ("andcb (cb0:4, cb8:3, cb16:4)", LENGTHS),
    ("xorcb (cb0:4, cb8:4, cb16:3)", LENGTHS),
    ("notcb (cb0:4, cb8:1)", LENGTHS),
    ("selectcb (cb0:4, cb8:3, cb16:4, cb24:4)", LENGTHS),
    ("ltc (cb0:4, c8:3, c16:4)", LENGTHS),
    ("eqc (cb0:4, c8:4, c16:3)", LENGTHS),
    ("bitsc (cb0:7, c8:2, 4)", SPLIT),
    ("bitsc (cb0:0, c8:0, 0)", WIDTH),
    ("onehotc (cb0:7, c8:2, 4)", SPLIT),
    // secret numbers
    ("lds (s0:4, c8:3, 8)", LENGTHS),
    ("lds (s0:4, c8:4, 0)", WIDTH),
    ("lds (s0:4, c8:4, 129)", WIDTH),
    ("movs (s0:4, s8:1)", LENGTHS),
    ("adds (s0:4, s8:4, s16:3, 8)", LENGTHS),
    ("adds (s0:4, s8:4, s16:4, 0)", WIDTH),
    ("subs (s0:4, s8:3, s16:4, 8)", LENGTHS),
    ("subs (s0:4, s8:4, s16:4, 200)", WIDTH),
    ("negs (s0:4, s8:1, 8)", LENGTHS),
    ("negs (s0:4, s8:4, 0)", WIDTH),
    ("addm (s0:4, s8:4, c16:3, 8)", LENGTHS),
    ("addm (s0:4, s8:4, c16:4, 0)", WIDTH),
    ("submr (s0:4, s8:3, c16:4, 8)", LENGTHS),
    ("submr (s0:4, s8:4, c16:4, 0)", WIDTH),
    ("mulm (s0:4, s8:3, c16:4, 8)", LENGTHS),
    ("mulm (s0:4, s8:4, c16:4, 0)", WIDTH),
    ("sums (s0:2, s8:5, 2, 8)", ROWS),
    ("sums (s0:2, s8:4, 2, 0)", WIDTH),
    ("prefixs (s0:4, s8:4, 3, 8)", ROWS_1),
    ("prefixs (s0:4, s8:4, 2, 0)", WIDTH),
    ("dotm (s0:2, s8:4, c16:5, 2, 8)", ROWS),
    ("dotm (s0:2, s8:4, c16:4, 2, 0)", WIDTH),
    ("matmulsc (s0:4, s8:6, c16:5, 2, 3, 2, 8)", MATRIX),
    ("matmulsc (s0:4, s8:6, c16:6, 2, 3, 2, 0)", WIDTH),
    ("matmulcs (s0:4, c8:5, s16:6, 2, 3, 2, 8)", MATRIX),
    ("matmulcs (s0:4, c8:6, s16:6, 2, 3, 2, 0)", WIDTH),
    ("gathers (s0:4, s8:8, c16:3, 2)", ROWS),
    ("scatters (s0:4, s8:4, c16:3, 2)", ROWS),
    // products
    ("muls (s0:4, s8:4, s16:3, 8)", LENGTHS),
    ("muls (s0:4, s8:4, s16:4, 0)", WIDTH),
    ("dots (s0:2, s8:4, s16:5, 2, 8)", ROWS),
    ("dots (s0:2, s8:4, s16:4, 2, 0)", WIDTH),
    ("matmul (s0:4, s8:6, s16:6, 3, 2, 3, 8)", MATRIX),
    ("matmul (s0:4, s8:6, s16:6, 2, 3, 2, 0)", WIDTH),
    // two windows of two of three elements, and three
    (
        "contract (s0:2, s8:2, s16:3, 1, 1, 2, 3, [2x1], [2x1 2x1], 8)",
        "matrix sizes do not fit the result",
    ),
    (
        "contract (s0:2, s8:2, s16:3, 1, 1, 2, 2, [2x1], [2x1 3x1], 8)",
        "dimensions do not fit the matrices",
    ),
    (
        "contract (s0:2, s8:2, s16:3, 1, 1, 2, 2, [2x1], [4x1], 8)",
        "dimensions do not fit the matrices",
    ),
    (
        "contract (s0:2, s8:2, s16:3, 1, 1, 2, 2, [2x1 2x1], [2x1 2x1], 8)",
        "dimensions do not fit the matrices",
    ),
    ("contract (s0:2, s8:2, s16:3, 1, 1, 2, 2, [2x1], [2x1 2x2], 8)", "a view leaves its operand"),
    ("contract (s0:2, s8:2, s16:3, 1, 1, 2, 2, [2x-1], [2x1 2x1], 8)", "a view leaves its operand"),
    (
        "contract (s0:2, s8:2, s16:3, 1, 1, 4, 2, [4x0], [4x0 2x1], 8)",
        "sums are longer than the operands",
    ),
    ("contract (s0:2, s8:2, s16:3, 1, 1, 2, 2, [2x1], [2x1 2x1], 0)", WIDTH),
    (
        "contractsc (s0:2, s8:2, c16:3, 1, 1, 2, 2, [2x1], [2x1 2x2], 8)",
        "a view leaves its operand",
    ),
    ("contractsc (s0:2, s8:2, c16:3, 1, 1, 2, 2, [2x1], [2x1 2x1], 0)", WIDTH),
    (
        "contractcs (s0:2, c8:2, s16:3, 1, 1, 2, 2, [2x1], [2x1 2x2], 8)",
        "a view leaves its operand",
    ),
    ("contractcs (s0:2, c8:2, s16:3, 1, 1, 2, 2, [2x1], [2x1 2x1], 0)", WIDTH),
    ("contractc (c0:2, c8:2, c16:3, 1, 1, 2, 2, [2x1], [2x1 2x2])", "a view leaves its operand"),
    ("spreads (s0:4, s8:3, 0, [4x1])", "dimensions do not fit the operand"),
    ("spreads (s0:4, s8:3, 0, [3x2])", "the view leaves the result"),
    ("spreadc (c0:4, c8:3, 0, [3x-1])", "the view leaves the result"),
    ("selects (s0:4, sb0:3, s8:4, s16:4, 8)", LENGTHS),
    ("selects (s0:4, sb0:4, s8:4, s16:4, 0)", WIDTH),
    ("trunc (s0:4, s8:3, 8, 2)", LENGTHS),
    ("trunc (s0:4, s8:4, 0, 2)", WIDTH),
    ("trunc (s0:4, s8:4, 8, 127)", "a shift is out of range"),
    ("shrs (s0:4, s8:3, 8, 2)", LENGTHS),
    ("shrs (s0:4, s8:4, 0, 2)", WIDTH),
    ("shrs (s0:4, s8:4, 8, 127)", "a shift is out of range"),
    ("wraps (s0:4, s8:3, 8, 2)", LENGTHS),
    ("wraps (s0:4, s8:4, 0, 2)", WIDTH),
    ("wraps (s0:4, s8:4, 8, 0)", WIDTH),
    // conversions
    ("ltz (sb0:4, s8:1, 8)", LENGTHS),
    ("ltz (sb0:4, s8:4, 0)", WIDTH),
    ("eqz (sb0:4, s8:1, 8)", LENGTHS),
    ("eqz (sb0:4, s8:4, 0)", WIDTH),
    ("lts (sb0:4, s8:4, s16:3, 8)", LENGTHS),
    ("lts (sb0:4, s8:4, s16:4, 0)", WIDTH),
    ("eqs (sb0:4, s8:3, s16:4, 8)", LENGTHS),
    ("eqs (sb0:4, s8:4, s16:4, 0)", WIDTH),
    ("onehots (sb0:7, s8:2, 4, 8)", SPLIT),
    ("onehots (sb0:0, s8:2, 0, 8)", "an empty range"),
    ("onehots (sb0:8, s8:2, 4, 0)", WIDTH),
    ("bits (sb0:7, s8:2, 4, 8)", SPLIT),
    ("bits (sb0:8, s8:2, 4, 0)", WIDTH),
    ("bits (sb0:0, s8:2, 0, 8)", WIDTH),
    ("compose (s0:2, sb0:7, 4, 0)", SPLIT),
    ("compose (s0:2, sb0:8, 4, -1)", "a flag is neither 0 nor 1"),
    ("compose (s0:2, sb0:0, 0, 0)", WIDTH),
    ("fromsb (s0:4, sb0:1)", LENGTHS),
    // secret bits
    ("ldsb (sb0:4, cb8:3)", LENGTHS),
    ("movsb (sb0:4, sb8:1)", LENGTHS),
    ("ands (sb0:4, sb8:3, sb16:4)", LENGTHS),
    ("xors (sb0:4, sb8:4, sb16:3)", LENGTHS),
    ("nots (sb0:4, sb8:1)", LENGTHS),
    ("andm (sb0:4, sb8:3, cb16:4)", LENGTHS),
    ("xorm (sb0:4, sb8:4, cb16:3)", LENGTHS),
    ("selectsb (sb0:4, sb8:3, sb16:4, sb24:4)", LENGTHS),
    // randomness
    ("rands (s0:4, 0)", WIDTH),
    ("rands (s0:4, 127)", WIDTH),
    ("circuit (sb0:2, sb8:3, 2, $0)", ROWS),
    ("circuit (sb0:3, sb8:4, 2, $0)", ROWS),
    ("circuit (sb0:2, sb8:4, 2, $1)", "no such circuit"),
    ("shuffle (s0:4, s8:3, 2, 2, 8)", LENGTHS),
    ("shuffle (s0:4, s8:4, 3, 2, 8)", ROWS_1),
    ("shuffle (s0:4, s8:4, 2, 2, 0)", WIDTH),
    ("permute (s0:4, s8:3, s16:2, 2, 2, 8)", LENGTHS),
    ("permute (s0:4, s8:4, s16:3, 2, 2, 8)", ROWS_1),
    ("permute (s0:4, s8:4, s16:2, 2, 3, 8)", ROWS_1),
    ("permute (s0:4, s8:4, s16:2, 2, 2, 0)", WIDTH),
    ("places (s0:4, sb8:7, 2, 8)", SPLIT),
    ("places (s0:4, sb8:8, 2, 0)", WIDTH),
    // openings
    ("open (c0:4, s8:1, 8)", LENGTHS),
    ("open (c0:4, s8:4, 0)", WIDTH),
    ("opensb (cb0:4, sb8:1)", LENGTHS),
    ("opento (c0:4, s8:1, $0, 8)", LENGTHS),
    ("opento (c0:4, s8:4, $0, 0)", WIDTH),
    ("opento (c0:4, s8:4, $2, 8)", "no such role"),
    ("opentosb (cb0:4, sb8:1, $0)", LENGTHS),
    ("opentosb (cb0:4, sb8:4, $2)", "no such role"),
    // inputs and outputs
    ("input (c0:4, $2)", "no such variable in the manifest"),
    ("input (c0:3, $0)", MANIFEST_LENGTH),
    ("input (c0:4, $1)", TYPE),
    ("inputcb (cb0:4, $0)", TYPE),
    ("inputcb (cb0:5, $1)", MANIFEST_LENGTH),
    ("share (s0:4, c8:1, $0, 8)", LENGTHS),
    ("share (s0:4, c8:4, $2, 8)", "no such role"),
    ("share (s0:4, c8:4, $0, 0)", WIDTH),
    ("sharesb (sb0:4, cb8:1, $0)", LENGTHS),
    ("sharesb (sb0:4, cb8:4, $2)", "no such role"),
    ("publish (c0:4, c8:1, $0, 8)", LENGTHS),
    ("publish (c0:4, c8:4, $2, 8)", "no such role"),
    ("publish (c0:4, c8:4, $0, 0)", WIDTH),
    ("publishcb (cb0:4, cb8:1, $0)", LENGTHS),
    ("publishcb (cb0:4, cb8:4, $2)", "no such role"),
    ("output ($2, c0:4)", "no such variable in the manifest"),
    ("output ($0, c0:3)", MANIFEST_LENGTH),
    ("output ($1, c0:4)", TYPE),
    ("outputcb ($0, cb0:4)", TYPE),
    ("outputcb ($1, cb0:3)", MANIFEST_LENGTH),
    ("ldstate (s0:4, $2)", "no such variable in the manifest"),
    ("ldstate (s0:3, $0)", MANIFEST_LENGTH),
    ("ldstate (s0:4, $1)", TYPE),
    ("ststate ($0, s0:3)", MANIFEST_LENGTH),
    ("ststate ($1, s0:4)", TYPE),
    ("ldstatesb (sb0:4, $0)", TYPE),
    ("ldstatesb (sb0:3, $1)", MANIFEST_LENGTH),
    ("ststatesb ($0, sb0:4)", TYPE),
    ("ststatesb ($1, sb0:3)", MANIFEST_LENGTH),
];

#[test]
fn each_broken_rule_of_an_instruction_is_named_with_the_instruction() {
    let mut wrong = vec![];
    for &(line, rule) in BROKEN {
        // an instruction before it, so that its number is not 0 by chance
        let outcome = verify(&with(&["ldr (r0, 1)", line]));
        let due = Err(Error::Rule(1, parse(line).print(), rule));
        if outcome != due {
            wrong.push(format!("{outcome:?} where {due:?} is due"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_instruction_with_a_rule_of_its_own_is_in_the_table() {
    // what remains touches registers only
    let free = ["halt", "addr", "addri", "mulri", "ldc", "randsb"];
    let mut g = support::Gen::tame(1, 100);
    for &opcode in Instruction::OPCODES {
        let name = support::instruction(&mut g, opcode).mnemonic();
        let broken = BROKEN.iter().any(|(line, _)| line.split(' ').next() == Some(name));
        assert!(broken || free.contains(&name), "no test breaks a rule of `{name}`");
    }
}

/// What is the matter with a program as a whole, and how to bring it about.
const BROKEN_PROGRAMS: &[(&str, fn(&mut Program))] = &[
    ("bank size", |p| p.registers[2] = (1 << 40) + 1),
    ("bank size", |p| p.registers[4] = (1 << 20) + 1),
    ("bit bound", |p| p.ring_bits = 129),
    ("bit bound", |p| p.field_bits = 257),
    ("debug section", |p| p.spans = vec![Span::default(); p.code.len() + 1]),
    ("manifest", |p| p.outputs[0].receivers = Receivers::Roles(vec![2])),
    ("manifest", |p| p.inputs[1].receivers = Receivers::Roles(vec![9])),
    ("manifest", |p| p.states[1].shape = vec![1 << 32, 1 << 32]),
    ("manifest", |p| p.states[1].shape = vec![(1 << 40) + 1]),
    ("owner of an input", |p| p.inputs[0].receivers = Receivers::All),
    ("owner of an input", |p| p.inputs[0].receivers = Receivers::Roles(vec![])),
    ("owner of an input", |p| p.inputs[0].receivers = Receivers::Roles(vec![0, 1])),
    ("entries", |p| p.entries.clear()),
    ("entries", |p| p.entries[0].end -= 2),
    ("entry", |p| p.entries[0].end += 1),
    ("entry", |p| p.entries[0].start += 1),
    ("entry", |p| p.entries[0].end = 0),
    ("entry", |p| p.entries.push(p.entries[0].clone())),
    ("end of an entry", |p| _ = p.code.pop().map(|halt| p.code.insert(0, halt))),
];

#[test]
fn each_broken_rule_of_a_program_is_named() {
    for (number, (rule, spoil)) in BROKEN_PROGRAMS.iter().enumerate() {
        // two halts, so that the end of the first entry can move
        let mut program = with(&["ldr (r0, 1)", "halt ()", "ldr (r0, 1)"]);
        verify(&program).expect("nothing is broken yet");
        spoil(&mut program);
        let outcome = verify(&program);
        assert_eq!(outcome, Err(Error::Malformed(rule)), "case {number}");
    }
}

#[test]
fn a_jump_between_entries_is_refused_both_ways() {
    for (from, to) in [(0, 2), (2, 0)] {
        let mut program = with(&["halt ()", "halt ()", "halt ()"]);
        program.entries[0].end = 2;
        program.entries.push(Entry { name: "next".into(), start: 2, end: 4 });
        verify(&program).expect("nothing is broken yet");
        program.code[from] = parse(&format!("jump (@{to})"));
        let broken = Err(Error::Rule(from, format!("jump (@{to})"), "a jump leaves its entry"));
        assert_eq!(verify(&program), broken);
    }
}

#[test]
fn circuits_share_a_bound_on_wires() {
    let wide = |n: u32| Circuit {
        inputs: vec![n],
        outputs: vec![1],
        results: vec![0],
        ..Default::default()
    };
    let of = |circuits| Program { circuits, ..with(&[]) };
    assert_eq!(verify(&of(vec![wide(1 << 23), wide(1 << 23)])), Ok(()));
    let fault = Error::Malformed("number of wires of all circuits");
    assert_eq!(verify(&of(vec![wide(1 << 23); 3])), Err(fault));
}

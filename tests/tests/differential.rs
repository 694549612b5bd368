//! Random programs: every protocol gives what the emulator gives, at the cost that was estimated.

use mpc_bytecode::operand::Text;
use mpc_bytecode::{Element, Entry, Instruction, Program, Receivers, Variable};
use mpc_tests::programs::from_source;
use mpc_tests::{generate, seed, session};

/// Seconds after which no further program is begun.
const SECONDS: u64 = 20;

/// Runs `count` programs under the core protocols and `others` in turn, or as many as some seconds allow;
/// fails with all differences. `cargo full` does more.
fn compare(count: u64, first: u64, length: usize, limit: u32, others: usize) {
    let start = std::time::Instant::now();
    let mut wrong = vec![];
    for case_seed in seed::cases(count, first) {
        let case = generate::case(case_seed, length, limit);
        for under in session::covering(case_seed, others) {
            // Every other program in tiles of a few elements, so that tiles meet in all ways.
            let tile_bits = case_seed.is_multiple_of(2).then_some(300);
            if let Err(what) = case.check(session::Under { tile_bits, ..under }, "main") {
                wrong.push(format!("SEED={case_seed} {what}"));
            }
        }
        if start.elapsed().as_secs() >= SECONDS || wrong.len() >= 10 {
            break;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn narrow_programs_agree_with_the_emulator() {
    compare(60, 1, 30, 30, 1);
}

#[test]
fn programs_of_64_bits_agree_with_the_emulator() {
    compare(60, 1000, 30, 64, 0);
}

#[test]
fn wide_programs_agree_with_the_emulator() {
    compare(30, 2000, 30, 110, 0);
}

#[test]
fn vectors_of_several_tiles_agree_with_the_emulator() {
    let program = from_source(
        "role a; input x: secret int<60>[70001] from a;
         let y = x * reverse(x);
         output y[7..70001] to all as \"products\";
         output x[1..] < x[..70000] to all as \"less\";
         output sum(y) to all as \"sum\";",
    );
    let x = (0..70_001).map(|i: i128| (i * i * 77 + i) % (1 << 20)).collect();
    let case = session::Case { program, inputs: vec![x] };
    for under in [session::Under::named("rep3-ring", 3), session::Under::named("rep3-bin", 3)] {
        case.check(under, "main").unwrap_or_else(|what| panic!("{what}"));
    }
}

/// A program of one entry from the text of its instructions.
fn program(text: &str, registers: [u64; 5]) -> Program {
    let parse = |line| Instruction::parse(&mut Text::new(line)).expect("it is an instruction");
    let code: Vec<_> = text.lines().map(parse).collect();
    let entries = vec![Entry { name: "main".into(), start: 0, end: code.len() as u32 }];
    Program { entries, registers, ring_bits: 8, field_bits: 8, code, ..Default::default() }
}

#[test]
fn a_branch_on_what_one_party_alone_knows_is_refused_by_the_others() {
    let receivers = Receivers::Roles(vec![0]);
    let input = Variable { name: "x".into(), element: Element::Bool, shape: vec![1], receivers };
    let text = "inputcb (cb0:1, $0)\njumpz (cb0:1, @2)\nhalt ()";
    let program = Program {
        roles: vec!["owner".into()],
        inputs: vec![input],
        ..program(text, [0, 0, 0, 1, 0])
    };
    let case = session::Case { program, inputs: vec![vec![1]] };
    let under = session::Under::named("rep3-ring", 3);
    let error = match case.run(under, mpc_protocols::Truncation::Exact, "main") {
        Ok(_) => panic!("two parties do not know the condition"),
        Err(error) => error.to_string(),
    };
    assert!(error.contains("a value that this party does not know"), "{error}");
}

#[test]
fn a_difference_is_noticed() {
    // uniform bits put out: no two runs agree on 64 of them
    let text = "randsb (sb0:64)\nopensb (cb0:64, sb0:64)\noutputcb ($0, cb0:64)\nhalt ()";
    let output = Variable {
        name: "noise".into(),
        element: Element::Bool,
        shape: vec![64],
        receivers: Receivers::All,
    };
    let program = Program { outputs: vec![output], ..program(text, [0, 0, 64, 64, 0]) };
    let case = session::Case { program, inputs: vec![] };
    for under in session::covering(0, 0) {
        let what = case.check(under, "main").expect_err("noise equals noise");
        assert!(what.contains("output 0"), "{under}: {what}");
    }
}

//! Circuits in Bristol fashion: read, called from programs, evaluated under every protocol.

use std::collections::BTreeMap;
use std::fmt::Write;

use mpc_bytecode::Program;
use mpc_compiler::ir;
use mpc_compiler::passes::Level;
use mpc_tests::parallel;
use mpc_tests::seed::{self, Rng};
use mpc_tests::session::{Case, Under, all};

fn build(program: &str, circuit: &str) -> Result<Program, String> {
    let files = BTreeMap::from([
        ("main.mpc".to_owned(), program.to_owned()),
        ("gates/f.txt".to_owned(), circuit.to_owned()),
    ]);
    let built = mpc_compiler::build("main.mpc", &files, &Default::default(), Level::Full);
    let (program, compiled) = built.map_err(|e| e.render(false))?;
    let printed = ir::print::print(&compiled.module);
    let again = ir::read::read(&printed).expect("the printed form reads back");
    assert_eq!(ir::print::print(&again), printed);
    Ok(Program::load(&program.encode()).expect("what is written loads"))
}

/// Ripple-carry addition of two numbers of `n` bits.
fn adder(n: usize) -> String {
    let mut gates = vec![];
    let mut wires = 2 * n;
    let mut gate = |text: String, out: Option<usize>| {
        let out = out.unwrap_or(wires);
        if out == wires {
            wires += 1;
        }
        gates.push(text.replace("OUT", &out.to_string()));
        out
    };
    let mut carry = None;
    let mut sums = vec![];
    for i in 0..n {
        let half = gate(format!("2 1 {i} {} OUT XOR", n + i), None);
        let Some(c) = carry else {
            carry = Some(gate(format!("2 1 {i} {} OUT AND", n + i), None));
            sums.push(half);
            continue;
        };
        sums.push(gate(format!("2 1 {half} {c} OUT XOR"), None));
        // carry = a ⊕ (a ⊕ b)(a ⊕ c)
        let other = gate(format!("2 1 {i} {c} OUT XOR"), None);
        let both = gate(format!("2 1 {half} {other} OUT AND"), None);
        carry = Some(gate(format!("2 1 {i} {both} OUT XOR"), None));
    }
    for sum in sums {
        gate(format!("1 1 {sum} OUT EQW"), None);
    }
    let mut out = String::new();
    writeln!(out, "{} {wires}\n2 {n} {n}\n1 {n}\n", gates.len()).unwrap();
    out + &gates.join("\n") + "\n"
}

/// A circuit of random gates with two inputs and two outputs.
fn random(rng: &mut Rng) -> String {
    let sizes = [1 + rng.below(5), 1 + rng.below(5)];
    let first = sizes[0] + sizes[1];
    let count = 4 + rng.below(60);
    let mut text = format!("{count} {}\n2 {} {}\n2 1 3\n\n", first + count, sizes[0], sizes[1]);
    for wire in first..first + count {
        let (a, b) = (rng.below(wire), rng.below(wire));
        let line = match rng.below(8) {
            0..=2 => format!("2 1 {a} {b} {wire} AND"),
            3..=4 => format!("2 1 {a} {b} {wire} XOR"),
            5 => format!("1 1 {a} {wire} INV"),
            6 => format!("1 1 {} {wire} EQ", rng.below(2)),
            _ => format!("1 1 {a} {wire} EQW"),
        };
        writeln!(text, "{line}").unwrap();
    }
    text
}

#[test]
fn an_adder_adds_rows_under_every_protocol() {
    let program = "role a, b;
circuit add = \"gates/f.txt\";
input x: secret wrap<16>[70] from a;
input y: secret wrap<16>[70] from b;
output compose(add(bits(x, 16), bits(y, 16))) to all as \"sums\";
output compose(add(bits(x[0], 16), bits(y, 16))) to all as \"first\";";
    let program = build(program, &adder(16)).unwrap();
    let mut rng = Rng::new(1);
    let mut numbers = || (0..70).map(|_| rng.signed(16)).collect::<Vec<_>>();
    let inputs = vec![numbers(), numbers()];
    let wrapped = |x: i128| (x << 112) >> 112;
    let sums: Vec<i128> = inputs[0].iter().zip(&inputs[1]).map(|(x, y)| wrapped(x + y)).collect();
    let first: Vec<i128> = inputs[1].iter().map(|y| wrapped(inputs[0][0] + y)).collect();
    let case = Case { program, inputs };
    assert_eq!(case.emulate("main").unwrap(), [(0, sums), (1, first)]);
    parallel::map(all(), |_, under| case.check(under, "main").unwrap());
    // one conjunction for each carry, whatever the number of rows: 15 rounds
    let account =
        case.estimate(Under::named("rep3-bin", 3), Default::default(), "main", vec![]).unwrap();
    assert_eq!(account.rounds.online, 1 + 15 + 1);
}

#[test]
fn random_circuits_mean_what_their_gates_say() {
    let program = "role a, b;
circuit f = \"gates/f.txt\";
input x: secret bool[3, M] from a;
input y: private(b) bool[N] from b;
let (one, three) = f(x, y);
output one to all as \"one\";
output three to b as \"three\";";
    for seed in seed::cases(40, 1) {
        let mut rng = Rng::new(seed);
        let circuit = random(&mut rng);
        let sizes: Vec<&str> = circuit.lines().nth(1).unwrap().split(' ').collect();
        let program = program.replace('M', sizes[1]).replace('N', sizes[2]);
        let program = build(&program, &circuit).unwrap_or_else(|e| panic!("{circuit}\n{e}"));
        let bits = |len: &mpc_bytecode::Variable| len.len().unwrap();
        let lengths: Vec<u64> = program.inputs.iter().map(bits).collect();
        let inputs =
            lengths.iter().map(|&n| (0..n).map(|_| i128::from(rng.below(2))).collect()).collect();
        let case = Case { program, inputs };
        let under = *rng.pick(&all());
        case.check(under, "main").unwrap_or_else(|what| panic!("{circuit}\n{what}"));
    }
}

#[test]
fn what_cannot_be_called_is_said() {
    let call = |call: &str| {
        let program = format!(
            "role a;\ncircuit add = \"gates/f.txt\";\ninput x: secret bool[2, 4] from a;\n\
             output {call} to a as \"y\";"
        );
        build(&program, &adder(4)).unwrap_err()
    };
    assert!(call("add(x)").contains("`add` takes 2 inputs"));
    assert!(call("add(x, x[:, 0..3])").contains("an input of a circuit is a row of bits"));
    assert!(call("add(x, concat(x, x))").contains("inputs of a circuit have as many rows"));
    assert!(call("add(x, y = x)").contains("inputs of a circuit have no names"));
    assert!(call("add").contains("`add` is a function"));
    let missing = |path: &str| {
        let program = format!("role a;\ncircuit f = \"{path}\";\noutput 1 to a as \"y\";");
        build(&program, "nonsense").unwrap_err()
    };
    assert!(missing("gates/f.txt").contains("line 1: expected the numbers of gates and wires"));
    assert!(missing("gates/g.txt").contains("no such file"));
    assert!(missing("../f.txt").contains("inside the folder of the program"));
    assert!(missing("/etc/passwd").contains("inside the folder of the program"));
}

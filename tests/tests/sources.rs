//! Whole programs: what the graph means as lowered is what the bytecode computes, optimised or not.

use std::collections::BTreeMap;

use mpc_bytecode::Program;
use mpc_compiler::emit::emit;
use mpc_compiler::ir::interpret::{Data, Options, interpret};
use mpc_compiler::ir::{DataType, Module, size_of_shape};
use mpc_compiler::passes::{Level, optimise};
use mpc_vm::emulate;

const AUCTION: &str = "role bidders[5];
input bid: secret int<32> from each bidders;
let winner = argmax(bid);
let price = max(select(one_hot(winner, 5), 0, bid));
output reveal(winner) to all as \"winner\";
output price to all as \"price\";";

const TRAINING: &str = "role a, b;
input x: secret fix[8, 2] from a;
input z: secret fix[8, 3] from b;
input y: secret bool[8] from b;
let all = concat(x, z, axis = 1);
var w = zeros(fix[5]);
for i in 0..4 {
    let error = matmul(all, w) - fix(y);
    w -= 0.01 * matmul(transpose(all), error);
}
output w to a as \"w\";";

const ROWS: &str = "role a;
input x: secret int<32>[6, 5] from a;
var y = x;
for i in 0..5 {
    for j in 0..5 {
        y[i + 1, j] = y[i, j] + x[i, j];
    }
    y[i] = y[i + 1] - y[i];
}
output y to all as \"y\";";

const BACKWARDS: &str = "role a;
input x: secret int<32>[2, 3] from a;
var y = zeros(int<32>[3]);
for i in 0..2 { y = 2 * y - reverse(x[i]) + reverse(x[1 - i, 0..3]); }
output y to all as \"y\";";

const BRANCHES: &str = "role a;
input x: secret int<32>[6] from a;
input n: clear int<8> from a;
var y = x;
var i = 0;
while i < 5 {
    if i * 2 < n { y = y + x; } else { y = select(y < x, x, y - 1); }
    i += 1;
}
output y to all as \"y\";
output sum(y) to all as \"total\";";

fn mix(x: u64) -> u64 {
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// Small inputs: the programs promise no more.
fn inputs(module: &Module, seed: u64) -> Data {
    let element = |id: usize, i: usize, data: DataType| {
        let r = mix(seed << 40 ^ (id as u64) << 20 ^ i as u64) as i64 as i128;
        match data {
            DataType::Bool => r & 1,
            DataType::Fix(..) => r >> 46,
            DataType::Int(k) | DataType::Wrap(k) => r >> (64 - k.min(20)),
        }
    };
    let all = module.inputs.iter().enumerate();
    all.map(|(id, d)| {
        (id as u32, (0..size_of_shape(&d.shape)).map(|i| element(id, i, d.data)).collect())
    })
    .collect()
}

fn meaning(module: &Module, inputs: &Data) -> Data {
    interpret(module, &module.entries[0], inputs, &mut Data::new(), Options::default())
        .unwrap_or_else(|fault| panic!("{fault:?}"))
}

fn execution(module: &Module, inputs: &Data) -> Data {
    let program = emit(module);
    let program = Program::load(&program.encode()).unwrap_or_else(|why| panic!("{why}"));
    let given: Vec<Option<Vec<i128>>> = inputs.values().cloned().map(Some).collect();
    let options = emulate::Options { checked: true, ..Default::default() };
    let outcome = emulate::emulate(&program, 0, &given, &mut BTreeMap::new(), options)
        .unwrap_or_else(|why| panic!("{why:?}"));
    assert!(outcome.findings.is_empty(), "{:?}", outcome.findings);
    outcome.outputs.into_iter().map(|(id, x)| (id as u32, x)).collect()
}

fn check(source: &str) {
    let files = BTreeMap::from([("main.mpc".to_string(), source.to_string())]);
    let compiled = mpc_compiler::compile("main.mpc", &files, &Default::default());
    let lowered = compiled.unwrap_or_else(|failure| panic!("{}", failure.render(false))).module;
    let mut exact = lowered.clone();
    optimise(&mut exact, Level::Exact);
    let mut full = lowered.clone();
    optimise(&mut full, Level::Full);
    for seed in 0..10 {
        let inputs = inputs(&lowered, seed);
        let want = meaning(&lowered, &inputs);
        assert_eq!(execution(&lowered, &inputs), want, "as lowered");
        assert_eq!(meaning(&exact, &inputs), want, "optimised");
        assert_eq!(execution(&exact, &inputs), want, "optimised and emitted");
        assert_eq!(execution(&full, &inputs), meaning(&full, &inputs), "numeric and emitted");
    }
}

#[test]
fn an_auction() {
    check(AUCTION);
}

#[test]
fn a_training_loop() {
    check(TRAINING);
}

#[test]
fn rows_updated_in_nested_loops() {
    check(ROWS);
}

#[test]
fn rows_read_backwards_in_a_loop() {
    check(BACKWARDS);
}

#[test]
fn branches_and_loops_on_clear_conditions() {
    check(BRANCHES);
}

#[test]
fn code_does_not_grow_with_data() {
    let source = "role a, b;
input x: secret fix[1000, 1000] from a;
input y: secret fix[1000, 1000] from b;
var z = x;
for i in 0..1000000 { z = matmul(z, y); }
output z to all as \"z\";";
    let files = BTreeMap::from([("main.mpc".to_string(), source.to_string())]);
    let begin = std::time::Instant::now();
    let built = mpc_compiler::build("main.mpc", &files, &Default::default(), Level::Full);
    let (program, _) = built.unwrap_or_else(|failure| panic!("{}", failure.render(false)));
    assert!(begin.elapsed().as_millis() < 300, "{:?}", begin.elapsed());
    assert!(program.encode().len() < 20_000);
}

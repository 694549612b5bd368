//! What people read of the compiler's work: the bytecode as a listing, and messages as JSON.

use std::collections::BTreeMap;

use mpc_compiler::diagnostics::render_json;
use mpc_compiler::passes::Level;
use mpc_compiler::{Compiled, Failure, build};

fn compiled(program: &str) -> Result<(mpc_bytecode::Program, Compiled), Failure> {
    let files = BTreeMap::from([("main.mpc".to_string(), program.to_string())]);
    build("main.mpc", &files, &Default::default(), Level::Full)
}

fn listing(program: &str) -> String {
    let (program, _) =
        compiled(program).unwrap_or_else(|failure| panic!("{}", failure.render(false)));
    program.disassemble()
}

fn messages(program: &str) -> String {
    let failure = compiled(program).expect_err("the program has an error");
    let line = |d| render_json(d, &failure.sources) + "\n";
    failure.diagnostics.iter().map(line).collect()
}

#[test]
fn a_comparison_and_a_product_side_by_side() {
    let program = "role alice, bob;
input a: secret int<32> from alice;
input b: secret int<32> from bob;
output a > b to all as \"richer\";
output a * b to alice as \"product\";";
    insta::assert_snapshot!(listing(program), @r#"
    ; ring_bits 32 field_bits 32
    ; s registers 2
    ; c registers 2
    ; sb registers 1
    ; cb registers 1
    ; r registers 0
    ; input $0 "a": int<32>[], alice
    ; input $1 "b": int<32>[], bob
    ; output $0 "richer": bool[], all
    ; output $1 "product": int<32>[], alice
    entry main:
         0  input (c0:1, $0) (c1:1, $1)  ; main.mpc:2:1
         1  share (s0:1, c0:1, $0, 32) (s1:1, c1:1, $1, 32)  ; main.mpc:2:1
         2  lts (sb0:1, s1:1, s0:1, 32)  ; main.mpc:4:8
         3  muls (s0:1, s0:1, s1:1, 32)  ; main.mpc:5:8
         4  opento (c0:1, s0:1, $0, 32)  ; main.mpc:5:1
         5  output ($1, c0:1)  ; main.mpc:5:1
         6  opensb (cb0:1, sb0:1)  ; main.mpc:4:1
         7  outputcb ($0, cb0:1)  ; main.mpc:4:1
         8  halt ()  ; main.mpc:4:1
    "#);
}

#[test]
fn a_loop_over_a_state() {
    let program = "role a;
state w: secret fix[4];
entry step {
    input x: secret fix[4] from a;
    for i in 0..4 { w[i] = w[i] + x[i]; }
}";
    insta::assert_snapshot!(listing(program), @r#"
    ; ring_bits 40 field_bits 40
    ; s registers 9
    ; c registers 4
    ; sb registers 0
    ; cb registers 0
    ; r registers 2
    ; input $0 "x": fix<40,16>[4], a
    ; state $0 "w": fix<40,16>[4], all
    entry step:
         0  ldstate (s0:4, $0)
         1  input (c0:4, $0)  ; main.mpc:4:5
         2  share (s4:4, c0:4, $0, 40)  ; main.mpc:4:5
         3  ldr (r0, 4)  ; main.mpc:5:5
         4  ldr (r1, 0)  ; main.mpc:5:5
         5  adds (s8:1, s0+r1:1, s4+r1:1, 40)  ; main.mpc:5:28
         6  movs (s0+r1:1, s8:1)  ; main.mpc:5:21
         7  addri (r1, r1, 1)  ; main.mpc:5:5
         8  jlt (r1, r0, @5)  ; main.mpc:5:5
         9  ststate ($0, s0:4)  ; main.mpc:5:5
        10  halt ()  ; main.mpc:5:5
    "#);
}

#[test]
fn messages_as_json() {
    let program = "role a;
input x: secret int from a;
if x > 0 { output y to a; }
let z: fix[2] = [1, 2, 3];";
    insta::assert_snapshot!(messages(program), @r#"
    {"severity":"error","title":"a secret value cannot decide a branch","place":{"file":"main.mpc","line":3,"column":4,"end_line":3,"end_column":9,"label":"this is `secret bool`"},"helps":["compute both sides and choose:  select(condition, a, b)"]}
    {"severity":"error","title":"unknown name `y`","place":{"file":"main.mpc","line":3,"column":19,"end_line":3,"end_column":20,"label":"not found in this scope"},"helps":["did you mean `x`?"]}
    {"severity":"error","title":"mismatched types","place":{"file":"main.mpc","line":4,"column":17,"end_line":4,"end_column":26,"label":"this is a list of 3 values"},"expected":"`fix<40,16>[2]`","found":"a list of 3 values"}
    "#);
}

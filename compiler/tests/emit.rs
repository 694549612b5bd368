//! Emission: merged instructions, loops in place, size and time that do not depend on data.

use mpc_bytecode::{Bank, Instruction, Program};
use mpc_compiler::emit::emit;
use mpc_compiler::ir::{
    Builder, DataType, Dim, InputDecl, Module, OutputDecl, Receivers, Type, Value, Vis,
};

fn input(b: &mut Builder, name: &str, data: DataType, shape: &[usize]) -> Value {
    let role = b.role("alice");
    let id = b.input_decl(InputDecl {
        name: name.into(),
        role,
        data,
        shape: shape.to_vec(),
        vis: Vis::Secret,
    });
    let private = b.input(id);
    b.share(private)
}

fn output(b: &mut Builder, name: &str, data: DataType, v: Value) {
    let shape = b.shape(v).to_vec();
    let id =
        b.output_decl(OutputDecl { name: name.into(), data, shape, receivers: Receivers::All });
    let opened = b.reveal(v);
    b.output(id, opened);
}

fn module(build: impl FnOnce(&mut Builder)) -> Module {
    let mut b = Builder::new();
    b.begin_entry("main");
    build(&mut b);
    b.end_entry();
    b.finish()
}

fn program(build: impl FnOnce(&mut Builder)) -> Program {
    let program = emit(&module(build));
    if let Err(why) = Program::load(&program.encode()) {
        panic!("{why}\n{}", program.disassemble());
    }
    program
}

fn count(p: &Program, mnemonic: &str) -> usize {
    p.code.iter().filter(|i| i.mnemonic() == mnemonic).count()
}

#[test]
fn a_hundred_comparisons_are_one_instruction() {
    let p = program(|b| {
        let xs: Vec<Value> =
            (0..101).map(|i| input(b, &format!("x{i}"), DataType::Int(63), &[])).collect();
        for (i, w) in xs.windows(2).enumerate() {
            let less = b.lt(w[0], w[1]);
            output(b, &format!("y{i}"), DataType::Bool, less);
        }
    });
    assert_eq!(count(&p, "lts"), 1, "{}", p.disassemble());
    let groups: Vec<usize> =
        p.code.iter().filter(|i| i.mnemonic() == "lts").map(Instruction::groups).collect();
    assert_eq!(groups, [100]);
}

#[test]
fn a_loop_of_a_million_iterations_is_a_loop_in_place() {
    let p = program(|b| {
        let x = input(b, "x", DataType::Fix(40, 16), &[1000]);
        let (lo, hi) = (b.index_const(0), b.index_const(1_000_000));
        let ty = b.ty(x).clone();
        let (_, carried) = b.begin_for(lo, hi, 1, &[x], &[ty]);
        let square = b.mul(carried[0], carried[0]);
        b.promise(square, 56);
        let next = b.trunc(square, 16);
        let out = b.end_for(&[next]);
        output(b, "y", DataType::Fix(40, 16), out[0]);
    });
    assert_eq!(count(&p, "movs"), 0, "{}", p.disassemble());
    assert!(p.encode().len() < 1000);
    assert_eq!(p.registers(Bank::S), 2000, "the value and its product");
}

#[test]
fn rows_are_read_and_written_in_place_in_nested_loops() {
    let p = program(|b| {
        let x = input(b, "x", DataType::Int(32), &[8, 5]);
        let (lo, hi) = (b.index_const(0), b.index_const(7));
        let ty = b.ty(x).clone();
        let (i, outer) = b.begin_for(lo, hi, 1, &[x], std::slice::from_ref(&ty));
        let (j, inner) = b.begin_for(i, hi, 1, &outer, &[ty]);
        let row = [Dim { size: 5, stride: 1 }];
        let at = b.offset_of(inner[0], &[i]);
        let mine = b.slice_at(inner[0], at, &row);
        let to = b.offset_of(inner[0], &[j]);
        let theirs = b.slice_at(inner[0], to, &row);
        let sum = b.add(mine, theirs);
        b.promise(sum, 32);
        let next = b.update_at(inner[0], sum, to, &row);
        let x = b.end_for(&[next]);
        let x = b.end_for(&x);
        output(b, "y", DataType::Int(32), x[0]);
    });
    assert_eq!(p.registers(Bank::S), 45, "{}", p.disassemble());
}

#[test]
fn columns_are_written_by_a_loop_and_matrices_joined_side_by_side() {
    program(|b| {
        let x = input(b, "x", DataType::Int(32), &[4, 3]);
        let column = input(b, "c", DataType::Int(32), &[4]);
        let at = b.index_const(1);
        let x = b.update_at(x, column, at, &[Dim { size: 4, stride: 3 }]);
        let joined = b.concat(&[x, x], 1);
        let turned = b.transpose(joined, &[1, 0]);
        output(b, "y", DataType::Int(32), turned);
    });
}

#[test]
fn a_large_product_is_small_code() {
    let begin = std::time::Instant::now();
    let p = program(|b| {
        let x = input(b, "x", DataType::Fix(40, 16), &[1000, 1000]);
        let y = input(b, "y", DataType::Fix(40, 16), &[1000, 1000]);
        let z = b.mat_mul(x, y);
        b.promise(z, 56);
        let z = b.trunc(z, 16);
        b.promise(z, 40);
        let zeros = b.splat(0, &[1000, 1000]);
        let one = b.splat(1, &[1000, 1000]);
        let positive = b.lt(zeros, z);
        let z = b.select(positive, z, one);
        output(b, "z", DataType::Fix(40, 16), z);
    });
    assert!(begin.elapsed().as_millis() < 300);
    assert!(p.encode().len() < 1000);
    assert_eq!((p.ring_bits, p.field_bits), (56, 56));
}

#[test]
fn wrapping_products_need_a_ring_of_their_own_width_only() {
    let p = program(|b| {
        let x = input(b, "x", DataType::Wrap(64), &[3]);
        let square = b.mul(x, x);
        let y = b.wrap(square, 64);
        output(b, "y", DataType::Wrap(64), y);
    });
    assert_eq!((p.ring_bits, p.field_bits), (64, 128));
}

#[test]
fn control_flow_hands_values_over() {
    let p = program(|b| {
        let x = input(b, "x", DataType::Int(32), &[3]);
        let y = input(b, "y", DataType::Int(32), &[3]);
        let ty = Type::num(Vis::Secret, &[3], 32);
        let n = b.constant(0);
        let count = Type::num(Vis::Clear, &[], 32);
        let cond = b.begin_while(&[n, x, y], &[count, ty.clone(), ty]);
        let ten = b.constant(10);
        let go = b.lt(cond[0], ten);
        let body = b.begin_while_body(go);
        let one = b.constant(1);
        let n = b.add(body[0], one);
        let two = b.constant(2);
        let odd = b.modulo(n, two);
        let odd = b.eq(odd, one);
        b.begin_if(odd);
        let sum = b.add(body[1], body[2]);
        b.begin_else(&[sum]);
        let picked = b.end_if(&[body[1]]);
        let out = b.end_while(&[n, body[2], picked[0]]);
        output(b, "a", DataType::Int(32), out[1]);
        output(b, "b", DataType::Int(32), out[2]);
    });
    assert!(count(&p, "jumpz") == 2, "{}", p.disassemble());
}

#[test]
fn the_checker_refuses_a_layout_that_loses_values() {
    use mpc_compiler::emit::{allocate_check, layout, legalise, schedule};
    let module = module(|b| {
        let x = input(b, "x", DataType::Int(32), &[3]);
        let y = input(b, "y", DataType::Int(32), &[3]);
        let z = b.mul(x, y);
        output(b, "z", DataType::Int(64), z);
    });
    let entry = legalise::legalise(&module).entries.remove(0);
    let mut body = schedule::schedule(entry.body, &entry.types);
    let mut layout = layout::layout(&mut body, &entry.types);
    assert_eq!(allocate_check::check(&body, &entry.types, &layout), Ok(()));
    layout.base.fill(0);
    assert!(allocate_check::check(&body, &entry.types, &layout).is_err());
}

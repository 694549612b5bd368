//! From the graph to bytecode.
//!
//! | stage | input | output | module |
//! |---|---|---|---|
//! | rewrite | module | nodes that are instructions | [`legalise`] |
//! | schedule | block | steps by communication depth, like ones merged | [`schedule`] |
//! | layout | steps | registers by liveness | [`layout`] |
//! | check, in debug builds | steps and registers | a proof that each read sees its value | [`allocate_check`] |
//! | encode | steps and registers | instructions | [`encode`] |
//!
//! Loops stay loops: neither the time this takes nor the size of the code depends on sizes of tensors or numbers of iterations.

pub mod allocate_check;
pub mod bounds;
pub mod encode;
pub mod layout;
pub mod legalise;
pub mod schedule;

use mpc_bytecode::{Element, Entry, Program, Receivers, Span, Variable};

use crate::ir::{self, DataType, Module};

/// The program of a module.
pub fn emit(module: &Module) -> Program {
    let legal = legalise::legalise(module);
    let mut program = manifest(module);
    let mut pool = encode::ConstPool::default();
    for entry in legal.entries {
        let need = bounds::bounds(&entry);
        program.ring_bits = program.ring_bits.max(need.ring);
        program.field_bits = program.field_bits.max(need.field);
        let mut body = schedule::schedule(entry.body, &entry.types);
        let layout = layout::layout(&mut body, &entry.types);
        if cfg!(debug_assertions)
            && let Err(why) = allocate_check::check(&body, &entry.types, &layout)
        {
            panic!("wrong layout: {why}");
        }
        let start = program.code.len();
        let encoded = encode::encode(&body, &entry.types, &layout, &mut pool, start);
        program.code.extend(encoded.code);
        program.spans.extend(encoded.spans.into_iter().map(span));
        for (size, more) in program.registers.iter_mut().zip(encoded.sizes) {
            *size = more.max(*size);
        }
        program.entries.push(Entry {
            name: entry.name,
            start: start as u32,
            end: program.code.len() as u32,
        });
    }
    program.circuits = module.circuits.clone();
    program.pool = pool.values;
    program
}

fn span(s: ir::Span) -> Span {
    Span { file: s.file, line: s.line, column: s.col }
}

fn element(data: DataType) -> Element {
    match data {
        DataType::Int(k) => Element::Int(k),
        DataType::Fix(k, f) => Element::Fix(k, f),
        DataType::Wrap(k) => Element::Wrap(k),
        DataType::Bool => Element::Bool,
    }
}

fn manifest(module: &Module) -> Program {
    let variable = |name: &str, data, shape: &[usize], receivers| Variable {
        name: name.into(),
        element: element(data),
        shape: shape.iter().map(|&d| d as u64).collect(),
        receivers,
    };
    let receivers = |r: &ir::Receivers| match r {
        ir::Receivers::All => Receivers::All,
        ir::Receivers::Roles(roles) => Receivers::Roles(roles.clone()),
    };
    Program {
        roles: module.roles.clone(),
        inputs: module
            .inputs
            .iter()
            .map(|i| variable(&i.name, i.data, &i.shape, Receivers::Roles(vec![i.role])))
            .collect(),
        outputs: module
            .outputs
            .iter()
            .map(|o| variable(&o.name, o.data, &o.shape, receivers(&o.receivers)))
            .collect(),
        states: module
            .states
            .iter()
            .map(|s| variable(&s.name, s.data, &s.shape, Receivers::All))
            .collect(),
        files: module.files.clone(),
        ..Program::default()
    }
}

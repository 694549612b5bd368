//! Every form of every instruction says the same; the manual is the table's.

mod support;

use mpc_bytecode::operand::{Input, Text};
use mpc_bytecode::{Error, Instruction, Program};
use support::{Gen, instruction, program, seed};

#[test]
fn every_instruction_reads_back_from_bytes_and_from_text() {
    let seed = seed(1);
    for &opcode in Instruction::OPCODES {
        for round in 0..200 {
            let case = seed.wrapping_add(round);
            let mut g = if round % 2 == 0 { Gen::wild(case) } else { Gen::tame(case, 100) };
            let original = instruction(&mut g, opcode);
            assert_eq!(original.opcode(), opcode);
            let mut bytes = vec![];
            original.encode(&mut bytes);
            let mut input = Input::new(&bytes);
            assert_eq!(Instruction::decode(&mut input).as_ref(), Ok(&original), "case {case}");
            assert_eq!(input.remaining(), 0, "case {case}");
            let text = original.print();
            let mut input = Text::new(&text);
            assert_eq!(Instruction::parse(&mut input).as_ref(), Ok(&original), "{text}");
            assert!(input.is_empty(), "{text}");
        }
    }
}

#[test]
fn an_instruction_cut_short_is_refused() {
    let seed = seed(2);
    for &opcode in Instruction::OPCODES {
        let mut bytes = vec![];
        instruction(&mut Gen::wild(seed), opcode).encode(&mut bytes);
        for end in 0..bytes.len() {
            let outcome = Instruction::decode(&mut Input::new(&bytes[..end]));
            assert!(outcome.is_err(), "opcode {opcode:#x} cut at {end}");
        }
    }
}

#[test]
fn opcodes_and_names_are_told_apart() {
    let mut names: Vec<_> = Instruction::OPCODES
        .iter()
        .map(|&op| instruction(&mut Gen::tame(1, 1), op).mnemonic())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Instruction::COUNT);
    assert!(Instruction::OPCODES.is_sorted(), "the table is in the order of its opcodes");
}

#[test]
fn a_program_reads_back_and_its_hash_names_it() {
    let seed = seed(3);
    for case in (0..20).map(|i| seed.wrapping_add(i)) {
        let original = program(case);
        let file = original.encode();
        let back = Program::load(&file).unwrap_or_else(|e| panic!("case {case}: {e}"));
        assert_eq!(back, original, "case {case}");
        assert_eq!(back.encode(), file, "case {case}");
        assert_eq!(back.hash(), original.hash());
        assert_ne!(program(case.wrapping_add(100)).hash(), original.hash());
    }
}

#[test]
fn damage_anywhere_in_a_file_is_noticed() {
    let file = program(seed(4)).encode();
    for at in 0..file.len() {
        for bit in [1, 0x80] {
            let mut damaged = file.clone();
            damaged[at] ^= bit;
            assert!(Program::load(&damaged).is_err(), "byte {at}");
        }
        assert!(Program::load(&file[..at]).is_err(), "cut at {at}");
    }
    let longer = [&file[..], &[0]].concat();
    assert_eq!(Program::load(&longer), Err(Error::Truncated));
}

#[test]
fn each_kind_of_damage_to_the_header_is_named() {
    let file = program(seed(5)).encode();
    let with = |at: usize, byte: u8| {
        let mut damaged = file.clone();
        damaged[at] ^= byte;
        Program::load(&damaged)
    };
    assert_eq!(Program::load(b""), Err(Error::Magic));
    assert_eq!(with(0, 1), Err(Error::Magic));
    assert_eq!(with(4, 0xff), Err(Error::Version(0xfd, 2)));
    assert_eq!(with(6, 1), Err(Error::Malformed("feature bits")));
    assert_eq!(with(14, 1), Err(Error::Truncated));
    assert_eq!(with(22, 1), Err(Error::Hash));
    assert_eq!(with(support::HEAD_BYTES, 1), Err(Error::Hash));
}

#[test]
fn text_that_is_no_instruction_is_refused() {
    let mut g = Gen::wild(seed(6));
    for _ in 0..20_000 {
        let opcode = Instruction::OPCODES[g.below(Instruction::COUNT as u64) as usize];
        let mut text: Vec<char> = instruction(&mut g, opcode).print().chars().collect();
        for _ in 0..1 + g.below(3) {
            let at = g.below(text.len().max(1) as u64) as usize;
            if text.is_empty() {
                break;
            }
            match g.below(3) {
                0 => text[at] = ['-', '9', ':', ' ', 'é', '+', '[', ')'][g.below(8) as usize],
                1 => _ = text.remove(at),
                _ => text.truncate(at + 1),
            }
        }
        let text: String = text.into_iter().collect();
        let mut input = Text::new(&text);
        if let Ok(parsed) = Instruction::parse(&mut input) {
            let again = parsed.print();
            assert_eq!(Instruction::parse(&mut Text::new(&again)), Ok(parsed), "{text}");
        }
    }
}

#[test]
fn the_manual_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/INSTRUCTIONS.md");
    let manual = mpc_bytecode::manual();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &manual).expect("the manual can be written");
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == manual, "vm/bytecode/INSTRUCTIONS.md is stale: run the test with BLESS=1");
}

#[test]
fn mutated_files_are_refused_or_mean_what_they_say() {
    let before = support::peak_memory_bytes();
    let [parser, verifier, accepted] = support::fuzz(seed(7), 100_000, 20);
    println!("refused by the parser {parser}, by the verifier {verifier}, accepted {accepted}");
    assert!(accepted > 0 && verifier > 0 && parser > 0, "the fuzzer reaches every stage");
    let grown = support::peak_memory_bytes().saturating_sub(before);
    assert!(grown < 128 << 20, "reading small files took {grown} bytes");
}

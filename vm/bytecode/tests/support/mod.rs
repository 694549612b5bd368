//! Instructions and programs from a seed: wild ones for the codec, tame ones that the verifier takes.
#![allow(dead_code, unreachable_pub, reason = "every test binary uses a part")]

use mpc_bytecode::{
    Bits, C, CB, Circuit, Count, Dims, Element, Entry, Gate, Id, Imm, Instruction, Pool, Program,
    Read, ReadR, Receivers, Run, S, SB, Span, Target, Variable, Wide, Write, WriteR, group,
};

/// Length of most runs in tame instructions: a square, so that 2×2 matrices fit.
const LEN: u64 = 4;
/// Registers of each bank in tame programs.
const REGISTERS: u64 = 64;
/// Constants of tame programs.
const POOL: u64 = 8;

/// SplitMix64 (Steele, Lea, Flood 2014), and how wild its draws are.
pub struct Gen {
    state: u64,
    tame: bool,
    len: u64,
    next_write: u64,
    code_len: u32,
}

/// The seed of this test run: `SEED` in the environment, else `default`. Printed, so that a failure
/// can be had again.
pub fn seed(default: u64) -> u64 {
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    println!("SEED={seed}");
    seed
}

impl Gen {
    /// Draws anything that the types can hold.
    pub fn wild(seed: u64) -> Gen {
        Gen { state: seed, tame: false, len: LEN, next_write: 0, code_len: 0 }
    }

    /// Draws what the verifier accepts in a program of `code_len` instructions.
    pub fn tame(seed: u64, code_len: u32) -> Gen {
        Gen { tame: true, code_len, ..Gen::wild(seed) }
    }

    /// 64 random bits.
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// A number of any size: each bit length equally often, extremes included.
    fn number(&mut self) -> u64 {
        match self.below(65) {
            0 => [0, 1, u64::MAX, 1 << 63][self.below(4) as usize],
            bits => self.next() >> (64 - bits),
        }
    }

    fn signed(&mut self) -> i128 {
        let wide = (self.number() as i128) << 64 | self.number() as i128;
        match self.below(6) {
            0 => i128::MIN,
            1 => i128::MAX,
            2 => wide,
            _ => wide >> self.below(127),
        }
    }

    fn index(&mut self) -> Option<u32> {
        let moved = self.below(4) == 0;
        let limit = if self.tame { REGISTERS } else { 1 << 32 };
        moved.then(|| self.below(limit) as u32)
    }
}

/// An operand from a seed; `field` is its name in the table.
trait Arbitrary {
    fn arbitrary(g: &mut Gen, mnemonic: &str, field: &str) -> Self;
}

impl<B> Arbitrary for Read<B> {
    fn arbitrary(g: &mut Gen, _: &str, _: &str) -> Self {
        let (base, len) = match g.tame {
            true => (g.below(REGISTERS - g.len + 1), g.len),
            false => (g.number(), g.number()),
        };
        Read::new(Run { base, len, index: g.index() })
    }
}

impl<B> Arbitrary for Write<B> {
    fn arbitrary(g: &mut Gen, _: &str, _: &str) -> Self {
        let (base, len) = match g.tame {
            true => (g.next_write, g.len),
            false => (g.number(), g.number()),
        };
        g.next_write += g.len;
        Write::new(Run { base, len, index: g.index() })
    }
}

fn int_register(g: &mut Gen) -> u32 {
    if g.tame { g.below(REGISTERS) as u32 } else { g.number() as u32 }
}

impl Arbitrary for ReadR {
    fn arbitrary(g: &mut Gen, _: &str, _: &str) -> Self {
        ReadR(int_register(g))
    }
}

impl Arbitrary for WriteR {
    fn arbitrary(g: &mut Gen, _: &str, _: &str) -> Self {
        WriteR(int_register(g))
    }
}

impl Arbitrary for Imm {
    fn arbitrary(g: &mut Gen, mnemonic: &str, field: &str) -> Self {
        match (g.tame, field) {
            (true, "offset") => Imm(0),
            (true, "signed") => Imm(g.below(2) as i64),
            (true, _) if mnemonic == "ldcb" => Imm(g.below(2) as i64),
            _ => Imm(g.number() as i64),
        }
    }
}

impl Arbitrary for Wide {
    fn arbitrary(g: &mut Gen, _: &str, _: &str) -> Self {
        Wide(g.signed())
    }
}

impl Arbitrary for Count {
    fn arbitrary(g: &mut Gen, mnemonic: &str, field: &str) -> Self {
        let matrix = mnemonic.starts_with("matmul");
        let contraction = mnemonic.starts_with("contract");
        match (g.tame, field) {
            (true, "bound") => Count(g.number() >> 1),
            (true, "batch" | "inner") if contraction => Count(1),
            (true, _) if matrix || contraction => Count(2),
            (true, "rows") => Count(g.len),
            (true, _) => Count(1),
            (false, _) => Count(g.number()),
        }
    }
}

impl Arbitrary for Bits {
    fn arbitrary(g: &mut Gen, mnemonic: &str, field: &str) -> Self {
        let one_per_bit = matches!(mnemonic, "bitsc" | "bits" | "composec" | "compose");
        match (g.tame, field) {
            (true, "k") if one_per_bit => Bits(1),
            (true, "shift") => Bits(g.below(127) as u32),
            (true, _) => Bits(1 + g.below(126) as u32),
            (false, _) => Bits(g.number() as u32),
        }
    }
}

impl Arbitrary for Target {
    fn arbitrary(g: &mut Gen, _: &str, _: &str) -> Self {
        if g.tame { Target(g.below(g.code_len.into()) as u32) } else { Target(g.number() as u32) }
    }
}

impl Arbitrary for Id {
    fn arbitrary(g: &mut Gen, mnemonic: &str, field: &str) -> Self {
        match (g.tame, field) {
            (true, "role") => Id(g.below(2) as u32),
            (true, _) => Id(u32::from(mnemonic.ends_with('b'))), // variable 0 is a number, 1 a bit
            (false, _) => Id(g.number() as u32),
        }
    }
}

impl Arbitrary for Pool {
    fn arbitrary(g: &mut Gen, _: &str, _: &str) -> Self {
        match g.tame {
            true => Pool { base: g.below(POOL - g.len + 1), len: g.len },
            false => Pool { base: g.number(), len: g.number() },
        }
    }
}

impl Arbitrary for Dims {
    fn arbitrary(g: &mut Gen, mnemonic: &str, _: &str) -> Self {
        if g.tame && mnemonic.starts_with("contract") {
            return Dims(vec![(2, g.below(4) as i64)]);
        }
        if g.tame {
            let shapes = [vec![(4, 1)], vec![(2, 2), (2, 1)], vec![(2, 1), (2, 2)], vec![(4, 0)]];
            return Dims(shapes[g.below(4) as usize].clone());
        }
        Dims((0..g.below(4)).map(|_| (g.number(), g.number() as i64)).collect())
    }
}

macro_rules! arbitrary_groups {
    ($g:ident, once, $build:expr) => {
        $build
    };
    ($g:ident, many, $build:expr) => {
        (0..$g.below(4)).map(|_| $build).collect()
    };
}

macro_rules! define_arbitrary {
    ($( $(#[doc = $family_doc:literal])* $Family:ident { $(
        $(#[doc = $doc:literal])*
        $code:literal $arity:ident $mnemonic:ident = $Name:ident { $($field:ident : $ty:ty),* }
    )* } )*) => {
        /// The instruction of that opcode, with operands from the seed.
        pub fn instruction(g: &mut Gen, opcode: u8) -> Instruction {
            g.next_write = 0;
            g.len = match opcode {
                0x03 | 0x0c | 0x0d => 1, // jumpz, rfromc, cfromr take one element
                _ => LEN,
            };
            match opcode {
                $($( $code => Instruction::$Name(arbitrary_groups!(g, $arity, group::$Name {
                    $( $field: <$ty>::arbitrary(g, stringify!($mnemonic), stringify!($field)) ),*
                })), )*)*
                _ => unreachable!("not in the table"),
            }
        }
    };
}
mpc_bytecode::for_each_instruction!(define_arbitrary);

fn variable(name: &str, element: Element, receivers: Receivers) -> Variable {
    Variable { name: name.into(), element, shape: vec![2, 2], receivers }
}

/// A circuit from one bit to one bit, of gates of every kind.
fn circuit(g: &mut Gen) -> Circuit {
    let mut gates = vec![];
    for wires in 1..9 {
        let (a, b) = (g.below(wires) as u32, g.below(wires) as u32);
        gates.push(match g.below(4) {
            0 => Gate::And(a, b),
            1 => Gate::Xor(a, b),
            2 => Gate::Not(a),
            _ => Gate::Constant(g.below(2) == 1),
        });
    }
    let results = vec![g.below(9) as u32];
    Circuit { name: "f.txt".into(), inputs: vec![1], outputs: vec![1], gates, results }
}

/// A program that the verifier takes: every instruction of the table in random order, in two entries.
pub fn program(seed: u64) -> Program {
    let count = Instruction::COUNT as u32;
    let mut g = Gen::tame(seed, count);
    let mut opcodes = Instruction::OPCODES.to_vec();
    for i in (1..opcodes.len()).rev() {
        opcodes.swap(i, g.below(i as u64 + 1) as usize);
    }
    let mut code: Vec<_> = opcodes.iter().map(|&op| instruction(&mut g, op)).collect();
    code.push(Instruction::Halt(group::Halt {}));
    let cut = code.len() as u32;
    code.push(Instruction::Jump(group::Jump { target: Target(cut) }));
    let role = |r| Receivers::Roles(vec![r]);
    let span = |g: &mut Gen| Span { file: 0, line: g.below(99) as u32, column: g.number() as u32 };
    Program {
        roles: vec!["north".into(), "bidders[0]".into()],
        inputs: vec![
            variable("x", Element::Int(32), role(0)),
            variable("y", Element::Bool, role(1)),
        ],
        outputs: vec![
            variable("z", Element::Fix(40, 16), Receivers::All),
            variable("b", Element::Bool, Receivers::Roles(vec![0, 1])),
        ],
        states: vec![
            variable("w", Element::Wrap(64), Receivers::All),
            variable("v", Element::Bool, Receivers::All),
        ],
        entries: vec![
            Entry { name: "main".into(), start: 0, end: cut },
            Entry { name: "spin".into(), start: cut, end: cut + 1 },
        ],
        registers: [REGISTERS; 5],
        ring_bits: 64,
        field_bits: 80,
        pool: (0..POOL).map(|_| g.signed()).collect(),
        circuits: vec![circuit(&mut g)],
        spans: code.iter().map(|_| span(&mut g)).collect(),
        files: vec!["a.mpc".into()],
        code,
    }
}

/// Makes length and hash in the header fit the body, so that the parser behind them is reached.
pub fn seal(file: &mut [u8]) {
    let (head, body) = file.split_at_mut(HEAD_BYTES);
    head[14..22].copy_from_slice(&(body.len() as u64).to_le_bytes());
    head[22..54].copy_from_slice(blake3::hash(body).as_bytes());
}

/// Bytes before the body.
pub const HEAD_BYTES: usize = 54;

/// Alters a file in one to four places, behind a header that fits.
pub fn mutate(g: &mut Gen, file: &mut Vec<u8>) {
    for _ in 0..1 + g.below(4) {
        let body = (file.len() - HEAD_BYTES) as u64;
        if body == 0 {
            break;
        }
        let at = HEAD_BYTES + g.below(body) as usize;
        match g.below(8) {
            0 | 1 => file[at] ^= 1 << g.below(8),
            2 => file[at] = [0, 1, 0x7f, 0x80, 0xff][g.below(5) as usize],
            3 => file[at] = g.next() as u8,
            4 => file.insert(at, g.next() as u8),
            5 => _ = file.remove(at),
            6 => {
                let end = (at + 1 + g.below(16) as usize).min(file.len());
                let copy = file[at..end].to_vec();
                let to = HEAD_BYTES + g.below(body) as usize;
                file.splice(to..to, copy);
            }
            _ => {
                // a number as large as it gets, where a small one was
                let large = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
                file.splice(at..=at, large);
            }
        }
        if g.below(64) == 0 {
            file.truncate(HEAD_BYTES + g.below(body) as usize);
        }
    }
    seal(file);
}

/// What holds for every sealed file: an error, or a program that says the same in all its forms.
/// Returns how far it got: 0 refused by the parser, 1 by the verifier, 2 accepted.
pub fn check(file: &[u8]) -> usize {
    let Ok(program) = Program::decode(file) else { return 0 };
    assert_eq!(program.encode(), file, "one program has one encoding");
    let Ok(program) = Program::load(file) else { return 1 };
    for instruction in &program.code {
        let text = instruction.print();
        let back = Instruction::parse(&mut mpc_bytecode::operand::Text::new(&text));
        assert_eq!(back.as_ref(), Ok(instruction), "{text}");
    }
    assert!(program.disassemble().lines().count() >= program.code.len());
    2
}

/// Mutates and checks `count` files or until `seconds` are over; says how far they got.
pub fn fuzz(seed: u64, count: usize, seconds: u64) -> [usize; 3] {
    let start = std::time::Instant::now();
    let originals: Vec<_> = (0..16).map(|i| program(i).encode()).collect();
    let mut reached = [0; 3];
    for number in 0..count as u64 {
        if number % 1024 == 0 && start.elapsed().as_secs() >= seconds {
            println!("stopped after {number} files");
            break;
        }
        let case = seed.wrapping_add(number);
        let mut g = Gen::wild(case);
        let mut file = originals[g.below(16) as usize].clone();
        mutate(&mut g, &mut file);
        let outcome = std::panic::catch_unwind(|| check(&file));
        reached[outcome.unwrap_or_else(|_| panic!("panicked: replay with SEED={case}"))] += 1;
    }
    reached
}

/// Highest memory use of this process so far, in bytes; 0 where the system does not tell.
pub fn peak_memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) << 10
}

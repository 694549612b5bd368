//! Valid bytecode programs from a seed, to compare protocols with the emulator.
//!
//! A program shares inputs of two roles, applies random instructions to what it has, each within its
//! announced bound, and outputs every value that it made, so that a difference points at the
//! instruction where it began. What is random in itself (`rands`, `shuffle`) is followed by something
//! that holds for every outcome.

use mpc_bytecode::operand::Text;
use mpc_bytecode::{Element, Entry, Instruction, Program, Receivers, Variable};

use crate::seed::Rng;
use crate::session::Case;

/// Lengths of vectors; bits are packed by 64.
const LENGTHS: &[usize] = &[1, 1, 2, 3, 4, 5, 8, 63, 64, 65];
/// Roles that own inputs.
const ROLES: u64 = 2;

/// A value of the program: registers of a bank, and the bound of its elements in bits.
#[derive(Clone, Copy, Debug)]
struct Value {
    bank: &'static str,
    base: usize,
    len: usize,
    bits: u32,
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}:{}", self.bank, self.base, self.len)
    }
}

struct Builder {
    rng: Rng,
    /// Most bits that a value may have.
    limit: u32,
    largest: u32,
    code: Vec<Instruction>,
    used: [usize; 5],
    values: Vec<Value>,
    inputs: Vec<(Variable, Vec<i128>)>,
    outputs: Vec<Variable>,
}

/// A program of about `length` operations on secrets whose values have at most `limit` bits.
pub fn case(seed: u64, length: usize, limit: u32) -> Case {
    let mut b = Builder {
        rng: Rng::new(seed),
        limit,
        largest: 1,
        code: vec![],
        used: [0; 5],
        values: vec![],
        inputs: vec![],
        outputs: vec![],
    };
    for _ in 0..3 {
        b.input();
        b.input_bits();
    }
    for _ in 0..length {
        b.operation();
    }
    b.finish()
}

impl Builder {
    fn emit(&mut self, line: &str) {
        let parsed = Instruction::parse(&mut Text::new(line));
        self.code.push(parsed.unwrap_or_else(|e| panic!("`{line}`: {e}")));
    }

    fn fresh(&mut self, bank: &'static str, len: usize, bits: u32) -> Value {
        let number = ["s", "c", "sb", "cb", "r"].iter().position(|&b| b == bank);
        let used = &mut self.used[number.expect("a bank")];
        let value = Value { bank, base: *used, len, bits };
        *used += len;
        if bank == "s" {
            self.largest = self.largest.max(bits);
        }
        value
    }

    /// Registers a value as something to go on with, and puts it out.
    fn keep(&mut self, value: Value) {
        self.values.push(value);
        let id = self.outputs.len();
        let (element, text) = match value.bank {
            "s" => (Element::Fix(128, 0), "open"),
            _ => (Element::Bool, "opensb"),
        };
        // now and then only the first role gets it
        let all = self.rng.below(4) > 0;
        let receivers = if all { Receivers::All } else { Receivers::Roles(vec![0]) };
        let name = format!("v{id}");
        let shape = vec![value.len as u64];
        self.outputs.push(Variable { name, element, shape, receivers });
        let (bank, output) = if value.bank == "s" { ("c", "output") } else { ("cb", "outputcb") };
        let clear = self.fresh(bank, value.len, value.bits);
        let bits = if value.bank == "s" { format!(", {}", value.bits) } else { String::new() };
        match (all, value.bank) {
            (true, _) => self.emit(&format!("{text} ({clear}, {value}{bits})")),
            (false, "s") => self.emit(&format!("opento ({clear}, {value}, $0{bits})")),
            (false, _) => self.emit(&format!("opentosb ({clear}, {value}, $0)")),
        }
        self.emit(&format!("{output} (${id}, {clear})"));
    }

    fn length(&mut self) -> usize {
        *self.rng.pick(LENGTHS)
    }

    fn input(&mut self) {
        let bits = [1, 2, 8, 20, self.limit / 2, self.limit - 1][self.rng.below(6) as usize];
        let (len, bits) = (self.length(), bits.min(63));
        let values = (0..len).map(|_| self.rng.signed(bits)).collect();
        let clear = self.declare("c", Element::Int(bits), len, bits, values, "input");
        let secret = self.fresh("s", len, bits);
        let role = self.inputs.len() as u64 % ROLES;
        self.emit(&format!("share ({secret}, {clear}, ${role}, {bits})"));
        self.keep(secret);
    }

    fn input_bits(&mut self) {
        let len = self.length();
        let values = (0..len).map(|_| i128::from(self.rng.below(2))).collect();
        let clear = self.declare("cb", Element::Bool, len, 1, values, "inputcb");
        let secret = self.fresh("sb", len, 1);
        let role = self.inputs.len() as u64 % ROLES;
        self.emit(&format!("sharesb ({secret}, {clear}, ${role})"));
        self.keep(secret);
    }

    fn declare(
        &mut self,
        bank: &'static str,
        element: Element,
        len: usize,
        bits: u32,
        values: Vec<i128>,
        mnemonic: &str,
    ) -> Value {
        let id = self.inputs.len();
        let role = (id as u32 + 1) % ROLES as u32;
        let receivers = Receivers::Roles(vec![role]);
        let shape = vec![len as u64];
        let variable = Variable { name: format!("x{id}"), element, shape, receivers };
        self.inputs.push((variable, values));
        let clear = self.fresh(bank, len, bits);
        self.emit(&format!("{mnemonic} ({clear}, ${id})"));
        clear
    }

    fn any(&mut self, bank: &'static str) -> Value {
        let values: Vec<_> = self.values.iter().filter(|v| v.bank == bank).copied().collect();
        *self.rng.pick(&values)
    }

    /// A secret number of at most `bits` bits: one there is, reduced if need be.
    fn number(&mut self, bits: u32) -> Value {
        let value = self.any("s");
        if value.bits <= bits {
            return value;
        }
        let dst = self.fresh("s", value.len, bits);
        self.emit(&format!("wraps ({dst}, {value}, {}, {bits})", value.bits));
        self.keep(dst);
        dst
    }

    /// A secret of that bank with `len` elements: a view of one there is.
    fn resized(&mut self, value: Value, len: usize) -> Value {
        if value.len == len {
            return value;
        }
        let dst = self.fresh(value.bank, len, value.bits);
        let offset = self.rng.below(value.len as u64) as usize;
        let dims = match value.len >= len && self.rng.below(2) == 0 {
            true => format!("{}, [{len}x1]", self.rng.below((value.len - len) as u64 + 1)),
            false => format!("{offset}, [{len}x0]"),
        };
        self.emit(&format!("view{} ({dst}, {value}, {dims})", value.bank));
        dst
    }

    /// Public numbers.
    fn clear(&mut self, len: usize, bits: u32) -> Value {
        let value = self.fresh("c", len, bits);
        for i in 0..len {
            let number = self.rng.signed(bits);
            self.emit(&format!("ldc (c{}:1, {number})", value.base + i));
        }
        value
    }

    /// Public bits.
    fn clear_bits(&mut self, len: usize) -> Value {
        let value = self.fresh("cb", len, 1);
        let flag = self.rng.below(2);
        self.emit(&format!("ldcb ({value}, {flag})"));
        value
    }

    fn operation(&mut self) {
        let half = self.limit / 2;
        match self.rng.below(19) {
            0 => self.two_numbers("adds", self.limit - 1, |a, b| a.max(b) + 1),
            1 => self.two_numbers("subs", self.limit - 1, |a, b| a.max(b) + 1),
            2 | 3 => self.two_numbers("muls", half, |a, b| a + b),
            4 => self.with_clear(),
            5 => self.one_number(),
            6 => self.rows(),
            7 => self.matrices(),
            8 => self.comparison(),
            9 => self.equality(),
            10 => self.selection(),
            11 => self.two_bits(),
            12 => self.bits_and_clear(),
            13 => self.decomposition(),
            14 => self.composition(),
            15 => self.permutation(),
            16 => self.randomness(),
            17 => self.windows(),
            _ => self.reduction(),
        }
    }

    fn two_numbers(&mut self, name: &str, most: u32, bound: fn(u32, u32) -> u32) {
        let a = self.number(most);
        let b = self.number(most);
        // one of the operands may have one element, which goes with all of the other
        let b = if b.len == 1 { b } else { self.resized(b, a.len) };
        let dst = self.fresh("s", a.len, bound(a.bits, b.bits));
        self.emit(&format!("{name} ({dst}, {a}, {b}, {})", dst.bits));
        self.keep(dst);
    }

    fn with_clear(&mut self) {
        let (name, product) = *self.rng.pick(&[("addm", false), ("submr", false), ("mulm", true)]);
        let a = self.number(if product { self.limit / 2 } else { self.limit - 1 });
        let len = if self.rng.below(2) == 0 { 1 } else { a.len };
        let b = self.clear(len, a.bits.clamp(1, 20));
        let bits = if product { a.bits + b.bits } else { a.bits.max(b.bits) + 1 };
        let dst = self.fresh("s", a.len, bits);
        self.emit(&format!("{name} ({dst}, {a}, {b}, {bits})"));
        self.keep(dst);
    }

    fn one_number(&mut self) {
        let a = self.number(self.limit - 1);
        let shift = self.rng.below(u64::from(a.bits) + 2) as u32;
        let (name, bits, extra) = match self.rng.below(5) {
            0 => ("negs", a.bits + 1, String::new()),
            1 => ("movs", a.bits, String::new()),
            2 => ("trunc", a.bits.max(2), format!(", {shift}")),
            3 => ("shrs", a.bits, format!(", {shift}")),
            _ => ("wraps", shift.max(1), format!(", {}", shift.max(1))),
        };
        let dst = self.fresh("s", a.len, bits);
        let of = match name {
            "movs" => String::new(),
            "negs" => format!(", {bits}"),
            _ => format!(", {}", a.bits), // these state the bound of the operand
        };
        self.emit(&format!("{name} ({dst}, {a}{of}{extra})"));
        self.keep(dst);
    }

    fn rows(&mut self) {
        let a = self.number(self.limit - 7);
        let inner = (1..=a.len).rev().find(|n| a.len.is_multiple_of(*n) && *n <= 64).unwrap_or(1);
        let bits = a.bits + 7;
        if self.rng.below(2) == 0 {
            let dst = self.fresh("s", a.len, bits);
            self.emit(&format!("prefixs ({dst}, {a}, {inner}, {bits})"));
            return self.keep(dst);
        }
        let dst = self.fresh("s", a.len / inner, bits);
        self.emit(&format!("sums ({dst}, {a}, {inner}, {bits})"));
        self.keep(dst);
    }

    /// Products of sums: `dots`, `dotm`, and the three products of matrices.
    fn matrices(&mut self) {
        let most = (self.limit - 2) / 2;
        let (rows, inner, cols) =
            (1 + self.rng.below(3), 1 + self.rng.below(4), 1 + self.rng.below(3));
        let (rows, inner, cols) = (rows as usize, inner as usize, cols as usize);
        let name = *self.rng.pick(&["dots", "dotm", "matmul", "matmulsc", "matmulcs"]);
        let dot = name.starts_with("dot");
        let (a, b) = (self.number(most), self.number(most));
        let a = self.resized(a, rows * inner);
        let b = self.resized(b, if dot { rows * inner } else { inner * cols });
        let clear = |this: &mut Builder, x: Value| this.clear(x.len, x.bits);
        let (a, b) = match name {
            "dotm" | "matmulsc" => (a, clear(self, b)),
            "matmulcs" => (clear(self, a), b),
            _ => (a, b),
        };
        let bits = a.bits + b.bits + 2;
        let dst = self.fresh("s", if dot { rows } else { rows * cols }, bits);
        let size = if dot { format!("{inner}") } else { format!("{rows}, {inner}, {cols}") };
        self.emit(&format!("{name} ({dst}, {a}, {b}, {size}, {bits})"));
        self.keep(dst);
    }

    /// Filters and the windows of vectors: `contract` and its like with a clear operand; and zeros around.
    fn windows(&mut self) {
        let most = (self.limit - 2) / 2;
        let size = |this: &mut Self, most: u64| 1 + this.rng.below(most) as usize;
        let [batch, rows, inner, cols] = [2, 3, 4, 3].map(|most| size(self, most));
        let name = *self.rng.pick(&["contract", "contractsc", "contractcs"]);
        let width = inner + cols - 1;
        let (a, b) = (self.number(most), self.number(most));
        let a = self.resized(a, batch * rows * inner);
        let b = self.resized(b, batch * width);
        let (a, b) = match name {
            "contractsc" => (a, self.clear(b.len, b.bits)),
            "contractcs" => (self.clear(a.len, a.bits), b),
            _ => (a, b),
        };
        let bits = a.bits + b.bits + 2;
        let dst = self.fresh("s", batch * rows * cols, bits);
        let left = format!("[{batch}x{} {rows}x{inner} {inner}x1]", rows * inner);
        let right = format!("[{batch}x{width} {inner}x1 {cols}x1]");
        let sizes = format!("{batch}, {rows}, {inner}, {cols}");
        self.emit(&format!("{name} ({dst}, {a}, {b}, {sizes}, {left}, {right}, {bits})"));
        self.keep(dst);
        if bits <= self.limit {
            let wide = self.fresh("s", dst.len * 2 + 1, bits);
            self.emit(&format!("spreads ({wide}, {dst}, 1, [{}x2])", dst.len));
            self.keep(wide);
        }
    }

    fn comparison(&mut self) {
        let a = self.number(self.limit);
        if self.rng.below(2) == 0 {
            let dst = self.fresh("sb", a.len, 1);
            self.emit(&format!("ltz ({dst}, {a}, {})", a.bits));
            return self.keep(dst);
        }
        let b = self.any("s");
        let b = self.resized(b, a.len);
        let dst = self.fresh("sb", a.len, 1);
        self.emit(&format!("lts ({dst}, {a}, {b}, {})", a.bits.max(b.bits)));
        self.keep(dst);
    }

    fn equality(&mut self) {
        let a = self.number(self.limit);
        match self.rng.below(3) {
            0 => {
                let dst = self.fresh("sb", a.len, 1);
                self.emit(&format!("eqz ({dst}, {a}, {})", a.bits));
                self.keep(dst);
            }
            1 => {
                // equal in some places, or everywhere
                let b = self.any("s");
                let b = if self.rng.below(2) == 0 { a } else { self.resized(b, a.len) };
                let dst = self.fresh("sb", a.len, 1);
                self.emit(&format!("eqs ({dst}, {a}, {b}, {})", a.bits.max(b.bits)));
                self.keep(dst);
            }
            _ => {
                let n = 1 + self.rng.below(6) as usize;
                let small = self.number(4);
                let small = self.resized(small, 3);
                let dst = self.fresh("sb", 3 * n, 1);
                self.emit(&format!("onehots ({dst}, {small}, {n}, {})", small.bits));
                self.keep(dst);
            }
        }
    }

    fn selection(&mut self) {
        let (cond, a, b) =
            (self.any("sb"), self.number(self.limit - 1), self.number(self.limit - 1));
        let cond = if cond.len == 1 { cond } else { self.resized(cond, a.len) };
        let b = self.resized(b, a.len);
        let dst = self.fresh("s", a.len, a.bits.max(b.bits));
        self.emit(&format!("selects ({dst}, {cond}, {a}, {b}, {})", dst.bits));
        self.keep(dst);
    }

    fn two_bits(&mut self) {
        let (a, b) = (self.any("sb"), self.any("sb"));
        let b = self.resized(b, a.len);
        let dst = self.fresh("sb", a.len, 1);
        match self.rng.below(4) {
            0 => self.emit(&format!("ands ({dst}, {a}, {b})")),
            1 => self.emit(&format!("xors ({dst}, {a}, {b})")),
            2 => self.emit(&format!("nots ({dst}, {a})")),
            _ => {
                let cond = self.any("sb");
                let cond = self.resized(cond, a.len);
                self.emit(&format!("selectsb ({dst}, {cond}, {a}, {b})"));
            }
        }
        self.keep(dst);
    }

    fn bits_and_clear(&mut self) {
        let a = self.any("sb");
        let b = self.clear_bits(a.len);
        let dst = self.fresh("sb", a.len, 1);
        match self.rng.below(3) {
            0 => self.emit(&format!("andm ({dst}, {a}, {b})")),
            1 => self.emit(&format!("xorm ({dst}, {a}, {b})")),
            _ => self.emit(&format!("ldsb ({dst}, {b})")),
        }
        self.keep(dst);
    }

    fn decomposition(&mut self) {
        let a = self.number(self.limit);
        let len = 1 + self.rng.below(3) as usize;
        let a = self.resized(a, len);
        let k = 1 + self.rng.below(u64::from(a.bits)) as usize;
        let dst = self.fresh("sb", a.len * k, 1);
        self.emit(&format!("bits ({dst}, {a}, {k}, {})", a.bits));
        self.keep(dst);
    }

    fn composition(&mut self) {
        let a = self.any("sb");
        if self.rng.below(2) == 0 {
            let dst = self.fresh("s", a.len, 2);
            self.emit(&format!("fromsb ({dst}, {a})"));
            return self.keep(dst);
        }
        let k = 1 + self.rng.below(u64::from(self.limit.min(20)) - 1) as usize;
        let a = self.resized(a, 2 * k);
        let signed = self.rng.below(2) as u32;
        let dst = self.fresh("s", 2, k as u32 + 1 - signed);
        self.emit(&format!("compose ({dst}, {a}, {k}, {signed})"));
        self.keep(dst);
    }

    fn permutation(&mut self) {
        let (rows, width) = (1 + self.rng.below(5) as usize, 1 + self.rng.below(3) as usize);
        let a = self.number(self.limit - 7);
        let a = self.resized(a, rows * width);
        match self.rng.below(5) {
            0 => {
                // only what does not depend on the order is put out
                let (mixed, dst) = (self.fresh("s", a.len, a.bits), self.fresh("s", 1, a.bits + 7));
                self.emit(&format!("shuffle ({mixed}, {a}, {rows}, {width}, {})", a.bits));
                self.emit(&format!("sums ({dst}, {mixed}, {}, {})", a.len, dst.bits));
                self.keep(dst);
            }
            1 => {
                let perm = self.secret_permutation(rows);
                let dst = self.fresh("s", a.len, a.bits);
                let bits = a.bits;
                self.emit(&format!("permute ({dst}, {a}, {perm}, {rows}, {width}, {bits})"));
                self.keep(dst);
            }
            4 => {
                let bits = self.any("sb");
                let bits = self.resized(bits, rows * width);
                let dst = self.fresh("s", rows, 4);
                self.emit(&format!("places ({dst}, {bits}, {width}, 4)"));
                self.keep(dst);
            }
            other => {
                let name = if other == 2 { "gathers" } else { "scatters" };
                let index = self.fresh("c", rows, 8);
                for (i, to) in self.rng.permutation(rows).into_iter().enumerate() {
                    self.emit(&format!("ldc (c{}:1, {to})", index.base + i));
                }
                let dst = self.fresh("s", a.len, a.bits);
                self.emit(&format!("{name} ({dst}, {a}, {index}, {width})"));
                self.keep(dst);
            }
        }
    }

    fn secret_permutation(&mut self, rows: usize) -> Value {
        let clear = self.fresh("c", rows, 8);
        for (i, to) in self.rng.permutation(rows).into_iter().enumerate() {
            self.emit(&format!("ldc (c{}:1, {to})", clear.base + i));
        }
        let secret = self.fresh("s", rows, 8);
        self.emit(&format!("lds ({secret}, {clear}, 8)"));
        secret
    }

    fn randomness(&mut self) {
        let len = self.length();
        if self.rng.below(2) == 0 {
            // r ⊕ r = 0, whatever r
            let (r, dst) = (self.fresh("sb", len, 1), self.fresh("sb", len, 1));
            self.emit(&format!("randsb ({r})"));
            self.emit(&format!("xors ({dst}, {r}, {r})"));
            return self.keep(dst);
        }
        // uniform in [0, 2^k): nothing is left above k bits
        let k = 1 + self.rng.below(u64::from(self.limit.min(40)) - 1) as u32;
        let (r, dst) = (self.fresh("s", len, k + 1), self.fresh("s", len, 1));
        self.emit(&format!("rands ({r}, {k})"));
        self.emit(&format!("shrs ({dst}, {r}, {}, {k})", k + 1));
        self.keep(dst);
    }

    fn reduction(&mut self) {
        let len = self.length();
        let c = self.clear(len, 16);
        let dst = self.fresh("s", len, 16);
        self.emit(&format!("lds ({dst}, {c}, 16)"));
        self.keep(dst);
    }

    fn finish(mut self) -> Case {
        self.emit("halt ()");
        let (inputs, values) = self.inputs.into_iter().unzip();
        let end = self.code.len() as u32;
        let program = Program {
            roles: (0..ROLES).map(|role| format!("role{role}")).collect(),
            inputs,
            outputs: self.outputs,
            entries: vec![Entry { name: "main".into(), start: 0, end }],
            registers: self.used.map(|n| n as u64),
            ring_bits: self.largest,
            field_bits: self.largest,
            code: self.code,
            ..Program::default()
        };
        let program = Program::load(&program.encode()).expect("generated programs are valid");
        Case { program, inputs: values }
    }
}

//! Reads circuits in Bristol fashion, the text format in which the field exchanges them.
//!
//! ```text
//! 2 5                  gates, wires
//! 2 1 2                inputs: how many, then the bits of each
//! 1 1                  outputs likewise; the last wires
//!
//! 2 1 0 1 3 AND        wires in, wires out, their numbers, what the gate does
//! 2 1 3 2 4 XOR
//! ```
//!
//! Gates are `AND`, `XOR`, `INV` (or `NOT`), `EQ` (a constant), `EQW` (a copy) and `MAND` (several conjunctions). Source:
//! Archer, Abril, Lu, Maene, Mertens, Sijacic, Smart, "Bristol Fashion" MPC circuits.

use std::collections::HashMap;

use mpc_bytecode::circuit::MAX_WIRES;

use crate::ir::{Circuit, Gate};

/// Reads a circuit.
///
/// # Errors
/// The line, and what is wrong there.
pub fn read(name: &str, text: &str) -> Result<Circuit, String> {
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim()));
    let mut lines = lines.filter(|(_, line)| !line.is_empty());
    let (number, head) = next(&mut lines, "the numbers of gates and wires")?;
    let [gates, wires] = head[..] else {
        return Err(format!("line {number}: expected the numbers of gates and wires"));
    };
    // What the head announces is bounded before anything is made of that size.
    if wires as usize > MAX_WIRES {
        return Err(format!("line {number}: {wires} wires, at most {MAX_WIRES} are possible"));
    }
    let inputs = sizes(next(&mut lines, "the sizes of the inputs")?)?;
    let outputs = sizes(next(&mut lines, "the sizes of the outputs")?)?;
    let total = |sizes: &[u32]| sizes.iter().map(|&n| u64::from(n)).sum::<u64>();
    let mut reader = Reader {
        first: total(&inputs),
        wires: u64::from(wires),
        made: HashMap::new(),
        gates: vec![],
        read: 0,
    };
    for (number, line) in lines {
        reader.gate(line).map_err(|what| format!("line {number}: {what}"))?;
    }
    if reader.read != u64::from(gates) {
        return Err(format!("it announces {gates} gates and has {}", reader.read));
    }
    let first_result = u64::from(wires)
        .checked_sub(total(&outputs))
        .ok_or_else(|| "it has more output bits than wires".to_string())?;
    let results = (first_result..u64::from(wires)).map(|wire| {
        reader.wire(wire as u32).map_err(|_| format!("no gate sets wire {wire}, an output"))
    });
    let results = results.collect::<Result<_, _>>()?;
    let circuit = Circuit { name: name.into(), inputs, outputs, gates: reader.gates, results };
    circuit.check()?;
    Ok(circuit)
}

type Line = (usize, Vec<u32>);

/// The next line, numbers only.
fn next<'a>(
    lines: &mut impl Iterator<Item = (usize, &'a str)>,
    what: &str,
) -> Result<Line, String> {
    let (number, line) = lines.next().ok_or_else(|| format!("it ends before {what}"))?;
    let numbers = line.split_whitespace().map(str::parse).collect::<Result<_, _>>();
    Ok((number, numbers.map_err(|_| format!("line {number}: expected {what}"))?))
}

fn sizes((number, line): Line) -> Result<Vec<u32>, String> {
    match line.split_first() {
        Some((&count, sizes)) if count as usize == sizes.len() => Ok(sizes.to_vec()),
        _ => Err(format!(
            "line {number}: expected how many there are, then the bits of each; the older Bristol format is not read"
        )),
    }
}

struct Reader {
    /// Wires that are inputs.
    first: u64,
    /// All wires.
    wires: u64,
    /// What stands for each wire that a gate has set.
    made: HashMap<u32, u32>,
    gates: Vec<Gate>,
    /// Gates read so far.
    read: u64,
}

impl Reader {
    /// The wire of the circuit that stands for a wire of the file.
    fn wire(&self, wire: u32) -> Result<u32, String> {
        if u64::from(wire) < self.first {
            return Ok(wire);
        }
        self.made.get(&wire).copied().ok_or_else(|| format!("wire {wire} is read before it is set"))
    }

    fn set(&mut self, wire: u32, to: u32) -> Result<(), String> {
        if u64::from(wire) < self.first || u64::from(wire) >= self.wires {
            return Err(format!("wire {wire} cannot be set"));
        }
        match self.made.insert(wire, to) {
            None => Ok(()),
            Some(_) => Err(format!("wire {wire} is set twice")),
        }
    }

    fn push(&mut self, gate: Gate, wire: u32) -> Result<(), String> {
        let to = self.first + self.gates.len() as u64;
        self.gates.push(gate);
        self.set(wire, u32::try_from(to).map_err(|_| "too many wires")?)
    }

    fn gate(&mut self, line: &str) -> Result<(), String> {
        let (numbers, kind) =
            line.rsplit_once(char::is_whitespace).ok_or("expected `inputs outputs wires… KIND`")?;
        let numbers: Vec<u32> = numbers
            .split_whitespace()
            .map(|n| n.parse().map_err(|_| format!("`{n}` is no number of a wire")))
            .collect::<Result<_, _>>()?;
        self.read += 1;
        match (kind, &numbers[..]) {
            ("AND", &[2, 1, a, b, out]) => self.push(Gate::And(self.wire(a)?, self.wire(b)?), out),
            ("XOR", &[2, 1, a, b, out]) => self.push(Gate::Xor(self.wire(a)?, self.wire(b)?), out),
            ("INV" | "NOT", &[1, 1, a, out]) => self.push(Gate::Not(self.wire(a)?), out),
            ("EQ", &[1, 1, bit @ 0..=1, out]) => self.push(Gate::Constant(bit == 1), out),
            ("EQW", &[1, 1, a, out]) => self.set(out, self.wire(a)?),
            ("MAND", [ins, outs, wires @ ..])
                if u64::from(*ins) == 2 * u64::from(*outs)
                    && wires.len() as u64 == 3 * u64::from(*outs) =>
            {
                let n = *outs as usize;
                for i in 0..n {
                    let both = Gate::And(self.wire(wires[i])?, self.wire(wires[n + i])?);
                    self.push(both, wires[2 * n + i])?;
                }
                Ok(())
            }
            ("AND" | "XOR" | "INV" | "NOT" | "EQ" | "EQW" | "MAND", _) => {
                Err(format!("`{kind}` does not go with these numbers of wires"))
            }
            _ => Err(format!("no gate `{kind}`; there are AND, XOR, INV, EQ, EQW and MAND")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "2 5\n2 1 2\n1 1\n\n2 1 0 1 3 AND\n2 1 3 2 4 XOR\n";

    #[test]
    fn the_example_computes_what_it_says() {
        let circuit = read("example", EXAMPLE).unwrap();
        assert_eq!((&circuit.inputs[..], &circuit.outputs[..]), (&[1, 2][..], &[1][..]));
        for x in 0..8_u8 {
            let bits: Vec<bool> = (0..3).map(|i| x >> i & 1 == 1).collect();
            assert_eq!(circuit.evaluate(&bits), [(bits[0] & bits[1]) ^ bits[2]]);
        }
    }

    #[test]
    fn all_kinds_of_gates_are_read() {
        let text = "6 9\r\n1 2\r\n2 3 1\r\n\r\n1 1 0 2 INV\n1 1 1 3 EQ\n1 1 2 4 EQW\n4 2 0 1 2 3 5 6 MAND\n1 1 1 7 NOT\n1 1 0 8 EQ\n";
        let circuit = read("all", text).unwrap();
        // outputs: wires 5, 6 and 7, then 8
        assert_eq!(circuit.evaluate(&[true, true]), [false, true, false, false]);
        assert_eq!(circuit.evaluate(&[false, true]), [false, true, false, false]);
        assert_eq!(circuit.evaluate(&[false, false]), [false, false, true, false]);
    }

    #[test]
    fn errors_name_the_line() {
        let error = |from: &str, to: &str| read("bad", &EXAMPLE.replace(from, to)).unwrap_err();
        assert_eq!(error("0 1 3 AND", "0 4 3 AND"), "line 5: wire 4 is read before it is set");
        assert_eq!(error("3 2 4 XOR", "3 2 3 XOR"), "line 6: wire 3 is set twice");
        assert_eq!(error("3 2 4 XOR", "3 2 0 XOR"), "line 6: wire 0 cannot be set");
        assert_eq!(error("2 5", "3 5"), "it announces 3 gates and has 2");
        assert_eq!(error("2 5", "2 6"), "no gate sets wire 5, an output");
        assert!(error("AND", "NAND").starts_with("line 5: no gate `NAND`"));
        assert!(error("2 1 0 1 3 AND", "1 1 0 3 AND").contains("does not go with"));
        assert!(error("2 1 2\n1 1", "1 2 1\n").contains("older Bristol format"));
        assert!(read("bad", "").unwrap_err().starts_with("it ends before"));
        // Sizes that no file of this length has: refused, neither reserved nor multiplied.
        let huge = "0 4000000000\n1 4000000000\n1 4000000000\n";
        assert!(read("bad", huge).unwrap_err().starts_with("line 1: 4000000000 wires"));
        assert!(error("2 1 0 1 3 AND", "0 2147483648 MAND").contains("does not go with"));
        assert!(read("bad", "1 4000000000\n1 3999999999\n1 1\n\n1 1 0 3999999999 INV").is_err());
    }

    /// SplitMix64, so that failures repeat.
    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn mutated_text_is_read_or_refused_and_never_panics() {
        let text = EXAMPLE.to_string() + "4 2 0 1 2 3 5 6 MAND\n1 1 1 7 EQ\n1 1 2 8 EQW\n";
        let mut state = 1;
        let alphabet = b"0123456789 \n-ANDXORINVEQWM\xc3";
        for _ in 0..100_000 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..=random(&mut state) % 4 {
                let at = random(&mut state) as usize % bytes.len();
                let byte = alphabet[random(&mut state) as usize % alphabet.len()];
                match random(&mut state) % 3 {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            if let Ok(circuit) = read("mutated", &String::from_utf8_lossy(&bytes)) {
                assert_eq!(circuit.check(), Ok(()));
                assert!(circuit.input_bits() < 1 << 24);
            }
        }
    }
}

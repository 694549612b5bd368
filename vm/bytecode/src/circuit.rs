//! Boolean circuits that a program names: inputs, gates in order, results.
//!
//! Wires are numbered: first the input bits, then one wire for each gate. A gate reads wires with smaller numbers only, so the
//! order of the list is an order of evaluation.

use crate::operand::{Input, put, put_string};
use crate::{Error, Result};

/// Most wires of the circuits of a program; what they are worked on with grows with them.
pub const MAX_WIRES: usize = 1 << 24;

/// A gate by the wires that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// `a ∧ b`.
    And(u32, u32),
    /// `a ⊕ b`.
    Xor(u32, u32),
    /// `¬a`.
    Not(u32),
    /// A public bit.
    Constant(bool),
}

impl Gate {
    /// The wires it reads.
    pub fn operands(self) -> impl Iterator<Item = u32> {
        let (a, b) = match self {
            Gate::And(a, b) | Gate::Xor(a, b) => (Some(a), Some(b)),
            Gate::Not(a) => (Some(a), None),
            Gate::Constant(_) => (None, None),
        };
        a.into_iter().chain(b)
    }
}

/// A circuit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Circuit {
    /// Name in the program.
    pub name: String,
    /// Bits of each input, in order.
    pub inputs: Vec<u32>,
    /// Bits of each output, in order.
    pub outputs: Vec<u32>,
    /// The gates.
    pub gates: Vec<Gate>,
    /// The wires of all output bits.
    pub results: Vec<u32>,
}

impl Circuit {
    /// Number of wires, as announced.
    pub fn wires(&self) -> u64 {
        sum(&self.inputs) + self.gates.len() as u64
    }

    /// Bits of all inputs.
    pub fn input_bits(&self) -> usize {
        self.inputs.iter().map(|&bits| bits as usize).sum()
    }

    /// Bits of all outputs.
    pub fn output_bits(&self) -> usize {
        self.results.len()
    }

    /// Whether every gate reads wires that are there, and the results are as long as announced.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> std::result::Result<(), &'static str> {
        let first = sum(&self.inputs);
        if first == 0 || self.results.is_empty() {
            return Err("a circuit has no inputs or no outputs");
        }
        if self.wires() > MAX_WIRES as u64 {
            return Err("a circuit has too many wires");
        }
        let known = |number: usize, wire: u32| u64::from(wire) < first + number as u64;
        let mut gates = self.gates.iter().enumerate();
        if !gates.all(|(number, gate)| gate.operands().all(|wire| known(number, wire))) {
            return Err("a gate reads a wire that comes later");
        }
        if !self.results.iter().all(|&wire| known(self.gates.len(), wire)) {
            return Err("a result of a circuit is no wire");
        }
        if sum(&self.outputs) != self.results.len() as u64 {
            return Err("a circuit has more or fewer results than its outputs say");
        }
        Ok(())
    }

    /// The outputs for clear inputs, by the meaning of the gates. The circuit has been checked.
    ///
    /// # Panics
    /// If there are not [`Circuit::input_bits`] inputs.
    pub fn evaluate(&self, inputs: &[bool]) -> Vec<bool> {
        assert_eq!(inputs.len(), self.input_bits(), "bits of the inputs");
        let mut wires = Vec::with_capacity(inputs.len() + self.gates.len());
        wires.extend_from_slice(inputs);
        for gate in &self.gates {
            let wire = |w: u32| wires[w as usize];
            wires.push(match *gate {
                Gate::And(a, b) => wire(a) & wire(b),
                Gate::Xor(a, b) => wire(a) ^ wire(b),
                Gate::Not(a) => !wire(a),
                Gate::Constant(bit) => bit,
            });
        }
        self.results.iter().map(|&w| wires[w as usize]).collect()
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_string(&self.name, out);
        for list in [&self.inputs, &self.outputs] {
            put(list.len() as u64, out);
            list.iter().for_each(|&bits| put(bits.into(), out));
        }
        put(self.gates.len() as u64, out);
        let first = self.input_bits() as u64;
        for (number, gate) in (first..).zip(&self.gates) {
            // Operands are mostly near: they are counted backwards from the gate.
            let back = |wire: u32| number.wrapping_sub(wire.into());
            match *gate {
                Gate::And(a, b) => [0, back(a), back(b)].iter().for_each(|&x| put(x, out)),
                Gate::Xor(a, b) => [1, back(a), back(b)].iter().for_each(|&x| put(x, out)),
                Gate::Not(a) => [2, back(a)].iter().for_each(|&x| put(x, out)),
                Gate::Constant(bit) => put(3 + u64::from(bit), out),
            }
        }
        self.results.iter().for_each(|&wire| put(wire.into(), out));
    }

    pub(crate) fn decode(input: &mut Input<'_>) -> Result<Circuit> {
        let name = input.string()?;
        let (inputs, outputs) = (sizes(input)?, sizes(input)?);
        let first = sum(&inputs);
        let mut gates = vec![];
        for number in 0..input.length()? {
            let place = first.checked_add(number as u64).ok_or(MALFORMED)?;
            let operand = |input: &mut Input<'_>| {
                let wire = place.checked_sub(input.number()?).ok_or(MALFORMED)?;
                u32::try_from(wire).map_err(|_| MALFORMED)
            };
            gates.push(match input.number()? {
                0 => Gate::And(operand(input)?, operand(input)?),
                1 => Gate::Xor(operand(input)?, operand(input)?),
                2 => Gate::Not(operand(input)?),
                3 => Gate::Constant(false),
                4 => Gate::Constant(true),
                _ => return Err(MALFORMED),
            });
        }
        let mut results = vec![];
        for _ in 0..sum(&outputs) {
            results.push(word(input)?);
        }
        Ok(Circuit { name, inputs, outputs, gates, results })
    }
}

/// Bits of all sizes together.
fn sum(sizes: &[u32]) -> u64 {
    sizes.iter().map(|&bits| u64::from(bits)).sum()
}

const MALFORMED: Error = Error::Malformed("circuit");

fn word(input: &mut Input<'_>) -> Result<u32> {
    u32::try_from(input.number()?).map_err(|_| MALFORMED)
}

fn sizes(input: &mut Input<'_>) -> Result<Vec<u32>> {
    (0..input.length()?).map(|_| word(input)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sum and carry of three bits.
    fn full_adder() -> Circuit {
        let gates = vec![
            Gate::Xor(0, 1),
            Gate::Xor(3, 2),
            Gate::Xor(0, 2),
            Gate::And(3, 5),
            Gate::Xor(0, 6),
        ];
        let (inputs, outputs) = (vec![1, 1, 1], vec![2]);
        Circuit { name: "full adder".into(), inputs, outputs, gates, results: vec![4, 7] }
    }

    #[test]
    fn a_full_adder_adds() {
        let circuit = full_adder();
        assert_eq!(circuit.check(), Ok(()));
        for x in 0..8_usize {
            let bits: Vec<bool> = (0..3).map(|i| x >> i & 1 == 1).collect();
            let sum = x.count_ones();
            assert_eq!(circuit.evaluate(&bits), [sum & 1 == 1, sum >> 1 == 1]);
        }
    }

    #[test]
    fn the_encoding_reads_back() {
        let mut circuit = full_adder();
        circuit.gates.extend([Gate::Not(7), Gate::Constant(true), Gate::Constant(false)]);
        let mut bytes = vec![];
        circuit.encode(&mut bytes);
        let mut input = Input::new(&bytes);
        assert_eq!(Circuit::decode(&mut input), Ok(circuit));
        assert_eq!(input.remaining(), 0);
    }

    #[test]
    fn what_is_no_circuit_is_refused() {
        let broken = |change: fn(&mut Circuit)| {
            let mut circuit = full_adder();
            change(&mut circuit);
            assert!(circuit.check().is_err());
        };
        broken(|c| c.gates[0] = Gate::Xor(0, 3));
        broken(|c| c.results[1] = 8);
        broken(|c| c.outputs.push(1));
        broken(|c| c.inputs[0] = u32::MAX);
    }
}

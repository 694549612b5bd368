//! Boolean circuits given as lists of gates: the conjunctions of equal depth share their rounds.
//!
//! Gates are sorted into layers once: first by the conjunctions on the longest way to them, then by the linear gates since. A layer is
//! at most one vector conjunction, one exclusive or and one negation, whatever the number of gates and rows.

use std::ops::Range;

use mpc_runtime::{Depth, Result, Step};

use super::wires::Wires;
use crate::protocol::Protocol;
use crate::value::{ClearBits, Shares};

/// A gate by the wires that it reads: inputs first, then one wire for each gate.
#[derive(Clone, Copy, Debug)]
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

/// Gates that do not depend on each other, by the wires that they read and set.
#[derive(Default)]
struct Layer {
    and: Vec<[u32; 3]>,
    xor: Vec<[u32; 3]>,
    not: Vec<[u32; 2]>,
}

/// A circuit in layers.
pub struct Netlist {
    inputs: usize,
    wires: usize,
    constants: Vec<(u32, bool)>,
    layers: Vec<Layer>,
    results: Vec<u32>,
    /// How often each wire is read.
    uses: Vec<u32>,
}

impl Netlist {
    /// A circuit of `inputs` bits. Every gate reads inputs and gates before it.
    pub fn new(inputs: usize, gates: impl Iterator<Item = Gate>, results: Vec<u32>) -> Netlist {
        // Conjunctions on the way, then linear gates after the last of them.
        let mut places: Vec<(u32, u32)> = vec![(0, 0); inputs];
        let mut uses = vec![0; inputs];
        let mut sorted: Vec<((u32, u32), u32, Gate)> = vec![];
        let mut constants = vec![];
        for gate in gates {
            let wire = places.len() as u32;
            let at = |a: u32| places[a as usize];
            let place = match gate {
                Gate::And(a, b) => (at(a).0.max(at(b).0) + 1, 0),
                Gate::Xor(a, b) => next(at(a).max(at(b))),
                Gate::Not(a) => next(at(a)),
                Gate::Constant(bit) => {
                    constants.push((wire, bit));
                    (0, 0)
                }
            };
            let read: &[u32] = match &gate {
                Gate::And(a, b) | Gate::Xor(a, b) => &[*a, *b],
                Gate::Not(a) => &[*a],
                Gate::Constant(_) => &[],
            };
            read.iter().for_each(|&a| uses[a as usize] += 1);
            places.push(place);
            uses.push(0);
            sorted.push((place, wire, gate));
        }
        results.iter().for_each(|&wire| uses[wire as usize] += 1);
        sorted.sort_by_key(|&(place, wire, _)| (place, wire));
        let layers = sorted.chunk_by(|a, b| a.0 == b.0).map(|gates| {
            let mut layer = Layer::default();
            for &(_, wire, gate) in gates {
                match gate {
                    Gate::And(a, b) => layer.and.push([a, b, wire]),
                    Gate::Xor(a, b) => layer.xor.push([a, b, wire]),
                    Gate::Not(a) => layer.not.push([a, wire]),
                    Gate::Constant(_) => {}
                }
            }
            layer
        });
        let layers = layers.collect();
        Netlist { inputs, wires: places.len(), constants, layers, results, uses }
    }

    /// The outputs for rows of input bits, row by row.
    ///
    /// # Errors
    /// Those of the protocol.
    pub async fn evaluate(&self, p: &dyn Protocol, step: &Step, a: &Shares) -> Result<Shares> {
        let rows = Wires::from_elements(a, self.inputs);
        let lanes = rows.lanes();
        let mut wires = Alive { wires: vec![None; self.wires], uses: self.uses.clone() };
        wires.set(0..self.inputs as u32, rows.bits(), lanes);
        for &(wire, bit) in &self.constants {
            let bits = ClearBits::new(vec![bit; lanes], Depth::ZERO);
            wires.set([wire], &p.public_bits(step, &bits).await?, lanes);
        }
        for Layer { and, xor, not } in &self.layers {
            if !and.is_empty() {
                let a = wires.take(and.iter().map(|gate| gate[0]));
                let b = wires.take(and.iter().map(|gate| gate[1]));
                let both = p.and(step, &a, &b).await?;
                wires.set(and.iter().map(|gate| gate[2]), &both, lanes);
            }
            if !xor.is_empty() {
                let a = wires.take(xor.iter().map(|gate| gate[0]));
                let b = wires.take(xor.iter().map(|gate| gate[1]));
                let either = p.xor(step, &a, &b).await?;
                wires.set(xor.iter().map(|gate| gate[2]), &either, lanes);
            }
            if !not.is_empty() {
                let a = wires.take(not.iter().map(|gate| gate[0]));
                let one = ClearBits::new(vec![true], Depth::ZERO);
                let inverse = p.xor_clear(step, &a, &one).await?;
                wires.set(not.iter().map(|gate| gate[1]), &inverse, lanes);
            }
        }
        let results = wires.take(self.results.iter().copied());
        Ok(Wires::new(results, lanes, self.results.len()).to_elements())
    }
}

/// The place of a linear gate after its last operand.
fn next((conjunctions, linear): (u32, u32)) -> (u32, u32) {
    (conjunctions, linear + 1)
}

/// Wires that are still to be read.
struct Alive {
    wires: Vec<Option<Shares>>,
    uses: Vec<u32>,
}

impl Alive {
    fn set(&mut self, names: impl IntoIterator<Item = u32>, bits: &Shares, lanes: usize) {
        for (i, name) in names.into_iter().enumerate() {
            if self.uses[name as usize] > 0 {
                let range: Range<usize> = i * lanes..(i + 1) * lanes;
                self.wires[name as usize] = Some(bits.slice(range));
            }
        }
    }

    /// The wires one after the other; those that nobody reads after this are let go.
    fn take(&mut self, names: impl Iterator<Item = u32>) -> Shares {
        let wires = names.map(|name| {
            let (slot, left) = (&mut self.wires[name as usize], &mut self.uses[name as usize]);
            *left -= 1;
            let wire = if *left == 0 { slot.take() } else { slot.clone() };
            wire.expect("a wire is set before it is read, and kept as often as it is read")
        });
        Shares::concat(&wires.collect::<Vec<_>>())
    }
}

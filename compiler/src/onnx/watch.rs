//! A network in which everything that its nodes give comes out, and what it gives in the numbers that the model means.
//!
//! Both are made by the same import, so that their outputs can be compared one by one.

use std::collections::BTreeMap;

use super::program::Purpose;
use super::{Options, compile_for};
use crate::Failure;
use crate::ir::interpret::{Data, Options as Run, interpret};
use crate::ir::{DataType, Module};
use crate::passes::Level;
use crate::source::Loader;

/// Fixed point of a reference: numbers up to 2^29, to 2^-33.
const WIDE: (u32, u32) = (62, 32);

/// A float tensor that a node gives, and where it comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tap {
    /// Name of the output of the program.
    pub output: String,
    /// Node, with its operator: what [`mpc_bytecode::Program::place`] begins with.
    pub node: String,
}

/// A network as bytecode in which everything that its nodes give comes out. It is for the emulator: the outputs tell secrets.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The bytecode.
    pub program: mpc_bytecode::Program,
    /// Values of the input [`super::WEIGHTS`].
    pub weights: Vec<f32>,
    /// What comes out, in the order of the nodes.
    pub taps: Vec<Tap>,
}

/// Compiles the model in `path` so that everything that its nodes give comes out.
///
/// # Errors
/// As [`super::import`].
pub fn watched(path: &str, loader: &dyn Loader, options: &Options) -> Result<Watched, Failure> {
    let (mut compiled, model) = compile_for(path, loader, options, Purpose::Watch)?;
    crate::passes::optimise(&mut compiled.module, Level::Full);
    let program = crate::emit::emit(&compiled.module);
    Ok(Watched { program, weights: model.weights, taps: model.taps })
}

/// A network in the numbers that the model means: fixed point with 32 fraction bits, and the elementary functions of floating point.
pub struct Reference {
    module: Module,
    weights: Vec<f64>,
}

/// The reference of the model in `path`. Constants are cut as in a program with these options.
///
/// # Errors
/// As [`super::import`].
pub fn reference(path: &str, loader: &dyn Loader, options: &Options) -> Result<Reference, Failure> {
    let (compiled, model) = compile_for(path, loader, options, Purpose::Reference)?;
    let weights = model.weights.iter().map(|x| f64::from(*x)).collect();
    Ok(Reference { module: compiled.module, weights })
}

impl Reference {
    /// The outputs by name, for inputs by name.
    ///
    /// # Errors
    /// A missing input, or one of another size.
    pub fn run(
        &self,
        inputs: &BTreeMap<String, Vec<f64>>,
    ) -> Result<BTreeMap<String, Vec<f64>>, String> {
        let mut data = Data::new();
        for (id, input) in self.module.inputs.iter().enumerate() {
            let given = match &input.name[..] {
                super::WEIGHTS => &self.weights,
                name => inputs.get(name).ok_or_else(|| format!("input `{name}` is missing"))?,
            };
            let factor = unit(input.data).recip();
            data.insert(id as u32, given.iter().map(|x| (x * factor).round() as i128).collect());
        }
        let entry = self.module.entries.first().ok_or("the program is empty")?;
        let run = Run { checked: false, fuel: u64::MAX, ..Run::default() };
        let mut found = interpret(&self.module, entry, &data, &mut BTreeMap::new(), run)
            .map_err(|fault| fault.what)?;
        let outputs = self.module.outputs.iter().enumerate().map(|(id, output)| {
            let unit = unit(output.data);
            let values = found.remove(&(id as u32)).unwrap_or_default();
            (output.name.clone(), values.iter().map(|x| *x as f64 * unit).collect())
        });
        Ok(outputs.collect())
    }
}

/// What a unit in the last place stands for.
fn unit(data: DataType) -> f64 {
    match data {
        DataType::Fix(_, f) => (-f64::from(f)).exp2(),
        _ => 1.0,
    }
}

/// Type of floats in a program of that purpose.
pub(super) fn fix_of(purpose: Purpose, options: &Options) -> (u32, u32) {
    if purpose == Purpose::Reference { WIDE } else { options.fix }
}

//! `mpcvm emulate`

use mpc_vm::emulate::{Options, States, emulate};

use crate::arguments::Emulate;
use crate::{BAD_USE, Failure, Outcome, case, inputs, load, results, tell};

pub(crate) fn run(arguments: &Emulate) -> Outcome {
    let (mut file, mut define, mut input) =
        (arguments.file.clone(), arguments.define.clone(), arguments.input.clone());
    inputs::expand(&mut input)?;
    case::resolve(&mut file, arguments.small, &mut define, &mut input)?;
    let loaded = load::load(&file, &define, &input, &arguments.model)?;
    let program = &loaded.program;
    let entry = load::entry(program, &arguments.entry)?;
    let values = inputs::read(program, &loaded.inputs(&input), |_| true)?;
    results::check_outputs(program, &arguments.shown)?;
    let options =
        Options { checked: arguments.checked, seed: arguments.seed, ..Options::default() };
    let outcome = emulate(program, entry, &values, &mut States::new(), options)?;
    let outputs = outcome.outputs.iter().map(|(id, values)| (*id, values.as_slice()));
    results::give(program, outputs, &arguments.shown)?;
    for finding in &outcome.findings {
        tell(format!("mpcvm: {}", finding.text));
    }
    if outcome.findings.is_empty() { Ok(()) } else { Err(Failure::Told(BAD_USE)) }
}

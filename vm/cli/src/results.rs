//! Outputs of a program, printed or written.

use std::io::Write;
use std::path::Path;

use mpc_bytecode::Program;
use mpc_runtime::Result;
use mpc_vm::data::output;

use crate::wrong;

/// Hands out what the program gave, in its order.
///
/// An output that is handed out several times, as in a loop, is printed each time; a file keeps the
/// last.
pub(crate) fn give<'a>(
    program: &Program,
    outputs: impl Iterator<Item = (usize, &'a [i128])>,
    directory: Option<&Path>,
    json: bool,
) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for (id, values) in outputs {
        let variable = &program.outputs[id];
        if let Some(directory) = directory {
            output::write(directory, variable, values)?;
            continue;
        }
        let text = if json {
            let value = output::json(variable, values);
            serde_json::json!({ "name": variable.name, "value": value }).to_string()
        } else {
            output::text(variable, values)
        };
        writeln!(out, "{text}").map_err(|e| wrong(format!("standard output: {e}")))?;
    }
    out.flush().map_err(|e| wrong(format!("standard output: {e}")))
}

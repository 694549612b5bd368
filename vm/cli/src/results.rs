//! Outputs of a program, printed or written.

use std::io::Write;
use std::path::Path;

use mpc_bytecode::{Program, Receivers};
use mpc_runtime::Result;
use mpc_vm::data::output;

use crate::wrong;

/// Hands out what the program gave, in its order.
///
/// An output that is handed out several times, as in a loop, is printed each time; a file keeps the
/// last. What one party gets in several roles is printed once.
pub(crate) fn give<'a>(
    program: &Program,
    outputs: impl Iterator<Item = (usize, &'a [i128])>,
    directory: Option<&Path>,
    json: bool,
) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let mut last = None;
    for (id, values) in outputs {
        let variable = &program.outputs[id];
        let shared = matches!(&variable.receivers, Receivers::Roles(roles) if roles.len() > 1);
        if shared && last == Some((id, values)) {
            continue;
        }
        last = Some((id, values));
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

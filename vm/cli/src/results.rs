//! Outputs of a program, printed or written.

use std::path::PathBuf;

use mpc_bytecode::{Program, Receivers, Variable};
use mpc_runtime::Result;
use mpc_vm::data::output;

use crate::arguments::{Choice, Shown};
use crate::top::Top;
use crate::{print, wrong};

/// Makes sure that what `choice` says of outputs can be done, before anything runs.
pub(crate) fn check(program: &Program, choice: &Choice) -> Result<()> {
    check_outputs(program, &choice.shown)?;
    choice.stats.as_deref().map_or(Ok(()), output::check_writable)
}

/// Makes sure that every output has a file of its own that can be written, and that labels fit.
pub(crate) fn check_outputs(program: &Program, shown: &Shown) -> Result<()> {
    Top::of(shown, program)?;
    let Some(directory) = shown.output_dir.as_deref() else { return Ok(()) };
    let failed = |e: std::io::Error| wrong(format!("{}: {e}", directory.display()));
    std::fs::create_dir_all(directory).map_err(failed)?;
    let mut taken: Vec<(PathBuf, &str)> = vec![];
    for variable in &program.outputs {
        let path = output::path(directory, variable);
        if let Some((_, other)) = taken.iter().find(|(known, _)| *known == path) {
            let (shown, name) = (path.display(), &variable.name);
            return Err(wrong(format!(
                "{shown}: outputs `{other}` and `{name}` are both written there"
            )));
        }
        output::check_writable(&path)?;
        taken.push((path, &variable.name));
    }
    Ok(())
}

/// Hands out what the program gave, in its order.
///
/// An output that is handed out several times, as in a loop, is printed each time; a file keeps the
/// last. What one party gets in several roles is printed once.
pub(crate) fn give<'a>(
    program: &Program,
    outputs: impl Iterator<Item = (usize, &'a [i128])>,
    shown: &Shown,
) -> Result<()> {
    let top = Top::of(shown, program)?;
    let mut out = String::new();
    let mut last = None;
    for (id, values) in outputs {
        let variable = &program.outputs[id];
        let shared = matches!(&variable.receivers, Receivers::Roles(roles) if roles.len() > 1);
        if shared && last == Some((id, values)) {
            continue;
        }
        last = Some((id, values));
        if let Some(directory) = &shown.output_dir {
            output::write(directory, variable, values)?;
        }
        let text = match &top {
            Some(top) => ranked(top, variable, values, shown.json),
            None => None,
        };
        if let Some(text) = text.or_else(|| whole(variable, values, shown)) {
            out += &text;
            out.push('\n');
        }
    }
    print(out)
}

/// An output as it is printed, unless it is written.
fn whole(variable: &Variable, values: &[i128], shown: &Shown) -> Option<String> {
    let text = || {
        if shown.json {
            let value = output::json(variable, values);
            serde_json::json!({ "name": variable.name, "value": value }).to_string()
        } else {
            output::text(variable, values)
        }
    };
    shown.output_dir.is_none().then(text)
}

/// The largest numbers of an output that has rows.
fn ranked(top: &Top, variable: &Variable, values: &[i128], json: bool) -> Option<String> {
    if json {
        let rows = top.json(variable, values)?;
        return Some(serde_json::json!({ "name": variable.name, "top": rows }).to_string());
    }
    top.text(variable, values)
}

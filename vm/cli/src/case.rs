//! A folder that holds a program and all it needs: `mpcvm local programs/auction`.
//!
//! Its `case.toml` names the program (`main.mpc` if it does not), constants and the files of the inputs,
//! as the command line would; what the command line says comes first. `[small]` holds the same once more
//! for an input small enough for the slowest protocol.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mpc_runtime::Result;
use mpc_vm::data;
use serde::Deserialize;

use crate::wrong;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Case {
    program: Option<PathBuf>,
    define: BTreeMap<String, String>,
    input: BTreeMap<String, PathBuf>,
    /// What the outputs must be; for tests.
    #[serde(rename = "expected")]
    _expected: BTreeMap<String, String>,
    small: Option<Box<Case>>,
}

/// Pairs of name and value, as the command line has them.
type Pairs = Vec<(String, String)>;

/// Puts what a folder says in the place of what the command line leaves open.
pub(crate) fn resolve(
    file: &mut PathBuf,
    small: bool,
    defines: &mut Pairs,
    inputs: &mut Pairs,
) -> Result<()> {
    if !file.is_dir() {
        return if small { Err(wrong("--small is for folders with a case.toml")) } else { Ok(()) };
    }
    let folder = file.clone();
    let case = read(&folder.join("case.toml"))?;
    *file = folder.join(case.program.as_deref().unwrap_or(Path::new("main.mpc")));
    let special = case.small.filter(|_| small).map(|s| *s).unwrap_or_default();
    for case in [&special.define, &case.define] {
        complete(defines, case.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    let path = |path: &PathBuf| folder.join(path).to_string_lossy().into_owned();
    for case in [&special.input, &case.input] {
        complete(inputs, case.iter().map(|(name, file)| (name.clone(), path(file))));
    }
    Ok(())
}

fn read(path: &Path) -> Result<Case> {
    let told = |e: &dyn std::fmt::Display| wrong(format!("{}: {e}", path.display()));
    let text = data::read_text_file(path)?;
    toml::from_str(&text).map_err(|e| told(&e))
}

/// Adds the pairs whose name is not there yet.
fn complete(pairs: &mut Pairs, more: impl Iterator<Item = (String, String)>) {
    for (name, value) in more {
        if !pairs.iter().any(|(known, _)| *known == name) {
            pairs.push((name, value));
        }
    }
}

//! A program from a file.

use std::fs;
use std::path::Path;

use mpc_bytecode::Program;
use mpc_runtime::Result;

use crate::wrong;

/// Largest bytecode file.
const MAX_BYTES: u64 = 1 << 30;

/// A program and its bytes.
pub(crate) struct Loaded {
    pub(crate) program: Program,
    pub(crate) bytes: Vec<u8>,
}

/// Reads bytecode.
pub(crate) fn load(path: &Path, _defines: &[(String, String)]) -> Result<Loaded> {
    let shown = path.display();
    let io = |e: std::io::Error| wrong(format!("{shown}: {e}"));
    let data = fs::metadata(path).map_err(io)?;
    if !data.is_file() {
        return Err(wrong(format!("{shown}: this is no regular file")));
    }
    if data.len() > MAX_BYTES {
        return Err(wrong(format!("{shown}: {} bytes are too many for a program", data.len())));
    }
    let bytes = fs::read(path).map_err(io)?;
    let program = Program::load(&bytes).map_err(|e| wrong(format!("{shown}: {e}")))?;
    Ok(Loaded { program, bytes })
}

/// The number of an entry.
pub(crate) fn entry(program: &Program, name: &str) -> Result<usize> {
    program.entries.iter().position(|entry| entry.name == name).ok_or_else(|| {
        let names: Vec<&str> = program.entries.iter().map(|e| e.name.as_str()).collect();
        wrong(format!("no entry `{name}`; the program has {}", names.join(", ")))
    })
}

/// Hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! Results as text, as JSON, and as files.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use mpc_bytecode::{Element, Variable};
use mpc_runtime::{Error, Result};

use super::{convert, npy};

/// Values printed in full; of longer arrays the ends are shown.
const SHOWN_VALUES: usize = 1000;
/// Items shown at each end of a dimension that is cut.
const EDGE: usize = 3;

/// One line for a single value, `NAME = …` over several for an array.
pub fn text(variable: &Variable, values: &[i128]) -> String {
    let cut = values.len() > SHOWN_VALUES;
    let name = &variable.name;
    let mut out = format!("{name} = ");
    let indent = " ".repeat(name.chars().count() + 3);
    write_nested(&mut out, variable.element, &variable.shape, values, &indent, cut);
    if cut {
        let shape: Vec<String> = variable.shape.iter().map(u64::to_string).collect();
        let _ = write!(out, "  ({} values, {})", shape.join("×"), variable.element);
    }
    out
}

fn write_nested(
    out: &mut String,
    element: Element,
    shape: &[u64],
    values: &[i128],
    indent: &str,
    cut: bool,
) {
    let Some((&size, rest)) = shape.split_first() else {
        out.push_str(&values.first().map_or(String::new(), |v| scalar(element, *v)));
        return;
    };
    let size = size as usize;
    let step = values.len().checked_div(size).unwrap_or(0);
    let deeper = format!("{indent} ");
    out.push('[');
    let mut skipped = false;
    for at in 0..size {
        if cut && size > 2 * EDGE && (EDGE..size - EDGE).contains(&at) {
            if !std::mem::replace(&mut skipped, true) {
                out.push_str(if rest.is_empty() { ", …" } else { ",\n" });
                if !rest.is_empty() {
                    let _ = write!(out, "{deeper}…");
                }
            }
            continue;
        }
        if at > 0 {
            out.push_str(if rest.is_empty() { ", " } else { ",\n" });
            if !rest.is_empty() {
                out.push_str(&deeper);
            }
        }
        write_nested(out, element, rest, &values[at * step..(at + 1) * step], &deeper, cut);
    }
    out.push(']');
}

/// A single value.
pub fn scalar(element: Element, value: i128) -> String {
    match element {
        Element::Bool => (value != 0).to_string(),
        Element::Fix(_, fraction) => convert::to_real(value, fraction).to_string(),
        Element::Int(_) | Element::Wrap(_) => value.to_string(),
    }
}

/// The value as nested JSON arrays.
pub fn json(variable: &Variable, values: &[i128]) -> serde_json::Value {
    nested_json(variable.element, &variable.shape, values)
}

fn nested_json(element: Element, shape: &[u64], values: &[i128]) -> serde_json::Value {
    let Some((&size, rest)) = shape.split_first() else {
        let Some(&value) = values.first() else { return serde_json::Value::Null };
        return match element {
            Element::Bool => (value != 0).into(),
            Element::Fix(_, fraction) => convert::to_real(value, fraction).into(),
            Element::Int(_) | Element::Wrap(_) => match i64::try_from(value) {
                Ok(value) => value.into(),
                Err(_) => value.to_string().into(),
            },
        };
    };
    let step = values.len().checked_div(size as usize).unwrap_or(0);
    (0..size as usize)
        .map(|at| nested_json(element, rest, &values[at * step..(at + 1) * step]))
        .collect::<Vec<_>>()
        .into()
}

/// Bytes of an `.npy` file: fixed point as `f64`, integers as `i64`, booleans as such.
pub fn npy(variable: &Variable, values: &[i128]) -> Vec<u8> {
    let shape = &variable.shape;
    match variable.element {
        Element::Bool => {
            npy::encode_bool(shape, &values.iter().map(|v| *v != 0).collect::<Vec<_>>())
        }
        Element::Fix(_, fraction) => {
            let real = |v: &i128| convert::to_real(*v, fraction);
            npy::encode_real(shape, &values.iter().map(real).collect::<Vec<_>>())
        }
        Element::Int(_) | Element::Wrap(_) => npy::encode_whole(shape, values),
    }
}

/// `NAME.npy` in the directory.
pub fn path(directory: &Path, variable: &Variable) -> PathBuf {
    directory.join(format!("{}.npy", file_name(&variable.name)))
}

/// Writes `NAME.npy` in the directory, which is made if it is not there.
///
/// # Errors
/// `Program`, with the file.
pub fn write(directory: &Path, variable: &Variable, values: &[i128]) -> Result<PathBuf> {
    let path = path(directory, variable);
    fs::create_dir_all(directory).map_err(|e| told(directory, &e))?;
    replace(&path, &npy(variable, values))?;
    Ok(path)
}

/// Writes a file, under another name first so that no half file is seen, whatever happens.
///
/// # Errors
/// `Program`, with the file.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    if is_special(path) {
        return fs::write(path, bytes).map_err(|e| told(path, &e));
    }
    let part = part(path);
    let written = fs::write(&part, bytes).and_then(|()| fs::rename(&part, path));
    written.map_err(|e| {
        let _ = fs::remove_file(&part); // as much of it as is there
        told(path, &e)
    })
}

/// Makes sure that [`replace`] can write a file, as far as can be known without doing it.
///
/// # Errors
/// `Program`, with the file.
pub fn check_writable(path: &Path) -> Result<()> {
    if is_special(path) {
        return Ok(());
    }
    let part = part(path);
    let made = if path.is_dir() {
        Err(std::io::ErrorKind::IsADirectory.into())
    } else {
        fs::write(&part, []).and_then(|()| fs::remove_file(&part))
    };
    made.map_err(|e| told(path, &e))
}

/// A device or a pipe, which is written to and not replaced.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| !data.is_file() && !data.is_dir())
}

/// Where a file is written before it is complete.
fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    name.into()
}

fn told(path: &Path, error: &std::io::Error) -> Error {
    Error::Program(format!("{}: {error}", path.display()))
}

/// A name that stays within its directory.
fn file_name(name: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || "-_.[]".contains(c) { c } else { '_' };
    let name: String = name.chars().map(safe).collect();
    if name.starts_with('.') { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mpc_bytecode::Receivers;

    fn variable(element: Element, shape: &[u64]) -> Variable {
        Variable { name: "x".into(), element, shape: shape.to_vec(), receivers: Receivers::All }
    }

    #[test]
    fn values_are_printed_as_they_are_meant() {
        assert_eq!(text(&variable(Element::Int(8), &[]), &[-5]), "x = -5");
        assert_eq!(text(&variable(Element::Fix(40, 16), &[]), &[98_304]), "x = 1.5");
        assert_eq!(text(&variable(Element::Bool, &[2]), &[1, 0]), "x = [true, false]");
        assert_eq!(text(&variable(Element::Int(8), &[0]), &[]), "x = []");
        let matrix = text(&variable(Element::Int(8), &[2, 2]), &[1, 2, 3, 4]);
        assert_eq!(matrix, "x = [[1, 2],\n     [3, 4]]");
        let long: Vec<i128> = (0..2000).collect();
        let shown = text(&variable(Element::Int(20), &[2000]), &long);
        assert_eq!(shown, "x = [0, 1, 2, …, 1997, 1998, 1999]  (2000 values, int<20>)");
    }

    #[test]
    fn json_keeps_the_shape() {
        let value = json(&variable(Element::Fix(40, 1), &[2, 1]), &[1, 4]);
        assert_eq!(value.to_string(), "[[0.5],[2.0]]");
    }

    #[test]
    fn names_stay_in_their_directory() {
        assert_eq!(file_name("../../etc/passwd"), "_.._.._etc_passwd");
        assert_eq!(file_name("bids[0]"), "bids[0]");
        let directory = std::env::temp_dir().join(format!("mpc-output-{}", std::process::id()));
        let path = write(&directory, &variable(Element::Bool, &[2]), &[1, 0]).unwrap();
        let read = super::super::read_input(&path, &variable(Element::Bool, &[2])).unwrap();
        assert_eq!(read, [1, 0]);
        fs::remove_dir_all(&directory).unwrap();
    }
}

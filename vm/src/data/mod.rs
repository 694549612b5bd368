//! Inputs from files and outputs to files: `.npy`, `.npz`, CSV and JSON.
//!
//! Everything is checked against the manifest of the program before a party opens a connection:
//! shape, kind and range. A fixed-point input is rounded to the nearest multiple of 2^-f. No
//! announced size is trusted before that many bytes are known to be there.
//!
//! | module | what it holds |
//! |---|---|
//! | [`npy`] | NumPy's format, both ways |
//! | [`table`] | CSV and JSON |
//! | [`convert`] | file values to integers of the program and back |
//! | [`output`] | results as text, JSON, files |

pub mod convert;
pub mod kept;
pub mod npy;
pub mod output;
pub mod table;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use mpc_bytecode::Variable;
use mpc_runtime::{Error, Result};

/// Most bytes of a text file (CSV, JSON).
const MAX_TEXT_BYTES: u64 = 1 << 32;

/// Most bytes of a settings file.
const MAX_SETTINGS_BYTES: u64 = 1 << 20;

/// Values of an array as a file holds them.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// Whole numbers.
    Whole(Vec<i128>),
    /// Others.
    Real(Vec<f64>),
}

impl Numbers {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Numbers::Whole(values) => values.len(),
            Numbers::Real(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An array as a file holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Sizes of the dimensions, slowest first.
    pub shape: Vec<u64>,
    /// The values in that order.
    pub numbers: Numbers,
    /// Lines of the rows, for errors; empty if the file has no lines.
    pub lines: Vec<u64>,
}

/// Kind of a file, by the ending of its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Npy,
    Npz,
    Csv,
    Json,
}

/// Reads the file of one input. `path` may be `FILE.npz:ARRAY`; otherwise the array of an `.npz`
/// file, or the member of a JSON object, is the one with the name of the input, or the only one.
///
/// Returns the integers of the program, in the order of the shape.
///
/// # Errors
/// `Program`, with the file and the line or index.
pub fn read_input(path: &Path, variable: &Variable) -> Result<Vec<i128>> {
    let (path, member) = split_member(path);
    let shown = path.display().to_string();
    let wrong = |e: String| Error::Program(format!("input `{}`: {shown}{e}", variable.name));
    let check = |shape: &[u64]| convert::check_shape(shape, variable);
    let array = read(&path, member.as_deref(), &variable.name, &check).map_err(wrong)?;
    convert::to_integers(&array, variable).map_err(wrong)
}

/// The array in a file, as it is. `path` may be `FILE.npz:ARRAY`, and `name` chooses as for [`read_input`].
///
/// # Errors
/// `Program`, as [`read_input`].
pub fn read_array(path: &Path, name: &str) -> Result<Array> {
    let (path, member) = split_member(path);
    let wrong = |e: String| Error::Program(format!("input `{name}`: {}{e}", path.display()));
    read(&path, member.as_deref(), name, &|_| Ok(())).map_err(wrong)
}

/// The names of the arrays in an `.npz` file, or of the members of a JSON object.
///
/// # Errors
/// `Program`, with the file; also for a file without names.
pub fn names(path: &Path) -> Result<Vec<String>> {
    let wrong = |e: String| Error::Program(format!("{}{e}", path.display()));
    let (kind, file, bytes) = open(path).map_err(wrong)?;
    match kind {
        Kind::Npz => {
            let archive = archive(file).map_err(wrong)?;
            let names = archive.file_names().flatten();
            Ok(names.map(|n| n.strip_suffix(".npy").unwrap_or(&n).to_string()).collect())
        }
        Kind::Json => table::members(&text(file, bytes).map_err(wrong)?).map_err(wrong),
        Kind::Npy | Kind::Csv => {
            Err(wrong(": only .npz and .json have names; give NAME=PATH".into()))
        }
    }
}

/// The shape of the array in a file, without its values where the format allows.
///
/// # Errors
/// `Program`, as [`read_input`].
pub fn shape_of(path: &Path, name: &str) -> Result<Vec<u64>> {
    let (path, member) = split_member(path);
    let wrong = |e: String| Error::Program(format!("input `{name}`: {}{e}", path.display()));
    shape(&path, member.as_deref(), name).map_err(wrong)
}

/// Errors start with `:LINE: ` or `: `, to follow the name of the file.
fn read(
    path: &Path,
    member: Option<&str>,
    name: &str,
    check: &dyn Fn(&[u64]) -> std::result::Result<(), String>,
) -> std::result::Result<Array, String> {
    let (kind, file, bytes) = open(path)?;
    if member.is_some() && kind != Kind::Npz {
        return Err(": only an .npz file holds several arrays".into());
    }
    let array = match kind {
        Kind::Npy => npy::read(&mut BufReader::new(file), Some(bytes), check)?,
        Kind::Npz => {
            let mut archive = archive(file)?;
            let at = find_member(&archive, member, name)?;
            let mut entry = archive.by_index(at).map_err(|e| format!(": {e}"))?;
            npy::read(&mut entry, None, check)?
        }
        Kind::Csv => table::read_csv(&text(file, bytes)?)?,
        Kind::Json => table::read_json(&text(file, bytes)?, name)?,
    };
    check(&array.shape)?;
    Ok(array)
}

fn shape(path: &Path, member: Option<&str>, name: &str) -> std::result::Result<Vec<u64>, String> {
    let (kind, file, bytes) = open(path)?;
    match kind {
        Kind::Npy => Ok(npy::read_head(&mut BufReader::new(file))?.shape),
        Kind::Npz => {
            let mut archive = archive(file)?;
            let at = find_member(&archive, member, name)?;
            let mut entry = archive.by_index(at).map_err(|e| format!(": {e}"))?;
            Ok(npy::read_head(&mut entry)?.shape)
        }
        Kind::Csv => Ok(table::read_csv(&text(file, bytes)?)?.shape),
        Kind::Json => Ok(table::read_json(&text(file, bytes)?, name)?.shape),
    }
}

fn open(path: &Path) -> std::result::Result<(Kind, File, u64), String> {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_lowercase();
    let kind = match ending.as_str() {
        "npy" => Kind::Npy,
        "npz" => Kind::Npz,
        "csv" => Kind::Csv,
        "json" => Kind::Json,
        _ => return Err(": the name must end in .npy, .npz, .csv or .json".into()),
    };
    let (file, bytes) = open_regular(path)?;
    Ok((kind, file, bytes))
}

/// A file and its length. Looked at before it is opened: that of a pipe would wait for a writer.
fn open_regular(path: &Path) -> std::result::Result<(File, u64), String> {
    let data = std::fs::metadata(path).map_err(|e| format!(": {e}"))?;
    if !data.is_file() {
        return Err(": this is no regular file".into());
    }
    Ok((File::open(path).map_err(|e| format!(": {e}"))?, data.len()))
}

/// The bytes of a regular file that has no more than `most`.
///
/// # Errors
/// `Program`, with the file.
pub fn read_file(path: &Path, most: u64) -> Result<Vec<u8>> {
    let wrong = |e: String| Error::Program(format!("{}{e}", path.display()));
    let (file, bytes) = open_regular(path).map_err(wrong)?;
    if bytes > most {
        return Err(wrong(format!(": {bytes} bytes, at most {most} are read")));
    }
    let mut out = Vec::new();
    file.take(most).read_to_end(&mut out).map_err(|e| wrong(format!(": {e}")))?;
    Ok(out)
}

/// The text of a settings file.
///
/// # Errors
/// `Program`, with the file.
pub fn read_text_file(path: &Path) -> Result<String> {
    String::from_utf8(read_file(path, MAX_SETTINGS_BYTES)?)
        .map_err(|_| Error::Program(format!("{}: this is no UTF-8 text", path.display())))
}

fn text(file: File, bytes: u64) -> std::result::Result<String, String> {
    if bytes > MAX_TEXT_BYTES {
        return Err(format!(": {bytes} bytes are too many for a text file"));
    }
    let mut text = Vec::new();
    file.take(MAX_TEXT_BYTES).read_to_end(&mut text).map_err(|e| format!(": {e}"))?;
    let text = String::from_utf8(text)
        .map_err(|e| format!(": not UTF-8 at byte {}", e.utf8_error().valid_up_to()))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text))
}

fn archive(file: File) -> std::result::Result<zip::ZipArchive<BufReader<File>>, String> {
    zip::ZipArchive::new(BufReader::new(file)).map_err(|e| format!(": {e}"))
}

fn find_member(
    archive: &zip::ZipArchive<BufReader<File>>,
    member: Option<&str>,
    name: &str,
) -> std::result::Result<usize, String> {
    let wanted = member.unwrap_or(name);
    let file = format!("{wanted}.npy");
    match archive.index_for_name(&file).or_else(|| archive.index_for_name(wanted)) {
        Some(at) => Ok(at),
        None if member.is_none() && archive.len() == 1 => Ok(0),
        None => {
            let names: Vec<String> = (archive.file_names().take(10).flatten())
                .map(|n| n.trim_end_matches(".npy").escape_debug().to_string())
                .collect();
            Err(format!(": there is no array `{wanted}`, only {}", names.join(", ")))
        }
    }
}

/// `FILE.npz:ARRAY` as file and array.
fn split_member(path: &Path) -> (PathBuf, Option<String>) {
    let text = path.to_string_lossy();
    match text.rsplit_once(".npz:") {
        Some((file, member)) => (format!("{file}.npz").into(), Some(member.into())),
        None => (path.to_path_buf(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mpc_bytecode::{Element, Receivers};
    use std::io::Write;

    fn variable(element: Element, shape: &[u64]) -> Variable {
        let (name, receivers) = ("x".into(), Receivers::Roles(vec![0]));
        Variable { name, element, shape: shape.to_vec(), receivers }
    }

    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("mpc-data-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Directory(path)
        }

        fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
            std::fs::write(self.0.join(name), bytes).unwrap();
            self.0.join(name)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_same_matrix_is_read_from_every_format() {
        let directory = Directory::new("formats");
        let int = variable(Element::Int(8), &[2, 3]);
        let expected = [1, -2, 3, 4, 5, -6];
        let npy = npy::encode_whole(&[2, 3], &expected);
        let mut npz = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let stored: zip::write::SimpleFileOptions = Default::default();
        for name in ["other.npy", "x.npy"] {
            npz.start_file(name, stored).unwrap();
            npz.write_all(if name == "x.npy" { &npy } else { b"junk" }).unwrap();
        }
        let npz = npz.finish().unwrap().into_inner();
        let files = [
            directory.file("a.npy", &npy),
            directory.file("a.npz", &npz),
            directory.0.join("a.npz:x"),
            directory.file("a.csv", b"1,-2,3\n4,5,-6\n"),
            directory.file("b.csv", "\u{feff}a,b,c\r\n 1, -2, 3\r\n4,5,-6\r\n".as_bytes()),
            directory.file("a.json", b"[[1, -2, 3], [4, 5, -6]]"),
            directory.file("b.json", b"{\"y\": 7, \"x\": [[1, -2, 3.0], [4, 5, -6]]}"),
        ];
        for path in &files {
            assert_eq!(read_input(path, &int).unwrap(), expected, "{}", path.display());
            assert_eq!(shape_of(path, "x").unwrap(), [2, 3]);
            assert_eq!(read_array(path, "x").unwrap().shape, [2, 3]);
        }
        assert_eq!(names(&files[1]).unwrap(), ["other", "x"]);
        let mut members = names(&files[6]).unwrap();
        members.sort();
        assert_eq!(members, ["x", "y"]);
        assert!(names(&files[0]).is_err() && names(&files[5]).is_err());
    }

    #[test]
    fn mistakes_are_told_with_file_and_line() {
        let directory = Directory::new("mistakes");
        let int = variable(Element::Int(8), &[2, 2]);
        let bit = variable(Element::Bool, &[2]);
        let cases: [(&str, &[u8], &Variable, &str); 14] = [
            ("a.csv", b"1,2\n3,200\n", &int, "a.csv:2: value 200 does not fit int<8>"),
            ("b.csv", b"1,2\n3,x\n", &int, "b.csv:2: column 2: `x` is no number"),
            ("c.csv", b"1,2\n3\n", &int, "c.csv:2: 1 columns where the first row has 2"),
            ("d.csv", b"1,2\n3,4\n5,6\n", &int, "shape [3, 2], the program wants [2, 2]"),
            ("e.csv", b"", &int, "e.csv: the file is empty"),
            ("f.csv", b"1,2\n3,4.5\n", &int, "f.csv:2: value 4.5 is no whole number"),
            ("g.csv", b"1\n2\n", &bit, "g.csv:2: value 2 is neither 0 nor 1"),
            ("h.csv", b"1,2\n3,1e99\n", &int, "h.csv:2"),
            ("a.json", b"[[1, 2], [3, 4]", &int, "a.json:1"),
            ("b.json", b"[[1, 2], [3]]", &int, "rows of different length"),
            ("c.json", b"[[1, 2], [3, \"4\"]]", &int, "[1][1]"),
            ("d.json", b"{\"y\": 1, \"z\": 2}", &int, "no member `x`"),
            ("a.txt", b"1", &int, ".npy, .npz, .csv or .json"),
            ("a.npz", b"PK", &int, "a.npz: "),
        ];
        for (name, bytes, variable, expected) in cases {
            let path = directory.file(name, bytes);
            let error = read_input(&path, variable).expect_err(name).to_string();
            assert!(error.contains(expected), "{error:?} lacks {expected:?}");
            assert!(error.starts_with("input `x`: ") && !error.contains('\n'));
        }
        assert!(read_input(&directory.0.join("none.npy"), &int).is_err());
        assert!(read_input(Path::new("/dev/zero.npy"), &int).is_err());
        assert!(read_input(&directory.0, &int).is_err());
    }
}

//! The folder of a program: which of its files the compiler may see, and how much of them.
//!
//! The rules are here; the file system itself is handed in by whoever has one.

use std::fs::FileType;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::source::{LoadError, Loader, MAX_FILE_BYTES};

/// What is asked of a file system.
#[derive(Clone, Copy)]
pub struct Files {
    /// The path without links and dots.
    pub canonical: fn(&Path) -> io::Result<PathBuf>,
    /// What is there, links followed.
    pub kind: fn(&Path) -> io::Result<FileType>,
    /// The bytes of a regular file.
    pub open: fn(&Path) -> io::Result<Box<dyn Read>>,
}

/// Files below one folder; links that lead outside are refused.
pub struct Folder {
    root: PathBuf,
    /// The file that the user named, which may be a link to anywhere.
    main: String,
    files: Files,
    /// Most bytes of one file.
    limit: usize,
}

impl Folder {
    /// The folder of a file; `None` if the path ends in no name.
    pub fn of(file: &Path, files: Files) -> Option<Folder> {
        let main = file.file_name()?.to_str()?.to_string();
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        Some(Folder {
            root: parent.unwrap_or(Path::new(".")).to_path_buf(),
            main,
            files,
            limit: MAX_FILE_BYTES,
        })
    }

    /// The same folder, with files of up to `limit` bytes.
    pub fn with_limit(self, limit: usize) -> Folder {
        Folder { limit, ..self }
    }

    /// The name of that file in its folder.
    pub fn main(&self) -> &str {
        &self.main
    }
}

impl Loader for Folder {
    fn load(&self, path: &str) -> Result<Vec<u8>, LoadError> {
        let root = (self.files.canonical)(&self.root).map_err(failed)?;
        let file = (self.files.canonical)(&root.join(path)).map_err(failed)?;
        if !file.starts_with(&root) && path != self.main {
            return Err(unreadable("it is a link that leads outside the folder of the program"));
        }
        // Looked at before it is opened: opening a pipe would wait for a writer.
        match (self.files.kind)(&file).map_err(failed)? {
            kind if kind.is_file() => read((self.files.open)(&file).map_err(failed)?, self.limit),
            kind if kind.is_dir() => Err(unreadable("it is a directory")),
            _ => Err(unreadable("it is no regular file")),
        }
    }
}

/// All bytes, unless they are too many.
fn read(file: impl Read, limit: usize) -> Result<Vec<u8>, LoadError> {
    let mut bytes = vec![];
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() <= limit { Ok(bytes) } else { Err(LoadError::TooLarge(limit)) }
}

fn failed(e: io::Error) -> LoadError {
    match e.kind() {
        io::ErrorKind::NotFound => LoadError::Missing,
        _ => LoadError::Unreadable(e.to_string()),
    }
}

fn unreadable(why: &str) -> LoadError {
    LoadError::Unreadable(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_at_most_so_many_bytes() {
        let spaces = |count: usize| io::repeat(b' ').take(count as u64);
        let limit = MAX_FILE_BYTES;
        assert_eq!(read(spaces(limit), limit).map(|bytes| bytes.len()), Ok(limit));
        assert_eq!(read(spaces(limit + 1), limit), Err(LoadError::TooLarge(limit)));
        assert_eq!(read(io::repeat(b' '), limit), Err(LoadError::TooLarge(limit)));
    }

    #[test]
    fn what_a_path_names_is_its_folder_and_a_name() {
        fn none<T>(_: &Path) -> io::Result<T> {
            Err(io::ErrorKind::NotFound.into())
        }
        let files = Files { canonical: none, kind: none, open: none };
        let of = |path: &str| Folder::of(Path::new(path), files);
        assert!(of("..").is_none() && of("/").is_none());
        let folder = of("main.mpc").expect("a name");
        assert_eq!((folder.root.as_path(), folder.main()), (Path::new("."), "main.mpc"));
        assert_eq!(folder.load("main.mpc"), Err(LoadError::Missing));
        assert_eq!(of("a/b.mpc").expect("a name").root, Path::new("a"));
    }
}

//! Source files, spans in them, and the way files are read.
//!
//! The compiler never touches a file system: it asks a [`Loader`]. Paths are relative to the program's folder, with `/` between their parts.

use std::fmt;

/// Largest source file that is read, in bytes. A program is written by hand; anything larger is data in the wrong place.
pub const MAX_SOURCE_BYTES: usize = 4 << 20;
/// Largest file of any kind that is read, in bytes: circuits are written by programs.
pub const MAX_FILE_BYTES: usize = 64 << 20;

/// Number of a file in a [`SourceMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileId(pub u32);

/// A range of bytes in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span of bytes `start..end` of `file`.
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        let clip = |x: usize| u32::try_from(x).unwrap_or(u32::MAX);
        Self { file, start: clip(start), end: clip(end) }
    }

    /// The smallest span that covers both.
    pub fn to(self, other: Span) -> Span {
        if self.file != other.file {
            return self;
        }
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// One source file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name as shown in messages.
    pub name: String,
    /// Text, valid UTF-8, without byte-order mark.
    pub text: String,
    line_starts: Vec<u32>,
}

impl Source {
    fn new(name: String, text: String) -> Self {
        let mut line_starts = vec![0];
        line_starts.extend(
            text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i as u32 + 1),
        );
        Self { name, text, line_starts }
    }

    /// Line and column of a byte offset, both from 1; the column counts characters.
    pub fn position(&self, offset: u32) -> (u32, u32) {
        let line = self.line_starts.partition_point(|&s| s <= offset).saturating_sub(1);
        let start = self.line_starts[line] as usize;
        let end = (offset as usize).clamp(start, self.text.len());
        let column = self.text.get(start..end).map_or(end - start, |s| s.chars().count());
        (line as u32 + 1, column as u32 + 1)
    }

    /// Byte range of the line (from 1) without its end.
    pub fn line_range(&self, line: u32) -> std::ops::Range<usize> {
        let i = (line as usize).saturating_sub(1).min(self.line_starts.len() - 1);
        let start = self.line_starts[i] as usize;
        let end = self.line_starts.get(i + 1).map_or(self.text.len(), |&e| e as usize - 1);
        start..end.max(start)
    }
}

/// All files of a compilation, in the order in which they were read.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<Source>,
}

impl SourceMap {
    /// Adds a file.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        self.files.push(Source::new(name.into(), text.into()));
        FileId(self.files.len() as u32 - 1)
    }

    /// The file, if there is one of that number.
    pub fn get(&self, id: FileId) -> Option<&Source> {
        self.files.get(id.0 as usize)
    }

    /// All files.
    pub fn files(&self) -> &[Source] {
        &self.files
    }
}

/// Why a file could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// There is no such file.
    Missing,
    /// It exists and cannot be read, for the reason given.
    Unreadable(String),
    /// It is larger than so many bytes.
    TooLarge(usize),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "no such file"),
            Self::Unreadable(why) => write!(f, "{why}"),
            Self::TooLarge(limit) => {
                write!(f, "larger than {} MiB, the most that such a file may have", limit >> 20)
            }
        }
    }
}

/// Gives the bytes of a file of the program's folder.
///
/// `path` is relative, without `.` and `..`; an implementation on a file system also refuses links that lead outside.
pub trait Loader {
    /// The bytes of `path`.
    ///
    /// # Errors
    /// [`LoadError`] when there is no such file or it cannot be read.
    fn load(&self, path: &str) -> Result<Vec<u8>, LoadError>;
}

impl<F: Fn(&str) -> Result<Vec<u8>, LoadError>> Loader for F {
    fn load(&self, path: &str) -> Result<Vec<u8>, LoadError> {
        self(path)
    }
}

/// Files held in memory, for tests and for callers that have the text already.
impl Loader for std::collections::BTreeMap<String, String> {
    fn load(&self, path: &str) -> Result<Vec<u8>, LoadError> {
        self.get(path).map(|s| s.clone().into_bytes()).ok_or(LoadError::Missing)
    }
}

//! Files of preprocessing.
//!
//! A file holds what one party made with its peers: what it has in common with them, and an entry for each
//! step that yields something. It is complete or refused, belongs to one program, protocol and set of
//! parties, and serves one run: before the first message of that run it is marked as used, and its name is
//! put down in a folder beside it, so that a copy put back in its place is refused too. When the run is
//! over it is overwritten and removed.
//!
//! ```text
//! magic (8) · state (1) · length of terms (8) · terms · id of the session that made it (32)
//! entries: 1 · name (20) · length (8) · hash (32) · bytes
//! end:     0 · hash of everything before but the state and the bytes of entries (32)
//! ```

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use mpc_runtime::{Error, Keeper, OpId, Result};
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"mpcprep1";

/// Where the state is.
const STATE: u64 = MAGIC.len() as u64;
const UNFINISHED: u8 = 0;
const READY: u8 = 1;
const USED: u8 = 2;

const ENTRY: u8 = 1;
const END: u8 = 0;

/// Most bytes of terms.
const MAX_TERMS: u64 = 1 << 20;

/// Beside the files, a folder with the names of all that were used.
const USED_NAMES: &str = ".mpcvm-used";

/// Bytes of the name of an entry.
const NAME: usize = 20;

fn told(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::Program(format!("{}: {what}", path.display()))
}

/// What a file is about.
#[derive(Clone, PartialEq, Eq)]
pub struct About {
    /// What has to be the same in the run that uses it, as bytes.
    pub terms: Vec<u8>,
    /// The session that made it; the same at all parties.
    pub id: [u8; 32],
}

/// Writes a file of preprocessing.
pub struct Writer {
    path: PathBuf,
    out: BufWriter<File>,
    hash: blake3::Hasher,
}

impl Writer {
    /// Begins a file that only its owner can read. It cannot be used before [`Writer::finish`].
    ///
    /// # Errors
    /// `Program`, with the file: it is there, or cannot be written.
    pub fn create(path: &Path, about: &About) -> Result<Writer> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|e| told(path, e))?;
        let (out, hash) = (BufWriter::new(file), blake3::Hasher::new());
        let mut writer = Writer { path: path.to_path_buf(), out, hash };
        writer.put(MAGIC)?;
        writer.raw(&[UNFINISHED])?;
        writer.put(&(about.terms.len() as u64).to_le_bytes())?;
        writer.put(&about.terms)?;
        writer.put(&about.id)?;
        Ok(writer)
    }

    /// Bytes that the hash at the end is about.
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.raw(bytes)
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|e| told(&self.path, e))
    }

    fn entry(&mut self, name: [u8; NAME], bytes: &[u8]) -> Result<()> {
        self.put(&[ENTRY])?;
        self.put(&name)?;
        self.put(&(bytes.len() as u64).to_le_bytes())?;
        self.put(blake3::hash(bytes).as_bytes())?;
        self.raw(bytes)
    }

    fn end(&mut self) -> Result<()> {
        self.put(&[END])?;
        let hash = self.hash.finalize();
        self.raw(hash.as_bytes())?;
        let durable = (|| {
            self.out.flush()?;
            let file = self.out.get_mut();
            file.sync_all()?;
            file.seek(SeekFrom::Start(STATE))?;
            file.write_all(&[READY])?;
            file.sync_all()
        })();
        durable.map_err(|e| told(&self.path, e))
    }
}

/// A [`Writer`] that the machine and the one who began the file both hold.
#[derive(Clone)]
pub struct Writing(std::rc::Rc<std::cell::RefCell<Writer>>);

impl Writing {
    /// As [`Writer::create`].
    ///
    /// # Errors
    /// As [`Writer::create`].
    pub fn create(path: &Path, about: &About) -> Result<Writing> {
        Ok(Writing(std::rc::Rc::new(Writer::create(path, about)?.into())))
    }

    /// Makes the file one that can be used, whatever happens from now on.
    ///
    /// # Errors
    /// `Program`, with the file.
    pub fn finish(self) -> Result<()> {
        self.0.borrow_mut().end()
    }
}

impl Keeper for Writing {
    fn keep(&mut self, id: OpId, bytes: &[u8]) -> Result<()> {
        self.0.borrow_mut().entry(id.bytes(), bytes)
    }

    fn take(&mut self, _: OpId) -> Result<Option<Zeroizing<Vec<u8>>>> {
        Ok(None)
    }
}

/// Where the bytes of an entry are.
struct Place {
    at: u64,
    length: u64,
    hash: [u8; 32],
}

/// A file of preprocessing that has not been used yet.
pub struct Reader {
    path: PathBuf,
    file: File,
    about: About,
    places: HashMap<[u8; NAME], Place>,
}

impl Reader {
    /// Opens a file and makes sure that it is complete and unused.
    ///
    /// # Errors
    /// `Program`, with the file and what is wrong with it.
    pub fn open(path: &Path) -> Result<Reader> {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let file = opened.map_err(|e| told(path, e))?;
        let (about, places) = scan(&file).map_err(|e| told(path, e))?;
        if mark_of(path, &about).exists() {
            return Err(told(path, WAS_USED));
        }
        Ok(Reader { path: path.to_path_buf(), file, about, places })
    }

    /// What it is about.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Marks the file as used. From now on nobody can open it again, whatever happens.
    ///
    /// # Errors
    /// `Program`, with the file: another run was quicker, or it cannot be marked.
    pub fn begin(&mut self) -> Result<()> {
        let mark = mark_of(&self.path, &self.about);
        let marked = (|| {
            let folder = mark.parent().expect("it has one");
            fs::create_dir_all(folder)?;
            OpenOptions::new().write(true).create_new(true).open(&mark)?;
            sync(folder)?;
            sync(folder.parent().expect("it lies beside the file"))?;
            self.file.seek(SeekFrom::Start(STATE))?;
            self.file.write_all(&[USED])?;
            self.file.sync_all()
        })();
        marked.map_err(|e: std::io::Error| match e.kind() {
            std::io::ErrorKind::AlreadyExists => told(&self.path, WAS_USED),
            _ => told(&self.path, e),
        })
    }

    /// How many entries nobody has taken.
    pub fn left(&self) -> usize {
        self.places.len()
    }

    /// Overwrites and removes the file.
    fn wipe(&mut self) -> std::io::Result<()> {
        let mut left = self.file.metadata()?.len().saturating_sub(STATE + 1);
        self.file.seek(SeekFrom::Start(STATE + 1))?;
        let zeros = [0; 1 << 16];
        while left > 0 {
            let now = left.min(zeros.len() as u64);
            self.file.write_all(&zeros[..now as usize])?;
            left -= now;
        }
        self.file.sync_all()?;
        fs::remove_file(&self.path)
    }
}

/// A [`Reader`] that the machine and the one who opened the file both hold.
#[derive(Clone)]
pub struct Reading(std::rc::Rc<std::cell::RefCell<Reader>>);

impl Reading {
    /// Marks the file as used; see [`Reader::begin`].
    ///
    /// # Errors
    /// `Program`, with the file.
    pub fn begin(mut reader: Reader) -> Result<Reading> {
        reader.begin()?;
        Ok(Reading(std::rc::Rc::new(reader.into())))
    }

    /// Overwrites and removes the file.
    ///
    /// # Errors
    /// `Program`, with the file.
    pub fn wipe(self) -> Result<()> {
        let mut reader = self.0.borrow_mut();
        let wiped = reader.wipe();
        wiped.map_err(|e| told(&reader.path, e))
    }

    /// How many entries nobody has taken.
    pub fn left(&self) -> usize {
        self.0.borrow().left()
    }
}

impl Keeper for Reading {
    fn keep(&mut self, _: OpId, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn take(&mut self, id: OpId) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let Reader { path, file, places, .. } = &mut *self.0.borrow_mut();
        let Some(Place { at, length, hash }) = places.remove(&id.bytes()) else { return Ok(None) };
        let mut bytes = Zeroizing::new(vec![0; length as usize]); // no longer than the file
        let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|e| told(path, e))?;
        match blake3::hash(&bytes) == hash {
            true => Ok(Some(bytes)),
            false => Err(told(path, DAMAGED)),
        }
    }
}

const DAMAGED: &str = "this preprocessing is damaged";
const WAS_USED: &str = "this preprocessing was used before";

/// What a file is about and where its entries are, or what is wrong with it.
fn scan(file: &File) -> std::result::Result<(About, HashMap<[u8; NAME], Place>), String> {
    let io = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => "this preprocessing is not complete".to_string(),
        _ => e.to_string(),
    };
    let size = file.metadata().map_err(io)?.len();
    let mut from = BufReader::new(file);
    let mut hash = blake3::Hasher::new();
    fn some<const N: usize>(
        from: &mut impl Read,
        hash: &mut blake3::Hasher,
    ) -> std::io::Result<[u8; N]> {
        let mut bytes = [0; N];
        from.read_exact(&mut bytes)?;
        hash.update(&bytes);
        Ok(bytes)
    }
    if &some::<8>(&mut from, &mut hash).map_err(io)? != MAGIC {
        return Err("this is no file of preprocessing of this version".into());
    }
    let mut state = [0; 1];
    from.read_exact(&mut state).map_err(io)?;
    match state[0] {
        READY => {}
        UNFINISHED => return Err("this preprocessing is not complete".into()),
        _ => return Err(WAS_USED.into()),
    }
    let length = u64::from_le_bytes(some(&mut from, &mut hash).map_err(io)?);
    if length > MAX_TERMS.min(size) {
        return Err(DAMAGED.into());
    }
    let mut terms = vec![0; length as usize];
    from.read_exact(&mut terms).map_err(io)?;
    hash.update(&terms);
    let id = some(&mut from, &mut hash).map_err(io)?;
    let mut places = HashMap::new();
    while some::<1>(&mut from, &mut hash).map_err(io)? == [ENTRY] {
        let name = some(&mut from, &mut hash).map_err(io)?;
        let length = u64::from_le_bytes(some(&mut from, &mut hash).map_err(io)?);
        let own = some(&mut from, &mut hash).map_err(io)?;
        let at = from.stream_position().map_err(io)?;
        let skipped = i64::try_from(length).ok().filter(|_| length <= size - at.min(size));
        from.seek_relative(skipped.ok_or(DAMAGED)?).map_err(io)?;
        if places.insert(name, Place { at, length, hash: own }).is_some() {
            return Err(DAMAGED.into());
        }
    }
    let due = hash.finalize();
    let mut found = [0; 32];
    from.read_exact(&mut found).map_err(io)?;
    if due != found || from.stream_position().map_err(io)? != size {
        return Err(DAMAGED.into());
    }
    Ok((About { terms, id }, places))
}

/// What is there once a file has been used.
fn mark_of(path: &Path, about: &About) -> PathBuf {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&about.id).update(&about.terms);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).join(USED_NAMES);
    folder.join(hasher.finalize().to_hex().as_str())
}

/// What was put into a folder stays there.
fn sync(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mpc_runtime::{Depth, Executor, local};

    /// A folder of one test, removed in the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("mpc-kept-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).expect("a folder");
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn about() -> About {
        About { terms: b"terms".to_vec(), id: [7; 32] }
    }

    /// Names of calls.
    fn names() -> Vec<OpId> {
        let executor = Executor::new(Box::new(local::network(1, 1).remove(0)));
        (0..3).map(|id| executor.step(id, 0, Depth::ZERO).op(Depth::ZERO).id()).collect()
    }

    fn written(folder: &Folder) -> PathBuf {
        let path = folder.0.join("some.prep");
        let mut writing = Writing::create(&path, &about()).expect("it is new");
        for (i, name) in names().into_iter().enumerate() {
            writing.keep(name, &vec![i as u8; 100 * i]).expect("there is room");
        }
        writing.finish().expect("there is room");
        path
    }

    fn refused(path: &Path) -> String {
        Reader::open(path).err().expect("it is refused").to_string()
    }

    #[test]
    fn what_was_written_is_there_once() {
        let folder = Folder::new("once");
        let path = written(&folder);
        assert!(Writing::create(&path, &about()).is_err(), "nothing is overwritten");
        let reader = Reader::open(&path).expect("it is complete");
        assert!(reader.about() == &about());
        let (copy, bytes) = (folder.0.join("copy.prep"), fs::read(&path).expect("it is there"));
        fs::write(&copy, &bytes).expect("there is room");
        let second = Reader::open(&copy).expect("nobody has used it yet");
        let mut reading = Reading::begin(reader).expect("it is unused");
        assert!(Reading::begin(second).is_err(), "another run was quicker");
        for (i, name) in names().into_iter().enumerate().rev() {
            let taken = reading.take(name).expect("it is whole").expect("it is there");
            assert_eq!(taken[..], vec![i as u8; 100 * i][..]);
            assert!(reading.take(name).expect("no error").is_none());
        }
        assert!(refused(&path).contains("used before"));
        fs::write(&path, &bytes).expect("there is room");
        assert!(refused(&path).contains("used before"), "a copy put back");
        reading.wipe().expect("it is there");
        assert!(!path.exists());
    }

    #[test]
    fn a_crash_at_any_write_leaves_nothing_to_use() {
        let folder = Folder::new("crash");
        let path = written(&folder);
        let whole = fs::read(&path).expect("it is there");
        for length in 0..whole.len() {
            // The state comes last; before that the file may be of any length.
            let mut part = whole[..length].to_vec();
            fs::write(&path, &part).expect("there is room");
            refused(&path);
            if let Some(state) = part.get_mut(STATE as usize) {
                *state = UNFINISHED;
                fs::write(&path, &part).expect("there is room");
                assert!(refused(&path).contains("not complete"));
            }
        }
    }

    #[test]
    fn an_altered_byte_is_found_before_it_is_used() {
        let folder = Folder::new("altered");
        let path = written(&folder);
        let whole = fs::read(&path).expect("it is there");
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 1 << (at % 8);
            fs::write(&path, &altered).expect("there is room");
            let Ok(reader) = Reader::open(&path) else { continue };
            let mut reading = Reading::begin(reader).expect("it is unused");
            let taken = names().into_iter().map(|name| reading.take(name));
            assert!(taken.into_iter().any(|taken| taken.is_err()), "byte {at}");
            fs::remove_dir_all(folder.0.join(USED_NAMES)).expect("it is there");
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let path = written(&Folder::new("mode"));
        assert!(fs::metadata(&path).map_or(true, |data| data.permissions().mode() & 0o077 == 0));
    }
}

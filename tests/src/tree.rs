//! The files of the repository.

use std::path::{Path, PathBuf};

/// The top of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate is a folder of it").into()
}

/// A text file, its path from the top.
#[derive(Clone, Debug)]
pub struct File {
    /// Path from the top, with `/`.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// All text files with one of these endings, in the order of their paths. Hidden folders and build
/// products are left out.
pub fn files(endings: &[&str]) -> Vec<File> {
    let mut found = vec![];
    walk(&root(), "", endings, &mut found);
    found
}

fn walk(folder: &Path, prefix: &str, endings: &[&str], found: &mut Vec<File>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.expect("the folder is readable").path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        let shown = format!("{prefix}{name}");
        if path.is_dir() {
            walk(&path, &format!("{shown}/"), endings, found);
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{shown}: {e}"));
            found.push(File { path: shown, text });
        }
    }
}

//! Generates the parser, and the table of library modules from the files in `stdlib/`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    lalrpop::Configuration::new()
        .use_cargo_dir_conventions()
        .emit_rerun_directives(true)
        .process()
        .expect("the grammar is LR(1)");
    embed_library();
}

/// Writes `stdlib.rs`: one line `("name", include_str!(…))` per file, sorted by name.
fn embed_library() {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let folder = Path::new(&own).join("../stdlib");
    println!("cargo::rerun-if-changed={}", folder.display());
    let entries = std::fs::read_dir(&folder).expect("the workspace has a folder stdlib");
    let mut files: Vec<PathBuf> = entries.map(|e| e.expect("readable folder").path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "mpc"));
    files.sort();
    let mut out = String::from(
        "/// Modules of the standard library: name and text.\npub(crate) const MODULES: &[(&str, &str)] = &[\n",
    );
    for file in files {
        let path = file.canonicalize().expect("it was just listed");
        let name = path.file_stem().expect("it has an extension").to_string_lossy().into_owned();
        writeln!(out, "    ({name:?}, include_str!({path:?})),").expect("writing to a string");
    }
    out.push_str("];\n");
    let target =
        PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("stdlib.rs");
    std::fs::write(target, out).expect("OUT_DIR is writable");
}

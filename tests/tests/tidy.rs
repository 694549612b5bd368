//! The house rules that a compiler does not know. Each is a function from the tree to its breaches.

use std::collections::BTreeMap;

use mpc_tests::tree::{File, files};

/// Longer files are split, unless they are one table.
const MAX_LINES: usize = 950;
const TABLES: &[&str] = &["vm/bytecode/src/table.rs"];

/// Fails with all breaches of a rule, one a line.
fn assert_none(rule: &str, breaches: Vec<String>) {
    assert!(breaches.is_empty(), "{rule}:\n  {}", breaches.join("\n  "));
}

/// Lines of files for which `bad` holds, as `path:line: text`.
fn lines(files: &[File], bad: impl Fn(&File, &str) -> bool) -> Vec<String> {
    let numbered = files.iter().flat_map(|f| f.text.lines().enumerate().map(move |l| (f, l)));
    numbered
        .filter(|(file, (_, line))| bad(file, line))
        .map(|(file, (number, line))| format!("{}:{}: {}", file.path, number + 1, line.trim()))
        .collect()
}

/// Lines before the tests of a file.
fn without_tests(file: &File) -> File {
    let end = file.text.find("#[cfg(test)]\nmod ").unwrap_or(file.text.len());
    File { path: file.path.clone(), text: file.text[..end].into() }
}

/// Sources of the libraries and binaries, without their tests.
fn sources(folders: &[&str]) -> Vec<File> {
    let within = |f: &File| folders.iter().any(|folder| f.path.starts_with(folder));
    files(&[".rs"])
        .iter()
        .filter(|f| within(f) && f.path.contains("src/"))
        .map(without_tests)
        .collect()
}

#[test]
fn nothing_is_left_for_later() {
    // written so that this file does not find itself
    let marks = ["TO-DO", "FIX-ME", "todo-!", "unimplemented-!", "dbg-!", "XX-X"];
    let marks: Vec<String> = marks.iter().map(|mark| mark.replace('-', "")).collect();
    let found = lines(&files(&[".rs", ".mpc", ".md", ".toml", ".lalrpop", ".sh"]), |_, line| {
        marks.iter().any(|mark| line.contains(mark.as_str()))
    });
    assert_none("things are done, or an issue says so", found);
}

#[test]
fn every_file_says_what_it_is_for() {
    let bare = files(&[".rs"]).into_iter().filter(|f| !f.text.starts_with("//! "));
    assert_none("a file starts with `//!`", bare.map(|f| f.path).collect());
}

#[test]
fn no_file_is_too_long_to_read() {
    let long = files(&[".rs"])
        .into_iter()
        .filter(|f| f.text.lines().count() > MAX_LINES && !TABLES.contains(&&*f.path))
        .map(|f| format!("{}: {} lines", f.path, f.text.lines().count()));
    assert_none("long files are split", long.collect());
}

/// The string literals in `Label("…")` of a file.
fn labels(file: &File) -> impl Iterator<Item = &str> {
    file.text.split("Label(\"").skip(1).filter_map(|rest| rest.split('"').next())
}

#[test]
fn message_labels_are_told_apart_by_their_16_bits() {
    let mut by_id: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for file in files(&[".rs"]) {
        for label in labels(&file) {
            let id = mpc_runtime::Label(label.to_owned().leak()).id();
            by_id.entry(id).or_default().push(label.to_owned());
        }
    }
    let clashes = by_id.into_values().filter_map(|mut labels| {
        labels.sort();
        labels.dedup();
        (labels.len() > 1).then(|| labels.join(" and "))
    });
    assert_none("labels with equal ids", clashes.collect());
}

#[test]
fn a_message_label_is_declared_once() {
    let mut by_label: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in sources(&["protocols/"]) {
        for label in labels(&file) {
            by_label.entry(label.into()).or_default().push(file.path.clone());
        }
    }
    let twice = by_label.into_iter().filter(|(_, paths)| paths.len() > 1);
    let twice = twice.map(|(label, paths)| format!("`{label}` in {}", paths.join(" and ")));
    assert_none("a label stands for one message", twice.collect());
}

#[test]
fn every_scheme_is_registered() {
    let helpers = ["mod.rs", "blank.rs", "over_binary.rs"];
    let mut missing = vec![];
    for file in files(&[".rs"]) {
        let Some(name) = file.path.strip_prefix("protocols/src/schemes/") else { continue };
        if helpers.contains(&name) || !file.text.contains("pub const INFO: Info") {
            continue;
        }
        let info = file.text.split("pub const INFO: Info").nth(1).expect("it is there");
        let name = info.split("name: \"").nth(1).and_then(|rest| rest.split('"').next());
        match name {
            Some(name) if mpc_protocols::registry::find(name).is_ok() => {}
            _ => missing.push(format!("{}: {name:?}", file.path)),
        }
    }
    assert_none("a scheme in the tree is in the registry", missing);
}

#[test]
fn crates_know_only_those_below_them() {
    let forbidden: &[(&str, &[&str])] = &[
        ("compiler/src/", &["mpc_protocols", "mpc_vm", "mpc_runtime"]),
        ("compiler/Cargo.toml", &["mpc-protocols", "mpc-vm", "mpc-runtime"]),
        ("vm/bytecode/", &["mpc_protocols", "mpc_vm", "mpc_runtime", "mpc_compiler"]),
        ("vm/bytecode/Cargo.toml", &["mpc-protocols", "mpc-vm", "mpc-runtime", "mpc-compiler"]),
        ("vm/src/", &["mpc_compiler"]),
        ("vm/Cargo.toml", &["mpc-compiler"]),
        ("protocols/", &["mpc_compiler", "mpc_vm", "mpc_bytecode"]),
        ("protocols/Cargo.toml", &["mpc-compiler", "mpc-vm", "mpc-bytecode"]),
        ("protocols/runtime/", &["mpc_protocols"]),
        ("protocols/runtime/Cargo.toml", &["mpc-protocols"]),
    ];
    let found = lines(&files(&[".rs", "Cargo.toml"]), |file, line| {
        forbidden.iter().any(|(place, names)| {
            file.path.starts_with(place) && names.iter().any(|name| line.contains(name))
        }) && !line.trim_start().starts_with("//")
    });
    assert_none("the direction of dependencies", found);
}

#[test]
fn protocols_touch_nothing_but_what_they_are_handed() {
    let words = [
        "std::net",
        "std::fs",
        "std::env",
        "Instant::now",
        "SystemTime",
        "getrandom",
        "thread_rng",
    ];
    let found = lines(&sources(&["protocols/"]), |_, line| {
        words.iter().any(|word| line.contains(word)) && !line.trim_start().starts_with("//")
    });
    assert_none("protocols open no socket, file or clock", found);
}

#[test]
fn no_path_of_a_machine_is_written_down() {
    let places: Vec<String> =
        ["work", "home", "root", "Users"].iter().map(|place| format!("/{place}/")).collect();
    let kinds = [".rs", ".mpc", ".md", ".toml", ".sh", ".json", ".lalrpop", ".ir"];
    let found = lines(&files(&kinds), |_, line| {
        places.iter().any(|place| {
            line.match_indices(place.as_str())
                .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.'))
        })
    });
    assert_none("no absolute paths", found);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let without = files(&["Cargo.toml"])
        .into_iter()
        .filter(|f| f.path != "Cargo.toml" && !f.text.contains("[lints]\nworkspace = true"));
    assert_none("crates without lints", without.map(|f| f.path).collect());
}

#[test]
fn the_manual_of_instructions_is_fresh() {
    let manual = files(&["INSTRUCTIONS.md"]).pop().expect("there is a manual");
    assert!(manual.text == mpc_bytecode::manual(), "BLESS=1 cargo test -p mpc-bytecode");
}

#[test]
fn the_table_of_protocols_is_fresh() {
    let current = mpc_protocols::manual::markdown().expect("every protocol has its costs");
    let path = mpc_tests::tree::root().join("protocols/PROTOCOLS.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &current).expect("the table can be written");
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == current, "BLESS=1 cargo test -p mpc-tests --test tidy");
}

#[test]
fn every_program_and_library_module_says_what_it_is_for() {
    let bare = files(&[".mpc"]).into_iter().filter(|f| {
        let shipped = f.path.starts_with("programs/") || f.path.starts_with("stdlib/");
        shipped && !f.text.trim_start().starts_with("//")
    });
    assert_none("a program says who would run it", bare.map(|f| f.path).collect());
}

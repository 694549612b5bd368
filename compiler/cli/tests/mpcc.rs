//! The command line: exit codes, messages, and no file left half written.

use std::path::PathBuf;
use std::process::{Command, Output};

/// A folder for one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(PathBuf::from(&path).parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_string()
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn mpcc(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mpcc")).args(args).output().unwrap()
}

fn refused(args: &[&str], part: &str) {
    let out = mpcc(args);
    let text = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{args:?}: {text}");
    assert!(text.contains(part), "{args:?}: expected «{part}» in\n{text}");
    assert!(!text.contains("panicked"), "{text}");
}

fn done(args: &[&str]) -> String {
    let out = mpcc(args);
    assert_eq!(out.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

const PROGRAM: &str = "role a, b;\ninput x: secret int<32> from a;\ninput y: secret int<32> from b;\noutput x < y to all as \"less\";\n";

#[test]
fn a_program_is_built_and_read_back() {
    let dir = Folder::new("build");
    let file = dir.file("p.mpc", PROGRAM);
    done(&["build", &file]);
    done(&["build", &file, "-o", &dir.path("q.mpcb"), "-O", "exact"]);
    assert_eq!(dir.files(), ["p.mpc", "p.mpcb", "q.mpcb"]);
    let text = done(&["disasm", &dir.path("p.mpcb")]);
    assert_eq!(text, done(&["build", &file, "--emit", "asm"]));
    assert!(done(&["build", &file, "--emit", "ir"]).contains("entry \"main\""));
    assert!(done(&["build", &file, "--emit", "stats"]).contains("instructions"));
    done(&["check", &file, &file]);
}

#[test]
fn costs_are_estimated_for_one_protocol_or_all() {
    let dir = Folder::new("estimate");
    let file = dir.file("p.mpc", PROGRAM);
    done(&["build", &file]);
    let bytecode = dir.path("p.mpcb");
    let all = done(&["estimate", &bytecode, "--network", "wan"]);
    assert!(
        ["plain", "rep3-ring", "rep3-bin", "shamir"].iter().all(|name| all.contains(name)),
        "{all}"
    );
    let one = done(&["estimate", &bytecode, "--protocol", "shamir", "--parties", "5", "--json"]);
    assert!(one.contains("\"parties\": 5") && one.contains("\"rounds\""), "{one}");
    refused(&["estimate", &bytecode, "--protocol", "nosuch"], "no protocol `nosuch`");
    refused(&["estimate", &bytecode, "--protocol", "shamir", "--parties", "2"], "shamir takes");
    assert_eq!(done(&["estimate", &file, "--network", "wan"]), all, "compiled on the way");
    refused(&["estimate", &bytecode, "-D", "N=3"], "bytecode has its constants in it");
    refused(&["estimate", &file, "--fix", "40,16"], "--fix is for models");
    refused(&["estimate", &dir.file("p.txt", PROGRAM)], "not a bytecode file");
}

#[test]
fn bad_use_is_refused() {
    let dir = Folder::new("use");
    let file = dir.file("p.mpc", PROGRAM);
    refused(&[], "Usage");
    refused(&["build"], "FILE");
    refused(&["build", &file, "--frobnicate"], "--frobnicate");
    refused(&["build", &file, "-o", "x", "-o", "y"], "-o");
    refused(&["build", &file, "-O", "fast"], "exact");
    refused(&["build", &file, "-D", "n"], "NAME=VALUE");
    refused(&["build", &file, "-D", "n=1", "-D", "n=2"], "twice");
    refused(&["build", &file, "-D", "n=1"], "no constant or size");
    refused(&["build", &dir.path("missing.mpc")], "no such file");
    refused(&["build", dir.0.to_str().unwrap()], "directory");
    refused(&["check", &file, &dir.path("missing.mpc")], "no such file");
    assert_eq!(dir.files(), ["p.mpc"]);
}

#[test]
fn nothing_is_left_where_output_cannot_be_written() {
    let dir = Folder::new("output");
    let file = dir.file("p.mpc", PROGRAM);
    refused(&["build", &file, "-o", &dir.path("missing/q.mpcb")], "cannot write");
    refused(&["build", &file, "-o", dir.0.to_str().unwrap()], "directory");
    let wrong = dir.file("wrong.mpc", "let x = ;");
    refused(&["build", &wrong], "wrong.mpc:1:9");
    assert_eq!(dir.files(), ["p.mpc", "wrong.mpc"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_and_a_pipe_are_named() {
    let dir = Folder::new("special");
    let file = dir.file("p.mpc", PROGRAM);
    let out = Command::new(env!("CARGO_BIN_EXE_mpcc"))
        .args(["build", &file, "--emit", "asm"])
        .stdout(std::fs::File::options().write(true).open("/dev/full").unwrap())
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("cannot write"));
    refused(&["build", "/dev/zero", "-o", &dir.path("q")], "no regular file");
    std::os::unix::fs::symlink("/etc/hostname", dir.path("outside.mpc")).unwrap();
    let main = dir.file("main.mpc", "use outside::{f};");
    refused(&["check", &main], "leads outside");
    dir.file("inside/p.mpc", "fn f() -> int { 1 }");
    std::os::unix::fs::symlink(dir.path("inside/p.mpc"), dir.path("link.mpc")).unwrap();
    done(&["check", &dir.file("main.mpc", "use link::{f};")]);
}

#[test]
fn a_circuit_has_a_limit_in_bytes() {
    let dir = Folder::new("circuit");
    let main = dir.file("p.mpc", "circuit f = \"f.txt\";\nlet x = 1;");
    let circuit = dir.file("f.txt", "");
    // Without a block on the disk.
    let file = std::fs::File::options().write(true).open(circuit).unwrap();
    file.set_len(64 << 20).unwrap();
    refused(&["check", &main], "line 1");
    file.set_len((64 << 20) + 1).unwrap();
    refused(&["check", &main], "larger than 64 MiB");
}

#[test]
fn json_is_one_object_per_line() {
    let dir = Folder::new("json");
    let file = dir.file("p.mpc", "let x = y;\nlet z = ;\n");
    let out = mpcc(&["check", &file, "--json"]);
    assert_eq!(out.status.code(), Some(2));
    let text = String::from_utf8(out.stderr).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    for line in text.lines() {
        assert!(
            line.starts_with("{\"severity\":\"error\",\"title\":") && line.contains("\"line\":"),
            "{line}"
        );
    }
}

#[test]
fn programs_are_formatted_in_place() {
    let dir = Folder::new("fmt");
    let file = dir.file("p.mpc", "role   a ;  // who\noutput 1to all as \"x\" ;");
    refused(&["fmt", "--check", &file], "not formatted");
    done(&["fmt", &file]);
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        "role a;  // who\noutput 1 to all as \"x\";\n"
    );
    done(&["fmt", "--check", &file]);
    let wrong = dir.file("wrong.mpc", "let x = ");
    refused(&["fmt", &wrong], "the file ends too early");
    assert_eq!(std::fs::read_to_string(&wrong).unwrap(), "let x = ");
}

#[test]
fn what_is_no_bytecode_is_refused() {
    let dir = Folder::new("disasm");
    refused(&["disasm", &dir.file("x.mpcb", "no bytecode")], "x.mpcb");
    refused(&["disasm", &dir.file("y.mpcb", "")], "y.mpcb");
    refused(&["disasm", &dir.path("z.mpcb")], "cannot read");
}

#[test]
fn doc_writes_a_page_for_each_module() {
    let folder = Folder::new("doc");
    let pages = folder.path("pages");
    assert!(mpcc(&["doc", "-o", &pages]).status.success());
    let page = std::fs::read_to_string(folder.path("pages/math.md")).unwrap();
    assert!(page.starts_with("# stdlib::math\n") && page.contains("\n## sqrt\n"));
    let own = folder.file("shapes.mpc", "/// Twice x.\nfn twice(x: int) -> int { 2 * x }\n");
    let printed = String::from_utf8(mpcc(&["doc", &own]).stdout).unwrap();
    assert!(printed.starts_with("# shapes\n") && printed.contains("fn twice(x: int) -> int"));
    let bad = folder.file("bad.mpc", "fn f( {");
    assert_eq!(mpcc(&["doc", &bad]).status.code(), Some(2));
}

//! The `mpcvm` binary: what it prints, how it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mpc_bytecode::operand::Text;
use mpc_bytecode::{Element, Entry, Instruction, Program, Receivers, Span, Variable};

/// A directory of one test, removed in the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mpcvm-test-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Place(path)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.0.join(name), bytes).unwrap();
        self.0.join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mpcvm(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mpcvm")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Exit code 2, one line that holds `expected`, nothing on standard output.
fn refused(arguments: &[&str], expected: &str) {
    let output = mpcvm(arguments);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
    assert!(told.contains(expected), "{arguments:?}: {told:?} lacks {expected:?}");
    // what the reader of arguments says is longer
    let lines = if told.starts_with("mpcvm: ") { 1 } else { 8 };
    assert!(told.lines().count() <= lines && !told.contains("panicked"), "{arguments:?}: {told}");
    assert!(output.stdout.is_empty());
}

/// Sum of the two private vectors of alice and bob, each of two `int<16>`, and its comparison with 10.
fn sum_program() -> Program {
    sum_program_of(17)
}

/// As [`sum_program`], with a promise that sums have so many bits.
fn sum_program_of(bits: u32) -> Program {
    let code = [
        "input (c0:2, $0) (c2:2, $1)",
        "share (s0:2, c0:2, $0, 16) (s2:2, c2:2, $1, 16)",
        &format!("adds (s4:2, s0:2, s2:2, {bits})"),
        &format!("open (c4:2, s4:2, {bits})"),
        "output ($0, c4:2)",
        "halt ()",
    ];
    let code: Vec<Instruction> =
        code.iter().map(|text| Instruction::parse(&mut Text::new(text)).unwrap()).collect();
    let input = |name: &str, role| Variable {
        name: name.into(),
        element: Element::Int(16),
        shape: vec![2],
        receivers: Receivers::Roles(vec![role]),
    };
    Program {
        roles: vec!["alice".into(), "bob".into()],
        inputs: vec![input("a", 0), input("b", 1)],
        outputs: vec![Variable {
            name: "sum".into(),
            element: Element::Int(bits),
            shape: vec![2],
            receivers: Receivers::All,
        }],
        states: vec![],
        entries: vec![Entry { name: "main".into(), start: 0, end: code.len() as u32 }],
        registers: [8; 5],
        ring_bits: bits,
        field_bits: bits,
        pool: vec![],
        circuits: vec![],
        spans: (1..=code.len() as u32).map(|line| Span { file: 0, line, column: 1 }).collect(),
        files: vec!["sum.mpc".into()],
        code,
    }
}

fn place_with_program(name: &str) -> (Place, String) {
    let place = Place::new(name);
    let file = place.file("sum.mpcb", sum_program().encode());
    place.file("a.csv", "1,-2\n");
    place.file("b.csv", "10,20\n");
    let file = file.display().to_string();
    (place, file)
}

fn input(place: &Place, name: &str, file: &str) -> String {
    format!("{name}={}", place.0.join(file).display())
}

#[test]
fn emulate_prints_or_writes_outputs() {
    let (place, file) = place_with_program("emulate");
    let (a, b) = (input(&place, "a", "a.csv"), input(&place, "bob.b", "b.csv"));
    let output = mpcvm(&["emulate", &file, "--checked", "--input", &a, "--input", &b]);
    assert_eq!(text(&output.stdout), "sum = [11, 18]\n");
    let directory = place.0.join("out");
    let shown = directory.display().to_string();
    let output = mpcvm(&["emulate", &file, "--input", &a, "--input", &b, "--output-dir", &shown]);
    assert!(output.status.success() && output.stdout.is_empty());
    let variable = &sum_program().outputs[0];
    let read = mpc_vm::data::read_input(&directory.join("sum.npy"), variable).unwrap();
    assert_eq!(read, [11, 18]);
}

#[test]
fn local_runs_every_party_as_a_process() {
    let (place, file) = place_with_program("local");
    let (a, b) = (input(&place, "a", "a.csv"), input(&place, "b", "b.csv"));
    let stats = place.0.join("stats.json").display().to_string();
    for (protocol, parties) in [("plain", 1), ("rep3-ring", 3), ("shamir", 3), ("shamir", 5)] {
        if mpc_protocols::registry::find(protocol).is_err() {
            continue;
        }
        let parties = parties.to_string();
        let output = mpcvm(&[
            "local",
            &file,
            "--protocol",
            protocol,
            "--parties",
            &parties,
            "--input",
            &a,
            "--input",
            &b,
            "--stats",
            &stats,
            "--json",
        ]);
        let told = text(&output.stderr);
        assert_eq!(text(&output.stdout), "{\"name\":\"sum\",\"value\":[11,18]}\n", "{told}");
        assert!(told.contains(protocol) && told.contains("rounds"), "{told}");
        let found = fs::read_to_string(&stats).unwrap();
        assert!(!found.contains("null"), "{found}");
        for key in ["schema", "bytecode_hash", "rounds", "flushes", "peak_rss_bytes", "setup"] {
            assert!(found.contains(&format!("\"{key}\"")), "{key}");
        }
    }
}

#[test]
fn preprocessing_is_made_ahead_and_used_once() {
    let (place, file) = place_with_program("prep");
    let (a, b) = (input(&place, "a", "a.csv"), input(&place, "b", "b.csv"));
    let kept = place.0.join("kept").display().to_string();
    let stats = place.0.join("stats.json").display().to_string();
    let output = mpcvm(&["prep", &file, "--protocol", "spdz2k", "--out", &kept, "--quiet"]);
    let told = text(&output.stderr);
    assert!(output.status.success() && output.stdout.is_empty(), "{told}");
    refused(&["prep", &file, "--protocol", "spdz2k", "--party", "0", "--out", &kept], "--config");

    let inputs = ["--input", &a, "--input", &b];
    let with = |protocol: &'static str, more: &[&'static str]| {
        let mut arguments = vec!["local", &*file, "--protocol", protocol, "--prep", &*kept];
        arguments.extend(inputs.iter().chain(more));
        arguments.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let run =
        |arguments: &[String]| mpcvm(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let fails = |arguments: &[String], expected: &str| {
        let output = run(arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(expected), "{told}");
    };
    fails(&with("mascot", &[]), "for another run: `protocol` was spdz2k, it is mascot");
    fails(&with("spdz2k", &["--stat-sec=44"]), "`statistical security` was 40, it is 44");
    fails(&with("spdz2k", &["--role=alice=1"]), "`role alice` was 0, it is 1");

    let mut arguments = with("spdz2k", &[]);
    arguments.extend(["--stats".into(), stats.clone()]);
    let output = run(&arguments);
    assert_eq!(text(&output.stdout), "sum = [11, 18]\n", "{}", text(&output.stderr));
    let told: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&stats).unwrap()).unwrap();
    for party in told["per_party"].as_array().unwrap() {
        assert_eq!(party["bytes_sent_preprocessing"], 0, "{told}");
        assert_ne!(party["bytes_sent_online"], 0);
    }
    fails(&with("spdz2k", &[]), "party0.prep");
}

#[test]
fn bad_input_is_told_in_one_line_with_exit_code_2() {
    let (place, file) = place_with_program("bad");
    let a = input(&place, "a", "a.csv");
    let b = input(&place, "b", "b.csv");
    place.file("long.csv", "1,2,3\n");
    place.file("large.csv", "1\n40000\n");
    let mut damaged = sum_program().encode();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let damaged = place.file("damaged.mpcb", damaged).display().to_string();
    let mut newer = sum_program().encode();
    newer[4] = 99;
    let newer = place.file("newer.mpcb", newer).display().to_string();
    let empty = place.file("empty.mpcb", "").display().to_string();
    let directory = place.0.display().to_string();

    refused(&["emulate", "none.mpcb"], "none.mpcb");
    refused(&["emulate", &directory], "case.toml");
    refused(&["emulate", &empty], "not a bytecode file");
    refused(&["emulate", &damaged], "damaged");
    refused(&["emulate", &newer], "version");
    refused(&["emulate", &file, "--input", &a], "input `b` of role bob is missing");
    refused(&["emulate", &file, "--input", &a, "--input", &a], "twice");
    refused(&["emulate", &file, "--input", &input(&place, "aa", "a.csv")], "did you mean `a`?");
    refused(&["emulate", &file, "--input", &input(&place, "a", "long.csv")], "shape [1, 3]");
    refused(&["emulate", &file, "--input", &input(&place, "a", "large.csv")], "large.csv:2:");
    refused(&["emulate", &file, "--entry", "train"], "no entry `train`");
    refused(&["emulate", &file, "--input", "a"], "NAME=PATH");
    refused(&["emulate", &file, "--chekced"], "--checked");
    refused(&["local", &file, "--protocol", "rep33"], "rep33");
    refused(&["local", &file, "--protocol", "plain", "--parties", "2"], "1 parties");
    refused(&["local", &file, "--protocol", "plain", "--role", "carol=0"], "no role `carol`");
    refused(&["local", &file, "--protocol", "plain", "--role", "bob=1"], "no party 1");
    refused(&["local", &file, "--protocol", "plain", "--network", "slow"], "no network");
    refused(&["local", &file, "--protocol", "plain", "--truncation", "wild"], "wild");
    refused(&["local", &file, "--protocol", "plain", "--stat-sec", "20"], "20");
    refused(&["local", &file, "--protocol", "plain", "--input", &b], "input `a` of role alice");
    refused(&["run", &file, "--party", "0", "--config", "none.toml"], "none.toml");
}

#[test]
fn what_cannot_be_read_or_written_is_told_before_anything_runs() {
    let (place, file) = place_with_program("files");
    let (a, b) = (input(&place, "a", "a.csv"), input(&place, "b", "b.csv"));
    let at = |name: &str| place.0.join(name).display().to_string();
    let pipe = Command::new("mkfifo").arg(at("pipe.csv")).status().unwrap();
    assert!(pipe.success());
    place.file("words.csv", "1\nx\n");
    place.file("half.csv", "1\n2.5\n");
    place.file("nan.csv", "1\nnan\n");
    place.file("three.json", "[1, 2, 3]");
    place.file("deep.json", "[".repeat(100_000));
    place.file("none.npy", "");
    place.file("cut.npy", b"\x93NUMPY\x01\x00\x76\x00{'descr'");
    place.file("bytes.csv", b"1\n\xff\n");
    for (name, expected) in [
        ("pipe.csv", "no regular file"),
        ("missing.csv", "missing.csv"),
        ("words.csv", "words.csv:2: column 1: `x` is no number"),
        ("half.csv", "half.csv:2: value 2.5 is no whole number"),
        ("nan.csv", "nan.csv:2: value NaN is no number"),
        ("three.json", "shape [3], the program wants [2]"),
        ("deep.json", "deep.json:1"),
        ("none.npy", "ends within its head"),
        ("cut.npy", "ends within its head"),
        ("bytes.csv", "not UTF-8 at byte 2"),
    ] {
        let a = input(&place, "a", name);
        refused(&["emulate", &file, "--input", &a, "--input", &b], expected);
        let arguments = ["local", &file, "--protocol", "plain", "--input", &a, "--input", &b];
        refused(&arguments, expected);
    }
    let good = ["local", &file, "--input", &a, "--input", &b];
    let with = |more: [&str; 2], expected| refused(&[&good[..], &more].concat(), expected);
    with(["--stats", &at("missing/s.json")], "missing/s.json");
    with(["--stats", &at("")], "directory");
    with(["--output-dir", &at("a.csv")], "a.csv");
    with(["--output-dir", "/proc/x"], "/proc/x");
    with(["--threads", "0"], "between 1 and 256");
    with(["--threads", "99999999"], "between 1 and 256");
    with(["--parties", "4"], "rep3-ring takes 3 parties, not 4");
    refused(&["local", "/dev/zero"], "no regular file");
    refused(&["run", &file, "--party", "0", "--config", "/dev/zero"], "no regular file");
    refused(&["run", &file, "--party", "0", "--config", &at("bytes.csv")], "no UTF-8");
    let mut program = sum_program();
    let twin = Variable { name: "a/b".into(), ..program.outputs[0].clone() };
    program.outputs = vec![Variable { name: "a_b".into(), ..twin.clone() }, twin];
    let twins = place.file("twins.mpcb", program.encode()).display().to_string();
    let arguments = ["emulate", &twins, "--input", &a, "--input", &b, "--output-dir", &at("out")];
    refused(&arguments, "`a_b` and `a/b` are both written there");
    let parts = |entry: fs::DirEntry| entry.file_name().to_string_lossy().ends_with(".part");
    assert!(!fs::read_dir(&place.0).unwrap().any(|entry| parts(entry.unwrap())));
}

#[test]
fn results_that_cannot_be_printed_are_an_error() {
    let (place, file) = place_with_program("full");
    let (a, b) = (input(&place, "a", "a.csv"), input(&place, "b", "b.csv"));
    let directory = place.0.display().to_string();
    let inputs = ["--input", &a, "--input", &b];
    for arguments in [
        &["protocols"][..],
        &["protocols", "--json"],
        &["keygen", "--out", &directory, "--name", "full"],
        &[&["emulate", &file][..], &inputs].concat(),
        &[&["local", &file, "--quiet"][..], &inputs].concat(),
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpcvm"));
        let output = command.args(arguments).stdout(full).output().unwrap();
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.starts_with("mpcvm: standard output: "), "{arguments:?}: {told}");
    }
}

fn session(place: &Place, parties: usize) -> String {
    let directory = place.0.display().to_string();
    let mut session = String::new();
    // Ports that are free now, and different since they are held together; tests of other processes may
    // take one before it is used, which is rare.
    let bind = |_| std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listeners: Vec<_> = (0..parties).map(bind).collect();
    for (party, listener) in listeners.iter().enumerate() {
        let name = format!("p{party}");
        let output = mpcvm(&["keygen", "--out", &directory, "--name", &name]);
        assert!(output.status.success());
        let port = listener.local_addr().unwrap();
        session += &text(&output.stdout).replace("HOST:PORT", &port.to_string());
    }
    session
}

#[test]
fn keys_are_private_and_never_replaced() {
    let place = Place::new("keygen");
    session(&place, 1);
    let key = place.0.join("p0.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let directory = place.0.display().to_string();
    refused(&["keygen", "--out", &directory, "--name", "p0"], "p0.key");
    refused(&["keygen", "--out", &directory, "--name", "../x"], "no name for files");
}

#[test]
fn net_check_prints_the_matrix_at_every_party() {
    let place = Place::new("net-check");
    let file = place.file("s.toml", session(&place, 3));
    let started: Vec<_> = (0..3)
        .map(|party| {
            Command::new(env!("CARGO_BIN_EXE_mpcvm"))
                .args(["net-check", "--party", &party.to_string(), "--config"])
                .arg(&file)
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in started {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout).matches(" ms").count(), 6);
    }
}

#[test]
fn a_session_that_cannot_work_is_refused_before_connecting() {
    let (place, program) = place_with_program("session");
    let good = session(&place, 2);
    let run = |text: &str, party: &str, expected: &str| {
        let file = place.file("s.toml", text);
        let a = input(&place, "a", "a.csv");
        let config = file.display().to_string();
        let arguments = ["run", &program, "--party", party, "--config", &config];
        refused(&[&arguments[..], &["--input", &a, "--protocol", "plain"]].concat(), expected);
    };
    run("", "0", "no [[party]]");
    run(&good.replace("address", "adress"), "0", "did you mean `address`?");
    run(&good, "0", "plain takes 1 parties");
    let key = place.0.join("p0.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let b = input(&place, "b", "b.csv");
    let one = place.file("one.toml", good.split("\n#").next().unwrap());
    let check = Path::new(&one).display().to_string();
    let a = input(&place, "a", "a.csv");
    let roles = ["--role", "alice=0", "--role", "bob=0", "--protocol", "plain"];
    let arguments = ["run", &program, "--party", "0", "--config", &check];
    let files = ["--input", &a, "--input", &b];
    refused(&[&arguments[..], &roles, &files].concat(), "chmod 600");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let output = mpcvm(&[&arguments[..], &roles, &files].concat());
    assert_eq!(text(&output.stdout), "sum = [11, 18]\n", "{}", text(&output.stderr));
}

#[test]
fn a_party_that_cannot_be_itself_is_told_why() {
    let (place, program) = place_with_program("itself");
    // all wait for a second only
    let session = session(&place, 3) + "[timeouts]\nconnect = 1\n";
    let a = input(&place, "a", "a.csv");
    let run = |session: &str, party: &str, expected: &str| {
        let config = place.file("s.toml", session).display().to_string();
        let arguments = ["run", &program, "--party", party, "--config", &config];
        refused(&[&arguments[..], &["--input", &a, "--protocol", "rep3-ring"]].concat(), expected);
    };
    run(&session, "3", "there is no party 3");
    run(&session, "x", "invalid digit");
    run(&format!("threads = 0\n{session}"), "0", "0 threads");
    run(&format!("truncation = \"wild\"\n{session}"), "0", "no truncation `wild`");
    let addresses: Vec<&str> =
        session.lines().filter_map(|l| l.strip_prefix("address = ")).collect();
    run(&session.replace(addresses[1], addresses[0]), "0", "0 and 1 have the same address");
    let unknown = session.replace(addresses[0], "\"no-such-host.invalid:1\"");
    run(&unknown, "2", "cannot resolve `no-such-host.invalid:1`");
    let taken = std::net::TcpListener::bind(addresses[0].trim_matches('"')).unwrap();
    run(&session, "0", "cannot listen on");
    drop(taken);
    let swap = |name: &str, bytes: &[u8], expected: &str| {
        let kept = fs::read(place.0.join(name)).unwrap();
        place.file(name, bytes);
        run(&session, "0", expected);
        place.file(name, kept);
    };
    let of = |name: &str| fs::read(place.0.join(name)).unwrap();
    swap("p0.key", b"junk", "private key");
    swap("p0.key", &of("p1.key"), "own key and certificate");
    swap("p0.key", &[b'x'; 1 << 17], "131072 bytes, at most");
    swap("p0.crt", b"junk", "certificate");
    swap("p0.crt", &of("p1.crt"), "the session pins");
}

#[test]
fn protocols_are_listed_for_people_and_programs() {
    let output = mpcvm(&["protocols"]);
    assert!(text(&output.stdout).contains("plain"));
    let output = mpcvm(&["protocols", "--json"]);
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), mpc_protocols::registry::PROTOCOLS.len());
    assert!(rows[0]["least_parties"].is_u64());
}

#[test]
fn source_is_compiled_and_takes_its_sizes_from_the_data() {
    let place = Place::new("source");
    let source = "role alice, bob;\n\
        input a: secret int<16>[n] from alice;\n\
        input b: secret int<16>[n] from bob;\n\
        output a * b to all as \"products\";\n";
    let file = place.file("products.mpc", source).display().to_string();
    place.file("a.csv", "1\n-2\n3\n");
    place.file("b.csv", "4\n5\n6\n");
    let (a, b) = (input(&place, "a", "a.csv"), input(&place, "b", "b.csv"));
    let output = mpcvm(&["emulate", &file, "--input", &a, "--input", &b]);
    assert_eq!(text(&output.stdout), "products = [4, -10, 18]\n", "{}", text(&output.stderr));
    let output = mpcvm(&[
        "local",
        &file,
        "--protocol",
        "rep3-ring",
        "--input",
        &a,
        "--input",
        &b,
        "--quiet",
    ]);
    assert_eq!(text(&output.stdout), "products = [4, -10, 18]\n", "{}", text(&output.stderr));
    let wrong = place.file("wrong.mpc", "output 1 +;").display().to_string();
    let output = mpcvm(&["local", &wrong]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("wrong.mpc:1"), "{}", text(&output.stderr));
}

/// What waits at the evaluator does not grow with the circuit: tables of 800 MB here.
#[test]
fn a_garbler_stays_close_to_its_evaluator() {
    let place = Place::new("garbler");
    let source = "role alice;\n\
        let x = random_bits([131072]);\n\
        var y = x;\n\
        for i in 0..200 { y = y & x; }\n\
        output (y == x)[0] to alice as \"same\";\n";
    let file = place.file("chain.mpc", source).display().to_string();
    let stats = place.0.join("stats.json").display().to_string();
    let output = mpcvm(&["local", &file, "--protocol", "yao", "--stats", &stats, "--quiet"]);
    assert_eq!(text(&output.stdout), "same = true\n", "{}", text(&output.stderr));
    let found: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&stats).unwrap()).unwrap();
    for party in found["per_party"].as_array().unwrap() {
        let early = party["early_bytes_peak"].as_u64().unwrap();
        assert!(early < 64 << 20, "{early} bytes waited");
    }
}

const LONG: &str = "role alice, bob;\n\
    input a: secret int<32>[100] from alice;\n\
    input b: secret int<32>[100] from bob;\n\
    var x = a;\n\
    for i in 0..1000000 {\n\
      x = select(x < b, x + 1, x);\n\
    }\n\
    output sum(x) to all as \"s\";\n";

/// Starts three parties of one program; `extra` arguments go to party 1 only.
fn three_parties(place: &Place, extra: &[&str]) -> Vec<std::process::Child> {
    let program = place.file("long.mpc", LONG);
    let numbers: String = (0..100).map(|i| format!("{i}\n")).collect();
    place.file("v.csv", numbers);
    let config = place.file("s.toml", session(place, 3));
    (0..3)
        .map(|party| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_mpcvm"));
            command.arg("run").arg(&program).args(["--party", &party.to_string()]);
            command.arg("--config").arg(&config).args(["--protocol", "rep3-ring"]);
            match party {
                0 => drop(command.args(["--input", &input(place, "a", "v.csv")])),
                1 => drop(command.args(["--input", &input(place, "b", "v.csv")]).args(extra)),
                _ => {}
            }
            let piped = std::process::Stdio::piped;
            command.stdout(piped()).stderr(piped()).spawn().unwrap()
        })
        .collect()
}

#[test]
fn a_party_killed_at_any_of_ten_points_is_named_by_the_others_with_the_source_line() {
    let seed: u64 = std::env::var("SEED").map_or(1, |text| text.parse().expect("a number"));
    println!("SEED={seed}");
    let mut state = seed;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % n
    };
    for _ in 0..10 {
        let (victim, wait_ms) = (below(3) as usize, 150 + below(300));
        let place = Place::new("kill");
        let mut parties = three_parties(&place, &[]);
        std::thread::sleep(std::time::Duration::from_millis(wait_ms));
        let mut killed = parties.remove(victim);
        killed.kill().unwrap();
        killed.wait().unwrap();
        let began = std::time::Instant::now();
        for child in parties {
            let output = child.wait_with_output().unwrap();
            let told = text(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "party {victim} at {wait_ms} ms: {told}");
            assert!(told.contains(&format!("party {victim} is gone")), "{told}");
            assert!(told.contains("long.mpc:"), "{told}");
            assert!(output.stdout.is_empty());
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
    }
}

/// Sends a signal to a process.
fn signal(name: &str, child: &std::process::Child) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_party_that_is_told_to_end_does_and_the_others_name_it() {
    use std::os::unix::process::ExitStatusExt;
    for (name, number) in [("INT", 2), ("TERM", 15)] {
        let place = Place::new("signal");
        let mut parties = three_parties(&place, &[]);
        std::thread::sleep(std::time::Duration::from_millis(400));
        let began = std::time::Instant::now();
        signal(name, &parties[1]);
        assert_eq!(parties.remove(1).wait().unwrap().signal(), Some(number));
        for child in parties {
            let output = child.wait_with_output().unwrap();
            let told = text(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{told}");
            assert!(told.contains("party 1 is gone") && output.stdout.is_empty(), "{told}");
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
    }
}

#[test]
fn all_parties_of_a_local_run_end_with_it_and_leave_nothing() {
    let place = Place::new("local-signal");
    let program = place.file("long.mpc", LONG);
    place.file("v.csv", (0..100).map(|i| format!("{i}\n")).collect::<String>());
    let out = place.0.join("out");
    let processes = || {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let lines = entries.filter_map(|e| fs::read(e.path().join("cmdline")).ok());
        lines.filter(|line| text(line).contains(&*out.to_string_lossy())).count()
    };
    for name in ["INT", "TERM", "KILL"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpcvm"));
        command.arg("local").arg(&program).arg("--output-dir").arg(&out);
        command.args(["--input", &input(&place, "a", "v.csv")]);
        command.args(["--input", &input(&place, "b", "v.csv")]);
        let mut local = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert_eq!(processes(), 4, "the run and its parties");
        let began = std::time::Instant::now();
        signal(name, &local);
        assert!(!local.wait().unwrap().success());
        while processes() > 0 {
            assert!(began.elapsed() < std::time::Duration::from_secs(2), "{name}: some go on");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
        let own = format!("mpcvm-{}-", local.id());
        let mut entries = fs::read_dir(std::env::temp_dir()).unwrap().flatten();
        assert!(!entries.any(|e| e.file_name().to_string_lossy().starts_with(&own)));
    }
}

#[test]
fn a_field_that_differs_is_named_by_every_party() {
    let place = Place::new("differs");
    for child in three_parties(&place, &["--truncation", "fast"]) {
        let output = child.wait_with_output().unwrap();
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("`truncation`") && told.contains("fast"), "{told}");
    }
    let place = Place::new("differs-too");
    for child in three_parties(&place, &["--comparison", "bytes"]) {
        let output = child.wait_with_output().unwrap();
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("`comparison`") && told.contains("bytes"), "{told}");
    }
}

/// `scripts/compare` with these arguments, unless there is no Python.
fn compare(arguments: &[&str]) -> Option<Command> {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("there is no python3: nothing is compared");
        return None;
    }
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/compare"));
    let binaries = Path::new(env!("CARGO_BIN_EXE_mpcvm")).parent().unwrap();
    command.args(arguments).arg("--bin").arg(binaries);
    Some(command)
}

#[test]
fn compare_says_that_data_break_a_width_and_not_that_a_protocol_is_wrong() {
    let place = Place::new("broken");
    let program = sum_program_of(16);
    let file = place.file("sum.mpcb", program.encode()).display().to_string();
    place.file("a.csv", "30000,1\n");
    place.file("b.csv", "30000,2\n");
    let (a, b) = (input(&place, "a", "a.csv"), input(&place, "b", "b.csv"));
    let arguments = [&*file, "--protocols", "rep3-ring,rep3-bin", "--input", &a, "--input", &b];
    let Some(mut command) = compare(&arguments) else { return };
    let output = command.args(["--repeat", "1"]).output().unwrap();
    let (table, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{table}{told}");
    assert!(table.contains("the data break the program") && !table.contains("WRONG"), "{table}");
}

#[test]
fn compare_runs_one_bytecode_under_several_protocols() {
    let (place, file) = place_with_program("compare");
    let (a, b) = (input(&place, "a", "a.csv"), input(&place, "b", "b.csv"));
    let (csv, json) = (place.0.join("table.csv"), place.0.join("table.json"));
    let arguments = [&*file, "--protocols", "plain,rep3-ring,shamir", "--input", &a, "--input", &b];
    let Some(mut command) = compare(&arguments) else { return };
    command
        .args(["--parties", "3", "--repeat", "2"])
        .arg("--csv")
        .arg(&csv)
        .arg("--json")
        .arg(&json);
    let output = command.output().unwrap();
    let (table, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{table}{told}");
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).collect();
    assert_eq!(rows.len(), 5, "{table}");
    assert!(rows[2].contains("takes 1 parties"), "{table}");
    assert!(rows[3].starts_with("| rep3-ring | semi-honest | 3 | ") && !rows[3].contains("WRONG"));
    assert!(told.contains("shamir, run 2 of 2"), "{told}");
    assert_eq!(fs::read_to_string(csv).unwrap().lines().count(), 4);
    let found: serde_json::Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!(found["protocols"][1]["runs"].as_array().unwrap().len(), 2, "{found}");
    assert!(found["protocols"][2]["bytes_online"].as_f64().unwrap() > 0.0, "{found}");
}

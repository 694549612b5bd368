//! Whatever is given to the compiler, it answers with a message: no panic, no hang, no exhausted stack.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mpc_compiler::source::LoadError;
use mpc_compiler::{CompileOptions, build, compile, passes::Level};
use proptest::prelude::*;

/// Messages of a program, rendered in both ways.
fn messages(files: &BTreeMap<String, String>, options: &CompileOptions) -> String {
    match build("main.mpc", files, options, Level::Full) {
        Ok(_) => String::new(),
        Err(failure) => {
            failure
                .diagnostics
                .iter()
                .for_each(|d| drop(mpc_compiler::diagnostics::render_json(d, &failure.sources)));
            failure.render(false)
        }
    }
}

fn answer(text: &str) -> String {
    let start = Instant::now();
    let files = BTreeMap::from([("main.mpc".to_string(), text.to_string())]);
    let out = messages(&files, &CompileOptions::default());
    let _ = mpc_compiler::format::format("main.mpc", text.as_bytes().to_vec());
    assert!(start.elapsed() < Duration::from_secs(10), "too slow: {}", &text[..text.len().min(80)]);
    out
}

fn refused(text: &str, part: &str) {
    let out = answer(text);
    assert!(out.contains(part), "expected «{part}» in\n{out}");
}

fn bytes(given: &[u8]) -> String {
    let loader =
        |path: &str| if path == "main.mpc" { Ok(given.to_vec()) } else { Err(LoadError::Missing) };
    match compile("main.mpc", &loader, &CompileOptions::default()) {
        Ok(_) => String::new(),
        Err(failure) => failure.render(false),
    }
}

#[test]
fn an_empty_program_compiles() {
    assert_eq!(answer(""), "");
    assert_eq!(answer("\n\n// nothing\n"), "");
}

#[test]
fn nesting_is_limited() {
    let deep = |open: &str, close: &str| {
        format!("let x = {}1{};", open.repeat(10_000), close.repeat(10_000))
    };
    refused(&deep("(", ")"), "nested too deeply");
    refused(&deep("[", "]"), "nested too deeply");
    refused(&deep("-", ""), "nested too deeply");
    refused(&deep("!", ""), "nested too deeply");
    refused(&format!("let x = {}1;", "1 + ".repeat(100_000)), "nested too deeply");
    refused(&format!("{} {}", "if true {".repeat(10_000), "}".repeat(10_000)), "nested too deeply");
    refused(&format!("if true {{}} {}", "else if true {} ".repeat(10_000)), "nested too deeply");
    refused(&format!("let x = y{};", "[0]".repeat(10_000)), "nested too deeply");
    refused(
        &format!("let x: fix[{}1{}] = 1;", "(".repeat(500), ")".repeat(500)),
        "nested too deeply",
    );
}

#[test]
fn long_sums_are_no_nesting() {
    let text = format!("role a; input x: secret int from a; output x{} to a;", " + x".repeat(700));
    assert_eq!(answer(&text.replace("to a;", "to a as \"x\";")), "");
}

#[test]
fn huge_literals_are_refused() {
    refused(&format!("let x = 1{};", "0".repeat(400)), "too many digits");
    refused("let x: int = 99999999999999999999;", "does not fit");
    refused("var x = 340282366920938463463374607431768211456;", "too large");
    refused("var x = 1e999;", "too large");
    refused("var x = 1.5e300;", "too large");
}

#[test]
fn widths_have_limits() {
    for ty in [
        "int<0>",
        "int<129>",
        "int<65>",
        "wrap<0>",
        "fix<1,0>",
        "fix<40,40>",
        "fix<65,1>",
        "int<-1>",
        "int<1.5>",
    ] {
        refused(&format!("role a; input x: secret {ty} from a;"), "error");
    }
}

#[test]
fn sizes_have_limits() {
    refused("role a; input x: secret int[-1] from a;", "a size cannot be -1");
    refused("role a; input x: secret int[1000000, 1000000, 1000000] from a;", "too large");
    refused("role a[100000]; ", "number of roles");
    refused("let x = iota(99999999999999);", "size cannot be");
    refused("role a; input x: secret int[1.5] from a;", "size cannot be");
}

#[test]
fn text_that_is_none_is_named() {
    assert!(bytes(b"let x = 1;\n\xff\xfe").contains("main.mpc:2: byte 11 is not valid UTF-8"));
    refused("let x\0 = 1;", "NUL byte");
    refused("let \u{1b}x = 1;", "control character");
    refused("let größe = 1;", "the letter");
    assert_eq!(bytes("\u{feff}role a;\r\nvar _x = 1;\r\n".as_bytes()), "");
    assert!(bytes(&vec![b' '; 5 << 20]).contains("larger than"));
    let long = format!("let x = {};", "a".repeat(1 << 20));
    assert!(answer(&long).len() < 3 << 20);
}

#[test]
fn imports_stay_in_the_program() {
    let files = |list: &[(&str, &str)]| {
        list.iter().map(|(n, t)| (n.to_string(), t.to_string())).collect::<BTreeMap<_, _>>()
    };
    let out = |list: &[(&str, &str)]| messages(&files(list), &CompileOptions::default());
    assert!(
        out(&[("main.mpc", "use a::{f};"), ("a.mpc", "use b::{f};"), ("b.mpc", "use a::{f};")])
            .contains("circle")
    );
    assert!(out(&[("main.mpc", "use main::{f};")]).contains("circle"));
    assert!(out(&[("main.mpc", "use super::a::{f};")]).contains("cannot leave the folder"));
    assert!(out(&[("main.mpc", "use a::{f};")]).contains("no such file"));
    assert!(out(&[("main.mpc", "use stdlib::nothing::{f};")]).contains("no module `nothing`"));
    assert!(out(&[("main.mpc", "use stdlib::nn::{rely};")]).contains("did you mean `relu`"));
    assert!(
        out(&[("main.mpc", "use a::{f};"), ("a.mpc", "role r; fn f() -> int { 1 }")])
            .contains("imported")
    );
    assert_eq!(
        out(&[
            ("main.mpc", "use a::b::{f}; use a::b; role r; output f() + b::f() to r as \"x\";"),
            ("a/b.mpc", "use c::{g}; fn f() -> int { g() }"),
            ("a/c.mpc", "fn g() -> int { 3 }"),
        ]),
        ""
    );
    let chain: Vec<(String, String)> =
        (0..200).map(|i| (format!("m{i}.mpc"), format!("use m{}::{{f}};", i + 1))).collect();
    let mut all: BTreeMap<String, String> = chain.into_iter().collect();
    all.insert("main.mpc".into(), "use m0::{f};".into());
    assert!(messages(&all, &CompileOptions::default()).contains("nested too deeply"));
}

#[test]
fn recursion_is_refused() {
    refused("fn f(x: int) -> int { f(x) } output f(1) to all as \"x\";", "calls itself");
    refused("fn f() { g(); } fn g() { f(); }", "calls itself");
    refused("const A: int = B; const B: int = A;", "depends on itself");
    let chain: String =
        (0..500).map(|i| format!("fn f{i}() -> int {{ f{}() }}\n", i + 1)).collect();
    refused(&format!("{chain} fn f500() -> int {{ 1 }} output f0() to all as \"x\";"), "error");
}

#[test]
fn programs_that_explode_are_stopped() {
    let twice: String = (0..40)
        .map(|i| format!("fn f{i}(x: secret int) -> secret int {{ f{0}(x) + f{0}(x) }}\n", i + 1))
        .collect();
    let program = format!(
        "role a; input x: secret int from a; {twice} fn f40(x: secret int) -> secret int {{ x }} output f0(x) to a as \"y\";"
    );
    refused(&program, "too large when it is unrolled");
    refused(
        "var x = 0; unroll for i in 0..1000000000000 { x += 1; }",
        "too large when it is unrolled",
    );
    refused("unroll for i in 0..1000000000000 { }", "too large when it is unrolled");
}

#[test]
fn large_tensors_and_long_loops_compile_at_once() {
    let start = Instant::now();
    let program = "role a; input x: secret fix[1000, 1000] from a; output matmul(x, x) to a as \"square\";
        var s = 0.0; for i in 0..1000000 { s += x[0, 0]; } output s to a; output max(x) to a as \"max\";";
    let files = BTreeMap::from([("main.mpc".to_string(), program.to_string())]);
    let (bytecode, _) = build("main.mpc", &files, &CompileOptions::default(), Level::Full)
        .map_err(|f| f.render(false))
        .unwrap();
    assert!(bytecode.encode().len() < 20_000);
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn the_same_source_gives_the_same_bytes() {
    let text = include_str!("fmt/auction.mpc");
    let files = BTreeMap::from([("main.mpc".to_string(), text.to_string())]);
    let once = || {
        build("main.mpc", &files, &CompileOptions::default(), Level::Full)
            .map_err(|f| f.render(false))
            .unwrap()
            .0
            .encode()
    };
    assert_eq!(once(), once());
}

#[test]
fn shapes_come_from_the_data() {
    let program = "role a, b; input x: secret fix[n, p] from a; input y: secret bool[n] from b; output n * p to all as \"size\"; output any(y) to a as \"y\"; output sum(x) to a as \"s\";";
    let files = BTreeMap::from([("main.mpc".to_string(), program.to_string())]);
    let with = |x: &[usize], y: &[usize]| {
        let input_shapes =
            BTreeMap::from([("x".to_string(), x.to_vec()), ("y".to_string(), y.to_vec())]);
        messages(&files, &CompileOptions { input_shapes, ..Default::default() })
    };
    assert_eq!(with(&[5, 3], &[5]), "");
    assert!(with(&[5, 3], &[4]).contains("do not fit the size `n`"));
    assert!(with(&[5], &[5]).contains("another number of axes"));
    let defines = BTreeMap::from([("n".to_string(), "5".to_string())]);
    assert!(
        messages(&files, &CompileOptions { defines, ..Default::default() }).contains("-D p=1000")
    );
    let defines = BTreeMap::from([
        ("n".to_string(), "5".to_string()),
        ("p".to_string(), "x".to_string()),
        ("q".to_string(), "1".to_string()),
    ]);
    let out = messages(&files, &CompileOptions { defines, ..Default::default() });
    assert!(out.contains("gives no size") && out.contains("`-D q`"), "{out}");
}

const SEEDS: &[&str] = &[
    include_str!("fmt/auction.mpc"),
    include_str!("fmt/dense.mpc"),
    include_str!("fmt/served.mpc"),
    include_str!("run/arithmetic.mpc"),
    include_str!("run/reductions.mpc"),
    include_str!("run/loops.mpc"),
    include_str!("run/functions.mpc"),
    include_str!("run/private.mpc"),
    include_str!("run/states.mpc"),
];

const WORDS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2.5",
    "x",
    "i",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ";",
    ",",
    "..",
    ":",
    "=",
    "+=",
    "*",
    "/",
    "%",
    "<",
    ">>",
    "<<",
    "==",
    "&",
    "!",
    "-",
    "if ",
    "else ",
    "for i in 0..3 ",
    "while ",
    "unroll ",
    "let ",
    "var ",
    "secret ",
    "clear ",
    "private(a) ",
    "int<8>",
    "fix",
    "fix<64,40>",
    "wrap<8>",
    "bool",
    "[3]",
    "[n]",
    "[0]",
    "sum(x)",
    "max(x)",
    "lookup(x, i)",
    "reveal(x)",
    "select(x > 0, x, 0)",
    "reshape(x, [-1])",
    "concat(x, x)",
    "transpose(x)",
    "shuffle(x)",
    "bits(x, 8)",
    "zeros(fix[2])",
    "true",
    "\"a\"",
    "99999999999999999999",
    "1e30",
    "0.0001",
    "fn ",
    "role ",
    "state ",
    "entry ",
    "output ",
    "input ",
    "use ",
    "::",
    "// c\n",
    "axis = 0",
    "axis = -1",
    "to = a",
    "64",
    "9223372036854775807",
];

/// How many of each; `PROPTEST_CASES=100000` for a long run.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn random_bytes_never_panic(given in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = bytes(&given);
    }

    #[test]
    fn random_words_never_panic(words in proptest::collection::vec(0..WORDS.len(), 0..60)) {
        let text: String = words.into_iter().map(|w| WORDS[w]).collect();
        answer(&text);
    }

    #[test]
    fn changed_programs_never_panic(seed in 0..SEEDS.len(), edits in proptest::collection::vec((any::<u16>(), 0..12usize, 0..WORDS.len()), 1..5)) {
        let mut text = SEEDS[seed].split("// expected:").next().unwrap_or("").to_string();
        for (at, drop, word) in edits {
            let mut start = at as usize % (text.len() + 1);
            while !text.is_char_boundary(start) { start -= 1; }
            let mut end = (start + drop).min(text.len());
            while !text.is_char_boundary(end) { end += 1; }
            text.replace_range(start..end, WORDS[word]);
        }
        answer(&text);
    }
}

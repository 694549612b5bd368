//! Tests that are files: a program with what the compiler makes of it below the line `// expected:`.
//!
//! | folder | what is expected |
//! |---|---|
//! | `parse` | syntax errors |
//! | `check` | all messages |
//! | `lower` | the graph |
//! | `run` | outputs, for the inputs given by lines `// input NAME: numbers` |
//! | `fmt` | the program as printed |
//!
//! A line `// -D n=3` gives a constant. `BLESS=1 cargo test -p mpc-compiler --test files` writes what is there now.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mpc_compiler::diagnostics::render;
use mpc_compiler::ir::interpret::{Options, interpret};
use mpc_compiler::ir::{DataType, Module};
use mpc_compiler::source::SourceMap;
use mpc_compiler::{CompileOptions, Compiled, Failure, compile, format::format, parse};

const LINE: &str = "// expected:\n";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn programs(name: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder(name)).expect("the folder is there");
    let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "mpc"));
    files.sort();
    assert!(!files.is_empty(), "no tests in {name}");
    files
}

/// Runs `make` on each program of a folder and compares with what is expected.
fn each(folder: &str, make: impl Fn(&str) -> String) {
    let mut wrong = vec![];
    for file in programs(folder) {
        let text = std::fs::read_to_string(&file).unwrap();
        let (program, expected) = text.split_once(LINE).unwrap_or((&text, ""));
        let found: String = make(program)
            .lines()
            .map(|l| format!("// {l}").trim_end().to_string() + "\n")
            .collect();
        if found == expected {
            continue;
        }
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, format!("{program}{LINE}{found}")).unwrap();
        } else {
            wrong.push(format!("{}\n--- expected\n{expected}--- found\n{found}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "BLESS=1 accepts these:\n{}", wrong.join("\n"));
}

fn lines<'a>(program: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    program.lines().filter_map(move |l| l.strip_prefix(start))
}

fn options(program: &str) -> CompileOptions {
    let mut options = CompileOptions::default();
    for define in lines(program, "// -D ") {
        let (name, value) = define.split_once('=').expect("-D NAME=VALUE");
        options.defines.insert(name.into(), value.into());
    }
    options
}

fn run_compiler(program: &str) -> Result<Compiled, Failure> {
    let mut files = BTreeMap::from([("test.mpc".to_string(), program.to_string())]);
    // Modules for tests of imports stand in the same text: `// file NAME`, then lines that start with `//| `.
    let mut name = None;
    for line in program.lines() {
        if let Some(file) = line.strip_prefix("// file ") {
            name = Some(file.to_string());
        } else if let (Some(file), Some(text)) = (&name, line.strip_prefix("//|")) {
            let entry = files.entry(file.clone()).or_default();
            entry.push_str(text.strip_prefix(' ').unwrap_or(text));
            entry.push('\n');
        }
    }
    compile("test.mpc", &files, &options(program))
}

fn messages(list: &[mpc_compiler::diagnostics::Diagnostic], sources: &SourceMap) -> String {
    list.iter()
        .map(|d| render(d, sources, false) + "\n\n")
        .collect::<String>()
        .trim_end()
        .to_string()
}

#[test]
fn syntax_errors_are_these() {
    each("parse", |program| {
        let mut sources = SourceMap::default();
        let file = sources.add("test.mpc", program);
        let (_, list) = parse::parse(file, program);
        if list.is_empty() { "no errors".into() } else { messages(&list, &sources) }
    });
}

#[test]
fn messages_are_these() {
    each("check", |program| match run_compiler(program) {
        Ok(compiled) if compiled.warnings.is_empty() => "no messages".into(),
        Ok(compiled) => messages(&compiled.warnings, &compiled.sources),
        Err(failure) => messages(&failure.diagnostics, &failure.sources),
    });
}

#[test]
fn graphs_are_these() {
    each("lower", |program| match run_compiler(program) {
        Ok(compiled) => mpc_compiler::ir::print::print(&compiled.module),
        Err(failure) => messages(&failure.diagnostics, &failure.sources),
    });
}

#[test]
fn outputs_are_these() {
    each("run", |program| match run_compiler(program) {
        Ok(compiled) => run(program, compiled.module),
        Err(failure) => messages(&failure.diagnostics, &failure.sources),
    });
}

/// Runs all entries in order, before and after the exact passes; both must agree.
fn run(program: &str, mut module: Module) -> String {
    let plain = outputs(program, &module);
    mpc_compiler::passes::optimise(&mut module, mpc_compiler::passes::Level::Exact);
    assert_eq!(plain, outputs(program, &module), "the passes change the result");
    plain
}

fn outputs(program: &str, module: &Module) -> String {
    let mut inputs = BTreeMap::new();
    for line in lines(program, "// input ") {
        let (name, numbers) = line.split_once(": ").expect("NAME: numbers");
        let id = module.inputs.iter().position(|i| i.name == name).expect("an input of that name");
        let scale = scale(module.inputs[id].data);
        let numbers =
            numbers.split_whitespace().map(|n| (n.parse::<f64>().unwrap() * scale).round() as i128);
        inputs.insert(id as u32, numbers.collect());
    }
    let mut states = BTreeMap::new();
    let mut text = String::new();
    for entry in &module.entries {
        match interpret(module, entry, &inputs, &mut states, Options::default()) {
            Ok(found) => {
                for (id, xs) in found {
                    let out = &module.outputs[id as usize];
                    let shown: Vec<String> =
                        xs.iter().map(|x| (*x as f64 / scale(out.data)).to_string()).collect();
                    text += &format!("{} {:?} = {}\n", out.name, out.shape, shown.join(" "));
                }
            }
            Err(fault) => text += &format!("line {}: {}\n", fault.span.line, fault.what),
        }
    }
    text
}

fn scale(data: DataType) -> f64 {
    if let DataType::Fix(_, f) = data { f64::from(f).exp2() } else { 1.0 }
}

#[test]
fn programs_are_printed_so() {
    each("fmt", |program| match format("test.mpc", program.as_bytes().to_vec()) {
        Ok(text) => text,
        Err(failure) => messages(&failure.diagnostics, &failure.sources),
    });
}

#[test]
fn printing_again_changes_nothing() {
    let mut files: Vec<PathBuf> =
        ["parse", "check", "lower", "run", "fmt"].iter().flat_map(|f| programs(f)).collect();
    for other in ["../../stdlib", "../../programs"] {
        if let Ok(entries) = std::fs::read_dir(folder(other)) {
            files.extend(
                entries
                    .map(|e| e.unwrap().path())
                    .filter(|f| f.extension().is_some_and(|e| e == "mpc")),
            );
        }
    }
    for file in files {
        let Ok(once) = format("x", std::fs::read(&file).unwrap()) else { continue };
        let twice = format("x", once.clone().into_bytes())
            .unwrap_or_else(|f| panic!("{}: {}\n{once}", file.display(), f.render(false)));
        assert_eq!(once, twice, "{}", file.display());
        assert_eq!(
            tokens(&std::fs::read_to_string(&file).unwrap()),
            tokens(&once),
            "{}",
            file.display()
        );
    }
}

/// What is written, without layout: separators at ends of lists, and the one `;` that may be left out, do not count.
fn tokens(text: &str) -> (Vec<String>, Vec<String>) {
    let mut sources = SourceMap::default();
    let file = sources.add("x", text);
    let lexed = parse::lexer::lex(file, text, &mut vec![]);
    let words = lexed
        .tokens
        .iter()
        .map(|t| format!("{:?}", t.1))
        .filter(|t| t != "Comma" && t != "Semicolon")
        .collect();
    let mut comments: Vec<String> = lexed.comments.into_iter().map(|c| c.text).collect();
    comments.sort();
    (words, comments)
}

//! Filetests of the passes: `tests/passes/<pass>/<case>.ir` holds a graph and, after a line `; after`, what the pass makes of it, as a
//! comment. `BLESS=1` rewrites that part. Whatever the file says, the interpreter must give the same before and after on random inputs:
//! exactly, or for a numeric pass within the units in a line `; within N`.

use std::path::{Path, PathBuf};

use mpc_compiler::ir::interpret::{Data, Options, interpret};
use mpc_compiler::ir::print::print;
use mpc_compiler::ir::read::read;
use mpc_compiler::ir::verify::verify;
use mpc_compiler::ir::{DataType, Module, size_of_shape};
use mpc_compiler::passes::{Kind, PASSES, Pass, run_pass};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/passes")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|why| panic!("{}: {why}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    out.sort();
    out
}

fn mix(x: u64) -> u64 {
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// Inputs for every declaration, of half the promised width so that sums and products keep theirs.
fn inputs(module: &Module, seed: u64) -> Data {
    let element = |id: usize, i: usize, data: DataType| {
        let r = mix(seed ^ mix((id as u64) << 32 ^ i as u64)) as i64 as i128;
        match data {
            DataType::Bool => r & 1,
            DataType::Wrap(k) => r >> (64 - k),
            DataType::Int(k) | DataType::Fix(k, _) => r >> (64 - k / 2) >> (seed % 8),
        }
    };
    let all = module.inputs.iter().enumerate();
    all.map(|(id, d)| {
        (id as u32, (0..size_of_shape(&d.shape)).map(|i| element(id, i, d.data)).collect())
    })
    .collect()
}

fn results(module: &Module, seed: u64) -> Vec<Result<Data, String>> {
    let run = |e| {
        interpret(
            module,
            e,
            &inputs(module, seed),
            &mut Data::new(),
            Options { seed, ..Options::default() },
        )
    };
    module.entries.iter().map(|e| run(e).map_err(|fault| fault.what)).collect()
}

fn distance(a: &Data, b: &Data) -> u128 {
    assert!(a.keys().eq(b.keys()), "other outputs");
    let pairs = a.values().flatten().zip(b.values().flatten());
    pairs.map(|(x, y)| x.abs_diff(*y)).max().unwrap_or(0)
}

fn case(pass: &Pass, path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let (source, expected) = text.split_once("; after\n").unwrap_or((&text, ""));
    let before = read(source).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    verify(&before).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let mut after = before.clone();
    run_pass(pass, &mut after);
    verify(&after).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let within: u128 = source
        .lines()
        .find_map(|l| l.strip_prefix("; within "))
        .map_or(0, |n| n.trim().parse().unwrap());
    assert!(
        within == 0 || pass.kind == Kind::Numeric,
        "{}: an exact pass has no tolerance",
        path.display()
    );
    for seed in 0..20 {
        for (x, y) in results(&before, seed).into_iter().zip(results(&after, seed)) {
            match (x, y) {
                (Ok(x), Ok(y)) => {
                    assert!(distance(&x, &y) <= within, "{}: {x:?} became {y:?}", path.display())
                }
                (x, y) => assert_eq!(x, y, "{}", path.display()),
            }
        }
    }
    // The printed form without declarations, which do not change.
    let printed = print(&after);
    let graph = printed.find("entry ").map_or("", |at| &printed[at..]);
    let graph: String = graph.lines().map(|l| format!("; {l}\n")).collect();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, format!("{source}; after\n{graph}")).unwrap();
    } else {
        assert_eq!(expected, graph, "{}: BLESS=1 rewrites", path.display());
    }
}

#[test]
fn every_case_becomes_what_its_file_says() {
    for pass in PASSES {
        let cases = files(&folder().join(pass.name));
        assert!(!cases.is_empty(), "pass `{}` has no case", pass.name);
        cases.iter().for_each(|path| case(pass, path));
    }
}

#[test]
fn every_folder_belongs_to_a_pass() {
    for folder in files(&folder()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        assert!(PASSES.iter().any(|p| p.name == name), "no pass is called `{name}`");
    }
}

#[test]
fn garbage_is_an_error_with_its_line() {
    let cases = [
        ("entry \"main\" {\n  %0: secret num<3> [] = nonsense\n}", "line 2"),
        ("role", "line 1"),
        ("entry \"main\" {", "line 1"),
        ("output \"y\" int<999999999999> [] to all", "line 1"),
        ("entry \"m\" {\n %99999999: index = index_const value=0\n}", "line 2"),
        ("input \"x\" role 0 fix<40", "line 1"),
        ("§", "line 1"),
    ];
    for (text, line) in cases {
        let why = read(text).expect_err(text);
        assert!(why.starts_with(line), "{text}: {why}");
    }
    let nested = "entry \"m\" { while {".to_string() + &"while {".repeat(100_000);
    assert!(read(&nested).is_err());
}

#[test]
fn mutated_text_never_panics() {
    let files: Vec<String> = PASSES
        .iter()
        .flat_map(|p| files(&folder().join(p.name)))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    for seed in 0..3000u64 {
        let mut text = files[(mix(seed) % files.len() as u64) as usize].clone().into_bytes();
        for n in 0..1 + seed % 4 {
            let r = mix(seed * 7 + n);
            let at = (r % text.len() as u64) as usize;
            match r >> 60 {
                0..8 => text[at] = b"%[]{}(),:=0123456789 xabcdef"[(r >> 32) as usize % 28],
                8..12 => drop(text.remove(at)),
                _ => text.insert(at, b'9'),
            }
        }
        let Ok(text) = String::from_utf8(text) else { continue };
        if let Ok(module) = read(&text) {
            let _ = verify(&module);
        }
    }
}

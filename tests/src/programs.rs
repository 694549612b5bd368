//! Programs in the language with their data.
//!
//! A folder with a `case.toml` is a case, run on its `[small]` data where it has some; so is a file of
//! the compiler's run tests, with its data in lines `// input x: 1 2 3` and `// -D name=value`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mpc_bytecode::{Element, Program, Receivers, Variable};
use mpc_compiler::CompileOptions;
use mpc_compiler::passes::Level;
use mpc_compiler::source::LoadError;
use mpc_vm::data;

use crate::parallel;
use crate::session::{Case, Under};
use crate::tree::root;

/// A folder with a program, or a file with program and data.
#[derive(Clone, Debug)]
pub struct Sample {
    path: PathBuf,
}

/// All programs that come with the project and with its tests, in the order of their names.
pub fn samples() -> Vec<Sample> {
    let mut found = vec![];
    for place in ["programs", "tests/programs", "compiler/tests/run"] {
        let Ok(entries) = std::fs::read_dir(root().join(place)) else { continue };
        let paths = entries.map(|entry| entry.expect("the folder is readable").path());
        let file = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "mpc");
        found.extend(paths.filter(|path| file(path) || path.join("case.toml").is_file()));
    }
    found.sort();
    found.into_iter().map(|path| Sample { path }).collect()
}

/// Runs all samples, number `i` under the protocols that `under(i, name)` says, and prints how long each takes.
///
/// # Panics
/// With everything that `check` finds wrong with an entry of one of them.
pub fn matrix(
    under: impl Fn(u64, &str) -> Vec<Under> + Sync,
    check: impl Fn(&Case, Under, &str) -> Result<(), String> + Sync,
) {
    let wrong = parallel::map(samples(), |turn, sample| {
        let name = sample.name();
        let case = match sample.case() {
            Ok(case) => case,
            Err(what) => return vec![format!("{name}: {what}")],
        };
        // States live longer than an entry, and a run here is one entry.
        let entries = case.program.entries.iter().filter(|_| case.program.states.is_empty());
        let mut wrong = vec![];
        let under = under(turn as u64, &name);
        for (entry, under) in
            entries.flat_map(|entry| under.iter().map(move |&under| (&entry.name, under)))
        {
            let start = std::time::Instant::now();
            let outcome = check(&case, under, entry);
            let seconds = start.elapsed().as_secs_f64();
            let mark = if outcome.is_err() { "WRONG" } else { "" };
            println!("{name:24} {under:32} {seconds:7.2} s {mark}", under = under.to_string());
            wrong.extend(outcome.err().map(|what| format!("{name}: {what}")));
        }
        wrong
    })
    .concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A program given as text.
///
/// # Panics
/// If it does not compile.
pub fn from_source(text: &str) -> Program {
    let files = BTreeMap::from([("main.mpc".to_owned(), text.to_owned())]);
    let compiled = mpc_compiler::build("main.mpc", &files, &Default::default(), Level::Full);
    let (program, _) = compiled.unwrap_or_else(|e| panic!("{text}\n{}", e.render(false)));
    Program::load(&program.encode()).unwrap_or_else(|e| panic!("{text}\n{e}"))
}

/// Units of the last place in 1.
pub fn scale(element: Element) -> f64 {
    if let Element::Fix(_, fraction) = element { f64::from(fraction).exp2() } else { 1.0 }
}

/// The rest of the lines that start with `mark`.
fn marked<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.strip_prefix(mark)).map(str::trim)
}

impl Sample {
    /// Its name.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Compiles it and reads its small data.
    ///
    /// # Errors
    /// What the compiler or the reader of data says.
    pub fn case(&self) -> Result<Case, String> {
        if self.path.is_file() {
            return self.case_of_file();
        }
        self.case_of_folder(&self.table()?, true)
    }

    /// Its real data, and the outputs that its folder expects; `None` if it expects none.
    ///
    /// # Errors
    /// What the compiler or the reader of data says.
    pub fn expected(&self) -> Result<Option<(Case, BTreeMap<String, String>)>, String> {
        if self.path.is_file() {
            return Ok(None);
        }
        let table = self.table()?;
        let Some(expected) = table.get("expected").and_then(toml::Value::as_table) else {
            return Ok(None);
        };
        let pair = |(name, value): (&String, &toml::Value)| {
            let value = value.as_str().ok_or(format!("{name}: expected values are strings"))?;
            Ok::<_, String>((name.clone(), value.to_owned()))
        };
        let expected = expected.iter().map(pair).collect::<Result<_, _>>()?;
        Ok(Some((self.case_of_folder(&table, false)?, expected)))
    }

    fn table(&self) -> Result<toml::Table, String> {
        let text = std::fs::read_to_string(self.path.join("case.toml")).unwrap_or_default();
        toml::from_str(&text).map_err(|e| e.to_string())
    }

    fn case_of_folder(&self, table: &toml::Table, small: bool) -> Result<Case, String> {
        let small = table.get("small").and_then(toml::Value::as_table).filter(|_| small);
        // what `small` says comes before what is said for the whole
        let of = |name: &str| -> BTreeMap<String, String> {
            let sections = [Some(table), small].into_iter().flatten();
            let pairs = sections.filter_map(|t| t.get(name)?.as_table()).flatten();
            pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.into()))).collect()
        };
        let files: BTreeMap<_, _> =
            of("input").into_iter().map(|(key, file)| (key, self.path.join(file))).collect();
        let main = table.get("program").and_then(toml::Value::as_str).unwrap_or("main.mpc");
        let program = compile(main, &self.path, of("define"), &files)?;
        let inputs = program.inputs.iter().map(|variable| input(&program, &files, variable));
        let inputs = inputs.collect::<Result<_, _>>()?;
        Ok(Case { program, inputs })
    }

    fn case_of_file(&self) -> Result<Case, String> {
        let text = std::fs::read_to_string(&self.path).map_err(|e| e.to_string())?;
        let mut options = CompileOptions::default();
        let defines = marked(&text, "// -D ").filter_map(|line| line.split_once('='));
        options.defines.extend(defines.map(|(name, value)| (name.into(), value.into())));
        let given: BTreeMap<&str, &str> =
            marked(&text, "// input ").filter_map(|line| line.split_once(": ")).collect();
        let main = self.name();
        let program = build(&main, self.path.parent().unwrap_or(&self.path), &options)?;
        let values = |variable: &Variable| {
            let numbers = given.get(&*variable.name).ok_or(format!("no data for {variable:?}"))?;
            let scale = scale(variable.element);
            let number = |n: &str| n.parse::<f64>().map(|n| (n * scale).round() as i128);
            numbers
                .split_whitespace()
                .map(number)
                .collect::<Result<_, _>>()
                .map_err(|e| e.to_string())
        };
        let inputs = program.inputs.iter().map(values).collect::<Result<_, _>>()?;
        Ok(Case { program, inputs })
    }
}

/// Compiles; sizes that the program leaves open are those of the data. A row or column of a table is a
/// vector where the program says so.
fn compile(
    main: &str,
    folder: &Path,
    defines: BTreeMap<String, String>,
    files: &BTreeMap<String, PathBuf>,
) -> Result<Program, String> {
    let mut options = CompileOptions { defines, ..Default::default() };
    let first = build(main, folder, &options);
    if first.is_ok() || files.is_empty() {
        return first;
    }
    for (key, path) in files {
        let name = key.rsplit('.').next().unwrap_or(key);
        let shape = data::shape_of(path, name).map_err(|e| e.to_string())?;
        let shape = shape.into_iter().map(|size| size as usize).collect();
        options.input_shapes.insert(name.into(), shape);
    }
    build(main, folder, &options).or_else(|_| {
        options.input_shapes.values_mut().for_each(|shape| shape.retain(|&size| size != 1));
        build(main, folder, &options)
    })
}

fn build(main: &str, folder: &Path, options: &CompileOptions) -> Result<Program, String> {
    let loader = |path: &str| {
        std::fs::read(folder.join(path)).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => LoadError::Missing,
            _ => LoadError::Unreadable(e.to_string()),
        })
    };
    let compiled = mpc_compiler::build(main, &loader, options, Level::Full);
    let (program, _) = compiled.map_err(|failure| failure.render(false))?;
    Program::load(&program.encode()).map_err(|e| e.to_string())
}

fn input(
    program: &Program,
    files: &BTreeMap<String, PathBuf>,
    variable: &Variable,
) -> Result<Vec<i128>, String> {
    let read = |path: &Path, variable: &Variable| {
        data::read_input(path, variable).map_err(|error| error.to_string())
    };
    let name = stem(variable);
    let qualified = format!("{}.{name}", program.roles[owner(variable)]);
    if let Some(path) = files.get(&qualified) {
        return read(path, variable);
    }
    let path = files.get(name).ok_or(format!("no data for `{qualified}` in case.toml"))?;
    let namesakes: Vec<_> = program.inputs.iter().filter(|v| stem(v) == name).collect();
    if namesakes.len() == 1 {
        return read(path, variable);
    }
    // the file holds the values of all roles, stacked
    let mut stacked = variable.clone();
    stacked.shape.insert(0, namesakes.len() as u64);
    let all = read(path, &stacked)?;
    let at = namesakes.iter().position(|v| owner(v) == owner(variable)).unwrap_or(0);
    let size = all.len() / namesakes.len();
    Ok(all[at * size..(at + 1) * size].to_vec())
}

/// The name in the source: `bid` for what each of several bidders gives as `bid[0]`, `bid[1]`, …
fn stem(variable: &Variable) -> &str {
    variable.name.split('[').next().unwrap_or(&variable.name)
}

fn owner(variable: &Variable) -> usize {
    match &variable.receivers {
        Receivers::Roles(roles) => roles.first().map_or(0, |&role| role as usize),
        Receivers::All => 0,
    }
}

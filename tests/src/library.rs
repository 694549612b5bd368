//! The standard library as documented: examples with their values, and rounds.
//!
//! A line `> f([1.5, 2.0], 3) == [4.5, 6.0] ± 1 ulp` above a function is an example; what follows `==` is a number, a list, or several
//! in parentheses. Of its arguments, lists and numbers with a point become secret inputs, unless the parameter is `const`.

use mpc_compiler::check::modules;
use mpc_compiler::parse::{self, ast};
use mpc_compiler::source::SourceMap;

use crate::programs::{from_source, scale};
use crate::session::Case;

/// A function of the library with its documentation.
#[derive(Clone, Debug)]
pub struct Function {
    /// Module and name, as in `math::exp`.
    pub path: String,
    /// Its examples.
    pub examples: Vec<Example>,
    /// The rounds that its documentation states.
    pub rounds: Option<u32>,
}

/// An example as a program with its data, and what must come out.
#[derive(Clone, Debug)]
pub struct Example {
    /// As written.
    pub text: String,
    /// The program and its inputs.
    pub case: Case,
    /// Values of each output.
    pub expected: Vec<Vec<f64>>,
    /// How far each may be off, in units of the last place.
    pub ulps: f64,
}

/// All functions, in the order of modules and lines.
///
/// # Panics
/// If a documentation cannot be read, or an example does not compile.
pub fn functions() -> Vec<Function> {
    modules::library().flat_map(|(name, text)| of_module(name, text)).collect()
}

fn of_module(module: &str, text: &str) -> Vec<Function> {
    let mut sources = SourceMap::default();
    let (file, messages) = parse::parse(sources.add(module, text), text);
    assert!(messages.is_empty(), "{module}: {messages:?}");
    let function = |item: &ast::Item| match item {
        ast::Item::Fn(f) => Some(documented(module, text, f)),
        _ => None,
    };
    file.items.iter().filter_map(function).collect()
}

/// A function with the lines `///` right above it.
fn documented(module: &str, text: &str, f: &ast::Function) -> Function {
    let path = format!("{module}::{}", f.name.name);
    let lines = mpc_compiler::doc::comment(text, f);
    let rounds = |line: &&str| {
        let (number, rest) = line.strip_prefix("Rounds: ")?.split_once(' ')?;
        assert_eq!(rest, "(rep3-ring, exact, input and output counted).", "{path}");
        Some(number.parse().unwrap_or_else(|_| panic!("{path}: `{number}` rounds")))
    };
    Function {
        rounds: lines.iter().find_map(rounds),
        examples: lines
            .iter()
            .filter_map(|line| line.strip_prefix("> "))
            .map(|text| example(module, f, text))
            .collect(),
        path,
    }
}

fn example(module: &str, f: &ast::Function, text: &str) -> Example {
    let name = &f.name.name;
    let parts = text.split_once(" == ").and_then(|(call, value)| {
        let arguments = call.strip_prefix(name.as_str())?.strip_prefix('(')?.strip_suffix(')')?;
        Some((arguments, value))
    });
    let (arguments, value) = parts.unwrap_or_else(|| panic!("`{text}` is no call and its value"));
    let (value, ulps) = value.split_once(" ± ").unwrap_or((value, "0 ulp"));
    let ulps = ulps.strip_suffix(" ulp").and_then(|n| n.parse().ok());
    let several = value.strip_prefix('(').and_then(|list| list.strip_suffix(')'));
    let expected: Vec<Vec<f64>> =
        several.map_or(vec![value], split).into_iter().map(numbers).collect();
    let outputs: String = match several {
        None => "output result to all as \"result\";\n".into(),
        Some(_) => (0..expected.len())
            .map(|i| format!("output result.{i} to all as \"result{i}\";\n"))
            .collect(),
    };
    let (mut inputs, mut given, mut values) = (String::new(), vec![], vec![]);
    for (i, argument) in split(arguments).into_iter().enumerate() {
        let constant = f.params.get(i).is_some_and(|p| p.constant);
        let literal = argument.starts_with('[')
            || matches!(argument, "true" | "false")
            || argument.parse::<f64>().is_ok();
        if constant || !literal {
            given.push(argument.to_owned());
            continue;
        }
        inputs += &format!("input x{i}: secret {} from a;\n", type_of(argument));
        given.push(format!("x{i}"));
        values.push(numbers(argument));
    }
    let program = from_source(&format!(
        "use stdlib::{module}::{{{name}}};\nrole a;\n{inputs}let result = {name}({});\n{outputs}",
        given.join(", ")
    ));
    let raw = |(variable, values): (&mpc_bytecode::Variable, Vec<f64>)| {
        values.iter().map(|x| (x * scale(variable.element)).round() as i128).collect()
    };
    let inputs = program.inputs.iter().zip(values).map(raw).collect();
    Example {
        text: format!("{module}::{text}"),
        case: Case { program, inputs },
        expected,
        ulps: ulps.unwrap_or_else(|| panic!("`{text}` states no tolerance in ulp")),
    }
}

impl Example {
    /// Compares the emulator's outputs with what is stated.
    ///
    /// # Errors
    /// What differs, in words.
    pub fn check(&self) -> Result<(), String> {
        let outputs = self.case.emulate("main").map_err(|e| format!("{}: {e}", self.text))?;
        for (id, expected) in self.expected.iter().enumerate() {
            let found = outputs.iter().find(|(found, _)| *found as usize == id);
            let (_, found) = found.ok_or(format!("{}: no output {id}", self.text))?;
            let scale = scale(self.case.program.outputs[id].element);
            let near = |(found, due): (&i128, &f64)| {
                (*found as f64 - due * scale).abs() <= self.ulps + scale * 5e-10
            };
            if found.len() != expected.len() || !found.iter().zip(expected).all(near) {
                let found: Vec<f64> = found.iter().map(|x| *x as f64 / scale).collect();
                return Err(format!("{}: found {found:?}", self.text));
            }
        }
        Ok(())
    }
}

/// What commas outside brackets part.
fn split(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut out) = (0, 0, vec![]);
    for (i, c) in list.char_indices() {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            ',' if depth == 0 => {
                out.push(list[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    out.push(list[start..].trim());
    out
}

fn list(text: &str) -> Option<Vec<&str>> {
    text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map(split)
}

/// Numbers of a list, row by row, or of a single one; 0 and 1 for truth values.
fn numbers(text: &str) -> Vec<f64> {
    match (list(text), text) {
        (Some(items), _) => items.into_iter().flat_map(numbers).collect(),
        (None, "true") => vec![1.0],
        (None, "false") => vec![0.0],
        (None, number) => vec![number.parse().unwrap_or_else(|_| panic!("`{text}` is no number"))],
    }
}

/// The type of an argument as an input: `fix[2, 3]`.
fn type_of(text: &str) -> String {
    let mut shape = vec![];
    let mut first = text;
    while let Some(items) = list(first) {
        shape.push(items.len().to_string());
        first = items[0];
    }
    let element = match first {
        "true" | "false" => "bool",
        number if number.contains('.') => "fix",
        _ => "int",
    };
    if shape.is_empty() { element.into() } else { format!("{element}[{}]", shape.join(", ")) }
}

//! The standard library: its documented errors against floating point, its examples, its rounds; and its functions under every protocol.

use mpc_protocols::Truncation;
use mpc_tests::elementary::{ELEMENTARY, Report, Type, all, report};
use mpc_tests::library::{Example, Function, functions};
use mpc_tests::parallel;
use mpc_tests::programs::from_source;
use mpc_tests::session::{self, Case, Under};

#[test]
fn elementary_functions_keep_their_stated_errors() {
    for function in ELEMENTARY {
        for &(k, f) in function.types {
            let found = function.accurate(Type { k, f }, 1500);
            println!("{:24} fix<{k},{f}>: {:.2} of the stated error", function.path, found.part);
        }
    }
}

#[test]
fn the_table_of_costs_is_current() {
    let stored = Report::stored();
    let current = report(|function| stored.measured(function.path));
    if std::env::var_os("BLESS").is_some() {
        current.store();
    }
    assert!(Report::stored().text() == current.text(), "BLESS=1 renews stdlib/MATH.md");
}

#[test]
fn elementary_functions_are_those_of_the_emulator() {
    for under in session::covering(0, 0) {
        let points = if under.protocol.info.name.ends_with("-ring") { 300 } else { 40 };
        let start = std::time::Instant::now();
        let outcome = all(ELEMENTARY, points).check(under, "main");
        println!("{under}: {points} points, {:.2} s", start.elapsed().as_secs_f64());
        outcome.unwrap_or_else(|what| panic!("{what}"));
    }
}

fn examples() -> Vec<Example> {
    functions().into_iter().flat_map(|f| f.examples).collect()
}

#[test]
fn examples_give_what_they_state_under_every_protocol() {
    let wrong = parallel::map(examples(), |turn, example| {
        let mut wrong = Vec::from_iter(example.check().err());
        let others = usize::from(turn % 8 == 0);
        for under in session::covering(turn as u64 / 8, others) {
            let what = example.case.check(under, "main").err();
            wrong.extend(what.map(|what| format!("{}: {what}", example.text)));
        }
        wrong
    })
    .concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rounds_are_those_stated() {
    let under = Under::named("rep3-ring", 3);
    let mut wrong = vec![];
    for Function { path, examples, rounds } in functions() {
        let Some(example) = examples.first() else {
            wrong.extend(rounds.map(|n| format!("{path}: {n} rounds, of no example")));
            continue;
        };
        let found = example.case.estimate(under, Truncation::Exact, "main", vec![]);
        let found = found.unwrap_or_else(|e| panic!("{path}: {e}")).rounds.total;
        if rounds != Some(found) {
            wrong.push(format!("{path}: {rounds:?} stated, {found} estimated"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_function_has_an_example_or_is_part_of_one_that_has() {
    let library: String = mpc_compiler::check::modules::library().map(|(_, text)| text).collect();
    let without = functions().into_iter().filter(|f| f.examples.is_empty());
    let alone = without.map(|f| f.path).filter(|path| {
        let name = path.split("::").nth(1).unwrap_or(path);
        let count = |text: String| library.matches(&text).count();
        count(format!("{name}(")) == count(format!("fn {name}("))
    });
    let alone: Vec<String> = alone.collect();
    assert!(alone.is_empty(), "functions without example: {}", alone.join(", "));
}

/// Raw values that a function of two inputs has.
fn values(kind: &str, path: &str, x: &[i128], y: &[i128]) -> Vec<i128> {
    let (module, n) = (path.split("::").next().unwrap_or_default(), x.len());
    let program = from_source(&format!(
        "use stdlib::{module};\nrole a;\ninput x: secret {kind}[{n}] from a;\n\
         input y: secret {kind}[{n}] from a;\noutput {path} to all as \"z\";\n"
    ));
    let case = Case { program, inputs: vec![x.to_vec(), y.to_vec()] };
    case.check(Under::named("rep3-ring", 3), "main").unwrap();
    case.emulate("main").unwrap_or_else(|e| panic!("{path}: {e}")).remove(0).1
}

#[test]
fn what_does_not_fit_is_the_nearest_number() {
    let top = (1_i128 << 39) - 1;
    let (x, y) =
        ([0, 5, -5, 1 << 38, -(1 << 38), -top - 1, top], [0, 0, 0, 1 << 15, 1 << 15, -1, -1]);
    let found = values("fix", "math::divide_saturating(x, y)", &x, &y);
    assert_eq!(found, [top, top, -top - 1, top, -top - 1, top, -top - 1]);
    // Those that just fit are as near the end as they must be, on this side of it.
    let (x, y) = ([top, -top - 1, top, -top - 1, top - 1], [65536, 65536, -65536, -65536, 65535]);
    let found = values("fix", "math::divide_saturating(x, y)", &x, &y);
    let near = |(found, sign): (i128, i128)| (top - (1 << 18)..=top + 1).contains(&(found * sign));
    assert!(found.iter().copied().zip([1, -1, -1, 1, 1]).all(near), "{found:?}");
    assert!(found.iter().all(|found| (-top - 1..=top).contains(found)), "{found:?}");
    for k in [8, 33, 63] {
        let top = (1_i128 << (k - 1)) - 1;
        let (x, y) = ([-top - 1, -top - 1, top, 0, 1, -1, 7], [-1, 1, -1, 0, 0, 0, -2]);
        let found = values(&format!("int<{k}>"), "integer::divide_int_saturating(x, y)", &x, &y);
        assert_eq!(found, [top, -top - 1, -top, top, top, -top - 1, -4], "int<{k}>");
    }
    for path in ["math::exp(x)", "math::exp2(x)", "fast::exp(x)", "math::pow(x, y)"] {
        let found = values("fix", path, &[top, 1 << 38], &[2 << 16; 2]);
        assert_eq!(found, [top; 2], "{path}");
    }
}

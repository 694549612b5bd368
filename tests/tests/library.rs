//! The standard library: its documented errors against floating point, its examples, its rounds; and its functions under every protocol.

use mpc_protocols::Truncation;
use mpc_tests::elementary::{ELEMENTARY, Report, Type, all, report};
use mpc_tests::library::{Example, Function, functions};
use mpc_tests::session::{self, Under};

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
    let mut wrong = vec![];
    for (turn, example) in examples().into_iter().enumerate() {
        wrong.extend(example.check().err());
        for under in session::covering(turn as u64, 1) {
            let what = example.case.check(under, "main").err();
            wrong.extend(what.map(|what| format!("{}: {what}", example.text)));
        }
    }
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

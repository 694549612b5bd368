//! Every elementary function on a hundred thousand points and more, and on a thousand under the core protocols; minutes, by
//! name only.

use mpc_tests::elementary::{ELEMENTARY, Report, Type, all, report};
use mpc_tests::session;

#[test]
fn errors_are_as_stated_and_those_of_the_table() {
    let t = Type { k: 40, f: 16 };
    let current = report(|function| function.accurate(t, 110_000));
    print!("{}", current.text());
    if std::env::var_os("BLESS").is_some() {
        current.store();
    }
    assert!(Report::stored().text() == current.text(), "BLESS=1 renews stdlib/MATH.md");
}

#[test]
fn a_thousand_points_are_those_of_the_emulator_under_the_core_protocols() {
    for under in session::covering(0, 0) {
        for function in ELEMENTARY {
            let start = std::time::Instant::now();
            let outcome = all(&[*function], 1000).check(under, "main");
            println!("{under}: {}, {:.2} s", function.path, start.elapsed().as_secs_f64());
            outcome.unwrap_or_else(|what| panic!("{}: {what}", function.path));
        }
    }
}

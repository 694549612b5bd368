//! The standard library: its documented errors against floating point, its examples, its rounds; and its functions under every protocol.

use mpc_protocols::Truncation;
use mpc_tests::library::{Example, Function, functions};
use mpc_tests::programs::from_source;
use mpc_tests::session::{self, Case, Under};

/// A function of one or two numbers, element by element.
struct Elementary {
    /// Its path.
    path: &'static str,
    /// Its arguments: `x`, `x, y`, or constants among them.
    arguments: &'static str,
    /// Types fix<k, f> for which it is tested.
    types: &'static [(u32, u32)],
    /// Which x and y are tested, as raw numbers.
    points: fn(Type) -> Vec<[i128; 2]>,
    /// The function; points where its value is outside the type are left out.
    value: fn([f64; 2]) -> f64,
    /// How far a value may be off, given arguments and value.
    error: fn(Type, [f64; 2], f64) -> f64,
}

/// fix<k, f>.
#[derive(Clone, Copy)]
struct Type {
    k: u32,
    f: u32,
}

const USUAL: &[(u32, u32)] = &[(40, 16), (32, 12), (48, 24), (24, 8)];
const NARROW: &[(u32, u32)] = &[(40, 16), (32, 12), (24, 8)];
const WIDE: &[(u32, u32)] = &[(40, 16), (32, 12), (48, 24), (24, 8), (60, 20)];

fn two_to(n: i32) -> f64 {
    f64::from(n).exp2()
}

/// Every elementary function, with the error that its documentation states.
const ELEMENTARY: &[Elementary] = &[
    Elementary {
        path: "math::divide",
        arguments: "x, y",
        types: &[(40, 16), (36, 12), (24, 8)],
        points: quotients,
        value: |x| x[0] / x[1],
        error: |t, _, y| 1.5 * t.ulp() + t.eps() * y.abs(),
    },
    Elementary {
        path: "math::reciprocal",
        arguments: "x",
        types: USUAL,
        points: |t| single(both_signs(grid(1, t.top()))),
        value: |x| 1.0 / x[0],
        error: |t, _, y| t.ulp() + t.eps() * y.abs(),
    },
    Elementary {
        path: "math::sqrt",
        arguments: "x",
        types: WIDE,
        points: |t| single(grid(0, t.top())),
        value: |x| x[0].sqrt(),
        error: |t, _, y| t.ulp() + two_to(-22) * y,
    },
    Elementary {
        path: "math::rsqrt",
        arguments: "x",
        types: WIDE,
        points: |t| single(grid(1, t.top())),
        value: |x| 1.0 / x[0].sqrt(),
        error: |t, _, y| t.ulp() + two_to(-24) * y,
    },
    Elementary {
        path: "math::exp",
        arguments: "x",
        types: USUAL,
        points: |t| single(exponents(t, std::f64::consts::LN_2)),
        value: |x| x[0].exp(),
        error: |t, _, y| t.ulp() + t.eps() * y,
    },
    Elementary {
        path: "math::exp2",
        arguments: "x",
        types: USUAL,
        points: |t| single(exponents(t, 1.0)),
        value: |x| x[0].exp2(),
        error: |t, _, y| t.ulp() + t.eps() * y,
    },
    Elementary {
        path: "math::log",
        arguments: "x",
        types: WIDE,
        points: |t| single(grid(1, t.top())),
        value: |x| x[0].ln(),
        error: |t, _, _| t.ulp() / 2.0 + two_to(-24),
    },
    Elementary {
        path: "math::log2",
        arguments: "x",
        types: WIDE,
        points: |t| single(grid(1, t.top())),
        value: |x| x[0].log2(),
        error: |t, _, _| t.ulp() / 2.0 + two_to(-23),
    },
    Elementary {
        path: "math::pow",
        arguments: "x, y",
        types: USUAL,
        points: powers,
        value: |x| x[0].powf(x[1]),
        error: |t, x, y| t.ulp() + (t.eps() + two_to(-22) * x[1].abs()) * y,
    },
    Elementary {
        path: "math::sigmoid",
        arguments: "x",
        types: NARROW,
        points: |t| single(twice(t.top(), 20 << t.f)),
        value: |x| 1.0 / (1.0 + (-x[0]).exp()),
        error: |t, _, _| 1.5 * t.ulp(),
    },
    Elementary {
        path: "nn::tanh",
        arguments: "x",
        types: NARROW,
        points: |t| single(twice(t.top() / 2, 20 << t.f)),
        value: |x| x[0].tanh(),
        error: |t, _, _| 3.0 * t.ulp(),
    },
    Elementary {
        path: "nn::sigmoid_piecewise",
        arguments: "x",
        types: USUAL,
        points: |t| single(both_signs(grid(0, t.top() / 2))),
        value: |x| 1.0 / (1.0 + (-x[0]).exp()),
        error: |t, _, _| 0.019 + t.ulp(),
    },
    Elementary {
        path: "nn::relu",
        arguments: "x",
        types: USUAL,
        points: |t| single(both_signs(grid(0, t.top()))),
        value: |x| x[0].max(0.0),
        error: |_, _, _| 0.0,
    },
    Elementary {
        path: "math::abs",
        arguments: "x",
        types: USUAL,
        points: |t| single(both_signs(grid(0, t.top()))),
        value: |x| x[0].abs(),
        error: |_, _, _| 0.0,
    },
    Elementary {
        path: "math::sign",
        arguments: "x",
        types: USUAL,
        points: |t| single(both_signs(grid(0, t.top()))),
        value: |x| if x[0] == 0.0 { 0.0 } else { x[0].signum() },
        error: |_, _, _| 0.0,
    },
    Elementary {
        path: "math::clamp",
        arguments: "x, -1.5, 1.5",
        types: USUAL,
        points: |t| single(both_signs(grid(0, t.top()))),
        value: |x| x[0].clamp(-1.5, 1.5),
        error: |_, _, _| 0.0,
    },
];

impl Type {
    /// The greatest number, raw.
    fn top(self) -> i128 {
        (1 << (self.k - 1)) - 1
    }

    fn real(self, raw: i128) -> f64 {
        raw as f64 / f64::from(self.f).exp2()
    }

    fn ulp(self) -> f64 {
        two_to(-(self.f as i32))
    }

    /// `eps` of the documentation.
    fn eps(self) -> f64 {
        two_to(-22.min(62 - self.k as i32))
    }
}

/// Geometric grid from `low` to `high` with all powers of two and their neighbours, and as many points in even steps.
fn grid(low: i128, high: i128) -> Vec<i128> {
    const STEPS: i128 = 600;
    let mut out = vec![low, high];
    let (a, b) = ((low.max(1) as f64).ln(), (high as f64).ln());
    out.extend((0..STEPS).map(|i| (a + (b - a) * i as f64 / STEPS as f64).exp() as i128));
    out.extend((0..STEPS).map(|i| low + (high - low) * i / STEPS));
    out.extend((0..64).flat_map(|i| [(1 << i) - 1, 1 << i, (1 << i) + 1]));
    out.retain(|x| (low..=high).contains(x));
    out
}

fn both_signs(xs: Vec<i128>) -> Vec<i128> {
    xs.iter().flat_map(|x| [*x, -x]).collect()
}

fn single(xs: Vec<i128>) -> Vec<[i128; 2]> {
    xs.into_iter().map(|x| [x, 0]).collect()
}

/// All numbers up to `wide`, more densely up to `near`.
fn twice(wide: i128, near: i128) -> Vec<i128> {
    both_signs([grid(0, wide), grid(0, near)].concat())
}

/// Exponents, and those where the power leaves the type or becomes 0; `unit` is the exponent of 2.
fn exponents(t: Type, unit: f64) -> Vec<i128> {
    let ends = [f64::from(t.k - t.f - 1), -f64::from(t.f + 1), -f64::from(t.f + 2)];
    let near = |end: f64| {
        let end = (end * unit / t.ulp()) as i128;
        (-9..10).map(move |i| end + i)
    };
    twice(t.top(), 30 << t.f).into_iter().chain(ends.into_iter().flat_map(near)).collect()
}

fn quotients(t: Type) -> Vec<[i128; 2]> {
    let divisors = [1, 3, 5000, (1 << t.f) - 1, 1 << t.f, 12_345_678, t.top() / 2 + 1, t.top()];
    let mut out = vec![];
    for (i, a) in both_signs(grid(0, t.top())).into_iter().enumerate() {
        let fits = divisors.iter().filter(|d| **d <= t.top());
        out.extend(fits.map(|d| [a, if i % 3 == 0 { -d } else { *d }]));
    }
    out
}

/// Bases with exponents for which the logarithm of the power is less than 2^(33-f).
fn powers(t: Type) -> Vec<[i128; 2]> {
    let limit = (33.0 - f64::from(t.f)).exp2();
    let exponents = [0, 1, 1 << t.f, 3 << t.f, (1 << t.f) / 2, (5 << t.f) / 3, 200 << t.f];
    let exponents = both_signs(exponents.to_vec());
    let mut out: Vec<[i128; 2]> =
        grid(1, t.top()).iter().flat_map(|x| exponents.iter().map(|y| [*x, *y])).collect();
    out.retain(|[x, y]| (t.real(*y) * t.real(*x).log2()).abs() < limit);
    out
}

impl Elementary {
    /// The points of a type at which the function has a value in it.
    fn defined(&self, t: Type) -> Vec<[i128; 2]> {
        let mut points = (self.points)(t);
        // Not the greatest, which the error may carry out of the type.
        let limit = t.real(t.top()) * (1.0 - 4.0 * t.eps().min(two_to(-12))) - 2.0 * t.ulp();
        points.retain(|x| (self.value)(x.map(|x| t.real(x))).abs() < limit);
        points
    }

    /// A statement that puts out the function's values as `y{number}`.
    fn statement(&self, t: Type, number: usize, points: usize) -> String {
        let Type { k, f } = t;
        let name = |argument: &str| match argument {
            "x" | "y" => format!("{argument}{number}"),
            other => other.to_owned(),
        };
        let arguments: Vec<String> = self.arguments.split(", ").map(name).collect();
        let inputs: String = arguments
            .iter()
            .filter(|name| name.starts_with(['x', 'y']))
            .map(|name| format!("input {name}: secret fix<{k},{f}>[{points}] from a;\n"))
            .collect();
        let module = self.path.split("::").next().unwrap_or_default();
        let call = format!("{}({})", self.path, arguments.join(", "));
        format!("use stdlib::{module};\n{inputs}output {call} to all as \"out{number}\";\n")
    }

    /// The columns that are inputs.
    fn columns(&self, points: &[[i128; 2]]) -> Vec<Vec<i128>> {
        let column = |i: usize| points.iter().map(|x| x[i]).collect();
        let used = self.arguments.split(", ").filter(|name| ["x", "y"].contains(name)).count();
        (0..used).map(column).collect()
    }

    /// Compares with floating point; gives the greatest part of the permitted error that occurred.
    fn accurate(&self, t: Type) -> f64 {
        let points = self.defined(t);
        let program = from_source(&format!("role a;\n{}", self.statement(t, 0, points.len())));
        let case = Case { program, inputs: self.columns(&points) };
        let outputs = case.emulate("main").unwrap_or_else(|e| panic!("{}: {e}", self.path));
        let mut worst = 0f64;
        for (raw, found) in points.iter().zip(&outputs[0].1) {
            let x = raw.map(|x| t.real(x));
            let (due, found) = ((self.value)(x), t.real(*found));
            let permitted = (self.error)(t, x, due);
            let error = (found - due).abs();
            let what = format!("{}({}): {found}, expected {due}", self.path, self.arguments);
            assert!(error <= permitted, "{what} for {x:?}, fix<{},{}>", t.k, t.f);
            worst = worst.max(if permitted > 0.0 { error / permitted } else { 0.0 });
        }
        worst
    }
}

#[test]
fn elementary_functions_keep_their_stated_errors() {
    for function in ELEMENTARY {
        for &(k, f) in function.types {
            let worst = function.accurate(Type { k, f });
            println!("{:24} fix<{k},{f}>: {worst:.2} of the stated error", function.path);
        }
    }
}

/// As many of the items as `count`, the first ones and others in even steps.
fn some<T: Copy>(items: &[T], count: usize) -> Vec<T> {
    let first = items.iter().take(count / 4);
    first.chain(items.iter().step_by(items.len() / count + 1)).copied().collect()
}

/// All functions in one program.
fn all_elementary(points: usize) -> Case {
    let t = Type { k: 40, f: 16 };
    let (mut text, mut inputs) = ("role a;\n".to_owned(), vec![]);
    for (number, function) in ELEMENTARY.iter().enumerate() {
        let points = some(&function.defined(t), points);
        text += &function.statement(t, number, points.len());
        inputs.extend(function.columns(&points));
    }
    Case { program: from_source(&text), inputs }
}

#[test]
fn elementary_functions_are_those_of_the_emulator_under_every_protocol() {
    for under in session::all() {
        let points = if under.protocol.info.name.ends_with("-ring") { 300 } else { 40 };
        let start = std::time::Instant::now();
        let outcome = all_elementary(points).check(under, "main");
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
    for example in examples() {
        wrong.extend(example.check().err());
        for under in session::all() {
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

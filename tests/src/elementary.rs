//! The mathematical functions of the standard library against floating point, and the table of what they cost.

mod points;
mod table;

use mpc_protocols::Truncation;
use mpc_runtime::Phase;

use crate::programs::from_source;
use crate::session::{Case, Under};
use crate::tree::root;

pub use table::ELEMENTARY;

/// A function of one or two numbers, element by element.
#[derive(Clone, Copy)]
pub struct Elementary {
    /// Its path.
    pub path: &'static str,
    /// Its arguments: `x`, `x, y`, or constants among them.
    arguments: &'static str,
    /// Where it is defined, in words.
    domain: &'static str,
    /// The stated error, in words.
    stated: &'static str,
    /// Types fix<k, f> for which it is tested.
    pub types: &'static [(u32, u32)],
    /// Which x and y are tested, as raw numbers, about so many.
    points: fn(Type, usize) -> Vec<[i128; 2]>,
    /// The function; points where its value is outside the type are left out.
    value: fn([f64; 2]) -> f64,
    /// How far a value may be off, given arguments and value.
    error: fn(Type, [f64; 2], f64) -> f64,
}

/// fix<k, f>.
#[derive(Clone, Copy)]
pub struct Type {
    /// All bits.
    pub k: u32,
    /// Those below the point.
    pub f: u32,
}

/// The worst errors on a grid.
#[derive(Clone, Debug)]
pub struct Worst {
    /// Number of points.
    points: usize,
    /// The greatest part of the permitted error that occurred.
    pub part: f64,
    /// The greatest error where the value is at most 16, in ulp.
    ulps: f64,
}

impl Type {
    /// The greatest number, raw.
    fn top(self) -> i128 {
        (1 << (self.k - 1)) - 1
    }

    fn real(self, raw: i128) -> f64 {
        raw as f64 / f64::from(self.f).exp2()
    }

    fn ulp(self) -> f64 {
        (-f64::from(self.f)).exp2()
    }
}

impl Elementary {
    /// The points of a type at which the function has a value in it.
    fn defined(&self, t: Type, count: usize) -> Vec<[i128; 2]> {
        let mut points = (self.points)(t, count);
        // Not the greatest, which the error may carry out of the type.
        let limit = t.real(t.top()) * (1.0 - 4.0 * t.eps().min((-12f64).exp2())) - 2.0 * t.ulp();
        points.retain(|x| (self.value)(x.map(|x| t.real(x))).abs() < limit);
        points
    }

    /// A statement that puts out the function's values as `out{number}`.
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

    /// Compares with floating point on about so many points.
    ///
    /// # Panics
    /// If an error is greater than stated.
    pub fn accurate(&self, t: Type, count: usize) -> Worst {
        let points = self.defined(t, count);
        let program = from_source(&format!("role a;\n{}", self.statement(t, 0, points.len())));
        let case = Case { program, inputs: self.columns(&points) };
        let outputs = case.emulate("main").unwrap_or_else(|e| panic!("{}: {e}", self.path));
        let mut worst = Worst { points: points.len(), part: 0.0, ulps: 0.0 };
        for (raw, found) in points.iter().zip(&outputs[0].1) {
            let x = raw.map(|x| t.real(x));
            let (due, found) = ((self.value)(x), t.real(*found));
            let permitted = (self.error)(t, x, due);
            let error = (found - due).abs();
            let what = format!("{}({}): {found}, expected {due}", self.path, self.arguments);
            assert!(error <= permitted, "{what} for {x:?}, fix<{},{}>", t.k, t.f);
            worst.part = worst.part.max(if permitted > 0.0 { error / permitted } else { 0.0 });
            if due.abs() <= 16.0 {
                worst.ulps = worst.ulps.max(error / t.ulp());
            }
        }
        worst
    }

    /// Rounds, and bytes that the busiest party sends for each of a thousand elements, under rep3-ring.
    fn cost(&self) -> (u32, u64) {
        const ELEMENTS: usize = 1000;
        let statement = self.statement(Type { k: 40, f: 16 }, 0, ELEMENTS);
        let case = Case { program: from_source(&format!("role a;\n{statement}")), inputs: vec![] };
        let under = Under::named("rep3-ring", 3);
        let account = case.estimate(under, Truncation::Exact, "main", vec![]);
        let account = account.unwrap_or_else(|e| panic!("{}: {e}", self.path));
        let sent = |party| account.bytes(Phase::Online, party);
        let most = (0..under.parties).map(sent).max().unwrap_or(0);
        (account.rounds.total, most.div_ceil(ELEMENTS as u64))
    }
}

/// As many of the items as `count`, the first ones and others in even steps.
fn some<T: Copy>(items: &[T], count: usize) -> Vec<T> {
    let first = items.iter().take(count / 4);
    first.chain(items.iter().step_by(items.len() / count + 1)).copied().collect()
}

/// Functions in one program, on so many points each.
pub fn all(functions: &[Elementary], points: usize) -> Case {
    let t = Type { k: 40, f: 16 };
    let (mut text, mut inputs) = ("role a;\n".to_owned(), vec![]);
    for (number, function) in functions.iter().enumerate() {
        let points = some(&function.defined(t, 2000.max(points)), points);
        text += &function.statement(t, number, points.len());
        inputs.extend(function.columns(&points));
    }
    Case { program: from_source(&text), inputs }
}

/// What `stdlib/MATH.md` says.
pub struct Report(String);

const HEAD: &str = "\
# Mathematical functions: accuracy and cost

For `fix<40, 16>`, where 1 ulp = 2^-16 and eps = 2^-21; w = 56 is the number of bits of a turn. y is the value. Errors hold for exact
truncation. Measured: the greatest part of the stated error on so many points, and the greatest error in ulp where |y| ≤ 16. Rounds and
bytes (sent by the busiest party for each element, of a thousand) are those of `rep3-ring` with exact truncation; input and output are
counted, which are 2 rounds and 16 bytes.

Written by `cargo sweep` with `BLESS=1`. The tests fail when rounds or bytes differ, `cargo sweep` when errors do.

| function | domain | stated error | part of it | ulp | points | rounds | bytes |
|---|---|---|---|---|---|---|---|
";

/// A line for each function; `measured` compares it with floating point, or recalls what was measured.
pub fn report(measured: impl Fn(&Elementary) -> Worst) -> Report {
    let mut text = HEAD.to_owned();
    for function in ELEMENTARY {
        let Elementary { path, domain, stated, .. } = function;
        let bars = |words: &str| words.replace('|', "\\|");
        let (domain, stated) = (bars(domain), bars(stated));
        let Worst { points, part, ulps } = measured(function);
        let (rounds, bytes) = function.cost();
        text += &format!(
            "| `{path}` | {domain} | {stated} | {part:.2} | {ulps:.2} | {points} | {rounds} | {bytes} |\n"
        );
    }
    Report(text)
}

impl Report {
    /// The page as it is.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn stored() -> Report {
        let path = root().join("stdlib/MATH.md");
        Report(std::fs::read_to_string(path).expect("stdlib/MATH.md is there"))
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What was measured for a function; zeros for one that is not there.
    pub fn measured(&self, path: &str) -> Worst {
        let line = self.0.lines().find(|line| line.starts_with(&format!("| `{path}` |")));
        let line = line.unwrap_or_default().replace("\\|", "");
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let number = |i: usize| cells.get(i).and_then(|c| c.parse::<f64>().ok()).unwrap_or(0.0);
        Worst { points: number(6) as usize, part: number(4), ulps: number(5) }
    }

    /// Replaces the page.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn store(&self) {
        std::fs::write(root().join("stdlib/MATH.md"), &self.0).expect("stdlib can be written");
    }
}

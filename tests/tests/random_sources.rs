//! Random programs in the language: what comes out is what a small evaluator of their statements says, under the emulator and under
//! `rep3-ring`.
//!
//! All numbers are `int` and kept small by remainders; shapes, broadcasting, slices, loops, branches and both visibilities vary.

use std::fmt::Write;

use mpc_tests::programs::from_source;
use mpc_tests::seed::{self, Rng};
use mpc_tests::session::{Case, Under};

/// A tensor of numbers as it is computed here.
#[derive(Clone, Debug, PartialEq)]
struct Tensor {
    shape: Vec<usize>,
    data: Vec<i128>,
}

impl Tensor {
    fn number(x: i128) -> Tensor {
        Tensor { shape: vec![], data: vec![x] }
    }

    /// Element at a position; axes of size 1 and missing ones repeat.
    fn at(&self, position: &[usize]) -> i128 {
        let skip = position.len() - self.shape.len();
        let place =
            |i: usize, (&size, &p): (&usize, &usize)| i * size + if size == 1 { 0 } else { p };
        self.data[self.shape.iter().zip(&position[skip..]).fold(0, place)]
    }

    fn build(shape: &[usize], f: impl Fn(&[usize]) -> i128) -> Tensor {
        let data = positions(shape).iter().map(|p| f(p)).collect();
        Tensor { shape: shape.to_vec(), data }
    }
}

fn positions(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![vec![]], |all, &size| {
        all.iter().flat_map(|p| (0..size).map(move |i| [&p[..], &[i]].concat())).collect()
    })
}

fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], axis: usize| (axis + s.len()).checked_sub(rank).map_or(1, |i| s[i]);
    let join = |axis| match (at(a, axis), at(b, axis)) {
        (x, y) if x == y || y == 1 => Some(x),
        (1, y) => Some(y),
        _ => None,
    };
    (0..rank).map(join).collect()
}

/// An expression; a number's text and how it is computed.
#[derive(Clone, Debug)]
enum Expr {
    Number(i128),
    /// The loop variable times a factor and a constant.
    Loop(i128, i128),
    Variable(usize),
    /// Position along the first axis: loop variable (if any) and constant.
    Row(usize, bool, usize),
    /// From, to along the first axis, with the loop variable added to both if so said.
    Rows(usize, bool, usize, usize),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// a where c < d, else b.
    Choice([Box<Expr>; 4]),
    /// Along the first axis.
    Reduce(&'static str, Box<Expr>),
    Reverse(Box<Expr>),
    Transpose(Box<Expr>),
    Flat(Box<Expr>),
    Twice(Box<Expr>),
}

use Expr::*;

impl Expr {
    fn text(&self) -> String {
        let place =
            |looped: bool, c: usize| if looped { format!("i + {c}") } else { c.to_string() };
        match self {
            Number(x) => format!("({x})"),
            Loop(k, c) => format!("(i * {k} + ({c}))"),
            Variable(v) => format!("v{v}"),
            Row(v, looped, c) => format!("v{v}[{}]", place(*looped, *c)),
            Rows(v, looped, from, to) => {
                format!("v{v}[{}..{}]", place(*looped, *from), place(*looped, *to))
            }
            Binary(op, a, b) if op.starts_with('m') => format!("{op}({}, {})", a.text(), b.text()),
            Binary(op, a, b) => format!("({} {op} {})", a.text(), b.text()),
            Choice([c, d, a, b]) => {
                format!("select({} < {}, {}, {})", c.text(), d.text(), a.text(), b.text())
            }
            Reduce(f, a) => format!("{f}({}, axis = 0)", a.text()),
            Reverse(a) => format!("reverse({})", a.text()),
            Transpose(a) => format!("transpose({})", a.text()),
            Flat(a) => format!("reshape({}, [-1])", a.text()),
            Twice(a) => format!("concat({0}, {0})", a.text()),
        }
    }

    /// Its value, if its shapes fit and it stays small.
    fn value(&self, variables: &[Tensor], i: i128) -> Option<Tensor> {
        let of = |e: &Expr| e.value(variables, i);
        let start = |looped: bool, c: usize| c + if looped { i as usize } else { 0 };
        let rows = |v: usize, from: usize, to: usize| {
            let t = &variables[v];
            let (&n, row) = t.shape.split_first()?;
            let width: usize = row.iter().product();
            (from <= to && to <= n).then_some(())?;
            let shape = [&[to - from], row].concat();
            Some(Tensor { shape, data: t.data[from * width..to * width].to_vec() })
        };
        let out = match self {
            Number(x) => Tensor::number(*x),
            Loop(k, c) => Tensor::number(i * k + c),
            Variable(v) => variables[*v].clone(),
            Row(v, looped, c) => {
                let at = start(*looped, *c);
                let one = rows(*v, at, at + 1)?;
                Tensor { shape: one.shape[1..].to_vec(), data: one.data }
            }
            Rows(v, looped, from, to) => rows(*v, start(*looped, *from), start(*looped, *to))?,
            Binary(op, a, b) => {
                let (a, b) = (of(a)?, of(b)?);
                let shape = broadcast(&a.shape, &b.shape)?;
                let f = |x: i128, y: i128| match *op {
                    "+" => x + y,
                    "-" => x - y,
                    "*" => x * y,
                    "min" => x.min(y),
                    _ => x.max(y),
                };
                Tensor::build(&shape, |p| f(a.at(p), b.at(p)))
            }
            Choice(parts) => {
                let [c, d, a, b] = parts.each_ref().map(|e| of(e));
                let (c, d, a, b) = (c?, d?, a?, b?);
                let condition = broadcast(&c.shape, &d.shape)?;
                let shape = broadcast(&condition, &broadcast(&a.shape, &b.shape)?)?;
                let condition = Tensor::build(&condition, |p| (c.at(p) < d.at(p)).into());
                Tensor::build(&shape, |p| if condition.at(p) == 1 { a.at(p) } else { b.at(p) })
            }
            Reduce(f, a) => {
                let a = of(a)?;
                let (&n, rest) = a.shape.split_first()?;
                (n > 0 || *f == "sum").then_some(())?;
                Tensor::build(rest, |p| {
                    let column = (0..n).map(|k| a.at(&[&[k], p].concat()));
                    let best = |better: fn(i128, i128) -> bool| {
                        let items: Vec<i128> = column.clone().collect();
                        (1..n).fold(0, |b, k| if better(items[k], items[b]) { k } else { b })
                            as i128
                    };
                    match *f {
                        "sum" => column.sum(),
                        "max" => column.max().unwrap_or(0),
                        "min" => column.min().unwrap_or(0),
                        "argmax" => best(|x, y| x > y),
                        _ => best(|x, y| x < y),
                    }
                })
            }
            Reverse(a) => {
                let a = of(a)?;
                let n = *a.shape.first()?;
                Tensor::build(&a.shape, |p| a.at(&[&[n - 1 - p[0]], &p[1..]].concat()))
            }
            Transpose(a) => {
                let a = of(a)?;
                let shape: Vec<usize> = a.shape.iter().rev().copied().collect();
                Tensor::build(&shape, |p| a.at(&p.iter().rev().copied().collect::<Vec<_>>()))
            }
            Flat(a) => {
                let a = of(a)?;
                Tensor { shape: vec![a.data.len()], data: a.data }
            }
            Twice(a) => {
                let a = of(a)?;
                let n = *a.shape.first()?;
                let shape = [&[2 * n], &a.shape[1..]].concat();
                Tensor { shape, data: [&a.data[..], &a.data[..]].concat() }
            }
        };
        let small = out.data.iter().all(|x| x.abs() < 1 << 30) && out.data.len() <= 64;
        small.then_some(out)
    }
}

/// A program under construction, and what its variables hold.
struct Maker {
    rng: Rng,
    text: String,
    variables: Vec<Tensor>,
    inputs: Vec<Vec<i128>>,
}

impl Maker {
    fn new(seed: u64) -> Maker {
        let mut maker = Maker {
            rng: Rng::new(seed),
            text: "role a;\n".into(),
            variables: vec![],
            inputs: vec![],
        };
        for shape in [vec![], vec![3], vec![4], vec![2, 3], vec![1, 3], vec![3, 2], vec![2, 2, 3]] {
            let visibility = *maker.rng.pick(&["secret", "clear"]);
            maker.input(visibility, shape);
        }
        maker
    }

    fn input(&mut self, visibility: &str, shape: Vec<usize>) {
        let size = shape.iter().product();
        let data: Vec<i128> = (0..size).map(|_| self.rng.below(41) as i128 - 20).collect();
        let number = self.variables.len();
        let sizes = if shape.is_empty() { String::new() } else { format!("{shape:?}") };
        let _ = writeln!(self.text, "input x{number}: {visibility} int{sizes} from a;");
        let _ = writeln!(self.text, "var v{number} = x{number};");
        self.inputs.push(data.clone());
        self.variables.push(Tensor { shape, data });
    }

    fn expr(&mut self, depth: u32, looped: bool) -> Expr {
        let variable = self.rng.below(self.variables.len() as u64) as usize;
        let number = self.rng.below(9) as i128 - 4;
        let small = |r: &mut Rng| r.below(3) as usize;
        let leaf = depth == 0 || self.rng.below(5) == 0;
        if leaf {
            return match self.rng.below(5) {
                0 => Number(number),
                1 if looped => Loop(self.rng.below(4) as i128 - 1, number),
                2 => {
                    let with = looped && self.rng.below(2) == 0;
                    Row(variable, with, small(&mut self.rng))
                }
                3 => {
                    let from = small(&mut self.rng);
                    let with = looped && self.rng.below(2) == 0;
                    Rows(variable, with, from, from + small(&mut self.rng))
                }
                _ => Variable(variable),
            };
        }
        let mut part = || Box::new(self.expr(depth - 1, looped));
        let (a, b) = (part(), part());
        match self.rng.below(12) {
            0..5 => Binary(self.rng.pick::<&str>(&["+", "-", "*", "min", "max"]), a, b),
            5 => Choice([a, b, Box::new(self.expr(depth - 1, looped)), Box::new(Number(number))]),
            6 | 7 => Reduce(self.rng.pick::<&str>(&["sum", "min", "max", "argmin", "argmax"]), a),
            8 => Reverse(a),
            9 => Transpose(a),
            10 => Flat(a),
            _ => Twice(a),
        }
    }

    /// An expression that has a value for every `i`, and the values.
    fn good(&mut self, range: std::ops::Range<i128>, looped: bool) -> (Expr, Vec<Tensor>) {
        loop {
            let expr = self.expr(3, looped);
            let values = range.clone().map(|i| expr.value(&self.variables, i));
            if let Some(values) = values.collect::<Option<Vec<_>>>()
                && values.iter().any(|v| !v.data.is_empty())
            {
                return (expr, values);
            }
        }
    }

    fn define(&mut self) {
        let (expr, values) = self.good(0..1, false);
        let _ = writeln!(self.text, "var v{} = {};", self.variables.len(), expr.text());
        self.variables.extend(values);
    }

    /// A loop that depends on the order of its iterations.
    fn looped(&mut self) {
        let last = 1 + self.rng.below(3) as i128;
        let (expr, values) = self.good(0..last, true);
        let shape = values[0].shape.clone();
        let mut result = Tensor { data: vec![0; values[0].data.len()], shape: shape.clone() };
        for value in &values {
            result.data.iter_mut().zip(&value.data).for_each(|(r, x)| *r = 2 * *r - x);
        }
        let name = format!("v{}", self.variables.len());
        let kind = *self.rng.pick(&["for", "for", "unroll for"]);
        let sizes = if shape.is_empty() { String::new() } else { format!("{shape:?}") };
        let _ = writeln!(
            self.text,
            "var {name} = zeros(int{sizes});\n{kind} i in 0..{last} {{ {name} = 2 * {name} - {}; }}",
            expr.text()
        );
        self.variables.push(result);
    }

    /// Variables that hand their values on, so that what is secret reaches one after the other.
    fn chain(&mut self) {
        let last = 1 + self.rng.below(4) as i128;
        let (expr, _) = self.good(0..last, true);
        let total = Reduce("sum", Box::new(Flat(Box::new(expr))));
        let values = (0..last).map(|i| total.value(&self.variables, i));
        let Some(values) = values.collect::<Option<Vec<_>>>() else { return };
        let mut held = [1, 2, 3];
        for value in values {
            held = [held[0] + value.data[0], held[0], held[1] - 1];
        }
        let [a, b, c] = [0, 1, 2].map(|k| format!("v{}", self.variables.len() + k));
        let _ = writeln!(
            self.text,
            "var ({a}, {b}, {c}) = (1, 2, 3);\nfor i in 0..{last} {{ {c} = {b} - 1; {b} = {a}; {a} += {}; }}",
            total.text()
        );
        self.variables.extend(held.map(Tensor::number));
    }

    /// Writes into rows of a variable.
    fn assign(&mut self) {
        let (expr, mut values) = self.good(0..1, false);
        let value = values.remove(0);
        let target = self.rng.below(self.variables.len() as u64) as usize;
        let Some((&n, row)) = self.variables[target].shape.split_first() else { return };
        if n == 0 {
            return;
        }
        let at = self.rng.below(n as u64) as usize;
        if value.shape != row {
            return;
        }
        let width = value.data.len();
        self.variables[target].data[at * width..(at + 1) * width].copy_from_slice(&value.data);
        let _ = writeln!(self.text, "v{target}[{at}] = {};", expr.text());
    }

    /// One of two values, by a clear condition.
    fn branch(&mut self) {
        let (a, left) = self.good(0..1, false);
        let threshold = self.rng.below(20) as i128 - 10;
        let taken = self.inputs[1][0] < threshold;
        let other = Binary("*", Box::new(a.clone()), Box::new(Number(2)));
        let Some(right) = other.value(&self.variables, 0) else { return };
        let condition = format!("reveal(share(x1))[0] < {threshold}");
        let number = self.variables.len();
        let _ = writeln!(
            self.text,
            "var v{number} = if {condition} {{ {} }} else {{ {} }};",
            a.text(),
            other.text()
        );
        self.variables.push(if taken { left[0].clone() } else { right });
    }

    fn program(mut self, statements: usize) -> (Case, Vec<Tensor>, String) {
        for _ in 0..statements {
            match self.rng.below(9) {
                0..4 => self.define(),
                4 | 5 => self.looped(),
                6 => self.chain(),
                7 => self.assign(),
                _ => self.branch(),
            }
        }
        for number in 0..self.variables.len() {
            let _ = writeln!(self.text, "output v{number} to all as \"v{number}\";");
        }
        let case = Case { program: from_source(&self.text), inputs: self.inputs };
        (case, self.variables, self.text)
    }
}

#[test]
fn programs_compute_what_their_statements_say() {
    let under = Under::named("rep3-ring", 3);
    let start = std::time::Instant::now();
    for seed in seed::cases(400, 1) {
        let (case, expected, text) = Maker::new(seed).program(12);
        let outputs = case.emulate("main").unwrap_or_else(|e| panic!("SEED={seed} {e}\n{text}"));
        for (id, found) in outputs {
            let expected = &expected[id as usize].data;
            assert_eq!(found, *expected, "SEED={seed} v{id}\n{text}");
        }
        if seed % 8 == 0 {
            case.check(under, "main").unwrap_or_else(|e| panic!("SEED={seed} {e}\n{text}"));
        }
        if start.elapsed().as_secs() >= 20 {
            break;
        }
    }
}

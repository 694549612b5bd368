//! Random functions of the library have the distributions that they state, under the emulator and under a protocol.

use mpc_protocols::Truncation;
use mpc_tests::programs::{from_source, scale};
use mpc_tests::session::{Case, Under};
use mpc_vm::emulate::{self, emulate};

const DRAWS: usize = 20_000;

/// A function of the library, and how probable each cell is into which `cell` puts a draw.
struct Distribution {
    call: &'static str,
    cell: fn(f64) -> usize,
    probabilities: Vec<f64>,
}

/// P(x) of the discrete Laplace distribution for x from -bound to bound, the rest in the outer cells.
fn discrete_laplace(epsilon: f64, bound: i32) -> Vec<f64> {
    let alpha = (-epsilon).exp();
    let point = |x: i32| (1.0 - alpha) / (1.0 + alpha) * alpha.powi(x.abs());
    let mut all: Vec<f64> = (-bound..=bound).map(point).collect();
    let tail = (1.0 - all.iter().sum::<f64>()) / 2.0;
    let last = all.len() - 1;
    all[0] += tail;
    all[last] += tail;
    all
}

/// Below -8, from -8 to 8 in steps of 1, above 8.
fn laplace(scale: f64) -> Vec<f64> {
    let below = |x: f64| match x <= 0.0 {
        true => (x / scale).exp() / 2.0,
        false => 1.0 - (-x / scale).exp() / 2.0,
    };
    let edges: Vec<f64> = (-8..=8).map(f64::from).map(below).collect();
    let steps = edges.windows(2).map(|pair| pair[1] - pair[0]);
    [edges[0]].into_iter().chain(steps).chain([1.0 - edges[16]]).collect()
}

/// Below -3, from -3 to 3 in steps of one half, above 3; Simpson's rule on each step.
fn normal() -> Vec<f64> {
    let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let step = |i: i32| {
        let x = f64::from(i) / 2.0;
        let points = (0..=16).map(|j| {
            let weight = [1.0, 4.0, 2.0][if j % 16 == 0 { 0 } else { 2 - j % 2 }];
            weight * density(x + j as f64 / 32.0)
        });
        points.sum::<f64>() / 96.0
    };
    let steps: Vec<f64> = (-6..6).map(step).collect();
    let tail = (1.0 - steps.iter().sum::<f64>()) / 2.0;
    [tail].into_iter().chain(steps).chain([tail]).collect()
}

/// Heads less eight of 16 coins.
fn binomial() -> Vec<f64> {
    let mut row = vec![1.0];
    for _ in 0..16 {
        let next = |i: usize| {
            (row.get(i).unwrap_or(&0.0) + i.checked_sub(1).map_or(0.0, |i| row[i])) / 2.0
        };
        row = (0..=row.len()).map(next).collect();
    }
    row
}

fn distributions() -> Vec<Distribution> {
    let clipped = |x: f64| (x.round().clamp(-12.0, 12.0) + 12.0) as usize;
    vec![
        Distribution {
            call: "bernoulli(N, 0.3)",
            cell: |x| x as usize,
            probabilities: vec![0.7, 0.3],
        },
        Distribution {
            call: "uniform_int(N, -3, 4)",
            cell: |x| (x + 3.0) as usize,
            probabilities: vec![1.0 / 7.0; 7],
        },
        Distribution {
            call: "uniform_int(N, 0, 8)",
            cell: |x| x as usize,
            probabilities: vec![1.0 / 8.0; 8],
        },
        Distribution {
            call: "discrete_laplace(N, 0.25)",
            cell: clipped,
            probabilities: discrete_laplace(0.25, 12),
        },
        Distribution {
            call: "discrete_laplace(N, 1.5)",
            cell: |x| (x.clamp(-3.0, 3.0) + 3.0) as usize,
            probabilities: discrete_laplace(1.5, 3),
        },
        Distribution {
            call: "laplace(N, 2.0)",
            cell: |x| (x.floor().clamp(-9.0, 8.0) + 9.0) as usize,
            probabilities: laplace(2.0),
        },
        Distribution {
            call: "normal(N, 1.0, 2.0)",
            cell: |x| ((x - 1.0).floor().clamp(-7.0, 6.0) + 7.0) as usize,
            probabilities: normal(),
        },
        Distribution {
            call: "binomial(N, 16)",
            cell: |x| (x + 8.0) as usize,
            probabilities: binomial(),
        },
    ]
}

fn case(call: &str) -> Case {
    let name = call.split('(').next().expect("calls begin with a name");
    let program = from_source(&format!(
        "use stdlib::random::{{{name}}};\nrole a;\nconst N: int = {DRAWS};\n\
         output {call} to all as \"draws\";"
    ));
    Case { program, inputs: vec![] }
}

/// Chi-square of the draws; far above the number of cells where the distribution is another.
fn compare(distribution: &Distribution, case: &Case, draws: &[i128], under: &str) {
    let Distribution { call, cell, probabilities } = distribution;
    let total: f64 = probabilities.iter().sum();
    assert!((total - 1.0).abs() < 1e-9, "{call}: the probabilities add up to {total}");
    let scale = scale(case.program.outputs[0].element);
    let mut counts = vec![0.0; probabilities.len()];
    draws.iter().for_each(|&x| counts[cell(x as f64 / scale)] += 1.0);
    let square = |(&count, &p): (&f64, &f64)| {
        let due = p * draws.len() as f64;
        (count - due).powi(2) / due
    };
    let chi_square: f64 = counts.iter().zip(probabilities).map(square).sum();
    let freedom = probabilities.len() as f64 - 1.0;
    // Beyond six standard deviations: less than once in a million runs.
    let limit = freedom + 6.0 * (2.0 * freedom).sqrt() + 12.0;
    assert!(chi_square < limit, "{call} under {under}: chi-square {chi_square:.1} of {limit:.1}");
}

#[test]
fn draws_have_the_distributions_stated() {
    for distribution in distributions() {
        let case = case(distribution.call);
        let options = emulate::Options { checked: true, ..Default::default() };
        let outcome = emulate(&case.program, 0, &[], &mut Default::default(), options);
        let outcome = outcome.expect("the program runs");
        assert_eq!(outcome.findings, [], "{}", distribution.call);
        compare(&distribution, &case, &outcome.outputs[0].1, "the emulator");
        let run = case.run(Under::named("rep3-ring", 3), Truncation::Exact, "main");
        let outcomes = run.unwrap_or_else(|e| panic!("{}: {e}", distribution.call));
        compare(&distribution, &case, &outcomes[0].outputs[0].1, "rep3-ring");
    }
}

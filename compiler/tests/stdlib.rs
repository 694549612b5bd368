//! Functions of the standard library on whole tensors against `f64` and sorting by the host, as the graph means them. (Elementary functions
//! are compared in `tests/tests/library.rs`.)

use std::collections::BTreeMap;

use mpc_compiler::ir::interpret::{Options, interpret};
use mpc_compiler::{CompileOptions, compile};

/// Runs a program; inputs and outputs are raw integers by name.
fn run(program: &str, inputs: &[(&str, Vec<i128>)]) -> BTreeMap<String, Vec<i128>> {
    let files = BTreeMap::from([("test.mpc".to_string(), program.to_string())]);
    let compiled = compile("test.mpc", &files, &CompileOptions::default())
        .unwrap_or_else(|failure| panic!("{}", failure.render(false)));
    let module = compiled.module;
    let place = |name: &str| {
        module.inputs.iter().position(|i| i.name == name).expect("an input of that name") as u32
    };
    let data = inputs.iter().map(|(name, xs)| (place(name), xs.clone())).collect();
    let found =
        interpret(&module, &module.entries[0], &data, &mut BTreeMap::new(), Options::default())
            .unwrap_or_else(|fault| panic!("line {}: {}", fault.span.line, fault.what));
    found.into_iter().map(|(id, xs)| (module.outputs[id as usize].name.clone(), xs)).collect()
}

const ULP: f64 = 65536.0;

fn real(x: i128) -> f64 {
    x as f64 / ULP
}

#[test]
fn whole_quotients_are_the_floor() {
    let xs = [7, -7, 7, -7, 0, 1000, -1000, 99, -1, 1];
    let ys = [2, 2, -2, -2, 5, 7, 7, 100, 100, 1];
    let program = "role a;\ninput x: secret int<16>[10] from a;\ninput y: secret int<16>[10] from a;\noutput x / y to all as \"q\";\noutput x % y to all as \"r\";\n";
    let found = run(program, &[("x", xs.to_vec()), ("y", ys.to_vec())]);
    for i in 0..xs.len() {
        let floor = (xs[i] as f64 / ys[i] as f64).floor() as i128;
        assert_eq!(found["q"][i], floor, "{} / {}", xs[i], ys[i]);
        assert_eq!(found["r"][i], xs[i] - floor * ys[i], "{} % {}", xs[i], ys[i]);
    }
}

#[test]
fn quotients_of_all_widths_are_exact_at_the_edges() {
    for k in [4u32, 8, 16, 19, 20, 21, 22, 23, 32, 36, 42, 43, 44, 62, 63] {
        let top = (1i128 << (k - 1)) - 1;
        let edges: Vec<i128> = [1, 2, 3, 7, top / 2, top / 2 + 1, top - 1, top].into();
        let edges: Vec<i128> = edges.iter().flat_map(|x| [*x, -x]).chain([-top - 1]).collect();
        // Divisors one beside a power of two have reciprocals that are furthest off.
        let near = [2, k / 3, k / 2, k - 2].into_iter().flat_map(|i| [(1 << i) + 1, -(1 << i) - 1]);
        let divisors: Vec<i128> = edges.iter().copied().chain(near).collect();
        let mut pairs: Vec<(i128, i128)> = vec![];
        for b in &divisors {
            let around = edges.iter().flat_map(|a| [*a, a / b * b, a / b * b + 1, a / b * b - 1]);
            pairs.extend(around.chain([0]).map(|a| (a, *b)));
        }
        let floor =
            |(a, b): &(i128, i128)| a.div_euclid(*b) - i128::from(*b < 0 && a.rem_euclid(*b) != 0);
        pairs.retain(|p| (-top - 1..=top).contains(&p.0) && floor(p) <= top);
        let n = pairs.len();
        let program = format!(
            "role a;\ninput x: secret int<{k}>[{n}] from a;\ninput y: secret int<{k}>[{n}] from a;\noutput x / y to all as \"q\";\noutput x % y to all as \"r\";\n"
        );
        let (xs, ys) = pairs.iter().copied().unzip();
        let found = run(&program, &[("x", xs), ("y", ys)]);
        for (i, p) in pairs.iter().enumerate() {
            assert_eq!(found["q"][i], floor(p), "{p:?} of {k} bits");
            assert_eq!(found["r"][i], p.0 - floor(p) * p.1, "{p:?} of {k} bits");
        }
    }
}

#[test]
fn common_divisors_are_the_greatest() {
    let xs = vec![0, 0, 12, -12, 1 << 14, 32767, 21, 17, -32767, 6];
    let ys = vec![0, 7, 18, 18, 1 << 10, 32766, 21, 0, -32767, -4];
    let program = "use stdlib::integer::{gcd};\nrole a;\ninput x: secret int<16>[10] from a;\ninput y: secret int<16>[10] from a;\n\
                   output gcd(x, y) to all as \"g\";\n";
    let found = run(program, &[("x", xs), ("y", ys)]);
    assert_eq!(found["g"], [0, 7, 6, 6, 1024, 1, 21, 17, 32767, 2]);
}

/// Numbers from a fixed sequence, from -range to range.
fn some(n: usize, range: i128) -> Vec<i128> {
    let mut state = 1u64;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            i128::from(state >> 33) % (2 * range + 1) - range
        })
        .collect()
}

#[test]
fn sorting_keeps_rows_together_and_ranks_are_stable() {
    for n in [1usize, 2, 3, 7, 8, 21, 100] {
        // Few different keys, and the ends of the type.
        let mut xs = some(n, 9);
        xs.iter_mut().skip(n / 2).zip([(1 << 31) - 1, -1 << 31]).for_each(|(x, end)| *x = end);
        let program = format!(
            "use stdlib::order::{{sort, sort_by, sort_by_descending, rank, argsort, first_occurrences}};\nrole a;\n\
             input x: secret int<32>[{n}] from a;\nlet (k, p) = sort_by(x, reshape(iota({n}), [{n}, 1]));\n\
             let (l, q) = sort_by_descending(x, reshape(iota({n}), [{n}, 1]));\noutput sort(x) to all as \"s\";\n\
             output k to all as \"k\";\noutput p to all as \"p\";\noutput l to all as \"l\";\noutput q to all as \"q\";\n\
             output rank(x) to all as \"r\";\noutput argsort(x) to all as \"a\";\noutput first_occurrences(x) to all as \"f\";\n"
        );
        let found = run(&program, &[("x", xs.clone())]);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|i| xs[*i]);
        let sorted: Vec<i128> = order.iter().map(|i| xs[*i]).collect();
        assert_eq!(found["s"], sorted);
        assert_eq!(found["k"], sorted);
        assert_eq!(found["p"], order.iter().map(|i| *i as i128).collect::<Vec<_>>());
        let mut down: Vec<usize> = (0..n).collect();
        down.sort_by_key(|i| -xs[*i]);
        assert_eq!(found["l"], down.iter().map(|i| xs[*i]).collect::<Vec<_>>());
        assert_eq!(found["q"], down.iter().map(|i| *i as i128).collect::<Vec<_>>());
        let first = (0..n).map(|i| i128::from(!xs[..i].contains(&xs[i])));
        assert_eq!(found["f"], first.collect::<Vec<_>>());
        for (place, i) in order.iter().enumerate() {
            assert_eq!(found["a"][place], *i as i128);
            assert_eq!(found["r"][*i], place as i128);
        }
    }
}

#[test]
fn statistics_are_accurate() {
    let (n, m) = (200, 3);
    let mut xs = some(n * m, 100 << 16);
    (0..n).for_each(|i| xs[i * m + 2] = 77);
    let program = format!(
        "use stdlib::stats::{{mean, variance, standardize}};\nuse stdlib::order::{{median, quantile}};\nrole a;\n\
         input x: secret fix[{n}, {m}] from a;\noutput mean(x) to all as \"mean\";\n\
         output variance(x[:, 0]) to all as \"variance\";\noutput standardize(x) to all as \"z\";\n\
         output median(x[:, 0]) to all as \"median\";\noutput quantile(x[:, 0], 0.1) to all as \"tenth\";\n"
    );
    let found = run(&program, &[("x", xs.clone())]);
    let average = |xs: &[f64]| xs.iter().sum::<f64>() / xs.len() as f64;
    let spread =
        |xs: &[f64]| average(&xs.iter().map(|x| (x - average(xs)).powi(2)).collect::<Vec<_>>());
    let near = |name: &str, want: f64, ulps: f64| {
        let error = (found[name][0] as f64 - want * ULP).abs();
        assert!(error <= ulps, "{name}: {}, expected {want}", real(found[name][0]));
    };
    near("mean", average(&xs.iter().map(|x| real(*x)).collect::<Vec<_>>()), 2.0);
    for column in 0..m {
        let values: Vec<f64> = (0..n).map(|i| real(xs[i * m + column])).collect();
        let deviation = spread(&values).sqrt();
        for (i, x) in values.iter().enumerate() {
            let want = if column == 2 { 0.0 } else { (x - average(&values)) / deviation };
            let error = (found["z"][i * m + column] as f64 - want * ULP).abs();
            assert!(error <= 1.0, "row {i}, column {column}: off by {error} ulp");
        }
    }
    let mut first: Vec<f64> = (0..n).map(|i| real(xs[i * m])).collect();
    near(
        "variance",
        spread(&first),
        2.0 + spread(&first) * ULP * 2f64.powi(-22) + 2.0 * spread(&first).sqrt(),
    );
    first.sort_by(f64::total_cmp);
    near("median", (first[n / 2 - 1] + first[n / 2]) / 2.0, 0.5);
    let at = 0.1 * (n as f64 - 1.0);
    let low = at.floor() as usize;
    let want = first[low] + (at - at.floor()) * (first[low + 1] - first[low]);
    near("tenth", want, 1.0 + n as f64 * (first[low + 1] - first[low]));
}

#[test]
fn area_under_the_curve_counts_pairs() {
    let n = 60;
    let scores = some(n, 40);
    let labels: Vec<i128> =
        some(n, 40).iter().zip(&scores).map(|(x, s)| i128::from(x + s > 10)).rev().collect();
    let program = format!(
        "use stdlib::stats::{{auc}};\nrole a;\ninput s: secret fix[{n}] from a;\ninput y: secret bool[{n}] from a;\n\
         output auc(s, y) to all as \"auc\";\n"
    );
    let found = run(&program, &[("s", scores.clone()), ("y", labels.clone())]);
    let (mut wins, mut pairs) = (0.0, 0.0);
    for i in (0..n).filter(|i| labels[*i] == 1) {
        for j in (0..n).filter(|j| labels[*j] == 0) {
            pairs += 1.0;
            wins += match scores[i].cmp(&scores[j]) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    let error = (found["auc"][0] as f64 - wins / pairs * ULP).abs();
    assert!(error <= 1.0, "{}, expected {}", real(found["auc"][0]), wins / pairs);
}

#[test]
fn softmax_is_accurate() {
    let (n, m) = (50, 7);
    let xs = some(n * m, 8 << 16);
    let program = format!(
        "use stdlib::nn::{{softmax, relu, sigmoid}};\nrole a;\ninput x: secret fix[{n}, {m}] from a;\n\
         output softmax(x) to all as \"y\";\noutput relu(x) to all as \"r\";\noutput sigmoid(x) to all as \"s\";\n"
    );
    let found = run(&program, &[("x", xs.clone())]);
    for (row, got) in xs.chunks(m).zip(found["y"].chunks(m)) {
        let powers: Vec<f64> = row.iter().map(|x| real(*x).exp()).collect();
        for (p, y) in powers.iter().zip(got) {
            let want = p / powers.iter().sum::<f64>() * ULP;
            assert!((*y as f64 - want).abs() <= m as f64 / 2.0 + 2.0, "{y}, expected {want}");
        }
    }
    assert_eq!(found["r"], xs.iter().map(|x| (*x).max(0)).collect::<Vec<_>>());
}

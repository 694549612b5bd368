//! Support vector machines.

use super::super::call::{Call, Outputs, one};
use super::super::elementwise::{expression, power_text};
use super::super::program::Value;
use super::super::tensor::{Constant, Kind};
use super::{
    both, either, floats, greatest, labels, limited, post_transform, product, rows, weights,
};

/// γ, the summand and the exponent of a kernel.
fn parameters(c: &Call<'_, '_, '_>) -> Result<[f64; 3], String> {
    let given = floats(c, "kernel_params")?;
    match given[..] {
        [] => Ok([0.0; 3]),
        [gamma, summand, degree] => Ok([gamma, summand, degree]),
        _ => Err(format!("{} parameters of the kernel where there are three", given.len())),
    }
}

/// The kernel of each row with each of `count` support vectors.
fn kernel(c: &mut Call<'_, '_, '_>, x: &Value, count: usize) -> Result<Value, String> {
    let vectors = floats(c, "support_vectors")?;
    let [gamma, summand, degree] = parameters(c)?;
    let name = c.text("kernel_type", "LINEAR")?;
    if name == "RBF" {
        return radial(c, x, vectors, count, gamma);
    }
    let products = product(c, x, vectors, count)?;
    if name == "LINEAR" {
        return Ok(products);
    }
    let v = c.p.var(&products)?;
    let (gamma, summand) = (c.p.float(gamma), c.p.float(summand));
    let inside = c.like(&format!("{} * {gamma} + {summand}", v.name), &v)?;
    let inside = c.p.operand(&inside)?;
    match name.as_str() {
        "SIGMOID" => c.like(&format!("math::tanh({inside})"), &v),
        "POLY" => {
            let text = power_text(&inside, degree);
            c.like(&text.ok_or(format!("the degree {degree} is not supported"))?, &v)
        }
        other => Err(format!("the kernel `{other}` is not known")),
    }
}

/// exp(−γ |x − v|²), with √γ in both, so that squares stay small.
fn radial(
    c: &mut Call<'_, '_, '_>,
    x: &Value,
    vectors: Vec<f64>,
    count: usize,
    gamma: f64,
) -> Result<Value, String> {
    let n = x.shape()[1];
    if Some(vectors.len()) != n.checked_mul(count) || gamma < 0.0 {
        return Err(format!("{count} support vectors of {n} numbers and γ = {gamma} do not fit"));
    }
    let root = gamma.sqrt();
    let vectors: Vec<f64> = vectors.iter().map(|v| v * root).collect();
    let squares = (0..count).map(|i| vectors[i * n..(i + 1) * n].iter().map(|v| v * v).sum());
    let squares = weights(squares.collect(), &[count])?;
    let x = super::super::linear::scaled(c, x, root)?;
    let products = product(c, &x, vectors, count)?;
    let x = c.p.var(&x)?;
    let column = [x.shape[0], 1];
    let own = format!("reshape(sum({0} * {0}, axis = -1), {column:?})", x.name);
    let own = c.p.bind(&own, &column, Kind::Float)?;
    let ends = expression(c, "@ + #", &own, &squares, Kind::Float)?;
    let distance = expression(c, "@ - # * 2", &ends, &products, Kind::Float)?;
    let v = c.p.var(&distance)?;
    c.like(&format!("math::exp(-max(0, {}))", v.name), &v)
}

pub(super) fn regressor(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = rows(c)?;
    let count = usize::try_from(c.int("n_supports", 0)?).map_err(|_| "a negative number")?;
    let coefficients = floats(c, "coefficients")?;
    let seen = if count > 0 { kernel(c, &x, count)? } else { x };
    let sum = product(c, &seen, coefficients, 1)?;
    let rho = floats(c, "rho")?.first().copied().unwrap_or(0.0);
    let out = expression(c, "@ + #", &sum, &weights(vec![rho], &[1])?, Kind::Float)?;
    if c.flag("one_class", false)? {
        let v = c.p.var(&out)?;
        let elem = c.p.elem(Kind::Float);
        return c.one_like(&format!("select({} > 0, {elem}(1), {elem}(-1))", v.name), &v);
    }
    let how = c.text("post_transform", "NONE")?;
    one(post_transform(c, out, &how)?)
}

pub(super) fn classifier(c: &mut Call<'_, '_, '_>) -> Outputs {
    let labels = labels(c, "classlabels_ints")?;
    let classes = labels.len().max(1);
    let of_class = c.ints("vectors_per_class")?.unwrap_or_default();
    let how = c.text("post_transform", "NONE")?;
    if of_class.iter().all(|n| *n == 0) {
        return linear(c, &labels, classes, &how);
    }
    let sizes: Option<Vec<usize>> =
        of_class.iter().map(|n| usize::try_from(*n).ok().filter(|n| *n <= 1 << 20)).collect();
    let sizes = sizes.filter(|s| s.len() == classes && classes > 1);
    let sizes = sizes.ok_or("the numbers of vectors do not fit the classes")?;
    let scores = pairwise(c, &sizes)?;
    let votes = votes(c, &scores, classes)?;
    let label = greatest(c, &votes, &labels)?;
    if c.node.outputs.get(1).is_none_or(|o| o.is_empty()) {
        return Ok(vec![label]);
    }
    let (a, b) = (floats(c, "prob_a")?, floats(c, "prob_b")?);
    let out = match (&a[..], &b[..], classes) {
        ([], _, 2) => both(c, &scores, "-@")?,
        ([], _, _) => scores,
        (&[a], &[b], 2) => probability(c, &scores, a, b)?,
        _ => return Err("probabilities of more than two classes are not supported".into()),
    };
    Ok(vec![label, post_transform(c, out, &how)?])
}

/// Without support vectors: a score for each class.
fn linear(c: &mut Call<'_, '_, '_>, labels: &[i64], classes: usize, how: &str) -> Outputs {
    let x = rows(c)?;
    let coefficients = floats(c, "coefficients")?;
    let sums = product(c, &x, coefficients, classes)?;
    let rho = floats(c, "rho")?.first().copied().unwrap_or(0.0);
    let scores = expression(c, "@ + #", &sums, &weights(vec![rho], &[1])?, Kind::Float)?;
    if classes == 1 {
        let label = either(c, &scores, "@ > 0", [1, 0])?;
        return Ok(vec![label, post_transform(c, scores, how)?]);
    }
    let label = greatest(c, &scores, labels)?;
    Ok(vec![label, post_transform(c, scores, how)?])
}

/// The score of each pair of classes, [rows, pairs]: positive for the first of them.
fn pairwise(c: &mut Call<'_, '_, '_>, sizes: &[usize]) -> Result<Value, String> {
    let x = rows(c)?;
    let (classes, count) = (sizes.len(), sizes.iter().sum::<usize>());
    let pairs = limited(classes, classes - 1)? / 2;
    let seen = kernel(c, &x, count)?;
    let (given, rho) = (floats(c, "coefficients")?, floats(c, "rho")?);
    if given.len() != limited(classes - 1, count)? || rho.len() != pairs {
        return Err(format!("{} coefficients for {count} vectors", given.len()));
    }
    let starts: Vec<usize> =
        sizes.iter().scan(0, |sum, n| Some(std::mem::replace(sum, *sum + n))).collect();
    let mut table = vec![0.0; limited(pairs, count)?];
    let all = (0..classes).flat_map(|i| (i + 1..classes).map(move |j| (i, j)));
    for (pair, (i, j)) in all.enumerate() {
        for (class, row) in [(i, j - 1), (j, i)] {
            for place in starts[class]..starts[class] + sizes[class] {
                table[pair * count + place] = given[row * count + place];
            }
        }
    }
    let sums = product(c, &seen, table, pairs)?;
    expression(c, "@ + #", &sums, &weights(rho, &[pairs])?, Kind::Float)
}

/// How many pairs each class wins.
fn votes(c: &mut Call<'_, '_, '_>, scores: &Value, classes: usize) -> Result<Value, String> {
    let v = c.p.var(scores)?;
    let pairs = v.shape[1];
    let mut table = vec![0; limited(pairs, classes)?];
    let mut lost = vec![0; classes];
    let all = (0..classes).flat_map(|i| (i + 1..classes).map(move |j| (i, j)));
    for (pair, (i, j)) in all.enumerate() {
        table[pair * classes + i] = 1;
        table[pair * classes + j] = -1;
        lost[j] += 1;
    }
    let table = Constant { shape: vec![pairs, classes], ..Constant::ints(table) };
    let (table, lost) = (c.p.tensor(&table.into())?, c.p.tensor(&Constant::ints(lost).into())?);
    let elem = c.p.elem(Kind::Int);
    let text = format!("{elem}(matmul({elem}({} > 0), {table}) + {lost})", v.name);
    c.p.bind(&text, &[v.shape[0], classes], Kind::Int)
}

/// Platt's probabilities of two classes.
fn probability(c: &mut Call<'_, '_, '_>, scores: &Value, a: f64, b: f64) -> Result<Value, String> {
    let factor = expression(c, "@ * #", scores, &weights(vec![a], &[1])?, Kind::Float)?;
    let inside = expression(c, "@ + #", &factor, &weights(vec![b], &[1])?, Kind::Float)?;
    let v = c.p.var(&inside)?;
    let second = c.like(&format!("math::sigmoid({})", v.name), &v)?;
    both(c, &second, "1 - @")
}

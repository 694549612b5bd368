//! The operators of `ai.onnx.ml`: what scikit-learn and boosted trees are exported to.
//!
//! Coefficients, support vectors, thresholds and weights of leaves belong to whoever owns the model, as other weights do. Which feature a
//! node of a tree compares, and how trees are built, is part of the program. Labels that are texts are given as their places in the list.

mod ensemble;
mod features;
mod linear;
mod svm;
mod trees;

use super::call::{Call, Outputs, one};
use super::elementwise::{convert, expression};
use super::program::Value;
use super::table::Operator;
use super::tensor::{Constant, Data, Kind, MAX_FOLDED, size};

/// The first version of this operator set.
pub(super) const OLDEST: i64 = 1;
/// The last.
pub(super) const NEWEST: i64 = 5;

/// What the page of operators says about them.
pub(super) const PAGE: &str = "\
Coefficients, support vectors, thresholds and weights of leaves are weights of the model, secret unless `--public-weights` is given. \
Public are the shapes, the kernel and its parameters, categories and keys of encoders, and of trees which feature a node compares, how it \
compares, and how they are built.\n\n\
Trees are evaluated obliviously: all nodes of all trees in one comparison, then the conditions along the ways to all leaves as products in \
as many rounds as the logarithm of the depth, then one product with the weights of the leaves. Thresholds are rounded so that numbers which \
the type can hold go the way that they go in the model.\n\n\
Labels that are texts are given as their places in the list; `ZipMap` gives the tensor of scores; NaN does not exist, so nothing is \
missing.\n\n";

const fn from(
    name: &'static str,
    first: i64,
    import: fn(&mut Call<'_, '_, '_>) -> Outputs,
) -> Operator {
    Operator { name, first, last: NEWEST, import }
}

/// Every operator, by name.
#[rustfmt::skip]
pub(super) const OPERATORS: &[Operator] = &[
    from("ArrayFeatureExtractor", 1, features::array_feature_extractor),
    from("Binarizer", 1, features::binarizer),
    from("FeatureVectorizer", 1, features::feature_vectorizer),
    from("Imputer", 1, features::imputer),
    from("LabelEncoder", 2, features::label_encoder),
    from("LinearClassifier", 1, linear::classifier),
    from("LinearRegressor", 1, linear::regressor),
    from("Normalizer", 1, features::normalizer),
    from("OneHotEncoder", 1, features::one_hot_encoder),
    from("SVMClassifier", 1, svm::classifier),
    from("SVMRegressor", 1, svm::regressor),
    from("Scaler", 1, features::scaler),
    from("TreeEnsemble", 5, trees::ensemble),
    from("TreeEnsembleClassifier", 1, trees::classifier),
    from("TreeEnsembleRegressor", 1, trees::regressor),
    from("ZipMap", 1, |c| one(c.input(0)?)),
];

/// The features as floats [rows, features]; a vector is one row.
fn rows(c: &mut Call<'_, '_, '_>) -> Result<Value, String> {
    let x = c.input(0)?;
    let x = convert(c, &x, Kind::Float)?;
    let shape = match *x.shape() {
        [n] => vec![1, n],
        [rows, n] => vec![rows, n],
        ref other => return Err(format!("features of shape {other:?} are no matrix")),
    };
    c.p.reshape(&x, &shape)
}

/// Weights of the model from a list of floats.
fn weights(xs: Vec<f64>, shape: &[usize]) -> Result<Value, String> {
    if xs.len() != size(shape) {
        return Err(format!("{} numbers where {} are needed", xs.len(), size(shape)));
    }
    Ok(Constant { shape: shape.to_vec(), data: Data::F64(xs), weight: true }.into())
}

/// The floats of an attribute, of which there are none if it is missing.
fn floats(c: &Call<'_, '_, '_>, name: &str) -> Result<Vec<f64>, String> {
    let xs: Vec<f64> = c.floats(name)?.unwrap_or_default().into_iter().map(f64::from).collect();
    if let Some(x) = xs.iter().find(|x| !x.is_finite()) {
        return Err(format!("the attribute `{name}` holds {x}"));
    }
    Ok(xs)
}

/// A number as the program holds it, and what remains as a multiple of 2^-16.
///
/// Scales and coefficients of features that were not scaled are small, and their last digits count.
fn in_two_parts(
    c: &Call<'_, '_, '_>,
    w: Vec<f64>,
    shape: &[usize],
) -> Result<(Value, Value), String> {
    let unit = f64::from(c.p.options.fix.1).exp2();
    let high: Vec<f64> = w.iter().map(|x| f64::from((x * unit).round() as f32) / unit).collect();
    let low = w.iter().zip(&high).map(|(x, h)| (x - h) * REST).collect();
    Ok((weights(high, shape)?, weights(low, shape)?))
}

const REST: f64 = 65536.0;

/// An expression of an operand and weights `#`, worked out for both parts of them.
pub(super) fn with_weights(
    c: &mut Call<'_, '_, '_>,
    w: Vec<f64>,
    shape: &[usize],
    f: impl Fn(&mut Call<'_, '_, '_>, &Value) -> Result<Value, String>,
) -> Result<Value, String> {
    let (high, low) = in_two_parts(c, w, shape)?;
    let (most, rest) = (f(c, &high)?, f(c, &low)?);
    let rest = super::linear::scaled(c, &rest, 1.0 / REST)?;
    expression(c, "@ + #", &most, &rest, Kind::Float)
}

/// x · wᵀ for weights [outputs, features], given row by row.
fn product(
    c: &mut Call<'_, '_, '_>,
    x: &Value,
    w: Vec<f64>,
    outputs: usize,
) -> Result<Value, String> {
    let n = x.shape()[1];
    if Some(w.len()) != n.checked_mul(outputs) {
        return Err(format!("{} coefficients for {outputs} times {n} numbers", w.len()));
    }
    let turned = (0..w.len()).map(|i| w[i % outputs * n + i / outputs]).collect();
    with_weights(c, turned, &[n, outputs], |c, w| super::linear::product(c, x, w))
}

/// What becomes of scores [rows, classes].
fn post_transform(c: &mut Call<'_, '_, '_>, scores: Value, how: &str) -> Result<Value, String> {
    let how = if how.is_empty() { "NONE" } else { how };
    if how == "NONE" {
        return Ok(scores);
    }
    let v = c.p.var(&scores)?;
    let row = [v.shape[0], 1];
    match how {
        "LOGISTIC" => c.like(&format!("math::sigmoid({})", v.name), &v),
        "SOFTMAX" => c.like(&format!("nn::softmax({})", v.name), &v),
        "SOFTMAX_ZERO" => {
            let zero = c.p.bind(&format!("{} == 0", v.name), &v.shape, Kind::Bool)?;
            let zero = c.p.operand(&zero)?;
            let most = format!("reshape(max({}, axis = -1), {row:?})", v.name);
            let powers =
                c.like(&format!("select({zero}, 0, math::exp({} - {most}))", v.name), &v)?;
            let powers = c.p.operand(&powers)?;
            let none =
                c.p.bind(&format!("reshape(all({zero}, axis = -1), {row:?})"), &row, Kind::Bool)?;
            let none = c.p.operand(&none)?;
            let sum = format!("reshape(sum({powers}, axis = -1), {row:?})");
            let text = format!(
                "select({none}, 0.5, {powers} * math::reciprocal(select({none}, 1, {sum})))"
            );
            c.like(&text, &v)
        }
        "PROBIT" => {
            // The inverse of the normal distribution by Winitzki's formula.
            let least = c.p.float((-f64::from(c.p.options.fix.1)).exp2());
            let log =
                c.like(&format!("math::log(max({least}, {0} * (1 - {0}) * 4))", v.name), &v)?;
            let log = c.p.operand(&log)?;
            let half = c.like(&format!("{log} / 2 + 4.330746750799873"), &v)?;
            let half = c.p.operand(&half)?;
            let root = c.like(
                &format!("math::sqrt(max(0, {half} * {half} - {log} * 6.802721088435374))"),
                &v,
            )?;
            let root = c.p.operand(&root)?;
            let size = format!("math::sqrt(max(0, {root} - {half})) * 1.4142135623730951");
            c.like(&format!("select({} < 0.5, -1, 1) * {size}", v.name), &v)
        }
        other => Err(format!("the post-transform `{other}` is not known")),
    }
}

/// Scores of one class as those of two.
fn both(c: &mut Call<'_, '_, '_>, score: &Value, other: &str) -> Result<Value, String> {
    let v = c.p.var(score)?;
    let other = c.like(&other.replace('@', &v.name), &v)?;
    c.p.concat(&[other, Value::Var(v)], 1)
}

/// The labels of a classifier; texts are counted.
fn labels(c: &Call<'_, '_, '_>, ints: &str) -> Result<Vec<i64>, String> {
    let given = c.ints(ints)?.unwrap_or_default();
    if !given.is_empty() {
        return Ok(given);
    }
    Ok((0..c.texts("classlabels_strings")?.len() as i64).collect())
}

/// The label of the greatest of each row, of equal ones the first.
fn greatest(c: &mut Call<'_, '_, '_>, scores: &Value, labels: &[i64]) -> Result<Value, String> {
    let v = c.p.var(scores)?;
    if v.shape[1] != labels.len() {
        return Err(format!("{} labels for {} scores", labels.len(), v.shape[1]));
    }
    let elem = c.p.elem(Kind::Int);
    let text = format!("{elem}(argmax({}, axis = -1))", v.name);
    let place = c.p.bind(&text, &v.shape[..1], Kind::Int)?;
    if labels.iter().zip(0..).all(|(label, i)| *label == i) {
        return Ok(place);
    }
    let table = c.p.tensor(&Constant::ints(labels.to_vec()).into())?;
    let place = c.p.operand(&place)?;
    c.p.bind(&format!("lookup({table}, {place})"), &v.shape[..1], Kind::Int)
}

/// One of two labels: the first where a score [rows, 1] exceeds a number.
fn either(
    c: &mut Call<'_, '_, '_>,
    score: &Value,
    condition: &str,
    labels: [i64; 2],
) -> Result<Value, String> {
    let v = c.p.var(score)?;
    let elem = c.p.elem(Kind::Int);
    let choice = format!(
        "select({}, {elem}({}), {elem}({}))",
        condition.replace('@', &v.name),
        labels[0],
        labels[1]
    );
    c.p.bind(&format!("reshape({choice}, [{}])", v.shape[0]), &v.shape[..1], Kind::Int)
}

/// A product of sizes that stays small enough to be worked out while importing.
fn limited(a: usize, b: usize) -> Result<usize, String> {
    a.checked_mul(b)
        .filter(|n| *n <= MAX_FOLDED)
        .ok_or_else(|| format!("{a} times {b} numbers are too many"))
}

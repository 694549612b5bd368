//! Preparation of features.

use std::collections::BTreeMap;

use super::super::call::{Call, Outputs, one};
use super::super::elementwise::{convert, expression};
use super::super::program::Value;
use super::super::tensor::{Constant, Data, Kind};
use super::super::view::View;
use super::{floats, rows, weights, with_weights};

/// (x − offset) · scale.
pub(super) fn scaler(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = rows(c)?;
    let shape = c.input(0)?.shape().to_vec();
    let (offset, scale) = (floats(c, "offset")?, floats(c, "scale")?);
    let n = scale.len().max(offset.len());
    let each = |xs: &[f64], i: usize| if xs.len() == 1 { xs[0] } else { xs[i] };
    if n == 0 || [&offset, &scale].iter().any(|xs| ![0, 1, n].contains(&xs.len())) {
        return Err(format!("{} offsets and {} scales", offset.len(), scale.len()));
    }
    // x · scale − offset · scale: the second product is known.
    let scale = if scale.is_empty() { vec![1.0] } else { scale };
    let offset = if offset.is_empty() { vec![0.0] } else { offset };
    let summand = (0..n).map(|i| -each(&offset, i) * each(&scale, i)).collect();
    let width = scale.len();
    let out = with_weights(c, scale, &[width], |c, w| expression(c, "@ * #", &x, w, Kind::Float))?;
    let out = expression(c, "@ + #", &out, &weights(summand, &[n])?, Kind::Float)?;
    one(c.p.reshape(&out, &shape)?)
}

/// Each row over its norm.
pub(super) fn normalizer(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = rows(c)?;
    let shape = c.input(0)?.shape().to_vec();
    let v = c.p.var(&x)?;
    let norm = match c.text("norm", "MAX")?.as_str() {
        "MAX" => format!("max(max({0}, -{0}), axis = -1)", v.name),
        "L1" => format!("sum(max({0}, -{0}), axis = -1)", v.name),
        "L2" => format!("math::sqrt(sum({0} * {0}, axis = -1))", v.name),
        other => return Err(format!("the norm `{other}` is not known")),
    };
    // Rows of zeros stay what they are.
    let least = c.p.float((-f64::from(c.p.options.fix.1)).exp2());
    let column = [v.shape[0], 1];
    let norm =
        c.p.bind(&format!("reshape(max({norm}, {least}), {column:?})"), &column, Kind::Float)?;
    let out = expression(c, "@ / #", &Value::Var(v), &norm, Kind::Float)?;
    one(c.p.reshape(&out, &shape)?)
}

/// A value in place of another. What is missing as a NaN cannot come in: fixed-point numbers have none.
pub(super) fn imputer(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let (values, replaced) = match x.kind() {
        Kind::Int => {
            let ints = c.ints("imputed_value_int64s")?.unwrap_or_default();
            (Constant::ints(ints), c.int("replaced_value_int64", 0)? as f64)
        }
        _ => {
            let xs = floats(c, "imputed_value_floats")?;
            let n = xs.len();
            let values = Constant { weight: true, ..Constant::floats(xs, &[n]) };
            (values, c.float("replaced_value_float", 0.0)?)
        }
    };
    let n = x.shape().last().copied().unwrap_or(1);
    if values.size() != 1 && values.size() != n {
        return Err(format!("{} values for {n} features", values.size()));
    }
    if replaced.is_nan() {
        return one(x);
    }
    let v = c.p.var(&x)?;
    let replaced = match v.kind {
        Kind::Int => format!("({})", replaced as i64),
        _ => c.p.float(replaced),
    };
    let values = c.p.tensor(&values.into())?;
    c.one_like(&format!("select({0} == {replaced}, {values}, {0})", v.name), &v)
}

/// A column for each category.
pub(super) fn one_hot_encoder(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let cats = c.ints("cats_int64s")?.unwrap_or_default();
    if cats.is_empty() {
        return Err("categories that are texts are not supported".into());
    }
    let shape = [x.shape(), &[cats.len()]].concat();
    let column = c.p.reshape(&x, &[x.shape(), &[1]].concat())?;
    let equal = equal(c, &column, cats.iter().map(|x| *x as f64).collect())?;
    let (equal, elem) = (c.p.operand(&equal)?, c.p.elem(Kind::Float));
    one(c.p.bind(&format!("{elem}({equal})"), &shape, Kind::Float)?)
}

/// Which of some public numbers each element of [.., 1] is.
fn equal(c: &mut Call<'_, '_, '_>, x: &Value, keys: Vec<f64>) -> Result<Value, String> {
    let n = keys.len();
    let keys = match x.kind() {
        Kind::Int => Constant::ints(keys.iter().map(|k| *k as i64).collect()),
        Kind::Float => Constant::floats(keys, &[n]),
        Kind::Bool => return Err("truth values are no keys".into()),
    };
    let (v, keys) = (c.p.var(x)?, c.p.tensor(&keys.into())?);
    let rows = &v.shape[..v.shape.len() - 1];
    c.p.bind(&format!("{} == {keys}", v.name), &[rows, &[n]].concat(), Kind::Bool)
}

pub(super) fn binarizer(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let x = convert(c, &x, Kind::Float)?;
    let v = c.p.var(&x)?;
    let threshold = c.float("threshold", 0.0)?;
    let (threshold, elem) = (c.p.float(threshold), c.p.elem(Kind::Float));
    c.one_like(&format!("{elem}({} > {threshold})", v.name), &v)
}

/// Some of the last axis, at known or secret places.
pub(super) fn array_feature_extractor(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (x, places) = (c.input(0)?, c.input(1)?);
    if places.kind() != Kind::Int || x.rank() == 0 {
        return Err("features and integer positions are needed".into());
    }
    let x = if x.rank() == 1 { c.p.reshape(&x, &[1, x.size()])? } else { x };
    let (axis, count) = (x.rank() - 1, places.size());
    let n = x.shape()[axis];
    if let Value::Const(known) = &places {
        let known: Vec<usize> =
            known.to_ints().iter().map(|i| c.place(*i, n)).collect::<Result<_, _>>()?;
        return one(c.p.take(&x, axis, &known)?);
    }
    let front = c.p.view(&x, &View::to_front(x.shape(), axis))?;
    let flat = c.p.reshape(&places, &[count])?;
    let (table, flat) = (c.p.tensor(&front)?, c.p.var(&flat)?);
    let shape = [&[count], &front.shape()[1..]].concat();
    let found = c.p.bind(&format!("lookup({table}, {})", flat.name), &shape, x.kind())?;
    let back: Vec<usize> = (1..=axis).chain([0]).collect();
    one(c.p.transpose(&found, &back)?)
}

/// Columns side by side, each input cut or filled to its width.
pub(super) fn feature_vectorizer(c: &mut Call<'_, '_, '_>) -> Outputs {
    let widths = c.ints("inputdimensions")?.unwrap_or_default();
    let mut parts = vec![];
    for i in 0..c.inputs.len() {
        let x = c.input(i)?;
        let x = convert(c, &x, Kind::Float)?;
        let shape = match *x.shape() {
            [n] => [n, 1],
            [n, m] => [n, m],
            ref other => return Err(format!("features of shape {other:?} are no matrix")),
        };
        let x = c.p.reshape(&x, &shape)?;
        let width = widths.get(i).copied().unwrap_or(shape[1] as i64);
        let width = usize::try_from(width).map_err(|_| "a width is negative")?;
        let kept = c.p.view(&x, &View::whole(&shape).sliced(1, 0, 1, width.min(shape[1])))?;
        parts.push(kept);
        if width > shape[1] {
            let more = [shape[0], width - shape[1]];
            parts.push(c.p.broadcast(&Constant::scalar(0.0).into(), &more)?);
        }
    }
    one(c.p.concat(&parts, 1)?)
}

/// Numbers for numbers: a default, and for each key what its value differs from that.
pub(super) fn label_encoder(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let (keys, _) = numbers(c, "keys")?;
    let (values, whole) = numbers(c, "values")?;
    if keys.len() != values.len() || keys.is_empty() {
        return Err(format!("{} keys and {} values", keys.len(), values.len()));
    }
    let default = match c.tensor("default_tensor")? {
        Some(t) if t.size() == 1 => t.at(0),
        Some(_) => return Err("the default must be one number".into()),
        None if whole => c.int("default_int64", -1)? as f64,
        None => c.float("default_float", 0.0)?,
    };
    // Of equal keys the last counts.
    let last: BTreeMap<u64, usize> = keys.iter().map(|k| k.to_bits()).zip(0..).collect();
    let kept: Vec<usize> = last.into_values().filter(|i| keys[*i].is_finite()).collect();
    let column = c.p.reshape(&x, &[x.size(), 1])?;
    let equal = equal(c, &column, kept.iter().map(|i| keys[*i]).collect())?;
    let equal = c.p.operand(&equal)?;
    let differences: Vec<f64> = kept.iter().map(|i| values[*i] - default).collect();
    let (kind, table, default) = if whole {
        let table = Constant::ints(differences.iter().map(|d| *d as i64).collect());
        (Kind::Int, table, format!("({})", default as i64))
    } else {
        let n = differences.len();
        (Kind::Float, Constant::floats(differences, &[n]), c.p.float(default))
    };
    let table = c.p.tensor(&table.into())?;
    let elem = c.p.elem(kind);
    let text = format!("{elem}(matmul(int<2>({equal}), {table}) + {default})");
    let out = c.p.bind(&text, &[x.size()], kind)?;
    one(c.p.reshape(&out, x.shape())?)
}

/// The keys or values of an encoder, and whether they are integers.
fn numbers(c: &mut Call<'_, '_, '_>, name: &str) -> Result<(Vec<f64>, bool), String> {
    if let Some(t) = c.tensor(&format!("{name}_tensor"))? {
        let whole = matches!(t.data, Data::Int(_));
        return Ok(((0..t.size()).map(|i| t.at(i)).collect(), whole));
    }
    if let Some(ints) = c.ints(&format!("{name}_int64s"))? {
        return Ok((ints.into_iter().map(|x| x as f64).collect(), true));
    }
    match c.floats(&format!("{name}_floats"))? {
        Some(xs) => Ok((xs.into_iter().map(f64::from).collect(), false)),
        None => Err(format!("{name} that are texts are not supported")),
    }
}

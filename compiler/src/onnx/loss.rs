//! Losses of classifiers.

use super::activation::log_softmax_of;
use super::call::{Call, Outputs};
use super::elementwise::expression;
use super::linear::scaled;
use super::places::elements;
use super::program::Value;
use super::tensor::{Constant, Data, Kind, size};

pub(super) fn negative_log_likelihood(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = Value::Var(c.float_var(0)?);
    Ok(vec![loss(c, &x)?])
}

pub(super) fn softmax_cross_entropy(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = Value::Var(c.float_var(0)?);
    if x.rank() < 2 {
        return Err("scores of classes are needed".into());
    }
    let order: Vec<usize> = (0..x.rank()).filter(|i| *i != 1).chain([1]).collect();
    let moved = c.p.transpose(&x, &order)?;
    let logs = log_softmax_of(c, &moved)?;
    let back: Vec<usize> = [0, x.rank() - 1].into_iter().chain(1..x.rank() - 1).collect();
    let logs = c.p.transpose(&logs, &back)?;
    Ok(vec![loss(c, &logs)?, logs])
}

/// Minus the logarithms [n, classes, …] at the targets, weighted, and their sum or mean.
fn loss(c: &mut Call<'_, '_, '_>, x: &Value) -> Result<Value, String> {
    let target = c.input(1)?;
    let shape = x.shape().to_vec();
    let classes = shape.get(1).copied().ok_or("scores of classes are needed")?;
    if target.shape() != [&shape[..1], &shape[2..]].concat() {
        return Err(format!("targets of shape {:?} for scores of {shape:?}", target.shape()));
    }
    let ignored = if c.has("ignore_index") { Some(c.int("ignore_index", 0)?) } else { None };
    let (target, counted) = match ignored {
        Some(ignored) => without(c, &target, ignored)?,
        None => (target, None),
    };
    let column = [&shape[..1], &[1], &shape[2..]].concat();
    let places = c.p.reshape(&target, &column)?;
    let picked = elements(c, x, &places, 1)?;
    let picked = c.p.reshape(&picked, target.shape())?;
    let mut weight = match c.optional(2) {
        None => None,
        Some(w) if w.shape() != [classes] => return Err("a weight for each class is needed".into()),
        Some(w) => {
            let n = target.size();
            let table = c.p.broadcast(&w, &[n, classes])?;
            let flat = c.p.reshape(&target, &[n, 1])?;
            let found = elements(c, &table, &flat, 1)?;
            Some(c.p.reshape(&found, target.shape())?)
        }
    };
    let minus = scaled(c, &picked, -1.0)?;
    if let Some(counted) = &counted {
        weight = Some(match weight {
            None => {
                let v = c.p.var(counted)?;
                let elem = c.p.elem(Kind::Float);
                c.p.bind(&format!("{elem}({})", v.name), target.shape(), Kind::Float)?
            }
            Some(w) => expression(c, "select(#, @, 0)", &w, counted, Kind::Float)?,
        });
    }
    let each = match &weight {
        None => minus,
        Some(w) => expression(c, "@ * #", &minus, w, Kind::Float)?,
    };
    let how = c.text("reduction", "mean")?;
    if how == "none" {
        return Ok(each);
    }
    let v = c.p.var(&each)?;
    let sum = c.p.bind(&format!("sum({})", v.name), &[], Kind::Float)?;
    match (how.as_str(), weight) {
        ("sum", _) => Ok(sum),
        ("mean", None) => scaled(c, &sum, 1.0 / size(&v.shape).max(1) as f64),
        ("mean", Some(w)) => {
            let w = c.p.var(&w)?;
            let all = c.p.bind(&format!("sum({})", w.name), &[], Kind::Float)?;
            expression(c, "@ / #", &sum, &all, Kind::Float)
        }
        (other, _) => Err(format!("the reduction `{other}` is not known")),
    }
}

/// Targets with 0 for those that do not count, and which do.
fn without(
    c: &mut Call<'_, '_, '_>,
    target: &Value,
    ignored: i64,
) -> Result<(Value, Option<Value>), String> {
    if let Value::Const(k) = target {
        let xs = k.to_ints();
        let counted = Data::Bool(xs.iter().map(|x| *x != ignored).collect());
        let places = xs.iter().map(|x| if *x == ignored { 0 } else { *x }).collect();
        let shape = || k.shape.clone();
        let places = Constant { shape: shape(), data: Data::Int(places), weight: false };
        let counted = Constant { shape: shape(), data: counted, weight: false };
        return Ok((places.into(), Some(counted.into())));
    }
    let v = c.p.var(target)?;
    let counted = c.p.bind(&format!("{} != ({ignored})", v.name), &v.shape, Kind::Bool)?;
    let mask = c.p.operand(&counted)?;
    let places = c.like(&format!("select({mask}, {}, 0)", v.name), &v)?;
    Ok((places, Some(counted)))
}

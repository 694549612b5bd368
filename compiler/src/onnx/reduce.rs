//! Reductions over axes.

use super::call::{Call, Outputs, one};
use super::linear::scaled;
use super::program::{Value, Var};
use super::tensor::{Constant, Data, Kind, MAX_FOLDED, size, too_large};
use super::view::View;

/// A reduction: on known floats, and as expressions in which `@` stands for the operand, then for the result.
pub(super) struct Reduction {
    pub(super) known: fn(&[f64]) -> f64,
    /// What becomes of each element first; empty for nothing.
    pub(super) before: &'static str,
    /// The reduction over the last axis.
    pub(super) text: &'static str,
    /// What becomes of the result; empty for nothing.
    pub(super) after: &'static str,
    /// Whether the result is divided by the number of elements.
    pub(super) mean: bool,
}

/// The operand with the axes to reduce as one at the end, and the shape of the result.
struct Rows {
    value: Value,
    shape: Vec<usize>,
}

/// Axes are an attribute before operator set 13 (`ReduceSum`) or 18 (others), an input from there on.
fn rows(c: &mut Call<'_, '_, '_>) -> Result<Option<Rows>, String> {
    let x = c.input(0)?;
    let rank = x.rank();
    let given = c.ints_of("axes", 1)?.unwrap_or_default();
    if given.is_empty() && c.flag("noop_with_empty_axes", false)? {
        return Ok(None);
    }
    let axes: Vec<usize> = match given.is_empty() {
        true => (0..rank).collect(),
        false => given.iter().map(|&a| c.axis(a, rank)).collect::<Result<_, _>>()?,
    };
    over(c, &x, &axes, c.flag("keepdims", true)?).map(Some)
}

fn over(c: &mut Call<'_, '_, '_>, x: &Value, axes: &[usize], keep: bool) -> Result<Rows, String> {
    let kept: Vec<usize> = (0..x.rank()).filter(|i| !axes.contains(i)).collect();
    let gone: Vec<usize> = (0..x.rank()).filter(|i| axes.contains(i)).collect();
    let sizes = |axes: &[usize]| -> Vec<usize> { axes.iter().map(|&i| x.shape()[i]).collect() };
    let shape = match keep {
        true => x
            .shape()
            .iter()
            .enumerate()
            .map(|(i, &n)| if axes.contains(&i) { 1 } else { n })
            .collect(),
        false => sizes(&kept),
    };
    let (outer, inner) = (size(&sizes(&kept)), size(&sizes(&gone)));
    let moved = c.p.transpose(x, &[kept, gone].concat())?;
    Ok(Rows { value: c.p.reshape(&moved, &[outer, inner])?, shape })
}

pub(super) fn reduce(c: &mut Call<'_, '_, '_>, op: &Reduction) -> Outputs {
    let Some(rows) = rows(c)? else { return each_alone(c, op) };
    if let Value::Const(k) = &rows.value {
        return one(known(k, op, &rows.shape)?.into());
    }
    let v = c.p.var(&rows.value)?;
    let of_bools = match op.text {
        "max(@, axis = -1)" => "any",
        "min(@, axis = -1)" => "all",
        _ => "",
    };
    if v.kind == Kind::Bool && !of_bools.is_empty() && v.shape[1] > 0 {
        let text = format!("{of_bools}({}, axis = -1)", v.name);
        let out = c.p.bind(&text, &v.shape[..1], Kind::Bool)?;
        return one(c.p.reshape(&out, &rows.shape)?);
    }
    if v.kind == Kind::Bool || v.kind == Kind::Int && (op.after.contains("::") || op.mean) {
        return Err("it is not supported for this element type".into());
    }
    if v.shape[1] == 0 {
        return nothing(c, op, &rows.shape);
    }
    let inner = if op.before.is_empty() { v.name.clone() } else { op.before.replace('@', &v.name) };
    let text = op.text.replace('@', &inner);
    let out = c.p.bind(&text, &v.shape[..1], v.kind)?;
    let out = if op.mean { scaled(c, &out, 1.0 / v.shape[1] as f64)? } else { out };
    let out = finished(c, out, op)?;
    one(c.p.reshape(&out, &rows.shape)?)
}

/// The reduction of no elements.
fn nothing(c: &mut Call<'_, '_, '_>, op: &Reduction, shape: &[usize]) -> Outputs {
    let x = (op.known)(&[]);
    if !x.is_finite() {
        return Err("there is nothing to reduce".into());
    }
    one(c.p.broadcast(&Constant::scalar(x).into(), shape)?)
}

fn finished(c: &mut Call<'_, '_, '_>, out: Value, op: &Reduction) -> Result<Value, String> {
    if op.after.is_empty() {
        return Ok(out);
    }
    let v = c.p.var(&out)?;
    c.like(&op.after.replace('@', &v.name), &v)
}

/// No axes: what the reduction makes of single elements.
fn each_alone(c: &mut Call<'_, '_, '_>, op: &Reduction) -> Outputs {
    let x = c.input(0)?;
    let out = match op.before {
        "" => x,
        before => {
            let v = c.p.var(&x)?;
            c.like(&before.replace('@', &v.name), &v)?
        }
    };
    one(finished(c, out, op)?)
}

fn known(k: &Constant, op: &Reduction, shape: &[usize]) -> Result<Constant, String> {
    if k.size() > MAX_FOLDED {
        return Err(too_large(&k.shape));
    }
    let (outer, n) = (k.shape[0], k.shape[1]);
    let row = |i: usize| -> f64 {
        let xs: Vec<f64> = (i * n..(i + 1) * n).map(|j| k.at(j)).collect();
        (op.known)(&xs)
    };
    let data = match k.kind() {
        Kind::Float => Data::F64((0..outer).map(row).collect()),
        _ => Data::Int((0..outer).map(|i| row(i) as i64).collect()),
    };
    Ok(Constant { shape: shape.to_vec(), data, weight: k.weight })
}

/// The sum of exponentials, with the maximum taken out, as a logarithm.
pub(super) fn log_sum_exp(c: &mut Call<'_, '_, '_>) -> Outputs {
    let Some(rows) = rows(c)? else { return one(c.input(0)?) };
    let v = c.p.var(&rows.value)?;
    let column = [v.shape[0], 1];
    let most = c.p.bind(&format!("max({}, axis = -1)", v.name), &v.shape[..1], Kind::Float)?;
    let most = c.p.operand(&most)?;
    let text = format!(
        "{most} + math::log(sum(math::exp({} - reshape({most}, {column:?})), axis = -1))",
        v.name
    );
    let out = c.p.bind(&text, &v.shape[..1], Kind::Float)?;
    one(c.p.reshape(&out, &rows.shape)?)
}

/// The place of the greatest or the least, the first of equal ones unless the last is asked for.
pub(super) fn arg_extreme(c: &mut Call<'_, '_, '_>, function: &str) -> Outputs {
    let x = c.input(0)?;
    let axis = c.axis(c.int("axis", 0)?, x.rank())?;
    let rows = over(c, &x, &[axis], c.flag("keepdims", true)?)?;
    let v: Var = c.p.var(&rows.value)?;
    let (n, last) = (v.shape[1], c.flag("select_last_index", false)?);
    let elem = c.p.elem(Kind::Int);
    let text = if last {
        let view = View::whole(&v.shape).sliced(1, n.saturating_sub(1), -1, n);
        let turned = c.p.view(&rows.value, &view)?;
        let turned = c.p.operand(&turned)?;
        format!("{} - {elem}({function}({turned}, axis = -1))", n.saturating_sub(1))
    } else {
        format!("{elem}({function}({}, axis = -1))", v.name)
    };
    let out = c.p.bind(&text, &v.shape[..1], Kind::Int)?;
    one(c.p.reshape(&out, &rows.shape)?)
}

/// Running sums along an axis, from either end, with or without the element itself.
pub(super) fn cum_sum(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let axis = c.known(1, "axis")?.ok_or("the axis is missing")?.int_at(0);
    let axis = c.axis(axis, x.rank())?;
    let n = x.shape()[axis];
    let turned = View::whole(x.shape()).sliced(axis, n.saturating_sub(1), -1, n);
    let reverse = c.flag("reverse", false)?;
    let start = if reverse { c.p.view(&x, &turned)? } else { x };
    let v = c.p.var(&start)?;
    let exclusive =
        if c.flag("exclusive", false)? { format!(" - {}", v.name) } else { String::new() };
    let sums = c.like(&format!("cumsum({}, axis = {axis}){exclusive}", v.name), &v)?;
    one(if reverse { c.p.view(&sums, &turned)? } else { sums })
}

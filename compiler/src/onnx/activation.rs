//! Activations with parameters, softmax and what is like it.

use super::call::{Call, Outputs, one};
use super::elementwise::{expression, map};
use super::program::{Value, Var};
use super::tensor::Kind;
use super::tensor::size;

/// An expression in x with float attributes, given with their defaults.
pub(super) fn formula(c: &mut Call<'_, '_, '_>, attributes: &[(&str, f64)], text: &str) -> Outputs {
    let v = c.float_var(0)?;
    let mut text = text.replace('@', &v.name);
    for (name, default) in attributes {
        let value = c.float(name, *default)?;
        text = text.replace(&format!("${name}"), &c.p.float(value));
    }
    c.one_like(&text, &v)
}

/// Bounds are attributes before operator set 11, inputs from there on; either may be missing.
pub(super) fn clip(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let mut out = x.clone();
    for (name, i, function) in [("min", 1, "max"), ("max", 2, "min")] {
        let bound = match c.optional(i) {
            Some(bound) => Some(bound),
            None => c.number_of(name, i)?.map(|x| super::tensor::Constant::scalar(x).into()),
        };
        let Some(bound) = bound else { continue };
        // Without a known end there is nothing to compare with.
        if bound.scalar().is_some_and(|b| b.abs() > 3e38) {
            continue;
        }
        out = clipped(c, &out, &bound, function)?;
    }
    one(out)
}

fn clipped(
    c: &mut Call<'_, '_, '_>,
    x: &Value,
    bound: &Value,
    function: &str,
) -> Result<Value, String> {
    if bound.size() != 1 {
        return Err("a bound must be one number".into());
    }
    if let (Value::Const(x), Value::Const(b)) = (x, bound)
        && x.kind() == b.kind()
    {
        let b = b.at(0);
        let pick = if function == "max" { f64::max } else { f64::min };
        return Ok(map(x, |x| pick(x, b)).into());
    }
    let bound = c.p.reshape(bound, &[])?;
    expression(c, &format!("{function}(@, #)"), x, &bound, x.kind())
}

pub(super) fn prelu(c: &mut Call<'_, '_, '_>) -> Outputs {
    let v = c.float_var(0)?;
    let slope = c.input(1)?;
    // Before operator set 7 a slope for each channel needed no further axes; exporters still write it so.
    let slope = match slope.shape() {
        &[n] if n > 1 && v.shape.len() > 2 && v.shape.last() != Some(&n) && v.shape[1] == n => {
            let ones = vec![1; v.shape.len() - 2];
            c.p.reshape(&slope, &[vec![n], ones].concat())?
        }
        _ => slope,
    };
    let scaled = expression(c, "@ * #", &Value::Var(v.clone()), &slope, Kind::Float)?;
    let scaled = c.p.operand(&scaled)?;
    c.one_like(&format!("select({0} < 0, {scaled}, {0})", v.name), &v)
}

/// GELU, exact or by tanh.
pub(super) fn gelu(c: &mut Call<'_, '_, '_>) -> Outputs {
    if c.text("approximate", "none")? == "none" {
        return formula(c, &[], "nn::gelu(@)");
    }
    formula(c, &[], "@ * 0.5 * (math::tanh((@ + @ * @ * @ * 0.044715) * 0.7978845608028654) + 1)")
}

/// Brings the axis of a softmax to the end. Before operator set 13 all axes from `axis` on are one.
fn rows(c: &mut Call<'_, '_, '_>) -> Result<(Var, Vec<usize>, Vec<usize>), String> {
    let x = c.input(0)?;
    let (rank, shape) = (x.rank(), x.shape().to_vec());
    if c.opset < 13 {
        let axis = c.int("axis", 1)?;
        let axis = if axis == rank as i64 { rank } else { c.axis(axis, rank)? };
        let flat = c.p.reshape(&x, &[size(&shape[..axis]), size(&shape[axis..])])?;
        return Ok((c.p.var(&flat)?, vec![0, 1], shape));
    }
    let axis = c.axis(c.int("axis", -1)?, rank)?;
    let order: Vec<usize> = (0..rank).filter(|i| *i != axis).chain([axis]).collect();
    let moved = c.p.transpose(&x, &order)?;
    let mut back = vec![0; rank];
    order.iter().enumerate().for_each(|(i, o)| back[*o] = i);
    Ok((c.p.var(&moved)?, back, shape))
}

fn by_rows(c: &mut Call<'_, '_, '_>, text: &str) -> Outputs {
    let (v, back, shape) = rows(c)?;
    if v.kind != Kind::Float {
        return Err("it is for floats only".into());
    }
    let row = [&v.shape[..v.shape.len() - 1], &[1]].concat();
    let text = text.replace('@', &v.name).replace("$row", &format!("{row:?}"));
    let out = c.like(&text, &v)?;
    let out = c.p.transpose(&out, &back)?;
    one(c.p.reshape(&out, &shape)?)
}

/// Softmax along the last axis.
pub(super) fn softmax_of(c: &mut Call<'_, '_, '_>, x: &Value) -> Result<Value, String> {
    let v = c.p.var(x)?;
    c.like(&format!("nn::softmax({})", v.name), &v)
}

/// Its logarithm.
pub(super) fn log_softmax_of(c: &mut Call<'_, '_, '_>, x: &Value) -> Result<Value, String> {
    let v = c.p.var(x)?;
    c.like(&format!("nn::log_softmax({})", v.name), &v)
}

pub(super) fn softmax(c: &mut Call<'_, '_, '_>) -> Outputs {
    by_rows(c, "nn::softmax(@)")
}

pub(super) fn log_softmax(c: &mut Call<'_, '_, '_>) -> Outputs {
    by_rows(c, "nn::log_softmax(@)")
}

/// One where the greatest of a row is, the first if there are several.
pub(super) fn hardmax(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (v, _, _) = rows(c)?;
    let n = v.shape.last().copied().unwrap_or(1);
    let elem = c.p.elem(Kind::Float);
    by_rows(c, &format!("{elem}(one_hot(argmax(@, axis = -1), {n}))"))
}

//! Quantised numbers: integers of 8 bits (or so) that stand for floats by a scale and a zero point.
//!
//! Products of them are products of integers; scales come in once, after the sum.

use super::call::{Call, Outputs, one};
use super::elementwise::{convert, expression};
use super::linear::scaled;
use super::ml;
use super::program::Value;
use super::tensor::{Constant, Kind};

/// Least and greatest number of an element type.
pub(super) fn range(kind: i64) -> Result<(f64, f64), String> {
    Ok(match kind {
        2 => (0.0, 255.0),
        3 => (-128.0, 127.0),
        4 => (0.0, 65535.0),
        5 => (-32768.0, 32767.0),
        21 => (0.0, 15.0),
        22 => (-8.0, 7.0),
        25 => (0.0, 3.0),
        26 => (-2.0, 1.0),
        _ => return Err(format!("numbers of element type {kind} are no quantised ones")),
    })
}

/// Scales or zero points along an axis, or in blocks of it, in a shape that fits x.
fn spread(c: &mut Call<'_, '_, '_>, v: Value, shape: &[usize]) -> Result<Value, String> {
    if v.size() == 1 {
        return c.p.reshape(&v, &[]);
    }
    let axis = c.int("axis", 1)?;
    if v.rank() == 1 {
        let axis = c.axis(axis, shape.len())?;
        if v.size() != shape[axis] {
            return Err(format!("{} scales for {} elements", v.size(), shape[axis]));
        }
        return c.p.reshape(&v, &[vec![v.size()], vec![1; shape.len() - axis - 1]].concat());
    }
    let axis = c.axis(axis, shape.len())?;
    let block = usize::try_from(c.int("block_size", 0)?).unwrap_or(0);
    let fits =
        v.rank() == shape.len() && block > 0 && v.shape()[axis] == shape[axis].div_ceil(block);
    if !fits {
        return Err(format!("scales of shape {:?} for {shape:?}", v.shape()));
    }
    let places: Vec<usize> = (0..shape[axis]).map(|i| i / block).collect();
    c.p.take(&v, axis, &places)
}

/// x times known factors: exactly where they are public, in two parts where they are weights.
fn times(c: &mut Call<'_, '_, '_>, x: &Value, factors: &Constant) -> Result<Value, String> {
    if factors.size() == 1 {
        return scaled(c, x, factors.at(0));
    }
    let all = (0..factors.size()).map(|i| factors.at(i)).collect();
    let shape = factors.shape.clone();
    ml::with_weights(c, all, &shape, |c, w| expression(c, "@ * #", x, w, Kind::Float))
}

/// x without its zero point, as floats that are whole.
fn centred(c: &mut Call<'_, '_, '_>, x: &Value, zero: Option<Value>) -> Result<Value, String> {
    let x = convert(c, x, Kind::Float)?;
    let Some(zero) = zero else { return Ok(x) };
    let zero = convert(c, &zero, Kind::Float)?;
    let zero = spread(c, zero, x.shape())?;
    if let (Value::Const(a), Value::Const(b)) = (&x, &zero)
        && b.size() == 1
    {
        let shift = b.at(0);
        return Ok(super::elementwise::map(a, |x| x - shift).into());
    }
    expression(c, "@ - #", &x, &zero, Kind::Float)
}

pub(super) fn dequantize(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (x, scale) = (c.input(0)?, c.input(1)?);
    let whole = centred(c, &x, c.optional(2))?;
    let scale = spread(c, scale, x.shape())?;
    one(match scale.constant() {
        Some(k) => times(c, &whole, &k.clone())?,
        None => expression(c, "@ * #", &whole, &scale, Kind::Float)?,
    })
}

/// Floats to the nearest whole numbers, halves to even ones, plus a zero point, within the range of a type.
fn saturated(
    c: &mut Call<'_, '_, '_>,
    x: &Value,
    zero: Option<Value>,
    kind: i64,
) -> Result<Value, String> {
    let (least, most) = range(kind)?;
    // What is cut anyway need not be rounded; the zero point lies within the range.
    let span = most - least;
    let v = c.p.var(x)?;
    let (low, high) = (c.p.float(-span), c.p.float(span));
    let near = c.like(&format!("max({low}, min({high}, {}))", v.name), &v)?;
    let near = c.p.var(&near)?;
    let (float, int, name) = (c.p.elem(Kind::Float), c.p.elem(Kind::Int), &near.name);
    let up = format!("floor({name} + 0.5)");
    let text = format!("{int}({up} - int<2>({float}({up}) - {name} == 0.5) * (({up}) % 2))");
    let mut whole = c.p.bind(&text, &near.shape, Kind::Int)?;
    if let Some(zero) = zero {
        let zero = spread(c, zero, x.shape())?;
        whole = expression(c, "@ + #", &whole, &zero, Kind::Int)?;
    }
    let v = c.p.var(&whole)?;
    c.like(&format!("{int}(max({least}, min({most}, {})))", v.name), &v)
}

pub(super) fn quantize(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let x = convert(c, &x, Kind::Float)?;
    let scale = c.input(1)?;
    let kind = match c.int("output_dtype", 0)? {
        0 => c.element(2).unwrap_or(2),
        kind => kind,
    };
    let scale = spread(c, scale, x.shape())?;
    let x = match scale.constant() {
        Some(k) => times(c, &x, &super::elementwise::map(k, f64::recip))?,
        None => expression(c, "@ / #", &x, &scale, Kind::Float)?,
    };
    one(saturated(c, &x, c.optional(2), kind)?)
}

/// The range of a vector, from which scale and zero point follow.
pub(super) fn dynamic_quantize(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.float_var(0)?;
    let name = &x.name;
    let ends = format!("max(0, max({name})) - min(0, min({name}))");
    let span = c.p.bind(&ends, &[], Kind::Float)?;
    let scale = scaled(c, &span, 1.0 / 255.0)?;
    let span = c.p.operand(&span)?;
    let zero = format!("min(0, min({name})) * -255.0 / {span}");
    let zero = c.p.bind(&zero, &[], Kind::Float)?;
    let zero = saturated(c, &zero, None, 2)?;
    let x = c.like(&format!("{name} * 255.0 / {span}"), &x)?;
    Ok(vec![saturated(c, &x, Some(zero.clone()), 2)?, scale, zero])
}

/// Integers without their zero point. That of the left may be one for each row, that of the right one for each column.
fn shifted(
    c: &mut Call<'_, '_, '_>,
    x: &Value,
    zero: Option<Value>,
    rows: bool,
) -> Result<Value, String> {
    let Some(zero) = zero else { return Ok(x.clone()) };
    let n = zero.size();
    let zero = match n {
        1 => c.p.reshape(&zero, &[])?,
        _ if rows && zero.rank() == 1 => c.p.reshape(&zero, &[n, 1])?,
        _ => zero,
    };
    expression(c, "@ - #", x, &zero, Kind::Int)
}

/// A product of integer matrices for each position of the leading axes.
fn whole_product(c: &mut Call<'_, '_, '_>, a: &Value, b: &Value) -> Result<Value, String> {
    let (sa, sb) = (a.shape().to_vec(), b.shape().to_vec());
    if sa.len() < 2 || sb.len() < 2 || sa[sa.len() - 1] != sb[sb.len() - 2] {
        return Err(format!("the shapes {sa:?} and {sb:?} do not fit together"));
    }
    let lead = super::elementwise::broadcast_shapes(&sa[..sa.len() - 2], &sb[..sb.len() - 2])?;
    let shape = [&lead[..], &[sa[sa.len() - 2], sb[sb.len() - 1]]].concat();
    let (elem, x, y) = (c.p.elem(Kind::Int), c.p.tensor(a)?, c.p.tensor(b)?);
    c.p.bind(&format!("{elem}(matmul({x}, {y}))"), &shape, Kind::Int)
}

pub(super) fn mat_mul_integer(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (a, b) = (c.input(0)?, c.input(1)?);
    let a = shifted(c, &a, c.optional(2), true)?;
    let b = shifted(c, &b, c.optional(3), false)?;
    one(whole_product(c, &a, &b)?)
}

/// The factor that takes sums of products of quantised numbers to quantised numbers.
fn factor(c: &Call<'_, '_, '_>, inputs: [usize; 3]) -> Result<Constant, String> {
    let mut scales = vec![];
    for i in inputs {
        scales.push(c.known(i, "scale")?.ok_or("a scale is missing")?);
    }
    let n = scales.iter().map(|s| s.size()).max().unwrap_or(1);
    if scales.iter().any(|s| s.size() != 1 && s.size() != n) {
        return Err("the scales are of different lengths".into());
    }
    let at = |k: usize, i: usize| scales[k].at(if scales[k].size() == 1 { 0 } else { i });
    let xs = (0..n).map(|i| at(0, i) * at(1, i) / at(2, i)).collect();
    Ok(Constant::floats(xs, &[n]))
}

pub(super) fn q_linear_mat_mul(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (a, b) = (c.input(0)?, c.input(3)?);
    let a = shifted(c, &a, c.optional(2), true)?;
    let b = shifted(c, &b, c.optional(5), false)?;
    let sum = whole_product(c, &a, &b)?;
    let sum = convert(c, &sum, Kind::Float)?;
    let sum = times(c, &sum, &factor(c, [1, 4, 6])?)?;
    let kind = c.element(7).unwrap_or(2);
    one(saturated(c, &sum, c.optional(7), kind)?)
}

/// A convolution of whole numbers: those of the picture without its zero point, those of the weights without theirs.
fn whole_convolution(
    c: &mut Call<'_, '_, '_>,
    inputs: [(usize, usize); 2],
) -> Result<Value, String> {
    let [(x, x_zero), (w, w_zero)] = inputs;
    let (x, w) = (c.input(x)?, c.input(w)?);
    let x = centred(c, &x, c.optional(x_zero))?;
    let mut zero = c.optional(w_zero);
    if let Some(z) = zero.as_ref().filter(|z| z.size() > 1) {
        let ones = vec![1; w.rank().saturating_sub(1)];
        zero = Some(c.p.reshape(z, &[vec![z.size()], ones].concat())?);
    }
    let w = match zero {
        Some(zero) if zero.size() > 1 => {
            let (w, zero) = (convert(c, &w, Kind::Float)?, convert(c, &zero, Kind::Float)?);
            expression(c, "@ - #", &w, &zero, Kind::Float)?
        }
        zero => centred(c, &w, zero)?,
    };
    let inputs = std::mem::replace(&mut c.inputs, vec![Some(x), Some(w)]);
    let out = super::window::conv(c);
    c.inputs = inputs;
    out?.into_iter().next().ok_or("no result".into())
}

pub(super) fn conv_integer(c: &mut Call<'_, '_, '_>) -> Outputs {
    let out = whole_convolution(c, [(0, 2), (1, 3)])?;
    let v = c.p.var(&out)?;
    let elem = c.p.elem(Kind::Int);
    one(c.p.bind(&format!("{elem}(floor({}))", v.name), &v.shape, Kind::Int)?)
}

pub(super) fn q_linear_conv(c: &mut Call<'_, '_, '_>) -> Outputs {
    let mut sum = whole_convolution(c, [(0, 2), (3, 5)])?;
    let rest = vec![1; sum.rank().saturating_sub(2)];
    let column = |n: usize| [vec![n], rest.clone()].concat();
    if let Some(bias) = c.optional(8) {
        let bias = convert(c, &bias, Kind::Float)?;
        let bias = c.p.reshape(&bias, &column(bias.size()))?;
        sum = expression(c, "@ + #", &sum, &bias, Kind::Float)?;
    }
    let factor = factor(c, [1, 4, 6])?;
    let n = factor.size();
    let factor = if n == 1 { factor } else { factor.reshaped(&column(n)) };
    let out = times(c, &sum, &factor)?;
    let kind = c.element(7).unwrap_or(2);
    one(saturated(c, &out, c.optional(7), kind)?)
}

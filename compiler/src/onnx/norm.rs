//! Normalisations.

use super::call::{Call, Outputs, one};
use super::elementwise::expression;
use super::linear::scaled;
use super::program::{Value, Var};
use super::tensor::{Constant, Data, Kind, size};
use super::view::View;

/// A factor and a summand for each channel. Where all is known they are worked out here.
pub(super) fn batch_normalization(c: &mut Call<'_, '_, '_>) -> Outputs {
    if c.flag("training_mode", false)? || c.opset < 14 && c.node.outputs.len() > 1 {
        return Err("training is not supported".into());
    }
    let x = Value::Var(c.float_var(0)?);
    let epsilon = c.float("epsilon", 1e-5)?;
    let mut given = vec![];
    for i in 1..5 {
        given.push(c.input(i)?);
    }
    let known: Vec<_> = given.iter().filter_map(Value::constant).cloned().collect();
    if let [scale, bias, mean, variance] = &known[..] {
        let (factor, summand) = folded([scale, bias, mean, variance], epsilon)?;
        let scaled = per_channel(c, "@ * #", &x, &factor.into())?;
        return one(per_channel(c, "@ + #", &scaled, &summand.into())?);
    }
    let variance = c.p.var(&given[3])?;
    let epsilon = c.p.float(epsilon);
    let inverse = c.like(&format!("math::rsqrt({} + {epsilon})", variance.name), &variance)?;
    let centred = per_channel(c, "@ - #", &x, &given[2])?;
    let unit = per_channel(c, "@ * #", &centred, &inverse)?;
    let scaled = per_channel(c, "@ * #", &unit, &given[0])?;
    one(per_channel(c, "@ + #", &scaled, &given[1])?)
}

/// The factor scale / √(variance + ε) and the summand bias − mean · factor.
pub(super) fn folded(given: [&Constant; 4], epsilon: f64) -> Result<(Constant, Constant), String> {
    let [scale, bias, mean, variance] = given;
    let n = scale.size();
    if given.iter().any(|k| k.shape != [n]) {
        return Err("scale, bias, mean and variance must be vectors of one length".into());
    }
    let factor: Vec<f64> =
        (0..n).map(|i| scale.at(i) / (variance.at(i) + epsilon).sqrt()).collect();
    let summand = (0..n).map(|i| bias.at(i) - mean.at(i) * factor[i]).collect();
    let weight = given.iter().any(|k| k.weight);
    let constant = |xs| Constant { shape: vec![n], data: Data::F64(xs), weight };
    Ok((constant(factor.clone()), constant(summand)))
}

/// An expression in a picture and a vector with one number for each channel.
pub(super) fn per_channel(
    c: &mut Call<'_, '_, '_>,
    text: &str,
    x: &Value,
    v: &Value,
) -> Result<Value, String> {
    let ones = vec![1; x.rank().saturating_sub(2)];
    let v = c.p.reshape(v, &[vec![v.size()], ones].concat())?;
    expression(c, text, x, &v, Kind::Float)
}

/// Rows, their mean and one over their deviation, both as columns.
type Standard = (Value, Vec<Value>);

/// Rows of the last axis with mean 0 and variance 1.
fn standard(c: &mut Call<'_, '_, '_>, rows: &Var, epsilon: f64) -> Result<Standard, String> {
    let (one, n) = (vec![rows.shape[0], 1], rows.shape[1].max(1) as f64);
    let mean = row_mean(c, &rows.name, &one, n)?;
    let centred = expression(c, "@ - #", &Value::Var(rows.clone()), &mean, Kind::Float)?;
    let (out, inverse) = scaled_to_one(c, &centred, n, epsilon)?;
    Ok((out, vec![mean, inverse]))
}

/// The mean of each row of an expression of shape [rows, n], as [rows, 1].
fn row_mean(
    c: &mut Call<'_, '_, '_>,
    text: &str,
    shape: &[usize],
    n: f64,
) -> Result<Value, String> {
    let sum = c.p.bind(&format!("sum({text}, axis = -1)"), &shape[..1], Kind::Float)?;
    let mean = scaled(c, &sum, 1.0 / n)?;
    c.p.reshape(&mean, shape)
}

/// Rows divided by the root of their mean square, and one over that.
fn scaled_to_one(
    c: &mut Call<'_, '_, '_>,
    rows: &Value,
    n: f64,
    epsilon: f64,
) -> Result<(Value, Value), String> {
    let x = c.p.var(rows)?;
    let variance = row_mean(c, &format!("{0} * {0}", x.name), &[x.shape[0], 1], n)?;
    let variance = c.p.var(&variance)?;
    let epsilon = c.p.float(epsilon);
    let inverse = c.like(&format!("math::rsqrt({} + {epsilon})", variance.name), &variance)?;
    Ok((expression(c, "@ * #", rows, &inverse, Kind::Float)?, inverse))
}

pub(super) fn layer_normalization(c: &mut Call<'_, '_, '_>) -> Outputs {
    by_last_axes(c, standard)
}

pub(super) fn rms_normalization(c: &mut Call<'_, '_, '_>) -> Outputs {
    by_last_axes(c, |c, rows, epsilon| {
        let n = rows.shape[1].max(1) as f64;
        let (out, _) = scaled_to_one(c, &Value::Var(rows.clone()), n, epsilon)?;
        Ok((out, vec![]))
    })
}

fn by_last_axes(
    c: &mut Call<'_, '_, '_>,
    f: impl Fn(&mut Call<'_, '_, '_>, &Var, f64) -> Result<Standard, String>,
) -> Outputs {
    let x = c.float_var(0)?;
    let axis = c.axis(c.int("axis", -1)?, x.shape.len())?;
    let epsilon = c.float("epsilon", 1e-5)?;
    let (rows, n) = (size(&x.shape[..axis]), size(&x.shape[axis..]));
    let flat = c.p.reshape(&Value::Var(x.clone()), &[rows, n])?;
    let flat = c.p.var(&flat)?;
    let (out, columns) = f(c, &flat, epsilon)?;
    let mut out = c.p.reshape(&out, &x.shape)?;
    if let Some(scale) = c.optional(1) {
        out = expression(c, "@ * #", &out, &scale, Kind::Float)?;
    }
    if let Some(bias) = c.optional(2) {
        out = expression(c, "@ + #", &out, &bias, Kind::Float)?;
    }
    let mut outputs = vec![out];
    let column: Vec<usize> =
        x.shape.iter().enumerate().map(|(i, &n)| if i < axis { n } else { 1 }).collect();
    for value in columns.iter().take(c.node.outputs.len().saturating_sub(1)) {
        outputs.push(c.p.reshape(value, &column)?);
    }
    Ok(outputs)
}

/// Each channel of each picture by itself.
pub(super) fn instance_normalization(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.float_var(0)?;
    let channels = x.shape.get(1).copied().ok_or("a picture is needed")?;
    let out = by_groups(c, &x, channels)?;
    let (scale, bias) = (c.input(1)?, c.input(2)?);
    let out = per_channel(c, "@ * #", &out, &scale)?;
    one(per_channel(c, "@ + #", &out, &bias)?)
}

/// Groups of channels. Before operator set 21 there is a factor for each group, from there on one for each channel.
pub(super) fn group_normalization(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.float_var(0)?;
    let groups = usize::try_from(c.int("num_groups", 0)?).unwrap_or(0);
    let channels = x.shape.get(1).copied().ok_or("a picture is needed")?;
    if groups == 0 || channels % groups != 0 {
        return Err(format!("{channels} channels are not {groups} groups"));
    }
    let mut out = by_groups(c, &x, groups)?;
    for (i, text) in [(1, "@ * #"), (2, "@ + #")] {
        let mut given = c.input(i)?;
        if given.size() == groups {
            let column = c.p.reshape(&given, &[groups, 1])?;
            given = c.p.broadcast(&column, &[groups, channels / groups])?;
        }
        out = per_channel(c, text, &out, &given)?;
    }
    one(out)
}

fn by_groups(c: &mut Call<'_, '_, '_>, x: &Var, groups: usize) -> Result<Value, String> {
    let rows = x.shape[0] * groups;
    let n = size(&x.shape).checked_div(rows).unwrap_or(0);
    let flat = c.p.reshape(&Value::Var(x.clone()), &[rows, n])?;
    let flat = c.p.var(&flat)?;
    let epsilon = c.float("epsilon", 1e-5)?;
    let (out, _) = standard(c, &flat, epsilon)?;
    c.p.reshape(&out, &x.shape)
}

/// x / (bias + α/size · Σ x²)^β over neighbouring channels.
pub(super) fn lrn(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.float_var(0)?;
    let channels = x.shape.get(1).copied().ok_or("a picture is needed")?;
    let window = usize::try_from(c.int("size", 1)?).ok().filter(|n| (1..=1 << 16).contains(n));
    let window = window.ok_or("the size must be positive")?;
    let (alpha, beta) = (c.float("alpha", 1e-4)?, c.float("beta", 0.75)?);
    let bias = c.float("bias", 1.0)?;
    let squares = c.like(&format!("{0} * {0}", x.name), &x)?;
    let mut margins = vec![(0, 0); x.shape.len()];
    margins[1] = ((window - 1) / 2, window - 1 - (window - 1) / 2);
    let zero = Constant::scalar(0.0).into();
    let padded = super::movement::padded(c, &squares, &margins, &zero)?;
    let mut view = View::whole(padded.shape());
    let (_, step) = view.dims[1];
    view.dims[1].0 = channels;
    view.dims.push((window, step));
    let seen = c.p.view(&padded, &view)?;
    let seen = c.p.var(&seen)?;
    let (factor, bias) = (c.p.float(alpha / window as f64), c.p.float(bias));
    let sum = c.like(&format!("sum({}, axis = -1) * {factor} + {bias}", seen.name), &x)?;
    let power = c.p.operand(&sum)?;
    let power = if beta == 0.75 {
        let root = c.like(&format!("math::rsqrt({power})"), &x)?;
        let root = c.p.operand(&root)?;
        format!("{root} * math::sqrt({root})")
    } else {
        let beta = c.p.float(-beta);
        format!("math::exp(math::log({power}) * {beta})")
    };
    c.one_like(&format!("{} * ({power})", x.name), &x)
}

/// x over its norm along an axis.
pub(super) fn lp_normalization(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.float_var(0)?;
    let axis = c.axis(c.int("axis", -1)?, x.shape.len())?;
    let mut shape = x.shape.clone();
    shape[axis] = 1;
    let text = match c.int("p", 2)? {
        1 => format!("math::reciprocal(sum(math::abs({}), axis = {axis}))", x.name),
        2 => format!("math::rsqrt(sum({0} * {0}, axis = {axis}))", x.name),
        other => return Err(format!("the norm {other} is not supported")),
    };
    let inverse = c.p.bind(&format!("reshape({text}, {shape:?})"), &shape, Kind::Float)?;
    one(expression(c, "@ * #", &Value::Var(x), &inverse, Kind::Float)?)
}

//! Operators that move elements: shapes, slices, transposition, repetition, gathering. On constants they are carried out.

use super::call::{Call, Outputs, one};
use super::program::Value;
use super::tensor::{Constant, Data, Kind, MAX_FOLDED, shape_of, size, too_large};
use super::view::View;

pub(super) fn identity(c: &mut Call<'_, '_, '_>) -> Outputs {
    one(c.input(0)?)
}

/// In inference nothing is dropped; the mask is all true.
pub(super) fn dropout(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let training = c.known(2, "training mode")?.is_some_and(|t| t.at(0) != 0.0);
    if training {
        return Err("dropout in training mode is not supported".into());
    }
    if c.node.outputs.len() < 2 {
        return one(x);
    }
    let mask = filled(Kind::Bool, 1.0, x.shape())?;
    Ok(vec![x, mask.into()])
}

/// A public constant of equal elements.
pub(super) fn filled(kind: Kind, x: f64, shape: &[usize]) -> Result<Constant, String> {
    let count = size(shape);
    let data = match kind {
        Kind::Float => Data::Splat(x),
        _ if count > MAX_FOLDED => return Err(too_large(shape)),
        Kind::Int => Data::Int(vec![x as i64; count]),
        Kind::Bool => Data::Bool(vec![x != 0.0; count]),
    };
    Ok(Constant { shape: shape.to_vec(), data, weight: false })
}

pub(super) fn constant(c: &mut Call<'_, '_, '_>) -> Outputs {
    if let Some(tensor) = c.tensor("value")? {
        // A single number is part of the operations around it.
        let weight = tensor.weight && tensor.size() > 1;
        return one(Constant { weight, ..tensor }.into());
    }
    if c.has("value_float") {
        return one(Constant::scalar(c.float("value_float", 0.0)?).into());
    }
    if c.has("value_int") {
        let x = c.int("value_int", 0)?;
        return one(Constant { shape: vec![], data: Data::Int(vec![x]), weight: false }.into());
    }
    if c.has("value_ints") {
        return one(Constant::ints(c.ints("value_ints")?.unwrap_or_default()).into());
    }
    if c.has("value_floats") {
        let xs: Vec<f64> =
            c.floats("value_floats")?.unwrap_or_default().into_iter().map(f64::from).collect();
        let shape = [xs.len()];
        return one(Constant { weight: shape[0] > 1, ..Constant::floats(xs, &shape) }.into());
    }
    Err("a constant of this kind is not supported".into())
}

pub(super) fn constant_of_shape(c: &mut Call<'_, '_, '_>) -> Outputs {
    let shape = c.known(0, "shape")?.ok_or("the shape is missing")?;
    let shape = shape_of(&shape.to_ints())?;
    let (kind, x) = match c.tensor("value")? {
        Some(value) if value.size() == 1 => (value.kind(), value.at(0)),
        Some(_) => return Err("the value must be one number".into()),
        None => (Kind::Float, 0.0),
    };
    one(filled(kind, x, &shape)?.into())
}

pub(super) fn shape(c: &mut Call<'_, '_, '_>) -> Outputs {
    let dims: Vec<i64> = c.input(0)?.shape().iter().map(|&n| n as i64).collect();
    let rank = dims.len() as i64;
    let at = |x: i64| (if x < 0 { x.saturating_add(rank) } else { x }).clamp(0, rank) as usize;
    let (start, end) = (at(c.int("start", 0)?), at(c.int("end", rank)?));
    one(Constant::ints(dims.get(start..end).unwrap_or_default().to_vec()).into())
}

pub(super) fn size_of(c: &mut Call<'_, '_, '_>) -> Outputs {
    let count = c.input(0)?.size() as i64;
    one(Constant { shape: vec![], data: Data::Int(vec![count]), weight: false }.into())
}

pub(super) fn range(c: &mut Call<'_, '_, '_>) -> Outputs {
    let mut ends = vec![];
    for (i, what) in ["start", "limit", "delta"].into_iter().enumerate() {
        ends.push(c.known(i, what)?.filter(|k| k.size() == 1).ok_or("it needs three numbers")?);
    }
    let (start, limit, delta) = (ends[0].at(0), ends[1].at(0), ends[2].at(0));
    let count = ((limit - start) / delta).ceil().max(0.0);
    if count.is_nan() || count > MAX_FOLDED as f64 {
        return Err("this range is too long".into());
    }
    let xs = (0..count as usize).map(|i| start + i as f64 * delta);
    one(match ends[0].kind() {
        Kind::Float => Constant::floats(xs.collect(), &[count as usize]).into(),
        _ => Constant::ints(xs.map(|x| x as i64).collect()).into(),
    })
}

pub(super) fn reshape(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let wanted = c.ints_of("shape", 1)?.ok_or("the shape is missing")?;
    let keep_zero = c.flag("allowzero", false)?;
    let mut shape: Vec<i64> = vec![];
    for (i, &n) in wanted.iter().enumerate() {
        shape.push(match n {
            0 if !keep_zero => {
                *x.shape().get(i).ok_or("a size of 0 stands for an axis that is not there")? as i64
            }
            n => n,
        });
    }
    // A row for the one sample that the model is for becomes one for each.
    if let (Some(n), Some(first)) = (c.p.samples, shape.first_mut())
        && *first == 1
        && x.shape().first() == Some(&n)
    {
        *first = n as i64;
    }
    if let Some(open) = shape.iter().position(|n| *n == -1) {
        shape[open] = 1;
        let known = size(&shape_of(&shape)?);
        shape[open] = x.size().checked_div(known).unwrap_or(0) as i64;
    }
    let shape = shape_of(&shape)?;
    if size(&shape) != x.size() {
        return Err(format!("{:?} does not have the elements of {shape:?}", x.shape()));
    }
    one(c.p.reshape(&x, &shape)?)
}

pub(super) fn flatten(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let (rank, axis) = (x.rank(), c.int("axis", 1)?);
    let axis = if axis == rank as i64 { rank } else { c.axis(axis, rank)? };
    let shape = [size(&x.shape()[..axis]), size(&x.shape()[axis..])];
    one(c.p.reshape(&x, &shape)?)
}

pub(super) fn transpose(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let rank = x.rank();
    let order: Vec<usize> = match c.ints("perm")? {
        None => (0..rank).rev().collect(),
        Some(order) => order.iter().map(|&a| c.axis(a, rank)).collect::<Result<_, _>>()?,
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted != (0..rank).collect::<Vec<_>>() {
        return Err(format!("{order:?} is no order of {rank} axes"));
    }
    one(c.p.transpose(&x, &order)?)
}

/// Axes that are given; sorted, each once.
fn axes(c: &Call<'_, '_, '_>, given: &[i64], rank: usize) -> Result<Vec<usize>, String> {
    let mut axes: Vec<usize> = given.iter().map(|&a| c.axis(a, rank)).collect::<Result<_, _>>()?;
    axes.sort_unstable();
    axes.dedup();
    Ok(axes)
}

pub(super) fn squeeze(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let axes = match c.ints_of("axes", 1)? {
        Some(given) => axes(c, &given, x.rank())?,
        None => (0..x.rank()).filter(|i| x.shape()[*i] == 1).collect(),
    };
    if let Some(axis) = axes.iter().find(|a| x.shape()[**a] != 1) {
        return Err(format!("axis {axis} has size {}, not 1", x.shape()[*axis]));
    }
    let kept = x.shape().iter().enumerate().filter(|(i, _)| !axes.contains(i));
    let shape: Vec<usize> = kept.map(|(_, n)| *n).collect();
    one(c.p.reshape(&x, &shape)?)
}

pub(super) fn unsqueeze(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let given = c.ints_of("axes", 1)?.ok_or("the axes are missing")?;
    if given.len() > 16 {
        return Err("these are too many axes".into());
    }
    let axes = axes(c, &given, x.rank() + given.len())?;
    let mut shape = x.shape().to_vec();
    for axis in axes {
        shape.insert(axis.min(shape.len()), 1);
    }
    one(c.p.reshape(&x, &shape)?)
}

pub(super) fn concat(c: &mut Call<'_, '_, '_>) -> Outputs {
    let parts: Vec<Value> = (0..c.inputs.len()).map(|i| c.input(i)).collect::<Result<_, _>>()?;
    let rank = parts.first().map_or(0, Value::rank);
    let axis = c.axis(c.int("axis", 1)?, rank)?;
    one(c.p.concat(&parts, axis)?)
}

pub(super) fn split(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let axis = c.axis(c.int("axis", 0)?, x.rank())?;
    let (n, parts) = (x.shape()[axis], c.node.outputs.len());
    let sizes = match c.ints_of("split", 1)? {
        Some(sizes) => shape_of(&sizes)?,
        None => {
            let each = n.div_ceil(parts.max(1));
            (0..parts).map(|i| each.min(n.saturating_sub(i * each))).collect()
        }
    };
    if sizes.len() != parts || sizes.iter().sum::<usize>() != n {
        return Err(format!("parts of sizes {sizes:?} are not the {n} elements of axis {axis}"));
    }
    let mut start = 0;
    let mut out = vec![];
    for part in sizes {
        let view = View::whole(x.shape()).sliced(axis, start, 1, part);
        out.push(c.p.view(&x, &view)?);
        start += part;
    }
    Ok(out)
}

/// Starts, ends, axes and steps are attributes before operator set 10, inputs from there on.
pub(super) fn slice(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let starts = c.ints_of("starts", 1)?.ok_or("the starts are missing")?;
    let ends = c.ints_of("ends", 2)?.ok_or("the ends are missing")?;
    let axes = c.ints_of("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = c.ints_of("steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("starts, ends, axes and steps are of different lengths".into());
    }
    let mut view = View::whole(x.shape());
    for i in 0..starts.len() {
        let axis = c.axis(axes[i], x.rank())?;
        let (start, count) = span(x.shape()[axis], starts[i], ends[i], steps[i])?;
        view = view.sliced(axis, start, steps[i], count);
    }
    one(c.p.view(&x, &view)?)
}

/// The first place of a slice and how many there are.
fn span(n: usize, start: i64, end: i64, step: i64) -> Result<(usize, usize), String> {
    let n = n as i64;
    if step == 0 || step == i64::MIN {
        return Err("the step of a slice cannot be 0".into());
    }
    let from_end = |x: i64| if x < 0 { x.saturating_add(n) } else { x };
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let start = from_end(start).clamp(low, high);
    let end = from_end(end).clamp(low, high);
    let distance = if step > 0 { end - start } else { start - end };
    let count = if distance > 0 { (distance - 1) / step.abs() + 1 } else { 0 };
    Ok((start.max(0) as usize, count as usize))
}

pub(super) fn expand(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let wanted = c.known(1, "shape")?.ok_or("the shape is missing")?;
    let shape = super::elementwise::broadcast_shapes(x.shape(), &shape_of(&wanted.to_ints())?)?;
    one(c.p.broadcast(&x, &shape)?)
}

pub(super) fn tile(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let times = shape_of(&c.known(1, "repeats")?.ok_or("the repeats are missing")?.to_ints())?;
    if times.len() != x.rank() {
        return Err(format!("{} repeats for {} axes", times.len(), x.rank()));
    }
    let whole = View::whole(x.shape());
    let pairs = times.iter().zip(&whole.dims);
    let dims = pairs.clone().flat_map(|(&n, &dim)| [(n, 0), dim]).collect();
    let shape: Vec<usize> = pairs.map(|(n, dim)| n.saturating_mul(dim.0)).collect();
    let tiled = c.p.view(&x, &View { offset: 0, dims })?;
    one(c.p.reshape(&tiled, &shape)?)
}

/// Gathering at known places moves elements; at secret ones it is a product with unit vectors.
pub(super) fn gather(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (x, places) = (c.input(0)?, c.input(1)?);
    let axis = c.axis(c.int("axis", 0)?, x.rank())?;
    if places.kind() != Kind::Int {
        return Err("positions must be integers".into());
    }
    let n = x.shape()[axis];
    let shape = [&x.shape()[..axis], places.shape(), &x.shape()[axis + 1..]].concat();
    if let Value::Const(known) = &places {
        let places: Vec<usize> =
            known.to_ints().iter().map(|&i| c.place(i, n)).collect::<Result<_, _>>()?;
        let taken = c.p.take(&x, axis, &places)?;
        return one(c.p.reshape(&taken, &shape)?);
    }
    let front = c.p.view(&x, &View::to_front(x.shape(), axis))?;
    let (table, places) = (c.p.tensor(&front)?, c.p.var(&places)?);
    // Negative positions count from the end.
    let text = format!("lookup({table}, select({0} < 0, {0} + {n}, {0}))", places.name);
    let found = c.p.bind(&text, &[&places.shape[..], &front.shape()[1..]].concat(), x.kind())?;
    // The axes of the positions come first, and belong where the axis was.
    let m = places.shape.len();
    let order: Vec<usize> = (m..m + axis).chain(0..m).chain(m + axis..found.rank()).collect();
    one(c.p.transpose(&found, &order)?)
}

/// Padding, as pairs of what stands before and after each axis.
pub(super) fn padded(
    c: &mut Call<'_, '_, '_>,
    x: &Value,
    pads: &[(usize, usize)],
    fill: &Value,
) -> Result<Value, String> {
    if let (Value::Var(v), Some(0.0)) = (x, fill.constant().and_then(|c| c.public_scalar()))
        && v.kind != Kind::Bool
        && x.size() > 0
    {
        let wider = |(n, (before, after)): (&usize, &(usize, usize))| n + before + after;
        let shape: Vec<usize> = v.shape.iter().zip(pads).map(wider).collect();
        let mut view = View::whole(&shape);
        view.offset = view.dims.iter().zip(pads).map(|(dim, pad)| dim.1 * pad.0 as i64).sum();
        return c.p.spread(v, &shape, &view);
    }
    let mut out = x.clone();
    for (axis, &(before, after)) in pads.iter().enumerate() {
        let mut parts = vec![];
        for (count, place) in [(before, 0), (0, 1), (after, 2)] {
            if place == 1 {
                parts.push(out.clone());
            } else if count > 0 {
                let mut shape = out.shape().to_vec();
                shape[axis] = count;
                parts.push(c.p.broadcast(fill, &shape)?);
            }
        }
        out = c.p.concat(&parts, axis)?;
    }
    Ok(out)
}

/// Pads are an attribute before operator set 11, inputs from there on; axes since 18.
pub(super) fn pad(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let given = c.ints_of("pads", 1)?.ok_or("the pads are missing")?;
    let axes = match c.known(3, "axes")? {
        Some(axes) => axes.to_ints(),
        None => (0..x.rank() as i64).collect(),
    };
    if given.len() != 2 * axes.len() {
        return Err(format!("{} pads for {} axes", given.len(), axes.len()));
    }
    if !given.iter().all(|p| (-(1 << 31)..1 << 31).contains(p)) {
        return Err("the pads are too large".into());
    }
    let mut pads = vec![(0, 0); x.rank()];
    for (i, &axis) in axes.iter().enumerate() {
        pads[c.axis(axis, x.rank())?] = (given[i], given[i + axes.len()]);
    }
    match c.text("mode", "constant")?.as_str() {
        "constant" => constant_pad(c, x, &pads),
        mode => mirrored_pad(c, x, &pads, mode),
    }
}

fn constant_pad(c: &mut Call<'_, '_, '_>, x: Value, pads: &[(i64, i64)]) -> Outputs {
    let fill = match c.optional(2) {
        Some(fill) if fill.size() == 1 => c.p.reshape(&fill, &[])?,
        Some(_) => return Err("the value must be one number".into()),
        None => filled(x.kind(), c.number_of("value", 2)?.unwrap_or(0.0), &[])?.into(),
    };
    let mut view = View::whole(x.shape());
    let mut more = vec![];
    for (axis, &(before, after)) in pads.iter().enumerate() {
        let cut = |p: i64| (-p).max(0) as usize;
        let kept = x.shape()[axis].checked_sub(cut(before) + cut(after));
        view = view.sliced(axis, cut(before), 1, kept.ok_or("the pads remove more than there is")?);
        more.push((before.max(0) as usize, after.max(0) as usize));
    }
    let cut = c.p.view(&x, &view)?;
    one(padded(c, &cut, &more, &fill)?)
}

fn mirrored_pad(c: &mut Call<'_, '_, '_>, x: Value, pads: &[(i64, i64)], mode: &str) -> Outputs {
    let mut out = x;
    for (axis, &(before, after)) in pads.iter().enumerate() {
        let n = out.shape()[axis] as i64;
        if (before, after) == (0, 0) {
            continue;
        }
        if n == 0 || n.max(before).max(after) > MAX_FOLDED as i64 {
            return Err("these pads are not possible".into());
        }
        let place = |i: i64| -> Result<usize, String> {
            let i = match mode {
                "edge" => i.clamp(0, n - 1),
                "wrap" => i.rem_euclid(n),
                "reflect" if n == 1 => 0,
                "reflect" => {
                    let i = i.rem_euclid(2 * n - 2);
                    if i < n { i } else { 2 * n - 2 - i }
                }
                other => return Err(format!("the mode `{other}` is not supported")),
            };
            Ok(i as usize)
        };
        let places: Vec<usize> = (-before..n + after).map(place).collect::<Result<_, _>>()?;
        out = c.p.take(&out, axis, &places)?;
    }
    one(out)
}

pub(super) fn depth_to_space(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let (b, [n, channels, h, w]) = blocks(c, &x)?;
    if channels % (b * b) != 0 {
        return Err("the channels are no whole number of blocks".into());
    }
    let depth = channels / (b * b);
    let (shape, order) = match c.text("mode", "DCR")?.as_str() {
        "DCR" => ([n, b, b, depth, h, w], [0, 3, 4, 1, 5, 2]),
        _ => ([n, depth, b, b, h, w], [0, 1, 4, 2, 5, 3]),
    };
    let split = c.p.reshape(&x, &shape)?;
    let moved = c.p.transpose(&split, &order)?;
    one(c.p.reshape(&moved, &[n, depth, h * b, w * b])?)
}

pub(super) fn space_to_depth(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let (b, [n, channels, h, w]) = blocks(c, &x)?;
    if h % b != 0 || w % b != 0 {
        return Err("the picture is no whole number of blocks".into());
    }
    let order = match c.text("mode", "DCR")?.as_str() {
        "DCR" => [0, 3, 5, 1, 2, 4],
        _ => [0, 1, 3, 5, 2, 4],
    };
    let split = c.p.reshape(&x, &[n, channels, h / b, b, w / b, b])?;
    let moved = c.p.transpose(&split, &order)?;
    one(c.p.reshape(&moved, &[n, channels * b * b, h / b, w / b])?)
}

fn blocks(c: &Call<'_, '_, '_>, x: &Value) -> Result<(usize, [usize; 4]), String> {
    let b = usize::try_from(c.int("blocksize", 0)?).ok().filter(|b| (1..=1 << 15).contains(b));
    let shape = x.shape().try_into().map_err(|_| "a picture of four axes is needed")?;
    Ok((b.ok_or("the block size must be positive")?, shape))
}

/// The lower or upper triangle; the rest is zero.
pub(super) fn trilu(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let upper = c.flag("upper", true)?;
    let k = c.known(1, "diagonal")?.map_or(0, |k| k.int_at(0));
    let &[.., rows, columns] = x.shape() else { return Err("a matrix is needed".into()) };
    if rows.saturating_mul(columns) > MAX_FOLDED {
        return Err(too_large(x.shape()));
    }
    let kept = |i: usize| {
        let distance = (i % columns.max(1)) as i64 - (i / columns.max(1)) as i64;
        if upper { distance >= k } else { distance <= k }
    };
    let mask = Data::Bool((0..rows * columns).map(kept).collect());
    let mask = Constant { shape: vec![rows, columns], data: mask, weight: false };
    let (mask, v) = (c.p.tensor(&mask.into())?, c.p.var(&x)?);
    let zero = if v.kind == Kind::Bool { "false" } else { "0" };
    c.one_like(&format!("select({mask}, {}, {zero})", v.name), &v)
}

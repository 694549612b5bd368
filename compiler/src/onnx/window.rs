//! Convolutions and pools: windows of a picture with any number of axes, as views.

use super::call::{Call, Outputs, one};
use super::elementwise::expression;
use super::movement::padded;
use super::norm::per_channel;
use super::program::{Value, Var};
use super::tensor::{Constant, Kind, size};
use super::view::View;

/// Where windows lie along the axes of a picture.
#[derive(Debug)]
struct Windows {
    /// Sizes of the picture.
    input: Vec<usize>,
    kernel: Vec<usize>,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    /// What is added before and after each axis.
    pads: Vec<(usize, usize)>,
    /// Number of windows along each axis.
    count: Vec<usize>,
}

/// One number for each axis, at least `least`.
fn per_axis(
    c: &Call<'_, '_, '_>,
    name: &str,
    axes: usize,
    least: i64,
) -> Result<Vec<usize>, String> {
    let given = c.ints(name)?.unwrap_or_else(|| vec![1; axes]);
    let fits = |x: &i64| (least..=1 << 20).contains(x);
    if given.len() != axes || !given.iter().all(fits) {
        return Err(format!("the {name} {given:?} are not possible for {axes} axes"));
    }
    Ok(given.iter().map(|x| *x as usize).collect())
}

impl Windows {
    fn new(c: &Call<'_, '_, '_>, input: &[usize], kernel: Vec<usize>) -> Result<Windows, String> {
        let axes = input.len();
        let strides = per_axis(c, "strides", axes, 1)?;
        let dilations = per_axis(c, "dilations", axes, 1)?;
        let given = match c.ints("pads")? {
            Some(pads) => pads,
            None => vec![0; 2 * axes],
        };
        let possible = |p: &i64| (0..=1 << 20).contains(p);
        if given.len() != 2 * axes || !given.iter().all(possible) {
            return Err(format!("the pads {given:?} are not possible for {axes} axes"));
        }
        let pads = (0..axes).map(|i| (given[i] as usize, given[i + axes] as usize)).collect();
        let mut w =
            Windows { input: input.to_vec(), kernel, strides, dilations, pads, count: vec![] };
        w.place(&c.text("auto_pad", "NOTSET")?, c.flag("ceil_mode", false)?)?;
        Ok(w)
    }

    /// Every window of a picture that is padded already.
    fn all(input: &[usize], kernel: Vec<usize>, dilations: Vec<usize>) -> Result<Windows, String> {
        let (axes, input) = (input.len(), input.to_vec());
        let (strides, pads) = (vec![1; axes], vec![(0, 0); axes]);
        let mut w = Windows { input, kernel, strides, dilations, pads, count: vec![] };
        w.place("NOTSET", false)?;
        Ok(w)
    }

    /// Elements from the first to the last of a window.
    fn reach(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilations[axis] + 1
    }

    fn place(&mut self, auto_pad: &str, ceil: bool) -> Result<(), String> {
        for axis in 0..self.input.len() {
            let (n, stride, reach) = (self.input[axis], self.strides[axis], self.reach(axis));
            match auto_pad {
                "NOTSET" | "" => {}
                "VALID" => self.pads[axis] = (0, 0),
                "SAME_UPPER" | "SAME_LOWER" => {
                    let total =
                        ((n.div_ceil(stride).max(1) - 1) * stride + reach).saturating_sub(n);
                    let (less, more) = (total / 2, total - total / 2);
                    self.pads[axis] =
                        if auto_pad == "SAME_UPPER" { (less, more) } else { (more, less) };
                }
                other => return Err(format!("the padding `{other}` is not supported")),
            }
            let (before, after) = self.pads[axis];
            let Some(room) = (n + before + after).checked_sub(reach) else {
                return Err(format!(
                    "a window of {reach} does not fit axis {axis} of {n} elements"
                ));
            };
            let mut count = room / stride + 1;
            // A last window that lies over the end counts if it starts before the padding there.
            if ceil && room % stride != 0 && count * stride < n + before {
                count += 1;
            }
            self.count.push(count);
        }
        Ok(())
    }

    /// What must stand before and after so that every window lies inside.
    fn margins(&self) -> Vec<(usize, usize)> {
        let margin = |axis: usize| {
            let end = (self.count[axis] - 1) * self.strides[axis] + self.reach(axis);
            let before = self.pads[axis].0;
            (before, end.saturating_sub(self.input[axis] + before))
        };
        (0..self.input.len()).map(margin).collect()
    }

    /// The windows of a padded picture [n, c, …]: places along the axes, and offsets in a window, in the order that `order` makes of
    /// (n, c, places…, offsets…).
    fn view(&self, shape: &[usize], order: impl Fn(usize) -> Vec<usize>) -> View {
        let whole = View::whole(shape);
        let strides: Vec<i64> = whole.dims[2..].iter().map(|d| d.1).collect();
        let axes = strides.len();
        let mut dims = whole.dims[..2].to_vec();
        dims.extend((0..axes).map(|i| (self.count[i], strides[i] * self.strides[i] as i64)));
        dims.extend((0..axes).map(|i| (self.kernel[i], strides[i] * self.dilations[i] as i64)));
        View { offset: 0, dims: order(axes).into_iter().map(|i| dims[i]).collect() }
    }

    /// Places of windows along all axes together.
    fn places(&self) -> usize {
        size(&self.count)
    }
}

pub(super) fn conv(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (x, w) = (c.float_var(0)?, c.input(1)?);
    let groups = usize::try_from(c.int("group", 1)?).unwrap_or(0);
    if w.rank() != x.shape.len() || w.rank() < 3 || w.size() == 0 {
        return Err(format!("weights of shape {:?} for a picture of {:?}", w.shape(), x.shape));
    }
    let windows = Windows::new(c, &x.shape[2..], w.shape()[2..].to_vec())?;
    let out = convolution(c, &Value::Var(x), &w, groups, &windows)?;
    let Some(bias) = c.optional(2) else { return one(out) };
    one(per_channel(c, "@ + #", &out, &bias)?)
}

/// The convolution that undoes the shape of another: zeros stand between the elements, and the weights are turned round.
pub(super) fn conv_transpose(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (x, w) = (c.float_var(0)?, c.input(1)?);
    let groups = usize::try_from(c.int("group", 1)?).unwrap_or(0);
    let axes = x.shape.len().saturating_sub(2);
    let fits = axes > 0
        && w.rank() == axes + 2
        && w.size() > 0
        && groups > 0
        && w.shape()[0] == x.shape[1]
        && x.shape[1] % groups == 0;
    if !fits {
        return Err(format!("weights of shape {:?} for a picture of {:?}", w.shape(), x.shape));
    }
    let spread = spread(c, &x, &per_axis(c, "strides", axes, 1)?)?;
    let kernel = w.shape()[2..].to_vec();
    let dilations = per_axis(c, "dilations", axes, 1)?;
    let pads = transposed_pads(c, &x.shape[2..], &kernel, &dilations)?;
    let mut view = View::whole(spread.shape());
    let mut margins = vec![(0, 0), (0, 0)];
    for (axis, &(before, after)) in pads.iter().enumerate() {
        let cut = |p: i64| (-p).max(0) as usize;
        let kept = spread.shape()[axis + 2].checked_sub(cut(before) + cut(after));
        view = view.sliced(axis + 2, cut(before), 1, kept.ok_or("the pads remove everything")?);
        margins.push((before.max(0) as usize, after.max(0) as usize));
    }
    let cut = c.p.view(&spread, &view)?;
    let padded = padded(c, &cut, &margins, &Constant::scalar(0.0).into())?;
    let windows = Windows::all(&padded.shape()[2..], kernel, dilations)?;
    let turned = turned(c, &w, groups)?;
    let out = convolution(c, &padded, &turned, groups, &windows)?;
    let Some(bias) = c.optional(2) else { return one(out) };
    one(per_channel(c, "@ + #", &out, &bias)?)
}

/// A picture with zeros between its elements, so that they are `strides` apart.
fn spread(c: &mut Call<'_, '_, '_>, x: &Var, strides: &[usize]) -> Result<Value, String> {
    let mut shape = x.shape.clone();
    for (n, stride) in shape[2..].iter_mut().zip(strides) {
        *n = n.saturating_sub(1).saturating_mul(*stride) + usize::from(*n > 0);
    }
    let steps = [&[1, 1], strides].concat();
    let mut view = View::whole(&shape);
    view.dims.iter_mut().zip(&steps).for_each(|(dim, &by)| dim.1 *= by as i64);
    c.p.spread(x, &shape, &view)
}

/// What is added before and after the spread picture; negative where it is cut.
fn transposed_pads(
    c: &Call<'_, '_, '_>,
    input: &[usize],
    kernel: &[usize],
    dilations: &[usize],
) -> Result<Vec<(i64, i64)>, String> {
    let axes = input.len();
    let strides = per_axis(c, "strides", axes, 1)?;
    let list = |name: &str, default: usize| -> Result<Vec<i64>, String> {
        let given = c.ints(name)?.unwrap_or_else(|| vec![0; default]);
        let possible = |p: &i64| (0..=1 << 20).contains(p);
        if given.len() != default || !given.iter().all(possible) {
            return Err(format!("the {name} {given:?} are not possible for {axes} axes"));
        }
        Ok(given)
    };
    let (given, more) = (list("pads", 2 * axes)?, list("output_padding", axes)?);
    let wanted = match c.has("output_shape") {
        true => Some(list("output_shape", axes)?),
        false => None,
    };
    let auto = c.text("auto_pad", "NOTSET")?;
    let pads = |i: usize| {
        let reach = (kernel[i] as i64 - 1) * dilations[i] as i64;
        let full = (input[i] as i64 - 1) * strides[i] as i64 + reach + 1 + more[i];
        let same = auto.starts_with("SAME").then(|| (input[i] * strides[i]) as i64);
        let (before, after) = match wanted.as_ref().map(|w| w[i]).or(same) {
            None => (given[i], given[i + axes]),
            Some(size) => {
                let total = full - size;
                if total < 0 {
                    return (reach, reach - total + more[i]);
                }
                let (less, rest) = (total / 2, total - total / 2);
                if auto == "SAME_UPPER" { (less, rest) } else { (rest, less) }
            }
        };
        (reach - before, reach - after + more[i])
    };
    Ok((0..axes).map(pads).collect())
}

/// Weights [c, m, …] of each group as [m, c, …], turned round along the axes of the picture.
fn turned(c: &mut Call<'_, '_, '_>, w: &Value, groups: usize) -> Result<Value, String> {
    let shape = w.shape().to_vec();
    let split = [&[groups, shape[0] / groups, shape[1]], &shape[2..]].concat();
    let split = c.p.reshape(w, &split)?;
    let order: Vec<usize> = [0, 2, 1].into_iter().chain(3..split.rank()).collect();
    let mut view = View::transposed(split.shape(), &order);
    for axis in 3..split.rank() {
        let n = split.shape()[axis];
        view = view.sliced(axis, n - 1, -1, n);
    }
    let turned = c.p.view(&split, &view)?;
    let filters = shape[1].saturating_mul(groups);
    c.p.reshape(&turned, &[&[filters, shape[0] / groups], &shape[2..]].concat())
}

/// [n, filters, places…] of a picture [n, channels, …] and weights [filters, channels of a group, …].
fn convolution(
    c: &mut Call<'_, '_, '_>,
    x: &Value,
    w: &Value,
    groups: usize,
    windows: &Windows,
) -> Result<Value, String> {
    let (&[n, channels, ..], &[filters, depth, ..]) = (x.shape(), w.shape()) else {
        return Err("pictures and weights need two axes before those of the picture".into());
    };
    let fits = groups > 0
        && filters % groups == 0
        && Some(channels) == depth.checked_mul(groups)
        && w.kind() == Kind::Float;
    if !fits {
        return Err(format!(
            "weights of shape {:?} do not fit a picture of shape {:?} in {groups} groups",
            w.shape(),
            x.shape()
        ));
    }
    let mut margins = vec![(0, 0), (0, 0)];
    margins.extend(windows.margins());
    let padded = padded(c, x, &margins, &Constant::scalar(0.0).into())?;
    let (picture, weights) = (c.p.tensor(&padded)?, c.p.tensor(w)?);
    let mut text = format!("conv({picture}, {weights}");
    for (name, by) in [("strides", &windows.strides), ("dilations", &windows.dilations)] {
        if by.iter().any(|n| *n != 1) {
            text += &format!(", {name} = {by:?}");
        }
    }
    if groups > 1 {
        text += &format!(", groups = {groups}");
    }
    let shape = [&[n, filters], &windows.count[..]].concat();
    c.p.bind(&(text + ")"), &shape, Kind::Float)
}

/// The windows of a pool: [n, c, places…, offsets], and what stands where the picture ends.
fn pool_windows(c: &mut Call<'_, '_, '_>, fill: f64) -> Result<(Windows, Value), String> {
    let x = c.float_var(0)?;
    if x.shape.len() < 3 {
        return Err("a picture of at least three axes is needed".into());
    }
    let kernel = per_axis(c, "kernel_shape", x.shape.len() - 2, 1)?;
    let windows = Windows::new(c, &x.shape[2..], kernel)?;
    let mut margins = vec![(0, 0), (0, 0)];
    margins.extend(windows.margins());
    let padded = padded(c, &Value::Var(x), &margins, &Constant::scalar(fill).into())?;
    let in_order = |axes: usize| (0..2 + 2 * axes).collect();
    let seen = c.p.view(&padded, &windows.view(padded.shape(), in_order))?;
    let mut shape = padded.shape()[..2].to_vec();
    shape.extend(&windows.count);
    shape.push(size(&windows.kernel));
    let seen = c.p.reshape(&seen, &shape)?;
    Ok((windows, seen))
}

pub(super) fn max_pool(c: &mut Call<'_, '_, '_>) -> Outputs {
    if c.node.outputs.get(1).is_some_and(|o| !o.is_empty()) {
        return Err("the positions of the maxima are not supported".into());
    }
    let least = c.p.least();
    let (_, seen) = pool_windows(c, least)?;
    let v = c.p.var(&seen)?;
    let shape = &v.shape[..v.shape.len() - 1];
    one(c.p.bind(&format!("max({}, axis = -1)", v.name), shape, Kind::Float)?)
}

pub(super) fn average_pool(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (windows, seen) = pool_windows(c, 0.0)?;
    let v = c.p.var(&seen)?;
    let shape = v.shape[..v.shape.len() - 1].to_vec();
    let sum = c.p.bind(&format!("sum({}, axis = -1)", v.name), &shape, Kind::Float)?;
    let include_pads = c.flag("count_include_pad", false)?;
    let factors = factors(&windows, include_pads)?;
    let same = factors.iter().all(|x| *x == factors[0]);
    if same {
        return one(super::linear::scaled(c, &sum, factors[0])?);
    }
    let factors = Constant::floats(factors, &windows.count);
    one(expression(c, "@ * #", &sum, &factors.into(), Kind::Float)?)
}

/// One over the number of elements in each window, those of the padding counted or not.
fn factors(w: &Windows, include_pads: bool) -> Result<Vec<f64>, String> {
    if w.places() > super::tensor::MAX_FOLDED {
        return Err("the picture is too large".into());
    }
    let mut counts = vec![1usize];
    for axis in 0..w.input.len() {
        let (before, after) = w.pads[axis];
        let (low, high) = match include_pads {
            true => (0, before + w.input[axis] + after),
            false => (before, before + w.input[axis]),
        };
        let inside = |place: usize| {
            let starts = place * w.strides[axis];
            let offsets = (0..w.kernel[axis]).map(|i| starts + i * w.dilations[axis]);
            offsets.filter(|at| (low..high).contains(at)).count()
        };
        let along: Vec<usize> = (0..w.count[axis]).map(inside).collect();
        counts = counts.iter().flat_map(|n| along.iter().map(move |m| n * m)).collect();
    }
    Ok(counts.into_iter().map(|n| 1.0 / n.max(1) as f64).collect())
}

/// All of each channel.
fn whole_picture(c: &mut Call<'_, '_, '_>) -> Result<(Var, Vec<usize>), String> {
    let x = c.float_var(0)?;
    let &[n, channels, ref rest @ ..] = &x.shape[..] else {
        return Err("a picture is needed".into());
    };
    let shape = [vec![n, channels], vec![1; rest.len()]].concat();
    let flat = c.p.reshape(&Value::Var(x.clone()), &[n, channels, size(rest)])?;
    Ok((c.p.var(&flat)?, shape))
}

pub(super) fn global_average_pool(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (v, shape) = whole_picture(c)?;
    let sum = c.p.bind(&format!("sum({}, axis = -1)", v.name), &shape[..2], Kind::Float)?;
    let mean = super::linear::scaled(c, &sum, 1.0 / v.shape[2].max(1) as f64)?;
    one(c.p.reshape(&mean, &shape)?)
}

pub(super) fn global_max_pool(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (v, shape) = whole_picture(c)?;
    let most = c.p.bind(&format!("max({}, axis = -1)", v.name), &shape[..2], Kind::Float)?;
    one(c.p.reshape(&most, &shape)?)
}

//! Elements at given places: gathered, replaced, sorted, marked.
//!
//! Places that are known move elements. Secret ones, where they are supported, are products with unit vectors.

use std::collections::BTreeMap;

use super::call::{Call, Outputs, one};
use super::elementwise::{convert, expression};
use super::movement::{filled, padded};
use super::program::{Value, Var};
use super::tensor::{Constant, Data, Kind, MAX_FOLDED, shape_of, size, too_large};
use super::view::View;
use crate::ir::strides_of_shape;

/// Most values that one element is combined with.
const MAX_COMBINED: usize = 64;

/// Places that are given as an input, all known.
fn known_places(places: &Value) -> Result<Option<Vec<i64>>, String> {
    match places {
        _ if places.kind() != Kind::Int => Err("positions must be integers".into()),
        Value::Var(_) => Ok(None),
        Value::Const(k) if k.size() > MAX_FOLDED => Err(too_large(&k.shape)),
        Value::Const(k) => Ok(Some(k.to_ints())),
    }
}

/// A value that is computed, with negative positions counted from the end.
fn from_the_end(c: &mut Call<'_, '_, '_>, places: &Value, n: usize) -> Result<Var, String> {
    let v = c.p.var(places)?;
    let text = format!("select({0} < 0, {0} + {n}, {0})", v.name);
    let out = c.like(&text, &v)?;
    c.p.var(&out)
}

pub(super) fn gather_elements(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (x, places) = (c.input(0)?, c.input(1)?);
    let axis = c.axis(c.int("axis", 0)?, x.rank())?;
    one(elements(c, &x, &places, axis)?)
}

/// Where in the row-major order of a tensor elements of another lie that has places along one axis.
fn along(
    c: &Call<'_, '_, '_>,
    shape: &[usize],
    places: &[i64],
    of: &[usize],
    axis: usize,
) -> Result<Vec<usize>, String> {
    let strides = strides_of_shape(shape);
    let dims = of.iter().enumerate().map(|(i, n)| (*n, if i == axis { 0 } else { strides[i] }));
    let view = View { offset: 0, dims: dims.collect() };
    let at = |(start, place): (usize, &i64)| {
        Ok(start + c.place(*place, shape[axis])? * strides[axis] as usize)
    };
    view.places().zip(places).map(at).collect()
}

/// For each place the element of that place along an axis.
pub(super) fn elements(
    c: &mut Call<'_, '_, '_>,
    x: &Value,
    places: &Value,
    axis: usize,
) -> Result<Value, String> {
    let (shape, of) = (x.shape().to_vec(), places.shape().to_vec());
    let fits = |i: usize| i == axis || of[i] <= shape[i];
    if of.len() != shape.len() || !(0..of.len()).all(fits) {
        return Err(format!("places of shape {of:?} in a tensor of {shape:?}"));
    }
    if let Some(known) = known_places(places)? {
        let at = along(c, &shape, &known, &of, axis)?;
        let flat = c.p.reshape(x, &[size(&shape)])?;
        let taken = c.p.take(&flat, 0, &at)?;
        return c.p.reshape(&taken, &of);
    }
    if x.kind() == Kind::Bool {
        return Err("truth values at secret places are not supported".into());
    }
    let n = shape[axis];
    let mut view = View::whole(&shape);
    for i in (0..of.len()).filter(|i| *i != axis) {
        view = view.sliced(i, 0, 1, of[i]);
    }
    let order: Vec<usize> = (0..of.len()).filter(|i| *i != axis).chain([axis]).collect();
    let x = c.p.view(x, &View { dims: order.iter().map(|i| view.dims[*i]).collect(), ..view })?;
    let (outer, count) = (size(&of).checked_div(of[axis]).unwrap_or(0), of[axis]);
    let x = c.p.reshape(&x, &[outer, 1, n])?;
    let moved = c.p.transpose(places, &order)?;
    let moved = c.p.reshape(&moved, &[outer, count])?;
    let places = from_the_end(c, &moved, n)?;
    let (table, elem) = (c.p.tensor(&x)?, c.p.elem(x.kind()));
    let text = format!("{elem}(dot(int<2>(one_hot({}, {n})), {table}))", places.name);
    let found = c.p.bind(&text, &[outer, count], x.kind())?;
    let back: Vec<usize> = order.iter().map(|i| of[*i]).collect();
    let found = c.p.reshape(&found, &back)?;
    let back: Vec<usize> = (0..axis).chain([of.len() - 1]).chain(axis..of.len() - 1).collect();
    c.p.transpose(&found, &back)
}

/// Positions of rows from tuples of positions in the first axes of a tensor.
struct Rows {
    /// Axes that the tuples go through, and those before them.
    before: usize,
    width: usize,
    count: usize,
}

impl Rows {
    fn of(shape: &[usize], places: &Value, before: usize) -> Result<Rows, String> {
        let width = places.shape().last().copied().unwrap_or(0);
        let fits = before < places.rank()
            && before.saturating_add(width) <= shape.len()
            && places.shape()[..before] == shape[..before];
        if !fits {
            return Err(format!("places of shape {:?} in a tensor of {shape:?}", places.shape()));
        }
        Ok(Rows { before, width, count: size(&places.shape()[..places.rank() - 1]) })
    }

    /// What the part of a tuple at `i` counts.
    fn strides(&self, shape: &[usize]) -> Vec<i64> {
        strides_of_shape(&shape[self.before..self.before + self.width])
    }

    /// Where the batch of tuple `i` starts.
    fn start(&self, shape: &[usize], i: usize) -> usize {
        let each = self.count / size(&shape[..self.before]).max(1);
        i / each.max(1) * size(&shape[self.before..self.before + self.width])
    }

    fn known(
        &self,
        c: &Call<'_, '_, '_>,
        shape: &[usize],
        places: &[i64],
    ) -> Result<Vec<usize>, String> {
        let strides = self.strides(shape);
        let row = |i: usize| {
            let mut at = self.start(shape, i);
            for j in 0..self.width {
                let place = places[i * self.width + j];
                at += c.place(place, shape[self.before + j])? * strides[j] as usize;
            }
            Ok(at)
        };
        (0..self.count).map(row).collect()
    }
}

pub(super) fn gather_nd(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (x, places) = (c.input(0)?, c.input(1)?);
    let before = usize::try_from(c.int("batch_dims", 0)?).map_err(|_| "negative batch_dims")?;
    let shape = x.shape().to_vec();
    let rows = Rows::of(&shape, &places, before)?;
    let axes = before + rows.width;
    let table = c.p.reshape(&x, &[size(&shape[..axes]), size(&shape[axes..])])?;
    let found = match known_places(&places)? {
        Some(known) => {
            let at = rows.known(c, &shape, &known)?;
            c.p.take(&table, 0, &at)?
        }
        None => {
            let flat = c.p.reshape(&places, &[rows.count, rows.width])?;
            if rows.count > MAX_FOLDED {
                return Err(too_large(places.shape()));
            }
            let starts = (0..rows.count).map(|i| rows.start(&shape, i) as i64).collect();
            let mut text = c.p.tensor(&Constant::ints(starts).into())?;
            for (j, stride) in rows.strides(&shape).iter().enumerate() {
                let part = c.p.view(&flat, &View::whole(flat.shape()).sliced(1, j, 1, 1))?;
                let part = c.p.reshape(&part, &[rows.count])?;
                let part = from_the_end(c, &part, shape[before + j])?;
                text += &format!(" + {} * {stride}", part.name);
            }
            let table = c.p.tensor(&table)?;
            let shape = [rows.count, size(&shape[axes..])];
            c.p.bind(&format!("lookup({table}, {text})"), &shape, x.kind())?
        }
    };
    let out = [&places.shape()[..places.rank() - 1], &shape[axes..]].concat();
    one(c.p.reshape(&found, &out)?)
}

/// Rows with others in their place, or combined with them one after the other.
fn scattered(
    c: &mut Call<'_, '_, '_>,
    rows: Value,
    places: &[usize],
    updates: &Value,
    how: &str,
) -> Result<Value, String> {
    let n = rows.shape()[0];
    if updates.shape()[1..] != rows.shape()[1..] || updates.shape()[0] != places.len() {
        return Err(format!("{:?} does not fit {:?}", updates.shape(), rows.shape()));
    }
    if updates.kind() != rows.kind() {
        return Err("the updates are of another type".into());
    }
    let replaced = |with: &[(usize, usize)]| {
        let mut sources: Vec<usize> = (0..n).collect();
        with.iter().for_each(|(place, source)| sources[*place] = n + source);
        sources
    };
    let text = match how {
        "none" => {
            let with: Vec<(usize, usize)> = places.iter().copied().zip(0..).collect();
            let all = c.p.concat(&[rows, updates.clone()], 0)?;
            return c.p.take(&all, 0, &replaced(&with));
        }
        "add" => "@ + #",
        "mul" => "@ * #",
        "min" => "min(@, #)",
        "max" => "max(@, #)",
        other => return Err(format!("the reduction `{other}` is not known")),
    };
    let mut rounds: Vec<Vec<(usize, usize)>> = vec![];
    let mut seen = BTreeMap::<usize, usize>::new();
    for (source, place) in places.iter().enumerate() {
        let round = seen.entry(*place).or_default();
        if *round >= MAX_COMBINED {
            return Err(format!("more than {MAX_COMBINED} values for one element"));
        }
        rounds.resize(rounds.len().max(*round + 1), vec![]);
        rounds[*round].push((*place, source));
        *round += 1;
    }
    let mut out = rows;
    for round in rounds {
        let (at, from): (Vec<usize>, Vec<usize>) = round.iter().copied().unzip();
        let (old, new) = (c.p.take(&out, 0, &at)?, c.p.take(updates, 0, &from)?);
        let kind = old.kind();
        let combined = expression(c, text, &old, &new, kind)?;
        let with: Vec<(usize, usize)> = at.into_iter().zip(0..).collect();
        let all = c.p.concat(&[out, combined], 0)?;
        out = c.p.take(&all, 0, &replaced(&with))?;
    }
    Ok(out)
}

fn must_be_known(places: &Value) -> Result<Vec<i64>, String> {
    known_places(places)?.ok_or("writing to secret places is not supported".into())
}

pub(super) fn scatter_elements(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (x, places, updates) = (c.input(0)?, c.input(1)?, c.input(2)?);
    let axis = c.axis(c.int("axis", 0)?, x.rank())?;
    let (shape, of) = (x.shape().to_vec(), places.shape().to_vec());
    let fits = |i: usize| i == axis || of[i] <= shape[i];
    if of.len() != shape.len() || updates.shape() != of || !(0..of.len()).all(fits) {
        return Err(format!("places of shape {of:?} in a tensor of {shape:?}"));
    }
    let at = along(c, &shape, &must_be_known(&places)?, &of, axis)?;
    let (flat, updates) = (c.p.reshape(&x, &[size(&shape)])?, c.p.reshape(&updates, &[size(&of)])?);
    let how = c.text("reduction", "none")?;
    let out = scattered(c, flat, &at, &updates, &how)?;
    one(c.p.reshape(&out, &shape)?)
}

pub(super) fn scatter_nd(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (x, places, updates) = (c.input(0)?, c.input(1)?, c.input(2)?);
    let shape = x.shape().to_vec();
    let rows = Rows::of(&shape, &places, 0)?;
    let at = rows.known(c, &shape, &must_be_known(&places)?)?;
    let (n, inner) = (size(&shape[..rows.width]), size(&shape[rows.width..]));
    if updates.size() != rows.count.saturating_mul(inner) {
        return Err(format!("updates of shape {:?}", updates.shape()));
    }
    let (table, updates) =
        (c.p.reshape(&x, &[n, inner])?, c.p.reshape(&updates, &[rows.count, inner])?);
    let how = c.text("reduction", "none")?;
    let out = scattered(c, table, &at, &updates, &how)?;
    one(c.p.reshape(&out, &shape)?)
}

/// A cache with what is new written from a place on, for each sequence.
pub(super) fn tensor_scatter(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (x, updates) = (c.input(0)?, c.input(1)?);
    let shape = x.shape().to_vec();
    let axis = c.axis(c.int("axis", -2)?, shape.len())?;
    let others =
        |s: &[usize]| (0..s.len()).filter(|i| *i != axis).map(|i| s[i]).collect::<Vec<_>>();
    if axis == 0 || updates.rank() != shape.len() || others(&shape) != others(updates.shape()) {
        return Err(format!("{:?} does not fit {shape:?}", updates.shape()));
    }
    let starts = match c.known(2, "places to write")? {
        Some(starts) if starts.size() == shape[0] => starts.to_ints(),
        Some(_) => return Err("a place for each sequence is needed".into()),
        None => vec![0; shape[0]],
    };
    let (n, new) = (shape[axis], updates.shape()[axis]);
    let (outer, inner) = (size(&shape[..axis]), size(&shape[axis + 1..]));
    let circular = c.text("mode", "linear")? == "circular";
    if outer.saturating_mul(new) > MAX_FOLDED {
        return Err(too_large(updates.shape()));
    }
    let place = |i: usize| {
        let (row, step) = (i / new, i % new);
        let at = starts[row / (outer / shape[0].max(1)).max(1)].saturating_add(step as i64);
        let at = if circular { at.rem_euclid(n.max(1) as i64) } else { at };
        usize::try_from(at).ok().filter(|at| *at < n).map(|at| row * n + at)
    };
    let at: Option<Vec<usize>> = (0..outer * new).map(place).collect();
    let at = at.ok_or("there is no room for what is new")?;
    let (table, updates) =
        (c.p.reshape(&x, &[outer * n, inner])?, c.p.reshape(&updates, &[outer * new, inner])?);
    let out = scattered(c, table, &at, &updates, "none")?;
    one(c.p.reshape(&out, &shape)?)
}

/// The first steps of each sequence in the other order.
pub(super) fn reverse_sequence(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let lengths = c.known(1, "lengths of the sequences")?.ok_or("the lengths are missing")?;
    let batch = c.axis(c.int("batch_axis", 1)?, x.rank())?;
    let time = c.axis(c.int("time_axis", 0)?, x.rank())?;
    let (n, steps) = (x.shape()[batch], x.shape()[time]);
    let lengths = lengths.to_ints();
    let possible = |n: &i64| (0..=steps as i64).contains(n);
    if batch == time
        || lengths.len() != n
        || !lengths.iter().all(possible)
        || n * steps > MAX_FOLDED
    {
        return Err(format!("{lengths:?} are no lengths of {n} sequences of {steps} steps"));
    }
    let rest = (0..x.rank()).filter(|i| ![batch, time].contains(i));
    let order: Vec<usize> = [batch, time].into_iter().chain(rest).collect();
    let moved = c.p.transpose(&x, &order)?;
    let rows = c.p.reshape(&moved, &[n * steps, moved.size() / (n * steps).max(1)])?;
    let place = |i: usize| {
        let (row, step, length) = (i / steps, i % steps, lengths[i / steps] as usize);
        row * steps + if step < length { length - 1 - step } else { step }
    };
    let at: Vec<usize> = (0..n * steps).map(place).collect();
    let taken = c.p.take(&rows, 0, &at)?;
    let taken = c.p.reshape(&taken, moved.shape())?;
    let mut back = vec![0; order.len()];
    order.iter().enumerate().for_each(|(i, o)| back[*o] = i);
    one(c.p.transpose(&taken, &back)?)
}

/// The places where a known condition holds.
pub(super) fn compress(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let condition = c.known(1, "condition")?.ok_or("the condition is missing")?;
    let (x, axis) = match c.has("axis") {
        true => (x.clone(), c.axis(c.int("axis", 0)?, x.rank())?),
        false => (c.p.reshape(&x, &[x.size()])?, 0),
    };
    let n = x.shape()[axis].min(condition.size());
    let kept: Vec<usize> = (0..n).filter(|i| condition.at(*i) != 0.0).collect();
    one(c.p.take(&x, axis, &kept)?)
}

/// A new axis with one value at a place, another elsewhere.
pub(super) fn one_hot(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (x, values) = (c.input(0)?, c.input(2)?);
    let depth = c.known(1, "depth")?.filter(|d| d.size() == 1).ok_or("the depth is missing")?;
    let depth = usize::try_from(depth.int_at(0)).ok().filter(|d| (1..=MAX_FOLDED).contains(d));
    let depth = depth.ok_or("this depth is not possible")?;
    let axis = c.axis(c.int("axis", -1)?, x.rank() + 1)?;
    if values.shape() != [2] {
        return Err("two values are needed".into());
    }
    let x = convert(c, &x, Kind::Int)?;
    let shape = [x.shape(), &[depth]].concat();
    let bits = match known_places(&x)? {
        Some(known) if size(&shape) <= MAX_FOLDED => {
            let n = depth as i64;
            let at = |i: &i64| if *i < 0 { *i + n } else { *i };
            let bits = known.iter().flat_map(|i| (0..n).map(move |j| at(i) == j)).collect();
            Constant { shape: shape.clone(), data: Data::Bool(bits), weight: false }.into()
        }
        _ => {
            let v = from_the_end(c, &x, depth)?;
            c.p.bind(&format!("one_hot({}, {depth})", v.name), &shape, Kind::Bool)?
        }
    };
    let order: Vec<usize> =
        (0..axis).chain([shape.len() - 1]).chain(axis..shape.len() - 1).collect();
    let bits = c.p.transpose(&bits, &order)?;
    let part = |c: &mut Call<'_, '_, '_>, i: usize| {
        let one = c.p.view(&values, &View::whole(&[2]).sliced(0, i, 1, 1))?;
        let one = c.p.reshape(&one, &[])?;
        c.p.var(&one)
    };
    let (off, on) = (part(c, 0)?, part(c, 1)?);
    let text = format!("select({}, {}, {})", c.p.tensor(&bits)?, on.name, off.name);
    one(c.p.bind(&text, bits.shape(), on.kind)?)
}

/// The greatest or least along an axis in order, and where they were; of equal ones the first comes first.
pub(super) fn top_k(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let axis = c.axis(c.int("axis", -1)?, x.rank())?;
    let n = x.shape()[axis];
    let k = match c.known(1, "number")? {
        Some(k) => k.int_at(0),
        None => c.int("k", 0)?,
    };
    let k = usize::try_from(k).ok().filter(|k| (1..=n).contains(k));
    let k = k.ok_or(format!("this number of {n} elements is not possible"))?;
    let order: Vec<usize> = (0..x.rank()).filter(|i| *i != axis).chain([axis]).collect();
    let moved = c.p.transpose(&x, &order)?;
    let rows = moved.size() / n;
    let flat = c.p.reshape(&moved, &[rows, n])?;
    let v = c.p.var(&flat)?;
    let function = match c.flag("largest", true)? {
        true => "order::sort_by_descending",
        false => "order::sort_by",
    };
    let (values, places) = (c.p.fresh(), c.p.fresh());
    let elem = c.p.elem(Kind::Int);
    for (name, kind) in [(&values, v.kind), (&places, Kind::Int)] {
        let ty = c.p.ty(kind, &[rows, k]);
        c.p.line(format!("var {name} = zeros({ty});"));
    }
    c.p.line(format!("for row in 0..{rows} {{"));
    c.p.line(format!(
        "    let (sorted, order) = {function}({}[row], reshape({elem}(iota({n})), [{n}, 1]));",
        v.name
    ));
    c.p.line(format!("    {values}[row] = sorted[0..{k}];"));
    c.p.line(format!("    {places}[row] = reshape(order[0..{k}], [{k}]);"));
    c.p.line("}".into());
    let mut shape: Vec<usize> = order.iter().map(|i| x.shape()[*i]).collect();
    shape[order.len() - 1] = k;
    let mut back = vec![0; order.len()];
    order.iter().enumerate().for_each(|(i, o)| back[*o] = i);
    let mut out = vec![];
    for (name, kind) in [(values, v.kind), (places, Kind::Int)] {
        let value = Value::Var(Var { name, shape: vec![rows, k], kind });
        let value = c.p.reshape(&value, &shape)?;
        out.push(c.p.transpose(&value, &back)?);
    }
    Ok(out)
}

/// Ones on a diagonal.
pub(super) fn eye_like(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let &[rows, columns] = x.shape() else { return Err("a matrix is needed".into()) };
    if x.size() > MAX_FOLDED {
        return Err(too_large(x.shape()));
    }
    let kind = if c.has("dtype") { Kind::of(c.int("dtype", 1)?)? } else { x.kind() };
    let k = c.int("k", 0)?;
    let at = |i: usize| (i % columns.max(1)) as i64 - (i / columns.max(1)) as i64 == k;
    let ones = (0..rows * columns).map(at);
    let data = match kind {
        Kind::Float => Data::F64(ones.map(|x| f64::from(u8::from(x))).collect()),
        Kind::Int => Data::Int(ones.map(i64::from).collect()),
        Kind::Bool => Data::Bool(ones.collect()),
    };
    one(Constant { shape: vec![rows, columns], data, weight: false }.into())
}

/// The middle of each axis, or zeros around it.
pub(super) fn center_crop_pad(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let wanted = shape_of(&c.known(1, "shape")?.ok_or("the shape is missing")?.to_ints())?;
    let axes = c.ints("axes")?.unwrap_or_else(|| (0..x.rank() as i64).collect());
    if axes.len() != wanted.len() {
        return Err(format!("{} sizes for {} axes", wanted.len(), axes.len()));
    }
    let mut view = View::whole(x.shape());
    let mut margins = vec![(0, 0); x.rank()];
    for (axis, size) in axes.iter().zip(wanted) {
        let axis = c.axis(*axis, x.rank())?;
        let n = x.shape()[axis];
        if size < n {
            view = view.sliced(axis, (n - size) / 2, 1, size);
        } else {
            margins[axis] = ((size - n) / 2, size - n - (size - n) / 2);
        }
    }
    let cut = c.p.view(&x, &view)?;
    let zero = filled(x.kind(), 0.0, &[])?;
    one(padded(c, &cut, &margins, &zero.into())?)
}

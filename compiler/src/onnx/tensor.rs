//! Constants of a model: elements with a shape.

use super::proto::{self, Elements};
use super::view::View;
use super::wire::{Malformed, each};

/// Most elements of a constant that is computed while importing, other than by moving the elements of one that is in the file.
pub(super) const MAX_FOLDED: usize = 1 << 20;
/// Most elements of an integer or truth tensor; those of networks are shapes, positions and masks.
const MAX_INTEGERS: usize = 1 << 22;
/// Most elements of a tensor at all.
pub(super) const MAX_ELEMENTS: usize = 1 << 31;

/// What kind of numbers a value has. Widths come from the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Float,
    Int,
    Bool,
}

impl Kind {
    /// From the number of a data type in the file.
    pub(super) fn of(number: i64) -> Result<Kind, String> {
        match number {
            1 | 10 | 11 | 16 => Ok(Kind::Float),
            _ if is_short_float(number) => Ok(Kind::Float),
            2..=7 | 12 | 13 | 21 | 22 | 25 | 26 => Ok(Kind::Int),
            9 => Ok(Kind::Bool),
            8 => Err("texts are not supported".into()),
            0 => Err("only tensors are supported".into()),
            other => Err(format!("the element type {other} is not supported")),
        }
    }
}

/// Whether an element type is that of a float of 8 bits or less.
pub(super) fn is_short_float(number: i64) -> bool {
    matches!(number, 17..=20 | 23 | 24)
}

/// Elements in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    F32(Vec<f32>),
    F64(Vec<f64>),
    /// Floats that are all the same, however many.
    Splat(f64),
    Int(Vec<i64>),
    Bool(Vec<bool>),
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constant {
    pub(super) shape: Vec<usize>,
    pub(super) data: Data,
    /// Whether it belongs to whoever owns the model: true for what comes from a tensor with axes in the file.
    pub(super) weight: bool,
}

/// Number of elements of a shape.
pub(super) fn size(shape: &[usize]) -> usize {
    crate::ir::size_of_shape(shape)
}

impl Constant {
    /// Public integers in one axis.
    pub(super) fn ints(xs: Vec<i64>) -> Constant {
        Constant { shape: vec![xs.len()], data: Data::Int(xs), weight: false }
    }

    /// Public floats.
    pub(super) fn floats(xs: Vec<f64>, shape: &[usize]) -> Constant {
        Constant { shape: shape.to_vec(), data: Data::F64(xs), weight: false }
    }

    /// One public number.
    pub(super) fn scalar(x: f64) -> Constant {
        Constant { shape: vec![], data: Data::Splat(x), weight: false }
    }

    pub(super) fn size(&self) -> usize {
        size(&self.shape)
    }

    pub(super) fn kind(&self) -> Kind {
        match self.data {
            Data::F32(_) | Data::F64(_) | Data::Splat(_) => Kind::Float,
            Data::Int(_) => Kind::Int,
            Data::Bool(_) => Kind::Bool,
        }
    }

    /// An element as a float.
    pub(super) fn at(&self, i: usize) -> f64 {
        match &self.data {
            Data::F32(xs) => f64::from(xs[i]),
            Data::F64(xs) => xs[i],
            Data::Splat(x) => *x,
            Data::Int(xs) => xs[i] as f64,
            Data::Bool(xs) => f64::from(u8::from(xs[i])),
        }
    }

    /// An element as an integer, towards zero.
    pub(super) fn int_at(&self, i: usize) -> i64 {
        match &self.data {
            Data::Int(xs) => xs[i],
            _ => self.at(i) as i64,
        }
    }

    /// The integers of a shape, an axis or the like.
    pub(super) fn to_ints(&self) -> Vec<i64> {
        (0..self.size()).map(|i| self.int_at(i)).collect()
    }

    /// The one value of a public float constant of equal elements.
    pub(super) fn public_scalar(&self) -> Option<f64> {
        match &self.data {
            Data::Splat(x) => Some(*x),
            _ if !self.weight && self.size() == 1 && self.kind() == Kind::Float => Some(self.at(0)),
            _ => None,
        }
    }

    /// The same elements in another shape.
    pub(super) fn reshaped(&self, shape: &[usize]) -> Constant {
        Constant { shape: shape.to_vec(), ..self.clone() }
    }

    /// What a view sees.
    pub(super) fn viewed(&self, view: &View) -> Result<Constant, String> {
        let shape = view.shape();
        let count = size(&shape);
        let data = match &self.data {
            Data::Splat(x) => Data::Splat(*x),
            _ if count > MAX_FOLDED.max(self.size()) => return Err(too_large(&shape)),
            Data::F32(xs) => Data::F32(view.places().map(|i| xs[i]).collect()),
            Data::F64(xs) => Data::F64(view.places().map(|i| xs[i]).collect()),
            Data::Int(xs) => Data::Int(view.places().map(|i| xs[i]).collect()),
            Data::Bool(xs) => Data::Bool(view.places().map(|i| xs[i]).collect()),
        };
        Ok(Constant { shape, data, weight: self.weight })
    }

    /// One after the other along an axis; shapes and kinds were compared before.
    pub(super) fn concat(parts: &[&Constant], axis: usize, shape: &[usize]) -> Constant {
        let weight = parts.iter().any(|p| p.weight);
        let outer = size(&shape[..axis]);
        let places = || {
            (0..outer).flat_map(|row| {
                parts.iter().flat_map(move |p| {
                    let width = p.size() / outer.max(1);
                    (row * width..(row + 1) * width).map(move |i| (*p, i))
                })
            })
        };
        let data = match parts[0].kind() {
            Kind::Float => Data::F64(places().map(|(p, i)| p.at(i)).collect()),
            Kind::Int => Data::Int(places().map(|(p, i)| p.int_at(i)).collect()),
            Kind::Bool => Data::Bool(places().map(|(p, i)| p.at(i) != 0.0).collect()),
        };
        Constant { shape: shape.to_vec(), data, weight }
    }
}

pub(super) fn too_large(shape: &[usize]) -> String {
    format!("a constant of shape {shape:?} is too large to be computed while importing")
}

/// A shape from dimensions in the file.
pub(super) fn shape_of(dims: &[i64]) -> Result<Vec<usize>, String> {
    let shape: Option<Vec<usize>> = dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    let shape = shape.ok_or_else(|| format!("the shape {dims:?} has a negative size"))?;
    if size(&shape) > MAX_ELEMENTS || shape.iter().any(|n| *n > MAX_ELEMENTS) {
        return Err(format!("the shape {dims:?} is too large"));
    }
    Ok(shape)
}

/// Bytes outside the model: asked by path, given whole.
pub(super) type External<'e> = dyn FnMut(&str) -> Result<std::rc::Rc<Vec<u8>>, String> + 'e;

/// Reads a tensor of the file.
pub(super) fn read(
    tensor: &proto::Tensor<'_>,
    external: &mut External<'_>,
) -> Result<Constant, String> {
    let shape = shape_of(&tensor.dims)?;
    let kind = Kind::of(tensor.kind)?;
    let count = size(&shape);
    if kind != Kind::Float && count > MAX_INTEGERS {
        return Err(format!("{count} integers are more than the {MAX_INTEGERS} of a tensor"));
    }
    let elements = proto::elements(tensor, count)?;
    let data = match elements.location {
        Some(path) => {
            let file = external(local_path(path)?)?;
            raw(tensor.kind, range(&file, &elements)?, count)?
        }
        None => match elements.raw {
            Some(bytes) => raw(tensor.kind, bytes, count)?,
            None => typed(tensor.kind, elements, count)?,
        },
    };
    let found = length(&data);
    if found != count {
        return Err(format!("it has {found} elements, its shape {shape:?} has {count}"));
    }
    // Without axes it is part of an operation, such as a factor; with axes it is what was learnt.
    let weight = kind == Kind::Float && !shape.is_empty();
    Ok(Constant { shape, data, weight })
}

fn length(data: &Data) -> usize {
    match data {
        Data::F32(xs) => xs.len(),
        Data::F64(xs) => xs.len(),
        Data::Int(xs) => xs.len(),
        Data::Bool(xs) => xs.len(),
        Data::Splat(_) => 1,
    }
}

/// A path that stays in the folder of the model.
fn local_path(path: &str) -> Result<&str, Malformed> {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', ':', '\0']);
    let path = path.strip_prefix("./").unwrap_or(path);
    if path.split('/').all(plain) {
        return Ok(path);
    }
    Err(format!("its data are in `{path}`, which may lie outside the folder of the model"))
}

/// The part of an external file that belongs to a tensor.
fn range<'f>(file: &'f [u8], elements: &Elements<'_>) -> Result<&'f [u8], Malformed> {
    let number = |text: Option<&str>, default: usize| match text {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| format!("`{text}` is no offset or length")),
    };
    let offset: usize = number(elements.offset, 0)?;
    let rest = file.get(offset..).ok_or("its data start beyond the end of their file")?;
    let length = number(elements.length, rest.len())?;
    rest.get(..length).ok_or("its data end beyond the end of their file".into())
}

/// Elements from bytes, little-endian; of those that do not fill bytes there are `count`.
fn raw(kind: i64, bytes: &[u8], count: usize) -> Result<Data, Malformed> {
    let ints = |xs: Vec<i64>| Ok(Data::Int(xs));
    match kind {
        1 => Ok(Data::F32(each::<4>(bytes)?.map(f32::from_le_bytes).collect())),
        2 => ints(bytes.iter().map(|b| i64::from(*b)).collect()),
        3 => ints(bytes.iter().map(|b| i64::from(*b as i8)).collect()),
        4 => ints(each::<2>(bytes)?.map(|b| u16::from_le_bytes(b).into()).collect()),
        5 => ints(each::<2>(bytes)?.map(|b| i16::from_le_bytes(b).into()).collect()),
        6 => ints(each::<4>(bytes)?.map(|b| i32::from_le_bytes(b).into()).collect()),
        7 => ints(each::<8>(bytes)?.map(i64::from_le_bytes).collect()),
        9 => Ok(Data::Bool(bytes.iter().map(|b| *b != 0).collect())),
        10 => Ok(Data::F32(each::<2>(bytes)?.map(|b| half(u16::from_le_bytes(b))).collect())),
        11 => Ok(Data::F64(each::<8>(bytes)?.map(f64::from_le_bytes).collect())),
        12 => ints(each::<4>(bytes)?.map(|b| u32::from_le_bytes(b).into()).collect()),
        13 => ints(each::<8>(bytes)?.map(|b| u64::from_le_bytes(b) as i64).collect()),
        16 => Ok(Data::F32(each::<2>(bytes)?.map(|b| bfloat(u16::from_le_bytes(b))).collect())),
        17..=20 | 23 | 24 => {
            let bits = if kind == 23 { 4 } else { 8 };
            Ok(Data::F32(parts(bytes, bits, count).map(|b| short(kind, b)).collect()))
        }
        21 | 22 | 25 | 26 => {
            let bits = if kind < 23 { 4 } else { 2 };
            let signed = |b: u8| match kind {
                22 | 26 => i64::from((b << (8 - bits)) as i8 >> (8 - bits)),
                _ => i64::from(b),
            };
            ints(parts(bytes, bits, count).map(signed).collect())
        }
        other => Err(format!("the element type {other} is not supported")),
    }
}

/// Parts of bytes, the lowest bits first.
fn parts(bytes: &[u8], bits: u32, count: usize) -> impl Iterator<Item = u8> + '_ {
    let each = 8 / bits;
    let part = move |b: &u8| {
        (0..each).map({
            let b = *b;
            move |i| b >> (i * bits) & (0xff >> (8 - bits))
        })
    };
    bytes.iter().flat_map(part).take(count)
}

/// A float of 8 bits or less.
fn short(kind: i64, bits: u8) -> f32 {
    let (exponent, digits, bias, nan) = match kind {
        17 => (4, 3, 7, bits & 0x7f == 0x7f),
        18 => (4, 3, 8, bits == 0x80),
        19 => (5, 2, 15, bits & 0x7f > 0x7c),
        20 => (5, 2, 16, bits == 0x80),
        23 => (2, 1, 1, false),
        _ => return if bits == 0xff { f32::NAN } else { 2f32.powi(i32::from(bits) - 127) },
    };
    if nan {
        return f32::NAN;
    }
    let sign = if bits >> (exponent + digits) == 1 { -1.0 } else { 1.0 };
    let power = i32::from(bits >> digits & (0xff >> (8 - exponent)));
    let fraction = f32::from(bits & (0xff >> (8 - digits)));
    if kind == 19 && power == 31 {
        return sign * f32::INFINITY;
    }
    let whole = if power == 0 { fraction } else { f32::from(1u8 << digits) + fraction };
    sign * whole * 2f32.powi(power.max(1) - bias - digits)
}

/// Elements from the lists of the message.
fn typed(kind: i64, elements: Elements<'_>, count: usize) -> Result<Data, Malformed> {
    let Elements { floats, ints, doubles, .. } = elements;
    Ok(match kind {
        1 => Data::F32(floats),
        11 => Data::F64(doubles),
        9 => Data::Bool(ints.iter().map(|x| *x != 0).collect()),
        10 => Data::F32(ints.iter().map(|x| half(*x as u16)).collect()),
        16 => Data::F32(ints.iter().map(|x| bfloat(*x as u16)).collect()),
        17..=26 => {
            let bytes: Vec<u8> = ints.iter().map(|x| *x as u8).collect();
            return raw(kind, &bytes, count);
        }
        _ => Data::Int(ints),
    })
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

/// The upper half of a binary32.
fn bfloat(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_floats_are_exact() {
        let halves = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x0001, 5.960_464_5e-8),
            (0x7bff, 65504.0),
        ];
        for (bits, value) in halves {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
        assert_eq!(bfloat(0x3fc0), 1.5);
    }

    #[test]
    fn paths_do_not_leave_the_folder() {
        assert_eq!(local_path("weights/a.bin"), Ok("weights/a.bin"));
        assert_eq!(local_path("./a.bin"), Ok("a.bin"));
        for path in
            ["", "..", "../a", "/etc/passwd", "a/../../b", "a//b", "a\\..\\b", "C:/a", "a/./b"]
        {
            assert!(local_path(path).is_err(), "{path}");
        }
    }
}

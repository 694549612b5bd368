//! Operators on the bits of integers, of which the element type says how many there are.

use super::call::{Call, Outputs, one};
use super::elementwise::{Binary, apply, broadcast_shapes, expression};
use super::program::Value;
use super::tensor::{Kind, MAX_FOLDED, size, too_large};

/// Number of bits of an element type, and whether it is signed.
fn width(kind: i64) -> Option<(usize, bool)> {
    Some(match kind {
        2 => (8, false),
        3 => (8, true),
        4 => (16, false),
        5 => (16, true),
        6 => (32, true),
        7 => (63, true),
        12 => (32, false),
        13 => (63, false),
        _ => return None,
    })
}

/// As many bits as the program's integers have; what they hold is sign-extended beyond.
fn bits(c: &Call<'_, '_, '_>) -> (usize, bool) {
    let (bits, signed) = c.element(0).and_then(width).unwrap_or((63, true));
    let own = c.p.options.int as usize;
    if bits >= own { (own, true) } else { (bits, signed) }
}

fn composed(c: &Call<'_, '_, '_>, text: &str, signed: bool) -> String {
    format!("{}(compose({text}, signed = {signed}))", c.p.elem(Kind::Int))
}

/// A connective of the bits of two operands.
pub(super) fn bitwise(c: &mut Call<'_, '_, '_>, text: &str) -> Outputs {
    let (a, b) = (c.input(0)?, c.input(1)?);
    if a.kind() != Kind::Int || b.kind() != Kind::Int {
        return Err("it is supported for integers only".into());
    }
    let (count, signed) = bits(c);
    let text = text.replace('@', &format!("bits(@, {count})"));
    let text = composed(c, &text.replace('#', &format!("bits(#, {count})")), signed);
    let shape = broadcast_shapes(a.shape(), b.shape())?;
    let (a, b) = (c.p.broadcast(&a, &shape)?, c.p.broadcast(&b, &shape)?);
    let (a, b) = (c.p.var(&a)?, c.p.var(&b)?);
    one(expression(c, &text, &Value::Var(a), &Value::Var(b), Kind::Int)?)
}

pub(super) fn bitwise_not(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let v = c.p.var(&x)?;
    let (count, signed) = bits(c);
    let text = composed(c, &format!("!bits({}, {count})", v.name), signed);
    c.one_like(&text, &v)
}

/// By known numbers of places. What leaves the type is lost, and zeros come in.
pub(super) fn shift(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (x, by) = (c.input(0)?, c.known(1, "number of places")?.ok_or("the places are missing")?);
    let left = c.text("direction", "")? == "LEFT";
    let (count, signed) = bits(c);
    let shape = broadcast_shapes(x.shape(), &by.shape)?;
    if size(&shape).saturating_mul(count) > MAX_FOLDED {
        return Err(too_large(&shape));
    }
    let by = c.p.broadcast(&Value::Const(by), &shape)?;
    let by = by.constant().map(|k| k.to_ints()).unwrap_or_default();
    if by.iter().any(|n| *n < 0) {
        return Err("a negative number of places is not supported".into());
    }
    let x = c.p.broadcast(&x, &shape)?;
    let v = c.p.var(&x)?;
    let all = size(&shape) * count;
    let text = format!("concat(reshape(bits({}, {count}), [{all}]), zeros(bool[1]))", v.name);
    let source = c.p.bind(&text, &[all + 1], Kind::Bool)?;
    let place = |i: usize| {
        let (row, bit, n) = (i / count, (i % count) as i64, by[i / count].min(count as i64));
        let from = if left { bit - n } else { bit + n };
        let inside = (0..count as i64).contains(&from);
        match inside {
            true => row * count + from as usize,
            // A number that is shifted to the right keeps its sign.
            false if !left && signed => row * count + count - 1,
            false => all,
        }
    };
    let places: Vec<usize> = (0..all).map(place).collect();
    let taken = c.p.take(&source, 0, &places)?;
    let taken = c.p.reshape(&taken, &[&shape[..], &[count]].concat())?;
    let taken = c.p.operand(&taken)?;
    let text = composed(c, &taken, signed);
    one(c.p.bind(&text, &shape, Kind::Int)?)
}

/// What remains of a division towards zero, with the sign of the dividend.
pub(super) fn fmod(c: &mut Call<'_, '_, '_>, a: &Value, b: &Value) -> Outputs {
    const FMOD: Binary = Binary { floats: |a, b| a % b, ints: i64::checked_rem, text: "" };
    if let (Value::Const(_), Value::Const(_)) = (a, b) {
        return one(apply(c, &FMOD, a, b)?);
    }
    let kind = a.kind();
    let size = match kind {
        // Of fixed-point numbers the digits are integers.
        Kind::Float => {
            let elem = c.p.elem(Kind::Float);
            format!("{elem}(raw = raw(max(@, -@)) % raw(max(#, -#)))")
        }
        _ => "max(@, -@) % max(#, -#)".to_string(),
    };
    let shape = broadcast_shapes(a.shape(), b.shape())?;
    let (x, y) = (c.p.var(a)?, c.p.var(b)?);
    let (x, y) = (c.p.broadcast(&Value::Var(x), &shape)?, c.p.broadcast(&Value::Var(y), &shape)?);
    let rest = expression(c, &size, &x, &y, kind)?;
    one(expression(c, "select(@ < 0, -#, #)", &x, &rest, kind)?)
}

/// Running products along an axis; each step of the loop reaches twice as far.
pub(super) fn cum_prod(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let axis = c.known(1, "axis")?.ok_or("the axis is missing")?.int_at(0);
    let axis = c.axis(axis, x.rank())?;
    let n = x.shape()[axis];
    if x.kind() == Kind::Bool {
        return Err("it is supported for numbers only".into());
    }
    let reverse = c.flag("reverse", false)?;
    let whole = |x: &Value| super::view::View::whole(x.shape());
    let turned = |x: &Value| whole(x).sliced(axis, n.saturating_sub(1), -1, n);
    let mut out = if reverse { c.p.view(&x, &turned(&x))? } else { x };
    let kind = out.kind();
    if c.flag("exclusive", false)? && n > 0 {
        let mut shape = out.shape().to_vec();
        shape[axis] = 1;
        let ones = super::movement::filled(kind, 1.0, &shape)?.into();
        let rest = c.p.view(&out, &whole(&out).sliced(axis, 0, 1, n - 1))?;
        out = c.p.concat(&[ones, rest], axis)?;
    }
    let mut reach = 1;
    while reach < n {
        let first = c.p.view(&out, &whole(&out).sliced(axis, 0, 1, reach))?;
        let before = c.p.view(&out, &whole(&out).sliced(axis, 0, 1, n - reach))?;
        let after = c.p.view(&out, &whole(&out).sliced(axis, reach, 1, n - reach))?;
        let product = expression(c, "@ * #", &before, &after, kind)?;
        out = c.p.concat(&[first, product], axis)?;
        reach *= 2;
    }
    one(if reverse { c.p.view(&out, &turned(&out))? } else { out })
}

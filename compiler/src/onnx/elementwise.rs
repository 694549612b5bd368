//! Operators that work on each element, with numpy's broadcasting.

use super::call::{Call, Outputs, one};
use super::program::Value;
use super::tensor::{self, Constant, Data, Kind, MAX_FOLDED, size, too_large};
use super::view::View;

/// The shape of two operands together.
pub(super) fn broadcast_shapes(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    crate::check::types::broadcast_shapes(a, b)
        .ok_or_else(|| format!("the shapes {a:?} and {b:?} do not fit together"))
}

/// An operator of one operand: on a known float, and as an expression in which `@` stands for the operand.
pub(super) struct Unary {
    pub(super) known: fn(f64) -> f64,
    pub(super) text: &'static str,
}

/// Applies it.
pub(super) fn unary(c: &mut Call<'_, '_, '_>, op: &Unary) -> Outputs {
    let x = c.input(0)?;
    if let Value::Const(known) = &x
        && known.size() <= MAX_FOLDED
        && known.kind() != Kind::Bool
    {
        return one(map(known, op.known).into());
    }
    let v = c.p.var(&x)?;
    if v.kind == Kind::Int && op.text.contains("::") {
        return Err("it is supported for floats only".into());
    }
    c.one_like(&op.text.replace('@', &v.name), &v)
}

/// Whole floats: those of a built-in function that gives integers.
pub(super) fn rounded(c: &mut Call<'_, '_, '_>, known: fn(f64) -> f64, function: &str) -> Outputs {
    let x = c.input(0)?;
    if let Value::Const(k) = &x {
        return one(map(k, known).into());
    }
    let v = c.float_var(0)?;
    let elem = c.p.elem(Kind::Float);
    c.one_like(&format!("{elem}({function}({}))", v.name), &v)
}

/// To the nearest whole float, halves to the even one.
pub(super) fn round(c: &mut Call<'_, '_, '_>) -> Outputs {
    if c.input(0)?.constant().is_some() {
        return rounded(c, f64::round_ties_even, "round");
    }
    let v = c.float_var(0)?;
    let (float, name) = (c.p.elem(Kind::Float), &v.name);
    // Halves go up at first; then those that became odd go back.
    let up = format!("floor({name} + 0.5)");
    let text = format!("{float}({up} - int<2>({float}({up}) - {name} == 0.5) * (({up}) % 2))");
    c.one_like(&text, &v)
}

/// What remains of a division: with the sign of the divisor, or for floats (`fmod`) of the dividend.
pub(super) fn modulo(c: &mut Call<'_, '_, '_>) -> Outputs {
    const MOD: Binary = Binary {
        floats: |a, b| a % b,
        ints: |a, b| {
            Some(a.checked_rem_euclid(b)? + if b < 0 && a.rem_euclid(b) != 0 { b } else { 0 })
        },
        text: "@ % #",
    };
    let (a, b) = (c.input(0)?, c.input(1)?);
    if c.flag("fmod", false)? {
        return super::integers::fmod(c, &a, &b);
    }
    if a.kind() != Kind::Int {
        return Err("it is supported for floats with `fmod` only".into());
    }
    one(apply(c, &MOD, &a, &b)?)
}

/// A function of each element of a constant of numbers.
pub(super) fn map(x: &Constant, f: impl Fn(f64) -> f64) -> Constant {
    let data = match &x.data {
        Data::Splat(x) => Data::Splat(f(*x)),
        Data::Int(xs) => Data::Int(xs.iter().map(|x| f(*x as f64) as i64).collect()),
        _ => Data::F64((0..x.size()).map(|i| f(x.at(i))).collect()),
    };
    Constant { shape: x.shape.clone(), data, weight: x.weight }
}

/// An operator of two operands.
pub(super) struct Binary {
    pub(super) floats: fn(f64, f64) -> f64,
    pub(super) ints: fn(i64, i64) -> Option<i64>,
    /// The expression, in which `@` and `#` stand for the operands.
    pub(super) text: &'static str,
}

/// The sum.
pub(super) const ADD: Binary =
    Binary { floats: |a, b| a + b, ints: i64::checked_add, text: "@ + #" };

/// A comparison or a connective.
pub(super) struct Predicate {
    pub(super) known: fn(f64, f64) -> bool,
    pub(super) text: &'static str,
    /// The expression for truth values; empty where there is none.
    pub(super) bools: &'static str,
}

/// Applies an operator to all inputs from left to right: most have two, `Max`, `Min` and `Sum` any number.
pub(super) fn binary(c: &mut Call<'_, '_, '_>, op: &Binary) -> Outputs {
    let mut out = c.input(0)?;
    for i in 1..c.inputs.len() {
        let next = c.input(i)?;
        let next = from_axis(c, &out, next)?;
        out = apply(c, op, &out, &next)?;
    }
    one(out)
}

/// Before operator set 7 the axes of the second operand may lie further ahead, from an axis that is given.
fn from_axis(c: &mut Call<'_, '_, '_>, a: &Value, b: Value) -> Result<Value, String> {
    if c.opset >= 7 || !c.has("axis") {
        return Ok(b);
    }
    let axis = c.axis(c.int("axis", 0)?, a.rank())?;
    let behind = a.rank().saturating_sub(axis + b.rank());
    c.p.reshape(&b, &[b.shape(), &vec![1; behind]].concat())
}

/// Applies an operator to two values.
pub(super) fn apply(
    c: &mut Call<'_, '_, '_>,
    op: &Binary,
    a: &Value,
    b: &Value,
) -> Result<Value, String> {
    if a.kind() != b.kind() || a.kind() == Kind::Bool {
        return Err("the operands must be numbers of one type".into());
    }
    if let (Value::Const(x), Value::Const(y)) = (a, b)
        && let Some(known) = known_binary(op, x, y)?
    {
        return Ok(known.into());
    }
    expression(c, op.text, a, b, a.kind())
}

/// Integers are divided towards zero.
pub(super) fn div(c: &mut Call<'_, '_, '_>) -> Outputs {
    const DIV: Binary = Binary { floats: |a, b| a / b, ints: i64::checked_div, text: "@ / #" };
    let (a, b) = (c.input(0)?, c.input(1)?);
    let b = from_axis(c, &a, b)?;
    let known = a.constant().is_some() && b.constant().is_some();
    if known || a.kind() != Kind::Int || b.kind() != Kind::Int {
        return one(apply(c, &DIV, &a, &b)?);
    }
    let size = expression(c, "max(@, -@) / max(#, -#)", &a, &b, Kind::Int)?;
    let negative = expression(c, "(@ < 0) ^ (# < 0)", &a, &b, Kind::Bool)?;
    one(expression(c, "select(@, -#, #)", &negative, &size, Kind::Int)?)
}

fn known_binary(op: &Binary, x: &Constant, y: &Constant) -> Result<Option<Constant>, String> {
    let shape = broadcast_shapes(&x.shape, &y.shape)?;
    let weight = x.weight || y.weight;
    if let (Data::Splat(p), Data::Splat(q)) = (&x.data, &y.data) {
        return Ok(Some(Constant { shape, data: Data::Splat((op.floats)(*p, *q)), weight }));
    }
    if size(&shape) > MAX_FOLDED.max(x.size()).max(y.size()) {
        return Err(too_large(&shape));
    }
    let (vx, vy) = (View::broadcast(&x.shape, &shape), View::broadcast(&y.shape, &shape));
    let pairs = vx.places().zip(vy.places());
    let data = if x.kind() == Kind::Int {
        let ints: Option<Vec<i64>> =
            pairs.map(|(i, j)| (op.ints)(x.int_at(i), y.int_at(j))).collect();
        Data::Int(ints.ok_or("a constant of integers overflows")?)
    } else {
        Data::F64(pairs.map(|(i, j)| (op.floats)(x.at(i), y.at(j))).collect())
    };
    Ok(Some(Constant { shape, data, weight }))
}

/// An expression of two operands, in the shape that both have together.
pub(super) fn expression(
    c: &mut Call<'_, '_, '_>,
    text: &str,
    a: &Value,
    b: &Value,
    kind: Kind,
) -> Result<Value, String> {
    let shape = broadcast_shapes(a.shape(), b.shape())?;
    let (mut x, mut y) = (c.p.operand(a)?, c.p.operand(b)?);
    // Numbers adapt to the other operand; two of them need a type.
    if a.constant().is_some() && b.constant().is_some() {
        (x, y) = (c.p.tensor(a)?, c.p.tensor(b)?);
    }
    let text = text.replace('@', &x).replace('#', &y);
    shaped(c, &text, &[a, b], &shape, kind)
}

/// An expression of operands in the shape they have together: a literal has none, and that of the others may lack axes.
fn shaped(
    c: &mut Call<'_, '_, '_>,
    text: &str,
    operands: &[&Value],
    shape: &[usize],
    kind: Kind,
) -> Result<Value, String> {
    if operands.iter().any(|v| v.shape() == shape && !is_literal(v)) {
        return c.p.bind(text, shape, kind);
    }
    let written = operands
        .iter()
        .filter(|v| !is_literal(v))
        .try_fold(vec![], |found, v| broadcast_shapes(&found, v.shape()))?;
    if written == shape {
        return c.p.bind(text, shape, kind);
    }
    let value = c.p.bind(text, &written, kind)?;
    if size(&written) == size(shape) {
        return c.p.reshape(&value, shape);
    }
    c.p.broadcast(&value, shape)
}

/// Whether a value is written as a number or a truth value without a shape.
fn is_literal(v: &Value) -> bool {
    v.constant().is_some_and(|c| c.public_scalar().is_some() || !c.weight && c.size() == 1)
}

/// A comparison or connective.
pub(super) fn predicate(c: &mut Call<'_, '_, '_>, op: &Predicate) -> Outputs {
    let (a, b) = (c.input(0)?, c.input(1)?);
    // What is true of weights is not told to all.
    if let (Value::Const(x), Value::Const(y)) = (&a, &b)
        && !(x.weight || y.weight)
    {
        let shape = broadcast_shapes(&x.shape, &y.shape)?;
        if size(&shape) > MAX_FOLDED {
            return Err(too_large(&shape));
        }
        let (vx, vy) = (View::broadcast(&x.shape, &shape), View::broadcast(&y.shape, &shape));
        let data = vx.places().zip(vy.places()).map(|(i, j)| (op.known)(x.at(i), y.at(j)));
        let data = Data::Bool(data.collect());
        return one(Constant { shape, data, weight: false }.into());
    }
    let text = if a.kind() == Kind::Bool { op.bools } else { op.text };
    if text.is_empty() || a.kind() != b.kind() {
        return Err("it is not supported for operands of these types".into());
    }
    one(expression(c, text, &a, &b, Kind::Bool)?)
}

pub(super) fn not(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    if let Value::Const(k) = &x {
        let data = Data::Bool((0..k.size()).map(|i| k.at(i) == 0.0).collect());
        return one(Constant { shape: k.shape.clone(), data, weight: k.weight }.into());
    }
    let v = c.p.var(&x)?;
    c.one_like(&format!("!{}", v.name), &v)
}

/// What numbers of floating point can be besides numbers. What is computed is none of that.
pub(super) fn is_special(c: &mut Call<'_, '_, '_>, known: fn(f64) -> bool) -> Outputs {
    let x = c.input(0)?;
    let data = match &x {
        Value::Const(k) if k.size() <= MAX_FOLDED => {
            (0..k.size()).map(|i| known(k.at(i))).collect()
        }
        _ if x.size() <= MAX_FOLDED => vec![false; x.size()],
        _ => return Err(too_large(x.shape())),
    };
    one(Constant { shape: x.shape().to_vec(), data: Data::Bool(data), weight: false }.into())
}

pub(super) fn where_(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (cond, a, b) = (c.input(0)?, c.input(1)?, c.input(2)?);
    if a.kind() != b.kind() {
        return Err("the choices are of different types".into());
    }
    let shape = broadcast_shapes(&broadcast_shapes(cond.shape(), a.shape())?, b.shape())?;
    if let (Value::Const(k), Value::Const(x), Value::Const(y)) = (&cond, &a, &b) {
        return one(known_choice(k, x, y, &shape)?.into());
    }
    let (k, mut x, y) = (c.p.operand(&cond)?, c.p.operand(&a)?, c.p.operand(&b)?);
    if is_literal(&a) && is_literal(&b) {
        x = c.p.tensor(&a)?;
    }
    let kind = a.kind();
    one(shaped(c, &format!("select({k}, {x}, {y})"), &[&cond, &a, &b], &shape, kind)?)
}

fn known_choice(
    k: &Constant,
    x: &Constant,
    y: &Constant,
    shape: &[usize],
) -> Result<Constant, String> {
    if size(shape) > MAX_FOLDED {
        return Err(too_large(shape));
    }
    let views = [k, x, y].map(|v| View::broadcast(&v.shape, shape));
    let places = views[0].places().zip(views[1].places()).zip(views[2].places());
    let chosen = places.map(|((i, j), l)| if k.at(i) != 0.0 { (x, j) } else { (y, l) });
    let data = match x.kind() {
        Kind::Float => Data::F64(chosen.map(|(v, i)| v.at(i)).collect()),
        Kind::Int => Data::Int(chosen.map(|(v, i)| v.int_at(i)).collect()),
        Kind::Bool => Data::Bool(chosen.map(|(v, i)| v.at(i) != 0.0).collect()),
    };
    Ok(Constant { shape: shape.to_vec(), data, weight: k.weight || x.weight || y.weight })
}

/// Powers: small whole exponents are products, halves are roots, others need a base that is not negative.
pub(super) fn pow(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (x, mut y) = (c.input(0)?, c.input(1)?);
    if let (Value::Const(k), Kind::Float) = (&y, x.kind())
        && k.kind() == Kind::Int
    {
        y = Constant { data: Data::F64((0..k.size()).map(|i| k.at(i)).collect()), ..(**k).clone() }
            .into();
    }
    const POWER: Binary = Binary { floats: f64::powf, ints: int_power, text: "math::pow(@, #)" };
    if let (Kind::Float, Kind::Int, Value::Var(_)) = (x.kind(), y.kind(), &y) {
        y = convert(c, &y, Kind::Float)?;
    }
    let exponent = match &y {
        Value::Const(k) if k.size() == 1 => Some(k.at(0)),
        Value::Const(k) => k.public_scalar(),
        Value::Var(_) => None,
    };
    if let (Value::Var(v), Some(n)) = (&x, exponent) {
        let (v, shape) = (v.clone(), broadcast_shapes(x.shape(), y.shape())?);
        let out = match power_text(&v.name, n) {
            Some(text) => c.like(&text, &v)?,
            None if v.kind == Kind::Float => {
                let n = c.p.float(n);
                c.like(&format!("math::pow({}, {n})", v.name), &v)?
            }
            None => return Err(format!("the exponent {n} of integers is not supported")),
        };
        return one(c.p.reshape(&out, &shape)?);
    }
    if y.kind() != x.kind() {
        return Err("an exponent that is not constant must be of the type of the base".into());
    }
    if x.kind() == Kind::Int && !(x.constant().is_some() && y.constant().is_some()) {
        return Err("powers of integers need a constant exponent".into());
    }
    one(apply(c, &POWER, &x, &y)?)
}

fn int_power(x: i64, y: i64) -> Option<i64> {
    x.checked_pow(u32::try_from(y).ok()?)
}

pub(super) fn power_text(x: &str, n: f64) -> Option<String> {
    match n {
        0.5 => Some(format!("math::sqrt({x})")),
        -0.5 => Some(format!("math::rsqrt({x})")),
        -1.0 => Some(format!("math::reciprocal({x})")),
        0.0 => Some(format!("{x} * 0 + 1")),
        _ if n.fract() == 0.0 && (1.0..=16.0).contains(&n) => Some(product(x, n as u32)),
        _ => None,
    }
}

/// x to the n, by halving, so that few products follow each other.
fn product(x: &str, n: u32) -> String {
    match n {
        0 | 1 => x.to_string(),
        _ => {
            let (half, other) = (product(x, n / 2), product(x, n - n / 2));
            format!("({half} * {other})")
        }
    }
}

/// The type of a cast, or that of the input for operators that keep it.
pub(super) fn cast(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let (kind, number) = match c.optional(1) {
        Some(like) if c.node.op == "CastLike" => (like.kind(), c.element(1).unwrap_or(0)),
        _ => (Kind::of(c.int("to", 0)?)?, c.int("to", 0)?),
    };
    if tensor::is_short_float(number) {
        return Err("rounding to floats of 8 bits or less is not supported".into());
    }
    let out = convert(c, &x, kind)?;
    // What does not fit into 4 or 2 bits is cut to those.
    let bits = match number {
        21 | 22 => 4,
        25 | 26 => 2,
        _ => return one(out),
    };
    let v = c.p.var(&out)?;
    let (elem, signed) = (c.p.elem(Kind::Int), number % 4 == 2);
    c.one_like(&format!("{elem}(compose(bits({}, {bits}), signed = {signed}))", v.name), &v)
}

/// A value of another kind: floats to integers towards zero, numbers to whether they are not zero.
pub(super) fn convert(c: &mut Call<'_, '_, '_>, x: &Value, kind: Kind) -> Result<Value, String> {
    if x.kind() == kind {
        return Ok(x.clone());
    }
    if let Value::Const(k) = x
        && !k.weight
    {
        return Ok(known_cast(k, kind)?.into());
    }
    let v = c.p.var(x)?;
    let (name, elem) = (&v.name, c.p.elem(kind));
    let text = match (v.kind, kind) {
        (Kind::Float, Kind::Int) => {
            format!("select({name} < 0, -{elem}(floor(-{name})), {elem}(floor({name})))")
        }
        (_, Kind::Bool) => format!("{name} != 0"),
        _ => format!("{elem}({name})"),
    };
    c.p.bind(&text, &v.shape, kind)
}

fn known_cast(x: &Constant, kind: Kind) -> Result<Constant, String> {
    if x.size() > MAX_FOLDED && !matches!(x.data, Data::Splat(_)) {
        return Err(too_large(&x.shape));
    }
    let places = 0..x.size();
    let data = match kind {
        Kind::Float => Data::F64(places.map(|i| x.at(i)).collect()),
        _ if x.size() > MAX_FOLDED => return Err(too_large(&x.shape)),
        Kind::Int => Data::Int(places.map(|i| x.int_at(i)).collect()),
        Kind::Bool => Data::Bool(places.map(|i| x.at(i) != 0.0).collect()),
    };
    Ok(Constant { shape: x.shape.clone(), data, weight: x.weight })
}

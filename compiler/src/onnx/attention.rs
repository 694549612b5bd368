//! Attention, and rotary positions.

use super::activation::softmax_of;
use super::call::{Call, Outputs, one};
use super::elementwise::expression;
use super::linear::{batched, scaled};
use super::program::Value;
use super::tensor::{Constant, Data, Kind, MAX_FOLDED, size, too_large};
use super::view::View;

/// [batch, steps, heads · width] as [batch, heads, steps, width].
fn by_heads(c: &mut Call<'_, '_, '_>, x: &Value, heads: &str) -> Result<Value, String> {
    let (batch, steps, all) = match *x.shape() {
        [_, _, _, _] => return Ok(x.clone()),
        [batch, steps, all] => (batch, steps, all),
        ref other => return Err(format!("a sequence of shape {other:?}")),
    };
    let count = usize::try_from(c.int(heads, 0)?).ok().filter(|n| *n > 0 && all % n == 0);
    let count = count.ok_or(format!("{heads} does not divide {all}"))?;
    let split = c.p.reshape(x, &[batch, steps, count, all / count])?;
    c.p.transpose(&split, &[0, 2, 1, 3])
}

/// What is seen: the bias that is added to scores, and which of them count.
struct Mask {
    bias: Option<Value>,
    allowed: Option<Value>,
}

pub(super) fn attention(c: &mut Call<'_, '_, '_>) -> Outputs {
    let flat = c.input(0)?.rank() == 3;
    let (q, mut k, mut v) = (c.input(0)?, c.input(1)?, c.input(2)?);
    let q = by_heads(c, &q, "q_num_heads")?;
    k = by_heads(c, &k, "kv_num_heads")?;
    v = by_heads(c, &v, "kv_num_heads")?;
    let mut before = 0;
    if let (Some(past_k), Some(past_v)) = (c.optional(4), c.optional(5)) {
        before = past_k.shape().get(2).copied().unwrap_or(0);
        k = c.p.concat(&[past_k, k], 2)?;
        v = c.p.concat(&[past_v, v], 2)?;
    }
    let present = [k.clone(), v.clone()];
    let heads = q.shape()[1];
    let (k, v) = (repeated(c, &k, heads)?, repeated(c, &v, heads)?);
    let width = q.shape()[3].max(1) as f64;
    let scale = if c.has("scale") { c.float("scale", 1.0)? } else { 1.0 / width.sqrt() };
    let turned = c.p.transpose(&k, &[0, 1, 3, 2])?;
    let q = scaled(c, &q, scale)?;
    let mut scores = batched(c, &q, &turned)?;
    let mode = c.int("qk_matmul_output_mode", 0)?;
    let mut shown = scores.clone();
    let cap = c.float("softcap", 0.0)?;
    if cap > 0.0 {
        let x = c.p.var(&scores)?;
        let (inverse, cap) = (c.p.float(1.0 / cap), c.p.float(cap));
        scores = c.like(&format!("math::tanh({} * {inverse}) * {cap}", x.name), &x)?;
    }
    if mode == 1 {
        shown = scores.clone();
    }
    let mask = mask(c, &scores, before)?;
    if let Some(bias) = &mask.bias {
        scores = expression(c, "@ + #", &scores, bias, Kind::Float)?;
    }
    if let Some(allowed) = &mask.allowed {
        let least = c.p.least();
        let least = c.p.float(least);
        scores = expression(c, &format!("select(#, @, {least})"), &scores, allowed, Kind::Float)?;
    }
    if mode == 2 {
        shown = scores.clone();
    }
    let mut weights = softmax_of(c, &scores)?;
    if let Some(allowed) = &mask.allowed {
        // Rows of which nothing counts are zero.
        weights = expression(c, "select(#, @, 0)", &weights, allowed, Kind::Float)?;
    }
    if mode == 3 {
        shown = weights.clone();
    }
    let mut out = batched(c, &weights, &v)?;
    if flat {
        let moved = c.p.transpose(&out, &[0, 2, 1, 3])?;
        let s = moved.shape().to_vec();
        out = c.p.reshape(&moved, &[s[0], s[1], s[2] * s[3]])?;
    }
    let [k, v] = present;
    Ok(vec![out, k, v, shown])
}

/// Heads of keys or values, each as often as there are queries for it.
fn repeated(c: &mut Call<'_, '_, '_>, x: &Value, heads: usize) -> Result<Value, String> {
    let &[batch, own, steps, width] = x.shape() else {
        return Err(format!("keys or values of shape {:?}", x.shape()));
    };
    if own == heads {
        return Ok(x.clone());
    }
    if own == 0 || !heads.is_multiple_of(own) {
        return Err(format!("{heads} heads of queries and {own} of keys"));
    }
    let split = c.p.reshape(x, &[batch, own, 1, steps, width])?;
    let wide = c.p.broadcast(&split, &[batch, own, heads / own, steps, width])?;
    c.p.reshape(&wide, &[batch, heads, steps, width])
}

fn mask(c: &mut Call<'_, '_, '_>, scores: &Value, before: usize) -> Result<Mask, String> {
    let &[batch, _, queries, keys] = scores.shape() else { return Err("no scores".into()) };
    let mut mask = Mask { bias: None, allowed: None };
    if let Some(given) = c.optional(3) {
        let given = filled_up(c, &given, keys)?;
        match given.kind() {
            Kind::Bool => mask.allowed = Some(given),
            Kind::Float => (mask.bias, mask.allowed) = without_infinity(&given),
            Kind::Int => return Err("a mask of integers is not supported".into()),
        }
    }
    let lengths = match c.known(6, "number of keys")? {
        Some(k) if k.size() == batch => Some(k.to_ints()),
        Some(_) => return Err("the numbers of keys do not fit the batch".into()),
        None => None,
    };
    let causal = c.flag("is_causal", false)?;
    let (left, right) = (c.int("left_window_size", -1)?, c.int("right_window_size", -1)?);
    if !causal && lengths.is_none() && left < 0 && right < 0 {
        return Ok(mask);
    }
    let rows = if lengths.is_some() { batch } else { 1 };
    let area = queries.saturating_mul(keys);
    if rows.saturating_mul(area) > MAX_FOLDED {
        return Err(too_large(&[rows, queries, keys]));
    }
    let allowed = |i: usize| {
        let (row, query, key) = (i / area, (i % area / keys) as i64, (i % keys) as i64);
        let length = lengths.as_ref().map(|l| l[row]);
        let at = match length {
            Some(n) if before == 0 => query.saturating_add(n.saturating_sub(queries as i64)),
            _ => query + before as i64,
        };
        (!causal || key <= at)
            && (left < 0 || at.saturating_sub(key) <= left)
            && (right < 0 || key.saturating_sub(at) <= right)
            && length.is_none_or(|n| key < n)
    };
    let data = Data::Bool((0..rows * area).map(allowed).collect());
    let known = Constant { shape: vec![rows, 1, queries, keys], data, weight: false }.into();
    mask.allowed = Some(match mask.allowed {
        None => known,
        Some(given) => expression(c, "@ & #", &given, &known, Kind::Bool)?,
    });
    Ok(mask)
}

/// A mask for all keys: those that it does not name do not count.
fn filled_up(c: &mut Call<'_, '_, '_>, x: &Value, keys: usize) -> Result<Value, String> {
    let mut shape = x.shape().to_vec();
    let missing = keys.saturating_sub(shape.last().copied().unwrap_or(keys));
    if missing == 0 {
        return Ok(x.clone());
    }
    let axis = shape.len() - 1;
    shape[axis] = missing;
    let rest = match x.kind() {
        Kind::Bool => super::movement::filled(Kind::Bool, 0.0, &shape)?.into(),
        _ => {
            let least = c.p.least();
            super::movement::filled(Kind::Float, least, &shape)?.into()
        }
    };
    c.p.concat(&[x.clone(), rest], axis)
}

/// A known mask of zeros and what stands for minus infinity says which scores count.
fn without_infinity(x: &Value) -> (Option<Value>, Option<Value>) {
    const LEAST: f64 = -1e4;
    match x.constant() {
        Some(k) if k.size() <= MAX_FOLDED && (0..k.size()).any(|i| k.at(i) <= LEAST) => {
            let allowed = (0..k.size()).map(|i| k.at(i) > LEAST).collect();
            let allowed =
                Constant { shape: k.shape.clone(), data: Data::Bool(allowed), weight: false };
            let rest: Vec<f64> = (0..k.size()).map(|i| k.at(i).max(LEAST)).collect();
            if rest.iter().all(|x| *x == 0.0 || *x <= LEAST) {
                return (None, Some(allowed.into()));
            }
            let bias = Constant { data: Data::F64(rest), ..(**k).clone() };
            (Some(bias.into()), Some(allowed.into()))
        }
        _ => (Some(x.clone()), None),
    }
}

/// Pairs of features turned by an angle that depends on the position.
pub(super) fn rotary_embedding(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let flat = x.rank() == 3;
    let x = by_heads(c, &x, "num_heads")?;
    let &[batch, heads, steps, width] = x.shape() else { return Err("no sequence".into()) };
    let part = usize::try_from(c.int("rotary_embedding_dim", 0)?).unwrap_or(0);
    let part = if part == 0 { width } else { part };
    if part > width || part % 2 != 0 {
        return Err(format!("{part} of {width} features cannot be turned"));
    }
    let cos = angles(c, 1, [batch, steps, part / 2])?;
    let sin = angles(c, 2, [batch, steps, part / 2])?;
    let paired = c.flag("interleaved", false)?;
    let half = |start: usize| {
        let step = if paired { 2 } else { 1 };
        let start = if paired { start } else { start * (part / 2) };
        View::whole(&[batch, heads, steps, width]).sliced(3, start, step, part / 2)
    };
    let (a, b) = (c.p.view(&x, &half(0))?, c.p.view(&x, &half(1))?);
    let product =
        |c: &mut Call<'_, '_, '_>, x: &Value, y: &Value| expression(c, "@ * #", x, y, Kind::Float);
    let (ac, bs) = (product(c, &a, &cos)?, product(c, &b, &sin)?);
    let (a_s, bc) = (product(c, &a, &sin)?, product(c, &b, &cos)?);
    let real = expression(c, "@ - #", &ac, &bs, Kind::Float)?;
    let other = expression(c, "@ + #", &a_s, &bc, Kind::Float)?;
    let mut parts = vec![];
    if paired {
        let column = [batch, heads, steps, part / 2, 1];
        let (real, other) = (c.p.reshape(&real, &column)?, c.p.reshape(&other, &column)?);
        let both = c.p.concat(&[real, other], 4)?;
        parts.push(c.p.reshape(&both, &[batch, heads, steps, part])?);
    } else {
        parts.extend([real, other]);
    }
    if part < width {
        let rest = View::whole(x.shape()).sliced(3, part, 1, width - part);
        parts.push(c.p.view(&x, &rest)?);
    }
    let mut out = c.p.concat(&parts, 3)?;
    if flat {
        let moved = c.p.transpose(&out, &[0, 2, 1, 3])?;
        out = c.p.reshape(&moved, &[batch, steps, heads * width])?;
    }
    one(out)
}

/// Cosines or sines for each step, [batch, 1, steps, pairs].
fn angles(c: &mut Call<'_, '_, '_>, input: usize, shape: [usize; 3]) -> Result<Value, String> {
    let mut cache = c.input(input)?;
    if let Some(places) = c.known(3, "positions")? {
        let &[n, _] = cache.shape() else { return Err("a table of angles is needed".into()) };
        let places: Vec<usize> =
            places.to_ints().iter().map(|i| c.place(*i, n)).collect::<Result<_, _>>()?;
        cache = c.p.take(&cache, 0, &places)?;
    }
    if cache.size() != size(&shape) {
        return Err(format!("angles of shape {:?} where {shape:?} fits", cache.shape()));
    }
    c.p.reshape(&cache, &[shape[0], 1, shape[1], shape[2]])
}

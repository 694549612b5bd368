//! Pictures in other sizes: along each axis a sum of few neighbours with public factors.

use super::call::{Call, Outputs, one};
use super::program::Value;
use super::tensor::{Constant, Data, Kind, MAX_FOLDED};

/// How new places are found and neighbours weighed.
struct Rule {
    mode: String,
    nearest: String,
    places: String,
    cubic: f64,
    antialias: bool,
    exclude_outside: bool,
    extrapolation: f64,
}

/// One axis: its size, the new one, how they relate, and which part of it is seen.
struct Axis {
    n: usize,
    out: usize,
    scale: f64,
    part: (f64, f64),
}

/// Neighbours of each new place and their factors; `outside` are places beyond the picture.
struct Taps {
    width: usize,
    places: Vec<usize>,
    factors: Vec<f64>,
    outside: Vec<bool>,
}

pub(super) fn upsample(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    let scales = match c.known(1, "scales")? {
        Some(k) => (0..k.size()).map(|i| k.at(i)).collect(),
        None => c.floats("scales")?.unwrap_or_default().into_iter().map(f64::from).collect(),
    };
    let axes = (0..x.rank()).collect();
    let rule = rule(c, "asymmetric", "floor")?;
    resized(c, x, axes, Some(scales), None, None, &rule)
}

pub(super) fn resize(c: &mut Call<'_, '_, '_>) -> Outputs {
    let x = c.input(0)?;
    if c.opset < 11 {
        return upsample(c);
    }
    let numbers = |c: &Call<'_, '_, '_>, i: usize, what: &str| {
        let known = c.known(i, what)?.filter(|k| k.size() > 0);
        Ok::<_, String>(known.map(|k| (0..k.size()).map(|i| k.at(i)).collect::<Vec<f64>>()))
    };
    let (roi, scales) = (numbers(c, 1, "part that is seen")?, numbers(c, 2, "scales")?);
    let sizes = numbers(c, 3, "sizes")?;
    let axes = match c.ints("axes")? {
        Some(axes) => axes.iter().map(|a| c.axis(*a, x.rank())).collect::<Result<_, _>>()?,
        None => (0..x.rank()).collect(),
    };
    let rule = rule(c, "half_pixel", "round_prefer_floor")?;
    resized(c, x, axes, scales, sizes, roi, &rule)
}

fn rule(c: &Call<'_, '_, '_>, places: &str, nearest: &str) -> Result<Rule, String> {
    Ok(Rule {
        mode: c.text("mode", "nearest")?,
        nearest: c.text("nearest_mode", nearest)?,
        places: c.text("coordinate_transformation_mode", places)?,
        cubic: c.float("cubic_coeff_a", -0.75)?,
        antialias: c.flag("antialias", false)?,
        exclude_outside: c.flag("exclude_outside", false)?,
        extrapolation: c.float("extrapolation_value", 0.0)?,
    })
}

fn resized(
    c: &mut Call<'_, '_, '_>,
    x: Value,
    axes: Vec<usize>,
    scales: Option<Vec<f64>>,
    sizes: Option<Vec<f64>>,
    roi: Option<Vec<f64>>,
    rule: &Rule,
) -> Outputs {
    let given = scales.as_ref().or(sizes.as_ref()).ok_or("scales or sizes are needed")?;
    let fits = |xs: &Vec<f64>, n: usize| xs.len() == n && xs.iter().all(|x| x.is_finite());
    if !fits(given, axes.len()) || !roi.iter().all(|r| fits(r, 2 * axes.len())) {
        return Err(format!("{} numbers for {} axes", given.len(), axes.len()));
    }
    let policy = c.text("keep_aspect_ratio_policy", "stretch")?;
    let mut factors: Vec<f64> = match &scales {
        Some(scales) => scales.clone(),
        None => given.iter().zip(&axes).map(|(s, a)| s / x.shape()[*a].max(1) as f64).collect(),
    };
    if scales.is_none() && policy != "stretch" {
        let least = policy == "not_larger";
        let pick = if least { f64::min } else { f64::max };
        let one = factors.iter().copied().reduce(pick).unwrap_or(1.0);
        factors.fill(one);
    }
    let mut out = x;
    for (i, &axis) in axes.iter().enumerate() {
        let n = out.shape()[axis];
        let size = match (&scales, policy.as_str()) {
            (Some(_), _) => (factors[i] * n as f64).floor(),
            (None, "stretch") => given[i],
            _ => (factors[i] * n as f64 + 0.5).floor(),
        };
        if !(1.0..=MAX_FOLDED as f64).contains(&size) || n == 0 || factors[i] <= 0.0 {
            return Err(format!("an axis of {n} elements cannot become one of {size}"));
        }
        let part = roi.as_ref().map_or((0.0, 1.0), |r| (r[i], r[i + axes.len()]));
        let this = Axis { n, out: size as usize, scale: factors[i], part };
        let same = (this.scale - 1.0).abs() < 1e-9 && this.out == n && this.part == (0.0, 1.0);
        if !same {
            let taps = taps(&this, rule)?;
            out = along(c, &out, axis, &taps, rule)?;
        }
    }
    one(out)
}

/// Sums of neighbours along an axis.
fn along(
    c: &mut Call<'_, '_, '_>,
    x: &Value,
    axis: usize,
    taps: &Taps,
    rule: &Rule,
) -> Result<Value, String> {
    let count = taps.outside.len();
    let whole = taps.factors.iter().all(|f| *f == 0.0 || *f == 1.0);
    let outside = taps.outside.contains(&true);
    if whole && !outside {
        // One neighbour each.
        let one = |i: usize| (0..taps.width).find(|j| taps.factors[i * taps.width + j] == 1.0);
        let places: Vec<usize> =
            (0..count).map(|i| taps.places[i * taps.width + one(i).unwrap_or(0)]).collect();
        return c.p.take(x, axis, &places);
    }
    if x.kind() != Kind::Float {
        return Err("interpolation is supported for floats only".into());
    }
    let rank = x.rank();
    let order: Vec<usize> = (0..rank).filter(|i| *i != axis).chain([axis]).collect();
    let moved = c.p.transpose(x, &order)?;
    let seen = c.p.take(&moved, rank - 1, &taps.places)?;
    let lead = moved.shape()[..rank - 1].to_vec();
    let seen = c.p.reshape(&seen, &[&lead[..], &[count, taps.width]].concat())?;
    let factors = Constant::floats(taps.factors.clone(), &[count, taps.width]);
    let (seen, factors) = (c.p.tensor(&seen)?, c.p.tensor(&factors.into())?);
    let shape = [&lead[..], &[count]].concat();
    let mut out = c.p.bind(&format!("dot({seen}, {factors})"), &shape, Kind::Float)?;
    if outside {
        let data = Data::Bool(taps.outside.clone());
        let mask = Constant { shape: vec![count], data, weight: false };
        let (mask, fill) = (c.p.tensor(&mask.into())?, c.p.float(rule.extrapolation));
        let inside = c.p.operand(&out)?;
        out = c.p.bind(&format!("select({mask}, {fill}, {inside})"), &shape, Kind::Float)?;
    }
    let back: Vec<usize> = (0..axis).chain([rank - 1]).chain(axis..rank - 1).collect();
    c.p.transpose(&out, &back)
}

/// Where a new place lies in the old picture.
fn place(axis: &Axis, rule: &Rule, y: f64) -> Result<f64, String> {
    let (n, width) = (axis.n as f64, axis.scale * axis.n as f64);
    let half = (y + 0.5) / axis.scale - 0.5;
    Ok(match rule.places.as_str() {
        "half_pixel" => half,
        "pytorch_half_pixel" if width == 1.0 => -0.5,
        "pytorch_half_pixel" => half,
        "half_pixel_symmetric" => n / 2.0 * (1.0 - axis.out as f64 / width) + half,
        "align_corners" if width == 1.0 => 0.0,
        "align_corners" => y * (n - 1.0) / (width - 1.0),
        "asymmetric" => y / axis.scale,
        "tf_crop_and_resize" => {
            let (start, end) = axis.part;
            let inside = match width == 1.0 {
                true => (end - start) * (n - 1.0) / 2.0,
                false => y * (end - start) * (n - 1.0) / (width - 1.0),
            };
            inside + start * (n - 1.0)
        }
        other => return Err(format!("the coordinate transformation `{other}` is not known")),
    })
}

fn taps(axis: &Axis, rule: &Rule) -> Result<Taps, String> {
    let mut out = Taps { width: 0, places: vec![], factors: vec![], outside: vec![] };
    for y in 0..axis.out {
        let x = place(axis, rule, y as f64)?;
        if x.is_nan() || x.abs() > 1e12 {
            return Err("these scales are not possible".into());
        }
        // The neighbour on the left is preferred: a whole place is at the end of its interval.
        let ratio = if x.fract() == 0.0 { 1.0 } else { x - x.floor() };
        let mut factors = factors(rule, ratio, axis.scale)?;
        let width = factors.len();
        if axis.out.saturating_mul(width) > MAX_FOLDED {
            return Err("this picture is too large".into());
        }
        let half = (width / 2) as i64;
        let start = match (width % 2 == 0, x - x.floor()) {
            (true, 0.0) => -half,
            (true, _) => 1 - half,
            (false, fraction) => i64::from(fraction > 0.5) - (width as i64 - 1) / 2,
        };
        let places = (0..width as i64).map(|i| x.floor() as i64 + start + i);
        let last = axis.n as i64 - 1;
        if rule.exclude_outside {
            for (factor, place) in factors.iter_mut().zip(places.clone()) {
                if !(0..=last).contains(&place) {
                    *factor = 0.0;
                }
            }
            let sum: f64 = factors.iter().sum();
            let sum = if sum == 0.0 { 1.0 } else { sum };
            factors.iter_mut().for_each(|f| *f /= sum);
        }
        out.width = width;
        out.places.extend(places.map(|p| p.clamp(0, last) as usize));
        out.factors.extend(factors);
        let outside = rule.places == "tf_crop_and_resize" && !(0.0..=last as f64).contains(&x);
        out.outside.push(outside);
    }
    Ok(out)
}

/// Factors of the neighbours of a place that lies between the two in the middle.
fn factors(rule: &Rule, ratio: f64, scale: f64) -> Result<Vec<f64>, String> {
    let scale = if rule.antialias { scale.min(1.0) } else { 1.0 };
    match rule.mode.as_str() {
        "nearest" => {
            let right = match rule.nearest.as_str() {
                _ if ratio == 1.0 => true,
                "round_prefer_floor" => ratio > 0.5,
                "round_prefer_ceil" => ratio >= 0.5,
                "floor" => false,
                "ceil" => true,
                other => return Err(format!("the mode `{other}` is not known")),
            };
            Ok(if right { vec![0.0, 1.0] } else { vec![1.0, 0.0] })
        }
        "linear" => spread(1.0, scale, ratio, |x| (1.0 - x).clamp(0.0, 1.0)),
        "cubic" => {
            let a = rule.cubic;
            spread(2.0, scale, ratio, |x| match x {
                x if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
                x if x < 2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
                _ => 0.0,
            })
        }
        other => Err(format!("the mode `{other}` is not known")),
    }
}

/// A function of the distance, at the neighbours within `reach`, wider where the picture gets smaller.
fn spread(reach: f64, scale: f64, ratio: f64, f: impl Fn(f64) -> f64) -> Result<Vec<f64>, String> {
    let start = (-reach / scale).floor() + 1.0;
    if start < -4096.0 {
        return Err("these scales are not possible".into());
    }
    let count = (2.0 - 2.0 * start) as usize;
    let raw: Vec<f64> = (0..count).map(|i| f((scale * (start + i as f64 - ratio)).abs())).collect();
    if scale == 1.0 {
        return Ok(raw);
    }
    let sum: f64 = raw.iter().sum();
    Ok(raw.iter().map(|x| x / sum).collect())
}

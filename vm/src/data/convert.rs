//! Values of a file to integers of the program.

use mpc_bytecode::{Element, Variable};

use super::{Array, Numbers};

/// Whole numbers that every `f64` near them can tell apart.
const EXACT_F64: f64 = 9_007_199_254_740_992.0;

/// Whether an array of this shape can be the variable: dimensions of size 1 do not count.
///
/// # Errors
/// Names both shapes.
pub fn check_shape(found: &[u64], variable: &Variable) -> Result<(), String> {
    let essential =
        |shape: &[u64]| -> Vec<u64> { shape.iter().copied().filter(|size| *size != 1).collect() };
    if essential(found) == essential(&variable.shape) {
        return Ok(());
    }
    Err(format!(": shape {found:?}, the program wants {:?}", variable.shape))
}

/// The integers of the program, each in the range of the variable's element.
///
/// # Errors
/// Names the value, and its line or index.
pub fn to_integers(array: &Array, variable: &Variable) -> Result<Vec<i128>, String> {
    let element = variable.element;
    match &array.numbers {
        Numbers::Whole(values) => each(array, values, |v| whole(v, element)),
        Numbers::Real(values) => {
            let (scale, safe) = (scale(element), safe(element));
            each(array, values, |v| real(v, scale, safe, element))
        }
    }
}

/// Every value converted, in memory that is asked for once.
fn each<T: Copy + std::fmt::Display>(
    array: &Array,
    values: &[T],
    convert: impl Fn(T) -> Result<i128, String>,
) -> Result<Vec<i128>, String> {
    let mut out = Vec::with_capacity(values.len());
    for (at, &value) in values.iter().enumerate() {
        let integer = convert(value);
        out.push(integer.map_err(|e| format!("{} value {value} {e}", place_of(array, at)))?);
    }
    Ok(out)
}

/// How many units of the last place a whole one is.
fn scale(element: Element) -> f64 {
    match element {
        Element::Fix(_, fraction) => 2_f64.powi(fraction as i32),
        _ => 1.0,
    }
}

/// Below this, scaled values of a fixed-point type are exact and in range, rounded either way.
fn safe(element: Element) -> f64 {
    match element {
        Element::Fix(k @ 2.., _) => EXACT_F64.min(2_f64.powi(k as i32 - 1) - 1.0),
        _ => 0.0,
    }
}

fn whole(value: i128, element: Element) -> Result<i128, String> {
    match element {
        Element::Fix(_, fraction) => {
            let scaled = value.checked_mul(1_i128 << fraction);
            scaled.map_or_else(|| Err(misfit(element)), |v| in_range(v, element))
        }
        _ => in_range(value, element),
    }
}

/// `safe` is that of the element, or less; then more goes through all checks.
fn real(value: f64, scale: f64, safe: f64, element: Element) -> Result<i128, String> {
    // multiplying by a power of two is exact
    let scaled = value * scale;
    if scaled.abs() < safe {
        return Ok(nearest(scaled).into());
    }
    if !value.is_finite() {
        return Err("is no number".into());
    }
    let Element::Fix(..) = element else {
        if value.fract() != 0.0 {
            return Err("is no whole number".into());
        }
        if value.abs() > EXACT_F64 {
            return Err("is too large to be exact as floating point; write it as integer".into());
        }
        return in_range(value as i128, element);
    };
    if scaled.abs() < EXACT_F64 {
        return in_range(nearest(scaled).into(), element);
    }
    if scaled.abs() >= 2_f64.powi(126) {
        return Err(misfit(element));
    }
    in_range(scaled as i128, element)
}

/// The nearest whole number, halves up.
fn nearest(value: f64) -> i64 {
    let cut = value as i64;
    let rest = value - cut as f64;
    cut + i64::from(rest >= 0.5) - i64::from(rest < -0.5)
}

fn in_range(value: i128, element: Element) -> Result<i128, String> {
    let half = |bits: u32| 1_i128 << (bits.clamp(1, 126) - 1);
    match element {
        Element::Bool if value == 0 || value == 1 => Ok(value),
        Element::Bool => Err("is neither 0 nor 1".into()),
        Element::Int(k) | Element::Fix(k, _) if (-half(k)..half(k)).contains(&value) => Ok(value),
        Element::Wrap(k) if (-half(k)..2 * half(k)).contains(&value) => {
            Ok(if value >= half(k) { value - 2 * half(k) } else { value })
        }
        Element::Int(_) | Element::Fix(..) | Element::Wrap(_) => Err(misfit(element)),
    }
}

fn misfit(element: Element) -> String {
    format!("does not fit {element}")
}

/// `:LINE:` of a table, or the index of an element.
fn place_of(array: &Array, at: usize) -> String {
    let columns = (array.numbers.len() / array.lines.len().max(1)).max(1);
    if let Some(line) = array.lines.get(at / columns) {
        return format!(":{line}:");
    }
    let mut index = Vec::new();
    let mut rest = at as u64;
    for size in array.shape.iter().rev() {
        index.push(rest % size.max(&1));
        rest /= size.max(&1);
    }
    let index: String = index.iter().rev().map(|i| format!("[{i}]")).collect();
    format!(": {index}")
}

/// The value that an integer of the program stands for.
pub fn to_real(value: i128, fraction: u32) -> f64 {
    value as f64 / 2_f64.powi(fraction as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by the short way, where there is one, and by way of all checks.
    fn real(value: f64, element: Element) -> Result<i128, String> {
        let [short, long] =
            [safe(element), 0.0].map(|safe| super::real(value, scale(element), safe, element));
        assert_eq!(short, long, "{value}");
        long
    }

    #[test]
    fn fixed_point_rounds_to_the_nearest_halves_up() {
        let fix = Element::Fix(8, 2);
        for (value, expected) in [(0.0, 0), (1.0, 4), (0.124, 0), (0.125, 1), (-0.125, 0)] {
            assert_eq!(real(value, fix), Ok(expected), "{value}");
        }
        assert_eq!(real(-0.126, fix), Ok(-1));
        assert_eq!(real(31.75, fix), Ok(127));
        assert_eq!(real(-32.0, fix), Ok(-128));
        assert!(real(31.9, fix).is_err());
        assert!(real(f64::NAN, fix).is_err() && real(f64::INFINITY, fix).is_err());
        assert!(real(1e300, fix).is_err());
        assert_eq!(whole(31, fix), Ok(124));
        assert!(whole(32, fix).is_err() && whole(i128::MAX, fix).is_err());
    }

    #[test]
    fn ranges_end_where_the_types_do() {
        let int = Element::Int(64);
        assert_eq!(whole(i128::from(i64::MIN), int), Ok(i128::from(i64::MIN)));
        assert!(whole(i128::from(i64::MAX) + 1, int).is_err());
        assert_eq!(whole(255, Element::Wrap(8)), Ok(-1));
        assert_eq!(whole(-128, Element::Wrap(8)), Ok(-128));
        assert!(whole(256, Element::Wrap(8)).is_err());
        assert_eq!(real(1.0, Element::Bool), Ok(1));
        assert!(real(0.5, Element::Bool).is_err());
        assert!(real(1e17, Element::Int(64)).is_err());
    }
}

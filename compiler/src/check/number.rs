//! Numbers known when compiling: exact fractions, so that `0.1` means one tenth until a type gives it a scale.

use std::cmp::Ordering;

/// A fraction in lowest terms, and whether it was written as an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    num: i128,
    den: i128,
    /// True for integers, which adapt to `int` and `fix` alike; false for decimals, which are `fix`.
    pub integer: bool,
}

impl Number {
    /// An integer.
    pub fn int(x: i128) -> Number {
        Number { num: x, den: 1, integer: true }
    }

    /// The same number as if it had been written with a point.
    pub fn decimal(self) -> Number {
        Number { integer: false, ..self }
    }

    /// An integer literal, decimal, `0x` or `0b`; none if it is too large.
    pub fn parse_int(text: &str) -> Option<Number> {
        let digits: String = text.chars().filter(|c| *c != '_').collect();
        let parsed = match (digits.strip_prefix("0x"), digits.strip_prefix("0b")) {
            (Some(hex), _) => i128::from_str_radix(hex, 16),
            (_, Some(binary)) => i128::from_str_radix(binary, 2),
            _ => digits.parse(),
        };
        parsed.ok().filter(|x| *x < 1 << 100).map(Number::int)
    }

    /// A decimal literal; digits beyond the thirtieth do not count. None if it is too large.
    pub fn parse_decimal(text: &str) -> Option<Number> {
        let text: String = text.chars().filter(|c| *c != '_').collect();
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().ok().filter(|e: &i32| e.abs() < 1000)?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let kept = &digits[..digits.len().min(30)];
        let mut scale = exponent - fraction.len() as i32 + (digits.len() - kept.len()) as i32;
        let mut num: i128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
        while scale < -37 && num != 0 {
            num /= 10;
            scale += 1;
        }
        if num == 0 {
            return Some(Number { num: 0, den: 1, integer: false });
        }
        let power = 10i128.checked_pow(scale.unsigned_abs())?;
        if scale >= 0 {
            Number::make(num.checked_mul(power)?, 1, false)
        } else {
            Number::make(num, power, false)
        }
    }

    fn make(num: i128, den: i128, integer: bool) -> Option<Number> {
        // The least number has no negative.
        (num != i128::MIN && den != i128::MIN).then_some(())?;
        let g = gcd(num.unsigned_abs(), den.unsigned_abs()).max(1);
        let g = i128::try_from(g).ok()?;
        let sign = if den < 0 { -1 } else { 1 };
        Some(Number {
            num: (num / g).checked_mul(sign)?,
            den: (den / g).checked_mul(sign)?,
            integer,
        })
    }

    /// The integer it is, unless it has a fraction or was written with one.
    pub fn as_int(self) -> Option<i128> {
        (self.den == 1 && self.integer).then_some(self.num)
    }

    /// The integer it is, however it was written.
    pub fn whole(self) -> Option<i128> {
        (self.den == 1).then_some(self.num)
    }

    /// round(x · 2^f), halves upwards; none if that is beyond 100 bits.
    pub fn scaled(self, f: u32) -> Option<i128> {
        let exact = |n: Number| {
            let doubled = n.num.checked_mul(1i128.checked_shl(f + 1)?)?;
            (doubled >> (f + 1) == n.num).then_some(())?;
            Some(doubled.checked_add(n.den)?.div_euclid(n.den.checked_mul(2)?))
        };
        exact(self).or_else(|| exact(self.coarse())).filter(|x| x.unsigned_abs() < 1 << 100)
    }

    /// A fraction of many digits to 60 of its bits, over a power of two, so that products of it do not overflow. Any other is itself.
    fn coarse(self) -> Number {
        let (size, den) = (self.num.unsigned_abs(), self.den.unsigned_abs());
        if den == 1 || size.max(den) < 1 << 61 {
            return self;
        }
        let (mut quotient, mut rest, mut shift) = (size / den, size % den, 0);
        while quotient < 1 << 60 && shift < 62 {
            rest *= 2;
            quotient = 2 * quotient + rest / den;
            rest %= den;
            shift += 1;
        }
        let sign = self.num.signum();
        let num = i128::try_from(quotient).ok().map(|q| sign * q);
        num.and_then(|num| Number::make(num, 1 << shift, self.integer)).unwrap_or(self)
    }

    fn twice(a: Number, b: Number, f: impl Fn(Number, Number) -> Option<Number>) -> Option<Number> {
        f(a, b).or_else(|| f(a.coarse(), b.coarse()))
    }

    /// Sum; none if too large, as for the others.
    pub fn plus(self, b: Number) -> Option<Number> {
        let integer = self.integer && b.integer;
        Self::twice(self, b, |a, b| {
            let num = a.num.checked_mul(b.den)?.checked_add(b.num.checked_mul(a.den)?)?;
            Number::make(num, a.den.checked_mul(b.den)?, integer)
        })
    }

    /// Negative.
    pub fn negated(self) -> Number {
        Number { num: -self.num, ..self }
    }

    /// Difference.
    pub fn minus(self, b: Number) -> Option<Number> {
        self.plus(b.negated())
    }

    /// Product.
    pub fn times(self, b: Number) -> Option<Number> {
        let integer = self.integer && b.integer;
        Self::twice(self, b, |a, b| {
            Number::make(a.num.checked_mul(b.num)?, a.den.checked_mul(b.den)?, integer)
        })
    }

    /// Quotient: the floor for two integers, exact otherwise. None for division by zero.
    pub fn over(self, b: Number) -> Option<Number> {
        if b.num == 0 {
            return None;
        }
        if self.integer && b.integer {
            return Some(Number::int(floor_div(self.num, b.num)));
        }
        Self::twice(self, b, |a, b| {
            Number::make(a.num.checked_mul(b.den)?, a.den.checked_mul(b.num)?, false)
        })
    }

    /// Remainder of the floor.
    pub fn remainder(self, b: Number) -> Option<Number> {
        match (self.as_int(), b.as_int()) {
            (Some(x), Some(y)) if y != 0 => {
                let rest = x % y;
                Some(Number::int(if rest != 0 && (rest < 0) != (y < 0) { rest + y } else { rest }))
            }
            _ => None,
        }
    }

    /// Greatest integer not above.
    pub fn floor(self) -> Number {
        Number::int(self.num.div_euclid(self.den))
    }

    /// x · 2^n; for integers the floor when n is negative.
    pub fn shift(self, n: i32) -> Option<Number> {
        if n.unsigned_abs() > 100 {
            return None;
        }
        let power = Number::int(1 << n.unsigned_abs());
        if n >= 0 { self.times(power) } else { self.over(power) }
    }

    /// The order of fractions.
    pub fn compare(self, b: Number) -> Ordering {
        let left = self.num.checked_mul(b.den);
        let right = b.num.checked_mul(self.den);
        match (left, right) {
            (Some(l), Some(r)) => l.cmp(&r),
            _ => (self.num as f64 / self.den as f64).total_cmp(&(b.num as f64 / b.den as f64)),
        }
    }

    /// For messages.
    pub fn show(self) -> String {
        if self.den == 1 {
            self.num.to_string()
        } else {
            format!("{}", self.num as f64 / self.den as f64)
        }
    }
}

/// Floor of a / b for any signs; b is not zero.
fn floor_div(a: i128, b: i128) -> i128 {
    let (q, r) = (a / b, a % b);
    if r != 0 && (r < 0) != (b < 0) { q - 1 } else { q }
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        let tenth = Number::parse_decimal("0.1").unwrap();
        assert_eq!(
            tenth.plus(tenth).unwrap().plus(tenth).unwrap(),
            Number::parse_decimal("0.3").unwrap()
        );
        assert_eq!(tenth.scaled(16), Some(6554));
        assert_eq!(tenth.negated().scaled(16), Some(-6554));
        assert_eq!(Number::parse_decimal("1e-999").unwrap().scaled(16), Some(0));
        assert_eq!(Number::parse_decimal("2.5e3").unwrap().whole(), Some(2500));
    }

    #[test]
    fn integers_divide_to_the_floor() {
        let int = Number::int;
        assert_eq!(int(-7).over(int(2)), Some(int(-4)));
        assert_eq!(int(-7).remainder(int(2)), Some(int(1)));
        assert_eq!(int(7).over(int(0)), None);
    }

    #[test]
    fn what_is_too_large_is_nothing_rather_than_another_number() {
        let int = Number::int;
        let large = int(1 << 100).times(int(1 << 26)).unwrap();
        assert_eq!(large.times(large), None);
        assert_eq!(large.plus(large), None);
        assert_eq!(large.negated().minus(large), None);
        assert_eq!(large.minus(int(1)).unwrap().plus(large).unwrap().as_int(), Some(i128::MAX));
        assert_eq!(int(i128::MAX).remainder(large.negated()), Some(int(-1)));
        assert_eq!(large.negated().over(int(-1)), Some(large));
    }

    #[test]
    fn long_fractions_lose_digits_instead_of_overflowing() {
        let pi = Number::parse_decimal("3.14159265358979323846264338327950288").unwrap();
        let product = pi.times(pi).unwrap().times(pi).unwrap();
        assert_eq!(product.scaled(16), Some(2032027));
        let third = Number::int(1).decimal().over(Number::int(3)).unwrap();
        let huge = Number::parse_decimal("1000000000000000000000000000000.5").unwrap();
        let part = huge.times(third).unwrap().times(third).unwrap().times(third).unwrap();
        let error = part.times(Number::int(27)).unwrap().minus(huge).unwrap();
        assert!(error.compare(Number::parse_decimal("1e14").unwrap()).is_lt());
        assert!(error.negated().compare(Number::parse_decimal("1e14").unwrap()).is_lt());
    }
}

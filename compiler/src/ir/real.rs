//! The functions of real numbers that functions of the library approximate, as the floating point of this machine has them.

/// The error function, by a series without cancellation.
pub fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// What a number without a sensible value is, as in the library.
fn or_zero(y: f64) -> f64 {
    if y.is_finite() { y } else { 0.0 }
}

macro_rules! reals {
    ($($Name:ident = $path:literal |$x:ident, $y:ident| $value:expr;)*) => {
        /// A function by its place in the library.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "they are the functions of these names")]
        pub enum Real { $($Name,)* }

        impl Real {
            /// The function for one of the library, such as `math::exp`, if it stands for one.
            pub fn of(path: &str) -> Option<Real> {
                match path {
                    $($path => Some(Real::$Name),)*
                    _ => None,
                }
            }

            /// Its place in the library.
            pub fn path(self) -> &'static str {
                match self { $(Real::$Name => $path,)* }
            }

            /// Its value. Functions of one argument do not look at the second.
            pub fn at(self, first: f64, second: f64) -> f64 {
                match self { $(Real::$Name => { let ($x, $y) = (first, second); $value })* }
            }
        }
    };
}

reals! {
    Divide = "math::divide" |x, y| or_zero(x / y);
    Reciprocal = "math::reciprocal" |x, _y| or_zero(1.0 / x);
    Sqrt = "math::sqrt" |x, _y| or_zero(x.sqrt());
    Rsqrt = "math::rsqrt" |x, _y| or_zero(1.0 / x.sqrt());
    Exp = "math::exp" |x, _y| x.exp();
    Exp2 = "math::exp2" |x, _y| x.exp2();
    Log = "math::log" |x, _y| or_zero(x.ln());
    Log2 = "math::log2" |x, _y| or_zero(x.log2());
    Pow = "math::pow" |x, y| x.powf(y);
    Sigmoid = "math::sigmoid" |x, _y| 1.0 / (1.0 + (-x).exp());
    Tanh = "math::tanh" |x, _y| x.tanh();
    Erf = "math::erf" |x, _y| erf(x);
    Gelu = "nn::gelu" |x, _y| x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)) / 2.0;
    Softplus = "nn::softplus" |x, _y| x.max(0.0) + (-x.abs()).exp().ln_1p();
    Silu = "nn::silu" |x, _y| x / (1.0 + (-x).exp());
    Sin = "trig::sin" |x, _y| x.sin();
    Cos = "trig::cos" |x, _y| x.cos();
    Tan = "trig::tan" |x, _y| x.tan();
    Asin = "trig::asin" |x, _y| x.clamp(-1.0, 1.0).asin();
    Acos = "trig::acos" |x, _y| x.clamp(-1.0, 1.0).acos();
    Atan = "trig::atan" |x, _y| x.atan();
    Atan2 = "trig::atan2" |x, y| x.atan2(y);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_those_of_their_names() {
        for path in ["math::exp", "math::divide", "nn::gelu", "trig::atan2"] {
            assert_eq!(Real::of(path).map(Real::path), Some(path));
        }
        assert_eq!(Real::of("nn::softmax"), None);
        assert_eq!(Real::Divide.at(3.0, 2.0), 1.5);
        assert_eq!(Real::Reciprocal.at(0.0, 0.0), 0.0);
        assert!((Real::Erf.at(0.5, 0.0) - 0.520_499_877_813_046_5).abs() < 1e-15);
    }
}

//! Every elementary function: a line for each of its properties.

use super::points::{
    both_signs, exponents, grid, near_zero, planes, powers, quotients, sines, single, tangents,
};
use super::{Elementary, Type};

const USUAL: &[(u32, u32)] = &[(40, 16), (32, 12), (48, 24), (24, 8)];
const WIDE: &[(u32, u32)] = &[(40, 16), (32, 12), (48, 24), (24, 8), (60, 20), (32, 13)];

fn two_to(n: i32) -> f64 {
    f64::from(n).exp2()
}

/// The error function, by a series without cancellation.
fn erf(x: f64) -> f64 {
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

impl Type {
    /// `eps` of the documentation.
    pub(super) fn eps(self) -> f64 {
        two_to(-22.min(61 - self.k as i32))
    }

    /// 2^(n - f/2), f/2 at most so many.
    fn half_digits(self, most: i32, n: i32) -> f64 {
        two_to(n - (self.f as i32 / 2).min(most))
    }

    /// What the constant of the angle functions adds to their error.
    fn turn(self, x: f64) -> f64 {
        let (k, f) = (self.k as i32, self.f as i32);
        x.abs() * two_to(f + 2 - 62.min(80 + f - k))
    }
}

/// Every elementary function, with the error that its documentation states.
pub const ELEMENTARY: &[Elementary] = &[
    Elementary {
        path: "math::divide",
        arguments: "x, y",
        domain: "b not 0, quotient in the type",
        stated: "1.5 ulp + eps |y|",
        types: &[(40, 16), (36, 12), (24, 8)],
        points: quotients,
        value: |x| x[0] / x[1],
        error: |t, _, y| 1.5 * t.ulp() + t.eps() * y.abs(),
    },
    Elementary {
        path: "math::divide_saturating",
        arguments: "x, y",
        domain: "all a and b; saturates",
        stated: "1.5 ulp + eps |y|",
        types: &[(40, 16), (36, 12), (24, 8)],
        points: quotients,
        value: |x| x[0] / x[1],
        error: |t, _, y| 1.5 * t.ulp() + t.eps() * y.abs(),
    },
    Elementary {
        path: "math::reciprocal",
        arguments: "x",
        domain: "x not 0, value in the type",
        stated: "1 ulp + eps |y|",
        types: USUAL,
        points: |t, n| single(both_signs(grid(1, t.top(), n / 2))),
        value: |x| 1.0 / x[0],
        error: |t, _, y| t.ulp() + t.eps() * y.abs(),
    },
    Elementary {
        path: "math::sqrt",
        arguments: "x",
        domain: "x ≥ 0",
        stated: "1 ulp + 2^-22 y",
        types: WIDE,
        points: |t, n| single(grid(0, t.top(), n)),
        value: |x| x[0].sqrt(),
        error: |t, _, y| t.ulp() + two_to(-22) * y,
    },
    Elementary {
        path: "math::rsqrt",
        arguments: "x",
        domain: "x > 0",
        stated: "1 ulp + 2^-23 y",
        types: WIDE,
        points: |t, n| single(grid(1, t.top(), n)),
        value: |x| 1.0 / x[0].sqrt(),
        error: |t, _, y| t.ulp() + two_to(-23) * y,
    },
    Elementary {
        path: "math::exp",
        arguments: "x",
        domain: "all x; saturates",
        stated: "1 ulp + eps y",
        types: USUAL,
        points: |t, n| single(exponents(t, std::f64::consts::LN_2, n)),
        value: |x| x[0].exp(),
        error: |t, _, y| t.ulp() + t.eps() * y,
    },
    Elementary {
        path: "math::exp2",
        arguments: "x",
        domain: "all x; saturates",
        stated: "1 ulp + eps y",
        types: USUAL,
        points: |t, n| single(exponents(t, 1.0, n)),
        value: |x| x[0].exp2(),
        error: |t, _, y| t.ulp() + t.eps() * y,
    },
    Elementary {
        path: "math::log",
        arguments: "x",
        domain: "x > 0",
        stated: "0.5 ulp + 2^-22",
        types: WIDE,
        points: |t, n| single(grid(1, t.top(), n)),
        value: |x| x[0].ln(),
        error: |t, _, _| t.ulp() / 2.0 + two_to(-22),
    },
    Elementary {
        path: "math::log2",
        arguments: "x",
        domain: "x > 0",
        stated: "0.5 ulp + 2^-22",
        types: WIDE,
        points: |t, n| single(grid(1, t.top(), n)),
        value: |x| x[0].log2(),
        error: |t, _, _| t.ulp() / 2.0 + two_to(-22),
    },
    Elementary {
        path: "math::pow",
        arguments: "x, y",
        domain: "x > 0, |y log2 x| < 2^(32-f); saturates",
        stated: "1 ulp + (eps + |y| 2^-22) x^y",
        types: USUAL,
        points: powers,
        value: |x| x[0].powf(x[1]),
        error: |t, x, y| t.ulp() + (t.eps() + two_to(-22) * x[1].abs()) * y,
    },
    Elementary {
        path: "math::sigmoid",
        arguments: "x",
        domain: "all x",
        stated: "1 ulp + 2^-19",
        types: USUAL,
        points: near_zero,
        value: |x| 1.0 / (1.0 + (-x[0]).exp()),
        error: |t, _, _| t.ulp() + two_to(-19),
    },
    Elementary {
        path: "math::tanh",
        arguments: "x",
        domain: "all x",
        stated: "1 ulp + 2^-19",
        types: USUAL,
        points: near_zero,
        value: |x| x[0].tanh(),
        error: |t, _, _| t.ulp() + two_to(-19),
    },
    Elementary {
        path: "math::erf",
        arguments: "x",
        domain: "all x",
        stated: "1 ulp + 2^-19",
        types: USUAL,
        points: near_zero,
        value: |x| erf(x[0]),
        error: |t, _, _| t.ulp() + two_to(-19),
    },
    Elementary {
        path: "nn::gelu",
        arguments: "x",
        domain: "all x",
        stated: "1 ulp + 2^-19",
        types: USUAL,
        points: near_zero,
        value: |x| x[0] * (1.0 + erf(x[0] * std::f64::consts::FRAC_1_SQRT_2)) / 2.0,
        error: |t, _, _| t.ulp() + two_to(-19),
    },
    Elementary {
        path: "nn::softplus",
        arguments: "x",
        domain: "all x",
        stated: "1 ulp + 2^-19",
        types: USUAL,
        points: near_zero,
        value: |x| x[0].max(0.0) + (-x[0].abs()).exp().ln_1p(),
        error: |t, _, _| t.ulp() + two_to(-19),
    },
    Elementary {
        path: "nn::silu",
        arguments: "x",
        domain: "all x",
        stated: "1 ulp + 2^-18",
        types: USUAL,
        points: near_zero,
        value: |x| x[0] / (1.0 + (-x[0]).exp()),
        error: |t, _, _| t.ulp() + two_to(-18),
    },
    Elementary {
        path: "nn::sigmoid_piecewise",
        arguments: "x",
        domain: "all x",
        stated: "0.019 + 1 ulp",
        types: USUAL,
        points: near_zero,
        value: |x| 1.0 / (1.0 + (-x[0]).exp()),
        error: |t, _, _| 0.019 + t.ulp(),
    },
    Elementary {
        path: "fast::reciprocal",
        arguments: "x",
        domain: "x not 0, value in the type",
        stated: "1 ulp + 2^-13 |y|",
        types: &[(40, 16), (32, 12), (40, 24), (24, 8)],
        points: |t, n| single(both_signs(grid(1, t.top(), n / 2))),
        value: |x| 1.0 / x[0],
        error: |t, _, y| t.ulp() + two_to(-13) * y.abs(),
    },
    Elementary {
        path: "fast::sqrt",
        arguments: "x",
        domain: "x ≥ 0",
        stated: "1 ulp + 2^-14 y",
        types: WIDE,
        points: |t, n| single(grid(0, t.top(), n)),
        value: |x| x[0].sqrt(),
        error: |t, _, y| t.ulp() + two_to(-14) * y,
    },
    Elementary {
        path: "fast::exp",
        arguments: "x",
        domain: "all x; saturates",
        stated: "1 ulp + 2^-13 y",
        types: &[(40, 16), (32, 12), (40, 24), (24, 8)],
        points: |t, n| single(exponents(t, std::f64::consts::LN_2, n)),
        value: |x| x[0].exp(),
        error: |t, _, y| t.ulp() + two_to(-13) * y,
    },
    Elementary {
        path: "fast::log",
        arguments: "x",
        domain: "x > 0",
        stated: "4 ulp + 2^-(f/2+3)",
        types: WIDE,
        points: |t, n| single(grid(1, t.top(), n)),
        value: |x| x[0].ln(),
        error: |t, _, _| 4.0 * t.ulp() + t.half_digits(10, -3),
    },
    Elementary {
        path: "fast::sigmoid",
        arguments: "x",
        domain: "all x",
        stated: "1 ulp + 0.001 + 2^-(f/2+2)",
        types: USUAL,
        points: near_zero,
        value: |x| 1.0 / (1.0 + (-x[0]).exp()),
        error: |t, _, _| t.ulp() + 0.001 + t.half_digits(14, -2),
    },
    Elementary {
        path: "fast::tanh",
        arguments: "x",
        domain: "all x",
        stated: "1 ulp + 0.001 + 2^-(f/2+1)",
        types: USUAL,
        points: near_zero,
        value: |x| x[0].tanh(),
        error: |t, _, _| t.ulp() + 0.001 + t.half_digits(14, -1),
    },
    Elementary {
        path: "fast::gelu",
        arguments: "x",
        domain: "all x",
        stated: "1 ulp + 0.001 + 2^-(f/2+1)",
        types: USUAL,
        points: near_zero,
        value: |x| x[0] * (1.0 + erf(x[0] * std::f64::consts::FRAC_1_SQRT_2)) / 2.0,
        error: |t, _, _| t.ulp() + 0.001 + t.half_digits(14, -1),
    },
    Elementary {
        path: "trig::sin",
        arguments: "x",
        domain: "all x",
        stated: "1 ulp + 2^-19 + |x| 2^(f+2-w)",
        types: USUAL,
        points: near_zero,
        value: |x| x[0].sin(),
        error: |t, x, _| t.ulp() + two_to(-19) + t.turn(x[0]),
    },
    Elementary {
        path: "trig::cos",
        arguments: "x",
        domain: "all x",
        stated: "1 ulp + 2^-19 + |x| 2^(f+2-w)",
        types: USUAL,
        points: near_zero,
        value: |x| x[0].cos(),
        error: |t, x, _| t.ulp() + two_to(-19) + t.turn(x[0]),
    },
    Elementary {
        path: "trig::tan",
        arguments: "x",
        domain: "|x| < 2^(w-f-22), value below 2^(k-f-10)",
        stated: "1.5 ulp + 2^-19 (1 + y^2)",
        types: &[(40, 16), (36, 12), (40, 20)],
        points: tangents,
        value: |x| x[0].tan(),
        error: |t, _, y| 1.5 * t.ulp() + two_to(-19) * (1.0 + y * y),
    },
    Elementary {
        path: "trig::asin",
        arguments: "x",
        domain: "-1 ≤ x ≤ 1",
        stated: "1.5 ulp + 2^-17",
        types: &[(40, 16), (32, 12), (24, 8), (40, 20)],
        points: |t, n| sines(t, n),
        value: |x| x[0].asin(),
        error: |t, _, _| 1.5 * t.ulp() + two_to(-17),
    },
    Elementary {
        path: "trig::acos",
        arguments: "x",
        domain: "-1 ≤ x ≤ 1",
        stated: "1.5 ulp + 2^-17",
        types: &[(40, 16), (32, 12), (24, 8), (40, 20)],
        points: |t, n| sines(t, n),
        value: |x| x[0].acos(),
        error: |t, _, _| 1.5 * t.ulp() + two_to(-17),
    },
    Elementary {
        path: "trig::atan",
        arguments: "x",
        domain: "all x",
        stated: "1.25 ulp + 2^-17",
        types: USUAL,
        points: near_zero,
        value: |x| x[0].atan(),
        error: |t, _, _| 1.25 * t.ulp() + two_to(-17),
    },
    Elementary {
        path: "trig::atan2",
        arguments: "x, y",
        domain: "all x and y",
        stated: "3 ulp + 2^-17",
        types: &[(40, 16), (36, 12), (24, 8)],
        points: planes,
        value: |x| x[0].atan2(x[1]),
        error: |t, _, _| 3.0 * t.ulp() + two_to(-17),
    },
    Elementary {
        path: "nn::relu",
        arguments: "x",
        domain: "all x",
        stated: "exact",
        types: USUAL,
        points: |t, n| single(both_signs(grid(0, t.top(), n / 2))),
        value: |x| x[0].max(0.0),
        error: |_, _, _| 0.0,
    },
    Elementary {
        path: "math::abs",
        arguments: "x",
        domain: "all x",
        stated: "exact",
        types: USUAL,
        points: |t, n| single(both_signs(grid(0, t.top(), n / 2))),
        value: |x| x[0].abs(),
        error: |_, _, _| 0.0,
    },
    Elementary {
        path: "math::sign",
        arguments: "x",
        domain: "all x",
        stated: "exact",
        types: USUAL,
        points: |t, n| single(both_signs(grid(0, t.top(), n / 2))),
        value: |x| if x[0] == 0.0 { 0.0 } else { x[0].signum() },
        error: |_, _, _| 0.0,
    },
    Elementary {
        path: "math::clamp",
        arguments: "x, -1.5, 1.5",
        domain: "all x",
        stated: "exact",
        types: USUAL,
        points: |t, n| single(both_signs(grid(0, t.top(), n / 2))),
        value: |x| x[0].clamp(-1.5, 1.5),
        error: |_, _, _| 0.0,
    },
];

//! The operators that can be imported: one line each.
//!
//! A line names the operator, the first and the last version of the operator set it is right for, and the function that imports it.
//! Versions in between that changed its meaning are told apart in the function.

use super::activation as act;
use super::call::{Call, Outputs};
use super::elementwise::{self as el, Binary, Predicate, Unary};
use super::recurrent::{Cell, recurrent};
use super::reduce::{self, Reduction};
use super::window as win;
use super::{
    attention, einsum, integers, linear, loss, ml, movement as mv, norm, places, quantised, resize,
};

/// The first version of the operator set that models may use.
pub(super) const OLDEST: i64 = 1;
/// The last.
pub(super) const NEWEST: i64 = 28;

/// One line of the table.
pub(super) struct Operator {
    pub(super) name: &'static str,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) import: fn(&mut Call<'_, '_, '_>) -> Outputs,
}

/// A set of operators with versions of its own.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Domain {
    Standard,
    Ml,
}

impl Domain {
    pub(super) const ALL: [Domain; 2] = [Domain::Standard, Domain::Ml];

    /// As a model writes it.
    pub(super) fn of(name: &str) -> Option<Domain> {
        match name {
            "" | "ai.onnx" => Some(Domain::Standard),
            "ai.onnx.ml" => Some(Domain::Ml),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Domain::Standard => "ai.onnx",
            Domain::Ml => "ai.onnx.ml",
        }
    }

    /// The first and the last version.
    pub(super) fn versions(self) -> (i64, i64) {
        match self {
            Domain::Standard => (OLDEST, NEWEST),
            Domain::Ml => (ml::OLDEST, ml::NEWEST),
        }
    }

    pub(super) fn operators(self) -> &'static [Operator] {
        match self {
            Domain::Standard => OPERATORS,
            Domain::Ml => ml::OPERATORS,
        }
    }
}

/// The operator of that name.
pub(super) fn find(domain: &str, name: &str) -> Option<&'static Operator> {
    Domain::of(domain)?.operators().iter().find(|o| o.name == name)
}

const fn from(
    name: &'static str,
    first: i64,
    import: fn(&mut Call<'_, '_, '_>) -> Outputs,
) -> Operator {
    Operator { name, first, last: NEWEST, import }
}

macro_rules! unary {
    ($name:literal, $first:literal, $known:expr, $text:literal) => {
        from($name, $first, |c| el::unary(c, &Unary { known: $known, text: $text }))
    };
}

macro_rules! binary {
    ($name:literal, $floats:expr, $ints:expr, $text:literal) => {
        from($name, 6, |c| el::binary(c, &Binary { floats: $floats, ints: $ints, text: $text }))
    };
}

macro_rules! predicate {
    ($name:literal, $first:literal, $known:expr, $text:literal, $bools:literal) => {
        from($name, $first, |c| {
            el::predicate(c, &Predicate { known: $known, text: $text, bools: $bools })
        })
    };
}

macro_rules! formula {
    ($name:literal, $first:literal, $attributes:expr, $text:literal) => {
        from($name, $first, |c| act::formula(c, &$attributes, $text))
    };
}

macro_rules! reduction {
    ($name:literal, $known:expr, $before:literal, $text:literal, $after:literal, $mean:literal) => {
        from($name, 1, |c| {
            reduce::reduce(
                c,
                &Reduction {
                    known: $known,
                    before: $before,
                    text: $text,
                    after: $after,
                    mean: $mean,
                },
            )
        })
    };
}

fn add(x: &[f64]) -> f64 {
    x.iter().sum()
}

/// Every operator, by name.
#[rustfmt::skip]
pub(super) const OPERATORS: &[Operator] = &[
    unary!("Abs", 1, f64::abs, "max(@, -@)"),
    unary!("Acos", 7, f64::acos, "trig::acos(@)"),
    unary!("Acosh", 9, f64::acosh, "math::log(@ + math::sqrt(@ * @ - 1))"),
    from("Add", 6, |c| el::binary(c, &el::ADD)),
    predicate!("And", 7, |a, b| a != 0.0 && b != 0.0, "", "@ & #"),
    from("ArgMax", 1, |c| reduce::arg_extreme(c, "argmax")),
    from("ArgMin", 1, |c| reduce::arg_extreme(c, "argmin")),
    unary!("Asin", 7, f64::asin, "trig::asin(@)"),
    unary!("Asinh", 9, f64::asinh, "math::sign(@) * math::log(math::abs(@) + math::sqrt(@ * @ + 1))"),
    unary!("Atan", 7, f64::atan, "trig::atan(@)"),
    unary!("Atanh", 9, f64::atanh, "(math::log(1 + @) - math::log(1 - @)) / 2"),
    from("Attention", 23, attention::attention),
    from("AveragePool", 6, win::average_pool),
    from("BatchNormalization", 6, norm::batch_normalization),
    from("BitShift", 11, integers::shift),
    from("BitwiseAnd", 18, |c| integers::bitwise(c, "@ & #")),
    from("BitwiseNot", 18, integers::bitwise_not),
    from("BitwiseOr", 18, |c| integers::bitwise(c, "@ | #")),
    from("BitwiseXor", 18, |c| integers::bitwise(c, "@ ^ #")),
    from("Cast", 6, el::cast),
    from("CastLike", 15, el::cast),
    from("Ceil", 6, |c| el::rounded(c, f64::ceil, "ceil")),
    formula!("Celu", 12, [("alpha", 1.0)], "max(0.0, @) + min(0.0, (math::exp(min(0.0, @) / $alpha) - 1) * $alpha)"),
    from("CenterCropPad", 18, places::center_crop_pad),
    from("Clip", 1, act::clip),
    from("Compress", 9, places::compress),
    from("Concat", 4, mv::concat),
    from("Constant", 1, mv::constant),
    from("ConstantOfShape", 9, mv::constant_of_shape),
    from("Conv", 1, win::conv),
    from("ConvInteger", 10, quantised::conv_integer),
    from("ConvTranspose", 1, win::conv_transpose),
    unary!("Cos", 7, f64::cos, "trig::cos(@)"),
    unary!("Cosh", 9, f64::cosh, "(math::exp(@) + math::exp(-@)) / 2"),
    from("CumProd", 26, integers::cum_prod),
    from("CumSum", 11, reduce::cum_sum),
    from("DepthToSpace", 1, mv::depth_to_space),
    from("DequantizeLinear", 10, quantised::dequantize),
    from("Div", 6, el::div),
    from("Dropout", 6, mv::dropout),
    from("DynamicQuantizeLinear", 11, quantised::dynamic_quantize),
    from("Einsum", 12, einsum::einsum),
    formula!("Elu", 6, [("alpha", 1.0)], "select(@ < 0, (math::exp(@) - 1) * $alpha, @)"),
    predicate!("Equal", 7, |a, b| a == b, "@ == #", "!(@ ^ #)"),
    unary!("Erf", 9, erf, "math::erf(@)"),
    unary!("Exp", 6, f64::exp, "math::exp(@)"),
    from("Expand", 8, mv::expand),
    from("EyeLike", 9, places::eye_like),
    from("Flatten", 1, mv::flatten),
    from("Floor", 6, |c| el::rounded(c, f64::floor, "floor")),
    from("GRU", 7, |c| recurrent(c, Cell::Gru)),
    from("Gather", 1, mv::gather),
    from("GatherElements", 11, places::gather_elements),
    from("GatherND", 11, places::gather_nd),
    from("Gelu", 20, act::gelu),
    from("Gemm", 6, linear::gemm),
    from("GlobalAveragePool", 1, win::global_average_pool),
    from("GlobalMaxPool", 1, win::global_max_pool),
    predicate!("Greater", 7, |a, b| a > b, "@ > #", ""),
    predicate!("GreaterOrEqual", 12, |a, b| a >= b, "@ >= #", ""),
    from("GroupNormalization", 18, norm::group_normalization),
    formula!("HardSigmoid", 6, [("alpha", 0.2), ("beta", 0.5)], "max(0.0, min(1.0, @ * $alpha + $beta))"),
    formula!("HardSwish", 14, [], "@ * max(0.0, min(1.0, @ / 6 + 0.5))"),
    from("Hardmax", 1, act::hardmax),
    from("Identity", 1, mv::identity),
    from("InstanceNormalization", 6, norm::instance_normalization),
    from("IsInf", 10, |c| el::is_special(c, f64::is_infinite)),
    from("IsNaN", 9, |c| el::is_special(c, f64::is_nan)),
    from("LRN", 1, norm::lrn),
    from("LSTM", 7, |c| recurrent(c, Cell::Lstm)),
    from("LayerNormalization", 17, norm::layer_normalization),
    formula!("LeakyRelu", 6, [("alpha", 0.01)], "select(@ < 0, @ * $alpha, @)"),
    predicate!("Less", 7, |a, b| a < b, "@ < #", ""),
    predicate!("LessOrEqual", 12, |a, b| a <= b, "@ <= #", ""),
    unary!("Log", 6, f64::ln, "math::log(@)"),
    from("LogSoftmax", 1, act::log_softmax),
    from("LpNormalization", 1, norm::lp_normalization),
    from("MatMul", 1, linear::matmul),
    from("MatMulInteger", 10, quantised::mat_mul_integer),
    binary!("Max", f64::max, |a, b| Some(a.max(b)), "max(@, #)"),
    from("MaxPool", 1, win::max_pool),
    from("Mean", 8, mean),
    binary!("Min", f64::min, |a, b| Some(a.min(b)), "min(@, #)"),
    formula!("Mish", 18, [], "@ * math::tanh(nn::softplus(@))"),
    from("Mod", 10, el::modulo),
    binary!("Mul", |a, b| a * b, i64::checked_mul, "@ * #"),
    unary!("Neg", 6, |x| -x, "-@"),
    from("NegativeLogLikelihoodLoss", 12, loss::negative_log_likelihood),
    from("Not", 1, el::not),
    from("OneHot", 9, places::one_hot),
    predicate!("Or", 7, |a, b| a != 0.0 || b != 0.0, "", "@ | #"),
    from("PRelu", 6, act::prelu),
    from("Pad", 2, mv::pad),
    from("Pow", 6, el::pow),
    from("QLinearConv", 10, quantised::q_linear_conv),
    from("QLinearMatMul", 10, quantised::q_linear_mat_mul),
    from("QuantizeLinear", 10, quantised::quantize),
    from("RMSNormalization", 23, norm::rms_normalization),
    from("RNN", 7, |c| recurrent(c, Cell::Rnn)),
    from("Range", 11, mv::range),
    unary!("Reciprocal", 6, f64::recip, "math::reciprocal(@)"),
    reduction!("ReduceL1", |x| x.iter().map(|x| x.abs()).sum(), "max(@, -@)", "sum(@, axis = -1)", "", false),
    reduction!("ReduceL2", |x| x.iter().map(|x| x * x).sum::<f64>().sqrt(), "@ * @", "sum(@, axis = -1)", "math::sqrt(@)", false),
    reduction!("ReduceLogSum", |x| add(x).ln(), "", "sum(@, axis = -1)", "math::log(@)", false),
    from("ReduceLogSumExp", 1, reduce::log_sum_exp),
    reduction!("ReduceMax", |x| x.iter().copied().fold(f64::NEG_INFINITY, f64::max), "", "max(@, axis = -1)", "", false),
    reduction!("ReduceMean", |x| add(x) / x.len().max(1) as f64, "", "sum(@, axis = -1)", "", true),
    reduction!("ReduceMin", |x| x.iter().copied().fold(f64::INFINITY, f64::min), "", "min(@, axis = -1)", "", false),
    reduction!("ReduceProd", |x| x.iter().product(), "", "prod(@, axis = -1)", "", false),
    reduction!("ReduceSum", add, "", "sum(@, axis = -1)", "", false),
    reduction!("ReduceSumSquare", |x| x.iter().map(|x| x * x).sum(), "@ * @", "sum(@, axis = -1)", "", false),
    unary!("Relu", 6, |x| x.max(0.0), "max(@, 0)"),
    from("Reshape", 5, mv::reshape),
    from("Resize", 10, resize::resize),
    from("ReverseSequence", 10, places::reverse_sequence),
    from("RotaryEmbedding", 23, attention::rotary_embedding),
    from("Round", 11, el::round),
    from("Scatter", 9, places::scatter_elements),
    from("ScatterElements", 11, places::scatter_elements),
    from("ScatterND", 11, places::scatter_nd),
    formula!("Selu", 6, [("alpha", 1.673_263_192_176_818_8), ("gamma", 1.050_700_902_938_842_8)],
        "select(@ < 0, (math::exp(@) - 1) * $alpha, @) * $gamma"),
    from("Shape", 1, mv::shape),
    formula!("Shrink", 9, [("bias", 0.0), ("lambd", 0.5)],
        "select(@ < -$lambd, @ + $bias, select(@ > $lambd, @ - $bias, 0))"),
    unary!("Sigmoid", 6, |x| 1.0 / (1.0 + (-x).exp()), "math::sigmoid(@)"),
    unary!("Sign", 9, |x| if x == 0.0 { 0.0 } else { x.signum() }, "math::sign(@)"),
    unary!("Sin", 7, f64::sin, "trig::sin(@)"),
    unary!("Sinh", 9, f64::sinh, "(math::exp(@) - math::exp(-@)) / 2"),
    from("Size", 1, mv::size_of),
    from("Slice", 1, mv::slice),
    from("Softmax", 1, act::softmax),
    from("SoftmaxCrossEntropyLoss", 12, loss::softmax_cross_entropy),
    unary!("Softplus", 1, |x| x.exp().ln_1p(), "nn::softplus(@)"),
    formula!("Softsign", 1, [], "@ / (max(@, -@) + 1)"),
    from("SpaceToDepth", 1, mv::space_to_depth),
    from("Split", 2, mv::split),
    unary!("Sqrt", 6, f64::sqrt, "math::sqrt(@)"),
    from("Squeeze", 1, mv::squeeze),
    binary!("Sub", |a, b| a - b, i64::checked_sub, "@ - #"),
    from("Sum", 6, |c| el::binary(c, &el::ADD)),
    formula!("Swish", 24, [("alpha", 1.0)], "@ * math::sigmoid(@ * $alpha)"),
    unary!("Tan", 7, f64::tan, "trig::tan(@)"),
    unary!("Tanh", 6, f64::tanh, "math::tanh(@)"),
    from("TensorScatter", 24, places::tensor_scatter),
    formula!("ThresholdedRelu", 10, [("alpha", 1.0)], "select(@ > $alpha, @, 0)"),
    from("Tile", 6, mv::tile),
    from("TopK", 1, places::top_k),
    from("Transpose", 1, mv::transpose),
    from("Trilu", 14, mv::trilu),
    from("Unsqueeze", 1, mv::unsqueeze),
    from("Upsample", 7, resize::upsample),
    from("Where", 9, el::where_),
    predicate!("Xor", 7, |a, b| (a != 0.0) != (b != 0.0), "", "@ ^ #"),
];

fn mean(c: &mut Call<'_, '_, '_>) -> Outputs {
    let count = c.inputs.len().max(1) as f64;
    let sum = el::binary(c, &el::ADD)?;
    Ok(vec![linear::scaled(c, &sum[0], 1.0 / count)?])
}

/// The error function of a constant: the series, or the continued fraction of its complement where that converges faster.
fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a > 6.0 {
        return x.signum();
    }
    if a < 3.0 {
        let (mut term, mut sum) = (x, x);
        for n in 1..100 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return sum * std::f64::consts::FRAC_2_SQRT_PI;
    }
    let fraction = (1..=60).rev().fold(a, |t, n| a + f64::from(n) / 2.0 / t);
    x.signum() * (1.0 - (-a * a).exp() / fraction / std::f64::consts::PI.sqrt())
}

/// The table as Markdown.
pub(super) fn page() -> String {
    let mut text = String::from(
        "# ONNX operators\n\nWhat `mpcc` imports, and the versions of the operator set for which it is right.\n\
         Generated from `compiler/src/onnx/table.rs` by `BLESS=1 cargo test -p mpc-compiler --test onnx`.\n",
    );
    for domain in Domain::ALL {
        text += &format!("\n## {}\n\n", domain.name());
        if domain == Domain::Ml {
            text += ml::PAGE;
        }
        text += "| operator | versions |\n|---|---|\n";
        for o in domain.operators() {
            text += &format!("| {} | {} to {} |\n", o.name, o.first, o.last);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_sorted_and_named_once() {
        for domain in Domain::ALL {
            let (oldest, newest) = domain.versions();
            let operators = domain.operators();
            assert!(operators.windows(2).all(|w| w[0].name < w[1].name));
            let fits = |o: &Operator| o.first >= oldest && o.first <= o.last && o.last <= newest;
            assert!(operators.iter().all(fits));
        }
    }

    #[test]
    fn the_error_function_is_close() {
        let known = [(0.0, 0.0), (0.5, 0.520_499_877_813_046_5), (-1.0, -0.842_700_792_949_714_9)];
        let far = [(2.9, 0.999_958_902_121_900_5), (3.1, 0.999_988_351_342_632_8), (7.0, 1.0)];
        for (x, y) in known.into_iter().chain(far) {
            assert!((erf(x) - y).abs() < 1e-12, "{x}: {}", erf(x));
        }
    }
}

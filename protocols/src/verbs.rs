//! The table of verbs: the one place where a verb is declared.
//!
//! From it follow the methods of [`Protocol`](crate::Protocol) with their defaults, and what the
//! [`Ledger`](crate::ledger::Ledger) charges for each.

/// Calls `$callback!` with every verb. A line reads
///
/// ```text
/// /// What it does.
/// dot(a: &'a Shares, b: &'a Shares, inner: usize, bits: u32) -> Shares:
///     Verb::Dot { inner }, a.len() / inner, bits => blocks::linear::dot;
///     |                    |                |       default, for those that have one
///     |                    |                bound in bits
///     |                    elements of the result
///     what its cost is declared as
/// ```
///
/// A default is an `async fn(&dyn Protocol, &Step, operands)`.
macro_rules! for_each_verb {
    ($callback:ident) => {
        $callback! {
            required {
                /// `a + b`.
                add(a: &'a Shares, b: &'a Shares, bits: u32) -> Shares:
                    Verb::Linear, a.len(), bits;

                /// `a - b`.
                sub(a: &'a Shares, b: &'a Shares, bits: u32) -> Shares:
                    Verb::Linear, a.len(), bits;

                /// `a + c`, `c` clear.
                add_clear(a: &'a Shares, c: &'a Clear, bits: u32) -> Shares:
                    Verb::AddClear, a.len(), bits;

                /// `a·c`, `c` clear.
                mul_clear(a: &'a Shares, c: &'a Clear, bits: u32) -> Shares:
                    Verb::MulClear, a.len(), bits;

                /// `a·b`.
                mul(a: &'a Shares, b: &'a Shares, bits: u32) -> Shares:
                    Verb::Mul, a.len(), bits;

                /// The numbers that `owner` has in `x` (absent elsewhere), as shares.
                share(owner: Party, x: &'a Clear, bits: u32) -> Shares:
                    Verb::Share { owner }, x.len(), bits;

                /// The numbers themselves, to `to`, or to all if `None`.
                open(a: &'a Shares, to: Option<Party>, bits: u32) -> Clear:
                    Verb::Open { to }, a.len(), bits;

                /// `a ⊕ b`.
                xor(a: &'a Shares, b: &'a Shares) -> Shares:
                    Verb::Xor, a.len(), 1;

                /// `a ⊕ c`, `c` clear.
                xor_clear(a: &'a Shares, c: &'a ClearBits) -> Shares:
                    Verb::LinearBits, a.len(), 1;

                /// `a ∧ c`, `c` clear.
                and_clear(a: &'a Shares, c: &'a ClearBits) -> Shares:
                    Verb::LinearBits, a.len(), 1;

                /// `a ∧ b`.
                and(a: &'a Shares, b: &'a Shares) -> Shares:
                    Verb::And, a.len(), 1;

                /// The bits that `owner` has in `x` (absent elsewhere), as shares.
                share_bits(owner: Party, x: &'a ClearBits) -> Shares:
                    Verb::ShareBits { owner }, x.len(), 1;

                /// The bits themselves, to `to`, or to all if `None`.
                open_bits(a: &'a Shares, to: Option<Party>) -> ClearBits:
                    Verb::OpenBits { to }, a.len(), 1;

                /// `n` uniform bits that nobody knows.
                random_bits(n: usize) -> Shares:
                    Verb::RandomBits, n, 1;
            }
            default {
                /// `a ⊕ b` where it is known that never both are 1; as cheap as with a clear bit.
                xor_disjoint(a: &'a Shares, b: &'a Shares) -> Shares:
                    Verb::LinearBits, a.len(), 1 => blocks::convert::xor_disjoint;

                /// Bits as numbers 0 and 1.
                from_bits(a: &'a Shares) -> Shares:
                    Verb::FromBits, a.len(), 1 => blocks::dabit::from_bits;

                /// Sums of addends that [`Protocol::addend_shifted`] gave, as numbers: with what else
                /// belongs to a number, MACs say.
                complete(a: &'a Shares) -> Shares:
                    Verb::Complete, a.len(), 1 => blocks::split::complete;

                /// Numbers that are known to be 0 or 1 as bits.
                as_bits(a: &'a Shares) -> Shares:
                    Verb::AsBits, a.len(), 1 => blocks::convert::as_bits;

                /// `Σ_j 2^j·a[i·k + j]`, the top bit negative if `signed`.
                compose(a: &'a Shares, k: u32, signed: bool) -> Shares:
                    Verb::Compose { k }, a.len() / k as usize, k => blocks::convert::compose;

                /// The low `k` bits of two's complement, element by element. `bits` bounds `a`.
                decompose(a: &'a Shares, k: u32, bits: u32) -> Shares:
                    Verb::Decompose { k }, a.len() * k as usize, bits => blocks::convert::decompose;

                /// `Σ_j a[i·inner + j]`.
                sum(a: &'a Shares, inner: usize, bits: u32) -> Shares:
                    Verb::Sum { inner, prefix: false }, a.len() / inner, bits
                    => blocks::linear::sum;

                /// Running sums within rows of `inner`.
                prefix(a: &'a Shares, inner: usize, bits: u32) -> Shares:
                    Verb::Sum { inner, prefix: true }, a.len(), bits => blocks::linear::prefix;

                /// `Σ_j a[i·inner + j]·b[i·inner + j]`.
                dot(a: &'a Shares, b: &'a Shares, inner: usize, bits: u32) -> Shares:
                    Verb::Dot { inner }, a.len() / inner, bits => blocks::linear::dot;

                /// `a·b`, row-major; `a` rows×inner, `b` inner×cols; `size` = (rows, inner, cols).
                matmul(a: &'a Shares, b: &'a Shares, size: (usize, usize, usize), bits: u32) -> Shares:
                    Verb::MatMul { rows: size.0, inner: size.1, cols: size.2 }, size.0 * size.2, bits
                    => blocks::linear::matmul;

                /// As [`Protocol::matmul`], `b` clear.
                matmul_clear(
                    a: &'a Shares, b: &'a Clear, size: (usize, usize, usize), bits: u32
                ) -> Shares:
                    Verb::MatMulClear { rows: size.0, inner: size.1, cols: size.2 },
                    size.0 * size.2, bits => blocks::linear::matmul_clear;

                /// Products of matrices that are views of `a` and `b`: convolutions, and batches of
                /// products.
                contract(a: &'a Shares, b: &'a Shares, of: &'a Contraction, bits: u32) -> Shares:
                    Verb::Contract { batch: of.batch, rows: of.rows, inner: of.inner, cols: of.cols },
                    of.len(), bits => blocks::linear::contract;

                /// As [`Protocol::contract`], one operand clear: the right one, or the left one if `turned`.
                contract_clear(
                    a: &'a Shares, c: &'a Clear, of: &'a Contraction, turned: bool, bits: u32
                ) -> Shares:
                    Verb::ContractClear {
                        batch: of.batch, rows: of.rows, inner: of.inner, cols: of.cols
                    },
                    of.len(), bits => blocks::linear::contract_clear;

                /// As [`Protocol::contract`], and then `trunc`. `bits` bounds the sums.
                contract_trunc(
                    a: &'a Shares, b: &'a Shares, of: &'a Contraction, bits: u32, shift: u32
                ) -> Shares:
                    Verb::ContractTrunc {
                        batch: of.batch, rows: of.rows, inner: of.inner, cols: of.cols, shift
                    },
                    of.len(), bits => blocks::linear::contract_trunc;

                /// `cond ? a : b`.
                select(cond: &'a Shares, a: &'a Shares, b: &'a Shares, bits: u32) -> Shares:
                    Verb::Select, a.len(), bits => blocks::convert::select;

                /// `floor((a + 2^(shift-1)) / 2^shift)`, as exactly as [`Protocol::truncation`] says.
                /// `bits` bounds `a`.
                trunc(a: &'a Shares, bits: u32, shift: u32) -> Shares:
                    Verb::Trunc { shift }, a.len(), bits => blocks::truncate::nearest;

                /// As [`Protocol::dot`], and then `trunc`; products are sums of one. `bits` bounds the sums.
                dot_trunc(
                    a: &'a Shares, b: &'a Shares, inner: usize, bits: u32, shift: u32
                ) -> Shares:
                    Verb::DotTrunc { inner, shift }, a.len() / inner, bits
                    => blocks::linear::dot_trunc;

                /// `floor(a / 2^shift)`, exactly. `bits` bounds `a`.
                shift_right(a: &'a Shares, bits: u32, shift: u32) -> Shares:
                    Verb::ShiftRight { shift }, a.len(), bits => blocks::truncate::floor;

                /// The value in `[-2^(k-1), 2^(k-1))` equal to `a` modulo `2^k`. `bits` bounds `a`.
                wrap(a: &'a Shares, bits: u32, k: u32) -> Shares:
                    Verb::Wrap { k }, a.len(), bits => blocks::truncate::wrap;

                /// `a < 0`. `bits` bounds `a`.
                ltz(a: &'a Shares, bits: u32) -> Shares:
                    Verb::Ltz, a.len(), bits => blocks::compare::ltz;

                /// `a = 0`. `bits` bounds `a`.
                eqz(a: &'a Shares, bits: u32) -> Shares:
                    Verb::Eqz, a.len(), bits => blocks::compare::eqz;

                /// `a < b`. `bits` bounds `a` and `b`.
                lt(a: &'a Shares, b: &'a Shares, bits: u32) -> Shares:
                    Verb::Lt, a.len(), bits => blocks::compare::lt;

                /// `a = b`. `bits` bounds `a` and `b`.
                eq(a: &'a Shares, b: &'a Shares, bits: u32) -> Shares:
                    Verb::Eq, a.len(), bits => blocks::compare::eq;

                /// Bit `j` of row `i` says whether `a[i] = j`, for `j < n`. `bits` bounds `a`.
                one_hot(a: &'a Shares, n: usize, bits: u32) -> Shares:
                    Verb::OneHot { n }, a.len() * n, bits => blocks::compare::one_hot;

                /// Numbers uniform in `[0, 2^bits)`.
                random(n: usize, bits: u32) -> Shares:
                    Verb::Random, n, bits => blocks::mask::random;

                /// `n` numbers, not negative and below `2^bits·maskers`
                /// ([`Protocol::maskers`]), each at least as hard to predict as a uniform number of
                /// `bits` bits.
                mask(n: usize, bits: u32) -> Shares:
                    Verb::Mask, n, bits => blocks::mask::mask;

                /// Numbers in `[0, 2^bits)`, to all, lower half first; they need not fit a [`Clear`].
                open_wide(a: &'a Shares, bits: u32) -> ClearVec<[u128; 2]>:
                    Verb::OpenWide, a.len(), bits => blocks::mask::open_wide;

                /// `rows` rows of `width` in a uniformly random order that nobody knows.
                shuffle(a: &'a Shares, rows: usize, width: usize, bits: u32) -> Shares:
                    Verb::Shuffle { width }, rows * width, bits => blocks::shuffle::numbers;

                /// Rows of `width`: row `i` of `a` goes to place `perm[i]`. `bits` bounds `a`.
                permute(a: &'a Shares, perm: &'a Shares, width: usize, bits: u32) -> Shares:
                    Verb::Permute { width }, a.len(), bits => blocks::shuffle::permute;

                /// The place of each of `rows` rows of bits, lowest bit first, when they are sorted: a
                /// permutation for [`Protocol::permute`]. Rows that are equal keep their order.
                places(a: &'a Shares, rows: usize, bits: u32) -> Shares:
                    Verb::Places { k: a.len() / rows.max(1) }, rows, bits => blocks::sort::places;
            }
        }
    };
}
pub(crate) use for_each_verb;

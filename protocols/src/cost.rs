//! What a call of a verb costs, as its scheme declares it.

use crate::Error;

/// A verb of the protocol trait with what its cost depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Sums and differences.
    Linear,
    /// Sums with clear numbers.
    AddClear,
    /// Products with clear numbers.
    MulClear,
    /// Sums along rows of `inner`, running sums if `prefix`.
    Sum {
        /** Elements of a row. */
        inner: usize,
        /** All partial sums. */
        prefix: bool,
    },
    /// Element-wise product.
    Mul,
    /// Sums of `inner` products.
    Dot {
        /** Products in a sum. */
        inner: usize,
    },
    /// Matrix product.
    MatMul {
        /** Rows of the left. */
        rows: usize,
        /** Columns of the left. */
        inner: usize,
        /** Columns of the right. */
        cols: usize,
    },
    /// Matrix product with a clear right operand.
    MatMulClear {
        /** Rows of the left. */
        rows: usize,
        /** Columns of the left. */
        inner: usize,
        /** Columns of the right. */
        cols: usize,
    },
    /// Products of matrices that are views.
    Contract {
        /** Number of products. */
        batch: usize,
        /** Rows of each left matrix. */
        rows: usize,
        /** Their columns. */
        inner: usize,
        /** Columns of each right matrix. */
        cols: usize,
    },
    /// Products of matrices that are views, one of them clear.
    ContractClear {
        /** Number of products. */
        batch: usize,
        /** Rows of each left matrix. */
        rows: usize,
        /** Their columns. */
        inner: usize,
        /** Columns of each right matrix. */
        cols: usize,
    },
    /// Products of matrices that are views, and rounding shift.
    ContractTrunc {
        /** Number of products. */
        batch: usize,
        /** Rows of each left matrix. */
        rows: usize,
        /** Their columns. */
        inner: usize,
        /** Columns of each right matrix. */
        cols: usize,
        /** Places. */
        shift: u32,
    },
    /// Choice by a secret bit.
    Select,
    /// Rounding shift in the mode of the session.
    Trunc {
        /** Places. */
        shift: u32,
    },
    /// Sums of products and rounding shift.
    DotTrunc {
        /** Products in a sum. */
        inner: usize,
        /** Places. */
        shift: u32,
    },
    /// Exact floor shift.
    ShiftRight {
        /** Places. */
        shift: u32,
    },
    /// Reduction modulo `2^k`.
    Wrap {
        /** Bits kept. */
        k: u32,
    },
    /// Sign.
    Ltz,
    /// Test for zero.
    Eqz,
    /// Comparison.
    Lt,
    /// Equality.
    Eq,
    /// Unit vectors of length `n`.
    OneHot {
        /** Length of a vector. */
        n: usize,
    },
    /// The low `k` bits.
    Decompose {
        /** Bits of a number. */
        k: u32,
    },
    /// Numbers from `k` bits.
    Compose {
        /** Bits of a number. */
        k: u32,
    },
    /// Numbers from single bits.
    FromBits,
    /// Uniform numbers of `k` bits with their bits.
    EdaBits {
        /** Bits of each. */
        k: u32,
        /** Whether the number is below `2^k`, not only equal to its bits modulo `2^k`. */
        exact: bool,
    },
    /// Two numbers of `k` bits whose difference a number is.
    Halves {
        /** Bits of each. */
        k: u32,
    },
    /// What belongs to a number beside its addends.
    Complete,
    /// Exclusive or of secret bits.
    Xor,
    /// Exclusive or of bits never both 1, and everything with clear bits.
    LinearBits,
    /// Conjunction of secret bits.
    And,
    /// Numbers into the sharing by `owner`.
    Share {
        /** Who has them. */
        owner: usize,
    },
    /// Bits into the sharing by `owner`.
    ShareBits {
        /** Who has them. */
        owner: usize,
    },
    /// Numbers to `to`, or to all.
    Open {
        /** Who learns them; all if `None`. */
        to: Option<usize>,
    },
    /// Bits to `to`, or to all.
    OpenBits {
        /** Who learns them; all if `None`. */
        to: Option<usize>,
    },
    /// Numbers of up to 255 bits to all.
    OpenWide,
    /// Numbers known to be bits as bits.
    AsBits,
    /// Uniform numbers.
    Random,
    /// Numbers that hide others.
    Mask,
    /// Uniform bits.
    RandomBits,
    /// Rows in random order.
    Shuffle {
        /** Elements of a row. */
        width: usize,
    },
    /// Rows in a secret order.
    Permute {
        /** Elements of a row. */
        width: usize,
    },
    /// Where rows go when they are sorted.
    Places {
        /** Bits of a row. */
        k: usize,
    },
}

impl Verb {
    /// Whether its result is bits.
    pub fn gives_bits(self) -> bool {
        use Verb::*;
        let of_numbers =
            matches!(self, Ltz | Eqz | Lt | Eq | OneHot { .. } | Decompose { .. } | Halves { .. });
        let of_bits =
            matches!(self, Xor | LinearBits | And | ShareBits { .. } | AsBits | RandomBits);
        of_numbers || of_bits
    }
}

/// A call: the verb, how many elements its result has (rows × width for permutations), and the bound
/// in bits of the result, or of the operand where the verb's doc says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The verb.
    pub verb: Verb,
    /// Elements.
    pub len: usize,
    /// Bound in bits.
    pub bits: u32,
    /// Elements of the whole vector if this is a tile of it, otherwise 0.
    pub whole: usize,
}

/// Frames and payload bytes that one party sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Frames.
    pub messages: u64,
    /// Payload, without frame headers.
    pub payload_bytes: u64,
}

impl std::ops::Add for Sent {
    type Output = Sent;
    fn add(self, other: Sent) -> Sent {
        Sent {
            messages: self.messages + other.messages,
            payload_bytes: self.payload_bytes + other.payload_bytes,
        }
    }
}

/// Rounds, and what each party sends: in the phase of the step that makes the call, and in the
/// preprocessing that the call asks for beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Rounds.
    pub rounds: u32,
    /// By party.
    pub sent: Vec<Sent>,
    /// Rounds of the preprocessing.
    pub preprocessing_rounds: u32,
    /// By party, in the preprocessing.
    pub preprocessing: Vec<Sent>,
}

impl Cost {
    /// Nothing is sent.
    pub fn local(parties: usize) -> Cost {
        let nothing = vec![Sent::default(); parties];
        Cost { sent: nothing.clone(), preprocessing: nothing, ..Cost::default() }
    }

    /// `rounds` rounds in which each party sends `messages` frames with `payload_bytes` in all.
    pub fn each(parties: usize, rounds: u32, messages: u64, payload_bytes: usize) -> Cost {
        let sent = Sent { messages, payload_bytes: payload_bytes as u64 };
        Cost { rounds, sent: vec![sent; parties], ..Cost::local(parties) }
    }

    /// One round in which `party` alone sends `messages` frames with `payload_bytes` in all.
    pub fn by(party: usize, parties: usize, messages: u64, payload_bytes: usize) -> Cost {
        let mut cost = Cost::local(parties);
        cost.rounds = 1;
        cost.sent[party] = Sent { messages, payload_bytes: payload_bytes as u64 };
        cost
    }

    /// A further frame of `party` in the rounds that there are.
    pub fn add(&mut self, party: usize, payload_bytes: usize) {
        let frame = Sent { messages: 1, payload_bytes: payload_bytes as u64 };
        self.sent[party] = self.sent[party] + frame;
    }

    /// The same, all of it in the preprocessing.
    #[must_use]
    pub fn ahead(self) -> Cost {
        let nothing = Cost::local(self.sent.len());
        let all = nothing.joined(&self, self.rounds.max(self.preprocessing_rounds));
        let sent = all.sent.iter().zip(&all.preprocessing).map(|(&a, &b)| a + b).collect();
        let preprocessing_rounds = all.rounds;
        Cost { preprocessing_rounds, preprocessing: sent, ..Cost::local(self.sent.len()) }
    }

    fn joined(mut self, other: &Cost, rounds: u32) -> Cost {
        self.rounds = rounds;
        self.preprocessing_rounds = self.preprocessing_rounds.max(other.preprocessing_rounds);
        self.sent.iter_mut().zip(&other.sent).for_each(|(a, &b)| *a = *a + b);
        let ahead = self.preprocessing.iter_mut().zip(&other.preprocessing);
        ahead.for_each(|(a, &b)| *a = *a + b);
        self
    }

    /// One after the other.
    #[must_use]
    pub fn then(self, other: &Cost) -> Cost {
        let rounds = self.rounds + other.rounds;
        self.joined(other, rounds)
    }

    /// Side by side.
    #[must_use]
    pub fn beside(self, other: &Cost) -> Cost {
        let rounds = self.rounds.max(other.rounds);
        self.joined(other, rounds)
    }
}

/// How a program's fixed-point products are scaled back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Truncation {
    /// Equal to the clear emulator, bit for bit.
    #[default]
    Exact,
    /// At most one unit in the last place off, never more.
    Probabilistic,
    /// The cheapest known; grossly wrong with a small probability that is printed before the run.
    Fast,
}

impl std::str::FromStr for Truncation {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "exact" => Ok(Truncation::Exact),
            "probabilistic" => Ok(Truncation::Probabilistic),
            "fast" => Ok(Truncation::Fast),
            other => Err(Error::Program(format!(
                "no truncation `{other}`; there are exact, probabilistic and fast"
            ))),
        }
    }
}

impl std::fmt::Display for Truncation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Truncation::Exact => "exact",
            Truncation::Probabilistic => "probabilistic",
            Truncation::Fast => "fast",
        })
    }
}

/// What comparisons are to have little of, where a protocol has the choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Rounds.
    Rounds,
    /// Bytes.
    Bytes,
    /// Bytes from so many numbers on, otherwise rounds; which is best depends on the network.
    From(usize),
}

/// Rounds at any length, until somebody knows the network.
impl Default for Comparison {
    fn default() -> Comparison {
        Comparison::From(usize::MAX)
    }
}

impl std::str::FromStr for Comparison {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "auto" => Ok(Comparison::default()),
            "rounds" => Ok(Comparison::Rounds),
            "bytes" => Ok(Comparison::Bytes),
            other => Err(Error::Program(format!(
                "no form of comparison `{other}`; there are auto, rounds and bytes"
            ))),
        }
    }
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Comparison::Rounds => "rounds",
            Comparison::Bytes => "bytes",
            Comparison::From(_) => "auto",
        })
    }
}

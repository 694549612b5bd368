//! The instruction table: the one place where an instruction is declared.

/// Calls `$callback!` with every instruction of the machine, by family.
///
/// A line reads
///
/// ```text
/// /// What it does.
/// 0x40 many muls = MulSecret { dst: Write<S>, a: Read<S>, b: Read<S>, bits: Bits }
///  |    |    |       |          operands
///  |    |    |       group struct and enum variant
///  |    |    mnemonic and method name
///  |    `many`: a variadic list of groups, all in one round; `once`: exactly one
///  opcode
/// ```
///
/// Mnemonics: a family word and letters for the banks: `s` secret numbers, `c` clear numbers, `sb`
/// secret bits, `cb` clear bits, `m` mixed (secret and clear), `r` machine integers, `i` immediate.
///
/// Conventions. Element-wise operands have the length of `dst` or length 1. Within one instruction
/// all reads come before all writes, and no two groups write the same register. `bits` is the bound
/// of the result unless said otherwise: a value `x` of `b` bits has `-2^(b-1) <= x < 2^(b-1)`.
#[macro_export]
macro_rules! for_each_instruction {
    ($callback:ident) => {
        $callback! {
            /// Order of execution. It depends on machine integers and clear bits only.
            Control {
                /// Goes on at `target`.
                0x01 once jump = Jump { target: Target }
                /// Goes on at `target` if `a < b`.
                0x02 once jlt = JumpLess { a: ReadR, b: ReadR, target: Target }
                /// Goes on at `target` if the one clear bit `cond` is 0. Waits for it.
                0x03 once jumpz = JumpZero { cond: Read<CB>, target: Target }
                /// Ends the entry.
                0x04 once halt = Halt {}
            }
            /// Machine integers (64 bits, wrapping): loop counters and addresses.
            Integer {
                /// `dst = value`.
                0x08 once ldr = LoadInt { dst: WriteR, value: Imm }
                /// `dst = a + b`.
                0x09 once addr = AddInt { dst: WriteR, a: ReadR, b: ReadR }
                /// `dst = a + value`.
                0x0a once addri = AddIntImm { dst: WriteR, a: ReadR, value: Imm }
                /// `dst = a * value`.
                0x0b once mulri = MulIntImm { dst: WriteR, a: ReadR, value: Imm }
                /// `dst = a[0]`; an error unless `0 <= a[0] < bound`. Waits for it.
                0x0c once rfromc = IntFromClear { dst: WriteR, a: Read<C>, bound: Count }
                /// `dst[0] = a`.
                0x0d many cfromr = ClearFromInt { dst: Write<C>, a: ReadR }
            }
            /// Clear numbers, 128-bit signed; also private ones, which only their owner has.
            Clear {
                /// `dst[i] = value`.
                0x10 many ldc = LoadClear { dst: Write<C>, value: Wide }
                /// `dst[i] = pool[i]`: constants of the file.
                0x11 many ldpool = LoadPool { dst: Write<C>, pool: Pool }
                /// `dst[i] = a[i]`.
                0x12 many movc = MoveClear { dst: Write<C>, a: Read<C> }
                /// `dst[i] = a[offset + i·strides]`, `i` over `dims`, last fastest.
                0x13 many viewc = ViewClear { dst: Write<C>, a: Read<C>, offset: Imm, dims: Dims }
                /// `dst[i] = a[i] + b[i]`.
                0x14 many addc = AddClear { dst: Write<C>, a: Read<C>, b: Read<C> }
                /// `dst[i] = a[i] - b[i]`.
                0x15 many subc = SubClear { dst: Write<C>, a: Read<C>, b: Read<C> }
                /// `dst[i] = a[i] * b[i]`.
                0x16 many mulc = MulClear { dst: Write<C>, a: Read<C>, b: Read<C> }
                /// `dst[i] = floor(a[i] / b[i])`; an error if `b[i]` is 0.
                0x17 many divc = DivClear { dst: Write<C>, a: Read<C>, b: Read<C> }
                /// `dst[i] = a[i] - b[i]·floor(a[i] / b[i])`; an error if `b[i]` is 0.
                0x18 many modc = ModClear { dst: Write<C>, a: Read<C>, b: Read<C> }
                /// `dst[i] = -a[i]`.
                0x19 many negc = NegClear { dst: Write<C>, a: Read<C> }
                /// `dst[i] = floor((a[i] + 2^(shift-1)) / 2^shift)`: nearest, halves up.
                0x1a many truncc = TruncClear { dst: Write<C>, a: Read<C>, shift: Bits }
                /// `dst[i] = floor(a[i] / 2^shift)`.
                0x1b many shrc = ShiftClear { dst: Write<C>, a: Read<C>, shift: Bits }
                /// `dst[i]` = the value in `[-2^(k-1), 2^(k-1))` that equals `a[i]` modulo `2^k`.
                0x1c many wrapc = WrapClear { dst: Write<C>, a: Read<C>, k: Bits }
                /// `dst[i] = cond[i] ? a[i] : b[i]`.
                0x1d many selectc = SelectClear { dst: Write<C>, cond: Read<CB>, a: Read<C>, b: Read<C> }
                /// `dst[i] = Σ_j a[i·inner + j]`.
                0x1e many sumc = SumClear { dst: Write<C>, a: Read<C>, inner: Count }
                /// Running sums within rows: `dst[i·inner + j] = Σ_{l<=j} a[i·inner + l]`.
                0x1f many prefixc = PrefixClear { dst: Write<C>, a: Read<C>, inner: Count }
                /// `dst[i] = Σ_j a[i·inner + j]·b[i·inner + j]`.
                0x20 many dotc = DotClear { dst: Write<C>, a: Read<C>, b: Read<C>, inner: Count }
                /// `dst = a·b`, row-major, `a` rows×inner, `b` inner×cols.
                0x21 many matmulc = MatMulClear { dst: Write<C>, a: Read<C>, b: Read<C>, rows: Count, inner: Count, cols: Count }
                /// Rows of `width`: `dst[i] = a[index[i]]`; an error if an index is out of range.
                0x22 many gatherc = GatherClear { dst: Write<C>, a: Read<C>, index: Read<C>, width: Count }
                /// Rows of `width`: `dst[index[i]] = a[i]`; an error unless `index` is a permutation.
                0x23 many scatterc = ScatterClear { dst: Write<C>, a: Read<C>, index: Read<C>, width: Count }
                /// `dst[i] = a[i]`, 0 or 1.
                0x24 many fromcb = ClearFromBits { dst: Write<C>, a: Read<CB> }
                /// `dst[i] = Σ_j 2^j·a[i·k + j]`, the top bit negative if `signed` is 1.
                0x25 many composec = ComposeClear { dst: Write<C>, a: Read<CB>, k: Bits, signed: Imm }
                /// `dst[offset + i·strides] = a[i]`, `i` over `dims`, last fastest; 0 elsewhere.
                0x26 many spreadc = SpreadClear { dst: Write<C>, a: Read<C>, offset: Imm, dims: Dims }
                /// `batch` products of matrices rows×inner and inner×cols, row-major: those that the views `left`
                /// of `a` and `right` of `b` list, from the first register on.
                0x27 many contractc = ContractClear { dst: Write<C>, a: Read<C>, b: Read<C>, batch: Count, rows: Count, inner: Count, cols: Count, left: Dims, right: Dims }
            }
            /// Clear bits.
            ClearBits {
                /// `dst[i] = value`, 0 or 1.
                0x30 many ldcb = LoadBits { dst: Write<CB>, value: Imm }
                /// `dst[i] = a[i]`.
                0x31 many movcb = MoveBits { dst: Write<CB>, a: Read<CB> }
                /// `dst[i] = a[offset + i·strides]`, `i` over `dims`, last fastest.
                0x32 many viewcb = ViewBits { dst: Write<CB>, a: Read<CB>, offset: Imm, dims: Dims }
                /// `dst[i] = a[i] ∧ b[i]`.
                0x33 many andcb = AndBits { dst: Write<CB>, a: Read<CB>, b: Read<CB> }
                /// `dst[i] = a[i] ⊕ b[i]`.
                0x34 many xorcb = XorBits { dst: Write<CB>, a: Read<CB>, b: Read<CB> }
                /// `dst[i] = ¬a[i]`.
                0x35 many notcb = NotBits { dst: Write<CB>, a: Read<CB> }
                /// `dst[i] = cond[i] ? a[i] : b[i]`.
                0x36 many selectcb = SelectBits { dst: Write<CB>, cond: Read<CB>, a: Read<CB>, b: Read<CB> }
                /// `dst[i] = a[i] < b[i]`.
                0x37 many ltc = LessClear { dst: Write<CB>, a: Read<C>, b: Read<C> }
                /// `dst[i] = (a[i] = b[i])`.
                0x38 many eqc = EqualClear { dst: Write<CB>, a: Read<C>, b: Read<C> }
                /// `dst[i·k + j]` = bit `j` of `a[i]` in two's complement.
                0x39 many bitsc = DecomposeClear { dst: Write<CB>, a: Read<C>, k: Bits }
                /// `dst[i·n + j] = (a[i] = j)`.
                0x3a many onehotc = OneHotClear { dst: Write<CB>, a: Read<C>, n: Count }
            }
            /// Secret numbers, linear: local in arithmetic schemes, circuits in binary ones.
            Linear {
                /// `dst[i] = a[i]`: a public number as a share.
                0x40 many lds = LoadSecret { dst: Write<S>, a: Read<C>, bits: Bits }
                /// `dst[i] = a[i]`.
                0x41 many movs = MoveSecret { dst: Write<S>, a: Read<S> }
                /// `dst[i] = a[offset + i·strides]`, `i` over `dims`, last fastest.
                0x42 many views = ViewSecret { dst: Write<S>, a: Read<S>, offset: Imm, dims: Dims }
                /// `dst[i] = a[i] + b[i]`.
                0x43 many adds = AddSecret { dst: Write<S>, a: Read<S>, b: Read<S>, bits: Bits }
                /// `dst[i] = a[i] - b[i]`.
                0x44 many subs = SubSecret { dst: Write<S>, a: Read<S>, b: Read<S>, bits: Bits }
                /// `dst[i] = -a[i]`.
                0x45 many negs = NegSecret { dst: Write<S>, a: Read<S>, bits: Bits }
                /// `dst[i] = a[i] + b[i]`, `b` clear.
                0x46 many addm = AddMixed { dst: Write<S>, a: Read<S>, b: Read<C>, bits: Bits }
                /// `dst[i] = b[i] - a[i]`, `b` clear.
                0x47 many submr = SubMixedReverse { dst: Write<S>, a: Read<S>, b: Read<C>, bits: Bits }
                /// `dst[i] = a[i]·b[i]`, `b` clear.
                0x48 many mulm = MulMixed { dst: Write<S>, a: Read<S>, b: Read<C>, bits: Bits }
                /// `dst[i] = Σ_j a[i·inner + j]`.
                0x49 many sums = SumSecret { dst: Write<S>, a: Read<S>, inner: Count, bits: Bits }
                /// Running sums within rows: `dst[i·inner + j] = Σ_{l<=j} a[i·inner + l]`.
                0x4a many prefixs = PrefixSecret { dst: Write<S>, a: Read<S>, inner: Count, bits: Bits }
                /// `dst[i] = Σ_j a[i·inner + j]·b[i·inner + j]`, `b` clear.
                0x4b many dotm = DotMixed { dst: Write<S>, a: Read<S>, b: Read<C>, inner: Count, bits: Bits }
                /// `dst = a·b`, row-major, `a` rows×inner secret, `b` inner×cols clear.
                0x4c many matmulsc = MatMulSecretClear { dst: Write<S>, a: Read<S>, b: Read<C>, rows: Count, inner: Count, cols: Count, bits: Bits }
                /// `dst = a·b`, row-major, `a` rows×inner clear, `b` inner×cols secret.
                0x4d many matmulcs = MatMulClearSecret { dst: Write<S>, a: Read<C>, b: Read<S>, rows: Count, inner: Count, cols: Count, bits: Bits }
                /// Rows of `width`: `dst[i] = a[index[i]]`; an error if an index is out of range.
                0x4e many gathers = GatherSecret { dst: Write<S>, a: Read<S>, index: Read<C>, width: Count }
                /// Rows of `width`: `dst[index[i]] = a[i]`; an error unless `index` is a permutation.
                0x4f many scatters = ScatterSecret { dst: Write<S>, a: Read<S>, index: Read<C>, width: Count }
            }
            /// Secret numbers, with communication.
            Multiply {
                /// `dst[i] = a[i]·b[i]`.
                0x50 many muls = MulSecret { dst: Write<S>, a: Read<S>, b: Read<S>, bits: Bits }
                /// `dst[i] = Σ_j a[i·inner + j]·b[i·inner + j]`.
                0x51 many dots = DotSecret { dst: Write<S>, a: Read<S>, b: Read<S>, inner: Count, bits: Bits }
                /// `dst = a·b`, row-major, `a` rows×inner, `b` inner×cols.
                0x52 many matmul = MatMulSecret { dst: Write<S>, a: Read<S>, b: Read<S>, rows: Count, inner: Count, cols: Count, bits: Bits }
                /// `dst[i] = cond[i] ? a[i] : b[i]`.
                0x53 many selects = SelectSecret { dst: Write<S>, cond: Read<SB>, a: Read<S>, b: Read<S>, bits: Bits }
                /// `dst[i] = floor((a[i] + 2^(shift-1)) / 2^shift)`: nearest, in the truncation mode of the
                /// session. `bits` bounds `a`.
                0x54 many trunc = TruncSecret { dst: Write<S>, a: Read<S>, bits: Bits, shift: Bits }
                /// `dst[i] = floor(a[i] / 2^shift)`, always exact. `bits` bounds `a`.
                0x55 many shrs = ShiftSecret { dst: Write<S>, a: Read<S>, bits: Bits, shift: Bits }
                /// `dst[i]` = the value in `[-2^(k-1), 2^(k-1))` that equals `a[i]` modulo `2^k`. `bits`
                /// bounds `a`.
                0x56 many wraps = WrapSecret { dst: Write<S>, a: Read<S>, bits: Bits, k: Bits }
            }
            /// From secret numbers to secret bits and back.
            Convert {
                /// `dst[i] = a[i] < 0`. `bits` bounds `a`.
                0x60 many ltz = LessZero { dst: Write<SB>, a: Read<S>, bits: Bits }
                /// `dst[i] = (a[i] = 0)`. `bits` bounds `a`.
                0x61 many eqz = EqualZero { dst: Write<SB>, a: Read<S>, bits: Bits }
                /// `dst[i] = a[i] < b[i]`. `bits` bounds `a` and `b` (not their difference).
                0x62 many lts = LessSecret { dst: Write<SB>, a: Read<S>, b: Read<S>, bits: Bits }
                /// `dst[i] = (a[i] = b[i])`. `bits` bounds `a` and `b` (not their difference).
                0x63 many eqs = EqualSecret { dst: Write<SB>, a: Read<S>, b: Read<S>, bits: Bits }
                /// `dst[i·n + j] = (a[i] = j)`; all zero if `a[i]` is outside `[0, n)`. `bits` bounds `a`.
                0x64 many onehots = OneHotSecret { dst: Write<SB>, a: Read<S>, n: Count, bits: Bits }
                /// `dst[i·k + j]` = bit `j` of `a[i]` in two's complement. `bits` bounds `a`.
                0x65 many bits = DecomposeSecret { dst: Write<SB>, a: Read<S>, k: Bits, bits: Bits }
                /// `dst[i] = Σ_j 2^j·a[i·k + j]`, the top bit negative if `signed` is 1.
                0x66 many compose = ComposeSecret { dst: Write<S>, a: Read<SB>, k: Bits, signed: Imm }
                /// `dst[i] = a[i]`, 0 or 1.
                0x67 many fromsb = SecretFromBits { dst: Write<S>, a: Read<SB> }
            }
            /// Secret bits.
            SecretBits {
                /// `dst[i] = a[i]`: a public bit as a share.
                0x70 many ldsb = LoadSecretBits { dst: Write<SB>, a: Read<CB> }
                /// `dst[i] = a[i]`.
                0x71 many movsb = MoveSecretBits { dst: Write<SB>, a: Read<SB> }
                /// `dst[i] = a[offset + i·strides]`, `i` over `dims`, last fastest.
                0x72 many viewsb = ViewSecretBits { dst: Write<SB>, a: Read<SB>, offset: Imm, dims: Dims }
                /// `dst[i] = a[i] ∧ b[i]`.
                0x73 many ands = AndSecret { dst: Write<SB>, a: Read<SB>, b: Read<SB> }
                /// `dst[i] = a[i] ⊕ b[i]`.
                0x74 many xors = XorSecret { dst: Write<SB>, a: Read<SB>, b: Read<SB> }
                /// `dst[i] = ¬a[i]`.
                0x75 many nots = NotSecret { dst: Write<SB>, a: Read<SB> }
                /// `dst[i] = a[i] ∧ b[i]`, `b` clear.
                0x76 many andm = AndMixed { dst: Write<SB>, a: Read<SB>, b: Read<CB> }
                /// `dst[i] = a[i] ⊕ b[i]`, `b` clear.
                0x77 many xorm = XorMixed { dst: Write<SB>, a: Read<SB>, b: Read<CB> }
                /// `dst[i] = cond[i] ? a[i] : b[i]`.
                0x78 many selectsb = SelectSecretBits { dst: Write<SB>, cond: Read<SB>, a: Read<SB>, b: Read<SB> }
                /// Rows of bits: `dst[i]` = the outputs of circuit `id` for the inputs `a[i]`.
                0x79 many circuit = EvaluateCircuit { dst: Write<SB>, a: Read<SB>, rows: Count, id: Id }
            }
            /// Secret randomness and permutations.
            Random {
                /// `dst[i]` uniform in `[0, 2^bits)`.
                0x80 many rands = RandomSecret { dst: Write<S>, bits: Bits }
                /// `dst[i]` a uniform bit.
                0x81 many randsb = RandomBits { dst: Write<SB> }
                /// `dst` = `rows` rows of `width`, in a uniformly random secret order.
                0x82 many shuffle = Shuffle { dst: Write<S>, a: Read<S>, rows: Count, width: Count, bits: Bits }
                /// Rows of `width`: `dst[perm[i]] = a[i]`, `perm` a secret permutation of `0..rows`.
                0x83 many permute = Permute { dst: Write<S>, a: Read<S>, perm: Read<S>, rows: Count, width: Count, bits: Bits }
                /// `dst[i]` = the place of row `i` of `width` bits, lowest first, when the rows are sorted; equal
                /// ones keep their order. `bits` bounds `dst`.
                0x84 many places = Places { dst: Write<S>, a: Read<SB>, width: Count, bits: Bits }
            }
            /// From secret to clear. Everything a party learns passes here.
            Opening {
                /// `dst[i] = a[i]`, at every party.
                0x88 many open = Open { dst: Write<C>, a: Read<S>, bits: Bits }
                /// `dst[i] = a[i]`, at every party.
                0x89 many opensb = OpenBits { dst: Write<CB>, a: Read<SB> }
                /// `dst[i] = a[i]`, at the party that plays `role` only.
                0x8a many opento = OpenTo { dst: Write<C>, a: Read<S>, role: Id, bits: Bits }
                /// `dst[i] = a[i]`, at the party that plays `role` only.
                0x8b many opentosb = OpenBitsTo { dst: Write<CB>, a: Read<SB>, role: Id }
            }
            /// Inputs, outputs and state.
            Io {
                /// `dst` = input `id` of the manifest, private to its role.
                0x90 many input = Input { dst: Write<C>, id: Id }
                /// `dst` = input `id` of the manifest, private to its role.
                0x91 many inputcb = InputBits { dst: Write<CB>, id: Id }
                /// `dst[i]` = share of `a[i]`, which the party that plays `role` has.
                0x92 many share = Share { dst: Write<S>, a: Read<C>, role: Id, bits: Bits }
                /// `dst[i]` = share of `a[i]`, which the party that plays `role` has.
                0x93 many sharesb = ShareBits { dst: Write<SB>, a: Read<CB>, role: Id }
                /// `dst[i] = a[i]`, told to all by the party that plays `role`.
                0x94 many publish = Publish { dst: Write<C>, a: Read<C>, role: Id, bits: Bits }
                /// `dst[i] = a[i]`, told to all by the party that plays `role`.
                0x95 many publishcb = PublishBits { dst: Write<CB>, a: Read<CB>, role: Id }
                /// Hands `a` out as output `id`, at the parties that have it.
                0x96 many output = Output { id: Id, a: Read<C> }
                /// Hands `a` out as output `id`, at the parties that have it.
                0x97 many outputcb = OutputBits { id: Id, a: Read<CB> }
                /// `dst` = state `id`.
                0x98 many ldstate = LoadState { dst: Write<S>, id: Id }
                /// State `id` = `a`.
                0x99 many ststate = StoreState { id: Id, a: Read<S> }
                /// `dst` = state `id`.
                0x9a many ldstatesb = LoadStateBits { dst: Write<SB>, id: Id }
                /// State `id` = `a`.
                0x9b many ststatesb = StoreStateBits { id: Id, a: Read<SB> }
            }
            /// Views of secret numbers, as operands and as results.
            Views {
                /// `batch` products of matrices rows×inner and inner×cols, row-major: those that the views `left`
                /// of `a` and `right` of `b` list, from the first register on.
                0xa0 many contract = Contract { dst: Write<S>, a: Read<S>, b: Read<S>, batch: Count, rows: Count, inner: Count, cols: Count, left: Dims, right: Dims, bits: Bits }
                /// As `contract`, `a` secret, `b` clear.
                0xa1 many contractsc = ContractSecretClear { dst: Write<S>, a: Read<S>, b: Read<C>, batch: Count, rows: Count, inner: Count, cols: Count, left: Dims, right: Dims, bits: Bits }
                /// As `contract`, `a` clear, `b` secret.
                0xa2 many contractcs = ContractClearSecret { dst: Write<S>, a: Read<C>, b: Read<S>, batch: Count, rows: Count, inner: Count, cols: Count, left: Dims, right: Dims, bits: Bits }
                /// `dst[offset + i·strides] = a[i]`, `i` over `dims`, last fastest; 0 elsewhere.
                0xa3 many spreads = SpreadSecret { dst: Write<S>, a: Read<S>, offset: Imm, dims: Dims }
            }
        }
    };
}

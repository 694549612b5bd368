//! Small programs that together make every protocol send every message it has.
//!
//! Role `c` is the cheat. It owns inputs in one program only, which outputs them under their names.

use crate::programs::from_source;
use crate::session::Case;

/// A program with its inputs.
pub struct Trial {
    /// Its name.
    pub name: &'static str,
    /// Program and inputs.
    pub case: Case,
}

/// All of them.
pub fn all() -> Vec<Trial> {
    let trial = |&(name, text, inputs): &(&'static str, &str, &[&[i128]])| {
        let inputs = inputs.iter().map(|values| values.to_vec()).collect();
        Trial { name, case: Case { program: from_source(text), inputs } }
    };
    TRIALS.iter().map(trial).collect()
}

const TRIALS: &[(&str, &str, &[&[i128]])] = &[
    (
        "arithmetic",
        "role a, b, c;
         input x: secret int<16>[5] from a;
         input y: secret int<16>[5] from b;
         input m: secret int<16>[2, 3] from a;
         let u = int<40>(x);
         let v = int<40>(y);
         let p = u * v;
         output p to all as \"products\";
         output dot(u, v) to all as \"dot\";
         output matmul(int<40>(m), transpose(int<40>(m))) to all as \"matrix\";
         output sum(x) to all as \"sum\";
         output p - 3 * v to a as \"to_a\";
         output p + 1 to c as \"to_c\";
         output p * reveal(v)[0] to b as \"to_b\";",
        &[&[7, -8, 900, 0, -1], &[3, 5, -700, 11, 1], &[1, 2, 3, -4, 5, -6]],
    ),
    (
        "comparisons",
        "role a, b, c;
         input x: secret int<16>[4] from a;
         input y: secret int<16>[4] from b;
         input s: secret bool[70] from a;
         input t: secret bool[70] from b;
         output x < y to all as \"less\";
         output x == y to all as \"equal\";
         output max(x) to all as \"max\";
         output select(s[0], x, y) to all as \"select\";
         output s & t to all as \"and\";
         output s | t to b as \"or_to_b\";
         output s ^ t to c as \"xor_to_c\";",
        &[
            &[5, -6, 7, 32767],
            &[5, 6, -7, -32768],
            &[
                1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1,
                0, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 1, 1,
                0, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1, 1, 0, 1,
            ],
            &[
                0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 0, 1, 1, 0, 1, 0, 1,
                0, 1, 0, 1, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 1, 0,
                1, 0, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1,
            ],
        ],
    ),
    (
        "bits",
        "role a, b, c;
         input x: secret int<16>[3] from a;
         input y: secret int<16>[3] from b;
         let w = bits(x, 8);
         output w to all as \"bits\";
         output compose(w) to all as \"compose\";
         output wrap<8>(x) & wrap<8>(y) to all as \"both\";
         output one_hot(y[0], 4) to all as \"one_hot\";
         output x / 4 to all as \"quarter\";
         output y % 4 to all as \"rest\";
         output x >> 2 to b as \"shifted\";
         output select(x > 0, int<16>(1), 0) to a as \"number\";",
        &[&[100, -77, 5], &[3, 300, -9]],
    ),
    (
        "fixed",
        "role a, b, c;
         input x: secret fix[2, 2] from a;
         input y: secret fix[2, 2] from b;
         input i: secret int<16>[2] from b;
         output x * y to all as \"products\";
         output matmul(x, y) to all as \"matrix\";
         output x * 0.3 to all as \"scaled\";
         output int(x) to all as \"floor\";
         output fix(i) to all as \"as_fix\";
         output x[0] / 3 to b as \"third\";",
        &[&[98304, -147456, 65536, 3], &[-70000, 1, 655360, -65536], &[5, -6]],
    ),
    (
        "order",
        "use stdlib::order::{sort};
         role a, b, c;
         input x: secret int<16>[4] from a;
         input q: secret int<16>[4] from b;
         output sum(shuffle(x)) to all as \"shuffled\";
         output permute(x, q) to all as \"permuted\";
         output sort(x) to all as \"sorted\";
         let r = random_int(8, [3]);
         output r >= 0 to all as \"random\";
         let t = random_bits([70]);
         output t & !t to all as \"coins\";",
        &[&[9, -5, 300, 9], &[2, 0, 3, 1]],
    ),
    (
        "inputs",
        "role a, b, c;
         input p: secret int<16>[3] from c;
         input q: secret bool[3] from c;
         input f: secret fix<16, 4>[2] from c;
         input y: secret int<16>[3] from a;
         output p to all as \"p\";
         output q to all as \"q\";
         output f to all as \"f\";
         output y to all as \"y\";
         output int<40>(p) * int<40>(y) to all as \"products\";
         output p < y to all as \"less\";
         output select(q, p, y) to all as \"select\";
         output select(f > 0, f, 0) to b as \"to_b\";",
        &[&[12, -3, 400], &[1, 0, 1], &[17, -90], &[100, -4, 400]],
    ),
];

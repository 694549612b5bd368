//! Long arrays are what plain arrays are, whatever is read and written where.

use mpc_tests::programs::from_source;
use mpc_tests::seed::{self, Rng};
use mpc_tests::session::{Case, Under, covering};

const PROGRAM: &str = "use stdlib::memory;
role a;
input x: secret int<32>[N] from a;
input place: secret int<16>[BATCHES, T] from a;
input value: secret int<32>[BATCHES, T] from a;
input writes: secret bool[BATCHES, T] from a;
var square = memory::to_square(x);
var found = zeros(int<32>[BATCHES, T]);
for batch in 0..BATCHES {
    var rows = zeros(int<2>[T, shape(square)[0]]);
    var changes = zeros(int<33>[T, shape(square)[1]]);
    for t in 0..T {
        let (old, row, change) = memory::exchange(
            square, rows, changes, place[batch, t], value[batch, t], writes[batch, t]);
        found[batch, t] = old;
        rows[t] = row;
        changes[t] = change;
    }
    square = memory::settled(square, rows, changes);
}
output found to all as \"found\";
output reshape(square, [-1])[0..N] to all as \"array\";
";

/// Reads and writes at random places, few enough that they meet; and what must come out.
fn accesses(rng: &mut Rng, n: usize, batches: usize, t: usize) -> (Case, [Vec<i128>; 2]) {
    let constants = format!("const N: int = {n};\nconst BATCHES: int = {batches};\n");
    let program = from_source(&format!("{constants}const T: int = {t};\n{PROGRAM}"));
    let count = batches * t;
    let mut numbers = |len: usize| (0..len).map(|_| rng.signed(32)).collect::<Vec<_>>();
    let (x, values) = (numbers(n), numbers(count));
    let few: Vec<usize> = (0..3).map(|_| rng.below(n as u64) as usize).collect();
    let mut place = |_| match rng.below(2) {
        0 => few[rng.below(3) as usize],
        _ => rng.below(n as u64) as usize,
    };
    let places: Vec<usize> = (0..count).map(&mut place).collect();
    let writes: Vec<i128> = (0..count).map(|_| i128::from(rng.below(2))).collect();
    let (mut array, mut found) = (x.clone(), vec![]);
    for ((&place, &value), &write) in places.iter().zip(&values).zip(&writes) {
        found.push(array[place]);
        if write == 1 {
            array[place] = value;
        }
    }
    let places = places.iter().map(|&place| place as i128).collect();
    (Case { program, inputs: vec![x, places, values, writes] }, [found, array])
}

#[test]
fn long_arrays_are_arrays_under_every_protocol() {
    for seed in seed::cases(1, 7) {
        let mut rng = Rng::new(seed);
        for (n, batches, t) in [(1, 2, 2), (2, 2, 3), (7, 1, 5), (1000, 3, 9), (5000, 2, 20)] {
            let (case, expected) = accesses(&mut rng, n, batches, t);
            let outputs: Vec<_> = case.emulate("main").unwrap().into_iter().map(|o| o.1).collect();
            assert_eq!(outputs, expected, "{n} elements");
            if n <= 7 {
                let protocols = covering(n as u64, 2);
                protocols.into_iter().for_each(|under| case.check(under, "main").unwrap());
            }
        }
    }
}

#[test]
fn long_arrays_are_arrays_under_replicated_sharing() {
    for seed in seed::cases(1, 8) {
        let (case, _) = accesses(&mut Rng::new(seed), 300, 3, 12);
        case.check(Under::named("rep3-ring", 3), "main").unwrap();
    }
}

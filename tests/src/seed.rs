//! The one source of randomness of tests: `SEED=… cargo test …` replays a failure.

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct Rng(u64);

/// First seeds of `count` cases: `default`, `default + 1`, …; with `SEED` in the environment only that.
pub fn cases(count: u64, default: u64) -> impl Iterator<Item = u64> {
    let given = std::env::var("SEED").ok().map(|text| text.parse().expect("SEED is a number"));
    let (first, count) = given.map_or((default, count), |seed| (seed, 1));
    (0..count).map(move |i| first.wrapping_add(i)).inspect(|seed| println!("SEED={seed}"))
}

impl Rng {
    /// The generator of that seed.
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// 64 random bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.word() % n
    }

    /// One of the items.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// A signed number of `bits` bits; extremes, 0 and ±1 are frequent.
    pub fn signed(&mut self, bits: u32) -> i128 {
        let low = -1_i128 << (bits - 1);
        match self.below(8) {
            0 => low,
            1 => -1 - low,
            2 => *self.pick(&[0, -1]),
            3 if bits > 1 => 1,
            _ => {
                let wide = i128::from(self.word()) << 64 | i128::from(self.word());
                wide << (128 - bits) >> (128 - bits)
            }
        }
    }

    /// `0..n` in random order.
    pub fn permutation(&mut self, n: usize) -> Vec<i128> {
        let mut order: Vec<i128> = (0..n as i128).collect();
        (1..n).rev().for_each(|i| order.swap(i, self.below(i as u64 + 1) as usize));
        order
    }
}

//! Verifies products of bits, all at once: a check of n products takes a fixed number of rounds and
//! messages of O(n^(2/3)) bytes.
//!
//! A product of replicated shares against a malicious party is right up to an additive error e that the
//! party chooses without knowing the secrets. Bits are embedded in GF(2^64) = GF(2)\[α\].
//!
//! *One claim.* With a coin tossed after all products, word w of them gets a random factor s_w, and its
//! bit b the factor s_w·α^b: the errors of a word are one element, 0 only if there are none, so that
//!
//! ```text
//! Σ_w s_w·Σ_b α^b·x_wb·y_wb = Σ_w s_w·z_w
//! ```
//!
//! with an error holds with probability 2^-64. That is an inner product ⟨X, Y⟩ = Z of shared vectors.
//!
//! *A shorter one.* X and Y are cut into m blocks X_i and Y_i, which are the coefficients of
//! f(t) = Σ_i X_i·t^i and g(t) = Σ_i Y_i·t^(m-1-i). Coefficient m-1 of h = ⟨f, g⟩ is the sum of all
//! ⟨X_i, Y_i⟩, which the claim says is Z. The 2m - 2 others are computed, an element sent by each party for
//! each. At a random point ρ, a fresh coin, the new claim is ⟨f(ρ), g(ρ)⟩ = h(ρ). If the old one was
//! wrong, so is the new one, but for at most 2m - 2 points.
//!
//! *The last one.* When blocks are single elements, random elements R and S that nobody knows are added:
//! f + R·t^m and g + S·t^m. That leaves coefficient m-1 as it is, and makes f(ρ) and g(ρ) uniform. They
//! and h(ρ) are opened by both holders of each component, and f(ρ)·g(ρ) is compared with h(ρ). What is
//! seen beside is the error of h(ρ), which the cheater chose itself.
//!
//! Cuts: the first into 32 blocks while factors are words (the products of a block are then one product
//! in the field for 64 bits), which leaves L = 64·⌈n/2048⌉ elements; the second into 8, as a cut of L elements into m
//! blocks takes m·L products; of the w = ⌈L/8⌉ that are left, the third into f = ⌈(2w)^(1/3)⌉, where its products
//! and the k² of the last, k = ⌈w/f⌉, are fewest together, but into so many that k is at most 4096.
//! So all checks take the same rounds.
//! Errors: a wrong product passes with probability at most (77 + 2f + 2k)/2^64, below 2^-50 for up to 2^31 products.
//! Source: Goyal, Song 2020, eprint 2020/134, Sections 4 and 5, with polynomials given by coefficients
//! instead of values; the idea for replicated sharing: Boneh, Boyle, Corrigan-Gibbs, Gilboa, Ishai 2019,
//! eprint 2019/188. Differs: the number of cuts is fixed, not that of blocks; all parties commit to their
//! part of all coins at once.
//! Cost: 11 rounds; each party sends 496 bytes in the first cut (less below 2048 products), 112 in the second,
//! 16·(f - 1) in the third, 16·k in the last, 48 at the end, and 1280 for five coins: 5.4 kB for 2^20 products,
//! 55 kB for 2^26.

use mpc_runtime::{Depth, Label, OpId, Result, Step};

use super::{Form, PARTIES, Trio, costs};
use crate::Error;
use crate::algebra::ring::Bits;
use crate::algebra::simd;
use crate::blocks::coin::{self, Coins};
use crate::checks::security_check;
use crate::cost::Cost;
use crate::value::{Plane, Shares, Unit};

const COEFFICIENTS: Label = Label("rep3.check.coefficients");
const LAST: Label = Label("rep3.check.last");

/// Blocks of the first cut.
const FIRST_BLOCKS: usize = 32;
/// Blocks of the second.
const SECOND_BLOCKS: usize = 8;
/// Most elements of the last.
const LAST_ELEMENTS: usize = 4096;

/// Products of bits that are not verified yet.
pub(crate) struct Products {
    /// The call that made them.
    pub(crate) id: OpId,
    pub(crate) x: Shares,
    pub(crate) y: Shares,
    pub(crate) z: Shares,
}

/// How the vectors of a claim are cut into blocks.
#[derive(Clone, Copy)]
struct Cut {
    /// Elements of a block; the last one may have fewer.
    width: usize,
    blocks: usize,
    /// The coefficient that the claim tells.
    known: usize,
}

impl Cut {
    /// At most `most` blocks of `len` elements.
    fn new(len: usize, most: usize) -> Cut {
        let width = len.div_ceil(most);
        let blocks = len.div_ceil(width);
        Cut { width, blocks, known: blocks - 1 }
    }

    /// The last one of a claim of `len` elements, with R and S.
    fn last(len: usize) -> Cut {
        Cut { width: 1, blocks: len + 1, known: len - 1 }
    }

    /// The coefficients that are sent.
    fn unknown(self) -> impl Iterator<Item = usize> {
        (0..2 * self.blocks - 1).filter(move |&k| k != self.known)
    }

    /// Where X and Y begin when they are multiplied to coefficient `k`.
    fn begins(self, k: usize) -> [usize; 2] {
        let middle = self.blocks - 1;
        [k.saturating_sub(middle) * self.width, middle.saturating_sub(k) * self.width]
    }

    /// Powers of the point that the blocks of X and of Y are multiplied with.
    fn weights(self, powers: &[u64]) -> [Vec<u64>; 2] {
        let of_x = powers[..self.blocks].to_vec();
        let of_y = of_x.iter().rev().copied().collect();
        [of_x, of_y]
    }
}

/// The cuts of a check of so many words of products, of which there is one at least.
fn cuts(words: usize) -> [Cut; 4] {
    let first = Cut::new(words, FIRST_BLOCKS);
    let len = 64 * first.width;
    let second = Cut::new(len, SECOND_BLOCKS);
    let width = second.width;
    let fewest = (1_usize..).find(|f| f * f * f >= 2 * width).expect("numbers do not end");
    let third = Cut::new(width, fewest.max(width.div_ceil(LAST_ELEMENTS)));
    [first, second, third, Cut::last(third.width)]
}

/// What a check of so many words of products costs.
pub(crate) fn cost(words: usize) -> Cost {
    if words == 0 {
        return Cost::local(PARTIES);
    }
    let cuts = cuts(words);
    let (commit, toss) = (coin::commit_cost(PARTIES, 1 + cuts.len()), coin::toss_cost(PARTIES));
    let start = commit.then(&toss);
    let opening = Cost::each(PARTIES, 1, 2, 2 * 3 * 8);
    cuts.iter()
        .fold(start, |cost, cut| cost.then(&costs::each(8 * cut.unknown().count())).then(&toss))
        .then(&opening)
}

/// A claim ⟨X, Y⟩ = Z; both components that this party has of each.
struct Claim {
    x: [Plane; 2],
    y: [Plane; 2],
    z: [u64; 2],
}

/// Both components as words, from position `from` on.
fn words(v: &[Plane; 2], from: usize) -> [&[u64]; 2] {
    [0, 1].map(|i| &v[i].words()[from..])
}

fn vector(len: usize, fill: impl FnOnce(&mut [u64])) -> Plane {
    Plane::build(Unit::Words(1), len, fill)
}

/// A check under way.
struct Check<'a> {
    trio: &'a Trio,
    step: &'a Step,
    coins: Coins,
    depth: Depth,
}

impl Check<'_> {
    /// `n` words of the next coin.
    async fn coin(&mut self, n: usize) -> Result<Vec<u64>> {
        let op = self.step.op(self.depth);
        let key = self.coins.toss(&op).await?;
        self.depth = op.depth();
        Ok(op.stream(&key, 0).words(n))
    }

    /// The coefficients of h, of which `product(k)` is what this party has of number `k`, at a random
    /// point: powers of the point, and h there.
    async fn at_random_point(
        &mut self,
        cut: Cut,
        z: [u64; 2],
        product: impl Fn([usize; 2]) -> u64,
    ) -> Result<(Vec<u64>, [u64; 2])> {
        let op = self.step.op(self.depth);
        let form = Form::numbers::<Bits>(cut.unknown().count());
        let fill = |out: &mut [Bits]| {
            out.iter_mut().zip(cut.unknown()).for_each(|(o, k)| o.0 = product(cut.begins(k)));
        };
        let unknown = self.trio.sum_of(&op, COEFFICIENTS, form, fill).await?;
        self.depth = op.depth();
        let point = self.coin(1).await?[0];
        let power = |last: &mut u64, _| {
            let power = *last;
            *last = simd::field_times(power, point);
            Some(power)
        };
        let powers: Vec<u64> = (0..2 * cut.blocks - 1).scan(1, power).collect();
        let at_point = |i: usize| {
            let mut h = vec![z[i]; powers.len()];
            cut.unknown().zip(unknown.plane(i).words()).for_each(|(k, &c)| h[k] = c);
            let mut sum = 0;
            simd::field_dot(&mut sum, &h, &powers);
            sum
        };
        let h = [at_point(0), at_point(1)];
        Ok((powers, h))
    }

    /// The claim about words of bits, with the factors of the words.
    async fn first(&mut self, cut: Cut, bits: Claim, factors: &[u64]) -> Result<Claim> {
        let Claim { x, y, z } = bits;
        let product = |[at_x, at_y]: [usize; 2]| {
            let mut sum = 0;
            simd::field_cross_bits(&mut sum, &factors[at_x..], words(&x, at_x), words(&y, at_y));
            sum
        };
        let (powers, z) = self.at_random_point(cut, z, product).await?;
        let by_word = |weights: Vec<u64>| -> Vec<u64> {
            (0..factors.len()).map(|w| weights[w / cut.width]).collect()
        };
        let [mut of_x, of_y] = cut.weights(&powers).map(by_word);
        simd::field_scale(&mut of_x, factors);
        let places: [u64; 64] = std::array::from_fn(|b| 1 << b);
        let folded = |bits: &Plane, weights: &[u64], placed: bool| {
            vector(64 * cut.width, |out| {
                simd::fold_bits(out, bits.words(), weights);
                if placed {
                    out.chunks_exact_mut(64).for_each(|out| simd::field_scale(out, &places));
                }
            })
        };
        let x = x.each_ref().map(|plane| folded(plane, &of_x, true));
        let y = y.each_ref().map(|plane| folded(plane, &of_y, false));
        Ok(Claim { x, y, z })
    }

    /// The claim after a cut.
    async fn shorter(&mut self, cut: Cut, claim: Claim) -> Result<Claim> {
        let Claim { x, y, z } = claim;
        let product = |[at_x, at_y]: [usize; 2]| {
            let mut sum = 0;
            simd::field_cross_dot(&mut sum, words(&x, at_x), words(&y, at_y));
            sum
        };
        let (powers, z) = self.at_random_point(cut, z, product).await?;
        let [of_x, of_y] = cut.weights(&powers);
        let folded = |v: &Plane, weights: &[u64]| {
            vector(cut.width, |out| simd::field_fold(out, v.words(), weights))
        };
        let x = x.each_ref().map(|plane| folded(plane, &of_x));
        let y = y.each_ref().map(|plane| folded(plane, &of_y));
        Ok(Claim { x, y, z })
    }

    /// Adds R behind X and S before Y, hence S to the highest power of g.
    fn masked(&self, claim: Claim) -> Claim {
        let random = self.trio.random(self.step, Form::numbers::<Bits>(2));
        let Claim { x, y, z } = claim;
        let mask = |i: usize, j: usize| random.plane(i).slice(j..j + 1);
        let with = |i: usize| {
            let x = Plane::concat(&[x[i].clone(), mask(i, 0)]);
            (x, Plane::concat(&[mask(i, 1), y[i].clone()]))
        };
        let [(x0, y0), (x1, y1)] = [with(0), with(1)];
        Claim { x: [x0, x1], y: [y0, y1], z }
    }

    /// Opens a claim of single elements.
    async fn open(&mut self, claim: &Claim) -> Result<()> {
        let plane = |i: usize| {
            let elements = [claim.x[i].words()[0], claim.y[i].words()[0], claim.z[i]];
            vector(3, |out| out.copy_from_slice(&elements))
        };
        let shares = Shares::new(vec![plane(0), plane(1)], self.depth);
        let op = self.step.op(self.depth);
        let form = Form::numbers::<Bits>(3);
        let opened = self.trio.opened_twice::<Bits>(&op, LAST, form, &shares).await?;
        security_check!(
            "rep3.products.bits",
            simd::field_times(opened[0].0, opened[1].0) == opened[2].0,
            Error::CheckFailed { what: "products of bits" }
        );
        Ok(())
    }
}

/// Verifies all these products, which are the same at all parties, in any order.
///
/// # Errors
/// One of them is wrong.
pub(crate) async fn verify(trio: &Trio, step: &Step, mut products: Vec<Products>) -> Result<()> {
    products.retain(|p| !p.z.is_empty());
    if products.is_empty() {
        return Ok(());
    }
    products.sort_unstable_by_key(|p| p.id);
    let joined = |of: fn(&Products) -> &Shares| {
        [0, 1].map(|i| {
            let plane = |p| {
                let plane = of(p).plane(i);
                plane.reinterpret(Unit::Words(1), plane.words().len())
            };
            Plane::concat(&products.iter().map(plane).collect::<Vec<_>>())
        })
    };
    let (x, y, z) = (joined(|p| &p.x), joined(|p| &p.y), joined(|p| &p.z));
    drop(products);
    let (len, cuts) = (z[0].len(), cuts(z[0].len()));
    let op = step.op(Depth::ZERO);
    let coins = Coins::commit(&op, &trio.own, 1 + cuts.len()).await?;
    let mut check = Check { trio, step, coins, depth: op.depth() };
    let factors = check.coin(len).await?;
    let weighed = z.each_ref().map(|z| {
        let mut sum = 0;
        simd::field_dot(&mut sum, &factors, z.words());
        sum
    });
    let mut claim = check.first(cuts[0], Claim { x, y, z: weighed }, &factors).await?;
    drop((z, factors));
    for (i, &cut) in cuts.iter().enumerate().skip(1) {
        if i + 1 == cuts.len() {
            claim = check.masked(claim);
        }
        claim = check.shorter(cut, claim).await?;
    }
    check.open(&claim).await
}

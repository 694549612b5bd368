//! What a single message tells: nothing, since it is uniform whatever was shared.

use mpc_runtime::{Depth, Result, Step};

use super::conformance::{Effort, seed, setup};
use super::session::Session;
use crate::blocks::ot::base::POINTS;
use crate::cost::Truncation;
use crate::protocol::{Build, Domain, Protocol};
use crate::value::{Clear, ClearBits, Shares};

/// Numbers, and eight times as many bits; and as many where these would take too long.
const NUMBERS: [usize; 3] = [1 << 13, 1 << 11, 1 << 7];
/// Bytes after which the pattern of an element comes again, or a multiple of that.
const PERIOD: usize = 32;
/// Messages with fewer bytes say too little to judge them.
const LEAST_BYTES: usize = 128 * PERIOD / 4;

/// Zeros of `owner`, shared as numbers.
async fn zeros(p: &dyn Protocol, step: &Step, owner: usize, n: usize) -> Result<Shares> {
    let mine = owner == step.me();
    let (known, absent) = (Clear::new(vec![0; n], Depth::ZERO), Clear::absent(n, Depth::ZERO));
    p.share(step, owner, if mine { &known } else { &absent }, 20).await
}

/// Zeros of `owner`, shared as bits.
async fn zero_bits(p: &dyn Protocol, step: &Step, owner: usize, n: usize) -> Result<Shares> {
    let mine = owner == step.me();
    let (known, absent) =
        (ClearBits::new(vec![false; n], Depth::ZERO), ClearBits::absent(n, Depth::ZERO));
    p.share_bits(step, owner, if mine { &known } else { &absent }).await
}

/// Of shared zeros, of what is computed of zeros, and of random bits, each half of each byte of the messages
/// from one party to another is uniform. All randomness comes from one seed, that of the laws of
/// [`super::conformance`].
///
/// # Panics
/// If not.
pub fn messages_are_uniform(build: Build, parties: usize, effort: Effort) {
    let n = effort.size(NUMBERS);
    for field_bits in [16, 64] {
        let setup = setup(parties, field_bits.max(64), Truncation::Exact);
        let setup = crate::protocol::Setup { field_bits, ..setup };
        let outcomes = Session { build, setup, seed: seed() }.run(1, |_, p, step| {
            Box::pin(async move {
                if !matches!(p.domain(), Domain::Binary { .. }) {
                    for owner in 0..step.parties() {
                        let x = zeros(&*p, &step, owner, n).await?;
                        p.mul(&step, &x, &x, 40).await?;
                    }
                    let bits = zero_bits(&*p, &step, 0, n).await?;
                    p.from_bits(&step, &bits).await?;
                }
                for owner in 0..step.parties() {
                    let x = zero_bits(&*p, &step, owner, 8 * n).await?;
                    p.and(&step, &x, &x).await?;
                }
                let random = p.random_bits(&step, 8 * n).await?;
                p.and(&step, &random, &random).await?;
                Ok(())
            })
        });
        for (party, outcome) in outcomes.iter().enumerate() {
            let of_points = |label: u16| POINTS.iter().any(|points| points.id() == label);
            let bytes = outcome.payloads.iter().filter(|((_, label), _)| !of_points(*label));
            for ((to, label), payload) in bytes {
                if let Err(what) = uniform(payload) {
                    let seed = seed();
                    panic!("message {label:#x} from {party} to {to}: {what}; SEED={seed}");
                }
            }
        }
    }
}

/// Whether each half of each byte is uniform, by place in the period; bits above an element are 0.
fn uniform(payload: &[u8]) -> std::result::Result<(), String> {
    let whole = payload.len() / PERIOD * PERIOD;
    if whole < LEAST_BYTES {
        return Ok(());
    }
    for (place, shift) in (0..PERIOD).flat_map(|place| [(place, 0), (place, 4)]) {
        let mut counts = [0_u32; 16];
        let halves = payload[..whole].iter().skip(place).step_by(PERIOD);
        halves.for_each(|byte| counts[usize::from(byte >> shift & 15)] += 1);
        let highest = (1..16).rev().find(|&half| counts[half] > 0).unwrap_or(0);
        let cells = (highest + 1).next_power_of_two();
        let due = f64::from(counts.iter().sum::<u32>()) / cells as f64;
        let square = |&count: &u32| (f64::from(count) - due).powi(2) / due;
        let chi_square: f64 = counts[..cells].iter().map(square).sum();
        let freedom = cells as f64 - 1.0;
        // Beyond six standard deviations: less than once in a million times.
        let limit = freedom + 6.0 * (2.0 * freedom).sqrt() + 12.0;
        if cells < 2 || chi_square > limit {
            return Err(format!("byte {place} has chi-square {chi_square:.1} of {limit:.1}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_uniform_is_noticed() {
        let random = |n: usize| -> Vec<u8> {
            let mut hasher = blake3::Hasher::new().finalize_xof();
            let mut out = vec![0; n];
            hasher.fill(&mut out);
            out
        };
        let good = random(64 * PERIOD);
        assert!(uniform(&good).is_ok());
        assert!(uniform(&vec![0; 64 * PERIOD]).is_err());
        let cut = |mask: u8| -> Vec<u8> {
            let at = |(i, byte): (usize, &u8)| if i % 8 == 7 { byte & mask } else { *byte };
            good.iter().enumerate().map(at).collect()
        };
        assert!(uniform(&cut(0x1f)).is_ok(), "the highest byte of an element");
        assert!(uniform(&cut(0x0f)).is_err(), "a half that is always 0");
        assert!(uniform(&cut(0xfd)).is_err(), "a bit that is always 0");
    }
}

//! What one party tells all others as it is: the one move that needs no scheme.
//!
//! Only where parties follow the protocol: nobody compares what the others were told. Where they may not, a
//! number is shared and opened instead, which is the same to all.
//!
//! One round in which the owner sends each of the others `⌈bits/8⌉` bytes a number, or a bit for a bit.

use mpc_runtime::{Label, Party, Payload, Result, Step};

use crate::algebra::bits::packed;
use crate::cost::Cost;
use crate::value::{Clear, ClearBits, ClearVec, Plane, Unit};

const PUBLISH: Label = Label("publish");
const PUBLISH_BITS: Label = Label("publish.bits");

/// Bytes of a [`Clear`].
const WIDE: usize = size_of::<i128>();

/// Bytes of one number of `bits` bits.
fn width(bits: u32) -> usize {
    (bits as usize).div_ceil(8).min(WIDE)
}

/// Bytes that each of the others is sent for `len` numbers of `bits` bits.
pub(crate) fn bytes(len: usize, bits: u32) -> usize {
    len * width(bits)
}

/// Bytes that each of the others is sent for `len` bits.
pub(crate) fn bytes_of_bits(len: usize) -> usize {
    len.div_ceil(8)
}

/// What it costs to send `bytes` to each of the others.
pub(crate) fn cost(owner: Party, parties: usize, bytes: usize) -> Cost {
    match parties - 1 {
        0 => Cost::local(parties),
        others => Cost::by(owner, parties, others as u64, others * bytes),
    }
}

/// Sends what the owner has, or waits for it.
async fn tell<T: Copy>(
    step: &Step,
    owner: Party,
    x: &ClearVec<T>,
    (label, bytes): (Label, usize),
    encode: impl FnOnce(&[T]) -> Vec<u8>,
    decode: impl FnOnce(Payload) -> Vec<T>,
) -> Result<ClearVec<T>> {
    if step.parties() == 1 {
        return Ok(x.clone());
    }
    let op = step.op(x.depth);
    if owner != step.me() {
        let payload = op.recv(owner, label, bytes).await?;
        return Ok(ClearVec::new(decode(payload), op.round()));
    }
    let payload = encode(x.values().expect("the owner has its values"));
    for to in (0..step.parties()).filter(|&to| to != owner) {
        op.send(to, label, &payload)?;
    }
    Ok(x.clone().at_depth(op.round()))
}

/// The numbers of `bits` bits that `owner` has in `x` (absent elsewhere), to all.
pub async fn numbers(step: &Step, owner: Party, x: &Clear, bits: u32) -> Result<Clear> {
    let (len, width, above) = (x.len(), width(bits), 128 - bits.min(128));
    let within = |value: i128| value << above >> above;
    // A number that breaks the bound is the same to its owner as to all others.
    let fits = |values: &[i128]| values.iter().all(|&value| within(value) == value);
    let settled;
    let x = match x.values() {
        Some(values) if !fits(values) => {
            settled = x.map(len, |values| values.iter().copied().map(within).collect());
            &settled
        }
        _ => x,
    };
    let encode = |values: &[i128]| {
        // Each number is written whole, and the next one over what of it is not wanted.
        let mut out = vec![0; len * width + WIDE];
        for (i, value) in values.iter().enumerate() {
            out[i * width..][..WIDE].copy_from_slice(&value.to_le_bytes());
        }
        out.truncate(len * width);
        out
    };
    let decode = |payload: Payload| {
        let payload: &[u8] = &payload;
        let number = |i: usize| {
            let bytes = match payload.get(i * width..i * width + WIDE) {
                Some(whole) => whole.try_into().expect("as many bytes"),
                None => {
                    let mut bytes = [0; WIDE];
                    bytes[..width].copy_from_slice(&payload[i * width..][..width]);
                    bytes
                }
            };
            within(i128::from_le_bytes(bytes))
        };
        (0..len).map(number).collect()
    };
    tell(step, owner, x, (PUBLISH, bytes(len, bits)), encode, decode).await
}

/// The bits that `owner` has in `x` (absent elsewhere), to all.
pub async fn bits(step: &Step, owner: Party, x: &ClearBits) -> Result<ClearBits> {
    let len = x.len();
    let encode = |values: &[bool]| {
        packed(values).flat_map(u64::to_le_bytes).take(bytes_of_bits(len)).collect()
    };
    let decode = |payload: Payload| {
        let plane = Plane::from_payload(Unit::Bit, len, payload);
        (0..len).map(|i| plane.bit(i)).collect()
    };
    tell(step, owner, x, (PUBLISH_BITS, bytes_of_bits(len)), encode, decode).await
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use mpc_runtime::Depth;

    use super::*;
    use crate::protocol::Build;
    use crate::schemes::{plain, rep3_ring, shamir};
    use crate::testing::conformance::{costs_as_predicted, seed, setup};
    use crate::testing::session::{Session, Task};
    use crate::{Protocol, Truncation};

    const SCHEMES: [(Build, usize); 3] =
        [(plain::build, 1), (rep3_ring::build, 3), (shamir::build, 4)];

    /// Numbers of so many bits, and a last one that breaks the bound.
    fn values(len: usize, bits: u32) -> Vec<i128> {
        let (least, most) = (i128::MIN >> (128 - bits), i128::MAX >> (128 - bits));
        let edges = [least, most, 0, -1, least / 3, most / 5];
        let fit = edges.into_iter().cycle().take(len.saturating_sub(1));
        fit.chain((len > 0).then_some(most.wrapping_add(1))).collect()
    }

    #[test]
    fn all_are_told_the_same_at_the_cost_declared() {
        for (build, parties) in SCHEMES {
            for (len, bits) in [(0, 8), (1, 1), (7, 5), (65, 40), (3, 64), (9, 127), (9, 128)] {
                let what = format!("{len} numbers of {bits} bits among {parties}");
                let session =
                    Session { build, setup: setup(parties, 128, Truncation::Exact), seed: seed() };
                let known = values(len, bits);
                let (numbers, owner) = (known.clone(), parties / 2);
                let tell = move |_, p: Rc<dyn Protocol>, step: Step| {
                    let (mine, numbers) = (step.me() == owner, numbers.clone());
                    let task: Task<_> = Box::pin(async move {
                        let truths: Vec<bool> = numbers.iter().map(|x| x & 1 == 1).collect();
                        let x = match mine {
                            true => Clear::new(numbers, Depth::ZERO),
                            false => Clear::absent(len, Depth::ZERO),
                        };
                        let b = match mine {
                            true => ClearBits::new(truths, Depth::ZERO),
                            false => ClearBits::absent(len, Depth::ZERO),
                        };
                        let x = p.publish(&step, owner, &x, bits).await?;
                        let b = p.publish_bits(&step, owner, &b).await?;
                        let owned = |x: Option<&[i128]>| x.map(<[i128]>::to_vec);
                        Ok((owned(x.values()), b.values().map(<[bool]>::to_vec)))
                    });
                    task
                };
                costs_as_predicted(&session, &what, &tell);
                let told = |x: &i128| x << (128 - bits) >> (128 - bits);
                let due: Vec<i128> = known.iter().map(told).collect();
                let truths: Vec<bool> = known.iter().map(|x| x & 1 == 1).collect();
                for outcome in session.run(1, &tell) {
                    let found = &outcome.results[0];
                    assert_eq!(*found, (Some(due.clone()), Some(truths.clone())), "{what}");
                }
            }
        }
    }
}

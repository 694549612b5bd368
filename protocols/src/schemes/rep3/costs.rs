//! Costs of the moves and of what is built from them, in frames and payload bytes by party.

use mpc_runtime::Party;

use super::PARTIES;
use super::addends::{Plan, input_by};
use crate::cost::{Cost, Sent};

fn sent(payload_bytes: usize) -> Sent {
    Sent { messages: 1, payload_bytes: payload_bytes as u64 }
}

/// One round in which every party sends one frame.
pub(crate) fn each(payload_bytes: usize) -> Cost {
    Cost::each(PARTIES, 1, 1, payload_bytes)
}

/// One round in which only `p` sends: an input.
pub(crate) fn input(p: Party, payload_bytes: usize) -> Cost {
    Cost::by(p, PARTIES, 1, payload_bytes)
}

/// One round in which all but `p` send: a sum of two summands.
pub(crate) fn offer(p: Party, payload_bytes: usize) -> Cost {
    let mut cost = each(payload_bytes);
    cost.sent[p] = Sent::default();
    cost
}

/// A further frame of `p` in a round that there is anyhow.
pub(crate) fn also(mut cost: Cost, p: Party, payload_bytes: usize) -> Cost {
    cost.sent[p] = cost.sent[p] + sent(payload_bytes);
    cost
}

/// Bytes of `rows` rows of `n` bits.
pub(crate) fn packed(n: usize, rows: usize) -> usize {
    (n * rows).div_ceil(8)
}

/// One round in which each party inputs a third, with so many bytes for its length.
pub(crate) fn input_thirds(n: usize, bytes: impl Fn(usize) -> usize) -> Cost {
    let round = Cost { rounds: 1, ..Cost::local(PARTIES) };
    let thirds = (0..PARTIES).filter_map(|p| Some((p, input_by(n, p)?)));
    thirds.fold(round, |cost, (p, len)| also(cost, p, bytes(len)))
}

/// One round in which the others offer to each other, third by third.
pub(crate) fn offer_thirds(n: usize, bytes: impl Fn(usize) -> usize) -> Cost {
    let round = Cost { rounds: 1, ..Cost::local(PARTIES) };
    let thirds = (0..PARTIES).filter_map(|p| Some((p, bytes(input_by(n, p)?))));
    thirds.fold(round, |cost, (p, bytes)| {
        let cost = also(cost, (p + 1) % PARTIES, bytes);
        also(cost, (p + 2) % PARTIES, bytes)
    })
}

/// Addends as the plan wants them.
pub(crate) fn addends(n: usize, plan: &Plan) -> Cost {
    let inputs = input_thirds(n, |len| packed(len, plan.inputs()));
    match plan.groups() {
        0 => inputs,
        _ => inputs.then(&offer_thirds(n, |len| packed(len, plan.outputs()))),
    }
}

/// One carry after the other: see [`super::Trio::ripple`].
pub(crate) fn ripple(n: usize, places: usize) -> Cost {
    Cost::each(PARTIES, places as u32, places as u64, places * packed(n, 1))
}

/// The carry out of `places` places: see [`super::Trio::carry`].
pub(crate) fn carry(n: usize, places: usize) -> Cost {
    let (mut cost, mut groups) = (Cost::local(PARTIES), places);
    while groups > 1 {
        let pairs = groups / 2;
        cost = cost.then(&each(packed(n, 2 * pairs - 1)));
        groups -= pairs;
    }
    cost
}

/// All carries of `places` places: see [`super::Trio::carries`].
pub(crate) fn carries(n: usize, places: usize) -> Cost {
    let (mut cost, mut block) = (Cost::local(PARTIES), 1);
    while block < places {
        let gates = |i: usize| if i & block == 0 { 0 } else { 1 + usize::from(i >= 2 * block) };
        cost = cost.then(&each(packed(n, (0..places).map(gates).sum())));
        block *= 2;
    }
    cost
}

/// Conjunction of `rows` rows: see [`super::Trio::all`].
pub(crate) fn all(n: usize, rows: usize) -> Cost {
    let (mut cost, mut rows) = (Cost::local(PARTIES), rows);
    while rows > 1 {
        cost = cost.then(&each(packed(n, rows / 2)));
        rows -= rows / 2;
    }
    cost
}

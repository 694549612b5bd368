//! What is opened in slots is uniform for either party, whatever it knows and whatever the keys are.

use std::rc::Rc;

use mpc_runtime::{Executor, Step, local};

use super::*;
use crate::cost::{Comparison, Truncation};
use crate::protocol::{Seeds, Setup};

const ROWS: usize = 4;
const PASSAGES: u64 = 12_000;
const WORD: Mixed = Mixed { low: 2, high: 2 };

/// What one party knows of a passage of four rows in their first order.
#[derive(Clone, Default)]
struct Seen {
    orders: Vec<Vec<u32>>,
    /// By slot.
    places: Vec<u32>,
    hidden: Vec<u32>,
}

/// One party of a passage of rows with these digits.
async fn passage(trio: &Trio, step: &Step, digits: [u32; ROWS]) -> Result<Seen> {
    let (op, roles) = (step.op(Depth::ZERO), Roles::after(0));
    let summand = |x: u32| trio.me.abs_diff(1) as u32 * x;
    let mut mine = Narrow::counted(ROWS);
    mine.iter_mut().zip(digits).for_each(|(o, digit)| *o = summand(*o | digit << WORD.low));
    if trio.me == roles.helper {
        let lanes = trio.narrow(&op, roles.left, purpose::LANES, ROWS);
        let hidden = trio.own(&op, 2 * ROWS);
        let hide = |slot: usize| hidden[0] >> (2 * slot) & 3;
        let orders = trio.helper_in(&op, roles, WORD, &mine, &lanes, hide)?;
        return Ok(Seen { orders: orders.map(|order| order.to_vec()).into(), ..Seen::default() });
    }
    let (order, opened) = if trio.me == roles.left {
        let lanes = trio.narrow(&op, roles.helper, purpose::LANES, ROWS);
        let order = trio.left_in(&op, roles, WORD, &mine, &lanes)?;
        (order, trio.left_opened(&op, roles, WORD, ROWS).await?)
    } else {
        trio.right_opened(&op, roles, WORD, ROWS).await?
    };
    Ok(Seen {
        orders: vec![order.to_vec()],
        places: opened.slots.iter().map(|x| x & WORD.mask()).collect(),
        hidden: (0..ROWS).map(|slot| opened.high(slot) as u32).collect(),
    })
}

/// Many passages, as each party sees them.
fn passages(digits: [u32; ROWS], seed: u8) -> Vec<Vec<Seen>> {
    local::run(3, |end| {
        let mut executor = Executor::new(Box::new(end));
        let me = executor.me();
        let setup = Setup {
            parties: 3,
            ring_bits: 64,
            field_bits: 64,
            stat_sec: 40,
            truncation: Truncation::Exact,
            comparison: Comparison::Rounds,
            threads: 1,
        };
        let pair = (0..3).map(|peer| [seed ^ (me + peer) as u8; 32]).collect();
        let seeds = Seeds { own: [seed ^ (me as u8 + 100); 32], pair, session: [0; 32] };
        let trio = Rc::new(Trio::new(&setup, me, &seeds).expect("the setup fits"));
        let slots: Vec<_> = (0..PASSAGES)
            .map(|id| {
                let seen = Rc::new(executor.slot::<Seen>());
                let (step, trio, slot) =
                    (executor.step(id, 0, Depth::ZERO), trio.clone(), seen.clone());
                executor.spawn(id, 0, async move {
                    slot.fill(passage(&trio, &step, digits).await?);
                    Ok(())
                });
                seen
            })
            .collect();
        executor.finish().expect("nobody fails");
        slots.iter().map(|seen| seen.get().expect("done").clone()).collect()
    })
}

/// Number of an order of four things, below 24.
fn number(order: &[u32]) -> usize {
    let smaller = |i: usize| order[i + 1..].iter().filter(|x| **x < order[i]).count();
    (smaller(0) * 3 + smaller(1)) * 2 + smaller(2)
}

/// How far counts are from even ones, in standard deviations of chi-square.
fn unevenness(cells: usize, draws: impl Iterator<Item = usize>) -> f64 {
    let mut counts = vec![0.0; cells];
    draws.for_each(|cell| counts[cell] += 1.0);
    let due = counts.iter().sum::<f64>() / cells as f64;
    let chi_square: f64 = counts.iter().map(|count| (count - due).powi(2) / due).sum();
    let freedom = cells as f64 - 1.0;
    (chi_square - freedom) / (2.0 * freedom).sqrt()
}

#[test]
fn what_is_opened_is_uniform_for_a_party_that_knows_its_order() {
    let seed = 0x5E;
    println!("seed {seed}");
    for digits in [[0; ROWS], [1, 1, 3, 1], [3, 0, 2, 1]] {
        let seen = passages(digits, seed);
        for party in [1, 2] {
            let of = |seen: &Seen| 24 * number(&seen.orders[0]) + number(&seen.places);
            let orders = unevenness(24 * 24, seen[party].iter().map(of));
            let hidden = |seen: &Seen| seen.hidden.iter().fold(0, |n, &c| 4 * n + c as usize);
            let digits = unevenness(256, seen[party].iter().map(hidden));
            println!("party {party}: {orders:.2} and {digits:.2} standard deviations");
            assert!(orders < 6.0 && digits < 6.0, "seed {seed}, party {party}");
            // What the party would see if the other order were none, and so its own alone.
            let fault = |seen: &Seen| 25 * number(&seen.orders[0]);
            assert!(unevenness(24 * 24, seen[party].iter().map(fault)) > 100.0);
        }
        for (number, all) in seen[0].iter().enumerate() {
            let [first, second] = [0, 1].map(|i| &all.orders[i]);
            let opened: Vec<u32> = second.iter().map(|&i| first[i as usize]).collect();
            assert_eq!((&opened, first), (&seen[1][number].places, &seen[1][number].orders[0]));
            assert_eq!((&opened, second), (&seen[2][number].places, &seen[2][number].orders[0]));
        }
    }
}

//! Rates of what rests on oblivious transfer: two parties as threads of one process, one core each.

use std::time::Instant;

use mpc_protocols::blocks::ot::{Bases, Call, Choices, Form, Many, Ot};
use mpc_protocols::cost::{Comparison, Truncation};
use mpc_protocols::protocol::{Build, Protocol, Setup};
use mpc_protocols::schemes::{semi, semi_bin, semi2k, tinier};
use mpc_protocols::testing::session::{Session, seeds};
use mpc_protocols::{Fut, Shares};
use mpc_runtime::{Depth, Executor, Phase, Step, Transport, local};

/// Elements of a tile, and tiles.
const TILE: usize = 1 << 13;
const TILES: usize = 8;

fn session(build: Build, bits: u32) -> Session {
    let setup = Setup {
        parties: 2,
        ring_bits: bits,
        field_bits: bits,
        stat_sec: 40,
        truncation: Truncation::Exact,
        comparison: Comparison::default(),
        threads: 1,
    };
    Session { build, setup, seed: 1 }
}

/// Calls of `verb` on vectors of `len` uniform elements, `make` being what makes them.
fn verbs(
    name: &str,
    build: Build,
    bits: u32,
    len: usize,
    make: for<'a> fn(&'a dyn Protocol, &'a Step, usize) -> Fut<'a, Shares>,
    verb: for<'a> fn(&'a dyn Protocol, &'a Step, &'a Shares) -> Fut<'a, Shares>,
) {
    let all = session(build, bits).run(1, move |_, p, step| {
        Box::pin(async move {
            let x = make(&*p, &step, len).await?;
            let start = Instant::now();
            for _ in 0..TILES {
                verb(&*p, &step, &x).await?;
            }
            p.check(&step).await?;
            Ok(start.elapsed().as_secs_f64())
        })
    });
    let seconds = all.iter().map(|o| o.results[0]).fold(0.0, f64::max);
    let done = (len * TILES) as f64;
    let bytes: u64 =
        [Phase::Preprocessing, Phase::Online].map(|p| all[0].stats.sent_in(p).bytes).iter().sum();
    println!(
        "{name:<34} {:>12.0} /s {:>10.1} bits sent by party 0 for each, with the setup",
        done / seconds,
        8.0 * bytes as f64 / done
    );
}

/// Correlated transfers in one direction.
fn transfers(name: &str, form: Form) {
    const LEN: usize = 1 << 20;
    let seconds = local::run(2, |end| {
        let (me, seeds) = (end.me(), seeds(1, end.me(), 2));
        let made = std::rc::Rc::new((Bases::new(&seeds, me, form.odd), Ot::new(&seeds, me, form)));
        let mut executor = Executor::new(Box::new(end));
        let (step, both) = (executor.step(0, 0, Depth::ZERO), made.clone());
        let start = Instant::now();
        executor.spawn(0, 0, async move {
            both.0.agree(&step.op(Depth::ZERO)).await?;
            both.1.grow(&step.op(Depth::ZERO), &both.0).await
        });
        executor.finish().expect("nobody cheats");
        let setup = start.elapsed().as_secs_f64();
        let step = executor.step(1, 0, Depth::ZERO);
        let start = Instant::now();
        executor.spawn(1, 0, async move {
            for _ in 0..TILES {
                let (some, none) = (Many::random(LEN), Many::random(0));
                let (send, receive) = if me == 0 { (some, none) } else { (none, some) };
                let call = Call { send, receive, choices: Choices::Random };
                made.1.extend_with(&step.op(Depth::ZERO), |_| call, |_, _| (), |_, _| ()).await?;
            }
            Ok(())
        });
        executor.finish().expect("nobody cheats");
        (setup, start.elapsed().as_secs_f64())
    });
    let setup = seconds.iter().map(|s| s.0).fold(0.0, f64::max);
    let seconds = seconds.iter().map(|s| s.1).fold(0.0, f64::max);
    let rate = (LEN * TILES) as f64 / seconds;
    println!("{name:<34} {rate:>12.0} /s, setup {:.1} ms", 1000.0 * setup);
}

fn main() {
    for k in [1, 2, 4, 8] {
        transfers(&format!("transfers, k = {k}"), Form::semi_honest(k));
        transfers(&format!("transfers, k = {k}, malicious"), Form::malicious(k));
    }
    transfers("transfers, silent", Form::silent(8));
    fn random<'a>(p: &'a dyn Protocol, step: &'a Step, n: usize) -> Fut<'a, Shares> {
        p.random(step, n, 16)
    }
    verbs("semi2k mul, 64 bits", semi2k::build, 64, 2 * TILE, random, |p, s, x| p.mul(s, x, x, 40));
    verbs("semi2k mul, 128 bits", semi2k::build, 128, TILE, random, |p, s, x| p.mul(s, x, x, 40));
    verbs("semi2k ltz, 63 bits", semi2k::build, 64, TILE, random, |p, s, x| p.ltz(s, x, 63));
    verbs("semi mul, 61 bits", semi::build, 17, TILE, random, |p, s, x| p.mul(s, x, x, 16));
    verbs("semi mul, 127 bits", semi::build, 64, TILE, random, |p, s, x| p.mul(s, x, x, 40));
    fn bits<'a>(p: &'a dyn Protocol, step: &'a Step, n: usize) -> Fut<'a, Shares> {
        p.random_bits(step, n)
    }
    verbs("tinier and", tinier::build, 64, 2 * TILE, bits, |p, s, x| p.and(s, x, x));
    verbs("semi-bin and", semi_bin::build, 64, 128 * TILE, bits, |p, s, x| p.and(s, x, x));
}

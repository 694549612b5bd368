//! The table of protocols: what each promises, and what operations cost as the ledger adds it up.

use std::fmt::Write as _;
use std::rc::Rc;

use mpc_runtime::{Depth, Executor, Phase, Result, Step, local};

use crate::cost::Truncation;
use crate::ledger::{Account, Ledger};
use crate::protocol::{Info, Protocol};
use crate::registry::{Entry, PROTOCOLS};
use crate::testing::conformance::setup;
use crate::testing::session::seeds;
use crate::value::Shares;

/// Elements of a batch over which what is paid once is spread.
pub const BATCH: usize = 1 << 14;

/// Rounds of a batch, and payload bytes that a party sends for an element, on average over parties.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amount {
    /// Rounds.
    pub rounds: u32,
    /// Bytes.
    pub bytes: f64,
}

/// What an operation costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// What is done.
    pub operation: &'static str,
    /// Before inputs are known.
    pub preprocessing: Amount,
    /// Afterwards, with the part that a check has in it.
    pub online: Amount,
}

#[derive(Clone, Copy)]
enum Operation {
    Product,
    And,
    Less,
    Fixed,
    Open,
    RandomBit,
}

const OPERATIONS: &[(&str, Operation)] = &[
    ("product of 64 bits", Operation::Product),
    ("AND", Operation::And),
    ("comparison of 63 bits", Operation::Less),
    ("fixed-point product of 40 bits, exact", Operation::Fixed),
    ("opening of 64 bits to all", Operation::Open),
    ("random bit", Operation::RandomBit),
];

impl Operation {
    async fn run(self, p: &dyn Protocol, step: &Step, n: usize) -> Result<()> {
        let x = &Shares::phantom(n, Depth::ZERO);
        match self {
            Operation::Product => p.mul(step, x, x, 64).await.map(drop),
            Operation::And => p.and(step, x, x).await.map(drop),
            Operation::Less => p.lt(step, x, x, 63).await.map(drop),
            Operation::Fixed => p.dot_trunc(step, x, x, 1, 56, 16).await.map(drop),
            Operation::Open => p.open(step, x, None, 64).await.map(drop),
            Operation::RandomBit => p.random_bits(step, n).await.map(drop),
        }
    }
}

/// A protocol among so many parties, as a ledger sees it.
struct Bench<'a> {
    entry: &'a Entry,
    parties: usize,
}

impl Bench<'_> {
    /// What `work` costs, and then a check if there is `check`.
    fn account(
        &self,
        work: impl AsyncFnOnce(Rc<dyn Protocol>, Step) -> Result<()> + 'static,
        check: bool,
    ) -> Result<Account> {
        let setup = setup(self.parties, 64, Truncation::Exact);
        let scheme = self.entry.build(&setup, 0, &seeds(0, 0, self.parties))?;
        let ledger = Rc::new(Ledger::new(scheme, self.parties));
        let protocol: Rc<dyn Protocol> = ledger.clone();
        let mut executor = Executor::new(Box::new(local::network(self.parties, 1).remove(0)));
        let (p, step) = (protocol.clone(), executor.step(0, 0, Depth::ZERO));
        executor.spawn(0, 0, async move { work(p, step).await });
        executor.run_ready().map_err(|(_, error)| error)?;
        if check && protocol.verifies() {
            let step = executor.step(1, 0, executor.deepest());
            executor.spawn(1, 0, async move { protocol.check(&step).await });
            executor.run_ready().map_err(|(_, error)| error)?;
        }
        Ok(ledger.account())
    }

    fn operation(&self, operation: Option<Operation>, n: usize, check: bool) -> Result<Account> {
        let work = async move |p: Rc<dyn Protocol>, step: Step| match operation {
            Some(operation) => operation.run(&*p, &step, n).await,
            None => Ok(()),
        };
        self.account(work, check)
    }

    /// Payload bytes of the average party.
    fn bytes(&self, account: &Account, phase: Phase) -> f64 {
        let sent = |party| account.sent.get(&(phase, party)).map_or(0, |sent| sent.payload_bytes);
        (0..self.parties).map(sent).sum::<u64>() as f64 / self.parties as f64
    }

    /// Rounds of `deep` above those of `shallow`; bytes of `more` above those of `less`, by `n`.
    fn row(
        &self,
        operation: &'static str,
        [deep, shallow]: [&Account; 2],
        [more, less]: [&Account; 2],
        n: usize,
    ) -> Row {
        let bytes = |phase| (self.bytes(more, phase) - self.bytes(less, phase)) / n as f64;
        let rounds = |of: fn(&Account) -> u32| of(deep).saturating_sub(of(shallow));
        let (before, online) = (bytes(Phase::Preprocessing), bytes(Phase::Online));
        let preprocessing = Amount { rounds: rounds(|a| a.preprocessing_rounds), bytes: before };
        let online = Amount { rounds: rounds(|a| a.rounds.online), bytes: online };
        Row { operation, preprocessing, online }
    }

    fn rows(&self) -> Result<Vec<Row>> {
        let nothing = Account::default();
        let empty = self.operation(None, 0, true)?;
        let mut rows = vec![];
        for &(name, operation) in OPERATIONS {
            let alone = self.operation(Some(operation), BATCH, false)?;
            let checked = self.operation(Some(operation), BATCH, true)?;
            rows.push(self.row(name, [&alone, &nothing], [&checked, &empty], BATCH));
        }
        let one = self.operation(Some(Operation::Product), 1, false)?;
        let checked = self.operation(Some(Operation::Product), 1, true)?;
        if one != checked {
            let name = "check of one product";
            rows.push(self.row(name, [&checked, &one], [&checked, &one], 1));
        }
        let setup = async |p: Rc<dyn Protocol>, step: Step| p.setup(&step.preprocessing()).await;
        let setup = self.account(setup, false)?;
        if setup != nothing {
            rows.push(self.row("setup, once", [&setup, &nothing], [&setup, &nothing], 1));
        }
        Ok(rows)
    }
}

/// What operations cost among so many parties, without frame headers.
///
/// # Errors
/// The protocol does not take so many, or not at 64 bits.
pub fn costs(entry: &Entry, parties: usize) -> Result<Vec<Row>> {
    Bench { entry, parties }.rows()
}

/// Numbers of parties for which costs are told.
pub fn sizes(info: &Info) -> impl Iterator<Item = usize> {
    let parties = info.parties;
    let several = parties.least() > 1;
    (parties.least()..=parties.least().max(4)).filter(move |&n| several && parties.fit(n))
}

/// A number of bytes to three places.
pub fn bytes(bytes: f64) -> String {
    let text = format!("{bytes:.3}");
    text.trim_end_matches('0').trim_end_matches('.').into()
}

/// What a protocol promises beside the columns of the overview: words and what they say.
pub fn promises(info: &Info) -> [(&'static str, &'static str); 5] {
    [
        ("computational security κ", info.comp_sec),
        ("statistical security σ", info.stat_sec),
        ("assumptions", info.assumptions),
        ("truncation", info.truncation),
        ("paper", info.paper),
    ]
}

/// The table as a page.
///
/// # Errors
/// As [`costs`].
pub fn markdown() -> Result<String> {
    let mut page = String::from(HEAD);
    let mut line = |text: String| _ = writeln!(page, "{text}");
    for Entry { info, .. } in PROTOCOLS {
        let Info { name, parties, corrupted, security, abort, domain, .. } = info;
        line(format!(
            "| [`{name}`](#{name}) | {parties} | {corrupted} | {security} | {abort} | {domain} |"
        ));
    }
    for entry in PROTOCOLS {
        line(format!("\n## {}\n", entry.info.name));
        for (word, text) in promises(entry.info) {
            line(format!("- {word}: {text}"));
        }
        for (at, parties) in sizes(entry.info).enumerate() {
            if at == 0 {
                line(COLUMNS.into());
            }
            for Row { operation, preprocessing: before, online } in costs(entry, parties)? {
                line(format!(
                    "| {parties} | {operation} | {} | {} | {} | {} |",
                    before.rounds,
                    bytes(before.bytes),
                    online.rounds,
                    bytes(online.bytes)
                ));
            }
        }
    }
    Ok(page)
}

const HEAD: &str = "\
# Protocols

Written by the tests with `BLESS=1`, from what the code declares; `mpcvm protocols` prints the same.

Security is that with mutual TLS between all parties. *Abort* says what honest parties get when somebody cheats: with
*selective* abort each stops or has its right results, with *unanimous* abort all stop or none does. Nobody is promised
results (no fairness), and nobody is told for sure who cheated. κ and σ are bits; σ is 40 or what `--stat-sec` says.

Costs are per element of a batch of 16,384, with the session at 64 bits and σ = 40: payload bytes that a party sends, on
average over the parties, without the 28 bytes of header of a frame; rounds are those of the whole batch. Bytes online
have in them what the operation adds to the check before values leave; the rounds of that check are a line of their own.

| protocol | parties | corrupted | security | abort | domain |
|---|---|---|---|---|---|
";

const COLUMNS: &str = "
| parties | operation | preprocessing: rounds | bytes | online: rounds | bytes |
|---:|---|---:|---:|---:|---:|";

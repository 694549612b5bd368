//! Proves a register layout right, after the checker of regalloc2.
//!
//! It walks the steps as the machine will and keeps, for every register, which element of which value it holds. Each read must find the
//! value that the graph says. A loop's body is walked twice, the second time with only what holds both before and after it, so that
//! whatever a later iteration reads is there; after branches only what both leave is known.
//!
//! It shares no code with the layout but the places themselves, and runs in debug builds and tests.

use std::collections::BTreeMap;

use mpc_bytecode::Bank;

use super::layout::{Layout, bank};
use super::schedule::{Body, Step};
use crate::ir::{Node, Op, Type, Value};

/// Walks an entry.
///
/// # Errors
/// The first read that finds something else.
pub fn check(body: &Body, types: &[Type], layout: &Layout) -> Result<(), String> {
    Checker { types, layout, now: State::default() }.body(body)
}

type Done = Result<(), String>;

/// By bank and first register: length, value, and which of its elements comes first.
#[derive(Clone, Default, PartialEq)]
struct State(BTreeMap<(Bank, u64), (u64, Value, u64)>);

impl State {
    /// Forgets what the registers hold.
    fn clear(&mut self, bank: Bank, base: u64, len: u64) {
        let end = base + len;
        let touched: Vec<(u64, (u64, Value, u64))> = self
            .0
            .range(..(bank, end))
            .rev()
            .take_while(|&(&(b, _), _)| b == bank)
            .map(|(&(_, start), &run)| (start, run))
            .take_while(|&(start, (n, ..))| start + n > base)
            .collect();
        for (start, (n, v, first)) in touched {
            self.0.remove(&(bank, start));
            if start < base {
                self.0.insert((bank, start), (base - start, v, first));
            }
            if start + n > end {
                self.0.insert((bank, end), (start + n - end, v, first + end - start));
            }
        }
    }

    fn set(&mut self, bank: Bank, base: u64, len: u64, v: Value) {
        if len > 0 {
            self.clear(bank, base, len);
            self.0.insert((bank, base), (len, v, 0));
        }
    }

    /// Whether the registers hold elements of `v` from `first`.
    fn holds(&self, bank: Bank, base: u64, len: u64, v: Value, first: u64) -> bool {
        let mut at = base;
        while at < base + len {
            match self.0.range(..=(bank, at)).next_back() {
                Some((&(b, start), &(n, w, f)))
                    if b == bank
                        && start + n > at
                        && w == v
                        && f + at - start == first + at - base =>
                {
                    at = start + n;
                }
                _ => return false,
            }
        }
        true
    }

    /// What holds here and there.
    fn meet(&self, other: &State) -> State {
        let both = self
            .0
            .iter()
            .filter(|&(&(bank, base), &(len, v, first))| other.holds(bank, base, len, v, first));
        State(both.map(|(&k, &r)| (k, r)).collect())
    }
}

struct Checker<'a> {
    types: &'a [Type],
    layout: &'a Layout,
    now: State,
}

impl Checker<'_> {
    fn bank(&self, v: Value) -> Bank {
        bank(&self.types[v.0 as usize])
    }

    /// `v` is where its users look for it, and so is the index that moves it.
    fn read(&self, v: Value) -> Done {
        let a = self.layout.alias[v.0 as usize];
        let base = self.layout.base[a.root.0 as usize];
        let whole = self.layout.alias[a.root.0 as usize].len;
        let found = match a.index {
            None => self.now.holds(self.bank(v), base + a.offset, a.len, a.root, a.offset),
            Some(index) => {
                self.read(index)?;
                self.now.holds(self.bank(v), base, whole, a.root, 0)
            }
        };
        if found {
            Ok(())
        } else {
            Err(format!("%{} is not in its registers, of %{} from {base}", v.0, a.root.0))
        }
    }

    /// As [`Checker::read`]; a known index may be part of an instruction.
    fn read_index(&self, v: Value) -> Done {
        if self.layout.consts.contains_key(&v) { Ok(()) } else { self.read(v) }
    }

    fn write(&mut self, v: Value) {
        let a = self.layout.alias[v.0 as usize];
        if a.root == v {
            let bank = self.bank(v);
            self.now.set(bank, self.layout.base[v.0 as usize], a.len, v);
        }
    }

    fn same_place(&self, a: Value, b: Value) -> bool {
        self.layout.place(a, self.types) == self.layout.place(b, self.types)
    }

    /// All of `from` into the registers of `to`, at once.
    fn copy(&mut self, to: &[Value], from: &[Value]) -> Done {
        from.iter().try_for_each(|&v| self.read(v))?;
        to.iter().for_each(|&v| self.write(v));
        Ok(())
    }

    fn body(&mut self, body: &Body) -> Done {
        body.steps.iter().try_for_each(|s| self.step(s))
    }

    fn step(&mut self, step: &Step) -> Done {
        let node = &step.nodes[0];
        match node.op {
            Op::For { .. } => self.for_loop(step, node),
            Op::While {} => self.while_loop(step, node),
            Op::If {} => {
                self.read(node.args[0])?;
                let before = self.now.clone();
                self.body(&step.bodies[0])?;
                self.copy(&node.results, &step.bodies[0].results)?;
                let then = std::mem::replace(&mut self.now, before);
                self.body(&step.bodies[1])?;
                self.copy(&node.results, &step.bodies[1].results)?;
                self.now = self.now.meet(&then);
                Ok(())
            }
            _ => self.plain(&step.nodes),
        }
    }

    fn plain(&mut self, nodes: &[Node]) -> Done {
        let is_alias = |v: Value| self.layout.alias[v.0 as usize].root != v;
        let idle = |n: &Node| {
            n.results.first().is_some_and(|&r| is_alias(r) || !self.layout.used[r.0 as usize])
        };
        let real: Vec<&Node> =
            nodes.iter().filter(|n| !idle(n) || matches!(n.op, Op::Input { .. })).collect();
        // A copy before an update comes before all other reads.
        for n in real.iter().filter(|n| matches!(n.op, Op::UpdateAt { .. })) {
            self.read(n.args[0])?;
            if !self.same_place(n.args[0], n.results[0]) {
                self.write(n.results[0]);
            }
        }
        for n in &real {
            match n.op {
                Op::UpdateAt { .. } => {
                    self.read(n.args[1])?;
                    self.read_index(n.args[2])?;
                }
                Op::IndexAdd {} | Op::IndexMul {} => {
                    self.read(n.args[0])?;
                    self.read_index(n.args[1])?;
                }
                _ => n.args.iter().try_for_each(|&v| self.read(v))?,
            }
        }
        for n in &real {
            n.results.iter().for_each(|&r| self.write(r));
        }
        for (i, n) in real.iter().enumerate() {
            let lost = n.results.iter().any(|&r| self.read(r).is_err());
            if lost {
                return Err(format!(
                    "`{}`, number {i} of its step, writes where another does",
                    n.op.name()
                ));
            }
        }
        Ok(())
    }

    fn for_loop(&mut self, step: &Step, node: &Node) -> Done {
        let body = &step.bodies[0];
        self.copy(&body.params[1..], &node.args[2..])?;
        self.read_index(node.args[0])?;
        let known = |v: Value| self.layout.consts.get(&v);
        if let (Op::For { step }, Some(lo), Some(hi)) =
            (&node.op, known(node.args[0]), known(node.args[1]))
            && (if *step > 0 { lo >= hi } else { lo <= hi })
        {
            return self.results(&body.params[1..], &node.results);
        }
        self.write(body.params[0]);
        let entered = self.now.clone();
        for _ in 0..2 {
            self.now = self.now.meet(&entered);
            self.body(body)?;
            self.copy(&body.params[1..], &body.results)?;
            self.read(body.params[0])?;
            self.read(node.args[1])?;
        }
        self.now = self.now.meet(&entered);
        self.results(&body.params[1..], &node.results)
    }

    fn while_loop(&mut self, step: &Step, node: &Node) -> Done {
        let [condition, body] = &step.bodies[..] else { unreachable!("a while has two blocks") };
        self.copy(&condition.params, &node.args)?;
        let entered = self.now.clone();
        let mut left = entered.clone();
        for _ in 0..2 {
            self.now = self.now.meet(&entered);
            self.body(condition)?;
            self.read(condition.results[0])?;
            left = left.meet(&self.now);
            self.copy(&body.params, &condition.params)?;
            self.body(body)?;
            self.copy(&condition.params, &body.results)?;
        }
        self.now = left;
        self.results(&condition.params, &node.results)
    }

    /// What a loop leaves in the registers of its parameters are its results.
    fn results(&mut self, params: &[Value], results: &[Value]) -> Done {
        for (&p, &r) in params.iter().zip(results) {
            self.read(p)?;
            if !self.same_place(p, r) {
                return Err(format!("the result %{} of a loop is not where its parameter is", r.0));
            }
        }
        results.iter().for_each(|&r| self.write(r));
        Ok(())
    }
}

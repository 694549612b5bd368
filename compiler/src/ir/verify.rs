//! What holds of every graph, checked between passes in debug builds and in tests:
//!
//! 1. Each value is defined once, before its uses, in the block of the use or one around it.
//! 2. Element, visibility and shape of a result are those of the type rule ([`super::infer`]); its bound is between 1 and 128 bits.
//! 3. A loop's initial values, parameters, next values and results agree in element, visibility and shape, and so do the results of the
//!    branches of an `if`; a bound may narrow on the way (a promise).
//! 4. Loop bounds are indices, conditions one clear bit; the first parameter of a `for` is the index.
//! 5. Ids name inputs, outputs, states, roles and files of the module. Sites of random draws are distinct.
//! 6. The body of an entry has no parameters and no results.

use std::collections::BTreeSet;

use super::infer::infer;
use super::{Block, Elem, Entry, Module, Node, Op, Type, Value, Vis};

/// Checks a module as the header says.
///
/// # Errors
/// The first fault found, with entry and operation.
pub fn verify(module: &Module) -> Result<(), String> {
    let mut sites = BTreeSet::new();
    for i in &module.inputs {
        if i.role as usize >= module.roles.len() {
            return Err(format!("input `{}`: no such role", i.name));
        }
    }
    for entry in &module.entries {
        let mut v = Verifier {
            module,
            entry,
            defined: vec![false; entry.types.len()],
            scope: vec![false; entry.types.len()],
            sites: &mut sites,
        };
        v.entry().map_err(|why| format!("entry `{}`: {why}", entry.name))?;
    }
    Ok(())
}

struct Verifier<'a> {
    module: &'a Module,
    entry: &'a Entry,
    defined: Vec<bool>,
    /// Values that may be used here.
    scope: Vec<bool>,
    sites: &'a mut BTreeSet<u32>,
}

impl Verifier<'_> {
    fn entry(&mut self) -> Result<(), String> {
        let body = &self.entry.body;
        if !body.params.is_empty() || !body.results.is_empty() {
            return Err("a body with parameters or results".into());
        }
        for (i, t) in self.entry.types.iter().enumerate() {
            let bits = match t.elem {
                Elem::Num => 1..=super::MAX_BITS,
                Elem::Bit => 1..=1,
                Elem::Index => 64..=64,
            };
            if !bits.contains(&t.bits)
                || (t.elem == Elem::Index && (t.vis != Vis::Clear || !t.shape.is_empty()))
            {
                return Err(format!("%{i}: no such type"));
            }
        }
        self.block(body)
    }

    fn define(&mut self, v: Value) -> Result<(), String> {
        match self.defined.get(v.0 as usize) {
            None => Err(format!("%{} has no type", v.0)),
            Some(true) => Err(format!("%{} is defined twice", v.0)),
            Some(false) => {
                self.defined[v.0 as usize] = true;
                self.scope[v.0 as usize] = true;
                Ok(())
            }
        }
    }

    fn used(&self, v: Value) -> Result<&Type, String> {
        match self.scope.get(v.0 as usize) {
            Some(true) => Ok(self.entry.ty(v)),
            _ => Err(format!("%{} is used where it is not defined", v.0)),
        }
    }

    fn block(&mut self, block: &Block) -> Result<(), String> {
        let mut mine = block.params.clone();
        block.params.iter().try_for_each(|&p| self.define(p))?;
        for node in &block.nodes {
            self.node(node).map_err(|why| format!("`{}`: {why}", node.op.name()))?;
            mine.extend(&node.results);
        }
        for &v in &block.results {
            self.used(v)?;
        }
        mine.iter().for_each(|v| self.scope[v.0 as usize] = false);
        Ok(())
    }

    fn node(&mut self, node: &Node) -> Result<(), String> {
        let args = node.args.iter().map(|&v| self.used(v)).collect::<Result<Vec<&Type>, _>>()?;
        if node.blocks.len() != node.op.blocks() {
            return Err(format!("{} blocks", node.blocks.len()));
        }
        if node.span.line > 0 && node.span.file as usize >= self.module.files.len() {
            return Err("no such file".into());
        }
        match &node.op {
            Op::For { step } => {
                let &[lo, hi, ..] = &args[..] else { return Err("two bounds expected".into()) };
                expect(
                    lo.elem == Elem::Index && hi.elem == Elem::Index,
                    "loop bounds are not indices",
                )?;
                expect(*step != 0, "a step of zero")?;
                let body = &node.blocks[0];
                let index = body.params.first().map(|p| self.entry.types.get(p.0 as usize));
                expect(index.flatten().is_some_and(|t| t.elem == Elem::Index), "no index")?;
                self.handed("initial values", &node.args[2..], &body.params[1..])?;
                self.block(body)?;
                self.handed("next values", &body.results, &body.params[1..])?;
                self.handed("results", &body.params[1..], &node.results)?;
            }
            Op::While {} => {
                let (condition, body) = (&node.blocks[0], &node.blocks[1]);
                self.handed("initial values", &node.args, &condition.params)?;
                self.block(condition)?;
                self.condition(&condition.results)?;
                self.handed("parameters", &condition.params, &body.params)?;
                self.block(body)?;
                self.handed("next values", &body.results, &condition.params)?;
                self.handed("results", &condition.params, &node.results)?;
            }
            Op::If {} => {
                self.condition(&node.args)?;
                for b in &node.blocks {
                    expect(b.params.is_empty(), "a branch with parameters")?;
                    self.block(b)?;
                    self.handed("results", &b.results, &node.results)?;
                }
            }
            op => self.plain(node, infer(self.module, op, &args)?)?,
        }
        if let Op::Random { site, .. } | Op::RandomBit { site, .. } | Op::Shuffle { site } = node.op
        {
            expect(self.sites.insert(site), "a site used twice")?;
        }
        node.results.iter().try_for_each(|&r| self.define(r))
    }

    fn plain(&self, node: &Node, rule: Option<Type>) -> Result<(), String> {
        match (&node.results[..], rule) {
            ([], None) => Ok(()),
            ([r], Some(want)) => {
                let have = self.entry.types.get(r.0 as usize).ok_or("a result without type")?;
                expect(same(have, &want), &format!("%{} is {have:?}, its rule says {want:?}", r.0))
            }
            (results, _) => Err(format!("{} results", results.len())),
        }
    }

    fn condition(&self, values: &[Value]) -> Result<(), String> {
        let one_clear_bit = |v: &Value| {
            let t = self.entry.types.get(v.0 as usize);
            t.is_some_and(|t| t.elem == Elem::Bit && t.vis == Vis::Clear && t.size() == 1)
        };
        expect(values.len() == 1 && one_clear_bit(&values[0]), "a condition is one clear bit")
    }

    fn handed(&self, what: &str, from: &[Value], to: &[Value]) -> Result<(), String> {
        let ty = |v: &Value| self.entry.types.get(v.0 as usize);
        let fits = |(a, b)| matches!((ty(a), ty(b)), (Some(a), Some(b)) if same(a, b));
        expect(
            from.len() == to.len() && from.iter().zip(to).all(fits),
            &format!("{what} of other types"),
        )
    }
}

fn same(a: &Type, b: &Type) -> bool {
    (a.elem, a.vis, &a.shape) == (b.elem, b.vis, &b.shape)
}

fn expect(ok: bool, what: &str) -> Result<(), String> {
    if ok { Ok(()) } else { Err(what.into()) }
}

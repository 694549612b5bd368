//! The optimiser: passes over the graph, one file each, one line each in [`PASSES`].
//!
//! An *exact* pass keeps the result of [`crate::ir::interpret`]; a *numeric* one may change it within the bound that its header states, and
//! is left out at [`Level::Exact`]. The verifier runs after every pass in debug builds and in tests.
//!
//! Adding a pass: a file with a header (`Before`, `After`, `Never`), a line in the table, and cases in `compiler/tests/passes/<name>/`.

mod algebra;
mod clear_first;
mod compare_first;
mod cse;
mod dead;
mod delay_truncation;
mod elide_wraps;
mod fold;
mod fuse_dot;
mod hoist;
mod mixed_products;
mod narrow_visibility;
mod rewrite;

use crate::ir::verify::verify;
use crate::ir::{Entry, Module};

/// How much may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Exact passes only.
    Exact,
    /// All passes.
    #[default]
    Full,
}

/// What a pass keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The result, bit for bit.
    Exact,
    /// The result within a stated bound.
    Numeric,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Its name, also of its file and of its folder of tests.
    pub name: &'static str,
    /// What it keeps.
    pub kind: Kind,
    /// Rewrites one entry; the module holds declarations only.
    pub run: fn(&Module, &mut Entry),
}

const fn exact(name: &'static str, run: fn(&Module, &mut Entry)) -> Pass {
    Pass { name, kind: Kind::Exact, run }
}

const fn numeric(name: &'static str, run: fn(&Module, &mut Entry)) -> Pass {
    Pass { name, kind: Kind::Numeric, run }
}

/// All passes, in the order in which they run.
pub const PASSES: &[Pass] = &[
    exact("fold", fold::run),
    exact("narrow_visibility", narrow_visibility::run),
    exact("algebra", algebra::run),
    exact("mixed_products", mixed_products::run),
    exact("clear_first", clear_first::run),
    exact("elide_wraps", elide_wraps::run),
    numeric("delay_truncation", delay_truncation::run),
    exact("compare_first", compare_first::run),
    exact("fuse_dot", fuse_dot::run),
    exact("hoist", hoist::run),
    exact("cse", cse::run),
    exact("dead", dead::run),
];

/// Most times the table is gone through: each time finds what the last made possible.
const SWEEPS: usize = 4;

/// Improves a module.
pub fn optimise(module: &mut Module, level: Level) {
    for _ in 0..SWEEPS {
        let before = module.entries.clone();
        for pass in PASSES.iter().filter(|p| level == Level::Full || p.kind == Kind::Exact) {
            run_pass(pass, module);
        }
        if module.entries == before {
            return;
        }
    }
}

/// Runs one pass on all entries.
pub fn run_pass(pass: &Pass, module: &mut Module) {
    let mut entries = std::mem::take(&mut module.entries);
    for entry in &mut entries {
        (pass.run)(module, entry);
    }
    module.entries = entries;
    if cfg!(debug_assertions)
        && let Err(why) = verify(module)
    {
        panic!("pass `{}` broke the graph: {why}", pass.name);
    }
}

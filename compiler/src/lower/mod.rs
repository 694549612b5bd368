//! From syntax trees to the graph: types, constants and shapes are worked out on the way.
//!
//! Functions are inlined where they are called, with the shapes, visibilities and widths of that call; loops stay loops. Fixed point
//! ends here: a `fix<k,f>` is an integer of k bits, a product of two has k + f bits until its one `trunc`.
//!
//! | file | what |
//! |---|---|
//! | `value` | what an expression gives: a tensor, or a number still known |
//! | `convert` | from one type to another, and literals to a type |
//! | `expr`, `arith`, `index` | expressions, operators, places |
//! | `stmt`, `loops`, `branches` | statements |
//! | `circuit` | calls of circuits |
//! | `call`, `types` | functions and their generic parameters, types as written |
//! | `border` | roles, inputs, outputs, states, constants from outside |
//! | `builtins` | the functions that every program has |

mod arith;
mod border;
mod branches;
mod builtins;
mod call;
mod circuit;
mod convert;
mod expr;
mod index;
mod loops;
mod stmt;
mod types;
mod value;

pub use builtins::names as builtin_names;

use std::collections::{BTreeMap, BTreeSet};

use crate::check::modules::{Def, ModuleId, Program};
use crate::check::types::{Ty, show_shape};
use crate::diagnostics::Diagnostic;
use crate::ir::{self, Builder};
use crate::parse::ast;
use crate::source::Span;
use value::{Affine, Symbol, Val};

/// What the caller of the compiler decides.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Values of constants and sizes by name, as text: `-D n=569`.
    pub defines: BTreeMap<String, String>,
    /// Shapes of the data by input; free sizes of the input's type are taken from there.
    pub input_shapes: BTreeMap<String, Vec<usize>>,
    /// Operations are placed where the program calls a function of the library, not in the function.
    pub places_of_program: bool,
}

/// Most steps of lowering: expressions and unrolled iterations. Beyond it the program is not one a person wrote.
const MAX_STEPS: u64 = 3_000_000;
/// Deepest nesting of expressions and calls together.
const MAX_DEPTH: u32 = 300;

/// A name in scope.
#[derive(Clone, Debug)]
struct Binding {
    name: String,
    /// None when its definition had an error, which was reported.
    val: Option<Val>,
    mutable: bool,
    /// Whether the type, visibility included, was written by the user.
    declared: Option<Ty>,
    state: bool,
    span: Span,
}

/// What there was before an attempt that may be taken back.
struct Attempt {
    graph: ir::build::Mark,
    messages: usize,
    reported: BTreeSet<(Span, String)>,
}

/// Where lowering stands.
struct Lower<'a> {
    program: &'a Program,
    options: &'a Options,
    /// Functions of the library that stand for one of the real numbers are that function.
    real: bool,
    b: Builder,
    messages: Vec<Diagnostic>,
    reported: BTreeSet<(Span, String)>,
    locals: Vec<Binding>,
    /// First local of the function being inlined.
    frame: usize,
    module: ModuleId,
    /// Functions being inlined, outermost first, with the place of each call.
    calls: Vec<(ModuleId, usize, Span)>,
    symbols: Vec<Symbol>,
    constants: BTreeMap<(ModuleId, usize), Option<Val>>,
    evaluating: Vec<(ModuleId, usize)>,
    /// Sizes bound by inputs, and by the command line.
    sizes: BTreeMap<String, Val>,
    roles: BTreeMap<String, border::RoleSet>,
    role_names: Vec<String>,
    output_names: Vec<String>,
    input_labels: BTreeSet<String>,
    used_defines: BTreeSet<String>,
    used_shapes: BTreeSet<String>,
    /// Blocks that run conditionally or repeatedly around the current place.
    nested: usize,
    steps: u64,
    depth: u32,
    stopped: bool,
    /// The first statement that could not be lowered.
    failed: Option<Span>,
}

/// Lowers a program whose names were checked. The module is empty when there were errors.
pub fn lower(program: &Program, options: &Options, messages: &mut Vec<Diagnostic>) -> ir::Module {
    lower_as(program, options, false, messages)
}

/// Lowers a program; as a `reference` it can be interpreted only.
pub(crate) fn lower_as(
    program: &Program,
    options: &Options,
    reference: bool,
    messages: &mut Vec<Diagnostic>,
) -> ir::Module {
    let mut l = Lower {
        program,
        options,
        real: reference,
        b: Builder::new(),
        messages: vec![],
        reported: BTreeSet::new(),
        locals: vec![],
        frame: 0,
        module: 0,
        calls: vec![],
        symbols: vec![],
        constants: BTreeMap::new(),
        evaluating: vec![],
        sizes: BTreeMap::new(),
        roles: BTreeMap::new(),
        role_names: vec![],
        output_names: vec![],
        input_labels: BTreeSet::new(),
        used_defines: BTreeSet::new(),
        used_shapes: BTreeSet::new(),
        nested: 0,
        steps: 0,
        depth: 0,
        stopped: false,
        failed: None,
    };
    for source in program.sources.files() {
        l.b.file(&source.name);
    }
    l.program();
    messages.append(&mut l.messages);
    if let Some(span) = l.failed
        && !messages.iter().any(Diagnostic::is_error)
    {
        // Whatever fails says why; should it not, there is still no program.
        messages.push(Diagnostic::error("this statement has no meaning", span, "not understood"));
    }
    if messages.iter().any(Diagnostic::is_error) {
        return ir::Module::default();
    }
    l.b.finish()
}

impl<'a> Lower<'a> {
    fn program(&mut self) {
        let Some(root) = self.program.modules.first() else { return };
        self.declare_roles(&root.ast);
        self.bind_sizes(&root.ast);
        self.all_constants();
        let states = self.declare_states(&root.ast);
        let entries: Vec<&'a ast::Entry> = root
            .ast
            .items
            .iter()
            .filter_map(|i| match i {
                ast::Item::Entry(e) => Some(e),
                _ => None,
            })
            .collect();
        let stmts: Vec<&'a ast::Stmt> = root
            .ast
            .items
            .iter()
            .filter_map(|i| match i {
                ast::Item::Stmt(s) => Some(s),
                _ => None,
            })
            .collect();
        if entries.is_empty() {
            self.entry("main", &stmts, &states);
        } else if let Some(first) = stmts.iter().find(|s| s.kind != ast::StmtKind::Error) {
            let message = Diagnostic::error(
                "a statement outside the entry points",
                first.span,
                "belongs to no entry point",
            )
            .also(entries[0].name.span, "the program has entry points")
            .help("move it into an `entry`, or make it a `fn` or a `const`");
            self.report(message);
        }
        let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
        for entry in entries {
            if let Some(before) = seen.insert(&entry.name.name, entry.name.span) {
                let title = format!("two entry points are named `{}`", entry.name.name);
                self.report(
                    Diagnostic::error(title, entry.name.span, "the second")
                        .also(before, "the first"),
                );
                continue;
            }
            if let Some(tail) = &entry.body.tail {
                self.report(
                    Diagnostic::error(
                        "an entry point has no value",
                        tail.span,
                        "this value is not used",
                    )
                    .help("output …  to all as \"name\";"),
                );
            }
            let stmts: Vec<&ast::Stmt> = entry.body.stmts.iter().collect();
            self.entry(&entry.name.name, &stmts, &states);
        }
        self.unused_options();
    }

    fn entry(&mut self, name: &str, stmts: &[&'a ast::Stmt], states: &[border::StateInfo]) {
        self.b.begin_entry(name);
        self.locals.clear();
        self.output_names.clear();
        self.input_labels.clear();
        self.symbols.clear();
        self.frame = 0;
        let variables = self.begin_states(stmts, states);
        for stmt in stmts {
            if self.stmt(stmt).is_none() {
                self.failed.get_or_insert(stmt.span);
            }
        }
        self.end_states(&variables);
        self.b.end_entry();
    }

    fn report(&mut self, mut message: Diagnostic) {
        let key =
            (message.primary.as_ref().map_or(Span::default(), |p| p.span), message.title.clone());
        if !self.reported.insert(key) {
            return;
        }
        for (module, item, call) in self.calls.iter().rev().take(3) {
            let name = &self.program.modules[*module].function(*item).name.name;
            message = message.also(*call, format!("in this call of `{name}`"));
        }
        self.messages.push(message);
    }

    /// Reports an error and gives nothing.
    fn fail<T>(&mut self, message: Diagnostic) -> Option<T> {
        self.report(message);
        None
    }

    fn error<T>(
        &mut self,
        title: impl Into<String>,
        span: Span,
        label: impl Into<String>,
    ) -> Option<T> {
        self.fail(Diagnostic::error(title, span, label))
    }

    /// Counts one step; false when there were too many.
    fn step(&mut self, span: Span) -> bool {
        self.steps += 1;
        if self.steps > MAX_STEPS && !self.stopped {
            self.stopped = true;
            self.report(
                Diagnostic::error(
                    "the program grows too large when it is unrolled",
                    span,
                    "the limit was reached here",
                )
                .help("use `for` without `unroll`, or operate on whole tensors"),
            );
        }
        !self.stopped
    }

    /// Runs `f` one level deeper.
    fn deeper<T>(&mut self, span: Span, f: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if !self.step(span) {
            return None;
        }
        if self.depth >= MAX_DEPTH {
            return self.fail(
                Diagnostic::error("this is nested too deeply", span, "")
                    .help("name parts of it with `let`"),
            );
        }
        self.depth += 1;
        let out = f(self);
        self.depth -= 1;
        out
    }

    /// Remembers where lowering stands, for a second attempt from here.
    fn attempt(&self) -> Attempt {
        Attempt {
            graph: self.b.mark(),
            messages: self.messages.len(),
            reported: self.reported.clone(),
        }
    }

    /// Takes back what was built and said since an attempt began.
    fn take_back(&mut self, attempt: Attempt) {
        self.b.rollback(attempt.graph);
        self.messages.truncate(attempt.messages);
        self.reported = attempt.reported;
    }

    /// Tells the graph where in the source it is.
    fn at(&mut self, span: Span) {
        let outermost = self.calls.first().filter(|_| self.options.places_of_program);
        let span = outermost.map_or(span, |call| call.2);
        let Some(source) = self.program.sources.get(span.file) else { return };
        let (line, col) = source.position(span.start);
        self.b.set_span(ir::Span { file: span.file.0, line, col });
    }

    fn show(&self, ty: &Ty) -> String {
        format!("`{}`", ty.show(&self.role_names))
    }

    fn describe(&self, val: &Val) -> String {
        val.describe(&self.role_names)
    }

    /// The innermost binding of a name in the current function.
    fn local(&self, name: &str) -> Option<usize> {
        self.locals[self.frame..].iter().rposition(|b| b.name == name).map(|i| i + self.frame)
    }

    fn bind(&mut self, name: &str, val: Option<Val>, span: Span) {
        self.locals.push(Binding {
            name: name.to_string(),
            val,
            mutable: false,
            declared: None,
            state: false,
            span,
        });
    }

    /// The value of a name, or nothing if it has none or had an error.
    fn lookup(&mut self, name: &str, span: Span) -> Option<Val> {
        if let Some(i) = self.local(name) {
            return self.locals[i].val.clone();
        }
        if self.module == 0
            && let Some(val) = self.sizes.get(name)
        {
            return Some(val.clone());
        }
        match self.def(name) {
            Some(Def::Const(module, item)) => self.constant(module, item),
            Some(Def::Fn(..) | Def::Circuit(..)) => {
                let message =
                    Diagnostic::error(format!("`{name}` is a function"), span, "used like a value");
                self.fail(message.help(format!("call it: `{name}(…)`")))
            }
            Some(Def::Module(_)) => {
                self.error(format!("`{name}` is a module"), span, "used like a value")
            }
            Some(Def::Broken) => None,
            None if self.roles.contains_key(name) => {
                self.error(format!("`{name}` is a role"), span, "used like a value")
            }
            // Unknown names were reported before.
            None => None,
        }
    }

    /// What a name or path means in the current module.
    fn def(&self, path: &str) -> Option<Def> {
        let mut module = self.module;
        let mut parts = path.split("::").peekable();
        while let Some(part) = parts.next() {
            let def = *self.program.modules[module].names.get(part)?;
            match def {
                Def::Module(m) if parts.peek().is_some() => module = m,
                def => return parts.peek().is_none().then_some(def),
            }
        }
        None
    }

    /// The value of an affine expression as an index of the graph.
    fn index_value(&mut self, affine: &Affine) -> ir::Value {
        let mut sum = None;
        for &(symbol, factor) in &affine.terms {
            let value = self.symbols[symbol].value;
            let term = if factor == 1 {
                value
            } else {
                let factor = self.b.index_const(factor);
                self.b.index_mul(value, factor)
            };
            sum = Some(match sum {
                None => term,
                Some(before) => self.b.index_add(before, term),
            });
        }
        match sum {
            None => self.b.index_const(affine.constant),
            Some(sum) if affine.constant == 0 => sum,
            Some(sum) => {
                let constant = self.b.index_const(affine.constant);
                self.b.index_add(sum, constant)
            }
        }
    }

    fn shape_text(shape: &[usize]) -> String {
        if shape.is_empty() {
            "a single value".into()
        } else {
            format!("shape {}", show_shape(shape))
        }
    }
}

//! A graph from its inputs to its outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::call::Call;
use super::fuse::{self, Last};
use super::program::{Program, Purpose, Value, Var, WEIGHTS};
use super::proto::{self, Dim, Graph, Model, Node, ValueInfo};
use super::table::{self, Domain};
use super::tensor::{self, Kind, MAX_ELEMENTS, size};
use super::{Input, Model as Imported, Options, Tap};
use crate::diagnostics::Diagnostic;
use crate::source::Loader;

/// Most unsupported nodes that are listed one by one.
const MAX_LISTED: usize = 50;
/// Most characters of a node's name in the program.
const MAX_SHOWN: usize = 100;

/// Imports the graph of a model.
pub(super) fn import(
    path: &str,
    model: &Model<'_>,
    loader: &dyn Loader,
    options: &Options,
    purpose: Purpose,
) -> Result<Imported, Vec<Diagnostic>> {
    let opsets = Opsets::of(model).map_err(|why| vec![Diagnostic::global(why)])?;
    unsupported(model, &opsets)?;
    let mut import = Import {
        graph: &model.graph,
        opsets,
        loader,
        files: BTreeMap::new(),
        values: BTreeMap::new(),
        elements: elements(&model.graph),
        uses: uses(&model.graph),
        last: None,
        broken: BTreeSet::new(),
        labels: BTreeSet::from([WEIGHTS.to_string()]),
        errors: vec![],
        p: Program::new(options, purpose),
        inputs: vec![],
        taps: vec![],
    };
    import.initialisers();
    import.inputs();
    if import.errors.is_empty() {
        import.nodes();
    }
    if import.errors.is_empty() {
        import.outputs();
    }
    if !import.errors.is_empty() {
        if let Some(n) = import.p.samples {
            import.error(format!("the model is for one sample and was given {n}; leave out --shape and run them one by one"));
        }
        return Err(import.errors);
    }
    Ok(import.finish(path, model))
}

/// The inputs of a model; old ones list initialisers among them.
pub(super) fn inputs(model: &Model<'_>) -> Vec<Input> {
    let graph = &model.graph;
    let mut labels = BTreeSet::from([WEIGHTS.to_string()]);
    let is_open = |dims: &Vec<Dim<'_>>| dims.iter().any(|d| !matches!(d, Dim::Size(_)));
    let given = |info: &&ValueInfo<'_>| !graph.initialisers.iter().any(|(n, _)| *n == info.name);
    let input = |info: &ValueInfo<'_>| Input {
        name: free(&mut labels, &plain_name(info.name)),
        open: info.shape.as_ref().is_none_or(is_open),
    };
    graph.inputs.iter().filter(given).map(input).collect()
}

/// Versions of the operator sets that a model uses.
#[derive(Default)]
struct Opsets {
    standard: Option<i64>,
    ml: Option<i64>,
}

impl Opsets {
    fn of(model: &Model<'_>) -> Result<Opsets, String> {
        let mut out = Opsets::default();
        for (name, version) in &model.opsets {
            let Some(domain) = Domain::of(name) else { continue };
            let (oldest, newest) = domain.versions();
            if !(oldest..=newest).contains(version) {
                let name = domain.name();
                return Err(format!(
                    "the model uses version {version} of the operator set `{name}`; versions {oldest} to {newest} are supported"
                ));
            }
            *out.place(domain) = Some(*version);
        }
        if out.standard.is_none() && out.ml.is_none() {
            return Err("the model names no version of the operator set `ai.onnx`".into());
        }
        Ok(out)
    }

    fn place(&mut self, domain: Domain) -> &mut Option<i64> {
        match domain {
            Domain::Standard => &mut self.standard,
            Domain::Ml => &mut self.ml,
        }
    }

    fn version(&self, domain: &str) -> Option<i64> {
        match Domain::of(domain)? {
            Domain::Standard => self.standard,
            Domain::Ml => self.ml,
        }
    }

    /// As they are told to a reader.
    fn shown(&self) -> String {
        let parts = [("", self.standard), ("ai.onnx.ml ", self.ml)];
        let shown = parts.iter().filter_map(|(name, v)| Some(format!("{name}{}", (*v)?)));
        shown.collect::<Vec<_>>().join(", ")
    }
}

/// How a node is named in messages.
fn title(node: &Node<'_>) -> String {
    let name = if node.name.is_empty() { node.outputs.first().copied() } else { Some(node.name) };
    format!("node `{}` ({})", name.unwrap_or(""), operator(node))
}

fn operator(node: &Node<'_>) -> String {
    if Domain::of(node.domain) == Some(Domain::Standard) {
        node.op.into()
    } else {
        format!("{}.{}", node.domain, node.op)
    }
}

/// All that is not supported, at once.
fn unsupported(model: &Model<'_>, opsets: &Opsets) -> Result<(), Vec<Diagnostic>> {
    let mut messages = vec![];
    if model.graph.sparse > 0 {
        messages.push(Diagnostic::global("sparse initialisers are not supported"));
    }
    let missing = model.graph.nodes.iter().filter_map(|node| Some((node, why_not(node, opsets)?)));
    let missing: Vec<(&Node<'_>, String)> = missing.collect();
    for (node, why) in missing.iter().take(MAX_LISTED) {
        messages.push(Diagnostic::global(format!("{}: {why}", title(node))));
    }
    if missing.len() > MAX_LISTED {
        let more = missing.len() - MAX_LISTED;
        messages.push(Diagnostic::global(format!("{more} more nodes are not supported")));
    }
    if messages.is_empty() { Ok(()) } else { Err(messages) }
}

fn why_not(node: &Node<'_>, opsets: &Opsets) -> Option<String> {
    let Some(operator) = table::find(node.domain, node.op) else {
        return Some(format!("this operator is not supported (operator set {})", opsets.shown()));
    };
    match (operator, opsets.version(node.domain)) {
        (_, None) => Some("the model names no version of the set of this operator".into()),
        (o, Some(version)) if !(o.first..=o.last).contains(&version) => Some(format!(
            "this operator is supported in operator sets {} to {}, not in {version}",
            o.first, o.last
        )),
        _ => None,
    }
}

/// Numbers of element types that the model says.
fn elements<'a>(graph: &Graph<'a>) -> BTreeMap<&'a str, i64> {
    let infos = graph.inputs.iter().chain(&graph.outputs).chain(&graph.inside);
    let infos = infos.filter(|i| i.kind != 0).map(|i| (i.name, i.kind));
    let tensors = graph.initialisers.iter().map(|(name, tensor)| (*name, tensor.kind));
    infos.chain(tensors).collect()
}

/// The number of the element type of what a node gives, if the node says it.
fn element_of(node: &Node<'_>, elements: &BTreeMap<&str, i64>) -> Option<i64> {
    let number = |name: &str| {
        let (_, message) = node.attributes.iter().find(|(n, _)| *n == name)?;
        let attribute = proto::attribute(message).ok()?;
        attribute.int.or(attribute.tensor.map(|t| t.kind))
    };
    let input = |i: usize| elements.get(node.inputs.get(i)?).copied();
    match node.op {
        "Cast" => number("to"),
        "CastLike" => input(1),
        "Constant" | "ConstantOfShape" => number("value"),
        "QuantizeLinear" => number("output_dtype").or(input(2)).or(Some(2)),
        "QLinearConv" | "QLinearMatMul" => input(7),
        "DynamicQuantizeLinear" => Some(2),
        // Most operators keep the type of their first operand.
        _ => input(0),
    }
}

/// How often each name is used.
fn uses<'a>(graph: &Graph<'a>) -> BTreeMap<&'a str, usize> {
    let mut uses = BTreeMap::new();
    let outputs = graph.outputs.iter().map(|o| o.name);
    for name in graph.nodes.iter().flat_map(|n| n.inputs.iter().copied()).chain(outputs) {
        *uses.entry(name).or_default() += 1;
    }
    uses
}

/// Where an import stands.
struct Import<'m, 'a, 'o> {
    graph: &'m Graph<'a>,
    opsets: Opsets,
    loader: &'o dyn Loader,
    /// Files of external data.
    files: BTreeMap<String, Rc<Vec<u8>>>,
    values: BTreeMap<&'a str, Value>,
    /// Numbers of their element types, where they are known.
    elements: BTreeMap<&'a str, i64>,
    /// How often a name is used.
    uses: BTreeMap<&'a str, usize>,
    /// The node before, if it wrote something.
    last: Option<Last<'a>>,
    /// Names whose node had an error, which was reported.
    broken: BTreeSet<&'a str>,
    /// Names at the border that are taken.
    labels: BTreeSet<String>,
    errors: Vec<Diagnostic>,
    p: Program<'o>,
    /// Declarations of inputs.
    inputs: Vec<String>,
    /// What nodes give, where it comes out.
    taps: Vec<Tap>,
}

impl<'a> Import<'_, 'a, '_> {
    fn error(&mut self, text: String) {
        self.errors.push(Diagnostic::global(text));
    }

    /// A name of the graph as one at the border that is not taken.
    fn label(&mut self, name: &str) -> String {
        free(&mut self.labels, &plain_name(name))
    }

    fn initialisers(&mut self) {
        for (name, tensor) in &self.graph.initialisers {
            let read = tensor::read(tensor, &mut external(self.loader, &mut self.files));
            match read {
                Ok(constant) => {
                    self.values.insert(name, constant.into());
                }
                Err(why) => self.error(format!("initialiser `{name}`: {why}")),
            }
        }
    }

    fn inputs(&mut self) {
        let names: BTreeSet<&str> = self.graph.inputs.iter().map(|i| i.name).collect();
        for name in self.p.options.shapes.keys() {
            if !names.iter().any(|n| *n == name || plain_name(n) == *name) {
                let known: Vec<&str> = names.iter().copied().collect();
                let known = known.join(", ");
                self.error(format!("the model has no input `{name}`; its inputs: {known}"));
            }
        }
        for info in &self.graph.inputs {
            // Old models list initialisers among the inputs.
            if self.values.contains_key(info.name) {
                continue;
            }
            if let Err(why) = self.input(info) {
                self.error(format!("input `{}`: {why}", info.name));
            }
        }
    }

    fn input(&mut self, info: &ValueInfo<'a>) -> Result<(), String> {
        let kind = Kind::of(info.kind)?;
        let shape = self.input_shape(info)?;
        if let (Some([Dim::Size(1), ..]), Some(&n)) = (info.shape.as_deref(), shape.first())
            && n != 1
        {
            self.p.samples = Some(n);
        }
        let name = format!("x{}", self.inputs.len());
        let label = self.label(info.name);
        let ty = self.p.ty(kind, &shape);
        self.inputs.push(format!("input {name}: secret {ty} from user as \"{label}\";"));
        self.values.insert(info.name, Value::Var(Var { name, shape, kind }));
        Ok(())
    }

    fn input_shape(&self, info: &ValueInfo<'_>) -> Result<Vec<usize>, String> {
        let shapes = &self.p.options.shapes;
        let given = shapes.get(info.name).or_else(|| shapes.get(&plain_name(info.name)));
        let Some(dims) = &info.shape else {
            return given.cloned().ok_or_else(|| {
                format!("the model does not say its shape; give --shape {}=SIZES", info.name)
            });
        };
        let shown = |d: &Dim<'_>| match d {
            Dim::Size(n) => n.to_string(),
            Dim::Named(name) => (*name).to_string(),
            Dim::Unknown => "?".into(),
        };
        let text = dims.iter().map(shown).collect::<Vec<_>>().join(", ");
        let shape = match given {
            Some(given) => {
                let sized =
                    |d: &Dim<'_>, n: usize| matches!(d, Dim::Size(m) if *m > 0 && *m as usize != n);
                // A model for one sample may be for several.
                let fits = |(i, (d, n)): (usize, (&Dim<'_>, &usize))| {
                    !sized(d, *n) || (i == 0 && *d == Dim::Size(1))
                };
                if given.len() != dims.len() || !dims.iter().zip(given).enumerate().all(fits) {
                    return Err(format!("the shape {given:?} was given, the model says [{text}]"));
                }
                given.clone()
            }
            None => {
                let sizes = dims.iter().map(|d| match d {
                    Dim::Size(n) => usize::try_from(*n).ok(),
                    _ => None,
                });
                sizes.collect::<Option<Vec<usize>>>().ok_or_else(|| {
                    format!("its shape is [{text}]; give --shape {}=SIZES", info.name)
                })?
            }
        };
        if size(&shape) > MAX_ELEMENTS {
            return Err(format!("its shape [{text}] is too large"));
        }
        Ok(shape)
    }

    fn nodes(&mut self) {
        for node in &self.graph.nodes {
            match self.node(node) {
                Ok(true) => {}
                Ok(false) => self.broken.extend(node.outputs.iter().filter(|o| !o.is_empty())),
                Err(why) => {
                    self.broken.extend(node.outputs.iter().filter(|o| !o.is_empty()));
                    self.error(format!("{}: {why}", title(node)));
                }
            }
        }
    }

    /// Imports a node; false if it needs what had an error.
    fn node(&mut self, node: &Node<'a>) -> Result<bool, String> {
        let mut inputs = vec![];
        for name in &node.inputs {
            if self.broken.contains(name) {
                return Ok(false);
            }
            inputs.push(match *name {
                "" => None,
                name => Some(self.value(name)?),
            });
        }
        let outputs = self.run(node, inputs)?;
        if let Some(element) = element_of(node, &self.elements) {
            for name in &node.outputs {
                self.elements.entry(name).or_insert(element);
            }
        }
        for (i, name) in node.outputs.iter().enumerate().filter(|(_, o)| !o.is_empty()) {
            let value = outputs.get(i).ok_or_else(|| format!("output {i} is not supported"))?;
            if self.values.insert(name, value.clone()).is_some() {
                return Err(format!("`{name}` is given a value twice"));
            }
        }
        Ok(true)
    }

    /// Writes the lines of a node, together with those of the node before where that is cheaper.
    fn run(&mut self, node: &Node<'a>, inputs: Vec<Option<Value>>) -> Result<Vec<Value>, String> {
        let here = self.p.mark();
        let alone = |last: &Last<'a>| {
            let name = last.node.outputs.first().copied();
            last.end == here
                && name == node.inputs.first().copied()
                && name.is_some_and(|n| self.uses.get(n) == Some(&1))
        };
        let last = self.last.take().filter(alone);
        let steps = last.and_then(|last| Some((last.start, fuse::fused(&last, node, &inputs)?)));
        let (start, steps) = match steps {
            Some((start, steps)) => {
                self.p.rollback(start);
                (start, steps)
            }
            None => (here, vec![(node.clone(), inputs)]),
        };
        let (mut outputs, mut given) = (vec![], vec![]);
        for (step, mut inputs) in steps {
            // A step without its first input goes on from the one before.
            if let (Some(None), Some(before)) = (inputs.first(), outputs.first()) {
                inputs[0] = Some(Value::clone(before));
            }
            self.p.begin(&comment(&step));
            given.clone_from(&inputs);
            let before = self.p.mark();
            outputs = self.operator(&step, inputs)?;
            if self.p.mark() != before {
                let named = step.outputs.iter().zip(&outputs).filter(|(name, _)| !name.is_empty());
                named.for_each(|(_, value)| self.p.tap(value));
            }
        }
        let end = self.p.mark();
        if end != start {
            self.last = Some(Last { node: node.clone(), inputs: given, start, end });
        }
        Ok(outputs)
    }

    fn operator(
        &mut self,
        node: &Node<'a>,
        inputs: Vec<Option<Value>>,
    ) -> Result<Vec<Value>, String> {
        let operator = table::find(node.domain, node.op);
        let operator = operator.ok_or("this operator is not supported")?;
        let mut external = external(self.loader, &mut self.files);
        (operator.import)(&mut Call {
            node,
            opset: self.opsets.version(node.domain).unwrap_or(0),
            inputs,
            p: &mut self.p,
            external: &mut external,
            elements: &self.elements,
        })
    }

    fn value(&self, name: &str) -> Result<Value, String> {
        let value = self.values.get(name).cloned();
        value.ok_or_else(|| format!("`{name}` has no value before this node"))
    }

    fn outputs(&mut self) {
        self.labels.clear();
        self.p.begin("");
        if self.graph.outputs.is_empty() {
            self.error("the model has no outputs".into());
        }
        for info in &self.graph.outputs {
            let label = self.label(info.name);
            let value = self.value(info.name);
            if let (Ok(value), Some(n)) = (&value, self.p.samples)
                && !has_samples(info, value.shape(), n)
            {
                let shape = value.shape();
                self.error(format!("output `{label}`: it has the shape {shape:?} for {n} samples"));
            }
            let text = match value {
                Ok(value) => self.p.var(&value).map(|v| v.name),
                Err(_) => Err("no node gives it".into()),
            };
            match text {
                Ok(text) => self.p.line(format!("output {text} to user as \"{label}\";")),
                Err(why) => self.error(format!("output `{}`: {why}", info.name)),
            }
        }
        let labels = &mut self.labels;
        self.taps = self.p.let_out(|name| free(labels, name));
    }

    fn finish(mut self, path: &str, model: &Model<'_>) -> Imported {
        self.p.leave_out_unused();
        let mut body = self.p.body();
        if self.p.options.fast_functions && self.p.purpose != Purpose::Reference {
            for (accurate, fast) in FAST_FUNCTIONS {
                body = body.replace(&format!("{accurate}("), &format!("{fast}("));
            }
        }
        let mut head = format!("/// {}\n", description(path, model, &self.opsets));
        for module in ["fast", "math", "nn", "order", "trig"] {
            if body.contains(&format!("{module}::")) {
                head += &format!("use stdlib::{module};\n");
            }
        }
        let weights = self.p.weights.len();
        head += if weights > 0 { "role model, user;\n" } else { "role user;\n" };
        if weights > 0 {
            let vis = if self.p.options.public_weights { "clear" } else { "private(model)" };
            let ty = self.p.ty(Kind::Float, &[weights]);
            head += &format!("input {WEIGHTS}: {vis} {ty} from model;\n");
        }
        for input in &self.inputs {
            head += &format!("{input}\n");
        }
        let mut warnings = vec![];
        if self.p.saturated > 0 {
            let (count, elem) = (self.p.saturated, self.p.elem(Kind::Float));
            warnings.push(Diagnostic::warning_about(format!(
                "{count} constants of the model are too large for `{elem}`, and were cut to a quarter of its range"
            )));
        }
        // Most lines of the body are one line of text, and those of loops too.
        let mut nodes = vec![Rc::from(""); head.lines().count()];
        nodes.extend(self.p.nodes());
        let weights = std::mem::take(&mut self.p.weights);
        Imported { source: head + &body, weights, warnings, nodes, taps: self.taps }
    }
}

/// Functions of the library, and those that take their place if fewer digits will do.
const FAST_FUNCTIONS: [(&str, &str); 7] = [
    ("math::exp", "fast::exp"),
    ("math::log", "fast::log"),
    ("math::reciprocal", "fast::reciprocal"),
    ("math::sigmoid", "fast::sigmoid"),
    ("math::sqrt", "fast::sqrt"),
    ("math::tanh", "fast::tanh"),
    ("nn::gelu", "fast::gelu"),
];

/// Whether an output of a model for one sample is for so many: these are its first axis, and the others are as they were.
fn has_samples(info: &ValueInfo<'_>, shape: &[usize], n: usize) -> bool {
    let Some((first, rest)) = shape.split_first() else { return false };
    let same = |(d, n): (&Dim<'_>, &usize)| !matches!(d, Dim::Size(m) if *m as usize != *n);
    let known = info.shape.as_ref().filter(|dims| !dims.is_empty());
    *first == n
        && known
            .is_none_or(|dims| dims.len() == shape.len() && dims[1..].iter().zip(rest).all(same))
}

fn description(path: &str, model: &Model<'_>, opsets: &Opsets) -> String {
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut text = format!("{}, operator set {}", one_line(path), opsets.shown());
    if !model.graph.name.is_empty() {
        text = format!("{}: {text}", one_line(model.graph.name));
    }
    if !model.producer.is_empty() {
        text += &format!(", made by {}", one_line(model.producer));
    }
    text + "."
}

/// A name that is not taken, which it is from now on.
fn free(labels: &mut BTreeSet<String>, name: &str) -> String {
    let mut label = name.to_string();
    while !labels.insert(label.clone()) {
        label.push('_');
    }
    label
}

/// A name of the graph as one at the border, where it is also that of a file.
fn plain_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut label: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    if label.is_empty() || label.starts_with('.') {
        label.insert(0, '_');
    }
    label
}

/// What the lines of a node are marked with: its name, or that of what it gives, and the operator.
fn comment(node: &Node<'_>) -> String {
    let plain = |name: &str| -> String {
        let words = name.split_whitespace().collect::<Vec<_>>().join(" ");
        words.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect()
    };
    let name = plain(node.name);
    let given = node.outputs.first().map_or(String::new(), |name| plain(name));
    match if name.is_empty() { given } else { name } {
        name if name.is_empty() => node.op.into(),
        name => format!("{name} ({})", node.op),
    }
}

/// Reads files of external data, each once.
fn external<'e>(
    loader: &'e dyn Loader,
    files: &'e mut BTreeMap<String, Rc<Vec<u8>>>,
) -> impl FnMut(&str) -> Result<Rc<Vec<u8>>, String> + 'e {
    move |path| {
        if let Some(file) = files.get(path) {
            return Ok(file.clone());
        }
        let bytes = loader.load(path).map_err(|why| format!("cannot read `{path}`: {why}"))?;
        let file = Rc::new(bytes);
        files.insert(path.to_string(), file.clone());
        Ok(file)
    }
}

//! The program that an import writes, line by line, and the values in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::rc::Rc;

use super::tensor::{Constant, Data, Kind, MAX_ELEMENTS, size};
use super::view::View;
use super::watch::fix_of;
use super::{Options, Tap};

/// Most elements of a list of floats that is written out.
const MAX_LIST: usize = 1 << 14;
/// Most elements of a list of integers, which may be positions, or of truth values.
const MAX_POSITIONS: usize = 1 << 20;
/// Name of the input that holds the weights.
pub(super) const WEIGHTS: &str = "weights";

/// What a name of the graph stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Known while importing.
    Const(Rc<Constant>),
    /// A variable of the program.
    Var(Var),
}

/// A variable of the program.
#[derive(Clone, Debug)]
pub(super) struct Var {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) kind: Kind,
}

impl Value {
    pub(super) fn shape(&self) -> &[usize] {
        match self {
            Value::Const(c) => &c.shape,
            Value::Var(v) => &v.shape,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Value::Const(c) => c.kind(),
            Value::Var(v) => v.kind,
        }
    }

    pub(super) fn rank(&self) -> usize {
        self.shape().len()
    }

    pub(super) fn size(&self) -> usize {
        size(self.shape())
    }

    pub(super) fn constant(&self) -> Option<&Rc<Constant>> {
        match self {
            Value::Const(c) => Some(c),
            Value::Var(_) => None,
        }
    }

    /// A public number that all elements are equal to.
    pub(super) fn scalar(&self) -> Option<f64> {
        self.constant().and_then(|c| c.public_scalar())
    }
}

impl From<Constant> for Value {
    fn from(c: Constant) -> Value {
        Value::Const(Rc::new(c))
    }
}

/// What a program is made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be run.
    #[default]
    Run,
    /// To see what the nodes give.
    Watch,
    /// To see what they should give.
    Reference,
}

/// A place in the writing of a program, to come back to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mark {
    lines: usize,
    weights: usize,
    saturated: usize,
    taps: usize,
}

/// The text so far.
pub(super) struct Program<'o> {
    pub(super) options: &'o Options,
    pub(super) purpose: Purpose,
    /// How many samples a model for one is given.
    pub(super) samples: Option<usize>,
    lines: Vec<String>,
    /// The node of each line.
    nodes: Vec<Rc<str>>,
    /// The node at hand.
    node: Rc<str>,
    /// What nodes have given: node and variable.
    taps: Vec<(Rc<str>, String)>,
    /// What follows the lines of the node at hand.
    comment: String,
    next: usize,
    pub(super) weights: Vec<f32>,
    /// Where constants lie among the weights; the constants are kept, so that no address is used twice.
    stored: BTreeMap<*const Constant, (usize, Rc<Constant>)>,
    /// Constants that were cut to the range of the type.
    pub(super) saturated: usize,
    /// The least float that is written.
    least: f64,
}

impl<'o> Program<'o> {
    pub(super) fn new(options: &'o Options, purpose: Purpose) -> Program<'o> {
        Program {
            options,
            purpose,
            samples: None,
            lines: vec![],
            nodes: vec![],
            node: Rc::from(""),
            taps: vec![],
            comment: String::new(),
            next: 0,
            weights: vec![],
            stored: BTreeMap::new(),
            saturated: 0,
            least: -f64::from(options.fix.0 as i32 - options.fix.1 as i32 - 3).exp2(),
        }
    }

    /// The element type as written.
    pub(super) fn elem(&self, kind: Kind) -> String {
        let ((k, f), int) = (fix_of(self.purpose, self.options), self.options.int);
        match kind {
            Kind::Float => format!("fix<{k},{f}>"),
            Kind::Int => format!("int<{int}>"),
            Kind::Bool => "bool".into(),
        }
    }

    /// The type as written.
    pub(super) fn ty(&self, kind: Kind, shape: &[usize]) -> String {
        let elem = self.elem(kind);
        if shape.is_empty() { elem } else { format!("{elem}{shape:?}") }
    }

    /// Where the program stands.
    pub(super) fn mark(&self) -> Mark {
        let Program { lines, weights, saturated, taps, .. } = self;
        let (lines, weights, taps) = (lines.len(), weights.len(), taps.len());
        Mark { lines, weights, saturated: *saturated, taps }
    }

    /// Forgets what was written since.
    pub(super) fn rollback(&mut self, mark: Mark) {
        self.lines.truncate(mark.lines);
        self.nodes.truncate(mark.lines);
        self.taps.truncate(mark.taps);
        self.weights.truncate(mark.weights);
        self.saturated = mark.saturated;
        self.stored.retain(|_, (start, _)| *start < mark.weights);
    }

    /// What follows is of this node.
    pub(super) fn begin(&mut self, node: &str) {
        self.comment = node.to_string();
        self.node = Rc::from(node);
    }

    /// Notes what the node at hand gives, if somebody wants to see it.
    pub(super) fn tap(&mut self, output: &Value) {
        if let Value::Var(Var { name, kind: Kind::Float, .. }) = output
            && self.purpose != Purpose::Run
        {
            self.taps.push((self.node.clone(), name.clone()));
        }
    }

    /// Lets out what was noted, under names of its own.
    pub(super) fn let_out(&mut self, mut label: impl FnMut(&str) -> String) -> Vec<Tap> {
        let taps = std::mem::take(&mut self.taps);
        let tap = |(node, variable): (Rc<str>, String)| {
            let output = label("tap");
            self.line(format!("output {variable} to user as \"{output}\";"));
            Tap { output, node: node.to_string() }
        };
        taps.into_iter().map(tap).collect()
    }

    /// A line as it is.
    pub(super) fn line(&mut self, text: String) {
        self.nodes.push(self.node.clone());
        let comment = std::mem::take(&mut self.comment);
        self.lines.push(if comment.is_empty() { text } else { format!("{text}  // {comment}") });
    }

    /// A name that is not used yet.
    pub(super) fn fresh(&mut self) -> String {
        self.next += 1;
        format!("v{}", self.next)
    }

    /// A new variable that holds an expression.
    pub(super) fn bind(
        &mut self,
        expression: &str,
        shape: &[usize],
        kind: Kind,
    ) -> Result<Value, String> {
        if size(shape) > MAX_ELEMENTS {
            return Err(format!("a tensor of shape {shape:?} is too large"));
        }
        let name = self.fresh();
        self.line(format!("let {name} = {expression};"));
        Ok(Value::Var(Var { name, shape: shape.to_vec(), kind }))
    }

    /// The node of each line.
    pub(super) fn nodes(&mut self) -> Vec<Rc<str>> {
        std::mem::take(&mut self.nodes)
    }

    /// Leaves out what no later line names: outputs of nodes that nobody asks for.
    pub(super) fn leave_out_unused(&mut self) {
        let mut named = BTreeSet::new();
        let mut kept = vec![true; self.lines.len()];
        for (line, kept) in self.lines.iter().zip(&mut kept).rev() {
            let bound = line.strip_prefix("let ").and_then(|rest| rest.split_once(" = "));
            *kept = bound.is_none_or(|(name, _)| named.contains(name));
            if *kept {
                let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                named.extend(line.split(|c| !in_name(c)).filter(|word| word.starts_with('v')));
            }
        }
        let mut each = kept.iter();
        self.nodes.retain(|_| each.next() == Some(&true));
        let mut each = kept.iter();
        self.lines.retain(|_| each.next() == Some(&true));
    }

    /// All lines.
    pub(super) fn body(&self) -> String {
        self.lines.iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        })
    }

    /// A float as a literal, within the range of the type.
    pub(super) fn float(&mut self, x: f64) -> String {
        let x = self.in_range(x);
        if x < 0.0 { format!("({x:?})") } else { format!("{x:?}") }
    }

    /// The least float that is written.
    pub(super) fn least(&self) -> f64 {
        self.least
    }

    /// What is beyond a quarter of the range is cut to that, so that sums of such still fit: masks are given as -1e9 or less.
    fn in_range(&mut self, x: f64) -> f64 {
        let most = -self.least();
        if x.abs() <= most {
            return x;
        }
        self.saturated += 1;
        if x.is_nan() { 0.0 } else { most.copysign(x) }
    }

    /// An expression for a value. A public number stays a number, whatever its shape.
    pub(super) fn operand(&mut self, value: &Value) -> Result<String, String> {
        match value {
            Value::Var(v) => Ok(v.name.clone()),
            Value::Const(c) => match (c.public_scalar(), &c.data) {
                (Some(x), _) => Ok(self.float(x)),
                (None, Data::Int(xs)) if xs.len() == 1 => Ok(integer(xs[0])),
                (None, Data::Bool(xs)) if xs.len() == 1 => Ok(xs[0].to_string()),
                _ => self.tensor(value),
            },
        }
    }

    /// An expression for a value that has its shape and its type.
    pub(super) fn tensor(&mut self, value: &Value) -> Result<String, String> {
        match value {
            Value::Var(v) => Ok(v.name.clone()),
            Value::Const(c) if c.weight || !written_out(c) => self.stored_constant(c),
            Value::Const(c) => {
                let text = self.literal(c);
                Ok(text)
            }
        }
    }

    /// A public constant, written out.
    fn literal(&mut self, c: &Constant) -> String {
        let shape = &c.shape;
        if c.size() == 0 {
            return format!("zeros({})", self.ty(c.kind(), shape));
        }
        if let Some(x) = c.public_scalar() {
            let one = format!("{}({})", self.elem(Kind::Float), self.float(x));
            return if shape.is_empty() { one } else { format!("broadcast({one}, {shape:?})") };
        }
        let items: Vec<String> = match &c.data {
            Data::Int(xs) => xs.iter().map(|x| integer(*x)).collect(),
            Data::Bool(xs) => xs.iter().map(bool::to_string).collect(),
            _ => (0..c.size()).map(|i| self.float(c.at(i))).collect(),
        };
        let list = match c.kind() {
            Kind::Bool => format!("[{}]", items.join(", ")),
            kind => format!("{}([{}])", self.elem(kind), items.join(", ")),
        };
        if shape.len() == 1 { list } else { format!("reshape({list}, {shape:?})") }
    }

    /// A constant among the weights.
    fn stored_constant(&mut self, c: &Rc<Constant>) -> Result<String, String> {
        if c.kind() != Kind::Float {
            return Err(format!(
                "a constant of {} integers or truth values is too large",
                c.size()
            ));
        }
        let start = match self.stored.get(&Rc::as_ptr(c)) {
            Some((start, _)) => *start,
            None => {
                let start = self.weights.len();
                self.weights.reserve_exact(c.size());
                for i in 0..c.size() {
                    let x = self.in_range(c.at(i));
                    self.weights.push(x as f32);
                }
                self.stored.insert(Rc::as_ptr(c), (start, c.clone()));
                start
            }
        };
        // Each by itself, so that it need not be there before it is used.
        let part = format!("{WEIGHTS}[{start}..{}]", start + c.size());
        let part = if self.options.public_weights { part } else { format!("share({part})") };
        Ok(format!("reshape({part}, {:?})", c.shape))
    }

    /// A value as a variable.
    pub(super) fn var(&mut self, value: &Value) -> Result<Var, String> {
        if let Value::Var(v) = value {
            return Ok(v.clone());
        }
        let text = self.tensor(value)?;
        match self.bind(&text, value.shape(), value.kind())? {
            Value::Var(v) => Ok(v),
            Value::Const(_) => unreachable!("a binding is a variable"),
        }
    }

    /// The same elements in another shape.
    pub(super) fn reshape(&mut self, value: &Value, shape: &[usize]) -> Result<Value, String> {
        if value.shape() == shape {
            return Ok(value.clone());
        }
        match value {
            Value::Const(c) => Ok(c.reshaped(shape).into()),
            Value::Var(v) => self.bind(&format!("reshape({}, {shape:?})", v.name), shape, v.kind),
        }
    }

    /// What a view of a value sees.
    pub(super) fn view(&mut self, value: &Value, view: &View) -> Result<Value, String> {
        let shape = view.shape();
        if view.is_reshape(value.size()) {
            return self.reshape(value, &shape);
        }
        match value {
            Value::Const(c) => Ok(c.viewed(view)?.into()),
            Value::Var(v) => {
                let strides: Vec<i64> = view.dims.iter().map(|d| d.1).collect();
                let text = format!("view({}, {}, {shape:?}, {strides:?})", v.name, view.offset);
                self.bind(&text, &shape, v.kind)
            }
        }
    }

    /// A variable where the axes of a view of `shape` say, of which each is as long as the variable's, and 0
    /// elsewhere.
    pub(super) fn spread(
        &mut self,
        v: &Var,
        shape: &[usize],
        view: &View,
    ) -> Result<Value, String> {
        if v.shape == shape {
            return Ok(Value::Var(v.clone()));
        }
        let strides: Vec<i64> = view.dims.iter().map(|d| d.1).collect();
        let text = format!("spread({}, {shape:?}, {}, {strides:?})", v.name, view.offset);
        self.bind(&text, shape, v.kind)
    }

    /// Repeated to a shape.
    pub(super) fn broadcast(&mut self, value: &Value, shape: &[usize]) -> Result<Value, String> {
        if value.shape() == shape {
            return Ok(value.clone());
        }
        let fits = super::elementwise::broadcast_shapes(value.shape(), shape)?;
        if fits != shape {
            return Err(format!("the shape {:?} cannot be repeated to {shape:?}", value.shape()));
        }
        self.view(value, &View::broadcast(value.shape(), shape))
    }

    /// Axes in another order.
    pub(super) fn transpose(&mut self, value: &Value, order: &[usize]) -> Result<Value, String> {
        self.view(value, &View::transposed(value.shape(), order))
    }

    /// Values one after the other along an axis.
    pub(super) fn concat(&mut self, parts: &[Value], axis: usize) -> Result<Value, String> {
        let first = parts.first().ok_or("there is nothing to put together")?;
        let mut shape = first.shape().to_vec();
        *shape.get_mut(axis).ok_or_else(|| format!("there is no axis {axis}"))? = 0;
        for p in parts {
            let others = |s: &[usize]| -> Vec<usize> {
                s.iter().enumerate().filter(|(i, _)| *i != axis).map(|(_, n)| *n).collect()
            };
            if p.rank() != shape.len() || others(p.shape()) != others(first.shape()) {
                let (a, b) = (first.shape(), p.shape());
                return Err(format!("the shapes {a:?} and {b:?} differ beside axis {axis}"));
            }
            if p.kind() != first.kind() {
                return Err("the parts are of different types".into());
            }
            shape[axis] += p.shape()[axis];
        }
        let parts: Vec<Value> = parts.iter().filter(|p| p.size() > 0).cloned().collect();
        if let [one] = &parts[..] {
            return Ok(one.clone());
        }
        let known: Vec<&Constant> =
            parts.iter().filter_map(|p| p.constant().map(|c| &**c)).collect();
        if known.len() == parts.len() && !parts.is_empty() {
            return Ok(Constant::concat(&known, axis, &shape).into());
        }
        let texts: Result<Vec<String>, String> = parts.iter().map(|p| self.tensor(p)).collect();
        let text = format!("concat({}, axis = {axis})", texts?.join(", "));
        self.bind(&text, &shape, first.kind())
    }

    /// The places of an axis, in that order.
    pub(super) fn take(
        &mut self,
        value: &Value,
        axis: usize,
        places: &[usize],
    ) -> Result<Value, String> {
        let shape = value.shape().to_vec();
        let first = places.first().copied().unwrap_or(0) as i64;
        let step = places.get(1).map_or(1, |p| *p as i64 - first);
        let regular = |(i, p): (usize, &usize)| *p as i64 == first + i as i64 * step;
        if places.iter().enumerate().all(regular) {
            let view = View::whole(&shape).sliced(axis, first as usize, step, places.len());
            return self.view(value, &view);
        }
        let front = self.view(value, &View::to_front(&shape, axis))?;
        let taken = match &front {
            Value::Const(_) => {
                let view = View::whole(front.shape());
                let rows: Result<Vec<Value>, String> = places
                    .iter()
                    .map(|&p| self.view(&front, &view.clone().sliced(0, p, 1, 1)))
                    .collect();
                self.concat(&rows?, 0)?
            }
            Value::Var(v) => {
                let list = Value::from(Constant::ints(places.iter().map(|p| *p as i64).collect()));
                let text = format!("gather({}, {})", v.name, self.tensor(&list)?);
                let mut taken = v.shape.clone();
                taken[0] = places.len();
                self.bind(&text, &taken, v.kind)?
            }
        };
        let back: Vec<usize> = (1..=axis).chain([0]).chain(axis + 1..shape.len()).collect();
        self.transpose(&taken, &back)
    }
}

/// Whether a public constant is short enough to be part of the program.
fn written_out(c: &Constant) -> bool {
    let most = if c.kind() == Kind::Float { MAX_LIST } else { MAX_POSITIONS };
    c.size() <= most || c.public_scalar().is_some()
}

/// An integer as a literal.
fn integer(x: i64) -> String {
    if x < 0 { format!("({x})") } else { x.to_string() }
}

//! Recurrent networks: a loop over the steps, so that the program is as short for a long sequence as for a short one.
//!
//! The products of weights with the inputs of all steps and directions are one matrix product before the loop. Both directions are
//! in one loop and share its rounds.

use super::call::{Call, Outputs};
use super::elementwise::{ADD, apply, expression};
use super::linear::product;
use super::program::{Program, Value, Var};
use super::tensor::{Constant, Data, Kind};
use super::view::View;

/// What differs between the operators.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Cell {
    Rnn,
    Gru,
    Lstm,
}

impl Cell {
    fn gates(self) -> usize {
        match self {
            Cell::Rnn => 1,
            Cell::Gru => 3,
            Cell::Lstm => 4,
        }
    }

    /// The activations of one direction where the model does not say them.
    fn activations(self) -> &'static [&'static str] {
        match self {
            Cell::Rnn => &["Tanh"],
            Cell::Gru => &["Sigmoid", "Tanh"],
            Cell::Lstm => &["Sigmoid", "Tanh", "Tanh"],
        }
    }
}

/// Sizes, and what holds for both directions.
struct Net {
    cell: Cell,
    steps: usize,
    batch: usize,
    hidden: usize,
    /// Whether each direction starts at the end.
    backwards: Vec<bool>,
    clip: Option<String>,
    /// Input and forget gate are one.
    coupled: bool,
    /// The reset gate comes after the product, which has a summand of its own.
    linear: bool,
    /// Which steps count, [steps, batch, 1], where not all do.
    mask: Option<String>,
    /// The products with the inputs, [steps, batch, directions * gates * hidden].
    inputs: String,
}

/// Names of the program for one direction.
struct Direction {
    /// The place of the step in the sequence.
    time: String,
    /// Which columns of the inputs.
    first: usize,
    /// Weights of the recurrence, [hidden, gates * hidden].
    weights: Value,
    /// What is added to the product of the last gate.
    inner: Option<String>,
    peepholes: Option<[String; 3]>,
    activations: Vec<String>,
    state: String,
    memory: String,
}

/// The body of a loop.
struct Body<'p, 'o> {
    p: &'p mut Program<'o>,
    lines: Vec<String>,
}

impl Body<'_, '_> {
    fn line(&mut self, text: &str) {
        self.lines.push(format!("    {text}"));
    }

    fn bind(&mut self, text: &str) -> String {
        let name = self.p.fresh();
        self.line(&format!("let {name} = {text};"));
        name
    }
}

pub(super) fn recurrent(c: &mut Call<'_, '_, '_>, cell: Cell) -> Outputs {
    let batch_first = c.flag("layout", false)?;
    let mut x = Value::Var(c.float_var(0)?);
    if x.rank() != 3 {
        return Err(format!("a sequence of shape {:?} does not have three axes", x.shape()));
    }
    if batch_first {
        x = c.p.transpose(&x, &[1, 0, 2])?;
    }
    let (net, directions) = prepared(c, cell, &x, batch_first)?;
    let count = directions.len();
    let whole = [net.steps, count, net.batch, net.hidden];
    let all = Var { name: c.p.fresh(), shape: whole.to_vec(), kind: Kind::Float };
    let wanted = c.node.outputs.first().is_some_and(|o| !o.is_empty());
    if wanted {
        let ty = c.p.ty(Kind::Float, &whole);
        c.p.line(format!("var {} = zeros({ty});", all.name));
    }
    let mut body = Body { p: c.p, lines: vec![] };
    for (i, d) in directions.iter().enumerate() {
        let last = step(&mut body, &net, d)?;
        if wanted {
            let kept = masked(&net, d, &last, "0");
            body.line(&format!("{}[{}, {i}] = {kept};", all.name, d.time));
        }
    }
    let lines = body.lines;
    c.p.line(format!("for t in 0..{} {{", net.steps));
    lines.into_iter().for_each(|line| c.p.line(line));
    c.p.line("}".into());
    let mut out = vec![Value::Var(all)];
    if wanted && batch_first {
        out[0] = c.p.transpose(&out[0], &[2, 0, 1, 3])?;
    }
    let states: Vec<&String> = directions.iter().map(|d| &d.state).collect();
    out.push(last(c, &net, &states, batch_first)?);
    if cell == Cell::Lstm {
        let memories: Vec<&String> = directions.iter().map(|d| &d.memory).collect();
        out.push(last(c, &net, &memories, batch_first)?);
    }
    Ok(out)
}

/// Checks shapes, and writes what comes before the loop.
fn prepared(
    c: &mut Call<'_, '_, '_>,
    cell: Cell,
    x: &Value,
    batch_first: bool,
) -> Result<(Net, Vec<Direction>), String> {
    let (w, r) = (c.input(1)?, c.input(2)?);
    let backwards = match c.text("direction", "forward")?.as_str() {
        "forward" => vec![false],
        "reverse" => vec![true],
        "bidirectional" => vec![false, true],
        other => return Err(format!("the direction `{other}` is not known")),
    };
    let (count, gates) = (backwards.len(), cell.gates());
    let (steps, batch, width) = (x.shape()[0], x.shape()[1], x.shape()[2]);
    let hidden = r.shape().last().copied().unwrap_or(0);
    let rows = gates.saturating_mul(hidden);
    let expected = [[count, rows, width], [count, rows, hidden]];
    for (value, shape) in [&w, &r].into_iter().zip(expected) {
        if value.shape() != shape || value.kind() != Kind::Float || hidden == 0 {
            return Err(format!("weights of shape {:?} where {shape:?} fits", value.shape()));
        }
    }
    if steps == 0 || batch == 0 {
        return Err("there are no steps".into());
    }
    let linear = cell == Cell::Gru && c.flag("linear_before_reset", false)?;
    let (bias, inner) = biases(c, count, rows, hidden, linear)?;
    let flat = c.p.reshape(x, &[steps.saturating_mul(batch), width])?;
    let columns = c.p.reshape(&w, &[count * rows, width])?;
    let columns = c.p.transpose(&columns, &[1, 0])?;
    let mut inputs = product(c, &flat, &columns)?;
    if let Some(bias) = bias {
        inputs = expression(c, "@ + #", &inputs, &bias, Kind::Float)?;
    }
    let inputs = c.p.reshape(&inputs, &[steps, batch, count * rows])?;
    let clip = c.float("clip", 0.0)?;
    let net = Net {
        cell,
        steps,
        batch,
        hidden,
        clip: (clip > 0.0).then(|| c.p.float(clip)),
        coupled: c.flag("input_forget", false)?,
        linear,
        mask: mask(c, steps, batch)?,
        inputs: c.p.var(&inputs)?.name,
        backwards,
    };
    let mut directions = vec![];
    let activations = activations(c, &net)?;
    for (i, activations) in activations.into_iter().enumerate() {
        directions.push(direction(c, &net, i, activations, &r, inner.as_ref(), batch_first)?);
    }
    Ok((net, directions))
}

/// The summand for all inputs, and that of the last gate alone where it stays inside.
type Biases = (Option<Value>, Option<Value>);

fn biases(
    c: &mut Call<'_, '_, '_>,
    count: usize,
    rows: usize,
    hidden: usize,
    linear: bool,
) -> Result<Biases, String> {
    let Some(b) = c.optional(3) else { return Ok((None, None)) };
    if b.shape() != [count, 2 * rows] {
        return Err(format!("a bias of shape {:?} where [{count}, {}] fits", b.shape(), 2 * rows));
    }
    let part = |start: usize, n: usize| View::whole(b.shape()).sliced(1, start, 1, n);
    let of_inputs = c.p.view(&b, &part(0, rows))?;
    let mut of_state = c.p.view(&b, &part(rows, rows))?;
    let mut inner = None;
    if linear {
        inner = Some(c.p.view(&b, &part(2 * rows - hidden, hidden))?);
        let gates = c.p.view(&b, &part(rows, rows - hidden))?;
        let nothing = c.p.broadcast(&Constant::scalar(0.0).into(), &[count, hidden])?;
        of_state = c.p.concat(&[gates, nothing], 1)?;
    }
    let sum = apply(c, &ADD, &of_inputs, &of_state)?;
    Ok((Some(c.p.reshape(&sum, &[count * rows])?), inner))
}

/// Which steps of each sequence count.
fn mask(c: &mut Call<'_, '_, '_>, steps: usize, batch: usize) -> Result<Option<String>, String> {
    let Some(lengths) = c.known(4, "lengths of the sequences")? else { return Ok(None) };
    let lengths = lengths.to_ints();
    if lengths.len() != batch || lengths.iter().any(|n| !(0..=steps as i64).contains(n)) {
        return Err(format!("{lengths:?} are no lengths of {batch} sequences of {steps} steps"));
    }
    if lengths.iter().all(|n| *n == steps as i64) {
        return Ok(None);
    }
    let counts = (0..steps as i64).flat_map(|t| lengths.iter().map(move |n| t < *n));
    let data = Data::Bool(counts.collect());
    let mask = Constant { shape: vec![steps, batch, 1], data, weight: false };
    Ok(Some(c.p.var(&mask.into())?.name))
}

/// One entry of a state [directions, batch, hidden], or of [batch, directions, hidden], or zeros.
fn start(
    c: &mut Call<'_, '_, '_>,
    net: &Net,
    input: usize,
    i: usize,
    batch_first: bool,
) -> Result<String, String> {
    let (count, name) = (net.backwards.len(), c.p.fresh());
    let shape = [net.batch, net.hidden];
    let text = match c.optional(input) {
        None => format!("zeros({})", c.p.ty(Kind::Float, &shape)),
        Some(mut given) => {
            if batch_first && given.rank() == 3 {
                given = c.p.transpose(&given, &[1, 0, 2])?;
            }
            if given.shape() != [count, net.batch, net.hidden] {
                return Err(format!("input {input} has the shape {:?}", given.shape()));
            }
            let one = c.p.view(&given, &View::whole(given.shape()).sliced(0, i, 1, 1))?;
            let one = c.p.reshape(&one, &shape)?;
            c.p.tensor(&one)?
        }
    };
    c.p.line(format!("var {name} = {text};"));
    Ok(name)
}

fn direction(
    c: &mut Call<'_, '_, '_>,
    net: &Net,
    i: usize,
    activations: Vec<String>,
    r: &Value,
    inner: Option<&Value>,
    batch_first: bool,
) -> Result<Direction, String> {
    let rows = net.cell.gates() * net.hidden;
    let weights = row(c, r, i)?;
    let weights = c.p.transpose(&weights, &[1, 0])?;
    let inner = match inner {
        None => None,
        Some(inner) => {
            let inner = row(c, inner, i)?;
            Some(c.p.var(&inner)?.name)
        }
    };
    let lstm = net.cell == Cell::Lstm;
    let state = start(c, net, 5, i, batch_first)?;
    let memory = if lstm { start(c, net, 6, i, batch_first)? } else { String::new() };
    let time = match net.backwards[i] {
        false => "t".to_string(),
        true => format!("{} - t", net.steps - 1),
    };
    Ok(Direction {
        time,
        first: i * rows,
        weights: Value::Var(c.p.var(&weights)?),
        inner,
        peepholes: if lstm { peepholes(c, net, i)? } else { None },
        activations,
        state,
        memory,
    })
}

/// One entry along the first axis.
fn row(c: &mut Call<'_, '_, '_>, x: &Value, i: usize) -> Result<Value, String> {
    let one = c.p.view(x, &View::whole(x.shape()).sliced(0, i, 1, 1))?;
    c.p.reshape(&one, &x.shape()[1..])
}

/// The factors of the memory at the input, output and forget gate.
fn peepholes(c: &mut Call<'_, '_, '_>, net: &Net, i: usize) -> Result<Option<[String; 3]>, String> {
    let Some(p) = c.optional(7) else { return Ok(None) };
    let n = net.hidden;
    if p.shape() != [net.backwards.len(), 3 * n] {
        return Err(format!("peepholes of shape {:?}", p.shape()));
    }
    let p = row(c, &p, i)?;
    let mut names: [String; 3] = Default::default();
    for (gate, name) in names.iter_mut().enumerate() {
        let part = c.p.view(&p, &View::whole(&[3 * n]).sliced(0, gate * n, 1, n))?;
        *name = c.p.var(&part)?.name;
    }
    Ok(Some(names))
}

/// The activations of each direction, as expressions in `@`. Parameters are taken in the order of those that have any.
fn activations(c: &mut Call<'_, '_, '_>, net: &Net) -> Result<Vec<Vec<String>>, String> {
    let each = net.cell.activations();
    let given = c.texts("activations")?;
    let names: Vec<String> = match given.is_empty() {
        true => net.backwards.iter().flat_map(|_| each.iter().map(|a| (*a).into())).collect(),
        false => given,
    };
    if names.len() != each.len() * net.backwards.len() {
        return Err(format!("{} activations for {} directions", names.len(), net.backwards.len()));
    }
    let alphas = c.floats("activation_alpha")?.unwrap_or_default();
    let betas = c.floats("activation_beta")?.unwrap_or_default();
    let (mut alphas, mut betas) = (alphas.into_iter(), betas.into_iter());
    let mut texts = vec![];
    for name in names {
        let found = ACTIVATIONS.iter().find(|a| a.0.eq_ignore_ascii_case(&name));
        let (_, text, defaults) = found.ok_or(format!("the activation `{name}` is not known"))?;
        let mut text = (*text).to_string();
        for (sign, default, given) in
            [("$a", defaults.0, &mut alphas), ("$b", defaults.1, &mut betas)]
        {
            if let Some(default) = default {
                let value = given.next().map_or(default, f64::from);
                text = text.replace(sign, &c.p.float(value));
            }
        }
        texts.push(text);
    }
    Ok(texts.chunks(each.len()).map(<[String]>::to_vec).collect())
}

/// The default of each parameter that an activation has.
type Defaults = (Option<f64>, Option<f64>);

#[rustfmt::skip]
const ACTIVATIONS: &[(&str, &str, Defaults)] = &[
    ("Affine", "@ * $a + $b", (Some(1.0), Some(0.0))),
    ("Elu", "select(@ < 0, (math::exp(min(@, 0)) - 1) * $a, @)", (Some(1.0), None)),
    ("HardSigmoid", "max(0.0, min(1.0, @ * $a + $b))", (Some(0.2), Some(0.5))),
    ("LeakyRelu", "select(@ < 0, @ * $a, @)", (Some(0.01), None)),
    ("Relu", "max(@, 0)", (None, None)),
    ("ScaledTanh", "math::tanh(@ * $b) * $a", (Some(1.0), Some(1.0))),
    ("Sigmoid", "math::sigmoid(@)", (None, None)),
    ("Softplus", "nn::softplus(@)", (None, None)),
    ("Softsign", "@ / (max(@, -@) + 1)", (None, None)),
    ("Tanh", "math::tanh(@)", (None, None)),
    ("ThresholdedRelu", "select(@ >= $a, @, 0)", (Some(1.0), None)),
];

/// One step of one direction; gives the state after it.
fn step(b: &mut Body<'_, '_>, net: &Net, d: &Direction) -> Result<String, String> {
    let (state, memory) = match net.cell {
        Cell::Rnn => (rnn(b, net, d)?, None),
        Cell::Gru => (gru(b, net, d)?, None),
        Cell::Lstm => lstm(b, net, d).map(|(state, memory)| (state, Some(memory)))?,
    };
    b.line(&format!("{} = {};", d.state, masked(net, d, &state, &d.state)));
    if let Some(memory) = memory {
        b.line(&format!("{} = {};", d.memory, masked(net, d, &memory, &d.memory)));
    }
    Ok(state)
}

/// A value where the step counts, another where it does not.
fn masked(net: &Net, d: &Direction, new: &str, old: &str) -> String {
    match &net.mask {
        None => new.into(),
        Some(mask) => format!("select({mask}[{}], {new}, {old})", d.time),
    }
}

/// The products with the input, at gates `from` up to `to`.
fn at_input(net: &Net, d: &Direction, from: usize, to: usize) -> String {
    let (from, to) = (d.first + from * net.hidden, d.first + to * net.hidden);
    format!("{}[{}, :, {from}..{to}]", net.inputs, d.time)
}

/// Columns of the weights of a recurrence, for gates `from` up to `to`.
fn at_state(d: &Direction, n: usize, from: usize, to: usize) -> Result<String, String> {
    match &d.weights {
        Value::Var(v) => Ok(format!("{}[:, {}..{}]", v.name, from * n, to * n)),
        Value::Const(_) => Err("the weights are no variable".into()),
    }
}

fn activated(b: &mut Body<'_, '_>, net: &Net, activation: &str, text: &str) -> String {
    let text = match &net.clip {
        None => text.to_string(),
        Some(most) => format!("max(-{most}, min({most}, {text}))"),
    };
    let inside = b.bind(&text);
    b.bind(&activation.replace('@', &inside))
}

fn rnn(b: &mut Body<'_, '_>, net: &Net, d: &Direction) -> Result<String, String> {
    let weights = at_state(d, net.hidden, 0, 1)?;
    let sum = format!("{} + matmul({}, {weights})", at_input(net, d, 0, 1), d.state);
    Ok(activated(b, net, &d.activations[0], &sum))
}

/// The gates of a GRU are update, reset, and the new state.
fn gru(b: &mut Body<'_, '_>, net: &Net, d: &Direction) -> Result<String, String> {
    let n = net.hidden;
    let state = &d.state;
    let parts = if net.linear { 3 } else { 2 };
    let seen = b.bind(&format!("matmul({state}, {})", at_state(d, n, 0, parts)?));
    let text = format!("{} + {seen}[:, 0..{}]", at_input(net, d, 0, 2), 2 * n);
    let gates = activated(b, net, &d.activations[0], &text);
    let (update, reset) = (format!("{gates}[:, 0..{n}]"), format!("{gates}[:, {n}..{}]", 2 * n));
    let inside = if net.linear {
        let inner = d.inner.as_ref().map_or(String::new(), |i| format!(" + {i}"));
        format!("{reset} * ({seen}[:, {}..{}]{inner})", 2 * n, 3 * n)
    } else {
        format!("matmul({reset} * {state}, {})", at_state(d, n, 2, 3)?)
    };
    let text = format!("{} + {inside}", at_input(net, d, 2, 3));
    let new = activated(b, net, &d.activations[1], &text);
    Ok(b.bind(&format!("{new} + {update} * ({state} - {new})")))
}

/// The gates of an LSTM are input, output, forget, and the new memory.
fn lstm(b: &mut Body<'_, '_>, net: &Net, d: &Direction) -> Result<(String, String), String> {
    let (n, memory) = (net.hidden, &d.memory);
    let weights = at_state(d, n, 0, 4)?;
    let sums = b.bind(&format!("{} + matmul({}, {weights})", at_input(net, d, 0, 4), d.state));
    let [f, g, h] = &d.activations[..] else { return Err("three activations are needed".into()) };
    let gate = |i: usize| format!("{sums}[:, {}..{}]", i * n, (i + 1) * n);
    let (input, mut forget, output);
    if let Some([of_input, _, of_forget]) = &d.peepholes {
        input = activated(b, net, f, &format!("{} + {of_input} * {memory}", gate(0)));
        forget = activated(b, net, f, &format!("{} + {of_forget} * {memory}", gate(2)));
        output = None;
    } else {
        let gates = activated(b, net, f, &format!("{sums}[:, 0..{}]", 3 * n));
        let part = |i: usize| format!("{gates}[:, {}..{}]", i * n, (i + 1) * n);
        (input, forget, output) = (part(0), part(2), Some(part(1)));
    }
    if net.coupled {
        forget = format!("(1 - {input})");
    }
    let new = activated(b, net, g, &gate(3));
    let next = b.bind(&format!("{forget} * {memory} + {input} * {new}"));
    let output = match (output, &d.peepholes) {
        (None, Some([_, of_output, _])) => {
            activated(b, net, f, &format!("{} + {of_output} * {next}", gate(1)))
        }
        (output, _) => output.unwrap_or_default(),
    };
    let shown = b.bind(&h.replace('@', &next));
    Ok((b.bind(&format!("{output} * {shown}")), next))
}

/// What the directions end with.
fn last(
    c: &mut Call<'_, '_, '_>,
    net: &Net,
    names: &[&String],
    batch_first: bool,
) -> Result<Value, String> {
    let mut parts = vec![];
    for name in names {
        let shape = vec![net.batch, net.hidden];
        let v = Var { name: name.to_string(), shape, kind: Kind::Float };
        parts.push(c.p.reshape(&Value::Var(v), &[1, net.batch, net.hidden])?);
    }
    let last = c.p.concat(&parts, 0)?;
    if batch_first { c.p.transpose(&last, &[1, 0, 2]) } else { Ok(last) }
}

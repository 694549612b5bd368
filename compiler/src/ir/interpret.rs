//! Reference semantics on clear values: the oracle of the optimiser.
//!
//! Every visibility is computed alike. Arithmetic is on 128-bit integers and wraps. Random draws come from a seed, by site and by how
//! often the site was reached, so that passes may move and drop draws without changing others.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Block, Dim, Elem, Entry, Module, Node, Op, Span, Type, Value, size_of_shape};

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Reports a value that exceeds its promised bits.
    pub checked: bool,
    /// Seed of the random draws.
    pub seed: u64,
    /// Most nodes to execute, loops unrolled.
    pub fuel: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { checked: true, seed: 0, fuel: 100_000_000 }
    }
}

/// Why a run stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What happened.
    pub what: String,
    /// Where.
    pub span: Span,
}

/// Elements by number of the input, output or state.
pub type Data = BTreeMap<u32, Vec<i128>>;

/// Runs an entry. States are read and left in `states`; a missing one is zero. Gives the outputs.
///
/// # Errors
/// A missing or ill-sized input, a value beyond its promise, a zero divisor, an index out of bounds, no fuel.
pub fn interpret(
    module: &Module,
    entry: &Entry,
    inputs: &Data,
    states: &mut Data,
    options: Options,
) -> Result<Data, Fault> {
    let mut run = Run {
        module,
        entry,
        inputs,
        states,
        options,
        outputs: Data::new(),
        values: vec![None; entry.types.len()],
        draws: BTreeMap::new(),
        span: Span::default(),
    };
    run.block(&entry.body).map_err(|what| Fault { what, span: run.span })?;
    Ok(run.outputs)
}

/// The result of one plain operation on given operands; `None` where it would fail or has none.
pub fn evaluate(op: &Op, args: &[(Type, Vec<i128>)], result: &Type) -> Option<Vec<i128>> {
    let module = Module::default();
    let values: Vec<Value> = (0..=args.len() as u32).map(Value).collect();
    let types = args.iter().map(|(t, _)| t.clone()).chain([result.clone()]).collect();
    let entry = Entry { name: String::new(), types, body: Block::default() };
    let mut run = Run {
        module: &module,
        entry: &entry,
        inputs: &Data::new(),
        states: &mut Data::new(),
        options: Options::default(),
        outputs: Data::new(),
        values: args.iter().map(|(_, x)| Some(Rc::new(x.clone()))).chain([None]).collect(),
        draws: BTreeMap::new(),
        span: Span::default(),
    };
    let (args, result) = values.split_at(args.len());
    let node = Node {
        op: op.clone(),
        args: args.to_vec(),
        results: result.to_vec(),
        blocks: Vec::new(),
        span: Span::default(),
    };
    run.compute(&node).ok()
}

type Tensor = Rc<Vec<i128>>;

struct Run<'a> {
    module: &'a Module,
    entry: &'a Entry,
    inputs: &'a Data,
    states: &'a mut Data,
    options: Options,
    outputs: Data,
    values: Vec<Option<Tensor>>,
    /// How often each site was reached.
    draws: BTreeMap<u32, u64>,
    span: Span,
}

type Done<T> = Result<T, String>;

impl Run<'_> {
    fn ty(&self, v: Value) -> &Type {
        self.entry.ty(v)
    }

    fn get(&self, v: Value) -> Tensor {
        self.values[v.0 as usize]
            .clone()
            .expect("the verifier has seen that definitions come before uses")
    }

    fn scalar(&self, v: Value) -> i128 {
        self.get(v)[0]
    }

    fn set(&mut self, v: Value, x: Tensor) -> Done<()> {
        if self.options.checked {
            self.check(v, &x)?;
        }
        self.values[v.0 as usize] = Some(x);
        Ok(())
    }

    fn check(&self, v: Value, x: &[i128]) -> Done<()> {
        let ty = self.ty(v);
        if x.len() != ty.size() {
            return Err(format!("{} elements in a value of shape {:?}", x.len(), ty.shape));
        }
        let fits = |x: i128| match ty.elem {
            Elem::Bit => x == 0 || x == 1,
            _ => super::bits_of(x) <= ty.bits,
        };
        match x.iter().find(|&&x| !fits(x)) {
            Some(x) => Err(format!("{x} exceeds the promised {} bits", ty.bits)),
            None => Ok(()),
        }
    }

    fn block(&mut self, block: &Block) -> Done<()> {
        block.nodes.iter().try_for_each(|n| self.node(n))
    }

    fn node(&mut self, node: &Node) -> Done<()> {
        self.span = node.span;
        self.options.fuel = self.options.fuel.checked_sub(1).ok_or("the program runs too long")?;
        match &node.op {
            Op::For { step } => self.for_loop(node, *step),
            Op::While {} => self.while_loop(node),
            Op::If {} => {
                let branch = &node.blocks[usize::from(self.scalar(node.args[0]) == 0)];
                self.block(branch)?;
                self.hand_over(&branch.results, &node.results)
            }
            Op::Output { id } => {
                self.outputs.insert(*id, self.get(node.args[0]).to_vec());
                Ok(())
            }
            Op::StateStore { id } => {
                self.states.insert(*id, self.get(node.args[0]).to_vec());
                Ok(())
            }
            _ => {
                let result = Rc::new(self.compute(node)?);
                self.set(node.results[0], result)
            }
        }
    }

    fn hand_over(&mut self, from: &[Value], to: &[Value]) -> Done<()> {
        let values: Vec<Tensor> = from.iter().map(|&v| self.get(v)).collect();
        to.iter().zip(values).try_for_each(|(&v, x)| self.set(v, x))
    }

    fn for_loop(&mut self, node: &Node, step: i64) -> Done<()> {
        let body = &node.blocks[0];
        let (mut i, hi) = (self.scalar(node.args[0]), self.scalar(node.args[1]));
        self.hand_over(&node.args[2..], &body.params[1..])?;
        while if step > 0 { i < hi } else { i > hi } {
            self.set(body.params[0], Rc::new(vec![i]))?;
            self.block(body)?;
            self.hand_over(&body.results, &body.params[1..])?;
            i += i128::from(step);
        }
        self.hand_over(&body.params[1..], &node.results)
    }

    fn while_loop(&mut self, node: &Node) -> Done<()> {
        let (condition, body) = (&node.blocks[0], &node.blocks[1]);
        self.hand_over(&node.args, &condition.params)?;
        loop {
            self.block(condition)?;
            if self.scalar(condition.results[0]) == 0 {
                return self.hand_over(&condition.params, &node.results);
            }
            self.hand_over(&condition.params, &body.params)?;
            self.block(body)?;
            self.hand_over(&body.results, &condition.params)?;
        }
    }

    fn map1(&self, node: &Node, f: impl Fn(i128) -> i128) -> Done<Vec<i128>> {
        Ok(self.get(node.args[0]).iter().map(|&x| f(x)).collect())
    }

    fn map2(&self, node: &Node, f: impl Fn(i128, i128) -> Done<i128>) -> Done<Vec<i128>> {
        let (a, b) = (self.get(node.args[0]), self.get(node.args[1]));
        let n = self.ty(node.results[0]).size();
        (0..n).map(|i| f(pick(&a, i), pick(&b, i))).collect()
    }

    fn total2(&self, node: &Node, f: impl Fn(i128, i128) -> i128) -> Done<Vec<i128>> {
        self.map2(node, |a, b| Ok(f(a, b)))
    }

    fn last_axis(&self, v: Value) -> usize {
        self.ty(v).shape.last().copied().unwrap_or(1)
    }

    fn row_size(&self, v: Value) -> usize {
        size_of_shape(&self.ty(v).shape[1..])
    }

    fn draw(&mut self, site: u32) -> Generator {
        let count = self.draws.entry(site).or_insert(0);
        *count += 1;
        Generator(mix(self.options.seed ^ mix(u64::from(site) << 32 ^ *count)))
    }

    fn compute(&mut self, node: &Node) -> Done<Vec<i128>> {
        let n = self.ty(node.results[0]).size();
        let arg = |i: usize| self.get(node.args[i]);
        match &node.op {
            Op::Const { data, .. } => Ok((0..n).map(|i| data.at(i)).collect()),
            Op::Add {} => self.total2(node, i128::wrapping_add),
            Op::Sub {} => self.total2(node, i128::wrapping_sub),
            Op::Mul {} => self.total2(node, i128::wrapping_mul),
            Op::Real { function, fraction } => {
                let bits = self.ty(node.results[0]).bits;
                let (a, b) = (arg(0), arg(node.args.len() - 1));
                let real = |x: i128| x as f64 / f64::from(*fraction).exp2();
                Ok((0..n)
                    .map(|i| function.at(real(pick(&a, i)), real(pick(&b, i))))
                    .map(|y| nearest(y, *fraction, bits))
                    .collect())
            }
            Op::Neg {} => self.map1(node, i128::wrapping_neg),
            Op::Shl { shift } => self.map1(node, |x| x.wrapping_shl(*shift)),
            Op::Div {} => self.map2(node, floor_div),
            Op::Mod {} => {
                self.map2(node, |a, b| Ok(a.wrapping_sub(b.wrapping_mul(floor_div(a, b)?))))
            }
            Op::Trunc { shift } => self.map1(node, |x| trunc(x, *shift)),
            Op::Shr { shift } => self.map1(node, |x| x >> shift),
            Op::Wrap { k } => self.map1(node, |x| wrap(x, *k)),
            Op::And {} => self.total2(node, |a, b| a & b),
            Op::Or {} => self.total2(node, |a, b| a | b),
            Op::Xor {} => self.total2(node, |a, b| a ^ b),
            Op::Not {} => self.map1(node, |a| 1 - a),
            Op::Lt {} => self.total2(node, |a, b| i128::from(a < b)),
            Op::Eq {} => self.total2(node, |a, b| i128::from(a == b)),
            Op::Ltz {} => self.map1(node, |a| i128::from(a < 0)),
            Op::Eqz {} => self.map1(node, |a| i128::from(a == 0)),
            Op::Select {} => {
                let (c, a, b) = (arg(0), arg(1), arg(2));
                Ok((0..n)
                    .map(|i| if pick(&c, i) != 0 { pick(&a, i) } else { pick(&b, i) })
                    .collect())
            }
            Op::Bits { k } => {
                Ok(arg(0).iter().flat_map(|&x| (0..*k).map(move |j| (x >> j) & 1)).collect())
            }
            Op::Compose { signed } => {
                let k = self.last_axis(node.args[0]);
                Ok(arg(0).chunks(k).map(|bits| compose(bits, *signed)).collect())
            }
            Op::FromBit {}
            | Op::Share {}
            | Op::Publish {}
            | Op::Reveal {}
            | Op::RevealTo { .. }
            | Op::Lift { .. } => Ok(arg(0).to_vec()),
            Op::Circuit { id } => {
                let circuit = self.module.circuits.get(*id as usize).ok_or("no such circuit")?;
                let (a, k) = (arg(0), circuit.input_bits());
                let outputs = a.chunks(k).flat_map(|row| {
                    circuit.evaluate(&row.iter().map(|&x| x == 1).collect::<Vec<bool>>())
                });
                Ok(outputs.map(i128::from).collect())
            }
            Op::OneHot { n } => Ok(arg(0)
                .iter()
                .flat_map(|&x| (0..*n).map(move |j| i128::from(x == j as i128)))
                .collect()),
            Op::Reshape { .. } => Ok(arg(0).to_vec()),
            Op::View { offset, dims } => view(&arg(0), *offset, dims),
            Op::Spread { offset, dims, .. } => {
                let mut out = vec![0; n];
                for (&p, &x) in positions(*offset, dims).iter().zip(arg(0).iter()) {
                    out[p as usize] = x;
                }
                Ok(out)
            }
            Op::SliceAt { dims } => view(&arg(0), self.scalar(node.args[1]) as i64, dims),
            Op::UpdateAt { dims } => {
                let (mut out, v) = (arg(0).to_vec(), arg(1));
                let places = positions(self.scalar(node.args[2]) as i64, dims);
                for (&p, &x) in places.iter().zip(v.iter()) {
                    *usize::try_from(p)
                        .ok()
                        .and_then(|p| out.get_mut(p))
                        .ok_or("a slice leaves its tensor")? = x;
                }
                Ok(out)
            }
            Op::Concat { axis } => Ok(self.concat(node, *axis)),
            Op::Gather {} => {
                let (a, index, width) = (arg(0), arg(1), self.row_size(node.args[0]));
                let rows = self.ty(node.args[0]).shape[0];
                let mut out = Vec::with_capacity(n);
                for &i in index.iter() {
                    let i = usize::try_from(i)
                        .ok()
                        .filter(|&i| i < rows)
                        .ok_or("an index leaves its tensor")?;
                    out.extend_from_slice(&a[i * width..(i + 1) * width]);
                }
                Ok(out)
            }
            Op::Scatter {} | Op::Permute {} => {
                permute(&arg(0), &arg(1), self.row_size(node.args[0]))
            }
            Op::Places {} => Ok(places(&arg(0), n, self.row_size(node.args[0]))),
            Op::Sum {} => {
                let k = self.last_axis(node.args[0]);
                let a = arg(0);
                Ok((0..n).map(|i| sum(a[i * k..(i + 1) * k].iter().copied())).collect())
            }
            Op::CumSum {} => {
                let k = self.last_axis(node.args[0]).max(1);
                let mut out = arg(0).to_vec();
                for i in 0..n {
                    if i % k > 0 {
                        out[i] = out[i].wrapping_add(out[i - 1]);
                    }
                }
                Ok(out)
            }
            Op::Dot {} => {
                let (a, b, k) = (arg(0), arg(1), self.last_axis(node.args[0]));
                Ok((0..n)
                    .map(|i| sum((i * k..(i + 1) * k).map(|j| a[j].wrapping_mul(b[j]))))
                    .collect())
            }
            Op::MatMul {} => {
                let (a, b) = (arg(0), arg(1));
                let (k, cols) = (self.ty(node.args[0]).shape[1], self.ty(node.args[1]).shape[1]);
                let cell = |i: usize| {
                    sum((0..k).map(|j| a[i / cols * k + j].wrapping_mul(b[j * cols + i % cols])))
                };
                Ok((0..n).map(cell).collect())
            }
            Op::Contract { rows, inner, cols, left, right, .. } => {
                let (a, b) = (view(&arg(0), 0, left)?, view(&arg(1), 0, right)?);
                let cell = |i: usize| {
                    let (batch, row, col) = (i / (rows * cols), i / cols % rows, i % cols);
                    let left = |j: usize| a[(batch * rows + row) * inner + j];
                    let right = |j: usize| b[(batch * inner + j) * cols + col];
                    sum((0..*inner).map(|j| left(j).wrapping_mul(right(j))))
                };
                Ok((0..n).map(cell).collect())
            }
            Op::Random { site, bits, .. } => {
                let mut g = self.draw(*site);
                Ok((0..n).map(|_| (g.wide() & ((1u128 << bits) - 1)) as i128).collect())
            }
            Op::RandomBit { site, .. } => {
                let mut g = self.draw(*site);
                Ok((0..n).map(|_| (g.wide() & 1) as i128).collect())
            }
            Op::Shuffle { site } => {
                let (a, rows, width) =
                    (arg(0), self.ty(node.args[0]).shape[0], self.row_size(node.args[0]));
                let mut g = self.draw(*site);
                let mut order: Vec<i128> = (0..rows as i128).collect();
                (1..rows).for_each(|i| order.swap(i, (g.wide() % (i as u128 + 1)) as usize));
                permute(&a, &order, width)
            }
            Op::Input { id } => self.input(*id, n),
            Op::StateLoad { id } => Ok(self.states.get(id).cloned().unwrap_or_else(|| vec![0; n])),
            Op::IndexConst { value } => Ok(vec![i128::from(*value)]),
            Op::IndexAdd {} => {
                self.total2(node, |a, b| i128::from((a as i64).wrapping_add(b as i64)))
            }
            Op::IndexSub {} => {
                self.total2(node, |a, b| i128::from((a as i64).wrapping_sub(b as i64)))
            }
            Op::IndexMul {} => {
                self.total2(node, |a, b| i128::from((a as i64).wrapping_mul(b as i64)))
            }
            Op::IndexFromClear { bound } => {
                let x = arg(0)[0];
                if x < 0 || x >= i128::from(*bound) {
                    return Err(format!("index {x} is outside 0..{bound}"));
                }
                Ok(vec![x])
            }
            Op::NumFromIndex {} => Ok(arg(0).to_vec()),
            Op::For { .. }
            | Op::While {}
            | Op::If {}
            | Op::Output { .. }
            | Op::StateStore { .. } => {
                unreachable!("executed above")
            }
        }
    }

    fn input(&self, id: u32, n: usize) -> Done<Vec<i128>> {
        let name = &self.module.inputs[id as usize].name;
        let data = self.inputs.get(&id).ok_or_else(|| format!("input `{name}` is missing"))?;
        if data.len() == n {
            Ok(data.clone())
        } else {
            Err(format!("input `{name}` has {} elements, not {n}", data.len()))
        }
    }

    fn concat(&self, node: &Node, axis: usize) -> Vec<i128> {
        let shape = &self.ty(node.results[0]).shape;
        let before = size_of_shape(&shape[..axis]);
        let parts: Vec<Tensor> = node.args.iter().map(|&v| self.get(v)).collect();
        let mut out = Vec::new();
        for i in 0..before {
            for p in &parts {
                let width = p.len() / before;
                out.extend_from_slice(&p[i * width..(i + 1) * width]);
            }
        }
        out
    }
}

/// Element i, or the only one.
fn pick(x: &[i128], i: usize) -> i128 {
    if x.len() == 1 { x[0] } else { x[i] }
}

fn sum(xs: impl Iterator<Item = i128>) -> i128 {
    xs.fold(0, i128::wrapping_add)
}

fn floor_div(a: i128, b: i128) -> Done<i128> {
    if b == 0 {
        return Err("division by zero".into());
    }
    let q = a.wrapping_div(b);
    Ok(if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { q - 1 } else { q })
}

/// floor((x + 2^(shift−1)) / 2^shift).
pub fn trunc(x: i128, shift: u32) -> i128 {
    if shift == 0 { x } else { (x >> (shift - 1)).wrapping_add(1) >> 1 }
}

/// The fixed-point number of so many bits that is nearest to y; 0 for what is no number.
fn nearest(y: f64, fraction: u32, bits: u32) -> i128 {
    let most = i128::MAX >> (128 - bits.clamp(1, 128));
    ((y * f64::from(fraction).exp2()).round() as i128).clamp(-most, most)
}

/// The representative of x modulo 2^k in [−2^(k−1), 2^(k−1)), for 1 ≤ k ≤ 128.
pub fn wrap(x: i128, k: u32) -> i128 {
    x << (128 - k) >> (128 - k)
}

fn compose(bits: &[i128], signed: bool) -> i128 {
    let value = bits.iter().enumerate().fold(0i128, |x, (j, b)| x.wrapping_add(b << j));
    if signed { wrap(value, bits.len() as u32) } else { value }
}

/// Places of a view's elements in its source.
fn positions(offset: i64, dims: &[Dim]) -> Vec<i64> {
    let mut out = vec![offset];
    for d in dims {
        let mut next = Vec::with_capacity(out.len() * d.size);
        for &at in &out {
            next.extend((0..d.size as i64).map(|i| at.wrapping_add(i.wrapping_mul(d.stride))));
        }
        out = next;
    }
    out
}

fn view(a: &[i128], offset: i64, dims: &[Dim]) -> Done<Vec<i128>> {
    let at = |p: &i64| {
        let found = usize::try_from(*p).ok().and_then(|p| a.get(p));
        found.copied().ok_or_else(|| "a slice leaves its tensor".into())
    };
    positions(offset, dims).iter().map(at).collect()
}

/// Row p[i] of the result is row i of a.
fn permute(a: &[i128], p: &[i128], width: usize) -> Done<Vec<i128>> {
    let mut out = vec![0; a.len()];
    let mut seen = vec![false; p.len()];
    for (i, &to) in p.iter().enumerate() {
        let to = usize::try_from(to)
            .ok()
            .filter(|&t| t < p.len() && !seen[t])
            .ok_or("not a permutation")?;
        seen[to] = true;
        out[to * width..(to + 1) * width].copy_from_slice(&a[i * width..(i + 1) * width]);
    }
    Ok(out)
}

/// Where n rows of k bits, the lowest first, go when they are sorted; equal ones stay in order.
fn places(bits: &[i128], n: usize, k: usize) -> Vec<i128> {
    let row = |i: usize| bits[i * k..(i + 1) * k].iter().rev();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| row(a).cmp(row(b)));
    let mut places = vec![0; n];
    order.iter().zip(0..).for_each(|(&i, place)| places[i] = place);
    places
}

/// SplitMix64.
struct Generator(u64);

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    fn wide(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }
}

fn mix(x: u64) -> u64 {
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

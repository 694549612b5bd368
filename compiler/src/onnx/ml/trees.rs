//! Ensembles of decision trees, obliviously: nobody learns which way a row goes.
//!
//! All nodes of all trees are compared at once. The conditions along the way to a leaf are multiplied, all leaves together, in as many
//! rounds as the logarithm of the depth; beginnings of ways that leaves share are worked out once. One product then adds the weights of the
//! leaves that were reached. Thresholds and weights are weights of the model; which feature a node compares, how it compares, and how the
//! trees are built, is public.

use std::collections::BTreeMap;

use super::super::call::{Call, Outputs, one};
use super::super::elementwise::expression;
use super::super::program::Value;
use super::super::tensor::{Constant, Kind};
use super::ensemble::{Branch, Ensemble, Mode, Next, index, numbers, read, read_5, targets};
use super::{both, greatest, labels, post_transform, rows, weights};

/// Most products of conditions.
const MAX_PRODUCTS: usize = 1 << 20;

/// How the results of trees become one.
#[derive(Clone, Copy, PartialEq)]
enum Aggregate {
    Sum,
    Average,
    Least,
    Greatest,
}

/// A way to a leaf that begins at a root.
struct Way {
    tree: usize,
    leaf: usize,
    /// Where the conditions of the way, multiplied, are; the way may have none.
    place: Option<usize>,
}

/// The products of conditions, level by level: each is one of two that come before.
#[derive(Default)]
struct Products {
    /// By the last condition and how many come before it.
    known: BTreeMap<(usize, usize), usize>,
    /// Operands, by level.
    levels: Vec<Vec<(usize, usize)>>,
    /// Level, and place there, of each product.
    places: Vec<(usize, usize)>,
}

impl Products {
    /// The product of conditions `start..end` of a way.
    fn of(&mut self, way: &[usize], start: usize, end: usize) -> Result<usize, String> {
        if let Some(known) = self.known.get(&(way[end - 1], start)) {
            return Ok(*known);
        }
        let (level, operands) = match end - start {
            1 => (0, (way[start], 0)),
            n => {
                // The first half is as long as a power of two: other ways share it.
                let middle = start + n.next_power_of_two() / 2;
                let pair = (self.of(way, start, middle)?, self.of(way, middle, end)?);
                (n.next_power_of_two().ilog2() as usize, pair)
            }
        };
        if self.levels.len() <= level {
            self.levels.resize(level + 1, vec![]);
        }
        if self.places.len() >= MAX_PRODUCTS {
            return Err("these trees are too large".into());
        }
        self.places.push((level, self.levels[level].len()));
        self.levels[level].push(operands);
        let place = self.places.len() - 1;
        self.known.insert((way[end - 1], start), place);
        Ok(place)
    }
}

impl Ensemble {
    /// All ways from roots to leaves. Condition `i` is that branch i goes to `yes`, `n + i` that it does not.
    fn ways(&self) -> Result<(Vec<Way>, Products), String> {
        let n = self.branches.len();
        let (mut ways, mut products) = (vec![], Products::default());
        let mut seen = vec![false; n];
        for (tree, root) in self.roots.iter().enumerate() {
            let mut open = vec![(*root, 0, None)];
            let mut way: Vec<usize> = vec![];
            while let Some((next, depth, condition)) = open.pop() {
                way.truncate(depth);
                way.extend(condition);
                match next {
                    Next::Leaf(leaf) => {
                        if leaf >= self.leaves.len() {
                            return Err(format!("there is no leaf {leaf}"));
                        }
                        let place = match way.len() {
                            0 => None,
                            d => Some(products.of(&way, 0, d)?),
                        };
                        ways.push(Way { tree, leaf, place });
                    }
                    Next::Branch(i) => {
                        let branch = self.branches.get(i).ok_or(format!("there is no node {i}"))?;
                        if std::mem::replace(&mut seen[i], true) {
                            return Err(format!("node {i} is reached twice"));
                        }
                        let depth = way.len();
                        open.push((branch.no, depth, Some(n + i)));
                        open.push((branch.yes, depth, Some(i)));
                    }
                }
            }
        }
        Ok((ways, products))
    }

    /// A threshold as the program holds it. What is above it is above that, for all numbers that the program can hold.
    fn threshold(&self, mode: Mode, v: f64, unit: f64) -> f64 {
        let (scaled, up) = match mode {
            Mode::Above(_) => ((v * unit).floor() / unit, false),
            Mode::Below(_) => ((v * unit).ceil() / unit, true),
            Mode::Among(_) => return v,
        };
        let short = scaled as f32;
        f64::from(match f64::from(short).partial_cmp(&scaled) {
            Some(std::cmp::Ordering::Greater) if !up => short.next_down(),
            Some(std::cmp::Ordering::Less) if up => short.next_up(),
            _ => short,
        })
    }
}

/// The scores of each row, [rows, targets].
fn scores(
    c: &mut Call<'_, '_, '_>,
    trees: &Ensemble,
    aggregate: Aggregate,
    base: &[f64],
) -> Result<Value, String> {
    let x = rows(c)?;
    let (ways, products) = trees.ways()?;
    let x = c.p.transpose(&x, &[1, 0])?;
    let reached = reached(c, trees, &ways, &products, &x)?;
    let columns = columns(trees, &ways, aggregate)?;
    let keys: Vec<(usize, usize)> = columns.keys().copied().collect();
    let sums = sums(c, reached.as_ref(), columns, x.shape()[1])?;
    let mut out = by_target(c, trees.targets, &keys, sums, aggregate)?;
    if aggregate == Aggregate::Average {
        out = super::super::linear::scaled(c, &out, 1.0 / trees.roots.len().max(1) as f64)?;
    }
    if base.is_empty() {
        return Ok(out);
    }
    expression(c, "@ + #", &out, &weights(base.to_vec(), &[base.len()])?, Kind::Float)
}

/// One column for each target: there is one already for sums, one for each tree for extremes.
fn by_target(
    c: &mut Call<'_, '_, '_>,
    targets: usize,
    keys: &[(usize, usize)],
    sums: Value,
    how: Aggregate,
) -> Result<Value, String> {
    let by_tree = matches!(how, Aggregate::Least | Aggregate::Greatest);
    if keys.len() == targets && !by_tree {
        return Ok(sums);
    }
    let shape = [sums.shape()[0], 1];
    let function = if how == Aggregate::Least { "min" } else { "max" };
    let mut parts = vec![];
    for target in 0..targets {
        let own: Vec<usize> = (0..keys.len()).filter(|i| keys[*i].0 == target).collect();
        parts.push(match own.len() {
            0 => c.p.broadcast(&Constant::scalar(0.0).into(), &shape)?,
            1 => c.p.take(&sums, 1, &own)?,
            _ => {
                let part = c.p.take(&sums, 1, &own)?;
                let part = c.p.operand(&part)?;
                let text = format!("reshape({function}({part}, axis = -1), {shape:?})");
                c.p.bind(&text, &shape, Kind::Float)?
            }
        });
    }
    c.p.concat(&parts, 1)
}

/// Weights of ways, by target and, where trees are compared, by tree.
type Columns = BTreeMap<(usize, usize), Vec<(usize, f64)>>;

fn columns(trees: &Ensemble, ways: &[Way], how: Aggregate) -> Result<Columns, String> {
    let mut columns = Columns::new();
    let by_tree = matches!(how, Aggregate::Least | Aggregate::Greatest);
    let mut counts = BTreeMap::<usize, usize>::new();
    for (i, way) in ways.iter().enumerate() {
        *counts.entry(way.tree).or_default() += 1;
        for &(target, weight) in &trees.leaves[way.leaf] {
            let column = columns.entry((target, if by_tree { way.tree } else { 0 })).or_default();
            match column.last_mut() {
                Some((last, sum)) if *last == i => *sum += weight,
                _ => column.push((i, weight)),
            }
        }
    }
    let whole = |(key, column): (&(usize, usize), &Vec<_>)| column.len() == counts[&key.1];
    if by_tree && !columns.iter().all(whole) {
        return Err("the least or greatest of trees that do not all give each target".into());
    }
    Ok(columns)
}

/// The weights of reached leaves, [rows, columns]. Columns of the same leaves are one product.
fn sums(
    c: &mut Call<'_, '_, '_>,
    reached: Option<&Value>,
    columns: Columns,
    rows: usize,
) -> Result<Value, String> {
    let mut groups: BTreeMap<Vec<usize>, Vec<(usize, Vec<f64>)>> = BTreeMap::new();
    let count = columns.len();
    for (i, column) in columns.into_values().enumerate() {
        let (places, xs) = column.into_iter().unzip();
        groups.entry(places).or_default().push((i, xs));
    }
    let (mut parts, mut order) = (vec![], vec![0; count]);
    let mut done = 0;
    for (places, group) in groups {
        let (n, width) = (places.len(), group.len());
        let table = (0..n * width).map(|i| group[i % width].1[i / width]).collect();
        let table = weights(table, &[n, width])?;
        let reached = match reached {
            Some(reached) => reached,
            None => return Err("these trees have no leaves".into()),
        };
        let bits = c.p.take(reached, 0, &places)?;
        let bits = c.p.transpose(&bits, &[1, 0])?;
        let (bits, table) = (c.p.operand(&bits)?, c.p.tensor(&table)?);
        let elem = c.p.elem(Kind::Float);
        let text = format!("{elem}(matmul(int<2>({bits}), {table}))");
        parts.push(c.p.bind(&text, &[rows, width], Kind::Float)?);
        for (i, _) in group {
            order[i] = done;
            done += 1;
        }
    }
    if parts.is_empty() {
        return c.p.broadcast(&Constant::scalar(0.0).into(), &[rows, 0]);
    }
    let all = c.p.concat(&parts, 1)?;
    c.p.take(&all, 1, &order)
}

/// Whether each way is gone, [ways, rows].
fn reached(
    c: &mut Call<'_, '_, '_>,
    trees: &Ensemble,
    ways: &[Way],
    products: &Products,
    x: &Value,
) -> Result<Option<Value>, String> {
    let rows = x.shape()[1];
    let always = ways.iter().any(|w| w.place.is_none());
    let mut all = match trees.branches.is_empty() {
        true => None,
        false => Some(conditions(c, trees, x)?),
    };
    // Where each product is among all that were worked out.
    let mut starts = vec![0];
    let place = |starts: &[usize], product: usize| {
        let (level, i) = products.places[product];
        starts[level] + i
    };
    for (level, operands) in products.levels.iter().enumerate() {
        let Some(before) = all.clone() else { break };
        let mut parts = vec![];
        if level == 0 {
            // The conditions in the order of the products.
            let taken: Vec<usize> = operands.iter().map(|o| o.0).collect();
            all = Some(c.p.take(&before, 0, &taken)?);
            starts.push(operands.len());
            continue;
        }
        for side in [0, 1] {
            let side = |o: &(usize, usize)| if side == 0 { o.0 } else { o.1 };
            let places: Vec<usize> = operands.iter().map(|o| place(&starts, side(o))).collect();
            parts.push(c.p.take(&before, 0, &places)?);
        }
        starts.push(before.shape()[0] + operands.len());
        if operands.is_empty() {
            continue;
        }
        let both = expression(c, "@ & #", &parts[0], &parts[1], Kind::Bool)?;
        all = Some(c.p.concat(&[before, both], 0)?);
    }
    let mut count = all.as_ref().map_or(0, |a| a.shape()[0]);
    if always {
        let text = format!("ones(bool[1, {rows}])");
        let sure = c.p.bind(&text, &[1, rows], Kind::Bool)?;
        let parts: Vec<Value> = all.into_iter().chain([sure]).collect();
        all = Some(c.p.concat(&parts, 0)?);
        count += 1;
    }
    let Some(all) = all else { return Ok(None) };
    let places: Vec<usize> =
        ways.iter().map(|w| w.place.map_or(count - 1, |p| place(&starts, p))).collect();
    Ok(Some(c.p.take(&all, 0, &places)?))
}

/// Whether each branch goes to `yes`, then whether it does not, [2 · branches, rows]: one comparison for all.
fn conditions(c: &mut Call<'_, '_, '_>, trees: &Ensemble, x: &Value) -> Result<Value, String> {
    let (n, features) = (trees.branches.len(), x.shape()[0]);
    if let Some(b) = trees.branches.iter().find(|b| b.feature >= features) {
        return Err(format!("feature {} of {features} is compared", b.feature));
    }
    let unit = f64::from(c.p.options.fix.1).exp2();
    let side = |wanted: fn(Mode) -> bool| -> Vec<usize> {
        (0..n).filter(|i| wanted(trees.branches[*i].mode)).collect()
    };
    let above = side(|m| matches!(m, Mode::Above(_)));
    let below = side(|m| matches!(m, Mode::Below(_)));
    let among = side(|m| matches!(m, Mode::Among(_)));
    let (mut left, mut right, mut bits) = (vec![], vec![], vec![]);
    for (of, turned) in [(&above, false), (&below, true)] {
        if of.is_empty() {
            continue;
        }
        let features: Vec<usize> = of.iter().map(|i| trees.branches[*i].feature).collect();
        let value = |b: &Branch| trees.threshold(b.mode, b.values[0], unit);
        let values = of.iter().map(|i| value(&trees.branches[*i])).collect();
        let values = c.p.var(&weights(values, &[of.len(), 1])?)?;
        let values = c.p.broadcast(&Value::Var(values), &[of.len(), x.shape()[1]])?;
        let taken = c.p.take(x, 0, &features)?;
        let pair = if turned { (values, taken) } else { (taken, values) };
        left.push(pair.0);
        right.push(pair.1);
    }
    if !left.is_empty() {
        let (left, right) = (c.p.concat(&left, 0)?, c.p.concat(&right, 0)?);
        bits.push(expression(c, "@ > #", &left, &right, Kind::Bool)?);
    }
    if !among.is_empty() {
        bits.push(members(c, trees, &among, x)?);
    }
    let bits = c.p.concat(&bits, 0)?;
    let v = c.p.var(&bits)?;
    let turned = c.like(&format!("!{}", v.name), &v)?;
    let both = c.p.concat(&[bits, turned], 0)?;
    // From the order of the comparisons to that of the branches.
    let mut places = vec![0; 2 * n];
    for (k, i) in above.into_iter().chain(below).chain(among).enumerate() {
        let (Mode::Above(yes) | Mode::Below(yes) | Mode::Among(yes)) = trees.branches[i].mode;
        (places[i], places[n + i]) = if yes { (k, n + k) } else { (n + k, k) };
    }
    c.p.take(&both, 0, &places)
}

/// Whether a feature is among the values of a branch. Sets are as large as the largest, by repetition.
fn members(
    c: &mut Call<'_, '_, '_>,
    trees: &Ensemble,
    of: &[usize],
    x: &Value,
) -> Result<Value, String> {
    let sets: Vec<&Branch> = of.iter().map(|i| &trees.branches[*i]).collect();
    let most = sets.iter().map(|b| b.values.len()).max().unwrap_or(1);
    super::limited(sets.len(), most)?;
    let rows = x.shape()[1];
    let at = |b: &Branch, k: usize| b.values[k.min(b.values.len() - 1)];
    let values = sets.iter().flat_map(|b| (0..most).map(|k| at(b, k))).collect();
    let values = weights(values, &[sets.len(), most, 1])?;
    let features: Vec<usize> = sets.iter().map(|b| b.feature).collect();
    let x = c.p.take(x, 0, &features)?;
    let x = c.p.reshape(&x, &[sets.len(), 1, rows])?;
    let equal = expression(c, "@ == #", &x, &values, Kind::Bool)?;
    if most == 1 {
        return c.p.reshape(&equal, &[sets.len(), rows]);
    }
    let equal = c.p.operand(&equal)?;
    c.p.bind(&format!("any({equal}, axis = 1)"), &[sets.len(), rows], Kind::Bool)
}

pub(super) fn regressor(c: &mut Call<'_, '_, '_>) -> Outputs {
    let targets = targets(c)?;
    let trees = read(c, "target", targets)?;
    let how = match c.text("aggregate_function", "SUM")?.as_str() {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Least,
        "MAX" => Aggregate::Greatest,
        other => return Err(format!("the aggregate `{other}` is not known")),
    };
    let base = numbers(c, "base_values")?;
    base_fits(&base, targets)?;
    let out = scores(c, &trees, how, &base)?;
    let after = c.text("post_transform", "NONE")?;
    one(post_transform(c, out, &after)?)
}

fn base_fits(base: &[f64], targets: usize) -> Result<(), String> {
    if base.is_empty() || base.len() == 1 || base.len() == targets {
        return Ok(());
    }
    Err(format!("{} base values for {targets} targets", base.len()))
}

pub(super) fn classifier(c: &mut Call<'_, '_, '_>) -> Outputs {
    let labels = labels(c, "classlabels_int64s")?;
    let classes = labels.len();
    if classes == 0 || classes > 1 << 12 {
        return Err(format!("{classes} labels are not possible"));
    }
    let ids = c.ints("class_ids")?.unwrap_or_default();
    let after = c.text("post_transform", "NONE")?;
    let base = numbers(c, "base_values")?;
    // Weights of a single class out of two are those of the second, and the other is what remains.
    let single = ids.first().is_some_and(|first| ids.iter().all(|i| i == first)) && classes <= 2;
    let mut trees = read(c, "class", classes)?;
    let mut out;
    if single {
        trees.targets = 1;
        trees.leaves.iter_mut().flatten().for_each(|w| w.0 = 0);
        let base = base.last().copied().map_or(vec![], |b| vec![b]);
        out = scores(c, &trees, Aggregate::Sum, &base)?;
        let other = if matches!(after.as_str(), "" | "NONE" | "PROBIT") { "1 - @" } else { "-@" };
        out = both(c, &out, other)?;
    } else {
        base_fits(&base, classes)?;
        out = scores(c, &trees, Aggregate::Sum, &base)?;
    }
    let out = post_transform(c, out, &after)?;
    let labels = if single && classes == 1 { vec![0, labels[0]] } else { labels };
    Ok(vec![greatest(c, &out, &labels)?, out])
}

/// Trees as version 5 writes them.
pub(super) fn ensemble(c: &mut Call<'_, '_, '_>) -> Outputs {
    let targets = targets(c)?;
    let trees = read_5(c, targets)?;
    let how = match c.int("aggregate_function", 1)? {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Least,
        3 => Aggregate::Greatest,
        other => return Err(format!("the aggregate {other} is not known")),
    };
    let out = scores(c, &trees, how, &[])?;
    let after = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"];
    let i = index(c.int("post_transform", 0)?)?;
    let after = after.get(i).ok_or(format!("the post-transform {i} is not known"))?;
    one(post_transform(c, out, after)?)
}

//! Ensembles of trees as they are written in a model: every list, number and place in it is checked here.

use std::collections::BTreeMap;

use super::super::call::Call;
use super::super::tensor::Constant;
use super::floats;

/// Most nodes of an ensemble.
const MAX_NODES: usize = 1 << 18;

/// How a node compares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    /// x > v, or not.
    Above(bool),
    /// x < v, or not.
    Below(bool),
    /// x is one of the values, or not.
    Among(bool),
}

/// Where a node leads.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    Branch(usize),
    Leaf(usize),
}

pub(super) struct Branch {
    pub(super) feature: usize,
    pub(super) mode: Mode,
    pub(super) values: Vec<f64>,
    pub(super) yes: Next,
    pub(super) no: Next,
}

/// Trees, however they were written.
pub(super) struct Ensemble {
    pub(super) branches: Vec<Branch>,
    pub(super) roots: Vec<Next>,
    /// Targets and weights of each leaf.
    pub(super) leaves: Vec<Vec<(usize, f64)>>,
    pub(super) targets: usize,
}

/// Floats of an attribute, or of the one with doubles that later versions have.
pub(super) fn numbers(c: &mut Call<'_, '_, '_>, name: &str) -> Result<Vec<f64>, String> {
    match c.tensor(&format!("{name}_as_tensor"))? {
        Some(t) => finite(&t),
        None => floats(c, name),
    }
}

fn finite(t: &Constant) -> Result<Vec<f64>, String> {
    let xs: Vec<f64> = (0..t.size()).map(|i| t.at(i)).collect();
    if xs.iter().all(|x| x.is_finite()) { Ok(xs) } else { Err("a number is infinite".into()) }
}

fn ints(c: &Call<'_, '_, '_>, name: &str) -> Result<Vec<i64>, String> {
    Ok(c.ints(name)?.unwrap_or_default())
}

fn same_length(lengths: &[usize], what: &str) -> Result<(), String> {
    if lengths.iter().any(|n| *n != lengths[0]) {
        return Err(format!("the lists of {what} are of different lengths: {lengths:?}"));
    }
    Ok(())
}

fn few_nodes(count: usize) -> Result<(), String> {
    if count > MAX_NODES {
        return Err(format!("{count} nodes are more than {MAX_NODES}"));
    }
    Ok(())
}

pub(super) fn index(i: i64) -> Result<usize, String> {
    usize::try_from(i).map_err(|_| format!("{i} is no place"))
}

fn mode(name: &str) -> Result<Mode, String> {
    Ok(match name {
        "BRANCH_LEQ" => Mode::Above(false),
        "BRANCH_GT" => Mode::Above(true),
        "BRANCH_LT" => Mode::Below(true),
        "BRANCH_GTE" => Mode::Below(false),
        "BRANCH_EQ" => Mode::Among(true),
        "BRANCH_NEQ" => Mode::Among(false),
        other => return Err(format!("the mode `{other}` is not known")),
    })
}

/// Trees as versions 1 to 3 write them: nodes with numbers in trees with numbers. `part` is what the weights belong to.
pub(super) fn read(
    c: &mut Call<'_, '_, '_>,
    part: &str,
    targets: usize,
) -> Result<Ensemble, String> {
    let (trees, nodes) = (ints(c, "nodes_treeids")?, ints(c, "nodes_nodeids")?);
    let features = ints(c, "nodes_featureids")?;
    let (yes, no) = (ints(c, "nodes_truenodeids")?, ints(c, "nodes_falsenodeids")?);
    let (modes, values) = (c.texts("nodes_modes")?, numbers(c, "nodes_values")?);
    let lengths = [&trees, &nodes, &features, &yes, &no].map(Vec::len);
    same_length(&[&lengths[..], &[modes.len(), values.len()]].concat(), "nodes")?;
    few_nodes(modes.len())?;
    let count = trees.len();
    let mut places = BTreeMap::new();
    let (mut roots, mut branches, mut leaves) = (BTreeMap::new(), 0, 0);
    for i in 0..count {
        let place = if modes[i] == "LEAF" {
            leaves += 1;
            Next::Leaf(leaves - 1)
        } else {
            branches += 1;
            Next::Branch(branches - 1)
        };
        if places.insert((trees[i], nodes[i]), place).is_some() {
            return Err(format!("node {} of tree {} is given twice", nodes[i], trees[i]));
        }
        roots.entry(trees[i]).or_insert(place);
    }
    let find = |tree: i64, node: i64| {
        let found = places.get(&(tree, node)).copied();
        found.ok_or_else(|| format!("there is no node {node} in tree {tree}"))
    };
    let mut out = Ensemble {
        branches: vec![],
        roots: roots.into_values().collect(),
        leaves: vec![vec![]; leaves],
        targets,
    };
    for i in (0..count).filter(|i| modes[*i] != "LEAF") {
        out.branches.push(Branch {
            feature: index(features[i])?,
            mode: mode(&modes[i])?,
            values: vec![values[i]],
            yes: find(trees[i], yes[i])?,
            no: find(trees[i], no[i])?,
        });
    }
    read_weights(c, part, &mut out, find)?;
    Ok(out)
}

/// The weights of leaves, which `find` finds; those of other nodes do not count.
fn read_weights(
    c: &mut Call<'_, '_, '_>,
    part: &str,
    out: &mut Ensemble,
    find: impl Fn(i64, i64) -> Result<Next, String>,
) -> Result<(), String> {
    let trees = ints(c, &format!("{part}_treeids"))?;
    let nodes = ints(c, &format!("{part}_nodeids"))?;
    let ids = ints(c, &format!("{part}_ids"))?;
    let weights = numbers(c, &format!("{part}_weights"))?;
    same_length(&[trees.len(), nodes.len(), ids.len(), weights.len()], "weights")?;
    for i in 0..ids.len() {
        let target = index(ids[i])?;
        if target >= out.targets {
            return Err(format!("a weight is of target {target} of {}", out.targets));
        }
        if let Next::Leaf(leaf) = find(trees[i], nodes[i])? {
            out.leaves[leaf].push((target, weights[i]));
        }
    }
    // The weights of one target of one leaf come after each other, so that they are added.
    out.leaves.iter_mut().for_each(|l| l.sort_by_key(|w| w.0));
    Ok(())
}

pub(super) fn targets(c: &Call<'_, '_, '_>) -> Result<usize, String> {
    let targets = c.int("n_targets", 1)?;
    let targets = usize::try_from(targets).ok().filter(|n| (1..=1 << 12).contains(n));
    targets.ok_or("this number of targets is not possible".into())
}

pub(super) fn read_5(c: &mut Call<'_, '_, '_>, targets: usize) -> Result<Ensemble, String> {
    const MODES: [&str; 6] =
        ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];
    const MEMBER: i64 = 6;
    let tensor = |c: &mut Call<'_, '_, '_>, name: &str| {
        c.tensor(name)?.ok_or_else(|| format!("the attribute `{name}` is missing"))
    };
    let splits = tensor(c, "nodes_splits")?;
    let modes = tensor(c, "nodes_modes")?.to_ints();
    let features = ints(c, "nodes_featureids")?;
    let (yes, no) = (ints(c, "nodes_truenodeids")?, ints(c, "nodes_falsenodeids")?);
    let (yes_leaf, no_leaf) = (ints(c, "nodes_trueleafs")?, ints(c, "nodes_falseleafs")?);
    let lengths = [&modes, &features, &yes, &no, &yes_leaf, &no_leaf].map(Vec::len);
    same_length(&[&lengths[..], &[splits.size()]].concat(), "nodes")?;
    few_nodes(modes.len())?;
    let members = match c.tensor("membership_values")? {
        Some(t) => (0..t.size()).map(|i| t.at(i)).collect(),
        None => vec![],
    };
    let mut sets = members.split(|x: &f64| x.is_nan());
    let next = |leaf: i64, i: i64| {
        Ok::<_, String>(if leaf != 0 { Next::Leaf(index(i)?) } else { Next::Branch(index(i)?) })
    };
    let mut branches = vec![];
    for i in 0..modes.len() {
        let (mode, values) = match modes[i] {
            MEMBER => {
                let set = sets.next().filter(|s| !s.is_empty());
                (Mode::Among(true), set.ok_or("a set of members is missing")?.to_vec())
            }
            m => {
                let name = index(m)?;
                let name = MODES.get(name).ok_or(format!("the mode {m} is not known"))?;
                (mode(name)?, vec![splits.at(i)])
            }
        };
        branches.push(Branch {
            feature: index(features[i])?,
            mode,
            values,
            yes: next(yes_leaf[i], yes[i])?,
            no: next(no_leaf[i], no[i])?,
        });
    }
    let (ids, weights) = (ints(c, "leaf_targetids")?, finite(&tensor(c, "leaf_weights")?)?);
    same_length(&[ids.len(), weights.len()], "leaves")?;
    let mut leaves = vec![];
    for (id, weight) in ids.iter().zip(weights) {
        let target = index(*id)?;
        if target >= targets {
            return Err(format!("a leaf is of target {target} of {targets}"));
        }
        leaves.push(vec![(target, weight)]);
    }
    let mut roots = vec![];
    for root in ints(c, "tree_roots")? {
        let i = index(root)?;
        // A tree that is a leaf is written as a node with that leaf on both sides.
        let branch = branches.get(i).ok_or(format!("there is no node {i}"))?;
        roots.push(match (branch.yes, branch.no) {
            (Next::Leaf(a), Next::Leaf(b)) if a == b => Next::Leaf(a),
            _ => Next::Branch(i),
        });
    }
    Ok(Ensemble { branches, roots, leaves, targets })
}

//! Two nodes that are cheaper together: one whose result only the next one uses.

use super::norm::folded;
use super::program::{Mark, Value};
use super::proto::{self, Node};
use super::tensor::{Constant, Data};

/// A node that was imported, with what it was given and what it wrote.
pub(super) struct Last<'a> {
    pub(super) node: Node<'a>,
    pub(super) inputs: Vec<Option<Value>>,
    pub(super) start: Mark,
    pub(super) end: Mark,
}

/// A node and its inputs; without the first one it goes on from the step before.
pub(super) type Step<'a> = (Node<'a>, Vec<Option<Value>>);

/// The steps that take the place of two nodes, if there are better ones.
pub(super) fn fused<'a>(
    last: &Last<'a>,
    node: &Node<'a>,
    inputs: &[Option<Value>],
) -> Option<Vec<Step<'a>>> {
    match (last.node.op, node.op) {
        ("Conv", "BatchNormalization") => convolution_with_norm(last, node, inputs),
        ("Relu", "MaxPool") => Some(pool_first(last, node, inputs)),
        _ => None,
    }
}

/// The greatest of what is not negative is the greatest, if that is not negative: fewer comparisons with 0.
fn pool_first<'a>(last: &Last<'a>, node: &Node<'a>, inputs: &[Option<Value>]) -> Vec<Step<'a>> {
    let mut pooled = inputs.to_vec();
    pooled[0] = last.inputs.first().cloned().flatten();
    vec![(node.clone(), pooled), (last.node.clone(), vec![None])]
}

/// Factor and summand of a normalisation go into weights and bias: no product and no scaling back of its own.
fn convolution_with_norm<'a>(
    last: &Last<'a>,
    node: &Node<'a>,
    inputs: &[Option<Value>],
) -> Option<Vec<Step<'a>>> {
    let known = |v: &Option<Value>| v.as_ref().and_then(Value::constant).cloned();
    let given: Vec<_> = inputs.iter().skip(1).filter_map(known).collect();
    let [scale, bias, mean, variance] = &given[..] else { return None };
    if node.outputs.len() > 1 || last.inputs.len() > 3 {
        return None;
    }
    let (factor, summand) = folded([scale, bias, mean, variance], epsilon(node)?).ok()?;
    let weights = known(last.inputs.get(1)?)?;
    let n = factor.size();
    if weights.shape.first() != Some(&n) {
        return None;
    }
    let before = match last.inputs.get(2) {
        Some(Some(before)) => Some(before.constant().filter(|b| b.shape == [n])?.clone()),
        _ => None,
    };
    let shift = |i: usize| summand.at(i) + before.as_ref().map_or(0.0, |b| b.at(i) * factor.at(i));
    let summand = Data::F64((0..n).map(shift).collect());
    let weight = factor.weight || before.is_some_and(|b| b.weight);
    let bias = Constant { data: summand, weight, ..factor.clone() };
    let inputs = vec![
        last.inputs.first().cloned().flatten(),
        Some(times_rows(&weights, &factor).into()),
        Some(bias.into()),
    ];
    Some(vec![(last.node.clone(), inputs)])
}

fn epsilon(node: &Node<'_>) -> Option<f64> {
    let found = node.attributes.iter().find(|(name, _)| *name == "epsilon");
    match found {
        None => Some(1e-5),
        Some((_, message)) => proto::attribute(message).ok()?.float.map(f64::from),
    }
}

/// Each row of a tensor times its factor.
fn times_rows(x: &Constant, factors: &Constant) -> Constant {
    let same = factors.public_scalar().or_else(|| {
        let first = factors.at(0);
        (!factors.weight && (0..factors.size()).all(|i| factors.at(i) == first)).then_some(first)
    });
    let shape = x.shape.clone();
    if let (Data::Splat(x), Some(factor)) = (&x.data, same) {
        return Constant { shape, data: Data::Splat(x * factor), weight: false };
    }
    let width = x.size() / factors.size().max(1);
    let data = (0..x.size()).map(|i| x.at(i) * factors.at(i / width.max(1))).collect();
    Constant { shape, data: Data::F64(data), weight: x.weight || factors.weight }
}

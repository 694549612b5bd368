//! Sums of products over named axes, as products of matrices.

use super::call::{Call, Outputs, one};
use super::elementwise::expression;
use super::linear::batched;
use super::program::Value;
use super::tensor::{Kind, size};
use super::view::View;

/// An operand and the names of its axes. Axes of an ellipsis have names from here on.
#[derive(Clone)]
struct Named {
    value: Value,
    names: Vec<u32>,
}

const ELLIPSIS: u32 = 1 << 21;

pub(super) fn einsum(c: &mut Call<'_, '_, '_>) -> Outputs {
    let text: String = c.text("equation", "")?.split_whitespace().collect();
    let (left, right) = text.split_once("->").unwrap_or((text.as_str(), ""));
    let explicit = text.contains("->");
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != c.inputs.len() {
        return Err(format!("the equation `{text}` has {} operands", terms.len()));
    }
    let mut operands = vec![];
    let mut hidden = 0;
    for (i, term) in terms.iter().enumerate() {
        let value = c.input(i)?;
        if value.kind() != Kind::Float {
            return Err("it is supported for floats only".into());
        }
        let names = names(term, value.rank())?;
        hidden = hidden.max(names.iter().filter(|n| **n >= ELLIPSIS).count());
        operands.push(Named { value, names });
    }
    let output = match explicit {
        true => names(
            right,
            right.chars().filter(|c| *c != '.').count()
                + if right.contains("...") { hidden } else { 0 },
        )?,
        false => implicit(&operands, hidden),
    };
    let sizes = sizes(&operands)?;
    if output.iter().any(|n| !sizes.iter().any(|(name, _)| name == n)) {
        return Err(format!("the result of `{text}` has an axis that no operand has"));
    }
    let mut rest = operands.into_iter();
    let mut sum = rest.next().ok_or("there are no operands")?;
    let mut rest: Vec<Named> = rest.collect();
    sum = diagonal(c, sum)?;
    while !rest.is_empty() {
        let next = diagonal(c, rest.remove(0))?;
        let later = rest.iter().flat_map(|o| o.names.iter()).chain(&output);
        let later: Vec<u32> = later.copied().collect();
        sum = contracted(c, sum, next, &later)?;
    }
    let sum = summed(c, sum, &output)?;
    let order: Vec<usize> = output
        .iter()
        .map(|n| sum.names.iter().position(|m| m == n).ok_or("an axis is named twice"))
        .collect::<Result<_, _>>()?;
    if order.len() != sum.names.len() {
        return Err("an axis of the result is named twice".into());
    }
    one(c.p.transpose(&sum.value, &order)?)
}

/// Names of the axes of a term; those of an ellipsis are counted from the last.
fn names(term: &str, rank: usize) -> Result<Vec<u32>, String> {
    let letters = |text: &str| text.chars().map(u32::from).collect::<Vec<_>>();
    let out = match term.split_once("...") {
        None => letters(term),
        Some((before, after)) => {
            let named = before.chars().count() + after.chars().count();
            let hidden = rank.checked_sub(named).ok_or(format!("`{term}` has too many axes"))?;
            let hidden = (0..hidden as u32).rev().map(|i| ELLIPSIS + i).collect();
            [letters(before), hidden, letters(after)].concat()
        }
    };
    let is_name = |n: &u32| *n >= ELLIPSIS || char::from_u32(*n).is_some_and(char::is_alphabetic);
    if out.len() != rank || !out.iter().all(is_name) {
        return Err(format!("`{term}` does not fit a tensor of {rank} axes"));
    }
    Ok(out)
}

/// Without a result in the equation: the ellipsis, then names that occur once, by alphabet.
fn implicit(operands: &[Named], hidden: usize) -> Vec<u32> {
    let all: Vec<u32> = operands.iter().flat_map(|o| o.names.iter().copied()).collect();
    let once = |n: &u32| *n < ELLIPSIS && all.iter().filter(|m| *m == n).count() == 1;
    let mut named: Vec<u32> = all.iter().copied().filter(once).collect();
    named.sort_unstable();
    (0..hidden as u32).rev().map(|i| ELLIPSIS + i).chain(named).collect()
}

fn sizes(operands: &[Named]) -> Result<Vec<(u32, usize)>, String> {
    let mut sizes: Vec<(u32, usize)> = vec![];
    for operand in operands {
        for (name, n) in operand.names.iter().zip(operand.value.shape()) {
            match sizes.iter_mut().find(|(m, _)| m == name) {
                None => sizes.push((*name, *n)),
                Some((_, m)) if *m == *n || *n == 1 => {}
                Some((_, m)) if *m == 1 => *m = *n,
                Some((_, m)) => return Err(format!("an axis has the sizes {m} and {n}")),
            }
        }
    }
    Ok(sizes)
}

/// Axes of one name become one.
fn diagonal(c: &mut Call<'_, '_, '_>, x: Named) -> Result<Named, String> {
    let mut view = View { offset: 0, dims: vec![] };
    let mut names: Vec<u32> = vec![];
    for (name, dim) in x.names.iter().zip(View::whole(x.value.shape()).dims) {
        match names.iter().position(|n| n == name) {
            None => {
                names.push(*name);
                view.dims.push(dim);
            }
            Some(i) if view.dims[i].0 == dim.0 => view.dims[i].1 += dim.1,
            Some(_) => return Err("axes of one name are of different sizes".into()),
        }
    }
    let value = c.p.view(&x.value, &view)?;
    Ok(Named { value, names })
}

/// Sums over all axes but those that are kept.
fn summed(c: &mut Call<'_, '_, '_>, x: Named, kept: &[u32]) -> Result<Named, String> {
    let (stay, go): (Vec<usize>, Vec<usize>) =
        (0..x.names.len()).partition(|i| kept.contains(&x.names[*i]));
    if go.is_empty() {
        return Ok(x);
    }
    let names = stay.iter().map(|i| x.names[*i]).collect();
    let shape: Vec<usize> = stay.iter().map(|i| x.value.shape()[*i]).collect();
    let moved = c.p.transpose(&x.value, &[stay, go].concat())?;
    let inner = moved.size() / size(&shape).max(1);
    let rows = c.p.reshape(&moved, &[size(&shape), inner])?;
    let v = c.p.var(&rows)?;
    let sum = c.p.bind(&format!("sum({}, axis = -1)", v.name), &v.shape[..1], Kind::Float)?;
    Ok(Named { value: c.p.reshape(&sum, &shape)?, names })
}

/// Two operands as one: axes of both that nobody needs later are summed over.
fn contracted(
    c: &mut Call<'_, '_, '_>,
    a: Named,
    b: Named,
    later: &[u32],
) -> Result<Named, String> {
    let keep = |other: &Named| -> Vec<u32> { [later, &other.names].concat() };
    let (a, b) = (summed(c, a.clone(), &keep(&b))?, summed(c, b, &keep(&a))?);
    let shared = |n: &&u32| b.names.contains(n) && a.names.contains(n);
    let both: Vec<u32> = a.names.iter().filter(shared).copied().collect();
    let size_in =
        |x: &Named, n: u32| x.names.iter().position(|m| *m == n).map_or(1, |i| x.value.shape()[i]);
    let inner: Vec<u32> = both
        .iter()
        .filter(|n| !later.contains(n) && size_in(&a, **n) == size_in(&b, **n))
        .copied()
        .collect();
    let batch: Vec<u32> = both.iter().filter(|n| !inner.contains(n)).copied().collect();
    let only =
        |x: &Named| -> Vec<u32> { x.names.iter().filter(|n| !both.contains(n)).copied().collect() };
    let (rows, columns) = (only(&a), only(&b));
    let count = |x: &Named, names: &[u32]| names.iter().map(|n| size_in(x, *n)).product::<usize>();
    let arranged = |c: &mut Call<'_, '_, '_>, x: &Named, parts: [&[u32]; 2]| {
        let names = [&batch[..], parts[0], parts[1]].concat();
        let place = |n: &u32| x.names.iter().position(|m| m == n).unwrap_or(0);
        let moved = c.p.transpose(&x.value, &names.iter().map(place).collect::<Vec<_>>())?;
        let lead = batch.iter().map(|n| size_in(x, *n));
        let shape: Vec<usize> = lead.chain([count(x, parts[0]), count(x, parts[1])]).collect();
        c.p.reshape(&moved, &shape)
    };
    let names = [&batch[..], &rows, &columns].concat();
    let (left, right) = (arranged(c, &a, [&rows, &inner])?, arranged(c, &b, [&inner, &columns])?);
    let product = match inner.is_empty() {
        true => expression(c, "@ * #", &left, &right, Kind::Float)?,
        false => batched(c, &left, &right)?,
    };
    let lead = product.shape()[..batch.len()].iter().copied();
    let of = |x: &Named, names: &[u32]| names.iter().map(|n| size_in(x, *n)).collect::<Vec<_>>();
    let shape: Vec<usize> = lead.chain(of(&a, &rows)).chain(of(&b, &columns)).collect();
    Ok(Named { value: c.p.reshape(&product, &shape)?, names })
}

//! One node while it is imported: its attributes, inputs, and the operator set it was written for.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::program::{Program, Value, Var};
use super::proto::{self, Attribute, Node};
use super::tensor::{self, Constant, External, Kind};

/// What an operator's function is given.
pub(super) struct Call<'c, 'a, 'o> {
    pub(super) node: &'c Node<'a>,
    /// Version of the operator set.
    pub(super) opset: i64,
    /// Inputs; those left out are `None`.
    pub(super) inputs: Vec<Option<Value>>,
    pub(super) p: &'c mut Program<'o>,
    pub(super) external: &'c mut External<'a>,
    /// Numbers of element types of names of the graph, where they are known.
    pub(super) elements: &'c BTreeMap<&'a str, i64>,
}

/// What an operator gives: its outputs, or why there are none.
pub(super) type Outputs = Result<Vec<Value>, String>;

/// A number below `n`; negative ones count from there.
fn from_the_end(i: i64, n: usize) -> Option<usize> {
    let at = if i < 0 { i.saturating_add(n as i64) } else { i };
    usize::try_from(at).ok().filter(|at| *at < n)
}

/// One output.
pub(super) fn one(value: Value) -> Outputs {
    Ok(vec![value])
}

/// Attributes.
impl<'a> Call<'_, 'a, '_> {
    fn attribute(&self, name: &str) -> Result<Option<Attribute<'a>>, String> {
        let found = self.node.attributes.iter().find(|(n, _)| *n == name);
        found.map(|(_, message)| proto::attribute(message)).transpose()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.node.attributes.iter().any(|(n, _)| *n == name)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, String> {
        Ok(self.attribute(name)?.and_then(|a| a.int).unwrap_or(default))
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, String> {
        Ok(self.int(name, default.into())? != 0)
    }

    pub(super) fn float(&self, name: &str, default: f64) -> Result<f64, String> {
        Ok(self.attribute(name)?.and_then(|a| a.float).map_or(default, f64::from))
    }

    pub(super) fn text(&self, name: &str, default: &str) -> Result<String, String> {
        match self.attribute(name)?.and_then(|a| a.text) {
            None => Ok(default.into()),
            Some(text) => String::from_utf8(text.to_vec())
                .map_err(|_| format!("the attribute `{name}` is no text")),
        }
    }

    pub(super) fn ints(&self, name: &str) -> Result<Option<Vec<i64>>, String> {
        Ok(self.attribute(name)?.map(|a| a.ints))
    }

    pub(super) fn floats(&self, name: &str) -> Result<Option<Vec<f32>>, String> {
        Ok(self.attribute(name)?.map(|a| a.floats))
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let texts = self.attribute(name)?.map(|a| a.texts).unwrap_or_default();
        let text = |t: &[u8]| {
            String::from_utf8(t.to_vec())
                .map_err(|_| format!("the attribute `{name}` is no list of texts"))
        };
        texts.into_iter().map(text).collect()
    }

    /// A tensor attribute.
    pub(super) fn tensor(&mut self, name: &str) -> Result<Option<Constant>, String> {
        match self.attribute(name)?.and_then(|a| a.tensor) {
            None => Ok(None),
            Some(t) => tensor::read(&t, self.external).map(Some),
        }
    }

    /// An axis of something with so many; negative ones count from the last.
    pub(super) fn axis(&self, axis: i64, rank: usize) -> Result<usize, String> {
        from_the_end(axis, rank).ok_or_else(|| format!("there is no axis {axis} among {rank}"))
    }

    /// A place among so many, in the same way.
    pub(super) fn place(&self, place: i64, n: usize) -> Result<usize, String> {
        from_the_end(place, n).ok_or_else(|| format!("there is no place {place} among {n}"))
    }
}

/// Inputs.
impl Call<'_, '_, '_> {
    pub(super) fn optional(&self, i: usize) -> Option<Value> {
        self.inputs.get(i).cloned().flatten()
    }

    pub(super) fn input(&self, i: usize) -> Result<Value, String> {
        self.optional(i).ok_or_else(|| format!("input {i} is missing"))
    }

    /// The number of the element type of an input, where it is known.
    pub(super) fn element(&self, i: usize) -> Option<i64> {
        self.elements.get(self.node.inputs.get(i)?).copied()
    }

    /// An input that must be known while importing, because it decides how the computation runs.
    pub(super) fn known(&self, i: usize, what: &str) -> Result<Option<Rc<Constant>>, String> {
        match self.optional(i) {
            None => Ok(None),
            Some(Value::Const(c)) => Ok(Some(c)),
            Some(Value::Var(_)) => {
                Err(format!("the {what} (input {i}) must be constant, and it is computed"))
            }
        }
    }

    /// Integers that older operator sets have in an attribute, newer ones as an input.
    pub(super) fn ints_of(&self, name: &str, i: usize) -> Result<Option<Vec<i64>>, String> {
        match self.known(i, name)? {
            Some(c) => Ok(Some(c.to_ints())),
            None => self.ints(name),
        }
    }

    /// A number that older operator sets have in an attribute, newer ones as an input.
    pub(super) fn number_of(&self, name: &str, i: usize) -> Result<Option<f64>, String> {
        match self.known(i, name)? {
            Some(c) if c.size() == 1 => Ok(Some(c.at(0))),
            Some(_) => Err(format!("the {name} (input {i}) must be one number")),
            None => Ok(self.attribute(name)?.and_then(|a| a.float).map(f64::from)),
        }
    }

    /// An input as a variable of floats.
    pub(super) fn float_var(&mut self, i: usize) -> Result<Var, String> {
        let value = self.input(i)?;
        if value.kind() != Kind::Float {
            return Err(format!("input {i} must be of floats"));
        }
        self.p.var(&value)
    }
}

/// The program.
impl Call<'_, '_, '_> {
    /// A new variable of the shape and kind of another.
    pub(super) fn like(&mut self, text: &str, v: &Var) -> Result<Value, String> {
        self.p.bind(text, &v.shape, v.kind)
    }

    /// The only output: an expression of the shape and kind of a variable.
    pub(super) fn one_like(&mut self, text: &str, v: &Var) -> Outputs {
        one(self.like(text, v)?)
    }
}

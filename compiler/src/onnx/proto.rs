//! The messages of an ONNX file that an importer needs. Numbers of fields are those of `onnx.proto`.
//!
//! Attributes and tensors stay bytes until a node asks for them.

use super::wire::{Fields, Malformed, Payload};

/// Most nodes, initialisers, names and the like of one model together; the largest models in use have some tens of thousands.
const MAX_PARTS: usize = 1 << 18;
/// Most axes of a tensor.
const MAX_RANK: usize = 16;
/// Most elements of a list attribute.
const MAX_LIST: usize = 1 << 20;

/// A model.
#[derive(Default)]
pub(super) struct Model<'a> {
    /// Domain and version of each operator set.
    pub(super) opsets: Vec<(&'a str, i64)>,
    pub(super) producer: &'a str,
    pub(super) functions: usize,
    pub(super) graph: Graph<'a>,
}

/// Its graph.
#[derive(Default)]
pub(super) struct Graph<'a> {
    pub(super) name: &'a str,
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) initialisers: Vec<(&'a str, Tensor<'a>)>,
    pub(super) inputs: Vec<ValueInfo<'a>>,
    pub(super) outputs: Vec<ValueInfo<'a>>,
    /// What the model says about values inside.
    pub(super) inside: Vec<ValueInfo<'a>>,
    pub(super) sparse: usize,
}

/// One operation.
#[derive(Clone, Default)]
pub(super) struct Node<'a> {
    pub(super) name: &'a str,
    pub(super) op: &'a str,
    pub(super) domain: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    /// Names, and the messages as they are.
    pub(super) attributes: Vec<(&'a str, &'a [u8])>,
}

/// A tensor in the file: a list of dimensions, and elements that are read when they are needed.
#[derive(Clone, Default)]
pub(super) struct Tensor<'a> {
    pub(super) dims: Vec<i64>,
    pub(super) kind: i64,
    pub(super) message: &'a [u8],
}

/// An axis of a graph's input or output.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Dim<'a> {
    Size(i64),
    Named(&'a str),
    Unknown,
}

/// Name and type of an input or output of the graph.
#[derive(Clone, Default)]
pub(super) struct ValueInfo<'a> {
    pub(super) name: &'a str,
    /// Kind of element; 0 for what is no tensor.
    pub(super) kind: i64,
    pub(super) shape: Option<Vec<Dim<'a>>>,
}

/// Counts parts, so that a small file cannot become a large structure.
struct Budget(usize);

impl Budget {
    fn push<T>(&mut self, list: &mut Vec<T>, item: T) -> Result<(), Malformed> {
        self.0 = self.0.checked_sub(1).ok_or("the model has too many parts")?;
        list.push(item);
        Ok(())
    }
}

/// Reads a model.
pub(super) fn model(bytes: &[u8]) -> Result<Model<'_>, Malformed> {
    let (mut model, mut found) = (Model::default(), false);
    let mut budget = Budget(MAX_PARTS);
    for field in Fields(bytes) {
        match field? {
            (2, value) => model.producer = value.text()?,
            (7, value) => {
                model.graph = graph(value.bytes()?, &mut budget)?;
                found = true;
            }
            (8, value) => budget.push(&mut model.opsets, opset(value.bytes()?)?)?,
            (25, _) => model.functions += 1,
            _ => {}
        }
    }
    if found { Ok(model) } else { Err("there is no graph in it".into()) }
}

fn opset(bytes: &[u8]) -> Result<(&str, i64), Malformed> {
    let mut out = ("", 0);
    for field in Fields(bytes) {
        match field? {
            (1, value) => out.0 = value.text()?,
            (2, value) => out.1 = value.int()?,
            _ => {}
        }
    }
    Ok(out)
}

fn graph<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<Graph<'a>, Malformed> {
    let mut out = Graph::default();
    for field in Fields(bytes) {
        match field? {
            (1, value) => {
                let node = node(value.bytes()?, budget)?;
                budget.push(&mut out.nodes, node)?;
            }
            (2, value) => out.name = value.text()?,
            (5, value) => {
                let message = value.bytes()?;
                budget.push(&mut out.initialisers, (tensor_name(message)?, tensor(message)?))?;
            }
            (11, value) => budget.push(&mut out.inputs, value_info(value.bytes()?)?)?,
            (12, value) => budget.push(&mut out.outputs, value_info(value.bytes()?)?)?,
            (13, value) => budget.push(&mut out.inside, value_info(value.bytes()?)?)?,
            (15, _) => out.sparse += 1,
            _ => {}
        }
    }
    Ok(out)
}

fn node<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<Node<'a>, Malformed> {
    let mut out = Node::default();
    for field in Fields(bytes) {
        match field? {
            (1, value) => budget.push(&mut out.inputs, value.text()?)?,
            (2, value) => budget.push(&mut out.outputs, value.text()?)?,
            (3, value) => out.name = value.text()?,
            (4, value) => out.op = value.text()?,
            (5, value) => {
                let message = value.bytes()?;
                budget.push(&mut out.attributes, (name_of(message, 1)?, message))?;
            }
            (7, value) => out.domain = value.text()?,
            _ => {}
        }
    }
    Ok(out)
}

/// The text in one field of a message.
fn name_of(bytes: &[u8], number: u64) -> Result<&str, Malformed> {
    let mut name = "";
    for field in Fields(bytes) {
        let (found, value) = field?;
        if found == number {
            name = value.text()?;
        }
    }
    Ok(name)
}

/// The name of a tensor.
pub(super) fn tensor_name(message: &[u8]) -> Result<&str, Malformed> {
    name_of(message, 8)
}

/// The head of a tensor.
pub(super) fn tensor(message: &[u8]) -> Result<Tensor<'_>, Malformed> {
    let mut out = Tensor { message, ..Tensor::default() };
    for field in Fields(message) {
        match field? {
            (1, value) => value.ints(&mut out.dims, MAX_RANK)?,
            (2, value) => out.kind = value.int()?,
            (3, _) => return Err("a tensor in segments is not supported".into()),
            _ => {}
        }
    }
    Ok(out)
}

fn value_info(bytes: &[u8]) -> Result<ValueInfo<'_>, Malformed> {
    let mut out = ValueInfo { name: name_of(bytes, 1)?, ..ValueInfo::default() };
    let ty = message_of(bytes, 2)?;
    // Sequences, maps and optional values have other fields, and stay of kind 0.
    let tensor = message_of(ty, 1)?;
    for field in Fields(tensor) {
        match field? {
            (1, value) => out.kind = value.int()?,
            (2, value) => out.shape = Some(shape(value.bytes()?)?),
            _ => {}
        }
    }
    Ok(out)
}

/// The message in one field of another; empty if there is none.
fn message_of(bytes: &[u8], number: u64) -> Result<&[u8], Malformed> {
    let mut message: &[u8] = &[];
    for field in Fields(bytes) {
        let (found, value) = field?;
        if found == number {
            message = value.bytes()?;
        }
    }
    Ok(message)
}

fn shape(bytes: &[u8]) -> Result<Vec<Dim<'_>>, Malformed> {
    let mut out = vec![];
    for field in Fields(bytes) {
        if let (1, value) = field? {
            if out.len() >= MAX_RANK {
                return Err(format!("a shape has more than {MAX_RANK} axes"));
            }
            out.push(dim(value.bytes()?)?);
        }
    }
    Ok(out)
}

fn dim(bytes: &[u8]) -> Result<Dim<'_>, Malformed> {
    let mut out = Dim::Unknown;
    for field in Fields(bytes) {
        match field? {
            (1, value) => out = Dim::Size(value.int()?),
            (2, value) => out = Dim::Named(value.text()?),
            _ => {}
        }
    }
    Ok(out)
}

/// What an attribute holds; lists and scalars alike are the fields of their kind.
#[derive(Default)]
pub(super) struct Attribute<'a> {
    pub(super) float: Option<f32>,
    pub(super) int: Option<i64>,
    pub(super) text: Option<&'a [u8]>,
    pub(super) tensor: Option<Tensor<'a>>,
    pub(super) floats: Vec<f32>,
    pub(super) ints: Vec<i64>,
    pub(super) texts: Vec<&'a [u8]>,
    pub(super) graph: bool,
}

/// Reads an attribute.
pub(super) fn attribute(message: &[u8]) -> Result<Attribute<'_>, Malformed> {
    let mut out = Attribute::default();
    for field in Fields(message) {
        match field? {
            (2, value) => out.float = Some(value.float()?),
            (3, value) => out.int = Some(value.int()?),
            (4, value) => out.text = Some(value.bytes()?),
            (5, value) => out.tensor = Some(tensor(value.bytes()?)?),
            (6 | 11, _) => out.graph = true,
            (7, value) => value.floats(&mut out.floats, MAX_LIST)?,
            (8, value) => value.ints(&mut out.ints, MAX_LIST)?,
            (9, value) if out.texts.len() < MAX_LIST => out.texts.push(value.bytes()?),
            (9, _) => return Err("an attribute has too many texts".into()),
            _ => {}
        }
    }
    Ok(out)
}

/// Where the elements of a tensor are.
#[derive(Default)]
pub(super) struct Elements<'a> {
    pub(super) raw: Option<&'a [u8]>,
    pub(super) floats: Vec<f32>,
    pub(super) ints: Vec<i64>,
    pub(super) doubles: Vec<f64>,
    pub(super) location: Option<&'a str>,
    pub(super) offset: Option<&'a str>,
    pub(super) length: Option<&'a str>,
}

/// Finds the elements of a tensor that has `most` of them.
pub(super) fn elements<'a>(tensor: &Tensor<'a>, most: usize) -> Result<Elements<'a>, Malformed> {
    let mut out = Elements::default();
    for field in Fields(tensor.message) {
        match field? {
            (4, value) => value.floats(&mut out.floats, most)?,
            (5 | 7 | 11, value) => value.ints(&mut out.ints, most)?,
            (9, value) => out.raw = Some(value.bytes()?),
            (10, value) => value.doubles(&mut out.doubles, most)?,
            (13, value) => external(value, &mut out)?,
            _ => {}
        }
    }
    Ok(out)
}

fn external<'a>(entry: Payload<'a>, out: &mut Elements<'a>) -> Result<(), Malformed> {
    let bytes = entry.bytes()?;
    let value = name_of(bytes, 2)?;
    match name_of(bytes, 1)? {
        "location" => out.location = Some(value),
        "offset" => out.offset = Some(value),
        "length" => out.length = Some(value),
        _ => {}
    }
    Ok(())
}

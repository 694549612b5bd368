//! Types of the language: element, visibility, shape.

use std::fmt;

use crate::ir;

/// Width of `int` without one.
pub const DEFAULT_INT: u32 = 63;
/// Width and fraction of `fix` without them.
pub const DEFAULT_FIX: (u32, u32) = (40, 16);
/// Greatest width of a number.
pub const MAX_WIDTH: u32 = 64;
/// Most elements a tensor may have.
pub const MAX_ELEMENTS: usize = 1 << 40;

/// Element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Elem {
    /// Signed integer that is promised to fit k bits.
    Int(u32),
    /// Fixed point of k bits, f of them fractional.
    Fix(u32, u32),
    /// Integer modulo 2^k, signed representative.
    Wrap(u32),
    /// Truth value.
    Bool,
}

impl Elem {
    /// Width in bits.
    pub fn bits(self) -> u32 {
        match self {
            Elem::Int(k) | Elem::Fix(k, _) | Elem::Wrap(k) => k,
            Elem::Bool => 1,
        }
    }

    /// The type of data at the border.
    pub fn data(self) -> ir::DataType {
        match self {
            Elem::Int(k) => ir::DataType::Int(k),
            Elem::Fix(k, f) => ir::DataType::Fix(k, f),
            Elem::Wrap(k) => ir::DataType::Wrap(k),
            Elem::Bool => ir::DataType::Bool,
        }
    }

    /// The kind without its widths.
    pub fn kind(self) -> &'static str {
        match self {
            Elem::Int(_) => "int",
            Elem::Fix(..) => "fix",
            Elem::Wrap(_) => "wrap",
            Elem::Bool => "bool",
        }
    }

    /// The type that holds values of both, if no value has to be changed for it.
    pub fn join(self, other: Elem) -> Option<Elem> {
        match (self, other) {
            (Elem::Int(a), Elem::Int(b)) => Some(Elem::Int(a.max(b))),
            (Elem::Fix(a, f), Elem::Fix(b, g)) if f == g => Some(Elem::Fix(a.max(b), f)),
            (a, b) if a == b => Some(a),
            _ => None,
        }
    }
}

impl fmt::Display for Elem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Elem::Int(DEFAULT_INT) => write!(f, "int"),
            Elem::Int(k) => write!(f, "int<{k}>"),
            Elem::Fix(k, fraction) => write!(f, "fix<{k},{fraction}>"),
            Elem::Wrap(k) => write!(f, "wrap<{k}>"),
            Elem::Bool => write!(f, "bool"),
        }
    }
}

/// Who knows a value: that of the graph.
pub use crate::ir::Vis;

/// The least visibility that covers both: a private value meets what its owner does not own as a secret one.
pub fn join_vis(a: Vis, b: Vis) -> Vis {
    match (a, b) {
        (x, y) if x == y => x,
        (Vis::Clear, x) | (x, Vis::Clear) => x,
        _ => Vis::Secret,
    }
}

/// Type of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ty {
    /// Element type.
    pub elem: Elem,
    /// Who knows it.
    pub vis: Vis,
    /// Sizes of the axes.
    pub shape: Vec<usize>,
}

impl Ty {
    /// A type of its parts.
    pub fn new(elem: Elem, vis: Vis, shape: &[usize]) -> Ty {
        Ty { elem, vis, shape: shape.to_vec() }
    }

    /// The type inside the graph.
    pub fn to_ir(&self) -> ir::Type {
        self.elem.data().to_type(self.vis, &self.shape)
    }

    /// As the user would write it; `roles` gives names to private owners.
    pub fn show(&self, roles: &[String]) -> String {
        let vis = show_vis(self.vis, roles);
        format!("{vis} {}{}", self.elem, show_shape(&self.shape))
    }
}

/// A visibility as the user would write it.
pub fn show_vis(vis: Vis, roles: &[String]) -> String {
    match vis {
        Vis::Clear => "clear".into(),
        Vis::Secret => "secret".into(),
        Vis::Private(r) => format!("private({})", roles.get(r as usize).map_or("?", |s| s)),
    }
}

/// A shape as the user would write it; nothing for a scalar.
pub fn show_shape(shape: &[usize]) -> String {
    if shape.is_empty() {
        return String::new();
    }
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("[{}]", sizes.join(", "))
}

/// The shape of an element-wise result: trailing axes aligned, axes of size 1 and missing ones repeated.
pub fn broadcast_shapes(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], axis: usize| (axis + s.len()).checked_sub(rank).map_or(1, |i| s[i]);
    (0..rank)
        .map(|axis| match (at(a, axis), at(b, axis)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_like_those_of_numpy() {
        assert_eq!(broadcast_shapes(&[3, 1], &[4]), Some(vec![3, 4]));
        assert_eq!(broadcast_shapes(&[3], &[4]), None);
        assert_eq!(broadcast_shapes(&[], &[2, 2]), Some(vec![2, 2]));
    }

    #[test]
    fn fixed_point_of_other_scale_does_not_join() {
        assert_eq!(Elem::Fix(40, 16).join(Elem::Fix(64, 16)), Some(Elem::Fix(64, 16)));
        assert_eq!(Elem::Fix(40, 16).join(Elem::Fix(40, 8)), None);
    }
}

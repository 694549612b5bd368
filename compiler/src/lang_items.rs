//! The only names of the standard library that the compiler may utter: operators without an instruction of their own.

/// An operator that is a library function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LangItem {
    /// `a / b` of fixed-point numbers where `b` is secret.
    DivideFix,
    /// `a / b` of integers, to the floor, where one is secret and `b` is no power of two.
    DivideInt,
    /// What remains of it: `a % b`.
    RemainderInt,
}

impl LangItem {
    /// Module of the standard library and function in it.
    pub fn path(self) -> (&'static str, &'static str) {
        match self {
            LangItem::DivideFix => ("math", "divide"),
            LangItem::DivideInt => ("integer", "divide_int"),
            LangItem::RemainderInt => ("integer", "remainder_int"),
        }
    }
}

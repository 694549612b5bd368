//! Reading and writing parts of tensors: positions and ranges, known or relative to loop variables.

use super::value::{Affine, Symbol, Tensor, Val};
use super::{Diagnostic, Lower, Span, ir};
use crate::check::types::{Elem, Ty, Vis};
use crate::ir::{Dim, strides_of_shape};
use crate::parse::ast::{self, Expr, IndexItem};

/// Part of a tensor: where it starts, in elements, and its axes.
pub(super) struct Region {
    offset: Affine,
    dims: Vec<Dim>,
}

impl Region {
    pub(super) fn shape(&self) -> Vec<usize> {
        self.dims.iter().map(|d| d.size).collect()
    }
}

/// A position worked out.
enum Position {
    At(Affine),
    Range(Affine, usize),
}

impl<'a> Lower<'a> {
    pub(super) fn index(
        &mut self,
        base: &'a Expr,
        items: &'a [IndexItem],
        span: Span,
    ) -> Option<Val> {
        let val = self.expr(base)?;
        match val {
            Val::Elem(elem) => {
                let sizes: Vec<Option<Val>> = items
                    .iter()
                    .map(|i| if let IndexItem::At(e) = i { self.expr(e) } else { None })
                    .collect();
                let mut shape = vec![];
                for (size, item) in sizes.into_iter().zip(items) {
                    match size {
                        Some(Val::Shape(inner)) => shape.extend(inner),
                        Some(Val::Number(n)) => {
                            shape.push(self.size(n.as_int(), &n.show(), item_span(item))?)
                        }
                        _ => return self.unknown_number("a size", "not known", item_span(item)),
                    }
                }
                let shape = self.limited_shape(shape, span)?;
                Some(Val::Type(elem, shape))
            }
            Val::Shape(sizes) => {
                self.known_element(sizes.into_iter().map(Val::int).collect(), items, span)
            }
            Val::List(elements) if matches!(items, [IndexItem::At(_)]) => {
                match self.position_value(items, span)? {
                    Some(i) => self.pick(elements, i, span),
                    None => {
                        let t = self.tensor(Val::List(elements), base.span)?;
                        self.read(&t, items, span)
                    }
                }
            }
            Val::Tuple(_) => {
                let message = Diagnostic::error("a tuple has no elements to index", span, "");
                self.fail(message.help("its parts are `t.0`, `t.1`, …"))
            }
            other => {
                let t = self.tensor(other, base.span)?;
                self.read(&t, items, span)
            }
        }
    }

    fn known_element(
        &mut self,
        elements: Vec<Val>,
        items: &'a [IndexItem],
        span: Span,
    ) -> Option<Val> {
        match self.position_value(items, span)? {
            Some(i) => self.pick(elements, i, span),
            None => self.error("the position in a shape must be known when compiling", span, ""),
        }
    }

    /// The position if it is known; the outer option is an error.
    fn position_value(&mut self, items: &'a [IndexItem], _span: Span) -> Option<Option<i128>> {
        let [IndexItem::At(e)] = items else { return Some(None) };
        match self.expr(e)? {
            Val::Number(n) => Some(n.as_int()),
            _ => Some(None),
        }
    }

    fn pick(&mut self, elements: Vec<Val>, i: i128, span: Span) -> Option<Val> {
        let n = elements.len();
        match usize::try_from(i).ok().and_then(|i| elements.into_iter().nth(i)) {
            Some(val) => Some(val),
            None => {
                self.error("this position is out of range", span, format!("{i} of {n} elements"))
            }
        }
    }

    fn read(&mut self, t: &Tensor, items: &'a [IndexItem], span: Span) -> Option<Val> {
        let region = self.region(t, items, span)?;
        Some(Val::Tensor(self.part(t, &region, span)))
    }

    /// A part of `t`.
    pub(super) fn part(&mut self, t: &Tensor, region: &Region, span: Span) -> Tensor {
        self.at(span);
        let v = match region.offset.as_constant() {
            Some(offset) => self.b.view(t.v, offset, &region.dims),
            None => {
                let offset = self.index_value(&region.offset);
                self.b.slice_at(t.v, offset, &region.dims)
            }
        };
        Tensor { ty: Ty { shape: region.shape(), ..t.ty.clone() }, v }
    }

    /// `t` with `val` in a part of it.
    pub(super) fn write(
        &mut self,
        t: &Tensor,
        region: &Region,
        val: &Tensor,
        span: Span,
    ) -> Tensor {
        self.at(span);
        let offset = self.index_value(&region.offset);
        let v = self.b.update_at(t.v, val.v, offset, &region.dims);
        let vis = crate::check::types::join_vis(t.ty.vis, val.ty.vis);
        Tensor { ty: Ty { vis, ..t.ty.clone() }, v }
    }

    /// Where the items of an index lie.
    pub(super) fn region(
        &mut self,
        t: &Tensor,
        items: &'a [IndexItem],
        span: Span,
    ) -> Option<Region> {
        if items.len() > t.ty.shape.len() {
            let have = self.show(&t.ty);
            let label = format!("{} positions for {}", items.len(), have);
            return self.error("too many positions", span, label);
        }
        let strides = strides_of_shape(&t.ty.shape);
        let mut offset = Affine::default();
        let mut dims = vec![];
        let mut ok = true;
        for (axis, (&size, &stride)) in t.ty.shape.iter().zip(&strides).enumerate() {
            let position = match items.get(axis) {
                None | Some(IndexItem::All(_)) => Some(Position::Range(Affine::default(), size)),
                Some(IndexItem::At(e)) => self.at_position(e, size).map(Position::At),
                Some(IndexItem::Range(lo, hi, span)) => {
                    self.range_position(lo.as_deref(), hi.as_deref(), size, *span)
                }
            };
            let start = match position {
                None => {
                    ok = false;
                    continue;
                }
                Some(Position::At(a)) => a,
                Some(Position::Range(a, n)) => {
                    dims.push(Dim { size: n, stride });
                    if n == 0 { Affine::default() } else { a }
                }
            };
            let Some(sum) = start.scale(stride).and_then(|s| offset.add(&s)) else {
                return self.error("this position is out of range", span, "too large");
            };
            offset = sum;
        }
        ok.then_some(Region { offset, dims })
    }

    fn at_position(&mut self, e: &'a Expr, size: usize) -> Option<Affine> {
        let affine = self.position(e, size)?;
        let (lo, hi) = affine.range(&self.symbols);
        let inside = lo >= 0 && (hi as i128) < size as i128;
        if inside { Some(affine) } else { self.out_of_range(&affine, lo, hi, size, false, e.span) }
    }

    /// A position as an affine expression; clear numbers of the run are checked by the machine.
    fn position(&mut self, e: &'a Expr, size: usize) -> Option<Affine> {
        match self.expr(e)? {
            Val::Number(n) => match n.as_int().and_then(|n| i64::try_from(n).ok()) {
                Some(n) => Some(Affine::constant(n)),
                None => self.error("this is no position", e.span, format!("this is {}", n.show())),
            },
            Val::Index(a) => Some(a),
            Val::Tensor(t) => self.clear_position(&t, size, e),
            other => {
                let found = self.describe(&other);
                self.error("this is no position", e.span, format!("this is {found}"))
            }
        }
    }

    fn clear_position(&mut self, t: &Tensor, size: usize, e: &Expr) -> Option<Affine> {
        let have = self.show(&t.ty);
        if t.ty.vis == Vis::Secret {
            let message = Diagnostic::error(
                "a secret value cannot be an index",
                e.span,
                format!("this is {have}"),
            );
            return self.fail(message.help("`lookup(table, index)` reads at a secret position"));
        }
        if t.ty.vis != Vis::Clear {
            let message = Diagnostic::error(
                "a private value cannot be an index",
                e.span,
                format!("this is {have}"),
            );
            return self.fail(message.help(
                "`lookup(table, index)` reads at a secret position, `reveal(…)` tells it to all",
            ));
        }
        if !matches!(t.ty.elem, Elem::Int(_)) {
            return self.error("a position must be an integer", e.span, format!("this is {have}"));
        }
        if !t.ty.shape.is_empty() {
            let message = Diagnostic::error(
                "a position must be a single integer",
                e.span,
                format!("this is {have}"),
            );
            return self.fail(
                message.help("`gather(table, positions)` reads rows at many clear positions"),
            );
        }
        self.at(e.span);
        let bound = i64::try_from(size).unwrap_or(i64::MAX);
        let value = self.b.index_from_clear(t.v, bound);
        Some(self.symbol(value, 0, bound.saturating_sub(1)))
    }

    pub(super) fn symbol(&mut self, value: ir::Value, lo: i64, hi: i64) -> Affine {
        self.symbols.push(Symbol { value, lo, hi });
        Affine::symbol(self.symbols.len() - 1)
    }

    fn range_position(
        &mut self,
        lo: Option<&'a Expr>,
        hi: Option<&'a Expr>,
        size: usize,
        span: Span,
    ) -> Option<Position> {
        let whole = i64::try_from(size).unwrap_or(i64::MAX);
        let start = match lo {
            Some(e) => self.position(e, size.saturating_add(1)),
            None => Some(Affine::default()),
        };
        let end = match hi {
            Some(e) => self.position(e, size.saturating_add(1)),
            None => Some(Affine::constant(whole)),
        };
        let (start, end) = (start?, end?);
        let length = start.scale(-1).and_then(|s| end.add(&s)).and_then(|d| d.as_constant());
        let Some(length) = length else {
            let message =
                Diagnostic::error("the length of this range is not known when compiling", span, "");
            return self.fail(message.help(
                "both ends may contain a loop variable if their difference does not: `x[i..i + 3]`",
            ));
        };
        let Ok(length) = usize::try_from(length) else {
            return self.error(
                "this range ends before it starts",
                span,
                format!("its length would be {length}"),
            );
        };
        let (first, _) = start.range(&self.symbols);
        let (_, last) = end.range(&self.symbols);
        if first < 0 || last > whole {
            return self.out_of_range(&start, first, last, size, true, span);
        }
        Some(Position::Range(start, length))
    }

    fn out_of_range<T>(
        &mut self,
        affine: &Affine,
        lo: i64,
        hi: i64,
        size: usize,
        range: bool,
        span: Span,
    ) -> Option<T> {
        let label = match (affine.as_constant(), range) {
            (_, true) => format!("reaches from {lo} to {hi}, the axis has {size} elements"),
            (Some(c), _) => format!("position {c} of {size} elements"),
            (None, _) => format!("takes the values {lo} to {hi}, the axis has {size} elements"),
        };
        let message = Diagnostic::error("this position is out of range", span, label);
        let message = match affine.as_constant() {
            Some(c) if c < 0 && !range => message.help(format!(
                "positions count from 0; the last is `len(…) - 1`, here {}",
                size as i64 - 1
            )),
            _ => message,
        };
        self.fail(message)
    }

    /// The name at the root of a place that is assigned to.
    pub(super) fn place(e: &Expr) -> Option<(&str, Option<&[IndexItem]>, Span)> {
        match &e.kind {
            ast::ExprKind::Name(name) => Some((name, None, e.span)),
            ast::ExprKind::Index(base, items) => match &base.kind {
                ast::ExprKind::Name(name) => Some((name, Some(items), base.span)),
                _ => None,
            },
            _ => None,
        }
    }
}

fn item_span(item: &IndexItem) -> Span {
    match item {
        IndexItem::At(e) => e.span,
        IndexItem::Range(_, _, span) | IndexItem::All(span) => *span,
    }
}

//! Matrix products.

use super::call::{Call, Outputs, one};
use super::elementwise::{broadcast_shapes, expression, map};
use super::program::Value;
use super::tensor::Kind;

fn floats(values: &[&Value]) -> Result<(), String> {
    if values.iter().any(|v| v.kind() != Kind::Float) {
        return Err("matrix products are supported for floats only".into());
    }
    Ok(())
}

/// A product of two matrices.
pub(super) fn product(c: &mut Call<'_, '_, '_>, a: &Value, b: &Value) -> Result<Value, String> {
    let (&[m, k], &[l, n]) = (a.shape(), b.shape()) else {
        return Err(format!("{:?} and {:?} are no matrices", a.shape(), b.shape()));
    };
    if k != l {
        return Err(format!("the shapes {:?} and {:?} do not fit together", a.shape(), b.shape()));
    }
    let (x, y) = (c.p.tensor(a)?, c.p.tensor(b)?);
    c.p.bind(&format!("matmul({x}, {y})"), &[m, n], Kind::Float)
}

/// Any number of leading axes; a vector is a row on the left and a column on the right.
pub(super) fn matmul(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (a, b) = (c.input(0)?, c.input(1)?);
    floats(&[&a, &b])?;
    if a.rank() == 0 || b.rank() == 0 {
        return Err("single numbers are no matrices".into());
    }
    let rows = a.rank() > 1;
    let columns = b.rank() > 1;
    let left = if rows { a.clone() } else { c.p.reshape(&a, &[1, a.size()])? };
    let right = if columns { b.clone() } else { c.p.reshape(&b, &[b.size(), 1])? };
    let out = batched(c, &left, &right)?;
    let mut shape = out.shape().to_vec();
    if !columns {
        shape.pop();
    }
    if !rows {
        shape.remove(out.rank() - 2);
    }
    one(c.p.reshape(&out, &shape)?)
}

/// A product for each position of the leading axes.
pub(super) fn batched(c: &mut Call<'_, '_, '_>, a: &Value, b: &Value) -> Result<Value, String> {
    let (sa, sb) = (a.shape().to_vec(), b.shape().to_vec());
    let (la, lb) = (&sa[..sa.len() - 2], &sb[..sb.len() - 2]);
    let (k, n) = (sa[sa.len() - 1], sb[sb.len() - 1]);
    if sb[sb.len() - 2] != k {
        return Err(format!("the shapes {sa:?} and {sb:?} do not fit together"));
    }
    let shape = [&broadcast_shapes(la, lb)?[..], &[sa[sa.len() - 2], n]].concat();
    let (x, y) = (c.p.tensor(a)?, c.p.tensor(b)?);
    c.p.bind(&format!("matmul({x}, {y})"), &shape, Kind::Float)
}

/// One row times every row of a matrix, as filters of a picture with one place: the matrix, which may be
/// large, stays as it is.
fn with_rows(c: &mut Call<'_, '_, '_>, row: &Value, b: &Value) -> Result<Value, String> {
    let (&[_, k], &[n, l]) = (row.shape(), b.shape()) else {
        return Err("both operands must be matrices".into());
    };
    if k != l {
        let (row, b) = (row.shape(), b.shape());
        return Err(format!("the shapes {row:?} and {b:?}, turned, do not fit together"));
    }
    let (picture, filters) = (c.p.reshape(row, &[1, k, 1])?, c.p.reshape(b, &[n, k, 1])?);
    let (picture, filters) = (c.p.tensor(&picture)?, c.p.tensor(&filters)?);
    let out = c.p.bind(&format!("conv({picture}, {filters})"), &[1, n, 1], Kind::Float)?;
    c.p.reshape(&out, &[1, n])
}

pub(super) fn gemm(c: &mut Call<'_, '_, '_>) -> Outputs {
    let (mut a, mut b) = (c.input(0)?, c.input(1)?);
    floats(&[&a, &b])?;
    if a.rank() != 2 || b.rank() != 2 {
        return Err("both operands must be matrices".into());
    }
    if c.flag("transA", false)? {
        a = c.p.transpose(&a, &[1, 0])?;
    }
    let (alpha, beta) = (c.float("alpha", 1.0)?, c.float("beta", 1.0)?);
    b = scaled(c, &b, alpha)?;
    let out = match c.flag("transB", false)? {
        true if a.shape()[0] == 1 && b.size() > 0 => with_rows(c, &a, &b)?,
        turned => {
            let b = if turned { c.p.transpose(&b, &[1, 0])? } else { b };
            product(c, &a, &b)?
        }
    };
    let Some(bias) = c.optional(2).filter(|_| beta != 0.0) else { return one(out) };
    let bias = scaled(c, &bias, beta)?;
    one(expression(c, "@ + #", &out, &bias, Kind::Float)?)
}

/// A value times a number.
pub(super) fn scaled(c: &mut Call<'_, '_, '_>, x: &Value, factor: f64) -> Result<Value, String> {
    if factor == 1.0 {
        return Ok(x.clone());
    }
    match x {
        Value::Const(k) => Ok(map(k, |x| x * factor).into()),
        Value::Var(v) => {
            let (v, factor) = (v.clone(), c.p.float(factor));
            c.like(&format!("{} * {factor}", v.name), &v)
        }
    }
}

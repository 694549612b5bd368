//! Linear models.

use super::super::call::{Call, Outputs, one};
use super::super::elementwise::expression;
use super::super::program::Value;
use super::super::tensor::Kind;
use super::{both, either, floats, greatest, labels, post_transform, product, rows, weights};

/// Features times coefficients, and intercepts.
fn scores(c: &mut Call<'_, '_, '_>, outputs: usize) -> Result<Value, String> {
    let x = rows(c)?;
    let coefficients = floats(c, "coefficients")?;
    let out = product(c, &x, coefficients, outputs)?;
    let intercepts = floats(c, "intercepts")?;
    if intercepts.is_empty() {
        return Ok(out);
    }
    expression(c, "@ + #", &out, &weights(intercepts, &[outputs])?, Kind::Float)
}

pub(super) fn regressor(c: &mut Call<'_, '_, '_>) -> Outputs {
    let targets = usize::try_from(c.int("targets", 1)?).ok().filter(|n| *n > 0);
    let out = scores(c, targets.ok_or("the number of targets must be positive")?)?;
    let how = c.text("post_transform", "NONE")?;
    one(post_transform(c, out, &how)?)
}

pub(super) fn classifier(c: &mut Call<'_, '_, '_>) -> Outputs {
    let labels = labels(c, "classlabels_ints")?;
    let width = rows(c)?.shape()[1].max(1);
    let outputs = floats(c, "coefficients")?.len() / width;
    let mut out = scores(c, outputs)?;
    if outputs == 1 && labels.len() == 2 {
        out = both(c, &out, "-@")?;
    }
    let how = c.text("post_transform", "NONE")?;
    let out = post_transform(c, out, &how)?;
    let label = if out.shape()[1] > 1 {
        greatest(c, &out, &labels)?
    } else {
        let condition = if matches!(how.as_str(), "" | "NONE") { "@ >= 0" } else { "@ >= 0.5" };
        either(c, &out, condition, [labels.first().copied().unwrap_or(1), 0])?
    };
    Ok(vec![label, out])
}

//! Calls of circuits: inputs side by side in one row of bits, outputs cut out of one.

use std::sync::Arc;

use super::call::Given;
use super::value::{Tensor, Val};
use super::{Diagnostic, Lower, ModuleId, Span};
use crate::check::types::{Elem, Ty, Vis};
use crate::ir::Circuit;

impl<'a> Lower<'a> {
    pub(super) fn call_circuit(
        &mut self,
        module: ModuleId,
        item: usize,
        given: Vec<Given<'a>>,
        span: Span,
    ) -> Option<Val> {
        // One that could not be read was reported before.
        let (declared, circuit) = self.program.modules[module].circuit(item)?;
        let name = &declared.name.name;
        let sizes = |list: &[u32]| list.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        if let Some(key) = given.iter().find_map(|g| g.name) {
            let message = Diagnostic::error("inputs of a circuit have no names", key.span, "");
            return self.fail(message.also(declared.span, "declared here"));
        }
        if given.len() != circuit.inputs.len() {
            let message = Diagnostic::error(
                format!("`{name}` takes {} inputs", circuit.inputs.len()),
                span,
                format!("{} given", given.len()),
            )
            .note(format!("their bits: {}", sizes(&circuit.inputs)));
            return self.fail(message.also(declared.span, "declared here"));
        }
        let mut inputs = vec![];
        for (arg, &bits) in given.into_iter().zip(&circuit.inputs) {
            inputs.push(self.circuit_input(arg, bits as usize)?);
        }
        let rows = self.common_rows(&inputs)?;
        let parts = inputs.into_iter().map(|(t, _)| self.with_rows(t, &rows)).collect();
        let joined = self.concat_tensors(parts, rows.len(), span)?;
        let joined = self.to_vis(&joined, Vis::Secret)?;
        self.at(span);
        let id = self.circuit_id(&circuit);
        let all = self.b.circuit(joined.v, id);
        let mut outputs = vec![];
        let mut at = 0;
        for &bits in &circuit.outputs {
            let shape = [&rows[..], &[bits as usize]].concat();
            let mut axes: Vec<(usize, usize, i64)> = shape.iter().map(|&n| (0, n, 1)).collect();
            axes[rows.len()].0 = at;
            at += bits as usize;
            let part = self.b.slice(all, &axes);
            outputs.push(Val::tensor(Ty::new(Elem::Bool, Vis::Secret, &shape), part));
        }
        Some(if outputs.len() == 1 { outputs.remove(0) } else { Val::Tuple(outputs) })
    }

    fn circuit_input(&mut self, arg: Given<'a>, bits: usize) -> Option<(Tensor, Span)> {
        let t = self.tensor(arg.val, arg.span)?;
        if t.ty.elem != Elem::Bool || t.ty.shape.last() != Some(&bits) {
            let found = self.show(&t.ty);
            let message = Diagnostic::error("an input of a circuit is a row of bits", arg.span, "")
                .expected(format!("`bool[{bits}]`, or rows of them"), found);
            return self.fail(message.help("`bits(x, k)` takes a number apart"));
        }
        Some((t, arg.span))
    }

    /// Sizes of all axes but the last, which inputs of more than one row must share.
    fn common_rows(&mut self, inputs: &[(Tensor, Span)]) -> Option<Vec<usize>> {
        let mut rows: Option<&[usize]> = None;
        for (t, span) in inputs.iter().filter(|(t, _)| t.ty.shape.len() > 1) {
            let own = &t.ty.shape[..t.ty.shape.len() - 1];
            match rows {
                Some(rows) if rows != own => {
                    let label = format!("{} of rows", Lower::shape_text(own));
                    let message =
                        Diagnostic::error("inputs of a circuit have as many rows", *span, label);
                    let before = Lower::shape_text(rows);
                    return self.fail(message.note(format!("an input before it has {before}")));
                }
                _ => rows = Some(own),
            }
        }
        Some(rows.unwrap_or_default().to_vec())
    }

    fn with_rows(&mut self, t: Tensor, rows: &[usize]) -> Tensor {
        let bits = t.ty.shape[t.ty.shape.len() - 1];
        let shape = [rows, &[bits]].concat();
        let v = self.b.broadcast(t.v, &shape);
        Tensor { ty: Ty { shape, ..t.ty }, v }
    }

    /// The number of a circuit in the module under construction.
    fn circuit_id(&mut self, circuit: &Arc<Circuit>) -> u32 {
        let known = &self.b.module().circuits;
        match known.iter().position(|c| c.name == circuit.name) {
            Some(id) => id as u32,
            None => self.b.circuit_decl((**circuit).clone()),
        }
    }
}

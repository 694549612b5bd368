//! `--top`: of an output only the largest numbers of each row, as for the classes of a network.

use std::fmt::Write as _;
use std::path::Path;

use mpc_bytecode::{Element, Program, Variable};
use mpc_runtime::Result;
use mpc_vm::data::{self, output};
use serde_json::{Value, json};

use crate::arguments::Shown;
use crate::wrong;

/// How many of a row are shown, and what their places are called.
pub(crate) struct Top {
    count: usize,
    labels: Vec<String>,
}

impl Top {
    /// What the command line asks for; labels must be as many as the numbers in a row of some output.
    pub(crate) fn of(shown: &Shown, program: &Program) -> Result<Option<Top>> {
        let Some(count) = shown.top else { return Ok(None) };
        let mut labels = vec![];
        if let Some(path) = &shown.labels {
            labels = read(path)?;
            let rows: Vec<u64> = program.outputs.iter().filter_map(row).collect();
            if !rows.contains(&(labels.len() as u64)) {
                let rows: Vec<String> = rows.iter().map(u64::to_string).collect();
                let (path, found) = (path.display(), labels.len());
                let rows = if rows.is_empty() { "none".into() } else { rows.join(", ") };
                return Err(wrong(format!(
                    "{path}: {found} labels; numbers in a row of an output: {rows}"
                )));
            }
        }
        Ok(Some(Top { count: count as usize, labels }))
    }

    /// An output as text, if it has rows.
    pub(crate) fn text(&self, variable: &Variable, values: &[i128]) -> Option<String> {
        let width = row(variable)? as usize;
        let mut text = String::new();
        for (at, row) in values.chunks(width).enumerate() {
            let rank = variable.shape.len();
            let at = if rank > 1 { format!("[{at}]") } else { String::new() };
            let _ = write!(text, "{}{at}, {} of {width}:", variable.name, self.count.min(width));
            for place in self.largest(row) {
                let label = self.label(place, width).unwrap_or_default();
                let value = output::scalar(variable.element, row[place]);
                let _ = write!(text, "\n  {place:>6}  {value:<20}  {label}");
                text.truncate(text.trim_end().len());
            }
            text.push('\n');
        }
        text.pop();
        Some(text)
    }

    /// The same as JSON: a list, of lists if there are several rows.
    pub(crate) fn json(&self, variable: &Variable, values: &[i128]) -> Option<Value> {
        let width = row(variable)? as usize;
        let item = |row: &[i128], place: usize| {
            let alone = Variable { shape: vec![], ..variable.clone() };
            let mut item =
                json!({ "place": place, "value": output::json(&alone, &row[place..=place]) });
            if let Some(label) = self.label(place, width) {
                item["label"] = label.into();
            }
            item
        };
        let rows = values.chunks(width);
        let mut rows: Vec<Value> =
            rows.map(|row| self.largest(row).map(|place| item(row, place)).collect()).collect();
        Some(if variable.shape.len() > 1 { rows.into() } else { rows.pop().unwrap_or_default() })
    }

    /// Places of the largest numbers, the largest first; of equal ones the first.
    fn largest(&self, row: &[i128]) -> impl Iterator<Item = usize> + use<> {
        let mut places: Vec<usize> = (0..row.len()).collect();
        places.sort_by_key(|place| std::cmp::Reverse(row[*place]));
        places.truncate(self.count);
        places.into_iter()
    }

    fn label(&self, place: usize, width: usize) -> Option<&str> {
        self.labels.get(place).filter(|_| self.labels.len() == width).map(String::as_str)
    }
}

/// Numbers in a row of an output: its last axis, if it has more than one.
fn row(variable: &Variable) -> Option<u64> {
    let numbers = variable.element != Element::Bool;
    variable.shape.last().copied().filter(|width| numbers && *width > 1)
}

/// One label a line.
fn read(path: &Path) -> Result<Vec<String>> {
    let text = data::read_text_file(path)?;
    let shown = |line: &str| line.trim().chars().filter(|c| !c.is_control()).collect();
    Ok(text.trim_end().lines().map(shown).collect())
}

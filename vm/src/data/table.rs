//! Arrays from CSV and JSON.

use serde_json::Value;

use super::{Array, Numbers};

/// Deepest nesting of a JSON array.
const MAX_RANK: usize = 64;

/// Reads comma-separated rows of equal length. A first row that is not all numbers is a heading.
///
/// A single row, or a single column, is a vector as well as a matrix: dimensions of size 1 do not
/// count when shapes are compared.
///
/// # Errors
/// Starts with `:LINE: ` or `: `, to follow the name of the file.
pub fn read_csv(text: &str) -> Result<Array, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut cells = Cells::default();
    let mut lines = Vec::new();
    let mut columns = 0;
    let mut record = csv::StringRecord::new();
    let mut first = true;
    while reader.read_record(&mut record).map_err(|e| format!(": {e}"))? {
        let line = record.position().map_or(0, csv::Position::line);
        if std::mem::take(&mut first) && record.iter().any(|cell| Cell::parse(cell).is_none()) {
            if record.iter().any(|cell| Cell::parse(cell).is_some_and(|c| c.is_certain())) {
                let at = 1 + record.iter().position(|c| Cell::parse(c).is_none()).unwrap_or(0);
                return Err(not_a_number(line, at, record.get(at - 1).unwrap_or("")));
            }
            continue;
        }
        if lines.is_empty() {
            columns = record.len();
        } else if record.len() != columns {
            let found = record.len();
            return Err(format!(":{line}: {found} columns where the first row has {columns}"));
        }
        for (at, cell) in record.iter().enumerate() {
            cells.push(Cell::parse(cell).ok_or_else(|| not_a_number(line, at + 1, cell))?);
        }
        lines.push(line);
    }
    if lines.is_empty() {
        return Err(": the file is empty".into());
    }
    let shape = vec![lines.len() as u64, columns as u64];
    Ok(Array { shape, numbers: cells.numbers, lines })
}

fn not_a_number(line: u64, column: usize, cell: &str) -> String {
    let shown: String = cell.chars().take(40).flat_map(char::escape_debug).collect();
    format!(":{line}: column {column}: `{shown}` is no number")
}

/// The names in an object.
///
/// # Errors
/// As [`read_csv`].
pub fn members(text: &str) -> Result<Vec<String>, String> {
    match serde_json::from_str(text).map_err(|e| format!(":{}: {e}", e.line().max(1)))? {
        Value::Object(members) => Ok(members.keys().cloned().collect()),
        _ => Err(": this is no object of named arrays; give NAME=PATH".into()),
    }
}

/// Reads nested arrays of numbers or booleans, or the member `name` of an object.
///
/// # Errors
/// As [`read_csv`].
pub fn read_json(text: &str, name: &str) -> Result<Array, String> {
    let value: Value =
        serde_json::from_str(text).map_err(|e| format!(":{}: {e}", e.line().max(1)))?;
    let value = match value {
        Value::Object(mut members) => {
            members.remove(name).ok_or_else(|| format!(": there is no member `{name}`"))?
        }
        value => value,
    };
    let mut shape = Vec::new();
    let mut inner = &value;
    while let Value::Array(items) = inner {
        shape.push(items.len() as u64);
        let Some(item) = items.first() else { break };
        inner = item;
    }
    if shape.len() > MAX_RANK {
        return Err(format!(": nested {} deep", shape.len()));
    }
    let mut cells = Cells::default();
    flatten(&value, &shape, &mut String::new(), &mut cells)?;
    Ok(Array { shape, numbers: cells.numbers, lines: Vec::new() })
}

fn flatten(
    value: &Value,
    shape: &[u64],
    index: &mut String,
    cells: &mut Cells,
) -> Result<(), String> {
    match (value, shape.split_first()) {
        (Value::Array(items), Some((size, rest))) if items.len() as u64 == *size => {
            let length = index.len();
            for (at, item) in items.iter().enumerate() {
                index.push_str(&format!("[{at}]"));
                flatten(item, rest, index, cells)?;
                index.truncate(length);
            }
            Ok(())
        }
        (Value::Array(_), Some(_)) => Err(format!(": {index} rows of different length")),
        (Value::Bool(bit), None) => {
            cells.push(Cell::Whole(i128::from(*bit)));
            Ok(())
        }
        (Value::Number(number), None) => {
            let text = number.to_string();
            cells.push(Cell::parse(&text).ok_or_else(|| format!(": {index} `{text}`"))?);
            Ok(())
        }
        _ => Err(format!(": {index} is no number, or nested otherwise than the first one")),
    }
}

enum Cell {
    Whole(i128),
    Real(f64),
}

impl Cell {
    fn parse(text: &str) -> Option<Cell> {
        if let Ok(value) = text.parse::<i128>() {
            return Some(Cell::Whole(value));
        }
        match text {
            "true" | "True" | "TRUE" => Some(Cell::Whole(1)),
            "false" | "False" | "FALSE" => Some(Cell::Whole(0)),
            _ => text.parse::<f64>().ok().map(Cell::Real),
        }
    }

    /// Not a word such as `nan` or `inf`, which may be a heading.
    fn is_certain(&self) -> bool {
        match self {
            Cell::Whole(_) => true,
            Cell::Real(value) => value.is_finite(),
        }
    }
}

/// Whole numbers for as long as all of them are.
struct Cells {
    numbers: Numbers,
}

impl Default for Cells {
    fn default() -> Self {
        Cells { numbers: Numbers::Whole(Vec::new()) }
    }
}

impl Cells {
    fn push(&mut self, cell: Cell) {
        match (&mut self.numbers, cell) {
            (Numbers::Whole(values), Cell::Whole(value)) => values.push(value),
            (Numbers::Real(values), Cell::Real(value)) => values.push(value),
            (Numbers::Real(values), Cell::Whole(value)) => values.push(value as f64),
            (Numbers::Whole(values), Cell::Real(value)) => {
                let mut reals: Vec<f64> = values.iter().map(|v| *v as f64).collect();
                reals.push(value);
                self.numbers = Numbers::Real(reals);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_is_told_from_a_mistake() {
        let array = read_csv("name,age\n1,2\n").unwrap();
        assert_eq!((array.shape, array.lines), (vec![1, 2], vec![2]));
        let error = read_csv("1,b\n1,2\n").unwrap_err();
        assert_eq!(error, ":1: column 2: `b` is no number");
        assert_eq!(read_csv("\n\n5\n").unwrap().numbers, Numbers::Whole(vec![5]));
        assert_eq!(read_csv("1,0.5\n").unwrap().numbers, Numbers::Real(vec![1.0, 0.5]));
    }

    #[test]
    fn json_values_of_every_depth() {
        assert_eq!(read_json("7", "x").unwrap().shape, Vec::<u64>::new());
        assert_eq!(read_json("[]", "x").unwrap().shape, [0]);
        assert_eq!(read_json("[true, false]", "x").unwrap().numbers, Numbers::Whole(vec![1, 0]));
        assert_eq!(read_json("[[[1]], [[2.5]]]", "x").unwrap().shape, [2, 1, 1]);
        for bad in ["[[1], 2]", "[1, [2]]", "[null]", "[[], [1]]", "", "[1,]", "{", "\"x\""] {
            assert!(read_json(bad, "x").is_err(), "{bad}");
        }
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        assert!(read_json(&deep, "x").is_err());
    }

    #[test]
    fn garbage_never_panics() {
        let mut state = 7_u64;
        let letters: Vec<char> = "0123456789.,-+e[]{}\":\n\r\t ax\u{e9}".chars().collect();
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..20 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text.push(letters[(state >> 33) as usize % letters.len()]);
            }
            let _ = (read_csv(&text), read_json(&text, "a"));
        }
    }
}

//! `--calibrate`: a model on sample data, in the numbers of the program beside those that the model means.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mpc_bytecode::{Element, Program, Variable};
use mpc_compiler::folder::Folder;
use mpc_compiler::onnx::{self, MAX_MODEL_BYTES, Options, Reference, WEIGHTS, Watched};
use mpc_vm::data::{self, Array, Numbers, convert};
use mpc_vm::emulate::{self, States, emulate};
use serde_json::{Value, json};

use crate::{Error, split, tell_failure};

/// Bits that a suggestion leaves above the largest value seen.
const SPARE: i32 = 2;
/// Most fraction bits of functions such as the exponential.
const MOST_FRACTION: i32 = 26;
/// Width of products that a suggestion keeps to: in a ring of 64 bits, a few to spare save rounds.
const PRODUCT_BITS: i32 = 60;
/// Most programs that are compiled in search of a suggestion.
const ATTEMPTS: usize = 8;
/// A value that comes so close to the end of the range, in bits, is warned of.
const CLOSE: f64 = 1.0;

/// A file with sample data: of one input, or of all whose names it has.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    name: Option<String>,
    path: PathBuf,
}

/// `NAME=PATH`, or `PATH`.
pub(crate) fn data(text: &str) -> Result<Data, String> {
    match text.split_once('=') {
        Some(("", _)) | Some((_, "")) => Err("expected PATH or NAME=PATH".into()),
        Some((name, path)) => Ok(Data { name: Some(name.into()), path: path.into() }),
        None => Ok(Data { name: None, path: text.into() }),
    }
}

/// A model with sample data.
pub(crate) struct Calibration {
    name: String,
    folder: Folder,
    options: Options,
    data: BTreeMap<String, Array>,
    json: bool,
}

/// Values of the inputs of one sample, by name.
type Sample = BTreeMap<String, Array>;

/// What a node gives, over all samples.
struct Row {
    node: String,
    least: f64,
    greatest: f64,
    /// Largest difference of the program from the model, and the sum of all.
    error: f64,
    errors: f64,
    count: usize,
    /// Largest difference with probabilistic truncation.
    probabilistic: f64,
}

/// What a model does on the samples.
pub(crate) struct Seen {
    fix: (u32, u32),
    ring_bits: u32,
    samples: usize,
    rows: Vec<Row>,
    /// Values that exceeded their bits, by node.
    excesses: BTreeMap<String, String>,
    /// Largest number among weights, inputs and what nodes give.
    most: f64,
}

impl Calibration {
    /// Reads the data. Sizes that the model leaves open are those of the data.
    pub(crate) fn new(
        file: &Path,
        mut options: Options,
        given: &[Data],
        json: bool,
    ) -> Result<Calibration, Error> {
        let (folder, name) = split(file)?;
        let folder = folder.with_limit(MAX_MODEL_BYTES);
        let inputs = onnx::inputs(&name, &folder)
            .map_err(|diagnostics| tell_failure(&crate::model::of(diagnostics), json))?;
        for wanted in given.iter().filter_map(|d| d.name.as_ref()) {
            if !inputs.iter().any(|input| &input.name == wanted) {
                let known: Vec<&str> = inputs.iter().map(|input| &input.name[..]).collect();
                let known = known.join(", ");
                return Err(format!("the model has no input `{wanted}`; it has {known}").into());
            }
        }
        let mut data = BTreeMap::new();
        for input in inputs {
            let of_name = given.iter().find(|d| d.name.as_ref() == Some(&input.name));
            let found = of_name.or_else(|| given.iter().find(|d| d.name.is_none()));
            let path = found.map(|d| &d.path).ok_or_else(|| {
                format!("no data for input `{0}`; give --calibrate {0}=PATH", input.name)
            })?;
            let array = data::read_array(path, &input.name).map_err(|e| e.to_string())?;
            if input.open && !options.shapes.contains_key(&input.name) {
                let shape = array.shape.iter().map(|n| *n as usize).collect();
                options.shapes.insert(input.name.clone(), shape);
            }
            data.insert(input.name, array);
        }
        Ok(Calibration { name, folder, options, data, json })
    }

    /// Runs all samples.
    pub(crate) fn run(&self) -> Result<Seen, Error> {
        let told = |failure| tell_failure(&failure, self.json);
        let watched = onnx::watched(&self.name, &self.folder, &self.options).map_err(told)?;
        let reference = onnx::reference(&self.name, &self.folder, &self.options).map_err(told)?;
        self.look(&watched, Some(&reference))
    }

    /// Runs all samples; without a reference only to see what exceeds its bits.
    fn look(&self, watched: &Watched, reference: Option<&Reference>) -> Result<Seen, Error> {
        let program = &watched.program;
        let samples = self.samples(program)?;
        let row = |tap: &onnx::Tap| Row {
            node: tap.node.clone(),
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
            error: 0.0,
            errors: 0.0,
            count: 0,
            probabilistic: 0.0,
        };
        let mut seen = Seen {
            fix: self.options.fix,
            ring_bits: program.ring_bits,
            samples: samples.len(),
            rows: watched.taps.iter().map(row).collect(),
            excesses: BTreeMap::new(),
            most: watched.weights.iter().fold(0.0, |most, w| f64::max(most, f64::from(w.abs()))),
        };
        for sample in &samples {
            let values = integers(program, &watched.weights, sample)?;
            let fixed = outputs(program, &values, false, &mut seen.excesses)?;
            let Some(reference) = reference else { continue };
            let unsure = outputs(program, &values, true, &mut BTreeMap::new())?;
            let inputs: BTreeMap<String, Vec<f64>> =
                sample.iter().map(|(name, array)| (name.clone(), reals(array))).collect();
            let largest = |xs: &Vec<f64>| xs.iter().fold(0.0, |m, x| f64::max(m, x.abs()));
            seen.most = inputs.values().map(largest).fold(seen.most, f64::max);
            let meant = reference.run(&inputs)?;
            for (row, tap) in seen.rows.iter_mut().zip(&watched.taps) {
                let name = &tap.output;
                row.add(&meant[name], &fixed[name], &unsure[name]);
            }
        }
        seen.most = seen.rows.iter().map(Row::most).fold(seen.most, f64::max);
        Ok(seen)
    }

    /// The data by sample: one if they have the shape of the program, else as many as they have of those along a first axis.
    fn samples(&self, program: &Program) -> Result<Vec<Sample>, Error> {
        let mut samples: Vec<Sample> = vec![];
        for variable in program.inputs.iter().filter(|v| v.name != WEIGHTS) {
            let array = self.data.get(&variable.name).ok_or("an input has no data".to_string())?;
            let parts = parts(array, variable).map_err(Error::Plain)?;
            if samples.is_empty() {
                samples = vec![Sample::new(); parts.len()];
            }
            if samples.len() != parts.len() {
                let (name, found, all) = (&variable.name, parts.len(), samples.len());
                return Err(format!("input `{name}` has {found} samples, others have {all}").into());
            }
            for (sample, part) in samples.iter_mut().zip(parts) {
                sample.insert(variable.name.clone(), part);
            }
        }
        Ok(samples)
    }

    /// The type with most fraction bits that holds what was seen, with bits to spare, and of which nothing exceeds its bits.
    pub(crate) fn suggest(&self, seen: &Seen) -> Result<Option<(u32, u32)>, Error> {
        let mut whole = 1 + SPARE + seen.most.max(1.0).log2().ceil() as i32;
        let mut fraction = ((PRODUCT_BITS - whole) / 2).min(MOST_FRACTION);
        for _ in 0..ATTEMPTS {
            if fraction < 4 {
                return Ok(None);
            }
            let width = (whole + fraction).max(fraction + 6);
            let fix = (width as u32, fraction as u32);
            let options = Options { fix, ..self.options.clone() };
            // Functions that the type is too wide for are errors; a coarser type is tried then.
            match onnx::watched(&self.name, &self.folder, &options) {
                Ok(watched) if watched.program.ring_bits <= 64 => {
                    if self.look(&watched, None)?.excesses.is_empty() {
                        return Ok(Some(fix));
                    }
                    whole += 1;
                    fraction = fraction.min((PRODUCT_BITS - whole) / 2);
                }
                _ => fraction -= 2,
            }
        }
        Ok(None)
    }
}

/// The samples in an array of an input.
fn parts(array: &Array, variable: &Variable) -> Result<Vec<Array>, String> {
    if convert::check_shape(&array.shape, variable).is_ok() {
        return Ok(vec![array.clone()]);
    }
    let (name, found, wanted) = (&variable.name, &array.shape, &variable.shape);
    let misfit = || format!("input `{name}`: shape {found:?}, of a sample it is {wanted:?}");
    let (&count, rest) = found.split_first().ok_or_else(misfit)?;
    convert::check_shape(rest, variable).map_err(|_| misfit())?;
    let size = array.numbers.len() / (count as usize).max(1);
    let part = |i: usize| {
        let range = i * size..(i + 1) * size;
        let numbers = match &array.numbers {
            Numbers::Whole(xs) => Numbers::Whole(xs[range].to_vec()),
            Numbers::Real(xs) => Numbers::Real(xs[range].to_vec()),
        };
        Array { shape: rest.to_vec(), numbers, lines: vec![] }
    };
    Ok((0..count as usize).map(part).collect())
}

fn reals(array: &Array) -> Vec<f64> {
    match &array.numbers {
        Numbers::Whole(xs) => xs.iter().map(|x| *x as f64).collect(),
        Numbers::Real(xs) => xs.clone(),
    }
}

/// Inputs of the program in its numbers.
fn integers(
    program: &Program,
    weights: &[f32],
    sample: &Sample,
) -> Result<Vec<Option<Vec<i128>>>, Error> {
    let value = |variable: &Variable| {
        let weights = || {
            let numbers = Numbers::Real(weights.iter().map(|w| f64::from(*w)).collect());
            Array { shape: variable.shape.clone(), numbers, lines: vec![] }
        };
        let array = sample.get(&variable.name).cloned().unwrap_or_else(weights);
        let told = |e| Error::Plain(format!("input `{}`{e}; give a wider --fix", variable.name));
        convert::to_integers(&array, variable).map(Some).map_err(told)
    };
    program.inputs.iter().map(value).collect()
}

/// Outputs by name, in the clear. What exceeds its bits is noted by node.
fn outputs(
    program: &Program,
    inputs: &[Option<Vec<i128>>],
    probabilistic: bool,
    excesses: &mut BTreeMap<String, String>,
) -> Result<BTreeMap<String, Vec<f64>>, Error> {
    let options = emulate::Options { checked: true, probabilistic, ..Default::default() };
    let outcome = emulate(program, 0, inputs, &mut States::new(), options);
    let outcome = outcome.map_err(|e| e.to_string())?;
    for finding in outcome.findings {
        let file = program.spans.get(finding.instruction).map_or(0, |span| span.file);
        if file == 0 {
            continue; // not in a node: what comes out of one, whose range is seen
        }
        let node = program.files.get(file as usize).cloned().unwrap_or_default();
        let what = finding.text.lines().next().unwrap_or_default().to_string();
        excesses.entry(node).or_insert(what);
    }
    let output = |(id, values): (usize, Vec<i128>)| {
        let variable = &program.outputs[id];
        let fraction = if let Element::Fix(_, f) = variable.element { f } else { 0 };
        let values = values.iter().map(|x| convert::to_real(*x, fraction)).collect();
        (variable.name.clone(), values)
    };
    Ok(outcome.outputs.into_iter().map(output).collect())
}

impl Row {
    fn add(&mut self, meant: &[f64], fixed: &[f64], probabilistic: &[f64]) {
        self.count += meant.len();
        for ((x, y), z) in meant.iter().zip(fixed).zip(probabilistic) {
            self.least = self.least.min(*x);
            self.greatest = self.greatest.max(*x);
            self.error = self.error.max((x - y).abs());
            self.errors += (x - y).abs();
            self.probabilistic = self.probabilistic.max((x - z).abs());
        }
    }

    fn most(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.least.abs().max(self.greatest.abs()) }
    }

    fn mean(&self) -> f64 {
        self.errors / self.count.max(1) as f64
    }
}

/// What is to be said of a node.
#[derive(Clone, Copy, PartialEq)]
enum Verdict {
    Fits,
    Close,
    Overflows,
}

impl Seen {
    /// Bits between the largest value of a node and the end of the range.
    fn bits_left(&self, row: &Row) -> f64 {
        let (k, f) = self.fix;
        f64::from(k - 1 - f) - row.most().max(2f64.powi(-(f as i32))).log2()
    }

    fn verdict(&self, row: &Row) -> Verdict {
        match self.bits_left(row) {
            left if left <= 0.0 => Verdict::Overflows,
            left if left < CLOSE => Verdict::Close,
            _ => Verdict::Fits,
        }
    }

    /// Whether something does not fit.
    pub(crate) fn overflows(&self) -> bool {
        !self.excesses.is_empty()
            || self.rows.iter().any(|row| self.verdict(row) == Verdict::Overflows)
    }

    /// Warnings and errors, by node, as lines.
    pub(crate) fn messages(&self) -> Vec<String> {
        let (k, f) = self.fix;
        let of = |row: &Row| {
            let (node, most) = (&row.node, short(row.most()));
            match self.verdict(row) {
                Verdict::Fits => None,
                Verdict::Close => Some(format!(
                    "warning: node {node}: values to {most} leave less than a bit of fix<{k},{f}>"
                )),
                Verdict::Overflows => Some(format!(
                    "error: node {node}: values to {most} overflow fix<{k},{f}>, which ends at {}",
                    short(f64::from(k - 1 - f).exp2())
                )),
            }
        };
        let inside = self.excesses.iter().map(|(node, what)| {
            format!("error: node {node}: a number inside overflows fix<{k},{f}>: {what}")
        });
        self.rows.iter().filter_map(of).chain(inside).collect()
    }

    /// A line for each node.
    pub(crate) fn table(&self) -> String {
        let (k, f) = self.fix;
        let width = self.rows.iter().map(|row| row.node.chars().count()).max().unwrap_or(0);
        let width = width.clamp(4, 48);
        let mut out = format!(
            "fix<{k},{f}>, {} sample{}; products take {} bits before they are scaled back, the program a ring of {}\n\
             {:width$} {:>11} {:>11} {:>9} {:>11} {:>11} {:>11}\n",
            self.samples,
            if self.samples == 1 { "" } else { "s" },
            k + f,
            self.ring_bits,
            "node",
            "least",
            "greatest",
            "bits left",
            "fixed, most",
            "fixed, mean",
            "MPC, most",
        );
        for row in self.rows.iter().filter(|row| row.count > 0) {
            let _ = writeln!(
                out,
                "{:width$} {:>11} {:>11} {:>9.1} {:>11} {:>11} {:>11}",
                row.node,
                short(row.least),
                short(row.greatest),
                self.bits_left(row),
                short(row.error),
                short(row.mean()),
                short(row.probabilistic),
            );
        }
        out + "least and greatest are in floating point; the errors are against it: fixed with --truncation exact, MPC with probabilistic\n"
    }

    /// An object for each node.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let object = |row: &Row| {
            json!({
                "node": row.node,
                "least": row.least,
                "greatest": row.greatest,
                "bits_left": self.bits_left(row),
                "error_max": row.error,
                "error_mean": row.mean(),
                "error_probabilistic_max": row.probabilistic,
                "overflows": self.verdict(row) == Verdict::Overflows
                    || self.excesses.contains_key(&row.node),
            })
        };
        self.rows.iter().filter(|row| row.count > 0).map(object).collect()
    }

    /// The whole as an object.
    pub(crate) fn summary(&self, suggested: Option<(u32, u32)>) -> Value {
        json!({ "fix": self.fix, "ring_bits": self.ring_bits, "samples": self.samples,
            "overflows": self.overflows(), "suggested_fix": suggested })
    }
}

/// Four digits.
fn short(x: f64) -> String {
    match x.abs() {
        0.0 => "0".into(),
        size if (1e-3..1e5).contains(&size) => format!("{x:.4}"),
        _ => format!("{x:.2e}"),
    }
}

//! Models: `mpcc build MODEL.onnx` and `mpcc check MODEL.onnx`.

use std::path::Path;

use mpc_bytecode::Program;
use mpc_compiler::onnx::{self, MAX_MODEL_BYTES};
use mpc_compiler::passes::Level;
use mpc_compiler::source::SourceMap;
use mpc_compiler::{Compiled, Failure};
use mpc_vm::data::npy;

use crate::calibrate::{Calibration, Seen};
use crate::{
    Build, Check, Defines, Emit, Error, give, print, say, split, tell, tell_failure,
    write_atomically,
};

/// Whether a file is a model, by its name.
pub(crate) fn is_model(file: &Path) -> bool {
    file.extension().is_some_and(|e| e == "onnx")
}

pub(crate) fn build(args: &Build) -> Result<(), Error> {
    no_constants(&args.defines)?;
    let mut options = args.model.options()?;
    if !args.calibrate.is_empty() {
        let json = args.defines.json;
        let calibration = Calibration::new(&args.file, options.clone(), &args.calibrate, json)?;
        let seen = calibration.run()?;
        if args.model.fix.is_none() {
            options.fix = calibration
                .suggest(&seen)?
                .ok_or("no type holds the numbers of this model".to_string())?;
            say(&format!("note: built with --fix {},{}\n", options.fix.0, options.fix.1));
        } else {
            overflow(&seen, args.defines.json)?;
        }
    }
    if args.emit == Some(Emit::Source) {
        let (folder, name) = split(&args.file)?;
        let folder = folder.with_limit(MAX_MODEL_BYTES);
        let model = onnx::import(&name, &folder, &options);
        return print(&model.map_err(|d| tell_failure(&of(d), args.defines.json))?.source);
    }
    let (program, compiled, model) = compiled(&args.file, &args.defines, &options, args.level())?;
    give(args, &program, &compiled)?;
    if args.emit.is_none() && !model.weights.is_empty() {
        let file = npy::encode_single(&[model.weights.len() as u64], &model.weights);
        write_atomically(&args.output().with_extension("weights.npy"), &file)?;
    }
    Ok(())
}

/// Refuses what is said about constants.
pub(crate) fn no_constants(defines: &Defines) -> Result<(), Error> {
    match defines.define.first() {
        Some(_) => Err("-D is for programs; a model has no constants to give".to_string().into()),
        None => Ok(()),
    }
}

/// A program from a model.
pub(crate) fn compiled(
    file: &Path,
    defines: &Defines,
    options: &onnx::Options,
    level: Level,
) -> Result<(Program, Compiled, onnx::Model), Error> {
    let (folder, name) = split(file)?;
    let built = onnx::build(&name, &folder.with_limit(MAX_MODEL_BYTES), options, level);
    built.map_err(|failure| tell_failure(&failure, defines.json))
}

pub(crate) fn check(file: &Path, args: &Check) -> Result<(), Error> {
    let options = args.model.options()?;
    let (folder, name) = split(file)?;
    let folder = folder.with_limit(MAX_MODEL_BYTES);
    if !args.calibrate.is_empty() {
        return calibrate(file, args); // which takes open sizes from the data
    }
    let checked = onnx::compile(&name, &folder, &options);
    let (compiled, _) = checked.map_err(|failure| tell_failure(&failure, args.defines.json))?;
    tell(&compiled.warnings, &compiled.sources, args.defines.json);
    Ok(())
}

/// What the nodes give on sample data.
fn calibrate(file: &Path, args: &Check) -> Result<(), Error> {
    let json = args.defines.json;
    let calibration = Calibration::new(file, args.model.options()?, &args.calibrate, json)?;
    let seen = calibration.run()?;
    let suggested = calibration.suggest(&seen)?;
    if json {
        let objects = seen.objects().into_iter().chain([seen.summary(suggested)]);
        print(&objects.map(|object| format!("{object}\n")).collect::<String>())?;
    } else {
        print(&seen.table())?;
        let fits = "nothing seen exceeds its bits, with 2 to spare";
        print(&match suggested {
            Some((k, f)) => format!("suggested: --fix {k},{f} ({fits})\n"),
            None => "suggested: nothing, no type holds these numbers in a ring of 64 bits\n".into(),
        })?;
    }
    overflow(&seen, json)
}

/// Tells what overflows, which is an error; as JSON it is told with the nodes.
fn overflow(seen: &Seen, json: bool) -> Result<(), Error> {
    if !json {
        seen.messages().iter().for_each(|message| say(&format!("{message}\n")));
    }
    if seen.overflows() { Err(Error::Told) } else { Ok(()) }
}

pub(crate) fn of(diagnostics: Vec<mpc_compiler::diagnostics::Diagnostic>) -> Failure {
    Failure { diagnostics, sources: SourceMap::default() }
}

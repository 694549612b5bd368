//! `mpcc`: the compiler's command line. Arguments, files and exit codes; everything else is in the library.
//!
//! Exit codes: 0 done, 2 bad use or bad input.

mod calibrate;
mod estimate;
mod model;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mpc_bytecode::Program;
use mpc_compiler::diagnostics::{Diagnostic, render, render_json};
use mpc_compiler::folder::{Files, Folder};
use mpc_compiler::onnx;
use mpc_compiler::passes::Level;
use mpc_compiler::source::{Loader, SourceMap};
use mpc_compiler::{CompileOptions, Compiled, Failure};

/// Compiles programs for secure multi-party computation.
#[derive(Parser)]
#[command(name = "mpcc", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compiles a program to bytecode.
    Build(Build),
    /// Checks programs and writes nothing.
    Check(Check),
    /// Formats programs in place.
    Fmt(Fmt),
    /// Writes reference pages from the comments of modules, in Markdown.
    Doc(Doc),
    /// Says what bytecode, a program or a model costs under a protocol, to the byte.
    Estimate(estimate::Estimate),
    /// Prints bytecode as text.
    Disasm {
        /// Bytecode.
        file: PathBuf,
    },
}

/// What can be printed instead of writing bytecode.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Emit {
    /// The program that a model becomes.
    Source,
    /// The dataflow graph after the passes.
    Ir,
    /// The bytecode as text.
    Asm,
    /// Sizes: operations, instructions, registers, bytes.
    Stats,
}

#[derive(Args)]
struct Defines {
    /// Gives a constant or a size a value.
    #[arg(short = 'D', value_name = "NAME=VALUE")]
    define: Vec<String>,
    /// Prints messages as JSON, one object per line.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Build {
    /// The program, or a model (.onnx).
    file: PathBuf,
    /// Where the bytecode goes; by default beside the program. The weights of a model go beside it, as OUT.weights.npy.
    #[arg(short, value_name = "OUT.mpcb")]
    output: Option<PathBuf>,
    #[command(flatten)]
    defines: Defines,
    #[command(flatten)]
    model: onnx::Arguments,
    /// Sample data of a model's inputs; chooses the width and the fraction bits that hold its numbers, unless --fix does.
    #[arg(long, value_name = "[NAME=]PATH", value_parser = calibrate::data, help_heading = onnx::HEADING)]
    calibrate: Vec<calibrate::Data>,
    /// `exact` leaves out the passes that may change the last bits.
    #[arg(short = 'O', value_name = "LEVEL", value_parser = ["exact", "full"], default_value = "full")]
    level: String,
    /// Prints this instead of writing bytecode.
    #[arg(long, value_enum)]
    emit: Option<Emit>,
}

#[derive(Args)]
struct Check {
    /// The programs and models.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    defines: Defines,
    #[command(flatten)]
    model: onnx::Arguments,
    /// Sample data of a model's inputs (.npy, .npz, .csv, .json; several samples along a further first axis): prints for each
    /// node the range of what it gives, the bits that are left, and the errors of fixed point and of probabilistic truncation
    /// against floating point. Fails if something overflows, and suggests a --fix. Repeat it as NAME=PATH for several inputs.
    #[arg(long, value_name = "[NAME=]PATH", value_parser = calibrate::data, help_heading = onnx::HEADING)]
    calibrate: Vec<calibrate::Data>,
}

#[derive(Args)]
struct Fmt {
    /// The programs.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Changes nothing; fails if a file is not formatted.
    #[arg(long)]
    check: bool,
    /// Prints messages as JSON, one object per line.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Doc {
    /// The modules; the standard library if there are none.
    files: Vec<PathBuf>,
    /// Folder for one page for each module; without it, all pages are printed.
    #[arg(short, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

/// Why nothing was done; the text is for the user.
enum Error {
    /// Told in one line.
    Plain(String),
    /// Told already.
    Told,
}

impl From<String> for Error {
    fn from(text: String) -> Self {
        Error::Plain(text)
    }
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Build(args) => build(&args),
        Command::Check(args) => check(&args),
        Command::Fmt(args) => fmt(&args),
        Command::Doc(args) => doc(&args),
        Command::Estimate(args) => estimate::run(&args),
        Command::Disasm { file } => disasm(&file),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Error::Plain(text) = error {
                say(&format!("error: {text}\n"));
            }
            ExitCode::from(2)
        }
    }
}

/// Writes to stderr; a reader that went away is no reason to fail.
fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Writes to stdout.
fn print(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    let done = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    done.map_err(|e| Error::Plain(format!("cannot write to standard output: {e}")))
}

fn build(args: &Build) -> Result<(), Error> {
    if model::is_model(&args.file) {
        return model::build(args);
    }
    no_model(&args.model, &args.calibrate)?;
    let (program, compiled) = compiled(&args.file, &args.defines, args.level())?;
    give(args, &program, &compiled)
}

/// A program from its source.
fn compiled(file: &Path, defines: &Defines, level: Level) -> Result<(Program, Compiled), Error> {
    let options = options(defines)?;
    let (folder, name) = split(file)?;
    let built = mpc_compiler::build(&name, &folder, &options, level);
    built.map_err(|failure| tell_failure(&failure, defines.json))
}

/// A program from its bytecode.
fn load(file: &Path) -> Result<Program, Error> {
    let shown = file.display();
    let bytes = std::fs::read(file).map_err(|e| format!("cannot read `{shown}`: {e}"))?;
    Ok(Program::load(&bytes).map_err(|e| format!("{shown}: {e}"))?)
}

/// Refuses what is said about models, for a program.
fn no_model(args: &onnx::Arguments, data: &[calibrate::Data]) -> Result<(), Error> {
    match args.given().or((!data.is_empty()).then_some("--calibrate")) {
        Some(option) => Err(format!("{option} is for models (.onnx)").into()),
        None => Ok(()),
    }
}

impl Build {
    fn level(&self) -> Level {
        if self.level == "exact" { Level::Exact } else { Level::Full }
    }

    fn output(&self) -> PathBuf {
        self.output.clone().unwrap_or_else(|| self.file.with_extension("mpcb"))
    }
}

/// Writes or prints what was asked for.
fn give(args: &Build, program: &Program, compiled: &Compiled) -> Result<(), Error> {
    tell(&compiled.warnings, &compiled.sources, args.defines.json);
    let bytes = program.encode();
    match args.emit {
        Some(Emit::Source) => Err("`--emit source` is for models".to_string().into()),
        Some(Emit::Ir) => print(&mpc_compiler::ir::print::print(&compiled.module)),
        Some(Emit::Asm) => print(&program.disassemble()),
        Some(Emit::Stats) => print(&stats(program, bytes.len())),
        None => write_atomically(&args.output(), &bytes),
    }
}

fn stats(program: &Program, bytes: usize) -> String {
    let registers: Vec<String> = program.registers.iter().map(u64::to_string).collect();
    format!(
        "bytes        {bytes}\ninstructions {}\nregisters    {}\nring bits    {}\nfield bits   {}\n",
        program.code.len(),
        registers.join(" "),
        program.ring_bits,
        program.field_bits
    )
}

fn check(args: &Check) -> Result<(), Error> {
    let options = options(&args.defines)?;
    let mut result = Ok(());
    for file in &args.files {
        if model::is_model(file) {
            if let Err(told) = model::check(file, args) {
                result = Err(told);
            }
            continue;
        }
        no_model(&args.model, &args.calibrate)?;
        let (folder, name) = split(file)?;
        match mpc_compiler::compile(&name, &folder, &options) {
            Ok(compiled) => tell(&compiled.warnings, &compiled.sources, args.defines.json),
            Err(failure) => result = Err(tell_failure(&failure, args.defines.json)),
        }
    }
    result
}

fn fmt(args: &Fmt) -> Result<(), Error> {
    let mut result = Ok(());
    for file in &args.files {
        let (folder, name) = split(file)?;
        let bytes =
            folder.load(&name).map_err(|e| format!("cannot read `{}`: {e}", file.display()))?;
        match mpc_compiler::format::format(&name, bytes.clone()) {
            Err(failure) => result = Err(tell_failure(&failure, args.json)),
            Ok(text) if text.as_bytes() == bytes => {}
            Ok(_) if args.check => {
                say(&format!("error: {} is not formatted\n", file.display()));
                result = Err(Error::Told);
            }
            Ok(text) => write_atomically(file, text.as_bytes())?,
        }
    }
    result
}

fn doc(args: &Doc) -> Result<(), Error> {
    let mut modules = vec![];
    for file in &args.files {
        let (folder, name) = split(file)?;
        let bytes =
            folder.load(&name).map_err(|e| format!("cannot read `{}`: {e}", file.display()))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| format!("`{}` is no text in UTF-8", file.display()))?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        modules.push((stem.clone(), stem, text));
    }
    if args.files.is_empty() {
        let library = mpc_compiler::check::modules::library();
        let module = |(name, text): (&str, &str)| {
            (name.to_string(), format!("stdlib::{name}"), text.to_string())
        };
        modules.extend(library.map(module));
    }
    for (stem, name, text) in &modules {
        let page =
            mpc_compiler::doc::page(name, text).map_err(|failure| tell_failure(&failure, false))?;
        match &args.output {
            None => print(&page)?,
            Some(folder) => {
                std::fs::create_dir_all(folder)
                    .map_err(|e| format!("cannot make the folder `{}`: {e}", folder.display()))?;
                write_atomically(&folder.join(format!("{stem}.md")), page.as_bytes())?;
            }
        }
    }
    Ok(())
}

fn disasm(file: &Path) -> Result<(), Error> {
    print(&load(file)?.disassemble())
}

fn options(args: &Defines) -> Result<CompileOptions, Error> {
    let mut options = CompileOptions::default();
    for define in &args.define {
        let (name, value) =
            define.split_once('=').ok_or_else(|| format!("`-D {define}`: expected NAME=VALUE"))?;
        if options.defines.insert(name.to_string(), value.to_string()).is_some() {
            return Err(format!("`-D {name}` is given twice").into());
        }
    }
    Ok(options)
}

/// The folder of a file and its name there.
fn split(file: &Path) -> Result<(Folder, String), Error> {
    let files = Files {
        canonical: |path| path.canonicalize(),
        kind: |path| Ok(path.metadata()?.file_type()),
        open: |path| Ok(Box::new(std::fs::File::open(path)?)),
    };
    let folder = Folder::of(file, files);
    let folder = folder.ok_or_else(|| format!("`{}` names no file", file.display()))?;
    let name = folder.main().to_string();
    Ok((folder, name))
}

fn tell(messages: &[Diagnostic], sources: &SourceMap, json: bool) {
    let colour = std::io::stderr().is_terminal();
    for message in messages {
        let text = if json {
            render_json(message, sources)
        } else {
            render(message, sources, colour) + "\n"
        };
        say(&format!("{text}\n"));
    }
}

fn tell_failure(failure: &Failure, json: bool) -> Error {
    tell(&failure.diagnostics, &failure.sources, json);
    let errors = failure.diagnostics.iter().filter(|d| d.is_error()).count();
    if !json {
        say(&format!("error: {errors} error{} found\n", if errors == 1 { "" } else { "s" }));
    }
    Error::Told
}

/// Writes a file so that it is there whole or not at all.
fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let name = path.file_name().ok_or_else(|| format!("`{}` names no file", path.display()))?;
    if path.is_dir() {
        return Err(format!("cannot write `{}`: it is a directory", path.display()).into());
    }
    let mut temporary = name.to_os_string();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(temporary);
    let written =
        std::fs::write(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|e| {
        let _ = std::fs::remove_file(&temporary);
        Error::Plain(format!("cannot write `{}`: {e}", path.display()))
    })
}

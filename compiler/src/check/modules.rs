//! Modules: a file is one. Imports are followed depth first, so that a circle is found; the library is embedded.
//!
//! `use stdlib::math::{exp};` names a file of the library, `use geometry::{area};` the file `geometry.mpc` beside the importing one,
//! `use super::…` the folder above, which is refused above the folder of the program.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::bristol;
use crate::diagnostics::{Diagnostic, did_you_mean};
use crate::ir::Circuit;
use crate::lang_items::LangItem;
use crate::parse::{self, ast};
use crate::source::{FileId, LoadError, Loader, MAX_SOURCE_BYTES, SourceMap, Span};

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/stdlib.rs"));
}

/// Names and texts of the modules of the standard library.
pub fn library() -> impl Iterator<Item = (&'static str, &'static str)> {
    embedded::MODULES.iter().copied()
}

/// Longest chain of imports.
const MAX_CHAIN: usize = 64;

/// Number of a module in [`Program::modules`]; 0 is the file given to the compiler.
pub type ModuleId = usize;

/// What a name of a module stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Def {
    /// The function at this place among the items of a module.
    Fn(ModuleId, usize),
    /// The constant at this place.
    Const(ModuleId, usize),
    /// The circuit at this place.
    Circuit(ModuleId, usize),
    /// A module.
    Module(ModuleId),
    /// Something whose import failed, and was reported.
    Broken,
}

/// One file with its names.
#[derive(Debug)]
pub struct Module {
    /// `math` or `geometry::area`, as in paths.
    pub name: String,
    /// The file.
    pub file: FileId,
    /// Its tree.
    pub ast: ast::File,
    /// Its functions, constants and imports.
    pub names: BTreeMap<String, Def>,
    /// Its circuits that could be read, by the place of their item.
    circuits: BTreeMap<usize, Arc<Circuit>>,
}

impl Module {
    /// The function at `item`, which [`Def::Fn`] gave.
    pub fn function(&self, item: usize) -> &ast::Function {
        match &self.ast.items[item] {
            ast::Item::Fn(f) => f,
            _ => unreachable!("Def::Fn names a function"),
        }
    }

    /// The constant at `item`, which [`Def::Const`] gave.
    pub fn constant(&self, item: usize) -> &ast::Const {
        match &self.ast.items[item] {
            ast::Item::Const(c) => c,
            _ => unreachable!("Def::Const names a constant"),
        }
    }

    /// The circuit at `item`, which [`Def::Circuit`] gave, unless it could not be read.
    pub fn circuit(&self, item: usize) -> Option<(&ast::CircuitFile, Arc<Circuit>)> {
        match &self.ast.items[item] {
            ast::Item::Circuit(c) => Some((c, self.circuits.get(&item)?.clone())),
            _ => unreachable!("Def::Circuit names a circuit"),
        }
    }
}

/// All modules of a program.
#[derive(Debug, Default)]
pub struct Program {
    /// The file given to the compiler first.
    pub modules: Vec<Module>,
    /// Texts.
    pub sources: SourceMap,
    by_path: BTreeMap<String, State>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Loading,
    Ready(ModuleId),
    Failed,
}

impl Program {
    /// The module of the standard library of this name, if it was loaded.
    pub fn library_module(&self, name: &str) -> Option<&Module> {
        match self.by_path.get(&format!("stdlib/{name}.mpc")) {
            Some(State::Ready(id)) => self.modules.get(*id),
            _ => None,
        }
    }
}

/// Reads the program in `path` and all that it imports.
pub fn load(path: &str, loader: &dyn Loader, messages: &mut Vec<Diagnostic>) -> Program {
    let mut reader = Reader { program: Program::default(), loader, messages, chain: vec![] };
    let text = match reader.read(path) {
        Ok(text) => text,
        Err(why) => {
            reader.messages.push(Diagnostic::global(format!("cannot read `{path}`: {why}")));
            return reader.program;
        }
    };
    if let Some(id) = reader.parse(path, path, text) {
        reader.chain.push(path.to_string());
        reader.imports(id);
    }
    if reader.program.modules.iter().any(|m| m.ast.divides) {
        for item in [LangItem::DivideFix, LangItem::DivideInt, LangItem::RemainderInt] {
            reader.library_module(item.path().0);
        }
    }
    reader.program
}

struct Reader<'a> {
    program: Program,
    loader: &'a dyn Loader,
    messages: &'a mut Vec<Diagnostic>,
    /// Paths of the files that are being imported, outermost first.
    chain: Vec<String>,
}

impl Reader<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, LoadError> {
        let bytes = self.loader.load(path)?;
        match bytes.len() {
            0..=MAX_SOURCE_BYTES => Ok(bytes),
            _ => Err(LoadError::TooLarge(MAX_SOURCE_BYTES)),
        }
    }

    fn parse(&mut self, path: &str, name: &str, bytes: Vec<u8>) -> Option<ModuleId> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").map(<[u8]>::to_vec).unwrap_or(bytes);
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => {
                let at = e.utf8_error().valid_up_to();
                let line = 1 + e.as_bytes()[..at].iter().filter(|b| **b == b'\n').count();
                self.messages.push(Diagnostic::global(format!(
                    "{path}:{line}: byte {at} is not valid UTF-8"
                )));
                return None;
            }
        };
        let file = self.program.sources.add(path, text);
        let text = &self.program.sources.get(file).expect("just added").text;
        let (ast, messages) = parse::parse(file, text);
        self.messages.extend(messages);
        let id = self.program.modules.len();
        let names = self.definitions(id, &ast);
        let circuits = BTreeMap::new();
        self.program.modules.push(Module { name: name.to_string(), file, ast, names, circuits });
        Some(id)
    }

    fn definitions(&mut self, id: ModuleId, ast: &ast::File) -> BTreeMap<String, Def> {
        let mut names: BTreeMap<String, Def> = BTreeMap::new();
        let mut places: BTreeMap<&str, Span> = BTreeMap::new();
        for (i, item) in ast.items.iter().enumerate() {
            let (name, def) = match item {
                ast::Item::Fn(f) => (&f.name, Def::Fn(id, i)),
                ast::Item::Const(c) => (&c.name, Def::Const(id, i)),
                ast::Item::Circuit(c) => (&c.name, Def::Circuit(id, i)),
                _ => continue,
            };
            match places.get(name.name.as_str()) {
                Some(first) => self.messages.push(
                    Diagnostic::error(
                        format!("`{}` is defined twice", name.name),
                        name.span,
                        "the second",
                    )
                    .also(*first, "the first"),
                ),
                None => {
                    places.insert(&name.name, name.span);
                    names.insert(name.name.clone(), def);
                }
            }
        }
        names
    }

    fn imports(&mut self, id: ModuleId) {
        let uses: Vec<ast::Use> = self.program.modules[id]
            .ast
            .items
            .iter()
            .filter_map(|item| match item {
                ast::Item::Use(u) => Some(u.clone()),
                _ => None,
            })
            .collect();
        for item in uses {
            self.import(id, &item);
        }
        self.circuits(id);
    }

    /// Reads the circuits that a module names.
    fn circuits(&mut self, id: ModuleId) {
        let items = self.program.modules[id].ast.items.iter().enumerate();
        let named: Vec<(usize, ast::CircuitFile)> = items
            .filter_map(|(i, item)| match item {
                ast::Item::Circuit(c) => Some((i, c.clone())),
                _ => None,
            })
            .collect();
        for (item, ast::CircuitFile { file, .. }) in named {
            match self.circuit(id, &file.name) {
                Ok(circuit) => {
                    self.program.modules[id].circuits.insert(item, Arc::new(circuit));
                }
                Err(why) => self.messages.push(Diagnostic::error(
                    format!("cannot read the circuit `{}`", file.name),
                    file.span,
                    why,
                )),
            }
        }
    }

    fn circuit(&self, from: ModuleId, file: &str) -> Result<Circuit, String> {
        let module = &self.program.modules[from];
        let importer = self.program.sources.get(module.file).map_or("", |s| s.name.as_str());
        if importer.starts_with("stdlib/") {
            return Err("the standard library has no circuits".into());
        }
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        if !file.split('/').all(plain) || file.contains('\\') {
            return Err("expected a path inside the folder of the program, with `/`".into());
        }
        let path = match importer.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{file}"),
            None => file.to_string(),
        };
        let bytes = self.loader.load(&path).map_err(|why| format!("`{path}`: {why}"))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| "it is no text".to_string())?;
        bristol::read(&path, text)
    }

    fn import(&mut self, into: ModuleId, item: &ast::Use) {
        // `use stdlib::math;` takes the module, `use stdlib::math::exp;` one name of it.
        let whole = |u: &ast::Use| u.path.iter().chain(&u.names).cloned().collect::<Vec<_>>();
        if !item.braces
            && let Some(name) = item.names.first().or(item.path.last())
        {
            let as_module = whole(item);
            let alone = item.names.is_empty()
                || matches!(&item.path[..], [one] if one.name == "stdlib" || one.name == "self" || one.name == "super");
            if alone || self.exists(into, &as_module) {
                let def = self.module(into, &as_module, item.span).map_or(Def::Broken, Def::Module);
                self.bind(into, name, def);
                return;
            }
        }
        let module = self.module(into, &item.path, item.span);
        for name in &item.names {
            let def = module.map_or(Def::Broken, |m| self.member(m, name));
            self.bind(into, name, def);
        }
    }

    fn member(&mut self, module: ModuleId, name: &ast::Ident) -> Def {
        let module = &self.program.modules[module];
        if let Some(def) = module.names.get(&name.name) {
            return *def;
        }
        let label = format!("`{}` has no function or constant of that name", module.name);
        let mut message = Diagnostic::error(
            format!("`{}` is not in `{}`", name.name, module.name),
            name.span,
            label,
        );
        if let Some(near) = did_you_mean(&name.name, module.names.keys().map(String::as_str)) {
            message = message.help(format!("did you mean `{near}`?"));
        }
        self.messages.push(message);
        Def::Broken
    }

    fn bind(&mut self, into: ModuleId, name: &ast::Ident, def: Def) {
        match self.program.modules[into].names.get(&name.name) {
            Some(before) if *before != def && *before != Def::Broken => {
                let message = Diagnostic::error(
                    format!("`{}` is defined twice", name.name),
                    name.span,
                    "imported here, defined elsewhere in this file",
                );
                self.messages.push(message);
            }
            _ => {
                self.program.modules[into].names.insert(name.name.clone(), def);
            }
        }
    }

    fn exists(&self, from: ModuleId, path: &[ast::Ident]) -> bool {
        match self.resolve(from, path) {
            Ok(file) => match file.strip_prefix("stdlib/") {
                Some(name) => library().any(|(n, _)| name == format!("{n}.mpc")),
                None => {
                    self.program.by_path.contains_key(&file)
                        || !matches!(self.loader.load(&file), Err(LoadError::Missing))
                }
            },
            Err(_) => false,
        }
    }

    /// The file that a path names, relative to the program's folder, or what is wrong with the path.
    fn resolve(&self, from: ModuleId, path: &[ast::Ident]) -> Result<String, Box<Diagnostic>> {
        let names: Vec<&str> = path.iter().map(|p| p.name.as_str()).collect();
        let span = path
            .first()
            .map_or(Span::default(), |p| p.span)
            .to(path.last().map_or(Span::default(), |p| p.span));
        if names.first() == Some(&"stdlib") {
            return Ok(format!("{}.mpc", names.join("/")));
        }
        let from = &self.program.modules[from];
        let importer = self.program.sources.get(from.file).map_or("", |s| s.name.as_str());
        if importer.starts_with("stdlib/") {
            return Ok(format!("stdlib/{}.mpc", names.join("/")));
        }
        let mut folder: Vec<&str> = importer.split('/').collect();
        folder.pop();
        for (i, name) in names.iter().enumerate() {
            match *name {
                "self" if i == 0 => {}
                "super" => {
                    if folder.pop().is_none() {
                        let message = Diagnostic::error(
                            "an import cannot leave the folder of the program",
                            span,
                            "leads outside",
                        );
                        return Err(Box::new(
                            message.help("copy the file into the folder of the program"),
                        ));
                    }
                }
                name => folder.push(name),
            }
        }
        Ok(format!("{}.mpc", folder.join("/")))
    }

    fn module(&mut self, from: ModuleId, path: &[ast::Ident], span: Span) -> Option<ModuleId> {
        let file = match self.resolve(from, path) {
            Ok(file) => file,
            Err(message) => {
                self.messages.push(*message);
                return None;
            }
        };
        match self.program.by_path.get(&file) {
            Some(State::Ready(id)) => return Some(*id),
            Some(State::Failed) => return None,
            Some(State::Loading) => {
                self.cycle(&file, span);
                return None;
            }
            None if self.chain.contains(&file) => {
                self.cycle(&file, span);
                return None;
            }
            None if self.chain.len() > MAX_CHAIN => {
                self.messages.push(Diagnostic::error(
                    "imports are nested too deeply",
                    span,
                    format!("more than {MAX_CHAIN} files"),
                ));
                return None;
            }
            None => {}
        }
        if let Some(name) = file.strip_prefix("stdlib/").and_then(|f| f.strip_suffix(".mpc")) {
            let id = self.library_module(name);
            if id.is_none() {
                let mut message = Diagnostic::error(
                    format!("the standard library has no module `{name}`"),
                    span,
                    "",
                );
                message = match did_you_mean(name, library().map(|(n, _)| n)) {
                    Some(near) => message.help(format!("did you mean `stdlib::{near}`?")),
                    None => message.note(format!(
                        "its modules: {}",
                        library().map(|(n, _)| n).collect::<Vec<_>>().join(", ")
                    )),
                };
                self.messages.push(message);
            }
            return id;
        }
        let name = path.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join("::");
        match self.read(&file) {
            Ok(bytes) => self.enter(&file, &name, bytes),
            Err(why) => {
                self.messages.push(Diagnostic::error(
                    format!("cannot read the module `{name}`"),
                    span,
                    format!("`{file}`: {why}"),
                ));
                self.program.by_path.insert(file, State::Failed);
                None
            }
        }
    }

    fn library_module(&mut self, name: &str) -> Option<ModuleId> {
        let file = format!("stdlib/{name}.mpc");
        if let Some(State::Ready(id)) = self.program.by_path.get(&file) {
            return Some(*id);
        }
        let (_, text) = library().find(|(n, _)| *n == name)?;
        self.enter(&file, name, text.as_bytes().to_vec())
    }

    fn enter(&mut self, file: &str, name: &str, bytes: Vec<u8>) -> Option<ModuleId> {
        self.program.by_path.insert(file.to_string(), State::Loading);
        self.chain.push(file.to_string());
        let id = self.parse(file, name, bytes);
        if let Some(id) = id {
            self.imports(id);
        }
        self.chain.pop();
        self.program.by_path.insert(file.to_string(), id.map_or(State::Failed, State::Ready));
        id
    }

    fn cycle(&mut self, file: &str, span: Span) {
        let start = self.chain.iter().position(|f| f == file).unwrap_or(0);
        let mut circle: Vec<&str> = self.chain[start..].iter().map(String::as_str).collect();
        circle.push(file);
        let message =
            Diagnostic::error("modules import each other in a circle", span, "closes the circle")
                .note(circle.join(" imports "));
        self.messages.push(message);
    }
}

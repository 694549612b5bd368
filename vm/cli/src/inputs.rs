//! Which file holds which input, and who plays which role.

use std::path::Path;

use mpc_bytecode::{Program, Receivers, Variable};
use mpc_runtime::{Party, Result};
use mpc_vm::data;
use mpc_vm::session::nearest;

use crate::wrong;

/// The role that owns an input.
pub(crate) fn owner(variable: &Variable) -> usize {
    match &variable.receivers {
        Receivers::Roles(roles) => roles.first().map_or(0, |r| *r as usize),
        Receivers::All => 0,
    }
}

/// Values of the inputs by number, for those whose role is `mine`.
///
/// `NAME=PATH` stands for every input of that name, also for what each of several roles gives. If
/// several roles have one, the file holds them all, stacked along a further first dimension;
/// `ROLE.NAME=PATH` names the one of a role.
pub(crate) fn read(
    program: &Program,
    files: &[(String, String)],
    mine: impl Fn(usize) -> bool,
) -> Result<Vec<Option<Vec<i128>>>> {
    check_names(program, files)?;
    let mut values = Vec::new();
    for variable in &program.inputs {
        let role = owner(variable);
        values.push(if mine(role) {
            Some(read_one(program, files, variable, role)?)
        } else {
            None
        });
    }
    Ok(values)
}

/// Puts the names in a file in the place of it, where it was given without a name. What has a name of its own comes first.
pub(crate) fn expand(inputs: &mut Vec<(String, String)>) -> Result<()> {
    let (mut out, unnamed): (Vec<_>, Vec<_>) =
        inputs.drain(..).partition(|(name, _)| !name.is_empty());
    let named = out.clone();
    for (_, path) in unnamed {
        for name in data::names(Path::new(&path))? {
            if !named.iter().any(|(known, _)| *known == name) {
                let member =
                    if path.ends_with(".npz") { format!("{path}:{name}") } else { path.clone() };
                out.push((name, member));
            }
        }
    }
    *inputs = out;
    Ok(())
}

/// The `--input` arguments that concern inputs of a party.
pub(crate) fn of_party(
    program: &Program,
    files: &[(String, String)],
    mine: impl Fn(usize) -> bool,
) -> Vec<(String, String)> {
    let concerns = |key: &str| {
        (program.inputs.iter())
            .any(|v| mine(owner(v)) && (key == stem(v) || is_alone(program, v, key)))
    };
    files.iter().filter(|(key, _)| concerns(key)).cloned().collect()
}

/// The name in the source: `bid` for what each of several bidders gives as `bid[0]`, `bid[1]`, …
fn stem(variable: &Variable) -> &str {
    variable.name.split('[').next().unwrap_or(&variable.name)
}

/// Whether the key names this input and no other.
fn is_alone(program: &Program, variable: &Variable, key: &str) -> bool {
    let name = stem(variable);
    (key == variable.name && key != name)
        || key == format!("{}.{name}", program.roles[owner(variable)])
}

fn check_names(program: &Program, files: &[(String, String)]) -> Result<()> {
    for (at, (key, _)) in files.iter().enumerate() {
        let known = |v: &Variable| stem(v) == key || is_alone(program, v, key);
        if !program.inputs.iter().any(known) {
            let names: Vec<&str> = program.inputs.iter().map(stem).collect();
            let hint = match nearest(key, &names) {
                Some(best) => format!("; did you mean `{best}`?"),
                None if names.is_empty() => "; it has none".into(),
                None => format!("; it has {}", unique(&names).join(", ")),
            };
            return Err(wrong(format!("the program has no input `{key}`{hint}")));
        }
        if files[..at].iter().any(|(other, _)| other == key) {
            return Err(wrong(format!("input `{key}` is given twice")));
        }
    }
    Ok(())
}

fn unique<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut names = names.to_vec();
    names.dedup();
    names
}

fn read_one(
    program: &Program,
    files: &[(String, String)],
    variable: &Variable,
    role: usize,
) -> Result<Vec<i128>> {
    if let Some((_, path)) = files.iter().find(|(key, _)| is_alone(program, variable, key)) {
        return data::read_input(Path::new(path), variable);
    }
    let name = stem(variable);
    let Some((_, path)) = files.iter().find(|(key, _)| key == name) else {
        let Variable { element, shape, .. } = variable;
        let role = &program.roles[role];
        return Err(wrong(format!(
            "input `{name}` of role {role} is missing: {element} of shape {shape:?}; \
             give --input {name}=FILE"
        )));
    };
    let namesakes: Vec<&Variable> = program.inputs.iter().filter(|v| stem(v) == name).collect();
    if namesakes.len() == 1 {
        return data::read_input(Path::new(path), variable);
    }
    let mut stacked = variable.clone();
    stacked.shape.insert(0, namesakes.len() as u64);
    let all = data::read_input(Path::new(path), &stacked)?;
    let at = namesakes.iter().position(|v| owner(v) == role).unwrap_or(0);
    let size = all.len() / namesakes.len();
    Ok(all[at * size..(at + 1) * size].to_vec())
}

/// Party of each role: as given, `bidders=1` for a whole array of roles; else roles go round the
/// parties in order.
pub(crate) fn roles(
    program: &Program,
    given: &[(String, Party)],
    parties: usize,
) -> Result<Vec<Party>> {
    let stem = |role: &str| role.split('[').next().unwrap_or(role).to_string();
    for (name, party) in given {
        if !program.roles.iter().any(|role| role == name || stem(role) == *name) {
            let known: Vec<&str> = program.roles.iter().map(String::as_str).collect();
            let text = format!("the program has no role `{name}`; it has {}", known.join(", "));
            return Err(wrong(text));
        }
        if *party >= parties {
            let text = format!("role {name}: there is no party {party}, only {parties} from 0");
            return Err(wrong(text));
        }
    }
    let found = |role: &String| {
        (given.iter().find(|(name, _)| name == role))
            .or_else(|| given.iter().find(|(name, _)| *name == stem(role)))
            .map(|(_, party)| *party)
    };
    let of = |(at, role)| found(role).unwrap_or(at % parties);
    Ok(program.roles.iter().enumerate().map(of).collect())
}

/// `--role` arguments with the parties as numbers.
pub(crate) fn parse_roles(
    given: &[(String, String)],
    names: &[&str],
) -> Result<Vec<(String, Party)>> {
    let party =
        |text: &str| text.parse().ok().or_else(|| names.iter().position(|name| *name == text));
    (given.iter())
        .map(|(role, text)| match party(text) {
            Some(party) => Ok((role.clone(), party)),
            None => Err(wrong(format!("role {role}: `{text}` is no party"))),
        })
        .collect()
}

//! Reference pages from the comments of modules.
//!
//! A page has what the file says of itself, a table of its functions, and for each its signature, its documentation and its examples,
//! which are lines `> call == value`. Functions without documentation are internal and are left out.

use std::fmt::Write as _;

use crate::Failure;
use crate::diagnostics::Diagnostic;
use crate::format::signature;
use crate::parse::{self, ast};
use crate::source::SourceMap;

/// Words that begin a fact of its own within a paragraph.
const FACTS: [&str; 5] = ["Error:", "Cost:", "Source:", "Rounds:", "Exact"];

/// The lines of the comment `///` right above a function, without its slashes.
pub fn comment<'a>(text: &'a str, f: &ast::Function) -> Vec<&'a str> {
    let above = text[..f.span.start as usize].trim_end_matches(' ').lines().rev();
    let mut lines: Vec<&str> =
        above.map_while(|line| line.strip_prefix("///")).map(str::trim).collect();
    lines.reverse();
    lines
}

/// The page of a module in Markdown. `name` is what a program imports, such as `stdlib::math`.
///
/// # Errors
/// The text is no module.
pub fn page(name: &str, text: &str) -> Result<String, Failure> {
    let mut sources = SourceMap::default();
    let (file, diagnostics) = parse::parse(sources.add(name, text), text);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(Failure { diagnostics, sources });
    }
    let documented: Vec<(&ast::Function, Vec<&str>)> = functions(&file)
        .map(|f| (f, comment(text, f)))
        .filter(|(_, lines)| !lines.is_empty())
        .collect();
    let mut out = format!("# {name}\n\n");
    let intro: Vec<&str> = text
        .lines()
        .map_while(|line| line.strip_prefix("//"))
        .map(|line| line.trim_start_matches('/').trim())
        .collect();
    paragraphs(&intro, &mut out);
    if !documented.is_empty() {
        out.push_str("| function | |\n|---|---|\n");
    }
    for (f, lines) in &documented {
        let name = &f.name.name;
        let summary: Vec<&str> =
            lines.iter().copied().take_while(|line| !line.is_empty()).collect();
        let _ = writeln!(out, "| [`{name}`](#{name}) | {} |", escaped(&summary.join(" ")));
    }
    for (f, lines) in &documented {
        let _ = write!(out, "\n## {}\n\n```\n{}\n```\n\n", f.name.name, signature(f).trim_end());
        let (examples, prose): (Vec<&str>, Vec<&str>) =
            lines.iter().partition(|line| line.starts_with("> "));
        paragraphs(&prose, &mut out);
        if !examples.is_empty() {
            let calls: String = examples.iter().map(|line| format!("{}\n", &line[2..])).collect();
            let _ = write!(out, "```\n{calls}```\n");
        }
    }
    Ok(out)
}

fn functions(file: &ast::File) -> impl Iterator<Item = &ast::Function> {
    file.items.iter().filter_map(|item| match item {
        ast::Item::Fn(f) => Some(f),
        _ => None,
    })
}

/// Paragraphs as they are, facts as the items of a list.
fn paragraphs(lines: &[&str], out: &mut String) {
    for paragraph in lines.split(|line| line.is_empty()).filter(|lines| !lines.is_empty()) {
        let facts: Vec<String> = paragraph.iter().flat_map(|line| facts(line)).collect();
        let is_fact = |text: &str| FACTS.iter().any(|word| text.starts_with(word));
        if !facts.iter().any(|text| is_fact(text)) {
            let _ = write!(out, "{}\n\n", escaped(&paragraph.join("\n")));
            continue;
        }
        for (i, text) in facts.iter().enumerate() {
            let continued = i > 0 && !is_fact(text) && text.starts_with(char::is_lowercase);
            let bullet = if continued && !text.contains(": ") { "  " } else { "- " };
            let _ = writeln!(out, "{bullet}{}", escaped(text));
        }
        out.push('\n');
    }
}

/// A line of a paragraph, cut where a fact begins after two blanks.
fn facts(line: &str) -> Vec<String> {
    line.split("  ").map(str::trim).filter(|part| !part.is_empty()).map(String::from).collect()
}

/// Text outside of code in which nothing is taken for Markdown or HTML by mistake.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for (i, part) in text.split('`').enumerate() {
        if i > 0 {
            out.push('`');
        }
        let code = i % 2 == 1;
        for c in part.chars() {
            if !code && matches!(c, '<' | '>' | '|' | '*' | '_' | '[' | ']' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = "// Shapes of things.
// A second line.
use stdlib::math;

/// Area of a <rectangle>.
///
/// a, b: int<k>, not negative.  Exact.  Cost: one product.
/// Source: Euclid.
///
/// > area([2], [3]) == [6]
fn area<k, n>(a: secret int<k>[n], b: secret int<k>[n]) -> secret int<2 * k>[n] {
    a * b
}

// internal
fn helper(a: int) -> int { a }
";

    #[test]
    fn a_page_has_signature_facts_and_examples() {
        let page = page("shapes", MODULE).expect("it is a module");
        assert_eq!(
            page,
            "# shapes

Shapes of things.
A second line.

| function | |
|---|---|
| [`area`](#area) | Area of a \\<rectangle\\>. |

## area

```
fn area<k, n>(a: secret int<k>[n], b: secret int<k>[n]) -> secret int<2 * k>[n]
```

Area of a \\<rectangle\\>.

- a, b: int\\<k\\>, not negative.
- Exact.
- Cost: one product.
- Source: Euclid.

```
area([2], [3]) == [6]
```
"
        );
    }

    #[test]
    fn every_module_of_the_library_has_a_page() {
        for (name, text) in crate::check::modules::library() {
            let page =
                page(name, text).unwrap_or_else(|failure| panic!("{}", failure.render(false)));
            assert!(page.starts_with(&format!("# {name}\n")), "{page}");
        }
    }

    #[test]
    fn what_is_no_module_is_an_error() {
        assert!(page("bad", "fn f( {").is_err());
    }
}

//! What the compiler says to its user: the message, the place, what was expected and found, and what to do.
//!
//! Texts are part of the product: a title says what is wrong in the user's words, a label what stands at the caret, a help what to write instead.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use crate::source::{SourceMap, Span};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is produced.
    Error,
    /// The program is compiled, and may not do what is meant.
    Warning,
}

/// A place with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What stands there.
    pub text: String,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub title: String,
    /// The place, if the message has one.
    pub primary: Option<Label>,
    /// Further places.
    pub secondary: Vec<Label>,
    /// What would have been right.
    pub expected: Option<String>,
    /// What was there instead.
    pub found: Option<String>,
    /// Facts that explain.
    pub notes: Vec<String>,
    /// What to write instead.
    pub helps: Vec<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(title: impl Into<String>, span: Span, label: impl Into<String>) -> Self {
        Self::new(Severity::Error, title.into(), Some(Label { span, text: label.into() }))
    }

    /// A warning at a place.
    pub fn warning(title: impl Into<String>, span: Span, label: impl Into<String>) -> Self {
        Self::new(Severity::Warning, title.into(), Some(Label { span, text: label.into() }))
    }

    /// An error about the whole program or its options.
    pub fn global(title: impl Into<String>) -> Self {
        Self::new(Severity::Error, title.into(), None)
    }

    /// A warning about the whole program.
    pub fn warning_about(title: impl Into<String>) -> Self {
        Self::new(Severity::Warning, title.into(), None)
    }

    fn new(severity: Severity, title: String, primary: Option<Label>) -> Self {
        Self {
            severity,
            title,
            primary,
            secondary: vec![],
            expected: None,
            found: None,
            notes: vec![],
            helps: vec![],
        }
    }

    /// Adds what was expected and what was found.
    pub fn expected(mut self, expected: impl Into<String>, found: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self.found = Some(found.into());
        self
    }

    /// Adds a fact.
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds a hint.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.helps.push(text.into());
        self
    }

    /// Adds another place.
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// True for errors.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The message as rustc would print it.
pub fn render(diagnostic: &Diagnostic, sources: &SourceMap, colour: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(diagnostic.title.clone()));
    let mut shown: Vec<(u32, Vec<(AnnotationKind, &Label)>)> = vec![];
    let labels = diagnostic.primary.iter().map(|l| (AnnotationKind::Primary, l));
    for (kind, label) in
        labels.chain(diagnostic.secondary.iter().map(|l| (AnnotationKind::Context, l)))
    {
        match shown.iter_mut().find(|(file, _)| *file == label.span.file.0) {
            Some((_, list)) => list.push((kind, label)),
            None => shown.push((label.span.file.0, vec![(kind, label)])),
        }
    }
    for (_, labels) in &shown {
        group = group.elements(snippets(labels, sources));
    }
    if let (Some(expected), Some(found)) = (&diagnostic.expected, &diagnostic.found) {
        group =
            group.element(Level::NOTE.message(format!("expected {expected}\n   found {found}")));
    }
    group = group.elements(diagnostic.notes.iter().map(|n| Level::NOTE.message(n.clone())));
    group = group.elements(diagnostic.helps.iter().map(|h| Level::HELP.message(h.clone())));
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// Longest line that is shown with carets; a longer one (generated, or not a program at all) is only named.
const MAX_SHOWN_LINE: usize = 400;

/// Lines of one file with marks. The text handed on is cut to the lines concerned, so that a message costs nothing in a large file.
fn snippets<'a>(
    labels: &[(AnnotationKind, &Label)],
    sources: &SourceMap,
) -> Vec<annotate_snippets::Element<'a>> {
    let Some(source) = labels.first().and_then(|(_, l)| sources.get(l.span.file)) else {
        return vec![];
    };
    let line_of = |offset: u32| source.position(offset).0;
    let first = labels.iter().map(|(_, l)| line_of(l.span.start)).min().unwrap_or(1);
    let last = labels.iter().map(|(_, l)| line_of(l.span.end)).max().unwrap_or(1);
    let (from, to) = (source.line_range(first).start, source.line_range(last).end);
    let too_long = (first..=last).take(200).any(|l| source.line_range(l).len() > MAX_SHOWN_LINE);
    if too_long || last - first >= 200 {
        let (line, column) = source.position(labels[0].1.span.start);
        let origin = annotate_snippets::Origin::path(source.name.clone())
            .line(line as usize)
            .char_column(column as usize);
        let text = labels[0].1.text.clone();
        let mut out: Vec<annotate_snippets::Element<'a>> = vec![origin.into()];
        if !text.is_empty() {
            out.push(Level::NOTE.message(text).into());
        }
        return out;
    }
    let text = source.text[from..to].to_string();
    let length = text.len();
    let mut snippet =
        Snippet::source(text).path(source.name.clone()).line_start(first as usize).fold(true);
    for (kind, label) in labels {
        let start = (label.span.start as usize).saturating_sub(from).min(length);
        let end = (label.span.end as usize).saturating_sub(from).min(length).max(start);
        let annotation = kind.span(start..end);
        snippet = snippet.annotation(if label.text.is_empty() {
            annotation
        } else {
            annotation.label(label.text.clone())
        });
    }
    vec![snippet.into()]
}

#[derive(Serialize)]
struct JsonPlace<'a> {
    file: &'a str,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    label: &'a str,
}

#[derive(Serialize)]
struct JsonDiagnostic<'a> {
    severity: Severity,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<JsonPlace<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    places: Vec<JsonPlace<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: &'a Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    helps: &'a [String],
}

/// The message as one JSON object in one line; lines and columns count from 1.
pub fn render_json(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let place = |label| place_of(label, sources);
    let json = JsonDiagnostic {
        severity: diagnostic.severity,
        title: &diagnostic.title,
        place: diagnostic.primary.as_ref().and_then(place),
        places: diagnostic.secondary.iter().filter_map(place).collect(),
        expected: &diagnostic.expected,
        found: &diagnostic.found,
        notes: &diagnostic.notes,
        helps: &diagnostic.helps,
    };
    serde_json::to_string(&json).expect("strings and numbers always serialise")
}

fn place_of<'a>(label: &'a Label, sources: &'a SourceMap) -> Option<JsonPlace<'a>> {
    let source = sources.get(label.span.file)?;
    let ((line, column), (end_line, end_column)) =
        (source.position(label.span.start), source.position(label.span.end));
    Some(JsonPlace { file: &source.name, line, column, end_line, end_column, label: &label.text })
}

/// The name among `candidates` that `name` was probably meant to be.
pub fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = 1 + name.chars().count() / 4;
    let scored = candidates.into_iter().filter(|c| *c != name).map(|c| (edit_distance(name, c), c));
    scored.filter(|(d, _)| *d <= limit).min().map(|(_, c)| c)
}

/// Levenshtein distance with transpositions of neighbours counted as one.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                    let swapped = if swap { rows[i - 2][j - 2] + 1 } else { usize::MAX };
                    change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(swapped)
                }
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        assert_eq!(did_you_mean("sigmiod", ["softmax", "sigmoid"]), Some("sigmoid"));
        assert_eq!(did_you_mean("x", ["sigmoid", "relu"]), None);
    }
}

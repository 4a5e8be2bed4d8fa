//! What becomes of a document that cannot be read: a finding, a template of another
//! tool, or something that nobody meant for Kubernetes.
//!
//! Refuses to know how it was read.

use super::{Parsed, nameless};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{Document, Opacity, Outcome, SOME_POLICIES};
use crate::source::Span;
use crate::yaml::ReadError;

/// Notes the document in `span` of `text`, which could not be read for `error`.
pub(super) fn report(error: ReadError, text: &str, span: Span, parsed: &mut Parsed) {
    let document = &text[span.range()];
    let at = (error.span.end.max(span.start) - span.start) as usize;
    let outcome = if error.is_limit {
        // Nobody knows what stands behind the limit, so this is never passed over.
        parsed.diagnostics.push(diagnostic(error));
        Outcome::Broken
    } else if let Some(opacity) = opacity(document, at) {
        match looks_like_kubernetes(document) {
            true => Outcome::Opaque(opacity),
            false => Outcome::NotKubernetes,
        }
    } else if !looks_like_kubernetes(document) {
        pass_over(error, parsed.documents.len(), parsed);
        Outcome::NotKubernetes
    } else {
        parsed.diagnostics.push(diagnostic(error));
        Outcome::Broken
    };
    parsed.documents.push(as_written(text, span, outcome));
}

/// Notes the document in `span` of `text`, which kubectl refuses for what stands behind it: that is
/// reported there.
pub(super) fn refuse(text: &str, span: Span, parsed: &mut Parsed) {
    let outcome = match looks_like_kubernetes(&text[span.range()]) {
        true => Outcome::Broken,
        false => Outcome::NotKubernetes,
    };
    parsed.documents.push(as_written(text, span, outcome));
}

/// What is to be seen of the document in `span` of `text` without reading it: its comments, and
/// where an object is meant, its kind and its namespace.
pub(super) fn as_written(text: &str, span: Span, outcome: Outcome) -> Document {
    let mut document = nameless(span, outcome);
    document.comments = whole_line_comments(text, span).into();
    if outcome.hides_an_object() {
        let text = &text[span.range()];
        document.kind = match written_kind(text) {
            // It may be a list, or have its kind where only a reader finds it.
            "" | "List" if text.contains("NetworkPolicy") => SOME_POLICIES,
            kind => kind,
        }
        .into();
        document.namespace = written_namespace(text).into();
    }
    document
}

/// Notes what is wrong with a document that may be no manifest.
pub(super) fn pass_over(error: ReadError, document: usize, parsed: &mut Parsed) {
    parsed.passed_over.push((document, diagnostic(error)));
}

/// Reports what is wrong with documents that stand beside Kubernetes objects, though
/// nobody would take them for manifests: kubectl reads a text up to its first mistake.
pub(super) fn report_neighbours(parsed: &mut Parsed) {
    let is_object =
        |document: &Document| !matches!(document.outcome, Outcome::NotKubernetes | Outcome::Empty);
    let has_objects = parsed.documents.iter().any(is_object) || !parsed.diagnostics.is_empty();
    for (index, diagnostic) in std::mem::take(&mut parsed.passed_over) {
        if has_objects {
            parsed.documents[index].outcome = Outcome::Broken;
            parsed.diagnostics.push(diagnostic);
        }
    }
}

/// The kind that a line at the left margin says; empty if none does.
fn written_kind(text: &str) -> &str {
    let values = text.lines().filter_map(|line| line.strip_prefix("kind:"));
    let mut kinds = values.map(|value| value.trim().trim_matches(['"', '\'']));
    let is_kind = |kind: &&str| {
        kind.starts_with(|c: char| c.is_ascii_uppercase())
            && kind.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    kinds.find(is_kind).unwrap_or_default()
}

/// The namespace that a line of `metadata` says, where no other tool fills it in; empty if none
/// does.
fn written_namespace(text: &str) -> &str {
    let mut lines = text
        .lines()
        .skip_while(|line| !line.starts_with("metadata:"));
    let Some(first) = lines.next() else {
        return "";
    };
    let is_inside = |line: &&str| line.starts_with([' ', '\t', '#']) || line.trim().is_empty();
    let fields = first["metadata:".len()..].split(['{', ',', '}']);
    let fields = fields.chain(lines.take_while(is_inside));
    let mut values = fields.filter_map(|field| field.trim().strip_prefix("namespace:"));
    let value = values.next().unwrap_or_default();
    let value = value.split('#').next().unwrap_or_default();
    let name = value.trim().trim_matches(['"', '\'']);
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match name.bytes().all(is_name) {
        true => name,
        false => "",
    }
}

/// The comments that stand alone on their lines: what is to be seen of comments without
/// knowing the rest of the text.
pub(super) fn whole_line_comments(text: &str, document: Span) -> Vec<Span> {
    let mut start = document.start;
    let mut comments = Vec::new();
    for line in text[document.range()].split_inclusive('\n') {
        let comment = line.trim();
        if comment.starts_with('#') {
            let from = start + (line.len() - line.trim_start().len()) as u32;
            comments.push(Span::new(
                document.source,
                from,
                from + comment.len() as u32,
            ));
        }
        start += line.len() as u32;
    }
    comments
}

fn diagnostic(error: ReadError) -> Diagnostic {
    let diagnostic = Diagnostic::new("yaml-error", Severity::Error, error.span, error.message);
    let mut diagnostic = diagnostic.label(error.label);
    if let Some((span, note)) = error.related {
        diagnostic = diagnostic.related(span, note);
    }
    match error.help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// Whether somebody meant a text for Kubernetes: a line says `apiVersion`, or a `kind`
/// that is spelled like one; in JSON, which many other things are written in, both.
pub(super) fn looks_like_kubernetes(text: &str) -> bool {
    let has_both = || has_key(text, "apiVersion") && has_key(text, "kind");
    // Whatever else is wrong with it, somebody means a policy.
    if text.contains("networking.k8s.io/v")
        || text.contains("NetworkPolicy") && has_key(text, "kind")
    {
        return true;
    }
    if text.trim_start().starts_with(['{', '[']) {
        return has_both();
    }
    let is_line = text.lines().any(|line| {
        let line = line.trim_start_matches([' ', '\t', '-', '{', '[', ',']);
        let value_of = |key: &str| {
            let rest = line.trim_start_matches(['"', '\'']).strip_prefix(key)?;
            rest.trim_start_matches(['"', '\''])
                .trim_start()
                .strip_prefix(':')
        };
        let is_kind = |value: &str| {
            value
                .trim_start_matches([' ', '"', '\''])
                .starts_with(|c: char| c.is_ascii_uppercase())
        };
        value_of("apiVersion").is_some() || value_of("kind").is_some_and(is_kind)
    });
    // On one line, in brackets, both stand anywhere.
    is_line || text.contains(['{', '?']) && has_both()
}

/// Whether a key of this name stands somewhere in a text: in front of a colon, in quotes,
/// or behind a `?`.
fn has_key(text: &str, key: &str) -> bool {
    text.match_indices(key).any(|(at, _)| {
        let before = text[..at].trim_end_matches(['"', '\'']);
        let behind = &text[at + key.len()..];
        let is_quoted = before.len() < at && behind.starts_with(['"', '\'']);
        let is_explicit = before.trim_end().ends_with('?');
        let starts = before.is_empty() || before.ends_with(['{', ',', ' ', '\n', '\t', '?']);
        starts && (is_quoted || is_explicit || behind.trim_start().starts_with(':'))
    })
}

/// The other tool that the document waits for, if one of its holes stands before the
/// place of the error or on its line: behind it, it cannot have caused it.
fn opacity(text: &str, at: usize) -> Option<Opacity> {
    let end = text
        .as_bytes()
        .iter()
        .skip(at)
        .position(|byte| *byte == b'\n');
    let end = end.map_or(text.len(), |length| at + length);
    let has_own_braces = has_own_braces(text);
    let lines = text.get(..end).unwrap_or(text).lines();
    let mut lines = lines.filter(|line| !line.trim_start().starts_with('#'));
    lines.find_map(|line| {
        let has_hole = |hole: &str| {
            let mut holes = line.match_indices(hole);
            let is_own = hole == "{{" && has_own_braces;
            !is_own && holes.any(|(at, _)| starts_value(&line[..at]))
        };
        // Values and statements of Helm and Jinja, and Jinja's comments.
        if ["{{", "{%", "{#"].into_iter().any(has_hole) {
            return Some(Opacity::Template);
        }
        // A value may be a variable without harm; a key or a part of a list may not.
        let is_variable = line.trim_start_matches([' ', '-']).starts_with("${");
        (is_variable || line.contains("{${") || line.contains("[${"))
            .then_some(Opacity::Substitution)
    })
}

/// Whether the braces of a document are its own: those of an ApplicationSet are parameters that
/// Argo CD fills in once it has read the text, so that the text has to be YAML. Not where something
/// in them is Helm's.
fn has_own_braces(text: &str) -> bool {
    const OF_HELM: [&str; 9] = [
        ".Values",
        ".Release",
        ".Chart",
        ".Capabilities",
        ".Files",
        "include \"",
        "toYaml",
        "{{`",
        "{{ `",
    ];
    let mut lines = text.lines();
    let is_set = lines.any(|line| {
        let kind = line.strip_prefix("kind:");
        kind.is_some_and(|kind| kind.trim().trim_matches(['"', '\'']) == "ApplicationSet")
    });
    is_set && !OF_HELM.iter().any(|word| text.contains(word))
}

/// Whether a value, or its quoted text, starts behind this part of a line.
fn starts_value(before: &str) -> bool {
    let before = before.trim_end_matches([' ', '\t', '"', '\'']);
    before.is_empty() || before.ends_with([':', '-', '[', ',', '{', '?'])
}

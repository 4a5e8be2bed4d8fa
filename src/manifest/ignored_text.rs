//! Text behind the end of a document that no tool of Kubernetes reads: kubectl takes the
//! first document of each piece of a text, of that its first value, and says nothing.
//!
//! Refuses to know how the end was found.

use super::{Parsed, nameless, unreadable};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::Outcome;
use crate::source::Span;
use crate::yaml::cursor::break_length;

/// Reports what stands in `rest` of `text`, behind a document of which the objects are
/// those from `first` on. `is_marked` if a `...` ends the document.
///
/// What looks like a document of its own is a warning; anything else is a mistake in the
/// document that it follows.
pub(super) fn report(text: &str, rest: Span, is_marked: bool, first: usize, parsed: &mut Parsed) {
    let Some(start) = first_word(text, rest) else {
        return;
    };
    let mut document = nameless(rest, Outcome::NotKubernetes);
    document.comments = unreadable::whole_line_comments(text, rest).into();
    let rest = Span::new(rest.source, start, rest.end);
    let is_object = |outcome: Outcome| !matches!(outcome, Outcome::NotKubernetes | Outcome::Empty);
    let is_behind_object = parsed.documents[first..]
        .iter()
        .any(|document| is_object(document.outcome));
    let is_object = unreadable::looks_like_kubernetes(&text[rest.range()]);
    if !is_behind_object && !is_object {
        return;
    }
    let line = text[rest.range()].lines().next().unwrap_or_default();
    let span = Span::new(rest.source, rest.start, rest.start + line.len() as u32);
    if is_marked || line.starts_with(['{', '[']) {
        let message = "no Kubernetes tool reads this part";
        let label = if is_marked {
            "`...` ends the document, and kubectl continues only after the next `---`"
        } else {
            "comes after the end of its document"
        };
        let diagnostic = Diagnostic::new("ignored-text", Severity::Warning, span, message);
        let help = "put a line `---` in front of it, or remove it";
        parsed.diagnostics.push(diagnostic.label(label).help(help));
        parsed.documents.push(document);
        return;
    }
    let message = "this text belongs to no value";
    let diagnostic = Diagnostic::new("yaml-error", Severity::Error, span, message);
    let diagnostic = diagnostic.label("the document has ended before it");
    parsed.diagnostics.push(diagnostic);
    document.outcome = Outcome::Broken;
    parsed.documents.push(document);
}

/// Where the first text starts that is neither white space nor part of a comment.
fn first_word(text: &str, within: Span) -> Option<u32> {
    let bytes = &text.as_bytes()[..within.end as usize];
    let mut at = within.start as usize;
    let mut is_comment = false;
    while at < bytes.len() {
        match (break_length(bytes, at), bytes[at]) {
            (length @ 1.., _) => {
                is_comment = false;
                at += length;
                continue;
            }
            (0, b' ' | b'\t') => {}
            (0, b'#') => is_comment = true,
            _ if !is_comment => return Some(at as u32),
            _ => {}
        }
        at += 1;
    }
    None
}

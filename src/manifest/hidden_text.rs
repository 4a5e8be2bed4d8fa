//! Text that a reviewer does not see as Kubernetes reads it: rules behind a line break
//! that is shown as none, and signs that turn text around on the screen.
//!
//! Refuses to know what the text says.

use super::Parsed;
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::Outcome;
use crate::source::Span;
use crate::yaml::cursor::break_length;

/// The rule that reports it.
pub(super) const HIDDEN_TEXT: &str = "hidden-text";

/// How many places of one document are told.
const MAX_REPORTED: usize = 20;

/// Reports the hidden text of the document in `span`, whose objects are those from `first`
/// on, if npcheck judges one of them.
pub(super) fn report(comments: &[Span], text: &str, span: Span, first: usize, parsed: &mut Parsed) {
    let is_judged = parsed.documents[first..]
        .iter()
        .any(|document| document.outcome == Outcome::Object || document.kind.ends_with("Policy"));
    let document = &text[span.range()];
    if !is_judged || document.is_ascii() && !document.contains('\r') {
        return;
    }
    let behind_comments = comments.iter().filter_map(|comment| behind(text, *comment));
    let turning = document
        .char_indices()
        .filter(|(_, character)| turns_text(*character))
        .map(|(at, character)| turned(span, at, character));
    let found = behind_comments.chain(turning).take(MAX_REPORTED);
    parsed.diagnostics.extend(found);
}

/// The text that stands behind a comment, on the same line for the eye.
fn behind(text: &str, comment: Span) -> Option<Diagnostic> {
    let bytes = text.as_bytes();
    let mut at = comment.end as usize;
    let sign = text[at..].chars().next()?;
    loop {
        let length = break_length(bytes, at);
        // An end of line that every program shows.
        if length == 0 || bytes[at] == b'\n' || text[at..].starts_with("\r\n") {
            return None;
        }
        at += length;
        let line = &text[at..];
        let end = (0..line.len()).find(|offset| break_length(line.as_bytes(), *offset) > 0);
        let line = &line[..end.unwrap_or(line.len())];
        let shown = line.trim();
        if !shown.is_empty() && !shown.starts_with('#') {
            let start = at + (line.len() - line.trim_start().len());
            let span = Span::new(comment.source, start as u32, (start + shown.len()) as u32);
            let message = "this text looks like part of the comment, but is not";
            let diagnostic = Diagnostic::new(HIDDEN_TEXT, Severity::Error, span, message);
            return Some(
                diagnostic
                    .label(format!(
                        "Kubernetes begins a new line at U+{:04X}",
                        u32::from(sign)
                    ))
                    .related(comment, "the comment ends here")
                    .help("write an ordinary line break, or remove the text"),
            );
        }
        at += line.len();
    }
}

/// Whether a character changes the direction of the text around it (Unicode's bidi
/// controls; CVE-2021-42574).
fn turns_text(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn turned(document: Span, at: usize, character: char) -> Diagnostic {
    let start = document.start + at as u32;
    let span = Span::new(document.source, start, start + character.len_utf8() as u32);
    let message = format!(
        "the character U+{:04X} changes the order in which the text around it is shown",
        u32::from(character)
    );
    Diagnostic::new(HIDDEN_TEXT, Severity::Error, span, message)
        .label("is not visible")
        .help("remove it, or write it as an escape in quotes")
}

//! Building edits that look as if the author of the text had made them: its indentation,
//! its line breaks.
//!
//! Refuses to know what the text means.

use crate::source::{Edit, SourceMap, Span, line_break};

/// The column of a span's start, counted in bytes from 0, where nothing but spaces and
/// hyphens of list items stands before it on its line; `None` elsewhere, and so for
/// everything in flow style that does not start its line.
#[must_use]
pub fn indentation(sources: &SourceMap, span: Span) -> Option<usize> {
    let text = sources.get(span.source).text();
    let line = text[..span.start as usize]
        .rfind('\n')
        .map_or(0, |newline| newline + 1);
    let before = &text[line..span.start as usize];
    before
        .bytes()
        .all(|byte| byte == b' ' || byte == b'-')
        .then_some(before.len())
}

/// The empty span behind the line in which `span` ends, before its line break, so that a
/// comment at the end of that line stays where it is.
#[must_use]
pub fn end_of_line(sources: &SourceMap, span: Span) -> Span {
    let text = sources.get(span.source).text();
    let rest = &text[span.end as usize..];
    let line = rest.find('\n').map_or(rest, |newline| &rest[..newline]);
    let end = span.end + line.strip_suffix('\r').unwrap_or(line).len() as u32;
    Span::new(span.source, end, end)
}

/// Inserts whole lines behind the line in which `span` ends.
#[must_use]
pub fn insert_lines_after(sources: &SourceMap, span: Span, lines: &[String]) -> Edit {
    let line_break = line_break(sources.get(span.source).text());
    let replacement = lines
        .iter()
        .flat_map(|line| [line_break, line.as_str()])
        .collect();
    Edit {
        span: end_of_line(sources, span),
        replacement,
    }
}

/// Takes a part of a comment away: the whole line if there is nothing else on it, else
/// with it the blanks that set it off from the rest.
#[must_use]
pub fn remove_comment(sources: &SourceMap, span: Span) -> Edit {
    let text = sources.get(span.source).text();
    let line = text[..span.start as usize]
        .rfind('\n')
        .map_or(0, |newline| newline + 1);
    let before = &text[line..span.start as usize];
    let behind = &text[span.end as usize..];
    let rest = behind
        .find('\n')
        .map_or(behind, |newline| &behind[..newline]);
    let blanks_behind = rest.len() - rest.trim_start().len();
    let (start, end) = match (before.trim().is_empty(), rest.trim().is_empty()) {
        // The line's break goes with it, and at the end of a text the one before it.
        (true, true) if rest.len() < behind.len() => (line, span.range().end + rest.len() + 1),
        (true, true) => (line.saturating_sub(1), text.len()),
        (true, false) => (span.range().start, span.range().end + blanks_behind),
        (false, _) => (line + before.trim_end().len(), span.range().end),
    };
    Edit {
        span: Span::new(span.source, start as u32, end as u32),
        replacement: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_goes_with_its_line_if_it_has_one() {
        for (text, expected) in [
            ("a: 1\n  # x\nb: 2\n", "a: 1\nb: 2\n"),
            ("a: 1\r\n  # x\r\nb: 2\r\n", "a: 1\r\nb: 2\r\n"),
            ("a: 1  # x\nb: 2\n", "a: 1\nb: 2\n"),
            ("a: 1  # x\r\nb: 2\r\n", "a: 1\r\nb: 2\r\n"),
            ("a: 1  # x", "a: 1"),
            ("a: 1\n# x", "a: 1"),
            ("# x\na: 1\n", "a: 1\n"),
            ("# x", ""),
            ("a: 1 # x  # y\n", "a: 1  # y\n"),
            ("  # x  # y\n", "  # y\n"),
        ] {
            let mut sources = SourceMap::default();
            let id = sources.add("a.yaml", text);
            let start = text.find("# x").expect("every text has it") as u32;
            let edit = remove_comment(&sources, Span::new(id, start, start + 3));
            let edited = crate::edit::apply(text, &[edit]);
            assert_eq!(edited.as_deref(), Ok(expected), "{text:?}");
        }
    }
}

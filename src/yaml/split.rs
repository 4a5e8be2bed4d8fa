//! Where the documents of a text start and end.
//!
//! Refuses to know what is in them.

use memchr::memmem;
use std::ops::Range;

/// The byte order mark; it may stand at the start of a text and means nothing there.
const BOM: &str = "\u{feff}";

/// The documents of a text, in order, each from the start of its first line that is not
/// blank to the `---` or `...` line behind it. Documents of nothing but white space are
/// left out.
///
/// kubectl cuts at every line that starts with `---`, without regard to what YAML makes
/// of it (`util/yaml/decoder.go`), and refuses the text if anything but a comment
/// follows; YAML readers take what follows for the document, and cut at `...`, too. Both
/// agree on all that kubectl accepts.
pub(crate) fn documents(text: &str) -> Vec<Range<usize>> {
    let mut documents = Vec::new();
    let mut start = if text.starts_with(BOM) { BOM.len() } else { 0 };
    let mut push = |range: Range<usize>| {
        let blank = blank_lines(&text[range.clone()]);
        if range.start + blank < range.end {
            documents.push(range.start + blank..range.end);
        }
    };
    for line in markers(text) {
        // `%YAML` and `%TAG` belong to the document behind their `---`.
        if text[line..].starts_with("---") && is_prologue(&text[start..line]) {
            continue;
        }
        push(start..line);
        start = line + 3;
    }
    push(start..text.len());
    documents
}

/// The offsets of the lines that separate documents, in order: `---` with anything behind
/// a blank, `...` with nothing but a comment.
fn markers(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    let first = if text.starts_with(BOM) { BOM.len() } else { 0 };
    let is_marker = move |line: &usize| {
        let rest = &bytes[*line..];
        let is_blank = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_whitespace);
        if rest.starts_with(b"---") {
            return is_blank(rest.get(3));
        }
        let tail = rest
            .iter()
            .skip(3)
            .find(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
        rest.starts_with(b"...")
            && is_blank(rest.get(3))
            && matches!(tail, None | Some(b'\n' | b'#'))
    };
    let lines = |marker: &'static [u8]| memmem::find_iter(bytes, marker).map(|newline| newline + 1);
    let mut ends = lines(b"\n...").filter(is_marker).peekable();
    let mut starts = std::iter::once(first)
        .chain(lines(b"\n---"))
        .filter(is_marker)
        .peekable();
    std::iter::from_fn(move || match (starts.peek(), ends.peek()) {
        (Some(start), Some(end)) if end < start => ends.next(),
        (None, _) => ends.next(),
        _ => starts.next(),
    })
}

/// Whether a text has directives, and nothing else but comments.
fn is_prologue(text: &str) -> bool {
    let mut has_directive = false;
    for line in text.lines() {
        if line.starts_with('%') {
            has_directive = true;
        } else if !line.trim_start().is_empty() && !line.trim_start().starts_with('#') {
            return false;
        }
    }
    has_directive
}

/// How many bytes the blank lines at the start take; all of them for blank text.
fn blank_lines(text: &str) -> usize {
    let blank = text.len() - text.trim_ascii_start().len();
    if blank == text.len() {
        blank
    } else {
        text[..blank].rfind('\n').map_or(0, |newline| newline + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::documents;

    #[test]
    fn cuts_where_kubectl_cuts() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            (" \n\t\n", &[]),
            ("a", &["a"]),
            ("a\n---\nb\n", &["a\n", "b\n"]),
            ("---\na\n---\n---\n\n", &["a\n"]),
            ("\u{feff}---\na\n", &["a\n"]),
            ("\u{feff}a\n", &["a\n"]),
            ("a\r\n---\r\nb\r\n", &["a\r\n", "b\r\n"]),
            ("a\n--- # why\nb\n", &["a\n", " # why\nb\n"]),
            ("a\n--- {b: c}\n", &["a\n", " {b: c}\n"]),
            ("a\n---\t\nb", &["a\n", "b"]),
            ("a: |\n  x\n  ---\n  y\n", &["a: |\n  x\n  ---\n  y\n"]),
            ("a\n----\nb\n", &["a\n----\nb\n"]),
            ("a\n---b\n", &["a\n---b\n"]),
            ("a\n...\nb\n", &["a\n", "b\n"]),
            ("a\n... # end\n---\nb\n", &["a\n", " # end\n", "b\n"]),
            ("a\n... b\n", &["a\n... b\n"]),
            ("a\n---", &["a\n"]),
            ("\n\n  a: 1\n  b: 2\n", &["  a: 1\n  b: 2\n"]),
            (
                "%YAML 1.1\n# x\n---\na\n---\nb",
                &["%YAML 1.1\n# x\n---\na\n", "b"],
            ),
            ("# x\n---\na", &["# x\n", "a"]),
            ("a\n...\n%TAG ! x:\n---\nb", &["a\n", "%TAG ! x:\n---\nb"]),
        ];
        for (text, expected) in cases {
            let found: Vec<&str> = documents(text)
                .into_iter()
                .map(|range| &text[range])
                .collect();
            assert_eq!(&found, expected, "{text:?}");
        }
    }
}

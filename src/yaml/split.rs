//! Where kubectl cuts a text into documents.
//!
//! Refuses to know what is in them, and that YAML would cut elsewhere: what kubectl
//! makes of a text is what is applied.

use super::cursor::break_length;
use memchr::memmem;
use std::ops::Range;

/// The byte order mark; it may stand at the start of a text and means nothing there.
const BOM: &str = "\u{feff}";

/// A piece of a text that kubectl reads for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// From the start of its first line that is not blank, or from behind the `---` if
    /// something stands on that line, to the next line with `---`.
    pub(crate) range: Range<usize>,
    /// What stands behind the `---` in front of it and is no comment: kubectl refuses it,
    /// and reads no further.
    pub(crate) stray: Option<Range<usize>>,
}

/// The pieces of a text, in order, without those that hold nothing but white space.
///
/// kubectl cuts at every line that starts with `---`, whatever YAML makes of it
/// (`YAMLReader` in apimachinery's `util/yaml/decoder.go`). What YAML has besides, as the
/// end `...`, is a matter of the piece.
pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    let bytes = text.as_bytes();
    let mut pieces = Vec::new();
    let mut start = if text.starts_with(BOM) { BOM.len() } else { 0 };
    let mut stray = None;
    // Where the piece that kubectl collects begins; the `---` at its start belongs to it.
    let mut collected = 0;
    for marker in markers(bytes) {
        push(text, start..marker, stray.take(), &mut pieces);
        let line = marker + 3..line_end(bytes, marker);
        let rest = text[line.clone()].trim();
        if !rest.is_empty() && !rest.starts_with('#') {
            stray = Some(line.start..line.start + text[line.clone()].trim_end().len());
        }
        start = line.start;
        if marker > collected {
            let next = (line.end + 1).min(bytes.len());
            collected = next;
            // Lines of YAML within the line of kubectl are dropped with it.
            let has_breaks = line
                .clone()
                .any(|at| break_length(bytes, at) > 0 && bytes[at] != b'\r');
            if has_breaks {
                start = next;
            }
            if text[next..].starts_with(BOM) {
                start = next + BOM.len();
            }
        }
    }
    push(text, start..text.len(), stray, &mut pieces);
    pieces
}

fn push(text: &str, range: Range<usize>, stray: Option<Range<usize>>, pieces: &mut Vec<Piece>) {
    let is_behind_marker = text[..range.start].ends_with("---");
    let blank = blank_lines(&text[range.clone()], is_behind_marker);
    if range.start + blank < range.end {
        let range = match stray {
            Some(_) => range,
            None => range.start + blank..range.end,
        };
        pieces.push(Piece { range, stray });
    }
}

/// The offsets of the lines that start with `---`, in order. Behind a byte order mark,
/// kubectl does not see them.
fn markers(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let first = bytes.starts_with(b"---").then_some(0);
    let others = memmem::find_iter(bytes, b"\n---").map(|newline| newline + 1);
    first.into_iter().chain(others)
}

/// The end of the line of a place, without its line break; kubectl knows one only.
fn line_end(bytes: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length)
}

/// How many bytes the blank lines at the start take; all of them for blank text. A tab is
/// nothing on the line of a `---`, and a mistake on any other.
fn blank_lines(text: &str, is_behind_marker: bool) -> usize {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r');
    let marker_line = text.len() - text.trim_start_matches([' ', '\t', '\r']).len();
    let bytes = text.as_bytes();
    let skipped = match bytes.get(marker_line) {
        Some(b'\n') if is_behind_marker => marker_line,
        _ => 0,
    };
    let blank = skipped
        + bytes[skipped..]
            .iter()
            .take_while(|byte| is_blank(byte))
            .count();
    if blank == text.len() {
        blank
    } else {
        text[..blank].rfind('\n').map_or(0, |newline| newline + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::pieces;

    #[test]
    fn cuts_where_kubectl_cuts() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            (" \n  \r\n", &[]),
            (" \n\t\n", &["\t\n"]),
            ("\t\na: 1\n", &["\t\na: 1\n"]),
            ("---\t\n", &[]),
            ("a", &["a"]),
            ("a\n---\nb\n", &["a\n", "b\n"]),
            ("---\na\n---\n---\n\n", &["a\n"]),
            ("\u{feff}---\na\n", &["---\na\n"]),
            ("\u{feff}a\n", &["a\n"]),
            ("a\n---\n\u{feff}b\n", &["a\n", "b\n"]),
            ("a\r\n---\r\nb\r\n", &["a\r\n", "b\r\n"]),
            ("a\n--- # why\nb\n", &["a\n", " # why\nb\n"]),
            ("a\n---# why\nb\n", &["a\n", "# why\nb\n"]),
            ("a\n---# c\u{2028}x: y\nb\n", &["a\n", "b\n"]),
            ("---# c\u{2028}x: y\nb\n", &["# c\u{2028}x: y\nb\n"]),
            ("a\n---\t\nb", &["a\n", "b"]),
            ("a: |\n  x\n  ---\n  y\n", &["a: |\n  x\n  ---\n  y\n"]),
            ("a\n...\nb\n", &["a\n...\nb\n"]),
            ("a\n---", &["a\n"]),
            ("\n\n  a: 1\n  b: 2\n", &["  a: 1\n  b: 2\n"]),
            (
                "%YAML 1.1\n# x\n---\na\n---\nb",
                &["%YAML 1.1\n# x\n", "a\n", "b"],
            ),
            ("# x\n---\na", &["# x\n", "a"]),
        ];
        for (text, expected) in cases {
            let pieces = pieces(text);
            let found: Vec<&str> = pieces
                .iter()
                .map(|piece| &text[piece.range.clone()])
                .collect();
            assert_eq!(&found, expected, "{text:?}");
            assert!(pieces.iter().all(|piece| piece.stray.is_none()), "{text:?}");
        }
    }

    #[test]
    fn text_behind_a_marker_is_stray() {
        for (text, stray) in [
            ("a\n--- {b: c}\nd\n", " {b: c}"),
            ("a\n---b\n", "b"),
            ("----\nb\n", "-"),
            ("a\n--- | # c\n  x\n", " | # c"),
        ] {
            let pieces = pieces(text);
            let last = pieces.last().and_then(|piece| piece.stray.clone());
            assert_eq!(last.map(|range| &text[range]), Some(stray), "{text:?}");
        }
    }
}

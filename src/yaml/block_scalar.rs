//! The text of block scalars: `|` keeps line breaks, `>` folds them.
//!
//! Refuses to know where they stand: it is handed their text.

/// What stands behind the `|` or `>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Whether single line breaks become spaces.
    pub(crate) is_folded: bool,
    /// What becomes of the line breaks at the end.
    pub(crate) chomping: Chomping,
}

/// What becomes of the line breaks at the end of a block scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chomping {
    /// One is kept.
    Clip,
    /// None is kept (`-`).
    Strip,
    /// All are kept (`+`).
    Keep,
}

/// How long a block scalar is without the blanks and line breaks at its end. Other white space,
/// such as U+2000, is text.
pub(crate) fn written_length(text: &str) -> usize {
    let is_left_out = |sign| {
        matches!(
            sign,
            ' ' | '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    text.trim_end_matches(is_left_out).len()
}

impl Header {
    /// Reads the header at the start of `text`, which starts with `|` or `>`, and says
    /// how long it is. `None` for one with an indentation, which is for a parser that
    /// knows where the scalar stands.
    pub(crate) fn read(text: &[u8]) -> Option<(Self, usize)> {
        let is_folded = text.first() == Some(&b'>');
        let (chomping, length) = match text.get(1) {
            Some(b'-') => (Chomping::Strip, 2),
            Some(b'+') => (Chomping::Keep, 2),
            _ => (Chomping::Clip, 1),
        };
        let is_end = matches!(text.get(length), None | Some(b'\n' | b'\r' | b' ' | b'\t'));
        is_end.then_some((
            Self {
                is_folded,
                chomping,
            },
            length,
        ))
    }
}

/// The text of a scalar as written, from its `|` or `>` to the end of its last line that
/// is not blank.
pub(crate) fn text(raw: &str) -> String {
    let (Some((header, _)), Some((_, body))) = (Header::read(raw.as_bytes()), raw.split_once('\n'))
    else {
        return String::new();
    };
    let first = body
        .lines()
        .find(|line| !line.trim_start_matches(' ').is_empty());
    let indent = first.map_or(0, |line| line.len() - line.trim_start_matches(' ').len());
    decode(header, body, indent)
}

/// The text of the lines of `body`, whose content stands at the column `indent`.
pub(crate) fn decode(header: Header, body: &str, indent: usize) -> String {
    let mut text = String::with_capacity(body.len());
    // The line break behind the last line, and the blank lines behind that.
    let mut has_break = false;
    let mut blank_lines = 0;
    let mut was_indented = false;
    for line in body.lines() {
        let spaces = line
            .bytes()
            .take(indent)
            .take_while(|byte| *byte == b' ')
            .count();
        let line = &line[spaces..];
        if line.is_empty() {
            blank_lines += 1;
            continue;
        }
        // A line that is indented further keeps the breaks around it.
        let is_indented = line.starts_with([' ', '\t']);
        let is_fold = header.is_folded && has_break && !is_indented && !was_indented;
        if is_fold && blank_lines == 0 {
            text.push(' ');
        } else if has_break && !is_fold {
            text.push('\n');
        }
        text.extend(std::iter::repeat_n('\n', blank_lines));
        text.push_str(line);
        (has_break, was_indented, blank_lines) = (true, is_indented, 0);
    }
    if has_break && header.chomping != Chomping::Strip {
        text.push('\n');
    }
    if header.chomping == Chomping::Keep {
        text.extend(std::iter::repeat_n('\n', blank_lines));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn folds_and_chomps() {
        let cases = [
            ("|\n  a\n  b", "a\nb\n"),
            ("|-\n  a\n\n   b", "a\n\n b"),
            ("|\n\n  a\n\n\n  b", "\na\n\n\nb\n"),
            (">\n  a\n  b\n\n  c", "a b\nc\n"),
            (">-\n a\n  b\n  c\n d\n\n e", "a\n b\n c\nd\ne"),
            (">\n  a\n\n    b\n\n  c", "a\n\n  b\n\nc\n"),
            ("|\r\n  a\r\n  b", "a\nb\n"),
            ("| # why\n  a", "a\n"),
            ("|", ""),
        ];
        for (raw, expected) in cases {
            assert_eq!(text(raw), expected, "{raw:?}");
        }
    }
}

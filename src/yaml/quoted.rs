//! Quoted scalars of YAML, on one line or several.
//!
//! Refuses escapes that YAML does not have: what to say about them is for a parser of
//! all of YAML.

use super::builder::{Builder, Properties};
use super::escape::unescape;
use super::tree::Style;
use std::borrow::Cow;

/// A quoted scalar.
pub(crate) struct Quoted {
    /// Where it starts, with its quote.
    pub(crate) start: usize,
    /// Where it ends, behind its quote.
    pub(crate) end: usize,
    /// Which quotes it has.
    pub(crate) style: Style,
    /// Whether its text differs from what is between the quotes.
    pub(crate) has_escapes: bool,
    /// Whether it has several lines.
    pub(crate) is_folded: bool,
}

impl Quoted {
    /// Adds the scalar, which stands in `text`, to a tree.
    pub(crate) fn push(
        self,
        builder: &mut Builder<'_>,
        text: &str,
        dash: Option<u32>,
    ) -> Option<()> {
        let span = (self.start as u32, self.end as u32);
        let properties = Properties::plain(dash);
        let pushed = if self.is_folded {
            let text = fold(&text[self.start + 1..self.end - 1], self.style);
            builder.scalar(self.style, span, Some(Cow::Owned(text)), properties)
        } else if self.has_escapes {
            builder.escaped(self.style, span, properties)
        } else {
            builder.scalar(self.style, span, None, properties)
        };
        pushed.ok()
    }
}

/// Reads the quoted scalar that starts at `start`; `None` if it does not end, or has
/// escapes that YAML does not have.
pub(crate) fn read(bytes: &[u8], start: usize) -> Option<Quoted> {
    let quote = bytes[start];
    let style = if quote == b'"' {
        Style::DoubleQuoted
    } else {
        Style::SingleQuoted
    };
    let mut has_escapes = false;
    let mut at = start + 1;
    loop {
        let rest = bytes.get(at..)?;
        at += if quote == b'"' {
            memchr::memchr2(quote, b'\\', rest)?
        } else {
            memchr::memchr(quote, rest)?
        };
        if bytes[at] == b'\\' {
            has_escapes = true;
            at += escape_length(&bytes[at..])?;
        } else if quote == b'\'' && bytes.get(at + 1) == Some(&quote) {
            has_escapes = true;
            at += 2;
        } else {
            break;
        }
    }
    let content = &bytes[start + 1..at];
    let mut lines = memchr::memchr_iter(b'\n', content)
        .map(|newline| &content[newline + 1..])
        .peekable();
    let is_folded = lines.peek().is_some();
    // A document cannot end within a scalar.
    if lines.any(|line| line.starts_with(b"---") || line.starts_with(b"...")) {
        return None;
    }
    Some(Quoted {
        start,
        end: at + 1,
        style,
        has_escapes,
        is_folded,
    })
}

/// How long the escape at the start of `bytes` is; `None` if YAML has no such escape.
fn escape_length(bytes: &[u8]) -> Option<usize> {
    let length = match bytes.get(1)? {
        b'0' | b'a' | b'b' | b't' | b'\t' | b'n' | b'v' | b'f' | b'r' | b'e' | b' ' => 2,
        b'"' | b'\'' | b'\\' | b'N' | b'_' | b'L' | b'P' | b'\n' => 2,
        b'\r' if bytes.get(2) == Some(&b'\n') => 3,
        b'x' => 4,
        b'u' => 6,
        b'U' => 10,
        _ => return None,
    };
    if length > 3 {
        let digits = str::from_utf8(bytes.get(2..length)?).ok()?;
        let is_code = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        char::from_u32(u32::from_str_radix(digits, 16).ok().filter(|_| is_code)?)?;
    }
    Some(length)
}

/// The text of a scalar of several lines: a line break is a space, blank lines are line
/// breaks, and white space around them is nothing. A backslash at the end of a line takes
/// the break away.
fn fold(content: &str, style: Style) -> String {
    let is_double = style == Style::DoubleQuoted;
    let mut text = String::with_capacity(content.len());
    let mut blank_lines = 0;
    let mut is_joined = true;
    let mut lines = content.split('\n').peekable();
    let mut is_first = true;
    while let Some(line) = lines.next() {
        let is_last = lines.peek().is_none();
        let line = if is_first {
            line
        } else {
            line.trim_start_matches([' ', '\t'])
        };
        let line = if is_last {
            line
        } else {
            line.strip_suffix('\r').unwrap_or(line)
        };
        let ends_escaped = is_double && !is_last && has_open_escape(line);
        let line = match ends_escaped {
            true => &line[..line.len() - 1],
            false if is_last => line,
            false => trim_end(line, is_double),
        };
        if !is_first && !is_last && !ends_escaped && line.is_empty() {
            blank_lines += 1;
            continue;
        }
        if !is_joined && blank_lines == 0 {
            text.push(' ');
        }
        text.extend(std::iter::repeat_n('\n', blank_lines));
        text.push_str(&if is_double {
            unescape(line)
        } else {
            line.replace("''", "'")
        });
        (is_first, is_joined, blank_lines) = (false, ends_escaped, 0);
    }
    text
}

/// Whether a backslash at the end of a line escapes its line break.
fn has_open_escape(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// A line without the white space at its end, but with a blank that is escaped.
fn trim_end(line: &str, is_double: bool) -> &str {
    let trimmed = line.trim_end_matches([' ', '\t']);
    if is_double && trimmed.len() < line.len() && has_open_escape(trimmed) {
        return &line[..trimmed.len() + 1];
    }
    trimmed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carriage_return_alone_is_no_escape() {
        assert_eq!(escape_length(b"\\\r\n"), Some(3));
        assert_eq!(escape_length(b"\\\rx"), None);
        assert_eq!(escape_length(b"\\u00e9"), Some(6));
        assert_eq!(escape_length(b"\\ud800"), None);
    }

    #[test]
    fn folds_lines() {
        let double = [
            ("a\n  b", "a b"),
            ("a  \n\n\t b", "a\nb"),
            ("a\\\n  b", "ab"),
            ("a \\\n  \\  b", "a   b"),
            ("a\\  \nb", "a  b"),
            ("a\\\\\nb", "a\\ b"),
            ("\n a\n ", " a "),
            ("a\\\n\n\nb", "a\n\nb"),
            ("a\r\nb", "a b"),
            ("a\\n\n\n\\tb", "a\n\n\tb"),
        ];
        for (content, text) in double {
            assert_eq!(fold(content, Style::DoubleQuoted), text, "{content:?}");
        }
        let single = [
            ("it''s\n  it", "it's it"),
            ("a\\\n b", "a\\ b"),
            ("a\n\n\nb", "a\n\nb"),
        ];
        for (content, text) in single {
            assert_eq!(fold(content, Style::SingleQuoted), text, "{content:?}");
        }
    }
}

//! JSON into a [`Tree`]: one value after the other, as Go's decoder takes them.
//!
//! Refuses to know Kubernetes, and to take anything that is not JSON: flow-style YAML
//! goes elsewhere.

use super::builder::{Builder, Properties};
use super::error::ReadError;
use super::tree::{Style, Tree};
use crate::source::{SourceId, Span};
use std::ops::Range;

/// Reads the value at the start of `range`, behind white space, and says where it ends.
pub(crate) fn read<'s>(
    source: SourceId,
    text: &'s str,
    range: Range<usize>,
) -> Result<(Tree<'s>, usize), Box<ReadError>> {
    let mut scanner = Scanner {
        builder: Builder::new(source, text, range.clone()),
        source,
        text,
        bytes: &text.as_bytes()[..range.end],
        at: range.start,
        open: Vec::new(),
    };
    scanner.value()?;
    while let Some(open) = scanner.open.last().copied() {
        scanner.part(open)?;
    }
    Ok((scanner.builder.finish()?, scanner.at))
}

struct Scanner<'s> {
    builder: Builder<'s>,
    source: SourceId,
    text: &'s str,
    bytes: &'s [u8],
    at: usize,
    open: Vec<Open>,
}

/// A collection that is not closed yet.
#[derive(Clone, Copy)]
struct Open {
    start: usize,
    close: u8,
    is_empty: bool,
}

impl Scanner<'_> {
    /// One more key and value, or item, or the end of the innermost collection.
    fn part(&mut self, open: Open) -> Result<(), Box<ReadError>> {
        self.skip_blank();
        match self.bytes.get(self.at) {
            Some(byte) if *byte == open.close => {
                self.at += 1;
                self.open.pop();
                return self.builder.close(Some(self.at as u32));
            }
            Some(b',') if !open.is_empty => {
                self.at += 1;
                self.skip_blank();
            }
            Some(_) if open.is_empty => {}
            Some(_) => return Err(self.no_comma(open)),
            None => return Err(self.unclosed(open)),
        }
        if let Some(open) = self.open.last_mut() {
            open.is_empty = false;
        }
        if open.close == b'}' {
            self.key(open)?;
        }
        self.value()
    }

    fn key(&mut self, open: Open) -> Result<(), Box<ReadError>> {
        match self.bytes.get(self.at) {
            Some(b'"') => self.string()?,
            Some(b'}') => {
                let comma = self.text[..self.at].trim_end().len().saturating_sub(1);
                let error =
                    ReadError::new(self.span(comma, 1), "a `,` stands before the closing `}`");
                return Err(error.help("remove the comma"));
            }
            Some(_) => {
                let error =
                    ReadError::new(self.word(), "a key of JSON must stand in double quotes");
                return Err(error);
            }
            None => return Err(self.unclosed(open)),
        }
        self.skip_blank();
        if self.bytes.get(self.at) != Some(&b':') {
            let error = ReadError::new(self.word(), "a `:` is missing here");
            return Err(error.label("should stand behind a colon"));
        }
        self.at += 1;
        Ok(())
    }

    /// A scalar, or the start of a collection.
    fn value(&mut self) -> Result<(), Box<ReadError>> {
        self.skip_blank();
        let start = self.at;
        let properties = Properties::plain(None);
        match self.bytes.get(start) {
            Some(bracket @ (b'{' | b'[')) => {
                let (style, close) = match bracket {
                    b'{' => (Style::FlowMapping, b'}'),
                    _ => (Style::FlowSequence, b']'),
                };
                self.builder.open(style, start as u32, properties)?;
                self.open.push(Open {
                    start,
                    close,
                    is_empty: true,
                });
                self.at += 1;
                Ok(())
            }
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                self.builder.scalar(
                    Style::Plain,
                    (start as u32, self.at as u32),
                    None,
                    properties,
                )
            }
            Some(b't' | b'f' | b'n') => {
                let rest = &self.bytes[start..];
                let words: [&[u8]; 3] = [b"true", b"false", b"null"];
                let Some(word) = words.into_iter().find(|word| rest.starts_with(word)) else {
                    return Err(self.no_value());
                };
                self.at += word.len();
                self.builder.scalar(
                    Style::Plain,
                    (start as u32, self.at as u32),
                    None,
                    properties,
                )
            }
            Some(b']') => {
                let comma = self.text[..start].trim_end().len().saturating_sub(1);
                let error =
                    ReadError::new(self.span(comma, 1), "a `,` stands before the closing `]`");
                Err(error.help("remove the comma"))
            }
            Some(_) => Err(self.no_value()),
            None => Err(match self.open.last() {
                Some(open) => self.unclosed(*open),
                None => self.no_value(),
            }),
        }
    }

    fn string(&mut self) -> Result<(), Box<ReadError>> {
        let start = self.at;
        let mut has_escapes = false;
        self.at += 1;
        loop {
            let rest = &self.bytes[self.at..];
            let plain = rest
                .iter()
                .take_while(|byte| **byte >= b' ' && !matches!(byte, b'"' | b'\\'));
            self.at += plain.count();
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    has_escapes = true;
                    self.escape()?;
                }
                Some(_) => {
                    let error = ReadError::new(
                        self.span(self.at, 1),
                        "a control character stands in a string",
                    );
                    return Err(error.help("write it as an escape, as `\\n`"));
                }
                None => {
                    let error = ReadError::new(self.span(start, 1), "this string is not closed");
                    return Err(error.label("no `\"` ends it"));
                }
            }
        }
        self.at += 1;
        let span = (start as u32, self.at as u32);
        if has_escapes {
            self.builder
                .escaped(Style::DoubleQuoted, span, Properties::plain(None))
        } else {
            self.builder
                .scalar(Style::DoubleQuoted, span, None, Properties::plain(None))
        }
    }

    fn escape(&mut self) -> Result<(), Box<ReadError>> {
        let digits = self.bytes.get(self.at + 2..self.at + 6);
        self.at += match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') if digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) => {
                6
            }
            _ => {
                let error =
                    ReadError::new(self.span(self.at, 2), "this escape does not exist in JSON");
                return Err(error.help("write `\\\\` for a backslash"));
            }
        };
        Ok(())
    }

    fn number(&mut self) -> Result<(), Box<ReadError>> {
        let start = self.at;
        let digits = |at: usize| {
            self.bytes[at..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count()
        };
        let mut at = start + usize::from(self.bytes[start] == b'-');
        let whole = digits(at);
        let mut is_number = whole == 1 || whole > 1 && self.bytes[at] != b'0';
        at += whole;
        if self.bytes.get(at) == Some(&b'.') {
            let fraction = digits(at + 1);
            is_number &= fraction > 0;
            at += 1 + fraction;
        }
        if matches!(self.bytes.get(at), Some(b'e' | b'E')) {
            at += 1 + usize::from(matches!(self.bytes.get(at + 1), Some(b'+' | b'-')));
            let exponent = digits(at.min(self.bytes.len()));
            is_number &= exponent > 0;
            at += exponent;
        }
        if !is_number {
            return Err(ReadError::new(self.word(), "this is not a JSON number"));
        }
        self.at = at;
        Ok(())
    }

    fn skip_blank(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn no_value(&self) -> Box<ReadError> {
        ReadError::new(self.word(), "this is not a JSON value")
    }

    fn no_comma(&self, open: Open) -> Box<ReadError> {
        let close = char::from(open.close);
        let error = ReadError::new(self.word(), format!("a `,` or `{close}` is missing here"));
        error.related(
            self.span(open.start, 1),
            format!("`{}` is opened here", self.bracket(open)),
        )
    }

    fn unclosed(&self, open: Open) -> Box<ReadError> {
        let message = format!("this `{}` is not closed", self.bracket(open));
        let error = ReadError::new(self.span(open.start, 1), message);
        error.label(format!("no `{}` follows", char::from(open.close)))
    }

    fn bracket(&self, open: Open) -> char {
        char::from(self.bytes[open.start])
    }

    /// The word, number or sign at the place.
    fn word(&self) -> Span {
        let rest = &self.text[self.at.min(self.bytes.len())..self.bytes.len()];
        let is_end = |c: char| c.is_whitespace() || ",:]}\"".contains(c);
        let length = rest.find(is_end).unwrap_or(rest.len());
        let first = rest.chars().next().map_or(0, char::len_utf8);
        self.span(self.at, length.max(first))
    }

    fn span(&self, start: usize, length: usize) -> Span {
        let mut end = (start + length).min(self.bytes.len());
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        Span::new(self.source, start.min(end) as u32, end as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::source::SourceMap;

    #[test]
    fn numbers_are_those_of_go() {
        let is_taken = |number: &str| {
            let text = format!("{{\"a\": {number}}}");
            let source = SourceMap::default().add("test.json", text.as_str());
            read(source, &text, 0..text.len()).is_ok()
        };
        for number in ["0", "-1", "10", "1.5", "2e3", "2E-3", "2.5e+10"] {
            assert!(is_taken(number), "{number}");
        }
        for number in ["01", "-", "1.", "1.e3", "2e", "2e+", ".5", "+1", "1x"] {
            assert!(!is_taken(number), "{number}");
        }
    }
}

//! Prints built objects as YAML, with the texts that their parts stand for.
//!
//! Refuses to know how they were built.

use super::scalar::{is_boolean, is_null, is_plain};
use super::value::Value;
use crate::source::{SourceMap, Span};
use crate::yaml::Kind;
use std::fmt::Write;

/// Prints values, and says in comments where they come from.
pub(crate) struct Printer<'a> {
    sources: &'a SourceMap,
    text: String,
}

/// A source, and the line in it.
type Place = (crate::source::SourceId, u32);

impl<'a> Printer<'a> {
    /// A printer of values of these texts.
    pub(crate) fn new(sources: &'a SourceMap) -> Self {
        let text = String::new();
        Self { sources, text }
    }

    /// What was printed.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    /// Prints an object as a document. A comment follows what comes from another file than
    /// what stands around it.
    pub(crate) fn document(&mut self, value: &Value<'_>) {
        self.text.push_str("---\n");
        let (source, line) = self.place(value.span());
        let name = self.sources.get(source).name().to_owned();
        let _ = writeln!(self.text, "# {}:{line}", printable(&name));
        self.fields(value, 0, false, value.span());
    }

    fn place(&self, span: Span) -> Place {
        (span.source, self.sources.position(span).line)
    }

    fn indent(&mut self, depth: usize) {
        for _ in 0..depth {
            self.text.push_str("  ");
        }
    }

    /// Ends a line with where its value comes from, if that is another text than `around`.
    fn end_line(&mut self, span: Span, around: Span) {
        if span.source != around.source {
            let (source, line) = self.place(span);
            let name = self.sources.get(source).name().to_owned();
            let _ = write!(self.text, "  # {}:{line}", printable(&name));
        }
        self.text.push('\n');
    }

    fn fields(&mut self, value: &Value<'_>, depth: usize, is_first_on_line: bool, around: Span) {
        let mut is_first = is_first_on_line;
        for field in value.fields() {
            if !std::mem::take(&mut is_first) {
                self.indent(depth);
            }
            self.scalar(&field.key.text(), true);
            self.text.push(':');
            self.value(&field.value, depth, around);
        }
    }

    /// Prints what follows a colon.
    fn value(&mut self, value: &Value<'_>, depth: usize, around: Span) {
        let span = value.span();
        match value.kind() {
            Kind::Scalar => {
                self.text.push(' ');
                self.scalar(value.text().unwrap_or_default(), value.is_text());
                self.end_line(span, around);
            }
            Kind::Mapping if value.is_empty() => {
                self.text.push_str(" {}");
                self.end_line(span, around);
            }
            Kind::Sequence if value.is_empty() => {
                self.text.push_str(" []");
                self.end_line(span, around);
            }
            Kind::Mapping => {
                self.end_line(span, around);
                self.fields(value, depth + 1, false, span);
            }
            Kind::Sequence => {
                self.end_line(span, around);
                self.items(value, depth, span);
            }
        }
    }

    fn items(&mut self, value: &Value<'_>, depth: usize, around: Span) {
        for item in value.items() {
            self.indent(depth);
            self.text.push('-');
            match item.kind() {
                Kind::Mapping if !item.is_empty() => {
                    self.text.push(' ');
                    self.fields(&item, depth + 1, true, around);
                }
                Kind::Sequence if !item.is_empty() => {
                    self.text.push('\n');
                    self.items(&item, depth + 1, around);
                }
                _ => self.value(&item, depth, around),
            }
        }
    }

    fn scalar(&mut self, text: &str, is_text: bool) {
        if !is_text {
            self.text
                .push_str(if is_null(text) { "null" } else { text });
            return;
        }
        if is_bare(text) {
            self.text.push_str(text);
            return;
        }
        self.text.push('"');
        for character in text.chars() {
            match character {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\t' => self.text.push_str("\\t"),
                '\r' => self.text.push_str("\\r"),
                other if (other as u32) < 0x20 || other == '\u{7f}' => {
                    let _ = write!(self.text, "\\x{:02x}", other as u32);
                }
                other if !is_printable(other) => {
                    let _ = write!(self.text, "\\U{:08x}", other as u32);
                }
                other => self.text.push(other),
            }
        }
        self.text.push('"');
    }
}

/// Whether a text can stand without quotes in every dialect of YAML.
fn is_bare(text: &str) -> bool {
    let is_safe =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/' | b'-');
    let first = text.bytes().next();
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "y" | "n" | "yes" | "no" | "on" | "off"
    );
    first.is_some_and(|byte| byte.is_ascii_alphabetic())
        && text.bytes().all(is_safe)
        && !is_word
        && !is_boolean(text)
        && !is_plain(text)
}

/// Whether a terminal shows a character as itself.
fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
                | '\u{fffe}'..='\u{ffff}'
        )
}

/// A file name without what could end its line or turn the terminal.
fn printable(name: &str) -> String {
    let shown = |character: char| {
        if is_printable(character) {
            character
        } else {
            '\u{fffd}'
        }
    };
    name.chars().map(shown).collect()
}

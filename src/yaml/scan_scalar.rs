//! Scalars of YAML 1.1 into tokens: plain ones, quoted ones and block scalars, folded as
//! go-yaml folds them.
//!
//! Refuses to know what they mean.

use super::block_scalar::written_length;
use super::scanner::{Scanner, error};
use super::token::{Problem, ScanError, TokenKind};
use super::tree::Style;
use std::borrow::Cow;

/// The line breaks between two parts of a scalar.
#[derive(Default)]
struct Gap<'s> {
    first: &'s str,
    others: String,
}

impl<'s> Gap<'s> {
    fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    fn add(&mut self, line_break: &'s str) {
        if self.first.is_empty() {
            self.first = line_break;
        } else {
            self.others.push_str(line_break);
        }
    }

    /// Writes what the breaks mean: a single one is a space, but Unicode's separators
    /// stand for themselves.
    fn fold_into(&mut self, text: &mut String) {
        match (self.first, self.others.as_str()) {
            ("", _) => {}
            ("\n", "") => text.push(' '),
            ("\n", others) => text.push_str(others),
            (first, others) => {
                text.push_str(first);
                text.push_str(others);
            }
        }
        *self = Self::default();
    }
}

impl<'s> Scanner<'s> {
    /// A scalar without quotes.
    pub(crate) fn plain_scalar(&mut self) -> Result<(), ScanError> {
        let start = self.cursor.mark.at;
        let indent = self.indent + 1;
        let mut end = start;
        // What is already folded, and where the part that is not begins.
        let mut folded: Option<String> = None;
        let mut part = start;
        let mut gap = Gap::default();
        while !self.cursor.is_document_marker() && self.cursor.byte(0) != b'#' {
            while !self.cursor.is_word_end(0) && !self.ends_plain() {
                if !gap.is_empty() {
                    let text = folded.get_or_insert_default();
                    text.push_str(&self.cursor.text[part..end]);
                    gap.fold_into(text);
                    part = self.cursor.mark.at;
                }
                self.cursor.skip();
                end = self.cursor.mark.at;
            }
            if !self.cursor.is_blank(0) && !self.cursor.is_break(0) {
                break;
            }
            while self.cursor.is_blank(0) || self.cursor.is_break(0) {
                let is_indentation = (self.cursor.mark.column as isize) < indent;
                if self.cursor.is_break(0) {
                    gap.add(self.cursor.skip_break());
                } else if !gap.is_empty() && is_indentation && self.cursor.byte(0) == b'\t' {
                    return Err(error(Problem::Tab, self.cursor.mark.at));
                } else {
                    self.cursor.skip_ascii(1);
                }
            }
            if !self.is_flow() && (self.cursor.mark.column as isize) < indent {
                break;
            }
        }
        let rest = &self.cursor.text[part..end];
        let text = match folded {
            Some(folded) => Cow::Owned(folded + rest),
            None => Cow::Borrowed(rest),
        };
        self.push_scalar(Style::Plain, text, start, end);
        // The next line begins anew.
        self.may_be_key |= !gap.is_empty();
        Ok(())
    }

    /// Whether a plain scalar ends before the sign here.
    fn ends_plain(&self) -> bool {
        match self.cursor.byte(0) {
            b':' => self.cursor.is_word_end(1),
            b',' | b'?' | b'[' | b']' | b'{' | b'}' => self.is_flow(),
            _ => false,
        }
    }

    /// A scalar in quotes.
    pub(crate) fn quoted_scalar(&mut self) -> Result<(), ScanError> {
        let start = self.cursor.mark.at;
        let quote = self.cursor.byte(0);
        let open = Err(error(Problem::OpenQuote, start));
        let mut text = String::new();
        self.cursor.skip_ascii(1);
        loop {
            if self.cursor.is_document_marker() || self.cursor.is_end() {
                return open;
            }
            let mut gap = Gap::default();
            let mut is_joined = false;
            while !self.cursor.is_word_end(0) {
                let is_doubled = self.cursor.byte(1) == b'\'';
                match self.cursor.byte(0) {
                    b'\'' if quote == b'\'' && is_doubled => {
                        text.push('\'');
                        self.cursor.skip_ascii(2);
                    }
                    byte if byte == quote => break,
                    b'\\' if quote == b'"' && self.cursor.is_break(1) => {
                        self.cursor.skip_ascii(1);
                        self.cursor.skip_break();
                        is_joined = true;
                        break;
                    }
                    b'\\' if quote == b'"' => text.push(self.escape()?),
                    _ => {
                        let from = self.cursor.mark.at;
                        self.cursor.skip();
                        text.push_str(&self.cursor.text[from..self.cursor.mark.at]);
                    }
                }
            }
            if self.cursor.byte(0) == quote {
                break;
            }
            let blanks = self.cursor.mark.at;
            let mut blanks_end = blanks;
            while self.cursor.is_blank(0) || self.cursor.is_break(0) {
                if self.cursor.is_break(0) {
                    let line_break = self.cursor.skip_break();
                    if is_joined {
                        gap.others.push_str(line_break);
                    } else {
                        gap.add(line_break);
                    }
                } else {
                    self.cursor.skip_ascii(1);
                    if gap.is_empty() {
                        blanks_end = self.cursor.mark.at;
                    }
                }
            }
            if is_joined {
                text.push_str(&gap.others);
            } else if gap.is_empty() {
                text.push_str(&self.cursor.text[blanks..blanks_end]);
            } else {
                gap.fold_into(&mut text);
            }
        }
        self.cursor.skip_ascii(1);
        let style = if quote == b'"' {
            Style::DoubleQuoted
        } else {
            Style::SingleQuoted
        };
        self.push_scalar(style, Cow::Owned(text), start, self.cursor.mark.at);
        Ok(())
    }

    /// The character of an escape, from its backslash on.
    fn escape(&mut self) -> Result<char, ScanError> {
        let wrong = error(Problem::Escape, self.cursor.mark.at);
        let (character, digits) = match self.cursor.byte(1) {
            b'0' => ('\0', 0),
            b'a' => ('\u{7}', 0),
            b'b' => ('\u{8}', 0),
            b't' | b'\t' => ('\t', 0),
            b'n' => ('\n', 0),
            b'v' => ('\u{b}', 0),
            b'f' => ('\u{c}', 0),
            b'r' => ('\r', 0),
            b'e' => ('\u{1b}', 0),
            b'N' => ('\u{85}', 0),
            b'_' => ('\u{a0}', 0),
            b'L' => ('\u{2028}', 0),
            b'P' => ('\u{2029}', 0),
            sign @ (b' ' | b'"' | b'\'' | b'\\') => (char::from(sign), 0),
            b'x' => ('\0', 2),
            b'u' => ('\0', 4),
            b'U' => ('\0', 8),
            _ => return Err(wrong),
        };
        self.cursor.skip_ascii(2);
        if digits == 0 {
            return Ok(character);
        }
        let mut code = 0_u32;
        for _ in 0..digits {
            let digit = char::from(self.cursor.byte(0)).to_digit(16).ok_or(wrong)?;
            code = code.wrapping_mul(16).wrapping_add(digit);
            self.cursor.skip_ascii(1);
        }
        char::from_u32(code).ok_or(wrong)
    }

    /// A block scalar.
    pub(crate) fn block_scalar(&mut self) -> Result<(), ScanError> {
        let start = self.cursor.mark.at;
        let is_folded = self.cursor.byte(0) == b'>';
        self.cursor.skip_ascii(1);
        let (chomping, indentation) = self.block_header()?;
        let mut indent = match indentation {
            0 => 0,
            more => self.indent.max(0) as usize + more,
        };
        let header_end = self.cursor.mark.at;
        self.cursor.skip_break();
        let mut text = String::new();
        let mut last_break = "";
        let mut breaks = String::new();
        let mut end = header_end;
        let mut was_deeper = false;
        self.block_breaks(&mut indent, &mut breaks)?;
        while self.cursor.mark.column == indent && !self.cursor.is_end() {
            let is_deeper = self.cursor.is_blank(0);
            if is_folded && last_break == "\n" && !was_deeper && !is_deeper {
                if breaks.is_empty() {
                    text.push(' ');
                }
            } else {
                text.push_str(last_break);
            }
            text.push_str(&breaks);
            breaks.clear();
            was_deeper = is_deeper;
            let line = self.cursor.mark.at;
            self.cursor.skip_to_line_end();
            text.push_str(&self.cursor.text[line..self.cursor.mark.at]);
            end = self.cursor.mark.at;
            // kubectl hands on every line with a line break, also the last one.
            last_break = match self.cursor.skip_break() {
                "" => "\n",
                line_break => line_break,
            };
            self.block_breaks(&mut indent, &mut breaks)?;
        }
        if chomping != Some(b'-') {
            text.push_str(last_break);
        }
        if chomping == Some(b'+') {
            text.push_str(&breaks);
        }
        let written = written_length(&self.cursor.text[start..end]);
        self.push_scalar(Style::Block, Cow::Owned(text), start, start + written);
        Ok(())
    }

    /// What stands behind `|` or `>`, to the end of the line: what becomes of the line
    /// breaks at the end, and the indentation, 0 for none.
    fn block_header(&mut self) -> Result<(Option<u8>, usize), ScanError> {
        let mut chomping = None;
        let mut indentation = 0;
        for _ in 0..2 {
            match self.cursor.byte(0) {
                sign @ (b'+' | b'-') if chomping.is_none() => chomping = Some(sign),
                digit @ b'1'..=b'9' if indentation == 0 => indentation = usize::from(digit - b'0'),
                _ => break,
            }
            self.cursor.skip_ascii(1);
        }
        self.cursor.skip_blanks();
        self.skip_comment();
        if self.cursor.is_line_end(0) {
            Ok((chomping, indentation))
        } else {
            Err(error(Problem::BlockHeader, self.cursor.mark.at))
        }
    }

    /// Goes over blank lines, and the indentation of the next one; finds the indentation
    /// if it is 0, which means that nothing says it.
    fn block_breaks(&mut self, indent: &mut usize, breaks: &mut String) -> Result<(), ScanError> {
        let mut deepest = 0;
        loop {
            let is_indentation = |column: usize| *indent == 0 || column < *indent;
            while is_indentation(self.cursor.mark.column) && self.cursor.byte(0) == b' ' {
                self.cursor.skip_ascii(1);
            }
            deepest = deepest.max(self.cursor.mark.column);
            if is_indentation(self.cursor.mark.column) && self.cursor.byte(0) == b'\t' {
                return Err(error(Problem::Tab, self.cursor.mark.at));
            }
            if !self.cursor.is_break(0) {
                break;
            }
            breaks.push_str(self.cursor.skip_break());
        }
        if *indent == 0 {
            let around = (self.indent + 1).max(1) as usize;
            *indent = deepest.max(around);
        }
        Ok(())
    }

    fn push_scalar(&mut self, style: Style, text: Cow<'s, str>, start: usize, end: usize) {
        self.push(TokenKind::Scalar(style, text), start);
        self.end_last(end);
    }
}

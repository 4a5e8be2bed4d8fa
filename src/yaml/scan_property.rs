//! What stands in front of values, into tokens: anchors, aliases and tags; and the
//! directives in front of a document.
//!
//! Refuses to know what a tag means.

use super::scanner::{Scanner, error};
use super::token::{Problem, ScanError, TokenKind};

impl<'s> Scanner<'s> {
    /// `&name` or `*name`. Names have letters, digits, `-` and `_`, and nothing else.
    pub(crate) fn anchor(&mut self) -> Result<(), ScanError> {
        let start = self.cursor.mark.at;
        let is_alias = self.cursor.byte(0) == b'*';
        self.cursor.skip_ascii(1);
        let name = self.cursor.take_word();
        let is_over = self.cursor.is_word_end(0)
            || matches!(
                self.cursor.byte(0),
                b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`'
            );
        if name.is_empty() || !is_over {
            return Err(error(Problem::AnchorName, start));
        }
        let kind = if is_alias {
            TokenKind::Alias(name)
        } else {
            TokenKind::Anchor(name)
        };
        self.push(kind, start);
        Ok(())
    }

    /// `!`, `!suffix`, `!!suffix`, `!handle!suffix` or `!<tag>`.
    pub(crate) fn tag(&mut self) -> Result<(), ScanError> {
        let start = self.cursor.mark.at;
        let wrong = error(Problem::Tag, start);
        let (handle, suffix) = if self.cursor.byte(1) == b'<' {
            self.cursor.skip_ascii(2);
            let tag = self.uri(start)?;
            if tag.is_empty() || self.cursor.byte(0) != b'>' {
                return Err(wrong);
            }
            self.cursor.skip_ascii(1);
            ("", tag)
        } else {
            self.cursor.skip_ascii(1);
            let name = self.cursor.take_word();
            if self.cursor.byte(0) == b'!' {
                self.cursor.skip_ascii(1);
                let handle = &self.cursor.text[start..self.cursor.mark.at];
                let suffix = self.uri(start)?;
                if suffix.is_empty() {
                    return Err(wrong);
                }
                (handle, suffix)
            } else {
                let suffix = name.to_owned() + &self.uri(start)?;
                if suffix.is_empty() {
                    ("", "!".to_owned())
                } else {
                    ("!", suffix)
                }
            }
        };
        if !self.cursor.is_word_end(0) {
            return Err(wrong);
        }
        self.push(TokenKind::Tag { handle, suffix }, start);
        Ok(())
    }

    /// The part of a tag that may have signs and escaped bytes.
    fn uri(&mut self, start: usize) -> Result<String, ScanError> {
        let wrong = error(Problem::Tag, start);
        let mut bytes = Vec::new();
        loop {
            match self.cursor.byte(0) {
                b'%' => {
                    let digit = |ahead| char::from(self.cursor.byte(ahead)).to_digit(16);
                    let (Some(high), Some(low)) = (digit(1), digit(2)) else {
                        return Err(wrong);
                    };
                    bytes.push((high * 16 + low) as u8);
                    self.cursor.skip_ascii(3);
                }
                byte if byte.is_ascii_alphanumeric()
                    || b"-_;/?:@&=+$,.!~*'()[]".contains(&byte) =>
                {
                    bytes.push(byte);
                    self.cursor.skip_ascii(1);
                }
                _ => return String::from_utf8(bytes).map_err(|_| wrong),
            }
        }
    }

    /// `%YAML 1.1` or `%TAG`. kubectl cuts a text at its `---` lines, so that every
    /// directive stands in front of nothing, or behind the document that it is for.
    pub(crate) fn directive(&mut self) -> Result<(), ScanError> {
        let start = self.cursor.mark.at;
        let wrong = error(Problem::Directive, start);
        self.cursor.skip_ascii(1);
        let is_known = match self.cursor.take_word() {
            "YAML" => self.is_version(),
            "TAG" => self.is_tag_prefix(start),
            _ => false,
        };
        self.cursor.skip_blanks();
        self.skip_comment();
        if !is_known || !self.cursor.is_line_end(0) {
            return Err(wrong);
        }
        self.push(TokenKind::Directive, start);
        self.cursor.skip_break();
        Ok(())
    }

    /// Whether a blank and the only version stand here; goes behind them.
    fn is_version(&mut self) -> bool {
        let is_separate = self.cursor.is_blank(0);
        self.cursor.skip_blanks();
        let start = self.cursor.mark.at;
        while matches!(self.cursor.byte(0), b'0'..=b'9' | b'.') {
            self.cursor.skip_ascii(1);
        }
        let version = self.cursor.text[start..self.cursor.mark.at].split_once('.');
        let is_number = |digits: &str| {
            (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        is_separate && version.is_some_and(|(major, minor)| is_number(major) && is_number(minor))
    }

    /// Whether a handle and a prefix stand here; goes behind them.
    fn is_tag_prefix(&mut self, start: usize) -> bool {
        self.cursor.skip_blanks();
        let handle = self.cursor.mark.at;
        if self.cursor.byte(0) != b'!' {
            return false;
        }
        self.cursor.skip_ascii(1);
        self.cursor.take_word();
        if self.cursor.byte(0) == b'!' {
            self.cursor.skip_ascii(1);
        } else if self.cursor.mark.at > handle + 1 {
            return false;
        }
        let is_separate = self.cursor.is_blank(0);
        self.cursor.skip_blanks();
        is_separate
            && self.uri(start).is_ok_and(|prefix| !prefix.is_empty())
            && self.cursor.is_word_end(0)
    }
}

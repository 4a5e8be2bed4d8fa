//! A place in a text that moves forward, with the line and the column that go-yaml would
//! count: in characters, and with the line breaks of YAML 1.1.
//!
//! Refuses to know what the characters mean.

/// The byte that stands for the end of the document; YAML allows no NUL in a text.
pub(crate) const END: u8 = 0;

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The byte, from the start of the whole text.
    pub(crate) at: usize,
    /// The line, from 0.
    pub(crate) line: usize,
    /// The characters before it on its line.
    pub(crate) column: usize,
    /// The characters before it.
    pub(crate) index: usize,
}

/// A text and a place in it.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'s> {
    pub(crate) text: &'s str,
    /// The text up to the end of the document.
    bytes: &'s [u8],
    pub(crate) mark: Mark,
}

impl<'s> Cursor<'s> {
    /// A cursor at `at`, for a document that ends at `end`.
    pub(crate) fn new(text: &'s str, at: usize, end: usize) -> Self {
        Self {
            text,
            bytes: &text.as_bytes()[..end],
            mark: Mark {
                at,
                line: 0,
                column: 0,
                index: 0,
            },
        }
    }

    /// The byte so many bytes ahead; [`END`] behind the last one.
    pub(crate) fn byte(&self, ahead: usize) -> u8 {
        let byte = self.bytes.get(self.mark.at + ahead);
        byte.copied().unwrap_or(END)
    }

    /// Whether the document ends here.
    pub(crate) fn is_end(&self) -> bool {
        self.mark.at >= self.bytes.len()
    }

    /// Whether a space or a tab stands so many bytes ahead.
    pub(crate) fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t')
    }

    /// Whether a line break stands so many bytes ahead.
    pub(crate) fn is_break(&self, ahead: usize) -> bool {
        break_length(self.bytes, self.mark.at + ahead) > 0
    }

    /// Whether a line, or the document, ends so many bytes ahead.
    pub(crate) fn is_line_end(&self, ahead: usize) -> bool {
        self.mark.at + ahead >= self.bytes.len() || self.is_break(ahead)
    }

    /// Whether a word ends so many bytes ahead.
    pub(crate) fn is_word_end(&self, ahead: usize) -> bool {
        self.is_blank(ahead) || self.is_line_end(ahead)
    }

    /// Whether `---` or `...` stands here, at the start of a line, and nothing joins it.
    pub(crate) fn is_document_marker(&self) -> bool {
        let rest = &self.bytes[self.mark.at.min(self.bytes.len())..];
        self.mark.column == 0
            && (rest.starts_with(b"---") || rest.starts_with(b"..."))
            && self.is_word_end(3)
    }

    /// Goes behind a character that is no line break.
    pub(crate) fn skip(&mut self) {
        let width = match self.byte(0) {
            ..0x80 => 1,
            0x80..0xe0 => 2,
            0xe0..0xf0 => 3,
            _ => 4,
        };
        self.mark.at = (self.mark.at + width).min(self.bytes.len());
        self.mark.column += 1;
        self.mark.index += 1;
    }

    /// Goes behind so many characters of one byte.
    pub(crate) fn skip_ascii(&mut self, count: usize) {
        self.mark.at += count;
        self.mark.column += count;
        self.mark.index += count;
    }

    /// Goes behind the spaces and tabs here.
    pub(crate) fn skip_blanks(&mut self) {
        while self.is_blank(0) {
            self.skip_ascii(1);
        }
    }

    /// Goes to the end of the line.
    pub(crate) fn skip_to_line_end(&mut self) {
        while !self.is_line_end(0) {
            self.skip();
        }
    }

    /// Goes behind the line break here, if there is one, and says what it is as text:
    /// Unicode's own separators stand for themselves, all others are `\n`.
    pub(crate) fn skip_break(&mut self) -> &'s str {
        let length = break_length(self.bytes, self.mark.at);
        if length == 0 {
            return "";
        }
        let start = self.mark.at;
        self.mark.at += length;
        self.mark.index += if length == 2 && self.bytes[start] == b'\r' {
            2
        } else {
            1
        };
        self.mark.column = 0;
        self.mark.line += 1;
        if length == 3 {
            &self.text[start..start + length]
        } else {
            "\n"
        }
    }

    /// Takes the letters, digits, hyphens and underscores here.
    pub(crate) fn take_word(&mut self) -> &'s str {
        let start = self.mark.at;
        while self.byte(0).is_ascii_alphanumeric() || matches!(self.byte(0), b'-' | b'_') {
            self.skip_ascii(1);
        }
        &self.text[start..self.mark.at]
    }
}

/// How long the line break at a place is, 0 for none. YAML 1.1 has five, beside CR LF:
/// also U+0085, U+2028 and U+2029 end a line, and with it a comment.
pub(crate) fn break_length(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at..).unwrap_or_default() {
        [b'\r', b'\n', ..] | [0xc2, 0x85, ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        [0xe2, 0x80, 0xa8 | 0xa9, ..] => 3,
        _ => 0,
    }
}

/// The first character from `at` on that go-yaml takes in no text, with its place.
pub(crate) fn forbidden(text: &str) -> Option<(usize, char)> {
    text.char_indices().find(|(_, character)| {
        !matches!(character,
            '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
    })
}

/// The next place, from one on, with a sign that may end a plain scalar: a colon, a hash or a
/// line break; the end if there is none.
#[inline]
pub(crate) fn next_sign(bytes: &[u8], from: usize) -> usize {
    const EACH: u64 = u64::MAX / 0xff;
    // The lowest bit that this sets is that of the first byte that is looked for.
    let marks = |word: u64, byte: u8| {
        let differs = word ^ (EACH * u64::from(byte));
        differs.wrapping_sub(EACH) & !differs & (EACH << 7)
    };
    let (words, rest) = bytes[from.min(bytes.len())..].as_chunks::<8>();
    let mut at = from;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let found = marks(word, b':') | marks(word, b'#') | marks(word, b'\n');
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_sign = |byte: &u8| matches!(byte, b':' | b'#' | b'\n');
    at + rest.iter().take_while(|byte| !is_sign(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::next_sign;

    #[test]
    fn signs_are_found_wherever_they_stand() {
        // Neighbours of the signs, and bytes that borrow from the next one.
        let others = [
            b'9', b';', b'"', b'$', b'\t', 0x0b, 0x00, 0x80, 0xff, 0xba, b'a',
        ];
        for sign in *b":#\n" {
            for length in 0..20 {
                for (from, other) in others.iter().enumerate() {
                    let mut text = vec![*other; from + length];
                    let end = text.len();
                    assert_eq!(next_sign(&text, from), end);
                    text.extend([sign, b':', *other]);
                    assert_eq!(next_sign(&text, from), end, "{sign} behind {other}");
                }
            }
        }
        assert_eq!(next_sign(b"a", 1), 1);
    }
}

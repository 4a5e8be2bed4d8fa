//! The edge where text of strangers becomes output: file names, labels and messages are
//! escaped for the medium that they go to, once, by types that can be printed no other way.
//!
//! Refuses to know what the text is about.

use std::fmt::{self, Write};

/// Text for a terminal or a line of a log, in which no character does anything but stand
/// there: control characters, line breaks and characters that turn the direction of writing
/// or cannot be seen are shown by their number.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                character if is_harmless(character) => f.write_char(character)?,
                character => write!(f, "\\u{{{:x}}}", u32::from(character))?,
            }
        }
        Ok(())
    }
}

/// A line of a source text for a terminal: as [`Escaped`], but every character stays one
/// character, so that what is drawn below it stands where it should. Tabs are kept.
#[derive(Clone, Copy, Debug)]
pub struct EscapedLine<'a>(pub &'a str);

impl fmt::Display for EscapedLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            f.write_char(line_character(character))?;
        }
        Ok(())
    }
}

/// The character that [`EscapedLine`] shows for another one.
pub(super) fn line_character(character: char) -> char {
    match character {
        '\t' => character,
        character if is_harmless(character) => character,
        _ => char::REPLACEMENT_CHARACTER,
    }
}

/// Text within a paragraph or a table cell of Markdown, as GitHub and GitLab render it:
/// nothing in it is a link, an image, HTML, a mention or the end of the cell.
#[derive(Clone, Copy, Debug)]
pub struct Markdown<'a>(pub &'a str);

impl fmt::Display for Markdown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '!'
                | '~' | '|' => {
                    f.write_char('\\')?;
                    f.write_char(character)?;
                }
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                // A reference keeps an address from becoming a link, and a name a mention.
                '@' => f.write_str("&#64;")?,
                ':' => f.write_str("&#58;")?,
                '.' => f.write_str("&#46;")?,
                character if is_harmless(character) => f.write_char(character)?,
                character => write!(f, "\\\\u{{{:x}}}", u32::from(character))?,
            }
        }
        Ok(())
    }
}

/// Text of an XML 1.0 element or attribute.
#[derive(Clone, Copy, Debug)]
pub struct Xml<'a>(pub &'a str);

impl fmt::Display for Xml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&apos;")?,
                '\n' => f.write_str("&#10;")?,
                '\t' => f.write_str("&#9;")?,
                '\r' => f.write_str("&#13;")?,
                character if is_harmless(character) => f.write_char(character)?,
                // Most of these are no characters of XML 1.0, not even as references.
                character => write!(f, "\\u{{{:x}}}", u32::from(character))?,
            }
        }
        Ok(())
    }
}

/// A JSON string, with its quotes. What JSON would let pass but a terminal obeys is escaped
/// as well.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a>(pub &'a str);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                character if is_harmless(character) => f.write_char(character)?,
                character => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        write!(f, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        f.write_char('"')
    }
}

/// A cell of a CSV file, in quotes where it needs them. One that a spreadsheet would run as a
/// formula begins with an apostrophe (OWASP, "CSV Injection").
#[derive(Clone, Copy, Debug)]
pub struct Csv<'a>(pub &'a str);

impl fmt::Display for Csv<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needs_quotes = self.0.contains([',', '"', ' ', ';']);
        if needs_quotes {
            f.write_char('"')?;
        }
        if self.0.starts_with(['=', '+', '-', '@']) {
            f.write_char('\'')?;
        }
        for character in self.0.chars() {
            match character {
                '"' => f.write_str("\"\"")?,
                character if is_harmless(character) => f.write_char(character)?,
                character => write!(f, "\\u{{{:x}}}", u32::from(character))?,
            }
        }
        if needs_quotes {
            f.write_char('"')?;
        }
        Ok(())
    }
}

/// The message of a workflow command of GitHub Actions (`::error::message`).
#[derive(Clone, Copy, Debug)]
pub struct GithubMessage<'a>(pub &'a str);

impl fmt::Display for GithubMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .chars()
            .try_for_each(|character| github_character(f, character, ""))
    }
}

/// A property of a workflow command of GitHub Actions (`::error file=…,title=…::`).
#[derive(Clone, Copy, Debug)]
pub struct GithubProperty<'a>(pub &'a str);

impl fmt::Display for GithubProperty<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .chars()
            .try_for_each(|character| github_character(f, character, ":,"))
    }
}

/// Writes a character by its number in percent signs where it would mean something
/// (`escapeData` and `escapeProperty` of the actions toolkit).
fn github_character(f: &mut fmt::Formatter<'_>, character: char, special: &str) -> fmt::Result {
    match character {
        '%' | '\r' | '\n' => write!(f, "%{:02X}", u32::from(character)),
        character if special.contains(character) => write!(f, "%{:02X}", u32::from(character)),
        character if is_harmless(character) || character == '\t' => f.write_char(character),
        character => write!(f, "\\u{{{:x}}}", u32::from(character)),
    }
}

/// Whether a character only shows itself. The others are control characters, those that
/// change the direction of writing (Unicode's Bidi_Control), line separators, and those that
/// cannot be seen.
pub(super) fn is_harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What strangers put into names: a new line, a colour, an 8-bit control sequence, a
    /// turned direction, a mark that cannot be seen.
    const HOSTILE: &str = "a\n\u{1b}[31m\u{9b}1m\u{202e}\u{feff}<script>|%:,@x";

    #[test]
    fn every_medium_disarms_a_hostile_name() {
        let expected = [
            (
                Escaped(HOSTILE).to_string(),
                r"a\n\u{1b}[31m\u{9b}1m\u{202e}\u{feff}<script>|%:,@x",
            ),
            (
                EscapedLine(HOSTILE).to_string(),
                "a��[31m�1m��<script>|%:,@x",
            ),
            (
                Markdown(HOSTILE).to_string(),
                r"a\\u{a}\\u{1b}\[31m\\u{9b}1m\\u{202e}\\u{feff}&lt;script&gt;\|%&#58;,&#64;x",
            ),
            (
                Xml(HOSTILE).to_string(),
                r"a&#10;\u{1b}[31m\u{9b}1m\u{202e}\u{feff}&lt;script&gt;|%:,@x",
            ),
            (
                Json(HOSTILE).to_string(),
                r#""a\n\u001b[31m\u009b1m\u202e\ufeff<script>|%:,@x""#,
            ),
            (
                GithubMessage(HOSTILE).to_string(),
                r"a%0A\u{1b}[31m\u{9b}1m\u{202e}\u{feff}<script>|%25:,@x",
            ),
            (
                GithubProperty(HOSTILE).to_string(),
                r"a%0A\u{1b}[31m\u{9b}1m\u{202e}\u{feff}<script>|%25%3A%2C@x",
            ),
        ];
        for (escaped, expected) in expected {
            assert_eq!(escaped, expected);
        }
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        let text = "spec.ingress[0] of \"shop/cart\" is 5 µs — 日本";
        assert_eq!(Escaped(text).to_string(), text);
        assert_eq!(EscapedLine(text).to_string(), text);
        assert_eq!(GithubMessage(text).to_string(), text);
    }
}

//! What granit-parser complains about, in words for the author of a manifest.
//!
//! Refuses to know whether the document matters, and how a tree is built.

use super::builder::MAX_DEPTH;
use super::error::ReadError;
use crate::source::{SourceId, Span};
use granit_parser::ErrorKind;
use std::ops::Range;

/// Where the parser was when it gave up.
pub(crate) struct Scene<'s> {
    /// The source.
    pub(crate) source: SourceId,
    /// Its whole text.
    pub(crate) text: &'s str,
    /// The document within it.
    pub(crate) document: Range<usize>,
    /// Where the parser gave up.
    pub(crate) at: usize,
    /// Behind the last part that was understood; at or before `at`.
    pub(crate) understood: usize,
}

impl Scene<'_> {
    /// The complaint in words, at the smallest text that is wrong.
    pub(crate) fn put(&self, kind: &ErrorKind) -> Box<ReadError> {
        use ErrorKind as K;
        match kind {
            K::RecursionLimitExceeded => {
                let message = format!("this document nests deeper than {MAX_DEPTH} levels");
                ReadError::limit(self.here(), message)
            }
            K::TabNotAllowed
            | K::TabInBlockIndentation
            | K::TabInIndentation
            | K::TabInPlainScalar
            | K::TabAtBlockScalarStart => self.tab(self.at),
            K::UnclosedQuotedScalar
            | K::InvalidQuotedScalarIndent
            | K::DocumentIndicatorInQuotedScalar => self.open_quote(),
            K::UnclosedFlowCollection { open } => {
                let error = ReadError::new(
                    self.span(self.at, 1),
                    format!("this `{open}` is not closed"),
                );
                error.label(format!("no `{}` follows", closing(*open)))
            }
            K::ExpectedFlowMappingSeparator
            | K::ExpectedFlowSequenceSeparator
            | K::InvalidColonPlacement
            | K::UnexpectedEofFlowSequence
            | K::UnexpectedEofFlowMapping
            | K::UnexpectedEofImplicitFlowMapping
            | K::UnexpectedEof => self.in_brackets(),
            K::MismatchedFlowCollectionEnd { open, close } => {
                let message = format!("this `{open}` is closed by `{close}`");
                let error = ReadError::new(self.span(self.at, 1), message);
                error.help(format!("close it with `{}`", closing(*open)))
            }
            K::MisplacedFlowCollectionEnd => {
                let error = ReadError::new(self.token(), "this bracket closes nothing");
                error
                    .label("no bracket is open here")
                    .help("remove it, or open one before it")
            }
            K::MappingValueNotAllowed | K::InvalidMappingValueWhitespace => self.colon(),
            K::SimpleKeyExpected | K::InvalidSimpleKey => self.no_key(),
            K::ExpectedBlockMappingKey | K::ExpectedBlockSequenceEntry | K::InvalidIndentation => {
                self.indentation()
            }
            K::BlockSequenceEntryNotAllowed | K::BlockEntryInFlowCollection => {
                let error =
                    ReadError::new(self.span(self.at, 1), "a list item must not start here");
                error.help("put the `-` on a line of its own, below the key")
            }
            K::UnknownAnchor => {
                let error = ReadError::new(self.token(), "this alias has no anchor");
                let name = self.text[self.token().range()]
                    .trim_start_matches('*')
                    .to_owned();
                error
                    .label(format!("no `&{name}` stands before it in this document"))
                    .help("define the anchor in the same document, or quote the text")
            }
            K::UnknownQuotedScalarEscape => {
                let error = ReadError::new(self.escape(), "this escape does not exist in YAML");
                error.help("write `\\\\` for a backslash, or put the text in single quotes")
            }
            K::UnexpectedCharacter { character } => self.character(*character),
            K::InvalidTrailingDoubleQuotedScalar | K::InvalidTrailingSingleQuotedScalar => {
                let error = ReadError::new(self.rest(), "text follows behind a closing quote");
                error
                    .label("belongs to no value")
                    .help("put the quotes around the whole value")
            }
            K::InvalidBlockScalarHeader => {
                let error = ReadError::new(self.token(), "text must not follow `|` or `>`");
                error.help("begin the text on the next line, indented")
            }
            K::MissingAnchorOrAliasName => {
                let sign = &self.text[self.span(self.at, 1).range()];
                let message = format!("a value must not start with `{sign}`");
                ReadError::new(self.token(), message).help("put the value in quotes")
            }
            other => ReadError::new(self.token(), sentence(&other.to_string())),
        }
    }

    /// A tab in front of the text of a line.
    fn tab(&self, near: usize) -> Box<ReadError> {
        let line = self.line(near);
        let indent = self.text[line.clone()].len() - self.text[line.clone()].trim_start().len();
        let indent = line.start..line.start + indent;
        let tab = self.text[indent.clone()]
            .find('\t')
            .map_or(near, |tab| indent.start + tab);
        let error = ReadError::new(self.span(tab, 1), "a tab stands where YAML wants spaces");
        error.label("is a tab").help("indent with spaces")
    }

    fn open_quote(&self) -> Box<ReadError> {
        let Some(quote) = self.find_open_quote() else {
            return ReadError::new(self.token(), "a quote before this place is not closed");
        };
        let sign = &self.text[quote..=quote];
        let span = self.span(quote, self.line(quote).end - quote);
        let error = ReadError::new(span, "this quote is not closed");
        error
            .label(format!("no `{sign}` ends it"))
            .help(format!("close it with `{sign}`"))
    }

    /// The quote that is open where the parser gave up.
    fn find_open_quote(&self) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut at = self.understood;
        let mut may_start = true;
        while at < self.at.min(bytes.len()) {
            match bytes[at] {
                quote @ (b'"' | b'\'') if may_start => {
                    let end = quote_end(bytes, at, quote);
                    match end.filter(|end| *end <= self.at) {
                        Some(end) => at = end,
                        None => return Some(at),
                    }
                    may_start = false;
                }
                b'#' if at == 0 || bytes[at - 1].is_ascii_whitespace() => at = self.line(at).end,
                byte => {
                    may_start = byte.is_ascii_whitespace() || b":-,[{?".contains(&byte);
                    at += 1;
                }
            }
        }
        None
    }

    /// Something is wrong between brackets: most likely one is missing.
    fn in_brackets(&self) -> Box<ReadError> {
        let Some(open) = self.find_open_bracket() else {
            return ReadError::new(self.token(), "a `,` or a closing bracket is missing here");
        };
        let bracket = char::from(self.text.as_bytes()[open]);
        let close = closing(bracket);
        if self.line(open) == self.line(self.at) && self.at < self.document.end {
            let message = format!("a `,` or `{close}` is missing here");
            let error = ReadError::new(self.token(), message);
            return error.related(
                self.span(open, 1),
                format!("the `{bracket}` is opened here"),
            );
        }
        let error = ReadError::new(
            self.span(open, 1),
            format!("this `{bracket}` is not closed"),
        );
        let error = error.label(format!("no `{close}` follows"));
        error.related(
            self.token(),
            format!("a `,` or `{close}` is missing before this"),
        )
    }

    /// The innermost bracket that is open where the parser gave up.
    fn find_open_bracket(&self) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut open = Vec::new();
        let mut at = self.document.start;
        let mut may_start = true;
        while at < self.at.min(bytes.len()) {
            match bytes[at] {
                quote @ (b'"' | b'\'') if may_start => {
                    at = quote_end(bytes, at, quote).unwrap_or(bytes.len());
                    may_start = false;
                    continue;
                }
                b'#' if at == 0 || bytes[at - 1].is_ascii_whitespace() => {
                    at = self.line(at).end;
                    continue;
                }
                b'{' | b'[' if may_start || !open.is_empty() => open.push(at),
                b'}' | b']' => {
                    open.pop();
                }
                _ => {}
            }
            may_start = bytes[at].is_ascii_whitespace() || b":-,[{?".contains(&bytes[at]);
            at += 1;
        }
        open.pop()
    }

    /// A `: ` where no key can stand.
    fn colon(&self) -> Box<ReadError> {
        let line = self.line(self.at);
        let before = &self.text[line.start..self.at.max(line.start)];
        let indent = before.len() - before.trim_start().len();
        let key = line.start + indent..self.at;
        if let Some(colon) = before.find(": ") {
            let value = line.start + colon + 2;
            let value = self.span(value, line.end - value);
            let error = ReadError::new(value, "a second `: ` stands on this line");
            return error
                .label("a value with `: ` in it needs quotes")
                .help("put the value in quotes, or begin a new line");
        }
        let error = ReadError::new(self.span(key.start, key.len()), "no key can stand here");
        let Some(above) = self.line_above(line.start) else {
            return error;
        };
        let text = self.text[above.clone()].trim();
        match text.split_once(':') {
            Some((name, value)) if !value.is_empty() && !value.starts_with([' ', '\t']) => {
                let space = self.span(above.start, above.len());
                error
                    .label("continues the value above")
                    .related(space, "here the space is missing")
                    .help(format!(
                        "write a space behind the colon: `{}: {value}`",
                        name.trim_start_matches("- ")
                    ))
            }
            Some((name, _)) => {
                let name = name.trim_start_matches("- ");
                error.label(format!("continues the value of `{name}`, by its indentation")).help(format!(
                    "indent it like `{name}` to put it beside it, or leave `{name}:` without a value"
                ))
            }
            None => error.label("continues the text above, by its indentation"),
        }
    }

    /// A line that should be `key: value` and is not.
    fn no_key(&self) -> Box<ReadError> {
        let rest = self.rest();
        let text = &self.text[rest.range()];
        if ["<<<<<<<", "=======", ">>>>>>>"]
            .iter()
            .any(|mark| text.starts_with(mark))
        {
            return ReadError::new(rest, "a merge conflict was left in this document");
        }
        let error = ReadError::new(rest, "this line has no `key: value`");
        if text.starts_with('-') && !text.starts_with("--") {
            return error.label("is no list item, either").help(format!(
                "write a space behind the hyphen: `- {}`",
                &text[1..]
            ));
        }
        match text
            .split_once(':')
            .filter(|(_, value)| !value.starts_with(' '))
        {
            Some((name, value)) if !value.is_empty() => error
                .label("is taken for text")
                .help(format!("write a space behind the colon: `{name}: {value}`")),
            _ => error.label("no colon ends a key here"),
        }
    }

    /// A line that fits none of the open collections.
    fn indentation(&self) -> Box<ReadError> {
        let line = self.line(self.at);
        let text = self.text[line.clone()].trim_end();
        let indent = text.len() - text.trim_start().len();
        let line = self.span(line.start + indent, text.len() - indent);
        if text.trim_start().starts_with("- ") || text.trim_start() == "-" {
            let error = ReadError::new(line, "a list item stands where a key is expected");
            return error
                .label("starts with a hyphen")
                .help("indent it below the key of its list");
        }
        let error = ReadError::new(line, "the indentation of this line fits no line above");
        error
            .label(if indent == 1 {
                "1 space".to_owned()
            } else {
                format!("{indent} spaces")
            })
            .help("indent it like the lines that it belongs to")
    }

    fn character(&self, character: char) -> Box<ReadError> {
        if character.is_control() {
            let message = format!(
                "the control character U+{:04X} must not stand here",
                character as u32
            );
            let span = self.span(self.at, character.len_utf8());
            return ReadError::new(span, message)
                .help("remove it, or write it as an escape in quotes");
        }
        let message = match character {
            '`' => "a value must not start with a backtick".to_owned(),
            other => format!("a value must not start with `{other}`"),
        };
        ReadError::new(self.token(), message).help("put the value in quotes")
    }

    /// The escape at, or just before, the place.
    fn escape(&self) -> Span {
        let line = self.line(self.at);
        let until = (self.at + 1).min(line.end);
        let before = self
            .text
            .get(line.start..until)
            .and_then(|text| text.rfind('\\'));
        let start = before.map_or(self.at, |backslash| line.start + backslash);
        let length = self.text[start..].chars().take(2).map(char::len_utf8).sum();
        self.span(start, length)
    }

    /// Up to so many bytes from a place on; less at the end of the document, and whole
    /// characters in any case.
    fn span(&self, start: usize, length: usize) -> Span {
        let start = start.clamp(self.document.start, self.document.end);
        let mut end = (start + length).min(self.document.end);
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        Span::new(self.source, start as u32, end as u32)
    }

    fn here(&self) -> Span {
        self.span(self.at, 0)
    }

    /// The word at the place.
    fn token(&self) -> Span {
        let end = self.line(self.at).end;
        let rest = self.text.get(self.at..end).unwrap_or_default();
        let length = rest.find([' ', '\t', ',', ']', '}']).unwrap_or(rest.len());
        self.span(
            self.at,
            if length == 0 {
                rest.len().min(1)
            } else {
                length
            },
        )
    }

    /// The rest of the line, without a comment.
    fn rest(&self) -> Span {
        let end = self.line(self.at).end;
        let rest = self.text.get(self.at..end).unwrap_or_default();
        let rest = rest
            .find(" #")
            .map_or(rest, |comment| &rest[..comment])
            .trim_end();
        self.span(self.at, rest.len())
    }

    /// The line of a place, without its line break.
    fn line(&self, at: usize) -> Range<usize> {
        let at = at.min(self.text.len());
        let bytes = self.text.as_bytes();
        let start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |newline| newline + 1);
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |newline| at + newline);
        let end = end - usize::from(end > start && bytes[end - 1] == b'\r');
        start..end
    }

    /// The line that is not blank above the one that starts at `start`.
    fn line_above(&self, mut start: usize) -> Option<Range<usize>> {
        while start > self.document.start {
            let line = self.line(start - 1);
            start = line.start;
            let text = self.text[line.clone()].trim();
            if !text.is_empty() && !text.starts_with('#') {
                return Some(line);
            }
        }
        None
    }
}

fn closing(open: char) -> char {
    if open == '{' { '}' } else { ']' }
}

/// Behind the quote that ends the scalar that starts at `start`.
fn quote_end(bytes: &[u8], start: usize, quote: u8) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(quote, b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'\\' && quote == b'"' {
            at += 2;
        } else if bytes[at] == b'\\' {
            at += 1;
        } else if quote == b'\'' && bytes.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return Some(at + 1);
        }
    }
}

/// A message of the parser as npcheck writes messages.
fn sentence(message: &str) -> String {
    message.trim_end_matches('.').replace('`', "'")
}

//! What is wrong with a document of YAML, in words for the author of a manifest.
//!
//! Refuses to know whether the document matters, and how a tree is built.

use super::builder::MAX_DEPTH;
use super::error::ReadError;
use super::token::Problem;
use crate::source::{SourceId, Span};
use std::ops::Range;

/// Where the parser was when it gave up.
pub(crate) struct Scene<'s> {
    /// The source.
    pub(crate) source: SourceId,
    /// Its whole text.
    pub(crate) text: &'s str,
    /// The document within it.
    pub(crate) document: Range<usize>,
    /// Where reading stopped.
    pub(crate) at: usize,
    /// The innermost bracket that is open there, and its place.
    pub(crate) bracket: Option<(char, usize)>,
}

impl Scene<'_> {
    /// The complaint in words, at the smallest text that is wrong.
    pub(crate) fn put(&self, problem: Problem) -> Box<ReadError> {
        let open = self.bracket.map_or('{', |(open, _)| open);
        let conflict = self.conflict();
        if let Some(conflict) = conflict.filter(|_| !matches!(problem, Problem::Depth)) {
            return conflict;
        }
        match problem {
            Problem::Depth => {
                let message = format!("this document nests deeper than {MAX_DEPTH} levels");
                ReadError::limit(self.here(), message)
            }
            Problem::Tab => self.tab(self.at),
            Problem::OpenQuote => self.open_quote(),
            Problem::OpenBracket => {
                let message = format!("this `{open}` is not closed");
                let error = ReadError::new(self.span(self.at, 1), message);
                error.label(format!("no `{}` follows", closing(open)))
            }
            Problem::OtherBracket => {
                let close = if open == '{' { ']' } else { '}' };
                let message = format!("this `{open}` is closed by `{close}`");
                let error = ReadError::new(self.span(self.at, 1), message);
                error.help(format!("close it with `{}`", closing(open)))
            }
            Problem::NoComma | Problem::NoItem => self.in_brackets(),
            Problem::Bracket => {
                let error = ReadError::new(self.token(), "this bracket closes nothing");
                error
                    .label("no bracket is open here")
                    .help("remove it, or open one before it")
            }
            Problem::Colon => self.colon(),
            Problem::ExplicitKey => ReadError::new(self.token(), "no key can stand here"),
            Problem::NoKey => self.no_key(),
            Problem::Indentation | Problem::NoValue => self.indentation(),
            Problem::Hyphen => {
                let error =
                    ReadError::new(self.span(self.at, 1), "a list item must not start here");
                error.help("put the `-` on a line of its own, below the key")
            }
            Problem::UnknownAlias => {
                let error = ReadError::new(self.token(), "this alias has no anchor");
                let name = self.text[self.token().range()]
                    .trim_start_matches('*')
                    .to_owned();
                error
                    .label(format!("no `&{name}` stands before it in this document"))
                    .help("define the anchor in the same document, or quote the text")
            }
            Problem::Escape => {
                let error = ReadError::new(self.escape(), "this escape does not exist in YAML");
                error.help("write `\\` for a backslash, or put the text in single quotes")
            }
            Problem::Character(character) | Problem::Start(character) => self.character(character),
            Problem::BehindQuote => {
                let error = ReadError::new(self.rest(), "text follows behind a closing quote");
                error
                    .label("belongs to no value")
                    .help("put the quotes around the whole value")
            }
            Problem::BlockHeader => {
                let error = ReadError::new(self.token(), "text must not follow `|` or `>`");
                error.help("begin the text on the next line, indented")
            }
            Problem::AnchorName => self.anchor_name(),
            Problem::Tag => {
                let error = ReadError::new(self.token(), "this tag cannot be read");
                error.help("remove it, or put the value in quotes")
            }
            Problem::Directive => {
                let message = "Kubernetes tools do not read a document with a `%` directive";
                let error = ReadError::new(self.rest(), message);
                error
                    .label("they cut the text at `---`, and nothing is left behind it")
                    .help("remove the line")
            }
        }
    }

    /// `*` and `&` that are no alias and no anchor, or one with other signs.
    fn anchor_name(&self) -> Box<ReadError> {
        let sign = &self.text[self.span(self.at, 1).range()];
        let token = self.token();
        let name = &self.text[token.range()][1..];
        if name.starts_with(char::is_alphanumeric) {
            let message = "the name of an anchor has only letters, digits, `-` and `_`";
            return ReadError::new(token, message).help("rename it, or put the value in quotes");
        }
        let message = format!("a value must not start with `{sign}`");
        ReadError::new(token, message).help("put the value in quotes")
    }

    /// A tab in front of the text of a line.
    fn tab(&self, near: usize) -> Box<ReadError> {
        let line = self.line(near);
        let indent = self.text[line.clone()].len() - self.text[line.clone()].trim_start().len();
        let indent = line.start..line.start + indent;
        let tab = self.text[indent.clone()]
            .find('\t')
            .map_or(near, |tab| indent.start + tab);
        let error = ReadError::new(self.span(tab, 1), "a tab where YAML requires spaces");
        error.label("is a tab").help("indent with spaces")
    }

    fn open_quote(&self) -> Box<ReadError> {
        let sign = &self.text[self.at..=self.at];
        let span = self.span(self.at, self.line(self.at).end - self.at);
        let error = ReadError::new(span, "this quote is not closed");
        error
            .label(format!("no `{sign}` ends it"))
            .help(format!("close it with `{sign}`"))
    }

    /// Something is wrong between brackets: most likely one is missing.
    fn in_brackets(&self) -> Box<ReadError> {
        let Some((bracket, open)) = self.bracket else {
            return ReadError::new(self.token(), "a `,` or a closing bracket is missing here");
        };
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

    /// A line that git left where two changes meet, whatever the parser took it for; `None` if it
    /// is none.
    fn conflict(&self) -> Option<Box<ReadError>> {
        let line = self.line(self.at);
        let text = self.text[line.clone()].trim_end();
        let mut marks = ["<<<<<<<", "=======", ">>>>>>>"].iter();
        let is_one = marks.any(|mark| text.starts_with(mark));
        let span = self.span(line.start, text.len());
        is_one.then(|| ReadError::new(span, "a merge conflict was left in this document"))
    }

    /// A line that should be `key: value` and is not.
    fn no_key(&self) -> Box<ReadError> {
        let rest = self.rest();
        let text = &self.text[rest.range()];
        let error = ReadError::new(rest, "this line has no `key: value`");
        if text.starts_with('-') && !text.starts_with("--") {
            return error.label("is not a list item, either").help(format!(
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

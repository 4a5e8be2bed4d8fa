//! Any YAML document into a [`Tree`], by the grammar of go-yaml, which Kubernetes' tools
//! read with: YAML 1.1, of a text only its first document, and of that nothing behind
//! its first value.
//!
//! Refuses to know Kubernetes, and where kubectl cuts a text: it is handed one piece.

use super::builder::{Builder, Properties};
use super::complaint::Scene;
use super::cursor::{self, Cursor};
use super::error::ReadError;
use super::scalar::Tag;
use super::scanner::{Scanner, error};
use super::token::{Problem, ScanError, Token, TokenKind};
use super::tree::{Style, Tree};
use crate::source::SourceId;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

/// Reads the document that stands in `range` of `text`, the whole text of `source`. What
/// stands behind its end and is no comment is noted in the tree.
pub(crate) fn read<'s>(
    source: SourceId,
    text: &'s str,
    range: Range<usize>,
) -> Result<Tree<'s>, Box<ReadError>> {
    let mut cursor = Cursor::new(text, range.start, range.end);
    // What follows `---` stands on its line.
    let is_behind_marker = text[..range.start].ends_with("---");
    if is_behind_marker {
        cursor.mark.column = 3;
    }
    let mut scanner = Scanner::new(cursor);
    scanner.may_be_key = !is_behind_marker;
    let mut reader = Reader {
        scanner,
        builder: Builder::new(source, text, range.clone()),
        anchors: HashMap::new(),
        definitions: 0,
        end: range.start as u32,
        last_quoted: None,
        brackets: Vec::new(),
    };
    let read = match cursor::forbidden(&text[range.clone()]) {
        Some((at, character)) => Err(error(Problem::Character(character), range.start + at).into()),
        None => reader.document(is_behind_marker),
    };
    if let Err(fault) = read {
        return Err(match fault {
            Fault::Scan(error) => Scene {
                source,
                text,
                document: range,
                at: error.at,
                bracket: reader.brackets.last().copied(),
            }
            .put(error.problem),
            Fault::Read(error) => error,
        });
    }
    for (start, end) in std::mem::take(&mut reader.scanner.comments) {
        reader.builder.comment(start, end);
    }
    reader.builder.finish()
}

/// Why reading stops: the text is not YAML, or the tree cannot be made.
enum Fault {
    Scan(ScanError),
    Read(Box<ReadError>),
}

impl From<ScanError> for Fault {
    fn from(error: ScanError) -> Self {
        Self::Scan(error)
    }
}

impl From<Box<ReadError>> for Fault {
    fn from(error: Box<ReadError>) -> Self {
        Self::Read(error)
    }
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Context {
    /// Alone, or an item of a block sequence.
    Block,
    /// A key or a value of a block mapping, where the items of a list need no indentation.
    BlockMapping,
    /// In brackets.
    Flow,
}

struct Reader<'s> {
    scanner: Scanner<'s>,
    builder: Builder<'s>,
    /// The number of the last definition of each anchor.
    anchors: HashMap<&'s str, usize>,
    definitions: usize,
    /// Behind the last token that was taken.
    end: u32,
    /// The end of the last scalar in quotes.
    last_quoted: Option<u32>,
    /// The brackets that are open.
    brackets: Vec<(char, usize)>,
}

impl<'s> Reader<'s> {
    fn document(&mut self, is_behind_marker: bool) -> Result<(), Fault> {
        let is_started = is_behind_marker || self.peek()? == TokenKind::DocumentStart;
        if is_started && !is_behind_marker {
            self.take()?;
        }
        match self.peek()? {
            // Directives belong to a document that starts with `---`, and kubectl cuts there.
            TokenKind::Directive if !is_started => {
                return Err(self.problem(Problem::Directive)?.into());
            }
            TokenKind::End => return Ok(()),
            TokenKind::Directive | TokenKind::DocumentStart | TokenKind::DocumentEnd
                if is_started => {}
            _ => self.node(Context::Block, None)?,
        }
        let next = self.scanner.peek()?;
        let (is_marked, start) = (next.kind == TokenKind::DocumentEnd, next.start);
        if next.kind == TokenKind::End {
            return Ok(());
        }
        let behind = if is_marked { start + 3 } else { start };
        self.builder.end_at(behind, is_marked);
        Ok(())
    }

    fn peek(&mut self) -> Result<TokenKind<'s>, Fault> {
        Ok(self.scanner.peek()?.kind.clone())
    }

    /// Whether the next token is of a kind.
    fn is_next(&mut self, kinds: &[TokenKind<'s>]) -> Result<bool, Fault> {
        Ok(kinds.contains(&self.scanner.peek()?.kind))
    }

    fn take(&mut self) -> Result<Token<'s>, Fault> {
        let token = self.scanner.next()?;
        // Where an indentation ends is known only behind it.
        if token.kind != TokenKind::BlockEnd {
            self.end = token.end;
        }
        Ok(token)
    }

    /// A problem with the next token.
    fn problem(&mut self, problem: Problem) -> Result<ScanError, ScanError> {
        let at = self.scanner.peek()?.start as usize;
        Ok(error(problem, at))
    }

    /// A value, or a key. `dash` is the hyphen in front of an item.
    fn node(&mut self, context: Context, dash: Option<u32>) -> Result<(), Fault> {
        let behind = self.end;
        if let TokenKind::Alias(name) = self.peek()? {
            let token = self.take()?;
            let Some(anchor) = self.anchors.get(name).copied() else {
                return Err(error(Problem::UnknownAlias, token.start as usize).into());
            };
            return Ok(self.builder.alias((token.start, token.end), anchor, dash)?);
        }
        let mut properties = Properties::plain(dash);
        let (mut has_tag, mut has_anchor) = (false, false);
        loop {
            match self.peek()? {
                TokenKind::Anchor(name) if !has_anchor => {
                    has_anchor = true;
                    self.definitions += 1;
                    properties.anchor = self.definitions;
                    self.anchors.insert(name, self.definitions);
                }
                TokenKind::Tag { handle, suffix } if !has_tag => {
                    has_tag = true;
                    let Some(tag) = meaning(handle, &suffix) else {
                        return Err(self.problem(Problem::Tag)?.into());
                    };
                    properties.tag = tag;
                }
                _ => break,
            }
            self.take()?;
        }
        match self.peek()? {
            TokenKind::Scalar(style, text) => self.scalar(style, text, properties),
            TokenKind::BlockEntry if context == Context::BlockMapping => {
                self.block_sequence(properties, false)
            }
            TokenKind::BlockSequenceStart if context != Context::Flow => {
                self.block_sequence(properties, true)
            }
            TokenKind::BlockMappingStart if context != Context::Flow => {
                self.block_mapping(properties)
            }
            TokenKind::FlowSequenceStart => self.flow_sequence(properties),
            TokenKind::FlowMappingStart => self.flow_mapping(properties),
            _ if has_tag || has_anchor => self.absent(behind, properties),
            _ => Err(self.no_value(context)?.into()),
        }
    }

    fn scalar(
        &mut self,
        style: Style,
        text: Cow<'s, str>,
        properties: Properties,
    ) -> Result<(), Fault> {
        let token = self.take()?;
        let is_quoted = matches!(style, Style::SingleQuoted | Style::DoubleQuoted);
        let inset = u32::from(is_quoted);
        if is_quoted {
            self.last_quoted = Some(token.end);
        }
        let written = (token.start + inset) as usize..(token.end - inset) as usize;
        let text = Some(text).filter(|text| self.scanner.cursor.text[written] != **text);
        let span = (token.start, token.end);
        Ok(self.builder.scalar(style, span, text, properties)?)
    }

    /// A value that is not written.
    fn absent(&mut self, at: u32, properties: Properties) -> Result<(), Fault> {
        if !self.builder.has_open() {
            // A document without any value has no root.
            return Ok(());
        }
        Ok(self
            .builder
            .scalar(Style::Plain, (at, at), None, properties)?)
    }

    /// A block sequence, which has a start and an end of its own if it is indented.
    fn block_sequence(&mut self, properties: Properties, is_indented: bool) -> Result<(), Fault> {
        let start = self.scanner.peek()?.start;
        self.builder.open(Style::BlockSequence, start, properties)?;
        if is_indented {
            self.take()?;
        }
        let mut ends = vec![TokenKind::BlockEntry, TokenKind::BlockEnd];
        if !is_indented {
            ends.extend([TokenKind::Key, TokenKind::Value]);
        }
        while self.is_next(&[TokenKind::BlockEntry])? {
            let dash = self.take()?.start;
            if self.is_next(&ends)? {
                self.absent(self.end, Properties::plain(Some(dash)))?;
            } else {
                self.node(Context::Block, Some(dash))?;
            }
        }
        if is_indented {
            if !self.is_next(&[TokenKind::BlockEnd])? {
                return Err(self.no_part()?.into());
            }
            self.take()?;
        }
        Ok(self.builder.close(None)?)
    }

    fn block_mapping(&mut self, properties: Properties) -> Result<(), Fault> {
        let ends = [TokenKind::Key, TokenKind::Value, TokenKind::BlockEnd];
        let start = self.take()?.start;
        self.builder.open(Style::BlockMapping, start, properties)?;
        while self.is_next(&[TokenKind::Key])? {
            self.take()?;
            if self.is_next(&ends)? {
                self.absent(self.end, Properties::plain(None))?;
            } else {
                self.node(Context::BlockMapping, None)?;
            }
            let has_colon = self.is_next(&[TokenKind::Value])?;
            if has_colon {
                self.take()?;
            }
            if !has_colon || self.is_next(&ends)? {
                self.absent(self.end, Properties::plain(None))?;
            } else {
                self.node(Context::BlockMapping, None)?;
            }
        }
        if !self.is_next(&[TokenKind::BlockEnd])? {
            return Err(self.no_part()?.into());
        }
        self.take()?;
        Ok(self.builder.close(None)?)
    }

    fn flow_sequence(&mut self, properties: Properties) -> Result<(), Fault> {
        let ends = [TokenKind::FlowEntry, TokenKind::FlowSequenceEnd];
        let start = self.take()?.start;
        self.brackets.push(('[', start as usize));
        self.builder.open(Style::FlowSequence, start, properties)?;
        let mut is_first = true;
        while self.goes_on(TokenKind::FlowSequenceEnd, is_first)? {
            is_first = false;
            if !self.is_next(&[TokenKind::Key])? {
                self.node(Context::Flow, None)?;
                continue;
            }
            // `[a: b]` holds a mapping without braces.
            let key = self.take()?.start;
            let properties = Properties::plain(None);
            self.builder.open(Style::FlowMapping, key, properties)?;
            if self.is_next(&[TokenKind::Value])? || self.is_next(&ends)? {
                self.absent(self.end, properties)?;
            } else {
                self.node(Context::Flow, None)?;
            }
            self.flow_value(&ends)?;
            self.builder.close(None)?;
        }
        self.close_bracket()
    }

    fn flow_mapping(&mut self, properties: Properties) -> Result<(), Fault> {
        let ends = [TokenKind::FlowEntry, TokenKind::FlowMappingEnd];
        let start = self.take()?.start;
        self.brackets.push(('{', start as usize));
        self.builder.open(Style::FlowMapping, start, properties)?;
        let mut is_first = true;
        while self.goes_on(TokenKind::FlowMappingEnd, is_first)? {
            is_first = false;
            let is_key = self.is_next(&[TokenKind::Key])?;
            if is_key {
                self.take()?;
            }
            if is_key && (self.is_next(&[TokenKind::Value])? || self.is_next(&ends)?) {
                self.absent(self.end, Properties::plain(None))?;
            } else {
                self.node(Context::Flow, None)?;
            }
            if is_key {
                self.flow_value(&ends)?;
            } else {
                // `{a}`: a key without a value.
                self.absent(self.end, Properties::plain(None))?;
            }
        }
        self.close_bracket()
    }

    /// Whether a part comes before the bracket closes; goes behind the comma before it.
    fn goes_on(&mut self, close: TokenKind<'s>, is_first: bool) -> Result<bool, Fault> {
        if self.is_next(std::slice::from_ref(&close))? {
            return Ok(false);
        }
        if is_first {
            return Ok(true);
        }
        if !self.is_next(&[TokenKind::FlowEntry])? {
            return Err(self.in_brackets(Problem::NoComma)?.into());
        }
        self.take()?;
        Ok(!self.is_next(&[close])?)
    }

    /// What follows a key in brackets.
    fn flow_value(&mut self, ends: &[TokenKind<'s>]) -> Result<(), Fault> {
        if self.is_next(&[TokenKind::Value])? {
            self.take()?;
            if !self.is_next(ends)? {
                return self.node(Context::Flow, None);
            }
        }
        self.absent(self.end, Properties::plain(None))
    }

    fn close_bracket(&mut self) -> Result<(), Fault> {
        let end = self.take()?.end;
        self.brackets.pop();
        Ok(self.builder.close(Some(end))?)
    }

    /// What is wrong where a value should stand and none does.
    fn no_value(&mut self, context: Context) -> Result<ScanError, ScanError> {
        if context == Context::Flow {
            return self.in_brackets(Problem::NoItem);
        }
        let problem = match self.scanner.peek()?.kind {
            TokenKind::FlowSequenceEnd | TokenKind::FlowMappingEnd => Problem::Bracket,
            TokenKind::FlowEntry => Problem::Start(','),
            _ => Problem::NoValue,
        };
        self.problem(problem)
    }

    /// What is wrong with a token that is no part of the block collection around.
    fn no_part(&mut self) -> Result<ScanError, ScanError> {
        let start = self.scanner.peek()?.start;
        let between = self.last_quoted.map(|end| end as usize..start as usize);
        let is_behind_quote = between
            .and_then(|between| self.scanner.cursor.text.get(between))
            .is_some_and(|between| !between.contains(['\n', ',', ':']));
        let problem = match self.scanner.peek()?.kind {
            _ if is_behind_quote => Problem::BehindQuote,
            TokenKind::FlowSequenceEnd | TokenKind::FlowMappingEnd => Problem::Bracket,
            _ => Problem::Indentation,
        };
        self.problem(problem)
    }

    /// What is wrong with a token in brackets: they are not closed, closed by others, or
    /// else as said.
    fn in_brackets(&mut self, otherwise: Problem) -> Result<ScanError, ScanError> {
        let open = self.brackets.last().copied();
        let kind = self.scanner.peek()?.kind.clone();
        match (kind, open) {
            (TokenKind::End, Some((_, at))) => Ok(error(Problem::OpenBracket, at)),
            (TokenKind::FlowSequenceEnd | TokenKind::FlowMappingEnd, Some((_, at))) => {
                Ok(error(Problem::OtherBracket, at))
            }
            _ => self.problem(otherwise),
        }
    }
}

/// What a tag means to go-yaml; `None` for a handle that nobody defined.
fn meaning(handle: &str, suffix: &str) -> Option<Tag> {
    let name = match handle {
        "" => suffix.strip_prefix("tag:yaml.org,2002:"),
        "!!" => Some(suffix),
        "!" => None,
        _ => return None,
    };
    Some(match name {
        Some("binary") => Tag::Binary,
        Some("null") => Tag::Null,
        Some("bool") => Tag::Bool,
        Some("int") => Tag::Int,
        Some("float") => Tag::Float,
        _ => Tag::Text,
    })
}

//! Any YAML document into a [`Tree`], by the events of granit-parser.
//!
//! Refuses to know Kubernetes, and where documents start and end: it is handed one.

use super::builder::{Builder, MAX_DEPTH, Properties};
use super::complaint::Scene;
use super::error::ReadError;
use super::scalar::Tag;
use super::tree::{Style, Tree};
use crate::source::SourceId;
use granit_parser::{Event, Parser, ScalarStyle, StructureStyle};
use std::borrow::Cow;
use std::ops::Range;

/// Reads the document that stands in `range` of `text`, the whole text of `source`.
pub(crate) fn read<'s>(
    source: SourceId,
    text: &'s str,
    range: Range<usize>,
) -> Result<Tree<'s>, Box<ReadError>> {
    let document = &text[range.clone()];
    let options = granit_parser::options! {
        max_buffered_comment_events: usize::MAX,
        // One more than the builder allows, so that it is the one to complain.
        flow_nesting_limit: MAX_DEPTH + 1,
        block_nesting_limit: MAX_DEPTH + 1,
    };
    let mut reader = Reader {
        builder: Builder::new(source, text, range.clone()),
        text,
        cursor: range.start,
        open: Vec::new(),
    };
    let parser = Parser::new_from_str_with_options(document, options);
    let mut documents = 0;
    for event in parser {
        let (event, span) = event.map_err(|error| {
            let at = range.start + error.marker().byte_offset().unwrap_or(document.len());
            let at = at.min(range.end);
            let understood = reader.cursor.min(at);
            Scene {
                source,
                text,
                document: range.clone(),
                at,
                understood,
            }
            .put(error.kind())
        })?;
        if matches!(event, Event::DocumentStart(..)) {
            documents += 1;
            if documents > 1 {
                break;
            }
        }
        let Some(bytes) = span.byte_range() else {
            continue;
        };
        reader.event(event, range.start + bytes.start..range.start + bytes.end)?;
    }
    Ok(reader.builder.finish())
}

/// What the next event is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Context {
    BlockSequence,
    FlowSequence,
    Mapping { is_at_key: bool, has_brace: bool },
}

struct Reader<'s> {
    builder: Builder<'s>,
    text: &'s str,
    /// Behind the last token that was seen.
    cursor: usize,
    open: Vec<Context>,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, bytes: Range<usize>) -> Result<(), Box<ReadError>> {
        match event {
            Event::Comment(..) => self.builder.comment(bytes.start as u32, bytes.end as u32),
            Event::Alias(anchor) => {
                let dash = self.place();
                self.cursor = bytes.end;
                self.builder
                    .alias((bytes.start as u32, bytes.end as u32), anchor, dash)?;
            }
            Event::Scalar(value, style, anchor, tag) => {
                let dash = self.place();
                let properties = Properties {
                    tag: meaning(tag.as_deref()),
                    anchor,
                    dash,
                };
                self.scalar(&value, style, bytes, properties)?;
            }
            Event::SequenceStart(style, anchor, tag) => {
                let dash = self.place();
                let properties = Properties {
                    tag: meaning(tag.as_deref()),
                    anchor,
                    dash,
                };
                if style == StructureStyle::Flow {
                    self.open.push(Context::FlowSequence);
                    self.cursor = bytes.end;
                    return self
                        .builder
                        .open(Style::FlowSequence, bytes.start as u32, properties);
                }
                let start = self.find(b"-").unwrap_or(bytes.start);
                self.open.push(Context::BlockSequence);
                self.builder
                    .open(Style::BlockSequence, start as u32, properties)?;
            }
            Event::MappingStart(style, anchor, tag) => {
                let dash = self.place();
                let properties = Properties {
                    tag: meaning(tag.as_deref()),
                    anchor,
                    dash,
                };
                let is_flow = style == StructureStyle::Flow;
                // `[a: b]` holds a mapping without braces.
                let has_brace = is_flow && self.text[bytes.clone()].starts_with('{');
                self.open.push(Context::Mapping {
                    is_at_key: true,
                    has_brace,
                });
                if has_brace {
                    self.cursor = bytes.end;
                }
                let style = if is_flow {
                    Style::FlowMapping
                } else {
                    Style::BlockMapping
                };
                self.builder.open(style, bytes.start as u32, properties)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let has_bracket = match self.open.pop() {
                    Some(Context::FlowSequence) => true,
                    Some(Context::Mapping { has_brace, .. }) => has_brace,
                    Some(Context::BlockSequence) | None => false,
                };
                if has_bracket {
                    self.cursor = bytes.end;
                }
                self.builder
                    .close(has_bracket.then_some(bytes.end as u32))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Notes that a value starts; returns its hyphen if it is an item of a block sequence.
    fn place(&mut self) -> Option<u32> {
        match self.open.last_mut()? {
            Context::BlockSequence => {
                let dash = self.find(b"-")?;
                self.cursor = dash + 1;
                Some(dash as u32)
            }
            Context::Mapping { is_at_key, .. } => {
                *is_at_key = !*is_at_key;
                None
            }
            Context::FlowSequence => None,
        }
    }

    fn scalar(
        &mut self,
        value: &str,
        style: ScalarStyle,
        bytes: Range<usize>,
        properties: Properties,
    ) -> Result<(), Box<ReadError>> {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::SingleQuoted,
            ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        if style == Style::Plain && bytes.is_empty() {
            return self.absent(bytes.start, properties);
        }
        let mut range = bytes.clone();
        if style == Style::Block {
            range.start = self.find(b"|>").unwrap_or(bytes.start);
            range.end = range.start + self.text[range.start..bytes.end].trim_end().len();
        }
        self.cursor = bytes.end;
        let inset = usize::from(matches!(style, Style::SingleQuoted | Style::DoubleQuoted));
        let slice = &self.text[range.start + inset..range.end - inset];
        let text = (slice != value).then_some(Cow::Borrowed(value));
        self.builder.scalar(
            style,
            (range.start as u32, range.end as u32),
            text,
            properties,
        )
    }

    /// A value that is not written: it stands behind the colon, the hyphen, or the key.
    fn absent(&mut self, near: usize, properties: Properties) -> Result<(), Box<ReadError>> {
        // A document without any value has no root.
        let Some(context) = self.open.last().copied() else {
            return Ok(());
        };
        let is_key = |context| {
            matches!(
                context,
                Context::Mapping {
                    is_at_key: false,
                    ..
                }
            )
        };
        if is_key(context) {
            // A key that is not written; the builder refuses it.
            self.cursor = near.max(self.cursor);
        } else if context != Context::BlockSequence {
            let colon = self.skip_blank(self.cursor);
            if self.text.as_bytes().get(colon) == Some(&b':') {
                self.cursor = colon + 1;
            }
        }
        let at = self.cursor as u32;
        self.builder
            .scalar(Style::Plain, (at, at), None, properties)
    }

    /// The next of the wanted bytes, behind nothing but blanks, comments, `:`, `?`,
    /// anchors and tags.
    fn find(&self, wanted: &[u8]) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut at = self.cursor;
        loop {
            at = self.skip_blank(at);
            match bytes.get(at)? {
                byte if wanted.contains(byte) => return Some(at),
                b':' | b'?' => at += 1,
                b'&' | b'!' => {
                    let token = bytes[at..]
                        .iter()
                        .take_while(|byte| !byte.is_ascii_whitespace());
                    at += token.count();
                }
                _ => return None,
            }
        }
    }

    /// The first byte from `at` on that is neither white space nor part of a comment.
    fn skip_blank(&self, mut at: usize) -> usize {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(at) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => at += 1,
                b'#' => {
                    at += bytes[at..]
                        .iter()
                        .take_while(|byte| **byte != b'\n')
                        .count()
                }
                _ => break,
            }
        }
        at
    }
}

/// What a tag means to go-yaml.
fn meaning(tag: Option<&granit_parser::Tag>) -> Tag {
    let Some(tag) = tag else { return Tag::None };
    let uri = [tag.handle(), tag.suffix()].concat();
    match uri.strip_prefix("tag:yaml.org,2002:") {
        Some("binary") => Tag::Binary,
        Some("null") => Tag::Null,
        Some("bool") => Tag::Bool,
        Some("int") => Tag::Int,
        Some("float") => Tag::Float,
        _ => Tag::Text,
    }
}

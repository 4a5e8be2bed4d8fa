//! Puts the parts of a document together into a [`Tree`]: resolves anchors and merge
//! keys, notes keys that stand twice, and keeps hostile documents within bounds.
//!
//! Refuses to know the syntax that the parts were written in.

use super::binary::decode_base64;
use super::error::ReadError;
use super::scalar::{self, Tag};
use super::tree::{NodeData, Style, Tree};
use crate::source::{SharedTexts, SourceId, Span};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

/// How deep collections may nest. The deepest schemas of custom resources reach about
/// a hundred levels; go-yaml stops at 10,000.
pub(crate) const MAX_DEPTH: usize = 500;

/// How many nodes the aliases and merge keys of a document may add for each of its bytes,
/// beside [`ALIASED_FREE`]. Real manifests stay far below; go-yaml has a limit, too.
const ALIASED_PER_BYTE: u64 = 32;

/// What the aliases of a document may add however short it is.
const ALIASED_FREE: u64 = 10_000;

/// How many bytes of a manifest there are for each node, or a few more.
const BYTES_PER_NODE: usize = 10;

/// How many nodes a document gets room for before they are there. One that is long may be a
/// single text.
const MAX_RESERVED: usize = 1 << 13;

/// What stands in front of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Properties {
    pub(crate) tag: Tag,
    /// The anchor's number, counted from 1 within the document; 0 for none. A number is
    /// used for one definition only, however often its name is defined.
    pub(crate) anchor: usize,
    /// The hyphen of an item of a block sequence.
    pub(crate) dash: Option<u32>,
}

impl Properties {
    /// Nothing but maybe a hyphen.
    #[inline]
    pub(crate) fn plain(dash: Option<u32>) -> Self {
        Self {
            tag: Tag::None,
            anchor: 0,
            dash,
        }
    }
}

/// A tree that is being made.
#[derive(Debug)]
pub(crate) struct Builder<'s> {
    pub(crate) tree: Tree<'s>,
    open: Vec<Frame>,
    anchors: Vec<Anchor>,
    /// How many nodes aliases may still add.
    aliased_rest: u64,
    /// The scalars that are infinite or no number, which JSON does not have; as keys
    /// they are text.
    pub(crate) boundless: Vec<u32>,
    /// Reused by every mapping: fingerprint of the key's text.
    pub(crate) fingerprints: Vec<u64>,
}

/// A collection that is not closed yet.
#[derive(Debug)]
struct Frame {
    node: u32,
    anchor: usize,
    /// The end of its last child so far.
    end: u32,
    /// The nodes that aliases within it add.
    aliased: u64,
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    node: u32,
    /// The nodes of its value with all aliases followed; `None` while it is open.
    weight: Option<u64>,
}

impl<'s> Builder<'s> {
    /// A builder for the document in a range of `text`, which is the whole text of `source`: all
    /// offsets count from its start.
    pub(crate) fn new(source: SourceId, text: &'s str, document: Range<usize>) -> Self {
        let nodes = document.len() / BYTES_PER_NODE;
        let tree = Tree {
            source,
            text,
            nodes: Vec::with_capacity(nodes.min(MAX_RESERVED)),
            texts: Vec::new(),
            entries: Vec::new(),
            dashes: Vec::new(),
            comments: Vec::new(),
            duplicates: Vec::new(),
            end: None,
            sections: Vec::new(),
            taken: SharedTexts::default(),
        };
        Self {
            tree,
            open: Vec::new(),
            anchors: Vec::new(),
            aliased_rest: ALIASED_FREE + ALIASED_PER_BYTE * document.len() as u64,
            boundless: Vec::new(),
            fingerprints: Vec::new(),
        }
    }

    /// The tree; every collection must be closed.
    pub(crate) fn finish(self) -> Result<Tree<'s>, Box<ReadError>> {
        debug_assert!(self.open.is_empty(), "every collection is closed");
        let Some(node) = self.boundless.first() else {
            return Ok(self.tree);
        };
        // Kubernetes reads YAML by way of JSON (`sigs.k8s.io/yaml`).
        let data = &self.tree.nodes[*node as usize];
        let error = ReadError::new(self.span(data.start, data.end), "JSON has no such number");
        Err(error
            .label("Kubernetes turns YAML into JSON, and rejects this")
            .help("put it in quotes if it is a text"))
    }

    /// Notes where the document ends, and whether `...` ends it, though the text goes on.
    pub(crate) fn end_at(&mut self, end: u32, is_marked: bool) {
        self.tree.end = Some((end, is_marked));
    }

    /// Whether a collection is open.
    pub(crate) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// A span of the source.
    pub(crate) fn span(&self, start: u32, end: u32) -> Span {
        Span::new(self.tree.source, start, end)
    }

    /// Adds a comment.
    pub(crate) fn comment(&mut self, start: u32, end: u32) {
        self.tree
            .comments
            .push(Span::new(self.tree.source, start, end));
    }

    /// Adds a scalar. `text` is its text where that is not the source between `start`
    /// and `end`, without the quotes.
    #[inline]
    pub(crate) fn scalar(
        &mut self,
        style: Style,
        (start, end): (u32, u32),
        text: Option<Cow<'_, str>>,
        properties: Properties,
    ) -> Result<(), Box<ReadError>> {
        if text.is_none() && matches!(properties.tag, Tag::None | Tag::Text) {
            return self.leaf(style, (start, end), 0, properties);
        }
        let text = self.check_tag(style, (start, end), text, properties.tag)?;
        let extra = text.map_or(0, |text| {
            self.tree
                .texts
                .push(OnceLock::from(text.into_owned().into_boxed_str()));
            self.tree.texts.len() as u32
        });
        self.leaf(style, (start, end), extra, properties)
    }

    /// Adds a scalar whose tag suits it.
    #[inline]
    fn leaf(
        &mut self,
        style: Style,
        (start, end): (u32, u32),
        extra: u32,
        properties: Properties,
    ) -> Result<(), Box<ReadError>> {
        let node = self.push(style, (start, end), extra, properties)?;
        if style == Style::Plain
            && matches!(
                self.tree.text.as_bytes().get(start as usize),
                Some(b'.' | b'+' | b'-')
            )
        {
            self.note_boundless(node);
        }
        self.finish_scalar(node, end, properties.anchor);
        Ok(())
    }

    fn note_boundless(&mut self, node: u32) {
        let is_typed = matches!(self.tree.nodes[node as usize].tag, Tag::None | Tag::Float);
        if is_typed && scalar::is_boundless(self.tree.text_of(node)) {
            self.boundless.push(node);
        }
    }

    /// Adds a scalar whose text is made from the source when it is asked for: a quoted one
    /// with escapes, or a block scalar that [`block_scalar::text`] can read.
    ///
    /// [`block_scalar::text`]: super::block_scalar::text
    pub(crate) fn escaped(
        &mut self,
        style: Style,
        span: (u32, u32),
        properties: Properties,
    ) -> Result<(), Box<ReadError>> {
        self.tree.texts.push(OnceLock::new());
        let node = self.push(style, span, self.tree.texts.len() as u32, properties)?;
        self.finish_scalar(node, span.1, properties.anchor);
        Ok(())
    }

    /// Opens a collection that starts at `start`.
    pub(crate) fn open(
        &mut self,
        style: Style,
        start: u32,
        properties: Properties,
    ) -> Result<(), Box<ReadError>> {
        if self.open.len() >= MAX_DEPTH {
            let span = self.span(start, start);
            let message = format!("this document nests deeper than {MAX_DEPTH} levels");
            return Err(ReadError::limit(span, message));
        }
        let node = self.push(style, (start, start), 0, properties)?;
        self.define(properties.anchor, node, None);
        self.open.push(Frame {
            node,
            anchor: properties.anchor,
            end: start,
            aliased: 0,
        });
        Ok(())
    }

    /// Closes the collection that was opened last; it ends at `end`, or with its last
    /// child.
    pub(crate) fn close(&mut self, end: Option<u32>) -> Result<(), Box<ReadError>> {
        let frame = self
            .open
            .pop()
            .expect("a collection is only closed after it was opened");
        let end = end.unwrap_or(frame.end);
        let next = self.tree.nodes.len() as u32;
        let data = &mut self.tree.nodes[frame.node as usize];
        data.end = end;
        data.next = next;
        let is_mapping = matches!(data.style, Style::BlockMapping | Style::FlowMapping);
        if is_mapping {
            self.resolve_entries(frame.node)?;
        }
        self.define(
            frame.anchor,
            frame.node,
            Some(u64::from(next - frame.node) + frame.aliased),
        );
        if let Some(parent) = self.open.last_mut() {
            parent.aliased += frame.aliased;
        }
        self.extend(end);
        Ok(())
    }

    /// Adds an alias of the anchor with this number.
    pub(crate) fn alias(
        &mut self,
        (start, end): (u32, u32),
        anchor: usize,
        dash: Option<u32>,
    ) -> Result<(), Box<ReadError>> {
        let span = self.span(start, end);
        let Some(target) = self.anchors.get(anchor).copied() else {
            return Err(ReadError::new(span, "this alias has no anchor"));
        };
        let Some(weight) = target.weight else {
            let error = ReadError::new(span, "this alias lies within its own anchor");
            return Err(error.label("stands for a value that contains it"));
        };
        self.spend(weight, span)?;
        self.push(
            Style::Alias,
            (start, end),
            target.node,
            Properties::plain(dash),
        )?;
        self.extend(end);
        Ok(())
    }

    #[inline]
    fn finish_scalar(&mut self, node: u32, end: u32, anchor: usize) {
        self.define(anchor, node, Some(1));
        self.extend(end);
    }

    #[inline]
    fn push(
        &mut self,
        style: Style,
        (start, end): (u32, u32),
        extra: u32,
        properties: Properties,
    ) -> Result<u32, Box<ReadError>> {
        let Ok(node) = u32::try_from(self.tree.nodes.len()) else {
            return Err(ReadError::limit(
                self.span(start, end),
                "this document has too many values",
            ));
        };
        if let Some(dash) = properties.dash {
            self.tree.dashes.push((node, dash));
        }
        self.tree.nodes.push(NodeData {
            start,
            end,
            next: node + 1,
            extra,
            style,
            tag: properties.tag,
        });
        Ok(node)
    }

    #[inline]
    fn define(&mut self, anchor: usize, node: u32, weight: Option<u64>) {
        if anchor == 0 {
            return;
        }
        if self.anchors.len() <= anchor {
            // A number that was never defined is within its own anchor at best.
            self.anchors.resize(
                anchor + 1,
                Anchor {
                    node: 0,
                    weight: None,
                },
            );
        }
        self.anchors[anchor] = Anchor { node, weight };
    }

    #[inline]
    fn extend(&mut self, end: u32) {
        if let Some(parent) = self.open.last_mut() {
            parent.end = end;
        }
    }

    /// Takes nodes off the budget.
    pub(crate) fn spend(&mut self, nodes: u64, span: Span) -> Result<(), Box<ReadError>> {
        if let Some(parent) = self.open.last_mut() {
            parent.aliased += nodes;
        }
        let Some(rest) = self.aliased_rest.checked_sub(nodes) else {
            let error =
                ReadError::limit(span, "the aliases of this document stand for too much text");
            return Err(error.label("with this one they pass the limit"));
        };
        self.aliased_rest = rest;
        Ok(())
    }

    /// Refuses what go-yaml refuses to read by its tag, and decodes `!!binary`.
    fn check_tag<'t>(
        &self,
        style: Style,
        (start, end): (u32, u32),
        text: Option<Cow<'t, str>>,
        tag: Tag,
    ) -> Result<Option<Cow<'t, str>>, Box<ReadError>> {
        if matches!(tag, Tag::None | Tag::Text) {
            return Ok(text);
        }
        let inset = u32::from(matches!(style, Style::SingleQuoted | Style::DoubleQuoted));
        let slice = &self.tree.text[(start + inset) as usize..(end - inset) as usize];
        let value = text.as_deref().unwrap_or(slice);
        let name = match tag {
            Tag::Binary => {
                let Some(decoded) = decode_base64(value) else {
                    return Err(ReadError::new(
                        self.span(start, end),
                        "this `!!binary` value is not base64",
                    ));
                };
                return Ok(Some(Cow::Owned(decoded)));
            }
            Tag::Null => "!!null",
            Tag::Bool => "!!bool",
            Tag::Int => "!!int",
            Tag::Float => "!!float",
            Tag::None | Tag::Text => return Ok(text),
        };
        if tag.accepts(value) {
            Ok(text)
        } else {
            Err(ReadError::new(
                self.span(start, end),
                format!("this value cannot be read as `{name}`"),
            ))
        }
    }
}

//! Puts the parts of a document together into a [`Tree`]: resolves anchors and merge
//! keys, notes keys that stand twice, and keeps hostile documents within bounds.
//!
//! Refuses to know the syntax that the parts were written in.

use super::scalar::Tag;
use super::tree::{DuplicateKey, NodeData, NodeId, Style, Tree, key_text};
use crate::source::{SourceId, Span};
use std::borrow::Cow;
use std::collections::HashMap;

/// How deep collections may nest. The deepest schemas of custom resources reach about
/// a hundred levels; go-yaml stops at 10,000.
pub(crate) const MAX_DEPTH: usize = 500;

/// How many nodes the aliases and merge keys of one text may add, beside one for each
/// of its bytes. Every real manifest stays far below, as go-yaml has a limit, too.
pub(crate) const MAX_ALIASED: u64 = 1_000_000;

/// Why a document could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadError {
    /// The smallest text that is wrong.
    pub(crate) span: Span,
    /// The fact.
    pub(crate) message: String,
    /// A remark on the text; may be empty.
    pub(crate) label: String,
    /// What to do, where that is known.
    pub(crate) help: Option<String>,
    /// Whether the document may be right, but is too much for npcheck.
    pub(crate) is_limit: bool,
}

impl ReadError {
    /// A mistake in the text.
    pub(super) fn new(span: Span, message: impl Into<String>) -> Box<Self> {
        let message = message.into();
        Box::new(Self {
            span,
            message,
            label: String::new(),
            help: None,
            is_limit: false,
        })
    }

    /// A limit that was hit.
    pub(super) fn limit(span: Span, message: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            is_limit: true,
            ..*Self::new(span, message)
        })
    }

    /// The same with a remark on the text.
    pub(super) fn label(mut self: Box<Self>, label: impl Into<String>) -> Box<Self> {
        self.label = label.into();
        self
    }

    /// The same with an instruction.
    pub(super) fn help(mut self: Box<Self>, help: impl Into<String>) -> Box<Self> {
        self.help = Some(help.into());
        self
    }
}

/// What the documents of one text may still spend on aliases.
#[derive(Debug)]
pub(crate) struct Budget {
    aliased: u64,
}

impl Budget {
    /// The budget of a text of this many bytes.
    pub(crate) fn for_text(text: &str) -> Self {
        Self {
            aliased: MAX_ALIASED + text.len() as u64,
        }
    }
}

/// What stands in front of a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Properties {
    pub(super) tag: Tag,
    /// The anchor's number, counted from 1 within the document; 0 for none. A number is
    /// used for one definition only, however often its name is defined.
    pub(super) anchor: usize,
    /// The hyphen of an item of a block sequence.
    pub(super) dash: Option<u32>,
}

impl Properties {
    /// Nothing but maybe a hyphen.
    pub(super) fn plain(dash: Option<u32>) -> Self {
        Self {
            tag: Tag::None,
            anchor: 0,
            dash,
        }
    }
}

/// A tree that is being made.
#[derive(Debug)]
pub(super) struct Builder<'s, 'b> {
    tree: Tree<'s>,
    open: Vec<Frame>,
    anchors: Vec<Anchor>,
    budget: &'b mut Budget,
    /// Reused by every mapping: fingerprint of the key's text.
    fingerprints: Vec<u64>,
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

impl<'s, 'b> Builder<'s, 'b> {
    /// A builder for a document of `text`, which is the whole text of `source`: all
    /// offsets count from its start.
    pub(super) fn new(source: SourceId, text: &'s str, budget: &'b mut Budget) -> Self {
        let tree = Tree {
            source,
            text,
            nodes: Vec::new(),
            texts: Vec::new(),
            entries: Vec::new(),
            dashes: Vec::new(),
            comments: Vec::new(),
            duplicates: Vec::new(),
        };
        Self {
            tree,
            open: Vec::new(),
            anchors: Vec::new(),
            budget,
            fingerprints: Vec::new(),
        }
    }

    /// The tree; every collection must be closed.
    pub(super) fn finish(self) -> Tree<'s> {
        debug_assert!(self.open.is_empty(), "every collection is closed");
        self.tree
    }

    /// A span of the source.
    pub(super) fn span(&self, start: u32, end: u32) -> Span {
        Span::new(self.tree.source, start, end)
    }

    /// Adds a comment.
    pub(super) fn comment(&mut self, start: u32, end: u32) {
        self.tree
            .comments
            .push(Span::new(self.tree.source, start, end));
    }

    /// Adds a scalar. `text` is its text where that is not the source between `start`
    /// and `end`, without the quotes.
    pub(super) fn scalar(
        &mut self,
        style: Style,
        (start, end): (u32, u32),
        text: Option<Cow<'_, str>>,
        properties: Properties,
    ) -> Result<(), Box<ReadError>> {
        let text = self.check_tag(style, (start, end), text, properties.tag)?;
        let extra = text.map_or(0, |text| {
            self.tree.texts.push(text.into_owned().into_boxed_str());
            self.tree.texts.len() as u32
        });
        let node = self.push(style, (start, end), extra, properties)?;
        self.tree.nodes[node as usize].next = node + 1;
        self.define(properties.anchor, node, Some(1));
        self.extend(end);
        Ok(())
    }

    /// Opens a collection that starts at `start`.
    pub(super) fn open(
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
    pub(super) fn close(&mut self, end: Option<u32>) -> Result<(), Box<ReadError>> {
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
    pub(super) fn alias(
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
        let node = self.push(
            Style::Alias,
            (start, end),
            target.node,
            Properties::plain(dash),
        )?;
        self.tree.nodes[node as usize].next = node + 1;
        self.extend(end);
        Ok(())
    }

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
            next: node,
            extra,
            style,
            tag: properties.tag,
        });
        Ok(node)
    }

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

    fn extend(&mut self, end: u32) {
        if let Some(parent) = self.open.last_mut() {
            parent.end = end;
        }
    }

    fn spend(&mut self, nodes: u64, span: Span) -> Result<(), Box<ReadError>> {
        if let Some(parent) = self.open.last_mut() {
            parent.aliased += nodes;
        }
        let Some(rest) = self.budget.aliased.checked_sub(nodes) else {
            let message =
                format!("the aliases of this text stand for more than {MAX_ALIASED} values");
            return Err(ReadError::limit(span, message));
        };
        self.budget.aliased = rest;
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
                        "this `!!binary` value is no base64",
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

    /// Looks at the keys of a mapping that was just closed.
    fn resolve_entries(&mut self, mapping: u32) -> Result<(), Box<ReadError>> {
        self.fingerprints.clear();
        let mut fingerprints = std::mem::take(&mut self.fingerprints);
        let mut needs_resolving = false;
        for (key, _) in self.children(mapping) {
            needs_resolving |= self.is_merge(key);
            fingerprints.push(fingerprint(&self.key_text(key)?));
        }
        if !needs_resolving {
            fingerprints.sort_unstable();
            needs_resolving = fingerprints.windows(2).any(|pair| pair[0] == pair[1]);
        }
        self.fingerprints = fingerprints;
        if needs_resolving {
            self.resolve_special(mapping)
        } else {
            Ok(())
        }
    }

    /// The entries of a mapping with merge keys or keys that stand twice, as go-yaml v2
    /// fills its map: in the order of the text, so that a later key, merged or not,
    /// takes the place of an earlier one; of a list of maps the first one wins.
    fn resolve_special(&mut self, mapping: u32) -> Result<(), Box<ReadError>> {
        let children: Vec<(u32, u32)> = self.children(mapping).collect();
        let mut entries: Vec<(u32, u32)> = Vec::with_capacity(children.len());
        let mut places: HashMap<String, Place> = HashMap::with_capacity(children.len());
        let mut has_merged = false;
        for (key, value) in children {
            if self.is_merge(key) {
                has_merged = true;
                self.merge(value, &mut entries, &mut places)?;
                continue;
            }
            let text = self.key_text(key)?.into_owned();
            let Some(place) = places.get_mut(&text) else {
                places.insert(
                    text,
                    Place {
                        index: entries.len(),
                        written: Some(key),
                    },
                );
                entries.push((key, value));
                continue;
            };
            entries[place.index] = (key, value);
            let Some(first) = place.written else {
                place.written = Some(key);
                continue;
            };
            let (first, second) = (self.node_span(first), self.node_span(key));
            let mapping = NodeId(mapping);
            self.tree.duplicates.push(DuplicateKey {
                key: text,
                first,
                second,
                mapping,
            });
        }
        let number_of_children = places
            .values()
            .filter(|place| place.written.is_some())
            .count();
        if has_merged || number_of_children < self.children(mapping).count() {
            self.tree.entries.push(entries.into_boxed_slice());
            self.tree.nodes[mapping as usize].extra = self.tree.entries.len() as u32;
        }
        Ok(())
    }

    fn merge(
        &mut self,
        value: u32,
        entries: &mut Vec<(u32, u32)>,
        places: &mut HashMap<String, Place>,
    ) -> Result<(), Box<ReadError>> {
        let span = self.node_span(value);
        let target = self.target(value);
        let refusal = || {
            ReadError::new(
                span,
                "a merge key `<<` wants a mapping or a list of mappings",
            )
            .help("name an anchor of a mapping, as in `<<: *defaults`")
        };
        let sources = match self.tree.nodes[target as usize].style {
            Style::BlockMapping | Style::FlowMapping => vec![target],
            // An alias of a list is refused by go-yaml, a list of aliases is not.
            Style::BlockSequence | Style::FlowSequence if target == value => self.items(target),
            _ => return Err(refusal()),
        };
        // From the last to the first, so that the first one has the last word.
        for source in sources.into_iter().rev() {
            let source = self.target(source);
            if !matches!(
                self.tree.nodes[source as usize].style,
                Style::BlockMapping | Style::FlowMapping
            ) {
                return Err(refusal());
            }
            let merged = self.effective_entries(source);
            self.spend(merged.len() as u64, span)?;
            for (key, value) in merged {
                let text = self.key_text(key)?.into_owned();
                let index = places
                    .entry(text)
                    .or_insert(Place {
                        index: entries.len(),
                        written: None,
                    })
                    .index;
                if index == entries.len() {
                    entries.push((key, value));
                } else {
                    entries[index] = (key, value);
                }
            }
        }
        Ok(())
    }

    /// The pairs of a mapping as written.
    fn children(&self, mapping: u32) -> impl Iterator<Item = (u32, u32)> + use<'_, 's, 'b> {
        let nodes = &self.tree.nodes;
        let end = nodes[mapping as usize].next;
        let mut key = mapping + 1;
        std::iter::from_fn(move || {
            let value = (key < end).then(|| nodes[key as usize].next)?;
            let pair = (key, value);
            key = nodes[value as usize].next;
            Some(pair)
        })
    }

    fn items(&self, sequence: u32) -> Vec<u32> {
        let mut items = Vec::new();
        let mut item = sequence + 1;
        while item < self.tree.nodes[sequence as usize].next {
            items.push(item);
            item = self.tree.nodes[item as usize].next;
        }
        items
    }

    /// The entries of a mapping that is complete.
    fn effective_entries(&self, mapping: u32) -> Vec<(u32, u32)> {
        match self.tree.nodes[mapping as usize].extra {
            0 => self.children(mapping).collect(),
            extra => self.tree.entries[extra as usize - 1].to_vec(),
        }
    }

    fn target(&self, node: u32) -> u32 {
        let data = &self.tree.nodes[node as usize];
        if data.style == Style::Alias {
            data.extra
        } else {
            node
        }
    }

    fn is_merge(&self, key: u32) -> bool {
        let data = &self.tree.nodes[key as usize];
        data.style == Style::Plain
            && data.tag == Tag::None
            && &self.tree.text[data.start as usize..data.end as usize] == "<<"
    }

    fn node_span(&self, node: u32) -> Span {
        let data = &self.tree.nodes[node as usize];
        Span::new(self.tree.source, data.start, data.end)
    }

    fn key_text(&self, key: u32) -> Result<Cow<'_, str>, Box<ReadError>> {
        let data = &self.tree.nodes[self.target(key) as usize];
        let inset = match data.style {
            Style::SingleQuoted | Style::DoubleQuoted => 1,
            Style::Plain | Style::Block | Style::Alias => 0,
            Style::BlockMapping
            | Style::FlowMapping
            | Style::BlockSequence
            | Style::FlowSequence => {
                let error = ReadError::new(self.node_span(key), "a key must be a single value");
                return Err(error.label("is a collection"));
            }
        };
        let text = match data.extra {
            0 => &self.tree.text[(data.start + inset) as usize..(data.end - inset) as usize],
            extra => &self.tree.texts[extra as usize - 1],
        };
        key_text(text, data.style, data.tag)
            .ok_or_else(|| ReadError::new(self.node_span(key), "a key must not be null"))
    }
}

/// Where a key stands among the entries of a mapping.
#[derive(Clone, Copy, Debug)]
struct Place {
    index: usize,
    /// The first key of this text that is written in the mapping itself.
    written: Option<u32>,
}

/// A cheap hash (FNV-1a); equal ones only make the builder look closer.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Standard base64 as Go decodes it: line breaks are skipped, padding is needed. Bytes
/// that are no UTF-8 become U+FFFD, as on the way through JSON.
fn decode_base64(text: &str) -> Option<String> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !matches!(byte, b'\n' | b'\r'))
        .collect();
    if digits.len() % 4 != 0 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    let groups = digits.len() / 4;
    for (index, group) in digits.chunks(4).enumerate() {
        let padding = group
            .iter()
            .rev()
            .take_while(|digit| **digit == b'=')
            .count();
        if padding > 2 || padding > 0 && index + 1 < groups {
            return None;
        }
        let mut bits = 0;
        for digit in &group[..4 - padding] {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        bits <<= 6 * padding;
        bytes.extend_from_slice(&bits.to_be_bytes()[1..4 - padding]);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

//! One document as a tree of nodes that know their bytes, whatever it was written in.
//!
//! Refuses to know Kubernetes, and how text becomes nodes: readers of YAML and JSON
//! fill it through the [`Builder`](super::builder::Builder).

use super::scalar::{self, Scalar, Tag};
use super::{block_scalar, escape};
use crate::source::{SharedTexts, SourceId, Span, Text};
use std::borrow::Cow;
use std::sync::OnceLock;

/// One document: nodes in the order of the text, each before its children.
///
/// Aliases and merge keys are resolved: a node that is reached through `*name` or `<<`
/// is the node at the place of definition, with its spans. A builder bounds how much
/// aliases may multiply, so walking the whole of a tree takes time linear in its text.
#[derive(Debug)]
pub(crate) struct Tree<'s> {
    pub(crate) source: SourceId,
    pub(crate) text: &'s str,
    pub(crate) nodes: Vec<NodeData>,
    /// Texts of scalars that are not a slice of the source.
    /// An empty one is made from the source when somebody asks for it.
    pub(crate) texts: Vec<OnceLock<Box<str>>>,
    /// Entries of the mappings whose text and meaning differ: merge keys, duplicates.
    pub(crate) entries: Vec<Box<[(u32, u32)]>>,
    /// The hyphens of block sequence items, by node, sorted.
    pub(crate) dashes: Vec<(u32, u32)>,
    pub(crate) comments: Vec<Span>,
    pub(crate) duplicates: Vec<DuplicateKey>,
    /// Where the document ends, and whether `...` ends it, if the text goes on behind.
    pub(crate) end: Option<(u32, bool)>,
    /// Where nodes of other sources start, for a tree that was put together of several;
    /// empty for one that was read.
    pub(crate) sections: Vec<Section<'s>>,
    /// The longer texts that objects took from it.
    pub(crate) taken: SharedTexts,
}

/// The source of the nodes from one on, up to the next section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section<'s> {
    pub(crate) from: u32,
    pub(crate) source: SourceId,
    pub(crate) text: &'s str,
}

/// A mapping key that stands twice in one mapping; the last one counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DuplicateKey {
    /// The key, as Kubernetes reads it.
    pub(crate) key: String,
    /// The first key.
    pub(crate) first: Span,
    /// The second (or a further) one.
    pub(crate) second: Span,
    /// The mapping that they stand in.
    pub(crate) mapping: NodeId,
}

/// A node of one tree, without the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(pub(crate) u32);

/// How a node is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    BlockMapping,
    FlowMapping,
    BlockSequence,
    FlowSequence,
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// `|` or `>`.
    Block,
    /// A scalar that stands in no text: its span is that of what it was made of.
    Made,
    Alias,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeData {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The node behind this one and all that is within it.
    pub(crate) next: u32,
    /// For scalars: 1 + the index in `texts`, or 0 for a slice of the source. For
    /// mappings: 1 + the index in `entries`, or 0. For aliases: the target.
    pub(crate) extra: u32,
    pub(crate) style: Style,
    pub(crate) tag: Tag,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Keys and values.
    Mapping,
    /// Items.
    Sequence,
    /// A single value, null included.
    Scalar,
}

/// A node and the tree that it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'t> {
    tree: &'t Tree<'t>,
    /// Where it is defined.
    index: u32,
    /// Where it stands: another node than `index` if it is an alias.
    place: u32,
}

/// A key and its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'t> {
    /// The key, always a scalar.
    pub(crate) key: Node<'t>,
    /// The value.
    pub(crate) value: Node<'t>,
}

impl<'s> Tree<'s> {
    /// The value of the document; `None` if it holds nothing but comments.
    pub(crate) fn root(&self) -> Option<Node<'_>> {
        (!self.nodes.is_empty()).then(|| self.at(0))
    }

    /// Where the document ends though its text goes on, and whether a `...` says so:
    /// Kubernetes' tools read nothing from there on.
    pub(crate) fn end(&self) -> Option<(u32, bool)> {
        self.end
    }

    /// The comments, from `#` to the end of the line, in order.
    pub(crate) fn comments(&self) -> &[Span] {
        &self.comments
    }

    /// The keys that stand twice in one mapping within `node`, in the order of the second
    /// ones within each mapping; inner mappings come before outer ones. `<<` may be repeated.
    pub(crate) fn duplicate_keys_in(&self, node: Node<'_>) -> &[DuplicateKey] {
        // Mappings are noted when they are closed, so they come in the order of their ends.
        let end = |key: &DuplicateKey| self.nodes[key.mapping.0 as usize].next;
        let from = self
            .duplicates
            .partition_point(|key| end(key) <= node.index);
        let to = self
            .duplicates
            .partition_point(|key| end(key) <= node.data().next);
        &self.duplicates[from..to]
    }

    /// The source of a node, and its whole text.
    fn origin(&self, index: u32) -> (SourceId, &'s str) {
        let behind = self
            .sections
            .partition_point(|section| section.from <= index);
        match behind.checked_sub(1) {
            Some(section) => (self.sections[section].source, self.sections[section].text),
            None => (self.source, self.text),
        }
    }

    fn span_of(&self, index: u32) -> Span {
        let data = &self.nodes[index as usize];
        Span::new(self.origin(index).0, data.start, data.end)
    }

    /// The text of a scalar after quotes, escapes and folding.
    #[inline]
    pub(crate) fn text_of(&self, index: u32) -> &str {
        let data = &self.nodes[index as usize];
        let source = match self.sections.is_empty() {
            true => self.text,
            false => self.origin(index).1,
        };
        let (start, end) = (data.start as usize, data.end as usize);
        let inset = usize::from(matches!(
            data.style,
            Style::SingleQuoted | Style::DoubleQuoted
        ));
        let slice = &source[start + inset..end - inset];
        if data.extra == 0 {
            return slice;
        }
        self.texts[data.extra as usize - 1].get_or_init(|| match data.style {
            Style::Block => block_scalar::text(slice).into_boxed_str(),
            Style::SingleQuoted => slice.replace("''", "'").into_boxed_str(),
            _ => escape::unescape(slice).into_boxed_str(),
        })
    }

    #[inline]
    fn at(&self, place: u32) -> Node<'_> {
        let data = &self.nodes[place as usize];
        // An alias never points at an alias: the builder resolves it when it is made.
        let index = if data.style == Style::Alias {
            data.extra
        } else {
            place
        };
        Node {
            tree: self,
            index,
            place,
        }
    }
}

impl<'t> Node<'t> {
    #[inline]
    pub(super) fn data(self) -> &'t NodeData {
        &self.tree.nodes[self.index as usize]
    }

    /// Its id; that of the definition for a node that is reached through an alias.
    pub(crate) fn id(self) -> NodeId {
        NodeId(self.index)
    }

    /// What it is.
    #[inline]
    pub(crate) fn kind(self) -> Kind {
        match self.data().style {
            Style::BlockMapping | Style::FlowMapping => Kind::Mapping,
            Style::BlockSequence | Style::FlowSequence => Kind::Sequence,
            _ => Kind::Scalar,
        }
    }

    /// The text of the value, where it is defined: quotes and brackets included, and the
    /// `|` of a block scalar; for a block collection from its first key or hyphen to the
    /// end of its last value. Empty for a value that is not written: behind the colon or
    /// the hyphen.
    pub(crate) fn span(self) -> Span {
        self.tree.span_of(self.index)
    }

    /// The text at the place where the value stands: `*name` for an alias.
    pub(crate) fn written_span(self) -> Span {
        self.tree.span_of(self.place)
    }

    /// Whether it is written as `*name`, so that its text belongs to others, too.
    pub(crate) fn is_alias(self) -> bool {
        self.index != self.place
    }

    /// The text of the value as written: `"a\n"` with its quotes and escapes.
    pub(crate) fn raw(self) -> &'t str {
        let data = self.data();
        &self.tree.origin(self.index).1[data.start as usize..data.end as usize]
    }

    /// The whole text that it was read from, of which its spans are parts.
    pub(crate) fn source_text(self) -> &'t str {
        self.tree.origin(self.index).1
    }

    /// The hyphen of an item of a block sequence.
    pub(crate) fn dash(self) -> Option<Span> {
        let dashes = &self.tree.dashes;
        let found = dashes
            .binary_search_by_key(&self.place, |(node, _)| *node)
            .ok()?;
        let start = dashes[found].1;
        let source = self.tree.origin(self.place).0;
        Some(Span::new(source, start, start + 1))
    }

    /// Whether it is a mapping or a sequence in brackets.
    pub(crate) fn is_flow(self) -> bool {
        matches!(self.data().style, Style::FlowMapping | Style::FlowSequence)
    }

    /// Whether it is a scalar without quotes; a value that is not written is one.
    pub(crate) fn is_plain(self) -> bool {
        self.data().style == Style::Plain
    }

    /// Whether it is a scalar without quotes and without a tag, whose text says what it is.
    pub(crate) fn is_bare(self) -> bool {
        self.is_plain() && self.data().tag == Tag::None
    }

    /// Whether a tag stands in front of it that says how it is read.
    pub(crate) fn is_tagged(self) -> bool {
        self.data().tag != Tag::None
    }

    /// Whether it is a scalar in quotes.
    #[inline]
    pub(crate) fn is_quoted(self) -> bool {
        matches!(self.data().style, Style::SingleQuoted | Style::DoubleQuoted)
    }

    /// Whether it is a mapping.
    #[inline]
    pub(crate) fn is_mapping(self) -> bool {
        self.kind() == Kind::Mapping
    }

    /// Whether it is a sequence.
    pub(crate) fn is_sequence(self) -> bool {
        self.kind() == Kind::Sequence
    }

    /// Whether it is null, written or not.
    #[inline]
    pub(crate) fn is_null(self) -> bool {
        self.scalar() == Some(Scalar::Null)
    }

    /// The text of a scalar after quotes, escapes and folding, before it is resolved.
    #[inline]
    pub(crate) fn text(self) -> Option<&'t str> {
        (self.kind() == Kind::Scalar).then(|| self.tree.text_of(self.index))
    }

    /// The value of a scalar as Kubernetes reads it; `None` for collections.
    #[inline]
    pub(crate) fn scalar(self) -> Option<Scalar<'t>> {
        let text = self.text()?;
        let data = self.data();
        Some(match data.tag {
            Tag::None if data.style == Style::Plain => scalar::plain(text),
            Tag::None | Tag::Text | Tag::Binary => Scalar::String(text),
            // The builder has checked that the text suits its tag.
            Tag::Null | Tag::Bool | Tag::Int | Tag::Float => scalar::plain(text),
        })
    }

    /// The value of a scalar that is text.
    pub(crate) fn as_str(self) -> Option<&'t str> {
        match self.scalar()? {
            Scalar::String(text) => Some(text),
            _ => None,
        }
    }

    /// A text for an object that is read from the tree, such as its name: those that are alike
    /// share their memory.
    pub(crate) fn share(self, text: &str) -> Text {
        self.tree.taken.get(text)
    }

    /// The value of a scalar that is a whole number.
    pub(crate) fn as_int(self) -> Option<i64> {
        match self.scalar()? {
            Scalar::Int(value) => Some(value),
            _ => None,
        }
    }

    /// The value of a scalar that is a boolean.
    pub(crate) fn as_bool(self) -> Option<bool> {
        match self.scalar()? {
            Scalar::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The text of a mapping key: YAML's other scalars become text on the way to JSON,
    /// `yes` becomes `true` and `0x10` becomes `16`.
    #[inline]
    pub(crate) fn key_text(self) -> Cow<'t, str> {
        let text = self.text().unwrap_or_default();
        let data = self.data();
        key_text(text, data.style, data.tag).unwrap_or(Cow::Borrowed(""))
    }

    /// Its entries, none if it is no mapping: each key once, merge keys resolved.
    #[inline]
    pub(crate) fn entries(self) -> Entries<'t> {
        let data = self.data();
        match self.kind() {
            Kind::Mapping if data.extra > 0 => Entries {
                tree: self.tree,
                resolved: &self.tree.entries[data.extra as usize - 1],
                children: 0..0,
            },
            Kind::Mapping => Entries {
                tree: self.tree,
                resolved: &[],
                children: self.index + 1..data.next,
            },
            Kind::Sequence | Kind::Scalar => Entries {
                tree: self.tree,
                resolved: &[],
                children: 0..0,
            },
        }
    }

    /// Its items, none if it is no sequence.
    pub(crate) fn items(self) -> Items<'t> {
        let data = self.data();
        let children = if self.is_sequence() {
            self.index + 1..data.next
        } else {
            0..0
        };
        Items {
            tree: self.tree,
            children,
        }
    }

    /// The entry of this key, if it is a mapping that has it.
    pub(crate) fn entry(self, key: &str) -> Option<Entry<'t>> {
        let data = self.data();
        if data.extra > 0 || !self.is_mapping() || scalar::may_be_resolved(key) {
            return self.entries().find(|entry| entry.key.is_key(key));
        }
        let nodes = &self.tree.nodes[..data.next as usize];
        let mut at = self.index + 1;
        while let Some(written) = nodes.get(at as usize) {
            // Nearly all keys that are others have another length, with quotes or without.
            let longer = (written.end - written.start).wrapping_sub(key.len() as u32);
            let is_slice = written.extra == 0 && written.tag == Tag::None;
            if !is_slice || longer == 0 || longer == 2 {
                let key_node = self.tree.at(at);
                if key_node.is_key(key) {
                    return Some(Entry {
                        key: key_node,
                        value: self.tree.at(written.next),
                    });
                }
            }
            at = nodes[written.next as usize].next;
        }
        None
    }

    /// The value of this key, if it is a mapping that has it; a value that is null is
    /// a value.
    #[inline]
    pub(crate) fn get(self, key: &str) -> Option<Node<'t>> {
        self.entry(key).map(|entry| entry.value)
    }

    /// The value at the end of a path of keys; `None` if a step is missing, null or no
    /// mapping, or the value is null.
    pub(crate) fn find(self, path: &[&str]) -> Option<Node<'t>> {
        let value = path.iter().try_fold(self, |node, key| node.get(key))?;
        (!value.is_null()).then_some(value)
    }

    /// The way from this node to one that it holds: `spec.ingress[0].from[1]`; empty for
    /// the node itself.
    pub(crate) fn path_to(self, id: NodeId) -> String {
        let mut path = String::new();
        let mut node = self.index;
        while node != id.0 && (node..self.tree.nodes[node as usize].next).contains(&id.0) {
            let here = self.tree.at(node);
            let is_sequence = here.is_sequence();
            let mut child = node + 1;
            let mut position = 0;
            let mut key = child;
            while self.tree.nodes[child as usize].next <= id.0 {
                child = self.tree.nodes[child as usize].next;
                position += 1;
                key = if position % 2 == 0 { child } else { key };
            }
            if is_sequence {
                path.push_str(&format!("[{position}]"));
            } else {
                push_field(&mut path, &self.tree.at(key).key_text());
            }
            node = child;
        }
        path
    }

    /// Whether it is a key with this text.
    #[inline]
    pub(crate) fn is_key(self, key: &str) -> bool {
        let data = self.data();
        let is_slice = data.extra == 0 && self.tree.sections.is_empty();
        if !is_slice || data.tag != Tag::None {
            return self.is_made_key(key);
        }
        let inset = u32::from(self.is_quoted());
        let length = (data.end - data.start - 2 * inset) as usize;
        let is_written = length == key.len() && {
            let start = (data.start + inset) as usize;
            &self.tree.text.as_bytes()[start..start + length] == key.as_bytes()
        };
        match data.style {
            Style::SingleQuoted | Style::DoubleQuoted => is_written,
            // Of all keys of a mapping, hardly one resolves to what is asked for.
            _ if is_written => self.key_text() == key,
            _ => scalar::may_be_resolved(key) && self.key_text() == key,
        }
    }

    /// The same for a key whose text is not what stands in the source.
    fn is_made_key(self, key: &str) -> bool {
        let text = self.text().unwrap_or_default();
        let stands_for_itself = text
            .bytes()
            .next()
            .is_some_and(|first| !scalar::may_resolve(first));
        if stands_for_itself || self.is_quoted() {
            text == key
        } else {
            self.key_text() == key
        }
    }
}

/// Adds a field to a path such as `spec.ingress[0]`; a name that is no plain word, such as
/// a label with a prefix, goes in brackets and quotes.
pub(crate) fn push_field(path: &mut String, name: &str) {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || !name.bytes().all(is_word) {
        path.push_str(&format!("[{name:?}]"));
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// The text of a key; `None` for one that JSON cannot have (null).
#[inline]
pub(crate) fn key_text(text: &str, style: Style, tag: Tag) -> Option<Cow<'_, str>> {
    let is_resolved = match tag {
        Tag::None => style == Style::Plain,
        Tag::Text | Tag::Binary => false,
        Tag::Null | Tag::Bool | Tag::Int | Tag::Float => true,
    };
    if !is_resolved
        || text
            .bytes()
            .next()
            .is_some_and(|first| !scalar::may_resolve(first))
    {
        return Some(Cow::Borrowed(text));
    }
    Some(scalar::plain_key(text)?.map_or(Cow::Borrowed(text), Cow::Owned))
}

/// The entries of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Entries<'t> {
    tree: &'t Tree<'t>,
    resolved: &'t [(u32, u32)],
    children: std::ops::Range<u32>,
}

impl<'t> Iterator for Entries<'t> {
    type Item = Entry<'t>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'t>> {
        let (key, value) = if let Some((first, rest)) = self.resolved.split_first() {
            self.resolved = rest;
            *first
        } else if self.children.is_empty() {
            return None;
        } else {
            let key = self.children.start;
            let value = self.tree.nodes[key as usize].next;
            self.children.start = self.tree.nodes[value as usize].next;
            (key, value)
        };
        Some(Entry {
            key: self.tree.at(key),
            value: self.tree.at(value),
        })
    }
}

/// The items of a sequence.
#[derive(Clone, Debug)]
pub(crate) struct Items<'t> {
    tree: &'t Tree<'t>,
    children: std::ops::Range<u32>,
}

impl<'t> Iterator for Items<'t> {
    type Item = Node<'t>;

    #[inline]
    fn next(&mut self) -> Option<Node<'t>> {
        if self.children.is_empty() {
            return None;
        }
        let item = self.children.start;
        self.children.start = self.tree.nodes[item as usize].next;
        Some(self.tree.at(item))
    }
}

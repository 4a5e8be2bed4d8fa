//! Puts a tree together of nodes that were read from several texts, and of values that
//! stand in none: what a build makes of manifests. Each node keeps its source.
//!
//! Refuses to know why somebody puts nodes together.

use super::scalar::{self, Tag};
use super::tree::{Kind, Node, NodeData, Section, Style, Tree};
use crate::source::{SharedTexts, SourceId, SourceMap, Span};
use std::sync::OnceLock;

/// A tree that is being put together.
#[derive(Debug)]
pub(crate) struct Assembly<'s> {
    sources: &'s SourceMap,
    tree: Tree<'s>,
    open: Vec<u32>,
}

impl<'s> Assembly<'s> {
    /// An empty tree, which counts as one of `source`.
    pub(crate) fn new(sources: &'s SourceMap, source: SourceId, comments: Vec<Span>) -> Self {
        let tree = Tree {
            source,
            text: sources.get(source).text(),
            nodes: Vec::new(),
            texts: Vec::new(),
            entries: Vec::new(),
            dashes: Vec::new(),
            comments,
            duplicates: Vec::new(),
            end: None,
            sections: Vec::new(),
            taken: SharedTexts::default(),
        };
        let open = Vec::new();
        Self {
            sources,
            tree,
            open,
        }
    }

    /// The tree; everything that was opened must be closed.
    pub(crate) fn finish(self) -> Tree<'s> {
        debug_assert!(self.open.is_empty(), "every collection is closed");
        self.tree
    }

    /// Adds a node of another tree with all that is within it, aliases and merge keys
    /// followed. Words that only YAML 1.1 takes for booleans, such as `on`, become texts: a
    /// build reads YAML 1.2.
    pub(crate) fn copy(&mut self, node: Node<'s>) {
        let mut data = *node.data();
        let at = self.enter(node.span(), node.dash());
        data.extra = 0;
        match node.kind() {
            Kind::Mapping => {
                self.tree.nodes.push(data);
                for entry in node.entries() {
                    self.copy(entry.key);
                    self.copy(entry.value);
                }
            }
            Kind::Sequence => {
                self.tree.nodes.push(data);
                for item in node.items() {
                    self.copy(item);
                }
            }
            Kind::Scalar => {
                let text = node.text().unwrap_or_default();
                let is_slice = node.data().extra == 0;
                if !is_slice {
                    data.extra = self.text(text);
                }
                if data.tag == Tag::None
                    && data.style == Style::Plain
                    && scalar::is_old_boolean(text)
                {
                    data.tag = Tag::Text;
                }
                self.tree.nodes.push(data);
            }
        }
        self.tree.nodes[at as usize].next = self.tree.nodes.len() as u32;
    }

    /// Adds a text that stands for `span`.
    pub(crate) fn made_text(&mut self, text: &str, span: Span, dash: Option<Span>) {
        self.made(text, Tag::Text, span, dash);
    }

    /// Adds a number, a boolean or null that stands for `span`.
    pub(crate) fn made_plain(&mut self, text: &str, span: Span, dash: Option<Span>) {
        let text = if text.is_empty() { "null" } else { text };
        // Each of the tags of values that are resolved will do.
        self.made(text, Tag::Float, span, dash);
    }

    fn made(&mut self, text: &str, tag: Tag, span: Span, dash: Option<Span>) {
        let extra = self.text(text);
        let next = self.enter(span, dash) + 1;
        self.tree.nodes.push(NodeData {
            start: span.start,
            end: span.end,
            next,
            extra,
            style: Style::Made,
            tag,
        });
    }

    /// Opens a mapping or a sequence that stands for `span`.
    pub(crate) fn open(&mut self, kind: Kind, span: Span, dash: Option<Span>) {
        let at = self.enter(span, dash);
        let style = match kind {
            Kind::Sequence => Style::BlockSequence,
            Kind::Mapping | Kind::Scalar => Style::BlockMapping,
        };
        self.open.push(at);
        self.tree.nodes.push(NodeData {
            start: span.start,
            end: span.end,
            next: at,
            extra: 0,
            style,
            tag: Tag::None,
        });
    }

    /// Closes what was opened last.
    pub(crate) fn close(&mut self) {
        let at = self.open.pop().expect("only what was opened is closed");
        self.tree.nodes[at as usize].next = self.tree.nodes.len() as u32;
    }

    /// Notes the source of the next node, and its hyphen; returns its index.
    fn enter(&mut self, span: Span, dash: Option<Span>) -> u32 {
        let from = self.tree.nodes.len() as u32;
        let last = self.tree.sections.last();
        let here = last.map_or(self.tree.source, |section| section.source);
        if here != span.source {
            let text = self.sources.get(span.source).text();
            let source = span.source;
            self.tree.sections.push(Section { from, source, text });
        }
        // A hyphen of another source would be looked for in this one.
        if let Some(dash) = dash.filter(|dash| dash.source == span.source) {
            self.tree.dashes.push((from, dash.start));
        }
        from
    }

    fn text(&mut self, text: &str) -> u32 {
        self.tree.texts.push(OnceLock::from(Box::from(text)));
        self.tree.texts.len() as u32
    }
}

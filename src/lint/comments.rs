//! The comments of all documents as the reader found them: a `#` within a text is none, and
//! neither is what is written for npcheck, suppressions and the marks (`#~`) of its own tests.
//!
//! Refuses to know what a comment says; `claims` understands a few words of some.

use super::rewrite::Item;
use crate::k8s::Documents;
use crate::source::{SourceId, SourceMap, Span};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Where the comments of some documents stand; looked up on the first question.
#[derive(Debug)]
pub struct Comments<'a> {
    sources: &'a SourceMap,
    documents: &'a Documents,
    /// By source, in the order of the text.
    of: OnceLock<BTreeMap<SourceId, Vec<Comment>>>,
}

/// A comment, from `#` to the end of its line.
#[derive(Clone, Copy, Debug)]
struct Comment {
    span: Span,
    /// Its line, from 1.
    line: u32,
    /// Its column, from 1.
    column: u32,
    /// Whether nothing else stands on its line.
    is_alone: bool,
}

/// What stands on the lines between two neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Nothing.
    None,
    /// Blank lines.
    BlankLines,
    /// Comments, whose text this is, a line each.
    Comments(String),
}

impl<'a> Comments<'a> {
    /// Those of these documents.
    #[must_use]
    pub fn new(sources: &'a SourceMap, documents: &'a Documents) -> Self {
        Self {
            sources,
            documents,
            of: OnceLock::new(),
        }
    }

    /// The text of the comment lines right above the line in which a span starts, without
    /// `#`, a line each; empty where there is none.
    #[must_use]
    pub fn above(&self, span: Span) -> String {
        self.words(self.lines_above(span))
    }

    /// The comment at the end of the line in which a span ends, without its `#`; empty where
    /// there is none.
    #[must_use]
    pub fn behind(&self, span: Span) -> String {
        let line = self.sources.position(span.after()).line;
        let comments = self.starting_at(span.source, span.end).iter();
        self.words(comments.take_while(|comment| comment.line == line))
    }

    /// The text of every comment that starts within a span, a line each.
    #[must_use]
    pub fn within(&self, span: Span) -> String {
        self.words(self.inside(span))
    }

    /// What parts two spans of one text, the second one further down. What stands behind the
    /// first, on the line that it ends in, belongs to that line.
    #[must_use]
    pub fn between(&self, first: Span, second: Span) -> Gap {
        // A span may take the blanks behind it along.
        let length = self.sources.text(first).trim_end().len() as u32;
        let end = (first.start + length).min(second.start);
        let between = Span::new(first.source, end, second.start);
        let comments = self.inside(between).filter(|comment| comment.is_alone);
        let text = self.words(comments);
        if !text.is_empty() {
            return Gap::Comments(text);
        }
        let [above, below] =
            [between.before(), between.after()].map(|place| self.sources.position(place).line);
        match below.saturating_sub(above) {
            0 | 1 => Gap::None,
            _ => Gap::BlankLines,
        }
    }

    /// Whether somebody wrote a comment about an item of a list: inside it, behind it, right
    /// above it, or below it and indented further.
    #[must_use]
    pub fn are_about(&self, item: Item) -> bool {
        let start = item.dash.unwrap_or(item.span).to(item.span);
        let start_column = self.sources.position(start).column;
        let last_line = self.sources.position(start.after()).line;
        let behind = self.starting_at(start.source, start.end);
        let is_behind = behind.first().is_some_and(|comment| {
            comment.line == last_line
                || (comment.line == last_line + 1
                    && comment.is_alone
                    && comment.column > start_column)
        });
        is_behind || self.inside(start).next().is_some() || self.lines_above(start).next().is_some()
    }

    /// The lines of the block of comments that ends right above a span's first line.
    fn lines_above(&self, span: Span) -> impl Iterator<Item = &Comment> {
        let line = self.sources.position(span).line;
        let comments = self.of_source(span.source);
        let end = comments.partition_point(|comment| comment.line < line);
        let above = comments[..end].iter().rev();
        let block = above
            .zip(1..)
            .take_while(|(comment, distance)| comment.is_alone && comment.line + distance == line);
        let length = block.count();
        comments[end - length..end].iter()
    }

    fn inside(&self, span: Span) -> impl Iterator<Item = &Comment> {
        let comments = self.starting_at(span.source, span.start).iter();
        comments.take_while(move |comment| comment.span.start < span.end)
    }

    /// The comments of a text that start at this byte or behind it.
    fn starting_at(&self, source: SourceId, at: u32) -> &[Comment] {
        let comments = self.of_source(source);
        &comments[comments.partition_point(|comment| comment.span.start < at)..]
    }

    fn of_source(&self, source: SourceId) -> &[Comment] {
        let all = self.of.get_or_init(|| self.look_up());
        all.get(&source).map_or(&[], Vec::as_slice)
    }

    fn look_up(&self) -> BTreeMap<SourceId, Vec<Comment>> {
        let mut of: BTreeMap<SourceId, Vec<Comment>> = BTreeMap::new();
        let is_for_people = |span: &&Span| {
            let text = self.sources.text(**span);
            !text.starts_with("#~") && !text.contains("npcheck:")
        };
        let spans = self
            .documents
            .iter()
            .flat_map(|document| document.comments.iter());
        for span in spans.filter(is_for_people) {
            let position = self.sources.position(*span);
            let text = self.sources.get(span.source).text();
            let before = text[..span.start as usize].trim_end_matches([' ', '\t']);
            of.entry(span.source).or_default().push(Comment {
                span: *span,
                line: position.line,
                column: position.column,
                is_alone: before.is_empty() || before.ends_with('\n'),
            });
        }
        for comments in of.values_mut() {
            comments.sort_by_key(|comment| comment.span.start);
            comments.dedup_by_key(|comment| comment.span.start);
        }
        of
    }

    fn words<'c>(&self, comments: impl IntoIterator<Item = &'c Comment>) -> String {
        let text = |comment: &Comment| {
            let text = self.sources.text(comment.span);
            text.trim_start_matches('#').trim().to_owned()
        };
        let lines: Vec<String> = comments.into_iter().map(text).collect();
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;

    const TEXT: &str = "\
kind: A # of A
# one
# two
list:
  - a: '#none'  # behind a
    # inside a
    b: 1
    # below a

  # above b
  - b: 2
";

    #[test]
    fn comments_are_found_where_they_stand() {
        let mut sources = SourceMap::default();
        let id = sources.add("a.yaml", TEXT);
        let documents = Documents::from(manifest::read(id, "a.yaml", TEXT).documents);
        let comments = Comments::new(&sources, &documents);
        let find = |text: &str| {
            let start = TEXT.find(text).expect("the text is there") as u32;
            Span::new(id, start, start + text.len() as u32)
        };
        assert_eq!(comments.above(find("list:")), "one\ntwo");
        assert_eq!(comments.above(find("kind:")), "");
        assert_eq!(comments.behind(find("kind: A")), "of A");
        assert_eq!(comments.behind(find("'#none'")), "behind a");
        assert_eq!(comments.behind(find("b: 2")), "");
        assert_eq!(
            comments.within(find("list:").to(find("b: 1"))),
            "behind a\ninside a"
        );
        let below = Gap::Comments("below a\nabove b".to_owned());
        assert_eq!(comments.between(find("b: 1"), find("- b: 2")), below);
        assert_eq!(
            comments.between(find("'#none'"), find("# inside a")),
            Gap::None
        );
        assert_eq!(
            comments.between(find("# below a"), find("# above b")),
            Gap::BlankLines
        );
        let item = |dash: &str, span: Span| Item {
            span,
            dash: Some(Span {
                end: find(dash).start + 1,
                ..find(dash)
            }),
        };
        assert!(comments.are_about(item("- b", find("b: 2"))));
        assert!(comments.are_about(item("- a", find("a: '").to(find("b: 1")))));
    }
}

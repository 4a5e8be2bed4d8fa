//! Moving misplaced keys to where they belong, by nothing but indentation.
//!
//! Refuses to know fields: it tries every place that indentation can reach, and asks
//! whether the document is in order there.

use super::fields::Type;
use super::structure::UnknownField;
use crate::source::{Edit, Span};
use crate::yaml::tree::Node;
use crate::yaml::{block, general};
use std::ops::Range;

/// A way to mend misplaced keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Move {
    /// The edits, in the order of the text.
    pub(super) edits: Vec<Edit>,
    /// The key that the misplaced ones then stand below; `None` for the top.
    pub(super) below: Option<String>,
    /// Where they go.
    pub(super) direction: Towards,
}

/// Which way keys are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Towards {
    /// To the right: they stood beside what they belong into.
    Inside,
    /// To the left: they stood inside something else.
    Outside,
    /// Nowhere: a key is put in front of them.
    Wrapped,
    /// To the right, as an item of the list that they stood beside.
    Item,
    /// Nowhere: the key itself goes, and what stood below it takes its place.
    Unwrapped,
}

/// The ways to mend a run of keys that stand next to each other, after which `is_better`
/// holds of the document's root. `root` is the object that the keys belong to, `budget`
/// the number of bytes that may still be read; none is found where that is not enough.
pub(super) fn moves(
    root: Node<'_>,
    run: &[UnknownField<'_>],
    budget: &mut usize,
    is_better: impl Fn(Node<'_>) -> bool,
) -> Vec<Move> {
    let document = Document::of(root);
    let mut found: Vec<Move> = Vec::new();
    if *budget < document.range.len() {
        return found;
    }
    for candidate in candidates(&document, run) {
        let Some(left) = budget.checked_sub(document.range.len()) else {
            return Vec::new();
        };
        *budget = left;
        let is_known = found.iter().any(|known| known.edits == candidate.edits);
        if !is_known && document.after(&candidate.edits, &is_better) == Some(true) {
            found.push(candidate);
        }
    }
    found
}

/// What `look` sees in the document's root once a move is made.
pub(super) fn after<T>(root: Node<'_>, one: &Move, look: impl Fn(Node<'_>) -> T) -> Option<T> {
    Document::of(root).after(&one.edits, look)
}

/// The text of one object, as lines.
struct Document<'t> {
    root: Node<'t>,
    text: &'t str,
    range: Range<usize>,
}

impl<'t> Document<'t> {
    fn of(root: Node<'t>) -> Self {
        let text = root.source_text();
        let span = root.span();
        let end = span.end as usize;
        let end = text[end..]
            .find('\n')
            .map_or(text.len(), |length| end + length);
        Self {
            root,
            text,
            range: span.start as usize..end,
        }
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span {
            start: range.start as u32,
            end: range.end as u32,
            ..self.root.span()
        }
    }

    fn line_start(&self, offset: usize) -> usize {
        self.text[..offset]
            .rfind('\n')
            .map_or(0, |newline| newline + 1)
    }

    fn line_end(&self, offset: usize) -> usize {
        self.text[offset..]
            .find('\n')
            .map_or(self.text.len(), |length| offset + length)
    }

    fn column(&self, offset: usize) -> usize {
        offset - self.line_start(offset)
    }

    /// What `look` sees in the root once the edits are made; `None` if the text cannot be
    /// read then, or has keys that stand twice.
    fn after<T>(&self, edits: &[Edit], look: impl Fn(Node<'_>) -> T) -> Option<T> {
        // In front of the object stand blanks: a hyphen or a key may be there, and the
        // columns of its first line are those of the others.
        let mut text = " ".repeat(self.column(self.range.start));
        let mut at = self.range.start;
        let source = self.root.span().source;
        // An object that was built has parts of other texts.
        if edits.iter().any(|edit| edit.span.source != source) {
            return None;
        }
        for edit in edits {
            text.push_str(self.text.get(at..edit.span.start as usize)?);
            text.push_str(&edit.replacement);
            at = edit.span.end as usize;
        }
        text.push_str(self.text.get(at..self.range.end)?);
        text.push('\n');
        // The fast scanner leaves little to the whole grammar.
        let tree = block::read(source, &text, 0..text.len())
            .or_else(|| general::read(source, &text, 0..text.len()).ok())?;
        let root = tree
            .root()
            .filter(|root| tree.duplicate_keys_in(*root).is_empty())?;
        Some(look(root))
    }

    /// The edits that put the lines of `lines` into another column; `None` if there are
    /// none to be made.
    fn shift(&self, lines: Range<usize>, from: usize, to: usize) -> Option<Vec<Edit>> {
        let mut edits = Vec::new();
        let mut start = lines.start;
        while start < lines.end {
            let end = self.line_end(start);
            let line = &self.text[start..end];
            let indentation = line.len() - line.trim_start_matches(' ').len();
            if !line.trim().is_empty() {
                let less = from.saturating_sub(to).min(indentation);
                let replacement = " ".repeat(to.saturating_sub(from));
                edits.push(Edit {
                    span: self.span(start..start + less),
                    replacement,
                });
            }
            start = end + 1;
        }
        edits.retain(|edit| !edit.replacement.is_empty() || edit.span.start < edit.span.end);
        (!edits.is_empty()).then_some(edits)
    }
}

fn candidates(document: &Document<'_>, run: &[UnknownField<'_>]) -> Vec<Move> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return Vec::new();
    };
    let mut candidates = wrapped(document, run);
    candidates.extend(unwrapped(document, run));
    // What it was in a draft says where it goes now.
    if first.mapping.is_flow() || is_wrapped_selector(first) {
        return candidates;
    }
    let start = first.entry.key.span().start as usize;
    let line = document.line_start(start);
    // Behind a hyphen, the key cannot move without it.
    if !document.text[line..start].trim().is_empty() {
        return candidates;
    }
    let column = start - line;
    let end = document.line_end(end_of(last));
    candidates.extend(as_item(document, run, line..end));
    let mut add = |to: usize, below: Option<String>, direction: Towards| {
        if let Some(edits) = document.shift(line..end, column, to) {
            candidates.push(Move {
                edits,
                below,
                direction,
            });
        }
    };
    for (to, below) in columns_inside(document, first) {
        add(to, Some(below), Towards::Inside);
    }
    for (index, mapping) in first.ancestors.iter().enumerate().rev() {
        let to = document.column(mapping.span().start as usize);
        if !mapping.is_flow() && to < column {
            let below = index
                .checked_sub(1)
                .and_then(|outer| key_of(first.ancestors[outer], *mapping));
            add(to, below, Towards::Outside);
        }
    }
    candidates
}

/// Behind the last byte of an entry.
fn end_of(field: &UnknownField<'_>) -> usize {
    field
        .entry
        .value
        .written_span()
        .end
        .max(field.entry.key.span().end) as usize
}

/// The columns to the right of a key that lead into the entry above it.
fn columns_inside(document: &Document<'_>, field: &UnknownField<'_>) -> Vec<(usize, String)> {
    let start = field.entry.key.span().start;
    let above = field
        .mapping
        .entries()
        .filter(|entry| entry.key.span().start < start);
    let mut above = above.max_by_key(|entry| entry.key.span().start);
    let mut columns = Vec::new();
    while let Some(entry) = above {
        let key = entry.key.key_text().into_owned();
        if key == "matchLabels" && !may_enter_labels(field, entry.value) {
            break;
        }
        let mut value = entry.value;
        while let Some(item) = value.items().last().filter(|_| !value.is_flow()) {
            value = item;
        }
        if value.is_null() && value.raw().is_empty() {
            columns.push((document.column(entry.key.span().start as usize) + 2, key));
            break;
        }
        if !value.is_mapping() || value.is_flow() {
            break;
        }
        columns.push((document.column(value.span().start as usize), key));
        above = value.entries().max_by_key(|entry| entry.key.span().start);
    }
    columns
}

/// Whether a key may be a label: it can have any name, so all depends on where it stands.
fn may_enter_labels(field: &UnknownField<'_>, labels: Node<'_>) -> bool {
    field.entry.value.as_str().is_some()
        && (field.shape.is_selector() || field.shape.is_peer() || labels.is_null())
}

/// The key of `outer` below which `inner` stands, maybe in a list.
fn key_of(outer: Node<'_>, inner: Node<'_>) -> Option<String> {
    let holds = |value: Node<'_>| value.span().contains(inner.span());
    outer
        .entries()
        .find(|entry| holds(entry.value))
        .map(|entry| entry.key.key_text().into_owned())
}

/// Labels that stand directly in a selector: `matchLabels` is put around them.
fn wrapped(document: &Document<'_>, run: &[UnknownField<'_>]) -> Vec<Move> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return Vec::new();
    };
    let is_label = |field: &UnknownField<'_>| field.entry.value.as_str().is_some();
    let is_whole = first.mapping.entries().count() == run.len();
    if !first.shape.is_selector() || !is_whole || !run.iter().all(is_label) {
        return Vec::new();
    }
    let start = first.entry.key.span().start as usize;
    let end = end_of(last);
    let insert = |at: usize, text: String| Edit {
        span: document.span(at..at),
        replacement: text,
    };
    let edits = if first.mapping.is_flow() {
        vec![
            insert(start, "matchLabels: {".to_owned()),
            insert(end, "}".to_owned()),
        ]
    } else {
        let line = document.line_start(start);
        let column = start - line;
        let is_first = document.text[line..start].trim().is_empty();
        let lines = line..document.line_end(end);
        let Some(mut edits) = document
            .shift(lines, column, column + 2)
            .filter(|_| is_first)
        else {
            return Vec::new();
        };
        let newline = if document.text.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        edits[0].replacement = format!("{}matchLabels:{newline}  ", " ".repeat(column));
        edits
    };
    let below = Some("matchLabels".to_owned());
    vec![Move {
        edits,
        below,
        direction: Towards::Wrapped,
    }]
}

/// Keys beside the key of an empty list whose items have such keys: a hyphen, and all of
/// them a little further to the right.
fn as_item(document: &Document<'_>, run: &[UnknownField<'_>], lines: Range<usize>) -> Option<Move> {
    let first = run.first()?;
    let start = first.entry.key.span().start;
    let before = first.mapping.entries();
    let before = before.filter(|entry| entry.key.span().start < start);
    let list = before.max_by_key(|entry| entry.key.span().start)?;
    let name = list.key.key_text();
    let (_, Type::List(Type::Object(item))) = first.shape.field(&name)? else {
        return None;
    };
    let belongs = |field: &UnknownField<'_>| item.field(&field.entry.key.key_text()).is_some();
    let is_empty = list.value.is_null() && list.value.raw().is_empty();
    if !is_empty || !run.iter().all(belongs) {
        return None;
    }
    let column = start as usize - lines.start;
    let mut edits = document.shift(lines, column, column + 2)?;
    edits[0] = Edit {
        span: document.span(start as usize..start as usize),
        replacement: "- ".to_owned(),
    };
    Some(Move {
        edits,
        below: Some(name.into_owned()),
        direction: Towards::Item,
    })
}

/// Whether a key is `namespaceSelector` around the selector of `namespaces`, which is what it was
/// called before v1alpha1 was settled.
pub(super) fn is_wrapped_selector(field: &UnknownField<'_>) -> bool {
    let outer = field.path.rsplit('.').next().unwrap_or_default();
    outer == "namespaces" && field.entry.key.key_text() == "namespaceSelector"
}

/// A key that is written once too often: within itself, or as a selector around a selector. What
/// stands below it takes its place.
fn unwrapped(document: &Document<'_>, run: &[UnknownField<'_>]) -> Option<Move> {
    let [field] = run else {
        return None;
    };
    let (key, value) = (field.entry.key, field.entry.value);
    let name = key.key_text().into_owned();
    let outer = field.path.rsplit('.').next().unwrap_or_default();
    let is_doubled = outer == name || is_wrapped_selector(field);
    let is_alone = field.mapping.entries().count() == 1;
    if !is_doubled || !is_alone || !value.is_mapping() {
        return None;
    }
    let (start, inner) = (key.span().start as usize, value.span().start as usize);
    let edits = if field.mapping.is_flow() {
        let text = value.raw().to_owned();
        vec![Edit {
            span: field.mapping.span(),
            replacement: text,
        }]
    } else if value.is_flow() {
        // On the line of the outer key, unless a comment stands behind that one.
        let colon = document.text[..start].trim_end().len();
        if !document.text[..colon].ends_with(':') {
            return None;
        }
        vec![Edit {
            span: document.span(colon..end_of(field)),
            replacement: format!(" {}", value.raw()),
        }]
    } else {
        let (from, to) = (document.column(inner), document.column(start));
        let rest = document.line_end(inner) + 1..document.line_end(end_of(field));
        let own = Edit {
            span: document.span(start..inner),
            replacement: String::new(),
        };
        let mut edits = vec![own];
        if rest.start < rest.end {
            edits.extend(document.shift(rest, from, to)?);
        }
        edits
    };
    Some(Move {
        edits,
        below: Some(name),
        direction: Towards::Unwrapped,
    })
}

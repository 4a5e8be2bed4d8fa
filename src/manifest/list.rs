//! A `List` as kubectl prints one, read a few items at a time: the nodes of a dump of a whole
//! cluster never stand in memory together, and its items are read on all threads.
//!
//! Refuses to report: a text that is anything else, or in which something is unusual, is
//! read as a whole like every other document, and means the same.

use super::hidden_text::{self, HIDDEN_TEXT};
use super::object::{self, List};
use super::{Focus, Known, Parsed};
use crate::source::{SourceId, Span, Spanned};
use crate::yaml::block;
use crate::yaml::tree::{Node, Tree};
use rayon::prelude::*;
use std::ops::Range;

/// How many bytes of items are read together, so that what a tree costs by itself does not count.
const MIN_GROUP: usize = 64 << 10;

/// Reads the document in a range of `text` if it is such a list; `span` is the range without
/// the blanks around it.
pub(super) fn read(
    source: SourceId,
    text: &str,
    (range, span): (Range<usize>, Span),
    focus: &Focus,
) -> Option<Parsed> {
    let outline = Outline::of(text, range, MIN_GROUP)?;
    read_groups(source, text, (outline, span), focus)
}

/// The same of a text that is such a list alone, and was one before some edits: what stands before
/// the first of them is known.
pub(super) fn read_edited(
    source: SourceId,
    text: &str,
    (range, span): (Range<usize>, Span),
    known: Known<'_>,
) -> Option<Parsed> {
    let outline = Outline::of(text, range, MIN_GROUP)?;
    read_but_for(known, source, text, (outline, span))
}

fn read_but_for(
    known: Known<'_>,
    source: SourceId,
    text: &str,
    (mut outline, span): (Outline, Span),
) -> Option<Parsed> {
    // The line at which a group ends says that it does: that has to be what it was as well.
    let is_known = |group: &Range<usize>| next_line(text.as_bytes(), group.end) <= known.until;
    let count = outline.groups.iter().take_while(|it| is_known(it)).count();
    let end = outline.groups.drain(..count).next_back()?.end;
    let known = known.before(end);
    let parsed = read_behind(known, source, text, (outline, span), Focus::EVERYTHING)?;
    Some(Parsed {
        is_read_by_item: true,
        ..parsed
    })
}

/// Reads an item of a list by itself, whose lines are those in a range of `text`; `None` for
/// anything else, and where something is unusual.
pub(super) fn read_item(source: SourceId, text: &str, range: Range<usize>) -> Option<Parsed> {
    let bytes = &text.as_bytes()[..range.end];
    let (indent, _) = line_start(bytes, range.start);
    let is_item = is_item(bytes, range.start + indent);
    let mut at = next_line(bytes, range.start);
    while at < bytes.len() {
        let (column, first) = line_start(bytes, at);
        let is_inside = column > indent || matches!(first, None | Some(b'#' | b'\r'));
        if !is_inside {
            return None;
        }
        at = next_line(bytes, at);
    }
    let tree = block::read(source, text, range).filter(|_| is_item)?;
    let list = List {
        item_kind: Spanned::new("", Span::new(source, 0, 0)),
        api_version: None,
    };
    let mut parsed = Parsed::default();
    object::read_items(&tree, list, Focus::EVERYTHING, &mut parsed)?;
    Some(parsed)
}

fn read_groups(
    source: SourceId,
    text: &str,
    (outline, span): (Outline, Span),
    focus: &Focus,
) -> Option<Parsed> {
    let nothing = (Parsed::default(), Vec::new());
    read_behind(nothing, source, text, (outline, span), focus)
}

/// The same where what stands before the groups was read, and has these comments.
fn read_behind(
    (mut parsed, known_comments): (Parsed, Vec<Span>),
    source: SourceId,
    text: &str,
    (outline, span): (Outline, Span),
    focus: &Focus,
) -> Option<Parsed> {
    let head = block::read(source, text, outline.head)?;
    let foot = block::read(source, text, outline.foot)?;
    let list = Frame::of(&head, &foot)?.list()?;
    let groups: Option<Vec<(Parsed, Vec<Span>)>> = outline
        .groups
        .into_par_iter()
        .map(|group| {
            let tree = block::read(source, text, group)?;
            let mut parsed = Parsed::default();
            object::read_items(&tree, list, focus, &mut parsed)?;
            Some((parsed, tree.comments().to_vec()))
        })
        .collect();
    let mut comments = match parsed.documents.is_empty() {
        true => head.comments().to_vec(),
        false => known_comments,
    };
    let groups = groups?;
    let parsed_groups = || groups.iter().map(|(group, _)| group);
    let count = parsed_groups().map(|group| group.documents.len()).sum();
    parsed.documents.reserve_exact(count);
    let count = parsed_groups().map(|group| group.objects.len()).sum();
    parsed.objects.reserve_exact(count);
    for (group, of_group) in groups {
        parsed.append(group);
        comments.extend(of_group);
    }
    comments.extend(foot.comments());
    object::assign_comments(text, &comments, &mut parsed.documents);
    hidden_text::report(&comments, text, span, 0, &mut parsed);
    Some(parsed)
}

impl Known<'_> {
    /// What was read of the items that stand before a byte, with all comments before it.
    fn before(self, end: usize) -> (Parsed, Vec<Span>) {
        let stands_before = |span: Span| span.end as usize <= end;
        let documents = self.documents.iter();
        let documents = documents.take_while(|document| stands_before(document.span));
        let objects = self.objects.iter();
        let objects = objects.filter(|object| stands_before(object.meta().span));
        // What is hidden is looked for in the whole text.
        let diagnostics = self.diagnostics.iter().filter(|diagnostic| {
            diagnostic.rule != HIDDEN_TEXT && stands_before(diagnostic.primary.span)
        });
        let comments = self.documents.iter().flat_map(|it| it.comments.iter());
        let comments = comments.filter(|comment| stands_before(**comment));
        let parsed = Parsed {
            documents: documents.cloned().collect(),
            objects: objects.cloned().collect(),
            diagnostics: diagnostics.cloned().collect(),
            ..Parsed::default()
        };
        (parsed, comments.copied().collect())
    }
}

/// Where the parts of a list stand. Only the lines are looked at: whatever goes on over a line
/// that looks like the start of an item cannot be read where it is cut, nor behind it.
struct Outline {
    /// Up to the line with `items:`.
    head: Range<usize>,
    /// Neighbouring items.
    groups: Vec<Range<usize>>,
    /// What stands behind the last item.
    foot: Range<usize>,
}

impl Outline {
    fn of(text: &str, range: Range<usize>, min_group: usize) -> Option<Self> {
        const ITEMS: &[u8] = b"\nitems:";
        let bytes = &text.as_bytes()[..range.end];
        let line = match bytes[range.start..].starts_with(&ITEMS[1..]) {
            true => range.start,
            false => range.start + memchr::memmem::find(&bytes[range.start..], ITEMS)? + 1,
        };
        let head_end = next_line(bytes, line);
        let behind = &text[line + ITEMS.len() - 1..head_end];
        if !behind.trim_matches([' ', '\t', '\r', '\n']).is_empty() {
            return None;
        }
        let (indent, first) = first_item(bytes, head_end)?;
        let stretches: Vec<Stretch> = stretches(bytes, first, min_group * GROUPS_OF_STRETCH)
            .into_par_iter()
            .map(|lines| Stretch::of(bytes, lines, indent))
            .collect();
        let mut groups = Vec::new();
        let mut start = head_end;
        let mut end = bytes.len();
        for stretch in stretches {
            // An item that begins no group is an item all the same.
            for item in stretch.items {
                let is_group_full = item - start >= min_group;
                if item > first && is_group_full {
                    groups.push(start..item);
                    start = item;
                }
            }
            if let Some(foot) = stretch.foot {
                end = foot;
                break;
            }
        }
        groups.push(start..end);
        Some(Self {
            head: range.start..head_end,
            groups,
            foot: end..range.end,
        })
    }
}

/// How many groups a stretch of lines is as long as.
const GROUPS_OF_STRETCH: usize = 16;

/// Some lines of a list, behind its head.
struct Stretch {
    /// The lines at which items start.
    items: Vec<usize>,
    /// The line at which the list has ended.
    foot: Option<usize>,
}

impl Stretch {
    fn of(bytes: &[u8], lines: Range<usize>, indent: usize) -> Self {
        let mut items = Vec::new();
        let mut at = lines.start;
        while at < lines.end {
            let (column, first) = line_start(bytes, at);
            match first {
                None | Some(b'#' | b'\r') => {}
                Some(b'-') if column == indent && is_item(bytes, at + column) => items.push(at),
                Some(_) if column < indent || indent == 0 && column == 0 => {
                    let foot = Some(at);
                    return Self { items, foot };
                }
                Some(_) => {}
            }
            at = next_line(bytes, at);
        }
        Self { items, foot: None }
    }
}

/// The lines from one on, in stretches of about this length.
fn stretches(bytes: &[u8], first: usize, length: usize) -> Vec<Range<usize>> {
    let mut stretches = Vec::new();
    let mut start = first;
    while start < bytes.len() {
        let end = next_line(bytes, bytes.len().min(start + length) - 1);
        stretches.push(start..end);
        start = end;
    }
    stretches
}

/// The column of the first item, and its line; `None` where something else stands before it.
fn first_item(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    while at < bytes.len() {
        let (column, first) = line_start(bytes, at);
        match first {
            None | Some(b'#' | b'\r') => {}
            Some(_) => return is_item(bytes, at + column).then_some((column, at)),
        }
        at = next_line(bytes, at);
    }
    None
}

/// Whether an item of a list starts at a byte.
fn is_item(bytes: &[u8], at: usize) -> bool {
    bytes.get(at) == Some(&b'-') && is_blank(bytes.get(at + 1))
}

/// Where the line behind the one at `at` starts.
fn next_line(bytes: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |end| at + end + 1)
}

/// The column of the first character of a line, and the character; none on a blank line.
fn line_start(bytes: &[u8], line: usize) -> (usize, Option<u8>) {
    let column = bytes[line..].iter().take_while(|byte| **byte == b' ');
    let column = column.count();
    let first = bytes.get(line + column).copied();
    (column, first.filter(|byte| *byte != b'\n'))
}

fn is_blank(byte: Option<&u8>) -> bool {
    matches!(byte, None | Some(b' ' | b'\n' | b'\r'))
}

/// The fields of a list around its items.
#[derive(Default)]
struct Frame<'t> {
    api_version: Option<Node<'t>>,
    kind: Option<Node<'t>>,
    metadata: Option<Node<'t>>,
    items: Option<Node<'t>>,
}

impl<'t> Frame<'t> {
    /// Of what stands before and behind the items; `None` where there is anything else.
    fn of(head: &'t Tree<'t>, foot: &'t Tree<'t>) -> Option<Self> {
        let mut frame = Self::default();
        for tree in [head, foot] {
            let Some(root) = tree.root() else { continue };
            if !root.is_mapping() || !tree.duplicate_keys_in(root).is_empty() {
                return None;
            }
            for entry in root.entries() {
                let field = match &*entry.key.key_text() {
                    "apiVersion" => &mut frame.api_version,
                    "kind" => &mut frame.kind,
                    "metadata" => &mut frame.metadata,
                    "items" => &mut frame.items,
                    _ => return None,
                };
                if field.replace(entry.value).is_some() {
                    return None;
                }
            }
        }
        Some(frame)
    }

    /// What its items take from it, if it is a `List`.
    fn list(&self) -> Option<List<'t>> {
        let (kind, api_version) = (self.kind?, self.api_version?);
        let is_list = kind.as_str() == Some("List")
            && api_version.as_str() == Some("v1")
            && self.items.is_some_and(Node::is_null);
        is_list.then(|| List {
            item_kind: Spanned::new("", kind.span()),
            api_version: Some(Spanned::new("v1", api_version.span())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceMap;
    use crate::yaml::differential;

    /// What a list is read as item by item, and as a whole.
    fn both_ways(text: &str) -> (Option<String>, Option<String>) {
        let source = SourceMap::default().add("list.yaml", text);
        let start = text.len() - text.trim_start().len();
        let end = text.trim_end().len().max(start);
        let span = Span::new(source, start as u32, end as u32);
        let outline = Outline::of(text, 0..text.len(), 1);
        let by_item = outline
            .and_then(|outline| read_groups(source, text, (outline, span), Focus::EVERYTHING));
        let whole = block::read(source, text, 0..text.len()).map(|tree| {
            let mut parsed = Parsed::default();
            object::read(&tree, span, Focus::EVERYTHING, &mut parsed);
            hidden_text::report(tree.comments(), text, span, 0, &mut parsed);
            parsed
        });
        let [by_item, whole] =
            [by_item, whole].map(|parsed| parsed.map(|parsed| format!("{parsed:?}")));
        (by_item, whole)
    }

    #[test]
    fn a_list_means_the_same_item_by_item() {
        let frames = [
            (
                "apiVersion: v1\nitems:\n",
                "kind: List\nmetadata:\n  resourceVersion: \"\"\n",
            ),
            (
                "# all of it\napiVersion: v1\nkind: List # of all\nitems: # here\n",
                "# the end\n",
            ),
            ("kind: List\napiVersion: v1\nitems:\n\n# first\n", ""),
        ];
        let texts = differential::texts();
        let mut understood = 0;
        for (number, documents) in texts.chunks(3).enumerate() {
            let (head, foot) = frames[number % frames.len()];
            let margin = " ".repeat(number % 2 * 2);
            let items = documents.iter().map(|document| {
                let lines: Vec<&str> = document.lines().collect();
                let behind = lines.join(&format!("\n{margin}  "));
                format!("{margin}- {behind}\n# between\n")
            });
            let text = format!("{head}{}{foot}", items.collect::<String>());
            let (by_item, whole) = both_ways(&text);
            if by_item.is_some() {
                understood += 1;
                assert_eq!(by_item, whole, "{text}");
            }
        }
        assert!(understood > 200, "only {understood} lists are plain");
    }

    #[test]
    fn what_stands_before_an_edit_is_as_if_it_were_read_again() {
        let id = SourceMap::default().add("list.yaml", "");
        let place = |text: &str| {
            let outline = Outline::of(text, 0..text.len(), 1).expect("it is a list");
            let start = text.len() - text.trim_start().len();
            let span = Span::new(id, start as u32, text.trim_end().len() as u32);
            (outline, span)
        };
        let texts = differential::texts();
        let mut understood = 0;
        for documents in texts.chunks(4) {
            let items = documents.iter().map(|document| {
                let lines: Vec<&str> = document.lines().collect();
                format!("- {}\n# between\n", lines.join("\n  "))
            });
            let head = "# all of it\napiVersion: v1\nkind: List\nitems:\n".to_owned();
            let parts: Vec<String> = std::iter::once(head).chain(items).collect();
            let before = parts.concat();
            let Some(read) = Outline::of(&before, 0..before.len(), 1)
                .and_then(|_| read_groups(id, &before, place(&before), Focus::EVERYTHING))
            else {
                continue;
            };
            let mut at = 0;
            for part in &parts {
                // At the start, in the middle and at the end of a part.
                for inserted in ["x", "# c\n", "  # \u{2028}d\n", "- a: b\n"] {
                    for line in part.split_inclusive('\n') {
                        let after = [&before[..at], inserted, &before[at..]].concat();
                        let known = Known {
                            documents: &read.documents,
                            objects: &read.objects,
                            diagnostics: &read.diagnostics,
                            until: at,
                        };
                        at += line.len();
                        if Outline::of(&after, 0..after.len(), 1).is_none() {
                            continue;
                        }
                        let Some(edited) = read_but_for(known, id, &after, place(&after)) else {
                            continue;
                        };
                        let again = read_groups(id, &after, place(&after), Focus::EVERYTHING);
                        let again = again.map(|again| Parsed {
                            is_read_by_item: true,
                            ..again
                        });
                        understood += 1;
                        assert_eq!(
                            format!("{:?}", Some(edited)),
                            format!("{again:?}"),
                            "{after}"
                        );
                    }
                    at -= part.len();
                }
                at += part.len();
            }
        }
        assert!(
            understood > 200,
            "only {understood} edits leave a plain list"
        );
    }

    #[test]
    fn what_only_looks_like_items_is_left_to_others() {
        let item = "- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n";
        let head = "apiVersion: v1\nkind: List\nitems:\n";
        let texts = [
            format!("{head}- apiVersion: v1\n  kind: Pod\n  metadata: {{name: \"a\n{item}\"}}\n"),
            format!("{head}- apiVersion: v1\n  kind: Pod\n  metadata: {{name: a,\n{item}  }}\n"),
            format!("{head}- name: a\n"),
            format!("{head}- \n{item}"),
            format!("{head}{item}spec: {{}}\n"),
            format!("{head}{item}kind: List\n"),
            format!("{head}{item}---\n"),
            format!("{head}{item}- apiVersion: v1\n  kind: Pod\n  x: .inf\n"),
            format!("apiVersion: v1\nkind: PodList\nitems:\n{item}"),
            format!("apiVersion: v1\nkind: List\nitems: []\n{item}"),
            format!("apiVersion: v1\nkind: ConfigMap\ndata:\n  a: |\n\nitems:\n{item}"),
        ];
        for text in texts {
            assert_eq!(both_ways(&text).0, None, "{text}");
        }
        let (by_item, whole) = both_ways(&format!("{head}{item}{item}"));
        assert!(by_item.is_some() && by_item == whole);
    }
}

//! Edits of manifests as their author would make them: items of lists joined, added and
//! taken out together with the comments that are about them.
//!
//! Refuses to know why: a rule decides what goes and what comes. Says `None` where the text
//! is laid out in a way that it does not understand.

use super::{snippet, text};
use crate::cluster::NAMESPACE_NAME_LABEL;
use crate::k8s::{Direction, Label, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicyRule};
use crate::source::{Edit, SourceMap, Span, line_break};

/// An item of a list: its text, and its hyphen unless it is written in flow style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// The whole item, without its hyphen.
    pub span: Span,
    /// The hyphen.
    pub dash: Option<Span>,
}

impl From<&NetworkPolicyRule> for Item {
    fn from(rule: &NetworkPolicyRule) -> Self {
        Self {
            span: rule.span,
            dash: rule.dash,
        }
    }
}

impl From<&NetworkPolicyPeer> for Item {
    fn from(peer: &NetworkPolicyPeer) -> Self {
        Self {
            span: peer.span,
            dash: peer.dash,
        }
    }
}

impl From<&NetworkPolicyPort> for Item {
    fn from(port: &NetworkPolicyPort) -> Self {
        Self {
            span: port.span,
            dash: port.dash,
        }
    }
}

impl Item {
    /// What to underline for the whole item: its hyphen, else its first line.
    #[must_use]
    pub fn mark(self, sources: &SourceMap) -> Span {
        self.dash.unwrap_or_else(|| first_line(sources, self.span))
    }
}

/// The part of a span that stands on its first line.
#[must_use]
pub fn first_line(sources: &SourceMap, span: Span) -> Span {
    let text = sources.text(span);
    let length = text.find(['\n', '\r']).unwrap_or(text.len()) as u32;
    Span::new(span.source, span.start, span.start + length)
}

/// Makes one item of two neighbours, both mappings in block style at one column, by the one
/// byte that parts them: the second hyphen becomes a space.
#[must_use]
pub fn join_items(sources: &SourceMap, first: Item, second: Item) -> Option<Edit> {
    let (first_dash, second_dash) = (first.dash?, second.dash?);
    let column = |span: Span| sources.position(span).column;
    let gap = |dash: Span, item: Item| {
        let source = sources.get(dash.source).text();
        let between = source.get(dash.end as usize..item.span.start as usize)?;
        between
            .bytes()
            .all(|byte| byte == b' ')
            .then_some(between.len())
    };
    let is_block = |item: Item| !sources.text(item.span).starts_with('{');
    let fits = column(first_dash) == column(second_dash)
        && gap(first_dash, first)? == gap(second_dash, second)?
        && is_block(first)
        && is_block(second);
    fits.then(|| Edit {
        span: second_dash,
        replacement: " ".to_owned(),
    })
}

/// Takes some items out of a list, with the comments that are about them: those that
/// stand right above an item at its column, and those inside it. At least one item must
/// stay, as an empty list has a meaning of its own.
#[must_use]
pub fn remove_items(sources: &SourceMap, list: &[Item], removed: &[usize]) -> Option<Vec<Edit>> {
    if removed.is_empty() || removed.len() >= list.len() {
        return None;
    }
    let is_flow = list.iter().all(|item| item.dash.is_none());
    if is_flow {
        let [only] = removed else { return None };
        return Some(vec![remove_from_flow(sources, list.get(*only)?.span)?]);
    }
    let has_comment = |index: &usize| {
        let item = list[*index];
        item.dash
            .and_then(|dash| Lines::of(sources, dash, item.span))
            .is_some_and(|lines| lines.comment_above() < lines.start)
    };
    // A comment above the first of several items that have none is about the whole list.
    let are_commented = (1..list.len()).any(|index| has_comment(&index));
    let edit = |index: &usize| {
        let item = list.get(*index)?;
        let lines = Lines::of(sources, item.dash?, item.span)?;
        let start = if *index == 0 && !are_commented {
            lines.start
        } else {
            lines.comment_above()
        };
        Some(lines.delete(start))
    };
    removed.iter().map(edit).collect()
}

/// Takes one of several labels out of a selector.
#[must_use]
pub fn remove_label(sources: &SourceMap, label: &Label) -> Option<Edit> {
    let span = label.key.span.to(label.value.span);
    match Lines::of(sources, label.key.span, span) {
        Some(lines) if lines.is_alone() => Some(lines.delete(lines.start)),
        _ => remove_from_flow(sources, span),
    }
}

/// Writes the directions of a policy into the field `name`: in place of an empty value, if its
/// key is there, else above `before`, the key of another field.
#[must_use]
pub fn write_types(
    sources: &SourceMap,
    (name, key): (&str, Option<Span>),
    before: Span,
    types: &[Direction],
) -> Option<Edit> {
    let source = sources.get(before.source);
    let names: Vec<&str> = types.iter().map(|it| it.policy_type()).collect();
    let list = format!("[{}]", names.join(", "));
    if let Some(key) = key {
        let rest = &source.text()[key.end as usize..];
        let value = rest.strip_prefix(':')?;
        let value = value.lines().next().unwrap_or_default().trim_end();
        return ["", " []", " null", " ~"].contains(&value).then(|| Edit {
            span: Span::new(key.source, key.end + 1, key.end + 1 + value.len() as u32),
            replacement: format!(" {list}"),
        });
    }
    let text_before = source.text()[..before.start as usize].trim_end();
    let is_flow = text_before.ends_with(['{', ',']);
    let replacement = match text::indentation(sources, before) {
        Some(indentation) if !is_flow => {
            let lead = " ".repeat(indentation);
            let line_break = line_break(source.text());
            let items = names.iter();
            let items: String = items
                .map(|name| format!("{lead}  - {name}{line_break}"))
                .collect();
            format!("{name}:{line_break}{items}{lead}")
        }
        _ => format!("{name}: {list}, "),
    };
    Some(Edit {
        span: before.before(),
        replacement,
    })
}

/// Adds a label to `matchLabels` behind one that is there, in its style.
#[must_use]
pub fn add_label(sources: &SourceMap, behind: &Label, key: &str, value: &str) -> Option<Edit> {
    let span = behind.key.span.to(behind.value.span);
    let is_json = sources
        .get(span.source)
        .text()
        .trim_start()
        .starts_with(['{', '[']);
    let is_alone = Lines::of(sources, behind.key.span, span).is_some_and(|it| it.is_alone());
    if is_alone && !is_json {
        let indentation = " ".repeat(text::indentation(sources, behind.key.span)?);
        let line = format!("{indentation}{key}: {value}");
        return Some(text::insert_lines_after(sources, span, &[line]));
    }
    Some(Edit {
        span: span.after(),
        replacement: match is_json {
            true => format!(", \"{key}\": \"{value}\""),
            false => format!(", \"{key}\": {value}"),
        },
    })
}

/// Adds a `namespaceSelector` to a peer that has a `podSelector`, as its sibling.
#[must_use]
pub fn add_namespace_selector(
    sources: &SourceMap,
    peer: &NetworkPolicyPeer,
    namespace: &str,
) -> Option<Edit> {
    let key = peer.pod_selector.key()?;
    let namespace = snippet::scalar(namespace);
    if sources.text(peer.span).starts_with('{') {
        let end = Span::new(peer.span.source, peer.span.end - 1, peer.span.end - 1);
        let selector = format!(
            ", namespaceSelector: {{matchLabels: {{{NAMESPACE_NAME_LABEL}: {namespace}}}}}"
        );
        return Some(Edit {
            span: end,
            replacement: selector,
        });
    }
    let indentation = " ".repeat(text::indentation(sources, key)?);
    let lines = [
        format!("{indentation}namespaceSelector:"),
        format!("{indentation}  matchLabels:"),
        format!("{indentation}    {NAMESPACE_NAME_LABEL}: {namespace}"),
    ];
    Some(text::insert_lines_after(sources, peer.span, &lines))
}

/// Puts another text in the place of a key or a value, in the quotes that are there, or in quotes
/// where it needs them: `1234` is no text in YAML, and JSON has no other.
#[must_use]
pub fn replace_text(sources: &SourceMap, span: Span, text: &str) -> Edit {
    let replacement = match sources.text(span).as_bytes().first() {
        Some(b'"') => format!("{text:?}"),
        Some(b'\'') => format!("'{}'", text.replace('\'', "''")),
        _ => snippet::scalar(text),
    };
    Edit { span, replacement }
}

/// Adds an entry to a list of ports behind `neighbour`, written in the way in which that
/// one is: `{protocol: TCP, port: 53}`, or a key a line.
#[must_use]
pub fn add_port(
    sources: &SourceMap,
    neighbour: &NetworkPolicyPort,
    protocol: &str,
    port: u16,
) -> Option<Edit> {
    let flow = format!("{{protocol: {protocol}, port: {port}}}");
    let Some(dash) = neighbour.dash else {
        return Some(Edit {
            span: neighbour.span.after(),
            replacement: format!(", {flow}"),
        });
    };
    let indentation = text::indentation(sources, dash)?;
    let source = sources.get(dash.source).text();
    let gap = source.get(dash.end as usize..neighbour.span.start as usize)?;
    if !gap.bytes().all(|byte| byte == b' ') {
        return None;
    }
    let lead = format!("{}-{gap}", " ".repeat(indentation));
    let lines = if sources.text(neighbour.span).starts_with('{') {
        vec![format!("{lead}{flow}")]
    } else {
        vec![
            format!("{lead}protocol: {protocol}"),
            format!("{}port: {port}", " ".repeat(lead.len())),
        ]
    };
    Some(text::insert_lines_after(sources, neighbour.span, &lines))
}

/// Takes an item or a label out of `[…]` or `{…}`, with the comma that it no longer needs.
fn remove_from_flow(sources: &SourceMap, span: Span) -> Option<Edit> {
    let source = sources.get(span.source).text();
    let (before, after) = (&source[..span.start as usize], &source[span.end as usize..]);
    let behind = after.trim_start();
    let (start, end) = if let Some(rest) = behind.strip_prefix(',') {
        let next = rest.trim_start();
        (before.len(), source.len() - next.len())
    } else if behind.starts_with([']', '}']) {
        let previous = before.trim_end().strip_suffix(',')?;
        (previous.len(), span.end as usize)
    } else {
        return None;
    };
    Some(Edit {
        span: Span::new(span.source, start as u32, end as u32),
        replacement: String::new(),
    })
}

/// The whole lines that something in block style takes.
struct Lines<'t> {
    text: &'t str,
    span: Span,
    /// The column of its first character, from 0.
    column: usize,
    /// Where its first line starts.
    start: usize,
    /// Where the line behind its last one starts, or the text ends.
    end: usize,
}

impl<'t> Lines<'t> {
    /// `None` where something else stands before it on its line.
    fn of(sources: &'t SourceMap, first: Span, span: Span) -> Option<Self> {
        let lines = Self::around(sources, first, span);
        (lines.start + lines.column == first.start as usize).then_some(lines)
    }

    /// The lines that it takes, be it with something else; the column is that of the line.
    fn around(sources: &'t SourceMap, first: Span, span: Span) -> Self {
        let text = sources.get(span.source).text();
        let start = text[..first.start as usize]
            .rfind('\n')
            .map_or(0, |end| end + 1);
        let before = &text[start..first.start as usize];
        let column = before.len() - before.trim_start_matches(' ').len();
        let content = span.start as usize + sources.text(span).trim_end().len();
        let line_behind = |place: usize| {
            text[place..]
                .find('\n')
                .map_or(text.len(), |end| place + end + 1)
        };
        let mut end = line_behind(content);
        while is_comment(&text[end..line_behind(end)], |indent| indent > column) {
            end = line_behind(end);
        }
        Self {
            text,
            span,
            column,
            start,
            end,
        }
    }

    /// Where the comment lines right above it start, that stand at its column.
    fn comment_above(&self) -> usize {
        let mut start = self.start;
        while start > 0 {
            let above = self.text[..start - 1].rfind('\n').map_or(0, |end| end + 1);
            if !is_comment(&self.text[above..start], |indent| indent == self.column) {
                break;
            }
            start = above;
        }
        start
    }

    /// Whether it is the only thing on its lines, comments aside.
    fn is_alone(&self) -> bool {
        let rest = &self.text[self.span.end as usize..self.end];
        let rest = rest.lines().next().unwrap_or_default().trim_start();
        rest.is_empty() || rest.starts_with('#')
    }

    fn delete(&self, start: usize) -> Edit {
        let has_break = self.text[..self.end].ends_with('\n');
        // The last line of a text without a final line break takes the one before it.
        let start = match self.text[..start].strip_suffix('\n') {
            Some(before) if !has_break => before.strip_suffix('\r').unwrap_or(before).len(),
            _ => start,
        };
        Edit {
            span: Span::new(self.span.source, start as u32, self.end as u32),
            replacement: String::new(),
        }
    }
}

/// Whether a line holds nothing but a comment that is indented so.
fn is_comment(line: &str, is_indented: impl Fn(usize) -> bool) -> bool {
    let content = line.trim_start_matches(' ');
    content.starts_with('#') && is_indented(line.len() - content.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit;
    use crate::source::Spanned;

    fn find(sources: &SourceMap, text: &str) -> Span {
        let id = sources.ids().next().expect("there is one text");
        let start = sources
            .get(id)
            .text()
            .find(text)
            .expect("the text is there") as u32;
        Span::new(id, start, start + text.len() as u32)
    }

    /// The items behind the hyphens at the start of lines: their lines that are indented.
    fn items(sources: &SourceMap) -> Vec<Item> {
        let id = sources.ids().next().expect("there is one text");
        let text = sources.get(id).text();
        let item = |(place, _): (usize, &str)| {
            let dash = place + 1;
            let start = dash + 1 + text[dash + 1..].find(|c| c != ' ').expect("an item");
            let mut end = start;
            for line in text[start..].split_inclusive('\n') {
                let place = start + (line.as_ptr() as usize - text[start..].as_ptr() as usize);
                let is_first = place == start;
                if !is_first && !line.starts_with("  ") {
                    break;
                }
                let content = line
                    .find('#')
                    .map_or(line, |comment| &line[..comment])
                    .trim_end();
                if !content.is_empty() {
                    end = place + content.len();
                }
            }
            Item {
                span: Span::new(id, start as u32, end as u32),
                dash: Some(Span::new(id, dash as u32, dash as u32 + 1)),
            }
        };
        text.match_indices("\n-").map(item).collect()
    }

    fn one_text(text: &str) -> SourceMap {
        let mut sources = SourceMap::default();
        sources.add("text", text);
        sources
    }

    #[test]
    fn items_go_with_the_comments_that_are_about_them() {
        for (text, removed, expected) in [
            ("list:\n- a: 1\n- b: 2\n", 1, "list:\n- a: 1\n"),
            ("list:\n- a: 1\n- b: 2", 1, "list:\n- a: 1"),
            (
                "list:\n- a: 1\n- b: 2 # why\nnext:\n",
                1,
                "list:\n- a: 1\nnext:\n",
            ),
            ("list:\n- a: 1\n# about b\n- b: 2\n", 1, "list:\n- a: 1\n"),
            (
                "list:\n- a: 1\n  # inside a\n- b: 2\n",
                0,
                "list:\n- b: 2\n",
            ),
            (
                "list:\n- a: 1\n  # inside a\n- b: 2\n",
                1,
                "list:\n- a: 1\n  # inside a\n",
            ),
            (
                "list:\n# about all\n- a: 1\n- b: 2\n",
                0,
                "list:\n# about all\n- b: 2\n",
            ),
            (
                "list:\n# about a\n- a: 1\n# about b\n- b: 2\n",
                0,
                "list:\n# about b\n- b: 2\n",
            ),
            (
                "list:\n# about a\n\n- a: 1\n# about b\n- b: 2\n",
                0,
                "list:\n# about a\n\n# about b\n- b: 2\n",
            ),
            (
                "list:\n- a: 1\n  c:\n    - 3\n- b: 2\n",
                0,
                "list:\n- b: 2\n",
            ),
            ("list:\r\n- a: 1\r\n- b: 2\r\n", 1, "list:\r\n- a: 1\r\n"),
        ] {
            let sources = one_text(text);
            let edits = remove_items(&sources, &items(&sources), &[removed]).expect(text);
            assert_eq!(
                edit::apply(text, &edits).as_deref(),
                Ok(expected),
                "{text:?}"
            );
        }
        let sources = one_text("list:\n- a: 1\n- b: 2\n");
        assert_eq!(remove_items(&sources, &items(&sources), &[0, 1]), None);
    }

    #[test]
    fn flow_style_loses_its_comma() {
        for (text, item, expected) in [
            ("[{a: 1}, {b: 2}]", "{a: 1}", "[{b: 2}]"),
            ("[{a: 1}, {b: 2}]", "{b: 2}", "[{a: 1}]"),
            ("[ {a: 1},\n  {b: 2} ]", "{a: 1}", "[ {b: 2} ]"),
            ("[{a: 1}, {b: 2}, ]", "{b: 2}", "[{a: 1}, ]"),
        ] {
            let sources = one_text(text);
            let edit = remove_from_flow(&sources, find(&sources, item)).expect(text);
            assert_eq!(
                edit::apply(text, &[edit]).as_deref(),
                Ok(expected),
                "{text:?}"
            );
        }
        let sources = one_text("[{a: 1}]");
        assert_eq!(remove_from_flow(&sources, find(&sources, "{a: 1}")), None);
    }

    #[test]
    fn labels_go_with_their_line() {
        for (text, expected) in [
            ("m:\n  k: v\n  app: web\n", "m:\n  app: web\n"),
            ("m:\n  app: web\n  k: v # old\n", "m:\n  app: web\n"),
            ("m: {k: v, app: web}\n", "m: {app: web}\n"),
            ("m: {app: web, k: v}\n", "m: {app: web}\n"),
            ("m: {app: web,\n  k: v}\n", "m: {app: web}\n"),
        ] {
            let sources = one_text(text);
            let at = find(&sources, "k: v");
            let part = |from, to| Span::new(at.source, at.start + from, at.start + to);
            let label = Label {
                key: Spanned::new("k".into(), part(0, 1)),
                value: Spanned::new("v".into(), part(3, 4)),
            };
            let edit = remove_label(&sources, &label).expect(text);
            assert_eq!(
                edit::apply(text, &[edit]).as_deref(),
                Ok(expected),
                "{text:?}"
            );
        }
    }

    #[test]
    fn two_items_become_one_by_one_byte() {
        let text = "list:\n- a: 1\n- b: 2\n-   c: 3\n- {d: 4}\n";
        let sources = one_text(text);
        let items = items(&sources);
        let edit = join_items(&sources, items[0], items[1]).expect("both are alike");
        let joined = "list:\n- a: 1\n  b: 2\n-   c: 3\n- {d: 4}\n";
        assert_eq!(edit::apply(text, &[edit]).as_deref(), Ok(joined));
        assert_eq!(join_items(&sources, items[0], items[2]), None);
        assert_eq!(join_items(&sources, items[0], items[3]), None);
    }
}

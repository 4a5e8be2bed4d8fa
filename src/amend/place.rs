//! Where in a text something new goes, and the edit that puts it there.
//!
//! Refuses to know what it is.

use super::value::{Style, Value};
use crate::source::{Edit, Span, line_break};

/// A place in a list, beside one of its items.
pub(super) struct Place<'t> {
    text: &'t str,
    /// The item.
    item: Span,
    /// Its hyphen; `None` in brackets.
    dash: Option<Span>,
    is_before: bool,
}

impl<'t> Place<'t> {
    /// Behind an item.
    pub(super) fn behind(text: &'t str, item: Span, dash: Option<Span>) -> Self {
        Self {
            text,
            item,
            dash: dash.filter(|dash| is_before(*dash, item)),
            is_before: false,
        }
    }

    /// Before an item.
    pub(super) fn before(text: &'t str, item: Span, dash: Option<Span>) -> Self {
        Self {
            text,
            item,
            dash: dash.filter(|dash| is_before(*dash, item)),
            is_before: true,
        }
    }

    /// The edit that puts items there, each written as the neighbour is.
    pub(super) fn insert(&self, items: &[Value], style: Style) -> Edit {
        match self.dash {
            Some(dash) => self.insert_lines(items, dash, style),
            None => self.insert_between_commas(items, style),
        }
    }

    fn insert_lines(&self, items: &[Value], dash: Span, style: Style) -> Edit {
        let indentation = indentation(self.text, dash.start as usize);
        // A comment may stand between the two, so that only the columns tell.
        let column = |at: u32| column(self.text, at as usize);
        let offset = column(self.item.start).saturating_sub(column(dash.start));
        let offset = offset.clamp(2, 8);
        let is_flow = self.text[self.item.range()].starts_with(['{', '[']);
        let lines = items.iter().flat_map(|item| match is_flow {
            true => vec![format!("-{}{}", " ".repeat(offset - 1), style.flow(item))],
            false => style.item(item, offset),
        });
        let lines: Vec<_> = lines.map(|line| format!("{indentation}{line}")).collect();
        if self.is_before {
            insert_lines_before(self.text, dash, &lines)
        } else {
            insert_lines_behind(self.text, self.item, &lines)
        }
    }

    fn insert_between_commas(&self, items: &[Value], style: Style) -> Edit {
        let items: Vec<_> = items.iter().map(|item| style.flow(item)).collect();
        let start = self.item.start as usize;
        let before = &self.text[line_start(self.text, start)..start];
        // Items that stand on lines of their own keep doing so.
        let separator = if before.trim().is_empty() {
            format!(",{}{before}", line_break(self.text))
        } else {
            ", ".to_owned()
        };
        let new = items.join(&separator);
        let (at, replacement) = if self.is_before {
            (start, format!("{new}{separator}"))
        } else {
            (
                content_end(self.text, self.item),
                format!("{separator}{new}"),
            )
        };
        insertion(self.item, at, replacement)
    }
}

/// Whether a hyphen is that of an item in the same text.
fn is_before(dash: Span, item: Span) -> bool {
    dash.source == item.source && dash.start < item.start
}

/// Gives a list to a field that is empty (`ingress: []`, `ingress:`); `key` is the field's.
pub(super) fn fill(text: &str, key: Span, list: &Value, style: Style) -> Option<Edit> {
    let start = key.end as usize;
    let line_end = line_end(text, start);
    let rest = &text[start..line_end];
    let colon = rest.find(':')? + 1;
    let value = rest[colon..].trim_start();
    let value_start = start + rest.len() - value.len();
    let word = value.find([',', '}', ' ', '#']).unwrap_or(value.len());
    let written = match value.find(']').filter(|_| value.starts_with('[')) {
        Some(end) => end + 1,
        None if ["null", "Null", "NULL", "~"].contains(&&value[..word]) => word,
        None => 0,
    };
    let is_block = is_first_on_line(text, key) && !style.quotes_keys;
    if !is_block {
        let span = Span::new(
            key.source,
            value_start as u32,
            (value_start + written) as u32,
        );
        return (written > 0).then(|| Edit {
            span,
            replacement: style.flow(list),
        });
    }
    if !(value[written..].trim_start().is_empty() || value[written..].trim_start().starts_with('#'))
    {
        return None;
    }
    let indentation = indentation(text, key.start as usize);
    let lines = style.block(list).into_iter().map(|line| {
        format!(
            "{}{indentation}{}{line}",
            line_break(text),
            " ".repeat(style.list_indent)
        )
    });
    // What stands between the colon and the end of the line goes, but for a comment.
    let comment = value[written..].trim_start();
    let comment = if comment.is_empty() {
        String::new()
    } else {
        format!(" {comment}")
    };
    let span = Span::new(key.source, (start + colon) as u32, line_end as u32);
    Some(Edit {
        span,
        replacement: comment + &lines.collect::<String>(),
    })
}

/// Adds a field beside another one of the same mapping, whose key and end these are.
pub(super) fn beside(
    text: &str,
    (key, end): (Span, Span),
    (name, value): (&str, &Value),
    style: Style,
) -> Option<Edit> {
    if is_first_on_line(text, key) && !style.quotes_keys {
        let indentation = indentation(text, key.start as usize);
        let lines = style.field(name, value);
        let lines: Vec<_> = lines
            .iter()
            .map(|line| format!("{indentation}{line}"))
            .collect();
        return Some(insert_lines_behind(text, end, &lines));
    }
    let start = key.start as usize;
    let before = &text[line_start(text, start)..start];
    let separator = if before.trim().is_empty() {
        format!(",{}{before}", line_break(text))
    } else {
        ", ".to_owned()
    };
    let field = style.flow(&Value::map(vec![(name, value.clone())]));
    let field = field.trim_start_matches(['{', ' ']);
    let field = field.strip_suffix('}')?.trim_end();
    Some(insertion(key, start, format!("{field}{separator}")))
}

/// Adds a document behind another one, which `object` is.
pub(super) fn document(text: &str, object: Span, value: &Value, style: Style) -> Option<Edit> {
    let starts_line = line_start(text, object.start as usize) == object.start as usize;
    if !starts_line || style.quotes_keys || text[object.range()].starts_with('{') {
        return None;
    }
    let lines: Vec<_> = std::iter::once("---".to_owned())
        .chain(style.block(value))
        .collect();
    Some(insert_lines_behind(text, object, &lines))
}

/// The hyphen of an item of a list in block style, right before its text, or before a comment
/// above it.
pub(super) fn dash(text: &str, item: Span) -> Option<Span> {
    let mut before = text[..item.start as usize].trim_end_matches(' ');
    while let Some(lines) = before.strip_suffix('\n') {
        let start = line_start(lines, lines.len());
        let line = &lines[start..];
        let content = line.split_once('#').map_or(line, |(content, _)| content);
        before = match content.trim_end() {
            "" => &lines[..start],
            content => &lines[..start + content.len()],
        };
    }
    let rest = before.strip_suffix('-')?;
    let is_hyphen = rest.is_empty() || rest.ends_with([' ', '\n']);
    let at = rest.len() as u32;
    is_hyphen.then(|| Span::new(item.source, at, at + 1))
}

fn insertion(near: Span, at: usize, replacement: String) -> Edit {
    Edit {
        span: Span::new(near.source, at as u32, at as u32),
        replacement,
    }
}

/// Whole lines behind the line on which the text of a span ends, so that a comment there
/// stays where it is.
fn insert_lines_behind(text: &str, span: Span, lines: &[String]) -> Edit {
    let at = line_end(text, content_end(text, span));
    let line_break = line_break(text);
    let lines: String = lines.iter().flat_map(|line| [line_break, line]).collect();
    insertion(span, at, lines)
}

/// Whole lines before the line on which a span starts.
fn insert_lines_before(text: &str, span: Span, lines: &[String]) -> Edit {
    let line_break = line_break(text);
    let lines: String = lines
        .iter()
        .flat_map(|line| [line.as_str(), line_break])
        .collect();
    insertion(span, line_start(text, span.start as usize), lines)
}

/// Where the text of a span ends, without white space and comments behind it.
fn content_end(text: &str, span: Span) -> usize {
    let mut end = span.start as usize + text[span.range()].trim_end().len();
    loop {
        let start = line_start(text, end).max(span.start as usize);
        if start > span.start as usize && text[start..end].trim_start().starts_with('#') {
            end = span.start as usize + text[span.start as usize..start].trim_end().len();
        } else {
            return end;
        }
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// The end of the line, before its line break.
fn line_end(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    let line = rest.find('\n').map_or(rest, |newline| &rest[..newline]);
    at + line.strip_suffix('\r').unwrap_or(line).len()
}

/// The spaces that bring a line to the column of a place.
fn indentation(text: &str, at: usize) -> String {
    " ".repeat(column(text, at))
}

/// How many characters stand before a place on its line.
fn column(text: &str, at: usize) -> usize {
    text[line_start(text, at)..at].chars().count()
}

/// Whether nothing but spaces and hyphens of list items stands before a span on its line.
fn is_first_on_line(text: &str, span: Span) -> bool {
    let start = span.start as usize;
    text[line_start(text, start)..start]
        .bytes()
        .all(|byte| matches!(byte, b' ' | b'-'))
}

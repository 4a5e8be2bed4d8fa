//! Giving lost indentation back to a policy, by the grammar of its kind.
//!
//! Every way of nesting the lines that the fields of the kind allow is followed to the
//! end, so if exactly one is left, it is the one that was lost. Refuses to choose.

use super::fields::{Shape, Type};
use std::rc::Rc;

/// How many ways are followed side by side. Real policies need a handful.
const MAX_STATES: usize = 64;

/// How many lines are nested at most.
const MAX_LINES: usize = 5000;

/// One way to nest the lines of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// For every line of the text the blanks in front of it; `None` leaves it as it is.
    pub(super) indentation: Vec<Option<usize>>,
    /// For every line the field that it is then a part of, empty at the top.
    pub(super) parents: Vec<&'static str>,
}

/// What the indentation means that a text still has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blanks {
    /// What is indented deeper belongs to what stands above it.
    Kept,
    /// Nothing.
    Ignored,
}

/// Why no way was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A line is none that the search understands: a block of text, an anchor.
    Line(usize),
    /// A line fits nowhere.
    Misfit(usize),
    /// There are too many ways.
    Many,
}

/// All ways to nest the lines of `text` as a mapping of `shape`, in the order of the
/// places that the first differing line takes, the innermost first.
///
/// If blanks that are still there are to be kept, a line that is indented deeper than
/// another one above it, with none in between that is not, is a part of it.
pub(super) fn layouts(
    text: &str,
    shape: &'static Shape,
    blanks: Blanks,
) -> Result<Vec<Layout>, Refusal> {
    let mut lines = lines(text)?;
    if blanks == Blanks::Ignored {
        for line in &mut lines {
            line.column = 0;
        }
    }
    if lines.len() > MAX_LINES {
        return Err(Refusal::Many);
    }
    let mut states = vec![State::new(shape)];
    for line in &lines {
        let mut next = Vec::new();
        for state in &states {
            state.follow(line, shape, &mut next);
        }
        if next.is_empty() {
            return Err(Refusal::Misfit(line.number));
        }
        if next.len() > MAX_STATES {
            return Err(Refusal::Many);
        }
        states = next;
    }
    Ok(states.into_iter().map(|state| state.finish(text)).collect())
}

/// A line that is neither blank nor a comment.
#[derive(Debug)]
struct Line<'t> {
    /// Counted from 0.
    number: usize,
    /// The blanks in front of it.
    column: usize,
    has_dash: bool,
    /// How far the key or value stands behind the blanks: 2 behind a hyphen.
    inset: usize,
    content: Content<'t>,
    /// How many lines below it belong to a bracket that it opens.
    continued: usize,
}

#[derive(Debug)]
enum Content<'t> {
    /// A hyphen alone.
    Nothing,
    /// A value that is not a mapping's.
    Item(Value),
    /// A key and its value.
    Entry(&'t str, Value),
}

/// What stands behind a colon or a hyphen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Nothing,
    Scalar,
    FlowMapping,
    FlowSequence,
}

fn lines(text: &str) -> Result<Vec<Line<'_>>, Refusal> {
    let all: Vec<&str> = text.lines().collect();
    let mut lines = Vec::new();
    let mut number = 0;
    while let Some(whole) = all.get(number) {
        let content = whole.trim();
        if content.is_empty() || content.starts_with('#') {
            number += 1;
            continue;
        }
        let mut line = line(number, whole).ok_or(Refusal::Line(number))?;
        let mut depth = brackets(whole);
        while depth > 0 {
            line.continued += 1;
            let more = all
                .get(number + line.continued)
                .ok_or(Refusal::Line(number))?;
            depth += brackets(more);
        }
        number += 1 + line.continued;
        lines.push(line);
    }
    Ok(lines)
}

fn line(number: usize, whole: &str) -> Option<Line<'_>> {
    let text = whole.trim();
    let column = whole.len() - whole.trim_start().len();
    if whole[..column].contains('\t') {
        return None;
    }
    let has_dash = text == "-" || text.starts_with("- ");
    let rest = if has_dash {
        text[1..].trim_start()
    } else {
        text
    };
    let inset = text.len() - rest.len();
    let content = if rest.is_empty() || rest.starts_with('#') {
        Content::Nothing
    } else if let Some((key, value)) = split_key(rest) {
        Content::Entry(key, value_of(value)?)
    } else if has_dash {
        Content::Item(value_of(rest)?)
    } else {
        return None;
    };
    Some(Line {
        number,
        column,
        has_dash,
        inset,
        content,
        continued: 0,
    })
}

/// `key: value` or `key:`; the key may be in quotes.
fn split_key(text: &str) -> Option<(&str, &str)> {
    if let Some(quote) = text
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''))
    {
        let (key, rest) = text[1..].split_once(quote)?;
        let value = rest.trim_start().strip_prefix(':')?;
        let is_simple = !key.contains('\\') && (value.is_empty() || value.starts_with([' ', '\t']));
        return is_simple.then_some((key, value.trim_start()));
    }
    if text.starts_with(['{', '[', '-', '&', '*', '!', '|', '>', '?', '%', '@', '`']) {
        return None;
    }
    let colon = text.match_indices(':').map(|(at, _)| at).find(|at| {
        let behind = &text[at + 1..];
        behind.is_empty() || behind.starts_with([' ', '\t'])
    })?;
    let key = text[..colon].trim_end();
    (!key.contains(" #")).then_some((key, text[colon + 1..].trim_start()))
}

/// What a value is; `None` for one that may go on in the next line.
fn value_of(text: &str) -> Option<Value> {
    let text = match text.strip_prefix('&') {
        // What an anchor names must stand behind it, or nobody knows where it ends.
        Some(named) => named.split_once(' ').map(|(_, value)| value.trim_start())?,
        None => text,
    };
    let first = text.chars().next();
    Some(match first {
        None | Some('#') => Value::Nothing,
        Some('n' | '~') if matches!(text, "null" | "~") => Value::Nothing,
        Some('{') => Value::FlowMapping,
        Some('[') => Value::FlowSequence,
        Some('|' | '>' | '&' | '!' | '?' | '%' | '@' | '`') => return None,
        Some(quote @ ('"' | '\'')) => {
            let rest = text[1..].trim_end();
            let end = rest.rfind(quote)?;
            let behind = rest[end + 1..].trim_start();
            (behind.is_empty() || behind.starts_with('#')).then_some(Value::Scalar)?
        }
        Some(_) => Value::Scalar,
    })
}

/// How many brackets a line opens and does not close.
fn brackets(line: &str) -> i32 {
    let text = line.trim_start();
    let starts_flow = text.trim_start_matches("- ").starts_with(['{', '['])
        || split_key(text.strip_prefix("- ").unwrap_or(text))
            .is_some_and(|(_, value)| value.starts_with(['{', '[']));
    let is_inner = text.starts_with(['}', ']']) || !starts_flow && text.ends_with(['}', ']', ',']);
    if !starts_flow && !is_inner {
        return 0;
    }
    let mut depth = 0;
    let mut quote = None;
    let mut before = ' ';
    for character in text.chars() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '#') if before == ' ' => break,
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') => depth -= 1,
            (None, _) => {}
        }
        before = character;
    }
    depth
}

/// A collection that is still open.
#[derive(Clone, Debug)]
struct Frame<'t> {
    kind: FrameKind<'t>,
    /// The field that it is the value of, or that its list is the value of.
    field: &'static str,
    /// The blanks in front of its entries or hyphens.
    indentation: usize,
    /// The blanks that were in front of the line that opened it.
    opener: usize,
    /// The column of the key or hyphen that opened it.
    key: usize,
}

#[derive(Clone, Debug)]
enum FrameKind<'t> {
    /// A mapping, and which of its fields there are.
    Mapping(&'static Shape, u32),
    /// Labels, and the keys that there are.
    Labels(Vec<&'t str>),
    /// A list.
    List(Type),
}

/// Where a line was put, and the lines above it.
#[derive(Debug)]
struct Placed {
    number: usize,
    continued: usize,
    indentation: usize,
    parent: &'static str,
    above: Option<Rc<Self>>,
}

#[derive(Clone, Debug)]
struct State<'t> {
    stack: Vec<Frame<'t>>,
    placed: Option<Rc<Placed>>,
}

impl<'t> State<'t> {
    fn new(shape: &'static Shape) -> Self {
        let root = Frame {
            kind: FrameKind::Mapping(shape, 0),
            field: "",
            indentation: 0,
            opener: 0,
            key: 0,
        };
        Self {
            stack: vec![root],
            placed: None,
        }
    }

    /// Adds every state that the line leads to.
    fn follow(&self, line: &Line<'t>, root: &'static Shape, next: &mut Vec<Self>) {
        for depth in (0..self.stack.len()).rev() {
            let frame = &self.stack[depth];
            // Indentation that is left tells what closes and what does not.
            let closes_too_much = self.stack[depth + 1..]
                .iter()
                .any(|closed| line.column > closed.key);
            let is_shallower = depth > 0 && line.column < frame.opener;
            if closes_too_much {
                return;
            }
            if is_shallower {
                continue;
            }
            if let Some(frames) = frame.attach(line, root) {
                let mut stack = self.stack[..depth].to_vec();
                stack.extend(frames);
                let placed = Placed {
                    number: line.number,
                    continued: line.continued,
                    indentation: frame.indentation,
                    parent: frame.field,
                    above: self.placed.clone(),
                };
                next.push(Self {
                    stack,
                    placed: Some(Rc::new(placed)),
                });
            }
        }
    }

    /// The layout, with comments where the next line is.
    fn finish(self, text: &str) -> Layout {
        let lines: Vec<&str> = text.lines().collect();
        let mut layout = Layout {
            indentation: vec![None; lines.len()],
            parents: vec![""; lines.len()],
        };
        let mut next = self.placed.as_deref();
        while let Some(placed) = next {
            layout.indentation[placed.number] = Some(placed.indentation);
            layout.parents[placed.number] = placed.parent;
            let more = placed.number + 1..=placed.number + placed.continued;
            layout.indentation[more].fill(Some(placed.indentation + 2));
            next = placed.above.as_deref();
        }
        let mut below = None;
        for (line, indentation) in lines.iter().zip(&mut layout.indentation).rev() {
            if line.trim_start().starts_with('#') {
                *indentation = indentation.or(below);
            } else if !line.trim().is_empty() {
                below = *indentation;
            }
        }
        layout
    }
}

impl<'t> Frame<'t> {
    /// What is open once the line is a part of this frame, the frame included; `None`
    /// if it cannot be.
    fn attach(&self, line: &Line<'t>, root: &'static Shape) -> Option<Vec<Self>> {
        let mut frame = self.clone();
        match (&mut frame.kind, &line.content, line.has_dash) {
            (FrameKind::Mapping(shape, seen), Content::Entry(key, value), false) => {
                let child = enter(shape, seen, key, *value, line, self.indentation)?;
                Some([Some(frame), child].into_iter().flatten().collect())
            }
            (FrameKind::Labels(keys), Content::Entry(key, value), false) => {
                // A key of the grammar without a value is no label.
                let is_label = match value {
                    Value::Scalar => true,
                    Value::Nothing => root.homes(key).is_empty(),
                    Value::FlowMapping | Value::FlowSequence => false,
                };
                if !is_label || keys.contains(key) {
                    return None;
                }
                keys.push(key);
                Some(vec![frame])
            }
            (FrameKind::List(item), content, true) => {
                let opened = self.item(*item, content, line)?;
                Some(std::iter::once(frame).chain(opened).collect())
            }
            _ => None,
        }
    }

    /// What an item opens.
    fn item(&self, item: Type, content: &Content<'t>, line: &Line<'t>) -> Option<Vec<Self>> {
        let mapping = |shape: &'static Shape, seen: u32| Self {
            kind: FrameKind::Mapping(shape, seen),
            field: self.field,
            indentation: self.indentation + line.inset,
            opener: line.column,
            key: line.column,
        };
        match (item, content) {
            (Type::Object(shape), Content::Nothing) => Some(vec![Self {
                indentation: self.indentation + 2,
                ..mapping(shape, 0)
            }]),
            (Type::Object(shape), Content::Entry(key, value)) => {
                let mut seen = 0;
                let indentation = self.indentation + line.inset;
                let child = enter(shape, &mut seen, key, *value, line, indentation)?;
                Some(
                    [Some(mapping(shape, seen)), child]
                        .into_iter()
                        .flatten()
                        .collect(),
                )
            }
            (Type::Object(_), Content::Item(Value::FlowMapping)) => Some(Vec::new()),
            (Type::Text | Type::Integer | Type::IntegerOrText, Content::Item(Value::Scalar)) => {
                Some(Vec::new())
            }
            // `- a: b` among texts would be a mapping.
            _ => None,
        }
    }
}

/// Notes a field of a mapping as seen, and returns what its value opens; `None` if there
/// is no such field, if it is there already, or if the value does not suit it.
#[expect(
    clippy::option_option,
    reason = "a value that opens nothing, and one that does not suit, are two things"
)]
fn enter<'t>(
    shape: &'static Shape,
    seen: &mut u32,
    key: &str,
    value: Value,
    line: &Line<'t>,
    indentation: usize,
) -> Option<Option<Frame<'t>>> {
    let index = shape.names().position(|name| name == key)?;
    let (field, field_type) = shape.fields[index];
    if *seen & (1 << index) != 0 {
        return None;
    }
    *seen |= 1 << index;
    let kind = match (field_type, value) {
        (Type::Object(shape), Value::Nothing) => FrameKind::Mapping(shape, 0),
        (Type::Labels | Type::OwnLabels, Value::Nothing) => FrameKind::Labels(Vec::new()),
        (Type::List(item), Value::Nothing) => FrameKind::List(*item),
        (Type::Object(_) | Type::Labels | Type::OwnLabels, Value::FlowMapping)
        | (Type::List(_), Value::FlowSequence)
        | (Type::Text | Type::Integer | Type::IntegerOrText, Value::Scalar | Value::Nothing)
        | (Type::Anything, _) => return Some(None),
        // `podSelector: null`, and mistakes that reading finds.
        (_, Value::Scalar) => return Some(None),
        _ => return None,
    };
    Some(Some(Frame {
        kind,
        field,
        indentation: indentation + 2,
        opener: line.column,
        key: line.column + line.inset,
    }))
}

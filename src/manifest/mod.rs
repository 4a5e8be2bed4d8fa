//! From text to Kubernetes objects: the only module that knows how YAML and JSON are
//! parsed.
//!
//! Refuses to know files, clusters and rules, and cannot fail: what is wrong with a
//! text is a diagnostic, and its neighbours still count.

mod api_extension;
mod calico;
mod cidr;
mod cilium;
mod cluster_network;
mod cluster_network_policy;
mod cluster_peer;
mod cluster_port;
mod config_map;
mod conflict;
mod custom;
mod deserializer;
mod duplicate_key;
mod effect;
mod egress_firewall;
mod entrypoint;
mod fields;
mod flattened;
mod focus;
mod go_regex;
mod hidden_text;
mod identity;
mod ignored_text;
mod ip_block;
mod kustomization;
mod list;
mod meta;
mod monitor;
mod moves;
mod names;
mod network_attachment;
mod network_policy;
mod object;
mod plugin_policy;
mod policy_port;
mod proxy_route;
mod rbac;
mod read_as;
mod reader;
mod reflow;
mod release;
mod selector;
mod service;
mod structure;
mod suggestion;
mod context_object;
mod unknown;
mod unreadable;
mod user_defined_network;
mod workload;
mod written;
mod written_labels;

pub use focus::Focus;

use crate::diagnostic::{Diagnostic, Edit, Fix, FixClass, Severity};
use crate::k8s::{Document, Object, Outcome};
use crate::source::{SourceId, Span, Text};
use crate::yaml::split::{self, Piece};
use crate::yaml::tree::{Node, Tree};
use crate::yaml::{ReadError, block, general, json};
use std::ops::Range;
use std::sync::Arc;

/// All that a text holds, in its order.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// What became of every document, and of every item of a list.
    pub documents: Vec<Document>,
    /// The objects that npcheck knows, one for each document with [`Outcome::Object`] or
    /// [`Outcome::ContextObject`], and one for each custom resource, of which only what it
    /// tells of pods is read.
    pub objects: Vec<Object>,
    /// What is wrong with the text.
    pub diagnostics: Vec<Diagnostic>,
    /// How many objects were left out, as the [`Focus`] is not on them.
    pub left_out: usize,
    /// Whether it is one list whose items were read one by one.
    pub is_read_by_item: bool,
    /// What is wrong with documents, by their index, that nobody meant for Kubernetes as
    /// long as they stand alone.
    passed_over: Vec<(usize, Diagnostic)>,
}

impl Parsed {
    /// One document of which nothing is to be said.
    pub(crate) fn of(document: Document, objects: Vec<Object>) -> Self {
        Self {
            documents: vec![document],
            objects,
            ..Self::default()
        }
    }

    /// Adds what stands behind, of which all is meant for Kubernetes.
    fn append(&mut self, other: Self) {
        self.documents.extend(other.documents);
        self.objects.extend(other.objects);
        self.diagnostics.extend(other.diagnostics);
        self.left_out += other.left_out;
    }
}

/// Reads `text`, the whole text of `source`: YAML with any number of documents, JSON, or
/// JSON values one after the other. `name` is the source's name; one that ends like that
/// of a JSON file says in which language a mistake is to be explained.
#[must_use]
pub fn read(source: SourceId, name: &str, text: &str) -> Parsed {
    read_for(Focus::EVERYTHING, source, name, text)
}

/// The same for questions about some namespaces: pods of others that are items of a list may be
/// left out, but for their documents.
#[must_use]
pub fn read_for(focus: &Focus, source: SourceId, name: &str, text: &str) -> Parsed {
    let input = Input {
        source,
        text,
        is_json: is_json_name(name),
        focus,
    };
    let mut parsed = Parsed::default();
    let mut stream = Stream::of(text);
    let mut pieces = split::pieces(text).into_iter().peekable();
    while let Some(mut piece) = pieces.next() {
        if is_directive(&text[piece.range.clone()])
            && let Some(next) = pieces.next_if(|next| next.stray.is_none())
        {
            // The mistake of a directive is that of the document which it is for.
            piece.range.end = next.range.end;
        }
        let is_refused = pieces.peek().is_some_and(|next| next.stray.is_some());
        if is_refused && piece.stray.is_none() {
            // kubectl refuses both what stands before such a line and what stands behind it.
            let span = input.trimmed(piece.range);
            unreadable::refuse(text, span, &mut parsed);
            continue;
        }
        stream = input.read_piece(piece, stream, &mut parsed);
    }
    unreadable::report_neighbours(&mut parsed);
    parsed
}

/// Whether a piece is nothing but directives of YAML.
fn is_directive(piece: &str) -> bool {
    let mut lines = piece.lines().filter(|line| !line.trim().is_empty());
    let first = lines.find(|line| !line.starts_with('#'));
    first.is_some_and(|line| line.starts_with('%'))
        && lines.all(|line| line.starts_with(['%', '#']))
}

/// What was read in a text before some edits of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'k> {
    /// What became of its documents.
    pub(crate) documents: &'k [Document],
    /// Its objects.
    pub(crate) objects: &'k [Object],
    /// What was wrong with it.
    pub(crate) diagnostics: &'k [Diagnostic],
    /// Where the first of the edits starts: what stands before is what it was.
    pub(crate) until: usize,
}

/// Reads the text that some edits made of one that was read item by item: the items that stand
/// before them are not read again.
#[must_use]
pub(crate) fn read_edited(known: Known<'_>, source: SourceId, name: &str, text: &str) -> Parsed {
    let input = Input {
        source,
        text,
        is_json: is_json_name(name),
        focus: Focus::EVERYTHING,
    };
    let pieces = split::pieces(text);
    let list = match pieces.as_slice() {
        [Piece { range, stray: None }] if *range == (0..text.len()) => {
            let place = (range.clone(), input.trimmed(range.clone()));
            list::read_edited(source, text, place, known)
        }
        _ => None,
    };
    list.unwrap_or_else(|| read(source, name, text))
}

/// Reads an item of a list by itself, whose lines are those in a range of `text`; `None` for
/// anything else, and where the item says no `kind` of its own or is unusual.
#[must_use]
pub(crate) fn read_item(source: SourceId, text: &str, lines: Range<usize>) -> Option<Parsed> {
    list::read_item(source, text, lines)
}

/// Reads an object that a build made, as the tree that was put together of it. `document` is
/// the text that it is reported with.
#[must_use]
pub(crate) fn read_built(tree: &Tree<'_>, document: Span) -> Parsed {
    let mut parsed = Parsed::default();
    object::read(tree, document, Focus::EVERYTHING, &mut parsed);
    parsed
}

/// In which language kubectl reads on; it begins with JSON where the text starts with a
/// brace, goes over to YAML where that ends, and never goes back
/// (`YAMLOrJSONDecoder` in apimachinery's `util/yaml/decoder.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    /// JSON, with so many values so far.
    Json(usize),
    Yaml,
}

impl Stream {
    /// How many bytes kubectl looks at.
    const PEEKED: usize = 4096;

    /// How many bytes must be left behind JSON for kubectl to go on with YAML: it asks for
    /// the longest character that there is (`consumeWhitespace`).
    const MIN_REST: usize = 4;

    fn of(text: &str) -> Self {
        let start = text.len() - text.trim_start().len();
        if start < Self::PEEKED && text[start..].starts_with('{') {
            Self::Json(0)
        } else {
            Self::Yaml
        }
    }

    /// Whether it may still turn out to be YAML.
    fn may_be_yaml(self) -> bool {
        matches!(self, Self::Yaml | Self::Json(0 | 1))
    }
}

fn is_json_name(name: &str) -> bool {
    let name = name.strip_suffix(".gz").unwrap_or(name);
    [".json", ".jsonl", ".ndjson"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// Whether a text that is no JSON was meant to be: a bracket, and then what JSON has.
fn resembles_json(text: &str) -> bool {
    let text = text.trim_start();
    let inner = text.get(1..).unwrap_or_default().trim_start();
    inner.starts_with('"')
        || text.starts_with('[') && inner.starts_with('{') && !inner.starts_with("{{")
}

/// A text that is being read.
#[derive(Clone, Copy)]
struct Input<'s> {
    source: SourceId,
    text: &'s str,
    is_json: bool,
    focus: &'s Focus,
}

impl Input<'_> {
    /// Reads what stands between two lines with `---`.
    fn read_piece(self, piece: Piece, stream: Stream, parsed: &mut Parsed) -> Stream {
        let Piece { range, stray } = piece;
        if let Some(stray) = stray {
            let span = self.trimmed(range);
            let message = "text must not follow `---` on its line";
            let error = ReadError::new(self.trimmed(stray), message);
            let error = error
                .label("kubectl accepts only a comment here")
                .help("start a new line after `---`");
            unreadable::report(*error, self.text, span, parsed);
            return Stream::Yaml;
        }
        match stream {
            Stream::Json(values) if self.text[range.clone()].trim_start().starts_with('{') => {
                self.read_json(range, values, parsed)
            }
            _ if stream.may_be_yaml() => {
                self.read_yaml(range, parsed);
                Stream::Yaml
            }
            _ => {
                self.refuse_yaml(range, parsed);
                stream
            }
        }
    }

    fn read_yaml(self, range: Range<usize>, parsed: &mut Parsed) {
        let span = self.trimmed(range.clone());
        if let Some(list) = list::read(self.source, self.text, (range.clone(), span), self.focus) {
            parsed.append(list);
            parsed.is_read_by_item = range == (0..self.text.len());
            return;
        }
        let tree = block::read(self.source, self.text, range.clone());
        let read = tree.map_or_else(|| general::read(self.source, self.text, range.clone()), Ok);
        if let Some(diagnostic) = flattened::detect(self.text, span, read.as_ref().ok()) {
            parsed.diagnostics.push(diagnostic);
            let document = unreadable::as_written(self.text, span, Outcome::Broken);
            parsed.documents.push(document);
            return;
        }
        match read {
            Ok(tree) => self.read_tree(&tree, range, parsed),
            Err(error) => {
                let error = self.words_of_json(range, error);
                unreadable::report(*error, self.text, span, parsed);
            }
        }
    }

    /// Reads the objects of a document of YAML, and says what stands behind its end.
    fn read_tree(self, tree: &Tree<'_>, range: Range<usize>, parsed: &mut Parsed) {
        let end = tree.end().map(|(end, _)| end as usize);
        let span = self.trimmed(range.start..end.unwrap_or(range.end));
        let first = parsed.documents.len();
        object::read(tree, span, self.focus, parsed);
        if let Some(root) = tree
            .root()
            .filter(|root| root.text().is_some() && !root.is_null())
        {
            let error = ReadError::new(root.span(), "this document is a string, not an object");
            unreadable::pass_over(*error, first, parsed);
        }
        hidden_text::report(tree.comments(), self.text, span, first, parsed);
        if let Some((end, is_marked)) = tree.end() {
            let rest = self.trimmed(end as usize..range.end);
            ignored_text::report(self.text, rest, is_marked, first, parsed);
        }
    }

    /// What is wrong with a document of YAML that its author wrote as JSON, in the words
    /// of JSON.
    fn words_of_json(self, range: Range<usize>, error: Box<ReadError>) -> Box<ReadError> {
        let text = self.text[range.clone()].trim_start();
        let is_meant = text.starts_with(['{', '[']) && (self.is_json || resembles_json(text));
        if !is_meant || error.is_limit {
            return error;
        }
        json::read(self.source, self.text, range)
            .err()
            .unwrap_or(error)
    }

    /// Reads JSON values, one after the other. What is no JSON may be YAML in flow style.
    fn read_json(self, mut range: Range<usize>, values: usize, parsed: &mut Parsed) -> Stream {
        let mut stream = Stream::Json(values);
        while let Stream::Json(values) = stream {
            let rest = self.text[range.clone()].trim_start();
            if rest.is_empty() {
                break;
            }
            match json::read(self.source, self.text, range.clone()) {
                Ok((tree, end)) => {
                    let first = parsed.documents.len();
                    let span = self.trimmed(range.start..end);
                    object::read(&tree, span, self.focus, parsed);
                    hidden_text::report(tree.comments(), self.text, span, first, parsed);
                    range.start = end;
                    stream = Stream::Json(values + 1);
                }
                Err(error) if error.is_limit || !stream.may_be_yaml() => {
                    range.start = self.refuse_value(range.clone(), *error, parsed);
                }
                Err(_) => {
                    // kubectl goes on behind white space, at most up to a new line.
                    let blank = self.text[range.clone()].len() - rest.len();
                    let blank = range.start..range.start + blank;
                    let line = memchr::memchr(b'\n', self.text[blank.clone()].as_bytes());
                    range.start = line.map_or(blank.end, |newline| blank.start + newline + 1);
                    if line.is_none() && self.text.len() - blank.end < Stream::MIN_REST {
                        self.refuse_rest(range.clone(), parsed);
                    } else {
                        self.read_yaml(range.clone(), parsed);
                    }
                    stream = Stream::Yaml;
                }
            }
        }
        stream
    }

    /// Reports a value that is no JSON, and says where the next one starts: as in JSON
    /// lines, at a brace at the start of a line.
    fn refuse_value(self, range: Range<usize>, error: ReadError, parsed: &mut Parsed) -> usize {
        let from = (error.span.start as usize).clamp(range.start, range.end);
        let next = memchr::memmem::find(&self.text.as_bytes()[from..range.end], b"\n{");
        let end = next.map_or(range.end, |newline| from + newline + 1);
        unreadable::report(error, self.text, self.trimmed(range.start..end), parsed);
        end
    }

    /// Reports a few characters behind a value of JSON.
    fn refuse_rest(self, range: Range<usize>, parsed: &mut Parsed) {
        let span = self.trimmed(range);
        let error = ReadError::new(span, "this text belongs to no value");
        let error = error
            .label("the document has ended before it")
            .help("remove it");
        unreadable::report(*error, self.text, span, parsed);
    }

    /// Reports YAML behind several values of JSON, where kubectl expects more of them.
    fn refuse_yaml(self, range: Range<usize>, parsed: &mut Parsed) {
        let span = self.trimmed(range);
        let line = self.text[span.range()].lines().next().unwrap_or_default();
        let line = Span::new(self.source, span.start, span.start + line.len() as u32);
        let message = "kubectl reads no YAML behind several JSON values";
        let error = ReadError::new(line, message).help("move it to a file of its own");
        unreadable::report(*error, self.text, span, parsed);
    }

    /// The span of a range without the white space around it.
    fn trimmed(self, range: Range<usize>) -> Span {
        let text = &self.text[range.clone()];
        let start = range.start + (text.len() - text.trim_start().len());
        let end = range.start + text.trim_end().len();
        Span::new(self.source, start.min(end) as u32, end as u32)
    }
}

/// A document of which nothing is known but its text.
fn nameless(span: Span, outcome: Outcome) -> Document {
    Document {
        span,
        kind: Text::new(),
        namespace: Text::new(),
        put_into: None,
        name: Text::new(),
        outcome,
        comments: Arc::default(),
    }
}

/// An `invalid-value` at `span`: an API server refuses the object for it.
fn invalid_value(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new("invalid-value", Severity::Error, span, message)
}

/// The same with a fix that puts quotes around the scalar `value`, exactly as it is
/// written: `yes` becomes `"yes"`, never `"true"`.
fn quote(diagnostic: Diagnostic, value: Node<'_>) -> Diagnostic {
    if !value.is_plain() || value.raw().is_empty() || value.is_alias() {
        return diagnostic;
    }
    let replacement = format!("\"{}\"", value.raw());
    replace(
        diagnostic,
        value.span(),
        format!("quote it: `{replacement}`"),
        replacement,
    )
}

/// The same with a fix that takes the quotes off a whole number.
fn unquote(diagnostic: Diagnostic, value: Node<'_>) -> Diagnostic {
    let text = value.text().unwrap_or_default();
    let is_number = text.len() < 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !value.is_quoted()
        || value.is_alias()
        || !is_number
        || text.starts_with('0')
        || text.is_empty()
    {
        return diagnostic;
    }
    replace(
        diagnostic,
        value.span(),
        format!("remove the quotes: `{text}`"),
        text.to_owned(),
    )
}

/// The same with a fix that makes the object readable.
fn replace(diagnostic: Diagnostic, span: Span, title: String, replacement: String) -> Diagnostic {
    let edits = vec![Edit { span, replacement }];
    diagnostic.help(title.clone()).fix(Fix {
        title,
        class: FixClass::Safe,
        edits,
    })
}

#[cfg(test)]
mod against_apiserver;
#[cfg(test)]
mod tests;

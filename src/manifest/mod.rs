//! From text to Kubernetes objects: the only module that knows how YAML and JSON are
//! parsed.
//!
//! Refuses to know files, clusters and rules, and cannot fail: what is wrong with a
//! text is a diagnostic, and its neighbours still count.

mod api_extension;
mod cidr;
mod cluster_network_policy;
mod cluster_peer;
mod cluster_port;
mod conflict;
mod deserializer;
mod duplicate_key;
mod effect;
mod entrypoint;
mod fields;
mod flattened;
mod identity;
mod ip_block;
mod kustomization;
mod meta;
mod monitor;
mod moves;
mod names;
mod network_policy;
mod object;
mod plugin_policy;
mod policy_port;
mod rbac;
mod reader;
mod reflow;
mod selector;
mod service;
mod structure;
mod suggestion;
mod context_object;
mod unknown;
mod unreadable;
mod workload;

use crate::diagnostic::{Diagnostic, Edit, Fix, FixClass, Severity};
use crate::k8s::{Document, Object, Outcome};
use crate::source::{SourceId, Span};
use crate::yaml::tree::Node;
use crate::yaml::{block, general, json, split};
use std::ops::Range;

/// All that a text holds, in its order.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// What became of every document, and of every item of a list.
    pub documents: Vec<Document>,
    /// The objects that npcheck knows, one for each document with [`Outcome::Object`] or
    /// [`Outcome::ContextObject`].
    pub objects: Vec<Object>,
    /// What is wrong with the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads `text`, the whole text of `source`: YAML with any number of documents, JSON, or
/// JSON values one after the other. `name` is the source's name; one that ends like that
/// of a JSON file says in which language a mistake is to be explained.
#[must_use]
pub fn read(source: SourceId, name: &str, text: &str) -> Parsed {
    let input = Input {
        source,
        text,
        is_json: is_json_name(name),
    };
    let mut parsed = Parsed::default();
    for document in split::documents(text) {
        input.read_document(document, &mut parsed);
    }
    parsed
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
}

impl Input<'_> {
    fn read_document(self, range: Range<usize>, parsed: &mut Parsed) {
        let starts_like_json = self.text[range.clone()]
            .trim_start()
            .starts_with(['{', '[']);
        if starts_like_json {
            self.read_json(range, parsed);
        } else {
            self.read_yaml(range, parsed);
        }
    }

    fn read_yaml(self, range: Range<usize>, parsed: &mut Parsed) {
        let span = self.trimmed(range.clone());
        let tree = block::read(self.source, self.text, range.clone());
        let read = tree.map_or_else(|| general::read(self.source, self.text, range), Ok);
        if let Some(diagnostic) = flattened::detect(self.text, span, read.as_ref().ok()) {
            parsed.diagnostics.push(diagnostic);
            let comments = unreadable::whole_line_comments(self.text, span);
            parsed.documents.push(Document {
                comments,
                ..nameless(span, Outcome::Broken)
            });
            return;
        }
        match read {
            Ok(tree) => object::read(&tree, span, parsed),
            Err(error) => unreadable::report(*error, self.text, span, parsed),
        }
    }

    /// Reads JSON values, one after the other. What is no JSON may be YAML in flow style;
    /// kubectl tries in the same order (`util/yaml/decoder.go`).
    fn read_json(self, mut range: Range<usize>, parsed: &mut Parsed) {
        loop {
            let error = match json::read(self.source, self.text, range.clone()) {
                Ok((tree, end)) => {
                    object::read(&tree, self.trimmed(range.start..end), parsed);
                    range.start = end;
                    match self.text[range.clone()]
                        .trim_ascii_start()
                        .as_bytes()
                        .first()
                    {
                        None => return,
                        Some(b'{' | b'[') => continue,
                        Some(_) => return self.read_yaml(range, parsed),
                    }
                }
                Err(error) => error,
            };
            if !self.is_json && !resembles_json(&self.text[range.clone()]) {
                return self.read_yaml(range, parsed);
            }
            // The next value that starts a line, as in JSON lines; the broken one ends there.
            let from = (error.span.start as usize).clamp(range.start, range.end);
            let next = memchr::memmem::find(&self.text.as_bytes()[from..range.end], b"\n{");
            let end = next.map_or(range.end, |newline| from + newline + 1);
            let span = self.trimmed(range.start..end);
            match general::read(self.source, self.text, range.start..end) {
                Ok(tree) => object::read(&tree, span, parsed),
                Err(yaml) => {
                    let error = if yaml.is_limit { yaml } else { error };
                    unreadable::report(*error, self.text, span, parsed);
                }
            }
            range.start = end;
            if range.is_empty() {
                return;
            }
        }
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
        kind: String::new(),
        namespace: String::new(),
        put_into: None,
        name: String::new(),
        outcome,
        comments: Vec::new(),
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
        format!("take the quotes off: `{text}`"),
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
mod tests;

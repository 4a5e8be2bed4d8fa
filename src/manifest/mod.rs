//! From text to Kubernetes objects: the only module that knows how YAML and JSON are
//! parsed.
//!
//! Refuses to know files, clusters and rules, and cannot fail: what is wrong with a
//! text is a diagnostic, and its neighbours still count.

mod api_extension;
mod binary;
mod builder;
mod cidr;
mod cluster_network_policy;
mod cluster_peer;
mod cluster_port;
mod deserializer;
mod duplicate_key;
mod effect;
mod entries;
mod entrypoint;
mod error;
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
mod policy_port;
mod rbac;
mod reader;
mod reflow;
mod scalar;
mod selector;
mod service;
mod split;
mod structure;
mod suggestion;
mod surrounding;
mod tree;
mod unknown;
mod unreadable;
mod workload;
mod yaml;

use crate::diagnostic::{Diagnostic, Edit, Fix, FixClass, Severity};
use crate::k8s::{Document, Object, Outcome};
use crate::source::{SourceId, Span};
use std::ops::Range;
use tree::Node;

/// All that a text holds, in its order.
#[derive(Debug, Default)]
pub struct Parsed {
    /// What became of every document, and of every item of a list.
    pub documents: Vec<Document>,
    /// The objects that npcheck knows, one for each document with [`Outcome::Object`] or
    /// [`Outcome::Surrounding`].
    pub objects: Vec<Object>,
    /// What is wrong with the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads `text`, the whole text of `source`: YAML with any number of documents, JSON, or
/// JSON values one after the other.
#[must_use]
pub fn read(source: SourceId, text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    for document in split::documents(text) {
        read_document(source, text, document, &mut parsed);
    }
    parsed
}

fn read_document(source: SourceId, text: &str, range: Range<usize>, parsed: &mut Parsed) {
    let blank = text[range.clone()].len() - text[range.clone()].trim_start().len();
    let end = range.start + text[range.clone()].trim_end().len();
    let span = Span::new(source, (range.start + blank) as u32, end as u32);
    let read = yaml::read(source, text, range);
    if let Some(diagnostic) = flattened::detect(text, span, read.as_ref().ok()) {
        parsed.diagnostics.push(diagnostic);
        let comments = read.map_or(Vec::new(), |tree| tree.comments().to_vec());
        parsed.documents.push(Document {
            comments,
            ..nameless(span, Outcome::Broken)
        });
        return;
    }
    match read {
        Ok(tree) => object::read(&tree, span, parsed),
        Err(error) => unreadable::report(*error, text, span, parsed),
    }
}

/// A document of which nothing is known but its text.
fn nameless(span: Span, outcome: Outcome) -> Document {
    Document {
        span,
        kind: String::new(),
        namespace: String::new(),
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

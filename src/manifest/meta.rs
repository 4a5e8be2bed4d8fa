//! `metadata`: names, labels, owners.
//!
//! Refuses to know what kind of object it belongs to.

use super::invalid_value;
use super::names;
use super::reader;
use crate::diagnostic::Diagnostic;
use crate::k8s::{Holes, Label, Labels, ObjectMeta, OwnerReference, is_opaque};
use crate::source::{Span, Spanned, Text};
use crate::yaml::scalar::Scalar;
use crate::yaml::tree::{Entry, Node, push_field};
use std::borrow::Cow;

/// Reads the metadata of the object `node`. `api_version` is its own or that of the list
/// that it stands in; `object` (`namespace/Kind/name`) goes into the diagnostics.
///
/// Labels and annotations that are no text leave the object not accepted, with a
/// diagnostic `invalid-value` each.
pub(super) fn read(
    node: Node<'_>,
    api_version: Spanned<&str>,
    object: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> ObjectMeta {
    let before = diagnostics.len();
    let metadata = node.find(&["metadata"]);
    let part = |name: &str| metadata.and_then(|metadata| metadata.find(&[name]));
    let mut map = |name: &str, holds: Holds| {
        let path = format!("metadata.{name}");
        part(name)
            .map(|map| string_map(map, holds, object, &path, diagnostics))
            .unwrap_or_default()
    };
    let labels = map("labels", Holds::Labels);
    let labels = filled_in_labels(node, &["metadata", "labels"]).unwrap_or(labels);
    let annotations = map("annotations", Holds::Annotations);
    // A name that is no text stays as it is written: it is nobody else's.
    let named = |name: &str| {
        let node = part(name)?;
        let written = Some(Spanned::new(node.share(node.text()?), node.span()));
        text(node).or(written).filter(|name| !name.value.is_empty())
    };
    let name = named("name").or_else(|| named("generateName"));
    ObjectMeta {
        span: node.span(),
        api_version: Spanned::new(node.share(api_version.value), api_version.span),
        name: name.unwrap_or_else(|| Spanned::new(Text::new(), node.span().before())),
        namespace: named("namespace"),
        labels,
        annotations,
        owner: part("ownerReferences").and_then(owner),
        is_accepted: diagnostics.len() == before,
        holes: Holes::default(),
    }
}

/// Labels of which nothing is known, as another tool fills in all of them, or what they stand in
/// at a path of an object: one label with that text as its key and its value. `None` if they are
/// what the text says, key by key.
pub(super) fn filled_in_labels(object: Node<'_>, path: &[&str]) -> Option<Labels> {
    let mut node = object;
    for field in path {
        let mut keys = node.entries().map(|entry| entry.key);
        node = match node.get(field) {
            Some(found) if reader::is_opaque(found) => return some_label(found),
            Some(found) => found,
            None => {
                return keys
                    .find(|key| reader::is_opaque(*key))
                    .and_then(some_label);
            }
        };
    }
    None
}

fn some_label(node: Node<'_>) -> Option<Labels> {
    let text = Spanned::new(node.share(node.text()?), node.span());
    Some(Labels::new(vec![Label {
        key: text.clone(),
        value: text,
    }]))
}

/// Reports a name or namespace of an object that is no text: an API server rejects it. The
/// fields of policies are all looked at elsewhere.
pub(super) fn check_names(node: Node<'_>, object: &str, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let before = diagnostics.len();
    for name in ["name", "generateName", "namespace"] {
        let Some(value) = node.find(&["metadata", name]) else {
            continue;
        };
        if value.as_str().is_some() || value.text().is_some_and(is_opaque) {
            continue;
        }
        let message = format!("`metadata.{name}` must be a string");
        let diagnostic = invalid_value(value.span(), message).label(is_what(value));
        let diagnostic = diagnostic.about(object, format!("metadata.{name}"));
        diagnostics.push(super::quote(diagnostic, value));
    }
    diagnostics.len() == before
}

fn is_what(value: Node<'_>) -> String {
    match value.scalar() {
        Some(Scalar::Bool(value)) => format!("is the boolean {value}"),
        Some(_) => "is a number".to_owned(),
        None => "is a collection".to_owned(),
    }
}

/// What a mapping from text to text holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Labels, or labels that are asked for: keys and values have a syntax.
    Labels,
    /// Annotations: keys have a syntax, and all together a size.
    Annotations,
}

/// How many bytes the keys and values of all annotations may have (`ValidateAnnotations`).
const MAX_ANNOTATIONS: usize = 256 << 10;

/// Reads labels, annotations or a Service's selector: a mapping whose values are text.
/// Null is the empty text, as when Go decodes JSON into a string. Every other value, and
/// what an API server rejects for its syntax, gets a diagnostic at `path` and keeps its
/// text, so that rules can still speak of it.
pub(super) fn string_map(
    map: Node<'_>,
    holds: Holds,
    object: &str,
    path: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Labels {
    if map.text().is_some_and(is_opaque) {
        return Labels::default();
    }
    if !map.is_mapping() {
        let message = format!("`{path}` must be a mapping from strings to strings");
        let diagnostic = invalid_value(map.span(), message).about(object, path);
        diagnostics.push(diagnostic);
        return Labels::default();
    }
    let mut labels = Vec::new();
    for entry in map.entries() {
        let key = Spanned::new(map.share(&entry.key.key_text()), entry.key.span());
        let value = match entry.value.scalar() {
            Some(Scalar::String(text)) => text,
            Some(Scalar::Null) => "",
            None if is_opaque(entry.value.raw()) => entry.value.raw(),
            Some(_) | None => {
                diagnostics.push(not_text(entry, object, path));
                match entry.value.text() {
                    Some(text) => text,
                    None => continue,
                }
            }
        };
        let label = Label {
            key,
            value: Spanned::new(map.share(value), entry.value.span()),
        };
        if let Some(diagnostic) = malformed(&label, holds) {
            let mut path = path.to_owned();
            push_field(&mut path, &label.key);
            diagnostics.push(diagnostic.about(object, path));
        }
        labels.push(label);
    }
    let size = |label: &Label| label.key.value.len() + label.value.value.len();
    if holds == Holds::Annotations && labels.iter().map(size).sum::<usize>() > MAX_ANNOTATIONS {
        let message = "the annotations are larger than 256 KiB";
        let start = Span::new(map.span().source, map.span().start, map.span().start);
        diagnostics.push(invalid_value(start, message).about(object, path));
    }
    Labels::new(labels)
}

/// What an API server rejects a label or an annotation for.
fn malformed(label: &Label, holds: Holds) -> Option<Diagnostic> {
    let (key, value) = (&label.key, &label.value);
    let what = match holds {
        Holds::Labels => "a label",
        Holds::Annotations => "an annotation",
    };
    // Of annotations, case does not matter.
    let name = match holds {
        Holds::Labels => Cow::Borrowed(key.value.as_str()),
        Holds::Annotations => Cow::Owned(str::to_lowercase(key)),
    };
    if let Some(error) = names::label_key_error(&name).filter(|_| !is_opaque(key)) {
        let message = format!("`{key}` is not a valid key of {what}");
        return Some(invalid_value(key.span, message).label(error));
    }
    let error = names::label_value_error(value);
    let error = error.filter(|_| holds == Holds::Labels && !is_opaque(value))?;
    let message = format!("`{value}` is not a valid value of a label");
    Some(invalid_value(value.span, message).label(error))
}

fn not_text(entry: Entry<'_>, object: &str, path: &str) -> Diagnostic {
    let value = entry.value;
    let is = format!("{}, not text", is_what(value));
    let message = format!(
        "the value of `{}` must be a string",
        entry.key.text().unwrap_or_default()
    );
    let mut path = path.to_owned();
    push_field(&mut path, &entry.key.key_text());
    let diagnostic = invalid_value(value.span(), message)
        .label(is)
        .about(object, path);
    if value.scalar().is_none() {
        return diagnostic;
    }
    super::quote(diagnostic, value)
}

/// The value of a scalar that is text, with its place.
pub(super) fn text(node: Node<'_>) -> Option<Spanned<Text>> {
    node.as_str()
        .map(|text| Spanned::new(node.share(text), node.span()))
}

/// The entry with `controller: true`, else the first one (S3).
fn owner(references: Node<'_>) -> Option<OwnerReference> {
    let is_controller =
        |reference: &Node<'_>| reference.get("controller").and_then(Node::as_bool) == Some(true);
    let reference = references
        .items()
        .find(is_controller)
        .or_else(|| references.items().next())?;
    let text = |name: &str| {
        let node = reference.get(name)?;
        node.as_str().map(|text| node.share(text))
    };
    Some(OwnerReference {
        kind: text("kind")?,
        name: text("name")?,
    })
}

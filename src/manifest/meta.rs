//! `metadata`: names, labels, owners.
//!
//! Refuses to know what kind of object it belongs to.

use super::invalid_value;
use crate::diagnostic::Diagnostic;
use crate::k8s::{Label, Labels, ObjectMeta, OwnerReference, is_opaque};
use crate::source::Spanned;
use crate::yaml::scalar::Scalar;
use crate::yaml::tree::{Entry, Node, push_field};

/// Reads the metadata of the object `node`. `api_version` is its own or that of the list
/// that it stands in; `object` (`namespace/Kind/name`) goes into the diagnostics.
///
/// Labels and annotations that are no text leave the object not accepted, with a
/// diagnostic `invalid-value` each.
pub(super) fn read(
    node: Node<'_>,
    api_version: Spanned<String>,
    object: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> ObjectMeta {
    let before = diagnostics.len();
    let metadata = node.find(&["metadata"]);
    let part = |name: &str| metadata.and_then(|metadata| metadata.find(&[name]));
    let mut map = |name: &str| {
        let path = format!("metadata.{name}");
        part(name)
            .map(|map| string_map(map, object, &path, diagnostics))
            .unwrap_or_default()
    };
    let labels = map("labels");
    let annotations = map("annotations");
    let name = part("name")
        .and_then(text)
        .filter(|name| !name.value.is_empty());
    let name = name.or_else(|| part("generateName").and_then(text));
    ObjectMeta {
        span: node.span(),
        api_version,
        name: name.unwrap_or_else(|| Spanned::new(String::new(), node.span().before())),
        namespace: part("namespace")
            .and_then(text)
            .filter(|namespace| !namespace.value.is_empty()),
        labels,
        annotations,
        owner: part("ownerReferences").and_then(owner),
        is_accepted: diagnostics.len() == before,
        opaque: None,
    }
}

/// Reads labels, annotations or `matchLabels`: a mapping whose values are text. Null is
/// the empty text, as when Go decodes JSON into a string. Every other value gets a
/// diagnostic at `path`, and keeps its text, so that rules can still speak of it.
pub(super) fn string_map(
    map: Node<'_>,
    object: &str,
    path: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Labels {
    if map.text().is_some_and(is_opaque) {
        return Labels::default();
    }
    if !map.is_mapping() {
        let message = format!("`{path}` must be a mapping from text to text");
        let diagnostic = invalid_value(map.span(), message).about(object, path);
        diagnostics.push(diagnostic);
        return Labels::default();
    }
    let mut labels = Vec::new();
    for entry in map.entries() {
        let key = Spanned::new(entry.key.key_text().into_owned(), entry.key.span());
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
        labels.push(Label {
            key,
            value: Spanned::new(value.to_owned(), entry.value.span()),
        });
    }
    Labels::new(labels)
}

fn not_text(entry: Entry<'_>, object: &str, path: &str) -> Diagnostic {
    let value = entry.value;
    let is = match value.scalar() {
        Some(Scalar::Bool(value)) => format!("is the boolean {value}, not text"),
        Some(_) => "is a number, not text".to_owned(),
        None => "is a collection, not text".to_owned(),
    };
    let message = format!(
        "the value of `{}` must be text",
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
pub(super) fn text(node: Node<'_>) -> Option<Spanned<String>> {
    node.as_str()
        .map(|text| Spanned::new(text.to_owned(), node.span()))
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
        reference
            .get(name)
            .and_then(Node::as_str)
            .map(str::to_owned)
    };
    Some(OwnerReference {
        kind: text("kind")?,
        name: text("name")?,
    })
}

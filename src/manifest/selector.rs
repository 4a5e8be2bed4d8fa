//! Label selectors from a tree, with everything that an API server refuses them for,
//! and those that no labels can satisfy.
//!
//! Refuses to know whose labels are selected, but for one thing: namespaces have their
//! name as a label.

use super::conflict::{self, Conflict};
use super::fields;
use super::names;
use super::reader::{self, Path, Reader};
use super::structure;
use super::suggestion;
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{Label, LabelSelector, LabelSelectorRequirement, Operator, is_opaque};
use crate::source::{Span, Spanned, Text};
use crate::yaml::tree::Node;

/// What a selector is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selects {
    /// Pods.
    Pods,
    /// Namespaces.
    Namespaces,
    /// Nodes.
    Nodes,
    /// Whatever Cilium gives an identity: keys may name a source, as in `k8s:app`.
    Endpoints,
}

/// Reads a selector that is not null; `None` if it is no mapping.
///
/// Values of wrong types are left out without a word: the structure's check has seen
/// them.
pub(super) fn read(
    node: Node<'_>,
    selects: Selects,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<LabelSelector> {
    if reader.is_opaque(node) || !node.is_mapping() {
        return None;
    }
    let selector = LabelSelector {
        span: node.span(),
        match_labels: match_labels(node, selects, path.field("matchLabels"), reader),
        match_expressions: match_expressions(node, selects, path.field("matchExpressions"), reader),
        null_key: ["matchLabels", "matchExpressions"]
            .iter()
            .filter_map(|key| node.entry(key))
            .find(|entry| entry.value.is_null())
            .map(|entry| entry.key.span()),
    };
    if let Some(conflict) = conflict::find(&selector, selects) {
        report(conflict, selects, path, reader);
    }
    Some(selector)
}

/// The API server takes it: it is a selector, if a useless one.
fn report(conflict: Conflict, selects: Selects, path: Path<'_>, reader: &mut Reader<'_>) {
    let mut diagnostic = invalid(conflict.span, conflict.message).label(conflict.label);
    if let Some((span, label)) = conflict.other {
        diagnostic = diagnostic.related(span, label);
    }
    let what = match selects {
        Selects::Pods => "pod",
        Selects::Namespaces => "namespace",
        Selects::Nodes => "node",
        Selects::Endpoints => "endpoint",
    };
    let note = format!("the selector matches no {what}, whatever its labels are");
    reader.report(path, diagnostic.note(note));
}

fn invalid(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new("invalid-selector", Severity::Error, span, message)
}

fn match_labels(
    selector: Node<'_>,
    selects: Selects,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Vec<Label> {
    let Some(labels) = selector.find(&["matchLabels"]) else {
        return Vec::new();
    };
    if reader.is_opaque(labels) {
        return Vec::new();
    }
    let mut read = Vec::new();
    for entry in labels.entries() {
        let key = entry.key.key_text();
        let path = path.field(&key);
        check_key(&key, entry.key, selects, path, reader);
        let value = if entry.value.is_null() {
            Some("")
        } else {
            entry.value.as_str()
        };
        let Some(value) = value else { continue };
        check_value(value, entry.value, path, reader);
        read.push(Label {
            key: Spanned::new(labels.share(&key), entry.key.span()),
            value: Spanned::new(labels.share(value), entry.value.span()),
        });
    }
    read.shrink_to_fit();
    read
}

fn check_key(key: &str, node: Node<'_>, selects: Selects, path: Path<'_>, reader: &mut Reader<'_>) {
    if is_opaque(key) {
        return;
    }
    let name = match key.split_once(':') {
        Some((_, name)) if selects == Selects::Endpoints => name,
        _ => key,
    };
    if let Some(error) = names::label_key_error(name) {
        let message = format!("`{key}` is not a valid label key");
        reader.refuse(path, invalid(node.span(), message).label(error));
    }
}

fn check_value(value: &str, node: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) {
    if is_opaque(value) {
        return;
    }
    if let Some(error) = names::label_value_error(value) {
        let message = format!("`{value}` is not a valid label value");
        let diagnostic = invalid(node.span(), message).label(error);
        let diagnostic = match value.contains([',', '|', '*']) {
            true => diagnostic.help(
                "labels are compared as they are; for one of several values use \
                 `matchExpressions` with the operator `In`",
            ),
            false => diagnostic,
        };
        reader.refuse(path, diagnostic);
    }
}

fn match_expressions(
    selector: Node<'_>,
    selects: Selects,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Vec<LabelSelectorRequirement> {
    let Some(expressions) = selector.find(&["matchExpressions"]) else {
        return Vec::new();
    };
    if reader.is_opaque(expressions) {
        return Vec::new();
    }
    let read = |item, path: Path<'_>| requirement(item, selects, path, reader);
    reader::items(expressions, path, read).unwrap_or_default()
}

fn requirement(
    item: Node<'_>,
    selects: Selects,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<LabelSelectorRequirement> {
    if reader.is_opaque(item) {
        return None;
    }
    if item.is_null() {
        reader.refuse(path, invalid(item.span(), "this requirement is empty"));
        return None;
    }
    if !item.is_mapping() {
        return None;
    }
    let key = key(item, selects, path, reader);
    let values = values(item, path.field("values"), reader);
    let operator = operator(item, path, reader)?;
    // Cilium's API server takes any number of them; its agent does not.
    if selects != Selects::Endpoints {
        check_count(item, &operator, path, reader);
    }
    Some(LabelSelectorRequirement {
        span: item.span(),
        key: key?,
        operator,
        values,
    })
}

fn key(
    item: Node<'_>,
    selects: Selects,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Spanned<Text>> {
    let Some(key) = item.find(&["key"]) else {
        lacks(
            item,
            path,
            invalid(item.span(), "this requirement has no `key`"),
            reader,
        );
        return None;
    };
    let text = key.as_str()?;
    check_key(text, key, selects, path.field("key"), reader);
    Some(Spanned::new(key.share(text), key.span()))
}

fn values(item: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) -> Vec<Spanned<Text>> {
    let Some(values) = item.find(&["values"]) else {
        return Vec::new();
    };
    if reader.is_opaque(values) {
        // Whatever they are: as one value, so that none and all may be right.
        let text = values.share(values.text().unwrap_or_default());
        return vec![Spanned::new(text, values.span())];
    }
    let read = |item: Node<'_>, path: Path<'_>| {
        // Null is the empty text, as when Go decodes JSON into a string.
        let text = if item.is_null() { "" } else { item.as_str()? };
        check_value(text, item, path, reader);
        Some(Spanned::new(item.share(text), item.span()))
    };
    reader::items(values, path, read).unwrap_or_default()
}

/// Refuses a requirement for something that it lacks. A key beside it that is no field
/// is the likely cause, and has a finding of its own.
fn lacks(item: Node<'_>, path: Path<'_>, diagnostic: Diagnostic, reader: &mut Reader<'_>) {
    if structure::has_unknown_field(item, &fields::REQUIREMENT) {
        reader.refuse_silently();
    } else {
        reader.refuse(path, diagnostic);
    }
}

const OPERATORS: [(&str, Operator); 4] = [
    ("In", Operator::In),
    ("NotIn", Operator::NotIn),
    ("Exists", Operator::Exists),
    ("DoesNotExist", Operator::DoesNotExist),
];

fn operator(item: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) -> Option<Spanned<Operator>> {
    let path = path.field("operator");
    let Some(node) = item.find(&["operator"]) else {
        let diagnostic = invalid(item.span(), "this requirement has no `operator`");
        let help = "write `In`, `NotIn`, `Exists` or `DoesNotExist`";
        lacks(item, path, diagnostic.help(help), reader);
        return None;
    };
    if reader.is_opaque(node) {
        return None;
    }
    let text = node.as_str()?;
    if let Some((_, operator)) = OPERATORS.iter().find(|(name, _)| *name == text) {
        return Some(Spanned::new(*operator, node.span()));
    }
    let meant = match text {
        "=" | "==" | "Equals" | "Equal" | "equals" | "Eq" => Some("In"),
        "!=" | "NotEquals" | "NotEqual" => Some("NotIn"),
        _ => suggestion::near_miss(text, OPERATORS.map(|(name, _)| name)),
    };
    let diagnostic = invalid(node.span(), format!("`{text}` is not a valid operator"));
    let diagnostic = match meant {
        Some(meant) => diagnostic
            .label(format!("did you mean `{meant}`?"))
            .help(format!("write `{meant}`")),
        None => diagnostic.help("the operators are `In`, `NotIn`, `Exists` and `DoesNotExist`"),
    };
    reader.refuse(path, diagnostic);
    None
}

/// `In` and `NotIn` take values, the others take none.
fn check_count(
    item: Node<'_>,
    operator: &Spanned<Operator>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) {
    let values = item.find(&["values"]);
    if values.is_some_and(|values| !values.is_sequence()) {
        return;
    }
    let has_values = values.is_some_and(|values| values.items().next().is_some());
    let name = OPERATORS
        .iter()
        .find(|(_, known)| *known == operator.value)
        .map_or("", |(name, _)| name);
    let path = path.field("values");
    match (operator.value, values) {
        (Operator::In | Operator::NotIn, values) if !has_values => {
            let span = values.map_or(operator.span, Node::span);
            let diagnostic = invalid(span, format!("`{name}` has no values to compare with"));
            let other = if operator.value == Operator::In {
                "Exists"
            } else {
                "DoesNotExist"
            };
            let help = format!("list the values, or write `{other}` to ask for the key alone");
            lacks(item, path, diagnostic.help(help), reader);
        }
        (Operator::Exists | Operator::DoesNotExist, Some(values)) if has_values => {
            let other = if operator.value == Operator::Exists {
                "In"
            } else {
                "NotIn"
            };
            let diagnostic = invalid(values.span(), format!("`{name}` takes no values"));
            let diagnostic = diagnostic.label("only the key is looked at");
            let help = format!("remove them, or write `{other}` to compare with them");
            reader.refuse(path, diagnostic.help(help));
        }
        _ => {}
    }
}

//! Parts of policies as one line of YAML, for instructions that a person can paste.
//!
//! Refuses to know where they go.

use crate::cluster::NAMESPACE_NAME_LABEL;
use crate::k8s::{LabelSelector, NetworkPolicyPort, Operator, PortReference, Protocol};

/// A peer with the pods of `selector`, in the namespace of this name where one is given:
/// `{podSelector: {matchLabels: {app: web}}}`.
#[must_use]
pub fn peer(selector: &LabelSelector, namespace: Option<&str>) -> String {
    let pods = format!("podSelector: {}", self::selector(selector));
    match namespace {
        None => format!("{{{pods}}}"),
        Some(name) => format!("{{{}, {pods}}}", namespace_selector(name)),
    }
}

/// A `namespaceSelector` for the namespace of this name, with its key.
#[must_use]
pub fn namespace_selector(name: &str) -> String {
    format!(
        "namespaceSelector: {{matchLabels: {{{NAMESPACE_NAME_LABEL}: {}}}}}",
        scalar(name)
    )
}

/// A selector: `{matchLabels: {app: web}}`.
#[must_use]
pub fn selector(selector: &LabelSelector) -> String {
    let mut parts = Vec::new();
    if !selector.match_labels.is_empty() {
        let labels = selector.match_labels.iter();
        let labels: Vec<String> = labels
            .map(|label| format!("{}: {}", scalar(&label.key), scalar(&label.value)))
            .collect();
        parts.push(format!("matchLabels: {{{}}}", labels.join(", ")));
    }
    if !selector.match_expressions.is_empty() {
        let entries = selector.match_expressions.iter().map(|entry| {
            let operator = match entry.operator.value {
                Operator::In => "In",
                Operator::NotIn => "NotIn",
                Operator::Exists => "Exists",
                Operator::DoesNotExist => "DoesNotExist",
            };
            let mut parts = vec![
                format!("key: {}", scalar(&entry.key)),
                format!("operator: {operator}"),
            ];
            if !entry.values.is_empty() {
                let values: Vec<String> = entry.values.iter().map(|value| scalar(value)).collect();
                parts.push(format!("values: [{}]", values.join(", ")));
            }
            format!("{{{}}}", parts.join(", "))
        });
        let entries: Vec<String> = entries.collect();
        parts.push(format!("matchExpressions: [{}]", entries.join(", ")));
    }
    format!("{{{}}}", parts.join(", "))
}

/// One entry of `ports`: `{protocol: TCP, port: 8080}`.
#[must_use]
pub fn port(protocol: Protocol, port: u16) -> String {
    format!("{{protocol: {protocol}, port: {port}}}")
}

/// The entries of `ports` of a rule as a list.
#[must_use]
pub fn ports(entries: &[NetworkPolicyPort]) -> String {
    let entry = |entry: &NetworkPolicyPort| {
        let mut parts = vec![format!("protocol: {}", entry.protocol_or_default())];
        match entry.port.get().map(|port| &port.value) {
            Some(PortReference::Number(number)) => parts.push(format!("port: {number}")),
            Some(PortReference::Name(name)) => parts.push(format!("port: {}", scalar(name))),
            None => {}
        }
        if let Some(end) = entry.end_port.get() {
            parts.push(format!("endPort: {}", end.value));
        }
        format!("{{{}}}", parts.join(", "))
    };
    let entries: Vec<String> = entries.iter().map(entry).collect();
    format!("[{}]", entries.join(", "))
}

/// A text that YAML reads back as this text: in quotes where it needs them.
pub fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
    // The words that YAML 1.1 reads as something else than text.
    let words = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    let is_word = words.contains(&text.to_ascii_lowercase().as_str());
    if is_plain && !is_word {
        text.to_owned()
    } else {
        format!("{text:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::scalar;

    #[test]
    fn quotes_what_yaml_would_read_otherwise() {
        let table = [
            ("web", "web"),
            ("app.kubernetes.io/name", "app.kubernetes.io/name"),
            ("yes", "\"yes\""),
            ("1", "\"1\""),
            ("", "\"\""),
            ("a: b", "\"a: b\""),
        ];
        for (text, expected) in table {
            assert_eq!(scalar(text), expected);
        }
    }
}

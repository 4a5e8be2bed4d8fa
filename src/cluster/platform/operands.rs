//! The pods that an operator makes of an object, by the table beside this file.
//!
//! Refuses to know which objects there are, and whether the operator runs.

use crate::k8s::{CustomObject, Label, LabelSelector, Labels, Operator, Truth, is_opaque};
use crate::source::{Spanned, Text};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Pods that an operator makes of the objects of a kind.
#[derive(Debug)]
pub struct Operand {
    home: Home,
    ports: Vec<u16>,
    labels: Vec<(String, Value)>,
}

/// Where the pods are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Home {
    /// In the namespace of the object.
    Own,
    /// In the namespace of this name.
    Named(&'static str),
    /// In a namespace that the object does not tell.
    Anywhere,
}

/// What is known of the value of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Value {
    /// What it may be; `{}` is the name of the object, `*` at the end any text.
    options: Vec<&'static str>,
}

/// By group, then by kind.
type Table = HashMap<&'static str, HashMap<&'static str, Vec<Operand>>>;

static TABLE: LazyLock<Table> = LazyLock::new(|| read(include_str!("operators.txt")));

/// What an operator makes of an object of this kind; empty for a kind that is not in the
/// table.
#[must_use]
pub fn operands_of(group: &str, kind: &str) -> &'static [Operand] {
    let kinds = TABLE.get(group);
    kinds
        .and_then(|kinds| kinds.get(kind))
        .map_or(&[], Vec::as_slice)
}

fn read(text: &'static str) -> Table {
    let mut table = Table::new();
    let mut last = None;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        if line.starts_with(' ') {
            let operand = last.and_then(|(group, kind): (&str, &str)| {
                table.get_mut(group)?.get_mut(kind)?.last_mut()
            });
            let labels = words.filter_map(|word| word.split_once('='));
            if let Some(operand) = operand {
                operand.labels.extend(labels.map(label));
            }
            continue;
        }
        let (Some(group), Some(kind), Some(home)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let ports = words.next().into_iter().flat_map(|ports| ports.split(','));
        last = Some((group, kind));
        let kinds = table.entry(group).or_default();
        kinds.entry(kind).or_default().push(Operand {
            home: match home {
                "own" => Home::Own,
                "anywhere" => Home::Anywhere,
                named => Home::Named(named),
            },
            ports: ports.filter_map(|port| port.parse::<u16>().ok()).collect(),
            labels: Vec::new(),
        });
    }
    table
}

fn label((key, value): (&'static str, &'static str)) -> (String, Value) {
    let key = match key.strip_prefix('@') {
        Some(name) => format!("app.kubernetes.io/{name}"),
        None => key.to_owned(),
    };
    let options = value.split('|').collect();
    (key, Value { options })
}

impl Value {
    /// Whether it may be this text, for an object of this name.
    fn may_be(&self, text: &str, name: &str) -> bool {
        self.options
            .iter()
            .any(|option| match option.strip_suffix('*') {
                Some("") => true,
                // Operators put their own words before or behind the object's name.
                Some(_) => text.contains(name),
                None => text == with_name(option, name),
            })
    }

    /// Whether it is this text and nothing else.
    fn is(&self, text: &str, name: &str) -> bool {
        matches!(self.options.as_slice(), [one] if !one.ends_with('*') && self.may_be(text, name))
    }
}

/// A value with the name of the object in its place.
fn with_name(option: &str, name: &str) -> String {
    option.replace("{}", name)
}

impl Operand {
    /// Whether pods that are made of this object may be in the namespace of this name.
    #[must_use]
    pub fn may_be_in(&self, object: &CustomObject, namespace: &str) -> bool {
        match self.home {
            Home::Own => object.meta.namespace_name() == namespace,
            Home::Named(home) => home == namespace,
            Home::Anywhere => true,
        }
    }

    /// The labels that the pods surely have, where one value is possible only.
    #[must_use]
    pub fn certain_labels(&self, object: &CustomObject) -> Labels {
        let name = &object.meta.name;
        let labels = self.labels.iter().filter_map(|(key, value)| {
            let text = match value.options.as_slice() {
                [one] if !one.ends_with('*') => with_name(one, &name.value),
                _ => return None,
            };
            Some(Label {
                key: Spanned::new(Text::from(key), name.span),
                value: Spanned::new(Text::from(text), name.span),
            })
        });
        Labels::new(labels.collect())
    }

    /// The ports that the pods listen on, as far as they are known.
    #[must_use]
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Whether a selector matches the pods that are made of this object. Something has to
    /// speak for it: what asks only for labels that nobody has heard of does not match.
    #[must_use]
    pub fn matches(&self, object: &CustomObject, selector: &LabelSelector) -> Truth {
        let name = object.meta.name.value.as_str();
        let known = |key: &str| self.labels.iter().find(|(own, _)| own == key);
        let written = |key: &str| object.pod_labels.get(key);
        let mut speaks_for = false;
        let mut worst = Truth::True;
        let labels = selector.match_labels.iter();
        let labels = labels.map(|label| (label.key.as_str(), vec![label.value.as_str()]));
        let entries = selector.match_expressions.iter();
        let listed = entries
            .clone()
            .filter_map(|entry| match entry.operator.value {
                Operator::In => {
                    let values = entry.values.iter().map(|value| value.as_str());
                    Some((entry.key.as_str(), values.collect()))
                }
                Operator::Exists => Some((entry.key.as_str(), Vec::new())),
                Operator::NotIn | Operator::DoesNotExist => None,
            });
        for (key, values) in labels.chain(listed) {
            let truth = match (written(key), known(key)) {
                (Some(value), _) if is_opaque(value) => Truth::Unknown,
                (Some(value), _) => (values.is_empty() || values.contains(&value)).into(),
                (None, Some((_, known))) => {
                    let is = |value: &&str| known.is(value, name);
                    let may_be = |value: &&str| known.may_be(value, name);
                    if values.is_empty() || values.iter().any(is) {
                        Truth::True
                    } else if values.iter().any(may_be) {
                        Truth::Unknown
                    } else {
                        Truth::False
                    }
                }
                (None, None) => {
                    worst = worst.min(Truth::Unknown);
                    continue;
                }
            };
            speaks_for |= truth != Truth::False;
            worst = worst.min(truth);
        }
        let rules_out = entries.clone().any(|entry| {
            matches!(
                entry.operator.value,
                Operator::NotIn | Operator::DoesNotExist
            )
        });
        match (speaks_for, rules_out) {
            (false, _) => Truth::False,
            (true, true) => worst.min(Truth::Unknown),
            (true, false) => worst,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_labels_and_a_home() {
        let rows = TABLE.values().flat_map(HashMap::values).flatten();
        assert!(rows.clone().count() > 150);
        for row in rows {
            assert!(!row.labels.is_empty(), "{row:?}");
            if let Home::Named(home) = row.home {
                assert!(home.contains('-'), "{home}");
            }
        }
    }

    #[test]
    fn values_are_texts_names_or_anything() {
        for (pattern, text, may_be, is) in [
            ("{}", "main", true, true),
            ("{}", "other", false, false),
            ("{}*", "main-0", true, false),
            ("{}*", "other", false, false),
            ("*", "other", true, false),
            ("{}-db", "main-db", true, true),
            ("{}-db", "main", false, false),
            ("a|b", "b", true, false),
            ("a", "a", true, true),
        ] {
            let (_, value) = label(("key", pattern));
            assert_eq!(value.may_be(text, "main"), may_be, "{pattern} {text}");
            assert_eq!(value.is(text, "main"), is, "{pattern} {text}");
        }
    }
}

//! Selectors that no labels can satisfy, by what they say alone.
//!
//! Refuses to know which labels anything has; text that another tool fills in
//! contradicts nothing.

use super::selector::Selects;
use crate::k8s::{LabelSelector, NAMESPACE_NAME_LABEL, Operator};
use crate::source::Span;
use std::collections::{BTreeMap, BTreeSet};

/// A requirement that contradicts those in front of it.
pub(super) struct Conflict {
    /// The requirement.
    pub(super) span: Span,
    /// The fact.
    pub(super) message: String,
    /// A note on the requirement.
    pub(super) label: String,
    /// Another requirement that it contradicts, with a note.
    pub(super) other: Option<(Span, &'static str)>,
}

/// The first conflict of a selector.
pub(super) fn find(selector: &LabelSelector, selects: Selects) -> Option<Conflict> {
    if selector.is_opaque() {
        return None;
    }
    let mut known: BTreeMap<&str, Known<'_>> = BTreeMap::new();
    for label in &selector.match_labels {
        let span = label.key.span.to(label.value.span);
        let values = BTreeSet::from([label.value.value.as_str()]);
        let requirement = Requirement {
            operator: Operator::In,
            values,
            span,
        };
        let known = known.entry(&label.key).or_default();
        if let Some(conflict) = known.add(&label.key, requirement, selects) {
            return Some(conflict);
        }
    }
    for entry in &selector.match_expressions {
        let values = entry
            .values
            .iter()
            .map(|value| value.value.as_str())
            .collect();
        let requirement = Requirement {
            operator: entry.operator.value,
            values,
            span: entry.span,
        };
        let known = known.entry(&entry.key).or_default();
        if let Some(conflict) = known.add(&entry.key, requirement, selects) {
            return Some(conflict);
        }
    }
    None
}

struct Requirement<'s> {
    operator: Operator,
    values: BTreeSet<&'s str>,
    span: Span,
}

/// What is known of the value of one key.
#[derive(Debug, Default)]
struct Known<'s> {
    /// The values that are left, and the requirement that first listed them.
    allowed: Option<(BTreeSet<&'s str>, Span)>,
    /// The values that are excluded.
    excluded: BTreeSet<&'s str>,
    /// The first requirement that excludes values.
    excluded_by: Option<Span>,
    /// Where the key is required.
    present: Option<Span>,
    /// Where the key is forbidden.
    absent: Option<Span>,
}

impl<'s> Known<'s> {
    fn add(&mut self, key: &str, added: Requirement<'s>, selects: Selects) -> Option<Conflict> {
        let span = added.span;
        match added.operator {
            // Without values they are refused with words of their own.
            Operator::In | Operator::NotIn if added.values.is_empty() => return None,
            Operator::In => {
                self.present.get_or_insert(span);
                self.allow(added);
            }
            Operator::NotIn => self.exclude(added),
            Operator::Exists => {
                self.present.get_or_insert(span);
            }
            Operator::DoesNotExist => {
                self.absent.get_or_insert(span);
            }
        }
        self.conflict(key, span, selects)
    }

    fn allow(&mut self, added: Requirement<'s>) {
        let (left, first) = match self.allowed.take() {
            Some((left, first)) => (&added.values & &left, first),
            None => (&added.values - &self.excluded, added.span),
        };
        self.allowed = Some((left, first));
    }

    fn exclude(&mut self, added: Requirement<'s>) {
        self.excluded_by.get_or_insert(added.span);
        if let Some((left, _)) = &mut self.allowed {
            for value in &added.values {
                left.remove(value);
            }
        }
        self.excluded.extend(added.values);
    }

    /// What is wrong since the requirement at `span` was added.
    fn conflict(&self, key: &str, span: Span, selects: Selects) -> Option<Conflict> {
        if let (Some(present), Some(absent)) = (self.present, self.absent) {
            let other = if span == present { absent } else { present };
            return Some(Conflict {
                span,
                message: format!("label `{key}` is required to be there and not to be there"),
                label: "contradicts the other requirement".to_owned(),
                other: Some((other, "the other one")),
            });
        }
        if self.absent.is_some() && selects == Selects::Namespaces && key == NAMESPACE_NAME_LABEL {
            return Some(Conflict {
                span,
                message: format!("every namespace has the label `{key}`"),
                label: "cannot be missing".to_owned(),
                other: None,
            });
        }
        let (left, first) = self.allowed.as_ref()?;
        let other = if span == *first {
            self.excluded_by
        } else {
            Some(*first)
        };
        left.is_empty().then(|| Conflict {
            span,
            message: format!("no value of label `{key}` satisfies all requirements"),
            label: "leaves no value".to_owned(),
            other: other.map(|other| (other, "together with this one")),
        })
    }
}

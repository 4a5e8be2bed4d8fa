//! `metadata`, labels, and the difference between a field that is missing, null
//! and empty.
//!
//! Refuses to know what a label means to anybody.

use super::filled_in::is_opaque;
use crate::source::{Span, Spanned, Text};
use ecow::EcoVec;
use std::sync::Arc;

/// The label that Kubernetes sets on every namespace, and that cannot be changed.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// A field as written. Kubernetes treats missing and null alike; a reader does not,
/// so the text keeps them apart.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Field<T> {
    /// The field is not written.
    #[default]
    Missing,
    /// The key is written without a value, or with `null` or `~`.
    Null {
        /// The key.
        key: Span,
    },
    /// The field has a value.
    Value {
        /// The key.
        key: Span,
        /// Its value.
        value: T,
    },
}

impl<T> Field<T> {
    /// The value; `None` if the field is missing or null.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Value { value, .. } => Some(value),
            Self::Missing | Self::Null { .. } => None,
        }
    }

    /// The key, where one is written.
    pub fn key(&self) -> Option<Span> {
        match self {
            Self::Missing => None,
            Self::Null { key } | Self::Value { key, .. } => Some(*key),
        }
    }

    /// Whether the field is not written at all.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

impl<T> Field<Vec<T>> {
    /// The items; none if the field is missing, null or empty.
    pub fn items(&self) -> &[T] {
        self.get().map_or(&[], Vec::as_slice)
    }
}

/// One label (or annotation) as written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// Its key.
    pub key: Spanned<Text>,
    /// Its value; null is the empty string, as when JSON is decoded into a string.
    pub value: Spanned<Text>,
}

impl Label {
    /// The text to edit where something is wrong with it; see [`label_span`].
    #[must_use]
    pub fn span(&self) -> Span {
        label_span(self.key.span, self.value.span)
    }
}

/// The text to edit where something is wrong with a label of this key and value: both, or the value
/// alone where a build took it from another text, as a patch.
#[must_use]
pub fn label_span(key: Span, value: Span) -> Span {
    match key.source == value.source {
        true => key.to(value),
        false => value,
    }
}

/// Labels or annotations, sorted by key, each key once. A copy shares them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Labels {
    sorted: Arc<[Label]>,
}

impl Labels {
    /// Of two with one key the later one counts, as for a YAML reader.
    #[must_use]
    pub fn new(mut labels: Vec<Label>) -> Self {
        if labels.is_empty() {
            return Self::default();
        }
        labels.sort_by(|a, b| a.key.value.cmp(&b.key.value));
        let mut sorted: Vec<Label> = Vec::with_capacity(labels.len());
        for label in labels {
            match sorted.last_mut() {
                Some(last) if last.key.value == label.key.value => *last = label,
                _ => sorted.push(label),
            }
        }
        Self {
            sorted: sorted.into(),
        }
    }

    /// Whether another tool fills in the key or the value of one.
    #[must_use]
    pub fn have_gaps(&self) -> bool {
        let mut labels = self.sorted.iter();
        labels.any(|label| is_opaque(&label.key) || is_opaque(&label.value))
    }

    /// The label with this key.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&Label> {
        let found = self
            .sorted
            .binary_search_by(|label| label.key.value.as_str().cmp(key));
        found.ok().map(|index| &self.sorted[index])
    }

    /// The value of this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.label(key).map(|label| label.value.value.as_str())
    }

    /// All of them, sorted by key.
    pub fn iter(&self) -> std::slice::Iter<'_, Label> {
        self.sorted.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = &'a Label;
    type IntoIter = std::slice::Iter<'a, Label>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The controller of an object, an entry of `metadata.ownerReferences`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerReference {
    /// The owner's kind.
    pub kind: Text,
    /// The owner's name; it is in the namespace of the object.
    pub name: Text,
}

/// The parts of `metadata` that npcheck looks at.
#[derive(Clone, Debug)]
pub struct ObjectMeta {
    /// The whole object.
    pub span: Span,
    /// `apiVersion` as written.
    pub api_version: Spanned<Text>,
    /// `metadata.name`, else `metadata.generateName`, else empty at the object's start.
    pub name: Spanned<Text>,
    /// `metadata.namespace`; `None` if missing, null or empty.
    pub namespace: Option<Spanned<Text>>,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `metadata.annotations`.
    pub annotations: Labels,
    /// The entry of `ownerReferences` with `controller: true`, else the first one (S3).
    pub owner: Option<OwnerReference>,
    /// Whether an API server would take the object. The engine leaves out what it
    /// would refuse; a diagnostic says why.
    pub is_accepted: bool,
    /// The scalars that another tool fills in (see [`is_opaque`]) where the rest of the
    /// object cannot be understood without them: a port, a CIDR, an action, a whole list.
    /// These parts are left out, so no verdict can rest on them. Label values do not count:
    /// selectors answer [`Truth::Unknown`](super::Truth::Unknown) by themselves.
    pub holes: Holes,
}

/// What another tool fills in of an object. Its parts may stand in several sources, so that
/// where one stands says nothing of what comes behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holes {
    spans: EcoVec<Span>,
}

impl Holes {
    /// Adds one.
    pub fn add(&mut self, hole: Span) {
        self.spans.push(hole);
    }

    /// Adds those of another part of the object.
    pub(crate) fn extend(&mut self, others: Self) {
        self.spans.extend(others.spans);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// The first one in the order of the text.
    #[must_use]
    pub fn first(&self) -> Option<Span> {
        self.spans.iter().copied().min()
    }

    /// The first one that lies in a part of the object.
    #[must_use]
    pub fn first_in(&self, part: Span) -> Option<Span> {
        let holes = self.spans.iter().copied();
        holes.filter(|hole| part.contains(*hole)).min()
    }

    /// Whether each lies in one of these parts, so that what is outside of them is known.
    #[must_use]
    pub fn are_all_in(&self, parts: impl Iterator<Item = Span> + Clone) -> bool {
        let mut holes = self.spans.iter();
        holes.all(|hole| parts.clone().any(|part| part.contains(*hole)))
    }
}

impl ObjectMeta {
    /// The metadata of an object that nobody wrote; its text is that of `about`, the object
    /// that makes one think of it.
    pub(super) fn hypothetical(
        namespace: Option<&str>,
        name: &str,
        labels: Labels,
        about: &Self,
    ) -> Self {
        let text = |text: &str| Spanned::new(Text::from(text), about.span);
        Self {
            span: about.span,
            api_version: Spanned::new(Text::new(), about.span),
            name: text(name),
            namespace: namespace.map(text),
            labels,
            annotations: Labels::default(),
            owner: None,
            is_accepted: true,
            holes: Holes::default(),
        }
    }

    /// The namespace of a namespaced object: `default` where none is written (S2).
    #[must_use]
    pub fn namespace_name(&self) -> &str {
        self.namespace
            .as_ref()
            .map_or("default", |namespace| namespace.value.as_str())
    }
}

//! `metadata`, labels, and the difference between a field that is missing, null
//! and empty.
//!
//! Refuses to know what a label means to anybody.

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

/// What the value of a label begins with that may not be there at all.
const MAY_BE_SET: &str = "${may be set by ";

/// What the value of a label begins with that is there, and may be another one.
const MAY_BE_CHANGED: &str = "${may be changed by ";

/// The value of a label that something may put on an object, with any value, or not.
#[must_use]
pub fn label_that_may_be_set(by: &str) -> Text {
    Text::from(format!("{MAY_BE_SET}{by}}}").as_str())
}

/// The value of a label that an object has, and that something may change.
#[must_use]
pub fn label_value_that_may_be_set(by: &str) -> Text {
    Text::from(format!("{MAY_BE_CHANGED}{by}}}").as_str())
}

/// What may set a label with this value, or change it.
#[must_use]
pub fn may_be_set_by(value: &str) -> Option<&str> {
    let starts = [MAY_BE_SET, MAY_BE_CHANGED].into_iter();
    let by = starts.filter_map(|start| value.strip_prefix(start)).next();
    by.map(|by| by.trim_end_matches('}'))
}

/// Whether a label with this value may not be there at all.
#[must_use]
pub fn may_be_absent(value: &str) -> bool {
    value.starts_with(MAY_BE_SET)
}

/// Whether a scalar is a hole that another tool fills in: `{{ … }}`, `${VAR}`, a SOPS `ENC[…]`,
/// or a word that stands for what belongs there, as `<namespace>` and `REPLACE_NAMESPACE`. Such a
/// value may be anything.
#[must_use]
pub fn is_opaque(text: &str) -> bool {
    // Nearly all texts are short and have no brace, and this is asked of each of them many times.
    let has_brace = text.as_bytes().contains(&b'{');
    has_brace && (text.contains("{{") || text.contains("${"))
        || text.starts_with("ENC[")
        || may_be_placeholder(text) && is_placeholder(text)
}

/// How placeholders begin.
fn may_be_placeholder(text: &str) -> bool {
    let first = text.as_bytes().first();
    first.is_some_and(|byte| byte.is_ascii_uppercase() || b"<%@#_$".contains(byte))
}

/// Words of placeholders in capitals.
const PLACEHOLDER_WORDS: &[&str] = &[
    "CHANGEME",
    "INSERT",
    "NAMESPACE",
    "PLACEHOLDER",
    "REPLACE",
    "REPLACEME",
    "TBD",
    "YOUR",
];

/// Whether a text, or what stands in front of the length of a CIDR, is nothing but a placeholder:
/// between signs that no name has, a variable of a shell, or in capitals with a word that says so.
fn is_placeholder(text: &str) -> bool {
    let is_length = |end: &str| end.bytes().all(|byte| byte.is_ascii_digit());
    let text = match text.rsplit_once('/') {
        Some((front, end)) if is_length(end) => front,
        _ => text,
    };
    let is_capital = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let is_variable =
        |name: &str| name.bytes().all(is_capital) && name.contains(|it: char| it.is_alphabetic());
    let is_named = |name: &str| {
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-. ".contains(&byte);
        name.bytes().all(is_of_name) && name.contains(|it: char| it.is_alphabetic())
    };
    let signs = [
        ("<", ">"),
        ("%", "%"),
        ("@@", "@@"),
        ("@", "@"),
        ("#{", "}#"),
        ("__", "__"),
    ];
    let mut inside = signs
        .into_iter()
        .filter_map(|(start, end)| text.strip_prefix(start)?.strip_suffix(end));
    if inside.any(is_named) {
        return true;
    }
    if let Some(name) = text.strip_prefix('$') {
        let name = name
            .strip_prefix('(')
            .and_then(|it| it.strip_suffix(')'))
            .unwrap_or(name);
        return is_variable(name);
    }
    let is_in_capitals = text.bytes().all(|byte| is_capital(byte) || byte == b'-');
    let is_separator = |c: char| matches!(c, '_' | '-');
    let is_address = |end: &str| {
        text.strip_suffix(end)
            .is_some_and(|it| it.ends_with(is_separator))
    };
    let mut words = text.split(is_separator);
    let is_change_me = || text.contains("CHANGE_ME") || text.contains("CHANGE-ME");
    is_in_capitals
        && (words.any(|word| PLACEHOLDER_WORDS.contains(&word))
            || is_address("CIDR")
            || is_address("IP")
            || is_change_me())
}

#[cfg(test)]
mod tests {
    use super::is_opaque;

    #[test]
    fn placeholders_are_told_from_names_and_labels() {
        for text in [
            "{{ .Values.a }}",
            "a-${B}",
            "ENC[AES256]",
            "REPLACE_NAMESPACE",
            "CHANGEME",
            "CHANGE_ME",
            "YOUR_API_SERVER_IP/32",
            "PLACEHOLDER_CIDR",
            "VPC_CIDR",
            "<namespace>",
            "<your-namespace>",
            "<VPC CIDR>",
            "<IP>/32",
            "%NAMESPACE%",
            "@@NS@@",
            "@ns@",
            "#{CIDR}#",
            "__NAMESPACE__",
            "$NS",
            "$(NS)",
            "NAMESPACE",
            "YOUR-APP",
        ] {
            assert!(is_opaque(text), "{text}");
        }
        for text in [
            "",
            "web",
            "TCP",
            "UDP",
            "GET",
            "Ingress",
            "PROD_EU",
            "PROD-EU",
            "V1",
            "VIP",
            "A",
            "10.0.0.0/8",
            "1.2.3.4/32",
            "#",
            "@",
            "%",
            "<",
            "<>",
            "__",
            "$",
            "$1",
            "$2",
            "@a",
            "your-app",
            "Replace",
            "/a/%2F",
            "%s",
            "%d",
            "CHANGE",
            "CIDR",
            "IP",
            "ME",
            "::/0",
            "#fff",
            "_web",
            "DROP_INVALID",
        ] {
            assert!(!is_opaque(text), "{text}");
        }
    }
}

//! `LabelSelector`, and whether labels satisfy one.
//!
//! Refuses to know whose labels they are: which pods a selector is asked about is
//! decided by the policy that holds it.

use super::controller::Controller;
use super::filled_in::{is_opaque, may_be_absent};
use super::meta::{Label, Labels};
use crate::source::{Span, Spanned, Text};
use std::fmt;

/// A label selector: all `match_labels` and all `match_expressions` must hold, so an
/// empty one matches everything (meta/v1 types.go).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelSelector {
    /// The selector's value; the key's span for a selector that is not written.
    pub span: Span,
    /// `matchLabels`, in the order of the text.
    pub match_labels: Vec<Label>,
    /// `matchExpressions`, in the order of the text.
    pub match_expressions: Vec<LabelSelectorRequirement>,
    /// The key `matchLabels` or `matchExpressions` where it is written without a value.
    pub null_key: Option<Span>,
}

/// One entry of `matchExpressions`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelSelectorRequirement {
    /// The whole entry.
    pub span: Span,
    /// The label's key.
    pub key: Spanned<Text>,
    /// How values are compared.
    pub operator: Spanned<Operator>,
    /// The values; none for `Exists` and `DoesNotExist`.
    pub values: Vec<Spanned<Text>>,
}

/// The operator of a [`LabelSelectorRequirement`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// The key is present and its value is listed.
    In,
    /// The key is absent, or its value is not listed.
    NotIn,
    /// The key is present, even with the value "".
    Exists,
    /// The key is absent.
    DoesNotExist,
}

/// Whether something holds where a part of it may be unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    /// It does not hold, whatever the unknown parts are.
    False,
    /// It depends on text that only another tool fills in.
    Unknown,
    /// It holds, whatever the unknown parts are.
    True,
}

impl Truth {
    /// Whether it holds where one of both is the truth, and nobody knows which.
    #[must_use]
    pub fn either(self, other: Self) -> Self {
        match self == other {
            true => self,
            false => Self::Unknown,
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl std::ops::Not for Truth {
    type Output = Self;

    /// Whether it does not hold.
    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::Unknown => Self::Unknown,
            Self::False => Self::True,
        }
    }
}

impl LabelSelector {
    /// A selector without requirements, which matches everything.
    #[must_use]
    pub fn everything(span: Span) -> Self {
        Self {
            span,
            match_labels: Vec::new(),
            match_expressions: Vec::new(),
            null_key: None,
        }
    }

    /// Labels of which something must have one to match, as key and value; `None` if there are
    /// none such, or if another tool fills in some of their text. None of them is one that
    /// controllers add, as things are looked up by those that their manifests have.
    #[must_use]
    pub fn asked_for(&self) -> Option<Vec<(&str, &str)>> {
        let is_known = |(key, value): &(&str, &str)| {
            !is_opaque(key) && !is_opaque(value) && !Controller::may_add(key)
        };
        let mut labels = self.match_labels.iter();
        let label = labels.find_map(|label| {
            Some((label.key.value.as_str(), label.value.value.as_str())).filter(is_known)
        });
        if let Some(label) = label {
            return Some(vec![label]);
        }
        self.match_expressions.iter().find_map(|entry| {
            let key = entry.key.value.as_str();
            let values = entry.values.iter();
            let labels: Vec<_> = values.map(|value| (key, value.value.as_str())).collect();
            (entry.operator.value == Operator::In && labels.iter().all(is_known)).then_some(labels)
        })
    }

    /// The smallest text that holds all of its requirements: the requirement where there is
    /// one, the whole selector where there are several.
    #[must_use]
    pub fn requirements_span(&self) -> Span {
        match (
            self.match_labels.as_slice(),
            self.match_expressions.as_slice(),
        ) {
            ([label], []) => label.span(),
            ([], [requirement]) => requirement.span,
            _ => self.span,
        }
    }

    /// Whether it has no requirements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// The key of each requirement.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let labels = self.match_labels.iter().map(|label| &label.key);
        let entries = self.match_expressions.iter().map(|entry| &entry.key);
        labels.chain(entries).map(|key| key.as_str())
    }

    /// Every value that a requirement names, be it to ask for it or to rule it out.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let labels = self.match_labels.iter().map(|label| &label.value);
        let listed = self
            .match_expressions
            .iter()
            .flat_map(|entry| &entry.values);
        labels.chain(listed).map(|value| value.as_str())
    }

    /// The values that labels may have for it to match, with their keys: of `NotIn` and of keys
    /// alone nothing.
    pub fn wanted_values(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.match_labels.iter();
        let labels = labels.map(|label| (label.key.as_str(), label.value.as_str()));
        let listed = self.match_expressions.iter();
        let listed = listed.filter(|entry| entry.operator.value == Operator::In);
        labels.chain(listed.flat_map(|entry| {
            let values = entry.values.iter();
            values.map(|value| (entry.key.as_str(), value.as_str()))
        }))
    }

    /// Whether the labels satisfy every requirement, text taken as it stands.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matches_by(|key| labels.get(key))
    }

    /// [`matches`](Self::matches) for labels that are looked up by key.
    pub fn matches_by<'l>(&self, value_of: impl Fn(&str) -> Option<&'l str>) -> bool {
        let labels = self
            .match_labels
            .iter()
            .all(|wanted| value_of(&wanted.key) == Some(&wanted.value));
        labels
            && self
                .match_expressions
                .iter()
                .all(|requirement| requirement.holds(value_of(&requirement.key)))
    }

    /// Whether the labels satisfy every requirement, where values that another tool
    /// fills in, on either side, are unknown.
    #[must_use]
    pub fn matches_opaque(&self, labels: &Labels) -> Truth {
        // A whole label that is a template may turn out to have any key.
        if labels.iter().any(|label| is_opaque(&label.key)) || self.has_opaque_key() {
            return Truth::Unknown;
        }
        let wanted = self
            .match_labels
            .iter()
            .map(|wanted| match labels.get(&wanted.key) {
                None => Truth::False,
                Some(value) if value == wanted.value.value => Truth::True,
                Some(value) if is_opaque(value) || is_opaque(&wanted.value) => Truth::Unknown,
                Some(_) => Truth::False,
            });
        let expressions = self.match_expressions.iter().map(|requirement| {
            let value = labels.get(&requirement.key);
            let values_opaque = requirement.values.iter().any(|value| is_opaque(value));
            let compares = matches!(requirement.operator.value, Operator::In | Operator::NotIn);
            match value {
                Some(value) if compares && (values_opaque || is_opaque(value)) => Truth::Unknown,
                Some(value) if may_be_absent(value) => Truth::Unknown,
                value => requirement.holds(value).into(),
            }
        });
        wanted.chain(expressions).min().unwrap_or(Truth::True)
    }

    /// The fewest labels that satisfy it, the first of several values: what somebody who
    /// wrote it thought of. `None` where nothing satisfies it, and where another tool fills
    /// in a part of it.
    #[must_use]
    pub fn satisfying_labels(&self) -> Option<Labels> {
        if self.is_opaque() {
            return None;
        }
        let mut labels = self.match_labels.clone();
        for entry in &self.match_expressions {
            let anything = || [Spanned::new(Text::new(), entry.key.span)];
            let values = match entry.operator.value {
                Operator::In => entry.values.as_slice(),
                Operator::Exists => &anything(),
                Operator::NotIn | Operator::DoesNotExist => continue,
            };
            let others = self.match_expressions.iter();
            let others = others.filter(|other| other.key.value == entry.key.value);
            let suits = |value: &&Spanned<Text>| {
                let mut others = others.clone();
                others.all(|other| other.holds(Some(&value.value)))
            };
            if !labels
                .iter()
                .any(|label| label.key.value == entry.key.value)
            {
                let (key, value) = (entry.key.clone(), values.iter().find(suits)?.clone());
                labels.push(Label { key, value });
            }
        }
        let labels = Labels::new(labels);
        self.matches(&labels).then_some(labels)
    }

    /// It with one value of each entry of `In`, once for each value that an entry has; just
    /// itself where every entry has one.
    #[must_use]
    pub fn of_each_value(&self) -> Vec<Self> {
        let values = |entry: &LabelSelectorRequirement| match entry.operator.value {
            Operator::In => entry.values.len(),
            _ => 1,
        };
        let variants = self.match_expressions.iter().map(values).max();
        let variant = |number: usize| {
            let mut variant = self.clone();
            for entry in &mut variant.match_expressions {
                if entry.operator.value == Operator::In && entry.values.len() > 1 {
                    let value = entry.values[number % entry.values.len()].clone();
                    entry.values = std::iter::once(value).collect();
                }
            }
            variant
        };
        (0..variants.unwrap_or(1).max(1)).map(variant).collect()
    }

    /// Whether any of its keys or values is filled in by another tool.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        self.has_opaque_key()
            || self
                .match_labels
                .iter()
                .any(|wanted| is_opaque(&wanted.value))
            || self
                .match_expressions
                .iter()
                .flat_map(|entry| &entry.values)
                .any(|value| is_opaque(value))
    }

    fn has_opaque_key(&self) -> bool {
        self.match_labels
            .iter()
            .any(|wanted| is_opaque(&wanted.key))
            || self
                .match_expressions
                .iter()
                .any(|entry| is_opaque(&entry.key))
    }
}

impl LabelSelectorRequirement {
    /// Whether it holds for the value of its key (`None`: the key is absent).
    #[must_use]
    pub fn holds(&self, value: Option<&str>) -> bool {
        let is_listed = |value: &str| self.values.iter().any(|listed| listed.value == value);
        match self.operator.value {
            Operator::In => value.is_some_and(is_listed),
            Operator::NotIn => !value.is_some_and(is_listed),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

/// As `kubectl -l` writes it: `app=web,tier in (a,b),!legacy`; `everything` if empty.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("everything");
        }
        let mut separator = "";
        for wanted in &self.match_labels {
            write!(f, "{separator}{}={}", wanted.key, wanted.value)?;
            separator = ",";
        }
        for requirement in &self.match_expressions {
            write!(f, "{separator}{requirement}")?;
            separator = ",";
        }
        Ok(())
    }
}

impl fmt::Display for LabelSelectorRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = || {
            self.values
                .iter()
                .map(|value| value.value.as_str())
                .collect::<Vec<_>>()
                .join(",")
        };
        match self.operator.value {
            Operator::In => write!(f, "{} in ({})", self.key, values()),
            Operator::NotIn => write!(f, "{} notin ({})", self.key, values()),
            Operator::Exists => write!(f, "{}", self.key),
            Operator::DoesNotExist => write!(f, "!{}", self.key),
        }
    }
}

//! What is wrong with a build, or missing from it.
//!
//! Refuses to know who wants to hear of it.

use super::Build;
use crate::k8s::{PartEffect, UnknownPart};
use crate::source::Span;
use std::collections::BTreeSet;

/// A remark on a build, with the text that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The text.
    pub(crate) span: Span,
    /// The fact.
    pub(crate) message: String,
    /// How much it matters.
    pub(crate) weight: Weight,
    /// What the part that is missing may do to the rest.
    pub(crate) effect: PartEffect,
    /// The namespaces that this part would be in, as far as they are known; the empty one is
    /// that of objects that name none.
    pub(crate) namespaces: BTreeSet<String>,
    /// Whether a part is unknown because a build has a limit.
    pub(crate) is_limit: bool,
    /// Whether kustomize has no say in it, as a file is applied as it stands.
    pub(crate) is_as_written: bool,
}

/// How much a fault matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// The build goes on without harm: a file of a generator that is missing.
    Note,
    /// A part of the build is unknown: a remote base, a chart.
    Opaque,
    /// kustomize refuses to build this unless it is told to read files from anywhere.
    Restricted,
    /// It leads out of the repository, where npcheck reads nothing.
    Refused,
    /// kustomize would refuse to build this.
    Error,
}

impl Fault {
    /// What kustomize would refuse to build.
    pub(crate) fn error(span: Span, message: impl Into<String>) -> Self {
        Self::new(span, message, Weight::Error, PartEffect::Nothing)
    }

    /// A part that is unknown.
    pub(crate) fn opaque(span: Span, message: impl Into<String>, effect: PartEffect) -> Self {
        Self::new(span, message, Weight::Opaque, effect)
    }

    /// A part that is unknown because of a limit.
    pub(crate) fn limit(span: Span, message: impl Into<String>, effect: PartEffect) -> Self {
        let message: String = message.into();
        let advice = "pass in what your own tools build, as in `kustomize build | npcheck lint -`";
        Self {
            is_limit: true,
            ..Self::opaque(span, format!("{message}; {advice}"), effect)
        }
    }

    /// What kustomize refuses unless it is told to read files from anywhere, as Flux does.
    pub(crate) fn restricted(span: Span, message: impl Into<String>) -> Self {
        Self::new(span, message, Weight::Restricted, PartEffect::Nothing)
    }

    /// What leads out of the repository, and is not read.
    pub(crate) fn refused(span: Span, path: &str, effect: PartEffect) -> Self {
        let message = format!("`{path}` leads out of the repository");
        Self::new(span, message, Weight::Refused, effect)
    }

    /// What does no harm.
    pub(crate) fn note(span: Span, message: impl Into<String>) -> Self {
        Self::new(span, message, Weight::Note, PartEffect::Nothing)
    }

    /// The same, in this namespace if it has a name.
    pub(crate) fn within(mut self, namespace: &str) -> Self {
        if !namespace.is_empty() {
            self.namespaces = BTreeSet::from([namespace.to_owned()]);
        }
        self
    }

    /// Whether it is a file of objects that cannot be read.
    pub(crate) fn is_unread_file(&self) -> bool {
        self.weight == Weight::Error && self.effect != PartEffect::Nothing
    }

    /// Whether a part that is unknown may bring objects of its own.
    pub(crate) fn adds_unknown_objects(&self) -> bool {
        self.weight >= Weight::Opaque && self.effect != PartEffect::Nothing
    }

    /// The parts that are missing, one for each namespace; `None` is any. A mistake that leaves
    /// out nothing but itself has none.
    pub(crate) fn parts(&self) -> Vec<UnknownPart> {
        let part = |namespace: Option<&String>| UnknownPart {
            span: self.span,
            reason: match self.weight {
                Weight::Error => format!("this file cannot be read: {}", self.message),
                _ => self.message.clone(),
            },
            pods: None,
            namespace: namespace.map(|name| match name.as_str() {
                "" => "default".to_owned(),
                name => name.to_owned(),
            }),
            effect: self.effect,
            is_limit: self.is_limit,
        };
        if self.weight != Weight::Opaque && self.effect == PartEffect::Nothing {
            return Vec::new();
        }
        if self.namespaces.is_empty() {
            return vec![part(None)];
        }
        self.namespaces
            .iter()
            .map(|name| part(Some(name)))
            .collect()
    }

    fn new(span: Span, message: impl Into<String>, weight: Weight, effect: PartEffect) -> Self {
        let message = message.into();
        Self {
            span,
            message,
            weight,
            effect,
            namespaces: BTreeSet::new(),
            is_limit: false,
            is_as_written: false,
        }
    }
}

impl From<Fault> for Build<'_> {
    /// A build of which nothing comes, for this reason.
    fn from(fault: Fault) -> Self {
        Self {
            faults: vec![fault],
            ..Self::default()
        }
    }
}

//! What is wrong with a build, or missing from it.
//!
//! Refuses to know who wants to hear of it.

use crate::source::Span;

/// A remark on a build, with the text that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The text.
    pub(crate) span: Span,
    /// The fact.
    pub(crate) message: String,
    /// How much it matters.
    pub(crate) weight: Weight,
}

/// How much a fault matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// The build goes on without harm: a file of a generator that is missing.
    Note,
    /// A part of the build is unknown: a remote base, a chart.
    Opaque,
    /// kustomize would refuse to build this.
    Error,
}

impl Fault {
    /// What kustomize would refuse to build.
    pub(crate) fn error(span: Span, message: impl Into<String>) -> Self {
        Self::new(span, message, Weight::Error)
    }

    /// A part that is unknown.
    pub(crate) fn opaque(span: Span, message: impl Into<String>) -> Self {
        Self::new(span, message, Weight::Opaque)
    }

    /// What does no harm.
    pub(crate) fn note(span: Span, message: impl Into<String>) -> Self {
        Self::new(span, message, Weight::Note)
    }

    fn new(span: Span, message: impl Into<String>, weight: Weight) -> Self {
        let message = message.into();
        Self {
            span,
            message,
            weight,
        }
    }
}

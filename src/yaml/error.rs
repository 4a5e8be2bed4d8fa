//! Why a document could not be read, whatever it was written in.
//!
//! Refuses to know whether anybody wants to hear of it.

use crate::source::Span;

/// Why a document could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadError {
    /// The smallest text that is wrong.
    pub(crate) span: Span,
    /// The fact.
    pub(crate) message: String,
    /// A note on the text; may be empty.
    pub(crate) label: String,
    /// Another text that explains it, with a note.
    pub(crate) related: Option<(Span, String)>,
    /// What to do, where that is known.
    pub(crate) help: Option<String>,
    /// Whether the document may be right, but is too much for npcheck.
    pub(crate) is_limit: bool,
}

impl ReadError {
    /// A mistake in the text.
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Box<Self> {
        let message = message.into();
        Box::new(Self {
            span,
            message,
            label: String::new(),
            related: None,
            help: None,
            is_limit: false,
        })
    }

    /// A limit that was hit.
    pub(crate) fn limit(span: Span, message: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            is_limit: true,
            ..*Self::new(span, message)
        })
    }

    /// The same with a note on the text.
    pub(crate) fn label(mut self: Box<Self>, label: impl Into<String>) -> Box<Self> {
        self.label = label.into();
        self
    }

    /// The same with a note on another text.
    pub(crate) fn related(mut self: Box<Self>, span: Span, note: impl Into<String>) -> Box<Self> {
        self.related = Some((span, note.into()));
        self
    }

    /// The same with an instruction.
    pub(crate) fn help(mut self: Box<Self>, help: impl Into<String>) -> Box<Self> {
        self.help = Some(help.into());
        self
    }
}

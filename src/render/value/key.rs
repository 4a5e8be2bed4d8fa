//! The keys of mappings, as kustomize reads and prints them.
//!
//! Refuses to know what stands behind them.

use super::is_old_boolean;
use crate::source::Span;
use crate::yaml::Node;
use std::borrow::Cow;

/// A key.
#[derive(Clone, Debug)]
pub(crate) enum Key<'t> {
    /// As it stands in a text.
    Read(Node<'t>),
    /// Another one, and the text that it stands for.
    Made(Cow<'t, str>, Span),
}

impl<'t> Key<'t> {
    /// Its text.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Read(node) if is_old_boolean(node) => Cow::Borrowed(node.raw()),
            Self::Read(node) => node.key_text(),
            Self::Made(text, _) => Cow::Borrowed(text),
        }
    }

    /// Its text in what kustomize turns into JSON before it reads it, as it does kustomizations: a
    /// boolean or a number becomes a text.
    pub(crate) fn text_in_json(&self) -> Cow<'_, str> {
        match self {
            Self::Read(node) => node.key_text(),
            Self::Made(text, _) => Cow::Borrowed(text),
        }
    }

    /// As it is printed: what YAML 1.1 takes for a boolean is a text, and gets quotes. `None` if it
    /// stays as it is.
    pub(crate) fn as_printed(&self) -> Option<Self> {
        match self {
            Self::Read(node) if is_old_boolean(node) => {
                Some(Self::Made(Cow::Borrowed(node.raw()), node.span()))
            }
            _ => None,
        }
    }

    /// Whether it is this one.
    pub(crate) fn is(&self, key: &str) -> bool {
        match self {
            Self::Read(node) if is_old_boolean(node) => node.raw() == key,
            Self::Read(node) => node.is_key(key),
            Self::Made(text, _) => text == key,
        }
    }

    /// The text that it stands for.
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Read(node) => node.span(),
            Self::Made(_, span) => *span,
        }
    }
}

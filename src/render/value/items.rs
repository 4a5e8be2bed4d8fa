//! Single items of a sequence, without a look at all others.
//!
//! Refuses to know what they are.

use super::{Data, Value};

impl<'t> Value<'t> {
    /// How many items it has; none if it is no sequence.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Made(made) => match &made.data {
                Data::Sequence(items) => items.len(),
                _ => 0,
            },
            Self::Read(node) => node.items().count(),
        }
    }

    /// The item at a position.
    pub(crate) fn item(&self, position: usize) -> Option<Value<'t>> {
        match self {
            Self::Made(made) => match &made.data {
                Data::Sequence(items) => items.get(position).cloned(),
                _ => None,
            },
            Self::Read(node) => node.items().nth(position).map(Self::Read),
        }
    }
}

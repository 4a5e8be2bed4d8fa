//! The objects of a cluster that are deployed otherwise than they are written, by the text that
//! they are made from.
//!
//! Refuses to know how they were built, and what is said of them.

use super::Part;
use crate::render::ChangedObject;
use crate::source::{SourceId, Span};
use std::collections::HashMap;

/// Finds what changed an object on its way into a cluster.
#[derive(Debug, Default)]
pub struct BuiltObjects<'p> {
    by_text: HashMap<SourceId, Vec<&'p ChangedObject>>,
}

impl<'p> BuiltObjects<'p> {
    /// Those of a part.
    #[must_use]
    pub fn new(part: &'p Part) -> Self {
        let mut by_text: HashMap<SourceId, Vec<&'p ChangedObject>> = HashMap::new();
        for object in &part.changed {
            let of_text = by_text.entry(object.document.source).or_default();
            of_text.push(object);
        }
        Self { by_text }
    }

    /// All that are made from the document that a text lies in: several where overlays of one
    /// cluster build on the same base.
    pub fn all_at(&self, span: Span) -> impl Iterator<Item = &'p ChangedObject> {
        let of_text = self.by_text.get(&span.source).into_iter().flatten();
        of_text
            .copied()
            .filter(move |object| object.document.contains(span))
    }

    /// The one among them that is called so in the cluster: `namespace/Kind/name`.
    #[must_use]
    pub fn named(&self, span: Span, name: &str) -> Option<&'p ChangedObject> {
        self.all_at(span).find(|object| {
            // One that names no namespace has that of the cluster's default.
            let before = name.strip_suffix(&object.name);
            before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
        })
    }
}

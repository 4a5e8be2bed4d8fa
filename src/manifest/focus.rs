//! What of a list is read for a question about a few namespaces: a dump of a whole cluster is
//! mostly pods of others.
//!
//! Refuses to know the question, and whether the answer is the one of the full reading: who
//! asks makes sure of that.

use crate::k8s::{Document, is_opaque};
use std::collections::BTreeSet;

/// The namespaces that a text is read for; all of them by default.
#[derive(Clone, Debug, Default)]
pub struct Focus {
    namespaces: Option<BTreeSet<String>>,
}

/// How the names of namespaces begin that tell by themselves which platform it is.
const PLATFORM: &str = "openshift-";

impl Focus {
    /// Everything.
    pub const EVERYTHING: &'static Self = &Self { namespaces: None };

    /// What matters to pods of these namespaces.
    #[must_use]
    pub fn on(namespaces: impl IntoIterator<Item = String>) -> Self {
        Self {
            namespaces: Some(namespaces.into_iter().collect()),
        }
    }

    /// Whether a namespace is one that the text is read for.
    #[must_use]
    pub fn is_on(&self, namespace: &str) -> bool {
        let namespaces = self.namespaces.as_ref();
        namespaces.is_none_or(|namespaces| namespaces.contains(namespace))
    }

    /// Whether an object that only matters to pods of its namespace is left out, by its document.
    /// What another tool fills in may be any namespace.
    pub(super) fn leaves_out(&self, document: &Document) -> bool {
        let namespace = document.namespace.as_str();
        !self.is_on(namespace)
            && !namespace.is_empty()
            && !namespace.starts_with(PLATFORM)
            && !is_opaque(namespace)
            && !is_opaque(&document.name)
    }
}

//! Objects of kinds that npcheck does not read, as far as they tell of pods and of the
//! platform.
//!
//! Refuses to know what an operator makes of them.

use super::meta::{Labels, ObjectMeta};

/// An object of a kind that npcheck does not read: a custom resource, mostly.
#[derive(Clone, Debug)]
pub struct CustomObject {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// The API group, empty for the core group.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// The labels that it writes for pods: of a pod template, or of a field for them. An
    /// operator may add others.
    pub pod_labels: Labels,
    /// Whether it has fields of pods, as containers, an image or tolerations: an operator
    /// makes pods of it.
    pub describes_pods: bool,
    /// The namespace that it names for what is made of it; its own where `None`.
    pub target_namespace: Option<String>,
}

impl CustomObject {
    /// The namespace in which something is made of it, as far as it tells.
    #[must_use]
    pub fn home(&self) -> &str {
        self.target_namespace
            .as_deref()
            .unwrap_or_else(|| self.meta.namespace_name())
    }
}

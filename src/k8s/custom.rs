//! Objects of kinds that npcheck does not read, as far as they tell of pods and of the
//! platform.
//!
//! Refuses to know what an operator makes of them.

use super::cluster_network::ClusterNetwork;
use super::meta::{Labels, ObjectMeta};
use super::network_policy::Direction;
use super::release::{ReleasedPods, ReleasedPolicy};
use crate::source::Text;
use std::sync::Arc;

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
    pub target_namespace: Option<Text>,
    /// The policies that a controller makes of it.
    pub written_policies: Vec<WrittenPolicy>,
    /// The labels that an admission controller puts on other objects because of it.
    pub written_labels: Vec<WrittenLabel>,
    /// The pods of the release of a chart that it installs.
    pub released: Vec<ReleasedPods>,
    /// The policies that come with that release, as its values say.
    pub released_policies: Vec<ReleasedPolicy>,
    /// What that release says of the network of its cluster, where it installs a CNI plugin.
    pub network: Option<Arc<ClusterNetwork>>,
}

/// A policy that a controller makes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenPolicy {
    /// Where it is put; `None` for many namespaces, or one that is not told.
    pub namespace: Option<String>,
    /// Whether it may allow something: one without rules only denies.
    pub allows: bool,
    /// The directions in which it isolates pods.
    pub directions: Vec<Direction>,
}

/// A label that an admission controller puts on objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WrittenLabel {
    /// Its key.
    pub key: String,
    /// Which objects get it.
    pub holder: LabelHolder,
    /// The names of the namespaces that it is written in, or on; `*` and `?` stand for other
    /// characters. Empty for all of them.
    pub namespaces: Vec<String>,
    /// What becomes of one that is there.
    pub overwrites: Overwrites,
}

/// Which objects a label is written on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabelHolder {
    /// Pods, whatever makes them.
    Pods,
    /// The pods that an object of this kind makes; the kind in lower case.
    PodsOf(String),
    /// Namespaces.
    Namespaces,
    /// Other objects, which no policy asks for labels.
    Others,
}

/// What becomes of a label that is there when one of its key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Overwrites {
    /// It stays.
    Never,
    /// It gets another value.
    Value,
    /// It may get another value, or be taken away.
    All,
}

impl CustomObject {
    /// Whether an admission controller puts a label of this key on objects because of it.
    #[must_use]
    pub fn writes_label(&self, key: &str) -> bool {
        self.written_labels.iter().any(|label| label.key == key)
    }

    /// The namespace in which something is made of it, as far as it tells.
    #[must_use]
    pub fn home(&self) -> &str {
        self.target_namespace
            .as_deref()
            .unwrap_or_else(|| self.meta.namespace_name())
    }
}

//! What kustomize tells objects apart by: group, version, kind, namespace and name, and
//! which kinds it knows to have no namespace.
//!
//! Refuses to know what is in an object beyond that.

use super::value::Value;
use std::fmt;

/// Group, version and kind; an empty part of a selection stands for any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Gvk {
    /// The API group, empty for the core group.
    pub(crate) group: String,
    /// The version within the group.
    pub(crate) version: String,
    /// The kind.
    pub(crate) kind: String,
}

impl Gvk {
    /// Of an `apiVersion` and a `kind`.
    pub(crate) fn new(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
        }
    }

    /// Whether a selection takes it.
    pub(crate) fn is_selected_by(&self, selection: &Gvk) -> bool {
        let takes = |selected: &str, own: &str| selected.is_empty() || selected == own;
        takes(&selection.group, &self.group)
            && takes(&selection.version, &self.version)
            && takes(&selection.kind, &self.kind)
    }

    /// Whether kustomize knows that objects of this kind have no namespace. A kind that it
    /// does not know has one, be it `CiliumClusterwideNetworkPolicy`.
    pub(crate) fn is_cluster_scoped(&self) -> bool {
        let api_version = match self.group.is_empty() {
            true => self.version.clone(),
            false => format!("{}/{}", self.group, self.version),
        };
        CLUSTER_SCOPED
            .iter()
            .any(|(version, kinds)| *version == api_version && kinds.contains(&self.kind.as_str()))
    }
}

/// The kinds that kustomize takes for cluster-scoped, by `apiVersion` (kyaml,
/// `openapi.go`, and the Kubernetes 1.21 API that it carries).
const CLUSTER_SCOPED: &[(&str, &[&str])] = &[
    (
        "v1",
        &[
            "ComponentStatus",
            "Namespace",
            "Node",
            "NodeProxyOptions",
            "PersistentVolume",
        ],
    ),
    (
        "admissionregistration.k8s.io/v1",
        &[
            "MutatingWebhookConfiguration",
            "ValidatingWebhookConfiguration",
        ],
    ),
    (
        "admissionregistration.k8s.io/v1beta1",
        &[
            "MutatingWebhookConfiguration",
            "ValidatingWebhookConfiguration",
        ],
    ),
    ("apiextensions.k8s.io/v1", &["CustomResourceDefinition"]),
    (
        "apiextensions.k8s.io/v1beta1",
        &["CustomResourceDefinition"],
    ),
    ("apiregistration.k8s.io/v1", &["APIService"]),
    ("apiregistration.k8s.io/v1beta1", &["APIService"]),
    ("certificates.k8s.io/v1", &["CertificateSigningRequest"]),
    (
        "certificates.k8s.io/v1beta1",
        &["CertificateSigningRequest"],
    ),
    (
        "flowcontrol.apiserver.k8s.io/v1beta1",
        &["FlowSchema", "PriorityLevelConfiguration"],
    ),
    ("internal.apiserver.k8s.io/v1alpha1", &["StorageVersion"]),
    ("networking.k8s.io/v1", &["IngressClass"]),
    ("networking.k8s.io/v1beta1", &["IngressClass"]),
    ("node.k8s.io/v1", &["RuntimeClass"]),
    ("node.k8s.io/v1beta1", &["RuntimeClass"]),
    ("policy/v1beta1", &["PodSecurityPolicy"]),
    (
        "rbac.authorization.k8s.io/v1",
        &["ClusterRole", "ClusterRoleBinding"],
    ),
    (
        "rbac.authorization.k8s.io/v1beta1",
        &["ClusterRole", "ClusterRoleBinding"],
    ),
    ("scheduling.k8s.io/v1", &["PriorityClass"]),
    ("scheduling.k8s.io/v1beta1", &["PriorityClass"]),
    (
        "storage.k8s.io/v1",
        &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"],
    ),
    (
        "storage.k8s.io/v1beta1",
        &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"],
    ),
];

/// What tells an object apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ObjectId {
    /// Group, version and kind.
    pub(crate) gvk: Gvk,
    /// The name.
    pub(crate) name: String,
    /// The namespace as written, empty for none.
    pub(crate) namespace: String,
}

/// Stands for the namespace of what has none.
const NO_NAMESPACE: &str = "_non_namespaceable_";

impl ObjectId {
    /// The identity that an object's fields give.
    pub(crate) fn of(value: &Value<'_>) -> Self {
        Self {
            gvk: Gvk::new(&value.text_of(&["apiVersion"]), &value.text_of(&["kind"])),
            name: value.text_of(&["metadata", "name"]),
            namespace: value.text_of(&["metadata", "namespace"]),
        }
    }

    /// The namespace that it counts as: `default` where none is written.
    pub(crate) fn effective_namespace(&self) -> &str {
        match self.gvk.is_cluster_scoped() {
            true => NO_NAMESPACE,
            false => self.namespace_or_default(),
        }
    }

    fn namespace_or_default(&self) -> &str {
        match self.namespace.is_empty() {
            true => "default",
            false => &self.namespace,
        }
    }

    /// Whether both are one object.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.name == other.name
            && self.gvk == other.gvk
            && self.effective_namespace() == other.effective_namespace()
    }

    /// The key by which one object is there once.
    pub(crate) fn key(&self) -> (Gvk, String, String) {
        let namespace = self.effective_namespace().to_owned();
        (self.gvk.clone(), namespace, self.name.clone())
    }

    /// The same key, for a short while.
    pub(crate) fn borrowed_key(&self) -> (&Gvk, &str, &str) {
        (&self.gvk, self.effective_namespace(), &self.name)
    }

    /// Whether a selection takes it, of which empty parts stand for any.
    pub(crate) fn is_selected_by(&self, selection: &Self) -> bool {
        (selection.name.is_empty() || selection.name == self.name)
            && (selection.namespace.is_empty()
                || selection.namespace == self.namespace_or_default())
            && self.gvk.is_selected_by(&selection.gvk)
    }
}

impl fmt::Display for ObjectId {
    /// `Deployment/web`, with the namespace in front where it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        write!(f, "{}/{}", self.gvk.kind, self.name)
    }
}

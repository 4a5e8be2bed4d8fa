//! The fields of the policy kinds: which exist where, and what JSON they take.
//!
//! Refuses to know what a field means. The table is written from `networking/v1`
//! `types.go` and the CRDs of `policy.networking.k8s.io` (v1alpha1, v1alpha2).

use crate::k8s::ClusterPolicyKind;

/// What JSON a field takes; null goes everywhere and is the same as a missing field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Type {
    /// A mapping with these fields.
    Object(&'static Shape),
    /// A list.
    List(&'static Type),
    /// Labels: a mapping from any key to text.
    Labels,
    /// Labels or annotations of the object itself, which are looked at where the metadata
    /// of every kind is read.
    OwnLabels,
    /// Text.
    Text,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 32 bits, or text.
    IntegerOrText,
    /// True or false.
    Boolean,
    /// A time.
    Time,
    /// Anything: npcheck does not look into it, or another part of it does.
    Anything,
}

/// The fields of one type of the API.
#[derive(Debug)]
pub(super) struct Shape {
    /// How to speak of such a mapping: "a peer".
    pub(super) noun: &'static str,
    /// Its fields, in the order of the API.
    pub(super) fields: &'static [(&'static str, Type)],
}

impl Shape {
    /// The name and type of a field; `None` if there is no such field. Case matters, as it does
    /// to the API server.
    pub(super) fn field(&self, name: &str) -> Option<(&'static str, Type)> {
        self.fields
            .iter()
            .find(|(field, _)| *field == name)
            .copied()
    }

    /// The names of the fields, in the order of the API.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().map(|(name, _)| *name)
    }

    /// Whether it is a label selector, the one shape whose neighbours are free text.
    pub(super) fn is_selector(&self) -> bool {
        std::ptr::eq(self, &SELECTOR)
    }

    /// Whether it is a peer, the commonest home of selectors.
    pub(super) fn is_peer(&self) -> bool {
        std::ptr::eq(self, &PEER)
    }

    /// The shapes within this one that have a field of this name: what to say of a
    /// field that stands in the wrong place. In the order of the API, each once.
    pub(super) fn homes(&'static self, name: &str) -> Vec<&'static Shape> {
        let mut shapes = self.within();
        shapes.retain(|shape| shape.field(name).is_some());
        shapes
    }

    /// This shape and all that are reached from it, each once.
    pub(super) fn within(&'static self) -> Vec<&'static Shape> {
        let mut shapes = Vec::new();
        self.collect(&mut shapes);
        shapes
    }

    fn collect(&'static self, shapes: &mut Vec<&'static Shape>) {
        if shapes.iter().any(|known| std::ptr::eq(*known, self)) {
            return;
        }
        shapes.push(self);
        for (_, field_type) in self.fields {
            if let Some(shape) = field_type.shape() {
                shape.collect(shapes);
            }
        }
    }
}

impl Type {
    /// The shape of the mappings that it holds, directly or in a list.
    pub(super) fn shape(self) -> Option<&'static Shape> {
        match self {
            Self::Object(shape) => Some(shape),
            Self::List(item) => item.shape(),
            _ => None,
        }
    }
}

/// The shape of a cluster-wide policy.
pub(super) fn cluster_policy(kind: ClusterPolicyKind) -> &'static Shape {
    match kind {
        ClusterPolicyKind::AdminNetworkPolicy => &ADMIN_NETWORK_POLICY,
        ClusterPolicyKind::BaselineAdminNetworkPolicy => &BASELINE_ADMIN_NETWORK_POLICY,
        ClusterPolicyKind::ClusterNetworkPolicy => &CLUSTER_NETWORK_POLICY,
    }
}

/// The shape of an object of this kind, if it is a policy.
pub(super) fn policy(kind: &str) -> Option<&'static Shape> {
    match kind {
        "NetworkPolicy" => Some(&NETWORK_POLICY),
        "AdminNetworkPolicy" => Some(&ADMIN_NETWORK_POLICY),
        "BaselineAdminNetworkPolicy" => Some(&BASELINE_ADMIN_NETWORK_POLICY),
        "ClusterNetworkPolicy" => Some(&CLUSTER_NETWORK_POLICY),
        _ => None,
    }
}

/// A list of texts.
pub(super) const TEXTS: Type = Type::List(&Type::Text);
/// A label selector.
pub(super) const SELECTOR_TYPE: Type = Type::Object(&SELECTOR);

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident = $noun:literal { $($field:literal: $type:expr),* $(,)? })*) => {$(
        $(#[$doc])*
        pub(super) static $name: Shape = Shape { noun: $noun, fields: &[$(($field, $type)),*] };
    )*};
}

shapes! {
    /// `NetworkPolicy` of `networking.k8s.io/v1`. `status` existed from 1.24 to 1.27 and
    /// still stands in what `kubectl get` wrote then.
    NETWORK_POLICY = "the policy" {
        "apiVersion": Type::Text,
        "kind": Type::Text,
        "metadata": Type::Object(&METADATA),
        "spec": Type::Object(&NETWORK_POLICY_SPEC),
        "status": Type::Anything,
    }
    /// Its `spec`.
    NETWORK_POLICY_SPEC = "`spec`" {
        "podSelector": SELECTOR_TYPE,
        "ingress": Type::List(&Type::Object(&INGRESS_RULE)),
        "egress": Type::List(&Type::Object(&EGRESS_RULE)),
        "policyTypes": TEXTS,
    }
    /// `NetworkPolicyIngressRule`.
    INGRESS_RULE = "an ingress rule" {
        "ports": Type::List(&Type::Object(&PORT)),
        "from": Type::List(&Type::Object(&PEER)),
    }
    /// `NetworkPolicyEgressRule`.
    EGRESS_RULE = "an egress rule" {
        "ports": Type::List(&Type::Object(&PORT)),
        "to": Type::List(&Type::Object(&PEER)),
    }
    /// `NetworkPolicyPort`.
    PORT = "an entry of `ports`" {
        "protocol": Type::Text,
        "port": Type::IntegerOrText,
        "endPort": Type::Integer,
    }
    /// `NetworkPolicyPeer`.
    PEER = "a peer" {
        "podSelector": SELECTOR_TYPE,
        "namespaceSelector": SELECTOR_TYPE,
        "ipBlock": Type::Object(&IP_BLOCK),
    }
    /// `IPBlock`.
    IP_BLOCK = "`ipBlock`" { "cidr": Type::Text, "except": TEXTS }
    /// `LabelSelector`.
    SELECTOR = "a selector" {
        "matchLabels": Type::Labels,
        "matchExpressions": Type::List(&Type::Object(&REQUIREMENT)),
    }
    /// What stands in `matchLabels`: anything, so that no key is a field of it.
    LABELS = "`matchLabels`" {}
    /// `LabelSelectorRequirement`.
    REQUIREMENT = "an entry of `matchExpressions`" {
        "key": Type::Text,
        "operator": Type::Text,
        "values": TEXTS,
    }
    /// `ObjectMeta`, with the fields that older servers wrote. What labels and annotations
    /// hold is looked at where the metadata of every kind is read.
    METADATA = "`metadata`" {
        "name": Type::Text,
        "generateName": Type::Text,
        "namespace": Type::Text,
        "selfLink": Type::Text,
        "uid": Type::Text,
        "resourceVersion": Type::Text,
        "generation": Type::Integer,
        "creationTimestamp": Type::Time,
        "deletionTimestamp": Type::Time,
        "deletionGracePeriodSeconds": Type::Integer,
        "labels": Type::OwnLabels,
        "annotations": Type::OwnLabels,
        "ownerReferences": Type::List(&Type::Object(&OWNER_REFERENCE)),
        "finalizers": TEXTS,
        "managedFields": Type::List(&Type::Object(&MANAGED_FIELDS)),
        "clusterName": Type::Text,
        "initializers": Type::Anything,
    }

    /// `ManagedFieldsEntry`.
    MANAGED_FIELDS = "an entry of `managedFields`" {
        "manager": Type::Text,
        "operation": Type::Text,
        "apiVersion": Type::Text,
        "time": Type::Time,
        "fieldsType": Type::Text,
        "fieldsV1": Type::Anything,
        "subresource": Type::Text,
    }
    /// `OwnerReference`.
    OWNER_REFERENCE = "an entry of `ownerReferences`" {
        "apiVersion": Type::Text,
        "kind": Type::Text,
        "name": Type::Text,
        "uid": Type::Text,
        "controller": Type::Boolean,
        "blockOwnerDeletion": Type::Boolean,
    }
    /// `AdminNetworkPolicy`, v1alpha1.
    ADMIN_NETWORK_POLICY = "the policy" {
        "apiVersion": Type::Text,
        "kind": Type::Text,
        "metadata": Type::Object(&METADATA),
        "spec": Type::Object(&ADMIN_SPEC),
        "status": Type::Anything,
    }
    /// Its `spec`.
    ADMIN_SPEC = "`spec`" {
        "priority": Type::Integer,
        "subject": Type::Object(&SUBJECT),
        "ingress": Type::List(&Type::Object(&ADMIN_INGRESS_RULE)),
        "egress": Type::List(&Type::Object(&ADMIN_EGRESS_RULE)),
    }
    /// `BaselineAdminNetworkPolicy`, v1alpha1.
    BASELINE_ADMIN_NETWORK_POLICY = "the policy" {
        "apiVersion": Type::Text,
        "kind": Type::Text,
        "metadata": Type::Object(&METADATA),
        "spec": Type::Object(&BASELINE_ADMIN_SPEC),
        "status": Type::Anything,
    }
    /// Its `spec`.
    BASELINE_ADMIN_SPEC = "`spec`" {
        "subject": Type::Object(&SUBJECT),
        "ingress": Type::List(&Type::Object(&ADMIN_INGRESS_RULE)),
        "egress": Type::List(&Type::Object(&ADMIN_EGRESS_RULE)),
    }
    /// An ingress rule of both v1alpha1 kinds.
    ADMIN_INGRESS_RULE = "an ingress rule" {
        "name": Type::Text,
        "action": Type::Text,
        "from": Type::List(&Type::Object(&CLUSTER_INGRESS_PEER)),
        "ports": Type::List(&Type::Object(&ADMIN_PORT)),
    }
    /// An egress rule of both v1alpha1 kinds.
    ADMIN_EGRESS_RULE = "an egress rule" {
        "name": Type::Text,
        "action": Type::Text,
        "to": Type::List(&Type::Object(&CLUSTER_EGRESS_PEER)),
        "ports": Type::List(&Type::Object(&ADMIN_PORT)),
    }
    /// `AdminNetworkPolicyPort`.
    ADMIN_PORT = "an entry of `ports`" {
        "portNumber": Type::Object(&ADMIN_PORT_NUMBER),
        "namedPort": Type::Text,
        "portRange": Type::Object(&ADMIN_PORT_RANGE),
    }
    /// Its `portNumber`.
    ADMIN_PORT_NUMBER = "`portNumber`" { "protocol": Type::Text, "port": Type::Integer }
    /// Its `portRange`.
    ADMIN_PORT_RANGE = "`portRange`" {
        "protocol": Type::Text,
        "start": Type::Integer,
        "end": Type::Integer,
    }

    /// `ClusterNetworkPolicy`, v1alpha2.
    CLUSTER_NETWORK_POLICY = "the policy" {
        "apiVersion": Type::Text,
        "kind": Type::Text,
        "metadata": Type::Object(&METADATA),
        "spec": Type::Object(&CLUSTER_SPEC),
        "status": Type::Anything,
    }
    /// Its `spec`.
    CLUSTER_SPEC = "`spec`" {
        "tier": Type::Text,
        "priority": Type::Integer,
        "subject": Type::Object(&SUBJECT),
        "ingress": Type::List(&Type::Object(&CLUSTER_INGRESS_RULE)),
        "egress": Type::List(&Type::Object(&CLUSTER_EGRESS_RULE)),
    }
    /// An ingress rule of a `ClusterNetworkPolicy`.
    CLUSTER_INGRESS_RULE = "an ingress rule" {
        "name": Type::Text,
        "action": Type::Text,
        "from": Type::List(&Type::Object(&CLUSTER_INGRESS_PEER)),
        "protocols": Type::List(&Type::Object(&CLUSTER_PROTOCOL)),
    }
    /// An egress rule of a `ClusterNetworkPolicy`.
    CLUSTER_EGRESS_RULE = "an egress rule" {
        "name": Type::Text,
        "action": Type::Text,
        "to": Type::List(&Type::Object(&CLUSTER_EGRESS_PEER)),
        "protocols": Type::List(&Type::Object(&CLUSTER_PROTOCOL)),
    }
    /// `ClusterNetworkPolicyProtocol`.
    CLUSTER_PROTOCOL = "an entry of `protocols`" {
        "tcp": Type::Object(&CLUSTER_TRANSPORT),
        "udp": Type::Object(&CLUSTER_TRANSPORT),
        "sctp": Type::Object(&CLUSTER_TRANSPORT),
        "destinationNamedPort": Type::Text,
    }
    /// What stands under `tcp`, `udp` and `sctp`.
    CLUSTER_TRANSPORT = "a protocol" { "destinationPort": Type::Object(&CLUSTER_PORT) }
    /// `Port`.
    CLUSTER_PORT = "`destinationPort`" {
        "number": Type::Integer,
        "range": Type::Object(&CLUSTER_PORT_RANGE),
    }
    /// `PortRange`.
    CLUSTER_PORT_RANGE = "`range`" { "start": Type::Integer, "end": Type::Integer }

    /// The subject of all three kinds.
    SUBJECT = "`subject`" {
        "namespaces": SELECTOR_TYPE,
        "pods": Type::Object(&NAMESPACED_POD),
    }
    /// `NamespacedPod`.
    NAMESPACED_POD = "`pods`" {
        "namespaceSelector": SELECTOR_TYPE,
        "podSelector": SELECTOR_TYPE,
    }
    /// A source.
    CLUSTER_INGRESS_PEER = "a peer of `from`" {
        "namespaces": SELECTOR_TYPE,
        "pods": Type::Object(&NAMESPACED_POD),
    }
    /// A destination.
    CLUSTER_EGRESS_PEER = "a peer of `to`" {
        "namespaces": SELECTOR_TYPE,
        "pods": Type::Object(&NAMESPACED_POD),
        "nodes": SELECTOR_TYPE,
        "networks": TEXTS,
        "domainNames": TEXTS,
    }
}

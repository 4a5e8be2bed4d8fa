//! The cluster-wide policies of `policy.networking.k8s.io`: three kinds of two API
//! generations, read into one type that is spelled as the newest one.
//!
//! Refuses to know how tiers are evaluated; it only says in which one a policy is.

use super::meta::ObjectMeta;
use super::network_policy::Protocol;
use super::selector::LabelSelector;
use crate::source::{Span, Spanned, Text};
use ipnet::IpNet;

/// The kind that a cluster-wide policy was written as.
#[allow(
    clippy::enum_variant_names,
    reason = "the kinds have these names in the API"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClusterPolicyKind {
    /// `AdminNetworkPolicy`, v1alpha1.
    AdminNetworkPolicy,
    /// `BaselineAdminNetworkPolicy`, v1alpha1.
    BaselineAdminNetworkPolicy,
    /// `ClusterNetworkPolicy`, v1alpha2.
    ClusterNetworkPolicy,
}

impl ClusterPolicyKind {
    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::AdminNetworkPolicy,
        Self::BaselineAdminNetworkPolicy,
        Self::ClusterNetworkPolicy,
    ];

    /// As `kind` spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AdminNetworkPolicy => "AdminNetworkPolicy",
            Self::BaselineAdminNetworkPolicy => "BaselineAdminNetworkPolicy",
            Self::ClusterNetworkPolicy => "ClusterNetworkPolicy",
        }
    }
}

/// When a policy is looked at: before or after the NetworkPolicies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Before the NetworkPolicies.
    Admin,
    /// After them, where none of them selects the pod.
    Baseline,
}

/// What a rule does with the traffic that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Allows it (`Accept`, in v1alpha1 `Allow`).
    Accept,
    /// Denies it.
    Deny,
    /// Leaves the tier and goes on with the next one.
    Pass,
}

/// A cluster-wide policy.
#[derive(Clone, Debug)]
pub struct ClusterNetworkPolicy {
    /// Its metadata; it has no namespace.
    pub meta: ObjectMeta,
    /// The kind it was written as.
    pub kind: ClusterPolicyKind,
    /// Its tier; by its kind for the v1alpha1 ones.
    pub tier: Tier,
    /// `spec.priority`, lower first. A `BaselineAdminNetworkPolicy` has 1001: it comes
    /// after every Baseline `ClusterNetworkPolicy` (S12).
    pub priority: Spanned<i32>,
    /// `spec.subject`.
    pub subject: Spanned<PodsSelection>,
    /// `spec.ingress`, in the order of evaluation.
    pub ingress: Vec<ClusterNetworkPolicyRule>,
    /// `spec.egress`, in the order of evaluation.
    pub egress: Vec<ClusterNetworkPolicyRule>,
    /// The directions that it is not about, whatever becomes of the rest of it: where the API
    /// server rejects it, putting that right changes nothing in them.
    pub silent: Vec<super::Direction>,
}

impl ClusterNetworkPolicy {
    /// Whether its version takes networks with host bits: v1beta1 no longer does.
    #[must_use]
    pub fn takes_host_bits(api_version: &str) -> bool {
        api_version.contains("/v1alpha")
    }

    /// The rules of a direction, in the order of evaluation.
    #[must_use]
    pub fn rules(&self, direction: super::Direction) -> &[ClusterNetworkPolicyRule] {
        match direction {
            super::Direction::Ingress => &self.ingress,
            super::Direction::Egress => &self.egress,
        }
    }
}

/// Pods by their namespace, and maybe by their own labels.
#[derive(Clone, Debug)]
pub enum PodsSelection {
    /// `namespaces`: every pod of the namespaces that match.
    Namespaces(LabelSelector),
    /// `pods`: the pods that match, in the namespaces that match; a missing selector
    /// is an empty one here and matches everything.
    Pods {
        /// `namespaceSelector`.
        namespace_selector: LabelSelector,
        /// `podSelector`.
        pod_selector: LabelSelector,
    },
}

impl PodsSelection {
    /// What it asks of namespaces, and of pods; `None` where it takes every pod of them.
    #[must_use]
    pub fn selectors(&self) -> (&LabelSelector, Option<&LabelSelector>) {
        match self {
            Self::Namespaces(namespaces) => (namespaces, None),
            Self::Pods {
                namespace_selector,
                pod_selector,
            } => (namespace_selector, Some(pod_selector)),
        }
    }
}

/// A rule of a cluster-wide policy.
#[derive(Clone, Debug)]
pub struct ClusterNetworkPolicyRule {
    /// The whole rule, without its hyphen.
    pub span: Span,
    /// The hyphen of the list item; `None` in flow style.
    pub dash: Option<Span>,
    /// `name`, free text.
    pub name: Option<Spanned<String>>,
    /// `action`.
    pub action: Spanned<Action>,
    /// `from` or `to`; never empty in a policy that is accepted.
    pub peers: Vec<ClusterNetworkPolicyPeer>,
    /// `ports` or `protocols`; `None` matches every port of every protocol.
    pub ports: Option<Vec<ClusterNetworkPolicyPort>>,
}

/// An entry of `from` or `to`.
#[derive(Clone, Debug)]
pub struct ClusterNetworkPolicyPeer {
    /// The whole peer, without its hyphen.
    pub span: Span,
    /// What it selects.
    pub selection: PeerSelection,
}

/// What a peer of a cluster-wide policy selects.
#[derive(Clone, Debug)]
pub enum PeerSelection {
    /// Pods, by `namespaces` or `pods`.
    Pods(PodsSelection),
    /// `networks`: addresses, pods included (egress only); host bits as written.
    Networks(Vec<Spanned<IpNet>>),
    /// `nodes`: the addresses of Nodes with these labels (egress only).
    Nodes(LabelSelector),
    /// `domainNames`: cannot be resolved offline, matches nothing (egress only).
    DomainNames(Vec<Spanned<String>>),
}

/// An entry of `ports` or `protocols`.
#[derive(Clone, Debug)]
pub struct ClusterNetworkPolicyPort {
    /// The whole entry.
    pub span: Span,
    /// What it matches.
    pub matches: PortMatch,
}

/// What an entry of `ports` or `protocols` matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortMatch {
    /// The numbers `first..=last` of a protocol; 1 to 65535 where none is written.
    Numbers {
        /// The protocol, TCP where v1alpha1 has none written.
        protocol: Protocol,
        /// The first number.
        first: u16,
        /// The last number.
        last: u16,
    },
    /// The destination's containerPorts of this name, whatever their protocol.
    Name(Text),
}

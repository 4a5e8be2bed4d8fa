//! Where the parts of the program stand in the policies as they are written.
//!
//! Refuses to know what they mean.

use crate::cluster::{Cluster, ClusterPolicyId, PluginPolicyId, PolicyId, UnknownPartId};
use crate::k8s::{
    CalicoRule, CiliumPeerField, CiliumPort, CiliumRule, CiliumSpec, ClusterNetworkPolicyPeer,
    ClusterNetworkPolicyPort, ClusterNetworkPolicyRule, Direction, EgressFirewallPort,
    EgressFirewallRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicyRule, ObjectMeta,
};
use crate::source::Span;

/// Where a rule stands: its policy is that of its chain.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'c> {
    /// Its place among the rules of its direction, from 0.
    pub index: usize,
    /// The rule as it is written.
    pub rule: RuleRef<'c>,
}

/// A policy of any kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyRef {
    /// A `NetworkPolicy`.
    Network(PolicyId),
    /// A cluster-wide policy.
    Cluster(ClusterPolicyId),
    /// A policy that only a CNI plugin knows.
    Plugin(PluginPolicyId),
    /// Whatever a part may bring that nobody could build.
    Part(UnknownPartId),
    /// No policy: the agent of the CNI plugin isolates every pod by itself, as its option says
    /// (Cilium's `enable-policy: always`).
    Agent,
}

impl PolicyRef {
    /// What the object says of itself; `None` for what is no object.
    #[must_use]
    pub fn meta(self, cluster: &Cluster) -> Option<&ObjectMeta> {
        Some(match self {
            Self::Network(id) => &cluster.policy(id).object.meta,
            Self::Cluster(id) => &cluster.cluster_policy(id).meta,
            Self::Plugin(id) => &cluster.plugin_policy(id).meta,
            Self::Part(_) | Self::Agent => return None,
        })
    }
}

/// A rule as a policy has it.
#[derive(Clone, Copy, Debug)]
pub enum RuleRef<'c> {
    /// Of a `NetworkPolicy`.
    Network(&'c NetworkPolicyRule),
    /// Of a cluster-wide policy.
    Cluster(&'c ClusterNetworkPolicyRule),
    /// Of Cilium, in a rule set.
    Cilium(&'c CiliumSpec, &'c CiliumRule),
    /// Of Calico.
    Calico(&'c CalicoRule),
    /// Of an `EgressFirewall`.
    EgressFirewall(&'c EgressFirewallRule),
    /// No rule of the text: a primary network of OVN-Kubernetes, whose name this is, keeps its
    /// pods from those of other networks.
    PrimaryNetwork(Span),
    /// No rule of the policy, whose name this is: its pods' own node always gets in (Cilium).
    OwnNode(Option<Span>),
    /// No rule that could be read: the text of the policy.
    Unread(Span),
    /// What another tool fills in outside of the rules, or instead of a rule.
    FilledIn(Span),
}

impl RuleRef<'_> {
    /// Where it stands; the policy's name where it is no rule of the text, and `None` where
    /// there is no policy either.
    #[must_use]
    pub fn span(self) -> Option<Span> {
        Some(match self {
            Self::Network(rule) => rule.span,
            Self::Cluster(rule) => rule.span,
            Self::Cilium(_, rule) => rule.span,
            Self::Calico(rule) => rule.span,
            Self::EgressFirewall(rule) => rule.span,
            Self::Unread(span) | Self::FilledIn(span) | Self::PrimaryNetwork(span) => span,
            Self::OwnNode(span) => return span,
        })
    }

    /// Whether the rule asks for more than its peers and ports, so that some of what these
    /// match may not pass.
    #[must_use]
    pub fn is_restricted(self) -> bool {
        matches!(self, Self::Cilium(_, rule) if rule.layer7().is_some())
    }
}

/// A peer as a policy has it.
#[derive(Clone, Copy, Debug)]
pub enum PeerRef<'c> {
    /// Of a `NetworkPolicy`.
    Network(&'c NetworkPolicyPeer),
    /// Of a cluster-wide policy.
    Cluster(&'c ClusterNetworkPolicyPeer),
    /// Of Cilium: the field, and the entry's text.
    Cilium(&'c CiliumPeerField, Span),
    /// Of Calico: one end of the rule.
    Calico(&'c CalicoRule, Direction),
    /// Of an `EgressFirewall`: where its rule leads.
    EgressFirewall(&'c EgressFirewallRule),
    /// The pods' own node.
    OwnNode,
    /// Pods of another network than a primary one of OVN-Kubernetes.
    OtherNetworks,
    /// Nodes that a policy of their own is about.
    Nodes,
}

/// A port entry as a policy has it.
#[derive(Clone, Copy, Debug)]
pub enum PortRef<'c> {
    /// Of a `NetworkPolicy`.
    Network(&'c NetworkPolicyPort),
    /// Of a cluster-wide policy.
    Cluster(&'c ClusterNetworkPolicyPort),
    /// Of Cilium.
    Cilium(&'c CiliumPort),
    /// Of Calico: all ports of the rule.
    Calico(&'c CalicoRule),
    /// Of an `EgressFirewall`.
    EgressFirewall(&'c EgressFirewallPort),
}

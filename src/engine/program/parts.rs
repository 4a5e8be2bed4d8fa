//! The policies that a part of the cluster may bring that nobody could build, as what they may
//! do: any NetworkPolicy isolates pods and allows something, one that a controller writes may
//! only isolate, and a part that changes others may do anything.
//!
//! Refuses to know what such a part is.

use super::{Chain, End, HostNetwork, NamespaceSet, PodSet, PolicyRef, Stage};
use crate::cluster::{Cluster, ClusterPolicyId, NamespaceId, PluginPolicyId, PolicyId};
use crate::engine::NamespaceView;
use crate::k8s::{Direction, LabelSelector, NAMESPACE_NAME_LABEL, PartEffect, Truth};

/// Which pods are asked for: all of the cluster, those of a namespace, or those of one that is
/// not there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    All,
    Of(Option<NamespaceId>),
}

impl Asked {
    /// The NetworkPolicies that can select these pods.
    pub(super) fn policies(self, cluster: &Cluster) -> Vec<PolicyId> {
        match self {
            Self::All => cluster.policy_ids().collect(),
            Self::Of(namespace) => namespace.map_or_else(Vec::new, |namespace| {
                cluster.policies_in(namespace).collect()
            }),
        }
    }

    /// The cluster-wide policies that can select these pods, maybe among others, in the order of
    /// evaluation.
    pub(super) fn cluster_policies(self, cluster: &Cluster) -> Vec<ClusterPolicyId> {
        let view = match self {
            Self::Of(Some(id)) => NamespaceView::of(cluster, id),
            Self::Of(None) | Self::All => return cluster.cluster_policy_ids().collect(),
        };
        match view.are_labels_known {
            true => cluster.cluster_policies_about(view.labels),
            false => cluster.cluster_policy_ids().collect(),
        }
    }

    /// Whether a cluster-wide policy for pods of the namespaces that a selector matches can
    /// select these pods.
    pub(super) fn may_be_in(self, cluster: &Cluster, namespaces: &LabelSelector) -> bool {
        let Self::Of(Some(id)) = self else {
            return true;
        };
        let view = NamespaceView::of(cluster, id);
        !view.are_labels_known || namespaces.matches_opaque(view.labels) != Truth::False
    }

    /// The policies that only a CNI plugin knows and that can select these pods.
    pub(super) fn plugin_policies(self, cluster: &Cluster) -> Vec<PluginPolicyId> {
        let Self::Of(namespace) = self else {
            return cluster.plugin_policy_ids().collect();
        };
        let view = namespace.map(|id| NamespaceView::of(cluster, id));
        let name = view.map(|view| view.name);
        let known = view.filter(|view| {
            let named = view.labels.get(NAMESPACE_NAME_LABEL);
            view.are_labels_known && named == Some(view.name)
        });
        cluster.plugin_policies_about(name, known.map(|view| view.labels))
    }

    /// Whether the namespace of these pods has such a policy that only a CNI plugin knows, or all
    /// have.
    pub(super) fn may_have(
        self,
        cluster: &Cluster,
        is_one: impl Fn(&PluginPolicyId) -> bool,
    ) -> bool {
        let name = match self {
            Self::All => None,
            Self::Of(namespace) => Some(namespace.map(|id| cluster.namespace(id).name.as_str())),
        };
        let mut ids = cluster.plugin_policy_ids();
        ids.any(|id| {
            let own = cluster.plugin_policy(id).namespace();
            is_one(&id) && name.is_none_or(|name| own.is_none() || own == name)
        })
    }

    /// The namespaces of these pods.
    fn namespaces(self, cluster: &Cluster) -> Vec<NamespaceId> {
        match self {
            Self::All => cluster.namespace_ids().collect(),
            Self::Of(namespace) => namespace.into_iter().collect(),
        }
    }
}

/// Adds what parts may bring to the stage of the NetworkPolicies.
pub(super) fn add_policies<'c>(cluster: &'c Cluster, asked: Asked, stage: &mut Stage<'c>) {
    const EFFECTS: [PartEffect; 5] = [
        PartEffect::Isolates(Direction::Ingress),
        PartEffect::Isolates(Direction::Egress),
        PartEffect::AddsPolicies(Direction::Ingress),
        PartEffect::AddsPolicies(Direction::Egress),
        PartEffect::Adds,
    ];
    for effect in EFFECTS {
        add(cluster, asked, effect, End::Deny, stage);
    }
}

/// Adds what parts may change, and policies for all pods that nobody can read, to a stage that
/// decides before all others.
pub(super) fn add_changes<'c>(cluster: &'c Cluster, asked: Asked, stage: &mut Stage<'c>) {
    for effect in [PartEffect::Covers, PartEffect::Changes] {
        add(cluster, asked, effect, End::Next, stage);
    }
}

fn add<'c>(
    cluster: &'c Cluster,
    asked: Asked,
    effect: PartEffect,
    end: End,
    stage: &mut Stage<'c>,
) {
    for namespace in asked.namespaces(cluster) {
        for id in cluster.parts_in(namespace, &[effect]) {
            let subject = PodSet {
                namespaces: NamespaceSet::One(namespace),
                pods: cluster.unknown_part(id).pods.as_ref(),
                host_network: HostNetwork::Unseen,
                condition: None,
            };
            let text = cluster.unknown_part(id).span;
            for direction in Direction::BOTH {
                let mut chain = Chain::unread(PolicyRef::Part(id), subject.clone(), text, end);
                match effect {
                    PartEffect::Isolates(only) | PartEffect::AddsPolicies(only)
                        if only != direction =>
                    {
                        continue;
                    }
                    PartEffect::Isolates(_) => chain.rules.clear(),
                    _ => {}
                }
                stage.chains.get_mut(direction).push(chain);
            }
        }
    }
}

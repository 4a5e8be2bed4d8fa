//! Networks of OVN-Kubernetes that take the place of the cluster's, in the form of the program
//! (S15): a gate of its own, which keeps their pods from those of every other network.
//!
//! Refuses to know which pods there are, but for those that let in others on purpose, and what
//! such a network lets through otherwise: nobody evaluates that (see
//! [`foreign`](super::foreign)).

use super::foreign::is_in_force;
use super::{
    Chain, End, HostNetwork, Matcher, NamespaceSet, Origin, Peer, PeerRef, PodSet, PolicyRef, Rule,
    RuleRef, Stage, StageName,
};
use crate::cluster::{Cluster, PluginPolicyId};
use crate::engine::NamespaceView;
use crate::k8s::{Action, Direction, LabelSelector, PluginSpec, Truth};

/// The stage of the networks among these policies.
pub(super) fn lower<'c>(cluster: &'c Cluster, policies: &[PluginPolicyId]) -> Stage<'c> {
    let mut stage = Stage::new(StageName::PrimaryNetworks);
    for id in policies {
        let policy = cluster.plugin_policy(*id);
        let PluginSpec::PrimaryNetwork(network) = &policy.spec else {
            continue;
        };
        let is_known = policy.meta.is_accepted && policy.meta.holes.is_empty();
        if !is_known || !is_in_force(cluster, policy) {
            continue;
        }
        for direction in Direction::BOTH {
            if direction == Direction::Ingress && may_open_ports(cluster, &network.namespaces) {
                continue;
            }
            let elsewhere = network.elsewhere.iter().map(|selector| Peer {
                origin: PeerRef::OtherNetworks,
                matcher: Matcher::Pods(pods(selector)),
            });
            let rule = Rule {
                origin: Origin {
                    index: 0,
                    rule: RuleRef::PrimaryNetwork(policy.meta.name.span),
                },
                action: Action::Deny,
                peers: Some(elsewhere.collect()),
                ports: None,
                is_opaque: false,
            };
            let chain = Chain {
                policy: PolicyRef::Plugin(*id),
                subject: pods(&network.namespaces),
                is_subject_known: true,
                rules: vec![rule],
                end: End::Next,
            };
            stage.chains.get_mut(direction).push(chain);
        }
    }
    stage
}

/// The annotation by which a pod lets in pods of the cluster's own network on some ports
/// (ovn-kubernetes, "Opening ports for UDN pods").
const OPEN_PORTS: &str = "k8s.ovn.org/open-default-ports";

/// Whether pods of some namespaces may let in others on some ports.
fn may_open_ports(cluster: &Cluster, namespaces: &LabelSelector) -> bool {
    let mut workloads = cluster.workloads().iter();
    workloads.any(|workload| {
        let home = NamespaceView::of(cluster, workload.namespace);
        workload.object.annotations.get(OPEN_PORTS).is_some()
            && (!home.are_labels_known || namespaces.matches_opaque(home.labels) != Truth::False)
    })
}

/// The pods of some namespaces; those on the network of their node are on no other.
fn pods(namespaces: &LabelSelector) -> PodSet<'_> {
    PodSet {
        namespaces: NamespaceSet::Matching(namespaces),
        pods: None,
        host_network: HostNetwork::Unseen,
        condition: None,
    }
}

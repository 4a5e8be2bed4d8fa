//! Networks of OVN-Kubernetes that take the place of the cluster's, in the form of the program
//! (S15): a gate of its own, which keeps their pods from those of every other network.
//!
//! Refuses to know what such a network lets through otherwise: nobody evaluates that (see
//! [`foreign`](super::foreign)).

use super::foreign::is_in_force;
use super::{
    Chain, End, HostNetwork, Matcher, NamespaceSet, Origin, Peer, PeerRef, PodSet, PolicyRef, Rule,
    RuleRef, Stage, StageName,
};
use crate::cluster::{Cluster, PluginPolicyId};
use crate::k8s::{Action, Direction, LabelSelector, PluginSpec};

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

/// The pods of some namespaces; those on the network of their node are on no other.
fn pods(namespaces: &LabelSelector) -> PodSet<'_> {
    PodSet {
        namespaces: NamespaceSet::Matching(namespaces),
        pods: None,
        host_network: HostNetwork::Unseen,
        condition: None,
    }
}

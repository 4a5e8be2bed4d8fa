//! `EgressFirewall` of OVN-Kubernetes in the form of the program (S15): a gate of its own,
//! as it acts beside the policies, and both have to let a connection through.
//!
//! Refuses to know the policies, and which pods there are.

use super::condition::Condition;
use super::{
    Block, Chain, End, HostNetwork, Matcher, NamespaceSet, Origin, Peer, PeerRef, PodSet,
    PolicyRef, PortEntry, PortRef, Ports, Reading, Rule, RuleRef, Stage, StageName, cluster_policy,
};
use crate::cluster::{Cluster, Cni, PluginPolicyId};
use crate::engine::ports::PortSet;
use crate::k8s::{
    Direction, EgressFirewallDestination, EgressFirewallPort, EgressFirewallRule, PluginSpec,
};

/// The stage of the firewalls among these policies; empty under another plugin.
pub(super) fn lower<'c>(
    cluster: &'c Cluster,
    policies: &[PluginPolicyId],
    reading: Reading<'_>,
) -> Stage<'c> {
    let mut stage = Stage::new(StageName::EgressFirewall);
    let cni = reading.enforcement.cni().map(|cni| cni.value);
    if cni != Some(Cni::OvnKubernetes) {
        return stage;
    }
    for id in policies {
        let policy = cluster.plugin_policy(*id);
        let PluginSpec::EgressFirewall(firewall) = &policy.spec else {
            continue;
        };
        let home = cluster.namespace_by_name(policy.meta.namespace_name());
        let Some(home) = home else {
            continue;
        };
        let subject = PodSet {
            namespaces: NamespaceSet::One(home),
            pods: None,
            host_network: HostNetwork::Unseen,
            condition: None,
        };
        let (policy_ref, text) = (PolicyRef::Plugin(*id), policy.meta.name.span);
        let chain = match policy.meta.is_accepted {
            true => Chain {
                policy: policy_ref,
                subject,
                is_subject_known: true,
                rules: (firewall.rules.iter().enumerate())
                    .map(|(index, it)| rule(index, it, cluster, reading))
                    .collect(),
                end: End::Next,
            },
            false => Chain::unread(policy_ref, subject, text, End::Next),
        };
        stage.chains.get_mut(Direction::Egress).push(chain);
    }
    stage
}

fn rule<'c>(
    index: usize,
    rule: &'c EgressFirewallRule,
    cluster: &'c Cluster,
    reading: Reading<'_>,
) -> Rule<'c> {
    let matcher = match &rule.to {
        // The addresses of pods are cut out of every match (ovn-kubernetes
        // `egressfirewall.go`): the firewall is for what leaves the network of pods.
        EgressFirewallDestination::Cidr(cidr) => Matcher::BlockOfNoPods(
            Block { cidr, except: &[] },
            Condition::outside_pods(cidr.value, reading.enforcement),
        ),
        EgressFirewallDestination::DnsName(_) => Matcher::DomainNames,
        EgressFirewallDestination::Nodes(selector) => {
            Matcher::Nodes(cluster_policy::addresses(selector, cluster.nodes()))
        }
    };
    let is_opaque = match &rule.to {
        EgressFirewallDestination::Nodes(selector) => {
            cluster_policy::are_in_doubt(selector, cluster.nodes())
        }
        _ => false,
    };
    let origin = PeerRef::EgressFirewall(rule);
    Rule {
        origin: Origin {
            index,
            rule: RuleRef::EgressFirewall(rule),
        },
        action: rule.action.value,
        peers: Some(vec![Peer { origin, matcher }]),
        ports: (!rule.ports.is_empty()).then(|| rule.ports.iter().map(port).collect()),
        is_opaque,
    }
}

fn port(entry: &EgressFirewallPort) -> PortEntry<'_> {
    PortEntry {
        origin: PortRef::EgressFirewall(entry),
        ports: Ports::Numbers(entry.protocol, PortSet::single(entry.port)),
    }
}

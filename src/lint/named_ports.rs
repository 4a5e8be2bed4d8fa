//! The names of ports in cluster-wide policies and in those of CNI plugins, and the known pods
//! at which each is looked up.
//!
//! Refuses to know whether a pod has such a port, and NetworkPolicies: whoever asks about these
//! looks at their text.

use super::Context;
use super::plugin_rules::{self, PluginPortName};
use crate::cluster::WorkloadId;
use crate::engine::program::{
    Chain, HostNetwork, Matcher, NamespaceSet, Peer, PodSet, Ports, Rule,
};
use crate::engine::{CiliumSelector, PeerRef, PolicyRef, RuleRef};
use crate::k8s::{
    Action, CalicoSelector, CiliumPeers, CiliumSubject, Direction, PeerSelection, PluginSpec,
    PodsSelection, PortMatch, is_opaque,
};

/// The names in a rule, and where they are looked up.
#[derive(Clone, Debug)]
pub struct NamedPorts<'c> {
    /// The policy.
    pub policy: PolicyRef,
    /// What the rule does.
    pub action: Action,
    /// The place of the rule's ports.
    pub path: String,
    /// The names.
    pub names: Vec<PluginPortName<'c>>,
    /// The pods, in order; never empty.
    pub pods: Vec<WorkloadId>,
}

/// Those of all rules whose destinations the policy describes by labels of pods, or where all
/// pods are known: others are for pods that nobody has seen, too. A rule may be there once for
/// each family of addresses.
#[must_use]
pub fn named_ports<'c>(cx: &Context<'c>) -> Vec<NamedPorts<'c>> {
    let mut found = Vec::new();
    for stage in cx.program().stages() {
        for direction in Direction::BOTH {
            for chain in stage.chains.get(direction) {
                if !matches!(chain.policy, PolicyRef::Plugin(_) | PolicyRef::Cluster(_)) {
                    continue;
                }
                let mut subject = None;
                for rule in chain.rules.iter().filter(|rule| !rule.is_opaque) {
                    let mut names = names_of(rule.origin.rule);
                    names.retain(|port| looks_up(rule, port.name));
                    if names.is_empty() {
                        continue;
                    }
                    let pods = match direction {
                        Direction::Ingress => {
                            subject.get_or_insert_with(|| pods_of(cx, chain)).clone()
                        }
                        Direction::Egress => peers_of(cx, chain.policy, rule),
                    };
                    if !pods.is_empty() {
                        found.push(NamedPorts {
                            policy: chain.policy,
                            action: rule.action,
                            path: path_of_ports(rule, direction),
                            names,
                            pods,
                        });
                    }
                }
            }
        }
    }
    found
}

fn names_of(rule: RuleRef<'_>) -> Vec<PluginPortName<'_>> {
    let RuleRef::Cluster(rule) = rule else {
        return plugin_rules::named_ports(rule);
    };
    let entries = rule.ports.iter().flatten();
    let names = entries.filter_map(|entry| match &entry.matches {
        PortMatch::Name(name) if !is_opaque(name) => Some(PluginPortName {
            name,
            span: entry.span,
            protocol: None,
        }),
        PortMatch::Name(_) | PortMatch::Numbers { .. } => None,
    });
    names.collect()
}

/// Whether a rule as it is enforced looks up a name: one of Calico's that is there once for
/// endpoints and once for other owners of an address does so for endpoints only.
fn looks_up(rule: &Rule<'_>, name: &str) -> bool {
    let mut entries = rule.ports.iter().flatten();
    entries.any(|entry| matches!(entry.ports, Ports::Name(it, _) if it == name))
}

/// The place of the ports of a rule.
fn path_of_ports(rule: &Rule<'_>, direction: Direction) -> String {
    let (field, index) = (direction.field(), rule.origin.index);
    match rule.origin.rule {
        RuleRef::Cilium(spec, written) => format!("{}.{}.toPorts", spec.path, written.place()),
        RuleRef::Cluster(_) => format!("spec.{field}[{index}]"),
        _ => format!("spec.{field}[{index}].destination.ports"),
    }
}

/// The known pods that a policy is about, if it describes them.
fn pods_of(cx: &Context<'_>, chain: &Chain<'_>) -> Vec<WorkloadId> {
    let cluster = cx.cluster;
    let is_about_some = match chain.policy {
        PolicyRef::Plugin(id) => match &cluster.plugin_policy(id).spec {
            PluginSpec::Cilium(policy) => policy.specs.iter().all(|spec| {
                matches!(&spec.subject, CiliumSubject::Endpoints(selector) if !selector.is_empty())
            }),
            PluginSpec::Calico(policy) => is_some_pods(policy.selector.as_deref()),
            _ => false,
        },
        PolicyRef::Cluster(id) => has_labels(&cluster.cluster_policy(id).subject.value),
        PolicyRef::Network(_) | PolicyRef::Part(_) | PolicyRef::Agent => false,
    };
    match chain.is_subject_known && (is_about_some || cx.settings.inventory.is_complete()) {
        true => plugin_rules::workloads_of(cx, &chain.subject),
        false => Vec::new(),
    }
}

/// The known pods that an egress rule leads to, if it describes them all.
fn peers_of(cx: &Context<'_>, policy: PolicyRef, rule: &Rule<'_>) -> Vec<WorkloadId> {
    let mut all = Vec::new();
    for peer in rule.peers.iter().flatten() {
        let matched = match pod_set(peer) {
            Some(pods) if is_about_some(cx, policy, peer) => plugin_rules::workloads_of(cx, &pods),
            _ => return Vec::new(),
        };
        if matched.is_empty() {
            return matched;
        }
        all.extend(matched);
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The pods that a peer means, if it means no other ends.
fn pod_set<'c>(peer: &Peer<'c>) -> Option<PodSet<'c>> {
    match &peer.matcher {
        Matcher::Pods(pods) => Some(pods.clone()),
        Matcher::Condition(condition) => Some(PodSet {
            namespaces: NamespaceSet::All,
            pods: None,
            host_network: HostNetwork::Unseen,
            condition: Some(condition.clone()),
        }),
        _ => None,
    }
}

/// Whether a peer describes pods by their labels.
fn is_about_some(cx: &Context<'_>, policy: PolicyRef, peer: &Peer<'_>) -> bool {
    if cx.settings.inventory.is_complete() {
        return true;
    }
    match peer.origin {
        PeerRef::Cluster(peer) => match &peer.selection {
            PeerSelection::Pods(pods) => has_labels(pods),
            _ => false,
        },
        PeerRef::Cilium(field, span) => {
            let (CiliumPeers::Endpoints(selectors), PolicyRef::Plugin(id)) = (&field.peers, policy)
            else {
                return false;
            };
            let namespace = cx.cluster.plugin_policy(id).namespace();
            let mut written = selectors.iter().filter(|it| it.span == span);
            written.any(|it| {
                let asked = CiliumSelector::peer(cx.cluster, it, namespace).pod_labels();
                asked.is_some_and(|labels| !labels.is_empty())
            })
        }
        PeerRef::Calico(rule, Direction::Egress) => {
            is_some_pods(rule.destination.selector.as_deref())
        }
        _ => false,
    }
}

fn has_labels(pods: &PodsSelection) -> bool {
    matches!(pods, PodsSelection::Pods { pod_selector, .. } if !pod_selector.is_empty())
}

fn is_some_pods(selector: Option<&CalicoSelector>) -> bool {
    selector.is_some_and(|selector| *selector != CalicoSelector::All)
}

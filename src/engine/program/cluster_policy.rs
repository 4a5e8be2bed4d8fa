//! The cluster-wide policies of `policy.networking.k8s.io` in the form of the program (S11,
//! S12).
//!
//! Refuses to know the other kinds, and which pods there are.

use super::parts::Asked;
use super::{
    Block, Chain, End, HostNetwork, Matcher, NamespaceSet, Origin, Peer, PeerRef, PodSet,
    PolicyRef, PortEntry, PortRef, Ports, Reading, Rule, RuleRef, Stage, StageName,
};
use crate::cluster::{Cluster, ClusterPolicyId};
use crate::engine::ports::PortSet;
use crate::k8s::{
    ClusterNetworkPolicy, ClusterNetworkPolicyPeer, ClusterNetworkPolicyPort,
    ClusterNetworkPolicyRule, Direction, LabelSelector, Node, PeerSelection, PodsSelection,
    PortMatch, Tier, Truth,
};
use std::sync::Arc;

/// The Admin and the Baseline stage.
pub(super) fn lower<'c>(
    cluster: &'c Cluster,
    asked: Asked,
    reading: Reading<'_>,
) -> [Stage<'c>; 2] {
    let [mut admin, mut baseline] = [StageName::Admin, StageName::Baseline].map(Stage::new);
    // The ids are in the order of evaluation.
    let mut ids: Vec<ClusterPolicyId> = asked.cluster_policies(cluster);
    if reading.reverses_ties {
        ids.reverse();
        ids.sort_by_key(|id| cluster.cluster_policy(*id).priority.value);
    }
    for id in ids {
        let policy = cluster.cluster_policy(id);
        let (PodsSelection::Namespaces(namespaces)
        | PodsSelection::Pods {
            namespace_selector: namespaces,
            ..
        }) = &policy.subject.value;
        // Each namespace has a program of its own: with those that are for others, as many
        // policies as namespaces would take the square of both.
        let may_select = !policy.meta.is_accepted
            || !are_outsides_known(policy)
            || asked.may_be_in(cluster, namespaces);
        if !may_select || !reading.enforcement.reads(policy.kind) {
            continue;
        }
        let stage = match policy.tier {
            Tier::Admin => &mut admin,
            Tier::Baseline => &mut baseline,
        };
        for direction in Direction::BOTH {
            let chains = stage.chains.get_mut(direction);
            let is_silent = policy.silent.contains(&direction) && are_outsides_known(policy);
            if !policy.meta.is_accepted && is_silent {
                continue;
            }
            if policy.meta.is_accepted && are_outsides_known(policy) {
                chains.push(chain(id, policy, cluster.nodes(), direction));
            } else {
                // Nobody knows what becomes of it when it is put right or filled in, not even
                // its priority.
                let (subject, meta) = (pods(&policy.subject.value), &policy.meta);
                let policy = PolicyRef::Cluster(id);
                chains.insert(
                    0,
                    match meta.is_accepted {
                        true => Chain::filled_in(policy, subject, meta, End::Next),
                        false => Chain::unread(policy, subject, meta.name.span, End::Next),
                    },
                );
            }
        }
    }
    [admin, baseline]
}

/// Whether another tool fills in nothing of a policy but parts of rules.
fn are_outsides_known(policy: &ClusterNetworkPolicy) -> bool {
    let every_rule = Direction::BOTH.into_iter().flat_map(|it| policy.rules(it));
    let holes = &policy.meta.holes;
    holes.are_all_in(every_rule.map(|rule| rule.span))
}

fn chain<'c>(
    id: ClusterPolicyId,
    policy: &'c ClusterNetworkPolicy,
    nodes: &[Arc<Node>],
    direction: Direction,
) -> Chain<'c> {
    let holes = &policy.meta.holes;
    let rules = policy.rules(direction).iter().enumerate();
    Chain {
        policy: PolicyRef::Cluster(id),
        subject: pods(&policy.subject.value),
        is_subject_known: true,
        rules: rules
            .map(|(index, it)| rule(index, it, nodes, holes.first_in(it.span).is_some()))
            .collect(),
        end: End::Next,
    }
}

fn rule<'c>(
    index: usize,
    rule: &'c ClusterNetworkPolicyRule,
    nodes: &[Arc<Node>],
    is_opaque: bool,
) -> Rule<'c> {
    let ports = rule.ports.as_deref();
    Rule {
        origin: Origin {
            index,
            rule: RuleRef::Cluster(rule),
        },
        action: rule.action.value,
        peers: Some(rule.peers.iter().map(|it| peer(it, nodes)).collect()),
        ports: ports.map(|entries| entries.iter().map(port).collect()),
        is_opaque: is_opaque
            || rule.peers.iter().any(|peer| match &peer.selection {
                PeerSelection::Nodes(selector) => are_in_doubt(selector, nodes),
                _ => false,
            }),
    }
}

fn peer<'c>(peer: &'c ClusterNetworkPolicyPeer, nodes: &[Arc<Node>]) -> Peer<'c> {
    let matcher = match &peer.selection {
        PeerSelection::Pods(selection) => Matcher::Pods(pods(selection)),
        PeerSelection::Networks(networks) => {
            let block = |cidr| Block { cidr, except: &[] };
            Matcher::Blocks(networks.iter().map(block).collect())
        }
        PeerSelection::Nodes(selector) => Matcher::Nodes(addresses(selector, nodes)),
        PeerSelection::DomainNames(_) => Matcher::DomainNames,
    };
    Peer {
        origin: PeerRef::Cluster(peer),
        matcher,
    }
}

/// The addresses of the nodes that a selector is known to match.
pub(super) fn addresses(selector: &LabelSelector, nodes: &[Arc<Node>]) -> Vec<std::net::IpAddr> {
    let accepted = nodes.iter().filter(|node| node.meta.is_accepted);
    let selected = accepted.filter(|node| selector.matches(&node.meta.labels));
    selected.flat_map(|node| &node.addresses).copied().collect()
}

/// Whether another tool fills in what decides which nodes a selector matches.
pub(super) fn are_in_doubt(selector: &LabelSelector, nodes: &[Arc<Node>]) -> bool {
    let mut nodes = nodes.iter();
    nodes.any(|node| match selector.matches_opaque(&node.meta.labels) {
        Truth::False => false,
        Truth::Unknown => !node.addresses.is_empty() || !node.meta.holes.is_empty(),
        Truth::True => !node.meta.holes.is_empty(),
    })
}

/// Pods on the network of their node are never among them, whatever the plugin does for
/// other policies (S10).
fn pods(selection: &PodsSelection) -> PodSet<'_> {
    let (namespaces, pods) = selection.selectors();
    PodSet {
        namespaces: NamespaceSet::Matching(namespaces),
        pods,
        host_network: HostNetwork::Unseen,
        condition: None,
    }
}

fn port(entry: &ClusterNetworkPolicyPort) -> PortEntry<'_> {
    let ports = match &entry.matches {
        PortMatch::Numbers {
            protocol,
            first,
            last,
        } => Ports::Numbers(*protocol, PortSet::range(*first, *last)),
        // The protocol is the one that the destination declares (S12).
        PortMatch::Name(name) => Ports::Name(name, None),
    };
    PortEntry {
        origin: PortRef::Cluster(entry),
        ports,
    }
}

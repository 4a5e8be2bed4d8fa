//! `NetworkPolicy` in the form of the program (S5 to S8).
//!
//! Refuses to know the other kinds, and which pods there are.

use super::{
    Block, Chain, End, HostNetwork, Matcher, NamespaceSet, Origin, Peer, PeerRef, PodSet,
    PolicyRef, PortEntry, PortRef, Ports, Reading, Rule, RulePorts, RuleRef, Stage, StageName,
};
use crate::cluster::{Cluster, Enforcement, NamespaceId, PolicyId, PortReading};
use crate::engine::ports::PortSet;
use crate::k8s::{
    Action, Direction, LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicyRule, Operator, PortReference,
};

/// The stage of these policies.
pub(super) fn lower<'c>(
    cluster: &'c Cluster,
    policies: &[PolicyId],
    reading: Reading<'_>,
) -> Stage<'c> {
    let mut stage = Stage::new(StageName::NetworkPolicies);
    for id in policies {
        let policy = cluster.policy(*id);
        let subject = PodSet {
            namespaces: NamespaceSet::One(policy.namespace),
            pods: policy.object.pod_selector.get(),
            host_network: HostNetwork::Unseen,
            condition: None,
        };
        let lowering = Lowering {
            home: policy.namespace,
            enforcement: reading.enforcement,
        };
        for direction in Direction::BOTH {
            let is_silent =
                are_outsides_known(&policy.object) && policy.object.silent.contains(&direction);
            let chain = if !policy.object.meta.is_accepted && !is_silent {
                // Nobody knows what becomes of it when it is put right.
                let text = policy.object.meta.name.span;
                Chain::unread(PolicyRef::Network(*id), subject.clone(), text, End::Deny)
            } else if policy.object.applies_to(direction) || !are_outsides_known(&policy.object) {
                lowering.chain(*id, &policy.object, subject.clone(), direction)
            } else {
                continue;
            };
            stage.chains.get_mut(direction).push(chain);
        }
    }
    stage
}

struct Lowering<'e> {
    /// The namespace of the policy.
    home: NamespaceId,
    enforcement: &'e Enforcement,
}

/// Whether another tool fills in nothing of a policy but parts of rules: what it fills in
/// elsewhere may be a part of the selector, the types or any rule.
pub(super) fn are_outsides_known(policy: &NetworkPolicy) -> bool {
    let rules = policy.ingress.items().iter().chain(policy.egress.items());
    policy.meta.holes.are_all_in(rules.map(|rule| rule.span))
}

impl Lowering<'_> {
    fn chain<'c>(
        &self,
        id: PolicyId,
        policy: &'c NetworkPolicy,
        subject: PodSet<'c>,
        direction: Direction,
    ) -> Chain<'c> {
        let holes = &policy.meta.holes;
        let is_known = are_outsides_known(policy);
        let rules = policy.rules(direction).iter().enumerate();
        let rules = rules.map(|(index, rule)| {
            let is_opaque = holes.first_in(rule.span).is_some();
            self.rule(index, rule, is_opaque)
        });
        let missing = (!is_known).then(|| Rule::filled_in(&policy.meta));
        Chain {
            policy: PolicyRef::Network(id),
            subject,
            // What is missing may be a part of the selector or of the types, or a rule.
            is_subject_known: is_known,
            rules: rules.chain(missing).collect(),
            end: End::Deny,
        }
    }

    fn rule<'c>(&self, index: usize, rule: &'c NetworkPolicyRule, is_opaque: bool) -> Rule<'c> {
        let (peers, ports) = (rule.peers.items(), rule.ports.items());
        Rule {
            origin: Origin {
                index,
                rule: RuleRef::Network(rule),
            },
            action: Action::Accept,
            // No peers means everybody, the outside included (S6).
            peers: (!peers.is_empty())
                .then(|| peers.iter().filter_map(|peer| self.peer(peer)).collect()),
            ports: (!ports.is_empty()).then(|| ports.iter().map(|it| self.port(it)).collect()),
            is_opaque,
        }
    }

    /// An entry of `ports` as the CNI plugin reads it.
    fn port<'c>(&self, entry: &'c NetworkPolicyPort) -> PortEntry<'c> {
        let cni = self.enforcement.cni().map(|cni| cni.value);
        let reading = cni.map_or(PortReading::AsWritten, |cni| cni.reading_of(entry));
        let written = port(entry);
        let ports = match (reading, entry.port.get().map(|port| &port.value)) {
            (PortReading::Unsupported, _) => Ports::Unsupported,
            (PortReading::FirstOfRange, Some(PortReference::Number(first))) => {
                Ports::Numbers(entry.protocol_or_default(), PortSet::single(*first))
            }
            _ => return written,
        };
        PortEntry { ports, ..written }
    }

    /// `None` for a peer without any field, which matches nothing; an accepted policy has
    /// none.
    fn peer<'c>(&self, peer: &'c NetworkPolicyPeer) -> Option<Peer<'c>> {
        let matcher = match (
            peer.ip_block.get(),
            peer.namespace_selector.get(),
            peer.pod_selector.get(),
        ) {
            (Some(block), ..) => Matcher::Blocks(vec![Block {
                cidr: &block.cidr,
                except: block.except.items(),
            }]),
            (None, None, None) => return None,
            (None, namespaces, pods) => Matcher::Pods(PodSet {
                namespaces: namespaces.map_or(NamespaceSet::One(self.home), |selector| {
                    NamespaceSet::Matching(selector)
                }),
                pods,
                host_network: self.host_network(namespaces, pods),
                condition: None,
            }),
        };
        Some(Peer {
            origin: PeerRef::Network(peer),
            matcher,
        })
    }

    /// What the plugin makes of a peer for pods on the network of their node (S15).
    fn host_network(
        &self,
        namespaces: Option<&LabelSelector>,
        pods: Option<&LabelSelector>,
    ) -> HostNetwork {
        let is_group = namespaces.is_some_and(asks_for_host_network)
            && pods.is_none_or(|selector| selector.match_labels.is_empty());
        if is_group && self.enforcement.has_host_network_group() {
            HostNetwork::Group
        } else if self.enforcement.selectors_match_host_network() {
            HostNetwork::Seen
        } else {
            HostNetwork::Unseen
        }
    }
}

/// The namespace label that means all nodes and the pods on their network (Red Hat,
/// "About network policy").
const HOST_NETWORK_GROUP: &str = "policy-group.network.openshift.io/host-network";

fn asks_for_host_network(selector: &LabelSelector) -> bool {
    let by_label = selector
        .match_labels
        .iter()
        .any(|label| label.key.value == HOST_NETWORK_GROUP && label.value.value.is_empty());
    by_label
        || selector.match_expressions.iter().any(|expression| {
            expression.key.value == HOST_NETWORK_GROUP
                && match expression.operator.value {
                    Operator::Exists => true,
                    Operator::In => expression.values.iter().any(|value| value.is_empty()),
                    Operator::NotIn | Operator::DoesNotExist => false,
                }
        })
}

fn port(entry: &NetworkPolicyPort) -> PortEntry<'_> {
    PortEntry {
        origin: PortRef::Network(entry),
        ports: Ports::from(entry),
    }
}

impl<'c> From<&'c NetworkPolicyPort> for Ports<'c> {
    fn from(entry: &'c NetworkPolicyPort) -> Self {
        let protocol = entry.protocol_or_default();
        match entry.port.get().map(|port| &port.value) {
            None => Self::Numbers(protocol, PortSet::all()),
            Some(PortReference::Number(first)) => {
                let last = entry.end_port.get().map_or(*first, |last| last.value);
                Self::Numbers(protocol, PortSet::range(*first, last))
            }
            Some(PortReference::Name(name)) => Self::Name(name, Some(protocol)),
        }
    }
}

/// What the `ports` of a rule match (S7).
pub(in crate::engine) fn ports(entries: &[NetworkPolicyPort]) -> Option<RulePorts<'_>> {
    (!entries.is_empty()).then(|| entries.iter().map(port).collect())
}

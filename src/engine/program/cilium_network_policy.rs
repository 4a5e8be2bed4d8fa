//! NetworkPolicies as Cilium enforces them, in the form of the program (M2).
//!
//! Refuses to know the policies of Cilium's own kinds.

use super::cilium::{Lowering, own_node};
use super::cilium_parts::{namespaces, nets, outside};
use super::condition::Condition;
use super::identity::{CLUSTER, CLUSTER_KEY, Identities, NAMESPACE_KEY, Source};
use super::{Chain, End, HostNetwork, Matcher, Origin, Peer, PeerRef, PolicyRef, Rule, RuleRef};
use crate::cluster::{CiliumOptions, PolicyId};
use crate::k8s::{
    Action, Direction, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyRule, Operator,
};

impl<'c> Lowering<'c> {
    /// A NetworkPolicy as Cilium enforces it (M2): rules count whatever `policyTypes` says.
    pub(super) fn network_policy(&mut self, id: PolicyId, policy: &'c NetworkPolicy) {
        let namespace = policy.meta.namespace_name();
        let mut subject = Identities::new(policy.pod_selector.get(), Source::Kubernetes);
        subject.require(NAMESPACE_KEY, Operator::In, &[namespace]);
        let subject = self.pods(subject, HostNetwork::Unseen);
        let holes = &policy.meta.holes;
        let is_known = super::network_policy::are_outsides_known(policy);
        for direction in Direction::BOTH {
            let chains = self.allow.chains.get_mut(direction);
            let written = policy.rules_field(direction).items();
            let is_silent = is_known && written.is_empty() && policy.silent.contains(&direction);
            if !policy.meta.is_accepted && !is_silent {
                // Nobody knows what becomes of it when it is put right.
                let (id, text) = (PolicyRef::Network(id), policy.meta.name.span);
                chains.push(Chain::unread(id, subject.clone(), text, End::Deny));
                continue;
            }
            if written.is_empty() && !policy.applies_to(direction) && is_known {
                continue;
            }
            let rules = written.iter().enumerate();
            let rules = rules.map(|(index, rule)| Rule {
                origin: Origin {
                    index,
                    rule: RuleRef::Network(rule),
                },
                action: Action::Accept,
                peers: self.network_peers(rule, namespace),
                ports: super::network_policy::ports(rule.ports.items()),
                is_opaque: holes.first_in(rule.span).is_some(),
            });
            let missing = (!is_known).then(|| Rule::filled_in(&policy.meta));
            let mut rules: Vec<Rule<'c>> = rules.chain(missing).collect();
            if direction == Direction::Ingress && self.allows_localhost() {
                rules.push(own_node(Some(policy.meta.name.span)));
            }
            self.allow.chains.get_mut(direction).push(Chain {
                policy: PolicyRef::Network(id),
                subject: subject.clone(),
                is_subject_known: is_known,
                rules,
                end: End::Deny,
            });
        }
    }

    fn network_peers(
        &mut self,
        rule: &'c NetworkPolicyRule,
        namespace: &str,
    ) -> Option<Vec<Peer<'c>>> {
        let written = rule.peers.items();
        if written.is_empty() {
            return None;
        }
        let mut peers = Vec::new();
        for peer in written {
            let origin = PeerRef::Network(peer);
            let matchers = self.network_peer(peer, namespace);
            peers.extend(matchers.into_iter().map(|matcher| Peer { origin, matcher }));
        }
        Some(peers)
    }

    fn network_peer(&mut self, peer: &NetworkPolicyPeer, namespace: &str) -> Vec<Matcher<'c>> {
        if let Some(block) = peer.ip_block.get() {
            return self.addresses(outside(&[block.cidr.value], &nets(block.except.items())));
        }
        let mut identities = Identities::new(peer.pod_selector.get(), Source::Kubernetes);
        if !identities.asks_for(CLUSTER_KEY) {
            identities.imply(CLUSTER_KEY, Operator::In, &[CLUSTER]);
        }
        match peer.namespace_selector.get() {
            None => identities.require(NAMESPACE_KEY, Operator::In, &[namespace]),
            Some(selector) => identities.0.extend(namespaces(selector).0),
        }
        let identities = self.in_cluster(identities);
        self.identities(identities)
    }
}

/// The pods that a NetworkPolicy is about.
pub(in crate::engine) fn network_subject<'c>(
    policy: &NetworkPolicy,
    options: &CiliumOptions,
) -> Condition<'c> {
    let mut subject = Identities::new(policy.pod_selector.get(), Source::Kubernetes);
    let namespace = policy.meta.namespace_name();
    subject.require(NAMESPACE_KEY, Operator::In, &[namespace]);
    Condition::identities(subject.under(options))
}

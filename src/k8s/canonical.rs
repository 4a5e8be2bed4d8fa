//! The spec of a policy as one text that is the same for two policies that say the same
//! thing in another order or form.
//!
//! Refuses to know what a policy means among others: that two policies allow the same
//! because of the pods that exist is not equality.

use super::cluster_network_policy::{
    ClusterNetworkPolicy, ClusterNetworkPolicyRule, PeerSelection, PodsSelection, PortMatch,
};
use super::network_policy::{Direction, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyRule};
use super::selector::{LabelSelector, LabelSelectorRequirement, Operator};
use crate::source::Spanned;
use ipnet::IpNet;

impl NetworkPolicy {
    /// Its spec in canonical form: equal for two policies that differ only in the order of
    /// rules, peers, ports and labels, in what is written and what is left to its default,
    /// or in `matchLabels` for `In` with one value.
    #[must_use]
    pub fn canonical_spec(&self) -> String {
        let mut text = format!("pods {}\n", selector(self.pod_selector.get()));
        for direction in Direction::BOTH {
            if self.applies_to(direction) {
                let rules = self.rules(direction).iter().map(rule);
                text += &format!("{} {}\n", direction.field(), sorted(rules));
            }
        }
        text
    }
}

impl ClusterNetworkPolicy {
    /// Its spec in canonical form, as that of a `NetworkPolicy`; but the order of rules
    /// stays, as it counts.
    #[must_use]
    pub fn canonical_spec(&self) -> String {
        let (tier, priority) = (self.tier, self.priority.value);
        let mut text = format!("{tier:?} {priority}\npods {}\n", pods(&self.subject));
        for direction in Direction::BOTH {
            for rule in self.rules(direction) {
                text += &format!("{} {}\n", direction.field(), cluster_rule(rule));
            }
        }
        text
    }
}

impl NetworkPolicyRule {
    /// The rule in canonical form: equal for two rules that say the same.
    #[must_use]
    pub fn canonical(&self) -> String {
        rule(self)
    }

    /// Its ports in canonical form.
    #[must_use]
    pub fn canonical_ports(&self) -> String {
        ports(self)
    }
}

impl NetworkPolicyPeer {
    /// The peer in canonical form: equal for two peers that say the same.
    #[must_use]
    pub fn canonical(&self) -> String {
        peer(self)
    }
}

impl LabelSelector {
    /// The selector in canonical form: equal for two that say the same.
    #[must_use]
    pub fn canonical(&self) -> String {
        selector(Some(self))
    }
}

fn rule(rule: &NetworkPolicyRule) -> String {
    let peers = sorted(rule.peers.items().iter().map(peer));
    format!("peers {peers} ports {}", ports(rule))
}

fn ports(rule: &NetworkPolicyRule) -> String {
    sorted(rule.ports.items().iter().map(ToString::to_string))
}

fn peer(peer: &NetworkPolicyPeer) -> String {
    if let Some(block) = peer.ip_block.get() {
        return format!(
            "{} but {}",
            block.cidr.trunc(),
            blocks(block.except.items())
        );
    }
    let part = |part: Option<&LabelSelector>| part.map(|part| selector(Some(part)));
    let (pods, namespaces) = (peer.pod_selector.get(), peer.namespace_selector.get());
    format!("{:?} in {:?}", part(pods), part(namespaces))
}

fn cluster_rule(rule: &ClusterNetworkPolicyRule) -> String {
    let peers = sorted(rule.peers.iter().map(|peer| match &peer.selection {
        PeerSelection::Pods(selection) => pods(selection),
        PeerSelection::Networks(networks) => blocks(networks),
        PeerSelection::Nodes(nodes) => format!("nodes {}", selector(Some(nodes))),
        PeerSelection::DomainNames(names) => sorted(names.iter().map(ToString::to_string)),
    }));
    let ports = rule.ports.as_deref().map(|ports| {
        sorted(ports.iter().map(|port| match &port.matches {
            PortMatch::Numbers {
                protocol,
                first,
                last,
            } => format!("{protocol} {first}-{last}"),
            PortMatch::Name(name) => name.to_string(),
        }))
    });
    format!("{:?} peers {peers} ports {ports:?}", rule.action.value)
}

fn pods(selection: &PodsSelection) -> String {
    match selection {
        PodsSelection::Namespaces(namespaces) => format!("all in {}", selector(Some(namespaces))),
        PodsSelection::Pods {
            namespace_selector,
            pod_selector,
        } => {
            let (pods, namespaces) = (selector(Some(pod_selector)), namespace_selector);
            format!("{pods} in {}", selector(Some(namespaces)))
        }
    }
}

fn selector(selector: Option<&LabelSelector>) -> String {
    let Some(selector) = selector else {
        return sorted([]);
    };
    let labels = selector.match_labels.iter();
    let labels = labels.map(|label| format!("{:?} in {:?}", label.key.value, [&label.value.value]));
    sorted(labels.chain(selector.match_expressions.iter().map(requirement)))
}

fn requirement(requirement: &LabelSelectorRequirement) -> String {
    let key = &requirement.key.value;
    let mut values: Vec<&str> = requirement.values.iter().map(|it| it.as_str()).collect();
    values.sort_unstable();
    values.dedup();
    match requirement.operator.value {
        Operator::In => format!("{key:?} in {values:?}"),
        Operator::NotIn => format!("{key:?} not in {values:?}"),
        Operator::Exists => format!("{key:?}"),
        Operator::DoesNotExist => format!("no {key:?}"),
    }
}

fn blocks(blocks: &[Spanned<IpNet>]) -> String {
    sorted(blocks.iter().map(|block| block.trunc().to_string()))
}

fn sorted(texts: impl IntoIterator<Item = String>) -> String {
    let mut texts: Vec<String> = texts.into_iter().collect();
    texts.sort_unstable();
    texts.dedup();
    format!("[{}]", texts.join("; "))
}

//! Neighbouring rules of the CNI plugin's policies, of which one names peers and no ports, and the
//! other one ports and no peers: what a rule with both looks like that was split in two.
//!
//! Refuses to know whether they were meant so.

use super::platform::PortWord;
use super::plugin_rules::{CalicoInForce, CiliumInForce, calico_policies, cilium_policies};
use super::rewrite::Item;
use crate::cluster::Cluster;
use crate::k8s::{
    CalicoAction, CalicoPort, CalicoRule, CalicoSelector, CiliumMeaning, CiliumPeers,
    CiliumPortReference, CiliumRule, CiliumSection, CiliumSpec, CiliumSubject, Direction,
    PluginPolicy,
};

/// Two neighbouring rules that are all that a policy allows to come in.
#[derive(Clone, Debug)]
pub struct PluginPair<'c> {
    /// Their policy.
    pub object: &'c PluginPolicy,
    /// The place of the second rule in it.
    pub path: String,
    /// The rule with peers and no ports.
    pub with_peers: Item,
    /// Its field with the peers.
    pub peers_field: &'static str,
    /// The rule behind it, with ports and no peers.
    pub with_ports: Item,
    /// Its field with the ports.
    pub ports_field: &'static str,
    /// The ports, by number or name.
    pub ports: Vec<PortWord<'c>>,
    /// Whether the two become one rule where the second one's hyphen goes.
    pub joins: bool,
}

/// Such pairs of rules for ingress, in the order of the policies. A policy with further rules for
/// what comes in has none: there the one for everybody may well be meant.
#[must_use]
pub fn pairs(cluster: &Cluster) -> Vec<PluginPair<'_>> {
    let of_cilium = cilium_policies(cluster).flat_map(|policy| {
        let specs = policy.policy.specs.iter();
        specs.filter_map(move |spec| of_spec(&policy, spec))
    });
    let of_calico = calico_policies(cluster).filter_map(|policy| of_policy(&policy));
    of_cilium.chain(of_calico).collect()
}

fn of_spec<'c>(policy: &CiliumInForce<'c>, spec: &'c CiliumSpec) -> Option<PluginPair<'c>> {
    let allowing = spec.rules.iter();
    let allowing = allowing.filter(|rule| rule.section == CiliumSection::Ingress);
    let rules: Vec<&'c CiliumRule> = allowing.collect();
    let [first, second] = rules.as_slice() else {
        return None;
    };
    let CiliumSubject::Endpoints(subject) = &spec.subject else {
        return None;
    };
    let has_peers_only = first.meaning() == CiliumMeaning::Listed
        && first.to_ports.is_none()
        && first.icmps.is_none();
    let has_ports_only = second.meaning() == CiliumMeaning::Everybody
        && second.null_fields.is_empty()
        && second.layer7().is_none();
    let [field] = first.peer_fields.as_slice() else {
        return None;
    };
    // Entities, such as the node, are let in on every port on purpose.
    let CiliumPeers::Endpoints(selectors) = &field.peers else {
        return None;
    };
    // Pods that talk among themselves do so on every port.
    let own = subject.to_string();
    let mut selectors = selectors.iter();
    let are_own = selectors.any(|selector| selector.is_empty() || selector.to_string() == own);
    if !has_peers_only || !has_ports_only || are_own {
        return None;
    }
    let entries = second.to_ports.iter().flat_map(|ports| &ports.value);
    let ports = entries.flat_map(|entry| &entry.ports);
    Some(PluginPair {
        object: policy.object,
        path: format!("{}.{}", spec.path, second.place()),
        with_peers: Item {
            span: first.span,
            dash: first.dash,
        },
        peers_field: field.name,
        with_ports: Item {
            span: second.span,
            dash: second.dash,
        },
        ports_field: "toPorts",
        ports: ports
            .map(|port| match &port.port.value {
                CiliumPortReference::Number(0) => PortWord::Range,
                CiliumPortReference::Number(_) if port.end_port.is_some() => PortWord::Range,
                CiliumPortReference::Number(number) => PortWord::Number(*number),
                CiliumPortReference::Name(name) => PortWord::Name(name),
            })
            .collect(),
        joins: true,
    })
}

fn of_policy<'c>(policy: &CalicoInForce<'c>) -> Option<PluginPair<'c>> {
    let [first, second] = policy.policy.rules(Direction::Ingress) else {
        return None;
    };
    let allows = |rule: &CalicoRule| rule.action.value == CalicoAction::Allow;
    let has_ports = |rule: &CalicoRule| {
        !rule.destination.ports.is_empty() || !rule.destination.not_ports.is_empty()
    };
    let is_plain = |rule: &CalicoRule| rule.icmp.is_none() && rule.source.ports.is_empty();
    // Addresses are let in on every port on purpose, as those of the nodes are.
    let has_peers_only =
        first.source.selector.is_some() && first.protocol.is_none() && !has_ports(first);
    let has_ports_only = second.source.is_everybody()
        && second.destination.is_everybody()
        && !second.destination.ports.is_empty();
    let of_pods = |selector: &CalicoSelector| selector.to_label_selector(first.span);
    let wanted = first.source.selector.as_ref();
    let wanted = wanted.and_then(|it| of_pods(&it.value));
    let own = policy.policy.selector.as_ref();
    let own = own.and_then(|it| of_pods(&it.value));
    let are_own = wanted.is_some_and(|wanted| {
        wanted.is_empty() || own.is_some_and(|own| own.to_string() == wanted.to_string())
    });
    let rules = [first, second];
    let are_plain = rules.iter().all(|rule| allows(rule) && is_plain(rule));
    if !are_plain || !has_peers_only || !has_ports_only || are_own {
        return None;
    }
    let item = |rule: &CalicoRule| Item {
        span: rule.span,
        dash: rule.dash,
    };
    let ports = second.destination.ports.iter();
    Some(PluginPair {
        object: policy.object,
        path: "spec.ingress[1]".to_owned(),
        with_peers: item(first),
        peers_field: "source",
        with_ports: item(second),
        ports_field: "destination.ports",
        ports: ports
            .map(|port| match &port.value {
                CalicoPort::Range(first, last) if first == last => PortWord::Number(*first),
                CalicoPort::Range(..) => PortWord::Range,
                CalicoPort::Name(name) => PortWord::Name(name),
            })
            .collect(),
        // Both have an `action`.
        joins: false,
    })
}

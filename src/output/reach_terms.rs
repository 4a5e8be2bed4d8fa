//! Parts of policies in words: what a peer selects, what it wants, what was found instead, how
//! many rules match.
//!
//! Refuses to know the question that was asked.

use crate::cluster::NAMESPACE_NAME_LABEL;
use crate::engine::program::StageName;
use crate::engine::{
    ConnectionSet, Decision, PolicyRef, Requirement, RuleTrace, SideTrace, Wanted,
};
use crate::k8s::{IpBlock, LabelSelector, NetworkPolicyPeer, Protocol, Truth};
use std::fmt::Display;

pub(super) fn numbers(protocol: Protocol, connections: &ConnectionSet) -> String {
    let ports = connections.get(protocol);
    if ports.is_all() {
        format!("all {protocol} ports")
    } else {
        format!("{ports}/{protocol}")
    }
}

/// The first few of a list, and how many there are besides.
pub(super) fn some_of<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    let besides = items.len().saturating_sub(4);
    if besides > 1 {
        items.truncate(4);
        items.push(format!("and {besides} more"));
    }
    items.join(", ")
}

pub(super) fn network_peer(peer: &NetworkPolicyPeer) -> String {
    match peer.ip_block.get() {
        Some(block) => ip_block(block),
        None => pods(peer.pod_selector.get(), peer.namespace_selector.get()),
    }
}

pub(super) fn ip_block(block: &IpBlock) -> String {
    match block.except.items() {
        [] => block.cidr.value.to_string(),
        excepts => {
            let excepts = some_of(excepts.iter().map(|except| &except.value));
            format!("{} except {excepts}", block.cidr.value)
        }
    }
}

/// Pods by a selector, in namespaces by another.
pub(super) fn pods(pods: Option<&LabelSelector>, namespaces: Option<&LabelSelector>) -> String {
    let pods = pods.filter(|selector| !selector.is_empty());
    match (pods, namespaces) {
        (None, None) => "every pod of the namespace".to_owned(),
        (Some(pods), None) => pods.to_string(),
        (None, Some(namespaces)) if namespaces.is_empty() => "every pod".to_owned(),
        (Some(pods), Some(namespaces)) if namespaces.is_empty() => {
            format!("{pods} in any namespace")
        }
        (None, Some(namespaces)) => format!("every pod of {}", namespaces_words(namespaces)),
        (Some(pods), Some(namespaces)) => format!("{pods} in {}", namespaces_words(namespaces)),
    }
}

pub(super) fn namespaces_words(selector: &LabelSelector) -> String {
    match (&selector.match_labels[..], &selector.match_expressions[..]) {
        ([label], []) if label.key.value == NAMESPACE_NAME_LABEL => {
            format!("namespace {}", label.value)
        }
        _ => format!("namespaces with {selector}"),
    }
}

pub(super) fn wanted(requirement: &Requirement<'_>) -> String {
    match requirement.wanted {
        Wanted::Label(label) => format!("{}={}", label.key, label.value),
        Wanted::Expression(expression) => expression.to_string(),
    }
}

pub(super) fn found(requirement: &Requirement<'_>) -> String {
    let key = requirement.wanted.key();
    let added = requirement.added.and_then(|added| added.in_words(key));
    match (requirement.found, added) {
        (Some(label), _) => format!("has {}={}", label.key, label.value),
        (None, Some(value)) => format!("has {key}={value}"),
        (None, None) => format!("has no label {key}"),
    }
}

pub(super) fn namespace_label(other: &str, requirement: &Requirement<'_>) -> String {
    if let Wanted::Label(label) = requirement.wanted
        && label.key.value == NAMESPACE_NAME_LABEL
    {
        let found = requirement
            .found
            .map_or("", |label| label.value.value.as_str());
        return format!("wants namespace {}, {other} is in {found}", label.value);
    }
    let found = found(requirement);
    format!(
        "wants a namespace with {}, that of {other} {found}",
        wanted(requirement)
    )
}

/// How many rules match, of those of the policies that isolate, or of all where rules of
/// others are among them (`enableDefaultDeny`).
pub(super) fn matching(
    side: &SideTrace<'_>,
    decision: &Decision<'_, '_>,
    (isolating, rules): (usize, usize),
) -> String {
    let policies = side.policies(StageName::NetworkPolicies).iter();
    let policies = policies.filter(|policy| policy.selects == Truth::True);
    let selecting: Vec<PolicyRef> = policies.map(|policy| policy.policy).collect();
    let all = || {
        let rules = side.rules_of(StageName::NetworkPolicies);
        rules.filter(|rule| rule.is_written() && selecting.contains(&rule.policy))
    };
    let opens = |set: &ConnectionSet| !set.intersection(&decision.connections).is_empty();
    let mut matching = all().filter(|rule| opens(&rule.decides.certain)).count();
    if matching == 0 {
        // One that comes first may match as well; it does not matter then.
        let matches = |rule: &&RuleTrace<'_>| rule.peers.truth == Truth::True && !rule.is_opaque;
        let certain = all().filter(matches);
        matching = certain
            .filter(|rule| opens(&rule.ports.matches.certain))
            .count();
    }
    let whose = match (all().count() == rules, isolating) {
        (true, 1) => "its ",
        (true, _) => "their ",
        (false, _) => "",
    };
    match (matching, all().count()) {
        (1, 1) if isolating == 1 => "its rule matches".to_owned(),
        (_, 1) => "their only rule matches".to_owned(),
        // Each may match, and one of them does in any case.
        (0, rules) => format!("{whose}{rules} rules match together"),
        (1, rules) => format!("1 of {whose}{rules} rules matches"),
        (matching, rules) => format!("{matching} of {whose}{rules} rules match"),
    }
}

//! Rules that allow what the name of their policy says is denied: policies only add up, so that
//! none of them takes anything away.
//!
//! Refuses to know what is said of it.

use super::rewrite::Item;
use super::{Context, claims, dns};
use crate::k8s::{Direction, Label, LabelSelector, NetworkPolicy, NetworkPolicyRule, Operator};
use crate::source::Span;

/// What such a rule allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// What the name says, by the label or the value of this text.
    Named(Span),
    /// Everything, by the rule that starts with this text.
    Everything(Span),
}

/// The first rule of a policy of this namespace that allows what its name denies.
#[must_use]
pub fn allowed(cx: &Context<'_>, policy: &NetworkPolicy, namespace: &str) -> Option<Allowed> {
    let selector = policy.pod_selector.get();
    let values = selector.into_iter().flat_map(LabelSelector::values);
    let known: Vec<&str> = values.chain([namespace]).flat_map(claims::words).collect();
    let object = claims::denied_object(&policy.meta.name, &known)?;
    policy.rule_places().find_map(|place| {
        let rule = place.rule;
        let is_for_dns =
            place.direction == Direction::Egress && dns::is_meant_for_dns(cx.settings, rule);
        if is_for_dns || !policy.applies_to(place.direction) {
            return None;
        }
        match is_for_everything(rule) {
            true => Some(Allowed::Everything(Item::from(rule).mark(cx.sources))),
            false => named_by(rule, &object).map(Allowed::Named),
        }
    })
}

fn is_for_everything(rule: &NetworkPolicyRule) -> bool {
    let is_any = |cidr: &ipnet::IpNet| cidr.prefix_len() == 0;
    let mut blocks = rule.peers.items().iter().filter_map(|it| it.ip_block.get());
    rule.ports.is_missing()
        && (rule.peers.is_missing()
            || blocks.any(|it| is_any(&it.cidr.value) && it.except.items().is_empty()))
}

/// The label or the value by which a peer of a rule asks for what these words name: together
/// with its key it has all of them.
fn named_by(rule: &NetworkPolicyRule, object: &[&str]) -> Option<Span> {
    let names = |key: &str, value: &str| {
        let (key, value) = (key.to_lowercase(), value.to_lowercase());
        let (keys, values) = (claims::words(&key), claims::words(&value));
        object.iter().any(|word| values.contains(word))
            && (object.iter()).all(|word| values.contains(word) || keys.contains(word))
    };
    let peers = rule.peers.items().iter();
    let selectors = peers.flat_map(|peer| [peer.namespace_selector.get(), peer.pod_selector.get()]);
    selectors.flatten().find_map(|selector| {
        let mut labels = selector.match_labels.iter();
        let label = labels.find(|label| names(&label.key, &label.value));
        let listed = selector.match_expressions.iter();
        let listed = listed.filter(|entry| entry.operator.value == Operator::In);
        let mut listed =
            listed.flat_map(|entry| entry.values.iter().map(move |value| (entry, value)));
        label.map(Label::span).or_else(|| {
            let found = listed.find(|(entry, value)| names(&entry.key, value));
            found.map(|(_, value)| value.span)
        })
    })
}

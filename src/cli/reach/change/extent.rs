//! Which pods a change of policies can concern: of those that it opens nothing to, nor from, one
//! need not know whether they are there.
//!
//! Refuses to know what the change is good for.

use crate::cluster::{Cluster, NAMESPACE_NAME_LABEL};
use crate::k8s::{
    Direction, LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyRule, Object,
};
use crate::manifest::Focus;
use std::collections::BTreeSet;

/// Whether a change opens nothing but connections between pods of the focus, be there what
/// pods there may elsewhere. False where that takes more than a look at the policies.
pub(super) fn stays_within(
    focus: &Focus,
    cluster: &Cluster,
    before: &[&Object],
    after: &[Object],
) -> bool {
    let before: Option<Vec<&NetworkPolicy>> = before.iter().map(|it| network_policy(it)).collect();
    let after: Option<Vec<&NetworkPolicy>> = after.iter().map(network_policy).collect();
    let (Some(before), Some(after)) = (before, after) else {
        return false;
    };
    let change = Change { focus, cluster };
    let is_kept = |old: &&NetworkPolicy| {
        let mut after = after.iter();
        after.any(|new| isolate_alike(old, new))
    };
    before.iter().all(is_kept)
        && after.iter().all(|new| {
            let mut known = before.iter();
            change.stays_within(known.find(|old| isolate_alike(old, new)).copied(), new)
        })
}

fn network_policy(object: &Object) -> Option<&NetworkPolicy> {
    match object {
        Object::NetworkPolicy(policy) => Some(policy),
        _ => None,
    }
}

/// Whether two policies are of one name and isolate the same pods, so that they differ in what
/// they allow at the most.
fn isolate_alike(old: &NetworkPolicy, new: &NetworkPolicy) -> bool {
    let name = |policy: &NetworkPolicy| {
        let meta = &policy.meta;
        (
            meta.namespace_name().to_owned(),
            meta.name.value.clone(),
            meta.is_accepted,
        )
    };
    let isolated = |policy: &NetworkPolicy| {
        let selector = policy.pod_selector.get().map(LabelSelector::canonical);
        (
            selector,
            Direction::BOTH.map(|direction| policy.applies_to(direction)),
        )
    };
    name(old) == name(new) && isolated(old) == isolated(new)
}

struct Change<'c> {
    focus: &'c Focus,
    cluster: &'c Cluster,
}

impl Change<'_> {
    /// Whether a policy opens nothing to pods elsewhere that the `old` one did not.
    fn stays_within(&self, old: Option<&NetworkPolicy>, new: &NetworkPolicy) -> bool {
        let is_known = new.meta.holes.is_empty() && self.focus.is_on(new.meta.namespace_name());
        let mut rules = new.rule_places();
        is_known
            && rules.all(|place| {
                let known = old.map_or(&[][..], |old| old.rules(place.direction));
                self.rule_stays_within(known, place.rule)
            })
    }

    fn rule_stays_within(&self, known: &[NetworkPolicyRule], rule: &NetworkPolicyRule) -> bool {
        if known.iter().any(|old| old.canonical() == rule.canonical()) {
            return true;
        }
        let ports = rule.canonical_ports();
        let of_ports = known.iter().filter(|old| old.canonical_ports() == ports);
        let of_ports = of_ports.flat_map(|old| old.peers.items());
        let allowed: BTreeSet<String> = of_ports.map(NetworkPolicyPeer::canonical).collect();
        // A rule without peers is about everybody.
        let peers = rule.peers.items();
        let is_new = |peer: &&NetworkPolicyPeer| !allowed.contains(&peer.canonical());
        !peers.is_empty()
            && peers
                .iter()
                .filter(is_new)
                .all(|peer| self.is_in_focus(peer))
    }

    /// Whether a peer, of a policy in the focus, is pods of the focus at the most.
    fn is_in_focus(&self, peer: &NetworkPolicyPeer) -> bool {
        match peer.selectors() {
            // Pods elsewhere may have the addresses.
            None => false,
            Some((None, _)) => true,
            Some((Some(namespaces), _)) => self.are_in_focus(namespaces),
        }
    }

    /// Whether a selector selects namespaces of the focus at the most. Of one that has no manifest
    /// only the name is known, which is its only label.
    fn are_in_focus(&self, selector: &LabelSelector) -> bool {
        let mut labels = selector.match_labels.iter();
        let is_bound = labels.any(|label| {
            label.key.value != NAMESPACE_NAME_LABEL || self.focus.is_on(&label.value.value)
        });
        let namespaces = self.cluster.namespaces().iter();
        let mut selected = namespaces.filter(|namespace| selector.matches(&namespace.labels));
        is_bound
            && !selector.is_opaque()
            && selected.all(|namespace| self.focus.is_on(&namespace.name))
    }
}
